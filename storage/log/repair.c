/* After a failed write or flush (H4, H5).
 *
 *   RUNNING --write or flush failed--> DRAINING: nothing new is planned, what is under way ends
 *   DRAINING --nothing under way--> offsets, producers, epochs and indexes roll back
 *   REPAIRING: a job makes the end durable anew and nothing but zeros behind it
 *   REPAIRING --done--> RUNNING, flushed == written == end
 *   REPAIRING --failed--> BROKEN, tried again with growing pauses; fetch goes on
 *
 * A failed write takes back what was not written. What is written stays, also where its flush
 * failed and its producers hear an error: consumers may have read it, and an offset that was read
 * never becomes another record's. After a failed flush it is read back and written again, then
 * flushed: never flushed a second time on the strength of the write that was lost.
 */
#include <errno.h>

#include "storage/log/checkpoint.h"

void repair_begin(struct partition *p, enum log_status status, bool flush)
{
    if (p->phase != PHASE_RUNNING) {
        p->flush_failed = p->flush_failed || (flush && p->phase == PHASE_DRAINING);
        p->flush_failed_again = p->flush_failed_again || (flush && p->phase == PHASE_REPAIRING);
        return;
    }
    p->phase = PHASE_DRAINING;
    p->failure = (uint8_t)status;
    p->flush_failed = flush;
    checkpoint_cancel(p);
    log_announce(p);
    log_kick(p);
}

static bool parked_roll(const struct partition *p)
{
    return p->roll_job != NULL && !p->roll_job->checkpoint.posted;
}

static bool still_under_way(const struct partition *p)
{
    return p->io_count > 0 || p->job_count > (parked_roll(p) ? 1u : 0u);
}

/* ---- Rolling back --------------------------------------------------------------------------- */

static void fail_waiting(struct partition *p, int64_t end)
{
    struct list *lists[] = {&p->waiting_written, &p->waiting_flushed};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        LIST_FOR_EACH(node, lists[i])
        {
            struct append *append = CONTAINER_OF(node, struct append, node);
            if (append->wait_offset > end || p->flush_failed) {
                list_remove(node);
                append_finish(p, append, (enum log_status)p->failure);
            }
        }
    }
}

/* The segment has no durable name and nothing in it counts. */
static void drop_active(struct partition *p)
{
    segment_free(p->active);
    index_release(p->log, p->index_first);
    index_begin_segment(p);
    p->active = NULL;
    p->copied = 0;
    p->planned_position = 0;
    p->target_position = 0;
    p->device_position = 0;
    const struct mark none = {p->end, 0, {-1, p->end}};
    p->planned_mark = none;
    p->written_mark = none;
    p->flushed_mark = none;
    p->target_mark = none;
}

static void cut_memory(struct partition *p, const struct mark *end)
{
    struct log *log = p->log;
    struct segment *s = p->active;
    const uint64_t cut = s->size - end->position;
    struct extent *tail = arena_find(&log->arena, &s->extents, end->position);
    if (tail != NULL && tail->holds > 0 && tail->offset + tail->used > end->position) {
        arena_unmap(&log->arena, tail); /* The network still reads it: do not zero under it. */
    }
    p->data_bytes -= cut;
    partition_set_unread(p, p->unread_bytes - min_u64(p->unread_bytes, cut));
    s->size = end->position;
    s->peak = end->peak;
    if (s->size == 0) {
        s->first_timestamp_ms = -1;
    }
    index_truncate(p, end->position);
    p->planned_position = end->position;
    p->target_position = end->position;
    p->device_position = end->position;
    append_rewind(p);
}

static bool roll_back(struct partition *p, const struct mark *end)
{
    const bool shorter = p->end > end->offset;
    fail_waiting(p, end->offset);
    commit_drop_all(p);
    p->end = end->offset;
    p->written = end->offset;
    p->flushed = min_i64(p->flushed, end->offset);
    p->acked = min_i64(p->acked, end->offset);
    p->flush_asked = p->flushed;
    p->flush_want = min_i64(p->flush_want, end->offset);
    p->durable_want = min_i64(p->durable_want, end->offset);
    p->durable_chain = p->flushed;
    p->flushed_held = 0;
    if (p->active != NULL) {
        cut_memory(p, end);
    }
    p->planned_mark = *end;
    p->written_mark = *end;
    p->target_mark = *end;
    if (p->flushed_mark.offset > end->offset) {
        p->flushed_mark = *end;
    }
    if (shorter && epoch_cache_truncate_end(&p->epochs, end->offset)) {
        p->epochs_dirty = true;
    }
    if (shorter) { /* What a .txnindex has was flushed before: it stays. */
        p->aborted_active -= aborted_truncate(&p->aborted, end->offset);
    }
    read_forget_cursors(p);
    log_announce(p);
    return !shorter || producer_state_truncate(&p->producers, end->offset) == PRODUCER_OK;
}

