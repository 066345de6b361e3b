#include "dataplane/stack/stack.h"

#include "storage/base/list.h"
#include "storage/base/pool.h"

enum {
    DELIVER_MAX = 256, /* Connections told of something in one turn. */
    TIMERS_MAX = 256,
    NEIGHBORS_MAX = 256,
    FRAMES_MAX = 1024, /* Of the stack itself: SYN-ACKs, resets, ARP, echo; those of a turn fit. */
    BACKLOG = 1024,
    EXTENTS_SHARED = 8192, /* Beyond those that each connection can count on. */
    RECORDS_SHARED = 16384,
    NO_LISTENER = UINT32_MAX,
};

struct stack_connection {
    struct transport_connection base; /* First: the user's view. */
    struct stack *stack;
    struct tcp_connection *tcp; /* Gone after TCP's on_close. */
    struct list_node work;      /* Of stack.work. */
    uint8_t *into;              /* receive_into: where the next byte goes; NULL none. */
    uint32_t into_left;
    uint32_t send_count;
    bool ended;     /* The peer has closed its side; the user was told. */
    bool finishing; /* Ends once everything sent is acknowledged; takes nothing in. */
    bool shut;      /* TCP was told: nothing more is sent. */
    bool told;      /* on_close was called. */
    uint8_t reason; /* enum transport_close_reason, when finishing. */
};

struct stack {
    struct transport transport; /* First: the user's view. */
    struct stack_setup setup;
    struct nic *nic;
    struct exception *exception; /* NULL: what is not ours is dropped. */
    struct net *net;
    struct tcp *tcp;
    struct pool connections;
    struct list work;
    struct route routes[5];
    uint32_t listeners[TCP_LISTENERS_MAX]; /* By TCP's index: the user's. */
    struct stack_counters counters;
    uint32_t looked_count;              /* Of `in`, by stack_look. */
    struct packet_in in[NIC_BURST_MAX]; /* Of a turn. */
    struct packet_out out[NIC_BURST_MAX];
};

static void connection_work(struct stack_connection *connection)
{
    if (!list_linked(&connection->work)) {
        list_push_back(&connection->stack->work, &connection->work);
    }
}

/* The user hears nothing of it after this. */
static void connection_tell_close(struct stack_connection *connection,
                                  enum transport_close_reason reason)
{
    struct stack *stack = connection->stack;
    connection->told = true;
    connection->into = NULL;
    stack->counters.open--;
    stack->transport.user->on_close(connection->base.user, reason);
}

/* ---- What TCP calls ------------------------------------------------------------------------- */

/* NULL: no slot is free. */
static struct stack_connection *connection_take(struct stack *stack, struct tcp_connection *tcp)
{
    struct stack_connection *connection = pool_take(&stack->connections);
    if (connection == NULL) {
        stack->counters.refused++;
        return NULL;
    }
    *connection = (struct stack_connection){
        .base = {.transport = &stack->transport}, .stack = stack, .tcp = tcp};
    return connection;
}

/* user: the user's word on it. */
static void *connection_begin(struct stack *stack, struct stack_connection *connection, void *user)
{
    connection->base.user = user;
    if (user == NULL) {
        stack->counters.refused++;
        if (list_linked(&connection->work)) {
            list_remove(&connection->work);
        }
        pool_give(&stack->connections, connection);
        return NULL;
    }
    stack->counters.open++;
    return connection;
}

static void *on_open(void *context, struct tcp_connection *tcp, const struct network_address *peer,
                     const struct network_address *local, uint32_t listener)
{
    struct stack *stack = context;
    struct stack_connection *connection = connection_take(stack, tcp);
    if (connection == NULL) {
        return NULL;
    }
    connection = connection_begin(stack, connection,
                                  stack->transport.user->on_open(stack->transport.user_context,
                                                                 &connection->base, peer, local,
                                                                 stack->listeners[listener]));
    stack->counters.accepted += connection != NULL;
    return connection;
}

static void *on_opened(void *context, struct tcp_connection *tcp,
                       const struct network_address *peer, const struct network_address *local,
                       uint64_t token)
{
    struct stack *stack = context;
    const struct stack_opener *opener = stack->setup.opener;
    struct stack_connection *connection = connection_take(stack, tcp);
    if (connection == NULL) {
        opener->on_unopened(stack->transport.user_context, token, TRANSPORT_NO_MEMORY);
        return NULL;
    }
    connection = connection_begin(
        stack, connection,
        opener->on_opened(stack->transport.user_context, &connection->base, peer, local, token));
    stack->counters.opened += connection != NULL;
    return connection;
}

