/* The control process around the loop: waiting, clocks, signals, HTTP, log lines. */
#ifndef CONTROL_PROCESS_H
#define CONTROL_PROCESS_H

#include "dataplane/profile/settings.h"

/* Runs until SIGTERM or SIGINT, or until the loop refuses. Returns the exit status: 0, 1 failed,
 * 78 refused; then the last line on stderr says why. */
int process_run(const struct settings *settings);

#endif
