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

enum producer_status producers_replay(struct producer_state *state, struct chain batch,
                                      const struct batch_header *header, bool undo)
{
    struct marker marker;
    if (batch_is_control(header) && batch_has_producer(header) &&
        producers_marker(batch, &marker)) {
        return producer_state_end_txn(state, header, marker.coordinator_epoch,
                                      header->max_timestamp_ms, undo);
    }
    if (batch_is_control(header)) {
        struct batch_header plain = *header;
        plain.producer_id = BATCH_NO_PRODUCER_ID; /* Moves the end only. */
        return producer_state_append(state, &plain, undo);
    }
    return producer_state_append(state, header, undo);
}
