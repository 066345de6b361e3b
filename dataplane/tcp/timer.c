/* The timers of a connection: deadlines in the connection, one node in the wheel, moved only when
 * something becomes due earlier; what has moved later is found out when it fires. */
#include "dataplane/tcp/timer.h"

#include "dataplane/tcp/recovery.h"
#include "dataplane/tcp/scoreboard.h"

static const uint64_t ms_ns = 1000000;

void timer_set(struct tcp_connection *c, enum tcp_timer timer, uint64_t at_ns)
{
    c->deadlines[timer] = at_ns;
    if (at_ns < c->armed_ns) {
        c->armed_ns = at_ns;
        wheel_arm(&c->tcp->wheel, &c->timer, at_ns);
    }
}

uint64_t timer_retransmit_ns(const struct tcp_connection *c)
{
    const struct tcp_setup *setup = &c->tcp->setup;
    uint64_t wait_ns = c->rtt.timeout_ns;
    if (c->rtt.smoothed_ns != 0 && c->pipe + c->lost_bytes <= connection_payload_max(c)) {
        wait_ns += setup->peer_ack_delay_ms * ms_ns; /* Its ACK may be delayed. */
    }
    wait_ns <<= min_u32(c->backoff, 16);
    return min_u64(wait_ns, setup->rto_max_ms * ms_ns);
}

/* RFC 6298 5.1-5.3. */
void timer_restart_retransmit(struct tcp_connection *c, uint64_t now_ns)
{
    if (c->snd_una == c->snd_nxt) {
        timer_clear(c, TIMER_RETRANSMIT);
    } else {
        timer_set(c, TIMER_RETRANSMIT, now_ns + timer_retransmit_ns(c));
    }
}

static bool user_timeout(const struct tcp_connection *c, uint64_t now_ns)
{
    const uint32_t timeout_ms = c->tcp->setup.user_timeout_ms;
    return timeout_ms != 0 && now_ns - c->una_at_ns >= timeout_ms * ms_ns;
}

static void give_up(struct tcp_connection *c, uint64_t now_ns)
{
    c->tcp->counters[TCP_TIMEOUTS]++;
    if (connection_synchronized(c)) {
        connection_reset(c, c->snd_nxt, now_ns);
    }
    connection_end(c, TRANSPORT_TIMED_OUT);
}

static void syn_timeout(struct tcp_connection *c, uint64_t now_ns)
{
    if (!open_withdraw(c)) {
        return;
    }
    if (c->retries >= c->tcp->setup.syn_retries) {
        give_up(c, now_ns);
        return;
    }
    c->retries++;
    c->backoff++;
    c->syn_due = true;
    timer_set(c, TIMER_RETRANSMIT, now_ns + timer_retransmit_ns(c));
    connection_wake(c);
}

/* Long segments vanish and small ones would not: a router drops what is too large and says nothing
 * (RFC 4821, RFC 2923 2.1). After two timeouts they get smaller than the one that vanishes is. A
 * peer that stands still looks the same: input.c takes it back. */
static void black_hole_check(struct tcp_connection *c)
{
    const struct record *first = scoreboard_first(c);
    const uint32_t options = c->mss - connection_payload_max(c);
    const uint32_t len = first != NULL ? first->end - first->sequence + options : 0;
    const uint16_t least = connection_mss_default(&c->key);
    if (len <= least) {
        return;
    }
    if (++c->mtu_losses >= 2 && c->mss > least) {
        c->mss_whole = c->mss_whole != 0 ? c->mss_whole : c->mss;
        c->mss = c->mss > 1400 && len > 1400 ? 1400 : least;
        c->congestion.mss = connection_payload_max(c);
        c->mtu_losses = 0;
        c->tcp->counters[TCP_MTU_REDUCED]++;
    }
}

static void retransmit_timeout(struct tcp_connection *c, uint64_t now_ns)
{
    if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED) {
        syn_timeout(c, now_ns);
        return;
    }
    if (c->snd_una == c->snd_nxt) {
        return;
    }
    if (c->retries >= c->tcp->setup.retries_max || user_timeout(c, now_ns)) {
        give_up(c, now_ns);
        return;
    }
    c->retries++;
    c->timeouts++;
    c->tcp->counters[TCP_RETRANSMIT_TIMEOUTS]++;
    black_hole_check(c);
    recovery_on_timeout(c, now_ns);
    if (c->backoff < 16) {
        c->backoff++;
    }
    c->force_send = true;
    timer_set(c, TIMER_RETRANSMIT, now_ns + timer_retransmit_ns(c));
    connection_wake(c);
}

