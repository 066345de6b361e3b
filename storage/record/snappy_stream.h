/* Inflates one raw snappy block in slices, with a bounded window.
 *
 * The library inflates a block only in one go and into one piece; a block as large as a batch is
 * allowed to be would hold up a core. Copies may reach back as far as the window keeps bytes: every
 * known compressor stays within 64 KiB. Format: google/snappy, format_description.txt. Pure.
 */
#ifndef STORAGE_RECORD_SNAPPY_STREAM_H
#define STORAGE_RECORD_SNAPPY_STREAM_H

#include "storage/record/compress.h"

struct snappy_stream {
    struct chain input;   /* What is left, without the piece being read. */
    const uint8_t *piece; /* The piece being read. */
    const uint8_t *piece_end;
    uint8_t *window; /* Borrowed; at least four slices. */
    uint32_t window_bytes;
    uint32_t at;       /* Where the next byte goes. */
    uint64_t expected; /* Bytes the block says it holds. */
    uint64_t produced;
    uint32_t literal_left;
    uint32_t copy_left;
    uint32_t copy_offset;
};

/* INFLATE_SLICE when the block's length could be read, else INFLATE_BAD. */
MUST_USE enum inflate_status snappy_stream_begin(struct snappy_stream *stream, struct chain input,
                                                 uint8_t *window, uint32_t window_bytes);

/* INFLATE_SLICE, _END, _BAD or _WINDOW; *out is a view of the window until the next call. */
MUST_USE enum inflate_status snappy_stream_step(struct snappy_stream *stream, struct bytes *out);

#endif
