#include "control/serve/group_request.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/control/serve/serve_bench.h"

static void groups_are_listed_described_and_deleted_wherever_they_lie(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    const char *const names[] = {"a", "b", "c"};
    struct chain keys[5];
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(commit_offset(bench, names[i], "t", 0, i), ERROR_NONE);
        keys[i] = text_of(names[i]);
    }
    keys[3] = text_of("nobody");
    keys[4] = text_of("a");
    struct list_groups_request list = list_groups_request_default;
    struct list_groups_response listed;
    assert_true(ASK(bench, LIST_GROUPS, list_groups, 5, &list, &listed));
    assert_int_equal(listed.error_code, ERROR_NONE);
    assert_int_equal(listed.groups.count, 3);
    struct describe_groups_request describe = describe_groups_request_default;
    struct describe_groups_response described;
    struct describe_groups_response_group one;
    describe.groups = (struct string_array){.items = keys, .count = 4};
    describe.include_authorized_operations = true;
    assert_true(ASK(bench, DESCRIBE_GROUPS, describe_groups, 6, &describe, &described));
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(describe_groups_response_group_array_next(&described.groups, &one));
        assert_true(chain_is(one.group_id, i < 3 ? names[i] : "nobody"));
        assert_int_equal(one.error_code, i < 3 ? ERROR_NONE : ERROR_GROUP_ID_NOT_FOUND);
        assert_true(chain_is(one.group_state, i < 3 ? "Empty" : "Dead"));
        assert_int_equal(one.authorized_operations, i < 3 ? 3400 : INT32_MIN);
    }
    struct delete_groups_request doomed = delete_groups_request_default;
    struct delete_groups_response gone;
    struct delete_groups_response_result result;
    doomed.groups_names = (struct string_array){.items = keys, .count = 5};
    assert_true(ASK(bench, DELETE_GROUPS, delete_groups, 2, &doomed, &gone));
    assert_int_equal(gone.results.count, 4); /* One is named twice. */
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(delete_groups_response_result_array_next(&gone.results, &result));
        assert_int_equal(result.error_code, i < 3 ? ERROR_NONE : ERROR_GROUP_ID_NOT_FOUND);
    }
    assert_true(ASK(bench, LIST_GROUPS, list_groups, 0, &list, &listed));
    assert_int_equal(listed.groups.count, 0);
    bench_free(bench);
}

static void offsets_of_several_groups_come_in_one_answer_and_by_topic_id(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    assert_int_equal(commit_offset(bench, "a", "t", 2, 12), ERROR_NONE);
    assert_int_equal(commit_offset(bench, "b", "t", 3, 13), ERROR_NONE);
    struct offset_fetch_request_group groups[3];
    const char *const names[] = {"a", "b", "nobody"};
    for (uint32_t i = 0; i < 3; i++) {
        groups[i] = offset_fetch_request_group_default;
        groups[i].group_id = text_of(names[i]);
        groups[i].topics.count = -1; /* All. */
    }
    struct offset_fetch_request request = offset_fetch_request_default;
    request.groups.items = groups;
    request.groups.count = 3;
    for (int16_t version = 8; version <= 10; version++) {
        struct offset_fetch_response response;
        struct offset_fetch_response_group group;
        struct offset_fetch_response_group_topic topic;
        struct offset_fetch_response_group_partition partition;
        assert_true(ASK(bench, OFFSET_FETCH, offset_fetch, version, &request, &response));
        assert_int_equal(response.groups.count, 3);
        for (uint32_t i = 0; i < 3; i++) {
            assert_true(offset_fetch_response_group_array_next(&response.groups, &group));
            assert_true(chain_is(group.group_id, names[i]));
            assert_int_equal(group.topics.count, i < 2);
            if (i == 2) {
                continue;
            }
            assert_true(offset_fetch_response_group_topic_array_next(&group.topics, &topic));
            if (version >= 10) {
                assert_true(uuid_equal(topic.topic_id, bench_topic(bench, "t")->id));
            } else {
                assert_true(chain_is(topic.name, "t"));
            }
            assert_true(
                offset_fetch_response_group_partition_array_next(&topic.partitions, &partition));
            assert_int_equal(partition.committed_offset, 12 + i);
        }
    }
    /* No topic has the id of zeros; it is told, as of any that is not there. */
    const int32_t first = 0;
    const struct offset_fetch_request_group_topic zero = {
        .name = CHAIN_EMPTY, .partition_indexes = {.items = &first, .count = 1}};
    struct offset_fetch_response response;
    struct offset_fetch_response_group group;
    struct offset_fetch_response_group_topic topic;
    struct offset_fetch_response_group_partition partition;
    groups[0].topics.items = &zero;
    groups[0].topics.count = 1;
    assert_true(ASK(bench, OFFSET_FETCH, offset_fetch, 10, &request, &response));
    assert_true(offset_fetch_response_group_array_next(&response.groups, &group));
    assert_true(offset_fetch_response_group_topic_array_next(&group.topics, &topic));
    assert_true(offset_fetch_response_group_partition_array_next(&topic.partitions, &partition));
    assert_int_equal(partition.error_code, ERROR_UNKNOWN_TOPIC_ID);
    bench_free(bench);
}

