/* A compaction's reading and writing, slice by slice, on a thread of housekeeping. */
#include <errno.h>
#include <stdlib.h>

#include "storage/log/clean.h"

enum {
    SYNC_EVERY_BYTES = 32 * MIB, /* So that the last sync is a short one. */
    MAP_BYTES_MIN = 64 << 10,
    READS_HELD = 4,           /* With two, all that is held would be moved for each one. */
    GENTLE_BYTES = 256 << 10, /* A write waits behind one such read for half a millisecond. */
};

/* Of one read or write. */
static uint32_t step_bytes(const struct cleaner *cleaner)
{
    const uint32_t most = (uint32_t)cleaner->slice_bytes;
    return cleaner->gentle ? min_u32(most, GENTLE_BYTES) : most;
}

static bool slice_over(const struct clean_work *work, const struct cleaner *cleaner)
{
    return work->read + work->written >= step_bytes(cleaner);
}

/* Beside others nothing is read ahead, or the disk would always have something to do. */
static void slice_begin(struct clean_work *work, const struct cleaner *cleaner)
{
    struct scan_window *window = &work->scan.window;
    work->read = 0;
    work->written = 0;
    if (work->scanning) {
        const uint64_t before = window->read_bytes;
        if (cleaner->gentle) {
            scan_settle(window);
        }
        work->read = window->read_bytes - before;
        window->ahead = cleaner->gentle ? NULL : work->ahead;
        window->step_bytes = step_bytes(cleaner);
    }
}

/* ---- Memory --------------------------------------------------------------------------------- */

static uint8_t *aligned(uint64_t bytes)
{
    void *memory = NULL;
    return posix_memalign(&memory, BLOCK, round_up(bytes, BLOCK)) == 0 ? memory : NULL;
}

void clean_work_free(struct clean_work *work)
{
    file_ahead_stop(work->ahead);
    free(work->map_memory);
    free(work->read_buffer);
    free(work->write_buffer);
    free(work->index.at);
    free(work->times.at);
    free(work->source_index.at);
    clean_live_free(&work->live);
    clean_filter_free(&work->filter);
    clean_txns_free(&work->txns);
    *work = (struct clean_work){.output_fd = -1};
}

static bool entries_add(struct clean_memory *memory, const uint8_t *from, uint32_t len)
{
    if (!clean_memory_reserve(memory, max_u64(16384, (uint64_t)memory->len + len))) {
        return false;
    }
    memcpy(memory->at + memory->len, from, len);
    memory->len += len;
    return true;
}

static int by_producer(const void *a, const void *b)
{
    const struct clean_producer *x = a;
    const struct clean_producer *y = b;
    return (x->producer_id > y->producer_id) - (x->producer_id < y->producer_id);
}

/* ---- Asking --------------------------------------------------------------------------------- */

void clean_ask_run(struct job *job, struct file_system *fs)
{
    const struct partition *p = job->partition;
    job->error = clean_offsets_read(fs, job->log->devices[p->directory].path, p->name,
                                    &job->log->cleaner->asked);
}

/* ---- Beginning ------------------------------------------------------------------------------ */

/* The first pass begins, with a map of that size. */
static int begin_map(const struct cleaner *cleaner, struct clean_work *work, uint64_t bytes)
{
    free(work->map_memory);
    work->map_bytes = bytes;
    work->map_memory = calloc(1, bytes);
    if (work->map_memory == NULL) {
        return -ENOMEM;
    }
    clean_map_init(&work->map, work->map_memory, bytes, cleaner->config.clean_load_percent,
                   &work->key);
    work->map.end = cleaner->dirty_from;
    clean_live_free(&work->live);
    if (!clean_live_begin(&work->live, cleaner->dirty_from, cleaner->upper)) {
        return -ENOMEM;
    }
    clean_txns_begin(&work->txns, cleaner->dirty_from);
    work->at = 0;
    while (work->at < cleaner->source_count &&
           cleaner->sources[work->at].end_offset <= cleaner->dirty_from) {
        work->at++;
    }
    return 0;
}

