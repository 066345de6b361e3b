#include "storage/log/jobs.h"

#include <errno.h>

static void job_run(struct housekeeping_job *base, struct file_system *fs)
{
    struct job *job = CONTAINER_OF(base, struct job, base);
    job->run(job, fs);
}

struct job *job_take(struct log *log, struct partition *partition)
{
    struct job *job = pool_take(&log->job_pool);
    if (job == NULL) {
        return NULL;
    }
    *job = (struct job){.base.run = job_run, .log = log, .partition = partition, .fd = -1};
    if (partition != NULL) {
        job->directory = partition->directory;
        partition->job_count++;
    }
    return job;
}

static void note_failures(struct job *job)
{
    ASSERT(job->directory < job->log->setup.directory_count);
    job->sync_failed = false;
    job->failures_known = job->log->devices[job->directory].failures_heard;
}

void job_post(struct job *job)
{
    note_failures(job);
    list_push_back(&job->log->jobs_out, &job->node);
}

void job_post_validation(struct job *job)
{
    note_failures(job);
    list_push_back(&job->log->validation_out, &job->node);
}

void job_end(struct job *job)
{
    struct partition *p = job->partition;
    if (p != NULL) {
        ASSERT(p->job_count > 0);
        p->job_count--;
        log_kick(p);
    }
    pool_give(&job->log->job_pool, job);
}

static void post_all(struct list *jobs, struct housekeeping_port *port)
{
    struct list_node *node;
    while ((node = list_first(jobs)) != NULL) {
        struct job *job = CONTAINER_OF(node, struct job, node);
        if (!housekeeping_post(port, &job->base)) {
            return;
        }
        list_remove(node);
    }
}

void jobs_submit(struct log *log)
{
    post_all(&log->jobs_out, log->setup.housekeeping);
    if (log->setup.validation != NULL) {
        post_all(&log->validation_out, log->setup.validation);
    }
}

static uint32_t take_done(struct log *log, struct housekeeping_port *port)
{
    uint32_t work = 0;
    struct housekeeping_job *base;
    while (port != NULL && (base = housekeeping_done(port)) != NULL) {
        struct job *job = CONTAINER_OF(base, struct job, base);
        commit_hear_failures(log); /* Of a sync of its own, too, before anybody goes on. */
        job->done(job);
        work++;
    }
    return work;
}

uint32_t jobs_turn(struct log *log)
{
    return take_done(log, log->setup.housekeeping) + take_done(log, log->setup.validation);
}

/* ---- Syncs ---------------------------------------------------------------------------------- */

static _Atomic uint32_t *failures_of(const struct job *job)
{
    return &job->log->shared->flushes_failed[job->directory];
}

static uint32_t failures_now(const struct job *job)
{
    return atomic_load_explicit(failures_of(job), memory_order_acquire);
}

bool job_doubts(const struct job *job)
{
    return failures_now(job) != job->failures_known;
}

int job_sync(struct job *job, struct file_system *fs, int fd)
{
    return file_sync_tell(fs, fd, failures_of(job), &job->sync_failed);
}

int job_sync_directory(struct job *job, struct file_system *fs, const char *path)
{
    return file_sync_directory_tell(fs, path, failures_of(job), &job->sync_failed);
}

int job_sync_all(struct job *job, struct file_system *fs, const char *path)
{
    const int error = file_sync_all(fs, path);
    if (error != 0) { /* Whatever it was: it was a sync of everything. */
        job->sync_failed = true;
        (void)atomic_fetch_add_explicit(failures_of(job), 1, memory_order_acq_rel);
    }
    return error;
}

int job_replace(struct job *job, struct file_system *fs, const char *path, const void *content,
                uint64_t size, bool durable)
{
    return file_replace_tell(fs, path, content, size, durable, failures_of(job), &job->sync_failed);
}

uint64_t job_retry_ns(const struct job *job)
{
    enum { DOUBLINGS_MAX = 5 };
    struct partition *p = job->partition;
    uint32_t doublings = 0;
    if (job->sync_failed) {
        doublings = p->syncs_failed;
        p->syncs_failed = (uint8_t)min_u32(doublings + 1, DOUBLINGS_MAX);
    }
    return p->log->now_ns + (SEC_NS << doublings);
}

/* ---- Paths ---------------------------------------------------------------------------------- */

static char *path_join(char path[PATH_BYTES], const char *directory, const char *partition,
                       const char *file)
{
    struct text text;
    text_init(&text, path, PATH_BYTES);
    text_string(&text, directory);
    text_char(&text, '/');
    text_string(&text, partition);
    if (file != NULL) {
        text_char(&text, '/');
        text_string(&text, file);
    }
    ASSERT(!text.full); /* Directories' paths are bounded where they are opened. */
    return path;
}

char *path_partition(const struct partition *p, char path[PATH_BYTES])
{
    return path_join(path, p->log->devices[p->directory].path, p->name, NULL);
}

char *path_file(const struct partition *p, const char *name, char path[PATH_BYTES])
{
    return path_join(path, p->log->devices[p->directory].path, p->name, name);
}

char *path_segment(const struct partition *p, int64_t base_offset, enum segment_file file,
                   enum segment_mark mark, char path[PATH_BYTES])
{
    char name[SEGMENT_NAME_BYTES];
    segment_name_format((struct segment_name){base_offset, file, mark}, name);
    return path_file(p, name, path);
}

int file_open_direct(struct file_system *fs, const char *path, unsigned mode)
{
    const int fd = file_open(fs, path, mode | FILE_DIRECT);
    return fd == -EINVAL ? file_open(fs, path, mode & ~(unsigned)FILE_EXCLUSIVE) : fd;
}
