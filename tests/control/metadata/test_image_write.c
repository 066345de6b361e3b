#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "control/arena.h"
#include "control/metadata/image.h"

static void replay_all(struct image *image, const struct changes *changes)
{
    size_t at = 0;
    struct bytes record;
    char reason[256];
    while (changes_next(changes, &at, &record)) {
        assert_int_equal(image_replay(image, record, reason, sizeof(reason)), METADATA_OK);
    }
}

static void an_image_written_and_read_again_is_the_same(void **state)
{
    (void)state;
    struct image image;
    struct image again;
    struct changes changes = {0};
    struct changes written = {0};
    struct changes twice = {0};
    const struct uuid directory = {.bytes = {0xd0}};
    const struct broker_registration registration = {.node_id = 4,
                                                     .epoch = 2,
                                                     .host = bytes_of_string(""),
                                                     .port = 1,
                                                     .rack = bytes_of_string("r1"),
                                                     .directories = &directory,
                                                     .directory_count = 1};
    image_init(&image, 4);
    image_init(&again, 4);
    changes_feature(&changes, bytes_of_string("metadata.version"), 25);
    changes_broker(&changes, &registration);
    for (uint32_t i = 0; i < 20; i++) {
        char name[16];
        const struct uuid id = {.bytes = {(uint8_t)(200 - i), 1}};
        (void)snprintf(name, sizeof(name), "topic%u", i);
        changes_topic(&changes, bytes_of_string(name), id);
        for (int32_t j = 0; j < 3; j++) {
            const struct partition_row row = {.topic_id = id,
                                              .index = j,
                                              .node_id = 4,
                                              .leader_epoch = j,
                                              .directory = directory};
            changes_partition(&changes, &row);
        }
        changes_leader(&changes, id, 1, 4);
        changes_config(&changes, RESOURCE_TOPIC, bytes_of_string(name), bytes_of_string("flush.ms"),
                       bytes_of_string("7"));
    }
    changes_config(&changes, RESOURCE_BROKER, bytes_of_string(""),
                   bytes_of_string("log.retention.ms"), bytes_of_string("9"));
    changes_producer_ids(&changes, 4, 2, 77000);
    replay_all(&image, &changes);
    image_write(&image, &written);
    replay_all(&again, &written);
    image_write(&again, &twice);
    assert_int_equal(written.count, twice.count);
    assert_int_equal(written.used, twice.used);
    assert_memory_equal(written.bytes, twice.bytes, written.used);
    assert_int_equal(again.next_producer_id, 77000);
    assert_int_equal(again.partition_count, 60);
    const struct image_topic *topic = image_topic_by_name(&again, bytes_of_string("topic7"));
    assert_int_equal(topic->partitions[1].leader_epoch, 2);
    assert_int_equal(topic->partitions[1].partition_epoch, 1);
    assert_true(again.broker.has_rack);
    assert_string_equal(again.broker.rack, "r1");
    image_free(&image);
    image_free(&again);
    changes_free(&changes);
    changes_free(&written);
    changes_free(&twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_written_and_read_again_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
