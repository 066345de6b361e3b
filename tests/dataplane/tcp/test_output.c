#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/checksum.h"
#include "tests/dataplane/tcp/rig.h"

static const struct rig_peer usual = {0};
static const struct rig_peer with_timestamps = {.timestamps = true};

/* ---- The window we advertise ---- */

static void check_window(struct tcp_connection *c, uint32_t edge_before)
{
    const uint32_t unit = 1u << c->rcv_scale;
    const uint32_t free = c->rcv_buffer > c->held ? c->rcv_buffer - c->held : 0;
    const uint32_t field = connection_window(c);
    const uint32_t edge = c->rcv_nxt + (field << c->rcv_scale);
    const uint32_t promised = edge_before - c->rcv_nxt;
    assert_true(field <= UINT16_MAX);
    assert_false(seq_lt(c->rcv_edge, edge_before)); /* What was promised stays promised. */
    /* The peer, which sees multiples of the unit, loses less than one of them. */
    assert_true(seq_leq(edge_before, edge + unit - 1));
    assert_true(field << c->rcv_scale <= max_u64(free, promised) + 9 * unit);
}

static void the_edge_never_retreats_and_gives_away_no_more_than_there_is(void **state)
{
    (void)state; /* RFC 9293 3.8.6. */
    rig.setup.receive_bytes_max = WINDOW_MAX;
    rig_open(&usual);
    struct tcp_connection *c = rig.connection;
    for (uint8_t scale = 0; scale <= SEGMENT_WSCALE_MAX; scale++) {
        uint32_t seed = scale;
        const uint32_t rcv_nxt = c->rcv_nxt;
        c->rcv_scale = scale;
        c->rcv_buffer = (uint32_t)UINT16_MAX << scale;
        c->rcv_edge = c->rcv_nxt;
        c->held = 0;
        for (uint32_t i = 0; i < 5000; i++) {
            const uint32_t open = c->rcv_edge - c->rcv_nxt;
            const uint32_t arrived = rig_draw(&seed, open + 1); /* Some of it was used; */
            c->rcv_nxt += arrived;
            c->held += arrived;
            c->held -= rig_draw(&seed, c->held + 1); /* some was released. */
            check_window(c, c->rcv_edge);
        }
        c->held = 0;
        c->rcv_nxt = rcv_nxt;
    }
    c->rcv_edge = c->rcv_nxt;
}

static void steps_smaller_than_a_segment_are_not_told(void **state)
{
    (void)state; /* RFC 9293 3.8.6.2.2. */
    rig_open(&usual);
    struct tcp_connection *c = rig.connection;
    c->rcv_buffer = 10000;
    c->rcv_scale = 0;
    c->held = 5000;
    c->rcv_edge = c->rcv_nxt + 5000;
    c->held = 5000 - 1459;
    assert_int_equal(connection_window(c), 5000);
    c->held = 5000 - 1460;
    assert_int_equal(connection_window(c), 6460);
    c->held = 0;
}

static void no_window_opens_for_who_holds_as_many_pieces_as_are_free(void **state)
{
    (void)state;
    rig.setup.piece_count_max = 16;
    rig_open(&usual);
    struct tcp_connection *c = rig.connection;
    rig.holding = true;
    for (uint32_t i = 0; i < 8; i++) {
        rig_data(1 + 10 * i, 10);
    }
    const uint32_t edge = c->rcv_edge;
    rig_data(81, 10);
    assert_int_equal(rig.received, 80);
    assert_int_equal(c->rcv_edge, edge);
    assert_false(connection_window_would_open(c));
    struct tcp_connection *other = rig_connection(2000); /* The other half is for others. */
    other->rcv_edge = other->rcv_nxt;
    assert_true(connection_window_would_open(other));
    tcp_abort(other);
}

/* ---- What the port does ---- */

