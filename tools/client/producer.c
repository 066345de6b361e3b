#include "tools/client/producer.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/messages.h"
#include "storage/record/compress.h"
#include "tools/client/partitioner.h"

enum {
    BUFFER_BYTES_MIN = 16 << 10,
    ROOM_BYTES = 4096,
    MESSAGE_BYTES = 400,
    ACKS_ALL = -1,
};

static void sticky_move(struct producer *producer)
{
    producer->sticky = (uint32_t)random_below(&producer->random, producer->topic.partition_count);
}

uint32_t producer_place(struct producer *producer, struct bytes key)
{
    if (key.ptr == NULL) {
        return producer->sticky;
    }
    return partitioner_of_key(key, producer->topic.partition_count);
}

static bool id_once(struct producer *producer)
{
    struct client *client = producer->client;
    struct connection *connection = client_any(client);
    int16_t version;
    struct writer *writer = connection == NULL
                                ? NULL
                                : connection_begin(connection, API_INIT_PRODUCER_ID, ROOM_BYTES,
                                                   &version, &client->problem);
    if (writer == NULL) {
        return false;
    }
    struct init_producer_id_request request = init_producer_id_request_default;
    request.transactional_id = CHAIN_NULL;
    request.transaction_timeout_ms = INT32_MAX;
    (void)init_producer_id_request_encode(writer, version, &request);
    struct reader reader;
    struct init_producer_id_response response;
    if (!connection_call(connection, client_deadline_ns(client), &reader, &client->problem)) {
        return false;
    }
    if (init_producer_id_response_decode(&reader, version, &response) != CODEC_OK) {
        return connection_bad_answer(connection, &client->problem);
    }
    if (response.error_code != ERROR_NONE) {
        return problem_kafka(&client->problem, response.error_code, "producer id", "", "");
    }
    producer->producer_id = response.producer_id;
    producer->producer_epoch = response.producer_epoch;
    return true;
}

static bool id_take(struct producer *producer)
{
    const uint64_t deadline_ns = client_deadline_ns(producer->client);
    do {
        if (id_once(producer)) {
            return true;
        }
    } while (client_again(producer->client, true, deadline_ns));
    return false;
}

bool producer_open(struct producer *producer, struct client *client, const char *topic,
                   const struct producer_options *options)
{
    *producer = (struct producer){.client = client,
                                  .options = *options,
                                  .producer_id = BATCH_NO_PRODUCER_ID,
                                  .producer_epoch = BATCH_NO_PRODUCER_EPOCH};
    ASSERT(!options->idempotent || options->acks == ACKS_ALL);
    if (!client_topic(client, topic, CLIENT_TOPIC_CREATE, &producer->topic)) {
        return false;
    }
    if (options->idempotent && !id_take(producer)) {
        return false;
    }
    const uint32_t count = producer->topic.partition_count;
    producer->partitions = calloc(count + 1u, sizeof(*producer->partitions));
    if (producer->partitions == NULL || count == 0) {
        return problem_set(&client->problem, PROBLEM_LOCAL, "%s has no partition", topic);
    }
    for (uint32_t i = 0; i < count; i++) {
        producer->partitions[i].first_offset = -1;
        producer->partitions[i].last_offset = -1;
    }
    random_init(&producer->random, options->seed);
    sticky_move(producer);
    return true;
}

void producer_close(struct producer *producer)
{
    for (uint32_t i = 0; producer->partitions != NULL && i < producer->topic.partition_count; i++) {
        free(producer->partitions[i].buffer);
        free(producer->partitions[i].packed);
    }
    free(producer->partitions);
    producer->partitions = NULL;
    client_topic_free(&producer->topic);
}

/* ---- Batches -------------------------------------------------------------------------------- */

