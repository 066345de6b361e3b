/* Bump allocator over memory given at start: what one request needs while it is handled.
 *
 * A core may not call malloc; handlers take arrays from the core's scratch, which is reset when the
 * request is done. Not thread-safe; one per core.
 */
#ifndef STORAGE_BASE_SCRATCH_H
#define STORAGE_BASE_SCRATCH_H

#include "storage/base/check.h"

struct scratch {
    uint8_t *base; /* Borrowed from whoever allocated at start. */
    size_t size;
    size_t used;
};

/* size bytes aligned to 16, not cleared, or NULL when the scratch is full. */
static inline void *scratch_take(struct scratch *scratch, size_t size)
{
    const size_t start = round_up(scratch->used, 16);
    if (start > scratch->size || size > scratch->size - start) {
        return NULL;
    }
    scratch->used = start + size;
    return scratch->base + start;
}

static inline void scratch_reset(struct scratch *scratch)
{
    scratch->used = 0;
}

#endif
