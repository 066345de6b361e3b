/* The core's instance: memory, the burst, the life of connections. */
#include "dataplane/net/checksum.h"
#include "dataplane/tcp/recovery.h"
#include "dataplane/tcp/scoreboard.h"
#include "dataplane/tcp/syn.h"
#include "dataplane/tcp/time_wait.h"
#include "dataplane/tcp/train.h"

static const uint64_t ms_ns = 1000000;

struct tcp_setup tcp_setup_usual(void)
{
    return (struct tcp_setup){.congestion = &congestion_cubic,
                              .ecn = TCP_ECN_ANSWER,
                              .connection_count_max = 1024,
                              .half_open_count_max = 1024,
                              .time_wait_count_max = 4096,
                              .extent_count_max = 16384,
                              .record_count_max = 16384,
                              .piece_count_max = 8192,
                              .receive_bytes_min = 256 * 1024,
                              .receive_bytes_max = 4 * 1024 * 1024,
                              .send_bytes_max = 16 * 1024 * 1024,
                              .send_bytes_core_max = (uint64_t)256 * 1024 * 1024,
                              .rto_min_ms = 5,
                              .rto_max_ms = 60000,
                              .rto_initial_ms = 1000,
                              .ack_delay_ms = 40,
                              .ack_push_delay_ms = 1,
                              .peer_ack_delay_ms = 50, /* Linux: 40 and a tick. */
                              .time_wait_ms = 60000,
                              .fin_wait_ms = 60000,
                              .syn_retries = 5,
                              .retries_max = 12,
                              .keepalive_idle_ms = 0,
                              .keepalive_every_ms = 10000,
                              .keepalive_probes = 5,
                              .port_first = 32768,
                              .port_count = 28232};
}

enum { POOLS = 3, STOCKS = 3, LAYOUTS = POOLS + STOCKS };

struct layout {
    size_t place; /* Of the pool or, the last ones, the stock in struct tcp. */
    uint32_t bytes;
    uint32_t count;
};

static struct layout layout_of(const struct tcp_setup *setup, uint32_t which)
{
    const struct layout layouts[LAYOUTS] = {
        {offsetof(struct tcp, connections), (uint32_t)round_up(sizeof(struct tcp_connection), 64),
         setup->connection_count_max},
        {offsetof(struct tcp, half_opens), sizeof(struct half_open), setup->half_open_count_max},
        {offsetof(struct tcp, time_waits), sizeof(struct time_wait), setup->time_wait_count_max},
        {offsetof(struct tcp, extents), sizeof(struct extent), setup->extent_count_max},
        {offsetof(struct tcp, records), sizeof(struct record), setup->record_count_max},
        {offsetof(struct tcp, pieces), sizeof(struct piece), setup->piece_count_max},
    };
    return layouts[which];
}

static uint64_t layout_bytes(const struct layout *layout, uint32_t which)
{
    return round_up(which < POOLS ? pool_memory_bytes(layout->bytes, layout->count)
                                  : stock_memory_bytes(layout->bytes, layout->count),
                    64);
}

static void layout_make(struct tcp *tcp, const struct layout *layout, uint32_t which, void *memory)
{
    void *place = (uint8_t *)tcp + layout->place;
    if (which < POOLS) {
        pool_init(place, memory, layout->bytes, layout->count);
    } else {
        stock_init(place, memory, layout->bytes, layout->count);
    }
}

static uint32_t flow_count_max(const struct tcp_setup *setup)
{
    return setup->connection_count_max + setup->half_open_count_max + setup->time_wait_count_max;
}

uint64_t tcp_memory_bytes(const struct tcp_setup *setup)
{
    uint64_t bytes = round_up(sizeof(struct tcp), 64);
    for (uint32_t i = 0; i < LAYOUTS; i++) {
        const struct layout layout = layout_of(setup, i);
        bytes += layout_bytes(&layout, i);
    }
    return bytes + flow_memory_bytes(flow_count_max(setup));
}

