/* What the commands that talk to a broker share. */
#ifndef TOOLS_CLIENT_COMMAND_H
#define TOOLS_CLIENT_COMMAND_H

#include <jansson.h>

#include "tools/cli.h"
#include "tools/client/client.h"

/* Connects to --bootstrap with --timeout; false after a message, with *status to return. */
MUST_USE bool client_command_open(const struct cli_call *call, struct client *client,
                                  enum cli_exit *status);

/* Tells the client's problem and closes it; CLI_FAILED. */
enum cli_exit client_command_failed(struct client *client);

/* On stdout; json is given. */
void client_command_print(json_t *json);

/* On a terminal a person is asked, without --yes; a script has said what it wants. */
MUST_USE __attribute__((format(printf, 2, 3))) bool
client_command_confirmed(const struct cli_call *call, const char *format, ...);

/* `NOUN delete NAME...`: each name is tried, those that are not there are told and count as failed
 * but with --if-exists. */
struct client_deletion {
    const char *what;     /* Of one; others are called so with an s. */
    const char *holdings; /* What goes with it. */
    int16_t missing;      /* Kafka's error for a name that is not there. */
    bool (*remove)(struct client *client, const char *name);
};
enum cli_exit client_command_delete(const struct cli_call *call,
                                    const struct client_deletion *deletion);

#endif
