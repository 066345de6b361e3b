#include "tools/client/topics.h"

#include <stdlib.h>

enum {
    REQUEST_BYTES = 64 << 10,
    TIMEOUT_MS = 30 * 1000,
    RESOURCE_TOPIC = 2,
    OPERATION_SET = 0,
    OPERATION_DELETE = 1,
    TIMESTAMP_LATEST = -1,
    TIMESTAMP_EARLIEST = -2,
    LIST_OFFSETS_WITH_TIMEOUT = 10,
    /* The last versions that name topics instead of giving their ids. */
    METADATA_VERSION_MAX = 12,
    DELETE_TOPICS_VERSION_MAX = 5,
};

static bool garbled(struct client *client)
{
    (void)snprintf(client->error, sizeof(client->error), "the answer to %s cannot be read",
                   client->api->name);
    return false;
}

/* ---- Describing ----------------------------------------------------------------------------- */

static int32_t copy_nodes(struct i32_array from, int32_t to[TOPIC_NODES_MAX])
{
    int32_t count = 0;
    int32_t node = 0;
    while (i32_array_next(&from, &node)) {
        if (count < TOPIC_NODES_MAX) {
            to[count++] = node;
        }
    }
    return count;
}

static int by_partition(const void *a, const void *b)
{
    const struct topic_partition *left = a;
    const struct topic_partition *right = b;
    return (left->partition > right->partition) - (left->partition < right->partition);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct topic *)a)->name, ((const struct topic *)b)->name);
}

static void take_topic(struct topic *topic, struct metadata_response_topic *from)
{
    struct metadata_response_partition partition;
    const uint32_t len = min_u32(from->name.len, sizeof(topic->name) - 1);
    chain_copy(from->name, topic->name, len);
    uuid_format(from->topic_id, topic->id);
    topic->internal = from->is_internal;
    topic->error_code = from->error_code;
    topic->partitions = calloc((size_t)from->partitions.count + 1, sizeof(*topic->partitions));
    ASSERT(topic->partitions != NULL && "no memory");
    while (metadata_response_partition_array_next(&from->partitions, &partition)) {
        struct topic_partition *to = &topic->partitions[topic->partition_count++];
        *to = (struct topic_partition){.partition = partition.partition_index,
                                       .error_code = partition.error_code,
                                       .leader = partition.leader_id,
                                       .leader_epoch = partition.leader_epoch,
                                       .start_offset = -1,
                                       .end_offset = -1};
        to->replica_count = copy_nodes(partition.replica_nodes, to->replicas);
        to->isr_count = copy_nodes(partition.isr_nodes, to->isr);
    }
    qsort(topic->partitions, topic->partition_count, sizeof(*topic->partitions), by_partition);
}

static void take_metadata(struct client *client, struct metadata_response *response,
                          struct topic_list *list)
{
    struct metadata_response_broker broker;
    struct metadata_response_topic topic;
    while (metadata_response_broker_array_next(&response->brokers, &broker)) {
        client_learn_node(client, broker.node_id, broker.host, broker.port);
    }
    list->topics = calloc((size_t)response->topics.count + 1, sizeof(*list->topics));
    ASSERT(list->topics != NULL && "no memory");
    while (metadata_response_topic_array_next(&response->topics, &topic)) {
        take_topic(&list->topics[list->count++], &topic);
    }
    qsort(list->topics, list->count, sizeof(*list->topics), by_name);
}

bool topics_describe(struct client *client, const char *name, struct topic_list *list)
{
    struct bytes piece;
    struct metadata_request_topic topic = metadata_request_topic_default;
    struct metadata_request request = metadata_request_default;
    struct metadata_response response;
    *list = (struct topic_list){0};
    const int16_t version = client_version(client, API_METADATA, METADATA_VERSION_MAX);
    if (version < 0) {
        return false;
    }
    request.topics.count = -1;
    request.allow_auto_topic_creation = false;
    if (name != NULL) {
        topic.name = client_text(&piece, name);
        request.topics.items = &topic;
        request.topics.count = 1;
    }
    struct writer *writer = client_begin(client, API_METADATA, version, REQUEST_BYTES);
    (void)metadata_request_encode(writer, version, &request);
    struct reader *reader = client_exchange(client, CLIENT_BOOTSTRAP);
    if (reader == NULL) {
        return false;
    }
    if (metadata_response_decode(reader, version, &response) != CODEC_OK) {
        return garbled(client);
    }
    take_metadata(client, &response, list);
    if (name != NULL && (list->count != 1 || list->topics[0].error_code != ERROR_NONE)) {
        const int16_t error = list->count == 1 ? list->topics[0].error_code
                                               : (int16_t)ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        topics_free(list);
        return client_refused(client, name, error, CHAIN_NULL);
    }
    return true;
}

void topics_free(struct topic_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        free(list->topics[i].partitions);
    }
    free(list->topics);
    *list = (struct topic_list){0};
}

/* ---- Offsets -------------------------------------------------------------------------------- */

