#include "control/txn/coordinator.h"

static bool value_is_sane(const struct transaction_log_value *value)
{
    return value->producer_id >= 0 && value->producer_epoch >= 0 &&
           value->transaction_status >= TXN_EMPTY && value->transaction_status < TXN_STATES &&
           value->transaction_last_update_timestamp_ms >= 0 &&
           value->transaction_start_timestamp_ms >=
               (value->transaction_status == TXN_ONGOING ? 0 : NO_TIME);
}

static void places_replay(struct txn *txn, struct transaction_log_value_topic_array topics)
{
    struct transaction_log_value_topic topic;
    while (transaction_log_value_topic_array_next(&topics, &topic)) {
        struct bytes name = text_copy_chain(topic.topic);
        int32_t partition;
        while (i32_array_next(&topic.partition_ids, &partition)) {
            txn_place_add(txn, name, partition);
        }
        text_free(&name);
    }
}

static void txn_replay_value(struct txn_coordinator *coordinator, struct txn *txn,
                             const struct transaction_log_value *value)
{
    txn_state_set(coordinator, txn, (enum txn_state)value->transaction_status);
    txn->producer_id = value->producer_id;
    txn->previous_producer_id = value->previous_producer_id;
    txn->next_producer_id = txn_is_preparing(txn) ? value->next_producer_id : NO_ID;
    txn->epoch = value->producer_epoch;
    txn->last_epoch = NO_EPOCH;
    txn->timeout_ms = value->transaction_timeout_ms;
    txn->start_ms = value->transaction_start_timestamp_ms;
    txn->update_ms = value->transaction_last_update_timestamp_ms;
    txn->version = value->client_transaction_version;
    txn_places_clear(txn);
    if (txn->state == TXN_ONGOING || txn_is_preparing(txn)) {
        places_replay(txn, value->transaction_partitions);
    }
}

static enum txn_replay_status replay_id(struct txn_coordinator *coordinator, struct bytes id,
                                        const struct bytes *bytes)
{
    struct txn *txn = txn_find(coordinator, id);
    if (bytes->ptr == NULL) {
        if (txn != NULL) {
            txn_remove(coordinator, txn);
        }
        return TXN_REPLAYED;
    }
    struct reader reader;
    struct transaction_log_value value;
    reader_init(&reader, chain_of(bytes));
    const int16_t version = reader_i16(&reader);
    if (transaction_log_value_decode(&reader, version, &value) != CODEC_OK ||
        !value_is_sane(&value)) {
        return TXN_CORRUPT;
    }
    txn_replay_value(coordinator, txn == NULL ? txn_add(coordinator, id) : txn, &value);
    return TXN_REPLAYED;
}

enum txn_replay_status txn_replay(struct txn_coordinator *coordinator, struct bytes key,
                                  struct bytes value)
{
    struct reader reader;
    struct transaction_log_key decoded;
    reader_init(&reader, chain_of(&key));
    const int16_t type = reader_i16(&reader);
    if (reader.status == CODEC_OK && type != RECORD_TRANSACTION_LOG) {
        return TXN_UNKNOWN;
    }
    if (transaction_log_key_decode(&reader, 0, &decoded) != CODEC_OK) {
        return TXN_CORRUPT;
    }
    struct bytes id = text_copy_chain(decoded.transactional_id);
    const enum txn_replay_status status = replay_id(coordinator, id, &value);
    text_free(&id);
    return status;
}
