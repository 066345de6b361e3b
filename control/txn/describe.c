#include "control/txn/coordinator.h"

/* Topic by topic, as they are sorted. */
static void places_describe(const struct txn *txn, struct txn_update *update,
                            struct describe_transactions_response_transaction *answer)
{
    struct describe_transactions_response_topic *topics =
        ARENA_ARRAY(update->arena, struct describe_transactions_response_topic, txn->place_count);
    int32_t *partitions = ARENA_ARRAY(update->arena, int32_t, txn->place_count);
    for (uint32_t i = 0; i < txn->place_count; i++) {
        const struct txn_place *place = &txn->places[i];
        if (i == 0 || !bytes_equal(place->topic, place[-1].topic)) {
            topics[answer->topics.count++] = (struct describe_transactions_response_topic){
                txn_update_chain(update, place->topic), {.items = &partitions[i]}};
        }
        topics[answer->topics.count - 1].partitions.count++;
        partitions[i] = place->partition;
    }
    answer->topics.items = topics;
}

void txn_describe_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                       struct txn_update *update)
{
    const struct txn *txn = txn_find(coordinator, event->described);
    struct describe_transactions_response_transaction *answer =
        arena_take(update->arena, sizeof(*answer));
    *answer = describe_transactions_response_transaction_default;
    answer->transactional_id =
        txn_update_chain(update, event->described.ptr == NULL ? bytes_of("") : event->described);
    if (event->described.len == 0) {
        answer->error_code = ERROR_INVALID_REQUEST;
    } else if (txn == NULL) {
        answer->error_code = ERROR_TRANSACTIONAL_ID_NOT_FOUND;
    } else {
        answer->transaction_state = txn_update_chain(update, bytes_of(txn_state_name(txn->state)));
        answer->transaction_timeout_ms = txn->timeout_ms;
        answer->transaction_start_time_ms = txn->start_ms;
        answer->producer_id = txn->producer_id;
        answer->producer_epoch = txn->epoch;
        places_describe(txn, update, answer);
    }
    txn_update_reply(update, event, answer);
}

/* --- list ---------------------------------------------------------------------------------------
 */

/* Kafka knows these two names, too, but no id is ever listed in such a state. */
static bool state_is_known(struct chain name)
{
    for (int state = TXN_EMPTY; state < TXN_STATES; state++) {
        if (chain_equals(name, bytes_of(txn_state_name((enum txn_state)state)))) {
            return true;
        }
    }
    return chain_equals(name, bytes_of("Dead")) ||
           chain_equals(name, bytes_of("PrepareEpochFence"));
}

static struct string_array states_unknown(struct txn_update *update, struct string_array filters)
{
    struct chain *items = ARENA_ARRAY(update->arena, struct chain, filters.count);
    int32_t count = 0;
    struct chain name;
    while (string_array_next(&filters, &name)) {
        if (!state_is_known(name)) {
            items[count++] = txn_update_chain(update, arena_flat(update->arena, name));
        }
    }
    return (struct string_array){.items = items, .count = count};
}

static bool state_is_asked_for(const struct txn *txn, struct string_array filters)
{
    bool asked = filters.count <= 0;
    struct chain name;
    while (string_array_next(&filters, &name)) {
        asked = asked || chain_equals(name, bytes_of(txn_state_name(txn->state)));
    }
    return asked;
}

static bool producer_is_asked_for(const struct txn *txn, struct i64_array filters)
{
    bool asked = filters.count <= 0;
    int64_t id;
    while (i64_array_next(&filters, &id)) {
        asked = asked || id == txn->producer_id;
    }
    return asked;
}

static bool is_asked_for(const struct txn_coordinator *coordinator, const struct txn_event *event,
                         const struct txn *txn)
{
    const struct list_transactions_request *request = event->list.request;
    const int64_t filter_ms = request->duration_filter;
    return producer_is_asked_for(txn, request->producer_id_filters) &&
           state_is_asked_for(txn, request->state_filters) &&
           (filter_ms < 0 || coordinator->wall_ms - txn->start_ms > filter_ms) &&
           (event->list.matches == NULL || event->list.matches(event->list.pattern, txn->id));
}

void txn_list_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                   struct txn_update *update)
{
    struct list_transactions_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = list_transactions_response_default;
    answer->unknown_state_filters = states_unknown(update, event->list.request->state_filters);
    struct list_transactions_response_transaction *items = ARENA_ARRAY(
        update->arena, struct list_transactions_response_transaction, coordinator->table.count);
    for (struct list_node *at = coordinator->all.head.next; at != &coordinator->all.head;
         at = at->next) {
        const struct txn *txn = CONTAINER_OF(at, struct txn, in_all);
        if (is_asked_for(coordinator, event, txn)) {
            items[answer->transaction_states.count++] =
                (struct list_transactions_response_transaction){
                    txn_update_chain(update, txn->id), txn->producer_id,
                    txn_update_chain(update, bytes_of(txn_state_name(txn->state)))};
        }
    }
    answer->transaction_states.items = items;
    txn_update_reply(update, event, answer);
}
