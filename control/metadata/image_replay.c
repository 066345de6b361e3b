#include <stdio.h>

#include "control/metadata/image.h"
#include "dataplane/kafka/metadata_frame.h"

enum {
    TEXT_BYTES_MAX = 32768,
    NO_LEADER_CHANGE = -2, /* PartitionChangeRecord's default. */
    PARTITIONS_OF_TOPIC_MAX = 1000 * 1000,
};

/* One record on its way into the image. */
struct replay {
    struct image *image;
    struct reader reader;
    int16_t version;
    char *reason;
    size_t reason_bytes;
};

static enum metadata_status replay_fail(const struct replay *replay, enum metadata_status status,
                                        const char *what)
{
    (void)snprintf(replay->reason, replay->reason_bytes, "the metadata log holds %s", what);
    return status;
}

/* A decoded field in one piece: records lie in one piece, so that no copy is needed. */
static struct bytes field(struct chain chain)
{
    if (chain_is_null(chain)) {
        return (struct bytes){0};
    }
    if (chain.len == 0) {
        return chain_nothing;
    }
    const struct bytes piece = chain_first(chain);
    ASSERT(piece.len == chain.len);
    return piece;
}

static enum metadata_status replay_feature(struct replay *replay)
{
    struct feature_level_record record;
    if (feature_level_record_decode(&replay->reader, replay->version, &record) != CODEC_OK) {
        return replay_fail(replay, METADATA_CORRUPT, "a malformed FeatureLevelRecord");
    }
    struct image *image = replay->image;
    const struct bytes name = field(record.name);
    uint32_t at = 0;
    /* The name is never null: its field has no such form.
     * NOLINTBEGIN(clang-analyzer-core.NonNullParamChecker) */
    while (at < image->feature_count &&
           (strlen(image->features[at].name) != name.len ||
            memcmp(image->features[at].name, name.ptr, name.len) != 0)) {
        at++;
    }
    if (at == IMAGE_FEATURES_MAX || name.len >= sizeof(image->features[0].name)) {
        return replay_fail(replay, METADATA_UNSUPPORTED, "a feature that is not known here");
    }
    if (at == image->feature_count) {
        image->feature_count++;
        memcpy(image->features[at].name, name.ptr, name.len);
        image->features[at].name[name.len] = '\0';
    }
    /* NOLINTEND(clang-analyzer-core.NonNullParamChecker) */
    image->features[at].level = record.feature_level;
    image->visible_changes++;
    return METADATA_OK;
}

static void text_keep(char *to, size_t to_bytes, struct bytes from)
{
    const size_t len = from.len < to_bytes ? from.len : to_bytes - 1;
    memcpy(to, from.ptr == NULL ? (const uint8_t *)"" : from.ptr, len);
    to[len] = '\0';
}

static enum metadata_status replay_broker(struct replay *replay)
{
    struct register_broker_record record;
    if (register_broker_record_decode(&replay->reader, replay->version, &record) != CODEC_OK) {
        return replay_fail(replay, METADATA_CORRUPT, "a malformed RegisterBrokerRecord");
    }
    struct image *image = replay->image;
    if (record.broker_id != image->node_id) {
        return replay_fail(replay, METADATA_UNSUPPORTED, "another broker: this is one node");
    }
    struct image_broker *broker = &image->broker;
    memset(broker, 0, sizeof(*broker));
    broker->registered = true;
    broker->node_id = record.broker_id;
    broker->epoch = record.broker_epoch;
    broker->incarnation = record.incarnation_id;
    broker->fenced = record.fenced;
    struct register_broker_record_endpoint endpoint;
    if (register_broker_record_endpoint_array_next(&record.end_points, &endpoint)) {
        text_keep(broker->host, sizeof(broker->host), field(endpoint.host));
        broker->port = endpoint.port;
    }
    struct register_broker_record_feature feature;
    while (register_broker_record_feature_array_next(&record.features, &feature)) {
        if (chain_equals(feature.name, (struct bytes){(const uint8_t *)"metadata.version", 16})) {
            broker->metadata_version_min = feature.min_supported_version;
            broker->metadata_version_max = feature.max_supported_version;
        }
    }
    broker->has_rack = !chain_is_null(record.rack);
    text_keep(broker->rack, sizeof(broker->rack), field(record.rack));
    while (broker->directory_count < LOG_DIRECTORIES_MAX &&
           uuid_array_next(&record.log_dirs, &broker->directories[broker->directory_count])) {
        broker->directory_count++;
    }
    image->visible_changes++;
    return METADATA_OK;
}

