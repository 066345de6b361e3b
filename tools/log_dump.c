#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "storage/log/index_format.h"
#include "storage/log/producer_snapshot.h"
#include "tools/batch_records.h"
#include "tools/commands.h"
#include "tools/log_files.h"

/* What is being dumped. */
struct dump {
    const struct cli_call *call;
    bool records;
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
        const uint8_t c = bytes.ptr[i];
        if (c >= ' ' && c <= '~' && c != '\\') {
            (void)putchar(c);
        } else {
            (void)printf("\\x%02x", c);
        }
    }
}

static json_t *json_bytes(struct bytes bytes)
{
    if (bytes.ptr == NULL) {
        return json_null();
    }
    json_t *text = json_stringn((const char *)bytes.ptr, bytes.len);
    if (text != NULL) {
        return text;
    }
    json_t *numbers = json_array();
    for (uint32_t i = 0; i < bytes.len; i++) {
        (void)json_array_append_new(numbers, json_integer(bytes.ptr[i]));
    }
    return numbers;
}

static void dump_records(const struct batch_header *header, struct bytes batch)
{
    struct record_cursor cursor;
    struct record record;
    if (!batch_records_open(&dump.inflated, batch, header, &cursor)) {
        cli_error("the batch at offset %lld cannot be inflated", (long long)header->base_offset);
        dump.status = CLI_FAILED;
        return;
    }
    while (record_next(&cursor, &record) == RECORD_OK) {
        const long long offset = (long long)header->base_offset + record.offset_delta;
        const long long time = (long long)batch_record_time(header, &record);
        if (dump.json) {
            row(json_pack("{s:I, s:I, s:o, s:o, s:i}", "offset", (json_int_t)offset, "timestamp",
                          (json_int_t)time, "key", json_bytes(record.key), "value",
                          json_bytes(record.value), "headers", (int)record.header_count));
            continue;
        }
        (void)printf("    %lld time %lld key ", offset, time);
        print_bytes(record.key);
        (void)fputs(" value ", stdout);
        print_bytes(record.value);
        (void)putchar('\n');
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
    if (dump.records && good) {
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
            row(json_pack("{s:I, s:i, s:i, s:I, s:I, s:I}", "producer_id",
                          (json_int_t)entry.producer_id, "epoch", (int)entry.epoch, "last_sequence",
                          (int)entry.last_sequence, "last_offset", (json_int_t)entry.last_offset,
                          "timestamp", (json_int_t)entry.timestamp_ms, "txn_first_offset",
                          (json_int_t)entry.txn_first_offset));
        } else {
            (void)printf("  producer %lld epoch %d last sequence %d last offset %lld time %lld\n",
                         (long long)entry.producer_id, entry.epoch, entry.last_sequence,
                         (long long)entry.last_offset, (long long)entry.timestamp_ms);
        }
    }
}

static void dump_file(const char *path, struct bytes file)
{
    struct segment_name name;
    if (!log_kind(path, &name)) {
        (void)fwrite(file.ptr, 1, file.len, stdout); /* The checkpoints are text. */
        return;
    }
    switch (name.file) {
    case SEGMENT_LOG: dump_log(file); break;
    case SEGMENT_INDEX: dump_index(file, name.base_offset); break;
    case SEGMENT_TIME_INDEX: dump_time_index(file, name.base_offset); break;
    case SEGMENT_SNAPSHOT: dump_snapshot(file); break;
    case SEGMENT_TXN_INDEX:
    case SEGMENT_FILES: cli_note("  %u bytes", file.len); break;
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
    if (!dump.json) {
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
