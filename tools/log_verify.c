#include "tools/log_verify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "tools/commands.h"

static struct verify verify;

static void tell(struct verify *found, json_t *list, const char *path, int64_t position,
                 const char *kind, const char *what)
{
    if (list != NULL) {
        (void)json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "file", path, "position",
                                                    (json_int_t)position, "what", what));
        return;
    }
    progress_end(&found->progress);
    (void)printf("%s at %lld: %s%s\n", path, (long long)position, kind, what);
}

void verify_problem(struct verify *found, const char *path, int64_t position, const char *format,
                    ...)
{
    char what[300];
    if (strcmp(path, found->told_path) == 0) {
        return; /* The first says it; the others mostly follow from it. */
    }
    (void)snprintf(found->told_path, sizeof(found->told_path), "%s", path);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    found->problems++;
    tell(found, found->told, path, position, "", what);
}

void verify_warning(struct verify *found, const char *path, int64_t position, const char *format,
                    ...)
{
    char what[300];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    found->warnings++;
    tell(found, found->warned, path, position, "warning: ", what);
}

/* ---- .log ----------------------------------------------------------------------------------- */

static void check_records(const char *path, uint32_t position, const struct batch_header *header,
                          struct bytes batch)
{
    struct record_cursor cursor;
    struct record record;
    enum record_status status;
    if (!batch_records_open(&verify.inflated, batch, header, &cursor)) {
        verify_problem(&verify, path, position, "a %s batch that cannot be inflated",
                       batch_codec_name(batch_codec(header)));
        return;
    }
    int32_t last_delta = -1;
    int64_t newest = BATCH_NO_TIMESTAMP;
    while ((status = record_next(&cursor, &record)) == RECORD_OK) {
        const bool gap = record.offset_delta != last_delta + 1;
        if (record.offset_delta <= last_delta || record.offset_delta > header->last_offset_delta ||
            (gap && !verify.gaps_allowed)) {
            verify_problem(&verify, path, position, "offset delta %d behind %d",
                           record.offset_delta, last_delta);
            return;
        }
        last_delta = record.offset_delta;
        newest = max_i64(newest, batch_record_time(header, &record));
        verify.records++;
    }
    if (status == RECORD_BAD) {
        verify_problem(&verify, path, position, "a broken record behind offset delta %d",
                       last_delta);
    } else if (last_delta != header->last_offset_delta && !verify.gaps_allowed) {
        verify_problem(&verify, path, position, "ends with offset delta %d, not %d", last_delta,
                       header->last_offset_delta);
    } else if (newest != header->max_timestamp_ms && header->record_count > 0 &&
               !verify.gaps_allowed) {
        verify_problem(&verify, path, position, "its largest timestamp is %lld, not %lld",
                       (long long)newest, (long long)header->max_timestamp_ms);
    }
}

static void note_epoch(const struct batch_header *header)
{
    if (header->leader_epoch != verify.leader_epoch && verify.epoch_count < VERIFY_EPOCHS_MAX) {
        verify.epochs[verify.epoch_count++] =
            (struct verify_epoch){header->leader_epoch, header->base_offset};
    }
    verify.leader_epoch = header->leader_epoch;
}

static void check_batch(const char *path, uint32_t position, const struct batch_header *header,
                        struct bytes batch)
{
    verify.batches++;
    verify.bytes += header->size_bytes;
    const bool gap = header->base_offset > verify.next_offset && !verify.gaps_allowed;
    if (header->base_offset < verify.next_offset || gap) {
        verify_problem(&verify, path, position, "offset %lld where %lld is the next",
                       (long long)header->base_offset, (long long)verify.next_offset);
    }
    if (header->leader_epoch < verify.leader_epoch) {
        verify_problem(&verify, path, position, "leader epoch %d behind %d", header->leader_epoch,
                       verify.leader_epoch);
    }
    if (batch_check_crc(chain_of(&batch), header) != BATCH_OK) {
        verify_problem(&verify, path, position, "wrong checksum");
    } else {
        check_records(path, position, header, batch);
    }
    note_epoch(header);
    verify.next_offset = batch_last_offset(header) + 1;
    progress_tick(&verify.progress, verify.records, 0, verify.bytes);
}

/* Only the last segment may end in the space set aside for what comes. */
static void check_zeros_before(void)
{
    if (verify.zeros_path[0] != '\0') {
        verify_problem(&verify, verify.zeros_path, verify.zeros_position,
                       "zeros at the end of a segment that is not the last");
        verify.zeros_path[0] = '\0';
    }
}