struct tcp *tcp_create(void *memory, const struct tcp_setup *setup, uint64_t now_ns)
{
    struct tcp *tcp = memory;
    uint8_t *at = (uint8_t *)memory + round_up(sizeof(struct tcp), 64);
    ASSERT(setup->net != NULL && setup->time_wait_count_max > 0 && setup->port_count > 0);
    ASSERT(setup->receive_bytes_min >= 2048 && setup->receive_bytes_max <= WINDOW_MAX &&
           setup->receive_bytes_min <= setup->receive_bytes_max);
    tcp->setup = *setup;
    tcp->net = setup->net;
    tcp->isn_key = (struct siphash_key){{setup->secret[0], setup->secret[1]}};
    tcp->cookie_key = (struct siphash_key){{setup->secret[2], setup->secret[3]}};
    for (uint32_t i = 0; i < LAYOUTS; i++) {
        const struct layout layout = layout_of(setup, i);
        layout_make(tcp, &layout, i, at);
        at += layout_bytes(&layout, i);
    }
    const uint64_t secret[2] = {setup->secret[0] ^ setup->secret[3],
                                setup->secret[1] ^ setup->secret[2]};
    flow_init(&tcp->flows, at, flow_count_max(setup), secret);
    known_init(&tcp->known_flows, tcp->net);
    wheel_init(&tcp->wheel, now_ns);
    list_init(&tcp->ready);
    list_init(&tcp->waiting);
    list_init(&tcp->starved);
    list_init(&tcp->events);
    list_init(&tcp->unopened);
    list_init(&tcp->wanting);
    list_init(&tcp->time_wait_order);
    tcp->now_ns = now_ns;
    return tcp;
}

/* ---- Numbers nobody guesses ---- */

static uint64_t key_hash(const struct tcp *tcp, const struct flow_key *key)
{
    return siphash(&tcp->isn_key, key, sizeof(*key));
}

/* RFC 6528: a clock of 4 us and a keyed hash. */
uint32_t tcp_isn(const struct tcp *tcp, const struct flow_key *key, uint64_t now_ns)
{
    return (uint32_t)key_hash(tcp, key) + (uint32_t)(now_ns >> 12);
}

uint32_t tcp_ts_offset(const struct tcp *tcp, const struct flow_key *key)
{
    return (uint32_t)(key_hash(tcp, key) >> 32);
}

uint8_t tcp_window_scale(const struct tcp *tcp)
{
    uint8_t scale = 0;
    while (scale < SEGMENT_WSCALE_MAX &&
           ((uint32_t)UINT16_MAX << scale) < tcp->setup.receive_bytes_max) {
        scale++;
    }
    return scale;
}

/* ---- Segments without a connection ---- */

void tcp_answer(struct tcp *tcp, const struct flow_key *key, struct segment *segment,
                uint64_t now_ns)
{
    struct net_frame *frame;
    uint8_t *to = net_frame_begin(tcp->net, &key->local, &key->remote, 6 /* TCP */, &frame, now_ns);
    if (to == NULL) {
        return;
    }
    segment->source_port = key->local_port;
    segment->target_port = key->remote_port;
    const uint16_t len = segment_write(to, segment);
    uint32_t sum = checksum_pseudo(&key->local, &key->remote, 6, len);
    const uint16_t field = checksum_finish(checksum_join(sum, checksum_sum(to, len), 0));
    memcpy(to + 16, &field, sizeof(field));
    tcp->counters[TCP_OUT_SEGMENTS]++;
    net_frame_end(tcp->net, frame, len, now_ns);
}

