/* ARP packets for IPv4 over Ethernet (RFC 826). What to do with them: neighbor.h, net.h. */
#ifndef DATAPLANE_NET_ARP_H
#define DATAPLANE_NET_ARP_H

#include "dataplane/net/address.h"

enum {
    ARP_BYTES = 28,
    ARP_REQUEST = 1,
    ARP_REPLY = 2,
};

struct arp_packet {
    uint16_t operation;
    struct mac sender_mac;
    uint32_t sender_v4; /* 0: a probe (RFC 5227). */
    struct mac target_mac;
    uint32_t target_v4;
};

/* False when it is not a request or reply of this kind, or cut short, or its sender a group. */
MUST_USE bool arp_parse(struct bytes bytes, struct arp_packet *packet);

/* Writes ARP_BYTES. */
void arp_write(uint8_t *to, const struct arp_packet *packet);

#endif
