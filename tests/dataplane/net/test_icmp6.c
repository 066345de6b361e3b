#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/icmp6.h"
#include "dataplane/net/ipv6.h"

static const struct address ours = {{0xfd, [15] = 1}};
static const struct address peer = {{0xfd, [13] = 0xab, [14] = 0xcd, [15] = 0xef}};

static void an_error_names_the_segment_it_is_about(void **state)
{
    (void)state;
    static const struct {
        uint8_t type, code;
        uint32_t word;
        enum icmp_kind kind;
        enum icmp_reason reason;
    } table[] = {
        {1, 0, 0, ICMP_IS_ERROR, ICMP_REASON_SOFT},
        {1, 1, 0, ICMP_IS_ERROR, ICMP_REASON_HARD},
        {1, 3, 0, ICMP_IS_ERROR, ICMP_REASON_SOFT},
        {1, 4, 0, ICMP_IS_ERROR, ICMP_REASON_HARD},
        {1, 5, 0, ICMP_IS_ERROR, ICMP_REASON_HARD},
        {1, 6, 0, ICMP_IS_ERROR, ICMP_REASON_HARD},
        {2, 0, 1280, ICMP_IS_ERROR, ICMP_REASON_MTU},
        {2, 0, 1279, ICMP_NOT_TAKEN, 0},
        {2, 0, 70000, ICMP_IS_ERROR, ICMP_REASON_MTU},
        {3, 0, 0, ICMP_IS_ERROR, ICMP_REASON_SOFT},
        {4, 0, 0, ICMP_IS_ERROR, ICMP_REASON_SOFT},
        {4, 1, 0, ICMP_IS_ERROR, ICMP_REASON_HARD},
        {134, 0, 0, ICMP_NOT_TAKEN, 0},
        {128, 0, 0, ICMP_IS_ECHO, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        uint8_t bytes[ICMP_BYTES + IPV6_BYTES + 8] = {table[i].type, table[i].code};
        struct icmp_error error = {0};
        store_be32(bytes + 4, table[i].word);
        ipv6_write(bytes + 8, &ours, &peer, IPV4_TCP, 3);
        store_be16(bytes + 48, 9092);
        store_be16(bytes + 50, 40000);
        store_be32(bytes + 52, 0xdeadbeef);
        assert_int_equal(icmp6_parse((struct bytes){bytes, sizeof(bytes)}, &error), table[i].kind);
        if (table[i].kind != ICMP_IS_ERROR) {
            continue;
        }
        assert_int_equal(error.reason, table[i].reason);
        assert_int_equal(error.mtu, table[i].word);
        assert_true(address_equal(&error.source, &ours) && address_equal(&error.target, &peer));
        assert_true(error.source_port == 9092 && error.target_port == 40000 &&
                    error.sequence == 0xdeadbeef);
        assert_int_equal(icmp6_parse((struct bytes){bytes, sizeof(bytes) - 1}, &error), ICMP_BAD);
        bytes[8 + 6] = 17; /* Of UDP. */
        assert_int_equal(icmp6_parse((struct bytes){bytes, sizeof(bytes)}, &error), ICMP_NOT_TAKEN);
    }
}

static void an_echo_is_answered_with_the_right_sum(void **state)
{
    (void)state;
    uint8_t bytes[64] = {ICMP6_ECHO, 0, 0, 0, 0x12, 0x34, 0, 9};
    for (uint32_t fill = 0; fill < 256; fill++) {
        memset(bytes + ICMP_BYTES, (int)fill, sizeof(bytes) - ICMP_BYTES);
        memset(bytes + 2, 0, 2);
        bytes[0] = ICMP6_ECHO;
        const uint32_t pseudo = checksum_pseudo(&peer, &ours, IPV6_ICMP, sizeof(bytes));
        uint16_t sum =
            checksum_finish(checksum_join(checksum_sum(bytes, sizeof(bytes)), pseudo, 0));
        memcpy(bytes + 2, &sum, sizeof(sum));
        icmp_write_echo_reply(bytes, bytes, ICMP6_ECHO_REPLY);
        assert_int_equal(bytes[0], ICMP6_ECHO_REPLY);
        sum = checksum_finish(checksum_join(checksum_sum(bytes, sizeof(bytes)), pseudo, 0));
        assert_int_equal(sum, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_names_the_segment_it_is_about),
        cmocka_unit_test(an_echo_is_answered_with_the_right_sum),
    };
    return cmocka_run_group_tests_name("icmp6", tests, NULL, NULL);
}
