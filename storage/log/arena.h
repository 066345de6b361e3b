/* The memory of a core's log: extents of 4 KiB to 1 MiB that hold ranges of segment files.
 *
 * A buddy allocator over the core's registered memory, and a map from (file, position) to the
 * extent that holds it. What is not pinned is cache: the extent unused for longest makes room.
 * Pins: bytes not yet on the device, disk operations, bytes lent to the network.
 *
 * An extent never crosses a 1 MiB boundary of its file, and extents of one file never overlap, so
 * every range has at most one home and one hash bucket.
 *
 * Not thread-safe; one per core. No allocation after arena_init.
 */
#ifndef STORAGE_LOG_ARENA_H
#define STORAGE_LOG_ARENA_H

#include "storage/base/bytes.h"
#include "storage/base/list.h"

enum {
    ARENA_PAGE_BYTES = 4096,
    ARENA_ORDERS = 9, /* 4 KiB << 0 to 4 KiB << 8. */
    ARENA_EXTENT_BYTES_MAX = ARENA_PAGE_BYTES << (ARENA_ORDERS - 1),
};

enum extent_state {
    EXTENT_INSIDE,  /* Not the first page of anything. */
    EXTENT_FREE,    /* In the free list of its order. */
    EXTENT_TAKEN,   /* Has an owner but no place in a file. */
    EXTENT_LOADING, /* Mapped; a disk read fills it. */
    EXTENT_VALID,   /* Mapped; its first used bytes are the file's. */
};

/* The extents of one file; embedded in whatever stands for the file. */
struct file_extents {
    struct list extents;
    struct extent *furthest; /* Of those there, as far as it is known: where a log grows. */
};

struct extent {
    struct list_node node;      /* Of the free list or the cache order. */
    struct list_node file_node; /* Of file->extents. */
    struct list waiters;        /* Reads waiting for EXTENT_LOADING; the arena's user's. */
    struct extent *bucket_next;
    struct file_extents *file; /* NULL: not mapped. */
    uint64_t offset;           /* In the file; multiple of 4 KiB. */
    uint32_t len;              /* Bytes of the file it stands for; multiple of 4 KiB. */
    uint32_t used;             /* Valid bytes from its start. */
    uint32_t zeros_to;         /* From used to here, if it is more, lie zeros: the log's user's. */
    uint32_t pins;
    uint32_t holds; /* Those of the pins that are lent to the network. */
    uint8_t order;
    uint8_t state;  /* enum extent_state */
    bool dirty;     /* Holds one pin: bytes the device does not have. */
    bool read_once; /* Loaded by a reader, not yet used a second time. */
};

struct arena {
    uint8_t *memory;        /* Borrowed. */
    struct extent *extents; /* One per page; those of first pages are in use. */
    struct extent **buckets;
    struct list free[ARENA_ORDERS];
    struct list cache; /* Mapped and unpinned, unused for longest first. */
    uint32_t page_count;
    uint32_t bucket_mask;
    uint64_t free_bytes;
    uint64_t cache_bytes;
    uint64_t held_bytes; /* Extents with holds. */
};

/* memory: bytes (whole pages) of the disk's memory, borrowed for good. False: no memory for the
 * extents' own fields. */
MUST_USE bool arena_init(struct arena *arena, uint8_t *memory, uint64_t bytes);
void arena_finish(struct arena *arena);

void file_extents_init(struct file_extents *file);

/* An unmapped extent with one pin, of at least bytes_min and if possible bytes_wanted; cached ones
 * make room. NULL when even that is not to be had now. */
struct extent *arena_take(struct arena *arena, uint32_t bytes_wanted, uint32_t bytes_min);

static inline uint32_t extent_capacity(const struct extent *extent)
{
    return (uint32_t)ARENA_PAGE_BYTES << extent->order;
}

static inline uint8_t *extent_memory(const struct arena *arena, const struct extent *extent)
{
    return arena->memory + (uint64_t)(extent - arena->extents) * ARENA_PAGE_BYTES;
}

/* Where the extent's range of the file ends. */
static inline uint64_t extent_end(const struct extent *extent)
{
    return extent->offset + extent->len;
}

/* Gives a taken extent its place. The range is free in the file and inside one MiB. */
void arena_map(struct arena *arena, struct extent *extent, struct file_extents *file,
               uint64_t offset, uint32_t len, enum extent_state state);

/* The extent whose range holds offset, or NULL. */
struct extent *arena_look_up(const struct arena *arena, const struct file_extents *file,
                             uint64_t offset);

/* The same; mostly it is the one where the log grows. */
static inline struct extent *arena_find(const struct arena *arena, const struct file_extents *file,
                                        uint64_t offset)
{
    struct extent *extent = file->furthest;
    return LIKELY(extent != NULL && offset - extent->offset < extent->len)
               ? extent
               : arena_look_up(arena, file, offset);
}

/* How many bytes from offset on, at most bytes, no extent stands for. Inside one MiB. */
uint32_t arena_gap(const struct arena *arena, const struct file_extents *file, uint64_t offset,
                   uint32_t bytes);

void arena_pin(struct arena *arena, struct extent *extent);
void arena_unpin(struct arena *arena, struct extent *extent);

/* It was used: it leaves the cache later. */
static inline void arena_touch(struct arena *arena, struct extent *extent)
{
    if (extent->pins == 0) {
        list_remove(&extent->node);
        list_push_back(&arena->cache, &extent->node);
    }
}

/* A pin lent to the network. */
void arena_hold(struct arena *arena, struct extent *extent);
void arena_release(struct arena *arena, struct extent *extent);

/* Takes the extent out of its file; its memory is free once the last pin is gone. */
void arena_unmap(struct arena *arena, struct extent *extent);

/* Unmaps all extents of the file. */
void arena_forget(struct arena *arena, struct file_extents *file);

/* Frees the file's extents that nothing pins. */
void arena_evict_file(struct arena *arena, struct file_extents *file);

/* Walks everything; for tests and checked builds. */
bool arena_invariants(const struct arena *arena);

#endif
