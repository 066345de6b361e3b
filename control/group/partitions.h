/* Sets of partitions of topics: in the order of topic ids, then of partitions, each once.
 *
 * Pure. What an operation gives lives in the caller's arena, or is a view of what went in; sets
 * that somebody owns are on the heap.
 */
#ifndef CONTROL_GROUP_PARTITIONS_H
#define CONTROL_GROUP_PARTITIONS_H

#include "control/arena.h"

struct topic_partition {
    struct uuid topic;
    int32_t partition;
};

/* All zero is the empty set. */
struct partition_set {
    struct topic_partition *items;
    uint32_t count;
};

/* Of one topic: count neighbours in the set, and their numbers. */
struct partition_row {
    struct uuid topic;
    struct i32_array partitions;
};

int topic_partition_order(const struct topic_partition *a, const struct topic_partition *b);

/* Puts what was collected in any order, perhaps twice, into the order of a set. */
void partition_set_sort(struct partition_set *set);

bool partition_set_has(struct partition_set set, struct uuid topic, int32_t partition);
bool partition_set_equal(struct partition_set a, struct partition_set b);
/* All of a are in b. */
bool partition_set_within(struct partition_set a, struct partition_set b);
bool partition_set_meets(struct partition_set a, struct partition_set b);

struct partition_set partition_set_and(struct arena *arena, struct partition_set a,
                                       struct partition_set b);
struct partition_set partition_set_minus(struct arena *arena, struct partition_set a,
                                         struct partition_set b);
struct partition_set partition_set_or(struct arena *arena, struct partition_set a,
                                      struct partition_set b);

/* Topic by topic, for messages: rows in the arena, how many in *count. */
struct partition_row *partition_set_rows(struct arena *arena, struct partition_set set,
                                         int32_t *count);

/* At most what they take in a record. */
static inline uint64_t partition_bytes(uint64_t topics, uint64_t partitions)
{
    enum { TOPIC_BYTES = sizeof(struct uuid) + 5 + 1 }; /* Its id, a count, and tagged fields. */
    return topics * TOPIC_BYTES + partitions * sizeof(int32_t);
}
uint64_t partition_set_bytes(struct partition_set set);

/* *owned becomes a copy on the heap; what it was is freed. */
void partition_set_keep(struct partition_set *owned, struct partition_set set);
void partition_set_free(struct partition_set *owned);

#endif
