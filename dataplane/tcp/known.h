/* Flows heard of lately: which connection a frame is for, by a look at its bytes as they came.
 *
 * Most frames of an open connection are alike: untagged, to us, IPv4 without options, and of TCP
 * the timestamps and nothing else. Such a one is known by its addresses and ports; what it says
 * stands at fixed places. A frame of any other shape, or of a flow that is not among those, goes
 * the long way: net_input_usual or net_input, segment_parse and the flow table, which say the same
 * of these.
 *
 * An entry names a connection from known_remember to known_forget, or until another flow takes its
 * place. Peers may choose ports that fall on one place: each frame then goes the long way.
 */
#ifndef DATAPLANE_TCP_KNOWN_H
#define DATAPLANE_TCP_KNOWN_H

#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv4.h"
#include "dataplane/net/net.h"
#include "dataplane/tcp/flow.h"
#include "dataplane/tcp/segment.h"

enum {
    KNOWN_FLOWS = 256,
    KNOWN_SLOT_BITS = 8,
    KNOWN_IP = ETHERNET_BYTES, /* Where things stand in a frame. */
    KNOWN_TCP = KNOWN_IP + IPV4_BYTES,
    KNOWN_HEADERS = KNOWN_TCP + SEGMENT_USUAL_BYTES,
};

struct tcp_connection;

struct known_flow {
    uint64_t addresses;                /* As they lie in the frame: the peer's, ours; */
    uint32_t ports;                    /* likewise. */
    struct tcp_connection *connection; /* NULL: none. */
};

struct known_table {
    uint32_t mac; /* Ours, as it lies in the frame. */
    uint16_t mac_rest;
    bool off; /* Frames have a tag: none is alike. */
    struct known_flow flows[KNOWN_FLOWS];
};

/* table: zeroed. */
void known_init(struct known_table *table, const struct net *net);

/* connection: established, with timestamps, of this flow. Of IPv6 nothing is remembered. */
void known_remember(struct known_table *table, const struct flow_key *key,
                    struct tcp_connection *connection);
void known_forget(struct known_table *table, const struct flow_key *key,
                  const struct tcp_connection *connection);

/* The connection of an entry, whose flow goes to key; NULL: there is none. For tests. */
struct tcp_connection *known_at(const struct known_table *table, uint32_t slot,
                                struct flow_key *key);

/* True: the sums of a frame of this shape are good, or the port has found them so. */
MUST_USE bool known_sums_good(const struct packet_in *packet);

/* A segment as it stands in a known frame. */
void known_parse(const struct packet_in *packet, struct segment *segment);

static inline uint32_t known_word(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static inline uint32_t known_bytes(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    const uint8_t bytes[4] = {a, b, c, d};
    return known_word(bytes);
}

static inline uint32_t known_slot(uint64_t addresses, uint32_t ports)
{
    const uint64_t odd = 0x9e3779b97f4a7c15;
    return (uint32_t)(((addresses ^ ports) * odd) >> (64 - KNOWN_SLOT_BITS));
}

/* Length of IP's packet in a known frame. */
static inline uint32_t known_total(const struct packet_in *packet)
{
    return load_be16(packet->first.bytes.ptr + KNOWN_IP + 2);
}

/* The connection that a frame is for; NULL: it goes the long way. Its counters are not touched. */
HOT_INLINE struct tcp_connection *known_find(const struct known_table *table,
                                             const struct packet_in *packet)
{
    const uint16_t good = PACKET_IP_GOOD | PACKET_L4_GOOD;
    const uint8_t *at = packet->first.bytes.ptr;
    uint64_t addresses;
    uint16_t mac_rest;
    if (packet->first.bytes.len < KNOWN_HEADERS) {
        return NULL;
    }
    memcpy(&addresses, at + KNOWN_IP + 12, sizeof(addresses));
    memcpy(&mac_rest, at + 4, sizeof(mac_rest));
    const uint32_t ports = known_word(at + KNOWN_TCP);
    const struct known_flow *flow = &table->flows[known_slot(addresses, ports)];
    /* A mark of congestion sets the last bit of the service. URG and the like are unlike; PSH may
     * be there or not. */
    const uint32_t ip = known_word(at + KNOWN_IP - 2) & known_bytes(0xff, 0xff, 0xff, 1);
    const uint32_t way = known_word(at + KNOWN_IP + 6) &
                         known_bytes(IPV4_FRAGMENT_BITS >> 8, IPV4_FRAGMENT_BITS & 0xff, 0, 0xff);
    const uint32_t what =
        known_word(at + KNOWN_TCP + 12) & known_bytes(0xff, (uint8_t)~SEGMENT_PSH, 0, 0);
    const uint32_t unlike =
        (known_word(at) ^ table->mac) | (uint32_t)(mac_rest ^ table->mac_rest) |
        (ip ^ known_bytes(ETHERNET_IPV4 >> 8, ETHERNET_IPV4 & 0xff, 0x45, 0)) |
        (way ^ known_bytes(0, 0, 0, IPV4_TCP)) |
        (what ^ known_bytes((KNOWN_HEADERS - KNOWN_TCP) << 2, SEGMENT_ACK, 0, 0)) |
        (known_word(at + KNOWN_TCP + SEGMENT_BYTES) ^ known_bytes(SEGMENT_OPTION_NOTHING,
                                                                  SEGMENT_OPTION_NOTHING,
                                                                  SEGMENT_OPTION_TIMESTAMP, 10)) |
        (ports ^ flow->ports) | packet->more_count;
    /* Neither less than the headers nor more than the frame. */
    const bool cut =
        known_total(packet) - (KNOWN_HEADERS - KNOWN_IP) > packet->first.bytes.len - KNOWN_HEADERS;
    if (unlike != 0 || addresses != flow->addresses || cut) {
        return NULL;
    }
    return LIKELY(packet->flags == good) || known_sums_good(packet) ? flow->connection : NULL;
}

#endif