void tcp_reset_stray(struct tcp *tcp, const struct arrival *arrival, uint64_t now_ns)
{
    const struct segment *in = &arrival->segment;
    if (in->flags & SEGMENT_RST) {
        return;
    }
    if (!rate_take(&tcp->resets, now_ns, RESETS_PER_SECOND, RESETS_PER_SECOND / 10)) {
        tcp->counters[TCP_OUT_LIMITED]++;
        return;
    }
    struct segment out = {.flags = SEGMENT_RST};
    if (in->flags & SEGMENT_ACK) {
        out.sequence = in->ack;
    } else {
        out.flags |= SEGMENT_ACK;
        out.ack = in->sequence + segment_length(in);
    }
    tcp->counters[TCP_OUT_RST]++;
    tcp_answer(tcp, &arrival->key, &out, now_ns);
}

void connection_reset(struct tcp_connection *c, uint32_t sequence, uint64_t now_ns)
{
    struct segment out = {
        .sequence = sequence, .ack = c->rcv_nxt, .flags = SEGMENT_RST | SEGMENT_ACK};
    c->tcp->counters[TCP_OUT_RST]++;
    tcp_answer(c->tcp, &c->key, &out, now_ns);
}

/* ---- The life of a connection ---- */

static uint32_t flow_value(const struct tcp_connection *c)
{
    return (uint32_t)FLOW_CONNECTION << FLOW_KIND_BITS | c->index;
}

static bool flow_claim(struct tcp *tcp, uint32_t hash)
{
    const struct tcp_siblings *siblings = tcp->setup.siblings;
    return siblings == NULL || siblings->claim(tcp->setup.siblings_context, hash);
}

bool tcp_flow_begin(struct tcp *tcp, uint32_t hash, uint32_t value)
{
    if (!flow_claim(tcp, hash)) {
        return false;
    }
    flow_insert(&tcp->flows, hash, value);
    return true;
}

void tcp_flow_end(struct tcp *tcp, uint32_t hash, uint32_t value)
{
    flow_remove(&tcp->flows, hash, value);
    if (tcp->setup.siblings != NULL) {
        tcp->setup.siblings->leave(tcp->setup.siblings_context, hash);
    }
}

struct tcp_connection *connection_make(struct tcp *tcp, const struct flow_key *key, uint32_t hash)
{
    const bool room = tcp->connections.used < tcp->connections.capacity;
    return room && flow_claim(tcp, hash) ? connection_place(tcp, key, hash) : NULL;
}

struct tcp_connection *connection_place(struct tcp *tcp, const struct flow_key *key, uint32_t hash)
{
    struct tcp_connection *c = pool_take(&tcp->connections);
    memset(c, 0, sizeof(*c));
    c->index = pool_index(&tcp->connections, c);
    flow_insert(&tcp->flows, hash, flow_value(c));
    c->tcp = tcp;
    c->key = *key;
    c->hash = hash;
    c->generation = pool_handle(&tcp->connections, c).generation;
    c->ts_offset = tcp_ts_offset(tcp, key);
    c->timer.kind = FLOW_CONNECTION;
    c->armed_ns = UINT64_MAX;
    for (uint32_t i = 0; i < TIMERS; i++) {
        c->deadlines[i] = UINT64_MAX;
    }
    list_init(&c->records);
    list_init(&c->in_flight);
    c->rcv_buffer = tcp->setup.receive_bytes_min;
    c->quick_acks = QUICK_ACKS;
    c->reorder_steps = 1;
    c->listener = TCP_NO_LISTENER;
    c->hop = NEIGHBOR_NONE;
    rtt_init(&c->rtt, tcp->setup.rto_initial_ms * ms_ns);
    return c;
}

void connection_establish(struct tcp_connection *c, uint64_t now_ns)
{
    struct tcp *tcp = c->tcp;
    connection_set_state(c, TCP_ESTABLISHED);
    c->opened = true;
    c->backoff = 0;
    c->retries = 0;
    c->syn_due = false;
    c->heard_ns = now_ns;
    c->congestion = (struct congestion_state){
        .mss = connection_payload_max(c), .ssthresh = WINDOW_MAX, .cwnd_cap = WINDOW_MAX / 2};
    c->congestion.cwnd = congestion_initial_window(c->congestion.mss);
    tcp->setup.congestion->start(&c->congestion);
    timer_clear(c, TIMER_RETRANSMIT);
    if (tcp->setup.keepalive_idle_ms != 0) {
        timer_set(c, TIMER_KEEPALIVE, now_ns + tcp->setup.keepalive_idle_ms * ms_ns);
    }
    tcp->counters[c->active ? TCP_CONNECTED : TCP_OPENED]++;
    connection_notify(c);
    connection_wake(c);
}

