#include "tests/control/group/bench.h"

#include <stdio.h>

static void timers_fire_in_their_order(void **state)
{
    struct group_bench *bench = *state;
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (uint32_t i = 0; i < 8; i++) { /* Ids that wait, each in a group of its own. */
        JOIN(.group = names[i], .client = names[i], .version = 4,
             .session_ms = 6000 + (int32_t)((i * 5) % 8) * 1000);
    }
    bench_forget(bench);
    assert_int_equal(group_coordinator_deadline_ms(bench->coordinator), 6000);
    bench_run_to(bench, 20000);
    bench_expect(bench, "@6000\n@7000\n@8000\n@9000\n@10000\n@11000\n@12000\n@13000\n");
    assert_true(group_coordinator_deadline_ms(bench->coordinator) == UINT64_MAX);
}

static void a_step_fires_no_more_timers_than_its_share(void **state)
{
    struct group_bench *bench = *state;
    char name[16];
    for (uint32_t i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "g%u", i);
        JOIN(.group = name, .client = "a", .version = 4);
    }
    bench_forget(bench);
    bench_run_to(bench, 10000);
    bench_expect(bench, "@10000\n@10000\n");
}

static void what_is_there_is_counted(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    COMMIT(.group = "h", .generation = -1, .topics = "t/0=1 t/1=1");
    const struct group_counts counts = group_coordinator_counts(bench->coordinator);
    assert_int_equal(counts.groups, 2);
    assert_int_equal(counts.members, 2);
    assert_int_equal(counts.offsets, 2);
    assert_int_equal(counts.rebalances, 1);
    assert_int_equal(counts.commits, 2);
    assert_int_equal(counts.states[GROUP_SHOWN_STABLE], 1);
    assert_int_equal(counts.states[GROUP_SHOWN_EMPTY], 1);
    JOIN(.client = "c"); /* A third one: all come together again. */
    bench->wall_ms += bench->settings.offset_retention_ms;
    bench_event(bench, GROUP_EXPIRE);
    const struct group_counts later = group_coordinator_counts(bench->coordinator);
    assert_int_equal(later.states[GROUP_SHOWN_PREPARING], 1);
    assert_int_equal(later.states[GROUP_SHOWN_STABLE], 0);
    assert_int_equal(later.states[GROUP_SHOWN_EMPTY], 0); /* It is gone with its offsets. */
    assert_int_equal(later.expirations, 2);
}

static void a_coordinator_is_freed_whatever_it_holds(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "c");
    JOIN(.client = "d", .version = 4);
    TXN(.member = "a#01", .generation = 1, .topics = "t/0=1:note", .producer_id = 1);
    group_coordinator_free(bench->coordinator); /* Leaks are the sanitizer's. */
    bench->coordinator = NULL;
    group_coordinator_free(NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(timers_fire_in_their_order),
        CASE(a_step_fires_no_more_timers_than_its_share),
        CASE(what_is_there_is_counted),
        CASE(a_coordinator_is_freed_whatever_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