static void batch_begin(struct producer *producer, struct producer_partition *partition)
{
    struct batch_options options = batch_options_none();
    if (producer->options.idempotent) {
        options.producer_id = producer->producer_id;
        options.producer_epoch = producer->producer_epoch;
        options.base_sequence = partition->sequence;
    }
    batch_builder_init(&partition->builder, partition->buffer, partition->capacity, &options);
}

/* A buffer of at least `bytes`; what the builder holds stays. */
static bool buffer_grow(struct producer *producer, struct producer_partition *partition,
                        uint64_t bytes)
{
    if (partition->capacity >= bytes) {
        return true;
    }
    uint64_t capacity = max_u64(partition->capacity, BUFFER_BYTES_MIN);
    while (capacity < bytes) {
        capacity *= 2;
    }
    uint8_t *buffer = capacity <= INT32_MAX ? realloc(partition->buffer, (size_t)capacity) : NULL;
    if (buffer == NULL) {
        return problem_set(&producer->client->problem, PROBLEM_LOCAL,
                           "no memory for a batch of %llu bytes", (unsigned long long)bytes);
    }
    partition->buffer = buffer;
    partition->capacity = (uint32_t)capacity;
    partition->builder.buffer = buffer;
    partition->builder.capacity = (uint32_t)capacity;
    return true;
}

static uint64_t record_bytes(struct bytes key, struct bytes value,
                             const struct record_header *headers, int32_t header_count)
{
    uint64_t bytes = record_size_max(key.len, value.len);
    for (int32_t i = 0; i < header_count; i++) {
        bytes += (uint64_t)headers[i].name.len + headers[i].value.len + 10;
    }
    return bytes;
}

bool producer_add(struct producer *producer, uint32_t partition, int64_t timestamp_ms,
                  struct bytes key, struct bytes value, const struct record_header *headers,
                  int32_t header_count)
{
    if (partition >= producer->topic.partition_count) {
        return problem_set(&producer->client->problem, PROBLEM_LOCAL,
                           "%s has %u partitions, not a partition %u", producer->topic.name,
                           producer->topic.partition_count, partition);
    }
    struct producer_partition *to = &producer->partitions[partition];
    const uint64_t bytes = record_bytes(key, value, headers, header_count);
    const bool is_open = to->builder.header.record_count > 0;
    if (is_open && (to->builder.used + bytes > PRODUCER_BATCH_BYTES ||
                    producer->held_bytes + bytes > PRODUCER_HELD_BYTES)) {
        if (!producer_flush(producer)) {
            return false;
        }
    }
    const bool fresh = to->builder.header.record_count == 0;
    const uint64_t used = fresh ? BATCH_HEADER_BYTES : to->builder.used;
    if (!buffer_grow(producer, to, used + bytes)) {
        return false;
    }
    if (fresh) {
        batch_begin(producer, to);
    }
    producer->held_bytes += bytes;
    const bool added =
        batch_builder_add(&to->builder, timestamp_ms, key, value, headers, header_count);
    ASSERT(added); /* The buffer was grown for it. */
    return true;
}

/* Closes the batch of a partition, compressed where asked for. */
static bool batch_finish(struct producer *producer, struct producer_partition *partition)
{
    const enum batch_codec codec = producer->options.codec;
    if (codec == BATCH_CODEC_NONE) {
        partition->batch = batch_builder_finish(&partition->builder);
        return true;
    }
    const size_t room = compress_bound(codec, partition->builder.used) + BATCH_HEADER_BYTES;
    free(partition->packed);
    partition->packed = malloc(room);
    if (partition->packed == NULL ||
        !batch_builder_finish_compressed(&partition->builder, codec, INT32_MIN, partition->packed,
                                         (uint32_t)room, &partition->batch)) {
        return problem_set(&producer->client->problem, PROBLEM_LOCAL, "%s compression failed",
                           batch_codec_name(codec));
    }
    return true;
}

/* ---- Sending -------------------------------------------------------------------------------- */

