#include "control/group/consumer.h"

#include <stdlib.h>

/* --- lists of texts -----------------------------------------------------------------------------
 */

bool text_list_equal(struct text_list a, struct text_list b)
{
    bool equal = a.count == b.count;
    for (uint32_t i = 0; equal && i < a.count; i++) {
        equal = bytes_equal(a.items[i], b.items[i]);
    }
    return equal;
}

bool text_list_has(struct text_list list, struct bytes text)
{
    return text_within(text, list.items, list.count);
}

static void text_list_free(struct text_list *owned)
{
    for (uint32_t i = 0; i < owned->count; i++) {
        text_free(&owned->items[i]);
    }
    free(owned->items);
    *owned = (struct text_list){0};
}

void text_list_keep(struct text_list *owned, struct text_list list)
{
    struct text_list copy = {NULL, list.count};
    if (list.count > 0) {
        copy.items = malloc(list.count * sizeof(copy.items[0]));
        ASSERT(copy.items != NULL);
    }
    for (uint32_t i = 0; i < list.count; i++) {
        copy.items[i] = text_copy(list.items[i]);
    }
    text_list_free(owned);
    *owned = copy;
}

static int texts_order(const void *a, const void *b)
{
    return text_order(*(const struct bytes *)a, *(const struct bytes *)b);
}

struct text_list text_list_read(struct arena *arena, struct string_array from)
{
    struct text_list list = {ARENA_ARRAY(arena, struct bytes, from.count), 0};
    struct chain text;
    while (string_array_next(&from, &text)) {
        list.items[list.count++] = arena_flat(arena, text);
    }
    if (list.count < 2) {
        return list;
    }
    qsort(list.items, list.count, sizeof(list.items[0]), texts_order);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < list.count; i++) {
        if (!bytes_equal(list.items[kept - 1], list.items[i])) {
            list.items[kept++] = list.items[i];
        }
    }
    list.count = kept;
    return list;
}

/* --- regular expressions ------------------------------------------------------------------------
 */

struct consumer_regex *consumer_regex_find(const struct group *group, struct bytes text)
{
    const struct list *list = &group->consumer->regexes;
    for (struct list_node *at = list->head.next; at != &list->head; at = at->next) {
        struct consumer_regex *regex = CONTAINER_OF(at, struct consumer_regex, in_group);
        if (bytes_equal(regex->text, text)) {
            return regex;
        }
    }
    return NULL;
}

struct consumer_regex *consumer_regex_at(struct group *group, struct bytes text)
{
    struct consumer_regex *regex = consumer_regex_find(group, text);
    if (regex == NULL) {
        regex = calloc(1, sizeof(*regex));
        ASSERT(regex != NULL);
        regex->text = text_copy(text);
        list_push_back(&group->consumer->regexes, &regex->in_group);
    }
    return regex;
}

void consumer_regex_drop(struct group *group, struct consumer_regex *regex)
{
    (void)group;
    ASSERT(regex->members == 0);
    list_remove(&regex->in_group);
    text_list_free(&regex->topics);
    text_free(&regex->text);
    free(regex);
}

void consumer_member_regex_set(struct consumer_member *member, struct bytes text)
{
    if (member->regex != NULL) {
        member->regex->members--;
    }
    member->regex = text.len == 0 ? NULL : consumer_regex_at(member->group, text);
    if (member->regex != NULL) {
        member->regex->members++;
    }
}

/* --- who has what -------------------------------------------------------------------------------
 */

static uint64_t place_hash(const struct group *group, const struct topic_partition *place)
{
    return table_hash((struct bytes){(const uint8_t *)place, sizeof(*place)}, group->node.hash);
}

static struct consumer_owner *owner_find(const struct group_coordinator *coordinator,
                                         const struct group *group,
                                         const struct topic_partition *place)
{
    struct table_node *node = table_first(&coordinator->consumer_owners, place_hash(group, place));
    for (; node != NULL; node = table_next(node)) {
        struct consumer_owner *owner = CONTAINER_OF(node, struct consumer_owner, node);
        if (owner->group == group && topic_partition_order(&owner->place, place) == 0) {
            return owner;
        }
    }
    return NULL;
}

const struct consumer_member *consumer_owner_of(const struct group_coordinator *coordinator,
                                                const struct group *group,
                                                const struct topic_partition *place)
{
    const struct consumer_owner *owner = owner_find(coordinator, group, place);
    return owner == NULL ? NULL : owner->member;
}

