#include "control/group/consumer.h"
#include "control/group/record_types.h"

/* Null where text has none. */
static struct chain chain_of_text(const struct bytes *text)
{
    return text->ptr == NULL ? CHAIN_NULL : chain_of(text);
}

static struct chain chain_never_null(const struct bytes *text)
{
    return text->ptr == NULL ? CHAIN_EMPTY : chain_of(text);
}

/* All keys are a type, the group's id, and perhaps a text besides. */
static struct bytes key_of_group(struct group_update *update, const struct group *group,
                                 int16_t type)
{
    const struct consumer_group_metadata_key key = {chain_of(&group->id)};
    struct writer writer;
    const struct bytes to =
        arena_record(update->arena, &writer, consumer_group_metadata_key_size(0, &key), type);
    ASSERT(consumer_group_metadata_key_encode(&writer, 0, &key) == CODEC_OK);
    return to;
}

static struct bytes key_with(struct group_update *update, const struct group *group,
                             struct bytes text, int16_t type)
{
    const struct consumer_group_member_metadata_key key = {chain_of(&group->id), chain_of(&text)};
    struct writer writer;
    const struct bytes to = arena_record(update->arena, &writer,
                                         consumer_group_member_metadata_key_size(0, &key), type);
    ASSERT(consumer_group_member_metadata_key_encode(&writer, 0, &key) == CODEC_OK);
    return to;
}

static void gone(struct group_update *update, struct bytes key)
{
    update_record(update, key, (struct bytes){0});
}

/* --- the group ----------------------------------------------------------------------------------
 */

void record_consumer_group(struct group_update *update, const struct group *group)
{
    const struct consumer_group_metadata_value value = {
        .epoch = group->consumer->epoch, .metadata_hash = group->consumer->metadata_hash};
    struct writer writer;
    const struct bytes to =
        arena_record(update->arena, &writer, consumer_group_metadata_value_size(0, &value), 0);
    ASSERT(consumer_group_metadata_value_encode(&writer, 0, &value) == CODEC_OK);
    update_record(update, key_of_group(update, group, RECORD_CONSUMER_GROUP_METADATA), to);
}

void record_consumer_partition_metadata_gone(struct group_update *update, const struct group *group)
{
    gone(update, key_of_group(update, group, RECORD_CONSUMER_GROUP_PARTITION_METADATA));
}

void record_consumer_target_epoch(struct group_update *update, const struct group *group)
{
    const struct consumer_group_target_assignment_metadata_value value = {
        .assignment_epoch = group->consumer->target_epoch};
    struct writer writer;
    const struct bytes to = arena_record(
        update->arena, &writer, consumer_group_target_assignment_metadata_value_size(0, &value), 0);
    ASSERT(consumer_group_target_assignment_metadata_value_encode(&writer, 0, &value) == CODEC_OK);
    update_record(update, key_of_group(update, group, RECORD_CONSUMER_GROUP_TARGET_METADATA), to);
}

static void members_gone(struct group_update *update, const struct group *group, int16_t type)
{
    const struct list *members = &group->consumer->members;
    for (struct list_node *at = members->head.next; at != &members->head; at = at->next) {
        const struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        gone(update, key_with(update, group, member->id, type));
    }
}

void record_consumer_group_gone(struct group_update *update, const struct group *group)
{
    const struct consumer_group *consumer = group->consumer;
    members_gone(update, group, RECORD_CONSUMER_GROUP_CURRENT_ASSIGNMENT);
    members_gone(update, group, RECORD_CONSUMER_GROUP_TARGET_MEMBER);
    gone(update, key_of_group(update, group, RECORD_CONSUMER_GROUP_TARGET_METADATA));
    members_gone(update, group, RECORD_CONSUMER_GROUP_MEMBER_METADATA);
    for (struct list_node *at = consumer->regexes.head.next; at != &consumer->regexes.head;
         at = at->next) {
        record_consumer_regex_gone(update, group,
                                   CONTAINER_OF(at, struct consumer_regex, in_group));
    }
    record_consumer_partition_metadata_gone(update, group);
    gone(update, key_of_group(update, group, RECORD_CONSUMER_GROUP_METADATA));
}

/* --- regular expressions ------------------------------------------------------------------------
 */

static struct string_array chains_of(struct arena *arena, const struct text_list *list)
{
    struct chain *items = ARENA_ARRAY(arena, struct chain, list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        items[i] = chain_never_null(&list->items[i]);
    }
    return (struct string_array){.items = items, .count = (int32_t)list->count};
}

/* As many as fit into one record; after a restart all that match are looked for anyway. */
static struct text_list topics_recorded(const struct group *group,
                                        const struct consumer_regex *regex)
{
    enum { NAME_BYTES = 5, REST_BYTES = 64 }; /* Beside their texts. */
    uint64_t bytes = (uint64_t)REST_BYTES + group->id.len + regex->text.len;
    struct text_list list = regex->topics;
    for (list.count = 0; list.count < regex->topics.count; list.count++) {
        bytes += (uint64_t)NAME_BYTES + list.items[list.count].len;
        if (bytes > GROUP_RECORD_BYTES_MAX) {
            break;
        }
    }
    return list;
}

void record_consumer_regex(struct group_update *update, const struct group *group,
                           const struct consumer_regex *regex, int64_t version, int64_t wall_ms)
{
    const struct text_list topics = topics_recorded(group, regex);
    const struct consumer_group_regular_expression_value value = {
        .topics = chains_of(update->arena, &topics), .version = version, .timestamp = wall_ms};
    struct writer writer;
    const struct bytes to = arena_record(
        update->arena, &writer, consumer_group_regular_expression_value_size(0, &value), 0);
    ASSERT(consumer_group_regular_expression_value_encode(&writer, 0, &value) == CODEC_OK);
    update_record(
        update, key_with(update, group, regex->text, RECORD_CONSUMER_GROUP_REGULAR_EXPRESSION), to);
}

