/* The hash of RSS against the examples that its inventor published. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "dataplane/nic/toeplitz.h"

static const uint8_t key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static void published_examples_of_ipv4(void **state)
{
    (void)state;
    static const struct {
        uint8_t input[12];
        uint32_t hash;
    } rows[] = {
        {{66, 9, 149, 187, 161, 142, 100, 80, 2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255},
         0x51ccc178},
        {{199, 92, 111, 2, 65, 69, 140, 83, 14230 >> 8, 14230 & 255, 4739 >> 8, 4739 & 255},
         0xc626b0ea},
        {{24, 19, 198, 95, 12, 22, 207, 184, 12898 >> 8, 12898 & 255, 38024 >> 8, 38024 & 255},
         0x5c2b394a},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(toeplitz_hash(key, rows[i].input, 12), rows[i].hash);
    }
}

static void a_published_example_of_ipv6(void **state)
{
    (void)state;
    static const uint8_t input[36] = {
        0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f,      0xff,       0,         0,         0,    0, 0,
        0,    0,    0x07, 0x3f, 0xfe, 0x25, 0x01,      0x02,       0x00,      0x00,      0x03, 0, 0,
        0,    0,    0,    0,    0,    0x01, 2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255};
    assert_int_equal(toeplitz_hash(key, input, 36), 0x40207d3d);
}

static void what_is_hashed_is_found_behind_a_tag_too_and_in_tcp_alone(void **state)
{
    (void)state;
    uint8_t frame[80] = {0};
    uint8_t input[TOEPLITZ_INPUT_MAX];
    for (uint32_t tag = 0; tag <= 4; tag += 4) {
        memset(frame, 0, sizeof(frame));
        store_be16(frame + 12, 0x8100);
        store_be16(frame + 12 + tag, 0x0800);
        uint8_t *ip = frame + 14 + tag;
        ip[0] = 0x45;
        ip[9] = 6;
        for (uint8_t i = 12; i < 24; i++) {
            ip[i] = i;
        }
        assert_int_equal(toeplitz_input((struct bytes){frame, 60}, input), 12);
        assert_memory_equal(input, ip + 12, 12);
        assert_int_equal(toeplitz_input((struct bytes){frame, 37 + tag}, input), 0);
        assert_int_equal(toeplitz_input((struct bytes){frame, 10}, input), 0);
        store_be16(ip + 6, 0x2000); /* A fragment. */
        assert_int_equal(toeplitz_input((struct bytes){frame, 60}, input), 0);
        store_be16(ip + 6, 0);
        ip[9] = 17;
        assert_int_equal(toeplitz_input((struct bytes){frame, 60}, input), 0);
        store_be16(ip - 2, 0x86dd);
        ip[6] = 6;
        assert_int_equal(toeplitz_input((struct bytes){frame, 80}, input), 36);
        assert_memory_equal(input, ip + 8, 36);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_examples_of_ipv4),
        cmocka_unit_test(a_published_example_of_ipv6),
        cmocka_unit_test(what_is_hashed_is_found_behind_a_tag_too_and_in_tcp_alone),
    };
    return cmocka_run_group_tests_name("toeplitz", tests, NULL, NULL);
}
