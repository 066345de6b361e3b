/* The flow table of a core: 4-tuple -> what is there (a connection, a half-open one, one in
 * TIME_WAIT). Entries of 8 bytes {hash, value}, eight to a cache line, open addressing.
 *
 * A burst is looked up in three passes, so that its cache misses overlap: hash and prefetch the
 * lines; compare stored hashes and prefetch what the values name; compare keys there. The hash is
 * keyed: peers choose their ports and must not choose where they land.
 */
#ifndef DATAPLANE_TCP_FLOW_H
#define DATAPLANE_TCP_FLOW_H

#include "dataplane/net/address.h"

struct flow_key {
    struct address remote;
    struct address local;
    uint16_t remote_port;
    uint16_t local_port;
};

static inline uint64_t flow_apart(const uint8_t *a, const uint8_t *b)
{
    uint64_t x;
    uint64_t y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x ^ y;
}

static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
    const uint64_t addresses = flow_apart(a->remote.bytes, b->remote.bytes) |
                               flow_apart(a->local.bytes, b->local.bytes) |
                               flow_apart(a->remote.bytes + 8, b->remote.bytes + 8) |
                               flow_apart(a->local.bytes + 8, b->local.bytes + 8);
    const uint32_t ports =
        (uint32_t)(a->remote_port ^ b->remote_port) | (uint32_t)(a->local_port ^ b->local_port);
    return (addresses | ports) == 0;
}

struct flow_entry {
    uint32_t hash;
    uint32_t value; /* FLOW_EMPTY: none. */
};

enum { FLOW_EMPTY = UINT32_MAX };

struct flow_table {
    struct flow_entry *entries; /* Borrowed. */
    uint32_t mask;
    uint32_t used;
    uint64_t secret[2];
};

size_t flow_memory_bytes(uint32_t count_max);
/* memory aligned to 64. At most count_max entries are in it at a time. */
void flow_init(struct flow_table *table, void *memory, uint32_t count_max,
               const uint64_t secret[2]);

uint32_t flow_hash(const struct flow_table *table, const struct flow_key *key);

static inline void flow_prefetch(const struct flow_table *table, uint32_t hash)
{
    __builtin_prefetch(&table->entries[hash & table->mask]);
}

/* The next value stored for this hash; *at is FLOW_EMPTY for the first call. FLOW_EMPTY: no more.
 */
uint32_t flow_next(const struct flow_table *table, uint32_t hash, uint32_t *at);

void flow_insert(struct flow_table *table, uint32_t hash, uint32_t value);
/* Removes an entry that is there. */
void flow_remove(struct flow_table *table, uint32_t hash, uint32_t value);

#endif
