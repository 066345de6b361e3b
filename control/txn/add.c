#include "control/txn/coordinator.h"

/* Whether this producer drives the transaction now. waits: while the last one ends everybody waits
 * for that, as its driver may know the producer id already that it will have then (KIP-890). */
static int16_t driver_check(const struct txn *txn, int64_t producer_id, int16_t epoch, bool waits)
{
    if (waits && txn != NULL && txn_is_preparing(txn)) {
        return ERROR_CONCURRENT_TRANSACTIONS;
    }
    if (txn == NULL || txn->producer_id != producer_id) {
        return ERROR_INVALID_PRODUCER_ID_MAPPING;
    }
    /* The last epoch is for fencing alone: nothing could fence who had it. */
    if (txn->epoch != epoch || epoch == INT16_MAX) {
        return ERROR_PRODUCER_FENCED;
    }
    return txn_is_preparing(txn) ? ERROR_CONCURRENT_TRANSACTIONS : ERROR_NONE;
}

/* New places are in already. */
static void txn_go_on(struct txn_coordinator *coordinator, struct txn *txn, int16_t version,
                      struct txn_update *update)
{
    if (txn->state != TXN_ONGOING) {
        txn->start_ms = coordinator->wall_ms;
        coordinator->counts.started++;
    }
    txn_state_set(coordinator, txn, TXN_ONGOING);
    txn->update_ms = coordinator->wall_ms;
    txn->previous_producer_id = txn->producer_id;
    txn->version = version;
    txn_record_write(coordinator, update, txn);
}

/* --- partitions ---------------------------------------------------------------------------------
 */

struct add {
    struct txn_coordinator *coordinator;
    const struct txn_event *event;
    struct txn_update *update;
    struct txn *txn;
    int16_t error; /* Of all partitions. */
};

static const struct txn_topic *known_topic(const struct add *add, int32_t index)
{
    return add->event->topics == NULL ? NULL : &add->event->topics[index];
}

static int16_t place_error(const struct txn_topic *known, int32_t partition)
{
    if (known == NULL) {
        return ERROR_NONE;
    }
    if (known->error_code != ERROR_NONE) {
        return known->error_code;
    }
    return partition < 0 || partition >= known->partition_count ? ERROR_UNKNOWN_TOPIC_OR_PARTITION
                                                                : ERROR_NONE;
}

/* Calls visit for each place until it says false; false then. */
static bool each_place(struct add *add, bool (*visit)(struct add *add, int32_t index,
                                                      struct bytes topic, int32_t partition))
{
    struct add_partitions_to_txn_request_topic_array topics = add->event->add->topics;
    struct add_partitions_to_txn_request_topic topic;
    for (int32_t index = 0; add_partitions_to_txn_request_topic_array_next(&topics, &topic);
         index++) {
        const struct bytes name = arena_flat(add->update->arena, topic.name);
        int32_t partition;
        while (i32_array_next(&topic.partitions, &partition)) {
            if (!visit(add, index, name, partition)) {
                return false;
            }
        }
    }
    return true;
}

static bool place_is_good(struct add *add, int32_t index, struct bytes topic, int32_t partition)
{
    (void)topic;
    return place_error(known_topic(add, index), partition) == ERROR_NONE;
}

static bool place_is_in(struct add *add, int32_t index, struct bytes topic, int32_t partition)
{
    (void)index;
    return txn_has_place(add->txn, topic, partition);
}

static bool place_put(struct add *add, int32_t index, struct bytes topic, int32_t partition)
{
    (void)index;
    txn_place_add(add->txn, topic, partition);
    return true;
}

/* Whether all places fit into one record; those that are in already may count twice. */
static bool places_fit(const struct add *add)
{
    uint64_t bytes = txn_places_bytes(add->txn);
    struct add_partitions_to_txn_request_topic_array topics = add->event->add->topics;
    struct add_partitions_to_txn_request_topic topic;
    while (add_partitions_to_txn_request_topic_array_next(&topics, &topic)) {
        bytes += (uint64_t)PLACE_TOPIC_BYTES + topic.name.len +
                 (uint64_t)topic.partitions.count * sizeof(int32_t);
    }
    return bytes <= PLACES_BYTES_MAX;
}

