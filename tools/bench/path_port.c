#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "dataplane/eal.h"
#include "dataplane/net/ipv6.h"
#include "dataplane/nic/nic_dpdk.h"
#include "dataplane/profile/settings.h"
#include "dataplane/sock/listen.h"
#include "dataplane/tcp/tcp.h"
#include "storage/base/pool.h"
#include "tools/bench/path.h"
#include "tools/bench/usage.h"

enum {
    BUFFERS = 16384, /* Received ones that may be held. */
    CONNECTIONS = 2 * BENCH_CONNECTIONS_MAX,
    PREFIX_BITS = 24,
    PREFIX_BITS_V6 = 64,
    OPEN_MS_MAX = 20000, /* The other end of the port may come later. */
    PARTS_MAX = 256,
    DELIVER_MAX = 256,
};

/* A received piece that its peer has not taken. */
struct got {
    struct list_node node;
    struct received_piece piece;
};

/* One connection. */
struct line {
    struct list_node ready_node; /* Of port.ready, while there is something to receive. */
    struct peer *peer;           /* NULL: closed, the line goes with its connection. */
    struct tcp_connection *tcp;
    struct list got;
    bool opened, ended;
};

static struct {
    struct nic *nic;
    struct route link;
    struct net *net;
    struct tcp *tcp;
    struct pool gots;
    struct list ready;
    struct packet_in in[NIC_BURST_MAX];
    struct packet_out out[NIC_BURST_MAX];
} port;

/* ---- What TCP calls ------------------------------------------------------------------------- */

static void line_ready(struct line *line)
{
    if (!list_linked(&line->ready_node)) {
        list_push_back(&port.ready, &line->ready_node);
    }
}

static void got_drop(struct line *line)
{
    struct list_node *node;
    while ((node = list_pop_front(&line->got)) != NULL) {
        struct got *got = CONTAINER_OF(node, struct got, node);
        tcp_release(port.tcp, got->piece.buffer);
        pool_give(&port.gots, got);
    }
}

/* For a connection of ours the user is the one given to tcp_connect. */
static void *on_open(void *context, struct tcp_connection *connection,
                     const struct network_address *peer, const struct network_address *local,
                     uint32_t listener)
{
    (void)context;
    (void)connection;
    (void)peer;
    (void)local;
    (void)listener;
    return NULL;
}

static void on_data(void *user, struct received_piece piece)
{
    struct line *line = user;
    struct got *got = line->peer == NULL ? NULL : pool_take(&port.gots);
    if (got == NULL) { /* As many as there are buffers: only of a closed line. */
        tcp_release(port.tcp, piece.buffer);
        return;
    }
    *got = (struct got){.piece = piece};
    list_push_back(&line->got, &got->node);
    line_ready(line);
}

static void on_end(void *user)
{
    struct line *line = user;
    line->ended = true;
    line_ready(line);
}

static void on_sent(void *user, uint64_t token)
{
    (void)user;
    (void)token; /* The answer says as much. */
}

static void on_room(void *user)
{
    (void)user; /* peer_flush tries again. */
}

static void on_close(void *user, enum transport_close_reason reason)
{
    struct line *line = user;
    (void)reason;
    line->tcp = NULL;
    line->ended = true;
    if (line->peer != NULL) {
        line_ready(line);
        return;
    }
    free(line);
}

static const struct tcp_user calls = {on_open,  on_data, on_end, on_sent, on_room,
                                      on_close, NULL,    NULL,   NULL};

/* ---- The port ------------------------------------------------------------------------------- */

static uint32_t turn(void)
{
    const struct nic_ops *ops = port.nic->ops;
    const uint64_t now_ns = usage_now_ns();
    uint32_t work = 0;
    uint32_t count;
    uint32_t prepared;
    do {
        count = ops->receive(port.nic, port.in, NIC_BURST_MAX);
        if (count > 0) {
            tcp_input(port.tcp, port.in, count, now_ns);
        }
        work += count;
    } while (count == NIC_BURST_MAX);
    work += tcp_turn(port.tcp, DELIVER_MAX, now_ns);
    work += tcp_deliver(port.tcp, DELIVER_MAX, now_ns);
    ops->reclaim(port.nic);
    do {
        prepared = ops->prepare(port.nic, port.out, NIC_BURST_MAX);
        count = prepared == 0 ? 0 : tcp_output(port.tcp, port.out, prepared, now_ns);
        if (prepared > 0) {
            ops->send(port.nic, port.out, count, prepared);
        }
        work += count;
    } while (count == NIC_BURST_MAX);
    return work;
}