static void a_request_about_no_group_is_answered_at_once(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    struct describe_groups_request describe = describe_groups_request_default;
    struct describe_groups_response described;
    assert_true(ASK(bench, DESCRIBE_GROUPS, describe_groups, 6, &describe, &described));
    assert_int_equal(described.groups.count, 0);
    bench_free(bench);
}

static void restart(struct bench *bench)
{
    bench_stop_control(bench);
    bench_start_control(bench);
    bench_turns(bench, 1000);
}

static uint64_t describe_send(struct bench *bench, uint32_t count)
{
    const struct chain name = text_of("");
    static struct chain keys[30000];
    static uint8_t body[100000];
    struct describe_groups_request describe = describe_groups_request_default;
    struct writer writer;
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = name;
    }
    describe.groups = (struct string_array){.items = keys, .count = (int32_t)count};
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(describe_groups_request_encode(&writer, 5, &describe), CODEC_OK);
    return bench_send(bench, API_DESCRIBE_GROUPS, 5, (struct bytes){body, writer_used(&writer)});
}

static int16_t describe_many(struct bench *bench, uint32_t count)
{
    const uint64_t number = describe_send(bench, count);
    while (bench->reply_number != number) {
        bench_turn(bench);
    }
    return bench->reply_error;
}

/* A name takes a byte of the request, so a million of them fit. */
static void a_request_about_more_groups_than_memory_is_for_is_refused(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    assert_int_equal(describe_many(bench, 20000), ERROR_NONE);
    assert_int_equal(describe_many(bench, 20001), ERROR_POLICY_VIOLATION);
    bench_free(bench);
}

/* Long answers that nobody reads take control's memory: so much of it, and no more. */
static void a_long_answer_waits_while_others_are_not_read(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    const struct slow_header header = {.kind = SLOW_REPLY, .request_number = 999999};
    assert_int_equal(describe_many(bench, 20000), ERROR_NONE);
    assert_true(bench->reply_len > SLOW_PIECE_BYTES_MAX);
    bench->asks_no_more = true;
    for (uint32_t i = 0; i < 2; i++) {
        peer_send(bench->control->peer, 0, &header, calloc(1, 33 << 20), 33 << 20);
    }
    bench_turns(bench, 20);
    assert_int_equal(describe_many(bench, 20000), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(describe_many(bench, 100), ERROR_NONE);
    bench_free(bench);
}

static void without_the_topic_there_is_no_coordinator(void **state)
{
    (void)state;
    struct bench *bench = bench_new(1, NULL);
    int16_t error;
    struct list_groups_request list = list_groups_request_default;
    struct list_groups_response listed;
    assert_int_equal(commit_offset(bench, "g", "t", 0, 1), ERROR_NOT_COORDINATOR);
    (void)fetch_offset(bench, "g", "t", 0, &error);
    assert_int_equal(error, ERROR_NOT_COORDINATOR);
    assert_true(ASK(bench, LIST_GROUPS, list_groups, 4, &list, &listed));
    assert_int_equal(listed.groups.count, 0);
    bench_free(bench);
}

static void a_body_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    static const int16_t keys[] = {API_JOIN_GROUP,      API_SYNC_GROUP,    API_HEARTBEAT,
                                   API_LEAVE_GROUP,     API_OFFSET_COMMIT, API_OFFSET_FETCH,
                                   API_DESCRIBE_GROUPS, API_DELETE_GROUPS, API_OFFSET_DELETE,
                                   API_FIND_COORDINATOR};
    static const uint8_t junk[] = {0x7f, 0xff, 0x7f};
    for (uint32_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const int16_t version = keys[i] == API_OFFSET_COMMIT ? 2 : keys[i] == API_OFFSET_FETCH;
        assert_false(bench_ask(bench, keys[i], version, (struct bytes){junk, sizeof(junk)}));
        assert_int_equal(bench->reply_error, ERROR_INVALID_REQUEST);
    }
    bench_free(bench);
}

