#include "tests/dataplane/broker/rig.h"

#include "dataplane/broker/dispatch.h"

enum { DEAF_COUNT = 40 };

static void little_output(struct broker_limits *limits)
{
    limits->output_bytes = 64 << 10;
}

static struct rig *rig_of_long_answers(uint64_t seed, void (*limit)(struct broker_limits *limits))
{
    struct rig *rig = rig_create(&(struct rig_options){.seed = seed, .limit = limit});
    rig_topic(rig, "orders", 40);
    rig_topic(rig, "others", 40);
    rig_publish(rig);
    return rig;
}

/* Sends so many of the question, and reads no answer. */
static struct client *deaf_client(struct rig *rig, const struct metadata_request *all,
                                  uint32_t count)
{
    struct client *client = client_connect(rig, 0);
    rig_turn(rig);
    sim_peer_stall(client->peer, true);
    for (uint32_t sent = 0; sent < count; sent++) {
        SEND(client, METADATA, metadata, 9, all);
    }
    return client;
}

static void answers_wait_for_output_memory_and_come_all(void **state)
{
    (void)state;
    enum { CLIENTS = 40, EACH = 5 };
    struct rig *rig = rig_of_long_answers(2, little_output);
    struct client *clients[CLIENTS];
    struct metadata_request all = metadata_request_default;
    all.topics.count = -1;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = deaf_client(rig, &all, EACH);
    }
    rig_run_ms(rig, 5);
    const uint64_t *waited = &rig->cores[0].statistics.counters.output_waited;
    const uint64_t before = *waited;
    assert_true(before > 0);
    rig_run_ms(rig, 100);
    assert_int_equal(*waited, before); /* Nothing came free: nothing was built for nothing. */
    for (uint32_t i = 0; i < CLIENTS; i++) {
        sim_peer_stall(clients[i]->peer, false);
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        for (int32_t got = 1; got <= EACH; got++) {
            struct metadata_response response;
            RECEIVE(clients[i], METADATA, metadata, 9, &response);
            assert_int_equal(response.topics.count, 2);
            assert_int_equal(clients[i]->received, got);
        }
        client_free(clients[i]);
    }
    rig_destroy(rig);
}

static void some_output(struct broker_limits *limits)
{
    limits->output_bytes = 256 << 10;
}

static void who_does_not_read_leaves_output_memory_to_others(void **state)
{
    (void)state;
    enum { DEAF = 12, EACH = 60 };
    struct rig *rig = rig_of_long_answers(3, some_output);
    struct client *deaf[DEAF];
    struct metadata_request all = metadata_request_default;
    struct metadata_response response;
    all.topics.count = -1;
    for (uint32_t i = 0; i < DEAF; i++) {
        deaf[i] = deaf_client(rig, &all, EACH);
    }
    rig_run_ms(rig, 50);
    struct client *client = client_connect(rig, 0);
    const uint64_t before_ms = rig_now_ms(rig);
    CALL(client, METADATA, metadata, 9, &all, &response);
    assert_true(rig_now_ms(rig) - before_ms < 100);
    for (uint32_t i = 0; i < DEAF; i++) {
        sim_peer_stall(deaf[i]->peer, false);
        for (uint32_t got = 0; got < EACH; got++) {
            RECEIVE(deaf[i], METADATA, metadata, 9, &response);
        }
        client_free(deaf[i]);
    }
    client_free(client);
    rig_destroy(rig);
}

/* Clients that have output memory and read next to nothing, and one that waits for it. */
struct crowd {
    struct rig *rig;
    struct client *deaf[DEAF_COUNT];
    struct client *waits;
};

static struct crowd crowd_make(uint64_t seed)
{
    struct crowd crowd = {.rig = rig_of_long_answers(seed, little_output)};
    struct metadata_request all = metadata_request_default;
    all.topics.count = -1;
    for (uint32_t i = 0; i < DEAF_COUNT; i++) {
        crowd.deaf[i] = deaf_client(crowd.rig, &all, 1);
    }
    crowd.waits = client_connect(crowd.rig, 0);
    SEND(crowd.waits, METADATA, metadata, 9, &all);
    return crowd;
}

