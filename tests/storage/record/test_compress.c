#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/base/random.h"
#include "storage/record/compress.h"

static uint8_t plain[300000];
static uint8_t packed[400000];

static int noise(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 2);
    random_fill(&random, plain, sizeof(plain));
    return 0;
}

static void the_bound_suffices_for_noise(void **state)
{
    (void)state;
    static const uint32_t lens[] = {0, 1, 1000, 32767, 32768, 32769, 300000};
    for (enum batch_codec codec = BATCH_CODEC_NONE; codec < BATCH_CODECS; codec++) {
        for (uint32_t i = 0; i < ARRAY_SIZE(lens); i++) {
            for (enum compress_snappy snappy = 0; snappy <= COMPRESS_SNAPPY_RAW; snappy++) {
                size_t len = 0;
                const size_t bound = compress_bound(codec, lens[i]);
                assert_true(bound <= sizeof(packed));
                assert_true(compress_all(codec, INT32_MIN, snappy, (struct bytes){plain, lens[i]},
                                         packed, bound, &len));
                assert_true(len <= bound);
            }
        }
    }
}

static void too_little_room_is_a_failure_and_not_an_overrun(void **state)
{
    (void)state;
    for (enum batch_codec codec = BATCH_CODEC_NONE; codec < BATCH_CODECS; codec++) {
        for (uint32_t capacity = 0; capacity < 900; capacity += 7) {
            size_t len;
            memset(packed, 0xa5, 2000);
            assert_false(compress_all(codec, INT32_MIN, COMPRESS_SNAPPY_JAVA,
                                      (struct bytes){plain, 1000}, packed, capacity, &len));
            assert_int_equal(packed[capacity], 0xa5);
        }
    }
}

/* The first bytes are what readers go by. */
static void streams_start_as_java_clients_start_them(void **state)
{
    (void)state;
    static const struct {
        enum batch_codec codec;
        uint8_t bytes[16];
        uint32_t len;
    } cases[] = {
        {BATCH_CODEC_GZIP, {0x1f, 0x8b, 8}, 3},
        {BATCH_CODEC_SNAPPY, {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}, 16},
        {BATCH_CODEC_LZ4, {4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82}, 7},
        {BATCH_CODEC_ZSTD, {0x28, 0xb5, 0x2f, 0xfd}, 4},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t len;
        assert_true(compress_all(cases[i].codec, INT32_MIN, COMPRESS_SNAPPY_JAVA,
                                 (struct bytes){plain, 1000}, packed, sizeof(packed), &len));
        assert_memory_equal(packed, cases[i].bytes, cases[i].len);
    }
}

static void levels_make_a_difference(void **state)
{
    (void)state;
    static const enum batch_codec codecs[] = {BATCH_CODEC_GZIP, BATCH_CODEC_LZ4, BATCH_CODEC_ZSTD};
    static uint8_t text[200000];
    struct random random;
    random_init(&random, 6);
    for (uint32_t i = 0; i < sizeof(text);) { /* Words, some far apart. */
        uint64_t word = random_below(&random, 3000) * 0x9e3779b97f4a7c15u;
        for (; i < sizeof(text) && word != 0; word >>= 6) {
            text[i++] = (uint8_t)('!' + word % 64);
        }
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(codecs); i++) {
        size_t low;
        size_t high;
        assert_true(compress_all(codecs[i], 1, COMPRESS_SNAPPY_JAVA,
                                 (struct bytes){text, sizeof(text)}, packed, sizeof(packed), &low));
        assert_true(compress_all(codecs[i], codecs[i] == BATCH_CODEC_ZSTD ? 19 : 8,
                                 COMPRESS_SNAPPY_JAVA, (struct bytes){text, sizeof(text)}, packed,
                                 sizeof(packed), &high));
        assert_true(high < low);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_suffices_for_noise),
        cmocka_unit_test(too_little_room_is_a_failure_and_not_an_overrun),
        cmocka_unit_test(streams_start_as_java_clients_start_them),
        cmocka_unit_test(levels_make_a_difference),
    };
    return cmocka_run_group_tests(tests, noise, NULL);
}
