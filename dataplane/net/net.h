/* The addresses of one port on one core, one of IPv4, one of IPv6 or both: from the frame to the
 * TCP segment and back.
 *
 *     net_input    a frame -> a segment for TCP, an error about one, or nothing left to do
 *     net_output   what the stack itself says: ARP, neighbour discovery, echo replies, errors,
 *                  segments without connection
 *     net_turn     what is due by time: address probes, neighbour requests
 *
 * ARP and neighbour discovery answer, probe, announce and defend an address (RFC 826, RFC 5227; RFC
 * 4861, RFC 4862) over one table of neighbours; echo is answered with a view of the request; errors
 * are limited in rate; fragments, source routes and addresses that no host has are refused and
 * counted. Routes are static: routers' advertisements are not read. Connections write their own
 * headers: net_hop finds the neighbour, net_header_write the bytes.
 *
 * Pure: no clock, no I/O, no allocation after net_create. One per core; not thread-safe.
 */
#ifndef DATAPLANE_NET_NET_H
#define DATAPLANE_NET_NET_H

#include "dataplane/net/icmp.h"
#include "dataplane/net/neighbor.h"
#include "dataplane/net/packet.h"
#include "dataplane/net/rate.h"
#include "dataplane/net/route.h"

enum {
    NET_FRAME_BYTES = PACKET_HEADER_BYTES,
    NET_ERRORS_PER_SECOND = 100,
    NET_ERRORS_BURST = 20,
    NET_PROBES = 3, /* RFC 5227 2.1.1. */
    NET_PROBE_MS = 1000,
    NET_PROBES_V6 = 1, /* RFC 4862 5.1. */
    NET_ANNOUNCEMENTS = 2,
    NET_ANNOUNCE_MS = 2000,
    NET_DEFEND_MS = 10 * 1000,
};

enum net_offloads { /* What the port does with packets that go out. */
                    NET_OFFLOAD_IP_CHECKSUM = 1,
                    NET_OFFLOAD_TCP_CHECKSUM = 2,
                    NET_OFFLOAD_TSO = 4,
};

struct net_setup {
    struct mac mac;
    uint32_t v4;       /* 0: none. */
    struct address v6; /* Zero: none. */
    uint16_t vlan;     /* 0: untagged. */
    uint16_t mtu;
    uint16_t offloads;  /* enum net_offloads. */
    uint32_t parts_max; /* Views of payload the port takes in one packet. */
    uint32_t
        uncut_max; /* Bytes behind Ethernet of a packet that the port cuts; 0: what IP allows. */
    const struct route *routes;
    uint32_t route_count;
    uint16_t neighbor_count_max;
    uint32_t frame_count_max; /* Frames of the stack itself that wait to go out. */
    bool neighbors_foreign;   /* ARP and what IPv6 sends to groups is the kernel's, too: it comes
                               * back as NET_FOREIGN. */
    bool probe_v4;            /* Asks whether somebody has the address, before using it. */
    bool probe_v6;
    bool quiet; /* Another instance probes and announces the addresses, which both have. */
    /* What ARP or discovery said that others of the addresses are to know (net_learn); NULL: there
     * are none. */
    void (*learned)(void *context, const struct address *address, const struct mac *mac,
                    uint8_t how);
    /* Somebody has the address that is probed for: the others are to know (net_lose). May be NULL.
     */
    void (*lost)(void *context, const struct address *address, const struct mac *mac);
    /* Gives a received buffer back to the port. */
    void (*release)(void *context, void *buffer);
    void *context;
};

enum net_verdict {
    NET_TAKEN,     /* Done with; its buffers are given back, now or after the answer is sent. */
    NET_TCP,       /* *segment; its buffers are the caller's now. */
    NET_TCP_ERROR, /* *error. The buffers are given back. */
    NET_FOREIGN,   /* Not for this address: the packet is the caller's as before. */
};

enum { NET_ECN_CAPABLE = 2, NET_ECN_MARK = 3, NET_ECN_MASK = 3 }; /* RFC 3168 5. */

enum net_odd { NET_ODD_PIECES = 1, NET_ODD_MARK = 2 /* It met congestion on its way. */ };

struct net_segment {
    struct address source;
    struct address target;
    struct packet_piece first; /* From the TCP header, without padding of the frame. */
    const struct packet_piece *more;
    uint32_t more_count;
    uint32_t len; /* Of the segment, in all pieces; the last pieces may be longer together. */
    uint16_t segments;
    uint8_t odd; /* Of enum net_odd; of what net_input_usual takes 0. */
};

enum net_counter {
    NET_IN_FRAMES,
    NET_IN_SEGMENTS,
    NET_IN_ARP,
    NET_IN_ND,
    NET_IN_ICMP,
    NET_IN_SHORT,
    NET_IN_BAD_HEADER,
    NET_IN_TRUNCATED, /* The frame ends early: a port without the offload its peer believes in. */
    NET_IN_BAD_CHECKSUM,
    NET_IN_BAD_OPTIONS,
    NET_IN_FRAGMENT,
    NET_IN_BAD_SOURCE,
    NET_IN_TCP_CHECKSUM,
    NET_IN_ICMP_CHECKSUM,
    NET_IN_UNREADY,  /* Came before the address was ours. */
    NET_IN_PROTOCOL, /* Neither TCP nor ICMP. */
    NET_OUT_FRAMES,
    NET_OUT_ECHO,
    NET_OUT_ERRORS,
    NET_OUT_LIMITED,  /* Errors not sent: too many. */
    NET_OUT_NO_FRAME, /* Not sent: no memory. */
    NET_OUT_NO_ROUTE,
    NET_OUT_UNRESOLVED, /* Dropped: the neighbour does not answer. */
    NET_CONFLICTS,      /* Somebody else says that an address is his. */
    NET_COUNTERS,
};

