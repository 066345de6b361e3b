#include "control/txn/coordinator.h"

void txn_complete(struct txn_coordinator *coordinator, struct txn *txn, struct txn_update *update)
{
    const bool commits = txn->state == TXN_PREPARE_COMMIT;
    txn_state_set(coordinator, txn, commits ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT);
    coordinator->counts.committed += commits;
    coordinator->counts.aborted += !commits;
    txn->previous_producer_id = txn->producer_id;
    if (txn->version >= VERSION_WITH_BUMPS && txn->next_producer_id != NO_ID) {
        txn->producer_id = txn->next_producer_id;
        txn->epoch = 0;
    }
    txn->next_producer_id = NO_ID;
    txn->update_ms = coordinator->wall_ms;
    txn_places_clear(txn);
    txn_record_write(coordinator, update, txn);
}

/* The record is written: now its markers. */
static void txn_prepared(struct txn_coordinator *coordinator, struct txn *txn,
                         struct txn_update *update)
{
    if (txn->place_count == 0) {
        txn_complete(coordinator, txn, update);
    } else {
        txn_marker_ask(update, txn);
    }
}

void txn_prepare(struct txn_coordinator *coordinator, struct txn *txn, bool commits,
                 int16_t version, int64_t next_producer_id, struct txn_update *update)
{
    if (txn->state != TXN_ONGOING) {
        txn->start_ms = coordinator->wall_ms; /* An abort of nothing. */
    }
    if (version >= VERSION_WITH_BUMPS) {
        txn->last_epoch = txn->epoch;
        txn->epoch++;
    }
    txn_state_set(coordinator, txn, commits ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT);
    txn->previous_producer_id = txn->producer_id;
    txn->next_producer_id = next_producer_id;
    txn->update_ms = coordinator->wall_ms;
    txn->version = version;
    txn_record_write(coordinator, update, txn);
    txn_prepared(coordinator, txn, update);
}

void txn_fence(struct txn_coordinator *coordinator, struct txn *txn, struct txn_update *update)
{
    ASSERT(txn->state == TXN_ONGOING);
    if (coordinator->settings->version < VERSION_WITH_BUMPS || txn->epoch == INT16_MAX) {
        txn->epoch = (int16_t)(txn->epoch + (txn->epoch < INT16_MAX));
        txn->last_epoch = NO_EPOCH;
        txn_prepare(coordinator, txn, false, 0, NO_ID, update);
    } else {
        txn_prepare(coordinator, txn, false, VERSION_WITH_BUMPS, NO_ID, update);
    }
}

/* --- EndTxn -------------------------------------------------------------------------------------
 */

/* Without bumps: the same end again is a repeat, whenever it comes. */
static int16_t end_plain(struct txn_coordinator *coordinator, struct txn *txn,
                         const struct end_txn_request *request, struct txn_update *update)
{
    if (txn->producer_id != request->producer_id) {
        return ERROR_INVALID_PRODUCER_ID_MAPPING;
    }
    if (txn->epoch != request->producer_epoch) {
        return ERROR_PRODUCER_FENCED;
    }
    switch (txn->state) {
    case TXN_ONGOING:
        txn_prepare(coordinator, txn, request->committed, 0, NO_ID, update);
        return ERROR_NONE;
    case TXN_COMPLETE_COMMIT: return request->committed ? ERROR_NONE : ERROR_INVALID_TXN_STATE;
    case TXN_COMPLETE_ABORT: return request->committed ? ERROR_INVALID_TXN_STATE : ERROR_NONE;
    case TXN_PREPARE_COMMIT: /* Whichever end: Kafka looks at it when the markers are written. */
    case TXN_PREPARE_ABORT: return ERROR_CONCURRENT_TRANSACTIONS;
    case TXN_EMPTY:
    case TXN_STATES: break;
    }
    return ERROR_INVALID_TXN_STATE;
}

/* With bumps an epoch tells a repeat from a new end. */
struct repeat {
    bool by_epoch;    /* It ended the transaction before this epoch. */
    bool by_overflow; /* Its producer id ran out of epochs and was replaced. */
};

static struct repeat repeat_of(const struct txn *txn, const struct end_txn_request *request)
{
    return (struct repeat){
        .by_epoch = txn->epoch == (int32_t)request->producer_epoch + 1,
        .by_overflow = txn->previous_producer_id == request->producer_id &&
                       request->producer_epoch == EPOCH_EXHAUSTED && txn->epoch == 0,
    };
}

static bool epoch_is_valid(const struct txn *txn, const struct end_txn_request *request,
                           struct repeat repeat)
{
    const bool current = txn->epoch == request->producer_epoch;
    if (txn->state == TXN_COMPLETE_COMMIT || txn->state == TXN_COMPLETE_ABORT) {
        return repeat.by_epoch || repeat.by_overflow || current;
    }
    return current;
}

