/* A partition's own checkpoint: how far its files were checked and made durable (H13).
 *
 * The file millrace.checkpoint beside the segments; Kafka ignores it. 108 bytes, big-endian:
 *
 *   0 "MRCP"                      44 int64 largest timestamp of that segment
 *   4 uint16 version 2            52 int64 last offset of the batch it came with
 *   6 uint16 flags (1: sealed)    60 int64 first timestamp of that segment
 *   8 int64 log start offset      68 uint32 entries of its .index that are right
 *  16 int64 recovery offset       72 uint32 entries of its .timeindex that are right
 *  24 int64 base of its segment   76 uint32 bytes since the last .index entry
 *  32 uint32 position in it       80 int64 leader epoch at the recovery offset, -1 none
 *  36 int64 snapshot offset,      88 int64 data bytes before its segment
 *     -1 no producers             96 uint32 entries of its .txnindex that are right
 *                                100 uint64 XXH3 of the 100 bytes before
 *
 * Version 1 had no field at 96, and its hash there. Everything before the recovery offset was
 * durable when the file was written. Sealed: the log ended there, and every file is cut to its last
 * byte. A position of 2 GiB - 1: it says nothing but the log start. Pure; any thread.
 */
#ifndef STORAGE_LOG_SIDECAR_H
#define STORAGE_LOG_SIDECAR_H

#include "storage/base/bytes.h"

#define SIDECAR_FILE "millrace.checkpoint"

enum { SIDECAR_BYTES = 108 };

struct sidecar {
    bool sealed;
    int64_t log_start;
    int64_t recovery_offset;
    int64_t segment_base;
    uint32_t position;
    int64_t snapshot_offset;
    int64_t max_timestamp_ms;
    int64_t max_timestamp_offset;
    int64_t first_timestamp_ms;
    uint32_t index_entries;
    uint32_t time_entries;
    uint32_t index_bytes_since;
    int64_t leader_epoch;
    uint64_t bytes_before;
    uint32_t txn_entries;
};

enum { SIDECAR_POSITION_VOID = INT32_MAX };

/* Says where the log starts, and that all is to be read from the segment at base on. */
struct sidecar sidecar_blank(int64_t log_start, int64_t base);

void sidecar_write(const struct sidecar *sidecar, uint8_t to[SIDECAR_BYTES]);

/* False: not such a file, or damaged. */
MUST_USE bool sidecar_read(struct bytes file, struct sidecar *sidecar);

#endif
