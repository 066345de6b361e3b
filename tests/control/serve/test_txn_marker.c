#include "tests/control/serve/txn_bench.h"

static void every_partition_of_the_transaction_gets_its_marker(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    for (uint32_t round = 1; round <= 3; round++) {
        assert_int_equal(txn_init(bench, &client), ERROR_NONE);
        for (int32_t partition = 0; partition < 3; partition++) {
            assert_int_equal(txn_add(bench, &client, "t", partition), ERROR_NONE);
        }
        assert_int_equal(txn_end(bench, &client, true), ERROR_NONE);
        bench_turns(bench, 20);
        for (uint32_t partition = 0; partition < 4; partition++) {
            assert_int_equal(markers_in(bench, partition), partition < 3 ? round : 0);
        }
        state_is(bench, "a", "CompleteCommit");
    }
    bench_free(bench);
}

static void a_marker_that_found_no_room_is_tried_again(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    assert_int_equal(txn_init(bench, &client), ERROR_NONE);
    assert_int_equal(txn_add(bench, &client, "t", 0), ERROR_NONE);
    bench->holds_appends = true;
    struct end_txn_request request = end_txn_request_default;
    uint8_t body[256];
    struct writer writer;
    request.transactional_id = text_of(client.id);
    request.producer_id = client.producer_id;
    request.producer_epoch = client.epoch;
    request.committed = true;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(end_txn_request_encode(&writer, 4, &request), CODEC_OK);
    (void)bench_send(bench, API_END_TXN, 4, (struct bytes){body, writer_used(&writer)});
    bench_turns(bench, 20);
    bench->holds_appends = false;
    bench->append_error = ERROR_KAFKA_STORAGE_ERROR; /* For the marker. */
    bench_release(bench);
    bench_turns(bench, 5);
    assert_int_equal(markers_in(bench, 0), 0);
    state_is(bench, "a", "PrepareCommit");
    bench->append_error = ERROR_NONE;
    bench_turns(bench, 200);
    assert_int_equal(markers_in(bench, 0), 1);
    state_is(bench, "a", "CompleteCommit");
    bench_free(bench);
}

static void a_topic_that_is_gone_keeps_no_transaction_open(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    assert_int_equal(bench_create_topic(bench, "gone", 1), ERROR_NONE);
    assert_int_equal(txn_init(bench, &client), ERROR_NONE);
    assert_int_equal(txn_add(bench, &client, "gone", 0), ERROR_NONE);
    assert_int_equal(txn_add(bench, &client, "t", 0), ERROR_NONE);
    assert_int_equal(bench_delete_topic(bench, "gone"), ERROR_NONE);
    assert_int_equal(txn_end(bench, &client, false), ERROR_NONE);
    bench_turns(bench, 20);
    assert_int_equal(markers_in(bench, 0), 100);
    state_is(bench, "a", "CompleteAbort");
    bench_free(bench);
}

/* The marker waits behind a record of the group's when the topic goes. */
static void offsets_that_are_gone_keep_no_transaction_open(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    assert_int_equal(txn_init(bench, &client), ERROR_NONE);
    struct add_offsets_to_txn_request add = add_offsets_to_txn_request_default;
    struct add_offsets_to_txn_response added;
    add.transactional_id = text_of(client.id);
    add.producer_id = client.producer_id;
    add.producer_epoch = client.epoch;
    add.group_id = text_of("g");
    assert_true(ASK(bench, ADD_OFFSETS_TO_TXN, add_offsets_to_txn, 3, &add, &added));
    assert_int_equal(added.error_code, ERROR_NONE);
    bench->holds_appends = true;
    struct end_txn_request end = end_txn_request_default;
    uint8_t body[256];
    struct writer writer;
    end.transactional_id = text_of(client.id);
    end.producer_id = client.producer_id;
    end.producer_epoch = client.epoch;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(end_txn_request_encode(&writer, 4, &end), CODEC_OK);
    (void)bench_send(bench, API_END_TXN, 4, (struct bytes){body, writer_used(&writer)});
    bench_turns(bench, 20);
    struct join_group_request join = join_group_request_default;
    join.group_id = text_of("g");
    join.session_timeout_ms = 10000;
    join.rebalance_timeout_ms = 10000;
    join.protocol_type = text_of("consumer");
    const struct join_group_request_protocol protocol = {.name = text_of("range"),
                                                         .metadata = CHAIN_EMPTY};
    join.protocols.items = &protocol;
    join.protocols.count = 1;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(join_group_request_encode(&writer, 3, &join), CODEC_OK);
    (void)bench_send(bench, API_JOIN_GROUP, 3, (struct bytes){body, writer_used(&writer)});
    bench_turns(bench, 20);
    assert_int_equal(bench->held_count, 2);
    const struct bench_held group = bench->held_appends[1];
    bench->held_count = 1;
    bench_release(bench); /* The end is decided; the group's record is still on its way. */
    bench_turns(bench, 5);
    bench->held_appends[0] = group;
    bench->held_count = 1;
    struct delete_topics_request_topic gone = delete_topics_request_topic_default;
    struct delete_topics_request delete = delete_topics_request_default;
    gone.name = text_of("__consumer_offsets");
    delete.topics.items = &gone;
    delete.topics.count = 1;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(delete_topics_request_encode(&writer, 6, &delete), CODEC_OK);
    (void)bench_send(bench, API_DELETE_TOPICS, 6, (struct bytes){body, writer_used(&writer)});
    bench_turns(bench, 5);
    bench->holds_appends = false;
    bench_release(bench);
    bench_turns(bench, 300);
    assert_null(bench_topic(bench, "__consumer_offsets"));
    state_is(bench, "a", "CompleteAbort");
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_partition_of_the_transaction_gets_its_marker),
        cmocka_unit_test(a_marker_that_found_no_room_is_tried_again),
        cmocka_unit_test(a_topic_that_is_gone_keeps_no_transaction_open),
        cmocka_unit_test(offsets_that_are_gone_keep_no_transaction_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
