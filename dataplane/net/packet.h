/* Packets as the stack sees them, in both directions. Ports implement them over their own buffers.
 *
 * In: a frame is given to the stack with its buffers; each buffer comes back through
 * net_setup.release exactly once, when its last byte was consumed or at once.
 *
 * Out: the port asks for packets when it has room (pull), lends memory for the headers, and finds
 * there the headers and views of the payload. The views stay valid until the port has given the
 * packet's pin back: a sent extent is pinned until acknowledged and released by the port. A packet
 * is built anew for each (re)transmission.
 */
#ifndef DATAPLANE_NET_PACKET_H
#define DATAPLANE_NET_PACKET_H

#include "storage/base/bytes.h"

enum {
    PACKET_HEADER_BYTES = 128, /* Ethernet, VLAN, IPv6, TCP with all options: 118. */
    PACKET_PARTS_MAX = 16,     /* Views of payload in one packet. */
    PACKET_BYTES_MAX = 65535,  /* IPv4's total length; of IPv6 no more either. */
};

/* What the port found out about a received packet. Neither GOOD nor BAD: nobody looked. */
enum packet_in_flags {
    PACKET_IP_GOOD = 1,
    PACKET_IP_BAD = 2,
    PACKET_L4_GOOD = 4,
    PACKET_L4_BAD = 8,
};

struct packet_piece {
    struct bytes bytes;
    void *buffer;
};

struct packet_in {
    struct packet_piece first;       /* From the ethernet header; every header lies in it. */
    const struct packet_piece *more; /* The payload goes on here. Borrowed; the buffers given. */
    uint16_t more_count;
    uint16_t flags;    /* enum packet_in_flags. */
    uint16_t segments; /* So many segments of the wire were merged into it (LRO); at least 1. */
};

/* What the port is to do. Without TCP_CHECKSUM the stack has summed everything itself; with it the
 * checksum field holds the pseudo-header's sum. */
enum packet_out_flags {
    PACKET_OUT_IP_CHECKSUM = 1,
    PACKET_OUT_TCP_CHECKSUM = 2,
    PACKET_OUT_TSO = 4,
    PACKET_OUT_IPV6 = 8, /* Else what is asked for is about IPv4. */
};

enum packet_pin_kind {
    PACKET_PIN_NONE,
    PACKET_PIN_EXTENTS,   /* Parts of sends. */
    PACKET_PIN_BUFFER,    /* A received buffer, of which the payload is a view. */
    PACKET_PIN_EXCEPTION, /* A frame of the kernel's. */
};

struct packet_pin {
    enum packet_pin_kind kind;
    uint32_t count;
    void *holder;
};

struct packet_out {
    uint8_t *header; /* Lent by the port: PACKET_HEADER_BYTES of writable memory. */
    uint16_t header_len;
    uint16_t l2_len;
    uint16_t l3_len;
    uint16_t l4_len;
    uint16_t flags;     /* enum packet_out_flags. */
    uint16_t tso_bytes; /* Payload of each segment when TSO is asked for. */
    uint32_t payload_len;
    uint32_t part_count;
    struct bytes parts[PACKET_PARTS_MAX];
    struct packet_pin pin; /* Given back with tcp_released, or net_released, unless NONE. */
};

#endif
