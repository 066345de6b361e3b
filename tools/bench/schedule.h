/* An open loop: request n is due at start + n / rate, whatever became of those before it. What was
 * due before the end belongs to the run, even when it is sent late. */
#ifndef TOOLS_BENCH_SCHEDULE_H
#define TOOLS_BENCH_SCHEDULE_H

#include "storage/base/bytes.h"

struct schedule {
    uint64_t started_ns, end_ns; /* Requests are due from the one to the other. */
    uint64_t interval_ns_x1024;
    uint64_t sent; /* Requests that were, all due ones before it. */
};

/* rate_per_s 0 counts as 1. */
void schedule_init(struct schedule *schedule, uint64_t rate_per_s, uint64_t started_ns,
                   uint64_t end_ns);

/* When a request is due. */
uint64_t schedule_due_ns(const struct schedule *schedule, uint64_t number);

/* How many requests are due before then. */
uint64_t schedule_due_before(const struct schedule *schedule, uint64_t at_ns);

/* True when the next request is due and not behind the end. */
bool schedule_is_due(const struct schedule *schedule, uint64_t now_ns);

/* True when all requests of the schedule were sent. */
bool schedule_is_done(const struct schedule *schedule);

#endif
