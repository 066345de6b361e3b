/* A DPDK port that hears what it says: net_ring's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/eal.h"
#include "dataplane/net/net.h"
#include "dataplane/nic/nic_dpdk_port.h"

enum { BUFFERS = 512, PINS_MAX = 4096 };

static struct {
    struct nic_dpdk_port port;
    struct nic *nic;
    uintptr_t released[PINS_MAX]; /* Their holders, in order. */
    uint32_t released_count;
    struct packet_out out[NIC_BURST_MAX];
    struct packet_in in[NIC_BURST_MAX];
} at;

static void pin_released(void *context, const struct packet_pin *pin)
{
    assert_ptr_equal(context, &at);
    assert_true(at.released_count < PINS_MAX);
    at.released[at.released_count++] = (uintptr_t)pin->holder;
}

static int start(void **state)
{
    (void)state;
    char reason[256];
    struct nic_dpdk_setup setup = {
        .device = "net_ring0", .queue_count = 1, .buffer_count = BUFFERS, .mtu = 9000};
    const struct eal_setup eal = {
        .journal = journal_create(STDERR_FILENO, "test", 1, JOURNAL_WARNING),
        .core_count = 1,
        .core_cpus = {EAL_CPU_ANY},
        .memory_mib = 32 + nic_dpdk_memory_mib(&setup),
        .device = setup.device,
    };
    if (!eal_start(&eal, reason, sizeof(reason)) ||
        !nic_dpdk_start(&setup, &at.port, reason, sizeof(reason))) {
        fail_msg("%s", reason);
    }
    at.nic = at.port.queues[0];
    at.nic->released = pin_released;
    at.nic->released_context = &at;
    return 0;
}

static uint8_t pattern_at(uint32_t seed, uint32_t i)
{
    return (uint8_t)(seed * 31 + i * 7 + (i >> 8));
}

/* A packet of 54 bytes of headers and parts of the given lengths. */
static void packet_make(struct packet_out *packet, uint32_t seed, uint8_t *payload,
                        const uint32_t *lens, uint32_t count)
{
    for (uint32_t i = 0; i < 54; i++) {
        packet->header[i] = (uint8_t)(seed + i);
    }
    packet->header_len = 54;
    packet->flags = 0;
    packet->part_count = count;
    packet->payload_len = 0;
    for (uint32_t i = 0; i < count; i++) {
        packet->parts[i] = (struct bytes){payload + packet->payload_len, lens[i]};
        for (uint32_t j = 0; j < lens[i]; j++) {
            payload[packet->payload_len + j] = pattern_at(seed, packet->payload_len + j);
        }
        packet->payload_len += lens[i];
    }
    packet->pin = (struct packet_pin){count > 0 ? PACKET_PIN_EXTENTS : PACKET_PIN_NONE, 1,
                                      (void *)(uintptr_t)(seed + 1)};
}

static void frame_check(const struct packet_in *packet, uint32_t seed, uint32_t payload_len)
{
    static uint8_t frame[32768];
    uint32_t len = packet->first.bytes.len;
    memcpy(frame, packet->first.bytes.ptr, len);
    for (uint32_t i = 0; i < packet->more_count; i++) {
        memcpy(frame + len, packet->more[i].bytes.ptr, packet->more[i].bytes.len);
        len += packet->more[i].bytes.len;
    }
    assert_int_equal(len, 54 + payload_len);
    for (uint32_t i = 0; i < 54; i++) {
        assert_int_equal(frame[i], (uint8_t)(seed + i));
    }
    for (uint32_t i = 0; i < payload_len; i++) {
        assert_int_equal(frame[54 + i], pattern_at(seed, i));
    }
}

static void frame_release(const struct packet_in *packet)
{
    at.nic->ops->release(at.nic, packet->first.buffer);
    for (uint32_t i = 0; i < packet->more_count; i++) {
        at.nic->ops->release(at.nic, packet->more[i].buffer);
    }
}

