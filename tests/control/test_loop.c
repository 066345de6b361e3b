#include "tests/control/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/mail/ring.h"

static int bench_up(void **state)
{
    *state = bench_new(1, NULL);
    return 0;
}

static void it_is_ready_once_the_first_snapshot_is_applied(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(control_phase(bench->control), CONTROL_READY);
    assert_string_equal(control_reason(bench->control), "");
    assert_non_null(bench->snapshot);
    assert_int_equal(bench->snapshot->metadata_version, 25);
    assert_true(bytes_equal(bench->snapshot->cluster_id, bytes_of_string("cluster")));
    assert_int_equal(bench->snapshot->broker.port, 9092);
    assert_int_equal(bench->snapshot->broker.host.len, 0);
    assert_int_equal(bench->snapshot->settings.request_bytes_max, 104857600);
}

static void a_topic_is_answered_only_when_every_core_has_it(void **state)
{
    struct bench *bench = *state;
    bench->holds_snapshots = true;
    uint8_t buffer[256];
    const struct bytes body = bench_create_body("held", 3, buffer, sizeof(buffer));
    const uint64_t number = bench_send(bench, API_CREATE_TOPICS, 7, body);
    bench_turns(bench, 20);
    assert_true(bench->held);
    assert_int_not_equal(bench->reply_number, number);
    assert_int_equal(bench->snapshot->topics[0].partition_count, 3);
    assert_false(bench->snapshot->topics[0].partitions[0].exists);
    /* Until the dataplane has made the files, no record says where they are. */
    assert_true(uuid_is_zero(bench_topic(bench, "held")->partitions[0].directory));
    bench_apply(bench);
    bench_turns(bench, 3);
    assert_false(uuid_is_zero(bench_topic(bench, "held")->partitions[2].directory));
    /* Until every core knows that it is recorded, none takes what a client sends. */
    assert_true(bench->held);
    assert_true(bench->snapshot->topics[0].partitions[2].exists);
    assert_int_not_equal(bench->reply_number, number);
    bench_apply(bench);
    bench_turns(bench, 3);
    assert_int_equal(bench->reply_number, number);
}

static void topics_come_back_after_control_was_killed(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(bench_create_topic(bench, "a", 3), ERROR_NONE);
    assert_int_equal(bench_create_topic(bench, "b", 1), ERROR_NONE);
    assert_int_equal(bench_delete_topic(bench, "b"), ERROR_NONE);
    assert_int_equal(bench_set_config(bench, RESOURCE_TOPIC, "a", "retention.ms", "1000"),
                     ERROR_NONE);
    const struct uuid id = bench_topic(bench, "a")->id;
    bench_stop_control(bench);
    bench_turns(bench, 3);
    bench_start_control(bench);
    bench_turns(bench, 30);
    assert_int_equal(control_phase(bench->control), CONTROL_READY);
    const struct image_topic *topic = bench_topic(bench, "a");
    assert_non_null(topic);
    assert_true(uuid_equal(topic->id, id));
    assert_null(bench_topic(bench, "b"));
    assert_int_equal(bench->snapshot->topics[0].config.retention_ms, 1000);
    assert_true(bench->snapshot->topics[0].partitions[0].exists);
    assert_int_equal(bench->snapshot->topics[0].partitions[0].leader_epoch, 0);
}

static void requests_of_a_lost_session_are_dropped(void **state)
{
    struct bench *bench = *state;
    bench->holds_snapshots = true;
    uint8_t buffer[256];
    const struct bytes body = bench_create_body("lost", 1, buffer, sizeof(buffer));
    (void)bench_send(bench, API_CREATE_TOPICS, 7, body);
    bench_turns(bench, 5);
    bench_stop_dataplane(bench);
    bench_turns(bench, 5);
    struct control_status status;
    control_status_copy(bench->control, &status);
    assert_int_equal(status.counters.dropped, 1);
    assert_int_equal(status.phase, CONTROL_CONNECTING);
    /* The topic was durable: it comes into being with the next session. */
    bench->holds_snapshots = false;
    bench_start_dataplane(bench);
    bench_turns(bench, 40);
    assert_int_equal(control_phase(bench->control), CONTROL_READY);
    assert_int_equal(bench->snapshot->topic_count, 1);
    assert_false(uuid_is_zero(bench_topic(bench, "lost")->partitions[0].directory));
}

