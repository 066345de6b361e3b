#include "tests/dataplane/broker/rig.h"

#include "dataplane/broker/dispatch.h"

static uint8_t payload[1 << 20];

static void ask(struct client *client)
{
    struct list_config_resources_request request = list_config_resources_request_default;
    SEND(client, LIST_CONFIG_RESOURCES, list_config_resources, 1, &request);
}

static int16_t answer_error(struct client *client)
{
    struct list_config_resources_response response;
    RECEIVE(client, LIST_CONFIG_RESOURCES, list_config_resources, 1, &response);
    return response.error_code;
}

/* The next request that control gets; wishes for producer ids are served by the rig. */
static struct slow_header next_request(struct rig *rig, uint32_t *len)
{
    struct slow_header header;
    rig_control_wait(rig, 0, &header, payload, sizeof(payload), len);
    assert_int_equal(header.kind, SLOW_REQUEST);
    return header;
}

static void reply(struct rig *rig, struct slow_header header, int16_t error)
{
    struct list_config_resources_response response = list_config_resources_response_default;
    uint8_t body[64];
    struct writer writer;
    response.error_code = error;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(list_config_resources_response_encode(&writer, 1, &response), CODEC_OK);
    header.kind = SLOW_REPLY;
    header.error_count = writer.errors;
    rig_control_answer(rig, 0, &header, (struct bytes){body, writer_used(&writer)});
}

static struct rig *rig_ready(void)
{
    struct rig *rig = rig_with_topic(1, "t", 1);
    rig_run_ms(rig, 1);
    return rig;
}

static void a_request_goes_to_control_with_who_asks_and_comes_back(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    uint32_t len;
    ask(client);
    const struct slow_header header = next_request(rig, &len);
    assert_int_equal(header.api_key, API_LIST_CONFIG_RESOURCES);
    assert_int_equal(header.api_version, 1);
    assert_int_equal(header.peer.port, 40000);
    assert_int_equal(header.principal_len, 14);
    assert_memory_equal(header.principal, "User:ANONYMOUS", 14);
    assert_memory_equal(header.client_id, "tester", header.client_id_len);
    reply(rig, header, ERROR_NONE);
    assert_int_equal(answer_error(client), ERROR_NONE);
    assert_int_equal(client->received, 1);
    client_free(client);
    rig_destroy(rig);
}

static uint64_t errors_counted(const struct rig *rig, int16_t key)
{
    return rig->cores[0].statistics.errors_by_api[dispatch_index(dispatch_find(key))];
}

