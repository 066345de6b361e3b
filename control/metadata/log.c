#include "control/metadata/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/metadata/log_files.h"
#include "control/metadata/log_scan.h"
#include "storage/record/record.h"

static enum metadata_status log_fail(struct metadata_log *log, int error, const char *what,
                                     const char *name)
{
    (void)snprintf(log->reason, sizeof(log->reason), "%s %.150s: %s", what, name,
                   strerror(error < 0 ? -error : error));
    const bool full = error == -ENOSPC || error == -EDQUOT;
    return full ? METADATA_NO_SPACE : METADATA_IO_ERROR;
}

static enum metadata_status log_corrupt(struct metadata_log *log, const char *what,
                                        const char *name)
{
    (void)snprintf(log->reason, sizeof(log->reason), "%s in %.80s of the metadata log", what, name);
    return METADATA_CORRUPT;
}

/* ---- Opening -------------------------------------------------------------------------------- */

enum metadata_status metadata_log_open(struct metadata_log *log, struct file_system *files,
                                       const char *parent, int32_t node_id,
                                       _Atomic uint32_t *flushes_failed)
{
    memset(log, 0, sizeof(*log));
    log->files = files;
    log->flushes_failed = flushes_failed;
    log->node_id = node_id;
    log->lock = -1;
    log->segment = -1;
    log->checkpoint_end = -1;
    log->checkpoint_after_bytes = METADATA_CHECKPOINT_AFTER_BYTES;
    (void)snprintf(log->directory, sizeof(log->directory), "%.1024s/%s", parent,
                   LOG_DIRECTORY_NAME);
    int result = file_make_directory(files, log->directory);
    if (result == 0 || result == -EEXIST) { /* Perhaps made by one that was killed before this. */
        result = log_sync_directory(log, parent);
    }
    if (result < 0) {
        return log_fail(log, result, "cannot make", log->directory);
    }
    char path[METADATA_PATH_BYTES];
    log_path(log, path, ".lock");
    log->lock = file_open(files, path, FILE_READ | FILE_WRITE | FILE_CREATE);
    if (log->lock < 0) {
        return log_fail(log, log->lock, "cannot open", path);
    }
    result = file_lock(files, log->lock);
    if (result == -EWOULDBLOCK) {
        (void)snprintf(log->reason, sizeof(log->reason),
                       "another control process runs on this data directory");
        return METADATA_IN_USE;
    }
    return result < 0 ? log_fail(log, result, "cannot lock", path) : METADATA_OK;
}

static void segment_close(struct metadata_log *log)
{
    if (log->segment >= 0) {
        file_close(log->files, log->segment);
        log->segment = -1;
    }
}

void metadata_log_close(struct metadata_log *log)
{
    segment_close(log);
    if (log->lock >= 0) {
        file_close(log->files, log->lock);
        log->lock = -1;
    }
    free(log->buffer);
    log->buffer = NULL;
    log->buffer_bytes = 0;
}

static bool buffer_reserve(struct metadata_log *log, size_t bytes)
{
    if (bytes > log->buffer_bytes) {
        uint8_t *grown = realloc(log->buffer, bytes);
        if (grown == NULL) {
            return false;
        }
        log->buffer = grown;
        log->buffer_bytes = bytes;
    }
    return true;
}

/* ---- Loading -------------------------------------------------------------------------------- */

/* Reads a file of the log into the buffer. */
static enum metadata_status file_take(struct metadata_log *log, const char *name,
                                      struct bytes *content)
{
    char path[METADATA_PATH_BYTES];
    log_path(log, path, name);
    const int file = file_open(log->files, path, FILE_READ);
    if (file < 0) {
        return log_fail(log, file, "cannot open", name);
    }
    int64_t size = file_size(log->files, file);
    if (size >= 0 && (size > UINT32_MAX || !buffer_reserve(log, (size_t)size + 1))) {
        size = -ENOMEM;
    }
    if (size > 0) {
        size = file_read(log->files, file, log->buffer, (uint64_t)size, 0);
    }
    file_close(log->files, file);
    if (size < 0) {
        return log_fail(log, (int)size, "cannot read", name);
    }
    *content = (struct bytes){log->buffer, (uint32_t)size};
    return METADATA_OK;
}

