#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/dataplane/tcp/rig.h"

static const struct rig_peer usual = {0};

static void a_port_has_one_listener_and_a_stack_sixteen(void **state)
{
    (void)state;
    uint32_t listener;
    rig_start();
    for (uint16_t i = 0; i < TCP_LISTENERS_MAX; i++) {
        assert_true(tcp_listen(rig.tcp, (uint16_t)(100 + i), 8, &listener));
        assert_int_equal(listener, i);
        assert_false(tcp_listen(rig.tcp, (uint16_t)(100 + i), 8, &listener));
    }
    assert_false(tcp_listen(rig.tcp, 99, 8, &listener));
    tcp_stop_listening(rig.tcp, 5);
    assert_true(tcp_listen(rig.tcp, 99, 8, &listener));
    assert_int_equal(listener, 5);
}

static void initial_numbers_follow_a_clock_and_a_key(void **state)
{
    (void)state; /* RFC 9293 MUST-8 and MUST-9, RFC 6528. */
    const uint64_t us_ns = 1000;
    rig_start();
    struct flow_key key = {.local = address_of_v4(RIG_US),
                           .remote = address_of_v4(RIG_PEER),
                           .local_port = RIG_OUR_PORT,
                           .remote_port = RIG_PEER_PORT};
    const uint32_t first = tcp_isn(rig.tcp, &key, rig.now_ns);
    const uint32_t later = tcp_isn(rig.tcp, &key, rig.now_ns + 4096 * us_ns);
    assert_int_equal(later - first, 1000);
    uint32_t close = 0;
    for (uint16_t port = 1; port <= 1000; port++) {
        key.remote_port = port;
        const uint32_t apart = tcp_isn(rig.tcp, &key, rig.now_ns) - first;
        close += apart + (1 << 20) < 1 << 21;
    }
    assert_true(close < 10); /* One in 2,000 by chance. */
    key.remote_port = RIG_PEER_PORT;
    rig.tcp->isn_key.words[0] ^= 1;
    assert_int_not_equal(tcp_isn(rig.tcp, &key, rig.now_ns), first);
}

static void a_user_that_refuses_a_connection_hears_of_it_no_more(void **state)
{
    (void)state;
    rig_start();
    rig.refusing = true;
    struct tcp_connection *c = rig_connection(2000);
    assert_int_equal(c->state, TCP_CLOSED);
    rig_pump();
    assert_int_equal(tcp_usage(rig.tcp).connections, 0);
    assert_false(rig.closed);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_REFUSED], 1);
    assert_true(rig_take()->segment.flags & SEGMENT_RST);
}

static void a_send_is_refused_over_the_limit_but_one_is_always_taken(void **state)
{
    (void)state;
    rig.setup.send_bytes_max = 1000;
    rig_open(&usual);
    rig_send(5000); /* Larger than the limit, and the only one. */
    assert_false(rig_try_send(1));
    rig_pump();
    rig_ack(4000);
    assert_int_equal(rig.rooms, 0);
    rig_pump();
    rig_ack(5001);
    assert_int_equal(rig.returned, 1);
    assert_int_equal(rig.rooms, 1); /* Once, though asked of each delivery. */
    rig_pump();
    assert_int_equal(rig.rooms, 1);
    rig_send(1);
}

static void one_connection_with_much_out_refuses_another_only_its_second_send(void **state)
{
    (void)state;
    rig.setup.send_bytes_core_max = 1000;
    rig.several = true;
    rig_open(&usual);
    rig_send(1000);
    struct tcp_connection *large = rig.connection;
    struct tcp_connection *small = rig_connection(2000);
    static const uint8_t byte[1];
    const struct send_part part = {{byte, 1}};
    assert_true(tcp_send(small, &part, 1, 0));
    assert_false(tcp_send(small, &part, 1, 1));
    tcp_abort(large);
    (void)tcp_deliver(rig.tcp, 10, rig.now_ns);
    assert_int_equal(rig.rooms, 1); /* What the other had is free. */
    tcp_abort(small);
}

static void who_never_finds_room_hides_nobody_behind_him(void **state)
{
    (void)state;
    enum { OTHERS = 80 }; /* More than a delivery looks at. */
    static const uint8_t byte[1];
    const struct send_part part = {{byte, 1}};
    struct tcp_connection *others[OTHERS];
    rig.setup.connection_count_max = OTHERS + 2;
    rig.setup.extent_count_max = 2 * OTHERS;
    rig.setup.send_bytes_core_max = 1;
    rig.several = true;
    rig_open(&usual);
    struct tcp_connection *own = rig.connection;
    for (uint16_t i = 0; i < OTHERS; i++) {
        others[i] = rig_connection((uint16_t)(2000 + i));
        assert_true(tcp_send(others[i], &part, 1, 0));
        assert_false(tcp_send(others[i], &part, 1, 1));
    }
    rig.connection = own;
    rig_send(1);
    rig_pump();
    assert_false(rig_try_send(1));
    rig_ack(2); /* Now this one has nothing out. */
    rig_pump();
    assert_int_equal(rig.rooms, 1);
    for (uint32_t i = 0; i < OTHERS; i++) {
        tcp_abort(others[i]);
    }
}

