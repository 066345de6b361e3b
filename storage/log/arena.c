#include "storage/log/arena.h"

#include <stdlib.h>

enum { MIB_SHIFT = 20 };

static uint32_t bucket_of(const struct arena *arena, const struct file_extents *file,
                          uint64_t offset)
{
    uint64_t key = (uint64_t)(uintptr_t)file / 16 + (offset >> MIB_SHIFT);
    key *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(key >> 32) & arena->bucket_mask;
}

static uint32_t page_of(const struct arena *arena, const struct extent *extent)
{
    return (uint32_t)(extent - arena->extents);
}

static void free_push(struct arena *arena, struct extent *extent, uint8_t order)
{
    extent->state = EXTENT_FREE;
    extent->order = order;
    list_push_front(&arena->free[order], &extent->node);
}

bool arena_init(struct arena *arena, uint8_t *memory, uint64_t bytes)
{
    ASSERT(bytes % ARENA_PAGE_BYTES == 0 && bytes / ARENA_PAGE_BYTES < UINT32_MAX);
    *arena = (struct arena){.memory = memory, .page_count = (uint32_t)(bytes / ARENA_PAGE_BYTES)};
    uint32_t buckets = 64;
    while (buckets < arena->page_count / 4) {
        buckets *= 2;
    }
    arena->bucket_mask = buckets - 1;
    arena->extents = calloc(arena->page_count, sizeof(*arena->extents));
    arena->buckets = calloc(buckets, sizeof(struct extent *));
    if (arena->extents == NULL || arena->buckets == NULL) {
        arena_finish(arena);
        return false;
    }
    for (uint32_t order = 0; order < ARENA_ORDERS; order++) {
        list_init(&arena->free[order]);
    }
    list_init(&arena->cache);
    for (uint32_t page = arena->page_count; page > 0;) { /* From the end: low pages go first. */
        uint8_t order = ARENA_ORDERS - 1;
        while ((page & ((1u << order) - 1)) != 0) {
            order--;
        }
        page -= 1u << order;
        free_push(arena, &arena->extents[page], order);
    }
    arena->free_bytes = bytes;
    return true;
}

void arena_finish(struct arena *arena)
{
    free(arena->extents);
    free(arena->buckets);
    arena->extents = NULL;
    arena->buckets = NULL;
}

void file_extents_init(struct file_extents *file)
{
    list_init(&file->extents);
    file->furthest = NULL;
}

/* Joins a free block with its buddy as long as that is free too. */
static void give_back(struct arena *arena, struct extent *extent)
{
    uint32_t page = page_of(arena, extent);
    uint8_t order = extent->order;
    arena->free_bytes += extent_capacity(extent);
    while (order + 1 < ARENA_ORDERS) {
        const uint32_t buddy_page = page ^ (1u << order);
        struct extent *buddy = &arena->extents[buddy_page];
        if (buddy_page + (1u << order) > arena->page_count || buddy->state != EXTENT_FREE ||
            buddy->order != order) {
            break;
        }
        list_remove(&buddy->node);
        arena->extents[max_u64(page, buddy_page)].state = EXTENT_INSIDE;
        page = (uint32_t)min_u64(page, buddy_page);
        order++;
    }
    free_push(arena, &arena->extents[page], order);
}

static void cache_remove(struct arena *arena, struct extent *extent)
{
    list_remove(&extent->node);
    arena->cache_bytes -= extent_capacity(extent);
}

/* Takes a block of exactly that order from the free lists, splitting larger ones. */
static struct extent *split_free(struct arena *arena, uint8_t order)
{
    uint8_t from = order;
    while (from < ARENA_ORDERS && list_empty(&arena->free[from])) {
        from++;
    }
    if (from == ARENA_ORDERS) {
        return NULL;
    }
    struct extent *extent = CONTAINER_OF(list_pop_front(&arena->free[from]), struct extent, node);
    const uint32_t page = page_of(arena, extent);
    while (from > order) {
        from--;
        free_push(arena, &arena->extents[page + (1u << from)], from);
    }
    extent->order = order;
    return extent;
}