static void each_core_gets_two_blocks_of_producer_ids_ahead(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(bench->grants[0], 2);
    assert_int_equal(bench->grants[1], 2);
    const int64_t before = control_image(bench->control)->next_producer_id;
    assert_int_equal(before, 4000);
    bench_tell(bench, SLOW_PRODUCER_IDS_WANTED, (struct bytes){0});
    bench_turns(bench, 3);
    assert_int_equal(bench->grants[1], 3);
    assert_int_equal(bench->grant_first[1], before);
    /* Never again after a restart, whether they were used or not. */
    bench_stop_control(bench);
    bench_turns(bench, 2);
    bench_start_control(bench);
    bench_turns(bench, 30);
    assert_true(bench->grant_first[0] >= before + 1000);
    assert_true(bench->grant_first[1] >= before + 1000);
}

/* ---- Descriptions ---------------------------------------------------------------------------- */

enum { MANY = 10000, MANY_NAME_BYTES = 16, MANY_BODY_BYTES = 1 << 20 };

struct many {
    struct bench *bench;
    char names[MANY][MANY_NAME_BYTES];
    struct bytes texts[MANY];
    uint8_t body[MANY_BODY_BYTES];
    struct describe_configs_request_resource resources[MANY];
};

static int many_up(void **state)
{
    struct many *many = calloc(1, sizeof(*many));
    struct create_topics_request_topic *topics = calloc(MANY, sizeof(*topics));
    struct create_topics_request request = create_topics_request_default;
    struct writer writer;
    assert_true(many != NULL && topics != NULL);
    many->bench = bench_new(1, NULL);
    for (uint32_t i = 0; i < MANY; i++) {
        (void)snprintf(many->names[i], MANY_NAME_BYTES, "topic-%u", i);
        many->texts[i] = bytes_of_string(many->names[i]);
        topics[i] = create_topics_request_topic_default;
        topics[i].name = chain_of(&many->texts[i]);
        topics[i].num_partitions = 1;
        topics[i].replication_factor = 1;
        many->resources[i] = describe_configs_request_resource_default;
        many->resources[i].resource_type = RESOURCE_TOPIC;
        many->resources[i].resource_name = chain_of(&many->texts[i]);
        many->resources[i].configuration_keys.count = -1;
    }
    request.topics.items = topics;
    request.topics.count = MANY;
    writer_init(&writer, many->body, sizeof(many->body));
    assert_int_equal(create_topics_request_encode(&writer, 7, &request), CODEC_OK);
    free(topics);
    assert_true(bench_ask(many->bench, API_CREATE_TOPICS, 7,
                          (struct bytes){many->body, writer_used(&writer)}));
    assert_int_equal(many->bench->reply_error_count, 0);
    *state = many;
    return 0;
}

static int many_down(void **state)
{
    struct many *many = *state;
    bench_free(many->bench);
    free(many);
    return 0;
}

/* Sends a request for `count` descriptions with synonyms. Returns its number. */
static uint64_t many_send(struct many *many, int32_t count, bool documented)
{
    struct describe_configs_request request = describe_configs_request_default;
    struct writer writer;
    request.resources.items = many->resources;
    request.resources.count = count;
    request.include_synonyms = true;
    request.include_documentation = documented;
    writer_init(&writer, many->body, sizeof(many->body));
    assert_int_equal(describe_configs_request_encode(&writer, 4, &request), CODEC_OK);
    return bench_send(many->bench, API_DESCRIBE_CONFIGS, 4,
                      (struct bytes){many->body, writer_used(&writer)});
}

/* Turns until that answer is there, at most so often. Returns the turns. */
static uint32_t many_wait(struct many *many, uint64_t number, uint32_t turns_max)
{
    uint32_t turns = 0;
    for (; many->bench->reply_number != number; turns++) {
        assert_true(turns < turns_max);
        bench_turn(many->bench);
    }
    return turns;
}

