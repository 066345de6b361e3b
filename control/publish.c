#include "control/publish.h"

#include <stdlib.h>

#include "control/arena.h"
#include "control/topic/name.h"

void publisher_free(struct publisher *publisher)
{
    free(publisher->topics);
    free(publisher->partitions);
    free(publisher->bytes);
    *publisher = (struct publisher){0};
}

static void publisher_reserve(struct publisher *publisher, const struct image *image)
{
    if (image->topic_count > publisher->topic_capacity) {
        publisher->topic_capacity = image->topic_count * 2;
        publisher->topics =
            realloc(publisher->topics, publisher->topic_capacity * sizeof(*publisher->topics));
        ASSERT(publisher->topics != NULL);
    }
    if (image->partition_count > publisher->partition_capacity) {
        publisher->partition_capacity = image->partition_count * 2;
        publisher->partitions = realloc(publisher->partitions, publisher->partition_capacity *
                                                                   sizeof(*publisher->partitions));
        ASSERT(publisher->partitions != NULL);
    }
}

static void topic_show(struct snapshot_topic *shown, struct image_topic *topic,
                       struct snapshot_partition *partitions, const struct config_view *view,
                       uint64_t version)
{
    if (!topic->config_fresh) {
        config_partition(view, image_resource(view->image, RESOURCE_TOPIC, topic->name),
                         &topic->config);
        topic->config_fresh = true;
    }
    *shown = (struct snapshot_topic){.id = topic->id,
                                     .name = topic->name,
                                     .partition_count = topic->partition_count,
                                     .internal = topic_name_internal(topic->name),
                                     .partitions = partitions,
                                     .config = topic->config};
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        struct image_partition *partition = &topic->partitions[i];
        partitions[i] = (struct snapshot_partition){.leader_epoch = partition->leader_epoch,
                                                    .directory = partition->placed,
                                                    .exists = !uuid_is_zero(partition->directory),
                                                    .offline = partition->offline};
        if (partition->placed != SNAPSHOT_DIRECTORY_NONE && partition->placed_version == 0) {
            partition->placed_version = version;
        }
    }
}

static struct snapshot_broker broker_show(const struct image *image,
                                          const struct settings *settings,
                                          const struct session_hello *hello)
{
    const struct host_port *advertised = &settings->network_advertised;
    const char *rack = settings_kafka(settings, "broker.rack");
    struct snapshot_broker broker = {.node_id = image->node_id, .port = hello->listen.port};
    if (advertised->host[0] != '\0') {
        broker.host = bytes_of_string(advertised->host);
        broker.port = advertised->port != 0 ? advertised->port : hello->listen.port;
    }
    broker.rack = rack == NULL ? (struct bytes){0} : bytes_of_string(rack);
    return broker;
}

struct bytes publish_build(struct publisher *publisher, struct image *image,
                           const struct settings *settings, const struct publication *publication)
{
    const struct config_view view = config_view_of(image, settings);
    publisher_reserve(publisher, image);
    uint32_t used = 0;
    for (uint32_t i = 0; i < image->topic_count; i++) {
        topic_show(&publisher->topics[i], image->topics[i], publisher->partitions + used, &view,
                   publication->version);
        used += image->topics[i]->partition_count;
    }
    struct snapshot snapshot = {
        .version = publication->version,
        .cluster_id = bytes_of_string(publication->hello->cluster_id),
        .broker = broker_show(image, settings, publication->hello),
        .finalized_features_epoch = publication->features_epoch,
        .metadata_version = image_feature_level(image, "metadata.version"),
        .group_version = image_feature_level(image, "group.version"),
        .transaction_version = image_feature_level(image, "transaction.version"),
        .topic_count = image->topic_count,
        .topics = publisher->topics,
        .partition_count = used,
    };
    config_server(&view, &snapshot.settings);
    snapshot.settings.log_level = (uint8_t)publication->log_level;
    uint64_t size = snapshot_encode(&snapshot, publisher->bytes, publisher->byte_capacity);
    if (size > publisher->byte_capacity) {
        free(publisher->bytes);
        publisher->byte_capacity = size * 2;
        publisher->bytes = malloc(publisher->byte_capacity);
        ASSERT(publisher->bytes != NULL);
        size = snapshot_encode(&snapshot, publisher->bytes, publisher->byte_capacity);
    }
    ASSERT(size <= UINT32_MAX);
    return (struct bytes){publisher->bytes, (uint32_t)size};
}
