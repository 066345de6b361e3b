#include "control/group/consumer.h"

/* --- answers ------------------------------------------------------------------------------------
 */

void join_refuse(struct group_update *update, const struct group_parked *to, int16_t error_code,
                 struct bytes member_id)
{
    struct join_group_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = join_group_response_default;
    answer->error_code = error_code;
    answer->member_id =
        update_chain(update, member_id.ptr == NULL ? bytes_of_string("") : member_id);
    /* Kafka: null only from version 7 on, empty before. */
    answer->protocol_name = to->version >= 7 ? CHAIN_NULL : CHAIN_EMPTY;
    update_reply(update, GROUP_JOIN, to, answer);
}

void join_end(struct group_update *update, struct group_member *member, int16_t error_code,
              struct bytes member_id)
{
    if (member->join.there) {
        member->join.there = false;
        member->group->joined_count--;
        join_refuse(update, &member->join, error_code, member_id);
    }
}

static struct join_group_response_member_array members_told(struct group_update *update,
                                                            const struct group *group)
{
    struct join_group_response_member *items =
        ARENA_ARRAY(update->arena, struct join_group_response_member, group->member_count);
    int32_t count = 0;
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        const struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        if (!member->pending) {
            items[count++] = (struct join_group_response_member){
                update_chain(update, member->id), update_chain(update, member->instance_id),
                update_chain(update, member_metadata(member, group->protocol_name))};
        }
    }
    return (struct join_group_response_member_array){.items = items, .count = count};
}

void join_tell(struct group_update *update, const struct group_parked *to,
               const struct group_member *member, struct bytes leader, bool with_members,
               bool skip_assignment)
{
    const struct group *group = member->group;
    struct join_group_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = join_group_response_default;
    answer->generation_id = group->generation;
    answer->protocol_type = update_chain(update, group->protocol_type);
    answer->protocol_name = update_chain(update, group->protocol_name);
    answer->leader = update_chain(update, leader);
    answer->member_id = update_chain(update, member->id);
    answer->skip_assignment = skip_assignment;
    if (with_members) {
        answer->members = members_told(update, group);
    }
    update_reply(update, GROUP_JOIN, to, answer);
}

void sync_tell(struct group_update *update, const struct group_parked *to,
               const struct group_member *member, int16_t error_code)
{
    struct sync_group_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = sync_group_response_default;
    answer->error_code = error_code;
    if (error_code == ERROR_NONE) {
        answer->protocol_type = update_chain(update, member->group->protocol_type);
        answer->protocol_name = update_chain(update, member->group->protocol_name);
        answer->assignment = update_chain(
            update, member->assignment.ptr == NULL ? bytes_of_string("") : member->assignment);
    }
    update_reply(update, GROUP_SYNC, to, answer);
}

void sync_end(struct group_update *update, struct group_member *member, int16_t error_code)
{
    if (member->sync.there) {
        member->sync.there = false;
        sync_tell(update, &member->sync, member, error_code);
    }
}

/* --- the sync phase -----------------------------------------------------------------------------
 */

void sync_asked(struct group_coordinator *coordinator, struct group_member *member)
{
    struct group *group = member->group;
    group->pending_sync_count -= member->pending_sync;
    member->pending_sync = false;
    if (group->pending_sync_count == 0) {
        group_timer_clear(coordinator, &group->timer_sync);
    }
}

static void sync_phase_over(struct group_coordinator *coordinator, struct group *group)
{
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        CONTAINER_OF(at, struct group_member, in_group)->pending_sync = false;
    }
    group->pending_sync_count = 0;
    group_timer_clear(coordinator, &group->timer_sync);
}

/* Nobody gets what the leader would have handed in. */
static void syncs_cancel(struct group_coordinator *coordinator, struct group *group,
                         struct group_update *update)
{
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        member_assignment_drop(member);
        if (member->sync.there) {
            sync_end(update, member, ERROR_REBALANCE_IN_PROGRESS);
            member_heard(coordinator, member);
        }
    }
}

static void members_out_of_sync_remove(struct group_coordinator *coordinator, struct group *group)
{
    struct list_node *at = group->members.head.next;
    while (at != &group->members.head) {
        struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        at = at->next;
        if (member->pending_sync) {
            member_remove(coordinator, member);
        }
    }
}

