#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/base/random.h"
#include "storage/record/packer.h"

enum {
    WINDOW = 8 << 20,
    PLAIN_BYTES = 3 << 20,
};

static uint8_t *plain;
static uint8_t *again;
static uint8_t *packed;
static uint32_t packed_len;
static uint32_t packed_max;
static struct inflate *inflater;

static int make(void **state)
{
    (void)state;
    plain = malloc(PLAIN_BYTES);
    again = malloc(PLAIN_BYTES);
    packed = malloc(2 * PLAIN_BYTES);
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, 64, inflate_memory_bytes(WINDOW)), 0);
    inflater = inflate_init(memory, WINDOW);
    struct random random;
    random_init(&random, 3);
    for (uint32_t i = 0; i < PLAIN_BYTES; i++) { /* Half noise, half words. */
        plain[i] = (uint8_t)(i % 2 == 0 ? random_below(&random, 256) : 'a' + i / 2 % 7);
    }
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    free(plain);
    free(again);
    free(packed);
    free(inflater);
    return 0;
}

static bool collect(void *context, struct bytes bytes)
{
    (void)context;
    if (packed_len + bytes.len > packed_max) {
        return false;
    }
    memcpy(packed + packed_len, bytes.ptr, bytes.len);
    packed_len += bytes.len;
    return true;
}

/* Packs the first len bytes, fed in pieces of at most `piece`. */
static bool pack(enum batch_codec codec, int32_t level, uint32_t len, uint32_t piece)
{
    packed_len = 0;
    struct packer *packer = packer_open(codec, level, len, collect, NULL);
    assert_non_null(packer);
    bool good = true;
    for (uint32_t at = 0; good && at < len; at += piece) {
        good = packer_feed(packer, (struct bytes){plain + at, min_u32(piece, len - at)});
    }
    good = good && packer_end(packer);
    packer_close(packer);
    return good;
}

static void assert_unpacks(enum batch_codec codec, uint32_t len)
{
    const struct bytes stream = {packed, packed_len};
    uint32_t count = packed_len;
    if (codec == BATCH_CODEC_NONE) {
        assert_int_equal(packed_len, len);
        assert_memory_equal(packed, plain, len);
        return;
    }
    assert_int_equal(inflate_all(inflater, codec, chain_of(&stream), again, PLAIN_BYTES, &count),
                     INFLATE_END);
    assert_int_equal(count, len);
    assert_memory_equal(again, plain, len);
}

static void whatever_is_fed_in_whatever_pieces_comes_out_again(void **state)
{
    (void)state;
    static const struct {
        uint32_t len;
        uint32_t piece;
    } cases[] = {{0, 1},           {1, 1},         {777, 1},        {32768, 32768},
                 {32769, 1000},    {65536, 65536}, {200000, 33333}, {PLAIN_BYTES, 65536},
                 {PLAIN_BYTES, 10}};
    packed_max = 2 * PLAIN_BYTES;
    for (enum batch_codec codec = BATCH_CODEC_NONE; codec < BATCH_CODECS; codec++) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
            assert_true(pack(codec, INT32_MIN, cases[i].len, cases[i].piece));
            assert_unpacks(codec, cases[i].len);
        }
    }
}

/* The ends of what Kafka's configuration takes. */
static void every_level_of_kafkas_keys_works(void **state)
{
    (void)state;
    static const struct {
        enum batch_codec codec;
        int32_t level;
    } cases[] = {{BATCH_CODEC_GZIP, -1}, {BATCH_CODEC_GZIP, 1},       {BATCH_CODEC_GZIP, 9},
                 {BATCH_CODEC_LZ4, 1},   {BATCH_CODEC_LZ4, 9},        {BATCH_CODEC_LZ4, 17},
                 {BATCH_CODEC_ZSTD, 1},  {BATCH_CODEC_ZSTD, -131072}, {BATCH_CODEC_ZSTD, 22}};
    packed_max = 2 * PLAIN_BYTES;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_true(pack(cases[i].codec, cases[i].level, 100000, 5000));
        assert_unpacks(cases[i].codec, 100000);
    }
}

/* A window that the core's own inflater has, though the level would have a larger one. */
static void no_level_asks_readers_for_a_large_window(void **state)
{
    (void)state;
    packed_max = 2 * PLAIN_BYTES;
    packed_len = 0;
    struct packer *packer = packer_open(BATCH_CODEC_ZSTD, 22, UINT64_C(1) << 30, collect, NULL);
    assert_non_null(packer);
    assert_true(packer_feed(packer, (struct bytes){plain, 50000}));
    assert_true(packer_end(packer));
    packer_close(packer);
    assert_unpacks(BATCH_CODEC_ZSTD, 50000);
}

static void it_stops_when_no_more_is_wanted(void **state)
{
    (void)state;
    packed_max = 300;
    for (enum batch_codec codec = BATCH_CODEC_NONE; codec < BATCH_CODECS; codec++) {
        assert_false(pack(codec, INT32_MIN, PLAIN_BYTES, 65536));
        assert_true(packed_len <= packed_max);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_fed_in_whatever_pieces_comes_out_again),
        cmocka_unit_test(every_level_of_kafkas_keys_works),
        cmocka_unit_test(no_level_asks_readers_for_a_large_window),
        cmocka_unit_test(it_stops_when_no_more_is_wanted),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
