/* What the cores count, in memory that the control process maps and reads for /metrics.
 *
 * One block per core, written by that core alone; whoever reads sees single values whole, and sums
 * over several a moment apart. The layout is the same in both processes because they are of one
 * build; `magic` and the sizes are checked all the same.
 */
#ifndef DATAPLANE_SLOWPATH_STATISTICS_H
#define DATAPLANE_SLOWPATH_STATISTICS_H

#include <stdalign.h>
#include <stdatomic.h>

#include "dataplane/broker/statistics.h"
#include "storage/base/bytes.h"
#include "storage/base/histogram.h"

/* What the loop, the transport and the log count; requests are in struct broker_statistics. Name,
 * whether it only grows, meaning. The metric is millrace_<name>, with _total when it grows. */
#define STATISTICS(COUNTER, GAUGE)                                                          \
    COUNTER(turns, "Passes of the core's loop")                                             \
    COUNTER(turns_busy, "Passes that found work")                                           \
    COUNTER(turns_late, "Passes that took longer than 10 ms")                               \
    COUNTER(turns_busy_ns, "Nanoseconds in passes that found work")                         \
    COUNTER(sleeps, "Times the core slept for want of work")                                \
    COUNTER(mail_posted, "Messages sent to cores")                                          \
    COUNTER(mail_received, "Messages received from cores")                                  \
    COUNTER(mail_ring_full, "Times messages waited for room")                               \
    COUNTER(mail_wakeups, "Sleeping cores woken for mail")                                  \
    GAUGE(sockets, "Open client sockets")                                                   \
    COUNTER(sockets_accepted, "Client sockets accepted")                                    \
    COUNTER(sockets_refused, "Client sockets closed at once: no room or over a limit")      \
    COUNTER(sockets_timed_out, "Client sockets closed because they were idle")              \
    COUNTER(sockets_reset, "Client sockets that ended with a reset or an error")            \
    COUNTER(accept_paused, "Times accepting stopped for want of file descriptors")          \
    COUNTER(received_bytes, "Bytes received from clients")                                  \
    COUNTER(sent_bytes, "Bytes sent to clients")                                            \
    COUNTER(receives, "Completed socket receives")                                          \
    COUNTER(sends, "Completed socket sends")                                                \
    COUNTER(receive_starved, "Times receiving stopped for want of buffers")                 \
    GAUGE(receive_buffers_free, "Receive buffers not in use")                               \
    COUNTER(frames_given, "Frames handed to the core that has their flow")                  \
    COUNTER(frames_taken, "Frames that another core received and handed over")              \
    COUNTER(frames_given_dropped, "Frames dropped because the other core's ring was full")  \
    COUNTER(log_appended_bytes, "Record bytes appended")                                    \
    COUNTER(log_appended_batches, "Record batches appended")                                \
    COUNTER(log_appended_records, "Records appended")                                       \
    COUNTER(log_written_bytes, "Bytes written to devices, in whole blocks")                 \
    COUNTER(log_zeroed_bytes, "Bytes zeroed ahead of use")                                  \
    COUNTER(log_writes, "Writes to devices")                                                \
    COUNTER(log_flushes, "Flushes of devices")                                              \
    COUNTER(log_read_bytes, "Bytes read from devices")                                      \
    COUNTER(log_arena_hit_bytes, "Fetched bytes that were still in memory")                 \
    COUNTER(log_refused_batches, "Batches refused by checks")                               \
    COUNTER(log_io_errors, "Failed disk operations")                                        \
    COUNTER(log_bad_index_entries, "Index entries that the log contradicts")                \
    GAUGE(log_arena_used_bytes, "Arena memory in use")                                      \
    GAUGE(log_open_files, "Open segment files")                                             \
    GAUGE(log_producers, "Remembered producers")                                            \
    GAUGE(log_partitions_fenced, "Partitions whose directory died or whose files are gone") \
    GAUGE(snapshot_version, "Metadata snapshot applied last")                               \
    COUNTER(journal_lost, "Log lines dropped")

#define STATISTIC_ENUM(name, help) STATISTIC_##name,
enum statistic { STATISTICS(STATISTIC_ENUM, STATISTIC_ENUM) STATISTIC_COUNT };
#undef STATISTIC_ENUM

enum {
    STATISTICS_MAGIC = 0x4d525331, /* "MRS1": changes with the layout. */
};

struct core_statistics {
    alignas(64) _Atomic uint64_t values[STATISTIC_COUNT];
    struct histogram turn_ns; /* Busy turns. */
    struct broker_statistics broker;
};

struct statistics {
    uint32_t magic;
    uint32_t core_count;
    uint64_t core_bytes; /* sizeof(struct core_statistics) */
    int64_t started_wall_ms;
    struct core_statistics cores[];
};

struct statistic_description {
    const char *name;
    const char *help;
    bool grows;
};
extern const struct statistic_description statistic_descriptions[STATISTIC_COUNT];

static inline uint64_t statistics_size(uint32_t core_count)
{
    return sizeof(struct statistics) + core_count * sizeof(struct core_statistics);
}

/* By the dataplane, in zeroed memory of statistics_size. */
void statistics_init(struct statistics *statistics, uint32_t core_count, int64_t wall_ms);

/* By the reader: true when memory of memory_bytes holds statistics of this build. */
MUST_USE bool statistics_valid(const struct statistics *statistics, uint64_t memory_bytes);

/* Writer only: no locked instruction is needed with one writer. */
static inline void statistic_add(struct core_statistics *core, enum statistic which, uint64_t count)
{
    _Atomic uint64_t *value = &core->values[which];
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + count,
                          memory_order_relaxed);
}

static inline void statistic_set(struct core_statistics *core, enum statistic which, uint64_t value)
{
    atomic_store_explicit(&core->values[which], value, memory_order_relaxed);
}

static inline uint64_t statistic_get(const struct core_statistics *core, enum statistic which)
{
    return atomic_load_explicit(&core->values[which], memory_order_relaxed);
}

#endif
