#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "control/arena.h"
#include "control/metadata/image.h"
#include "dataplane/kafka/metadata_frame.h"

static const struct uuid topic_id = {.bytes = {7}};
static const struct uuid directory = {.bytes = {0xd0}};

struct bench {
    struct image image;
    struct changes changes;
    char reason[256];
};

static int bench_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    image_init(&bench->image, 1);
    *state = bench;
    return 0;
}

static int bench_down(void **state)
{
    struct bench *bench = *state;
    image_free(&bench->image);
    changes_free(&bench->changes);
    free(bench);
    return 0;
}

/* Replays all changes and forgets them; the first status that is not OK. */
static enum metadata_status replay(struct bench *bench)
{
    enum metadata_status status = METADATA_OK;
    size_t at = 0;
    struct bytes record;
    while (status == METADATA_OK && changes_next(&bench->changes, &at, &record)) {
        status = image_replay(&bench->image, record, bench->reason, sizeof(bench->reason));
    }
    changes_reset(&bench->changes);
    return status;
}

static void topic_add(struct bench *bench)
{
    const struct partition_row row = {.topic_id = topic_id, .index = 0, .node_id = 1};
    changes_topic(&bench->changes, bytes_of_string("t"), topic_id);
    changes_partition(&bench->changes, &row);
    assert_int_equal(replay(bench), METADATA_OK);
}

static void a_topic_s_life_is_replayed(void **state)
{
    struct bench *bench = *state;
    topic_add(bench);
    const struct image_topic *topic = image_topic_by_name(&bench->image, bytes_of_string("t"));
    assert_true(uuid_is_zero(topic->partitions[0].directory));
    changes_directory(&bench->changes, topic_id, 0, directory);
    changes_leader(&bench->changes, topic_id, 0, 1);
    changes_leader(&bench->changes, topic_id, 0, 1);
    changes_config(&bench->changes, RESOURCE_TOPIC, bytes_of_string("t"),
                   bytes_of_string("flush.ms"), bytes_of_string("9"));
    assert_int_equal(replay(bench), METADATA_OK);
    assert_true(uuid_equal(topic->partitions[0].directory, directory));
    assert_int_equal(topic->partitions[0].leader_epoch, 2);
    assert_int_equal(topic->partitions[0].partition_epoch, 3);
    assert_non_null(image_resource(&bench->image, RESOURCE_TOPIC, bytes_of_string("t")));
    changes_topic_removed(&bench->changes, topic_id);
    assert_int_equal(replay(bench), METADATA_OK);
    assert_int_equal(bench->image.topic_count, 0);
    /* Its settings are gone with it. */
    assert_null(image_resource(&bench->image, RESOURCE_TOPIC, bytes_of_string("t")));
}

static void only_what_clients_can_see_counts_as_visible(void **state)
{
    struct bench *bench = *state;
    topic_add(bench);
    const uint64_t before = bench->image.visible_changes;
    changes_producer_ids(&bench->changes, 1, 0, 1000);
    changes_config(&bench->changes, RESOURCE_GROUP, bytes_of_string("g"),
                   bytes_of_string("share.record.lock.duration.ms"), bytes_of_string("1"));
    assert_int_equal(replay(bench), METADATA_OK);
    assert_int_equal(bench->image.visible_changes, before);
    changes_config(&bench->changes, RESOURCE_BROKER, bytes_of_string(""),
                   bytes_of_string("log.retention.ms"), bytes_of_string("1"));
    bench->image.topics[0]->config_fresh = true;
    assert_int_equal(replay(bench), METADATA_OK);
    assert_true(bench->image.visible_changes > before);
    assert_false(bench->image.topics[0]->config_fresh);
}

