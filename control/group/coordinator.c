#include <stdlib.h>

#include "control/group/consumer.h"

/* --- timers: a binary heap ----------------------------------------------------------------------
 */

static bool timer_before(const struct group_timer *a, const struct group_timer *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void heap_put(struct group_coordinator *coordinator, uint32_t place,
                     struct group_timer *timer)
{
    coordinator->heap[place - 1] = timer;
    timer->place = place;
}

static void heap_up(struct group_coordinator *coordinator, struct group_timer *timer)
{
    uint32_t place = timer->place;
    while (place > 1 && timer_before(timer, coordinator->heap[place / 2 - 1])) {
        heap_put(coordinator, place, coordinator->heap[place / 2 - 1]);
        place /= 2;
    }
    heap_put(coordinator, place, timer);
}

static void heap_down(struct group_coordinator *coordinator, struct group_timer *timer)
{
    uint32_t place = timer->place;
    for (;;) {
        uint32_t child = place * 2;
        if (child > coordinator->heap_count) {
            break;
        }
        if (child < coordinator->heap_count &&
            timer_before(coordinator->heap[child], coordinator->heap[child - 1])) {
            child++;
        }
        if (!timer_before(coordinator->heap[child - 1], timer)) {
            break;
        }
        heap_put(coordinator, place, coordinator->heap[child - 1]);
        place = child;
    }
    heap_put(coordinator, place, timer);
}

void group_timer_set(struct group_coordinator *coordinator, struct group_timer *timer,
                     uint64_t at_ms)
{
    timer->at_ms = at_ms;
    timer->order = ++coordinator->timer_order;
    if (timer->place == 0) {
        if (coordinator->heap_count == coordinator->heap_capacity) {
            coordinator->heap_capacity =
                coordinator->heap_capacity == 0 ? 64 : coordinator->heap_capacity * 2;
            coordinator->heap = realloc(coordinator->heap,
                                        coordinator->heap_capacity * sizeof(coordinator->heap[0]));
            ASSERT(coordinator->heap != NULL);
        }
        heap_put(coordinator, ++coordinator->heap_count, timer);
    }
    heap_up(coordinator, timer);
    heap_down(coordinator, timer);
}

void group_timer_clear(struct group_coordinator *coordinator, struct group_timer *timer)
{
    if (timer->place == 0) {
        return;
    }
    const uint32_t place = timer->place;
    struct group_timer *last = coordinator->heap[--coordinator->heap_count];
    timer->place = 0;
    if (last != timer) {
        heap_put(coordinator, place, last);
        heap_up(coordinator, last);
        heap_down(coordinator, last);
    }
}

uint64_t group_coordinator_deadline_ms(const struct group_coordinator *coordinator)
{
    return coordinator->heap_count == 0 ? UINT64_MAX : coordinator->heap[0]->at_ms;
}

/* --- groups -------------------------------------------------------------------------------------
 */

struct group *group_find(const struct group_coordinator *coordinator, struct bytes id)
{
    struct table_node *node = table_first(&coordinator->groups, table_hash(id, coordinator->seed));
    for (; node != NULL; node = table_next(node)) {
        struct group *group = CONTAINER_OF(node, struct group, node);
        if (bytes_equal(group->id, id)) {
            return group;
        }
    }
    return NULL;
}

struct group *group_add(struct group_coordinator *coordinator, struct bytes id)
{
    struct group *group = calloc(1, sizeof(*group));
    ASSERT(group != NULL);
    group->id = text_copy(id.ptr == NULL ? bytes_of_string("") : id);
    group->state_since_ms = coordinator->wall_ms;
    group->made = ++coordinator->groups_made;
    list_init(&group->members);
    list_init(&group->protocols);
    list_init(&group->offsets);
    group->timer_join.kind = TIMER_JOIN;
    group->timer_sync.kind = TIMER_SYNC;
    table_add(&coordinator->groups, &group->node, table_hash(id, coordinator->seed));
    list_push_back(&coordinator->group_list, &group->in_coordinator);
    return group;
}

static void topics_forget(struct group *group)
{
    for (uint32_t i = 0; i < group->topic_count; i++) {
        text_free(&group->topics[i]);
    }
    free(group->topics);
}

void group_remove(struct group_coordinator *coordinator, struct group *group)
{
    while (!list_empty(&group->members)) {
        member_remove(coordinator,
                      CONTAINER_OF(group->members.head.next, struct group_member, in_group));
    }
    consumer_group_drop(coordinator, group);
    ASSERT(list_empty(&group->offsets) && list_empty(&group->protocols));
    group_timer_clear(coordinator, &group->timer_join);
    group_timer_clear(coordinator, &group->timer_sync);
    looks_past_group(coordinator, group);
    walks_past_group(coordinator, group);
    table_remove(&coordinator->groups, &group->node);
    list_remove(&group->in_coordinator);
    topics_forget(group);
    text_free(&group->id);
    text_free(&group->protocol_type);
    text_free(&group->protocol_name);
    free(group);
}

const struct group_config *group_config_find(const struct group_settings *settings,
                                             struct bytes group_id)
{
    uint32_t low = 0;
    uint32_t high = settings->config_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = text_order(settings->configs[middle].group_id, group_id);
        if (order == 0) {
            return &settings->configs[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

bool group_is_empty(const struct group *group)
{
    return group->state == GROUP_EMPTY &&
           (group->consumer == NULL || group->consumer->member_count == 0);
}

const char *group_state_name(enum group_state state)
{
    switch (state) {
    case GROUP_EMPTY: return "Empty";
    case GROUP_PREPARING: return "PreparingRebalance";
    case GROUP_COMPLETING: return "CompletingRebalance";
    case GROUP_STABLE: return "Stable";
    }
    ASSERT(false);
}

/* Where each state may come from. */
static bool state_follows(enum group_state from, enum group_state to)
{
    switch (to) {
    case GROUP_EMPTY: return from == GROUP_PREPARING;
    case GROUP_PREPARING: return from != GROUP_PREPARING;
    case GROUP_COMPLETING: return from == GROUP_PREPARING;
    case GROUP_STABLE: return from == GROUP_COMPLETING;
    }
    return false;
}

void group_state_set(struct group_coordinator *coordinator, struct group *group,
                     enum group_state state)
{
    ASSERT(state_follows(group->state, state));
    group->previous_state = group->state;
    group->state = state;
    group->state_since_ms = coordinator->wall_ms;
}

/* --- the coordinator
 * ----------------------------------------------------------------------------------
 */

struct group_coordinator *group_coordinator_new(const struct group_settings *settings,
                                                uint64_t hash_seed)
{
    struct group_coordinator *coordinator = calloc(1, sizeof(*coordinator));
    ASSERT(coordinator != NULL);
    coordinator->settings = settings;
    coordinator->seed = hash_seed;
    coordinator->wall_ms = WALL_NONE;
    list_init(&coordinator->group_list);
    list_init(&coordinator->walks);
    list_init(&coordinator->deletion_list);
    return coordinator;
}

void group_coordinator_free(struct group_coordinator *coordinator)
{
    if (coordinator == NULL) {
        return;
    }
    while (!list_empty(&coordinator->group_list)) {
        struct group *group =
            CONTAINER_OF(coordinator->group_list.head.next, struct group, in_coordinator);
        while (!list_empty(&group->offsets)) {
            offset_drop(coordinator,
                        CONTAINER_OF(group->offsets.head.next, struct group_offset, in_group));
        }
        group_remove(coordinator, group);
    }
    while (!list_empty(&coordinator->walks)) {
        walk_free(CONTAINER_OF(coordinator->walks.head.next, struct group_walk, in_coordinator));
    }
    deletions_free(coordinator);
    ASSERT(coordinator->producers.count == 0 && coordinator->members.count == 0 &&
           coordinator->consumer_owners.count == 0 && coordinator->heap_count == 0);
    table_free(&coordinator->groups);
    table_free(&coordinator->members);
    table_free(&coordinator->instances);
    table_free(&coordinator->protocols);
    table_free(&coordinator->offsets);
    table_free(&coordinator->producers);
    table_free(&coordinator->consumer_members);
    table_free(&coordinator->consumer_instances);
    table_free(&coordinator->consumer_owners);
    free(coordinator->heap);
    free(coordinator);
}

struct group_counts group_coordinator_counts(const struct group_coordinator *coordinator)
{
    struct group_counts counts = {.groups = coordinator->groups.count,
                                  .offsets = coordinator->offset_count,
                                  .rebalances = coordinator->rebalances,
                                  .commits = coordinator->commits,
                                  .expirations = coordinator->expirations};
    for (struct list_node *at = coordinator->group_list.head.next;
         at != &coordinator->group_list.head; at = at->next) {
        const struct group *group = CONTAINER_OF(at, struct group, in_coordinator);
        counts.members += group_members(group);
        counts.states[group_shown_state(group)]++;
    }
    return counts;
}

static void member_invariants(const struct group_coordinator *coordinator,
                              const struct group *group, const struct group_member *member)
{
    ASSERT(member->group == group && member_find(coordinator, group, member->id) == member);
    ASSERT(member->instance_id.ptr == NULL ||
           member_by_instance(coordinator, group, member->instance_id) == member);
    ASSERT(!member->pending || (!member->join.there && member != group->leader));
    ASSERT(!member->sync.there || group->state == GROUP_COMPLETING);
    ASSERT(!member->join.there || group->state == GROUP_PREPARING);
}

static void group_invariants(const struct group_coordinator *coordinator, const struct group *group)
{
    uint32_t members = 0;
    uint32_t pending = 0;
    uint32_t joined = 0;
    uint32_t pending_sync = 0;
    bool leader_there = group->leader == NULL;
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        const struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        member_invariants(coordinator, group, member);
        members += !member->pending;
        pending += member->pending;
        joined += member->join.there;
        pending_sync += member->pending_sync;
        leader_there = leader_there || member == group->leader;
    }
    ASSERT(members == group->member_count && pending == group->pending_count);
    ASSERT(joined == group->joined_count && pending_sync == group->pending_sync_count);
    ASSERT(leader_there && (group->leader != NULL) == (members > 0));
    ASSERT((group->state == GROUP_EMPTY) <= (members == 0));
    ASSERT(group->state == GROUP_PREPARING || group->state == GROUP_EMPTY || members > 0);
    ASSERT(group->state == GROUP_PREPARING || group->state == GROUP_EMPTY ||
           (group->protocol_name.ptr != NULL && group->protocol_type.ptr != NULL));
    ASSERT((group->state == GROUP_PREPARING) == (group->timer_join.place != 0));
    ASSERT(group->pending_sync_count == 0 || group->timer_sync.place != 0);
}

void group_coordinator_invariants(const struct group_coordinator *coordinator)
{
    uint32_t groups = 0;
    for (struct list_node *at = coordinator->group_list.head.next;
         at != &coordinator->group_list.head; at = at->next) {
        const struct group *group = CONTAINER_OF(at, struct group, in_coordinator);
        group_invariants(coordinator, group);
        if (group->consumer != NULL) {
            consumer_group_invariants(coordinator, group);
        }
        groups++;
    }
    ASSERT(groups == coordinator->groups.count);
    for (uint32_t i = 0; i < coordinator->heap_count; i++) {
        ASSERT(coordinator->heap[i]->place == i + 1);
        ASSERT(i == 0 || !timer_before(coordinator->heap[i], coordinator->heap[(i + 1) / 2 - 1]));
    }
}
