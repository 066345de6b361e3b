#include "control/serve/group_request.h"

#include <stdlib.h>

#include "control/control_state.h"
#include "control/repeats.h"
#include "control/serve/fetch_answer.h"
#include "control/serve/listed.h"
#include "control/serve/parts.h"
#include "control/serve/parts_answer.h"
#include "dataplane/slowpath/address.h"

struct group_api;

struct group_request {
    struct parts all;
    struct groups *groups;
    const struct group_api *api;
    union {
        struct join_group_request join;
        struct sync_group_request sync;
        struct heartbeat_request heartbeat;
        struct leave_group_request leave;
        struct offset_commit_request commit;
        struct txn_offset_commit_request txn_commit;
        struct offset_delete_request offset_delete;
        struct offset_fetch_request fetch;
        struct describe_groups_request describe;
        struct delete_groups_request delete_groups;
        struct list_groups_request list;
        struct consumer_group_heartbeat_request consumer_heartbeat;
        struct consumer_group_describe_request consumer_describe;
    } body;
    struct offset_fetch_request_group *fetched; /* By part. */
    struct fetch_answer *fetch;
    struct parts_answer built; /* Of api->write. */
    struct listed *listed;     /* By part. */
};

struct group_api {
    int16_t key;
    enum group_event_kind kind;
    /* Decodes the body and makes the parts; false: it is malformed. */
    bool (*open)(struct group_request *whole, struct reader *reader, int16_t version);
    void (*event)(struct group_request *whole, const struct part *part, struct group_event *event);
    /* Sends the answer; all parts have theirs. */
    void (*answer)(struct group_request *whole, int16_t version);
    /* Takes what a step says of a part, which may be more than once. NULL: it is said once, and the
       part keeps it. */
    void (*take)(struct group_request *whole, const struct part *part, const void *answer);
    /* Writes what the answer says of a part, or what stands before (part NULL, is_end false) and
       behind all of them. NULL: it is no list of parts. */
    void (*write)(struct group_request *whole, struct writer *writer, const struct part *part,
                  bool is_end);
};

/* ---- What is known of topics ---------------------------------------------------------------- */

static const struct image *image_of(struct group_request *whole)
{
    return &groups_control(whole->groups)->store.image;
}

static struct group_topic topic_named(struct group_request *whole, struct chain name)
{
    const struct bytes text = arena_flat(&whole->all.arena, name);
    const struct image_topic *topic = image_topic_by_name(image_of(whole), text);
    return topic == NULL
               ? (struct group_topic){.name = text, .error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION}
               : (struct group_topic){.name = text,
                                      .partition_count = (int32_t)topic->partition_count};
}

static struct group_topic topic_with_id(struct group_request *whole, struct uuid id)
{
    const struct image_topic *topic = image_topic_by_id(image_of(whole), &id);
    return topic == NULL ? (struct group_topic){.id = id, .error_code = ERROR_UNKNOWN_TOPIC_ID}
                         : (struct group_topic){.name = arena_copy(&whole->all.arena, topic->name),
                                                .id = id,
                                                .partition_count = (int32_t)topic->partition_count};
}

/* ---- APIs of one group ---------------------------------------------------------------------- */

PARTS_OF_ONE(group_request, join_group, join, group_id)
PARTS_OF_ONE(group_request, sync_group, sync, group_id)
PARTS_OF_ONE(group_request, heartbeat, heartbeat, group_id)
PARTS_OF_ONE(group_request, leave_group, leave, group_id)
PARTS_OF_ONE(group_request, offset_commit, commit, group_id)
PARTS_OF_ONE(group_request, offset_delete, offset_delete, group_id)
PARTS_OF_ONE(group_request, consumer_group_heartbeat, consumer_heartbeat, group_id)
PARTS_OF_ONE(group_request, txn_offset_commit, txn_commit, group_id)

static void join_event(struct group_request *whole, const struct part *part,
                       struct group_event *event)
{
    (void)part;
    event->join = &whole->body.join;
}

static void sync_event(struct group_request *whole, const struct part *part,
                       struct group_event *event)
{
    (void)part;
    event->sync = &whole->body.sync;
}

