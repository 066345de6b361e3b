/* What the commands that talk to a broker share. */
#ifndef TOOLS_CLIENT_COMMAND_H
#define TOOLS_CLIENT_COMMAND_H

#include "tools/cli.h"
#include "tools/client/client.h"

/* Connects to --bootstrap with --timeout; false after a message, with *status to return. */
MUST_USE bool client_command_open(const struct cli_call *call, struct client *client,
                                  enum cli_exit *status);

/* Tells the client's problem and closes it; CLI_FAILED. */
enum cli_exit client_command_failed(struct client *client);

#endif
