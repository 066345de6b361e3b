/* The other files of a partition: indexes and snapshots against the log, checkpoints. */
#include <errno.h>

#include "storage/log/index_format.h"
#include "storage/log/producer_marks.h"
#include "storage/log/producer_snapshot.h"
#include "storage/log/sidecar.h"
#include "tools/log_verify.h"

enum { TXN_INDEX_ENTRY_BYTES = 34 };

static bool map_log(struct verify *verify, const char *path, int64_t base_offset,
                    struct log_map *map)
{
    if (log_map_beside(path, base_offset, SEGMENT_LOG, map)) {
        return true;
    }
    verify_problem(verify, path, 0, "its .log: %s", strerror(errno));
    return false;
}

/* Each entry must name the last offset of the batch that stands at its position. */
void verify_index(struct verify *verify, const char *path, struct bytes file, int64_t base_offset)
{
    struct log_map log;
    if (!map_log(verify, path, base_offset, &log)) {
        return;
    }
    const uint32_t valid = offset_index_valid_bytes(file, log.bytes.len);
    for (uint32_t i = 0; i < valid / OFFSET_INDEX_ENTRY_BYTES; i++) {
        const struct offset_index_entry entry = offset_index_read(file, base_offset, i);
        const struct bytes at = {log.bytes.ptr + entry.position, log.bytes.len - entry.position};
        struct batch_header header;
        if (batch_parse(chain_of(&at), &header) != BATCH_OK ||
            batch_last_offset(&header) != entry.offset) {
            verify_problem(verify, path, (int64_t)i * OFFSET_INDEX_ENTRY_BYTES,
                           "no batch that ends with offset %lld stands at %u",
                           (long long)entry.offset, entry.position);
        }
    }
    const struct bytes rest = {file.ptr + valid, file.len - valid};
    if (!log_all_zero(rest)) {
        verify_problem(verify, path, valid, "an entry that does not grow or lies outside the log");
    }
    log_map_close(&log);
}

/* Each entry must name a batch by its last offset and that batch's largest timestamp, which none
 * before it reaches. */
void verify_time_index(struct verify *verify, const char *path, struct bytes file,
                       int64_t base_offset)
{
    struct log_map log;
    if (!map_log(verify, path, base_offset, &log)) {
        return;
    }
    const uint32_t valid = time_index_valid_bytes(file);
    struct log_walk walk = log_walk_of(log.bytes);
    struct batch_header header;
    struct bytes batch;
    uint32_t at = 0;
    const uint32_t count = valid / TIME_INDEX_ENTRY_BYTES;
    while (at < count && log_walk_next(&walk, &header, &batch)) {
        const struct time_index_entry entry = time_index_read(file, base_offset, at);
        if (batch_last_offset(&header) < entry.offset) {
            continue;
        }
        if (batch_last_offset(&header) != entry.offset ||
            header.max_timestamp_ms != entry.timestamp_ms) {
            verify_problem(verify, path, (int64_t)at * TIME_INDEX_ENTRY_BYTES,
                           "time %lld up to offset %lld is not what the log says",
                           (long long)entry.timestamp_ms, (long long)entry.offset);
        }
        at++;
    }
    if (at < count) {
        verify_problem(verify, path, (int64_t)at * TIME_INDEX_ENTRY_BYTES,
                       "entries behind the end of the log");
    }
    const struct bytes rest = {file.ptr + valid, file.len - valid};
    if (!log_all_zero(rest)) {
        verify_problem(verify, path, valid, "an entry that does not grow");
    }
    log_map_close(&log);
}

void verify_snapshot(struct verify *verify, const char *path, struct bytes file, int64_t offset)
{
    uint32_t count = 0;
    const enum producer_snapshot_status status = producer_snapshot_check(file, &count);
    if (status != PRODUCER_SNAPSHOT_OK) {
        verify_problem(verify, path, 0, "a producer snapshot that is %s",
                       producer_snapshot_status_name(status));
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct producer_snapshot_entry entry = producer_snapshot_read(file, i);
        if (entry.producer_id < 0 || entry.last_offset >= offset || entry.epoch < 0) {
            verify_problem(
                verify, path,
                PRODUCER_SNAPSHOT_HEADER_BYTES + (int64_t)i * PRODUCER_SNAPSHOT_ENTRY_BYTES,
                "producer %lld at offset %lld in a snapshot of what is before %lld",
                (long long)entry.producer_id, (long long)entry.last_offset, (long long)offset);
        }
    }
}

/* The same producer in the snapshot. */
static bool snapshot_find(struct bytes snapshot, uint32_t count, int64_t producer_id,
                          struct producer_snapshot_entry *entry)
{
    for (uint32_t i = 0; i < count; i++) {
        *entry = producer_snapshot_read(snapshot, i);
        if (entry->producer_id == producer_id) {
            return true;
        }
    }
    return false;
}

/* Its batches grow, and the last of them is the one that the snapshot holds. */
static bool marks_fit(const struct producer_values *values,
                      const struct producer_snapshot_entry *last)
{
    for (uint32_t i = 1; i < values->batch_count; i++) {
        if (values->batches[i].last_offset <= values->batches[i - 1].last_offset) {
            return false;
        }
    }
    const struct producer_batch_mark *newest = &values->batches[values->batch_count - 1];
    return values->epoch == last->epoch && newest->last_offset == last->last_offset &&
           newest->last_sequence == last->last_sequence;
}

/* Each producer of a whole file must go on from what the snapshot beside it says. A start ignores
 * the file where it is damaged or belongs to another snapshot. */
