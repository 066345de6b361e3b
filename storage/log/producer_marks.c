#include "storage/log/producer_marks.h"

#include <xxhash.h>

enum {
    VERSION = 1,
    HEADER_BYTES = 24,
    PRODUCER_BYTES = 12,
    MARK_BYTES = 24,
    HASH_BYTES = 8,
    AT_OFFSET = 8,
    AT_CRC = 16,
    AT_COUNT = 20,
};

static const uint8_t magic[4] = {'M', 'R', 'P', 'M'};

size_t producer_marks_bytes_max(uint32_t producer_count)
{
    return HEADER_BYTES +
           (size_t)producer_count * (PRODUCER_BYTES + PRODUCER_BATCHES * MARK_BYTES) + HASH_BYTES;
}

uint32_t producer_marks_export(const struct producer_state *state, int64_t offset, uint8_t *to)
{
    uint32_t cursor = 0;
    uint32_t count = 0;
    struct producer_values values;
    uint8_t *at = to + HEADER_BYTES;
    while (producer_state_next(state, &cursor, &values)) {
        if (values.batch_count < 2) {
            continue;
        }
        store_be64(at, (uint64_t)values.producer_id);
        store_be16(at + 8, (uint16_t)values.epoch);
        store_be16(at + 10, values.batch_count);
        at += PRODUCER_BYTES;
        for (uint32_t i = 0; i < values.batch_count; i++, at += MARK_BYTES) {
            const struct producer_batch_mark *mark = &values.batches[i];
            store_be64(at, (uint64_t)mark->last_offset);
            store_be64(at + 8, (uint64_t)mark->timestamp_ms);
            store_be32(at + 16, (uint32_t)mark->last_sequence);
            store_be32(at + 20, (uint32_t)mark->offset_delta);
        }
        count++;
    }
    memcpy(to, magic, sizeof(magic));
    store_be16(to + 4, VERSION);
    store_be16(to + 6, 0);
    store_be64(to + AT_OFFSET, (uint64_t)offset);
    store_be32(to + AT_CRC, 0);
    store_be32(to + AT_COUNT, count);
    return count == 0 ? 0 : (uint32_t)(at + HASH_BYTES - to);
}

void producer_marks_seal(uint8_t *file, uint32_t file_bytes, uint32_t snapshot_crc)
{
    store_be32(file + AT_CRC, snapshot_crc);
    const uint32_t hashed = file_bytes - HASH_BYTES;
    store_be64(file + hashed, XXH3_64bits(file, hashed));
}

bool producer_marks_next(struct producer_marks *marks, struct producer_values *values)
{
    struct bytes *rest = &marks->rest;
    if (rest->len < PRODUCER_BYTES) {
        return false;
    }
    const uint32_t count = load_be16(rest->ptr + 10);
    const uint32_t bytes = PRODUCER_BYTES + count * MARK_BYTES;
    if (count == 0 || count > PRODUCER_BATCHES || rest->len < bytes) {
        return false;
    }
    *values = (struct producer_values){.producer_id = (int64_t)load_be64(rest->ptr),
                                       .epoch = (int16_t)load_be16(rest->ptr + 8),
                                       .batch_count = (uint8_t)count};
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = rest->ptr + PRODUCER_BYTES + (size_t)i * MARK_BYTES;
        values->batches[i] =
            (struct producer_batch_mark){.last_offset = (int64_t)load_be64(at),
                                         .timestamp_ms = (int64_t)load_be64(at + 8),
                                         .last_sequence = (int32_t)load_be32(at + 16),
                                         .offset_delta = (int32_t)load_be32(at + 20)};
    }
    rest->ptr += bytes;
    rest->len -= bytes;
    return true;
}

bool producer_marks_open(struct bytes file, struct producer_marks *marks)
{
    const uint8_t *from = file.ptr;
    if (file.len < HEADER_BYTES + HASH_BYTES || memcmp(from, magic, sizeof(magic)) != 0 ||
        load_be16(from + 4) != VERSION) {
        return false;
    }
    const uint32_t hashed = file.len - HASH_BYTES;
    if (load_be64(from + hashed) != XXH3_64bits(from, hashed)) {
        return false;
    }
    *marks = (struct producer_marks){
        .offset = (int64_t)load_be64(from + AT_OFFSET),
        .snapshot_crc = load_be32(from + AT_CRC),
        .count = load_be32(from + AT_COUNT),
        .rest = {from + HEADER_BYTES, hashed - HEADER_BYTES},
    };
    struct producer_marks walk = *marks;
    struct producer_values values;
    for (uint32_t i = 0; i < marks->count; i++) {
        if (!producer_marks_next(&walk, &values)) {
            return false;
        }
    }
    return walk.rest.len == 0;
}

bool producer_marks_load(struct bytes file, int64_t offset, uint32_t snapshot_crc,
                         struct producer_state *state)
{
    struct producer_marks marks;
    if (!producer_marks_open(file, &marks) || marks.offset != offset ||
        marks.snapshot_crc != snapshot_crc) {
        return false;
    }
    struct producer_values found;
    while (producer_marks_next(&marks, &found)) {
        struct producer_values known;
        const struct producer_batch_mark *last = &found.batches[found.batch_count - 1];
        if (!producer_state_find(state, found.producer_id, &known) || known.epoch != found.epoch ||
            known.batch_count != 1 || known.batches[0].last_offset != last->last_offset ||
            known.batches[0].last_sequence != last->last_sequence) {
            continue; /* Not remembered for want of room. */
        }
        memcpy(known.batches, found.batches, sizeof(known.batches));
        known.batch_count = found.batch_count;
        const enum producer_status status = producer_state_restore(state, &known);
        ASSERT(status == PRODUCER_OK); /* It is there. */
    }
    return true;
}
