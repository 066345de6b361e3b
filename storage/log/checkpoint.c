/* Checkpoints, rolls and seals: data durable, then what can be derived from it, then the mark that
 * says so (H13).
 *
 * A checkpoint is taken in two steps. On the core: where the log ends now, its producers and index
 * entries, before anything else is appended. Once all of that is flushed, a job writes .index,
 * .timeindex, .snapshot and leader-epoch-checkpoint, syncs them and the directory, and last
 * replaces millrace.checkpoint.
 *
 * A file that is appended to is flushed by its core alone: of two flushes at once the one that
 * fails may be the one nobody asks in time. Jobs sync it only while the core has nothing under way.
 */
#include "storage/log/checkpoint.h"

#include <errno.h>

#include "storage/log/vouch.h"

/* ---- On the housekeeping thread ------------------------------------------------------------- */

struct index_writer {
    struct job *job;
    struct file_system *fs;
    int fd;
    uint64_t at;
    uint32_t entry_bytes;
    uint32_t used;
    int error;
    uint8_t buffer[2400]; /* A multiple of 8 and of 12. */
};

static void writer_flush(struct index_writer *writer)
{
    if (writer->used == 0 || writer->error != 0) {
        return;
    }
    const int64_t written =
        file_write(writer->fs, writer->fd, writer->buffer, writer->used, writer->at);
    writer->error = written < 0 ? (int)written : 0;
    writer->at += writer->used;
    writer->used = 0;
}

static uint8_t *writer_next(struct index_writer *writer)
{
    if (writer->used + writer->entry_bytes > sizeof(writer->buffer)) {
        writer_flush(writer);
    }
    uint8_t *to = writer->buffer + writer->used;
    writer->used += writer->entry_bytes;
    return to;
}

/* Cuts the file behind the last entry and makes it durable. */
static void writer_close(struct index_writer *writer)
{
    writer_flush(writer);
    if (writer->error == 0) {
        writer->error = file_truncate(writer->fs, writer->fd, writer->at);
    }
    if (writer->error == 0) {
        writer->error = job_sync(writer->job, writer->fs, writer->fd);
    }
    file_close(writer->fs, writer->fd);
}

static int writer_open(struct index_writer *writer, struct job *job, struct file_system *fs,
                       enum segment_file file, uint32_t entry_bytes, uint32_t first)
{
    char path[PATH_BYTES];
    path_segment(job->partition, job->checkpoint.base_offset, file, SEGMENT_LIVE, path);
    writer->job = job;
    writer->fs = fs;
    writer->entry_bytes = entry_bytes;
    writer->at = (uint64_t)first * entry_bytes;
    writer->used = 0;
    writer->error = 0;
    writer->fd = file_open(fs, path, FILE_READ | FILE_WRITE | FILE_CREATE);
    return writer->fd < 0 ? writer->fd : 0;
}

static int write_offset_index(struct job *job, struct file_system *fs)
{
    const struct checkpoint_work *work = &job->checkpoint;
    struct index_writer writer;
    const int error = writer_open(&writer, job, fs, SEGMENT_INDEX, OFFSET_INDEX_ENTRY_BYTES,
                                  work->index_first_number);
    if (error != 0) {
        return error;
    }
    const struct index_chunk *chunk = work->chunks;
    uint32_t left = work->sidecar_index_count - work->index_first_number;
    while (left > 0) { /* Only the last chunk may be part full, and grow meanwhile. */
        const uint32_t count = min_u32(left, INDEX_CHUNK_ENTRIES);
        for (uint32_t i = 0; i < count; i++) {
            const struct index_entry *entry = &chunk->entries[i];
            offset_index_write(writer_next(&writer), 0,
                               (struct offset_index_entry){entry->offset_delta, entry->position});
        }
        left -= count;
        chunk = left > 0 ? chunk->next : NULL;
    }
    writer_close(&writer);
    return writer.error;
}

