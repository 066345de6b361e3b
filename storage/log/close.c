/* Partitions go: sealed when idle or at the end, deleted on demand.
 *
 * A seal cuts the active file to its last byte, writes all that goes with it and the mark (H9). An
 * idle partition is sealed and then holds no memory of the arena, no descriptor and no index
 * entries (H8); a stop seals every partition.
 */
#include "storage/log/close.h"

#include "storage/log/checkpoint.h"
#include "storage/log/clean.h"
#include "storage/log/recovery_scan.h"
#include "storage/log/vouch.h"

enum { SEAL_FAILURES_MAX = 3 };

/* ---- Sealing -------------------------------------------------------------------------------- */

/* A batch that is being checked beside the core (H25) has left no trace yet. */
static bool is_sealed(const struct partition *p)
{
    if (!list_empty(&p->appends)) {
        return false;
    }
    const struct segment *s = p->active; /* What an append had reserved may not have come. */
    return s == NULL ||
           (p->sidecar.sealed && p->sidecar.recovery_offset == p->end && s->reserved == s->size &&
            !p->epochs_dirty && p->sidecar.log_start == p->log_start);
}

/* Nothing is under way that a seal would disturb. */
static bool can_seal(const struct partition *p)
{
    return list_empty(&p->appends) && list_empty(&p->waiting_written) &&
           list_empty(&p->waiting_flushed) && list_empty(&p->commits) && p->io_count == 0 &&
           p->job_count == 0 && p->finishing == NULL && p->written == p->end;
}

/* Starts to seal. True: it is sealed. False: later, or under way. */
bool close_seal(struct partition *p)
{
    if (is_sealed(p)) {
        return true;
    }
    if (p->unvouched && p->phase == PHASE_RUNNING) {
        vouch_begin(p);
        return false;
    }
    if (p->phase != PHASE_RUNNING || !can_seal(p) || p->log->now_ns < p->checkpoint_retry_ns) {
        return false;
    }
    if (p->active != NULL && p->active->handle == NULL && !segment_open(p->active)) {
        return false;
    }
    (void)checkpoint_seal(p);
    return false;
}

/* Gives memory and files back; the next use takes them again. */
static void release(struct partition *p)
{
    struct log *log = p->log;
    LIST_FOR_EACH(node, &p->segments)
    {
        struct segment *segment = CONTAINER_OF(node, struct segment, node);
        arena_evict_file(&log->arena, &segment->extents);
        if (segment->handle != NULL && segment->handle->refs == 0) {
            handle_close(log, segment->handle);
        }
    }
    p->tail_order = 0;
    p->reserve_step = 0;
    p->zero_ahead = 0;
    read_forget_cursors(p);
}

/* The longest unused partitions, when they are idle long enough. Returns the work done. */
uint32_t close_idle(struct log *log, uint32_t budget)
{
    uint32_t work = 0;
    LIST_FOR_EACH(node, &log->busy)
    {
        struct partition *p = CONTAINER_OF(node, struct partition, busy_node);
        if (work == budget || log->now_ns - p->used_ns < IDLE_NS) {
            break;
        }
        work++;
        if (p->phase != PHASE_RUNNING) {
            continue;
        }
        if (!close_seal(p)) {
            p->release_chunks = true;
            continue;
        }
        p->release_chunks = false;
        list_remove(node);
        release(p);
    }
    return work;
}

/* ---- The end -------------------------------------------------------------------------------- */

/* Seals what is left to seal; ends the operation when everything is. */
void close_progress(struct log *log)
{
    struct log_operation *operation = log->finish;
    if (operation == NULL || log->finished) {
        return;
    }
    uint32_t open = log->cleaner->partition != NULL ? 1 : 0;
    enum log_status status = LOG_OK;
    LIST_FOR_EACH(node, &log->partitions)
    {
        struct partition *p = CONTAINER_OF(node, struct partition, all_node);
        switch ((enum partition_phase)p->phase) {
        case PHASE_RUNNING:
            if (p->seal_failures >= SEAL_FAILURES_MAX) {
                status = LOG_IO_ERROR; /* The next start has to read its tail. */
            } else if (!close_seal(p)) {
                open++;
            }
            break;
        case PHASE_DRAINING:
        case PHASE_REPAIRING:
        case PHASE_CLOSING: open++; break;
        case PHASE_BROKEN:
        case PHASE_FENCED: status = LOG_IO_ERROR; break;
        case PHASE_CLOSED: break;
        default: ASSERT(false);
        }
    }
    if (open == 0) {
        log->finished = true;
        LIST_FOR_EACH(node, &log->partitions)
        {
            struct partition *p = CONTAINER_OF(node, struct partition, all_node);
            if (p->phase == PHASE_RUNNING) {
                p->phase = PHASE_CLOSED;
                release(p);
            }
        }
        log_operation_end(log, operation, status);
    }
}

enum log_status log_finish(struct log *log, struct log_operation *operation)
{
    if (log->finish != NULL) {
        return LOG_CLOSED;
    }
    operation->node = (struct list_node){0};
    operation->status = LOG_PENDING;
    log->finish = operation;
    return LOG_PENDING;
}

/* ---- Deleting ------------------------------------------------------------------------------- */

static void doomed_path(const struct log *log, const struct doomed *doomed, char path[PATH_BYTES])
{
    struct text text;
    text_init(&text, path, PATH_BYTES);
    text_string(&text, log->devices[doomed->directory].path);
    text_char(&text, '/');
    text_string(&text, doomed->name);
}

