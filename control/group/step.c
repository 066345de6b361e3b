#include "control/group/consumer.h"

static void time_step(struct group_coordinator *coordinator, const struct group_event *event,
                      struct group_update *update)
{
    uint32_t members = 0;
    for (uint32_t i = 0; i < TIMERS_PER_STEP_MAX && members < TIMER_MEMBERS_PER_STEP_MAX &&
                         group_coordinator_deadline_ms(coordinator) <= event->due_ms;
         i++) {
        members += group_timer_fire(coordinator, coordinator->heap[0], update);
    }
}

/* Nobody could be heard until now, so nobody was silent: all waits begin anew. */
static void group_resume(struct group_coordinator *coordinator, struct group *group,
                         struct group_update *update)
{
    if (group->consumer != NULL) {
        consumer_group_resume(coordinator, group);
        return;
    }
    const uint64_t rebalance_ms = (uint64_t)group_rebalance_timeout_ms(group);
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        if (member->is_new) {
            group_timer_set(coordinator, &member->timer,
                            coordinator->now_ms + NEW_MEMBER_JOIN_MS_MAX);
        } else {
            member_heard(coordinator, member);
        }
    }
    if (group->timer_join.place != 0) {
        const uint64_t wait_ms = group->initial ? (uint64_t)group->delay_ms : rebalance_ms;
        group_timer_set(coordinator, &group->timer_join, coordinator->now_ms + wait_ms);
    }
    if (group->timer_sync.place != 0) {
        group_timer_set(coordinator, &group->timer_sync, coordinator->now_ms + rebalance_ms);
    }
    if (group->member_count > min_u32(coordinator->settings->members_max, GROUP_MEMBERS_MAX) &&
        group->state != GROUP_PREPARING) {
        rebalance_prepare(coordinator, group, update); /* The bound was lowered: some must go. */
    }
}

static void resume_step(struct group_coordinator *coordinator, const struct group_event *event,
                        struct group_update *update)
{
    (void)event;
    for (struct list_node *at = coordinator->group_list.head.next;
         at != &coordinator->group_list.head; at = at->next) {
        group_resume(coordinator, CONTAINER_OF(at, struct group, in_coordinator), update);
    }
}

static void txn_ended_step(struct group_coordinator *coordinator, const struct group_event *event,
                           struct group_update *update)
{
    (void)update;
    offset_txn_end(coordinator, event->txn.producer_id, event->txn.committed);
}

static group_event_step *const steps[] = {
    [GROUP_JOIN] = join_step,
    [GROUP_SYNC] = sync_step,
    [GROUP_HEARTBEAT] = heartbeat_step,
    [GROUP_LEAVE] = leave_step,
    [GROUP_OFFSET_COMMIT] = offset_commit_step,
    [GROUP_TXN_OFFSET_COMMIT] = txn_offset_commit_step,
    [GROUP_OFFSET_DELETE] = offset_delete_step,
    [GROUP_OFFSET_FETCH] = offset_fetch_step,
    [GROUP_CONSUMER_HEARTBEAT] = consumer_heartbeat_step,
    [GROUP_CONSUMER_DESCRIBE] = consumer_describe_step,
    [GROUP_DESCRIBE] = describe_step,
    [GROUP_DELETE] = delete_step,
    [GROUP_LIST] = list_step,
    [GROUP_MORE] = more_step,
    [GROUP_TIME] = time_step,
    [GROUP_RESUME] = resume_step,
    [GROUP_EXPIRE] = expire_step,
    [GROUP_TXN_ENDED] = txn_ended_step,
    [GROUP_TOPIC_DELETED] = topic_deleted_step,
    [GROUP_SWEEP] = sweep_step,
    [GROUP_TXN_CLEAR] = txn_clear_step,
};

void group_step(struct group_coordinator *coordinator, const struct group_event *event,
                struct group_update *update)
{
    update->records = NULL;
    update->record_count = 0;
    update->record_capacity = 0;
    update->replies = NULL;
    update->reply_count = 0;
    update->reply_capacity = 0;
    update->walked = 0;
    update->producer_id = -1;
    update->producer_epoch = -1;
    coordinator->now_ms = max_u64(coordinator->now_ms, event->now_ms);
    coordinator->wall_ms = event->wall_ms;
    coordinator->all_topics = event->all_topics;
    steps[event->kind](coordinator, event, update);
}
