#include "tests/control/group/bench.h"

#include <stdio.h>

/* As Kafka 4.2 writes them: see GroupCoordinatorRecordHelpers.java. */
static void assert_hex(struct bytes have, const char *want)
{
    char text[1024];
    assert_true(have.len * 2 < sizeof(text));
    for (uint32_t i = 0; i < have.len; i++) {
        snprintf(text + i * 2, 3, "%02x", have.ptr[i]);
    }
    text[have.len * 2] = '\0';
    assert_string_equal(text, want);
}

static void an_offset_is_written_in_version_4(void **state)
{
    struct group_bench *bench = *state;
    COMMIT(.generation = -1, .topics = "t/1=5:n");
    assert_int_equal(bench->update.record_count, 1);
    assert_hex(bench->update.records[0].key, "0001"
                                             "000167"
                                             "000174"
                                             "00000001");
    assert_hex(bench->update.records[0].value, "0004"
                                               "0000000000000005"
                                               "ffffffff"
                                               "026e"
                                               "00000000000f4240"
                                               "00");
}

static void an_offset_with_an_expiry_is_written_in_version_1(void **state)
{
    struct group_bench *bench = *state;
    COMMIT(.generation = -1, .topics = "t/1=5", .retention_ms = 16, .version = 4);
    assert_hex(bench->update.records[0].value, "0001"
                                               "0000000000000005"
                                               "0000"
                                               "00000000000f4240"
                                               "00000000000f4250");
}

static void a_group_is_written_in_version_3(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .instance = "i", .version = 5);
    assert_hex(bench->update.records[0].key, "0002"
                                             "000167");
    assert_hex(bench->update.records[0].value, "0003"
                                               "0000"
                                               "00000000"
                                               "ffff"
                                               "ffff"
                                               "00000000000f4240"
                                               "00000000");
    bench_run_to(bench, 3000);
    SYNC(.member = "i#01", .generation = 1, .assign = "i#01=x");
    assert_hex(bench->update.records[0].value,
               "0003"
               "0008636f6e73756d6572"
               "00000001"
               "000572616e6765"
               "0026692d30313030303030302d303030302d343030302d383030302d303030303030303030303030"
               "00000000000f4df8"
               "00000001"
               "0026692d30313030303030302d303030302d343030302d383030302d303030303030303030303030"
               "000169"
               "000161"
               "00092f31302e302e302e31"
               "0000ea60"
               "00002710"
               "000000016d"
               "0000000178");
}

static void many_records_and_replies_fit_one_update(void **state)
{
    struct group_bench *bench = *state;
    for (uint32_t i = 0; i < 40; i++) {
        JOIN(.client = "a");
    }
    bench_run_to(bench, 60000);
    COMMIT(.group = "h", .generation = -1,
           .topics = "t/0=0 t/1=1 t/2=2 t/3=3 t/4=4 t/5=5 t/6=6 t/7=7 t/8=8 t/9=9 t/10=10 t/11=11 "
                     "t/12=12 t/13=13 t/14=14 t/15=15 t/16=16 t/17=17");
    assert_int_equal(bench->update.record_count, 18);
    bench_forget(bench);
    bench_restart(bench);
    FETCH(.group = "h", .topics = NULL);
    bench_expect(bench, "a: fetch t/0=0 t/1=1 t/2=2 t/3=3 t/4=4 t/5=5 t/6=6 t/7=7 t/8=8 t/9=9 "
                        "t/10=10 t/11=11 t/12=12 t/13=13 t/14=14 t/15=15 t/16=16 t/17=17\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_offset_is_written_in_version_4),
        CASE(an_offset_with_an_expiry_is_written_in_version_1),
        CASE(a_group_is_written_in_version_3),
        CASE(many_records_and_replies_fit_one_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
