#include "tests/sim/sim_host.h"

#include <stdlib.h>

#include "storage/base/list.h"
#include "storage/base/random.h"

enum {
    HOST_BUFFERS = 1024,
    WRITE_MAX = 16 * 1024, /* One send. */
};

struct block { /* What was written, in one send; it goes when that is back. */
    struct list_node node;
    uint32_t len;
    uint8_t bytes[];
};

struct got { /* What has arrived and was not read. */
    struct list_node node;
    struct received_piece piece;
};

struct sim_stream {
    struct list_node node; /* Of the host. */
    struct sim_host *host;
    struct tcp_connection *tcp; /* NULL: over. */
    struct list unsent;         /* Blocks that found no room. */
    struct list sent;           /* Blocks under way. */
    struct list got;
    uint64_t got_bytes;
    bool opened;
    bool fresh; /* Opened by the other side, and not asked for yet. */
    bool ended;
    bool reset;
    bool shut;   /* Once all is out, nothing more is sent. */
    bool closed; /* By the caller: ours alone. */
    uint64_t token_back;
};

struct sim_host {
    struct sim_wire *wire;
    struct nic *nic;
    struct net *net;
    struct tcp *tcp;
    struct list streams;
    uint32_t stream_count;
    uint64_t now_ns;
};

static void *allocate(size_t size)
{
    void *memory = aligned_alloc(64, round_up(size, 64));
    ASSERT(memory != NULL);
    return memset(memory, 0, round_up(size, 64));
}

/* ---- Out ------------------------------------------------------------------------------------ */

static void stream_push(struct sim_stream *stream)
{
    struct list_node *node;
    while (stream->opened && stream->tcp != NULL && (node = list_first(&stream->unsent)) != NULL) {
        struct block *block = CONTAINER_OF(node, struct block, node);
        const struct send_part part = {{block->bytes, block->len}};
        if (!tcp_send(stream->tcp, &part, 1, 0)) {
            return; /* on_room follows. */
        }
        list_remove(node);
        list_push_back(&stream->sent, node);
    }
    if (stream->opened && stream->tcp != NULL && list_empty(&stream->unsent)) {
        if (stream->closed) {
            tcp_close(stream->tcp);
        } else if (stream->shut) {
            tcp_shutdown(stream->tcp);
        }
    }
}

static void blocks_drop(struct list *blocks)
{
    struct list_node *node;
    while ((node = list_pop_front(blocks)) != NULL) {
        free(CONTAINER_OF(node, struct block, node));
    }
}

static void got_drop(struct sim_stream *stream)
{
    struct list_node *node;
    while ((node = list_pop_front(&stream->got)) != NULL) {
        struct got *got = CONTAINER_OF(node, struct got, node);
        tcp_release(stream->host->tcp, got->piece.buffer);
        free(got);
    }
    stream->got_bytes = 0;
}

static void stream_free(struct sim_stream *stream)
{
    got_drop(stream);
    blocks_drop(&stream->unsent);
    blocks_drop(&stream->sent);
    list_remove(&stream->node);
    stream->host->stream_count--;
    free(stream);
}

static struct sim_stream *stream_make(struct sim_host *host)
{
    struct sim_stream *stream = allocate(sizeof(*stream));
    stream->host = host;
    list_init(&stream->unsent);
    list_init(&stream->sent);
    list_init(&stream->got);
    list_push_back(&host->streams, &stream->node);
    host->stream_count++;
    return stream;
}

/* ---- What TCP calls ------------------------------------------------------------------------- */

static void *on_open(void *context, struct tcp_connection *connection,
                     const struct network_address *peer, const struct network_address *local,
                     uint32_t listener)
{
    struct sim_host *host = context;
    (void)peer;
    (void)local;
    if (listener != TCP_NO_LISTENER) {
        struct sim_stream *stream = stream_make(host);
        stream->tcp = connection;
        stream->opened = stream->fresh = true;
        return stream;
    }
    LIST_FOR_EACH(node, &host->streams)
    {
        struct sim_stream *stream = CONTAINER_OF(node, struct sim_stream, node);
        if (stream->tcp == connection) {
            stream->opened = true;
            stream_push(stream);
            return stream;
        }
    }
    return NULL;
}

