/* Static routes: the longest prefix wins. A handful of them; looked up per connection, not per
 * packet. IPv4 and IPv6 never meet: a route is of the family of its prefix. */
#ifndef DATAPLANE_NET_ROUTE_H
#define DATAPLANE_NET_ROUTE_H

#include "dataplane/net/address.h"

enum { ROUTES_MAX = 16, ROUTE_BITS_V4 = 96 /* In front of an IPv4 address. */ };

struct route {
    struct address prefix;
    uint8_t prefix_bits;    /* Of 128; of IPv4 at least ROUTE_BITS_V4. */
    struct address gateway; /* Zero: on the link. */
};

struct route_table {
    struct route routes[ROUTES_MAX];
    uint32_t count;
};

/* All in host order; gateway 0: on the link. */
static inline struct route route_v4(uint32_t prefix, uint8_t prefix_bits, uint32_t gateway)
{
    struct route route = {.prefix = address_of_v4(prefix),
                          .prefix_bits = (uint8_t)(ROUTE_BITS_V4 + prefix_bits)};
    if (gateway != 0) {
        route.gateway = address_of_v4(gateway);
    }
    return route;
}

/* The network on the link in which an address lies. */
struct route route_of_host(const struct address *host, uint8_t prefix_bits);

/* False when the table is full, or bits of the prefix lie behind its length. */
MUST_USE bool route_add(struct route_table *table, const struct route *route);

/* The address to send to for `target`: the gateway's or its own. False: no route, or not one host
 * (RFC 9293 MUST-46). */
MUST_USE bool route_next_hop(const struct route_table *table, const struct address *target,
                             struct address *hop);

#endif
