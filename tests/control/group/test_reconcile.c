#include "tests/control/group/consumer_bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/control/group/storm.h"

static void who_says_nothing_of_what_it_has_may_have_all(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    BEAT(.member = "b");
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/1");
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1);
    BEAT(.member = "b", .epoch = 2);
    bench_expect(bench, "a: beat NONE epoch 1\n"
                        "b: beat NONE epoch 2\n"
                        "+ has g b 2<2 unreleased []\n");
}

static void who_has_given_up_before_it_was_told_goes_on_at_once(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    BEAT(.member = "b");
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1, .owned = "t/0");
    bench_expect(bench, "a: beat NONE epoch 2 [t/0]\n"
                        "+ has g a 2<1 stable [t/0]\n");
}

static void topics_that_are_not_wanted_any_more_are_given_up_first(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    bench_topic(bench, "u", 1);
    BEAT(.member = "a", .topics = "t u");
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1, .topics = "u");
    bench_expect(bench, "a: beat NONE epoch 1 [u/0]\n"
                        "+ member g a u\n"
                        "+ epoch g 2\n"
                        "+ target g a [u/0]\n"
                        "+ targets g 2\n"
                        "+ has g a 1<1 unrevoked [u/0] -[t/0]\n");
    /* While it gives up t, it does not want u either. */
    BEAT(.member = "a", .epoch = 1, .topics = "", .owned = "t/0 u/0");
    bench_expect(bench, "a: beat NONE epoch 1 []\n"
                        "+ member g a \n"
                        "+ epoch g 3\n"
                        "+ target g a []\n"
                        "+ targets g 3\n"
                        "+ has g a 1<1 unrevoked [] -[t/0 u/0]\n");
    BEAT(.member = "a", .epoch = 1, .owned = "u/0");
    bench_expect(bench, "a: beat NONE epoch 1\n");
    BEAT(.member = "a", .epoch = 1, .owned = "");
    bench_expect(bench, "a: beat NONE epoch 3\n"
                        "+ has g a 3<1 stable []\n");
}

static void targets_may_change_while_somebody_gives_up(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 4);
    BEAT(.member = "a");
    BEAT(.member = "b");
    BEAT(.member = "a", .epoch = 1);
    bench_forget(bench);
    BEAT(.member = "b", .epoch = -1);
    BEAT(.member = "c");
    BEAT(.member = "c", .epoch = -1);
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/1 t/2 t/3");
    bench_expect(bench, "a: beat NONE epoch 1\n"
                        "+ target g a [t/0 t/1 t/2 t/3]\n"
                        "+ targets g 5\n");
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/1");
    bench_expect(bench, "a: beat NONE epoch 5 [t/0 t/1 t/2 t/3]\n"
                        "+ has g a 5<1 stable [t/0 t/1 t/2 t/3]\n");
}

static void who_waits_gets_one_by_one(void **state)
{
    struct group_bench *bench = *state;
    bench->settings.assignors[0] = GROUP_RANGE;
    bench_topic(bench, "t", 3);
    bench_topic(bench, "u", 3);
    BEAT(.member = "a", .topics = "t");
    BEAT(.member = "b", .topics = "u");
    BEAT(.member = "c", .topics = "t u");
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1);
    BEAT(.member = "b", .epoch = 2);
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/1");
    BEAT(.member = "c", .epoch = 3);
    bench_expect(bench, "a: beat NONE epoch 3\n"
                        "+ has g a 3<1 stable [t/0 t/1]\n"
                        "c: beat NONE epoch 3 [t/2]\n"
                        "+ has g c 3<3 unreleased [t/2]\n");
    BEAT(.member = "b", .epoch = 2, .owned = "u/0 u/1");
    BEAT(.member = "c", .epoch = 3);
    bench_expect(bench, "b: beat NONE epoch 3\n"
                        "+ has g b 3<2 stable [u/0 u/1]\n"
                        "c: beat NONE epoch 3 [t/2 u/2]\n"
                        "+ has g c 3<3 stable [t/2 u/2]\n");
}

/* --- a storm ------------------------------------------------------------------------------------
 */

enum { STORM_EPOCHS_MAX = 4096, STORM_SEEDS = 4 };

