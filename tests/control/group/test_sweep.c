#include <stdio.h>
#include <stdlib.h>

#include "tests/control/group/bench.h"

#define DAY_MS (24LL * 3600 * 1000)

enum { GROUPS = 12, PARTITIONS = 9, WALK = 5, STEPS_MAX = 1000 };

static const char *group_name(uint32_t group)
{
    static char names[GROUPS][8];
    (void)snprintf(names[group], sizeof(names[group]), "g%02u", group);
    return names[group];
}

/* Each group has so many offsets of "t" and of "u", one after the other. */
static void all_commit(struct group_bench *bench)
{
    for (uint32_t group = 0; group < GROUPS; group++) {
        for (int32_t partition = 0; partition < PARTITIONS; partition++) {
            char text[64];
            (void)snprintf(text, sizeof(text), "t/%d=1 u/%d=2", (int)partition, (int)partition);
            COMMIT(.group = group_name(group), .generation = -1, .topics = text);
        }
    }
    bench_forget(bench);
}

/* As it is asked for while there is more; each step walks no further than it may. */
static uint32_t sweep(struct group_bench *bench)
{
    uint32_t steps = 0;
    while (group_coordinator_sweeps(bench->coordinator)) {
        bench_event(bench, GROUP_SWEEP);
        assert_true(bench->walk_max == 0 || bench->update.walked <= bench->walk_max);
        assert_true(++steps < STEPS_MAX);
    }
    return steps;
}

static void forget_in(struct group_bench *bench, uint32_t walk_max, int64_t days)
{
    bench->walk_max = walk_max;
    if (days == 0) {
        bench_topic_deleted(bench, "t");
    } else {
        bench->wall_ms += days * DAY_MS;
        bench_event(bench, GROUP_EXPIRE);
    }
    assert_true(walk_max == 0 || bench->update.walked <= walk_max);
    const uint32_t steps = sweep(bench);
    assert_true(walk_max == 0 ? steps == 0 : steps >= 2 * GROUPS * PARTITIONS / walk_max);
}

/* days 0: a topic is deleted; else so much time goes by. */
static void same_in_parts(struct group_bench *bench, int64_t days, const char *last)
{
    static char whole[GROUP_TRACE_BYTES];
    struct group_bench *other = group_bench_new();
    all_commit(other);
    forget_in(other, 0, days);
    memcpy(whole, other->trace, sizeof(whole));
    group_bench_free(other);
    assert_non_null(strstr(whole, last));
    all_commit(bench);
    forget_in(bench, WALK, days);
    bench_expect(bench, whole);
}

static void a_topic_goes_in_parts_as_it_goes_at_once(void **state)
{
    struct group_bench *bench = *state;
    same_in_parts(bench, 0, "- offset g11 t/8\n");
    FETCH(.group = "g07", .topics = "t/0 u/0");
    bench_expect(bench, "a: fetch t/0=-1 u/0=2\n");
}

static void time_takes_in_parts_what_it_takes_at_once(void **state)
{
    struct group_bench *bench = *state;
    same_in_parts(bench, 8, "- group g11\n");
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 0);
    assert_int_equal(group_coordinator_counts(bench->coordinator).expirations,
                     2 * GROUPS * PARTITIONS);
}

static void what_is_to_go_is_told_to_nobody(void **state)
{
    struct group_bench *bench = *state;
    struct group_seen seen;
    all_commit(bench);
    bench->walk_max = WALK;
    bench_topic_deleted(bench, "t");
    bench_forget(bench);
    bench->walk_max = 0;
    FETCH(.group = "g11", .topics = "t/3 u/3");
    FETCH(.group = "g11", .topics = NULL);
    bench_expect(bench, "a: fetch t/3=-1 u/3=2\n"
                        "a: fetch u/0=2 u/1=2 u/2=2 u/3=2 u/4=2 u/5=2 u/6=2 u/7=2 u/8=2\n");
    group_look_begin(bench->coordinator);
    while (group_look_next(bench->coordinator, &seen)) {
        assert_true(seen.topic.ptr == NULL || seen.topic.ptr[0] == 'u');
    }
}

