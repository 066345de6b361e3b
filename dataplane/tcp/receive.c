/* What arrives: order is made, holes are remembered, the window grows as the user keeps up. */
#include "dataplane/tcp/connection.h"

static void piece_free(struct tcp *tcp, struct piece *piece)
{
    tcp->net->setup.release(tcp->net->setup.context, piece->buffer);
    stock_give(&tcp->pieces, piece);
}

static uint32_t drop_list(struct tcp *tcp, struct piece **list)
{
    uint32_t count = 0;
    while (*list != NULL) {
        struct piece *piece = *list;
        *list = piece->next;
        piece_free(tcp, piece);
        count++;
    }
    return count;
}

void receive_drop(struct tcp_connection *c, bool inbox_too)
{
    (void)drop_list(c->tcp, &c->holes);
    c->holes_last = NULL;
    c->holes_count = 0;
    c->range_count = 0;
    if (inbox_too) {
        c->held_pieces -= drop_list(c->tcp, &c->inbox);
        c->inbox_last = NULL;
        c->held -= c->inbox_bytes;
        c->inbox_bytes = 0;
    }
}

/* ---- Ranges to be told (RFC 2018 4: the newest first) ---- */

static void ranges_remove(struct tcp_connection *c, uint32_t at)
{
    c->range_count--;
    for (uint32_t i = at; i < c->range_count; i++) {
        c->ranges[i] = c->ranges[i + 1];
    }
}

static void ranges_add(struct tcp_connection *c, uint32_t start, uint32_t end)
{
    for (uint32_t i = 0; i < c->range_count;) {
        const struct segment_range range = c->ranges[i];
        if (seq_leq(range.start, end) && seq_leq(start, range.end)) {
            start = seq_min(start, range.start);
            end = seq_max(end, range.end);
            ranges_remove(c, i);
        } else {
            i++;
        }
    }
    c->range_count = min_u32(c->range_count, SACK_RANGES - 1);
    for (uint32_t i = c->range_count++; i > 0; i--) {
        c->ranges[i] = c->ranges[i - 1];
    }
    c->ranges[0] = (struct segment_range){start, end};
}

static void ranges_advance(struct tcp_connection *c)
{
    for (uint32_t i = 0; i < c->range_count;) {
        if (seq_leq(c->ranges[i].end, c->rcv_nxt)) {
            ranges_remove(c, i);
        } else {
            i++;
        }
    }
}

uint32_t receive_sacks(struct tcp_connection *c, struct segment_range *to, uint32_t count_max)
{
    uint32_t count = 0;
    if (c->dsack_due && count < count_max) {
        to[count++] = c->dsack;
    }
    for (uint32_t i = 0; i < c->range_count && count < count_max; i++) {
        to[count++] = c->ranges[i];
    }
    return count;
}

static void tell_duplicate(struct tcp_connection *c, uint32_t start, uint32_t end)
{
    if (c->sack && !c->dsack_due) { /* RFC 2883 4: the first of those that an ACK answers. */
        c->dsack_due = true;
        c->dsack = (struct segment_range){start, end};
    }
}

/* ---- Order ---- */

HOT_INLINE void inbox_append(struct tcp_connection *c, struct piece *first, struct piece *last)
{
    last->next = NULL;
    if (c->inbox_last == NULL) {
        c->inbox = first;
    } else {
        c->inbox_last->next = first;
    }
    c->inbox_last = last;
    connection_notify(c);
}

static void inbox_push(struct tcp_connection *c, struct piece *piece)
{
    inbox_append(c, piece, piece);
    c->rcv_nxt += piece->len;
    c->held += piece->len;
    c->held_pieces++;
    c->inbox_bytes += piece->len;
    c->bytes_received += piece->len;
}

static void cut_front(struct piece *piece, uint32_t count)
{
    piece->ptr += count;
    piece->sequence += count;
    piece->len -= count;
}

/* Moves what has become in order from the holes to the inbox. */
static void holes_advance(struct tcp_connection *c)
{
    while (c->holes != NULL && seq_leq(c->holes->sequence, c->rcv_nxt)) {
        struct piece *piece = c->holes;
        c->holes = piece->next;
        c->holes_count--;
        if (c->holes == NULL) {
            c->holes_last = NULL;
        }
        const uint32_t known = c->rcv_nxt - piece->sequence;
        if (known >= piece->len) {
            piece_free(c->tcp, piece);
        } else {
            cut_front(piece, known);
            inbox_push(c, piece);
        }
    }
    ranges_advance(c);
}

