#include <stdio.h>
#include <stdlib.h>

#include "tests/control/group/consumer_bench.h"

#include "control/group/record_types.h"

enum { ITEMS_MAX = 256 };

/* --- the trace ----------------------------------------------------------------------------------
 */

void bench_put(struct group_bench *bench, const char *format, ...)
{
    if (bench->quiet) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    const int len = vsnprintf(bench->trace + bench->trace_used,
                              sizeof(bench->trace) - bench->trace_used, format, arguments);
    va_end(arguments);
    bench->trace_used += (uint32_t)len;
    assert_true(bench->trace_used < sizeof(bench->trace));
}

void bench_put_text(struct group_bench *bench, struct chain text)
{
    char flat[512];
    if (bench->quiet) {
        return;
    }
    if (chain_is_null(text)) {
        bench_put(bench, "null");
        return;
    }
    assert_true(text.len < sizeof(flat));
    chain_copy(text, flat, text.len);
    flat[text.len] = '\0';
    if (text.len > 37 && flat[text.len - 37] == '-') {
        bench_put(bench, "%.*s#%.2s", (int)text.len - 37, flat, flat + text.len - 36);
    } else {
        bench_put(bench, "%s", flat);
    }
}

static void put_record(struct group_bench *bench, const struct group_record *record)
{
    struct reader key;
    struct reader value;
    if (bench_put_consumer_record(bench, record)) {
        return;
    }
    reader_init(&key, chain_of(&record->key));
    reader_init(&value, chain_of(&record->value));
    const int16_t type = reader_i16(&key);
    const int16_t version = record->value.ptr == NULL ? -1 : reader_i16(&value);
    bench_put(bench, "%c ", record->value.ptr == NULL ? '-' : '+');
    if (type == RECORD_OFFSET_COMMIT) {
        struct offset_commit_key at;
        assert_int_equal(offset_commit_key_decode(&key, 0, &at), CODEC_OK);
        bench_put(bench, "offset ");
        bench_put_text(bench, at.group);
        bench_put(bench, " ");
        bench_put_text(bench, at.topic);
        bench_put(bench, "/%d", at.partition);
        if (version >= 0) {
            struct offset_commit_value offset;
            assert_int_equal(offset_commit_value_decode(&value, version, &offset), CODEC_OK);
            bench_put(bench, " = %lld \"", (long long)offset.offset);
            bench_put_text(bench, offset.metadata);
            bench_put(bench, "\"");
        }
        bench_put(bench, "\n");
        return;
    }
    struct group_metadata_key at;
    assert_int_equal(type, RECORD_GROUP_METADATA);
    assert_int_equal(group_metadata_key_decode(&key, 0, &at), CODEC_OK);
    bench_put(bench, "group ");
    bench_put_text(bench, at.group);
    if (version >= 0) {
        struct group_metadata_value group;
        struct group_metadata_value_member member;
        assert_int_equal(group_metadata_value_decode(&value, version, &group), CODEC_OK);
        bench_put(bench, " gen %d ", group.generation);
        bench_put_text(bench, group.protocol_type);
        bench_put(bench, "/");
        bench_put_text(bench, group.protocol);
        bench_put(bench, " leader ");
        bench_put_text(bench, group.leader);
        bench_put(bench, " [");
        while (group_metadata_value_member_array_next(&group.members, &member)) {
            bench_put_text(bench, member.member_id);
            bench_put(bench, ":");
            bench_put_text(bench, member.subscription);
            bench_put(bench, ">");
            bench_put_assignment(bench, member.assignment);
            bench_put(bench, group.members.count > 0 ? " " : "");
        }
        bench_put(bench, "]");
    }
    bench_put(bench, "\n");
}

