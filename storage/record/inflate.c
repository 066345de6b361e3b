/* The inflating half of storage/record/compress.h: one library call per step. */
#define ZLIB_CONST
#define LZ4F_STATIC_LINKING_ONLY
#define ZSTD_STATIC_LINKING_ONLY

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "storage/record/snappy_stream.h"

enum {
    LZ4_MEMORY_BYTES = 2 * (4 << 20) + (512 << 10), /* A block of 4 MiB, in and out, and state. */
    ALLOCATION_ALIGN = 64,
    GZIP_WINDOW_BITS = 15 + 16,                 /* zlib's way to say: gzip, largest window. */
    GZIP_MEMBER_BYTES_MIN = 18,                 /* Header and trailer. */
    JAVA_MAGIC_BYTES = 8,                       /* snappy-java's header: this, */
    JAVA_HEADER_BYTES = 16,                     /* then two int32 versions. */
    JAVA_BLOCK_BYTES_MAX = INFLATE_SLICE_BYTES, /* Inflated; larger blocks go through the stream. */
    /* snappy_max_compressed_length of such a block. */
    STAGE_BYTES = 32 + JAVA_BLOCK_BYTES_MAX + JAVA_BLOCK_BYTES_MAX / 6,
};

static const uint8_t java_magic[JAVA_MAGIC_BYTES] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

/* Where a snappy stream stands. */
enum snappy_state {
    SNAPPY_BETWEEN, /* The next four bytes are a block's length, or the stream ends. */
    SNAPPY_INSIDE,  /* `block` inflates a block. */
    SNAPPY_RAW,     /* `block` inflates the one raw block. */
};

struct inflate {
    enum batch_codec codec;
    struct chain input;
    uint64_t output_max;
    uint64_t total;
    uint8_t *memory; /* What the library of the current stream gets. */
    size_t memory_bytes;
    size_t memory_used;
    uint32_t window_bytes;
    bool bad;   /* Found at begin; told by the first step. */
    bool ended; /* The library says the stream is complete. */
    enum snappy_state snappy;
    struct snappy_stream block;
    z_stream gzip;
    LZ4F_dctx *lz4;
    ZSTD_DStream *zstd;
    uint8_t slice[INFLATE_SLICE_BYTES];
    uint8_t stage[STAGE_BYTES]; /* A small snappy block that lies in several pieces. */
};

static size_t library_bytes(uint32_t window_bytes)
{
    /* ZSTD_estimateDStreamSize counts a window of its own rounding and one block. */
    const size_t zstd = ZSTD_estimateDStreamSize(window_bytes) + ALLOCATION_ALIGN;
    return zstd > LZ4_MEMORY_BYTES ? zstd : LZ4_MEMORY_BYTES;
}

size_t inflate_memory_bytes(uint32_t window_bytes)
{
    return round_up(sizeof(struct inflate), ALLOCATION_ALIGN) + library_bytes(window_bytes);
}

struct inflate *inflate_init(void *memory, uint32_t window_bytes)
{
    ASSERT((uintptr_t)memory % ALLOCATION_ALIGN == 0);
    ASSERT(window_bytes >= 1 << 20 && (window_bytes & (window_bytes - 1)) == 0);
    struct inflate *inflate = memory;
    inflate->memory = (uint8_t *)memory + round_up(sizeof(*inflate), ALLOCATION_ALIGN);
    inflate->memory_bytes = library_bytes(window_bytes);
    inflate->window_bytes = window_bytes;
    inflate->bad = true;
    return inflate;
}

/* Allocation out of the inflater: nothing is given back before the next begin. */
static void *take(void *opaque, size_t size)
{
    struct inflate *inflate = opaque;
    const size_t start = round_up(inflate->memory_used, ALLOCATION_ALIGN);
    if (start > inflate->memory_bytes || size > inflate->memory_bytes - start) {
        return NULL;
    }
    inflate->memory_used = start + size;
    return inflate->memory + start;
}

static void *take_for_zlib(void *opaque, uInt count, uInt size)
{
    return take(opaque, (size_t)count * size);
}