static void crowd_free(struct crowd *crowd)
{
    for (uint32_t i = 0; i < DEAF_COUNT; i++) {
        client_free(crowd->deaf[i]);
    }
    client_free(crowd->waits);
}

static void who_reads_next_to_nothing_ends_soon_where_others_wait(void **state)
{
    (void)state;
    struct crowd crowd = crowd_make(4);
    const uint64_t *closed = &crowd.rig->cores[0].statistics.counters.connections_stall_closed;
    struct metadata_response response;
    for (uint32_t ms = 0; ms < SEND_STALL_WAITED_MS_MAX - 500; ms += 500) {
        assert_int_equal(*closed, 0);
        assert_false(client_answered(crowd.waits));
        rig_run_ms(crowd.rig, 500);
        for (uint32_t at = 0; at < DEAF_COUNT; at++) {
            sim_peer_take(crowd.deaf[at]->peer, 1);
        }
    }
    rig_run_ms(crowd.rig, 2500);
    RECEIVE(crowd.waits, METADATA, metadata, 9, &response);
    assert_true(*closed > 0);
    crowd_free(&crowd);
    rig_destroy(crowd.rig);
}

/* clang-format off */
static const struct { const char *what; uint32_t bytes_each_second; bool stays; } paces[] = {
    {"somewhat faster than it must", SEND_RATE_BYTES_MIN * 5 / 4, true},
    {"too slow",                     SEND_RATE_BYTES_MIN / 2,     false},
};
/* clang-format on */

static void who_reads_at_a_pace_stays_where_others_wait(void **state)
{
    (void)state;
    static uint8_t buffer[600 << 10];
    for (uint32_t i = 0; i < ARRAY_SIZE(paces); i++) {
        struct crowd crowd = crowd_make(10 + i);
        struct client *reader = client_connect(crowd.rig, 0);
        const struct bytes batch = batch_make(
            crowd.rig, &(struct batch_spec){.value_bytes = 500 << 10}, buffer, sizeof(buffer));
        assert_int_equal(client_produce(reader, 9, "orders", 0, 1, batch).error, ERROR_NONE);
        sim_peer_stall(reader->peer, true);
        client_send_fetch(reader, &(struct fetch_spec){.version = 11, .topic = "orders"});
        for (uint32_t seconds = 0; seconds < SEND_STALL_WAITED_MS_MAX / 1000 + 3; seconds++) {
            rig_run_ms(crowd.rig, 1000);
            sim_peer_take(reader->peer, paces[i].bytes_each_second);
        }
        if (sim_peer_closed(reader->peer) == paces[i].stays) {
            fail_msg("%s", paces[i].what);
        }
        client_free(reader);
        crowd_free(&crowd);
        rig_destroy(crowd.rig);
    }
}

static void little_response(struct broker_limits *limits)
{
    limits->response_bytes = 2000;
}

static void an_answer_too_large_to_build_closes_only_its_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 2, .limit = little_response});
    rig_topic(rig, "orders", 40);
    rig_topic(rig, "others", 40);
    rig_publish(rig);
    struct client *asks = client_connect(rig, 0);
    struct client *other = client_connect(rig, 0);
    struct metadata_request all = metadata_request_default;
    all.topics.count = -1;
    SEND(asks, METADATA, metadata, 9, &all);
    client_expect_closed(asks);
    assert_int_equal(rig->cores[0].statistics.counters.responses_too_large, 1);
    assert_int_equal(client_put_record(other, "orders", 0, 1), 0);
    client_free(asks);
    client_free(other);
    rig_destroy(rig);
}

static uint64_t errors_of(const struct rig *rig, int16_t key)
{
    return rig->cores[0].statistics.errors_by_api[dispatch_index(dispatch_find(key))];
}