static void send_one(uint32_t seed, uint8_t *payload, const uint32_t *lens, uint32_t count)
{
    const uint32_t prepared = at.nic->ops->prepare(at.nic, at.out, 4);
    assert_int_equal(prepared, 4);
    packet_make(&at.out[0], seed, payload, lens, count);
    at.nic->ops->send(at.nic, at.out, 1, prepared);
}

static void the_device_reports_what_it_is_and_counts(void **state)
{
    (void)state;
    struct nic_dpdk_report report;
    assert_true(nic_dpdk_report(&report));
    assert_string_equal(report.device, "net_ring0");
    assert_string_equal(report.driver, "net_ring");
    assert_int_equal(report.queues, 1);
    assert_true(report.link_up);
    assert_int_equal(report.mtu, 9000);
    assert_in_range(report.buffers, BUFFERS, 65536);
    assert_true(report.out_offered != 0 && (report.out_used & ~report.out_offered) == 0);
    assert_string_equal(nic_dpdk_offload(false, report.out_used), "MULTI_SEGS");
    assert_true(strlen(nic_dpdk_offload(true, UINT64_C(1) << 63)) > 0);
}

static void the_port_says_what_it_can(void **state)
{
    (void)state;
    assert_string_equal(at.port.driver, "net_ring");
    assert_true(at.port.lends);
    assert_false(at.port.wakes);
    assert_int_equal(at.nic->capabilities.mtu, 9000);
    /* No frame leaves the process: nobody has to sum it. */
    assert_int_equal(at.nic->capabilities.offloads,
                     NET_OFFLOAD_IP_CHECKSUM | NET_OFFLOAD_TCP_CHECKSUM | NET_OFFLOAD_TSO);
    assert_int_equal(at.nic->capabilities.parts_max, PACKET_PARTS_MAX);
}

static void an_empty_port_brings_nothing(void **state)
{
    (void)state;
    assert_int_equal(at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX), 0);
}

static void small_payload_is_copied_and_given_back_at_once(void **state)
{
    (void)state;
    uint8_t payload[64];
    const uint32_t lens[] = {10, 40};
    const uint64_t copied = at.nic->counters.out_copied_bytes;
    at.released_count = 0;
    send_one(5, payload, lens, 2);
    assert_int_equal(at.released_count, 1);
    assert_int_equal(at.released[0], 6);
    assert_int_equal(at.nic->counters.out_copied_bytes, copied + 50);
    memset(payload, 0, sizeof(payload));
    assert_int_equal(at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX), 1);
    assert_int_equal(at.in[0].more_count, 0);
    assert_int_equal(at.in[0].flags, PACKET_IP_GOOD | PACKET_L4_GOOD);
    frame_check(&at.in[0], 5, 50);
    frame_release(&at.in[0]);
}

static void large_payload_goes_as_it_lies_until_the_last_part_is_free(void **state)
{
    (void)state;
    static uint8_t payload[2048];
    const uint32_t lens[] = {400, 1, 1000};
    const uint64_t copied = at.nic->counters.out_copied_bytes;
    at.released_count = 0;
    send_one(9, payload, lens, 3);
    assert_int_equal(at.nic->counters.out_copied_bytes, copied);
    assert_int_equal(at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX), 1);
    assert_int_equal(at.in[0].more_count, 3);
    assert_ptr_equal(at.in[0].more[0].bytes.ptr, payload);
    frame_check(&at.in[0], 9, 1401);
    at.nic->ops->release(at.nic, at.in[0].first.buffer);
    at.nic->ops->release(at.nic, at.in[0].more[2].buffer);
    at.nic->ops->release(at.nic, at.in[0].more[0].buffer);
    assert_int_equal(at.released_count, 0);
    at.nic->ops->release(at.nic, at.in[0].more[1].buffer);
    assert_int_equal(at.released_count, 1);
    assert_int_equal(at.released[0], 10);
}