static void members_of_the_consumer_protocol_get_the_topics_there_are(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    const struct chain wanted = text_of("t");
    struct consumer_group_heartbeat_request beat = consumer_group_heartbeat_request_default;
    struct consumer_group_heartbeat_response answer;
    beat.group_id = text_of("g");
    beat.member_id = text_of("m");
    beat.rebalance_timeout_ms = 60000;
    beat.subscribed_topic_names = (struct string_array){.items = &wanted, .count = 1};
    beat.topic_partitions.count = 0;
    assert_true(ASK(bench, CONSUMER_GROUP_HEARTBEAT, consumer_group_heartbeat, 1, &beat, &answer));
    assert_int_equal(answer.error_code, ERROR_NONE);
    assert_int_equal(answer.member_epoch, 1);
    assert_int_equal(answer.heartbeat_interval_ms, 5000);
    struct consumer_group_heartbeat_response_topic row;
    assert_true(consumer_group_heartbeat_response_topic_array_next(
        &answer.assignment.topic_partitions, &row));
    assert_int_equal(row.partitions.count, 4);

    const struct chain names[] = {text_of("g"), text_of("nobody")};
    struct consumer_group_describe_request describe = consumer_group_describe_request_default;
    struct consumer_group_describe_response described;
    struct consumer_group_describe_response_group one;
    describe.group_ids = (struct string_array){.items = names, .count = 2};
    describe.include_authorized_operations = true;
    assert_true(
        ASK(bench, CONSUMER_GROUP_DESCRIBE, consumer_group_describe, 1, &describe, &described));
    assert_true(consumer_group_describe_response_group_array_next(&described.groups, &one));
    assert_true(chain_is(one.group_state, "Stable"));
    assert_true(chain_is(one.assignor_name, "uniform"));
    assert_int_equal(one.members.count, 1);
    assert_int_equal(one.authorized_operations, 3400);
    assert_true(consumer_group_describe_response_group_array_next(&described.groups, &one));
    assert_int_equal(one.error_code, ERROR_GROUP_ID_NOT_FOUND);
    bench_free(bench);
}

/* ---- Much in one answer ---------------------------------------------------------------------- */

enum { MANY = 9000 };

static uint64_t many_commit(struct bench *bench, const char *group, const char *topic)
{
    static struct offset_commit_request_partition items[MANY];
    static uint8_t body[MANY * 32];
    struct offset_commit_request_topic named = offset_commit_request_topic_default;
    struct offset_commit_request request = offset_commit_request_default;
    struct writer writer;
    for (int32_t i = 0; i < MANY; i++) {
        items[i] = offset_commit_request_partition_default;
        items[i].partition_index = i;
        items[i].committed_offset = 7 * i;
        items[i].committed_metadata = text_of("");
    }
    named.name = text_of(topic);
    named.partitions.items = items;
    named.partitions.count = MANY;
    request.group_id = text_of(group);
    request.topics.items = &named;
    request.topics.count = 1;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(offset_commit_request_encode(&writer, 8, &request), CODEC_OK);
    const uint64_t number =
        bench_send(bench, API_OFFSET_COMMIT, 8, (struct bytes){body, writer_used(&writer)});
    bench_turns(bench, 5);
    return number;
}

static uint64_t fetch_all_send(struct bench *bench, int16_t version)
{
    static uint8_t body[256];
    struct writer writer;
    struct offset_fetch_request_group groups[2];
    struct offset_fetch_request request = offset_fetch_request_default;
    request.group_id = text_of("big");
    request.topics.count = -1;
    for (uint32_t i = 0; i < 2; i++) {
        groups[i] = offset_fetch_request_group_default;
        groups[i].group_id = text_of(i == 0 ? "big" : "small");
        groups[i].topics.count = -1;
    }
    if (version >= 8) {
        request.group_id = CHAIN_EMPTY;
        request.topics.count = 0;
        request.groups.items = groups;
        request.groups.count = 2;
    }
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(offset_fetch_request_encode(&writer, version, &request), CODEC_OK);
    return bench_send(bench, API_OFFSET_FETCH, version, (struct bytes){body, writer_used(&writer)});
}

