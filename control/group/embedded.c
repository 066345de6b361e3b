#include "control/group/embedded.h"

/* Versions are those of the consumers' own protocol; a later one begins like the last we know. */
enum { EMBEDDED_VERSION_LAST = 3 };

static bool version_read(struct reader *reader, const struct bytes *from, int16_t *version)
{
    reader_init(reader, chain_of(from));
    *version = reader_i16(reader);
    if (reader->status != CODEC_OK || *version < 0) {
        return false;
    }
    *version = *version > EMBEDDED_VERSION_LAST ? EMBEDDED_VERSION_LAST : *version;
    return true;
}

static uint32_t partitions_most(struct i32_array partitions)
{
    return (uint32_t)max_i64(partitions.count, 0);
}

/* Topics that are not there are left out. */
static void row_add(const struct group_coordinator *coordinator, struct arena *arena,
                    struct partition_set *set, struct chain name, struct i32_array partitions)
{
    const struct group_topic *topic =
        topic_by_name(coordinator->all_topics, arena_flat(arena, name));
    int32_t partition;
    while (topic != NULL && i32_array_next(&partitions, &partition)) {
        set->items[set->count++] = (struct topic_partition){topic->id, partition};
    }
}

static struct partition_set owned_read(const struct group_coordinator *coordinator,
                                       struct arena *arena,
                                       struct consumer_protocol_subscription_topic_array rows)
{
    struct consumer_protocol_subscription_topic_array again = rows;
    struct consumer_protocol_subscription_topic row;
    uint32_t most = 0;
    while (consumer_protocol_subscription_topic_array_next(&again, &row)) {
        most += partitions_most(row.partitions);
    }
    struct partition_set set = {ARENA_ARRAY(arena, struct topic_partition, most), 0};
    while (consumer_protocol_subscription_topic_array_next(&rows, &row)) {
        row_add(coordinator, arena, &set, row.topic, row.partitions);
    }
    partition_set_sort(&set);
    return set;
}

bool embedded_subscription_read(const struct group_coordinator *coordinator, struct arena *arena,
                                const struct bytes *from, struct embedded_subscription *to)
{
    struct reader reader;
    struct consumer_protocol_subscription subscription;
    int16_t version;
    if (!version_read(&reader, from, &version) ||
        consumer_protocol_subscription_decode(&reader, version, &subscription) != CODEC_OK) {
        return false;
    }
    to->topics = text_list_read(arena, subscription.topics);
    to->owned = owned_read(coordinator, arena, subscription.owned_partitions);
    to->rack_id =
        subscription.rack_id.len == 0 ? (struct bytes){0} : arena_flat(arena, subscription.rack_id);
    return true;
}

enum embedded_status embedded_assignment_read(const struct group_coordinator *coordinator,
                                              struct arena *arena, const struct bytes *from,
                                              struct partition_set *to)
{
    *to = (struct partition_set){0};
    if (from->len == 0) {
        return EMBEDDED_READ; /* Has joined, and not asked for its assignment yet. */
    }
    struct reader reader;
    struct consumer_protocol_assignment assignment;
    int16_t version;
    if (!version_read(&reader, from, &version) ||
        consumer_protocol_assignment_decode(&reader, version, &assignment) != CODEC_OK) {
        return EMBEDDED_MALFORMED;
    }
    if (assignment.user_data.len > 0) {
        return EMBEDDED_OF_ANOTHER_ASSIGNOR;
    }
    struct consumer_protocol_assignment_topic_array rows = assignment.assigned_partitions;
    struct consumer_protocol_assignment_topic row;
    uint32_t most = 0;
    while (consumer_protocol_assignment_topic_array_next(&rows, &row)) {
        most += partitions_most(row.partitions);
    }
    to->items = ARENA_ARRAY(arena, struct topic_partition, most);
    rows = assignment.assigned_partitions;
    while (consumer_protocol_assignment_topic_array_next(&rows, &row)) {
        row_add(coordinator, arena, to, row.topic, row.partitions);
    }
    partition_set_sort(to);
    return EMBEDDED_READ;
}

struct bytes embedded_assignment_write(const struct group_coordinator *coordinator,
                                       struct arena *arena, struct partition_set set,
                                       const struct bytes *subscription)
{
    struct reader reader;
    int16_t version;
    int32_t count;
    if (!version_read(&reader, subscription, &version)) {
        version = 0; /* Only one of a member's subscriptions was looked at. */
    }
    const struct partition_row *rows = partition_set_rows(arena, set, &count);
    struct consumer_protocol_assignment_topic *items =
        ARENA_ARRAY(arena, struct consumer_protocol_assignment_topic, count);
    int32_t told = 0;
    for (int32_t i = 0; i < count; i++) {
        const struct group_topic *topic = topic_by_id(coordinator->all_topics, rows[i].topic);
        if (topic != NULL) {
            items[told++] = (struct consumer_protocol_assignment_topic){chain_of(&topic->name),
                                                                        rows[i].partitions};
        }
    }
    const struct consumer_protocol_assignment value = {
        .assigned_partitions = {.items = items, .count = told}, .user_data = CHAIN_NULL};
    struct writer writer;
    const struct bytes to =
        arena_record(arena, &writer, consumer_protocol_assignment_size(version, &value), version);
    ASSERT(consumer_protocol_assignment_encode(&writer, version, &value) == CODEC_OK);
    return to;
}
