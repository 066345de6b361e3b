/* A segment for a connection: RFC 9293 3.10.7.3 and 3.10.7.4, with RFC 5961 and RFC 7323. */
#include "dataplane/tcp/recovery.h"
#include "dataplane/tcp/scoreboard.h"
#include "dataplane/tcp/syn.h"
#include "dataplane/tcp/time_wait.h"
#include "dataplane/tcp/timer.h"

static const uint64_t paws_age_ns = (uint64_t)24 * 24 * 3600 * 1000000000; /* RFC 7323 5.5. */

/* ---- Before anything is believed ---- */

static bool timestamp_too_old(const struct tcp_connection *c, const struct segment *segment,
                              uint64_t now_ns)
{
    return seq_lt(segment->tsval, c->ts_recent) && now_ns - c->ts_recent_ns < paws_age_ns;
}

static bool in_window(const struct tcp_connection *c, const struct segment *segment)
{
    const uint32_t len = segment_length(segment);
    if (c->rcv_nxt == c->rcv_edge) {
        return len == 0 && segment->sequence == c->rcv_nxt;
    }
    if (len == 0) {
        return seq_leq(c->rcv_nxt, segment->sequence) && seq_lt(segment->sequence, c->rcv_edge);
    }
    return seq_lt(segment->sequence, c->rcv_edge) && seq_lt(c->rcv_nxt, segment->sequence + len);
}

/* Old segments say that our ACK was lost, or are probes: they are answered. */
static void answer_unacceptable(struct tcp_connection *c, const struct segment *segment,
                                uint64_t now_ns)
{
    const uint32_t end = segment->sequence + segment->len;
    c->tcp->counters[TCP_IN_OUT_OF_WINDOW]++;
    if (segment->flags & SEGMENT_RST) {
        return;
    }
    if (segment->len != 0 && seq_leq(end, c->rcv_nxt)) {
        c->duplicates++;
        if (c->sack && !c->dsack_due) {
            c->dsack_due = true;
            c->dsack = (struct segment_range){segment->sequence, end};
        }
        connection_ack(c);
    } else {
        connection_challenge(c, now_ns);
    }
}

/* Timestamps, sequence, RST, SYN. False: the segment is done with. */
static bool check(struct tcp_connection *c, struct segment *segment, uint64_t now_ns)
{
    const bool rst = (segment->flags & SEGMENT_RST) != 0;
    if (c->timestamps && !rst) {
        if (!segment->has_timestamp) { /* RFC 7323 3.2. */
            c->tcp->counters[TCP_IN_NO_TIMESTAMP]++;
            return false;
        }
        if (timestamp_too_old(c, segment, now_ns)) { /* RFC 7323 5.3 R1. */
            c->tcp->counters[TCP_IN_PAWS]++;
            if (segment->len != 0) {
                connection_ack(c);
            } else {
                connection_challenge(c, now_ns);
            }
            return false;
        }
    }
    if (!in_window(c, segment)) {
        if (c->rcv_nxt != c->rcv_edge || segment->sequence != c->rcv_nxt || rst ||
            (segment->flags & SEGMENT_SYN)) {
            answer_unacceptable(c, segment, now_ns);
            return false;
        }
        /* A closed window takes ACKs none the less (MUST-66); the payload is cut off. */
        connection_ack(c);
        segment->flags &= (uint8_t)~SEGMENT_FIN;
        segment->len = 0;
    }
    if (rst) {
        c->tcp->counters[TCP_IN_RST]++;
        if (segment->sequence == c->rcv_nxt) { /* RFC 5961 3.2. */
            connection_end(c, TRANSPORT_RESET);
        } else {
            connection_challenge(c, now_ns);
        }
        return false;
    }
    if (segment->flags & SEGMENT_SYN) { /* RFC 5961 4.2. */
        connection_challenge(c, now_ns);
        return false;
    }
    return (segment->flags & SEGMENT_ACK) != 0;
}

/* ---- ACK ---- */

/* The window of the newest segment (3.10.7.4, fifth). What acknowledges more is newer, also when
 * its sequence is that of a retransmission: the window counts from una, which moves. */
