/* .snapshot files: the producers of a partition up to an offset (Kafka's ProducerSnapshot.json v1).
 *
 *   int16 version 1, uint32 CRC-32C of all that follows, int32 count, count times:
 *   int64 producer id, int16 epoch, int32 last sequence, int64 last offset, int32 offset delta,
 *   int64 timestamp, int32 coordinator epoch, int64 first offset of the open transaction (-1 none)
 *
 * Holds only the last batch of each producer. Pure; any thread.
 */
#ifndef STORAGE_LOG_PRODUCER_SNAPSHOT_H
#define STORAGE_LOG_PRODUCER_SNAPSHOT_H

#include "storage/base/bytes.h"

enum { PRODUCER_SNAPSHOT_HEADER_BYTES = 10, PRODUCER_SNAPSHOT_ENTRY_BYTES = 46 };

struct producer_snapshot_entry {
    int64_t producer_id;
    int16_t epoch;
    int32_t last_sequence; /* -1 when no batch is known. */
    int64_t last_offset;   /* -1 when no batch is known. */
    int32_t offset_delta;
    int64_t timestamp_ms;
    int32_t coordinator_epoch; /* -1 when no marker was seen. */
    int64_t txn_first_offset;  /* -1 when no transaction is open. */
};

/* Size of a snapshot of count producers. */
static inline size_t producer_snapshot_bytes(uint32_t count)
{
    return PRODUCER_SNAPSHOT_HEADER_BYTES + (size_t)count * PRODUCER_SNAPSHOT_ENTRY_BYTES;
}

/* Writes in three steps into memory of producer_snapshot_bytes(count): entries 0 to count - 1, then
 * the header. */
void producer_snapshot_write(uint8_t *to, uint32_t at, const struct producer_snapshot_entry *entry);
void producer_snapshot_seal(uint8_t *to, uint32_t count);

enum producer_snapshot_status {
    PRODUCER_SNAPSHOT_OK,
    PRODUCER_SNAPSHOT_CUT,     /* Shorter than it says, or bytes left over. */
    PRODUCER_SNAPSHOT_FOREIGN, /* Another version. */
    PRODUCER_SNAPSHOT_BAD_CRC,
};

/* Checks the whole file; then entries 0 to *count - 1 can be read. */
MUST_USE enum producer_snapshot_status producer_snapshot_check(struct bytes file, uint32_t *count);

/* The checksum in the header: names this very snapshot. */
uint32_t producer_snapshot_crc(const uint8_t *file);

struct producer_snapshot_entry producer_snapshot_read(struct bytes file, uint32_t at);

const char *producer_snapshot_status_name(enum producer_snapshot_status status);

#endif
