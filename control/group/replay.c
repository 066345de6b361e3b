#include "control/group/consumer.h"
#include "control/group/record_types.h"

/* A member as it stood when its generation became stable: it knows the protocol that was chosen. */
static bool member_replay(struct group_coordinator *coordinator, struct group *group,
                          struct bytes leader, const struct group_metadata_value_member *from)
{
    struct bytes id = text_copy_chain(from->member_id);
    const bool good = member_find(coordinator, group, id) == NULL;
    if (good) {
        struct group_member *member = member_new(coordinator, group, id);
        struct bytes instance_id = text_copy_chain(from->group_instance_id);
        struct bytes metadata = text_copy_chain(from->subscription);
        if (instance_id.ptr != NULL &&
            member_by_instance(coordinator, group, instance_id) == NULL) {
            member_instance_set(coordinator, member, instance_id);
        }
        member->client_id = text_copy_chain(from->client_id);
        member->client_host = text_copy_chain(from->client_host);
        member->session_timeout_ms = from->session_timeout;
        member->rebalance_timeout_ms =
            from->rebalance_timeout == -1 ? from->session_timeout : from->rebalance_timeout;
        member->assignment = text_copy_chain(from->assignment);
        member_enter(coordinator, member);
        member_protocol_add(coordinator, member, group->protocol_name, metadata);
        if (bytes_equal(member->id, leader)) {
            group->leader = member;
        }
        text_free(&instance_id);
        text_free(&metadata);
    }
    text_free(&id);
    return good;
}

/* Members and what was chosen go; offsets stay. */
static void group_reset(struct group_coordinator *coordinator, struct group *group)
{
    while (!list_empty(&group->members)) {
        member_remove(coordinator,
                      CONTAINER_OF(group->members.head.next, struct group_member, in_group));
    }
    text_free(&group->protocol_type);
    text_free(&group->protocol_name);
    group->state = GROUP_EMPTY;
    group->previous_state = GROUP_EMPTY;
    group->generation = 0;
    group->state_since_ms = WALL_NONE;
    group_topics_learn(group);
}

static enum group_replay_status group_replay_metadata(struct group_coordinator *coordinator,
                                                      struct bytes group_id,
                                                      const struct group_metadata_value *value)
{
    struct group *group = group_find(coordinator, group_id);
    if (group != NULL && group->consumer != NULL) {
        if (value == NULL) {
            return GROUP_REPLAYED; /* Of the classic group that it was before. */
        }
        if (group->consumer->member_count > 0) {
            return GROUP_CORRUPT;
        }
        consumer_group_drop(coordinator, group);
    }
    if (value == NULL) {
        if (group != NULL && list_empty(&group->offsets)) {
            group_remove(coordinator, group);
        } else if (group != NULL) {
            group_reset(coordinator, group);
        }
        return GROUP_REPLAYED;
    }
    if (value->members.count > 0 &&
        (chain_is_null(value->protocol) || value->protocol_type.len == 0)) {
        return GROUP_CORRUPT;
    }
    if (group == NULL) {
        group = group_add(coordinator, group_id);
    } else {
        group_reset(coordinator, group);
    }
    if (value->protocol_type.len > 0) {
        group->protocol_type = text_copy_chain(value->protocol_type);
    }
    group->protocol_name = text_copy_chain(value->protocol);
    group->generation = value->generation;
    group->state_since_ms = max_i64(value->current_state_timestamp, WALL_NONE);
    struct bytes leader = text_copy_chain(value->leader);
    struct group_metadata_value_member_array members = value->members;
    struct group_metadata_value_member member;
    bool good = true;
    while (good && group_metadata_value_member_array_next(&members, &member)) {
        good = member_replay(coordinator, group, leader, &member);
    }
    text_free(&leader);
    if (group->member_count > 0) {
        group->state = GROUP_STABLE;
    }
    group_topics_learn(group);
    return good ? GROUP_REPLAYED : GROUP_CORRUPT;
}

/* Whether this version of a value is one that we know. */
static bool value_begin(struct reader *reader, const struct bytes *value, int16_t *version)
{
    reader_init(reader, chain_of(value));
    *version = reader_i16(reader);
    return reader->status == CODEC_OK;
}

