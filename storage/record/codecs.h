/* What the two ways to compress have in common (compress.c, packer.c). Internal to storage/record.
 */
#ifndef STORAGE_RECORD_CODECS_H
#define STORAGE_RECORD_CODECS_H

#include "storage/base/bytes.h"

#include <lz4frame.h>
#include <zlib.h>

/* Levels: INT32_MIN means Kafka's default. */
LZ4F_preferences_t codec_lz4_preferences(int32_t level);
int32_t codec_zstd_level(int32_t level);
MUST_USE bool codec_gzip_begin(z_stream *stream, int32_t level);

/* snappy-java: what a stream begins with; then blocks of at most CODEC_SNAPPY_BLOCK_BYTES with an
 * int32 length each. */
enum { CODEC_SNAPPY_BLOCK_BYTES = 32 << 10 };
struct bytes codec_snappy_head(void);
MUST_USE bool codec_snappy_block(struct bytes from, uint8_t *to, size_t capacity, size_t *len);

#endif
