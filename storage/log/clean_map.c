#include "storage/log/clean_map.h"

struct entry {
    uint64_t hash[2];
    int64_t offset_plus_one; /* 0: free. */
};

_Static_assert(sizeof(struct entry) == CLEAN_MAP_ENTRY_BYTES, "entries lie close");

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static inline uint64_t load_le(const uint8_t *from, uint32_t len)
{
    uint64_t word = 0;
    for (uint32_t i = 0; i < len; i++) {
        word |= (uint64_t)from[i] << (8 * i);
    }
    return word;
}

static inline void take_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

static uint64_t finish(uint64_t v[4])
{
    for (int i = 0; i < 4; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void clean_map_hash(const uint64_t key[2], struct bytes from, uint64_t hash[2])
{
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    v[1] ^= 0xee;
    const uint32_t whole = from.len & ~7u;
    for (uint32_t at = 0; at < whole; at += 8) {
        take_word(v, load_le(from.ptr + at, 8));
    }
    const uint64_t rest = from.len > whole ? load_le(from.ptr + whole, from.len & 7) : 0;
    take_word(v, rest | (uint64_t)(from.len & 0xff) << 56);
    v[2] ^= 0xee;
    hash[0] = finish(v);
    v[1] ^= 0xdd;
    hash[1] = finish(v);
}

void clean_map_init(struct clean_map *map, void *memory, uint64_t bytes, uint32_t load_percent,
                    const uint64_t key[2])
{
    const uint64_t slots = min_u64(bytes / CLEAN_MAP_ENTRY_BYTES, UINT32_MAX);
    ASSERT(slots >= 2);
    *map = (struct clean_map){.entries = memory, .slots = (uint32_t)slots, .end = -1};
    map->used_max = (uint32_t)min_u64(max_u64(slots * load_percent / 100, 1), slots - 1);
    memcpy(map->key, key, sizeof(map->key));
}

/* The key's entry, or the free one where it would be. There always is a free one. */
static struct entry *find(const struct clean_map *map, struct bytes key, uint64_t hash[2])
{
    struct entry *entries = (struct entry *)(void *)map->entries;
    clean_map_hash(map->key, key, hash);
    uint32_t at = (uint32_t)(((hash[0] >> 32) * map->slots) >> 32);
    while (entries[at].offset_plus_one != 0 &&
           (entries[at].hash[0] != hash[0] || entries[at].hash[1] != hash[1])) {
        at = at + 1 == map->slots ? 0 : at + 1;
    }
    return &entries[at];
}

bool clean_map_put(struct clean_map *map, struct bytes key, int64_t offset)
{
    uint64_t hash[2];
    struct entry *entry = find(map, key, hash);
    if (entry->offset_plus_one == 0) {
        if (map->used == map->used_max) {
            return false;
        }
        map->used++;
        memcpy(entry->hash, hash, sizeof(hash));
    }
    entry->offset_plus_one = offset + 1;
    return true;
}

int64_t clean_map_get(const struct clean_map *map, struct bytes key)
{
    uint64_t hash[2];
    return find(map, key, hash)->offset_plus_one - 1;
}
