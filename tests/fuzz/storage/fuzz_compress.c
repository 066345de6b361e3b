/* Compressed streams: output and verdict must not depend on how the input is cut. */
#include "storage/base/crc32c.h"
#include "tests/fuzz/storage/fuzz_target.h"

enum { OUTPUT_MAX = 1 << 20 };

static struct bytes parts[FUZZ_PARTS];

static enum inflate_status run(enum batch_codec codec, struct chain input, uint64_t *total,
                               uint32_t *crc)
{
    struct inflate *inflate = fuzz_inflate();
    struct bytes slice;
    enum inflate_status status;
    inflate_begin(inflate, codec, input, OUTPUT_MAX);
    *crc = 0;
    *total = 0;
    while ((status = inflate_step(inflate, &slice)) == INFLATE_SLICE) {
        ASSERT(slice.len <= INFLATE_SLICE_BYTES);
        *crc = crc32c_extend(*crc, slice.ptr, slice.len);
        *total += slice.len;
    }
    ASSERT(slice.len == 0);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1 << 16) {
        return 0;
    }
    const enum batch_codec codec = (enum batch_codec)(BATCH_CODEC_GZIP + data[0] % 4);
    const struct bytes flat = {data + 2, (uint32_t)size - 2};
    uint64_t total_a;
    uint64_t total_b;
    uint32_t crc_a;
    uint32_t crc_b;
    const enum inflate_status a = run(codec, chain_of(&flat), &total_a, &crc_a);
    const enum inflate_status b =
        run(codec, fuzz_chain(flat.ptr, flat.len, data[1] % 64 + 1u, parts), &total_b, &crc_b);
    /* Output may pass its limit one call before or after damage is seen: only the end is exact. And
     * libzstd holds a frame's content size against its content only when it gets the frame whole.
     */
    ASSERT(codec == BATCH_CODEC_ZSTD || (a == INFLATE_END) == (b == INFLATE_END));
    ASSERT(a != INFLATE_END || b != INFLATE_END ||
           (total_a == total_b && crc_a == crc_b && total_a <= OUTPUT_MAX));
    return 0;
}

size_t fuzz_seed(uint32_t index, uint8_t *to, size_t capacity)
{
    static uint8_t plain[200000];
    size_t len;
    if (index >= 16) {
        return 0;
    }
    for (uint32_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (uint8_t)(i * i >> 7);
    }
    const uint32_t size = index < 8 ? 300 : sizeof(plain) / 8;
    to[0] = (uint8_t)(index % 4);
    to[1] = (uint8_t)(index * 5);
    ASSERT(compress_all((enum batch_codec)(BATCH_CODEC_GZIP + index % 4), INT32_MIN,
                        index / 4 % 2 == 0 ? COMPRESS_SNAPPY_JAVA : COMPRESS_SNAPPY_RAW,
                        (struct bytes){plain, size}, to + 2, capacity - 2, &len));
    return len + 2;
}
