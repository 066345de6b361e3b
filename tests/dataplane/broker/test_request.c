#include "tests/dataplane/broker/rig.h"

#include "dataplane/broker/dispatch.h"

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

static void who_does_not_read_ends_soon_where_others_wait(void **state)
{
    (void)state;
    enum { DEAF = 40, SECONDS_MAX = SEND_STALL_WAITED_MS_MAX / 1000 + 2 };
    struct rig *rig = rig_of_long_answers(4, little_output);
    struct client *deaf[DEAF];
    struct metadata_request all = metadata_request_default;
    struct metadata_response response;
    all.topics.count = -1;
    for (uint32_t i = 0; i < DEAF; i++) {
        deaf[i] = deaf_client(rig, &all, 1);
    }
    struct client *client = client_connect(rig, 0);
    SEND(client, METADATA, metadata, 9, &all);
    for (uint32_t i = 0; i < 10; i++) { /* While they read, be it slowly, they stay. */
        rig_run_ms(rig, SEND_STALL_WAITED_MS_MAX - 1000);
        assert_int_equal(rig->cores[0].statistics.counters.connections_stall_closed, 0);
        for (uint32_t at = 0; at < DEAF; at++) {
            sim_peer_take(deaf[at]->peer, 1);
        }
    }
    assert_false(client_answered(client));
    for (uint32_t seconds = 0; seconds < SECONDS_MAX && !client_answered(client); seconds++) {
        assert_int_equal(rig->cores[0].statistics.counters.connections_stall_closed, 0);
        rig_run_ms(rig, 1000);
    }
    RECEIVE(client, METADATA, metadata, 9, &response);
    assert_true(rig->cores[0].statistics.counters.connections_stall_closed > 0);
    for (uint32_t i = 0; i < DEAF; i++) {
        client_free(deaf[i]);
    }
    client_free(client);
    rig_destroy(rig);
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
        rig_run_ms(rig, 1);
        for (uint32_t stage = 0; stage < STAGE_COUNT; stage++) {
            assert_int_equal(statistics->stages[stage].count, i);
        }
        assert_int_equal(statistics->produce_ns.count, i);
    }
    assert_true(statistics->stages[STAGE_DURABLE].sum > 0);
    /* Each came in one piece: the pauses between them are nobody's. */
    assert_int_equal(statistics->stages[STAGE_RECEIVE].sum, 0);
    /* What is no produce is received, parsed and answered, too. */
    struct metadata_request all = metadata_request_default;
    struct metadata_response response;
    all.topics.count = -1;
    CALL(client, METADATA, metadata, 9, &all, &response);
    rig_run_ms(rig, 1);
    assert_int_equal(statistics->stages[STAGE_RECEIVE].count, 6);
    assert_int_equal(statistics->stages[STAGE_PARSE].count, 6);
    assert_int_equal(statistics->stages[STAGE_RESPOND].count, 6);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_wait_for_output_memory_and_come_all),
        cmocka_unit_test(who_does_not_read_leaves_output_memory_to_others),
        cmocka_unit_test(who_does_not_read_ends_soon_where_others_wait),
        cmocka_unit_test(an_answer_too_large_to_build_closes_only_its_connection),
        cmocka_unit_test(every_stage_of_a_produce_is_measured),
        cmocka_unit_test(answers_with_errors_are_counted_by_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
