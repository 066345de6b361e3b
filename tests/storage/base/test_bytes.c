#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/base/bytes.h"

static const struct bytes pieces[] = {
    {(const uint8_t *)"ab", 2}, {(const uint8_t *)"cde", 3}, {(const uint8_t *)"f", 1}};

static void chain_reads_across_seams_from_every_start(void **state)
{
    (void)state;
    const struct chain whole = {pieces, 0, 6};
    for (uint32_t start = 0; start <= 6; start++) {
        for (uint32_t len = 0; start + len <= 6; len++) {
            const struct chain part = chain_take(chain_skip(whole, start), len);
            char copy[7] = {0};
            chain_copy(part, copy, len);
            assert_memory_equal(copy, "abcdef" + start, len);
            const struct bytes want = {(const uint8_t *)"abcdef" + start, len};
            assert_true(chain_equals(part, want));
            uint8_t scratch[6];
            assert_true(bytes_equal(chain_flat(part, scratch), want));
        }
    }
}

static void chain_flat_copies_only_across_a_seam(void **state)
{
    (void)state;
    uint8_t scratch[6];
    const struct chain whole = {pieces, 0, 6};
    assert_ptr_equal(chain_flat(chain_take(whole, 2), scratch).ptr, pieces[0].ptr);
    assert_ptr_equal(chain_flat(chain_take(whole, 3), scratch).ptr, scratch);
}

static void chain_equals_sees_one_different_byte(void **state)
{
    (void)state;
    const struct chain whole = {pieces, 0, 6};
    assert_false(chain_equals(whole, (struct bytes){(const uint8_t *)"abcdeF", 6}));
    assert_false(chain_equals(whole, (struct bytes){(const uint8_t *)"abcde", 5}));
}

static void big_endian_is_the_network_order(void **state)
{
    (void)state;
    uint8_t wire[8];
    store_be64(wire, 0x0102030405060708u);
    assert_memory_equal(wire, "\1\2\3\4\5\6\7\10", 8);
    assert_int_equal(load_be64(wire), 0x0102030405060708u);
    assert_int_equal(load_be32(wire + 1), 0x02030405u);
    assert_int_equal(load_be16(wire + 6), 0x0708u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_reads_across_seams_from_every_start),
        cmocka_unit_test(chain_flat_copies_only_across_a_seam),
        cmocka_unit_test(chain_equals_sees_one_different_byte),
        cmocka_unit_test(big_endian_is_the_network_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
