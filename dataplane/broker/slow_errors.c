#include "dataplane/broker/slow_errors.h"

/* The request was never read here; when it does not parse, the answer cannot name anything. */
#define DECODE(name, request, body)                                        \
    struct reader reader;                                                  \
    reader_init(&reader, (request)->body);                                 \
    if (name##_decode(&reader, (request)->version, &(body)) != CODEC_OK) { \
        writer_fail(writer, CODEC_INVALID);                                \
        return;                                                            \
    }

/* What the error means, as a chain over *piece. */
static struct chain message_of(int16_t error, struct bytes *piece)
{
    const char *text = error_text(error);
    *piece = bytes_of_string(text);
    return chain_of(piece);
}

void create_topics_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    const struct create_topics_response response = create_topics_response_default;
    struct create_topics_request body;
    struct create_topics_request_topic topic;
    struct bytes piece;
    DECODE(create_topics_request, request, body)
    create_topics_response_encode_begin(writer, version, &response, body.topics.count);
    while (create_topics_request_topic_array_next(&body.topics, &topic)) {
        struct create_topics_response_topic out = create_topics_response_topic_default;
        out.name = topic.name;
        out.error_code = error;
        out.error_message = message_of(error, &piece);
        create_topics_response_topic_encode(writer, version, &out);
    }
    create_topics_response_encode_end(writer, version, &response);
}

void delete_topics_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    const bool by_struct = version >= 6;
    const struct delete_topics_response response = delete_topics_response_default;
    struct delete_topics_request body;
    struct delete_topics_request_topic topic;
    struct delete_topics_response_topic out = delete_topics_response_topic_default;
    struct bytes piece;
    DECODE(delete_topics_request, request, body)
    out.error_code = error;
    out.error_message = message_of(error, &piece);
    delete_topics_response_encode_begin(writer, version, &response,
                                        by_struct ? body.topics.count : body.topic_names.count);
    while (by_struct && delete_topics_request_topic_array_next(&body.topics, &topic)) {
        out.name = topic.name;
        out.topic_id = topic.topic_id;
        delete_topics_response_topic_encode(writer, version, &out);
    }
    while (!by_struct && string_array_next(&body.topic_names, &out.name)) {
        delete_topics_response_topic_encode(writer, version, &out);
    }
    delete_topics_response_encode_end(writer, version, &response);
}

void create_partitions_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    const struct create_partitions_response response = create_partitions_response_default;
    struct create_partitions_request body;
    struct create_partitions_request_topic topic;
    struct bytes piece;
    DECODE(create_partitions_request, request, body)
    create_partitions_response_encode_begin(writer, version, &response, body.topics.count);
    while (create_partitions_request_topic_array_next(&body.topics, &topic)) {
        struct create_partitions_response_topic out = create_partitions_response_topic_default;
        out.name = topic.name;
        out.error_code = error;
        out.error_message = message_of(error, &piece);
        create_partitions_response_topic_encode(writer, version, &out);
    }
    create_partitions_response_encode_end(writer, version, &response);
}

void describe_configs_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    const struct describe_configs_response response = describe_configs_response_default;
    struct describe_configs_request body;
    struct describe_configs_request_resource resource;
    struct bytes piece;
    DECODE(describe_configs_request, request, body)
    describe_configs_response_encode_begin(writer, version, &response, body.resources.count);
    while (describe_configs_request_resource_array_next(&body.resources, &resource)) {
        struct describe_configs_response_result out = describe_configs_response_result_default;
        out.error_code = error;
        out.error_message = message_of(error, &piece);
        out.resource_type = resource.resource_type;
        out.resource_name = resource.resource_name;
        describe_configs_response_result_encode(writer, version, &out);
    }
    describe_configs_response_encode_end(writer, version, &response);
}

void alter_configs_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    const struct alter_configs_response response = alter_configs_response_default;
    struct alter_configs_request body;
    struct alter_configs_request_resource resource;
    struct bytes piece;
    DECODE(alter_configs_request, request, body)
    alter_configs_response_encode_begin(writer, version, &response, body.resources.count);
    while (alter_configs_request_resource_array_next(&body.resources, &resource)) {
        struct alter_configs_response_resource out = alter_configs_response_resource_default;
        out.error_code = error;
        out.error_message = message_of(error, &piece);
        out.resource_type = resource.resource_type;
        out.resource_name = resource.resource_name;
        alter_configs_response_resource_encode(writer, version, &out);
    }
    alter_configs_response_encode_end(writer, version, &response);
}