static void every_stage_of_a_produce_is_measured(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    const struct broker_statistics *statistics = &rig->cores[0].statistics;
    for (uint64_t i = 1; i <= 5; i++) {
        (void)client_put_record(client, "orders", 0, 1);
        rig_run_ms(rig, TIMES_RECORD_MS);
        for (uint32_t stage = 0; stage < STAGE_COUNT; stage++) {
            assert_int_equal(statistics->stages[stage].count, stage == STAGE_PARSE ? 0 : i);
        }
        assert_int_equal(statistics->produce_ns.count, i);
    }
    assert_true(statistics->stages[STAGE_DURABLE].sum > 0);
    /* Each came in one piece: the pauses between them are nobody's. */
    assert_int_equal(statistics->stages[STAGE_RECEIVE].sum, 0);
    /* What is no produce is received and answered, too. */
    struct metadata_request all = metadata_request_default;
    struct metadata_response response;
    all.topics.count = -1;
    CALL(client, METADATA, metadata, 9, &all, &response);
    rig_run_ms(rig, TIMES_RECORD_MS);
    assert_int_equal(statistics->stages[STAGE_RECEIVE].count, 6);
    assert_int_equal(statistics->stages[STAGE_RESPOND].count, 6);
    client_free(client);
    rig_destroy(rig);
}

enum { STEP_NS = 1000 };

/* As if each frame took a step to parse. */
static uint64_t clock_of_steps(void)
{
    static uint64_t steps;
    return ++steps * STEP_NS;
}

static void one_in_so_many_runs_of_a_connection_is_measured_for_parsing(void **state)
{
    enum { RUNS = 10 * PARSE_RUNS };
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.cores = 1, .clock_ns = clock_of_steps});
    rig_topic(rig, "orders", 1);
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    const struct histogram *parse = &rig->cores[0].statistics.stages[STAGE_PARSE];
    (void)client_put_record(client, "orders", 0, 1);
    rig_run_ms(rig, TIMES_RECORD_MS);
    assert_int_equal(parse->count, 1); /* The first one is. */
    for (uint32_t i = 1; i < RUNS; i++) {
        (void)client_put_record(client, "orders", 0, 1);
    }
    rig_run_ms(rig, TIMES_RECORD_MS);
    assert_in_range(parse->count, RUNS / PARSE_RUNS, 2 * RUNS / PARSE_RUNS);
    assert_int_equal(parse->sum, parse->count * STEP_NS);
    client_free(client);
    rig_destroy(rig);
}

static void answers_with_errors_are_counted_by_api(void **state)
{
    (void)state;
    static uint8_t buffer[4096];
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    const struct fetch_spec good = {.version = 12, .topic = "orders", .session_epoch = SESSIONLESS};
    const struct fetch_spec bad = {
        .version = 12, .topic = "orders", .offset = 7, .session_epoch = SESSIONLESS};
    (void)client_put_record(client, "orders", 0, 1);
    (void)client_fetch(client, &good);
    for (int16_t key = API_PRODUCE; key <= API_FETCH; key++) {
        assert_int_equal(errors_of(rig, key), 0);
    }
    (void)client_fetch(client, &bad);
    assert_int_equal(errors_of(rig, API_FETCH), 1);
    assert_int_equal(rig->cores[0].statistics.counters.fetch_errors, 1);
    const struct bytes batch = batch_make(rig, &(struct batch_spec){0}, buffer, sizeof(buffer));
    (void)client_produce(client, 9, "nowhere", 0, 1, batch);
    assert_int_equal(errors_of(rig, API_PRODUCE), 1);
    client_send_produce(client, 9, "nowhere", 0, 0, batch); /* Never answered, but counted. */
    client_expect_closed(client);
    assert_int_equal(errors_of(rig, API_PRODUCE), 2);
    client_free(client);
    rig_destroy(rig);
}

/* ---- Answers that lie behind one another ---- */

enum { LINED_UP = 120 };

/* Versions and names whose answers are of all lengths, errors, and such that get none. */
static struct lined_up {
    int16_t version;
    int16_t acks;
    const char *topic;
    int32_t partition;
    int16_t error;
} line_of(uint32_t i)
{
    static const char *const topics[] = {
        "t", "orders",
        "a-topic-whose-name-is-as-long-as-those-that-some-teams-like-to-give-"
        "theirs-so-that-everybody-knows-what-is-in-it",
        "nowhere"};
    static const int16_t versions[] = {9, 10, 12, 3, 11, 13, 8};
    struct lined_up line = {.version = versions[i % ARRAY_SIZE(versions)],
                            .acks = i % 11 == 7 ? 0 : 1,
                            .topic = topics[i % 17 == 3 ? 3 : i / 3 % 3],
                            .partition = (int32_t)(i % 5)};
    if (i % 17 == 3) {
        line.acks = 1;
        line.error = line.version < 13 ? ERROR_UNKNOWN_TOPIC_OR_PARTITION : ERROR_UNKNOWN_TOPIC_ID;
    }
    return line;
}

