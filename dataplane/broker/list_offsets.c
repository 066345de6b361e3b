#include "dataplane/broker/list_offsets.h"

#include "dataplane/broker/handlers.h"
#include "dataplane/broker/operation.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/topics.h"

/* Kafka's ListOffsetsRequest.java. */
enum {
    TIMESTAMP_LATEST = -1,
    TIMESTAMP_EARLIEST = -2,
    TIMESTAMP_MAX = -3,
    TIMESTAMP_EARLIEST_LOCAL = -4,
    TIMESTAMP_LATEST_TIERED = -5,
    TIMESTAMP_EARLIEST_PENDING_UPLOAD = -6,
};

/* The version from which a special timestamp is known; 0: never. */
static int16_t version_of_timestamp(int64_t timestamp)
{
    switch (timestamp) {
    case TIMESTAMP_LATEST:
    case TIMESTAMP_EARLIEST: return 1;
    case TIMESTAMP_MAX: return 7;
    case TIMESTAMP_EARLIEST_LOCAL: return 8;
    case TIMESTAMP_LATEST_TIERED: return 9;
    case TIMESTAMP_EARLIEST_PENDING_UPLOAD: return 11;
    default: return timestamp >= 0 ? 1 : INT16_MAX;
    }
}

/* ---- At the owner --------------------------------------------------------------------------- */

static int64_t upper_offset(const struct partition *partition, const struct operation *operation)
{
    if (operation->list.to_log_end) {
        return partition_end(partition);
    }
    return operation->list.read_committed ? partition_last_stable(partition)
                                          : partition_high_watermark(partition);
}