static void give(void *opaque, void *address)
{
    (void)opaque;
    (void)address;
}

static bool begin_gzip(struct inflate *inflate)
{
    inflate->gzip = (z_stream){.zalloc = take_for_zlib, .zfree = give, .opaque = inflate};
    return inflateInit2(&inflate->gzip, GZIP_WINDOW_BITS) == Z_OK;
}

/* Kafka's reader takes frames of independent blocks without a dictionary only; the library would
 * take more, and then consumers could not read what was accepted. */
static bool begin_lz4(struct inflate *inflate)
{
    enum { FRAME_HEADER_BYTES = 7, FLAGS_MASK = 0xe3, FLAGS_WANTED = 0x60 };
    uint8_t head[FRAME_HEADER_BYTES];
    if (inflate->input.len < FRAME_HEADER_BYTES) {
        return false;
    }
    chain_copy(inflate->input, head, FRAME_HEADER_BYTES);
    if (memcmp(head, "\x04\x22\x4d\x18", 4) != 0 || (head[4] & FLAGS_MASK) != FLAGS_WANTED) {
        return false;
    }
    const LZ4F_CustomMem memory = {take, NULL, give, inflate};
    inflate->lz4 = LZ4F_createDecompressionContext_advanced(memory, LZ4F_VERSION);
    return inflate->lz4 != NULL;
}

static bool begin_zstd(struct inflate *inflate)
{
    inflate->zstd = ZSTD_initStaticDStream(inflate->memory, inflate->memory_bytes);
    inflate->ended = inflate->input.len == 0; /* No frame at all is a stream, too. */
    const int window_log = __builtin_ctz(inflate->window_bytes);
    return inflate->zstd != NULL &&
           !ZSTD_isError(ZSTD_DCtx_setParameter(inflate->zstd, ZSTD_d_windowLogMax, window_log));
}

/* After the magic: the versions. Kafka's Java reader refuses a version below 1. */
static bool skip_java_versions(struct inflate *inflate)
{
    uint8_t versions[JAVA_HEADER_BYTES - JAVA_MAGIC_BYTES];
    if (inflate->input.len < sizeof(versions)) {
        return false;
    }
    chain_copy(inflate->input, versions, sizeof(versions));
    inflate->input = chain_skip(inflate->input, sizeof(versions));
    return (int32_t)load_be32(versions) >= 1;
}

static bool begin_snappy(struct inflate *inflate)
{
    uint8_t head[JAVA_MAGIC_BYTES];
    if (inflate->input.len >= JAVA_MAGIC_BYTES) {
        chain_copy(inflate->input, head, JAVA_MAGIC_BYTES);
        if (memcmp(head, java_magic, JAVA_MAGIC_BYTES) == 0) {
            inflate->input = chain_skip(inflate->input, JAVA_MAGIC_BYTES);
            inflate->snappy = SNAPPY_BETWEEN;
            return skip_java_versions(inflate);
        }
    }
    inflate->snappy = SNAPPY_RAW;
    const struct chain input = inflate->input;
    inflate->input = chain_skip(input, input.len);
    return snappy_stream_begin(&inflate->block, input, inflate->memory, inflate->window_bytes) ==
           INFLATE_SLICE;
}

void inflate_begin(struct inflate *inflate, enum batch_codec codec, struct chain input,
                   uint64_t output_max)
{
    inflate->codec = codec;
    inflate->input = input;
    inflate->output_max = output_max;
    inflate->total = 0;
    inflate->memory_used = 0;
    inflate->ended = false;
    bool good = false;
    switch (codec) {
    case BATCH_CODEC_GZIP: good = begin_gzip(inflate); break;
    case BATCH_CODEC_SNAPPY: good = begin_snappy(inflate); break;
    case BATCH_CODEC_LZ4: good = begin_lz4(inflate); break;
    case BATCH_CODEC_ZSTD: good = begin_zstd(inflate); break;
    case BATCH_CODEC_NONE:
    case BATCH_CODECS: ASSERT(false); break;
    }
    inflate->bad = !good;
}

