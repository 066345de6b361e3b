#include "control/group/consumer.h"

/* What changes a consumer group, whoever asks for it: the epoch rises, members go or come back. */

static bool nobody_has_an_epoch(const struct consumer_group *consumer)
{
    const struct list *members = &consumer->members;
    for (struct list_node *at = members->head.next; at != &members->head; at = at->next) {
        if (CONTAINER_OF(at, struct consumer_member, in_group)->epoch > 0) {
            return false;
        }
    }
    return true;
}

/* The last epoch there is stays, and with it what everybody has: Kafka goes on below zero, where
 * no target is worked out any more. Epochs begin anew when nobody is left who has one. */
static void epoch_rise(struct group_coordinator *coordinator, struct group *group,
                       struct group_update *update)
{
    struct consumer_group *consumer = group->consumer;
    if (consumer->epoch == INT32_MAX && nobody_has_an_epoch(consumer)) {
        consumer->epoch = 0;
        consumer->target_epoch = 0;
        record_consumer_target_epoch(update, group);
    }
    consumer->epoch += consumer->epoch < INT32_MAX;
    coordinator->rebalances++;
    record_consumer_group(update, group);
}

void consumer_epoch_update(struct group_coordinator *coordinator, struct group *group, bool bump,
                           struct group_update *update)
{
    struct consumer_group *consumer = group->consumer;
    const int64_t version = coordinator->all_topics == NULL ? 0 : coordinator->all_topics->version;
    if (!bump && consumer->topics_version == version) {
        return;
    }
    const int64_t hash = consumer_group_hash(coordinator, update->arena, group);
    consumer->topics_version = version;
    if (bump || hash != consumer->metadata_hash) {
        consumer->metadata_hash = hash;
        epoch_rise(coordinator, group, update);
    }
    if (consumer->has_partition_metadata) {
        consumer->has_partition_metadata = false;
        record_consumer_partition_metadata_gone(update, group);
    }
}

void consumer_regex_release(struct group *group, struct consumer_regex *regex,
                            struct group_update *update)
{
    if (regex != NULL && regex->members == 0) {
        record_consumer_regex_gone(update, group, regex);
        consumer_regex_drop(group, regex);
    }
}

void consumer_member_replace(struct group_coordinator *coordinator, struct consumer_member *member,
                             struct bytes id, struct group_update *update)
{
    record_consumer_member_gone(update, member->group, member->id);
    consumer_member_rename(coordinator, member, id);
    member->epoch = 0;
    member->previous_epoch = 0;
    record_consumer_member(update, member);
    record_consumer_target(update, member);
    record_consumer_current(update, member);
}

bool consumer_text_update(struct bytes *text, struct bytes to)
{
    if ((text->ptr == NULL) == (to.ptr == NULL) && bytes_equal(*text, to)) {
        return false;
    }
    text_set(text, to);
    return true;
}

/* --- out of the group ---------------------------------------------------------------------------
 */

static void member_drop(struct group_coordinator *coordinator, struct consumer_member *member,
                        struct group_update *update)
{
    struct group *group = member->group;
    struct consumer_regex *regex = member->regex;
    record_consumer_member_gone(update, group, member->id);
    consumer_member_remove(coordinator, member);
    consumer_regex_release(group, regex, update);
}

/* What is left is another group: one epoch more. */
static void members_dropped(struct group_coordinator *coordinator, struct group *group,
                            struct group_update *update)
{
    if (coordinator->all_topics != NULL) {
        group->consumer->metadata_hash = consumer_group_hash(coordinator, update->arena, group);
        group->consumer->topics_version = coordinator->all_topics->version;
    }
    epoch_rise(coordinator, group, update);
}

int16_t consumer_leave_mark(const struct group_coordinator *coordinator, const struct group *group,
                            struct bytes member_id, struct bytes instance_id)
{
    struct consumer_member *member =
        instance_id.ptr != NULL ? consumer_member_by_instance(coordinator, group, instance_id)
                                : consumer_member_find(coordinator, group, member_id);
    if (member == NULL) {
        return ERROR_UNKNOWN_MEMBER_ID;
    }
    /* An administrator knows only the instance. */
    if (instance_id.ptr != NULL && member_id.len > 0 && !bytes_equal(member_id, member->id)) {
        return ERROR_FENCED_INSTANCE_ID;
    }
    member->leaves = true;
    return ERROR_NONE;
}

void consumer_leave_marked(struct group_coordinator *coordinator, struct group *group,
                           struct group_update *update)
{
    if (consumer_downgrade_due(coordinator, group, NULL)) {
        consumer_downgrade(coordinator, group, group->consumer->epoch, true, update);
        return;
    }
    struct list_node *at = group->consumer->members.head.next;
    while (at != &group->consumer->members.head) {
        struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        at = at->next;
        if (member->leaves) {
            member_drop(coordinator, member, update);
        }
    }
    members_dropped(coordinator, group, update);
}

void consumer_member_fence(struct group_coordinator *coordinator, struct consumer_member *member,
                           struct group_update *update)
{
    member->leaves = true;
    consumer_leave_marked(coordinator, member->group, update);
}
