#include <pthread.h>
#include <unistd.h>

#include "tests/tools/bench/run_bench.h"

enum { RATE = 100, SECONDS = 1, STALLED_RATE = 50, STALLED_SECONDS = 3, STALL_US = 2000000 };

static int setup(void **state)
{
    char kind[] = "e2e";
    struct bench *bench = run_bench_new(kind);
    bench->options.rate_per_s = RATE;
    bench->options.seconds = SECONDS;
    bench->options.in_flight = 4;
    *state = bench;
    return 0;
}

/* NULL when it failed. */
static void *run_thread(void *argument)
{
    struct bench *bench = argument;
    return run_end_to_end(&bench->run) ? bench : NULL;
}

static void every_record_that_was_due_is_read(void **state)
{
    struct bench *bench = *state;
    fake_broker_start(bench->broker);
    assert_true(run_end_to_end(&bench->run));
    assert_int_equal(bench->report.offered, RATE * SECONDS);
    assert_int_equal(bench->report.latency_ns.count, RATE * SECONDS);
    assert_in_range(bench->report.requests, 1, RATE * SECONDS);
    assert_false(bench->report.verify_failed);
}

static void a_stall_over_the_end_is_waited_for_by_all_that_was_due(void **state)
{
    struct bench *bench = *state;
    const volatile uint32_t *produced = &bench->broker->requests[API_PRODUCE];
    pthread_t thread;
    bench->options.rate_per_s = STALLED_RATE;
    bench->options.seconds = STALLED_SECONDS;
    fake_broker_start(bench->broker);
    assert_int_equal(pthread_create(&thread, NULL, run_thread, bench), 0);
    while (*produced < STALLED_RATE * STALLED_SECONDS / 2) { /* In the middle, whenever it began. */
        (void)usleep(1000);
    }
    fake_broker_stop(bench->broker);
    (void)usleep(STALL_US);
    fake_broker_start(bench->broker);
    void *ended_well = NULL;
    assert_int_equal(pthread_join(thread, &ended_well), 0);
    assert_non_null(ended_well);
    assert_int_equal(bench->report.offered, STALLED_RATE * STALLED_SECONDS);
    assert_int_equal(bench->report.latency_ns.count, STALLED_RATE * STALLED_SECONDS);
    assert_true(bench->report.requests <
                STALLED_RATE * STALLED_SECONDS); /* Achieved in the measured time. */
    assert_true(bench->report.latency_ns.max >= STALL_US * 1000ull / 2);
}

static void a_refused_record_is_counted_and_not_waited_for(void **state)
{
    struct bench *bench = *state;
    bench->broker->error[API_PRODUCE] = ERROR_KAFKA_STORAGE_ERROR;
    bench->broker->times[API_PRODUCE] = 1;
    fake_broker_start(bench->broker);
    assert_true(run_end_to_end(&bench->run));
    assert_int_equal(bench->report.errors, 1);
    assert_int_equal(bench->report.first_error, ERROR_KAFKA_STORAGE_ERROR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, run_bench_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_record_that_was_due_is_read),
        TEST(a_stall_over_the_end_is_waited_for_by_all_that_was_due),
        TEST(a_refused_record_is_counted_and_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
