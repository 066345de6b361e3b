/* What leaves: the port pulls, and each packet is decided and built at that moment. */
#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv4.h"
#include "dataplane/net/ipv6.h"
#include "dataplane/tcp/recovery.h"
#include "dataplane/tcp/scoreboard.h"
#include "dataplane/tcp/timer.h"

enum output_result { OUTPUT_NOTHING, OUTPUT_PACKET, OUTPUT_WAITING, OUTPUT_STARVED };

void connection_ack(struct tcp_connection *c)
{
    c->ack_now = true;
    connection_wake(c);
}

void connection_challenge(struct tcp_connection *c, uint64_t now_ns)
{
    if (rate_take(&c->challenges, now_ns, CHALLENGES_PER_SECOND, CHALLENGES_PER_SECOND)) {
        c->tcp->counters[TCP_OUT_CHALLENGE]++;
        connection_ack(c);
    } else {
        c->tcp->counters[TCP_OUT_LIMITED]++;
    }
}

/* ---- The window we advertise ---- */

static uint32_t window_free(const struct tcp_connection *c)
{
    const struct stock *pieces = &c->tcp->pieces;
    if (c->held_pieces >= pieces->capacity - pieces->used) {
        return 0; /* What came would be dropped: see receive.c. */
    }
    return c->rcv_buffer > c->held ? c->rcv_buffer - c->held : 0;
}

/* The right edge that memory would allow; never left of the one advertised (3.8.6). Small steps
 * are not worth telling (3.8.6.2.2). */
static uint32_t window_edge(const struct tcp_connection *c)
{
    const uint32_t edge = c->rcv_nxt + window_free(c);
    const uint32_t step = min_u32(c->mss, c->rcv_buffer / 2);
    return seq_distance(edge, c->rcv_edge) >= step ? edge : c->rcv_edge;
}

LINK_INLINE uint32_t connection_window(struct tcp_connection *c)
{
    const uint32_t window = seq_distance(window_edge(c), c->rcv_nxt);
    const uint32_t unit = (uint32_t)1 << c->rcv_scale;
    /* Rounded up, so that the edge does not retreat; but what that gives away is bounded. */
    uint32_t field = (window + unit - 1) >> c->rcv_scale;
    if ((field << c->rcv_scale) > window_free(c) + 8 * unit && window % unit != 0) {
        field--;
    }
    field = min_u32(field, UINT16_MAX);
    c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt + (field << c->rcv_scale));
    return field;
}

bool connection_window_opens(const struct tcp_connection *c)
{
    const uint32_t now = seq_distance(c->rcv_edge, c->rcv_nxt);
    const uint32_t gain = seq_distance(window_edge(c), c->rcv_edge);
    return gain >= c->rcv_buffer / 2 || (gain != 0 && now < 2 * (uint32_t)c->mss);
}

/* ---- Building ---- */

/* Fills the cached headers of the way. */
static bool way_find(struct tcp_connection *c, uint64_t now_ns)
{
    struct net *net = c->tcp->net;
    if (c->header_len != 0 && c->header_generation == net->neighbors.generation) {
        net_hop_used(net, c->hop, now_ns);
        return true;
    }
    c->hop = net_hop(net, &c->key.remote, now_ns);
    if (!net_hop_ready(net, c->hop)) {
        return false;
    }
    c->header_len =
        net_header_write(net, c->hop, &c->key.local, &c->key.remote, c->header, &c->l2_len);
    segment_write_usual(c->header + c->header_len, c->key.local_port, c->key.remote_port);
    c->header_sum = checksum_sum(c->header + c->l2_len, IPV4_BYTES);
    c->pseudo_sum = checksum_pseudo(&c->key.local, &c->key.remote, IPV4_TCP, 0);
    c->header_generation = net->neighbors.generation;
    return true;
}

