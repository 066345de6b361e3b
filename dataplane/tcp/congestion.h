/* Congestion control: each algorithm is a table of functions over one state.
 *
 * Recovery (recovery.h) decides when something was lost and how fast to send meanwhile; the
 * algorithm decides how the window grows and what remains of it after a loss. Bytes and
 * nanoseconds. Pure.
 */
#ifndef DATAPLANE_TCP_CONGESTION_H
#define DATAPLANE_TCP_CONGESTION_H

#include "storage/base/check.h"

enum { CONGESTION_INITIAL_SEGMENTS = 10 /* RFC 6928 */ };

struct congestion_state {
    uint32_t cwnd;
    uint32_t ssthresh;
    uint32_t mss;
    uint32_t cwnd_cap; /* Growth ends here: more than the buffers can ever hold. */
    uint32_t counted;  /* Acked bytes not yet turned into growth. */
    /* CUBIC (RFC 9438). */
    uint32_t w_max;
    uint32_t w_max_last;
    uint64_t epoch_ns; /* 0: no congestion avoidance yet since the last loss. */
    double k_s;
    double w_origin; /* Bytes. */
    double w_reno;
    /* DCTCP (RFC 8257). */
    uint32_t marked_share; /* alpha: of the bytes of late, in DCTCP_SHARE_ONE. */
};

enum { DCTCP_SHARE_ONE = 1 << 20 };

struct congestion {
    const char *name;
    /* A connection begins; cwnd and mss are set. */
    void (*start)(struct congestion_state *state);
    /* New data was acknowledged while the window was what held us back. rtt: smoothed. */
    void (*on_ack)(struct congestion_state *state, uint32_t acked, uint64_t rtt_ns,
                   uint64_t now_ns);
    /* A loss: returns the new threshold. */
    uint32_t (*on_loss)(struct congestion_state *state, uint64_t now_ns);
    /* The loss was none: cwnd and ssthresh are set back already. */
    void (*on_undo)(struct congestion_state *state);
    /* Nothing was sent for a while; time must not count as if it had been. */
    void (*on_idle)(struct congestion_state *state, uint64_t idle_ns);
    /* NULL: a mark of ECN is a loss. Else marks are told and counted exactly (ecn.c), and a round
     * trip has ended in which so many of the acknowledged bytes were marked. */
    void (*on_round)(struct congestion_state *state, uint32_t acked, uint32_t marked);
    /* Bytes were marked, the first of a round trip: returns the new threshold. */
    uint32_t (*on_mark)(struct congestion_state *state);
};

extern const struct congestion congestion_reno;
extern const struct congestion congestion_cubic;
/* Both ends have to run it, and every queue on the way has to mark early: data centres only. */
extern const struct congestion congestion_dctcp;

/* "cubic", "reno", "dctcp"; NULL: it is none of them. Empty: cubic. */
const struct congestion *congestion_find(const char *name);

/* The initial window of RFC 6928. */
uint32_t congestion_initial_window(uint32_t mss);

/* Slow start (RFC 5681 3.1 with RFC 3465's byte counting, L = 2): returns the acked bytes left over
 * for congestion avoidance. */
uint32_t congestion_slow_start(struct congestion_state *state, uint32_t acked);

#endif