static int write_time_index(struct job *job, struct file_system *fs)
{
    const struct checkpoint_work *work = &job->checkpoint;
    struct index_writer writer;
    const int error = writer_open(&writer, job, fs, SEGMENT_TIME_INDEX, TIME_INDEX_ENTRY_BYTES,
                                  work->time_first_count);
    if (error != 0) {
        return error;
    }
    const struct index_chunk *chunk = work->chunks;
    uint32_t left = work->sidecar_index_count - work->index_first_number;
    int64_t last_ms = work->time_first_ms;
    while (left > 0) {
        const uint32_t count = min_u32(left, INDEX_CHUNK_ENTRIES);
        for (uint32_t i = 0; i < count; i++) {
            const struct index_entry *entry = &chunk->entries[i];
            if (entry->timestamp_ms > last_ms) {
                last_ms = entry->timestamp_ms;
                time_index_write(writer_next(&writer), 0,
                                 (struct time_index_entry){last_ms, entry->timestamp_offset_delta});
            }
        }
        left -= count;
        chunk = left > 0 ? chunk->next : NULL;
    }
    if (work->seal && work->peak.timestamp_ms > last_ms) { /* Kafka's onBecomeInactiveSegment. */
        time_index_write(writer_next(&writer), 0,
                         (struct time_index_entry){work->peak.timestamp_ms,
                                                   work->peak.offset - work->base_offset});
    }
    writer_close(&writer);
    job->checkpoint.time_entries_written = (uint32_t)(writer.at / TIME_INDEX_ENTRY_BYTES);
    return writer.error;
}

/* Only segments with an aborted transaction have the file, as Kafka's. */
static int write_txn_index(struct job *job, struct file_system *fs)
{
    const struct checkpoint_work *work = &job->checkpoint;
    if (work->aborted_count == work->aborted_first) {
        return 0;
    }
    struct index_writer writer;
    const int error = writer_open(&writer, job, fs, SEGMENT_TXN_INDEX, TXN_INDEX_ENTRY_BYTES,
                                  work->aborted_first);
    if (error != 0) {
        return error;
    }
    const struct aborted_chunk *chunk = work->aborted;
    uint32_t place = work->aborted_place;
    for (uint32_t at = work->aborted_first; at < work->aborted_count; at++) {
        if (place == ABORTED_CHUNK_ENTRIES) {
            chunk = chunk->next;
            place = 0;
        }
        txn_index_write(writer_next(&writer), &chunk->entries[place++]);
    }
    writer_close(&writer);
    return writer.error;
}

static int write_snapshot(struct job *job, struct file_system *fs)
{
    struct checkpoint_work *work = &job->checkpoint;
    if (work->snapshot_bytes == 0) {
        return 0;
    }
    char path[PATH_BYTES];
    uint8_t *snapshot = work->snapshot_shared ? job->log->snapshot_buffer : work->snapshot_inline;
    int error = 0;
    if (work->marks_bytes > 0) {
        uint8_t *marks = snapshot + work->snapshot_bytes;
        producer_marks_seal(marks, work->marks_bytes, producer_snapshot_crc(snapshot));
        path_segment(job->partition, work->snapshot_offset, SEGMENT_PRODUCERS, SEGMENT_LIVE, path);
        error = job_replace(job, fs, path, marks, work->marks_bytes, false);
    }
    if (error == 0) {
        path_segment(job->partition, work->snapshot_offset, SEGMENT_SNAPSHOT, SEGMENT_LIVE, path);
        error = job_replace(job, fs, path, snapshot, work->snapshot_bytes, false);
    }
    return error;
}

static int write_epochs(struct job *job, struct file_system *fs)
{
    const struct checkpoint_work *work = &job->checkpoint;
    if (work->epochs_bytes == 0) {
        return 0;
    }
    char path[PATH_BYTES];
    path_file(job->partition, EPOCHS_FILE, path);
    return job_replace(job, fs, path, work->epochs, work->epochs_bytes, false);
}

static int write_sidecar(struct job *job, struct file_system *fs, bool durable)
{
    char path[PATH_BYTES];
    uint8_t bytes[SIDECAR_BYTES];
    sidecar_write(&job->checkpoint.sidecar, bytes);
    path_file(job->partition, SIDECAR_FILE, path);
    return job_replace(job, fs, path, bytes, sizeof(bytes), durable);
}

