#include "control/group/embedded.h"

#include <stdlib.h>

/* Members of the classic protocol in a group of the consumer protocol: they synchronise, send
 * heartbeats and are reconciled like the others, but hear of what they are to do by
 * REBALANCE_IN_PROGRESS and tell what they have when they join again. Source of the rules:
 * GroupMetadataManager.java, classicGroup...ToConsumerGroup. */

struct consumer_classic *consumer_member_classic_begin(struct group_coordinator *coordinator,
                                                       struct consumer_member *member)
{
    if (member->classic == NULL) {
        struct consumer_classic *classic = calloc(1, sizeof(*classic));
        ASSERT(classic != NULL);
        classic->member = member;
        classic->join.kind = TIMER_MIXED_JOIN;
        classic->sync.kind = TIMER_MIXED_SYNC;
        member->classic = classic;
        member->group->consumer->classic_count++;
        group_timer_clear(coordinator, &member->revocation); /* The two timers take its place. */
    }
    return member->classic;
}

void consumer_member_classic_end(struct group_coordinator *coordinator,
                                 struct consumer_member *member)
{
    struct consumer_classic *classic = member->classic;
    if (classic == NULL) {
        return;
    }
    member_protocols_drop(coordinator, &classic->protocols);
    group_timer_clear(coordinator, &classic->join);
    group_timer_clear(coordinator, &classic->sync);
    free(classic);
    member->classic = NULL;
    member->group->consumer->classic_count--;
}

uint64_t classic_member_record_bytes(const struct group *group, const struct group_member *member)
{
    enum { MEMBER_BYTES = 64, PROTOCOL_BYTES = 10 }; /* Beside their texts. */
    uint64_t bytes = (uint64_t)MEMBER_BYTES + group->id.len + member->id.len +
                     member->instance_id.len + member->client_id.len + member->client_host.len;
    uint64_t longest = 0; /* Topics stand in the record once more. */
    for (uint32_t i = 0; i < member->protocols.count; i++) {
        const struct member_protocol *at = &member->protocols.items[i];
        bytes += (uint64_t)PROTOCOL_BYTES + at->protocol->name.len + at->metadata.len;
        longest = max_u64(longest, at->metadata.len);
    }
    return bytes + longest;
}

/* A wait that is under way goes on. */
static void join_wait(struct group_coordinator *coordinator, struct consumer_member *member)
{
    if (member->classic->join.place == 0) {
        group_timer_set(coordinator, &member->classic->join,
                        coordinator->now_ms + (uint64_t)max_i64(member->rebalance_timeout_ms, 0));
    }
}

void mixed_waits_resume(struct group_coordinator *coordinator, struct consumer_member *member)
{
    const uint64_t at_ms = coordinator->now_ms + (uint64_t)max_i64(member->rebalance_timeout_ms, 0);
    struct group_timer *const waits[] = {&member->classic->join, &member->classic->sync};
    for (uint32_t i = 0; i < ARRAY_SIZE(waits); i++) {
        if (waits[i]->place != 0) {
            group_timer_set(coordinator, waits[i], at_ms);
        }
    }
}

int16_t mixed_member_find(const struct group_coordinator *coordinator, const struct group *group,
                          struct bytes id, struct bytes instance_id,
                          struct consumer_member **member)
{
    if (instance_id.ptr == NULL) {
        *member = consumer_member_find(coordinator, group, id);
        return *member == NULL ? ERROR_UNKNOWN_MEMBER_ID : ERROR_NONE;
    }
    *member = consumer_member_by_instance(coordinator, group, instance_id);
    if (*member == NULL) {
        return ERROR_UNKNOWN_MEMBER_ID;
    }
    return bytes_equal((*member)->id, id) ? ERROR_NONE : ERROR_FENCED_INSTANCE_ID;
}