static void evict(struct arena *arena, struct extent *extent)
{
    arena_unmap(arena, extent); /* Unpinned: frees it. */
}

struct extent *arena_take(struct arena *arena, uint32_t bytes_wanted, uint32_t bytes_min)
{
    enum { EVICTIONS_MAX = 64 }; /* A turn's worth; then a smaller extent has to do. */
    uint8_t order = 0;
    uint8_t order_min = 0;
    while (((uint32_t)ARENA_PAGE_BYTES << order) < bytes_wanted && order + 1 < ARENA_ORDERS) {
        order++;
    }
    while (((uint32_t)ARENA_PAGE_BYTES << order_min) < bytes_min && order_min + 1 < ARENA_ORDERS) {
        order_min++;
    }
    struct extent *extent = split_free(arena, order);
    for (uint32_t i = 0; extent == NULL && i < EVICTIONS_MAX; i++) {
        struct list_node *oldest = list_first(&arena->cache);
        if (oldest == NULL) {
            break;
        }
        evict(arena, CONTAINER_OF(oldest, struct extent, node));
        extent = split_free(arena, order);
    }
    while (extent == NULL && order > order_min) {
        extent = split_free(arena, --order);
    }
    while (extent == NULL) {
        struct list_node *oldest = list_first(&arena->cache);
        if (oldest == NULL) {
            return NULL;
        }
        evict(arena, CONTAINER_OF(oldest, struct extent, node));
        extent = split_free(arena, order);
    }
    const uint8_t taken_order = extent->order;
    *extent = (struct extent){.order = taken_order, .state = EXTENT_TAKEN, .pins = 1};
    list_init(&extent->waiters);
    arena->free_bytes -= extent_capacity(extent);
    return extent;
}

void arena_map(struct arena *arena, struct extent *extent, struct file_extents *file,
               uint64_t offset, uint32_t len, enum extent_state state)
{
    ASSERT_HOT(extent->state == EXTENT_TAKEN && extent->pins > 0);
    ASSERT_HOT(len > 0 && len <= extent_capacity(extent) && offset % ARENA_PAGE_BYTES == 0 &&
               len % ARENA_PAGE_BYTES == 0);
    ASSERT_HOT(offset >> MIB_SHIFT == (offset + len - 1) >> MIB_SHIFT);
    ASSERT_HOT(arena_gap(arena, file, offset, len) == len);
    extent->file = file;
    extent->offset = offset;
    extent->len = len;
    extent->state = (uint8_t)state;
    struct extent **bucket = &arena->buckets[bucket_of(arena, file, offset)];
    extent->bucket_next = *bucket;
    *bucket = extent;
    list_push_back(&file->extents, &extent->file_node);
    if (file->furthest == NULL || file->furthest->offset < offset) {
        file->furthest = extent;
    }
}

struct extent *arena_look_up(const struct arena *arena, const struct file_extents *file,
                             uint64_t offset)
{
    struct extent *extent = arena->buckets[bucket_of(arena, file, offset)];
    while (extent != NULL &&
           (extent->file != file || offset < extent->offset || offset >= extent_end(extent))) {
        extent = extent->bucket_next;
    }
    return extent;
}

uint32_t arena_gap(const struct arena *arena, const struct file_extents *file, uint64_t offset,
                   uint32_t bytes)
{
    const struct extent *extent = arena->buckets[bucket_of(arena, file, offset)];
    for (; extent != NULL; extent = extent->bucket_next) {
        if (extent->file != file || extent_end(extent) <= offset) {
            continue;
        }
        bytes = extent->offset <= offset ? 0 : (uint32_t)min_u64(bytes, extent->offset - offset);
    }
    return bytes;
}

void arena_pin(struct arena *arena, struct extent *extent)
{
    if (extent->pins++ == 0) {
        cache_remove(arena, extent);
    }
}