static void on_data(void *user, struct received_piece piece)
{
    struct sim_stream *stream = user;
    if (stream->closed) {
        tcp_release(stream->host->tcp, piece.buffer);
        return;
    }
    struct got *got = allocate(sizeof(*got));
    got->piece = piece;
    list_push_back(&stream->got, &got->node);
    stream->got_bytes += piece.bytes.len;
}

static void on_end(void *user)
{
    struct sim_stream *stream = user;
    stream->ended = true;
}

static void on_sent(void *user, uint64_t token)
{
    struct sim_stream *stream = user;
    (void)token;
    struct list_node *node = list_pop_front(&stream->sent);
    ASSERT(node != NULL);
    free(CONTAINER_OF(node, struct block, node));
}

static void on_room(void *user)
{
    stream_push(user);
}

static void on_close(void *user, enum transport_close_reason reason)
{
    struct sim_stream *stream = user;
    stream->tcp = NULL;
    stream->ended = true;
    stream->reset = reason == TRANSPORT_RESET || reason == TRANSPORT_TIMED_OUT;
    if (stream->closed) {
        stream_free(stream);
    }
}

static const struct tcp_user calls = {.on_open = on_open,
                                      .on_data = on_data,
                                      .on_end = on_end,
                                      .on_sent = on_sent,
                                      .on_room = on_room,
                                      .on_close = on_close};

/* ---- The host ------------------------------------------------------------------------------- */

static void buffer_release(void *context, void *buffer)
{
    struct nic *nic = context;
    nic->ops->release(nic, buffer);
}

static void pin_released(void *context, const struct packet_pin *pin)
{
    tcp_released(context, pin);
}

struct sim_host *sim_host_create(struct sim_wire *wire, uint8_t number, uint32_t v4, uint64_t seed)
{
    struct sim_host *host = allocate(sizeof(*host));
    struct random random;
    random_init(&random, seed);
    host->wire = wire;
    host->nic = sim_port_create(wire, number, false, HOST_BUFFERS, NULL, NULL);
    list_init(&host->streams);
    const struct route link = route_v4(v4 & 0xffffff00, 24, 0);
    const struct net_setup net = {.mac = host->nic->capabilities.mac,
                                  .v4 = v4,
                                  .mtu = host->nic->capabilities.mtu,
                                  .parts_max = host->nic->capabilities.parts_max,
                                  .routes = &link,
                                  .route_count = 1,
                                  .neighbor_count_max = 16,
                                  .frame_count_max = 64,
                                  .release = buffer_release,
                                  .context = host->nic};
    host->net = net_create(allocate(net_memory_bytes(&net)), &net, 0);
    struct tcp_setup tcp = tcp_setup_usual();
    tcp.net = host->net;
    tcp.user = &calls;
    tcp.user_context = host;
    random_fill(&random, tcp.secret, sizeof(tcp.secret));
    tcp.connection_count_max = 256;
    tcp.half_open_count_max = 64;
    tcp.time_wait_count_max = 256;
    tcp.extent_count_max = 4096;
    tcp.record_count_max = 4096;
    tcp.piece_count_max = HOST_BUFFERS - 64;
    tcp.time_wait_ms = 1000;
    tcp.keepalive_idle_ms = 2000; /* A killed process says nothing; its heir resets what comes. */
    tcp.keepalive_every_ms = 1000;
    tcp.receive_bytes_min = 16 * 1024;
    tcp.receive_bytes_max = 256 * 1024;
    host->tcp = tcp_create(allocate(tcp_memory_bytes(&tcp)), &tcp, 0);
    host->nic->released = pin_released;
    host->nic->released_context = host->tcp;
    return host;
}

void sim_host_destroy(struct sim_host *host)
{
    LIST_FOR_EACH(node, &host->streams)
    {
        stream_free(CONTAINER_OF(node, struct sim_stream, node));
    }
    sim_port_destroy(host->nic);
    free(host->tcp);
    free(host->net);
    free(host);
}

