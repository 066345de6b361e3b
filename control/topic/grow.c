#include "control/repeats.h"
#include "control/topic/assign.h"

static struct step_error check_assignments(const struct step *step,
                                           struct create_partitions_request_assignment_array given,
                                           int32_t additional)
{
    if (given.count < 0) {
        return step_good();
    }
    if (given.count != additional) {
        return STEP_ERROR(step, ERROR_INVALID_REPLICA_ASSIGNMENT,
                          "Attempted to add %d additional partition(s), but only %d assignment(s) "
                          "were specified.",
                          additional, given.count);
    }
    struct create_partitions_request_assignment assignment;
    while (create_partitions_request_assignment_array_next(&given, &assignment)) {
        const struct step_error error = assign_check(step, assignment.broker_ids, 1);
        if (error.code != ERROR_NONE) {
            return error;
        }
    }
    return step_good();
}

static struct step_error check_growth(const struct step *step,
                                      const struct create_partitions_request_topic *request,
                                      const struct image_topic *topic, uint32_t *budget)
{
    if (topic == NULL) {
        return (struct step_error){ERROR_UNKNOWN_TOPIC_OR_PARTITION, CHAIN_NULL};
    }
    const int32_t now = (int32_t)topic->partition_count;
    if (request->count == now) {
        return STEP_ERROR(step, ERROR_INVALID_PARTITIONS, "Topic already has %d partition(s).",
                          now);
    }
    if (request->count < now) {
        return STEP_ERROR(step, ERROR_INVALID_PARTITIONS,
                          "The topic %.*s currently has %d partition(s); %d would not be an "
                          "increase.",
                          SHOWN(topic->name), now, request->count);
    }
    if ((uint32_t)(request->count - now) > *budget) {
        return STEP_ERROR(step, ERROR_POLICY_VIOLATION,
                          "Unable to perform excessively large batch operation.");
    }
    *budget -= (uint32_t)(request->count - now);
    return check_assignments(step, request->assignments, request->count - now);
}

static void topic_grow(struct step *step, const struct create_partitions_request_topic *request,
                       struct bytes name, bool validate_only, uint32_t *budget,
                       struct create_partitions_response_topic *item)
{
    const struct image_topic *topic = image_topic_by_name(step_image(step), name);
    *item = create_partitions_response_topic_default;
    item->name = arena_chain(step->arena, name);
    const struct step_error error = check_growth(step, request, topic, budget);
    item->error_code = error.code;
    item->error_message = error.message;
    if (error.code != ERROR_NONE || validate_only) {
        return;
    }
    for (int32_t i = (int32_t)topic->partition_count; i < request->count; i++) {
        const struct partition_row row = {
            .topic_id = topic->id, .index = i, .node_id = step_image(step)->node_id};
        changes_partition(step->changes, &row);
    }
    step->created[step->created_count++] =
        (struct step_created){.topic_id = topic->id,
                              .first_partition = topic->partition_count,
                              .error_code = &item->error_code,
                              .error_message = &item->error_message};
}

/* A name that is asked for several times is answered once, and does not grow. */
static void repeated_refuse(struct step *step, struct bytes name,
                            struct create_partitions_response_topic *item)
{
    *item = create_partitions_response_topic_default;
    item->name = arena_chain(step->arena, name);
    item->error_code = ERROR_INVALID_REQUEST;
    item->error_message = arena_text(step->arena, "Duplicate topic name.");
}

void create_partitions_step(struct step *step)
{
    struct create_partitions_request request;
    if (create_partitions_request_decode(&step->body, step->version, &request) != CODEC_OK) {
        step->malformed = true;
        return;
    }
    const uint32_t count = (uint32_t)request.topics.count;
    struct said *said = ARENA_ARRAY(step->arena, struct said, count);
    struct create_partitions_request_topic topic;
    struct create_partitions_request_topic_array topics = request.topics;
    for (uint32_t i = 0; create_partitions_request_topic_array_next(&topics, &topic); i++) {
        said[i].name = arena_flat(step->arena, topic.name);
    }
    repeats_mark(step->arena, said, count);
    struct create_partitions_response *answer =
        ARENA_ARRAY(step->arena, struct create_partitions_response, 1);
    struct create_partitions_response_topic *items =
        ARENA_ARRAY(step->arena, struct create_partitions_response_topic, count);
    *answer = create_partitions_response_default;
    step->created = ARENA_ARRAY(step->arena, struct step_created, count);
    uint32_t budget = assign_budget(step);
    topics = request.topics;
    answer->results.items = items;
    answer->results.count = 0;
    for (uint32_t i = 0; create_partitions_request_topic_array_next(&topics, &topic); i++) {
        if (said[i].later) {
            continue;
        }
        struct create_partitions_response_topic *item = &items[answer->results.count++];
        if (said[i].repeated) {
            repeated_refuse(step, said[i].name, item);
        } else {
            topic_grow(step, &topic, said[i].name, request.validate_only, &budget, item);
        }
    }
    step->answer = answer;
}
