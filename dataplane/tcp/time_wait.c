#include "dataplane/tcp/time_wait.h"

static uint64_t deadline(const struct tcp *tcp, uint64_t now_ns)
{
    return now_ns + tcp->setup.time_wait_ms * (uint64_t)1000000;
}

static uint32_t flow_value(const struct tcp *tcp, const struct time_wait *entry)
{
    return (uint32_t)FLOW_TIME_WAIT << FLOW_KIND_BITS | pool_index(&tcp->time_waits, entry);
}

static void drop(struct tcp *tcp, struct time_wait *entry)
{
    tcp_flow_end(tcp, entry->hash, flow_value(tcp, entry));
    list_remove(&entry->node);
    pool_give(&tcp->time_waits, entry);
}

static void acknowledge(struct tcp *tcp, const struct time_wait *entry, uint64_t now_ns)
{
    struct segment segment = {.sequence = entry->snd_nxt,
                              .ack = entry->rcv_nxt,
                              .flags = SEGMENT_ACK,
                              .window = UINT16_MAX,
                              .has_timestamp = entry->timestamps,
                              .tsval = tcp_now_ms(now_ns) + tcp_ts_offset(tcp, &entry->key),
                              .tsecr = entry->ts_recent};
    tcp_answer(tcp, &entry->key, &segment, now_ns);
}

static struct time_wait entry_of(const struct tcp_connection *c, uint64_t now_ns)
{
    return (struct time_wait){.key = c->key,
                              .hash = c->hash,
                              .snd_nxt = c->snd_nxt,
                              .rcv_nxt = c->rcv_nxt,
                              .ts_recent = c->ts_recent,
                              .timestamps = c->timestamps,
                              .deadline_ns = deadline(c->tcp, now_ns)};
}

void time_wait_keep(struct tcp_connection *c, uint64_t now_ns)
{
    struct tcp *tcp = c->tcp;
    struct time_wait *entry;
    if (c->kept) {
        return;
    }
    c->kept = true;
    entry = pool_take(&tcp->time_waits);
    if (entry == NULL) {
        struct list_node *oldest = list_first(&tcp->time_wait_order);
        drop(tcp, CONTAINER_OF(oldest, struct time_wait, node));
        tcp->counters[TCP_TIME_WAIT_EVICTED]++;
        entry = pool_take(&tcp->time_waits);
    }
    *entry = entry_of(c, now_ns);
    list_push_back(&tcp->time_wait_order, &entry->node);
    if (!tcp_flow_begin(tcp, entry->hash, flow_value(tcp, entry))) { /* A sibling came between. */
        list_remove(&entry->node);
        pool_give(&tcp->time_waits, entry);
    }
}

void time_wait_begin(struct tcp_connection *c, bool answer, uint64_t now_ns)
{
    connection_end(c, TRANSPORT_CLOSED_BY_US);
    time_wait_keep(c, now_ns);
    if (answer) {
        const struct time_wait entry = entry_of(c, now_ns);
        acknowledge(c->tcp, &entry, now_ns);
    }
}

bool time_wait_input(struct tcp *tcp, struct time_wait *entry, const struct arrival *arrival,
                     uint32_t *iss, uint64_t now_ns)
{
    const struct segment *segment = &arrival->segment;
    const uint8_t kind = segment->flags & (SEGMENT_SYN | SEGMENT_ACK | SEGMENT_RST);
    if (segment->flags & SEGMENT_RST) {
        tcp->counters[TCP_IN_RST]++;
        return false; /* RFC 1337: it does not end early. */
    }
    if (kind == SEGMENT_SYN) {
        const bool newer = entry->timestamps && segment->has_timestamp
                               ? seq_lt(entry->ts_recent, segment->tsval)
                               : seq_lt(entry->rcv_nxt, segment->sequence);
        if (newer) {
            *iss = entry->snd_nxt + UINT16_MAX + 2;
            drop(tcp, entry);
            tcp->counters[TCP_TIME_WAIT_REUSED]++;
            return true;
        }
    }
    if (segment->flags & SEGMENT_FIN) { /* Our last ACK was lost. */
        entry->deadline_ns = deadline(tcp, now_ns);
        list_remove(&entry->node);
        list_push_back(&tcp->time_wait_order, &entry->node);
    }
    if (segment_length(segment) != 0 || segment->sequence != entry->rcv_nxt) {
        if (rate_take(&tcp->stray_acks, now_ns, RESETS_PER_SECOND, RESETS_PER_SECOND / 10)) {
            acknowledge(tcp, entry, now_ns);
        } else {
            tcp->counters[TCP_OUT_LIMITED]++;
        }
    }
    return false;
}

void time_wait_turn(struct tcp *tcp, uint32_t budget, uint64_t now_ns)
{
    while (budget-- > 0 && time_wait_next_ns(tcp) <= now_ns) {
        drop(tcp, CONTAINER_OF(list_first(&tcp->time_wait_order), struct time_wait, node));
    }
}

uint64_t time_wait_next_ns(const struct tcp *tcp)
{
    struct list_node *first = list_first(&tcp->time_wait_order);
    return first == NULL ? UINT64_MAX : CONTAINER_OF(first, struct time_wait, node)->deadline_ns;
}
