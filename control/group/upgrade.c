#include <stdlib.h>

#include "control/group/migrate.h"

/* Of the records of one upgrade, and so of what a step has to read and to write. Kafka writes them
 * as one batch, which fails from 1 MiB on. */
enum { UPGRADE_BYTES_MAX = 8 * 1024 * 1024 };

/* --- whether ------------------------------------------------------------------------------------
 */

static const char *policy_refuses(const struct group_coordinator *coordinator,
                                  const struct group *group)
{
    const struct group_settings *settings = coordinator->settings;
    if (!settings->upgrades) {
        return "may not be upgraded: group.consumer.migration.policy";
    }
    if (!group_of_consumers(group)) {
        return "is not one of consumers and cannot be upgraded";
    }
    if (group->member_count > min_u32(settings->consumer_members_max, GROUP_MEMBERS_MAX)) {
        return "has more members than a consumer group may have";
    }
    if (group->generation == INT32_MAX) {
        return "is in the last generation there is";
    }
    return NULL;
}

/* The protocol that was chosen, as long as all know it. */
static struct bytes protocol_common(struct group_coordinator *coordinator, struct group *group)
{
    const struct group_protocol *chosen =
        group->protocol_name.ptr == NULL
            ? NULL
            : group_protocol_find(coordinator, group, group->protocol_name);
    return chosen != NULL && chosen->members == group->member_count
               ? group->protocol_name
               : group_protocol_choose(coordinator, group);
}

static const char *member_read(const struct group_coordinator *coordinator, struct arena *arena,
                               struct bytes protocol, struct upgraded_member *to)
{
    const struct bytes metadata = member_metadata(to->from, protocol);
    switch (embedded_assignment_read(coordinator, arena, &to->from->assignment, &to->assigned)) {
    case EMBEDDED_OF_ANOTHER_ASSIGNOR: return "uses an assignor of its own, whose data would go";
    case EMBEDDED_MALFORMED: return "has an assignment that is none of consumers";
    case EMBEDDED_READ: break;
    }
    return embedded_subscription_read(coordinator, arena, &metadata, &to->subscription)
               ? NULL
               : "has a subscription that is none of consumers";
}

/* The leader of a classic group may have given a partition to two. */
static bool assigned_twice(struct arena *arena, const struct group_upgrade *upgrade)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < upgrade->count; i++) {
        total += upgrade->members[i].assigned.count;
    }
    struct partition_set all = {ARENA_ARRAY(arena, struct topic_partition, total), 0};
    for (uint32_t i = 0; i < upgrade->count; i++) {
        const struct partition_set *set = &upgrade->members[i].assigned;
        for (uint32_t k = 0; k < set->count; k++) {
            all.items[all.count++] = set->items[k];
        }
    }
    partition_set_sort(&all);
    return all.count < total;
}

int16_t group_upgrade_check(struct group_coordinator *coordinator, struct group *group,
                            struct group_update *update, struct group_upgrade *upgrade)
{
    *upgrade = (struct group_upgrade){.refused = policy_refuses(coordinator, group)};
    if (upgrade->refused != NULL) {
        return ERROR_GROUP_ID_NOT_FOUND;
    }
    upgrade->members = ARENA_ARRAY(update->arena, struct upgraded_member, group->member_count);
    const struct bytes protocol =
        group->member_count == 0 ? (struct bytes){0} : protocol_common(coordinator, group);
    bool fits = true;
    uint64_t bytes = 0;
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        const struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        if (member->pending) {
            continue;
        }
        struct upgraded_member *to = &upgrade->members[upgrade->count++];
        *to = (struct upgraded_member){.from = member};
        upgrade->refused = member_read(coordinator, update->arena, protocol, to);
        if (upgrade->refused != NULL) {
            return ERROR_GROUP_ID_NOT_FOUND;
        }
        const uint64_t places = partition_set_bytes(to->assigned);
        const uint64_t said = classic_member_record_bytes(group, member);
        fits = fits && said <= GROUP_RECORD_BYTES_MAX && places <= PARTITION_BYTES_MAX;
        bytes += said + 2 * places; /* Its target, and what it has. */
        if (bytes > UPGRADE_BYTES_MAX) {
            upgrade->refused = "has members of which too much is known to upgrade them all at once";
            return ERROR_UNKNOWN_SERVER_ERROR;
        }
    }
    if (!fits || assigned_twice(update->arena, upgrade)) {
        upgrade->refused = fits ? "has a partition that is assigned to two members"
                                : "has a member of which too much is known for a record";
        return ERROR_UNKNOWN_SERVER_ERROR;
    }
    return ERROR_NONE;
}

