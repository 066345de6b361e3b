#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/journal.h"
#include "dataplane/slowpath/snapshot.h"

enum {
    TOPICS = 40,
    PARTITIONS = 3,
};

struct sample {
    struct snapshot snapshot;
    struct snapshot_topic topics[TOPICS];
    struct snapshot_partition partitions[TOPICS * PARTITIONS];
    char names[TOPICS][16];
};

static void sample_fill(struct sample *sample, uint32_t topic_count)
{
    memset(sample, 0, sizeof(*sample));
    for (uint32_t i = 0; i < topic_count; i++) {
        struct snapshot_topic *topic = &sample->topics[i];
        (void)snprintf(sample->names[i], sizeof(sample->names[i]), "topic-%03u", i);
        topic->name = bytes_of_string(sample->names[i]);
        topic->id.bytes[0] = (uint8_t)(i * 37);
        topic->id.bytes[15] = (uint8_t)(i + 1);
        topic->partition_count = PARTITIONS;
        topic->partitions = &sample->partitions[i * PARTITIONS];
        topic->internal = i == 3;
        topic->config.retention_ms = 1000 + i;
        topic->config.segment_bytes = 1 << 20;
        topic->config.compression = -1;
        topic->config.compression_level = -5 - (int32_t)i;
        topic->config.cleanup_delete = i % 2 == 0;
        for (uint32_t j = 0; j < PARTITIONS; j++) {
            topic->partitions[j] = (struct snapshot_partition){
                .leader_epoch = (int32_t)(i + j), .directory = (uint16_t)j, .exists = j == 1};
        }
        topic->partitions[2].directory = SNAPSHOT_DIRECTORY_NONE;
        topic->partitions[2].offline = true;
    }
    sample->snapshot = (struct snapshot){.version = 7,
                                         .cluster_id = bytes_of_string("cluster"),
                                         .broker = {.node_id = 1, .port = 9092},
                                         .finalized_features_epoch = 12,
                                         .metadata_version = 25,
                                         .group_version = 1,
                                         .transaction_version = 2,
                                         .topic_count = topic_count,
                                         .topics = sample->topics,
                                         .partition_count = topic_count * PARTITIONS};
    sample->snapshot.settings.request_bytes_max = 104857600;
    sample->snapshot.settings.auto_create_topics = true;
    sample->snapshot.settings.log_level = JOURNAL_DEBUG;
    sample->snapshot.settings.partition_page_max = 77;
    sample->snapshot.settings.connection_rate_max = 41;
    sample->snapshot.settings.connection_per_ip_overrides = bytes_of_string("10.0.0.1:5");
}

static struct bytes sample_image(struct sample *sample, uint8_t *to, uint64_t capacity)
{
    const uint64_t size = snapshot_encode(&sample->snapshot, to, capacity);
    assert_true(size <= capacity);
    return (struct bytes){to, (uint32_t)size};
}

/* A sample, encoded and decoded again. The image is gone: nothing may point into it. */
static struct snapshot *sample_decoded(struct sample *sample, uint32_t topic_count)
{
    static uint8_t buffer[65536];
    const char *reason = "";
    sample_fill(sample, topic_count);
    struct snapshot *snapshot =
        snapshot_decode(sample_image(sample, buffer, sizeof(buffer)), &reason);
    assert_non_null(snapshot);
    memset(buffer, 0xee, sizeof(buffer));
    return snapshot;
}

static void a_decoded_snapshot_says_what_was_encoded(void **state)
{
    (void)state;
    static struct sample sample;
    struct snapshot *snapshot = sample_decoded(&sample, TOPICS);
    assert_int_equal(snapshot->version, 7);
    assert_true(bytes_equal(snapshot->cluster_id, bytes_of_string("cluster")));
    assert_int_equal(snapshot->broker.port, 9092);
    assert_null(snapshot->broker.rack.ptr);
    assert_true(snapshot->settings.auto_create_topics);
    assert_int_equal(snapshot->settings.log_level, JOURNAL_DEBUG);
    assert_int_equal(snapshot->settings.partition_page_max, 77);
    assert_int_equal(snapshot->settings.connection_rate_max, 41);
    assert_true(
        bytes_equal(snapshot->settings.connection_per_ip_overrides, bytes_of_string("10.0.0.1:5")));
    assert_int_equal(snapshot->settings.request_bytes_max, 104857600);
    for (uint32_t i = 0; i < TOPICS; i++) {
        const struct snapshot_topic *topic = &snapshot->topics[i];
        assert_true(bytes_equal(topic->name, bytes_of_string(sample.names[i])));
        assert_int_equal(topic->internal, i == 3);
        assert_int_equal(topic->config.retention_ms, 1000 + i);
        assert_int_equal(topic->config.compression, -1);
        assert_int_equal(topic->config.compression_level, -5 - (int32_t)i);
        assert_int_equal(topic->config.cleanup_delete, i % 2 == 0);
        assert_int_equal(topic->partition_count, PARTITIONS);
        assert_int_equal(topic->partitions[1].leader_epoch, i + 1);
        assert_true(topic->partitions[1].exists);
        assert_true(topic->partitions[2].offline);
        assert_int_equal(topic->partitions[2].directory, SNAPSHOT_DIRECTORY_NONE);
    }
    snapshot_free(snapshot);
}

