/* The neighbour cache: IPv4 addresses on the link -> MACs (RFC 826; timing after RFC 4861 7.3).
 *
 *     (none) --look up--> INCOMPLETE --answer--> REACHABLE --30 s, in use--> PROBING --answer--+
 *                              | 3 requests          ^  \--60 s unused--> (none)   |           |
 *                              v                     +-------- answer -------------+ <---------+
 *                           (none), what waited is dropped    3 unicast probes unanswered ->
 * INCOMPLETE
 *
 * While PROBING the known MAC goes on being used. Whoever keeps a MAC compares `generation`: it
 * changes with every MAC that comes, changes or goes. Pure; one per core.
 */
#ifndef DATAPLANE_NET_NEIGHBOR_H
#define DATAPLANE_NET_NEIGHBOR_H

#include "dataplane/net/address.h"
#include "storage/base/list.h"

enum {
    NEIGHBOR_NONE = UINT16_MAX,
    NEIGHBOR_REQUESTS_MAX = 3, /* Before giving up. */
    NEIGHBOR_WAITING_MAX = 3,  /* Frames that wait for one answer. */
    NEIGHBOR_RETRY_MS = 1000,
    NEIGHBOR_REACHABLE_MS = 30 * 1000,
    NEIGHBOR_UNUSED_MS = 60 * 1000,
};

enum neighbor_state { NEIGHBOR_FREE, NEIGHBOR_INCOMPLETE, NEIGHBOR_REACHABLE, NEIGHBOR_PROBING };

struct neighbor {
    uint32_t v4;
    struct mac mac;
    uint16_t hash_next;
    uint8_t state; /* enum neighbor_state. */
    uint8_t requests;
    uint8_t waiting_count;
    uint64_t used_ns;
    uint64_t next_ns; /* When something is due. */
    struct list waiting;
};

struct neighbor_table {
    struct neighbor *entries; /* Borrowed. */
    uint16_t *heads;          /* Borrowed; hash chains. */
    uint16_t capacity;
    uint16_t head_mask;
    uint16_t used;
    uint32_t waiting; /* Frames, at all of them. */
    uint32_t generation;
    uint64_t next_ns;     /* The earliest next_ns, or earlier. */
    struct list resolved; /* Frames whose MAC became known; the owner takes them. */
    struct list dropped;  /* Frames whose neighbour did not answer, or went. */
    uint64_t failed;      /* Counts neighbours that never answered. */
    uint64_t evicted;
};

/* A request that is to be sent. */
struct neighbor_request {
    uint32_t v4;
    struct mac mac;
    bool broadcast; /* mac is not known. */
};

size_t neighbor_memory_bytes(uint16_t capacity);
/* memory: zeroed, aligned to 16. capacity at least 1. */
void neighbor_init(struct neighbor_table *table, void *memory, uint16_t capacity);

/* The entry of an address; made when there is none, the request being due at once. Evicts the one
 * unused for longest when the table is full. */
uint16_t neighbor_look_up(struct neighbor_table *table, uint32_t v4, uint64_t now_ns);

static inline bool neighbor_has_mac(const struct neighbor_table *table, uint16_t index)
{
    return table->entries[index].state >= NEIGHBOR_REACHABLE;
}

/* Has a frame wait for the answer. False when enough wait already. */
MUST_USE bool neighbor_wait(struct neighbor_table *table, uint16_t index, struct list_node *frame);

/* Takes what an ARP packet says. create: the packet was meant for us, so its sender is about to
 * talk to us; what others say to each other only refreshes what is known. */
void neighbor_learn(struct neighbor_table *table, uint32_t v4, const struct mac *mac, bool create,
                    uint64_t now_ns);

/* The next request that is due now; false when none is. */
MUST_USE bool neighbor_due(struct neighbor_table *table, uint64_t now_ns,
                           struct neighbor_request *request);

#endif
