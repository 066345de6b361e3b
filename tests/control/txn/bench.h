/* A coordinator of transactions on virtual time. What comes out of each step is written down:
 *
 *     init NONE 1000/0                              a reply: producer id and epoch
 *     add NONE NONE                                 one word per partition
 *     + x Ongoing 1000/0 tv 0 [t/0 t/1]             a record; "prev" and "next" ids when there
 *     - x                                           a tombstone
 *     ! x commit 1000/1 tv 2 [t/0 t/1]              a marker is asked for
 */
#ifndef TESTS_CONTROL_TXN_BENCH_H
#define TESTS_CONTROL_TXN_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/txn/txn.h"
#include "dataplane/kafka/errors.h"

enum { TXN_TRACE_BYTES = 1 << 16, TXN_LOG_MAX = 1 << 17, TXN_OPEN_MAX = 256 };

/* A marker that was asked for and is not written yet. */
struct bench_marker {
    char id[16];
    int64_t producer_id;
    int16_t epoch;
    bool committed;
};

struct txn_bench {
    struct txn_settings settings;
    struct txn_coordinator *coordinator;
    struct arena arena;
    struct txn_update update;
    int64_t wall_ms;
    int64_t fresh_producer_id;
    char trace[TXN_TRACE_BYTES];
    uint32_t trace_used;
    bool quiet;
    /* The last answer. */
    int16_t error_code;
    int64_t producer_id;
    int16_t epoch;
    struct bench_marker markers[TXN_OPEN_MAX];
    uint32_t marker_count;
    struct txn_record *log;
    uint32_t log_count;
};

int txn_bench_up(void **state);
int txn_bench_down(void **state);
struct txn_bench *txn_bench_new(void);
void txn_bench_free(struct txn_bench *bench);

void bench_init(struct txn_bench *bench, const char *id, int64_t producer_id, int16_t epoch);
void bench_init_version(struct txn_bench *bench, int16_t version, const char *id,
                        int64_t producer_id, int16_t epoch, int32_t timeout_ms);
/* places: "t/0 t/1". */
void bench_add(struct txn_bench *bench, int16_t version, const char *id, int64_t producer_id,
               int16_t epoch, const char *places);
/* Of one topic; by producer 1000/0. */
void bench_add_many(struct txn_bench *bench, const char *id, const char *topic, int32_t first,
                    int32_t count);
void bench_verify(struct txn_bench *bench, const char *id, int64_t producer_id, int16_t epoch,
                  const char *places);
void bench_add_known(struct txn_bench *bench, const char *id, const char *places,
                     const struct txn_topic *known);
void bench_add_offsets(struct txn_bench *bench, int16_t version, const char *id,
                       int64_t producer_id, int16_t epoch);
void bench_end(struct txn_bench *bench, int16_t version, const char *id, int64_t producer_id,
               int16_t epoch, bool committed);
void bench_describe(struct txn_bench *bench, const char *id);
/* NULL and -1: not asked for. */
void bench_list(struct txn_bench *bench, const char *state, int64_t producer_id,
                int64_t duration_ms);
void bench_event(struct txn_bench *bench, enum txn_event_kind kind);
/* The oldest marker is written; false: there is none. */
bool bench_written(struct txn_bench *bench);

void bench_expect(struct txn_bench *bench, const char *trace);
void bench_forget(struct txn_bench *bench);
/* The last record did not reach the disk. */
void bench_lose(struct txn_bench *bench);
/* Throws the coordinator away and makes it again from its records. */
void bench_restart(struct txn_bench *bench);

#endif
