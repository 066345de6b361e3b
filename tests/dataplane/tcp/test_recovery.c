#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/recovery.h"
#include "dataplane/tcp/scoreboard.h"
#include "tests/dataplane/tcp/rig.h"

static const struct rig_peer with_timestamps = {.timestamps = true};
static const uint64_t ms_ns = 1000000;

enum { PAYLOAD = 1460 - SEGMENT_TIMESTAMP_BYTES };

/* count full segments in flight, sent a millisecond apart. A round trip takes 40 ms. */
static struct tcp_connection *flight(uint32_t count)
{
    rig_open(&with_timestamps);
    struct tcp_connection *c = rig.connection;
    c->rtt.smoothed_ns = c->rtt.min_ns = 40 * ms_ns;
    c->rtt.timeout_ns = 500 * ms_ns;
    c->congestion.cwnd = count * PAYLOAD;
    for (uint32_t i = 0; i < count; i++) {
        rig_send(PAYLOAD);
        rig_pump();
        rig.now_ns += ms_ns;
    }
    rig.now_ns += 40 * ms_ns - count * ms_ns;
    rig.taken = rig.left;
    return c;
}

/* The number of the first byte of segment `index`. */
static uint32_t segment_at(uint32_t index)
{
    return 1 + index * PAYLOAD;
}

/* An ACK up to a segment that SACKs others: [first, behind). first == behind: none. */
static void ack_segments(uint32_t upto, uint32_t first, uint32_t behind, uint32_t tsecr)
{
    struct segment segment = {.flags = SEGMENT_ACK,
                              .window = UINT16_MAX,
                              .ack = segment_at(upto),
                              .has_timestamp = true,
                              .tsval = 1001,
                              .tsecr = tsecr,
                              .sack_count = first != behind};
    segment.sacks[0] = (struct segment_range){segment_at(first), segment_at(behind)};
    rig_put(&segment, 1);
}

static uint32_t count_left(void)
{
    uint32_t count = 0;
    while (rig_take() != NULL) {
        count++;
    }
    return count;
}

static void one_out_of_order_waits_a_quarter_of_the_least_round_trip(void **state)
{
    (void)state; /* RFC 8985 6.2. */
    struct tcp_connection *c = flight(10);
    rig.now_ns += ms_ns; /* The second's answer: exactly one round trip old. */
    ack_segments(0, 1, 2, rig.our_tsval);
    assert_int_equal(c->mode, RECOVERY_OPEN);
    /* It left a millisecond earlier than the one that arrived. */
    const uint64_t want_ns = rig.now_ns - ms_ns + 10 * ms_ns;
    assert_int_equal(c->deadlines[TIMER_REORDER], want_ns);
    rig_pass(8);
    assert_int_equal(c->mode, RECOVERY_OPEN);
    rig_pass(2);
    assert_int_equal(c->mode, RECOVERY_FAST);
    assert_int_equal(c->fast_recoveries, 1);
}

static void duplicates_count_however_much_was_sent_since_the_last_loss(void **state)
{
    (void)state; /* Numbers wrap: half of them lie ahead of any point. */
    const uint32_t since[] = {1, 0x80000001, 0xc0000000, 0xffff0000};
    for (size_t i = 0; i < ARRAY_SIZE(since); i++) {
        rig_prepare();
        rig_open(&(struct rig_peer){.no_sack = true});
        struct tcp_connection *c = rig.connection;
        c->reno_recover = c->snd_una - since[i];
        c->reno_recover_valid = true;
        rig_send(8 * 1460);
        rig_pump();
        for (uint32_t duplicate = 0; duplicate < 3; duplicate++) {
            rig_ack(1);
        }
        assert_int_equal(c->fast_recoveries, 1);
        assert_null(rig_end());
    }
}

static void it_arrives_in_time_and_nothing_is_concluded(void **state)
{
    (void)state;
    struct tcp_connection *c = flight(10);
    rig.now_ns += ms_ns;
    ack_segments(0, 1, 2, rig.our_tsval);
    ack_segments(2, 2, 2, rig.our_tsval);
    rig_pass(20);
    assert_int_equal(c->mode, RECOVERY_OPEN);
    assert_int_equal(c->retransmits, 0);
    assert_true(c->reordering); /* But remembered. */
}

