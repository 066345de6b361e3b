/* ListOffsets and OffsetForLeaderEpoch (B31, B32): where in the log a timestamp or an epoch is. */
#ifndef DATAPLANE_BROKER_LIST_OFFSETS_H
#define DATAPLANE_BROKER_LIST_OFFSETS_H

#include "dataplane/broker/state.h"

/* At the owner: true when the answer is known without the log's help; else the query is set up. */
bool list_offsets_at_once(const struct partition *partition, struct operation *operation);

/* At the owner: the query is done. */
void list_offsets_found(struct operation *operation);

#endif
