#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/net/checksum.h"
#include "tests/dataplane/tcp/seen.h"

enum { PAYLOAD = 40, PADDING = 6, FRAME = KNOWN_HEADERS + PAYLOAD };

static const struct rig_peer with_timestamps = {.timestamps = true};

/* A frame of the rig's peer, as it comes from the wire. */
static struct packet_in frame_write(uint8_t *at)
{
    const struct ipv4_header ip = {.source = RIG_PEER,
                                   .target = RIG_US,
                                   .protocol = IPV4_TCP,
                                   .ttl = IPV4_TTL,
                                   .total_len = FRAME - ETHERNET_BYTES};
    struct segment segment = {.source_port = RIG_PEER_PORT,
                              .target_port = RIG_OUR_PORT,
                              .sequence = 0x80010203,
                              .ack = 0x04050607,
                              .window = 0x1234,
                              .flags = SEGMENT_ACK,
                              .has_timestamp = true,
                              .tsval = 0x090a0b0c,
                              .tsecr = 0x0d0e0f10};
    memset(at, 0x5a, FRAME + PADDING);
    ethernet_write(at, &rig.net_setup.mac, &(struct mac){{2, 2, 2, 2, 2, 2}}, 0, ETHERNET_IPV4);
    ipv4_write(at + KNOWN_IP, &ip, true);
    (void)segment_write(at + KNOWN_TCP, &segment);
    return (struct packet_in){.first = {{at, FRAME + PADDING}, at},
                              .flags = PACKET_IP_GOOD | PACKET_L4_GOOD,
                              .segments = 1};
}

static void sums_write(uint8_t *at)
{
    const struct address peer = rig_peer_address();
    const struct address us = rig_us();
    const uint32_t len = FRAME - KNOWN_TCP;
    memset(at + KNOWN_IP + 10, 0, 2);
    memset(at + KNOWN_TCP + 16, 0, 2);
    const uint16_t ip = checksum_finish(checksum_sum(at + KNOWN_IP, IPV4_BYTES));
    const uint32_t pseudo = checksum_pseudo(&peer, &us, IPV4_TCP, len);
    const uint16_t tcp =
        checksum_finish(checksum_join(checksum_sum(at + KNOWN_TCP, len), pseudo, 0));
    memcpy(at + KNOWN_IP + 10, &ip, 2);
    memcpy(at + KNOWN_TCP + 16, &tcp, 2);
}

static struct tcp_connection *known(const struct packet_in *packet)
{
    const struct known_flow *flow = known_find(&rig.tcp->known_flows, packet);
    return flow != NULL ? flow->connection : NULL;
}

/* What is known of a frame is what the long way finds out. */
static bool agrees(const struct packet_in *packet)
{
    struct net_segment net;
    struct segment parsed;
    struct segment seen;
    const struct tcp_connection *c = known(packet);
    if (c == NULL) {
        return true;
    }
    known_parse(packet, &seen);
    if (!net_input_usual(rig.net, packet, &net) ||
        !segment_parse(net.first.bytes, net.len, &parsed)) {
        return false;
    }
    const struct flow_key key = {net.source, net.target, parsed.source_port, parsed.target_port};
    return flow_key_equal(&key, &c->key) && net.odd == 0 && net.more_count == 0 &&
           net.len == known_total(packet) - IPV4_BYTES &&
           net.first.bytes.ptr == packet->first.bytes.ptr + KNOWN_TCP &&
           (parsed.flags & ~SEGMENT_PSH) == SEGMENT_ACK &&
           memcmp(&seen, &parsed, sizeof(seen)) == 0;
}

static void known_open(void)
{
    rig_open(&with_timestamps);
    rig_data(1, 10);
}

static void a_flow_is_known_from_its_first_data_until_it_is_over(void **state)
{
    uint8_t bytes[FRAME + PADDING];
    (void)state;
    rig_open(&with_timestamps);
    const struct packet_in packet = frame_write(bytes);
    assert_null(known(&packet));
    rig_data(1, 10);
    assert_ptr_equal(known(&packet), rig.connection);
    assert_true(agrees(&packet));
    tcp_abort(rig.connection);
    assert_null(known(&packet));
}

