#include "tests/control/group/consumer_bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/group/record_types.h"

enum { ITEMS_MAX = 4096 };

/* --- topics -------------------------------------------------------------------------------------
 */

struct uuid bench_topic_id(const struct group_bench *bench, const char *name)
{
    for (uint32_t i = bench->topic_ever_count; i-- > 0;) {
        if (strcmp(bench->topics_ever[i].name, name) == 0) {
            return bench->topics_ever[i].id;
        }
    }
    fail();
    return (struct uuid){{0}};
}

const char *bench_topic_name(const struct group_bench *bench, struct uuid id)
{
    for (uint32_t i = 0; i < bench->topic_ever_count; i++) {
        if (uuid_equal(bench->topics_ever[i].id, id)) {
            return bench->topics_ever[i].name;
        }
    }
    return "?";
}

static int by_name(const void *a, const void *b)
{
    const struct bytes one = ((const struct group_topic *)a)->name;
    const struct bytes two = ((const struct group_topic *)b)->name;
    return strcmp((const char *)one.ptr, (const char *)two.ptr);
}

/* The newest topic has the highest id. */
static struct group_topic *topic_make(struct group_bench *bench, const char *name)
{
    assert_true(bench->topic_ever_count < BENCH_TOPICS_MAX);
    const uint32_t number = bench->topic_ever_count++;
    struct group_bench_topic *ever = &bench->topics_ever[number];
    snprintf(ever->name, sizeof(ever->name), "%s", name);
    ever->id.bytes[14] = (uint8_t)((number + 1) >> 8);
    ever->id.bytes[15] = (uint8_t)(number + 1);
    struct group_topic *topic = &bench->topic_items[bench->all_topics.count++];
    *topic = (struct group_topic){.name = bytes_of_string(ever->name), .id = ever->id};
    return topic;
}

static void topics_finish(struct group_bench *bench)
{
    struct group_topics *all = &bench->all_topics;
    all->version++;
    qsort(bench->topic_items, all->count, sizeof(bench->topic_items[0]), by_name);
    uint32_t places = 0;
    for (uint32_t i = 0; i < bench->topic_ever_count; i++) {
        for (uint32_t k = 0; k < all->count; k++) {
            if (uuid_equal(bench->topic_items[k].id, bench->topics_ever[i].id)) {
                bench->topic_by_id[places++] = k;
            }
        }
    }
    all->items = bench->topic_items;
    all->partition_count = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        all->partition_count += (uint64_t)bench->topic_items[i].partition_count;
    }
    all->by_id = bench->topic_by_id;
}

void bench_topic(struct group_bench *bench, const char *name, int32_t partitions)
{
    struct group_topics *all = &bench->all_topics;
    struct group_topic *topic = NULL;
    for (uint32_t i = 0; i < all->count; i++) {
        if (strcmp((const char *)bench->topic_items[i].name.ptr, name) == 0) {
            topic = &bench->topic_items[i];
        }
    }
    if (partitions == 0) {
        assert_non_null(topic);
        *topic = bench->topic_items[--all->count];
    } else {
        if (topic == NULL) {
            topic = topic_make(bench, name);
            all->created = all->version + 1;
        }
        topic->partition_count = partitions;
    }
    topics_finish(bench);
}

void bench_topics(struct group_bench *bench, const char *prefix, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%s%04u", prefix, i);
        topic_make(bench, name)->partition_count = 1;
    }
    bench->all_topics.created = bench->all_topics.version + 1;
    topics_finish(bench);
}

/* --- the trace ----------------------------------------------------------------------------------
 */

static void put_partitions(struct group_bench *bench, uint32_t *told, struct uuid topic,
                           struct i32_array partitions)
{
    int32_t partition;
    while (i32_array_next(&partitions, &partition)) {
        bench_put(bench, "%s%s/%d", (*told)++ > 0 ? " " : "", bench_topic_name(bench, topic),
                  partition);
    }
}

static void put_current_rows(struct group_bench *bench,
                             struct consumer_group_current_member_assignment_value_topic_array rows)
{
    struct consumer_group_current_member_assignment_value_topic row;
    uint32_t told = 0;
    bench_put(bench, "[");
    while (consumer_group_current_member_assignment_value_topic_array_next(&rows, &row)) {
        put_partitions(bench, &told, row.topic_id, row.partitions);
    }
    bench_put(bench, "]");
}

