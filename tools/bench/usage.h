/* What a run cost: CPU of the broker, of the load, and bytes that reached the device.
 *
 * The broker's CPU is the busy time of all CPUs less the load's own, so that kernel threads which
 * work for the broker count; the processes' own times stand beside it. */
#ifndef TOOLS_BENCH_USAGE_H
#define TOOLS_BENCH_USAGE_H

#include "tools/bench/options.h"

struct usage {
    uint64_t at_ns;
    double busy_seconds; /* All CPUs since boot, stolen and idle time left out. */
    double load_seconds; /* This process. */
    double pid_seconds;  /* The broker's processes. */
    uint64_t device_bytes_written;
    bool has_device;
};

uint64_t usage_now_ns(void);
void usage_read(struct usage *usage, const struct bench_options *options);

#endif
