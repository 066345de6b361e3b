/* Partitions come: new, or as recovery found them. */
#include "storage/log/clean.h"
#include "storage/log/recovered.h"
#include "storage/log/recovery.h"
#include "storage/log/vouch.h"

#include <errno.h>

static const struct sidecar no_sidecar = {
    .snapshot_offset = -1, .max_timestamp_ms = -1, .first_timestamp_ms = -1, .leader_epoch = -1};

/* ---- A new one ------------------------------------------------------------------------------ */

/* Many come at once (a topic of a thousand partitions): their files are made one by one, and made
 * durable together, by one flush for all that are ready when the one before is done. H10: before
 * its first durable answer; and before the metadata log may say that they are there (H18). */

static int metadata_make(struct file_system *fs, const char *path, const struct text *content)
{
    const int fd = file_open(fs, path, FILE_WRITE | FILE_CREATE);
    if (fd < 0) {
        return fd;
    }
    int error = file_truncate(fs, fd, 0);
    if (error == 0) {
        const int64_t written = file_write(fs, fd, content->at, content->len, 0);
        error = written < 0 ? (int)written : 0;
    }
    file_close(fs, fd);
    return error;
}

/* Stops at a file of a log. */
static int is_of_a_log(void *context, const struct file_entry *entry)
{
    (void)context;
    struct segment_name name;
    const struct bytes text = bytes_of_string(entry->name);
    return !entry->directory && segment_name_parse(text, &name) ? 1 : 0;
}

/* A directory of that name is there. An empty one is this partition's: a crash came between this
 * and the metadata log. A log in it is that of a deleted topic, whose directory could not be
 * renamed: set aside, or a start would find its segments behind ours. */
static int create_in(struct job *job, struct file_system *fs, const char *path)
{
    int error = file_list(fs, path, is_of_a_log, NULL);
    if (error <= 0) {
        return error;
    }
    char aside[PATH_BYTES];
    struct text text;
    text_init(&text, aside, sizeof(aside));
    text_string(&text, job->log->devices[job->partition->directory].path);
    text_char(&text, '/');
    text_string(&text, job->operation.aside);
    error = file_rename(fs, path, aside);
    return error == 0 ? file_make_directory(fs, path) : error;
}

static void create_run(struct job *job, struct file_system *fs)
{
    struct partition *p = job->partition;
    char path[PATH_BYTES];
    char content[128];
    struct text text;
    text_init(&text, content, sizeof(content));
    partition_metadata_write(&text, p->id.topic_id);
    if (p->config.cleanup_compact) { /* A line that could not be taken out with the topic. */
        job->error = clean_offsets_write(job, fs, p->name, -1);
        if (job->error != 0) {
            return;
        }
    }
    job->error = file_make_directory(fs, path_partition(p, path));
    if (job->error == -EEXIST) {
        job->error = create_in(job, fs, path);
    }
    if (job->error == 0) {
        job->error = metadata_make(fs, path_file(p, METADATA_FILE, path), &text);
    }
}

static void create_end(struct job *job, int error)
{
    struct partition *p = job->partition;
    struct log *log = job->log;
    struct log_operation *operation = job->operation.operation;
    job_end(job);
    if (error == 0 && log->devices[p->directory].fenced) {
        error = -EIO; /* Meanwhile. */
    }
    if (error == 0) {
        p->phase = PHASE_RUNNING;
        p->made = true;
        p->clean_known = true; /* Nothing of it is clean, whatever the checkpoint says. */
        operation->partition = p;
        log_operation_end(log, operation, LOG_OK);
        return;
    }
    device_failed(log, p->directory, error);
    operation->partition = NULL;
    partition_free(p);
    log_operation_end(log, operation, log_status_of(error));
}

static void settle_run(struct job *job, struct file_system *fs)
{
    job->error = job_sync_all(job, fs, job->log->devices[job->directory].path);
    if (job->error == 0 && job_doubts(job)) {
        job->error = -EIO;
    }
}