static uint64_t buffer_bytes(const struct clean_work *work, uint64_t batch_bytes)
{
    return batch_bytes + (uint64_t)READS_HELD * work->read_bytes;
}

static int begin(struct job *job, struct file_system *fs)
{
    struct cleaner *cleaner = job->log->cleaner;
    struct clean_work *work = &cleaner->work;
    /* A record takes some three bytes at least, less when it is compressed well. */
    const uint64_t map_bytes = max_u64(MAP_BYTES_MIN, 8 * cleaner->dirty_bytes);
    work->read_bytes = (uint32_t)cleaner->slice_bytes;
    work->batch_bytes = cleaner->io_bytes + 2 * BLOCK;
    work->read_buffer = aligned(buffer_bytes(work, work->batch_bytes));
    work->write_buffer = aligned(cleaner->io_bytes);
    if (work->read_buffer == NULL || work->write_buffer == NULL) {
        return -ENOMEM;
    }
    work->ahead = file_ahead_start(fs);
    for (uint32_t i = 0; i < cleaner->aborted_count; i++) {
        if (!clean_aborted_add(&work->txns.known, &cleaner->aborted[i])) {
            return -ENOMEM;
        }
    }
    qsort(cleaner->producers, cleaner->producer_count, sizeof(*cleaner->producers), by_producer);
    work->filter.map = &work->map;
    work->filter.txns = &work->txns;
    work->filter.inflate =
        job->log->setup.validation != NULL ? job->log->validation_inflate : job->log->job_inflate;
    work->filter.producers = cleaner->producers;
    work->filter.producer_count = cleaner->producer_count;
    work->filter.inflated_bytes_max = INFLATED_BYTES_MAX;
    work->filter.now_ms = cleaner->now_ms;
    work->filter.delete_retention_ms = cleaner->config.delete_retention_ms;
    return begin_map(cleaner, work, min_u64(cleaner->map_bytes, map_bytes));
}

/* ---- Reading -------------------------------------------------------------------------------- */

static int source_open(struct job *job, struct file_system *fs)
{
    const struct cleaner *cleaner = job->log->cleaner;
    struct clean_work *work = &job->log->cleaner->work;
    const struct clean_source *source = &cleaner->sources[work->at];
    char path[PATH_BYTES];
    path_segment(job->partition, source->base_offset, SEGMENT_LOG, SEGMENT_LIVE, path);
    work->scan =
        (struct scan){.window = {.fs = fs,
                                 .buffer = work->read_buffer,
                                 .buffer_bytes = (uint32_t)buffer_bytes(work, work->batch_bytes),
                                 .file_bytes = source->size,
                                 .step_bytes = step_bytes(cleaner),
                                 .ahead = cleaner->gentle ? NULL : work->ahead,
                                 .ahead_to = source->size},
                      .next_offset = source->base_offset,
                      .offset_max = source->end_offset - 1,
                      .check_crc = true};
    work->scan.window.fd = file_open_direct(fs, path, FILE_READ);
    if (work->scan.window.fd < 0) {
        return work->scan.window.fd;
    }
    work->scanning = true;
    return 0;
}

static void source_close(struct clean_work *work, struct file_system *fs)
{
    if (work->scanning) {
        scan_settle(&work->scan.window);
        file_close(fs, work->scan.window.fd);
        work->scanning = false;
    }
    work->source_index.len = 0;
    work->source_index_at = 0;
}

/* The window holds all of the batch that comes next, before anybody looks at its parts: what is
 * read in passing would be read again. Nothing where scan_next will find no batch. */
