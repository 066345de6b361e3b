#include "control/group/consumer.h"

static struct group_parked parked_of(const struct group_event *event)
{
    return (struct group_parked){true, event->token, event->version};
}

/* --- sync ---------------------------------------------------------------------------------------
 */

/* SyncGroup: both have to be named. */
enum { VERSION_WITH_PROTOCOL = 5 };

/* Only what both sides name can differ. */
static bool text_differs(struct chain told, struct bytes known)
{
    return !chain_is_null(told) && known.ptr != NULL && !chain_equals(told, known);
}

static bool sync_is_whole(const struct group_event *event)
{
    return event->version < VERSION_WITH_PROTOCOL || (!chain_is_null(event->sync->protocol_type) &&
                                                      !chain_is_null(event->sync->protocol_name));
}

static int16_t sync_check(struct group_coordinator *coordinator, const struct group *group,
                          const struct group_event *event, struct bytes member_id,
                          struct group_member **member)
{
    const struct sync_group_request *request = event->sync;
    if (!sync_is_whole(event)) {
        return ERROR_INCONSISTENT_GROUP_PROTOCOL;
    }
    if (request->group_id.len == 0) {
        return ERROR_INVALID_GROUP_ID;
    }
    if (group == NULL || group->state == GROUP_EMPTY) {
        return ERROR_UNKNOWN_MEMBER_ID;
    }
    const int16_t error =
        member_check(coordinator, group, member_id, request->group_instance_id, member);
    if (error != ERROR_NONE) {
        return error;
    }
    if (request->generation_id != group->generation) {
        return ERROR_ILLEGAL_GENERATION;
    }
    if (text_differs(request->protocol_type, group->protocol_type) ||
        text_differs(request->protocol_name, group->protocol_name)) {
        return ERROR_INCONSISTENT_GROUP_PROTOCOL;
    }
    return group->state == GROUP_PREPARING ? ERROR_REBALANCE_IN_PROGRESS : ERROR_NONE;
}

/* Whether the group with these assignments fits into one record. */
static bool assignments_fit(const struct group *group, const struct sync_group_request *request)
{
    uint64_t bytes = group_record_bytes(group);
    struct sync_group_request_assignment_array assignments = request->assignments;
    struct sync_group_request_assignment assignment;
    while (sync_group_request_assignment_array_next(&assignments, &assignment)) {
        bytes += assignment.assignment.len;
    }
    return bytes <= GROUP_RECORD_BYTES_MAX;
}

/* As Kafka when its log takes no record of that size: nobody has an assignment, and the group
 * comes together again. */
static void assignments_refuse(struct group_coordinator *coordinator, struct group *group,
                               struct group_update *update)
{
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        if (member->sync.there) {
            sync_end(update, member, ERROR_UNKNOWN_SERVER_ERROR);
            member_heard(coordinator, member);
        }
    }
    rebalance_prepare(coordinator, group, update);
}

/* The leader has decided: who is not named gets nothing. */
static void assignments_take(struct group_coordinator *coordinator, struct group *group,
                             const struct sync_group_request *request, struct group_update *update)
{
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        member_assignment_drop(CONTAINER_OF(at, struct group_member, in_group));
    }
    struct sync_group_request_assignment_array assignments = request->assignments;
    struct sync_group_request_assignment assignment;
    while (sync_group_request_assignment_array_next(&assignments, &assignment)) {
        struct group_member *member =
            member_find(coordinator, group, update_text(update, assignment.member_id));
        if (member != NULL && !member->pending) {
            text_free(&member->assignment);
            member->assignment = text_copy_chain(assignment.assignment);
        }
    }
    group_state_set(coordinator, group, GROUP_STABLE);
    coordinator->rebalances++;
    record_group(update, group);
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        if (member->sync.there) {
            sync_end(update, member, ERROR_NONE);
            member_heard(coordinator, member);
        }
    }
}

void sync_step(struct group_coordinator *coordinator, const struct group_event *event,
               struct group_update *update)
{
    const struct sync_group_request *request = event->sync;
    const struct group_parked to = parked_of(event);
    struct group *group = group_find(coordinator, update_text(update, request->group_id));
    struct group_member *member = NULL;
    if (group != NULL && group->consumer != NULL && sync_is_whole(event)) {
        mixed_sync(coordinator, group, event, update);
        return;
    }
    const int16_t error =
        sync_check(coordinator, group, event, update_text(update, request->member_id), &member);
    if (error != ERROR_NONE) {
        sync_tell(update, &to, NULL, error);
        return;
    }
    sync_asked(coordinator, member);
    if (group->state == GROUP_STABLE) {
        sync_tell(update, &to, member, ERROR_NONE);
        return;
    }
    sync_end(update, member, ERROR_REBALANCE_IN_PROGRESS); /* An older request. */
    member->sync = to;
    if (member == group->leader && assignments_fit(group, request)) {
        assignments_take(coordinator, group, request, update);
    } else if (member == group->leader) {
        assignments_refuse(coordinator, group, update);
    }
}

