#include "tools/bench/requests.h"

#include <stdlib.h>
#include <unistd.h>

#include "dataplane/kafka/errors.h"

enum {
    PRODUCE_VERSION = 9,
    PRODUCE_TXN_VERSION = 12, /* Answers of both look the same. */
    FETCH_VERSION = 12,
    LIST_OFFSETS_VERSION = 7,
    METADATA_VERSION = 9,
    FIND_COORDINATOR_VERSION = 3,
    CREATE_TOPICS_VERSION = 5,
    DELETE_TOPICS_VERSION = 4,
    LEADER_WAIT_TURNS = 200,
    TIMEOUT_MS = 30000,
};

void requests_open_in(struct writer *writer, void *memory, size_t capacity,
                      const struct peer_request *request, int16_t key, int16_t version)
{
    writer_init(writer, memory, capacity);
    request_begin(writer, api_find(key), version, (int32_t)request->number,
                  CHAIN_TEXT("millrace-bench"));
}

void requests_open(struct writer *writer, struct peer_request *request, int16_t key,
                   int16_t version)
{
    requests_open_in(writer, request->head, sizeof(request->head), request, key, version);
}

void requests_close(struct writer *writer, struct peer_request *request)
{
    ASSERT(frame_end(writer) == CODEC_OK);
    request->head_bytes = writer_used(writer);
}

bool requests_answer_open(struct reader *reader, const struct bytes *frame, int16_t key,
                          int16_t version)
{
    int32_t correlation_id = 0;
    reader_init(reader, chain_of(frame));
    return response_header_decode(reader, api_find(key), version, &correlation_id) == CODEC_OK;
}

static void produce_encode(struct peer_request *request, int16_t version,
                           struct produce_request *message, const char *topic, uint32_t partition,
                           struct bytes batch)
{
    const struct bytes name = bytes_of_string(topic);
    struct produce_request_partition part = produce_request_partition_default;
    part.index = (int32_t)partition;
    part.records = chain_of(&batch);
    struct produce_request_topic one = produce_request_topic_default;
    one.name = chain_of(&name);
    one.partition_data.items = &part;
    one.partition_data.count = 1;
    message->timeout_ms = TIMEOUT_MS;
    message->topic_data.items = &one;
    message->topic_data.count = 1;
    struct writer writer;
    struct splice splice[1];
    requests_open(&writer, request, API_PRODUCE, version);
    writer_use_splices(&writer, splice, 1);
    (void)produce_request_encode(&writer, version, message);
    requests_close(&writer, request);
    /* What stands behind the records: three empty tag sections. */
    request->tail_bytes = request->head_bytes - splice[0].offset;
    ASSERT(request->tail_bytes <= sizeof(request->tail));
    memcpy(request->tail, request->head + splice[0].offset, request->tail_bytes);
    request->head_bytes = splice[0].offset;
    request->body = batch;
    request->partition = partition;
}

void requests_produce(struct peer_request *request, const char *topic, uint32_t partition,
                      struct bytes batch, int16_t acks)
{
    struct produce_request message = produce_request_default;
    message.acks = acks;
    produce_encode(request, PRODUCE_VERSION, &message, topic, partition, batch);
}

void requests_produce_txn(struct peer_request *request, const char *transactional_id,
                          const char *topic, uint32_t partition, struct bytes batch)
{
    const struct bytes id = bytes_of_string(transactional_id);
    struct produce_request message = produce_request_default;
    message.transactional_id = chain_of(&id);
    message.acks = -1;
    produce_encode(request, PRODUCE_TXN_VERSION, &message, topic, partition, batch);
}

bool requests_produce_answer(struct bytes frame, int16_t *error, int64_t *base_offset)
{
    struct reader reader;
    struct produce_response message;
    if (!requests_answer_open(&reader, &frame, API_PRODUCE, PRODUCE_VERSION) ||
        produce_response_decode(&reader, PRODUCE_VERSION, &message) != CODEC_OK) {
        return false;
    }
    struct produce_response_topic topic;
    struct produce_response_partition partition;
    if (!produce_response_topic_array_next(&message.responses, &topic) ||
        !produce_response_partition_array_next(&topic.partition_responses, &partition)) {
        return false;
    }
    *error = partition.error_code;
    *base_offset = partition.base_offset;
    return true;
}

