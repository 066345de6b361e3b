#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include <snappy-c.h>

#include "storage/base/random.h"
#include "storage/record/snappy_stream.h"
#include "tests/storage/record/sample.h"

enum { WINDOW = 4 * INFLATE_SLICE_BYTES, PLAIN_BYTES = 1 << 20 };

static uint8_t window[WINDOW];
static uint8_t out[2 * PLAIN_BYTES];
static struct bytes parts[PLAIN_BYTES];

static enum inflate_status run(struct bytes wire, uint32_t piece, uint32_t *len)
{
    struct snappy_stream stream;
    struct bytes slice;
    *len = 0;
    enum inflate_status status =
        snappy_stream_begin(&stream, sample_chain(wire, piece, parts), window, WINDOW);
    while (status == INFLATE_SLICE) {
        status = snappy_stream_step(&stream, &slice);
        if (*len + slice.len > sizeof(out)) {
            return INFLATE_TOO_LARGE;
        }
        memcpy(out + *len, slice.ptr, slice.len);
        *len += slice.len;
    }
    return status;
}

/* Elements by hand: the library's compressor never writes some of them. */
static const struct {
    const char *what;
    struct {
        uint8_t len;
        uint8_t bytes[24];
    } wire;
    enum inflate_status want;
    const char *plain;
} cases[] = {
    {"empty block", {1, {0}}, INFLATE_END, ""},
    {"literal", {5, {3, 8, 'a', 'b', 'c'}}, INFLATE_END, "abc"},
    {"literal with one length byte", {6, {3, 240, 2, 'a', 'b', 'c'}}, INFLATE_END, "abc"},
    {"literal with four length bytes",
     {9, {3, 252, 2, 0, 0, 0, 'a', 'b', 'c'}},
     INFLATE_END,
     "abc"},
    {"copy with one offset byte", {7, {7, 8, 'a', 'b', 'c', 1, 3}}, INFLATE_END, "abcabca"},
    {"copy with two", {8, {6, 8, 'a', 'b', 'c', 10, 3, 0}}, INFLATE_END, "abcabc"},
    {"copy with four", {10, {6, 8, 'a', 'b', 'c', 11, 3, 0, 0, 0}}, INFLATE_END, "abcabc"},
    {"copy over itself", {6, {11, 0, 'x', 38, 1, 0}}, INFLATE_END, "xxxxxxxxxxx"},
    {"copy from before the start", {7, {7, 8, 'a', 'b', 'c', 1, 4}}, INFLATE_BAD, ""},
    {"copy of offset nothing", {7, {7, 8, 'a', 'b', 'c', 1, 0}}, INFLATE_BAD, ""},
    {"literal cut", {4, {3, 8, 'a', 'b'}}, INFLATE_BAD, ""},
    {"more than the block says", {5, {2, 8, 'a', 'b', 'c'}}, INFLATE_BAD, ""},
    {"less than the block says", {5, {4, 8, 'a', 'b', 'c'}}, INFLATE_BAD, ""},
    {"bytes behind", {6, {3, 8, 'a', 'b', 'c', 0}}, INFLATE_BAD, ""},
    {"no length", {0, {0}}, INFLATE_BAD, ""},
    {"length too long", {7, {0x80, 0x80, 0x80, 0x80, 0x80, 0, 0}}, INFLATE_BAD, ""},
    {"length above 32 bits", {6, {0xff, 0xff, 0xff, 0xff, 0x7f, 0}}, INFLATE_BAD, ""},
    {"cut inside a copy", {6, {6, 8, 'a', 'b', 'c', 10}}, INFLATE_BAD, ""},
};

static void every_element_is_understood_however_it_is_cut(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (uint32_t piece = 1; piece < 8; piece++) {
            uint32_t len;
            const enum inflate_status got =
                run((struct bytes){cases[i].wire.bytes, cases[i].wire.len}, piece, &len);
            if (got != cases[i].want) {
                fail_msg("%s", cases[i].what);
            }
            if (got == INFLATE_END) {
                assert_int_equal(len, strlen(cases[i].plain));
                assert_memory_equal(out, cases[i].plain, len);
            }
        }
    }
}

static void it_agrees_with_the_library_on_good_and_damaged_blocks(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 8);
    static char plain[30000];
    static char packed[50000];
    static char want[60000];
    for (uint32_t round = 0; round < 3000; round++) {
        const size_t plain_len = random_below(&random, sizeof(plain));
        for (size_t i = 0; i < plain_len; i++) {
            plain[i] = (char)(i > 50 && !random_one_in(&random, 9) ? plain[i - 50]
                                                                   : (char)random_u64(&random));
        }
        size_t packed_len = sizeof(packed);
        assert_int_equal(snappy_compress(plain, plain_len, packed, &packed_len), SNAPPY_OK);
        if (round % 2 == 1) {
            packed[random_below(&random, packed_len)] = (char)random_u64(&random);
        }
        size_t want_len = 0;
        const bool good = snappy_uncompressed_length(packed, packed_len, &want_len) == SNAPPY_OK &&
                          want_len <= sizeof(want) &&
                          snappy_uncompress(packed, packed_len, want, &want_len) == SNAPPY_OK;
        uint32_t len;
        const enum inflate_status got =
            run((struct bytes){(const uint8_t *)packed, (uint32_t)packed_len},
                1 + (uint32_t)random_below(&random, 5000), &len);
        assert_int_equal(got == INFLATE_END, good);
        if (good) {
            assert_int_equal(len, want_len);
            assert_memory_equal(out, want, len);
        }
    }
}

static void a_copy_from_behind_the_window_is_told_apart(void **state)
{
    (void)state;
    /* WINDOW bytes of literal, then a copy from the very first of them, which has slid away. */
    static uint8_t wire[WINDOW + 32];
    uint32_t used = 0;
    const uint32_t total = WINDOW + 4;
    for (uint32_t left = total; left > 0; left >>= 7) {
        wire[used++] = (uint8_t)(left > 0x7f ? left | 0x80 : left);
    }
    wire[used++] = 62 << 2;
    const uint32_t count = WINDOW - 1;
    wire[used++] = (uint8_t)count;
    wire[used++] = (uint8_t)(count >> 8);
    wire[used++] = (uint8_t)(count >> 16);
    used += WINDOW;
    wire[used++] = 3 << 2 | 3;
    const uint32_t offset = WINDOW;
    wire[used++] = (uint8_t)offset;
    wire[used++] = (uint8_t)(offset >> 8);
    wire[used++] = (uint8_t)(offset >> 16);
    wire[used++] = 0;
    uint32_t len;
    assert_int_equal(run((struct bytes){wire, used}, used, &len), INFLATE_WINDOW);
    wire[used - 3] = 2;
    wire[used - 2] = 0;
    assert_int_equal(run((struct bytes){wire, used}, used, &len), INFLATE_END);
    assert_int_equal(len, total);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_is_understood_however_it_is_cut),
        cmocka_unit_test(it_agrees_with_the_library_on_good_and_damaged_blocks),
        cmocka_unit_test(a_copy_from_behind_the_window_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