void incremental_alter_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    const struct incremental_alter_configs_response response =
        incremental_alter_configs_response_default;
    struct incremental_alter_configs_request body;
    struct incremental_alter_configs_request_resource resource;
    struct bytes piece;
    DECODE(incremental_alter_configs_request, request, body)
    incremental_alter_configs_response_encode_begin(writer, version, &response,
                                                    body.resources.count);
    while (incremental_alter_configs_request_resource_array_next(&body.resources, &resource)) {
        struct incremental_alter_configs_response_resource out =
            incremental_alter_configs_response_resource_default;
        out.error_code = error;
        out.error_message = message_of(error, &piece);
        out.resource_type = resource.resource_type;
        out.resource_name = resource.resource_name;
        incremental_alter_configs_response_resource_encode(writer, version, &out);
    }
    incremental_alter_configs_response_encode_end(writer, version, &response);
}

void list_resources_error(struct request *request, int16_t error, struct writer *writer)
{
    struct list_config_resources_response response = list_config_resources_response_default;
    struct list_config_resources_request body;
    DECODE(list_config_resources_request, request, body)
    response.error_code = error;
    list_config_resources_response_encode(writer, request->version, &response);
}

static void elect_topic(struct writer *writer, int16_t version, int16_t error,
                        struct elect_leaders_request_topic *topic)
{
    struct elect_leaders_response_topic out = elect_leaders_response_topic_default;
    struct bytes piece;
    int32_t index;
    out.topic = topic->topic;
    elect_leaders_response_topic_encode_begin(writer, version, &out, topic->partitions.count);
    while (i32_array_next(&topic->partitions, &index)) {
        struct elect_leaders_response_partition partition =
            elect_leaders_response_partition_default;
        partition.partition_id = index;
        partition.error_code = error;
        partition.error_message = message_of(error, &piece);
        elect_leaders_response_partition_encode(writer, version, &partition);
    }
    elect_leaders_response_topic_encode_end(writer, version, &out);
}

void elect_leaders_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    struct elect_leaders_response response = elect_leaders_response_default;
    struct elect_leaders_request body;
    struct elect_leaders_request_topic topic;
    DECODE(elect_leaders_request, request, body)
    response.error_code = version >= 1 ? error : ERROR_NONE;
    elect_leaders_response_encode_begin(
        writer, version, &response,
        body.topic_partitions.count < 0 ? 0 : body.topic_partitions.count);
    while (elect_leaders_request_topic_array_next(&body.topic_partitions, &topic)) {
        elect_topic(writer, version, error, &topic);
    }
    elect_leaders_response_encode_end(writer, version, &response);
}

static void alter_reassignments_topic(struct writer *writer, int16_t version, int16_t error,
                                      struct alter_partition_reassignments_request_topic *topic)
{
    struct alter_partition_reassignments_response_topic out =
        alter_partition_reassignments_response_topic_default;
    struct alter_partition_reassignments_request_partition partition;
    struct bytes piece;
    out.name = topic->name;
    alter_partition_reassignments_response_topic_encode_begin(writer, version, &out,
                                                              topic->partitions.count);
    while (alter_partition_reassignments_request_partition_array_next(&topic->partitions,
                                                                      &partition)) {
        struct alter_partition_reassignments_response_partition answer =
            alter_partition_reassignments_response_partition_default;
        answer.partition_index = partition.partition_index;
        answer.error_code = error;
        answer.error_message = message_of(error, &piece);
        alter_partition_reassignments_response_partition_encode(writer, version, &answer);
    }
    alter_partition_reassignments_response_topic_encode_end(writer, version, &out);
}

void alter_reassignments_error(struct request *request, int16_t error, struct writer *writer)
{
    const int16_t version = request->version;
    struct alter_partition_reassignments_response response =
        alter_partition_reassignments_response_default;
    struct alter_partition_reassignments_request body;
    struct alter_partition_reassignments_request_topic topic;
    struct bytes piece;
    DECODE(alter_partition_reassignments_request, request, body)
    response.error_code = error;
    response.error_message = message_of(error, &piece);
    alter_partition_reassignments_response_encode_begin(writer, version, &response,
                                                        body.topics.count);
    while (alter_partition_reassignments_request_topic_array_next(&body.topics, &topic)) {
        alter_reassignments_topic(writer, version, error, &topic);
    }
    alter_partition_reassignments_response_encode_end(writer, version, &response);
}

void list_reassignments_error(struct request *request, int16_t error, struct writer *writer)
{
    struct list_partition_reassignments_response response =
        list_partition_reassignments_response_default;
    struct list_partition_reassignments_request body;
    struct bytes piece;
    DECODE(list_partition_reassignments_request, request, body)
    response.error_code = error;
    response.error_message = message_of(error, &piece);
    list_partition_reassignments_response_encode(writer, request->version, &response);
}
