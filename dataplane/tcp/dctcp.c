/* DCTCP (RFC 8257): Reno, but for marks, which make the window smaller by as much as was marked. */
#include "dataplane/tcp/congestion.h"

enum { GAIN_SHIFT = 4 /* 4.2: g = 1/16 */ };

static void dctcp_start(struct congestion_state *state)
{
    congestion_reno.start(state);
    state->marked_share = DCTCP_SHARE_ONE; /* 3.3: nothing is known; the first mark is a loss. */
}

static void dctcp_on_ack(struct congestion_state *state, uint32_t acked, uint64_t rtt_ns,
                         uint64_t now_ns)
{
    congestion_reno.on_ack(state, acked, rtt_ns, now_ns);
}

static uint32_t dctcp_on_loss(struct congestion_state *state, uint64_t now_ns)
{
    return congestion_reno.on_loss(state, now_ns); /* 3.4 */
}

static void dctcp_on_undo(struct congestion_state *state)
{
    congestion_reno.on_undo(state);
}

static void dctcp_on_idle(struct congestion_state *state, uint64_t idle_ns)
{
    congestion_reno.on_idle(state, idle_ns);
}

/* 3.3, step 4: alpha = alpha * (1 - g) + g * M. */
static void dctcp_on_round(struct congestion_state *state, uint32_t acked, uint32_t marked)
{
    if (acked != 0) {
        const uint64_t share = (uint64_t)min_u32(marked, acked) * DCTCP_SHARE_ONE / acked;
        state->marked_share -= state->marked_share >> GAIN_SHIFT;
        state->marked_share += (uint32_t)(share >> GAIN_SHIFT);
    }
}

/* 3.3: cwnd = cwnd * (1 - alpha / 2). */
static uint32_t dctcp_on_mark(struct congestion_state *state)
{
    const uint64_t less = (uint64_t)state->cwnd * state->marked_share / (2 * DCTCP_SHARE_ONE);
    state->counted = 0;
    return (uint32_t)max_u64(state->cwnd - less, 2 * state->mss);
}

const struct congestion congestion_dctcp = {
    .name = "dctcp",
    .start = dctcp_start,
    .on_ack = dctcp_on_ack,
    .on_loss = dctcp_on_loss,
    .on_undo = dctcp_on_undo,
    .on_idle = dctcp_on_idle,
    .on_round = dctcp_on_round,
    .on_mark = dctcp_on_mark,
};
