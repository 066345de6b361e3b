#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "control/arena.h"
#include "control/metadata/image.h"

enum { TOPICS = 300 };

static struct uuid id_of(uint32_t number)
{
    struct uuid id = {.bytes = {[15] = 1}};
    store_be32(id.bytes, number * 2654435761u);
    return id;
}

static void name_of(char name[16], uint32_t number)
{
    (void)snprintf(name, 16, "t%u", number);
}

static void topics_are_found_and_stay_sorted_while_they_come_and_go(void **state)
{
    (void)state;
    struct image image;
    char name[16];
    image_init(&image, 1);
    for (uint32_t i = 0; i < TOPICS; i++) {
        const struct uuid id = id_of(i);
        name_of(name, (i * 7) % TOPICS);
        struct image_topic *topic = image_topic_add(&image, bytes_of_string(name), &id);
        (void)image_partition_at(&image, topic, i % 5);
    }
    for (uint32_t i = 0; i < TOPICS; i += 3) {
        const struct uuid id = id_of(i);
        image_topic_remove(&image, image_topic_by_id(&image, &id));
    }
    uint32_t partitions = 0;
    for (uint32_t i = 0; i < TOPICS; i++) {
        const struct uuid id = id_of(i);
        name_of(name, (i * 7) % TOPICS);
        const struct image_topic *topic = image_topic_by_id(&image, &id);
        assert_ptr_equal(topic, image_topic_by_name(&image, bytes_of_string(name)));
        assert_int_equal(topic != NULL, i % 3 != 0);
        partitions += topic == NULL ? 0 : i % 5 + 1;
    }
    assert_int_equal(image.partition_count, partitions);
    for (uint32_t i = 1; i < image.topic_count; i++) {
        assert_true(bytes_order(image.topics[i - 1]->name, image.topics[i]->name) < 0);
    }
    image_free(&image);
}

static void an_empty_image_finds_nothing(void **state)
{
    (void)state;
    struct image image;
    image_init(&image, 1);
    const struct uuid id = id_of(1);
    assert_null(image_topic_by_id(&image, &id));
    assert_null(image_topic_by_name(&image, bytes_of_string("a")));
    assert_int_equal(image_topic_position(&image, bytes_of_string("a")), 0);
    image_free(&image);
}

static void a_new_image_keeps_the_notes_of_the_old_one(void **state)
{
    (void)state;
    struct image old;
    struct image fresh;
    image_init(&old, 1);
    image_init(&fresh, 1);
    const struct uuid id = id_of(1);
    struct image_partition *partition =
        image_partition_at(&old, image_topic_add(&old, bytes_of_string("a"), &id), 1);
    partition->placed = 3;
    partition->offline = true;
    old.visible_changes = 9;
    struct image_topic *topic = image_topic_add(&fresh, bytes_of_string("a"), &id);
    (void)image_partition_at(&fresh, topic, 2);
    image_carry_over(&fresh, &old);
    assert_int_equal(topic->partitions[1].placed, 3);
    assert_true(topic->partitions[1].offline);
    assert_int_equal(topic->partitions[2].placed, SNAPSHOT_DIRECTORY_NONE);
    assert_true(fresh.visible_changes > 9);
    image_free(&old);
    image_free(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_found_and_stay_sorted_while_they_come_and_go),
        cmocka_unit_test(an_empty_image_finds_nothing),
        cmocka_unit_test(a_new_image_keeps_the_notes_of_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
