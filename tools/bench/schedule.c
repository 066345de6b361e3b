#include "tools/bench/schedule.h"

void schedule_init(struct schedule *schedule, uint64_t rate_per_s, uint64_t started_ns,
                   uint64_t end_ns)
{
    *schedule = (struct schedule){.started_ns = started_ns, .end_ns = end_ns};
    schedule->interval_ns_x1024 = (1000000000ull << 10) / max_u64(1, rate_per_s);
}

uint64_t schedule_due_ns(const struct schedule *schedule, uint64_t number)
{
    return schedule->started_ns + ((number * schedule->interval_ns_x1024) >> 10);
}

uint64_t schedule_due_before(const struct schedule *schedule, uint64_t at_ns)
{
    if (at_ns <= schedule->started_ns) {
        return 0;
    }
    uint64_t number = ((at_ns - schedule->started_ns) << 10) / schedule->interval_ns_x1024;
    while (schedule_due_ns(schedule, number) < at_ns) {
        number++; /* What the division lost. */
    }
    return number;
}

bool schedule_is_due(const struct schedule *schedule, uint64_t now_ns)
{
    const uint64_t due_ns = schedule_due_ns(schedule, schedule->sent);
    return due_ns <= now_ns && due_ns < schedule->end_ns;
}

bool schedule_is_done(const struct schedule *schedule)
{
    return schedule_due_ns(schedule, schedule->sent) >= schedule->end_ns;
}