static void topics_are_found_by_name_and_by_id(void **state)
{
    (void)state;
    static struct sample sample;
    struct snapshot *snapshot = sample_decoded(&sample, TOPICS);
    for (uint32_t i = 0; i < TOPICS; i++) {
        const struct snapshot_topic *topic = &snapshot->topics[i];
        assert_ptr_equal(snapshot_topic_by_name(snapshot, bytes_of_string(sample.names[i])), topic);
        assert_ptr_equal(snapshot_topic_by_id(snapshot, &sample.topics[i].id), topic);
    }
    struct uuid absent = {.bytes = {[7] = 9}};
    assert_null(snapshot_topic_by_id(snapshot, &absent));
    assert_null(snapshot_topic_by_name(snapshot, bytes_of_string("topic-00")));
    assert_null(snapshot_topic_by_name(snapshot, bytes_of_string("topic-0000")));
    assert_null(snapshot_topic_by_name(snapshot, bytes_of_string("")));
    snapshot_free(snapshot);
}

static void an_empty_snapshot_finds_nothing(void **state)
{
    (void)state;
    static struct sample sample;
    struct snapshot *snapshot = sample_decoded(&sample, 0);
    assert_null(snapshot_topic_by_name(snapshot, bytes_of_string("a")));
    assert_null(snapshot_topic_by_id(snapshot, &sample.topics[0].id));
    snapshot_free(snapshot);
}

static void an_image_cut_or_changed_anywhere_is_refused(void **state)
{
    (void)state;
    static struct sample sample;
    static uint8_t buffer[4096];
    static uint8_t changed[4096];
    sample_fill(&sample, 3);
    const struct bytes image = sample_image(&sample, buffer, sizeof(buffer));
    for (uint32_t i = 0; i < image.len; i++) {
        const char *reason = NULL;
        uint8_t *cut = malloc(i + 1); /* Its own block: reads beyond show under a sanitizer. */
        memcpy(cut, image.ptr, i);
        assert_null(snapshot_decode((struct bytes){cut, i}, &reason));
        assert_non_null(reason);
        free(cut);
        memcpy(changed, image.ptr, image.len);
        changed[i] ^= 0x40;
        assert_null(snapshot_decode((struct bytes){changed, image.len}, &reason));
    }
}

static void what_no_encoder_means_is_refused(void **state)
{
    (void)state;
    static struct sample sample;
    static uint8_t buffer[8192];
    const char *reason = NULL;

    sample_fill(&sample, 3);
    sample.topics[2].name = sample.topics[1].name;
    assert_null(snapshot_decode(sample_image(&sample, buffer, sizeof(buffer)), &reason));
    assert_string_equal(reason, "topics are not sorted by name");

    sample_fill(&sample, 3);
    sample.topics[2].id = sample.topics[0].id;
    assert_null(snapshot_decode(sample_image(&sample, buffer, sizeof(buffer)), &reason));
    assert_string_equal(reason, "two topics have one id");

    sample_fill(&sample, 3);
    sample.snapshot.partition_count = 8;
    assert_null(snapshot_decode(sample_image(&sample, buffer, sizeof(buffer)), &reason));
    sample.snapshot.partition_count = 10;
    assert_null(snapshot_decode(sample_image(&sample, buffer, sizeof(buffer)), &reason));

    sample_fill(&sample, 3);
    sample.partitions[0].directory = LOG_DIRECTORIES_MAX;
    assert_null(snapshot_decode(sample_image(&sample, buffer, sizeof(buffer)), &reason));

    sample_fill(&sample, 3);
    sample.snapshot.settings.log_level = JOURNAL_DEBUG + 1;
    assert_null(snapshot_decode(sample_image(&sample, buffer, sizeof(buffer)), &reason));
}

static void consecutive_partitions_go_to_consecutive_cores(void **state)
{
    (void)state;
    const struct uuid id = {.bytes = {1, 2, 3}};
    for (uint32_t cores = 1; cores <= 5; cores++) {
        uint32_t last = snapshot_partition_core(&id, 0, cores);
        for (uint32_t i = 1; i < 12; i++) {
            const uint32_t core = snapshot_partition_core(&id, i, cores);
            assert_int_equal(core, (last + 1) % cores);
            last = core;
        }
    }
}

static void the_size_needed_is_said_when_there_is_no_room(void **state)
{
    (void)state;
    static struct sample sample;
    static uint8_t buffer[65536];
    sample_fill(&sample, TOPICS);
    const uint64_t size = snapshot_encode(&sample.snapshot, NULL, 0);
    assert_int_equal(snapshot_encode(&sample.snapshot, buffer, sizeof(buffer)), size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decoded_snapshot_says_what_was_encoded),
        cmocka_unit_test(topics_are_found_by_name_and_by_id),
        cmocka_unit_test(an_empty_snapshot_finds_nothing),
        cmocka_unit_test(an_image_cut_or_changed_anywhere_is_refused),
        cmocka_unit_test(what_no_encoder_means_is_refused),
        cmocka_unit_test(consecutive_partitions_go_to_consecutive_cores),
        cmocka_unit_test(the_size_needed_is_said_when_there_is_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