static enum group_replay_status replay_group(struct group_coordinator *coordinator,
                                             struct reader *key, struct bytes value)
{
    struct group_metadata_key decoded;
    if (group_metadata_key_decode(key, 0, &decoded) != CODEC_OK) {
        return GROUP_CORRUPT;
    }
    struct bytes group_id = text_copy_chain(decoded.group);
    enum group_replay_status status = GROUP_CORRUPT;
    struct reader reader;
    int16_t version;
    struct group_metadata_value metadata;
    if (value.ptr == NULL) {
        status = group_replay_metadata(coordinator, group_id, NULL);
    } else if (value_begin(&reader, &value, &version) &&
               group_metadata_value_decode(&reader, version, &metadata) == CODEC_OK) {
        status = group_replay_metadata(coordinator, group_id, &metadata);
    }
    text_free(&group_id);
    return status;
}

/* Its metadata is a view of *bytes. */
static bool offset_value_decode(struct group_coordinator *coordinator, const struct bytes *bytes,
                                struct offset_value *value)
{
    struct reader reader;
    int16_t version;
    struct offset_commit_value decoded;
    if (!value_begin(&reader, bytes, &version) ||
        offset_commit_value_decode(&reader, version, &decoded) != CODEC_OK) {
        return false;
    }
    *value = (struct offset_value){
        .offset = decoded.offset,
        .leader_epoch = decoded.leader_epoch,
        .metadata = chain_first(decoded.metadata),
        .commit_ms = max_i64(decoded.commit_timestamp, 0),
        .expire_ms = decoded.expire_timestamp,
        .topic_id = decoded.topic_id,
        .order = ++coordinator->record_order,
    };
    return true;
}

static enum group_replay_status offset_replay(struct group_coordinator *coordinator,
                                              struct bytes group_id, struct bytes topic,
                                              int32_t partition, const struct bytes *bytes,
                                              int64_t producer_id)
{
    struct group *group = group_find(coordinator, group_id);
    if (bytes->ptr == NULL) {
        struct group_offset *at =
            group == NULL ? NULL : offset_find(coordinator, group, topic, partition);
        if (at != NULL) {
            offset_drop(coordinator, at);
        }
        return GROUP_REPLAYED;
    }
    struct offset_value value;
    if (!offset_value_decode(coordinator, bytes, &value)) {
        return GROUP_CORRUPT;
    }
    if (group == NULL) {
        group = group_add(coordinator, group_id);
    }
    struct group_offset *at = offset_at(coordinator, group, topic, partition);
    if (producer_id < 0) {
        offset_set(coordinator, at, &value);
    } else {
        offset_open(coordinator, at, producer_id, &value);
    }
    return GROUP_REPLAYED;
}

/* Type 0 has the same key as type 1, and a value that is version 0 of that of type 1. */
static enum group_replay_status replay_offset(struct group_coordinator *coordinator,
                                              struct reader *key, struct bytes value,
                                              int64_t producer_id)
{
    struct offset_commit_key decoded;
    if (offset_commit_key_decode(key, 0, &decoded) != CODEC_OK) {
        return GROUP_CORRUPT;
    }
    /* The key lies in one piece, and so does what is read from it. */
    return offset_replay(coordinator, chain_first(decoded.group), chain_first(decoded.topic),
                         decoded.partition, &value, producer_id);
}

enum group_replay_status group_replay(struct group_coordinator *coordinator, struct bytes key,
                                      struct bytes value, int64_t producer_id)
{
    struct reader reader;
    reader_init(&reader, chain_of(&key));
    const int16_t type = reader_i16(&reader);
    if (reader.status != CODEC_OK) {
        return GROUP_CORRUPT;
    }
    switch (type) {
    case RECORD_LEGACY_OFFSET_COMMIT:
    case RECORD_OFFSET_COMMIT: return replay_offset(coordinator, &reader, value, producer_id);
    case RECORD_GROUP_METADATA: return replay_group(coordinator, &reader, value);
    case RECORD_CONSUMER_GROUP_METADATA:
    case RECORD_CONSUMER_GROUP_PARTITION_METADATA:
    case RECORD_CONSUMER_GROUP_MEMBER_METADATA:
    case RECORD_CONSUMER_GROUP_TARGET_METADATA:
    case RECORD_CONSUMER_GROUP_TARGET_MEMBER:
    case RECORD_CONSUMER_GROUP_CURRENT_ASSIGNMENT:
    case RECORD_CONSUMER_GROUP_REGULAR_EXPRESSION:
        return consumer_replay(coordinator, type, &reader, value);
    default: return GROUP_UNKNOWN;
    }
}

void group_replay_txn_end(struct group_coordinator *coordinator, int64_t producer_id,
                          bool committed)
{
    offset_txn_end(coordinator, producer_id, committed);
}