struct storm_member {
    uint32_t number;
    uint32_t lives;
    char id[32];
    int32_t epoch; /* 0: out. */
    bool owned[STORM_PARTITIONS];
    bool tell; /* What it owns. */
    uint64_t heard_ms;
};

struct consumer_storm {
    struct storm storm;
    struct storm_member members[STORM_MEMBERS];
    struct storm_member *asks;
    uint32_t owners[STORM_EPOCHS_MAX][STORM_PARTITIONS]; /* 0: none. */
    int32_t epoch;                                       /* When it had converged. */
};

static void storm_begin_life(struct storm_member *member)
{
    member->lives++;
    snprintf(member->id, sizeof(member->id), "m%u-%u", member->number, member->lives);
    member->epoch = 0;
    memset(member->owned, 0, sizeof(member->owned));
}

/* Nobody else has it at this epoch, or has it still and is heard. */
static void storm_claim(struct consumer_storm *storm, const struct storm_member *member,
                        uint32_t partition)
{
    assert_in_range(member->epoch, 1, STORM_EPOCHS_MAX - 1);
    const uint32_t self = member->lives * STORM_MEMBERS + member->number + 1;
    uint32_t *owner = &storm->owners[member->epoch][partition];
    assert_true(*owner == 0 || *owner == self);
    *owner = self;
    for (uint32_t i = 0; i < STORM_MEMBERS; i++) {
        const struct storm_member *other = &storm->members[i];
        assert_false(other != member && other->owned[partition] &&
                     storm->storm.bench->now_ms < other->heard_ms + STORM_SESSION_MS);
    }
}

static void storm_reply(void *context, const struct group_reply *reply)
{
    struct consumer_storm *storm = context;
    struct storm_member *member = storm->asks;
    const struct consumer_group_heartbeat_response *answer = reply->answer;
    assert_int_equal(reply->kind, GROUP_CONSUMER_HEARTBEAT);
    if (answer->error_code == ERROR_UNKNOWN_MEMBER_ID ||
        answer->error_code == ERROR_FENCED_MEMBER_EPOCH) {
        storm_begin_life(member);
        return;
    }
    assert_int_equal(answer->error_code, ERROR_NONE);
    if (answer->member_epoch < 0) {
        return; /* It has left. */
    }
    member->epoch = answer->member_epoch;
    member->heard_ms = storm->storm.bench->now_ms;
    if (!answer->has_assignment) {
        return;
    }
    memset(member->owned, 0, sizeof(member->owned));
    for (int32_t i = 0; i < answer->assignment.topic_partitions.count; i++) {
        struct i32_array partitions = answer->assignment.topic_partitions.items[i].partitions;
        int32_t partition;
        while (i32_array_next(&partitions, &partition)) {
            assert_in_range(partition, 0, STORM_PARTITIONS - 1);
            member->owned[partition] = true;
            storm_claim(storm, member, (uint32_t)partition);
        }
    }
    member->tell = true;
}

static void storm_part(struct consumer_storm *storm, struct storm_member *member)
{
    struct group_bench *bench = storm->storm.bench;
    storm->storm.partings++;
    storm->storm.next_ms[member->number] =
        bench->now_ms + 1 + random_below(&storm->storm.random, 15000);
    switch (random_below(&storm->storm.random, 3)) {
    case 0: return; /* It stands still. */
    case 1: BEAT(.member = member->id, .epoch = -1); break;
    default: break;
    }
    storm_begin_life(member);
}

static void storm_act(struct storm *base, uint32_t number, bool calm)
{
    struct consumer_storm *storm = CONTAINER_OF(base, struct consumer_storm, storm);
    struct storm_member *member = &storm->members[number];
    struct group_bench *bench = base->bench;
    char owned[STORM_PARTITIONS * 6 + 1] = "";
    size_t used = 0;
    storm->asks = member;
    if (!calm && random_one_in(&base->random, 10)) {
        storm_part(storm, member);
        return;
    }
    for (uint32_t i = 0; i < STORM_PARTITIONS; i++) {
        if (member->owned[i]) {
            used += (size_t)snprintf(owned + used, sizeof(owned) - used, "t/%u ", i);
        }
    }
    const bool tell = member->tell;
    const int32_t rebalance_ms = member->epoch == 0 ? STORM_REBALANCE_MS : -1;
    member->tell = false;
    base->next_ms[number] = bench->now_ms + STORM_BEAT_MS;
    BEAT(.member = member->id, .epoch = member->epoch, .rebalance_ms = rebalance_ms,
         .owned = tell || member->epoch == 0 ? owned : NULL);
    if (member->tell || member->epoch == 0) { /* What is new is told soon. */
        base->next_ms[number] = bench->now_ms + 1 + random_below(&base->random, 100);
    }
}

