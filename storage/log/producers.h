/* What a batch in the log means for the producers of its partition: the same for a batch just
 * appended and for one replayed. Pure. */
#ifndef STORAGE_LOG_PRODUCERS_H
#define STORAGE_LOG_PRODUCERS_H

#include "storage/log/aborted.h"
#include "storage/log/producer_state.h"
#include "storage/record/record.h"

struct marker {
    bool commit;
    int32_t coordinator_epoch;
};

/* True when the control batch is a transaction marker. */
MUST_USE bool producers_marker(struct chain batch, struct marker *marker);

/* Brings the state behind the batch. batch holds the header and at least the first record of a
 * control batch. *aborted: the transaction that it aborts, last_offset -1 when it aborts none.
 * PRODUCER_OK or PRODUCER_NO_ROOM. */
MUST_USE enum producer_status producers_replay(struct producer_state *state, struct chain batch,
                                               const struct batch_header *header, bool undo,
                                               struct aborted_txn *aborted);

enum { PRODUCERS_MARKER_BYTES = 96 };

/* A marker's control batch as Kafka writes it (MemoryRecords.withEndTransactionMarker), for an
 * internal append. A view of `to`. */
struct bytes producers_marker_batch(uint8_t to[PRODUCERS_MARKER_BYTES], int64_t producer_id,
                                    int16_t producer_epoch, const struct marker *marker,
                                    int64_t timestamp_ms);

#endif
