/* What a stop in order leaves, decoded strictly: as Kafka's DumpLogSegments would (H9), and each
 * file against the log it was made from. */
#include "tests/sim/sim_files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/aborted.h"
#include "storage/log/checkpoint_files.h"
#include "storage/log/index_format.h"
#include "storage/log/producer_snapshot.h"
#include "storage/log/segment_name.h"
#include "storage/log/sidecar.h"
#include "storage/record/batch.h"
#include "storage/record/record.h"

enum {
    FILES_MAX = 16384, /* Of a directory. */
    NAME_BYTES = 256,
    EPOCHS_MAX = 1024,
};

/* The names in one directory, sorted: of segments, by offset. */
struct names {
    char at[FILES_MAX][NAME_BYTES];
    bool directory[FILES_MAX];
    uint32_t count;
};

/* A partition's directory while it is looked at. */
struct checked {
    struct world *world;
    const char *path;
    bool compacted; /* Offsets may have holes. */
    struct names *names;
    int64_t start; /* Base of the first segment, -1 none. */
    int64_t log_start;
    int64_t end;
    int64_t last_base;
    uint32_t last_bytes;
    struct checkpoint_epoch epochs[EPOCHS_MAX]; /* As the batches say it. */
    uint32_t epoch_count;
    struct checkpoint_epoch filed[EPOCHS_MAX]; /* As the checkpoint does. */
};

/* ---- Reading -------------------------------------------------------------------------------- */

static void names_add(void *context, const char *name, bool directory)
{
    struct names *names = context;
    ASSERT(names->count < FILES_MAX && strlen(name) < NAME_BYTES);
    names->directory[names->count] = directory;
    memcpy(names->at[names->count++], name, strlen(name) + 1);
}

static struct names *names_of(struct world *world, const char *path)
{
    struct names *names = calloc(1, sizeof(*names));
    ASSERT(names != NULL);
    if (sim_machine_list(world->machine, path, names_add, names) != 0) {
        sim_fail("%s: there is no such directory", path);
    }
    return names;
}

/* The whole file, in memory of its own. */
static struct bytes file_of(struct world *world, const char *directory, const char *name)
{
    char path[2 * NAME_BYTES + 1];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    const int64_t size = sim_machine_file_size(world->machine, path);
    if (size < 0) {
        return (struct bytes){NULL, 0};
    }
    uint8_t *content = malloc((size_t)size + 1);
    ASSERT(content != NULL);
    (void)sim_machine_peek(world->machine, path, content, (uint64_t)size, 0);
    return (struct bytes){content, (uint32_t)size};
}

static void file_done(struct bytes file)
{
    free((void *)(uintptr_t)file.ptr);
}

static struct bytes sibling(const struct checked *checked, int64_t base, enum segment_file kind)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name_format((struct segment_name){base, kind, SEGMENT_LIVE}, name);
    return file_of(checked->world, checked->path, name);
}

/* ---- Segments ------------------------------------------------------------------------------- */

static void epoch_note(struct checked *checked, const struct batch_header *header)
{
    const int32_t before =
        checked->epoch_count == 0 ? -1 : checked->epochs[checked->epoch_count - 1].epoch;
    if (header->leader_epoch < before) {
        sim_fail("%s: offset %" PRId64 " has epoch %d behind epoch %d", checked->path,
                 header->base_offset, header->leader_epoch, before);
    }
    if (header->leader_epoch > before && checked->epoch_count < EPOCHS_MAX) {
        checked->epochs[checked->epoch_count++] =
            (struct checkpoint_epoch){header->leader_epoch, header->base_offset};
    }
}

static void batch_check(struct checked *checked, const char *name, int64_t base,
                        const struct batch_header *header, struct bytes batch)
{
    if (batch_check_crc(chain_of(&batch), header) != BATCH_OK || header->last_offset_delta < 0) {
        sim_fail("%s/%s: the batch at offset %" PRId64 " fails its CRC", checked->path, name,
                 header->base_offset);
    }
    if (header->base_offset < checked->end ||
        (header->base_offset > checked->end && !checked->compacted)) {
        sim_fail("%s/%s: offset %" PRId64 " stands where %" PRId64 " belongs", checked->path, name,
                 header->base_offset, checked->end);
    }
    ASSERT(header->base_offset >= base);
    checked->end = batch_last_offset(header) + 1;
    epoch_note(checked, header);
}