/* Puts a piece among the holes. What others hold already is cut off; those it covers go. */
static void holes_insert(struct tcp_connection *c, struct piece *piece)
{
    struct piece *previous = NULL;
    if (c->holes_last != NULL && seq_leq(c->holes_last->sequence, piece->sequence)) {
        previous = c->holes_last;
    } else {
        for (struct piece *at = c->holes; at != NULL && seq_leq(at->sequence, piece->sequence);
             at = at->next) {
            previous = at;
        }
    }
    if (previous != NULL && seq_lt(piece->sequence, previous->sequence + previous->len)) {
        const uint32_t known = previous->sequence + previous->len - piece->sequence;
        const uint32_t end = piece->sequence + min_u32(known, piece->len);
        tell_duplicate(c, piece->sequence, end);
        if (known >= piece->len) {
            c->duplicates++;
            c->tcp->counters[TCP_IN_DUPLICATE]++;
            piece_free(c->tcp, piece);
            return;
        }
        cut_front(piece, known);
    }
    struct piece **link = previous == NULL ? &c->holes : &previous->next;
    const uint32_t end = piece->sequence + piece->len;
    while (*link != NULL && seq_leq((*link)->sequence + (*link)->len, end)) {
        struct piece *covered = *link;
        tell_duplicate(c, covered->sequence, covered->sequence + covered->len);
        *link = covered->next;
        if (c->holes_last == covered) {
            c->holes_last = previous;
        }
        c->holes_count--;
        piece_free(c->tcp, covered);
    }
    if (*link != NULL && seq_lt((*link)->sequence, end)) {
        tell_duplicate(c, (*link)->sequence, end);
        piece->len = (*link)->sequence - piece->sequence;
    }
    if (piece->len == 0) { /* Its neighbours meet. */
        piece_free(c->tcp, piece);
        return;
    }
    piece->next = *link;
    *link = piece;
    if (piece->next == NULL) {
        c->holes_last = piece;
    }
    c->holes_count++;
    ranges_add(c, piece->sequence, piece->sequence + piece->len);
}

/* Nobody holds more pieces than are free: so one who sends byte by byte to a user who keeps them
 * stops himself, not the core. Holes leave a quarter to what is in order, or all would wait for
 * ever. */
static bool piece_room(const struct tcp_connection *c, bool in_order)
{
    const struct stock *pieces = &c->tcp->pieces;
    const uint32_t free = pieces->capacity - pieces->used;
    return in_order ? c->held_pieces < free : c->holes_count < free && free > pieces->capacity / 4;
}

/* One buffer with payload [sequence, sequence + bytes.len). */
static void take(struct tcp_connection *c, struct bytes bytes, void *buffer, uint32_t sequence)
{
    struct tcp *tcp = c->tcp;
    const uint32_t end = sequence + bytes.len;
    if (seq_lt(sequence, c->rcv_nxt)) {
        const uint32_t known = min_u32(c->rcv_nxt - sequence, bytes.len);
        if (known != 0) {
            tell_duplicate(c, sequence, sequence + known);
        }
        bytes.ptr += known;
        bytes.len -= known;
        sequence += known;
    }
    if (seq_lt(c->rcv_edge, end)) { /* Beyond the window: cut (3.10.7.4). */
        const uint32_t beyond = end - c->rcv_edge;
        bytes.len -= min_u32(beyond, bytes.len);
    }
    const bool room = piece_room(c, sequence == c->rcv_nxt);
    struct piece *piece = bytes.len != 0 && room ? stock_take(&tcp->pieces) : NULL;
    if (piece == NULL) {
        tcp->counters[TCP_IN_NO_PIECE] += bytes.len != 0;
        tcp->net->setup.release(tcp->net->setup.context, buffer);
        return;
    }
    *piece = (struct piece){.ptr = bytes.ptr,
                            .buffer = buffer,
                            .connection = c,
                            .generation = c->generation,
                            .sequence = sequence,
                            .len = bytes.len};
    if (sequence == c->rcv_nxt) {
        inbox_push(c, piece);
    } else {
        holes_insert(c, piece);
    }
}

/* Arrived in order: the peer is told now, or within so many milliseconds. ends_bulk: the end of a
 * long message; its sender may wait for the ACK. Behind a short one the answer takes it along, if
 * it comes soon. */
HOT_INLINE void acknowledge(struct tcp_connection *c, uint32_t count, bool ends_bulk,
                            uint32_t delay_ms, uint64_t now_ns)
{
    if (c->quick_acks > 0) {
        c->quick_acks -= (uint8_t)min_u32(c->quick_acks, count);
        c->ack_now = true;
    } else if (c->unacked >= 2 * connection_payload_max(c) || c->unacked_segments >= SMALL_ACKS ||
               c->rcv_nxt == c->rcv_edge) {
        c->ack_now = true; /* Every second full segment (3.8.6.3). */
    }
    c->ack_now |= delay_ms == 0 || ends_bulk;
    if (c->ack_now) {
        connection_wake(c);
        return;
    }
    const uint64_t at_ns = now_ns + delay_ms * (uint64_t)1000000;
    if (at_ns < c->deadlines[TIMER_ACK]) {
        timer_set(c, TIMER_ACK, at_ns);
    }
}

