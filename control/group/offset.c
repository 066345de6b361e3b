#include <stdlib.h>

#include "control/group/consumer.h"

static uint64_t place_hash(const struct group *group, struct bytes topic, int32_t partition)
{
    return table_hash(topic, group->node.hash + (uint64_t)(uint32_t)partition);
}

struct group_offset *offset_find(const struct group_coordinator *coordinator,
                                 const struct group *group, struct bytes topic, int32_t partition)
{
    struct table_node *node =
        table_first(&coordinator->offsets, place_hash(group, topic, partition));
    for (; node != NULL; node = table_next(node)) {
        struct group_offset *at = CONTAINER_OF(node, struct group_offset, node);
        if (at->group == group && at->partition == partition && bytes_equal(at->topic, topic)) {
            return at;
        }
    }
    return NULL;
}

struct group_offset *offset_at(struct group_coordinator *coordinator, struct group *group,
                               struct bytes topic, int32_t partition)
{
    struct group_offset *at = offset_find(coordinator, group, topic, partition);
    if (at != NULL) {
        return at;
    }
    at = calloc(1, sizeof(*at) + topic.len);
    ASSERT(at != NULL);
    if (topic.len > 0) {
        memcpy(at->text, topic.ptr, topic.len);
    }
    at->group = group;
    at->topic = (struct bytes){at->text, topic.len};
    at->partition = partition;
    at->made = ++coordinator->offsets_made;
    list_init(&at->open);
    table_add(&coordinator->offsets, &at->node, place_hash(group, topic, partition));
    list_push_back(&group->offsets, &at->in_group);
    group->offset_count++;
    return at;
}

/* Nothing is known of it any more. */
static void offset_free(struct group_coordinator *coordinator, struct group_offset *at)
{
    ASSERT(list_empty(&at->open) && !at->committed);
    looks_past_offset(coordinator, at);
    walks_past_offset(coordinator, at);
    table_remove(&coordinator->offsets, &at->node);
    list_remove(&at->in_group);
    at->group->offset_count--;
    text_free(&at->value.metadata);
    free(at);
}

static struct offset_value value_copy(const struct offset_value *value)
{
    struct offset_value copy = *value;
    copy.metadata = value->metadata.len == 0 ? (struct bytes){0} : text_copy(value->metadata);
    return copy;
}

void offset_set(struct group_coordinator *coordinator, struct group_offset *at,
                const struct offset_value *value)
{
    const struct offset_value copy = value_copy(value);
    text_free(&at->value.metadata);
    at->value = copy;
    coordinator->offset_count += !at->committed;
    at->committed = true;
}

/* --- transactions -------------------------------------------------------------------------------
 */

static uint64_t producer_hash(const struct group_coordinator *coordinator, int64_t id)
{
    uint8_t bytes[8];
    store_be64(bytes, (uint64_t)id);
    return table_hash((struct bytes){bytes, sizeof(bytes)}, coordinator->seed);
}

static struct group_producer *producer_find(const struct group_coordinator *coordinator, int64_t id)
{
    struct table_node *node = table_first(&coordinator->producers, producer_hash(coordinator, id));
    while (node != NULL && CONTAINER_OF(node, struct group_producer, node)->id != id) {
        node = table_next(node);
    }
    return node == NULL ? NULL : CONTAINER_OF(node, struct group_producer, node);
}

static void producer_free_if_done(struct group_coordinator *coordinator,
                                  struct group_producer *producer)
{
    if (list_empty(&producer->open)) {
        table_remove(&coordinator->producers, &producer->node);
        free(producer);
    }
}

/* The producer stays. */
static void open_free(struct open_offset *open)
{
    open->at->group->open_offsets--;
    list_remove(&open->in_offset);
    list_remove(&open->in_producer);
    text_free(&open->value.metadata);
    free(open);
}

void offset_open(struct group_coordinator *coordinator, struct group_offset *at,
                 int64_t producer_id, const struct offset_value *value)
{
    struct group_producer *producer = producer_find(coordinator, producer_id);
    if (producer == NULL) {
        producer = calloc(1, sizeof(*producer));
        ASSERT(producer != NULL);
        producer->id = producer_id;
        list_init(&producer->open);
        table_add(&coordinator->producers, &producer->node,
                  producer_hash(coordinator, producer_id));
    }
    for (struct list_node *node = at->open.head.next; node != &at->open.head; node = node->next) {
        struct open_offset *old = CONTAINER_OF(node, struct open_offset, in_offset);
        if (old->producer == producer) { /* The last one of a transaction counts. */
            open_free(old);
            break;
        }
    }
    struct open_offset *open = calloc(1, sizeof(*open));
    ASSERT(open != NULL);
    open->at = at;
    open->producer = producer;
    open->value = value_copy(value);
    list_push_back(&at->open, &open->in_offset);
    list_push_back(&producer->open, &open->in_producer);
    at->group->open_offsets++;
}

