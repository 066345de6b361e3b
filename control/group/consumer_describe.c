#include "control/group/consumer.h"

static struct chain text_or_empty(struct group_update *update, struct bytes text)
{
    return update_chain(update, text.ptr == NULL ? bytes_of_string("") : text);
}

static struct string_array names_tell(struct group_update *update, struct text_list names)
{
    struct chain *items = ARENA_ARRAY(update->arena, struct chain, names.count);
    for (uint32_t i = 0; i < names.count; i++) {
        items[i] = update_chain(update, names.items[i]);
    }
    return (struct string_array){.items = items, .count = (int32_t)names.count};
}

/* Topics that are gone have no name to tell. */
static struct consumer_group_describe_response_assignment
assignment_tell(const struct group_coordinator *coordinator, struct group_update *update,
                struct partition_set set)
{
    int32_t count;
    const struct partition_row *rows = partition_set_rows(update->arena, set, &count);
    struct consumer_group_describe_response_topic *items =
        ARENA_ARRAY(update->arena, struct consumer_group_describe_response_topic, count);
    int32_t told = 0;
    for (int32_t i = 0; i < count; i++) {
        const struct group_topic *topic = topic_by_id(coordinator->all_topics, rows[i].topic);
        if (topic != NULL) {
            items[told++] = (struct consumer_group_describe_response_topic){
                rows[i].topic, update_chain(update, topic->name), rows[i].partitions};
        }
    }
    return (struct consumer_group_describe_response_assignment){{.items = items, .count = told}};
}

static struct consumer_group_describe_response_member
member_tell(const struct group_coordinator *coordinator, struct group_update *update,
            const struct consumer_member *member)
{
    return (struct consumer_group_describe_response_member){
        .member_id = update_chain(update, member->id),
        .instance_id = update_chain(update, member->instance_id),
        .rack_id = update_chain(update, member->rack_id),
        .member_epoch = member->epoch,
        .client_id = text_or_empty(update, member->client_id),
        .client_host = text_or_empty(update, member->client_host),
        .subscribed_topic_names = names_tell(update, member->topics),
        .subscribed_topic_regex =
            member->regex == NULL ? CHAIN_EMPTY : update_chain(update, member->regex->text),
        .assignment = assignment_tell(coordinator, update, member->assigned),
        .target_assignment = assignment_tell(coordinator, update, member->target),
        .member_type = member->classic == NULL, /* 0: classic, 1: consumer. */
    };
}

static void group_tell(const struct group_coordinator *coordinator, const struct group *group,
                       struct group_update *update,
                       struct consumer_group_describe_response_group *answer)
{
    const struct consumer_group *consumer = group->consumer;
    struct consumer_group_describe_response_member *items = ARENA_ARRAY(
        update->arena, struct consumer_group_describe_response_member, consumer->member_count);
    for (struct list_node *at = consumer->members.head.next; at != &consumer->members.head;
         at = at->next) {
        items[answer->members.count++] =
            member_tell(coordinator, update, CONTAINER_OF(at, struct consumer_member, in_group));
    }
    answer->members.items = items;
    answer->group_state = update_chain(update, bytes_of_string(consumer_group_state(group)));
    answer->group_epoch = consumer->epoch;
    answer->assignment_epoch = consumer->target_epoch;
    answer->assignor_name = update_chain(
        update, bytes_of_string(consumer_assignor_name(consumer_assignor(coordinator, group))));
}

void consumer_describe_step(struct group_coordinator *coordinator, const struct group_event *event,
                            struct group_update *update)
{
    const struct group_parked to = {true, event->token, event->version};
    const struct group *group = group_find(coordinator, event->group_id);
    struct consumer_group_describe_response_group *answer =
        arena_take(update->arena, sizeof(*answer));
    *answer = consumer_group_describe_response_group_default;
    (void)update_walked(update, event, 1 + (group == NULL ? 0 : group_members(group)));
    answer->group_id = text_or_empty(update, event->group_id);
    if (event->group_id.len == 0) {
        answer->error_code = ERROR_INVALID_GROUP_ID;
    } else if (group == NULL || group->consumer == NULL) {
        answer->error_code = ERROR_GROUP_ID_NOT_FOUND;
        answer->error_message = arena_text(
            update->arena,
            group == NULL ? "Group %.*s not found." : "Group %.*s is not a consumer group.",
            (int)min_u32(event->group_id.len, 250), (const char *)event->group_id.ptr);
    } else {
        group_tell(coordinator, group, update, answer);
    }
    update_reply(update, GROUP_CONSUMER_DESCRIBE, &to, answer);
}