void requests_fetch(struct peer_request *request, const char *topic, uint32_t partition,
                    int64_t offset, uint32_t bytes_max, int32_t wait_ms_max)
{
    const struct bytes name = bytes_of_string(topic);
    struct fetch_request_partition part = fetch_request_partition_default;
    part.partition = (int32_t)partition;
    part.current_leader_epoch = -1;
    part.fetch_offset = offset;
    part.last_fetched_epoch = -1;
    part.log_start_offset = -1;
    part.partition_max_bytes = (int32_t)bytes_max;
    struct fetch_request_topic one = fetch_request_topic_default;
    one.topic = chain_of(&name);
    one.partitions.items = &part;
    one.partitions.count = 1;
    struct fetch_request message = fetch_request_default;
    message.replica_id = -1;
    message.max_wait_ms = wait_ms_max;
    message.min_bytes = 1;
    message.max_bytes = (int32_t)bytes_max;
    message.session_epoch = -1;
    message.topics.items = &one;
    message.topics.count = 1;
    message.rack_id = CHAIN_EMPTY;
    struct writer writer;
    requests_open(&writer, request, API_FETCH, FETCH_VERSION);
    (void)fetch_request_encode(&writer, FETCH_VERSION, &message);
    requests_close(&writer, request);
    request->partition = partition;
}

bool requests_fetch_answer(struct bytes frame, int16_t *error, int64_t *high_watermark,
                           struct bytes *records)
{
    struct reader reader;
    struct fetch_response message;
    if (!requests_answer_open(&reader, &frame, API_FETCH, FETCH_VERSION) ||
        fetch_response_decode(&reader, FETCH_VERSION, &message) != CODEC_OK) {
        return false;
    }
    struct fetch_response_topic topic;
    struct fetch_response_partition partition;
    *records = (struct bytes){0};
    *error = message.error_code;
    if (!fetch_response_topic_array_next(&message.responses, &topic) ||
        !fetch_response_partition_array_next(&topic.partitions, &partition)) {
        return *error != 0;
    }
    *error = partition.error_code;
    *high_watermark = partition.high_watermark;
    *records = chain_first(partition.records);
    return true;
}

int64_t requests_list_offset(struct peer *peer, const char *topic, uint32_t partition,
                             int64_t timestamp)
{
    const struct bytes name = bytes_of_string(topic);
    struct list_offsets_request_partition part = list_offsets_request_partition_default;
    part.partition_index = (int32_t)partition;
    part.current_leader_epoch = -1;
    part.timestamp = timestamp;
    struct list_offsets_request_topic one = list_offsets_request_topic_default;
    one.name = chain_of(&name);
    one.partitions.items = &part;
    one.partitions.count = 1;
    struct list_offsets_request message = list_offsets_request_default;
    message.replica_id = -1;
    message.topics.items = &one;
    message.topics.count = 1;
    struct peer_request *request = peer_begin(peer);
    struct writer writer;
    requests_open(&writer, request, API_LIST_OFFSETS, LIST_OFFSETS_VERSION);
    (void)list_offsets_request_encode(&writer, LIST_OFFSETS_VERSION, &message);
    requests_close(&writer, request);
    peer_end(peer);
    struct bytes frame;
    struct reader reader;
    struct list_offsets_response answer;
    struct list_offsets_response_topic topic_out;
    struct list_offsets_response_partition partition_out;
    if (!peer_call(peer, &frame) ||
        !requests_answer_open(&reader, &frame, API_LIST_OFFSETS, LIST_OFFSETS_VERSION) ||
        list_offsets_response_decode(&reader, LIST_OFFSETS_VERSION, &answer) != CODEC_OK ||
        !list_offsets_response_topic_array_next(&answer.topics, &topic_out) ||
        !list_offsets_response_partition_array_next(&topic_out.partitions, &partition_out) ||
        partition_out.error_code != 0) {
        return -1;
    }
    return partition_out.offset;
}

static bool topic_create_send(struct peer *peer, const struct bench_options *options,
                              struct bytes *frame)
{
    struct create_topics_request_config configs[BENCH_CONFIGS_MAX];
    struct bytes texts[2 * BENCH_CONFIGS_MAX];
    for (uint32_t i = 0; i < options->config_count; i++) {
        const char *text = options->configs[i];
        const char *equals = strchr(text, '=');
        texts[2 * i] = (struct bytes){(const uint8_t *)text, (uint32_t)(equals - text)};
        texts[2 * i + 1] = bytes_of_string(equals + 1);
        configs[i].name = chain_of(&texts[2 * i]);
        configs[i].value = chain_of(&texts[2 * i + 1]);
    }
    const struct bytes name = bytes_of_string(options->topic);
    struct create_topics_request_topic topic = create_topics_request_topic_default;
    topic.name = chain_of(&name);
    topic.num_partitions = (int32_t)options->partitions;
    topic.replication_factor = 1;
    topic.configs.items = configs;
    topic.configs.count = (int32_t)options->config_count;
    struct create_topics_request message = create_topics_request_default;
    message.topics.items = &topic;
    message.topics.count = 1;
    message.timeout_ms = TIMEOUT_MS;
    struct peer_request *request = peer_begin(peer);
    struct writer writer;
    requests_open(&writer, request, API_CREATE_TOPICS, CREATE_TOPICS_VERSION);
    (void)create_topics_request_encode(&writer, CREATE_TOPICS_VERSION, &message);
    requests_close(&writer, request);
    peer_end(peer);
    return peer_call(peer, frame);
}

