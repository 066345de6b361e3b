/* Lookups by timestamp (B32), by record: the core picks the segment, a job reads it. */
#include "storage/log/jobs.h"
#include "storage/record/record.h"

/* log_query.private_state */
enum {
    STATE_BASE_PLUS_ONE, /* Of the last segment that was searched; 0: none. */
    STATE_GENERATION,    /* Of the partition's segments then. */
};

/* ---- On the housekeeping thread ------------------------------------------------------------- */

struct wanted {
    enum log_query_kind kind;
    int64_t timestamp_ms; /* At least, or exactly. */
    int64_t from;         /* Offsets below are not part of the log any more. */
    int64_t upper;
};

static bool matches(const struct wanted *wanted, int64_t timestamp_ms)
{
    return wanted->kind == LOG_QUERY_TIMESTAMP ? timestamp_ms >= wanted->timestamp_ms
                                               : timestamp_ms == wanted->timestamp_ms;
}

/* Feeds one slice of records. True: the search in this batch is over. */
static bool feed(struct record_scan *scan, struct bytes slice, const struct batch_header *header,
                 const struct wanted *wanted, struct query_work *work)
{
    struct record_meta meta;
    enum record_status status;
    while ((status = record_scan_feed(scan, &slice, &meta)) == RECORD_OK) {
        const int64_t offset = header->base_offset + meta.offset_delta;
        const int64_t timestamp_ms = batch_is_log_append_time(header)
                                         ? header->max_timestamp_ms
                                         : (int64_t)((uint64_t)header->base_timestamp_ms +
                                                     (uint64_t)meta.timestamp_delta_ms);
        if (offset >= wanted->upper) {
            return true;
        }
        if (offset >= wanted->from && matches(wanted, timestamp_ms)) {
            work->offset = offset;
            work->timestamp_ms = timestamp_ms;
            work->leader_epoch = header->leader_epoch;
            return true;
        }
    }
    return status != RECORD_MORE;
}

static void search_plain(struct scan *scan, const struct wanted *wanted, struct query_work *work)
{
    struct record_scan records;
    record_scan_begin(&records, scan->header.record_count);
    uint64_t done = BATCH_HEADER_BYTES;
    while (done < scan->header.size_bytes) {
        struct bytes view = scan_view(&scan->window, scan->batch_position + done, 1);
        view.len = (uint32_t)min_u64(view.len, scan->header.size_bytes - done);
        if (view.len == 0 || feed(&records, view, &scan->header, wanted, work)) {
            return;
        }
        done += view.len;
    }
}

static void search_compressed(struct job *job, struct scan *scan, const struct wanted *wanted)
{
    struct log *log = job->log;
    const uint32_t len = scan->header.size_bytes - BATCH_HEADER_BYTES;
    if (len > log->setup.batch_bytes_max) {
        job->error = -1;
        return;
    }
    uint32_t copied = 0;
    while (copied < len) { /* The stream must lie in one place while it is inflated. */
        const struct bytes view =
            scan_view(&scan->window, scan->batch_position + BATCH_HEADER_BYTES + copied, 1);
        const uint32_t count = min_u32(view.len, len - copied);
        if (count == 0) {
            return;
        }
        memcpy(log->query_buffer + copied, view.ptr, count);
        copied += count;
    }
    const struct bytes stream = {log->query_buffer, len};
    struct record_scan records;
    record_scan_begin(&records, scan->header.record_count);
    inflate_begin(log->job_inflate, batch_codec(&scan->header), chain_of(&stream),
                  INFLATED_BYTES_MAX);
    struct bytes slice;
    while (inflate_step(log->job_inflate, &slice) == INFLATE_SLICE) {
        if (feed(&records, slice, &scan->header, wanted, &job->query)) {
            return;
        }
    }
}

/* Whether the batch may hold the record. */
static bool worth_a_look(const struct batch_header *header, const struct wanted *wanted)
{
    return header->record_count > 0 && matches(wanted, header->max_timestamp_ms) &&
           batch_last_offset(header) >= wanted->from;
}

/* Where to start: the last batch that an index entry places before the timestamp. */
struct hint {
    uint64_t position;     /* 0: the start of the segment, whatever the indexes say. */
    int64_t position_last; /* That batch ends at or before this offset. */
    int64_t offset;        /* Up to this offset nothing is later than timestamp_ms. */
    int64_t timestamp_ms;
    bool begun;
    bool open; /* The log has not confirmed it yet. */
};