static void partition_done(struct producer *producer, struct producer_partition *partition,
                           int64_t base_offset)
{
    const int32_t count = partition->builder.header.record_count;
    if (base_offset >= 0) {
        partition->first_offset =
            partition->first_offset < 0 ? base_offset : partition->first_offset;
        partition->last_offset = base_offset + count - 1;
    }
    partition->sequence = batch_sequence_add(partition->sequence, count);
    partition->record_count += (uint64_t)count;
    producer->sent_records += (uint64_t)count;
    producer->sent_bytes += partition->batch.len;
    partition->batch.len = 0;
    partition->builder.header.record_count = 0;
}

/* Fills in the batches that are ready for this leader. */
static int32_t leader_batches(const struct producer *producer, int32_t leader,
                              struct produce_request_partition *items, uint64_t *bytes)
{
    int32_t count = 0;
    *bytes = 0;
    for (uint32_t i = 0; i < producer->topic.partition_count; i++) {
        const struct producer_partition *partition = &producer->partitions[i];
        if (partition->batch.len > 0 && producer->topic.partitions[i].leader == leader) {
            items[count] = produce_request_partition_default;
            items[count].index = (int32_t)i;
            items[count++].records = chain_of(&partition->batch);
            *bytes += partition->batch.len + 32;
        }
    }
    return count;
}

static bool answer_partition(struct producer *producer,
                             const struct produce_response_partition *answer)
{
    if (answer->index < 0 || (uint32_t)answer->index >= producer->topic.partition_count ||
        producer->partitions[answer->index].batch.len == 0) {
        return true;
    }
    if (answer->error_code == ERROR_NONE || answer->error_code == ERROR_DUPLICATE_SEQUENCE_NUMBER) {
        partition_done(producer, &producer->partitions[answer->index], answer->base_offset);
        return true;
    }
    char message[MESSAGE_BYTES];
    char what[CLIENT_TOPIC_NAME_BYTES + 40];
    client_copy_text(message, sizeof(message), answer->error_message);
    (void)snprintf(what, sizeof(what), "produce to %s partition %d", producer->topic.name,
                   answer->index);
    return problem_kafka(&producer->client->problem, answer->error_code, what, producer->topic.name,
                         message);
}

/* Takes the whole answer, so that what was accepted is not sent again; false when one failed. */
static bool answers_take(struct producer *producer, struct produce_response *response)
{
    bool ok = true;
    struct produce_response_topic topic;
    struct produce_response_partition partition;
    while (produce_response_topic_array_next(&response->responses, &topic)) {
        while (produce_response_partition_array_next(&topic.partition_responses, &partition)) {
            ok = answer_partition(producer, &partition) && ok;
        }
    }
    return ok;
}

static bool leader_receive(struct producer *producer, struct connection *connection,
                           int16_t version)
{
    struct client *client = producer->client;
    struct reader reader;
    struct produce_response response;
    if (!connection_receive(connection, client_deadline_ns(client), &reader, &client->problem)) {
        return false;
    }
    if (produce_response_decode(&reader, version, &response) != CODEC_OK) {
        return connection_bad_answer(connection, &client->problem);
    }
    return answers_take(producer, &response);
}

static bool leader_send(struct producer *producer, int32_t leader,
                        struct produce_request_partition *items)
{
    struct client *client = producer->client;
    uint64_t bytes;
    const int32_t count = leader_batches(producer, leader, items, &bytes);
    if (count == 0) {
        return true;
    }
    struct connection *connection = client_broker(client, leader);
    int16_t version;
    struct writer *writer =
        connection == NULL ? NULL
                           : connection_begin(connection, API_PRODUCE, ROOM_BYTES + (uint32_t)bytes,
                                              &version, &client->problem);
    if (writer == NULL) {
        return false;
    }
    const struct bytes name = {(const uint8_t *)producer->topic.name,
                               (uint32_t)strlen(producer->topic.name)};
    struct produce_request_topic one = produce_request_topic_default;
    one.name = chain_of(&name);
    one.topic_id = producer->topic.id;
    one.partition_data.items = items;
    one.partition_data.count = count;
    struct produce_request request = produce_request_default;
    request.acks = producer->options.acks;
    request.timeout_ms = (int32_t)client->timeout_ms;
    request.topic_data.items = &one;
    request.topic_data.count = 1;
    (void)produce_request_encode(writer, version, &request);
    if (!connection_send(connection, client_deadline_ns(client), &client->problem)) {
        return false;
    }
    if (producer->options.acks != 0) {
        return leader_receive(producer, connection, version);
    }
    connection->next_correlation_id++; /* Nobody answers this one. */
    for (int32_t i = 0; i < count; i++) {
        partition_done(producer, &producer->partitions[items[i].index], -1);
    }
    return true;
}

