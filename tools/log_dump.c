#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "storage/log/index_format.h"
#include "storage/log/producer_marks.h"
#include "storage/log/producer_snapshot.h"
#include "storage/log/sidecar.h"
#include "tools/batch_records.h"
#include "tools/client/record_print.h"
#include "tools/commands.h"
#include "tools/log_files.h"
#include "tools/metadata_json.h"

/* What is being dumped. */
struct dump {
    const struct cli_call *call;
    bool records;
    bool metadata; /* Values are records of the metadata log. */
    bool json;
    enum cli_exit status;
    struct batch_records inflated;
};

static struct dump dump;

static void row(json_t *object)
{
    (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(object);
}

/* Bytes for people: printable ASCII as it is, everything else as \xNN. */
static void print_bytes(struct bytes bytes)
{
    if (bytes.ptr == NULL) {
        (void)fputs("null", stdout);
    }
    for (uint32_t i = 0; i < bytes.len; i++) {
        const uint8_t c = bytes.ptr[i]; /* NOLINT(clang-analyzer-core.NullDereference) */
        if (c >= ' ' && c <= '~' && c != '\\') {
            (void)putchar(c);
        } else {
            (void)printf("\\x%02x", c);
        }
    }
}

static void dump_record_json(const struct batch_header *header, const struct record *record,
                             json_t *meaning)
{
    json_t *json = json_object();
    (void)json_object_set_new(json, "offset",
                              json_integer(header->base_offset + record->offset_delta));
    (void)json_object_set_new(json, "timestamp",
                              json_integer((json_int_t)batch_record_time(header, record)));
    record_json_bytes(json, "key", record->key);
    record_json_bytes(json, "value", record->value);
    (void)json_object_set_new(json, "headers", record_json_headers(record->headers));
    (void)json_object_set_new(json, "metadata", meaning); /* Refuses NULL. */
    row(json);
}

static void dump_record(const struct batch_header *header, const struct record *record)
{
    json_t *meaning = NULL;
    if (batch_is_control(header)) {
        meaning = metadata_json_control(record->key, record->value);
    } else if (dump.metadata) {
        meaning = metadata_json(record->value);
    }
    if (dump.json) {
        dump_record_json(header, record, meaning);
        return;
    }
    (void)printf("    %lld time %lld ", (long long)header->base_offset + record->offset_delta,
                 (long long)batch_record_time(header, record));
    if (meaning != NULL) {
        (void)json_dumpf(meaning, stdout, JSON_COMPACT);
        json_decref(meaning);
        (void)putchar('\n');
        return;
    }
    (void)fputs("key ", stdout);
    print_bytes(record->key);
    (void)fputs(" value ", stdout);
    print_bytes(record->value);
    struct bytes rest = record->headers;
    struct record_header one;
    while (record_header_next(&rest, &one)) {
        (void)fputs(" header ", stdout);
        print_bytes(one.name);
        (void)putchar('=');
        print_bytes(one.value);
    }
    (void)putchar('\n');
}

static void dump_records(const struct batch_header *header, struct bytes batch)
{
    struct record_cursor cursor;
    struct record record;
    enum record_status status = RECORD_BAD;
    if (batch_records_open(&dump.inflated, batch, header, &cursor)) {
        while ((status = record_next(&cursor, &record)) == RECORD_OK) {
            dump_record(header, &record);
        }
    }
    if (status != RECORD_END) {
        cli_error("the batch at offset %lld holds no whole records",
                  (long long)header->base_offset);
        dump.status = CLI_FAILED;
    }
}

static void dump_batch(uint32_t position, const struct batch_header *header, struct bytes batch)
{
    const bool good = batch_check_crc(chain_of(&batch), header) == BATCH_OK;
    const char *codec = batch_codec_name(batch_codec(header));
    dump.status = good ? dump.status : CLI_FAILED;
    if (dump.json) {
        row(json_pack("{s:I, s:I, s:i, s:I, s:I, s:s, s:i, s:I, s:i, s:i, s:I, s:b, s:b, s:b}",
                      "base_offset", (json_int_t)header->base_offset, "last_offset",
                      (json_int_t)batch_last_offset(header), "records", (int)header->record_count,
                      "position", (json_int_t)position, "size", (json_int_t)header->size_bytes,
                      "codec", codec, "leader_epoch", (int)header->leader_epoch, "producer_id",
                      (json_int_t)header->producer_id, "producer_epoch",
                      (int)header->producer_epoch, "base_sequence", (int)header->base_sequence,
                      "max_timestamp", (json_int_t)header->max_timestamp_ms, "transactional",
                      batch_is_transactional(header), "control", batch_is_control(header),
                      "checksum_good", good));
    } else {
        (void)printf("  %lld to %lld: %d records, %u bytes at %u, %s, epoch %d, producer %lld/%d "
                     "from sequence %d, time %lld%s%s%s\n",
                     (long long)header->base_offset, (long long)batch_last_offset(header),
                     header->record_count, header->size_bytes, position, codec,
                     header->leader_epoch, (long long)header->producer_id, header->producer_epoch,
                     header->base_sequence, (long long)header->max_timestamp_ms,
                     batch_is_transactional(header) ? ", transactional" : "",
                     batch_is_control(header) ? ", control" : "", good ? "" : ", WRONG CHECKSUM");
    }
    if ((dump.records || dump.metadata) && good) {
        dump_records(header, batch);
    }
}

static void dump_log(struct bytes file)
{
    struct log_walk walk = log_walk_of(file);
    struct batch_header header;
    struct bytes batch;
    while (log_walk_next(&walk, &header, &batch)) {
        dump_batch(walk.position, &header, batch);
    }
    const enum log_end end = log_walk_end(&walk);
    if (end == LOG_END_ZEROS && !dump.json) {
        (void)printf("  %u zero bytes at %u: space set aside for the active segment\n",
                     walk.rest.len, walk.position);
    }
    if (end == LOG_END_TORN) {
        cli_error("%u bytes at %u are no batch", walk.rest.len, walk.position);
        dump.status = CLI_FAILED;
    }
}

static void dump_index(struct bytes file, int64_t base_offset)
{
    const uint32_t valid = offset_index_valid_bytes(file, UINT32_MAX);
    for (uint32_t i = 0; i < valid / OFFSET_INDEX_ENTRY_BYTES; i++) {
        const struct offset_index_entry entry = offset_index_read(file, base_offset, i);
        if (dump.json) {
            row(json_pack("{s:I, s:I}", "offset", (json_int_t)entry.offset, "position",
                          (json_int_t)entry.position));
        } else {
            (void)printf("  offset %lld at %u\n", (long long)entry.offset, entry.position);
        }
    }
}

static void dump_time_index(struct bytes file, int64_t base_offset)
{
    const uint32_t valid = time_index_valid_bytes(file);
    for (uint32_t i = 0; i < valid / TIME_INDEX_ENTRY_BYTES; i++) {
        const struct time_index_entry entry = time_index_read(file, base_offset, i);
        if (dump.json) {
            row(json_pack("{s:I, s:I}", "timestamp", (json_int_t)entry.timestamp_ms, "offset",
                          (json_int_t)entry.offset));
        } else {
            (void)printf("  time %lld up to offset %lld\n", (long long)entry.timestamp_ms,
                         (long long)entry.offset);
        }
    }
}

static void dump_snapshot(struct bytes file)
{
    uint32_t count = 0;
    const enum producer_snapshot_status status = producer_snapshot_check(file, &count);
    if (status != PRODUCER_SNAPSHOT_OK) {
        cli_error("a producer snapshot that is %s", producer_snapshot_status_name(status));
        dump.status = CLI_FAILED;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct producer_snapshot_entry entry = producer_snapshot_read(file, i);
        if (dump.json) {
            row(json_pack("{s:I, s:i, s:i, s:I, s:i, s:I, s:i, s:I}", "producer_id",
                          (json_int_t)entry.producer_id, "epoch", (int)entry.epoch, "last_sequence",
                          (int)entry.last_sequence, "last_offset", (json_int_t)entry.last_offset,
                          "offset_delta", (int)entry.offset_delta, "timestamp",
                          (json_int_t)entry.timestamp_ms, "coordinator_epoch",
                          (int)entry.coordinator_epoch, "txn_first_offset",
                          (json_int_t)entry.txn_first_offset));
        } else {
            (void)printf("  producer %lld epoch %d last sequence %d last offset %lld time %lld\n",
                         (long long)entry.producer_id, entry.epoch, entry.last_sequence,
                         (long long)entry.last_offset, (long long)entry.timestamp_ms);
        }
    }
}

static void dump_mark(int64_t producer_id, int16_t epoch, const struct producer_batch_mark *mark)
{
    if (dump.json) {
        row(json_pack("{s:I, s:i, s:i, s:I, s:i, s:I}", "producer_id", (json_int_t)producer_id,
                      "epoch", (int)epoch, "last_sequence", (int)mark->last_sequence, "last_offset",
                      (json_int_t)mark->last_offset, "offset_delta", (int)mark->offset_delta,
                      "timestamp", (json_int_t)mark->timestamp_ms));
    } else {
        (void)printf("  producer %lld epoch %d batch to sequence %d to offset %lld time %lld\n",
                     (long long)producer_id, epoch, mark->last_sequence,
                     (long long)mark->last_offset, (long long)mark->timestamp_ms);
    }
}

static void dump_producers(struct bytes file)
{
    struct producer_marks marks;
    struct producer_values values;
    if (!producer_marks_open(file, &marks)) {
        cli_error("a memory of producers that is damaged");
        dump.status = CLI_FAILED;
        return;
    }
    while (producer_marks_next(&marks, &values)) {
        for (uint32_t i = 0; i < values.batch_count; i++) {
            dump_mark(values.producer_id, values.epoch, &values.batches[i]);
        }
    }
}

/* Aborted transactions: int16 version, then producer id, first, last and last stable offset. */
static void dump_txn_index(struct bytes file)
{
    enum { ENTRY_BYTES = 34 };
    for (; file.len >= ENTRY_BYTES; file.ptr += ENTRY_BYTES, file.len -= ENTRY_BYTES) {
        const json_int_t id = (json_int_t)load_be64(file.ptr + 2);
        const json_int_t first = (json_int_t)load_be64(file.ptr + 10);
        const json_int_t last = (json_int_t)load_be64(file.ptr + 18);
        const json_int_t stable = (json_int_t)load_be64(file.ptr + 26);
        if (dump.json) {
            row(json_pack("{s:I, s:I, s:I, s:I}", "producer_id", id, "first_offset", first,
                          "last_offset", last, "last_stable_offset", stable));
        } else {
            (void)printf("  producer %lld aborted %lld to %lld, last stable offset %lld\n",
                         (long long)id, (long long)first, (long long)last, (long long)stable);
        }
    }
}

static void dump_text(struct bytes file)
{
    if (dump.json) {
        json_t *json = json_object();
        record_json_bytes(json, "text",
                          (struct bytes){file.len > 0 ? file.ptr : chain_nothing.ptr, file.len});
        row(json);
        return;
    }
    bool first = true;
    for (uint32_t i = 0; i < file.len; i++) {
        (void)fputs(first ? "  " : "", stdout);
        first = file.ptr[i] == '\n';
        (void)putchar(first || (file.ptr[i] >= ' ' && file.ptr[i] <= '~') ? file.ptr[i] : '.');
    }
    if (!first) {
        (void)putchar('\n');
    }
}

/* Snapshots of the metadata log are batches, too. */
static bool is_metadata(const char *path)
{
    const char *base = log_base_name(path);
    const size_t len = strlen(base);
    static const char suffix[] = ".checkpoint";
    const bool snapshot = len > sizeof(suffix) - 1 &&
                          strcmp(base + len - (sizeof(suffix) - 1), suffix) == 0 &&
                          strcmp(base, SIDECAR_FILE) != 0;
    return snapshot || strstr(path, "__cluster_metadata-") != NULL;
}

static void dump_file(const char *path, struct bytes file)
{
    struct segment_name name;
    const bool segment = log_kind(path, &name);
    dump.metadata = cli_switch(dump.call, "--metadata") || is_metadata(path);
    if (!segment && dump.metadata && strstr(log_base_name(path), ".checkpoint") != NULL) {
        name.file = SEGMENT_LOG;
    } else if (!segment) {
        dump_text(file); /* The checkpoints are. */
        return;
    }
    switch (name.file) {
    case SEGMENT_LOG: dump_log(file); break;
    case SEGMENT_INDEX: dump_index(file, name.base_offset); break;
    case SEGMENT_TIME_INDEX: dump_time_index(file, name.base_offset); break;
    case SEGMENT_SNAPSHOT: dump_snapshot(file); break;
    case SEGMENT_TXN_INDEX: dump_txn_index(file); break;
    case SEGMENT_PRODUCERS: dump_producers(file); break;
    case SEGMENT_FILES: break;
    }
}

static bool dump_entry(void *context, const char *path, bool is_directory)
{
    (void)context;
    struct log_map map;
    if (is_directory) {
        return true;
    }
    if (!log_map_open(path, &map)) {
        cli_error("%s: %s", path, strerror(errno));
        dump.status = CLI_FAILED;
        return true;
    }
    if (dump.json) {
        row(json_pack("{s:s}", "file", path));
    } else {
        (void)printf("%s\n", path);
    }
    dump_file(path, map.bytes);
    log_map_close(&map);
    return true;
}

enum cli_exit log_dump_run(const struct cli_call *call)
{
    dump = (struct dump){.call = call,
                         .records = cli_switch(call, "--records"),
                         .json = call->json,
                         .status = CLI_OK};
    for (int i = 0; i < call->word_count; i++) {
        if (!log_each_entry(call->words[i], dump_entry, NULL) &&
            (errno != ENOTDIR || !dump_entry(NULL, call->words[i], false))) {
            cli_error("%s: %s", call->words[i], strerror(errno));
            dump.status = CLI_FAILED;
        }
    }
    batch_records_free(&dump.inflated);
    return dump.status;
}
