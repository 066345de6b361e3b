#include "storage/log/epoch_cache.h"

void epoch_cache_init(struct epoch_cache *cache, struct pool *blocks)
{
    *cache = (struct epoch_cache){.blocks = blocks};
}

static struct checkpoint_epoch *entries_of(struct epoch_cache *cache)
{
    return cache->block != NULL ? cache->block->entries : cache->inside;
}

/* Keeps only the entries from `first` on, `count` of them. */
static void keep(struct epoch_cache *cache, uint32_t first, uint32_t count)
{
    struct checkpoint_epoch *entries = entries_of(cache);
    memmove(entries, entries + first, count * sizeof(*entries));
    cache->count = count;
    if (cache->block != NULL && count <= EPOCH_CACHE_INSIDE) {
        memcpy(cache->inside, entries, count * sizeof(*entries));
        pool_give(cache->blocks, cache->block);
        cache->block = NULL;
    }
}

void epoch_cache_clear(struct epoch_cache *cache)
{
    keep(cache, 0, 0);
}

/* Makes sure that one more entry fits, if need be by dropping the oldest. */
static void make_room(struct epoch_cache *cache)
{
    if (cache->block == NULL && cache->count == EPOCH_CACHE_INSIDE) {
        struct epoch_block *block = pool_take(cache->blocks);
        if (block != NULL) {
            memcpy(block->entries, cache->inside, sizeof(cache->inside));
            cache->block = block;
            return;
        }
    }
    const uint32_t capacity = cache->block != NULL ? EPOCH_CACHE_BLOCK : EPOCH_CACHE_INSIDE;
    if (cache->count == capacity) {
        keep(cache, 1, cache->count - 1);
        cache->dropped++;
    }
}

bool epoch_cache_assign(struct epoch_cache *cache, int32_t epoch, int64_t start_offset)
{
    ASSERT(epoch >= 0 && start_offset >= 0);
    const struct checkpoint_epoch *entries = entries_of(cache);
    uint32_t count = cache->count;
    if (count > 0 && entries[count - 1].epoch == epoch &&
        entries[count - 1].start_offset <= start_offset) {
        return false;
    }
    while (count > 0 &&
           (entries[count - 1].epoch >= epoch || entries[count - 1].start_offset >= start_offset)) {
        count--;
    }
    keep(cache, 0, count);
    make_room(cache);
    entries_of(cache)[cache->count++] = (struct checkpoint_epoch){epoch, start_offset};
    return true;
}

int32_t epoch_cache_latest(const struct epoch_cache *cache)
{
    return cache->count == 0 ? EPOCH_UNDEFINED : epoch_cache_entries(cache)[cache->count - 1].epoch;
}

struct epoch_end epoch_cache_end_offset_for(const struct epoch_cache *cache, int32_t epoch,
                                            int64_t log_end_offset)
{
    const struct checkpoint_epoch *entries = epoch_cache_entries(cache);
    if (epoch == EPOCH_UNDEFINED) {
        return (struct epoch_end){EPOCH_UNDEFINED, EPOCH_UNDEFINED_OFFSET};
    }
    if (epoch == epoch_cache_latest(cache)) {
        return (struct epoch_end){epoch, log_end_offset};
    }
    uint32_t higher = 0;
    while (higher < cache->count && entries[higher].epoch <= epoch) {
        higher++;
    }
    if (higher == cache->count) {
        return (struct epoch_end){EPOCH_UNDEFINED, EPOCH_UNDEFINED_OFFSET};
    }
    return (struct epoch_end){higher == 0 ? epoch : entries[higher - 1].epoch,
                              entries[higher].start_offset};
}

bool epoch_cache_truncate_end(struct epoch_cache *cache, int64_t end_offset)
{
    const struct checkpoint_epoch *entries = entries_of(cache);
    uint32_t count = cache->count;
    while (count > 0 && entries[count - 1].start_offset >= end_offset) {
        count--;
    }
    const bool changed = count < cache->count;
    if (changed) {
        keep(cache, 0, count);
    }
    return changed;
}

bool epoch_cache_truncate_start(struct epoch_cache *cache, int64_t start_offset)
{
    const struct checkpoint_epoch *entries = entries_of(cache);
    uint32_t older = 0;
    while (older < cache->count && entries[older].start_offset <= start_offset) {
        older++;
    }
    if (older == 0 || (older == 1 && entries[0].start_offset == start_offset)) {
        return false;
    }
    keep(cache, older - 1, cache->count - older + 1);
    entries_of(cache)[0].start_offset = start_offset;
    return true;
}
