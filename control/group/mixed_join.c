#include "control/group/embedded.h"

/* JoinGroup to a consumer group that has members. */

enum { VERSION_WITH_KNOWN_ID = 4 }; /* A first answer tells the id, KIP-394. */

struct mixed_join {
    struct group_coordinator *coordinator;
    const struct group_event *event;
    const struct join_group_request *request;
    struct group_update *update;
    struct group *group;
    struct group_parked to;
    struct bytes member_id;
    struct bytes instance_id; /* ptr NULL: none. */
    int32_t rebalance_timeout_ms;
    struct embedded_subscription subscription;
    struct consumer_member *member; /* NULL: it is new. */
    bool replaces;                  /* The member is a static one that is back under a new id. */
    bool downgrades;                /* With it the group has classic members only. */
};

/* --- what is asked of it ------------------------------------------------------------------------
 */

static bool is_unknown(const struct mixed_join *join)
{
    return join->request->member_id.len == 0;
}

static bool is_full(const struct mixed_join *join)
{
    return join->group->consumer->member_count >=
               min_u32(join->coordinator->settings->consumer_members_max, GROUP_MEMBERS_MAX) &&
           consumer_member_find(join->coordinator, join->group, join->member_id) == NULL;
}

/* Whether all classic members know one of its protocols. */
static bool takes_protocols(const struct mixed_join *join)
{
    if (!chain_equals(join->request->protocol_type, bytes_of_string("consumer"))) {
        return false;
    }
    const uint32_t all = join->group->consumer->classic_count;
    struct join_group_request_protocol_array protocols = join->request->protocols;
    struct join_group_request_protocol protocol;
    while (join_group_request_protocol_array_next(&protocols, &protocol)) {
        const struct group_protocol *known = group_protocol_find(
            join->coordinator, join->group, update_text(join->update, protocol.name));
        if ((known == NULL ? 0 : known->members) == all) {
            return true;
        }
    }
    return false;
}

static int16_t member_take(struct mixed_join *join)
{
    struct consumer_member *same =
        consumer_member_find(join->coordinator, join->group, join->member_id);
    if (join->instance_id.ptr == NULL) {
        join->member = same;
        return ERROR_NONE;
    }
    if (!is_unknown(join)) {
        return mixed_member_find(join->coordinator, join->group, join->member_id, join->instance_id,
                                 &join->member);
    }
    join->member = consumer_member_by_instance(join->coordinator, join->group, join->instance_id);
    join->replaces = join->member != NULL;
    return ERROR_NONE;
}

static bool subscription_take(struct mixed_join *join)
{
    struct join_group_request_protocol_array protocols = join->request->protocols;
    struct join_group_request_protocol first;
    if (!join_group_request_protocol_array_next(&protocols, &first)) {
        return false;
    }
    const struct bytes metadata = update_text(join->update, first.metadata);
    return embedded_subscription_read(join->coordinator, join->update->arena, &metadata,
                                      &join->subscription);
}

/* Whether what is to be written of the member fits into one record. */
static bool member_fits(const struct mixed_join *join)
{
    enum { MEMBER_BYTES = 64, TEXT_BYTES = 5 }; /* Beside their texts. */
    uint64_t bytes = (uint64_t)MEMBER_BYTES + join->group->id.len + join->member_id.len +
                     join->instance_id.len + join->event->client_id.len +
                     join->event->client_host.len + join->subscription.rack_id.len;
    if (join->member != NULL) {
        bytes += (uint64_t)join->member->rack_id.len + join->member->assignor.len;
    }
    for (uint32_t i = 0; i < join->subscription.topics.count; i++) {
        bytes += (uint64_t)TEXT_BYTES + join->subscription.topics.items[i].len;
    }
    struct join_group_request_protocol_array protocols = join->request->protocols;
    struct join_group_request_protocol protocol;
    while (join_group_request_protocol_array_next(&protocols, &protocol)) {
        bytes += 2U * TEXT_BYTES + protocol.name.len + protocol.metadata.len;
    }
    return bytes <= GROUP_RECORD_BYTES_MAX;
}

/* Whether what everybody is to have with it fits into records. */
static bool wish_fits(const struct mixed_join *join)
{
    const struct consumer_member none = {0};
    const struct consumer_member *known = join->member == NULL ? &none : join->member;
    const struct consumer_wish wish = {
        .member = join->member,
        .id = join->member_id,
        .instance_id = join->instance_id.ptr == NULL ? known->instance_id : join->instance_id,
        .topics = join->subscription.topics,
        .assignor = known->assignor,
    };
    return consumer_wish_fits(join->coordinator, join->update->arena, join->group, &wish);
}

static int16_t join_check(struct mixed_join *join)
{
    if (is_full(join)) {
        return ERROR_GROUP_MAX_SIZE_REACHED;
    }
    if (!takes_protocols(join)) {
        return ERROR_INCONSISTENT_GROUP_PROTOCOL;
    }
    if (is_unknown(join) && join->instance_id.ptr == NULL &&
        join->event->version >= VERSION_WITH_KNOWN_ID) {
        return ERROR_MEMBER_ID_REQUIRED; /* Any id may join, so it need not be remembered. */
    }
    const int16_t error = member_take(join);
    if (error != ERROR_NONE) {
        return error;
    }
    return subscription_take(join) && member_fits(join) && wish_fits(join)
               ? ERROR_NONE
               : ERROR_UNKNOWN_SERVER_ERROR;
}

/* --- what it does -------------------------------------------------------------------------------
 */

