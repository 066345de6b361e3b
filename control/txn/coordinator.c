#include "control/txn/coordinator.h"

#include <stdlib.h>

struct txn *txn_find(const struct txn_coordinator *coordinator, struct bytes id)
{
    struct table_node *node = table_first(&coordinator->table, table_hash(id, coordinator->seed));
    for (; node != NULL; node = table_next(node)) {
        struct txn *txn = CONTAINER_OF(node, struct txn, node);
        if (bytes_equal(txn->id, id)) {
            return txn;
        }
    }
    return NULL;
}

struct txn *txn_add(struct txn_coordinator *coordinator, struct bytes id)
{
    struct txn *txn = calloc(1, sizeof(*txn));
    ASSERT(txn != NULL);
    txn->id = text_copy(id);
    txn->producer_id = NO_ID;
    txn->previous_producer_id = NO_ID;
    txn->next_producer_id = NO_ID;
    txn->epoch = NO_EPOCH;
    txn->last_epoch = NO_EPOCH;
    txn->start_ms = NO_TIME;
    txn->update_ms = coordinator->wall_ms;
    table_add(&coordinator->table, &txn->node, table_hash(id, coordinator->seed));
    list_push_back(&coordinator->all, &txn->in_all);
    coordinator->counts.states[txn->state]++;
    return txn;
}

void txn_remove(struct txn_coordinator *coordinator, struct txn *txn)
{
    coordinator->counts.states[txn->state]--;
    table_remove(&coordinator->table, &txn->node);
    list_remove(&txn->in_all);
    txn_places_clear(txn);
    free(txn->places);
    text_free(&txn->id);
    free(txn);
}

void txn_state_set(struct txn_coordinator *coordinator, struct txn *txn, enum txn_state state)
{
    coordinator->counts.states[txn->state]--;
    coordinator->counts.states[state]++;
    txn->state = state;
}

struct txn_counts txn_coordinator_counts(const struct txn_coordinator *coordinator)
{
    return coordinator->counts;
}

/* --- places -------------------------------------------------------------------------------------
 */

/* Where it is, or belongs. */
static uint32_t place_position(const struct txn *txn, struct bytes topic, int32_t partition)
{
    uint32_t low = 0;
    uint32_t high = txn->place_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct txn_place *place = &txn->places[middle];
        const int order = text_order(place->topic, topic);
        if (order < 0 || (order == 0 && place->partition < partition)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool txn_has_place(const struct txn *txn, struct bytes topic, int32_t partition)
{
    const uint32_t at = place_position(txn, topic, partition);
    return at < txn->place_count && txn->places[at].partition == partition &&
           bytes_equal(txn->places[at].topic, topic);
}

void txn_place_add(struct txn *txn, struct bytes topic, int32_t partition)
{
    if (txn_has_place(txn, topic, partition)) {
        return;
    }
    if (txn->place_count == txn->place_capacity) {
        txn->place_capacity = txn->place_capacity == 0 ? 8 : txn->place_capacity * 2;
        txn->places = realloc(txn->places, txn->place_capacity * sizeof(txn->places[0]));
        ASSERT(txn->places != NULL);
    }
    const uint32_t at = place_position(txn, topic, partition);
    memmove(&txn->places[at + 1], &txn->places[at],
            (txn->place_count - at) * sizeof(txn->places[0]));
    txn->places[at] = (struct txn_place){text_copy(topic), partition};
    txn->place_count++;
}

uint64_t txn_places_bytes(const struct txn *txn)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < txn->place_count; i++) {
        const bool begins = i == 0 || !bytes_equal(txn->places[i].topic, txn->places[i - 1].topic);
        bytes +=
            sizeof(int32_t) + (begins ? (uint64_t)PLACE_TOPIC_BYTES + txn->places[i].topic.len : 0);
    }
    return bytes;
}

void txn_places_clear(struct txn *txn)
{
    for (uint32_t i = 0; i < txn->place_count; i++) {
        text_free(&txn->places[i].topic);
    }
    txn->place_count = 0;
}

/* --- the coordinator ----------------------------------------------------------------------------
 */

struct txn_coordinator *txn_coordinator_new(const struct txn_settings *settings, uint64_t hash_seed)
{
    struct txn_coordinator *coordinator = calloc(1, sizeof(*coordinator));
    ASSERT(coordinator != NULL);
    coordinator->settings = settings;
    coordinator->seed = hash_seed;
    list_init(&coordinator->all);
    return coordinator;
}

void txn_coordinator_free(struct txn_coordinator *coordinator)
{
    if (coordinator == NULL) {
        return;
    }
    while (!list_empty(&coordinator->all)) {
        txn_remove(coordinator, CONTAINER_OF(coordinator->all.head.next, struct txn, in_all));
    }
    table_free(&coordinator->table);
    free(coordinator);
}

bool txn_coordinator_ends(const struct txn_coordinator *coordinator, struct bytes transactional_id)
{
    const struct txn *txn = txn_find(coordinator, transactional_id);
    return txn != NULL && txn_is_preparing(txn);
}

uint32_t txn_coordinator_count(const struct txn_coordinator *coordinator)
{
    return coordinator->table.count;
}

void txn_coordinator_invariants(const struct txn_coordinator *coordinator)
{
    uint32_t count = 0;
    uint32_t states[TXN_STATES] = {0};
    for (struct list_node *at = coordinator->all.head.next; at != &coordinator->all.head;
         at = at->next) {
        const struct txn *txn = CONTAINER_OF(at, struct txn, in_all);
        ASSERT(txn_find(coordinator, txn->id) == txn);
        ASSERT(txn->producer_id >= 0 && txn->epoch >= 0 && txn->state < TXN_STATES);
        ASSERT(txn->place_count == 0 || txn->state == TXN_ONGOING || txn_is_preparing(txn));
        ASSERT(txn->next_producer_id == NO_ID || txn_is_preparing(txn));
        ASSERT(txn->state != TXN_ONGOING || txn->start_ms != NO_TIME);
        count++;
        states[txn->state]++;
    }
    ASSERT(count == coordinator->table.count);
    ASSERT(memcmp(states, coordinator->counts.states, sizeof(states)) == 0);
}
