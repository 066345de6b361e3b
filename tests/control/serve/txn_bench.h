/* Transactions on the control bench: what a client would ask, and what it is told. */
#ifndef TESTS_CONTROL_SERVE_TXN_BENCH_H
#define TESTS_CONTROL_SERVE_TXN_BENCH_H

#include "storage/log/producers.h"
#include "tests/control/serve/serve_bench.h"

struct txn_client {
    const char *id;
    int64_t producer_id;
    int16_t epoch;
};

static inline int16_t find_txn(struct bench *bench, const char *id)
{
    struct find_coordinator_request request = find_coordinator_request_default;
    struct find_coordinator_response response;
    request.key = text_of(id);
    request.key_type = 1;
    assert_true(ASK(bench, FIND_COORDINATOR, find_coordinator, 3, &request, &response));
    return response.error_code;
}

/* With topic "t" of 4 partitions, and coordinators of both kinds that are ready. */
static inline struct bench *bench_with_txns(const char *const *extra)
{
    struct bench *bench = bench_with_groups(extra);
    (void)find_txn(bench, "x");
    bench_turns(bench, 200);
    assert_int_equal(find_txn(bench, "x"), ERROR_NONE);
    return bench;
}

static inline int16_t txn_init(struct bench *bench, struct txn_client *client)
{
    struct init_producer_id_request request = init_producer_id_request_default;
    struct init_producer_id_response response;
    request.transactional_id = text_of(client->id);
    request.transaction_timeout_ms = 60000;
    if (!ASK(bench, INIT_PRODUCER_ID, init_producer_id, 4, &request, &response)) {
        return bench->reply_error;
    }
    if (response.error_code == ERROR_NONE) {
        client->producer_id = response.producer_id;
        client->epoch = response.producer_epoch;
    }
    return response.error_code;
}

static inline int16_t txn_add(struct bench *bench, const struct txn_client *client,
                              const char *topic, int32_t partition)
{
    struct add_partitions_to_txn_request_topic named = add_partitions_to_txn_request_topic_default;
    struct add_partitions_to_txn_request request = add_partitions_to_txn_request_default;
    struct add_partitions_to_txn_response response;
    struct add_partitions_to_txn_response_topic told;
    struct add_partitions_to_txn_response_partition got;
    named.name = text_of(topic);
    named.partitions.items = &partition;
    named.partitions.count = 1;
    request.v3_and_below_transactional_id = text_of(client->id);
    request.v3_and_below_producer_id = client->producer_id;
    request.v3_and_below_producer_epoch = client->epoch;
    request.v3_and_below_topics.items = &named;
    request.v3_and_below_topics.count = 1;
    assert_true(ASK(bench, ADD_PARTITIONS_TO_TXN, add_partitions_to_txn, 3, &request, &response));
    assert_true(add_partitions_to_txn_response_topic_array_next(
        &response.results_by_topic_v3_and_below, &told));
    assert_true(
        add_partitions_to_txn_response_partition_array_next(&told.results_by_partition, &got));
    return got.partition_error_code;
}

static inline int16_t txn_end(struct bench *bench, const struct txn_client *client, bool commits)
{
    struct end_txn_request request = end_txn_request_default;
    struct end_txn_response response;
    request.transactional_id = text_of(client->id);
    request.producer_id = client->producer_id;
    request.producer_epoch = client->epoch;
    request.committed = commits;
    if (!ASK(bench, END_TXN, end_txn, 4, &request, &response)) {
        return bench->reply_error;
    }
    return response.error_code;
}

/* Markers in a partition of "t": commits count one, aborts a hundred. */
static inline uint32_t markers_in(struct bench *bench, uint32_t partition)
{
    const struct bench_log *log = bench_log(bench, &bench_topic(bench, "t")->id, partition);
    struct bytes rest = {log->bytes, log->len};
    struct batch_header header;
    struct bytes batch;
    struct marker marker;
    uint32_t found = 0;
    while (batch_next(&rest, &header, &batch) == BATCH_OK) {
        if (batch_is_control(&header) && producers_marker(chain_of(&batch), &marker)) {
            found += marker.commit ? 1 : 100;
        }
    }
    return found;
}

/* The state of an id in words. */
static inline void state_is(struct bench *bench, const char *id, const char *want)
{
    struct chain key = text_of(id);
    struct describe_transactions_request request = describe_transactions_request_default;
    struct describe_transactions_response response;
    struct describe_transactions_response_transaction one;
    request.transactional_ids = (struct string_array){.items = &key, .count = 1};
    assert_true(ASK(bench, DESCRIBE_TRANSACTIONS, describe_transactions, 0, &request, &response));
    assert_true(
        describe_transactions_response_transaction_array_next(&response.transaction_states, &one));
    assert_true(chain_is(one.transaction_state, want));
}

#endif