static void features_producer_ids_and_the_broker_are_known(void **state)
{
    struct bench *bench = *state;
    const struct broker_registration registration = {.node_id = 1,
                                                     .incarnation = topic_id,
                                                     .epoch = 12,
                                                     .host = bytes_of_string("h"),
                                                     .port = 9092,
                                                     .directories = &directory,
                                                     .directory_count = 1,
                                                     .metadata_version_min = 7,
                                                     .metadata_version_max = 25};
    assert_int_equal(image_feature_level(&bench->image, "metadata.version"), -1);
    changes_feature(&bench->changes, bytes_of_string("metadata.version"), 25);
    changes_feature(&bench->changes, bytes_of_string("metadata.version"), 26);
    changes_broker(&bench->changes, &registration);
    changes_producer_ids(&bench->changes, 1, 12, 3000);
    assert_int_equal(replay(bench), METADATA_OK);
    assert_int_equal(image_feature_level(&bench->image, "metadata.version"), 26);
    assert_int_equal(bench->image.feature_count, 1);
    assert_int_equal(bench->image.broker.epoch, 12);
    assert_int_equal(bench->image.broker.port, 9092);
    assert_string_equal(bench->image.broker.host, "h");
    assert_false(bench->image.broker.has_rack);
    assert_int_equal(bench->image.broker.metadata_version_max, 25);
    assert_int_equal(bench->image.next_producer_id, 3000);
}

static void what_cannot_be_is_refused_with_a_reason(void **state)
{
    struct bench *bench = *state;
    topic_add(bench);
    const struct partition_row elsewhere = {.topic_id = topic_id, .index = 1, .node_id = 2};
    const struct partition_row orphan = {.topic_id = directory, .index = 1, .node_id = 1};
    const struct broker_registration other = {.node_id = 2};

    changes_topic(&bench->changes, bytes_of_string("t"), directory);
    assert_int_equal(replay(bench), METADATA_CORRUPT);
    changes_topic(&bench->changes, bytes_of_string("u"), topic_id);
    assert_int_equal(replay(bench), METADATA_CORRUPT);
    changes_topic(&bench->changes, bytes_of_string(""), directory);
    assert_int_equal(replay(bench), METADATA_CORRUPT);
    changes_topic_removed(&bench->changes, directory);
    assert_int_equal(replay(bench), METADATA_CORRUPT);
    changes_partition(&bench->changes, &orphan);
    assert_int_equal(replay(bench), METADATA_CORRUPT);
    changes_partition(&bench->changes, &elsewhere);
    assert_int_equal(replay(bench), METADATA_UNSUPPORTED);
    changes_leader(&bench->changes, topic_id, 5, 1);
    assert_int_equal(replay(bench), METADATA_CORRUPT);
    changes_broker(&bench->changes, &other);
    assert_int_equal(replay(bench), METADATA_UNSUPPORTED);
    changes_producer_ids(&bench->changes, 1, 0, 500);
    changes_producer_ids(&bench->changes, 1, 0, 400);
    assert_int_equal(replay(bench), METADATA_CORRUPT);
    assert_true(strlen(bench->reason) > 20);
}

static void a_record_cut_anywhere_is_refused(void **state)
{
    struct bench *bench = *state;
    changes_topic(&bench->changes, bytes_of_string("abc"), topic_id);
    size_t at = 0;
    struct bytes record;
    assert_true(changes_next(&bench->changes, &at, &record));
    for (uint32_t len = 0; len < record.len; len++) {
        uint8_t *cut = malloc(len + 1);
        memcpy(cut, record.ptr, len);
        assert_int_not_equal(image_replay(&bench->image, (struct bytes){cut, len}, bench->reason,
                                          sizeof(bench->reason)),
                             METADATA_OK);
        free(cut);
    }
    assert_int_equal(bench->image.topic_count, 0);
}

static void a_kind_of_record_from_the_future_is_named(void **state)
{
    struct bench *bench = *state;
    const uint8_t future[] = {1, 99, 0}; /* Frame 1, kind 99, version 0. */
    assert_int_equal(image_replay(&bench->image, (struct bytes){future, sizeof(future)},
                                  bench->reason, sizeof(bench->reason)),
                     METADATA_UNSUPPORTED);
    assert_non_null(strstr(bench->reason, "kind 99"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_topic_s_life_is_replayed),
        TEST(only_what_clients_can_see_counts_as_visible),
        TEST(features_producer_ids_and_the_broker_are_known),
        TEST(what_cannot_be_is_refused_with_a_reason),
        TEST(a_record_cut_anywhere_is_refused),
        TEST(a_kind_of_record_from_the_future_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