static void put_join(struct group_bench *bench, const struct join_group_response *answer)
{
    bench_put(bench, "join %s", error_name(answer->error_code));
    if (answer->error_code == ERROR_NONE) {
        bench_put(bench, " gen %d ", answer->generation_id);
        bench_put_text(bench, answer->protocol_name);
        bench_put(bench, " leader ");
        bench_put_text(bench, answer->leader);
    }
    bench_put(bench, " as ");
    bench_put_text(bench, answer->member_id);
    bench_put(bench, answer->skip_assignment ? " skip" : "");
    for (int32_t i = 0; i < answer->members.count; i++) {
        bench_put(bench, i == 0 ? " [" : " ");
        bench_put_text(bench, answer->members.items[i].member_id);
        bench_put(bench, "=");
        bench_put_text(bench, answer->members.items[i].metadata);
    }
    bench_put(bench, answer->members.count > 0 ? "]" : "");
}

static void put_sync(struct group_bench *bench, const struct sync_group_response *answer)
{
    bench_put(bench, "sync %s", error_name(answer->error_code));
    if (answer->error_code == ERROR_NONE) {
        bench_put(bench, " ");
        bench_put_assignment(bench, answer->assignment);
    }
}

static void put_leave(struct group_bench *bench, const struct leave_group_response *answer)
{
    bench_put(bench, "leave %s", error_name(answer->error_code));
    for (int32_t i = 0; i < answer->members.count; i++) {
        bench_put(bench, " %s", error_name(answer->members.items[i].error_code));
    }
}

static void put_fetch(struct group_bench *bench, const struct offset_fetch_response_group *answer)
{
    bench_put(bench, "fetch");
    if (answer->error_code != ERROR_NONE) {
        bench_put(bench, " %s", error_name(answer->error_code));
    }
    for (int32_t i = 0; i < answer->topics.count; i++) {
        const struct offset_fetch_response_group_topic *topic = &answer->topics.items[i];
        for (int32_t k = 0; k < topic->partitions.count; k++) {
            const struct offset_fetch_response_group_partition *at = &topic->partitions.items[k];
            bench_put(bench, " ");
            bench_put_text(bench, topic->name);
            bench_put(bench, "/%d=%lld", at->partition_index, (long long)at->committed_offset);
            if (at->error_code != ERROR_NONE) {
                bench_put(bench, " %s", error_name(at->error_code));
            }
            if (at->metadata.len > 0) {
                bench_put(bench, ":");
                bench_put_text(bench, at->metadata);
            }
        }
    }
}

static void put_describe(struct group_bench *bench,
                         const struct describe_groups_response_group *answer)
{
    bench_put(bench, "describe %s ", error_name(answer->error_code));
    bench_put_text(bench, answer->group_state);
    bench_put(bench, " ");
    bench_put_text(bench, answer->protocol_type);
    bench_put(bench, "/");
    bench_put_text(bench, answer->protocol_data);
    bench_put(bench, " [");
    for (int32_t i = 0; i < answer->members.count; i++) {
        const struct describe_groups_response_member *member = &answer->members.items[i];
        bench_put(bench, i == 0 ? "" : " ");
        bench_put_text(bench, member->member_id);
        bench_put(bench, ":");
        bench_put_text(bench, member->member_metadata);
        bench_put(bench, ">");
        bench_put_assignment(bench, member->member_assignment);
    }
    bench_put(bench, "]");
}

static void put_commit_errors(struct group_bench *bench, const struct group_reply *reply)
{
    if (reply->kind == GROUP_OFFSET_COMMIT) {
        const struct offset_commit_response *answer = reply->answer;
        bench_put(bench, "commit");
        for (int32_t i = 0; i < answer->topics.count; i++) {
            for (int32_t k = 0; k < answer->topics.items[i].partitions.count; k++) {
                bench_put(bench, " %s",
                          error_name(answer->topics.items[i].partitions.items[k].error_code));
            }
        }
        return;
    }
    if (reply->kind == GROUP_OFFSET_DELETE) {
        const struct offset_delete_response *answer = reply->answer;
        bench_put(bench, "forget %s", error_name(answer->error_code));
        for (int32_t i = 0; i < answer->topics.count; i++) {
            for (int32_t k = 0; k < answer->topics.items[i].partitions.count; k++) {
                bench_put(bench, " %s",
                          error_name(answer->topics.items[i].partitions.items[k].error_code));
            }
        }
        return;
    }
    const struct txn_offset_commit_response *answer = reply->answer;
    bench_put(bench, "txn");
    for (int32_t i = 0; i < answer->topics.count; i++) {
        for (int32_t k = 0; k < answer->topics.items[i].partitions.count; k++) {
            bench_put(bench, " %s",
                      error_name(answer->topics.items[i].partitions.items[k].error_code));
        }
    }
}