static void log_check(struct checked *checked, const char *name, int64_t base)
{
    const struct bytes file = file_of(checked->world, checked->path, name);
    struct bytes rest = file;
    struct batch_header header;
    struct bytes batch;
    if (checked->start < 0) {
        checked->start = base;
        checked->end = base;
    }
    if (base < checked->end || (base > checked->end && !checked->compacted)) {
        sim_fail("%s/%s: the segment before it ends at %" PRId64, checked->path, name,
                 checked->end);
    }
    while (rest.len > 0) {
        if (batch_next(&rest, &header, &batch) != BATCH_OK) {
            sim_fail("%s/%s: byte %u of %u begins no batch", checked->path, name,
                     file.len - rest.len, file.len);
        }
        batch_check(checked, name, base, &header, batch);
    }
    checked->last_base = base;
    checked->last_bytes = file.len;
    file_done(file);
}

static void index_check(const struct checked *checked, const char *name, int64_t base)
{
    const struct bytes log = sibling(checked, base, SEGMENT_LOG);
    const struct bytes file = file_of(checked->world, checked->path, name);
    if (log.ptr == NULL || file.len % OFFSET_INDEX_ENTRY_BYTES != 0 ||
        offset_index_valid_bytes(file, log.len) != file.len) {
        sim_fail("%s/%s: %u bytes, of which not all make sense", checked->path, name, file.len);
    }
    for (uint32_t i = 0; i < offset_index_entries(file); i++) {
        const struct offset_index_entry entry = offset_index_read(file, base, i);
        const struct bytes at = {log.ptr + entry.position, log.len - entry.position};
        struct batch_header header;
        if (batch_parse(chain_of(&at), &header) != BATCH_OK ||
            batch_last_offset(&header) != entry.offset) {
            sim_fail("%s/%s: entry %u says %" PRId64 " at %u, the log does not", checked->path,
                     name, i, entry.offset, entry.position);
        }
    }
    file_done(file);
    file_done(log);
}

static void time_index_check(const struct checked *checked, const char *name, int64_t base)
{
    const struct bytes log = sibling(checked, base, SEGMENT_LOG);
    const struct bytes file = file_of(checked->world, checked->path, name);
    if (log.ptr == NULL || file.len % TIME_INDEX_ENTRY_BYTES != 0 ||
        time_index_valid_bytes(file) != file.len) {
        sim_fail("%s/%s: %u bytes, of which not all make sense", checked->path, name, file.len);
    }
    struct bytes rest = log;
    struct batch_header header;
    struct bytes batch;
    int64_t largest = -1;
    uint32_t at = 0;
    while (at < time_index_entries(file) && batch_next(&rest, &header, &batch) == BATCH_OK) {
        const struct time_index_entry entry = time_index_read(file, base, at);
        largest = max_i64(largest, header.max_timestamp_ms);
        if (batch_last_offset(&header) < entry.offset) {
            continue;
        }
        const bool same = batch_last_offset(&header) == entry.offset &&
                          largest == entry.timestamp_ms && header.max_timestamp_ms == largest;
        if (!same && !checked->compacted) {
            sim_fail("%s/%s: entry %u says %" PRId64 " up to %" PRId64 ", the log does not",
                     checked->path, name, at, entry.timestamp_ms, entry.offset);
        }
        at++;
    }
    if (at < time_index_entries(file)) {
        sim_fail("%s/%s: entries behind the end of the log", checked->path, name);
    }
    file_done(file);
    file_done(log);
}

static void snapshot_check(const struct checked *checked, const char *name, int64_t offset)
{
    const struct bytes file = file_of(checked->world, checked->path, name);
    uint32_t count = 0;
    const enum producer_snapshot_status status = producer_snapshot_check(file, &count);
    if (status != PRODUCER_SNAPSHOT_OK) {
        sim_fail("%s/%s: %s", checked->path, name, producer_snapshot_status_name(status));
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct producer_snapshot_entry entry = producer_snapshot_read(file, i);
        if (entry.last_offset >= offset || entry.last_sequence < -1) {
            sim_fail("%s/%s: producer %" PRId64 " wrote offset %" PRId64, checked->path, name,
                     entry.producer_id, entry.last_offset);
        }
    }
    if (offset > checked->end) {
        sim_fail("%s/%s: the log ends at %" PRId64, checked->path, name, checked->end);
    }
    file_done(file);
}

/* ---- The partition's small files ------------------------------------------------------------ */