static void heartbeat_event(struct group_request *whole, const struct part *part,
                            struct group_event *event)
{
    (void)part;
    event->heartbeat = &whole->body.heartbeat;
}

/* While a group is read its members are told that all is well, as in Kafka. */
static void heartbeat_or_load_answer(struct group_request *whole, int16_t version)
{
    if (whole->all.parts[0].error == ERROR_COORDINATOR_LOAD_IN_PROGRESS) {
        heartbeat_send(&whole->all, version, &heartbeat_response_default);
    } else {
        heartbeat_answer(whole, version);
    }
}

static void consumer_heartbeat_event(struct group_request *whole, const struct part *part,
                                     struct group_event *event)
{
    (void)part;
    event->consumer_heartbeat = &whole->body.consumer_heartbeat;
}

static void leave_event(struct group_request *whole, const struct part *part,
                        struct group_event *event)
{
    (void)part;
    event->leave = &whole->body.leave;
}

static void commit_event(struct group_request *whole, const struct part *part,
                         struct group_event *event)
{
    (void)part;
    struct offset_commit_request_topic_array topics = whole->body.commit.topics;
    struct offset_commit_request_topic topic;
    struct group_topic *known = ARENA_ARRAY(&whole->all.arena, struct group_topic, topics.count);
    uint32_t count = 0;
    while (offset_commit_request_topic_array_next(&topics, &topic)) {
        known[count++] = parts_version(&whole->all) >= 10 ? topic_with_id(whole, topic.topic_id)
                                                          : topic_named(whole, topic.name);
    }
    event->commit = &whole->body.commit;
    event->topics = known;
}

static void txn_commit_event(struct group_request *whole, const struct part *part,
                             struct group_event *event)
{
    (void)part;
    struct txn_offset_commit_request_topic_array topics = whole->body.txn_commit.topics;
    struct txn_offset_commit_request_topic topic;
    struct group_topic *known = ARENA_ARRAY(&whole->all.arena, struct group_topic, topics.count);
    for (uint32_t i = 0; txn_offset_commit_request_topic_array_next(&topics, &topic); i++) {
        known[i] = topic_named(whole, topic.name);
    }
    event->txn_commit = &whole->body.txn_commit;
    event->topics = known;
}

static void offset_delete_event(struct group_request *whole, const struct part *part,
                                struct group_event *event)
{
    (void)part;
    struct offset_delete_request_topic_array topics = whole->body.offset_delete.topics;
    struct offset_delete_request_topic topic;
    struct group_topic *known = ARENA_ARRAY(&whole->all.arena, struct group_topic, topics.count);
    uint32_t count = 0;
    while (offset_delete_request_topic_array_next(&topics, &topic)) {
        known[count++] = topic_named(whole, topic.name);
    }
    event->offset_delete = &whole->body.offset_delete;
    event->topics = known;
}

/* ---- OffsetFetch ---------------------------------------------------------------------------- */

/* Before version 8 there is one group, and it stands elsewhere. */
static void fetch_old_open(struct group_request *whole)
{
    struct arena *arena = &whole->all.arena;
    struct offset_fetch_request *body = &whole->body.fetch;
    struct offset_fetch_request_group *group =
        ARENA_ARRAY(arena, struct offset_fetch_request_group, 1);
    *group = offset_fetch_request_group_default;
    group->group_id = body->group_id;
    group->topics.count = body->topics.count;
    if (body->topics.count >= 0) {
        struct offset_fetch_request_group_topic *items =
            ARENA_ARRAY(arena, struct offset_fetch_request_group_topic, body->topics.count);
        struct offset_fetch_request_topic_array topics = body->topics;
        struct offset_fetch_request_topic topic;
        for (uint32_t i = 0; offset_fetch_request_topic_array_next(&topics, &topic); i++) {
            items[i] = offset_fetch_request_group_topic_default;
            items[i].name = topic.name;
            items[i].partition_indexes = topic.partition_indexes;
        }
        group->topics.items = items;
    }
    whole->fetched = group;
    (void)parts_make(&whole->all, 1);
    whole->all.parts[0].id = arena_flat(arena, body->group_id);
}

