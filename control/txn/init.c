#include "control/txn/coordinator.h"

/* What the client says it has; NO_ID: nothing. */
struct expected {
    int64_t producer_id;
    int16_t epoch;
};

static bool is_expected(const struct txn *txn, struct expected expected)
{
    return expected.producer_id == NO_ID || txn->epoch == NO_EPOCH ||
           expected.producer_id == txn->producer_id ||
           (expected.producer_id == txn->previous_producer_id && txn_is_exhausted(expected.epoch));
}

/* The next epoch, or the first of another producer id; an error leaves all as it was. */
static int16_t epoch_raise(struct txn *txn, struct expected expected, int64_t fresh_producer_id,
                           bool *fresh_used)
{
    const bool asked = expected.producer_id != NO_ID;
    const int64_t before = txn->producer_id;
    if (asked && txn->epoch != NO_EPOCH && expected.epoch != txn->epoch) {
        /* It asks again, as the answer was lost; or it is an older one. */
        if (expected.epoch != txn->last_epoch) {
            return ERROR_PRODUCER_FENCED;
        }
    } else {
        txn->last_epoch = asked ? txn->epoch : NO_EPOCH;
        if (txn_is_exhausted(txn->epoch)) {
            txn->producer_id = fresh_producer_id;
            txn->epoch = 0;
            *fresh_used = true;
        } else {
            txn->epoch++;
        }
    }
    txn->previous_producer_id = before;
    return ERROR_NONE;
}

static int16_t init(struct txn_coordinator *coordinator, const struct txn_event *event,
                    struct txn *txn, struct expected expected, struct txn_update *update)
{
    if (txn_is_preparing(txn)) { /* First: its producer id may be another one then. */
        return ERROR_CONCURRENT_TRANSACTIONS;
    }
    if (!is_expected(txn, expected)) {
        return ERROR_PRODUCER_FENCED;
    }
    if (txn->state == TXN_ONGOING) {
        txn_fence(coordinator, txn, update);
        return ERROR_CONCURRENT_TRANSACTIONS; /* It asks again until the abort is complete. */
    }
    const int16_t error =
        epoch_raise(txn, expected, event->fresh_producer_id, &update->producer_id_used);
    if (error != ERROR_NONE) {
        return error;
    }
    txn_state_set(coordinator, txn, TXN_EMPTY);
    txn->timeout_ms = event->init->transaction_timeout_ms;
    txn->start_ms = NO_TIME;
    txn->update_ms = coordinator->wall_ms;
    txn_record_write(coordinator, update, txn);
    return ERROR_NONE;
}

static int16_t init_check(const struct txn_coordinator *coordinator,
                          const struct init_producer_id_request *request)
{
    if (request->transactional_id.len == 0 ||
        (request->producer_id == NO_ID) != (request->producer_epoch == NO_EPOCH)) {
        return ERROR_INVALID_REQUEST;
    }
    if (request->transaction_timeout_ms <= 0 ||
        request->transaction_timeout_ms > coordinator->settings->timeout_ms_max) {
        return ERROR_INVALID_TRANSACTION_TIMEOUT;
    }
    return ERROR_NONE;
}

void txn_init_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                   struct txn_update *update)
{
    const struct init_producer_id_request *request = event->init;
    struct init_producer_id_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = init_producer_id_response_default;
    answer->producer_epoch = NO_EPOCH;
    int16_t error = init_check(coordinator, request);
    if (error == ERROR_NONE) {
        const struct bytes id = arena_flat(update->arena, request->transactional_id);
        struct txn *txn = txn_find(coordinator, id);
        if (txn == NULL) {
            txn = txn_add(coordinator, id);
            txn->producer_id = event->fresh_producer_id;
            update->producer_id_used = true;
        }
        const struct expected expected = {request->producer_id, request->producer_epoch};
        error = init(coordinator, event, txn, expected, update);
        if (error == ERROR_NONE) {
            answer->producer_id = txn->producer_id;
            answer->producer_epoch = txn->epoch;
        }
    }
    answer->error_code = txn_error_for(error, event->version, 4);
    txn_update_reply(update, event, answer);
}