static void a_dsack_widens_the_window_of_reordering_once_a_round_trip(void **state)
{
    (void)state; /* RFC 8985 6.2, step 4. */
    struct tcp_connection *c = flight(10);
    const struct ack_result dsack = {.dsack = true};
    recovery_on_ack(c, &dsack, rig.now_ns);
    recovery_on_ack(c, &dsack, rig.now_ns);
    assert_int_equal(c->reorder_steps, 2);
    ack_segments(10, 10, 10, rig.our_tsval);
    recovery_on_ack(c, &dsack, rig.now_ns);
    assert_int_equal(c->reorder_steps, 3);
    for (uint32_t i = 0; i < 100; i++) {
        c->dsack_round_valid = false;
        recovery_on_ack(c, &dsack, rig.now_ns);
    }
    assert_int_equal(c->reorder_steps, 64);
}

static void a_wide_window_shrinks_after_sixteen_recoveries_without_a_dsack(void **state)
{
    (void)state;
    struct tcp_connection *c = flight(1);
    const struct ack_result dsack = {.dsack = true};
    recovery_on_ack(c, &dsack, rig.now_ns);
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(c->reorder_steps, 2);
        c->mode = RECOVERY_FAST;
        c->recovery_point = c->snd_una;
        recovery_on_ack(c, &(struct ack_result){0}, rig.now_ns);
        assert_int_equal(c->mode, RECOVERY_OPEN);
    }
    assert_int_equal(c->reorder_steps, 1);
}

static void recovery_sends_in_proportion_to_what_arrives(void **state)
{
    (void)state; /* RFC 6937: half of what is delivered while more is in flight than ssthresh. */
    struct tcp_connection *c = flight(20);
    for (uint32_t i = 0; i < 40; i++) {
        rig_send(PAYLOAD); /* Enough to go on with. */
    }
    rig.now_ns += 20 * ms_ns;
    ack_segments(0, 1, 4, rig.our_tsval); /* Three behind the first: it is lost. */
    assert_int_equal(c->mode, RECOVERY_FAST);
    assert_int_equal(c->congestion.ssthresh, 10 * PAYLOAD);
    uint32_t sent = count_left();
    assert_int_equal(sent, 1); /* Half of three: the lost one. */
    for (uint32_t i = 5; i <= 12; i++) {
        ack_segments(0, 1, i, rig.our_tsval);
        sent += count_left();
    }
    assert_int_equal(sent, 5); /* Half of eleven. */
}

static void the_end_of_a_recovery_sets_the_window_it_was_for(void **state)
{
    (void)state;
    struct tcp_connection *c = flight(20);
    rig.now_ns += 20 * ms_ns;
    ack_segments(0, 1, 4, rig.our_tsval);
    assert_int_equal(c->recovery_point, c->snd_nxt);
    c->cwnd_limited = false; /* Else this ACK lets it grow already. */
    ack_segments(20, 20, 20, rig.our_tsval);
    assert_int_equal(c->mode, RECOVERY_OPEN);
    assert_int_equal(c->congestion.cwnd, 10 * PAYLOAD);
}

static void a_recovery_is_undone_when_each_repeat_arrived_twice(void **state)
{
    (void)state; /* RFC 3708. */
    for (uint32_t repeats = 1; repeats <= 2; repeats++) {
        rig_prepare();
        struct tcp_connection *c = flight(10);
        c->mode = RECOVERY_FAST;
        c->recovery_point = c->snd_nxt;
        c->prior_cwnd = 20 * PAYLOAD;
        c->prior_ssthresh = WINDOW_MAX;
        c->undo_valid = true;
        c->prr_flight = 10 * PAYLOAD;
        c->congestion.cwnd = 5 * PAYLOAD;
        c->congestion.ssthresh = 5 * PAYLOAD;
        for (uint32_t i = 0; i < repeats; i++) {
            recovery_sent(c, PAYLOAD, true, 1);
        }
        recovery_on_ack(c, &(struct ack_result){.dsack = true}, rig.now_ns);
        assert_int_equal(c->mode, repeats == 1 ? RECOVERY_OPEN : RECOVERY_FAST);
        assert_int_equal(c->congestion.cwnd == 20 * PAYLOAD, repeats == 1);
        assert_int_equal(c->undone, repeats == 1);
        assert_null(rig_end());
    }
}

