#include "tests/control/txn/bench.h"

#include <stdio.h>

/* As Kafka 4.2 writes them: see TransactionLog.scala. */
static void assert_hex(struct bytes have, const char *want)
{
    char text[512];
    assert_true(have.len * 2 < sizeof(text));
    for (uint32_t i = 0; i < have.len; i++) {
        snprintf(text + i * 2, 3, "%02x", have.ptr[i]);
    }
    text[have.len * 2] = '\0';
    assert_string_equal(text, want);
}

static void version_0_is_written_until_more_is_finalised(void **state)
{
    struct txn_bench *bench = *state;
    bench->settings.version = 0;
    bench_init(bench, "x", -1, -1);
    assert_hex(bench->update.records[0].key, "0000"
                                             "000178");
    assert_hex(bench->update.records[0].value, "0000"
                                               "00000000000003e8"
                                               "0000"
                                               "0000ea60"
                                               "00"
                                               "ffffffff"
                                               "00000000000f4240"
                                               "ffffffffffffffff");
    bench_add(bench, 3, "x", 1000, 0, "t/0 t/1");
    assert_hex(bench->update.records[0].value, "0000"
                                               "00000000000003e8"
                                               "0000"
                                               "0000ea60"
                                               "01"
                                               "00000001"
                                               "000174"
                                               "00000002"
                                               "00000000"
                                               "00000001"
                                               "00000000000f4240"
                                               "00000000000f4240");
}

static void version_1_says_which_producer_was_before(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_add(bench, 5, "x", 1000, 0, "t/0");
    assert_hex(bench->update.records[0].value, "0001"
                                               "00000000000003e8"
                                               "0000"
                                               "0000ea60"
                                               "01"
                                               "02"
                                               "0274"
                                               "02"
                                               "00000000"
                                               "00"
                                               "00000000000f4240"
                                               "00000000000f4240"
                                               "02"
                                               "0008"
                                               "00000000000003e8"
                                               "0202"
                                               "0002");
}

static void many_partitions_fit_one_marker(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_add(bench, 5, "x", 1000, 0,
              "t/9 t/8 t/7 t/6 t/5 t/4 t/3 t/2 t/1 t/0 u/9 u/8 u/7 u/6 u/5 u/4 u/3 u/2 u/1 u/0");
    bench_end(bench, 5, "x", 1000, 0, true);
    assert_int_equal(bench->update.marker_count, 1);
    assert_int_equal(bench->update.markers[0].place_count, 20);
    for (uint32_t i = 0; i < 6; i++) {
        char id[8];
        snprintf(id, sizeof(id), "y%u", i);
        bench_init(bench, id, -1, -1);
        bench_add(bench, 5, id, 1001 + i, 0, "t/0");
    }
    bench->wall_ms += 1000000;
    bench_event(bench, TXN_TIME); /* All at once. */
    assert_int_equal(bench->update.marker_count, 6);
    assert_int_equal(bench->update.record_count, 6);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, txn_bench_up, txn_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(version_0_is_written_until_more_is_finalised),
        CASE(version_1_says_which_producer_was_before),
        CASE(many_partitions_fit_one_marker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
