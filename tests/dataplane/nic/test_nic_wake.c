/* A core's wait for a device that interrupts (nic_twin.h): what one queue sends the other receives.
 *
 *     test_nic_wake CASE */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/eal.h"
#include "dataplane/nic/nic_dpdk.h"
#include "tests/dataplane/nic/nic_twin.h"

enum { BUFFERS = 512, FRAME_BYTES = 60, ROUNDS = 1000 };

static const struct row {
    const char *name;
    struct nic_twin_options twin;
    bool polled;
    bool wakes;
} rows[] = {
    {"interrupts", {.vectors = 2}, false, true},
    {"few-vectors", {.vectors = 1}, false, false},
    {"deaf", {.deaf = true}, false, false},
    {"polled", {.vectors = 2}, true, false},
};

static struct {
    const struct row *row;
    struct nic_dpdk_port port;
} at;

static void pin_released(void *context, const struct packet_pin *pin)
{
    (void)context;
    (void)pin;
}

static int start(void **state)
{
    (void)state;
    char reason[256];
    const struct nic_dpdk_setup setup = {
        .device = "net_ring0", .queue_count = 2, .buffer_count = BUFFERS, .polled = at.row->polled};
    const struct eal_setup eal = {
        .journal = journal_create(STDERR_FILENO, "test", 1, JOURNAL_WARNING),
        .core_count = 2,
        .core_cpus = {EAL_CPU_ANY, EAL_CPU_ANY},
        .memory_mib = 32 + nic_dpdk_memory_mib(&setup),
        .device = setup.device,
    };
    nic_twin_offer(&at.row->twin);
    if (!eal_start(&eal, reason, sizeof(reason)) ||
        !nic_dpdk_start(&setup, &at.port, reason, sizeof(reason))) {
        fail_msg("%s", reason);
    }
    nic_twin_attach(0);
    at.port.queues[0]->released = at.port.queues[1]->released = pin_released;
    return 0;
}

static void frame_send(uint32_t from)
{
    struct nic *nic = at.port.queues[from];
    struct packet_out packet[1];
    assert_int_equal(nic->ops->prepare(nic, packet, 1), 1);
    packet[0] = (struct packet_out){.header = packet[0].header, .header_len = FRAME_BYTES};
    memset(packet[0].header, 0xff, FRAME_BYTES);
    nic->ops->send(nic, packet, 1, 1);
}

static uint32_t frames_take(uint32_t queue)
{
    struct nic *nic = at.port.queues[queue];
    struct packet_in packets[NIC_BURST_MAX];
    const uint32_t count = nic->ops->receive(nic, packets, NIC_BURST_MAX);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(packets[i].first.bytes.len, FRAME_BYTES);
        nic->ops->release(nic, packets[i].first.buffer);
    }
    return count;
}

static bool told(uint32_t queue)
{
    struct pollfd wait = {.fd = at.port.queues[queue]->capabilities.wake_fd, .events = POLLIN};
    return poll(&wait, 1, 0) == 1;
}

static bool arm(uint32_t queue)
{
    return at.port.queues[queue]->ops->arm(at.port.queues[queue]);
}

static void disarm(uint32_t queue)
{
    at.port.queues[queue]->ops->disarm(at.port.queues[queue]);
}

static void the_port_says_whether_a_frame_wakes(void **state)
{
    (void)state;
    assert_int_equal(at.port.wakes, at.row->wakes);
    assert_int_equal(nic_twin_interrupts(), at.row->wakes || at.row->twin.deaf);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(at.port.queues[i]->capabilities.wake_fd >= 0, at.row->wakes);
        assert_int_equal(at.port.queues[i]->ops->arm != NULL, at.row->wakes);
    }
    frame_send(1); /* It serves, in any case. */
    assert_int_equal(frames_take(0), 1);
    assert_int_equal(nic_twin_counters()->interrupts, 0); /* Nobody asked for one. */
}

static void a_frame_that_comes_while_armed_tells_its_queue_once(void **state)
{
    (void)state;
    for (uint32_t i = 0; at.row->wakes && i < ROUNDS; i++) {
        const uint64_t before = nic_twin_counters()->interrupts;
        assert_true(arm(0) && arm(1));
        assert_true(!told(0) && !told(1));
        frame_send(1);
        frame_send(1);
        assert_true(told(0) && !told(1));
        disarm(0);
        disarm(1);
        assert_true(!told(0) && !told(1)); /* The counter was read. */
        assert_int_equal(frames_take(0), 2);
        assert_int_equal(nic_twin_counters()->interrupts, before + 1);
    }
    assert_null(nic_twin_wrong());
}

static void what_came_before_says_nothing_and_is_found_by_looking(void **state)
{
    (void)state;
    if (at.row->wakes) {
        frame_send(1);
        assert_true(arm(0));
        assert_false(told(0));
        assert_int_equal(frames_take(0), 1);
        disarm(0);
        frame_send(1);
        assert_false(told(0));
        assert_int_equal(frames_take(0), 1);
    }
}

static void one_that_nobody_waited_for_is_over_with_disarming(void **state)
{
    (void)state;
    if (at.row->wakes) {
        assert_true(arm(0));
        frame_send(1);
        assert_int_equal(frames_take(0), 1); /* By looking once more. */
        disarm(0);
        assert_false(told(0));
        assert_true(arm(0));
        assert_false(told(0));
        disarm(0);
    }
}

static void stopping_lets_go_of_the_descriptors(void **state)
{
    (void)state;
    const int fd = at.port.queues[0]->capabilities.wake_fd;
    nic_dpdk_stop();
    assert_int_equal(at.port.queues[0]->capabilities.wake_fd, -1);
    assert_true(fd < 0 || close(fd) != 0);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(rows); i++) {
        if (strcmp(argv[1], rows[i].name) == 0) {
            at.row = &rows[i];
        }
    }
    if (at.row == NULL) {
        (void)fprintf(stderr, "usage: test_nic_wake CASE\n");
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_port_says_whether_a_frame_wakes),
        cmocka_unit_test(a_frame_that_comes_while_armed_tells_its_queue_once),
        cmocka_unit_test(what_came_before_says_nothing_and_is_found_by_looking),
        cmocka_unit_test(one_that_nobody_waited_for_is_over_with_disarming),
        cmocka_unit_test(stopping_lets_go_of_the_descriptors),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
