/* Leader epochs of a partition and where each begins (Kafka's LeaderEpochFileCache.java, KIP-101).
 *
 * Epochs and start offsets strictly grow. A few entries lie inside; a partition with more borrows
 * one block from its core's pool. When even that is full, or the pool is empty, the oldest entry is
 * dropped: a question about an epoch older than all known ones is answered as after retention.
 * The caller writes leader-epoch-checkpoint when a function says that something changed.
 * Not thread-safe; one pool per core.
 */
#ifndef STORAGE_LOG_EPOCH_CACHE_H
#define STORAGE_LOG_EPOCH_CACHE_H

#include "storage/base/pool.h"
#include "storage/log/checkpoint_files.h"

enum {
    EPOCH_CACHE_INSIDE = 2,
    EPOCH_CACHE_BLOCK = 64, /* 1 KiB. */
};

/* "Unknown" in OffsetForLeaderEpoch answers. */
#define EPOCH_UNDEFINED        ((int32_t)-1)
#define EPOCH_UNDEFINED_OFFSET ((int64_t)-1)

struct epoch_block {
    struct checkpoint_epoch entries[EPOCH_CACHE_BLOCK];
};

struct epoch_cache {
    struct pool *blocks;       /* Of struct epoch_block; shared by the partitions of a core. */
    struct epoch_block *block; /* Taken from blocks, or NULL. */
    uint32_t count;
    uint32_t dropped; /* Entries dropped for want of room. */
    struct checkpoint_epoch inside[EPOCH_CACHE_INSIDE];
};

void epoch_cache_init(struct epoch_cache *cache, struct pool *blocks);

/* Forgets everything and gives the block back. */
void epoch_cache_clear(struct epoch_cache *cache);

/* Epoch begins at start_offset; both at least 0. Entries that contradict it are dropped. Returns
 * true when the cache changed. */
bool epoch_cache_assign(struct epoch_cache *cache, int32_t epoch, int64_t start_offset);

/* The newest epoch, or EPOCH_UNDEFINED. */
int32_t epoch_cache_latest(const struct epoch_cache *cache);

/* Answers OffsetForLeaderEpoch: the largest epoch at most `epoch` and where it ends. The newest
 * epoch ends at log_end_offset; an unknown larger one gives {-1, -1}; one below all known ones
 * gives {epoch, first known start}. */
struct epoch_end {
    int32_t epoch;
    int64_t end_offset;
};
struct epoch_end epoch_cache_end_offset_for(const struct epoch_cache *cache, int32_t epoch,
                                            int64_t log_end_offset);

/* The log now ends at end_offset: drops entries that start there or behind. True when changed. */
bool epoch_cache_truncate_end(struct epoch_cache *cache, int64_t end_offset);

/* The log now starts at start_offset: drops older entries; the one in force there then starts
 * there. True when changed. */
bool epoch_cache_truncate_start(struct epoch_cache *cache, int64_t start_offset);

/* Entries in order, for the checkpoint file. */
static inline const struct checkpoint_epoch *epoch_cache_entries(const struct epoch_cache *cache)
{
    return cache->block != NULL ? cache->block->entries : cache->inside;
}

#endif