static int source_load(struct clean_work *work)
{
    struct scan *scan = &work->scan;
    struct scan_window *window = &scan->window;
    struct bytes view = scan_view(window, scan->position, BATCH_HEADER_BYTES);
    struct batch_header header;
    if (batch_parse_header(chain_of(&view), &header) != BATCH_OK ||
        header.size_bytes > window->file_bytes - scan->position) {
        return window->error;
    }
    if (header.size_bytes + 2ull * BLOCK > work->batch_bytes) { /* For what comes after it, too. */
        const uint64_t batch_bytes = round_up(header.size_bytes + 2ull * BLOCK, BLOCK);
        uint8_t *larger = aligned(buffer_bytes(work, batch_bytes));
        if (larger == NULL) {
            return -ENOMEM;
        }
        scan_settle(window);
        memcpy(larger, work->read_buffer + window->start, window->len);
        free(work->read_buffer);
        work->read_buffer = larger;
        work->batch_bytes = (uint32_t)batch_bytes;
        window->buffer = larger;
        window->buffer_bytes = (uint32_t)buffer_bytes(work, batch_bytes);
        window->start = 0;
    }
    view = scan_view(window, scan->position, header.size_bytes);
    return view.len >= header.size_bytes ? 0 : window->error != 0 ? window->error : -EIO;
}

/* The next batch in one piece. 1: there is one; 0: the source has ended; -errno. */
static int source_next(struct clean_work *work, struct bytes *batch)
{
    struct scan *scan = &work->scan;
    const uint64_t before = scan->window.read_bytes;
    int result = source_load(work);
    const bool found = result == 0 && scan_next(scan);
    work->read += scan->window.read_bytes - before;
    if (result != 0) {
        return result;
    }
    if (!found || scan->old_magic) {
        work->bad = found || (scan->window.error == 0 && scan->position != scan->window.file_bytes);
        return work->bad ? -EBADMSG : scan->window.error;
    }
    *batch = scan_view(&scan->window, scan->batch_position, scan->header.size_bytes);
    batch->len = scan->header.size_bytes;
    return 1;
}

static int error_of(struct clean_work *work, enum clean_result result)
{
    work->bad = work->bad || result == CLEAN_BAD;
    return result == CLEAN_BAD ? -EBADMSG : result == CLEAN_NO_MEMORY ? -ENOMEM : 0;
}

/* ---- The first pass ------------------------------------------------------------------------- */

static int map_source(struct job *job, struct file_system *fs)
{
    const struct cleaner *cleaner = job->log->cleaner;
    struct clean_work *work = &job->log->cleaner->work;
    struct bytes batch;
    int found = work->scanning ? 0 : source_open(job, fs);
    while (found >= 0 && !slice_over(work, cleaner)) {
        found = source_next(work, &batch);
        if (found < 0) {
            return found;
        }
        if (found == 0) { /* Gaps are clean too. */
            work->map.end = max_i64(work->map.end, cleaner->sources[work->at].end_offset);
            source_close(work, fs);
            work->at++;
            return 0;
        }
        const enum clean_result result = clean_filter_map(&work->filter, &work->map, batch,
                                                          &work->scan.header, cleaner->dirty_from);
        if (result == CLEAN_DROPPED && work->map.end == cleaner->dirty_from &&
            work->map_bytes < cleaner->map_bytes) { /* Not even one batch: with all there may be. */
            source_close(work, fs);
            return begin_map(cleaner, work, cleaner->map_bytes);
        }
        if (result == CLEAN_DROPPED) {
            work->finished = true;
            /* Nothing can be done for this partition. */
            return work->map.end > cleaner->dirty_from ? 0 : -ENOBUFS;
        }
        if (result != CLEAN_KEPT) {
            return error_of(work, result);
        }
        const struct batch_header *header = &work->scan.header;
        work->map.end = max_i64(work->map.end, batch_last_offset(header) + 1);
        if (clean_filter_needs(&work->filter, header)) {
            clean_live_mark(&work->live, header->base_offset, batch_last_offset(header));
        }
    }
    return min_i64(found, 0) < 0 ? found : 0;
}

void clean_map_run(struct job *job, struct file_system *fs)
{
    struct cleaner *cleaner = job->log->cleaner;
    struct clean_work *work = &cleaner->work;
    slice_begin(work, cleaner);
    job->error = work->map_memory == NULL ? begin(job, fs) : 0;
    while (job->error == 0 && !work->finished && !slice_over(work, cleaner)) {
        if (work->at == cleaner->source_count) {
            work->finished = true;
        } else {
            job->error = map_source(job, fs);
        }
    }
    if (work->finished || job->error != 0) {
        source_close(work, fs);
    }
    if (work->finished && job->error == 0) { /* Without memory there is no map to look at. */
        clean_live_mark_map(&work->live, &work->map);
    }
}

