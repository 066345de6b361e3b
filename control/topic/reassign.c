#include "control/topic/assign.h"

enum {
    ELECTION_PREFERRED = 0,
    ELECTION_UNCLEAN = 1,
};

/* One node leads everything it can lead, so there is nothing to elect. */
static struct step_error elect(const struct step *step, struct bytes name, int32_t index,
                               int8_t type)
{
    const struct image_topic *topic = image_topic_by_name(step_image(step), name);
    if (topic == NULL) {
        return STEP_ERROR(step, ERROR_UNKNOWN_TOPIC_OR_PARTITION, "No such topic as %.*s",
                          SHOWN(name));
    }
    if (index < 0 || (uint32_t)index >= topic->partition_count) {
        return STEP_ERROR(step, ERROR_UNKNOWN_TOPIC_OR_PARTITION, "No such partition as %.*s-%d",
                          SHOWN(name), index);
    }
    if (!topic->partitions[index].offline) {
        return STEP_PLAIN_ERROR(step, ERROR_ELECTION_NOT_NEEDED);
    }
    return STEP_PLAIN_ERROR(step, type == ELECTION_PREFERRED
                                      ? ERROR_PREFERRED_LEADER_NOT_AVAILABLE
                                      : ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE);
}

static void elect_partition(struct step *step, struct bytes name, int32_t index, int8_t type,
                            struct elect_leaders_response_partition *item)
{
    const struct step_error error = elect(step, name, index, type);
    *item = elect_leaders_response_partition_default;
    item->partition_id = index;
    item->error_code = error.code;
    item->error_message = error.message;
}

/* All partitions: only those that do not have what was asked for are told. */
static void elect_all(struct step *step, int8_t type, struct elect_leaders_response *answer)
{
    const struct image *image = step_image(step);
    struct elect_leaders_response_topic *topics =
        ARENA_ARRAY(step->arena, struct elect_leaders_response_topic, image->topic_count);
    for (uint32_t i = 0; i < image->topic_count; i++) {
        const struct image_topic *topic = image->topics[i];
        struct elect_leaders_response_partition *items = ARENA_ARRAY(
            step->arena, struct elect_leaders_response_partition, topic->partition_count);
        int32_t told = 0;
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            elect_partition(step, topic->name, (int32_t)j, type, &items[told]);
            told += items[told].error_code != ERROR_ELECTION_NOT_NEEDED;
        }
        topics[i] = elect_leaders_response_topic_default;
        topics[i].topic = arena_chain(step->arena, arena_copy(step->arena, topic->name));
        topics[i].partition_result.items = items;
        topics[i].partition_result.count = told;
    }
    answer->replica_election_results.items = topics;
    answer->replica_election_results.count = (int32_t)image->topic_count;
}

static void elect_named(struct step *step, struct elect_leaders_request *request, int8_t type,
                        struct elect_leaders_response *answer)
{
    const int32_t count = request->topic_partitions.count;
    struct elect_leaders_response_topic *topics =
        ARENA_ARRAY(step->arena, struct elect_leaders_response_topic, count);
    struct elect_leaders_request_topic topic;
    for (int32_t i = 0; elect_leaders_request_topic_array_next(&request->topic_partitions, &topic);
         i++) {
        const struct bytes name = arena_flat(step->arena, topic.topic);
        topics[i] = elect_leaders_response_topic_default;
        topics[i].topic = arena_chain(step->arena, name);
        struct elect_leaders_response_partition *items = ARENA_ARRAY(
            step->arena, struct elect_leaders_response_partition, topic.partitions.count);
        topics[i].partition_result.items = items;
        topics[i].partition_result.count = topic.partitions.count;
        int32_t index;
        for (int32_t j = 0; i32_array_next(&topic.partitions, &index); j++) {
            elect_partition(step, name, index, type, &items[j]);
        }
    }
    answer->replica_election_results.items = topics;
    answer->replica_election_results.count = count;
}

