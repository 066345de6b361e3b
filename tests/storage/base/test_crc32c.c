#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "storage/base/crc32c.h"
#include "storage/base/random.h"

enum { SIZE = 40 << 10 };

static uint8_t source[SIZE + 64];
static uint8_t target[SIZE + 130];

static int fill(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    random_fill(&random, source, sizeof(source));
    return 0;
}

/* RFC 3720 B.4, and the check value every catalogue of CRCs gives. */
static void known_vectors_hold(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0};
    uint8_t ones[32];
    uint8_t up[32];
    uint8_t down[32];
    memset(ones, 0xff, sizeof(ones));
    for (uint8_t i = 0; i < 32; i++) {
        up[i] = i;
        down[i] = (uint8_t)(31 - i);
    }
    for (enum crc32c_way way = 0; way < CRC32C_WAYS; way++) {
        if (!crc32c_way_present(way)) {
            continue;
        }
        assert_int_equal(crc32c_extend_by(way, 0, "123456789", 9), 0xe3069283);
        assert_int_equal(crc32c_extend_by(way, 0, zeros, 32), 0x8a9136aa);
        assert_int_equal(crc32c_extend_by(way, 0, ones, 32), 0x62a8ab43);
        assert_int_equal(crc32c_extend_by(way, 0, up, 32), 0x46dd794e);
        assert_int_equal(crc32c_extend_by(way, 0, down, 32), 0x113fdb5c);
        assert_int_equal(crc32c_extend_by(way, 77, NULL, 0), 77);
        assert_int_equal(crc32c_copy_by(way, 77, NULL, NULL, 0), 77);
    }
}

static void check_length(enum crc32c_way way, uint32_t from, uint32_t len)
{
    const uint32_t want = crc32c_extend_by(CRC32C_TABLE, 0x1234567, source + from, len);
    assert_int_equal(crc32c_extend_by(way, 0x1234567, source + from, len), want);
    uint8_t *to = target + 1 + len % 64; /* Large copies differ with the alignment. */
    memset(target, 0xa5, sizeof(target));
    assert_int_equal(crc32c_copy_by(way, 0x1234567, to, source + from, len), want);
    assert_memory_equal(to, source + from, len);
    assert_int_equal(to[-1], 0xa5);
    assert_int_equal(to[len], 0xa5);
}

static void every_way_agrees_with_the_table_at_all_lengths(void **state)
{
    (void)state;
    for (enum crc32c_way way = 0; way < CRC32C_WAYS; way++) {
        if (!crc32c_way_present(way)) {
            continue;
        }
        for (uint32_t len = 0; len < 2100; len++) {
            check_length(way, len % 13, len);
        }
        for (uint32_t len = 4090; len < 4500; len++) {
            check_length(way, len % 13, len);
        }
        for (uint32_t len = 6000; len < SIZE; len = len * 5 / 4 + 1) {
            check_length(way, 3, len);
        }
        check_length(way, 0, SIZE);
    }
}

static void pieces_give_the_crc_of_the_whole(void **state)
{
    (void)state;
    const uint32_t want = crc32c_extend(0, source, 3000);
    for (uint32_t cut = 0; cut <= 3000; cut += 7) {
        const struct bytes parts[] = {{source, cut}, {source + cut, 3000 - cut}};
        const struct chain chain = {cut == 0 ? parts + 1 : parts, 0, 3000};
        assert_int_equal(crc32c_chain(0, chain), want);
        assert_int_equal(crc32c_chain_copy(0, target, chain), want);
        assert_memory_equal(target, source, 3000);
    }
}

static void replacing_a_part_needs_no_second_pass(void **state)
{
    (void)state;
    static const uint32_t behind[] = {0, 1, 7, 64, 1000, SIZE - 40};
    for (uint32_t i = 0; i < ARRAY_SIZE(behind); i++) {
        memcpy(target, source, SIZE);
        const uint32_t before = crc32c_extend(0, target, 40 + behind[i]);
        const uint32_t part = crc32c_extend(0, target, 40);
        target[0] ^= 8;
        target[20] ^= 0x55;
        assert_int_equal(crc32c_replace(before, part, crc32c_extend(0, target, 40), behind[i]),
                         crc32c_extend(0, target, 40 + behind[i]));
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Best of several rounds, in bytes per nanosecond. */
static double rate(enum crc32c_way way, bool fused, uint8_t *to, const uint8_t *from, size_t len)
{
    uint64_t best = UINT64_MAX;
    volatile uint32_t sink = 0;
    for (uint32_t round = 0; round < 12; round++) {
        const uint64_t start = now_ns();
        for (size_t done = 0; done < 1 << 20; done += len) {
            if (fused) {
                sink = sink + crc32c_copy_by(way, 0, to, from, len);
            } else {
                memcpy(to, from, len);
                sink = sink + crc32c_extend_by(way, 0, to, len);
            }
        }
        best = min_u64(best, now_ns() - start);
    }
    return (double)(1 << 20) / (double)best;
}

/* Says which is faster on this machine: the choice in crc32c.c rests on it. */
static void fused_copy_is_measured_against_separate_passes(void **state)
{
    (void)state;
    static const size_t lens[] = {128, 1024, 16 << 10, 128 << 10, 1 << 20};
    uint8_t *from = malloc(1 << 20);
    uint8_t *to = malloc(1 << 20);
    memset(from, 0x5a, 1 << 20);
    memset(to, 0, 1 << 20);
    for (enum crc32c_way way = CRC32C_SSE42; way < CRC32C_WAYS; way++) {
        for (uint32_t i = 0; crc32c_way_present(way) && i < ARRAY_SIZE(lens); i++) {
            const double fused = rate(way, true, to, from, lens[i]);
            const double separate = rate(way, false, to, from, lens[i]);
            print_message("# %s %7zu B: fused %.1f GB/s, copy then crc %.1f GB/s, ratio %.2f\n",
                          way == CRC32C_SSE42 ? "sse42 " : "avx512", lens[i], fused, separate,
                          fused / separate);
            assert_memory_equal(to, from, lens[i]);
        }
    }
    free(from);
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_vectors_hold),
        cmocka_unit_test(every_way_agrees_with_the_table_at_all_lengths),
        cmocka_unit_test(pieces_give_the_crc_of_the_whole),
        cmocka_unit_test(replacing_a_part_needs_no_second_pass),
        cmocka_unit_test(fused_copy_is_measured_against_separate_passes),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
