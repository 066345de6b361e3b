#include <stdlib.h>

#include "control/group/consumer.h"

static struct offset_fetch_response_group_partition partition_unknown(int32_t partition,
                                                                      int16_t error_code)
{
    return (struct offset_fetch_response_group_partition){
        .partition_index = partition,
        .committed_offset = -1,
        .committed_leader_epoch = -1,
        .metadata = CHAIN_EMPTY,
        .error_code = error_code,
    };
}

/* Both are known, and they are not the same topic: it was deleted and made anew. */
static bool is_another_topic(struct uuid a, struct uuid b)
{
    return !uuid_is_zero(a) && !uuid_is_zero(b) && !uuid_equal(a, b);
}

static struct offset_fetch_response_group_partition
partition_fetch(const struct group_coordinator *coordinator, struct group_update *update,
                const struct group_offset *at, int32_t partition, struct uuid topic_id,
                bool require_stable)
{
    if (at != NULL && require_stable && !list_empty(&at->open)) {
        return partition_unknown(partition, ERROR_UNSTABLE_OFFSET_COMMIT);
    }
    if (at == NULL || !at->committed || offset_is_gone(coordinator, at) ||
        is_another_topic(at->value.topic_id, topic_id)) {
        return partition_unknown(partition, ERROR_NONE);
    }
    const struct bytes metadata = at->value.metadata;
    return (struct offset_fetch_response_group_partition){
        .partition_index = partition,
        .committed_offset = at->value.offset,
        .committed_leader_epoch = at->value.leader_epoch,
        .metadata = metadata.len == 0 ? CHAIN_EMPTY : update_chain(update, metadata),
    };
}

static struct offset_fetch_response_group_topic
topic_fetch(struct group_coordinator *coordinator, const struct group_event *event,
            const struct group *group, int32_t index,
            struct offset_fetch_request_group_topic *topic, struct group_update *update)
{
    const struct group_topic *known = event->topics == NULL ? NULL : &event->topics[index];
    const struct bytes name = known != NULL ? known->name : update_text(update, topic->name);
    struct offset_fetch_response_group_partition *items =
        ARENA_ARRAY(update->arena, struct offset_fetch_response_group_partition,
                    topic->partition_indexes.count);
    int32_t count = 0;
    int32_t partition;
    while (i32_array_next(&topic->partition_indexes, &partition)) {
        const struct group_offset *at =
            group == NULL ? NULL : offset_find(coordinator, group, name, partition);
        items[count++] = known != NULL && known->error_code != ERROR_NONE
                             ? partition_unknown(partition, known->error_code)
                             : partition_fetch(coordinator, update, at, partition, topic->topic_id,
                                               event->fetch.require_stable);
    }
    return (struct offset_fetch_response_group_topic){
        update_chain(update, name.ptr == NULL ? bytes_of_string("") : name),
        topic->topic_id,
        {.items = items, .count = count}};
}

/* --- all topics ---------------------------------------------------------------------------------
 */

static int offset_order(const void *a, const void *b)
{
    const struct group_offset *one = *(const struct group_offset *const *)a;
    const struct group_offset *two = *(const struct group_offset *const *)b;
    const int order = text_order(one->topic, two->topic);
    return order != 0 ? order
                      : (one->partition > two->partition) - (one->partition < two->partition);
}

static bool begins_topic(const struct group_offset *const *sorted, uint32_t at)
{
    return at == 0 || !bytes_equal(sorted[at]->topic, sorted[at - 1]->topic);
}

static uint32_t topics_count(const struct group_offset *const *sorted, uint32_t count)
{
    uint32_t topics = 0;
    for (uint32_t i = 0; i < count; i++) {
        topics += begins_topic(sorted, i);
    }
    return topics;
}

/* By name and partition, so that a topic's stand together. */
static void sorted_tell(const struct group_coordinator *coordinator,
                        const struct group_offset **sorted, uint32_t count, bool require_stable,
                        struct group_update *update, struct offset_fetch_response_group *answer)
{
    qsort(sorted, count, sizeof(sorted[0]), offset_order);
    struct offset_fetch_response_group_topic *topics = ARENA_ARRAY(
        update->arena, struct offset_fetch_response_group_topic, topics_count(sorted, count));
    struct offset_fetch_response_group_partition *partitions =
        ARENA_ARRAY(update->arena, struct offset_fetch_response_group_partition, count);
    for (uint32_t i = 0; i < count; i++) {
        if (begins_topic(sorted, i)) {
            topics[answer->topics.count++] = (struct offset_fetch_response_group_topic){
                .name = update_chain(update, sorted[i]->topic),
                .partitions = {.items = &partitions[i]}};
        }
        topics[answer->topics.count - 1].partitions.count++;
        partitions[i] = partition_fetch(coordinator, update, sorted[i], sorted[i]->partition,
                                        (struct uuid){{0}}, require_stable);
    }
    answer->topics.items = topics;
}