static void window_update(struct tcp_connection *c, const struct segment *segment)
{
    if (seq_lt(c->snd_una, segment->ack) || seq_lt(c->snd_wl1, segment->sequence) ||
        (c->snd_wl1 == segment->sequence && seq_leq(c->snd_wl2, segment->ack))) {
        const uint32_t window = segment->window << c->snd_scale;
        c->zero_windows += window == 0 && c->snd_wnd != 0;
        c->snd_wnd = window;
        c->snd_wnd_max = (uint32_t)max_u64(c->snd_wnd_max, window);
        c->snd_wl1 = segment->sequence;
        c->snd_wl2 = segment->ack;
    }
}

/* Something passes again: a peer that had stood still, or small segments only. Tried a few times.
 */
static void restore_mss(struct tcp_connection *c)
{
    c->mss = c->mss_whole;
    c->congestion.mss = connection_payload_max(c);
    c->congestion.cwnd = (uint32_t)max_u64(c->congestion.cwnd, c->congestion.mss);
    c->mss_whole = 0;
    c->mtu_tries++;
}

static void after_ack(struct tcp_connection *c, const struct ack_result *result, uint64_t now_ns)
{
    const struct tcp_setup *setup = &c->tcp->setup;
    if (result->rtt_ns != 0) {
        rtt_sample(&c->rtt, result->rtt_ns, setup->rto_min_ms * (uint64_t)1000000,
                   setup->rto_max_ms * (uint64_t)1000000, now_ns);
        c->backoff = 0;
    }
    c->retries = 0;
    if (result->acked > 0) {
        c->una_at_ns = now_ns;
        c->mtu_losses = 0;
        if (c->mss_whole != 0 && c->mtu_tries < MTU_TRIES_MAX) {
            restore_mss(c);
        }
        c->bytes_acked += result->acked;
    }
    recovery_on_ack(c, result, now_ns);
    if (result->acked > 0) {
        timer_restart_retransmit(c, now_ns);
    }
    if (result->acked > 0 || result->sacked > 0) {
        recovery_arm_probe(c, now_ns);
    }
    if (extent_any_done(c)) {
        connection_notify(c);
    }
}

bool input_ack(struct tcp_connection *c, const struct segment *segment, uint64_t now_ns)
{
    const uint32_t una = c->snd_una;
    if (seq_lt(c->snd_nxt, segment->ack) || seq_lt(segment->ack, una - c->snd_wnd_max)) {
        c->tcp->counters[TCP_IN_BAD_ACK]++; /* RFC 5961 5.2. */
        connection_challenge(c, now_ns);
        return false;
    }
    const uint32_t window_before = c->snd_wnd;
    struct ack_result result = {.tsecr = segment->tsecr,
                                .has_tsecr = c->timestamps && segment->has_timestamp};
    if (seq_lt(segment->ack, una)) {
        return true; /* Old; its data may be new. */
    }
    window_update(c, segment);
    result.duplicate = segment->ack == una && c->snd_nxt != una && segment_length(segment) == 0 &&
                       c->snd_wnd == window_before;
    if (segment->ack != una) {
        scoreboard_ack(c, segment->ack, &result, now_ns);
        c->snd_una = segment->ack;
    }
    if (c->sack) {
        scoreboard_sack(c, segment, una, &result, now_ns);
    }
    if (UNLIKELY(c->ecn) && ecn_counts(c)) {
        ecn_acked(c, c->snd_una - una, (segment->flags & SEGMENT_ECE) != 0);
    }
    after_ack(c, &result, now_ns);
    if (c->snd_wnd > 0 && window_before == 0) {
        c->backoff = 0;
        timer_clear(c, TIMER_PERSIST);
    }
    if (connection_wants_output(c)) {
        connection_wake(c);
    }
    return true;
}

/* Our FIN was acknowledged. False: the connection is over. */
static bool fin_acked(struct tcp_connection *c, uint64_t now_ns)
{
    if (c->state == TCP_FIN_WAIT_1) {
        connection_set_state(c, TCP_FIN_WAIT_2);
        if (c->user_closed) { /* Nobody waits for what the peer may still say. */
            timer_set(c, TIMER_LIFE, now_ns + c->tcp->setup.fin_wait_ms * (uint64_t)1000000);
        }
    } else if (c->state == TCP_CLOSING) {
        time_wait_begin(c, false, now_ns);
        return false;
    } else if (c->state == TCP_LAST_ACK) {
        connection_end(c, TRANSPORT_CLOSED_BY_PEER);
        return false;
    }
    return true;
}