static void owners_clear(struct group_coordinator *coordinator, struct consumer_member *member,
                         struct partition_set set)
{
    for (uint32_t i = 0; i < set.count; i++) {
        struct consumer_owner *owner = owner_find(coordinator, member->group, &set.items[i]);
        if (owner != NULL && owner->member == member) {
            table_remove(&coordinator->consumer_owners, &owner->node);
            free(owner);
        }
    }
}

/* Records that contradict each other may give a partition twice: the later one counts. */
static void owners_set(struct group_coordinator *coordinator, struct consumer_member *member,
                       struct partition_set set)
{
    for (uint32_t i = 0; i < set.count; i++) {
        struct consumer_owner *owner = owner_find(coordinator, member->group, &set.items[i]);
        if (owner == NULL) {
            owner = calloc(1, sizeof(*owner));
            ASSERT(owner != NULL);
            owner->group = member->group;
            owner->place = set.items[i];
            table_add(&coordinator->consumer_owners, &owner->node,
                      place_hash(member->group, &owner->place));
        }
        owner->member = member;
    }
}

void consumer_member_assign(struct group_coordinator *coordinator, struct consumer_member *member,
                            struct partition_set assigned, struct partition_set revoking)
{
    owners_clear(coordinator, member, member->assigned);
    owners_clear(coordinator, member, member->revoking);
    owners_set(coordinator, member, assigned);
    owners_set(coordinator, member, revoking);
    partition_set_keep(&member->assigned, assigned);
    partition_set_keep(&member->revoking, revoking);
}

/* --- members ------------------------------------------------------------------------------------
 */

static uint64_t name_hash(const struct group *group, struct bytes name)
{
    return table_hash(name, group->node.hash);
}

struct consumer_member *consumer_member_find(const struct group_coordinator *coordinator,
                                             const struct group *group, struct bytes id)
{
    struct table_node *node = table_first(&coordinator->consumer_members, name_hash(group, id));
    for (; node != NULL; node = table_next(node)) {
        struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, by_id);
        if (member->group == group && bytes_equal(member->id, id)) {
            return member;
        }
    }
    return NULL;
}

struct consumer_member *consumer_member_by_instance(const struct group_coordinator *coordinator,
                                                    const struct group *group,
                                                    struct bytes instance_id)
{
    struct table_node *node =
        table_first(&coordinator->consumer_instances, name_hash(group, instance_id));
    for (; node != NULL; node = table_next(node)) {
        struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, by_instance);
        if (member->group == group && bytes_equal(member->instance_id, instance_id)) {
            return member;
        }
    }
    return NULL;
}

struct consumer_member *consumer_member_new(struct group_coordinator *coordinator,
                                            struct group *group, struct bytes id)
{
    struct consumer_member *member = calloc(1, sizeof(*member));
    ASSERT(member != NULL);
    member->group = group;
    member->id = text_copy(id);
    member->rebalance_timeout_ms = -1;
    member->session.kind = TIMER_SESSION;
    member->revocation.kind = TIMER_REVOCATION;
    table_add(&coordinator->consumer_members, &member->by_id, name_hash(group, id));
    list_push_back(&group->consumer->members, &member->in_group);
    group->consumer->member_count++;
    return member;
}

void consumer_member_rename(struct group_coordinator *coordinator, struct consumer_member *member,
                            struct bytes id)
{
    table_remove(&coordinator->consumer_members, &member->by_id);
    text_set(&member->id, id);
    table_add(&coordinator->consumer_members, &member->by_id, name_hash(member->group, id));
    /* As if it had come now, which is what its records say. */
    list_remove(&member->in_group);
    list_push_back(&member->group->consumer->members, &member->in_group);
}

void consumer_member_instance_set(struct group_coordinator *coordinator,
                                  struct consumer_member *member, struct bytes instance_id)
{
    if (member->instance_id.ptr != NULL) {
        table_remove(&coordinator->consumer_instances, &member->by_instance);
    }
    text_set(&member->instance_id, instance_id);
    if (instance_id.ptr != NULL) {
        table_add(&coordinator->consumer_instances, &member->by_instance,
                  name_hash(member->group, instance_id));
    }
}

void consumer_member_remove(struct group_coordinator *coordinator, struct consumer_member *member)
{
    const struct partition_set none = {0};
    consumer_member_assign(coordinator, member, none, none);
    consumer_member_regex_set(member, (struct bytes){0});
    consumer_member_instance_set(coordinator, member, (struct bytes){0});
    consumer_member_classic_end(coordinator, member);
    group_timer_clear(coordinator, &member->session);
    group_timer_clear(coordinator, &member->revocation);
    table_remove(&coordinator->consumer_members, &member->by_id);
    list_remove(&member->in_group);
    member->group->consumer->member_count--;
    partition_set_free(&member->target);
    text_list_free(&member->topics);
    text_free(&member->id);
    text_free(&member->rack_id);
    text_free(&member->client_id);
    text_free(&member->client_host);
    text_free(&member->assignor);
    free(member);
}

