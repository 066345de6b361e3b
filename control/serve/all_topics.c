#include "control/serve/all_topics.h"

#include <stdlib.h>

struct placed {
    struct uuid id;
    uint32_t place;
};

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid)); /* The first of a placed. */
}

/* What a coordinator is told of the image. */
static struct group_topics topics_read(struct arena *arena, const struct image *image)
{
    struct group_topic *items = ARENA_ARRAY(arena, struct group_topic, image->topic_count);
    struct placed *placed = ARENA_ARRAY(arena, struct placed, image->topic_count);
    uint32_t *places = ARENA_ARRAY(arena, uint32_t, image->topic_count);
    for (uint32_t i = 0; i < image->topic_count; i++) {
        const struct image_topic *topic = image->topics[i];
        items[i] = (struct group_topic){.name = arena_copy(arena, topic->name),
                                        .id = topic->id,
                                        .partition_count = (int32_t)topic->partition_count};
        placed[i] = (struct placed){topic->id, i};
    }
    if (image->topic_count > 1) {
        qsort(placed, image->topic_count, sizeof(placed[0]), by_id);
    }
    for (uint32_t i = 0; i < image->topic_count; i++) {
        places[i] = placed[i].place;
    }
    return (struct group_topics){
        .items = items,
        .by_id = places,
        .count = image->topic_count,
        .partition_count = image->partition_count,
        .rack = image->broker.has_rack ? arena_copy(arena, bytes_of_string(image->broker.rack))
                                       : (struct bytes){0}};
}

static bool has_new(const struct group_topics *now, const struct group_topics *before)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < now->count; i++) {
        while (k < before->count && bytes_order(before->items[k].name, now->items[i].name) < 0) {
            k++;
        }
        if (k == before->count || !uuid_equal(before->items[k].id, now->items[i].id)) {
            return true;
        }
    }
    return false;
}

static bool same(const struct group_topics *a, const struct group_topics *b)
{
    bool equal = a->count == b->count && bytes_equal(a->rack, b->rack);
    for (uint32_t i = 0; equal && i < a->count; i++) {
        equal = uuid_equal(a->items[i].id, b->items[i].id) &&
                a->items[i].partition_count == b->items[i].partition_count;
    }
    return equal;
}

const struct group_topics *all_topics_refresh(struct all_topics *topics, const struct image *image)
{
    if (topics->told.items != NULL && topics->visible_changes == image->visible_changes &&
        topics->told.count == image->topic_count &&
        topics->partition_count == image->partition_count) {
        return &topics->told;
    }
    topics->visible_changes = image->visible_changes;
    topics->partition_count = image->partition_count;
    struct arena arena = {0};
    struct group_topics now = topics_read(&arena, image);
    if (topics->told.items != NULL && same(&now, &topics->told)) {
        arena_free(&arena);
        return &topics->told;
    }
    now.version = topics->told.version + 1;
    now.created = has_new(&now, &topics->told) ? now.version : topics->told.created;
    arena_free(&topics->arena);
    topics->arena = arena;
    topics->told = now;
    return &topics->told;
}

void all_topics_free(struct all_topics *topics)
{
    arena_free(&topics->arena);
    *topics = (struct all_topics){0};
}

static int32_t number_of(const struct image_resource *resource, const char *key)
{
    const char *value = image_resource_value(resource, bytes_of_string(key));
    return value == NULL ? 0 : (int32_t)strtol(value, NULL, 10);
}

void group_configs_read(struct arena *arena, const struct image *image,
                        struct group_settings *settings)
{
    uint32_t first = image->resource_count; /* Sorted by type; this is the highest. */
    while (first > 0 && image->resources[first - 1].type == RESOURCE_GROUP) {
        first--;
    }
    settings->config_count = image->resource_count - first;
    struct group_config *configs = ARENA_ARRAY(arena, struct group_config, settings->config_count);
    for (uint32_t i = 0; i < settings->config_count; i++) {
        const struct image_resource *resource = &image->resources[first + i];
        const int64_t minutes = number_of(resource, "offsets.retention.minutes");
        configs[i] = (struct group_config){
            .group_id = arena_copy(arena, resource->name),
            .offset_retention_ms = minutes < 0 ? -1 : minutes * 60000,
            .session_timeout_ms = number_of(resource, "consumer.session.timeout.ms"),
            .heartbeat_interval_ms = number_of(resource, "consumer.heartbeat.interval.ms"),
        };
    }
    settings->configs = configs;
}
