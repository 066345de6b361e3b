#include "storage/log/clean_filter.h"

#include <stdlib.h>

#include "storage/record/record.h"

bool clean_memory_reserve(struct clean_memory *memory, uint64_t bytes)
{
    if (bytes <= memory->capacity) {
        return true;
    }
    const uint64_t wanted = max_u64(bytes, min_u64(2 * (uint64_t)memory->capacity, UINT32_MAX));
    uint8_t *at = wanted > UINT32_MAX ? NULL : realloc(memory->at, wanted);
    if (at == NULL) {
        return false;
    }
    memory->at = at;
    memory->capacity = (uint32_t)wanted;
    return true;
}

void clean_filter_free(struct clean_filter *filter)
{
    free(filter->plain.at);
    free(filter->kept.at);
    free(filter->packed.at);
    free(filter->stays.at);
    filter->plain = filter->kept = filter->packed = filter->stays = (struct clean_memory){0};
}

/* The records, uncompressed. */
static enum clean_result open_records(struct clean_filter *filter, struct bytes batch,
                                      const struct batch_header *header, struct bytes *records)
{
    const struct bytes stream = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    const enum batch_codec codec = batch_codec(header);
    if (codec == BATCH_CODEC_NONE || header->record_count == 0) {
        *records = stream;
        return CLEAN_KEPT;
    }
    if (codec >= BATCH_CODECS) {
        return CLEAN_BAD;
    }
    filter->plain.len = 0;
    inflate_begin(filter->inflate, codec, chain_of(&stream), filter->inflated_bytes_max);
    enum inflate_status status;
    struct bytes slice;
    while ((status = inflate_step(filter->inflate, &slice)) == INFLATE_SLICE) {
        if (!clean_memory_reserve(&filter->plain, (uint64_t)filter->plain.len + slice.len)) {
            return CLEAN_NO_MEMORY;
        }
        if (slice.len > 0) {
            memcpy(filter->plain.at + filter->plain.len, slice.ptr, slice.len);
            filter->plain.len += slice.len;
        }
    }
    *records = (struct bytes){filter->plain.at, filter->plain.len};
    return status == INFLATE_END ? CLEAN_KEPT : CLEAN_BAD;
}

/* -1: it has no record. */
static int control_type(struct bytes records, const struct batch_header *header)
{
    struct record_cursor cursor = record_cursor_of(records, header->record_count);
    struct record record;
    int16_t type;
    if (record_next(&cursor, &record) != RECORD_OK) {
        return -1;
    }
    return record_control_key_parse(record.key, &type) ? type : INT16_MAX;
}

/* ---- Records with their keys ---------------------------------------------------------------- */

/* Some records in a row; the map's entries of their keys are on their way. */
struct together {
    struct record records[CLEAN_MAP_TOGETHER];
    struct clean_key keys[CLEAN_MAP_TOGETHER]; /* Of the records that have one. */
    uint32_t count;
};

/* The next ones; RECORD_OK: others may follow. */
static enum record_status take_together(const struct clean_map *map, struct record_cursor *cursor,
                                        struct together *next)
{
    enum record_status status = RECORD_OK;
    next->count = 0;
    while (next->count < CLEAN_MAP_TOGETHER &&
           (status = record_next(cursor, &next->records[next->count])) == RECORD_OK) {
        const struct bytes key = next->records[next->count].key;
        if (key.ptr != NULL) {
            next->keys[next->count] = clean_map_key(map, key);
        }
        next->count++;
    }
    return status;
}

/* ---- First pass ----------------------------------------------------------------------------- */

static enum clean_result map_records(struct clean_filter *filter, struct clean_map *map,
                                     struct bytes records, const struct batch_header *header,
                                     int64_t from)
{
    struct record_cursor cursor = record_cursor_of(records, header->record_count);
    struct together next;
    enum record_status status;
    do {
        status = take_together(map, &cursor, &next);
        for (uint32_t i = 0; i < next.count; i++) {
            const int64_t offset = header->base_offset + next.records[i].offset_delta;
            if (next.records[i].key.ptr != NULL && offset >= from &&
                !clean_map_put(map, &next.keys[i], offset)) {
                return CLEAN_DROPPED;
            }
        }
    } while (status == RECORD_OK);
    filter->records_read += (uint64_t)header->record_count;
    return status == RECORD_END ? CLEAN_KEPT : CLEAN_BAD;
}