static void on_unopened(void *context, uint64_t token, enum transport_close_reason reason)
{
    struct stack *stack = context;
    stack->setup.opener->on_unopened(stack->transport.user_context, token, reason);
}

/* To memory asked for by receive_into, as long as it is. Returns what is left. */
static NOINLINE struct bytes into_fill(struct stack_connection *connection, struct bytes bytes)
{
    while (bytes.len > 0 && connection->into != NULL && !connection->finishing) {
        const uint32_t count = min_u32(bytes.len, connection->into_left);
        memcpy(connection->into, bytes.ptr, count);
        connection->into += count;
        connection->into_left -= count;
        bytes.ptr += count;
        bytes.len -= count;
        if (connection->into_left == 0) {
            connection->into = NULL;
            connection->stack->transport.user->on_received_into(connection->base.user);
        }
    }
    return bytes;
}

static void on_data(void *user, struct received_piece piece)
{
    struct stack_connection *connection = user;
    struct stack *stack = connection->stack;
    stack->counters.receives++;
    stack->counters.received_bytes += piece.bytes.len;
    if (UNLIKELY(connection->into != NULL)) {
        piece.bytes = into_fill(connection, piece.bytes);
    }
    if (piece.bytes.len == 0 || connection->finishing) {
        tcp_release(stack->tcp, piece.buffer);
        return;
    }
    stack->transport.user->on_data(connection->base.user, piece);
}

static void on_end(void *user)
{
    struct stack_connection *connection = user;
    if (!connection->finishing) {
        connection->ended = true;
        connection->stack->transport.user->on_end(connection->base.user);
    }
}

static void on_sent(void *user, uint64_t token)
{
    struct stack_connection *connection = user;
    connection->send_count--;
    connection->stack->transport.user->on_sent(connection->base.user, token);
    if (connection->finishing) {
        connection_work(connection);
    }
}

static void on_room(void *user)
{
    (void)user; /* on_sent says it: whoever has no send under way finds room (send_room). */
}

static void on_close(void *user, enum transport_close_reason reason)
{
    struct stack_connection *connection = user;
    struct stack *stack = connection->stack;
    stack->counters.reset += reason == TRANSPORT_RESET;
    stack->counters.timed_out += reason == TRANSPORT_TIMED_OUT;
    if (list_linked(&connection->work)) {
        list_remove(&connection->work);
    }
    if (!connection->told) {
        const bool ours = connection->finishing && connection->reason == TRANSPORT_CLOSED_BY_US;
        connection_tell_close(connection, ours ? TRANSPORT_CLOSED_BY_US : reason);
    }
    pool_give(&stack->connections, connection);
}

static uint64_t open_from_ns(void *context)
{
    const struct transport *transport = &((struct stack *)context)->transport;
    return transport->user->accept_from_ns == NULL
               ? 0
               : transport->user->accept_from_ns(transport->user_context);
}

static const struct tcp_user tcp_calls = {
    .on_open = on_open,
    .on_data = on_data,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_room = on_room,
    .on_close = on_close,
    .open_from_ns = open_from_ns,
    .on_opened = on_opened,
    .on_unopened = on_unopened,
};

/* ---- What the user calls -------------------------------------------------------------------- */

static struct stack_connection *of(struct transport_connection *base)
{
    return (struct stack_connection *)base;
}

static void stack_op_release(struct transport *transport, void *buffer)
{
    tcp_release(((struct stack *)transport)->tcp, buffer);
}

static void stack_op_pause(struct transport_connection *base)
{
    tcp_pause(of(base)->tcp);
}

static void stack_op_resume(struct transport_connection *base)
{
    tcp_resume(of(base)->tcp);
}

static void stack_op_receive_into(struct transport_connection *base, uint8_t *to, uint32_t len)
{
    struct stack_connection *connection = of(base);
    ASSERT(connection->into == NULL && len > 0);
    connection->into = to;
    connection->into_left = len;
}

/* Each connection can always have one send waiting: readers that stop reading can use up what is
 * shared, but not what the others need. */
static bool send_room(const struct stack_connection *connection, uint32_t part_count)
{
    const struct stack *stack = connection->stack;
    const uint32_t kept = STACK_SEND_PARTS_MAX * stack->setup.connection_count_max;
    const uint32_t all = kept + EXTENTS_SHARED;
    return connection->send_count == 0 ||
           (connection->send_count < STACK_SENDS_MAX &&
            all - tcp_usage(stack->tcp).extents >= kept + part_count);
}

