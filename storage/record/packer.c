#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_getCParams, ZSTD_estimateCStreamSize_usingCParams */
#include "storage/record/packer.h"

#include <stdlib.h>
#include <zstd.h>

#include "storage/record/codecs.h"

enum {
    PIECE_BYTES = CODEC_SNAPPY_BLOCK_BYTES, /* Of input at a time. */
    OUT_BYTES = 128 << 10, /* More than LZ4F_compressBound(PIECE_BYTES), or a block of snappy. */
    ZSTD_SHRUNK_LOG = 12,  /* No table of zstd is made smaller than that. */
};

struct packer {
    enum batch_codec codec;
    packer_put *put;
    void *context;
    z_stream gzip;
    LZ4F_cctx *lz4;
    LZ4F_preferences_t preferences;
    ZSTD_CCtx *zstd;
    bool begun; /* Whatever stands in front of the first block went out. */
    uint32_t block_len;
    uint8_t block[PIECE_BYTES]; /* Of snappy: what waits for its block to be full. */
    uint8_t out[OUT_BYTES];
};

/* ---- Opening -------------------------------------------------------------------------------- */

static bool open_lz4(struct packer *packer, int32_t level)
{
    packer->preferences = codec_lz4_preferences(level);
    return !LZ4F_isError(LZ4F_createCompressionContext(&packer->lz4, LZ4F_VERSION)) &&
           LZ4F_compressBound(PIECE_BYTES, &packer->preferences) <= OUT_BYTES;
}

/* The level's parameters, made small enough. */
static ZSTD_compressionParameters zstd_parameters(int32_t level, uint64_t size_hint)
{
    ZSTD_compressionParameters c = ZSTD_getCParams(level, size_hint, 0);
    while (ZSTD_estimateCStreamSize_usingCParams(c) > PACKER_BYTES_MAX - sizeof(struct packer) &&
           c.windowLog > ZSTD_SHRUNK_LOG) {
        c.windowLog--;
        c.hashLog = min_u32(c.hashLog, c.windowLog);
        c.chainLog = min_u32(c.chainLog, c.windowLog);
    }
    return c;
}

static bool open_zstd(struct packer *packer, int32_t level, uint64_t size_hint)
{
    const ZSTD_compressionParameters c = zstd_parameters(codec_zstd_level(level), size_hint);
    const struct {
        ZSTD_cParameter name;
        unsigned value;
    } parameters[] = {
        {ZSTD_c_windowLog, c.windowLog},         {ZSTD_c_hashLog, c.hashLog},
        {ZSTD_c_chainLog, c.chainLog},           {ZSTD_c_searchLog, c.searchLog},
        {ZSTD_c_minMatch, c.minMatch},           {ZSTD_c_targetLength, c.targetLength},
        {ZSTD_c_strategy, (unsigned)c.strategy},
    };
    packer->zstd = ZSTD_createCCtx();
    bool good = packer->zstd != NULL;
    for (uint32_t i = 0; good && i < ARRAY_SIZE(parameters); i++) {
        good = !ZSTD_isError(
            ZSTD_CCtx_setParameter(packer->zstd, parameters[i].name, (int)parameters[i].value));
    }
    return good;
}

struct packer *packer_open(enum batch_codec codec, int32_t level, uint64_t size_hint,
                           packer_put *put, void *context)
{
    struct packer *packer = malloc(sizeof(*packer));
    if (packer == NULL) {
        return NULL;
    }
    memset(packer, 0, offsetof(struct packer, block));
    packer->codec = codec;
    packer->put = put;
    packer->context = context;
    bool good = true;
    switch (codec) {
    case BATCH_CODEC_GZIP: good = codec_gzip_begin(&packer->gzip, level); break;
    case BATCH_CODEC_LZ4: good = open_lz4(packer, level); break;
    case BATCH_CODEC_ZSTD: good = open_zstd(packer, level, size_hint); break;
    case BATCH_CODEC_NONE:
    case BATCH_CODEC_SNAPPY: break;
    case BATCH_CODECS: ASSERT(false); break;
    }
    if (!good) {
        packer_close(packer);
        return NULL;
    }
    return packer;
}

void packer_close(struct packer *packer)
{
    if (packer == NULL) {
        return;
    }
    if (packer->gzip.state != NULL) {
        (void)deflateEnd(&packer->gzip);
    }
    (void)LZ4F_freeCompressionContext(packer->lz4);
    (void)ZSTD_freeCCtx(packer->zstd);
    free(packer);
}

/* ---- Feeding -------------------------------------------------------------------------------- */

static bool put(struct packer *packer, size_t len)
{
    return len == 0 || packer->put(packer->context, (struct bytes){packer->out, (uint32_t)len});
}

