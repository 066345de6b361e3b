/* What the coordinators of transactions count, copied for whoever shows it. */
#ifndef CONTROL_SERVE_TXNS_COUNTERS_H
#define CONTROL_SERVE_TXNS_COUNTERS_H

#include "control/txn/txn.h"

struct txns_counters {
    uint64_t loads;
    uint64_t load_failures;
    uint64_t records_replayed;
    uint64_t records_unknown;
    uint64_t records_corrupt;
    uint64_t requests;
    uint64_t markers;         /* Written. */
    uint64_t markers_again;   /* Tried again. */
    uint64_t markers_refused; /* By an epoch; given up. */
    uint32_t seats_ready;
    uint32_t ids; /* Now, as the two below. */
    uint32_t ending;
    struct txn_counts transactions;
};

#endif