/* --- groups -------------------------------------------------------------------------------------
 */

struct consumer_group *consumer_group_make(struct group *group)
{
    if (group->consumer == NULL) {
        group->consumer = calloc(1, sizeof(*group->consumer));
        ASSERT(group->consumer != NULL);
        list_init(&group->consumer->members);
        list_init(&group->consumer->regexes);
        group->consumer->topics_version = -1;
        group->consumer->regexes_created = REGEXES_NEVER_RESOLVED;
    }
    return group->consumer;
}

void group_become_consumer(struct group_coordinator *coordinator, struct group *group)
{
    ASSERT(group->state == GROUP_EMPTY);
    while (!list_empty(&group->members)) { /* Those who have an id and have not come back. */
        member_remove(coordinator,
                      CONTAINER_OF(group->members.head.next, struct group_member, in_group));
    }
    text_free(&group->protocol_type);
    text_free(&group->protocol_name);
    group->generation = 0;
    group_topics_learn(group);
    consumer_group_make(group);
}

void consumer_group_drop(struct group_coordinator *coordinator, struct group *group)
{
    struct consumer_group *consumer = group->consumer;
    if (consumer == NULL) {
        return;
    }
    while (!list_empty(&consumer->members)) {
        consumer_member_remove(coordinator, CONTAINER_OF(consumer->members.head.next,
                                                         struct consumer_member, in_group));
    }
    while (!list_empty(&consumer->regexes)) {
        consumer_regex_drop(
            group, CONTAINER_OF(consumer->regexes.head.next, struct consumer_regex, in_group));
    }
    free(consumer);
    group->consumer = NULL;
}

enum group_shown consumer_group_shown(const struct group *group)
{
    const struct consumer_group *consumer = group->consumer;
    if (consumer->member_count == 0) {
        return GROUP_SHOWN_EMPTY;
    }
    if (consumer->epoch > consumer->target_epoch) {
        return GROUP_SHOWN_ASSIGNING;
    }
    for (struct list_node *at = consumer->members.head.next; at != &consumer->members.head;
         at = at->next) {
        const struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        if (member->state != MEMBER_STABLE || member->epoch != consumer->target_epoch) {
            return GROUP_SHOWN_RECONCILING;
        }
    }
    return GROUP_SHOWN_STABLE;
}

const char *consumer_group_state(const struct group *group)
{
    return group_shown_name(consumer_group_shown(group));
}

static void member_invariants(const struct group_coordinator *coordinator,
                              const struct consumer_member *member)
{
    const struct consumer_group *consumer = member->group->consumer;
    ASSERT(consumer_member_find(coordinator, member->group, member->id) == member);
    ASSERT(member->instance_id.ptr == NULL ||
           consumer_member_by_instance(coordinator, member->group, member->instance_id) == member);
    ASSERT(member->epoch <= consumer->epoch && member->epoch >= EPOCH_LEAVE_STATIC);
    ASSERT(!partition_set_meets(member->assigned, member->revoking));
    ASSERT(member->classic == NULL || member->revocation.place == 0);
    ASSERT(member->classic == NULL || member->classic->protocols.count > 0);
    ASSERT(!member->leaves);
    ASSERT(member->revocation.place == 0 || member->session.place != 0);
}

void consumer_group_invariants(const struct group_coordinator *coordinator,
                               const struct group *group)
{
    const struct consumer_group *consumer = group->consumer;
    uint32_t members = 0;
    uint32_t wanting = 0;
    uint32_t classic = 0;
    ASSERT(group->state == GROUP_EMPTY && list_empty(&group->members));
    ASSERT(consumer->target_epoch <= consumer->epoch);
    for (struct list_node *at = consumer->members.head.next; at != &consumer->members.head;
         at = at->next) {
        const struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        ASSERT(member->group == group);
        member_invariants(coordinator, member);
        members++;
        wanting += member->regex != NULL;
        classic += member->classic != NULL;
    }
    for (struct list_node *at = consumer->regexes.head.next; at != &consumer->regexes.head;
         at = at->next) {
        wanting -= CONTAINER_OF(at, struct consumer_regex, in_group)->members;
    }
    ASSERT(members == consumer->member_count && wanting == 0);
    ASSERT(classic == consumer->classic_count);
}
