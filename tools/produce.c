#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storage/record/record.h"
#include "tools/client/partitioner.h"
#include "tools/client/topics.h"
#include "tools/commands.h"
#include "tools/log_files.h"
#include "tools/progress.h"

enum {
    PRODUCE_VERSION_MAX = 12, /* The last that names topics. */
    TIMEOUT_MS = 30 * 1000,
    READ_BYTES = 1 << 20,
    BATCH_BYTES = 512 << 10,
    IDLE_MS = 5,
    TRIES = 20,
    TRY_PAUSE_MS = 250,
    HEADERS_MAX = 64,
};

/* What waits for one partition. */
struct pending {
    uint8_t *buffer;
    uint32_t capacity;
    struct batch_builder builder;
    int32_t records;
    int64_t first_offset; /* Of this run; -1: nothing was answered yet. */
    int64_t last_offset;
};

struct run {
    const struct cli_call *call;
    struct client client;
    struct topic_list list;
    struct topic *topic;
    struct pending *pending; /* One per partition. */
    struct progress progress;
    struct record_header headers[HEADERS_MAX];
    int32_t header_count;
    const char *separator;  /* Between key and value, or NULL. */
    int64_t only_partition; /* -1: by key, or round robin. */
    int16_t acks;
    enum batch_codec codec;
    uint32_t sticky; /* The partition of records without a key. */
    uint64_t records;
    uint64_t bytes;
    uint8_t *packed; /* A compressed batch. */
    size_t packed_bytes;
};

static struct run run;

static struct bytes view(const char *text)
{
    return (struct bytes){(const uint8_t *)text, text == NULL ? 0 : (uint32_t)strlen(text)};
}

static int64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Sending -------------------------------------------------------------------------------- */

static void begin_batch(struct pending *pending)
{
    const struct batch_options options = batch_options_none();
    batch_builder_init(&pending->builder, pending->buffer, pending->capacity, &options);
    pending->records = 0;
}

static bool finish_batch(struct pending *pending, struct bytes *batch)
{
    if (run.codec == BATCH_CODEC_NONE) {
        *batch = batch_builder_finish(&pending->builder);
        return true;
    }
    const size_t need = 2 * (size_t)pending->capacity + 4096;
    if (run.packed_bytes < need) {
        free(run.packed);
        run.packed = malloc(need);
        run.packed_bytes = need;
        ASSERT(run.packed != NULL && "no memory");
    }
    if (batch_builder_finish_compressed(&pending->builder, run.codec, INT32_MIN, run.packed,
                                        (uint32_t)need, batch)) {
        return true;
    }
    cli_error("cannot compress with %s", batch_codec_name(run.codec));
    return false;
}

/* One attempt. *error is the broker's; false: the connection or the answer is broken. */
static bool send_once(int32_t number, struct bytes batch, int16_t *error, int64_t *base)
{
    struct bytes name_piece;
    const struct topic_partition *partition = &run.topic->partitions[number];
    struct produce_request request = produce_request_default;
    struct produce_request_topic topic = produce_request_topic_default;
    struct produce_request_partition one = produce_request_partition_default;
    struct produce_response response;
    struct produce_response_topic got_topic;
    struct produce_response_partition got;
    const int16_t version = client_version(&run.client, API_PRODUCE, PRODUCE_VERSION_MAX);
    if (version < 0) {
        return false;
    }
    one.index = partition->partition;
    one.records = chain_of(&batch);
    topic.name = client_text(&name_piece, run.topic->name);
    topic.partition_data.items = &one;
    topic.partition_data.count = 1;
    request.transactional_id = CHAIN_NULL;
    request.acks = run.acks;
    request.timeout_ms = TIMEOUT_MS;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    struct writer *writer =
        client_begin(&run.client, API_PRODUCE, version, batch.len + (size_t)1024);
    (void)produce_request_encode(writer, version, &request);
    *error = ERROR_NONE;
    *base = -1;
    if (run.acks == 0) {
        return client_send(&run.client, partition->leader);
    }
    struct reader *reader = client_exchange(&run.client, partition->leader);
    if (reader == NULL) {
        return false;
    }
    if (produce_response_decode(reader, version, &response) != CODEC_OK ||
        !produce_response_topic_array_next(&response.responses, &got_topic) ||
        !produce_response_partition_array_next(&got_topic.partition_responses, &got)) {
        (void)snprintf(run.client.error, sizeof(run.client.error), "a broken answer to Produce");
        return false;
    }
    *error = got.error_code;
    *base = got.base_offset;
    if (*error != ERROR_NONE) {
        (void)client_refused(&run.client, run.topic->name, *error, got.error_message);
    }
    return true;
}

