#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/arena.h"
#include "control/metadata/changes.h"
#include "dataplane/kafka/metadata_frame.h"

static const struct uuid id = {.bytes = {1, 2, 3}};

static void records_come_back_as_they_were_added(void **state)
{
    (void)state;
    struct changes changes = {0};
    changes_topic(&changes, bytes_of_string("orders"), id);
    changes_config(&changes, RESOURCE_TOPIC, bytes_of_string("orders"),
                   bytes_of_string("retention.ms"), bytes_of_string("5"));
    changes_config(&changes, RESOURCE_TOPIC, bytes_of_string("orders"), bytes_of_string("flush.ms"),
                   (struct bytes){0});
    changes_leader(&changes, id, 3, 1);
    assert_int_equal(changes.count, 4);

    size_t at = 0;
    struct bytes record;
    struct reader reader;
    int16_t key;
    int16_t version;
    struct topic_record topic;
    assert_true(changes_next(&changes, &at, &record));
    reader_init(&reader, chain_of(&record));
    assert_int_equal(metadata_frame_decode(&reader, &key, &version), CODEC_OK);
    assert_int_equal(key, TOPIC_RECORD);
    assert_int_equal(topic_record_decode(&reader, version, &topic), CODEC_OK);
    assert_true(chain_equals(topic.name, bytes_of_string("orders")));

    struct config_record config;
    struct bytes second;
    assert_true(changes_next(&changes, &at, &second));
    assert_true(changes_next(&changes, &at, &record));
    reader_init(&reader, chain_of(&record));
    assert_int_equal(metadata_frame_decode(&reader, &key, &version), CODEC_OK);
    assert_int_equal(config_record_decode(&reader, version, &config), CODEC_OK);
    assert_true(chain_is_null(config.value));

    struct partition_change_record change;
    assert_true(changes_next(&changes, &at, &record));
    reader_init(&reader, chain_of(&record));
    assert_int_equal(metadata_frame_decode(&reader, &key, &version), CODEC_OK);
    assert_int_equal(key, PARTITION_CHANGE_RECORD);
    assert_int_equal(partition_change_record_decode(&reader, version, &change), CODEC_OK);
    assert_int_equal(change.partition_id, 3);
    assert_int_equal(change.leader, 1);
    assert_int_equal(change.directories.count, -1);
    assert_false(changes_next(&changes, &at, &record));
    changes_free(&changes);
}

static void a_long_value_fits(void **state)
{
    (void)state;
    static char value[32001];
    memset(value, 'v', sizeof(value) - 1);
    struct changes changes = {0};
    changes_config(&changes, RESOURCE_BROKER, bytes_of_string(""), bytes_of_string("k"),
                   bytes_of_string(value));
    size_t at = 0;
    struct bytes record;
    assert_true(changes_next(&changes, &at, &record));
    assert_true(record.len > 32000);
    changes_free(&changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_as_they_were_added),
        cmocka_unit_test(a_long_value_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
