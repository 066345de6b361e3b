/* Explicit congestion notification (RFC 3168): a queue on the way marks what it would have dropped.
 * The receiver echoes the mark, the sender takes it for a loss, once a round trip, and says so.
 *
 * Where the algorithm counts marks (DCTCP, RFC 8257) each ACK says of the bytes it is for whether
 * they were marked, and the sender adds them up over a round trip. */
#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv4.h"
#include "dataplane/net/ipv6.h"
#include "dataplane/tcp/recovery.h"

/* An echo about what was sent after the last reduction: another one (6.1.2). In recovery the window
 * is smaller already. A point beyond snd_nxt is one of gigabytes ago. */
static void echo_input(struct tcp_connection *c, uint32_t ack, uint64_t now_ns)
{
    struct congestion_state *state = &c->congestion;
    c->cwnd_limited = false; /* This ACK makes it no larger. */
    const bool told = seq_leq(ack, c->ecn_point) && seq_leq(c->ecn_point, c->snd_nxt);
    if (told || seq_lt(c->snd_nxt, ack)) {
        return;
    }
    c->ecn_point = c->snd_nxt;
    c->ecn_told = true;
    if (c->mode == RECOVERY_OPEN) {
        const struct congestion *congestion = c->tcp->setup.congestion;
        state->ssthresh =
            ecn_counts(c) ? congestion->on_mark(state) : congestion->on_loss(state, now_ns);
        state->cwnd = min_u32(state->cwnd, state->ssthresh);
        c->tcp->counters[TCP_ECN_REDUCED]++;
    } else { /* What an undo would go back to (RFC 4015). */
        c->prior_cwnd = min_u32(c->prior_cwnd, state->ssthresh);
        c->prior_ssthresh = min_u32(c->prior_ssthresh, state->ssthresh);
    }
}

/* What came before, as it was (RFC 8257 3.2): with the next ACK both would look the same. */
static void acknowledge_before(struct tcp_connection *c, uint64_t now_ns)
{
    struct segment segment = {.sequence = c->snd_nxt,
                              .ack = c->rcv_nxt,
                              .flags = SEGMENT_ACK,
                              .window = connection_window(c),
                              .has_timestamp = c->timestamps,
                              .tsval = tcp_now_ms(now_ns) + c->ts_offset,
                              .tsecr = c->ts_recent};
    segment.flags |= c->ecn_echo ? SEGMENT_ECE : 0;
    tcp_answer(c->tcp, &c->key, &segment, now_ns);
    c->segments_out++;
    c->last_ack_sent = c->rcv_nxt;
    c->unacked = 0;
    c->unacked_segments = 0;
}

/* Each ACK tells of marked bytes or of others, never of both. */
static void mark_count(struct tcp_connection *c, bool marked, uint64_t now_ns)
{
    c->tcp->counters[TCP_IN_MARKED] += marked;
    if (marked != c->ecn_echo) {
        if (c->unacked != 0) {
            acknowledge_before(c, now_ns);
        }
        c->ecn_echo = marked;
    }
}

void ecn_acked(struct tcp_connection *c, uint32_t acked, bool echo)
{
    c->round_marked += echo ? acked : 0;
    if (seq_lt(c->round_end, c->snd_una)) { /* Not at it: the window behind it may be empty. */
        c->tcp->setup.congestion->on_round(&c->congestion, c->snd_una - c->round_una,
                                           c->round_marked);
        c->round_una = c->snd_una;
        c->round_end = c->snd_nxt;
        c->round_marked = 0;
    }
}

void ecn_begin(struct tcp_connection *c, bool both, uint32_t una)
{
    c->ecn = both;
    c->ecn_point = una;
    c->round_una = una;
    c->round_end = una;
}

void ecn_input(struct tcp_connection *c, const struct arrival *arrival, uint64_t now_ns)
{
    const struct segment *segment = &arrival->segment;
    if (!c->ecn) {
        return;
    }
    const bool marked = (arrival->net.odd & NET_ODD_MARK) != 0;
    if (ecn_counts(c)) {
        if (segment->len != 0) {
            mark_count(c, marked, now_ns);
        }
    } else if (segment->flags & SEGMENT_CWR) {
        c->ecn_echo = false;
    }
    if (!ecn_counts(c) && marked && segment->len != 0) {
        c->tcp->counters[TCP_IN_MARKED]++;
        c->ecn_echo = true;
        connection_ack(c); /* The sooner the sender knows, the shorter the queue. */
    }
    if ((segment->flags & (SEGMENT_ECE | SEGMENT_ACK)) == (SEGMENT_ECE | SEGMENT_ACK)) {
        echo_input(c, segment->ack, now_ns);
    }
}

/* Retransmissions and what carries no data are not marked (6.1.4, 6.1.5). */
void ecn_output(struct tcp_connection *c, struct packet_out *out, bool new_data)
{
    uint8_t *ip = out->header + c->l2_len;
    uint8_t *flags = out->header + c->header_len + 13;
    if (c->ecn_echo) {
        *flags |= SEGMENT_ECE;
    }
    if (!new_data) {
        return;
    }
    if (c->ecn_told) {
        *flags |= SEGMENT_CWR;
        c->ecn_told = false;
    }
    if (out->flags & PACKET_OUT_IPV6) {
        ip[1] |= NET_ECN_CAPABLE << IPV6_ECN_SHIFT;
        return;
    }
    ip[1] |= NET_ECN_CAPABLE;
    if ((out->flags & PACKET_OUT_IP_CHECKSUM) == 0) {
        memset(ip + 10, 0, 2);
        const uint16_t field = checksum_finish(checksum_sum(ip, IPV4_BYTES));
        memcpy(ip + 10, &field, sizeof(field));
    }
}
