#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>

#include "storage/log/index_format.h"
#include "storage/log/producer_snapshot.h"
#include "tools/batch_records.h"
#include "tools/commands.h"
#include "tools/log_files.h"
#include "tools/progress.h"

/* What a walk over directories found. */
struct verify {
    uint64_t partitions;
    uint64_t segments;
    uint64_t batches;
    uint64_t records;
    uint64_t bytes; /* Of batches. */
    uint64_t zero_bytes;
    uint64_t problems;
    json_t *told; /* Of -o json, else NULL. */
    struct batch_records inflated;
    struct progress progress;
    /* Of the partition at hand. */
    int64_t next_offset; /* -1: any. */
    int32_t leader_epoch;
};

static struct verify verify;

__attribute__((format(printf, 3, 4))) static void problem(const char *path, int64_t position,
                                                          const char *format, ...)
{
    char what[300];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    verify.problems++;
    if (verify.told != NULL) {
        (void)json_array_append_new(verify.told,
                                    json_pack("{s:s, s:I, s:s}", "file", path, "position",
                                              (json_int_t)position, "what", what));
    } else {
        progress_end(&verify.progress);
        (void)printf("%s at %lld: %s\n", path, (long long)position, what);
    }
}

/* ---- .log ----------------------------------------------------------------------------------- */

static void check_records(const char *path, uint32_t position, const struct batch_header *header,
                          struct bytes batch)
{
    struct record_cursor cursor;
    struct record record;
    enum record_status status;
    if (!batch_records_open(&verify.inflated, batch, header, &cursor)) {
        problem(path, position, "a %s batch that cannot be inflated",
                batch_codec_name(batch_codec(header)));
        return;
    }
    int32_t last_delta = -1;
    while ((status = record_next(&cursor, &record)) == RECORD_OK) {
        if (record.offset_delta <= last_delta || record.offset_delta > header->last_offset_delta) {
            problem(path, position, "offset delta %d behind %d", record.offset_delta, last_delta);
            return;
        }
        last_delta = record.offset_delta;
        verify.records++;
    }
    if (status == RECORD_BAD) {
        problem(path, position, "a broken record behind offset delta %d", last_delta);
    }
}

static void check_batch(const char *path, uint32_t position, const struct batch_header *header,
                        struct bytes batch)
{
    verify.batches++;
    verify.bytes += header->size_bytes;
    if (batch_check_crc(chain_of(&batch), header) != BATCH_OK) {
        problem(path, position, "wrong checksum");
    } else {
        check_records(path, position, header, batch);
    }
    if (verify.next_offset >= 0 && header->base_offset < verify.next_offset) {
        problem(path, position, "offset %lld where %lld is the next",
                (long long)header->base_offset, (long long)verify.next_offset);
    }
    if (header->leader_epoch < verify.leader_epoch) {
        problem(path, position, "leader epoch %d behind %d", header->leader_epoch,
                verify.leader_epoch);
    }
    verify.next_offset = batch_last_offset(header) + 1;
    verify.leader_epoch = header->leader_epoch;
    progress_tick(&verify.progress, verify.records, 0, verify.bytes);
}

static void check_log(const char *path, struct bytes file, int64_t base_offset)
{
    struct log_walk walk = log_walk_of(file);
    struct batch_header header;
    struct bytes batch;
    verify.segments++;
    if (verify.next_offset >= 0 && base_offset < verify.next_offset) {
        problem(path, 0, "the segment begins at %lld, but the one before reaches %lld",
                (long long)base_offset, (long long)verify.next_offset - 1);
    }
    verify.next_offset = base_offset;
    while (log_walk_next(&walk, &header, &batch)) {
        check_batch(path, walk.position, &header, batch);
    }
    switch (log_walk_end(&walk)) {
    case LOG_END_CLEAN: break;
    case LOG_END_ZEROS: verify.zero_bytes += walk.rest.len; break;
    case LOG_END_TORN:
        problem(path, walk.position, "%u bytes that are no batch", walk.rest.len);
        break;
    }
}

/* ---- Indexes -------------------------------------------------------------------------------- */

/* The .log beside an index; false when it is not there. */
static bool map_log_beside(const char *path, int64_t base_offset, struct log_map *map)
{
    char name[SEGMENT_NAME_BYTES];
    char *other = NULL;
    const struct segment_name log = {base_offset, SEGMENT_LOG, SEGMENT_LIVE};
    segment_name_format(log, name);
    const int len = asprintf(&other, "%.*s%s", (int)(log_base_name(path) - path), path, name);
    ASSERT(len > 0 && "no memory");
    const bool good = log_map_open(other, map);
    if (!good) {
        problem(path, 0, "there is no %s beside it", name);
    }
    free(other);
    return good;
}

/* Each entry must name the last offset of the batch that stands at its position. */
static void check_index(const char *path, struct bytes file, int64_t base_offset)
{
    struct log_map log;
    if (!map_log_beside(path, base_offset, &log)) {
        return;
    }
    const uint32_t valid = offset_index_valid_bytes(file, log.bytes.len);
    const struct bytes rest = {file.ptr + valid, file.len - valid};
    if (!log_all_zero(rest)) {
        problem(path, valid, "an entry that does not grow or lies outside the log");
    }
    for (uint32_t i = 0; i < valid / OFFSET_INDEX_ENTRY_BYTES; i++) {
        const struct offset_index_entry entry = offset_index_read(file, base_offset, i);
        const struct bytes at = {log.bytes.ptr + entry.position, log.bytes.len - entry.position};
        struct batch_header header;
        if (batch_parse(chain_of(&at), &header) != BATCH_OK ||
            batch_last_offset(&header) != entry.offset) {
            problem(path, (int64_t)i * OFFSET_INDEX_ENTRY_BYTES,
                    "no batch that ends with offset %lld stands at %u", (long long)entry.offset,
                    entry.position);
        }
    }
    log_map_close(&log);
}