static int sync_data(struct job *job, struct file_system *fs)
{
    const struct checkpoint_work *work = &job->checkpoint;
    int error = job_sync(job, fs, job->handle->fd);
    if (error == 0 && job_doubts(job)) { /* The core wrote it before. */
        error = -EIO;
    }
    job->checkpoint.data_failed = error != 0;
    job->checkpoint.data_durable = error == 0;
    if (error == 0) { /* H9. */
        error = file_truncate(fs, job->handle->fd, work->size);
        if (error == 0) {
            error = job_sync(job, fs, job->handle->fd);
        }
    }
    return error;
}

static void checkpoint_run(struct job *job, struct file_system *fs)
{
    struct checkpoint_work *work = &job->checkpoint;
    char path[PATH_BYTES];
    int error = work->seal ? sync_data(job, fs) : 0;
    if (error == 0) {
        error = write_offset_index(job, fs);
    }
    if (error == 0) {
        error = write_time_index(job, fs);
    }
    if (error == 0) {
        error = write_txn_index(job, fs);
    }
    if (error == 0) {
        error = write_snapshot(job, fs);
    }
    if (error == 0) {
        error = write_epochs(job, fs);
    }
    if (error == 0 && work->drop_next) {
        error = file_unlink(fs, path_file(job->partition, NEXT_FILE, path));
        error = error == -ENOENT ? 0 : error;
    }
    if (error == 0) {
        error = job_sync_directory(job, fs, path_partition(job->partition, path));
    }
    if (error == 0 && job_doubts(job)) { /* Of the files that the mark would speak of. */
        error = -EIO;
    }
    if (error == 0) {
        error = write_sidecar(job, fs, work->seal);
    }
    if (error == 0 && work->snapshot_before >= 0) {
        static const enum segment_file files[] = {SEGMENT_SNAPSHOT, SEGMENT_PRODUCERS};
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
            path_segment(job->partition, work->snapshot_before, files[i], SEGMENT_LIVE, path);
            const int unlinked = file_unlink(fs, path);
            (void)unlinked; /* A spare one does no harm. */
        }
    }
    job->error = error;
}

/* ---- On the core ---------------------------------------------------------------------------- */

/* The producers as of the log's end go into the job. False: the buffer is taken, later. */
static bool take_snapshot(struct partition *p, struct job *job)
{
    struct checkpoint_work *work = &job->checkpoint;
    struct log *log = p->log;
    if (p->producers.count == 0 && !work->roll) {
        work->snapshot_offset = -1;
        return true;
    }
    const size_t bytes = producer_snapshot_bytes(p->producers.count);
    uint8_t *to = work->snapshot_inline;
    if (bytes + producer_marks_bytes_max(p->producers.count) > sizeof(work->snapshot_inline)) {
        if (log->snapshot_buffer_taken) {
            return false;
        }
        log->snapshot_buffer_taken = true;
        work->snapshot_shared = true;
        to = log->snapshot_buffer;
    }
    producer_state_export(&p->producers, to);
    work->snapshot_bytes = (uint32_t)bytes;
    work->marks_bytes = producer_marks_export(&p->producers, p->end, to + bytes);
    work->snapshot_offset = p->end;
    return true;
}

static void take_epochs(struct partition *p, struct job *job)
{
    struct checkpoint_work *work = &job->checkpoint;
    if (!p->epochs_dirty) {
        return;
    }
    struct text text;
    text_init(&text, work->epochs, sizeof(work->epochs));
    checkpoint_write_head(&text, p->epochs.count);
    for (uint32_t i = 0; i < p->epochs.count; i++) {
        checkpoint_write_epoch(&text, &epoch_cache_entries(&p->epochs)[i]);
    }
    ASSERT(!text.full); /* EPOCH_CACHE_BLOCK lines fit. */
    work->epochs_bytes = (uint32_t)text.len;
    p->epochs_dirty = false;
}

static bool is_segment_base(const struct partition *p, int64_t offset)
{
    const struct segment *segment = segment_find(p, offset);
    return segment != NULL && segment->base_offset == offset;
}

