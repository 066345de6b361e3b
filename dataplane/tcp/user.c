/* What the user calls, and is called for. */
#include "dataplane/tcp/recovery.h"
#include "dataplane/tcp/scoreboard.h"
#include "dataplane/tcp/syn.h"

static const uint64_t ms_ns = 1000000;

enum { ROOM_LOOKS = 64 }; /* Connections told of room in one delivery. */

/* ---- Opening ---- */

bool tcp_listen(struct tcp *tcp, uint16_t port, uint32_t backlog, uint32_t *listener)
{
    uint32_t free = TCP_LISTENERS_MAX;
    for (uint32_t i = TCP_LISTENERS_MAX; i-- > 0;) {
        if (!tcp->listeners[i].open) {
            free = i;
        } else if (tcp->listeners[i].port == port) {
            return false;
        }
    }
    if (free == TCP_LISTENERS_MAX) {
        return false;
    }
    tcp->listeners[free] = (struct listener){.open = true, .port = port, .backlog = backlog};
    *listener = free;
    return true;
}

void tcp_stop_listening(struct tcp *tcp, uint32_t listener)
{
    syn_drop_listener(tcp, listener);
    tcp->listeners[listener].open = false;
}

/* ---- Sending ---- */

static bool has_room(const struct tcp_connection *c, uint32_t part_count)
{
    const struct tcp *tcp = c->tcp;
    if (tcp->extents.capacity - tcp->extents.used < part_count) {
        return false;
    }
    /* One send is always taken: whoever has none waits for no on_sent. */
    return c->extents == NULL || (c->pinned_bytes < tcp->setup.send_bytes_max &&
                                  tcp->pinned_bytes < tcp->setup.send_bytes_core_max);
}

LINK_INLINE bool tcp_send(struct tcp_connection *c, const struct send_part *parts,
                          uint32_t part_count, uint64_t token)
{
    struct tcp *tcp = c->tcp;
    ASSERT(!c->fin_queued && part_count > 0 && part_count <= tcp->extents.capacity);
    if (!has_room(c, part_count)) {
        c->wanted_parts = part_count;
        if (!list_linked(&c->room_node)) {
            list_push_back(&tcp->wanting, &c->room_node);
        }
        return false;
    }
    for (uint32_t i = 0; i < part_count; i++) {
        struct extent *extent = stock_take(&tcp->extents);
        c->snd_end += parts[i].bytes.len;
        *extent = (struct extent){.ptr = parts[i].bytes.ptr,
                                  .len = parts[i].bytes.len,
                                  .end = c->snd_end,
                                  .last = i + 1 == part_count,
                                  .connection = c,
                                  .token = token};
        if (c->extents_last == NULL) {
            c->extents = extent;
        } else {
            c->extents_last->next = extent;
        }
        c->extents_last = extent;
        c->pinned_bytes += extent->len;
        tcp->pinned_bytes += extent->len;
    }
    if (extent_any_done(c)) { /* Nothing to send, or nobody to send to. */
        connection_notify(c);
    }
    connection_wake(c);
    return true;
}

void tcp_released(struct tcp *tcp, const struct packet_pin *pin)
{
    if (pin->kind == PACKET_PIN_BUFFER) {
        net_released(tcp->net, pin);
    }
    if (pin->kind != PACKET_PIN_EXTENTS) {
        return;
    }
    struct extent *extent = pin->holder;
    struct tcp_connection *c = extent->connection;
    for (uint32_t i = 0; i < pin->count; i++) {
        ASSERT(extent->pins > 0);
        extent->pins--;
        extent = extent->next;
    }
    if (extent_any_done(c)) {
        connection_notify(c);
    }
}

/* ---- Closing ---- */

void tcp_shutdown(struct tcp_connection *c)
{
    if (!c->fin_queued) {
        c->fin_queued = true;
        connection_wake(c);
    }
}

void tcp_close(struct tcp_connection *c)
{
    if (c->user_closed) {
        return;
    }
    c->user_closed = true;
    receive_drop(c, true);
    if (c->state == TCP_SYN_SENT) {
        if (open_withdraw(c)) {
            connection_end(c, TRANSPORT_CLOSED_BY_US);
        }
        return;
    }
    tcp_shutdown(c);
    if (c->state == TCP_FIN_WAIT_2) {
        timer_set(c, TIMER_LIFE, c->tcp->now_ns + c->tcp->setup.fin_wait_ms * ms_ns);
    }
    connection_notify(c);
}

