/* How a device deals flows out to queues: what it is told, what it says, and whether it does so
 * (nic_twin.h).
 *
 *     test_nic_deal CASE */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "dataplane/eal.h"
#include "dataplane/nic/nic_dpdk.h"
#include "dataplane/nic/toeplitz.h"
#include "tests/dataplane/nic/nic_twin.h"

enum { BUFFERS = 4096, QUEUES = 2, CORES_MORE = 5, ENTRIES = 128, FLOWS = 500, CHECKS = 1024 };

static const struct row {
    const char *name;
    struct nic_twin_options twin;
    uint32_t core_count; /* 0: as many as queues. */
} rows[] = {
    {.name = "all", .twin = {.in_offloads = RTE_ETH_RX_OFFLOAD_RSS_HASH, .table_entries = ENTRIES}},
    {.name = "no-hash", .twin = {.table_entries = ENTRIES}},
    {.name = "own-key", .twin = {.table_entries = ENTRIES, .own_key = true}},
    {.name = "own-table", .twin = {.table_entries = ENTRIES, .own_table = true}},
    {.name = "no-table", .twin = {.in_offloads = RTE_ETH_RX_OFFLOAD_RSS_HASH}},
    {.name = "few-queues",
     .twin = {.table_entries = ENTRIES,
              .out_offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
              .queues_max = QUEUES,
              .frees_late = true},
     .core_count = CORES_MORE},
};

static struct {
    const struct row *row;
    struct nic_dpdk_port port;
} at;

static uint32_t cores(void)
{
    return at.row->core_count == 0 ? QUEUES : at.row->core_count;
}

static int start(void **state)
{
    (void)state;
    char reason[256];
    static uint8_t key[TOEPLITZ_KEY_MAX];
    for (uint32_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)(i * 151 + 7);
    }
    const struct nic_dpdk_setup setup = {
        .device = "net_ring0", .queue_count = cores(), .buffer_count = BUFFERS, .hash_key = key};
    struct eal_setup eal = {
        .journal = journal_create(STDERR_FILENO, "test", 1, JOURNAL_WARNING),
        .core_count = cores(),
        .memory_mib = 32 + nic_dpdk_memory_mib(&setup),
        .device = setup.device,
    };
    for (uint32_t i = 0; i < cores(); i++) {
        eal.core_cpus[i] = EAL_CPU_ANY;
    }
    nic_twin_offer(&at.row->twin);
    if (!eal_start(&eal, reason, sizeof(reason)) ||
        !nic_dpdk_start(&setup, &at.port, reason, sizeof(reason))) {
        fail_msg("%s", reason);
    }
    nic_twin_attach(0);
    return 0;
}

static uint32_t frames_take(uint32_t queue)
{
    struct nic *nic = at.port.queues[queue];
    struct packet_in packets[NIC_BURST_MAX];
    const uint32_t count = nic->ops->receive(nic, packets, NIC_BURST_MAX);
    for (uint32_t i = 0; i < count; i++) {
        nic->ops->release(nic, packets[i].first.buffer);
    }
    return count;
}

static uint64_t differs(void)
{
    return at.port.queues[0]->counters.in_hash_differs +
           at.port.queues[1]->counters.in_hash_differs;
}

static uint32_t sending; /* The core at work, */
static uint32_t given_back[CORES_MORE];

/* and no other one's is touched. */
static void released(void *context, const struct packet_pin *pin)
{
    assert_ptr_equal(context, &given_back[sending]);
    assert_int_equal(pin->kind, PACKET_PIN_EXTENTS);
    given_back[sending]++;
}

/* What each core sends leaves by a queue of the port: its own, or that of a core that hears. */
static void each_core_sends_and_as_many_hear_as_there_are_queues(void **state)
{
    (void)state;
    assert_int_equal(at.port.port_queue_count, QUEUES);
    for (uint32_t core = 0; core < cores(); core++) {
        struct nic *nic = at.port.queues[core];
        struct packet_out packet = {.header_len = 60};
        assert_int_equal(nic->capabilities.silent, core >= QUEUES);
        nic->released = released;
        assert_int_equal(nic->ops->prepare(nic, &packet, 1), 1);
        memset(packet.header, 2, 60);
        nic->ops->send(nic, &packet, 1, 1);
        assert_false(nic->pending);
        assert_int_equal(frames_take((core + 1) % QUEUES), 1); /* The cable's other end. */
        assert_int_equal(nic->ops->receive(nic, &(struct packet_in){0}, 1), 0);
    }
    assert_null(nic_twin_wrong());
}