/* IPv4's sum is known but for the length; IPv6 has none. */
HOT_INLINE void ip_finish(const struct tcp_connection *c, struct packet_out *out)
{
    uint8_t *ip = out->header + c->l2_len;
    const uint32_t len = (uint32_t)out->l3_len + out->l4_len + out->payload_len;
    uint16_t field;
    ASSERT_HOT(len <= PACKET_BYTES_MAX);
    if (UNLIKELY(out->l3_len != IPV4_BYTES)) {
        ipv6_write_length(ip, len - IPV6_BYTES);
        out->flags |= PACKET_OUT_IPV6;
        return;
    }
    store_be16(ip + 2, (uint16_t)len);
    if (c->tcp->net->setup.offloads & NET_OFFLOAD_IP_CHECKSUM) {
        out->flags |= PACKET_OUT_IP_CHECKSUM;
        return;
    }
    memcpy(&field, ip + 2, sizeof(field));
    field = checksum_finish(c->header_sum + field);
    memcpy(ip + 10, &field, sizeof(field));
}

/* Of everything, in software. */
static NOINLINE uint16_t checksum_make(const struct packet_out *out, const uint8_t *tcp,
                                       uint32_t sum)
{
    size_t offset = out->l4_len;
    sum = checksum_join(sum, checksum_sum(tcp, out->l4_len), 0);
    for (uint32_t i = 0; i < out->part_count; i++) {
        sum = checksum_join(sum, checksum_sum(out->parts[i].ptr, out->parts[i].len), offset);
        offset += out->parts[i].len;
    }
    return checksum_finish(sum);
}

HOT_INLINE void checksum_fill(const struct tcp_connection *c, struct packet_out *out, uint8_t *tcp)
{
    const bool tso = (out->flags & PACKET_OUT_TSO) != 0;
    uint16_t field;
    store_be16((uint8_t *)&field, (uint16_t)(tso ? 0 : out->l4_len + out->payload_len));
    const uint32_t sum = checksum_join(c->pseudo_sum, field, 0);
    if (c->tcp->net->setup.offloads & NET_OFFLOAD_TCP_CHECKSUM) {
        out->flags |= PACKET_OUT_TCP_CHECKSUM;
        field = (uint16_t)sum;
    } else {
        field = checksum_make(out, tcp, sum);
    }
    memcpy(tcp + 16, &field, sizeof(field));
}

/* The headers of the way, as they are kept. Returns where TCP's begins. */
HOT_INLINE uint8_t *headers_begin(struct tcp_connection *c, struct packet_out *out)
{
    memcpy(out->header, c->header, HEADER_CACHE_BYTES); /* A constant: no call. */
    out->l2_len = c->l2_len;
    out->l3_len = (uint16_t)(c->header_len - c->l2_len);
    return out->header + c->header_len;
}

/* TCP's header is written, and takes so many bytes. */
HOT_INLINE void headers_end(struct tcp_connection *c, struct packet_out *out, uint8_t *tcp,
                            uint16_t l4_len, uint32_t sequence)
{
    out->l4_len = l4_len;
    out->header_len = (uint16_t)(c->header_len + l4_len);
    out->flags = 0;
    out->tso_bytes = 0;
    const uint32_t payload = connection_payload_max(c);
    if (out->payload_len > payload) {
        out->flags |= PACKET_OUT_TSO;
        out->tso_bytes = (uint16_t)payload;
    }
    ip_finish(c, out);
    if (UNLIKELY(c->ecn)) {
        ecn_output(c, out, out->payload_len != 0 && sequence == c->snd_nxt);
    }
    checksum_fill(c, out, tcp);
    c->segments_out++;
    c->tcp->counters[TCP_OUT_SEGMENTS]++;
}

/* An ACK is on its way. */
HOT_INLINE void acknowledged(struct tcp_connection *c)
{
    c->last_ack_sent = c->rcv_nxt;
    c->unacked = 0;
    c->unacked_segments = 0;
    timer_clear(c, TIMER_ACK);
}

