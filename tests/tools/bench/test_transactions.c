#include <unistd.h>

#include "tests/tools/bench/run_bench.h"

enum { LATE_US = 5000 }; /* A batch each: what the broker holds is bounded. */

static struct {
    int16_t epoch; /* Of the producer, one more with each end. */
    int32_t sequence;
    uint32_t batches, ends;
    uint32_t open;  /* Batches of the transaction. */
    uint32_t loses; /* Acknowledges that one without keeping it; 0: none. */
    uint32_t refuses;
    uint32_t most_open;
} seen;

static int16_t take_batch(struct fake_broker *broker,
                          const struct produce_request_partition *partition)
{
    struct batch_header header;
    assert_int_equal(batch_parse(partition->records, &header), BATCH_OK);
    assert_int_equal(batch_check_crc(partition->records, &header), BATCH_OK);
    assert_true(batch_is_transactional(&header));
    assert_int_equal(header.producer_epoch, seen.epoch);
    if (seen.open == 0 && seen.refuses > 0) {
        seen.refuses--;
        return ERROR_CONCURRENT_TRANSACTIONS;
    }
    assert_int_equal(header.base_sequence, seen.sequence);
    seen.sequence += header.record_count;
    seen.open++;
    seen.most_open = seen.open > seen.most_open ? seen.open : seen.most_open;
    if (++seen.batches != seen.loses) {
        fake_broker_append(broker, (uint32_t)partition->index, chain_first(partition->records));
    }
    return ERROR_NONE;
}

static void answer_produce(struct fake_broker *broker, int16_t version, struct reader *reader,
                           struct writer *writer)
{
    struct produce_request request;
    struct produce_request_topic topic;
    struct produce_request_partition partition;
    struct produce_response_partition one = produce_response_partition_default;
    struct produce_response_topic topic_out = produce_response_topic_default;
    struct produce_response response = produce_response_default;
    assert_int_equal(produce_request_decode(reader, version, &request), CODEC_OK);
    assert_int_equal(request.acks, -1);
    assert_false(chain_is_null(request.transactional_id));
    assert_true(produce_request_topic_array_next(&request.topic_data, &topic));
    assert_true(produce_request_partition_array_next(&topic.partition_data, &partition));
    one.index = partition.index;
    one.error_code = take_batch(broker, &partition);
    topic_out.name = topic.name;
    topic_out.partition_responses.items = &one;
    topic_out.partition_responses.count = 1;
    response.responses.items = &topic_out;
    response.responses.count = 1;
    assert_int_equal(produce_response_encode(writer, version, &response), CODEC_OK);
    (void)usleep(LATE_US);
}

static bool coordinator(struct fake_broker *broker, int16_t key, int16_t version,
                        struct reader *reader, struct writer *writer)
{
    if (key == API_PRODUCE) {
        answer_produce(broker, version, reader, writer);
    } else if (key == API_END_TXN) {
        struct end_txn_request request;
        struct end_txn_response response = end_txn_response_default;
        assert_int_equal(end_txn_request_decode(reader, version, &request), CODEC_OK);
        assert_true(request.committed);
        assert_int_equal(request.producer_epoch, seen.epoch);
        assert_true(seen.open > 0);
        seen.ends++;
        seen.open = 0;
        seen.sequence = 0;
        response.producer_id = request.producer_id;
        response.producer_epoch = ++seen.epoch;
        assert_int_equal(end_txn_response_encode(writer, version, &response), CODEC_OK);
    }
    return key == API_PRODUCE || key == API_END_TXN;
}

static int setup(void **state)
{
    static char kind[] = "transactions";
    struct bench *bench = run_bench_new(kind);
    memset(&seen, 0, sizeof(seen));
    bench->broker->other = coordinator;
    *state = bench;
    return 0;
}

static void a_transaction_is_one_batch_and_its_end(void **state)
{
    struct bench *bench = *state;
    seen.refuses = 2;
    fake_broker_start(bench->broker);
    assert_true(run_transactions(&bench->run));
    fake_broker_stop(bench->broker);
    assert_false(bench->report.verify_failed);
    assert_int_equal(seen.most_open, 1);
    assert_int_equal(seen.ends, seen.batches);
    assert_in_range(bench->report.requests, 1, seen.ends);
    assert_int_equal(bench->report.latency_ns.count, bench->report.requests);
    assert_int_equal(bench->report.records,
                     bench->report.requests * bench->run.payload.records_per_batch);
}

static void one_that_is_filled_for_a_while_has_more(void **state)
{
    struct bench *bench = *state;
    bench->options.transaction_ms = 100;
    fake_broker_start(bench->broker);
    assert_true(run_transactions(&bench->run));
    fake_broker_stop(bench->broker);
    assert_false(bench->report.verify_failed);
    assert_true(seen.most_open > 1);
    assert_true(seen.ends < seen.batches);
}

static void a_batch_that_is_not_there_is_told(void **state)
{
    struct bench *bench = *state;
    seen.loses = 1;
    fake_broker_start(bench->broker);
    assert_true(run_transactions(&bench->run));
    assert_true(bench->report.verify_failed);
    assert_non_null(strstr(bench->report.verify_note, "were committed"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, run_bench_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_transaction_is_one_batch_and_its_end),
        TEST(one_that_is_filled_for_a_while_has_more),
        TEST(a_batch_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests_name("bench_transactions", tests, NULL, NULL);
}
