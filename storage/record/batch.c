#include "storage/record/batch.h"

#include "storage/base/crc32c.h"

enum {
    /* Kafka's smallest length for any magic (LegacyRecord.RECORD_OVERHEAD_V0). */
    BATCH_LENGTH_MIN = 14,
    BATCH_BYTES_TO_MAGIC = BATCH_AT_MAGIC + 1,
};

static void load_header(const uint8_t *at, struct batch_header *header)
{
    header->leader_epoch = (int32_t)load_be32(at + BATCH_AT_LEADER_EPOCH);
    header->crc = load_be32(at + BATCH_AT_CRC);
    header->attributes = load_be16(at + BATCH_AT_ATTRIBUTES);
    header->last_offset_delta = (int32_t)load_be32(at + BATCH_AT_LAST_OFFSET_DELTA);
    header->base_timestamp_ms = (int64_t)load_be64(at + BATCH_AT_BASE_TIMESTAMP);
    header->max_timestamp_ms = (int64_t)load_be64(at + BATCH_AT_MAX_TIMESTAMP);
    header->producer_id = (int64_t)load_be64(at + BATCH_AT_PRODUCER_ID);
    header->producer_epoch = (int16_t)load_be16(at + BATCH_AT_PRODUCER_EPOCH);
    header->base_sequence = (int32_t)load_be32(at + BATCH_AT_BASE_SEQUENCE);
    header->record_count = (int32_t)load_be32(at + BATCH_AT_RECORD_COUNT);
}

/* BATCH_PARTIAL when fewer than the header's bytes are there, or than the batch's where it is to be
 * whole. */
static inline enum batch_status parse(struct chain bytes, bool whole, struct batch_header *header)
{
    uint8_t scratch[BATCH_HEADER_BYTES];
    const uint8_t *at =
        chain_flat(chain_take(bytes, min_u32(bytes.len, BATCH_HEADER_BYTES)), scratch).ptr;
    if (bytes.len < BATCH_PREFIX_BYTES) {
        return BATCH_PARTIAL;
    }
    const int32_t length = (int32_t)load_be32(at + BATCH_AT_LENGTH);
    if (length < BATCH_LENGTH_MIN) {
        return BATCH_BAD_LENGTH;
    }
    if (bytes.len < BATCH_BYTES_TO_MAGIC) {
        return BATCH_PARTIAL;
    }
    const int8_t magic = (int8_t)at[BATCH_AT_MAGIC];
    const uint32_t size_bytes = (uint32_t)length + BATCH_PREFIX_BYTES;
    if (magic < 0 || magic > BATCH_MAGIC) {
        return BATCH_BAD_MAGIC;
    }
    if (magic == BATCH_MAGIC && size_bytes < BATCH_HEADER_BYTES) {
        return BATCH_BAD_LENGTH;
    }
    if ((magic == BATCH_MAGIC && bytes.len < BATCH_HEADER_BYTES) ||
        (whole && bytes.len < size_bytes)) {
        return BATCH_PARTIAL;
    }
    header->base_offset = (int64_t)load_be64(at + BATCH_AT_BASE_OFFSET);
    header->size_bytes = size_bytes;
    header->magic = magic;
    if (magic < BATCH_MAGIC) {
        return BATCH_OLD_MAGIC;
    }
    load_header(at, header);
    return BATCH_OK;
}

enum batch_status batch_parse_header(struct chain bytes, struct batch_header *header)
{
    return parse(bytes, false, header);
}

enum batch_status batch_parse(struct chain bytes, struct batch_header *header)
{
    return parse(bytes, true, header);
}

bool batch_parse_alone(struct bytes bytes, struct batch_header *header)
{
    const uint8_t *at = bytes.ptr;
    if (bytes.len < BATCH_HEADER_BYTES || at[BATCH_AT_MAGIC] != BATCH_MAGIC ||
        load_be32(at + BATCH_AT_LENGTH) != bytes.len - BATCH_PREFIX_BYTES) {
        return false;
    }
    header->base_offset = (int64_t)load_be64(at + BATCH_AT_BASE_OFFSET);
    header->size_bytes = bytes.len;
    header->magic = BATCH_MAGIC;
    load_header(at, header);
    return true;
}

enum batch_status batch_check_crc(struct chain batch, const struct batch_header *header)
{
    const struct chain covered =
        chain_skip(chain_take(batch, header->size_bytes), BATCH_AT_ATTRIBUTES);
    return crc32c_chain(0, covered) == header->crc ? BATCH_OK : BATCH_BAD_CRC;
}

