/* What a compaction's second pass has to look at: where the first one found the last record of a
 * key, or a batch that counts for something else than its keys. What lies between is not even read.
 *
 * One bit for some offsets next to each other, as few of them as the memory allows. Pure; one
 * thread at a time.
 */
#ifndef STORAGE_LOG_CLEAN_LIVE_H
#define STORAGE_LOG_CLEAN_LIVE_H

#include "storage/log/clean_map.h"

enum { CLEAN_LIVE_BYTES_MAX = 1 << 20 };

struct clean_live {
    uint64_t *words; /* NULL: everything is to be looked at. */
    int64_t from;    /* Nothing is known of offsets before it, */
    int64_t to;      /* nor from this one on. */
    uint32_t shift;  /* A bit stands for 1 << shift offsets. */
};

/* Of offsets [from, to): none is marked. False: no memory, everything is to be looked at.
 * clean_live_free what it was before. */
MUST_USE bool clean_live_begin(struct clean_live *live, int64_t from, int64_t to);
void clean_live_free(struct clean_live *live);

/* Offsets from first to last are to be looked at; those out of range are anyway. */
void clean_live_mark(struct clean_live *live, int64_t first, int64_t last);
/* The last record of each key in the map, and all from its end on. */
void clean_live_mark_map(struct clean_live *live, const struct clean_map *map);

/* True: something from first to last is to be looked at. */
bool clean_live_any(const struct clean_live *live, int64_t first, int64_t last);

#endif