static void after_a_timeout_something_never_repeated_says_that_it_was_none(void **state)
{
    (void)state; /* RFC 5682 3.1. */
    struct tcp_connection *c = flight(10);
    rig.setup.rto_min_ms = 200;
    const uint32_t cwnd = c->congestion.cwnd;
    recovery_on_timeout(c, rig.now_ns);
    assert_int_equal(c->congestion.cwnd, PAYLOAD);
    assert_int_equal(c->lost_bytes, 10 * PAYLOAD);
    connection_wake(c);
    rig_pump();                           /* The first goes out again. */
    ack_segments(0, 4, 5, rig.our_tsval); /* The fifth did not, and arrives. */
    assert_int_equal(c->mode, RECOVERY_OPEN);
    assert_int_equal(c->congestion.cwnd, cwnd);
    assert_int_equal(c->lost_bytes, 0);
    assert_int_equal(c->undone, 1);
}

static void a_second_timeout_in_a_row_is_not_in_question(void **state)
{
    (void)state;
    struct tcp_connection *c = flight(10);
    recovery_on_timeout(c, rig.now_ns);
    assert_int_equal(c->frto, 1);
    const uint32_t ssthresh = c->congestion.ssthresh;
    recovery_on_timeout(c, rig.now_ns);
    assert_int_equal(c->frto, 0);
    assert_int_equal(c->congestion.ssthresh, ssthresh); /* One loss, one reduction. */
}

static void a_probe_is_due_after_two_round_trips_and_later_for_a_single_segment(void **state)
{
    (void)state; /* RFC 8985 7.2. */
    const struct {
        uint32_t segments;
        bool sack;
        uint64_t timeout_ms;
        uint64_t want_ms; /* 0: none. */
    } table[] = {
        {2, true, 500, 80}, {1, true, 500, 80 + 40}, /* Its ACK may be held back. */
        {2, false, 500, 0}, {2, true, 80, 0},        /* The timeout comes first. */
        {0, true, 500, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        rig_prepare();
        rig.setup.peer_ack_delay_ms = 40;
        struct tcp_connection *c = flight(table[i].segments);
        c->sack = table[i].sack;
        c->deadlines[TIMER_RETRANSMIT] = rig.now_ns + table[i].timeout_ms * ms_ns;
        recovery_arm_probe(c, rig.now_ns);
        assert_int_equal(c->deadlines[TIMER_PROBE], table[i].want_ms == 0
                                                        ? UINT64_MAX
                                                        : rig.now_ns + table[i].want_ms * ms_ns);
        assert_null(rig_end());
    }
}

static void without_sack_duplicates_count_as_segments_that_left(void **state)
{
    (void)state; /* RFC 6582: or the window would stay full of what has arrived. */
    struct tcp_connection *c = flight(10);
    c->sack = false;
    const struct ack_result duplicate = {.duplicate = true};
    for (uint32_t i = 1; i <= 2; i++) {
        recovery_on_ack(c, &duplicate, rig.now_ns);
        assert_int_equal(recovery_pipe(c), (10 - i) * PAYLOAD);
        assert_int_equal(c->mode, RECOVERY_OPEN);
    }
    recovery_on_ack(c, &duplicate, rig.now_ns);
    assert_int_equal(c->mode, RECOVERY_FAST);
    assert_int_equal(c->lost_bytes, PAYLOAD);
    for (uint32_t i = 0; i < 100; i++) {
        recovery_on_ack(c, &duplicate, rig.now_ns);
    }
    assert_int_equal(recovery_pipe(c), 0); /* And never below. */
    c->sack = true;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(one_out_of_order_waits_a_quarter_of_the_least_round_trip),
        RIG_TEST(duplicates_count_however_much_was_sent_since_the_last_loss),
        RIG_TEST(it_arrives_in_time_and_nothing_is_concluded),
        RIG_TEST(a_dsack_widens_the_window_of_reordering_once_a_round_trip),
        RIG_TEST(a_wide_window_shrinks_after_sixteen_recoveries_without_a_dsack),
        RIG_TEST(recovery_sends_in_proportion_to_what_arrives),
        RIG_TEST(the_end_of_a_recovery_sets_the_window_it_was_for),
        RIG_TEST(a_recovery_is_undone_when_each_repeat_arrived_twice),
        RIG_TEST(after_a_timeout_something_never_repeated_says_that_it_was_none),
        RIG_TEST(a_second_timeout_in_a_row_is_not_in_question),
        RIG_TEST(a_probe_is_due_after_two_round_trips_and_later_for_a_single_segment),
        RIG_TEST(without_sack_duplicates_count_as_segments_that_left),
    };
    return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
