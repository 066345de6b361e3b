#include "tests/tools/client/fake_broker.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/kafka/errors.h"
#include "tests/tools/client/fake_groups.h"

enum { POLL_MS = 20, PRODUCER_ID = 7000 };

const struct uuid fake_topic_id = {{9, 9, 9}};

static bool is_topic(const struct fake_broker *broker, struct chain name, struct uuid id)
{
    return chain_equals(name, bytes_of_string(broker->topic)) ||
           (name.len == 0 && uuid_equal(id, fake_topic_id));
}

int16_t fake_broker_error(struct fake_broker *broker, int16_t key)
{
    const int16_t error = broker->error[key];
    if (error != ERROR_NONE && broker->times[key] > 0 && --broker->times[key] == 0) {
        broker->error[key] = ERROR_NONE;
    }
    return error;
}

void fake_broker_append(struct fake_broker *broker, uint32_t partition, struct bytes batch)
{
    struct fake_partition *to = &broker->partitions[partition];
    ASSERT(to->count < FAKE_BATCHES_MAX);
    uint8_t *copy = malloc(batch.len);
    ASSERT(copy != NULL);
    memcpy(copy, batch.ptr, batch.len);
    batch_stamp(copy, to->end, 0);
    struct batch_header header;
    const struct bytes stamped = {copy, batch.len};
    ASSERT(batch_parse(chain_of(&stamped), &header) == BATCH_OK);
    to->batches[to->count++] = stamped;
    to->end = batch_last_offset(&header) + 1;
    to->newest_ms = max_i64(to->newest_ms, header.max_timestamp_ms);
}

/* ---- Answers -------------------------------------------------------------------------------- */

static void answer_versions(struct fake_broker *broker, int16_t version, struct writer *writer)
{
    struct api_versions_response response = api_versions_response_default;
    struct api_versions_response_api keys[FAKE_APIS];
    int32_t count = 0;
    for (uint32_t i = 0; i < api_count; i++) {
        const int16_t high = broker->version_max[api_table[i].key];
        if (high >= 0) {
            keys[count++] = (struct api_versions_response_api){api_table[i].key,
                                                               api_table[i].advertised_min, high};
        }
    }
    response.api_keys.items = keys;
    response.api_keys.count = count;
    if (version > broker->old_versions_max) {
        keys[0] = (struct api_versions_response_api){API_API_VERSIONS, 0, broker->old_versions_max};
        response.api_keys.count = 1;
        response.error_code = ERROR_UNSUPPORTED_VERSION;
        version = 0;
    }
    (void)api_versions_response_encode(writer, version, &response);
}

static void answer_metadata(struct fake_broker *broker, int16_t version, struct reader *reader,
                            struct writer *writer)
{
    struct metadata_request request;
    struct metadata_response response = metadata_response_default;
    struct metadata_response_topic topic = metadata_response_topic_default;
    struct metadata_response_partition partitions[FAKE_PARTITIONS];
    struct metadata_response_broker node = metadata_response_broker_default;
    const int32_t replicas[] = {FAKE_NODE_ID};
    ASSERT(metadata_request_decode(reader, version, &request) == CODEC_OK);
    struct metadata_request_topic asked;
    topic.name = CHAIN_EMPTY;
    const bool one = metadata_request_topic_array_next(&request.topics, &asked);
    topic.name = one ? asked.name : CHAIN_NULL;
    const struct bytes name = bytes_of_string(broker->topic);
    topic.name = one ? topic.name : chain_of(&name);
    broker->exists =
        broker->exists || (one && broker->auto_create && request.allow_auto_topic_creation);
    const bool known = broker->exists && chain_equals(topic.name, name);
    topic.error_code =
        known ? fake_broker_error(broker, API_METADATA) : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    topic.topic_id = fake_topic_id;
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++) {
        partitions[i] = metadata_response_partition_default;
        partitions[i].partition_index = i;
        partitions[i].leader_id = FAKE_NODE_ID;
        partitions[i].replica_nodes.items = replicas;
        partitions[i].replica_nodes.count = 1;
        partitions[i].isr_nodes = partitions[i].replica_nodes;
    }
    topic.partitions.items = partitions;
    topic.partitions.count = topic.error_code == ERROR_NONE ? FAKE_PARTITIONS : 0;
    node.node_id = FAKE_NODE_ID;
    node.host = CHAIN_TEXT("127.0.0.1");
    node.port = broker->port;
    response.brokers.items = &node;
    response.brokers.count = 1;
    response.topics.items = &topic;
    response.topics.count = one || broker->exists ? 1 : 0;
    ASSERT(metadata_response_encode(writer, version, &response) == CODEC_OK);
}

