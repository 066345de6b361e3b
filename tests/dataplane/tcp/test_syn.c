#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/syn.h"
#include "tests/dataplane/tcp/rig.h"

static uint32_t listener;

static void begin(uint32_t half_opens, uint32_t backlog)
{
    rig.setup.half_open_count_max = half_opens;
    rig_start();
    assert_true(tcp_listen(rig.tcp, RIG_OUR_PORT, backlog, &listener));
}

/* A SYN of another port of the peer each time. Returns the SYN-ACK. */
static const struct rig_packet *syn_from(uint16_t port, uint16_t mss, bool timestamps)
{
    struct segment syn = {.source_port = port,
                          .flags = SEGMENT_SYN,
                          .window = UINT16_MAX,
                          .mss = mss,
                          .has_timestamp = timestamps,
                          .tsval = 1000};
    rig.isn_known = false;
    rig_put(&syn, 0);
    return rig_take();
}

static struct tcp_connection *answer_from(uint16_t port, uint32_t ack, uint32_t tsecr)
{
    struct segment third = {.source_port = port,
                            .flags = SEGMENT_ACK,
                            .window = UINT16_MAX,
                            .ack = ack,
                            .has_timestamp = tsecr != 0,
                            .tsval = 1001,
                            .tsecr = tsecr};
    rig.connection = NULL;
    rig_put(&third, 1);
    return rig.connection;
}

static void a_cookie_says_the_largest_mss_not_above_the_peers(void **state)
{
    (void)state; /* RFC 4987 3.6. */
    const struct {
        uint16_t mtu, said, want;
    } table[] = {
        {1500, 0, 536},     {1500, 100, 216},   {1500, 216, 216},   {1500, 535, 216},
        {1500, 536, 536},   {1500, 1199, 536},  {1500, 1200, 1200}, {1500, 1400, 1360},
        {1500, 1440, 1440}, {1500, 1459, 1440}, {1500, 1460, 1460}, {1500, 9000, 1460},
        {9000, 4311, 1460}, {9000, 8939, 4312}, {9000, 8940, 8940}, {9000, 8960, 8940},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        rig_prepare();
        rig.net_setup.mtu = table[i].mtu;
        begin(0, 8);
        assert_non_null(syn_from(2000, table[i].said, false));
        const struct tcp_connection *c = answer_from(2000, 1, 0);
        assert_non_null(c);
        assert_int_equal(c->mss, table[i].want);
        assert_null(rig_end());
    }
}

/* The options of a SYN, through the timestamp and back. */
static void check_options(bool has_scale, uint8_t scale, bool sack, uint64_t now_ns)
{
    struct segment syn = {.source_port = 2000,
                          .flags = SEGMENT_SYN,
                          .window = UINT16_MAX,
                          .mss = 1460,
                          .has_timestamp = true,
                          .tsval = 1000,
                          .has_wscale = has_scale,
                          .wscale = scale,
                          .sack_permitted = sack};
    rig_prepare();
    rig.now_ns = now_ns;
    begin(0, 8);
    rig_put(&syn, 0);
    const struct rig_packet *answer = rig_take();
    const struct flow_key key = {.remote = address_of_v4(RIG_PEER),
                                 .local = address_of_v4(RIG_US),
                                 .remote_port = 2000,
                                 .local_port = RIG_OUR_PORT};
    const uint32_t clock = tcp_now_ms(now_ns) + tcp_ts_offset(rig.tcp, &key);
    /* Behind the clock, and by little: it may only grow later (RFC 7323 4.3). */
    assert_true(clock - answer->segment.tsval < 64);
    const struct tcp_connection *c = answer_from(2000, 1, answer->segment.tsval);
    assert_non_null(c);
    assert_int_equal(c->sack, sack);
    assert_int_equal(c->snd_scale, has_scale ? scale : 0);
    assert_int_equal(c->rcv_scale, has_scale ? tcp_window_scale(rig.tcp) : 0);
    assert_null(rig_end());
}

static void a_cookies_timestamp_carries_every_scale_and_sack(void **state)
{
    (void)state;
    for (uint8_t scale = 0; scale <= SEGMENT_WSCALE_MAX; scale++) {
        for (uint32_t ms = 0; ms < 64; ms += 3) { /* Whatever the clock's low bits are. */
            check_options(true, scale, scale % 2 == 0, (1000 + ms) * 1000000);
        }
    }
    check_options(false, 0, true, 1000000000);
    check_options(false, 0, false, 1000000000);
}

