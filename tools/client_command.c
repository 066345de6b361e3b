#include "tools/client_command.h"

#include <unistd.h>

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
