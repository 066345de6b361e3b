#include "dataplane/tcp/recovery.h"

#include "dataplane/tcp/scoreboard.h"

enum {
    DUPLICATES_MIN = 3, /* DupThresh. */
    REORDER_STEPS_MAX = 64,
    REORDER_PERSIST = 16, /* RFC 8985 6.2: recoveries until the window shrinks again. */
};

uint32_t recovery_pipe(const struct tcp_connection *c)
{
    return c->pipe - min_u32(c->reno_sacked, c->pipe);
}

void recovery_sent(struct tcp_connection *c, uint32_t len, bool retransmit, uint32_t tsval)
{
    if (c->mode != RECOVERY_OPEN) {
        c->prr_out += len;
    }
    if (retransmit) {
        c->undo_retransmits++;
        if (!c->retransmitted_once) {
            c->retransmitted_once = true;
            c->retransmit_tsval = tsval;
        }
    }
}

/* ---- Episodes ---- */

/* What is lost left before an echo of a mark made the window smaller: one answer to both, they are
 * of one window (RFC 3168 6.1.2). Where marks are counted it was smaller by a little only, and a
 * loss is answered like any other (RFC 8257 3.4). */
static bool answered(const struct tcp_connection *c)
{
    return c->ecn && !ecn_counts(c) && c->first_lost != NULL &&
           seq_lt(c->first_lost->sequence, c->ecn_point) && seq_leq(c->ecn_point, c->snd_nxt);
}

static void episode_begin(struct tcp_connection *c, enum recovery_mode mode, uint64_t now_ns)
{
    struct congestion_state *state = &c->congestion;
    if (c->mode == RECOVERY_OPEN || (c->mode == RECOVERY_FAST && mode == RECOVERY_LOSS)) {
        if (c->mode == RECOVERY_OPEN) {
            c->prior_cwnd = state->cwnd;
            c->prior_ssthresh = state->ssthresh;
            c->undo_una = c->snd_una;
            c->undo_retransmits = 0;
            c->retransmitted_once = false;
            c->undo_valid = true;
            if (mode != RECOVERY_FAST || !answered(c)) {
                state->ssthresh = c->tcp->setup.congestion->on_loss(state, now_ns);
            }
        }
        c->prr_delivered = 0;
        c->prr_out = 0;
        c->prr_flight = (uint32_t)max_u64(c->snd_nxt - c->snd_una, 1);
    }
    c->mode = (uint8_t)mode;
    c->recovery_point = c->snd_nxt;
}

static void episode_end(struct tcp_connection *c)
{
    if (c->mode == RECOVERY_FAST) {
        c->congestion.cwnd = c->congestion.ssthresh;
        if (c->reorder_persist > 0 && --c->reorder_persist == 0) {
            c->reorder_steps = 1;
        }
    }
    c->mode = RECOVERY_OPEN;
    c->frto = 0;
    c->dupacks = 0;
    c->reno_sacked = 0;
}

/* It was late, or reordered, not lost. */
static void undo(struct tcp_connection *c)
{
    struct congestion_state *state = &c->congestion;
    state->cwnd = (uint32_t)max_u64(state->cwnd, c->prior_cwnd);
    state->ssthresh = (uint32_t)max_u64(state->ssthresh, c->prior_ssthresh);
    c->tcp->setup.congestion->on_undo(state);
    scoreboard_unlose(c);
    c->mode = RECOVERY_OPEN;
    c->frto = 0;
    c->backoff = 0;
    c->undo_valid = false;
    c->dupacks = 0;
    c->reno_sacked = 0;
    c->undone++;
    c->tcp->counters[TCP_UNDONE]++;
}

/* Eifel (RFC 3522): what is acknowledged was sent before the first retransmission. DSACK (RFC
 * 3708): every retransmission arrived twice. */
static bool spurious(struct tcp_connection *c, const struct ack_result *result)
{
    if (!c->undo_valid || !c->retransmitted_once) {
        return false;
    }
    if (result->acked > 0 && result->has_tsecr && seq_lt(result->tsecr, c->retransmit_tsval)) {
        return true;
    }
    if (result->dsack && c->undo_retransmits > 0) {
        c->undo_retransmits--;
        return c->undo_retransmits == 0;
    }
    return false;
}

