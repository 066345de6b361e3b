/* Neighbour discovery's packets (RFC 4861 4.3, 4.4): solicitations and advertisements, as ARP's
 * requests and replies for IPv4. What to do with them: net6.c. */
#ifndef DATAPLANE_NET_ND_H
#define DATAPLANE_NET_ND_H

#include "dataplane/net/icmp6.h"

enum {
    ND_BYTES_MAX = 32,  /* Of what we write. */
    ND_HOP_LIMIT = 255, /* Less has passed a router, and is none of this link. */
};

struct nd_packet {
    bool advertisement; /* Else a solicitation. */
    bool solicited;     /* Flags of an advertisement. */
    bool override;
    bool has_mac; /* Of the sender, or in an advertisement of the target. */
    struct mac mac;
    struct address target;
};

/* False: it is not valid (RFC 4861 7.1): its code, its length, its options, or its target is a
 * group. Hop limit, checksum and addresses are the caller's. */
MUST_USE bool nd_parse(struct bytes message, struct nd_packet *packet);

/* Writes the message with its checksum, from source to target of the IP header. Its length. */
uint16_t nd_write(uint8_t *to, const struct nd_packet *packet, const struct address *source,
                  const struct address *target);

#endif
