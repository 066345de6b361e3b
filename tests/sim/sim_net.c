#include "tests/sim/sim_net.h"

#include <stdlib.h>

#include "storage/base/list.h"
#include "storage/base/random.h"
#include "tests/sim/sim_host.h"

enum {
    SENDS_MAX = 64,
    PARTS_MAX = 64,
    WIRE_CORES_MAX = 64,
    WIRE_PORT = 9092,
    CLIENTS_NUMBER = 200,
    CLIENTS_V4 = 0x0a0000c8,  /* 10.0.0.200 */
    WINDOW_BYTES = 96 * 1024, /* What a client has not read yet, at most. */
};

/* Bytes on their way in one direction, oldest first. */
struct piece {
    struct piece *next;
    uint64_t arrives_ns;
    uint32_t at;
    uint32_t len;
    uint8_t bytes[];
};

struct wire {
    struct piece *first;
    struct piece **last;
    uint64_t arrives_ns; /* Of the youngest piece: order is kept. */
    uint64_t bytes;
    bool ended; /* Nothing comes behind the pieces. */
    bool reset;
};

struct send {
    uint64_t token;
    uint32_t part_count;
    uint32_t part; /* The first not on the wire, and how much of it is. */
    uint32_t part_done;
    uint64_t hash; /* Of everything, when the last byte was read. */
    uint64_t back_ns;
    bool out;
    struct send_part parts[PARTS_MAX];
};

struct server_end {
    struct transport_connection base; /* First: the user's view. */
    struct list_node node;            /* Of the transport. */
    struct net_transport *transport;
    struct sim_socket *socket; /* NULL: the client is gone. */
    struct wire in;
    bool told; /* on_open was called. */
    bool paused;
    bool ended;   /* The client has ended it; the user was told. */
    bool closing; /* Ends once everything sent is out. */
    bool aborted;
    uint8_t *into;
    uint32_t into_left;
    uint32_t send_first;
    uint32_t send_count;
    uint64_t acknowledged_bytes;  /* What has room in the client's window is acknowledged. */
    struct send sends[SENDS_MAX]; /* Last: of the 67 KiB nothing but what is used is touched. */
};

struct sim_socket {
    struct list_node node; /* Of the net. */
    struct sim_net *net;
    struct server_end *peer; /* NULL: gone. */
    struct wire in;
    struct network_address address;
    struct sim_stream *stream; /* Over a wire: everything is in it. */
};

struct buffer {
    struct list_node node; /* Of the free ones. */
    uint8_t *bytes;
};

struct net_transport {
    struct transport transport; /* First: the user's view. */
    struct list_node node;      /* Of the net. */
    struct sim_net *net;
    bool listening;
    struct list ends;
    uint32_t buffer_bytes;
    uint32_t buffer_count;
    uint32_t free_count;
    struct list free_buffers;
    struct buffer *buffers;
};

struct sim_net {
    struct random random;
    uint64_t now_ns;
    uint16_t next_port;
    struct list transports;
    struct list sockets;
    struct sim_wire *wire; /* NULL: transports. */
    struct sim_host *host;
    uint32_t wire_cores[WIRE_CORES_MAX]; /* Their addresses; 0: not there. */
};

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    ASSERT(memory != NULL);
    return memory;
}

/* ---- Wires ---------------------------------------------------------------------------------- */

static void wire_init(struct wire *wire)
{
    *wire = (struct wire){.last = &wire->first};
}

static void wire_clear(struct wire *wire)
{
    while (wire->first != NULL) {
        struct piece *piece = wire->first;
        wire->first = piece->next;
        free(piece);
    }
    wire->last = &wire->first;
    wire->bytes = 0;
}

static void wire_put(struct sim_net *net, struct wire *wire, const void *from, uint32_t len)
{
    struct piece *piece = allocate(sizeof(*piece) + len);
    piece->len = len;
    memcpy(piece->bytes, from, len);
    uint64_t delay_ns = 1000 + random_below(&net->random, 60 * 1000);
    if (random_one_in(&net->random, 64)) {
        delay_ns *= 50;
    }
    wire->arrives_ns = max_u64(wire->arrives_ns, net->now_ns + delay_ns);
    piece->arrives_ns = wire->arrives_ns;
    *wire->last = piece;
    wire->last = &piece->next;
    wire->bytes += len;
}