static void put_list(struct group_bench *bench, const struct list_groups_response *answer)
{
    bench_put(bench, "list");
    for (int32_t i = 0; i < answer->groups.count; i++) {
        bench_put(bench, " ");
        bench_put_text(bench, answer->groups.items[i].group_id);
        bench_put(bench, "=");
        bench_put_text(bench, answer->groups.items[i].group_state);
        bench_put(bench, "/");
        bench_put_text(bench, answer->groups.items[i].group_type);
    }
}

static void put_reply(struct group_bench *bench, const struct group_reply *reply)
{
    bench_put(bench, "%s: ", bench->names[reply->token % ARRAY_SIZE(bench->names)]);
    switch (reply->kind) {
    case GROUP_JOIN: put_join(bench, reply->answer); break;
    case GROUP_SYNC: put_sync(bench, reply->answer); break;
    case GROUP_HEARTBEAT:
        bench_put(bench, "heartbeat %s",
                  error_name(((const struct heartbeat_response *)reply->answer)->error_code));
        break;
    case GROUP_LEAVE: put_leave(bench, reply->answer); break;
    case GROUP_OFFSET_FETCH: put_fetch(bench, reply->answer); break;
    case GROUP_DESCRIBE: put_describe(bench, reply->answer); break;
    case GROUP_DELETE:
        bench_put(
            bench, "delete %s",
            error_name(((const struct delete_groups_response_result *)reply->answer)->error_code));
        break;
    case GROUP_LIST: put_list(bench, reply->answer); break;
    case GROUP_OFFSET_COMMIT:
    case GROUP_TXN_OFFSET_COMMIT:
    case GROUP_OFFSET_DELETE: put_commit_errors(bench, reply); break;
    case GROUP_CONSUMER_HEARTBEAT:
    case GROUP_CONSUMER_DESCRIBE: assert_true(bench_put_consumer_reply(bench, reply)); break;
    case GROUP_MORE: /* Replies have the kind of their request. */
    case GROUP_TIME:
    case GROUP_RESUME:
    case GROUP_EXPIRE:
    case GROUP_TXN_ENDED:
    case GROUP_SWEEP:
    case GROUP_TXN_CLEAR:
    case GROUP_TOPIC_DELETED: fail(); break;
    }
    bench_put(bench, reply->more ? " ...\n" : "\n");
}

/* --- events -------------------------------------------------------------------------------------
 */

static struct bytes copy_of(struct bytes from)
{
    uint8_t *to = malloc((size_t)from.len + 1);
    assert_non_null(to);
    memcpy(to, from.ptr, from.len);
    return (struct bytes){to, from.len};
}

static void log_add(struct group_bench *bench, struct group_bench_record record)
{
    assert_true(bench->log_count < GROUP_LOG_MAX);
    bench->log[bench->log_count++] = record;
}

