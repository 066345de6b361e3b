/* From one segment to the next (H10).
 *
 * While the active segment fills up, the next file is made ready under a temporary name. At the
 * roll it takes over at once and is renamed by a job; nothing in it is acknowledged before the new
 * name is durable. The old segment is drained first, so no write ever spans two files; cutting it
 * and writing its indexes goes on beside (checkpoint.c).
 */
#include "storage/log/checkpoint.h"
#include "storage/log/vouch.h"

/* ---- The next file -------------------------------------------------------------------------- */

static void prepare_run(struct job *job, struct file_system *fs)
{
    char path[PATH_BYTES];
    path_file(job->partition, NEXT_FILE, path);
    job->fd = file_open_direct(fs, path, FILE_READ | FILE_WRITE | FILE_CREATE);
    if (job->fd < 0) {
        job->error = job->fd;
        return;
    }
    job->covers_device = file_flush_covers_device(fs, job->fd);
    job->error = file_truncate(fs, job->fd, 0);
    if (job->error == 0) {
        job->error = file_reserve(fs, job->fd, 0, job->file.reserve_bytes);
    }
    if (job->error != 0) {
        file_close(fs, job->fd);
        job->fd = -1;
    }
}

static void prepare_done(struct job *job)
{
    struct partition *p = job->partition;
    struct log *log = job->log;
    p->preparing = false;
    log->handles_prepared--;
    if (job->fd < 0) {
        pool_give(&log->handle_pool, job->handle);
        p->prepare_retry_ns = log->now_ns + SEC_NS; /* The roll makes the file itself then. */
    } else if (!handle_install(log, job->handle, job->fd, job->covers_device) ||
               p->phase != PHASE_RUNNING) {
        handle_unuse(log, job->handle);
    } else {
        p->prepared = job->handle; /* Keeps its ref. */
        log->handles_prepared++;
        p->prepared_reserved = job->file.reserve_bytes;
    }
    job_end(job);
}

/* With so many bytes left the next file is made ready. */
uint32_t roll_prepare_bytes(const struct partition *p)
{
    return min_u32(p->config.segment_bytes / 4, RESERVE_MAX);
}

/* Makes the next file ready when the active segment is nearly full. */
void roll_prepare(struct partition *p)
{
    struct log *log = p->log;
    const struct segment *s = p->active;
    const uint32_t segment_bytes = p->config.segment_bytes;
    const uint32_t left = segment_bytes - min_u32(segment_bytes, s->size);
    if (p->prepared != NULL || p->preparing || left > roll_prepare_bytes(p) ||
        log->now_ns < p->prepare_retry_ns ||
        log->handles_prepared >= log->handle_pool.capacity / 4) { /* The others want to write. */
        return;
    }
    struct handle *handle = handle_take(log);
    struct job *job = handle == NULL ? NULL : job_take(log, p);
    if (job == NULL) {
        if (handle != NULL) {
            pool_give(&log->handle_pool, handle);
        }
        return; /* Only a convenience. */
    }
    p->preparing = true;
    p->next_exists = true;
    log->handles_prepared++;
    job->run = prepare_run;
    job->done = prepare_done;
    job->handle = handle;
    job->file.reserve_bytes =
        (uint32_t)round_up(max_u64(RESERVE_FIRST, min_u64(p->reserve_step, segment_bytes)), BLOCK);
    job_post(job);
}

void roll_forget_prepared(struct partition *p)
{
    if (p->prepared != NULL) {
        handle_unuse(p->log, p->prepared); /* Has no segment: closed. */
        p->log->handles_prepared--;
        p->prepared = NULL;
    }
}

/* ---- Its name ------------------------------------------------------------------------------- */

static void name_run(struct job *job, struct file_system *fs)
{
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    path_file(job->partition, NEXT_FILE, from);
    path_segment(job->partition, job->segment->base_offset, SEGMENT_LOG, SEGMENT_LIVE, to);
    job->error = file_rename(fs, from, to);
    if (job->error == 0) {
        job->error = job_sync_directory(job, fs, path_partition(job->partition, from));
    }
}

static void name_done(struct job *job)
{
    struct partition *p = job->partition;
    handle_unuse(job->log, job->handle);
    if (job->error == 0) {
        job->segment->exists = true;
        job->segment->named = true;
        commit_settle(p);
    } else {
        device_failed(p->log, p->directory, job->error);
        repair_begin(p, log_status_of(job->error), false); /* Drops the nameless segment. */
    }
    job_end(job);
}

static bool name_post(struct partition *p, struct segment *segment)
{
    struct job *job = job_take(p->log, p);
    if (job == NULL) {
        return false;
    }
    job->run = name_run;
    job->done = name_done;
    job->segment = segment;
    job->handle = segment->handle; /* Stays open: it could not be opened by its name yet. */
    job_post(job);
    return true;
}

/* ---- The roll ------------------------------------------------------------------------------- */

static bool drained(struct partition *p)
{
    if (p->checkpointing) {
        checkpoint_cancel(p);
    }
    return list_empty(&p->commits) && p->planned_position == p->active->size &&
           list_empty(&p->waiting_written) && list_empty(&p->waiting_flushed) &&
           p->flush_count == 0 && p->finishing == NULL && !p->checkpointing && !p->reserving &&
           !p->zeroing;
}

static void begin_segment(struct partition *p, struct segment *segment)
{
    p->active = segment;
    p->copied = 0;
    p->planned_position = 0;
    p->target_position = 0;
    p->device_position = 0;
    p->zeroing_from = 0;
    const struct mark start = {p->end, 0, {-1, p->end}};
    p->planned_mark = start;
    p->written_mark = start;
    p->flushed_mark = start;
    p->target_mark = start;
    index_begin_segment(p);
    p->aborted_active = 0;
    p->aborted_on_disk = 0;
}

enum log_status roll_advance(struct partition *p)
{
    struct log *log = p->log;
    if (p->unvouched) {
        vouch_begin(p);
        return LOG_PENDING;
    }
    if (p->finishing != NULL && p->checkpoint_failure != LOG_OK) {
        return (enum log_status)p->checkpoint_failure; /* The roll before goes on, but when? */
    }
    if (p->active != NULL && (!drained(p) || !segment_open(p->active))) {
        return LOG_PENDING;
    }
    if (log->job_pool.capacity - log->job_pool.used < 2) {
        log_starve(p);
        return LOG_PENDING;
    }
    struct segment *segment = segment_create(p, p->end);
    if (segment == NULL) {
        return LOG_NO_SPACE; /* segment_count_max; retention makes room. */
    }
    if (p->active != NULL) {
        list_remove(&segment->node); /* While the old one is still the last. */
        const bool rolled = checkpoint_roll(p);
        list_push_back(&p->segments, &segment->node);
        if (!rolled) {
            segment_free(segment);
            return LOG_PENDING;
        }
    }
    begin_segment(p, segment);
    if (p->prepared != NULL) {
        segment->handle = p->prepared;
        segment->reserved = p->prepared_reserved;
        p->prepared->segment = segment;
        log->handles_prepared--;
        p->prepared = NULL;
        p->next_exists = false;
        const bool posted = name_post(p, segment);
        ASSERT(posted); /* Two jobs were free. */
    }
    checkpoint_roll_post(p); /* Behind the name, which acknowledgements wait for. */
    return LOG_OK;
}