static enum metadata_status replay_broker_change(struct replay *replay)
{
    struct broker_registration_change_record record;
    if (broker_registration_change_record_decode(&replay->reader, replay->version, &record) !=
        CODEC_OK) {
        return replay_fail(replay, METADATA_CORRUPT, "a malformed BrokerRegistrationChangeRecord");
    }
    if (record.fenced != 0) {
        replay->image->broker.fenced = record.fenced > 0;
    }
    return METADATA_OK;
}

static enum metadata_status replay_topic(struct replay *replay)
{
    struct topic_record record;
    if (topic_record_decode(&replay->reader, replay->version, &record) != CODEC_OK) {
        return replay_fail(replay, METADATA_CORRUPT, "a malformed TopicRecord");
    }
    const struct bytes name = field(record.name);
    if (name.len == 0 || name.len > TOPIC_NAME_BYTES_MAX || uuid_is_zero(record.topic_id)) {
        return replay_fail(replay, METADATA_CORRUPT, "a topic without a possible name or id");
    }
    if (image_topic_by_id(replay->image, &record.topic_id) != NULL ||
        image_topic_by_name(replay->image, name) != NULL) {
        return replay_fail(replay, METADATA_CORRUPT, "a topic that is there already");
    }
    (void)image_topic_add(replay->image, name, &record.topic_id);
    replay->image->visible_changes++;
    return METADATA_OK;
}

static enum metadata_status replay_topic_removed(struct replay *replay)
{
    struct remove_topic_record record;
    if (remove_topic_record_decode(&replay->reader, replay->version, &record) != CODEC_OK) {
        return replay_fail(replay, METADATA_CORRUPT, "a malformed RemoveTopicRecord");
    }
    struct image_topic *topic = image_topic_by_id(replay->image, &record.topic_id);
    if (topic == NULL) {
        return replay_fail(replay, METADATA_CORRUPT, "the removal of a topic that is not there");
    }
    image_resource_remove(replay->image, RESOURCE_TOPIC, topic->name);
    image_topic_remove(replay->image, topic);
    replay->image->visible_changes++;
    return METADATA_OK;
}

/* Standalone means: one replica, here. */
static bool only_here(const struct image *image, struct i32_array nodes)
{
    int32_t node;
    return nodes.count == 1 && i32_array_next(&nodes, &node) && node == image->node_id;
}

static struct image_topic *partition_topic(const struct replay *replay, const struct uuid *id,
                                           int32_t index)
{
    if (index < 0 || index >= PARTITIONS_OF_TOPIC_MAX) {
        return NULL;
    }
    return image_topic_by_id(replay->image, id);
}

static enum metadata_status replay_partition(struct replay *replay)
{
    struct partition_record record;
    if (partition_record_decode(&replay->reader, replay->version, &record) != CODEC_OK) {
        return replay_fail(replay, METADATA_CORRUPT, "a malformed PartitionRecord");
    }
    struct image_topic *topic = partition_topic(replay, &record.topic_id, record.partition_id);
    if (topic == NULL || record.leader_epoch < 0) {
        return replay_fail(replay, METADATA_CORRUPT, "an impossible partition");
    }
    if (!only_here(replay->image, record.replicas)) {
        return replay_fail(replay, METADATA_UNSUPPORTED,
                           "a partition with replicas elsewhere: this is one node");
    }
    struct image_partition *partition =
        image_partition_at(replay->image, topic, (uint32_t)record.partition_id);
    partition->present = true;
    partition->leader = record.leader;
    partition->leader_epoch = record.leader_epoch;
    partition->partition_epoch = record.partition_epoch;
    partition->directory = (struct uuid){0};
    if (record.directories.count == 1) {
        (void)uuid_array_next(&record.directories, &partition->directory);
    }
    replay->image->visible_changes++;
    return METADATA_OK;
}