static void an_uncut_packet_arrives_as_the_segments_it_would_have_been(void **state)
{
    (void)state;
    static uint8_t payload[60000];
    const uint32_t lens[] = {40000, 20000};
    const uint32_t prepared = at.nic->ops->prepare(at.nic, at.out, 4);
    packet_make(&at.out[0], 11, payload, lens, 2);
    at.out[0].flags = PACKET_OUT_TSO;
    at.out[0].tso_bytes = 1448;
    at.nic->ops->send(at.nic, at.out, 1, prepared);
    assert_int_equal(at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX), 1);
    assert_int_equal(at.in[0].more_count, 2);
    assert_int_equal(at.in[0].segments, 42);
    assert_ptr_equal(at.in[0].more[1].bytes.ptr, payload + 40000);
    frame_release(&at.in[0]);
    assert_int_equal(at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX), 0);
    send_one(12, payload, lens, 0);
    assert_int_equal(at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX), 1);
    assert_int_equal(at.in[0].segments, 1); /* Its buffer was the long one's. */
    frame_release(&at.in[0]);
}

/* Each packet under way holds a slot: with none left, payload is copied. */
static void payload_beyond_the_slots_is_copied_into_as_many_buffers_as_it_takes(void **state)
{
    (void)state;
    static uint8_t payload[20000]; /* Longer than a buffer of the MTU. */
    static struct packet_piece held[PINS_MAX];
    const uint32_t lens[] = {12000, 8000};
    const uint64_t copied = at.nic->counters.out_copied_bytes;
    uint32_t count = 0;
    at.released_count = 0;
    while (at.nic->counters.out_copied_bytes == copied && count < PINS_MAX) {
        send_one(7, payload, lens, 2);
        assert_int_equal(at.nic->ops->receive(at.nic, at.in, 1), 1);
        assert_int_equal(at.in[0].more_count, 2);
        held[count] = at.in[0].more[at.in[0].more_count - 1]; /* One view of it is kept. */
        frame_check(&at.in[0], 7, 20000);
        at.nic->ops->release(at.nic, at.in[0].first.buffer);
        for (uint32_t i = 0; i + 1 < at.in[0].more_count; i++) {
            at.nic->ops->release(at.nic, at.in[0].more[i].buffer);
        }
        count++;
    }
    assert_int_equal(at.nic->counters.out_copied_bytes, copied + 20000);
    assert_int_equal(at.released_count, 1); /* That one's. */
    for (uint32_t i = 0; i < count; i++) {
        at.nic->ops->release(at.nic, held[i].buffer);
    }
    assert_int_equal(at.released_count, count);
}

static void more_pieces_than_are_taken_are_dropped_with_their_frame(void **state)
{
    (void)state;
    static uint8_t payload[2048];
    uint32_t lens[12];
    for (uint32_t i = 0; i < 12; i++) {
        lens[i] = 100;
    }
    const uint64_t dropped = at.nic->counters.in_dropped;
    at.released_count = 0;
    send_one(3, payload, lens, 12);
    assert_int_equal(at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX), 0);
    assert_int_equal(at.nic->counters.in_dropped, dropped + 1);
    assert_int_equal(at.released_count, 1);
}

static void bursts_keep_their_order_and_no_memory_is_lost(void **state)
{
    (void)state;
    static uint8_t payload[NIC_BURST_MAX][1500];
    for (uint32_t round = 0; round < 1000; round++) {
        const uint32_t lens[] = {100 + round % 300, 700};
        const uint32_t prepared = at.nic->ops->prepare(at.nic, at.out, NIC_BURST_MAX);
        const uint32_t count = 1 + round % NIC_BURST_MAX;
        assert_int_equal(prepared, NIC_BURST_MAX);
        for (uint32_t i = 0; i < count; i++) {
            packet_make(&at.out[i], round + i, payload[i], lens, 1 + i % 2);
        }
        at.nic->ops->send(at.nic, at.out, count, prepared);
        at.released_count = 0;
        assert_int_equal(at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX), count);
        for (uint32_t i = 0; i < count; i++) {
            frame_check(&at.in[i], round + i, lens[0] + (i % 2) * 700);
            frame_release(&at.in[i]);
        }
    }
}

