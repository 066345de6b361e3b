#include <stdlib.h>

#include "control/step.h"

/* One topic of the request, by name or by id. */
struct doomed {
    struct bytes name; /* ptr NULL: by id. */
    struct uuid id;    /* Zero: by name, not found yet. */
    struct image_topic *topic;
    struct step_error error;
    bool by_id;
};

static int topic_order(const void *left, const void *right)
{
    const struct doomed *const *a = left;
    const struct doomed *const *b = right;
    if ((*a)->topic != (*b)->topic) {
        return (uintptr_t)(*a)->topic < (uintptr_t)(*b)->topic ? -1 : 1;
    }
    return bytes_order((*a)->name, (*b)->name);
}

static void doomed_find(struct step *step, struct doomed *doomed)
{
    if (doomed->by_id && doomed->name.ptr != NULL) {
        doomed->error = STEP_ERROR(step, ERROR_INVALID_REQUEST,
                                   "You may not specify both topic name and topic id.");
    } else if (doomed->by_id) {
        doomed->topic = image_topic_by_id(step_image(step), &doomed->id);
        if (doomed->topic == NULL) {
            doomed->error = (struct step_error){ERROR_UNKNOWN_TOPIC_ID, CHAIN_NULL};
        }
    } else if (doomed->name.ptr == NULL) {
        doomed->error =
            STEP_ERROR(step, ERROR_INVALID_REQUEST, "Neither topic name nor id were specified.");
    } else {
        doomed->topic = image_topic_by_name(step_image(step), doomed->name);
        if (doomed->topic == NULL) {
            doomed->error = (struct step_error){ERROR_UNKNOWN_TOPIC_OR_PARTITION, CHAIN_NULL};
        }
    }
}

/* A topic that is named twice is deleted by none of them. */
static void duplicates_refuse(struct step *step, struct doomed *doomed, uint32_t count)
{
    struct doomed **sorted = ARENA_ARRAY(step->arena, struct doomed *, count);
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = &doomed[i];
    }
    qsort(sorted, count, sizeof(struct doomed *), topic_order);
    for (uint32_t i = 1; i < count; i++) {
        struct doomed *pair[] = {sorted[i - 1], sorted[i]};
        if (pair[0]->topic == NULL || pair[0]->topic != pair[1]->topic) {
            continue;
        }
        const bool same = pair[0]->by_id == pair[1]->by_id;
        for (uint32_t j = 0; j < 2; j++) {
            pair[j]->error = STEP_ERROR(
                step, ERROR_INVALID_REQUEST, "%s",
                !same ? "The provided topic name maps to an ID that was already supplied."
                : pair[j]->by_id ? "Duplicate topic id."
                                 : "Duplicate topic name.");
        }
    }
}

static void topic_delete(struct step *step, const struct doomed *doomed,
                         struct delete_topics_response_topic *item)
{
    *item = delete_topics_response_topic_default;
    item->error_code = doomed->error.code;
    item->error_message = doomed->error.message;
    item->topic_id = doomed->id;
    item->name = doomed->name.ptr == NULL ? CHAIN_NULL : arena_chain(step->arena, doomed->name);
    if (doomed->error.code != ERROR_NONE) {
        return;
    }
    item->topic_id = doomed->topic->id;
    item->name = arena_chain(step->arena, arena_copy(step->arena, doomed->topic->name));
    changes_topic_removed(step->changes, doomed->topic->id);
}

static uint32_t doomed_read(struct step *step, struct delete_topics_request *request,
                            struct doomed *doomed)
{
    uint32_t count = 0;
    struct delete_topics_request_topic topic;
    while (delete_topics_request_topic_array_next(&request->topics, &topic)) {
        doomed[count++] = (struct doomed){.name = arena_flat(step->arena, topic.name),
                                          .id = topic.topic_id,
                                          .by_id = !uuid_is_zero(topic.topic_id),
                                          .error = step_good()};
    }
    struct chain name;
    while (string_array_next(&request->topic_names, &name)) {
        doomed[count++] =
            (struct doomed){.name = arena_flat(step->arena, name), .error = step_good()};
    }
    return count;
}

void delete_topics_step(struct step *step)
{
    struct delete_topics_request request;
    if (delete_topics_request_decode(&step->body, step->version, &request) != CODEC_OK) {
        step->malformed = true;
        return;
    }
    if (config_broker_number(&step->view, "delete.topic.enable") == 0) {
        step->whole_error =
            step->version < 3 ? ERROR_INVALID_REQUEST : ERROR_TOPIC_DELETION_DISABLED;
        return;
    }
    const int32_t asked = (request.topics.count > 0 ? request.topics.count : 0) +
                          (request.topic_names.count > 0 ? request.topic_names.count : 0);
    struct doomed *doomed = ARENA_ARRAY(step->arena, struct doomed, asked);
    const uint32_t count = doomed_read(step, &request, doomed);
    for (uint32_t i = 0; i < count; i++) {
        doomed_find(step, &doomed[i]);
    }
    duplicates_refuse(step, doomed, count);
    struct delete_topics_response *answer =
        ARENA_ARRAY(step->arena, struct delete_topics_response, 1);
    struct delete_topics_response_topic *items =
        ARENA_ARRAY(step->arena, struct delete_topics_response_topic, count);
    *answer = delete_topics_response_default;
    for (uint32_t i = 0; i < count; i++) {
        topic_delete(step, &doomed[i], &items[i]);
    }
    answer->responses.items = items;
    answer->responses.count = (int32_t)count;
    step->answer = answer;
}