/* ---- Writing -------------------------------------------------------------------------------- */

static int write_out(struct job *job, struct file_system *fs, uint32_t bytes)
{
    struct clean_work *work = &job->log->cleaner->work;
    const uint64_t at = work->output.size - work->write_used;
    const uint32_t step = step_bytes(job->log->cleaner);
    for (uint32_t done = 0; done < bytes; done += step) {
        const int64_t written = file_write(fs, work->output_fd, work->write_buffer + done,
                                           min_u32(step, bytes - done), at + done);
        if (written < 0) {
            return (int)written;
        }
    }
    work->written += bytes;
    work->unsynced += bytes;
    if (work->unsynced >= SYNC_EVERY_BYTES) {
        work->unsynced = 0;
        return job_sync(job, fs, work->output_fd);
    }
    return 0;
}

/* As index_note does for what is appended. An empty batch has no record of its time: lookups go
 * by, and Kafka's tool would miss it. */
static bool note_output(struct clean_work *work, const struct batch_header *header,
                        uint32_t interval_bytes)
{
    struct clean_output *output = &work->output;
    const int64_t last_offset = batch_last_offset(header);
    uint8_t entry[TIME_INDEX_ENTRY_BYTES];
    bool added = true;
    if (output->size == 0) {
        output->first_timestamp_ms = header->max_timestamp_ms;
    }
    if (header->record_count > 0 && header->max_timestamp_ms > output->peak.timestamp_ms) {
        output->peak = (struct peak){header->max_timestamp_ms, last_offset};
    }
    if (output->index_bytes_since > interval_bytes) {
        offset_index_write(entry, output->base_offset,
                           (struct offset_index_entry){last_offset, (uint32_t)output->size});
        added = entries_add(&work->index, entry, OFFSET_INDEX_ENTRY_BYTES);
        output->index_count++;
        if (output->peak.timestamp_ms > output->time_last_ms) {
            output->time_last_ms = output->peak.timestamp_ms;
            time_index_write(
                entry, output->base_offset,
                (struct time_index_entry){output->peak.timestamp_ms, output->peak.offset});
            added = added && entries_add(&work->times, entry, TIME_INDEX_ENTRY_BYTES);
            output->time_count++;
        }
        output->index_bytes_since = 0;
    }
    output->index_bytes_since += header->size_bytes;
    return added;
}

static int output_add(struct job *job, struct file_system *fs, struct bytes batch)
{
    const struct cleaner *cleaner = job->log->cleaner;
    struct clean_work *work = &job->log->cleaner->work;
    struct batch_header header;
    if (batch_parse(chain_of(&batch), &header) != BATCH_OK ||
        work->output.size + batch.len > POSITION_MAX) {
        return -EFBIG;
    }
    if (!note_output(work, &header, cleaner->config.index_interval_bytes)) {
        return -ENOMEM;
    }
    while (batch.len > 0) {
        const uint32_t count = min_u32(batch.len, cleaner->io_bytes - work->write_used);
        memcpy(work->write_buffer + work->write_used, batch.ptr, count);
        work->write_used += count;
        work->output.size += count;
        batch.ptr += count;
        batch.len -= count;
        if (work->write_used == cleaner->io_bytes) {
            const int error = write_out(job, fs, cleaner->io_bytes);
            if (error != 0) {
                return error;
            }
            work->write_used = 0;
        }
    }
    return 0;
}

static char *output_path(struct job *job, enum segment_file file, char path[PATH_BYTES])
{
    return path_segment(job->partition, job->log->cleaner->work.output.base_offset, file,
                        SEGMENT_CLEANED, path);
}

