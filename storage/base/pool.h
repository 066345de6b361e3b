/* Pool of equal objects over memory given at start, with handles that notice reuse.
 *
 * Objects are named by index. A handle adds a generation, which changes each time the object is
 * freed: mail and completions carry handles, so that a late one finds nothing instead of a
 * stranger. Not thread-safe; one per core.
 */
#ifndef STORAGE_BASE_POOL_H
#define STORAGE_BASE_POOL_H

#include "storage/base/check.h"

enum { POOL_NONE = UINT32_MAX };

struct pool_slot {
    uint32_t generation; /* Odd while the object is taken. */
    uint32_t next_free;
};

struct pool {
    uint8_t *objects;        /* Borrowed; capacity objects of object_bytes each. */
    struct pool_slot *slots; /* Borrowed; capacity of them. */
    uint64_t inverse;        /* Of object_bytes: see pool_index. */
    uint32_t object_bytes;
    uint32_t capacity;
    uint32_t used;
    uint32_t used_max; /* The most that were ever taken at once. */
    uint32_t first_free;
    uint32_t shift;
};

struct pool_handle {
    uint32_t index;
    uint32_t generation; /* 0 in a handle of nothing. */
};

/* Bytes of memory pool_init needs; object_bytes is rounded up to 16. */
static inline size_t pool_memory_bytes(uint32_t object_bytes, uint32_t capacity)
{
    return (size_t)capacity * (round_up(object_bytes, 16) + sizeof(struct pool_slot));
}

/* The number that an odd one is to be multiplied with modulo 2^64 for 1. */
static inline uint64_t pool_inverse(uint64_t odd)
{
    uint64_t inverse = odd; /* Right in its last 3 bits, and in twice as many after each step. */
    for (uint32_t bits = 3; bits < 64; bits *= 2) {
        inverse *= 2 - odd * inverse;
    }
    return inverse;
}

/* memory holds pool_memory_bytes and is aligned to 16 (to 64 if the objects want cache lines). */
static inline void pool_init(struct pool *pool, void *memory, uint32_t object_bytes,
                             uint32_t capacity)
{
    const uint32_t rounded = (uint32_t)round_up(object_bytes, 16);
    ASSERT(rounded > 0);
    const uint32_t shift = (uint32_t)__builtin_ctz(rounded);
    *pool = (struct pool){
        .objects = memory,
        .slots = (struct pool_slot *)(void *)((uint8_t *)memory + (size_t)rounded * capacity),
        .inverse = pool_inverse(rounded >> shift),
        .object_bytes = rounded,
        .capacity = capacity,
        .shift = shift,
        .first_free = capacity == 0 ? (uint32_t)POOL_NONE : 0};
    for (uint32_t i = 0; i < capacity; i++) {
        pool->slots[i] = (struct pool_slot){0, i + 1 < capacity ? i + 1 : (uint32_t)POOL_NONE};
    }
}

static inline void *pool_at(const struct pool *pool, uint32_t index)
{
    ASSERT_HOT(index < pool->capacity);
    return pool->objects + (size_t)index * pool->object_bytes;
}

/* A free object, not cleared, or NULL when all are taken. */
HOT_INLINE void *pool_take(struct pool *pool)
{
    const uint32_t index = pool->first_free;
    if (index == (uint32_t)POOL_NONE) {
        return NULL;
    }
    struct pool_slot *slot = &pool->slots[index];
    pool->first_free = slot->next_free;
    slot->generation++;
    pool->used++;
    if (pool->used > pool->used_max) {
        pool->used_max = pool->used;
    }
    return pool_at(pool, index);
}

/* Without a division, which takes longer than all else that giving an object back does: where it
 * goes without a remainder, to multiply with the inverse of the odd factor modulo 2^64 is the same.
 * Any other distance comes to more than 2^64 / object_bytes, the bits that the rotation brings to
 * the top included: one comparison finds what is no object of the pool. */
HOT_INLINE uint32_t pool_index(const struct pool *pool, const void *object)
{
    const uint64_t distance = (uint64_t)((const uint8_t *)object - pool->objects);
    const uint64_t rotated = distance >> pool->shift | distance << (64 - pool->shift);
    const uint64_t index = rotated * pool->inverse;
    ASSERT_HOT(index < pool->capacity);
    return (uint32_t)index;
}

/* Gives an object back; every handle of it is stale from now on. */
HOT_INLINE void pool_give(struct pool *pool, void *object)
{
    const uint32_t index = pool_index(pool, object);
    struct pool_slot *slot = &pool->slots[index];
    ASSERT(slot->generation % 2 == 1); /* Twice given. */
    slot->generation++;
    slot->next_free = pool->first_free;
    pool->first_free = index;
    pool->used--;
}

static inline struct pool_handle pool_handle(const struct pool *pool, const void *object)
{
    const uint32_t index = pool_index(pool, object);
    return (struct pool_handle){index, pool->slots[index].generation};
}

/* The object of a handle, or NULL when it was given back since or the handle is nonsense. */
static inline void *pool_find(const struct pool *pool, struct pool_handle handle)
{
    if (handle.index >= pool->capacity || handle.generation % 2 == 0 ||
        pool->slots[handle.index].generation != handle.generation) {
        return NULL;
    }
    return pool_at(pool, handle.index);
}

#endif
