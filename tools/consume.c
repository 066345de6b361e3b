/* `millrace consume TOPIC`: records as they come, in a format or as JSON lines. */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/client/record_print.h"
#include "tools/client_command.h"
#include "tools/commands.h"
#include "tools/progress.h"

enum { PARTITIONS_MAX = CLI_GIVEN_MAX, WAIT_MS = 500 };

struct output {
    const char *format; /* NULL: JSON. */
    int64_t left;       /* Records still to print. */
    bool broken;        /* stdout takes no more. */
    struct progress progress;
    struct consumer consumer;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static bool output_take(void *context, const struct consumer_record *record)
{
    struct output *output = context;
    if (output->format != NULL) {
        record_print(stdout, output->format, record);
    } else {
        json_t *json = record_json(record);
        (void)json_dumpf(json, stdout, JSON_COMPACT);
        (void)putchar('\n');
        json_decref(json);
    }
    output->broken = ferror(stdout) != 0;
    if (isatty(STDOUT_FILENO) == 0) {
        const struct consumer *consumer = &output->consumer;
        progress_tick(&output->progress, consumer->record_count,
                      consumer->stop_at_end ? consumer->record_count + consumer_left(consumer) : 0,
                      consumer->byte_count);
    }
    return --output->left > 0 && !output->broken && interrupted == 0;
}

static bool start_read(const struct cli_call *call, struct consumer_start *start, bool *json)
{
    /* -o names an offset here; but -o json is what it is everywhere. */
    const char *text = NULL;
    const char *value;
    for (int i = 0; (value = cli_value_at(call, "--offset", i)) != NULL; i++) {
        if (strcmp(value, "json") == 0 || strcmp(value, "text") == 0) {
            *json = strcmp(value, "json") == 0;
        } else {
            text = value;
        }
    }
    *start = (struct consumer_start){.from = CONSUMER_FROM_BEGIN};
    if (text != NULL && !consumer_start_parse(text, start)) {
        cli_error("--offset is begin, end, N, -N, @MILLISECONDS or @2026-01-31T12:00:00Z, "
                  "not '%s'",
                  text);
        return false;
    }
    return true;
}

static bool partitions_read(const struct cli_call *call, int32_t *partitions, uint32_t *count)
{
    const char *text;
    *count = 0;
    for (int i = 0; (text = cli_value_at(call, "--partition", i)) != NULL; i++) {
        char *end;
        const long number = strtol(text, &end, 10);
        if (*end != '\0' || end == text || number < 0 || number > INT32_MAX) {
            cli_error("--partition must be a whole number from 0, not '%s'", text);
            return false;
        }
        bool twice = false;
        for (uint32_t j = 0; j < *count; j++) {
            twice = twice || partitions[j] == (int32_t)number;
        }
        if (!twice) {
            partitions[(*count)++] = (int32_t)number;
        }
    }
    return true;
}

static bool format_read(const struct cli_call *call, bool json, struct output *output)
{
    const char *format = cli_value(call, "--format");
    const char *bad;
    output->format = json ? NULL : format != NULL ? format : "%s\\n";
    if (output->format != NULL && !record_format_check(output->format, &bad)) {
        cli_error("--format: '%s' is none of %%t %%p %%o %%T %%k %%K %%s %%S %%h %%%% \\n \\r \\t "
                  "\\\\ \\xNN",
                  bad);
        return false;
    }
    return true;
}

static bool output_run(struct client *client, struct output *output)
{
    const struct consumer_sink sink = {output_take, output};
    while (output->left > 0 && !output->broken && interrupted == 0 &&
           !consumer_done(&output->consumer)) {
        if (!consumer_poll(&output->consumer, WAIT_MS, &sink) && interrupted == 0) {
            return false;
        }
        if (fflush(stdout) != 0) {
            output->broken = true;
        }
    }
    if (output->broken && errno != EPIPE) {
        return problem_set(&client->problem, PROBLEM_LOCAL, "cannot write the output: %s",
                           strerror(errno));
    }
    return true;
}

enum cli_exit consume_run(const struct cli_call *call)
{
    static struct output output;
    struct client client;
    enum cli_exit status;
    struct consumer_start start;
    int32_t partitions[PARTITIONS_MAX];
    uint32_t partition_count;
    bool json = call->json;
    output = (struct output){0};
    if (!start_read(call, &start, &json) || !partitions_read(call, partitions, &partition_count) ||
        !format_read(call, json, &output) ||
        !cli_number(call, "--count", 1, INT64_MAX, INT64_MAX, &output.left)) {
        return CLI_USAGE;
    }
    const struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    progress_begin(&output.progress, "records");
    const bool ok = consumer_open(&output.consumer, &client, call->words[0], partitions,
                                  partition_count, start, cli_switch(call, "--exit")) &&
                    output_run(&client, &output);
    progress_end(&output.progress);
    consumer_close(&output.consumer);
    if (!ok) {
        return client_command_failed(&client);
    }
    client_close(&client);
    return CLI_OK;
}