static int16_t end_bumping(struct txn_coordinator *coordinator, struct txn *txn,
                           const struct txn_event *event, struct txn_update *update)
{
    const struct end_txn_request *request = event->end;
    const struct repeat repeat = repeat_of(txn, request);
    const bool repeats = repeat.by_epoch || repeat.by_overflow;
    if (txn_is_preparing(txn)) { /* First: its producer id may be another one then. */
        return ERROR_CONCURRENT_TRANSACTIONS;
    }
    if (txn->producer_id != request->producer_id && !repeat.by_overflow) {
        return ERROR_INVALID_PRODUCER_ID_MAPPING;
    }
    if (!epoch_is_valid(txn, request, repeat)) {
        return ERROR_PRODUCER_FENCED;
    }
    const bool same_end = request->committed == (txn->state == TXN_COMPLETE_COMMIT);
    if (txn->state != TXN_ONGOING) {
        if (repeats && txn->state != TXN_EMPTY) {
            return same_end ? ERROR_NONE : ERROR_INVALID_TXN_STATE;
        }
        if (request->committed) {
            return ERROR_INVALID_TXN_STATE;
        }
    }
    if (txn->epoch == INT16_MAX) {
        return ERROR_PRODUCER_FENCED;
    }
    /* An abort when nothing is open is taken: its client may not know. */
    const bool exhausted = txn_is_exhausted(txn->epoch);
    update->producer_id_used = exhausted;
    txn_prepare(coordinator, txn, request->committed, VERSION_WITH_BUMPS,
                exhausted ? event->fresh_producer_id : NO_ID, update);
    return ERROR_NONE;
}

void txn_end_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                  struct txn_update *update)
{
    const struct end_txn_request *request = event->end;
    const struct bytes id = arena_flat(update->arena, request->transactional_id);
    const bool bumps = event->version > 4;
    struct txn *txn = txn_find(coordinator, id);
    struct end_txn_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = end_txn_response_default;
    int16_t error;
    if (id.len == 0) {
        error = ERROR_INVALID_REQUEST;
    } else if (txn == NULL) {
        error = ERROR_INVALID_PRODUCER_ID_MAPPING;
    } else if (bumps) {
        error = end_bumping(coordinator, txn, event, update);
    } else {
        error = end_plain(coordinator, txn, request, update);
    }
    if (error == ERROR_NONE && bumps) {
        const bool rotates = txn->next_producer_id != NO_ID;
        answer->producer_id = rotates ? txn->next_producer_id : txn->producer_id;
        answer->producer_epoch = rotates ? 0 : txn->epoch;
    }
    answer->error_code = txn_error_for(error, event->version, 2);
    txn_update_reply(update, event, answer);
}

/* --- what happens by itself ---------------------------------------------------------------------
 */

void txn_written_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                      struct txn_update *update)
{
    struct txn *txn = txn_find(coordinator, event->written.transactional_id);
    if (txn != NULL && txn_is_preparing(txn) && txn->producer_id == event->written.producer_id &&
        txn->epoch == event->written.producer_epoch) {
        txn_complete(coordinator, txn, update);
    }
}

void txn_time_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                   struct txn_update *update)
{
    (void)event;
    for (struct list_node *at = coordinator->all.head.next; at != &coordinator->all.head;
         at = at->next) {
        struct txn *txn = CONTAINER_OF(at, struct txn, in_all);
        /* Time in which nobody could end it does not count. */
        const int64_t from_ms = max_i64(txn->start_ms, coordinator->resumed_ms);
        if (txn->state == TXN_ONGOING && coordinator->wall_ms - from_ms > txn->timeout_ms) {
            txn_fence(coordinator, txn, update);
            coordinator->counts.timeouts++;
        }
    }
}

void txn_expire_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                     struct txn_update *update)
{
    (void)event;
    struct list_node *at = coordinator->all.head.next;
    while (at != &coordinator->all.head) {
        struct txn *txn = CONTAINER_OF(at, struct txn, in_all);
        at = at->next;
        if (txn->state != TXN_ONGOING && !txn_is_preparing(txn) &&
            txn->update_ms <= coordinator->wall_ms - coordinator->settings->id_expiration_ms) {
            txn_record_gone(update, txn);
            txn_remove(coordinator, txn);
            coordinator->counts.expired++;
        }
    }
}

void txn_resume_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                     struct txn_update *update)
{
    (void)event;
    coordinator->resumed_ms = coordinator->wall_ms;
    for (struct list_node *at = coordinator->all.head.next; at != &coordinator->all.head;
         at = at->next) {
        struct txn *txn = CONTAINER_OF(at, struct txn, in_all);
        if (txn_is_preparing(txn)) {
            txn_prepared(coordinator, txn, update);
        }
    }
}
