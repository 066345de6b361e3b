#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/arp.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv4.h"
#include "dataplane/net/net.h"

enum { US = 0x0a000001, PEER = 0x0a000002, FAR = 0x08080808, GATEWAY = 0x0a0000fe };

static const uint64_t second_ns = 1000000000;
static const struct mac our_mac = {{2, 0, 0, 0, 0, 1}};
static const struct mac peer_mac = {{2, 0, 0, 0, 0, 2}};
static struct route routes[2];
static _Alignas(64) uint8_t memory[64 * 1024];
static struct net *net;
static uint8_t frame[2048];
static uint32_t released; /* Buffers that came back. */
static uint8_t header[PACKET_HEADER_BYTES];
static struct packet_out out;

static void release(void *context, void *buffer)
{
    assert_ptr_equal(context, memory);
    assert_ptr_equal(buffer, frame);
    released++;
}

static struct net_setup usual_setup(void)
{
    routes[0] = route_v4(0x0a000000, 24, 0);
    routes[1] = route_v4(0, 0, GATEWAY);
    return (struct net_setup){.mac = our_mac,
                              .v4 = US,
                              .mtu = 1500,
                              .parts_max = PACKET_PARTS_MAX,
                              .routes = routes,
                              .route_count = ARRAY_SIZE(routes),
                              .neighbor_count_max = 8,
                              .frame_count_max = 8,
                              .release = release,
                              .context = memory};
}

static void start(const struct net_setup *with)
{
    memset(memory, 0, sizeof(memory));
    assert_true(net_memory_bytes(with) <= sizeof(memory));
    net = net_create(memory, with, 0);
    assert_non_null(net);
    released = 0;
}

/* Starts and swallows the announcements. */
static int setup(void **state)
{
    (void)state;
    const struct net_setup with = usual_setup();
    start(&with);
    net_turn(net, 0);
    net_turn(net, 2 * second_ns);
    out.header = header;
    while (net_output(net, &out, 1) == 1) {
    }
    return 0;
}

static enum net_verdict put(uint32_t len, uint16_t flags, struct net_segment *segment,
                            uint64_t now_ns)
{
    struct icmp_error error;
    const struct packet_in packet = {.first = {{frame, len}, frame}, .flags = flags, .segments = 1};
    return net_input(net, &packet, segment, &error, now_ns);
}

static void put_arp(const struct arp_packet *packet, const struct mac *to, uint64_t now_ns)
{
    struct net_segment segment;
    const uint32_t before = released;
    ethernet_write(frame, to, &packet->sender_mac, 0, ETHERNET_ARP);
    arp_write(frame + ETHERNET_BYTES, packet);
    assert_int_equal(put(ETHERNET_BYTES + ARP_BYTES, 0, &segment, now_ns), NET_TAKEN);
    assert_int_equal(released, before + 1);
}

/* A packet to us with `len` bytes of payload already at frame + 34. */
static uint32_t write_packet(uint32_t source, uint8_t protocol, uint32_t len)
{
    ethernet_write(frame, &our_mac, &peer_mac, 0, ETHERNET_IPV4);
    const struct ipv4_header ip = {.source = source,
                                   .target = US,
                                   .total_len = (uint16_t)(IPV4_BYTES + len),
                                   .protocol = protocol,
                                   .ttl = 64};
    ipv4_write(frame + ETHERNET_BYTES, &ip, true);
    return ETHERNET_BYTES + IPV4_BYTES + len;
}

static uint32_t write_echo(uint32_t source, uint32_t body)
{
    uint8_t *icmp = frame + ETHERNET_BYTES + IPV4_BYTES;
    memset(icmp, 0, ICMP_BYTES);
    icmp[0] = ICMP_ECHO;
    for (uint32_t i = 0; i < body; i++) {
        icmp[ICMP_BYTES + i] = (uint8_t)i;
    }
    const uint16_t sum = checksum_finish(checksum_sum(icmp, ICMP_BYTES + body));
    memcpy(icmp + 2, &sum, sizeof(sum));
    return write_packet(source, IPV4_ICMP, ICMP_BYTES + body);
}