/* What is copied for it. */
static uint32_t offset_weight(const struct group_offset *at)
{
    enum { BYTES_OF_WEIGHT = 64 };
    return 1 + at->value.metadata.len / BYTES_OF_WEIGHT;
}

void offsets_fetch(const struct group_coordinator *coordinator, const struct group_event *event,
                   struct group_walk *walk, struct group_update *update,
                   struct offset_fetch_response_group *answer)
{
    struct group_offset *at = walk->next;
    const uint32_t most = walk->group == NULL ? 0 : walk->group->offset_count;
    const uint32_t room = event->walk_max == 0 ? most : min_u32(most, event->walk_max);
    const struct group_offset **sorted =
        ARENA_ARRAY(update->arena, const struct group_offset *, room);
    uint32_t count = 0;
    bool on = true;
    while (at != NULL && at->made <= walk->made_max && on) {
        if (at->committed && !offset_is_gone(coordinator, at)) {
            sorted[count++] = at;
        }
        on = update_walked(update, event, offset_weight(at));
        at = offset_behind(at->group, &at->in_group);
    }
    walk->next = at != NULL && at->made <= walk->made_max ? at : NULL;
    sorted_tell(coordinator, sorted, count, walk->require_stable, update, answer);
}

/* There may be a million: only if they are few enough they are told at once. */
static bool fetch_all(const struct group_coordinator *coordinator, struct group *group,
                      const struct group_event *event, struct group_update *update,
                      struct offset_fetch_response_group *answer)
{
    struct group_walk walk = {.require_stable = event->fetch.require_stable, .group_id = group->id};
    if (event->walk_max != 0 && group->offset_count > event->walk_max) {
        return false;
    }
    walk_begin(coordinator, &walk);
    offsets_fetch(coordinator, event, &walk, update, answer);
    return walk.next == NULL;
}

/* Members of consumer groups say in which epoch they are; administrators say nothing. */
static int16_t fetch_check(const struct group_coordinator *coordinator, const struct group *group,
                           const struct offset_fetch_request_group *request,
                           struct group_update *update)
{
    if (group == NULL || group->consumer == NULL ||
        (chain_is_null(request->member_id) && request->member_epoch < 0)) {
        return ERROR_NONE;
    }
    bool is_classic;
    return consumer_epoch_check(coordinator, group, update_text(update, request->member_id),
                                request->member_epoch, &is_classic);
}

void offset_fetch_step(struct group_coordinator *coordinator, const struct group_event *event,
                       struct group_update *update)
{
    const struct offset_fetch_request_group *request = event->fetch.group;
    const struct group_parked to = {true, event->token, event->version};
    const struct bytes group_id = update_text(update, request->group_id);
    struct group *group = group_find(coordinator, group_id);
    struct offset_fetch_response_group *answer = arena_take(update->arena, sizeof(*answer));
    *answer = offset_fetch_response_group_default;
    answer->group_id = update_chain(update, group_id);
    answer->error_code = fetch_check(coordinator, group, request, update);
    if (answer->error_code != ERROR_NONE) {
        update_reply(update, GROUP_OFFSET_FETCH, &to, answer);
        return;
    }
    if (request->topics.count < 0) {
        if (group != NULL && !fetch_all(coordinator, group, event, update, answer)) {
            const struct group_walk walk = {
                .to = to, .require_stable = event->fetch.require_stable, .group_id = group_id};
            answer->topics.count = 0;
            walk_add(coordinator, &walk);
            update_reply_more(update, GROUP_OFFSET_FETCH, &to, answer);
            return;
        }
    } else {
        struct offset_fetch_request_group_topic_array topics = request->topics;
        struct offset_fetch_request_group_topic topic;
        struct offset_fetch_response_group_topic *items =
            ARENA_ARRAY(update->arena, struct offset_fetch_response_group_topic, topics.count);
        while (offset_fetch_request_group_topic_array_next(&topics, &topic)) {
            (void)update_walked(update, event, (uint32_t)topic.partition_indexes.count);
            items[answer->topics.count] =
                topic_fetch(coordinator, event, group, answer->topics.count, &topic, update);
            answer->topics.count++;
        }
        answer->topics.items = items;
    }
    update_reply(update, GROUP_OFFSET_FETCH, &to, answer);
}