static void errors_in_controls_answers_are_counted_too(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    uint32_t len;
    for (uint32_t i = 0; i < 2; i++) {
        ask(client);
        reply(rig, next_request(rig, &len), i == 0 ? ERROR_NONE : ERROR_INVALID_REQUEST);
        (void)answer_error(client);
        assert_int_equal(errors_counted(rig, API_LIST_CONFIG_RESOURCES), i);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H20_control_away_is_answered_at_once(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    rig_control_go(rig);
    const uint64_t since_ms = rig_now_ms(rig);
    ask(client);
    assert_int_equal(answer_error(client), ERROR_REQUEST_TIMED_OUT);
    assert_true(rig_now_ms(rig) - since_ms < 5);
    assert_int_equal(client_put_record(client, "t", 0, 1), 0); /* FAST goes on. */
    client_free(client);
    rig_destroy(rig);
}

static void H20_control_late_is_answered_after_30_seconds_and_never_asked_again(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    uint32_t len;
    ask(client);
    const struct slow_header header = next_request(rig, &len);
    rig_run_ms(rig, 29000);
    assert_false(client_answered(client));
    rig_run_ms(rig, 1500);
    assert_int_equal(answer_error(client), ERROR_REQUEST_TIMED_OUT);
    reply(rig, header, ERROR_NONE); /* Too late: nobody waits. */
    client_expect_silence(client, 5);
    assert_int_equal(rig->cores[0].statistics.counters.slow_stale, 1);
    client_free(client);
    rig_destroy(rig);
}

static void H21_a_connection_has_one_request_at_control_at_a_time(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *greedy = client_connect(rig, 0);
    struct client *other = client_connect(rig, 0);
    struct slow_header header;
    uint32_t len;
    for (uint32_t i = 0; i < 50; i++) {
        ask(greedy);
    }
    const struct slow_header first = next_request(rig, &len);
    rig_run_ms(rig, 100);
    ask(other);
    const struct slow_header second = next_request(rig, &len);
    assert_int_not_equal(second.connection.slot, first.connection.slot);
    rig_run_ms(rig, 100);
    assert_false(rig_control_next(rig, 0, &header, payload, sizeof(payload), &len));
    reply(rig, first, ERROR_NONE);
    assert_int_equal(answer_error(greedy), ERROR_NONE);
    const struct slow_header third = next_request(rig, &len);
    assert_int_equal(third.connection.slot, first.connection.slot);
    client_free(greedy);
    client_free(other);
    rig_destroy(rig);
}

static void H17_a_new_session_ends_what_the_old_one_took(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    uint32_t len;
    ask(client);
    (void)next_request(rig, &len);
    rig_control_go(rig);
    assert_int_equal(answer_error(client), ERROR_REQUEST_TIMED_OUT);
    rig_control_come(rig);
    rig_run_ms(rig, 2);
    ask(client);
    reply(rig, next_request(rig, &len), ERROR_NONE);
    assert_int_equal(answer_error(client), ERROR_NONE);
    client_free(client);
    rig_destroy(rig);
}

static void H19_an_answer_for_a_connection_that_is_gone_finds_nobody(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *first = client_connect(rig, 0);
    uint32_t len;
    ask(first);
    const struct slow_header header = next_request(rig, &len);
    client_free(first);
    struct client *second = client_connect(rig, 0); /* In the same slot. */
    ask(second);
    const struct slow_header other = next_request(rig, &len);
    assert_int_equal(other.connection.slot, header.connection.slot);
    reply(rig, header, ERROR_INVALID_REQUEST);
    client_expect_silence(second, 5);
    reply(rig, other, ERROR_NONE);
    assert_int_equal(answer_error(second), ERROR_NONE);
    client_free(second);
    rig_destroy(rig);
}

static void control_may_leave_the_error_to_the_core(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    uint32_t len;
    ask(client);
    struct slow_header header = next_request(rig, &len);
    header.kind = SLOW_ERROR;
    header.error_code = ERROR_KAFKA_STORAGE_ERROR;
    rig_control_answer(rig, 0, &header, (struct bytes){0});
    assert_int_equal(answer_error(client), ERROR_KAFKA_STORAGE_ERROR);
    client_free(client);
    rig_destroy(rig);
}

static void B7_slow_and_fast_answers_keep_their_order(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    const struct api_versions_request versions = api_versions_request_default;
    struct api_versions_response response;
    uint32_t len;
    ask(client);
    SEND(client, API_VERSIONS, api_versions, 0, &versions);
    const struct slow_header header = next_request(rig, &len);
    client_expect_silence(client, 5);
    reply(rig, header, ERROR_NONE);
    assert_int_equal(answer_error(client), ERROR_NONE);
    RECEIVE(client, API_VERSIONS, api_versions, 0, &response);
    assert_int_equal(client->received, 2);
    client_free(client);
    rig_destroy(rig);
}

/* ---- Output memory -------------------------------------------------------------------------- */

enum { LONG_BYTES = 20000 };

static void little_output(struct broker_limits *limits)
{
    limits->output_bytes = 64 << 10;
}

static struct rig *rig_of_little_output(void)
{
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1, .limit = little_output});
    rig_topic(rig, "orders", 40);
    rig_publish(rig);
    return rig;
}

/* An answer of about so many bytes. */
static void reply_long(struct rig *rig, struct slow_header header, uint32_t bytes)
{
    static uint8_t body[64 << 10];
    static struct list_config_resources_response_resource resources[1000];
    struct list_config_resources_response response = list_config_resources_response_default;
    struct writer writer;
    const uint32_t each = 100;
    response.config_resources.items = resources;
    response.config_resources.count = (int32_t)(bytes / each);
    for (uint32_t i = 0; i < bytes / each; i++) {
        static const char name[101] = "a-name-of-a-hundred-bytes-less-three-......................."
                                      ".............................";
        static const struct bytes text = {(const uint8_t *)name, each - 3};
        resources[i] = list_config_resources_response_resource_default;
        resources[i].resource_name = chain_of(&text);
    }
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(list_config_resources_response_encode(&writer, 1, &response), CODEC_OK);
    header.kind = SLOW_REPLY;
    header.error_count = 0;
    rig_control_answer(rig, 0, &header, (struct bytes){body, writer_used(&writer)});
}

