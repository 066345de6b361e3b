#include <stdlib.h>

#include "tests/control/group/consumer_bench.h"

#include "control/group/record_types.h"

/* What a group is, told before and after. */
static void expect_the_same(struct group_bench *bench)
{
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    char *before = malloc(bench->trace_used + 1);
    assert_non_null(before);
    memcpy(before, bench->trace, bench->trace_used + 1);
    bench_restart(bench);
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, before);
    free(before);
}

static void a_group_is_the_same_after_a_restart_at_any_point(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 4);
    bench_topic(bench, "u", 2);
    BEAT(.member = "a", .topics = "t", .rack = "r", .assignor = "range", .instance = "i");
    expect_the_same(bench);
    BEAT(.member = "b", .regex = "[tu]");
    expect_the_same(bench);
    BEAT(.member = "a", .instance = "i", .epoch = 1);
    expect_the_same(bench);
    BEAT(.member = "a", .instance = "i", .epoch = 1, .owned = "t/0 t/1");
    expect_the_same(bench);
    BEAT(.member = "b", .epoch = 2);
    BEAT(.member = "a", .instance = "i", .epoch = -2);
    expect_the_same(bench);
    BEAT(.member = "c", .instance = "i");
    expect_the_same(bench);
    BEAT(.member = "b", .epoch = -1);
    expect_the_same(bench);
    BEAT(.member = "c", .instance = "i", .epoch = -1);
    expect_the_same(bench);
}

static void timers_begin_anew_after_a_restart(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a", .rebalance_ms = 20000);
    BEAT(.member = "b");
    BEAT(.member = "a", .epoch = 1);
    bench_run_to(bench, 19000);
    bench_restart(bench);
    bench_forget(bench);
    bench_run_to(bench, 38999);
    bench_expect(bench, "");
    bench_run_to(bench, 19000 + 45000);
    bench_expect(bench, "@39000\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "+ epoch g 3\n"
                        "@64000\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "+ epoch g 4\n");
}

/* Compaction leaves the newest record of each key: a member's wish, target and state in any
 * order. */
static void records_come_in_any_order_that_compaction_leaves(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    const uint32_t count = bench->log_count;
    assert_int_equal(count, 5);
    for (uint32_t i = 0; i < count / 2; i++) {
        const struct group_bench_record record = bench->log[i];
        bench->log[i] = bench->log[count - 1 - i];
        bench->log[count - 1 - i] = record;
    }
    expect_the_same(bench);
}

static void a_target_without_a_member_is_none(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    const struct group_bench_record record = bench->log[0];
    bench->log[0] = bench->log[1]; /* What it wants, and what it has, are lost. */
    bench->log[1] = bench->log[2];
    bench->log[2] = bench->log[3];
    bench->log[3] = record;
    bench_drop_records(bench, 3);
    bench_restart(bench);
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Empty 1/1 uniform\n");
}

static void a_tombstone_of_what_is_not_there_is_nothing(void **state)
{
    struct group_bench *bench = *state;
    BEAT(.member = "a", .regex = "t");
    BEAT(.member = "a", .epoch = -1);
    bench_group(bench, GROUP_DELETE, (struct said){0});
    for (uint32_t i = 0; i < bench->log_count; i++) {
        if (bench->log[i].value.ptr == NULL) {
            assert_int_equal(
                group_replay(bench->coordinator, bench->log[i].key, (struct bytes){0}, -1),
                GROUP_REPLAYED);
        }
    }
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 0);
}

static void what_kafka_before_4_1_knew_of_topics_is_taken_away(void **state)
{
    struct group_bench *bench = *state;
    static const uint8_t key[] = {0, RECORD_CONSUMER_GROUP_PARTITION_METADATA, 0, 1, 'g'};
    static const uint8_t value[] = {0, 0, 1, 0}; /* Version 0, no topics, no tags. */
    assert_int_equal(group_replay(bench->coordinator, (struct bytes){key, sizeof(key)},
                                  (struct bytes){value, sizeof(value)}, -1),
                     GROUP_REPLAYED);
    BEAT(.member = "a");
    bench_expect(bench, "a: beat NONE epoch 1 []\n"
                        "+ member g a t\n"
                        "+ epoch g 1\n"
                        "- partitions g\n"
                        "+ target g a []\n"
                        "+ targets g 1\n"
                        "+ has g a 1<0 stable []\n");
}

static void what_cannot_be_read_is_corrupt(void **state)
{
    struct group_bench *bench = *state;
    BEAT(.member = "a", .regex = "t");
    JOIN(.group = "classic");
    for (uint32_t i = 0; i < bench->log_count; i++) {
        const struct group_bench_record *record = &bench->log[i];
        if (record->value.ptr == NULL) {
            continue;
        }
        for (uint32_t len = 0; len < record->value.len; len++) {
            struct group_coordinator *other = group_coordinator_new(&bench->settings, 1);
            assert_int_equal(
                group_replay(other, record->key, (struct bytes){record->value.ptr, len}, -1),
                GROUP_CORRUPT);
            group_coordinator_free(other);
        }
        for (uint32_t len = 0; len < record->key.len; len++) {
            struct group_coordinator *other = group_coordinator_new(&bench->settings, 1);
            assert_int_equal(
                group_replay(other, (struct bytes){record->key.ptr, len}, record->value, -1),
                GROUP_CORRUPT);
            group_coordinator_free(other);
        }
    }
}

static void a_group_with_classic_members_is_no_consumer_group(void **state)
{
    struct group_bench *bench = *state;
    BEAT(.member = "a");
    const uint32_t first = bench->log_count;
    struct group_bench *other = group_bench_new();
    bench_stable(other);
    for (uint32_t i = 0; i < first; i++) {
        assert_int_equal(
            group_replay(other->coordinator, bench->log[i].key, bench->log[i].value, -1),
            GROUP_CORRUPT);
    }
    group_bench_free(other);
}

static void a_member_has_as_much_of_a_topic_as_its_record_holds(void **state)
{
    struct group_bench *bench = *state;
    bench->quiet = true;
    bench_topic(bench, "big", 242000);
    BEAT(.member = "a", .topics = "big");
    bench_restart(bench);
    bench->quiet = false;
    BEAT(.member = "a", .epoch = 1);
    bench_expect(bench, "a: beat NONE epoch 1\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_group_is_the_same_after_a_restart_at_any_point),
        TEST(timers_begin_anew_after_a_restart),
        TEST(records_come_in_any_order_that_compaction_leaves),
        TEST(a_target_without_a_member_is_none),
        TEST(a_tombstone_of_what_is_not_there_is_nothing),
        TEST(what_kafka_before_4_1_knew_of_topics_is_taken_away),
        TEST(what_cannot_be_read_is_corrupt),
        TEST(a_member_has_as_much_of_a_topic_as_its_record_holds),
        TEST(a_group_with_classic_members_is_no_consumer_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