static void epochs_check(struct checked *checked)
{
    const struct bytes file = file_of(checked->world, checked->path, "leader-epoch-checkpoint");
    struct checkpoint_reader reader;
    struct checkpoint_epoch *filed = checked->filed;
    struct checkpoint_epoch entry;
    uint32_t count = 0;
    enum checkpoint_status status =
        file.ptr == NULL ? CHECKPOINT_END : checkpoint_open(&reader, file);
    while (status == CHECKPOINT_OK &&
           (status = checkpoint_next_epoch(&reader, &entry)) == CHECKPOINT_OK) {
        if (count > 0 && (entry.epoch <= filed[count - 1].epoch ||
                          entry.start_offset <= filed[count - 1].start_offset)) {
            sim_fail("%s: epoch %d does not follow epoch %d in leader-epoch-checkpoint",
                     checked->path, entry.epoch, filed[count - 1].epoch);
        }
        ASSERT(count < EPOCHS_MAX);
        filed[count++] = entry;
    }
    if (status != CHECKPOINT_END) {
        sim_fail("%s: leader-epoch-checkpoint is damaged (%d)", checked->path, (int)status);
    }
    for (uint32_t i = 0; i < checked->epoch_count; i++) {
        const struct checkpoint_epoch *batches = &checked->epochs[i];
        const int64_t next = i + 1 < checked->epoch_count ? batches[1].start_offset : checked->end;
        const int64_t begins = max_i64(batches->start_offset, checked->log_start);
        bool found = next <= checked->log_start; /* What is deleted has no epoch. */
        for (uint32_t j = 0; j < count; j++) {
            const bool begin = checked->compacted ? filed[j].start_offset <= begins
                                                  : filed[j].start_offset == begins;
            found = found || (filed[j].epoch == batches->epoch && begin);
        }
        if (!found) {
            sim_fail("%s: epoch %d begins at %" PRId64 ", leader-epoch-checkpoint does not say so",
                     checked->path, batches->epoch, begins);
        }
    }
    if (count > 0 && filed[count - 1].start_offset > checked->end) {
        sim_fail("%s: leader-epoch-checkpoint goes beyond the log", checked->path);
    }
    file_done(file);
}

static void sidecar_check(struct checked *checked)
{
    const struct bytes file = file_of(checked->world, checked->path, SIDECAR_FILE);
    struct sidecar sidecar;
    if (checked->start < 0) { /* Nothing yet, or all was deleted: it alone says where that ends. */
        if (file.ptr != NULL && sidecar_read(file, &sidecar) && sidecar.position == 0) {
            checked->end = sidecar.recovery_offset;
        } else if (file.ptr != NULL) {
            sim_fail("%s: " SIDECAR_FILE " is damaged or speaks of a file that is gone",
                     checked->path);
        }
        checked->log_start = checked->end;
        file_done(file);
        return;
    }
    if (file.ptr == NULL || !sidecar_read(file, &sidecar)) {
        sim_fail("%s: " SIDECAR_FILE " is damaged or missing", checked->path);
    }
    /* Rolled last of all: the next segment has no file yet, the last is cut and whole. */
    const bool ahead = sidecar.segment_base == checked->end && sidecar.position == 0;
    const bool here = sidecar.sealed && sidecar.segment_base == checked->last_base &&
                      sidecar.position == checked->last_bytes;
    if (sidecar.recovery_offset != checked->end || !(ahead || here)) {
        sim_fail("%s: " SIDECAR_FILE " says %ssealed at %" PRId64 " (%" PRId64
                 " + %u), the log ends at %" PRId64 " (%" PRId64 " + %u)",
                 checked->path, sidecar.sealed ? "" : "not ", sidecar.recovery_offset,
                 sidecar.segment_base, sidecar.position, checked->end, checked->last_base,
                 checked->last_bytes);
    }
    checked->log_start = sidecar.log_start;
    file_done(file);
}

static void identity_check(const struct checked *checked)
{
    const struct bytes file = file_of(checked->world, checked->path, "partition.metadata");
    struct partition_dir dir;
    struct uuid id;
    uint32_t line;
    const char *name = strrchr(checked->path, '/') + 1;
    if (file.ptr == NULL || partition_metadata_parse(file, &id, &line) != CHECKPOINT_OK ||
        !partition_dir_parse(bytes_of_string(name), &dir)) {
        sim_fail("%s: partition.metadata is damaged or missing", checked->path);
    }
    const struct ledger_partition *known =
        ledger_partition_find(checked->world->ledger, &id, (uint32_t)dir.partition);
    if (known != NULL && !ledger_suspected(known) && checked->end < ledger_readable(known)) {
        sim_fail("%s: ends at %" PRId64 ", readable was up to %" PRId64, checked->path,
                 checked->end, ledger_readable(known));
    }
    file_done(file);
}