/* ---- FIN ---- */

static void fin_input(struct tcp_connection *c, uint64_t now_ns)
{
    c->fin_received = true;
    c->fin_known = false;
    c->rcv_nxt++;
    c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt);
    connection_ack(c);
    connection_notify(c);
    if (c->state == TCP_ESTABLISHED) {
        connection_set_state(c, TCP_CLOSE_WAIT);
    } else if (c->state == TCP_FIN_WAIT_1) {
        connection_set_state(c, TCP_CLOSING);
    } else if (c->state == TCP_FIN_WAIT_2) {
        time_wait_begin(c, true, now_ns);
    }
}

static void data_input(struct tcp_connection *c, struct arrival *arrival, uint64_t now_ns)
{
    const struct segment *segment = &arrival->segment;
    const uint32_t end = segment->sequence + segment->len;
    if (segment->len != 0 && !c->fin_received) {
        if (c->user_closed && seq_lt(c->rcv_nxt, end)) { /* RFC 1122 4.2.2.13. */
            connection_reset(c, c->snd_nxt, now_ns);
            connection_end(c, TRANSPORT_CLOSED_BY_US);
            return;
        }
        receive_payload(c, arrival, now_ns);
    }
    if ((segment->flags & SEGMENT_FIN) && !c->fin_received && !c->fin_known &&
        seq_leq(c->rcv_nxt, end) && seq_leq(end, c->rcv_edge)) {
        c->fin_known = true;
        c->fin_sequence = end;
        if (end != c->rcv_nxt) {
            connection_ack(c);
        }
    }
    if (c->fin_known && c->fin_sequence == c->rcv_nxt) {
        fin_input(c, now_ns);
    }
}

/* ---- SYN-SENT (3.10.7.3) ---- */

static void take_syn_options(struct tcp_connection *c, const struct segment *segment,
                             uint64_t now_ns)
{
    c->mss = connection_mss(c->tcp, &c->key, segment->mss);
    c->timestamps = segment->has_timestamp;
    c->sack = segment->sack_permitted;
    c->rcv_scale = segment->has_wscale ? tcp_window_scale(c->tcp) : 0;
    c->snd_scale = segment->has_wscale ? segment->wscale : 0;
    c->ts_recent = segment->tsval;
    c->ts_recent_ns = now_ns;
    c->rcv_nxt = segment->sequence + 1;
    c->rcv_edge = c->rcv_nxt + min_u32(c->rcv_buffer, UINT16_MAX);
    c->last_ack_sent = c->rcv_nxt;
    c->snd_wnd = segment->window; /* Never scaled in a SYN (RFC 7323 2.2). */
    c->snd_wnd_max = segment->window;
    c->snd_wl1 = segment->sequence;
    c->snd_wl2 = segment->ack;
}

static void syn_sent_input(struct tcp_connection *c, struct arrival *arrival, uint64_t now_ns)
{
    const struct segment *segment = &arrival->segment;
    const bool ack = (segment->flags & SEGMENT_ACK) != 0;
    if (ack && segment->ack != c->snd_nxt) {
        c->tcp->counters[TCP_IN_BAD_ACK]++;
        tcp_reset_stray(c->tcp, arrival, now_ns);
        return;
    }
    if (segment->flags & SEGMENT_RST) {
        if (ack && open_withdraw(c)) { /* Else it may be anybody's. */
            c->tcp->counters[TCP_REFUSED]++;
            connection_end(c, TRANSPORT_RESET);
        }
        return;
    }
    if (!(segment->flags & SEGMENT_SYN) || !open_withdraw(c)) {
        return;
    }
    take_syn_options(c, segment, now_ns);
    ecn_begin(c,
              ack && c->tcp->setup.ecn == TCP_ECN_ASK && c->retries == 0 &&
                  (segment->flags & (SEGMENT_ECE | SEGMENT_CWR)) == SEGMENT_ECE,
              c->iss + 1);
    if (!ack) { /* Both opened at once. */
        connection_set_state(c, TCP_SYN_RECEIVED);
        c->syn_due = true;
        connection_wake(c);
        return;
    }
    if (c->retries == 0 && now_ns > c->sent_at_ns) {
        rtt_sample(&c->rtt, now_ns - c->sent_at_ns, c->tcp->setup.rto_min_ms * (uint64_t)1000000,
                   c->tcp->setup.rto_max_ms * (uint64_t)1000000, now_ns);
    }
    c->snd_una = segment->ack;
    connection_establish(c, now_ns);
    connection_ack(c);
}

