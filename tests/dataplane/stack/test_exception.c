/* The exception path by itself, and in a stack between a wire and the kernel that this test plays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/stack/stack.h"
#include "tests/sim/sim_wire.h"

enum { OURS = 0x0a000001, KERNELS = 0x0a000003, BUFFERS = 256 };

static uint32_t woken;

static void wake(void *context)
{
    assert_ptr_equal(context, &woken);
    woken++;
}

static struct exception *make(void)
{
    void *memory = aligned_alloc(64, round_up(exception_memory_bytes(), 64));
    memset(memory, 0, exception_memory_bytes());
    woken = 0;
    return exception_create(memory, wake, &woken);
}

static void frames_are_copied_whole_and_wake_only_who_sleeps(void **state)
{
    (void)state;
    struct exception *exception = make();
    static uint8_t bytes[100];
    const struct packet_piece more = {{bytes + 60, 40}, NULL};
    const struct packet_in packet = {.first = {{bytes, 60}, NULL}, .more = &more, .more_count = 1};
    for (uint32_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    exception_take(exception, &packet);
    assert_int_equal(woken, 0);
    ring_wake_arm(&exception->asleep);
    exception_take(exception, &packet);
    exception_take(exception, &packet);
    assert_int_equal(woken, 1);
    for (uint32_t i = 0; i < 3; i++) {
        const struct exception_frame *frame = ring_peek(&exception->to_kernel);
        assert_int_equal(frame->len, 100);
        assert_memory_equal(frame->bytes, bytes, 100);
        ring_consume(&exception->to_kernel);
    }
    free(exception);
}

static void what_finds_no_room_is_counted_and_dropped(void **state)
{
    (void)state;
    struct exception *exception = make();
    static uint8_t large[EXCEPTION_FRAME_BYTES + 1];
    struct packet_in packet = {.first = {{large, sizeof(large)}, NULL}};
    exception_take(exception, &packet);
    assert_int_equal(exception->dropped, 1);
    packet.first.bytes.len = 64;
    for (uint32_t i = 0; i < EXCEPTION_FRAMES + 5; i++) {
        exception_take(exception, &packet);
    }
    assert_int_equal(exception->given, EXCEPTION_FRAMES);
    assert_int_equal(exception->dropped, 6);
    free(exception);
}

static void the_kernels_frames_leave_and_their_memory_comes_back(void **state)
{
    (void)state;
    struct exception *exception = make();
    static uint8_t headers[4][PACKET_HEADER_BYTES];
    for (uint32_t round = 0; round < 3 * EXCEPTION_FRAMES; round++) {
        struct packet_out packets[4];
        assert_false(exception_waiting(exception));
        for (uint32_t i = 0; i < 4; i++) {
            struct exception_frame *frame = ring_claim(&exception->from_kernel);
            ASSERT(frame != NULL);
            frame->len = 100 + i;
            memset(frame->bytes, (int)(round + i), frame->len);
            ring_publish(&exception->from_kernel);
            packets[i].header = headers[i];
        }
        assert_true(exception_waiting(exception));
        assert_int_equal(exception_output(exception, packets, 3), 3);
        assert_int_equal(exception_output(exception, packets + 3, 1), 1);
        for (uint32_t i = 0; i < 4; i++) {
            assert_int_equal(packets[i].header_len + packets[i].payload_len, 100 + i);
            assert_int_equal(packets[i].header[5], (uint8_t)(round + i));
            assert_int_equal(packets[i].parts[0].ptr[80], (uint8_t)(round + i));
            exception_released(exception, &packets[i].pin);
        }
    }
    assert_int_equal(exception->leaving.used, 0);
    free(exception);
}

/* ---- In a stack ---- */

static void nothing(void *user)
{
    (void)user;
}