static bool wire_ready(const struct wire *wire, uint64_t now_ns)
{
    return wire->first != NULL ? wire->first->arrives_ns <= now_ns : wire->ended;
}

/* Takes at most capacity bytes of what has arrived. */
static uint32_t wire_take(struct wire *wire, uint64_t now_ns, uint8_t *to, uint32_t capacity)
{
    uint32_t taken = 0;
    while (taken < capacity && wire->first != NULL && wire->first->arrives_ns <= now_ns) {
        struct piece *piece = wire->first;
        const uint32_t here = min_u32(capacity - taken, piece->len - piece->at);
        memcpy(to + taken, piece->bytes + piece->at, here);
        piece->at += here;
        taken += here;
        if (piece->at == piece->len) {
            wire->first = piece->next;
            if (wire->first == NULL) {
                wire->last = &wire->first;
            }
            free(piece);
        }
    }
    wire->bytes -= taken;
    return taken;
}

/* ---- The net -------------------------------------------------------------------------------- */

struct sim_net *sim_net_create(uint64_t seed)
{
    struct sim_net *net = allocate(sizeof(*net));
    random_init(&net->random, seed);
    net->next_port = 10000;
    list_init(&net->transports);
    list_init(&net->sockets);
    return net;
}

void sim_net_destroy(struct sim_net *net)
{
    ASSERT(list_empty(&net->transports) && list_empty(&net->sockets));
    if (net->wire != NULL) {
        sim_host_destroy(net->host);
        sim_wire_destroy(net->wire);
    }
    free(net);
}

void sim_net_use_wire(struct sim_net *net, const struct sim_wire_options *options)
{
    net->wire = sim_wire_create(options);
    net->host = sim_host_create(net->wire, CLIENTS_NUMBER, CLIENTS_V4, options->seed);
}

struct sim_wire *sim_net_wire(struct sim_net *net)
{
    return net->wire;
}

void sim_net_wire_core(struct sim_net *net, uint32_t core, uint32_t v4)
{
    ASSERT(core < WIRE_CORES_MAX);
    net->wire_cores[core] = v4;
}

uint32_t sim_net_turn(struct sim_net *net)
{
    return net->wire == NULL ? 0 : sim_host_turn(net->host, net->now_ns);
}

void sim_net_set_now(struct sim_net *net, uint64_t now_ns)
{
    net->now_ns = now_ns;
    if (net->wire != NULL) {
        sim_wire_set_now(net->wire, now_ns);
    }
}

static uint64_t wire_next_ns(const struct wire *wire)
{
    return wire->first == NULL ? UINT64_MAX : wire->first->arrives_ns;
}

uint64_t sim_net_next_ns(const struct sim_net *net)
{
    uint64_t next_ns = UINT64_MAX;
    if (net->wire != NULL) {
        return min_u64(sim_wire_next_ns(net->wire), sim_host_next_ns(net->host));
    }
    LIST_FOR_EACH(node, &net->sockets)
    {
        const struct sim_socket *socket = CONTAINER_OF(node, struct sim_socket, node);
        next_ns = min_u64(next_ns, wire_next_ns(&socket->in));
    }
    LIST_FOR_EACH(transport_node, &net->transports)
    {
        struct net_transport *transport = CONTAINER_OF(transport_node, struct net_transport, node);
        LIST_FOR_EACH(node, &transport->ends)
        {
            const struct server_end *end = CONTAINER_OF(node, struct server_end, node);
            if (!end->paused) {
                next_ns = min_u64(next_ns, wire_next_ns(&end->in));
            }
            if (end->send_count > 0 && end->sends[end->send_first].out) {
                next_ns = min_u64(next_ns, end->sends[end->send_first].back_ns);
            }
        }
    }
    return next_ns;
}

