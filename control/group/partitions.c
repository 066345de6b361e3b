#include "control/group/partitions.h"

#include <stdlib.h>

int topic_partition_order(const struct topic_partition *a, const struct topic_partition *b)
{
    const int order = memcmp(&a->topic, &b->topic, sizeof(a->topic));
    return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

static int items_order(const void *a, const void *b)
{
    return topic_partition_order(a, b);
}

void partition_set_sort(struct partition_set *set)
{
    if (set->count < 2) {
        return;
    }
    qsort(set->items, set->count, sizeof(set->items[0]), items_order);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < set->count; i++) {
        if (topic_partition_order(&set->items[kept - 1], &set->items[i]) != 0) {
            set->items[kept++] = set->items[i];
        }
    }
    set->count = kept;
}

bool partition_set_has(struct partition_set set, struct uuid topic, int32_t partition)
{
    const struct topic_partition wanted = {topic, partition};
    return set.count > 0 &&
           bsearch(&wanted, set.items, set.count, sizeof(wanted), items_order) != NULL;
}

bool partition_set_equal(struct partition_set a, struct partition_set b)
{
    return a.count == b.count && partition_set_within(a, b);
}

enum { ONLY_A = 1, ONLY_B = 2, BOTH = 4 };

/* Walks both in order; which says what is taken. to may be NULL: only counted. */
static uint32_t merge(struct partition_set a, struct partition_set b, int which,
                      struct topic_partition *to)
{
    uint32_t count = 0;
    uint32_t i = 0;
    uint32_t k = 0;
    while (i < a.count || k < b.count) {
        const int order = i == a.count   ? 1
                          : k == b.count ? -1
                                         : topic_partition_order(&a.items[i], &b.items[k]);
        const int kind = order < 0 ? ONLY_A : order > 0 ? ONLY_B : BOTH;
        if ((kind & which) != 0) {
            if (to != NULL) {
                to[count] = kind == ONLY_B ? b.items[k] : a.items[i];
            }
            count++;
        }
        i += kind != ONLY_B;
        k += kind != ONLY_A;
    }
    return count;
}

static struct partition_set merged(struct arena *arena, struct partition_set a,
                                   struct partition_set b, int which)
{
    const uint32_t most = (which & ONLY_B) != 0 ? a.count + b.count : a.count;
    struct topic_partition *items = ARENA_ARRAY(arena, struct topic_partition, most);
    return (struct partition_set){items, merge(a, b, which, items)};
}

bool partition_set_within(struct partition_set a, struct partition_set b)
{
    return merge(a, b, ONLY_A, NULL) == 0;
}

bool partition_set_meets(struct partition_set a, struct partition_set b)
{
    return merge(a, b, BOTH, NULL) > 0;
}

struct partition_set partition_set_and(struct arena *arena, struct partition_set a,
                                       struct partition_set b)
{
    return merged(arena, a, b, BOTH);
}

struct partition_set partition_set_minus(struct arena *arena, struct partition_set a,
                                         struct partition_set b)
{
    return merged(arena, a, b, ONLY_A);
}

struct partition_set partition_set_or(struct arena *arena, struct partition_set a,
                                      struct partition_set b)
{
    return merged(arena, a, b, ONLY_A | ONLY_B | BOTH);
}

struct partition_row *partition_set_rows(struct arena *arena, struct partition_set set,
                                         int32_t *count)
{
    struct partition_row *rows = ARENA_ARRAY(arena, struct partition_row, set.count);
    int32_t *numbers = ARENA_ARRAY(arena, int32_t, set.count);
    *count = 0;
    for (uint32_t i = 0; i < set.count; i++) {
        numbers[i] = set.items[i].partition;
        if (i == 0 || !uuid_equal(set.items[i].topic, set.items[i - 1].topic)) {
            rows[(*count)++] = (struct partition_row){set.items[i].topic, {.items = &numbers[i]}};
        }
        rows[*count - 1].partitions.count++;
    }
    return rows;
}

uint64_t partition_set_bytes(struct partition_set set)
{
    uint64_t topics = 0;
    for (uint32_t i = 0; i < set.count; i++) {
        topics += i == 0 || !uuid_equal(set.items[i].topic, set.items[i - 1].topic);
    }
    return partition_bytes(topics, set.count);
}

void partition_set_keep(struct partition_set *owned, struct partition_set set)
{
    struct partition_set copy = {NULL, set.count};
    if (set.count > 0) {
        copy.items = malloc(set.count * sizeof(copy.items[0]));
        ASSERT(copy.items != NULL);
        memcpy(copy.items, set.items, set.count * sizeof(copy.items[0]));
    }
    partition_set_free(owned);
    *owned = copy;
}

void partition_set_free(struct partition_set *owned)
{
    free(owned->items);
    *owned = (struct partition_set){0};
}