void bench_step(struct group_bench *bench, struct group_event *event, const char *name)
{
    event->now_ms = bench->now_ms;
    event->due_ms = bench->now_ms;
    event->wall_ms = bench->wall_ms;
    event->all_topics = &bench->all_topics;
    event->walk_max = bench->walk_max;
    if (event->kind != GROUP_MORE) {
        event->token = ++bench->token;
    }
    bench->names[event->token % ARRAY_SIZE(bench->names)] = name;
    if (event->kind == GROUP_JOIN) {
        bench->ids++;
        for (uint32_t i = 0; i < 4; i++) {
            event->random.bytes[i] = (uint8_t)(bench->ids >> (8 * i));
        }
    }
    group_step(bench->coordinator, event, &bench->update);
    for (uint32_t i = 0; i < bench->update.reply_count; i++) {
        put_reply(bench, &bench->update.replies[i]);
        if (bench->on_reply != NULL) {
            bench->on_reply(bench->on_reply_context, &bench->update.replies[i]);
        }
    }
    for (uint32_t i = 0; i < bench->update.record_count; i++) {
        const struct group_record *record = &bench->update.records[i];
        put_record(bench, record);
        log_add(bench, (struct group_bench_record){
                           copy_of(record->key),
                           record->value.ptr == NULL ? (struct bytes){0} : copy_of(record->value),
                           bench->update.producer_id, false, false});
    }
    group_coordinator_invariants(bench->coordinator);
}

struct arena *bench_begin(struct group_bench *bench)
{
    arena_free(&bench->arena);
    return &bench->arena;
}

/* "a#01" to the id it stands for; other texts as they are. */
static struct chain id_of(struct arena *arena, const char *text)
{
    if (text == NULL) {
        return CHAIN_NULL;
    }
    const char *hash = strchr(text, '#');
    if (hash == NULL) {
        return arena_chain(arena, bytes_of_string(text));
    }
    return arena_text(arena, "%.*s-%.2s000000-0000-4000-8000-000000000000", (int)(hash - text),
                      text, hash + 1);
}

static struct join_group_request_protocol_array protocols_of(struct arena *arena, const char *from)
{
    struct join_group_request_protocol *items =
        ARENA_ARRAY(arena, struct join_group_request_protocol, ITEMS_MAX);
    int32_t count = 0;
    char *text = arena_take(arena, strlen(from) + 1);
    memcpy(text, from, strlen(from));
    char *rest;
    for (char *at = strtok_r(text, " ", &rest); at != NULL; at = strtok_r(NULL, " ", &rest)) {
        char *metadata = strchr(at, ':');
        assert_non_null(metadata);
        *metadata++ = '\0';
        items[count++] = (struct join_group_request_protocol){
            arena_chain(arena, bytes_of_string(at)),
            metadata[0] == '@' ? bench_subscription(arena, metadata + 1)
                               : arena_chain(arena, bytes_of_string(metadata))};
    }
    return (struct join_group_request_protocol_array){.items = items, .count = count};
}

static struct group_event event_of(enum group_event_kind kind, struct said *said)
{
    said->group = said->group == NULL ? "g" : said->group;
    said->client = said->client == NULL ? "a" : said->client;
    said->member = said->member == NULL ? "" : said->member;
    said->version = said->version == 0 ? 3 : said->version;
    return (struct group_event){.kind = kind,
                                .version = said->version,
                                .client_id = bytes_of_string(said->client),
                                .client_host = bytes_of_string("/10.0.0.1"),
                                .topics = said->known};
}

void bench_join(struct group_bench *bench, struct said said)
{
    struct arena *arena = bench_begin(bench);
    struct group_event event = event_of(GROUP_JOIN, &said);
    const struct join_group_request request = {
        .group_id = arena_text(arena, "%s", said.group),
        .session_timeout_ms = said.session_ms == 0 ? 10000 : said.session_ms,
        .rebalance_timeout_ms = said.rebalance_ms == 0 ? 60000 : said.rebalance_ms,
        .member_id = id_of(arena, said.member),
        .group_instance_id = id_of(arena, said.instance),
        .protocol_type = arena_text(arena, "%s", said.type == NULL ? "consumer" : said.type),
        .protocols = protocols_of(arena, said.protocols == NULL ? "range:m" : said.protocols),
    };
    event.join = &request;
    bench_step(bench, &event, said.client);
}

