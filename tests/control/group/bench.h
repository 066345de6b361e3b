/* One coordinator of groups on virtual time. What comes out of each step is written down as text:
 *
 *     a: join NONE gen 1 range leader a#01 as a#01 [a#01=m b#02=m]     a reply, by who had asked
 *     + group g gen 1 consumer/range leader a#01 [a#01:m>x]            a record
 *     + offset g t/0 = 5 "note"       - offset g t/0      - group g    more records, tombstones
 *     @3000                                                            timers fired
 *
 * The n-th join makes an id of n where it makes one: "a#01" stands for
 * "a-01000000-0000-4000-8000-000000000000".
 */
#ifndef TESTS_CONTROL_GROUP_BENCH_H
#define TESTS_CONTROL_GROUP_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/group/group.h"
#include "dataplane/kafka/errors.h"

enum { GROUP_TRACE_BYTES = 1 << 16, GROUP_LOG_MAX = 1 << 18, BENCH_TOPICS_MAX = 512 };

struct group_bench_record {
    struct bytes key;
    struct bytes value;
    int64_t producer_id;
    bool is_end; /* Of a transaction. */
    bool committed;
};

struct group_bench_topic {
    char name[32];
    struct uuid id;
};

struct group_bench {
    struct group_settings settings;
    /* What there is, and all that ever was; see consumer_bench.h. */
    struct group_topics all_topics;
    struct group_topic topic_items[BENCH_TOPICS_MAX];
    uint32_t topic_by_id[BENCH_TOPICS_MAX];
    struct group_bench_topic topics_ever[BENCH_TOPICS_MAX];
    uint32_t topic_ever_count;
    int64_t metadata_hash; /* Of the last record of a consumer group. */
    struct group_coordinator *coordinator;
    struct arena arena; /* Of the last step. */
    struct group_update update;
    uint64_t now_ms;
    int64_t wall_ms;
    uint32_t ids; /* Joins so far. */
    uint64_t token;
    const char *names[256]; /* Who asked, by token. */
    char trace[GROUP_TRACE_BYTES];
    uint32_t trace_used;
    bool quiet;        /* No trace. */
    uint32_t walk_max; /* Of each step. */
    void (*on_reply)(void *context, const struct group_reply *reply);
    void *on_reply_context;
    struct group_bench_record *log;
    uint32_t log_count;
};

/* What a request says; the rest has sensible values. */
struct said {
    const char *group;     /* "g" */
    const char *client;    /* "a"; names the reply. */
    const char *member;    /* "" */
    const char *instance;  /* NULL: none. */
    const char *type;      /* "consumer" */
    const char *protocols; /* "range:m"; what starts with @ is a subscription: "range:@t+u"; what
                              it has behind that: "range:@t!t/0+t/1". */
    const char *assign;    /* "a#01=x b#02=y"; "a#01=@t/0+t/1": as consumers write it; "...!": with
                              data of an assignor of its own. */
    const char *topics;    /* "t/0=5 t/1=6:note u/0=1": offsets; "t/0 t/1": names. NULL: all. */
    const struct group_topic *known;
    int16_t version;      /* 3 */
    int32_t generation;   /* 0 */
    int32_t session_ms;   /* 10000 */
    int32_t rebalance_ms; /* 60000 */
    int64_t retention_ms; /* 0: none */
    int64_t producer_id;
    bool require_stable;
};

struct group_bench *group_bench_new(void);
void group_bench_free(struct group_bench *bench);
int group_bench_up(void **state);
int group_bench_down(void **state);

/* Each sends one event. */
void bench_join(struct group_bench *bench, struct said said);
void bench_sync(struct group_bench *bench, struct said said);
void bench_heartbeat(struct group_bench *bench, struct said said);
/* member and instance; versions below 3 send only the member. */
void bench_leave(struct group_bench *bench, struct said said);
void bench_commit(struct group_bench *bench, struct said said);
void bench_txn_commit(struct group_bench *bench, struct said said);
void bench_fetch(struct group_bench *bench, struct said said);
void bench_offset_delete(struct group_bench *bench, struct said said);
void bench_group(struct group_bench *bench, enum group_event_kind kind, struct said said);
void bench_list(struct group_bench *bench, const char *state, const char *type);
void bench_txn_end(struct group_bench *bench, int64_t producer_id, bool committed);
void bench_event(struct group_bench *bench, enum group_event_kind kind);
/* As who keeps the coordinator does before a commit of a transaction. */
void bench_txn_clear(struct group_bench *bench, struct said said);
void bench_topic_deleted(struct group_bench *bench, const char *topic);
/* What the request of that token has not been told: "..." at the end of its reply. */
void bench_more(struct group_bench *bench, uint64_t token);
/* Timers fire on the way. */
void bench_run_to(struct group_bench *bench, uint64_t now_ms);

/* For what comes besides. What requests point to lives in the arena of the step before, which is
 * freed by begin. */
struct arena *bench_begin(struct group_bench *bench);
void bench_step(struct group_bench *bench, struct group_event *event, const char *name);
__attribute__((format(printf, 2, 3))) void bench_put(struct group_bench *bench, const char *format,
                                                     ...);
/* Ids are shortened. */
void bench_put_text(struct group_bench *bench, struct chain text);

/* As consumers of classic groups write them, see struct said; an assignment is told as "<t/0 t/1>".
 */
struct chain bench_subscription(struct arena *arena, const char *said);
struct chain bench_assignment(struct arena *arena, const char *said);
void bench_put_assignment(struct group_bench *bench, struct chain bytes);

/* Compares what has come out, and forgets it. */
void bench_expect(struct group_bench *bench, const char *trace);
void bench_forget(struct group_bench *bench);

/* All but the first count records are forgotten. */
void bench_drop_records(struct group_bench *bench, uint32_t count);
/* Throws the coordinator away and makes it again from its records. */
void bench_restart(struct group_bench *bench);

/* Two members, a#01 and b#02, stable in generation 1; a#01 leads; nothing in the trace. */
void bench_stable(struct group_bench *bench);

#define JOIN(...)      bench_join(bench, (struct said){__VA_ARGS__})
#define SYNC(...)      bench_sync(bench, (struct said){__VA_ARGS__})
#define HEARTBEAT(...) bench_heartbeat(bench, (struct said){__VA_ARGS__})
#define LEAVE(...)     bench_leave(bench, (struct said){__VA_ARGS__})
#define COMMIT(...)    bench_commit(bench, (struct said){__VA_ARGS__})
#define TXN(...)       bench_txn_commit(bench, (struct said){__VA_ARGS__})
#define FETCH(...)     bench_fetch(bench, (struct said){__VA_ARGS__})

#endif
