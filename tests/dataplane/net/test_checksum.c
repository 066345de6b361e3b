#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/checksum.h"
#include "storage/base/random.h"

/* Byte by byte, as RFC 1071 says it. */
static uint32_t naive_sum(const uint8_t *bytes, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? bytes[i] : (uint32_t)bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static void sums_are_those_of_the_definition_at_every_length(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    uint8_t bytes[300];
    for (size_t len = 0; len < sizeof(bytes); len++) {
        random_fill(&random, bytes, sizeof(bytes));
        if (len % 3 == 0) {
            memset(bytes, 0xff, sizeof(bytes)); /* Carries everywhere. */
        }
        assert_int_equal(checksum_finish(checksum_sum(bytes + 1, len - (len > 0))),
                         checksum_finish(naive_sum(bytes + 1, len - (len > 0))));
        assert_int_equal(checksum_finish(checksum_sum(bytes, len)),
                         checksum_finish(naive_sum(bytes, len)));
    }
}

static void parts_of_odd_length_join_to_the_sum_of_the_whole(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 2);
    uint8_t bytes[200];
    random_fill(&random, bytes, sizeof(bytes));
    for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
        uint32_t sum = checksum_sum(bytes, cut);
        sum = checksum_join(sum, checksum_sum(bytes + cut, sizeof(bytes) - cut), cut);
        assert_int_equal(checksum_finish(sum), checksum_finish(naive_sum(bytes, sizeof(bytes))));
    }
}

static void a_packet_with_its_checksum_sums_to_zero(void **state)
{
    (void)state;
    /* The example header of RFC 1071's tradition: 4500 0073 0000 4000 4011 b861 c0a8 0001 ... */
    const uint8_t header[20] = {0x45, 0,    0,    0x73, 0, 0, 0x40, 0,    0x40, 0x11,
                                0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,    0xc7};
    assert_int_equal(checksum_finish(checksum_sum(header, sizeof(header))), 0);
}

static void the_pseudo_header_holds_addresses_protocol_and_length(void **state)
{
    (void)state;
    const struct address a = address_of_v4(0x0a000001);
    const struct address b = address_of_v4(0x0a000002);
    const uint8_t bytes[12] = {10, 0, 0, 1, 10, 0, 0, 2, 0, 6, 0x12, 0x34};
    assert_int_equal(checksum_finish(checksum_pseudo(&a, &b, 6, 0x1234)),
                     checksum_finish(naive_sum(bytes, sizeof(bytes))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_definition_at_every_length),
        cmocka_unit_test(parts_of_odd_length_join_to_the_sum_of_the_whole),
        cmocka_unit_test(a_packet_with_its_checksum_sums_to_zero),
        cmocka_unit_test(the_pseudo_header_holds_addresses_protocol_and_length),
    };
    return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