/* --- the join phase -----------------------------------------------------------------------------
 */

static void join_wait(struct group_coordinator *coordinator, struct group *group)
{
    group->initial = false;
    group_timer_set(coordinator, &group->timer_join,
                    coordinator->now_ms + (uint64_t)group_rebalance_timeout_ms(group));
}

void rebalance_prepare(struct group_coordinator *coordinator, struct group *group,
                       struct group_update *update)
{
    if (group->state == GROUP_COMPLETING) {
        syncs_cancel(coordinator, group, update);
    }
    sync_phase_over(coordinator, group);
    const bool initial = group->state == GROUP_EMPTY;
    group_state_set(coordinator, group, GROUP_PREPARING);
    if (initial) {
        const int32_t delay_ms = coordinator->settings->initial_rebalance_delay_ms;
        const int32_t longest_ms = group_rebalance_timeout_ms(group);
        group->initial = true;
        group->newcomer = false;
        group->delay_ms = delay_ms;
        group->delay_left_ms = longest_ms > delay_ms ? longest_ms - delay_ms : 0;
        group_timer_set(coordinator, &group->timer_join, coordinator->now_ms + (uint64_t)delay_ms);
    } else if (group_all_joined(group)) {
        rebalance_complete(coordinator, group, update);
    } else {
        join_wait(coordinator, group);
    }
}

void rebalance_complete_if_ready(struct group_coordinator *coordinator, struct group *group,
                                 struct group_update *update)
{
    if (group->state == GROUP_PREPARING && group->previous_state != GROUP_EMPTY &&
        group_all_joined(group)) {
        rebalance_complete(coordinator, group, update);
    }
}

void rebalance_go_on(struct group_coordinator *coordinator, struct group *group,
                     struct group_update *update)
{
    if (group->state == GROUP_PREPARING) {
        rebalance_complete_if_ready(coordinator, group, update);
    } else {
        rebalance_prepare(coordinator, group, update);
    }
}

/* Dynamic members that did not come back are out; static ones keep their place. */
static void members_away_remove(struct group_coordinator *coordinator, struct group *group)
{
    struct list_node *at = group->members.head.next;
    while (at != &group->members.head) {
        struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        at = at->next;
        if (!member->pending && !member->join.there && member->instance_id.ptr == NULL) {
            member_remove(coordinator, member);
        }
    }
}

/* The leader is one that has joined. False: nobody has. */
static bool leader_elect(struct group *group)
{
    if (group->leader == NULL || group->leader->join.there) {
        return group->leader != NULL;
    }
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        if (member->join.there) {
            group->leader = member;
            return true;
        }
    }
    return false;
}

static void generation_tell(struct group_coordinator *coordinator, struct group *group,
                            struct group_update *update)
{
    const struct bytes leader = group->leader->id;
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        if (member->pending) {
            continue;
        }
        if (member->join.there) {
            member->join.there = false;
            group->joined_count--;
            join_tell(update, &member->join, member, leader, member == group->leader, false);
        }
        member_heard(coordinator, member);
        member->is_new = false;
        member->pending_sync = true;
        group->pending_sync_count++;
    }
    group_timer_set(coordinator, &group->timer_sync,
                    coordinator->now_ms + (uint64_t)group_rebalance_timeout_ms(group));
}

void rebalance_complete(struct group_coordinator *coordinator, struct group *group,
                        struct group_update *update)
{
    group_timer_clear(coordinator, &group->timer_join);
    members_away_remove(coordinator, group);
    if (!leader_elect(group) && group->member_count > 0) {
        join_wait(coordinator, group); /* Until the sessions of those who are away end, too. */
        return;
    }
    group->generation = group->generation == INT32_MAX ? 0 : group->generation + 1;
    sync_phase_over(coordinator, group);
    if (group->member_count == 0) {
        text_free(&group->protocol_name);
        group_topics_learn(group);
        group_state_set(coordinator, group, GROUP_EMPTY);
        record_group(update, group);
        return;
    }
    text_set(&group->protocol_name, group_protocol_choose(coordinator, group));
    group_topics_learn(group);
    group_state_set(coordinator, group, GROUP_COMPLETING);
    generation_tell(coordinator, group, update);
}