static bool stack_op_send(struct transport_connection *base, const struct send_part *parts,
                          uint32_t part_count, uint64_t token)
{
    struct stack_connection *connection = of(base);
    struct stack *stack = connection->stack;
    ASSERT(part_count > 0 && part_count <= STACK_SEND_PARTS_MAX);
    if (connection->shut || !send_room(connection, part_count) ||
        !tcp_send(connection->tcp, parts, part_count, token)) {
        stack->counters.sends_refused++;
        return false;
    }
    connection->send_count++;
    stack->counters.sends++;
    return true;
}

static void connection_shut(struct stack_connection *connection)
{
    if (!connection->shut) {
        connection->shut = true;
        tcp_close(connection->tcp);
    }
}

static void stack_op_close(struct transport_connection *base)
{
    struct stack_connection *connection = of(base);
    if (!connection->finishing) {
        connection->finishing = true;
        connection->reason = connection->ended ? TRANSPORT_CLOSED_BY_PEER : TRANSPORT_CLOSED_BY_US;
        connection_shut(connection);
        connection_work(connection);
    }
}

static void stack_op_abort(struct transport_connection *base)
{
    struct stack_connection *connection = of(base);
    if (!connection->finishing) {
        connection->finishing = true;
        connection->reason = TRANSPORT_CLOSED_BY_US;
    }
    connection->shut = true;
    tcp_abort(connection->tcp); /* Its on_close comes with a later delivery. */
}

static uint64_t stack_op_acknowledged_bytes(struct transport_connection *base)
{
    struct tcp_info info;
    tcp_info(of(base)->tcp, &info);
    return info.bytes_acked;
}

static const struct transport_ops stack_ops = {
    .release = stack_op_release,
    .pause = stack_op_pause,
    .resume = stack_op_resume,
    .receive_into = stack_op_receive_into,
    .send = stack_op_send,
    .close = stack_op_close,
    .abort = stack_op_abort,
    .acknowledged_bytes = stack_op_acknowledged_bytes,
};

/* ---- Setup ---------------------------------------------------------------------------------- */

static void buffer_release(void *context, void *buffer)
{
    struct nic *nic = ((struct stack *)context)->nic;
    nic->ops->release(nic, buffer);
}

/* ---- Other cores of the address ---- */

static void learned(void *context, const struct address *address, const struct mac *mac,
                    uint8_t how)
{
    const struct stack *stack = context;
    spread_give_neighbor(stack->setup.spread, SPREAD_NEIGHBOR,
                         &(struct spread_neighbor){*address, *mac, how});
}

static void lost(void *context, const struct address *address, const struct mac *mac)
{
    const struct stack *stack = context;
    spread_give_neighbor(stack->setup.spread, SPREAD_LOST,
                         &(struct spread_neighbor){*address, *mac, 0});
}

static bool flow_ours(void *context, uint32_t hash)
{
    return spread_ours(((struct stack *)context)->setup.spread, hash);
}

static bool flow_claim(void *context, uint32_t hash)
{
    return spread_claim(((struct stack *)context)->setup.spread, hash);
}

static void flow_leave(void *context, uint32_t hash)
{
    spread_leave(((struct stack *)context)->setup.spread, hash);
}

static void frame_give(void *context, uint32_t hash, const struct packet_in *frame)
{
    struct stack *stack = context;
    if (!spread_give_frame(stack->setup.spread, hash, frame)) {
        net_release(stack->net, &frame->first, frame->more, frame->more_count);
    }
}

static void error_give(void *context, uint32_t hash, const struct icmp_error *error)
{
    spread_give_error(((struct stack *)context)->setup.spread, hash, error);
}

static void cookie_sent(void *context, uint64_t now_ns)
{
    spread_cookie_sent(((struct stack *)context)->setup.spread, now_ns);
}

static uint64_t cookie_sent_ns(void *context)
{
    return spread_cookie_sent_ns(((struct stack *)context)->setup.spread);
}

static bool opening_offer(void *context, const struct tcp_opening *opening)
{
    return spread_offer(((struct stack *)context)->setup.spread, opening);
}

static bool opening_withdraw(void *context, const struct tcp_opening *opening)
{
    return spread_withdraw(((struct stack *)context)->setup.spread, opening);
}