bool topics_offset_at(struct client *client, const char *name,
                      const struct topic_partition *partition, int64_t timestamp, int64_t *offset)
{
    struct bytes piece;
    struct list_offsets_request request = list_offsets_request_default;
    struct list_offsets_request_topic topic = list_offsets_request_topic_default;
    struct list_offsets_request_partition one = list_offsets_request_partition_default;
    struct list_offsets_response response;
    struct list_offsets_response_topic got_topic;
    struct list_offsets_response_partition got;
    const int16_t version = client_version(client, API_LIST_OFFSETS, INT16_MAX);
    if (version < 0) {
        return false;
    }
    one.partition_index = partition->partition;
    one.timestamp = timestamp;
    topic.name = client_text(&piece, name);
    topic.partitions.items = &one;
    topic.partitions.count = 1;
    request.replica_id = -1;
    request.timeout_ms = version >= LIST_OFFSETS_WITH_TIMEOUT ? TIMEOUT_MS : 0;
    request.topics.items = &topic;
    request.topics.count = 1;
    struct writer *writer = client_begin(client, API_LIST_OFFSETS, version, REQUEST_BYTES);
    (void)list_offsets_request_encode(writer, version, &request);
    struct reader *reader = client_exchange(client, partition->leader);
    if (reader == NULL) {
        return false;
    }
    if (list_offsets_response_decode(reader, version, &response) != CODEC_OK ||
        !list_offsets_response_topic_array_next(&response.topics, &got_topic) ||
        !list_offsets_response_partition_array_next(&got_topic.partitions, &got)) {
        return garbled(client);
    }
    *offset = got.offset;
    return got.error_code == ERROR_NONE || client_refused(client, name, got.error_code, CHAIN_NULL);
}

bool topics_offsets(struct client *client, struct topic *topic)
{
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        struct topic_partition *partition = &topic->partitions[i];
        if (partition->leader >= 0 &&
            (!topics_offset_at(client, topic->name, partition, TIMESTAMP_EARLIEST,
                               &partition->start_offset) ||
             !topics_offset_at(client, topic->name, partition, TIMESTAMP_LATEST,
                               &partition->end_offset))) {
            return false;
        }
    }
    return true;
}

/* ---- Changing ------------------------------------------------------------------------------- */

bool topics_create(struct client *client, const char *name, int32_t partitions, int16_t replicas,
                   const struct topic_config *configs, uint32_t config_count)
{
    struct bytes piece;
    struct bytes *texts = calloc(2 * (size_t)config_count + 1, sizeof(*texts));
    struct create_topics_request_config *rows = calloc((size_t)config_count + 1, sizeof(*rows));
    struct create_topics_request request = create_topics_request_default;
    struct create_topics_request_topic topic = create_topics_request_topic_default;
    struct create_topics_response response;
    struct create_topics_response_topic got;
    ASSERT(texts != NULL && rows != NULL && "no memory");
    for (uint32_t i = 0; i < config_count; i++) {
        rows[i].name = client_text(&texts[2 * i], configs[i].name);
        rows[i].value = client_text(&texts[2 * i + 1], configs[i].value);
    }
    topic.name = client_text(&piece, name);
    topic.num_partitions = partitions;
    topic.replication_factor = replicas;
    topic.configs.items = rows;
    topic.configs.count = (int32_t)config_count;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = TIMEOUT_MS;
    const int16_t version = client_version(client, API_CREATE_TOPICS, INT16_MAX);
    struct reader *reader = NULL;
    if (version >= 0) {
        struct writer *writer = client_begin(client, API_CREATE_TOPICS, version, REQUEST_BYTES);
        (void)create_topics_request_encode(writer, version, &request);
        reader = client_exchange(client, CLIENT_BOOTSTRAP);
    }
    free(texts);
    free(rows);
    if (reader == NULL) {
        return false;
    }
    if (create_topics_response_decode(reader, version, &response) != CODEC_OK ||
        !create_topics_response_topic_array_next(&response.topics, &got)) {
        return garbled(client);
    }
    return got.error_code == ERROR_NONE ||
           client_refused(client, name, got.error_code, got.error_message);
}

bool topics_delete(struct client *client, const char *name)
{
    struct bytes piece;
    struct delete_topics_request request = delete_topics_request_default;
    struct delete_topics_response response;
    struct delete_topics_response_topic got;
    const struct chain chain = client_text(&piece, name);
    const int16_t version = client_version(client, API_DELETE_TOPICS, DELETE_TOPICS_VERSION_MAX);
    if (version < 0) {
        return false;
    }
    request.topic_names.items = &chain;
    request.topic_names.count = 1;
    request.timeout_ms = TIMEOUT_MS;
    struct writer *writer = client_begin(client, API_DELETE_TOPICS, version, REQUEST_BYTES);
    (void)delete_topics_request_encode(writer, version, &request);
    struct reader *reader = client_exchange(client, CLIENT_BOOTSTRAP);
    if (reader == NULL) {
        return false;
    }
    if (delete_topics_response_decode(reader, version, &response) != CODEC_OK ||
        !delete_topics_response_topic_array_next(&response.responses, &got)) {
        return garbled(client);
    }
    return got.error_code == ERROR_NONE ||
           client_refused(client, name, got.error_code, got.error_message);
}

