#include "dataplane/tcp/scoreboard.h"

static uint32_t length(const struct record *record)
{
    return record->end - record->sequence;
}

static struct record *after(const struct tcp_connection *c, const struct record *record)
{
    return record->node.next == &c->records.head
               ? NULL
               : CONTAINER_OF(record->node.next, struct record, node);
}

static struct record *before(const struct tcp_connection *c, const struct record *record)
{
    return record->node.prev == &c->records.head
               ? NULL
               : CONTAINER_OF(record->node.prev, struct record, node);
}

void scoreboard_sent(struct tcp_connection *c, uint32_t end, bool fin, uint64_t now_ns)
{
    struct record *record = stock_take(&c->tcp->records);
    ASSERT(record != NULL);
    *record = (struct record){.sequence = c->snd_nxt,
                              .end = end,
                              .sent_ns = now_ns,
                              .tsval = tcp_now_ms(now_ns) + c->ts_offset,
                              .fin = fin};
    if (list_empty(&c->records)) {
        c->una_at_ns = now_ns;
    }
    list_push_back(&c->records, &record->node);
    list_push_back(&c->in_flight, &record->sent_node);
    c->pipe += length(record);
    c->snd_nxt = end;
}

/* Moves first_lost on when the record at it is lost no more. */
static void lost_no_more(struct tcp_connection *c, struct record *record)
{
    c->lost_bytes -= length(record);
    if (c->first_lost == record) {
        do {
            record = after(c, record);
        } while (record != NULL && record->state != RECORD_LOST);
        c->first_lost = record;
    }
}

static void leave_state(struct tcp_connection *c, struct record *record)
{
    switch ((enum record_state)record->state) {
    case RECORD_IN_FLIGHT:
        c->pipe -= length(record);
        list_remove(&record->sent_node);
        break;
    case RECORD_SACKED:
        c->sacked_bytes -= length(record);
        c->sacked_records--;
        break;
    case RECORD_LOST: lost_no_more(c, record); break;
    }
}

void scoreboard_resent(struct tcp_connection *c, struct record *record, uint64_t now_ns)
{
    leave_state(c, record);
    record->state = RECORD_IN_FLIGHT;
    record->retransmitted = true;
    record->sent_ns = now_ns;
    record->tsval = tcp_now_ms(now_ns) + c->ts_offset;
    list_push_back(&c->in_flight, &record->sent_node);
    c->pipe += length(record);
}

bool scoreboard_split(struct tcp_connection *c, struct record *record, uint32_t at)
{
    ASSERT_HOT(seq_lt(record->sequence, at) && seq_lt(at, record->end));
    struct record *rest = stock_take(&c->tcp->records);
    if (rest == NULL) {
        return false;
    }
    *rest = *record;
    rest->node = (struct list_node){0};
    rest->sent_node = (struct list_node){0};
    rest->sequence = at;
    record->end = at;
    record->fin = false;
    struct list_node *next = record->node.next;
    list_insert_before(next, &rest->node);
    if (record->state == RECORD_IN_FLIGHT) {
        struct list_node *next_sent = record->sent_node.next;
        list_insert_before(next_sent, &rest->sent_node);
    } else if (record->state == RECORD_SACKED) {
        c->sacked_records++;
    }
    return true;
}

/* RACK's first two steps (RFC 8985 6.2), and the round-trip sample. */
static void delivered(struct tcp_connection *c, const struct record *record,
                      struct ack_result *result, uint64_t now_ns)
{
    const uint64_t rtt_ns = now_ns - record->sent_ns;
    if (!record->retransmitted) {
        result->original = true;
        if (result->rtt_ns == 0 && record->state == RECORD_IN_FLIGHT) {
            result->rtt_ns = max_u64(rtt_ns, 1);
        }
        if (c->rack_valid && seq_lt(record->end, c->rack_fack)) {
            c->reordering = true; /* It was overtaken. */
        }
    } else if (result->has_tsecr ? seq_lt(result->tsecr, record->tsval) : rtt_ns < c->rtt.min_ns) {
        return; /* It answers an earlier transmission (step 2). */
    } else if (result->rtt_ns == 0 && result->has_tsecr && result->tsecr == record->tsval) {
        result->rtt_ns = max_u64(rtt_ns, 1); /* Karn's ambiguity, resolved by the timestamp. */
    }
    if (!c->rack_valid || seq_lt(c->rack_fack, record->end)) {
        c->rack_fack = record->end;
    }
    if (!c->rack_valid || record->sent_ns > c->rack_sent_ns ||
        (record->sent_ns == c->rack_sent_ns && seq_lt(c->rack_end, record->end))) {
        c->rack_sent_ns = record->sent_ns;
        c->rack_end = record->end;
        c->rack_rtt_ns = rtt_ns;
    }
    c->rack_valid = true;
}