/* --- heartbeat ----------------------------------------------------------------------------------
 */

static int16_t heartbeat(struct group_coordinator *coordinator,
                         const struct heartbeat_request *request, struct group_update *update)
{
    if (request->group_id.len == 0) {
        return ERROR_INVALID_GROUP_ID;
    }
    const struct group *group = group_find(coordinator, update_text(update, request->group_id));
    if (group == NULL) {
        return ERROR_UNKNOWN_MEMBER_ID;
    }
    if (group->consumer != NULL) {
        return mixed_heartbeat(coordinator, group, request, update);
    }
    struct group_member *member;
    const int16_t error = member_check(coordinator, group, update_text(update, request->member_id),
                                       request->group_instance_id, &member);
    if (error != ERROR_NONE) {
        return error;
    }
    if (request->generation_id != group->generation) {
        return ERROR_ILLEGAL_GENERATION;
    }
    member_heard(coordinator, member);
    return group->state == GROUP_PREPARING ? ERROR_REBALANCE_IN_PROGRESS : ERROR_NONE;
}

void heartbeat_step(struct group_coordinator *coordinator, const struct group_event *event,
                    struct group_update *update)
{
    const struct group_parked to = parked_of(event);
    struct heartbeat_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = heartbeat_response_default;
    answer->error_code = heartbeat(coordinator, event->heartbeat, update);
    update_reply(update, GROUP_HEARTBEAT, &to, answer);
}

/* --- leave --------------------------------------------------------------------------------------
 */

static int16_t leave_one(struct group_coordinator *coordinator, const struct group *group,
                         struct group_update *update, struct chain member_id,
                         struct chain instance_id)
{
    const struct bytes id = update_text(update, member_id);
    struct group_member *member;
    if (group->consumer != NULL) {
        return consumer_leave_mark(coordinator, group, id, update_text(update, instance_id));
    }
    if (id.len == 0) { /* An administrator knows only the instance. */
        member = chain_is_null(instance_id)
                     ? NULL
                     : member_by_instance(coordinator, group, update_text(update, instance_id));
        if (member == NULL) {
            return ERROR_UNKNOWN_MEMBER_ID;
        }
    } else {
        const int16_t error = member_check(coordinator, group, id, instance_id, &member);
        if (error != ERROR_NONE && (member == NULL || !member->pending)) {
            return error;
        }
    }
    join_end(update, member, ERROR_UNKNOWN_MEMBER_ID, bytes_of_string(""));
    /* Who waits for its assignment and leaves on another connection. */
    sync_end(update, member, ERROR_UNKNOWN_MEMBER_ID);
    member_remove(coordinator, member);
    return ERROR_NONE;
}

/* Whoever is named leaves; the answer names them again. False: nobody did. */
static bool leave_all(struct group_coordinator *coordinator, struct group *group,
                      const struct group_event *event, struct group_update *update,
                      struct leave_group_response *answer)
{
    const struct leave_group_request *request = event->leave;
    if (event->version < 3) {
        answer->error_code =
            group == NULL ? ERROR_UNKNOWN_MEMBER_ID
                          : leave_one(coordinator, group, update, request->member_id, CHAIN_NULL);
        return answer->error_code == ERROR_NONE;
    }
    bool any = false;
    struct leave_group_request_member_array members = request->members;
    struct leave_group_request_member member;
    struct leave_group_response_member *items =
        ARENA_ARRAY(update->arena, struct leave_group_response_member, members.count);
    while (leave_group_request_member_array_next(&members, &member)) {
        const int16_t error = group == NULL ? ERROR_UNKNOWN_MEMBER_ID
                                            : leave_one(coordinator, group, update,
                                                        member.member_id, member.group_instance_id);
        items[answer->members.count++] = (struct leave_group_response_member){
            update_chain(update, update_text(update, member.member_id)),
            update_chain(update, update_text(update, member.group_instance_id)), error};
        any = any || error == ERROR_NONE;
    }
    answer->members.items = items;
    return any;
}

void leave_step(struct group_coordinator *coordinator, const struct group_event *event,
                struct group_update *update)
{
    const struct group_parked to = parked_of(event);
    struct leave_group_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = leave_group_response_default;
    if (event->leave->group_id.len == 0) {
        answer->error_code = ERROR_INVALID_GROUP_ID;
        update_reply(update, GROUP_LEAVE, &to, answer);
        return;
    }
    struct group *group = group_find(coordinator, update_text(update, event->leave->group_id));
    const bool any = leave_all(coordinator, group, event, update, answer);
    update_reply(update, GROUP_LEAVE, &to, answer);
    if (any && group->consumer != NULL) {
        consumer_leave_marked(coordinator, group, update);
    } else if (any && group->state != GROUP_EMPTY) {
        rebalance_go_on(coordinator, group, update);
    }
}
