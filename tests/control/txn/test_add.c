#include "tests/control/txn/bench.h"

static void partitions_open_a_transaction_once(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_forget(bench);
    bench_add(bench, 3, "x", 1000, 0, "u/1 t/2 t/1");
    bench_add(bench, 3, "x", 1000, 0, "t/1 u/1");
    bench_add(bench, 5, "x", 1000, 0, "t/1 v/0");
    bench_expect(bench, "add NONE NONE NONE\n+ x Ongoing 1000/0 tv 0 [t/1 t/2 u/1]\n"
                        "add NONE NONE\n"
                        "add NONE NONE\n+ x Ongoing 1000/0 tv 2 [t/1 t/2 u/1 v/0]\n");
}

static void only_who_drives_it_adds(void **state)
{
    struct txn_bench *bench = *state;
    bench_add(bench, 3, "", 1000, 0, "t/0");
    bench_add(bench, 3, "x", 1000, 0, "t/0");
    bench_init(bench, "x", -1, -1);
    bench_forget(bench);
    bench_add(bench, 3, "x", 1001, 0, "t/0");
    bench_add(bench, 3, "x", 1000, 1, "t/0");
    bench_add(bench, 1, "x", 1000, 1, "t/0");
    bench_expect(bench, "add INVALID_PRODUCER_ID_MAPPING\n"
                        "add PRODUCER_FENCED\n"
                        "add INVALID_PRODUCER_EPOCH\n");
    bench_add(bench, 3, "x", 1000, 0, "t/0");
    bench_end(bench, 3, "x", 1000, 0, true);
    bench_forget(bench);
    bench_add(bench, 3, "x", 1000, 0, "t/1");
    bench_expect(bench, "add CONCURRENT_TRANSACTIONS\n");
    bench_written(bench);
    bench_add(bench, 3, "x", 1000, 0, "t/1");
    bench_expect(bench, "+ x CompleteCommit 1000/0 tv 0 []\n"
                        "add NONE\n+ x Ongoing 1000/0 tv 0 [t/1]\n");
}

static void more_partitions_than_a_record_holds_are_refused(void **state)
{
    static const int32_t partitions[250 * 1000];
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_add(bench, 3, "x", 1000, 0, "t/0");
    bench_forget(bench);
    const struct bytes id = bytes_of_string("x");
    const struct bytes name = bytes_of_string("u");
    const struct add_partitions_to_txn_request_topic topic = {
        .name = chain_of(&name),
        .partitions = {.items = partitions, .count = ARRAY_SIZE(partitions)}};
    const struct add_partitions_to_txn_request_transaction request = {
        .transactional_id = chain_of(&id),
        .producer_id = 1000,
        .topics = {.items = &topic, .count = 1}};
    const struct txn_event event = {.kind = TXN_ADD_PARTITIONS, .version = 3, .add = &request};
    struct arena arena = {0};
    struct txn_update update = {.arena = &arena};
    txn_step(bench->coordinator, &event, &update);
    const struct add_partitions_to_txn_response_transaction *answer = update.reply.answer;
    assert_int_equal(
        answer->topic_results.items[0].results_by_partition.items[0].partition_error_code,
        ERROR_UNKNOWN_SERVER_ERROR);
    assert_int_equal(update.record_count, 0);
    arena_free(&arena);
    bench_add(bench, 3, "x", 1000, 0, "t/1");
    bench_expect(bench, "add NONE\n+ x Ongoing 1000/0 tv 0 [t/0 t/1]\n");
}

static void a_bad_partition_fails_all(void **state)
{
    struct txn_bench *bench = *state;
    const struct txn_topic known[] = {{.partition_count = 1},
                                      {.partition_count = 1},
                                      {.error_code = ERROR_TOPIC_AUTHORIZATION_FAILED}};
    bench_init(bench, "x", -1, -1);
    bench_forget(bench);
    bench_add_known(bench, "x", "t/0 t/1 u/0", known);
    bench_expect(bench, "add OPERATION_NOT_ATTEMPTED UNKNOWN_TOPIC_OR_PARTITION "
                        "TOPIC_AUTHORIZATION_FAILED\n");
    bench_add_known(bench, "x", "t/0", known);
    bench_expect(bench, "add NONE\n+ x Ongoing 1000/0 tv 0 [t/0]\n");
}

static void nothing_is_told_while_it_ends(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_add(bench, 3, "x", 1000, 0, "t/0");
    bench_forget(bench);
    bench_end(bench, 3, "x", 1000, 0, true);
    bench_forget(bench);
    bench_verify(bench, "x", 1000, 0, "t/0");
    bench_expect(bench, "add CONCURRENT_TRANSACTIONS\n");
}

static void what_is_in_is_told(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_add(bench, 3, "x", 1000, 0, "t/0");
    bench_forget(bench);
    bench_verify(bench, "x", 1000, 0, "t/0 t/1");
    bench_verify(bench, "x", 1000, 1, "t/0");
    bench_verify(bench, "x", 1001, 0, "t/0");
    bench_expect(bench, "add NONE TRANSACTION_ABORTABLE\n"
                        "add PRODUCER_FENCED\n"
                        "add INVALID_PRODUCER_ID_MAPPING\n");
}

static void offsets_of_a_group_are_a_partition_like_others(void **state)
{
    struct txn_bench *bench = *state;
    bench_add_offsets(bench, 3, "", 1000, 0);
    bench_init(bench, "x", -1, -1);
    bench_forget(bench);
    bench_add_offsets(bench, 3, "x", 1000, 0);
    bench_add_offsets(bench, 3, "x", 1000, 0);
    bench_add_offsets(bench, 3, "x", 1000, 1);
    bench_add_offsets(bench, 1, "x", 1000, 1);
    bench_expect(bench, "offsets NONE\n+ x Ongoing 1000/0 tv 0 [__consumer_offsets/7]\n"
                        "offsets NONE\n"
                        "offsets PRODUCER_FENCED\n"
                        "offsets INVALID_PRODUCER_EPOCH\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, txn_bench_up, txn_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(partitions_open_a_transaction_once),
        CASE(only_who_drives_it_adds),
        CASE(more_partitions_than_a_record_holds_are_refused),
        CASE(a_bad_partition_fails_all),
        CASE(nothing_is_told_while_it_ends),
        CASE(what_is_in_is_told),
        CASE(offsets_of_a_group_are_a_partition_like_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
