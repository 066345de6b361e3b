#include <jansson.h>

#include "dataplane/kafka/errors.h"
#include "tests/tools/command_bench.h"

static void mistakes_are_told_and_nobody_is_asked(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *want;
    } table[] = {
        {"txn", "VERB"},
        {"txn show", "ID"},
        {"txn abort", "ID"},
        {"txn abort a b", "ID"},
        {"txn list --longer soon", "--longer"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        assert_int_equal(command_run(table[i].line, NULL), CLI_USAGE);
        assert_non_null(strstr(said.err, table[i].want));
    }
    assert_int_equal(broker->requests[API_METADATA], 0);
}

static void the_list_goes_by_state_and_age(void **state)
{
    (void)state;
    assert_int_equal(command_run("txn list", NULL), CLI_OK);
    assert_non_null(strstr(said.out, "\ntill-1  Ongoing         4000\n"));
    assert_int_equal(broker->duration_filter, -1);
    assert_int_equal(command_run("txn list --longer 90 --state Ongoing -o json", NULL), CLI_OK);
    assert_int_equal(broker->duration_filter, 90000);
    json_t *json = json_loads(said.out, 0, NULL);
    const json_t *one = json_array_get(json_object_get(json, "transactions"), 0);
    assert_string_equal(json_string_value(json_object_get(one, "id")), "till-1");
    assert_int_equal(json_integer_value(json_object_get(one, "producer_id")), 4000);
    json_decref(json);
    assert_int_equal(command_run("txn list --state Empty", NULL), CLI_OK);
    assert_null(strstr(said.out, "till-1"));
    assert_int_equal(command_run("txn list --state Strange", NULL), CLI_FAILED);
    assert_non_null(strstr(said.err, "no state 'Strange'"));
}

static void show_tells_what_it_holds_up_and_since_when(void **state)
{
    (void)state;
    assert_int_equal(command_run("txn show till-1", NULL), CLI_OK);
    assert_non_null(strstr(said.out, "state     Ongoing\nproducer  4000, epoch 3\n"));
    assert_non_null(strstr(said.out, "started   2026-01-01T00:00:00Z\n"));
    assert_non_null(strstr(said.out, "  orders/0\n  orders/2\n"));
    assert_int_equal(broker->coordinator_kind, 1);
    broker->transaction.start_ms = -1;
    assert_int_equal(command_run("txn show till-1 -o json", NULL), CLI_OK);
    json_t *json = json_loads(said.out, 0, NULL);
    assert_true(json_is_null(json_object_get(json, "start_ms")));
    assert_int_equal(json_array_size(json_object_get(json, "partitions")), 2);
    json_decref(json);
    assert_int_equal(command_run("txn show other", NULL), CLI_FAILED);
    assert_non_null(strstr(said.err, "TRANSACTIONAL_ID_NOT_FOUND"));
    assert_non_null(strstr(said.err, "millrace txn list"));
}

static void abort_fences_and_waits_until_all_is_aborted(void **state)
{
    (void)state;
    broker->transaction.timeout_ms = 12345;
    broker->error[API_INIT_PRODUCER_ID] = ERROR_CONCURRENT_TRANSACTIONS;
    broker->times[API_INIT_PRODUCER_ID] = 2;
    assert_int_equal(command_run("txn abort till-1 --yes", NULL), CLI_OK);
    assert_int_equal(broker->requests[API_INIT_PRODUCER_ID], 3);
    assert_string_equal(broker->transaction.state, "CompleteAbort");
    assert_int_equal(broker->transaction.timeout_ms, 12345); /* The id keeps its own. */
}

static void what_is_not_open_is_left_alone(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        enum cli_exit want;
    } table[] = {
        {"Empty", CLI_WARNINGS},         {"CompleteCommit", CLI_WARNINGS},
        {"CompleteAbort", CLI_WARNINGS}, {"PrepareCommit", CLI_FAILED},
        {"PrepareAbort", CLI_FAILED},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        broker->transaction.state = table[i].state;
        assert_int_equal(command_run("txn abort till-1", NULL), table[i].want);
        assert_non_null(strstr(said.err, table[i].state));
    }
    assert_int_equal(broker->requests[API_INIT_PRODUCER_ID], 0);
    assert_int_equal(command_run("txn abort other", NULL), CLI_FAILED);
    assert_int_equal(broker->requests[API_INIT_PRODUCER_ID], 0);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, command_bench_setup, command_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mistakes_are_told_and_nobody_is_asked),
        TEST(the_list_goes_by_state_and_age),
        TEST(show_tells_what_it_holds_up_and_since_when),
        TEST(abort_fences_and_waits_until_all_is_aborted),
        TEST(what_is_not_open_is_left_alone),
    };
    return cmocka_run_group_tests_name("txn", tests, NULL, NULL);
}