static void buffer_release(void *context, void *buffer)
{
    (void)context;
    port.nic->ops->release(port.nic, buffer);
}

static void pin_released(void *context, const struct packet_pin *pin)
{
    tcp_released(context, pin);
}

static void *zeroed(uint64_t size)
{
    void *memory = aligned_alloc(64, round_up(size, 64));
    return memory == NULL ? NULL : memset(memory, 0, round_up(size, 64));
}

static bool tcp_make(const struct address *own)
{
    const struct nic_capabilities *can = &port.nic->capabilities;
    const bool v4 = address_is_v4(own);
    port.link = route_of_host(own, v4 ? ROUTE_BITS_V4 + PREFIX_BITS : PREFIX_BITS_V6);
    const struct net_setup net = {.mac = can->mac,
                                  .v4 = v4 ? load_be32(own->bytes + 12) : 0,
                                  .v6 = v4 ? (struct address){{0}} : *own,
                                  .mtu = can->mtu,
                                  .offloads = can->offloads,
                                  .parts_max = min_u32(can->parts_max, PACKET_PARTS_MAX),
                                  .routes = &port.link,
                                  .route_count = 1,
                                  .neighbor_count_max = 16,
                                  .frame_count_max = 256,
                                  .release = buffer_release};
    struct tcp_setup tcp = tcp_setup_usual();
    void *net_memory = zeroed(net_memory_bytes(&net));
    void *gots = zeroed(pool_memory_bytes(sizeof(struct got), BUFFERS));
    tcp.user = &calls;
    tcp.connection_count_max = CONNECTIONS;
    tcp.extent_count_max = 65536;
    tcp.record_count_max = 32768;
    tcp.piece_count_max = BUFFERS;
    (void)getrandom(tcp.secret, sizeof(tcp.secret), 0);
    void *tcp_memory = zeroed(tcp_memory_bytes(&tcp));
    if (net_memory == NULL || tcp_memory == NULL || gots == NULL) {
        return false;
    }
    pool_init(&port.gots, gots, sizeof(struct got), BUFFERS);
    list_init(&port.ready);
    port.net = net_create(net_memory, &net, usage_now_ns());
    tcp.net = port.net;
    port.tcp = tcp_create(tcp_memory, &tcp, usage_now_ns());
    port.nic->released = pin_released;
    port.nic->released_context = port.tcp;
    return true;
}

bool path_port_start(const char *device, const char *address)
{
    char reason[512] = "no memory";
    struct network_address text;
    static struct nic_dpdk_port started;
    if (!listen_resolve(address, 0, &text)) {
        (void)fprintf(stderr, "bench: --address %s is no address\n", address);
        return false;
    }
    struct address own;
    memcpy(own.bytes, text.ip, sizeof(own.bytes));
    struct nic_dpdk_setup setup = {.device = device, .queue_count = 1, .buffer_count = BUFFERS};
    if (!address_is_v4(&own)) {
        setup.group_count = ipv6_groups(&own, setup.groups);
    }
    const struct eal_setup eal = {
        .journal = journal_create(STDERR_FILENO, "bench", 1, JOURNAL_ERROR),
        .core_count = 1,
        .core_cpus = {EAL_CPU_ANY},
        .huge_pages = true,
        .memory_mib = 32 + nic_dpdk_memory_mib(&setup),
        .device = device,
    };
    if (!eal_start(&eal, reason, sizeof(reason)) ||
        !nic_dpdk_start(&setup, &started, reason, sizeof(reason))) {
        (void)fprintf(stderr, "bench: %s\n", reason);
        return false;
    }
    port.nic = started.queues[0];
    if (!tcp_make(&own)) {
        (void)fprintf(stderr, "bench: no memory for connections\n");
        return false;
    }
    return true;
}

/* ---- The path ------------------------------------------------------------------------------- */

