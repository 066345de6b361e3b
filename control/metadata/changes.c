#include "control/metadata/changes.h"

#include <stdlib.h>

#include "dataplane/kafka/metadata_frame.h"

enum {
    /* Versions of the records at metadata.version 4.0-IV3. */
    VERSION_FEATURE_LEVEL = 0,
    VERSION_REGISTER_BROKER = 3,
    VERSION_TOPIC = 0,
    VERSION_REMOVE_TOPIC = 0,
    VERSION_PARTITION = 2,
    VERSION_PARTITION_CHANGE = 2,
    VERSION_CONFIG = 0,
    VERSION_PRODUCER_IDS = 0,
    FRAME_BYTES_MAX = 16,
    SECURITY_PROTOCOL_PLAINTEXT = 0,
};

void changes_free(struct changes *changes)
{
    free(changes->bytes);
    *changes = (struct changes){0};
}

void changes_reset(struct changes *changes)
{
    changes->used = 0;
    changes->count = 0;
}

bool changes_next(const struct changes *changes, size_t *at, struct bytes *record)
{
    if (*at == changes->used) {
        return false;
    }
    uint32_t len;
    memcpy(&len, changes->bytes + *at, sizeof(len));
    *record = (struct bytes){changes->bytes + *at + sizeof(len), len};
    *at += sizeof(len) + len;
    return true;
}

/* Room for one record of body_bytes; the frame is written. */
static struct writer record_begin(struct changes *changes, uint64_t body_bytes, int16_t key,
                                  int16_t version)
{
    const size_t needed = changes->used + sizeof(uint32_t) + FRAME_BYTES_MAX + body_bytes;
    if (needed > changes->capacity) {
        changes->capacity = needed * 2;
        changes->bytes = realloc(changes->bytes, changes->capacity);
        ASSERT(changes->bytes != NULL);
    }
    struct writer writer;
    writer_init(&writer, changes->bytes + changes->used + sizeof(uint32_t),
                FRAME_BYTES_MAX + body_bytes);
    metadata_frame_encode(&writer, key, version);
    return writer;
}

static void record_end(struct changes *changes, const struct writer *writer)
{
    ASSERT(writer->status == CODEC_OK);
    const uint32_t len = writer_used(writer);
    memcpy(changes->bytes + changes->used, &len, sizeof(len));
    changes->used += sizeof(len) + len;
    changes->count++;
}

