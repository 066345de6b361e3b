/* Offsets, committed and asked for by members of groups. */
#include "tests/sim/sim_work.h"

void commit_send(struct actor *actor, struct committing *commit, struct bytes member_id,
                 struct bytes instance_id, int16_t version_min, uint64_t cookie)
{
    struct book *book = actor_book(actor);
    const struct book_topic *topic = book_topic_of(book, commit->partition);
    const struct bytes group = text_view(book_group(commit->group));
    const struct bytes name = text_view(topic->name);
    commit->offset = book_commit_sent(book, commit->group, commit->partition, 0);
    struct offset_commit_request_partition partition = offset_commit_request_partition_default;
    partition.partition_index = (int32_t)(commit->partition - topic->first);
    partition.committed_offset = commit->offset;
    struct offset_commit_request_topic one = offset_commit_request_topic_default;
    one.name = chain_of(&name);
    one.topic_id = topic->id;
    one.partitions.items = &partition;
    one.partitions.count = 1;
    struct offset_commit_request request = offset_commit_request_default;
    request.group_id = chain_of(&group);
    request.generation_id_or_member_epoch = commit->generation;
    request.member_id = chain_of(&member_id);
    request.topics.items = &one;
    request.topics.count = 1;
    int16_t version;
    struct writer *writer = actor_begin(actor, API_OFFSET_COMMIT, version_min, INT16_MAX, &version);
    request.group_instance_id = instance_id.ptr == NULL ? CHAIN_NULL : chain_of(&instance_id);
    (void)offset_commit_request_encode(writer, version, &request);
    actor_end(actor, API_OFFSET_COMMIT, version, writer, cookie);
}

/* Then it was not done, and never will be. */
static bool is_refusal(int16_t error)
{
    return error == ERROR_ILLEGAL_GENERATION || error == ERROR_UNKNOWN_MEMBER_ID ||
           error == ERROR_REBALANCE_IN_PROGRESS || error == ERROR_STALE_MEMBER_EPOCH ||
           error == ERROR_FENCED_INSTANCE_ID || error == ERROR_GROUP_ID_NOT_FOUND;
}

int16_t commit_take(struct actor *actor, struct committing *commit, const struct flight *flight,
                    struct reader *reader)
{
    struct book *book = actor_book(actor);
    struct offset_commit_response response;
    struct offset_commit_response_topic topic;
    struct offset_commit_response_partition partition = {.error_code = -1};
    if (offset_commit_response_decode(reader, flight->version, &response) != CODEC_OK ||
        !offset_commit_response_topic_array_next(&response.topics, &topic) ||
        !offset_commit_response_partition_array_next(&topic.partitions, &partition)) {
        sim_fail("OffsetCommit version %d: an answer without the partition", flight->version);
    }
    (void)offset_commit_response_partition_array_next(&topic.partitions, &partition);
    (void)offset_commit_response_topic_array_next(&response.topics, &topic);
    if (partition.error_code == ERROR_NONE) {
        if (commit->old) {
            sim_fail("group %s: a commit of the old generation or epoch %d was accepted",
                     book_group(commit->group), commit->generation);
        }
        book_commit_acked(book, commit->group, commit->partition, commit->offset);
    } else if (is_refusal(partition.error_code)) {
        book_commit_refused(book, commit->group, commit->partition, commit->offset);
    } else {
        actor_retry(actor, "OffsetCommit", partition.error_code);
    }
    return partition.error_code;
}

