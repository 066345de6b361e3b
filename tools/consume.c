#include <jansson.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/text.h"
#include "tools/batch_records.h"
#include "tools/client/topics.h"
#include "tools/commands.h"
#include "tools/progress.h"

enum {
    FETCH_VERSION_MAX = 12, /* The last that names topics. */
    REQUEST_BYTES = 256 << 10,
    FETCH_BYTES = 16 << 20,
    PARTITION_BYTES = 4 << 20,
    WAIT_MS = 500,
    TRY_PAUSE_MS = 250,
    TRIES = 20,
};

/* Special times of ListOffsets. */
enum { TIMESTAMP_LATEST = -1, TIMESTAMP_EARLIEST = -2 };

/* How far one partition is read. */
struct place {
    int64_t next;
    int64_t end; /* INT64_MAX: to be followed. */
};

struct run {
    const struct cli_call *call;
    struct client client;
    struct topic_list list;
    struct topic *topic;
    struct place *place; /* One per partition. */
    struct progress progress;
    int64_t only_partition;
    int64_t left; /* Records still to print. */
    bool follow;
    bool keys;
    uint64_t records;
    uint64_t bytes;
    uint32_t failures; /* In a row, of fetches that may pass. */
    struct batch_records inflated;
};

static struct run run;

/* ---- Printing ------------------------------------------------------------------------------- */

static void set_text(json_t *object, const char *key, const char *key_hex, struct bytes text)
{
    json_t *value = text.ptr == NULL ? json_null() : json_stringn((const char *)text.ptr, text.len);
    if (value != NULL) {
        (void)json_object_set_new(object, key, value);
        return;
    }
    /* Not UTF-8: as hex digits. */
    char *room = malloc(2 * (size_t)text.len + 1);
    ASSERT(room != NULL && "no memory");
    struct text hex;
    text_init(&hex, room, 2 * (size_t)text.len + 1);
    text_hex(&hex, text);
    (void)json_object_set_new(object, key_hex, json_string(room));
    free(room);
}

