#include "tools/client/transactions.h"

#include "dataplane/kafka/errors.h"
#include "tests/tools/client/client_bench.h"

static struct arena arena;

static int teardown(void **state)
{
    arena_free(&arena);
    return client_bench_teardown(state);
}

static void old_brokers_list_transactions_but_not_by_age(void **state)
{
    (void)state;
    struct transactions_listed *list;
    uint32_t count;
    broker->version_max[API_LIST_TRANSACTIONS] = 0;
    begin();
    assert_true(transactions_list(&client, &arena, NULL, -1, &list, &count));
    assert_int_equal(count, 1);
    assert_string_equal(list[0].state, "Ongoing");
    assert_false(transactions_list(&client, &arena, NULL, 5000, &list, &count));
    assert_int_equal(client.problem.kind, PROBLEM_PROTOCOL);
}

static void a_coordinator_that_is_loading_is_asked_again(void **state)
{
    (void)state;
    struct transactions_described described;
    broker->error[API_DESCRIBE_TRANSACTIONS] = ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    broker->times[API_DESCRIBE_TRANSACTIONS] = 1;
    begin();
    assert_true(transactions_describe(&client, &arena, "till-1", &described));
    assert_int_equal(described.place_count, 2);
    assert_int_equal(described.places[1].partition, 2);
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_DESCRIBE_TRANSACTIONS], 2);
}

static void fencing_is_repeated_when_its_answer_is_lost(void **state)
{
    (void)state;
    broker->lose_answer[API_INIT_PRODUCER_ID] = true;
    begin();
    assert_true(transactions_fence(&client, "till-1", 60000));
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_INIT_PRODUCER_ID], 2);
}

static void what_is_not_allowed_fails(void **state)
{
    (void)state;
    broker->error[API_INIT_PRODUCER_ID] = ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    begin();
    assert_false(transactions_fence(&client, "till-1", 60000));
    assert_int_equal(client.problem.code, ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_bench_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(old_brokers_list_transactions_but_not_by_age),
        TEST(a_coordinator_that_is_loading_is_asked_again),
        TEST(fencing_is_repeated_when_its_answer_is_lost),
        TEST(what_is_not_allowed_fails),
    };
    return cmocka_run_group_tests_name("transactions", tests, NULL, NULL);
}
