#include "dataplane/broker/topics.h"

static NOINLINE const struct snapshot_topic *topic_of_name_cut(const struct broker *broker,
                                                               struct chain name)
{
    uint8_t scratch[TOPIC_NAME_BYTES_MAX];
    return snapshot_topic_by_name(broker->snapshot, chain_flat(name, scratch));
}

const struct snapshot_topic *topic_of_name(const struct broker *broker, struct chain name)
{
    if (name.len == 0 || name.len > TOPIC_NAME_BYTES_MAX) {
        return NULL;
    }
    const struct bytes first = chain_first(name);
    return LIKELY(first.len == name.len) ? snapshot_topic_by_name(broker->snapshot, first)
                                         : topic_of_name_cut(broker, name);
}

const struct snapshot_topic *topic_partition(const struct snapshot_topic *topic, int32_t index,
                                             struct partition_id *id, int16_t *error)
{
    if (topic == NULL || index < 0 || (uint32_t)index >= topic->partition_count) {
        *error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return NULL;
    }
    *id = (struct partition_id){topic->id, (uint32_t)index};
    return topic;
}

struct bytes broker_host(const struct snapshot *snapshot, const struct connection *connection,
                         char text[HOST_TEXT_BYTES])
{
    return snapshot->broker.host.len > 0 ? snapshot->broker.host
                                         : address_text(&connection->local, text);
}

uint16_t broker_port(const struct snapshot *snapshot, const struct connection *connection)
{
    return snapshot->broker.host.len > 0 ? snapshot->broker.port : connection->local.port;
}
