/* CUBIC (RFC 9438), in bytes. */
#include "dataplane/tcp/congestion.h"

static const double cubic_c = 0.4;     /* Segments per second^3 (4.6: SHOULD). */
static const double cubic_beta = 0.7;  /* 4.6 */
static const double reno_alpha = 0.53; /* 3 * (1 - beta) / (1 + beta): 4.3 */

/* By Newton's steps: no library, the same bits everywhere. */
static double cube_root(double value)
{
    if (value <= 0) {
        return 0;
    }
    double root = value > 1 ? value / 3 + 1 : 1;
    for (uint32_t i = 0; i < 60; i++) {
        root = (2 * root + value / (root * root)) / 3;
    }
    return root;
}

static void cubic_start(struct congestion_state *state)
{
    state->epoch_ns = 0;
    state->w_max = 0;
    state->w_max_last = 0;
    state->counted = 0;
}

static void epoch_begin(struct congestion_state *state, uint64_t now_ns)
{
    state->epoch_ns = now_ns;
    state->w_reno = state->cwnd;
    if (state->cwnd < state->w_max) { /* 4.2 */
        const double segments = (double)(state->w_max - state->cwnd) / state->mss;
        state->k_s = cube_root(segments / cubic_c);
        state->w_origin = state->w_max;
    } else {
        state->k_s = 0;
        state->w_origin = state->cwnd;
    }
}

static void cubic_on_ack(struct congestion_state *state, uint32_t acked, uint64_t rtt_ns,
                         uint64_t now_ns)
{
    acked = congestion_slow_start(state, acked);
    if (acked == 0) {
        return;
    }
    if (state->epoch_ns == 0) {
        epoch_begin(state, now_ns);
    }
    const double cwnd = state->cwnd;
    const double t = (double)(now_ns - state->epoch_ns + rtt_ns) / 1e9 - state->k_s;
    double target = state->w_origin + cubic_c * t * t * t * state->mss;
    target = target < cwnd ? cwnd : target > 1.5 * cwnd ? 1.5 * cwnd : target; /* 4.2 */
    /* The window Reno would have (4.3): CUBIC is never slower. */
    const double alpha = state->w_max != 0 && state->w_reno >= state->w_max ? 1 : reno_alpha;
    state->w_reno += alpha * acked * state->mss / cwnd;
    double grow = (target - cwnd) / cwnd * acked;
    if (state->w_reno > cwnd + grow) {
        grow = state->w_reno - cwnd;
    }
    grow += state->counted / 1024.0; /* Fractions of a byte add up. */
    const uint32_t whole = grow > state->cwnd ? state->cwnd : (uint32_t)grow;
    state->counted = (uint32_t)((grow - (double)whole) * 1024.0) & 1023;
    state->cwnd = min_u32(state->cwnd + whole, state->cwnd_cap);
}

static uint32_t cubic_on_loss(struct congestion_state *state, uint64_t now_ns)
{
    (void)now_ns;
    state->epoch_ns = 0;
    state->counted = 0;
    state->w_max_last = state->w_max;
    if (state->cwnd < state->w_max) { /* 4.7: fast convergence. */
        state->w_max = (uint32_t)(state->cwnd * (1 + cubic_beta) / 2);
    } else {
        state->w_max = state->cwnd;
    }
    return (uint32_t)max_u64((uint64_t)(state->cwnd * cubic_beta), 2 * state->mss);
}

static void cubic_on_undo(struct congestion_state *state)
{
    state->w_max = state->w_max_last;
    state->epoch_ns = 0;
}

static void cubic_on_idle(struct congestion_state *state, uint64_t idle_ns)
{
    if (state->epoch_ns != 0) { /* 5.8: idle time is not part of the epoch. */
        state->epoch_ns += idle_ns;
    }
}

const struct congestion congestion_cubic = {
    .name = "cubic",
    .start = cubic_start,
    .on_ack = cubic_on_ack,
    .on_loss = cubic_on_loss,
    .on_undo = cubic_on_undo,
    .on_idle = cubic_on_idle,
};
