#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/scoreboard.h"
#include "dataplane/tcp/timer.h"
#include "tests/dataplane/tcp/rig.h"

static const struct rig_peer usual = {0};
static const uint64_t ms_ns = 1000000;

/* TIMER_LIFE ends the connection: easy to see. */
static void set_life(uint64_t after_ms)
{
    timer_set(rig.connection, TIMER_LIFE, rig.now_ns + after_ms * ms_ns);
}

static void a_deadline_moved_later_fires_then_and_moves_no_node_before(void **state)
{
    (void)state;
    rig_open(&usual);
    set_life(10);
    const uint64_t armed_ns = rig.connection->armed_ns;
    set_life(30);
    assert_int_equal(rig.connection->armed_ns, armed_ns);
    rig_pass(29);
    assert_non_null(rig.connection);
    rig_pass(2);
    assert_true(rig.closed);
}

static void a_deadline_moved_earlier_fires_earlier(void **state)
{
    (void)state;
    rig_open(&usual);
    set_life(1000);
    set_life(10);
    rig_pass(11);
    assert_true(rig.closed);
}

static void a_cleared_deadline_does_not_fire_nor_hold_others_back(void **state)
{
    (void)state;
    rig_open(&usual);
    set_life(10);
    timer_clear(rig.connection, TIMER_LIFE);
    timer_set(rig.connection, TIMER_ACK, rig.now_ns + 20 * ms_ns);
    rig_pass(15);
    assert_null(rig_take());
    rig_pass(6);
    assert_non_null(rig_take()); /* The ACK. */
    assert_non_null(rig.connection);
}

static void the_timeout_doubles_up_to_its_maximum_and_waits_for_an_ack_held_back(void **state)
{
    (void)state;
    rig.setup.rto_max_ms = 10000;
    rig.setup.peer_ack_delay_ms = 25;
    rig_open(&usual);
    struct tcp_connection *c = rig.connection;
    c->rtt.smoothed_ns = 100 * ms_ns;
    c->rtt.timeout_ns = 300 * ms_ns;
    const struct {
        uint32_t pipe, backoff;
        uint64_t want_ms;
    } table[] = {
        {1460, 0, 325},
        {1461, 0, 300},
        {1461, 1, 600},
        {1461, 5, 9600},
        {1461, 6, 10000},
        {1461, 16, 10000},
        {1461, 99, 10000} /* Shifts no further. */,
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        c->pipe = table[i].pipe;
        c->backoff = table[i].backoff;
        assert_int_equal(timer_retransmit_ns(c), table[i].want_ms * ms_ns);
    }
    c->pipe = 0;
    c->backoff = 0;
}

static void time_out_once(void)
{
    const uint64_t before = rig.connection->timeouts;
    while (rig.connection->timeouts == before) {
        rig_pass(100);
    }
}

static void two_timeouts_of_full_segments_make_them_smaller(void **state)
{
    (void)state; /* RFC 4821: a router drops what is large and says nothing. */
    rig.setup.retries_max = 100;
    rig_open(&usual);
    struct tcp_connection *c = rig.connection;
    rig_send(3000);
    rig_pump();
    static const uint16_t want[] = {1460, 1400, 1400, 536, 536, 536};
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        time_out_once();
        assert_int_equal(c->mss, want[i]);
        assert_int_equal(c->congestion.mss, want[i]);
    }
    assert_int_equal(tcp_counters(rig.tcp)[TCP_MTU_REDUCED], 2);
}

static void timeouts_of_small_segments_do_not(void **state)
{
    (void)state;
    rig.setup.retries_max = 100;
    rig_open(&usual);
    rig_send(536);
    rig_pump();
    for (uint32_t i = 0; i < 4; i++) {
        time_out_once();
    }
    assert_int_equal(rig.connection->mss, 1460);
}

static void an_answer_between_two_timeouts_says_that_full_segments_pass(void **state)
{
    (void)state;
    rig_open(&usual);
    rig_send(3000);
    rig_pump();
    time_out_once();
    rig_ack(1461);
    time_out_once();
    assert_int_equal(rig.connection->mss, 1460);
}