/* As a broker treats an idempotent producer: the error, and whether the batch is to be kept. */
static int16_t check_sequence(struct fake_partition *to, const struct batch_header *header,
                              bool *keep)
{
    *keep = true;
    if (!batch_has_producer(header)) {
        return ERROR_NONE;
    }
    if (header->base_sequence == to->next_sequence) {
        to->next_sequence = batch_sequence_add(header->base_sequence, header->record_count);
        return ERROR_NONE;
    }
    *keep = false;
    const bool again =
        batch_sequence_add(header->base_sequence, header->record_count) == to->next_sequence;
    return again ? ERROR_NONE : ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

static void produce_one(struct fake_broker *broker, const struct produce_request_partition *from,
                        struct produce_response_partition *answer)
{
    *answer = produce_response_partition_default;
    answer->index = from->index;
    answer->error_code = fake_broker_error(broker, API_PRODUCE);
    struct batch_header header;
    if (from->index < 0 || from->index >= FAKE_PARTITIONS ||
        batch_parse(from->records, &header) != BATCH_OK ||
        batch_check_crc(from->records, &header) != BATCH_OK) {
        answer->error_code = ERROR_CORRUPT_MESSAGE;
    }
    if (answer->error_code != ERROR_NONE) {
        return;
    }
    struct fake_partition *to = &broker->partitions[from->index];
    bool keep;
    answer->error_code = check_sequence(to, &header, &keep);
    answer->base_offset = keep ? to->end : to->end - header.record_count;
    if (keep) {
        fake_broker_append(broker, (uint32_t)from->index, chain_first(from->records));
    }
}

static bool answer_produce(struct fake_broker *broker, int16_t version, struct reader *reader,
                           struct writer *writer)
{
    struct produce_request request;
    struct produce_request_topic topic;
    struct produce_request_partition partition;
    struct produce_response response = produce_response_default;
    struct produce_response_topic topic_out = produce_response_topic_default;
    struct produce_response_partition answers[FAKE_PARTITIONS];
    ASSERT(produce_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(produce_request_topic_array_next(&request.topic_data, &topic));
    ASSERT(is_topic(broker, topic.name, topic.topic_id));
    topic_out.name = topic.name;
    topic_out.topic_id = topic.topic_id;
    int32_t count = 0;
    while (produce_request_partition_array_next(&topic.partition_data, &partition)) {
        produce_one(broker, &partition, &answers[count++]);
    }
    topic_out.partition_responses.items = answers;
    topic_out.partition_responses.count = count;
    response.responses.items = &topic_out;
    response.responses.count = 1;
    ASSERT(produce_response_encode(writer, version, &response) == CODEC_OK);
    return request.acks != 0;
}

static int64_t offset_of(const struct fake_partition *partition, int64_t timestamp)
{
    if (timestamp < 0) {
        return timestamp == -2 ? partition->start : partition->end;
    }
    for (uint32_t i = 0; i < partition->count; i++) {
        struct batch_header header;
        ASSERT(batch_parse(chain_of(&partition->batches[i]), &header) == BATCH_OK);
        if (header.max_timestamp_ms >= timestamp) {
            return header.base_offset;
        }
    }
    return -1;
}

static void answer_list_offsets(struct fake_broker *broker, int16_t version, struct reader *reader,
                                struct writer *writer)
{
    struct list_offsets_request request;
    struct list_offsets_request_topic topic;
    struct list_offsets_request_partition partition;
    struct list_offsets_response response = list_offsets_response_default;
    struct list_offsets_response_topic topic_out = list_offsets_response_topic_default;
    struct list_offsets_response_partition answers[FAKE_PARTITIONS];
    ASSERT(list_offsets_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(list_offsets_request_topic_array_next(&request.topics, &topic));
    int32_t count = 0;
    while (list_offsets_request_partition_array_next(&topic.partitions, &partition)) {
        ASSERT(partition.partition_index < FAKE_PARTITIONS);
        answers[count] = list_offsets_response_partition_default;
        answers[count].partition_index = partition.partition_index;
        answers[count].error_code = fake_broker_error(broker, API_LIST_OFFSETS);
        if (partition.timestamp == -3) {
            answers[count].timestamp = broker->partitions[partition.partition_index].newest_ms;
        }
        answers[count++].offset =
            offset_of(&broker->partitions[partition.partition_index], partition.timestamp);
    }
    topic_out.name = topic.name;
    topic_out.partitions.items = answers;
    topic_out.partitions.count = count;
    response.topics.items = &topic_out;
    response.topics.count = 1;
    ASSERT(list_offsets_response_encode(writer, version, &response) == CODEC_OK);
}

/* The first batch that ends behind the offset; one at a time. */
static struct bytes batch_at(const struct fake_partition *partition, int64_t offset)
{
    for (uint32_t i = 0; i < partition->count; i++) {
        struct batch_header header;
        ASSERT(batch_parse(chain_of(&partition->batches[i]), &header) == BATCH_OK);
        if (batch_last_offset(&header) >= offset) {
            return partition->batches[i];
        }
    }
    return (struct bytes){0};
}

static void answer_fetch(struct fake_broker *broker, int16_t version, struct reader *reader,
                         struct writer *writer)
{
    struct fetch_request request;
    struct fetch_request_topic topic;
    struct fetch_request_partition partition;
    struct fetch_response response = fetch_response_default;
    struct fetch_response_topic topic_out = fetch_response_topic_default;
    struct fetch_response_partition answers[FAKE_PARTITIONS];
    struct bytes batches[FAKE_PARTITIONS];
    ASSERT(fetch_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(fetch_request_topic_array_next(&request.topics, &topic));
    ASSERT(is_topic(broker, topic.topic, topic.topic_id));
    int32_t count = 0;
    while (fetch_request_partition_array_next(&topic.partitions, &partition)) {
        const struct fake_partition *from = &broker->partitions[partition.partition];
        struct fetch_response_partition *answer = &answers[count];
        *answer = fetch_response_partition_default;
        answer->partition_index = partition.partition;
        answer->error_code = fake_broker_error(broker, API_FETCH);
        if (answer->error_code == ERROR_NONE &&
            (partition.fetch_offset < from->start || partition.fetch_offset > from->end)) {
            answer->error_code = ERROR_OFFSET_OUT_OF_RANGE;
        }
        answer->high_watermark = from->end;
        batches[count] = answer->error_code == ERROR_NONE ? batch_at(from, partition.fetch_offset)
                                                          : (struct bytes){0};
        answer->records = chain_of(&batches[count++]);
    }
    topic_out.topic = topic.topic;
    topic_out.topic_id = topic.topic_id;
    topic_out.partitions.items = answers;
    topic_out.partitions.count = count;
    response.responses.items = &topic_out;
    response.responses.count = 1;
    ASSERT(fetch_response_encode(writer, version, &response) == CODEC_OK);
}

static void answer_producer_id(struct fake_broker *broker, int16_t version, struct reader *reader,
                               struct writer *writer)
{
    struct init_producer_id_request request;
    struct init_producer_id_response response = init_producer_id_response_default;
    ASSERT(init_producer_id_request_decode(reader, version, &request) == CODEC_OK);
    response.error_code = fake_broker_error(broker, API_INIT_PRODUCER_ID);
    if (!chain_is_null(request.transactional_id) && response.error_code == ERROR_NONE) {
        broker->transaction.state = "CompleteAbort";
        broker->transaction.timeout_ms = request.transaction_timeout_ms;
    }
    response.producer_id = PRODUCER_ID;
    ASSERT(init_producer_id_response_encode(writer, version, &response) == CODEC_OK);
}

static void copy_text(char to[64], struct chain text)
{
    chain_copy(text, to, min_u32(text.len, 63));
    to[min_u32(text.len, 63)] = '\0';
}

static void answer_create(struct fake_broker *broker, int16_t version, struct reader *reader,
                          struct writer *writer)
{
    struct create_topics_request request;
    struct create_topics_request_topic topic;
    struct create_topics_request_config config;
    struct create_topics_response response = create_topics_response_default;
    struct create_topics_response_topic answer = create_topics_response_topic_default;
    ASSERT(create_topics_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(create_topics_request_topic_array_next(&request.topics, &topic));
    broker->created_partitions = topic.num_partitions;
    if (create_topics_request_config_array_next(&topic.configs, &config)) {
        copy_text(broker->config_key, config.name);
        copy_text(broker->config_value, config.value);
    }
    answer.name = topic.name;
    answer.topic_id = fake_topic_id;
    answer.num_partitions = FAKE_PARTITIONS;
    answer.replication_factor = 1;
    answer.error_code = fake_broker_error(broker, API_CREATE_TOPICS);
    broker->exists = broker->exists || answer.error_code == ERROR_NONE;
    answer.error_message =
        answer.error_code != ERROR_NONE ? CHAIN_TEXT("says the broker") : CHAIN_NULL;
    response.topics.items = &answer;
    response.topics.count = 1;
    ASSERT(create_topics_response_encode(writer, version, &response) == CODEC_OK);
}

static void answer_delete(struct fake_broker *broker, int16_t version, struct reader *reader,
                          struct writer *writer)
{
    struct delete_topics_request request;
    struct delete_topics_request_topic topic = delete_topics_request_topic_default;
    struct delete_topics_response response = delete_topics_response_default;
    struct delete_topics_response_topic answer = delete_topics_response_topic_default;
    ASSERT(delete_topics_request_decode(reader, version, &request) == CODEC_OK);
    if (version >= 6) {
        ASSERT(delete_topics_request_topic_array_next(&request.topics, &topic));
    } else {
        ASSERT(string_array_next(&request.topic_names, &topic.name));
    }
    const bool known = broker->exists && chain_equals(topic.name, bytes_of_string(broker->topic));
    answer.name = topic.name;
    answer.error_code =
        known ? fake_broker_error(broker, API_DELETE_TOPICS) : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    broker->exists = broker->exists && !known;
    response.responses.items = &answer;
    response.responses.count = 1;
    ASSERT(delete_topics_response_encode(writer, version, &response) == CODEC_OK);
}

static void answer_grow(struct fake_broker *broker, int16_t version, struct reader *reader,
                        struct writer *writer)
{
    struct create_partitions_request request;
    struct create_partitions_request_topic topic;
    struct create_partitions_response response = create_partitions_response_default;
    struct create_partitions_response_topic answer = create_partitions_response_topic_default;
    ASSERT(create_partitions_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(create_partitions_request_topic_array_next(&request.topics, &topic));
    broker->created_partitions = topic.count;
    answer.name = topic.name;
    answer.error_code = fake_broker_error(broker, API_CREATE_PARTITIONS);
    response.results.items = &answer;
    response.results.count = 1;
    ASSERT(create_partitions_response_encode(writer, version, &response) == CODEC_OK);
}

static void answer_alter(struct fake_broker *broker, int16_t version, struct reader *reader,
                         struct writer *writer)
{
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_request_resource resource;
    struct incremental_alter_configs_request_config config;
    struct incremental_alter_configs_response response = incremental_alter_configs_response_default;
    struct incremental_alter_configs_response_resource answer =
        incremental_alter_configs_response_resource_default;
    ASSERT(incremental_alter_configs_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(incremental_alter_configs_request_resource_array_next(&request.resources, &resource));
    while (incremental_alter_configs_request_config_array_next(&resource.configs, &config)) {
        copy_text(broker->config_key, config.name);
        copy_text(broker->config_value, config.value);
        broker->config_operation = config.config_operation;
    }
    answer.resource_type = resource.resource_type;
    answer.resource_name = resource.resource_name;
    answer.error_code = fake_broker_error(broker, API_INCREMENTAL_ALTER_CONFIGS);
    response.responses.items = &answer;
    response.responses.count = 1;
    ASSERT(incremental_alter_configs_response_encode(writer, version, &response) == CODEC_OK);
}

static void answer_configs(struct fake_broker *broker, int16_t version, struct reader *reader,
                           struct writer *writer)
{
    struct describe_configs_request request;
    struct describe_configs_request_resource resource;
    struct describe_configs_response response = describe_configs_response_default;
    struct describe_configs_response_result result = describe_configs_response_result_default;
    struct describe_configs_response_config configs[2] = {describe_configs_response_config_default,
                                                          describe_configs_response_config_default};
    ASSERT(describe_configs_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(describe_configs_request_resource_array_next(&request.resources, &resource));
    configs[0].name = CHAIN_TEXT("retention.ms");
    configs[0].value = CHAIN_TEXT("5");
    configs[0].config_source = 1;
    configs[1].name = CHAIN_TEXT("a.secret");
    configs[1].value = CHAIN_NULL;
    configs[1].config_source = 5;
    configs[1].is_sensitive = true;
    result.resource_type = resource.resource_type;
    result.resource_name = resource.resource_name;
    result.error_code = fake_broker_error(broker, API_DESCRIBE_CONFIGS);
    result.configs.items = configs;
    result.configs.count = 2;
    response.results.items = &result;
    response.results.count = 1;
    ASSERT(describe_configs_response_encode(writer, version, &response) == CODEC_OK);
}

static void answer_sizes(struct fake_broker *broker, int16_t version, struct reader *reader,
                         struct writer *writer)
{
    struct describe_log_dirs_request request;
    struct describe_log_dirs_response response = describe_log_dirs_response_default;
    struct describe_log_dirs_response_result results[2];
    struct describe_log_dirs_response_topic topic = describe_log_dirs_response_topic_default;
    struct describe_log_dirs_response_partition partitions[FAKE_PARTITIONS];
    ASSERT(describe_log_dirs_request_decode(reader, version, &request) == CODEC_OK);
    const struct bytes name = bytes_of_string(broker->topic);
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++) {
        partitions[i] = describe_log_dirs_response_partition_default;
        partitions[i].partition_index = i;
        partitions[i].partition_size = 1000 + i;
    }
    topic.name = chain_of(&name);
    topic.partitions.items = partitions;
    topic.partitions.count = FAKE_PARTITIONS;
    for (int i = 0; i < 2; i++) {
        results[i] = describe_log_dirs_response_result_default;
        results[i].log_dir = CHAIN_TEXT("/data");
    }
    results[1].topics.items = &topic;
    results[1].topics.count = 1;
    response.results.items = results;
    response.results.count = 2;
    ASSERT(describe_log_dirs_response_encode(writer, version, &response) == CODEC_OK);
}

/* ---- Connections ---------------------------------------------------------------------------- */

/* Writes the message of the answer; false when none is to be sent. */
static bool answer(struct fake_broker *broker, const struct request_header *header,
                   struct reader *reader, struct writer *writer)
{
    const int16_t version = header->api_version;
    if (broker->other != NULL && broker->other(broker, header->api->key, version, reader, writer)) {
        return true;
    }
    switch (header->api->key) {
    case API_API_VERSIONS: answer_versions(broker, version, writer); return true;
    case API_METADATA: answer_metadata(broker, version, reader, writer); return true;
    case API_PRODUCE: return answer_produce(broker, version, reader, writer);
    case API_LIST_OFFSETS: answer_list_offsets(broker, version, reader, writer); return true;
    case API_FETCH: answer_fetch(broker, version, reader, writer); return true;
    case API_INIT_PRODUCER_ID: answer_producer_id(broker, version, reader, writer); return true;
    case API_CREATE_TOPICS: answer_create(broker, version, reader, writer); return true;
    case API_DELETE_TOPICS: answer_delete(broker, version, reader, writer); return true;
    case API_CREATE_PARTITIONS: answer_grow(broker, version, reader, writer); return true;
    case API_INCREMENTAL_ALTER_CONFIGS: answer_alter(broker, version, reader, writer); return true;
    case API_DESCRIBE_CONFIGS: answer_configs(broker, version, reader, writer); return true;
    case API_DESCRIBE_LOG_DIRS: answer_sizes(broker, version, reader, writer); return true;
    default:
        ASSERT(fake_groups_answer(broker, header->api->key, version, reader, writer));
        return true;
    }
}

static bool take_once(bool *flag)
{
    const bool was = *flag;
    *flag = false;
    return was;
}

static bool read_exact(int fd, uint8_t *to, size_t count)
{
    return recv(fd, to, count, MSG_WAITALL) == (ssize_t)count;
}

/* Serves one request of the peer; false: the connection is to be closed. */
static bool serve(struct fake_broker *broker, int fd)
{
    uint8_t prefix[FRAME_PREFIX_BYTES];
    if (!read_exact(fd, prefix, sizeof(prefix))) {
        return false;
    }
    const struct bytes frame = {broker->in, load_be32(prefix)};
    ASSERT(frame.len <= FAKE_BUFFER_BYTES);
    if (!read_exact(fd, broker->in, frame.len)) {
        return false;
    }
    struct reader reader;
    struct request_header header;
    reader_init(&reader, chain_of(&frame));
    ASSERT(request_header_decode(&reader, &header) == CODEC_OK);
    const int16_t key = header.api->key;
    ASSERT(key == API_API_VERSIONS || header.api_version <= broker->version_max[key]);
    broker->requests[key]++;
    broker->versions[key] = header.api_version;
    struct writer writer;
    writer_init(&writer, broker->out, FAKE_BUFFER_BYTES);
    response_begin(&writer, header.api, header.api_version, header.correlation_id);
    const bool wanted = answer(broker, &header, &reader, &writer);
    ASSERT(frame_end(&writer) == CODEC_OK);
    if (take_once(&broker->lose_answer[key])) {
        return false;
    }
    if (take_once(&broker->bad_answer[key])) {
        store_be32(broker->out, 6); /* The correlation id and two bytes of the message. */
        writer.at = writer.base + 10;
    }
    const uint32_t bytes = writer_used(&writer);
    return !wanted || broker->silent[key] ||
           send(fd, broker->out, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

static void *run(void *context)
{
    struct fake_broker *broker = context;
    while (!atomic_load(&broker->stopping)) {
        struct pollfd polls[FAKE_PEERS_MAX + 1] = {{.fd = broker->listener, .events = POLLIN}};
        for (int i = 0; i < FAKE_PEERS_MAX; i++) {
            polls[i + 1] = (struct pollfd){.fd = broker->peers[i], .events = POLLIN};
        }
        if (poll(polls, FAKE_PEERS_MAX + 1, POLL_MS) <= 0) {
            continue;
        }
        for (int i = 0; i < FAKE_PEERS_MAX; i++) {
            if (broker->peers[i] >= 0 && polls[i + 1].revents != 0 &&
                !serve(broker, broker->peers[i])) {
                (void)close(broker->peers[i]);
                broker->peers[i] = -1;
            } else if (broker->peers[i] < 0 && polls[0].revents != 0) {
                broker->peers[i] = accept(broker->listener, NULL, NULL);
                polls[0].revents = 0;
            }
        }
    }
    return NULL;
}

struct fake_broker *fake_broker_new(void)
{
    struct fake_broker *broker = calloc(1, sizeof(*broker));
    ASSERT(broker != NULL);
    broker->in = malloc(FAKE_BUFFER_BYTES);
    broker->out = malloc(FAKE_BUFFER_BYTES);
    ASSERT(broker->in != NULL && broker->out != NULL);
    broker->topic = "orders";
    broker->exists = true;
    broker->group.exists = true;
    broker->transaction = (struct fake_transaction){true, "Ongoing", 1767225600000, 60000};
    for (int i = 0; i < FAKE_PARTITIONS; i++) {
        broker->group.committed[i] = -1;
        broker->partitions[i].newest_ms = -1;
    }
    broker->old_versions_max = INT16_MAX;
    for (int i = 0; i < FAKE_APIS; i++) {
        broker->version_max[i] = -1;
    }
    for (uint32_t i = 0; i < api_count; i++) {
        broker->version_max[api_table[i].key] = api_table[i].version_max;
    }
    for (int i = 0; i < FAKE_PEERS_MAX; i++) {
        broker->peers[i] = -1;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    broker->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(broker->listener >= 0);
    ASSERT(bind(broker->listener, (struct sockaddr *)&address, size) == 0);
    ASSERT(listen(broker->listener, FAKE_PEERS_MAX) == 0);
    ASSERT(getsockname(broker->listener, (struct sockaddr *)&address, &size) == 0);
    broker->port = ntohs(address.sin_port);
    (void)snprintf(broker->bootstrap, sizeof(broker->bootstrap), "127.0.0.1:%u", broker->port);
    return broker;
}

void fake_broker_start(struct fake_broker *broker)
{
    atomic_store(&broker->stopping, false);
    ASSERT(pthread_create(&broker->thread, NULL, run, broker) == 0);
    broker->running = true;
}

void fake_broker_stop(struct fake_broker *broker)
{
    if (broker->running) {
        atomic_store(&broker->stopping, true);
        ASSERT(pthread_join(broker->thread, NULL) == 0);
        broker->running = false;
    }
}

void fake_broker_free(struct fake_broker *broker)
{
    fake_broker_stop(broker);
    for (uint32_t i = 0; i < FAKE_PARTITIONS; i++) {
        for (uint32_t j = 0; j < broker->partitions[i].count; j++) {
            free((void *)(uintptr_t)broker->partitions[i].batches[j].ptr);
        }
    }
    for (int i = 0; i < FAKE_PEERS_MAX; i++) {
        if (broker->peers[i] >= 0) {
            (void)close(broker->peers[i]);
        }
    }
    (void)close(broker->listener);
    free(broker->in);
    free(broker->out);
    free(broker);
}
