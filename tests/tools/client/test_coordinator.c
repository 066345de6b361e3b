#include "tools/client/coordinator.h"

#include "dataplane/kafka/errors.h"
#include "tests/tools/client/client_bench.h"

static bool ask(struct coordinator_request *request)
{
    return coordinator_begin(&client, COORDINATOR_OF_GROUP, "billing", API_DELETE_GROUPS, 256,
                             request);
}

static void the_coordinator_is_found_in_every_version(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 6; version++) {
        struct coordinator_request request;
        broker->version_max[API_FIND_COORDINATOR] = version;
        begin();
        assert_true(ask(&request));
        assert_ptr_equal(request.connection, &client.first); /* One node: one connection. */
        client_close(&client);
        fake_broker_stop(broker);
        assert_int_equal(broker->versions[API_FIND_COORDINATOR], version);
    }
}

static void what_stands_in_the_way_is_the_problem(void **state)
{
    (void)state;
    struct coordinator_request request;
    broker->error[API_FIND_COORDINATOR] = ERROR_COORDINATOR_NOT_AVAILABLE;
    broker->times[API_FIND_COORDINATOR] = 1;
    broker->version_max[API_DELETE_GROUPS] = -1;
    begin();
    assert_false(ask(&request));
    assert_int_equal(client.problem.code, ERROR_COORDINATOR_NOT_AVAILABLE);
    assert_non_null(strstr(client.problem.text, "coordinator of billing"));
    assert_false(ask(&request));
    assert_int_equal(client.problem.kind, PROBLEM_PROTOCOL);
}

static void an_error_names_what_it_is_about(void **state)
{
    (void)state;
    begin();
    assert_true(coordinator_check(&client, ERROR_NONE, CHAIN_NULL, "group", "billing"));
    assert_false(coordinator_check(&client, ERROR_GROUP_ID_NOT_FOUND, CHAIN_TEXT("says the broker"),
                                   "group", "billing"));
    assert_non_null(strstr(client.problem.text, "group billing: GROUP_ID_NOT_FOUND"));
    assert_non_null(strstr(client.problem.text, "says the broker"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_bench_setup, client_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_coordinator_is_found_in_every_version),
        TEST(what_stands_in_the_way_is_the_problem),
        TEST(an_error_names_what_it_is_about),
    };
    return cmocka_run_group_tests_name("coordinator", tests, NULL, NULL);
}
