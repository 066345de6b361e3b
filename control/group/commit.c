#include "control/group/consumer.h"

enum {
    VERSION_WITH_EPOCH = 9, /* OffsetCommit: a member epoch, KIP-848. */
    RECORD_BYTES = 64,      /* Of an offset, beside its texts. */
};

/* A commit on its way through: plain, or part of a transaction. */
struct commit {
    struct group_coordinator *coordinator;
    const struct group_event *event;
    struct group_update *update;
    struct bytes group_id;
    struct bytes member_id;
    struct chain instance_id;
    int32_t generation;
    bool transactional;
    int64_t producer_id;
    int64_t expire_ms;
    /* Found out. */
    struct group *group;
    struct group_member *member; /* NULL: none commits. */
    int16_t error;               /* Of all partitions. */
    uint64_t bytes;              /* Of records; each repeats the names of group and topic. */
};

/* What is asked of who commits for a consumer group. */
static int16_t consumer_may(struct commit *commit)
{
    const struct group *group = commit->group;
    if (commit->generation < 0 && group->consumer->member_count == 0) {
        return ERROR_NONE;
    }
    if (commit->transactional && commit->generation == -1 && commit->member_id.len == 0 &&
        chain_is_null(commit->instance_id)) {
        return ERROR_NONE;
    }
    bool is_classic;
    const int16_t error = consumer_epoch_check(commit->coordinator, group, commit->member_id,
                                               commit->generation, &is_classic);
    if (error != ERROR_UNKNOWN_MEMBER_ID && !commit->transactional && !is_classic &&
        commit->event->version < VERSION_WITH_EPOCH) {
        return ERROR_UNSUPPORTED_VERSION;
    }
    /* TxnOffsetCommit has no error for it. */
    return error == ERROR_STALE_MEMBER_EPOCH && commit->transactional ? ERROR_ILLEGAL_GENERATION
                                                                      : error;
}

/* What is asked of who commits. */
static int16_t member_may(struct commit *commit)
{
    const struct group *group = commit->group;
    if (group->consumer != NULL) {
        return consumer_may(commit);
    }
    if (commit->generation < 0 && group->state == GROUP_EMPTY) {
        return ERROR_NONE; /* An administrator, or a consumer that only stores offsets. */
    }
    if (commit->generation >= 0 || commit->member_id.len > 0 ||
        !chain_is_null(commit->instance_id)) {
        const int16_t error = member_check(commit->coordinator, group, commit->member_id,
                                           commit->instance_id, &commit->member);
        if (error != ERROR_NONE) {
            commit->member = NULL;
            return error;
        }
        if (commit->generation != group->generation) {
            return ERROR_ILLEGAL_GENERATION;
        }
    } else if (!commit->transactional && group->state != GROUP_EMPTY) {
        return ERROR_UNKNOWN_MEMBER_ID;
    }
    return !commit->transactional && group->state == GROUP_COMPLETING ? ERROR_REBALANCE_IN_PROGRESS
                                                                      : ERROR_NONE;
}

static int16_t commit_check(struct commit *commit)
{
    commit->group = group_find(commit->coordinator, commit->group_id);
    if (commit->group != NULL) {
        return member_may(commit);
    }
    if (commit->generation < 0) {
        return ERROR_NONE; /* The first offset makes a group that has no members. */
    }
    return !commit->transactional && commit->event->version >= VERSION_WITH_EPOCH
               ? ERROR_GROUP_ID_NOT_FOUND
               : ERROR_ILLEGAL_GENERATION;
}

/* Kafka counts the chars of a Java string: UTF-16. */
static int32_t text_chars(struct bytes text)
{
    int32_t chars = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        chars += (text.ptr[i] & 0xc0) != 0x80;
        chars += text.ptr[i] >= 0xf0;
    }
    return chars;
}