/* ---- The common segment ---- */

/* In order, nothing odd, nothing lost: the checks above would all pass. */
static bool is_common(const struct tcp_connection *c, const struct arrival *arrival)
{
    const struct segment *segment = &arrival->segment;
    const uint32_t odd = (uint32_t)(c->state ^ TCP_ESTABLISHED) | arrival->net.odd | c->ecn_echo |
                         (uint32_t)((segment->flags & ~SEGMENT_PSH) ^ SEGMENT_ACK) |
                         (segment->sequence ^ c->rcv_nxt) |
                         (uint32_t)(segment->has_timestamp ^ c->timestamps) |
                         (uint32_t)(segment->tsval - c->ts_recent) >> 31 |
                         (uint32_t)(c->rcv_edge - c->rcv_nxt - 1 - segment->len) >> 31;
    return odd == 0;
}

static void take_timestamp(struct tcp_connection *c, const struct segment *segment, uint64_t now_ns)
{
    if (c->timestamps && seq_leq(segment->sequence, c->last_ack_sent) &&
        seq_leq(c->ts_recent, segment->tsval)) { /* RFC 7323 4.3 (2). */
        c->ts_recent = segment->tsval;
        c->ts_recent_ns = now_ns;
    }
}

/* The next bytes, and of ours nothing that may be wrong or that anybody waits for. */
HOT_INLINE bool is_next(const struct tcp_connection *c, const struct usual *usual)
{
    const uint32_t odd =
        (usual->sequence ^ c->rcv_nxt) | (uint32_t)(usual->tsval - c->ts_recent) >> 31 |
        (uint32_t)(c->rcv_edge - usual->sequence - 1 - usual->len) >> 31 |
        (uint32_t)(usual->ack - c->snd_una) >> 31 | (uint32_t)(c->snd_nxt - usual->ack) >> 31;
    return connection_plain(c, usual->timestamp) && odd == 0 && usual->len != 0 && c->holes == NULL;
}

/* It acknowledges something, or opens or closes the window. */
HOT_INLINE bool is_news(const struct tcp_connection *c, const struct usual *usual)
{
    return ((usual->ack ^ c->snd_una) | ((usual->window << c->snd_scale) ^ c->snd_wnd)) != 0;
}

/* All checks would pass: no flags but ACK and PSH, no options but the timestamps. News go the long
 * way. */
HOT_INLINE bool input_data(struct tcp_connection *c, const struct usual *usual, uint64_t now_ns)
{
    if (!is_next(c, usual) || is_news(c, usual) || !receive_next(c, usual, now_ns)) {
        return false;
    }
    c->retries = 0;
    c->snd_wl1 = usual->sequence;
    c->snd_wl2 = usual->ack;
    c->tcp->counters[TCP_IN_FAST]++;
    c->segments_in++;
    c->heard_ns = now_ns;
    c->probes_unanswered = 0;
    if (usual->timestamp && seq_leq(usual->sequence, c->last_ack_sent)) { /* As take_timestamp. */
        c->ts_recent = usual->tsval;
        c->ts_recent_ns = now_ns;
    }
    return true;
}

static struct usual usual_of(const struct arrival *arrival)
{
    const struct segment *segment = &arrival->segment;
    return (struct usual){.payload = arrival->net.first.bytes.ptr + segment->header_len,
                          .buffer = arrival->net.first.buffer,
                          .sequence = segment->sequence,
                          .ack = segment->ack,
                          .window = segment->window,
                          .tsval = segment->tsval,
                          .len = segment->len,
                          .segments = arrival->net.segments,
                          .push = (segment->flags & SEGMENT_PSH) != 0,
                          .timestamp = segment->has_timestamp};
}