void bench_sync(struct group_bench *bench, struct said said)
{
    struct arena *arena = bench_begin(bench);
    struct group_event event = event_of(GROUP_SYNC, &said);
    struct sync_group_request request = sync_group_request_default;
    struct sync_group_request_assignment *items =
        ARENA_ARRAY(arena, struct sync_group_request_assignment, ITEMS_MAX);
    request.group_id = arena_text(arena, "%s", said.group);
    request.generation_id = said.generation;
    request.member_id = id_of(arena, said.member);
    request.group_instance_id = id_of(arena, said.instance);
    request.protocol_type = said.type == NULL ? CHAIN_NULL : arena_text(arena, "%s", said.type);
    char *text = arena_take(arena, said.assign == NULL ? 1 : strlen(said.assign) + 1);
    if (said.assign != NULL) {
        memcpy(text, said.assign, strlen(said.assign));
    }
    char *rest;
    for (char *at = strtok_r(text, " ", &rest); at != NULL; at = strtok_r(NULL, " ", &rest)) {
        char *what = strchr(at, '=');
        *what++ = '\0';
        items[request.assignments.count++] = (struct sync_group_request_assignment){
            id_of(arena, at),
            what[0] == '@' ? bench_assignment(arena, what + 1) : arena_text(arena, "%s", what)};
    }
    request.assignments.items = items;
    event.sync = &request;
    bench_step(bench, &event, said.client);
}

void bench_heartbeat(struct group_bench *bench, struct said said)
{
    struct arena *arena = bench_begin(bench);
    struct group_event event = event_of(GROUP_HEARTBEAT, &said);
    const struct heartbeat_request request = {
        .group_id = arena_text(arena, "%s", said.group),
        .generation_id = said.generation,
        .member_id = id_of(arena, said.member),
        .group_instance_id = id_of(arena, said.instance),
    };
    event.heartbeat = &request;
    bench_step(bench, &event, said.client);
}

void bench_leave(struct group_bench *bench, struct said said)
{
    struct arena *arena = bench_begin(bench);
    struct group_event event = event_of(GROUP_LEAVE, &said);
    struct leave_group_request request = leave_group_request_default;
    struct leave_group_request_member *items =
        ARENA_ARRAY(arena, struct leave_group_request_member, ITEMS_MAX);
    request.group_id = arena_text(arena, "%s", said.group);
    if (said.version < 3) {
        request.member_id = id_of(arena, said.member);
    }
    char *text = arena_take(arena, strlen(said.member) + 2);
    memcpy(text, said.member, strlen(said.member));
    char *rest;
    for (char *at = strtok_r(text, " ", &rest); at != NULL; at = strtok_r(NULL, " ", &rest)) {
        items[request.members.count++] = (struct leave_group_request_member){
            .member_id = id_of(arena, at), .group_instance_id = id_of(arena, said.instance)};
    }
    if (said.member[0] == '\0') {
        items[request.members.count++] = (struct leave_group_request_member){
            .member_id = CHAIN_EMPTY, .group_instance_id = id_of(arena, said.instance)};
    }
    request.members.items = items;
    event.leave = &request;
    bench_step(bench, &event, said.client);
}

/* One "t/0=5:note" of said.topics, cut out of *text; false at the end. */
struct place {
    struct chain topic;
    int32_t partition;
    int64_t offset;
    struct chain metadata;
};

static bool place_next(struct arena *arena, char **rest, struct place *place)
{
    char *at = strtok_r(NULL, " ", rest);
    if (at == NULL) {
        return false;
    }
    char *partition = strchr(at, '/');
    char *offset = strchr(at, '=');
    char *metadata = offset == NULL ? NULL : strchr(offset, ':');
    *partition++ = '\0';
    place->topic = arena_text(arena, "%s", at);
    place->partition = atoi(partition);
    place->offset = offset == NULL ? 0 : atoll(offset + 1);
    place->metadata = metadata == NULL ? CHAIN_NULL : arena_text(arena, "%s", metadata + 1);
    return true;
}