void elect_leaders_step(struct step *step)
{
    struct elect_leaders_request request;
    if (elect_leaders_request_decode(&step->body, step->version, &request) != CODEC_OK) {
        step->malformed = true;
        return;
    }
    /* What is asked of nothing is not looked at. */
    const int8_t type = step->version == 0 ? ELECTION_PREFERRED : request.election_type;
    if (request.topic_partitions.count != 0 && type != ELECTION_PREFERRED &&
        type != ELECTION_UNCLEAN) {
        step->whole_error = ERROR_INVALID_REQUEST;
        return;
    }
    struct elect_leaders_response *answer =
        ARENA_ARRAY(step->arena, struct elect_leaders_response, 1);
    *answer = elect_leaders_response_default;
    if (request.topic_partitions.count < 0) {
        elect_all(step, type, answer);
    } else {
        elect_named(step, &request, type, answer);
    }
    step->answer = answer;
}

/* Every partition is where it can be: moving it there again is done, anything else impossible. */
static struct step_error reassign(const struct step *step, struct bytes name, int32_t index,
                                  struct i32_array replicas)
{
    const struct image_topic *topic = image_topic_by_name(step_image(step), name);
    if (topic == NULL) {
        return STEP_ERROR(step, ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                          "Unable to find a topic named %.*s.", SHOWN(name));
    }
    if (index < 0 || (uint32_t)index >= topic->partition_count) {
        return STEP_ERROR(step, ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                          "Unable to find partition %.*s:%d.", SHOWN(name), index);
    }
    if (replicas.count < 0) {
        return (struct step_error){ERROR_NO_REASSIGNMENT_IN_PROGRESS, CHAIN_NULL};
    }
    return assign_check(step, replicas, -1);
}

void alter_reassignments_step(struct step *step)
{
    struct alter_partition_reassignments_request request;
    if (alter_partition_reassignments_request_decode(&step->body, step->version, &request) !=
        CODEC_OK) {
        step->malformed = true;
        return;
    }
    struct alter_partition_reassignments_response *answer =
        ARENA_ARRAY(step->arena, struct alter_partition_reassignments_response, 1);
    struct alter_partition_reassignments_response_topic *topics = ARENA_ARRAY(
        step->arena, struct alter_partition_reassignments_response_topic, request.topics.count);
    *answer = alter_partition_reassignments_response_default;
    if (request.topics.count > 0) { /* Nothing asked: an answer of defaults, as Kafka's. */
        answer->error_message = CHAIN_NULL;
        answer->allow_replication_factor_change = request.allow_replication_factor_change;
    }
    answer->responses.items = topics;
    answer->responses.count = request.topics.count;
    struct alter_partition_reassignments_request_topic topic;
    for (; alter_partition_reassignments_request_topic_array_next(&request.topics, &topic);
         topics++) {
        const struct bytes name = arena_flat(step->arena, topic.name);
        struct alter_partition_reassignments_response_partition *items =
            ARENA_ARRAY(step->arena, struct alter_partition_reassignments_response_partition,
                        topic.partitions.count);
        *topics = alter_partition_reassignments_response_topic_default;
        topics->name = arena_chain(step->arena, name);
        topics->partitions.items = items;
        topics->partitions.count = topic.partitions.count;
        struct alter_partition_reassignments_request_partition partition;
        for (; alter_partition_reassignments_request_partition_array_next(&topic.partitions,
                                                                          &partition);
             items++) {
            const struct step_error error =
                reassign(step, name, partition.partition_index, partition.replicas);
            *items = alter_partition_reassignments_response_partition_default;
            items->partition_index = partition.partition_index;
            items->error_code = error.code;
            items->error_message = error.message;
        }
    }
    step->answer = answer;
}

void list_reassignments_step(struct step *step)
{
    struct list_partition_reassignments_request request;
    if (list_partition_reassignments_request_decode(&step->body, step->version, &request) !=
        CODEC_OK) {
        step->malformed = true;
        return;
    }
    struct list_partition_reassignments_response *answer =
        ARENA_ARRAY(step->arena, struct list_partition_reassignments_response, 1);
    *answer = list_partition_reassignments_response_default;
    answer->error_message = CHAIN_NULL;
    step->answer = answer; /* Nothing ever moves on one node. */
}