void connection_end(struct tcp_connection *c, enum transport_close_reason reason)
{
    ASSERT_HOT(c->state != TCP_CLOSED);
    const bool opened = connection_synchronized(c) && !c->active;
    connection_set_state(c, TCP_CLOSED);
    c->ended = true;
    c->close_reason = (uint8_t)reason;
    if (c->moved) { /* The flow is a sibling's. */
        flow_remove(&c->tcp->flows, c->hash, flow_value(c));
    } else {
        tcp_flow_end(c->tcp, c->hash, flow_value(c));
    }
    known_forget(&c->tcp->known_flows, &c->key, c);
    wheel_cancel(&c->tcp->wheel, &c->timer);
    if (list_linked(&c->ready_node)) {
        list_remove(&c->ready_node);
    }
    if (opened && syn_cookies_out(c->tcp, c->tcp->now_ns)) {
        /* A copy of its first segment, come late, would open it again, and its data be told again:
         * the cookie in it is still good. */
        time_wait_keep(c, c->tcp->now_ns);
    }
    scoreboard_drop(c);
    /* What came in order before a proper end is still told. */
    receive_drop(c, !c->fin_received || c->user_closed);
    connection_notify(c);
}

/* ---- In ---- */

static struct tcp_connection *dispatch_value(struct tcp *tcp, uint32_t value,
                                             struct arrival *arrival, uint64_t now_ns)
{
    const uint32_t index = value & FLOW_INDEX_MASK;
    uint32_t iss = 0;
    switch (value >> FLOW_KIND_BITS) {
    case FLOW_CONNECTION: return pool_at(&tcp->connections, index);
    case FLOW_HALF_OPEN:
        return syn_half_open_input(tcp, pool_at(&tcp->half_opens, index), arrival, now_ns);
    default: break;
    }
    if (time_wait_input(tcp, pool_at(&tcp->time_waits, index), arrival, &iss, now_ns)) {
        return syn_input(tcp, arrival, iss, now_ns);
    }
    return NULL;
}

static const struct flow_key *key_of(const struct tcp *tcp, uint32_t value)
{
    const uint32_t index = value & FLOW_INDEX_MASK;
    switch (value >> FLOW_KIND_BITS) {
    case FLOW_CONNECTION: return &((struct tcp_connection *)pool_at(&tcp->connections, index))->key;
    case FLOW_HALF_OPEN: return &((struct half_open *)pool_at(&tcp->half_opens, index))->key;
    default: return &((struct time_wait *)pool_at(&tcp->time_waits, index))->key;
    }
}

static uint32_t find(const struct tcp *tcp, const struct flow_key *key, uint32_t hash)
{
    uint32_t at = FLOW_EMPTY;
    uint32_t value;
    while ((value = flow_next(&tcp->flows, hash, &at)) != (uint32_t)FLOW_EMPTY) {
        if (flow_key_equal(key_of(tcp, value), key)) {
            return value;
        }
    }
    return FLOW_EMPTY;
}

static bool is_ours(const struct tcp *tcp, uint32_t hash)
{
    return tcp->setup.siblings == NULL ||
           tcp->setup.siblings->ours(tcp->setup.siblings_context, hash);
}

void tcp_error_input(struct tcp *tcp, const struct icmp_error *error, uint64_t now_ns)
{
    const struct flow_key key = {error->target, error->source, error->target_port,
                                 error->source_port};
    const uint32_t hash = flow_hash(&tcp->flows, &key);
    const uint32_t value = find(tcp, &key, hash);
    if (!is_ours(tcp, hash)) {
        tcp->setup.siblings->give_error(tcp->setup.siblings_context, hash, error);
    } else if (value >> FLOW_KIND_BITS == FLOW_CONNECTION) {
        input_error(pool_at(&tcp->connections, value), error, now_ns);
    }
}

