#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/dataplane/tcp/rig.h"

enum {
    ASKED = SEGMENT_SYN | SEGMENT_ECE | SEGMENT_CWR,
    MSS = 1460,
};

static const struct rig_packet *syn(uint8_t flags)
{
    struct segment segment = {.flags = flags, .window = UINT16_MAX, .mss = MSS};
    rig.isn_known = false;
    rig_put(&segment, 0);
    return rig_take();
}

static void listen_with(enum tcp_ecn ecn)
{
    uint32_t listener;
    rig.setup.ecn = ecn;
    rig_start();
    assert_true(tcp_listen(rig.tcp, RIG_OUR_PORT, 8, &listener));
}

static bool peer_is_answered(uint8_t flags)
{
    const struct rig_packet *answer = syn(flags);
    assert_non_null(answer);
    assert_int_equal(answer->ecn, 0); /* 6.1.1: no SYN is marked. */
    assert_int_equal(answer->segment.flags & SEGMENT_CWR, 0);
    const bool echo = (answer->segment.flags & SEGMENT_ECE) != 0;
    struct segment third = {.flags = SEGMENT_ACK, .ack = 1, .window = UINT16_MAX};
    rig_put(&third, 1);
    assert_non_null(rig.connection);
    assert_int_equal(rig.connection->ecn, echo);
    return echo;
}

/* A connection of both that take part, with room for many segments. */
static void open_both(void)
{
    listen_with(TCP_ECN_ANSWER);
    assert_true(peer_is_answered(ASKED));
}

static void a_peer_that_asks_is_answered_where_it_is_wanted(void **state)
{
    (void)state; /* RFC 3168 6.1.1. */
    const struct {
        enum tcp_ecn ours;
        uint8_t flags;
        bool want;
    } table[] = {{TCP_ECN_ANSWER, ASKED, true},
                 {TCP_ECN_ASK, ASKED, true},
                 {TCP_ECN_NEVER, ASKED, false},
                 {TCP_ECN_ANSWER, SEGMENT_SYN, false},
                 {TCP_ECN_ANSWER, SEGMENT_SYN | SEGMENT_ECE, false},
                 {TCP_ECN_ANSWER, SEGMENT_SYN | SEGMENT_CWR, false}};
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        rig_prepare();
        listen_with(table[i].ours);
        assert_int_equal(peer_is_answered(table[i].flags), table[i].want);
        assert_null(rig_end());
    }
}

static void a_cookie_has_no_room_for_it(void **state)
{
    (void)state;
    rig.setup.half_open_count_max = 0;
    listen_with(TCP_ECN_ANSWER);
    assert_false(peer_is_answered(ASKED));
}

static bool we_ask(uint8_t answer_flags)
{
    struct network_address peer = {.port = RIG_PEER_PORT};
    const struct address address = address_of_v4(RIG_PEER);
    memcpy(peer.ip, address.bytes, sizeof(peer.ip));
    rig.isn_known = false;
    struct tcp_connection *c = tcp_connect(rig.tcp, &peer, &rig, rig.now_ns);
    assert_non_null(c);
    rig_pump();
    const struct rig_packet *first = rig_take();
    assert_int_equal(first->segment.flags, ASKED);
    struct segment answer = {.flags = answer_flags, .ack = 1, .window = UINT16_MAX, .mss = MSS};
    rig_put(&answer, 0);
    assert_int_equal(c->state, TCP_ESTABLISHED);
    assert_non_null(rig_take()); /* Its ACK. */
    return c->ecn;
}

static void we_take_part_when_the_answer_says_so_and_not_when_it_repeats_us(void **state)
{
    (void)state;
    const uint8_t answer = SEGMENT_SYN | SEGMENT_ACK;
    rig.setup.ecn = TCP_ECN_ASK;
    rig_start();
    assert_true(we_ask(answer | SEGMENT_ECE));
    assert_false(we_ask(answer));
    assert_false(we_ask(answer | SEGMENT_ECE | SEGMENT_CWR)); /* Flags it does not know. */
}

static void a_syn_sent_again_does_not_ask(void **state)
{
    (void)state; /* 6.1.1.1: something on the way may not like it. */
    struct network_address peer = {.port = RIG_PEER_PORT};
    const struct address address = address_of_v4(RIG_PEER);
    memcpy(peer.ip, address.bytes, sizeof(peer.ip));
    rig.setup.ecn = TCP_ECN_ASK;
    rig_start();
    assert_non_null(tcp_connect(rig.tcp, &peer, &rig, rig.now_ns));
    rig_pump();
    assert_int_equal(rig_take()->segment.flags, ASKED);
    rig_pass(1500);
    assert_int_equal(rig_take()->segment.flags, SEGMENT_SYN);
}

