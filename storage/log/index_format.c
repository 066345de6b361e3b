#include "storage/log/index_format.h"

void offset_index_write(uint8_t to[OFFSET_INDEX_ENTRY_BYTES], int64_t base_offset,
                        struct offset_index_entry entry)
{
    const int64_t relative = entry.offset - base_offset;
    ASSERT(relative >= 0 && relative <= INT32_MAX && entry.position <= INT32_MAX);
    store_be32(to, (uint32_t)relative);
    store_be32(to + 4, entry.position);
}

void time_index_write(uint8_t to[TIME_INDEX_ENTRY_BYTES], int64_t base_offset,
                      struct time_index_entry entry)
{
    const int64_t relative = entry.offset - base_offset;
    ASSERT(relative >= 0 && relative <= INT32_MAX);
    store_be64(to, (uint64_t)entry.timestamp_ms);
    store_be32(to + 8, (uint32_t)relative);
}

struct offset_index_entry offset_index_read(struct bytes index, int64_t base_offset, uint32_t at)
{
    ASSERT_HOT(at < offset_index_entries(index));
    const uint8_t *from = index.ptr + (size_t)at * OFFSET_INDEX_ENTRY_BYTES;
    return (struct offset_index_entry){base_offset + load_be32(from), load_be32(from + 4)};
}

struct time_index_entry time_index_read(struct bytes index, int64_t base_offset, uint32_t at)
{
    ASSERT_HOT(at < time_index_entries(index));
    const uint8_t *from = index.ptr + (size_t)at * TIME_INDEX_ENTRY_BYTES;
    return (struct time_index_entry){(int64_t)load_be64(from), base_offset + load_be32(from + 8)};
}

typedef int64_t offset_at_fn(struct bytes index, int64_t base_offset, uint32_t at);

static int64_t offset_index_at(struct bytes index, int64_t base_offset, uint32_t at)
{
    return offset_index_read(index, base_offset, at).offset;
}

static int64_t time_index_at(struct bytes index, int64_t base_offset, uint32_t at)
{
    return time_index_read(index, base_offset, at).offset;
}

/* How many of the entries have an offset below `bound`. */
static uint32_t count_below(struct bytes index, uint32_t entries, int64_t base_offset,
                            offset_at_fn *offset_at, int64_t bound)
{
    uint32_t low = 0;
    uint32_t high = entries;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (offset_at(index, base_offset, middle) < bound) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct time_index_entry time_index_last(struct bytes index, int64_t base_offset)
{
    const uint32_t entries = time_index_entries(index);
    return entries == 0 ? (struct time_index_entry){-1, base_offset}
                        : time_index_read(index, base_offset, entries - 1);
}

uint32_t offset_index_truncated_bytes(struct bytes index, int64_t base_offset, int64_t offset)
{
    return OFFSET_INDEX_ENTRY_BYTES *
           count_below(index, offset_index_entries(index), base_offset, offset_index_at, offset);
}

uint32_t time_index_truncated_bytes(struct bytes index, int64_t base_offset, int64_t offset)
{
    return TIME_INDEX_ENTRY_BYTES *
           count_below(index, time_index_entries(index), base_offset, time_index_at, offset);
}

uint32_t offset_index_valid_bytes(struct bytes file, uint64_t log_bytes)
{
    /* No entry points at a segment's first batch, so position 0 is the zeros behind the last one.
     */
    int64_t offset = -1;
    uint32_t position = 0;
    const uint32_t entries = offset_index_entries(file);
    for (uint32_t i = 0; i < entries; i++) {
        const struct offset_index_entry entry = offset_index_read(file, 0, i);
        if (entry.offset <= offset || entry.offset > INT32_MAX || entry.position <= position ||
            entry.position > INT32_MAX || entry.position >= log_bytes) {
            return i * OFFSET_INDEX_ENTRY_BYTES;
        }
        offset = entry.offset;
        position = entry.position;
    }
    return entries * OFFSET_INDEX_ENTRY_BYTES;
}

uint32_t time_index_valid_bytes(struct bytes file)
{
    int64_t timestamp_ms = -1;
    int64_t offset = 0;
    const uint32_t entries = time_index_entries(file);
    for (uint32_t i = 0; i < entries; i++) {
        const struct time_index_entry entry = time_index_read(file, 0, i);
        const bool zeros = entry.timestamp_ms == 0 && entry.offset == 0;
        if (zeros || entry.timestamp_ms <= timestamp_ms || entry.offset < offset ||
            entry.offset > INT32_MAX) {
            return i * TIME_INDEX_ENTRY_BYTES;
        }
        timestamp_ms = entry.timestamp_ms;
        offset = entry.offset;
    }
    return entries * TIME_INDEX_ENTRY_BYTES;
}