/* A TCP segment of 20 bytes of header and `len` of payload. */
static uint32_t write_tcp(uint32_t len)
{
    uint8_t *tcp = frame + ETHERNET_BYTES + IPV4_BYTES;
    const struct address source = address_of_v4(PEER);
    const struct address target = address_of_v4(US);
    for (uint32_t i = 0; i < 20 + len; i++) {
        tcp[i] = (uint8_t)(i * 7);
    }
    memset(tcp + 16, 0, 2);
    uint32_t sum = checksum_pseudo(&source, &target, IPV4_TCP, 20 + len);
    const uint16_t field = checksum_finish(checksum_join(sum, checksum_sum(tcp, 20 + len), 0));
    memcpy(tcp + 16, &field, sizeof(field));
    return write_packet(PEER, IPV4_TCP, 20 + len);
}

static struct arp_packet expect_arp(const struct mac *to)
{
    struct arp_packet packet;
    struct ethernet_header ethernet = {0};
    assert_int_equal(net_output(net, &out, 1), 1);
    assert_true(ethernet_parse((struct bytes){header, out.header_len}, &ethernet));
    assert_int_equal(ethernet.type, ETHERNET_ARP);
    assert_true(mac_equal(&ethernet.target, to));
    assert_true(mac_equal(&ethernet.source, &our_mac));
    assert_true(arp_parse((struct bytes){header + 14, out.header_len - 14u}, &packet));
    assert_true(mac_equal(&packet.sender_mac, &our_mac));
    return packet;
}

static const struct mac everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static void expect_silence(void)
{
    assert_int_equal(net_output(net, &out, 1), 0);
}

static void an_address_is_probed_three_times_then_announced_twice(void **state)
{
    (void)state; /* RFC 5227 2.1.1, 2.3 */
    struct net_setup with = usual_setup();
    with.probe_v4 = true;
    start(&with);
    out.header = header;
    for (uint64_t i = 0; i < 3; i++) {
        net_turn(net, i * second_ns);
        assert_int_equal(expect_arp(&everyone).sender_v4, 0);
        assert_int_equal(net->v4.state, NET_PROBING);
        assert_int_equal(net_next_deadline_ns(net), (i + 1) * second_ns);
    }
    for (uint64_t i = 0; i < 2; i++) {
        net_turn(net, (3 + 2 * i) * second_ns);
        const struct arp_packet packet = expect_arp(&everyone);
        assert_int_equal(packet.sender_v4, US);
        assert_int_equal(packet.target_v4, US);
        assert_int_equal(net->v4.state, NET_READY);
    }
    assert_int_equal(net_next_deadline_ns(net), UINT64_MAX);
}

static void an_address_that_somebody_has_is_not_taken(void **state)
{
    (void)state;                                   /* RFC 5227 2.1.1 */
    for (uint32_t probe = 0; probe < 2; probe++) { /* He has it, or wants it as we do. */
        struct net_setup with = usual_setup();
        with.probe_v4 = true;
        start(&with);
        net_turn(net, 0);
        const struct arp_packet packet = {.operation = probe ? ARP_REQUEST : ARP_REPLY,
                                          .sender_mac = peer_mac,
                                          .sender_v4 = probe ? 0 : US,
                                          .target_v4 = probe ? US : 0};
        put_arp(&packet, &everyone, 1);
        assert_int_equal(net->v4.state, NET_CONFLICT);
        assert_true(mac_equal(&net->v4.conflict_mac, &peer_mac));
        net_turn(net, 100 * second_ns);
        assert_int_equal(net->v4.state, NET_CONFLICT);
        struct net_segment segment;
        assert_int_equal(put(write_tcp(10), 0, &segment, 1), NET_TAKEN);
        assert_int_equal(net->counters[NET_IN_UNREADY], 1);
    }
}

static void a_conflict_is_defended_once_in_ten_seconds(void **state)
{
    (void)state; /* RFC 5227 2.4 (b) */
    const struct arp_packet packet = {
        .operation = ARP_REQUEST, .sender_mac = peer_mac, .sender_v4 = US, .target_v4 = US};
    put_arp(&packet, &everyone, 20 * second_ns);
    assert_int_equal(expect_arp(&everyone).sender_v4, US);
    put_arp(&packet, &everyone, 29 * second_ns);
    expect_silence();
    put_arp(&packet, &everyone, 30 * second_ns);
    assert_int_equal(expect_arp(&everyone).sender_v4, US);
    assert_int_equal(net->counters[NET_CONFLICTS], 3);
    assert_int_equal(net->v4.state, NET_READY);
}

