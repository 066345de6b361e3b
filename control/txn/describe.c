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
    answer->transactional_id = txn_update_chain(
        update, event->described.ptr == NULL ? bytes_of_string("") : event->described);
    if (event->described.len == 0) {
        answer->error_code = ERROR_INVALID_REQUEST;
    } else if (txn == NULL) {
        answer->error_code = ERROR_TRANSACTIONAL_ID_NOT_FOUND;
    } else {
        answer->transaction_state =
            txn_update_chain(update, bytes_of_string(txn_state_name(txn->state)));
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
        if (chain_equals(name, bytes_of_string(txn_state_name((enum txn_state)state)))) {
            return true;
        }
    }
    return chain_equals(name, bytes_of_string("Dead")) ||
           chain_equals(name, bytes_of_string("PrepareEpochFence"));
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

/* A bit for each; no filter asks for all. Filters may be as many as fit into a request: they are
 * looked at once, not for each id. */
static uint32_t states_asked(struct string_array filters)
{
    uint32_t asked = filters.count <= 0 ? UINT32_MAX : 0;
    struct chain name;
    while (string_array_next(&filters, &name)) {
        for (int state = TXN_EMPTY; state < TXN_STATES; state++) {
            const bool same =
                chain_equals(name, bytes_of_string(txn_state_name((enum txn_state)state)));
            asked |= same ? 1U << state : 0;
        }
    }
    return asked;
}

static bool producer_is_asked_for(const struct txn *txn, const int64_t *sorted, int32_t count)
{
    int32_t low = 0;
    int32_t high = count;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (sorted[middle] < txn->producer_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return count <= 0 || (low < count && sorted[low] == txn->producer_id);
}

static bool is_asked_for(const struct txn_coordinator *coordinator, const struct txn_event *event,
                         const struct txn *txn)
{
    const struct list_transactions_request *request = event->list.request;
    const int64_t filter_ms = request->duration_filter;
    return producer_is_asked_for(txn, event->list.producer_ids,
                                 request->producer_id_filters.count) &&
           (filter_ms < 0 || coordinator->wall_ms - txn->start_ms > filter_ms) &&
           (event->list.matches == NULL || event->list.matches(event->list.pattern, txn->id));
}

void txn_list_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                   struct txn_update *update)
{
    struct list_transactions_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = list_transactions_response_default;
    answer->unknown_state_filters = states_unknown(update, event->list.request->state_filters);
    const uint32_t states = states_asked(event->list.request->state_filters);
    struct list_transactions_response_transaction *items = ARENA_ARRAY(
        update->arena, struct list_transactions_response_transaction, coordinator->table.count);
    for (struct list_node *at = coordinator->all.head.next; at != &coordinator->all.head;
         at = at->next) {
        const struct txn *txn = CONTAINER_OF(at, struct txn, in_all);
        if ((states >> txn->state & 1) != 0 && is_asked_for(coordinator, event, txn)) {
            items[answer->transaction_states.count++] =
                (struct list_transactions_response_transaction){
                    txn_update_chain(update, txn->id), txn->producer_id,
                    txn_update_chain(update, bytes_of_string(txn_state_name(txn->state)))};
        }
    }
    answer->transaction_states.items = items;
    txn_update_reply(update, event, answer);
}
