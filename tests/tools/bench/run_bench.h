/* A run of the benchmarks against the fake broker. */
#ifndef TESTS_TOOLS_BENCH_RUN_BENCH_H
#define TESTS_TOOLS_BENCH_RUN_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/kafka/errors.h"
#include "tests/tools/client/fake_broker.h"
#include "tools/bench/options.h"
#include "tools/bench/run.h"

struct bench {
    struct fake_broker *broker;
    struct bench_options options;
    struct report report;
    struct run run;
};

/* Of that kind with one connection, for one second. */
static inline struct bench *run_bench_new(char *kind)
{
    static struct bench bench;
    char *argv[] = {kind};
    bool help = false;
    bench = (struct bench){.broker = fake_broker_new()};
    assert_int_equal(bench_options_parse(&bench.options, 1, argv, &help), 0);
    bench.options.bootstrap = bench.broker->bootstrap;
    bench.options.topic = bench.broker->topic;
    bench.options.partitions = FAKE_PARTITIONS;
    bench.options.connections = 1;
    bench.options.seconds = 1;
    bench.options.warm_up_seconds = 0;
    bench.run = (struct run){.options = &bench.options, .report = &bench.report};
    assert_true(payload_create(&bench.run.payload, bench.options.batch_bytes, 100, 1, 1));
    return &bench;
}

static inline int run_bench_free(void **state)
{
    struct bench *bench = *state;
    payload_destroy(&bench->run.payload);
    fake_broker_free(bench->broker);
    return 0;
}

#endif