static void free_record(struct tcp_connection *c, struct record *record)
{
    if (c->sack_hint == record) {
        c->sack_hint = NULL;
    }
    list_remove(&record->node);
    stock_give(&c->tcp->records, record);
}

/* A retransmitted packet was only partly acknowledged: the rest stays, without a split. */
static void trim(struct tcp_connection *c, struct record *record, uint32_t to)
{
    const uint32_t cut = to - record->sequence;
    switch ((enum record_state)record->state) {
    case RECORD_IN_FLIGHT: c->pipe -= cut; break;
    case RECORD_SACKED: c->sacked_bytes -= cut; break;
    case RECORD_LOST: c->lost_bytes -= cut; break;
    }
    record->sequence = to;
}

/* An ACK that covers a repetition may answer that, and what lay behind arrived long ago: only the
 * timestamp says what it answers (Karn; RFC 7323 4.1), and it bounds what the rest would say: of
 * the ACKs before this one some may be lost. */
static void settle_rtt(const struct tcp_connection *c, struct ack_result *result, uint64_t now_ns)
{
    const uint64_t ms_ns = 1000000;
    const bool exact = result->rtt_ns != 0 && !(result->repeated && result->original);
    if (!exact) {
        result->rtt_ns = 0;
    }
    if (!result->has_tsecr || result->acked == 0) {
        return;
    }
    const uint32_t echoed_ms = tcp_now_ms(now_ns) + c->ts_offset - result->tsecr;
    if (echoed_ms > INT32_MAX) {
        result->rtt_ns = 0; /* Of the future: no answer to anything. */
    } else if (exact) {
        result->rtt_ns = min_u64(result->rtt_ns, (echoed_ms + (uint64_t)1) * ms_ns);
    } else {
        result->rtt_ns = max_u64(echoed_ms, 1) * ms_ns;
    }
}

void scoreboard_ack(struct tcp_connection *c, uint32_t ack, struct ack_result *result,
                    uint64_t now_ns)
{
    struct record *record;
    while ((record = scoreboard_first(c)) != NULL && seq_lt(record->sequence, ack)) {
        const uint32_t upto = seq_min(ack, record->end);
        const uint32_t cut = upto - record->sequence;
        if (record->state != RECORD_SACKED) {
            delivered(c, record, result, now_ns);
            result->delivered += cut;
        }
        result->repeated |= record->retransmitted;
        result->acked += cut;
        if (upto != record->end) {
            trim(c, record, upto);
            break;
        }
        leave_state(c, record);
        free_record(c, record);
    }
    settle_rtt(c, result, now_ns);
}

/* Where to begin to look for a sequence number: at the record touched last, or the end. */
static struct record *seek(const struct tcp_connection *c, uint32_t sequence)
{
    struct record *record = c->sack_hint != NULL ? c->sack_hint : scoreboard_last(c);
    while (record != NULL && seq_lt(sequence, record->sequence)) {
        struct record *previous = before(c, record);
        if (previous == NULL) {
            break;
        }
        record = previous;
    }
    while (record != NULL && seq_leq(record->end, sequence)) {
        record = after(c, record);
    }
    return record;
}

static void sack_range(struct tcp_connection *c, struct segment_range range,
                       struct ack_result *result, uint64_t now_ns)
{
    struct record *record = seek(c, range.start);
    while (record != NULL && seq_lt(record->sequence, range.end)) {
        if (record->state != RECORD_SACKED) {
            /* Only what is covered counts: cut at both ends. Without memory for a cut the record
             * waits for an ACK that covers it. */
            if (seq_lt(record->sequence, range.start)) {
                if (!scoreboard_split(c, record, range.start)) {
                    return;
                }
                record = after(c, record);
            }
            if (seq_lt(range.end, record->end) && !scoreboard_split(c, record, range.end)) {
                return;
            }
            delivered(c, record, result, now_ns);
            leave_state(c, record);
            record->state = RECORD_SACKED;
            c->sacked_bytes += length(record);
            c->sacked_records++;
            result->delivered += length(record);
            result->sacked += length(record);
        }
        c->sack_hint = record;
        record = after(c, record);
    }
}

/* The first block repeats what was acknowledged, or lies within the second (RFC 2883 4). */
static bool is_dsack(const struct segment *segment)
{
    const struct segment_range first = segment->sacks[0];
    if (seq_lt(first.start, segment->ack)) {
        return seq_leq(first.end, segment->ack);
    }
    return segment->sack_count > 1 && seq_leq(segment->sacks[1].start, first.start) &&
           seq_leq(first.end, segment->sacks[1].end);
}

static bool cached(const struct tcp_connection *c, struct segment_range range)
{
    for (uint32_t i = 0; i < SEGMENT_SACKS_MAX; i++) {
        if (c->sack_cache[i].start == range.start && c->sack_cache[i].end == range.end) {
            return true;
        }
    }
    return false;
}

