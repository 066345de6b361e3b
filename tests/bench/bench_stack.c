/* One stream between two of our TCPs, by turns over one DPDK ring port: what a core carries of it
 * when it does both ends. Nothing is copied and nothing summed; the disk and the broker are not
 * in it.
 *
 *     bench_stack [SECONDS]     prints Gb/s with frames of 1500 bytes, then with TSO frames */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/eal.h"
#include "dataplane/nic/nic_dpdk.h"
#include "dataplane/tcp/tcp.h"

enum {
    BUFFERS = 8192,
    CHUNK = 64 * 1024, /* Of a send, the same bytes each time. */
    SENDS = 32,        /* Under way. */
    FIRST_V4 = 0x0a000001,
    PORT = 9092,
};

struct end {
    struct net *net;
    struct tcp *tcp;
    struct tcp_connection *connection;
    struct route link;
    uint64_t received;
    uint32_t sends;
};

static struct {
    struct nic *nic;
    struct end ends[2]; /* The second listens and sends. */
    struct packet_in in[NIC_BURST_MAX];
    struct packet_out out[NIC_BURST_MAX];
    uint8_t chunk[CHUNK];
} at;

static void give_up(const char *what)
{
    (void)fprintf(stderr, "bench_stack: %s\n", what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void *zeroed(uint64_t size)
{
    void *memory = aligned_alloc(64, round_up(size, 64));
    if (memory == NULL) {
        give_up("no memory");
    }
    return memset(memory, 0, round_up(size, 64));
}

static void *on_open(void *context, struct tcp_connection *connection,
                     const struct network_address *peer, const struct network_address *local,
                     uint32_t listener)
{
    struct end *end = context;
    (void)peer;
    (void)local;
    (void)listener;
    end->connection = connection;
    return end;
}

static void on_data(void *user, struct received_piece piece)
{
    struct end *end = user;
    end->received += piece.bytes.len;
    tcp_release(end->tcp, piece.buffer);
}

static void on_end(void *user)
{
    (void)user;
    give_up("an end was ended");
}

static void on_sent(void *user, uint64_t token)
{
    (void)token;
    ((struct end *)user)->sends--;
}

static void on_room(void *user)
{
    (void)user;
}

static void on_close(void *user, enum transport_close_reason reason)
{
    (void)user;
    (void)reason;
    give_up("the connection was lost");
}

static const struct tcp_user calls = {on_open,  on_data, on_end, on_sent, on_room,
                                      on_close, NULL,    NULL,   NULL};

static void buffer_release(void *context, void *buffer)
{
    (void)context;
    at.nic->ops->release(at.nic, buffer);
}

/* Pins say in whose memory they lie: both ends send by one port. */
static void pin_released(void *context, const struct packet_pin *pin)
{
    (void)context;
    tcp_released(at.ends[1].tcp, pin);
}

static void end_make(uint32_t i, uint16_t offloads)
{
    struct end *end = &at.ends[i];
    *end = (struct end){.link = route_v4(FIRST_V4 & 0xffffff00, 24, 0)};
    const struct net_setup net = {.mac = {{2, 0, 0, 0, 0, (uint8_t)(1 + i)}},
                                  .v4 = FIRST_V4 + i,
                                  .mtu = at.nic->capabilities.mtu,
                                  .offloads = offloads,
                                  .parts_max = 4,
                                  .routes = &end->link,
                                  .route_count = 1,
                                  .neighbor_count_max = 4,
                                  .frame_count_max = 64,
                                  .release = buffer_release};
    end->net = net_create(zeroed(net_memory_bytes(&net)), &net, now_ns());
    struct tcp_setup tcp = tcp_setup_usual();
    tcp.net = end->net;
    tcp.user = &calls;
    tcp.user_context = end;
    tcp.secret[0] = 0x9e3779b97f4a7c15;
    end->tcp = tcp_create(zeroed(tcp_memory_bytes(&tcp)), &tcp, now_ns());
}

/* What the other has sent is taken, then what there is to say is said. */
static void end_turn(struct end *end)
{
    const struct nic_ops *ops = at.nic->ops;
    const uint64_t now = now_ns();
    uint32_t count;
    while ((count = ops->receive(at.nic, at.in, NIC_BURST_MAX)) > 0) {
        tcp_input(end->tcp, at.in, count, now);
    }
    (void)tcp_turn(end->tcp, 64, now);
    (void)tcp_deliver(end->tcp, 64, now);
    const struct send_part part = {{at.chunk, CHUNK}};
    while (end == &at.ends[1] && end->connection != NULL && end->sends < SENDS &&
           tcp_send(end->connection, &part, 1, 0)) {
        end->sends++;
    }
    ops->reclaim(at.nic);
    for (uint32_t bursts = 0; bursts < 4; bursts++) {
        const uint32_t prepared = ops->prepare(at.nic, at.out, NIC_BURST_MAX);
        count = tcp_output(end->tcp, at.out, prepared, now);
        ops->send(at.nic, at.out, count, prepared);
        if (count < NIC_BURST_MAX) {
            break;
        }
    }
}

static double gigabits_per_s(uint16_t offloads, uint32_t seconds)
{
    struct network_address peer = {.port = PORT};
    const struct address v4 = address_of_v4(FIRST_V4 + 1);
    uint32_t listener;
    end_make(0, offloads);
    end_make(1, offloads);
    memcpy(peer.ip, v4.bytes, sizeof(peer.ip));
    if (!tcp_listen(at.ends[1].tcp, PORT, 4, &listener) ||
        tcp_connect(at.ends[0].tcp, &peer, &at.ends[0], now_ns()) == NULL) {
        give_up("no connection");
    }
    const uint64_t opens_ns = now_ns();
    while (at.ends[0].received < 64 << 20) { /* Its windows have grown by then. */
        end_turn(&at.ends[0]);
        end_turn(&at.ends[1]);
        if (now_ns() - opens_ns > 20 * UINT64_C(1000000000)) {
            give_up("nothing is carried");
        }
    }
    const uint64_t before = at.ends[0].received;
    const uint64_t from_ns = now_ns();
    uint64_t took_ns;
    do {
        end_turn(&at.ends[0]);
        end_turn(&at.ends[1]);
        took_ns = now_ns() - from_ns;
    } while (took_ns < seconds * UINT64_C(1000000000));
    const double bits = 8.0 * (double)(at.ends[0].received - before);
    while (at.nic->ops->receive(at.nic, at.in, 1) > 0) { /* The next pair begins anew. */
        at.nic->ops->release(at.nic, at.in[0].first.buffer);
        for (uint32_t i = 0; i < at.in[0].more_count; i++) {
            at.nic->ops->release(at.nic, at.in[0].more[i].buffer);
        }
    }
    return bits / (double)took_ns;
}

int main(int argc, char **argv)
{
    static struct nic_dpdk_port port;
    char reason[256];
    const uint32_t seconds = argc > 1 ? (uint32_t)atoi(argv[1]) : 2;
    const struct nic_dpdk_setup setup = {
        .device = "net_ring0", .queue_count = 1, .buffer_count = BUFFERS};
    const struct eal_setup eal = {
        .journal = journal_create(STDERR_FILENO, "bench", 1, JOURNAL_ERROR),
        .core_count = 1,
        .core_cpus = {EAL_CPU_ANY},
        .memory_mib = 32 + nic_dpdk_memory_mib(&setup),
        .device = setup.device,
    };
    if (!eal_start(&eal, reason, sizeof(reason)) ||
        !nic_dpdk_start(&setup, &port, reason, sizeof(reason))) {
        give_up(reason);
    }
    at.nic = port.queues[0];
    at.nic->released = pin_released;
    const uint16_t offloads = at.nic->capabilities.offloads;
    (void)printf("%.1f\n", gigabits_per_s(offloads & (uint16_t)~NET_OFFLOAD_TSO, seconds));
    (void)printf("%.1f\n", gigabits_per_s(offloads, seconds));
    return 0;
}
