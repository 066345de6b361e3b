#include "storage/log/clean_live.h"

#include <stdlib.h>

bool clean_live_begin(struct clean_live *live, int64_t from, int64_t to)
{
    *live = (struct clean_live){.from = from, .to = max_i64(from, to)};
    const uint64_t count = (uint64_t)(live->to - from);
    while (count >> live->shift >= 8ull * CLEAN_LIVE_BYTES_MAX) {
        live->shift++;
    }
    live->words = calloc((count >> live->shift) / 64 + 1, sizeof(*live->words));
    return live->words != NULL;
}

void clean_live_free(struct clean_live *live)
{
    free(live->words);
    *live = (struct clean_live){0};
}

static uint64_t bit_of(const struct clean_live *live, int64_t offset)
{
    return (uint64_t)(offset - live->from) >> live->shift;
}

void clean_live_mark(struct clean_live *live, int64_t first, int64_t last)
{
    first = max_i64(first, live->from);
    last = min_i64(last, live->to - 1);
    if (live->words == NULL || first > last) {
        return;
    }
    for (uint64_t bit = bit_of(live, first); bit <= bit_of(live, last); bit++) {
        live->words[bit / 64] |= UINT64_C(1) << (bit % 64);
    }
}

void clean_live_mark_map(struct clean_live *live, const struct clean_map *map)
{
    for (uint32_t slot = 0; slot < map->slots; slot++) {
        const int64_t offset = clean_map_at(map, slot);
        if (offset >= 0) {
            clean_live_mark(live, offset, offset);
        }
    }
    live->to = min_i64(live->to, max_i64(map->end, live->from));
}

bool clean_live_any(const struct clean_live *live, int64_t first, int64_t last)
{
    if (live->words == NULL || first < live->from || last >= live->to) {
        return true;
    }
    for (uint64_t bit = bit_of(live, first); bit <= bit_of(live, last);) {
        const uint64_t rest = live->words[bit / 64] >> (bit % 64);
        const uint64_t next =
            rest != 0 ? bit + (uint64_t)__builtin_ctzll(rest) : round_down(bit, 64) + 64;
        if (rest != 0) {
            return next <= bit_of(live, last);
        }
        bit = next;
    }
    return false;
}