void record_consumer_regex_gone(struct group_update *update, const struct group *group,
                                const struct consumer_regex *regex)
{
    gone(update, key_with(update, group, regex->text, RECORD_CONSUMER_GROUP_REGULAR_EXPRESSION));
}

/* --- members ------------------------------------------------------------------------------------
 */

static void classic_record(struct arena *arena, const struct consumer_classic *classic,
                           struct consumer_group_member_metadata_value *value)
{
    struct consumer_group_member_metadata_value_protocol *items = ARENA_ARRAY(
        arena, struct consumer_group_member_metadata_value_protocol, classic->protocols.count);
    for (uint32_t i = 0; i < classic->protocols.count; i++) {
        const struct member_protocol *at = &classic->protocols.items[i];
        items[i] = (struct consumer_group_member_metadata_value_protocol){
            chain_of(&at->protocol->name), chain_never_null(&at->metadata)};
    }
    value->has_classic_member_metadata = true;
    value->classic_member_metadata.session_timeout_ms = classic->session_timeout_ms;
    value->classic_member_metadata.supported_protocols =
        (struct consumer_group_member_metadata_value_protocol_array){
            .items = items, .count = (int32_t)classic->protocols.count};
}

void record_consumer_member(struct group_update *update, const struct consumer_member *member)
{
    struct consumer_group_member_metadata_value value =
        consumer_group_member_metadata_value_default;
    value.instance_id = chain_of_text(&member->instance_id);
    value.rack_id = chain_of_text(&member->rack_id);
    value.client_id = chain_never_null(&member->client_id);
    value.client_host = chain_never_null(&member->client_host);
    value.subscribed_topic_names = chains_of(update->arena, &member->topics);
    value.subscribed_topic_regex =
        member->regex == NULL ? CHAIN_EMPTY : chain_of(&member->regex->text);
    value.rebalance_timeout_ms = member->rebalance_timeout_ms;
    value.server_assignor = chain_of_text(&member->assignor);
    if (member->classic != NULL) {
        classic_record(update->arena, member->classic, &value);
    }
    struct writer writer;
    const struct bytes to = arena_record(update->arena, &writer,
                                         consumer_group_member_metadata_value_size(0, &value), 0);
    ASSERT(consumer_group_member_metadata_value_encode(&writer, 0, &value) == CODEC_OK);
    update_record(
        update, key_with(update, member->group, member->id, RECORD_CONSUMER_GROUP_MEMBER_METADATA),
        to);
}

void record_consumer_target(struct group_update *update, const struct consumer_member *member)
{
    int32_t count;
    const struct partition_row *rows = partition_set_rows(update->arena, member->target, &count);
    struct consumer_group_target_assignment_member_value_topic *items = ARENA_ARRAY(
        update->arena, struct consumer_group_target_assignment_member_value_topic, count);
    for (int32_t i = 0; i < count; i++) {
        items[i] = (struct consumer_group_target_assignment_member_value_topic){rows[i].topic,
                                                                                rows[i].partitions};
    }
    const struct consumer_group_target_assignment_member_value value = {
        .topic_partitions = {.items = items, .count = count}};
    struct writer writer;
    const struct bytes to = arena_record(
        update->arena, &writer, consumer_group_target_assignment_member_value_size(0, &value), 0);
    ASSERT(consumer_group_target_assignment_member_value_encode(&writer, 0, &value) == CODEC_OK);
    update_record(update,
                  key_with(update, member->group, member->id, RECORD_CONSUMER_GROUP_TARGET_MEMBER),
                  to);
}

static struct consumer_group_current_member_assignment_value_topic_array
current_rows(struct arena *arena, struct partition_set set)
{
    int32_t count;
    const struct partition_row *rows = partition_set_rows(arena, set, &count);
    struct consumer_group_current_member_assignment_value_topic *items =
        ARENA_ARRAY(arena, struct consumer_group_current_member_assignment_value_topic, count);
    for (int32_t i = 0; i < count; i++) {
        items[i] = (struct consumer_group_current_member_assignment_value_topic){
            rows[i].topic, rows[i].partitions};
    }
    return (struct consumer_group_current_member_assignment_value_topic_array){.items = items,
                                                                               .count = count};
}

void record_consumer_current(struct group_update *update, const struct consumer_member *member)
{
    const struct consumer_group_current_member_assignment_value value = {
        .member_epoch = member->epoch,
        .previous_member_epoch = member->previous_epoch,
        .state = (int8_t)member->state,
        .assigned_partitions = current_rows(update->arena, member->assigned),
        .partitions_pending_revocation = current_rows(update->arena, member->revoking),
    };
    struct writer writer;
    const struct bytes to = arena_record(
        update->arena, &writer, consumer_group_current_member_assignment_value_size(0, &value), 0);
    ASSERT(consumer_group_current_member_assignment_value_encode(&writer, 0, &value) == CODEC_OK);
    update_record(
        update,
        key_with(update, member->group, member->id, RECORD_CONSUMER_GROUP_CURRENT_ASSIGNMENT), to);
}

/* In this order: who reads them takes a member away with the last. */
void record_consumer_member_gone(struct group_update *update, const struct group *group,
                                 struct bytes member_id)
{
    gone(update, key_with(update, group, member_id, RECORD_CONSUMER_GROUP_CURRENT_ASSIGNMENT));
    gone(update, key_with(update, group, member_id, RECORD_CONSUMER_GROUP_TARGET_MEMBER));
    gone(update, key_with(update, group, member_id, RECORD_CONSUMER_GROUP_MEMBER_METADATA));
}