/* Nobody sums it once more. */
static void give(struct tcp *tcp, const struct packet_in *packet, uint32_t hash)
{
    struct packet_in given = *packet;
    given.flags = PACKET_IP_GOOD | PACKET_L4_GOOD;
    tcp->setup.siblings->give_frame(tcp->setup.siblings_context, hash, &given);
}

/* What is no segment for us is dealt with at once. False: nothing is left to do. */
static NOINLINE bool arrive_oddly(struct tcp *tcp, const struct packet_in *packet,
                                  struct arrival *arrival, uint64_t now_ns)
{
    struct icmp_error error;
    switch (net_input(tcp->net, packet, &arrival->net, &error, now_ns)) {
    case NET_TAKEN: return false;
    case NET_FOREIGN:
        if (tcp->setup.foreign != NULL) {
            tcp->setup.foreign(tcp->setup.user_context, packet);
        } else {
            net_release(tcp->net, &packet->first, packet->more, packet->more_count);
        }
        return false;
    case NET_TCP_ERROR: tcp_error_input(tcp, &error, now_ns); return false;
    case NET_TCP: break;
    }
    return true;
}

static NOINLINE void drop_headless(struct tcp *tcp, const struct packet_in *packet)
{
    tcp->counters[TCP_IN_SEGMENTS]++;
    tcp->counters[TCP_IN_BAD_HEADER]++;
    net_release(tcp->net, &packet->first, packet->more, packet->more_count);
}

/* First pass: down to the segment, and its hash. */
HOT_INLINE void arrive(struct tcp *tcp, const struct packet_in *packet, struct arrival *arrival,
                       uint64_t now_ns)
{
    arrival->valid = false;
    if (!net_input_usual(tcp->net, packet, &arrival->net) &&
        !arrive_oddly(tcp, packet, arrival, now_ns)) {
        return;
    }
    if (!segment_parse(arrival->net.first.bytes, arrival->net.len, &arrival->segment)) {
        drop_headless(tcp, packet);
        return;
    }
    tcp->counters[TCP_IN_SEGMENTS]++;
    arrival->key.remote = arrival->net.source;
    arrival->key.local = arrival->net.target;
    arrival->key.remote_port = arrival->segment.source_port;
    arrival->key.local_port = arrival->segment.target_port;
    arrival->hash = flow_hash(&tcp->flows, &arrival->key);
    if (UNLIKELY(!is_ours(tcp, arrival->hash)) && !open_adopt(tcp, arrival)) {
        give(tcp, packet, arrival->hash);
        return;
    }
    arrival->valid = true;
    flow_prefetch(&tcp->flows, arrival->hash);
}

static inline void prefetch(const struct tcp_connection *c)
{
    const uint8_t *line = (const uint8_t *)c;
    __builtin_prefetch(line);
    __builtin_prefetch(line + 64);
    __builtin_prefetch(line + 128);
}

/* The connection that the second pass found, if it is the one and was not ended since. */
HOT_INLINE struct tcp_connection *expected(const struct tcp *tcp, const struct arrival *arrival)
{
    if (arrival->value >> FLOW_KIND_BITS != FLOW_CONNECTION) {
        return NULL;
    }
    struct tcp_connection *c = pool_at(&tcp->connections, arrival->value);
    return flow_key_equal(&c->key, &arrival->key) && c->state != TCP_CLOSED ? c : NULL;
}

