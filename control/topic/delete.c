#include <stdlib.h>

#include "control/repeats.h"
#include "control/step.h"

/* One topic of the request, by name or by id. */
struct doomed {
    struct bytes name; /* ptr NULL: by id. */
    struct uuid id;    /* Zero: by name, not found yet. */
    struct image_topic *topic;
    struct step_error error;
    bool by_id;
    bool repeated; /* Said more than once, in the same way. */
    bool silent;   /* Another one answers for it. */
};

/* Topics together, their names before their ids. */
static int topic_order(const void *left, const void *right)
{
    const struct doomed *a = *(const struct doomed *const *)left;
    const struct doomed *b = *(const struct doomed *const *)right;
    if (a->topic != b->topic) {
        return (uintptr_t)a->topic < (uintptr_t)b->topic ? -1 : 1;
    }
    return (int)a->by_id - (int)b->by_id;
}

/* Neither or both of name and id; each of these is answered for itself. */
static bool doomed_malformed(const struct doomed *doomed)
{
    return doomed->by_id == (doomed->name.ptr != NULL);
}

/* A name or an id that is said several times is answered once and deletes nothing, whether or not
 * there is such a topic (ControllerApis.deleteTopics). */
static void repeated_refuse(struct step *step, struct doomed *doomed, uint32_t count)
{
    enum { BY_NAME, BY_ID, NEITHER };
    struct said *said = ARENA_ARRAY(step->arena, struct said, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct bytes id = {doomed[i].id.bytes, sizeof(doomed[i].id.bytes)};
        said[i].name = doomed[i].by_id ? id : doomed[i].name;
        said[i].kind = doomed_malformed(&doomed[i]) ? NEITHER + (int32_t)i
                       : doomed[i].by_id            ? BY_ID
                                                    : BY_NAME;
    }
    repeats_mark(step->arena, said, count);
    for (uint32_t i = 0; i < count; i++) {
        doomed[i].silent = said[i].later;
        doomed[i].repeated = said[i].repeated;
        if (said[i].repeated) {
            doomed[i].error = STEP_ERROR(step, ERROR_INVALID_REQUEST, "Duplicate topic %s.",
                                         doomed[i].by_id ? "id" : "name");
        }
    }
}

static void doomed_find(struct step *step, struct doomed *doomed)
{
    if (doomed->silent || doomed->repeated) {
        /* Found all the same: a name must not say the topic of a repeated id again. */
        doomed->topic = doomed->by_id ? image_topic_by_id(step_image(step), &doomed->id) : NULL;
    } else if (doomed->by_id && doomed->name.ptr != NULL) {
        doomed->error = STEP_ERROR(step, ERROR_INVALID_REQUEST,
                                   "You may not specify both topic name and topic id.");
    } else if (doomed->by_id) {
        doomed->topic = image_topic_by_id(step_image(step), &doomed->id);
        if (doomed->topic == NULL) {
            doomed->error = STEP_PLAIN_ERROR(step, ERROR_UNKNOWN_TOPIC_ID);
        }
    } else if (doomed->name.ptr == NULL) {
        doomed->error =
            STEP_ERROR(step, ERROR_INVALID_REQUEST, "Neither topic name nor id were specified.");
    } else {
        doomed->topic = image_topic_by_name(step_image(step), doomed->name);
        if (doomed->topic == NULL) {
            doomed->error = STEP_PLAIN_ERROR(step, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        }
    }
}

/* A topic that is said by its name and by its id: the name answers, nothing is deleted. */
static void both_ways_refuse(struct step *step, struct doomed *doomed, uint32_t count)
{
    struct doomed **sorted = ARENA_ARRAY(step->arena, struct doomed *, count);
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = &doomed[i];
    }
    qsort(sorted, count, sizeof(struct doomed *), topic_order);
    for (uint32_t i = 1; i < count; i++) {
        struct doomed *name = sorted[i - 1];
        struct doomed *id = sorted[i];
        if (name->topic == NULL || name->topic != id->topic || name->by_id || !id->by_id) {
            continue;
        }
        name->id = name->topic->id;
        name->error =
            STEP_ERROR(step, ERROR_INVALID_REQUEST,
                       "The provided topic name maps to an ID that was already supplied.");
        id->silent = id->silent || !id->repeated;
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
    repeated_refuse(step, doomed, count);
    for (uint32_t i = 0; i < count; i++) {
        doomed_find(step, &doomed[i]);
    }
    both_ways_refuse(step, doomed, count);
    struct delete_topics_response *answer =
        ARENA_ARRAY(step->arena, struct delete_topics_response, 1);
    struct delete_topics_response_topic *items =
        ARENA_ARRAY(step->arena, struct delete_topics_response_topic, count);
    *answer = delete_topics_response_default;
    answer->responses.items = items;
    answer->responses.count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!doomed[i].silent) {
            topic_delete(step, &doomed[i], &items[answer->responses.count++]);
        }
    }
    step->answer = answer;
}