static int output_open(struct job *job, struct file_system *fs)
{
    struct cleaner *cleaner = job->log->cleaner;
    struct clean_work *work = &cleaner->work;
    const int64_t base = cleaner->sources[work->group_first].base_offset;
    work->output =
        (struct clean_output){.base_offset = base,
                              .end_offset = cleaner->sources[work->group_end - 1].end_offset,
                              .peak = {-1, base},
                              .first_timestamp_ms = -1,
                              .time_last_ms = -1};
    work->index.len = 0;
    work->times.len = 0;
    work->write_used = 0;
    work->unsynced = 0;
    work->txns.kept.count = 0;
    char path[PATH_BYTES];
    const int fd = file_open_direct(fs, output_path(job, SEGMENT_LOG, path),
                                    FILE_READ | FILE_WRITE | FILE_CREATE);
    if (fd < 0) {
        return fd;
    }
    work->output_fd = fd;
    return file_truncate(fs, fd, 0);
}

static int write_small(struct job *job, struct file_system *fs, enum segment_file file,
                       const uint8_t *from, uint32_t len)
{
    char path[PATH_BYTES];
    const int fd =
        file_open(fs, output_path(job, file, path), FILE_READ | FILE_WRITE | FILE_CREATE);
    if (fd < 0) {
        return fd;
    }
    int error = file_truncate(fs, fd, 0);
    if (error == 0 && len > 0) {
        const int64_t written = file_write(fs, fd, from, len, 0);
        error = written < 0 ? (int)written : 0;
    }
    if (error == 0) {
        error = job_sync(job, fs, fd);
    }
    file_close(fs, fd);
    return error;
}

static int write_txn_index(struct job *job, struct file_system *fs)
{
    const struct clean_aborted_list *kept = &job->log->cleaner->work.txns.kept;
    if (kept->count == 0) {
        return 0;
    }
    uint8_t *bytes = malloc((size_t)kept->count * TXN_INDEX_ENTRY_BYTES);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < kept->count; i++) {
        txn_index_write(bytes + (size_t)i * TXN_INDEX_ENTRY_BYTES, &kept->at[i]);
    }
    const int error =
        write_small(job, fs, SEGMENT_TXN_INDEX, bytes, kept->count * TXN_INDEX_ENTRY_BYTES);
    free(bytes);
    return error;
}

/* Everything the group's names will stand for is durable when this is 0. */
static int output_finish(struct job *job, struct file_system *fs)
{
    struct clean_work *work = &job->log->cleaner->work;
    struct clean_output *output = &work->output;
    int error = 0;
    if (work->write_used > 0) {
        const uint32_t whole = (uint32_t)round_up(work->write_used, BLOCK);
        memset(work->write_buffer + work->write_used, 0, whole - work->write_used);
        error = write_out(job, fs, whole);
    }
    if (error == 0) {
        error = file_truncate(fs, work->output_fd, output->size);
    }
    if (error == 0) {
        error = job_sync(job, fs, work->output_fd);
    }
    if (output->peak.timestamp_ms > output->time_last_ms) { /* Kafka's onBecomeInactiveSegment. */
        uint8_t entry[TIME_INDEX_ENTRY_BYTES];
        time_index_write(entry, output->base_offset,
                         (struct time_index_entry){output->peak.timestamp_ms, output->peak.offset});
        output->time_count++;
        error = entries_add(&work->times, entry, TIME_INDEX_ENTRY_BYTES) ? error : -ENOMEM;
    }
    if (error == 0) {
        error = write_small(job, fs, SEGMENT_INDEX, work->index.at, work->index.len);
    }
    if (error == 0) {
        error = write_small(job, fs, SEGMENT_TIME_INDEX, work->times.at, work->times.len);
    }
    if (error == 0) {
        error = write_txn_index(job, fs);
    }
    return error;
}

static void output_close(struct clean_work *work, struct file_system *fs)
{
    if (work->output_fd >= 0) {
        file_close(fs, work->output_fd);
        work->output_fd = -1;
    }
}

/* ---- The second pass ------------------------------------------------------------------------ */