/* ---- The job -------------------------------------------------------------------------------- */

int repair_rewrite(struct job *job, struct file_system *fs, int fd, uint64_t from, uint64_t to)
{
    uint8_t *scratch = job->log->job_scratch;
    while (from < to) {
        const uint64_t count = min_u64(JOB_SCRATCH_BYTES, to - from);
        int64_t moved = file_read(fs, fd, scratch, count, from);
        if (moved < 0) {
            return (int)moved;
        }
        memset(scratch + moved, 0, count - (uint64_t)moved);
        moved = file_write(fs, fd, scratch, count, from);
        if (moved < 0) {
            return (int)moved;
        }
        from += count;
    }
    return 0;
}

/* What is behind the last whole block of a full segment, through the page cache: a mark may vouch
 * for the file already, and then a start takes its end on trust (H9). It must not grow, not for a
 * moment. */
static int rewrite_rest(struct job *job, struct file_system *fs, uint32_t from, uint32_t to)
{
    char path[PATH_BYTES];
    path_segment(job->partition, job->repair.old_base_offset, SEGMENT_LOG, SEGMENT_LIVE, path);
    const int fd = file_open(fs, path, FILE_READ | FILE_WRITE);
    if (fd < 0) {
        return fd == -ENOENT ? 0 : fd; /* Retention was first. */
    }
    uint8_t *scratch = job->log->job_scratch;
    int64_t moved = file_read(fs, fd, scratch, to - from, from);
    if (moved > 0) {
        moved = file_write(fs, fd, scratch, (uint64_t)moved, from);
    }
    file_close(fs, fd);
    return moved < 0 ? (int)moved : 0;
}

static int rewrite_old(struct job *job, struct file_system *fs)
{
    const struct repair_work *work = &job->repair;
    const int fd = work->old_handle->fd;
    const uint32_t whole = (uint32_t)round_down(work->old_size, BLOCK);
    int error = repair_rewrite(job, fs, fd, 0, whole);
    if (error == 0 && whole < work->old_size) {
        error = rewrite_rest(job, fs, whole, work->old_size);
    }
    return error != 0 ? error : job_sync(job, fs, fd);
}

/* Zeros from `from` to the end of the file, by giving the blocks back: the cut is exact, and what
 * is reserved anew reads as zeros. */
static int cut_file(struct job *job, struct file_system *fs, int fd, uint32_t end)
{
    int error = file_truncate(fs, fd, end);
    if (error == 0) {
        error = file_truncate(fs, fd, round_up(end, BLOCK));
    }
    (void)job;
    return error;
}

static void repair_run(struct job *job, struct file_system *fs)
{
    const struct repair_work *work = &job->repair;
    char path[PATH_BYTES];
    if (work->old_handle != NULL) {
        job->error = rewrite_old(job, fs);
        if (job->error != 0) {
            return;
        }
    }
    if (!work->active) {
        return;
    }
    path_segment(job->partition, work->base_offset, SEGMENT_LOG, SEGMENT_LIVE, path);
    const int fd = file_open_direct(fs, path, FILE_READ | FILE_WRITE);
    if (fd < 0) {
        job->error = fd;
        return;
    }
    if (work->rewrite) {
        job->error = repair_rewrite(job, fs, fd, round_down(work->trusted, BLOCK),
                                    round_up(work->end, BLOCK));
    }
    if (job->error == 0) {
        job->error = cut_file(job, fs, fd, work->end);
    }
    if (job->error == 0) {
        job->error = job_sync(job, fs, fd);
    }
    file_close(fs, fd);
}

static void repair_broken(struct partition *p, int error)
{
    struct log *log = p->log;
    p->phase = PHASE_BROKEN;
    p->failure = (uint8_t)log_status_of(error);
    p->flush_failed = true; /* The next try writes anew. */
    p->flush_failed_again = false;
    p->repairs_failed++;
    const uint64_t pause = SEC_NS << min_u32(p->repairs_failed - 1, 5);
    p->retry_ns = log->now_ns + pause;
    fail_waiting(p, p->flushed);
    device_failed(log, p->directory, error);
}