/* --- timers -------------------------------------------------------------------------------------
 */

static void join_timer_fire(struct group_coordinator *coordinator, struct group *group,
                            struct group_update *update)
{
    if (!group->initial || !group->newcomer || group->delay_left_ms == 0) {
        rebalance_complete(coordinator, group, update);
        return;
    }
    const int32_t left_ms = group->delay_left_ms;
    const int32_t before_ms = group->delay_ms;
    const int32_t most_ms = coordinator->settings->initial_rebalance_delay_ms;
    group->newcomer = false;
    group->delay_ms = left_ms < most_ms ? left_ms : most_ms;
    group->delay_left_ms = left_ms > before_ms ? left_ms - before_ms : 0;
    group_timer_set(coordinator, &group->timer_join,
                    coordinator->now_ms + (uint64_t)group->delay_ms);
}

static void sync_timer_fire(struct group_coordinator *coordinator, struct group *group,
                            struct group_update *update)
{
    ASSERT(group->state == GROUP_COMPLETING || group->state == GROUP_STABLE);
    members_out_of_sync_remove(coordinator, group);
    rebalance_prepare(coordinator, group, update);
}

static void member_timer_fire(struct group_coordinator *coordinator, struct group_member *member,
                              struct group_update *update)
{
    struct group *group = member->group;
    /* Who waits for an answer cannot send heartbeats; new ones come again when they are alive. */
    if (!member->pending && !member->is_new && (member->join.there || member->sync.there)) {
        return;
    }
    const bool was_pending = member->pending;
    join_end(update, member, ERROR_UNKNOWN_MEMBER_ID, bytes_of_string(""));
    member_remove(coordinator, member);
    if (group->state == GROUP_PREPARING) {
        if (group_all_joined(group)) {
            rebalance_complete(coordinator, group, update);
        }
    } else if (!was_pending) {
        rebalance_go_on(coordinator, group, update);
    }
}

static const struct group *timer_group(struct group_timer *timer)
{
    switch (timer->kind) {
    case TIMER_MEMBER: return CONTAINER_OF(timer, struct group_member, timer)->group;
    case TIMER_JOIN: return CONTAINER_OF(timer, struct group, timer_join);
    case TIMER_SYNC: return CONTAINER_OF(timer, struct group, timer_sync);
    case TIMER_SESSION: return CONTAINER_OF(timer, struct consumer_member, session)->group;
    case TIMER_REVOCATION: return CONTAINER_OF(timer, struct consumer_member, revocation)->group;
    case TIMER_MIXED_JOIN: return CONTAINER_OF(timer, struct consumer_classic, join)->member->group;
    case TIMER_MIXED_SYNC: break;
    }
    return CONTAINER_OF(timer, struct consumer_classic, sync)->member->group;
}

uint32_t group_timer_fire(struct group_coordinator *coordinator, struct group_timer *timer,
                          struct group_update *update)
{
    const uint32_t members = group_members(timer_group(timer));
    group_timer_clear(coordinator, timer);
    switch (timer->kind) {
    case TIMER_MEMBER:
        member_timer_fire(coordinator, CONTAINER_OF(timer, struct group_member, timer), update);
        break;
    case TIMER_JOIN:
        join_timer_fire(coordinator, CONTAINER_OF(timer, struct group, timer_join), update);
        break;
    case TIMER_SYNC:
        sync_timer_fire(coordinator, CONTAINER_OF(timer, struct group, timer_sync), update);
        break;
    case TIMER_SESSION:
        consumer_member_fence(coordinator, CONTAINER_OF(timer, struct consumer_member, session),
                              update);
        break;
    case TIMER_MIXED_JOIN:
        consumer_member_fence(coordinator,
                              CONTAINER_OF(timer, struct consumer_classic, join)->member, update);
        break;
    case TIMER_MIXED_SYNC:
        consumer_member_fence(coordinator,
                              CONTAINER_OF(timer, struct consumer_classic, sync)->member, update);
        break;
    case TIMER_REVOCATION:
        consumer_revocation_timeout(
            coordinator, CONTAINER_OF(timer, struct consumer_member, revocation), update);
        break;
    }
    return members;
}