/* The last .timeindex entry before the timestamp. */
static void hint_of_time(struct job *job, struct file_system *fs, struct hint *hint)
{
    const struct query_work *work = &job->query;
    char path[PATH_BYTES];
    uint8_t bytes[TIME_INDEX_ENTRY_BYTES];
    const struct bytes one = {bytes, sizeof(bytes)};
    path_segment(job->partition, work->base_offset, SEGMENT_TIME_INDEX, SEGMENT_LIVE, path);
    const int fd = file_open(fs, path, FILE_READ);
    if (fd < 0) {
        return;
    }
    uint32_t low = 0; /* entries[low - 1] < timestamp <= entries[high] */
    const int64_t size = file_size(fs, fd);
    uint32_t high = size < 0 ? 0 : (uint32_t)min_u64((uint64_t)size / 12, work->time_entries);
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (file_read(fs, fd, bytes, 12, (uint64_t)middle * 12) != 12) {
            break;
        }
        const struct time_index_entry entry = time_index_read(one, work->base_offset, 0);
        if (entry.timestamp_ms < work->timestamp_ms) {
            hint->offset = entry.offset;
            hint->timestamp_ms = entry.timestamp_ms;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    file_close(fs, fd);
}

/* The last .index entry at or before the hint's offset. */
static void hint_of_position(struct job *job, struct file_system *fs, struct hint *hint)
{
    const struct query_work *work = &job->query;
    char path[PATH_BYTES];
    uint8_t bytes[OFFSET_INDEX_ENTRY_BYTES];
    const struct bytes one = {bytes, sizeof(bytes)};
    path_segment(job->partition, work->base_offset, SEGMENT_INDEX, SEGMENT_LIVE, path);
    const int fd = file_open(fs, path, FILE_READ);
    if (fd < 0) {
        return;
    }
    uint32_t low = 0;
    const int64_t size = file_size(fs, fd);
    uint32_t high = size < 0 ? 0 : (uint32_t)min_u64((uint64_t)size / 8, work->index_entries);
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (file_read(fs, fd, bytes, 8, (uint64_t)middle * 8) != 8) {
            break;
        }
        const struct offset_index_entry entry = offset_index_read(one, work->base_offset, 0);
        if (entry.offset <= hint->offset) {
            hint->position = entry.position;
            hint->position_last = entry.offset;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    file_close(fs, fd);
}

static struct hint hint_find(struct job *job, struct file_system *fs)
{
    struct hint hint = {.offset = job->query.base_offset - 1};
    hint_of_time(job, fs, &hint);
    if (hint.offset >= job->query.base_offset) {
        hint_of_position(job, fs, &hint);
    }
    hint.open = hint.position > 0;
    return hint;
}

/* Indexes are believed only where the log agrees. */
static bool hint_agrees(struct hint *hint, const struct batch_header *header,
                        const struct wanted *wanted)
{
    const int64_t last_offset = batch_last_offset(header);
    if (!hint->begun && hint->position > 0 && last_offset > hint->position_last) {
        return false;
    }
    hint->begun = true;
    if (!hint->open) {
        return true;
    }
    if (last_offset < hint->offset) {
        return header->max_timestamp_ms < wanted->timestamp_ms;
    }
    hint->open = false;
    return header->base_offset <= hint->offset && header->max_timestamp_ms == hint->timestamp_ms;
}

/* False: the hint was wrong; what was found may not be the first. */
static bool search(struct job *job, struct scan *scan, const struct wanted *wanted,
                   struct hint *hint)
{
    struct query_work *work = &job->query;
    scan->position = hint->position;
    scan->next_offset = work->base_offset;
    while (work->offset < 0 && job->error == 0 && scan_next(scan) &&
           scan->header.base_offset < work->upper) {
        if (!hint_agrees(hint, &scan->header, wanted)) {
            return false;
        }
        if (scan->old_magic || !worth_a_look(&scan->header, wanted)) {
            continue;
        }
        if (batch_codec(&scan->header) == BATCH_CODEC_NONE) {
            search_plain(scan, wanted, work);
        } else {
            search_compressed(job, scan, wanted);
        }
    }
    return !hint->open || job->error != 0 || scan->window.error != 0;
}

static void query_run(struct job *job, struct file_system *fs)
{
    struct query_work *work = &job->query;
    const struct wanted wanted = {work->kind, work->timestamp_ms, work->log_start, work->upper};
    char path[PATH_BYTES];
    struct scan scan = {.window = {.fs = fs,
                                   .buffer = job->log->job_scratch,
                                   .buffer_bytes = JOB_SCRATCH_BYTES,
                                   .file_bytes = work->size}};
    struct hint hint = hint_find(job, fs);
    path_segment(job->partition, work->base_offset, SEGMENT_LOG, SEGMENT_LIVE, path);
    scan.window.fd = file_open_direct(fs, path, FILE_READ);
    if (scan.window.fd < 0) {
        job->error = scan.window.fd;
        return;
    }
    if (!search(job, &scan, &wanted, &hint)) {
        work->bad_index = true;
        hint = (struct hint){0};
        work->offset = -1;
        (void)search(job, &scan, &wanted, &hint);
    }
    if (job->error == 0) {
        job->error = scan.window.error;
    }
    file_close(fs, scan.window.fd);
}

/* ---- On the core ---------------------------------------------------------------------------- */

static void query_finish(struct log_query *query, enum log_status status)
{
    struct partition *p = query->partition;
    query->status = status;
    p->read_count--;
    list_push_back(&p->log->done_queries, &query->node);
    log_kick(p);
}

static void query_advance(struct log_query *query);

static void query_done(struct job *job)
{
    struct log_query *query = job->query.query;
    const struct query_work *work = &job->query;
    struct log *log = job->log;
    log->counters.bad_index_entries += work->bad_index;
    if (job->error != 0) {
        log->counters.io_errors++;
        query_finish(query, log_status_of(job->error));
    } else if (work->offset >= 0 || query->kind == LOG_QUERY_MAX_TIMESTAMP) {
        query->offset = work->offset;
        query->timestamp_ms = work->offset < 0 ? -1 : work->timestamp_ms;
        query->leader_epoch = work->offset < 0 ? -1 : work->leader_epoch;
        query_finish(query, LOG_OK);
    } else { /* Not in this segment after all: the next one. */
        query->private_state[STATE_BASE_PLUS_ONE] = (uint64_t)work->base_offset + 1;
        list_push_back(&log->queries_waiting, &query->node);
    }
    job_end(job);
}

static struct peak written_peak(const struct segment *s)
{
    return s == s->partition->active ? s->partition->written_mark.peak : s->peak;
}

static const struct segment *pick(const struct partition *p, const struct log_query *query)
{
    const struct segment *best = NULL;
    LIST_FOR_EACH(node, &p->segments)
    {
        const struct segment *s = CONTAINER_OF(node, struct segment, node);
        const int64_t largest = written_peak(s).timestamp_ms;
        if ((uint64_t)s->base_offset + 1 <= query->private_state[STATE_BASE_PLUS_ONE] &&
            query->private_state[STATE_BASE_PLUS_ONE] != 0) {
            continue;
        }
        if (segment_end(s) <= p->log_start && s != p->active) {
            continue; /* Its files may be on their way. */
        }
        if (query->kind == LOG_QUERY_TIMESTAMP) {
            if (largest >= query->timestamp_ms) {
                return s;
            }
        } else if (largest >= 0 && (best == NULL || largest > written_peak(best).timestamp_ms)) {
            best = s;
        }
    }
    return best;
}

static void query_advance(struct log_query *query)
{
    struct partition *p = query->partition;
    struct log *log = p->log;
    if (p->phase == PHASE_FENCED || p->phase == PHASE_CLOSED || p->deleting) {
        query_finish(query, partition_state(p));
        return;
    }
    if (p->swapping) { /* Its files change their names. */
        list_push_back(&log->queries_waiting, &query->node);
        return;
    }
    if (query->private_state[STATE_GENERATION] != p->read_generation) {
        /* What was searched may be part of a larger segment now. */
        query->private_state[STATE_GENERATION] = p->read_generation;
        query->private_state[STATE_BASE_PLUS_ONE] = 0;
    }
    const struct segment *s = pick(p, query);
    if (s == NULL) {
        query->offset = -1;
        query->timestamp_ms = -1;
        query->leader_epoch = -1;
        query_finish(query, LOG_OK);
        return;
    }
    struct job *job = job_take(log, p);
    if (job == NULL) {
        list_push_back(&log->queries_waiting, &query->node);
        return;
    }
    job->run = query_run;
    job->done = query_done;
    job->query = (struct query_work){.query = query,
                                     .kind = query->kind,
                                     .timestamp_ms = query->kind == LOG_QUERY_TIMESTAMP
                                                         ? query->timestamp_ms
                                                         : written_peak(s).timestamp_ms,
                                     .base_offset = s->base_offset,
                                     .upper = min_i64(query->upper_offset, p->written),
                                     .log_start = p->log_start,
                                     .size = s == p->active ? p->written_mark.position : s->size,
                                     .index_entries = s->index_count,
                                     .time_entries = s->time_count,
                                     .offset = -1};
    job_post(job);
}

enum log_status log_query(struct log *log, struct partition *p, struct log_query *query)
{
    ASSERT_HOT(p->log == log);
    query->partition = p;
    query->offset = -1;
    query->leader_epoch = -1;
    query->node = (struct list_node){0};
    memset(query->private_state, 0, sizeof(query->private_state));
    query->private_state[STATE_GENERATION] = p->read_generation;
    if (p->phase == PHASE_FENCED || p->phase == PHASE_CLOSED || p->deleting) {
        query->status = partition_state(p);
        return query->status;
    }
    query->status = LOG_PENDING;
    p->read_count++;
    list_push_back(&log->queries_waiting, &query->node);
    return LOG_PENDING;
}

void query_progress(struct log *log)
{
    struct list now;
    list_init(&now);
    list_append_all(&now, &log->queries_waiting);
    struct list_node *node;
    while ((node = list_pop_front(&now)) != NULL) {
        query_advance(CONTAINER_OF(node, struct log_query, node));
    }
}
