#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/bench/schedule.h"

enum { START_NS = 5000, SECOND_NS = 1000000000 };

/* Sends whatever is due at a time; returns how much that was. */
static uint64_t take(struct schedule *schedule, uint64_t now_ns)
{
    const uint64_t before = schedule->sent;
    while (schedule_is_due(schedule, now_ns)) {
        schedule->sent++;
    }
    return schedule->sent - before;
}

static void every_rate_is_due_as_often_as_it_says(void **state)
{
    (void)state;
    static const uint64_t rates[] = {1, 3, 7, 100, 999, 1000, 30011, 1000000, 333333333};
    for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
        struct schedule schedule;
        schedule_init(&schedule, rates[i], START_NS, START_NS + (uint64_t)SECOND_NS);
        const uint64_t count = schedule_due_before(&schedule, START_NS + SECOND_NS);
        /* A 1024th of a nanosecond is what an interval may be off. */
        assert_in_range(count, rates[i], rates[i] + rates[i] / 1000 + 1);
        assert_true(schedule_due_ns(&schedule, count - 1) < schedule.end_ns);
        assert_true(schedule_due_ns(&schedule, count) >= schedule.end_ns);
    }
}

static void a_request_is_due_from_its_time_on(void **state)
{
    (void)state;
    struct schedule schedule;
    schedule_init(&schedule, 1000, START_NS, START_NS + (uint64_t)SECOND_NS);
    assert_false(schedule_is_due(&schedule, START_NS - 1));
    assert_int_equal(take(&schedule, START_NS), 1);
    assert_int_equal(take(&schedule, START_NS + 999999), 0);
    assert_int_equal(take(&schedule, START_NS + 1000000), 1);
    assert_int_equal(schedule_due_before(&schedule, START_NS), 0);
    assert_int_equal(schedule_due_before(&schedule, START_NS + 1), 1);
    assert_int_equal(schedule_due_before(&schedule, START_NS + 1000000), 1);
    assert_int_equal(schedule_due_before(&schedule, 0), 0);
}

static void what_was_late_at_the_end_stays_due(void **state)
{
    (void)state;
    struct schedule schedule;
    schedule_init(&schedule, 1000, START_NS, START_NS + (uint64_t)SECOND_NS);
    assert_int_equal(take(&schedule, START_NS + SECOND_NS / 2 - 1), 500);
    assert_false(schedule_is_done(&schedule));
    assert_int_equal(take(&schedule, START_NS + 9ull * SECOND_NS), 500);
    assert_true(schedule_is_done(&schedule));
    assert_int_equal(schedule.sent, schedule_due_before(&schedule, schedule.end_ns));
}

static void no_rate_is_the_slowest(void **state)
{
    (void)state;
    struct schedule schedule;
    schedule_init(&schedule, 0, START_NS, START_NS + 3ull * SECOND_NS);
    assert_int_equal(schedule_due_before(&schedule, schedule.end_ns), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rate_is_due_as_often_as_it_says),
        cmocka_unit_test(a_request_is_due_from_its_time_on),
        cmocka_unit_test(what_was_late_at_the_end_stays_due),
        cmocka_unit_test(no_rate_is_the_slowest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