/* A topic of the same name: what is committed to it is not what goes. */
static void what_is_committed_to_a_topic_made_anew_stays(void **state)
{
    struct group_bench *bench = *state;
    all_commit(bench);
    bench->walk_max = WALK;
    bench_topic_deleted(bench, "t");
    COMMIT(.group = "g10", .generation = -1, .topics = "t/1=77");
    bench_txn_clear(
        bench,
        (struct said){.group = "g11", .generation = -1, .topics = "t/1=78", .producer_id = 5});
    TXN(.group = "g11", .generation = -1, .topics = "t/1=78", .producer_id = 5);
    bench_txn_clear(
        bench,
        (struct said){.group = "g09", .generation = -1, .topics = "t/1=79", .producer_id = 6});
    TXN(.group = "g09", .generation = -1, .topics = "t/1=79", .producer_id = 6);
    bench_txn_end(bench, 6, false);
    assert_true(sweep(bench) > 10);
    bench_txn_end(bench, 5, true);
    for (uint32_t restarted = 0; restarted < 2; restarted++) {
        bench->walk_max = 0;
        bench_forget(bench);
        FETCH(.group = "g09", .topics = "t/1 t/2");
        FETCH(.group = "g10", .topics = "t/1 t/2");
        FETCH(.group = "g11", .topics = "t/1 t/2");
        bench_expect(bench, "a: fetch t/1=-1 t/2=-1\n"
                            "a: fetch t/1=77 t/2=-1\n"
                            "a: fetch t/1=78 t/2=-1\n");
        bench_restart(bench);
    }
}

static void a_transaction_of_a_deleted_topic_sets_nothing(void **state)
{
    struct group_bench *bench = *state;
    all_commit(bench);
    TXN(.group = "g11", .generation = -1, .topics = "t/1=5 t/99=6", .producer_id = 7);
    bench->walk_max = WALK;
    bench_topic_deleted(bench, "t");
    bench_txn_end(bench, 7, true); /* It stands behind what is walked. */
    sweep(bench);
    bench->walk_max = 0;
    for (uint32_t restarted = 0; restarted < 2; restarted++) {
        bench_forget(bench);
        FETCH(.group = "g11", .topics = "t/1 t/99");
        bench_expect(bench, "a: fetch t/1=-1 t/99=-1\n");
        bench_restart(bench);
    }
}

static void topics_deleted_meanwhile_go_with_the_next_walk(void **state)
{
    struct group_bench *bench = *state;
    all_commit(bench);
    bench->walk_max = WALK;
    bench_topic_deleted(bench, "t");
    for (uint32_t i = 0; i < 10; i++) {
        bench_event(bench, GROUP_SWEEP);
    }
    COMMIT(.group = "g00", .generation = -1, .topics = "t/0=5"); /* It is past that. */
    bench_topic_deleted(bench, "t");
    bench_topic_deleted(bench, "u");
    sweep(bench);
    assert_int_equal(group_coordinator_counts(bench->coordinator).offsets, 0);
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, GROUPS);
    bench_event(bench, GROUP_EXPIRE);
    sweep(bench);
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 0);
}

static void a_walk_goes_on_beside_what_goes(void **state)
{
    struct group_bench *bench = *state;
    all_commit(bench);
    bench->walk_max = 2;
    bench_topic_deleted(bench, "t");
    for (uint32_t i = 0; i < GROUPS; i++) {
        bench_group(bench, GROUP_DELETE, (struct said){.group = group_name(i)});
        bench_event(bench, GROUP_SWEEP);
        COMMIT(.group = group_name(i), .generation = -1, .topics = "t/4=9 u/4=9");
    }
    sweep(bench);
    assert_int_equal(group_coordinator_counts(bench->coordinator).offsets, 2 * GROUPS);
    bench_topic_deleted(bench, "u"); /* Its end comes before it is through. */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_topic_goes_in_parts_as_it_goes_at_once),
        CASE(time_takes_in_parts_what_it_takes_at_once),
        CASE(what_is_to_go_is_told_to_nobody),
        CASE(what_is_committed_to_a_topic_made_anew_stays),
        CASE(a_transaction_of_a_deleted_topic_sets_nothing),
        CASE(topics_deleted_meanwhile_go_with_the_next_walk),
        CASE(a_walk_goes_on_beside_what_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