struct group *group_upgrade_picture(struct arena *arena, const struct group_upgrade *upgrade)
{
    struct group *group = arena_take(arena, sizeof(*group));
    struct consumer_member *members = ARENA_ARRAY(arena, struct consumer_member, upgrade->count);
    group->consumer = arena_take(arena, sizeof(*group->consumer));
    list_init(&group->consumer->members);
    list_init(&group->consumer->regexes);
    for (uint32_t i = 0; i < upgrade->count; i++) {
        members[i] = (struct consumer_member){
            .id = upgrade->members[i].from->id,
            .instance_id = upgrade->members[i].from->instance_id,
            .topics = upgrade->members[i].subscription.topics,
            .target = upgrade->members[i].assigned,
        };
        list_push_back(&group->consumer->members, &members[i].in_group);
    }
    return group;
}

/* --- how ----------------------------------------------------------------------------------------
 */

static void classic_end(struct group_coordinator *coordinator, struct group *group)
{
    while (!list_empty(&group->members)) { /* Also those who have an id and have not come back. */
        member_remove(coordinator,
                      CONTAINER_OF(group->members.head.next, struct group_member, in_group));
    }
    group_timer_clear(coordinator, &group->timer_join);
    group_timer_clear(coordinator, &group->timer_sync);
    text_free(&group->protocol_type);
    text_free(&group->protocol_name);
    group->state = GROUP_EMPTY;
    group->previous_state = GROUP_EMPTY;
    group->generation = 0;
    group_topics_learn(group);
}

/* It is where its last generation was, and has what it had in it. */
static void member_upgrade(struct group_coordinator *coordinator, struct group *group,
                           const struct upgraded_member *upgraded)
{
    const struct group_member *from = upgraded->from;
    const struct partition_set none = {0};
    struct consumer_member *member = consumer_member_new(coordinator, group, from->id);
    consumer_member_instance_set(coordinator, member, from->instance_id);
    text_set(&member->rack_id, upgraded->subscription.rack_id);
    text_set(&member->client_id, from->client_id);
    text_set(&member->client_host, from->client_host);
    text_list_keep(&member->topics, upgraded->subscription.topics);
    member->rebalance_timeout_ms = from->rebalance_timeout_ms;
    member->epoch = group->generation;
    member->previous_epoch = group->generation;
    member->state = MEMBER_STABLE;
    member->is_written = true;
    member->has_target = true;
    partition_set_keep(&member->target, upgraded->assigned);
    consumer_member_assign(coordinator, member, upgraded->assigned, none);
    struct consumer_classic *classic = consumer_member_classic_begin(coordinator, member);
    classic->session_timeout_ms = from->session_timeout_ms;
    member_protocols_copy(coordinator, group, &classic->protocols, &from->protocols);
    consumer_member_heard(coordinator, member);
}

static void upgrade_record(const struct group *group, struct group_update *update)
{
    const struct list *members = &group->consumer->members;
    for (struct list_node *at = members->head.next; at != &members->head; at = at->next) {
        record_consumer_member(update, CONTAINER_OF(at, struct consumer_member, in_group));
    }
    record_consumer_group(update, group);
    for (struct list_node *at = members->head.next; at != &members->head; at = at->next) {
        record_consumer_target(update, CONTAINER_OF(at, struct consumer_member, in_group));
    }
    record_consumer_target_epoch(update, group);
    for (struct list_node *at = members->head.next; at != &members->head; at = at->next) {
        record_consumer_current(update, CONTAINER_OF(at, struct consumer_member, in_group));
    }
}

void group_upgrade(struct group_coordinator *coordinator, struct group *group,
                   const struct group_upgrade *upgrade, struct group_update *update)
{
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        join_end(update, member, ERROR_REBALANCE_IN_PROGRESS, member->id);
        sync_end(update, member, ERROR_REBALANCE_IN_PROGRESS);
    }
    record_group_gone(update, group);
    struct consumer_group *consumer = consumer_group_make(group);
    for (uint32_t i = 0; i < upgrade->count; i++) {
        member_upgrade(coordinator, group, &upgrade->members[i]);
    }
    consumer->epoch = group->generation;
    consumer->target_epoch = group->generation;
    classic_end(coordinator, group);
    if (coordinator->all_topics != NULL) {
        consumer->metadata_hash = consumer_group_hash(coordinator, update->arena, group);
        consumer->topics_version = coordinator->all_topics->version;
    }
    upgrade_record(group, update);
}