static NOINLINE void dispatch(struct tcp *tcp, struct tcp_connection *c, struct arrival *arrival,
                              uint64_t now_ns)
{
    if (UNLIKELY(c == NULL)) {
        const uint32_t value = find(tcp, &arrival->key, arrival->hash);
        c = value == (uint32_t)FLOW_EMPTY ? syn_input(tcp, arrival, 0, now_ns)
                                          : dispatch_value(tcp, value, arrival, now_ns);
    }
    if (c != NULL) {
        input_segment(c, arrival, now_ns);
    }
    if (arrival->valid) { /* Nobody kept its buffers. */
        net_release(tcp->net, &arrival->net.first, arrival->net.more, arrival->net.more_count);
    }
}

/* Second pass: what the table names, for those that are not known. */
static NOINLINE void look_up(struct tcp *tcp, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct arrival *arrival = &tcp->burst[i];
        uint32_t at = FLOW_EMPTY;
        if (tcp->known[i] != NULL || !arrival->valid) {
            continue;
        }
        arrival->value = flow_next(&tcp->flows, arrival->hash, &at);
        if (arrival->value >> FLOW_KIND_BITS == FLOW_CONNECTION) {
            prefetch(pool_at(&tcp->connections, arrival->value));
        }
    }
}

static NOINLINE void input_unknown(struct tcp *tcp, struct arrival *arrival, uint64_t now_ns)
{
    if (!arrival->valid) {
        return;
    }
    struct tcp_connection *c = expected(tcp, arrival);
    if (UNLIKELY(c == NULL) || !input_usual(c, arrival, now_ns)) {
        dispatch(tcp, c, arrival, now_ns);
    }
    if (c != NULL && c->state == TCP_ESTABLISHED && c->timestamps) {
        known_remember(&tcp->known_flows, &c->key, c);
    }
}

/* What is known says something else than the next bytes. The connection may have ended since the
 * first pass, by a segment of the same burst. */
static NOINLINE void dispatch_known(struct tcp *tcp, const struct packet_in *packet, uint32_t i,
                                    uint64_t now_ns)
{
    struct tcp_connection *c = tcp->known[i];
    struct arrival *arrival = &tcp->burst[i];
    known_parse(packet, &arrival->segment);
    arrival->net = (struct net_segment){
        .source = c->key.remote,
        .target = c->key.local,
        .first = {{packet->first.bytes.ptr + KNOWN_TCP, known_total(packet) - IPV4_BYTES},
                  packet->first.buffer},
        .more = packet->more,
        .len = known_total(packet) - IPV4_BYTES,
        .segments = packet->segments};
    arrival->key = c->key;
    arrival->hash = c->hash;
    arrival->valid = true;
    dispatch(tcp, c->state != TCP_CLOSED ? c : NULL, arrival, now_ns);
}

/* Some segments of one connection, of which the first has place `at`. */
HOT_INLINE void input_train(struct tcp *tcp, const struct packet_in *packets, uint32_t at,
                            uint64_t now_ns)
{
    struct tcp_connection *c = tcp->known[at - 1];
    const uint8_t *next = tcp->trains.next;
    while ((at = train_input(c, packets, next, at, now_ns)) != 0) {
        dispatch_known(tcp, &packets[at - 1], at - 1, now_ns);
        at = next[at - 1];
    }
}

/* In the order of their arrival, whatever they are: a connection may have some of both kinds. */
static NOINLINE void input_each(struct tcp *tcp, const struct packet_in *packets, uint32_t count,
                                uint64_t now_ns)
{
    look_up(tcp, count);
    memset(tcp->trains.next, 0, sizeof(tcp->trains.next));
    for (uint32_t i = 0; i < count; i++) {
        if (tcp->known[i] == NULL) {
            input_unknown(tcp, &tcp->burst[i], now_ns);
        } else {
            input_train(tcp, packets, i + 1, now_ns);
        }
    }
}

/* Behind the others of its flow in this burst. */
HOT_INLINE void train_add(struct trains *trains, struct known_flow *flow, uint32_t place)
{
    trains->next[place - 1] = 0;
    if (flow->last == 0) {
        prefetch(flow->connection);
        trains->flows[trains->count] = flow;
        trains->first[trains->count++] = (uint8_t)place;
    } else {
        trains->next[flow->last - 1] = (uint8_t)place;
    }
    flow->last = place;
}