static enum metadata_status records_hand_out(struct metadata_log *log, struct bytes batch,
                                             const struct batch_header *header,
                                             const struct metadata_reader *reader)
{
    const struct bytes records = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    struct record_cursor cursor = record_cursor_of(records, header->record_count);
    struct record record;
    enum record_status status;
    while ((status = record_next(&cursor, &record)) == RECORD_OK) {
        if (batch_is_control(header)) {
            continue; /* Leader changes and the frame of checkpoints change no state. */
        }
        const enum metadata_status result =
            reader->record(reader->context, record.value, log->reason, sizeof(log->reason));
        if (result != METADATA_OK) {
            return result;
        }
    }
    return status == RECORD_END ? METADATA_OK : log_corrupt(log, "a malformed record", "a batch");
}

/* A checkpoint counts only as a whole: header first, footer last, every batch sound. */
static enum metadata_status checkpoint_load(struct metadata_log *log, const struct log_names *names,
                                            uint32_t index, const struct metadata_reader *reader)
{
    struct bytes content;
    const struct checkpoint_name *checkpoint = &names->checkpoints[index];
    char name[LOG_NAME_BYTES];
    log_checkpoint_name_write(name, checkpoint);
    const enum metadata_status status = file_take(log, name, &content);
    if (status != METADATA_OK) {
        return status;
    }
    if (!scan_checkpoint(content)) {
        return log_corrupt(log, "damaged records", name);
    }
    struct batch_header header;
    struct bytes batch;
    while (batch_next(&content, &header, &batch) == BATCH_OK) {
        const enum metadata_status result = records_hand_out(log, batch, &header, reader);
        if (result != METADATA_OK) {
            return result;
        }
        log->last_timestamp_ms = max_i64(log->last_timestamp_ms, header.max_timestamp_ms);
    }
    log->checkpoint_end = checkpoint->end_offset;
    log->end_offset = checkpoint->end_offset;
    log->epoch = checkpoint->epoch;
    return METADATA_OK;
}

/* Hands out one file's batches from end_offset on. *sound: bytes up to the first that is none. */
static enum metadata_status segment_load(struct metadata_log *log, struct bytes content,
                                         int64_t stop_offset, const struct metadata_reader *reader,
                                         const char *name, uint32_t *sound)
{
    const uint32_t whole = content.len;
    struct batch_header header;
    struct bytes batch;
    while (scan_batch(&content, &header, &batch) == BATCH_OK) {
        if (header.base_offset >= stop_offset) {
            *sound = whole - content.len - batch.len;
            return METADATA_OK;
        }
        const int64_t next = batch_last_offset(&header) + 1;
        *sound = whole - content.len;
        if (next <= log->end_offset) {
            continue; /* The checkpoint has it. */
        }
        if (header.base_offset != log->end_offset || header.leader_epoch < log->epoch) {
            return log_corrupt(log, "records are missing", name);
        }
        const enum metadata_status status = records_hand_out(log, batch, &header, reader);
        if (status != METADATA_OK) {
            return status;
        }
        log->end_offset = next;
        log->epoch = header.leader_epoch;
        log->last_timestamp_ms = max_i64(log->last_timestamp_ms, header.max_timestamp_ms);
        log->bytes_behind_checkpoint += batch.len;
    }
    return METADATA_OK;
}

/* Cuts what lies behind the last sound batch and makes that durable. */
static enum metadata_status tail_cut(struct metadata_log *log)
{
    int result = file_truncate(log->files, log->segment, log->segment_bytes);
    if (result == 0) {
        result = log_sync(log);
    }
    if (result < 0) {
        log->tail_dirty = true;
        return log_fail(log, result, "cannot cut the last file of", log->directory);
    }
    log->tail_dirty = false;
    return METADATA_OK;
}

/* A process that was killed may have made names that only a sync makes durable; what is committed
 * from now on builds upon them. */
static enum metadata_status names_keep(struct metadata_log *log)
{
    const int result = log_sync_directory(log, log->directory);
    log->names_dirty = result < 0;
    return result < 0 ? log_fail(log, result, "cannot sync", log->directory) : METADATA_OK;
}

