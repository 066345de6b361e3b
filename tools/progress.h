/* One line on a terminal that says how far a command is, from its second second on. */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include "storage/base/check.h"

struct progress {
    const char *what; /* "records" */
    uint64_t start_ms;
    uint64_t told_ms;
    bool terminal; /* stderr is one. */
    bool shown;
};

void progress_begin(struct progress *progress, const char *what);

/* done and total in units of `what`; total 0: not known. bytes 0: not told. */
void progress_tick(struct progress *progress, uint64_t done, uint64_t total, uint64_t bytes);

/* Wipes the line. */
void progress_end(struct progress *progress);

#endif
