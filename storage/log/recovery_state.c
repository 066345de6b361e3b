/* Where recovery starts: the mark, the leader epochs, the producers. */
#include <errno.h>
#include <stdlib.h>

#include "storage/log/checkpoint_files.h"
#include "storage/log/recovery_state.h"

/* ---- Marks and small files ------------------------------------------------------------------ */

/* Without a mark of ours Kafka's own says where the log starts: after a stop in order only. Else
 * the name may be that of a topic deleted since, and records deleted come back rather than others
 * go. */
static int64_t kafka_log_start(struct recovery *r)
{
    if (!r->directory->clean) {
        return 0;
    }
    char path[PATH_BYTES];
    struct text text;
    text_init(&text, path, sizeof(path));
    text_string(&text, r->directory->path);
    text_string(&text, "/" LOG_STARTS_FILE);
    uint32_t len;
    uint8_t *file = recovery_read_whole(r, path, 64u << 20, &len);
    struct partition_dir dir;
    const char *name = r->out->name;
    int64_t start = 0;
    struct checkpoint_reader reader;
    if (file != NULL && partition_dir_parse(bytes_of_string(name), &dir) &&
        checkpoint_open(&reader, (struct bytes){file, len}) == CHECKPOINT_OK) {
        struct checkpoint_offset entry;
        while (checkpoint_next_offset(&reader, &entry) == CHECKPOINT_OK) {
            if (entry.partition == dir.partition && bytes_equal(entry.topic, dir.topic)) {
                start = entry.offset;
            }
        }
    }
    free(file);
    return start;
}

void recovery_default_sidecar(struct recovery *r)
{
    const int64_t base = r->logs.count > 0 ? r->logs.at[0] : r->out->log_start;
    r->out->sidecar = sidecar_blank(r->out->log_start, base);
    r->has_sidecar = false;
    r->trusted = -1;
}

bool recovery_log_exists(const struct recovery *r, int64_t base)
{
    return r->logs.count > 0 &&
           bsearch(&base, r->logs.at, r->logs.count, sizeof(base), recovery_by_offset) != NULL;
}

/* The mark holds when the segment it speaks of is there and long enough. A mark at the head of a
 * segment may come before that segment's file. */
static bool sidecar_holds(struct recovery *r, const struct sidecar *sidecar)
{
    if (sidecar->position == SIDECAR_POSITION_VOID) {
        return false; /* A file may be that long: room is reserved by whole blocks. */
    }
    if (!recovery_log_exists(r, sidecar->segment_base)) {
        return sidecar->position == 0 &&
               (r->logs.count == 0 || r->logs.at[r->logs.count - 1] < sidecar->segment_base);
    }
    const int64_t size =
        recovery_size_of(r, recovery_segment_path(r, sidecar->segment_base, SEGMENT_LOG));
    return size >= (int64_t)sidecar->position;
}

/* In place, in one sector: there need be no room for another file. */
void recovery_forget_mark(struct recovery *r, int64_t log_start)
{
    uint8_t file[SIDECAR_BYTES];
    struct sidecar mark = sidecar_blank(log_start, log_start);
    mark.position = SIDECAR_POSITION_VOID;
    const int fd = file_open(r->fs, recovery_file_path(r, SIDECAR_FILE), FILE_WRITE);
    if (fd < 0) {
        recovery_note(r, fd == -ENOENT ? 0 : fd);
        return;
    }
    sidecar_write(&mark, file);
    const int64_t written = file_write(r->fs, fd, file, sizeof(file), 0);
    int error = written < 0 ? (int)written : file_truncate(r->fs, fd, sizeof(file));
    if (error == 0) {
        error = file_sync(r->fs, fd);
    }
    file_close(r->fs, fd);
    recovery_note(r, error);
}

void recovery_read_sidecar(struct recovery *r)
{
    uint32_t len = 0;
    uint8_t *file =
        recovery_read_whole(r, recovery_file_path(r, SIDECAR_FILE), SIDECAR_BYTES, &len);
    struct sidecar sidecar;
    const bool readable = file != NULL && sidecar_read((struct bytes){file, len}, &sidecar);
    free(file);
    if (readable && sidecar_holds(r, &sidecar)) {
        r->out->sidecar = sidecar;
        r->out->log_start = sidecar.log_start;
        r->has_sidecar = true;
        r->trusted = sidecar.recovery_offset;
        return;
    }
    r->out->log_start = readable ? sidecar.log_start : kafka_log_start(r);
    if (file != NULL && !(readable && sidecar.position == SIDECAR_POSITION_VOID)) {
        recovery_forget_mark(r, r->out->log_start); /* A longer log must not make it look right. */
    }
    recovery_default_sidecar(r);
}

void recovery_read_epochs(struct recovery *r)
{
    uint32_t len = 0;
    uint8_t *file = recovery_read_whole(r, recovery_file_path(r, EPOCHS_FILE), 1 << 20, &len);
    struct checkpoint_reader reader;
    struct checkpoint_epoch entry;
    enum checkpoint_status status = CHECKPOINT_MISSING;
    if (file != NULL && checkpoint_open(&reader, (struct bytes){file, len}) == CHECKPOINT_OK) {
        while ((status = checkpoint_next_epoch(&reader, &entry)) == CHECKPOINT_OK) {
            (void)epoch_cache_assign(&r->epochs, entry.epoch, entry.start_offset);
        }
    }
    if (status != CHECKPOINT_END) { /* Damaged: the batches say it again. */
        epoch_cache_clear(&r->epochs);
        r->out->epochs_dirty = true;
    }
    free(file);
}

