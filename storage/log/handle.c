/* Open segment files: a bounded cache, oldest unused closed first (H8). */
#include "storage/log/jobs.h"

static void close_run(struct job *job, struct file_system *fs)
{
    for (uint32_t i = 0; i < job->close.count; i++) {
        file_close(fs, job->close.fds[i]);
    }
}

static void close_done(struct job *job)
{
    job->log->counters.open_files -= job->close.count;
    job_end(job);
}

/* close() may sleep (it ends leases and may free the blocks of an unlinked file). */
void handle_submit_closes(struct log *log)
{
    while (log->closing_count > 0) {
        struct job *job = job_take(log, NULL);
        if (job == NULL) {
            return;
        }
        job->run = close_run;
        job->done = close_done;
        while (log->closing_count > 0 && job->close.count < ARRAY_SIZE(job->close.fds)) {
            job->close.fds[job->close.count++] = log->closing_fds[--log->closing_count];
        }
        job_post(job);
    }
}

void handle_close_fd(struct log *log, int fd)
{
    ASSERT(log->closing_count < log->closing_capacity);
    log->closing_fds[log->closing_count++] = fd;
}

struct handle *handle_take(struct log *log)
{
    if (log->closing_count >= log->closing_capacity / 2) {
        return NULL; /* Closing does not keep up. */
    }
    struct handle *handle = pool_take(&log->handle_pool);
    if (handle == NULL && !list_empty(&log->handles_unused)) {
        handle_close(log, CONTAINER_OF(list_first(&log->handles_unused), struct handle, node));
        handle = pool_take(&log->handle_pool);
    }
    if (handle != NULL) {
        *handle = (struct handle){.fd = -1, .slot = -1, .refs = 1};
    }
    return handle;
}

bool handle_install(struct log *log, struct handle *handle, int fd, bool covers_device)
{
    log->counters.open_files++;
    handle->fd = fd;
    handle->slot = disk_add_file(log->disk, fd, covers_device);
    while (handle->slot < 0 && !list_empty(&log->handles_unused)) {
        handle_close(log, CONTAINER_OF(list_first(&log->handles_unused), struct handle, node));
        handle->slot = disk_add_file(log->disk, fd, covers_device);
    }
    return handle->slot >= 0;
}

void handle_use(struct log *log, struct handle *handle)
{
    (void)log;
    if (handle->refs++ == 0) {
        list_remove(&handle->node);
    }
}

void handle_unused(struct log *log, struct handle *handle)
{
    if (handle->segment == NULL || handle->slot < 0) { /* Its segment is gone, or it failed. */
        list_push_back(&log->handles_unused, &handle->node);
        handle_close(log, handle);
        return;
    }
    list_push_back(&log->handles_unused, &handle->node);
}

void handle_detach(struct log *log, struct handle *handle)
{
    if (handle->segment != NULL) {
        handle->segment->handle = NULL;
        handle->segment->plain_to = 0;
        handle->segment = NULL;
    }
    if (handle->refs == 0) {
        handle_close(log, handle);
    }
}

void handle_close(struct log *log, struct handle *handle)
{
    ASSERT(handle->refs == 0);
    list_remove(&handle->node);
    if (handle->segment != NULL) {
        handle->segment->handle = NULL;
        handle->segment->plain_to = 0;
    }
    if (handle->slot >= 0) {
        disk_remove_file(log->disk, handle->slot);
    }
    if (handle->fd >= 0) {
        handle_close_fd(log, handle->fd);
    }
    pool_give(&log->handle_pool, handle);
}