static void only_new_data_says_that_it_may_be_marked(void **state)
{
    (void)state; /* 6.1.4, 6.1.5. */
    open_both();
    rig_data(1, 100);
    rig_pass(50);
    const struct rig_packet *packet = rig_take();
    assert_int_equal(packet->segment.len, 0);
    assert_int_equal(packet->ecn, 0);
    rig_send(1000);
    rig_pump();
    packet = rig_take();
    assert_int_equal(packet->segment.len, 1000);
    assert_int_equal(packet->ecn, NET_ECN_CAPABLE);
    rig_pass(3000);
    packet = rig_take();
    assert_int_equal(packet->segment.len, 1000); /* Again. */
    assert_int_equal(packet->ecn, 0);
}

static void a_mark_is_echoed_until_the_sender_has_heard(void **state)
{
    (void)state; /* 6.1.3. */
    open_both();
    rig.odd.ecn = NET_ECN_MARK;
    rig_data(1, 100);
    const struct rig_packet *packet = rig_take();
    assert_non_null(packet); /* At once. */
    assert_int_equal(packet->segment.flags, SEGMENT_ACK | SEGMENT_ECE);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_IN_MARKED], 1);
    rig_send(10);
    rig_pump();
    assert_true(rig_take()->segment.flags & SEGMENT_ECE);
    struct segment heard = {
        .flags = SEGMENT_ACK | SEGMENT_CWR, .ack = 11, .len = 50, .window = UINT16_MAX};
    rig_put(&heard, 101);
    rig_pass(50);
    packet = rig_take();
    assert_int_equal(packet->segment.flags, SEGMENT_ACK);
    rig.odd.ecn = NET_ECN_MARK; /* Marked, and it says that it has heard of the last. */
    rig_put(
        &(struct segment){
            .flags = SEGMENT_ACK | SEGMENT_CWR, .ack = 11, .len = 50, .window = UINT16_MAX},
        151);
    assert_int_equal(rig_take()->segment.flags, SEGMENT_ACK | SEGMENT_ECE);
}

static void acks_with_an_echo(uint32_t ack)
{
    struct segment segment = {.flags = SEGMENT_ACK | SEGMENT_ECE, .ack = ack, .window = UINT16_MAX};
    rig_put(&segment, 1);
}

static void an_echo_makes_the_window_smaller_once_a_round_trip(void **state)
{
    (void)state; /* 6.1.2. */
    open_both();
    struct tcp_connection *c = rig.connection;
    const uint32_t before = c->congestion.cwnd;
    rig_send(40 * MSS);
    rig_pump();
    const uint32_t first = c->snd_nxt - c->iss;
    acks_with_an_echo(1 + MSS);
    const uint32_t after = c->congestion.cwnd;
    assert_true(after < before && after >= before / 2);
    assert_int_equal(after, c->congestion.ssthresh);
    acks_with_an_echo(1 + 2 * MSS); /* Of the same round trip: no smaller, but no larger. */
    acks_with_an_echo(1 + 3 * MSS);
    acks_with_an_echo(first);
    assert_int_equal(c->congestion.cwnd, after);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_ECN_REDUCED], 1);
    uint32_t told = 0;
    for (const struct rig_packet *packet; (packet = rig_take()) != NULL;) {
        told += (packet->segment.flags & SEGMENT_CWR) != 0;
        assert_true((packet->segment.flags & SEGMENT_CWR) == 0 || packet->segment.len != 0);
    }
    assert_int_equal(told, 1); /* With the first new data after it. */
    acks_with_an_echo(c->snd_nxt - c->iss);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_ECN_REDUCED], 2);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_OUT_RETRANSMITS], 0);
}

static void an_echo_counts_however_much_was_sent_since_the_last(void **state)
{
    (void)state; /* Numbers wrap: half of them lie ahead of any point. */
    const uint32_t since[] = {1, 1u << 30, 0x80000001, 0xc0000000, 0xffff0000};
    for (size_t i = 0; i < ARRAY_SIZE(since); i++) {
        rig_prepare();
        open_both();
        rig_send(2 * MSS);
        rig_pump();
        rig.connection->ecn_point = rig.connection->snd_una - since[i];
        acks_with_an_echo(1 + MSS);
        assert_int_equal(tcp_counters(rig.tcp)[TCP_ECN_REDUCED], 1);
        assert_null(rig_end());
    }
}

