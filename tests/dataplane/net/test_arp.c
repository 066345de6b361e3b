#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/arp.h"

static const struct arp_packet request = {.operation = ARP_REQUEST,
                                          .sender_mac = {{2, 0, 0, 0, 0, 1}},
                                          .sender_v4 = 0x0a000001,
                                          .target_v4 = 0x0a000002};

static void arp_reads_what_it_wrote(void **state)
{
    (void)state;
    uint8_t bytes[ARP_BYTES];
    struct arp_packet read;
    arp_write(bytes, &request);
    const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1}; /* RFC 826: Ethernet, IPv4, 6, 4, request. */
    assert_memory_equal(bytes, head, sizeof(head));
    assert_true(arp_parse((struct bytes){bytes, sizeof(bytes)}, &read));
    assert_int_equal(read.operation, ARP_REQUEST);
    assert_true(mac_equal(&read.sender_mac, &request.sender_mac));
    assert_int_equal(read.sender_v4, request.sender_v4);
    assert_int_equal(read.target_v4, request.target_v4);
}

/* clang-format off */
static const struct { const char *what; uint32_t at; uint8_t value; } damages[] = {
    {"another hardware",          1, 6},
    {"another protocol",          2, 0x86},
    {"another hardware length",   4, 8},
    {"another protocol length",   5, 16},
    {"another operation",         7, 3},
    {"a group as sender",         8, 3},
};
/* clang-format on */

static void arp_refuses_other_kinds_and_short_packets(void **state)
{
    (void)state;
    struct arp_packet read;
    uint8_t bytes[ARP_BYTES];
    for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
        arp_write(bytes, &request);
        bytes[damages[i].at] = damages[i].value;
        assert_false(arp_parse((struct bytes){bytes, sizeof(bytes)}, &read));
    }
    arp_write(bytes, &request);
    for (uint32_t len = 0; len < ARP_BYTES; len++) {
        assert_false(arp_parse((struct bytes){bytes, len}, &read));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arp_reads_what_it_wrote),
        cmocka_unit_test(arp_refuses_other_kinds_and_short_packets),
    };
    return cmocka_run_group_tests_name("arp", tests, NULL, NULL);
}