static const struct arp_packet peer_asks = {.operation = ARP_REQUEST,
                                            .sender_mac = {{2, 0, 0, 0, 0, 2}},
                                            .sender_v4 = PEER,
                                            .target_v4 = US};

static void a_request_is_answered_and_its_sender_remembered(void **state)
{
    (void)state; /* RFC 826 */
    put_arp(&peer_asks, &everyone, 0);
    const struct arp_packet reply = expect_arp(&peer_mac);
    assert_int_equal(reply.operation, ARP_REPLY);
    assert_int_equal(reply.sender_v4, US);
    assert_int_equal(reply.target_v4, PEER);
    assert_true(mac_equal(&reply.target_mac, &peer_mac));
    const struct address peer = address_of_v4(PEER);
    assert_true(net_hop_ready(net, net_hop(net, &peer, 0)));
}

static void requests_for_others_are_not_answered(void **state)
{
    (void)state;
    struct arp_packet packet = peer_asks;
    packet.target_v4 = 0x0a000063;
    put_arp(&packet, &everyone, 0);
    expect_silence();
    assert_int_equal(net->neighbors.used, 0);
}

static void senders_that_cannot_be_on_the_link_are_not_believed(void **state)
{
    (void)state;
    struct arp_packet packet = peer_asks;
    packet.sender_v4 = FAR; /* Behind the gateway. */
    put_arp(&packet, &everyone, 0);
    assert_int_equal(net->neighbors.used, 0);
}

static void an_echo_is_answered_with_the_same_body(void **state)
{
    (void)state; /* RFC 792; RFC 1122 3.2.2.6 */
    struct net_segment segment;
    put_arp(&peer_asks, &everyone, 0);
    (void)expect_arp(&peer_mac);
    released = 0;
    assert_int_equal(put(write_echo(PEER, 57), 0, &segment, 0), NET_TAKEN);
    assert_int_equal(released, 0); /* The body goes out from the request's buffer. */
    assert_int_equal(net_output(net, &out, 1), 1);
    assert_int_equal(out.payload_len, 57);
    assert_int_equal(out.pin.kind, PACKET_PIN_BUFFER);
    uint32_t sum = checksum_sum(header + 34, out.header_len - 34u);
    sum = checksum_join(sum, checksum_sum(out.parts[0].ptr, out.parts[0].len), 8);
    assert_int_equal(checksum_finish(sum), 0);
    struct ipv4_header ip;
    const struct bytes head = {header + 14, out.header_len - 14u};
    assert_int_equal(ipv4_parse(head, head.len + 57, false, &ip), IPV4_OK);
    assert_int_equal(ip.target, PEER);
    net_released(net, &out.pin);
    assert_int_equal(released, 1);
}

static void answers_wait_for_the_neighbour_and_go_when_it_answers(void **state)
{
    (void)state;
    struct net_segment segment;
    for (uint32_t i = 0; i < 4; i++) { /* One more than may wait. */
        assert_int_equal(put(write_echo(FAR, 4), 0, &segment, 0), NET_TAKEN);
    }
    assert_int_equal(released, 1);
    assert_int_equal(net->counters[NET_OUT_UNRESOLVED], 1);
    expect_silence();
    net_turn(net, 2 * second_ns);
    assert_int_equal(expect_arp(&everyone).target_v4, GATEWAY); /* Not the far host itself. */
    const struct arp_packet reply = {.operation = ARP_REPLY,
                                     .sender_mac = peer_mac,
                                     .sender_v4 = GATEWAY,
                                     .target_mac = our_mac,
                                     .target_v4 = US};
    put_arp(&reply, &our_mac, 2 * second_ns);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(net_output(net, &out, 1), 1);
        assert_memory_equal(header, &peer_mac, 6);
    }
    expect_silence();
}

static void echoes_beyond_the_rate_are_not_answered(void **state)
{
    (void)state;
    struct net_segment segment;
    put_arp(&peer_asks, &everyone, 0);
    (void)expect_arp(&peer_mac);
    uint32_t answered = 0;
    for (uint32_t i = 0; i < 1000; i++) { /* In one second. */
        assert_int_equal(put(write_echo(PEER, 1), 0, &segment, i * second_ns / 1000), NET_TAKEN);
        answered += net_output(net, &out, 1);
    }
    assert_in_range(answered, NET_ERRORS_PER_SECOND, NET_ERRORS_PER_SECOND + NET_ERRORS_BURST);
    assert_int_equal(net->counters[NET_OUT_LIMITED], 1000 - answered);
}

