#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/dataplane/tcp/rig.h"

static const struct rig_peer usual = {0};
static const struct rig_peer with_timestamps = {.timestamps = true};

/* A segment of the peer's, as a change of the one that would come next. */
static struct segment next_segment(void)
{
    const struct tcp_connection *c = rig.connection;
    return (struct segment){.flags = SEGMENT_ACK,
                            .window = UINT16_MAX,
                            .ack = c->snd_una - rig.our_isn,
                            .len = 10,
                            .has_timestamp = c->timestamps,
                            .tsval = c->ts_recent,
                            .tsecr = rig.our_tsval};
}

static uint32_t next_sequence(void)
{
    return rig.connection->rcv_nxt - RIG_PEER_ISN;
}

static void the_short_way_is_for_what_would_pass_every_check(void **state)
{
    (void)state;
    const struct {
        int32_t sequence; /* Beside the next. */
        uint8_t flags;
        int32_t tsval; /* Beside the newest. */
        uint32_t len;
        bool no_timestamp;
        bool want;
    } table[] = {
        {0, SEGMENT_ACK, 0, 10, false, true},
        {0, SEGMENT_ACK | SEGMENT_PSH, 5, 1400, false, true},
        {0, SEGMENT_ACK, 0, 0, false, true},
        {0, SEGMENT_ACK | SEGMENT_FIN, 0, 10, false, false},
        {0, SEGMENT_ACK | SEGMENT_SYN, 0, 10, false, false},
        {0, SEGMENT_PSH, 0, 10, false, false},
        {1, SEGMENT_ACK, 0, 10, false, false},
        {-1, SEGMENT_ACK, 0, 10, false, false},
        {0, SEGMENT_ACK, -1, 10, false, false},
        {0, SEGMENT_ACK, 0, 10, true, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        rig_prepare();
        rig_open(&with_timestamps);
        const uint64_t before = tcp_counters(rig.tcp)[TCP_IN_FAST];
        struct segment segment = next_segment();
        segment.flags = table[i].flags;
        segment.len = table[i].len;
        segment.tsval += (uint32_t)table[i].tsval;
        segment.has_timestamp = !table[i].no_timestamp;
        rig_put(&segment, next_sequence() + (uint32_t)table[i].sequence);
        assert_int_equal(tcp_counters(rig.tcp)[TCP_IN_FAST] - before, table[i].want);
        assert_int_equal(rig.received, table[i].want ? table[i].len : rig.received);
        assert_null(rig_end());
    }
}

static void the_short_way_ends_where_the_window_does(void **state)
{
    (void)state;
    rig.setup.receive_bytes_min = rig.setup.receive_bytes_max = 2048;
    rig_open(&usual);
    rig.holding = true;
    struct segment segment = next_segment();
    segment.len = 1400;
    rig_put(&segment, 1);
    const uint64_t before = tcp_counters(rig.tcp)[TCP_IN_FAST];
    segment = next_segment();
    segment.len = 649; /* One beyond: 2048 - 1400 are left. */
    rig_put(&segment, 1401);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_IN_FAST], before);
    assert_int_equal(rig.received, 2048);
}

static void a_timestamp_that_stood_for_24_days_is_not_old(void **state)
{
    (void)state; /* RFC 7323 5.5: by then the peer's clock may have passed half its circle. */
    const struct {
        uint64_t days;
        bool want;
    } table[] = {{0, false}, {23, false}, {24, true}};
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        rig_prepare();
        rig_open(&with_timestamps);
        struct segment segment = next_segment();
        segment.tsval -= 1;
        rig.now_ns += table[i].days * 24 * 3600 * 1000000000;
        rig_put(&segment, 1);
        assert_int_equal(rig.received, table[i].want ? 10 : 0);
        assert_int_equal(tcp_counters(rig.tcp)[TCP_IN_PAWS], !table[i].want);
        assert_null(rig_end());
    }
}

