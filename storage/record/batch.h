/* Record batch, magic 2: the same bytes on wire and disk (Kafka's DefaultRecordBatch.java).
 *
 *   0 int64 base offset          21 int16 attributes         51 int16 producer epoch
 *   8 int32 bytes after this     23 int32 last offset delta  53 int32 base sequence
 *  12 int32 leader epoch         27 int64 base timestamp     57 int32 record count
 *  16 int8  magic                35 int64 max timestamp      61 records
 *  17 uint32 CRC-32C of 21..     43 int64 producer id
 *
 * Base offset, length, leader epoch and magic stand outside the CRC, so that a broker stamps a
 * batch without reading it. This file knows bytes only; what a client may send is
 * storage/record/validate.h. Pure; any thread.
 */
#ifndef STORAGE_RECORD_BATCH_H
#define STORAGE_RECORD_BATCH_H

#include "storage/base/bytes.h"

enum {
    BATCH_AT_BASE_OFFSET = 0,
    BATCH_AT_LENGTH = 8,
    BATCH_AT_LEADER_EPOCH = 12,
    BATCH_AT_MAGIC = 16,
    BATCH_AT_CRC = 17,
    BATCH_AT_ATTRIBUTES = 21, /* First byte under the CRC. */
    BATCH_AT_LAST_OFFSET_DELTA = 23,
    BATCH_AT_BASE_TIMESTAMP = 27,
    BATCH_AT_MAX_TIMESTAMP = 35,
    BATCH_AT_PRODUCER_ID = 43,
    BATCH_AT_PRODUCER_EPOCH = 51,
    BATCH_AT_BASE_SEQUENCE = 53,
    BATCH_AT_RECORD_COUNT = 57,
    BATCH_HEADER_BYTES = 61,
    BATCH_PREFIX_BYTES = 12, /* Base offset and length: what the length does not count. */
    BATCH_MAGIC = 2,
};

enum {
    BATCH_CODEC_MASK = 0x07,
    BATCH_LOG_APPEND_TIME = 0x08,
    BATCH_TRANSACTIONAL = 0x10,
    BATCH_CONTROL = 0x20,
    BATCH_DELETE_HORIZON = 0x40,
};

enum batch_codec {
    BATCH_CODEC_NONE,
    BATCH_CODEC_GZIP,
    BATCH_CODEC_SNAPPY,
    BATCH_CODEC_LZ4,
    BATCH_CODEC_ZSTD,
    BATCH_CODECS, /* 5 to 7 do not exist. */
};

/* Values of "none" in headers. */
#define BATCH_NO_TIMESTAMP      ((int64_t)-1)
#define BATCH_NO_PRODUCER_ID    ((int64_t)-1)
#define BATCH_NO_PRODUCER_EPOCH ((int16_t)-1)
#define BATCH_NO_SEQUENCE       ((int32_t)-1)
#define BATCH_NO_LEADER_EPOCH   ((int32_t)-1)