static void a_flow_without_timestamps_is_never_known(void **state)
{
    (void)state;
    rig_open(&(struct rig_peer){0});
    rig_data(1, 10);
    for (uint32_t i = 0; i < KNOWN_FLOWS; i++) {
        struct flow_key key;
        assert_null(known_at(&rig.tcp->known_flows, i, &key));
    }
}

static void every_change_of_a_bit_goes_the_long_way_or_says_the_same_there(void **state)
{
    uint8_t bytes[FRAME + PADDING];
    uint32_t count = 0;
    (void)state;
    known_open();
    for (uint32_t bit = 0; bit < 8 * KNOWN_HEADERS; bit++) {
        const struct packet_in packet = frame_write(bytes);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        count += known(&packet) != NULL;
        assert_true(agrees(&packet));
    }
    /* The peer's MAC 48; service but for its last bit 7; length within the frame, 5; identity
     * 16, bits of no meaning 2, time to live 8, sums 32; sequence, ACK and window 80, PSH 1, urgent
     * 16, timestamps 64. */
    assert_int_equal(count, 48 + 7 + 5 + 16 + 2 + 8 + 32 + 80 + 1 + 16 + 64);
}

static void random_frames_say_the_same_on_both_ways(void **state)
{
    uint8_t bytes[FRAME + PADDING];
    uint32_t seed = 1;
    uint32_t count = 0;
    (void)state;
    known_open();
    for (uint32_t i = 0; i < 200000; i++) {
        struct packet_in packet = frame_write(bytes);
        for (uint32_t changes = rig_draw(&seed, 4); changes > 0; changes--) {
            bytes[rig_draw(&seed, KNOWN_HEADERS)] = (uint8_t)rig_draw(&seed, 256);
        }
        if (rig_draw(&seed, 4) == 0) {
            packet.first.bytes.len = rig_draw(&seed, FRAME + PADDING + 1);
        }
        packet.flags = rig_draw(&seed, 2) == 0 ? packet.flags : (uint16_t)rig_draw(&seed, 16);
        count += known(&packet) != NULL;
        assert_true(agrees(&packet));
    }
    assert_true(count > 10000);
}

static void sums_that_the_port_has_not_looked_at_are_made(void **state)
{
    uint8_t bytes[FRAME + PADDING];
    (void)state;
    known_open();
    struct packet_in packet = frame_write(bytes);
    sums_write(bytes);
    packet.flags = 0;
    assert_ptr_equal(known(&packet), rig.connection);
    assert_true(agrees(&packet));
    for (uint32_t i = KNOWN_IP; i < FRAME; i++) {
        bytes[i] ^= 0x40;
        assert_null(known(&packet));
        bytes[i] ^= 0x40;
    }
    for (uint32_t i = FRAME; i < FRAME + PADDING; i++) { /* Padding of the frame is not summed. */
        bytes[i] ^= 0x40;
        assert_ptr_equal(known(&packet), rig.connection);
    }
}

static void frames_of_nobody_s_addresses_are_not_known(void **state)
{
    uint8_t bytes[FRAME + PADDING];
    (void)state; /* Empty entries hold zeros. */
    known_open();
    const struct packet_in packet = frame_write(bytes);
    memset(bytes + KNOWN_IP + 12, 0, 8);
    memset(bytes + KNOWN_TCP, 0, 4);
    assert_null(known(&packet));
}

enum { STEPS = 4000 };