enum net_state { NET_ABSENT, NET_PROBING, NET_READY, NET_CONFLICT };

/* An address of ours. */
struct net_own {
    struct address address;
    enum net_state state;
    uint32_t announcements; /* Probes, then announcements, sent. */
    uint64_t announce_ns;   /* The next one. */
    uint64_t defended_ns;
    struct mac conflict_mac; /* Of the last conflict. */
};

/* A frame of the stack's own. */
struct net_frame {
    struct list_node node;
    struct packet_piece body; /* A view of a received buffer, sent behind the bytes. */
    uint16_t len;
    uint16_t l2_len;
    uint16_t l3_len; /* 0: ARP. */
    uint16_t ethernet_type;
    struct address hop;
    uint8_t bytes[NET_FRAME_BYTES];
};

struct net {
    struct net_setup setup;
    struct net_own v4;
    struct net_own v6;
    uint64_t announce_ns; /* The earlier of both. */
    struct rate_limit errors;
    struct route_table routes;
    struct neighbor_table neighbors;
    struct list ready; /* Frames to send. */
    struct list free;
    uint32_t frames_used;
    uint64_t counters[NET_COUNTERS];
};

uint64_t net_memory_bytes(const struct net_setup *setup);
/* memory: zeroed, aligned to 64. NULL: a route is not one. */
struct net *net_create(void *memory, const struct net_setup *setup, uint64_t now_ns);

/* Nearly every frame: untagged, to us, in one piece, IPv4 without options, TCP, good sums. True: as
 * NET_TCP. False: net_input finds out step by step what it is, and what is wrong with it. */
MUST_USE bool net_input_usual(struct net *net, const struct packet_in *packet,
                              struct net_segment *segment);
/* So many segments came that the caller has looked at itself, as net_input_usual would have. */
static inline void net_count_usual(struct net *net, uint32_t count)
{
    net->counters[NET_IN_FRAMES] += count;
    net->counters[NET_IN_SEGMENTS] += count;
}
MUST_USE enum net_verdict net_input(struct net *net, const struct packet_in *packet,
                                    struct net_segment *segment, struct icmp_error *error,
                                    uint64_t now_ns);

/* Gives all buffers of a packet or segment back. */
void net_release(struct net *net, const struct packet_piece *first, const struct packet_piece *more,
                 uint32_t more_count);

/* Fills up to count packets (their `header` set by the caller). Returns how many. */
uint32_t net_output(struct net *net, struct packet_out *packets, uint32_t count);
/* The port is done with a packet of PACKET_PIN_BUFFER. */
void net_released(struct net *net, const struct packet_pin *pin);

/* Takes what another instance of the same addresses has learned. */
void net_learn(struct net *net, const struct address *address, const struct mac *mac, uint8_t how,
               uint64_t now_ns);
/* Another instance has heard that an address is not ours: it is not used any more. */
void net_lose(struct net *net, const struct address *address, const struct mac *mac);

void net_turn(struct net *net, uint64_t now_ns);
uint64_t net_next_deadline_ns(const struct net *net);
/* False: neither net_turn nor net_output would do anything. */
static inline bool net_wants_turn(const struct net *net, uint64_t now_ns)
{
    return net->announce_ns <= now_ns || net->neighbors.next_ns <= now_ns ||
           !list_empty(&net->ready);
}
static inline bool net_wants_output(const struct net *net)
{
    return !list_empty(&net->ready);
}

/* ---- For TCP ---- */

/* The way to a target: the index of its neighbour, or NEIGHBOR_NONE when there is no route. */
uint16_t net_hop(struct net *net, const struct address *target, uint64_t now_ns);
static inline bool net_hop_ready(const struct net *net, uint16_t hop)
{
    return hop != NEIGHBOR_NONE && neighbor_has_mac(&net->neighbors, hop);
}
static inline void net_hop_used(struct net *net, uint16_t hop, uint64_t now_ns)
{
    net->neighbors.entries[hop].used_ns = now_ns;
}

/* Writes the Ethernet and IP headers of a TCP packet to a hop that is ready, for any length, which
 * the caller sets, with IPv4's checksum. Returns their length; *l2_len of it Ethernet's. */
uint16_t net_header_write(const struct net *net, uint16_t hop, const struct address *source,
                          const struct address *target, uint8_t *to, uint16_t *l2_len);

/* A frame to `target` whose protocol's bytes begin at the result; NULL when none is to be had.
 * net_frame_end sends it, or has it wait for the neighbour. */
uint8_t *net_frame_begin(struct net *net, const struct address *source,
                         const struct address *target, uint8_t protocol, struct net_frame **frame,
                         uint64_t now_ns);
void net_frame_end(struct net *net, struct net_frame *frame, uint16_t len, uint64_t now_ns);

/* Ours that packets to `target` come from. */
static inline const struct address *net_source(const struct net *net, const struct address *target)
{
    return address_is_v4(target) ? &net->v4.address : &net->v6.address;
}

enum { NET_HEADERS_V4 = 40, NET_HEADERS_V6 = 60 }; /* IP's and TCP's, without options. */

static inline uint16_t net_headers(const struct address *target)
{
    return address_is_v4(target) ? (uint16_t)NET_HEADERS_V4 : (uint16_t)NET_HEADERS_V6;
}

/* The largest TCP segment without options that fits the port. */
static inline uint16_t net_mss(const struct net *net, const struct address *target)
{
    return (uint16_t)(net->setup.mtu - net_headers(target));
}

#endif
