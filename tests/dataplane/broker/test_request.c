#include "tests/dataplane/broker/rig.h"

static void little_output(struct broker_limits *limits)
{
    limits->output_bytes = 64 << 10;
}

static void answers_wait_for_output_memory_and_come_all(void **state)
{
    (void)state;
    enum { CLIENTS = 12, EACH = 5 };
    struct rig *rig = rig_create(&(struct rig_options){.seed = 2, .limit = little_output});
    rig_topic(rig, "orders", 40);
    rig_topic(rig, "others", 40);
    rig_publish(rig);
    struct client *clients[CLIENTS];
    struct metadata_request all = metadata_request_default;
    all.topics.count = -1;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = client_connect(rig, 0);
        rig_turn(rig);
        sim_peer_stall(clients[i]->peer, true);
        for (uint32_t sent = 0; sent < EACH; sent++) {
            SEND(clients[i], METADATA, metadata, 9, &all);
        }
    }
    rig_run_ms(rig, 5);
    assert_true(rig->cores[0].statistics.counters.output_waited > 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_wait_for_output_memory_and_come_all),
        cmocka_unit_test(an_answer_too_large_to_build_closes_only_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
