/* From the options of `up` and `doctor` to the settings both processes will read. */
#ifndef TOOLS_CONFIGURE_H
#define TOOLS_CONFIGURE_H

#include "dataplane/profile/settings.h"
#include "tools/cli.h"

enum { CONFIGURE_ARGUMENTS_MAX = 128 };

/* The options as arguments of the processes, ended by NULL: paths made absolute, the default data
 * directory and the run directory spelled out. */
struct configuration {
    struct settings settings;
    struct settings_problems problems;
    const char *arguments[CONFIGURE_ARGUMENTS_MAX];
    int argument_count;
    const char *run_directory;
};

/* False when something is wrong with it; problems then say what. The configuration must be zero
 * before; it lives as long as the process. */
MUST_USE bool configure(const struct cli_call *call, struct configuration *configuration);

/* Says all problems and warnings on stderr. */
void configure_tell(const struct configuration *configuration);

#endif