/* Everything but the payload, which is in `out` already. */
static NOINLINE void build(struct tcp_connection *c, struct packet_out *out,
                           struct segment *segment, uint64_t now_ns)
{
    const bool syn = (segment->flags & SEGMENT_SYN) != 0;
    segment->source_port = c->key.local_port;
    segment->target_port = c->key.remote_port;
    if (segment->flags & SEGMENT_ACK) {
        segment->ack = c->rcv_nxt;
        segment->window =
            syn ? min_u32(c->rcv_edge - c->rcv_nxt, UINT16_MAX) : connection_window(c);
    }
    if (c->timestamps || (syn && !(segment->flags & SEGMENT_ACK))) {
        segment->has_timestamp = true;
        segment->tsval = tcp_now_ms(now_ns) + c->ts_offset;
        segment->tsecr = (segment->flags & SEGMENT_ACK) ? c->ts_recent : 0;
    }
    uint8_t *tcp = headers_begin(c, out);
    const uint16_t l4_len = segment_write(tcp, segment);
    headers_end(c, out, tcp, l4_len, segment->sequence);
    if (segment->flags & SEGMENT_ACK) {
        acknowledged(c);
    }
}

static void no_payload(struct packet_out *out)
{
    out->payload_len = 0;
    out->part_count = 0;
    out->pin = (struct packet_pin){.kind = PACKET_PIN_NONE};
}

/* An ACK, with or without payload; takes along the ranges that find room beside it. */
static NOINLINE void build_told(struct tcp_connection *c, struct packet_out *out, uint32_t sequence,
                                uint8_t flags, uint64_t now_ns)
{
    struct segment segment = {.sequence = sequence, .flags = flags | SEGMENT_ACK};
    bool told = true;
    if (c->sack && (c->range_count != 0 || c->dsack_due)) {
        const uint32_t room = (uint32_t)c->mss - min_u32(c->mss, out->payload_len);
        const uint32_t used = (c->timestamps ? (uint32_t)SEGMENT_TIMESTAMP_BYTES : 0u) + 4;
        const uint32_t fit = room > used ? min_u32((room - used) / 8, (40 - used) / 8) : 0;
        told = fit != 0; /* Else an ACK of its own follows. */
        segment.sack_count = receive_sacks(c, segment.sacks, min_u32(fit, SEGMENT_SACKS_MAX));
    }
    build(c, out, &segment, now_ns);
    if (told) {
        c->ack_now = false;
        c->dsack_due = false;
    }
}

/* The same. Nearly always there is nothing to tell but timestamps: then TCP's header is there, too,
 * but for what changes. */
static void build_ack(struct tcp_connection *c, struct packet_out *out, uint32_t sequence,
                      uint8_t flags, uint64_t now_ns)
{
    if (UNLIKELY(!c->timestamps || c->range_count != 0 || c->dsack_due)) {
        build_told(c, out, sequence, flags, now_ns);
        return;
    }
    uint8_t *tcp = headers_begin(c, out);
    segment_patch(tcp, sequence, c->rcv_nxt, flags | SEGMENT_ACK, connection_window(c),
                  tcp_now_ms(now_ns) + c->ts_offset, c->ts_recent);
    headers_end(c, out, tcp, SEGMENT_USUAL_BYTES, sequence);
    acknowledged(c);
    c->ack_now = false;
}

static void build_syn(struct tcp_connection *c, struct packet_out *out, uint64_t now_ns)
{
    const bool answer = c->state == TCP_SYN_RECEIVED;
    const bool ask = c->tcp->setup.ecn == TCP_ECN_ASK && c->retries == 0; /* 6.1.1.1. */
    const uint8_t asking = ask ? SEGMENT_ECE | SEGMENT_CWR : 0;
    struct segment segment = {.sequence = c->iss,
                              .flags = (uint8_t)(SEGMENT_SYN | (answer ? SEGMENT_ACK : asking)),
                              .mss = net_mss(c->tcp->net, &c->key.remote),
                              .sack_permitted = !answer || c->sack,
                              .has_wscale = !answer || c->rcv_scale != 0 || c->snd_scale != 0,
                              .wscale = answer ? c->rcv_scale : tcp_window_scale(c->tcp),
                              .window = UINT16_MAX};
    no_payload(out);
    build(c, out, &segment, now_ns);
    c->syn_due = false;
    c->ack_now = false;
    if (c->retries == 0) {
        c->sent_at_ns = now_ns;
    }
    open_offer(c);
}

