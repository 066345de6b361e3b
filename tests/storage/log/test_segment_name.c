#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/log/segment_name.h"

static void file_names_go_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct segment_name name;
    } cases[] = {
        {"00000000000000000000.log", {0, SEGMENT_LOG, SEGMENT_LIVE}},
        {"00000000000000000042.index", {42, SEGMENT_INDEX, SEGMENT_LIVE}},
        {"00000000000000000042.timeindex", {42, SEGMENT_TIME_INDEX, SEGMENT_LIVE}},
        {"00000000000000000042.txnindex", {42, SEGMENT_TXN_INDEX, SEGMENT_LIVE}},
        {"00000000000000000042.snapshot", {42, SEGMENT_SNAPSHOT, SEGMENT_LIVE}},
        {"00000000000000000042.producers", {42, SEGMENT_PRODUCERS, SEGMENT_LIVE}},
        {"09223372036854775807.log", {INT64_MAX, SEGMENT_LOG, SEGMENT_LIVE}},
        {"00000000000000000001.log.deleted", {1, SEGMENT_LOG, SEGMENT_DELETED}},
        {"00000000000000000001.snapshot.deleted", {1, SEGMENT_SNAPSHOT, SEGMENT_DELETED}},
        {"00000000000000000001.timeindex.cleaned", {1, SEGMENT_TIME_INDEX, SEGMENT_CLEANED}},
        {"00000000000000000001.index.swap", {1, SEGMENT_INDEX, SEGMENT_SWAP}},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[SEGMENT_NAME_BYTES];
        segment_name_format(cases[i].name, text);
        assert_string_equal(text, cases[i].text);
        struct segment_name name;
        assert_true(segment_name_parse(bytes_of_string(text), &name));
        assert_int_equal(name.base_offset, cases[i].name.base_offset);
        assert_int_equal(name.file, cases[i].name.file);
        assert_int_equal(name.mark, cases[i].name.mark);
    }
}

static void other_file_names_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        ".log",
        "0.log",
        "00000000000000000000",
        "00000000000000000000.",
        "00000000000000000000.lo",
        "00000000000000000000.logs",
        "00000000000000000000.log.",
        "00000000000000000000.log.tmp",
        "00000000000000000000.log.deleted.swap",
        "000000000000000000000.log",
        "-0000000000000000001.log",
        "99999999999999999999.log",
        "09223372036854775808.log",
        "0000000000000000000a.log",
        "00000000000000000000log",
        "leader-epoch-checkpoint",
        "partition.metadata",
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct segment_name name;
        assert_false(segment_name_parse(bytes_of_string(bad[i]), &name));
    }
}

static void directory_names_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *topic;
        int32_t partition;
        enum partition_dir_mark mark;
    } cases[] = {
        {"a-0", "a", 0, PARTITION_DIR_LIVE},
        {"my-topic-12", "my-topic", 12, PARTITION_DIR_LIVE},
        {"a--1", "a-", 1, PARTITION_DIR_LIVE},
        {"t.1-2147483647", "t.1", INT32_MAX, PARTITION_DIR_LIVE},
        {"a.b-3.0123456789abcdef0123456789abcdef-delete", "a.b", 3, PARTITION_DIR_DELETE},
        {"a-3.0123456789abcdef0123456789abcdef-stray", "a", 3, PARTITION_DIR_STRAY},
        {"a-3.x-future", "a", 3, PARTITION_DIR_FUTURE},
        {"__cluster_metadata-0", "__cluster_metadata", 0, PARTITION_DIR_LIVE},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct partition_dir dir;
        assert_true(partition_dir_parse(bytes_of_string(cases[i].text), &dir));
        assert_true(bytes_equal(dir.topic, bytes_of_string(cases[i].topic)));
        assert_int_equal(dir.partition, cases[i].partition);
        assert_int_equal(dir.mark, cases[i].mark);
    }
    static const char *const bad[] = {
        "",           "a",           "a-",           "-1",         "a-x",
        "a-01",       "a--",         "a-2147483648", "a-1.",       "a b-1",
        "a-1-delete", "a-1.-delete", "a-delete",     "a.x-delete", "..-1",
        "a-+1",       "lost+found",
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct partition_dir dir;
        if (partition_dir_parse(bytes_of_string(bad[i]), &dir)) {
            fail_msg("%s", bad[i]);
        }
    }
}