/* The same of one segment, in order or not. */
static void acknowledge_one(struct tcp_connection *c, uint32_t segments, uint32_t len, bool push,
                            bool in_order, uint64_t now_ns)
{
    const struct tcp_setup *setup = &c->tcp->setup;
    const bool bulk = len > connection_bulk_bytes(c);
    const bool ends_bulk = push && (bulk || c->bulk);
    c->bulk = bulk;
    c->unacked_segments = (uint16_t)(c->unacked_segments + segments);
    c->unacked += len;
    if (in_order) {
        acknowledge(c, 1, ends_bulk, push ? setup->ack_push_delay_ms : setup->ack_delay_ms, now_ns);
        return;
    }
    if (!c->sack) {
        c->acks_owed = min_u32(c->acks_owed + 1, 64); /* The peer counts them. */
    }
    connection_ack(c);
}

uint32_t receive_row_max(const struct tcp_connection *c)
{
    const struct stock *pieces = &c->tcp->pieces;
    const uint32_t free = pieces->capacity - pieces->used; /* Each takes one and holds one more. */
    return free > c->held_pieces ? (free - c->held_pieces + 1) / 2 : 0;
}

LINK_INLINE void receive_row(struct tcp_connection *c, const struct received_row *row,
                             uint64_t now_ns)
{
    const struct tcp_setup *setup = &c->tcp->setup;
    const uint32_t bytes = row->end - c->rcv_nxt;
    uint32_t delay_ms = row->push ? setup->ack_push_delay_ms : setup->ack_delay_ms;
    if (row->push != row->push_all) {
        delay_ms = min_u32(delay_ms, setup->ack_delay_ms);
    }
    stock_take_row(&c->tcp->pieces, row->last, row->count);
    inbox_append(c, row->first, row->last);
    c->rcv_nxt = row->end;
    c->held += bytes;
    c->held_pieces += row->count;
    c->inbox_bytes += bytes;
    c->bytes_received += bytes;
    c->unacked_segments = (uint16_t)(c->unacked_segments + row->segments);
    c->unacked += bytes;
    acknowledge(c, row->count, row->ends_bulk, delay_ms, now_ns);
}

LINK_INLINE bool receive_next(struct tcp_connection *c, const struct usual *usual, uint64_t now_ns)
{
    struct tcp *tcp = c->tcp;
    struct piece *piece = piece_room(c, true) ? stock_take(&tcp->pieces) : NULL;
    if (piece == NULL) {
        return false;
    }
    piece->ptr = usual->payload;
    piece->buffer = usual->buffer;
    piece->sequence = usual->sequence;
    piece->len = usual->len;
    piece->connection = c;
    piece->generation = c->generation;
    inbox_push(c, piece);
    acknowledge_one(c, usual->segments, usual->len, usual->push, true, now_ns);
    return true;
}

void receive_payload(struct tcp_connection *c, struct arrival *arrival, uint64_t now_ns)
{
    struct net_segment *net = &arrival->net;
    const struct segment *segment = &arrival->segment;
    const uint32_t before = c->rcv_nxt;
    const bool holes = c->holes != NULL;
    uint32_t sequence = segment->sequence + ((segment->flags & SEGMENT_SYN) != 0);
    uint32_t left = segment->len;
    const struct bytes first = {net->first.bytes.ptr + segment->header_len,
                                min_u32(left, net->first.bytes.len - segment->header_len)};
    const bool duplicate = seq_leq(sequence + left, c->rcv_nxt);
    take(c, first, net->first.buffer, sequence);
    sequence += first.len;
    left -= first.len;
    for (uint32_t i = 0; i < net->more_count; i++) {
        const struct bytes bytes = {net->more[i].bytes.ptr, min_u32(left, net->more[i].bytes.len)};
        take(c, bytes, net->more[i].buffer, sequence);
        sequence += bytes.len;
        left -= bytes.len;
    }
    arrival->valid = false; /* Its buffers are placed. */
    if (duplicate) {
        c->duplicates++;
        c->tcp->counters[TCP_IN_DUPLICATE]++;
    } else if (c->rcv_nxt == before) {
        c->out_of_order++;
        c->tcp->counters[TCP_IN_OUT_OF_ORDER]++;
    }
    holes_advance(c);
    acknowledge_one(c, net->segments, segment->len, (segment->flags & SEGMENT_PSH) != 0,
                    c->rcv_nxt != before && !holes && !c->dsack_due, now_ns);
}

/* ---- The buffer grows as the user keeps up: twice what he took in a round trip ---- */

NOINLINE void receive_tune(struct tcp_connection *c, uint64_t now_ns)
{
    const struct tcp *tcp = c->tcp;
    if (now_ns < c->tune_at_ns) {
        return;
    }
    /* A round trip, as the receiver of a stream sees it: a window's worth of data. */
    const uint64_t round_ns = c->rtt.smoothed_ns != 0 ? c->rtt.smoothed_ns : 100000000;
    const bool pressed = tcp->pieces.used > tcp->pieces.capacity / 4 * 3 || !piece_room(c, true);
    if (c->tune_released > c->rcv_buffer / 2 && !pressed) {
        c->rcv_buffer = (uint32_t)min_u64(2 * (uint64_t)c->tune_released + c->rcv_buffer / 2,
                                          tcp->setup.receive_bytes_max);
    }
    c->tune_released = 0;
    c->tune_at_ns = now_ns + round_ns;
}