/* ---- Deciding ---- */

/* The most payload of one packet. */
static uint32_t packet_payload_max(const struct tcp_connection *c)
{
    const uint32_t payload = connection_payload_max(c);
    if (!(c->tcp->net->setup.offloads & NET_OFFLOAD_TSO)) {
        return payload;
    }
    const uint32_t uncut = c->tcp->net->setup.uncut_max;
    const uint32_t most = (uncut != 0 ? uncut : PACKET_BYTES_MAX) - IPV4_BYTES - SEGMENT_BYTES_MAX;
    return (uint32_t)max_u64(most / payload, 1) * payload;
}

static uint32_t window_room(const struct tcp_connection *c)
{
    const uint32_t pipe = recovery_pipe(c);
    const uint32_t room = c->congestion.cwnd > pipe ? c->congestion.cwnd - pipe : 0;
    return c->force_send ? (uint32_t)max_u64(room, connection_payload_max(c)) : room;
}

static enum output_result send_lost(struct tcp_connection *c, struct packet_out *out,
                                    uint64_t now_ns)
{
    struct record *record = c->first_lost;
    const uint32_t payload = connection_payload_max(c);
    uint32_t room = window_room(c);
    if (room < min_u32(payload, record->end - record->sequence)) {
        return OUTPUT_NOTHING;
    }
    room = min_u32((uint32_t)max_u64(room / payload * payload, payload), packet_payload_max(c));
    uint32_t len = record->end - record->sequence - record->fin;
    bool fin = true;
    const uint32_t want = min_u32(len, room);
    no_payload(out);
    if (want != 0) {
        const uint32_t got = extent_gather(c, record->sequence, want, out);
        /* Without memory for a cut the whole record counts as sent again; what was not is found
         * lost once more. A retransmission never waits for memory: it frees some. */
        if (got < len && !scoreboard_split(c, record, record->sequence + got)) {
            fin = false;
        }
        len = got;
    }
    const uint8_t flags = (uint8_t)((record->fin && fin ? SEGMENT_FIN : 0) |
                                    (record->end == c->snd_end ? SEGMENT_PSH : 0));
    const uint32_t sequence = record->sequence;
    build_ack(c, out, sequence, flags, now_ns);
    scoreboard_resent(c, record, now_ns);
    recovery_sent(c, record->end - sequence, true, record->tsval);
    c->force_send = false;
    c->retransmits++;
    c->bytes_retransmitted += len;
    c->tcp->counters[TCP_OUT_RETRANSMITS]++;
    if (c->deadlines[TIMER_RETRANSMIT] == UINT64_MAX) {
        timer_restart_retransmit(c, now_ns);
    }
    return OUTPUT_PACKET;
}

/* Nothing was sent for longer than a timeout: the window is not what the path knows any more. It
 * halves for each timeout, down to the initial one (RFC 5681 4.1, RFC 7661 4.4.1). */
static void idle_restart(struct tcp_connection *c, uint64_t now_ns)
{
    struct congestion_state *state = &c->congestion;
    const uint64_t idle_ns = now_ns - c->sent_at_ns;
    const uint32_t initial = congestion_initial_window(state->mss);
    if (c->pipe != 0 || c->sent_at_ns == 0 || idle_ns <= c->rtt.timeout_ns) {
        return;
    }
    c->tcp->setup.congestion->on_idle(state, idle_ns);
    state->ssthresh = (uint32_t)max_u64(state->ssthresh, state->cwnd / 4 * 3);
    for (uint64_t left_ns = idle_ns; left_ns > c->rtt.timeout_ns && state->cwnd > initial;
         left_ns -= c->rtt.timeout_ns) {
        state->cwnd = (uint32_t)max_u64(state->cwnd / 2, initial);
    }
}

