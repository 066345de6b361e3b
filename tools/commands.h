/* The commands behind the table of tools/commands.c; each in the file of its name. */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "tools/cli.h"

enum cli_exit up_run(const struct cli_call *call);
enum cli_exit down_run(const struct cli_call *call);
enum cli_exit status_run(const struct cli_call *call);
enum cli_exit doctor_run(const struct cli_call *call);

#endif