void offsets_send(struct actor *actor, struct committing *commit, uint64_t cookie)
{
    struct book *book = actor_book(actor);
    const struct book_topic *topic = book_topic_of(book, commit->partition);
    const struct bytes group = text_view(book_group(commit->group));
    const struct bytes name = text_view(topic->name);
    const int32_t index = (int32_t)(commit->partition - topic->first);
    struct offset_fetch_request_topic old = {.name = chain_of(&name)};
    struct offset_fetch_request_group_topic now = {.name = chain_of(&name), .topic_id = topic->id};
    old.partition_indexes.items = &index;
    old.partition_indexes.count = 1;
    now.partition_indexes = old.partition_indexes;
    struct offset_fetch_request_group of = offset_fetch_request_group_default;
    of.group_id = chain_of(&group);
    of.topics.items = &now;
    of.topics.count = 1;
    commit->all = !commit->stable && commit->asked++ % 3 == 2;
    struct offset_fetch_request request = offset_fetch_request_default;
    int16_t version;
    struct writer *writer =
        actor_begin(actor, API_OFFSET_FETCH, commit->stable ? 7 : 2, INT16_MAX, &version);
    if (commit->all) {
        of.topics = (struct offset_fetch_request_group_topic_array){.count = -1};
    }
    if (version < 8) {
        request.group_id = chain_of(&group);
        request.topics.items = &old;
        request.topics.count = commit->all ? -1 : 1;
    } else {
        request.groups.items = &of;
        request.groups.count = 1;
    }
    request.require_stable = commit->stable;
    commit->offset = 0;
    (void)offset_fetch_request_encode(writer, version, &request);
    actor_end(actor, API_OFFSET_FETCH, version, writer, cookie);
}

struct told {
    const struct committing *commit;
    const struct book_topic *topic;
    int16_t error;
    int64_t offset;
    uint32_t count;
};

/* Of the partition that is asked for; of all that a group has it may be one. */
static void told_take(struct told *told, bool is_topic, int32_t index, int64_t offset,
                      int16_t error_code)
{
    const int32_t wanted = (int32_t)(told->commit->partition - told->topic->first);
    if (!told->commit->all || (is_topic && index == wanted)) {
        told->count++;
        told->offset = offset;
        told->error = told->error == ERROR_NONE ? error_code : told->error;
    }
}

static void told_by_group(struct offset_fetch_response *response, int16_t version,
                          struct told *told)
{
    struct offset_fetch_response_group group;
    while (offset_fetch_response_group_array_next(&response->groups, &group)) {
        struct offset_fetch_response_group_topic topic;
        told->error = group.error_code;
        while (offset_fetch_response_group_topic_array_next(&group.topics, &topic)) {
            struct offset_fetch_response_group_partition partition;
            const bool is_topic = version >= 10
                                      ? uuid_equal(topic.topic_id, told->topic->id)
                                      : chain_equals(topic.name, text_view(told->topic->name));
            while (
                offset_fetch_response_group_partition_array_next(&topic.partitions, &partition)) {
                told_take(told, is_topic, partition.partition_index, partition.committed_offset,
                          partition.error_code);
            }
        }
    }
}

static void told_by_topic(struct offset_fetch_response *response, struct told *told)
{
    struct offset_fetch_response_topic topic;
    told->error = response->error_code;
    while (offset_fetch_response_topic_array_next(&response->topics, &topic)) {
        struct offset_fetch_response_partition partition;
        const bool is_topic = chain_equals(topic.name, text_view(told->topic->name));
        while (offset_fetch_response_partition_array_next(&topic.partitions, &partition)) {
            told_take(told, is_topic, partition.partition_index, partition.committed_offset,
                      partition.error_code);
        }
    }
}

bool offsets_answer(struct actor *actor, struct committing *commit, const struct flight *flight,
                    struct reader *reader)
{
    struct offset_fetch_response response;
    struct told told = {.commit = commit,
                        .topic = book_topic_of(actor_book(actor), commit->partition),
                        .offset = -1};
    if (offset_fetch_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return false;
    }
    if (flight->version < 8) {
        told_by_topic(&response, &told);
    } else {
        told_by_group(&response, flight->version, &told);
    }
    if (told.error != ERROR_NONE) {
        actor_retry(actor, "OffsetFetch", told.error);
        return false;
    }
    if (commit->all ? told.count > 1 : told.count != 1) {
        sim_fail("OffsetFetch version %d: %u partitions in the answer", flight->version,
                 told.count);
    }
    commit->told = told.offset;
    if (commit->group != BOOK_GROUP_OF_MOVERS) {
        book_commit_read(actor_book(actor), commit->group, commit->partition, told.offset,
                         actor->asked_ns, commit->stable);
    }
    return true;
}
