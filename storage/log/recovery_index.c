/* .index and .timeindex of a segment that recovery reads, or of one it need not read. */
#include <errno.h>
#include <stdlib.h>

#include "storage/log/recovery_state.h"

/* Kafka's LogSegment.append: when an entry is due. */
void recovery_note_index(struct recovery *r, struct segment_scan *at, const struct scan *scan)
{
    struct recovered_segment *s = at->segment;
    const struct batch_header *header = &scan->header;
    const int64_t last_offset = batch_last_offset(header);
    if (scan->batch_position == 0) {
        s->first_timestamp_ms = header->max_timestamp_ms;
    }
    if (header->record_count > 0 && header->max_timestamp_ms > s->peak.timestamp_ms) {
        s->peak = (struct peak){header->max_timestamp_ms, last_offset};
    }
    if (at->index_bytes_since > INDEX_INTERVAL_BYTES && last_offset - s->base_offset <= INT32_MAX) {
        uint8_t bytes[TIME_INDEX_ENTRY_BYTES];
        offset_index_write(
            bytes, s->base_offset,
            (struct offset_index_entry){last_offset, (uint32_t)scan->batch_position});
        bool added = recovery_buffer_add(&r->offset_index, bytes, OFFSET_INDEX_ENTRY_BYTES);
        if (s->peak.timestamp_ms > at->time_last_ms) {
            at->time_last_ms = s->peak.timestamp_ms;
            time_index_write(bytes, s->base_offset,
                             (struct time_index_entry){s->peak.timestamp_ms, s->peak.offset});
            added = added && recovery_buffer_add(&r->time_index, bytes, TIME_INDEX_ENTRY_BYTES);
        }
        recovery_note(r, added ? 0 : -ENOMEM);
        at->index_bytes_since = 0;
    }
    at->index_bytes_since += header->size_bytes;
}

static int write_index_file(struct recovery *r, int64_t base, enum segment_file file,
                            const struct buffer *entries, uint64_t keep_bytes, bool durable)
{
    const int fd = file_open(r->fs, recovery_segment_path(r, base, file),
                             FILE_READ | FILE_WRITE | FILE_CREATE);
    if (fd < 0) {
        return fd;
    }
    int error = 0;
    if (entries->len > 0) {
        const int64_t written = file_write(r->fs, fd, entries->at, entries->len, keep_bytes);
        error = written < 0 ? (int)written : 0;
    }
    if (error == 0) {
        error = file_truncate(r->fs, fd, keep_bytes + entries->len);
    }
    if (error == 0 && durable) {
        error = file_sync(r->fs, fd);
    }
    file_close(r->fs, fd);
    return error;
}

/* The final entry Kafka gives a time index when its segment is full. */
static void close_time_index(struct recovery *r, struct segment_scan *at)
{
    const struct recovered_segment *s = at->segment;
    if (s->peak.timestamp_ms > at->time_last_ms) {
        uint8_t bytes[TIME_INDEX_ENTRY_BYTES];
        time_index_write(bytes, s->base_offset,
                         (struct time_index_entry){s->peak.timestamp_ms, s->peak.offset});
        recovery_note(
            r, recovery_buffer_add(&r->time_index, bytes, TIME_INDEX_ENTRY_BYTES) ? 0 : -ENOMEM);
        at->time_last_ms = s->peak.timestamp_ms;
    }
}

void recovery_write_indexes(struct recovery *r, struct segment_scan *at, bool last)
{
    struct recovered_segment *s = at->segment;
    if (!last) { /* A mark may vouch for them unread, at the next start. */
        close_time_index(r, at);
    }
    const uint64_t index_keep = (uint64_t)at->index_first * OFFSET_INDEX_ENTRY_BYTES;
    const uint64_t time_keep = (uint64_t)at->time_first * TIME_INDEX_ENTRY_BYTES;
    recovery_note(
        r, write_index_file(r, s->base_offset, SEGMENT_INDEX, &r->offset_index, index_keep, !last));
    recovery_note(r, write_index_file(r, s->base_offset, SEGMENT_TIME_INDEX, &r->time_index,
                                      time_keep, !last));
    s->index_count = at->index_first + r->offset_index.len / OFFSET_INDEX_ENTRY_BYTES;
    s->time_count = at->time_first + r->time_index.len / TIME_INDEX_ENTRY_BYTES;
    r->offset_index.len = 0;
    r->time_index.len = 0;
}

/* Entries [0, count) of an index file make sense; *last_ms: of the time index. */
bool recovery_index_right(struct recovery *r, int64_t base, uint32_t size, uint32_t entries,
                          uint32_t time_entries, int64_t *last_ms)
{
    uint32_t len = 0;
    uint8_t *file =
        recovery_read_whole(r, recovery_segment_path(r, base, SEGMENT_INDEX), 256u << 20, &len);
    bool right = file != NULL && len >= entries * OFFSET_INDEX_ENTRY_BYTES &&
                 offset_index_valid_bytes((struct bytes){file, entries * OFFSET_INDEX_ENTRY_BYTES},
                                          size) == entries * OFFSET_INDEX_ENTRY_BYTES;
    free(file);
    file = recovery_read_whole(r, recovery_segment_path(r, base, SEGMENT_TIME_INDEX), 256u << 20,
                               &len);
    const struct bytes times = {file, time_entries * TIME_INDEX_ENTRY_BYTES};
    right = right && file != NULL && len >= times.len && time_index_valid_bytes(times) == times.len;
    if (right) {
        *last_ms = time_index_last(times, base).timestamp_ms;
    }
    free(file);
    return right;
}

