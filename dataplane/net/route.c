#include "dataplane/net/route.h"

static uint32_t mask_of(uint8_t bits)
{
    return bits == 0 ? 0 : 0xffffffffu << (32 - bits);
}

bool route_add(struct route_table *table, struct route route)
{
    if (table->count == ROUTES_MAX || route.prefix_bits > 32 ||
        (route.prefix & ~mask_of(route.prefix_bits)) != 0) {
        return false;
    }
    uint32_t at = table->count++; /* Longest first: the first match is the best. */
    while (at > 0 && table->routes[at - 1].prefix_bits < route.prefix_bits) {
        table->routes[at] = table->routes[at - 1];
        at--;
    }
    table->routes[at] = route;
    return true;
}

/* Whether it names all hosts of the link, or none (RFC 1122 3.2.1.3). */
static bool names_all(const struct route *route, uint32_t target)
{
    const uint32_t hosts = ~mask_of(route->prefix_bits);
    return route->gateway == 0 && route->prefix_bits <= 30 &&
           ((target & hosts) == 0 || (target & hosts) == hosts);
}

uint32_t route_next_hop(const struct route_table *table, uint32_t target)
{
    if (!address_v4_is_host(target)) {
        return 0;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        const struct route *route = &table->routes[i];
        if ((target & mask_of(route->prefix_bits)) == route->prefix) {
            if (names_all(route, target)) {
                return 0;
            }
            return route->gateway != 0 ? route->gateway : target;
        }
    }
    return 0;
}
