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
#define STATISTICS(COUNTER, GAUGE)                                                               \
    COUNTER(turns, "Passes of the core's loop")                                                  \
    COUNTER(turns_busy, "Passes that found work")                                                \
    COUNTER(turns_late, "Passes that took longer than 10 ms")                                    \
    COUNTER(turns_busy_ns, "Nanoseconds in passes that found work")                              \
    COUNTER(sleeps, "Times the core slept for want of work")                                     \
    COUNTER(mail_posted, "Messages sent to cores")                                               \
    COUNTER(mail_received, "Messages received from cores")                                       \
    COUNTER(mail_ring_full, "Times messages waited for room")                                    \
    COUNTER(mail_wakeups, "Sleeping cores woken for mail")                                       \
    GAUGE(sockets, "Open client sockets")                                                        \
    COUNTER(sockets_accepted, "Client sockets accepted")                                         \
    COUNTER(sockets_refused, "Client sockets closed at once: no room or over a limit")           \
    COUNTER(sockets_timed_out, "Client sockets closed because they were idle")                   \
    COUNTER(sockets_reset, "Client sockets that ended with a reset or an error")                 \
    COUNTER(accept_paused, "Times accepting stopped for want of file descriptors")               \
    COUNTER(received_bytes, "Bytes received from clients")                                       \
    COUNTER(sent_bytes, "Bytes sent to clients")                                                 \
    COUNTER(receives, "Completed socket receives")                                               \
    COUNTER(sends, "Completed socket sends")                                                     \
    COUNTER(receive_starved, "Times receiving stopped for want of buffers")                      \
    GAUGE(receive_buffers_free, "Receive buffers not in use")                                    \
    COUNTER(log_appended_bytes, "Record bytes appended")                                         \
    COUNTER(log_appended_batches, "Record batches appended")                                     \
    COUNTER(log_appended_records, "Records appended")                                            \
    COUNTER(log_written_bytes, "Bytes written to devices, in whole blocks")                      \
    COUNTER(log_zeroed_bytes, "Bytes zeroed ahead of use")                                       \
    COUNTER(log_writes, "Writes to devices")                                                     \
    COUNTER(log_flushes, "Flushes of devices")                                                   \
    COUNTER(log_read_bytes, "Bytes read from devices")                                           \
    COUNTER(log_arena_hit_bytes, "Fetched bytes that were still in memory")                      \
    COUNTER(log_refused_batches, "Batches refused by checks")                                    \
    COUNTER(log_io_errors, "Failed disk operations")                                             \
    COUNTER(log_bad_index_entries, "Index entries that the log contradicts")                     \
    GAUGE(log_arena_used_bytes, "Arena memory in use")                                           \
    GAUGE(log_open_files, "Open segment files")                                                  \
    GAUGE(log_producers, "Remembered producers")                                                 \
    GAUGE(log_partitions_fenced, "Partitions whose directory died or whose files are gone")      \
    COUNTER(log_cleanings, "Compactions that came to their end")                                 \
    COUNTER(log_clean_failures, "Compactions that did not, and steps of them tried again")       \
    COUNTER(log_clean_segments, "Segments that compactions took in")                             \
    COUNTER(log_clean_read_bytes, "Bytes read by compactions")                                   \
    COUNTER(log_clean_written_bytes, "Bytes written by compactions")                             \
    GAUGE(log_uncleanable_partitions, "Partitions not compacted again before the next start")    \
    GAUGE(snapshot_version, "Metadata snapshot applied last")                                    \
    COUNTER(journal_lost, "Log lines dropped")                                                   \
    COUNTER(port_in_frames, "Frames received by the queue of the core")                          \
    COUNTER(port_in_bytes, "Bytes of frames received")                                           \
    COUNTER(port_in_dropped, "Frames of too many pieces, dropped")                               \
    COUNTER(port_in_other_vlan, "Frames of another VLAN than network.vlan, dropped by the port") \
    COUNTER(port_out_frames, "Frames sent by the queue of the core")                             \
    COUNTER(port_out_bytes, "Bytes of frames sent")                                              \
    COUNTER(port_out_copied_bytes, "Payload copied behind its headers")                          \
    COUNTER(port_out_full, "Times the port took less than it was given")                         \
    COUNTER(port_out_refused, "Packets that the device can never send, dropped")                 \
    COUNTER(port_wakeups, "Times the port told of frames, mostly to a core that slept")          \
    COUNTER(port_in_foreign, "Frames that were not for our address")                             \
    COUNTER(frames_given, "Frames handed to the core that has their flow")                       \
    COUNTER(frames_taken, "Frames that another core received and handed over")                   \
    COUNTER(frames_given_dropped, "Frames dropped because the other core's ring was full")       \
    COUNTER(ip_in_bad_header, "Packets with a bad header, or too short")                         \
    COUNTER(ip_in_bad_checksum, "Packets whose header has a bad checksum")                       \
    COUNTER(ip_in_truncated, "Packets of which the frame holds less than they say")              \
    COUNTER(ip_in_fragments, "Fragments, which are dropped")                                     \
    COUNTER(ip_in_other, "Packets that are neither TCP nor ICMP")                                \
    COUNTER(ip_in_icmp, "ICMP packets received")                                                 \
    COUNTER(ip_in_arp, "ARP packets received")                                                   \
    COUNTER(ip_in_nd, "Solicitations and advertisements of IPv6 neighbours received")            \
    COUNTER(ip_out_unresolved, "Packets dropped because the neighbour does not answer")          \
    COUNTER(ip_out_no_frame, "SYN-ACKs, resets, ARP and echoes not sent for want of memory")     \
    COUNTER(ip_out_no_route, "Packets not sent: no gateway leads there")                         \
    COUNTER(ip_address_conflicts, "Times somebody else claimed an address")                      \
    COUNTER(tcp_in_segments, "TCP segments received")                                            \
    COUNTER(tcp_in_fast, "Segments received that took the short way")                            \
    COUNTER(tcp_in_bad_checksum, "Segments with a bad checksum")                                 \
    COUNTER(tcp_in_bad_header, "Segments with a bad header")                                     \
    COUNTER(tcp_in_no_flow, "Segments of no connection")                                         \
    COUNTER(tcp_in_out_of_window, "Segments outside the window")                                 \
    COUNTER(tcp_in_paws, "Segments with an old timestamp")                                       \
    COUNTER(tcp_in_bad_ack, "Segments that acknowledge what was never sent")                     \
    COUNTER(tcp_in_duplicates, "Segments received twice")                                        \
    COUNTER(tcp_in_out_of_order, "Segments received out of order")                               \
    COUNTER(tcp_in_no_memory, "Segments dropped for want of memory")                             \
    COUNTER(tcp_in_resets, "Resets received")                                                    \
    COUNTER(tcp_out_segments, "TCP segments sent")                                               \
    COUNTER(tcp_out_resets, "Resets sent")                                                       \
    COUNTER(tcp_out_challenge_acks, "Challenge ACKs sent (RFC 5961)")                            \
    COUNTER(tcp_out_limited, "Answers not sent because there were too many")                     \
    COUNTER(tcp_retransmits, "Segments sent again")                                              \
    COUNTER(tcp_retransmit_timeouts, "Retransmission timeouts")                                  \
    COUNTER(tcp_tail_probes, "Tail loss probes sent")                                            \
    COUNTER(tcp_fast_recoveries, "Fast recoveries begun")                                        \
    COUNTER(tcp_undone, "Losses that turned out to be none")                                     \
    COUNTER(tcp_timed_out, "Connections that ended because the peer was silent")                 \
    COUNTER(tcp_mtu_reduced, "Times a path took smaller packets only")                           \
    COUNTER(tcp_in_marked, "Segments that met congestion on their way (RFC 3168)")               \
    COUNTER(tcp_ecn_reduced, "Times less was sent because the peer saw such marks")              \
    COUNTER(tcp_syn_dropped, "Connection requests dropped")                                      \
    COUNTER(tcp_syn_cookies_sent, "SYN cookies sent")                                            \
    COUNTER(tcp_syn_cookies_taken, "SYN cookies that came back right")                           \
    COUNTER(tcp_syn_cookies_bad, "SYN cookies that came back wrong")                             \
    GAUGE(tcp_half_open, "Connection requests that wait for their last segment")                 \
    GAUGE(tcp_time_wait, "Connections that are over and remembered")                             \
    GAUGE(tcp_syn_sent, "Connections in SYN-SENT")                                               \
    GAUGE(tcp_syn_received, "Connections in SYN-RECEIVED")                                       \
    GAUGE(tcp_established, "Connections in ESTABLISHED")                                         \
    GAUGE(tcp_fin_wait_1, "Connections in FIN-WAIT-1")                                           \
    GAUGE(tcp_fin_wait_2, "Connections in FIN-WAIT-2")                                           \
    GAUGE(tcp_close_wait, "Connections in CLOSE-WAIT")                                           \
    GAUGE(tcp_closing, "Connections in CLOSING")                                                 \
    GAUGE(tcp_last_ack, "Connections in LAST-ACK")                                               \
    GAUGE(tcp_pinned_bytes, "Bytes lent to TCP until they are acknowledged and out of the port") \
    GAUGE(tcp_records, "Packets in flight")                                                      \
    GAUGE(tcp_pieces, "Received buffers held")