static enum metadata_status segment_open(struct metadata_log *log, int64_t base, bool create)
{
    char name[LOG_NAME_BYTES];
    char path[METADATA_PATH_BYTES];
    log_segment_name_write(name, base);
    log_path(log, path, name);
    const unsigned mode = FILE_READ | FILE_WRITE | (create ? FILE_CREATE : 0u);
    const int file = file_open(log->files, path, mode);
    if (file < 0) {
        return log_fail(log, file, "cannot open", name);
    }
    segment_close(log);
    log->segment = file;
    log->segment_base = base;
    log->segment_bytes = 0;
    /* Also when that fails: its name may be there for good, and a start that finds it behind a
     * checkpoint looks into no file before it. */
    return create ? names_keep(log) : METADATA_OK;
}

/* The file that commits go to, once all before it are read. */
static enum metadata_status last_segment_take(struct metadata_log *log, int64_t base,
                                              uint32_t sound, struct bytes content,
                                              const char *name, bool reload)
{
    const struct bytes tail = {content.ptr + sound, content.len - sound};
    if (!reload && scan_finds_batch(tail, log->end_offset)) {
        return log_corrupt(log, "a damaged batch with whole ones behind it", name);
    }
    const enum metadata_status status = segment_open(log, base, false);
    if (status != METADATA_OK) {
        return status;
    }
    log->segment_bytes = sound;
    return tail.len > 0 || log->tail_dirty ? tail_cut(log) : METADATA_OK;
}

static enum metadata_status segments_load(struct metadata_log *log, const struct log_names *names,
                                          int64_t stop_offset, const struct metadata_reader *reader)
{
    const bool reload = stop_offset != INT64_MAX;
    for (uint32_t i = 0; i < names->segment_count; i++) {
        const int64_t base = names->segments[i];
        const bool last = i + 1 == names->segment_count;
        if (!last && names->segments[i + 1] <= log->end_offset) {
            continue; /* All of it is in the checkpoint. */
        }
        char name[LOG_NAME_BYTES];
        struct bytes content;
        log_segment_name_write(name, base);
        if (base > log->end_offset) {
            return log_corrupt(log, "records before the first are missing", name);
        }
        enum metadata_status status = file_take(log, name, &content);
        uint32_t sound = 0;
        if (status == METADATA_OK) {
            status = segment_load(log, content, stop_offset, reader, name, &sound);
        }
        if (status == METADATA_OK && last) {
            status = last_segment_take(log, base, sound, content, name, reload);
        } else if (status == METADATA_OK && sound < content.len) {
            status = log_corrupt(log, "damaged records", name);
        }
        if (status != METADATA_OK) {
            return status;
        }
    }
    return METADATA_OK;
}

enum metadata_status metadata_log_load(struct metadata_log *log,
                                       const struct metadata_reader *reader)
{
    const bool reload = log->segment >= 0;
    const int64_t stop_offset = reload ? log->end_offset : INT64_MAX;
    const int32_t epoch = log->epoch;
    struct log_names *names = calloc(1, sizeof(*names));
    if (names == NULL) {
        return log_fail(log, -ENOMEM, "cannot list", log->directory);
    }
    const int listed = log_names_list(log, names);
    enum metadata_status status = METADATA_OK;
    if (listed < 0) {
        status = log_fail(log, listed, "cannot list", log->directory);
    }
    log->end_offset = 0;
    log->epoch = 0;
    log->checkpoint_end = -1;
    log->bytes_behind_checkpoint = 0;
    if (status == METADATA_OK && names->checkpoint_count > 0) {
        status = checkpoint_load(log, names, names->checkpoint_count - 1, reader);
    }
    if (status == METADATA_OK && names->segment_count > 0) {
        status = segments_load(log, names, stop_offset, reader);
    } else if (status == METADATA_OK && reload) {
        status = log_corrupt(log, "no file is left", log->directory);
    }
    free(names);
    if (status == METADATA_OK && reload && log->end_offset != stop_offset) {
        status = log_corrupt(log, "acknowledged records are gone", log->directory);
    }
    if (reload) {
        log->epoch = epoch;
        log->end_offset = stop_offset;
    }
    if (status == METADATA_OK && log->segment < 0) {
        status = segment_open(log, log->end_offset, true);
    } else if (status == METADATA_OK && !reload) {
        status = names_keep(log);
    }
    return status;
}

/* ---- Committing ----------------------------------------------------------------------------- */

