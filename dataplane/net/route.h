/* Static routes: the longest prefix wins. A handful of them; looked up per connection, not per
 * packet. */
#ifndef DATAPLANE_NET_ROUTE_H
#define DATAPLANE_NET_ROUTE_H

#include "dataplane/net/address.h"

enum { ROUTES_MAX = 16 };

struct route {
    uint32_t prefix; /* IPv4, host order. */
    uint8_t prefix_bits;
    uint32_t gateway; /* 0: on the link. */
};

struct route_table {
    struct route routes[ROUTES_MAX];
    uint32_t count;
};

/* False when the table is full, or bits of the prefix lie behind its length. */
MUST_USE bool route_add(struct route_table *table, struct route route);

/* The address to send to for `target`: the gateway's or its own; 0: no route, or not
 * one host (RFC 9293 MUST-46). */
uint32_t route_next_hop(const struct route_table *table, uint32_t target);

#endif