static void a_send_waits_until_there_are_as_many_extents_as_it_has_parts(void **state)
{
    (void)state;
    rig.setup.extent_count_max = 4;
    rig_open(&usual);
    static const uint8_t bytes[3] = {0, 7, 14};
    const struct send_part parts[3] = {{{bytes, 1}}, {{bytes + 1, 1}}, {{bytes + 2, 1}}};
    rig_send(1);
    rig_send(1);
    assert_false(tcp_send(rig.connection, parts, 3, 2));
    rig_pump();
    assert_int_equal(rig.rooms, 0);
    rig_ack(2);
    assert_int_equal(rig.rooms, 1); /* One came back: three are free. */
    rig_ack(3);
}

static void room_is_told_to_no_more_than_is_promised_in_one_delivery(void **state)
{
    (void)state;
    enum { CONNECTIONS = 80, LOOKS = 64 };
    static const uint8_t byte[1];
    const struct send_part part = {{byte, 1}};
    struct tcp_connection *all[CONNECTIONS];
    rig.setup.connection_count_max = CONNECTIONS;
    rig.setup.extent_count_max = CONNECTIONS;
    rig_start();
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        all[i] = rig_connection((uint16_t)(2000 + i));
    }
    for (uint64_t i = 0; i < CONNECTIONS; i++) { /* One takes all. */
        assert_true(tcp_send(all[0], &part, 1, i));
    }
    for (uint32_t i = 1; i < CONNECTIONS; i++) {
        assert_false(tcp_send(all[i], &part, 1, 0));
    }
    tcp_abort(all[0]);
    (void)tcp_deliver(rig.tcp, CONNECTIONS, rig.now_ns);
    assert_int_equal(rig.rooms, LOOKS);
    (void)tcp_deliver(rig.tcp, CONNECTIONS, rig.now_ns);
    assert_int_equal(rig.rooms, CONNECTIONS - 1);
}

static void paused_nothing_is_told_and_resumed_all_of_it(void **state)
{
    (void)state;
    rig_open(&usual);
    tcp_pause(rig.connection);
    rig_data(1, 100);
    struct segment fin = {
        .flags = SEGMENT_ACK | SEGMENT_FIN, .window = UINT16_MAX, .ack = 1, .len = 100};
    rig_put(&fin, 101);
    assert_int_equal(rig.received, 0);
    assert_false(rig.ended);
    tcp_resume(rig.connection);
    rig_pump();
    assert_int_equal(rig.received, 200);
    assert_true(rig.ended); /* Behind the data. */
}

static void what_came_in_order_before_an_end_is_told_before_it(void **state)
{
    (void)state;
    rig_open(&usual);
    tcp_pause(rig.connection);
    struct segment fin = {
        .flags = SEGMENT_ACK | SEGMENT_FIN, .window = UINT16_MAX, .ack = 1, .len = 100};
    rig_put(&fin, 1);
    struct segment reset = {.flags = SEGMENT_RST};
    struct tcp_connection *c = rig.connection;
    rig_put(&reset, 102);
    assert_int_equal(c->state, TCP_CLOSED);
    assert_false(rig.closed); /* The paused user has something to read. */
    tcp_resume(c);
    rig_pump();
    assert_int_equal(rig.received, 100);
    assert_true(rig.closed);
    assert_int_equal(rig.reason, TRANSPORT_RESET);
}

static void a_buffer_may_be_released_when_its_connection_is_gone(void **state)
{
    (void)state;
    rig_open(&usual);
    rig.holding = true;
    rig_data(1, 100);
    tcp_abort(rig.connection);
    rig_pump();
    assert_true(rig.closed);
    struct tcp_connection *next = rig_connection(2000); /* Takes the slot. */
    const uint32_t held = next->held;
    assert_int_equal(rig.buffers_out, 1);
    rig_release_held();
    assert_int_equal(rig.buffers_out, 0);
    assert_int_equal(next->held, held);
}

static void a_delivery_calls_no_more_connections_than_its_budget(void **state)
{
    (void)state;
    rig_start();
    for (uint16_t i = 0; i < 5; i++) {
        (void)tcp_deliver(rig.tcp, 10, rig.now_ns);
        connection_notify(rig_connection((uint16_t)(2000 + i)));
    }
    for (uint32_t i = 0; i < rig.setup.connection_count_max; i++) {
        if (rig.tcp->connections.slots[i].generation % 2 == 1) {
            connection_notify(pool_at(&rig.tcp->connections, i));
        }
    }
    assert_int_equal(tcp_deliver(rig.tcp, 3, rig.now_ns), 3);
    assert_int_equal(tcp_deliver(rig.tcp, 3, rig.now_ns), 2);
    assert_int_equal(tcp_deliver(rig.tcp, 3, rig.now_ns), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_port_has_one_listener_and_a_stack_sixteen),
        RIG_TEST(initial_numbers_follow_a_clock_and_a_key),
        RIG_TEST(a_user_that_refuses_a_connection_hears_of_it_no_more),
        RIG_TEST(a_send_is_refused_over_the_limit_but_one_is_always_taken),
        RIG_TEST(one_connection_with_much_out_refuses_another_only_its_second_send),
        RIG_TEST(who_never_finds_room_hides_nobody_behind_him),
        RIG_TEST(a_send_waits_until_there_are_as_many_extents_as_it_has_parts),
        RIG_TEST(room_is_told_to_no_more_than_is_promised_in_one_delivery),
        RIG_TEST(paused_nothing_is_told_and_resumed_all_of_it),
        RIG_TEST(what_came_in_order_before_an_end_is_told_before_it),
        RIG_TEST(a_buffer_may_be_released_when_its_connection_is_gone),
        RIG_TEST(a_delivery_calls_no_more_connections_than_its_budget),
    };
    return cmocka_run_group_tests_name("user", tests, NULL, NULL);
}