/* 0 when all partitions have a leader, 1 when not yet, -1 when the connection broke. */
static int topic_leaders(struct peer *peer, const struct bench_options *options)
{
    const struct bytes name = bytes_of_string(options->topic);
    struct metadata_request_topic topic = metadata_request_topic_default;
    topic.name = chain_of(&name);
    struct metadata_request message = metadata_request_default;
    message.topics.items = &topic;
    message.topics.count = 1;
    message.allow_auto_topic_creation = false;
    struct peer_request *request = peer_begin(peer);
    struct writer writer;
    requests_open(&writer, request, API_METADATA, METADATA_VERSION);
    (void)metadata_request_encode(&writer, METADATA_VERSION, &message);
    requests_close(&writer, request);
    peer_end(peer);
    struct bytes frame;
    struct reader reader;
    struct metadata_response answer;
    struct metadata_response_topic found;
    if (!peer_call(peer, &frame) ||
        !requests_answer_open(&reader, &frame, API_METADATA, METADATA_VERSION) ||
        metadata_response_decode(&reader, METADATA_VERSION, &answer) != CODEC_OK ||
        !metadata_response_topic_array_next(&answer.topics, &found)) {
        return -1;
    }
    struct metadata_response_partition partition;
    uint64_t led = 0;
    while (metadata_response_partition_array_next(&found.partitions, &partition)) {
        led += partition.error_code == 0 && partition.leader_id >= 0 ? 1 : 0;
    }
    return found.error_code == 0 && led >= options->partitions ? 0 : 1;
}

bool requests_create_topic(struct peer *peer, const struct bench_options *options)
{
    struct bytes frame;
    struct reader reader;
    struct create_topics_response answer;
    struct create_topics_response_topic topic;
    if (!topic_create_send(peer, options, &frame) ||
        !requests_answer_open(&reader, &frame, API_CREATE_TOPICS, CREATE_TOPICS_VERSION) ||
        create_topics_response_decode(&reader, CREATE_TOPICS_VERSION, &answer) != CODEC_OK ||
        !create_topics_response_topic_array_next(&answer.topics, &topic)) {
        (void)fprintf(stderr, "bench: the broker did not answer CreateTopics\n");
        return false;
    }
    if (topic.error_code != 0 && topic.error_code != ERROR_TOPIC_ALREADY_EXISTS) {
        (void)fprintf(stderr, "bench: creating topic %s failed: %s\n", options->topic,
                      error_name(topic.error_code));
        return false;
    }
    for (int turn = 0; turn < LEADER_WAIT_TURNS; turn++) {
        const int state = topic_leaders(peer, options);
        if (state <= 0) {
            return state == 0;
        }
        (void)usleep(50000);
    }
    (void)fprintf(stderr, "bench: topic %s has no leaders\n", options->topic);
    return false;
}

void requests_delete_topic(struct peer *peer, const char *topic)
{
    const struct bytes name = bytes_of_string(topic);
    const struct chain names[1] = {chain_of(&name)};
    struct delete_topics_request message = delete_topics_request_default;
    message.topic_names.items = names;
    message.topic_names.count = 1;
    message.timeout_ms = TIMEOUT_MS;
    struct peer_request *request = peer_begin(peer);
    struct writer writer;
    requests_open(&writer, request, API_DELETE_TOPICS, DELETE_TOPICS_VERSION);
    (void)delete_topics_request_encode(&writer, DELETE_TOPICS_VERSION, &message);
    requests_close(&writer, request);
    peer_end(peer);
    struct bytes frame;
    if (!peer_call(peer, &frame)) {
        (void)fprintf(stderr, "bench: topic %s was not deleted\n", topic);
    }
}

bool requests_find_coordinator(struct peer *peer, enum requests_coordinator kind, const char *key)
{
    const struct bytes text = bytes_of_string(key);
    struct find_coordinator_request message = find_coordinator_request_default;
    message.key = chain_of(&text);
    message.key_type = (int8_t)kind;
    for (int turn = 0; turn < LEADER_WAIT_TURNS; turn++) {
        struct peer_request *request = peer_begin(peer);
        REQUESTS_ENCODE(request, API_FIND_COORDINATOR, find_coordinator, FIND_COORDINATOR_VERSION,
                        &message);
        peer_end(peer);
        struct bytes frame;
        struct find_coordinator_response answer;
        if (!peer_call(peer, &frame) ||
            !REQUESTS_DECODE(frame, API_FIND_COORDINATOR, find_coordinator,
                             FIND_COORDINATOR_VERSION, &answer)) {
            (void)fprintf(stderr, "bench: the broker did not answer FindCoordinator\n");
            return false;
        }
        if (answer.error_code == ERROR_NONE) {
            return true;
        }
        (void)usleep(50000);
    }
    (void)fprintf(stderr, "bench: there is no coordinator for %s\n", key);
    return false;
}