#define STATISTIC_ENUM(name, help) STATISTIC_##name,
enum statistic { STATISTICS(STATISTIC_ENUM, STATISTIC_ENUM) STATISTIC_COUNT };
#undef STATISTIC_ENUM

/* Rows from here on mean something only where there is a port (statistics.has_port). */
enum { STATISTIC_OF_PORT = STATISTIC_port_in_frames };

/* What the device says, asked about once a second. */
#define PORT_STATISTICS(COUNTER, GAUGE)                                                \
    GAUGE(port_link_up, "1 when the link is up")                                       \
    GAUGE(port_link_mbps, "Speed of the link in Mb/s, 0 when the device says nothing") \
    COUNTER(port_missed, "Frames for which the device's queues had no room")           \
    COUNTER(port_in_errors, "Frames that arrived damaged")                             \
    COUNTER(port_out_errors, "Frames that the device could not send")                  \
    COUNTER(port_no_buffer, "Times the driver had no buffer for a frame")              \
    GAUGE(port_buffers, "Buffers for frames received")                                 \
    GAUGE(port_buffers_used, "Of them, not free")                                      \
    GAUGE(port_headers_used, "Packets on their way out")                               \
    GAUGE(port_parts_used, "Parts of payload on their way out")

#define STATISTIC_ENUM(name, help) PORT_STATISTIC_##name,
enum port_statistic { PORT_STATISTICS(STATISTIC_ENUM, STATISTIC_ENUM) PORT_STATISTIC_COUNT };
#undef STATISTIC_ENUM

enum {
    STATISTICS_MAGIC = 0x4d525332, /* "MRS2": changes with the layout. */
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
    _Atomic uint64_t has_port;                   /* 1: the bypass path is used. */
    _Atomic uint64_t port[PORT_STATISTIC_COUNT]; /* By the thread that looks (watch.h). */
    struct core_statistics cores[];
};

struct statistic_description {
    const char *name;
    const char *help;
    bool grows;
};
extern const struct statistic_description statistic_descriptions[STATISTIC_COUNT];
extern const struct statistic_description port_statistic_descriptions[PORT_STATISTIC_COUNT];

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