static enum metadata_status batch_append(struct metadata_log *log, struct bytes batch,
                                         int32_t count)
{
    if (log->names_dirty) {
        const enum metadata_status status = names_keep(log);
        if (status != METADATA_OK) {
            return status;
        }
    }
    if (log->tail_dirty) {
        const enum metadata_status status = tail_cut(log);
        if (status != METADATA_OK) {
            return status;
        }
    }
    log->tail_dirty = true; /* Until the sync says otherwise. */
    const int64_t written =
        file_write(log->files, log->segment, batch.ptr, batch.len, log->segment_bytes);
    if (written != batch.len) {
        return log_fail(log, written < 0 ? (int)written : -EIO, "cannot append to", log->directory);
    }
    const int synced = log_sync(log);
    if (synced < 0) {
        return log_fail(log, synced, "cannot sync a file of", log->directory);
    }
    log->tail_dirty = false;
    log->segment_bytes += batch.len;
    log->bytes_behind_checkpoint += batch.len;
    log->end_offset += count;
    return METADATA_OK;
}

static struct batch_options options_of(const struct metadata_log *log, int64_t base_offset,
                                       uint16_t attributes)
{
    struct batch_options options = batch_options_none();
    options.base_offset = base_offset;
    options.leader_epoch = log->epoch;
    options.attributes = attributes;
    return options;
}

/* All records as one batch at `at` of the buffer. */
static struct bytes changes_batch(struct metadata_log *log, const struct changes *changes,
                                  int64_t base_offset, int64_t timestamp_ms, uint8_t *at,
                                  uint32_t room)
{
    const struct batch_options options = options_of(log, base_offset, 0);
    const struct bytes none = {0};
    struct batch_builder builder;
    struct bytes record;
    size_t position = 0;
    batch_builder_init(&builder, at, room, &options);
    while (changes_next(changes, &position, &record)) {
        const bool added = batch_builder_add(&builder, timestamp_ms, none, record, NULL, 0);
        ASSERT(added);
    }
    return batch_builder_finish(&builder);
}

static size_t changes_room(const struct changes *changes)
{
    return BATCH_HEADER_BYTES + changes->used + (size_t)changes->count * record_size_max(0, 0);
}

enum metadata_status metadata_log_commit(struct metadata_log *log, const struct changes *changes,
                                         int64_t wall_ms)
{
    if (changes->count == 0) {
        return METADATA_OK;
    }
    const size_t room = changes_room(changes);
    if (room > INT32_MAX || !buffer_reserve(log, room)) {
        return log_fail(log, -ENOMEM, "no memory for a commit to", log->directory);
    }
    log->last_timestamp_ms = max_i64(log->last_timestamp_ms, wall_ms);
    const struct bytes batch =
        changes_batch(log, changes, log->end_offset, wall_ms, log->buffer, (uint32_t)room);
    return batch_append(log, batch, (int32_t)changes->count);
}

/* A batch of one control record. */
static struct bytes control_batch(const struct metadata_log *log, int64_t base_offset,
                                  int64_t timestamp_ms, enum record_control_type type,
                                  struct bytes value, uint8_t *at, uint32_t room)
{
    const struct batch_options options = options_of(log, base_offset, BATCH_CONTROL);
    uint8_t key[RECORD_CONTROL_KEY_BYTES];
    record_control_key_write(key, type);
    struct batch_builder builder;
    batch_builder_init(&builder, at, room, &options);
    const bool added =
        batch_builder_add(&builder, timestamp_ms, (struct bytes){key, sizeof(key)}, value, NULL, 0);
    ASSERT(added);
    return batch_builder_finish(&builder);
}

enum metadata_status metadata_log_lead(struct metadata_log *log, int64_t wall_ms)
{
    int32_t epoch = log->epoch;
    int result = quorum_state_read(log, &epoch);
    if (result == 0) {
        log->epoch = (epoch > log->epoch ? epoch : log->epoch) + 1;
        result = quorum_state_write(log);
    }
    if (result < 0) {
        return log_fail(log, result, "cannot renew quorum-state in", log->directory);
    }
    struct leader_change_message_voter voter = leader_change_message_voter_default;
    voter.voter_id = log->node_id;
    struct leader_change_message message = leader_change_message_default;
    message.leader_id = log->node_id;
    message.voters.items = &voter;
    message.voters.count = 1;
    message.granting_voters.items = &voter;
    message.granting_voters.count = 1;
    uint8_t value[64];
    uint8_t batch[256];
    struct writer writer;
    writer_init(&writer, value, sizeof(value));
    const enum codec_status status = leader_change_message_encode(&writer, 0, &message);
    ASSERT(status == CODEC_OK);
    log->last_timestamp_ms = max_i64(log->last_timestamp_ms, wall_ms);
    return batch_append(log,
                        control_batch(log, log->end_offset, wall_ms, RECORD_CONTROL_LEADER_CHANGE,
                                      (struct bytes){value, writer_used(&writer)}, batch,
                                      sizeof(batch)),
                        1);
}

