/* Metadata (B11-B14): from the snapshot alone; topics that are to be made are asked of control. */
#include "dataplane/broker/handlers.h"
#include "dataplane/broker/hash.h"
#include "dataplane/broker/operations_allowed.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/topics.h"

enum {
    NULL_IS_ALL_FROM = 1,
    NULL_NAMES_FROM = 12,
    TOPIC_IDS_FROM = 12, /* In requests. */
    CLUSTER_OPERATIONS_FROM = 8,
    CLUSTER_OPERATIONS_TO = 10,
    AUTO_CREATE_FLAG_FROM = 4,
};

/* One topic of the answer. */
struct entry {
    const struct snapshot_topic *topic;
    struct bytes name; /* ptr NULL: null. */
    struct uuid id;
    int16_t error;
    bool coming; /* It is being made, and unknown until then. */
};

static bool asks_all(const struct request *request)
{
    const int32_t count = request->body_of.metadata.topics.count;
    return request->version < NULL_IS_ALL_FROM ? count <= 0 : count < 0;
}

/* Versions 10 and 11 carry ids and null names, but must not use them. */
static bool asks_wrongly(const struct request *request)
{
    struct metadata_request_topic_array topics = request->body_of.metadata.topics;
    struct metadata_request_topic topic;
    while (metadata_request_topic_array_next(&topics, &topic)) {
        if (request->version < TOPIC_IDS_FROM &&
            (chain_is_null(topic.name) || !uuid_is_zero(topic.topic_id))) {
            return true;
        }
    }
    return false;
}

/* Where any topic is named by id, names are not looked at. */
static bool asks_by_id(const struct request *request)
{
    struct metadata_request_topic_array topics = request->body_of.metadata.topics;
    struct metadata_request_topic topic;
    while (metadata_request_topic_array_next(&topics, &topic)) {
        if (!uuid_is_zero(topic.topic_id)) {
            return true;
        }
    }
    return false;
}

static struct bytes flat_name(struct broker *broker, struct chain name)
{
    struct bytes first = chain_first(name);
    if (first.len == name.len) {
        return name.len == 0 ? (struct bytes){(const uint8_t *)"", 0} : first;
    }
    uint8_t *copy = scratch_take(&broker->scratch, name.len);
    return copy == NULL ? (struct bytes){(const uint8_t *)"", 0} : chain_flat(name, copy);
}

