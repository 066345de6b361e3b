#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#define LZ4F_STATIC_LINKING_ONLY
#include <lz4frame.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "storage/base/random.h"
#include "storage/record/compress.h"
#include "tests/storage/record/sample.h"

enum { PLAIN_BYTES = 3 << 20, WINDOW = 2 << 20, ROOM = 8 << 20, PARTS = 40000 };

static uint8_t *plain;
static uint8_t *packed;
static uint8_t *out;
static struct bytes *parts;
static struct inflate *inflate;
static void *memory;

static int begin_all(void **state)
{
    (void)state;
    plain = malloc(PLAIN_BYTES);
    packed = malloc(ROOM);
    out = malloc(ROOM);
    parts = malloc(PARTS * sizeof(*parts));
    memory = aligned_alloc(64, round_up(inflate_memory_bytes(WINDOW), 64));
    inflate = inflate_init(memory, WINDOW);
    struct random random;
    random_init(&random, 11);
    for (uint32_t at = 0; at < PLAIN_BYTES;) { /* Runs, repeats and noise. */
        const uint32_t count = min_u32(PLAIN_BYTES - at, 1 + (uint32_t)random_below(&random, 900));
        const uint32_t back = 1 + (uint32_t)random_below(&random, 70000);
        if (at > back && random_one_in(&random, 2)) {
            for (uint32_t i = 0; i < count; i++) {
                plain[at + i] = plain[at + i - back];
            }
        } else {
            random_fill(&random, plain + at, count);
        }
        at += count;
    }
    return 0;
}

static int end_all(void **state)
{
    (void)state;
    free(plain);
    free(packed);
    free(out);
    free(parts);
    free(memory);
    return 0;
}

static size_t pack(enum batch_codec codec, enum compress_snappy snappy, uint32_t len)
{
    size_t size = 0;
    assert_true(compress_all(codec, INT32_MIN, snappy, (struct bytes){plain, len}, packed,
                             compress_bound(codec, len), &size));
    return size;
}

static void check_inflates(enum batch_codec codec, struct bytes wire, uint32_t piece, uint32_t len)
{
    uint32_t got;
    memset(out, 0, len + 1);
    assert_int_equal(inflate_all(inflate, codec, sample_chain(wire, piece, parts), out, ROOM, &got),
                     INFLATE_END);
    assert_int_equal(got, len);
    assert_memory_equal(out, plain, len);
}

static void every_codec_gives_back_what_went_in_however_it_is_cut(void **state)
{
    (void)state;
    static const uint32_t lens[] = {1, 100, 32768, 32769, 65536, 200000, PLAIN_BYTES};
    for (enum batch_codec codec = BATCH_CODEC_GZIP; codec < BATCH_CODECS; codec++) {
        for (uint32_t i = 0; i < ARRAY_SIZE(lens); i++) {
            for (enum compress_snappy snappy = 0; snappy <= COMPRESS_SNAPPY_RAW; snappy++) {
                const uint32_t size = (uint32_t)pack(codec, snappy, lens[i]);
                const struct bytes wire = {packed, size};
                check_inflates(codec, wire, size, lens[i]);
                check_inflates(codec, wire, 1000, lens[i]);
                check_inflates(codec, wire, 4097, lens[i]);
                if (size < PARTS) {
                    check_inflates(codec, wire, 1, lens[i]);
                }
            }
        }
    }
}

static void slices_are_bounded_and_so_is_their_sum(void **state)
{
    (void)state;
    for (enum batch_codec codec = BATCH_CODEC_GZIP; codec < BATCH_CODECS; codec++) {
        const struct bytes wire = {packed, (uint32_t)pack(codec, COMPRESS_SNAPPY_RAW, PLAIN_BYTES)};
        inflate_begin(inflate, codec, chain_of(&wire), 1000000);
        struct bytes slice;
        enum inflate_status status;
        uint64_t total = 0;
        while ((status = inflate_step(inflate, &slice)) == INFLATE_SLICE) {
            total += slice.len;
            assert_true(slice.len <= INFLATE_SLICE_BYTES && total <= 1000000);
        }
        assert_int_equal(status, INFLATE_TOO_LARGE);
        assert_int_equal(slice.len, 0);
    }
}