/* At most a slice of the input's first piece: bounds the work of one call. */
static struct bytes next_input(const struct inflate *inflate)
{
    struct bytes piece = chain_first(inflate->input);
    piece.len = min_u32(piece.len, INFLATE_SLICE_BYTES);
    return piece;
}

/* After a library call. Without progress and without input the stream was cut short. */
static enum inflate_status account(struct inflate *inflate, uint32_t consumed, uint32_t produced,
                                   struct bytes *out)
{
    inflate->input = chain_skip(inflate->input, consumed);
    if (consumed == 0 && produced == 0 && !inflate->ended) {
        return INFLATE_BAD;
    }
    *out = (struct bytes){inflate->slice, produced};
    return INFLATE_SLICE;
}

/* zlib's own name is that of our struct's variables. */
static int gzip_call(z_stream *gzip)
{
    return inflate(gzip, Z_NO_FLUSH);
}

/* Another member (RFC 1952 2.2)? As Java's GZIPInputStream: what does not begin as one, or is too
 * short for one, is not looked at. */
static bool gzip_member_follows(const struct inflate *inflate)
{
    uint8_t head[3];
    if (inflate->input.len <= GZIP_MEMBER_BYTES_MIN) {
        return false;
    }
    chain_copy(inflate->input, head, sizeof(head));
    return memcmp(head, "\x1f\x8b\x08", sizeof(head)) == 0;
}

static enum inflate_status step_gzip(struct inflate *inflate, struct bytes *out)
{
    if (inflate->ended) {
        if (!gzip_member_follows(inflate)) {
            return INFLATE_END;
        }
        inflate->ended = false;
        if (inflateReset(&inflate->gzip) != Z_OK) {
            return INFLATE_BAD;
        }
    }
    const struct bytes input = next_input(inflate);
    z_stream *gzip = &inflate->gzip;
    gzip->next_in = input.ptr;
    gzip->avail_in = input.len;
    gzip->next_out = inflate->slice;
    gzip->avail_out = INFLATE_SLICE_BYTES;
    const int result = gzip_call(gzip);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        return INFLATE_BAD;
    }
    inflate->ended = result == Z_STREAM_END;
    return account(inflate, input.len - gzip->avail_in, INFLATE_SLICE_BYTES - gzip->avail_out, out);
}

static enum inflate_status step_lz4(struct inflate *inflate, struct bytes *out)
{
    if (inflate->ended) {
        return INFLATE_END; /* What lies behind the frame is not looked at, as in Kafka. */
    }
    const struct bytes input = next_input(inflate);
    size_t produced = INFLATE_SLICE_BYTES;
    size_t consumed = input.len;
    const size_t result =
        LZ4F_decompress(inflate->lz4, inflate->slice, &produced, input.ptr, &consumed, NULL);
    if (LZ4F_isError(result)) {
        return INFLATE_BAD;
    }
    inflate->ended = result == 0;
    return account(inflate, (uint32_t)consumed, (uint32_t)produced, out);
}

static enum inflate_status step_zstd(struct inflate *inflate, struct bytes *out)
{
    if (inflate->ended && inflate->input.len == 0) {
        return INFLATE_END;
    }
    const struct bytes piece = next_input(inflate);
    ZSTD_inBuffer input = {piece.ptr, piece.len, 0};
    ZSTD_outBuffer output = {inflate->slice, INFLATE_SLICE_BYTES, 0};
    const size_t result = ZSTD_decompressStream(inflate->zstd, &output, &input);
    if (ZSTD_isError(result)) {
        return ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge
                   ? INFLATE_WINDOW
                   : INFLATE_BAD;
    }
    inflate->ended = result == 0;
    return account(inflate, (uint32_t)input.pos, (uint32_t)output.pos, out);
}

/* One block of snappy-java's framing that is small enough for the library. False: take the other
 * way. *status is set on true. */
