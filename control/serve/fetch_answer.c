#include "control/serve/fetch_answer.h"

#include <stdlib.h>

#include "control/table.h"
#include "dataplane/kafka/errors.h"
#include "dataplane/slowpath/channel.h"
#include "storage/base/list.h"

/* Partitions that stand together, encoded. */
struct piece {
    struct list_node node;
    struct bytes bytes;
};

struct fetch_topic {
    struct table_node by_name;
    struct list_node node;
    struct bytes name;
    struct uuid id;
    int32_t partition_count;
    struct list pieces;
};

struct fetch_group {
    struct bytes id;
    int16_t error_code;
    struct table by_name; /* Of topics that may come again. */
    struct list topics;
    int32_t topic_count;
};

struct fetch_answer {
    int16_t version;
    uint64_t hash_seed;
    struct arena arena; /* Of all of this. */
    struct fetch_group *groups;
    uint32_t group_count;
    uint64_t bytes;
    uint32_t errors; /* In the pieces. */
    bool failed;     /* A piece cannot be said, or all is too long. */
    /* How far it is put together. */
    struct writer writer;
    uint8_t *body;
    uint32_t group; /* The next, or the one that is begun. */
    bool in_group;
    bool in_topic;
    struct list_node *topic; /* The next, or the one that is begun. */
    struct list_node *piece; /* The next. */
};

enum {
    COUNT_BYTES_MAX = 5,
    HEAD_BYTES_MAX = 16,
    PARTITION_BYTES = 24, /* Without its metadata. */
    TOPIC_BYTES = 32,     /* Without its name. */
    GROUP_BYTES = 16,     /* Without its id. */
};

struct fetch_answer *fetch_answer_new(int16_t version, uint32_t group_count, uint64_t hash_seed)
{
    struct fetch_answer *answer = calloc(1, sizeof(*answer));
    if (answer == NULL) {
        return NULL;
    }
    answer->version = version;
    answer->hash_seed = hash_seed;
    answer->groups = ARENA_ARRAY(&answer->arena, struct fetch_group, group_count);
    answer->group_count = group_count;
    answer->bytes = HEAD_BYTES_MAX;
    for (uint32_t i = 0; i < group_count; i++) {
        list_init(&answer->groups[i].topics);
    }
    return answer;
}

void fetch_answer_free(struct fetch_answer *answer)
{
    if (answer == NULL) {
        return;
    }
    for (uint32_t i = 0; i < answer->group_count; i++) {
        table_free(&answer->groups[i].by_name);
    }
    arena_free(&answer->arena);
    free(answer->body);
    free(answer);
}

uint64_t fetch_answer_bytes(const struct fetch_answer *answer)
{
    return answer->bytes;
}

/* ---- The wire, where it has no place in a struct that is encoded as a whole ------------------ */

static bool is_compact(const struct fetch_answer *answer)
{
    return answer->version >= 6;
}

static void tags_write(const struct fetch_answer *answer, struct writer *writer)
{
    if (is_compact(answer)) {
        writer_uvarint(writer, 0);
    }
}

static void partition_write(const struct fetch_answer *answer, struct writer *writer,
                            const struct offset_fetch_response_group_partition *partition)
{
    writer_i32(writer, partition->partition_index);
    writer_i64(writer, partition->committed_offset);
    if (answer->version >= 5) {
        writer_i32(writer, partition->committed_leader_epoch);
    }
    writer_string(writer, is_compact(answer), true, partition->metadata);
    writer_error_code(writer, partition->error_code);
    tags_write(answer, writer);
}

static void topic_begin(struct fetch_answer *answer, const struct fetch_topic *topic)
{
    if (answer->version >= 10) {
        writer_uuid(&answer->writer, topic->id);
    } else {
        writer_string(&answer->writer, is_compact(answer), false, chain_of(&topic->name));
    }
    writer_count(&answer->writer, is_compact(answer), false, topic->partition_count);
}

static void group_begin(struct fetch_answer *answer, const struct fetch_group *group)
{
    if (answer->version >= 8) {
        writer_string(&answer->writer, true, false, chain_of(&group->id));
    }
    writer_count(&answer->writer, is_compact(answer), false, group->topic_count);
}

/* Before version 8 the answer ends with it. */
static void group_end(struct fetch_answer *answer, const struct fetch_group *group)
{
    if (answer->version >= 2) {
        writer_error_code(&answer->writer, group->error_code);
    }
    tags_write(answer, &answer->writer);
}

static void answer_begin(struct fetch_answer *answer)
{
    if (answer->version >= 3) {
        writer_i32(&answer->writer, 0); /* The time to be throttled. */
    }
    if (answer->version >= 8) {
        writer_count(&answer->writer, true, false, (int32_t)answer->group_count);
    }
}

static void answer_end(struct fetch_answer *answer)
{
    if (answer->version >= 8) {
        tags_write(answer, &answer->writer);
    }
}

/* ---- Pieces --------------------------------------------------------------------------------- */

static struct fetch_topic *topic_find(const struct fetch_answer *answer,
                                      const struct fetch_group *group, struct bytes name)
{
    struct table_node *node = table_first(&group->by_name, table_hash(name, answer->hash_seed));
    for (; node != NULL; node = table_next(node)) {
        struct fetch_topic *topic = CONTAINER_OF(node, struct fetch_topic, by_name);
        if (bytes_equal(topic->name, name)) {
            return topic;
        }
    }
    return NULL;
}

