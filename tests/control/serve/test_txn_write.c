#include "control/serve/txn_write.h"

#include <stdlib.h>

#include "tests/control/serve/txn_bench.h"

/* What the partitions of one topic said, in order. */
struct told {
    int16_t errors[4];
    uint32_t count;
};

/* An abort of that producer in the partitions. */
static struct told abort_in(struct bench *bench, int64_t producer_id, const char *topic,
                            const int32_t *partitions, int32_t count)
{
    const struct write_txn_markers_request_topic named = {text_of(topic),
                                                          {.items = partitions, .count = count}};
    struct write_txn_markers_request_marker marker = write_txn_markers_request_marker_default;
    struct write_txn_markers_request request = write_txn_markers_request_default;
    struct write_txn_markers_response response;
    struct write_txn_markers_response_marker got;
    struct write_txn_markers_response_topic topic_got;
    struct write_txn_markers_response_partition one;
    struct told told = {.count = 0};
    marker.producer_id = producer_id;
    marker.topics.items = &named;
    marker.topics.count = 1;
    request.markers.items = &marker;
    request.markers.count = 1;
    assert_true(ASK(bench, WRITE_TXN_MARKERS, write_txn_markers, 2, &request, &response));
    assert_int_equal(response.markers.count, 1);
    assert_true(write_txn_markers_response_marker_array_next(&response.markers, &got));
    assert_true(got.producer_id == producer_id);
    assert_true(write_txn_markers_response_topic_array_next(&got.topics, &topic_got));
    assert_true(chain_is(topic_got.name, topic));
    while (write_txn_markers_response_partition_array_next(&topic_got.partitions, &one)) {
        assert_int_equal(one.partition_index, partitions[told.count]);
        told.errors[told.count++] = one.error_code;
    }
    assert_int_equal(told.count, count);
    return told;
}