void verify_producers(struct verify *verify, const char *path, struct bytes file, int64_t offset)
{
    struct log_map snapshot;
    struct producer_marks marks;
    uint32_t count = 0;
    if (!producer_marks_open(file, &marks) || marks.offset != offset) {
        verify_warning(verify, path, 0, "damaged: one batch of each producer will be known");
        return;
    }
    if (!log_map_beside(path, offset, SEGMENT_SNAPSHOT, &snapshot)) {
        verify_warning(verify, path, 0, "its .snapshot: %s", strerror(errno));
        return;
    }
    if (producer_snapshot_check(snapshot.bytes, &count) != PRODUCER_SNAPSHOT_OK ||
        producer_snapshot_crc(snapshot.bytes.ptr) != marks.snapshot_crc) {
        verify_warning(verify, path, 16, "belongs to another .snapshot");
        count = 0;
        marks.rest.len = 0;
    }
    struct producer_values values;
    struct producer_snapshot_entry last;
    while (producer_marks_next(&marks, &values)) {
        if (!snapshot_find(snapshot.bytes, count, values.producer_id, &last) ||
            !marks_fit(&values, &last)) {
            verify_problem(verify, path, (int64_t)(marks.rest.ptr - file.ptr),
                           "producer %lld is not what the .snapshot says",
                           (long long)values.producer_id);
        }
    }
    log_map_close(&snapshot);
}

void verify_txn_index(struct verify *verify, const char *path, struct bytes file)
{
    int64_t last = -1;
    for (uint32_t at = 0; at < file.len; at += TXN_INDEX_ENTRY_BYTES) {
        if (file.len - at < TXN_INDEX_ENTRY_BYTES || load_be16(file.ptr + at) != 0 ||
            (int64_t)load_be64(file.ptr + at + 18) <= last) {
            verify_problem(verify, path, at, "no entry of an aborted transaction");
            return;
        }
        last = (int64_t)load_be64(file.ptr + at + 18);
    }
}

/* ---- Checkpoints ----------------------------------------------------------------------------- */

/* The log says where each epoch begins; the file may begin later, when the log's start moved. */
static void check_epochs(struct verify *verify, const char *path,
                         const struct checkpoint_epoch *entries, uint32_t count)
{
    for (uint32_t i = 0; i < verify->epoch_count; i++) {
        const struct verify_epoch *seen = &verify->epochs[i];
        const struct checkpoint_epoch *covers = NULL;
        for (uint32_t j = 0; j < count && entries[j].start_offset <= seen->first_offset; j++) {
            covers = &entries[j];
        }
        const bool before_all = covers == NULL && count > 0 && i == 0;
        if (!before_all && (covers == NULL || covers->epoch != seen->epoch)) {
            verify_warning(verify, path, 0,
                           "epoch %d begins at offset %lld in the log, not in this file",
                           seen->epoch, (long long)seen->first_offset);
            return;
        }
    }
}

static void verify_epochs(struct verify *verify, const char *path, struct bytes file)
{
    struct checkpoint_reader reader;
    struct checkpoint_epoch *entries = verify->filed;
    uint32_t count = 0;
    enum checkpoint_status status = checkpoint_open(&reader, file);
    while (status == CHECKPOINT_OK) {
        struct checkpoint_epoch entry;
        status = checkpoint_next_epoch(&reader, &entry);
        if (status != CHECKPOINT_OK) {
            break;
        }
        if (count > 0 && (entry.epoch <= entries[count - 1].epoch ||
                          entry.start_offset <= entries[count - 1].start_offset)) {
            verify_problem(verify, path, 0, "line %u does not grow", reader.line);
            return;
        }
        if (count < VERIFY_EPOCHS_MAX) {
            entries[count++] = entry;
        }
    }
    if (status != CHECKPOINT_END) {
        verify_problem(verify, path, 0, "line %u: %s", reader.line, checkpoint_status_name(status));
        return;
    }
    if (count < VERIFY_EPOCHS_MAX) {
        check_epochs(verify, path, entries, count);
    }
}

static void verify_sidecar(struct verify *verify, const char *path, struct bytes file)
{
    struct sidecar sidecar;
    if (!sidecar_read(file, &sidecar)) {
        verify_warning(verify, path, 0, "not readable: the next start reads the whole partition");
    } else if (verify->next_offset >= 0 && sidecar.recovery_offset > verify->next_offset) {
        verify_problem(verify, path, 16,
                       "all before offset %lld was durable, but the log ends at "
                       "%lld",
                       (long long)sidecar.recovery_offset, (long long)verify->next_offset);
    }
}

void verify_small_file(struct verify *verify, const char *path, struct bytes file)
{
    const char *base = log_base_name(path);
    uint32_t line = 0;
    enum checkpoint_status status = CHECKPOINT_OK;
    if (strcmp(base, "leader-epoch-checkpoint") == 0) {
        verify_epochs(verify, path, file);
    } else if (strcmp(base, SIDECAR_FILE) == 0) {
        verify_sidecar(verify, path, file);
    } else if (strcmp(base, "partition.metadata") == 0) {
        struct uuid id;
        status = partition_metadata_parse(file, &id, &line);
    } else if (strcmp(base, "meta.properties") == 0) {
        struct meta_properties properties;
        status = meta_properties_parse(file, &properties, &line);
    }
    if (status != CHECKPOINT_OK) {
        verify_problem(verify, path, 0, "line %u: %s", line, checkpoint_status_name(status));
    }
}