/* The next data of the peer, now and then something else, with any ACK and window. */
static void put_some(uint32_t *seed)
{
    const struct tcp_connection *c = rig.connection;
    const uint32_t odd = rig_draw(seed, 40);
    const uint32_t outstanding = c->snd_nxt - c->snd_una;
    struct segment segment = {
        .flags = rig_draw(seed, 2) == 0 ? SEGMENT_ACK : SEGMENT_ACK | SEGMENT_PSH,
        .window =
            rig_draw(seed, 5) == 0 ? 8000 + 4000 * rig_draw(seed, 4) : c->snd_wnd >> c->snd_scale,
        .ack = c->snd_una - rig.our_isn + rig_draw(seed, 2) * rig_draw(seed, outstanding + 1),
        .len = rig_draw(seed, 1400),
        .has_timestamp = true,
        .tsval = c->ts_recent + rig_draw(seed, 2),
        .tsecr = rig.our_tsval};
    uint32_t sequence = c->rcv_nxt - RIG_PEER_ISN;
    segment.len = odd == 0 ? 0 : segment.len;
    sequence += odd == 1 ? rig_draw(seed, 3000) : 0;
    sequence -= odd == 2 ? min_u32(rig_draw(seed, 3000), sequence - 1) : 0;
    segment.tsval -= odd == 3 ? 5 : 0;
    segment.ack += odd == 4 ? outstanding + 1 : 0;
    segment.ack -= odd == 5 ? min_u32(segment.ack - 1, 100) : 0;
    rig_put(&segment, sequence);
}

static void play(bool keep, struct seen *seen)
{
    uint32_t seed = 5;
    rig_prepare();
    known_open();
    for (uint32_t i = 0; i < STEPS; i++) {
        switch (rig_draw(&seed, 6)) {
        case 0:
            if (rig_try_send(1 + rig_draw(&seed, 4000))) {
                rig_pump();
            }
            break;
        case 1: rig_pass(rig_draw(&seed, 20)); break;
        default:
            if (!keep) {
                known_forget(&rig.tcp->known_flows, &rig.connection->key, rig.connection);
            }
            put_some(&seed);
            break;
        }
        assert_null(rig.trouble);
        assert_non_null(rig.connection);
        while (rig_take() != NULL) {
        }
        seen_look(&seen[i]);
    }
    assert_true(rig.received > 100000 && rig.connection->bytes_acked > 100000);
    assert_null(rig_end());
}

static void whether_a_flow_is_known_makes_no_difference(void **state)
{
    static struct seen seen[2][STEPS];
    (void)state;
    play(false, seen[0]);
    play(true, seen[1]);
    const char *difference = seen_difference(seen[0], seen[1], STEPS);
    if (difference != NULL) {
        fail_msg("%s", difference);
    }
}

/* Two frames of one burst. */
static void a_flow_that_ends_within_a_burst_takes_nothing_more_of_it(void **state)
{
    uint8_t *bytes[2]; /* The rig's to free. */
    struct packet_in packets[2];
    (void)state;
    known_open();
    const struct tcp_connection *c = rig.connection;
    for (uint32_t i = 0; i < 2; i++) {
        bytes[i] = malloc(FRAME + PADDING);
        assert_non_null(bytes[i]);
        packets[i] = frame_write(bytes[i]);
        store_be32(bytes[i] + KNOWN_TCP + 4, c->rcv_nxt);
        store_be32(bytes[i] + KNOWN_TCP + 8, c->snd_una);
        store_be32(bytes[i] + KNOWN_TCP + SEGMENT_BYTES + 4, c->ts_recent);
    }
    bytes[0][KNOWN_TCP + 13] = SEGMENT_RST | SEGMENT_ACK;
    const uint64_t received = rig.received;
    rig.buffers_out += 2;
    tcp_input(rig.tcp, packets, 2, rig.now_ns);
    assert_null(tcp_invariants(rig.tcp));
    assert_int_equal(rig.buffers_out, 0);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_IN_RST], 1);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_OUT_RST], 1); /* The second belongs to nothing. */
    rig_pump();
    assert_int_equal(rig.received, received);
    assert_true(rig.closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_flow_is_known_from_its_first_data_until_it_is_over),
        RIG_TEST(a_flow_without_timestamps_is_never_known),
        RIG_TEST(every_change_of_a_bit_goes_the_long_way_or_says_the_same_there),
        RIG_TEST(random_frames_say_the_same_on_both_ways),
        RIG_TEST(sums_that_the_port_has_not_looked_at_are_made),
        RIG_TEST(frames_of_nobody_s_addresses_are_not_known),
        RIG_TEST(whether_a_flow_is_known_makes_no_difference),
        RIG_TEST(a_flow_that_ends_within_a_burst_takes_nothing_more_of_it),
    };
    return cmocka_run_group_tests_name("known", tests, NULL, NULL);
}