static void put_list(struct group_bench *bench, struct string_array list)
{
    struct chain text;
    for (uint32_t i = 0; string_array_next(&list, &text); i++) {
        bench_put(bench, i > 0 ? "+" : "");
        bench_put_text(bench, text);
    }
}

static void put_member_value(struct group_bench *bench, struct reader *value)
{
    struct consumer_group_member_metadata_value member;
    assert_int_equal(consumer_group_member_metadata_value_decode(value, 0, &member), CODEC_OK);
    bench_put(bench, " ");
    put_list(bench, member.subscribed_topic_names);
    if (member.subscribed_topic_regex.len > 0) {
        bench_put(bench, " ~");
        bench_put_text(bench, member.subscribed_topic_regex);
    }
    if (!chain_is_null(member.instance_id)) {
        bench_put(bench, " as ");
        bench_put_text(bench, member.instance_id);
    }
    if (!chain_is_null(member.rack_id)) {
        bench_put(bench, " in ");
        bench_put_text(bench, member.rack_id);
    }
    if (!chain_is_null(member.server_assignor)) {
        bench_put(bench, " by ");
        bench_put_text(bench, member.server_assignor);
    }
    if (member.has_classic_member_metadata) {
        struct consumer_group_member_metadata_value_protocol protocol;
        bench_put(bench, " classic %d", member.classic_member_metadata.session_timeout_ms);
        while (consumer_group_member_metadata_value_protocol_array_next(
            &member.classic_member_metadata.supported_protocols, &protocol)) {
            bench_put(bench, " ");
            bench_put_text(bench, protocol.name);
        }
    }
}

static void put_current_value(struct group_bench *bench, struct reader *value)
{
    static const char *const states[] = {"stable", "unrevoked", "unreleased"};
    struct consumer_group_current_member_assignment_value has;
    assert_int_equal(consumer_group_current_member_assignment_value_decode(value, 0, &has),
                     CODEC_OK);
    bench_put(bench, " %d<%d %s ", has.member_epoch, has.previous_member_epoch, states[has.state]);
    put_current_rows(bench, has.assigned_partitions);
    if (has.partitions_pending_revocation.count > 0) {
        bench_put(bench, " -");
        put_current_rows(bench, has.partitions_pending_revocation);
    }
}

static void put_target_value(struct group_bench *bench, struct reader *value)
{
    struct consumer_group_target_assignment_member_value target;
    assert_int_equal(consumer_group_target_assignment_member_value_decode(value, 0, &target),
                     CODEC_OK);
    struct consumer_group_target_assignment_member_value_topic row;
    uint32_t told = 0;
    bench_put(bench, " [");
    while (consumer_group_target_assignment_member_value_topic_array_next(&target.topic_partitions,
                                                                          &row)) {
        put_partitions(bench, &told, row.topic_id, row.partitions);
    }
    bench_put(bench, "]");
}

static void put_value(struct group_bench *bench, int16_t type, struct reader *value)
{
    struct consumer_group_metadata_value group;
    struct consumer_group_target_assignment_metadata_value targets;
    struct consumer_group_regular_expression_value regex;
    switch (type) {
    case RECORD_CONSUMER_GROUP_METADATA:
        assert_int_equal(consumer_group_metadata_value_decode(value, 0, &group), CODEC_OK);
        bench->metadata_hash = group.metadata_hash;
        bench_put(bench, " %d", group.epoch);
        break;
    case RECORD_CONSUMER_GROUP_MEMBER_METADATA: put_member_value(bench, value); break;
    case RECORD_CONSUMER_GROUP_TARGET_METADATA:
        assert_int_equal(consumer_group_target_assignment_metadata_value_decode(value, 0, &targets),
                         CODEC_OK);
        bench_put(bench, " %d", targets.assignment_epoch);
        break;
    case RECORD_CONSUMER_GROUP_TARGET_MEMBER: put_target_value(bench, value); break;
    case RECORD_CONSUMER_GROUP_CURRENT_ASSIGNMENT: put_current_value(bench, value); break;
    case RECORD_CONSUMER_GROUP_REGULAR_EXPRESSION:
        assert_int_equal(consumer_group_regular_expression_value_decode(value, 0, &regex),
                         CODEC_OK);
        bench_put(bench, " = ");
        put_list(bench, regex.topics);
        break;
    default: fail();
    }
}

