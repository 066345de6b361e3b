#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv4.h"

enum { PACKET_BYTES = 64 };

/* A good packet of 64 bytes whose header has `options` bytes of options (NOPs). */
static void write_packet(uint8_t *to, uint32_t options)
{
    const struct ipv4_header header = {.source = 0x0a000001,
                                       .target = 0x0a000002,
                                       .total_len = PACKET_BYTES,
                                       .protocol = IPV4_TCP,
                                       .ttl = IPV4_TTL};
    memset(to, 1, PACKET_BYTES);
    ipv4_write(to, &header, false);
    to[0] = (uint8_t)(0x45 + options / 4);
}

static enum ipv4_status parse(uint8_t *packet, uint32_t len, struct ipv4_header *header)
{
    const uint32_t header_len = (packet[0] & 0xfu) * 4;
    memset(packet + 10, 0, 2);
    const uint16_t sum = checksum_finish(checksum_sum(packet, header_len));
    memcpy(packet + 10, &sum, sizeof(sum));
    return ipv4_parse((struct bytes){packet, len}, len, false, header);
}

static void a_header_is_read_as_written(void **state)
{
    (void)state;
    uint8_t packet[PACKET_BYTES];
    struct ipv4_header header;
    write_packet(packet, 8);
    assert_int_equal(parse(packet, PACKET_BYTES, &header), IPV4_OK);
    assert_int_equal(header.source, 0x0a000001);
    assert_int_equal(header.target, 0x0a000002);
    assert_int_equal(header.total_len, PACKET_BYTES);
    assert_int_equal(header.header_len, 28);
    assert_int_equal(header.protocol, IPV4_TCP);
    assert_int_equal(header.ttl, IPV4_TTL);
}

/* clang-format off */
static const struct {
    const char *what; uint32_t options, at; uint8_t value; enum ipv4_status want;
} damages[] = {
    {"version 6",                         0,  0, 0x65, IPV4_BAD_HEADER},
    {"a header of 16 bytes",              0,  0, 0x44, IPV4_BAD_HEADER},
    {"a total length below the header",   0,  3, 19,   IPV4_BAD_HEADER},
    {"a total length beyond the frame",   0,  3, 65,   IPV4_TRUNCATED},
    {"more fragments",                    0,  6, 0x20, IPV4_FRAGMENT},
    {"a fragment's offset",               0,  7, 1,    IPV4_FRAGMENT},
    {"the reserved bit, which is no one's", 0, 6, 0x80, IPV4_OK},
    {"source 0.0.0.1",                    0, 12, 0,    IPV4_BAD_SOURCE},
    {"source 127.0.0.1",                  0, 12, 127,  IPV4_BAD_SOURCE},
    {"source 224.0.0.1",                  0, 12, 224,  IPV4_BAD_SOURCE},
    {"source 255.0.0.1",                  0, 12, 255,  IPV4_BAD_SOURCE},
    {"a loose source route",              4, 20, 131,  IPV4_BAD_OPTIONS},
    {"a strict source route",             4, 20, 137,  IPV4_BAD_OPTIONS},
    {"an option without length",          4, 23, 7,    IPV4_BAD_OPTIONS},
    {"an option of length 1",             4, 20, 7,    IPV4_BAD_OPTIONS},
    {"options ended early",               8, 20, 0,    IPV4_OK},
};
/* clang-format on */

static void damaged_headers_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
        uint8_t packet[PACKET_BYTES];
        struct ipv4_header header;
        write_packet(packet, damages[i].options);
        packet[damages[i].at] = damages[i].value;
        assert_int_equal(parse(packet, PACKET_BYTES, &header), damages[i].want);
    }
}

static void every_flipped_bit_of_the_header_fails_the_checksum_or_more(void **state)
{
    (void)state;
    for (uint32_t bit = 0; bit < IPV4_BYTES * 8; bit++) {
        uint8_t packet[PACKET_BYTES];
        struct ipv4_header header;
        write_packet(packet, 0);
        assert_int_equal(parse(packet, PACKET_BYTES, &header), IPV4_OK);
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const struct bytes whole = {packet, PACKET_BYTES};
        assert_int_not_equal(ipv4_parse(whole, PACKET_BYTES, false, &header), IPV4_OK);
    }
}

static void a_checksum_the_port_verified_is_not_looked_at(void **state)
{
    (void)state;
    uint8_t packet[PACKET_BYTES];
    struct ipv4_header header;
    write_packet(packet, 0);
    const struct bytes whole = {packet, PACKET_BYTES};
    assert_int_equal(ipv4_parse(whole, PACKET_BYTES, false, &header), IPV4_BAD_CHECKSUM);
    assert_int_equal(ipv4_parse(whole, PACKET_BYTES, true, &header), IPV4_OK);
}

static void short_packets_are_refused_at_every_length(void **state)
{
    (void)state;
    uint8_t packet[PACKET_BYTES];
    struct ipv4_header header;
    write_packet(packet, 8);
    for (uint32_t len = 0; len < PACKET_BYTES; len++) {
        const enum ipv4_status want = len < IPV4_BYTES ? IPV4_SHORT : IPV4_TRUNCATED;
        assert_int_equal(parse(packet, len, &header), want);
    }
}

static void a_frame_may_be_longer_than_its_packet(void **state)
{
    (void)state;
    uint8_t packet[PACKET_BYTES];
    struct ipv4_header header;
    write_packet(packet, 0);
    store_be16(packet + 2, 40); /* Ethernet pads short frames. */
    assert_int_equal(parse(packet, PACKET_BYTES, &header), IPV4_OK);
    assert_int_equal(header.total_len, 40);
}

static void a_sum_of_the_pseudo_header_alone_is_told_from_a_whole_one(void **state)
{
    (void)state;
    uint8_t frame[14 + 20 + 20 + 4] = {0};
    const struct ipv4_header header = {.source = 0x0a000001,
                                       .target = 0x0a000002,
                                       .total_len = 44,
                                       .protocol = IPV4_TCP,
                                       .ttl = 64};
    store_be16(frame + 12, 0x0800);
    ipv4_write(frame + 14, &header, true);
    memset(frame + 34, 0x5a, 24);
    memset(frame + 50, 0, 2);
    const struct address source = address_of_v4(header.source);
    const struct address target = address_of_v4(header.target);
    const uint32_t pseudo = checksum_pseudo(&source, &target, IPV4_TCP, 24);
    const uint16_t partial = (uint16_t)pseudo;
    const uint16_t whole = checksum_finish(checksum_join(checksum_sum(frame + 34, 24), pseudo, 0));
    const struct bytes bytes = {frame, sizeof(frame)};
    memcpy(frame + 50, &whole, 2);
    assert_false(ipv4_sum_is_partial(bytes));
    memcpy(frame + 50, &partial, 2);
    assert_true(ipv4_sum_is_partial(bytes));
    assert_false(ipv4_sum_is_partial((struct bytes){frame, 53}));
    frame[23] = IPV4_UDP;
    assert_false(ipv4_sum_is_partial(bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_read_as_written),
        cmocka_unit_test(damaged_headers_are_told_apart),
        cmocka_unit_test(every_flipped_bit_of_the_header_fails_the_checksum_or_more),
        cmocka_unit_test(a_checksum_the_port_verified_is_not_looked_at),
        cmocka_unit_test(short_packets_are_refused_at_every_length),
        cmocka_unit_test(a_frame_may_be_longer_than_its_packet),
        cmocka_unit_test(a_sum_of_the_pseudo_header_alone_is_told_from_a_whole_one),
    };
    return cmocka_run_group_tests_name("ipv4", tests, NULL, NULL);
}
