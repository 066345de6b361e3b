/* `millrace produce TOPIC`: each line of the input, or the whole of a file, is a record. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tools/client/producer.h"
#include "tools/client_command.h"
#include "tools/commands.h"
#include "tools/progress.h"

enum {
    HEADERS_MAX = 64,
    LINGER_MS = 5, /* How long a line waits for the next before it is sent. */
    INPUT_BYTES_MIN = 256 << 10,
    INPUT_BYTES_MAX = 1 << 30,
    TIMEOUT_MS = 30000,
};

struct lines {
    struct producer producer;
    struct bytes separator; /* Between key and value; len 0: no keys. */
    bool empty_is_null;
    int64_t partition; /* -1: by key. */
    struct record_header headers[HEADERS_MAX];
    int32_t header_count;
    struct progress progress;
    uint8_t *input; /* Owned. */
    size_t capacity, used;
};

static int64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Options -------------------------------------------------------------------------------- */

static bool headers_read(const struct cli_call *call, struct lines *lines)
{
    const char *text;
    for (int i = 0; (text = cli_value_at(call, "--header", i)) != NULL; i++) {
        const char *equals = strchr(text, '=');
        if (lines->header_count == HEADERS_MAX || equals == text) {
            cli_error("--header needs NAME=VALUE, at most %d of them", HEADERS_MAX);
            return false;
        }
        struct record_header *header = &lines->headers[lines->header_count++];
        header->name = equals == NULL
                           ? bytes_of_string(text)
                           : (struct bytes){(const uint8_t *)text, (uint32_t)(equals - text)};
        header->value = equals == NULL ? (struct bytes){0} : bytes_of_string(equals + 1);
    }
    return true;
}

static bool codec_read(const char *text, enum batch_codec *codec)
{
    for (int i = BATCH_CODEC_NONE; i < BATCH_CODECS; i++) {
        if (text == NULL || strcmp(text, batch_codec_name((enum batch_codec)i)) == 0) {
            *codec = (enum batch_codec)i;
            return true;
        }
    }
    cli_error("--compression is none, gzip, snappy, lz4 or zstd, not '%s'", text);
    return false;
}

static bool acks_read(const char *text, int16_t *acks)
{
    *acks = -1;
    if (text == NULL || strcmp(text, "all") == 0 || strcmp(text, "-1") == 0) {
        return true;
    }
    *acks = strcmp(text, "1") == 0 ? 1 : 0;
    if (*acks == 0 && strcmp(text, "0") != 0) {
        cli_error("--acks is all, 1 or 0, not '%s'", text);
        return false;
    }
    return true;
}

static bool options_read(const struct cli_call *call, struct lines *lines,
                         struct producer_options *options)
{
    const char *separator = cli_value(call, "--key-separator");
    lines->separator = separator != NULL ? bytes_of_string(separator) : (struct bytes){0};
    lines->empty_is_null = cli_switch(call, "--null");
    if (separator != NULL && separator[0] == '\0') {
        cli_error("--key-separator cannot be empty");
        return false;
    }
    if (!cli_number(call, "--partition", 0, INT32_MAX, -1, &lines->partition) ||
        !headers_read(call, lines) ||
        !codec_read(cli_value(call, "--compression"), &options->codec) ||
        !acks_read(cli_value(call, "--acks"), &options->acks)) {
        return false;
    }
    options->idempotent = options->acks == -1 && !cli_switch(call, "--not-idempotent");
    options->seed = connection_now_ns() ^ (uint64_t)getpid() << 32;
    return true;
}

/* ---- Records -------------------------------------------------------------------------------- */

static bool record_send(struct lines *lines, struct bytes key, struct bytes value)
{
    const uint32_t partition =
        lines->partition >= 0 ? (uint32_t)lines->partition : producer_place(&lines->producer, key);
    if (lines->empty_is_null && value.len == 0) {
        value.ptr = NULL;
    }
    progress_tick(&lines->progress, lines->producer.sent_records, 0, lines->producer.sent_bytes);
    return producer_add(&lines->producer, partition, wall_ms(), key, value, lines->headers,
                        lines->header_count);
}

static bool line_send(struct lines *lines, struct bytes line)
{
    struct bytes key = {0};
    struct bytes value = line;
    if (lines->separator.len > 0) {
        const uint8_t *at =
            line.len == 0 ? NULL
                          : memmem(line.ptr, line.len, lines->separator.ptr, lines->separator.len);
        if (at != NULL) {
            key = (struct bytes){line.ptr, (uint32_t)(at - line.ptr)};
            value.ptr = at + lines->separator.len;
            value.len = line.len - key.len - lines->separator.len;
        }
    }
    return record_send(lines, key, value);
}

