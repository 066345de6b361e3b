/* What the coordinators of groups count, copied for whoever shows it. */
#ifndef CONTROL_SERVE_GROUPS_COUNTERS_H
#define CONTROL_SERVE_GROUPS_COUNTERS_H

#include "control/group/group.h"

struct groups_counters {
    uint64_t loads;
    uint64_t load_failures;
    uint64_t records_replayed;
    uint64_t records_unknown;
    uint64_t records_corrupt;
    uint64_t requests;
    uint64_t pauses; /* Times in which nobody could be heard. */
    uint32_t seats_ready;
    uint32_t groups; /* Now, as the four below. */
    uint32_t members;
    uint32_t offsets;
    uint32_t waiting;                    /* Requests. */
    uint32_t states[GROUP_SHOWN_STATES]; /* Groups in each. */
    uint64_t rebalances;
    uint64_t commits; /* Offsets. */
    uint64_t expirations;
    uint64_t appends;
    uint64_t parts;  /* Of requests, run. */
    uint64_t walked; /* Of what there may be a million of, by steps. */
};

#endif