static void a_loss_among_what_an_echo_told_of_makes_nothing_smaller_again(void **state)
{
    (void)state; /* 6.1.2: once for the drops and marks of one window. */
    open_both();
    struct tcp_connection *c = rig.connection;
    rig_send(40 * MSS);
    rig_pump();
    acks_with_an_echo(1 + MSS);
    const uint32_t threshold = c->congestion.ssthresh;
    for (uint32_t duplicate = 0; duplicate < 3; duplicate++) {
        rig_ack(1 + MSS);
    }
    assert_int_equal(c->mode, RECOVERY_FAST);
    assert_int_equal(c->congestion.ssthresh, threshold);
    rig_ack(c->snd_nxt - c->iss); /* All of it: the next loss is one of another window. */
    assert_int_equal(c->mode, RECOVERY_OPEN);
    const uint32_t una = c->snd_una - c->iss + MSS;
    for (uint32_t duplicate = 0; duplicate <= 3; duplicate++) {
        rig_ack(una);
    }
    assert_int_equal(c->fast_recoveries, 2);
    assert_true(c->congestion.ssthresh < threshold);
}

/* A timeout that turns out to be none, with and without an echo meanwhile. */
static uint32_t window_after_an_undo(uint8_t echo)
{
    rig_prepare();
    open_both();
    struct tcp_connection *c = rig.connection;
    rig_send(40 * MSS);
    rig_pump();
    const uint32_t before = c->congestion.cwnd;
    for (uint32_t ms = 0; c->mode != RECOVERY_LOSS; ms++) {
        assert_true(ms < 2000);
        rig_pass(1);
    }
    for (uint32_t i = 1; i <= 2; i++) { /* New data follows the first; both were late. */
        struct segment late = {
            .flags = SEGMENT_ACK | echo, .ack = 1 + i * MSS, .window = UINT16_MAX};
        rig_put(&late, 1);
    }
    assert_int_equal(c->undone, 1);
    const uint32_t after = c->congestion.cwnd;
    assert_true(echo != 0 || after >= before);
    assert_true(echo == 0 || after <= before / 2 + MSS);
    assert_null(rig_end());
    return after;
}

static void what_turns_out_to_be_no_loss_takes_no_echo_back(void **state)
{
    (void)state; /* RFC 4015. */
    assert_true(window_after_an_undo(SEGMENT_ECE) < window_after_an_undo(0));
}

static void echoes_without_data_on_the_way_and_of_the_future_say_nothing(void **state)
{
    (void)state;
    open_both();
    const uint32_t before = rig.connection->congestion.cwnd;
    acks_with_an_echo(1);
    acks_with_an_echo(100000);
    assert_int_equal(rig.connection->congestion.cwnd, before);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_ECN_REDUCED], 0);
}

static void without_both_marks_and_flags_mean_nothing(void **state)
{
    (void)state;
    listen_with(TCP_ECN_ANSWER);
    assert_false(peer_is_answered(SEGMENT_SYN));
    rig_send(2 * MSS);
    rig_pump();
    assert_int_equal(rig_take()->ecn, 0);
    acks_with_an_echo(1 + MSS);
    rig.odd.ecn = NET_ECN_MARK;
    rig_data(1, 100);
    rig_pass(50);
    for (const struct rig_packet *packet; (packet = rig_take()) != NULL;) {
        assert_int_equal(packet->segment.flags & (SEGMENT_ECE | SEGMENT_CWR), 0);
    }
    assert_int_equal(tcp_counters(rig.tcp)[TCP_IN_MARKED], 0);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_ECN_REDUCED], 0);
}

/* ---- DCTCP (RFC 8257) ---- */

static void open_counting(void)
{
    rig.setup.congestion = &congestion_dctcp;
    open_both();
}

static void put_marked(uint32_t sequence, uint32_t len, uint8_t ecn)
{
    rig.odd.ecn = ecn;
    rig_data(sequence, len);
}

static void each_ack_tells_of_marked_bytes_or_of_others(void **state)
{
    (void)state; /* RFC 8257 3.2. */
    open_counting();
    rig.connection->quick_acks = 0;
    put_marked(1, 100, 0);
    assert_null(rig_take()); /* It waits for the second segment. */
    put_marked(101, 100, NET_ECN_MARK);
    const struct rig_packet *packet = rig_take();
    assert_non_null(packet); /* What came before the mark, at once. */
    assert_int_equal(packet->segment.ack - rig.connection->rcv_nxt, (uint32_t)-100);
    assert_int_equal(packet->segment.flags, SEGMENT_ACK);
    put_marked(201, 100, NET_ECN_MARK);
    rig_pass(50);
    packet = rig_take();
    assert_int_equal(packet->segment.ack - rig.connection->rcv_nxt, 0);
    assert_int_equal(packet->segment.flags, SEGMENT_ACK | SEGMENT_ECE);
    put_marked(301, 100, NET_ECN_MARK);
    put_marked(401, 100, 0);
    packet = rig_take();
    assert_int_equal(packet->segment.ack - rig.connection->rcv_nxt, (uint32_t)-100);
    assert_int_equal(packet->segment.flags, SEGMENT_ACK | SEGMENT_ECE);
    rig_pass(50);
    packet = rig_take();
    assert_int_equal(packet->segment.ack - rig.connection->rcv_nxt, 0); /* No CWR is waited for. */
    assert_int_equal(packet->segment.flags, SEGMENT_ACK);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_IN_MARKED], 3);
}

