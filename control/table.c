#include "control/table.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SLOTS_MIN = 16 };

uint64_t table_hash(struct bytes name, uint64_t seed)
{
    return XXH3_64bits_withSeed(name.ptr == NULL ? (const uint8_t *)"" : name.ptr, name.len, seed);
}

static void slots_grow(struct table *table)
{
    const uint32_t old_count = table->slots == NULL ? 0 : table->mask + 1;
    const uint32_t count = old_count == 0 ? SLOTS_MIN : old_count * 2;
    struct table_node **slots = calloc(count, sizeof(struct table_node *));
    ASSERT(slots != NULL);
    for (uint32_t i = 0; i < old_count; i++) {
        struct table_node *node = table->slots[i];
        while (node != NULL) {
            struct table_node *next = node->next;
            node->next = slots[node->hash & (count - 1)];
            slots[node->hash & (count - 1)] = node;
            node = next;
        }
    }
    free(table->slots);
    table->slots = slots;
    table->mask = count - 1;
}

void table_add(struct table *table, struct table_node *node, uint64_t hash)
{
    /* Every node that a walk passes by is memory that is not in the cache. */
    if (table->slots == NULL || table->count > table->mask / 2) {
        slots_grow(table);
    }
    node->hash = hash;
    node->next = table->slots[hash & table->mask];
    table->slots[hash & table->mask] = node;
    table->count++;
}

void table_remove(struct table *table, struct table_node *node)
{
    struct table_node **at = &table->slots[node->hash & table->mask];
    while (*at != node) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    table->count--;
}

struct table_node *table_first(const struct table *table, uint64_t hash)
{
    if (table->slots == NULL) {
        return NULL;
    }
    struct table_node *node = table->slots[hash & table->mask];
    while (node != NULL && node->hash != hash) {
        node = node->next;
    }
    return node;
}

struct table_node *table_next(const struct table_node *node)
{
    struct table_node *next = node->next;
    while (next != NULL && next->hash != node->hash) {
        next = next->next;
    }
    return next;
}

void table_free(struct table *table)
{
    free(table->slots);
    *table = (struct table){0};
}