/* ---- The client's end ----------------------------------------------------------------------- */

static struct net_transport *transport_pick(struct sim_net *net)
{
    uint32_t count = 0;
    LIST_FOR_EACH(node, &net->transports)
    {
        count += CONTAINER_OF(node, struct net_transport, node)->listening;
    }
    uint64_t which = count == 0 ? 0 : random_below(&net->random, count);
    LIST_FOR_EACH(node, &net->transports)
    {
        struct net_transport *transport = CONTAINER_OF(node, struct net_transport, node);
        if (transport->listening && which-- == 0) {
            return transport;
        }
    }
    return NULL;
}

static struct sim_socket *socket_open_over_wire(struct sim_net *net)
{
    uint32_t cores[WIRE_CORES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < WIRE_CORES_MAX; i++) {
        if (net->wire_cores[i] != 0) {
            cores[count++] = net->wire_cores[i];
        }
    }
    if (count == 0) {
        return NULL;
    }
    struct sim_socket *socket = allocate(sizeof(*socket));
    socket->net = net;
    socket->stream = sim_stream_open(net->host, cores[random_below(&net->random, count)], WIRE_PORT,
                                     net->now_ns);
    ASSERT(socket->stream != NULL);
    list_push_back(&net->sockets, &socket->node);
    return socket;
}

struct sim_socket *sim_socket_open(struct sim_net *net)
{
    if (net->wire != NULL) {
        return socket_open_over_wire(net);
    }
    struct net_transport *transport = transport_pick(net);
    if (transport == NULL) {
        return NULL;
    }
    struct sim_socket *socket = allocate(sizeof(*socket));
    struct server_end *end = malloc(sizeof(*end));
    ASSERT(end != NULL);
    memset(end, 0, offsetof(struct server_end, sends));
    socket->net = net;
    socket->peer = end;
    socket->address = (struct network_address){
        .ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, .port = net->next_port++};
    wire_init(&socket->in);
    wire_init(&end->in);
    end->base.transport = &transport->transport;
    end->transport = transport;
    end->socket = socket;
    list_push_back(&net->sockets, &socket->node);
    list_push_back(&transport->ends, &end->node);
    return socket;
}

void sim_socket_close(struct sim_socket *socket, bool reset)
{
    if (socket->stream != NULL) {
        sim_stream_close(socket->stream, reset);
        list_remove(&socket->node);
        free(socket);
        return;
    }
    if (socket->peer != NULL) {
        socket->peer->socket = NULL;
        socket->peer->in.ended = true;
        if (reset) {
            socket->peer->in.reset = true;
            wire_clear(&socket->peer->in);
        }
    }
    wire_clear(&socket->in);
    list_remove(&socket->node);
    free(socket);
}

void sim_socket_write(struct sim_socket *socket, const void *from, uint32_t len)
{
    struct sim_net *net = socket->net;
    const uint8_t *at = from;
    if (socket->stream != NULL) {
        sim_stream_write(socket->stream, from, len);
        return;
    }
    while (len > 0 && socket->peer != NULL) {
        /* Mostly whole, now and then in crumbs. */
        uint32_t here = len;
        if (random_one_in(&net->random, 4)) {
            here = 1 + (uint32_t)random_below(&net->random, min_u32(len, 700));
        }
        wire_put(net, &socket->peer->in, at, here);
        at += here;
        len -= here;
    }
}

uint32_t sim_socket_read(struct sim_socket *socket, void *to, uint32_t capacity)
{
    if (socket->stream != NULL) {
        return sim_stream_read(socket->stream, to, capacity);
    }
    return wire_take(&socket->in, socket->net->now_ns, to, capacity);
}

bool sim_socket_ended(const struct sim_socket *socket)
{
    if (socket->stream != NULL) {
        return sim_stream_ended(socket->stream);
    }
    return socket->in.first == NULL && (socket->in.ended || socket->peer == NULL);
}

bool sim_socket_readable(const struct sim_socket *socket)
{
    if (socket->stream != NULL) {
        return sim_stream_waiting(socket->stream) > 0 || sim_stream_ended(socket->stream);
    }
    return wire_ready(&socket->in, socket->net->now_ns) || sim_socket_ended(socket);
}

