#include "control/group/consumer.h"
#include "control/group/record_types.h"

/* One record on its way in. */
struct replay {
    struct group_coordinator *coordinator;
    struct bytes group_id; /* Views of the key. */
    struct bytes text;     /* A member's id, or a regular expression. */
    struct bytes value;    /* ptr NULL: a tombstone. */
    struct reader reader;  /* Of the value, behind its version. */
    int16_t version;
};

static struct group *group_get(const struct replay *replay)
{
    struct group *group = group_find(replay->coordinator, replay->group_id);
    return group == NULL || group->consumer == NULL ? NULL : group;
}

/* NULL: there is a classic group with members of that name. */
static struct group *group_at(const struct replay *replay)
{
    struct group *group = group_find(replay->coordinator, replay->group_id);
    if (group == NULL) {
        group = group_add(replay->coordinator, replay->group_id);
    }
    if (group->consumer == NULL) {
        if (group->state != GROUP_EMPTY || !list_empty(&group->members)) {
            return NULL;
        }
        group_become_consumer(replay->coordinator, group);
    }
    return group;
}

static struct consumer_member *member_get(const struct replay *replay)
{
    const struct group *group = group_get(replay);
    return group == NULL ? NULL : consumer_member_find(replay->coordinator, group, replay->text);
}

/* The record of a member's wish, of its target and of what it has come in any order when old ones
 * have been compacted away. */
static struct consumer_member *member_at(const struct replay *replay)
{
    struct group *group = group_at(replay);
    if (group == NULL) {
        return NULL;
    }
    struct consumer_member *member = consumer_member_find(replay->coordinator, group, replay->text);
    return member != NULL ? member : consumer_member_new(replay->coordinator, group, replay->text);
}

/* --- groups -------------------------------------------------------------------------------------
 */

static enum group_replay_status replay_group(struct replay *replay)
{
    if (replay->value.ptr == NULL) {
        struct group *group = group_get(replay);
        if (group != NULL) {
            consumer_group_drop(replay->coordinator, group);
            if (list_empty(&group->offsets)) {
                group_remove(replay->coordinator, group);
            }
        }
        return GROUP_REPLAYED;
    }
    struct consumer_group_metadata_value value;
    if (consumer_group_metadata_value_decode(&replay->reader, replay->version, &value) !=
        CODEC_OK) {
        return GROUP_CORRUPT;
    }
    struct group *group = group_at(replay);
    if (group == NULL) {
        return GROUP_CORRUPT;
    }
    group->consumer->epoch = value.epoch;
    group->consumer->metadata_hash = value.metadata_hash;
    return GROUP_REPLAYED;
}

static enum group_replay_status replay_partition_metadata(struct replay *replay)
{
    struct group *group = replay->value.ptr == NULL ? group_get(replay) : group_at(replay);
    if (group != NULL) {
        group->consumer->has_partition_metadata = replay->value.ptr != NULL;
    }
    return group == NULL && replay->value.ptr != NULL ? GROUP_CORRUPT : GROUP_REPLAYED;
}

static enum group_replay_status replay_target_epoch(struct replay *replay)
{
    if (replay->value.ptr == NULL) {
        struct group *group = group_get(replay);
        if (group != NULL) {
            group->consumer->target_epoch = -1;
        }
        return GROUP_REPLAYED;
    }
    struct consumer_group_target_assignment_metadata_value value;
    if (consumer_group_target_assignment_metadata_value_decode(&replay->reader, replay->version,
                                                               &value) != CODEC_OK) {
        return GROUP_CORRUPT;
    }
    struct group *group = group_at(replay);
    if (group == NULL) {
        return GROUP_CORRUPT;
    }
    group->consumer->target_epoch = value.assignment_epoch;
    return GROUP_REPLAYED;
}

static enum group_replay_status replay_regex(struct replay *replay)
{
    if (replay->value.ptr == NULL) {
        struct group *group = group_get(replay);
        struct consumer_regex *regex =
            group == NULL ? NULL : consumer_regex_find(group, replay->text);
        if (regex != NULL) {
            regex->resolved = false;
            text_list_keep(&regex->topics, (struct text_list){0});
            if (regex->members == 0) {
                consumer_regex_drop(group, regex);
            }
        }
        return GROUP_REPLAYED;
    }
    struct consumer_group_regular_expression_value value;
    if (consumer_group_regular_expression_value_decode(&replay->reader, replay->version, &value) !=
        CODEC_OK) {
        return GROUP_CORRUPT;
    }
    struct group *group = group_at(replay);
    if (group == NULL) {
        return GROUP_CORRUPT;
    }
    struct consumer_regex *regex = consumer_regex_at(group, replay->text);
    struct arena arena = {0};
    regex->resolved = true;
    text_list_keep(&regex->topics, text_list_read(&arena, value.topics));
    arena_free(&arena);
    return GROUP_REPLAYED;
}

