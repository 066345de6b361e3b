#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/dataplane/tcp/rig.h"

static const struct rig_peer usual = {0};

/* ---- Against a twin that has a flag for each byte ---- */

enum { STREAM_BYTES = 20000 };

static bool have[STREAM_BYTES + 1]; /* By sequence number from the SYN; the first byte is 1. */

static uint32_t in_order(void)
{
    uint32_t at = 1;
    while (at <= STREAM_BYTES && have[at]) {
        at++;
    }
    return at;
}

/* Each range told holds only what arrived, and is as wide as it can be. */
static void check_ranges(const struct tcp_connection *c)
{
    for (uint32_t i = 0; i < c->range_count; i++) {
        const uint32_t start = c->ranges[i].start - RIG_PEER_ISN;
        const uint32_t end = c->ranges[i].end - RIG_PEER_ISN;
        assert_true(start < end && end <= STREAM_BYTES + 1);
        for (uint32_t at = start; at < end; at++) {
            assert_true(have[at]);
        }
        assert_false(have[start - 1]);
        assert_true(end > STREAM_BYTES || !have[end]);
    }
}

static void any_order_of_any_pieces_is_put_in_order(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 20; round++) {
        rig_prepare();
        rig_open(&usual);
        memset(have, 0, sizeof(have));
        uint32_t seed = round;
        while (in_order() <= STREAM_BYTES) {
            const uint32_t next = in_order();
            /* Near the edge, so that it ends; often behind it, sometimes far, and repeated. */
            const uint32_t reach = 1 + rig_draw(&seed, 3000);
            const uint32_t back = rig_draw(&seed, 4) == 0 ? rig_draw(&seed, 600) : 0;
            uint32_t start = next + rig_draw(&seed, reach);
            start = start > back ? start - back : 1;
            if (start > STREAM_BYTES) {
                start = next;
            }
            const uint32_t len = 1 + rig_draw(&seed, min_u32(1460, STREAM_BYTES + 1 - start));
            if (start + len < next) {
                continue; /* Wholly old: the connection does not take it. */
            }
            rig_data(start, len);
            memset(have + start, true, len);
            assert_int_equal(rig.connection->rcv_nxt - RIG_PEER_ISN, in_order());
            assert_int_equal(rig.received, in_order() - 1);
            check_ranges(rig.connection);
        }
        assert_int_equal(rig.connection->range_count, 0);
        assert_null(rig_end());
    }
}

static void the_newest_range_is_told_first_and_the_ninth_pushes_the_oldest_out(void **state)
{
    (void)state; /* RFC 2018 4. */
    struct segment_range told[SACK_RANGES];
    rig_open(&usual);
    struct tcp_connection *c = rig.connection;
    for (uint32_t i = 0; i < SACK_RANGES + 1; i++) {
        rig_data(101 + 20 * i, 10);
        assert_int_equal(c->ranges[0].start - RIG_PEER_ISN, 101 + 20 * i);
    }
    assert_int_equal(receive_sacks(c, told, SACK_RANGES), SACK_RANGES);
    assert_int_equal(told[SACK_RANGES - 1].start - RIG_PEER_ISN, 121); /* Not 101. */
    rig_data(111, 10); /* Joins the forgotten first to the second; one range now. */
    assert_int_equal(receive_sacks(c, told, 1), 1);
    assert_int_equal(told[0].end - RIG_PEER_ISN, 131);
}

static void holes_leave_half_of_the_pieces_to_what_is_in_order(void **state)
{
    (void)state;
    rig.setup.piece_count_max = 16;
    rig_open(&usual);
    for (uint32_t i = 0; i < 16; i++) {
        rig_data(101 + 20 * i, 10);
    }
    assert_int_equal(tcp_usage(rig.tcp).pieces, 8);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_IN_NO_PIECE], 8);
    rig.holding = true;
    for (uint32_t i = 0; i < 4; i++) {
        rig_data(1 + 10 * i, 10);
    }
    assert_int_equal(rig.received, 40); /* It has as many as are left. */
    assert_int_equal(tcp_usage(rig.tcp).pieces, 12);
    rig_data(41, 10); /* Dropped, and the buffer goes back to the port. */
    assert_int_equal(rig.received, 40);
    assert_int_equal(rig.buffers_out, 12);
}

/* A packet of several buffers, as a port makes it that merges segments. */
static void put_merged(uint32_t sequence, uint32_t first_len, const uint32_t *lens, uint32_t count)
{
    struct tcp_connection *c = rig.connection;
    struct packet_piece more[4];
    uint32_t at = sequence - 1;
    uint32_t len = first_len;
    uint8_t *first = malloc(first_len);
    for (uint32_t i = 0; i < first_len; i++) {
        first[i] = rig_byte(at++);
    }
    rig.buffers_out += 1 + count;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *buffer = malloc(lens[i]);
        for (uint32_t j = 0; j < lens[i]; j++) {
            buffer[j] = rig_byte(at++);
        }
        more[i] = (struct packet_piece){{buffer, lens[i]}, buffer};
        len += lens[i];
    }
    struct arrival arrival = {
        .net = {.first = {{first, first_len}, first},
                .more = more,
                .more_count = count,
                .len = len,
                .segments = 3},
        .segment = {.sequence = RIG_PEER_ISN + sequence, .flags = SEGMENT_ACK, .len = len},
        .valid = true};
    receive_payload(c, &arrival, rig.now_ns);
    assert_false(arrival.valid);
    rig_pump();
}