static void with_tso_a_packet_holds_whole_segments_up_to_what_ip_can_say(void **state)
{
    (void)state;
    rig.net_setup.offloads = NET_OFFLOAD_TSO | NET_OFFLOAD_TCP_CHECKSUM | NET_OFFLOAD_IP_CHECKSUM;
    rig_open(&with_timestamps);
    struct tcp_connection *c = rig.connection;
    c->congestion.cwnd = 1 << 20;
    c->snd_wnd = 1 << 20;
    rig_send(200000);
    rig_pump();
    const uint32_t payload = 1460 - SEGMENT_TIMESTAMP_BYTES;
    const uint32_t most = (PACKET_BYTES_MAX - IPV4_BYTES - SEGMENT_BYTES_MAX) / payload * payload;
    uint32_t sent = 0;
    for (const struct rig_packet *packet; (packet = rig_take()) != NULL;) {
        assert_int_equal(packet->segment.len, min_u32(most, 200000 - sent));
        assert_int_equal(packet->tso_bytes, payload);
        assert_int_equal(packet->flags,
                         PACKET_OUT_TSO | PACKET_OUT_TCP_CHECKSUM | PACKET_OUT_IP_CHECKSUM);
        /* For TSO the pseudo-header's sum is without a length: the port adds each segment's. */
        const uint16_t sum = (uint16_t)checksum_pseudo(&c->key.local, &c->key.remote, IPV4_TCP, 0);
        assert_int_equal(packet->checksum, sum);
        sent += packet->segment.len;
    }
    assert_int_equal(sent, 200000);
}

static void with_the_checksum_left_to_the_port_the_field_holds_the_pseudo_header(void **state)
{
    (void)state;
    rig.net_setup.offloads = NET_OFFLOAD_TCP_CHECKSUM;
    rig_open(&usual);
    rig_send(100);
    rig_pump();
    const struct rig_packet *packet = rig_take();
    const struct flow_key *key = &rig.connection->key;
    assert_int_equal(packet->flags, PACKET_OUT_TCP_CHECKSUM);
    assert_int_equal(packet->checksum, (uint16_t)checksum_pseudo(&key->local, &key->remote,
                                                                 IPV4_TCP, SEGMENT_BYTES + 100));
}

static uint32_t pull(struct packet_out *packets, uint32_t count)
{
    static uint8_t headers[16][PACKET_HEADER_BYTES];
    for (uint32_t i = 0; i < count; i++) {
        packets[i] = (struct packet_out){.header = headers[i]};
    }
    const uint32_t done = tcp_output(rig.tcp, packets, count, rig.now_ns);
    for (uint32_t i = 0; i < done; i++) {
        tcp_released(rig.tcp, &packets[i].pin);
    }
    return done;
}

static uint16_t target_port(const struct packet_out *packet)
{
    return load_be16(packet->header + packet->l2_len + packet->l3_len + 2);
}

static void connections_that_have_much_to_send_take_turns(void **state)
{
    (void)state;
    static uint8_t bytes[8000];
    const struct send_part part = {{bytes, sizeof(bytes)}};
    struct packet_out packets[9];
    rig.several = true;
    rig_start();
    for (uint16_t i = 0; i < 3; i++) {
        assert_true(tcp_send(rig_connection((uint16_t)(2000 + i)), &part, 1, 0));
    }
    assert_int_equal(pull(packets, 9), 9);
    for (uint32_t i = 3; i < 9; i++) {
        assert_int_equal(target_port(&packets[i]), target_port(&packets[i - 3]));
        assert_int_not_equal(target_port(&packets[i]), target_port(&packets[i - 1]));
    }
}

static void a_connection_without_a_record_waits_for_one_and_says_other_things(void **state)
{
    (void)state;
    rig.setup.record_count_max = 1;
    rig_open(&usual);
    rig_send(100);
    rig_pump();
    rig_send(100);
    rig_pump();
    assert_int_equal(rig_take()->segment.sequence, 1);
    assert_null(rig_take());
    rig_data(1, 10); /* Needs no record to be acknowledged. */
    const struct rig_packet *ack = rig_take();
    assert_non_null(ack);
    assert_int_equal(ack->segment.len, 0);
    rig_ack(101);
    assert_int_equal(rig_take()->segment.sequence, 101);
    rig_ack(201);
}

