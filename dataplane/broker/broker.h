/* The broker of one core: what runs above a transport and a log.
 *
 * Frames come in through the transport's user calls, are decoded and either served here (lane
 * FAST), with mail to the cores that own the partitions, or handed to the control process (lane
 * SLOW). It owns no thread and no memory but what it was given, reads no clock and never waits:
 * the core loop calls its turns. Any number of brokers run on one thread in simulation.
 *
 * The order of calls in one turn of the core:
 *
 *     broker_turn_begin(broker, now_ns, wall_ms);
 *     log_done_turn(log, ...);   broker_log_turn(broker, budget);     // disk -> acks, wake-ups
 *     broker_mail_turn(broker, budget);                               // from other cores
 *     transports' receive turns  -> on_open, on_data ... (these only queue)
 *     broker_frame_turn(broker, budget);                              // frames -> handlers
 *     broker_slow_turn(broker, budget);                               // control
 *     broker_timer_turn(broker, budget);    log_timer_turn(log, ...);
 *     broker_send_turn(broker);                                       // answers -> transports
 *     log_submit_turn(log, ...);  disk submit;  transports' send turns;  mail_flush(mailbox);
 *     channel_flush(channel);
 *
 * Threads: all calls of one broker from its core, except where a function says otherwise.
 */
#ifndef DATAPLANE_BROKER_BROKER_H
#define DATAPLANE_BROKER_BROKER_H

#include "dataplane/broker/limits.h"
#include "dataplane/broker/statistics.h"
#include "dataplane/mail/mail.h"
#include "dataplane/slowpath/channel.h"
#include "dataplane/slowpath/snapshot.h"
#include "dataplane/transport.h"
#include "storage/log/log.h"

struct broker;

/* What all cores of the process share, in zeroed memory: how far they are with snapshots;
 * connections in total and, in a count-min sketch, per address. Lock-free. */
enum { CONNECTION_SKETCH_ROWS = 4, CONNECTION_SKETCH_COLUMNS = 4096 };
struct broker_shared {
    /* By core: how many snapshots it was given whose deletions are all done. A directory's name may
     * be wanted by another core for a topic made anew. */
    _Atomic uint64_t swept[MAIL_CORES_MAX];
    _Atomic uint64_t reads_starved_ns; /* When a core last lacked memory for what it was to read. */
    _Atomic uint32_t connections;
    /* Of max.connection.creation.rate: when all that came would have come at exactly that rate. */
    _Atomic uint64_t connections_due_ns;
    _Atomic uint32_t per_address[CONNECTION_SKETCH_ROWS][CONNECTION_SKETCH_COLUMNS];
};

/* What DescribeLogDirs tells of a data directory; the service thread refreshes it. */
struct broker_directory {
    const char *path;
    _Atomic int64_t total_bytes; /* -1: not known. */
    _Atomic int64_t usable_bytes;
    _Atomic bool failed;
};

/* All pointers are borrowed for the life of the broker. */
struct broker_setup {
    uint32_t core;
    uint32_t core_count;
    struct log *log;
    struct mailbox *mailbox;
    struct slow_channel *channel;
    struct broker_shared *shared;
    struct broker_statistics *statistics; /* Zeroed. */
    const struct broker_directory *directories;
    uint32_t directory_count;
    uint64_t seed;
    uint64_t (*clock_ns)(
        void); /* Only to measure how long parsing takes; NULL: it is not measured. */
    struct broker_limits limits;
};

/* Bytes of memory a broker of these limits takes, at 64 bytes alignment. */
uint64_t broker_memory_bytes(const struct broker_limits *limits);

/* Lays the broker out in zeroed memory of that size, borrowed for its life. There is nothing to
 * undo at the end. */
struct broker *broker_create(void *memory, const struct broker_setup *setup);

/* What each transport of this core gets as `user`, with the broker as `user_context`. */
const struct transport_user *broker_transport_user(void);

/* ---- Metadata ------------------------------------------------------------------------------- */

/* The newest snapshot: served from now on, and applied: this core's partitions that are new are
 * opened, those that are gone deleted, settings and epochs brought up to date, in slices over the
 * next timer turns. Lent until broker_uses_snapshot says no. May be called again before the last
 * one was applied. All cores are given the same snapshots in the same order. Before the first call
 * recovered partitions have been adopted by the log. */
void broker_set_snapshot(struct broker *broker, const struct snapshot *snapshot);

/* The last snapshot that is applied completely (H18), or NULL. To be compared only. */
const struct snapshot *broker_applied_snapshot(const struct broker *broker);

bool broker_uses_snapshot(const struct broker *broker, const struct snapshot *snapshot);

/* ---- Turns ---------------------------------------------------------------------------------- */

/* One turn sees one instant. wall_ms: Unix time. */
void broker_turn_begin(struct broker *broker, uint64_t now_ns, int64_t wall_ms);

/* Each returns the work done, at most about budget. */
uint32_t broker_log_turn(struct broker *broker, uint32_t budget);
uint32_t broker_mail_turn(struct broker *broker, uint32_t budget);
uint32_t broker_frame_turn(struct broker *broker, uint32_t budget);
uint32_t broker_slow_turn(struct broker *broker, uint32_t budget);
uint32_t broker_timer_turn(struct broker *broker, uint32_t budget);

/* Builds the answers that became known this turn and hands them to the transports, those of one
 * connection together. */
uint32_t broker_send_turn(struct broker *broker);

/* When the broker next has something to do without being called from outside; 0 at once,
 * UINT64_MAX never. */
uint64_t broker_next_deadline_ns(const struct broker *broker);

/* ---- Stop ----------------------------------------------------------------------------------- */

/* Refuses connections, starts no further request, answers what is in progress (parked fetches at
 * once) and closes. */
void broker_stop(struct broker *broker);

/* True when no connection and no request is left, here and on behalf of other cores. */
bool broker_stopped(const struct broker *broker);

/* Starts log_finish; all brokers have stopped. broker_log_finished: its result, LOG_PENDING until
 * then. */
void broker_finish_log(struct broker *broker);
enum log_status broker_log_finished(const struct broker *broker);

/* ---- For tests and gdb ---------------------------------------------------------------------- */

/* Holds every structure against its rules; for checked builds and simulation. */
void broker_invariants(const struct broker *broker);

/* True when every pool is full again: nothing leaked once connections are gone. */
bool broker_pools_full(const struct broker *broker);

#endif
