/* What the benchmarks send: a pool of ready batches whose bytes are known, so that every byte read
 * back can be compared. The base timestamp of a batch names its place in the pool. */
#ifndef TOOLS_BENCH_PAYLOAD_H
#define TOOLS_BENCH_PAYLOAD_H

#include "storage/base/bytes.h"

enum { PAYLOAD_BATCHES = 32 };

struct payload {
    struct bytes batches[PAYLOAD_BATCHES];
    int64_t timestamp_ms; /* Base timestamp of batch 0. */
    uint32_t records_per_batch;
    uint64_t value_bytes_per_batch;
};

/* batch_bytes 0: one record a batch. False for want of memory, or when not even one record fits. */
MUST_USE bool payload_create(struct payload *payload, uint64_t batch_bytes, uint64_t record_bytes,
                             uint64_t seed, int64_t now_ms);
void payload_destroy(struct payload *payload);

/* Compares a batch as a broker returned it with the one it must be: all but base offset and leader
 * epoch, which the broker stamps. */
MUST_USE bool payload_same(const struct payload *payload, struct bytes batch);

#endif
