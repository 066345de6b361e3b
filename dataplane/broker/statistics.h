/* What a core counts, for the service thread to read: written by the core alone, read by others
 * with relaxed loads, so values of one moment need not fit together. */
#ifndef DATAPLANE_BROKER_STATISTICS_H
#define DATAPLANE_BROKER_STATISTICS_H

#include "storage/base/histogram.h"

/* Stages of a request's life; the histograms are in nanoseconds. */
enum broker_stage {
    STAGE_RECEIVE, /* First byte of the frame to the handler. */
    STAGE_PARSE,  /* From there to where the log, another core or control has it: the mean of what a
                     connection sent at once, of one such run in PARSE_RUNS. */
    STAGE_APPEND, /* Handed to the log to copied. */
    STAGE_SUBMIT, /* Copied to submitted to the disk. */
    STAGE_DURABLE, /* Submitted to durable as the acks ask. */
    STAGE_RESPOND, /* Answer known to all of its bytes sent. */
    STAGE_COUNT,
};

#define BROKER_COUNTERS(X)                                                   \
    X(connections_opened)                                                    \
    X(connections_closed)                                                    \
    X(connections_refused)     /* Over a limit. */                           \
    X(connections_bad_frame)   /* Closed: frame length out of range (B1). */ \
    X(connections_bad_request) /* Closed: header or body does not parse, or  \
                                  API or version unknown (B3). */            \
    X(connections_idle_closed)                                               \
    X(connections_stall_closed)    /* Took nothing, or sent too slowly. */   \
    X(connections_overload_closed) /* No memory to hold what it sent. */     \
    X(connections_acks0_closed)    /* B17. */                                \
    X(requests)                                                              \
    X(request_bytes)                                                         \
    X(responses)                                                             \
    X(response_bytes)                                                        \
    X(produce_bytes)                                                         \
    X(produce_batches)                                                       \
    X(produce_errors)                                                        \
    X(fetch_bytes)                                                           \
    X(fetch_parked)                                                          \
    X(fetch_errors)                                                          \
    X(fetch_reads_short) /* Answered empty for want of memory. */            \
    X(fetch_sessions_created)                                                \
    X(fetch_sessions_evicted)                                                \
    X(frames_copied) /* Received bytes moved out of receive buffers. */      \
    X(frames_waited) /* Frames that waited for memory. */                    \
    X(mail_local)                                                            \
    X(mail_remote)                                                           \
    X(slow_requests)                                                         \
    X(slow_timeouts)                                                         \
    X(slow_refused)  /* Answered at once: control away. */                   \
    X(slow_stale)    /* Answers for what no longer waits. */                 \
    X(slow_starved)  /* Answers dropped for want of output memory. */        \
    X(slow_cut_off)  /* Long answers that could not go on. */                \
    X(log_busy)      /* Appends that waited for room in the arena. */        \
    X(output_waited) /* Responses that waited for output memory. */          \
    X(responses_too_large)                                                   \
    X(connections_now)                                                       \
    X(requests_now)                                                          \
    X(partitions_now)                                                        \
    X(fetch_sessions_now)

struct broker_counters {
#define X(name) uint64_t name;
    BROKER_COUNTERS(X)
#undef X
};

/* Per API key as in the dispatch table's order. */
enum { BROKER_API_SLOTS = 64 };

struct broker_statistics {
    struct broker_counters counters;
    uint64_t requests_by_api[BROKER_API_SLOTS];
    uint64_t errors_by_api[BROKER_API_SLOTS];
    struct histogram stages[STAGE_COUNT];
    struct histogram produce_ns; /* Last byte in to last byte out. */
    struct histogram fetch_ns;
};

const char *broker_stage_name(enum broker_stage stage);

/* One writer: a plain increment that other threads may read. */
static inline void counter_add(uint64_t *counter, uint64_t amount)
{
    __atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}

static inline void counter_set(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline uint64_t counter_read(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
