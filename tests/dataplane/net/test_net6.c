/* What packet scripts (tcp/scripts/ipv6.pkt) do not see: several instances, a kernel that shares
 * the port, padding, pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv6.h"
#include "dataplane/net/nd.h"
#include "dataplane/net/net.h"

static const uint64_t second_ns = 1000000000;
static const struct address ours = {{0xfd, [15] = 1}};
static const struct address peer = {{0xfd, [15] = 2}};
static const struct mac our_mac = {{2, [5] = 1}};
static const struct mac peer_mac = {{2, [5] = 2}};
static _Alignas(64) uint8_t memory[64 * 1024];
static struct route link;
static struct net *net;
static uint8_t frame[2048];
static uint32_t released;
static uint32_t learned_count;
static uint32_t lost_count;

static void release(void *context, void *buffer)
{
    (void)context;
    (void)buffer;
    released++;
}

static void learned(void *context, const struct address *address, const struct mac *mac,
                    uint8_t how)
{
    (void)context;
    assert_true(address_equal(address, &peer) && mac_equal(mac, &peer_mac));
    assert_int_equal(how, NEIGHBOR_CREATE | NEIGHBOR_OVERRIDE);
    learned_count++;
}

static void lost(void *context, const struct address *address, const struct mac *mac)
{
    (void)context;
    assert_true(address_equal(address, &ours) && mac_equal(mac, &peer_mac));
    lost_count++;
}

static struct net_setup usual_setup(void)
{
    link = route_of_host(&ours, 64);
    return (struct net_setup){.mac = our_mac,
                              .v6 = ours,
                              .mtu = 1500,
                              .parts_max = 4,
                              .routes = &link,
                              .route_count = 1,
                              .neighbor_count_max = 8,
                              .frame_count_max = 8,
                              .learned = learned,
                              .lost = lost,
                              .release = release};
}

static void start(const struct net_setup *with)
{
    memset(memory, 0, sizeof(memory));
    assert_true(net_memory_bytes(with) <= sizeof(memory));
    net = net_create(memory, with, 0);
    assert_non_null(net);
    released = learned_count = lost_count = 0;
}

static uint32_t sent(void)
{
    uint8_t header[PACKET_HEADER_BYTES];
    struct packet_out out = {.header = header};
    uint32_t count = 0;
    while (net_output(net, &out, 1) == 1) {
        assert_int_equal(load_be16(header + 12), ETHERNET_IPV6);
        assert_int_equal(out.flags, 0);
        count++;
    }
    return count;
}

/* From the peer's MAC, `len` bytes behind the header being there. */
static uint32_t packet_write(const struct address *source, const struct address *target,
                             uint8_t protocol, uint8_t hop_limit, uint32_t len)
{
    const struct mac group = ipv6_group_mac(target);
    ethernet_write(frame, address_v6_is_group(target) ? &group : &our_mac, &peer_mac, 0,
                   ETHERNET_IPV6);
    ipv6_write(frame + ETHERNET_BYTES, source, target, protocol, hop_limit);
    ipv6_write_length(frame + ETHERNET_BYTES, len);
    return ETHERNET_BYTES + IPV6_BYTES + len;
}

static enum net_verdict put(uint32_t len, struct net_segment *segment, uint64_t now_ns)
{
    struct icmp_error error;
    const struct packet_in packet = {.first = {{frame, len}, frame}, .segments = 1};
    assert_false(net_input_usual(net, &packet, segment));
    return net_input(net, &packet, segment, &error, now_ns);
}

static enum net_verdict put_solicitation(const struct address *target)
{
    struct net_segment segment;
    const struct nd_packet packet = {.has_mac = true, .mac = peer_mac, .target = *target};
    const struct address group = ipv6_solicited_group(target);
    const uint16_t len = nd_write(frame + ETHERNET_BYTES + IPV6_BYTES, &packet, &peer, &group);
    return put(packet_write(&peer, &group, IPV6_ICMP, ND_HOP_LIMIT, len), &segment, 0);
}

static enum net_verdict put_claim(uint64_t now_ns)
{
    struct net_segment segment;
    const struct nd_packet packet = {
        .advertisement = true, .override = true, .has_mac = true, .mac = peer_mac, .target = ours};
    const uint16_t len =
        nd_write(frame + ETHERNET_BYTES + IPV6_BYTES, &packet, &ours, &ipv6_all_nodes);
    return put(packet_write(&ours, &ipv6_all_nodes, IPV6_ICMP, ND_HOP_LIMIT, len), &segment,
               now_ns);
}

/* A segment whose frame is longer than the packet, as of short ones it is. */
static uint32_t write_tcp(uint32_t len)
{
    uint8_t *tcp = frame + ETHERNET_BYTES + IPV6_BYTES;
    memset(tcp, 0xee, len + 64);
    memset(tcp + 16, 0, 2);
    const uint32_t pseudo = checksum_pseudo(&peer, &ours, 6, len);
    const uint16_t sum = checksum_finish(checksum_join(checksum_sum(tcp, len), pseudo, 0));
    memcpy(tcp + 16, &sum, sizeof(sum));
    return packet_write(&peer, &ours, 6, 64, len);
}

