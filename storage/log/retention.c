/* Which segments go (Kafka's UnifiedLog.deleteOldSegments): by the largest record timestamp, by
 * size, and those wholly below the log start (H14). Their files are renamed, and unlinked later.
 *
 * Files go strictly from the oldest on: one that cannot be renamed keeps all behind it, or the next
 * start would find a hole. Until its files are gone a segment stays, below the log start. */
#include "storage/log/retention.h"

#include <errno.h>

#include "storage/log/checkpoint.h"
#include "storage/log/close.h"

static bool too_old(const struct partition *p, const struct segment *s)
{
    const int64_t retention_ms = p->config.retention_ms;
    const int64_t largest = s->peak.timestamp_ms >= 0 ? s->peak.timestamp_ms : s->created_wall_ms;
    /* A recovered segment that tells no time is not taken for one of 1970. */
    return p->age_due && p->config.cleanup_delete && retention_ms >= 0 && largest > 0 &&
           (int64_t)((uint64_t)p->log->wall_ms - (uint64_t)largest) > retention_ms;
}

/* data_bytes: of s and what is younger. */
static bool too_much(const struct partition *p, const struct segment *s, uint64_t data_bytes)
{
    return p->config.cleanup_delete && p->config.retention_bytes >= 0 &&
           data_bytes - s->size >= (uint64_t)p->config.retention_bytes;
}

static bool below_start(const struct partition *p, const struct segment *s)
{
    return segment_end(s) <= p->log_start && s != p->active;
}

/* Renames the files of one segment, the log first. -ENOENT: it has no such file. */
static int rename_files(struct job *job, struct file_system *fs, int64_t base)
{
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    for (uint32_t file = 0; file < SEGMENT_FILES; file++) {
        path_segment(job->partition, base, (enum segment_file)file, SEGMENT_LIVE, from);
        path_segment(job->partition, base, (enum segment_file)file, SEGMENT_DELETED, to);
        const int error = file_rename(fs, from, to);
        if (error != 0 && error != -ENOENT) { /* Not every segment has every file. */
            return error;
        }
    }
    return 0;
}

static void leave_run(struct job *job, struct file_system *fs)
{
    char path[PATH_BYTES];
    job->leave.done = 0;
    while (job->leave.done < job->leave.count && job->error == 0) {
        job->error = rename_files(job, fs, job->leave.bases[job->leave.done]);
        job->leave.done += job->error == 0;
    }
    const int error = job_sync_directory(job, fs, path_partition(job->partition, path));
    job->error = job->error == 0 ? error : job->error;
}

static bool under_way(const struct segment *s)
{
    return s->opening || (s->handle != NULL && s->handle->refs > 0) || !list_empty(&s->readers);
}

static void leave_done(struct job *job)
{
    struct partition *p = job->partition;
    struct log *log = job->log;
    p->leaving = false;
    log->counters.io_errors +=
        job->error != 0; /* What is left is tried again with the next look. */
    for (uint32_t i = 0; i < job->leave.done && !list_empty(&p->segments); i++) {
        struct segment *s = CONTAINER_OF(list_first(&p->segments), struct segment, node);
        if (s->base_offset != job->leave.bases[i] || under_way(s)) {
            break;
        }
        p->data_bytes -= s->size;
        segment_free(s);
        struct doomed doomed = {.directory = p->directory, .base_offset = job->leave.bases[i]};
        memcpy(doomed.name, p->name, strlen(p->name) + 1);
        doomed.due_ns = log->now_ns + (uint64_t)max_i64(p->config.file_delete_delay_ms, 0) * MS_NS;
        close_doom(log, &doomed);
    }
    if (!list_empty(&p->segments)) { /* A job that runs reads those of younger segments only. */
        aborted_forget(&p->aborted,
                       CONTAINER_OF(list_first(&p->segments), struct segment, node)->base_offset);
    }
    job_end(job);
}

/* The segments that are to go, oldest first; moves the log start behind them. */
static void leave_collect(struct partition *p, struct job *job)
{
    uint64_t data_bytes = p->data_bytes;
    LIST_FOR_EACH(node, &p->segments)
    {
        const struct segment *s = CONTAINER_OF(node, struct segment, node);
        if (job->leave.count == ARRAY_SIZE(job->leave.bases) || s == p->active ||
            s == p->finishing || under_way(s) ||
            !(too_old(p, s) || too_much(p, s, data_bytes) || below_start(p, s))) {
            return;
        }
        job->leave.bases[job->leave.count++] = s->base_offset;
        p->log_start = max_i64(p->log_start, segment_end(s));
        data_bytes -= s->size;
    }
}

/* Removes what retention wants removed, oldest first. Returns the number of segments. */
uint32_t retention_apply(struct partition *p)
{
    struct log *log = p->log;
    if (p->phase != PHASE_RUNNING || p->leaving || p->swapping || p->sidecar_writing) {
        return 0;
    }
    struct segment *oldest = CONTAINER_OF(list_first(&p->segments), struct segment, node);
    if (!list_empty(&p->segments) && oldest->created_wall_ms == 0) {
        oldest->created_wall_ms = log->wall_ms; /* Recovered before the first turn told the time. */
    }
    if (list_empty(&p->segments) || oldest == p->active || oldest == p->finishing ||
        !(too_old(p, oldest) || too_much(p, oldest, p->data_bytes) || below_start(p, oldest))) {
        return 0;
    }
    struct job *job = job_take(log, p);
    if (job == NULL) {
        return 0;
    }
    job->run = leave_run;
    job->done = leave_done;
    job->leave.count = 0;
    leave_collect(p, job);
    if (job->leave.count == 0) {
        job_end(job);
        return 0;
    }
    const uint32_t count = job->leave.count;
    if (epoch_cache_truncate_start(&p->epochs, p->log_start)) {
        p->epochs_dirty = true;
    }
    p->leaving = true;
    job_post(job);
    log_announce(p);
    return count;
}

/* Kafka rolls a segment all of whose records are too old, so that it can go as well. */
bool retention_wants_roll(const struct partition *p)
{
    return p->active != NULL && p->active->size > 0 && too_old(p, p->active);
}

bool retention_has_old(const struct partition *p)
{
    struct list_node *node = p->segments.head.next;
    const struct segment *oldest = CONTAINER_OF(node, struct segment, node);
    return node != &p->segments.head && oldest->size > 0 && too_old(p, oldest);
}