/* ---- The core's end: operations ------------------------------------------------------------- */

static void end_release(struct transport *base, void *opaque)
{
    struct net_transport *transport = (struct net_transport *)(void *)base;
    struct buffer *buffer = opaque;
    ASSERT(buffer >= transport->buffers && buffer < transport->buffers + transport->buffer_count);
    ASSERT(!list_linked(&buffer->node)); /* Given back twice. */
    memset(buffer->bytes, 0xdb, transport->buffer_bytes);
    list_push_back(&transport->free_buffers, &buffer->node);
    transport->free_count++;
}

static void end_pause(struct transport_connection *connection)
{
    ((struct server_end *)(void *)connection)->paused = true;
}

static void end_resume(struct transport_connection *connection)
{
    ((struct server_end *)(void *)connection)->paused = false;
}

static void end_receive_into(struct transport_connection *connection, uint8_t *to, uint32_t len)
{
    struct server_end *end = (struct server_end *)(void *)connection;
    ASSERT(end->into == NULL && len > 0);
    end->into = to;
    end->into_left = len;
}

static bool end_send(struct transport_connection *connection, const struct send_part *parts,
                     uint32_t part_count, uint64_t token)
{
    struct server_end *end = (struct server_end *)(void *)connection;
    struct random *random = &end->transport->net->random;
    ASSERT(part_count > 0 && part_count <= PARTS_MAX);
    if (end->send_count == SENDS_MAX || (end->send_count > 0 && random_one_in(random, 32))) {
        return false;
    }
    struct send *send = &end->sends[(end->send_first + end->send_count++) % SENDS_MAX];
    *send = (struct send){.token = token, .part_count = part_count};
    memcpy(send->parts, parts, part_count * sizeof(*parts));
    return true;
}

static void end_close(struct transport_connection *connection)
{
    ((struct server_end *)(void *)connection)->closing = true;
}

static void end_abort(struct transport_connection *connection)
{
    ((struct server_end *)(void *)connection)->aborted = true;
}

static uint64_t end_acknowledged_bytes(struct transport_connection *connection)
{
    return ((struct server_end *)(void *)connection)->acknowledged_bytes;
}

static const struct transport_ops sim_ops = {
    .release = end_release,
    .pause = end_pause,
    .resume = end_resume,
    .receive_into = end_receive_into,
    .send = end_send,
    .close = end_close,
    .abort = end_abort,
    .acknowledged_bytes = end_acknowledged_bytes,
};

/* ---- The core's end: life ------------------------------------------------------------------- */

struct net_transport *net_transport_create(struct sim_net *net, const struct transport_user *user,
                                           void *user_context, uint32_t buffer_count,
                                           uint32_t buffer_bytes)
{
    struct net_transport *transport = allocate(sizeof(*transport));
    transport->transport = (struct transport){&sim_ops, user, user_context};
    transport->net = net;
    transport->buffer_count = buffer_count;
    transport->buffer_bytes = buffer_bytes;
    transport->free_count = buffer_count;
    transport->buffers = allocate(buffer_count * sizeof(*transport->buffers));
    list_init(&transport->ends);
    list_init(&transport->free_buffers);
    for (uint32_t i = 0; i < buffer_count; i++) {
        transport->buffers[i].bytes = allocate(buffer_bytes);
        list_push_back(&transport->free_buffers, &transport->buffers[i].node);
    }
    list_push_back(&net->transports, &transport->node);
    return transport;
}

struct transport *net_transport_base(struct net_transport *transport)
{
    return &transport->transport;
}

static void end_free(struct server_end *end)
{
    if (end->socket != NULL) {
        end->socket->in.ended = true;
        end->socket->peer = NULL;
    }
    wire_clear(&end->in);
    list_remove(&end->node);
    free(end);
}