/* ---- Checkpoints ---------------------------------------------------------------------------- */

bool metadata_log_wants_checkpoint(const struct metadata_log *log)
{
    return log->bytes_behind_checkpoint > log->checkpoint_after_bytes;
}

/* Header, state, footer; offsets inside a checkpoint count from 0. */
static struct bytes checkpoint_build(struct metadata_log *log, const struct changes *state,
                                     uint32_t room)
{
    uint8_t value[32];
    struct writer writer;
    struct snapshot_header_record header = snapshot_header_record_default;
    header.last_contained_log_timestamp = log->last_timestamp_ms;
    writer_init(&writer, value, sizeof(value));
    enum codec_status status = snapshot_header_record_encode(&writer, 0, &header);
    ASSERT(status == CODEC_OK);
    const int64_t timestamp_ms = log->last_timestamp_ms;
    uint32_t used = control_batch(log, 0, timestamp_ms, RECORD_CONTROL_SNAPSHOT_HEADER,
                                  (struct bytes){value, writer_used(&writer)}, log->buffer, room)
                        .len;
    if (state->count > 0) {
        used += changes_batch(log, state, 1, timestamp_ms, log->buffer + used, room - used).len;
    }
    const struct snapshot_footer_record footer = snapshot_footer_record_default;
    writer_init(&writer, value, sizeof(value));
    status = snapshot_footer_record_encode(&writer, 0, &footer);
    ASSERT(status == CODEC_OK);
    used +=
        control_batch(log, 1 + state->count, timestamp_ms, RECORD_CONTROL_SNAPSHOT_FOOTER,
                      (struct bytes){value, writer_used(&writer)}, log->buffer + used, room - used)
            .len;
    return (struct bytes){log->buffer, used};
}

/* What a checkpoint at end_offset makes superfluous; what stays behind after a failure is removed
 * by the next one. */
static void older_remove(struct metadata_log *log)
{
    struct log_names *names = calloc(1, sizeof(*names));
    if (names == NULL || log_names_list(log, names) < 0) {
        free(names);
        return;
    }
    char name[LOG_NAME_BYTES];
    for (uint32_t i = 0; i < names->segment_count; i++) {
        if (names->segments[i] < log->segment_base) {
            log_segment_name_write(name, names->segments[i]);
            log_file_remove(log, name);
        }
    }
    for (uint32_t i = 0; i < names->checkpoint_count; i++) {
        if (names->checkpoints[i].end_offset < log->checkpoint_end) {
            log_checkpoint_name_write(name, &names->checkpoints[i]);
            log_file_remove(log, name);
        }
    }
    free(names);
}

enum metadata_status metadata_log_checkpoint(struct metadata_log *log, const struct changes *state)
{
    /* When it fails: not again before as much has been appended. */
    log->bytes_behind_checkpoint = 0;
    const size_t room = changes_room(state) + 1024;
    if (room > INT32_MAX || !buffer_reserve(log, room)) {
        return log_fail(log, -ENOMEM, "no memory for a checkpoint of", log->directory);
    }
    const struct bytes content = checkpoint_build(log, state, (uint32_t)room);
    const struct checkpoint_name checkpoint = {log->end_offset, log->epoch};
    char name[LOG_NAME_BYTES];
    char path[METADATA_PATH_BYTES];
    log_checkpoint_name_write(name, &checkpoint);
    log_path(log, path, name);
    const int replaced = log_replace(log, path, content);
    if (replaced < 0) {
        return log_fail(log, replaced, "cannot write", name);
    }
    log->checkpoint_end = checkpoint.end_offset;
    if (log->segment_base < log->end_offset) {
        const enum metadata_status status = segment_open(log, log->end_offset, true);
        if (status != METADATA_OK) {
            return status;
        }
    }
    older_remove(log);
    return METADATA_OK;
}