static void a_stream_cut_anywhere_is_bad(void **state)
{
    (void)state;
    for (enum batch_codec codec = BATCH_CODEC_GZIP; codec < BATCH_CODECS; codec++) {
        for (enum compress_snappy snappy = 0; snappy <= COMPRESS_SNAPPY_RAW; snappy++) {
            const uint32_t size = (uint32_t)pack(codec, snappy, 500);
            for (uint32_t len = 0; len < size; len++) {
                uint32_t got;
                const struct bytes wire = {packed, len};
                const enum inflate_status status =
                    inflate_all(inflate, codec, chain_of(&wire), out, ROOM, &got);
                /* snappy-java has no end mark: its header alone is a stream of nothing. */
                const bool java =
                    codec == BATCH_CODEC_SNAPPY && snappy == COMPRESS_SNAPPY_JAVA && len == 16;
                /* No zstd frame at all is a stream of nothing, too. */
                const bool whole = java || (codec == BATCH_CODEC_ZSTD && len == 0);
                assert_int_equal(status, whole ? INFLATE_END : INFLATE_BAD);
            }
        }
    }
}

/* Kafka's readers of gzip and lz4 stop at the end of the stream, the others do not. */
static void bytes_behind_the_end_are_treated_as_by_kafka(void **state)
{
    (void)state;
    for (enum batch_codec codec = BATCH_CODEC_GZIP; codec < BATCH_CODECS; codec++) {
        const bool stops = codec == BATCH_CODEC_GZIP || codec == BATCH_CODEC_LZ4;
        for (enum compress_snappy snappy = 0; snappy <= COMPRESS_SNAPPY_RAW; snappy++) {
            const uint32_t size = (uint32_t)pack(codec, snappy, 500);
            memset(packed + size, 7, 40);
            for (uint32_t more = 1; more <= 40; more += 39) {
                uint32_t got;
                const struct bytes wire = {packed, size + more};
                assert_int_equal(inflate_all(inflate, codec, chain_of(&wire), out, ROOM, &got),
                                 stops ? INFLATE_END : INFLATE_BAD);
                assert_true(!stops || got == 500);
            }
        }
    }
}

static void a_damaged_second_gzip_member_is_bad(void **state)
{
    (void)state;
    const uint32_t size = (uint32_t)pack(BATCH_CODEC_GZIP, COMPRESS_SNAPPY_JAVA, 500);
    memcpy(packed + size, packed, size);
    packed[size + 12] ^= 0xff;
    uint32_t got;
    const struct bytes wire = {packed, 2 * size};
    assert_int_equal(inflate_all(inflate, BATCH_CODEC_GZIP, chain_of(&wire), out, ROOM, &got),
                     INFLATE_BAD);
}

static void any_damage_ends_in_a_verdict(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 4);
    static uint8_t copy[8192];
    for (uint32_t round = 0; round < 8000; round++) {
        const enum batch_codec codec =
            (enum batch_codec)(BATCH_CODEC_GZIP + random_below(&random, BATCH_CODECS - 1));
        const uint32_t size =
            (uint32_t)pack(codec, (enum compress_snappy)random_below(&random, 2), 3000);
        memcpy(copy, packed, size);
        for (uint32_t i = 0; i < 1 + random_below(&random, 3); i++) {
            copy[random_below(&random, size)] = (uint8_t)random_u64(&random);
        }
        uint32_t got;
        const struct bytes wire = {copy, size};
        const enum inflate_status status = inflate_all(
            inflate, codec, sample_chain(wire, 1 + (uint32_t)random_below(&random, 999), parts),
            out, 100000, &got);
        assert_true(status != INFLATE_SLICE && got <= 100000);
    }
}

static void a_bomb_is_stopped_at_its_limit(void **state)
{
    (void)state;
    static uint8_t zeros[1 << 20];
    for (enum batch_codec codec = BATCH_CODEC_GZIP; codec < BATCH_CODECS; codec++) {
        size_t size;
        assert_true(compress_all(codec, INT32_MIN, COMPRESS_SNAPPY_JAVA,
                                 (struct bytes){zeros, sizeof(zeros)}, packed, ROOM, &size));
        uint32_t got;
        const struct bytes wire = {packed, (uint32_t)size};
        assert_int_equal(inflate_all(inflate, codec, chain_of(&wire), out, 70000, &got),
                         INFLATE_TOO_LARGE);
        assert_true(got <= 70000);
    }
}

static void streams_that_follow_one_another_are_one(void **state)
{
    (void)state;
    static const enum batch_codec codecs[] = {BATCH_CODEC_GZIP, BATCH_CODEC_ZSTD,
                                              BATCH_CODEC_SNAPPY};
    for (uint32_t i = 0; i < ARRAY_SIZE(codecs); i++) {
        const uint32_t size = (uint32_t)pack(codecs[i], COMPRESS_SNAPPY_JAVA, 5000);
        memcpy(packed + size, packed, size);
        uint32_t got;
        const struct bytes wire = {packed, 2 * size};
        assert_int_equal(
            inflate_all(inflate, codecs[i], sample_chain(wire, 77, parts), out, ROOM, &got),
            INFLATE_END);
        assert_int_equal(got, 10000);
        assert_memory_equal(out, plain, 5000);
        assert_memory_equal(out + 5000, plain, 5000);
    }
}