void net_transport_destroy(struct net_transport *transport)
{
    LIST_FOR_EACH(node, &transport->ends)
    {
        struct server_end *end = CONTAINER_OF(node, struct server_end, node);
        /* What had left the process may still come through, or not. */
        if (end->socket != NULL && random_one_in(&transport->net->random, 2)) {
            wire_clear(&end->socket->in);
        }
        end_free(end);
    }
    for (uint32_t i = 0; i < transport->buffer_count; i++) {
        free(transport->buffers[i].bytes);
    }
    free(transport->buffers);
    list_remove(&transport->node);
    free(transport);
}

void net_transport_listen(struct net_transport *transport, bool listening)
{
    transport->listening = listening;
}

uint32_t net_transport_connection_count(const struct net_transport *transport)
{
    uint32_t count = 0;
    LIST_FOR_EACH(node, &transport->ends)
    {
        count += CONTAINER_OF(node, struct server_end, node)->told;
    }
    return count;
}

bool net_transport_idle(const struct net_transport *transport)
{
    return list_empty(&transport->ends) && transport->free_count == transport->buffer_count;
}

/* ---- The core's end: turns ------------------------------------------------------------------ */

static uint64_t parts_hash(const struct send *send)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < send->part_count; i++) {
        const struct bytes bytes = send->parts[i].bytes;
        uint32_t at = 0;
        for (; at + 8 <= bytes.len; at += 8) {
            uint64_t word;
            memcpy(&word, bytes.ptr + at, 8);
            hash = (hash ^ word) * 0x100000001b3u;
            hash ^= hash >> 29;
        }
        for (; at < bytes.len; at++) {
            hash = (hash ^ bytes.ptr[at]) * 0x100000001b3u;
        }
    }
    return hash;
}

static void send_give_back(struct server_end *end)
{
    const struct send *send = &end->sends[end->send_first];
    const uint64_t token = send->token;
    end->send_first = (end->send_first + 1) % SENDS_MAX;
    end->send_count--;
    end->transport->transport.user->on_sent(end->base.user, token);
}

/* The connection is over: everything goes back, then the last call. */
static void end_finish(struct server_end *end, enum transport_close_reason reason)
{
    const struct transport_user *user = end->transport->transport.user;
    while (end->told && end->send_count > 0) {
        send_give_back(end);
    }
    if (end->told && end->base.user != NULL) {
        user->on_close(end->base.user, reason);
    }
    end_free(end);
}

static bool end_open(struct server_end *end)
{
    struct net_transport *transport = end->transport;
    const struct network_address local = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1},
                                          .port = 9092};
    const struct network_address peer = end->socket == NULL ? local : end->socket->address;
    end->told = true;
    end->base.user = transport->transport.user->on_open(transport->transport.user_context,
                                                        &end->base, &peer, &local, 0);
    return end->base.user != NULL;
}

/* One delivery. False: nothing is there, or there is no buffer. */
static bool end_deliver(struct server_end *end)
{
    struct net_transport *transport = end->transport;
    struct sim_net *net = transport->net;
    if (end->paused || end->in.first == NULL || end->in.first->arrives_ns > net->now_ns) {
        return false;
    }
    if (end->into != NULL) {
        const uint32_t got = wire_take(&end->in, net->now_ns, end->into, end->into_left);
        end->into += got;
        end->into_left -= got;
        if (end->into_left == 0) {
            end->into = NULL;
            transport->transport.user->on_received_into(end->base.user);
        }
        return got > 0;
    }
    struct list_node *node = list_pop_front(&transport->free_buffers);
    if (node == NULL) {
        return false;
    }
    transport->free_count--;
    struct buffer *buffer = CONTAINER_OF(node, struct buffer, node);
    const uint32_t capacity = random_one_in(&net->random, 4)
                                  ? 1 + (uint32_t)random_below(&net->random, 64)
                                  : transport->buffer_bytes;
    const uint32_t len =
        wire_take(&end->in, net->now_ns, buffer->bytes, min_u32(capacity, transport->buffer_bytes));
    const struct received_piece piece = {{buffer->bytes, len}, buffer};
    transport->transport.user->on_data(end->base.user, piece);
    return true;
}

