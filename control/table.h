/* A hash table of things that hold their own node; grows, never shrinks. Heap; not thread-safe.
 *
 * Hashes are keyed by a seed of the owner's: who chooses the names cannot choose ones that fall on
 * one place. A walk is `for (node = table_first(t, hash); node != NULL; node = table_next(node))`
 * and sees only nodes of that very hash; the caller compares names.
 */
#ifndef CONTROL_TABLE_H
#define CONTROL_TABLE_H

#include "storage/base/bytes.h"

struct table_node {
    struct table_node *next;
    uint64_t hash;
};

/* All zero is an empty table. */
struct table {
    struct table_node **slots;
    uint32_t mask;
    uint32_t count;
};

uint64_t table_hash(struct bytes name, uint64_t seed);

void table_add(struct table *table, struct table_node *node, uint64_t hash);
/* node is in the table. */
void table_remove(struct table *table, struct table_node *node);

struct table_node *table_first(const struct table *table, uint64_t hash);
struct table_node *table_next(const struct table_node *node);

/* The slots only; what was in them is the caller's. */
void table_free(struct table *table);

#endif
