/* DescribeProducers (KIP-664): what partitions remember of idempotent producers. */
#include "dataplane/broker/handlers.h"
#include "dataplane/broker/operation.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/topics.h"

static void encode_producers(struct writer *writer, const struct operation *operation)
{
    for (uint32_t i = 0; i < operation->producers.count; i++) {
        const struct partition_producer *producer = &operation->producers.to[i];
        const struct describe_producers_response_producer out = {
            .producer_id = producer->producer_id,
            .producer_epoch = producer->producer_epoch,
            .last_sequence = producer->last_sequence,
            .last_timestamp = producer->last_timestamp_ms,
            .coordinator_epoch = producer->coordinator_epoch,
            .current_txn_start_offset = producer->current_txn_start_offset,
        };
        describe_producers_response_producer_encode(writer, 0, &out);
    }
}

static void producers_build(struct broker *broker, struct request *request, struct writer *writer)
{
    (void)broker;
    const struct describe_producers_response response = describe_producers_response_default;
    struct describe_producers_request_topic_array topics =
        request->body_of.describe_producers.topics;
    struct describe_producers_request_topic topic;
    const struct operation *operation = request->operations;
    describe_producers_response_encode_begin(writer, 0, &response, topics.count);
    while (describe_producers_request_topic_array_next(&topics, &topic)) {
        struct describe_producers_response_topic out = describe_producers_response_topic_default;
        int32_t index;
        out.name = topic.name;
        describe_producers_response_topic_encode_begin(writer, 0, &out,
                                                       topic.partition_indexes.count);
        while (i32_array_next(&topic.partition_indexes, &index)) {
            struct describe_producers_response_partition answer =
                describe_producers_response_partition_default;
            const bool good = operation->error == ERROR_NONE;
            answer.partition_index = index;
            answer.error_code = operation->error;
            struct bytes message;
            if (operation->message != NULL) {
                message = (struct bytes){(const uint8_t *)operation->message,
                                         (uint32_t)strlen(operation->message)};
                answer.error_message = chain_of(&message);
            }
            describe_producers_response_partition_encode_begin(
                writer, 0, &answer, good ? (int32_t)operation->producers.count : 0);
            if (good) {
                encode_producers(writer, operation);
            }
            describe_producers_response_partition_encode_end(writer, 0, &answer);
            operation = operation->next;
        }
        describe_producers_response_topic_encode_end(writer, 0, &out);
    }
    describe_producers_response_encode_end(writer, 0, &response);
}

static void producers_release(struct broker *broker, struct operation *operation)
{
    if (operation->producers.to != NULL) {
        region_give(&broker->output, (const uint8_t *)operation->producers.to,
                    operation->producers.capacity * (uint32_t)sizeof(struct partition_producer));
        operation->producers.to = NULL;
    }
}

/* Memory for that many producers; false when there is none. Half of it stays for answers: what is
 * held here until its own answer is built could else wait for itself. */
static bool producers_reserve(struct broker *broker, struct operation *operation, uint32_t count)
{
    const uint64_t bytes = (uint64_t)count * sizeof(struct partition_producer);
    const struct region *output = &broker->output;
    producers_release(broker, operation);
    if ((uint64_t)output->units_left * output->unit_bytes <
        bytes + broker->limits.output_bytes / 2) {
        return false;
    }
    operation->producers.capacity = count;
    operation->producers.to =
        (struct partition_producer *)(void *)region_take(&broker->output, (uint32_t)bytes);
    return operation->producers.to != NULL;
}

/* Partitions with more producers than there was room for are asked again, with room. */
static void producers_back(struct broker *broker, struct request *request)
{
    request->pending++;
    for (struct operation *operation = request->operations; operation != NULL;
         operation = operation->next) {
        if (operation->kind != OPERATION_PRODUCERS || operation->error != ERROR_NONE ||
            operation->producers.count <= operation->producers.capacity) {
            continue;
        }
        if (producers_reserve(broker, operation,
                              operation->producers.count + PRODUCERS_FIRST_ASK)) {
            operation_submit(broker, operation);
        } else {
            operation_refuse(operation, ERROR_UNKNOWN_SERVER_ERROR, "too many producers to list");
        }
    }
    if (request_returned(request)) {
        request_done(request, producers_build);
    }
}

static bool producers_add(struct broker *broker, struct request *request,
                          const struct snapshot_topic *topic, int16_t topic_error, int32_t index)
{
    struct operation *operation = operation_add(request, OPERATION_PRODUCERS);
    int16_t error = topic_error;
    if (operation == NULL) {
        return false;
    }
    memset(&operation->producers, 0, sizeof(operation->producers));
    if (topic_error != ERROR_NONE ||
        topic_partition(topic, index, &operation->mail.partition, &error) == NULL) {
        operation_refuse(operation, error,
                         topic_error != ERROR_NONE ? "no topic can have this name"
                         : topic == NULL           ? "there is no such topic"
                                                   : NULL);
    } else if (!producers_reserve(broker, operation, PRODUCERS_FIRST_ASK)) {
        operation_refuse(operation, ERROR_UNKNOWN_SERVER_ERROR, NULL);
    }
    return true;
}

bool describe_producers_start(struct broker *broker, struct request *request)
{
    struct describe_producers_request *body = &request->body_of.describe_producers;
    struct reader reader;
    reader_init(&reader, request->body);
    if (describe_producers_request_decode(&reader, request->version, body) != CODEC_OK) {
        return false;
    }
    struct describe_producers_request_topic_array topics = body->topics;
    struct describe_producers_request_topic topic;
    while (describe_producers_request_topic_array_next(&topics, &topic)) {
        uint8_t scratch[TOPIC_NAME_BYTES_MAX];
        const struct snapshot_topic *known = topic_of_name(broker, topic.name);
        const bool valid = topic.name.len <= sizeof(scratch) &&
                           topic_name_check(chain_flat(topic.name, scratch)) == TOPIC_NAME_OK;
        int32_t index;
        while (i32_array_next(&topic.partition_indexes, &index)) {
            if (!producers_add(broker, request, known,
                               valid ? ERROR_NONE : ERROR_INVALID_TOPIC_EXCEPTION, index)) {
                return false;
            }
        }
    }
    operations_submit(request, producers_back);
    return true;
}