static void keepalives_wait_for_silence(void **state)
{
    (void)state;
    rig.setup.keepalive_idle_ms = 1000;
    rig_open(&usual);
    for (uint32_t i = 0; i < 10; i++) {
        rig_pass(900);
        rig_data(1 + i, 1); /* Something is heard. */
        const struct rig_packet *packet = rig_take();
        assert_non_null(packet);
        assert_int_equal(packet->segment.sequence, 1); /* An ACK, no probe (0). */
        assert_null(rig_take());
    }
    rig_pass(1001);
    const struct rig_packet *probe = rig_take();
    assert_non_null(probe);
    assert_int_equal(probe->segment.sequence, 0);
}

static void a_closed_window_may_stay_closed_for_ever_while_probes_are_answered(void **state)
{
    (void)state; /* RFC 9293 3.8.6.1. */
    rig.setup.retries_max = 3;
    rig_open(&usual);
    struct segment closed = {.flags = SEGMENT_ACK, .ack = 1, .window = 0};
    rig_put(&closed, 1);
    rig_send(10);
    for (uint32_t i = 0; i < 20; i++) {
        while (rig_take() == NULL) {
            rig_pass(100);
        }
        closed = (struct segment){.flags = SEGMENT_ACK, .ack = 1, .window = 0};
        rig_put(&closed, 1);
    }
    assert_non_null(rig.connection);
    for (uint32_t i = 0; i < 20 && rig.connection != NULL; i++) {
        rig_pass(100000); /* And now nobody answers. */
    }
    assert_int_equal(rig.reason, TRANSPORT_TIMED_OUT);
}

static void a_connection_that_ends_fires_none_of_its_other_deadlines(void **state)
{
    (void)state;
    rig.setup.retries_max = 0; /* The first timeout is the last. */
    rig_open(&usual);
    rig_send(10);
    rig_pump();
    rig.taken = rig.left;
    struct tcp_connection *c = rig.connection;
    timer_set(c, TIMER_KEEPALIVE, c->deadlines[TIMER_RETRANSMIT]);
    timer_set(c, TIMER_LIFE, c->deadlines[TIMER_RETRANSMIT]);
    timer_clear(c, TIMER_PROBE);
    rig_pass(3000);
    assert_int_equal(rig.reason, TRANSPORT_TIMED_OUT);
    const struct rig_packet *reset = rig_take();
    assert_non_null(reset);
    assert_true(reset->segment.flags & SEGMENT_RST);
    assert_null(rig_take());
}

/* ---- Quiet turns ---- */

static void a_turn_is_quiet_until_a_timer_an_event_or_a_frame_of_the_stack_is_due(void **state)
{
    (void)state;
    rig.setup.keepalive_idle_ms = 100;
    rig_open(&(struct rig_peer){.mss = 1460});
    assert_true(tcp_quiet(rig.tcp, rig.now_ns));
    assert_false(tcp_quiet(rig.tcp, rig.now_ns + 101000000)); /* The keepalive. */
    struct segment segment = {.flags = SEGMENT_ACK, .ack = 1, .window = 65535, .len = 10};
    rig_put_quietly(&segment, 1);
    assert_false(tcp_quiet(rig.tcp, rig.now_ns)); /* Its user is to be told. */
    rig_pump();
    assert_true(tcp_quiet(rig.tcp, rig.now_ns));
    assert_int_equal(rig.received, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_deadline_moved_later_fires_then_and_moves_no_node_before),
        RIG_TEST(a_deadline_moved_earlier_fires_earlier),
        RIG_TEST(a_cleared_deadline_does_not_fire_nor_hold_others_back),
        RIG_TEST(the_timeout_doubles_up_to_its_maximum_and_waits_for_an_ack_held_back),
        RIG_TEST(two_timeouts_of_full_segments_make_them_smaller),
        RIG_TEST(timeouts_of_small_segments_do_not),
        RIG_TEST(an_answer_between_two_timeouts_says_that_full_segments_pass),
        RIG_TEST(keepalives_wait_for_silence),
        RIG_TEST(a_closed_window_may_stay_closed_for_ever_while_probes_are_answered),
        RIG_TEST(a_connection_that_ends_fires_none_of_its_other_deadlines),
        RIG_TEST(a_turn_is_quiet_until_a_timer_an_event_or_a_frame_of_the_stack_is_due),
    };
    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
