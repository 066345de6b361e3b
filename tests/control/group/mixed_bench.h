/* Groups that have members of both protocols, on the bench of the coordinator. */
#ifndef TESTS_CONTROL_GROUP_MIXED_BENCH_H
#define TESTS_CONTROL_GROUP_MIXED_BENCH_H

#include "tests/control/group/consumer_bench.h"

/* A group with four partitions of t, and nothing in the trace: a#01 and b#02 speak the classic
 * protocol and are stable in generation 1; a#01 has t/0 and t/1, b#02 the others. */
static inline void classic_pair(struct group_bench *bench)
{
    bench_topic(bench, "t", 4);
    JOIN(.client = "a", .protocols = "range:@t");
    JOIN(.client = "b", .protocols = "range:@t");
    bench_run_to(bench, bench->now_ms + 6000);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    SYNC(.client = "a", .member = "a#01", .generation = 1, .assign = "a#01=@t/0+t/1 b#02=@t/2+t/3");
    bench_forget(bench);
}

/* The same, with c of the consumer protocol: the group is in epoch 2, and nobody has given up
 * anything yet. */
static inline void mixed_three(struct group_bench *bench)
{
    classic_pair(bench);
    BEAT(.member = "c");
    bench_forget(bench);
}

/* One of each: t/0 and t/1 for a, t/2 and t/3 for b, which speaks the classic protocol; all is
 * settled in epoch 2. */
static inline void mixed_pair(struct group_bench *bench)
{
    bench_topic(bench, "t", 4);
    BEAT(.member = "a");
    JOIN(.client = "b", .member = "b", .version = 5, .protocols = "range:@t!");
    BEAT(.member = "a", .epoch = 1, .owned = "");
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/1");
    JOIN(.client = "b", .member = "b", .version = 5, .protocols = "range:@t!");
    SYNC(.client = "b", .member = "b", .generation = 2);
    bench_forget(bench);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

#endif