static void fetch_answer_open(struct group_request *whole)
{
    whole->fetch =
        fetch_answer_new(parts_version(&whole->all), whole->all.count, groups_seed(whole->groups));
    ASSERT(whole->fetch != NULL);
}

static bool offset_fetch_open(struct group_request *whole, struct reader *reader, int16_t version)
{
    if (offset_fetch_request_decode(reader, version, &whole->body.fetch) != CODEC_OK) {
        return false;
    }
    if (version < 8) {
        fetch_old_open(whole);
        fetch_answer_open(whole);
        return true;
    }
    struct offset_fetch_request_group_array groups = whole->body.fetch.groups;
    struct offset_fetch_request_group group;
    if (!parts_make(&whole->all, (uint32_t)groups.count)) {
        return true;
    }
    whole->fetched =
        ARENA_ARRAY(&whole->all.arena, struct offset_fetch_request_group, groups.count);
    for (uint32_t i = 0; offset_fetch_request_group_array_next(&groups, &group); i++) {
        whole->fetched[i] = group;
        whole->all.parts[i].id = arena_flat(&whole->all.arena, group.group_id);
    }
    fetch_answer_open(whole);
    return true;
}

static void offset_fetch_event(struct group_request *whole, const struct part *part,
                               struct group_event *event)
{
    const struct offset_fetch_request_group *group = &whole->fetched[part->index];
    event->fetch.group = group;
    event->fetch.require_stable = whole->body.fetch.require_stable;
    if (parts_version(&whole->all) >= 10 && group->topics.count >= 0) {
        struct offset_fetch_request_group_topic_array topics = group->topics;
        struct offset_fetch_request_group_topic topic;
        struct group_topic *known =
            ARENA_ARRAY(&whole->all.arena, struct group_topic, topics.count);
        uint32_t count = 0;
        while (offset_fetch_request_group_topic_array_next(&topics, &topic)) {
            known[count++] = topic_with_id(whole, topic.topic_id);
        }
        event->topics = known;
    }
}

/* In versions that can name topics by id, those that a group has offsets of have one. */
static void topic_ids_fill(struct group_request *whole, struct arena *arena,
                           struct offset_fetch_response_group *group)
{
    struct offset_fetch_response_group_topic_array topics = group->topics;
    struct offset_fetch_response_group_topic topic;
    struct offset_fetch_response_group_topic *items =
        ARENA_ARRAY(arena, struct offset_fetch_response_group_topic, topics.count);
    int32_t count = 0;
    while (offset_fetch_response_group_topic_array_next(&topics, &topic)) {
        const struct image_topic *known =
            image_topic_by_name(image_of(whole), arena_flat(arena, topic.name));
        if (known != NULL) { /* Else it is gone, and cannot be named. */
            items[count] = topic;
            items[count++].topic_id = known->id;
        }
    }
    group->topics =
        (struct offset_fetch_response_group_topic_array){.items = items, .count = count};
}

static void offset_fetch_take(struct group_request *whole, const struct part *part,
                              const void *answer)
{
    struct arena arena = {0};
    struct offset_fetch_response_group group = *(const struct offset_fetch_response_group *)answer;
    const bool all = whole->fetched[part->index].topics.count < 0;
    if (all && parts_version(&whole->all) >= 10) {
        topic_ids_fill(whole, &arena, &group);
    }
    fetch_answer_add(whole->fetch, part->index, &group, all);
    arena_free(&arena);
}

/* As much as is done in one turn; true: it is sent. */
static bool fetch_build(struct group_request *whole)
{
    if (!fetch_answer_build(whole->fetch, BUILT_BYTES_PER_TURN)) {
        return false;
    }
    uint32_t len = 0;
    uint32_t errors = 0;
    uint8_t *body = fetch_answer_take(whole->fetch, &len, &errors);
    parts_send_body(&whole->all, body, len, errors);
    return true;
}