static bool small_block(struct inflate *inflate, struct chain block, struct bytes *out,
                        enum inflate_status *status)
{
    if (block.len > STAGE_BYTES) {
        return false;
    }
    const struct bytes flat = chain_flat(block, inflate->stage);
    const char *from = (const char *)flat.ptr;
    size_t len;
    *status = INFLATE_BAD;
    if (snappy_uncompressed_length(from, flat.len, &len) != SNAPPY_OK) {
        return true;
    }
    if (len > JAVA_BLOCK_BYTES_MAX) {
        return false;
    }
    if (snappy_uncompress(from, flat.len, (char *)inflate->slice, &len) == SNAPPY_OK) {
        *out = (struct bytes){inflate->slice, (uint32_t)len};
        *status = INFLATE_SLICE;
    }
    return true;
}

static enum inflate_status step_snappy_between(struct inflate *inflate, struct bytes *out)
{
    uint8_t length[4];
    if (inflate->input.len == 0) {
        return INFLATE_END;
    }
    if (inflate->input.len < sizeof(length)) {
        return INFLATE_BAD;
    }
    chain_copy(inflate->input, length, sizeof(length));
    inflate->input = chain_skip(inflate->input, sizeof(length));
    if (memcmp(length, java_magic, sizeof(length)) == 0) { /* A second stream in the same bytes. */
        if (inflate->input.len < JAVA_MAGIC_BYTES - sizeof(length)) {
            return INFLATE_BAD;
        }
        inflate->input = chain_skip(inflate->input, JAVA_MAGIC_BYTES - sizeof(length));
        return skip_java_versions(inflate) ? INFLATE_SLICE : INFLATE_BAD;
    }
    if (load_be32(length) > inflate->input.len) {
        return INFLATE_BAD;
    }
    const struct chain block = chain_take(inflate->input, load_be32(length));
    inflate->input = chain_skip(inflate->input, block.len);
    enum inflate_status status;
    if (small_block(inflate, block, out, &status)) {
        return status;
    }
    inflate->snappy = SNAPPY_INSIDE;
    return snappy_stream_begin(&inflate->block, block, inflate->memory, inflate->window_bytes);
}

static enum inflate_status step_snappy(struct inflate *inflate, struct bytes *out)
{
    if (inflate->snappy == SNAPPY_BETWEEN) {
        return step_snappy_between(inflate, out);
    }
    const enum inflate_status status = snappy_stream_step(&inflate->block, out);
    if (status == INFLATE_END && inflate->snappy == SNAPPY_INSIDE) {
        inflate->snappy = SNAPPY_BETWEEN;
        return INFLATE_SLICE;
    }
    return status;
}

enum inflate_status inflate_step(struct inflate *inflate, struct bytes *out)
{
    *out = (struct bytes){0};
    enum inflate_status status = INFLATE_BAD;
    if (!inflate->bad) {
        switch (inflate->codec) {
        case BATCH_CODEC_GZIP: status = step_gzip(inflate, out); break;
        case BATCH_CODEC_SNAPPY: status = step_snappy(inflate, out); break;
        case BATCH_CODEC_LZ4: status = step_lz4(inflate, out); break;
        case BATCH_CODEC_ZSTD: status = step_zstd(inflate, out); break;
        case BATCH_CODEC_NONE:
        case BATCH_CODECS: break;
        }
    }
    if (status == INFLATE_SLICE) {
        inflate->total += out->len;
        if (inflate->total <= inflate->output_max) {
            return INFLATE_SLICE;
        }
        status = INFLATE_TOO_LARGE;
    }
    inflate->bad = true;
    *out = (struct bytes){0};
    return status;
}

enum inflate_status inflate_all(struct inflate *inflate, enum batch_codec codec, struct chain input,
                                void *to, uint32_t capacity, uint32_t *len)
{
    uint8_t *at = to;
    *len = 0;
    inflate_begin(inflate, codec, input, capacity);
    for (;;) {
        struct bytes slice;
        const enum inflate_status status = inflate_step(inflate, &slice);
        if (status != INFLATE_SLICE) {
            return status;
        }
        if (slice.len > 0) {
            memcpy(at + *len, slice.ptr, slice.len);
        }
        *len += slice.len;
    }
}