/* One record from a filled struct; name is the codec's. */
#define RECORD_ADD(changes, name, key, version, filled)                                       \
    do {                                                                                      \
        struct writer writer =                                                                \
            record_begin((changes), name##_size((version), (filled)), (key), (version));      \
        (void)name##_encode(&writer, (version), (filled)); /* The writer keeps the status. */ \
        record_end((changes), &writer);                                                       \
    } while (0)

void changes_feature(struct changes *changes, struct bytes name, int16_t level)
{
    struct feature_level_record record = feature_level_record_default;
    record.name = chain_of(&name);
    record.feature_level = level;
    RECORD_ADD(changes, feature_level_record, FEATURE_LEVEL_RECORD, VERSION_FEATURE_LEVEL, &record);
}

void changes_broker(struct changes *changes, const struct broker_registration *registration)
{
    static const struct bytes listener = {(const uint8_t *)"PLAINTEXT", 9};
    static const struct bytes metadata_name = {(const uint8_t *)"metadata.version", 16};
    static const struct bytes group_name = {(const uint8_t *)"group.version", 13};
    static const struct bytes transaction_name = {(const uint8_t *)"transaction.version", 19};
    struct register_broker_record_endpoint endpoint = register_broker_record_endpoint_default;
    endpoint.name = chain_of(&listener);
    endpoint.host = chain_of(&registration->host);
    endpoint.port = registration->port;
    endpoint.security_protocol = SECURITY_PROTOCOL_PLAINTEXT;
    const struct register_broker_record_feature features[] = {
        {chain_of(&metadata_name), registration->metadata_version_min,
         registration->metadata_version_max},
        {chain_of(&group_name), 0, GROUP_VERSION_MAX},
        {chain_of(&transaction_name), 0, TRANSACTION_VERSION_MAX},
    };

    struct register_broker_record record = register_broker_record_default;
    record.broker_id = registration->node_id;
    record.incarnation_id = registration->incarnation;
    record.broker_epoch = registration->epoch;
    record.end_points.items = &endpoint;
    record.end_points.count = 1;
    record.features.items = features;
    record.features.count = ARRAY_SIZE(features);
    record.rack = registration->rack.ptr == NULL ? CHAIN_NULL : chain_of(&registration->rack);
    record.fenced = false;
    record.log_dirs.items = registration->directories;
    record.log_dirs.count = (int32_t)registration->directory_count;
    RECORD_ADD(changes, register_broker_record, REGISTER_BROKER_RECORD, VERSION_REGISTER_BROKER,
               &record);
}

void changes_topic(struct changes *changes, struct bytes name, struct uuid id)
{
    struct topic_record record = topic_record_default;
    record.name = chain_of(&name);
    record.topic_id = id;
    RECORD_ADD(changes, topic_record, TOPIC_RECORD, VERSION_TOPIC, &record);
}

void changes_topic_removed(struct changes *changes, struct uuid id)
{
    struct remove_topic_record record = remove_topic_record_default;
    record.topic_id = id;
    RECORD_ADD(changes, remove_topic_record, REMOVE_TOPIC_RECORD, VERSION_REMOVE_TOPIC, &record);
}

void changes_partition(struct changes *changes, const struct partition_row *row)
{
    struct partition_record record = partition_record_default;
    record.partition_id = row->index;
    record.topic_id = row->topic_id;
    record.replicas.items = &row->node_id;
    record.replicas.count = 1;
    record.isr.items = &row->node_id;
    record.isr.count = 1;
    record.leader = row->node_id;
    record.leader_epoch = row->leader_epoch;
    record.partition_epoch = row->partition_epoch;
    record.directories.items = &row->directory;
    record.directories.count = 1;
    RECORD_ADD(changes, partition_record, PARTITION_RECORD, VERSION_PARTITION, &record);
}

void changes_directory(struct changes *changes, struct uuid topic_id, int32_t index,
                       struct uuid directory)
{
    struct partition_change_record record = partition_change_record_default;
    record.partition_id = index;
    record.topic_id = topic_id;
    record.directories.items = &directory;
    record.directories.count = 1;
    RECORD_ADD(changes, partition_change_record, PARTITION_CHANGE_RECORD, VERSION_PARTITION_CHANGE,
               &record);
}

void changes_leader(struct changes *changes, struct uuid topic_id, int32_t index, int32_t node_id)
{
    struct partition_change_record record = partition_change_record_default;
    record.partition_id = index;
    record.topic_id = topic_id;
    record.leader = node_id;
    RECORD_ADD(changes, partition_change_record, PARTITION_CHANGE_RECORD, VERSION_PARTITION_CHANGE,
               &record);
}

void changes_config(struct changes *changes, enum resource_type type, struct bytes resource,
                    struct bytes key, struct bytes value)
{
    struct config_record record = config_record_default;
    record.resource_type = (int8_t)type;
    record.resource_name = chain_of(&resource);
    record.name = chain_of(&key);
    record.value = value.ptr == NULL ? CHAIN_NULL : chain_of(&value);
    RECORD_ADD(changes, config_record, CONFIG_RECORD, VERSION_CONFIG, &record);
}

void changes_producer_ids(struct changes *changes, int32_t node_id, int64_t broker_epoch,
                          int64_t next_producer_id)
{
    struct producer_ids_record record = producer_ids_record_default;
    record.broker_id = node_id;
    record.broker_epoch = broker_epoch;
    record.next_producer_id = next_producer_id;
    RECORD_ADD(changes, producer_ids_record, PRODUCER_IDS_RECORD, VERSION_PRODUCER_IDS, &record);
}