static void a_segment_ends_before_padding(void **state)
{
    (void)state;
    struct net_segment segment;
    const struct net_setup with = usual_setup();
    start(&with);
    const uint32_t len = write_tcp(21);
    assert_int_equal(put(len + 6, &segment, 0), NET_TCP);
    assert_int_equal(segment.len, 21);
    assert_int_equal(segment.first.bytes.len, 21);
    assert_true(address_equal(&segment.source, &peer) && address_equal(&segment.target, &ours));
    assert_int_equal(put(len - 1, &segment, 0), NET_TAKEN);
    assert_int_equal(net->counters[NET_IN_TRUNCATED], 1);
    assert_int_equal(released, 1);
}

static void a_segment_in_pieces_is_summed_over_all(void **state)
{
    (void)state;
    struct net_segment segment;
    struct icmp_error error;
    const struct net_setup with = usual_setup();
    start(&with);
    const uint32_t len = write_tcp(101);
    for (uint32_t cut = ETHERNET_BYTES + IPV6_BYTES + 20; cut < len; cut++) {
        const struct packet_piece more = {{frame + cut, len - cut}, frame};
        const struct packet_in packet = {
            .first = {{frame, cut}, frame}, .more = &more, .more_count = 1, .segments = 1};
        assert_int_equal(net_input(net, &packet, &segment, &error, 0), NET_TCP);
        assert_int_equal(segment.odd, NET_ODD_PIECES);
    }
}

static void without_an_address_ipv6_is_foreign(void **state)
{
    (void)state;
    struct net_segment segment;
    struct net_setup with = usual_setup();
    with.v4 = 0x0a000001;
    with.v6 = (struct address){{0}};
    start(&with);
    assert_int_equal(put(write_tcp(21), &segment, 0), NET_FOREIGN);
    assert_int_equal(put_solicitation(&ours), NET_FOREIGN);
}

static void without_an_address_ipv4_is_foreign(void **state)
{
    (void)state;
    struct net_segment segment;
    const struct net_setup with = usual_setup();
    start(&with);
    memset(frame, 0, sizeof(frame)); /* To 0.0.0.0, as one that is not there. */
    ethernet_write(frame, &our_mac, &peer_mac, 0, ETHERNET_IPV4);
    frame[14] = 0x45;
    store_be16(frame + 16, 40);
    frame[14 + 9] = 6;
    store_be32(frame + 14 + 12, 0x0a000002);
    const uint16_t sum = checksum_finish(checksum_sum(frame + 14, 20));
    memcpy(frame + 24, &sum, sizeof(sum));
    assert_int_equal(put(14 + 40, &segment, 0), NET_FOREIGN);
}

static void a_kernel_that_shares_the_port_hears_of_groups_too(void **state)
{
    (void)state;
    struct net_setup with = usual_setup();
    const struct address another = {{0xfd, [15] = 7}};
    with.neighbors_foreign = true;
    with.quiet = true;
    start(&with);
    net_turn(net, 0);
    assert_int_equal(put_solicitation(&ours), NET_FOREIGN);
    assert_int_equal(sent(), 1); /* And answered. */
    assert_int_equal(put_solicitation(&another), NET_FOREIGN);
    assert_int_equal(sent(), 0);
    assert_int_equal(learned_count, 1);
    assert_int_equal(released, 0);
}

static void one_instance_probes_and_all_wait(void **state)
{
    (void)state;
    struct net_segment segment;
    struct net_setup with = usual_setup();
    with.probe_v6 = true;
    with.quiet = true;
    start(&with);
    net_turn(net, 0);
    assert_int_equal(sent(), 0);
    assert_int_equal(put(write_tcp(21), &segment, 0), NET_TAKEN);
    assert_int_equal(net->counters[NET_IN_UNREADY], 1);
    assert_int_equal(net_next_deadline_ns(net), second_ns);
    net_turn(net, second_ns);
    assert_int_equal(net->v6.state, NET_READY);
    assert_int_equal(sent(), 0);
    assert_int_equal(put(write_tcp(21), &segment, second_ns), NET_TCP);
    assert_int_equal(net_next_deadline_ns(net), UINT64_MAX);
}

static void a_duplicate_is_told_and_taken_from_others(void **state)
{
    (void)state;
    struct net_setup with = usual_setup();
    with.probe_v6 = true;
    start(&with);
    net_turn(net, 0);
    assert_int_equal(sent(), 1);
    assert_int_equal(put_claim(0), NET_TAKEN);
    assert_int_equal(lost_count, 1);
    assert_int_equal(net->v6.state, NET_CONFLICT);
    assert_int_equal(net_next_deadline_ns(net), UINT64_MAX);
    start(&with);
    net_lose(net, &ours, &peer_mac); /* Another instance heard it. */
    assert_int_equal(lost_count, 0);
    assert_int_equal(net->v6.state, NET_CONFLICT);
    with.probe_v6 = false;
    start(&with);
    net_lose(net, &ours, &peer_mac);
    assert_int_equal(net->v6.state, NET_READY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_ends_before_padding),
        cmocka_unit_test(a_segment_in_pieces_is_summed_over_all),
        cmocka_unit_test(without_an_address_ipv6_is_foreign),
        cmocka_unit_test(without_an_address_ipv4_is_foreign),
        cmocka_unit_test(a_kernel_that_shares_the_port_hears_of_groups_too),
        cmocka_unit_test(one_instance_probes_and_all_wait),
        cmocka_unit_test(a_duplicate_is_told_and_taken_from_others),
    };
    return cmocka_run_group_tests_name("net6", tests, NULL, NULL);
}