static bool small_file(const char *name)
{
    static const char *const names[] = {"partition.metadata", "leader-epoch-checkpoint",
                                        "millrace.next", SIDECAR_FILE};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void txn_index_check(const struct checked *checked, const char *name, int64_t base)
{
    const struct bytes file = file_of(checked->world, checked->path, name);
    if (!txn_index_right(file, base, checked->end)) {
        sim_fail("%s/%s: %u bytes, of which not all make sense", checked->path, name, file.len);
    }
    file_done(file);
}

static void partition_files_check(struct checked *checked, enum segment_file kind)
{
    for (uint32_t i = 0; i < checked->names->count; i++) {
        const char *name = checked->names->at[i];
        struct segment_name parsed;
        if (!segment_name_parse(bytes_of_string(name), &parsed)) {
            if (!small_file(name)) {
                sim_fail("%s: what is %s?", checked->path, name);
            }
            continue;
        }
        if (parsed.mark != SEGMENT_LIVE || parsed.file != kind) {
            continue; /* Deleted ones wait for their delay. */
        }
        switch (kind) {
        case SEGMENT_LOG: log_check(checked, name, parsed.base_offset); break;
        case SEGMENT_INDEX: index_check(checked, name, parsed.base_offset); break;
        case SEGMENT_TIME_INDEX: time_index_check(checked, name, parsed.base_offset); break;
        case SEGMENT_SNAPSHOT: snapshot_check(checked, name, parsed.base_offset); break;
        case SEGMENT_TXN_INDEX: txn_index_check(checked, name, parsed.base_offset); break;
        case SEGMENT_PRODUCERS: /* Ours, with a checksum of its own. */
        case SEGMENT_FILES: break;
        }
    }
}

static bool is_compacted(const char *name)
{
    static const char *const topics[] = {"keys-", "__consumer_offsets-", "__transaction_state-"};
    for (uint32_t i = 0; i < ARRAY_SIZE(topics); i++) {
        if (strncmp(name, topics[i], strlen(topics[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void partition_check(struct world *world, const char *path)
{
    struct checked *checked = calloc(1, sizeof(*checked));
    ASSERT(checked != NULL);
    *checked = (struct checked){.world = world,
                                .path = path,
                                .compacted = is_compacted(strrchr(path, '/') + 1),
                                .names = names_of(world, path),
                                .start = -1};
    /* The log first: the others are held against it. */
    partition_files_check(checked, SEGMENT_LOG);
    sidecar_check(checked);
    partition_files_check(checked, SEGMENT_INDEX);
    partition_files_check(checked, SEGMENT_TIME_INDEX);
    partition_files_check(checked, SEGMENT_SNAPSHOT);
    partition_files_check(checked, SEGMENT_TXN_INDEX);
    epochs_check(checked);
    identity_check(checked);
    free(checked->names);
    free(checked);
}

/* ---- The metadata log and the directory ----------------------------------------------------- */

/* Its last batch may be torn: control is killed, not stopped. */
static void metadata_check(struct world *world, const char *path)
{
    struct names *names = names_of(world, path);
    for (uint32_t i = 0; i < names->count; i++) {
        struct segment_name parsed;
        if (!segment_name_parse(bytes_of_string(names->at[i]), &parsed) ||
            parsed.file != SEGMENT_LOG) {
            continue;
        }
        const struct bytes file = file_of(world, path, names->at[i]);
        struct bytes rest = file;
        struct batch_header header;
        struct bytes batch;
        int64_t next = parsed.base_offset;
        while (batch_next(&rest, &header, &batch) == BATCH_OK &&
               batch_check_crc(chain_of(&batch), &header) == BATCH_OK) {
            if (header.base_offset != next) {
                sim_fail("%s/%s: offset %" PRId64 " stands where %" PRId64 " belongs", path,
                         names->at[i], header.base_offset, next);
            }
            next = batch_last_offset(&header) + 1;
        }
        file_done(file);
    }
    free(names);
}

static void meta_properties_check(struct world *world, const char *directory)
{
    const struct bytes file = file_of(world, directory, "meta.properties");
    struct meta_properties meta;
    uint32_t line = 0;
    if (file.ptr == NULL || meta_properties_parse(file, &meta, &line) != CHECKPOINT_OK) {
        sim_fail("%s: meta.properties is damaged in line %u", directory, line);
    }
    file_done(file);
    const struct bytes mark = file_of(world, directory, ".kafka_cleanshutdown");
    if (mark.ptr == NULL) {
        sim_fail("%s: no mark of a clean stop", directory);
    }
    file_done(mark);
}

static void directory_check(struct world *world, const char *directory)
{
    struct names *names = names_of(world, directory);
    meta_properties_check(world, directory);
    for (uint32_t i = 0; i < names->count; i++) {
        struct partition_dir dir;
        char path[2 * NAME_BYTES];
        if (!names->directory[i] || !partition_dir_parse(bytes_of_string(names->at[i]), &dir)) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", directory, names->at[i]);
        if (strcmp(names->at[i], "__cluster_metadata-0") == 0) {
            metadata_check(world, path);
        } else if (dir.mark == PARTITION_DIR_LIVE) {
            partition_check(world, path);
        }
    }
    free(names);
}

void sim_files_check(struct world *world)
{
    for (uint32_t i = 0; i < world->options.directory_count; i++) {
        directory_check(world, world_directory(world, i));
    }
}
