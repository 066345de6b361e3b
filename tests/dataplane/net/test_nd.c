#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv6.h"
#include "dataplane/net/nd.h"

static const struct address ours = {{0xfd, [15] = 1}};
static const struct address peer = {{0xfd, [13] = 0xab, [14] = 0xcd, [15] = 0xef}};

static void discovery_is_read_as_written(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 16; bits++) {
        const struct nd_packet packet = {.advertisement = (bits & 1) != 0,
                                         .solicited = (bits & 2) != 0,
                                         .override = (bits & 4) != 0,
                                         .has_mac = (bits & 8) != 0,
                                         .mac = {{2, 0, 0, 0, 0, (uint8_t)bits}},
                                         .target = peer};
        uint8_t bytes[ND_BYTES_MAX];
        struct nd_packet read;
        const uint16_t len = nd_write(bytes, &packet, &ours, &peer);
        assert_int_equal(len, packet.has_mac ? 32 : 24);
        const uint32_t pseudo = checksum_pseudo(&ours, &peer, IPV6_ICMP, len);
        assert_int_equal(checksum_finish(checksum_join(checksum_sum(bytes, len), pseudo, 0)), 0);
        assert_true(nd_parse((struct bytes){bytes, len}, &read));
        assert_true(read.advertisement == packet.advertisement &&
                    read.solicited == packet.solicited && read.override == packet.override &&
                    read.has_mac == packet.has_mac && address_equal(&read.target, &peer));
        assert_true(!read.has_mac || mac_equal(&read.mac, &packet.mac));
        for (uint32_t cut = 0; cut < len; cut++) { /* Whole options only. */
            assert_int_equal(nd_parse((struct bytes){bytes, cut}, &read), cut == 24);
        }
    }
}

static void what_is_not_valid_is_refused(void **state)
{
    (void)state; /* RFC 4861 7.1. */
    const struct nd_packet packet = {.has_mac = true, .mac = {{2, [5] = 7}}, .target = peer};
    static const struct {
        const char *what;
        uint32_t at;
        uint8_t value;
        bool good;
    } table[] = {
        {"a code", 1, 1, false},
        {"a group as target", 8, 0xff, false},
        {"an option of no length", 25, 0, false},
        {"an option behind the end", 25, 2, false},
        {"an option that is not known", 24, 99, true},
        {"a group as MAC", 26, 1, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        uint8_t bytes[ND_BYTES_MAX];
        struct nd_packet read;
        const uint16_t len = nd_write(bytes, &packet, &ours, &peer);
        bytes[table[i].at] = table[i].value;
        const bool good = nd_parse((struct bytes){bytes, len}, &read);
        if (good != table[i].good || (good && read.has_mac)) {
            fail_msg("%s", table[i].what);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(discovery_is_read_as_written),
        cmocka_unit_test(what_is_not_valid_is_refused),
    };
    return cmocka_run_group_tests_name("nd", tests, NULL, NULL);
}