uint32_t net_transport_receive_turn(struct net_transport *transport)
{
    uint32_t work = 0;
    LIST_FOR_EACH(node, &transport->ends)
    {
        struct server_end *end = CONTAINER_OF(node, struct server_end, node);
        if (!end->told && !end_open(end)) {
            end_finish(end, TRANSPORT_CLOSED_BY_US);
            continue;
        }
        for (uint32_t i = 0; i < 8 && !end->closing && !end->aborted && end_deliver(end); i++) {
            work++;
        }
        if (end->in.first == NULL && end->in.reset && !end->paused) {
            end_finish(end, TRANSPORT_RESET);
            work++;
        } else if (end->in.first == NULL && end->in.ended && !end->paused && !end->ended &&
                   !end->closing) {
            end->ended = true;
            transport->transport.user->on_end(end->base.user);
            work++;
        }
    }
    return work;
}

/* Moves bytes of the oldest sends to the wire. */
static uint32_t end_transmit(struct server_end *end)
{
    struct sim_net *net = end->transport->net;
    uint32_t work = 0;
    for (uint32_t i = 0; i < end->send_count; i++) {
        struct send *send = &end->sends[(end->send_first + i) % SENDS_MAX];
        while (!send->out) {
            if (end->socket != NULL && end->socket->in.bytes >= WINDOW_BYTES) {
                return work;
            }
            const struct bytes bytes = send->parts[send->part].bytes;
            uint32_t here = bytes.len - send->part_done;
            if (random_one_in(&net->random, 8)) {
                here = (uint32_t)random_below(&net->random, (uint64_t)here + 1);
            }
            if (end->socket != NULL && here > 0) {
                wire_put(net, &end->socket->in, bytes.ptr + send->part_done, here);
                end->acknowledged_bytes += here;
            }
            send->part_done += here;
            work++;
            if (send->part_done < bytes.len) {
                return work; /* Goes on in a later turn. */
            }
            send->part_done = 0;
            send->part++;
            send->out = send->part == send->part_count;
        }
        if (send->back_ns == 0) {
            send->hash = parts_hash(send);
            send->back_ns = net->now_ns + 1 + random_below(&net->random, 100 * 1000);
        }
    }
    return work;
}

uint32_t net_transport_send_turn(struct net_transport *transport)
{
    uint32_t work = 0;
    LIST_FOR_EACH(node, &transport->ends)
    {
        struct server_end *end = CONTAINER_OF(node, struct server_end, node);
        if (!end->told) {
            continue;
        }
        if (end->aborted) {
            end_finish(end, TRANSPORT_CLOSED_BY_US);
            work++;
            continue;
        }
        work += end_transmit(end);
        while (end->send_count > 0 && end->sends[end->send_first].out &&
               end->sends[end->send_first].back_ns <= transport->net->now_ns) {
            const struct send *send = &end->sends[end->send_first];
            ASSERT(send->hash == parts_hash(send)); /* Changed while lent. */
            send_give_back(end);
            work++;
        }
        if (end->closing && end->send_count == 0) {
            end_finish(end, end->ended ? TRANSPORT_CLOSED_BY_PEER : TRANSPORT_CLOSED_BY_US);
            work++;
        }
    }
    return work;
}

bool net_transport_ready(const struct net_transport *transport)
{
    LIST_FOR_EACH(node, &transport->ends)
    {
        const struct server_end *end = CONTAINER_OF(node, struct server_end, node);
        if (!end->told || end->aborted || (end->closing && end->send_count == 0) ||
            (!end->paused && (end->in.first != NULL || end->in.reset || !end->ended) &&
             wire_ready(&end->in, transport->net->now_ns)) ||
            (end->send_count > 0 && !end->sends[end->send_first].out &&
             (end->socket == NULL || end->socket->in.bytes < WINDOW_BYTES)) ||
            (end->send_count > 0 && end->sends[end->send_first].out &&
             end->sends[end->send_first].back_ns <= transport->net->now_ns)) {
            return true;
        }
    }
    return false;
}
