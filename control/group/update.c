#include "control/group/consumer.h"
#include "control/group/record_types.h"

static void reply_add(struct group_update *update, struct group_reply reply)
{
    update->replies = arena_room(update->arena, update->replies, sizeof(update->replies[0]),
                                 update->reply_count, &update->reply_capacity);
    update->replies[update->reply_count++] = reply;
}

void update_reply(struct group_update *update, enum group_event_kind kind,
                  const struct group_parked *to, void *answer)
{
    reply_add(update, (struct group_reply){to->token, kind, to->version, false, answer});
}

void update_reply_more(struct group_update *update, enum group_event_kind kind,
                       const struct group_parked *to, void *answer)
{
    reply_add(update, (struct group_reply){to->token, kind, to->version, true, answer});
}

bool update_walked(struct group_update *update, const struct group_event *event, uint32_t weight)
{
    update->walked += weight;
    return event->walk_max == 0 || update->walked < event->walk_max;
}

void update_record(struct group_update *update, struct bytes key, struct bytes value)
{
    update->records = arena_room(update->arena, update->records, sizeof(update->records[0]),
                                 update->record_count, &update->record_capacity);
    update->records[update->record_count++] = (struct group_record){key, value};
}

struct chain update_chain(struct group_update *update, struct bytes text)
{
    return text.ptr == NULL ? CHAIN_NULL
                            : arena_chain(update->arena, arena_copy(update->arena, text));
}

struct bytes update_text(struct group_update *update, struct chain chain)
{
    return arena_flat(update->arena, chain);
}

/* --- records ------------------------------------------------------------------------------------
 */

static struct bytes group_key(struct group_update *update, const struct group *group)
{
    const struct group_metadata_key key = {.group = chain_of(&group->id)};
    struct writer writer;
    const struct bytes to = arena_record(update->arena, &writer, group_metadata_key_size(0, &key),
                                         RECORD_GROUP_METADATA);
    ASSERT(group_metadata_key_encode(&writer, 0, &key) == CODEC_OK);
    return to;
}

/* Null where text has none. */
static struct chain chain_of_text(const struct bytes *text)
{
    return text->ptr == NULL ? CHAIN_NULL : chain_of(text);
}

static struct chain chain_never_null(const struct bytes *text)
{
    return text->ptr == NULL ? CHAIN_EMPTY : chain_of(text);
}

static void record_members(struct group_update *update, const struct group *group,
                           struct group_metadata_value *value)
{
    struct group_metadata_value_member *items =
        ARENA_ARRAY(update->arena, struct group_metadata_value_member, group->member_count);
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        const struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        if (member->pending) {
            continue;
        }
        struct bytes *metadata = arena_take(update->arena, sizeof(*metadata));
        *metadata = member_metadata(member, group->protocol_name);
        items[value->members.count++] = (struct group_metadata_value_member){
            .member_id = chain_of(&member->id),
            .group_instance_id = chain_of_text(&member->instance_id),
            .client_id = chain_never_null(&member->client_id),
            .client_host = chain_never_null(&member->client_host),
            .rebalance_timeout = member->rebalance_timeout_ms,
            .session_timeout = member->session_timeout_ms,
            .subscription = chain_never_null(metadata),
            .assignment = chain_never_null(&member->assignment),
        };
    }
    value->members.items = items;
}

static void record_group_value(struct group_update *update, const struct group *group,
                               const struct group_metadata_value *value)
{
    struct writer writer;
    const struct bytes to = arena_record(update->arena, &writer,
                                         group_metadata_value_size(GROUP_METADATA_WRITTEN, value),
                                         GROUP_METADATA_WRITTEN);
    ASSERT(group_metadata_value_encode(&writer, GROUP_METADATA_WRITTEN, value) == CODEC_OK);
    update_record(update, group_key(update, group), to);
}

void record_group(struct group_update *update, const struct group *group)
{
    struct group_metadata_value value = group_metadata_value_default;
    value.protocol_type = chain_never_null(&group->protocol_type);
    value.generation = group->generation;
    value.protocol = chain_of_text(&group->protocol_name);
    value.leader = group->leader == NULL ? CHAIN_NULL : chain_of(&group->leader->id);
    value.current_state_timestamp = group->state_since_ms;
    record_members(update, group, &value);
    record_group_value(update, group, &value);
}

void record_group_empty(struct group_update *update, const struct group *group)
{
    struct group_metadata_value value = group_metadata_value_default;
    value.protocol = CHAIN_NULL;
    value.leader = CHAIN_NULL;
    value.current_state_timestamp = group->state_since_ms;
    record_group_value(update, group, &value);
}

void record_group_gone(struct group_update *update, const struct group *group)
{
    if (group->consumer != NULL) {
        record_consumer_group_gone(update, group);
        return;
    }
    update_record(update, group_key(update, group), (struct bytes){0});
}

static struct bytes offset_key(struct group_update *update, const struct group_offset *at)
{
    const struct offset_commit_key key = {chain_of(&at->group->id), chain_of(&at->topic),
                                          at->partition};
    struct writer writer;
    const struct bytes to =
        arena_record(update->arena, &writer, offset_commit_key_size(0, &key), RECORD_OFFSET_COMMIT);
    ASSERT(offset_commit_key_encode(&writer, 0, &key) == CODEC_OK);
    return to;
}

void record_offset(struct group_update *update, const struct group_offset *at,
                   const struct offset_value *value)
{
    const int16_t version =
        value->expire_ms == WALL_NONE ? OFFSET_COMMIT_WRITTEN : OFFSET_COMMIT_WITH_EXPIRY;
    const struct offset_commit_value written = {
        .offset = value->offset,
        .leader_epoch = value->leader_epoch,
        .metadata = chain_never_null(&value->metadata),
        .commit_timestamp = value->commit_ms,
        .expire_timestamp = value->expire_ms,
        .topic_id = value->topic_id,
    };
    struct writer writer;
    const struct bytes to =
        arena_record(update->arena, &writer, offset_commit_value_size(version, &written), version);
    ASSERT(offset_commit_value_encode(&writer, version, &written) == CODEC_OK);
    update_record(update, offset_key(update, at), to);
}

void record_offset_gone(struct group_update *update, const struct group_offset *at)
{
    update_record(update, offset_key(update, at), (struct bytes){0});
}