static void ten_thousand_topics_are_described_in_one_answer(void **state)
{
    struct many *many = *state;
    const uint64_t number = many_send(many, MANY, false);
    assert_true(many_wait(many, number, 5000) > MANY / 200); /* In slices. */
    assert_int_equal(many->bench->reply_error, ERROR_NONE);
    assert_true(many->bench->reply_len > 16u << 20);
    const struct bytes reply = {many->bench->reply, many->bench->reply_len};
    struct describe_configs_response response;
    struct describe_configs_response_result result;
    struct reader reader;
    uint32_t key_count;
    (void)kafka_keys(KAFKA_TOPIC, &key_count);
    reader_init(&reader, chain_of(&reply));
    assert_int_equal(describe_configs_response_decode(&reader, 4, &response), CODEC_OK);
    assert_int_equal(reader_left(&reader), 0);
    assert_int_equal(response.results.count, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_true(describe_configs_response_result_array_next(&response.results, &result));
        assert_int_equal(result.error_code, ERROR_NONE);
        assert_true(chain_is(result.resource_name, many->names[i]));
        assert_int_equal(result.configs.count, key_count);
    }
}

static void a_long_description_holds_up_no_others(void **state)
{
    struct many *many = *state;
    const uint64_t first = many_send(many, MANY, false);
    const uint64_t second = many_send(many, MANY, false);
    bench_turns(many->bench, 3);
    assert_true(many_wait(many, many_send(many, 1, false), 10) <= 4);
    assert_int_equal(bench_create_topic(many->bench, "other", 1), ERROR_NONE);
    assert_true(many->bench->reply_number > second);
    (void)many_wait(many, first, 5000); /* One long answer at a time. */
    assert_true(many->bench->reply_len > 16u << 20);
    (void)many_wait(many, second, 5000);
    assert_true(many->bench->reply_len > 16u << 20);
}

static void long_descriptions_that_nobody_reads_keep_their_room_5_seconds(void **state)
{
    struct many *many = *state;
    struct bench *bench = many->bench;
    struct control_status status;
    uint64_t numbers[4];
    bench->asks_no_more = true;
    for (uint32_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        numbers[i] = many_send(many, MANY, false);
    }
    const uint32_t before = bench->replies;
    for (uint32_t turns = 0; bench->piece_number != numbers[ARRAY_SIZE(numbers) - 1]; turns++) {
        assert_true(turns < 60000);
        bench_turn(bench);
        /* Control's memory for them is bounded. */
        control_status_copy(bench->control, &status);
        assert_true(status.peer.long_bytes <= 128u << 20);
    }
    assert_int_equal(bench->replies, before);
}

static void their_documentation_fits_too(void **state)
{
    struct many *many = *state;
    (void)many_wait(many, many_send(many, MANY, true), 5000);
    assert_int_equal(many->bench->reply_error, ERROR_NONE);
    assert_true(many->bench->reply_len > 32u << 20);
}

static void an_unknown_topic_that_a_client_names_is_created(void **state)
{
    struct bench *bench = *state;
    bench_tell(bench, SLOW_CREATE_TOPIC, bytes_of_string("wanted"));
    bench_tell(bench, SLOW_CREATE_TOPIC, bytes_of_string("not/valid"));
    bench_tell(bench, SLOW_CREATE_TOPIC, bytes_of_string("__consumer_offsets"));
    bench_turns(bench, 5);
    assert_int_equal(bench->snapshot->topic_count, 1);
    assert_true(bytes_equal(bench->snapshot->topics[0].name, bytes_of_string("wanted")));
}

/* CreateTopics of one topic with two partitions; returns the request's number. */
static uint64_t create_send(struct bench *bench, const char *topic_name)
{
    uint8_t buffer[256];
    const struct bytes body = bench_create_body(topic_name, 2, buffer, sizeof(buffer));
    return bench_send(bench, API_CREATE_TOPICS, 7, body);
}

