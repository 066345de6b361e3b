/* Segments and their files: found by offset, created, opened, reserved ahead of the data. */
#include "storage/log/jobs.h"

#include <errno.h>

struct segment *segment_create(struct partition *p, int64_t base_offset)
{
    struct segment *segment = pool_take(&p->log->segment_pool);
    if (segment == NULL) {
        return NULL;
    }
    *segment = (struct segment){.partition = p,
                                .base_offset = base_offset,
                                .peak = {-1, base_offset},
                                .first_timestamp_ms = -1,
                                .version = 1,
                                .created_wall_ms = p->log->wall_ms};
    file_extents_init(&segment->extents);
    list_init(&segment->readers);
    list_push_back(&p->segments, &segment->node);
    p->segment_count++;
    return segment;
}

/* The caller has made sure that nothing is under way on it. */
void segment_free(struct segment *segment)
{
    struct partition *p = segment->partition;
    struct log *log = p->log;
    arena_forget(&log->arena, &segment->extents);
    if (segment->handle != NULL) {
        handle_detach(log, segment->handle);
    }
    if (list_linked(&segment->node)) {
        list_remove(&segment->node);
        p->segment_count--;
    }
    pool_give(&log->segment_pool, segment);
}

struct segment *segment_next(const struct segment *segment)
{
    struct list_node *next = segment->node.next;
    return next == &segment->partition->segments.head ? NULL
                                                      : CONTAINER_OF(next, struct segment, node);
}

int64_t segment_end(const struct segment *segment)
{
    const struct segment *next = segment_next(segment);
    return next == NULL ? segment->partition->end : next->base_offset;
}

/* From the end: readers are mostly near it. */
struct segment *segment_find(const struct partition *p, int64_t offset)
{
    const struct list_node *head = &p->segments.head;
    for (struct list_node *node = head->prev; node != head; node = node->prev) {
        struct segment *segment = CONTAINER_OF(node, struct segment, node);
        if (segment->base_offset <= offset) {
            return segment;
        }
    }
    return list_empty(&p->segments) ? NULL
                                    : CONTAINER_OF(list_first(&p->segments), struct segment, node);
}

/* ---- Opening -------------------------------------------------------------------------------- */

static void open_run(struct job *job, struct file_system *fs)
{
    char path[PATH_BYTES];
    path_segment(job->partition, job->segment->base_offset, SEGMENT_LOG, SEGMENT_LIVE, path);
    unsigned mode = FILE_READ | FILE_WRITE;
    if (job->file.create) {
        mode |= FILE_CREATE; /* Not exclusive: a try that failed half-way may have left it. */
    }
    job->fd = file_open_direct(fs, path, mode);
    if (job->fd < 0) {
        job->error = job->fd;
        return;
    }
    job->covers_device = file_flush_covers_device(fs, job->fd);
    if (!job->file.create) {
        return;
    }
    job->error = file_truncate(fs, job->fd, 0);
    if (job->error == 0) {
        job->error = file_reserve(fs, job->fd, 0, job->file.reserve_bytes);
    }
    if (job->error == 0) { /* H10: the name is durable before anything in it is acknowledged. */
        job->error = job_sync_directory(job, fs, path_partition(job->partition, path));
    }
    if (job->error != 0) {
        file_close(fs, job->fd);
        job->fd = -1;
    }
}

static void open_done(struct job *job)
{
    struct partition *p = job->partition;
    struct segment *segment = job->segment;
    struct log *log = job->log;
    segment->opening = false;
    if (job->fd < 0) {
        pool_give(&log->handle_pool, job->handle);
        if (segment == p->active) { /* Another one concerns its readers only. */
            p->reserve_failure = log_status_of(job->error);
            p->retry_ns = job_retry_ns(job);
        }
        device_failed(log, p->directory, job->error);
        read_open_failed(segment, log_status_of(job->error));
        job_end(job);
        return;
    }
    if (job->file.create) {
        segment->exists = true;
        segment->named = true;
        segment->reserved = job->file.reserve_bytes;
    }
    const bool installed = handle_install(log, job->handle, job->fd, job->covers_device);
    if (installed) {
        segment->handle = job->handle;
        job->handle->segment = segment;
    }
    handle_unuse(log, job->handle); /* Closed here when it found no slot. */
    job_end(job);
    read_opened(segment);
}

