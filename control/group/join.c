#include <stdio.h>

#include "control/group/consumer.h"

enum {
    VERSION_WITH_KNOWN_ID = 4,   /* JoinGroup: a first answer tells the id, KIP-394. */
    VERSION_SKIPS_ASSIGNMENT = 9 /* JoinGroup: KIP-814. */
};

/* A join on its way through. */
struct join {
    struct group_coordinator *coordinator;
    const struct group_event *event;
    struct group_update *update;
    struct group *group;
    struct bytes member_id;
    struct bytes instance_id; /* ptr NULL: none. */
    struct group_parked to;
};

static const struct join_group_request *join_request(const struct join *join)
{
    return join->event->join;
}

static void refuse(struct join *join, int16_t error_code, struct bytes member_id)
{
    join_refuse(join->update, &join->to, error_code, member_id);
}

/* "<client or instance id>-<uuid>" */
static struct bytes id_make(struct join *join)
{
    const struct bytes before =
        join->instance_id.ptr != NULL ? join->instance_id : join->event->client_id;
    uint8_t b[16];
    memcpy(b, join->event->random.bytes, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* Version 4, RFC 9562. */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    char *text = arena_take(join->update->arena, (size_t)before.len + 40);
    if (before.len > 0) {
        memcpy(text, before.ptr, before.len);
    }
    (void)snprintf(text + before.len, 40,
                   "-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
    return (struct bytes){(const uint8_t *)text, before.len + 37};
}

/* Who does not say how long it may take is given its session, as when a record does not say. */
static int32_t rebalance_timeout_ms(const struct join *join)
{
    const int32_t told_ms =
        join->event->version == 0 ? -1 : join_request(join)->rebalance_timeout_ms;
    return told_ms == -1 ? join_request(join)->session_timeout_ms : told_ms;
}

/* What the request says of the member, and that it waits for the generation. */
static void member_update(struct join *join, struct group_member *member)
{
    member_protocols_set(join->coordinator, member->group, &member->protocols,
                         join_request(join)->protocols);
    member->rebalance_timeout_ms = rebalance_timeout_ms(join);
    member->session_timeout_ms = join_request(join)->session_timeout_ms;
}

static void member_park(struct join *join, struct group_member *member)
{
    join_end(join->update, member, ERROR_REBALANCE_IN_PROGRESS, member->id); /* An older request. */
    member->join = join->to;
    join->group->joined_count++;
}

/* member: NULL, or the pending one that came back. */
static void member_add(struct join *join, struct group_member *member, struct bytes id)
{
    struct group *group = join->group;
    if (member == NULL) {
        member = member_new(join->coordinator, group, id);
    }
    if (group->member_count == 0) {
        text_free(&group->protocol_type);
        group->protocol_type = text_copy_chain(join_request(join)->protocol_type);
    }
    if (group->state == GROUP_PREPARING && group->previous_state == GROUP_EMPTY) {
        group->newcomer = true;
    }
    member->client_id = text_copy(join->event->client_id);
    member->client_host = text_copy(join->event->client_host);
    member_instance_set(join->coordinator, member, join->instance_id);
    member_enter(join->coordinator, member);
    member_update(join, member);
    member_park(join, member);
    member->is_new = true;
    group_timer_set(join->coordinator, &member->timer,
                    join->coordinator->now_ms + NEW_MEMBER_JOIN_MS_MAX);
    rebalance_go_on(join->coordinator, group, join->update);
}

static void member_rejoin(struct join *join, struct group_member *member)
{
    member_update(join, member);
    member_park(join, member);
    rebalance_go_on(join->coordinator, join->group, join->update);
}

/* Whether the group fits into one record with what a static member says now. */
static bool replaced_fits(const struct join *join, const struct group_member *replaced)
{
    const struct group *group = join->group;
    uint64_t bytes = group_record_bytes(group) + join->instance_id.len;
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        bytes += CONTAINER_OF(at, struct group_member, in_group)->assignment.len;
    }
    struct join_group_request_protocol_array protocols = join_request(join)->protocols;
    struct join_group_request_protocol protocol;
    while (join_group_request_protocol_array_next(&protocols, &protocol)) {
        if (chain_equals(protocol.name, group->protocol_name)) {
            bytes += protocol.metadata.len;
        }
    }
    return bytes - member_metadata(replaced, group->protocol_name).len <= GROUP_RECORD_BYTES_MAX;
}

/* A static member is back under a new id; what the old one waits for is fenced. */
static void static_replace(struct join *join, struct group_member *member)
{
    struct group *group = join->group;
    const struct bytes old_id = arena_copy(join->update->arena, member->id);
    const struct bytes leader =
        group->leader == member ? old_id : arena_copy(join->update->arena, group->leader->id);
    join_end(join->update, member, ERROR_FENCED_INSTANCE_ID, old_id);
    sync_end(join->update, member, ERROR_FENCED_INSTANCE_ID);
    member_rename(join->coordinator, member, id_make(join));
    member->is_new = false;
    member_heard(join->coordinator, member);
    member_update(join, member);
    if (group->state == GROUP_STABLE &&
        bytes_equal(group->protocol_name, group_protocol_choose(join->coordinator, group))) {
        const bool is_leader = group->leader == member;
        const bool skips = join->to.version >= VERSION_SKIPS_ASSIGNMENT;
        record_group(join->update, group);
        /* An old client must not find that it leads: it would hand in assignments. */
        join_tell(join->update, &join->to, member, skips ? group->leader->id : leader,
                  skips && is_leader, skips && is_leader);
        return;
    }
    member_park(join, member);
    if (group->state == GROUP_PREPARING) {
        rebalance_complete_if_ready(join->coordinator, group, join->update);
    } else {
        rebalance_prepare(join->coordinator, group, join->update);
    }
}

static void join_new_member(struct join *join)
{
    if (!group_takes_protocols(join->update, join->coordinator, join->group, join_request(join))) {
        refuse(join, ERROR_INCONSISTENT_GROUP_PROTOCOL, bytes_of_string(""));
        return;
    }
    if (join->instance_id.ptr != NULL) {
        struct group_member *known =
            member_by_instance(join->coordinator, join->group, join->instance_id);
        if (known != NULL && join->group->state == GROUP_STABLE && !replaced_fits(join, known)) {
            refuse(join, ERROR_UNKNOWN_SERVER_ERROR,
                   bytes_of_string("")); /* As a log that refuses it. */
        } else if (known != NULL) {
            static_replace(join, known);
        } else {
            member_add(join, NULL, id_make(join));
        }
        return;
    }
    const struct bytes id = id_make(join);
    if (join->event->version < VERSION_WITH_KNOWN_ID) {
        member_add(join, NULL, id);
        return;
    }
    struct group_member *member = member_new(join->coordinator, join->group, id);
    member->session_timeout_ms = join_request(join)->session_timeout_ms;
    member_heard(join->coordinator, member);
    refuse(join, ERROR_MEMBER_ID_REQUIRED, id);
}

static void join_known_member(struct join *join, struct group_member *member)
{
    const struct group *group = join->group;
    const bool same = member_protocols_equal(&member->protocols, join_request(join)->protocols);
    const bool is_leader = group->leader == member;
    if (group->state == GROUP_COMPLETING && same) {
        /* Its answer was lost. */
        join_tell(join->update, &join->to, member, group->leader->id, is_leader, false);
    } else if (group->state == GROUP_STABLE && same && !is_leader) {
        join_tell(join->update, &join->to, member, group->leader->id, false, false);
    } else {
        member_rejoin(join, member);
    }
}

static void join_old_member(struct join *join)
{
    if (!group_takes_protocols(join->update, join->coordinator, join->group, join_request(join))) {
        refuse(join, ERROR_INCONSISTENT_GROUP_PROTOCOL, join->member_id);
        return;
    }
    struct group_member *member;
    const int16_t error = member_check(join->coordinator, join->group, join->member_id,
                                       join_request(join)->group_instance_id, &member);
    if (member != NULL && member->pending && join->instance_id.ptr == NULL) {
        member_add(join, member, member->id);
    } else if (error != ERROR_NONE) {
        refuse(join, error, join->member_id);
    } else {
        join_known_member(join, member);
    }
}

/* Whether there is a place for it; see acceptJoiningMember in Kafka for why who waits counts. */
static bool accepts(const struct join *join, const struct group_member *member)
{
    const struct group *group = join->group;
    const uint32_t most = min_u32(join->coordinator->settings->members_max, GROUP_MEMBERS_MAX);
    const bool is_member = member != NULL && !member->pending;
    if (group->state == GROUP_EMPTY) {
        return group->pending_count < GROUP_MEMBERS_MAX;
    }
    if (group->state == GROUP_PREPARING) {
        return (is_member && member->join.there) ||
               (group->joined_count < most && group->pending_count < GROUP_MEMBERS_MAX);
    }
    return is_member || (group->member_count < most && group->pending_count < GROUP_MEMBERS_MAX);
}

static void join_group(struct join *join)
{
    struct group_member *member = member_find(join->coordinator, join->group, join->member_id);
    if (!accepts(join, member)) {
        if (member != NULL) {
            member_remove(join->coordinator, member);
        }
        refuse(join, ERROR_GROUP_MAX_SIZE_REACHED, bytes_of_string(""));
    } else if (join->member_id.len == 0) {
        join_new_member(join);
    } else {
        join_old_member(join);
    }
}

/* A consumer group without members is no more when somebody joins it the classic way. */
static bool classic_again(struct join *join)
{
    if (join->member_id.len > 0) {
        return false;
    }
    record_group_gone(join->update, join->group);
    consumer_group_drop(join->coordinator, join->group);
    return true;
}

void join_step(struct group_coordinator *coordinator, const struct group_event *event,
               struct group_update *update)
{
    const struct join_group_request *request = event->join;
    struct join join = {.coordinator = coordinator,
                        .event = event,
                        .update = update,
                        .member_id = update_text(update, request->member_id),
                        .instance_id = update_text(update, request->group_instance_id),
                        .to = {true, event->token, event->version}};
    if (request->group_id.len == 0) {
        refuse(&join, ERROR_INVALID_GROUP_ID, join.member_id);
        return;
    }
    if (request->session_timeout_ms < coordinator->settings->session_timeout_ms_min ||
        request->session_timeout_ms > coordinator->settings->session_timeout_ms_max) {
        refuse(&join, ERROR_INVALID_SESSION_TIMEOUT, join.member_id);
        return;
    }
    const struct bytes group_id = update_text(update, request->group_id);
    join.group = group_find(coordinator, group_id);
    const bool made = join.group == NULL;
    if (made && join.member_id.len > 0) {
        refuse(&join, ERROR_UNKNOWN_MEMBER_ID, join.member_id);
        return;
    }
    if (made) {
        join.group = group_add(coordinator, group_id);
    } else if (join.group->consumer != NULL && join.group->consumer->member_count > 0) {
        mixed_join(coordinator, join.group, event, rebalance_timeout_ms(&join), update);
        return;
    } else if (join.group->consumer != NULL && !classic_again(&join)) {
        refuse(&join, ERROR_UNKNOWN_MEMBER_ID, join.member_id);
        return;
    }
    join_group(&join);
    if (made && update->record_count == 0) {
        record_group_empty(update, join.group);
    }
}