/* The only item of the last reply; its texts are views. */
static struct create_topics_response_topic created_item(const struct bench *bench,
                                                        struct bytes *reply)
{
    struct reader reader;
    struct create_topics_response response;
    struct create_topics_response_topic item;
    *reply = (struct bytes){bench->reply, bench->reply_len};
    reader_init(&reader, chain_of(reply));
    assert_int_equal(create_topics_response_decode(&reader, 7, &response), CODEC_OK);
    assert_true(create_topics_response_topic_array_next(&response.topics, &item));
    return item;
}

/* Applies the held snapshot but for the files of the first topic's second partition. */
static void files_fail(struct bench *bench)
{
    bench->failures[0] = (struct session_failure){.topic_id = bench->snapshot->topics[0].id,
                                                  .index = 1,
                                                  .status = LOG_NO_SPACE,
                                                  .directory = LOG_DIRECTORY_NONE};
    bench->failure_count = 1;
    bench_apply(bench);
    bench->failure_count = 0;
    bench->holds_snapshots = false;
}

static void files_that_cannot_be_made_fail_the_request_and_take_the_topic_back(void **state)
{
    struct bench *bench = *state;
    struct bytes reply;
    bench->holds_snapshots = true;
    const uint64_t number = create_send(bench, "full");
    bench_turns(bench, 5);
    files_fail(bench);
    bench_turns(bench, 10);
    assert_int_equal(bench->reply_number, number);
    const struct create_topics_response_topic item = created_item(bench, &reply);
    assert_int_equal(item.error_code, ERROR_KAFKA_STORAGE_ERROR);
    assert_true(chain_has(item.error_message, "no space"));
    assert_null(bench_topic(bench, "full"));
    assert_int_equal(bench->snapshot->topic_count, 0);
}

static void a_topic_in_the_making_is_not_said_to_exist_before_it_does(void **state)
{
    struct bench *bench = *state;
    struct bytes reply;
    for (uint32_t made = 0; made < 2; made++) {
        bench->holds_snapshots = true;
        const uint64_t first = create_send(bench, "twice");
        bench_turns(bench, 5);
        const uint64_t second = create_send(bench, "twice");
        bench_turns(bench, 5);
        assert_int_not_equal(bench->reply_number, first);
        assert_int_not_equal(bench->reply_number, second);
        if (made == 0) {
            files_fail(bench);
        } else {
            bench->holds_snapshots = false;
        }
        bench_turns(bench, 10);
        assert_int_equal(bench->reply_number, second);
        assert_int_equal(created_item(bench, &reply).error_code,
                         made == 0 ? ERROR_KAFKA_STORAGE_ERROR : ERROR_TOPIC_ALREADY_EXISTS);
        assert_int_equal(bench_topic(bench, "twice") == NULL, made == 0);
    }
}

static void a_commit_that_fails_leaves_the_answer_of_the_error_to_the_core(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(bench_create_topic(bench, "before", 1), ERROR_NONE);
    const struct sim_fault fault = {
        .operation = SIM_FLUSH, .error = EIO, .count = 1, .path = ".log"};
    sim_machine_add_fault(bench->machine, &fault);
    assert_int_equal(bench_create_topic(bench, "failed", 1), ERROR_KAFKA_STORAGE_ERROR);
    assert_null(bench_topic(bench, "failed"));
    assert_non_null(bench_topic(bench, "before"));
    assert_int_equal(bench->snapshot->topic_count, 1);
    /* It heals by itself, and what failed is not there after a restart either. */
    assert_int_equal(bench_create_topic(bench, "after", 1), ERROR_NONE);
    bench_stop_control(bench);
    bench_start_control(bench);
    bench_turns(bench, 30);
    assert_null(bench_topic(bench, "failed"));
    assert_non_null(bench_topic(bench, "after"));
    assert_int_equal(bench->snapshot->topic_count, 2);
}

