#include "dataplane/tcp/congestion.h"

#include <string.h>

const struct congestion *congestion_find(const char *name)
{
    static const struct congestion *const all[] = {&congestion_cubic, &congestion_reno,
                                                   &congestion_dctcp};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (name[0] == '\0' || strcmp(name, all[i]->name) == 0) {
            return all[i];
        }
    }
    return NULL;
}

uint32_t congestion_initial_window(uint32_t mss)
{
    const uint32_t segments = CONGESTION_INITIAL_SEGMENTS * mss;
    return min_u32(segments, mss * 2 > 14600 ? mss * 2 : 14600);
}

uint32_t congestion_slow_start(struct congestion_state *state, uint32_t acked)
{
    if (state->cwnd >= state->ssthresh) {
        return acked;
    }
    const uint32_t grow = min_u32(acked, state->ssthresh - state->cwnd);
    state->cwnd = min_u32(state->cwnd + grow, state->cwnd_cap);
    return acked - grow;
}

/* ---- Reno (RFC 5681) ---- */

static void reno_start(struct congestion_state *state)
{
    state->counted = 0;
}

static void reno_on_ack(struct congestion_state *state, uint32_t acked, uint64_t rtt_ns,
                        uint64_t now_ns)
{
    (void)rtt_ns;
    (void)now_ns;
    state->counted += congestion_slow_start(state, acked);
    if (state->counted >= state->cwnd) { /* One segment a round trip. */
        state->counted -= state->cwnd;
        state->cwnd = min_u32(state->cwnd + state->mss, state->cwnd_cap);
    }
}

static uint32_t reno_on_loss(struct congestion_state *state, uint64_t now_ns)
{
    (void)now_ns;
    state->counted = 0;
    return (uint32_t)max_u64(state->cwnd / 2, 2 * state->mss);
}

static void reno_on_undo(struct congestion_state *state)
{
    state->counted = 0;
}

static void reno_on_idle(struct congestion_state *state, uint64_t idle_ns)
{
    (void)state;
    (void)idle_ns;
}

const struct congestion congestion_reno = {
    .name = "reno",
    .start = reno_start,
    .on_ack = reno_on_ack,
    .on_loss = reno_on_loss,
    .on_undo = reno_on_undo,
    .on_idle = reno_on_idle,
};