static void a_marked_name_is_cut_to_255_bytes(void **state)
{
    (void)state;
    static char topic[TOPIC_NAME_BYTES_MAX + 1];
    memset(topic, 't', TOPIC_NAME_BYTES_MAX);
    const struct uuid unique = {{0xab, 1}};
    char text[PARTITION_DIR_BYTES];
    struct partition_dir dir = {bytes_of_string(topic), 12345, PARTITION_DIR_DELETE};
    assert_int_equal(partition_dir_format(&dir, unique, text), 255);
    assert_int_equal(strlen(text), 255);
    assert_non_null(strstr(text, "t-12345.ab010000000000000000000000000000-delete"));
    struct partition_dir back;
    assert_true(partition_dir_parse(bytes_of_string(text), &back));
    assert_int_equal(back.partition, 12345);
    dir.mark = PARTITION_DIR_LIVE;
    assert_int_equal(partition_dir_format(&dir, unique, text), 255);
    dir.partition = 123456;
    assert_int_equal(partition_dir_format(&dir, unique, text), 0);
    dir = (struct partition_dir){bytes_of_string("a"), 0, PARTITION_DIR_LIVE};
    assert_int_equal(partition_dir_format(&dir, unique, text), 3);
    assert_string_equal(text, "a-0");
    dir.mark = PARTITION_DIR_STRAY;
    partition_dir_format(&dir, unique, text);
    assert_string_equal(text, "a-0.ab010000000000000000000000000000-stray");
}

static void topic_names_follow_kafkas_rules(void **state)
{
    (void)state;
    static char long_name[TOPIC_NAME_BYTES_MAX + 2];
    memset(long_name, 'x', TOPIC_NAME_BYTES_MAX + 1);
    static const struct {
        const char *name;
        enum topic_name_status want;
    } cases[] = {
        {"a", TOPIC_NAME_OK},
        {"Az09._-", TOPIC_NAME_OK},
        {"...", TOPIC_NAME_OK},
        {"", TOPIC_NAME_EMPTY},
        {".", TOPIC_NAME_DOTS},
        {"..", TOPIC_NAME_DOTS},
        {"a b", TOPIC_NAME_BAD_CHAR},
        {"a/b", TOPIC_NAME_BAD_CHAR},
        {"\xc3\xa4", TOPIC_NAME_BAD_CHAR},
        {"a@b", TOPIC_NAME_BAD_CHAR},
        {"a[b", TOPIC_NAME_BAD_CHAR},
        {"a`b", TOPIC_NAME_BAD_CHAR},
        {"a{b", TOPIC_NAME_BAD_CHAR},
        {long_name, TOPIC_NAME_TOO_LONG},
        {long_name + 1, TOPIC_NAME_OK},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(topic_name_check(bytes_of_string(cases[i].name)), cases[i].want);
    }
    assert_int_equal(topic_name_check((struct bytes){(const uint8_t *)"a\0b", 3}),
                     TOPIC_NAME_BAD_CHAR);
}

static void internal_topics_are_known_by_their_names(void **state)
{
    (void)state;
    assert_true(topic_name_is_internal(bytes_of_string("__consumer_offsets")));
    assert_true(topic_name_is_internal(bytes_of_string("__transaction_state")));
    assert_true(topic_name_is_internal(bytes_of_string("__share_group_state")));
    assert_false(topic_name_is_internal(bytes_of_string("__consumer_offset")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_names_go_both_ways),
        cmocka_unit_test(other_file_names_are_refused),
        cmocka_unit_test(directory_names_are_understood),
        cmocka_unit_test(a_marked_name_is_cut_to_255_bytes),
        cmocka_unit_test(topic_names_follow_kafkas_rules),
        cmocka_unit_test(internal_topics_are_known_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