void tcp_abort(struct tcp_connection *c)
{
    if (c->state == TCP_CLOSED || !open_withdraw(c)) {
        return;
    }
    c->user_closed = true;
    if (c->state != TCP_SYN_SENT) {
        connection_reset(c, c->snd_nxt, c->tcp->now_ns);
    }
    connection_end(c, TRANSPORT_CLOSED_BY_US);
}

/* ---- Receiving ---- */

void tcp_pause(struct tcp_connection *c)
{
    c->paused = true;
}

void tcp_resume(struct tcp_connection *c)
{
    c->paused = false;
    connection_notify(c);
}

/* Whether the window is to grow, or to be told. */
static NOINLINE void window_look(struct tcp_connection *c, void *buffer)
{
    const struct net_setup *net = &c->tcp->net->setup;
    if (connection_synchronized(c) && !c->fin_received) {
        receive_tune(c, c->tcp->now_ns);
        if (connection_window_would_open(c)) {
            connection_ack(c);
        }
    }
    net->release(net->context, buffer);
}

/* The port gets its buffer last, so that nothing has to be kept over the call. */
LINK_INLINE void tcp_release(struct tcp *tcp, void *buffer)
{
    const struct net_setup *net = &tcp->net->setup;
    struct piece *piece = buffer;
    struct tcp_connection *c = piece->connection;
    void *held = piece->buffer;
    if (LIKELY(c->generation == piece->generation)) {
        const uint32_t len = piece->len;
        c->held -= len;
        c->held_pieces--;
        c->tune_released += len;
        if (UNLIKELY(tcp->now_ns >= c->tune_at_ns || connection_window_small(c))) {
            stock_give(&tcp->pieces, piece);
            window_look(c, held);
            return;
        }
    }
    stock_give(&tcp->pieces, piece);
    net->release(net->context, held);
}

/* ---- Telling ---- */

static void address_fill(struct network_address *to, const struct address *address, uint16_t port)
{
    memcpy(to->ip, address->bytes, sizeof(to->ip));
    to->port = port;
}

static bool tell_open(struct tcp_connection *c)
{
    const struct tcp_setup *setup = &c->tcp->setup;
    struct network_address peer;
    struct network_address local;
    address_fill(&peer, &c->key.remote, c->key.remote_port);
    address_fill(&local, &c->key.local, c->key.local_port);
    void *user = c->by_token
                     ? setup->user->on_opened(setup->user_context, c, &peer, &local, c->token)
                     : setup->user->on_open(setup->user_context, c, &peer, &local, c->listener);
    if (c->active && !c->by_token) {
        c->open_told = true;
        return true;
    }
    c->user = user;
    c->open_told = user != NULL;
    if (user == NULL) {
        c->tcp->counters[TCP_REFUSED]++;
        tcp_abort(c);
    }
    return c->open_told;
}

static void tell_data(struct tcp_connection *c)
{
    const struct tcp_user *user = c->tcp->setup.user;
    while (c->inbox != NULL && !c->paused && !c->user_closed) {
        struct piece *piece = c->inbox;
        c->inbox = piece->next;
        if (c->inbox == NULL) {
            c->inbox_last = NULL;
        }
        c->inbox_bytes -= piece->len;
        user->on_data(c->user, (struct received_piece){{piece->ptr, piece->len}, piece});
    }
    if (c->fin_received && c->inbox == NULL && !c->end_told && !c->user_closed) {
        c->end_told = true;
        user->on_end(c->user);
    }
}

/* After the last call the slot is free; pieces that the user holds stay. */
static void finish(struct tcp_connection *c)
{
    struct tcp *tcp = c->tcp;
    const struct tcp_user *user = tcp->setup.user;
    void *handle = c->user;
    const bool told = c->open_told || (c->active && !c->by_token);
    const bool unopened = c->by_token && !c->opened && !c->moved;
    const uint64_t token = c->token;
    const enum transport_close_reason reason = (enum transport_close_reason)c->close_reason;
    c->generation = 0;
    pool_give(&tcp->connections, c);
    if (told) {
        user->on_close(handle, reason);
    } else if (unopened) {
        user->on_unopened(tcp->setup.user_context, token, reason);
    }
}

static uint64_t open_from_ns(const struct tcp *tcp)
{
    const struct tcp_user *user = tcp->setup.user;
    return user->open_from_ns == NULL ? 0 : user->open_from_ns(tcp->setup.user_context);
}

uint64_t user_next_open_ns(const struct tcp *tcp)
{
    return list_empty(&tcp->unopened) ? UINT64_MAX : max_u64(open_from_ns(tcp), tcp->now_ns);
}

