#include "tests/dataplane/broker/rig.h"

static void rules_are_told_to_be_switched_off(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "t", 1);
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 1; version <= 3; version++) {
        struct describe_acls_request request = describe_acls_request_default;
        struct describe_acls_response response;
        request.resource_type_filter = 1;
        request.pattern_type_filter = 1;
        request.operation = 1;
        request.permission_type = 1;
        CALL(client, DESCRIBE_ACLS, describe_acls, version, &request, &response);
        assert_int_equal(response.error_code, ERROR_SECURITY_DISABLED);
        assert_int_equal(response.resources.count, 0);
    }
    client_free(client);
    rig_destroy(rig);
}

static void each_new_rule_is_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "t", 1);
    struct client *client = client_connect(rig, 0);
    struct create_acls_request_creation creations[2];
    for (int16_t version = 1; version <= 3; version++) {
        struct create_acls_request request = create_acls_request_default;
        struct create_acls_response response;
        struct create_acls_response_result result;
        for (uint32_t i = 0; i < ARRAY_SIZE(creations); i++) {
            creations[i] = create_acls_request_creation_default;
            creations[i].resource_type = 2;
            creations[i].resource_name = CHAIN_TEXT("t");
            creations[i].principal = CHAIN_TEXT("User:anna");
            creations[i].host = CHAIN_TEXT("*");
            creations[i].operation = 3;
            creations[i].permission_type = 3;
        }
        request.creations.items = creations;
        request.creations.count = ARRAY_SIZE(creations);
        CALL(client, CREATE_ACLS, create_acls, version, &request, &response);
        assert_int_equal(response.results.count, 2);
        while (create_acls_response_result_array_next(&response.results, &result)) {
            assert_int_equal(result.error_code, ERROR_SECURITY_DISABLED);
        }
    }
    client_free(client);
    rig_destroy(rig);
}

static void each_filter_is_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "t", 1);
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 1; version <= 3; version++) {
        struct delete_acls_request request = delete_acls_request_default;
        struct delete_acls_response response;
        struct delete_acls_response_result result;
        struct delete_acls_request_filter filter = delete_acls_request_filter_default;
        filter.resource_type_filter = 1;
        filter.pattern_type_filter = 1;
        filter.operation = 1;
        filter.permission_type = 1;
        request.filters.items = &filter;
        request.filters.count = 1;
        CALL(client, DELETE_ACLS, delete_acls, version, &request, &response);
        assert_int_equal(response.filter_results.count, 1);
        assert_true(delete_acls_response_result_array_next(&response.filter_results, &result));
        assert_int_equal(result.error_code, ERROR_SECURITY_DISABLED);
        assert_int_equal(result.matching_acls.count, 0);
    }
    client_free(client);
    rig_destroy(rig);
}

/* By Kafka's word for 0. */
static void what_is_unknown_closes_the_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "t", 1);
    for (uint32_t unknown = 0; unknown < 4; unknown++) {
        struct client *client = client_connect(rig, 0);
        struct describe_acls_request request = describe_acls_request_default;
        request.resource_type_filter = unknown != 0;
        request.pattern_type_filter = unknown != 1;
        request.operation = unknown != 2;
        request.permission_type = unknown != 3;
        SEND(client, DESCRIBE_ACLS, describe_acls, 3, &request);
        client_expect_closed(client);
        client_free(client);
    }
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_told_to_be_switched_off),
        cmocka_unit_test(each_new_rule_is_refused),
        cmocka_unit_test(each_filter_is_refused),
        cmocka_unit_test(what_is_unknown_closes_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