static void markers_of_others_are_written_where_they_are_asked_for(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    static const int32_t partitions[] = {0, 9, 2};
    const struct told told = abort_in(bench, 7, "t", partitions, 3);
    assert_int_equal(told.errors[0], ERROR_NONE);
    assert_int_equal(told.errors[1], ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(told.errors[2], ERROR_NONE);
    for (uint32_t partition = 0; partition < 4; partition++) {
        assert_int_equal(markers_in(bench, partition), partition % 2 == 0 ? 100 : 0);
    }
    bench_free(bench);
}

static void what_a_partition_refuses_is_told(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    static const int32_t partitions[] = {0, 1};
    bench->append_error = ERROR_INVALID_PRODUCER_EPOCH;
    const struct told refused = abort_in(bench, 7, "t", partitions, 2);
    assert_int_equal(refused.errors[0], ERROR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(refused.errors[1], ERROR_INVALID_PRODUCER_EPOCH);
    bench->append_error = ERROR_NONE;
    assert_int_equal(abort_in(bench, 7, "nowhere", partitions, 1).errors[0],
                     ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(abort_in(bench, -1, "t", partitions, 1).errors[0], ERROR_UNKNOWN_SERVER_ERROR);
    assert_int_equal(markers_in(bench, 0), 0);
    bench_free(bench);
}

/* They go through the coordinator, which keeps the offsets of the transaction. */
static void markers_among_offsets_go_through_their_coordinator(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    static const int32_t partitions[] = {0};
    const struct bench_log *log =
        bench_log(bench, &bench_topic(bench, "__consumer_offsets")->id, 0);
    const uint32_t before = log->len;
    assert_int_equal(abort_in(bench, 7, "__consumer_offsets", partitions, 1).errors[0], ERROR_NONE);
    assert_true(log->len > before);
    bench->append_error = ERROR_TRANSACTION_COORDINATOR_FENCED;
    assert_int_equal(abort_in(bench, 7, "__consumer_offsets", partitions, 1).errors[0],
                     ERROR_TRANSACTION_COORDINATOR_FENCED);
    bench->append_error = ERROR_NONE;
    assert_int_equal(abort_in(bench, 7, "__consumer_offsets", partitions, 1).errors[0], ERROR_NONE);
    bench_free(bench);
}

/* An abort of producer 7 in so many partitions, or in the same ones again; its number. */
static uint64_t send_aborts(struct bench *bench, int32_t count)
{
    int32_t *partitions = calloc((size_t)count, sizeof(partitions[0]));
    const uint32_t room = (uint32_t)count * 4 + 256;
    uint8_t *body = malloc(room);
    assert_true(partitions != NULL && body != NULL);
    for (int32_t i = 0; i < count; i++) {
        partitions[i] = i % 4;
    }
    const struct write_txn_markers_request_topic named = {text_of("t"),
                                                          {.items = partitions, .count = count}};
    struct write_txn_markers_request_marker marker = write_txn_markers_request_marker_default;
    struct write_txn_markers_request request = write_txn_markers_request_default;
    struct writer writer;
    marker.producer_id = 7;
    marker.topics.items = &named;
    marker.topics.count = 1;
    request.markers.items = &marker;
    request.markers.count = 1;
    writer_init(&writer, body, room);
    assert_int_equal(write_txn_markers_request_encode(&writer, 1, &request), CODEC_OK);
    const uint64_t number =
        bench_send(bench, API_WRITE_TXN_MARKERS, 1, (struct bytes){body, writer_used(&writer)});
    free(body);
    free(partitions);
    return number;
}

/* Coordinators' own appends need not wait behind them. */
static void a_few_are_sent_at_a_time(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    bench->holds_appends = true;
    const uint64_t number = send_aborts(bench, 40);
    bench_turns(bench, 5);
    assert_int_equal(bench->held_count, 32);
    bench_release(bench);
    bench_turns(bench, 5);
    assert_int_equal(bench->held_count, 8);
    assert_true(bench->reply_number != number);
    bench->holds_appends = false;
    bench_release(bench);
    bench_turns(bench, 5);
    assert_true(bench->reply_number == number);
    for (uint32_t partition = 0; partition < 4; partition++) {
        assert_int_equal(markers_in(bench, partition), 1000);
    }
    bench_free(bench);
}

/* All requests together take no more memory than one may. */
static void what_is_too_much_at_once_is_to_be_asked_again(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    bench->holds_appends = true;
    const uint64_t first = send_aborts(bench, 12000);
    bench_turns(bench, 5);
    const uint64_t second = send_aborts(bench, 12000);
    bench_turns(bench, 5);
    assert_true(bench->reply_number == second);
    assert_int_equal(bench->reply_error, ERROR_NOT_LEADER_OR_FOLLOWER);
    const uint64_t third = send_aborts(bench, 20001);
    bench_turns(bench, 5);
    assert_true(bench->reply_number == third);
    assert_int_equal(bench->reply_error, ERROR_POLICY_VIOLATION);
    const uint64_t fourth = send_aborts(bench, 4);
    bench->holds_appends = false;
    bench_release(bench);
    for (uint32_t i = 0; i < 5000 && bench->reply_number != fourth; i++) {
        bench_turn(bench);
    }
    assert_true(first < fourth && bench->reply_number == fourth);
    assert_int_equal(bench->reply_error, ERROR_NONE);
    static const int32_t partitions[] = {0, 1};
    assert_int_equal(abort_in(bench, 7, "t", partitions, 2).errors[1], ERROR_NONE);
    bench_free(bench);
}

/* The session may end while they are on their way: nobody is told, and nothing is left. */
static void a_session_that_ends_leaves_nothing(void **state)
{
    (void)state;
    struct bench *bench = bench_with_txns(NULL);
    static const int32_t partitions[] = {0, 1};
    bench->holds_appends = true;
    (void)send_aborts(bench, 34);
    bench_turns(bench, 5);
    assert_int_equal(bench->held_count, 32);
    bench->held_count = 0;
    bench->holds_appends = false;
    bench_stop_dataplane(bench);
    bench_start_dataplane(bench);
    bench_turns(bench, 200);
    assert_int_equal(abort_in(bench, 8, "t", partitions, 2).errors[1], ERROR_NONE);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markers_of_others_are_written_where_they_are_asked_for),
        cmocka_unit_test(what_a_partition_refuses_is_told),
        cmocka_unit_test(markers_among_offsets_go_through_their_coordinator),
        cmocka_unit_test(a_few_are_sent_at_a_time),
        cmocka_unit_test(what_is_too_much_at_once_is_to_be_asked_again),
        cmocka_unit_test(a_session_that_ends_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