/* A round trip of 10 segments, of which so many come back marked, with a window of 100. Returns the
 * window after it. */
static uint32_t round_trip(uint32_t marked)
{
    struct tcp_connection *c = rig.connection;
    c->congestion.cwnd = 100 * MSS;
    rig_send(10 * MSS);
    rig_pump();
    const uint32_t una = c->snd_una - c->iss;
    for (uint32_t i = 1; i <= 10; i++) {
        struct segment segment = {.flags = SEGMENT_ACK, .ack = una + i * MSS, .window = UINT16_MAX};
        segment.flags |= i <= marked ? SEGMENT_ECE : 0;
        rig_put(&segment, 1);
    }
    while (rig_take() != NULL) {
    }
    return c->congestion.cwnd;
}

static void the_window_shrinks_by_half_the_share_that_was_marked(void **state)
{
    (void)state; /* 3.3. */
    open_counting();
    struct tcp_connection *c = rig.connection;
    assert_int_equal(c->congestion.marked_share, DCTCP_SHARE_ONE);
    for (uint32_t i = 0; i < 100; i++) { /* Nothing is marked: the share falls by a 16th each. */
        (void)round_trip(0);
    }
    assert_in_range(c->congestion.marked_share, 0, DCTCP_SHARE_ONE / 400);
    for (uint32_t i = 0; i < 100; i++) {
        (void)round_trip(2);
    }
    assert_in_range(c->congestion.marked_share, DCTCP_SHARE_ONE / 6, DCTCP_SHARE_ONE / 4);
    const uint32_t share = c->congestion.marked_share;
    const uint32_t after = round_trip(2);
    const uint32_t expected =
        100 * MSS - (uint32_t)((uint64_t)100 * MSS * share / DCTCP_SHARE_ONE / 2);
    assert_in_range(after, expected - MSS / 10, expected + MSS);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_OUT_RETRANSMITS], 0);
}

static void a_loss_halves_the_window_whatever_was_marked(void **state)
{
    (void)state; /* 3.4. */
    open_counting();
    struct tcp_connection *c = rig.connection;
    for (uint32_t i = 0; i < 100; i++) {
        (void)round_trip(0);
    }
    c->congestion.cwnd = 40 * MSS;
    rig_send(40 * MSS);
    rig_pump();
    const uint32_t una = c->snd_una - c->iss;
    acks_with_an_echo(una + MSS);
    const uint32_t marked = c->congestion.cwnd;
    assert_true(marked > 39 * MSS); /* Next to nothing had been marked. */
    for (uint32_t duplicate = 0; duplicate < 3; duplicate++) {
        rig_ack(una + MSS);
    }
    assert_int_equal(c->mode, RECOVERY_FAST);
    assert_int_equal(c->congestion.ssthresh, marked / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_peer_that_asks_is_answered_where_it_is_wanted),
        RIG_TEST(a_cookie_has_no_room_for_it),
        RIG_TEST(we_take_part_when_the_answer_says_so_and_not_when_it_repeats_us),
        RIG_TEST(a_syn_sent_again_does_not_ask),
        RIG_TEST(only_new_data_says_that_it_may_be_marked),
        RIG_TEST(a_mark_is_echoed_until_the_sender_has_heard),
        RIG_TEST(an_echo_makes_the_window_smaller_once_a_round_trip),
        RIG_TEST(an_echo_counts_however_much_was_sent_since_the_last),
        RIG_TEST(a_loss_among_what_an_echo_told_of_makes_nothing_smaller_again),
        RIG_TEST(what_turns_out_to_be_no_loss_takes_no_echo_back),
        RIG_TEST(echoes_without_data_on_the_way_and_of_the_future_say_nothing),
        RIG_TEST(without_both_marks_and_flags_mean_nothing),
        RIG_TEST(each_ack_tells_of_marked_bytes_or_of_others),
        RIG_TEST(the_window_shrinks_by_half_the_share_that_was_marked),
        RIG_TEST(a_loss_halves_the_window_whatever_was_marked),
    };
    return cmocka_run_group_tests_name("ecn", tests, NULL, NULL);
}
