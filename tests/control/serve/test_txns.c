#include "tests/control/serve/txn_bench.h"

static void what_is_answered_survives_control(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    assert_int_equal(txn_init(bench, &client), ERROR_NONE);
    assert_int_equal(client.epoch, 0);
    assert_int_equal(txn_add(bench, &client, "t", 1), ERROR_NONE);
    bench_stop_control(bench);
    bench_start_control(bench);
    bench_turns(bench, 200);
    state_is(bench, "a", "Ongoing");
    assert_int_equal(txn_end(bench, &client, true), ERROR_NONE);
    bench_turns(bench, 10);
    assert_int_equal(markers_in(bench, 1), 1);
    struct txn_client again = {.id = "a"};
    assert_int_equal(txn_init(bench, &again), ERROR_NONE);
    assert_int_equal(again.producer_id, client.producer_id);
    assert_int_equal(again.epoch, 1);
    assert_int_equal(txn_add(bench, &client, "t", 1), ERROR_PRODUCER_FENCED);
    bench_free(bench);
}

/* The end is decided, control dies before a marker is out: the next one writes it. */
static void an_end_that_was_decided_is_carried_out_after_a_restart(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    assert_int_equal(txn_init(bench, &client), ERROR_NONE);
    assert_int_equal(txn_add(bench, &client, "t", 2), ERROR_NONE);
    bench->holds_appends = true; /* In the log, and nobody is told. */
    struct end_txn_request request = end_txn_request_default;
    uint8_t body[256];
    struct writer writer;
    request.transactional_id = text_of(client.id);
    request.producer_id = client.producer_id;
    request.producer_epoch = client.epoch;
    request.committed = false;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(end_txn_request_encode(&writer, 4, &request), CODEC_OK);
    (void)bench_send(bench, API_END_TXN, 4, (struct bytes){body, writer_used(&writer)});
    bench_turns(bench, 20);
    assert_int_equal(markers_in(bench, 2), 0);
    bench_stop_control(bench);
    bench->holds_appends = false;
    bench->held_count = 0;
    bench_start_control(bench);
    bench_turns(bench, 200);
    assert_int_equal(markers_in(bench, 2), 100);
    state_is(bench, "a", "CompleteAbort");
    bench_free(bench);
}

static void a_transaction_that_takes_too_long_is_aborted(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    assert_int_equal(txn_init(bench, &client), ERROR_NONE);
    assert_int_equal(txn_add(bench, &client, "t", 0), ERROR_NONE);
    bench_turns(bench, 55000);
    assert_int_equal(markers_in(bench, 0), 0);
    bench_turns(bench, 25000);
    assert_int_equal(markers_in(bench, 0), 100);
    assert_int_equal(txn_end(bench, &client, true), ERROR_PRODUCER_FENCED);
    bench_free(bench);
}

/* Control sleeps for a second where nothing happens: that is no pause. */
static void a_transaction_is_aborted_where_nothing_else_happens(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    struct txn_client client = {.id = "a"};
    assert_int_equal(txn_init(bench, &client), ERROR_NONE);
    assert_int_equal(txn_add(bench, &client, "t", 0), ERROR_NONE);
    for (uint32_t i = 0; i < 90; i++) {
        bench->now_ns += 1000000000;
        bench->wall_ms += 1000;
        bench_turn(bench);
    }
    bench_turns(bench, 50);
    assert_int_equal(markers_in(bench, 0), 100);
    bench_free(bench);
}

/* Whoever was not heard for as long as control stood still may be heard now. */
static void a_pause_of_control_aborts_no_transaction(void **state)
{
    (void)state;
    static const uint64_t away_ms[] = {3500, 30000}; /* Until after the transaction's 60 s. */
    for (uint32_t i = 0; i < ARRAY_SIZE(away_ms); i++) {
        struct bench *bench = bench_with_txns(NULL);
        struct txn_client client = {.id = "a"};
        assert_int_equal(txn_init(bench, &client), ERROR_NONE);
        assert_int_equal(txn_add(bench, &client, "t", 0), ERROR_NONE);
        bench_turns(bench, 57000);
        bench->now_ns += away_ms[i] * 1000000;
        bench->wall_ms += (int64_t)away_ms[i];
        bench_turns(bench, 50);
        assert_int_equal(markers_in(bench, 0), 0);
        assert_int_equal(txn_end(bench, &client, true), ERROR_NONE);
        bench_free(bench);
    }
}

static void nobody_is_woken_for_a_coordinator_that_cannot_be_read(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    assert_true(control_deadline_ns(bench->control) > bench->now_ns);
    txns_seat(bench->control->txns, 7)->ledger.state = LEDGER_AWAY;
    bench->control->phase = CONTROL_STOPPING;
    assert_true(control_deadline_ns(bench->control) > bench->now_ns);
    bench_free(bench);
}

static void without_the_topic_there_is_no_coordinator(void **state)
{
    (void)state;
    struct bench *bench = bench_new(1, NULL);
    struct txn_client client = {.id = "a"};
    assert_int_equal(txn_init(bench, &client), ERROR_NOT_COORDINATOR);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_answered_survives_control),
        cmocka_unit_test(an_end_that_was_decided_is_carried_out_after_a_restart),
        cmocka_unit_test(a_transaction_that_takes_too_long_is_aborted),
        cmocka_unit_test(a_transaction_is_aborted_where_nothing_else_happens),
        cmocka_unit_test(a_pause_of_control_aborts_no_transaction),
        cmocka_unit_test(nobody_is_woken_for_a_coordinator_that_cannot_be_read),
        cmocka_unit_test(without_the_topic_there_is_no_coordinator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