bool segment_open(struct segment *segment)
{
    struct partition *p = segment->partition;
    struct log *log = p->log;
    if (segment->handle != NULL) {
        return true;
    }
    if (segment->opening) {
        return false;
    }
    struct handle *handle = handle_take(log);
    if (handle == NULL) {
        log_starve(p);
        return false;
    }
    struct job *job = job_take(log, p);
    if (job == NULL) {
        pool_give(&log->handle_pool, handle);
        log_starve(p);
        return false;
    }
    segment->opening = true;
    job->run = open_run;
    job->done = open_done;
    job->segment = segment;
    job->handle = handle;
    job->file.create = !segment->exists;
    job->file.reserve_bytes = (uint32_t)round_up(RESERVE_FIRST, BLOCK);
    job_post(job);
    return false;
}

/* ---- Reserving ------------------------------------------------------------------------------ */

static void reserve_run(struct job *job, struct file_system *fs)
{
    uint32_t bytes = job->file.reserve_bytes;
    for (;;) {
        job->error = file_reserve(fs, job->handle->fd, job->file.reserve_from, bytes);
        if ((job->error != -ENOSPC && job->error != -EDQUOT) ||
            bytes / 2 < job->file.reserve_least) {
            break;
        }
        bytes = (uint32_t)round_up(bytes / 2, BLOCK);
    }
    job->file.reserve_bytes = bytes;
}

static void reserve_done(struct job *job)
{
    struct partition *p = job->partition;
    p->reserving = false;
    if (job->error == 0) {
        job->segment->reserved = job->file.reserve_from + job->file.reserve_bytes;
        p->reserve_failure = LOG_OK;
    } else {
        p->reserve_failure = log_status_of(job->error);
        p->retry_ns = job->log->now_ns + SEC_NS;
        p->reserve_step = 0;
        device_failed(job->log, p->directory, job->error);
    }
    handle_unuse(job->log, job->handle);
    job_end(job);
}

/* Reserves at least up to `least`, and with growing demand more (H8). */
static void reserve_post(struct partition *p, uint64_t least)
{
    struct segment *segment = p->active;
    struct job *job = job_take(p->log, p);
    if (job == NULL) {
        log_starve(p);
        return;
    }
    p->reserve_step =
        p->reserve_step == 0 ? RESERVE_FIRST : min_u32(p->reserve_step * 2, (uint32_t)RESERVE_MAX);
    uint64_t to = round_up(max_u64(least, (uint64_t)segment->reserved + p->reserve_step), BLOCK);
    const uint64_t segment_bytes = round_up(p->config.segment_bytes, BLOCK);
    if (to > segment_bytes) {
        to = max_u64(segment_bytes, round_up(least, BLOCK));
    }
    p->reserving = true;
    job->run = reserve_run;
    job->done = reserve_done;
    job->segment = segment;
    job->handle = segment->handle;
    job->file.reserve_from = segment->reserved;
    job->file.reserve_bytes = (uint32_t)(to - segment->reserved);
    job->file.reserve_least =
        least > segment->reserved ? (uint32_t)round_up(least - segment->reserved, BLOCK) : BLOCK;
    handle_use(p->log, segment->handle);
    job_post(job);
}

static bool may_reserve(const struct partition *p)
{
    return !p->reserving && (p->reserve_failure == LOG_OK || p->log->now_ns >= p->retry_ns);
}

/* Lets the active segment's file grow before it must. False: it is as long as it gets, or grows no
 * more. */
bool segment_reserve_more(struct partition *p)
{
    const struct segment *segment = p->active;
    if (segment->reserved >= round_up(p->config.segment_bytes, BLOCK)) {
        return false;
    }
    if (may_reserve(p)) {
        reserve_post(p, segment->reserved + 1u);
    }
    return p->reserving;
}

/* Makes sure that the active segment's file reaches to `end`. LOG_OK: it does; LOG_PENDING: soon;
 * else why not. */