/* One pass over all leaders. */
static bool send_once(struct producer *producer)
{
    const uint32_t count = producer->topic.partition_count;
    struct produce_request_partition *items = calloc(count + 1u, sizeof(*items));
    if (items == NULL) {
        return problem_set(&producer->client->problem, PROBLEM_LOCAL, "out of memory");
    }
    bool ok = true;
    for (uint32_t i = 0; i < count && ok; i++) {
        if (producer->partitions[i].batch.len > 0) {
            ok = leader_send(producer, producer->topic.partitions[i].leader, items);
        }
    }
    for (uint32_t i = 0; i < count && ok; i++) {
        if (producer->partitions[i].batch.len > 0) {
            ok = problem_kafka(&producer->client->problem, ERROR_LEADER_NOT_AVAILABLE,
                               producer->topic.name, producer->topic.name, "");
        }
    }
    free(items);
    return ok;
}

/* Leaders may have moved: asks again. The topic must be the same one. */
static bool leaders_refresh(struct producer *producer)
{
    struct client_topic fresh;
    if (!client_topic(producer->client, producer->topic.name, CLIENT_TOPIC_LED, &fresh)) {
        return false;
    }
    if (!uuid_equal(fresh.id, producer->topic.id) ||
        fresh.partition_count < producer->topic.partition_count) {
        client_topic_free(&fresh);
        return problem_kafka(&producer->client->problem, ERROR_UNKNOWN_TOPIC_ID,
                             producer->topic.name, producer->topic.name, "");
    }
    fresh.partition_count = producer->topic.partition_count;
    client_topic_free(&producer->topic);
    producer->topic = fresh;
    return true;
}

bool producer_flush(struct producer *producer)
{
    struct client *client = producer->client;
    bool waiting = false;
    for (uint32_t i = 0; i < producer->topic.partition_count; i++) {
        struct producer_partition *partition = &producer->partitions[i];
        if (partition->builder.header.record_count > 0 && partition->batch.len == 0 &&
            !batch_finish(producer, partition)) {
            return false;
        }
        waiting = waiting || partition->batch.len > 0;
    }
    if (!waiting) {
        return true;
    }
    const uint64_t deadline_ns = client_deadline_ns(client);
    /* Sending again is harmless only where sequences tell the copies apart. */
    const bool repeatable = producer->options.idempotent;
    while (!send_once(producer)) {
        if (!client_again(client, repeatable, deadline_ns) || !leaders_refresh(producer)) {
            return false;
        }
    }
    producer->held_bytes = 0;
    sticky_move(producer);
    return true;
}

static bool settle(struct producer *producer, struct connection *connection)
{
    return !connection_is_open(connection) ||
           connection_settle(connection, client_deadline_ns(producer->client),
                             &producer->client->problem);
}

bool producer_finish(struct producer *producer)
{
    struct client *client = producer->client;
    bool ok = producer_flush(producer);
    if (producer->options.acks == 0) {
        ok = ok && settle(producer, &client->first);
        for (uint32_t i = 0; i < client->broker_count && ok; i++) {
            ok = settle(producer, &client->brokers[i].connection);
        }
    }
    return ok;
}