/* The next whole segments that together are not larger than one may be. False: all are done. */
static bool group_next(const struct cleaner *cleaner, struct clean_work *work)
{
    const struct clean_source *sources = cleaner->sources;
    const uint32_t first = work->group_end;
    if (first == cleaner->source_count || sources[first].base_offset >= work->map.end) {
        return false;
    }
    uint64_t size = sources[first].size;
    uint64_t index_bytes = 8ull * sources[first].index_entries;
    uint32_t end = first + 1;
    while (end < cleaner->source_count && sources[end].base_offset < work->map.end &&
           size + sources[end].size <= cleaner->config.segment_bytes &&
           index_bytes + 12ull * sources[end].index_entries < cleaner->config.segment_index_bytes &&
           sources[end].end_offset - 1 - sources[first].base_offset <= INT32_MAX) {
        size += sources[end].size;
        index_bytes += 12ull * sources[end].index_entries;
        end++;
    }
    work->group_first = first;
    work->group_end = end;
    work->at = first;
    return true;
}

/* The last batch keeps its place, so that no segment ends before the next begins. Kafka leaves
 * segments without a batch. */
static bool at_end_of_group(const struct cleaner *cleaner, const struct clean_work *work)
{
    bool last = work->scan.position == cleaner->sources[work->at].size;
    for (uint32_t i = work->at + 1; i < work->group_end; i++) {
        last = last && cleaner->sources[i].size == 0;
    }
    return last;
}

/* Without it, or what it should say, nothing is passed over. */
static void source_index_read(struct job *job, struct file_system *fs)
{
    struct clean_work *work = &job->log->cleaner->work;
    const struct clean_source *source = &job->log->cleaner->sources[work->at];
    const uint32_t bytes = source->index_entries * OFFSET_INDEX_ENTRY_BYTES;
    if (bytes == 0 || !clean_memory_reserve(&work->source_index, bytes)) {
        return;
    }
    char path[PATH_BYTES];
    path_segment(job->partition, source->base_offset, SEGMENT_INDEX, SEGMENT_LIVE, path);
    const int fd = file_open(fs, path, FILE_READ);
    if (fd < 0) {
        return;
    }
    const int64_t got = file_read(fs, fd, work->source_index.at, bytes, 0);
    work->source_index.len = got == bytes ? bytes : 0;
    file_close(fs, fd);
}

/* Moves the scan to the last indexed batch before which nothing is to be looked at, where reading
 * would need more than what the window takes at once. */
static bool pass_over(struct clean_work *work, int64_t base_offset)
{
    struct scan *scan = &work->scan;
    const struct bytes index = {work->source_index.at, work->source_index.len};
    const uint32_t count = index.len / OFFSET_INDEX_ENTRY_BYTES;
    uint64_t target = 0;
    int64_t from = scan->next_offset;
    while (work->source_index_at < count) {
        const struct offset_index_entry entry =
            offset_index_read(index, base_offset, work->source_index_at);
        if (entry.position > scan->position) {
            if (entry.offset < from || clean_live_any(&work->live, from, entry.offset)) {
                break;
            }
            target = entry.position;
            from = entry.offset + 1;
        }
        work->source_index_at++;
    }
    if (target < scan->position + work->read_bytes) {
        return false;
    }
    scan->position = target;
    return true;
}

/* Where the next part begins that will be passed over: up to there it is worth reading ahead. */
static uint64_t needed_to(const struct clean_work *work, int64_t base_offset)
{
    const struct bytes index = {work->source_index.at, work->source_index.len};
    const uint32_t count = index.len / OFFSET_INDEX_ENTRY_BYTES;
    uint64_t dead_from = UINT64_MAX;
    for (uint32_t i = work->source_index_at; i + 1 < count; i++) {
        const struct offset_index_entry entry = offset_index_read(index, base_offset, i);
        const struct offset_index_entry next = offset_index_read(index, base_offset, i + 1);
        if (next.offset <= entry.offset ||
            clean_live_any(&work->live, entry.offset + 1, next.offset)) {
            dead_from = UINT64_MAX;
        } else if (dead_from == UINT64_MAX) {
            dead_from = next.position;
        } else if (next.position >= dead_from + work->read_bytes) {
            return dead_from;
        }
    }
    return dead_from == UINT64_MAX ? work->scan.window.file_bytes : dead_from;
}

