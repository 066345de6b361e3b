/* Where each key was written last: the memory of one compaction (Kafka's SkimpyOffsetMap).
 *
 * A fixed table of 24-byte entries, a 128-bit hash of the key and an offset; keys themselves are
 * not kept. The hash is SipHash-2-4 under a secret key of 128 bits: two keys that meet would lose a
 * record, and who may write keys must not be able to look for such two. Pure; one thread at a time.
 */
#ifndef STORAGE_LOG_CLEAN_MAP_H
#define STORAGE_LOG_CLEAN_MAP_H

#include "storage/base/bytes.h"
#include "storage/base/siphash.h"

enum {
    CLEAN_MAP_ENTRY_BYTES = 24,
    CLEAN_MAP_TOGETHER = 16, /* So many keys at once are enough: a CPU waits for no more lines. */
};

struct clean_map {
    uint8_t *entries; /* Borrowed. */
    uint32_t slots;
    uint32_t used;
    uint32_t used_max;
    struct siphash_key key;
    int64_t end; /* Every record before this offset was taken in; -1: none yet. */
};

/* memory: bytes of zeros, at least two entries; borrowed while the map is used. It is full when so
 * much of it is used; one entry always stays free. */
void clean_map_init(struct clean_map *map, void *memory, uint64_t bytes, uint32_t load_percent,
                    const struct siphash_key *key);

/* A key as the map knows it. */
struct clean_key {
    uint64_t hash[2];
};

/* Begins to fetch the key's entry from memory. Entries lie all over it, so whoever has several keys
 * names all before the first is looked up: they are waited for together. */
struct clean_key clean_map_key(const struct clean_map *map, struct bytes key);

/* Offsets come in growing order. False: the map is full, and the key is not in it. */
MUST_USE bool clean_map_put(struct clean_map *map, const struct clean_key *key, int64_t offset);

/* The last offset put for the key, -1 none. */
int64_t clean_map_get(const struct clean_map *map, const struct clean_key *key);

/* The last offset put for the key in this slot, -1 none. */
int64_t clean_map_at(const struct clean_map *map, uint32_t slot);

#endif