static bool opening_adopt(void *context, const struct flow_key *key, uint32_t hash, uint32_t ack,
                          struct tcp_opening *opening)
{
    return spread_adopt(((struct stack *)context)->setup.spread, key, hash, ack, opening);
}

static const struct tcp_siblings siblings = {
    .ours = flow_ours,
    .give_frame = frame_give,
    .give_error = error_give,
    .claim = flow_claim,
    .leave = flow_leave,
    .cookie_sent = cookie_sent,
    .cookie_sent_ns = cookie_sent_ns,
    .offer = opening_offer,
    .withdraw = opening_withdraw,
    .adopt = opening_adopt,
};

uint64_t stack_given(struct stack *stack)
{
    return stack->setup.spread == NULL ? 0 : spread_given(stack->setup.spread);
}

bool stack_quiet(const struct stack *stack)
{
    return (stack->setup.spread == NULL || spread_quiet(stack->setup.spread)) &&
           (stack->exception == NULL || !exception_waiting(stack->exception));
}

/* ---- The parts below ---- */

static void pin_released(void *context, const struct packet_pin *pin)
{
    struct stack *stack = context;
    if (pin->kind == PACKET_PIN_EXCEPTION) {
        exception_released(stack->exception, pin);
    } else {
        tcp_released(stack->tcp, pin);
    }
}

static void foreign(void *context, const struct packet_in *packet)
{
    struct stack *stack = context;
    stack->counters.foreign++;
    if (stack->exception != NULL) {
        exception_take(stack->exception, packet);
    }
    net_release(stack->net, &packet->first, packet->more, packet->more_count);
}

static struct net_setup net_setup_of(const struct stack_setup *setup)
{
    struct net_setup net = {
        .v4 = setup->v4,
        .vlan = setup->vlan,
        .neighbor_count_max = NEIGHBORS_MAX,
        .frame_count_max = FRAMES_MAX,
        .v6 = setup->v6,
        .probe_v4 = setup->probe_v4,
        .probe_v6 = setup->probe_v6,
        .release = buffer_release,
    };
    if (setup->spread != NULL) {
        net.quiet = spread_index(setup->spread) != 0;
        net.learned = learned;
        net.lost = lost;
    }
    if (setup->nic != NULL) {
        const struct nic_capabilities *port = &setup->nic->capabilities;
        net.mac = port->mac;
        net.mtu = port->mtu;
        net.vlan = setup->vlan == port->vlan ? 0 : setup->vlan;
        net.offloads = port->offloads;
        net.parts_max = min_u32(port->parts_max, PACKET_PARTS_MAX);
        net.uncut_max = port->uncut_max;
    }
    return net;
}

static struct tcp_setup tcp_setup_of(const struct stack_setup *setup)
{
    struct tcp_setup tcp = tcp_setup_usual();
    tcp.user = &tcp_calls;
    tcp.foreign = foreign;
    if (setup->congestion != NULL) {
        tcp.congestion = setup->congestion;
        tcp.ecn = tcp.congestion->on_mark != NULL ? TCP_ECN_ASK : tcp.ecn;
    }
    memcpy(tcp.secret, setup->secret, sizeof(tcp.secret));
    tcp.connection_count_max = setup->connection_count_max;
    tcp.extent_count_max = STACK_SEND_PARTS_MAX * setup->connection_count_max + EXTENTS_SHARED;
    tcp.record_count_max = RECORDS_SHARED + setup->connection_count_max;
    tcp.piece_count_max = setup->receive_buffer_count;
    tcp.siblings = setup->spread == NULL ? NULL : &siblings;
    return tcp;
}

static uint64_t connections_bytes(const struct stack_setup *setup)
{
    return round_up(pool_memory_bytes(sizeof(struct stack_connection), setup->connection_count_max),
                    64);
}

uint64_t stack_memory_bytes(const struct stack_setup *setup)
{
    const struct net_setup net = net_setup_of(setup);
    const struct tcp_setup tcp = tcp_setup_of(setup);
    return round_up(sizeof(struct stack), 64) + connections_bytes(setup) +
           round_up(net_memory_bytes(&net), 64) + round_up(tcp_memory_bytes(&tcp), 64);
}