/* What a flush that failed since its files were written has lost, this one has not made durable. */
static void settle_one(struct job *job, int error, uint32_t failures_known)
{
    create_end(job, error == 0 && job->operation.failures_known != failures_known ? -EIO : error);
}

static void settle_start(struct device *device);

static void settle_done(struct job *job)
{
    struct device *device = &job->log->devices[job->directory];
    const int error = job->error;
    const uint32_t failures_known = job->failures_known;
    struct list_node *node;
    device->settle_runs = false;
    settle_one(job, error, failures_known);
    while ((node = list_pop_front(&device->settling_now)) != NULL) {
        settle_one(CONTAINER_OF(node, struct job, node), error, failures_known);
    }
    settle_start(device);
}

/* Once nothing more is being made. The first of those that wait carries the flush for all, so that
 * it needs no job of its own. */
static void settle_start(struct device *device)
{
    if (device->settle_runs || device->creating > 0 || list_empty(&device->settling)) {
        return;
    }
    struct list_node *node = list_pop_front(&device->settling);
    struct job *carrier = CONTAINER_OF(node, struct job, node);
    list_append_all(&device->settling_now, &device->settling);
    carrier->run = settle_run;
    carrier->done = settle_done;
    device->settle_runs = true;
    job_post(carrier);
}

static void create_done(struct job *job)
{
    struct device *device = &job->log->devices[job->partition->directory];
    device->creating--;
    job->operation.failures_known = job->failures_known;
    if (job->error != 0) {
        create_end(job, job->error);
    } else {
        list_push_back(&device->settling, &job->node);
    }
    settle_start(device);
}

enum log_status log_open(struct log *log, const struct partition_spec *spec,
                         struct log_operation *operation)
{
    operation->node = (struct list_node){0};
    operation->partition = NULL;
    if (log->finish != NULL) {
        return LOG_CLOSED;
    }
    if (spec->directory >= log->setup.directory_count || log->devices[spec->directory].fenced) {
        return LOG_FENCED;
    }
    struct job *job = job_take(log, NULL);
    if (job == NULL) {
        return LOG_BUSY;
    }
    struct partition *p = partition_create(log, spec);
    if (p == NULL) {
        job_end(job);
        return LOG_BUSY;
    }
    p->phase = PHASE_CLOSED; /* Until it exists. */
    p->sidecar = no_sidecar;
    const struct mark start = {0, 0, {-1, 0}};
    p->planned_mark = start;
    p->written_mark = start;
    p->flushed_mark = start;
    p->target_mark = start;
    job->partition = p;
    job->directory = p->directory;
    p->job_count++;
    job->run = create_run;
    job->done = create_done;
    job->operation.operation = operation;
    const struct partition_dir aside = {.topic = spec->topic_name,
                                        .partition = (int32_t)spec->id.index,
                                        .mark = PARTITION_DIR_STRAY};
    (void)partition_dir_format(&aside, uuid_random(&log->random), job->operation.aside);
    operation->status = LOG_PENDING;
    log->devices[spec->directory].creating++;
    job_post(job);
    return LOG_PENDING;
}

enum log_status log_open_fenced(struct log *log, const struct partition_spec *spec,
                                struct partition **out)
{
    struct partition *p = partition_create(log, spec);
    if (p == NULL) {
        return LOG_BUSY;
    }
    p->directory = spec->directory < log->setup.directory_count ? spec->directory
                                                                : (uint16_t)LOG_DIRECTORY_NONE;
    p->phase = PHASE_FENCED;
    p->failure = LOG_FENCED;
    log->counters.partitions_fenced++;
    p->sidecar = no_sidecar;
    *out = p;
    return LOG_OK;
}

/* ---- A recovered one ------------------------------------------------------------------------ */

/* The producer as it was: its oldest remembered batch, then the others on top. */
static bool adopt_producer(struct partition *p, const struct producer_values *values)
{
    return producer_state_restore(&p->producers, values) == PRODUCER_OK;
}