static void take_state(struct partition *p, struct job *job, const struct segment *s)
{
    struct checkpoint_work *work = &job->checkpoint;
    work->base_offset = s->base_offset;
    work->cleaned_bytes = p->cleaned_bytes;
    work->size = s->size;
    work->peak = s->peak;
    work->mark = (struct mark){p->end, s->size, s->peak};
    work->chunks = p->index_first;
    work->index_first_number = p->index_first != NULL ? p->index_first_number : p->index_count;
    work->time_first_count = p->index_first != NULL ? p->time_first_count : p->time_count;
    work->time_first_ms = p->index_first != NULL ? p->time_first_ms : p->time_last_ms;
    work->sidecar_index_count = p->index_count;
    work->aborted_first = p->aborted_on_disk;
    work->aborted_count = p->aborted_active;
    if (work->aborted_count > work->aborted_first) {
        work->aborted = aborted_chunk_at(
            &p->aborted, p->aborted.count - (work->aborted_count - work->aborted_first),
            &work->aborted_place);
    }
    work->sidecar = (struct sidecar){.sealed = work->seal && !work->roll,
                                     .log_start = p->log_start,
                                     .recovery_offset = p->end,
                                     .segment_base = s->base_offset,
                                     .position = s->size,
                                     .snapshot_offset = work->snapshot_offset,
                                     .max_timestamp_ms = s->peak.timestamp_ms,
                                     .max_timestamp_offset = s->peak.offset,
                                     .first_timestamp_ms = s->first_timestamp_ms,
                                     .index_entries = p->index_count,
                                     .time_entries = p->time_count,
                                     .index_bytes_since = p->index_bytes_since,
                                     .leader_epoch = epoch_cache_latest(&p->epochs),
                                     .bytes_before = p->data_bytes - s->size,
                                     .txn_entries = p->aborted_active};
    if (work->roll) { /* Recovery starts at the head of the next one. */
        work->sidecar.segment_base = p->end;
        work->sidecar.position = 0;
        work->sidecar.max_timestamp_ms = -1;
        work->sidecar.max_timestamp_offset = p->end;
        work->sidecar.first_timestamp_ms = -1;
        work->sidecar.index_entries = 0;
        work->sidecar.time_entries = 0;
        work->sidecar.index_bytes_since = 0;
        work->sidecar.bytes_before = p->data_bytes;
        work->sidecar.txn_entries = 0;
    }
    const int64_t before = p->snapshot_offset;
    const bool spare =
        before >= 0 && before != work->snapshot_offset && !is_segment_base(p, before);
    work->snapshot_before = spare ? before : -1;
}

static struct job *checkpoint_take(struct partition *p, bool roll, bool seal)
{
    struct log *log = p->log;
    struct job *job = job_take(log, p);
    if (job == NULL) {
        return NULL;
    }
    job->run = checkpoint_run;
    job->checkpoint.roll = roll;
    job->checkpoint.seal = seal;
    job->segment = p->active;
    if (!take_snapshot(p, job)) {
        job_end(job);
        return NULL;
    }
    take_epochs(p, job);
    take_state(p, job, p->active);
    job->handle = p->active->handle;
    handle_use(log, job->handle);
    return job;
}

static void checkpoint_give(struct job *job)
{
    struct log *log = job->log;
    if (job->checkpoint.snapshot_shared) {
        log->snapshot_buffer_taken = false;
    }
    handle_unuse(log, job->handle);
    job_end(job);
}

/* The mark on disk says this now. */
static void note_success(struct partition *p, const struct checkpoint_work *work)
{
    p->sidecar = work->sidecar;
    p->sidecar.bytes_before -= (uint64_t)(p->cleaned_bytes - work->cleaned_bytes);
    p->snapshot_offset = work->snapshot_offset;
    const uint64_t behind =
        p->data_bytes - min_u64(p->data_bytes, p->sidecar.bytes_before + p->sidecar.position);
    p->checkpoint_failure = LOG_OK;
    p->syncs_failed = 0;
    partition_set_unread(p, min_u64(p->unread_bytes, behind));
}

/* ---- Plain checkpoints ---------------------------------------------------------------------- */

