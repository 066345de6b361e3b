/* The neighbour cache: addresses on the link -> MACs, for ARP and for IPv6 (RFC 826; RFC 4861 7.2
 * and 7.3, by whose times ARP goes, too).
 *
 *     (none) --look up--> INCOMPLETE --answer--> REACHABLE --30 s, in use--> PROBING --answer--+
 *                              | 3 requests          ^  \--60 s unused--> (none)   |           |
 *                              v                     +-------- answer -------------+ <---------+
 *                           (none), what waited is dropped    3 unicast probes unanswered ->
 * INCOMPLETE
 *
 * STALE is a neighbour whose MAC came unasked: used like one that is REACHABLE, and probed 5 s
 * later if it was. While PROBING the known MAC goes on being used. Whoever keeps a MAC compares
 * `generation`: it changes with every MAC that comes, changes or goes. Pure; one per core.
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
    NEIGHBOR_STALE_MS = 5 * 1000, /* RFC 4861 10: DELAY_FIRST_PROBE_TIME. */
    NEIGHBOR_UNUSED_MS = 60 * 1000,
};

enum neighbor_state {
    NEIGHBOR_FREE,
    NEIGHBOR_INCOMPLETE,
    NEIGHBOR_REACHABLE,
    NEIGHBOR_STALE,
    NEIGHBOR_PROBING,
};

/* What a packet says of its sender, or of the target of an advertisement. */
enum neighbor_how {
    NEIGHBOR_CREATE = 1,   /* It is about to talk to us: make an entry if there is none. */
    NEIGHBOR_CONFIRM = 2,  /* An answer: what it says holds now. */
    NEIGHBOR_OVERRIDE = 4, /* Its MAC goes in the place of another. */
    NEIGHBOR_ARP = NEIGHBOR_CONFIRM | NEIGHBOR_OVERRIDE,
};

struct neighbor {
    struct address address;
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
    struct address address;
    struct mac mac;
    bool broadcast; /* mac is not known: ask all. */
};

size_t neighbor_memory_bytes(uint16_t capacity);
/* memory: zeroed, aligned to 16. capacity at least 1. */
void neighbor_init(struct neighbor_table *table, void *memory, uint16_t capacity);

/* The entry of an address; made when there is none, the request being due at once. Evicts the one
 * unused for longest when the table is full. */
uint16_t neighbor_look_up(struct neighbor_table *table, const struct address *address,
                          uint64_t now_ns);

static inline bool neighbor_has_mac(const struct neighbor_table *table, uint16_t index)
{
    return table->entries[index].state >= NEIGHBOR_REACHABLE;
}

/* Has a frame wait for the answer. False when enough wait already. */
MUST_USE bool neighbor_wait(struct neighbor_table *table, uint16_t index, struct list_node *frame);

/* Takes what a packet says: how is of enum neighbor_how. mac NULL: the one that is known. */
void neighbor_learn(struct neighbor_table *table, const struct address *address,
                    const struct mac *mac, uint8_t how, uint64_t now_ns);

/* The next request that is due now; false when none is. */
MUST_USE bool neighbor_due(struct neighbor_table *table, uint64_t now_ns,
                           struct neighbor_request *request);

#endif