static bool address_parse(const char *bootstrap, struct network_address *address)
{
    struct host_port broker;
    return host_port_parse(bytes_of_string(bootstrap), &broker) &&
           listen_resolve(broker.host, broker.port, address);
}

static struct line *line_of(const struct peer *peer)
{
    return peer->path_own;
}

static bool path_open(struct peer *peer, const char *bootstrap)
{
    struct network_address address;
    struct line *line = calloc(1, sizeof(*line));
    const uint64_t end_ns = usage_now_ns() + OPEN_MS_MAX * UINT64_C(1000000);
    if (line == NULL || !address_parse(bootstrap, &address)) {
        free(line);
        return false;
    }
    list_init(&line->got);
    line->peer = peer;
    line->tcp = tcp_connect(port.tcp, &address, line, usage_now_ns());
    if (line->tcp == NULL) {
        free(line);
        return false;
    }
    peer->path_own = line;
    peer->fd = 0; /* There is none. */
    struct tcp_info info = {.state = TCP_SYN_SENT};
    while (!line->ended && info.state == TCP_SYN_SENT && usage_now_ns() < end_ns) {
        if (turn() == 0) {
            (void)sched_yield();
        }
        if (line->tcp != NULL) {
            tcp_info(line->tcp, &info);
        }
    }
    line->opened = !line->ended && info.state == TCP_ESTABLISHED;
    return line->opened;
}

static void path_close(struct peer *peer)
{
    struct line *line = line_of(peer);
    if (line == NULL) {
        return;
    }
    got_drop(line);
    if (list_linked(&line->ready_node)) {
        list_remove(&line->ready_node);
    }
    line->peer = NULL;
    peer->path_own = NULL;
    if (line->tcp == NULL) {
        free(line);
        return;
    }
    tcp_close(line->tcp);
    (void)turn();
}

static ssize_t path_send(struct peer *peer, const struct iovec *iovecs, int count)
{
    const struct line *line = line_of(peer);
    struct send_part parts[PARTS_MAX];
    size_t sum = 0;
    if (line->tcp == NULL || line->ended) {
        return -1;
    }
    ASSERT(count > 0 && count <= PARTS_MAX);
    for (int i = 0; i < count; i++) {
        parts[i].bytes = (struct bytes){iovecs[i].iov_base, (uint32_t)iovecs[i].iov_len};
        sum += iovecs[i].iov_len;
    }
    return tcp_send(line->tcp, parts, (uint32_t)count, 0) ? (ssize_t)sum : 0;
}

static ssize_t path_receive(struct peer *peer, uint8_t *to, uint32_t capacity)
{
    struct line *line = line_of(peer);
    uint32_t used = 0;
    if (list_empty(&line->got) && !line->ended) {
        (void)turn();
    }
    while (used < capacity && !list_empty(&line->got)) {
        struct got *got = CONTAINER_OF(list_first(&line->got), struct got, node);
        struct bytes *bytes = &got->piece.bytes;
        const uint32_t len = min_u32(bytes->len, capacity - used);
        memcpy(to + used, bytes->ptr, len);
        used += len;
        bytes->ptr += len;
        bytes->len -= len;
        if (bytes->len == 0) {
            list_remove(&got->node);
            tcp_release(port.tcp, got->piece.buffer);
            pool_give(&port.gots, got);
        }
    }
    if (list_empty(&line->got) && !line->ended && list_linked(&line->ready_node)) {
        list_remove(&line->ready_node);
    }
    return used == 0 && line->ended ? -1 : (ssize_t)used;
}

static uint32_t path_wait(struct peer **ready, uint32_t capacity, int wait_ms)
{
    const uint64_t end_ns = usage_now_ns() + (uint64_t)wait_ms * 1000000;
    do {
        if (turn() == 0 && list_empty(&port.ready)) {
            (void)sched_yield(); /* The broker may have this CPU, too. */
        }
    } while (list_empty(&port.ready) && usage_now_ns() < end_ns);
    uint32_t count = 0;
    LIST_FOR_EACH(node, &port.ready)
    {
        if (count < capacity) {
            ready[count++] = CONTAINER_OF(node, struct line, ready_node)->peer;
        }
    }
    return count;
}

const struct path path_port = {path_open, path_close, path_send, path_receive, path_wait};
