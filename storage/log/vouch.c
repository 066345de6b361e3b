/* After a crash nobody knows whether a flush had failed just before: the kernel told the process
 * that died. So what a start finds behind the mark counts as written, not as flushed, until it is
 * read back, written again and flushed. The first use that needs more than reading asks for it;
 * appends wait until then.
 *
 * Segment by segment, oldest first, each in a job: the last one of them is the active segment, and
 * nothing else is written to it before.
 */
#include "storage/log/vouch.h"

#include <errno.h>

#include "storage/log/jobs.h"

/* The first segment that is not written again yet; NULL: all are. */
static struct segment *vouch_next(const struct partition *p)
{
    LIST_FOR_EACH(node, &p->segments)
    {
        struct segment *segment = CONTAINER_OF(node, struct segment, node);
        if (segment->base_offset >= p->vouch_base) {
            return segment;
        }
    }
    return NULL;
}

static void vouch_run(struct job *job, struct file_system *fs)
{
    const struct repair_work *work = &job->repair;
    char path[PATH_BYTES];
    path_segment(job->partition, work->base_offset, SEGMENT_LOG, SEGMENT_LIVE, path);
    const int fd = file_open_direct(fs, path, FILE_READ | FILE_WRITE);
    if (fd < 0) {
        job->error = fd == -ENOENT ? 0 : fd; /* Retention was first. */
        return;
    }
    job->error =
        repair_rewrite(job, fs, fd, round_down(work->trusted, BLOCK), round_up(work->end, BLOCK));
    if (job->error == 0) { /* As it was: it may be a segment that is full (H9). */
        job->error = file_truncate(fs, fd, work->end);
    }
    if (job->error == 0) {
        job->error = job_sync(job, fs, fd);
    }
    file_close(fs, fd);
}

static void vouch_failed(struct partition *p, int error, uint64_t retry_ns)
{
    p->log->counters.io_errors++;
    p->checkpoint_retry_ns = retry_ns;
    p->seal_failures++;
    partition_checkpointed(p, log_status_of(error));
    append_fail_all(p, &p->appends, log_status_of(error));
    device_failed(p->log, p->directory, error);
}

static void vouch_over(struct partition *p)
{
    p->unvouched = false;
    p->seal_failures = 0;
    p->syncs_failed = 0;
    partition_checkpointed(p, LOG_OK);
    commit_flushed_by_job(p, &p->written_mark);
}

static void vouch_done(struct job *job)
{
    struct partition *p = job->partition;
    const struct repair_work work = job->repair;
    const int error = job->error;
    const bool again = p->vouch_doubted;
    const uint64_t retry_ns = error != 0 ? job_retry_ns(job) : 0;
    job_end(job);
    p->vouching = false;
    p->vouch_doubted = false;
    if (p->phase != PHASE_RUNNING) {
        return;
    }
    if (error != 0) {
        vouch_failed(p, error, retry_ns);
    } else if (!again) {
        p->vouch_base = work.base_offset + 1;
        p->vouch_position = 0;
        if (vouch_next(p) == NULL) {
            vouch_over(p);
        } else {
            vouch_begin(p);
        }
    } else {
        vouch_begin(p);
    }
    log_kick(p);
}

void vouch_begin(struct partition *p)
{
    ASSERT(p->unvouched);
    if (p->vouching || p->phase != PHASE_RUNNING || p->log->now_ns < p->checkpoint_retry_ns) {
        return;
    }
    const struct segment *segment = vouch_next(p);
    if (segment == NULL) { /* Retention took them. */
        vouch_over(p);
        return;
    }
    struct job *job = job_take(p->log, p);
    if (job == NULL) {
        log_starve(p);
        return;
    }
    p->vouching = true;
    job->run = vouch_run;
    job->done = vouch_done;
    job->repair = (struct repair_work){
        .base_offset = segment->base_offset, .end = segment->size, .trusted = p->vouch_position};
    job_post(job);
}

void vouch_device_failed(struct partition *p)
{
    p->vouch_doubted = p->vouching;
}

void vouch_needed(struct partition *p, const struct sidecar *mark)
{
    p->unvouched = true;
    partition_look_again(p);
    p->vouch_base = mark->segment_base;
    p->vouch_position = mark->position;
    p->flushed = mark->recovery_offset;
    p->flushed_mark = (struct mark){p->active->base_offset, 0, {-1, p->active->base_offset}};
    if (mark->segment_base == p->active->base_offset) {
        p->flushed_mark.offset = mark->recovery_offset;
        p->flushed_mark.position = mark->position;
    }
}