/* RFC 8985 7.3: new data if there is some, else the last segment again. */
static void probe_timeout(struct tcp_connection *c, uint64_t now_ns)
{
    if (c->pipe == 0 || c->mode != RECOVERY_OPEN || c->tlp_out) {
        return;
    }
    c->tail_probes++;
    c->tcp->counters[TCP_TAIL_PROBES]++;
    const uint32_t edge = c->snd_una + c->snd_wnd;
    c->tlp_is_retransmit = !(seq_lt(c->snd_nxt, c->snd_end) && seq_lt(c->snd_nxt, edge));
    if (c->tlp_is_retransmit) {
        struct record *last = scoreboard_last(c);
        const uint32_t payload = connection_payload_max(c);
        if (last->end - last->sequence > payload &&
            !scoreboard_split(c, last, last->end - payload)) {
            return;
        }
        last = scoreboard_last(c);
        if (last->state != RECORD_IN_FLIGHT) {
            return;
        }
        scoreboard_mark_lost(c, last); /* Sent at once; no loss is concluded. */
        c->retransmitted_once = false;
    }
    c->tlp_out = true;
    c->tlp_end = c->snd_nxt;
    c->force_send = true;
    timer_set(c, TIMER_RETRANSMIT, now_ns + timer_retransmit_ns(c));
    connection_wake(c);
}

/* The window is closed, or too small to be worth a segment (3.8.6.1, 3.8.6.2.1). */
static void persist_timeout(struct tcp_connection *c, uint64_t now_ns)
{
    if (c->snd_una != c->snd_nxt) {
        return; /* The retransmission timer watches. */
    }
    if (c->retries >= c->tcp->setup.retries_max) {
        give_up(c, now_ns);
        return;
    }
    if (c->snd_wnd > 0) {
        c->override = true;
    } else {
        c->probe_due = true;
        c->retries++; /* Back to 0 with every answer: a live peer may stay closed for ever. */
    }
    if (c->backoff < 16) {
        c->backoff++;
    }
    timer_set(c, TIMER_PERSIST, now_ns + timer_retransmit_ns(c));
    connection_wake(c);
}

static void keepalive_timeout(struct tcp_connection *c, uint64_t now_ns)
{
    const struct tcp_setup *setup = &c->tcp->setup;
    const uint64_t idle_ns = now_ns - c->heard_ns;
    if (idle_ns < setup->keepalive_idle_ms * ms_ns) {
        timer_set(c, TIMER_KEEPALIVE, c->heard_ns + setup->keepalive_idle_ms * ms_ns);
        return;
    }
    if (c->probes_unanswered >= setup->keepalive_probes) {
        give_up(c, now_ns);
        return;
    }
    if (c->snd_una == c->snd_nxt) { /* Else retransmissions ask already. */
        c->probes_unanswered++;
        c->probe_due = true;
        connection_wake(c);
    }
    timer_set(c, TIMER_KEEPALIVE, now_ns + setup->keepalive_every_ms * ms_ns);
}

static void fire_one(struct tcp_connection *c, enum tcp_timer timer, uint64_t now_ns)
{
    switch (timer) {
    case TIMER_RETRANSMIT: retransmit_timeout(c, now_ns); break;
    case TIMER_PROBE: probe_timeout(c, now_ns); break;
    case TIMER_REORDER: recovery_on_reorder_timer(c, now_ns); break;
    case TIMER_ACK: connection_ack(c); break;
    case TIMER_PERSIST: persist_timeout(c, now_ns); break;
    case TIMER_KEEPALIVE: keepalive_timeout(c, now_ns); break;
    case TIMER_LIFE: connection_end(c, TRANSPORT_CLOSED_BY_US); break;
    case TIMERS: break;
    }
}

void timer_fire(struct tcp_connection *c, uint64_t now_ns)
{
    c->armed_ns = UINT64_MAX;
    for (uint32_t i = 0; i < TIMERS && c->state != TCP_CLOSED; i++) {
        if (c->deadlines[i] <= now_ns) {
            c->deadlines[i] = UINT64_MAX;
            fire_one(c, (enum tcp_timer)i, now_ns);
        }
    }
    if (c->state == TCP_CLOSED) {
        return;
    }
    for (uint32_t i = 0; i < TIMERS; i++) { /* Those that were moved later. */
        if (c->deadlines[i] != UINT64_MAX) {
            timer_set(c, (enum tcp_timer)i, c->deadlines[i]);
        }
    }
}