static bool feed_gzip(struct packer *packer, struct bytes bytes, int flush)
{
    z_stream *gzip = &packer->gzip;
    gzip->next_in = (z_const Bytef *)(uintptr_t)bytes.ptr;
    gzip->avail_in = bytes.len;
    int result;
    do {
        gzip->next_out = packer->out;
        gzip->avail_out = OUT_BYTES;
        result = deflate(gzip, flush);
        if (result == Z_STREAM_ERROR || !put(packer, OUT_BYTES - gzip->avail_out)) {
            return false;
        }
    } while (gzip->avail_out == 0);
    return flush != Z_FINISH || result == Z_STREAM_END;
}

static bool begin_lz4(struct packer *packer)
{
    const size_t head =
        LZ4F_compressBegin(packer->lz4, packer->out, OUT_BYTES, &packer->preferences);
    return !LZ4F_isError(head) && put(packer, head);
}

static bool feed_lz4(struct packer *packer, struct bytes bytes)
{
    while (bytes.len > 0) {
        const uint32_t count = min_u32(bytes.len, PIECE_BYTES);
        const size_t len =
            LZ4F_compressUpdate(packer->lz4, packer->out, OUT_BYTES, bytes.ptr, count, NULL);
        if (LZ4F_isError(len) || !put(packer, len)) {
            return false;
        }
        bytes = (struct bytes){bytes.ptr + count, bytes.len - count};
    }
    return true;
}

static bool end_lz4(struct packer *packer)
{
    const size_t len = LZ4F_compressEnd(packer->lz4, packer->out, OUT_BYTES, NULL);
    return !LZ4F_isError(len) && put(packer, len);
}

static bool feed_zstd(struct packer *packer, struct bytes bytes, ZSTD_EndDirective end)
{
    ZSTD_inBuffer input = {bytes.ptr, bytes.len, 0};
    size_t left;
    do {
        ZSTD_outBuffer output = {packer->out, OUT_BYTES, 0};
        left = ZSTD_compressStream2(packer->zstd, &output, &input, end);
        if (ZSTD_isError(left) || !put(packer, output.pos)) {
            return false;
        }
    } while (end == ZSTD_e_end ? left > 0 : input.pos < input.size);
    return true;
}

static bool put_snappy_block(struct packer *packer)
{
    size_t len;
    if (!codec_snappy_block((struct bytes){packer->block, packer->block_len}, packer->out,
                            OUT_BYTES, &len)) {
        return false;
    }
    packer->block_len = 0;
    return put(packer, len);
}

static bool feed_snappy(struct packer *packer, struct bytes bytes)
{
    while (bytes.len > 0) {
        const uint32_t count = min_u32(bytes.len, PIECE_BYTES - packer->block_len);
        memcpy(packer->block + packer->block_len, bytes.ptr, count);
        packer->block_len += count;
        bytes = (struct bytes){bytes.ptr + count, bytes.len - count};
        if (packer->block_len == PIECE_BYTES && !put_snappy_block(packer)) {
            return false;
        }
    }
    return true;
}

/* What stands in front of the first block, once. */
static bool begin(struct packer *packer)
{
    if (packer->begun) {
        return true;
    }
    packer->begun = true;
    return packer->codec == BATCH_CODEC_SNAPPY ? packer->put(packer->context, codec_snappy_head())
           : packer->codec == BATCH_CODEC_LZ4  ? begin_lz4(packer)
                                               : true;
}

bool packer_feed(struct packer *packer, struct bytes bytes)
{
    if (bytes.len == 0) {
        return true;
    }
    if (!begin(packer)) {
        return false;
    }
    switch (packer->codec) {
    case BATCH_CODEC_NONE: return packer->put(packer->context, bytes);
    case BATCH_CODEC_GZIP: return feed_gzip(packer, bytes, Z_NO_FLUSH);
    case BATCH_CODEC_SNAPPY: return feed_snappy(packer, bytes);
    case BATCH_CODEC_LZ4: return feed_lz4(packer, bytes);
    case BATCH_CODEC_ZSTD: return feed_zstd(packer, bytes, ZSTD_e_continue);
    case BATCH_CODECS: break;
    }
    return false;
}

bool packer_end(struct packer *packer)
{
    if (!begin(packer)) {
        return false;
    }
    switch (packer->codec) {
    case BATCH_CODEC_NONE: return true;
    case BATCH_CODEC_GZIP: return feed_gzip(packer, (struct bytes){0}, Z_FINISH);
    case BATCH_CODEC_SNAPPY: return packer->block_len == 0 || put_snappy_block(packer);
    case BATCH_CODEC_LZ4: return end_lz4(packer);
    case BATCH_CODEC_ZSTD: return feed_zstd(packer, (struct bytes){0}, ZSTD_e_end);
    case BATCH_CODECS: break;
    }
    return false;
}