/* Where to look for the batch of that offset: at the last .index entry at or before it. */
static uint32_t position_before(struct recovery *r, const struct recovered_segment *s,
                                int64_t offset)
{
    uint8_t bytes[OFFSET_INDEX_ENTRY_BYTES];
    const struct bytes one = {bytes, sizeof(bytes)};
    const int fd =
        file_open(r->fs, recovery_segment_path(r, s->base_offset, SEGMENT_INDEX), FILE_READ);
    if (fd < 0) {
        return 0;
    }
    uint32_t position = 0;
    uint32_t low = 0;
    uint32_t high = s->index_count;
    uint32_t middle = high - min_u32(high, 1); /* Most often it is the last. */
    while (low < high && file_read(r->fs, fd, bytes, sizeof(bytes),
                                   (uint64_t)middle * sizeof(bytes)) == sizeof(bytes)) {
        const struct offset_index_entry entry = offset_index_read(one, s->base_offset, 0);
        if (entry.offset <= offset) {
            position = entry.position;
            low = middle + 1;
        } else {
            high = middle;
        }
        middle = low + (high - low) / 2;
    }
    file_close(r->fs, fd);
    return position;
}

/* The batch that the last .timeindex entry names says the same. A few blocks are read, not
 * counted: they recover nothing. */
static bool peak_agrees(struct recovery *r, const struct recovered_segment *s)
{
    struct scan scan;
    const uint32_t position = position_before(r, s, s->peak.offset);
    if (recovery_scan_open(r, recovery_segment_path(r, s->base_offset, SEGMENT_LOG), s->base_offset,
                           s->size, &scan) != 0) {
        return false;
    }
    scan.position = position;
    scan.window.buffer_bytes = 4 * BLOCK;
    bool agrees = false;
    while (scan_next(&scan) && scan.header.base_offset <= s->peak.offset && !agrees) {
        agrees = batch_last_offset(&scan.header) >= s->peak.offset &&
                 scan.header.max_timestamp_ms == s->peak.timestamp_ms;
    }
    file_close(r->fs, scan.window.fd);
    return agrees;
}

/* Every batch of the segment is right: indexes can be made from it, and nothing is cut. */
static bool segment_whole(struct recovery *r, const struct recovered_segment *s)
{
    struct scan scan;
    if (recovery_scan_open(r, recovery_segment_path(r, s->base_offset, SEGMENT_LOG), s->base_offset,
                           s->size, &scan) != 0) {
        return false;
    }
    recovery_scan_all(r, &scan);
    return scan.window.error == 0 && scan.position == s->size;
}

/* The last entry_bytes of a file. */
static bool last_entry(struct recovery *r, const char *path, int64_t file_bytes, uint8_t *entry,
                       uint32_t entry_bytes)
{
    const int fd = file_open(r->fs, path, FILE_READ);
    if (fd < 0) {
        return false;
    }
    const int64_t got =
        file_read(r->fs, fd, entry, entry_bytes, (uint64_t)file_bytes - entry_bytes);
    file_close(r->fs, fd);
    return got == entry_bytes;
}

/* A segment that needs no reading: its facts from its indexes. False: they do not say them. */
bool recovery_take_on_trust(struct recovery *r, struct recovered_segment *s, uint32_t size)
{
    const int64_t index_bytes =
        recovery_size_of(r, recovery_segment_path(r, s->base_offset, SEGMENT_INDEX));
    const int64_t time_bytes =
        recovery_size_of(r, recovery_segment_path(r, s->base_offset, SEGMENT_TIME_INDEX));
    if (index_bytes < 0 || time_bytes < 0 || index_bytes % OFFSET_INDEX_ENTRY_BYTES != 0 ||
        time_bytes % TIME_INDEX_ENTRY_BYTES != 0) {
        return false;
    }
    s->size = size;
    s->index_count = (uint32_t)(index_bytes / OFFSET_INDEX_ENTRY_BYTES);
    s->time_count = (uint32_t)(time_bytes / TIME_INDEX_ENTRY_BYTES);
    uint8_t entry[TIME_INDEX_ENTRY_BYTES];
    const struct bytes one = {entry, sizeof(entry)};
    if (index_bytes > 0) {
        if (!last_entry(r, recovery_segment_path(r, s->base_offset, SEGMENT_INDEX), index_bytes,
                        entry, OFFSET_INDEX_ENTRY_BYTES)) {
            return false;
        }
        const struct offset_index_entry last = offset_index_read(one, s->base_offset, 0);
        if (last.position == 0 || last.position >= size) {
            return false;
        }
    }
    if (time_bytes > 0) {
        if (!last_entry(r, recovery_segment_path(r, s->base_offset, SEGMENT_TIME_INDEX), time_bytes,
                        entry, TIME_INDEX_ENTRY_BYTES)) {
            return false;
        }
        const struct time_index_entry last = time_index_read(one, s->base_offset, 0);
        if (last.offset < s->base_offset) {
            return false;
        }
        s->peak = (struct peak){last.timestamp_ms, last.offset};
        /* Lookups skip the segment by it and retention goes by it. A damaged log is no better
         * witness: it stays as it is, to be told as corrupt where it is read. */
        return peak_agrees(r, s) || !segment_whole(r, s);
    }
    return true;
}
