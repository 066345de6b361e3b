#include "tools/client_command.h"

#include <stdarg.h>
#include <unistd.h>

#include "tools/progress.h"

enum { TIMEOUT_S = 30, TIMEOUT_S_MAX = 3600 };

static void wait_print(uint32_t seconds)
{
    if (seconds > 0) {
        (void)fprintf(stderr, "\r\033[Kwaiting for the node, %u s", seconds);
    } else {
        (void)fputs("\r\033[K", stderr);
    }
    (void)fflush(stderr);
}

bool client_command_open(const struct cli_call *call, struct client *client, enum cli_exit *status)
{
    int64_t seconds;
    *status = CLI_USAGE;
    if (!cli_number(call, "--timeout", 1, TIMEOUT_S_MAX, TIMEOUT_S, &seconds)) {
        return false;
    }
    connection_tell_waits(isatty(STDERR_FILENO) == 1 ? wait_print : NULL);
    if (!client_open(client, call->bootstrap, (uint32_t)seconds * 1000)) {
        *status = client->problem.kind == PROBLEM_LOCAL ? CLI_USAGE : CLI_FAILED;
        (void)client_command_failed(client);
        return false;
    }
    return true;
}

enum cli_exit client_command_failed(struct client *client)
{
    cli_error("%s", client->problem.text);
    client_close(client);
    return CLI_FAILED;
}

void client_command_print(json_t *json)
{
    (void)json_dumpf(json, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(json);
}

bool client_command_confirmed(const struct cli_call *call, const char *format, ...)
{
    char answer[16];
    if (cli_switch(call, "--yes") || isatty(STDIN_FILENO) != 1) {
        return true;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputs(" [y/N] ", stderr);
    return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static bool delete_confirmed(const struct cli_call *call, const struct client_deletion *deletion)
{
    if (call->word_count > 1) {
        return client_command_confirmed(call, "delete %s %s and %d other %ss, and %s?",
                                        deletion->what, call->words[0], call->word_count - 1,
                                        deletion->what, deletion->holdings);
    }
    return client_command_confirmed(call, "delete %s %s and %s?", deletion->what, call->words[0],
                                    deletion->holdings);
}

enum cli_exit client_command_delete(const struct cli_call *call,
                                    const struct client_deletion *deletion)
{
    struct client client;
    enum cli_exit status;
    if (!delete_confirmed(call, deletion)) {
        cli_note("nothing deleted");
        return CLI_FAILED;
    }
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    status = CLI_OK;
    struct progress progress;
    char names[32];
    (void)snprintf(names, sizeof(names), "%ss", deletion->what);
    progress_begin(&progress, names);
    for (int i = 0; i < call->word_count; i++) {
        progress_tick(&progress, (uint64_t)i, (uint64_t)call->word_count, 0);
        if (deletion->remove(&client, call->words[i])) {
            continue;
        }
        progress_end(&progress);
        if (client.problem.kind == PROBLEM_KAFKA && client.problem.code == deletion->missing &&
            cli_switch(call, "--if-exists")) {
            cli_note("%s does not exist", call->words[i]);
        } else {
            cli_error("%s", client.problem.text);
            status = CLI_FAILED;
        }
    }
    progress_end(&progress);
    client_close(&client);
    return status;
}