/* The epoch in which the record at offset was written: the least one that ends behind it. */
static int32_t epoch_of_offset(const struct partition *partition, int64_t offset)
{
    const int32_t latest = partition_leader_epoch(partition);
    int32_t low = 0;
    int32_t high = latest;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        int32_t epoch;
        int64_t end;
        partition_epoch_end(partition, middle, &epoch, &end);
        if (end > offset) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void found(struct operation *operation, int64_t offset, int32_t epoch)
{
    operation->list.found_offset = offset;
    operation->list.found_timestamp = -1;
    operation->list.found_epoch = epoch;
}

bool list_offsets_at_once(const struct partition *partition, struct operation *operation)
{
    struct log_query *query = &operation->list.query;
    switch (operation->list.timestamp) {
    case TIMESTAMP_LATEST:
        found(operation, upper_offset(partition, operation), partition_leader_epoch(partition));
        return true;
    case TIMESTAMP_EARLIEST:
    case TIMESTAMP_EARLIEST_LOCAL:
        found(operation, partition_log_start(partition),
              epoch_of_offset(partition, partition_log_start(partition)));
        return true;
    case TIMESTAMP_LATEST_TIERED: /* Nothing is tiered. */
    case TIMESTAMP_EARLIEST_PENDING_UPLOAD: found(operation, -1, -1); return true;
    default: break;
    }
    *query = (struct log_query){
        .kind = operation->list.timestamp == TIMESTAMP_MAX ? LOG_QUERY_MAX_TIMESTAMP
                                                           : LOG_QUERY_TIMESTAMP,
        .timestamp_ms = operation->list.timestamp,
        .upper_offset = upper_offset(partition, operation),
        .offset = -1,
        .leader_epoch = -1,
    };
    return false;
}

void list_offsets_found(struct operation *operation)
{
    const struct log_query *query = &operation->list.query;
    found(operation, query->offset, query->offset < 0 ? -1 : query->leader_epoch);
    operation->list.found_timestamp = query->offset < 0 ? -1 : query->timestamp_ms;
}

/* ---- ListOffsets at home -------------------------------------------------------------------- */

/* How many of the next operations answer, and what comes behind them. */
static int32_t answers_of(const struct operation **operation, int32_t count)
{
    int32_t answers = 0;
    for (int32_t i = 0; i < count; i++) {
        answers += !(*operation)->list.repeated;
        *operation = (*operation)->next;
    }
    return answers;
}

/* Topics of which nothing is asked, or nothing for the first time, are not answered. */
static int32_t topics_answered(const struct request *request)
{
    struct list_offsets_request_topic_array topics = request->body_of.list_offsets.topics;
    struct list_offsets_request_topic topic;
    const struct operation *operation = request->operations;
    int32_t count = 0;
    while (list_offsets_request_topic_array_next(&topics, &topic)) {
        count += answers_of(&operation, topic.partitions.count) > 0;
    }
    return count;
}

static void build_partition(struct writer *writer, int16_t version, int32_t index,
                            const struct operation *operation)
{
    struct list_offsets_response_partition answer = list_offsets_response_partition_default;
    answer.partition_index = index;
    answer.error_code = operation->error;
    if (operation->error == ERROR_NONE) {
        answer.offset = operation->list.found_offset;
        answer.timestamp = operation->list.found_timestamp;
        answer.leader_epoch = version >= 4 ? operation->list.found_epoch : -1;
    }
    list_offsets_response_partition_encode(writer, version, &answer);
}

static void list_offsets_build(struct broker *broker, struct request *request,
                               struct writer *writer)
{
    (void)broker;
    const int16_t version = request->version;
    const struct list_offsets_response response = list_offsets_response_default;
    struct list_offsets_request_topic_array topics = request->body_of.list_offsets.topics;
    struct list_offsets_request_topic topic;
    const struct operation *operation = request->operations;
    list_offsets_response_encode_begin(writer, version, &response, topics_answered(request));
    while (list_offsets_request_topic_array_next(&topics, &topic)) {
        struct list_offsets_response_topic out = list_offsets_response_topic_default;
        struct list_offsets_request_partition partition;
        const struct operation *behind = operation;
        const int32_t answers = answers_of(&behind, topic.partitions.count);
        out.name = topic.name;
        if (answers > 0) {
            list_offsets_response_topic_encode_begin(writer, version, &out, answers);
        }
        while (list_offsets_request_partition_array_next(&topic.partitions, &partition)) {
            if (!operation->list.repeated) {
                build_partition(writer, version, partition.partition_index, operation);
            }
            operation = operation->next;
        }
        if (answers > 0) {
            list_offsets_response_topic_encode_end(writer, version, &out);
        }
    }
    list_offsets_response_encode_end(writer, version, &response);
}

static void list_offsets_back(struct broker *broker, struct request *request)
{
    (void)broker;
    request_done(request, list_offsets_build);
}

/* Every partition that is named more than once gets one INVALID_REQUEST, as Kafka does. */
static void refuse_duplicates(struct broker *broker, struct request *request, uint32_t count)
{
    uint32_t mask = 15;
    while (mask < count * 2) {
        mask = mask * 2 + 1;
    }
    struct operation **table =
        scratch_take(&broker->scratch, (size_t)(mask + 1) * sizeof(struct operation *));
    if (table == NULL) {
        return;
    }
    memset(table, 0, (size_t)(mask + 1) * sizeof(struct operation *));
    for (struct operation *operation = request->operations; operation != NULL;
         operation = operation->next) {
        const struct partition_id *id = &operation->mail.partition;
        uint64_t half;
        memcpy(&half, id->topic_id.bytes, sizeof(half));
        uint32_t at = (uint32_t)hash_mix(half + id->index) & mask;
        while (table[at] != NULL &&
               (table[at]->mail.partition.index != id->index ||
                !uuid_equal(table[at]->mail.partition.topic_id, id->topic_id))) {
            at = (at + 1) & mask;
        }
        if (uuid_is_zero(id->topic_id)) {
            continue;
        }
        if (table[at] == NULL) {
            table[at] = operation;
            continue;
        }
        operation_refuse(table[at], ERROR_INVALID_REQUEST, NULL);
        operation_refuse(operation, ERROR_INVALID_REQUEST, NULL);
        operation->list.repeated = true;
    }
}

static bool list_offsets_add(struct broker *broker, struct request *request,
                             const struct snapshot_topic *topic,
                             const struct list_offsets_request_partition *partition)
{
    struct operation *operation = operation_add(request, OPERATION_LIST_OFFSETS);
    int16_t error;
    if (operation == NULL) {
        return false;
    }
    (void)broker;
    operation->list.timestamp = partition->timestamp;
    operation->list.repeated = false;
    operation->list.read_committed = request->body_of.list_offsets.isolation_level == 1;
    operation->list.to_log_end = request->body_of.list_offsets.replica_id != -1;
    operation->mail.leader_epoch = partition->current_leader_epoch;
    if (topic_partition(topic, partition->partition_index, &operation->mail.partition, &error) ==
        NULL) {
        operation_refuse(operation, error, NULL);
    } else if (partition->current_leader_epoch < -1) { /* Only -1 says that none is known. */
        operation_refuse(operation, ERROR_FENCED_LEADER_EPOCH, NULL);
    } else if (request->version < version_of_timestamp(partition->timestamp)) {
        operation_refuse(operation, ERROR_UNSUPPORTED_VERSION, NULL);
    }
    return true;
}

bool list_offsets_start(struct broker *broker, struct request *request)
{
    struct list_offsets_request *body = &request->body_of.list_offsets;
    struct reader reader;
    reader_init(&reader, request->body);
    if (list_offsets_request_decode(&reader, request->version, body) != CODEC_OK) {
        return false;
    }
    struct list_offsets_request_topic_array topics = body->topics;
    struct list_offsets_request_topic topic;
    uint32_t count = 0;
    while (list_offsets_request_topic_array_next(&topics, &topic)) {
        const struct snapshot_topic *known = topic_of_name(broker, topic.name);
        struct list_offsets_request_partition partition;
        while (list_offsets_request_partition_array_next(&topic.partitions, &partition)) {
            count++;
            if (!list_offsets_add(broker, request, known, &partition)) {
                return false;
            }
        }
    }
    refuse_duplicates(broker, request, count);
    operations_submit(request, list_offsets_back);
    return true;
}

/* ---- OffsetForLeaderEpoch ------------------------------------------------------------------- */

static void epoch_end_build(struct broker *broker, struct request *request, struct writer *writer)
{
    (void)broker;
    const int16_t version = request->version;
    const struct offset_for_leader_epoch_response response =
        offset_for_leader_epoch_response_default;
    struct offset_for_leader_epoch_request_topic_array topics = request->body_of.epochs.topics;
    struct offset_for_leader_epoch_request_topic topic;
    const struct operation *operation = request->operations;
    offset_for_leader_epoch_response_encode_begin(writer, version, &response, topics.count);
    while (offset_for_leader_epoch_request_topic_array_next(&topics, &topic)) {
        struct offset_for_leader_epoch_response_topic out =
            offset_for_leader_epoch_response_topic_default;
        struct offset_for_leader_epoch_request_partition partition;
        out.topic = topic.topic;
        offset_for_leader_epoch_response_topic_encode_begin(writer, version, &out,
                                                            topic.partitions.count);
        while (
            offset_for_leader_epoch_request_partition_array_next(&topic.partitions, &partition)) {
            struct offset_for_leader_epoch_response_partition answer =
                offset_for_leader_epoch_response_partition_default;
            answer.partition = partition.partition;
            answer.error_code = operation->error;
            if (operation->error == ERROR_NONE) {
                answer.leader_epoch = operation->epoch_end.epoch;
                answer.end_offset = operation->epoch_end.end_offset;
            }
            offset_for_leader_epoch_response_partition_encode(writer, version, &answer);
            operation = operation->next;
        }
        offset_for_leader_epoch_response_topic_encode_end(writer, version, &out);
    }
    offset_for_leader_epoch_response_encode_end(writer, version, &response);
}

static void epoch_end_back(struct broker *broker, struct request *request)
{
    (void)broker;
    request_done(request, epoch_end_build);
}

bool epoch_end_start(struct broker *broker, struct request *request)
{
    struct offset_for_leader_epoch_request *body = &request->body_of.epochs;
    struct reader reader;
    reader_init(&reader, request->body);
    if (offset_for_leader_epoch_request_decode(&reader, request->version, body) != CODEC_OK) {
        return false;
    }
    struct offset_for_leader_epoch_request_topic_array topics = body->topics;
    struct offset_for_leader_epoch_request_topic topic;
    while (offset_for_leader_epoch_request_topic_array_next(&topics, &topic)) {
        const struct snapshot_topic *known = topic_of_name(broker, topic.topic);
        struct offset_for_leader_epoch_request_partition partition;
        while (
            offset_for_leader_epoch_request_partition_array_next(&topic.partitions, &partition)) {
            struct operation *operation = operation_add(request, OPERATION_EPOCH_END);
            int16_t error;
            if (operation == NULL) {
                return false;
            }
            operation->mail.leader_epoch = partition.current_leader_epoch;
            operation->epoch_end.requested = partition.leader_epoch;
            if (topic_partition(known, partition.partition, &operation->mail.partition, &error) ==
                NULL) {
                operation_refuse(operation, error, NULL);
            } else if (partition.current_leader_epoch < -1) {
                operation_refuse(operation, ERROR_FENCED_LEADER_EPOCH, NULL);
            }
        }
    }
    operations_submit(request, epoch_end_back);
    return true;
}
