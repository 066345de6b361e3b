#include "tools/client/groups.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/messages.h"
#include "tools/client/coordinator.h"

enum {
    ROOM_BYTES = 4096,
    PARTITION_ROOM_BYTES = 64,
    BY_ID_FROM = 10,  /* The version from which offsets are asked for and committed by topic id. */
    GROUPED_FROM = 8, /* OffsetFetch: several groups in one request. */
};

/* A terminated copy; a null chain is "". */
static const char *keep(struct arena *arena, struct chain text)
{
    const struct bytes flat = arena_flat(arena, text);
    return flat.ptr == NULL ? "" : (const char *)flat.ptr;
}

static const char *keep_nullable(struct arena *arena, struct chain text)
{
    return chain_is_null(text) ? NULL : keep(arena, text);
}

/* ---- List ----------------------------------------------------------------------------------- */

static int listed_compare(const void *a, const void *b)
{
    return strcmp(((const struct groups_listed *)a)->id, ((const struct groups_listed *)b)->id);
}

static bool list_of_broker(struct client *client, struct arena *arena, int32_t broker,
                           const char *state, const char *type, struct groups_listed **list,
                           uint32_t *count, uint32_t *capacity)
{
    struct connection *connection = client_broker(client, broker);
    int16_t version;
    struct writer *writer =
        connection == NULL
            ? NULL
            : connection_begin(connection, API_LIST_GROUPS, ROOM_BYTES, &version, &client->problem);
    if (writer == NULL) {
        return false;
    }
    const struct bytes texts[] = {bytes_of_string(state != NULL ? state : ""),
                                  bytes_of_string(type != NULL ? type : "")};
    const struct chain filters[] = {chain_of(&texts[0]), chain_of(&texts[1])};
    struct list_groups_request request = list_groups_request_default;
    request.states_filter = (struct string_array){.items = &filters[0], .count = state != NULL};
    request.types_filter = (struct string_array){.items = &filters[1], .count = type != NULL};
    if (list_groups_request_encode(writer, version, &request) != CODEC_OK) {
        return problem_set(&client->problem, PROBLEM_PROTOCOL,
                           "%s is too old to choose groups by state or type", connection->name);
    }
    struct reader reader;
    struct list_groups_response response;
    struct list_groups_response_group group;
    if (!connection_call(connection, client_deadline_ns(client), &reader, &client->problem)) {
        return false;
    }
    if (list_groups_response_decode(&reader, version, &response) != CODEC_OK) {
        return connection_bad_answer(connection, &client->problem);
    }
    if (!coordinator_check(client, response.error_code, CHAIN_NULL, "groups of",
                           connection->name)) {
        return false;
    }
    while (list_groups_response_group_array_next(&response.groups, &group)) {
        *list = arena_room(arena, *list, sizeof(**list), *count, capacity);
        (*list)[(*count)++] = (struct groups_listed){
            keep(arena, group.group_id), keep(arena, group.group_type),
            keep(arena, group.group_state), keep(arena, group.protocol_type)};
    }
    return true;
}

