#include "control/group/embedded.h"

/* --- whether ------------------------------------------------------------------------------------
 */

/* Whether there is one that all who stay know. Joins see to it; a log may say something else. */
static bool protocol_is_common(const struct group *group, uint32_t staying)
{
    const struct list *members = &group->consumer->members;
    const struct list *protocols = &group->protocols;
    for (struct list_node *at = protocols->head.next; at != &protocols->head; at = at->next) {
        CONTAINER_OF(at, struct group_protocol, in_group)->votes = 0;
    }
    uint64_t most = 0;
    for (struct list_node *at = members->head.next; at != &members->head; at = at->next) {
        const struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        for (uint32_t i = 0; !member->leaves && i < member->classic->protocols.count; i++) {
            most = max_u64(most, ++member->classic->protocols.items[i].protocol->votes);
        }
    }
    return most == staying;
}

/* What a member may have got when the group is a classic one takes in its record, at most: its
 * target as far as it is there already, and what it has beside that. */
static uint64_t places_bytes(const struct consumer_member *member)
{
    enum { PARTITION_BYTES = 4, TOPIC_BYTES = 260 };
    const struct partition_set sets[] = {member->target, member->assigned, member->revoking};
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < ARRAY_SIZE(sets); i++) {
        const struct topic_partition *last = NULL;
        for (uint32_t k = 0; k < sets[i].count; k++) {
            const struct topic_partition *at = &sets[i].items[k];
            if (i > 0 && partition_set_has(member->target, at->topic, at->partition)) {
                continue;
            }
            bytes += PARTITION_BYTES;
            bytes += last == NULL || !uuid_equal(last->topic, at->topic) ? TOPIC_BYTES : 0;
            last = at;
        }
    }
    return bytes;
}

/* Whether the record of the classic group has room for all who stay. */
static bool downgrade_fits(const struct group *group)
{
    enum { MEMBER_BYTES = 40 };
    const struct list *members = &group->consumer->members;
    uint64_t bytes = group->id.len;
    uint64_t leader = 0;
    uint64_t name = 0;
    for (struct list_node *at = members->head.next; at != &members->head; at = at->next) {
        const struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        uint64_t metadata = 0;
        for (uint32_t i = 0; !member->leaves && i < member->classic->protocols.count; i++) {
            const struct member_protocol *known = &member->classic->protocols.items[i];
            metadata = max_u64(metadata, known->metadata.len);
            name = max_u64(name, known->protocol->name.len);
        }
        leader = max_u64(leader, member->id.len);
        bytes += (uint64_t)MEMBER_BYTES + member->id.len + member->instance_id.len +
                 member->client_id.len + member->client_host.len + metadata + places_bytes(member);
    }
    return bytes + leader + name <= GROUP_RECORD_BYTES_MAX; /* Those of the group itself. */
}

bool consumer_downgrade_due(const struct group_coordinator *coordinator, const struct group *group,
                            const struct consumer_member *replaced)
{
    const struct group_settings *settings = coordinator->settings;
    const struct list *members = &group->consumer->members;
    uint32_t staying = 0;
    for (struct list_node *at = members->head.next; at != &members->head; at = at->next) {
        const struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        if (!member->leaves && member != replaced && member->classic == NULL) {
            return false;
        }
        staying += !member->leaves;
    }
    return staying > 0 && (replaced == NULL || replaced->classic == NULL) && settings->downgrades &&
           staying <= min_u32(settings->members_max, GROUP_MEMBERS_MAX) &&
           (replaced != NULL || (protocol_is_common(group, staying) && downgrade_fits(group)));
}

/* --- how ----------------------------------------------------------------------------------------
 */

static void member_downgrade(struct group_coordinator *coordinator, struct group *group,
                             const struct consumer_member *from)
{
    struct group_member *member = member_new(coordinator, group, from->id);
    member_instance_set(coordinator, member, from->instance_id);
    member->client_id = text_copy(from->client_id);
    member->client_host = text_copy(from->client_host);
    member->rebalance_timeout_ms = from->rebalance_timeout_ms;
    member->session_timeout_ms = from->classic->session_timeout_ms;
    member_protocols_copy(coordinator, group, &member->protocols, &from->classic->protocols);
    member_enter(coordinator, member);
    member_heard(coordinator, member);
}

/* What each has stays its own, also what it is about to give up: a group that goes back to the
 * consumer protocol before all have joined again takes that for what they have. Kafka writes what
 * each was to have, and tells it. */
static void assignments_write(struct group_coordinator *coordinator, struct group *group,
                              struct group_update *update)
{
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        const struct consumer_member *from = consumer_member_find(coordinator, group, member->id);
        const struct bytes subscription = member_metadata(member, group->protocol_name);
        const struct partition_set has =
            partition_set_or(update->arena, from->assigned, from->revoking);
        text_set(&member->assignment,
                 embedded_assignment_write(coordinator, update->arena, has, &subscription));
        if (!partition_set_equal(has, from->target)) {
            text_set(&member->target, embedded_assignment_write(coordinator, update->arena,
                                                                from->target, &subscription));
        }
    }
}

/* Their counts of protocols must be of classic members only when one is chosen. */
static void protocols_release(struct group_coordinator *coordinator, struct group *group)
{
    const struct list *members = &group->consumer->members;
    for (struct list_node *at = members->head.next; at != &members->head; at = at->next) {
        struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        if (member->classic != NULL) {
            member_protocols_drop(coordinator, &member->classic->protocols);
        }
    }
}

void consumer_downgrade(struct group_coordinator *coordinator, struct group *group,
                        int32_t generation, bool rebalance, struct group_update *update)
{
    const struct list *members = &group->consumer->members;
    const bool settled = consumer_group_shown(group) == GROUP_SHOWN_STABLE;
    record_consumer_group_gone(update, group);
    for (struct list_node *at = members->head.next; at != &members->head; at = at->next) {
        const struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        if (!member->leaves) {
            member_downgrade(coordinator, group, member);
        }
    }
    protocols_release(coordinator, group);
    group->protocol_type = text_copy(bytes_of_string("consumer"));
    text_set(&group->protocol_name, group_protocol_choose(coordinator, group));
    group->generation = generation;
    group->state = GROUP_STABLE;
    group->previous_state = GROUP_COMPLETING;
    group->state_since_ms = coordinator->wall_ms;
    assignments_write(coordinator, group, update);
    consumer_group_drop(coordinator, group);
    group_topics_learn(group);
    record_group(update, group);
    if (rebalance || !settled) { /* Else nobody would get what others were to give up. */
        rebalance_prepare(coordinator, group, update);
    }
}