void scoreboard_sack(struct tcp_connection *c, const struct segment *segment, uint32_t una_before,
                     struct ack_result *result, uint64_t now_ns)
{
    uint32_t first = 0;
    if (segment->sack_count == 0) {
        return;
    }
    if (is_dsack(segment)) {
        /* Believed only of what was sent, within a window (RFC 3708). */
        const struct segment_range range = segment->sacks[0];
        if (seq_lt(range.start, range.end) && seq_leq(range.end, c->snd_nxt) &&
            seq_leq(una_before - c->snd_wnd_max, range.start)) {
            result->dsack = true;
            c->duplicates_sent++;
        }
        first = 1;
    }
    for (uint32_t i = first; i < segment->sack_count; i++) {
        const struct segment_range range = segment->sacks[i];
        if (!seq_lt(range.start, range.end) || seq_lt(c->snd_nxt, range.end) ||
            seq_lt(range.start, c->snd_una) || cached(c, range)) {
            continue;
        }
        sack_range(c, range, result, now_ns);
    }
    memset(c->sack_cache, 0, sizeof(c->sack_cache));
    for (uint32_t i = first; i < segment->sack_count; i++) {
        c->sack_cache[i] = segment->sacks[i];
    }
}

void scoreboard_mark_lost(struct tcp_connection *c, struct record *record)
{
    ASSERT_HOT(record->state == RECORD_IN_FLIGHT);
    leave_state(c, record);
    record->state = RECORD_LOST;
    c->lost_bytes += length(record);
    if (c->first_lost == NULL || seq_lt(record->sequence, c->first_lost->sequence)) {
        c->first_lost = record;
    }
}

void scoreboard_lose_all(struct tcp_connection *c)
{
    struct record *first = scoreboard_first(c);
    const bool reneged = first != NULL && first->state == RECORD_SACKED; /* RFC 2018 8. */
    LIST_FOR_EACH(node, &c->records)
    {
        struct record *record = CONTAINER_OF(node, struct record, node);
        if (record->state == RECORD_SACKED && reneged) {
            leave_state(c, record);
            record->state = RECORD_IN_FLIGHT;
            list_push_back(&c->in_flight, &record->sent_node);
            c->pipe += length(record);
        }
        if (record->state == RECORD_IN_FLIGHT) {
            scoreboard_mark_lost(c, record);
        }
    }
    if (reneged) {
        memset(c->sack_cache, 0, sizeof(c->sack_cache));
    }
}

void scoreboard_unlose(struct tcp_connection *c)
{
    struct record *record = scoreboard_last(c); /* Backwards: the oldest ends in front. */
    while (record != NULL) {
        if (record->state == RECORD_LOST) {
            leave_state(c, record);
            record->state = RECORD_IN_FLIGHT;
            list_push_front(&c->in_flight, &record->sent_node);
            c->pipe += length(record);
        }
        record = before(c, record);
    }
    ASSERT_HOT(c->first_lost == NULL && c->lost_bytes == 0);
}

void scoreboard_drop(struct tcp_connection *c)
{
    struct record *record;
    while ((record = scoreboard_first(c)) != NULL) {
        leave_state(c, record);
        free_record(c, record);
    }
}

const char *scoreboard_invariants(const struct tcp_connection *c)
{
    uint32_t sums[3] = {0};
    uint32_t sacked = 0;
    uint32_t in_flight = 0;
    uint32_t at = c->snd_una;
    const struct record *first_lost = NULL;
    LIST_FOR_EACH(node, &c->records)
    {
        const struct record *record = CONTAINER_OF(node, struct record, node);
        if (record->sequence != at || !seq_lt(at, record->end)) {
            return "records leave a gap";
        }
        at = record->end;
        sums[record->state] += length(record);
        sacked += record->state == RECORD_SACKED;
        in_flight += record->state == RECORD_IN_FLIGHT;
        if (record->state == RECORD_LOST && first_lost == NULL) {
            first_lost = record;
        }
        if (list_linked(&record->sent_node) != (record->state == RECORD_IN_FLIGHT)) {
            return "a record is listed wrongly as in flight";
        }
    }
    LIST_FOR_EACH(node, &c->in_flight)
    {
        in_flight--;
    }
    if (at != c->snd_nxt) {
        return "records do not reach from una to nxt";
    }
    if (sums[RECORD_IN_FLIGHT] != c->pipe || sums[RECORD_SACKED] != c->sacked_bytes ||
        sums[RECORD_LOST] != c->lost_bytes || sacked != c->sacked_records || in_flight != 0) {
        return "the sums of the scoreboard are wrong";
    }
    return first_lost == c->first_lost ? NULL : "first_lost is not the first";
}