/* So that together they take the memory that was asked for. */
static void a_queue_has_buffers_for_the_cores_that_it_hears_for(void **state)
{
    const uint32_t heard_for[QUEUES] = {(cores() + 1) / 2, cores() / 2};
    (void)state;
    assert_int_equal(rte_mempool_lookup("in-0")->size - rte_mempool_lookup("in-1")->size,
                     (heard_for[0] - heard_for[1]) * BUFFERS);
}

/* A device frees what it has sent when it is given more, be it another core's. */
static void payload_goes_back_on_the_core_that_lent_it(void **state)
{
    static uint8_t payload[1000];
    (void)state;
    for (uint32_t i = 0; i < 4 * cores(); i++) {
        sending = i % cores();
        struct nic *nic = at.port.queues[sending];
        struct packet_out packet = {.header_len = 60,
                                    .payload_len = sizeof(payload),
                                    .parts = {{payload, sizeof(payload)}},
                                    .part_count = 1,
                                    .pin = {.kind = PACKET_PIN_EXTENTS, .count = 1}};
        nic->released = released;
        nic->released_context = &given_back[sending];
        assert_int_equal(nic->ops->prepare(nic, &packet, 1), 1);
        memset(packet.header, 2, 60);
        nic->ops->send(nic, &packet, 1, 1);
        assert_int_equal(given_back[sending], i / cores() + 1);
        assert_int_equal(frames_take((sending + 1) % QUEUES), 1);
    }
}

static void what_the_device_says_is_told(void **state)
{
    (void)state;
    const struct nic_twin_options *twin = &at.row->twin;
    struct nic_dpdk_report report;
    assert_true(nic_dpdk_report(&report));
    assert_true(report.deals);
    assert_int_equal(report.deal_entries, twin->table_entries);
    assert_int_equal(report.deal_table_ours, twin->table_entries > 0 && !twin->own_table);
    assert_int_equal(report.deal_key_ours, !twin->own_key);
}

static void flows_come_to_the_queues_that_the_table_names(void **state)
{
    (void)state;
    uint32_t got[QUEUES] = {0};
    for (uint32_t i = 0; i < FLOWS; i++) {
        nic_twin_deal(0x0a000002 + i, (uint16_t)(1024 + i * 7));
        got[0] += frames_take(0);
        got[1] += frames_take(1);
    }
    assert_int_equal(got[0] + got[1], FLOWS);
    if (at.row->twin.table_entries > 0 && !at.row->twin.own_table) {
        assert_in_range(got[0], FLOWS / 3, FLOWS - FLOWS / 3); /* Neither has nothing to do. */
    }
    for (uint32_t i = 0; i < QUEUES; i++) {
        assert_int_equal(at.port.queues[i]->counters.in_hash_checked, got[i]);
    }
    assert_int_equal(differs(), 0);
}

static void a_device_that_deals_otherwise_than_it_says_is_found_out(void **state)
{
    (void)state;
    nic_twin_skew();
    for (uint32_t i = 0; i < FLOWS / 2; i++) {
        nic_twin_deal(0x0b000002 + i, (uint16_t)(1024 + i * 7));
        (void)frames_take(0);
        (void)frames_take(1);
    }
    assert_int_equal(differs(), at.row->twin.table_entries > 0 ? FLOWS / 2 : 0);
}

static void only_the_first_frames_are_looked_at(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10 * CHECKS; i++) {
        nic_twin_deal(0x0c000002 + i, 5000);
        assert_int_equal(frames_take(0) + frames_take(1), 1);
    }
    for (uint32_t i = 0; i < QUEUES; i++) {
        const struct nic_counters *counters = &at.port.queues[i]->counters;
        assert_int_equal(counters->in_hash_checked, min_u64(CHECKS, counters->in_frames));
    }
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(rows); i++) {
        if (strcmp(argv[1], rows[i].name) == 0) {
            at.row = &rows[i];
        }
    }
    if (at.row == NULL) {
        (void)fprintf(stderr, "usage: test_nic_deal CASE\n");
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_device_says_is_told),
        cmocka_unit_test(flows_come_to_the_queues_that_the_table_names),
        cmocka_unit_test(a_device_that_deals_otherwise_than_it_says_is_found_out),
        cmocka_unit_test(only_the_first_frames_are_looked_at),
        cmocka_unit_test(each_core_sends_and_as_many_hear_as_there_are_queues),
        cmocka_unit_test(a_queue_has_buffers_for_the_cores_that_it_hears_for),
        cmocka_unit_test(payload_goes_back_on_the_core_that_lent_it),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
