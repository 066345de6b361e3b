#include "control/metadata/image.h"

static void write_broker(const struct image *image, struct changes *changes)
{
    const struct image_broker *broker = &image->broker;
    if (!broker->registered) {
        return;
    }
    const struct broker_registration registration = {
        .node_id = broker->node_id,
        .incarnation = broker->incarnation,
        .epoch = broker->epoch,
        .host = bytes_of_string(broker->host),
        .port = broker->port,
        .rack = broker->has_rack ? bytes_of_string(broker->rack) : (struct bytes){0},
        .directories = broker->directories,
        .directory_count = broker->directory_count,
        .metadata_version_min = broker->metadata_version_min,
        .metadata_version_max = broker->metadata_version_max,
    };
    changes_broker(changes, &registration);
}

static void write_topic(const struct image *image, const struct image_topic *topic,
                        struct changes *changes)
{
    changes_topic(changes, topic->name, topic->id);
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        const struct image_partition *partition = &topic->partitions[i];
        const struct partition_row row = {
            .topic_id = topic->id,
            .index = (int32_t)i,
            .node_id = image->node_id,
            .leader_epoch = partition->leader_epoch,
            .partition_epoch = partition->partition_epoch,
            .directory = partition->directory,
        };
        changes_partition(changes, &row);
    }
}

void image_write(const struct image *image, struct changes *changes)
{
    for (uint32_t i = 0; i < image->feature_count; i++) {
        changes_feature(changes, bytes_of_string(image->features[i].name),
                        image->features[i].level);
    }
    write_broker(image, changes);
    for (uint32_t i = 0; i < image->topic_count; i++) {
        write_topic(image, image->topics[i], changes);
    }
    for (uint32_t i = 0; i < image->resource_count; i++) {
        const struct image_resource *resource = &image->resources[i];
        for (uint32_t j = 0; j < resource->count; j++) {
            changes_config(changes, resource->type, resource->name, resource->entries[j].key,
                           resource->entries[j].value);
        }
    }
    if (image->next_producer_id > 0) {
        changes_producer_ids(changes, image->node_id, image->broker.epoch, image->next_producer_id);
    }
}
