#include "dataplane/net/route.h"

static struct address masked(const struct address *address, uint8_t bits)
{
    struct address result = *address;
    for (uint32_t i = bits / 8u; i < sizeof(result.bytes); i++) {
        const uint32_t kept = i == bits / 8u ? 0xff00u >> bits % 8u : 0;
        result.bytes[i] = (uint8_t)(result.bytes[i] & kept);
    }
    return result;
}

struct route route_of_host(const struct address *host, uint8_t prefix_bits)
{
    return (struct route){.prefix = masked(host, prefix_bits), .prefix_bits = prefix_bits};
}

bool route_add(struct route_table *table, const struct route *route)
{
    const bool v4 = address_is_v4(&route->prefix);
    const struct address prefix = masked(&route->prefix, route->prefix_bits);
    if (table->count == ROUTES_MAX || route->prefix_bits > 128 ||
        (v4 && route->prefix_bits < ROUTE_BITS_V4) || !address_equal(&prefix, &route->prefix)) {
        return false;
    }
    uint32_t at = table->count++; /* Longest first: the first match is the best. */
    while (at > 0 && table->routes[at - 1].prefix_bits < route->prefix_bits) {
        table->routes[at] = table->routes[at - 1];
        at--;
    }
    table->routes[at] = *route;
    return true;
}

/* Whether it names all hosts of the link, or none (RFC 1122 3.2.1.3); of IPv6 only multicast does,
 * which is no host's. */
static bool names_all(const struct route *route, const struct address *target)
{
    if (!address_is_v4(target) || !address_is_zero(&route->gateway) || route->prefix_bits > 126) {
        return false;
    }
    const uint32_t hosts = UINT32_MAX >> (route->prefix_bits - ROUTE_BITS_V4);
    const uint32_t host = address_v4(target) & hosts;
    return host == 0 || host == hosts;
}

bool route_next_hop(const struct route_table *table, const struct address *target,
                    struct address *hop)
{
    const bool v4 = address_is_v4(target);
    if (!address_is_host(target)) {
        return false;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        const struct route *route = &table->routes[i];
        const struct address prefix = masked(target, route->prefix_bits);
        if (address_equal(&prefix, &route->prefix) && address_is_v4(&route->prefix) == v4) {
            *hop = address_is_zero(&route->gateway) ? *target : route->gateway;
            return !names_all(route, target);
        }
    }
    return false;
}