static char *places_begin(struct arena *arena, const char *from)
{
    char *text = arena_take(arena, strlen(from) + 1);
    memcpy(text, from, strlen(from));
    return text;
}

/* Each place is a topic of its own in the request, which Kafka's clients may send, too. */
void bench_commit(struct group_bench *bench, struct said said)
{
    struct arena *arena = bench_begin(bench);
    struct group_event event = event_of(GROUP_OFFSET_COMMIT, &said);
    struct offset_commit_request request = offset_commit_request_default;
    struct offset_commit_request_topic *items =
        ARENA_ARRAY(arena, struct offset_commit_request_topic, ITEMS_MAX);
    struct offset_commit_request_partition *partitions =
        ARENA_ARRAY(arena, struct offset_commit_request_partition, ITEMS_MAX);
    request.group_id = arena_text(arena, "%s", said.group);
    request.generation_id_or_member_epoch = said.generation;
    request.member_id = id_of(arena, said.member);
    request.group_instance_id = id_of(arena, said.instance);
    request.retention_time_ms = said.retention_ms == 0 ? -1 : said.retention_ms;
    char *rest = places_begin(arena, said.topics);
    struct place place;
    for (int32_t i = 0; place_next(arena, &rest, &place); i++) {
        partitions[i] = (struct offset_commit_request_partition){place.partition, place.offset, -1,
                                                                 place.metadata};
        items[i] = (struct offset_commit_request_topic){
            .name = place.topic, .partitions = {.items = &partitions[i], .count = 1}};
        request.topics.count++;
    }
    request.topics.items = items;
    event.commit = &request;
    bench_step(bench, &event, said.client);
}

static void txn_step(struct group_bench *bench, enum group_event_kind kind, struct said said)
{
    struct arena *arena = bench_begin(bench);
    struct group_event event = event_of(kind, &said);
    struct txn_offset_commit_request request = txn_offset_commit_request_default;
    struct txn_offset_commit_request_topic *items =
        ARENA_ARRAY(arena, struct txn_offset_commit_request_topic, ITEMS_MAX);
    struct txn_offset_commit_request_partition *partitions =
        ARENA_ARRAY(arena, struct txn_offset_commit_request_partition, ITEMS_MAX);
    request.group_id = arena_text(arena, "%s", said.group);
    request.generation_id = said.generation;
    request.member_id = id_of(arena, said.member);
    request.group_instance_id = id_of(arena, said.instance);
    request.producer_id = said.producer_id;
    char *rest = places_begin(arena, said.topics);
    struct place place;
    for (int32_t i = 0; place_next(arena, &rest, &place); i++) {
        partitions[i] = (struct txn_offset_commit_request_partition){place.partition, place.offset,
                                                                     -1, place.metadata};
        items[i] = (struct txn_offset_commit_request_topic){
            .name = place.topic, .partitions = {.items = &partitions[i], .count = 1}};
        request.topics.count++;
    }
    request.topics.items = items;
    event.txn_commit = &request;
    bench_step(bench, &event, said.client);
}

void bench_txn_clear(struct group_bench *bench, struct said said)
{
    txn_step(bench, GROUP_TXN_CLEAR, said);
}

void bench_txn_commit(struct group_bench *bench, struct said said)
{
    txn_step(bench, GROUP_TXN_OFFSET_COMMIT, said);
}

