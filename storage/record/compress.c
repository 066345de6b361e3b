/* The compressing half of storage/record/compress.h. Not for cores: the libraries allocate. */
#include "storage/record/compress.h"

#include <snappy-c.h>
#include <zstd.h>

#include "storage/record/codecs.h"

enum {
    JAVA_HEADER_BYTES = 16,
    GZIP_WINDOW_BITS = 15 + 16,
    GZIP_MEMORY_LEVEL = 8,
    GZIP_OVERHEAD_BYTES = 32, /* Header and trailer; compressBound counts zlib's smaller ones. */
    LZ4_KAFKA_DEFAULT = 9,    /* Means the fast compressor there (Lz4BlockOutputStream.java). */
    ZSTD_KAFKA_DEFAULT = 3,
    LEVEL_DEFAULT = INT32_MIN,
};

LZ4F_preferences_t codec_lz4_preferences(int32_t level)
{
    LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
    preferences.frameInfo.blockSizeID = LZ4F_max64KB;
    preferences.frameInfo.blockMode = LZ4F_blockIndependent;
    preferences.compressionLevel = level == LEVEL_DEFAULT || level == LZ4_KAFKA_DEFAULT ? 0 : level;
    return preferences;
}

size_t compress_bound(enum batch_codec codec, size_t len)
{
    switch (codec) {
    case BATCH_CODEC_NONE: return len;
    case BATCH_CODEC_GZIP: return compressBound(len) + GZIP_OVERHEAD_BYTES;
    case BATCH_CODEC_SNAPPY:
        return JAVA_HEADER_BYTES + (len / CODEC_SNAPPY_BLOCK_BYTES + 1) *
                                       (4 + snappy_max_compressed_length(CODEC_SNAPPY_BLOCK_BYTES));
    case BATCH_CODEC_LZ4: {
        const LZ4F_preferences_t preferences = codec_lz4_preferences(LEVEL_DEFAULT);
        return LZ4F_compressFrameBound(len, &preferences);
    }
    case BATCH_CODEC_ZSTD: return ZSTD_compressBound(len);
    case BATCH_CODECS: break;
    }
    return 0;
}

int32_t codec_zstd_level(int32_t level)
{
    return level == LEVEL_DEFAULT ? ZSTD_KAFKA_DEFAULT : level;
}

bool codec_gzip_begin(z_stream *stream, int32_t level)
{
    *stream = (z_stream){0};
    return deflateInit2(stream, level == LEVEL_DEFAULT ? -1 : level, Z_DEFLATED, GZIP_WINDOW_BITS,
                        GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
}

static bool compress_gzip(int32_t level, struct bytes from, uint8_t *to, size_t capacity,
                          size_t *len)
{
    z_stream stream;
    if (!codec_gzip_begin(&stream, level)) {
        return false;
    }
    stream.next_in = (z_const Bytef *)(uintptr_t)from.ptr;
    stream.avail_in = from.len;
    stream.next_out = to;
    stream.avail_out = (uInt)min_u64(capacity, UINT32_MAX);
    const bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
    *len = stream.total_out;
    (void)deflateEnd(&stream);
    return done;
}

/* Magic, version 1, compatible version 1. */
struct bytes codec_snappy_head(void)
{
    static const uint8_t head[JAVA_HEADER_BYTES] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                                    0,    0,   0,   1,   0,   0,   0,   1};
    return (struct bytes){head, sizeof(head)};
}

bool codec_snappy_block(struct bytes from, uint8_t *to, size_t capacity, size_t *len)
{
    if (capacity < 4) {
        return false;
    }
    size_t block = capacity - 4;
    if (snappy_compress((const char *)from.ptr, from.len, (char *)to + 4, &block) != SNAPPY_OK) {
        return false;
    }
    store_be32(to, (uint32_t)block);
    *len = 4 + block;
    return true;
}

static bool compress_snappy_java(struct bytes from, uint8_t *to, size_t capacity, size_t *len)
{
    const struct bytes head = codec_snappy_head();
    if (capacity < head.len) {
        return false;
    }
    memcpy(to, head.ptr, head.len);
    *len = head.len;
    while (from.len > 0) {
        const struct bytes block = {from.ptr, min_u32(from.len, CODEC_SNAPPY_BLOCK_BYTES)};
        size_t count;
        if (!codec_snappy_block(block, to + *len, capacity - *len, &count)) {
            return false;
        }
        *len += count;
        from = (struct bytes){from.ptr + block.len, from.len - block.len};
    }
    return true;
}

static bool compress_snappy(enum compress_snappy framing, struct bytes from, uint8_t *to,
                            size_t capacity, size_t *len)
{
    if (framing == COMPRESS_SNAPPY_JAVA) {
        return compress_snappy_java(from, to, capacity, len);
    }
    *len = capacity;
    return snappy_compress((const char *)from.ptr, from.len, (char *)to, len) == SNAPPY_OK;
}

bool compress_all(enum batch_codec codec, int32_t level, enum compress_snappy snappy,
                  struct bytes from, void *to, size_t capacity, size_t *len)
{
    switch (codec) {
    case BATCH_CODEC_NONE:
        if (capacity < from.len) {
            return false;
        }
        if (from.len > 0) {
            memcpy(to, from.ptr, from.len);
        }
        *len = from.len;
        return true;
    case BATCH_CODEC_GZIP: return compress_gzip(level, from, to, capacity, len);
    case BATCH_CODEC_SNAPPY: return compress_snappy(snappy, from, to, capacity, len);
    case BATCH_CODEC_LZ4: {
        const LZ4F_preferences_t preferences = codec_lz4_preferences(level);
        *len = LZ4F_compressFrame(to, capacity, from.ptr, from.len, &preferences);
        return !LZ4F_isError(*len);
    }
    case BATCH_CODEC_ZSTD:
        *len = ZSTD_compress(to, capacity, from.ptr, from.len, codec_zstd_level(level));
        return !ZSTD_isError(*len);
    case BATCH_CODECS: break;
    }
    return false;
}
