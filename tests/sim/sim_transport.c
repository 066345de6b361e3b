#include "tests/sim/sim_transport.h"

#include <stdlib.h>

#include "storage/base/list.h"

enum { POISON = 0xdb };

/* A growing queue of bytes. */
struct queue {
    uint8_t *base;
    size_t from;
    size_t to;
    size_t capacity;
};

struct sim_send {
    struct list_node node;
    uint64_t token;
    uint32_t part_count;
    struct send_part parts[];
};

enum peer_state {
    PEER_CONNECTING,
    PEER_OPEN,
    PEER_GONE, /* on_close was called, or it was refused. */
};

struct sim_peer {
    struct transport_connection connection; /* The broker's end. */
    struct list_node node;
    enum peer_state state;
    struct network_address from;
    struct network_address to;
    uint32_t listener;
    struct queue in;  /* Client to broker. */
    struct queue out; /* Broker to client. */
    struct list sends;
    uint32_t send_count;
    uint64_t acknowledged_bytes;
    uint64_t taken_bytes; /* Of the first sends, by sim_peer_take. */
    uint8_t *into;        /* Of receive_into. */
    uint32_t into_len;
    uint32_t into_done;
    bool paused;
    bool stalled;
    bool closing; /* By us, once all is sent. */
    bool aborted;
    bool peer_closed;
    bool ended; /* The user was told of it. */
    bool peer_reset;
};

struct sim_transport {
    struct transport base;
    struct sim_transport_options options;
    uint64_t random;
    struct list peers;
    uint8_t **buffers;
    bool *held;
    uint32_t held_count;
};