static enum metadata_status replay_partition_change(struct replay *replay)
{
    struct partition_change_record record;
    if (partition_change_record_decode(&replay->reader, replay->version, &record) != CODEC_OK) {
        return replay_fail(replay, METADATA_CORRUPT, "a malformed PartitionChangeRecord");
    }
    struct image_topic *topic = partition_topic(replay, &record.topic_id, record.partition_id);
    if (topic == NULL || (uint32_t)record.partition_id >= topic->partition_count) {
        return replay_fail(replay, METADATA_CORRUPT, "the change of a partition that is not there");
    }
    if (record.replicas.count >= 0 && !only_here(replay->image, record.replicas)) {
        return replay_fail(replay, METADATA_UNSUPPORTED,
                           "a partition with replicas elsewhere: this is one node");
    }
    struct image_partition *partition = &topic->partitions[record.partition_id];
    partition->partition_epoch++;
    if (record.leader != NO_LEADER_CHANGE) {
        partition->leader = record.leader;
        partition->leader_epoch++;
        replay->image->visible_changes++;
    }
    if (record.directories.count == 1) {
        (void)uuid_array_next(&record.directories, &partition->directory);
        replay->image->visible_changes++;
    }
    return METADATA_OK;
}

static enum metadata_status replay_config(struct replay *replay)
{
    struct config_record record;
    if (config_record_decode(&replay->reader, replay->version, &record) != CODEC_OK) {
        return replay_fail(replay, METADATA_CORRUPT, "a malformed ConfigRecord");
    }
    struct image *image = replay->image;
    const enum resource_type type = (enum resource_type)record.resource_type;
    const struct bytes resource = field(record.resource_name);
    image_config_set(image, type, resource, field(record.name), field(record.value));
    if (type == RESOURCE_TOPIC) {
        struct image_topic *topic = image_topic_by_name(image, resource);
        if (topic != NULL) {
            topic->config_fresh = false;
        }
    } else if (type == RESOURCE_BROKER) {
        for (uint32_t i = 0; i < image->topic_count; i++) {
            image->topics[i]->config_fresh = false; /* Broker keys are the topics' defaults. */
        }
    }
    image->visible_changes += type == RESOURCE_TOPIC || type == RESOURCE_BROKER;
    return METADATA_OK;
}

static enum metadata_status replay_producer_ids(struct replay *replay)
{
    struct producer_ids_record record;
    if (producer_ids_record_decode(&replay->reader, replay->version, &record) != CODEC_OK) {
        return replay_fail(replay, METADATA_CORRUPT, "a malformed ProducerIdsRecord");
    }
    if (record.next_producer_id < replay->image->next_producer_id) {
        return replay_fail(replay, METADATA_CORRUPT, "producer ids that were given out before");
    }
    replay->image->next_producer_id = record.next_producer_id;
    return METADATA_OK;
}

static enum metadata_status replay_nothing(struct replay *replay)
{
    (void)replay;
    return METADATA_OK;
}

static const struct {
    enum metadata_record_key key;
    enum metadata_status (*apply)(struct replay *replay);
} appliers[] = {
    {REGISTER_BROKER_RECORD, replay_broker},
    {TOPIC_RECORD, replay_topic},
    {PARTITION_RECORD, replay_partition},
    {CONFIG_RECORD, replay_config},
    {PARTITION_CHANGE_RECORD, replay_partition_change},
    {REMOVE_TOPIC_RECORD, replay_topic_removed},
    {FEATURE_LEVEL_RECORD, replay_feature},
    {PRODUCER_IDS_RECORD, replay_producer_ids},
    {BROKER_REGISTRATION_CHANGE_RECORD, replay_broker_change},
    {NO_OP_RECORD, replay_nothing},
};

enum metadata_status image_replay(void *image, struct bytes record, char *reason,
                                  size_t reason_bytes)
{
    struct replay replay = {.image = image, .reason = reason, .reason_bytes = reason_bytes};
    int16_t key = -1;
    replay.image->changes++;
    reader_init(&replay.reader, chain_of(&record));
    const enum codec_status status = metadata_frame_decode(&replay.reader, &key, &replay.version);
    for (uint32_t i = 0; status == CODEC_OK && i < ARRAY_SIZE(appliers); i++) {
        if (appliers[i].key == (enum metadata_record_key)key) {
            return appliers[i].apply(&replay);
        }
    }
    if (status != CODEC_OK && status != CODEC_VERSION) {
        return replay_fail(&replay, METADATA_CORRUPT, "a record without a frame");
    }
    (void)snprintf(reason, reason_bytes,
                   "the metadata log holds records of kind %d version %d, which this build does "
                   "not know",
                   key, replay.version);
    return METADATA_UNSUPPORTED;
}

int16_t image_feature_level(const struct image *image, const char *name)
{
    for (uint32_t i = 0; i < image->feature_count; i++) {
        if (strcmp(image->features[i].name, name) == 0) {
            return image->features[i].level;
        }
    }
    return -1;
}