/* Networks on the link, and behind gateways. Returns how many. */
static uint32_t routes_fill(struct route *routes, const struct stack_setup *setup)
{
    static const struct address link_local = {{0xfe, 0x80}};
    uint32_t count = 0;
    if (setup->v4 != 0) {
        const struct address v4 = address_of_v4(setup->v4);
        routes[count++] = route_of_host(&v4, (uint8_t)(ROUTE_BITS_V4 + setup->prefix_bits));
    }
    if (setup->v4 != 0 && setup->gateway_v4 != 0) {
        routes[count++] = route_v4(0, 0, setup->gateway_v4);
    }
    if (!address_is_zero(&setup->v6)) {
        routes[count++] = route_of_host(&setup->v6, setup->prefix_bits_v6);
        routes[count++] = route_of_host(&link_local, 10); /* Routers call themselves so. */
    }
    if (!address_is_zero(&setup->gateway_v6)) {
        routes[count++] = (struct route){.gateway = setup->gateway_v6};
    }
    return count;
}

struct stack *stack_create(void *memory, const struct stack_setup *setup, uint64_t now_ns)
{
    struct stack *stack = memory;
    uint8_t *at = (uint8_t *)memory + round_up(sizeof(*stack), 64);
    stack->transport = (struct transport){
        .ops = &stack_ops, .user = setup->user, .user_context = setup->user_context};
    stack->setup = *setup;
    stack->nic = setup->nic;
    list_init(&stack->work);
    pool_init(&stack->connections, at, sizeof(struct stack_connection),
              setup->connection_count_max);
    at += connections_bytes(setup);
    struct net_setup net = net_setup_of(setup);
    net.routes = stack->routes;
    net.route_count = routes_fill(stack->routes, setup);
    net.context = stack;
    stack->net = net_create(at, &net, now_ns);
    ASSERT(stack->net != NULL); /* Its routes are these. */
    at += round_up(net_memory_bytes(&net), 64);
    struct tcp_setup tcp = tcp_setup_of(setup);
    tcp.net = stack->net;
    tcp.user_context = stack;
    tcp.siblings_context = stack;
    stack->tcp = tcp_create(at, &tcp, now_ns);
    stack->nic->released = pin_released;
    stack->nic->released_context = stack;
    for (uint32_t i = 0; i < TCP_LISTENERS_MAX; i++) {
        stack->listeners[i] = NO_LISTENER;
    }
    return stack;
}

struct transport *stack_transport(struct stack *stack)
{
    return &stack->transport;
}

struct tcp *stack_tcp(struct stack *stack)
{
    return stack->tcp;
}

void stack_share(struct stack *stack, struct exception *exception)
{
    stack->exception = exception;
    stack->net->setup.neighbors_foreign = true;
}

struct nic *stack_nic(struct stack *stack)
{
    return stack->nic;
}

const struct stack_counters *stack_counters(const struct stack *stack)
{
    return &stack->counters;
}

const struct spread_counters *stack_spread_counters(const struct stack *stack)
{
    return stack->setup.spread == NULL ? NULL : spread_counters(stack->setup.spread);
}

uint32_t stack_buffers_free(const struct stack *stack)
{
    return stack->setup.receive_buffer_count - tcp_usage(stack->tcp).pieces;
}

bool stack_listen(struct stack *stack, uint32_t listener, uint16_t port)
{
    uint32_t index;
    if (!tcp_listen(stack->tcp, port, BACKLOG, &index)) {
        return false;
    }
    stack->listeners[index] = listener;
    return true;
}

bool stack_open(struct stack *stack, const struct network_address *peer, uint64_t token,
                uint64_t now_ns)
{
    ASSERT(stack->setup.opener != NULL);
    return tcp_open(stack->tcp, peer, token, now_ns);
}

void stack_stop_listening(struct stack *stack)
{
    for (uint32_t i = 0; i < TCP_LISTENERS_MAX; i++) {
        if (stack->listeners[i] != NO_LISTENER) {
            stack->listeners[i] = NO_LISTENER;
            tcp_stop_listening(stack->tcp, i);
        }
    }
}

/* ---- Turns ---------------------------------------------------------------------------------- */

/* What other cores have handed over. */
static uint32_t taken_turn(struct stack *stack, uint32_t budget, uint64_t now_ns)
{
    struct spread_item item;
    uint32_t work = 0;
    uint32_t count = 0;
    while (work < budget && spread_take(stack->setup.spread, &item)) {
        work++;
        switch (item.kind) {
        case SPREAD_FRAME: stack->in[count++] = item.frame; break;
        case SPREAD_NEIGHBOR:
            net_learn(stack->net, &item.neighbor.address, &item.neighbor.mac, item.neighbor.how,
                      now_ns);
            break;
        case SPREAD_LOST: net_lose(stack->net, &item.neighbor.address, &item.neighbor.mac); break;
        case SPREAD_ERROR: tcp_error_input(stack->tcp, &item.error, now_ns); break;
        }
        if (count == NIC_BURST_MAX) {
            tcp_input(stack->tcp, stack->in, count, now_ns);
            count = 0;
        }
    }
    if (count > 0) {
        tcp_input(stack->tcp, stack->in, count, now_ns);
    }
    return work;
}

