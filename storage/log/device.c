/* A data directory that dies is fenced alone; one that only fails now and then heals. */
#include "storage/log/jobs.h"

enum { FAILURES_MAX = 3 };

static void probe_run(struct job *job, struct file_system *fs)
{
    char path[PATH_BYTES];
    struct text text;
    text_init(&text, path, sizeof(path));
    text_string(&text, job->log->devices[job->directory].path);
    text_string(&text, "/millrace.probe");
    job->error = job_replace(job, fs, path, "probe", 5, true);
    if (job->error == 0) {
        job->error = file_unlink(fs, path);
    }
}

static void fence_device(struct log *log, uint16_t directory)
{
    log->devices[directory].fenced = true;
    LIST_FOR_EACH(node, &log->partitions)
    {
        struct partition *p = CONTAINER_OF(node, struct partition, all_node);
        if (p->directory == directory) {
            repair_fence(p);
        }
    }
}

static void probe_done(struct job *job)
{
    struct log *log = job->log;
    struct device *device = &log->devices[job->directory];
    device->probing = false;
    const enum log_status status = log_status_of(job->error);
    if (status == LOG_IO_ERROR) { /* Full and read-only ones heal. */
        fence_device(log, job->directory);
    } else {
        device->failures = 0;
    }
    job_end(job);
}

bool log_directory_fenced(const struct log *log, uint16_t directory)
{
    return log->devices[directory].fenced;
}

void device_failed(struct log *log, uint16_t directory, int error)
{
    struct device *device = &log->devices[directory];
    log->counters.io_errors++;
    device->failures += log_status_of(error) == LOG_IO_ERROR;
    if (device->failures < FAILURES_MAX || device->probing || device->fenced) {
        return;
    }
    struct job *job = job_take(log, NULL);
    if (job == NULL) {
        return; /* The next failure asks again. */
    }
    device->probing = true;
    job->run = probe_run;
    job->done = probe_done;
    job->directory = directory;
    job_post(job);
}