/* Clients that read nothing take all of the output memory. */
static void output_fill(struct rig *rig, struct client **deaf, uint32_t count)
{
    struct metadata_request all = metadata_request_default;
    all.topics.count = -1;
    for (uint32_t i = 0; i < count; i++) {
        deaf[i] = client_connect(rig, 0);
        rig_turn(rig);
        sim_peer_stall(deaf[i]->peer, true);
        SEND(deaf[i], METADATA, metadata, 9, &all);
    }
    rig_run_ms(rig, 2);
    assert_true(rig->cores[0].statistics.counters.output_waited > 0);
}

static void an_answer_without_memory_holds_up_no_others(void **state)
{
    (void)state;
    enum { DEAF = 100 };
    struct rig *rig = rig_of_little_output();
    struct client *deaf[DEAF];
    struct client *clients[4];
    struct slow_header headers[4];
    uint32_t len;
    output_fill(rig, deaf, DEAF);
    for (uint32_t i = 0; i < 4; i++) {
        clients[i] = client_connect(rig, 0);
        ask(clients[i]);
        headers[i] = next_request(rig, &len);
    }
    const uint64_t before_ms = rig_now_ms(rig);
    reply(rig, headers[0], ERROR_NONE);
    assert_int_equal(answer_error(clients[0]), ERROR_NONE); /* Small ones need none. */
    assert_true(rig_now_ms(rig) - before_ms < 5);
    reply_long(rig, headers[1], LONG_BYTES);
    reply_long(rig, headers[2], LONG_BYTES);
    reply(rig, headers[3], ERROR_NONE);
    assert_int_equal(answer_error(clients[3]), ERROR_NONE); /* Behind two that find no room. */
    assert_true(rig_now_ms(rig) - before_ms < SLOW_STARVED_MS_MAX + 10);
    assert_int_equal(answer_error(clients[1]), ERROR_REQUEST_TIMED_OUT);
    assert_int_equal(answer_error(clients[2]), ERROR_REQUEST_TIMED_OUT);
    assert_int_equal(rig->cores[0].statistics.counters.slow_starved, 2);
    for (uint32_t i = 0; i < DEAF; i++) {
        client_free(deaf[i]);
    }
    ask(clients[1]);
    reply_long(rig, next_request(rig, &len), LONG_BYTES);
    assert_int_equal(answer_error(clients[1]), ERROR_NONE);
    for (uint32_t i = 0; i < 4; i++) {
        client_free(clients[i]);
    }
    rig_destroy(rig);
}

static void long_answers_do_not_wait_for_each_others_memory(void **state)
{
    (void)state;
    struct rig *rig = rig_of_little_output();
    struct client *clients[3];
    struct slow_header headers[3];
    uint32_t len;
    for (uint32_t i = 0; i < 3; i++) {
        clients[i] = client_connect(rig, 0);
        ask(clients[i]);
        headers[i] = next_request(rig, &len);
    }
    for (uint32_t i = 0; i < 3; i++) { /* Together nearly all there is. */
        reply_long(rig, headers[i], LONG_BYTES);
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct list_config_resources_response response;
        RECEIVE(clients[i], LIST_CONFIG_RESOURCES, list_config_resources, 1, &response);
        assert_int_equal(response.config_resources.count, LONG_BYTES / 100);
        client_free(clients[i]);
    }
    rig_destroy(rig);
}

static void an_answer_beyond_all_memory_is_an_error_at_once(void **state)
{
    (void)state;
    struct rig *rig = rig_of_little_output();
    struct client *client = client_connect(rig, 0);
    uint32_t len;
    ask(client);
    reply_long(rig, next_request(rig, &len), 2 * LONG_BYTES);
    assert_int_equal(answer_error(client), ERROR_UNKNOWN_SERVER_ERROR);
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_to_control_with_who_asks_and_comes_back),
        cmocka_unit_test(errors_in_controls_answers_are_counted_too),
        cmocka_unit_test(H20_control_away_is_answered_at_once),
        cmocka_unit_test(H20_control_late_is_answered_after_30_seconds_and_never_asked_again),
        cmocka_unit_test(H21_a_connection_has_one_request_at_control_at_a_time),
        cmocka_unit_test(H17_a_new_session_ends_what_the_old_one_took),
        cmocka_unit_test(H19_an_answer_for_a_connection_that_is_gone_finds_nobody),
        cmocka_unit_test(control_may_leave_the_error_to_the_core),
        cmocka_unit_test(B7_slow_and_fast_answers_keep_their_order),
        cmocka_unit_test(an_answer_without_memory_holds_up_no_others),
        cmocka_unit_test(long_answers_do_not_wait_for_each_others_memory),
        cmocka_unit_test(an_answer_beyond_all_memory_is_an_error_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