static NOINLINE uint32_t input_turn(struct stack *stack, uint32_t count, uint32_t budget,
                                    uint64_t now_ns)
{
    uint32_t work = count;
    while (count > 0) {
        tcp_input(stack->tcp, stack->in, count, now_ns);
        const bool more = count == NIC_BURST_MAX && work < budget;
        count = more ? stack->nic->ops->receive(stack->nic, stack->in, NIC_BURST_MAX) : 0;
        work += count;
    }
    if (stack->setup.spread != NULL) {
        work += taken_turn(stack, budget, now_ns);
    }
    work += tcp_turn(stack->tcp, TIMERS_MAX, now_ns);
    work += tcp_deliver(stack->tcp, DELIVER_MAX, now_ns);
    return work;
}

bool stack_look(struct stack *stack)
{
    if (stack->looked_count == 0) {
        stack->looked_count = stack->nic->ops->receive(stack->nic, stack->in, NIC_BURST_MAX);
    }
    return stack->looked_count > 0;
}

uint32_t stack_receive_turn(struct stack *stack, uint32_t budget, uint64_t now_ns)
{
    (void)stack_look(stack);
    const uint32_t count = stack->looked_count;
    stack->looked_count = 0;
    if (count == 0 && stack->setup.spread == NULL && tcp_quiet(stack->tcp, now_ns)) {
        return 0; /* Most turns of a core that polls. */
    }
    return input_turn(stack, count, budget, now_ns);
}

/* Goes on ending a connection: what the peer was to get, it has. */
static void finish_turn(struct stack_connection *connection)
{
    if (connection->told || !connection->finishing || connection->send_count > 0) {
        return;
    }
    connection_shut(connection);
    connection_tell_close(connection, (enum transport_close_reason)connection->reason);
}

/* Frames of the kernel's leave by our port. */
static uint32_t exception_turn(struct stack *stack)
{
    struct nic *nic = stack->nic;
    if (stack->exception == NULL || !exception_waiting(stack->exception)) {
        return 0;
    }
    const uint32_t prepared = nic->ops->prepare(nic, stack->out, NIC_BURST_MAX);
    const uint32_t count = exception_output(stack->exception, stack->out, prepared);
    if (prepared > 0) {
        nic->ops->send(nic, stack->out, count, prepared);
    }
    return count;
}

static NOINLINE uint32_t output_turn(struct stack *stack, uint32_t budget, uint64_t now_ns)
{
    struct nic *nic = stack->nic;
    uint32_t work = 0;
    uint32_t count;
    uint32_t prepared;
    uint32_t want;
    struct list_node *node;
    while ((node = list_pop_front(&stack->work)) != NULL) {
        finish_turn(CONTAINER_OF(node, struct stack_connection, work));
        work++;
    }
    nic->ops->reclaim(nic);
    while (work < budget && tcp_wants_output(stack->tcp, now_ns)) {
        want = tcp_output_expected(stack->tcp, NIC_BURST_MAX);
        prepared = nic->ops->prepare(nic, stack->out, want);
        if (prepared == 0) {
            break;
        }
        count = tcp_output(stack->tcp, stack->out, prepared, now_ns);
        nic->ops->send(nic, stack->out, count, prepared);
        work += count;
        if (count < want) {
            break;
        }
    }
    return work + exception_turn(stack);
}

uint32_t stack_send_turn(struct stack *stack, uint32_t budget, uint64_t now_ns)
{
    if (list_empty(&stack->work) && stack->exception == NULL) {
        stack->nic->ops->reclaim(stack->nic);
        if (!tcp_wants_output(stack->tcp, now_ns)) {
            return 0;
        }
    }
    return output_turn(stack, budget, now_ns);
}

uint64_t stack_next_deadline_ns(const struct stack *stack)
{
    const bool now = !list_empty(&stack->work) || stack->nic->pending;
    return now ? 0 : tcp_next_deadline_ns(stack->tcp);
}

bool stack_idle(const struct stack *stack)
{
    const struct tcp_usage usage = tcp_usage(stack->tcp);
    return stack->counters.open == 0 && usage.extents == 0 && usage.pieces == 0;
}
