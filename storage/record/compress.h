/* The codecs of record batches: bounded inflation in slices without malloc, one-shot compression.
 *
 * gzip: RFC 1952, members may follow one another. snappy: the framing of snappy-java
 * ("\x82SNAPPY\0") or one raw block. lz4: frames with independent blocks, as Kafka's own reader.
 * zstd: frames, skippable ones too. Bytes behind the end of the stream are an error.
 * An inflater is memory given at start; one per core; not thread-safe.
 */
#ifndef STORAGE_RECORD_COMPRESS_H
#define STORAGE_RECORD_COMPRESS_H

#include "storage/record/batch.h"

enum {
    INFLATE_SLICE_BYTES = 64 << 10,   /* The most one step gives out, and about what it reads. */
    INFLATE_WINDOW_DEFAULT = 8 << 20, /* zstd up to level 19; Kafka's default level needs 2 MiB. */
};

enum inflate_status {
    INFLATE_SLICE,     /* *out holds the next bytes, perhaps none yet: call again. */
    INFLATE_END,       /* The stream ended cleanly; *out is empty. */
    INFLATE_BAD,       /* The stream is damaged, cut short, or of a kind Kafka refuses. */
    INFLATE_TOO_LARGE, /* More than output_max bytes would come out. */
    INFLATE_WINDOW,    /* Needs a larger window than this inflater has: use one with more memory. */
};

struct inflate; /* Lies at the start of its memory. */

/* Bytes an inflater with that window needs; window_bytes is a power of two, at least 1 MiB.
 * The pages are touched only as far as a stream needs them. */
size_t inflate_memory_bytes(uint32_t window_bytes);

/* memory holds inflate_memory_bytes(window_bytes), aligned to 64; borrowed for good. */
struct inflate *inflate_init(void *memory, uint32_t window_bytes);

/* Starts a stream. Whatever stream was open is forgotten; there is nothing to finish.
 *
 * codec       not BATCH_CODEC_NONE, below BATCH_CODECS.
 * input       the bytes behind the batch header; borrowed until the stream ends.
 * output_max  largest number of bytes to give out.
 */
void inflate_begin(struct inflate *inflate, enum batch_codec codec, struct chain input,
                   uint64_t output_max);

/* Gives out the next bytes: a view into the inflater, valid until its next call. Bounded work.
 * After anything but INFLATE_SLICE only inflate_begin may follow. */
MUST_USE enum inflate_status inflate_step(struct inflate *inflate, struct bytes *out);

/* Inflates all of it into `to`; *len is what came out. INFLATE_END means success. */
MUST_USE enum inflate_status inflate_all(struct inflate *inflate, enum batch_codec codec,
                                         struct chain input, void *to, uint32_t capacity,
                                         uint32_t *len);

/* How snappy output is framed. */
enum compress_snappy {
    COMPRESS_SNAPPY_JAVA, /* snappy-java's framing, blocks of 32 KiB: what Java clients write. */
    COMPRESS_SNAPPY_RAW,  /* One block: what librdkafka writes. */
};

/* Bytes that always suffice for compress_all. */
size_t compress_bound(enum batch_codec codec, size_t len);

/* Compresses in one go; false when capacity is too small or the library fails. Allocates: not for a
 * core. level INT32_MIN means Kafka's default (gzip -1, lz4 9, zstd 3). */
MUST_USE bool compress_all(enum batch_codec codec, int32_t level, enum compress_snappy snappy,
                           struct bytes from, void *to, size_t capacity, size_t *len);

#endif
