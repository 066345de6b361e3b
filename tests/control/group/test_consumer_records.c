#include "tests/control/group/consumer_bench.h"

static void expect_bytes(const struct group_record *record, const char *key, uint32_t key_len,
                         const char *value, uint32_t value_len)
{
    assert_int_equal(record->key.len, key_len);
    assert_memory_equal(record->key.ptr, key, key_len);
    assert_int_equal(record->value.len, value_len);
    assert_memory_equal(record->value.ptr, value, value_len);
}

#define EXPECT_BYTES(record, key, value) \
    expect_bytes(record, key, sizeof(key) - 1, value, sizeof(value) - 1)

/* As Kafka writes them; what it reads back is a test of its own, by its dump tool. */
static void records_are_what_kafka_writes(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    BEAT(.member = "m", .client = "c");
    const struct group_record *records = bench->update.records;
    assert_int_equal(bench->update.record_count, 5);
    EXPECT_BYTES(&records[0], "\0\5\0\1g\0\1m", "\0\0\0\0\2c\x0a/10.0.0.1\2\2t\1\0\0\xea\x60\0\0");
    EXPECT_BYTES(&records[2], "\0\7\0\1g\0\1m",
                 "\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\2\0\0\0\0\0\0");
    EXPECT_BYTES(&records[3], "\0\6\0\1g", "\0\0\0\0\0\1\0");
    EXPECT_BYTES(&records[4], "\0\x08\0\1g\0\1m",
                 "\0\0\0\0\0\1\0\0\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\2\0\0\0\0\0\1\0");
    const uint8_t *value = records[1].value.ptr; /* Epoch 1, and the hash as tag 0. */
    EXPECT_BYTES(&((struct group_record){records[1].key, {value, 9}}), "\0\3\0\1g",
                 "\0\0\0\0\0\1\1\0\x08");
    assert_int_equal(records[1].value.len, 17);
    assert_true((int64_t)load_be64(value + 9) == bench->metadata_hash);
}

static void a_regular_expression_is_a_record(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    BEAT(.member = "m", .regex = "t?");
    EXPECT_BYTES(&bench->update.records[1], "\0\x10\0\1g\0\2t?",
                 "\0\0\2\2t\0\0\0\0\0\0\0\1\0\0\0\0\0\x0f\x42\x40\0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_are_what_kafka_writes),
        TEST(a_regular_expression_is_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
