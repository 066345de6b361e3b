#include "storage/record/snappy_stream.h"

/* Makes the next piece of the input the one being read; false at the end. */
static bool refill(struct snappy_stream *stream)
{
    if (stream->input.len == 0) {
        return false;
    }
    const struct bytes piece = chain_first(stream->input);
    stream->piece = piece.ptr;
    stream->piece_end = piece.ptr + piece.len;
    stream->input = chain_skip(stream->input, piece.len);
    return true;
}

static bool next_byte(struct snappy_stream *stream, uint32_t *byte)
{
    if (stream->piece == stream->piece_end && !refill(stream)) {
        return false;
    }
    *byte = *stream->piece++;
    return true;
}

/* Little-endian number of so many bytes. */
static bool next_number(struct snappy_stream *stream, uint32_t bytes, uint32_t *number)
{
    *number = 0;
    uint32_t byte;
    for (uint32_t i = 0; i < bytes; i++) {
        if (!next_byte(stream, &byte)) {
            return false;
        }
        *number |= byte << (8 * i);
    }
    return true;
}

enum inflate_status snappy_stream_begin(struct snappy_stream *stream, struct chain input,
                                        uint8_t *window, uint32_t window_bytes)
{
    ASSERT(window_bytes >= 4 * INFLATE_SLICE_BYTES);
    *stream =
        (struct snappy_stream){.input = input, .window = window, .window_bytes = window_bytes};
    uint32_t byte = 0x80;
    for (uint32_t shift = 0; byte >= 0x80; shift += 7) {
        if (shift > 28 || !next_byte(stream, &byte)) {
            return INFLATE_BAD;
        }
        stream->expected |= (uint64_t)(byte & 0x7f) << shift;
    }
    return stream->expected <= UINT32_MAX ? INFLATE_SLICE : INFLATE_BAD;
}

/* Reads one element's tag into literal_left or copy_left and copy_offset. */
static bool next_tag(struct snappy_stream *stream)
{
    uint32_t tag;
    if (!next_byte(stream, &tag)) {
        return false;
    }
    const uint32_t high = tag >> 2;
    uint32_t number;
    switch (tag & 3) {
    case 0:
        if (high < 60) {
            stream->literal_left = high + 1;
            return true;
        }
        if (!next_number(stream, high - 59, &number) || number == UINT32_MAX) {
            return false;
        }
        stream->literal_left = number + 1;
        return true;
    case 1:
        stream->copy_left = 4 + (high & 7);
        stream->copy_offset = tag >> 5 << 8;
        if (!next_byte(stream, &number)) {
            return false;
        }
        stream->copy_offset |= number;
        return true;
    default:
        stream->copy_left = high + 1;
        return next_number(stream, (tag & 3) == 2 ? 2 : 4, &stream->copy_offset);
    }
}

/* Copies what the current piece holds of a literal. */
static bool put_literal(struct snappy_stream *stream, uint32_t room)
{
    if (stream->piece == stream->piece_end && !refill(stream)) {
        return false;
    }
    const uint32_t here = (uint32_t)(stream->piece_end - stream->piece);
    const uint32_t count = min_u32(min_u32(stream->literal_left, room), here);
    memcpy(stream->window + stream->at, stream->piece, count);
    stream->piece += count;
    stream->at += count;
    stream->produced += count;
    stream->literal_left -= count;
    return true;
}

static enum inflate_status put_copy(struct snappy_stream *stream, uint32_t room)
{
    const uint32_t offset = stream->copy_offset;
    if (offset == 0 || offset > stream->produced) {
        return INFLATE_BAD;
    }
    if (offset > stream->at) {
        return INFLATE_WINDOW;
    }
    const uint32_t count = min_u32(stream->copy_left, room);
    uint8_t *to = stream->window + stream->at;
    if (offset >= count) {
        memcpy(to, to - offset, count);
    } else {
        for (uint32_t i = 0; i < count; i++) { /* Overlap repeats the bytes before. */
            to[i] = to[(int64_t)i - offset];
        }
    }
    stream->at += count;
    stream->produced += count;
    stream->copy_left -= count;
    return INFLATE_SLICE;
}

/* Keeps the newer half of the window when the next slice would not fit behind it. */
static void slide(struct snappy_stream *stream)
{
    if (stream->window_bytes - stream->at >= INFLATE_SLICE_BYTES) {
        return;
    }
    const uint32_t kept = stream->window_bytes / 2;
    memmove(stream->window, stream->window + stream->at - kept, kept);
    stream->at = kept;
}

enum inflate_status snappy_stream_step(struct snappy_stream *stream, struct bytes *out)
{
    slide(stream);
    const uint64_t left = stream->expected - stream->produced;
    const uint32_t start = stream->at;
    const uint32_t end = start + (uint32_t)min_u64(INFLATE_SLICE_BYTES, left);
    *out = (struct bytes){stream->window + start, 0};
    if (left == 0) {
        const bool clean = stream->piece == stream->piece_end && stream->input.len == 0 &&
                           stream->literal_left == 0 && stream->copy_left == 0;
        return clean ? INFLATE_END : INFLATE_BAD;
    }
    while (stream->at < end) {
        const uint32_t room = end - stream->at;
        if (stream->literal_left > 0) {
            if (!put_literal(stream, room)) {
                return INFLATE_BAD;
            }
        } else if (stream->copy_left > 0) {
            const enum inflate_status status = put_copy(stream, room);
            if (status != INFLATE_SLICE) {
                return status;
            }
        } else if (!next_tag(stream)) {
            return INFLATE_BAD;
        }
    }
    out->len = end - start;
    return INFLATE_SLICE;
}