bool batch_set_timestamps(uint8_t *batch, bool log_append_time, int64_t max_timestamp_ms)
{
    const uint16_t attributes = load_be16(batch + BATCH_AT_ATTRIBUTES);
    const bool was_append_time = (attributes & BATCH_LOG_APPEND_TIME) != 0;
    const int64_t was_max = (int64_t)load_be64(batch + BATCH_AT_MAX_TIMESTAMP);
    if (was_append_time == log_append_time && was_max == max_timestamp_ms) {
        return false;
    }
    enum { PART_BYTES = BATCH_AT_PRODUCER_ID - BATCH_AT_ATTRIBUTES };
    uint8_t *part = batch + BATCH_AT_ATTRIBUTES;
    const uint32_t part_old = crc32c_extend(0, part, PART_BYTES);
    const uint16_t kept = attributes & (BATCH_CODEC_MASK | BATCH_TRANSACTIONAL | BATCH_CONTROL |
                                        BATCH_DELETE_HORIZON);
    store_be16(part, (uint16_t)(kept | (log_append_time ? BATCH_LOG_APPEND_TIME : 0)));
    store_be64(batch + BATCH_AT_MAX_TIMESTAMP, (uint64_t)max_timestamp_ms);
    const uint32_t size_bytes = load_be32(batch + BATCH_AT_LENGTH) + BATCH_PREFIX_BYTES;
    store_be32(batch + BATCH_AT_CRC, crc32c_replace(load_be32(batch + BATCH_AT_CRC), part_old,
                                                    crc32c_extend(0, part, PART_BYTES),
                                                    size_bytes - BATCH_AT_PRODUCER_ID));
    return true;
}

void batch_write_header(uint8_t *to, const struct batch_header *header)
{
    store_be64(to + BATCH_AT_BASE_OFFSET, (uint64_t)header->base_offset);
    store_be32(to + BATCH_AT_LENGTH, header->size_bytes - BATCH_PREFIX_BYTES);
    store_be32(to + BATCH_AT_LEADER_EPOCH, (uint32_t)header->leader_epoch);
    to[BATCH_AT_MAGIC] = (uint8_t)header->magic;
    store_be32(to + BATCH_AT_CRC, header->crc);
    store_be16(to + BATCH_AT_ATTRIBUTES, header->attributes);
    store_be32(to + BATCH_AT_LAST_OFFSET_DELTA, (uint32_t)header->last_offset_delta);
    store_be64(to + BATCH_AT_BASE_TIMESTAMP, (uint64_t)header->base_timestamp_ms);
    store_be64(to + BATCH_AT_MAX_TIMESTAMP, (uint64_t)header->max_timestamp_ms);
    store_be64(to + BATCH_AT_PRODUCER_ID, (uint64_t)header->producer_id);
    store_be16(to + BATCH_AT_PRODUCER_EPOCH, (uint16_t)header->producer_epoch);
    store_be32(to + BATCH_AT_BASE_SEQUENCE, (uint32_t)header->base_sequence);
    store_be32(to + BATCH_AT_RECORD_COUNT, (uint32_t)header->record_count);
}

void batch_seal(uint8_t *batch, uint32_t size_bytes)
{
    ASSERT(size_bytes >= BATCH_HEADER_BYTES);
    store_be32(batch + BATCH_AT_CRC,
               crc32c_extend(0, batch + BATCH_AT_ATTRIBUTES, size_bytes - BATCH_AT_ATTRIBUTES));
}

enum batch_status batch_next(struct bytes *rest, struct batch_header *header, struct bytes *batch)
{
    const enum batch_status status = batch_parse(chain_of(rest), header);
    if (status == BATCH_OK) {
        *batch = (struct bytes){rest->ptr, header->size_bytes};
        rest->ptr += header->size_bytes;
        rest->len -= header->size_bytes;
    }
    return status;
}

const char *batch_status_name(enum batch_status status)
{
    switch (status) {
    case BATCH_OK: return "ok";
    case BATCH_PARTIAL: return "cut short";
    case BATCH_BAD_LENGTH: return "impossible length";
    case BATCH_BAD_MAGIC: return "unknown magic";
    case BATCH_OLD_MAGIC: return "old magic";
    case BATCH_BAD_CRC: return "wrong checksum";
    }
    return "unknown";
}

const char *batch_codec_name(enum batch_codec codec)
{
    switch (codec) {
    case BATCH_CODEC_NONE: return "none";
    case BATCH_CODEC_GZIP: return "gzip";
    case BATCH_CODEC_SNAPPY: return "snappy";
    case BATCH_CODEC_LZ4: return "lz4";
    case BATCH_CODEC_ZSTD: return "zstd";
    case BATCH_CODECS: break;
    }
    return "unknown";
}