static bool adopt_segments(struct partition *p, const struct recovered_partition *r)
{
    for (uint32_t i = 0; i < r->segment_count; i++) {
        const struct recovered_segment *from = &r->segments[i];
        struct segment *s = segment_create(p, from->base_offset);
        if (s == NULL) {
            return false;
        }
        s->size = from->size;
        s->reserved = from->size;
        s->peak = from->peak;
        s->first_timestamp_ms = from->first_timestamp_ms;
        s->index_count = from->index_count;
        s->time_count = from->time_count;
        s->exists = true;
        s->named = true;
        p->data_bytes += from->size;
        p->active = s;
    }
    return true;
}

static void adopt_positions(struct partition *p, const struct recovered_partition *r)
{
    p->log_start = r->log_start;
    p->end = r->end;
    p->written = r->end;
    p->flushed = r->end;
    p->acked = r->end;
    p->flush_asked = r->end;
    p->durable_chain = r->end;
    struct mark end = {r->end, 0, {-1, r->end}};
    const struct segment *s = p->active;
    if (s != NULL) {
        end.position = s->size;
        end.peak = s->peak;
        p->index_count = s->index_count;
        p->time_count = s->time_count;
        p->time_last_ms = r->time_last_ms;
        p->time_first_ms = r->time_last_ms;
        p->time_first_count = s->time_count;
        p->index_first_number = s->index_count;
        p->index_bytes_since = r->index_bytes_since;
    }
    p->copied = end.position;
    p->planned_position = end.position;
    p->target_position = end.position;
    p->device_position = end.position;
    p->planned_mark = end;
    p->written_mark = end;
    p->flushed_mark = end;
    p->target_mark = end;
    p->sidecar = r->sidecar;
    p->snapshot_offset = r->snapshot_offset;
    partition_set_unread(p, r->unread_bytes);
    /* Kafka's directory has no mark, and may be large: it is taken as it is. */
    const uint64_t ours_max = UNREAD_PARTITION_BYTES_MAX + BATCH_BYTES_MAX;
    if (r->unread_bytes > 0 && (r->marked || r->unread_bytes <= ours_max)) {
        vouch_needed(p, &r->sidecar);
    }
}

static bool adopt_aborted(struct partition *p, const struct recovered_partition *r)
{
    for (uint32_t i = 0; i < r->aborted_count; i++) {
        if (!aborted_add(&p->aborted, &r->aborted[i])) {
            return false;
        }
        p->aborted_active +=
            p->active != NULL && r->aborted[i].last_offset >= p->active->base_offset;
    }
    /* Recovery may have made the file without a sync: the next checkpoint writes all of it, and
     * makes it durable before its mark, or the next segment, says that it is whole. */
    p->aborted_on_disk = 0;
    return true;
}

enum log_status log_adopt(struct log *log, struct recovered_partition *r,
                          const struct partition_spec *spec, struct partition **out)
{
    ASSERT(spec->directory < log->setup.directory_count);
    struct partition *p = partition_create(log, spec);
    if (p == NULL) {
        recovered_partition_free(r);
        return LOG_BUSY;
    }
    if (!adopt_segments(p, r) || !adopt_aborted(p, r)) {
        partition_free(p);
        recovered_partition_free(r);
        return LOG_BUSY;
    }
    p->made = true;
    adopt_positions(p, r);
    producer_state_clear(&p->producers, r->end);
    for (uint32_t i = 0; i < r->producer_count; i++) {
        if (!adopt_producer(p, &r->producers[i])) {
            break; /* Bounded memory: the rest is forgotten, as when they expire. */
        }
    }
    for (uint32_t i = 0; i < r->epoch_count; i++) {
        (void)epoch_cache_assign(&p->epochs, r->epochs[i].epoch, r->epochs[i].start_offset);
    }
    p->epochs_dirty = r->epochs_dirty;
    recovered_partition_free(r);
    ASSERT_HOT(partition_invariants(p));
    *out = p;
    return LOG_OK;
}