static struct entry entry_of(struct broker *broker, const struct request *request,
                             const struct metadata_request_topic *asked)
{
    const struct snapshot *snapshot = broker->snapshot;
    if (request->error != ERROR_NONE) { /* Comes back as it was asked. */
        return (struct entry){
            .name = flat_name(broker, asked->name), .id = asked->topic_id, .error = request->error};
    }
    if (!uuid_is_zero(asked->topic_id)) {
        const struct snapshot_topic *topic = snapshot_topic_by_id(snapshot, &asked->topic_id);
        topic = topic != NULL && snapshot_topic_coming(topic) ? NULL : topic;
        return (struct entry){
            .topic = topic,
            .name = topic != NULL ? topic->name : (struct bytes){0},
            .id = asked->topic_id,
            .error = topic != NULL ? ERROR_NONE : ERROR_UNKNOWN_TOPIC_ID,
        };
    }
    if (chain_is_null(asked->name)) {
        return (struct entry){.error = ERROR_UNKNOWN_TOPIC_ID};
    }
    struct entry entry = {.name = flat_name(broker, asked->name)};
    entry.topic = snapshot_topic_by_name(snapshot, entry.name);
    if (entry.topic != NULL && snapshot_topic_coming(entry.topic)) {
        entry.topic = NULL;
        entry.coming = true;
        entry.error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    } else if (entry.topic != NULL) {
        entry.id = entry.topic->id;
    } else if (topic_name_check(entry.name) != TOPIC_NAME_OK) {
        entry.error = ERROR_INVALID_TOPIC_EXCEPTION;
    } else {
        entry.error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return entry;
}

static uint64_t entry_hash(const struct broker *broker, const struct entry *entry)
{
    const struct bytes id = {entry->id.bytes, sizeof(entry->id.bytes)};
    return hash_named(entry->name, hash_named(id, broker->hash_key));
}

/* The topics asked for, each once; count in *count. NULL when the scratch is too small. */
static struct entry *entries_make(struct broker *broker, const struct request *request,
                                  uint32_t *count)
{
    struct metadata_request_topic_array topics = request->body_of.metadata.topics;
    struct metadata_request_topic asked;
    const uint32_t asked_count = topics.count < 0 ? 0 : (uint32_t)topics.count;
    const bool ids_only = request->error == ERROR_NONE && asks_by_id(request);
    uint32_t mask = 15;
    while (mask < asked_count * 2) {
        mask = mask * 2 + 1;
    }
    struct entry *entries =
        scratch_take(&broker->scratch, (asked_count + 1) * sizeof(struct entry));
    uint32_t *table = scratch_take(&broker->scratch, (mask + 1) * sizeof(*table));
    if (entries == NULL || table == NULL) {
        return NULL;
    }
    memset(table, 0, (mask + 1) * sizeof(*table));
    *count = 0;
    while (metadata_request_topic_array_next(&topics, &asked)) {
        if (ids_only && uuid_is_zero(asked.topic_id)) {
            continue;
        }
        const struct entry entry = entry_of(broker, request, &asked);
        uint32_t at = (uint32_t)entry_hash(broker, &entry) & mask;
        while (table[at] != 0 && !(bytes_equal(entries[table[at] - 1].name, entry.name) &&
                                   uuid_equal(entries[table[at] - 1].id, entry.id))) {
            at = (at + 1) & mask;
        }
        if (table[at] == 0) {
            entries[(*count)++] = entry;
            table[at] = *count;
        }
    }
    return entries;
}

/* ---- The answer ----------------------------------------------------------------------------- */

static void encode_partition(const struct snapshot *snapshot, struct writer *writer,
                             int16_t version, const struct snapshot_partition *partition,
                             uint32_t index)
{
    const int32_t node = snapshot->broker.node_id;
    const bool led = snapshot_partition_led(partition);
    struct metadata_response_partition out = metadata_response_partition_default;
    out.error_code = led ? ERROR_NONE : ERROR_LEADER_NOT_AVAILABLE;
    out.partition_index = (int32_t)index;
    out.leader_id = led ? node : -1;
    out.leader_epoch = partition->leader_epoch;
    out.replica_nodes = (struct i32_array){.items = &node, .count = 1};
    out.isr_nodes = out.replica_nodes;
    out.offline_replicas = (struct i32_array){.items = &node, .count = led ? 0 : 1};
    metadata_response_partition_encode(writer, version, &out);
}

static void encode_topic(struct broker *broker, const struct request *request,
                         struct writer *writer, const struct entry *entry)
{
    const int16_t version = request->version;
    const struct snapshot_topic *topic = entry->topic;
    const uint32_t partition_count = topic == NULL ? 0 : snapshot_topic_told(topic);
    struct metadata_response_topic out = metadata_response_topic_default;
    out.error_code = entry->error;
    out.topic_id = entry->id;
    out.is_internal = topic != NULL ? topic->internal : topic_name_is_internal(entry->name);
    if (entry->name.ptr != NULL) {
        out.name = entry->name.len == 0 ? CHAIN_EMPTY : chain_of(&entry->name);
    } else {
        out.name = version >= NULL_NAMES_FROM ? CHAIN_NULL : CHAIN_EMPTY;
    }
    if (request->body_of.metadata.include_topic_authorized_operations) {
        out.topic_authorized_operations = TOPIC_OPERATIONS;
    }
    metadata_response_topic_encode_begin(writer, version, &out, (int32_t)partition_count);
    for (uint32_t i = 0; i < partition_count; i++) {
        encode_partition(broker->snapshot, writer, version, &topic->partitions[i], i);
    }
    metadata_response_topic_encode_end(writer, version, &out);
}

static void encode_all_topics(struct broker *broker, const struct request *request,
                              struct writer *writer, struct metadata_response *response)
{
    const struct snapshot *snapshot = broker->snapshot;
    uint32_t coming_count = 0;
    for (uint32_t i = 0; i < snapshot->topic_count; i++) {
        coming_count += snapshot_topic_coming(&snapshot->topics[i]);
    }
    metadata_response_encode_begin(writer, request->version, response,
                                   (int32_t)(snapshot->topic_count - coming_count));
    for (uint32_t i = 0; i < snapshot->topic_count; i++) {
        const struct snapshot_topic *topic = &snapshot->topics[i];
        const struct entry entry = {.topic = topic, .name = topic->name, .id = topic->id};
        if (!snapshot_topic_coming(topic)) {
            encode_topic(broker, request, writer, &entry);
        }
    }
}

static void encode_topics(struct broker *broker, const struct request *request,
                          struct writer *writer, struct metadata_response *response)
{
    if (asks_all(request)) {
        encode_all_topics(broker, request, writer, response);
        return;
    }
    uint32_t count = 0;
    struct entry *entries = entries_make(broker, request, &count);
    if (entries == NULL) {
        writer_fail(writer, CODEC_FULL);
        return;
    }
    metadata_response_encode_begin(writer, request->version, response, (int32_t)count);
    for (uint32_t i = 0; i < count; i++) {
        encode_topic(broker, request, writer, &entries[i]);
    }
}

static void metadata_build(struct broker *broker, struct request *request, struct writer *writer)
{
    const struct snapshot *snapshot = broker->snapshot;
    const int16_t version = request->version;
    char text[HOST_TEXT_BYTES];
    const struct bytes host = broker_host(snapshot, request->connection, text);
    struct metadata_response_broker node = metadata_response_broker_default;
    node.node_id = snapshot->broker.node_id;
    node.host = chain_of(&host);
    node.port = broker_port(snapshot, request->connection);
    node.rack = snapshot->broker.rack.ptr == NULL ? CHAIN_NULL : chain_of(&snapshot->broker.rack);
    struct metadata_response response = metadata_response_default;
    if (request->error == ERROR_NONE) {
        response.brokers.items = &node;
        response.brokers.count = 1;
        response.cluster_id = chain_of(&snapshot->cluster_id);
        response.controller_id = snapshot->broker.node_id;
    }
    if (version >= CLUSTER_OPERATIONS_FROM && version <= CLUSTER_OPERATIONS_TO &&
        request->body_of.metadata.include_cluster_authorized_operations) {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    encode_topics(broker, request, writer, &response);
    metadata_response_encode_end(writer, version, &response);
}

/* ---- Topics to be made ---------------------------------------------------------------------- */

/* True when control was not asked for this name just now. */
static bool create_is_news(struct broker *broker, struct bytes name)
{
    const struct entry entry = {.name = name};
    const uint64_t hash = entry_hash(broker, &entry) | 1;
    const uint32_t at = (uint32_t)(hash >> 8) % AUTO_CREATE_RECENT;
    if (broker->created[at].hash == hash &&
        broker->now_ns - broker->created[at].when_ns < ns_of_ms(AUTO_CREATE_REPEAT_MS)) {
        return false;
    }
    broker->created[at].hash = hash;
    broker->created[at].when_ns = broker->now_ns;
    return true;
}

static void create_topic(struct broker *broker, const struct request *request, struct bytes name)
{
    struct slow_header header;
    const struct connection *connection = request->connection;
    memset(&header, 0, sizeof(header));
    header.kind = SLOW_CREATE_TOPIC;
    header.api_key = API_METADATA;
    header.api_version = request->version;
    header.listener = connection->listener;
    header.connection = connection->handle;
    header.peer = connection->peer;
    header.local = connection->local;
    header.principal_len = (uint16_t)min_u32(connection->principal.len, sizeof(header.principal));
    memcpy(header.principal, connection->principal.ptr, header.principal_len);
    if (create_is_news(broker, name)) {
        const bool sent = channel_send(broker->setup.channel, &header, chain_of(&name));
        (void)sent; /* The client asks again. */
    }
}

static void create_missing(struct broker *broker, const struct request *request)
{
    struct metadata_request_topic_array topics = request->body_of.metadata.topics;
    struct metadata_request_topic asked;
    uint32_t left = AUTO_CREATE_TOPICS_MAX;
    while (left > 0 && metadata_request_topic_array_next(&topics, &asked)) {
        const size_t scratch_used = broker->scratch.used;
        const struct entry entry = entry_of(broker, request, &asked);
        if (entry.error == ERROR_UNKNOWN_TOPIC_OR_PARTITION && !entry.coming) {
            create_topic(broker, request, entry.name);
            left--;
        }
        broker->scratch.used = scratch_used;
    }
}

bool metadata_start(struct broker *broker, struct request *request)
{
    struct metadata_request *body = &request->body_of.metadata;
    struct reader reader;
    reader_init(&reader, request->body);
    if (metadata_request_decode(&reader, request->version, body) != CODEC_OK) {
        return false;
    }
    const bool may_create =
        request->version < AUTO_CREATE_FLAG_FROM || body->allow_auto_topic_creation;
    if (!asks_all(request) && asks_wrongly(request)) {
        request->error = ERROR_INVALID_REQUEST;
    } else if (!asks_all(request) && !asks_by_id(request) && may_create &&
               broker->snapshot->settings.auto_create_topics) {
        create_missing(broker, request);
    }
    request_done(request, metadata_build);
    return true;
}
