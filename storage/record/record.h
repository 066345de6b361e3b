/* Records inside a batch (Kafka's DefaultRecord.java): reading, scanning in slices, building.
 *
 *   varint bytes after this, int8 attributes 0, varlong timestamp delta, varint offset delta,
 *   varint key bytes (-1 null), key, varint value bytes (-1 null), value, varint header count,
 *   per header: varint name bytes, name, varint value bytes (-1 null), value
 *
 * Varints are zigzag. A null key or value is a view with ptr NULL; an empty one has a ptr. All
 * functions are bounded by the bytes they are given. Pure; any thread.
 */
#ifndef STORAGE_RECORD_RECORD_H
#define STORAGE_RECORD_RECORD_H

#include "storage/record/batch.h"

enum record_status {
    RECORD_OK,   /* One record was read. */
    RECORD_MORE, /* The slice is used up inside or between records: feed the next. */
    RECORD_END,  /* All records the header counts were read and nothing is left. */
    RECORD_BAD,  /* Not a record, or bytes left over behind the last one. */
};

struct record {
    uint32_t size_bytes; /* With its length prefix. */
    int8_t attributes;
    int64_t timestamp_delta_ms;
    int32_t offset_delta;
    struct bytes key;
    struct bytes value;
    int32_t header_count;
    struct bytes headers; /* Encoded; walk with record_header_next. */
};

struct record_header {
    struct bytes name;
    struct bytes value;
};

/* Cursor over uncompressed records in one piece. */
struct record_cursor {
    struct bytes rest;
    int32_t left; /* Records still to come. */
};

/* records is what follows the batch header, inflated. */
static inline struct record_cursor record_cursor_of(struct bytes records, int32_t record_count)
{
    return (struct record_cursor){records, record_count};
}

/* RECORD_OK, RECORD_END or RECORD_BAD; *record is a view of the cursor's bytes. */
MUST_USE enum record_status record_next(struct record_cursor *cursor, struct record *record);

/* Steps over record.headers; false at the end. Bytes that record_next accepted cannot fail. */
MUST_USE bool record_header_next(struct bytes *headers, struct record_header *header);

/* What a scan says about a record: everything but the bytes. */
struct record_meta {
    uint32_t size_bytes;
    int64_t timestamp_delta_ms;
    int32_t offset_delta;
    int32_t key_bytes;   /* Negative: null. */
    int32_t value_bytes; /* Negative: null. */
};

/* Reads records from slices that may be cut anywhere; keeps no bytes. For validation of compressed
 * and chained batches. */
struct record_scan {
    int32_t left;       /* Records still to come, the current one included. */
    uint8_t step;       /* What the next byte belongs to. */
    uint8_t shift;      /* Bits of the current varint read so far. */
    int32_t headers;    /* Headers of the current record still to come. */
    uint64_t value;     /* The current varint so far. */
    uint32_t skip;      /* Bytes of a key, value or name still to skip. */
    int64_t body_bytes; /* Bytes of the current record's body not yet read. */
    struct record_meta meta;
};

/* record_count is the header's, at least 0. */
void record_scan_begin(struct record_scan *scan, int32_t record_count);

/* Reads until one record ends or the slice does; *slice becomes what is left.
 * RECORD_OK: *meta is the record. RECORD_MORE: the slice is empty. RECORD_END: only when all
 * records were read and the slice is empty; after it any further byte is RECORD_BAD. */
MUST_USE enum record_status record_scan_feed(struct record_scan *scan, struct bytes *slice,
                                             struct record_meta *meta);

/* A whole record at the start of the slice, which is the common case. False says nothing yet: the
 * scan then finds out whether it is cut or bad. */
bool record_next_whole(struct bytes *slice, struct record_meta *meta);

/* Builds one uncompressed batch in caller's memory, for tools, tests, the metadata log and load
 * generators. Records get offset deltas 0, 1, 2 ... */
