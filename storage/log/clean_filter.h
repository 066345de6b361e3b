/* What stays of one batch when its partition is compacted (Kafka's Cleaner and
 * MemoryRecords.filterTo; KIP-534 for the delete horizon).
 *
 * Of each key the last record stays. A tombstone stays until the horizon that its batch is given
 * when a compaction first meets it; a batch's horizon takes the place of its base timestamp. A
 * batch keeps its offsets, its producer and its sequences, also when records of it are gone; where
 * the producer's state or the log's offsets hang on it, it stays though nothing is left in it.
 *
 * Allocates; not for a core. One thread at a time.
 */
#ifndef STORAGE_LOG_CLEAN_FILTER_H
#define STORAGE_LOG_CLEAN_FILTER_H

#include "storage/log/clean_map.h"
#include "storage/log/clean_txns.h"
#include "storage/record/compress.h"

/* A producer that is remembered, and where it stands. */
struct clean_producer {
    int64_t producer_id;
    int64_t last_data_offset; /* -1: only a marker is known. */
    int16_t epoch;
};

struct clean_memory {
    uint8_t *at;
    uint32_t len;
    uint32_t capacity;
};

/* At least bytes of it, growing by doubling. False: no memory, it is as it was. */
MUST_USE bool clean_memory_reserve(struct clean_memory *memory, uint64_t bytes);

struct clean_filter {
    /* In; borrowed. */
    const struct clean_map *map;
    struct clean_txns *txns;
    struct inflate *inflate;
    const struct clean_producer *producers; /* By id. */
    uint32_t producer_count;
    uint32_t inflated_bytes_max;
    int64_t now_ms;
    int64_t delete_retention_ms;
    /* Its own. */
    struct clean_memory plain;  /* Records of the batch. */
    struct clean_memory kept;   /* A header, and those that stay. */
    struct clean_memory packed; /* The same compressed. */
    struct clean_memory stays;  /* Does it stay? Of each record, a byte. */
    /* Out, summed up. */
    uint64_t records_read;
    uint64_t records_kept;
    uint64_t tombstones_dropped;
};

enum clean_result {
    CLEAN_KEPT,    /* As it is. */
    CLEAN_CHANGED, /* *out stays in its place: a view, until the next batch. */
    CLEAN_DROPPED,
    CLEAN_BAD, /* Not a batch that can be read. */
    CLEAN_NO_MEMORY,
};

/* Of a batch whose CRC is right. keep_place: it stays even if empty. */
MUST_USE enum clean_result clean_filter_batch(struct clean_filter *filter, struct bytes batch,
                                              const struct batch_header *header, bool keep_place,
                                              struct bytes *out);

/* First pass: takes the batch's keys from offset `from` on into map. CLEAN_DROPPED: the map is full
 * and does not hold all of them; CLEAN_KEPT: it does. */
MUST_USE enum clean_result clean_filter_map(struct clean_filter *filter, struct clean_map *map,
                                            struct bytes batch, const struct batch_header *header,
                                            int64_t from);

/* The second pass must meet it whatever its keys: what a transaction or a producer's state hangs
 * on. */
bool clean_filter_needs(const struct clean_filter *filter, const struct batch_header *header);

void clean_filter_free(struct clean_filter *filter);

#endif
