/* Requests about transactions on their way through: taken apart by transactional id, each part run
 * through the seat of its id, and put together again when the last part is answered. */
#ifndef CONTROL_SERVE_TXN_REQUEST_H
#define CONTROL_SERVE_TXN_REQUEST_H

#include "control/serve/txns.h"

/* True: an API of transactions. */
bool txn_request_is(int16_t api_key);

/* request is given; it is answered at once or later. */
void txn_request_run(struct txns *txns, struct peer_request *request);

/* Runs parked parts again: those of that id, and those that are parked for too long. How many. */
uint32_t txn_parked_run(struct txn_seat *seat, struct bytes transactional_id);
uint64_t txn_parked_deadline_ns(const struct txn_seat *seat);

/* The reply of a step may leave, or its records could not be written. entry is given. */
void txn_entry_settle(struct ledger_entry *entry, int16_t error_code);

#endif
