#include "tests/dataplane/broker/rig.h"

static struct init_producer_id_response init(struct client *client, int16_t version,
                                             const char *transactional_id, int64_t id,
                                             int16_t epoch)
{
    struct init_producer_id_request request = init_producer_id_request_default;
    struct init_producer_id_response response;
    request.transactional_id = transactional_id == NULL ? CHAIN_NULL : text_chain(transactional_id);
    request.transaction_timeout_ms = 1000;
    request.producer_id = id;
    request.producer_epoch = epoch;
    CALL(client, INIT_PRODUCER_ID, init_producer_id, version, &request, &response);
    return response;
}

static void B24_every_id_is_fresh_with_epoch_0(void **state)
{
    (void)state;
    enum { IDS = 100 };
    struct rig *rig = rig_with_topic(2, "t", 1);
    struct client *clients[2] = {client_connect(rig, 0), client_connect(rig, 1)};
    bool seen[2000] = {0};
    rig_run_ms(rig, 1); /* Blocks are granted ahead. */
    for (int32_t i = 0; i < IDS; i++) {
        const struct init_producer_id_response response =
            init(clients[i % 2], (int16_t)(i % 6), NULL, -1, -1);
        assert_int_equal(response.error_code, ERROR_NONE);
        assert_int_equal(response.producer_epoch, 0);
        assert_in_range(response.producer_id, 1000, 1999);
        assert_false(seen[response.producer_id]);
        seen[response.producer_id] = true;
        rig_run_ms(rig, 1);
    }
    client_free(clients[0]);
    client_free(clients[1]);
    rig_destroy(rig);
}

static void H20_ids_are_there_while_control_is_away_until_they_are_used_up(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "t", 1);
    struct client *client = client_connect(rig, 0);
    rig_run_ms(rig, 5);
    rig_control_go(rig);
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(init(client, 4, NULL, -1, -1).error_code, ERROR_NONE);
    }
    const struct init_producer_id_response none = init(client, 4, NULL, -1, -1);
    assert_int_equal(none.error_code, ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(none.producer_id, -1);
    rig_control_come(rig);
    rig_run_ms(rig, 5);
    assert_int_equal(init(client, 4, NULL, -1, -1).error_code, ERROR_NONE);
    client_free(client);
    rig_destroy(rig);
}

static void those_with_a_transactional_id_are_for_the_coordinator(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "t", 1);
    struct client *client = client_connect(rig, 0);
    rig_control_go(rig);
    assert_int_equal(init(client, 4, "payments", -1, -1).error_code,
                     ERROR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(init(client, 4, "", -1, -1).error_code, ERROR_INVALID_REQUEST);
    client_free(client);
    rig_destroy(rig);
}

static void half_an_identity_is_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "t", 1);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(init(client, 4, NULL, 5, -1).error_code, ERROR_INVALID_REQUEST);
    assert_int_equal(init(client, 4, NULL, -1, 5).error_code, ERROR_INVALID_REQUEST);
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(B24_every_id_is_fresh_with_epoch_0),
        cmocka_unit_test(H20_ids_are_there_while_control_is_away_until_they_are_used_up),
        cmocka_unit_test(those_with_a_transactional_id_are_for_the_coordinator),
        cmocka_unit_test(half_an_identity_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
