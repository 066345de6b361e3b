/* WriteTxnMarkers (KIP-664, KIP-1228): markers that somebody else asks for, above all an operator
 * who aborts what no coordinator knows any more. */
#ifndef CONTROL_SERVE_TXN_WRITE_H
#define CONTROL_SERVE_TXN_WRITE_H

#include "control/serve/txns.h"

/* request is given; it is answered when all its markers are durable, or refused. */
void txn_write_run(struct txns *txns, struct peer_request *request);

/* Sends what may be sent; the work done. */
uint32_t txn_writes_turn(struct txns *txns);
uint64_t txn_writes_deadline_ns(const struct txn_writes *writes);
/* The session is over: they go without an answer. */
void txn_writes_over(struct txns *txns);

#endif