/* ---- RACK ---- */

static uint64_t reorder_window_ns(const struct tcp_connection *c)
{
    if (!c->reordering) {
        const uint32_t segments =
            (uint32_t)max_u64(c->sacked_records, c->sacked_bytes / connection_payload_max(c));
        if (c->mode != RECOVERY_OPEN || segments >= DUPLICATES_MIN) {
            return 0;
        }
    }
    const uint64_t least_ns = c->rtt.min_ns == UINT64_MAX ? 0 : c->rtt.min_ns;
    return min_u64(least_ns / 4 * c->reorder_steps, c->rtt.smoothed_ns);
}

/* A DSACK says that the window was too short; once a round trip (RFC 8985 6.2, step 4). */
static void reorder_adapt(struct tcp_connection *c, const struct ack_result *result)
{
    if (c->dsack_round_valid && seq_leq(c->dsack_round, c->snd_una)) {
        c->dsack_round_valid = false;
    }
    if (result->dsack && !c->dsack_round_valid) {
        c->dsack_round_valid = true;
        c->dsack_round = c->snd_nxt;
        if (c->reorder_steps < REORDER_STEPS_MAX) {
            c->reorder_steps++;
        }
        c->reorder_persist = REORDER_PERSIST;
        c->reordering = true;
    }
}

/* Marks lost what was sent long enough before something that arrived. True: something was. */
static bool rack_detect(struct tcp_connection *c, uint64_t now_ns)
{
    uint64_t wait_ns = 0;
    bool lost = false;
    if (!c->rack_valid) {
        return false;
    }
    const uint64_t allowed_ns = c->rack_rtt_ns + reorder_window_ns(c);
    LIST_FOR_EACH(node, &c->in_flight)
    {
        struct record *record = CONTAINER_OF(node, struct record, sent_node);
        if (record->sent_ns > c->rack_sent_ns ||
            (record->sent_ns == c->rack_sent_ns && seq_leq(c->rack_end, record->end))) {
            break;
        }
        if (record->sent_ns + allowed_ns <= now_ns) {
            scoreboard_mark_lost(c, record);
            lost = true;
        } else {
            wait_ns = max_u64(wait_ns, record->sent_ns + allowed_ns - now_ns);
        }
    }
    if (wait_ns != 0) {
        timer_set(c, TIMER_REORDER, now_ns + wait_ns);
    } else {
        timer_clear(c, TIMER_REORDER);
    }
    return lost;
}

/* ---- NewReno ---- */

static bool first_segment_lost(struct tcp_connection *c)
{
    struct record *record = scoreboard_first(c);
    if (record == NULL || record->state != RECORD_IN_FLIGHT) {
        return false;
    }
    const uint32_t payload = connection_payload_max(c);
    if (record->end - record->sequence > payload &&
        !scoreboard_split(c, record, record->sequence + payload)) {
        return false;
    }
    scoreboard_mark_lost(c, record);
    return true;
}

static bool reno_detect(struct tcp_connection *c, const struct ack_result *result)
{
    const uint32_t payload = connection_payload_max(c);
    if (result->acked > 0) {
        const uint32_t beyond = result->acked > payload ? result->acked - payload : 0;
        c->reno_sacked -= min_u32(c->reno_sacked, beyond);
        c->dupacks = 0;
        if (c->mode == RECOVERY_FAST && seq_lt(c->snd_una, c->recovery_point)) {
            return first_segment_lost(c); /* A partial ACK (RFC 6582 3.2 step 3). */
        }
        if (c->mode == RECOVERY_OPEN) {
            c->reno_sacked = 0;
        }
        return false;
    }
    if (!result->duplicate || c->mode == RECOVERY_LOSS) {
        return false;
    }
    c->dupacks++;
    c->reno_sacked = min_u32(c->reno_sacked + payload, c->pipe);
    if (c->dupacks != DUPLICATES_MIN || c->mode != RECOVERY_OPEN ||
        (c->reno_recover_valid && seq_leq(c->snd_una, c->reno_recover) &&
         seq_leq(c->reno_recover, c->snd_nxt))) { /* Beyond it: of gigabytes ago. */
        return false; /* RFC 6582 4: not again for what was sent before the last loss. */
    }
    return first_segment_lost(c);
}

