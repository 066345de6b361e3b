#include <stdlib.h>

#include "control/group/consumer.h"

static uint64_t name_hash(const struct group *group, struct bytes name)
{
    return table_hash(name, group->node.hash);
}

struct group_member *member_find(const struct group_coordinator *coordinator,
                                 const struct group *group, struct bytes id)
{
    struct table_node *node = table_first(&coordinator->members, name_hash(group, id));
    for (; node != NULL; node = table_next(node)) {
        struct group_member *member = CONTAINER_OF(node, struct group_member, by_id);
        if (member->group == group && bytes_equal(member->id, id)) {
            return member;
        }
    }
    return NULL;
}

struct group_member *member_by_instance(const struct group_coordinator *coordinator,
                                        const struct group *group, struct bytes instance_id)
{
    struct table_node *node = table_first(&coordinator->instances, name_hash(group, instance_id));
    for (; node != NULL; node = table_next(node)) {
        struct group_member *member = CONTAINER_OF(node, struct group_member, by_instance);
        if (member->group == group && bytes_equal(member->instance_id, instance_id)) {
            return member;
        }
    }
    return NULL;
}

/* --- protocols ----------------------------------------------------------------------------------
 */

struct group_protocol *group_protocol_find(const struct group_coordinator *coordinator,
                                           const struct group *group, struct bytes name)
{
    struct table_node *node = table_first(&coordinator->protocols, name_hash(group, name));
    for (; node != NULL; node = table_next(node)) {
        struct group_protocol *protocol = CONTAINER_OF(node, struct group_protocol, node);
        if (protocol->group == group && bytes_equal(protocol->name, name)) {
            return protocol;
        }
    }
    return NULL;
}

static void protocol_release(struct group_coordinator *coordinator, struct group_protocol *protocol)
{
    if (--protocol->members == 0) {
        table_remove(&coordinator->protocols, &protocol->node);
        list_remove(&protocol->in_group);
        text_free(&protocol->name);
        free(protocol);
    }
}

void member_protocols_drop(struct group_coordinator *coordinator,
                           struct member_protocols *protocols)
{
    for (uint32_t i = 0; i < protocols->count; i++) {
        struct group_protocol *protocol = protocols->items[i].protocol;
        text_free(&protocols->items[i].metadata);
        protocol->last = protocol->last == protocols ? NULL : protocol->last;
        protocol_release(coordinator, protocol);
    }
    free(protocols->items);
    *protocols = (struct member_protocols){0};
}

/* There is room in the array; metadata is given. */
static void protocol_put(struct group_coordinator *coordinator, struct group *group,
                         struct member_protocols *protocols, struct bytes name,
                         struct bytes metadata)
{
    struct group_protocol *protocol = group_protocol_find(coordinator, group, name);
    if (protocol == NULL) {
        protocol = calloc(1, sizeof(*protocol));
        ASSERT(protocol != NULL);
        protocol->group = group;
        protocol->name = text_copy(name);
        table_add(&coordinator->protocols, &protocol->node, name_hash(group, name));
        list_push_back(&group->protocols, &protocol->in_group);
    }
    protocol->members++;
    protocol->last = protocols;
    protocols->items[protocols->count++] = (struct member_protocol){protocol, metadata};
}

void member_protocol_add(struct group_coordinator *coordinator, struct group_member *member,
                         struct bytes name, struct bytes metadata)
{
    ASSERT(member->protocols.items == NULL);
    member->protocols.items = calloc(1, sizeof(struct member_protocol));
    ASSERT(member->protocols.items != NULL);
    protocol_put(coordinator, member->group, &member->protocols, name, text_copy(metadata));
}

/* Among those that are being set now: nobody else names one meanwhile. */
static bool protocol_known(const struct group_coordinator *coordinator, const struct group *group,
                           const struct member_protocols *protocols, struct bytes name)
{
    const struct group_protocol *protocol = group_protocol_find(coordinator, group, name);
    return protocol != NULL && protocol->last == protocols;
}

void member_protocols_set(struct group_coordinator *coordinator, struct group *group,
                          struct member_protocols *protocols,
                          struct join_group_request_protocol_array from)
{
    member_protocols_drop(coordinator, protocols);
    protocols->items = calloc((size_t)max_i64(from.count, 1), sizeof(struct member_protocol));
    ASSERT(protocols->items != NULL);
    struct join_group_request_protocol protocol;
    while (join_group_request_protocol_array_next(&from, &protocol)) {
        struct bytes name = text_copy_chain(protocol.name);
        if (!protocol_known(coordinator, group, protocols, name)) {
            protocol_put(coordinator, group, protocols, name, text_copy_chain(protocol.metadata));
        }
        text_free(&name);
    }
}

