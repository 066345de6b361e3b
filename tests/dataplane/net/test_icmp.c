#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/ipv4.h"

enum { QUOTED_BYTES = ICMP_BYTES + IPV4_BYTES + 8 };

static void write_error(uint8_t *to, uint8_t type, uint8_t code, uint16_t mtu)
{
    memset(to, 0, QUOTED_BYTES);
    to[0] = type;
    to[1] = code;
    store_be16(to + 6, mtu);
    const struct ipv4_header header = {.source = 0x0a000001,
                                       .target = 0x0a000002,
                                       .total_len = 1500,
                                       .protocol = IPV4_TCP,
                                       .ttl = 1};
    ipv4_write(to + ICMP_BYTES, &header, true);
    store_be16(to + ICMP_BYTES + IPV4_BYTES, 9092);
    store_be16(to + ICMP_BYTES + IPV4_BYTES + 2, 40000);
    store_be32(to + ICMP_BYTES + IPV4_BYTES + 4, 0x01020304);
}

/* clang-format off */
static const struct { const char *what; uint8_t type, code; enum icmp_reason want; } reasons[] = {
    {"network unreachable",        3,  0, ICMP_REASON_SOFT}, /* RFC 1122 4.2.3.9 */
    {"host unreachable",           3,  1, ICMP_REASON_SOFT},
    {"protocol unreachable",       3,  2, ICMP_REASON_HARD},
    {"port unreachable",           3,  3, ICMP_REASON_HARD},
    {"fragmentation needed",       3,  4, ICMP_REASON_MTU},
    {"source route failed",        3,  5, ICMP_REASON_SOFT},
    {"forbidden by administrator", 3, 13, ICMP_REASON_HARD},
    {"time exceeded",             11,  0, ICMP_REASON_SOFT},
    {"parameter problem",         12,  0, ICMP_REASON_SOFT},
};
/* clang-format on */

static void errors_name_the_segment_and_its_fate(void **state)
{
    (void)state;
    uint8_t bytes[QUOTED_BYTES];
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        struct icmp_error error;
        write_error(bytes, reasons[i].type, reasons[i].code, 1400);
        assert_int_equal(icmp_parse((struct bytes){bytes, sizeof(bytes)}, &error), ICMP_IS_ERROR);
        assert_int_equal(error.reason, reasons[i].want);
        assert_int_equal(error.mtu, 1400);
        assert_int_equal(address_v4(&error.source), 0x0a000001);
        assert_int_equal(address_v4(&error.target), 0x0a000002);
        assert_int_equal(error.source_port, 9092);
        assert_int_equal(error.target_port, 40000);
        assert_int_equal(error.sequence, 0x01020304);
    }
}

static void errors_cut_short_are_bad(void **state)
{
    (void)state;
    struct icmp_error error;
    uint8_t bytes[QUOTED_BYTES];
    write_error(bytes, 3, 1, 0);
    for (uint32_t len = 0; len < sizeof(bytes); len++) {
        assert_int_equal(icmp_parse((struct bytes){bytes, len}, &error), ICMP_BAD);
    }
    bytes[ICMP_BYTES] = 0x46; /* Four bytes of options more than there are. */
    assert_int_equal(icmp_parse((struct bytes){bytes, sizeof(bytes)}, &error), ICMP_BAD);
}

static void errors_about_other_protocols_are_not_taken(void **state)
{
    (void)state;
    struct icmp_error error;
    uint8_t bytes[QUOTED_BYTES];
    write_error(bytes, 3, 1, 0);
    bytes[ICMP_BYTES + 9] = IPV4_UDP;
    assert_int_equal(icmp_parse((struct bytes){bytes, sizeof(bytes)}, &error), ICMP_NOT_TAKEN);
}

static void an_echo_reply_has_a_good_checksum_over_the_same_body(void **state)
{
    (void)state;
    for (uint32_t fill = 0; fill < 256; fill++) {
        uint8_t request[ICMP_BYTES + 3] = {ICMP_ECHO, 0, 0, 0, 1, 2, 3, 4, (uint8_t)fill, 0xff, 1};
        const uint16_t sum = checksum_finish(checksum_sum(request, sizeof(request)));
        memcpy(request + 2, &sum, sizeof(sum));
        icmp_write_echo_reply(request, request, ICMP_ECHO_REPLY);
        assert_int_equal(request[0], ICMP_ECHO_REPLY);
        assert_int_equal(checksum_finish(checksum_sum(request, sizeof(request))), 0);
    }
}

static void an_unreachable_quotes_the_header_and_eight_bytes(void **state)
{
    (void)state;
    uint8_t packet[100] = {0x46};
    uint8_t bytes[ICMP_ERROR_BYTES_MAX];
    const uint16_t len =
        icmp_write_unreachable(bytes, ICMP_PORT_UNREACHABLE, (struct bytes){packet, 100});
    assert_int_equal(len, ICMP_BYTES + 24 + 8);
    assert_int_equal(bytes[0], 3);
    assert_int_equal(bytes[1], 3);
    assert_memory_equal(bytes + ICMP_BYTES, packet, 32);
    assert_int_equal(checksum_finish(checksum_sum(bytes, len)), 0);
    assert_int_equal(icmp_write_unreachable(bytes, 2, (struct bytes){packet, 25}), ICMP_BYTES + 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_name_the_segment_and_its_fate),
        cmocka_unit_test(errors_cut_short_are_bad),
        cmocka_unit_test(errors_about_other_protocols_are_not_taken),
        cmocka_unit_test(an_echo_reply_has_a_good_checksum_over_the_same_body),
        cmocka_unit_test(an_unreachable_quotes_the_header_and_eight_bytes),
    };
    return cmocka_run_group_tests_name("icmp", tests, NULL, NULL);
}