/* The next batch that may have to stay. */
static int source_next_live(struct clean_work *work, int64_t base_offset, struct bytes *batch)
{
    struct scan *scan = &work->scan;
    const uint64_t position = scan->position;
    const int64_t next_offset = scan->next_offset;
    const bool passed_over = pass_over(work, base_offset);
    if (scan->position >= scan->window.ahead_to) {
        scan->window.ahead_to = needed_to(work, base_offset);
    }
    if (!passed_over) {
        return source_next(work, batch);
    }
    const int found = source_next(work, batch);
    if (found > 0 && !clean_live_any(&work->live, next_offset, scan->header.base_offset - 1)) {
        work->output.changed = true;
        return found;
    }
    work->bad = false; /* No batch there that can be read, or too far: the index says nothing. */
    work->source_index.len = 0;
    scan->window.error = 0;
    scan->position = position;
    scan->next_offset = next_offset;
    return source_next(work, batch);
}

static int copy_source(struct job *job, struct file_system *fs)
{
    const struct cleaner *cleaner = job->log->cleaner;
    struct clean_work *work = &job->log->cleaner->work;
    struct bytes batch;
    struct bytes out;
    int found = 0;
    if (!work->scanning) {
        found = source_open(job, fs);
        source_index_read(job, fs);
        work->scan.window.ahead_to = 0; /* As the index says. */
    }
    while (found >= 0 && !slice_over(work, cleaner)) {
        found = source_next_live(work, cleaner->sources[work->at].base_offset, &batch);
        if (found < 0) {
            return found;
        }
        if (found == 0) {
            source_close(work, fs);
            work->at++;
            return 0;
        }
        const enum clean_result result = clean_filter_batch(
            &work->filter, batch, &work->scan.header, at_end_of_group(cleaner, work), &out);
        int error = error_of(work, result);
        if (result == CLEAN_KEPT || result == CLEAN_CHANGED) {
            error = output_add(job, fs, result == CLEAN_KEPT ? batch : out);
        }
        if (error != 0) {
            return error;
        }
        work->output.changed = work->output.changed || result != CLEAN_KEPT;
    }
    return min_i64(found, 0) < 0 ? found : 0;
}

/* Some of the group, in order: open, copy, finish. */
static int copy_group(struct job *job, struct file_system *fs)
{
    struct clean_work *work = &job->log->cleaner->work;
    if (work->output_fd < 0) {
        return output_open(job, fs);
    }
    if (work->at < work->group_end) {
        return copy_source(job, fs);
    }
    const bool same = work->output.size == 0 ||
                      (!work->output.changed && work->group_end - work->group_first == 1);
    int error = same ? 0 : output_finish(job, fs);
    output_close(work, fs);
    if (error == 0 && same) { /* Nothing to gain. */
        error = clean_unlink_output(job, fs);
        work->output.size = 0;
    }
    work->finished = error == 0;
    return error;
}

/* Until a group is ready for its swap: finished. All groups done: group_first == group_end. */
void clean_copy_run(struct job *job, struct file_system *fs)
{
    struct cleaner *cleaner = job->log->cleaner;
    struct clean_work *work = &cleaner->work;
    slice_begin(work, cleaner);
    if (work->group_end == 0 && work->group_first == 0) {
        clean_txns_begin(&work->txns, 0);
    }
    if (work->group_first == work->group_end || work->group_done) {
        work->group_done = false;
        if (!group_next(cleaner, work)) {
            work->group_first = work->group_end;
            work->finished = true;
            return;
        }
    }
    while (job->error == 0 && !work->finished && !slice_over(work, cleaner)) {
        job->error = copy_group(job, fs);
    }
    work->group_done = work->finished;
}

/* ---- The end -------------------------------------------------------------------------------- */

void clean_end_run(struct job *job, struct file_system *fs)
{
    struct cleaner *cleaner = job->log->cleaner;
    struct clean_work *work = &cleaner->work;
    const struct partition *p = job->partition;
    source_close(work, fs);
    output_close(work, fs);
    if (cleaner->giving_up) {
        if (work->group_end > 0 && !work->committed) {
            job->error = clean_unlink_output(job, fs);
        }
    } else {
        job->error = clean_offsets_write(job, fs, p->name, cleaner->clean_to);
    }
    clean_work_free(work);
}
