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

static int16_t commit_at(struct bench *bench, const struct txn_client *client, const char *group,
                         const char *topic, int32_t partition, int64_t offset, int16_t version)
{
    struct txn_offset_commit_request_partition item = txn_offset_commit_request_partition_default;
    struct txn_offset_commit_request_topic named = txn_offset_commit_request_topic_default;
    struct txn_offset_commit_request request = txn_offset_commit_request_default;
    struct txn_offset_commit_response response;
    struct txn_offset_commit_response_topic told;
    struct txn_offset_commit_response_partition got;
    item.partition_index = partition;
    item.committed_offset = offset;
    item.committed_metadata = text_of("");
    named.name = text_of(topic);
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

static int16_t commit_in_txn(struct bench *bench, const struct txn_client *client,
                             const char *group, int64_t offset, int16_t version)
{
    return commit_at(bench, client, group, "t", 0, offset, version);
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

/* Those of before Kafka 2.0 would end if they heard what is the matter. */
static void old_producers_hear_that_a_loading_coordinator_is_not_available(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    assert_int_equal(txn_init(bench, &client), ERROR_NONE);
    assert_int_equal(add_offsets(bench, &client, "g"), ERROR_NONE);
    bench->append_error = ERROR_KAFKA_STORAGE_ERROR;
    assert_int_equal(commit_offset(bench, "g", "t", 0, 6), ERROR_NOT_COORDINATOR);
    bench->append_error = ERROR_NONE;
    for (int16_t version = 0; version <= 4; version++) {
        assert_int_equal(commit_in_txn(bench, &client, "g", 5, version),
                         version < 2 ? ERROR_COORDINATOR_NOT_AVAILABLE
                                     : ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    }
    bench_turns(bench, 100);
    for (int16_t version = 0; version <= 4; version++) {
        assert_int_equal(commit_in_txn(bench, &client, "g", 5, version), ERROR_NONE);
    }
    bench_free(bench);
}

/* Neither of who commits nor for which group: their coordinators are not asked. */
static void no_coordinator_hears_of_offsets_of_unknown_partitions(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    assert_int_equal(txn_init(bench, &client), ERROR_NONE);
    for (int16_t version = 3; version <= 5; version++) {
        assert_int_equal(commit_at(bench, &client, "g", "t", 4, 5, version),
                         ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(commit_at(bench, &client, "g", "t", -1, 5, version),
                         ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(commit_at(bench, &client, "", "u", 0, 5, version),
                         ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        state_is(bench, "a", "Empty");
    }
    client.epoch--;
    assert_int_equal(commit_at(bench, &client, "g", "u", 0, 5, 5),
                     ERROR_UNKNOWN_TOPIC_OR_PARTITION);
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

/* A client of version 2 ends its transaction; its marker is on its way. */
static void send_end(struct bench *bench, struct txn_client *client)
{
    uint8_t body[256];
    struct writer writer;
    struct end_txn_request end = end_txn_request_default;
    assert_int_equal(txn_init(bench, client), ERROR_NONE);
    assert_int_equal(txn_add(bench, client, "t", 0), ERROR_NONE);
    end.transactional_id = text_of(client->id);
    end.producer_id = client->producer_id;
    end.producer_epoch = client->epoch++;
    end.committed = true;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(end_txn_request_encode(&writer, 5, &end), CODEC_OK);
    bench->holds_appends = true;
    (void)bench_send(bench, API_END_TXN, 5, (struct bytes){body, writer_used(&writer)});
    bench_turns(bench, 5);
    bench_release(bench); /* The end is decided. */
    bench_turns(bench, 5);
    assert_int_equal(bench->held_count, 1);
}

static void send_init(struct bench *bench, const char *id)
{
    uint8_t body[256];
    struct writer writer;
    struct init_producer_id_request init = init_producer_id_request_default;
    init.transactional_id = text_of(id);
    init.transaction_timeout_ms = 60000;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(init_producer_id_request_encode(&writer, 4, &init), CODEC_OK);
    (void)bench_send(bench, API_INIT_PRODUCER_ID, 4, (struct bytes){body, writer_used(&writer)});
}

/* It writes again. */
static uint64_t send_add(struct bench *bench, const struct txn_client *client)
{
    static const int32_t partition = 0;
    uint8_t body[256];
    struct writer writer;
    struct add_partitions_to_txn_request_topic topic = add_partitions_to_txn_request_topic_default;
    struct add_partitions_to_txn_request_transaction transaction =
        add_partitions_to_txn_request_transaction_default;
    struct add_partitions_to_txn_request add = add_partitions_to_txn_request_default;
    topic.name = text_of("t");
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    transaction.transactional_id = text_of(client->id);
    transaction.producer_id = client->producer_id;
    transaction.producer_epoch = client->epoch;
    transaction.topics.items = &topic;
    transaction.topics.count = 1;
    add.transactions.items = &transaction;
    add.transactions.count = 1;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(add_partitions_to_txn_request_encode(&writer, 5, &add), CODEC_OK);
    return bench_send(bench, API_ADD_PARTITIONS_TO_TXN, 5,
                      (struct bytes){body, writer_used(&writer)});
}

static uint64_t send_add_behind_end(struct bench *bench, struct txn_client *client)
{
    send_end(bench, client);
    return send_add(bench, client);
}

static int16_t added_error_of(const struct bench *bench)
{
    const struct bytes reply = {bench->reply, bench->reply_len};
    struct reader reader;
    struct add_partitions_to_txn_response response;
    struct add_partitions_to_txn_response_transaction transaction;
    struct add_partitions_to_txn_response_topic topic;
    struct add_partitions_to_txn_response_partition one;
    reader_init(&reader, chain_of(&reply));
    assert_int_equal(add_partitions_to_txn_response_decode(&reader, 5, &response), CODEC_OK);
    assert_true(add_partitions_to_txn_response_transaction_array_next(
        &response.results_by_transaction, &transaction));
    assert_true(
        add_partitions_to_txn_response_topic_array_next(&transaction.topic_results, &topic));
    assert_true(
        add_partitions_to_txn_response_partition_array_next(&topic.results_by_partition, &one));
    return one.partition_error_code;
}

static void the_next_transaction_waits_for_the_end_of_the_last(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    const uint64_t number = send_add_behind_end(bench, &client);
    bench_turns(bench, 20);
    assert_true(bench->reply_number != number);
    bench->holds_appends = false;
    bench_release(bench);
    bench_turns(bench, 20);
    assert_true(bench->reply_number == number);
    assert_int_equal(added_error_of(bench), ERROR_NONE);
    state_is(bench, "a", "Ongoing");
    bench_free(bench);
}

/* The answer that it has to wait leaves behind an append of another id's, and what it waits for
 * may be over by then. */
static void nor_does_it_wait_for_what_is_over(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    const struct image_topic *topic = bench_topic(bench, "__transaction_state");
    struct txn_client client = {.id = "a"};
    char other[16] = "b";
    for (uint32_t i = 0; group_place(bytes_of_string(other), (int32_t)topic->partition_count) !=
                         group_place(bytes_of_string("a"), (int32_t)topic->partition_count);
         i++) {
        (void)snprintf(other, sizeof(other), "b%u", i);
    }
    bench->held_count = 0;
    send_end(bench, &client);
    send_init(bench, other);
    bench_turns(bench, 5);
    assert_int_equal(bench->held_count, 2); /* The marker, and the other id's. */
    const struct bench_held others = bench->held_appends[1];
    const uint64_t number = send_add(bench, &client);
    bench_turns(bench, 5);
    bench->held_count = 1;
    bench_release(bench);
    bench_turns(bench, 5);
    bench->holds_appends = false;
    bench->held_appends[0] = others;
    bench->held_count = 1;
    bench_release(bench);
    bench_turns(bench, 5);
    assert_true(bench->reply_number == number);
    assert_int_equal(added_error_of(bench), ERROR_NONE);
    state_is(bench, "a", "Ongoing");
    bench_free(bench);
}

static void and_not_for_ever(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    const uint64_t number = send_add_behind_end(bench, &client);
    bench_turns(bench, 200);
    assert_true(bench->reply_number == number);
    assert_int_equal(added_error_of(bench), ERROR_CONCURRENT_TRANSACTIONS);
    bench->holds_appends = false;
    bench_release(bench);
    bench_turns(bench, 20);
    /* Nor is anything left of one whose coordinator goes meanwhile. */
    (void)send_add_behind_end(bench, &(struct txn_client){.id = "b"});
    bench_turns(bench, 5);
    bench_stop_dataplane(bench);
    bench->holds_appends = false;
    bench->held_count = 0;
    bench_start_dataplane(bench);
    bench_turns(bench, 200);
    state_is(bench, "b", "CompleteCommit");
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
        cmocka_unit_test(old_producers_hear_that_a_loading_coordinator_is_not_available),
        cmocka_unit_test(no_coordinator_hears_of_offsets_of_unknown_partitions),
        cmocka_unit_test(unknown_partitions_become_no_part_of_a_transaction),
        cmocka_unit_test(ids_are_listed_wherever_they_lie),
        cmocka_unit_test(ids_are_listed_by_a_pattern),
        cmocka_unit_test(the_next_transaction_waits_for_the_end_of_the_last),
        cmocka_unit_test(nor_does_it_wait_for_what_is_over),
        cmocka_unit_test(and_not_for_ever),
        cmocka_unit_test(a_body_that_cannot_be_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