static void print_json(int32_t partition, int64_t offset, int64_t timestamp,
                       const struct record *record)
{
    json_t *root =
        json_pack("{s:s, s:i, s:I, s:I}", "topic", run.topic->name, "partition", (int)partition,
                  "offset", (json_int_t)offset, "timestamp", (json_int_t)timestamp);
    set_text(root, "key", "key_hex", record->key);
    set_text(root, "value", "value_hex", record->value);
    struct bytes rest = record->headers;
    struct record_header header;
    json_t *headers = json_array();
    while (record->header_count > 0 && record_header_next(&rest, &header)) {
        json_t *one = json_object();
        set_text(one, "name", "name_hex", header.name);
        set_text(one, "value", "value_hex", header.value);
        (void)json_array_append_new(headers, one);
    }
    (void)json_object_set_new(root, "headers", headers);
    (void)json_dumpf(root, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(root);
}

static void print_record(int32_t partition, int64_t offset, int64_t timestamp,
                         const struct record *record)
{
    if (run.call->json) {
        print_json(partition, offset, timestamp, record);
        return;
    }
    if (run.keys) {
        (void)fwrite(record->key.ptr, 1, record->key.len, stdout);
        (void)putchar('\t');
    }
    (void)fwrite(record->value.ptr, 1, record->value.len, stdout);
    (void)putchar('\n');
}

/* ---- Batches -------------------------------------------------------------------------------- */

static bool damaged(int32_t partition, int64_t offset, const char *what)
{
    cli_error("%s-%d, batch at offset %lld: %s", run.topic->name, partition, (long long)offset,
              what);
    return false;
}

static bool take_batch(int32_t partition, struct bytes batch, const struct batch_header *header)
{
    struct place *place = &run.place[partition];
    struct record_cursor cursor;
    struct record record;
    enum record_status status = RECORD_END;
    if (batch_check_crc(chain_of(&batch), header) != BATCH_OK) {
        return damaged(partition, header->base_offset, "wrong checksum");
    }
    if (batch_is_control(header)) {
        place->next = batch_last_offset(header) + 1;
        return true;
    }
    if (!batch_records_open(&run.inflated, batch, header, &cursor)) {
        return damaged(partition, header->base_offset, "cannot be inflated");
    }
    while (run.left > 0 && (status = record_next(&cursor, &record)) == RECORD_OK) {
        const int64_t offset = header->base_offset + record.offset_delta;
        if (offset < place->next || offset >= place->end) {
            continue;
        }
        print_record(partition, offset, batch_record_time(header, &record), &record);
        run.records++;
        run.left--;
        run.bytes += record.key.len + record.value.len;
    }
    if (status == RECORD_BAD) {
        return damaged(partition, header->base_offset, "a broken record");
    }
    place->next = batch_last_offset(header) + 1;
    return true;
}

static bool take_records(int32_t partition, struct chain chain)
{
    struct bytes rest = chain_first(chain); /* An answer lies in one piece. */
    struct bytes batch;
    struct batch_header header;
    while (run.left > 0 && batch_next(&rest, &header, &batch) == BATCH_OK) {
        if (!take_batch(partition, batch, &header)) {
            return false;
        }
    }
    return true;
}

/* ---- Fetching ------------------------------------------------------------------------------- */

static bool wanted(uint32_t partition)
{
    return (run.only_partition < 0 || run.only_partition == (int64_t)partition) &&
           run.place[partition].next < run.place[partition].end;
}

/* Encodes a fetch of all wanted partitions that the node leads; how many there are. */
static int32_t begin_fetch(int32_t node, int16_t version)
{
    struct bytes piece;
    struct fetch_request request = fetch_request_default;
    struct fetch_request_topic topic = fetch_request_topic_default;
    struct fetch_request_partition *rows = calloc(run.topic->partition_count, sizeof(*rows));
    ASSERT(rows != NULL && "no memory");
    int32_t count = 0;
    for (uint32_t i = 0; i < run.topic->partition_count; i++) {
        if (run.topic->partitions[i].leader == node && wanted(i)) {
            rows[count] = fetch_request_partition_default;
            rows[count].partition = (int32_t)i;
            rows[count].fetch_offset = run.place[i].next;
            rows[count].partition_max_bytes = PARTITION_BYTES;
            count++;
        }
    }
    topic.topic = client_text(&piece, run.topic->name);
    topic.partitions.items = rows;
    topic.partitions.count = count;
    request.replica_id = -1;
    request.max_wait_ms = WAIT_MS;
    request.min_bytes = 1;
    request.max_bytes = FETCH_BYTES;
    request.session_epoch = -1; /* No session (KIP-227). */
    request.topics.items = &topic;
    request.topics.count = 1;
    if (count > 0) {
        struct writer *writer = client_begin(&run.client, API_FETCH, version, REQUEST_BYTES);
        (void)fetch_request_encode(writer, version, &request);
    }
    free(rows);
    return count;
}

/* After an error that may pass: waits and asks again who leads. */
static bool try_again(void)
{
    const struct timespec pause = {.tv_nsec = TRY_PAUSE_MS * 1000000L};
    struct topic_list fresh;
    if (++run.failures > TRIES) {
        return false;
    }
    (void)nanosleep(&pause, NULL);
    if (topics_describe(&run.client, run.topic->name, &fresh)) {
        topics_free(&run.list);
        run.list = fresh;
        run.topic = &run.list.topics[0];
    }
    return true;
}

static bool take_partition(const struct fetch_response_partition *got)
{
    if (got->error_code != ERROR_NONE) {
        (void)client_refused(&run.client, run.topic->name, got->error_code, CHAIN_NULL);
        if (error_is_retriable(got->error_code) && try_again()) {
            return true;
        }
        cli_error("%s", run.client.error);
        return false;
    }
    run.failures = 0;
    return got->partition_index >= 0 &&
           (uint32_t)got->partition_index < run.topic->partition_count &&
           take_records(got->partition_index, got->records);
}

static bool fetch_from(int32_t node)
{
    struct fetch_response response;
    struct fetch_response_topic topic;
    struct fetch_response_partition got;
    const int16_t version = client_version(&run.client, API_FETCH, FETCH_VERSION_MAX);
    if (version >= 0 && begin_fetch(node, version) == 0) {
        return true;
    }
    struct reader *reader = version >= 0 ? client_exchange(&run.client, node) : NULL;
    if (reader == NULL) {
        cli_error("%s", run.client.error);
        return false;
    }
    if (fetch_response_decode(reader, version, &response) != CODEC_OK) {
        cli_error("a broken answer to Fetch");
        return false;
    }
    while (fetch_response_topic_array_next(&response.responses, &topic)) {
        while (fetch_response_partition_array_next(&topic.partitions, &got)) {
            if (!take_partition(&got)) {
                return false;
            }
        }
    }
    (void)fflush(stdout);
    progress_tick(&run.progress, run.records, 0, run.bytes);
    return true;
}

static bool anything_wanted(void)
{
    for (uint32_t i = 0; i < run.topic->partition_count; i++) {
        if (wanted(i)) {
            return true;
        }
    }
    return false;
}

static bool fetch_all(void)
{
    while (run.left > 0 && anything_wanted()) {
        for (uint32_t i = 0; i < run.client.node_count && run.left > 0; i++) {
            if (!fetch_from(run.client.node[i].id)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- Where to begin ------------------------------------------------------------------------- */

/* start, end, N, -N (the last N of each partition), @MS (from that time on). */
static bool first_offset(const struct topic_partition *partition, const char *text, int64_t *next)
{
    int64_t number = 0;
    const char *digits = text[0] == '@' ? text + 1 : text;
    const struct bytes view = {(const uint8_t *)digits, (uint32_t)strlen(digits)};
    *next = partition->start_offset;
    if (strcmp(text, "start") == 0) {
        return true;
    }
    if (strcmp(text, "end") == 0) {
        *next = partition->end_offset;
        return true;
    }
    if (!text_parse_i64(view, &number)) {
        cli_error("--offset must be start, end, N, -N or @MILLISECONDS, not '%s'", text);
        return false;
    }
    if (text[0] == '@') {
        if (!topics_offset_at(&run.client, run.topic->name, partition, number, next)) {
            cli_error("%s", run.client.error);
            return false;
        }
        *next = *next < 0 ? partition->end_offset : *next;
        return true;
    }
    *next = max_i64(partition->start_offset, number < 0 ? partition->end_offset + number : number);
    return true;
}

static bool set_places(const char *offset)
{
    run.place = calloc(run.topic->partition_count, sizeof(*run.place));
    ASSERT(run.place != NULL && "no memory");
    if (!topics_offsets(&run.client, run.topic)) {
        cli_error("%s", run.client.error);
        return false;
    }
    for (uint32_t i = 0; i < run.topic->partition_count; i++) {
        const struct topic_partition *partition = &run.topic->partitions[i];
        run.place[i].end = run.follow ? INT64_MAX : partition->end_offset;
        if (!first_offset(partition, offset, &run.place[i].next)) {
            return false;
        }
    }
    return true;
}

enum cli_exit consume_run(const struct cli_call *call)
{
    run.call = call;
    run.follow = cli_switch(call, "--follow");
    run.keys = cli_switch(call, "--keys");
    if (!cli_number(call, "--count", 0, INT64_MAX, INT64_MAX, &run.left) ||
        !cli_number(call, "--partition", 0, INT32_MAX, -1, &run.only_partition)) {
        return CLI_USAGE;
    }
    if (!client_open(&run.client, call->bootstrap) ||
        !topics_describe(&run.client, call->words[0], &run.list)) {
        cli_error("%s", run.client.error);
        client_close(&run.client);
        return CLI_FAILED;
    }
    run.topic = &run.list.topics[0];
    const char *offset = cli_value(call, "--offset");
    progress_begin(&run.progress, "records");
    run.progress.terminal = run.progress.terminal && isatty(STDOUT_FILENO) == 0;
    const bool good = set_places(offset != NULL ? offset : "start") && fetch_all();
    progress_end(&run.progress);
    free(run.place);
    batch_records_free(&run.inflated);
    topics_free(&run.list);
    client_close(&run.client);
    return good ? CLI_OK : CLI_FAILED;
}