static void a_full_disk_fails_changes_and_heals(void **state)
{
    struct bench *bench = *state;
    const struct sim_fault fault = {.operation = SIM_WRITE, .error = ENOSPC, .path = ".log"};
    sim_machine_add_fault(bench->machine, &fault);
    assert_int_equal(bench_create_topic(bench, "t", 1), ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(bench_create_topic(bench, "t", 1), ERROR_KAFKA_STORAGE_ERROR);
    sim_machine_clear_faults(bench->machine);
    assert_int_equal(bench_create_topic(bench, "t", 1), ERROR_NONE);
}

static void a_thousand_partitions_take_two_commits_and_two_snapshots(void **state)
{
    struct bench *bench = *state;
    struct control_status before;
    struct control_status after;
    control_status_copy(bench->control, &before);
    const uint32_t snapshots = bench->snapshots_seen;
    assert_int_equal(bench_create_topic(bench, "wide", 1000), ERROR_NONE);
    control_status_copy(bench->control, &after);
    assert_int_equal(after.commits - before.commits, 2);
    assert_int_equal(bench->snapshots_seen - snapshots, 2);
}

static void an_api_that_is_not_served_is_left_to_the_core(void **state)
{
    struct bench *bench = *state;
    assert_false(bench_ask(bench, API_PRODUCE, 9, (struct bytes){0}));
    assert_int_equal(bench->reply_error, ERROR_UNSUPPORTED_VERSION);
    assert_false(bench_ask(bench, API_CREATE_TOPICS, 7, bytes_of_string("nonsense")));
    assert_int_equal(bench->reply_error, ERROR_INVALID_REQUEST);
    struct control_status status;
    control_status_copy(bench->control, &status);
    assert_int_equal(status.counters.operations_failed, 1);
}

static void the_log_level_reaches_the_cores_and_ends_with_control(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(bench->snapshot->settings.log_level, JOURNAL_INFO);
    static const struct {
        const char *name;
        enum journal_level level;
    } rows[] = {{"TRACE", JOURNAL_DEBUG}, {"ERROR", JOURNAL_ERROR}, {"DEBUG", JOURNAL_DEBUG},
                {"INFO", JOURNAL_INFO},   {"FATAL", JOURNAL_ERROR}, {"WARN", JOURNAL_WARNING}};
    for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(bench_set_config(bench, RESOURCE_BROKER_LOGGER, "1", "root", rows[i].name),
                         ERROR_NONE);
        bench_turns(bench, 5);
        assert_int_equal(bench->snapshot->settings.log_level, rows[i].level);
    }
    bench_stop_control(bench);
    bench_turns(bench, 3);
    bench_start_control(bench);
    bench_turns(bench, 30);
    assert_int_equal(bench->snapshot->settings.log_level, JOURNAL_INFO);
}

/* As a wild write of the dataplane would leave them: each ring's counters, in both directions. */
static void rings_break(struct bench *bench, size_t at)
{
    const uint64_t size = session_memory_bytes(BENCH_CORES, 2 << 20, 256 << 10);
    uint32_t found = 0;
    for (int handle = 0; handle < 200; handle++) {
        uint8_t *mapped = link_memory_map(bench->dataplane_world, handle, size, true);
        if (mapped != NULL) {
            memset(mapped + at, 0xff, 8);
            link_memory_unmap(bench->dataplane_world, mapped, size);
            found++;
        }
    }
    assert_true(found > 0);
}

static void a_malformed_ring_costs_a_session_and_nothing_else(void **state)
{
    struct bench *bench = *state;
    const uint64_t rings[] = {session_ring_to_control_at(0, 2 << 20, 256 << 10),
                              session_ring_to_core_at(0, 2 << 20, 256 << 10)};
    for (uint32_t ring = 0; ring < ARRAY_SIZE(rings); ring++) {
        for (uint32_t line = 0; line < 2; line++) {
            char name[16];
            (void)snprintf(name, sizeof(name), "t-%u-%u", ring, line);
            assert_int_equal(bench_create_topic(bench, name, 1), ERROR_NONE);
            rings_break(bench, rings[ring] + line * RING_LINE_BYTES);
            bench_turns(bench, 60);
            assert_int_equal(control_phase(bench->control), CONTROL_READY);
        }
    }
    assert_int_equal(bench_create_topic(bench, "after", 1), ERROR_NONE);
    assert_int_equal(control_image(bench->control)->topic_count, 5);
}