static void the_window_is_that_of_the_newest_segment(void **state)
{
    (void)state; /* RFC 9293 3.10.7.4. In the order of the rows. */
    const struct {
        uint32_t sequence, ack, window, want;
    } rows[] = {
        {21, 1, 5000, 5000},   /* A later sequence number. */
        {11, 1, 9000, 5000},   /* An earlier one: sent before. */
        {21, 1, 6000, 6000},   /* The same, and the same ACK: an update. */
        {11, 101, 7000, 7000}, /* Earlier, a retransmission, but it acknowledges more. */
        {11, 1, 8000, 7000},   /* An older ACK. */
        {11, 101, 100, 100},
    };
    rig_open(&usual);
    rig_data(1, 10);
    rig_send(100);
    rig_pump();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct segment segment = {
            .flags = SEGMENT_ACK, .ack = rows[i].ack, .window = rows[i].window};
        rig_put(&segment, rows[i].sequence);
        assert_int_equal(rig.connection->snd_wnd, rows[i].want);
    }
}

static void a_window_is_scaled_but_not_in_a_syn(void **state)
{
    (void)state; /* RFC 7323 2.2. */
    rig_open(&(struct rig_peer){.wscale = 3});
    struct tcp_connection *c = rig.connection;
    assert_int_equal(c->snd_scale, 3);
    struct segment segment = next_segment();
    segment.window = 1000;
    rig_put(&segment, 1);
    assert_int_equal(c->snd_wnd, 8000);
    assert_int_equal(c->snd_wnd_max, UINT16_MAX << 3);
    assert_int_equal(c->zero_windows, 0);
    segment = next_segment();
    segment.window = 0;
    rig_put(&segment, 11);
    segment = next_segment();
    segment.window = 0;
    rig_put(&segment, 21);
    assert_int_equal(c->zero_windows, 1); /* Closed once. */
}

static void an_icmp_about_a_smaller_path_sends_only_what_is_too_large_again(void **state)
{
    (void)state;
    rig_open(&usual);
    struct tcp_connection *c = rig.connection;
    const uint32_t cwnd = c->congestion.cwnd;
    rig_send(500);
    rig_pump();
    rig_send(1460);
    rig_pump();
    rig_put_icmp(ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, 1040, 1);
    rig.taken = 2;
    while (rig.taken < rig.left) {
        assert_true(rig_take()->segment.sequence != 1);
    }
    assert_int_equal(c->mss, 1000);
    assert_int_equal(c->bytes_retransmitted, 1460);
    assert_int_equal(c->congestion.cwnd, cwnd); /* No congestion. */
    assert_int_equal(c->mode, RECOVERY_OPEN);
}

static void a_reset_before_the_handshake_of_a_connection_of_ours_names_its_reason(void **state)
{
    (void)state;
    struct network_address peer = {.port = RIG_PEER_PORT};
    const struct address address = address_of_v4(RIG_PEER);
    memcpy(peer.ip, address.bytes, sizeof(peer.ip));
    rig_start();
    rig.connection = tcp_connect(rig.tcp, &peer, &rig, rig.now_ns);
    rig_pump();
    struct segment reset = {.flags = SEGMENT_RST | SEGMENT_ACK, .ack = 1};
    rig_put(&reset, 0);
    assert_true(rig.closed);
    assert_false(rig.opened);
    assert_int_equal(rig.reason, TRANSPORT_RESET);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_REFUSED], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(the_short_way_is_for_what_would_pass_every_check),
        RIG_TEST(the_short_way_ends_where_the_window_does),
        RIG_TEST(a_timestamp_that_stood_for_24_days_is_not_old),
        RIG_TEST(the_window_is_that_of_the_newest_segment),
        RIG_TEST(a_window_is_scaled_but_not_in_a_syn),
        RIG_TEST(an_icmp_about_a_smaller_path_sends_only_what_is_too_large_again),
        RIG_TEST(a_reset_before_the_handshake_of_a_connection_of_ours_names_its_reason),
    };
    return cmocka_run_group_tests_name("input", tests, NULL, NULL);
}