enum log_status segment_reserve(struct partition *p, uint64_t end)
{
    struct segment *segment = p->active;
    const bool enough = end <= segment->reserved;
    const uint64_t full = round_up(p->config.segment_bytes, BLOCK);
    const uint64_t ahead = segment->reserved - min_u64(end, segment->reserved);
    if (may_reserve(p) && (!enough || ahead < p->reserve_step / 2) &&
        (!enough || segment->reserved < full)) {
        reserve_post(p, max_u64(end, segment->reserved + 1u));
    }
    if (enough) {
        return LOG_OK;
    }
    if (p->reserving || p->reserve_failure == LOG_OK) {
        return LOG_PENDING;
    }
    return (enum log_status)p->reserve_failure;
}

/* ---- Roll ----------------------------------------------------------------------------------- */

/* How old a segment's first record may become. */
static int64_t age_max_ms(const struct partition *p)
{
    const struct partition_config *config = &p->config;
    const int64_t lag_ms = config->cleanup_compact && config->max_compaction_lag_ms > 0
                               ? config->max_compaction_lag_ms
                               : INT64_MAX;
    const int64_t segment_ms = min_i64(config->segment_ms, lag_ms); /* LogConfig.maxSegmentMs. */
    const int64_t jitter =
        config->segment_jitter_ms <= 0
            ? 0
            : (int64_t)(partition_hash(&p->id) %
                        (uint64_t)min_i64(config->segment_jitter_ms, segment_ms));
    return segment_ms - jitter;
}

static bool indexes_are_full(const struct partition *p)
{
    return ((uint64_t)p->index_count + 1) * 8 > p->config.segment_index_bytes ||
           ((uint64_t)p->time_count + 2) * 12 > p->config.segment_index_bytes;
}

/* Kafka's LogSegment.shouldRoll: size, time, full indexes, offsets that do not fit. */
LINK_INLINE bool segment_must_roll(const struct partition *p, const struct batch_header *header)
{
    const struct segment *segment = p->active;
    if (segment->size == 0) {
        return false;
    }
    const struct partition_config *config = &p->config;
    if ((uint64_t)segment->size + header->size_bytes > config->segment_bytes) {
        return true;
    }
    const int64_t last_offset = p->end + header->last_offset_delta;
    if (last_offset - segment->base_offset > INT32_MAX) {
        return true;
    }
    if (indexes_are_full(p)) {
        return true;
    }
    const bool by_clock = segment->first_timestamp_ms < 0 || p->rules.log_append_time;
    const int64_t now_ms = by_clock ? p->log->wall_ms : header->max_timestamp_ms;
    const int64_t since =
        segment->first_timestamp_ms >= 0 ? segment->first_timestamp_ms : segment->created_wall_ms;
    /* Timestamps are the clients': the difference may wrap, as it does in Java. */
    return (int64_t)((uint64_t)now_ms - (uint64_t)since) > age_max_ms(p);
}

/* Up to which position and timestamp appends ask the segment for nothing: no roll, no file made
 * ready for one, nothing reserved, no entry of an index. */
void segment_plain(const struct partition *p, uint32_t *to, uint64_t *until_ms)
{
    const struct segment *s = p->active;
    const struct partition_config *config = &p->config;
    *to = 0;
    if (s->handle == NULL || s->size == 0 || s->first_timestamp_ms < 0 ||
        p->rules.log_append_time || indexes_are_full(p) ||
        p->index_bytes_since > config->index_interval_bytes) {
        return;
    }
    const int64_t age_ms = age_max_ms(p);
    if (age_ms < 0) {
        return;
    }
    *until_ms = min_u64((uint64_t)s->first_timestamp_ms + (uint64_t)age_ms, INT64_MAX);
    uint64_t end = (uint64_t)s->size + config->index_interval_bytes - p->index_bytes_since + 1;
    end = min_u64(end, config->segment_bytes - (p->prepared != NULL ? 0 : roll_prepare_bytes(p)));
    /* No batch has more offsets than bytes. */
    const uint64_t offsets = (uint64_t)(p->end - s->base_offset);
    end = min_u64(end, s->size + INT32_MAX - min_u64(offsets, INT32_MAX));
    const uint64_t ahead = s->reserved < round_up(config->segment_bytes, BLOCK) && !p->reserving
                               ? p->reserve_step / 2
                               : 0;
    *to = (uint32_t)min_u64(end, s->reserved - min_u64(ahead, s->reserved));
}