/* Sends the whole lines in the input; at_end also what stands behind the last newline. */
static bool input_send(struct lines *lines, bool at_end)
{
    const uint8_t *at = lines->input;
    size_t left = lines->used;
    const uint8_t *newline;
    while (left > 0 && (newline = memchr(at, '\n', left)) != NULL) {
        if (!line_send(lines, (struct bytes){at, (uint32_t)(newline - at)})) {
            return false;
        }
        left -= (size_t)(newline - at) + 1;
        at = newline + 1;
    }
    if (at_end && left > 0) {
        if (!line_send(lines, (struct bytes){at, (uint32_t)left})) {
            return false;
        }
        left = 0;
    }
    memmove(lines->input, at, left);
    lines->used = left;
    return true;
}

static bool input_grow(struct lines *lines)
{
    if (lines->capacity - lines->used >= INPUT_BYTES_MIN / 2) {
        return true;
    }
    const size_t capacity = lines->capacity == 0 ? INPUT_BYTES_MIN : 2 * lines->capacity;
    uint8_t *input = capacity <= INPUT_BYTES_MAX ? realloc(lines->input, capacity) : NULL;
    if (input == NULL) {
        return problem_set(&lines->producer.client->problem, PROBLEM_LOCAL,
                           "a line of more than %zu bytes", lines->capacity);
    }
    lines->input = input;
    lines->capacity = capacity;
    return true;
}

/* Reads to the end. lines: what lies between newlines goes out when the input pauses. */
static bool input_read(struct lines *lines, int fd, bool by_line)
{
    for (;;) {
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        if (by_line && poll(&pollfd, 1, LINGER_MS) == 0 && !producer_flush(&lines->producer)) {
            return false;
        }
        if (!input_grow(lines)) {
            return false;
        }
        const ssize_t got = read(fd, lines->input + lines->used, lines->capacity - lines->used);
        if (got < 0 && errno != EINTR) {
            return problem_set(&lines->producer.client->problem, PROBLEM_LOCAL,
                               "cannot read the input: %s", strerror(errno));
        }
        lines->used += got > 0 ? (size_t)got : 0;
        if (by_line && !input_send(lines, got == 0)) {
            return false;
        }
        if (got == 0) {
            return true;
        }
    }
}

static bool file_send(const struct cli_call *call, struct lines *lines, const char *path)
{
    const char *key = cli_value(call, "--key");
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return problem_set(&lines->producer.client->problem, PROBLEM_LOCAL, "%s: %s", path,
                           strerror(errno));
    }
    bool ok = input_read(lines, fd, false);
    (void)close(fd);
    return ok && record_send(lines, key != NULL ? bytes_of_string(key) : (struct bytes){0},
                             (struct bytes){lines->input, (uint32_t)lines->used});
}

/* ---- Result --------------------------------------------------------------------------------- */

static void result_json(const struct lines *lines)
{
    const struct producer *producer = &lines->producer;
    json_t *json = json_object();
    (void)json_object_set_new(json, "topic", json_string(producer->topic.name));
    (void)json_object_set_new(json, "records", json_integer((json_int_t)producer->sent_records));
    (void)json_object_set_new(json, "bytes", json_integer((json_int_t)producer->sent_bytes));
    (void)json_object_set_new(json, "idempotent", json_boolean(producer->options.idempotent));
    json_t *partitions = json_array();
    for (uint32_t i = 0; i < producer->topic.partition_count; i++) {
        const struct producer_partition *partition = &producer->partitions[i];
        if (partition->record_count > 0) {
            json_t *one = json_object();
            (void)json_object_set_new(one, "partition", json_integer(i));
            (void)json_object_set_new(one, "records",
                                      json_integer((json_int_t)partition->record_count));
            (void)json_object_set_new(one, "first_offset", json_integer(partition->first_offset));
            (void)json_object_set_new(one, "last_offset", json_integer(partition->last_offset));
            (void)json_array_append_new(partitions, one);
        }
    }
    (void)json_object_set_new(json, "partitions", partitions);
    (void)json_dumpf(json, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(json);
}

static void result_tell(const struct lines *lines)
{
    if (isatty(2) == 1) {
        cli_note("%llu records to %s", (unsigned long long)lines->producer.sent_records,
                 lines->producer.topic.name);
    }
}

enum cli_exit produce_run(const struct cli_call *call)
{
    static struct lines lines;
    lines = (struct lines){0};
    struct client client;
    enum cli_exit status;
    struct producer_options options;
    if (!options_read(call, &lines, &options)) {
        return CLI_USAGE;
    }
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    const char *file = cli_value(call, "--file");
    progress_begin(&lines.progress, "records");
    const bool ok =
        producer_open(&lines.producer, &client, call->words[0], &options) &&
        (file != NULL ? file_send(call, &lines, file) : input_read(&lines, STDIN_FILENO, true)) &&
        producer_finish(&lines.producer);
    progress_end(&lines.progress);
    if (ok && call->json) {
        result_json(&lines);
    } else if (ok) {
        result_tell(&lines);
    } else if (lines.producer.sent_records > 0) {
        cli_note("%llu records were acknowledged before that",
                 (unsigned long long)lines.producer.sent_records);
    }
    producer_close(&lines.producer);
    free(lines.input);
    if (!ok) {
        return client_command_failed(&client);
    }
    client_close(&client);
    return CLI_OK;
}
