/* The coordinators of transactions at work: one for each partition of __transaction_state, with a
 * ledger each. Requests are run through txn_step and answered when what they changed is durable;
 * then the markers go out (txn_marker.c), again and again until every partition has them, also
 * those that a restart finds missing.
 *
 * Threads: the control loop's.
 */
#ifndef CONTROL_SERVE_TXNS_H
#define CONTROL_SERVE_TXNS_H

#include "control/serve/ledger.h"
#include "control/serve/txns_counters.h"

struct control;
struct txns;
struct peer_request;

/* One partition of __transaction_state and the ids that lie in it. */
struct txn_seat {
    struct txns *txns;
    uint32_t index;
    struct ledger ledger;
    struct txn_coordinator *coordinator; /* NULL: away, or being read. */
    bool led;
    struct list parts;  /* Of requests, that wait here. */
    struct list parked; /* Parts that are run again when the last transaction of their id is over:
                           their clients are told of its end before the markers are written. */
    struct list marks;  /* Transactions whose markers are on their way. */
    uint64_t load_at_ns;
};

/* What a step left for when its records are durable; in the entry's arena. */
struct txn_outcome {
    struct txn_reply reply;
    bool has_reply;
    const struct txn_marker *markers;
    uint32_t marker_count;
};

/* NULL: no memory. control is borrowed. */
struct txns *txns_create(struct control *control);
void txns_destroy(struct txns *txns);

/* True when the API is one of transactions; then the request is given. */
bool txns_request(struct txns *txns, struct peer_request *request);

/* Loads what there is to load, lets time pass, sends records and markers off. */
uint32_t txns_turn(struct txns *txns);
uint64_t txns_deadline_ns(const struct txns *txns);

/* The session is over: everything is thrown away. */
void txns_over(struct txns *txns);

/* Producer ids for new transactional ids: whether a block is wanted, and here it is, durably. */
bool txns_want_ids(const struct txns *txns);
void txns_grant_ids(struct txns *txns, int64_t first, uint32_t count);

struct txns_counters txns_counters(const struct txns *txns);

/* ---- For txn_request.c and txn_marker.c ----------------------------------------------------- */

int16_t txns_seat_of(struct txns *txns, struct bytes transactional_id, struct txn_seat **seat);
uint32_t txns_seat_count(const struct txns *txns);
struct txn_seat *txns_seat(struct txns *txns, uint32_t index);
int16_t txn_seat_error(const struct txn_seat *seat);
struct control *txns_control(struct txns *txns);
struct txns_counters *txns_count(struct txns *txns);
/* False: no producer id is at hand. */
bool txns_has_id(const struct txns *txns);
/* How long a part may be parked. */
uint64_t txns_park_ns(const struct txns *txns);
/* The memory that its update takes until it is settled. */
uint64_t txn_seat_step(struct txn_seat *seat, struct txn_event *event);

/* txn_marker.c */
void txn_marks_begin(struct txn_seat *seat, const struct txn_marker *marker);
uint32_t txn_marks_turn(struct txn_seat *seat);
uint64_t txn_marks_deadline_ns(const struct txn_seat *seat);
void txn_marks_drop(struct txn_seat *seat);
/* No call of theirs is out. */
bool txn_marks_quiet(const struct txn_seat *seat);

#endif
