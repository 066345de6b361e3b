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
#include "storage/log/producers.h"

struct control;
struct txns;
struct peer_request;
struct image_topic;

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

/* Requests to write markers that are on their way (txn_write.c). */
struct txn_writes {
    struct list waiting; /* Their parts, in the order in which they will be sent. */
    struct list out;
    uint32_t out_count;
    uint32_t places; /* Of all requests that are not answered yet. */
};
struct txn_writes *txns_writes(struct txns *txns);

/* txn_marker.c */
/* One marker for one partition. Lent until done is called, once, maybe at once; or until the
 * session is over, which calls nobody. */
struct marker_write {
    /* In. */
    struct marker marker;
    int64_t producer_id;
    int16_t producer_epoch;
    int16_t version; /* transaction.version of who drives the transaction. */
    int32_t partition;
    /* COORDINATOR_LOAD_IN_PROGRESS: the coordinator of that partition of __consumer_offsets cannot
       take it now. */
    void (*done)(struct marker_write *write, int16_t error_code);
    /* Its own. */
    struct call call;
    uint8_t batch[PRODUCERS_MARKER_BYTES];
};
void txn_marker_write(struct txns *txns, const struct image_topic *topic,
                      struct marker_write *write);
void txn_marks_begin(struct txn_seat *seat, const struct txn_marker *marker);
uint32_t txn_marks_turn(struct txn_seat *seat);
uint64_t txn_marks_deadline_ns(const struct txn_seat *seat);
void txn_marks_drop(struct txn_seat *seat);
/* No call of theirs is out. */
bool txn_marks_quiet(const struct txn_seat *seat);

#endif
