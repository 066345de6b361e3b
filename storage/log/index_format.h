/* Entries of .index and .timeindex files (Kafka's OffsetIndex.java, TimeIndex.java), as bytes.
 *
 * .index      8 bytes: int32 offset - base, int32 position. The offset is the last offset of a
 * batch, the position that batch's first byte in the .log. .timeindex 12 bytes: int64 timestamp,
 * int32 offset - base. The largest timestamp so far in the segment and the last offset of the batch
 * it came with; timestamps strictly grow.
 *
 * Functions take the valid entries of a file in one piece; len is a multiple of the entry size.
 * Pure; any thread.
 */
#ifndef STORAGE_LOG_INDEX_FORMAT_H
#define STORAGE_LOG_INDEX_FORMAT_H

#include "storage/base/bytes.h"

enum { OFFSET_INDEX_ENTRY_BYTES = 8, TIME_INDEX_ENTRY_BYTES = 12 };

struct offset_index_entry {
    int64_t offset;
    uint32_t position;
};

struct time_index_entry {
    int64_t timestamp_ms;
    int64_t offset;
};

/* Write one entry. offset - base_offset fits in 31 bits, position in 31 bits. */
void offset_index_write(uint8_t to[OFFSET_INDEX_ENTRY_BYTES], int64_t base_offset,
                        struct offset_index_entry entry);
void time_index_write(uint8_t to[TIME_INDEX_ENTRY_BYTES], int64_t base_offset,
                      struct time_index_entry entry);

/* Read entry number `at`. */
struct offset_index_entry offset_index_read(struct bytes index, int64_t base_offset, uint32_t at);
struct time_index_entry time_index_read(struct bytes index, int64_t base_offset, uint32_t at);

static inline uint32_t offset_index_entries(struct bytes index)
{
    return index.len / OFFSET_INDEX_ENTRY_BYTES;
}

static inline uint32_t time_index_entries(struct bytes index)
{
    return index.len / TIME_INDEX_ENTRY_BYTES;
}

/* The largest timestamp and its offset, or {-1, base_offset} of an empty index. */
struct time_index_entry time_index_last(struct bytes index, int64_t base_offset);

/* Bytes that remain when all entries at or above `offset` are cut off. */
uint32_t offset_index_truncated_bytes(struct bytes index, int64_t base_offset, int64_t offset);
uint32_t time_index_truncated_bytes(struct bytes index, int64_t base_offset, int64_t offset);

/* Bytes at the start that make sense: whole entries, offsets and positions strictly growing and
 * below log_bytes, timestamps strictly growing and offsets not falling. What follows (the zeros of
 * a file that was set to its size ahead, or damage) is to be cut off and rebuilt. `file` may be any
 * bytes. */
uint32_t offset_index_valid_bytes(struct bytes file, uint64_t log_bytes);
uint32_t time_index_valid_bytes(struct bytes file);

#endif
