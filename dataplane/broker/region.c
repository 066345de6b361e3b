#include "dataplane/broker/region.h"

#include <string.h>

static uint32_t units_of(const struct region *region, uint32_t size)
{
    return (uint32_t)(((uint64_t)size + region->unit_bytes - 1) / region->unit_bytes);
}

static uint64_t words_of(uint32_t unit_count)
{
    return ((uint64_t)unit_count + 63) / 64;
}

uint64_t region_bytes(uint64_t size, uint32_t unit_bytes)
{
    const uint32_t unit_count = (uint32_t)(size / unit_bytes);
    return round_up((uint64_t)unit_count * unit_bytes, 64) +
           round_up(words_of(unit_count) * sizeof(uint64_t), 64);
}

void region_init(struct region *region, void *memory, uint64_t size, uint32_t unit_bytes)
{
    const uint32_t unit_count = (uint32_t)(size / unit_bytes);
    const uint64_t data_bytes = round_up((uint64_t)unit_count * unit_bytes, 64);
    *region = (struct region){
        .base = memory,
        .used = (uint64_t *)(void *)((uint8_t *)memory + data_bytes),
        .unit_bytes = unit_bytes,
        .unit_count = unit_count,
        .units_left = unit_count,
    };
}

static bool unit_used(const struct region *region, uint32_t unit)
{
    return (region->used[unit / 64] >> (unit % 64) & 1) != 0;
}

/* The first unit of [unit, end) whose bit is `used`; end when there is none. */
static uint32_t unit_find(const struct region *region, uint32_t unit, uint32_t end, bool used)
{
    while (unit < end) {
        const uint64_t word = used ? region->used[unit / 64] : ~region->used[unit / 64];
        const uint64_t rest = word >> (unit % 64);
        if (rest != 0) {
            return min_u32(unit + (uint32_t)__builtin_ctzll(rest), end);
        }
        unit = (unit / 64 + 1) * 64;
    }
    return end;
}

static void units_mark(struct region *region, uint32_t unit, uint32_t count, bool used)
{
    while (count > 0) {
        const uint32_t in_word = min_u32(64 - unit % 64, count);
        const uint64_t ones = UINT64_MAX >> (64 - in_word); /* 1 to 64 of them. */
        if (used) {
            region->used[unit / 64] |= ones << (unit % 64);
        } else {
            region->used[unit / 64] &= ~(ones << (unit % 64));
        }
        unit += in_word;
        count -= in_word;
    }
}

/* Takes [unit, unit + count), which is free. */
static uint8_t *units_take(struct region *region, uint32_t unit, uint32_t count)
{
    units_mark(region, unit, count, true);
    region->units_left -= count;
    if (unit == region->first) {
        region->first = unit + count;
    }
    return region->base + (uint64_t)unit * region->unit_bytes;
}

/* The first free run of that many units; unit_count when there is none. */
static uint32_t run_find(struct region *region, uint32_t want)
{
    if (want > region->units_left) {
        return region->unit_count;
    }
    const uint32_t end = region->unit_count;
    uint32_t from = unit_find(region, region->first, end, false);
    region->first = from;
    while (from < end) {
        /* No further than wanted: most of it is free, and what lies behind does not matter. */
        const uint32_t to = unit_find(region, from, min_u32(want, end - from) + from, true);
        if (to - from >= want) {
            break;
        }
        from = unit_find(region, to, end, false);
    }
    return from;
}

uint8_t *region_take(struct region *region, uint32_t size)
{
    ASSERT(size > 0);
    const uint32_t want = units_of(region, size);
    const uint32_t from = run_find(region, want);
    return from < region->unit_count ? units_take(region, from, want) : NULL;
}

bool region_fits(struct region *region, uint32_t size)
{
    return size == 0 || run_find(region, units_of(region, size)) < region->unit_count;
}

bool region_holds(const struct region *region, const uint8_t *run)
{
    const uintptr_t base = (uintptr_t)region->base;
    return (uintptr_t)run >= base &&
           (uintptr_t)run < base + (uint64_t)region->unit_count * region->unit_bytes;
}

void region_give(struct region *region, const uint8_t *run, uint32_t size)
{
    const uint32_t unit = (uint32_t)((uint64_t)(run - region->base) / region->unit_bytes);
    const uint32_t count = units_of(region, size);
    ASSERT(unit + count <= region->unit_count);
    ASSERT_HOT(unit_used(region, unit) && unit_used(region, unit + count - 1));
    units_mark(region, unit, count, false);
    region->units_left += count;
    region->gives++;
    region->first = min_u32(region->first, unit);
}

/* Undoes what region_take_runs took so far. */
static void runs_give(struct region *region, const struct bytes *runs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        region_give(region, runs[i].ptr, runs[i].len);
    }
}

uint32_t region_take_runs(struct region *region, uint32_t size, struct bytes *runs,
                          uint32_t runs_max)
{
    ASSERT(size > 0);
    uint8_t *whole = region_take(region, size);
    if (whole != NULL) {
        runs[0] = (struct bytes){whole, size};
        return 1;
    }
    if (units_of(region, size) > region->units_left) {
        return 0;
    }
    uint32_t count = 0;
    uint32_t from = region->first;
    while (size > 0 && count < runs_max) {
        from = unit_find(region, from, region->unit_count, false);
        const uint32_t to = unit_find(region, from, region->unit_count, true);
        const uint32_t take = min_u32(to - from, units_of(region, size));
        const uint64_t take_bytes = (uint64_t)take * region->unit_bytes;
        const uint32_t len = (uint32_t)min_u64(take_bytes, size);
        runs[count++] = (struct bytes){units_take(region, from, take), len};
        size -= len;
        from = to;
    }
    if (size > 0) {
        runs_give(region, runs, count);
        return 0;
    }
    return count;
}
