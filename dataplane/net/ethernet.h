/* Ethernet II frames, with or without one 802.1Q tag. */
#ifndef DATAPLANE_NET_ETHERNET_H
#define DATAPLANE_NET_ETHERNET_H

#include "dataplane/net/address.h"

enum {
    ETHERNET_BYTES = 14,
    ETHERNET_TAG_BYTES = 4,
    ETHERNET_IPV4 = 0x0800,
    ETHERNET_ARP = 0x0806,
    ETHERNET_VLAN = 0x8100,
    ETHERNET_IPV6 = 0x86dd,
};

struct ethernet_header {
    struct mac target;
    struct mac source;
    uint16_t type;
    uint16_t vlan; /* The VLAN's number, 0 without tag (or with a priority tag). */
    uint16_t len;  /* Bytes of the header. */
};

/* False when the frame is too short. */
static inline bool ethernet_parse(struct bytes frame, struct ethernet_header *header)
{
    if (frame.len < ETHERNET_BYTES) {
        return false;
    }
    memcpy(header->target.bytes, frame.ptr, 6);
    memcpy(header->source.bytes, frame.ptr + 6, 6);
    header->type = load_be16(frame.ptr + 12);
    header->vlan = 0;
    header->len = ETHERNET_BYTES;
    if (header->type == ETHERNET_VLAN) {
        if (frame.len < ETHERNET_BYTES + ETHERNET_TAG_BYTES) {
            return false;
        }
        header->vlan = load_be16(frame.ptr + 14) & 0xfff;
        header->type = load_be16(frame.ptr + 16);
        header->len = ETHERNET_BYTES + ETHERNET_TAG_BYTES;
    }
    return true;
}

/* Writes the header; vlan 0: untagged. Returns its length. */
static inline uint16_t ethernet_write(uint8_t *to, const struct mac *target,
                                      const struct mac *source, uint16_t vlan, uint16_t type)
{
    memcpy(to, target->bytes, 6);
    memcpy(to + 6, source->bytes, 6);
    if (vlan == 0) {
        store_be16(to + 12, type);
        return ETHERNET_BYTES;
    }
    store_be16(to + 12, ETHERNET_VLAN);
    store_be16(to + 14, vlan);
    store_be16(to + 16, type);
    return ETHERNET_BYTES + ETHERNET_TAG_BYTES;
}

#endif
