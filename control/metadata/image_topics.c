#include <stdlib.h>

#include "control/metadata/image.h"

enum { BY_ID_SLOTS_MIN = 64 };

int bytes_order(struct bytes a, struct bytes b)
{
    const uint32_t common = min_u32(a.len, b.len);
    const int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

struct bytes bytes_copy(struct bytes from)
{
    uint8_t *copy = malloc((size_t)from.len + 1);
    ASSERT(copy != NULL);
    if (from.len > 0) {
        memcpy(copy, from.ptr, from.len);
    }
    copy[from.len] = '\0';
    return (struct bytes){copy, from.len};
}

uint32_t image_topic_position(const struct image *image, struct bytes name)
{
    uint32_t low = 0;
    uint32_t high = image->topic_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (bytes_order(image->topics[middle]->name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct image_topic *image_topic_by_name(const struct image *image, struct bytes name)
{
    const uint32_t at = image_topic_position(image, name);
    if (at == image->topic_count || !bytes_equal(image->topics[at]->name, name)) {
        return NULL;
    }
    return image->topics[at];
}

/* Ids are random (version 4) but for bytes 6 and 8, so any others are a hash. */
static uint32_t id_slot(const struct image *image, const struct uuid *id)
{
    uint32_t hash;
    memcpy(&hash, id->bytes, sizeof(hash));
    return hash & image->by_id_mask;
}

struct image_topic *image_topic_by_id(const struct image *image, const struct uuid *id)
{
    if (image->by_id == NULL) {
        return NULL;
    }
    struct image_topic *topic = image->by_id[id_slot(image, id)];
    while (topic != NULL && !uuid_equal(topic->id, *id)) {
        topic = topic->next_by_id;
    }
    return topic;
}

static void by_id_link(struct image *image, struct image_topic *topic)
{
    struct image_topic **slot = &image->by_id[id_slot(image, &topic->id)];
    topic->next_by_id = *slot;
    *slot = topic;
}

static void by_id_grow(struct image *image)
{
    const uint32_t slots = image->by_id == NULL ? BY_ID_SLOTS_MIN : (image->by_id_mask + 1) * 2;
    free(image->by_id);
    image->by_id = calloc(slots, sizeof(struct image_topic *));
    ASSERT(image->by_id != NULL);
    image->by_id_mask = slots - 1;
    for (uint32_t i = 0; i < image->topic_count; i++) {
        by_id_link(image, image->topics[i]);
    }
}

struct image_topic *image_topic_add(struct image *image, struct bytes name, const struct uuid *id)
{
    if (image->by_id == NULL || image->topic_count > image->by_id_mask) {
        by_id_grow(image);
    }
    if (image->topic_count == image->topic_capacity) {
        image->topic_capacity = image->topic_capacity == 0 ? 64 : image->topic_capacity * 2;
        image->topics =
            realloc(image->topics, image->topic_capacity * sizeof(struct image_topic *));
        ASSERT(image->topics != NULL);
    }
    struct image_topic *topic = calloc(1, sizeof(*topic));
    ASSERT(topic != NULL);
    topic->id = *id;
    topic->name = bytes_copy(name);
    const uint32_t at = image_topic_position(image, name);
    memmove(&image->topics[at + 1], &image->topics[at],
            (image->topic_count - at) * sizeof(struct image_topic *));
    image->topics[at] = topic;
    image->topic_count++;
    by_id_link(image, topic);
    return topic;
}

static void topic_free(struct image_topic *topic)
{
    free((void *)(uintptr_t)topic->name.ptr);
    free(topic->partitions);
    free(topic);
}

void image_topic_remove(struct image *image, struct image_topic *topic)
{
    struct image_topic **link = &image->by_id[id_slot(image, &topic->id)];
    while (*link != topic) {
        link = &(*link)->next_by_id;
    }
    *link = topic->next_by_id;
    const uint32_t at = image_topic_position(image, topic->name);
    ASSERT(image->topics[at] == topic);
    image->topic_count--;
    memmove(&image->topics[at], &image->topics[at + 1],
            (image->topic_count - at) * sizeof(struct image_topic *));
    image->partition_count -= topic->partition_count;
    topic_free(topic);
}

struct image_partition *image_partition_at(struct image *image, struct image_topic *topic,
                                           uint32_t index)
{
    if (index >= topic->partition_capacity) {
        uint32_t capacity = topic->partition_capacity == 0 ? 1 : topic->partition_capacity;
        while (capacity <= index) {
            capacity *= 2;
        }
        topic->partitions = realloc(topic->partitions, capacity * sizeof(*topic->partitions));
        ASSERT(topic->partitions != NULL);
        topic->partition_capacity = capacity;
    }
    while (topic->partition_count <= index) {
        topic->partitions[topic->partition_count++] = (struct image_partition){
            .leader = -1, .found_epoch = -1, .placed = SNAPSHOT_DIRECTORY_NONE};
        image->partition_count++;
    }
    return &topic->partitions[index];
}

void image_carry_over(struct image *to, const struct image *from)
{
    for (uint32_t i = 0; i < to->topic_count; i++) {
        struct image_topic *topic = to->topics[i];
        const struct image_topic *old = image_topic_by_id(from, &topic->id);
        const uint32_t known =
            old == NULL ? 0 : min_u32(topic->partition_count, old->partition_count);
        for (uint32_t j = 0; j < known; j++) {
            topic->partitions[j].placed = old->partitions[j].placed;
            topic->partitions[j].offline = old->partitions[j].offline;
            topic->partitions[j].found_epoch = old->partitions[j].found_epoch;
            topic->partitions[j].placed_version = old->partitions[j].placed_version;
        }
    }
    to->visible_changes = from->visible_changes + 1;
    to->changes = from->changes + 1;
}

void image_init(struct image *image, int32_t node_id)
{
    memset(image, 0, sizeof(*image));
    image->node_id = node_id;
}

void image_free(struct image *image)
{
    for (uint32_t i = 0; i < image->topic_count; i++) {
        topic_free(image->topics[i]);
    }
    while (image->resource_count > 0) {
        const struct image_resource *last = &image->resources[image->resource_count - 1];
        image_resource_remove(image, last->type, last->name);
    }
    free(image->topics);
    free(image->by_id);
    free(image->resources);
    image_init(image, image->node_id);
}