static void segments_come_out_without_padding(void **state)
{
    (void)state;
    struct net_segment segment;
    const uint32_t len = write_tcp(3);
    assert_int_equal(put(len + 3, 0, &segment, 0), NET_TCP); /* Padded to 60. */
    assert_int_equal(segment.len, 23);
    assert_int_equal(segment.first.bytes.len, 23);
    assert_ptr_equal(segment.first.bytes.ptr, frame + 34);
    assert_int_equal(address_v4(&segment.source), PEER);
    assert_int_equal(address_v4(&segment.target), US);
    assert_int_equal(released, 0);
}

static void segments_with_a_wrong_checksum_are_dropped_unless_the_port_vouches(void **state)
{
    (void)state; /* RFC 9293 MUST-3 */
    struct net_segment segment;
    const uint32_t len = write_tcp(101);
    frame[len - 1] ^= 1;
    assert_int_equal(put(len, 0, &segment, 0), NET_TAKEN);
    assert_int_equal(net->counters[NET_IN_TCP_CHECKSUM], 1);
    assert_int_equal(released, 1);
    assert_int_equal(put(len, PACKET_L4_GOOD, &segment, 0), NET_TCP);
    frame[len - 1] ^= 1;
    assert_int_equal(put(len, PACKET_L4_BAD, &segment, 0), NET_TAKEN);
}

static void a_segment_over_several_buffers_is_summed_over_all(void **state)
{
    (void)state;
    const uint32_t len = write_tcp(101);
    for (uint32_t cut = 54; cut < len; cut++) {
        struct net_segment segment;
        struct icmp_error error;
        const struct packet_piece more[] = {{{frame + cut, len - cut}, frame}};
        const struct packet_in packet = {
            .first = {{frame, cut}, frame}, .more = more, .more_count = 1, .segments = 1};
        assert_int_equal(net_input(net, &packet, &segment, &error, 0), NET_TCP);
        assert_int_equal(segment.len, 121);
        assert_int_equal(segment.first.bytes.len, cut - 34);
    }
}

static void what_is_not_ours_is_left_to_the_caller(void **state)
{
    (void)state;
    struct net_segment segment;
    uint32_t len = write_tcp(1);
    frame[5] ^= 1; /* Another MAC. */
    assert_int_equal(put(len, 0, &segment, 0), NET_FOREIGN);
    len = write_tcp(1);
    memset(frame, 0xff, 6); /* RFC 9293 MUST-57: no TCP by broadcast. */
    assert_int_equal(put(len, 0, &segment, 0), NET_FOREIGN);
    len = write_tcp(1);
    store_be16(frame + 12, 0x86dd); /* IPv6. */
    assert_int_equal(put(len, 0, &segment, 0), NET_FOREIGN);
    assert_int_equal(released, 0);
}

static void fragments_and_our_own_address_as_source_are_dropped(void **state)
{
    (void)state;
    struct net_segment segment;
    uint32_t len = write_packet(US, IPV4_TCP, 20); /* RFC 1122 3.2.1.3: the "land" attack. */
    assert_int_equal(put(len, 0, &segment, 0), NET_TAKEN);
    assert_int_equal(net->counters[NET_IN_BAD_SOURCE], 1);
    len = write_packet(PEER, IPV4_TCP, 20);
    frame[14 + 7] = 1;
    assert_int_equal(put(len, PACKET_IP_GOOD, &segment, 0), NET_TAKEN);
    assert_int_equal(net->counters[NET_IN_FRAGMENT], 1);
    len = write_tcp(100);
    assert_int_equal(put(len - 1, PACKET_IP_GOOD, &segment, 0), NET_TAKEN);
    assert_int_equal(net->counters[NET_IN_TRUNCATED], 1);
    assert_int_equal(released, 3);
}

static void a_datagram_to_us_is_answered_with_port_unreachable(void **state)
{
    (void)state; /* RFC 1122 3.2.2.1 */
    struct net_segment segment;
    put_arp(&peer_asks, &everyone, 0);
    (void)expect_arp(&peer_mac);
    const uint32_t len = write_packet(PEER, IPV4_UDP, 20);
    assert_int_equal(put(len, 0, &segment, 0), NET_TAKEN);
    assert_int_equal(net_output(net, &out, 1), 1);
    assert_int_equal(header[34], ICMP_UNREACHABLE);
    assert_int_equal(header[35], ICMP_PORT_UNREACHABLE);
    assert_memory_equal(header + 42, frame + 14, 28);
}