static int16_t member_take(const struct group_coordinator *coordinator, const struct group *group,
                           struct bytes id, struct bytes instance_id, int32_t generation,
                           struct consumer_member **member)
{
    const int16_t error = mixed_member_find(coordinator, group, id, instance_id, member);
    if (error != ERROR_NONE) {
        return error;
    }
    if ((*member)->classic == NULL) {
        return ERROR_UNKNOWN_MEMBER_ID;
    }
    return (*member)->epoch == generation ? ERROR_NONE : ERROR_ILLEGAL_GENERATION;
}

/* --- heartbeat ----------------------------------------------------------------------------------
 */

/* For partitions that others still have. */
static bool still_waits(const struct group_coordinator *coordinator,
                        const struct consumer_member *member)
{
    for (uint32_t i = 0; i < member->target.count; i++) {
        const struct topic_partition *at = &member->target.items[i];
        if (!partition_set_has(member->assigned, at->topic, at->partition) &&
            consumer_owner_of(coordinator, member->group, at) != NULL) {
            return true;
        }
    }
    return false;
}

int16_t mixed_heartbeat(struct group_coordinator *coordinator, const struct group *group,
                        const struct heartbeat_request *request, struct group_update *update)
{
    struct consumer_member *member;
    const int16_t error = member_take(coordinator, group, update_text(update, request->member_id),
                                      update_text(update, request->group_instance_id),
                                      request->generation_id, &member);
    if (error != ERROR_NONE) {
        return error;
    }
    consumer_member_heard(coordinator, member);
    if (member->epoch < group->consumer->epoch || member->state == MEMBER_UNREVOKED ||
        (member->state == MEMBER_UNRELEASED && !still_waits(coordinator, member))) {
        join_wait(coordinator, member);
        return ERROR_REBALANCE_IN_PROGRESS;
    }
    return ERROR_NONE;
}

/* --- sync ---------------------------------------------------------------------------------------
 */

static bool text_differs(struct chain told, struct bytes known)
{
    return !chain_is_null(told) && !chain_equals(told, known);
}

static int16_t sync_check(struct group_coordinator *coordinator, const struct group *group,
                          const struct sync_group_request *request, struct group_update *update,
                          struct consumer_member **member)
{
    const int16_t error = member_take(coordinator, group, update_text(update, request->member_id),
                                      update_text(update, request->group_instance_id),
                                      request->generation_id, member);
    if (error != ERROR_NONE) {
        return error;
    }
    const struct group_protocol *protocol = (*member)->classic->protocols.items[0].protocol;
    if (text_differs(request->protocol_type, bytes_of_string("consumer")) ||
        text_differs(request->protocol_name, protocol->name)) {
        return ERROR_INCONSISTENT_GROUP_PROTOCOL;
    }
    /* Who has yet to give up partitions has come for this epoch already. */
    if (group->consumer->epoch > (*member)->epoch && (*member)->state != MEMBER_UNREVOKED) {
        join_wait(coordinator, *member);
        return ERROR_REBALANCE_IN_PROGRESS;
    }
    return ERROR_NONE;
}

void mixed_sync(struct group_coordinator *coordinator, const struct group *group,
                const struct group_event *event, struct group_update *update)
{
    const struct sync_group_request *request = event->sync;
    const struct group_parked to = {true, event->token, event->version};
    struct consumer_member *member;
    const int16_t error = sync_check(coordinator, group, request, update, &member);
    if (error != ERROR_NONE) {
        sync_tell(update, &to, NULL, error);
        return;
    }
    group_timer_clear(coordinator, &member->classic->sync);
    consumer_member_heard(coordinator, member);
    struct sync_group_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = sync_group_response_default;
    answer->protocol_type = update_chain(update, update_text(update, request->protocol_type));
    answer->protocol_name = update_chain(update, update_text(update, request->protocol_name));
    answer->assignment = arena_chain(
        update->arena, embedded_assignment_write(coordinator, update->arena, member->assigned,
                                                 &member->classic->protocols.items[0].metadata));
    update_reply(update, GROUP_SYNC, &to, answer);
}
