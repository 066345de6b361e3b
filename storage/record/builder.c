/* The building half of storage/record/record.h. */
#include "storage/record/compress.h"
#include "storage/record/record.h"

/* Length, attributes, timestamp, offset, three more numbers: all at their longest. */
enum { RECORD_OVERHEAD_MAX = 5 + 1 + 10 + 5 + 5 + 5 + 5 };

uint32_t record_size_max(uint32_t key_bytes, uint32_t value_bytes)
{
    return RECORD_OVERHEAD_MAX + key_bytes + value_bytes;
}

void batch_builder_init(struct batch_builder *builder, void *buffer, uint32_t capacity,
                        const struct batch_options *options)
{
    ASSERT(capacity >= BATCH_HEADER_BYTES);
    *builder = (struct batch_builder){
        .buffer = buffer,
        .capacity = capacity,
        .used = BATCH_HEADER_BYTES,
        .header = {.base_offset = options->base_offset,
                   .leader_epoch = options->leader_epoch,
                   .magic = BATCH_MAGIC,
                   .attributes = options->attributes,
                   .base_timestamp_ms = BATCH_NO_TIMESTAMP,
                   .max_timestamp_ms = BATCH_NO_TIMESTAMP,
                   .producer_id = options->producer_id,
                   .producer_epoch = options->producer_epoch,
                   .base_sequence = options->base_sequence},
    };
}

static uint64_t bytes_size(struct bytes bytes)
{
    return bytes.ptr == NULL ? 1 : record_varint_bytes((int32_t)bytes.len) + (uint64_t)bytes.len;
}

static uint8_t *bytes_write(uint8_t *at, struct bytes bytes)
{
    if (bytes.ptr == NULL) {
        return at + record_varint_write(at, -1);
    }
    at += record_varint_write(at, (int32_t)bytes.len);
    if (bytes.len > 0) {
        memcpy(at, bytes.ptr, bytes.len);
    }
    return at + bytes.len;
}

bool batch_builder_add(struct batch_builder *builder, int64_t timestamp_ms, struct bytes key,
                       struct bytes value, const struct record_header *headers,
                       int32_t header_count)
{
    struct batch_header *header = &builder->header;
    const int64_t base_ms = header->record_count == 0 ? timestamp_ms : header->base_timestamp_ms;
    const int64_t delta_ms = (int64_t)((uint64_t)timestamp_ms - (uint64_t)base_ms);
    uint64_t body = 1 + (uint64_t)record_varlong_bytes(delta_ms) +
                    record_varint_bytes(header->record_count) + bytes_size(key) +
                    bytes_size(value) + record_varint_bytes(header_count);
    for (int32_t i = 0; i < header_count; i++) {
        ASSERT(headers[i].name.ptr != NULL);
        body += bytes_size(headers[i].name) + bytes_size(headers[i].value);
    }
    const uint32_t room = builder->capacity - builder->used;
    if (builder->full || body > INT32_MAX || body + record_varint_bytes((int32_t)body) > room) {
        builder->full = true;
        return false;
    }
    uint8_t *at = builder->buffer + builder->used;
    at += record_varint_write(at, (int32_t)body);
    *at++ = 0; /* Attributes: none are defined. */
    at += record_varlong_write(at, delta_ms);
    at += record_varint_write(at, header->record_count);
    at = bytes_write(bytes_write(at, key), value);
    at += record_varint_write(at, header_count);
    for (int32_t i = 0; i < header_count; i++) {
        at = bytes_write(bytes_write(at, headers[i].name), headers[i].value);
    }
    builder->used = (uint32_t)(at - builder->buffer);
    header->base_timestamp_ms = base_ms;
    header->max_timestamp_ms = max_i64(header->max_timestamp_ms, timestamp_ms);
    header->record_count++;
    return true;
}

static struct bytes seal(const struct batch_builder *builder, enum batch_codec codec, uint8_t *to,
                         uint32_t size_bytes)
{
    ASSERT(builder->header.record_count > 0);
    struct batch_header header = builder->header;
    header.size_bytes = size_bytes;
    header.last_offset_delta = header.record_count - 1;
    header.attributes = (uint16_t)((header.attributes & ~(uint32_t)BATCH_CODEC_MASK) | codec);
    batch_write_header(to, &header);
    batch_seal(to, size_bytes);
    return (struct bytes){to, size_bytes};
}

struct bytes batch_builder_finish(struct batch_builder *builder)
{
    return seal(builder, BATCH_CODEC_NONE, builder->buffer, builder->used);
}

bool batch_builder_finish_compressed(struct batch_builder *builder, enum batch_codec codec,
                                     int32_t level, void *to, uint32_t capacity,
                                     struct bytes *batch)
{
    const struct bytes records = {builder->buffer + BATCH_HEADER_BYTES,
                                  builder->used - BATCH_HEADER_BYTES};
    uint8_t *at = to;
    size_t len;
    if (capacity < BATCH_HEADER_BYTES ||
        !compress_all(codec, level, COMPRESS_SNAPPY_JAVA, records, at + BATCH_HEADER_BYTES,
                      capacity - BATCH_HEADER_BYTES, &len)) {
        return false;
    }
    *batch = seal(builder, codec, at, (uint32_t)len + BATCH_HEADER_BYTES);
    return true;
}
