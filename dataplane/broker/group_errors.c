/* Answers about groups when the coordinator cannot give them (slow_errors.h). */
#include "dataplane/broker/slow_errors.h"

#define DECODE(name, request, body)                                        \
    struct reader reader;                                                  \
    reader_init(&reader, (request)->body);                                 \
    if (name##_decode(&reader, (request)->version, &(body)) != CODEC_OK) { \
        writer_fail(writer, CODEC_INVALID);                                \
        return;                                                            \
    }

void find_coordinator_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    struct find_coordinator_response response = find_coordinator_response_default;
    struct find_coordinator_request body;
    DECODE(find_coordinator_request, request, body)
    const char *text = error_text(error);
    const struct bytes piece = bytes_of_string(text);
    if (version < 4) {
        response.error_code = error;
        response.error_message = chain_of(&piece);
        response.node_id = -1;
        response.port = -1;
    }
    find_coordinator_response_encode_begin(writer, version, &response,
                                           version >= 4 ? body.coordinator_keys.count : 0);
    struct find_coordinator_response_coordinator out =
        find_coordinator_response_coordinator_default;
    out.node_id = -1;
    out.port = -1;
    out.error_code = error;
    out.error_message = CHAIN_EMPTY;
    while (version >= 4 && string_array_next(&body.coordinator_keys, &out.key)) {
        find_coordinator_response_coordinator_encode(writer, version, &out);
    }
    find_coordinator_response_encode_end(writer, version, &response);
}

/* APIs that name one group, and whose answer has one error. */
#define ERROR_OF_WHOLE(name)                                                         \
    void name##_error(struct request *request, int16_t error, struct writer *writer) \
    {                                                                                \
        struct name##_response response = name##_response_default;                   \
        struct name##_request body;                                                  \
        DECODE(name##_request, request, body)                                        \
        response.error_code = error;                                                 \
        (void)name##_response_encode(writer, request->version, &response);           \
    }

ERROR_OF_WHOLE(sync_group)
ERROR_OF_WHOLE(heartbeat)
ERROR_OF_WHOLE(leave_group)
ERROR_OF_WHOLE(list_groups)
ERROR_OF_WHOLE(offset_delete)

void join_group_error(struct request *request, int16_t error, struct writer *writer)
{
    struct join_group_response response = join_group_response_default;
    struct join_group_request body;
    DECODE(join_group_request, request, body)
    response.error_code = error;
    response.member_id = body.member_id;
    response.protocol_name = request->version >= 7 ? CHAIN_NULL : CHAIN_EMPTY;
    (void)join_group_response_encode(writer, request->version, &response);
}

void offset_commit_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    const struct offset_commit_response response = offset_commit_response_default;
    struct offset_commit_request body;
    struct offset_commit_request_topic topic;
    DECODE(offset_commit_request, request, body)
    offset_commit_response_encode_begin(writer, version, &response, body.topics.count);
    while (offset_commit_request_topic_array_next(&body.topics, &topic)) {
        struct offset_commit_request_partition partition;
        struct offset_commit_response_topic out = offset_commit_response_topic_default;
        out.name = topic.name;
        out.topic_id = topic.topic_id;
        offset_commit_response_topic_encode_begin(writer, version, &out, topic.partitions.count);
        while (offset_commit_request_partition_array_next(&topic.partitions, &partition)) {
            const struct offset_commit_response_partition item = {
                .partition_index = partition.partition_index, .error_code = error};
            offset_commit_response_partition_encode(writer, version, &item);
        }
        offset_commit_response_topic_encode_end(writer, version, &out);
    }
    offset_commit_response_encode_end(writer, version, &response);
}

/* Version 1 has no place for the error but each partition. Its answer, field by field. */
static void fetch_1_error(struct offset_fetch_request *body, int16_t error, struct writer *writer)
{
    struct offset_fetch_request_topic topic;
    int32_t partition;
    writer_count(writer, false, false, body->topics.count);
    while (offset_fetch_request_topic_array_next(&body->topics, &topic)) {
        writer_string(writer, false, false, topic.name);
        writer_count(writer, false, false, topic.partition_indexes.count);
        while (i32_array_next(&topic.partition_indexes, &partition)) {
            writer_i32(writer, partition);
            writer_i64(writer, -1);
            writer_string(writer, false, false, CHAIN_EMPTY);
            writer_error_code(writer, error);
        }
    }
}

void offset_fetch_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    struct offset_fetch_response response = offset_fetch_response_default;
    struct offset_fetch_request body;
    struct offset_fetch_request_group group;
    DECODE(offset_fetch_request, request, body)
    if (version == 1) {
        fetch_1_error(&body, error, writer);
        return;
    }
    response.error_code = error;
    offset_fetch_response_encode_begin(writer, version, &response,
                                       version >= 8 ? body.groups.count : 0);
    while (version >= 8 && offset_fetch_request_group_array_next(&body.groups, &group)) {
        struct offset_fetch_response_group out = offset_fetch_response_group_default;
        out.group_id = group.group_id;
        out.error_code = error;
        offset_fetch_response_group_encode(writer, version, &out);
    }
    offset_fetch_response_encode_end(writer, version, &response);
}

void describe_groups_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    const struct describe_groups_response response = describe_groups_response_default;
    struct describe_groups_request body;
    struct describe_groups_response_group out = describe_groups_response_group_default;
    DECODE(describe_groups_request, request, body)
    out.error_code = error;
    describe_groups_response_encode_begin(writer, version, &response, body.groups.count);
    while (string_array_next(&body.groups, &out.group_id)) {
        describe_groups_response_group_encode(writer, version, &out);
    }
    describe_groups_response_encode_end(writer, version, &response);
}

void delete_groups_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    const struct delete_groups_response response = delete_groups_response_default;
    struct delete_groups_request body;
    struct delete_groups_response_result out = delete_groups_response_result_default;
    DECODE(delete_groups_request, request, body)
    out.error_code = error;
    delete_groups_response_encode_begin(writer, version, &response, body.groups_names.count);
    while (string_array_next(&body.groups_names, &out.group_id)) {
        delete_groups_response_result_encode(writer, version, &out);
    }
    delete_groups_response_encode_end(writer, version, &response);
}

void consumer_heartbeat_error(struct request *request, int16_t error, struct writer *writer)
{
    struct consumer_group_heartbeat_response response = consumer_group_heartbeat_response_default;
    struct consumer_group_heartbeat_request body;
    DECODE(consumer_group_heartbeat_request, request, body)
    response.error_code = error;
    (void)consumer_group_heartbeat_response_encode(writer, request->version, &response);
}

void consumer_describe_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    const struct consumer_group_describe_response response =
        consumer_group_describe_response_default;
    struct consumer_group_describe_request body;
    struct consumer_group_describe_response_group out =
        consumer_group_describe_response_group_default;
    DECODE(consumer_group_describe_request, request, body)
    out.error_code = error;
    consumer_group_describe_response_encode_begin(writer, version, &response, body.group_ids.count);
    while (string_array_next(&body.group_ids, &out.group_id)) {
        consumer_group_describe_response_group_encode(writer, version, &out);
    }
    consumer_group_describe_response_encode_end(writer, version, &response);
}