static void answer_places(struct add *add, bool good,
                          struct add_partitions_to_txn_response_transaction *answer)
{
    struct arena *arena = add->update->arena;
    const struct add_partitions_to_txn_request_transaction *request = add->event->add;
    struct add_partitions_to_txn_request_topic_array topics = request->topics;
    struct add_partitions_to_txn_request_topic topic;
    struct add_partitions_to_txn_response_topic *items =
        ARENA_ARRAY(arena, struct add_partitions_to_txn_response_topic, topics.count);
    while (add_partitions_to_txn_request_topic_array_next(&topics, &topic)) {
        const struct bytes name = arena_flat(arena, topic.name);
        const struct txn_topic *known = known_topic(add, answer->topic_results.count);
        struct add_partitions_to_txn_response_partition *partitions = ARENA_ARRAY(
            arena, struct add_partitions_to_txn_response_partition, topic.partitions.count);
        int32_t count = 0;
        int32_t partition;
        while (i32_array_next(&topic.partitions, &partition)) {
            int16_t error = add->error;
            if (!good) {
                error = place_error(known, partition);
                error = error == ERROR_NONE ? ERROR_OPERATION_NOT_ATTEMPTED : error;
            } else if (error == ERROR_NONE && request->verify_only &&
                       !txn_has_place(add->txn, name, partition)) {
                error = ERROR_TRANSACTION_ABORTABLE;
            }
            partitions[count++] =
                (struct add_partitions_to_txn_response_partition){partition, error};
        }
        items[answer->topic_results.count++] = (struct add_partitions_to_txn_response_topic){
            txn_update_chain(add->update, name), {.items = partitions, .count = count}};
    }
    answer->topic_results.items = items;
}

void txn_add_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                  struct txn_update *update)
{
    const struct add_partitions_to_txn_request_transaction *request = event->add;
    const struct bytes id = arena_flat(update->arena, request->transactional_id);
    struct add add = {coordinator, event, update, txn_find(coordinator, id), ERROR_NONE};
    const bool good = each_place(&add, place_is_good);
    if (good) {
        const int16_t error = id.len == 0
                                  ? ERROR_INVALID_REQUEST
                                  : driver_check(add.txn, request->producer_id,
                                                 request->producer_epoch, !request->verify_only);
        add.error = txn_error_for(error, event->version, 2);
    }
    const bool adds = good && add.error == ERROR_NONE && !request->verify_only &&
                      !(add.txn->state == TXN_ONGOING && each_place(&add, place_is_in));
    if (adds && !places_fit(&add)) {
        add.error = ERROR_UNKNOWN_SERVER_ERROR; /* As when a log refuses it. */
    } else if (adds) {
        (void)each_place(&add, place_put);
        /* From version 4 on they come from the broker, for clients of transaction.version 2. */
        txn_go_on(coordinator, add.txn, event->version > 3 ? VERSION_WITH_BUMPS : 0, update);
    }
    struct add_partitions_to_txn_response_transaction *answer =
        arena_take(update->arena, sizeof(*answer));
    *answer = add_partitions_to_txn_response_transaction_default;
    answer->transactional_id = txn_update_chain(update, id);
    answer_places(&add, good, answer);
    txn_update_reply(update, event, answer);
}

/* --- offsets ------------------------------------------------------------------------------------
 */

void txn_add_offsets_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                          struct txn_update *update)
{
    const struct add_offsets_to_txn_request *request = event->add_offsets.request;
    const struct bytes id = arena_flat(update->arena, request->transactional_id);
    const struct bytes topic = bytes_of_string("__consumer_offsets");
    const int32_t partition = event->add_offsets.partition;
    struct txn *txn = txn_find(coordinator, id);
    const int16_t error =
        id.len == 0 ? ERROR_INVALID_REQUEST
                    : driver_check(txn, request->producer_id, request->producer_epoch, true);
    if (error == ERROR_NONE &&
        !(txn->state == TXN_ONGOING && txn_has_place(txn, topic, partition))) {
        txn_place_add(txn, topic, partition);
        txn_go_on(coordinator, txn, 0, update);
    }
    struct add_offsets_to_txn_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = add_offsets_to_txn_response_default;
    answer->error_code = txn_error_for(error, event->version, 2);
    txn_update_reply(update, event, answer);
}
