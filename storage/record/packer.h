/* Compression piece by piece, of streams whose length is not known: Java's framings, as compress.h.
 * Allocates: not for a core. One thread at a time.
 */
#ifndef STORAGE_RECORD_PACKER_H
#define STORAGE_RECORD_PACKER_H

#include "storage/record/compress.h"

enum { PACKER_BYTES_MAX = 32 << 20 }; /* What a packer with its codec's state takes at most. */

struct packer;

/* Where compressed bytes go; the bytes are a view until return. False: no more are wanted, and the
 * packer says false, too. */
typedef bool packer_put(void *context, struct bytes bytes);

/* NULL for want of memory. Only packer_close gives back what it took.
 *
 * codec      below BATCH_CODECS; with BATCH_CODEC_NONE the bytes go through as they are.
 * level      as of compress_all.
 * size_hint  about how many bytes will come: zstd chooses its window by it. A window that the
 *            level would have is made smaller until all of it fits into PACKER_BYTES_MAX. */
struct packer *packer_open(enum batch_codec codec, int32_t level, uint64_t size_hint,
                           packer_put *put, void *context);
MUST_USE bool packer_feed(struct packer *packer, struct bytes bytes);
/* What is left goes out; nothing may be fed any more. */
MUST_USE bool packer_end(struct packer *packer);
void packer_close(struct packer *packer); /* NULL is fine. */

#endif