static void deliver_one(struct tcp_connection *c)
{
    if (c->opened && !c->open_told && !c->active && !c->user_closed &&
        open_from_ns(c->tcp) > c->tcp->now_ns) {
        list_push_back(&c->tcp->unopened, &c->event_node);
        return;
    }
    if (c->opened && !c->open_told && !c->user_closed) {
        (void)tell_open(c);
    }
    if (c->open_told) {
        tell_data(c);
    }
    extent_release_acked(c);
    if (c->ended && c->extents == NULL && (c->inbox == NULL || c->user_closed)) {
        if (list_linked(&c->event_node)) {
            list_remove(&c->event_node);
        }
        if (list_linked(&c->room_node)) {
            list_remove(&c->room_node);
        }
        finish(c);
    }
}

/* Sends that were refused may find room by now, others having got theirs back. Who finds none goes
 * to the back: those that never will hide nobody. */
static void tell_room(struct tcp *tcp)
{
    const struct list_node *turned = NULL;
    for (uint32_t looks = 0; looks < ROOM_LOOKS; looks++) {
        struct list_node *node = list_first(&tcp->wanting);
        if (node == NULL || node == turned) {
            return;
        }
        struct tcp_connection *c = CONTAINER_OF(node, struct tcp_connection, room_node);
        list_remove(node);
        if (c->ended || c->fin_queued) {
            continue;
        }
        if (has_room(c, c->wanted_parts)) {
            tcp->setup.user->on_room(c->user);
        } else {
            list_push_back(&tcp->wanting, node);
            turned = turned == NULL ? node : turned;
        }
    }
}

uint32_t tcp_deliver(struct tcp *tcp, uint32_t budget, uint64_t now_ns)
{
    uint32_t done = 0;
    struct list_node *node;
    tcp->now_ns = now_ns;
    while (done < budget && !list_empty(&tcp->unopened) && open_from_ns(tcp) <= now_ns) {
        node = list_pop_front(&tcp->unopened);
        deliver_one(CONTAINER_OF(node, struct tcp_connection, event_node));
        done++;
    }
    while (done < budget && (node = list_pop_front(&tcp->events)) != NULL) {
        deliver_one(CONTAINER_OF(node, struct tcp_connection, event_node));
        done++;
    }
    if (!list_empty(&tcp->wanting)) {
        tell_room(tcp);
    }
    return done;
}

/* ---- Seeing ---- */

void tcp_info(const struct tcp_connection *c, struct tcp_info *info)
{
    static const char *const modes[] = {"open", "fast", "loss"};
    *info = (struct tcp_info){
        .state = (enum tcp_state)c->state,
        .congestion = c->tcp->setup.congestion->name,
        .recovery = modes[c->mode],
        .timestamps = c->timestamps,
        .sack = c->sack,
        .ecn = c->ecn,
        .send_scale = c->snd_scale,
        .receive_scale = c->rcv_scale,
        .mss = c->mss,
        .cwnd = c->congestion.cwnd,
        .ssthresh = c->congestion.ssthresh,
        .in_flight = recovery_pipe(c),
        .lost = c->lost_bytes,
        .sacked = c->sacked_bytes,
        .unsent = seq_distance(c->snd_end, c->snd_nxt),
        .send_window = c->snd_wnd,
        .receive_window = c->rcv_edge - c->rcv_nxt,
        .receive_buffer = c->rcv_buffer,
        .receive_held = c->held,
        .pinned = c->pinned_bytes,
        .rtt_ns = c->rtt.smoothed_ns,
        .rtt_variance_ns = c->rtt.variance_ns,
        .rtt_min_ns = c->rtt.min_ns,
        .rto_ns = c->rtt.timeout_ns,
        .backoff = c->backoff,
        .bytes_sent = c->bytes_sent,
        .bytes_acked = c->bytes_acked,
        .bytes_received = c->bytes_received,
        .segments_in = c->segments_in,
        .segments_out = c->segments_out,
        .bytes_retransmitted = c->bytes_retransmitted,
        .retransmits = c->retransmits,
        .timeouts = c->timeouts,
        .tail_probes = c->tail_probes,
        .fast_recoveries = c->fast_recoveries,
        .undone = c->undone,
        .out_of_order = c->out_of_order,
        .duplicates = c->duplicates,
        .duplicates_sent = c->duplicates_sent,
        .zero_windows = c->zero_windows,
        .reorder_steps = c->reorder_steps,
    };
    address_fill(&info->peer, &c->key.remote, c->key.remote_port);
    address_fill(&info->local, &c->key.local, c->key.local_port);
}