/* ---- Producers ------------------------------------------------------------------------------ */

/* The batches before the last of each, where our own file beside the snapshot tells them. */
static void load_marks(struct recovery *r, int64_t offset, uint32_t snapshot_crc)
{
    uint32_t len = 0;
    uint8_t *file = recovery_read_whole(r, recovery_segment_path(r, offset, SEGMENT_PRODUCERS),
                                        MARKS_BYTES_MAX, &len);
    const bool loaded = file != NULL && producer_marks_load((struct bytes){file, len}, offset,
                                                            snapshot_crc, &r->producers);
    (void)loaded; /* Else the last batch of each is known, as in Kafka. */
    free(file);
}

static bool load_snapshot(struct recovery *r, int64_t offset)
{
    uint32_t len = 0;
    uint8_t *file = recovery_read_whole(r, recovery_segment_path(r, offset, SEGMENT_SNAPSHOT),
                                        SNAPSHOT_BYTES_MAX, &len);
    uint32_t count = 0;
    const struct bytes bytes = {file, len};
    const bool right =
        file != NULL && producer_snapshot_check(bytes, &count) == PRODUCER_SNAPSHOT_OK;
    producer_state_clear(&r->producers, offset);
    for (uint32_t i = 0; right && i < count; i++) {
        const struct producer_snapshot_entry entry = producer_snapshot_read(bytes, i);
        if (producer_state_load(&r->producers, &entry) != PRODUCER_OK) {
            break; /* Bounded: the rest counts as expired. */
        }
    }
    if (right) {
        load_marks(r, offset, producer_snapshot_crc(file));
    }
    free(file);
    return right;
}

/* Producers from the newest good snapshot that the log is known to reach; the batches behind it
 * are replayed. */
void recovery_start_producers(struct recovery *r)
{
    const struct sidecar *sidecar = &r->out->sidecar;
    r->replay_from = r->logs.count > 0 ? r->logs.at[0] : r->out->log_start;
    producer_state_clear(&r->producers, r->replay_from);
    r->out->snapshot_offset = -1;
    if (r->has_sidecar && sidecar->snapshot_offset < 0) {
        r->replay_from = sidecar->recovery_offset;
        producer_state_clear(&r->producers, r->replay_from);
        return;
    }
    for (uint32_t i = r->snapshots.count; r->trusted >= 0 && i > 0; i--) {
        const int64_t offset = r->snapshots.at[i - 1];
        if (offset <= r->trusted && load_snapshot(r, offset)) {
            r->replay_from = offset;
            r->out->snapshot_offset = offset;
            return;
        }
    }
    producer_state_clear(&r->producers, r->replay_from);
}

/* Room for the producers of the largest snapshot and of the batches to be read. */
void recovery_make_producers(struct recovery *r)
{
    enum { UNDOS = 16, SPARE = 64, BYTES_PER_BATCH = 128 };
    uint64_t count = SPARE;
    for (uint32_t i = 0; i < r->snapshots.count; i++) {
        const int64_t bytes =
            recovery_size_of(r, recovery_segment_path(r, r->snapshots.at[i], SEGMENT_SNAPSHOT));
        count = max_u64(count, SPARE + (uint64_t)max_i64(bytes, 0) / PRODUCER_SNAPSHOT_ENTRY_BYTES);
    }
    for (uint32_t i = 0; i < r->logs.count; i++) {
        const int64_t bytes =
            recovery_size_of(r, recovery_segment_path(r, r->logs.at[i], SEGMENT_LOG));
        if (!r->has_sidecar || r->logs.at[i] > r->out->sidecar.segment_base) {
            count += (uint64_t)max_i64(bytes, 0) / BYTES_PER_BATCH;
        } else if (r->logs.at[i] == r->out->sidecar.segment_base) {
            count += (uint64_t)max_i64(bytes - r->out->sidecar.position, 0) / BYTES_PER_BATCH;
        }
    }
    const uint32_t capacity = (uint32_t)min_u64(count, PRODUCERS_MAX);
    if (posix_memalign(&r->pool_memory, 64, producer_pool_memory_bytes(capacity, UNDOS)) != 0) {
        r->pool_memory = NULL;
        recovery_note(r, -ENOMEM);
        return;
    }
    producer_pool_init(&r->pool, r->pool_memory, capacity, UNDOS);
    producer_state_init(&r->producers, &r->pool, 0);
}

int recovery_scan_open(struct recovery *r, const char *path, int64_t base, uint64_t file_bytes,
                       struct scan *scan)
{
    *scan = (struct scan){.window = {.fs = r->fs,
                                     .buffer = r->scan_buffer,
                                     .buffer_bytes = SCAN_BUFFER_BYTES,
                                     .file_bytes = file_bytes},
                          .next_offset = base};
    scan->window.fd = file_open_direct(r->fs, path, FILE_READ);
    return scan->window.fd < 0 ? scan->window.fd : 0;
}

void recovery_scan_all(struct recovery *r, struct scan *scan)
{
    scan->check_crc = true;
    while (scan_next(scan)) {
    }
    r->report->read_bytes += scan->window.read_bytes;
    file_close(r->fs, scan->window.fd);
}