/* Sends, again after errors that may pass. */
static bool send_batch(int32_t number, struct bytes batch, int64_t *base)
{
    int16_t error = ERROR_NONE;
    for (int i = 0; i < TRIES; i++) {
        if (!send_once(number, batch, &error, base)) {
            return false;
        }
        if (error == ERROR_NONE) {
            return true;
        }
        if (!error_is_retriable(error)) {
            return false;
        }
        const struct timespec pause = {.tv_nsec = TRY_PAUSE_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
        struct topic_list fresh;
        if (topics_describe(&run.client, run.topic->name, &fresh)) {
            topics_free(&run.list);
            run.list = fresh;
            run.topic = &run.list.topics[0];
        }
    }
    return false;
}

static bool flush(int32_t number)
{
    struct pending *pending = &run.pending[number];
    struct bytes batch;
    int64_t base = -1;
    if (pending->records == 0) {
        return true;
    }
    if (!finish_batch(pending, &batch)) {
        return false;
    }
    if (!send_batch(number, batch, &base)) {
        cli_error("%s", run.client.error);
        return false;
    }
    if (base >= 0) {
        pending->first_offset = pending->first_offset < 0 ? base : pending->first_offset;
        pending->last_offset = base + pending->records - 1;
    }
    begin_batch(pending);
    run.sticky = (run.sticky + 1) % run.topic->partition_count;
    return true;
}

static bool flush_all(void)
{
    for (uint32_t i = 0; i < run.topic->partition_count; i++) {
        if (!flush((int32_t)i)) {
            return false;
        }
    }
    return true;
}

/* ---- Records -------------------------------------------------------------------------------- */

static int32_t partition_of(struct bytes key)
{
    if (run.only_partition >= 0) {
        return (int32_t)run.only_partition;
    }
    if (key.ptr != NULL) {
        return (int32_t)partitioner_of_key(key, run.topic->partition_count);
    }
    return (int32_t)run.sticky;
}

/* Room for a record larger than a batch usually is. */
static void widen(struct pending *pending, uint32_t need)
{
    free(pending->buffer);
    pending->buffer = malloc(need);
    ASSERT(pending->buffer != NULL && "no memory");
    pending->capacity = need;
    begin_batch(pending);
}

static bool add_record(struct bytes key, struct bytes value)
{
    const int32_t number = partition_of(key);
    struct pending *pending = &run.pending[number];
    uint32_t need = record_size_max(key.len, value.len) + BATCH_HEADER_BYTES;
    for (int32_t i = 0; i < run.header_count; i++) {
        need += run.headers[i].name.len + run.headers[i].value.len + 16;
    }
    if (pending->buffer == NULL) {
        widen(pending, need > BATCH_BYTES ? need : BATCH_BYTES);
    }
    const int64_t now = wall_ms();
    if (!batch_builder_add(&pending->builder, now, key, value, run.headers, run.header_count)) {
        if (!flush(number)) {
            return false;
        }
        if (need > pending->capacity) {
            widen(pending, need);
        }
        const bool fits =
            batch_builder_add(&pending->builder, now, key, value, run.headers, run.header_count);
        ASSERT(fits && "an empty batch of that capacity holds the record");
    }
    pending->records++;
    run.records++;
    run.bytes += key.len + value.len;
    progress_tick(&run.progress, run.records, 0, run.bytes);
    return true;
}

static bool add_line(struct bytes line)
{
    if (run.separator == NULL) {
        return add_record((struct bytes){0}, line);
    }
    const uint32_t len = (uint32_t)strlen(run.separator);
    const uint8_t *found = line.len > 0 ? memmem(line.ptr, line.len, run.separator, len) : NULL;
    if (found == NULL) {
        return add_record((struct bytes){0}, line);
    }
    const uint32_t at = (uint32_t)(found - line.ptr);
    return add_record((struct bytes){line.ptr, at},
                      (struct bytes){found + len, line.len - at - len});
}

/* ---- Input ---------------------------------------------------------------------------------- */

struct input {
    uint8_t *buffer;
    size_t capacity;
    size_t used;
    bool end;
};

/* Reads more; a pause in the input sends what waits. False on failure. */
static bool read_more(struct input *input)
{
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    if (input->used == input->capacity) {
        uint8_t *more = realloc(input->buffer, input->capacity * 2 + READ_BYTES);
        ASSERT(more != NULL && "no memory");
        input->buffer = more;
        input->capacity = input->capacity * 2 + READ_BYTES;
    }
    if (poll(&ready, 1, IDLE_MS) == 0 && !flush_all()) {
        return false;
    }
    const ssize_t got =
        read(STDIN_FILENO, input->buffer + input->used, input->capacity - input->used);
    if (got < 0 && errno != EINTR) {
        cli_error("cannot read the input: %s", strerror(errno));
        return false;
    }
    input->used += got > 0 ? (size_t)got : 0;
    input->end = got == 0;
    return true;
}

/* Takes whole lines; the rest stays for the next read, and is a record at the end. */
static bool take_lines(struct input *input)
{
    size_t start = 0;
    while (start < input->used) {
        const uint8_t *line = input->buffer + start;
        const uint8_t *newline = memchr(line, '\n', input->used - start);
        if (newline == NULL && !input->end) {
            break;
        }
        const size_t len = newline != NULL ? (size_t)(newline - line) : input->used - start;
        if (!add_line((struct bytes){line, (uint32_t)len})) {
            return false;
        }
        start += len + (newline != NULL);
    }
    input->used -= start;
    memmove(input->buffer, input->buffer + start, input->used);
    return true;
}

static bool produce_lines(void)
{
    struct input input = {.capacity = READ_BYTES, .buffer = malloc(READ_BYTES)};
    ASSERT(input.buffer != NULL && "no memory");
    bool good = true;
    while (good && !input.end) {
        good = read_more(&input) && take_lines(&input);
    }
    free(input.buffer);
    return good && flush_all();
}

/* The whole file as one record. */
static bool produce_file(const char *path)
{
    struct log_map file;
    if (!log_map_open(path, &file)) {
        cli_error("%s: %s", path, strerror(errno));
        return false;
    }
    const struct bytes value = {file.bytes.ptr != NULL ? file.bytes.ptr : (const uint8_t *)"",
                                file.bytes.len};
    const bool good = add_record(view(cli_value(run.call, "--key")), value) && flush_all();
    log_map_close(&file);
    return good;
}

/* Without answers only a request behind the last one tells that all were taken. */
static bool wait_for_unanswered(void)
{
    for (uint32_t i = 0; run.acks == 0 && i < run.client.node_count; i++) {
        if (run.client.node[i].fd >= 0 && !client_sync(&run.client, run.client.node[i].id)) {
            cli_error("%s", run.client.error);
            return false;
        }
    }
    return true;
}

/* ---- The command ---------------------------------------------------------------------------- */

static bool parse_headers(const struct cli_call *call)
{
    const char *text;
    for (int i = 0; (text = cli_value_at(call, "--header", i)) != NULL; i++) {
        const char *equals = strchr(text, '=');
        if (equals == NULL || run.header_count == HEADERS_MAX) {
            cli_error("--header must be NAME=VALUE, not '%s'", text);
            return false;
        }
        run.headers[run.header_count++] = (struct record_header){
            {(const uint8_t *)text, (uint32_t)(equals - text)}, view(equals + 1)};
    }
    return true;
}

static bool parse_options(const struct cli_call *call)
{
    const char *acks = cli_value(call, "--acks");
    const char *codec = cli_value(call, "--compression");
    run.call = call;
    run.separator = cli_value(call, "--key-separator");
    run.acks = acks == NULL || strcmp(acks, "all") == 0 ? -1 : (int16_t)(acks[0] - '0');
    if (acks != NULL && strcmp(acks, "all") != 0 && strcmp(acks, "1") != 0 &&
        strcmp(acks, "0") != 0) {
        cli_error("--acks must be all, 1 or 0, not '%s'", acks);
        return false;
    }
    for (int i = 0; codec != NULL && strcmp(codec, batch_codec_name(run.codec)) != 0; i++) {
        if (i == BATCH_CODECS) {
            cli_error("--compression must be none, gzip, snappy, lz4 or zstd, not '%s'", codec);
            return false;
        }
        run.codec = (enum batch_codec)i;
    }
    return cli_number(call, "--partition", 0, INT32_MAX, -1, &run.only_partition) &&
           parse_headers(call);
}

static void print_result(bool json)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < run.topic->partition_count; i++) {
        const struct pending *pending = &run.pending[i];
        if (pending->first_offset < 0) {
            continue;
        }
        (void)json_array_append_new(rows,
                                    json_pack("{s:i, s:I, s:I}", "partition", (int)i,
                                              "first_offset", (json_int_t)pending->first_offset,
                                              "last_offset", (json_int_t)pending->last_offset));
        if (!json && isatty(STDERR_FILENO) == 1) {
            cli_note("partition %u: up to offset %lld", i, (long long)pending->last_offset);
        }
    }
    if (json) {
        json_t *root =
            json_pack("{s:s, s:I, s:I, s:O}", "topic", run.topic->name, "records",
                      (json_int_t)run.records, "bytes", (json_int_t)run.bytes, "partitions", rows);
        (void)json_dumpf(root, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(root);
    }
    json_decref(rows);
}