static void check_log(const char *path, struct bytes file, int64_t base_offset)
{
    struct log_walk walk = log_walk_of(file);
    struct batch_header header;
    struct bytes batch;
    verify.segments++;
    check_zeros_before();
    if (verify.next_offset >= 0 && (base_offset < verify.next_offset ||
                                    (base_offset > verify.next_offset && !verify.gaps_allowed))) {
        verify_problem(&verify, path, 0,
                       "the segment begins at %lld, but the one before ends at %lld",
                       (long long)base_offset, (long long)verify.next_offset);
    }
    verify.next_offset = base_offset;
    while (log_walk_next(&walk, &header, &batch)) {
        check_batch(path, walk.position, &header, batch);
    }
    switch (log_walk_end(&walk)) {
    case LOG_END_CLEAN: break;
    case LOG_END_ZEROS:
        verify.zero_bytes += walk.rest.len;
        (void)snprintf(verify.zeros_path, sizeof(verify.zeros_path), "%s", path);
        verify.zeros_position = walk.position;
        break;
    case LOG_END_TORN:
        verify_problem(&verify, path, walk.position,
                       "%u bytes that are no batch; the next start would cut the log here",
                       walk.rest.len);
        break;
    }
}

/* ---- Walking -------------------------------------------------------------------------------- */

static void check_file(const char *path)
{
    struct segment_name name;
    struct log_map map;
    const bool segment = log_kind(path, &name);
    if (segment && name.mark != SEGMENT_LIVE) {
        return;
    }
    if (!log_map_open(path, &map)) {
        verify_problem(&verify, path, 0, "%s", strerror(errno));
        return;
    }
    if (!segment) {
        verify_small_file(&verify, path, map.bytes);
        log_map_close(&map);
        return;
    }
    switch (name.file) {
    case SEGMENT_LOG: check_log(path, map.bytes, name.base_offset); break;
    case SEGMENT_INDEX: verify_index(&verify, path, map.bytes, name.base_offset); break;
    case SEGMENT_TIME_INDEX: verify_time_index(&verify, path, map.bytes, name.base_offset); break;
    case SEGMENT_SNAPSHOT: verify_snapshot(&verify, path, map.bytes, name.base_offset); break;
    case SEGMENT_TXN_INDEX: verify_txn_index(&verify, path, map.bytes); break;
    case SEGMENT_PRODUCERS: verify_producers(&verify, path, map.bytes, name.base_offset); break;
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
    const struct bytes text = bytes_of_string(base);
    verify.next_offset = -1;
    verify.leader_epoch = INT32_MIN;
    verify.epoch_count = 0;
    verify.zeros_path[0] = '\0';
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

static void print_summary(void)
{
    if (verify.told != NULL) {
        json_t *root = json_pack(
            "{s:I, s:I, s:I, s:I, s:I, s:I, s:O, s:O}", "partitions", (json_int_t)verify.partitions,
            "segments", (json_int_t)verify.segments, "batches", (json_int_t)verify.batches,
            "records", (json_int_t)verify.records, "bytes", (json_int_t)verify.bytes, "zero_bytes",
            (json_int_t)verify.zero_bytes, "problems", verify.told, "warnings", verify.warned);
        (void)json_dumpf(root, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(root);
        return;
    }
    (void)printf("%llu partitions, %llu segments, %llu batches, %llu records, %llu bytes\n"
                 "%llu files with a problem, %llu warnings\n",
                 (unsigned long long)verify.partitions, (unsigned long long)verify.segments,
                 (unsigned long long)verify.batches, (unsigned long long)verify.records,
                 (unsigned long long)verify.bytes, (unsigned long long)verify.problems,
                 (unsigned long long)verify.warnings);
}

enum cli_exit log_verify_run(const struct cli_call *call)
{
    verify = (struct verify){.gaps_allowed = cli_switch(call, "--gaps"),
                             .told = call->json ? json_array() : NULL,
                             .warned = call->json ? json_array() : NULL};
    progress_begin(&verify.progress, "records");
    for (int i = 0; i < call->word_count; i++) {
        if (!check_directory(call->words[i], false)) {
            if (errno == ENOTDIR) {
                check_file(call->words[i]);
            } else {
                verify_problem(&verify, call->words[i], 0, "%s", strerror(errno));
            }
        }
    }
    progress_end(&verify.progress);
    print_summary();
    json_decref(verify.told);
    json_decref(verify.warned);
    batch_records_free(&verify.inflated);
    if (verify.problems > 0) {
        return CLI_FAILED;
    }
    return verify.warnings > 0 ? CLI_WARNINGS : CLI_OK;
}