struct batch_header {
    int64_t base_offset;
    uint32_t size_bytes; /* The whole batch, prefix included. */
    int32_t leader_epoch;
    uint32_t crc;
    int8_t magic;
    uint16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp_ms;
    int64_t max_timestamp_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

enum batch_status {
    BATCH_OK,
    BATCH_PARTIAL,    /* Fewer bytes than one batch; *header untouched. */
    BATCH_BAD_LENGTH, /* The length cannot be one of a batch. */
    BATCH_BAD_MAGIC,  /* Neither 0, 1 nor 2. */
    BATCH_OLD_MAGIC,  /* 0 or 1: known, never written, not read by this file. */
    BATCH_BAD_CRC,
};

/* Reads the header at the start of bytes, which may hold more than the batch.
 *
 * Checks only what it takes to find the batch's end: length, magic, and that size_bytes are there.
 * On BATCH_OLD_MAGIC only base_offset, size_bytes and magic are set.
 */
MUST_USE enum batch_status batch_parse(struct chain bytes, struct batch_header *header);

/* As batch_parse, of bytes in one piece that are to be one whole batch and nothing more. False:
 * they are not; batch_parse says what they are. */
MUST_USE bool batch_parse_alone(struct bytes bytes, struct batch_header *header);

/* As batch_parse, but needs no more than the 61 header bytes: for readers that walk a file by
 * headers. BATCH_OK does not say that the whole batch is there. */
MUST_USE enum batch_status batch_parse_header(struct chain bytes, struct batch_header *header);

/* BATCH_OK or BATCH_BAD_CRC. batch holds at least header->size_bytes. */
MUST_USE enum batch_status batch_check_crc(struct chain batch, const struct batch_header *header);

static inline enum batch_codec batch_codec(const struct batch_header *header)
{
    return (enum batch_codec)(header->attributes & BATCH_CODEC_MASK); /* May be BATCH_CODECS up. */
}

static inline bool batch_is_control(const struct batch_header *header)
{
    return (header->attributes & BATCH_CONTROL) != 0;
}

static inline bool batch_is_transactional(const struct batch_header *header)
{
    return (header->attributes & BATCH_TRANSACTIONAL) != 0;
}

static inline bool batch_is_log_append_time(const struct batch_header *header)
{
    return (header->attributes & BATCH_LOG_APPEND_TIME) != 0;
}

static inline bool batch_has_producer(const struct batch_header *header)
{
    return header->producer_id > BATCH_NO_PRODUCER_ID;
}

static inline int64_t batch_last_offset(const struct batch_header *header)
{
    return header->base_offset + header->last_offset_delta;
}

/* Sequences wrap from INT32_MAX to 0. count is at least 0. */
static inline int32_t batch_sequence_add(int32_t sequence, int32_t count)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)count) & INT32_MAX);
}

static inline int32_t batch_sequence_subtract(int32_t sequence, int32_t count)
{
    return (int32_t)(((uint32_t)sequence - (uint32_t)count) & INT32_MAX);
}

/* BATCH_NO_SEQUENCE when the batch has no sequence. */
static inline int32_t batch_last_sequence(const struct batch_header *header)
{
    return header->base_sequence == BATCH_NO_SEQUENCE
               ? BATCH_NO_SEQUENCE
               : batch_sequence_add(header->base_sequence, header->last_offset_delta);
}

/* What the owner writes into an accepted batch; both fields lie outside the CRC. batch points at a
 * whole header in one piece. */
static inline void batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
    store_be64(batch + BATCH_AT_BASE_OFFSET, (uint64_t)base_offset);
    store_be32(batch + BATCH_AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

/* Sets timestamp type and max timestamp and mends the CRC, which must have been right, without
 * reading the records. Clears the unused attribute bits as Kafka does (setMaxTimestamp). Returns
 * false and changes nothing when the batch already says so. batch is in one piece. */
bool batch_set_timestamps(uint8_t *batch, bool log_append_time, int64_t max_timestamp_ms);

/* Writes the 61 bytes of header; the CRC is header->crc. */
void batch_write_header(uint8_t *to, const struct batch_header *header);

/* Computes the CRC of a batch in one piece and stores it. */
void batch_seal(uint8_t *batch, uint32_t size_bytes);

/* Walks batches that lie one behind the other in one piece. On BATCH_OK *batch is a view of the
 * next batch, *header its header, and *rest what follows; on anything else *rest is untouched, and
 * at the clean end (rest empty) the status is BATCH_PARTIAL. */
MUST_USE enum batch_status batch_next(struct bytes *rest, struct batch_header *header,
                                      struct bytes *batch);

/* A short lower-case name for messages: "ok", "partial", ... and "none", "gzip", ... */
const char *batch_status_name(enum batch_status status);
const char *batch_codec_name(enum batch_codec codec);

#endif