/* How much new data may leave in one packet. 0: none; FIN alone is told by *fin. */
static uint32_t new_data_len(struct tcp_connection *c, bool *fin, uint64_t now_ns)
{
    const uint32_t payload = connection_payload_max(c);
    const uint32_t unsent = c->fin_sent ? 0 : c->snd_end - c->snd_nxt;
    const uint32_t window = seq_distance(c->snd_una + c->snd_wnd, c->snd_nxt);
    const bool want_fin = c->fin_queued && !c->fin_sent;
    *fin = false;
    if (unsent == 0 && !want_fin) {
        return 0;
    }
    const uint32_t room = window_room(c);
    if (room < min_u32(payload, (uint32_t)max_u64(unsent, 1))) {
        c->cwnd_limited = true;
        return 0;
    }
    uint32_t len = min_u32(unsent, window);
    if (len > payload) {
        len = min_u32(len, packet_payload_max(c));
    }
    if (len > room) {
        len = (uint32_t)max_u64(room / payload * payload, min_u32(room, payload));
    } else if (len < unsent && len > payload) {
        len = len / payload * payload;
    }
    const bool small = len < unsent && len < payload && len < c->snd_wnd_max / 2;
    if (window == 0 || (small && !c->override)) { /* RFC 9293 3.8.6.2.1. */
        if (c->snd_una == c->snd_nxt && c->deadlines[TIMER_PERSIST] == UINT64_MAX) {
            timer_set(c, TIMER_PERSIST, now_ns + timer_retransmit_ns(c));
        }
        return 0;
    }
    *fin = want_fin && len == unsent && window > len;
    return len;
}

static enum output_result send_new(struct tcp_connection *c, struct packet_out *out,
                                   uint64_t now_ns)
{
    bool fin;
    if (c->fin_sent || (c->snd_end == c->snd_nxt && !c->fin_queued)) {
        return OUTPUT_NOTHING;
    }
    idle_restart(c, now_ns);
    uint32_t len = new_data_len(c, &fin, now_ns);
    if (len == 0 && !fin) {
        return OUTPUT_NOTHING;
    }
    if (c->tcp->records.used == c->tcp->records.capacity) {
        return OUTPUT_STARVED;
    }
    no_payload(out);
    if (len != 0) {
        const uint32_t got = extent_gather(c, c->snd_nxt, len, out);
        fin = fin && got == len;
        len = got;
    }
    const uint32_t sequence = c->snd_nxt;
    const uint32_t end = sequence + len + fin;
    const bool idle = c->snd_una == sequence;
    const uint8_t flags = (uint8_t)((fin ? SEGMENT_FIN : 0) |
                                    (len != 0 && sequence + len == c->snd_end ? SEGMENT_PSH : 0));
    build_ack(c, out, sequence, flags, now_ns);
    scoreboard_sent(c, end, fin, now_ns);
    recovery_sent(c, end - sequence, false, 0);
    c->override = false;
    c->force_send = false;
    c->bytes_sent += len;
    c->tcp->counters[TCP_OUT_BYTES] += len;
    c->sent_at_ns = now_ns;
    const uint32_t pipe = recovery_pipe(c);
    c->cwnd_limited = c->congestion.cwnd < c->congestion.ssthresh
                          ? c->congestion.cwnd < 2 * (uint64_t)pipe
                          : c->congestion.cwnd < pipe + connection_payload_max(c);
    if (fin) {
        c->fin_sent = true;
        connection_set_state(c, c->state == TCP_ESTABLISHED ? TCP_FIN_WAIT_1 : TCP_LAST_ACK);
    }
    timer_clear(c, TIMER_PERSIST);
    if (idle || c->deadlines[TIMER_RETRANSMIT] == UINT64_MAX) {
        timer_restart_retransmit(c, now_ns);
    }
    recovery_arm_probe(c, now_ns);
    return OUTPUT_PACKET;
}

