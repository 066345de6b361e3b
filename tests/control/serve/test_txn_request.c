#include "control/serve/txn_request.h"

#include "tests/control/serve/txn_bench.h"

static int16_t add_offsets(struct bench *bench, const struct txn_client *client, const char *group)
{
    struct add_offsets_to_txn_request request = add_offsets_to_txn_request_default;
    struct add_offsets_to_txn_response response;
    request.transactional_id = text_of(client->id);
    request.producer_id = client->producer_id;
    request.producer_epoch = client->epoch;
    request.group_id = text_of(group);
    assert_true(ASK(bench, ADD_OFFSETS_TO_TXN, add_offsets_to_txn, 3, &request, &response));
    return response.error_code;
}

static int16_t commit_in_txn(struct bench *bench, const struct txn_client *client,
                             const char *group, int64_t offset, int16_t version)
{
    struct txn_offset_commit_request_partition item = txn_offset_commit_request_partition_default;
    struct txn_offset_commit_request_topic named = txn_offset_commit_request_topic_default;
    struct txn_offset_commit_request request = txn_offset_commit_request_default;
    struct txn_offset_commit_response response;
    struct txn_offset_commit_response_topic told;
    struct txn_offset_commit_response_partition got;
    item.committed_offset = offset;
    item.committed_metadata = text_of("");
    named.name = text_of("t");
    named.partitions.items = &item;
    named.partitions.count = 1;
    request.transactional_id = text_of(client->id);
    request.group_id = text_of(group);
    request.producer_id = client->producer_id;
    request.producer_epoch = client->epoch;
    request.member_id = text_of("");
    request.topics.items = &named;
    request.topics.count = 1;
    if (!ASK(bench, TXN_OFFSET_COMMIT, txn_offset_commit, version, &request, &response)) {
        return bench->reply_error;
    }
    assert_true(txn_offset_commit_response_topic_array_next(&response.topics, &told));
    assert_true(txn_offset_commit_response_partition_array_next(&told.partitions, &got));
    return got.error_code;
}

static int64_t offset_of(struct bench *bench, const char *group)
{
    int16_t error;
    return fetch_offset(bench, group, "t", 0, &error);
}

static void offsets_of_a_transaction_show_when_it_commits(void **state)
{
    (void)state;
    for (int16_t version = 3; version <= 5; version++) {
        struct bench *bench = bench_with_txns(NULL);
        struct txn_client client = {.id = "a"};
        assert_int_equal(commit_offset(bench, "g", "t", 0, 1), ERROR_NONE);
        for (int64_t round = 0; round < 4; round++) {
            const bool commits = round % 2 == 1;
            assert_int_equal(txn_init(bench, &client), ERROR_NONE);
            if (version < 5) {
                assert_int_equal(add_offsets(bench, &client, "g"), ERROR_NONE);
            } else {
                assert_int_equal(txn_add(bench, &client, "t", 3), ERROR_NONE);
            }
            const int64_t before = offset_of(bench, "g");
            assert_int_equal(commit_in_txn(bench, &client, "g", 10 + round, version), ERROR_NONE);
            assert_int_equal(offset_of(bench, "g"), before);
            assert_int_equal(txn_end(bench, &client, commits), ERROR_NONE);
            bench_turns(bench, 30);
            assert_int_equal(offset_of(bench, "g"), commits ? 10 + round : before);
        }
        bench_stop_control(bench); /* And after all is read again. */
        bench_start_control(bench);
        bench_turns(bench, 300);
        assert_int_equal(offset_of(bench, "g"), 13);
        bench_free(bench);
    }
}