void bench_fetch(struct group_bench *bench, struct said said)
{
    struct arena *arena = bench_begin(bench);
    struct group_event event = event_of(GROUP_OFFSET_FETCH, &said);
    struct offset_fetch_request_group request = offset_fetch_request_group_default;
    struct offset_fetch_request_group_topic *items =
        ARENA_ARRAY(arena, struct offset_fetch_request_group_topic, ITEMS_MAX);
    int32_t *partitions = ARENA_ARRAY(arena, int32_t, ITEMS_MAX);
    request.group_id = arena_text(arena, "%s", said.group);
    if (said.member[0] != '\0') {
        request.member_id = id_of(arena, said.member);
        request.member_epoch = said.generation;
    }
    request.topics.count = said.topics == NULL ? -1 : 0;
    char *rest = places_begin(arena, said.topics == NULL ? "" : said.topics);
    struct place place;
    for (int32_t i = 0; place_next(arena, &rest, &place); i++) {
        partitions[i] = place.partition;
        items[i] = (struct offset_fetch_request_group_topic){
            .name = place.topic,
            .topic_id = said.known == NULL ? (struct uuid){{0}} : said.known[i].id,
            .partition_indexes = {.items = &partitions[i], .count = 1}};
        request.topics.count++;
    }
    request.topics.items = items;
    event.fetch.group = &request;
    event.fetch.require_stable = said.require_stable;
    bench_step(bench, &event, said.client);
}

void bench_offset_delete(struct group_bench *bench, struct said said)
{
    struct arena *arena = bench_begin(bench);
    struct group_event event = event_of(GROUP_OFFSET_DELETE, &said);
    struct offset_delete_request request = offset_delete_request_default;
    struct offset_delete_request_topic *items =
        ARENA_ARRAY(arena, struct offset_delete_request_topic, ITEMS_MAX);
    struct offset_delete_request_partition *partitions =
        ARENA_ARRAY(arena, struct offset_delete_request_partition, ITEMS_MAX);
    request.group_id = arena_text(arena, "%s", said.group);
    char *rest = places_begin(arena, said.topics);
    struct place place;
    for (int32_t i = 0; place_next(arena, &rest, &place); i++) {
        partitions[i] = (struct offset_delete_request_partition){place.partition};
        items[i] = (struct offset_delete_request_topic){
            .name = place.topic, .partitions = {.items = &partitions[i], .count = 1}};
        request.topics.count++;
    }
    request.topics.items = items;
    event.offset_delete = &request;
    bench_step(bench, &event, said.client);
}

void bench_group(struct group_bench *bench, enum group_event_kind kind, struct said said)
{
    bench_begin(bench);
    struct group_event event = event_of(kind, &said);
    event.group_id = bytes_of_string(said.group);
    bench_step(bench, &event, said.client);
}

void bench_list(struct group_bench *bench, const char *state, const char *type)
{
    struct arena *arena = bench_begin(bench);
    struct list_groups_request request = list_groups_request_default;
    const struct chain states[] = {arena_text(arena, "%s", state == NULL ? "" : state)};
    const struct chain types[] = {arena_text(arena, "%s", type == NULL ? "" : type)};
    request.states_filter = (struct string_array){.items = states, .count = state != NULL};
    request.types_filter = (struct string_array){.items = types, .count = type != NULL};
    struct group_event event = {.kind = GROUP_LIST, .version = 5, .list = &request};
    bench_step(bench, &event, "admin");
}

void bench_txn_end(struct group_bench *bench, int64_t producer_id, bool committed)
{
    bench_begin(bench);
    struct group_event event = {.kind = GROUP_TXN_ENDED,
                                .txn = {.producer_id = producer_id, .committed = committed}};
    bench_step(bench, &event, "");
    log_add(bench, (struct group_bench_record){
                       .producer_id = producer_id, .is_end = true, .committed = committed});
}

void bench_event(struct group_bench *bench, enum group_event_kind kind)
{
    bench_begin(bench);
    struct group_event event = {.kind = kind};
    bench_step(bench, &event, "");
}

void bench_more(struct group_bench *bench, uint64_t token)
{
    bench_begin(bench);
    struct group_event event = {.kind = GROUP_MORE, .token = token};
    bench_step(bench, &event, bench->names[token % ARRAY_SIZE(bench->names)]);
}