void tcp_input(struct tcp *tcp, const struct packet_in *packets, uint32_t count, uint64_t now_ns)
{
    ASSERT(count <= TCP_BURST_MAX);
    struct trains *trains = &tcp->trains;
    tcp->now_ns = now_ns;
    trains->count = 0;
    uint32_t unknown = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct known_flow *flow = known_find(&tcp->known_flows, &packets[i]);
        struct tcp_connection *c = flow != NULL ? flow->connection : NULL;
        tcp->known[i] = c;
        if (LIKELY(c != NULL)) {
            train_add(trains, flow, i + 1);
        } else {
            arrive(tcp, &packets[i], &tcp->burst[i], now_ns);
            unknown++;
        }
    }
    tcp->counters[TCP_IN_SEGMENTS] += count - unknown;
    net_count_usual(tcp->net, count - unknown);
    for (uint32_t i = 0; i < trains->count; i++) {
        trains->flows[i]->last = 0;
    }
    if (UNLIKELY(unknown != 0)) {
        input_each(tcp, packets, count, now_ns);
        return;
    }
    for (uint32_t i = 0; i < trains->count; i++) {
        input_train(tcp, packets, trains->first[i], now_ns);
    }
}

/* ---- Time ---- */

uint32_t tcp_turn(struct tcp *tcp, uint32_t budget, uint64_t now_ns)
{
    const uint32_t all = budget;
    struct wheel_node *node;
    tcp->now_ns = now_ns;
    if (net_next_deadline_ns(tcp->net) <= now_ns) {
        net_turn(tcp->net, now_ns);
    }
    time_wait_turn(tcp, budget, now_ns);
    while (wheel_due(&tcp->wheel, now_ns) &&
           (node = wheel_expire(&tcp->wheel, now_ns, &budget)) != NULL) {
        if (node->kind == FLOW_CONNECTION) {
            timer_fire(CONTAINER_OF(node, struct tcp_connection, timer), now_ns);
        } else {
            syn_timer_fire(tcp, CONTAINER_OF(node, struct half_open, timer), now_ns);
        }
    }
    return all - budget;
}

bool tcp_quiet(const struct tcp *tcp, uint64_t now_ns)
{
    return !wheel_due(&tcp->wheel, now_ns) && !net_wants_turn(tcp->net, now_ns) &&
           list_empty(&tcp->events) && list_empty(&tcp->unopened) && list_empty(&tcp->wanting) &&
           (list_empty(&tcp->time_wait_order) || time_wait_next_ns(tcp) > now_ns);
}

uint64_t tcp_next_deadline_ns(const struct tcp *tcp)
{
    if (!list_empty(&tcp->ready) || !list_empty(&tcp->events) || net_wants_output(tcp->net)) {
        return tcp->now_ns;
    }
    const uint64_t own_ns = min_u64(min_u64(wheel_next_ns(&tcp->wheel), time_wait_next_ns(tcp)),
                                    user_next_open_ns(tcp));
    return min_u64(own_ns, net_next_deadline_ns(tcp->net));
}

const uint64_t *tcp_counters(const struct tcp *tcp)
{
    return tcp->counters;
}

const struct net *tcp_net(const struct tcp *tcp)
{
    return tcp->net;
}

const struct tcp_setup *tcp_setup_used(const struct tcp *tcp)
{
    return &tcp->setup;
}

const uint32_t *tcp_states(const struct tcp *tcp)
{
    return tcp->states;
}

struct tcp_usage tcp_usage(const struct tcp *tcp)
{
    return (struct tcp_usage){.connections = tcp->connections.used,
                              .half_open = tcp->half_opens.used,
                              .time_wait = tcp->time_waits.used,
                              .extents = tcp->extents.used,
                              .records = tcp->records.used,
                              .pieces = tcp->pieces.used,
                              .pinned_bytes = tcp->pinned_bytes};
}
