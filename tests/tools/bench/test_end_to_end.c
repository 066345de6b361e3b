#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#include "dataplane/kafka/errors.h"
#include "tests/tools/client/fake_broker.h"
#include "tools/bench/options.h"
#include "tools/bench/run.h"

enum { RATE = 100, SECONDS = 1, STALLED_RATE = 50, STALLED_SECONDS = 3, STALL_US = 2000000 };

struct bench {
    struct fake_broker *broker;
    struct bench_options options;
    struct report report;
    struct run run;
    bool ok;
};

static int setup(void **state)
{
    static struct bench bench;
    char words[] = "e2e";
    char *argv[] = {words};
    bool help = false;
    bench = (struct bench){.broker = fake_broker_new()};
    assert_int_equal(bench_options_parse(&bench.options, 1, argv, &help), 0);
    bench.options.bootstrap = bench.broker->bootstrap;
    bench.options.topic = bench.broker->topic;
    bench.options.rate_per_s = RATE;
    bench.options.seconds = SECONDS;
    bench.options.warm_up_seconds = 0;
    bench.options.in_flight = 4;
    bench.run = (struct run){.options = &bench.options, .report = &bench.report};
    assert_true(payload_create(&bench.run.payload, 0, 100, 1, 1));
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    payload_destroy(&bench->run.payload);
    fake_broker_free(bench->broker);
    return 0;
}

static void *run_thread(void *argument)
{
    struct bench *bench = argument;
    bench->ok = run_end_to_end(&bench->run);
    return NULL;
}

static void every_record_that_was_due_is_read(void **state)
{
    struct bench *bench = *state;
    fake_broker_start(bench->broker);
    (void)run_thread(bench);
    assert_true(bench->ok);
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
    (void)pthread_join(thread, NULL);
    assert_true(bench->ok);
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
    (void)run_thread(bench);
    assert_true(bench->ok);
    assert_int_equal(bench->report.errors, 1);
    assert_int_equal(bench->report.first_error, ERROR_KAFKA_STORAGE_ERROR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_record_that_was_due_is_read),
        TEST(a_stall_over_the_end_is_waited_for_by_all_that_was_due),
        TEST(a_refused_record_is_counted_and_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