bool groups_list(struct client *client, struct arena *arena, const char *state, const char *type,
                 struct groups_listed **list, uint32_t *count)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    do {
        uint32_t capacity = 0;
        *list = NULL;
        *count = 0;
        bool ok = coordinator_brokers(client);
        for (uint32_t i = 0; ok && i < client->broker_count; i++) {
            ok = list_of_broker(client, arena, client->brokers[i].id, state, type, list, count,
                                &capacity);
        }
        if (ok) {
            if (*count > 0) {
                qsort(*list, *count, sizeof(**list), listed_compare);
            }
            return true;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}

/* ---- Describe ------------------------------------------------------------------------------- */

struct places {
    struct groups_place *items;
    uint32_t count;
    uint32_t capacity;
};

static void places_add(struct arena *arena, struct places *places, const char *topic,
                       struct i32_array partitions)
{
    int32_t partition;
    while (i32_array_next(&partitions, &partition)) {
        places->items = arena_room(arena, places->items, sizeof(*places->items), places->count,
                                   &places->capacity);
        places->items[places->count++] = (struct groups_place){topic, partition};
    }
}

static void member_places_consumer(struct arena *arena,
                                   struct consumer_group_describe_response_topic_array topics,
                                   struct groups_member *member)
{
    struct places places = {0};
    struct consumer_group_describe_response_topic topic;
    while (consumer_group_describe_response_topic_array_next(&topics, &topic)) {
        places_add(arena, &places, keep(arena, topic.topic_name), topic.partitions);
    }
    member->places = places.items;
    member->place_count = places.count;
}

/* True when it is a consumer group; *known: the question is answered. */
static bool describe_consumer(struct client *client, struct arena *arena, const char *id,
                              struct groups_described *to, bool *known)
{
    struct coordinator_request call;
    *known = false;
    if (!coordinator_begin(client, COORDINATOR_OF_GROUP, id, API_CONSUMER_GROUP_DESCRIBE,
                           ROOM_BYTES, &call)) {
        /* Too old for it: then so are its groups. */
        return client->problem.kind == PROBLEM_PROTOCOL;
    }
    const struct bytes text = bytes_of_string(id);
    const struct chain key = chain_of(&text);
    struct consumer_group_describe_request request = consumer_group_describe_request_default;
    request.group_ids = (struct string_array){.items = &key, .count = 1};
    (void)consumer_group_describe_request_encode(call.writer, call.version, &request);
    struct reader reader;
    struct consumer_group_describe_response answer;
    struct consumer_group_describe_response_group group;
    struct consumer_group_describe_response_member from;
    if (!coordinator_call(client, &call, &reader)) {
        return false;
    }
    if (consumer_group_describe_response_decode(&reader, call.version, &answer) != CODEC_OK ||
        !consumer_group_describe_response_group_array_next(&answer.groups, &group)) {
        return connection_bad_answer(call.connection, &client->problem);
    }
    if (group.error_code == ERROR_GROUP_ID_NOT_FOUND ||
        group.error_code == ERROR_UNSUPPORTED_VERSION) {
        return true; /* Perhaps a classic one. */
    }
    if (!coordinator_check(client, group.error_code, group.error_message, "group", id)) {
        return false;
    }
    *known = true;
    *to = (struct groups_described){.state = keep(arena, group.group_state),
                                    .type = "Consumer",
                                    .assignor = keep(arena, group.assignor_name),
                                    .epoch = group.group_epoch};
    to->members = ARENA_ARRAY(arena, struct groups_member, group.members.count);
    while (consumer_group_describe_response_member_array_next(&group.members, &from)) {
        struct groups_member *member = &to->members[to->member_count++];
        *member = (struct groups_member){.id = keep(arena, from.member_id),
                                         .instance_id = keep_nullable(arena, from.instance_id),
                                         .client_id = keep(arena, from.client_id),
                                         .host = keep(arena, from.client_host),
                                         .epoch = from.member_epoch};
        member_places_consumer(arena, from.assignment.topic_partitions, member);
    }
    return true;
}

/* Only consumers write what we can read; Connect and others have formats of their own. */
static void member_places_classic(struct arena *arena, struct chain assignment,
                                  struct groups_member *member)
{
    struct places places = {0};
    struct reader reader;
    struct consumer_protocol_assignment whole;
    struct consumer_protocol_assignment_topic topic;
    if (assignment.len == 0) {
        return;
    }
    reader_init(&reader, assignment);
    (void)reader_i16(&reader); /* Later versions only add to version 0. */
    if (consumer_protocol_assignment_decode(&reader, 0, &whole) != CODEC_OK) {
        return;
    }
    while (consumer_protocol_assignment_topic_array_next(&whole.assigned_partitions, &topic)) {
        places_add(arena, &places, keep(arena, topic.topic), topic.partitions);
    }
    member->places = places.items;
    member->place_count = places.count;
}

static void classic_take(struct arena *arena, struct describe_groups_response_group *group,
                         struct groups_described *to)
{
    *to = (struct groups_described){.state = keep(arena, group->group_state),
                                    .type = "Classic",
                                    .assignor = keep(arena, group->protocol_data),
                                    .epoch = -1};
    const bool consumers = chain_equals(group->protocol_type, bytes_of_string("consumer"));
    struct describe_groups_response_member from;
    to->members = ARENA_ARRAY(arena, struct groups_member, group->members.count);
    while (describe_groups_response_member_array_next(&group->members, &from)) {
        struct groups_member *member = &to->members[to->member_count++];
        *member =
            (struct groups_member){.id = keep(arena, from.member_id),
                                   .instance_id = keep_nullable(arena, from.group_instance_id),
                                   .client_id = keep(arena, from.client_id),
                                   .host = keep(arena, from.client_host),
                                   .epoch = -1};
        if (consumers) {
            member_places_classic(arena, from.member_assignment, member);
        }
    }
}

static bool describe_classic(struct client *client, struct arena *arena, const char *id,
                             struct groups_described *to)
{
    struct coordinator_request call;
    if (!coordinator_begin(client, COORDINATOR_OF_GROUP, id, API_DESCRIBE_GROUPS, ROOM_BYTES,
                           &call)) {
        return false;
    }
    const struct bytes text = bytes_of_string(id);
    const struct chain key = chain_of(&text);
    struct describe_groups_request request = describe_groups_request_default;
    request.groups = (struct string_array){.items = &key, .count = 1};
    (void)describe_groups_request_encode(call.writer, call.version, &request);
    struct reader reader;
    struct describe_groups_response answer;
    struct describe_groups_response_group group;
    if (!coordinator_call(client, &call, &reader)) {
        return false;
    }
    if (describe_groups_response_decode(&reader, call.version, &answer) != CODEC_OK ||
        !describe_groups_response_group_array_next(&answer.groups, &group)) {
        return connection_bad_answer(call.connection, &client->problem);
    }
    if (group.error_code == ERROR_GROUP_ID_NOT_FOUND) {
        *to = (struct groups_described){.state = "Dead", .type = "", .assignor = "", .epoch = -1};
        return true;
    }
    if (!coordinator_check(client, group.error_code, group.error_message, "group", id)) {
        return false;
    }
    classic_take(arena, &group, to);
    return true;
}

bool groups_describe(struct client *client, struct arena *arena, const char *id,
                     struct groups_described *described)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    do {
        bool known;
        if (describe_consumer(client, arena, id, described, &known) &&
            (known || describe_classic(client, arena, id, described))) {
            return true;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}

/* ---- Offsets -------------------------------------------------------------------------------- */

static const struct client_topic *topic_find(const struct client_topic *topics, uint32_t count,
                                             const char *name, struct uuid id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (name[0] != '\0' ? strcmp(topics[i].name, name) == 0 : uuid_equal(topics[i].id, id)) {
            return &topics[i];
        }
    }
    return NULL;
}

struct offsets {
    struct arena *arena;
    const struct client_topic *topics;
    uint32_t topic_count;
    struct groups_offset *items;
    uint32_t count;
    uint32_t capacity;
};

static void offsets_add(struct offsets *to, const char *name, struct uuid id, int32_t partition,
                        int64_t offset, int32_t leader_epoch)
{
    const struct client_topic *known = topic_find(to->topics, to->topic_count, name, id);
    if (name[0] == '\0') {
        if (known == NULL) {
            return; /* Deleted a moment ago. */
        }
        name = known->name;
    }
    if (offset < 0) {
        return; /* Nothing is committed there. */
    }
    to->items = arena_room(to->arena, to->items, sizeof(*to->items), to->count, &to->capacity);
    to->items[to->count++] = (struct groups_offset){
        .topic = (const char *)arena_copy(to->arena, bytes_of_string(name)).ptr,
        .topic_id = known != NULL ? known->id : id,
        .partition = partition,
        .offset = offset,
        .leader_epoch = leader_epoch};
}

static bool offsets_take_old(struct client *client, const char *id, struct offsets *to,
                             struct offset_fetch_response *answer)
{
    struct offset_fetch_response_topic topic;
    struct offset_fetch_response_partition partition;
    if (!coordinator_check(client, answer->error_code, CHAIN_NULL, "offsets of group", id)) {
        return false;
    }
    while (offset_fetch_response_topic_array_next(&answer->topics, &topic)) {
        const char *name = keep(to->arena, topic.name);
        while (offset_fetch_response_partition_array_next(&topic.partitions, &partition)) {
            if (!coordinator_check(client, partition.error_code, CHAIN_NULL, "offsets of group",
                                   id)) {
                return false;
            }
            offsets_add(to, name, (struct uuid){{0}}, partition.partition_index,
                        partition.committed_offset, partition.committed_leader_epoch);
        }
    }
    return true;
}

static bool offsets_take(struct client *client, const char *id, struct offsets *to,
                         struct offset_fetch_response_group *group)
{
    struct offset_fetch_response_group_topic topic;
    struct offset_fetch_response_group_partition partition;
    if (!coordinator_check(client, group->error_code, CHAIN_NULL, "offsets of group", id)) {
        return false;
    }
    while (offset_fetch_response_group_topic_array_next(&group->topics, &topic)) {
        const char *name = keep(to->arena, topic.name);
        while (offset_fetch_response_group_partition_array_next(&topic.partitions, &partition)) {
            if (!coordinator_check(client, partition.error_code, CHAIN_NULL, "offsets of group",
                                   id)) {
                return false;
            }
            offsets_add(to, name, topic.topic_id, partition.partition_index,
                        partition.committed_offset, partition.committed_leader_epoch);
        }
    }
    return true;
}

static bool offsets_once(struct client *client, const char *id, struct offsets *to)
{
    struct coordinator_request call;
    if (!coordinator_begin(client, COORDINATOR_OF_GROUP, id, API_OFFSET_FETCH, ROOM_BYTES, &call)) {
        return false;
    }
    const struct bytes text = bytes_of_string(id);
    struct offset_fetch_request_group one = offset_fetch_request_group_default;
    one.group_id = chain_of(&text);
    one.topics.count = -1;
    struct offset_fetch_request request = offset_fetch_request_default;
    if (call.version >= GROUPED_FROM) {
        request.groups.items = &one;
        request.groups.count = 1;
    } else {
        request.group_id = one.group_id;
        request.topics.count = -1;
    }
    if (offset_fetch_request_encode(call.writer, call.version, &request) != CODEC_OK) {
        return problem_set(&client->problem, PROBLEM_PROTOCOL,
                           "%s is too old to tell all offsets of a group", call.connection->name);
    }
    struct reader reader;
    struct offset_fetch_response answer;
    struct offset_fetch_response_group group;
    if (!coordinator_call(client, &call, &reader)) {
        return false;
    }
    if (offset_fetch_response_decode(&reader, call.version, &answer) != CODEC_OK ||
        (call.version >= GROUPED_FROM &&
         !offset_fetch_response_group_array_next(&answer.groups, &group))) {
        return connection_bad_answer(call.connection, &client->problem);
    }
    return call.version >= GROUPED_FROM ? offsets_take(client, id, to, &group)
                                        : offsets_take_old(client, id, to, &answer);
}

static int offset_compare(const void *a, const void *b)
{
    const struct groups_offset *one = a;
    const struct groups_offset *two = b;
    const int order = strcmp(one->topic, two->topic);
    return order != 0 ? order
                      : (one->partition > two->partition) - (one->partition < two->partition);
}

bool groups_offsets(struct client *client, struct arena *arena, const char *id,
                    const struct client_topic *topics, uint32_t topic_count,
                    struct groups_offset **offsets, uint32_t *count)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    do {
        struct offsets to = {.arena = arena, .topics = topics, .topic_count = topic_count};
        if (offsets_once(client, id, &to)) {
            if (to.count > 0) {
                qsort(to.items, to.count, sizeof(*to.items), offset_compare);
            }
            *offsets = to.items;
            *count = to.count;
            return true;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}

/* ---- Commit, delete ------------------------------------------------------------------------- */

static bool commit_answer(struct client *client, const char *id,
                          struct offset_commit_response *answer)
{
    struct offset_commit_response_topic topic;
    struct offset_commit_response_partition partition;
    while (offset_commit_response_topic_array_next(&answer->topics, &topic)) {
        while (offset_commit_response_partition_array_next(&topic.partitions, &partition)) {
            if (!coordinator_check(client, partition.error_code, CHAIN_NULL, "seek group", id)) {
                return false;
            }
        }
    }
    return true;
}

static bool commit_once(struct client *client, const char *id, const struct groups_offset *offsets,
                        uint32_t count, struct offset_commit_request_partition *items)
{
    struct coordinator_request call;
    if (!coordinator_begin(client, COORDINATOR_OF_GROUP, id, API_OFFSET_COMMIT,
                           ROOM_BYTES + count * PARTITION_ROOM_BYTES, &call)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        items[i] = offset_commit_request_partition_default;
        items[i].partition_index = offsets[i].partition;
        items[i].committed_offset = offsets[i].offset;
        items[i].committed_leader_epoch = offsets[i].leader_epoch;
        items[i].committed_metadata = CHAIN_EMPTY;
    }
    const struct bytes texts[] = {bytes_of_string(id), bytes_of_string(offsets[0].topic)};
    struct offset_commit_request_topic topic = offset_commit_request_topic_default;
    if (call.version < BY_ID_FROM) {
        topic.name = chain_of(&texts[1]);
    }
    topic.topic_id = offsets[0].topic_id;
    topic.partitions.items = items;
    topic.partitions.count = (int32_t)count;
    struct offset_commit_request request = offset_commit_request_default;
    request.group_id = chain_of(&texts[0]);
    request.member_id = CHAIN_EMPTY;
    request.topics.items = &topic;
    request.topics.count = 1;
    (void)offset_commit_request_encode(call.writer, call.version, &request);
    struct reader reader;
    struct offset_commit_response answer;
    if (!coordinator_call(client, &call, &reader)) {
        return false;
    }
    if (offset_commit_response_decode(&reader, call.version, &answer) != CODEC_OK) {
        return connection_bad_answer(call.connection, &client->problem);
    }
    return commit_answer(client, id, &answer);
}

bool groups_commit(struct client *client, const char *id, const struct groups_offset *offsets,
                   uint32_t count)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    struct offset_commit_request_partition *items = calloc((size_t)count + 1, sizeof(*items));
    if (items == NULL) {
        return problem_set(&client->problem, PROBLEM_LOCAL, "out of memory");
    }
    bool ok;
    do {
        ok = count == 0 || commit_once(client, id, offsets, count, items);
    } while (!ok && client_again(client, true, deadline_ns));
    free(items);
    return ok;
}

static bool delete_once(struct client *client, const char *id)
{
    struct coordinator_request call;
    if (!coordinator_begin(client, COORDINATOR_OF_GROUP, id, API_DELETE_GROUPS, ROOM_BYTES,
                           &call)) {
        return false;
    }
    const struct bytes text = bytes_of_string(id);
    const struct chain key = chain_of(&text);
    struct delete_groups_request request = delete_groups_request_default;
    request.groups_names = (struct string_array){.items = &key, .count = 1};
    (void)delete_groups_request_encode(call.writer, call.version, &request);
    struct reader reader;
    struct delete_groups_response answer;
    struct delete_groups_response_result result;
    if (!coordinator_call(client, &call, &reader)) {
        return false;
    }
    if (delete_groups_response_decode(&reader, call.version, &answer) != CODEC_OK ||
        !delete_groups_response_result_array_next(&answer.results, &result)) {
        return connection_bad_answer(call.connection, &client->problem);
    }
    return coordinator_check(client, result.error_code, CHAIN_NULL, "delete group", id);
}

bool groups_delete(struct client *client, const char *id)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    bool lost = false;
    do {
        if (delete_once(client, id)) {
            return true;
        }
        if (lost && client->problem.kind == PROBLEM_KAFKA &&
            client->problem.code == ERROR_GROUP_ID_NOT_FOUND) {
            return true; /* An attempt whose answer was lost did it. */
        }
        lost = lost || client->problem.kind == PROBLEM_LOST;
    } while (client_again(client, true, deadline_ns));
    return false;
}
