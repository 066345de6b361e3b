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
    KNOWN_MORE = KNOWN_TCP + 8, /* 16 bytes from the ACK to the options' kinds. */
};

/* 16 bytes that are compared at once. */
typedef uint64_t known_words __attribute__((vector_size(16)));

/* What is alike of the bytes that a frame begins with: all but the peer's MAC. A mark of congestion
 * sets the last bit of the service. */
static const uint8_t known_begin_bits[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,    0,
                                             0,    0,    0,    0,    0xff, 0xff, 0xff, 1};

/* And of those from KNOWN_MORE on: TCP's header has room for timestamps, URG and the like are
 * unlike, PSH may be there or not, and the options are those. */
static const uint8_t known_more[16] = {
    [4] = SEGMENT_USUAL_BYTES << 2,  [5] = SEGMENT_ACK,
    [12] = SEGMENT_OPTION_NOTHING,   [13] = SEGMENT_OPTION_NOTHING,
    [14] = SEGMENT_OPTION_TIMESTAMP, [15] = 10};
static const uint8_t known_more_bits[16] = {
    [4] = 0xff, [5] = (uint8_t)~SEGMENT_PSH, [12] = 0xff, [13] = 0xff, [14] = 0xff, [15] = 0xff};

struct tcp_connection;

struct known_flow {
    _Alignas(32) uint64_t addresses;   /* As they lie in the frame: the peer's, ours; */
    uint32_t ports;                    /* likewise. */
    uint32_t last;                     /* tcp_input's, while it looks whose the frames are. */
    struct tcp_connection *connection; /* NULL: none. */
};

struct known_table {
    uint8_t begin[16]; /* As a frame begins: our MAC, the peer's, IPv4 without options. */
    bool off;          /* Frames have a tag: none is alike. */
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

static inline known_words known_load(const uint8_t *at)
{
    known_words words;
    memcpy(&words, at, sizeof(words));
    return words;
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

/* The flow that a frame is of, which may be the one of nobody, without a connection. NULL: it goes
 * the long way. Its counters are not touched. */
HOT_INLINE struct known_flow *known_find(struct known_table *table, const struct packet_in *packet)
{
    const uint16_t good = PACKET_IP_GOOD | PACKET_L4_GOOD;
    const uint8_t *at = packet->first.bytes.ptr;
    uint64_t addresses;
    if (packet->first.bytes.len < KNOWN_HEADERS) {
        return NULL;
    }
    memcpy(&addresses, at + KNOWN_IP + 12, sizeof(addresses));
    const uint32_t ports = known_word(at + KNOWN_TCP);
    struct known_flow *flow = &table->flows[known_slot(addresses, ports)];
    const known_words odd =
        ((known_load(at) ^ known_load(table->begin)) & known_load(known_begin_bits)) |
        ((known_load(at + KNOWN_MORE) ^ known_load(known_more)) & known_load(known_more_bits));
    const uint32_t way = known_word(at + KNOWN_IP + 6) &
                         known_bytes(IPV4_FRAGMENT_BITS >> 8, IPV4_FRAGMENT_BITS & 0xff, 0, 0xff);
    const uint64_t unlike = odd[0] | odd[1] | (way ^ known_bytes(0, 0, 0, IPV4_TCP)) |
                            (ports ^ flow->ports) | packet->more_count;
    /* Neither less than the headers nor more than the frame. */
    const bool cut =
        known_total(packet) - (KNOWN_HEADERS - KNOWN_IP) > packet->first.bytes.len - KNOWN_HEADERS;
    if (unlike != 0 || addresses != flow->addresses || cut) {
        return NULL;
    }
    return LIKELY(packet->flags == good) || known_sums_good(packet) ? flow : NULL;
}

#endif