void member_protocols_copy(struct group_coordinator *coordinator, struct group *group,
                           struct member_protocols *protocols, const struct member_protocols *from)
{
    ASSERT(protocols->items == NULL);
    protocols->items = calloc(from->count == 0 ? 1 : from->count, sizeof(struct member_protocol));
    ASSERT(protocols->items != NULL);
    for (uint32_t i = 0; i < from->count; i++) {
        protocol_put(coordinator, group, protocols, from->items[i].protocol->name,
                     text_copy(from->items[i].metadata));
    }
}

bool member_protocols_equal(const struct member_protocols *protocols,
                            struct join_group_request_protocol_array with)
{
    if (with.count != (int32_t)protocols->count) {
        return false;
    }
    struct join_group_request_protocol protocol;
    for (uint32_t i = 0; join_group_request_protocol_array_next(&with, &protocol); i++) {
        if (!chain_equals(protocol.name, protocols->items[i].protocol->name) ||
            !chain_equals(protocol.metadata, protocols->items[i].metadata)) {
            return false;
        }
    }
    return true;
}

struct bytes member_metadata(const struct group_member *member, struct bytes protocol)
{
    for (uint32_t i = 0; i < member->protocols.count; i++) {
        if (bytes_equal(member->protocols.items[i].protocol->name, protocol)) {
            return member->protocols.items[i].metadata;
        }
    }
    return (struct bytes){0};
}

bool group_takes_protocols(struct group_update *update, const struct group_coordinator *coordinator,
                           const struct group *group, const struct join_group_request *request)
{
    if (group->state == GROUP_EMPTY) {
        return request->protocol_type.len > 0 && request->protocols.count > 0;
    }
    if (group->protocol_type.ptr == NULL ||
        !chain_equals(request->protocol_type, group->protocol_type)) {
        return false;
    }
    struct join_group_request_protocol_array protocols = request->protocols;
    struct join_group_request_protocol protocol;
    while (join_group_request_protocol_array_next(&protocols, &protocol)) {
        const struct group_protocol *known =
            group_protocol_find(coordinator, group, update_text(update, protocol.name));
        if (group->member_count == 0 || (known != NULL && known->members == group->member_count)) {
            return true;
        }
    }
    return false;
}

struct bytes group_protocol_choose(const struct group_coordinator *coordinator, struct group *group)
{
    (void)coordinator;
    for (struct list_node *at = group->protocols.head.next; at != &group->protocols.head;
         at = at->next) {
        CONTAINER_OF(at, struct group_protocol, in_group)->votes = 0;
    }
    struct group_protocol *best = NULL;
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        const struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        for (uint32_t i = 0; i < member->protocols.count; i++) {
            struct group_protocol *protocol = member->protocols.items[i].protocol;
            if (protocol->members == group->member_count) {
                protocol->votes++;
                best = best == NULL || protocol->votes > best->votes ? protocol : best;
                break;
            }
        }
    }
    ASSERT(best != NULL);
    return best->name;
}

/* --- members ------------------------------------------------------------------------------------
 */

struct group_member *member_new(struct group_coordinator *coordinator, struct group *group,
                                struct bytes id)
{
    struct group_member *member = calloc(1, sizeof(*member));
    ASSERT(member != NULL);
    member->group = group;
    member->id = text_copy(id);
    member->pending = true;
    member->timer.kind = TIMER_MEMBER;
    table_add(&coordinator->members, &member->by_id, name_hash(group, id));
    list_push_back(&group->members, &member->in_group);
    group->pending_count++;
    return member;
}

void member_instance_set(struct group_coordinator *coordinator, struct group_member *member,
                         struct bytes instance_id)
{
    ASSERT(member->instance_id.ptr == NULL);
    if (instance_id.ptr != NULL) {
        member->instance_id = text_copy(instance_id);
        table_add(&coordinator->instances, &member->by_instance,
                  name_hash(member->group, instance_id));
    }
}

void member_enter(struct group_coordinator *coordinator, struct group_member *member)
{
    struct group *group = member->group;
    (void)coordinator;
    ASSERT(member->pending);
    member->pending = false;
    group->pending_count--;
    group->member_count++;
    if (group->leader == NULL) {
        group->leader = member;
    }
    /* Who waited long with an id comes behind those who joined before. */
    list_remove(&member->in_group);
    list_push_back(&group->members, &member->in_group);
}

static struct group_member *member_next_leader(const struct group *group)
{
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        if (!member->pending) {
            return member;
        }
    }
    return NULL;
}

void member_remove(struct group_coordinator *coordinator, struct group_member *member)
{
    struct group *group = member->group;
    member_protocols_drop(coordinator, &member->protocols);
    group_timer_clear(coordinator, &member->timer);
    table_remove(&coordinator->members, &member->by_id);
    if (member->instance_id.ptr != NULL) {
        table_remove(&coordinator->instances, &member->by_instance);
    }
    list_remove(&member->in_group);
    group->pending_count -= member->pending;
    group->member_count -= !member->pending;
    group->joined_count -= member->join.there;
    group->pending_sync_count -= member->pending_sync;
    if (group->leader == member) {
        group->leader = member_next_leader(group);
    }
    text_free(&member->id);
    text_free(&member->instance_id);
    text_free(&member->client_id);
    text_free(&member->client_host);
    member_assignment_drop(member);
    free(member);
}