static void line_up(struct client *client, struct bytes batch, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        const struct lined_up line = line_of(i);
        client_send_produce(client, line.version, line.topic, line.partition, line.acks, batch);
    }
}

/* While the peer reads nothing sends find no room, and what was built for one waits for the next.
 */
static void answers_of_one_turn_are_whole_and_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct rig *rig = rig_create(&(struct rig_options){.seed = seed});
        for (uint32_t i = 0; i < 9; i += 3) {
            rig_topic(rig, line_of(i + (i == 3)).topic, 5);
        }
        rig_publish(rig);
        uint8_t buffer[512];
        const struct bytes batch = batch_make(rig, &(struct batch_spec){0}, buffer, sizeof(buffer));
        struct client *client = client_connect(rig, 0);
        line_up(client, batch, 0, LINED_UP / 3);
        rig_run_ms(rig, 5);
        sim_peer_stall(client->peer, true);
        for (uint32_t i = LINED_UP / 3; i < LINED_UP; i++) {
            line_up(client, batch, i, i + 1);
            if (i % (seed + 2) == 0) {
                rig_run_ms(rig, 2);
            }
        }
        rig_run_ms(rig, 20);
        sim_peer_stall(client->peer, false);
        int64_t ends[3][5] = {{0}};
        uint32_t answered = 0;
        for (uint32_t i = 0; i < LINED_UP; i++) {
            const struct lined_up line = line_of(i);
            int64_t *end = &ends[i / 3 % 3][line.partition];
            if (line.acks != 0) {
                const struct produced produced = client_receive_produced(client, line.version);
                assert_int_equal(produced.error, line.error);
                assert_int_equal(produced.base_offset, line.error == ERROR_NONE ? *end : -1);
                answered++;
            }
            *end += line.error == ERROR_NONE;
        }
        rig_run_ms(rig, TIMES_RECORD_MS);
        const struct broker_statistics *statistics = &rig->cores[0].statistics;
        assert_int_equal(statistics->counters.responses, answered);
        assert_int_equal(statistics->counters.requests_now, 0);
        assert_int_equal(statistics->produce_ns.count, answered);
        assert_int_equal(statistics->stages[STAGE_RESPOND].count, answered);
        client_free(client);
        rig_destroy(rig);
    }
}

/* What lies behind another answer needs no request any more, while both wait for the peer. */
static void an_answer_behind_another_holds_no_request(void **state)
{
    (void)state;
    enum { ASKED = 30 };
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    const struct broker_counters *counters = &rig->cores[0].statistics.counters;
    uint8_t buffer[512];
    const struct bytes batch = batch_make(rig, &(struct batch_spec){0}, buffer, sizeof(buffer));
    rig_run_ms(rig, 1);
    sim_peer_stall(client->peer, true);
    for (uint32_t i = 0; i < ASKED; i++) {
        client_send_produce(client, 9, "orders", 0, 1, batch);
    }
    rig_run_ms(rig, 20);
    assert_int_equal(counters->responses, ASKED);
    assert_in_range(counters->requests_now, 1, ASKED / 3);
    sim_peer_stall(client->peer, false);
    for (uint32_t i = 0; i < ASKED; i++) {
        assert_int_equal(client_receive_produced(client, 9).base_offset, i);
    }
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_one_turn_are_whole_and_in_order),
        cmocka_unit_test(an_answer_behind_another_holds_no_request),
        cmocka_unit_test(answers_wait_for_output_memory_and_come_all),
        cmocka_unit_test(who_does_not_read_leaves_output_memory_to_others),
        cmocka_unit_test(who_reads_next_to_nothing_ends_soon_where_others_wait),
        cmocka_unit_test(who_reads_at_a_pace_stays_where_others_wait),
        cmocka_unit_test(an_answer_too_large_to_build_closes_only_its_connection),
        cmocka_unit_test(every_stage_of_a_produce_is_measured),
        cmocka_unit_test(one_in_so_many_runs_of_a_connection_is_measured_for_parsing),
        cmocka_unit_test(answers_with_errors_are_counted_by_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
