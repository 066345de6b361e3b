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

static inline bool address_is_v4(const struct address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

/* :: of IPv6. */
static inline bool address_is_zero(const struct address *address)
{
    static const struct address zero;
    return memcmp(address, &zero, sizeof(zero)) == 0;
}

static inline bool address_v6_is_group(const struct address *address)
{
    return address->bytes[0] == 0xff;
}

/* fe80::/10: good on one link only. */
static inline bool address_v6_is_link_local(const struct address *address)
{
    return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
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

/* Neither are ::, ::1 and multicast of IPv6 (RFC 4291 2.5.2, 2.5.3, 2.7). */
static inline bool address_is_host(const struct address *address)
{
    static const uint8_t none[15];
    if (address_is_v4(address)) {
        return address_v4_is_host(address_v4(address));
    }
    return !address_v6_is_group(address) &&
           (memcmp(address->bytes, none, sizeof(none)) != 0 || address->bytes[15] > 1);
}

#endif
