/* Two of our stacks over a device that sums and cuts for them (nic_twin.h), each with a queue of
 * it; what they sent is compared byte by byte, and the twin holds them to what hardware asks for.
 *
 *     test_nic_offload CASE */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "dataplane/eal.h"
#include "dataplane/nic/nic_dpdk.h"
#include "dataplane/stack/stack.h"
#include "tests/dataplane/nic/nic_twin.h"

enum {
    SERVER_V4 = 0x0a000001,
    CLIENT_V4 = 0x0a000002,
    PORT = 9092,
    BUFFERS = 2048,
    STREAM_BYTES = 8 << 20,
    SEND_BYTES = 200000,
    TURN_NS = 20000,
    TURNS_MAX = 400000,
    MSS_WITH_TIMESTAMPS = 1448,
};

#define SUMS_OUT \
    (RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
#define SUMS_AND_CUTS_OUT (SUMS_OUT | RTE_ETH_TX_OFFLOAD_TCP_TSO)
#define CUTS_ONLY_OUT     (RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_TSO)
#define VLAN_IN           (RTE_ETH_RX_OFFLOAD_VLAN_STRIP | RTE_ETH_RX_OFFLOAD_VLAN_FILTER)
#define VLAN_OUT          RTE_ETH_TX_OFFLOAD_VLAN_INSERT
#define SUMS_IN           (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM)

static const struct load {
    const char *name;
    struct nic_twin_options twin;
    bool v6; /* Else IPv4. */
    uint16_t vlan;
    bool shared;     /* The kernel hears the port, too. */
    bool lends;      /* The device may read the payload where it lies. */
    uint32_t damage; /* Each nth frame. */
    bool refuses;    /* The driver does not send packets of several segments. */
} loads[] = {
    {.name = "all",
     .twin = {.in_offloads = SUMS_IN, .out_offloads = SUMS_AND_CUTS_OUT},
     .lends = true},
    {.name = "v6",
     .twin = {.in_offloads = SUMS_IN, .out_offloads = SUMS_AND_CUTS_OUT},
     .v6 = true,
     .lends = true},
    {.name = "v6-sums",
     .twin = {.in_offloads = SUMS_IN, .out_offloads = SUMS_OUT},
     .v6 = true,
     .lends = true},
    {.name = "v6-damaged",
     .twin = {.in_offloads = SUMS_IN, .out_offloads = SUMS_AND_CUTS_OUT},
     .v6 = true,
     .lends = true,
     .damage = 97},
    {.name = "v6-vlan",
     .twin = {.in_offloads = SUMS_IN | VLAN_IN, .out_offloads = SUMS_AND_CUTS_OUT | VLAN_OUT},
     .v6 = true,
     .vlan = 7,
     .lends = true},
    {.name = "copied", .twin = {.in_offloads = SUMS_IN, .out_offloads = SUMS_AND_CUTS_OUT}},
    {.name = "tagged",
     .twin = {.in_offloads = SUMS_IN, .out_offloads = SUMS_AND_CUTS_OUT},
     .vlan = 7,
     .lends = true},
    {.name = "short-chains",
     .twin = {.in_offloads = SUMS_IN,
              .out_offloads = SUMS_AND_CUTS_OUT,
              .segments_max = 8,
              .mtu_segments_max = 4}},
    {.name = "sums",
     .twin = {.in_offloads = SUMS_IN,
              .out_offloads = SUMS_OUT,
              .segments_max = 8,
              .mtu_segments_max = 4},
     .lends = true},
    {.name = "cuts-only", .twin = {.out_offloads = CUTS_ONLY_OUT}, .lends = true},
    {.name = "nothing", .lends = true},
    {.name = "damaged",
     .twin = {.in_offloads = SUMS_IN, .out_offloads = SUMS_AND_CUTS_OUT},
     .lends = true,
     .damage = 97},
    {.name = "refused",
     .twin = {.in_offloads = SUMS_IN, .out_offloads = SUMS_OUT},
     .lends = true,
     .refuses = true},
    {.name = "vlan",
     .twin = {.in_offloads = SUMS_IN | VLAN_IN, .out_offloads = SUMS_AND_CUTS_OUT | VLAN_OUT},
     .vlan = 7,
     .lends = true},
    {.name = "vlan-no-sums", .twin = {.in_offloads = VLAN_IN, .out_offloads = VLAN_OUT}, .vlan = 7},
    {.name = "vlan-no-filter",
     .twin = {.in_offloads = SUMS_IN | RTE_ETH_RX_OFFLOAD_VLAN_STRIP,
              .out_offloads = SUMS_OUT | VLAN_OUT},
     .vlan = 7,
     .lends = true},
    {.name = "vlan-no-room",
     .twin = {.in_offloads = SUMS_IN | VLAN_IN,
              .out_offloads = SUMS_OUT | VLAN_OUT,
              .no_vlans = true},
     .vlan = 7,
     .lends = true},
    {.name = "vlan-strip-only",
     .twin = {.in_offloads = SUMS_IN | VLAN_IN, .out_offloads = SUMS_OUT},
     .vlan = 7,
     .lends = true},
    {.name = "vlan-shared",
     .twin = {.in_offloads = SUMS_IN | VLAN_IN, .out_offloads = SUMS_OUT | VLAN_OUT},
     .vlan = 7,
     .shared = true,
     .lends = true},
};

struct end {
    struct stack *stack;
    struct nic *nic;
    struct transport_connection *connection;
    uint64_t sent_bytes, sends_out, got_bytes;
    bool closed;
};

static struct {
    const struct load *load;
    struct nic_dpdk_port port;
    struct end ends[2]; /* The server's, the client's. */
    uint8_t *payload;
    uint64_t now_ns;
} at;

/* ---- Both users ---- */

static void *on_open(void *context, struct transport_connection *connection,
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

static void *on_opened(void *context, struct transport_connection *connection,
                       const struct network_address *peer, const struct network_address *local,
                       uint64_t token)
{
    (void)token;
    return on_open(context, connection, peer, local, 0);
}

static void on_unopened(void *context, uint64_t token, enum transport_close_reason reason)
{
    (void)context;
    (void)token;
    fail_msg("the connection does not open: %d", (int)reason);
}

static void on_data(void *user, struct received_piece piece)
{
    struct end *end = user;
    assert_memory_equal(piece.bytes.ptr, at.payload + end->got_bytes, piece.bytes.len);
    end->got_bytes += piece.bytes.len;
    struct transport *transport = stack_transport(end->stack);
    transport->ops->release(transport, piece.buffer);
}

static void on_received_into(void *user)
{
    (void)user;
}

static void on_end(void *user)
{
    (void)user;
}

static void on_sent(void *user, uint64_t token)
{
    (void)token;
    ((struct end *)user)->sends_out--;
}

static void on_close(void *user, enum transport_close_reason reason)
{
    (void)reason;
    ((struct end *)user)->closed = true;
}

static const struct transport_user user = {.on_open = on_open,
                                           .on_data = on_data,
                                           .on_received_into = on_received_into,
                                           .on_end = on_end,
                                           .on_sent = on_sent,
                                           .on_close = on_close};
static const struct stack_opener opener = {.on_opened = on_opened, .on_unopened = on_unopened};

/* ---- Start ---- */

static void *zeroed(uint64_t size)
{
    void *memory = aligned_alloc(64, round_up(size, 64));
    assert_non_null(memory);
    return memset(memory, 0, round_up(size, 64));
}

static struct address address_of(uint32_t v4)
{
    struct address v6 = {{0xfd}};
    store_be32(v6.bytes + 12, v4);
    return at.load->v6 ? v6 : address_of_v4(v4);
}

static void stack_make(struct end *end, struct nic *nic, uint32_t v4)
{
    const struct stack_setup setup = {.nic = nic,
                                      .user = &user,
                                      .user_context = end,
                                      .opener = &opener,
                                      .v4 = at.load->v6 ? 0 : v4,
                                      .prefix_bits = 24,
                                      .v6 = at.load->v6 ? address_of(v4) : (struct address){{0}},
                                      .prefix_bits_v6 = 64,
                                      .vlan = at.load->vlan,
                                      .secret = {v4, 3, 5, 7},
                                      .connection_count_max = 8,
                                      .receive_buffer_count = BUFFERS / 2};
    nic->capabilities.mac.bytes[5] = (uint8_t)v4; /* Of one device they have the same. */
    end->nic = nic;
    end->stack = stack_create(zeroed(stack_memory_bytes(&setup)), &setup, at.now_ns);
}

static int start(void **state)
{
    (void)state;
    char reason[256];
    const struct nic_dpdk_setup setup = {.device = "net_ring0",
                                         .queue_count = 2,
                                         .buffer_count = BUFFERS,
                                         .vlan = at.load->vlan,
                                         .all_groups = at.load->shared};
    const struct eal_setup eal = {
        .journal = journal_create(STDERR_FILENO, "test", 1, JOURNAL_WARNING),
        .core_count = 2,
        .core_cpus = {EAL_CPU_ANY, EAL_CPU_ANY},
        .memory_mib = 64 + nic_dpdk_memory_mib(&setup),
        .device = setup.device,
    };
    nic_twin_offer(&at.load->twin);
    if (!eal_start(&eal, reason, sizeof(reason)) ||
        !nic_dpdk_start(&setup, &at.port, reason, sizeof(reason))) {
        fail_msg("%s", reason);
    }
    nic_twin_attach(0);
    at.now_ns = 1000000;
    at.payload = rte_malloc("payload", STREAM_BYTES, 4096); /* Known to DPDK, as an arena is. */
    for (uint32_t i = 0; i < STREAM_BYTES; i++) {
        at.payload[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    /* Where the device may read nothing else, a page of its own stands for what it may. */
    const bool lent =
        nic_dpdk_lend(at.load->lends ? at.payload : (uint8_t *)rte_malloc("page", 4096, 4096),
                      at.load->lends ? STREAM_BYTES : 4096, reason, sizeof(reason));
    assert_true(lent);
    stack_make(&at.ends[0], at.port.queues[0], SERVER_V4);
    stack_make(&at.ends[1], at.port.queues[1], CLIENT_V4);
    nic_twin_damage(at.load->damage);
    return 0;
}

/* ---- The run ---- */

static void turn(void)
{
    at.now_ns += TURN_NS;
    for (uint32_t i = 0; i < 2; i++) {
        (void)stack_receive_turn(at.ends[i].stack, 256, at.now_ns);
        (void)stack_send_turn(at.ends[i].stack, 256, at.now_ns);
        const char *wrong = tcp_invariants(stack_tcp(at.ends[i].stack));
        if (wrong != NULL || nic_twin_wrong() != NULL) {
            fail_msg("%s", wrong != NULL ? wrong : nic_twin_wrong());
        }
    }
}

/* A stream of sends whose parts begin anywhere. */
static void send_more(struct end *end)
{
    while (end->sent_bytes < STREAM_BYTES && end->sends_out < 8) {
        const uint32_t len = (uint32_t)min_u64(SEND_BYTES, STREAM_BYTES - end->sent_bytes);
        const uint8_t *from = at.payload + end->sent_bytes;
        const struct send_part parts[] = {{{from, 17}}, {{from + 17, len - 17}}};
        if (!stack_transport(end->stack)->ops->send(end->connection, parts, 2, 0)) {
            return;
        }
        end->sends_out++;
        end->sent_bytes += len;
    }
}

static void connect_both(void)
{
    struct network_address server = {.port = PORT};
    const struct address address = address_of(SERVER_V4);
    memcpy(server.ip, address.bytes, sizeof(server.ip));
    assert_true(stack_listen(at.ends[0].stack, 0, PORT));
    assert_true(stack_open(at.ends[1].stack, &server, 1, at.now_ns));
    for (uint32_t i = 0; at.ends[0].connection == NULL || at.ends[1].connection == NULL; i++) {
        assert_true(i < TURNS_MAX);
        turn();
    }
}

static void the_port_uses_what_the_device_offers(void **state)
{
    (void)state;
    const struct nic_twin_options *twin = &at.load->twin;
    const uint16_t offloads = at.port.queues[0]->capabilities.offloads;
    const bool cuts = (twin->out_offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0 &&
                      (twin->out_offloads & SUMS_OUT) == SUMS_OUT;
    assert_int_equal(nic_twin_in_used() & SUMS_IN, twin->in_offloads & SUMS_IN);
    assert_true((nic_twin_out_used() & ~twin->out_offloads) == 0);
    assert_int_equal((offloads & NET_OFFLOAD_TSO) != 0, cuts);
    assert_int_equal((nic_twin_out_used() & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0, cuts);
    assert_int_equal((offloads & NET_OFFLOAD_TCP_CHECKSUM) != 0,
                     (twin->out_offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0);
    assert_true(nic_twin_spreads());
    assert_int_equal(at.port.port_queue_count, 2);
}

static bool device_tags(void)
{
    const struct nic_twin_options *twin = &at.load->twin;
    return at.load->vlan != 0 && !at.load->shared && (twin->out_offloads & VLAN_OUT) != 0 &&
           (twin->in_offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) != 0;
}

static bool device_filters(void)
{
    const struct nic_twin_options *twin = &at.load->twin;
    return at.load->vlan != 0 && !at.load->shared && !twin->no_vlans &&
           (twin->in_offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) != 0;
}

/* Frames of another VLAN, of none, and of ours: the last ones reach the stack, which knows nobody
 * of that kind. Where the stack looks at tags itself, it says so of the others. */
static void frames_of_other_vlans_go_no_further(void **state)
{
    (void)state;
    struct nic *nic = at.port.queues[0];
    struct stack *stack = at.ends[0].stack;
    assert_int_equal(nic->capabilities.vlan, device_tags() ? at.load->vlan : 0);
    assert_int_equal(nic_twin_filters(), device_filters());
    const uint64_t foreign = stack_counters(stack)->foreign;
    nic_twin_arrive(0, (uint16_t)(at.load->vlan + 1));
    nic_twin_arrive(0, 0);
    nic_twin_arrive(0, at.load->vlan);
    at.now_ns += TURN_NS;
    (void)stack_receive_turn(stack, 256, at.now_ns);
    assert_int_equal(nic_twin_counters()->filtered, device_filters());
    assert_int_equal(nic->counters.in_other_vlan, device_tags() ? 2u - device_filters() : 0);
    assert_int_equal(stack_counters(stack)->foreign - foreign,
                     device_tags() ? 1 : 3 - (uint32_t)device_filters());
}

static void streams_arrive_whole_both_ways(void **state)
{
    (void)state;
    connect_both();
    for (uint32_t i = 0; at.ends[0].got_bytes < STREAM_BYTES || at.ends[1].got_bytes < STREAM_BYTES;
         i++) {
        assert_true(i < TURNS_MAX && !at.ends[0].closed && !at.ends[1].closed);
        send_more(&at.ends[0]);
        send_more(&at.ends[1]);
        if (at.load->refuses) { /* For a while. */
            nic_twin_refuse(i >= 20 && i < 60 ? 1 : 0);
        }
        turn();
    }
    for (uint32_t i = 0; at.ends[0].sends_out + at.ends[1].sends_out > 0; i++) {
        assert_true(i < TURNS_MAX);
        turn();
    }
}

static void the_device_did_its_part(void **state)
{
    (void)state;
    const struct nic_twin_counters *counted = nic_twin_counters();
    const uint64_t used = nic_twin_out_used();
    const uint64_t copied =
        at.ends[0].nic->counters.out_copied_bytes + at.ends[1].nic->counters.out_copied_bytes;
    const uint64_t segments = 2 * (uint64_t)STREAM_BYTES / MSS_WITH_TIMESTAMPS;
    print_message("%llu packets, %llu cut, %llu frames, %llu chained, %llu copied bytes\n",
                  (unsigned long long)counted->packets, (unsigned long long)counted->uncut,
                  (unsigned long long)counted->frames, (unsigned long long)counted->chained,
                  (unsigned long long)copied);
    assert_null(nic_twin_wrong());
    assert_true(counted->frames >= segments);
    assert_int_equal(counted->tags_put, device_tags() ? counted->packets : 0);
    assert_int_equal(counted->tags_taken > 0, device_tags());
    assert_int_equal(counted->tags_sent > segments, at.load->vlan != 0);
    if (used & RTE_ETH_TX_OFFLOAD_TCP_TSO) { /* Most of the stream. */
        assert_true(counted->uncut > 0 && counted->packets < segments / 2);
    } else {
        assert_int_equal(counted->uncut, 0);
        assert_int_equal(counted->packets, counted->frames);
    }
    assert_int_equal(counted->tcp_sums > 0, (used & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0);
    assert_int_equal(counted->ip_sums > 0,
                     (used & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0 && !at.load->v6);
    if (at.load->lends && at.load->twin.out_offloads != 0 && !at.load->refuses) {
        assert_true(counted->chained > 0 && copied < STREAM_BYTES / 8);
    }
    for (uint32_t i = 0; i < 2; i++) {
        const uint64_t *net = tcp_net(stack_tcp(at.ends[i].stack))->counters;
        assert_int_equal(net[NET_IN_BAD_CHECKSUM], 0);
        if (at.load->damage == 0) {
            assert_int_equal(net[NET_IN_TCP_CHECKSUM], 0);
            assert_int_equal(net[NET_IN_TRUNCATED], 0);
        } else {
            assert_true(net[NET_IN_TCP_CHECKSUM] > 0);
        }
        assert_int_equal(at.ends[i].nic->counters.out_refused > 0, at.load->refuses);
        assert_int_equal(tcp_usage(stack_tcp(at.ends[i].stack)).extents, 0); /* All came back. */
    }
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(loads); i++) {
        if (strcmp(argv[1], loads[i].name) == 0) {
            at.load = &loads[i];
        }
    }
    if (at.load == NULL) {
        (void)fprintf(stderr, "usage: test_nic_offload CASE\n");
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_port_uses_what_the_device_offers),
        cmocka_unit_test(frames_of_other_vlans_go_no_further),
        cmocka_unit_test(streams_arrive_whole_both_ways),
        cmocka_unit_test(the_device_did_its_part),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