static void an_lz4_frame_of_linked_blocks_is_refused_as_by_kafka(void **state)
{
    (void)state;
    LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
    static const struct {
        LZ4F_blockMode_t mode;
        LZ4F_blockSizeID_t size;
        LZ4F_contentChecksum_t checksum;
        enum inflate_status want;
    } cases[] = {
        {LZ4F_blockLinked, LZ4F_max64KB, LZ4F_noContentChecksum, INFLATE_BAD},
        {LZ4F_blockIndependent, LZ4F_max64KB, LZ4F_contentChecksumEnabled, INFLATE_END},
        {LZ4F_blockIndependent, LZ4F_max256KB, LZ4F_noContentChecksum, INFLATE_END},
        {LZ4F_blockIndependent, LZ4F_max4MB, LZ4F_contentChecksumEnabled, INFLATE_END},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        preferences.frameInfo.blockMode = cases[i].mode;
        preferences.frameInfo.blockSizeID = cases[i].size;
        preferences.frameInfo.contentChecksumFlag = cases[i].checksum;
        const size_t size = LZ4F_compressFrame(packed, ROOM, plain, PLAIN_BYTES, &preferences);
        assert_false(LZ4F_isError(size));
        uint32_t got;
        const struct bytes wire = {packed, (uint32_t)size};
        assert_int_equal(
            inflate_all(inflate, BATCH_CODEC_LZ4, sample_chain(wire, 5000, parts), out, ROOM, &got),
            cases[i].want);
        if (cases[i].want == INFLATE_END) {
            assert_int_equal(got, PLAIN_BYTES);
            assert_memory_equal(out, plain, got);
        }
    }
}

static void a_zstd_window_beyond_the_inflater_is_told_apart(void **state)
{
    (void)state;
    static const struct {
        int window_log;
        enum inflate_status want;
    } cases[] = {{21, INFLATE_END}, {22, INFLATE_WINDOW}, {27, INFLATE_WINDOW}};
    ZSTD_CCtx *context = ZSTD_createCCtx();
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, cases[i].window_log);
        ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
        ZSTD_inBuffer in = {plain, PLAIN_BYTES, 0};
        ZSTD_outBuffer to = {packed, ROOM, 0};
        /* In two calls, so that the frame does not know its size, as from a streaming client. */
        ZSTD_compressStream2(context, &to, &in, ZSTD_e_continue);
        assert_int_equal(ZSTD_compressStream2(context, &to, &in, ZSTD_e_end), 0);
        uint32_t got;
        const struct bytes wire = {packed, (uint32_t)to.pos};
        assert_int_equal(inflate_all(inflate, BATCH_CODEC_ZSTD, chain_of(&wire), out, ROOM, &got),
                         cases[i].want);
    }
    ZSTD_freeCCtx(context);
}

static void a_second_stream_does_not_see_the_first(void **state)
{
    (void)state;
    struct bytes slice;
    for (uint32_t round = 0; round < 300; round++) {
        const enum batch_codec codec = (enum batch_codec)(1 + round % 4);
        const uint32_t size = (uint32_t)pack(codec, COMPRESS_SNAPPY_RAW, 100000);
        const struct bytes wire = {packed, size};
        inflate_begin(inflate, codec, chain_of(&wire), ROOM);
        (void)!inflate_step(inflate, &slice); /* Left in the middle. */
        if (round % 10 == 0) {
            check_inflates(codec, wire, 3000, 100000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_gives_back_what_went_in_however_it_is_cut),
        cmocka_unit_test(slices_are_bounded_and_so_is_their_sum),
        cmocka_unit_test(a_stream_cut_anywhere_is_bad),
        cmocka_unit_test(bytes_behind_the_end_are_treated_as_by_kafka),
        cmocka_unit_test(a_damaged_second_gzip_member_is_bad),
        cmocka_unit_test(any_damage_ends_in_a_verdict),
        cmocka_unit_test(a_bomb_is_stopped_at_its_limit),
        cmocka_unit_test(streams_that_follow_one_another_are_one),
        cmocka_unit_test(an_lz4_frame_of_linked_blocks_is_refused_as_by_kafka),
        cmocka_unit_test(a_zstd_window_beyond_the_inflater_is_told_apart),
        cmocka_unit_test(a_second_stream_does_not_see_the_first),
    };
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