static uint64_t draw(struct sim_transport *transport)
{
    uint64_t z = transport->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool acts(struct sim_transport *transport)
{
    return transport->options.delay_in <= 1 || draw(transport) % transport->options.delay_in == 0;
}

/* ---- Queues --------------------------------------------------------------------------------- */

static void queue_add(struct queue *queue, const uint8_t *ptr, size_t len)
{
    if (queue->from == queue->to) {
        queue->from = queue->to = 0;
    }
    if (queue->to + len > queue->capacity) {
        queue->capacity = (queue->to + len) * 2;
        queue->base = realloc(queue->base, queue->capacity);
        ASSERT(queue->base != NULL);
    }
    if (len > 0) {
        memcpy(queue->base + queue->to, ptr, len);
    }
    queue->to += len;
}

static size_t queue_len(const struct queue *queue)
{
    return queue->to - queue->from;
}

/* ---- The broker's calls --------------------------------------------------------------------- */

static struct sim_peer *peer_of(struct transport_connection *connection)
{
    return CONTAINER_OF(connection, struct sim_peer, connection);
}

static void op_release(struct transport *base, void *buffer)
{
    struct sim_transport *transport = CONTAINER_OF(base, struct sim_transport, base);
    const size_t index = (size_t)(uintptr_t)buffer - 1;
    ASSERT(index < transport->options.buffer_count && transport->held[index]);
    transport->held[index] = false;
    transport->held_count--;
    memset(transport->buffers[index], POISON, transport->options.buffer_bytes);
}

static void op_pause(struct transport_connection *connection)
{
    peer_of(connection)->paused = true;
}

static void op_resume(struct transport_connection *connection)
{
    peer_of(connection)->paused = false;
}

static void op_receive_into(struct transport_connection *connection, uint8_t *to, uint32_t len)
{
    struct sim_peer *peer = peer_of(connection);
    ASSERT(peer->into == NULL && len > 0);
    peer->into = to;
    peer->into_len = len;
    peer->into_done = 0;
}

static bool op_send(struct transport_connection *connection, const struct send_part *parts,
                    uint32_t part_count, uint64_t token)
{
    struct sim_peer *peer = peer_of(connection);
    struct sim_transport *transport =
        CONTAINER_OF(connection->transport, struct sim_transport, base);
    ASSERT(part_count > 0 && !peer->closing);
    if (peer->send_count == transport->options.sends_max) {
        return false;
    }
    struct sim_send *send = calloc(1, sizeof(*send) + part_count * sizeof(*parts));
    ASSERT(send != NULL);
    send->token = token;
    send->part_count = part_count;
    memcpy(send->parts, parts, part_count * sizeof(*parts));
    list_push_back(&peer->sends, &send->node);
    peer->send_count++;
    return true;
}

static void op_close(struct transport_connection *connection)
{
    peer_of(connection)->closing = true;
}

static void op_abort(struct transport_connection *connection)
{
    peer_of(connection)->aborted = true;
}

static uint64_t op_acknowledged_bytes(struct transport_connection *connection)
{
    return peer_of(connection)->acknowledged_bytes;
}

static const struct transport_ops ops = {
    .release = op_release,
    .pause = op_pause,
    .resume = op_resume,
    .receive_into = op_receive_into,
    .send = op_send,
    .close = op_close,
    .abort = op_abort,
    .acknowledged_bytes = op_acknowledged_bytes,
};

/* ---- Turns ---------------------------------------------------------------------------------- */

static void send_complete(struct sim_transport *transport, struct sim_peer *peer, bool arrives)
{
    struct sim_send *send = CONTAINER_OF(list_pop_front(&peer->sends), struct sim_send, node);
    peer->send_count--;
    for (uint32_t i = 0; i < send->part_count && arrives; i++) {
        const struct bytes bytes = send->parts[i].bytes;
        const uint64_t taken = min_u64(peer->taken_bytes, bytes.len);
        queue_add(&peer->out, bytes.ptr, bytes.len);
        peer->taken_bytes -= taken;
        peer->acknowledged_bytes += bytes.len - taken;
    }
    const uint64_t token = send->token;
    free(send);
    transport->base.user->on_sent(peer->connection.user, token);
}

static void peer_end(struct sim_transport *transport, struct sim_peer *peer,
                     enum transport_close_reason reason)
{
    while (!list_empty(&peer->sends)) {
        send_complete(transport, peer, false);
    }
    peer->state = PEER_GONE;
    transport->base.user->on_close(peer->connection.user, reason);
}

static void peer_open(struct sim_transport *transport, struct sim_peer *peer)
{
    peer->connection.user = transport->base.user->on_open(
        transport->base.user_context, &peer->connection, &peer->from, &peer->to, peer->listener);
    peer->state = peer->connection.user == NULL ? PEER_GONE : PEER_OPEN;
}

static bool deliver_into(struct sim_transport *transport, struct sim_peer *peer)
{
    const size_t len = min_u64(queue_len(&peer->in), peer->into_len - peer->into_done);
    if (len == 0) {
        return false;
    }
    memcpy(peer->into + peer->into_done, peer->in.base + peer->in.from, len);
    peer->in.from += len;
    peer->into_done += (uint32_t)len;
    if (peer->into_done == peer->into_len) {
        peer->into = NULL;
        transport->base.user->on_received_into(peer->connection.user);
    }
    return true;
}

static uint32_t free_buffer(const struct sim_transport *transport)
{
    for (uint32_t i = 0; i < transport->options.buffer_count; i++) {
        if (!transport->held[i]) {
            return i;
        }
    }
    return UINT32_MAX;
}

static bool deliver_piece(struct sim_transport *transport, struct sim_peer *peer)
{
    const struct sim_transport_options *options = &transport->options;
    const uint32_t index = free_buffer(transport);
    if (queue_len(&peer->in) == 0 || index == UINT32_MAX || peer->paused) {
        return false;
    }
    const uint64_t most = options->piece_bytes > 0 ? options->piece_bytes
                                                   : 1 + draw(transport) % options->buffer_bytes;
    const uint32_t len = (uint32_t)min_u64(queue_len(&peer->in), most);
    transport->held[index] = true;
    transport->held_count++;
    memcpy(transport->buffers[index], peer->in.base + peer->in.from, len);
    peer->in.from += len;
    const struct received_piece piece = {.bytes = {transport->buffers[index], len},
                                         .buffer = (void *)(uintptr_t)(index + 1)};
    transport->base.user->on_data(peer->connection.user, piece);
    return true;
}

static uint32_t peer_receive(struct sim_transport *transport, struct sim_peer *peer)
{
    if (peer->state == PEER_CONNECTING) {
        peer_open(transport, peer);
        return 1;
    }
    if (peer->state == PEER_GONE || !acts(transport)) {
        return 0;
    }
    if (peer->aborted || peer->peer_reset) {
        peer_end(transport, peer, peer->aborted ? TRANSPORT_CLOSED_BY_US : TRANSPORT_RESET);
        return 1;
    }
    if (peer->closing && list_empty(&peer->sends)) {
        peer_end(transport, peer, peer->ended ? TRANSPORT_CLOSED_BY_PEER : TRANSPORT_CLOSED_BY_US);
        return 1;
    }
    if (peer->into != NULL ? deliver_into(transport, peer) : deliver_piece(transport, peer)) {
        return 1;
    }
    if (peer->peer_closed && queue_len(&peer->in) == 0 && !peer->ended && !peer->closing) {
        peer->ended = true;
        transport->base.user->on_end(peer->connection.user);
        return 1;
    }
    return 0;
}

uint32_t sim_transport_receive_turn(struct sim_transport *transport)
{
    uint32_t done = 0;
    LIST_FOR_EACH(node, &transport->peers)
    {
        struct sim_peer *peer = CONTAINER_OF(node, struct sim_peer, node);
        done += peer_receive(transport, peer);
    }
    return done;
}

uint32_t sim_transport_send_turn(struct sim_transport *transport)
{
    uint32_t done = 0;
    LIST_FOR_EACH(node, &transport->peers)
    {
        struct sim_peer *peer = CONTAINER_OF(node, struct sim_peer, node);
        while (peer->state == PEER_OPEN && !peer->stalled && !peer->aborted &&
               !list_empty(&peer->sends) && acts(transport)) {
            send_complete(transport, peer, true);
            done++;
        }
    }
    return done;
}

bool sim_transport_quiet(const struct sim_transport *transport)
{
    LIST_FOR_EACH(node, &transport->peers)
    {
        const struct sim_peer *peer = CONTAINER_OF(node, struct sim_peer, node);
        const bool ends = peer->aborted || peer->closing || peer->peer_closed || peer->peer_reset;
        if (peer->state == PEER_CONNECTING ||
            (peer->state == PEER_OPEN &&
             (ends || !list_empty(&peer->sends) || queue_len(&peer->in) > 0))) {
            return false;
        }
    }
    return true;
}

uint32_t sim_transport_held(const struct sim_transport *transport)
{
    return transport->held_count;
}

/* ---- Making and ending ---------------------------------------------------------------------- */

static uint32_t or_default(uint32_t value, uint32_t instead)
{
    return value == 0 ? instead : value;
}

struct sim_transport *sim_transport_create(const struct sim_transport_options *options,
                                           const struct transport_user *user, void *context)
{
    struct sim_transport *transport = calloc(1, sizeof(*transport));
    ASSERT(transport != NULL);
    transport->base = (struct transport){.ops = &ops, .user = user, .user_context = context};
    transport->options = *options;
    transport->options.buffer_count = or_default(options->buffer_count, 64);
    transport->options.buffer_bytes = or_default(options->buffer_bytes, 4096);
    transport->options.sends_max = or_default(options->sends_max, 8);
    transport->random = options->seed;
    list_init(&transport->peers);
    transport->buffers = calloc(transport->options.buffer_count, sizeof(uint8_t *));
    transport->held = calloc(transport->options.buffer_count, sizeof(bool));
    ASSERT(transport->buffers != NULL && transport->held != NULL);
    for (uint32_t i = 0; i < transport->options.buffer_count; i++) {
        transport->buffers[i] = malloc(transport->options.buffer_bytes);
        ASSERT(transport->buffers[i] != NULL);
    }
    return transport;
}

static void peer_release(struct sim_peer *peer)
{
    list_remove(&peer->node);
    while (!list_empty(&peer->sends)) {
        free(CONTAINER_OF(list_pop_front(&peer->sends), struct sim_send, node));
    }
    free(peer->in.base);
    free(peer->out.base);
    free(peer);
}

void sim_transport_destroy(struct sim_transport *transport)
{
    LIST_FOR_EACH(node, &transport->peers)
    {
        peer_release(CONTAINER_OF(node, struct sim_peer, node));
    }
    for (uint32_t i = 0; i < transport->options.buffer_count; i++) {
        free(transport->buffers[i]);
    }
    free(transport->buffers);
    free(transport->held);
    free(transport);
}

struct transport *sim_transport_base(struct sim_transport *transport)
{
    return &transport->base;
}

/* ---- The client's end ----------------------------------------------------------------------- */

struct sim_peer *sim_peer_connect(struct sim_transport *transport,
                                  const struct network_address *from,
                                  const struct network_address *to, uint32_t listener)
{
    struct sim_peer *peer = calloc(1, sizeof(*peer));
    ASSERT(peer != NULL);
    peer->connection.transport = &transport->base;
    peer->from = *from;
    peer->to = *to;
    peer->listener = listener;
    list_init(&peer->sends);
    list_push_back(&transport->peers, &peer->node);
    return peer;
}

void sim_peer_send(struct sim_peer *peer, struct bytes bytes)
{
    queue_add(&peer->in, bytes.ptr, bytes.len);
}

struct bytes sim_peer_received(const struct sim_peer *peer)
{
    return (struct bytes){peer->out.base + peer->out.from, (uint32_t)queue_len(&peer->out)};
}

void sim_peer_consume(struct sim_peer *peer, uint32_t count)
{
    ASSERT(count <= queue_len(&peer->out));
    peer->out.from += count;
}

void sim_peer_close(struct sim_peer *peer)
{
    peer->peer_closed = true;
}

void sim_peer_reset(struct sim_peer *peer)
{
    peer->peer_reset = true;
}

void sim_peer_stall(struct sim_peer *peer, bool stalled)
{
    peer->stalled = stalled;
}

void sim_peer_take(struct sim_peer *peer, uint32_t count)
{
    uint64_t under_way = 0;
    LIST_FOR_EACH(node, &peer->sends)
    {
        const struct sim_send *send = CONTAINER_OF(node, struct sim_send, node);
        for (uint32_t i = 0; i < send->part_count; i++) {
            under_way += send->parts[i].bytes.len;
        }
    }
    const uint64_t taken = min_u64(count, under_way - peer->taken_bytes);
    peer->taken_bytes += taken;
    peer->acknowledged_bytes += taken;
}

bool sim_peer_closed(const struct sim_peer *peer)
{
    return peer->state == PEER_GONE;
}

uint64_t sim_peer_waiting(const struct sim_peer *peer)
{
    return queue_len(&peer->in);
}

void sim_peer_free(struct sim_peer *peer)
{
    ASSERT(peer->state == PEER_GONE);
    peer_release(peer);
}