enum clean_result clean_filter_map(struct clean_filter *filter, struct clean_map *map,
                                   struct bytes batch, const struct batch_header *header,
                                   int64_t from)
{
    struct bytes records;
    enum clean_result result = CLEAN_KEPT;
    if (batch_is_control(header)) {
        result = open_records(filter, batch, header, &records);
        if (result == CLEAN_KEPT) {
            (void)clean_txns_marker(filter->txns, header, control_type(records, header));
        }
    } else if (!clean_txns_batch(filter->txns, header)) {
        result = open_records(filter, batch, header, &records);
        if (result == CLEAN_KEPT) {
            result = map_records(filter, map, records, header, from);
        }
    }
    return filter->txns->no_memory ? CLEAN_NO_MEMORY : result;
}

/* ---- Second pass ---------------------------------------------------------------------------- */

/* What a batch is judged by. */
struct verdict {
    bool keep_place;
    bool drop_records;  /* Of an aborted transaction, or a marker that is due. */
    bool marker_alone;  /* A marker nothing needs: its horizon begins to run. */
    int64_t horizon_ms; /* -1: none yet. */
};

static bool is_last_of_producer(const struct clean_filter *filter,
                                const struct batch_header *header)
{
    uint32_t low = 0;
    uint32_t high = batch_has_producer(header) ? filter->producer_count : 0;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct clean_producer *producer = &filter->producers[middle];
        if (producer->producer_id == header->producer_id) {
            return producer->last_data_offset >= 0
                       ? producer->last_data_offset == batch_last_offset(header)
                       : batch_is_control(header) && producer->epoch == header->producer_epoch;
        }
        if (producer->producer_id < header->producer_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

bool clean_filter_needs(const struct clean_filter *filter, const struct batch_header *header)
{
    return batch_is_control(header) || batch_is_transactional(header) ||
           is_last_of_producer(filter, header);
}

static int64_t record_time(const struct batch_header *header, const struct record *record)
{
    return (int64_t)((uint64_t)header->base_timestamp_ms + (uint64_t)record->timestamp_delta_ms);
}

static bool record_stays(struct clean_filter *filter, const struct batch_header *header,
                         const struct verdict *verdict, const struct record *record,
                         const struct clean_key *key)
{
    const int64_t offset = header->base_offset + record->offset_delta;
    if (verdict->drop_records) {
        return false;
    }
    if (batch_is_control(header) || offset >= filter->map->end) {
        return true;
    }
    if (record->key.ptr == NULL || offset < clean_map_get(filter->map, key)) {
        return false;
    }
    const bool due = verdict->horizon_ms >= 0 && filter->now_ms >= verdict->horizon_ms;
    if (record->value.ptr == NULL && due) {
        filter->tombstones_dropped++;
        return false;
    }
    return true;
}

/* The record with its timestamp counted from another base. */
static uint8_t *record_copy(uint8_t *to, const struct record *record, const uint8_t *from,
                            int64_t base_shift_ms)
{
    if (base_shift_ms == 0) {
        memcpy(to, from, record->size_bytes);
        return to + record->size_bytes;
    }
    int32_t length;
    int64_t old_delta;
    const uint8_t *at =
        from + record_varint_read((struct bytes){from, record->size_bytes}, &length);
    const uint8_t *end = from + record->size_bytes;
    const uint8_t attributes = *at++;
    at += record_varlong_read((struct bytes){at, (uint32_t)(end - at)}, &old_delta);
    const int64_t delta = (int64_t)((uint64_t)old_delta - (uint64_t)base_shift_ms);
    const uint32_t rest = (uint32_t)(end - at);
    to += record_varint_write(to, (int32_t)(1 + record_varlong_bytes(delta) + rest));
    *to++ = attributes;
    to += record_varlong_write(to, delta);
    memcpy(to, at, rest);
    return to + rest;
}

struct survivors {
    int32_t count;
    bool all;
    bool tombstones;
    int64_t max_timestamp_ms;
};

static enum clean_result judge_records(struct clean_filter *filter, struct bytes records,
                                       const struct batch_header *header,
                                       const struct verdict *verdict, struct survivors *stay)
{
    struct record_cursor cursor = record_cursor_of(records, header->record_count);
    struct together next;
    enum record_status status;
    *stay = (struct survivors){.max_timestamp_ms = BATCH_NO_TIMESTAMP};
    filter->stays.len = 0;
    do {
        status = take_together(filter->map, &cursor, &next);
        if (!clean_memory_reserve(&filter->stays, (uint64_t)filter->stays.len + next.count)) {
            return CLEAN_NO_MEMORY;
        }
        for (uint32_t i = 0; i < next.count; i++) {
            const struct record *record = &next.records[i];
            const bool stays = record_stays(filter, header, verdict, record, &next.keys[i]);
            filter->stays.at[filter->stays.len++] = stays;
            if (stays) {
                stay->count++;
                stay->tombstones = stay->tombstones || record->value.ptr == NULL;
                stay->max_timestamp_ms =
                    max_i64(stay->max_timestamp_ms, record_time(header, record));
            }
        }
        filter->records_read += next.count;
    } while (status == RECORD_OK);
    stay->all = (uint32_t)stay->count == filter->stays.len;
    filter->records_kept += (uint64_t)stay->count;
    return status == RECORD_END ? CLEAN_KEPT : CLEAN_BAD;
}

/* Header and the records that judge_records let stay, not yet compressed, into filter->kept. */
static bool copy_records(struct clean_filter *filter, struct bytes records,
                         const struct batch_header *header, int64_t base_shift_ms)
{
    enum { SHIFT_BYTES_MAX = 16 }; /* Of a record whose numbers become longer. */
    const uint64_t most = BATCH_HEADER_BYTES + (uint64_t)records.len +
                          (uint64_t)header->record_count * SHIFT_BYTES_MAX;
    if (!clean_memory_reserve(&filter->kept, most)) {
        return false;
    }
    struct record_cursor cursor = record_cursor_of(records, header->record_count);
    struct record record;
    uint8_t *to = filter->kept.at + BATCH_HEADER_BYTES;
    const uint8_t *from = cursor.rest.ptr;
    for (const uint8_t *stays = filter->stays.at; record_next(&cursor, &record) == RECORD_OK;
         stays++) {
        if (*stays) {
            to = record_copy(to, &record, from, base_shift_ms);
        }
        from = cursor.rest.ptr;
    }
    filter->kept.len = (uint32_t)(to - filter->kept.at);
    return true;
}

static struct bytes seal(uint8_t *at, uint32_t len, struct batch_header *header)
{
    header->size_bytes = len;
    batch_write_header(at, header);
    batch_seal(at, len);
    return (struct bytes){at, len};
}

/* Writes filter->kept with that header, compressed as the batch was. */
static enum clean_result pack(struct clean_filter *filter, struct batch_header *header,
                              struct bytes *out)
{
    const enum batch_codec codec = batch_codec(header);
    if (codec == BATCH_CODEC_NONE) {
        *out = seal(filter->kept.at, filter->kept.len, header);
        return CLEAN_CHANGED;
    }
    const struct bytes plain = {filter->kept.at + BATCH_HEADER_BYTES,
                                filter->kept.len - BATCH_HEADER_BYTES};
    const uint64_t most = BATCH_HEADER_BYTES + compress_bound(codec, plain.len);
    size_t len;
    if (!clean_memory_reserve(&filter->packed, most) ||
        !compress_all(codec, INT32_MIN, COMPRESS_SNAPPY_JAVA, plain,
                      filter->packed.at + BATCH_HEADER_BYTES, most - BATCH_HEADER_BYTES, &len)) {
        return CLEAN_NO_MEMORY;
    }
    *out = seal(filter->packed.at, (uint32_t)len + BATCH_HEADER_BYTES, header);
    return CLEAN_CHANGED;
}

/* Only offsets, producer and sequences (DefaultRecordBatch.writeEmptyHeader). */
static enum clean_result keep_empty(struct clean_filter *filter, const struct batch_header *header,
                                    struct bytes *out)
{
    if (!clean_memory_reserve(&filter->kept, BATCH_HEADER_BYTES)) {
        return CLEAN_NO_MEMORY;
    }
    struct batch_header empty = *header;
    empty.attributes &= BATCH_LOG_APPEND_TIME | BATCH_TRANSACTIONAL | BATCH_CONTROL;
    empty.base_timestamp_ms = BATCH_NO_TIMESTAMP;
    empty.record_count = 0;
    *out = seal(filter->kept.at, BATCH_HEADER_BYTES, &empty);
    return CLEAN_CHANGED;
}

static enum clean_result rewrite(struct clean_filter *filter, struct bytes records,
                                 const struct batch_header *header, const struct survivors *stay,
                                 bool new_horizon, struct bytes *out)
{
    struct batch_header changed = *header;
    int64_t base_shift_ms = 0;
    if (new_horizon) {
        /* delete.retention.ms may be all there is: never. */
        const int64_t horizon_ms =
            filter->now_ms + min_i64(filter->delete_retention_ms, INT64_MAX - filter->now_ms);
        base_shift_ms = (int64_t)((uint64_t)horizon_ms - (uint64_t)header->base_timestamp_ms);
        changed.base_timestamp_ms = horizon_ms;
        changed.attributes |= BATCH_DELETE_HORIZON;
    }
    if (!copy_records(filter, records, header, base_shift_ms)) {
        return CLEAN_NO_MEMORY;
    }
    changed.record_count = stay->count;
    if (!batch_is_log_append_time(header)) {
        changed.max_timestamp_ms = stay->max_timestamp_ms;
    }
    return pack(filter, &changed, out);
}

enum clean_result clean_filter_batch(struct clean_filter *filter, struct bytes batch,
                                     const struct batch_header *header, bool keep_place,
                                     struct bytes *out)
{
    struct bytes records;
    struct verdict verdict = {.keep_place = keep_place || is_last_of_producer(filter, header),
                              .horizon_ms = -1};
    if ((header->attributes & BATCH_DELETE_HORIZON) != 0) {
        verdict.horizon_ms = header->base_timestamp_ms;
    }
    enum clean_result result = CLEAN_KEPT;
    if (batch_is_control(header)) {
        result = open_records(filter, batch, header, &records);
        if (result != CLEAN_KEPT) {
            return result;
        }
        verdict.marker_alone =
            clean_txns_marker(filter->txns, header, control_type(records, header));
        verdict.drop_records =
            verdict.marker_alone && verdict.horizon_ms >= 0 && verdict.horizon_ms <= filter->now_ms;
    } else {
        verdict.drop_records = clean_txns_batch(filter->txns, header);
    }
    if (filter->txns->no_memory) {
        return CLEAN_NO_MEMORY;
    }
    if (verdict.drop_records) {
        filter->records_read += (uint64_t)header->record_count;
        return verdict.keep_place ? keep_empty(filter, header, out) : CLEAN_DROPPED;
    }
    if (!batch_is_control(header)) {
        result = open_records(filter, batch, header, &records);
    }
    struct survivors stay;
    if (result == CLEAN_KEPT) {
        result = judge_records(filter, records, header, &verdict, &stay);
    }
    if (result != CLEAN_KEPT) {
        return result;
    }
    const bool new_horizon =
        verdict.horizon_ms < 0 && (stay.tombstones || verdict.marker_alone) && stay.count > 0;
    if (stay.count == 0) {
        return verdict.keep_place ? keep_empty(filter, header, out) : CLEAN_DROPPED;
    }
    if (stay.all && !new_horizon) {
        return CLEAN_KEPT;
    }
    return rewrite(filter, records, header, &stay, new_horizon, out);
}