static void buffers_given_back_are_in_their_pools_when_the_port_looks_for_frames(void **state)
{
    (void)state;
    struct rte_mempool *pools[] = {nic_port.queues[0]->buffers, nic_port.queues[0]->headers};
    struct rte_mbuf *mbufs[3 * NIC_BURST_MAX];
    uint32_t before[2];
    assert_int_equal(at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX), 0);
    for (uint32_t i = 0; i < 2; i++) {
        before[i] = rte_mempool_in_use_count(pools[i]);
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(mbufs); i++) { /* More than are kept of one pool. */
        mbufs[i] = rte_pktmbuf_alloc(pools[i >= NIC_BURST_MAX / 2 && i % 16 != 0]);
        assert_non_null(mbufs[i]);
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(mbufs); i++) {
        at.nic->ops->release(at.nic, mbufs[i]);
    }
    assert_int_equal(at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX), 0);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(rte_mempool_in_use_count(pools[i]), before[i]);
    }
}

/* One that others have, too, is theirs as well. */
static void a_buffer_with_another_owner_is_not_taken_from_him(void **state)
{
    (void)state;
    struct rte_mempool *pool = nic_port.queues[0]->buffers;
    const uint32_t before = rte_mempool_in_use_count(pool);
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
    assert_non_null(mbuf);
    rte_mbuf_refcnt_set(mbuf, 2);
    at.nic->ops->release(at.nic, mbuf);
    assert_int_equal(at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX), 0);
    assert_int_equal(rte_mempool_in_use_count(pool), before + 1);
    at.nic->ops->release(at.nic, mbuf);
    assert_int_equal(at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX), 0);
    assert_int_equal(rte_mempool_in_use_count(pool), before);
}

static void a_port_that_takes_nothing_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    static uint8_t payload[600];
    const uint32_t lens[] = {600};
    uint32_t sent = 0;
    at.released_count = 0;
    while (at.nic->ops->prepare(at.nic, at.out, 1) == 1 && sent < 4000) {
        packet_make(&at.out[0], sent++, payload, lens, 1);
        at.nic->ops->send(at.nic, at.out, 1, 1);
    }
    assert_true(sent > 500 && sent < 4000); /* Full: nobody receives. */
    uint32_t tries = 0;
    while (at.nic->ops->prepare(at.nic, at.out, 1) == 0 && tries < 1000) {
        tries++;
    }
    assert_true(tries < 1000 && at.nic->counters.out_full > 0);
    uint32_t got;
    while ((got = at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX)) > 0) {
        for (uint32_t i = 0; i < got; i++) {
            frame_release(&at.in[i]);
        }
    }
    assert_int_equal(at.released_count, sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_port_says_what_it_can),
        cmocka_unit_test(the_device_reports_what_it_is_and_counts),
        cmocka_unit_test(an_empty_port_brings_nothing),
        cmocka_unit_test(small_payload_is_copied_and_given_back_at_once),
        cmocka_unit_test(large_payload_goes_as_it_lies_until_the_last_part_is_free),
        cmocka_unit_test(an_uncut_packet_arrives_as_the_segments_it_would_have_been),
        cmocka_unit_test(payload_beyond_the_slots_is_copied_into_as_many_buffers_as_it_takes),
        cmocka_unit_test(more_pieces_than_are_taken_are_dropped_with_their_frame),
        cmocka_unit_test(bursts_keep_their_order_and_no_memory_is_lost),
        cmocka_unit_test(buffers_given_back_are_in_their_pools_when_the_port_looks_for_frames),
        cmocka_unit_test(a_buffer_with_another_owner_is_not_taken_from_him),
        cmocka_unit_test(a_port_that_takes_nothing_is_not_waited_for_for_ever),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