/* --- members ------------------------------------------------------------------------------------
 */

static void text_take(struct bytes *text, struct chain from)
{
    text_free(text);
    *text = text_copy_chain(from);
}

static void classic_replay(struct replay *replay, struct consumer_member *member,
                           const struct consumer_group_member_metadata_value *value)
{
    consumer_member_classic_end(replay->coordinator, member);
    if (!value->has_classic_member_metadata) {
        return;
    }
    struct consumer_group_member_metadata_value_protocol_array from =
        value->classic_member_metadata.supported_protocols;
    struct arena arena = {0};
    struct join_group_request_protocol *items =
        ARENA_ARRAY(&arena, struct join_group_request_protocol, from.count);
    struct join_group_request_protocol_array protocols = {.items = items};
    struct consumer_group_member_metadata_value_protocol protocol;
    while (consumer_group_member_metadata_value_protocol_array_next(&from, &protocol)) {
        items[protocols.count++] =
            (struct join_group_request_protocol){protocol.name, protocol.metadata};
    }
    struct consumer_classic *classic = consumer_member_classic_begin(replay->coordinator, member);
    classic->session_timeout_ms = value->classic_member_metadata.session_timeout_ms;
    if (value->rebalance_timeout_ms == -1) {
        member->rebalance_timeout_ms = classic->session_timeout_ms;
    }
    member_protocols_set(replay->coordinator, member->group, &classic->protocols, protocols);
    arena_free(&arena);
}

static enum group_replay_status replay_member(struct replay *replay)
{
    if (replay->value.ptr == NULL) {
        struct consumer_member *member = member_get(replay);
        if (member != NULL) {
            consumer_member_remove(replay->coordinator, member);
        }
        return GROUP_REPLAYED;
    }
    struct consumer_group_member_metadata_value value;
    if (consumer_group_member_metadata_value_decode(&replay->reader, replay->version, &value) !=
        CODEC_OK) {
        return GROUP_CORRUPT;
    }
    struct consumer_member *member =
        value.has_classic_member_metadata &&
                value.classic_member_metadata.supported_protocols.count <= 0
            ? NULL
            : member_at(replay);
    if (member == NULL) {
        return GROUP_CORRUPT;
    }
    struct arena arena = {0};
    const struct bytes instance_id = arena_flat(&arena, value.instance_id);
    const struct consumer_member *other =
        instance_id.ptr == NULL
            ? NULL
            : consumer_member_by_instance(replay->coordinator, member->group, instance_id);
    if (other == NULL || other == member) {
        consumer_member_instance_set(replay->coordinator, member, instance_id);
    }
    text_take(&member->rack_id, value.rack_id);
    text_take(&member->client_id, value.client_id);
    text_take(&member->client_host, value.client_host);
    text_take(&member->assignor, value.server_assignor);
    text_list_keep(&member->topics, text_list_read(&arena, value.subscribed_topic_names));
    consumer_member_regex_set(member, arena_flat(&arena, value.subscribed_topic_regex));
    member->rebalance_timeout_ms = value.rebalance_timeout_ms;
    member->is_written = true;
    classic_replay(replay, member, &value);
    arena_free(&arena);
    return GROUP_REPLAYED;
}

/* Rows of a record as a set in the arena. */
static void row_add(struct partition_set *set, struct uuid topic, struct i32_array partitions)
{
    int32_t partition;
    while (i32_array_next(&partitions, &partition)) {
        set->items[set->count++] = (struct topic_partition){topic, partition};
    }
}

static struct partition_set
target_read(struct arena *arena,
            struct consumer_group_target_assignment_member_value_topic_array rows)
{
    struct consumer_group_target_assignment_member_value_topic_array again = rows;
    struct consumer_group_target_assignment_member_value_topic row;
    uint32_t total = 0;
    while (consumer_group_target_assignment_member_value_topic_array_next(&again, &row)) {
        total += (uint32_t)max_i64(row.partitions.count, 0);
    }
    struct partition_set set = {ARENA_ARRAY(arena, struct topic_partition, total), 0};
    while (consumer_group_target_assignment_member_value_topic_array_next(&rows, &row)) {
        row_add(&set, row.topic_id, row.partitions);
    }
    partition_set_sort(&set);
    return set;
}

static enum group_replay_status replay_target(struct replay *replay)
{
    struct partition_set set = {0};
    struct arena arena = {0};
    struct consumer_member *member = member_get(replay);
    if (replay->value.ptr != NULL) {
        struct consumer_group_target_assignment_member_value value;
        if (consumer_group_target_assignment_member_value_decode(&replay->reader, replay->version,
                                                                 &value) != CODEC_OK) {
            return GROUP_CORRUPT;
        }
        member = member_at(replay);
        if (member == NULL) {
            return GROUP_CORRUPT;
        }
        set = target_read(&arena, value.topic_partitions);
    }
    if (member != NULL) {
        member->has_target = replay->value.ptr != NULL;
        partition_set_keep(&member->target, set);
    }
    arena_free(&arena);
    return GROUP_REPLAYED;
}