/* ---- PRR (RFC 6937) ---- */

static void prr_update(struct tcp_connection *c, const struct ack_result *result, bool lost)
{
    const uint32_t pipe = recovery_pipe(c);
    const uint32_t ssthresh = c->congestion.ssthresh;
    const uint32_t payload = connection_payload_max(c);
    uint32_t delivered = result->delivered;
    if (!c->sack && result->duplicate) {
        delivered += payload;
    }
    c->prr_delivered += delivered;
    uint64_t send;
    if (pipe > ssthresh) {
        send = ((uint64_t)c->prr_delivered * ssthresh + c->prr_flight - 1) / c->prr_flight;
        send = send > c->prr_out ? send - c->prr_out : 0;
    } else {
        const uint64_t owed = c->prr_delivered > c->prr_out ? c->prr_delivered - c->prr_out : 0;
        send = max_u64(owed, delivered);
        if (result->acked > 0 && !lost) {
            send += payload; /* RFC 9937: the ACK is a safe one. */
        }
        send = min_u64(ssthresh - pipe, send);
    }
    if (c->prr_out == 0) { /* The fast retransmission leaves whatever the rate (RFC 9937 6.2). */
        send = max_u64(send, payload);
    }
    c->congestion.cwnd = (uint32_t)min_u64(max_u64(pipe + send, payload), WINDOW_MAX);
}

/* ---- Loss (after a timeout) ---- */

/* F-RTO (RFC 5682 2.1, 3.1). True: the timeout was spurious. */
static bool frto_step(struct tcp_connection *c, const struct ack_result *result)
{
    if (c->frto == 0) {
        return false;
    }
    const bool unsent = seq_lt(c->snd_nxt, c->snd_end) && c->snd_wnd > c->snd_nxt - c->snd_una;
    const bool all = seq_leq(c->recovery_point, c->snd_una); /* At once: says nothing. */
    if (!all && result->original && (c->sack || c->frto == 2) && result->delivered > 0) {
        return true;
    }
    if (!all && result->acked > 0 && c->frto == 1 && unsent) {
        c->frto = 2; /* New data instead of old: its answer will tell. */
        c->congestion.cwnd = recovery_pipe(c) + 2 * connection_payload_max(c);
    } else if (all || result->acked > 0 || result->duplicate) {
        c->frto = 0;
    }
    return false;
}

static void slow_start_again(struct tcp_connection *c, const struct ack_result *result,
                             uint64_t now_ns)
{
    if (result->delivered > 0 && c->frto != 2) {
        c->tcp->setup.congestion->on_ack(&c->congestion, result->delivered, c->rtt.smoothed_ns,
                                         now_ns);
    }
}

/* ---- Tail loss probes ---- */

void recovery_arm_probe(struct tcp_connection *c, uint64_t now_ns)
{
    if (!c->sack || c->mode != RECOVERY_OPEN || c->sacked_bytes != 0 || c->pipe == 0 ||
        c->tlp_out || !connection_synchronized(c)) {
        timer_clear(c, TIMER_PROBE);
        return;
    }
    const uint64_t ms_ns = 1000000;
    uint64_t wait_ns = c->tcp->setup.rto_initial_ms * ms_ns;
    if (c->rtt.smoothed_ns != 0) {
        wait_ns = max_u64(2 * c->rtt.smoothed_ns, PROBE_MIN_MS * ms_ns);
        if (c->pipe <= connection_payload_max(c)) {
            wait_ns += c->tcp->setup.peer_ack_delay_ms * ms_ns;
        }
    }
    if (now_ns + wait_ns < c->deadlines[TIMER_RETRANSMIT]) {
        timer_set(c, TIMER_PROBE, now_ns + wait_ns);
    } else {
        timer_clear(c, TIMER_PROBE);
    }
}

