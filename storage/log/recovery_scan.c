#include "storage/log/recovery_scan.h"

#include <zlib.h>

#include "storage/base/crc32c.h"

/* So much was read behind what the buffer holds. */
static void window_add(struct scan_window *window, int64_t got)
{
    window->len += got < 0 ? 0 : (uint32_t)got;
    window->read_bytes += got < 0 ? 0 : (uint64_t)got;
}

void scan_settle(struct scan_window *window)
{
    if (window->pending > 0) {
        window->pending = 0;
        window_add(window, file_ahead_finish(window->ahead)); /* A failed one may not be missed. */
    }
}

/* What the buffer holds goes to its front when there is no room for so much behind it. */
static void window_make_room(struct scan_window *window, uint64_t bytes)
{
    if (window->start + (uint64_t)window->len + bytes > window->buffer_bytes) {
        memmove(window->buffer, window->buffer + window->start, window->len);
        window->start = 0;
    }
}

/* Drops what is in front of the offset, or everything when that is elsewhere. */
static void window_drop(struct scan_window *window, uint64_t from, uint64_t end)
{
    const bool here = from >= window->from && from < end;
    window->start = here ? window->start + (uint32_t)(from - window->from) : 0;
    window->len = here ? (uint32_t)(end - from) : 0;
    window->from = from;
}

static void read_ahead(struct scan_window *window)
{
    const uint64_t end = window->from + window->len;
    if (window->ahead == NULL || window->error != 0 || end % BLOCK != 0 ||
        end >= min_u64(window->ahead_to, window->file_bytes)) {
        return;
    }
    const uint64_t bytes = min_u64(window->step_bytes, round_up(window->file_bytes - end, BLOCK));
    if (window->len + bytes <= window->buffer_bytes) {
        window_make_room(window, bytes);
        window->pending = (uint32_t)bytes;
        file_ahead_begin(window->ahead, window->fd, window->buffer + window->start + window->len,
                         bytes, end);
    }
}

/* One read behind what the window holds. False: it failed, or there is no more. */
static bool window_read(struct scan_window *window)
{
    const uint64_t end = window->from + window->len;
    const uint64_t here = round_up(window->file_bytes - end, BLOCK);
    uint64_t bytes = min_u64(here, round_down(window->buffer_bytes, BLOCK) - window->len);
    bytes = window->step_bytes == 0 ? bytes : min_u64(bytes, window->step_bytes);
    window_make_room(window, bytes);
    const int64_t got =
        file_read(window->fs, window->fd, window->buffer + window->start + window->len, bytes, end);
    window->error = got < 0 ? (int)got : window->error;
    window_add(window, got);
    window->len = got < 0 ? 0 : window->len;
    return got > 0 && (uint64_t)got == bytes;
}

/* Moves the window to offset. What it holds from there on is kept, what is missing is read. */
static void window_move(struct scan_window *window, uint64_t offset, uint32_t want)
{
    const uint64_t from = round_down(offset, BLOCK);
    scan_settle(window);
    const uint64_t end = window->from + window->len;
    if (offset >= window->from && offset + want <= end) {
        window_drop(window, from, end);
    } else {
        window_drop(window, from, round_down(end, BLOCK));
        while (window_read(window) && window->from + window->len < offset + want &&
               window->step_bytes != 0) {
        }
    }
    read_ahead(window);
}

struct bytes scan_view(struct scan_window *window, uint64_t offset, uint32_t want)
{
    const uint64_t rest = window->file_bytes - min_u64(window->file_bytes, offset);
    want = (uint32_t)min_u64(want, rest);
    if (offset < window->from || offset + want > window->from + window->len) {
        window_move(window, offset, want);
    }
    const uint64_t end = min_u64(window->from + window->len, window->file_bytes);
    if (offset >= end) {
        return (struct bytes){NULL, 0};
    }
    return (struct bytes){window->buffer + window->start + (offset - window->from),
                          (uint32_t)(end - offset)};
}

/* Formats 0 and 1: CRC-32 of the bytes behind the field; LogEntry of Kafka's LegacyRecord.java. */
static bool old_crc_right(struct scan *scan, uint64_t position, uint32_t size)
{
    enum { AT_CRC = 12, AT_COVERED = 16, OLD_BYTES_MIN = 26 };
    if (size < OLD_BYTES_MIN) {
        return false;
    }
    struct bytes view = scan_view(&scan->window, position, AT_COVERED);
    if (view.len < AT_COVERED) {
        return false;
    }
    const uint32_t want = load_be32(view.ptr + AT_CRC);
    uLong crc = crc32(0, NULL, 0);
    uint32_t done = AT_COVERED;
    while (done < size) {
        view = scan_view(&scan->window, position + done, 1);
        const uint32_t count = min_u32(view.len, size - done);
        if (count == 0) {
            return false;
        }
        crc = crc32(crc, view.ptr, count);
        done += count;
    }
    return (uint32_t)crc == want;
}

static bool crc_right(struct scan *scan, uint64_t position, const struct batch_header *header)
{
    uint32_t crc = 0;
    uint32_t done = BATCH_AT_ATTRIBUTES;
    while (done < header->size_bytes) {
        const struct bytes view = scan_view(&scan->window, position + done, 1);
        const uint32_t count = min_u32(view.len, header->size_bytes - done);
        if (count == 0) {
            return false;
        }
        crc = crc32c_extend(crc, view.ptr, count);
        done += count;
    }
    return crc == header->crc;
}

bool scan_next(struct scan *scan)
{
    const uint64_t rest = scan->window.file_bytes - scan->position;
    const struct bytes view = scan_view(&scan->window, scan->position, BATCH_HEADER_BYTES);
    struct batch_header header;
    const enum batch_status status = batch_parse_header(chain_of(&view), &header);
    if ((status != BATCH_OK && status != BATCH_OLD_MAGIC) || header.size_bytes > rest ||
        header.base_offset < scan->next_offset || scan->position + header.size_bytes > INT32_MAX) {
        return false;
    }
    scan->old_magic = status == BATCH_OLD_MAGIC;
    if (scan->old_magic) {
        if (scan->check_crc && !old_crc_right(scan, scan->position, header.size_bytes)) {
            return false;
        }
        header.last_offset_delta = 0;
        header.max_timestamp_ms = -1;
        header.producer_id = BATCH_NO_PRODUCER_ID;
        header.leader_epoch = BATCH_NO_LEADER_EPOCH;
        header.attributes = 0;
        header.record_count = 1;
    } else if (header.last_offset_delta < 0 ||
               header.base_offset > INT64_MAX - header.last_offset_delta - 1 ||
               (scan->check_crc && !crc_right(scan, scan->position, &header))) {
        return false;
    }
    if (scan->offset_max != 0 && batch_last_offset(&header) > scan->offset_max) {
        return false; /* No CRC covers the offset. */
    }
    scan->header = header;
    scan->batch_position = scan->position;
    scan->position += header.size_bytes;
    scan->next_offset = batch_last_offset(&header) + 1;
    return true;
}
