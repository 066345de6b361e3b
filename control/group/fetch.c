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
partition_fetch(struct group_update *update, const struct group_offset *at, int32_t partition,
                struct uuid topic_id, bool require_stable)
{
    if (at != NULL && require_stable && !list_empty(&at->open)) {
        return partition_unknown(partition, ERROR_UNSTABLE_OFFSET_COMMIT);
    }
    if (at == NULL || !at->committed || is_another_topic(at->value.topic_id, topic_id)) {
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
                             : partition_fetch(update, at, partition, topic->topic_id,
                                               event->fetch.require_stable);
    }
    return (struct offset_fetch_response_group_topic){
        update_chain(update, name.ptr == NULL ? bytes_of_string("") : name),
        topic->topic_id,
        {.items = items, .count = count}};
}

/* --- all topics ---------------------------------------------------------------------------------
 */

static uint32_t offsets_committed(const struct group *group)
{
    uint32_t count = 0;
    for (struct list_node *at = group->offsets.head.next; at != &group->offsets.head;
         at = at->next) {
        count += CONTAINER_OF(at, struct group_offset, in_group)->committed;
    }
    return count;
}

static int offset_order(const void *a, const void *b)
{
    const struct group_offset *one = *(const struct group_offset *const *)a;
    const struct group_offset *two = *(const struct group_offset *const *)b;
    const int order = text_order(one->topic, two->topic);
    return order != 0 ? order
                      : (one->partition > two->partition) - (one->partition < two->partition);
}

/* By name and partition, so that a topic's stand together. */
static const struct group_offset **offsets_sorted(struct group_update *update,
                                                  const struct group *group, uint32_t count)
{
    const struct group_offset **sorted =
        ARENA_ARRAY(update->arena, const struct group_offset *, count);
    uint32_t used = 0;
    for (struct list_node *at = group->offsets.head.next; at != &group->offsets.head;
         at = at->next) {
        const struct group_offset *offset = CONTAINER_OF(at, struct group_offset, in_group);
        if (offset->committed) {
            sorted[used++] = offset;
        }
    }
    qsort(sorted, count, sizeof(sorted[0]), offset_order);
    return sorted;
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

/* There may be a million: no memory but what they need. */
static void fetch_all(const struct group *group, bool require_stable, struct group_update *update,
                      struct offset_fetch_response_group *answer)
{
    const uint32_t count = offsets_committed(group);
    const struct group_offset **sorted = offsets_sorted(update, group, count);
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
        partitions[i] = partition_fetch(update, sorted[i], sorted[i]->partition, (struct uuid){{0}},
                                        require_stable);
    }
    answer->topics.items = topics;
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
    const struct group *group = group_find(coordinator, group_id);
    struct offset_fetch_response_group *answer = arena_take(update->arena, sizeof(*answer));
    *answer = offset_fetch_response_group_default;
    answer->group_id = update_chain(update, group_id);
    answer->error_code = fetch_check(coordinator, group, request, update);
    if (answer->error_code != ERROR_NONE) {
        update_reply(update, GROUP_OFFSET_FETCH, &to, answer);
        return;
    }
    if (request->topics.count < 0) {
        if (group != NULL) {
            fetch_all(group, event->fetch.require_stable, update, answer);
        }
    } else {
        struct offset_fetch_request_group_topic_array topics = request->topics;
        struct offset_fetch_request_group_topic topic;
        struct offset_fetch_response_group_topic *items =
            ARENA_ARRAY(update->arena, struct offset_fetch_response_group_topic, topics.count);
        while (offset_fetch_request_group_topic_array_next(&topics, &topic)) {
            items[answer->topics.count] =
                topic_fetch(coordinator, event, group, answer->topics.count, &topic, update);
            answer->topics.count++;
        }
        answer->topics.items = items;
    }
    update_reply(update, GROUP_OFFSET_FETCH, &to, answer);
}
