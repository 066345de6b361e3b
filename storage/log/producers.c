/* What an appended batch means for the producers of its partition. */
#include "storage/log/producers.h"

bool producers_marker(struct chain batch, struct marker *marker)
{
    uint8_t bytes[BATCH_HEADER_BYTES + 64];
    const uint32_t len = min_u32(batch.len, sizeof(bytes));
    if (len <= BATCH_HEADER_BYTES) {
        return false;
    }
    chain_copy(batch, bytes, len);
    struct record_cursor cursor =
        record_cursor_of((struct bytes){bytes + BATCH_HEADER_BYTES, len - BATCH_HEADER_BYTES}, 1);
    struct record record;
    int16_t type;
    const enum record_status status = record_next(&cursor, &record);
    if (status != RECORD_OK || !record_control_key_parse(record.key, &type) ||
        (type != RECORD_CONTROL_ABORT && type != RECORD_CONTROL_COMMIT)) {
        return false;
    }
    marker->commit = type == RECORD_CONTROL_COMMIT;
    return record_txn_marker_parse(record.value, &marker->coordinator_epoch);
}

static int64_t open_txn_of(const struct producer_state *state, int64_t producer_id)
{
    struct producer_values values;
    return producer_state_find(state, producer_id, &values) ? values.txn_first_offset : -1;
}

static enum producer_status replay_marker(struct producer_state *state, const struct marker *marker,
                                          const struct batch_header *header, bool undo,
                                          struct aborted_txn *aborted)
{
    const int64_t first = open_txn_of(state, header->producer_id);
    const enum producer_status status = producer_state_end_txn(
        state, header, marker->coordinator_epoch, header->max_timestamp_ms, undo);
    if (status == PRODUCER_OK && !marker->commit && first >= 0) {
        const int64_t other = producer_state_first_open_txn(state);
        aborted->producer_id = header->producer_id;
        aborted->first_offset = first;
        aborted->last_offset = header->base_offset;
        aborted->last_stable_offset = other >= 0 ? other : header->base_offset + 1;
    }
    return status;
}

LINK_INLINE enum producer_status producers_replay(struct producer_state *state, struct chain batch,
                                                  const struct batch_header *header, bool undo,
                                                  struct aborted_txn *aborted)
{
    struct marker marker;
    aborted->last_offset = -1;
    if (LIKELY(!batch_is_control(header))) {
        return producer_state_append(state, header, undo);
    }
    if (batch_has_producer(header) && producers_marker(batch, &marker)) {
        return replay_marker(state, &marker, header, undo, aborted);
    }
    struct batch_header plain = *header;
    plain.producer_id = BATCH_NO_PRODUCER_ID; /* Moves the end only. */
    return producer_state_append(state, &plain, undo);
}

struct bytes producers_marker_batch(uint8_t to[PRODUCERS_MARKER_BYTES], int64_t producer_id,
                                    int16_t producer_epoch, const struct marker *marker,
                                    int64_t timestamp_ms)
{
    uint8_t key[RECORD_CONTROL_KEY_BYTES];
    uint8_t value[RECORD_TXN_MARKER_BYTES];
    record_control_key_write(key, marker->commit ? RECORD_CONTROL_COMMIT : RECORD_CONTROL_ABORT);
    record_txn_marker_write(value, marker->coordinator_epoch);
    struct batch_options options = batch_options_none();
    options.attributes = BATCH_CONTROL | BATCH_TRANSACTIONAL;
    options.producer_id = producer_id;
    options.producer_epoch = producer_epoch;
    struct batch_builder builder;
    batch_builder_init(&builder, to, PRODUCERS_MARKER_BYTES, &options);
    const bool added = batch_builder_add(&builder, timestamp_ms, (struct bytes){key, sizeof(key)},
                                         (struct bytes){value, sizeof(value)}, NULL, 0);
    ASSERT(added); /* 78 bytes. */
    return batch_builder_finish(&builder);
}