static void check_time_index(const char *path, struct bytes file, int64_t base_offset)
{
    struct log_map log;
    if (!map_log_beside(path, base_offset, &log)) {
        return;
    }
    const uint32_t valid = time_index_valid_bytes(file);
    const struct bytes rest = {file.ptr + valid, file.len - valid};
    if (!log_all_zero(rest)) {
        problem(path, valid, "an entry that does not grow");
    }
    struct log_walk walk = log_walk_of(log.bytes);
    struct batch_header header;
    struct bytes batch;
    int64_t newest = -1;
    uint32_t at = 0;
    const uint32_t count = valid / TIME_INDEX_ENTRY_BYTES;
    while (at < count && log_walk_next(&walk, &header, &batch)) {
        const struct time_index_entry entry = time_index_read(file, base_offset, at);
        newest = max_i64(newest, header.max_timestamp_ms);
        if (batch_last_offset(&header) < entry.offset) {
            continue;
        }
        if (batch_last_offset(&header) != entry.offset || newest < entry.timestamp_ms) {
            problem(path, (int64_t)at * TIME_INDEX_ENTRY_BYTES,
                    "time %lld up to offset %lld is not what the log says",
                    (long long)entry.timestamp_ms, (long long)entry.offset);
        }
        at++;
    }
    if (at < count) {
        problem(path, (int64_t)at * TIME_INDEX_ENTRY_BYTES, "entries behind the end of the log");
    }
    log_map_close(&log);
}

/* ---- Walking -------------------------------------------------------------------------------- */

static void check_file(const char *path)
{
    struct segment_name name;
    struct log_map map;
    uint32_t count = 0;
    if (!log_kind(path, &name) || name.mark != SEGMENT_LIVE) {
        return;
    }
    if (!log_map_open(path, &map)) {
        problem(path, 0, "%s", strerror(errno));
        return;
    }
    switch (name.file) {
    case SEGMENT_LOG: check_log(path, map.bytes, name.base_offset); break;
    case SEGMENT_INDEX: check_index(path, map.bytes, name.base_offset); break;
    case SEGMENT_TIME_INDEX: check_time_index(path, map.bytes, name.base_offset); break;
    case SEGMENT_SNAPSHOT: {
        const enum producer_snapshot_status status = producer_snapshot_check(map.bytes, &count);
        if (status != PRODUCER_SNAPSHOT_OK) {
            problem(path, 0, "a producer snapshot that is %s",
                    producer_snapshot_status_name(status));
        }
        break;
    }
    case SEGMENT_TXN_INDEX:
    case SEGMENT_FILES: break;
    }
    log_map_close(&map);
}

static bool check_entry(void *context, const char *path, bool is_directory);

/* A partition's own directory, or one that holds those of partitions. Two levels, no more. */
static bool check_directory(const char *path, bool inner)
{
    struct partition_dir dir;
    const char *base = log_base_name(path);
    const struct bytes text = {(const uint8_t *)base, (uint32_t)strlen(base)};
    verify.next_offset = -1;
    verify.leader_epoch = INT32_MIN;
    if (partition_dir_parse(text, &dir)) {
        verify.partitions++;
    } else if (inner) {
        return true; /* .millrace and what else may lie in a data directory. */
    }
    return log_each_entry(path, check_entry, &(bool){inner});
}

static bool check_entry(void *context, const char *path, bool is_directory)
{
    const bool inner = *(const bool *)context;
    if (!is_directory) {
        check_file(path);
        return true;
    }
    return inner || check_directory(path, true); /* NOLINT(misc-no-recursion): two levels. */
}

static void print_summary(bool json)
{
    if (json) {
        json_t *root = json_pack(
            "{s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "partitions", (json_int_t)verify.partitions,
            "segments", (json_int_t)verify.segments, "batches", (json_int_t)verify.batches,
            "records", (json_int_t)verify.records, "bytes", (json_int_t)verify.bytes, "zero_bytes",
            (json_int_t)verify.zero_bytes, "problems", verify.told);
        (void)json_dumpf(root, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(root);
        return;
    }
    (void)printf("%llu partitions, %llu segments, %llu batches, %llu records, %llu bytes, "
                 "%llu problems\n",
                 (unsigned long long)verify.partitions, (unsigned long long)verify.segments,
                 (unsigned long long)verify.batches, (unsigned long long)verify.records,
                 (unsigned long long)verify.bytes, (unsigned long long)verify.problems);
}

enum cli_exit log_verify_run(const struct cli_call *call)
{
    verify = (struct verify){.told = call->json ? json_array() : NULL};
    progress_begin(&verify.progress, "records");
    for (int i = 0; i < call->word_count; i++) {
        if (!check_directory(call->words[i], false)) {
            if (errno == ENOTDIR) {
                check_file(call->words[i]);
            } else {
                problem(call->words[i], 0, "%s", strerror(errno));
            }
        }
    }
    progress_end(&verify.progress);
    print_summary(call->json);
    json_decref(verify.told);
    batch_records_free(&verify.inflated);
    return verify.problems == 0 ? CLI_OK : CLI_FAILED;
}