static void offsets_outside_of_a_transaction_are_refused(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    assert_int_equal(txn_init(bench, &client), ERROR_NONE);
    assert_int_equal(commit_in_txn(bench, &client, "g", 5, 3), ERROR_INVALID_TXN_STATE);
    assert_int_equal(commit_in_txn(bench, &client, "g", 5, 4), ERROR_TRANSACTION_ABORTABLE);
    assert_int_equal(commit_in_txn(bench, &client, "", 5, 3), ERROR_INVALID_GROUP_ID);
    client.epoch--;
    assert_int_equal(commit_in_txn(bench, &client, "g", 5, 4), ERROR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(offset_of(bench, "g"), -1);
    bench_free(bench);
}

static void unknown_partitions_become_no_part_of_a_transaction(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    assert_int_equal(txn_init(bench, &client), ERROR_NONE);
    assert_int_equal(txn_add(bench, &client, "t", 4), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(txn_add(bench, &client, "u", 0), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    state_is(bench, "a", "Empty");
    bench_free(bench);
}

static void ids_are_listed_wherever_they_lie(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client clients[] = {{.id = "a"}, {.id = "b"}, {.id = "c"}, {.id = "d"}};
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
        assert_int_equal(txn_init(bench, &clients[i]), ERROR_NONE);
    }
    assert_int_equal(txn_add(bench, &clients[2], "t", 0), ERROR_NONE);
    struct list_transactions_request request = list_transactions_request_default;
    struct list_transactions_response response;
    request.transactional_id_pattern = CHAIN_NULL;
    assert_true(ASK(bench, LIST_TRANSACTIONS, list_transactions, 2, &request, &response));
    assert_int_equal(response.error_code, ERROR_NONE);
    assert_int_equal(response.transaction_states.count, 4);
    struct chain ongoing = text_of("Ongoing");
    request.state_filters = (struct string_array){.items = &ongoing, .count = 1};
    assert_true(ASK(bench, LIST_TRANSACTIONS, list_transactions, 2, &request, &response));
    assert_int_equal(response.transaction_states.count, 1);
    const int64_t producers[] = {clients[3].producer_id, 1LL << 40, clients[0].producer_id, 0, -1,
                                 clients[2].producer_id};
    request.state_filters.count = 0;
    request.producer_id_filters = (struct i64_array){.items = producers, .count = 6};
    assert_true(ASK(bench, LIST_TRANSACTIONS, list_transactions, 2, &request, &response));
    assert_int_equal(response.transaction_states.count, 3);
    bench_free(bench);
}

/* The whole id has to match, as in Kafka. */
static void ids_are_listed_by_a_pattern(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    static const struct {
        const char *pattern;
        int32_t count;
        int16_t error;
    } cases[] = {{"", 3, ERROR_NONE},    {"a.*", 2, ERROR_NONE},
                 {"a", 0, ERROR_NONE},   {"[ab]\\d", 2, ERROR_NONE},
                 {".*2", 1, ERROR_NONE}, {"(", 0, ERROR_INVALID_REGULAR_EXPRESSION}};
    struct txn_client clients[] = {{.id = "a1"}, {.id = "a-2"}, {.id = "b3"}};
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
        assert_int_equal(txn_init(bench, &clients[i]), ERROR_NONE);
    }
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct list_transactions_request request = list_transactions_request_default;
        struct list_transactions_response response;
        request.transactional_id_pattern = text_of(cases[i].pattern);
        assert_true(ASK(bench, LIST_TRANSACTIONS, list_transactions, 2, &request, &response));
        assert_int_equal(response.error_code, cases[i].error);
        assert_int_equal(response.transaction_states.count, cases[i].count);
    }
    bench_free(bench);
}

static void a_body_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    static const int16_t keys[] = {
        API_INIT_PRODUCER_ID,  API_ADD_PARTITIONS_TO_TXN, API_ADD_OFFSETS_TO_TXN, API_END_TXN,
        API_TXN_OFFSET_COMMIT, API_DESCRIBE_TRANSACTIONS, API_LIST_TRANSACTIONS};
    static const uint8_t junk[] = {0x7f, 0xff, 0x7f};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        assert_true(txn_request_is(keys[i]));
        assert_false(bench_ask(bench, keys[i], 0, (struct bytes){junk, sizeof(junk)}));
        assert_int_equal(bench->reply_error, ERROR_INVALID_REQUEST);
    }
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_of_a_transaction_show_when_it_commits),
        cmocka_unit_test(offsets_outside_of_a_transaction_are_refused),
        cmocka_unit_test(unknown_partitions_become_no_part_of_a_transaction),
        cmocka_unit_test(ids_are_listed_wherever_they_lie),
        cmocka_unit_test(ids_are_listed_by_a_pattern),
        cmocka_unit_test(a_body_that_cannot_be_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
