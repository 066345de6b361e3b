/* Answers about transactions when the coordinator cannot give them (slow_errors.h). */
#include "dataplane/broker/slow_errors.h"

#define DECODE(name, request, body)                                        \
    struct reader reader;                                                  \
    reader_init(&reader, (request)->body);                                 \
    if (name##_decode(&reader, (request)->version, &(body)) != CODEC_OK) { \
        writer_fail(writer, CODEC_INVALID);                                \
        return;                                                            \
    }

/* APIs whose answer has one error. */
#define ERROR_OF_WHOLE(name)                                                         \
    void name##_error(struct request *request, int16_t error, struct writer *writer) \
    {                                                                                \
        struct name##_response response = name##_response_default;                   \
        struct name##_request body;                                                  \
        DECODE(name##_request, request, body)                                        \
        response.error_code = error;                                                 \
        (void)name##_response_encode(writer, request->version, &response);           \
    }

ERROR_OF_WHOLE(add_offsets_to_txn)
ERROR_OF_WHOLE(end_txn)
ERROR_OF_WHOLE(list_transactions)

void init_producer_id_error(struct request *request, int16_t error, struct writer *writer)
{
    struct init_producer_id_response response = init_producer_id_response_default;
    struct init_producer_id_request body;
    DECODE(init_producer_id_request, request, body)
    response.error_code = error;
    response.producer_epoch = -1;
    (void)init_producer_id_response_encode(writer, request->version, &response);
}

/* Arrays of the answer in the request's scratch; false: no room, and no answer. */
#define TAKE(items, count)                                                                 \
    (items) = scratch_take(&request->broker->scratch, (size_t)(count) * sizeof(*(items))); \
    if ((items) == NULL) {                                                                 \
        writer_fail(writer, CODEC_INVALID);                                                \
        return;                                                                            \
    }

void add_partitions_to_txn_error(struct request *request, int16_t error, struct writer *writer)
{
    struct add_partitions_to_txn_response response = add_partitions_to_txn_response_default;
    struct add_partitions_to_txn_request body;
    DECODE(add_partitions_to_txn_request, request, body)
    response.error_code = error;
    struct add_partitions_to_txn_request_topic_array topics = body.v3_and_below_topics;
    struct add_partitions_to_txn_request_topic topic;
    struct add_partitions_to_txn_response_topic *out = NULL;
    int32_t count = 0;
    if (request->version < 4) {
        TAKE(out, topics.count)
        while (add_partitions_to_txn_request_topic_array_next(&topics, &topic)) {
            struct add_partitions_to_txn_response_partition *partitions;
            int32_t partition_count = 0;
            int32_t partition;
            TAKE(partitions, topic.partitions.count)
            while (i32_array_next(&topic.partitions, &partition)) {
                partitions[partition_count++] =
                    (struct add_partitions_to_txn_response_partition){partition, error};
            }
            out[count++] = (struct add_partitions_to_txn_response_topic){
                topic.name, {.items = partitions, .count = partition_count}};
        }
    }
    response.results_by_topic_v3_and_below.items = out;
    response.results_by_topic_v3_and_below.count = count;
    (void)add_partitions_to_txn_response_encode(writer, request->version, &response);
}

/* One marker's answer; false: no room. */
static bool marker_error(struct request *request, int16_t error,
                         const struct write_txn_markers_request_marker *marker,
                         struct write_txn_markers_response_marker *answer)
{
    struct scratch *scratch = &request->broker->scratch;
    struct write_txn_markers_request_topic_array topics = marker->topics;
    struct write_txn_markers_request_topic topic;
    struct write_txn_markers_response_topic *out =
        scratch_take(scratch, (size_t)topics.count * sizeof(*out));
    *answer = write_txn_markers_response_marker_default;
    answer->producer_id = marker->producer_id;
    answer->topics.items = out;
    while (out != NULL && write_txn_markers_request_topic_array_next(&topics, &topic)) {
        struct write_txn_markers_response_partition *partitions =
            scratch_take(scratch, (size_t)topic.partition_indexes.count * sizeof(*partitions));
        int32_t count = 0;
        int32_t index;
        if (partitions == NULL) {
            return false;
        }
        while (i32_array_next(&topic.partition_indexes, &index)) {
            partitions[count++] = (struct write_txn_markers_response_partition){index, error};
        }
        out[answer->topics.count++] = (struct write_txn_markers_response_topic){
            topic.name, {.items = partitions, .count = count}};
    }
    return out != NULL;
}

void write_txn_markers_error(struct request *request, int16_t error, struct writer *writer)
{
    struct write_txn_markers_response response = write_txn_markers_response_default;
    struct write_txn_markers_request body;
    DECODE(write_txn_markers_request, request, body)
    struct write_txn_markers_request_marker marker;
    struct write_txn_markers_response_marker *out;
    int32_t count = 0;
    TAKE(out, body.markers.count)
    while (write_txn_markers_request_marker_array_next(&body.markers, &marker)) {
        if (!marker_error(request, error, &marker, &out[count++])) {
            writer_fail(writer, CODEC_INVALID);
            return;
        }
    }
    response.markers.items = out;
    response.markers.count = count;
    (void)write_txn_markers_response_encode(writer, request->version, &response);
}

static int32_t partition_count_of(const struct snapshot *snapshot, struct chain name)
{
    uint8_t flat[TOPIC_NAME_BYTES_MAX];
    const struct snapshot_topic *topic =
        name.len > sizeof(flat) ? NULL : snapshot_topic_by_name(snapshot, chain_flat(name, flat));
    return topic == NULL ? 0 : (int32_t)topic->partition_count;
}

/* What is not there has its own error, whatever a coordinator says of the rest. */
void txn_offset_commit_error(struct request *request, int16_t error, struct writer *writer)
{
    struct txn_offset_commit_response response = txn_offset_commit_response_default;
    struct txn_offset_commit_request body;
    DECODE(txn_offset_commit_request, request, body)
    struct txn_offset_commit_request_topic topic;
    struct txn_offset_commit_response_topic *out;
    int32_t count = 0;
    TAKE(out, body.topics.count)
    while (txn_offset_commit_request_topic_array_next(&body.topics, &topic)) {
        struct txn_offset_commit_request_partition partition;
        struct txn_offset_commit_response_partition *partitions;
        const int32_t known_count = partition_count_of(request->broker->snapshot, topic.name);
        int32_t partition_count = 0;
        TAKE(partitions, topic.partitions.count)
        while (txn_offset_commit_request_partition_array_next(&topic.partitions, &partition)) {
            const int32_t index = partition.partition_index;
            partitions[partition_count++] = (struct txn_offset_commit_response_partition){
                index, index >= 0 && index < known_count
                           ? error
                           : (int16_t)ERROR_UNKNOWN_TOPIC_OR_PARTITION};
        }
        out[count++] = (struct txn_offset_commit_response_topic){
            topic.name, {.items = partitions, .count = partition_count}};
    }
    response.topics.items = out;
    response.topics.count = count;
    (void)txn_offset_commit_response_encode(writer, request->version, &response);
}

void describe_transactions_error(struct request *request, int16_t error, struct writer *writer)
{
    struct describe_transactions_response response = describe_transactions_response_default;
    struct describe_transactions_request body;
    DECODE(describe_transactions_request, request, body)
    struct describe_transactions_response_transaction *out;
    struct chain id;
    int32_t count = 0;
    TAKE(out, body.transactional_ids.count)
    while (string_array_next(&body.transactional_ids, &id)) {
        out[count] = describe_transactions_response_transaction_default;
        out[count].transactional_id = id;
        out[count++].error_code = error;
    }
    response.transaction_states.items = out;
    response.transaction_states.count = count;
    (void)describe_transactions_response_encode(writer, request->version, &response);
}
