#include "control/repeats.h"

#include <stdlib.h>

#include "control/metadata/image.h"

static int said_compare(const struct said *a, const struct said *b)
{
    return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : bytes_order(a->name, b->name);
}

/* Equal ones in the order said. */
static int said_order(const void *left, const void *right)
{
    const struct said *a = *(const struct said *const *)left;
    const struct said *b = *(const struct said *const *)right;
    const int order = said_compare(a, b);
    return order != 0 ? order : a < b ? -1 : 1;
}

void repeats_mark(struct arena *arena, struct said *said, uint32_t count)
{
    struct said **sorted = ARENA_ARRAY(arena, struct said *, count);
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = &said[i];
    }
    qsort(sorted, count, sizeof(struct said *), said_order);
    for (uint32_t i = 1; i < count; i++) {
        if (said_compare(sorted[i - 1], sorted[i]) == 0) {
            sorted[i - 1]->repeated = true;
            sorted[i]->repeated = true;
            sorted[i]->later = true;
        }
    }
}