uint32_t sim_host_turn(struct sim_host *host, uint64_t now_ns)
{
    static struct packet_in in[NIC_BURST_MAX];
    static struct packet_out out[NIC_BURST_MAX];
    struct nic *nic = host->nic;
    uint32_t work = 0;
    uint32_t count;
    host->now_ns = now_ns;
    while ((count = nic->ops->receive(nic, in, NIC_BURST_MAX)) > 0) {
        tcp_input(host->tcp, in, count, now_ns);
        work += count;
    }
    work += tcp_turn(host->tcp, 64, now_ns);
    work += tcp_deliver(host->tcp, 256, now_ns);
    nic->ops->reclaim(nic);
    for (;;) {
        const uint32_t prepared = nic->ops->prepare(nic, out, NIC_BURST_MAX);
        count = tcp_output(host->tcp, out, prepared, now_ns);
        nic->ops->send(nic, out, count, prepared);
        work += count;
        if (count == 0) {
            break;
        }
    }
    return work;
}

uint64_t sim_host_next_ns(const struct sim_host *host)
{
    return tcp_next_deadline_ns(host->tcp);
}

uint32_t sim_host_stream_count(const struct sim_host *host)
{
    return host->stream_count;
}

const struct tcp *sim_host_tcp(const struct sim_host *host)
{
    return host->tcp;
}

/* ---- Streams -------------------------------------------------------------------------------- */

struct sim_stream *sim_stream_open(struct sim_host *host, uint32_t v4, uint16_t port,
                                   uint64_t now_ns)
{
    struct sim_stream *stream = stream_make(host);
    const struct address address = address_of_v4(v4);
    struct network_address peer = {.port = port};
    memcpy(peer.ip, address.bytes, sizeof(peer.ip));
    stream->tcp = tcp_connect(host->tcp, &peer, stream, now_ns);
    if (stream->tcp == NULL) {
        stream_free(stream);
        return NULL;
    }
    return stream;
}

void sim_host_listen(struct sim_host *host, uint16_t port)
{
    uint32_t listener;
    ASSERT(tcp_listen(host->tcp, port, 64, &listener));
}

struct sim_stream *sim_host_accept(struct sim_host *host)
{
    LIST_FOR_EACH(node, &host->streams)
    {
        struct sim_stream *stream = CONTAINER_OF(node, struct sim_stream, node);
        if (stream->fresh) {
            stream->fresh = false;
            return stream;
        }
    }
    return NULL;
}

void sim_stream_write(struct sim_stream *stream, const void *from, uint32_t len)
{
    const uint8_t *at = from;
    while (len > 0 && stream->tcp != NULL) {
        const uint32_t here = min_u32(len, WRITE_MAX);
        struct block *block = allocate(sizeof(*block) + here);
        block->len = here;
        memcpy(block->bytes, at, here);
        list_push_back(&stream->unsent, &block->node);
        at += here;
        len -= here;
    }
    stream_push(stream);
}

uint32_t sim_stream_read(struct sim_stream *stream, void *to, uint32_t capacity)
{
    uint32_t taken = 0;
    struct list_node *node;
    while (taken < capacity && (node = list_first(&stream->got)) != NULL) {
        struct got *got = CONTAINER_OF(node, struct got, node);
        const uint32_t here = min_u32(capacity - taken, got->piece.bytes.len);
        memcpy((uint8_t *)to + taken, got->piece.bytes.ptr, here);
        got->piece.bytes.ptr += here;
        got->piece.bytes.len -= here;
        taken += here;
        if (got->piece.bytes.len == 0) {
            list_remove(node);
            tcp_release(stream->host->tcp, got->piece.buffer);
            free(got);
        }
    }
    stream->got_bytes -= taken;
    return taken;
}

uint64_t sim_stream_waiting(const struct sim_stream *stream)
{
    return stream->got_bytes;
}

bool sim_stream_ended(const struct sim_stream *stream)
{
    return stream->ended && list_empty(&stream->got);
}

bool sim_stream_was_reset(const struct sim_stream *stream)
{
    return stream->reset;
}

bool sim_stream_opened(const struct sim_stream *stream)
{
    return stream->opened;
}

void sim_stream_shutdown(struct sim_stream *stream)
{
    stream->shut = true;
    stream_push(stream);
}

void sim_stream_close(struct sim_stream *stream, bool reset)
{
    stream->closed = true;
    got_drop(stream);
    if (stream->tcp == NULL) {
        stream_free(stream);
    } else if (reset || !stream->opened) {
        tcp_abort(stream->tcp);
    } else {
        stream_push(stream);
    }
}
