/* Explicit congestion notification (RFC 3168): a queue on the way marks what it would have dropped.
 * The receiver echoes the mark, the sender takes it for a loss, once a round trip, and says so. */
#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv4.h"
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
        state->ssthresh = c->tcp->setup.congestion->on_loss(state, now_ns);
        state->cwnd = min_u32(state->cwnd, state->ssthresh);
        c->tcp->counters[TCP_ECN_REDUCED]++;
    } else { /* What an undo would go back to (RFC 4015). */
        c->prior_cwnd = min_u32(c->prior_cwnd, state->ssthresh);
        c->prior_ssthresh = min_u32(c->prior_ssthresh, state->ssthresh);
    }
}

void ecn_input(struct tcp_connection *c, const struct arrival *arrival, uint64_t now_ns)
{
    const struct segment *segment = &arrival->segment;
    if (!c->ecn) {
        return;
    }
    if (segment->flags & SEGMENT_CWR) {
        c->ecn_echo = false;
    }
    if ((arrival->net.odd & NET_ODD_MARK) && segment->len != 0) {
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
    ip[1] |= NET_ECN_CAPABLE;
    if ((out->flags & PACKET_OUT_IP_CHECKSUM) == 0) {
        memset(ip + 10, 0, 2);
        const uint16_t field = checksum_finish(checksum_sum(ip, IPV4_BYTES));
        memcpy(ip + 10, &field, sizeof(field));
    }
}
