#include "tests/tools/bench/run_bench.h"
#include "tools/bench/requests.h"

enum { BATCHES = 6, GOES_AFTER = 2 };

static int setup(void **state)
{
    char kind[] = "fetch";
    struct bench *bench = run_bench_new(kind);
    bench->options.partitions = 1;
    bench->options.verify = true;
    *state = bench;
    return 0;
}

/* The pool's batches stand one behind the other. */
static void fill(struct bench *bench)
{
    struct peer peer;
    assert_true(peer_open(&peer, bench->options.bootstrap, 1, 1 << 20));
    for (uint32_t i = 0; i < BATCHES; i++) {
        struct bytes frame;
        int16_t error;
        int64_t offset;
        requests_produce(peer_begin(&peer), bench->options.topic, 0, bench->run.payload.batches[i],
                         1);
        peer_end(&peer);
        assert_true(peer_call(&peer, &frame));
        assert_true(requests_produce_answer(frame, &error, &offset));
        assert_int_equal(error, ERROR_NONE);
    }
    peer_close(&peer);
}

static int64_t batch_offset(const struct fake_broker *broker, uint32_t batch)
{
    struct batch_header header;
    assert_int_equal(batch_parse(chain_of(&broker->partitions[0].batches[batch]), &header),
                     BATCH_OK);
    return header.base_offset;
}

/* Of the six batches four are gone when the third is asked for. */
static bool retention_goes_on(struct fake_broker *broker, int16_t key, int16_t version,
                              struct reader *reader, struct writer *writer)
{
    (void)version;
    (void)reader;
    (void)writer;
    if (key == API_FETCH && broker->requests[API_FETCH] == GOES_AFTER + 1) {
        broker->partitions[0].start = batch_offset(broker, BATCHES - 2);
    }
    return false;
}

static void what_retention_takes_while_it_is_read_again_is_not_missed(void **state)
{
    struct bench *bench = *state;
    bench->broker->other = retention_goes_on;
    fake_broker_start(bench->broker);
    fill(bench);
    assert_true(run_verify(&bench->run));
    assert_false(bench->report.verify_failed);
    const uint64_t read = GOES_AFTER + 2;
    assert_int_equal(bench->report.verified_bytes, read * bench->run.payload.batches[0].len);
}

static void what_is_not_there_is_missed(void **state)
{
    struct bench *bench = *state;
    fake_broker_start(bench->broker);
    fill(bench);
    bench->broker->partitions[0].end++;
    assert_true(run_verify(&bench->run));
    assert_true(bench->report.verify_failed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, run_bench_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_retention_takes_while_it_is_read_again_is_not_missed),
        TEST(what_is_not_there_is_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
