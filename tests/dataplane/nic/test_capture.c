/* The hook around a queue that this test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/nic/capture.h"

enum { FRAME_BYTES = 100 };

static struct {
    struct nic nic;
    struct capture *capture;
    uint32_t sends;
    uint8_t frame[FRAME_BYTES];
} at;

static uint32_t queue_receive(struct nic *nic, struct packet_in *packets, uint32_t count)
{
    static struct packet_piece more;
    assert_ptr_equal(nic, &at.nic);
    assert_true(count > 0);
    more = (struct packet_piece){{at.frame + 60, FRAME_BYTES - 60}, NULL};
    packets[0] =
        (struct packet_in){.first = {{at.frame, 60}, NULL}, .more = &more, .more_count = 1};
    return 1;
}

static void queue_send(struct nic *nic, const struct packet_out *packets, uint32_t count,
                       uint32_t prepared)
{
    assert_ptr_equal(nic, &at.nic);
    assert_non_null(packets);
    assert_true(count <= prepared);
    at.sends += count;
}

static const struct nic_ops ops = {.receive = queue_receive, .send = queue_send};

/* An Ethernet frame of IPv4 with these ports. */
static void frame_make(uint8_t protocol, uint16_t from, uint16_t to)
{
    for (uint32_t i = 0; i < FRAME_BYTES; i++) {
        at.frame[i] = (uint8_t)i;
    }
    store_be16(at.frame + 12, 0x0800);
    at.frame[14] = 0x45;
    store_be16(at.frame + 20, 0);
    at.frame[23] = protocol;
    store_be16(at.frame + 34, from);
    store_be16(at.frame + 36, to);
}

static void start(uint16_t port, uint32_t snap)
{
    const struct capture_options options = {.port = port, .snap = snap};
    memset(&at, 0, sizeof(at));
    at.nic.ops = &ops;
    at.capture =
        capture_create(aligned_alloc(64, round_up(capture_memory_bytes(&options), 64)), &options);
    capture_attach(at.capture, &at.nic);
    at.capture->now_ns = 77;
    frame_make(6, 1234, 9092);
}

static void end(void)
{
    capture_detach(at.capture, &at.nic);
    assert_ptr_equal(at.nic.ops, &ops); /* Nothing is left of it. */
    assert_null(at.nic.capture);
    free(at.capture);
}

static void receive(void)
{
    struct packet_in packets[4];
    assert_int_equal(at.nic.ops->receive(&at.nic, packets, 4), 1);
}

static void send(void)
{
    struct packet_out packet = {.header = at.frame,
                                .header_len = 54,
                                .part_count = 2,
                                .payload_len = FRAME_BYTES - 54,
                                .parts = {{at.frame + 54, 6}, {at.frame + 60, FRAME_BYTES - 60}}};
    at.nic.ops->send(&at.nic, &packet, 1, 3);
}

static void check(bool out, uint32_t captured)
{
    const struct capture_record *record = capture_peek(at.capture);
    assert_non_null(record);
    assert_int_equal(record->out, out);
    assert_int_equal(record->now_ns, 77);
    assert_int_equal(record->len, FRAME_BYTES);
    assert_int_equal(record->captured, captured);
    assert_memory_equal(record->bytes, at.frame, captured);
    capture_consume(at.capture);
}

static void both_directions_are_copied_whole(void **state)
{
    (void)state;
    start(0, 256);
    receive();
    send();
    assert_int_equal(at.sends, 1);
    check(false, FRAME_BYTES);
    check(true, FRAME_BYTES);
    assert_null(capture_peek(at.capture));
    assert_int_equal(at.capture->seen, 2);
    end();
}

static void no_more_is_kept_than_asked_for(void **state)
{
    (void)state;
    start(0, 64);
    receive();
    send();
    check(false, 64);
    check(true, 64);
    end();
}

static void only_the_port_asked_for_is_kept(void **state)
{
    static const struct {
        uint8_t protocol;
        uint16_t from, to;
        uint16_t fragment;
        bool wanted;
    } rows[] = {{6, 1, 9092, 0, true},     {6, 9092, 1, 0, true},  {17, 9092, 1, 0, true},
                {6, 9093, 9091, 0, false}, {1, 9092, 1, 0, false}, {6, 9092, 1, 5, false},
                {6, 9092, 1, 0x4000, true}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        start(9092, 256);
        frame_make(rows[i].protocol, rows[i].from, rows[i].to);
        store_be16(at.frame + 20, rows[i].fragment);
        receive();
        send();
        assert_int_equal(at.capture->seen, rows[i].wanted ? 2 : 0);
        assert_int_equal(at.sends, 1);
        end();
    }
    start(9092, 256);
    store_be16(at.frame + 12, 0x0806);
    receive();
    assert_int_equal(at.capture->seen, 0);
    end();
}

static void a_reader_that_does_not_read_costs_frames_and_nothing_else(void **state)
{
    (void)state;
    start(0, CAPTURE_SNAP_MAX);
    for (uint32_t i = 0; i < 1000; i++) {
        receive();
    }
    assert_int_equal(at.capture->seen, 1000);
    assert_in_range(at.capture->dropped, 1, 999);
    uint32_t kept = 0;
    while (capture_peek(at.capture) != NULL) {
        check(false, FRAME_BYTES);
        kept++;
    }
    assert_int_equal(kept + at.capture->dropped, 1000);
    receive(); /* And goes on. */
    check(false, FRAME_BYTES);
    end();
}

static void the_ring_stays_within_its_bound(void **state)
{
    (void)state;
    for (uint32_t snap = CAPTURE_SNAP_MIN; snap <= CAPTURE_SNAP_MAX; snap += 61) {
        const struct capture_options options = {.snap = snap};
        assert_in_range(capture_memory_bytes(&options), CAPTURE_MEMORY_BYTES / 4,
                        CAPTURE_MEMORY_BYTES + sizeof(struct capture) + 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_are_copied_whole),
        cmocka_unit_test(no_more_is_kept_than_asked_for),
        cmocka_unit_test(only_the_port_asked_for_is_kept),
        cmocka_unit_test(a_reader_that_does_not_read_costs_frames_and_nothing_else),
        cmocka_unit_test(the_ring_stays_within_its_bound),
    };
    return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
