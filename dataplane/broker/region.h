/* Memory given out in runs of equal units, first fit; a bit per unit. Low addresses are used again
 * first, so memory that was never needed is never touched. Not thread-safe. */
#ifndef DATAPLANE_BROKER_REGION_H
#define DATAPLANE_BROKER_REGION_H

#include "storage/base/bytes.h"

struct region {
    uint8_t *base;
    uint64_t *used; /* Bit set: unit in use. */
    uint32_t unit_bytes;
    uint32_t unit_count;
    uint32_t units_left;
    uint32_t first; /* All units before this one are used. */
    uint64_t gives; /* Runs given back so far: what did not fit may fit when this has changed. */
};

/* Bytes for the units and their bits. size is rounded down to whole units. */
uint64_t region_bytes(uint64_t size, uint32_t unit_bytes);
void region_init(struct region *region, void *memory, uint64_t size, uint32_t unit_bytes);

/* One run of at least size bytes, or NULL. size > 0. */
uint8_t *region_take(struct region *region, uint32_t size);

/* True when region_take of that size finds a run now. */
bool region_fits(struct region *region, uint32_t size);

/* True when the run was taken from this region. */
bool region_holds(const struct region *region, const uint8_t *run);

/* size as it was taken. */
void region_give(struct region *region, const uint8_t *run, uint32_t size);

/* Runs that together hold size bytes, the last one cut to fit: their number, or 0 when that takes
 * more than runs_max of them. */
uint32_t region_take_runs(struct region *region, uint32_t size, struct bytes *runs,
                          uint32_t runs_max);

#endif