static enum output_result output_connection(struct tcp_connection *c, struct packet_out *out,
                                            uint64_t now_ns)
{
    enum output_result result = OUTPUT_NOTHING;
    if (c->state == TCP_CLOSED) {
        return OUTPUT_NOTHING;
    }
    if (!way_find(c, now_ns)) {
        return OUTPUT_WAITING;
    }
    if (c->syn_due) {
        build_syn(c, out, now_ns);
        return OUTPUT_PACKET;
    }
    if (connection_synchronized(c)) {
        if (c->first_lost != NULL && c->frto != 2) {
            result = send_lost(c, out, now_ns);
        } else {
            result = send_new(c, out, now_ns);
        }
    }
    if (result == OUTPUT_PACKET) {
        return result;
    }
    if (c->probe_due && connection_synchronized(c)) { /* Old enough to be answered (3.8.6.1). */
        c->probe_due = false;
        no_payload(out);
        build_ack(c, out, c->snd_una - 1, 0, now_ns);
        return OUTPUT_PACKET;
    }
    if ((c->ack_now || c->acks_owed > 0) && c->state != TCP_SYN_SENT) {
        c->acks_owed -= min_u32(c->acks_owed, 1);
        no_payload(out);
        build_ack(c, out, c->snd_nxt, 0, now_ns);
        return OUTPUT_PACKET;
    }
    return result;
}

static void rejoin(struct tcp *tcp)
{
    if (tcp->generation != tcp->net->neighbors.generation) {
        tcp->generation = tcp->net->neighbors.generation;
        list_append_all(&tcp->ready, &tcp->waiting);
    }
    list_append_all(&tcp->ready, &tcp->starved); /* They may have something else to say by now. */
}

bool tcp_wants_output(const struct tcp *tcp, uint64_t now_ns)
{
    return !list_empty(&tcp->ready) || !list_empty(&tcp->starved) || net_wants_output(tcp->net) ||
           tcp->generation != tcp->net->neighbors.generation ||
           net_next_deadline_ns(tcp->net) <= now_ns;
}

uint32_t tcp_output_expected(const struct tcp *tcp, uint32_t count_max)
{
    const struct list_node *head = &tcp->ready.head;
    uint32_t count = 0;
    if (!list_empty(&tcp->starved) || net_wants_output(tcp->net) ||
        tcp->generation != tcp->net->neighbors.generation) {
        return count_max;
    }
    for (const struct list_node *node = head->next; node != head && count < count_max;
         node = node->next) {
        count++;
    }
    return count + (count == 0); /* Neighbours may be to be asked for. */
}

uint32_t tcp_output(struct tcp *tcp, struct packet_out *packets, uint32_t count, uint64_t now_ns)
{
    uint32_t done = net_wants_output(tcp->net) ? net_output(tcp->net, packets, count) : 0;
    struct list_node *node;
    tcp->now_ns = now_ns;
    rejoin(tcp);
    while (done < count && (node = list_pop_front(&tcp->ready)) != NULL) {
        struct tcp_connection *c = connection_of_ready(node);
        switch (output_connection(c, &packets[done], now_ns)) {
        case OUTPUT_NOTHING: break;
        case OUTPUT_PACKET:
            done++;
            if (connection_wants_output(c)) {
                list_push_back(&tcp->ready, node); /* One packet each in turn. */
            }
            break;
        case OUTPUT_WAITING: list_push_back(&tcp->waiting, node); break;
        case OUTPUT_STARVED: list_push_back(&tcp->starved, node); break;
        }
    }
    if (done < count && net_wants_turn(tcp->net, now_ns)) { /* Neighbours are to be asked for. */
        net_turn(tcp->net, now_ns);
        done += net_output(tcp->net, packets + done, count - done);
    }
    return done;
}