static void a_packet_waits_for_the_neighbours_address(void **state)
{
    (void)state;
    static const uint8_t byte[1];
    const struct send_part part = {{byte, 1}};
    struct packet_out packets[4];
    rig.several = true;
    rig_start();
    const struct flow_key key = {.local = address_of_v4(RIG_US),
                                 .remote = address_of_v4(RIG_PEER + 1),
                                 .local_port = RIG_OUR_PORT,
                                 .remote_port = 2000};
    struct tcp_connection *c = connection_make(rig.tcp, &key, 1);
    c->mss = 1460;
    c->snd_wnd = 1000;
    connection_establish(c, rig.now_ns);
    (void)tcp_deliver(rig.tcp, 1, rig.now_ns);
    assert_true(tcp_send(c, &part, 1, 0));
    const uint32_t before = pull(packets, 4);
    for (uint32_t i = 0; i < before; i++) {
        assert_int_equal(packets[i].l3_len, 0); /* Only who-has. */
    }
    assert_true(list_linked(&c->ready_node));
    neighbor_learn(&rig.net->neighbors, &key.remote, &rig.net_setup.mac,
                   NEIGHBOR_ARP | NEIGHBOR_CREATE, rig.now_ns);
    assert_int_equal(pull(packets, 4), 1);
    assert_int_equal(target_port(&packets[0]), 2000);
}

/* ---- Beside the payload ---- */

static void ranges_that_find_no_room_beside_the_payload_get_a_packet_of_their_own(void **state)
{
    (void)state;
    rig_open(&with_timestamps);
    rig_send(3000);
    rig_pump();
    rig.taken = rig.left;
    rig_data(101, 10); /* A hole before it. */
    const struct rig_packet *alone = rig_take();
    assert_int_equal(alone->segment.sack_count, 1);
    assert_int_equal(alone->segment.len, 0);
    assert_null(rig_take());
    struct segment late = {.flags = SEGMENT_ACK,
                           .window = UINT16_MAX,
                           .ack = 1,
                           .len = 10,
                           .has_timestamp = true,
                           .tsval = 1000,
                           .tsecr = rig.our_tsval};
    rig_send(5000);
    rig_put_quietly(&late, 201);
    rig_pump();
    bool told = false;
    for (const struct rig_packet *packet; (packet = rig_take()) != NULL;) {
        const bool full = packet->segment.len == 1460 - SEGMENT_TIMESTAMP_BYTES;
        assert_true(!full || packet->segment.sack_count == 0);
        told = told || packet->segment.sack_count == 2;
    }
    assert_true(told);
}

static void a_window_halves_for_each_timeout_of_idleness_down_to_the_first(void **state)
{
    (void)state; /* RFC 7661 4.4.1. */
    const struct {
        uint32_t timeouts;
        uint32_t want_segments;
    } table[] = {{0, 100}, {1, 50}, {2, 25}, {3, 12}, {9, 10}};
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        rig_prepare();
        rig_open(&usual);
        struct tcp_connection *c = rig.connection;
        c->rtt.timeout_ns = 200000000;
        c->congestion.cwnd = 100 * 1460;
        c->sent_at_ns = rig.now_ns;
        rig.now_ns += table[i].timeouts * c->rtt.timeout_ns + 1000;
        rig_send(1);
        rig_pump();
        assert_int_equal(c->congestion.cwnd / 1460, table[i].want_segments);
        /* It grows back fast to three quarters of what it was. */
        assert_true(c->congestion.ssthresh >= 100 * 1460 / 4 * 3 || table[i].timeouts == 0);
        rig_ack(2);
        assert_null(rig_end());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(the_edge_never_retreats_and_gives_away_no_more_than_there_is),
        RIG_TEST(steps_smaller_than_a_segment_are_not_told),
        RIG_TEST(no_window_opens_for_who_holds_as_many_pieces_as_are_free),
        RIG_TEST(with_tso_a_packet_holds_whole_segments_up_to_what_ip_can_say),
        RIG_TEST(with_the_checksum_left_to_the_port_the_field_holds_the_pseudo_header),
        RIG_TEST(connections_that_have_much_to_send_take_turns),
        RIG_TEST(a_connection_without_a_record_waits_for_one_and_says_other_things),
        RIG_TEST(a_packet_waits_for_the_neighbours_address),
        RIG_TEST(ranges_that_find_no_room_beside_the_payload_get_a_packet_of_their_own),
        RIG_TEST(a_window_halves_for_each_timeout_of_idleness_down_to_the_first),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