/* A UDP frame, as a neighbour sends it. */
static void frame_send(struct nic *from, const struct mac *to, uint32_t v4)
{
    struct packet_out packet;
    const uint32_t prepared = from->ops->prepare(from, &packet, 1);
    assert_int_equal(prepared, 1);
    memset(packet.header, 0, 60);
    memcpy(packet.header, to->bytes, 6);
    memcpy(packet.header + 6, from->capabilities.mac.bytes, 6);
    store_be16(packet.header + 12, 0x0800);
    uint8_t *ip = packet.header + 14;
    ip[0] = 0x45;
    ip[3] = 28;
    ip[8] = 64;
    ip[9] = 17;
    store_be32(ip + 12, 0x0a000002);
    store_be32(ip + 16, v4);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 20; i += 2) {
        sum += load_be16(ip + i);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    store_be16(ip + 10, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
    packet.header_len = 60;
    packet.flags = 0;
    packet.payload_len = 0;
    packet.part_count = 0;
    packet.pin = (struct packet_pin){0};
    from->ops->send(from, &packet, 1, prepared);
}

static void a_stack_gives_what_is_not_ours_and_sends_what_the_kernel_says(void **state)
{
    (void)state;
    const struct sim_wire_options options = {.seed = 1, .delay_ns = 1000};
    static const struct transport_user calls = {.on_end = nothing};
    struct sim_wire *wire = sim_wire_create(&options);
    struct nic *ours = sim_port_create(wire, 1, false, 2 * BUFFERS, NULL, NULL);
    struct nic *other = sim_port_create(wire, 2, false, BUFFERS, NULL, NULL);
    const struct stack_setup setup = {.nic = ours,
                                      .user = &calls,
                                      .v4 = OURS,
                                      .prefix_bits = 24,
                                      .secret = {1, 2, 3, 4},
                                      .connection_count_max = 4,
                                      .receive_buffer_count = BUFFERS};
    void *memory = aligned_alloc(64, round_up(stack_memory_bytes(&setup), 64));
    memset(memory, 0, stack_memory_bytes(&setup));
    struct stack *stack = stack_create(memory, &setup, 1000);
    struct exception *exception = make();
    frame_send(other, &ours->capabilities.mac, KERNELS);
    sim_wire_set_now(wire, 100000);
    (void)stack_receive_turn(stack, 64, 100000);
    assert_int_equal(stack_counters(stack)->foreign, 1); /* Nobody is there to have it. */
    stack_share(stack, exception);
    frame_send(other, &ours->capabilities.mac, KERNELS);
    frame_send(other, &ours->capabilities.mac, OURS);
    sim_wire_set_now(wire, 200000);
    (void)stack_receive_turn(stack, 64, 200000);
    assert_int_equal(exception->given, 1);
    const struct exception_frame *got = ring_peek(&exception->to_kernel);
    assert_int_equal(load_be32(got->bytes + 30), KERNELS);
    assert_int_equal(sim_port_held(ours), 0); /* Its buffer is back. */

    struct exception_frame *frame = ring_claim(&exception->from_kernel);
    ASSERT(frame != NULL);
    memcpy(frame->bytes, other->capabilities.mac.bytes, 6);
    memcpy(frame->bytes + 6, ours->capabilities.mac.bytes, 6);
    memset(frame->bytes + 12, 0x55, 988);
    frame->len = 1000;
    ring_publish(&exception->from_kernel);
    assert_false(stack_quiet(stack));
    (void)stack_send_turn(stack, 64, 200000);
    assert_true(stack_quiet(stack));
    sim_wire_set_now(wire, 5000000);
    struct packet_in packets[NIC_BURST_MAX];
    uint32_t found = 0;
    const uint32_t count = other->ops->receive(other, packets, NIC_BURST_MAX);
    for (uint32_t i = 0; i < count; i++) { /* ARP of ours is there, too. */
        uint32_t len = packets[i].first.bytes.len;
        for (uint32_t part = 0; part < packets[i].more_count; part++) {
            len += packets[i].more[part].bytes.len;
            other->ops->release(other, packets[i].more[part].buffer);
        }
        found += len == 1000 && packets[i].first.bytes.ptr[12] == 0x55;
        other->ops->release(other, packets[i].first.buffer);
    }
    assert_int_equal(found, 1);
    ours->ops->reclaim(ours);
    assert_int_equal(exception->leaving.used, 0);
    sim_port_destroy(ours);
    sim_port_destroy(other);
    sim_wire_destroy(wire);
    free(memory);
    free(exception);
}

static void a_tagged_stack_says_its_vlan_and_takes_no_other(void **state)
{
    (void)state;
    const struct sim_wire_options options = {.seed = 1, .delay_ns = 1000};
    static const struct transport_user calls = {.on_end = nothing};
    struct sim_wire *wire = sim_wire_create(&options);
    struct nic *ours = sim_port_create(wire, 1, false, 2 * BUFFERS, NULL, NULL);
    struct nic *other = sim_port_create(wire, 2, false, BUFFERS, NULL, NULL);
    const struct stack_setup setup = {.nic = ours,
                                      .user = &calls,
                                      .v4 = OURS,
                                      .prefix_bits = 24,
                                      .vlan = 7,
                                      .secret = {1, 2, 3, 4},
                                      .connection_count_max = 4,
                                      .receive_buffer_count = BUFFERS};
    void *memory = aligned_alloc(64, round_up(stack_memory_bytes(&setup), 64));
    memset(memory, 0, stack_memory_bytes(&setup));
    struct stack *stack = stack_create(memory, &setup, 1000);
    frame_send(other, &ours->capabilities.mac, OURS); /* Untagged. */
    for (uint64_t now_ns = 100000; now_ns < 5000000; now_ns += 100000) {
        sim_wire_set_now(wire, now_ns);
        (void)stack_receive_turn(stack, 64, now_ns);
        (void)stack_send_turn(stack, 64, now_ns);
    }
    assert_int_equal(stack_counters(stack)->foreign, 1);
    struct packet_in packets[NIC_BURST_MAX];
    const uint32_t count = other->ops->receive(other, packets, NIC_BURST_MAX);
    assert_true(count > 0); /* It announces its address. */
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(load_be16(packets[i].first.bytes.ptr + 12), 0x8100);
        assert_int_equal(load_be16(packets[i].first.bytes.ptr + 14), 7);
        other->ops->release(other, packets[i].first.buffer);
    }
    sim_port_destroy(ours);
    sim_port_destroy(other);
    sim_wire_destroy(wire);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_copied_whole_and_wake_only_who_sleeps),
        cmocka_unit_test(what_finds_no_room_is_counted_and_dropped),
        cmocka_unit_test(the_kernels_frames_leave_and_their_memory_comes_back),
        cmocka_unit_test(a_tagged_stack_says_its_vlan_and_takes_no_other),
        cmocka_unit_test(a_stack_gives_what_is_not_ours_and_sends_what_the_kernel_says),
    };
    return cmocka_run_group_tests_name("exception", tests, NULL, NULL);
}