enum cli_exit produce_run(const struct cli_call *call)
{
    if (!parse_options(call)) {
        return CLI_USAGE;
    }
    if (!client_open(&run.client, call->bootstrap) ||
        !topics_describe(&run.client, call->words[0], &run.list)) {
        cli_error("%s", run.client.error);
        client_close(&run.client);
        return CLI_FAILED;
    }
    run.topic = &run.list.topics[0];
    if (run.only_partition >= (int64_t)run.topic->partition_count) {
        cli_error("%s has %u partitions", run.topic->name, run.topic->partition_count);
        return CLI_FAILED;
    }
    run.pending = calloc(run.topic->partition_count, sizeof(*run.pending));
    ASSERT(run.pending != NULL && "no memory");
    for (uint32_t i = 0; i < run.topic->partition_count; i++) {
        run.pending[i].first_offset = -1;
    }
    progress_begin(&run.progress, "records");
    const char *file = cli_value(call, "--file");
    const bool good =
        (file != NULL ? produce_file(file) : produce_lines()) && wait_for_unanswered();
    progress_end(&run.progress);
    if (good) {
        print_result(call->json);
    }
    for (uint32_t i = 0; i < run.topic->partition_count; i++) {
        free(run.pending[i].buffer);
    }
    free(run.pending);
    free(run.packed);
    topics_free(&run.list);
    client_close(&run.client);
    return good ? CLI_OK : CLI_FAILED;
}