void arena_unpin(struct arena *arena, struct extent *extent)
{
    ASSERT(extent->pins > 0);
    extent->pins--;
    if (extent->pins > 0) {
        return;
    }
    if (extent->file == NULL) {
        give_back(arena, extent);
        return;
    }
    list_push_back(&arena->cache, &extent->node);
    arena->cache_bytes += extent_capacity(extent);
}

void arena_hold(struct arena *arena, struct extent *extent)
{
    if (extent->holds++ == 0) {
        arena->held_bytes += extent_capacity(extent);
    }
    arena_pin(arena, extent);
}

void arena_release(struct arena *arena, struct extent *extent)
{
    ASSERT(extent->holds > 0);
    if (--extent->holds == 0) {
        arena->held_bytes -= extent_capacity(extent);
    }
    arena_unpin(arena, extent);
}

void arena_unmap(struct arena *arena, struct extent *extent)
{
    ASSERT(extent->file != NULL);
    struct extent **link = &arena->buckets[bucket_of(arena, extent->file, extent->offset)];
    while (*link != extent) {
        link = &(*link)->bucket_next;
    }
    *link = extent->bucket_next;
    list_remove(&extent->file_node);
    if (extent->file->furthest == extent) {
        extent->file->furthest = NULL;
    }
    extent->file = NULL;
    extent->bucket_next = NULL;
    extent->state = EXTENT_TAKEN;
    if (extent->dirty) {
        extent->dirty = false;
        ASSERT(extent->pins > 0);
        extent->pins--;
        if (extent->pins == 0) {
            give_back(arena, extent);
        }
    } else if (extent->pins == 0) {
        cache_remove(arena, extent);
        give_back(arena, extent);
    }
}

void arena_forget(struct arena *arena, struct file_extents *file)
{
    LIST_FOR_EACH(node, &file->extents)
    {
        arena_unmap(arena, CONTAINER_OF(node, struct extent, file_node));
    }
}

void arena_evict_file(struct arena *arena, struct file_extents *file)
{
    LIST_FOR_EACH(node, &file->extents)
    {
        struct extent *extent = CONTAINER_OF(node, struct extent, file_node);
        if (extent->pins == 0) {
            evict(arena, extent);
        }
    }
}

static bool page_invariants(const struct arena *arena, const struct extent *extent)
{
    if (extent->state == EXTENT_FREE) {
        return extent->file == NULL && list_linked(&extent->node);
    }
    if (extent->state == EXTENT_TAKEN) {
        return extent->file == NULL && extent->pins > 0 && extent->holds <= extent->pins;
    }
    return extent->state != EXTENT_INSIDE && extent->file != NULL &&
           extent->holds <= extent->pins && extent->used <= extent->len &&
           extent->len <= extent_capacity(extent) &&
           (extent->pins == 0) == list_linked(&extent->node) &&
           arena_look_up(arena, extent->file, extent->offset) == extent &&
           arena_find(arena, extent->file, extent->offset) == extent;
}

bool arena_invariants(const struct arena *arena)
{
    uint64_t free_bytes = 0;
    uint64_t cache_bytes = 0;
    uint64_t held_bytes = 0;
    for (uint32_t page = 0; page < arena->page_count;) {
        const struct extent *extent = &arena->extents[page];
        if (!page_invariants(arena, extent)) {
            return false;
        }
        const uint32_t bytes = extent_capacity(extent);
        free_bytes += extent->state == EXTENT_FREE ? bytes : 0;
        cache_bytes += extent->file != NULL && extent->pins == 0 ? bytes : 0;
        held_bytes += extent->state != EXTENT_FREE && extent->holds > 0 ? bytes : 0;
        page += bytes / ARENA_PAGE_BYTES;
    }
    return free_bytes == arena->free_bytes && cache_bytes == arena->cache_bytes &&
           held_bytes == arena->held_bytes;
}