static int16_t commit_one(struct commit *commit, const struct group_topic *known,
                          struct bytes topic, int32_t partition, struct offset_value *value)
{
    struct group_coordinator *coordinator = commit->coordinator;
    /* In Kafka the coordinator hears only of partitions that exist. */
    if (known != NULL && known->error_code != ERROR_NONE) {
        return known->error_code;
    }
    if (known != NULL && (partition < 0 || partition >= known->partition_count)) {
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (commit->error != ERROR_NONE) {
        return commit->error;
    }
    if (text_chars(value->metadata) > coordinator->settings->offset_metadata_chars_max) {
        return ERROR_OFFSET_METADATA_TOO_LARGE;
    }
    commit->bytes +=
        (uint64_t)RECORD_BYTES + commit->group_id.len + topic.len + value->metadata.len;
    if (commit->bytes > COMMIT_BYTES_MAX) {
        return ERROR_INVALID_COMMIT_OFFSET_SIZE;
    }
    if (commit->group == NULL) {
        commit->group = group_add(coordinator, commit->group_id);
    }
    value->commit_ms = coordinator->wall_ms;
    value->expire_ms = commit->expire_ms;
    value->order = ++coordinator->record_order;
    if (known != NULL && !commit->transactional) {
        value->topic_id = known->id;
    }
    struct group_offset *at = offset_at(coordinator, commit->group, topic, partition);
    record_offset(commit->update, at, value);
    coordinator->commits++;
    if (commit->transactional) {
        offset_open(coordinator, at, commit->producer_id, value);
    } else {
        offset_set(coordinator, at, value);
    }
    return ERROR_NONE;
}

static const struct group_topic *known_topic(const struct commit *commit, int32_t index)
{
    return commit->event->topics == NULL ? NULL : &commit->event->topics[index];
}

static struct offset_commit_response_topic commit_topic(struct commit *commit, int32_t index,
                                                        struct offset_commit_request_topic *topic)
{
    const struct group_topic *known = known_topic(commit, index);
    const struct bytes name = commit->event->version >= 10 && known != NULL
                                  ? known->name
                                  : update_text(commit->update, topic->name);
    struct offset_commit_response_partition *items = ARENA_ARRAY(
        commit->update->arena, struct offset_commit_response_partition, topic->partitions.count);
    int32_t count = 0;
    struct offset_commit_request_partition partition;
    while (offset_commit_request_partition_array_next(&topic->partitions, &partition)) {
        struct offset_value value = {
            .offset = partition.committed_offset,
            .leader_epoch = partition.committed_leader_epoch,
            .metadata = update_text(commit->update, partition.committed_metadata),
        };
        items[count++] = (struct offset_commit_response_partition){
            partition.partition_index,
            commit_one(commit, known, name, partition.partition_index, &value)};
    }
    return (struct offset_commit_response_topic){
        update_chain(commit->update, name), topic->topic_id, {.items = items, .count = count}};
}

/* However long its client wants it kept. */
static int64_t expiry_ms(int64_t wall_ms, int64_t retention_ms)
{
    return retention_ms > INT64_MAX - wall_ms ? INT64_MAX : wall_ms + retention_ms;
}

void offset_commit_step(struct group_coordinator *coordinator, const struct group_event *event,
                        struct group_update *update)
{
    const struct offset_commit_request *request = event->commit;
    const struct group_parked to = {true, event->token, event->version};
    struct commit commit = {
        .coordinator = coordinator,
        .event = event,
        .update = update,
        .group_id = update_text(update, request->group_id),
        .member_id = update_text(update, request->member_id),
        .instance_id = request->group_instance_id,
        .generation = request->generation_id_or_member_epoch,
        .producer_id = -1,
        .expire_ms = request->retention_time_ms < 0
                         ? WALL_NONE
                         : expiry_ms(coordinator->wall_ms, request->retention_time_ms),
    };
    commit.error = commit_check(&commit);
    if (commit.error == ERROR_NONE && commit.member != NULL) {
        member_heard(coordinator, commit.member);
    }
    struct offset_commit_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = offset_commit_response_default;
    struct offset_commit_request_topic_array topics = request->topics;
    struct offset_commit_request_topic topic;
    struct offset_commit_response_topic *items =
        ARENA_ARRAY(update->arena, struct offset_commit_response_topic, topics.count);
    while (offset_commit_request_topic_array_next(&topics, &topic)) {
        items[answer->topics.count] = commit_topic(&commit, answer->topics.count, &topic);
        answer->topics.count++;
    }
    answer->topics.items = items;
    update_reply(update, GROUP_OFFSET_COMMIT, &to, answer);
}

static struct txn_offset_commit_response_topic
txn_commit_topic(struct commit *commit, int32_t index,
                 struct txn_offset_commit_request_topic *topic)
{
    const struct bytes name = update_text(commit->update, topic->name);
    struct txn_offset_commit_response_partition *items =
        ARENA_ARRAY(commit->update->arena, struct txn_offset_commit_response_partition,
                    topic->partitions.count);
    int32_t count = 0;
    struct txn_offset_commit_request_partition partition;
    while (txn_offset_commit_request_partition_array_next(&topic->partitions, &partition)) {
        struct offset_value value = {
            .offset = partition.committed_offset,
            .leader_epoch = partition.committed_leader_epoch,
            .metadata = update_text(commit->update, partition.committed_metadata),
        };
        items[count++] = (struct txn_offset_commit_response_partition){
            partition.partition_index, commit_one(commit, known_topic(commit, index), name,
                                                  partition.partition_index, &value)};
    }
    return (struct txn_offset_commit_response_topic){update_chain(commit->update, name),
                                                     {.items = items, .count = count}};
}

void txn_offset_commit_step(struct group_coordinator *coordinator, const struct group_event *event,
                            struct group_update *update)
{
    const struct txn_offset_commit_request *request = event->txn_commit;
    const struct group_parked to = {true, event->token, event->version};
    struct commit commit = {
        .coordinator = coordinator,
        .event = event,
        .update = update,
        .group_id = update_text(update, request->group_id),
        .member_id = update_text(update, request->member_id),
        .instance_id = request->group_instance_id,
        .generation = request->generation_id,
        .transactional = true,
        .producer_id = request->producer_id,
        .expire_ms = WALL_NONE,
    };
    commit.error = commit.group_id.len == 0 ? ERROR_INVALID_GROUP_ID : commit_check(&commit);
    struct txn_offset_commit_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = txn_offset_commit_response_default;
    struct txn_offset_commit_request_topic_array topics = request->topics;
    struct txn_offset_commit_request_topic topic;
    struct txn_offset_commit_response_topic *items =
        ARENA_ARRAY(update->arena, struct txn_offset_commit_response_topic, topics.count);
    while (txn_offset_commit_request_topic_array_next(&topics, &topic)) {
        items[answer->topics.count] = txn_commit_topic(&commit, answer->topics.count, &topic);
        answer->topics.count++;
    }
    answer->topics.items = items;
    if (update->record_count > 0) {
        update->producer_id = request->producer_id;
        update->producer_epoch = request->producer_epoch;
    }
    update_reply(update, GROUP_TXN_OFFSET_COMMIT, &to, answer);
}