static void nobody_guesses_a_cookie(void **state)
{
    (void)state;
    begin(0, 8);
    const struct rig_packet *answer = syn_from(2000, 1460, false);
    const uint32_t cookie = rig.our_isn;
    rig.our_isn = 0; /* ACKs below are the wire's. */
    assert_int_equal(answer->segment.ack - RIG_PEER_ISN, 1);
    for (uint32_t bit = 0; bit < 32; bit++) {
        assert_null(answer_from(2000, (cookie ^ 1u << bit) + 1, 0));
    }
    assert_null(answer_from(2001, cookie + 1, 0)); /* Another port's. */
    struct segment third = {
        .source_port = 2000, .flags = SEGMENT_ACK, .window = UINT16_MAX, .ack = cookie + 1};
    rig_put(&third, 2); /* Another first number of the peer's. */
    assert_null(rig.connection);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_COOKIES_TAKEN], 0);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_COOKIES_BAD], 34);
    rig.our_isn = cookie;
    assert_non_null(answer_from(2000, 1, 0));
}

static void a_cookie_is_believed_in_its_period_and_the_next(void **state)
{
    (void)state;
    const struct {
        uint64_t made_ms, answered_ms;
        bool want;
    } table[] = {{64000, 65000, true},
                 {64000, 191000, true},
                 {127000, 191000, true},
                 {127000, 192000, false},
                 {64000, 192000, false},
                 /* Another core's, whose turn began behind the boundary; ours did before. */
                 {128000, 127999, true},
                 {128000, 126999, false}};
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        rig_prepare();
        rig.now_ns = table[i].made_ms * 1000000;
        begin(0, 8);
        assert_non_null(syn_from(2000, 1460, false));
        rig.now_ns = table[i].answered_ms * 1000000;
        assert_int_equal(answer_from(2000, 1, 0) != NULL, table[i].want);
        assert_null(rig_end());
    }
}

static void without_cookies_out_no_ack_is_tried_as_one(void **state)
{
    (void)state; /* A hash for each stray ACK would be work for a flood. */
    begin(8, 8);
    assert_null(answer_from(2000, 77, 0));
    assert_int_equal(tcp_counters(rig.tcp)[TCP_COOKIES_BAD], 0);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_OUT_RST], 1);
}

static void each_listener_has_its_own_backlog_and_cookies_behind_it(void **state)
{
    (void)state;
    uint32_t other;
    begin(8, 2);
    assert_true(tcp_listen(rig.tcp, RIG_OUR_PORT + 1, 2, &other));
    for (uint16_t i = 0; i < 3; i++) {
        assert_non_null(syn_from((uint16_t)(2000 + i), 1460, false));
        rig.local_port = RIG_OUR_PORT;
    }
    assert_int_equal(tcp_usage(rig.tcp).half_open, 2);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_COOKIES_SENT], 1);
    rig.local_port = RIG_OUR_PORT + 1;
    assert_non_null(syn_from(2000, 1460, false));
    assert_int_equal(tcp_usage(rig.tcp).half_open, 3);
    tcp_stop_listening(rig.tcp, listener); /* Its entries go, not the other's. */
    assert_int_equal(tcp_usage(rig.tcp).half_open, 1);
    assert_int_equal(rig.tcp->listeners[other].half_open, 1);
}

static void a_third_segment_waits_when_all_connections_are_taken(void **state)
{
    (void)state;
    rig.setup.connection_count_max = 1;
    begin(8, 8);
    assert_non_null(syn_from(2000, 1460, false));
    struct tcp_connection *only = rig_connection(3000);
    assert_null(answer_from(2000, 1, 0));
    assert_int_equal(tcp_usage(rig.tcp).half_open, 1);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_SYN_DROPPED], 1);
    tcp_abort(only);
    rig_pump();
    const struct tcp_connection *c = answer_from(2000, 1, 0); /* The peer's data asks again. */
    assert_non_null(c);
    assert_int_equal(c->key.remote_port, 2000);
}

static void a_repeated_syn_ack_gives_no_round_trip(void **state)
{
    (void)state; /* Karn: which of the two was answered? */
    begin(8, 8);
    assert_non_null(syn_from(2000, 1460, false));
    rig_pass(5);
    const struct tcp_connection *c = answer_from(2000, 1, 0);
    assert_int_equal(c->rtt.smoothed_ns, 5000000);
    assert_non_null(syn_from(2001, 1460, false));
    rig_pass(1100);
    c = answer_from(2001, 1, 0);
    assert_non_null(c);
    assert_int_equal(c->rtt.smoothed_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_cookie_says_the_largest_mss_not_above_the_peers),
        RIG_TEST(a_cookies_timestamp_carries_every_scale_and_sack),
        RIG_TEST(nobody_guesses_a_cookie),
        RIG_TEST(a_cookie_is_believed_in_its_period_and_the_next),
        RIG_TEST(without_cookies_out_no_ack_is_tried_as_one),
        RIG_TEST(each_listener_has_its_own_backlog_and_cookies_behind_it),
        RIG_TEST(a_third_segment_waits_when_all_connections_are_taken),
        RIG_TEST(a_repeated_syn_ack_gives_no_round_trip),
    };
    return cmocka_run_group_tests_name("syn", tests, NULL, NULL);
}