const char *tcp_state_name(enum tcp_state state)
{
    static const char *const names[TCP_STATES] = {"closed",      "syn-sent",   "syn-received",
                                                  "established", "fin-wait-1", "fin-wait-2",
                                                  "close-wait",  "closing",    "last-ack"};
    return state < TCP_STATES ? names[state] : "?";
}

uint32_t tcp_survey(const struct tcp *tcp, uint32_t *slot, uint32_t slots_max,
                    struct tcp_info *rows, uint32_t count)
{
    const struct pool *pool = &tcp->connections;
    uint32_t done = 0;
    for (; *slot < pool->capacity && slots_max > 0 && done < count; (*slot)++, slots_max--) {
        const struct tcp_connection *c = pool_at(pool, *slot);
        if (pool->slots[*slot].generation % 2 == 1 && c->state != TCP_CLOSED) {
            tcp_info(c, &rows[done++]);
        }
    }
    if (*slot >= pool->capacity) {
        *slot = UINT32_MAX;
    }
    return done;
}

static const char *receive_invariants(const struct tcp_connection *c)
{
    uint32_t bytes = 0;
    uint32_t waiting = 0;
    for (const struct piece *piece = c->inbox; piece != NULL; piece = piece->next) {
        bytes += piece->len;
        waiting++;
    }
    if (bytes != c->inbox_bytes || bytes > c->held || waiting > c->held_pieces) {
        return "the inbox holds something else than counted";
    }
    uint32_t count = 0;
    uint32_t at = c->rcv_nxt + 1;
    for (const struct piece *piece = c->holes; piece != NULL; piece = piece->next) {
        if (seq_lt(piece->sequence, at) || piece->len == 0) {
            return "the pieces out of order overlap, or are in order";
        }
        at = piece->sequence + piece->len;
        count++;
    }
    if (count != c->holes_count || (count != 0 && seq_lt(c->rcv_edge, at))) {
        return "pieces lie beyond the window";
    }
    return seq_lt(c->rcv_edge, c->rcv_nxt) ? "the edge lies before the next byte" : NULL;
}

static const char *connection_invariants(const struct tcp_connection *c)
{
    if (seq_lt(c->snd_nxt, c->snd_una) || seq_lt(c->snd_end + 1, c->snd_nxt)) {
        return "una, nxt and end are out of order";
    }
    if (!connection_synchronized(c)) {
        return NULL;
    }
    const bool watched = c->deadlines[TIMER_RETRANSMIT] != UINT64_MAX;
    if (c->snd_una != c->snd_nxt && !watched) {
        return "something is outstanding and no timer watches";
    }
    if (c->congestion.cwnd < connection_payload_max(c)) {
        return "cwnd is below a segment";
    }
    const char *wrong = scoreboard_invariants(c);
    return wrong != NULL ? wrong : receive_invariants(c);
}

/* Each flow that is known is one of the table, and its connection takes segments. */
static const char *known_invariants(const struct tcp *tcp)
{
    for (uint32_t i = 0; i < KNOWN_FLOWS; i++) {
        struct flow_key key;
        const struct tcp_connection *c = known_at(&tcp->known_flows, i, &key);
        if (c != NULL && (tcp->connections.slots[c->index].generation % 2 == 0 ||
                          !connection_synchronized(c) || !flow_key_equal(&key, &c->key))) {
            return "a flow is known that is over";
        }
    }
    return NULL;
}

const char *tcp_invariants(const struct tcp *tcp)
{
    uint64_t pinned = 0;
    uint32_t states[TCP_STATES] = {0};
    for (uint32_t i = 0; i < tcp->connections.capacity; i++) {
        const struct tcp_connection *c = pool_at(&tcp->connections, i);
        if (tcp->connections.slots[i].generation % 2 == 0) {
            continue;
        }
        pinned += c->pinned_bytes;
        states[c->state]++;
        const char *wrong = c->state == TCP_CLOSED ? NULL : connection_invariants(c);
        if (wrong != NULL) {
            return wrong;
        }
    }
    const uint32_t flows = tcp->connections.used + tcp->half_opens.used + tcp->time_waits.used;
    if (pinned != tcp->pinned_bytes) {
        return "pinned bytes are counted wrongly";
    }
    if (memcmp(states + 1, tcp->states + 1, sizeof(states) - sizeof(states[0])) != 0) {
        return "connections are counted in the wrong state";
    }
    return tcp->flows.used <= flows ? known_invariants(tcp) : "the flow table holds what is gone";
}
