/* Stock of equal objects over memory given at start, for those that are only ever reached by their
 * address: they have neither index nor handle (pool.h has both). A free object holds the next free
 * one in its first word, so that to take or give one touches nothing else.
 *
 * Its second word then says whose it is; in a taken object that word is never the stock's address,
 * which is how an object given twice is noticed: whoever takes one writes it. Not thread-safe; one
 * per core.
 */
#ifndef STORAGE_BASE_STOCK_H
#define STORAGE_BASE_STOCK_H

#include "storage/base/check.h"

enum { STOCK_TOUCHED_AT_ONCE = 32 };

struct stock;

struct stock_free {
    struct stock_free *next;
    const struct stock *of;
};

struct stock {
    struct stock_free *first; /* Free ones that were touched before; NULL: none is. */
    uint8_t *untouched;       /* Those behind: memory that nobody needs stays untouched. */
    uint32_t untouched_count;
    uint32_t object_bytes;
    uint32_t capacity;
    uint32_t used;
};

/* Bytes of memory stock_init needs; object_bytes is rounded up to 16. */
static inline size_t stock_memory_bytes(uint32_t object_bytes, uint32_t capacity)
{
    return (size_t)capacity * round_up(object_bytes, 16);
}

/* memory holds stock_memory_bytes and is aligned to 16. It and the stock stay where they are. */
static inline void stock_init(struct stock *stock, void *memory, uint32_t object_bytes,
                              uint32_t capacity)
{
    ASSERT(object_bytes > 0);
    *stock = (struct stock){.untouched = memory,
                            .untouched_count = capacity,
                            .object_bytes = (uint32_t)round_up(object_bytes, 16),
                            .capacity = capacity};
}

/* Touches some more, in the order of their addresses. */
NOINLINE static void stock_touch(struct stock *stock)
{
    uint8_t *at = stock->untouched;
    struct stock_free **link = &stock->first;
    const uint32_t count = min_u32(stock->untouched_count, STOCK_TOUCHED_AT_ONCE);
    ASSERT(stock->first == NULL);
    for (uint32_t i = 0; i < count; i++, at += stock->object_bytes) {
        struct stock_free *object = (void *)at;
        *object = (struct stock_free){NULL, stock};
        *link = object;
        link = &object->next;
    }
    stock->untouched = at;
    stock->untouched_count -= count;
}

/* A free object, not cleared, or NULL when all are taken. */
HOT_INLINE void *stock_take(struct stock *stock)
{
    if (UNLIKELY(stock->first == NULL)) {
        stock_touch(stock);
    }
    struct stock_free *object = stock->first;
    if (object != NULL) {
        stock->first = object->next;
        stock->used++;
    }
    return object;
}

/* Several at once are the first ones in a row: from stock_first by the word that links them, up to
 * `last`, which is the count-th. The row may end before all are taken: stock_take goes on. */
HOT_INLINE void *stock_first(const struct stock *stock)
{
    return stock->first;
}

HOT_INLINE void stock_take_row(struct stock *stock, void *last, uint32_t count)
{
    ASSERT_HOT(count <= stock->capacity - stock->used);
    stock->first = ((struct stock_free *)last)->next;
    stock->used += count;
}

HOT_INLINE void stock_give(struct stock *stock, void *object)
{
    struct stock_free *given = object;
    ASSERT(given->of != stock); /* Twice given. */
    *given = (struct stock_free){stock->first, stock};
    stock->first = given;
    stock->used--;
}

#endif
