#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "storage/record/record.h"
#include "tools/metadata_json.h"

static void check(json_t *json, const char *want)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    if (want == NULL) {
        assert_null(text);
    } else {
        assert_non_null(text);
        assert_string_equal(text, want);
    }
    free(text);
    json_decref(json);
}

static void records_read_as_kafka_prints_them(void **state)
{
    (void)state;
    uint8_t wire[256];
    struct writer writer;
    const struct bytes name = {(const uint8_t *)"t", 1};
    struct topic_record topic = topic_record_default;
    topic.name = chain_of(&name);
    writer_init(&writer, wire, sizeof(wire));
    metadata_frame_encode(&writer, TOPIC_RECORD, 0);
    assert_int_equal(topic_record_encode(&writer, 0, &topic), CODEC_OK);
    check(metadata_json((struct bytes){wire, writer_used(&writer)}),
          "{\"type\":\"TOPIC_RECORD\",\"version\":0,\"data\":{\"name\":\"t\","
          "\"topicId\":\"AAAAAAAAAAAAAAAAAAAAAA\"}}");
    struct config_record config = config_record_default; /* An empty name, a null value. */
    config.value = CHAIN_NULL;
    writer_init(&writer, wire, sizeof(wire));
    metadata_frame_encode(&writer, CONFIG_RECORD, 0);
    assert_int_equal(config_record_encode(&writer, 0, &config), CODEC_OK);
    check(metadata_json((struct bytes){wire, writer_used(&writer)}),
          "{\"type\":\"CONFIG_RECORD\",\"version\":0,\"data\":{\"resourceType\":0,"
          "\"resourceName\":\"\",\"name\":\"\",\"value\":null}}");
}

static void bytes_that_are_no_record_give_nothing(void **state)
{
    (void)state;
    static const uint8_t cases[][4] = {{0}, {1, 99, 0}, {1, 2, 9}, {1, 2, 0, 5}, {2, 2, 0, 1}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (uint32_t len = 0; len <= 4; len++) {
            check(metadata_json((struct bytes){cases[i], len}), NULL);
        }
    }
}

static void control_records_are_named(void **state)
{
    (void)state;
    static const struct {
        int type;
        const char *value;
        uint32_t len;
        const char *want;
    } cases[] = {
        {RECORD_CONTROL_COMMIT, "\0\0\0\0\0\7", 6,
         "{\"type\":\"COMMIT\",\"data\":{\"coordinatorEpoch\":7}}"},
        {RECORD_CONTROL_ABORT, "", 0, "{\"type\":\"ABORT\"}"},
        {RECORD_CONTROL_KRAFT_VERSION, "\0\0\0\1\0", 5,
         "{\"type\":\"KRAFT_VERSION\",\"data\":{\"version\":0,\"kraftVersion\":1}}"},
        {RECORD_CONTROL_SNAPSHOT_HEADER, "\0", 1, "{\"type\":\"SNAPSHOT_HEADER\"}"},
        {77, "", 0, "{\"type\":\"UNKNOWN\",\"number\":77}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t key[RECORD_CONTROL_KEY_BYTES];
        record_control_key_write(key, (enum record_control_type)cases[i].type);
        check(metadata_json_control((struct bytes){key, sizeof(key)},
                                    (struct bytes){(const uint8_t *)cases[i].value, cases[i].len}),
              cases[i].want);
    }
    check(metadata_json_control((struct bytes){0}, (struct bytes){0}), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_read_as_kafka_prints_them),
        cmocka_unit_test(bytes_that_are_no_record_give_nothing),
        cmocka_unit_test(control_records_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