void bench_topic_deleted(struct group_bench *bench, const char *topic)
{
    bench_begin(bench);
    struct group_event event = {.kind = GROUP_TOPIC_DELETED, .topic = bytes_of_string(topic)};
    bench_step(bench, &event, "");
}

void bench_run_to(struct group_bench *bench, uint64_t now_ms)
{
    while (group_coordinator_deadline_ms(bench->coordinator) <= now_ms) {
        const uint64_t at_ms =
            max_u64(bench->now_ms, group_coordinator_deadline_ms(bench->coordinator));
        bench->wall_ms += (int64_t)(at_ms - bench->now_ms);
        bench->now_ms = at_ms;
        bench_put(bench, "@%llu\n", (unsigned long long)at_ms);
        bench_event(bench, GROUP_TIME);
    }
    bench->wall_ms += (int64_t)(now_ms - bench->now_ms);
    bench->now_ms = now_ms;
}

void bench_forget(struct group_bench *bench)
{
    bench->trace_used = 0;
    bench->trace[0] = '\0';
}

void bench_expect(struct group_bench *bench, const char *trace)
{
    assert_string_equal(bench->trace, trace);
    bench_forget(bench);
}

void bench_drop_records(struct group_bench *bench, uint32_t count)
{
    while (bench->log_count > count) {
        const struct group_bench_record *record = &bench->log[--bench->log_count];
        free((void *)(uintptr_t)record->key.ptr);
        free((void *)(uintptr_t)record->value.ptr);
    }
}

void bench_restart(struct group_bench *bench)
{
    group_coordinator_free(bench->coordinator);
    bench->coordinator = group_coordinator_new(&bench->settings, bench->token);
    for (uint32_t i = 0; i < bench->log_count; i++) {
        const struct group_bench_record *record = &bench->log[i];
        if (record->is_end) {
            group_replay_txn_end(bench->coordinator, record->producer_id, record->committed);
        } else {
            assert_int_equal(
                group_replay(bench->coordinator, record->key, record->value, record->producer_id),
                GROUP_REPLAYED);
        }
    }
    bench_event(bench, GROUP_RESUME);
}

void bench_stable(struct group_bench *bench)
{
    JOIN(.client = "a");
    JOIN(.client = "b");
    bench_run_to(bench, bench->now_ms + 6000);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    SYNC(.client = "a", .member = "a#01", .generation = 1, .assign = "a#01=x b#02=y");
    bench_forget(bench);
}

/* --- up and down --------------------------------------------------------------------------------
 */

struct group_bench *group_bench_new(void)
{
    struct group_bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    bench->settings = (struct group_settings){
        .session_timeout_ms_min = 6000,
        .session_timeout_ms_max = 1800000,
        .initial_rebalance_delay_ms = 3000,
        .members_max = UINT32_MAX,
        .offset_metadata_chars_max = 4096,
        .offset_retention_ms = 7LL * 24 * 3600 * 1000,
        .consumer_session_timeout_ms = 45000,
        .consumer_heartbeat_interval_ms = 5000,
        .consumer_members_max = UINT32_MAX,
        .upgrades = true,
        .downgrades = true,
        .regex_refresh_ms = 600000,
        .assignors = {GROUP_UNIFORM, GROUP_RANGE},
        .assignor_count = 2,
    };
    bench->log = calloc(GROUP_LOG_MAX, sizeof(bench->log[0]));
    assert_non_null(bench->log);
    bench->coordinator = group_coordinator_new(&bench->settings, 1);
    bench->update.arena = &bench->arena;
    bench->wall_ms = 1000000;
    return bench;
}

void group_bench_free(struct group_bench *bench)
{
    group_coordinator_free(bench->coordinator);
    arena_free(&bench->arena);
    bench_drop_records(bench, 0);
    free(bench->log);
    free(bench);
}

int group_bench_up(void **state)
{
    *state = group_bench_new();
    return 0;
}

int group_bench_down(void **state)
{
    group_bench_free(*state);
    return 0;
}
