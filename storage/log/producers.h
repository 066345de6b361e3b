/* What a batch in the log means for the producers of its partition: the same for a batch just
 * appended and for one replayed. Pure. */
#ifndef STORAGE_LOG_PRODUCERS_H
#define STORAGE_LOG_PRODUCERS_H

#include "storage/log/producer_state.h"
#include "storage/record/record.h"

struct marker {
    bool commit;
    int32_t coordinator_epoch;
};

/* True when the control batch is a transaction marker. */
MUST_USE bool producers_marker(struct chain batch, struct marker *marker);

/* Brings the state behind the batch. batch holds the header and at least the first record of a
 * control batch. PRODUCER_OK or PRODUCER_NO_ROOM. */
MUST_USE enum producer_status producers_replay(struct producer_state *state, struct chain batch,
                                               const struct batch_header *header, bool undo);

#endif