bool bench_put_consumer_record(struct group_bench *bench, const struct group_record *record)
{
    static const char *const names[] = {
        [RECORD_CONSUMER_GROUP_METADATA] = "epoch",
        [RECORD_CONSUMER_GROUP_PARTITION_METADATA] = "partitions",
        [RECORD_CONSUMER_GROUP_MEMBER_METADATA] = "member",
        [RECORD_CONSUMER_GROUP_TARGET_METADATA] = "targets",
        [RECORD_CONSUMER_GROUP_TARGET_MEMBER] = "target",
        [RECORD_CONSUMER_GROUP_CURRENT_ASSIGNMENT] = "has",
        [RECORD_CONSUMER_GROUP_REGULAR_EXPRESSION] = "regex",
    };
    struct reader key;
    reader_init(&key, chain_of(&record->key));
    const int16_t type = reader_i16(&key);
    if (type < RECORD_CONSUMER_GROUP_METADATA) {
        return false;
    }
    struct consumer_group_metadata_key group;
    assert_int_equal(consumer_group_metadata_key_decode(&key, 0, &group), CODEC_OK);
    bench_put(bench, "%c %s ", record->value.ptr == NULL ? '-' : '+', names[type]);
    bench_put_text(bench, group.group_id);
    if (type == RECORD_CONSUMER_GROUP_MEMBER_METADATA ||
        type == RECORD_CONSUMER_GROUP_TARGET_MEMBER ||
        type == RECORD_CONSUMER_GROUP_CURRENT_ASSIGNMENT ||
        type == RECORD_CONSUMER_GROUP_REGULAR_EXPRESSION) {
        struct consumer_group_member_metadata_key member;
        reader_init(&key, chain_of(&record->key));
        (void)reader_i16(&key);
        assert_int_equal(consumer_group_member_metadata_key_decode(&key, 0, &member), CODEC_OK);
        bench_put(bench, " ");
        bench_put_text(bench, member.member_id);
    }
    if (record->value.ptr != NULL) {
        struct reader value;
        reader_init(&value, chain_of(&record->value));
        assert_int_equal(reader_i16(&value), 0);
        put_value(bench, type, &value);
    }
    bench_put(bench, "\n");
    return true;
}

static void put_beat(struct group_bench *bench,
                     const struct consumer_group_heartbeat_response *answer)
{
    bench_put(bench, "beat %s", error_name(answer->error_code));
    if (answer->error_code != ERROR_NONE) {
        return;
    }
    bench_put(bench, " epoch %d", answer->member_epoch);
    if (answer->has_assignment) {
        uint32_t told = 0;
        bench_put(bench, " [");
        for (int32_t i = 0; i < answer->assignment.topic_partitions.count; i++) {
            put_partitions(bench, &told, answer->assignment.topic_partitions.items[i].topic_id,
                           answer->assignment.topic_partitions.items[i].partitions);
        }
        bench_put(bench, "]");
    }
}

static void put_assignment(struct group_bench *bench,
                           const struct consumer_group_describe_response_assignment *assignment)
{
    uint32_t told = 0;
    for (int32_t i = 0; i < assignment->topic_partitions.count; i++) {
        const struct consumer_group_describe_response_topic *topic =
            &assignment->topic_partitions.items[i];
        assert_true(chain_equals(topic->topic_name,
                                 bytes_of_string(bench_topic_name(bench, topic->topic_id))));
        put_partitions(bench, &told, topic->topic_id, topic->partitions);
    }
}

static void put_describe(struct group_bench *bench,
                         const struct consumer_group_describe_response_group *answer)
{
    bench_put(bench, "describe %s", error_name(answer->error_code));
    if (answer->error_code != ERROR_NONE) {
        return;
    }
    bench_put(bench, " ");
    bench_put_text(bench, answer->group_state);
    bench_put(bench, " %d/%d ", answer->group_epoch, answer->assignment_epoch);
    bench_put_text(bench, answer->assignor_name);
    for (int32_t i = 0; i < answer->members.count; i++) {
        const struct consumer_group_describe_response_member *member = &answer->members.items[i];
        bench_put(bench, " ");
        bench_put_text(bench, member->member_id);
        bench_put(bench, "@%d%s ", member->member_epoch,
                  member->member_type == 0 ? " classic" : "");
        put_list(bench, member->subscribed_topic_names);
        bench_put(bench, " [");
        put_assignment(bench, &member->assignment);
        bench_put(bench, "] > [");
        put_assignment(bench, &member->target_assignment);
        bench_put(bench, "]");
    }
}

