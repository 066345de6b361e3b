#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/base/histogram.h"
#include "storage/base/random.h"

static struct histogram histogram;

static int empty(void **state)
{
    (void)state;
    histogram = (struct histogram){0};
    return 0;
}

static void buckets_follow_one_another_without_gap(void **state)
{
    (void)state;
    for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        const uint64_t max = histogram_bucket_max(bucket);
        assert_int_equal(histogram_bucket(max), bucket);
        assert_int_equal(histogram_bucket(max + 1),
                         bucket + 1 < HISTOGRAM_BUCKETS ? bucket + 1 : bucket);
    }
    assert_int_equal(histogram_bucket_max(HISTOGRAM_BUCKETS - 1), (UINT64_C(1) << 42) - 1);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void an_edge_is_at_most_a_64th_above_its_values(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 5);
    for (uint32_t i = 0; i < 100000; i++) {
        const uint64_t value = random_u64(&random) >> (22 + random_below(&random, 42));
        const uint64_t edge = histogram_bucket_max(histogram_bucket(value));
        assert_true(edge >= value && edge - value <= value / 64);
    }
}

static void percentiles_of_one_to_a_thousand(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 1000; i++) {
        histogram_record(&histogram, i * 1000);
    }
    static const struct {
        uint32_t percent_x1000;
        uint64_t want;
    } cases[] = {{0, 1000},       {50000, 500000},  {90000, 900000},  {99000, 990000},
                 {99900, 999000}, {99990, 1000000}, {100000, 1000000}};
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const uint64_t got = histogram_percentile(&histogram, cases[i].percent_x1000);
        assert_true(got >= cases[i].want && got <= cases[i].want + cases[i].want / 64);
    }
    assert_int_equal(histogram_percentile(&histogram, 100000), 1000000);
    assert_int_equal(histogram.sum, 500500000);
}

static void an_empty_histogram_has_no_percentile(void **state)
{
    (void)state;
    assert_int_equal(histogram_percentile(&histogram, 50000), 0);
}

static void counting_sees_every_value(void **state)
{
    (void)state;
    histogram_record(&histogram, 7);
    histogram_record_many(&histogram, 1 << 20, 5);
    histogram_record(&histogram, UINT64_MAX);
    assert_int_equal(histogram_count_up_to(&histogram, 6), 0);
    assert_int_equal(histogram_count_up_to(&histogram, 7), 1);
    assert_int_equal(histogram_count_up_to(&histogram, 1 << 22), 6);
    assert_int_equal(histogram_count_up_to(&histogram, UINT64_MAX), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_one_another_without_gap),
        cmocka_unit_test(an_edge_is_at_most_a_64th_above_its_values),
        cmocka_unit_test_setup(percentiles_of_one_to_a_thousand, empty),
        cmocka_unit_test_setup(an_empty_histogram_has_no_percentile, empty),
        cmocka_unit_test_setup(counting_sees_every_value, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
