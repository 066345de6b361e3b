/* The figures of one run, as text for people and JSON for scripts. */
#ifndef TOOLS_BENCH_REPORT_H
#define TOOLS_BENCH_REPORT_H

#include "storage/base/histogram.h"
#include "tools/bench/usage.h"

struct report {
    const char *kind;
    struct usage before, after;
    struct histogram latency_ns;
    uint64_t requests; /* Answered in the measured time. */
    uint64_t records;
    uint64_t payload_bytes; /* Whole batches. */
    uint64_t offered;       /* Open loop: requests that were due in the measured time. */
    uint64_t errors;
    int16_t first_error;
    uint64_t verified_bytes;
    bool verify_failed;
    char verify_note[256];
};

/* Prints the report; returns the exit code: 0, or 1 when there were errors or wrong bytes. */
int report_print(const struct report *report, const struct bench_options *options);

#endif
