#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/rtt.h"

static const uint64_t ms = 1000000;

static void the_first_sample_sets_time_and_variance(void **state)
{
    (void)state; /* RFC 6298 2.2 */
    struct rtt rtt;
    rtt_init(&rtt, 1000 * ms);
    assert_int_equal(rtt.timeout_ns, 1000 * ms);
    rtt_sample(&rtt, 80 * ms, 5 * ms, 60000 * ms, 0);
    assert_int_equal(rtt.smoothed_ns, 80 * ms);
    assert_int_equal(rtt.variance_ns, 40 * ms);
    assert_int_equal(rtt.timeout_ns, 240 * ms);
}

static void later_samples_move_them_by_eighths_and_quarters(void **state)
{
    (void)state; /* RFC 6298 2.3 */
    struct rtt rtt;
    rtt_init(&rtt, 1000 * ms);
    rtt_sample(&rtt, 80 * ms, 5 * ms, 60000 * ms, 0);
    rtt_sample(&rtt, 160 * ms, 5 * ms, 60000 * ms, 0);
    assert_int_equal(rtt.variance_ns, 50 * ms);
    assert_int_equal(rtt.smoothed_ns, 90 * ms);
    assert_int_equal(rtt.timeout_ns, 290 * ms);
}

static void the_floor_is_added_to_the_smoothed_time(void **state)
{
    (void)state;
    struct rtt rtt;
    rtt_init(&rtt, 1000 * ms);
    for (uint32_t i = 0; i < 200; i++) {
        rtt_sample(&rtt, ms, 5 * ms, 60000 * ms, 0);
    }
    assert_in_range(rtt.timeout_ns, 5 * ms + ms * 9 / 10, 6 * ms);
    rtt_sample(&rtt, 1000000 * ms, 5 * ms, 8 * ms, 0);
    assert_int_equal(rtt.timeout_ns, 8 * ms);
}

static void a_sample_far_beyond_the_timeout_counts_as_twice_the_timeout(void **state)
{
    (void)state;
    struct rtt rtt;
    uint32_t samples = 0;
    rtt_init(&rtt, 1000 * ms);
    rtt_sample(&rtt, ms / 10, 5 * ms, 60000 * ms, 0);
    assert_int_equal(rtt.timeout_ns, 5 * ms + ms / 10);
    rtt_sample(&rtt, 8000 * ms, 5 * ms, 60000 * ms, 0);
    assert_in_range(rtt.timeout_ns, 10 * ms, 13 * ms);
    assert_int_equal(rtt.min_ns, ms / 10);
    while (rtt.timeout_ns < 300 * ms) { /* A path that is longer now. */
        rtt_sample(&rtt, 300 * ms, 5 * ms, 60000 * ms, 0);
        samples++;
    }
    assert_in_range(samples, 3, 8);
}

static void the_least_time_is_forgotten_after_ten_seconds(void **state)
{
    (void)state;
    struct rtt rtt;
    rtt_init(&rtt, 1000 * ms);
    rtt_sample(&rtt, 1 * ms, 0, 60000 * ms, 0);
    rtt_sample(&rtt, 9 * ms, 0, 60000 * ms, 9000 * ms);
    assert_int_equal(rtt.min_ns, 1 * ms);
    rtt_sample(&rtt, 9 * ms, 0, 60000 * ms, 11000 * ms);
    assert_int_equal(rtt.min_ns, 9 * ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_sample_sets_time_and_variance),
        cmocka_unit_test(later_samples_move_them_by_eighths_and_quarters),
        cmocka_unit_test(the_floor_is_added_to_the_smoothed_time),
        cmocka_unit_test(a_sample_far_beyond_the_timeout_counts_as_twice_the_timeout),
        cmocka_unit_test(the_least_time_is_forgotten_after_ten_seconds),
    };
    return cmocka_run_group_tests_name("rtt", tests, NULL, NULL);
}
