#include "control/metadata/log_scan.h"

#include "storage/record/record.h"

enum batch_status scan_batch(struct bytes *rest, struct batch_header *header, struct bytes *batch)
{
    struct bytes after = *rest;
    enum batch_status status = batch_next(&after, header, batch);
    if (status == BATCH_OK) {
        status = batch_check_crc(chain_of(batch), header);
    }
    if (status == BATCH_OK &&
        (header->base_offset < 0 || header->leader_epoch < 0 || header->record_count < 1 ||
         header->last_offset_delta != header->record_count - 1 ||
         batch_codec(header) != BATCH_CODEC_NONE)) {
        status = BATCH_BAD_LENGTH;
    }
    if (status == BATCH_OK) {
        *rest = after;
    }
    return status;
}

static bool control_type_is(struct bytes batch, const struct batch_header *header, int16_t wanted)
{
    const struct bytes records = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    struct record_cursor cursor = record_cursor_of(records, header->record_count);
    struct record record;
    int16_t type;
    return batch_is_control(header) && record_next(&cursor, &record) == RECORD_OK &&
           record_control_key_parse(record.key, &type) && type == wanted;
}

bool scan_checkpoint(struct bytes content)
{
    struct batch_header header;
    struct bytes batch;
    int64_t next = 0;
    bool footer = false;
    while (content.len > 0) {
        if (footer || scan_batch(&content, &header, &batch) != BATCH_OK ||
            header.base_offset != next) {
            return false;
        }
        if (next == 0 && !control_type_is(batch, &header, RECORD_CONTROL_SNAPSHOT_HEADER)) {
            return false;
        }
        footer = control_type_is(batch, &header, RECORD_CONTROL_SNAPSHOT_FOOTER);
        next = batch_last_offset(&header) + 1;
    }
    return footer;
}

bool scan_finds_batch(struct bytes content, int64_t offset_min)
{
    while (content.len >= BATCH_HEADER_BYTES) {
        struct bytes rest = content;
        struct batch_header header;
        struct bytes batch;
        if (content.ptr[BATCH_AT_MAGIC] == BATCH_MAGIC &&
            scan_batch(&rest, &header, &batch) == BATCH_OK && header.base_offset >= offset_min) {
            return true;
        }
        content.ptr++;
        content.len--;
    }
    return false;
}