/* One ask for memory refused, whichever: the request is taken in later, and answered as ever. */
static void without_memory_requests_wait_and_nothing_is_lost(void **state)
{
    struct bench *bench = *state;
    for (uint32_t n = 0; n < 24; n++) {
        char name[16];
        uint8_t buffer[256];
        (void)snprintf(name, sizeof(name), "t%u", n);
        struct control_status before;
        struct control_status after;
        control_status_copy(bench->control, &before);
        bench->room_asked = 0;
        bench->room_refused_from = n;
        bench->room_refused_to = n + 1;
        const uint64_t number = bench_send(bench, API_CREATE_TOPICS, 7,
                                           bench_create_body(name, 2, buffer, sizeof(buffer)));
        for (uint32_t turn = 0; bench->reply_number != number || bench->room_asked <= n; turn++) {
            bench_turn(bench);
            assert_true(turn < 5000);
        }
        assert_int_equal(bench->reply_error, ERROR_NONE);
        assert_non_null(bench_topic(bench, name));
        control_status_copy(bench->control, &after);
        assert_int_equal(after.counters.memory_short - before.counters.memory_short, 1);
        bench_turns(bench, 600);
    }
    /* While it is short, control sleeps until it looks again. */
    bench->room_refused_from = 0;
    bench->room_refused_to = UINT32_MAX;
    bench_tell(bench, SLOW_CREATE_TOPIC, bytes_of_string("later"));
    assert_int_equal(control_turn(bench->control, ++bench->now_ns, bench->wall_ms), 0);
    int handles[PEER_HANDLES];
    control_handles(bench->control, handles);
    assert_int_equal(handles[PEER_HANDLE_LINK], LINK_NO_HANDLE);
    assert_true(control_sleep(bench->control));
    assert_true(control_deadline_ns(bench->control) > bench->now_ns);
    bench->room_refused_to = 0;
    bench_turns(bench, 600);
    assert_non_null(bench_topic(bench, "later"));
}

static void nothing_to_do_means_no_deadline(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(control_turn(bench->control, bench->now_ns, bench->wall_ms), 0);
    assert_true(control_deadline_ns(bench->control) == UINT64_MAX);
    assert_true(control_sleep(bench->control));
    bench_tell(bench, SLOW_CREATE_TOPIC, bytes_of_string("x"));
    control_wake(bench->control, UINT32_MAX);
    assert_false(control_sleep(bench->control));
}

#define MANY_TEST(name) cmocka_unit_test_setup_teardown(name, many_up, many_down)
#define TEST(name)      cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_ready_once_the_first_snapshot_is_applied),
        TEST(a_topic_is_answered_only_when_every_core_has_it),
        TEST(topics_come_back_after_control_was_killed),
        TEST(requests_of_a_lost_session_are_dropped),
        TEST(each_core_gets_two_blocks_of_producer_ids_ahead),
        TEST(an_unknown_topic_that_a_client_names_is_created),
        TEST(files_that_cannot_be_made_fail_the_request_and_take_the_topic_back),
        TEST(a_topic_in_the_making_is_not_said_to_exist_before_it_does),
        TEST(a_commit_that_fails_leaves_the_answer_of_the_error_to_the_core),
        TEST(a_full_disk_fails_changes_and_heals),
        TEST(a_thousand_partitions_take_two_commits_and_two_snapshots),
        TEST(an_api_that_is_not_served_is_left_to_the_core),
        MANY_TEST(ten_thousand_topics_are_described_in_one_answer),
        MANY_TEST(a_long_description_holds_up_no_others),
        MANY_TEST(long_descriptions_that_nobody_reads_keep_their_room_5_seconds),
        MANY_TEST(their_documentation_fits_too),
        TEST(the_log_level_reaches_the_cores_and_ends_with_control),
        TEST(a_malformed_ring_costs_a_session_and_nothing_else),
        TEST(without_memory_requests_wait_and_nothing_is_lost),
        TEST(nothing_to_do_means_no_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