void offset_drop(struct group_coordinator *coordinator, struct group_offset *at)
{
    while (!list_empty(&at->open)) {
        struct open_offset *open = CONTAINER_OF(at->open.head.next, struct open_offset, in_offset);
        struct group_producer *producer = open->producer;
        open_free(open);
        producer_free_if_done(coordinator, producer);
    }
    coordinator->offset_count -= at->committed;
    at->committed = false;
    offset_free(coordinator, at);
}

void offset_txn_end(struct group_coordinator *coordinator, int64_t producer_id, bool committed)
{
    struct group_producer *producer = producer_find(coordinator, producer_id);
    if (producer == NULL) {
        return;
    }
    while (!list_empty(&producer->open)) {
        struct open_offset *open =
            CONTAINER_OF(producer->open.head.next, struct open_offset, in_producer);
        struct group_offset *at = open->at;
        /* Who committed later without a transaction has the last word. */
        if (committed && (!at->committed || open->value.order > at->value.order)) {
            offset_set(coordinator, at, &open->value);
        }
        open_free(open);
        if (!at->committed && list_empty(&at->open)) {
            offset_free(coordinator, at);
        }
    }
    producer_free_if_done(coordinator, producer);
}

void group_offsets_drop(struct group_coordinator *coordinator, struct group *group,
                        struct group_update *update)
{
    while (!list_empty(&group->offsets)) {
        struct group_offset *at =
            CONTAINER_OF(group->offsets.head.next, struct group_offset, in_group);
        record_offset_gone(update, at);
        offset_drop(coordinator, at);
    }
}

/* --- what takes offsets away --------------------------------------------------------------------
 */

static int16_t offset_delete_check(const struct group *group)
{
    if (group == NULL) {
        return ERROR_GROUP_ID_NOT_FOUND;
    }
    return group->state != GROUP_EMPTY && !group_of_consumers(group) ? ERROR_NON_EMPTY_GROUP
                                                                     : ERROR_NONE;
}

static int16_t offset_delete_one(struct group_coordinator *coordinator, struct group *group,
                                 const struct group_topic *known, struct bytes topic,
                                 int32_t partition, struct group_update *update)
{
    if (known != NULL && known->error_code != ERROR_NONE) {
        return known->error_code;
    }
    if (known != NULL && (partition < 0 || partition >= known->partition_count)) {
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (group_wants_topic(group, topic)) {
        return ERROR_GROUP_SUBSCRIBED_TO_TOPIC;
    }
    struct group_offset *at = offset_find(coordinator, group, topic, partition);
    if (at != NULL) {
        record_offset_gone(update, at);
        offset_drop(coordinator, at);
    }
    return ERROR_NONE;
}

static struct offset_delete_response_topic
offset_delete_topic(struct group_coordinator *coordinator, struct group *group,
                    const struct group_topic *known, struct offset_delete_request_topic *topic,
                    struct group_update *update)
{
    const struct bytes name = update_text(update, topic->name);
    struct offset_delete_response_partition *items = ARENA_ARRAY(
        update->arena, struct offset_delete_response_partition, topic->partitions.count);
    int32_t count = 0;
    struct offset_delete_request_partition partition;
    while (offset_delete_request_partition_array_next(&topic->partitions, &partition)) {
        items[count++] = (struct offset_delete_response_partition){
            partition.partition_index,
            offset_delete_one(coordinator, group, known, name, partition.partition_index, update)};
    }
    return (struct offset_delete_response_topic){update_chain(update, name),
                                                 {.items = items, .count = count}};
}

void offset_delete_step(struct group_coordinator *coordinator, const struct group_event *event,
                        struct group_update *update)
{
    const struct group_parked to = {true, event->token, event->version};
    const struct offset_delete_request *request = event->offset_delete;
    struct group *group = group_find(coordinator, update_text(update, request->group_id));
    struct offset_delete_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = offset_delete_response_default;
    answer->error_code =
        request->group_id.len == 0 ? ERROR_INVALID_GROUP_ID : offset_delete_check(group);
    if (answer->error_code == ERROR_NONE) {
        struct offset_delete_request_topic_array topics = request->topics;
        struct offset_delete_request_topic topic;
        struct offset_delete_response_topic *items =
            ARENA_ARRAY(update->arena, struct offset_delete_response_topic, topics.count);
        while (offset_delete_request_topic_array_next(&topics, &topic)) {
            const struct group_topic *known =
                event->topics == NULL ? NULL : &event->topics[answer->topics.count];
            items[answer->topics.count++] =
                offset_delete_topic(coordinator, group, known, &topic, update);
        }
        answer->topics.items = items;
    }
    update_reply(update, GROUP_OFFSET_DELETE, &to, answer);
}