static void many_expect(struct bench *bench, int16_t version)
{
    const struct bytes reply = {bench->reply, bench->reply_len};
    static bool seen[MANY];
    struct reader reader;
    struct offset_fetch_response response;
    struct offset_fetch_response_group group;
    struct offset_fetch_response_group_topic topic;
    struct offset_fetch_response_group_partition partition;
    memset(seen, 0, sizeof(seen));
    reader_init(&reader, chain_of(&reply));
    assert_int_equal(offset_fetch_response_decode(&reader, version, &response), CODEC_OK);
    if (version < 8) {
        struct offset_fetch_response_topic old;
        struct offset_fetch_response_partition got;
        assert_int_equal(response.topics.count, 1);
        assert_true(offset_fetch_response_topic_array_next(&response.topics, &old));
        assert_int_equal(old.partitions.count, MANY);
        while (offset_fetch_response_partition_array_next(&old.partitions, &got)) {
            assert_false(seen[got.partition_index]);
            seen[got.partition_index] = true;
            assert_int_equal(got.committed_offset, 7 * got.partition_index);
        }
        return;
    }
    assert_int_equal(response.groups.count, 2);
    assert_true(offset_fetch_response_group_array_next(&response.groups, &group));
    assert_int_equal(group.error_code, ERROR_NONE);
    assert_int_equal(group.topics.count, 1);
    assert_true(offset_fetch_response_group_topic_array_next(&group.topics, &topic));
    assert_int_equal(topic.partitions.count, MANY);
    while (offset_fetch_response_group_partition_array_next(&topic.partitions, &partition)) {
        assert_false(seen[partition.partition_index]);
        seen[partition.partition_index] = true;
        assert_int_equal(partition.committed_offset, 7 * partition.partition_index);
    }
    assert_true(offset_fetch_response_group_array_next(&response.groups, &group));
    assert_true(chain_is(group.group_id, "small"));
    assert_int_equal(group.topics.count, 1);
}

/* Turns until the answer is there; each walks no more than it may. */
static uint32_t turns_until(struct bench *bench, uint64_t number)
{
    uint32_t turns = 0;
    while (bench->reply_number != number) {
        const uint64_t before = groups_counters(bench->control->groups).walked;
        bench_turn(bench);
        assert_true(groups_counters(bench->control->groups).walked - before <=
                    GROUP_WALK_PER_TURN + 2 * GROUP_WALK_MORE_PER_TURN);
        turns++;
        assert_true(turns < 1000);
    }
    return turns;
}

static void all_offsets_of_a_large_group_are_told_while_others_are_served(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    assert_int_equal(bench_create_topic(bench, "many", MANY), ERROR_NONE);
    (void)many_commit(bench, "big", "many");
    assert_int_equal(commit_offset(bench, "small", "t", 0, 5), ERROR_NONE);
    for (int16_t version = 2; version <= 10; version++) {
        const uint64_t number = fetch_all_send(bench, version);
        bench_turn(bench);
        assert_int_equal(commit_offset(bench, "small", "t", 0, version), ERROR_NONE);
        assert_int_not_equal(bench->reply_number, number); /* Its answer came first. */
        assert_true(turns_until(bench, number) > 2);
        many_expect(bench, version);
    }
    bench_free(bench);
}

static void what_is_being_told_ends_with_its_coordinator_or_session(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    assert_int_equal(bench_create_topic(bench, "many", MANY), ERROR_NONE);
    (void)many_commit(bench, "big", "many");
    assert_int_equal(commit_offset(bench, "small", "t", 0, 5), ERROR_NONE);
    /* An append of its partition fails, so that it is read anew. */
    uint64_t number = fetch_all_send(bench, 8);
    bench_turns(bench, 3);
    bench->append_error = ERROR_KAFKA_STORAGE_ERROR;
    (void)many_commit(bench, "big", "many");
    assert_int_equal(bench->reply_number, number); /* The last that was answered. */
    bench->append_error = ERROR_NONE;
    bench_turns(bench, 1000);
    number = fetch_all_send(bench, 8);
    (void)turns_until(bench, number);
    many_expect(bench, 8);
    (void)fetch_all_send(bench, 8);
    bench_turns(bench, 3);
    bench_stop_dataplane(bench);
    bench_turns(bench, 5);
    bench_start_dataplane(bench);
    bench_turns(bench, 1000);
    number = fetch_all_send(bench, 5);
    (void)turns_until(bench, number);
    many_expect(bench, 5);
    (void)fetch_all_send(bench, 8);
    bench_turns(bench, 3);
    bench_free(bench);
}

