#include "dataplane/slowpath/statistics.h"

#define STATISTIC_COUNTER(name, help) {#name, help, true},
#define STATISTIC_GAUGE(name, help)   {#name, help, false},
const struct statistic_description statistic_descriptions[STATISTIC_COUNT] = {
    STATISTICS(STATISTIC_COUNTER, STATISTIC_GAUGE)};
const struct statistic_description port_statistic_descriptions[PORT_STATISTIC_COUNT] = {
    PORT_STATISTICS(STATISTIC_COUNTER, STATISTIC_GAUGE)};

void statistics_init(struct statistics *statistics, uint32_t core_count, int64_t wall_ms)
{
    statistics->core_count = core_count;
    statistics->core_bytes = sizeof(struct core_statistics);
    statistics->started_wall_ms = wall_ms;
    statistics->magic = STATISTICS_MAGIC;
}

bool statistics_valid(const struct statistics *statistics, uint64_t memory_bytes)
{
    return memory_bytes >= sizeof(*statistics) && statistics->magic == STATISTICS_MAGIC &&
           statistics->core_bytes == sizeof(struct core_statistics) && statistics->core_count > 0 &&
           statistics->core_count <= 1024 &&
           statistics_size(statistics->core_count) <= memory_bytes;
}
