#include "control/txn/coordinator.h"

void txn_update_reply(struct txn_update *update, const struct txn_event *event, void *answer)
{
    ASSERT(!update->has_reply);
    update->has_reply = true;
    update->reply = (struct txn_reply){event->token, event->kind, event->version, answer};
}

struct chain txn_update_chain(struct txn_update *update, struct bytes text)
{
    return arena_chain(update->arena, arena_copy(update->arena, text));
}

static void record_add(struct txn_update *update, struct bytes key, struct bytes value)
{
    update->records = arena_room(update->arena, update->records, sizeof(update->records[0]),
                                 update->record_count, &update->record_capacity);
    update->records[update->record_count++] = (struct txn_record){key, value};
}

static struct bytes key_encode(struct txn_update *update, const struct txn *txn)
{
    const struct transaction_log_key key = {chain_of(&txn->id)};
    struct writer writer;
    const struct bytes to = arena_record(update->arena, &writer, transaction_log_key_size(0, &key),
                                         RECORD_TRANSACTION_LOG);
    ASSERT(transaction_log_key_encode(&writer, 0, &key) == CODEC_OK);
    return to;
}

/* Topic by topic, as they are sorted. */
static struct transaction_log_value_topic_array places_write(struct txn_update *update,
                                                             const struct txn *txn)
{
    struct transaction_log_value_topic *topics =
        ARENA_ARRAY(update->arena, struct transaction_log_value_topic, txn->place_count);
    int32_t *partitions = ARENA_ARRAY(update->arena, int32_t, txn->place_count);
    int32_t count = 0;
    for (uint32_t i = 0; i < txn->place_count; i++) {
        const struct txn_place *place = &txn->places[i];
        if (i == 0 || !bytes_equal(place->topic, place[-1].topic)) {
            topics[count++] = (struct transaction_log_value_topic){chain_of(&place->topic),
                                                                   {.items = &partitions[i]}};
        }
        topics[count - 1].partition_ids.count++;
        partitions[i] = place->partition;
    }
    return (struct transaction_log_value_topic_array){.items = topics, .count = count};
}

void txn_record_write(const struct txn_coordinator *coordinator, struct txn_update *update,
                      const struct txn *txn)
{
    struct transaction_log_value value = {
        .producer_id = txn->producer_id,
        .previous_producer_id = NO_ID,
        .next_producer_id = NO_ID,
        .producer_epoch = txn->epoch,
        .next_producer_epoch = NO_EPOCH,
        .transaction_timeout_ms = txn->timeout_ms,
        .transaction_status = (int8_t)txn->state,
        .transaction_partitions = {.count = -1},
        .transaction_last_update_timestamp_ms = txn->update_ms,
        .transaction_start_timestamp_ms = txn->start_ms,
    };
    if (txn->state != TXN_EMPTY) {
        value.transaction_partitions = places_write(update, txn);
    }
    /* Version 0 until something newer is finalised, or drives this transaction all the same. */
    const int16_t version = coordinator->settings->version > 0 || txn->version > 0 ? 1 : 0;
    if (version > 0) {
        value.previous_producer_id = txn->previous_producer_id;
        value.next_producer_id = txn->next_producer_id;
        value.client_transaction_version = txn->version;
    }
    struct writer writer;
    const struct bytes to =
        arena_record(update->arena, &writer, transaction_log_value_size(version, &value), version);
    ASSERT(transaction_log_value_encode(&writer, version, &value) == CODEC_OK);
    record_add(update, key_encode(update, txn), to);
}

void txn_record_gone(struct txn_update *update, const struct txn *txn)
{
    record_add(update, key_encode(update, txn), (struct bytes){0});
}

void txn_marker_ask(struct txn_update *update, const struct txn *txn)
{
    struct txn_place *places = ARENA_ARRAY(update->arena, struct txn_place, txn->place_count);
    for (uint32_t i = 0; i < txn->place_count; i++) {
        places[i] = (struct txn_place){arena_copy(update->arena, txn->places[i].topic),
                                       txn->places[i].partition};
    }
    update->markers = arena_room(update->arena, update->markers, sizeof(update->markers[0]),
                                 update->marker_count, &update->marker_capacity);
    update->markers[update->marker_count++] = (struct txn_marker){
        .transactional_id = arena_copy(update->arena, txn->id),
        .producer_id = txn->producer_id,
        .producer_epoch = txn->epoch,
        .version = txn->version,
        .committed = txn->state == TXN_PREPARE_COMMIT,
        .places = places,
        .place_count = txn->place_count,
    };
}