static uint64_t offsets_there(struct bench *bench)
{
    return groups_counters(bench->control->groups).offsets;
}

static void offsets_of_a_deleted_topic_go_while_others_are_served(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    int16_t error;
    assert_int_equal(bench_create_topic(bench, "many", MANY), ERROR_NONE);
    (void)many_commit(bench, "big", "many");
    assert_int_equal(commit_offset(bench, "big", "t", 0, 3), ERROR_NONE);
    bench->holds_appends = true; /* What has gone is written first, and then the next part. */
    assert_int_equal(bench_delete_topic(bench, "many"), ERROR_NONE);
    bench_turns(bench, 20);
    assert_true(offsets_there(bench) > MANY - GROUP_WALK_PER_TURN - 2 * GROUP_WALK_MORE_PER_TURN);
    assert_int_equal(fetch_offset(bench, "g", "t", 0, &error), -1);
    assert_int_equal(error, ERROR_NONE);
    bench->holds_appends = false;
    bench_release(bench);
    while (offsets_there(bench) > 1) {
        const uint64_t before = groups_counters(bench->control->groups).walked;
        assert_int_equal(fetch_offset(bench, "big", "t", 0, &error), 3);
        assert_true(groups_counters(bench->control->groups).walked - before <=
                    10 * GROUP_WALK_MORE_PER_TURN); /* It took a few turns. */
    }
    bench_turns(bench, 20);
    restart(bench);
    assert_int_equal(fetch_offset(bench, "big", "t", 0, &error), 3);
    assert_int_equal(offsets_there(bench), 1);
    bench_free(bench);
}

/* ---- Many groups ---------------------------------------------------------------------------- */

enum { SEVERAL = 60, WALK_FEW = 5, REPLIES_MAX = 64 };

struct answers {
    struct bytes items[REPLIES_MAX];
    uint32_t count;
    uint32_t turns;
};

/* Asks, and keeps the answer; each turn runs and walks only so much. */
static void several_ask(struct bench *bench, struct answers *answers, int16_t api, int16_t version,
                        struct bytes body)
{
    const uint32_t walk = bench->group_walk_per_turn;
    const uint64_t number = bench_send(bench, api, version, body);
    while (bench->reply_number != number) {
        const struct groups_counters before = groups_counters(bench->control->groups);
        bench_turn(bench);
        const struct groups_counters after = groups_counters(bench->control->groups);
        assert_true(walk == 0 || after.parts - before.parts <= 2 * walk);
        assert_true(walk == 0 || after.walked - before.walked <= 2 * walk + 2);
        answers->turns++;
    }
    assert_int_equal(bench->reply_error, ERROR_NONE);
    uint8_t *copy = malloc(bench->reply_len);
    memcpy(copy, bench->reply, bench->reply_len);
    answers->items[answers->count++] = (struct bytes){copy, bench->reply_len};
}

static const char *several_name(uint32_t index)
{
    static char names[SEVERAL + 1][8];
    (void)snprintf(names[index], sizeof(names[index]), "g%u", (unsigned)index);
    return names[index];
}

static void several_ask_all(struct bench *bench, struct answers *answers)
{
    static uint8_t body[16 * 1024];
    static struct bytes names[SEVERAL + 1];
    static struct chain keys[SEVERAL + 1];
    struct writer writer;
    struct list_groups_request list = list_groups_request_default;
    struct describe_groups_request describe = describe_groups_request_default;
    struct consumer_group_describe_request consumer = consumer_group_describe_request_default;
    for (uint32_t i = 0; i < SEVERAL + 1; i++) { /* The last one is not there. */
        names[i] = bytes_of_string(several_name(i));
        keys[i] = chain_of(&names[i]);
    }
    for (int16_t version = 0; version <= 5; version++) {
        writer_init(&writer, body, sizeof(body));
        assert_int_equal(list_groups_request_encode(&writer, version, &list), CODEC_OK);
        several_ask(bench, answers, API_LIST_GROUPS, version,
                    (struct bytes){body, writer_used(&writer)});
    }
    describe.groups = (struct string_array){.items = keys, .count = SEVERAL + 1};
    for (int16_t version = 0; version <= 6; version++) {
        describe.include_authorized_operations = version == 6;
        writer_init(&writer, body, sizeof(body));
        assert_int_equal(describe_groups_request_encode(&writer, version, &describe), CODEC_OK);
        several_ask(bench, answers, API_DESCRIBE_GROUPS, version,
                    (struct bytes){body, writer_used(&writer)});
    }
    consumer.group_ids = describe.groups;
    for (int16_t version = 0; version <= 1; version++) {
        writer_init(&writer, body, sizeof(body));
        assert_int_equal(consumer_group_describe_request_encode(&writer, version, &consumer),
                         CODEC_OK);
        several_ask(bench, answers, API_CONSUMER_GROUP_DESCRIBE, version,
                    (struct bytes){body, writer_used(&writer)});
    }
}