bool topics_grow(struct client *client, const char *name, int32_t partitions)
{
    struct bytes piece;
    struct create_partitions_request request = create_partitions_request_default;
    struct create_partitions_request_topic topic = create_partitions_request_topic_default;
    struct create_partitions_response response;
    struct create_partitions_response_topic got;
    const int16_t version = client_version(client, API_CREATE_PARTITIONS, INT16_MAX);
    if (version < 0) {
        return false;
    }
    topic.name = client_text(&piece, name);
    topic.count = partitions;
    topic.assignments.count = -1;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = TIMEOUT_MS;
    struct writer *writer = client_begin(client, API_CREATE_PARTITIONS, version, REQUEST_BYTES);
    (void)create_partitions_request_encode(writer, version, &request);
    struct reader *reader = client_exchange(client, CLIENT_BOOTSTRAP);
    if (reader == NULL) {
        return false;
    }
    if (create_partitions_response_decode(reader, version, &response) != CODEC_OK ||
        !create_partitions_response_topic_array_next(&response.results, &got)) {
        return garbled(client);
    }
    return got.error_code == ERROR_NONE ||
           client_refused(client, name, got.error_code, got.error_message);
}

/* ---- Configuration -------------------------------------------------------------------------- */

static struct reader *exchange_alter(struct client *client, int16_t version, const char *name,
                                     const struct topic_config *configs, uint32_t config_count)
{
    struct bytes piece;
    struct bytes *texts = calloc(2 * (size_t)config_count + 1, sizeof(*texts));
    struct incremental_alter_configs_request_config *rows =
        calloc((size_t)config_count + 1, sizeof(*rows));
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    struct incremental_alter_configs_request_resource resource =
        incremental_alter_configs_request_resource_default;
    ASSERT(texts != NULL && rows != NULL && "no memory");
    for (uint32_t i = 0; i < config_count; i++) {
        const bool set = configs[i].value != NULL;
        rows[i].name = client_text(&texts[2 * i], configs[i].name);
        rows[i].config_operation = set ? OPERATION_SET : OPERATION_DELETE;
        rows[i].value = set ? client_text(&texts[2 * i + 1], configs[i].value) : CHAIN_NULL;
    }
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = client_text(&piece, name);
    resource.configs.items = rows;
    resource.configs.count = (int32_t)config_count;
    request.resources.items = &resource;
    request.resources.count = 1;
    struct writer *writer =
        client_begin(client, API_INCREMENTAL_ALTER_CONFIGS, version, REQUEST_BYTES);
    (void)incremental_alter_configs_request_encode(writer, version, &request);
    struct reader *reader = client_exchange(client, CLIENT_BOOTSTRAP);
    free(texts);
    free(rows);
    return reader;
}

bool topics_set(struct client *client, const char *name, const struct topic_config *configs,
                uint32_t config_count)
{
    struct incremental_alter_configs_response response;
    struct incremental_alter_configs_response_resource got;
    const int16_t version = client_version(client, API_INCREMENTAL_ALTER_CONFIGS, INT16_MAX);
    struct reader *reader =
        version >= 0 ? exchange_alter(client, version, name, configs, config_count) : NULL;
    if (reader == NULL) {
        return false;
    }
    if (incremental_alter_configs_response_decode(reader, version, &response) != CODEC_OK ||
        !incremental_alter_configs_response_resource_array_next(&response.responses, &got)) {
        return garbled(client);
    }
    return got.error_code == ERROR_NONE ||
           client_refused(client, name, got.error_code, got.error_message);
}

bool topics_configs(struct client *client, const char *name,
                    void (*take)(void *context, const struct topic_config_value *value),
                    void *context)
{
    struct bytes piece;
    struct describe_configs_request request = describe_configs_request_default;
    struct describe_configs_request_resource resource = describe_configs_request_resource_default;
    struct describe_configs_response response;
    struct describe_configs_response_result got;
    struct describe_configs_response_config config;
    const int16_t version = client_version(client, API_DESCRIBE_CONFIGS, INT16_MAX);
    if (version < 0) {
        return false;
    }
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = client_text(&piece, name);
    resource.configuration_keys.count = -1;
    request.resources.items = &resource;
    request.resources.count = 1;
    struct writer *writer = client_begin(client, API_DESCRIBE_CONFIGS, version, REQUEST_BYTES);
    (void)describe_configs_request_encode(writer, version, &request);
    struct reader *reader = client_exchange(client, CLIENT_BOOTSTRAP);
    if (reader == NULL) {
        return false;
    }
    if (describe_configs_response_decode(reader, version, &response) != CODEC_OK ||
        !describe_configs_response_result_array_next(&response.results, &got)) {
        return garbled(client);
    }
    if (got.error_code != ERROR_NONE) {
        return client_refused(client, name, got.error_code, got.error_message);
    }
    while (describe_configs_response_config_array_next(&got.configs, &config)) {
        const struct topic_config_value value = {config.name, config.value, config.config_source};
        take(context, &value);
    }
    return true;
}
