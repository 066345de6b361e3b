#include "control/operation.h"

#include <stdlib.h>

/* Everything control knows of an API: adding one is a row here, a step, and a row in the
 * dataplane's dispatch table. */
struct api_handler {
    int16_t key;
    bool describes; /* In slices; into step.body_out. */
    step_run *step;
    uint64_t (*size)(int16_t version, const void *answer);
    enum codec_status (*encode)(struct writer *writer, int16_t version, const void *answer);
};

/* The codec's functions take their own struct; these take what step.answer holds. */
#define ANSWER_CODEC(message)                                                                \
    static uint64_t message##_answer_size(int16_t version, const void *answer)               \
    {                                                                                        \
        return message##_response_size(version, answer);                                     \
    }                                                                                        \
    static enum codec_status message##_answer_encode(struct writer *writer, int16_t version, \
                                                     const void *answer)                     \
    {                                                                                        \
        return message##_response_encode(writer, version, answer);                           \
    }

ANSWER_CODEC(create_topics)
ANSWER_CODEC(delete_topics)
ANSWER_CODEC(create_partitions)
ANSWER_CODEC(alter_configs)
ANSWER_CODEC(incremental_alter_configs)
ANSWER_CODEC(list_config_resources)
ANSWER_CODEC(elect_leaders)
ANSWER_CODEC(alter_partition_reassignments)
ANSWER_CODEC(list_partition_reassignments)
ANSWER_CODEC(find_coordinator)

#define HANDLER(api, message, step)                                            \
    {                                                                          \
        API_##api, false, step, message##_answer_size, message##_answer_encode \
    }

/* clang-format off */
static const struct api_handler handlers[] = {
    HANDLER(CREATE_TOPICS, create_topics, create_topics_step),
    HANDLER(DELETE_TOPICS, delete_topics, delete_topics_step),
    HANDLER(CREATE_PARTITIONS, create_partitions, create_partitions_step),
    {API_DESCRIBE_CONFIGS, true, describe_configs_step, NULL, NULL},
    HANDLER(ALTER_CONFIGS, alter_configs, alter_configs_step),
    HANDLER(INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, incremental_alter_configs_step),
    HANDLER(LIST_CONFIG_RESOURCES, list_config_resources, list_config_resources_step),
    HANDLER(ELECT_LEADERS, elect_leaders, elect_leaders_step),
    HANDLER(ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments, alter_reassignments_step),
    HANDLER(LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments, list_reassignments_step),
    HANDLER(FIND_COORDINATOR, find_coordinator, find_coordinator_step),
};
/* clang-format on */

const struct api_handler *api_handler_find(int16_t key)
{
    for (uint32_t i = 0; i < ARRAY_SIZE(handlers); i++) {
        if (handlers[i].key == key) {
            return &handlers[i];
        }
    }
    return NULL;
}

bool api_handler_describes(const struct api_handler *handler)
{
    return handler->describes;
}

struct operation *operation_create(struct peer_request *request, const struct api_handler *handler)
{
    struct operation *operation = calloc(1, sizeof(*operation));
    ASSERT(operation != NULL);
    operation->request = request;
    operation->handler = handler;
    return operation;
}

void operation_free(struct operation *operation)
{
    arena_free(&operation->arena);
    free(operation->step.body_out.ptr);
    free(operation->request);
    free(operation);
}

void operation_run(struct operation *operation)
{
    struct step *step = &operation->step;
    step->arena = &operation->arena;
    step->version = operation->request->header.api_version;
    step->header = &operation->request->header;
    reader_init(&step->body, chain_of(&operation->request->payload));
    operation->handler->step(step);
    ASSERT(step->malformed || step->whole_error != ERROR_NONE || step->answer != NULL ||
           step->body_out.ptr != NULL);
}

void operation_run_again(struct operation *operation)
{
    ASSERT(operation->step.again);
    operation->handler->step(&operation->step);
}

static void error_send(const struct operation *operation, struct peer *peer, int16_t error_code)
{
    struct slow_header header = operation->request->header;
    header.kind = SLOW_ERROR;
    header.error_code = error_code;
    peer_send(peer, operation->request->core, &header, NULL, 0);
}

/* body is given; NULL: it could not be made. */
static bool body_send(const struct operation *operation, struct peer *peer, uint8_t *body,
                      uint32_t len, uint32_t errors)
{
    if (body == NULL || len > SLOW_REPLY_BYTES_MAX) {
        free(body);
        error_send(operation, peer, ERROR_UNKNOWN_SERVER_ERROR);
        return false;
    }
    struct slow_header header = operation->request->header;
    header.kind = SLOW_REPLY;
    header.error_code = ERROR_NONE;
    header.error_count = errors;
    peer_send(peer, operation->request->core, &header, body, len);
    return true;
}

bool operation_answer(struct operation *operation, struct peer *peer, int16_t error_code)
{
    const struct step *step = &operation->step;
    if (error_code == ERROR_NONE) {
        /* A core that cannot read the request either closes the connection, whatever the error. */
        error_code = step->malformed ? (int16_t)ERROR_INVALID_REQUEST : step->whole_error;
    }
    if (error_code != ERROR_NONE) {
        error_send(operation, peer, error_code);
        return false;
    }
    if (operation->handler->describes) {
        struct step_body *described = &operation->step.body_out;
        uint8_t *given = described->ptr;
        described->ptr = NULL;
        return body_send(operation, peer, given, described->len, described->errors);
    }
    const uint64_t size = operation->handler->size(step->version, step->answer);
    uint8_t *body = size > SLOW_REPLY_BYTES_MAX ? NULL : malloc(size == 0 ? 1 : size);
    struct writer writer;
    writer_init(&writer, body, body == NULL ? 0 : size);
    if (body != NULL &&
        operation->handler->encode(&writer, step->version, step->answer) != CODEC_OK) {
        free(body);
        body = NULL;
    }
    return body_send(operation, peer, body, writer_used(&writer), writer.errors);
}

const struct step_created *operation_created_failed(struct operation *operation,
                                                    const struct uuid *topic_id, bool by_others,
                                                    int16_t error_code, const char *message)
{
    struct step *step = &operation->step;
    for (uint32_t i = 0; i < step->created_count; i++) {
        struct step_created *created = &step->created[i];
        if (created->by_others == by_others && uuid_equal(created->topic_id, *topic_id)) {
            *created->error_code = error_code;
            *created->error_message = arena_text(&operation->arena, "%s", message);
            return created;
        }
    }
    return NULL;
}