void member_assignment_drop(struct group_member *member)
{
    text_free(&member->assignment);
    text_free(&member->target);
}

void member_rename(struct group_coordinator *coordinator, struct group_member *member,
                   struct bytes id)
{
    table_remove(&coordinator->members, &member->by_id);
    text_set(&member->id, id);
    table_add(&coordinator->members, &member->by_id, name_hash(member->group, id));
}

void member_heard(struct group_coordinator *coordinator, struct group_member *member)
{
    group_timer_set(coordinator, &member->timer,
                    coordinator->now_ms + (uint64_t)member->session_timeout_ms);
}

int16_t member_check(const struct group_coordinator *coordinator, const struct group *group,
                     struct bytes id, struct chain instance_id, struct group_member **member)
{
    *member = member_find(coordinator, group, id);
    if (!chain_is_null(instance_id)) {
        struct bytes instance = text_copy_chain(instance_id);
        const struct group_member *owner = member_by_instance(coordinator, group, instance);
        text_free(&instance);
        if (owner == NULL) {
            return ERROR_UNKNOWN_MEMBER_ID;
        }
        if (owner != *member) {
            return ERROR_FENCED_INSTANCE_ID;
        }
    }
    return *member == NULL || (*member)->pending ? ERROR_UNKNOWN_MEMBER_ID : ERROR_NONE;
}

/* --- the group as a whole -----------------------------------------------------------------------
 */

int32_t group_rebalance_timeout_ms(const struct group *group)
{
    int32_t longest = 0;
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        const struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        if (!member->pending && member->rebalance_timeout_ms > longest) {
            longest = member->rebalance_timeout_ms;
        }
    }
    return longest;
}

uint64_t group_record_bytes(const struct group *group)
{
    enum { MEMBER_BYTES = 40 }; /* Beside its texts. */
    uint64_t bytes = (uint64_t)group->id.len + group->protocol_type.len + group->protocol_name.len +
                     (group->leader == NULL ? 0 : group->leader->id.len);
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        const struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        bytes += (uint64_t)MEMBER_BYTES + member->id.len + member->instance_id.len +
                 member->client_id.len + member->client_host.len +
                 member_metadata(member, group->protocol_name).len;
    }
    return bytes;
}

bool group_all_joined(const struct group *group)
{
    return group->joined_count == group->member_count && group->pending_count == 0;
}

bool group_of_consumers(const struct group *group)
{
    return group->protocol_type.ptr != NULL &&
           bytes_equal(group->protocol_type, bytes_of_string("consumer"));
}

static int topics_order(const void *a, const void *b)
{
    return text_order(*(const struct bytes *)a, *(const struct bytes *)b);
}

static void topics_clear(struct group *group)
{
    for (uint32_t i = 0; i < group->topic_count; i++) {
        text_free(&group->topics[i]);
    }
    free(group->topics);
    group->topics = NULL;
    group->topic_count = 0;
    group->topics_known = false;
}

/* False: this is not what consumers write. Version 0 is how all later ones begin. */
static bool topics_add(struct group *group, uint32_t *capacity, struct bytes metadata)
{
    struct reader reader;
    struct consumer_protocol_subscription subscription;
    reader_init(&reader, chain_of(&metadata));
    const int16_t version = reader_i16(&reader);
    if (consumer_protocol_subscription_decode(&reader, 0, &subscription) != CODEC_OK ||
        version < 0) {
        return false;
    }
    struct chain topic;
    while (string_array_next(&subscription.topics, &topic)) {
        if (group->topic_count == *capacity) {
            *capacity = *capacity == 0 ? 8 : *capacity * 2;
            group->topics = realloc(group->topics, *capacity * sizeof(struct bytes));
            ASSERT(group->topics != NULL);
        }
        group->topics[group->topic_count++] = text_copy_chain(topic);
    }
    return true;
}

void group_topics_learn(struct group *group)
{
    topics_clear(group);
    if (!group_of_consumers(group) ||
        (group->member_count > 0 && group->protocol_name.ptr == NULL)) {
        return;
    }
    uint32_t capacity = 0;
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        const struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        if (!member->pending &&
            !topics_add(group, &capacity, member_metadata(member, group->protocol_name))) {
            topics_clear(group);
            return;
        }
    }
    if (group->topic_count > 1) {
        qsort(group->topics, group->topic_count, sizeof(struct bytes), topics_order);
    }
    group->topics_known = true;
}

bool group_wants_topic(const struct group *group, struct bytes topic)
{
    if (group->consumer != NULL) {
        return consumer_group_wants(group, topic);
    }
    return group->topics_known ? text_within(topic, group->topics, group->topic_count)
                               : group_of_consumers(group);
}