static void doom_run(struct job *job, struct file_system *fs)
{
    char path[PATH_BYTES];
    doomed_path(job->log, &job->doom.doomed, path);
    if (job->doom.doomed.base_offset < 0) {
        job->error = directory_remove(fs, path);
        return;
    }
    const size_t len = strlen(path);
    for (uint32_t file = 0; file < SEGMENT_FILES; file++) {
        char name[SEGMENT_NAME_BYTES];
        segment_name_format((struct segment_name){job->doom.doomed.base_offset,
                                                  (enum segment_file)file, SEGMENT_DELETED},
                            name);
        path[len] = '/';
        memcpy(path + len + 1, name, strlen(name) + 1);
        const int error = file_unlink(fs, path);
        (void)error; /* What stays is removed at the next start. */
    }
}

static void doom_done(struct job *job)
{
    job_end(job);
}

static bool doom_post(struct log *log, const struct doomed *doomed)
{
    struct job *job = job_take(log, NULL);
    if (job == NULL) {
        return false;
    }
    job->run = doom_run;
    job->done = doom_done;
    job->doom.doomed = *doomed;
    job_post(job);
    return true;
}

/* Files renamed away are unlinked after file.delete.delay.ms; when too many wait, at once. */
void close_doom(struct log *log, const struct doomed *doomed)
{
    struct doomed *kept = pool_take(&log->doomed_pool);
    if (kept == NULL) {
        const bool posted = doom_post(log, doomed);
        (void)posted; /* Else the next start removes them. */
        return;
    }
    *kept = *doomed;
    kept->node = (struct list_node){0};
    list_push_back(&log->doomed, &kept->node);
}

uint32_t close_unlink_due(struct log *log)
{
    uint32_t work = 0;
    LIST_FOR_EACH(node, &log->doomed)
    {
        struct doomed *doomed = CONTAINER_OF(node, struct doomed, node);
        if (doomed->due_ns > log->now_ns) {
            continue;
        }
        if (!doom_post(log, doomed)) {
            break;
        }
        list_remove(node);
        pool_give(&log->doomed_pool, doomed);
        work++;
    }
    return work;
}

static void delete_run(struct job *job, struct file_system *fs)
{
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    path_partition(job->partition, from);
    doomed_path(job->log, &job->doom.doomed, to);
    /* A topic of that name begins anew. */
    if (job->partition->config.cleanup_compact || job->partition->clean_known) {
        const int error = clean_offsets_write(job, fs, job->partition->name, -1);
        (void)error; /* It is tried again when the name comes back (open.c). */
    }
    job->error = file_rename(fs, from, to);
    if (job->error == 0) {
        job->error = job_sync_directory(job, fs, job->log->devices[job->directory].path);
    }
}

static void delete_done(struct job *job)
{
    struct partition *p = job->partition;
    struct log *log = job->log;
    struct log_operation *operation = p->closing;
    struct doomed doomed = job->doom.doomed;
    const int error = job->error;
    doomed.due_ns = log->now_ns + (uint64_t)max_i64(p->config.file_delete_delay_ms, 0) * MS_NS;
    job_end(job);
    partition_free(p);
    if (error == 0) {
        close_doom(log, &doomed);
    } else {
        log->counters.io_errors++;
    }
    operation->partition = NULL;
    log_operation_end(log, operation, log_status_of(error));
}

static void delete_post(struct partition *p)
{
    struct log *log = p->log;
    struct job *job = job_take(log, p);
    if (job == NULL) {
        log_starve(p);
        return;
    }
    struct partition_dir dir;
    const struct bytes name = bytes_of_string(p->name);
    const bool parsed = partition_dir_parse(name, &dir);
    ASSERT(parsed);
    dir.mark = PARTITION_DIR_DELETE;
    job->doom.doomed = (struct doomed){.directory = p->directory, .base_offset = -1};
    const uint32_t len =
        partition_dir_format(&dir, uuid_random(&log->random), job->doom.doomed.name);
    ASSERT(len > 0);
    job->run = delete_run;
    job->done = delete_done;
    p->phase = PHASE_CLOSED;
    job_post(job);
}

/* Everything the partition has under way must end first. */
void close_advance(struct partition *p)
{
    append_fail_waiting(p);
    if (p->io_count == 0) {
        commit_drop_all(p);
    }
    records_fail_waiting(p);
    if (p->roll_job != NULL && !p->roll_job->checkpoint.posted) {
        checkpoint_roll_drop(p);
    }
    if (partition_quiet(p)) {
        delete_post(p);
    }
}

enum log_status log_delete(struct log *log, struct partition *p, struct log_operation *operation)
{
    if (p->deleting || p->phase == PHASE_CLOSED) {
        return LOG_CLOSED;
    }
    if (p->directory == LOG_DIRECTORY_NONE) { /* Nothing of it is here, and it never did a thing. */
        partition_free(p);
        return LOG_OK;
    }
    operation->node = (struct list_node){0};
    operation->status = LOG_PENDING;
    operation->partition = p;
    p->closing = operation;
    p->deleting = true;
    p->phase = PHASE_CLOSING;
    checkpoint_cancel(p);
    append_fail_all(p, &p->waiting_written, LOG_CLOSED);
    append_fail_all(p, &p->waiting_flushed, LOG_CLOSED);
    append_fail_waiting(p);
    roll_forget_prepared(p);
    log_announce(p);
    ASSERT(p->log == log);
    log_kick(p);
    return LOG_PENDING;
}
