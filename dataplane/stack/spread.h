/* One address on several cores: which of them has a flow, and what one hands to another.
 *
 * A flow stays on the core that took its SYN in, wherever its frames arrive later. What says so is
 * a table of groups of flows, by the flows' hash: while a group has flows, its core is fixed, and
 * others' SYNs of that group go there too. A group without flows belongs to the core that asks
 * first; where fewer cores hear the port than there are, each of those deals out to itself and to
 * every core so many behind it, by the hash.
 *
 * A connection that a core opens is that core's, until the answer comes to another: that one takes
 * it over, if it is the only flow of its group.
 *
 * The answer to a SYN cookie may come to a core that sent none: all of them know when one was sent.
 *
 * Handed over are frames (with their buffers, which the taker releases), what ARP said, and errors
 * of ICMP: in one ring per ordered pair of cores. What finds no room is dropped and counted; for
 * TCP it is a lost frame.
 *
 * Threads: spread_init before the cores run; then each spread_core from its own core.
 */
#ifndef DATAPLANE_STACK_SPREAD_H
#define DATAPLANE_STACK_SPREAD_H

#include "dataplane/nic/nic.h"
#include "dataplane/stack/openings.h"

enum {
    SPREAD_CORES_MAX = 64,   /* A set of cores is one 64-bit word. */
    SPREAD_GROUPS = 65536,   /* Of flows. */
    SPREAD_RING_SLOTS = 512, /* Per ordered pair of cores. */
    SPREAD_PIECES_MAX = 9,   /* Of one frame. */
};

struct spread;
struct spread_core;

struct spread_counters {
    uint64_t given_frames; /* Arrived here, of a flow that another core has. */
    uint64_t taken_frames;
    uint64_t dropped;     /* The other core's ring was full. */
    uint64_t claims_lost; /* A flow that another core was faster to take a neighbour of. */
};

/* What another core has handed over. */
enum spread_kind { SPREAD_FRAME, SPREAD_NEIGHBOR, SPREAD_LOST, SPREAD_ERROR };

struct spread_neighbor { /* Of SPREAD_LOST: an address that somebody else has. */
    struct address address;
    struct mac mac;
    uint8_t how; /* As of neighbor_learn. */
};

struct spread_item {
    enum spread_kind kind;
    struct packet_in frame; /* `more` is valid until NIC_BURST_MAX later frames. */
    struct spread_neighbor neighbor;
    struct icmp_error error;
};

/* Bytes of memory at 64 bytes alignment. */
uint64_t spread_size(uint32_t core_count);

/* Lays it out in zeroed memory, borrowed for good. hearing_count: so many of the cores, the first
 * ones, hear the port. */
struct spread *spread_init(void *memory, uint32_t core_count, uint32_t hearing_count);
struct spread_core *spread_at(struct spread *spread, uint32_t core);
uint32_t spread_index(const struct spread_core *core);

/* Whether what arrives of a flow with this hash is this core's. */
bool spread_ours(const struct spread_core *core, uint32_t hash);
/* A flow of this core begins; false: its group has become another core's. */
MUST_USE bool spread_claim(struct spread_core *core, uint32_t hash);
/* It has ended. */
void spread_leave(struct spread_core *core, uint32_t hash);

/* A flow of this core, opened and not answered, may be another core's from now on. False: it stays,
 * as where this core does not hear the port, or no other one does. */
MUST_USE bool spread_offer(struct spread_core *core, const struct tcp_opening *opening);
/* False: another core has taken it over, with its claim. */
MUST_USE bool spread_withdraw(struct spread_core *core, const struct tcp_opening *opening);
/* Takes over what ack is the answer to; its flow is claimed. False: there is nothing like that. */
MUST_USE bool spread_adopt(struct spread_core *core, const struct flow_key *key, uint32_t hash,
                           uint32_t ack, struct tcp_opening *opening);

/* The last time that any of them sent a SYN cookie, a second at most before it; 0: never. */
void spread_cookie_sent(struct spread_core *core, uint64_t now_ns);
uint64_t spread_cookie_sent_ns(const struct spread_core *core);

/* Hands a frame to the core that has its flow. False: there is no room; the buffers stay. */
MUST_USE bool spread_give_frame(struct spread_core *core, uint32_t hash,
                                const struct packet_in *frame);
void spread_give_error(struct spread_core *core, uint32_t hash, const struct icmp_error *error);
/* To all others. kind: SPREAD_NEIGHBOR or SPREAD_LOST. */
void spread_give_neighbor(struct spread_core *core, enum spread_kind kind,
                          const struct spread_neighbor *neighbor);

/* The next thing handed over to this core; givers take turns. False: there is nothing. */
MUST_USE bool spread_take(struct spread_core *core, struct spread_item *item);
/* Whether spread_take would find nothing. */
bool spread_quiet(const struct spread_core *core);
/* The cores that were handed something since the last call, bit per core. */
uint64_t spread_given(struct spread_core *core);

const struct spread_counters *spread_counters(const struct spread_core *core);

#endif
