/* Internet addresses: 16 bytes everywhere, IPv4 mapped (::ffff:a.b.c.d, RFC 4291 2.5.5.2). */
#ifndef DATAPLANE_NET_ADDRESS_H
#define DATAPLANE_NET_ADDRESS_H

#include "storage/base/bytes.h"

struct address {
    uint8_t bytes[16];
};

struct mac {
    uint8_t bytes[6];
};

/* v4 in host order: 0x0a000001 is 10.0.0.1. */
static inline struct address address_of_v4(uint32_t v4)
{
    struct address address = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};
    store_be32(address.bytes + 12, v4);
    return address;
}

static inline uint32_t address_v4(const struct address *address)
{
    return load_be32(address->bytes + 12);
}

static inline bool address_equal(const struct address *a, const struct address *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool mac_equal(const struct mac *a, const struct mac *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool mac_is_group(const struct mac *mac)
{
    return (mac->bytes[0] & 1) != 0;
}

/* 0.0.0.0/8, 127/8, multicast and 240/4 are no source of a packet (RFC 1122 3.2.1.3). */
static inline bool address_v4_is_host(uint32_t v4)
{
    return v4 >> 24 != 0 && v4 >> 24 != 127 && v4 >> 28 < 0xe;
}

#endif