static struct partition_set
current_read(struct arena *arena,
             struct consumer_group_current_member_assignment_value_topic_array rows)
{
    struct consumer_group_current_member_assignment_value_topic_array again = rows;
    struct consumer_group_current_member_assignment_value_topic row;
    uint32_t total = 0;
    while (consumer_group_current_member_assignment_value_topic_array_next(&again, &row)) {
        total += (uint32_t)max_i64(row.partitions.count, 0);
    }
    struct partition_set set = {ARENA_ARRAY(arena, struct topic_partition, total), 0};
    while (consumer_group_current_member_assignment_value_topic_array_next(&rows, &row)) {
        row_add(&set, row.topic_id, row.partitions);
    }
    partition_set_sort(&set);
    return set;
}

static void current_gone(struct replay *replay)
{
    const struct partition_set none = {0};
    struct consumer_member *member = member_get(replay);
    if (member != NULL) {
        member->epoch = EPOCH_LEAVE;
        member->previous_epoch = EPOCH_LEAVE;
        consumer_member_assign(replay->coordinator, member, none, none);
    }
}

static enum group_replay_status replay_current(struct replay *replay)
{
    if (replay->value.ptr == NULL) {
        current_gone(replay);
        return GROUP_REPLAYED;
    }
    struct consumer_group_current_member_assignment_value value;
    if (consumer_group_current_member_assignment_value_decode(&replay->reader, replay->version,
                                                              &value) != CODEC_OK ||
        value.member_epoch < EPOCH_LEAVE_STATIC) {
        return GROUP_CORRUPT;
    }
    struct consumer_member *member = member_at(replay);
    if (member == NULL) {
        return GROUP_CORRUPT;
    }
    struct arena arena = {0};
    const struct partition_set assigned = current_read(&arena, value.assigned_partitions);
    const struct partition_set revoking = current_read(&arena, value.partitions_pending_revocation);
    member->epoch = value.member_epoch;
    member->previous_epoch = value.previous_member_epoch;
    /* A state of a later Kafka: it is worked out again from what the member has. */
    member->state = value.state == MEMBER_STABLE || value.state == MEMBER_UNREVOKED
                        ? (enum consumer_member_state)value.state
                        : MEMBER_UNRELEASED;
    consumer_member_assign(replay->coordinator, member, assigned,
                           partition_set_minus(&arena, revoking, assigned));
    arena_free(&arena);
    return GROUP_REPLAYED;
}

/* --- which --------------------------------------------------------------------------------------
 */

/* All keys are a group's id and, some, a text. */
static bool key_read(struct replay *replay, int16_t type, struct reader *key)
{
    if (type == RECORD_CONSUMER_GROUP_METADATA || type == RECORD_CONSUMER_GROUP_TARGET_METADATA ||
        type == RECORD_CONSUMER_GROUP_PARTITION_METADATA) {
        struct consumer_group_metadata_key decoded;
        const bool good = consumer_group_metadata_key_decode(key, 0, &decoded) == CODEC_OK;
        replay->group_id = good ? chain_first(decoded.group_id) : (struct bytes){0};
        return good;
    }
    struct consumer_group_member_metadata_key decoded;
    const bool good = consumer_group_member_metadata_key_decode(key, 0, &decoded) == CODEC_OK;
    if (good) {
        replay->group_id = chain_first(decoded.group_id);
        replay->text = chain_first(decoded.member_id);
    }
    return good;
}

enum group_replay_status consumer_replay(struct group_coordinator *coordinator, int16_t type,
                                         struct reader *key, struct bytes value)
{
    struct replay replay = {.coordinator = coordinator, .value = value};
    if (!key_read(&replay, type, key)) {
        return GROUP_CORRUPT;
    }
    if (value.ptr != NULL) {
        reader_init(&replay.reader, chain_of(&replay.value));
        replay.version = reader_i16(&replay.reader);
        if (replay.reader.status != CODEC_OK) {
            return GROUP_CORRUPT;
        }
    }
    switch (type) {
    case RECORD_CONSUMER_GROUP_METADATA: return replay_group(&replay);
    case RECORD_CONSUMER_GROUP_PARTITION_METADATA: return replay_partition_metadata(&replay);
    case RECORD_CONSUMER_GROUP_MEMBER_METADATA: return replay_member(&replay);
    case RECORD_CONSUMER_GROUP_TARGET_METADATA: return replay_target_epoch(&replay);
    case RECORD_CONSUMER_GROUP_TARGET_MEMBER: return replay_target(&replay);
    case RECORD_CONSUMER_GROUP_CURRENT_ASSIGNMENT: return replay_current(&replay);
    case RECORD_CONSUMER_GROUP_REGULAR_EXPRESSION: return replay_regex(&replay);
    default: return GROUP_UNKNOWN;
    }
}
