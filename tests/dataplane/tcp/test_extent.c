#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/dataplane/tcp/rig.h"

static const struct rig_peer usual = {0};

static void a_packet_names_no_more_parts_than_the_port_takes(void **state)
{
    (void)state;
    rig.net_setup.parts_max = 2;
    rig_open(&usual);
    for (uint32_t i = 0; i < 5; i++) {
        rig_send(10);
    }
    rig_pump();
    static const uint32_t want_parts[] = {2, 2, 1};
    for (size_t i = 0; i < ARRAY_SIZE(want_parts); i++) {
        const struct rig_packet *packet = rig_take();
        assert_non_null(packet);
        assert_int_equal(packet->part_count, want_parts[i]);
        assert_int_equal(packet->segment.len, 10 * want_parts[i]);
        assert_int_equal(packet->segment.sequence, 1 + 20 * i);
    }
    assert_null(rig_take());
}

static void an_acknowledged_send_stays_lent_until_the_port_is_done(void **state)
{
    (void)state;
    rig_open(&usual);
    rig.keep_pins = true;
    rig_send(100);
    rig_pump();
    assert_int_equal(rig.pin_count, 1);
    rig_ack(101);
    assert_int_equal(rig.returned, 0);
    assert_false(extent_any_done(rig.connection));
    assert_int_equal(tcp_usage(rig.tcp).pinned_bytes, 100);
    rig_release_pins();
    assert_true(extent_any_done(rig.connection));
    rig_pump();
    assert_int_equal(rig.returned, 1);
    assert_int_equal(tcp_usage(rig.tcp).pinned_bytes, 0);
}

static void sends_come_back_in_order_though_packets_do_not(void **state)
{
    (void)state;
    rig_open(&usual);
    rig.keep_pins = true;
    rig_send(2000); /* Two packets name the first send, the second of them both. */
    rig_send(500);
    rig_pump();
    assert_int_equal(rig.pin_count, 2);
    assert_int_equal(rig.pins[1].count, 2);
    rig_ack(2501);
    tcp_released(rig.tcp, &rig.pins[1]);
    rig_pump();
    assert_int_equal(rig.returned, 0); /* The first packet still names the first send. */
    tcp_released(rig.tcp, &rig.pins[0]);
    rig.pin_count = 0;
    rig_pump();
    assert_int_equal(rig.returned, 2);
}

static void one_send_of_many_parts_comes_back_once(void **state)
{
    (void)state;
    rig_open(&usual);
    static const uint8_t bytes[3] = {0, 7, 14}; /* The stream's first. */
    const struct send_part parts[3] = {{{bytes, 1}}, {{bytes + 1, 1}}, {{bytes + 2, 1}}};
    assert_true(tcp_send(rig.connection, parts, 3, rig.sends++));
    rig.given += 3;
    rig_pump();
    rig_ack(3); /* Two of the three parts. */
    assert_int_equal(rig.returned, 0);
    assert_int_equal(tcp_usage(rig.tcp).extents, 1);
    rig_ack(4);
    assert_int_equal(rig.returned, 1);
}

static void an_empty_send_comes_back_behind_what_was_sent_before_it(void **state)
{
    (void)state;
    rig_open(&usual);
    rig_send(0);
    rig_pump();
    assert_int_equal(rig.returned, 1); /* Nothing to wait for. */
    rig_send(10);
    rig_send(0);
    rig_send(10);
    rig_pump();
    assert_int_equal(rig.returned, 1);
    rig_ack(11);
    assert_int_equal(rig.returned, 3);
    rig_ack(21);
    assert_int_equal(rig.returned, 4);
}

static void a_part_sent_again_lies_before_the_cursor(void **state)
{
    (void)state;
    rig_open(&usual);
    struct packet_out out = {0};
    for (uint32_t i = 0; i < 4; i++) {
        rig_send(100);
    }
    struct tcp_connection *c = rig.connection;
    const uint32_t first = c->snd_una;
    assert_int_equal(extent_gather(c, first + 350, 50, &out), 50);
    tcp_released(rig.tcp, &out.pin);
    assert_int_equal(extent_gather(c, first + 50, 100, &out), 100);
    assert_int_equal(out.part_count, 2);
    assert_int_equal(out.parts[0].len, 50);
    assert_int_equal(out.parts[0].ptr[0], rig_byte(50));
    assert_int_equal(out.parts[1].ptr[0], rig_byte(100));
    tcp_released(rig.tcp, &out.pin);
}

/* Every way to cut a row of parts, some of them empty, gives the bytes that stand there. */
static void any_range_gathers_its_own_bytes(void **state)
{
    (void)state;
    static const uint32_t lens[] = {1, 0, 7, 3, 0, 0, 20, 1, 1, 0, 9};
    rig_open(&usual);
    struct tcp_connection *c = rig.connection;
    for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
        rig_send(lens[i]);
    }
    const uint32_t total = (uint32_t)rig.given;
    for (uint32_t from = 0; from < total; from++) {
        for (uint32_t len = 1; len <= total - from; len++) {
            struct packet_out out = {0};
            const uint32_t got = extent_gather(c, c->snd_una + from, len, &out);
            uint32_t at = from;
            assert_true(got == len || (got < len && out.part_count == rig.net_setup.parts_max));
            assert_int_equal(out.payload_len, got);
            for (uint32_t i = 0; i < out.part_count; i++) {
                assert_int_not_equal(out.parts[i].len, 0);
                for (uint32_t j = 0; j < out.parts[i].len; j++) {
                    assert_int_equal(out.parts[i].ptr[j], rig_byte(at++));
                }
            }
            assert_int_equal(at, from + got);
            tcp_released(rig.tcp, &out.pin);
        }
    }
    for (const struct extent *extent = c->extents; extent != NULL; extent = extent->next) {
        assert_int_equal(extent->pins, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_packet_names_no_more_parts_than_the_port_takes),
        RIG_TEST(an_acknowledged_send_stays_lent_until_the_port_is_done),
        RIG_TEST(sends_come_back_in_order_though_packets_do_not),
        RIG_TEST(one_send_of_many_parts_comes_back_once),
        RIG_TEST(an_empty_send_comes_back_behind_what_was_sent_before_it),
        RIG_TEST(a_part_sent_again_lies_before_the_cursor),
        RIG_TEST(any_range_gathers_its_own_bytes),
    };
    return cmocka_run_group_tests_name("extent", tests, NULL, NULL);
}
