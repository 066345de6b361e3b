/* The IPv4 header (RFC 791): strict in, simple out. Fragments are refused: nobody in a data centre
 * needs them for TCP, and reassembly is a way to be attacked. */
#ifndef DATAPLANE_NET_IPV4_H
#define DATAPLANE_NET_IPV4_H

#include "dataplane/net/address.h"

enum {
    IPV4_BYTES = 20,
    IPV4_BYTES_MAX = 60,
    IPV4_ICMP = 1,
    IPV4_TCP = 6,
    IPV4_UDP = 17,
    IPV4_TTL = 64,
    IPV4_FRAGMENT_BITS = 0x3fff, /* More fragments, and the offset. */
};

enum ipv4_status {
    IPV4_OK,
    IPV4_SHORT,        /* Less than a header. */
    IPV4_BAD_HEADER,   /* Version, header length, or total length below the header's. */
    IPV4_TRUNCATED,    /* The frame ends before the total length does. */
    IPV4_BAD_CHECKSUM, /* Of the header. */
    IPV4_BAD_OPTIONS,  /* A source route, or an option that runs out of the header. */
    IPV4_FRAGMENT,
    IPV4_BAD_SOURCE, /* An address that no host has. */
};

struct ipv4_header {
    uint32_t source;
    uint32_t target;
    uint16_t total_len;
    uint8_t header_len;
    uint8_t protocol;
    uint8_t ttl;
    uint8_t ecn; /* The two bits of RFC 3168. */
};

/* Checks the header at the start of `head`. packet_len: bytes of the packet including those behind
 * head, padding too. checksum_good: the port has verified it. */
MUST_USE enum ipv4_status ipv4_parse(struct bytes head, uint32_t packet_len, bool checksum_good,
                                     struct ipv4_header *header);

/* Writes IPV4_BYTES with DF set; id 0, since unfragmented packets need none (RFC 6864). The
 * checksum is written unless it is left to the port. */
void ipv4_write(uint8_t *to, const struct ipv4_header *header, bool checksum);

/* True when a frame's TCP segment has only the pseudo-header's sum in the place of its own: the
 * kernel leaves the rest to the device, and a virtual one hands the frame on as it is. Frames of a
 * wire have the whole sum. */
bool ipv4_sum_is_partial(struct bytes frame);

#endif