/* Chunks that are in the files leave memory, but for the newest. */
static void release_chunks(struct partition *p, uint32_t on_disk, uint32_t keep)
{
    uint32_t chunks = 0;
    for (const struct index_chunk *chunk = p->index_first; chunk != NULL; chunk = chunk->next) {
        chunks++;
    }
    while (chunks > keep && p->index_first_number + p->index_first->count <= on_disk) {
        struct index_chunk *first = p->index_first;
        if (first == p->index_last && p->index_first_number + first->count != p->index_count) {
            break;
        }
        for (uint32_t i = 0; i < first->count; i++) {
            if (first->entries[i].timestamp_ms > p->time_first_ms) {
                p->time_first_ms = first->entries[i].timestamp_ms;
                p->time_first_count++;
            }
        }
        p->index_first_number += first->count;
        p->index_first = first->next;
        first->next = NULL;
        index_release(p->log, first);
        chunks--;
        if (p->index_first == NULL) {
            p->index_last = NULL;
        }
    }
}

static void checkpoint_done(struct job *job)
{
    enum { KEEP_CHUNKS = 8 };
    struct partition *p = job->partition;
    const struct checkpoint_work *work = &job->checkpoint;
    p->checkpointing = false;
    p->sealing = false;
    p->checkpoint_job = NULL;
    if (job->error == 0 || work->seal) { /* A seal that failed may have cut the file. */
        job->segment->reserved = work->seal ? work->size : job->segment->reserved;
        if (work->seal) {
            zero_forget(job->segment);
        }
    }
    if (job->error == 0) {
        p->seal_failures = 0;
        p->next_exists = p->next_exists && !work->drop_next;
        note_success(p, work);
        job->segment->index_count = work->sidecar.index_entries;
        job->segment->time_count = work->sidecar.time_entries;
        p->aborted_on_disk = work->aborted_count;
        release_chunks(p, work->sidecar.index_entries, p->release_chunks ? 0 : KEEP_CHUNKS);
        if (work->seal && p->phase == PHASE_RUNNING) {
            commit_flushed_by_job(p, &work->mark);
        }
    } else {
        p->epochs_dirty = p->epochs_dirty || work->epochs_bytes > 0;
        p->log->counters.io_errors++;
        p->checkpoint_retry_ns = job_retry_ns(job);
        p->seal_failures += work->seal ? 1 : 0;
        partition_checkpointed(p, log_status_of(job->error));
        if (work->data_failed) {
            repair_begin(p, log_status_of(job->error), true);
        }
    }
    checkpoint_give(job);
}

bool checkpoint_may_begin(const struct partition *p)
{
    return !p->checkpointing && !p->sidecar_writing && p->finishing == NULL && p->active != NULL &&
           p->phase == PHASE_RUNNING && p->copied == p->active->size &&
           p->log->now_ns >= p->checkpoint_retry_ns;
}

bool checkpoint_begin(struct partition *p)
{
    if (!checkpoint_may_begin(p)) {
        return false;
    }
    if (p->unvouched) {
        vouch_begin(p);
        return false;
    }
    if (!segment_open(p->active)) {
        return false;
    }
    struct job *job = checkpoint_take(p, false, false);
    if (job == NULL) {
        return false;
    }
    job->done = checkpoint_done;
    p->checkpointing = true;
    p->checkpoint_job = job;
    checkpoint_progress(p);
    return true;
}

bool checkpoint_seal(struct partition *p)
{
    roll_forget_prepared(p);
    struct job *job = checkpoint_take(p, false, true);
    if (job == NULL) {
        return false;
    }
    job->done = checkpoint_done;
    job->checkpoint.posted = true;
    job->checkpoint.drop_next = p->next_exists;
    p->checkpointing = true;
    p->sealing = true;
    partition_look_again(p);
    p->checkpoint_job = job;
    job_post(job);
    return true;
}

/* Everything the checkpoint speaks of is flushed: its job may go. */
void checkpoint_progress(struct partition *p)
{
    struct job *job = p->checkpoint_job;
    if (job == NULL || job->checkpoint.posted) {
        return;
    }
    if (p->flushed >= job->checkpoint.mark.offset) {
        job->checkpoint.posted = true;
        job->checkpoint.sidecar.log_start = p->log_start;
        job_post(job);
    } else if (p->written >= job->checkpoint.mark.offset) {
        commit_ask_flush(p);
    }
}