bool bench_put_consumer_reply(struct group_bench *bench, const struct group_reply *reply)
{
    if (reply->kind == GROUP_CONSUMER_HEARTBEAT) {
        put_beat(bench, reply->answer);
        return true;
    }
    if (reply->kind == GROUP_CONSUMER_DESCRIBE) {
        put_describe(bench, reply->answer);
        return true;
    }
    return false;
}

/* --- events -------------------------------------------------------------------------------------
 */

static struct chain text_of(struct arena *arena, const char *text)
{
    return text == NULL ? CHAIN_NULL : arena_text(arena, "%s", text);
}

static struct string_array list_of(struct arena *arena, const char *words)
{
    if (words == NULL) {
        return (struct string_array){.count = -1};
    }
    struct chain *items = ARENA_ARRAY(arena, struct chain, ITEMS_MAX);
    struct string_array list = {.items = items};
    char *text = arena_take(arena, strlen(words) + 1);
    memcpy(text, words, strlen(words));
    char *rest;
    for (char *at = strtok_r(text, " ", &rest); at != NULL; at = strtok_r(NULL, " ", &rest)) {
        items[list.count++] = arena_text(arena, "%s", at);
    }
    return list;
}

/* Each partition as a row of its own. */
static struct consumer_group_heartbeat_request_topic_array
owned_of(const struct group_bench *bench, struct arena *arena, const char *words)
{
    if (words == NULL) {
        return (struct consumer_group_heartbeat_request_topic_array){.count = -1};
    }
    struct consumer_group_heartbeat_request_topic *items =
        ARENA_ARRAY(arena, struct consumer_group_heartbeat_request_topic, ITEMS_MAX);
    int32_t *numbers = ARENA_ARRAY(arena, int32_t, ITEMS_MAX);
    struct consumer_group_heartbeat_request_topic_array rows = {.items = items};
    char *text = arena_take(arena, strlen(words) + 1);
    memcpy(text, words, strlen(words));
    char *rest;
    for (char *at = strtok_r(text, " ", &rest); at != NULL; at = strtok_r(NULL, " ", &rest)) {
        char *number = strchr(at, '/');
        *number++ = '\0';
        numbers[rows.count] = atoi(number);
        items[rows.count] = (struct consumer_group_heartbeat_request_topic){
            bench_topic_id(bench, at), {.items = &numbers[rows.count], .count = 1}};
        rows.count++;
    }
    return rows;
}

void bench_beat(struct group_bench *bench, struct beat_said said)
{
    struct arena *arena = bench_begin(bench);
    const bool joins = said.epoch == 0;
    const char *member = said.member == NULL ? "a" : said.member;
    const char *topics = said.topics == NULL && said.regex == NULL && joins ? "t" : said.topics;
    const int32_t rebalance_ms = said.rebalance_ms != 0 ? said.rebalance_ms : (joins ? 60000 : -1);
    const struct consumer_group_heartbeat_request request = {
        .group_id = arena_text(arena, "%s", said.group == NULL ? "g" : said.group),
        .member_id = arena_text(arena, "%s", member),
        .member_epoch = said.epoch,
        .instance_id = text_of(arena, said.instance),
        .rack_id = text_of(arena, said.rack),
        .rebalance_timeout_ms = rebalance_ms,
        .subscribed_topic_names = list_of(arena, topics),
        .subscribed_topic_regex = text_of(arena, said.regex),
        .server_assignor = text_of(arena, said.assignor),
        .topic_partitions = owned_of(bench, arena, said.owned == NULL && joins ? "" : said.owned),
    };
    struct group_event event = {.kind = GROUP_CONSUMER_HEARTBEAT,
                                .version = (int16_t)(said.version < 0 ? 0 : 1),
                                .client_id =
                                    bytes_of_string(said.client == NULL ? "client" : said.client),
                                .client_host = bytes_of_string("/10.0.0.1"),
                                .random = {{1, 2, 3, (uint8_t)bench->token}},
                                .consumer_heartbeat = &request};
    bench_step(bench, &event, member);
}

void bench_consumer_describe(struct group_bench *bench, const char *group)
{
    bench_begin(bench);
    struct group_event event = {
        .kind = GROUP_CONSUMER_DESCRIBE, .version = 1, .group_id = bytes_of_string(group)};
    bench_step(bench, &event, "admin");
}