LINK_INLINE bool input_usual(struct tcp_connection *c, struct arrival *arrival, uint64_t now_ns)
{
    const struct usual usual = usual_of(arrival);
    const bool odd = arrival->net.odd != 0 || arrival->segment.sack_count != 0 ||
                     (arrival->segment.flags & ~SEGMENT_PSH) != SEGMENT_ACK;
    if (odd || !input_data(c, &usual, now_ns)) {
        return false;
    }
    arrival->valid = false; /* Its buffer is placed. */
    return true;
}

/* Both opened at once and their SYN-ACKs crossed: the SYN is known, the ACK opens (3.5, figure 7).
 */
static void crossed_syn(const struct tcp_connection *c, struct segment *segment)
{
    const uint8_t flags = segment->flags & (SEGMENT_SYN | SEGMENT_ACK | SEGMENT_RST);
    if (flags == (SEGMENT_SYN | SEGMENT_ACK) && segment->sequence + 1 == c->rcv_nxt &&
        segment->ack == c->snd_nxt && segment->len == 0) {
        segment->flags &= (uint8_t)~SEGMENT_SYN;
        segment->sequence++;
    }
}

void input_segment(struct tcp_connection *c, struct arrival *arrival, uint64_t now_ns)
{
    struct segment *segment = &arrival->segment;
    c->segments_in++;
    c->heard_ns = now_ns;
    c->probes_unanswered = 0;
    if (c->state == TCP_SYN_SENT) {
        syn_sent_input(c, arrival, now_ns);
        return;
    }
    if (c->state == TCP_SYN_RECEIVED) {
        crossed_syn(c, segment);
    }
    if (LIKELY(is_common(c, arrival))) {
        c->tcp->counters[TCP_IN_FAST]++;
    } else if (check(c, segment, now_ns)) {
        ecn_input(c, arrival, now_ns);
    } else {
        return;
    }
    if (c->state == TCP_SYN_RECEIVED) {
        if (segment->ack != c->snd_nxt) {
            tcp_reset_stray(c->tcp, arrival, now_ns);
            return;
        }
        c->snd_una = segment->ack;
        c->snd_wnd = segment->window << c->snd_scale;
        connection_establish(c, now_ns);
    }
    take_timestamp(c, segment, now_ns);
    if (!input_ack(c, segment, now_ns)) {
        return;
    }
    if (c->fin_sent && c->snd_una == c->snd_nxt && !fin_acked(c, now_ns)) {
        return;
    }
    data_input(c, arrival, now_ns);
}

/* ---- ICMP ---- */

/* RFC 1191, RFC 8201 (of which icmp6.c knows the least MTU), with the checks of RFC 5927: only
 * about what is in flight, only smaller. */
static void mtu_input(struct tcp_connection *c, const struct icmp_error *error)
{
    const uint32_t mtu = error->mtu != 0 ? error->mtu : 576;
    const uint32_t headers = net_headers(&c->key.remote);
    if (mtu < MSS_MIN + headers || mtu - headers >= c->mss) {
        return;
    }
    c->mss = (uint16_t)(mtu - headers);
    c->mss_whole = 0;
    c->congestion.mss = connection_payload_max(c);
    c->tcp->counters[TCP_MTU_REDUCED]++;
    LIST_FOR_EACH(node, &c->records)
    {
        struct record *record = CONTAINER_OF(node, struct record, node);
        if (record->state == RECORD_IN_FLIGHT &&
            record->end - record->sequence > connection_payload_max(c)) {
            scoreboard_mark_lost(c, record); /* Sent again in smaller pieces; no congestion. */
        }
    }
    connection_wake(c);
}

void input_error(struct tcp_connection *c, const struct icmp_error *error, uint64_t now_ns)
{
    (void)now_ns;
    if (seq_lt(error->sequence, c->snd_una) || !seq_lt(error->sequence, c->snd_nxt)) {
        return; /* A guess. */
    }
    switch (error->reason) {
    case ICMP_REASON_MTU:
        if (connection_synchronized(c)) {
            mtu_input(c, error);
        }
        break;
    case ICMP_REASON_HARD: /* RFC 5927 6: established connections do not believe it. */
        if (c->state == TCP_SYN_SENT && open_withdraw(c)) {
            c->tcp->counters[TCP_REFUSED]++;
            connection_end(c, TRANSPORT_RESET);
        }
        break;
    case ICMP_REASON_SOFT: break;
    }
}