static bool storm_converged(struct storm *base)
{
    const struct consumer_storm *storm = CONTAINER_OF(base, struct consumer_storm, storm);
    uint32_t count = 0;
    for (uint32_t i = 0; i < STORM_MEMBERS; i++) {
        const struct storm_member *member = &storm->members[i];
        if (member->epoch == 0 || member->epoch != storm->members[0].epoch) {
            return false;
        }
        for (uint32_t p = 0; p < STORM_PARTITIONS; p++) {
            count += member->owned[p];
        }
    }
    return count == STORM_PARTITIONS;
}

static void storm_note_epoch(struct storm *base)
{
    struct consumer_storm *storm = CONTAINER_OF(base, struct consumer_storm, storm);
    storm->epoch = storm->members[0].epoch;
}

static void run_storm(uint64_t seed)
{
    struct consumer_storm *storm = calloc(1, sizeof(*storm));
    assert_non_null(storm);
    storm->storm.act = storm_act;
    storm->storm.converged = storm_converged;
    storm->storm.on_converged = storm_note_epoch;
    for (uint32_t i = 0; i < STORM_MEMBERS; i++) {
        storm->members[i].number = i;
        storm_begin_life(&storm->members[i]);
    }
    storm_begin(&storm->storm, seed, storm_reply);
    struct group_bench *bench = storm->storm.bench;
    bench->settings.consumer_session_timeout_ms = STORM_SESSION_MS;
    bench->settings.consumer_heartbeat_interval_ms = STORM_BEAT_MS;
    bench_topic(bench, "t", STORM_PARTITIONS);
    storm_blow(&storm->storm);
    print_message("# seed %llu: %u partings, epoch %d, reached %llu ms after them\n",
                  (unsigned long long)seed, storm->storm.partings, storm->epoch,
                  (unsigned long long)(storm->storm.converged_ms - STORM_MS));
    assert_true(storm->storm.partings > STORM_MEMBERS);
    group_bench_free(bench);
    free(storm);
}

static void a_storm_of_200_members_is_over_within_two_rebalance_timeouts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= STORM_SEEDS; seed++) {
        run_storm(seed);
    }
}

/* Half of each topic stands in the record twice as a row: what it keeps, and what it gives up. */
static void a_step_that_fits_into_no_record_is_not_done(void **state)
{
    enum { TOPICS = 450, PARTITIONS = 533 };
    struct group_bench *bench = *state;
    bench->quiet = true;
    for (uint32_t i = 0; i < TOPICS; i++) {
        char name[8];
        snprintf(name, sizeof(name), "t%u", i);
        bench_topic(bench, name, PARTITIONS);
    }
    BEAT(.member = "a", .regex = ".*", .topics = "", .assignor = "range");
    BEAT(.member = "b", .regex = ".*", .topics = "", .assignor = "range");
    bench->quiet = false;
    BEAT(.member = "a", .epoch = 1);
    bench_expect(bench, "a: beat UNKNOWN_SERVER_ERROR\n");
    bench->quiet = true;
    BEAT(.member = "a", .epoch = 1, .owned = "");
    bench->quiet = false;
    bench_list(bench, NULL, NULL);
    BEAT(.member = "b", .epoch = -1);
    bench_expect(bench, "admin: list g=Reconciling/consumer\n"
                        "b: beat NONE epoch -1\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "+ epoch g 3\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_says_nothing_of_what_it_has_may_have_all),
        TEST(who_has_given_up_before_it_was_told_goes_on_at_once),
        TEST(topics_that_are_not_wanted_any_more_are_given_up_first),
        TEST(targets_may_change_while_somebody_gives_up),
        TEST(who_waits_gets_one_by_one),
        cmocka_unit_test(a_storm_of_200_members_is_over_within_two_rebalance_timeouts),
        TEST(a_step_that_fits_into_no_record_is_not_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