/* Whether the probe repaired a loss, which then counts as congestion (RFC 8985 7.4.2). */
static void probe_check(struct tcp_connection *c, const struct ack_result *result, uint64_t now_ns)
{
    if (!c->tlp_out || seq_lt(c->snd_una, c->tlp_end)) {
        return;
    }
    if (c->tlp_is_retransmit && !result->dsack && c->mode == RECOVERY_OPEN &&
        !(result->has_tsecr && result->acked > 0 && c->retransmitted_once &&
          seq_lt(result->tsecr, c->retransmit_tsval))) {
        if (seq_lt(c->tlp_end, c->snd_una) || !result->duplicate) {
            c->congestion.ssthresh = c->tcp->setup.congestion->on_loss(&c->congestion, now_ns);
            c->congestion.cwnd = min_u32(c->congestion.cwnd, c->congestion.ssthresh);
        }
    }
    c->tlp_out = false;
}

/* ---- Entries ---- */

static void enter_fast(struct tcp_connection *c, uint64_t now_ns)
{
    if (c->mode == RECOVERY_OPEN) {
        c->fast_recoveries++;
        c->tcp->counters[TCP_FAST_RECOVERIES]++;
        c->reno_recover = c->snd_nxt;
        c->reno_recover_valid = true;
        episode_begin(c, RECOVERY_FAST, now_ns);
        timer_clear(c, TIMER_PROBE);
        c->tlp_out = false;
    }
}

void recovery_on_ack(struct tcp_connection *c, const struct ack_result *result, uint64_t now_ns)
{
    probe_check(c, result, now_ns);
    reorder_adapt(c, result);
    if (c->mode != RECOVERY_OPEN) {
        if (spurious(c, result) || (c->mode == RECOVERY_LOSS && frto_step(c, result))) {
            undo(c);
        } else if (seq_leq(c->recovery_point, c->snd_una)) {
            episode_end(c);
        }
    }
    bool lost = false;
    if (c->sack) {
        lost = c->sacked_bytes != 0 || c->mode != RECOVERY_OPEN || c->reordering
                   ? rack_detect(c, now_ns)
                   : false;
    } else {
        lost = reno_detect(c, result);
    }
    if (lost && c->mode == RECOVERY_OPEN) {
        enter_fast(c, now_ns);
    }
    switch ((enum recovery_mode)c->mode) {
    case RECOVERY_OPEN:
        if (result->acked > 0 && c->cwnd_limited) {
            c->tcp->setup.congestion->on_ack(&c->congestion, result->acked, c->rtt.smoothed_ns,
                                             now_ns);
        }
        break;
    case RECOVERY_FAST: prr_update(c, result, lost); break;
    case RECOVERY_LOSS: slow_start_again(c, result, now_ns); break;
    }
}

void recovery_on_reorder_timer(struct tcp_connection *c, uint64_t now_ns)
{
    if (rack_detect(c, now_ns)) {
        enter_fast(c, now_ns);
        if (c->mode == RECOVERY_FAST) {
            const struct ack_result nothing = {0};
            prr_update(c, &nothing, true);
        }
        connection_wake(c);
    }
}

void recovery_on_timeout(struct tcp_connection *c, uint64_t now_ns)
{
    const bool first = c->mode != RECOVERY_LOSS;
    episode_begin(c, RECOVERY_LOSS, now_ns);
    if (first) {
        c->frto = 1;
        c->retransmitted_once = false;
    } else {
        c->frto = 0;
    }
    scoreboard_lose_all(c);
    c->congestion.cwnd = connection_payload_max(c);
    c->reno_recover = c->snd_nxt;
    c->reno_recover_valid = true;
    c->reno_sacked = 0;
    c->dupacks = 0;
    c->tlp_out = false;
    timer_clear(c, TIMER_PROBE);
    timer_clear(c, TIMER_REORDER);
}
