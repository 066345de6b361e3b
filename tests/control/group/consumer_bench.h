/* Consumer groups on the bench of the coordinator. Written down besides what bench.h says:
 *
 *     a: beat NONE epoch 2 [t/0 t/1]       a reply; the brackets only where it has an assignment
 *     + epoch g 2                          the group's epoch
 *     + member g a t+u                     what a member wants
 *     + member g a t classic 10000 range   and that it speaks the classic protocol
 *     + target g a [t/0]   + targets g 2   what it is to have; in which epoch all that was worked
 * out
 *     + has g a 2<1 stable [t/0] -[t/1]    its epoch, the one before, what it has and gives up
 *     + regex g ^t = t                     what matches
 */
#ifndef TESTS_CONTROL_GROUP_CONSUMER_BENCH_H
#define TESTS_CONTROL_GROUP_CONSUMER_BENCH_H

#include "tests/control/group/bench.h"

/* What a heartbeat says; epoch 0 has all that a join needs. */
struct beat_said {
    const char *group;    /* "g" */
    const char *member;   /* "a"; names the reply, too. */
    const char *instance; /* NULL: none. */
    const char *rack;
    const char *client;   /* "client" */
    const char *topics;   /* "t u"; "": an empty list. NULL: not told, but "t" when joining. */
    const char *regex;    /* NULL: not told. */
    const char *assignor; /* NULL: not told. */
    const char *owned;    /* "t/0 t/1". NULL: not told, but nothing when joining. */
    int32_t epoch;
    int32_t rebalance_ms; /* 0: 60000 when joining, else not told; -1: not told. */
    int16_t version;      /* 0: 1; -1: 0. */
};

void bench_beat(struct group_bench *bench, struct beat_said said);
/* A topic is made, grows or, with no partitions, goes. */
void bench_topic(struct group_bench *bench, const char *name, int32_t partitions);
/* Many at once: "prefix0000" and on. */
void bench_topics(struct group_bench *bench, const char *prefix, uint32_t count);
void bench_consumer_describe(struct group_bench *bench, const char *group);
/* Where the name's id is wanted. */
struct uuid bench_topic_id(const struct group_bench *bench, const char *name);
const char *bench_topic_name(const struct group_bench *bench, struct uuid id);

/* For bench.c. */
bool bench_put_consumer_record(struct group_bench *bench, const struct group_record *record);
bool bench_put_consumer_reply(struct group_bench *bench, const struct group_reply *reply);

#define BEAT(...) bench_beat(bench, (struct beat_said){__VA_ARGS__})

#endif