static void list_expect(struct bytes reply, int16_t version)
{
    struct reader reader;
    struct list_groups_response response;
    struct list_groups_response_group group;
    reader_init(&reader, chain_of(&reply));
    assert_int_equal(list_groups_response_decode(&reader, version, &response), CODEC_OK);
    assert_int_equal(response.groups.count, SEVERAL);
    while (list_groups_response_group_array_next(&response.groups, &group)) {
        assert_true(version < 4 || chain_is(group.group_state, "Empty"));
        assert_true(version < 5 || chain_is(group.group_type, "classic"));
    }
}

static void many_groups_are_told_in_parts_as_they_are_told_at_once(void **state)
{
    (void)state;
    struct answers once = {.count = 0};
    struct answers parts = {.count = 0};
    struct bench *bench = bench_with_groups(NULL);
    for (uint32_t i = 0; i < SEVERAL; i++) {
        assert_int_equal(commit_offset(bench, several_name(i), "t", 0, i), ERROR_NONE);
    }
    several_ask_all(bench, &once);
    bench->group_walk_per_turn = WALK_FEW;
    restart(bench);
    several_ask_all(bench, &parts);
    assert_int_equal(parts.count, once.count);
    for (uint32_t i = 0; i < once.count; i++) {
        assert_int_equal(parts.items[i].len, once.items[i].len);
        assert_memory_equal(parts.items[i].ptr, once.items[i].ptr, once.items[i].len);
        if (i <= 5) {
            list_expect(once.items[i], (int16_t)i);
        }
        free((void *)(uintptr_t)parts.items[i].ptr);
        free((void *)(uintptr_t)once.items[i].ptr);
    }
    assert_true(parts.turns > once.turns + once.count * 5);
    bench_free(bench);
}

static void what_is_being_run_ends_with_its_session(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    struct answers answers = {.count = 0};
    bench->group_walk_per_turn = 1;
    restart(bench);
    (void)describe_send(bench, 1000);
    (void)describe_send(bench, 1000);
    bench_turns(bench, 3);
    bench_stop_dataplane(bench);
    bench_turns(bench, 5);
    bench_start_dataplane(bench);
    bench_turns(bench, 100);
    several_ask_all(bench, &answers);
    for (uint32_t i = 0; i < answers.count; i++) {
        free((void *)(uintptr_t)answers.items[i].ptr);
    }
    (void)describe_send(bench, 1000);
    bench_turns(bench, 3);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_the_consumer_protocol_get_the_topics_there_are),
        cmocka_unit_test(groups_are_listed_described_and_deleted_wherever_they_lie),
        cmocka_unit_test(offsets_of_several_groups_come_in_one_answer_and_by_topic_id),
        cmocka_unit_test(a_request_about_no_group_is_answered_at_once),
        cmocka_unit_test(a_request_about_more_groups_than_memory_is_for_is_refused),
        cmocka_unit_test(a_long_answer_waits_while_others_are_not_read),
        cmocka_unit_test(without_the_topic_there_is_no_coordinator),
        cmocka_unit_test(a_body_that_cannot_be_read_is_refused),
        cmocka_unit_test(all_offsets_of_a_large_group_are_told_while_others_are_served),
        cmocka_unit_test(what_is_being_told_ends_with_its_coordinator_or_session),
        cmocka_unit_test(offsets_of_a_deleted_topic_go_while_others_are_served),
        cmocka_unit_test(many_groups_are_told_in_parts_as_they_are_told_at_once),
        cmocka_unit_test(what_is_being_run_ends_with_its_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
