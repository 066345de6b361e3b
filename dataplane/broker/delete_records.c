/* DeleteRecords (B34): moves the log start of partitions. */
#include "dataplane/broker/handlers.h"
#include "dataplane/broker/operation.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/topics.h"

static void delete_records_build(struct broker *broker, struct request *request,
                                 struct writer *writer)
{
    (void)broker;
    const int16_t version = request->version;
    const struct delete_records_response response = delete_records_response_default;
    struct delete_records_request_topic_array topics = request->body_of.delete_records.topics;
    struct delete_records_request_topic topic;
    const struct operation *operation = request->operations;
    delete_records_response_encode_begin(writer, version, &response, topics.count);
    while (delete_records_request_topic_array_next(&topics, &topic)) {
        struct delete_records_response_topic out = delete_records_response_topic_default;
        struct delete_records_request_partition partition;
        out.name = topic.name;
        delete_records_response_topic_encode_begin(writer, version, &out, topic.partitions.count);
        while (delete_records_request_partition_array_next(&topic.partitions, &partition)) {
            struct delete_records_response_partition answer =
                delete_records_response_partition_default;
            answer.partition_index = partition.partition_index;
            answer.error_code = operation->error;
            answer.low_watermark =
                operation->error == ERROR_NONE ? operation->delete_records.offset : -1;
            delete_records_response_partition_encode(writer, version, &answer);
            operation = operation->next;
        }
        delete_records_response_topic_encode_end(writer, version, &out);
    }
    delete_records_response_encode_end(writer, version, &response);
}

static void delete_records_back(struct broker *broker, struct request *request)
{
    (void)broker;
    request_done(request, delete_records_build);
}

/* What is wrong before the log is asked. */
static int16_t delete_error(const struct snapshot_topic *topic, int64_t offset)
{
    if (topic->internal) {
        return ERROR_INVALID_TOPIC_EXCEPTION;
    }
    if (topic->config.cleanup_compact && !topic->config.cleanup_delete) {
        return ERROR_POLICY_VIOLATION;
    }
    return offset < -1 ? ERROR_OFFSET_OUT_OF_RANGE : ERROR_NONE;
}

static bool delete_records_add(struct request *request, const struct snapshot_topic *topic,
                               const struct delete_records_request_partition *partition)
{
    struct operation *operation = operation_add(request, OPERATION_DELETE_RECORDS);
    int16_t error;
    if (operation == NULL) {
        return false;
    }
    operation->delete_records = (struct log_operation){.offset = partition->offset};
    if (topic_partition(topic, partition->partition_index, &operation->mail.partition, &error) ==
        NULL) {
        operation_refuse(operation, error, NULL);
        return true;
    }
    error = delete_error(topic, partition->offset);
    if (error != ERROR_NONE) {
        operation_refuse(operation, error, NULL);
    }
    return true;
}

bool delete_records_start(struct broker *broker, struct request *request)
{
    struct delete_records_request *body = &request->body_of.delete_records;
    struct reader reader;
    reader_init(&reader, request->body);
    if (delete_records_request_decode(&reader, request->version, body) != CODEC_OK) {
        return false;
    }
    struct delete_records_request_topic_array topics = body->topics;
    struct delete_records_request_topic topic;
    while (delete_records_request_topic_array_next(&topics, &topic)) {
        const struct snapshot_topic *known = topic_of_name(broker, topic.name);
        struct delete_records_request_partition partition;
        while (delete_records_request_partition_array_next(&topic.partitions, &partition)) {
            if (!delete_records_add(request, known, &partition)) {
                return false;
            }
        }
    }
    operations_submit(request, delete_records_back);
    return true;
}