/* True: it is another one than before. */
static bool classic_update(struct mixed_join *join)
{
    struct consumer_member *member = join->member;
    const bool was = member->classic != NULL;
    struct consumer_classic *classic = consumer_member_classic_begin(join->coordinator, member);
    if (was && classic->session_timeout_ms == join->request->session_timeout_ms &&
        member_protocols_equal(&classic->protocols, join->request->protocols)) {
        return false;
    }
    classic->session_timeout_ms = join->request->session_timeout_ms;
    member_protocols_set(join->coordinator, join->group, &classic->protocols,
                         join->request->protocols);
    return true;
}

static bool others_update(struct mixed_join *join)
{
    struct consumer_member *member = join->member;
    const struct bytes none = bytes_of_string("");
    const struct bytes client_id = join->event->client_id;
    const struct bytes client_host = join->event->client_host;
    const struct bytes rack_id = join->subscription.rack_id;
    bool changed = !member->is_written;
    if (join->instance_id.ptr != NULL && !bytes_equal(join->instance_id, member->instance_id)) {
        consumer_member_instance_set(join->coordinator, member, join->instance_id);
        changed = true;
    }
    changed |= rack_id.ptr != NULL && consumer_text_update(&member->rack_id, rack_id);
    changed |= consumer_text_update(&member->client_id, client_id.ptr == NULL ? none : client_id);
    changed |=
        consumer_text_update(&member->client_host, client_host.ptr == NULL ? none : client_host);
    if (join->rebalance_timeout_ms != member->rebalance_timeout_ms) {
        member->rebalance_timeout_ms = join->rebalance_timeout_ms;
        changed = true;
    }
    return classic_update(join) || changed;
}

/* True: it wants other topics than before. */
static bool member_update(struct mixed_join *join)
{
    struct consumer_member *member = join->member;
    struct consumer_regex *regex = member->regex; /* Of the one that it replaces. */
    const bool others = others_update(join);
    const bool names = !text_list_equal(join->subscription.topics, member->topics);
    if (names) {
        text_list_keep(&member->topics, join->subscription.topics);
    }
    consumer_member_regex_set(member, (struct bytes){0});
    if (others || names || regex != NULL) {
        member->is_written = true;
        record_consumer_member(join->update, member);
    }
    consumer_regex_release(join->group, regex, join->update);
    return names || regex != NULL;
}

static void tell(struct mixed_join *join)
{
    struct join_group_response *answer = arena_take(join->update->arena, sizeof(*answer));
    *answer = join_group_response_default;
    answer->generation_id = join->member->epoch;
    answer->protocol_type = CHAIN_TEXT("consumer");
    answer->protocol_name =
        update_chain(join->update, join->member->classic->protocols.items[0].protocol->name);
    answer->member_id = update_chain(join->update, join->member->id);
    update_reply(join->update, GROUP_JOIN, &join->to, answer);
}

static void member_begin(struct mixed_join *join)
{
    join->downgrades = join->instance_id.ptr != NULL && join->member != NULL &&
                       consumer_downgrade_due(join->coordinator, join->group, join->member);
    if (join->member == NULL) {
        join->member = consumer_member_new(join->coordinator, join->group, join->member_id);
    } else if (join->replaces) {
        consumer_member_replace(join->coordinator, join->member, join->member_id, join->update);
    }
}

/* As long as it waits to be asked for its assignment nobody waits for its join. */
static void waits_begin(struct mixed_join *join)
{
    struct consumer_classic *classic = join->member->classic;
    group_timer_clear(join->coordinator, &classic->join);
    group_timer_set(join->coordinator, &classic->sync,
                    join->coordinator->now_ms + (uint64_t)max_i64(join->rebalance_timeout_ms, 0));
    consumer_member_heard(join->coordinator, join->member);
}

static void take_part(struct mixed_join *join)
{
    struct group_coordinator *coordinator = join->coordinator;
    struct group *group = join->group;
    const int32_t epoch = group->consumer->epoch;
    member_begin(join);
    const bool changed = member_update(join);
    const bool bump = consumer_regexes_refresh(coordinator, group, join->update) || changed;
    consumer_epoch_update(coordinator, group, bump, join->update);
    /* Now that all is known of it: whether there is room in the record of the classic group. */
    join->downgrades = join->downgrades && consumer_downgrade_due(coordinator, group, NULL);
    if ((!join->downgrades && !consumer_target_update(coordinator, group, join->update)) ||
        ((!join->downgrades || !changed) &&
         consumer_member_reconcile(coordinator, join->member, changed, &join->subscription.owned,
                                   join->update) == CONSUMER_TOO_LARGE)) {
        consumer_member_heard(coordinator, join->member);
        join_refuse(join->update, &join->to, ERROR_UNKNOWN_SERVER_ERROR, bytes_of_string(""));
        return;
    }
    tell(join);
    if (!join->downgrades) {
        waits_begin(join);
        return;
    }
    /* In the generation before what the member has changed: the others are in that one. */
    consumer_downgrade(coordinator, group, epoch, changed, join->update);
}

void mixed_join(struct group_coordinator *coordinator, struct group *group,
                const struct group_event *event, int32_t rebalance_timeout_ms,
                struct group_update *update)
{
    const struct join_group_request *request = event->join;
    struct mixed_join join = {.coordinator = coordinator,
                              .event = event,
                              .request = request,
                              .update = update,
                              .group = group,
                              .to = {true, event->token, event->version},
                              .member_id = update_text(update, request->member_id),
                              .instance_id = update_text(update, request->group_instance_id),
                              .rebalance_timeout_ms = rebalance_timeout_ms};
    if (is_unknown(&join)) {
        join.member_id = consumer_random_id(update->arena, event->random);
    }
    const int16_t error = join_check(&join);
    if (error != ERROR_NONE) {
        join_refuse(update, &join.to, error,
                    error == ERROR_MEMBER_ID_REQUIRED ? join.member_id : bytes_of_string(""));
        return;
    }
    take_part(&join);
}
