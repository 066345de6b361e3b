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
        partition->job_count++;
    }
    return job;
}

void job_post(struct job *job)
{
    list_push_back(&job->log->jobs_out, &job->node);
}

void job_post_validation(struct job *job)
{
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

static uint32_t take_done(struct housekeeping_port *port)
{
    uint32_t work = 0;
    struct housekeeping_job *base;
    while (port != NULL && (base = housekeeping_done(port)) != NULL) {
        struct job *job = CONTAINER_OF(base, struct job, base);
        job->done(job);
        work++;
    }
    return work;
}

uint32_t jobs_turn(struct log *log)
{
    return take_done(log->setup.housekeeping) + take_done(log->setup.validation);
}

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