static void each_buffer_of_a_merged_packet_is_taken_by_itself(void **state)
{
    (void)state;
    static const uint32_t lens[] = {200, 300};
    rig_open(&usual);
    rig.holding = true;
    put_merged(1, 100, lens, 2);
    assert_int_equal(rig.received, 600);
    assert_int_equal(rig.held_count, 3);
    /* The first two are known already, the third in part: only it is kept. */
    put_merged(201, 100, lens, 2);
    assert_int_equal(rig.received, 800);
    assert_int_equal(rig.held_count, 4);
    assert_int_equal(rig.buffers_out, 4);
}

static void a_merged_packet_that_ends_beyond_the_window_is_cut_at_it(void **state)
{
    (void)state;
    static const uint32_t lens[] = {1000, 1000};
    rig.setup.receive_bytes_min = rig.setup.receive_bytes_max = 2048;
    rig_open(&usual);
    rig.holding = true;
    put_merged(1, 1000, lens, 2);
    assert_int_equal(rig.received, 2048);
    assert_int_equal(rig.connection->held, 2048);
}

static void each_piece_released_gives_its_window_back(void **state)
{
    (void)state;
    rig_open(&usual);
    rig.holding = true;
    for (uint32_t i = 0; i < 10; i++) {
        rig_data(1 + 1000 * i, 1000);
    }
    assert_int_equal(rig.connection->held, 10000);
    tcp_release(rig.tcp, rig.held[5]); /* Any order. */
    rig.held[5] = rig.held[--rig.held_count];
    assert_int_equal(rig.connection->held, 9000);
    rig_release_held();
    assert_int_equal(rig.connection->held, 0);
}

/* ---- The buffer grows with a user that keeps up ---- */

static void tune(struct tcp_connection *c, uint32_t released)
{
    rig.now_ns += 1000000000; /* A round trip, and more. */
    c->tune_released = released;
    receive_tune(c, rig.now_ns);
}

static void the_buffer_grows_for_a_user_that_takes_more_than_half_of_it_in_a_round(void **state)
{
    (void)state;
    rig.setup.receive_bytes_min = 10000;
    rig.setup.receive_bytes_max = 100000;
    rig_open(&usual);
    struct tcp_connection *c = rig.connection;
    const struct {
        uint32_t released;
        uint32_t want;
    } rounds[] = {{5000, 10000},   {5001, 15002}, {15002, 37505},
                  {37505, 93762},  {0, 93762},    {93762, 100000}, /* The maximum. */
                  {100000, 100000}};
    for (size_t i = 0; i < ARRAY_SIZE(rounds); i++) {
        tune(c, rounds[i].released);
        assert_int_equal(c->rcv_buffer, rounds[i].want);
    }
}

static void it_is_looked_at_once_a_round_and_not_while_pieces_are_short(void **state)
{
    (void)state;
    rig.setup.receive_bytes_min = 10000;
    rig.setup.receive_bytes_max = 100000;
    rig.setup.piece_count_max = 16;
    rig_open(&usual);
    struct tcp_connection *c = rig.connection;
    tune(c, 0);
    c->tune_released = 9000;
    receive_tune(c, rig.now_ns + c->rtt.smoothed_ns - 1);
    assert_int_equal(c->rcv_buffer, 10000);
    assert_int_equal(c->tune_released, 9000); /* Still counting. */
    rig.holding = true;
    for (uint32_t i = 0; i < 13; i++) {
        rig_data(1 + 10 * i, 10);
    }
    tune(c, 9000);
    assert_int_equal(c->rcv_buffer, 10000);
    rig_release_held();
    tune(c, 9000);
    assert_int_equal(c->rcv_buffer, 23000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(any_order_of_any_pieces_is_put_in_order),
        RIG_TEST(the_newest_range_is_told_first_and_the_ninth_pushes_the_oldest_out),
        RIG_TEST(holes_leave_half_of_the_pieces_to_what_is_in_order),
        RIG_TEST(each_buffer_of_a_merged_packet_is_taken_by_itself),
        RIG_TEST(a_merged_packet_that_ends_beyond_the_window_is_cut_at_it),
        RIG_TEST(each_piece_released_gives_its_window_back),
        RIG_TEST(the_buffer_grows_for_a_user_that_takes_more_than_half_of_it_in_a_round),
        RIG_TEST(it_is_looked_at_once_a_round_and_not_while_pieces_are_short),
    };
    return cmocka_run_group_tests_name("receive", tests, NULL, NULL);
}