/* A rollback came first. */
void checkpoint_cancel(struct partition *p)
{
    struct job *job = p->checkpoint_job;
    if (job == NULL || job->checkpoint.posted) {
        return;
    }
    p->checkpoint_job = NULL;
    p->checkpointing = false;
    p->epochs_dirty = p->epochs_dirty || job->checkpoint.epochs_bytes > 0;
    checkpoint_give(job);
}

/* ---- Rolls ---------------------------------------------------------------------------------- */

static void roll_done(struct job *job)
{
    struct partition *p = job->partition;
    struct checkpoint_work *work = &job->checkpoint;
    struct segment *segment = job->segment;
    if (job->error != 0) {
        p->finish_retry_ns = job_retry_ns(job);
        p->finishing_durable = work->data_durable; /* Whatever a start would write anew. */
    }
    if (job->error != 0 && p->phase == PHASE_RUNNING) {
        p->log->counters.io_errors++;
        partition_checkpointed(p, log_status_of(job->error));
    }
    if (job->error != 0 && work->data_failed) {
        /* Repair makes its bytes durable anew, also one that began for another reason; then this
         * goes on. */
        repair_begin(p, log_status_of(job->error), true);
    }
    if (job->error != 0 && p->finishing_durable && p->phase == PHASE_RUNNING) {
        commit_release_held(p);
    }
    if (job->error != 0 || p->flush_failed) {
        work->posted = false; /* Tried again: checkpoint_roll_post. */
        log_kick(p);
        return;
    }
    segment->size = work->size;
    segment->reserved = work->size;
    zero_forget(segment);
    segment->index_count = work->sidecar_index_count;
    segment->time_count = work->time_entries_written;
    p->finishing = NULL;
    p->roll_job = NULL;
    note_success(p, work);
    index_release(p->log, work->chunks);
    commit_release_held(p);
    checkpoint_give(job);
    log_kick(p);
}

/* p->active is full and drained. Posted by checkpoint_roll_post. False: later. */
bool checkpoint_roll(struct partition *p)
{
    struct job *job = checkpoint_take(p, true, true);
    if (job == NULL) {
        log_starve(p);
        return false;
    }
    job->done = roll_done;
    p->roll_job = job;
    p->finish_retry_ns = 0;
    p->finishing = p->active;
    p->finishing_durable = false;
    p->finished_end = p->end;
    return true;
}

void checkpoint_roll_post(struct partition *p)
{
    struct job *job = p->roll_job;
    if (job != NULL && !job->checkpoint.posted && p->phase == PHASE_RUNNING &&
        p->log->now_ns >= p->finish_retry_ns) {
        job->checkpoint.posted = true;
        job->checkpoint.sidecar.log_start = p->log_start;
        job->error = 0;
        job_post(job);
    }
}

void checkpoint_roll_drop(struct partition *p)
{
    struct job *job = p->roll_job;
    p->roll_job = NULL;
    p->finishing = NULL;
    index_release(p->log, job->checkpoint.chunks);
    checkpoint_give(job);
}

/* ---- Log start ------------------------------------------------------------------------------ */

static void start_run(struct job *job, struct file_system *fs)
{
    job->error = write_sidecar(job, fs, true);
}

static void start_done(struct job *job)
{
    struct partition *p = job->partition;
    const int64_t log_start = job->checkpoint.sidecar.log_start;
    p->sidecar_writing = false;
    if (job->error == 0) {
        p->sidecar.log_start = log_start;
    } else {
        p->log->counters.io_errors++;
    }
    LIST_FOR_EACH(node, &p->start_operations)
    {
        struct log_operation *operation = CONTAINER_OF(node, struct log_operation, node);
        if (operation->offset > log_start) {
            continue; /* Came after the job was posted. */
        }
        list_remove(node);
        operation->offset = p->log_start;
        log_operation_end(p->log, operation, log_status_of(job->error));
    }
    job_end(job);
}

void checkpoint_log_start(struct partition *p)
{
    struct job *job = job_take(p->log, p);
    if (job == NULL) {
        log_starve(p);
        return;
    }
    job->run = start_run;
    job->done = start_done;
    job->checkpoint.sidecar = p->sidecar;
    job->checkpoint.sidecar.log_start = p->log_start;
    p->sidecar_writing = true;
    job_post(job);
}
