/* The internal topics in which coordinators keep their state, as they come into being. */
#ifndef CONTROL_SERVE_COORDINATORS_H
#define CONTROL_SERVE_COORDINATORS_H

#include "control/group/group.h"

enum coordinator_kind {
    COORDINATOR_OF_GROUPS,
    COORDINATOR_OF_TRANSACTIONS,
    COORDINATOR_TOPICS,
};

/* Compacted, with as many partitions and as large segments as these broker keys say. */
struct coordinator_topic {
    const char *name;
    const char *partitions_key;
    const char *segment_bytes_key;
    const char *replicas_key;
    const char *compression_type;
};

extern const struct coordinator_topic coordinator_topics[COORDINATOR_TOPICS];

#endif