static void offset_fetch_answer(struct group_request *whole, int16_t version)
{
    const struct parts *all = &whole->all;
    if (version < 8 && all->parts[0].error != ERROR_NONE) {
        parts_send_error(&whole->all, all->parts[0].error);
        return;
    }
    for (uint32_t i = 0; i < all->count; i++) {
        struct offset_fetch_response_group failed = offset_fetch_response_group_default;
        failed.group_id = chain_of(&all->parts[i].id);
        failed.error_code = all->parts[i].error;
        if (failed.error_code != ERROR_NONE) {
            fetch_answer_add(whole->fetch, i, &failed, false);
        }
    }
    if (part_answer_waits(all->peer, fetch_answer_bytes(whole->fetch))) {
        parts_send_error(&whole->all, ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    } else if (!fetch_build(whole)) {
        groups_build_later(whole->groups, &whole->all);
    }
}

/* ---- Answers that list parts ----------------------------------------------------------------- */

static void part_write(void *context, struct writer *writer, uint32_t bit)
{
    struct group_request *whole = context;
    const bool is_part = bit > 0 && bit <= whole->all.count;
    whole->api->write(whole, writer, is_part ? &whole->all.parts[bit - 1] : NULL, bit > 0);
}

/* As much as is done in one turn; true: it is sent. */
static bool parts_build(struct group_request *whole)
{
    struct parts_answer *built = &whole->built;
    if (!parts_answer_build(built, whole->all.count + 2, part_write, whole, BUILT_BYTES_PER_TURN)) {
        return false;
    }
    if (part_answer_waits(whole->all.peer, built->len)) {
        parts_send_error(&whole->all, ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    } else if (built->failed) {
        parts_send_body(&whole->all, NULL, 0, 0);
    } else {
        parts_send_body(&whole->all, built->body, built->len, built->errors);
        built->body = NULL;
    }
    return true;
}

static void parts_list_answer(struct group_request *whole, int16_t version)
{
    (void)version;
    if (!parts_build(whole)) {
        groups_build_later(whole->groups, &whole->all);
    }
}

bool group_answer_go_on(struct parts *all)
{
    struct group_request *whole = (struct group_request *)all;
    const bool done = whole->api->write == NULL ? fetch_build(whole) : parts_build(whole);
    if (done) {
        list_remove(&all->node);
        parts_free(all);
    }
    return done;
}

/* ---- DescribeGroups, DeleteGroups, ListGroups ------------------------------------------------ */

static void parts_name(struct group_request *whole, struct string_array names)
{
    struct chain name;
    const bool made = parts_make(&whole->all, (uint32_t)names.count);
    for (uint32_t i = 0; made && string_array_next(&names, &name); i++) {
        whole->all.parts[i].id = arena_flat(&whole->all.arena, name);
    }
}

static bool describe_groups_open(struct group_request *whole, struct reader *reader,
                                 int16_t version)
{
    if (describe_groups_request_decode(reader, version, &whole->body.describe) != CODEC_OK) {
        return false;
    }
    parts_name(whole, whole->body.describe.groups);
    return true;
}

static void group_id_event(struct group_request *whole, const struct part *part,
                           struct group_event *event)
{
    (void)whole;
    event->group_id = part->id;
}

/* READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS, as bits (AclOperation). */
enum { OPERATIONS_OF_GROUP = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11 };

static void describe_groups_write(struct group_request *whole, struct writer *writer,
                                  const struct part *part, bool is_end)
{
    const int16_t version = parts_version(&whole->all);
    if (part == NULL && is_end) {
        (void)describe_groups_response_encode_end(writer, version,
                                                  &describe_groups_response_default);
        return;
    }
    if (part == NULL) {
        describe_groups_response_encode_begin(writer, version, &describe_groups_response_default,
                                              (int32_t)whole->all.count);
        return;
    }
    struct describe_groups_response_group item = describe_groups_response_group_default;
    if (part->answer != NULL) {
        item = *(const struct describe_groups_response_group *)part->answer;
    } else {
        item.group_id = chain_of(&part->id);
        item.error_code = part->error;
    }
    if (whole->body.describe.include_authorized_operations && item.error_code == ERROR_NONE) {
        item.authorized_operations = OPERATIONS_OF_GROUP;
    }
    describe_groups_response_group_encode(writer, version, &item);
}

static bool consumer_describe_open(struct group_request *whole, struct reader *reader,
                                   int16_t version)
{
    struct consumer_group_describe_request *body = &whole->body.consumer_describe;
    if (consumer_group_describe_request_decode(reader, version, body) != CODEC_OK) {
        return false;
    }
    parts_name(whole, body->group_ids);
    return true;
}

static void consumer_describe_write(struct group_request *whole, struct writer *writer,
                                    const struct part *part, bool is_end)
{
    const int16_t version = parts_version(&whole->all);
    if (part == NULL && is_end) {
        (void)consumer_group_describe_response_encode_end(
            writer, version, &consumer_group_describe_response_default);
        return;
    }
    if (part == NULL) {
        consumer_group_describe_response_encode_begin(
            writer, version, &consumer_group_describe_response_default, (int32_t)whole->all.count);
        return;
    }
    struct consumer_group_describe_response_group item =
        consumer_group_describe_response_group_default;
    if (part->answer != NULL) {
        item = *(const struct consumer_group_describe_response_group *)part->answer;
    } else {
        item.group_id = chain_of(&part->id);
        item.error_code = part->error;
    }
    if (whole->body.consumer_describe.include_authorized_operations &&
        item.error_code == ERROR_NONE) {
        item.authorized_operations = OPERATIONS_OF_GROUP;
    }
    consumer_group_describe_response_group_encode(writer, version, &item);
}

/* What is named again is answered once. */
static void parts_name_once(struct group_request *whole, struct string_array names)
{
    struct parts *all = &whole->all;
    parts_name(whole, names);
    if (all->too_many) {
        return;
    }
    struct said *said = ARENA_ARRAY(&all->arena, struct said, all->count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        said[i] = (struct said){.name = all->parts[i].id};
    }
    repeats_mark(&all->arena, said, all->count);
    for (uint32_t i = 0; i < all->count; i++) {
        if (!said[i].later) {
            all->parts[count++].id = said[i].name;
        }
    }
    all->count = count;
}

static bool delete_groups_open(struct group_request *whole, struct reader *reader, int16_t version)
{
    if (delete_groups_request_decode(reader, version, &whole->body.delete_groups) != CODEC_OK) {
        return false;
    }
    parts_name_once(whole, whole->body.delete_groups.groups_names);
    return true;
}

static void delete_groups_write(struct group_request *whole, struct writer *writer,
                                const struct part *part, bool is_end)
{
    const int16_t version = parts_version(&whole->all);
    if (part == NULL && is_end) {
        (void)delete_groups_response_encode_end(writer, version, &delete_groups_response_default);
        return;
    }
    if (part == NULL) {
        delete_groups_response_encode_begin(writer, version, &delete_groups_response_default,
                                            (int32_t)whole->all.count);
        return;
    }
    struct delete_groups_response_result item = delete_groups_response_result_default;
    if (part->answer != NULL) {
        item = *(const struct delete_groups_response_result *)part->answer;
    } else {
        item.group_id = chain_of(&part->id);
        item.error_code = part->error;
    }
    delete_groups_response_result_encode(writer, version, &item);
}

static bool list_groups_open(struct group_request *whole, struct reader *reader, int16_t version)
{
    if (list_groups_request_decode(reader, version, &whole->body.list) != CODEC_OK) {
        return false;
    }
    (void)parts_make(&whole->all, groups_seat_count(whole->groups));
    whole->listed = ARENA_ARRAY(&whole->all.arena, struct listed, whole->all.count);
    return true;
}

static void list_event(struct group_request *whole, const struct part *part,
                       struct group_event *event)
{
    (void)part;
    event->list = &whole->body.list;
}

static void list_take(struct group_request *whole, const struct part *part, const void *answer)
{
    listed_add(&whole->listed[part->index], &whole->all.arena, parts_version(&whole->all),
               ((const struct list_groups_response *)answer)->groups);
}

static void list_head_write(const struct group_request *whole, struct writer *writer,
                            int16_t version)
{
    int16_t error = ERROR_NONE;
    int32_t count = 0;
    for (uint32_t i = 0; i < whole->all.count; i++) {
        const struct part *part = &whole->all.parts[i];
        count += part->error == ERROR_NONE ? whole->listed[i].groups : 0;
        if (part->error != ERROR_NONE && part->error != ERROR_NOT_COORDINATOR) {
            error = part->error;
        }
    }
    if (version >= 1) {
        writer_i32(writer, 0); /* The time to be throttled. */
    }
    writer_error_code(writer, error);
    writer_count(writer, version >= 3, false, count);
}

static void list_groups_write(struct group_request *whole, struct writer *writer,
                              const struct part *part, bool is_end)
{
    const int16_t version = parts_version(&whole->all);
    if (part == NULL && !is_end) {
        list_head_write(whole, writer, version);
    } else if (part == NULL && version >= 3) {
        writer_uvarint(writer, 0);
    } else if (part != NULL && part->error == ERROR_NONE) {
        listed_write(&whole->listed[part->index], writer);
    }
}

/* ---- The table ------------------------------------------------------------------------------ */

static const struct group_api apis[] = {
    {API_JOIN_GROUP, GROUP_JOIN, join_group_open, join_event, join_group_answer, NULL, NULL},
    {API_SYNC_GROUP, GROUP_SYNC, sync_group_open, sync_event, sync_group_answer, NULL, NULL},
    {API_HEARTBEAT, GROUP_HEARTBEAT, heartbeat_open, heartbeat_event, heartbeat_or_load_answer,
     NULL, NULL},
    {API_LEAVE_GROUP, GROUP_LEAVE, leave_group_open, leave_event, leave_group_answer, NULL, NULL},
    {API_OFFSET_COMMIT, GROUP_OFFSET_COMMIT, offset_commit_open, commit_event, offset_commit_answer,
     NULL, NULL},
    {API_TXN_OFFSET_COMMIT, GROUP_TXN_OFFSET_COMMIT, txn_offset_commit_open, txn_commit_event,
     txn_offset_commit_answer, NULL, NULL},
    {API_OFFSET_DELETE, GROUP_OFFSET_DELETE, offset_delete_open, offset_delete_event,
     offset_delete_answer, NULL, NULL},
    {API_OFFSET_FETCH, GROUP_OFFSET_FETCH, offset_fetch_open, offset_fetch_event,
     offset_fetch_answer, offset_fetch_take, NULL},
    {API_DESCRIBE_GROUPS, GROUP_DESCRIBE, describe_groups_open, group_id_event, parts_list_answer,
     NULL, describe_groups_write},
    {API_DELETE_GROUPS, GROUP_DELETE, delete_groups_open, group_id_event, parts_list_answer, NULL,
     delete_groups_write},
    {API_LIST_GROUPS, GROUP_LIST, list_groups_open, list_event, parts_list_answer, list_take,
     list_groups_write},
    {API_CONSUMER_GROUP_HEARTBEAT, GROUP_CONSUMER_HEARTBEAT, consumer_group_heartbeat_open,
     consumer_heartbeat_event, consumer_group_heartbeat_answer, NULL, NULL},
    {API_CONSUMER_GROUP_DESCRIBE, GROUP_CONSUMER_DESCRIBE, consumer_describe_open, group_id_event,
     parts_list_answer, NULL, consumer_describe_write},
};

static const struct group_api *group_api_find(int16_t key)
{
    for (uint32_t i = 0; i < ARRAY_SIZE(apis); i++) {
        if (apis[i].key == key) {
            return &apis[i];
        }
    }
    return NULL;
}

bool group_request_is(int16_t api_key)
{
    return group_api_find(api_key) != NULL;
}

/* ---- Running -------------------------------------------------------------------------------- */

static bool request_finish(struct parts *all)
{
    struct group_request *whole = (struct group_request *)all;
    whole->api->answer(whole, parts_version(all));
    return !list_linked(&all->node);
}

/* "/192.0.2.1", as Java prints an address. */
static struct bytes host_text(struct group_request *whole)
{
    char text[1 + ADDRESS_TEXT_BYTES];
    char host[ADDRESS_TEXT_BYTES];
    const struct bytes at = address_text(&whole->all.request->header.peer, host);
    text[0] = '/';
    memcpy(text + 1, at.ptr, at.len);
    return arena_copy(&whole->all.arena, (struct bytes){(const uint8_t *)text, at.len + 1});
}

/* Of whom the part is asked. */
static int16_t part_seat(const struct group_request *whole, const struct part *part,
                         struct group_seat **seat)
{
    if (whole->api->kind == GROUP_LIST) {
        *seat = groups_seat(whole->groups, part->index);
        return group_seat_error(*seat);
    }
    return groups_seat_of(whole->groups, part->id, seat);
}

/* *taken: the memory that the parts of the request take. */
static void part_run(struct part *part, uint64_t *taken)
{
    struct group_request *whole = (struct group_request *)part->all;
    const struct peer_request *request = whole->all.request;
    struct group_seat *seat = NULL;
    int16_t error;
    if (*taken > PARTS_BYTES_MAX) {
        error = ERROR_POLICY_VIOLATION;
    } else {
        error = part_seat(whole, part, &seat);
    }
    if (error != ERROR_NONE) {
        part_fail(part, error);
        return;
    }
    struct group_event event = {
        .kind = whole->api->kind,
        .token = (uint64_t)(uintptr_t)part,
        .version = parts_version(&whole->all),
        .random = uuid_random(&groups_control(whole->groups)->random),
        .client_id = {(const uint8_t *)request->header.client_id, request->header.client_id_len},
        .client_host = host_text(whole),
    };
    whole->api->event(whole, part, &event);
    list_push_back(&seat->parts, &part->node);
    *taken += group_seat_step(seat, &event);
}

static void request_release(struct parts *all)
{
    struct group_request *whole = (struct group_request *)all;
    fetch_answer_free(whole->fetch);
    free(whole->built.body);
}

bool group_request_go_on(struct parts *all)
{
    struct groups *groups = ((struct group_request *)all)->groups;
    bool over;
    do {
        over = parts_run_next(all, part_run);
    } while (!over && groups_walk_on(groups));
    return over;
}

void group_request_run(struct groups *groups, struct peer_request *request)
{
    struct group_request *whole = calloc(1, sizeof(*whole));
    ASSERT(whole != NULL);
    whole->groups = groups;
    whole->api = group_api_find(request->header.api_key);
    parts_init(&whole->all, groups_control(groups)->peer, request, request_finish);
    whole->all.release = request_release;
    struct reader reader;
    reader_init(&reader, chain_of(&request->payload));
    if (parts_begin(&whole->all, whole->api->open(whole, &reader, request->header.api_version)) &&
        !group_request_go_on(&whole->all)) {
        groups_run_later(groups, &whole->all);
    }
}

/* ---- Settling ------------------------------------------------------------------------------- */

void group_part_go_on(struct part *part, uint32_t walk_max)
{
    struct group_request *whole = (struct group_request *)part->all;
    struct group_seat *seat = NULL;
    const int16_t error = part_seat(whole, part, &seat);
    ASSERT(error == ERROR_NONE); /* It would have failed with its seat. */
    struct group_event event = {.kind = GROUP_MORE,
                                .token = (uint64_t)(uintptr_t)part,
                                .version = parts_version(&whole->all),
                                .walk_max = walk_max};
    part->begun = true;
    (void)group_seat_step(seat, &event);
}

static bool reply_is_taken(const struct group_reply *reply)
{
    const struct part *part = (const struct part *)(uintptr_t)reply->token;
    return ((const struct group_request *)part->all)->api->take != NULL;
}

static void reply_take(struct part *part, const struct group_reply *reply)
{
    struct group_request *whole = (struct group_request *)part->all;
    whole->api->take(whole, part, reply->answer);
    if (reply->more) {
        groups_part_more(whole->groups, part);
    } else {
        part_done(part);
    }
}

void group_entry_settle(struct ledger_entry *entry, int16_t error_code)
{
    const struct group_reply *replies = entry->replies;
    const uint32_t count = entry->reply_count;
    /* The step of a request with several parts has one reply. */
    const bool keep = count == 1 && error_code == ERROR_NONE && !reply_is_taken(&replies[0]);
    for (uint32_t i = 0; i < count; i++) {
        struct part *part = (struct part *)(uintptr_t)replies[i].token;
        if (error_code != ERROR_NONE) {
            part_fail(part, part_error_of_write(error_code));
        } else if (reply_is_taken(&replies[i])) {
            reply_take(part, &replies[i]);
        } else {
            part_answer(part, replies[i].answer, keep ? entry : NULL);
        }
    }
    if (!keep) {
        ledger_entry_free(entry);
    }
}
