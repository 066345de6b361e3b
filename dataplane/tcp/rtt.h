/* Round-trip time and retransmission timeout (RFC 6298), in nanoseconds. */
#ifndef DATAPLANE_TCP_RTT_H
#define DATAPLANE_TCP_RTT_H

#include "storage/base/check.h"

struct rtt {
    uint64_t smoothed_ns; /* 0: no sample yet. */
    uint64_t variance_ns;
    uint64_t min_ns; /* Of the last ten seconds or so. */
    uint64_t min_at_ns;
    uint64_t latest_ns;
    uint64_t timeout_ns; /* Without backoff. */
};

/* The timeout before the first sample is initial_ns. */
void rtt_init(struct rtt *rtt, uint64_t initial_ns);

/* Takes a sample. floor_ns: the least that the timeout adds to the smoothed time, in place of the
 * second that RFC 6298 (2.4) asks for and no data centre can wait.
 *
 * A sample longer than twice the timeout counts as twice the timeout: where ACKs are lost, what the
 * peer says seconds later acknowledges, and echoes the timestamp of, what it has had for long (RFC
 * 7323 4 cannot tell), and one such value would set the timeout to seconds. A path that did become
 * longer says so again: each sample doubles what is believed. */
void rtt_sample(struct rtt *rtt, uint64_t sample_ns, uint64_t floor_ns, uint64_t max_ns,
                uint64_t now_ns);

#endif