struct batch_builder {
    uint8_t *buffer; /* Borrowed. */
    uint32_t capacity;
    uint32_t used; /* Header included. */
    bool full;     /* A record did not fit; the batch holds those before it. */
    struct batch_header header;
};

/* What all records of the batch share. All-zero is not a default: start from batch_options_none. */
struct batch_options {
    int64_t base_offset;
    int32_t leader_epoch;
    uint16_t attributes; /* BATCH_TRANSACTIONAL, BATCH_CONTROL, BATCH_LOG_APPEND_TIME. */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
};

static inline struct batch_options batch_options_none(void)
{
    return (struct batch_options){.leader_epoch = BATCH_NO_LEADER_EPOCH,
                                  .producer_id = BATCH_NO_PRODUCER_ID,
                                  .producer_epoch = BATCH_NO_PRODUCER_EPOCH,
                                  .base_sequence = BATCH_NO_SEQUENCE};
}

/* capacity is at least BATCH_HEADER_BYTES. */
void batch_builder_init(struct batch_builder *builder, void *buffer, uint32_t capacity,
                        const struct batch_options *options);

/* Adds a record; false when it does not fit (then `full` is set and the batch stays as it was). */
bool batch_builder_add(struct batch_builder *builder, int64_t timestamp_ms, struct bytes key,
                       struct bytes value, const struct record_header *headers,
                       int32_t header_count);

/* Writes header and CRC; the batch is a view of the buffer. */
struct bytes batch_builder_finish(struct batch_builder *builder);

/* As batch_builder_finish, compressed into `to`. False when `to` is too small or the codec fails.
 * Allocates (codec state): not for a core. level INT32_MIN means Kafka's default. */
MUST_USE bool batch_builder_finish_compressed(struct batch_builder *builder, enum batch_codec codec,
                                              int32_t level, void *to, uint32_t capacity,
                                              struct bytes *batch);

/* The largest size of one encoded record with these parts. */
uint32_t record_size_max(uint32_t key_bytes, uint32_t value_bytes);

/* Control records: key is int16 version 0, int16 type (ControlRecordType.java). */
enum record_control_type {
    RECORD_CONTROL_ABORT,
    RECORD_CONTROL_COMMIT,
    RECORD_CONTROL_LEADER_CHANGE,
    RECORD_CONTROL_SNAPSHOT_HEADER,
    RECORD_CONTROL_SNAPSHOT_FOOTER,
    RECORD_CONTROL_KRAFT_VERSION,
    RECORD_CONTROL_KRAFT_VOTERS,
};

enum { RECORD_CONTROL_KEY_BYTES = 4, RECORD_TXN_MARKER_BYTES = 6 };

void record_control_key_write(uint8_t to[RECORD_CONTROL_KEY_BYTES], enum record_control_type type);

/* False when key is not a control key of version 0 or up, or its type is negative. Unknown types
 * are returned as they are. */
MUST_USE bool record_control_key_parse(struct bytes key, int16_t *type);

/* Value of an abort or commit marker: int16 version 0, int32 coordinator epoch (EndTxnMarker.json).
 */
void record_txn_marker_write(uint8_t to[RECORD_TXN_MARKER_BYTES], int32_t coordinator_epoch);
MUST_USE bool record_txn_marker_parse(struct bytes value, int32_t *coordinator_epoch);

/* Zigzag varints as Kafka writes them (ByteUtils.java). Write returns the bytes used, at most 5 and
 * 10; read returns them too, or 0 when the bytes end inside or the number is too long. */
uint32_t record_varint_write(uint8_t *to, int32_t value);
uint32_t record_varlong_write(uint8_t *to, int64_t value);
uint32_t record_varint_read(struct bytes from, int32_t *value);
uint32_t record_varlong_read(struct bytes from, int64_t *value);
uint32_t record_varint_bytes(int32_t value);
uint32_t record_varlong_bytes(int64_t value);

#endif