static void errors_about_our_segments_are_told(void **state)
{
    (void)state;
    uint8_t *icmp = frame + 34;
    memset(icmp, 0, 36);
    icmp[0] = ICMP_UNREACHABLE;
    icmp[1] = ICMP_FRAGMENTATION_NEEDED;
    store_be16(icmp + 6, 1400);
    const struct ipv4_header quoted = {
        .source = US, .target = FAR, .total_len = 1500, .protocol = IPV4_TCP};
    ipv4_write(icmp + 8, &quoted, true);
    const uint16_t sum = checksum_finish(checksum_sum(icmp, 36));
    memcpy(icmp + 2, &sum, sizeof(sum));
    const uint32_t len = write_packet(PEER, IPV4_ICMP, 36);
    struct net_segment segment;
    struct icmp_error error;
    const struct packet_in packet = {.first = {{frame, len}, frame}, .segments = 1};
    assert_int_equal(net_input(net, &packet, &segment, &error, 0), NET_TCP_ERROR);
    assert_int_equal(error.reason, ICMP_REASON_MTU);
    assert_int_equal(error.mtu, 1400);
    assert_int_equal(released, 1);
    icmp[2] ^= 1;
    assert_int_equal(put(len, 0, &segment, 0), NET_TAKEN);
    assert_int_equal(net->counters[NET_IN_ICMP_CHECKSUM], 1);
}

static void tagged_ports_speak_their_vlan_only(void **state)
{
    (void)state;
    struct net_setup with = usual_setup();
    with.vlan = 7;
    start(&with);
    net_turn(net, 0);
    assert_int_equal(net_output(net, &out, 1), 1);
    assert_int_equal(load_be16(header + 12), ETHERNET_VLAN);
    assert_int_equal(load_be16(header + 14), 7);
    assert_int_equal(load_be16(header + 16), ETHERNET_ARP);
    struct net_segment segment;
    assert_int_equal(put(write_tcp(1), 0, &segment, 0), NET_FOREIGN);
}

static void every_frame_comes_back_to_the_pool(void **state)
{
    (void)state;
    put_arp(&peer_asks, &everyone, 0);
    for (uint32_t i = 0; i < 20; i++) { /* More requests than frames. */
        put_arp(&peer_asks, &everyone, 0);
    }
    assert_true(net->counters[NET_OUT_NO_FRAME] > 0);
    while (net_output(net, &out, 1) == 1) {
    }
    assert_int_equal(net->frames_used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_probed_three_times_then_announced_twice),
        cmocka_unit_test(an_address_that_somebody_has_is_not_taken),
        cmocka_unit_test_setup(a_conflict_is_defended_once_in_ten_seconds, setup),
        cmocka_unit_test_setup(a_request_is_answered_and_its_sender_remembered, setup),
        cmocka_unit_test_setup(requests_for_others_are_not_answered, setup),
        cmocka_unit_test_setup(senders_that_cannot_be_on_the_link_are_not_believed, setup),
        cmocka_unit_test_setup(an_echo_is_answered_with_the_same_body, setup),
        cmocka_unit_test_setup(answers_wait_for_the_neighbour_and_go_when_it_answers, setup),
        cmocka_unit_test_setup(echoes_beyond_the_rate_are_not_answered, setup),
        cmocka_unit_test_setup(segments_come_out_without_padding, setup),
        cmocka_unit_test_setup(segments_with_a_wrong_checksum_are_dropped_unless_the_port_vouches,
                               setup),
        cmocka_unit_test_setup(a_segment_over_several_buffers_is_summed_over_all, setup),
        cmocka_unit_test_setup(what_is_not_ours_is_left_to_the_caller, setup),
        cmocka_unit_test_setup(fragments_and_our_own_address_as_source_are_dropped, setup),
        cmocka_unit_test_setup(a_datagram_to_us_is_answered_with_port_unreachable, setup),
        cmocka_unit_test_setup(errors_about_our_segments_are_told, setup),
        cmocka_unit_test_setup(tagged_ports_speak_their_vlan_only, setup),
        cmocka_unit_test_setup(every_frame_comes_back_to_the_pool, setup),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
