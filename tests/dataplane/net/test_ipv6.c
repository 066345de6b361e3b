#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv6.h"

enum { PACKET_BYTES = 120 };

static const struct address ours = {{0xfd, [15] = 1}};
static const struct address peer = {{0xfd, [13] = 0xab, [14] = 0xcd, [15] = 0xef}};

/* A TCP packet from peer of PACKET_BYTES, without extensions. */
static void write(uint8_t *packet)
{
    memset(packet, 0, PACKET_BYTES);
    ipv6_write(packet, &peer, &ours, IPV4_TCP, IPV6_HOP_LIMIT);
    ipv6_write_length(packet, PACKET_BYTES - IPV6_BYTES);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    uint8_t packet[PACKET_BYTES];
    struct ipv6_header header;
    write(packet);
    packet[1] = 0x30; /* A mark. */
    assert_int_equal(ipv6_parse((struct bytes){packet, PACKET_BYTES}, PACKET_BYTES, &header),
                     IPV6_OK);
    assert_true(address_equal(&header.source, &peer) && address_equal(&header.target, &ours));
    assert_int_equal(header.total_len, PACKET_BYTES);
    assert_int_equal(header.header_len, IPV6_BYTES);
    assert_int_equal(header.protocol, IPV4_TCP);
    assert_int_equal(header.hop_limit, 64);
    assert_int_equal(header.ecn, 3);
    assert_int_equal(header.next_at, 6);
}

static void cut_anywhere_it_is_refused(void **state)
{
    (void)state;
    uint8_t packet[PACKET_BYTES];
    struct ipv6_header header;
    write(packet);
    for (uint32_t len = 0; len < PACKET_BYTES; len++) {
        uint8_t *cut = memcpy(test_malloc(len + 1), packet, len); /* Of that size for ASan. */
        assert_int_equal(ipv6_parse((struct bytes){cut, len}, len, &header),
                         len < IPV6_BYTES ? IPV6_SHORT : IPV6_TRUNCATED);
        test_free(cut);
    }
}

/* Random bytes behind the header, of every kind of extension: never more than there is. */
static void extensions_of_random_bytes_stay_inside(void **state)
{
    (void)state;
    static const uint8_t kinds[] = {0, 43, 44, 60, 6, 58, 59, 99};
    uint32_t seen[IPV6_BAD_SOURCE + 1] = {0};
    uint32_t seed = 1;
    for (uint32_t round = 0; round < 200000; round++) {
        uint8_t packet[PACKET_BYTES];
        struct ipv6_header header;
        write(packet);
        for (uint32_t i = IPV6_BYTES; i < PACKET_BYTES; i++) {
            seed = seed * 1664525 + 1013904223;
            packet[i] = seed >> 30 == 0 ? (uint8_t)(seed >> 16) : (uint8_t)(seed >> 16 & 1);
            packet[i] = i % 8 == 0 ? kinds[seed >> 20 & 7] : packet[i];
        }
        packet[6] = kinds[seed >> 10 & 3];
        const uint32_t len = IPV6_BYTES + (seed >> 5) % (PACKET_BYTES - IPV6_BYTES + 1);
        uint8_t *cut = memcpy(test_malloc(len), packet, len);
        const enum ipv6_status status = ipv6_parse((struct bytes){cut, len}, PACKET_BYTES, &header);
        assert_true(status != IPV6_OK || (header.header_len <= len && header.header_len % 8 == 0));
        assert_true(status != IPV6_BAD_OPTION || header.wrong_at < len);
        seen[status]++;
        test_free(cut);
    }
    assert_true(seen[IPV6_OK] > 0 && seen[IPV6_TRUNCATED] > 0 && seen[IPV6_BAD_HEADER] > 0 &&
                seen[IPV6_BAD_OPTION] > 0 && seen[IPV6_FRAGMENT] > 0 && seen[IPV6_BAD_FIELD] > 0);
}

/* An example of a whole packet, summed word by word. */
static void the_pseudo_header_is_summed_as_the_rfc_says(void **state)
{
    (void)state; /* RFC 8200 8.1: addresses, length of 32 bits, three zeros, next header. */
    uint8_t bytes[40] = {0};
    memcpy(bytes, peer.bytes, 16);
    memcpy(bytes + 16, ours.bytes, 16);
    store_be32(bytes + 32, 51234);
    bytes[39] = IPV4_TCP;
    uint32_t want = 0;
    for (uint32_t i = 0; i < sizeof(bytes); i += 2) {
        uint16_t word;
        memcpy(&word, bytes + i, sizeof(word));
        want += word;
    }
    assert_int_equal(checksum_finish(checksum_pseudo(&peer, &ours, IPV4_TCP, 51234)),
                     checksum_finish(want));
}

static void groups_and_their_macs(void **state)
{
    (void)state; /* RFC 4291 2.7.1, RFC 2464 7. */
    const struct address group = ipv6_solicited_group(&peer);
    static const struct address want = {
        {0xff, 2, [11] = 1, [12] = 0xff, [13] = 0xab, [14] = 0xcd, [15] = 0xef}};
    static const struct mac mac_want = {{0x33, 0x33, 0xff, 0xab, 0xcd, 0xef}};
    static const struct mac all_want = {{0x33, 0x33, 0, 0, 0, 1}};
    const struct mac mac = ipv6_group_mac(&group);
    const struct mac all = ipv6_group_mac(&ipv6_all_nodes);
    assert_true(address_equal(&group, &want) && mac_equal(&mac, &mac_want));
    assert_true(mac_equal(&all, &all_want));
}

static void a_partial_sum_is_known(void **state)
{
    (void)state;
    uint8_t frame[ETHERNET_BYTES + PACKET_BYTES] = {0};
    const struct bytes view = {frame, sizeof(frame)};
    store_be16(frame + 12, ETHERNET_IPV6);
    write(frame + ETHERNET_BYTES);
    assert_false(ipv6_sum_is_partial(view));
    uint8_t *tcp = frame + ETHERNET_BYTES + IPV6_BYTES;
    const uint32_t pseudo = checksum_pseudo(&peer, &ours, IPV4_TCP, PACKET_BYTES - IPV6_BYTES);
    const uint16_t part = (uint16_t)pseudo;
    memcpy(tcp + 16, &part, sizeof(part));
    assert_true(ipv6_sum_is_partial(view));
    assert_false(ipv4_sum_is_partial(view));
    const uint16_t whole =
        checksum_finish(checksum_join(checksum_sum(tcp, PACKET_BYTES - IPV6_BYTES), pseudo, 0));
    memcpy(tcp + 16, &whole, sizeof(whole));
    assert_false(ipv6_sum_is_partial(view));
    assert_false(ipv6_sum_is_partial((struct bytes){frame, 60}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(cut_anywhere_it_is_refused),
        cmocka_unit_test(extensions_of_random_bytes_stay_inside),
        cmocka_unit_test(the_pseudo_header_is_summed_as_the_rfc_says),
        cmocka_unit_test(groups_and_their_macs),
        cmocka_unit_test(a_partial_sum_is_known),
    };
    return cmocka_run_group_tests_name("ipv6", tests, NULL, NULL);
}
