#include "tests/dataplane/broker/rig.h"

static void the_broker_describes_itself(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "t", 1);
    struct client *client = client_connect(rig, 1);
    for (int16_t version = 0; version <= 2; version++) {
        struct describe_cluster_request request = describe_cluster_request_default;
        struct describe_cluster_response response;
        struct describe_cluster_response_broker broker;
        request.include_cluster_authorized_operations = version == 1;
        CALL(client, DESCRIBE_CLUSTER, describe_cluster, version, &request, &response);
        assert_int_equal(response.error_code, ERROR_NONE);
        assert_int_equal(response.controller_id, RIG_NODE_ID);
        assert_true(chain_equals(response.cluster_id, rig->next.cluster_id));
        assert_int_equal(response.cluster_authorized_operations, version == 1 ? 0x1fa0 : INT32_MIN);
        assert_true(describe_cluster_response_broker_array_next(&response.brokers, &broker));
        assert_int_equal(broker.broker_id, RIG_NODE_ID);
        assert_int_equal(broker.port, RIG_PORT);
        assert_false(broker.is_fenced);
    }
    client_free(client);
    rig_destroy(rig);
}

static void controllers_are_not_described_here(void **state)
{
    (void)state;
    static const struct {
        int8_t type;
        int16_t error;
    } cases[] = {{2, ERROR_MISMATCHED_ENDPOINT_TYPE}, {9, ERROR_UNSUPPORTED_ENDPOINT_TYPE}};
    struct rig *rig = rig_with_topic(1, "t", 1);
    struct client *client = client_connect(rig, 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct describe_cluster_request request = describe_cluster_request_default;
        struct describe_cluster_response response;
        request.endpoint_type = cases[i].type;
        CALL(client, DESCRIBE_CLUSTER, describe_cluster, 1, &request, &response);
        assert_int_equal(response.error_code, cases[i].error);
        assert_int_equal(response.brokers.count, 0);
    }
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_broker_describes_itself),
        cmocka_unit_test(controllers_are_not_described_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
