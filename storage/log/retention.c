/* Which segments go (Kafka's UnifiedLog.deleteOldSegments): by the largest record timestamp, by
 * size, and those wholly below the log start (H14). Their files are renamed, and unlinked later. */
#include "storage/log/retention.h"
#include "storage/log/checkpoint.h"
#include "storage/log/close.h"

static bool too_old(const struct partition *p, const struct segment *s)
{
    const int64_t retention_ms = p->config.retention_ms;
    const int64_t largest = s->peak.timestamp_ms >= 0 ? s->peak.timestamp_ms : s->created_wall_ms;
    /* A recovered segment that tells no time is not taken for one of 1970. */
    return p->config.cleanup_delete && retention_ms >= 0 && largest > 0 &&
           (int64_t)((uint64_t)p->log->wall_ms - (uint64_t)largest) > retention_ms;
}

static bool too_much(const struct partition *p, const struct segment *s)
{
    return p->config.cleanup_delete && p->config.retention_bytes >= 0 &&
           p->data_bytes - s->size >= (uint64_t)p->config.retention_bytes;
}

static bool below_start(const struct partition *p, const struct segment *s)
{
    return segment_end(s) <= p->log_start && s != p->active;
}

static void leave_run(struct job *job, struct file_system *fs)
{
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    for (uint32_t i = 0; i < job->leave.count; i++) {
        for (uint32_t file = 0; file < SEGMENT_FILES; file++) {
            path_segment(job->partition, job->leave.bases[i], (enum segment_file)file, SEGMENT_LIVE,
                         from);
            path_segment(job->partition, job->leave.bases[i], (enum segment_file)file,
                         SEGMENT_DELETED, to);
            const int error = file_rename(fs, from, to);
            (void)error; /* Not every segment has every file; a name that stays is seen at start. */
        }
    }
    job->error = file_sync_directory(fs, path_partition(job->partition, from));
}

static void leave_done(struct job *job)
{
    struct partition *p = job->partition;
    struct log *log = job->log;
    p->leaving = false;
    for (uint32_t i = 0; i < job->leave.count; i++) {
        struct doomed doomed = {.directory = p->directory, .base_offset = job->leave.bases[i]};
        memcpy(doomed.name, p->name, strlen(p->name) + 1);
        doomed.due_ns = log->now_ns + (uint64_t)max_i64(p->config.file_delete_delay_ms, 0) * MS_NS;
        close_doom(log, &doomed);
    }
    job_end(job);
}

static bool under_way(const struct segment *s)
{
    return s->opening || (s->handle != NULL && s->handle->refs > 0) || !list_empty(&s->readers);
}

/* Removes what retention wants removed, oldest first. Returns the number of segments. */
uint32_t retention_apply(struct partition *p)
{
    struct log *log = p->log;
    if (p->phase != PHASE_RUNNING || p->leaving || p->sidecar_writing) {
        return 0;
    }
    struct segment *oldest = CONTAINER_OF(list_first(&p->segments), struct segment, node);
    if (!list_empty(&p->segments) && oldest->created_wall_ms == 0) {
        oldest->created_wall_ms = log->wall_ms; /* Recovered before the first turn told the time. */
    }
    if (list_empty(&p->segments) || oldest == p->active || oldest == p->finishing ||
        !(too_old(p, oldest) || too_much(p, oldest) || below_start(p, oldest))) {
        return 0;
    }
    struct job *job = job_take(log, p);
    if (job == NULL) {
        return 0;
    }
    job->run = leave_run;
    job->done = leave_done;
    while (job->leave.count < ARRAY_SIZE(job->leave.bases)) {
        struct segment *s = CONTAINER_OF(list_first(&p->segments), struct segment, node);
        if (s == p->active || s == p->finishing || under_way(s) ||
            !(too_old(p, s) || too_much(p, s) || below_start(p, s))) {
            break;
        }
        job->leave.bases[job->leave.count++] = s->base_offset;
        p->log_start = max_i64(p->log_start, segment_end(s));
        p->data_bytes -= s->size;
        segment_free(s);
    }
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
