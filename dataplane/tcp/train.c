/* The segments of a known flow that arrived in one burst, one after the other: what they change is
 * kept aside and put down once. */
#include "dataplane/tcp/train.h"

/* What a frame says of what we sent. Its ACK is good. */
static NOINLINE void news_input(struct tcp_connection *c, const struct packet_in *packet,
                                uint64_t now_ns)
{
    struct segment segment;
    known_parse(packet, &segment);
    (void)input_ack(c, &segment, now_ns);
}

/* What a segment without news has there, as it lies in the frame. */
struct nothing_new {
    uint32_t ack;
    uint32_t window;
};

static struct nothing_new nothing_new(const struct tcp_connection *c)
{
    const uint32_t field = c->snd_wnd >> c->snd_scale;
    struct nothing_new same = {.window = UINT32_MAX}; /* Unlike any. */
    uint8_t bytes[4];
    store_be32(bytes, c->snd_una);
    memcpy(&same.ack, bytes, sizeof(same.ack));
    if (field << c->snd_scale == c->snd_wnd && field <= UINT16_MAX) {
        uint16_t window;
        store_be16(bytes, (uint16_t)field);
        memcpy(&window, bytes, sizeof(window));
        same.window = window;
    }
    return same;
}

/* It acknowledges something, or opens or closes the window. */
HOT_INLINE bool is_news(const struct nothing_new *same, const uint8_t *at)
{
    uint16_t window;
    memcpy(&window, at + 14, sizeof(window));
    return known_word(at + 8) != same->ack || window != same->window;
}

/* False: it is beyond what was sent, or of the past. */
static bool ack_good(const struct tcp_connection *c, const uint8_t *at)
{
    const uint32_t ack = load_be32(at + 8);
    return seq_leq(c->snd_una, ack) && seq_leq(ack, c->snd_nxt);
}

/* What they said beside what each has put into its piece. */
HOT_INLINE void put_down(struct tcp_connection *c, const struct received_row *row, uint64_t now_ns)
{
    c->tcp->counters[TCP_IN_FAST] += row->count;
    c->segments_in += row->count;
    c->heard_ns = now_ns;
    c->probes_unanswered = 0;
    c->retries = 0;
    c->snd_wl1 = row->last->sequence;
    c->snd_wl2 = c->snd_una; /* News or not: the ACK of the last one. */
    receive_row(c, row, now_ns);
}

LINK_INLINE uint32_t train_input(struct tcp_connection *c, const struct packet_in *packets,
                                 const uint8_t *next, uint32_t at, uint64_t now_ns)
{
    struct piece *piece = stock_first(&c->tcp->pieces);
    struct received_row row = {.first = piece, .push_all = SEGMENT_PSH, .end = c->rcv_nxt};
    const uint32_t bulk_bytes = connection_bulk_bytes(c);
    const uint32_t generation = c->generation;
    struct nothing_new same = nothing_new(c);
    uint32_t short_bytes = c->bulk ? 0 : bulk_bytes; /* More: it is long, or the one before was. */
    uint32_t space = c->rcv_edge - c->rcv_nxt;       /* The window stays open, so it is less. */
    uint32_t left = receive_row_max(c);
    if (!connection_plain(c, true) || c->holes != NULL || space == 0 || left == 0) {
        return at;
    }
    for (space--; at != 0 && piece != NULL; at = next[at - 1]) {
        const struct packet_in *packet = &packets[at - 1];
        const uint8_t *tcp = packet->first.bytes.ptr + KNOWN_TCP;
        const uint32_t len = known_total(packet) - (KNOWN_HEADERS - KNOWN_IP);
        const uint32_t tsval = load_be32(tcp + SEGMENT_BYTES + 4);
        /* The next bytes, within the window, and not of the past. */
        if (load_be32(tcp + 4) != row.end || len - 1 >= space || seq_lt(tsval, c->ts_recent)) {
            break;
        }
        if (is_news(&same, tcp)) {
            if (!ack_good(c, tcp)) {
                break;
            }
            news_input(c, packet, now_ns);
            same = nothing_new(c);
            left = connection_plain(c, true) ? left : 1; /* Something may be lost. */
        }
        if (row.end == c->last_ack_sent) { /* RFC 7323 4.3 (2); it is never beyond that. */
            c->ts_recent = tsval;
            c->ts_recent_ns = now_ns;
        }
        const uint32_t push = tcp[13] & SEGMENT_PSH;
        row.push |= push;
        row.push_all &= push;
        if (len > short_bytes) {
            row.ends_bulk |= push != 0;
            short_bytes = len > bulk_bytes ? 0 : bulk_bytes;
        }
        row.segments += packet->segments;
        piece->ptr = tcp + (KNOWN_HEADERS - KNOWN_TCP);
        piece->buffer = packet->first.buffer;
        piece->connection = c;
        piece->generation = generation;
        piece->sequence = row.end;
        piece->len = len;
        row.end += len;
        space -= len;
        row.count++;
        row.last = piece;
        piece = piece->next;
        if (--left == 0) {
            at = next[at - 1];
            break;
        }
    }
    if (row.count > 0) {
        c->bulk = short_bytes == 0;
        put_down(c, &row, now_ns);
    }
    return at;
}
