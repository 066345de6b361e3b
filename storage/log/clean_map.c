#include "storage/log/clean_map.h"

struct entry {
    uint64_t hash[2];
    int64_t offset_plus_one; /* 0: free. */
};

_Static_assert(sizeof(struct entry) == CLEAN_MAP_ENTRY_BYTES, "entries lie close");

void clean_map_init(struct clean_map *map, void *memory, uint64_t bytes, uint32_t load_percent,
                    const struct siphash_key *key)
{
    const uint64_t slots = min_u64(bytes / CLEAN_MAP_ENTRY_BYTES, UINT32_MAX);
    ASSERT(slots >= 2);
    *map = (struct clean_map){.entries = memory, .slots = (uint32_t)slots, .end = -1};
    map->used_max = (uint32_t)min_u64(max_u64(slots * load_percent / 100, 1), slots - 1);
    map->key = *key;
}

static uint32_t slot_of(const struct clean_map *map, const struct clean_key *key)
{
    return (uint32_t)(((key->hash[0] >> 32) * map->slots) >> 32);
}

struct clean_key clean_map_key(const struct clean_map *map, struct bytes key)
{
    struct clean_key known;
    siphash_128(&map->key, key.ptr, key.len, known.hash);
    __builtin_prefetch(map->entries + (size_t)slot_of(map, &known) * CLEAN_MAP_ENTRY_BYTES);
    return known;
}

/* The key's entry, or the free one where it would be. There always is a free one. */
static struct entry *find(const struct clean_map *map, const struct clean_key *key)
{
    struct entry *entries = (struct entry *)(void *)map->entries;
    uint32_t at = slot_of(map, key);
    while (entries[at].offset_plus_one != 0 &&
           (entries[at].hash[0] != key->hash[0] || entries[at].hash[1] != key->hash[1])) {
        at = at + 1 == map->slots ? 0 : at + 1;
    }
    return &entries[at];
}

bool clean_map_put(struct clean_map *map, const struct clean_key *key, int64_t offset)
{
    struct entry *entry = find(map, key);
    if (entry->offset_plus_one == 0) {
        if (map->used == map->used_max) {
            return false;
        }
        map->used++;
        memcpy(entry->hash, key->hash, sizeof(key->hash));
    }
    entry->offset_plus_one = offset + 1;
    return true;
}

int64_t clean_map_get(const struct clean_map *map, const struct clean_key *key)
{
    return find(map, key)->offset_plus_one - 1;
}

int64_t clean_map_at(const struct clean_map *map, uint32_t slot)
{
    const struct entry *entries = (const struct entry *)(const void *)map->entries;
    return entries[slot].offset_plus_one - 1;
}