static void repair_over(struct partition *p)
{
    p->phase = PHASE_RUNNING;
    p->failure = LOG_OK;
    p->flush_failed = false;
    p->repairs_failed = 0;
    p->reserve_failure = LOG_OK;
    p->unflushed_ns = 0;
    partition_look_again(p);
    log_announce(p);
}

static void repair_done(struct job *job)
{
    struct partition *p = job->partition;
    struct segment *s = p->active;
    if (p->phase != PHASE_REPAIRING) { /* Fenced or deleted meanwhile. */
        job_end(job);
        return;
    }
    if (job->error != 0) {
        repair_broken(p, job->error);
        job_end(job);
        return;
    }
    if (s != NULL) {
        s->reserved = (uint32_t)round_up(s->size, BLOCK);
        zero_forget(s);
    }
    if (p->flush_failed_again) { /* Its sync may not be believed either. */
        p->flush_failed_again = false;
        p->flush_failed = true;
        p->phase = PHASE_DRAINING;
        job_end(job);
        return;
    }
    repair_over(p);
    p->flushed_mark = p->written_mark;
    if (p->roll_job != NULL) {
        p->roll_job->checkpoint.posted = false;
        p->finishing_durable = p->finishing_durable || job->repair.old_handle != NULL;
        if (p->syncs_failed < 2) { /* Else its own syncs may be what fails. */
            p->finish_retry_ns = 0;
        }
    }
    commit_flushed_by_job(p, &p->written_mark);
    job_end(job);
}

/* The segment before is not durable, and its flush may be what failed. */
static bool old_to_write(const struct partition *p)
{
    return p->roll_job != NULL && p->flush_failed && !p->finishing_durable;
}

static void repair_post(struct partition *p)
{
    struct job *job = job_take(p->log, p);
    if (job == NULL) {
        log_starve(p);
        return;
    }
    p->phase = PHASE_REPAIRING;
    job->run = repair_run;
    job->done = repair_done;
    job->segment = p->active;
    job->repair = (struct repair_work){0};
    if (p->active != NULL) {
        job->repair = (struct repair_work){.active = true,
                                           .base_offset = p->active->base_offset,
                                           .end = p->active->size,
                                           .rewrite = p->flush_failed,
                                           .trusted = p->flushed_mark.position};
    }
    if (old_to_write(p)) {
        job->repair.old_handle = p->roll_job->handle;
        job->repair.old_size = p->roll_job->checkpoint.size;
        job->repair.old_base_offset = p->roll_job->checkpoint.base_offset;
    }
    job_post(job);
}

/* ---- Steps ---------------------------------------------------------------------------------- */

static void fence(struct partition *p)
{
    p->log->counters.partitions_fenced += p->failure != LOG_FENCED;
    p->phase = PHASE_FENCED;
    p->failure = LOG_FENCED;
    p->flush_failed = true;
    partition_checkpointed(p, LOG_FENCED); /* There will be none. */
    fail_waiting(p, INT64_MIN);
    append_fail_waiting(p);
    log_announce(p);
}

static void drained(struct partition *p)
{
    const struct mark end = p->written_mark;
    if (!roll_back(p, &end)) {
        fence(p); /* Producer state cannot be put back: only a restart can rebuild it. */
        return;
    }
    if (p->active != NULL && !p->active->named) {
        drop_active(p);
    }
    roll_forget_prepared(p);
    if (p->active == NULL && !old_to_write(p)) {
        repair_over(p);
        if (p->finishing != NULL && p->finishing_durable) {
            commit_release_held(p);
        }
        p->reserve_failure = p->failure;
        log_kick(p);
        return;
    }
    repair_post(p);
}

void repair_progress(struct partition *p)
{
    append_fail_waiting(p);
    if (p->phase == PHASE_DRAINING && !still_under_way(p)) {
        drained(p);
    }
}

/* From the timer. */
void repair_retry(struct partition *p)
{
    if (p->phase == PHASE_BROKEN && p->log->now_ns >= p->retry_ns) {
        repair_post(p);
    }
}

/* Its directory is gone: no further attempt. */
void repair_fence(struct partition *p)
{
    if (p->phase != PHASE_CLOSING && p->phase != PHASE_CLOSED) { /* Those end by themselves. */
        fence(p);
    }
}