static struct fetch_topic *topic_for(struct fetch_answer *answer, struct fetch_group *group,
                                     const struct offset_fetch_response_group_topic *told,
                                     bool merges)
{
    const struct bytes name = arena_flat(&answer->arena, told->name);
    struct fetch_topic *topic = merges ? topic_find(answer, group, name) : NULL;
    if (topic != NULL) {
        return topic;
    }
    topic = arena_take(&answer->arena, sizeof(*topic));
    topic->name = name;
    topic->id = told->topic_id;
    list_init(&topic->pieces);
    list_push_back(&group->topics, &topic->node);
    group->topic_count++;
    answer->bytes += TOPIC_BYTES + name.len;
    if (merges) {
        table_add(&group->by_name, &topic->by_name, table_hash(name, answer->hash_seed));
    }
    return topic;
}

static uint32_t partitions_bytes(struct offset_fetch_response_group_partition_array partitions)
{
    uint64_t bytes = 0;
    struct offset_fetch_response_group_partition partition;
    while (offset_fetch_response_group_partition_array_next(&partitions, &partition)) {
        bytes += PARTITION_BYTES + partition.metadata.len;
    }
    ASSERT(bytes < UINT32_MAX);
    return (uint32_t)bytes;
}

static void piece_add(struct fetch_answer *answer, struct fetch_topic *topic,
                      struct offset_fetch_response_group_partition_array partitions)
{
    const uint32_t room = partitions_bytes(partitions);
    struct piece *piece = arena_take(&answer->arena, sizeof(*piece));
    uint8_t *bytes = arena_take(&answer->arena, room);
    struct offset_fetch_response_group_partition partition;
    struct writer writer;
    writer_init(&writer, bytes, room);
    topic->partition_count += partitions.count;
    while (offset_fetch_response_group_partition_array_next(&partitions, &partition)) {
        partition_write(answer, &writer, &partition);
    }
    answer->failed = answer->failed || writer.status != CODEC_OK;
    piece->bytes = (struct bytes){bytes, writer_used(&writer)};
    answer->bytes += piece->bytes.len;
    answer->errors += writer.errors;
    list_push_back(&topic->pieces, &piece->node);
}

void fetch_answer_add(struct fetch_answer *answer, uint32_t group_index,
                      const struct offset_fetch_response_group *more, bool merges)
{
    struct fetch_group *group = &answer->groups[group_index];
    struct offset_fetch_response_group_topic_array topics = more->topics;
    struct offset_fetch_response_group_topic topic;
    if (group->id.ptr == NULL) {
        group->id = arena_flat(&answer->arena, more->group_id);
        answer->bytes += GROUP_BYTES + group->id.len;
    }
    group->error_code = more->error_code;
    if (more->error_code != ERROR_NONE) {
        list_init(&group->topics);
        group->topic_count = 0;
    }
    answer->failed = answer->failed || answer->bytes > SLOW_REPLY_BYTES_MAX;
    while (!answer->failed && offset_fetch_response_group_topic_array_next(&topics, &topic)) {
        piece_add(answer, topic_for(answer, group, &topic, merges), topic.partitions);
    }
}

/* ---- Together ------------------------------------------------------------------------------- */

static void topic_build(struct fetch_answer *answer)
{
    struct fetch_topic *topic = CONTAINER_OF(answer->topic, struct fetch_topic, node);
    if (!answer->in_topic) {
        topic_begin(answer, topic);
        answer->in_topic = true;
        answer->piece = topic->pieces.head.next;
    } else if (answer->piece != &topic->pieces.head) {
        const struct piece *piece = CONTAINER_OF(answer->piece, struct piece, node);
        writer_raw(&answer->writer, chain_of(&piece->bytes));
        answer->piece = answer->piece->next;
    } else {
        tags_write(answer, &answer->writer);
        answer->in_topic = false;
        answer->topic = answer->topic->next;
    }
}

/* The next bit of it; true: that was the last. */
static bool bit_build(struct fetch_answer *answer)
{
    if (answer->group == answer->group_count) {
        answer_end(answer);
        return true;
    }
    const struct fetch_group *group = &answer->groups[answer->group];
    if (!answer->in_group) {
        group_begin(answer, group);
        answer->in_group = true;
        answer->topic = group->topics.head.next;
    } else if (answer->topic != &group->topics.head) {
        topic_build(answer);
    } else {
        group_end(answer, group);
        answer->in_group = false;
        answer->group++;
    }
    return false;
}

bool fetch_answer_build(struct fetch_answer *answer, uint32_t bytes_max)
{
    enum { BIT_BYTES = 16 }; /* Of work, however short it is. */
    if (answer->body == NULL) {
        answer->body = malloc(answer->bytes);
        ASSERT(answer->body != NULL);
        writer_init(&answer->writer, answer->body, answer->bytes);
        answer_begin(answer);
    }
    const uint32_t from = writer_used(&answer->writer);
    for (uint32_t bits = 0; writer_used(&answer->writer) - from + bits * BIT_BYTES < bytes_max;
         bits++) {
        if (answer->failed || bit_build(answer)) {
            return true;
        }
    }
    return false;
}

uint8_t *fetch_answer_take(struct fetch_answer *answer, uint32_t *len, uint32_t *errors)
{
    uint8_t *body = answer->body;
    if (answer->failed || answer->writer.status != CODEC_OK) {
        return NULL;
    }
    *len = writer_used(&answer->writer);
    *errors = answer->errors + answer->writer.errors;
    answer->body = NULL;
    return body;
}
