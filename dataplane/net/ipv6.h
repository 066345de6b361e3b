/* The IPv6 header (RFC 8200): strict in, simple out. Extension headers are walked, a bounded number
 * of them; fragments are refused, as those of IPv4 are (ipv4.h says why). */
#ifndef DATAPLANE_NET_IPV6_H
#define DATAPLANE_NET_IPV6_H

#include "dataplane/net/ipv4.h"

enum {
    IPV6_BYTES = 40,
    IPV6_ICMP = 58,
    IPV6_NOTHING = 59, /* No next header. */
    IPV6_HOP_LIMIT = 64,
    IPV6_MTU_MIN = 1280,     /* Every link carries that much. */
    IPV6_EXTENSIONS_MAX = 8, /* Of one packet; RFC 8504 5.3 allows a limit. */
    IPV6_ECN_SHIFT = 4,      /* Of the second byte. */
};

enum ipv6_status {
    IPV6_OK,
    IPV6_SHORT,      /* Less than a header. */
    IPV6_BAD_HEADER, /* Version, an extension that ends behind the packet, or too many of them. */
    IPV6_TRUNCATED,  /* The frame ends before the packet does, or before its extensions. */
    IPV6_BAD_FIELD,  /* A routing header that names another hop. header->wrong_at says where. */
    IPV6_BAD_OPTION, /* One that is not to be skipped. The same. */
    IPV6_FRAGMENT,
    IPV6_BAD_SOURCE, /* An address that no host has; :: is for solicitations (net6.c). */
};

struct ipv6_header {
    struct address source;
    struct address target;
    uint32_t total_len;  /* Of the packet. */
    uint16_t header_len; /* With all extensions. */
    uint16_t next_at;    /* Where the protocol is named. */
    uint16_t wrong_at;   /* What is not understood. */
    uint8_t protocol;
    uint8_t hop_limit;
    uint8_t ecn;
    bool tell; /* The sender is to hear what is wrong (ICMP Parameter Problem). */
};

/* Checks the header at the start of `head` and all extensions, which must lie in it. packet_len:
 * bytes of the packet including those behind head, padding too. *header is filled but for SHORT and
 * BAD_HEADER. */
MUST_USE enum ipv6_status ipv6_parse(struct bytes head, uint32_t packet_len,
                                     struct ipv6_header *header);

/* Writes IPV6_BYTES, without flow label; the payload's length is 0. */
void ipv6_write(uint8_t *to, const struct address *source, const struct address *target,
                uint8_t protocol, uint8_t hop_limit);
/* len: of everything behind the header. */
static inline void ipv6_write_length(uint8_t *ip, uint32_t len)
{
    store_be16(ip + 4, (uint16_t)len);
}

/* The group that is asked for an address (RFC 4291 2.7.1): ff02::1:ff and its last three bytes. */
struct address ipv6_solicited_group(const struct address *address);
extern const struct address ipv6_all_nodes; /* ff02::1 */
/* The MAC of a group (RFC 2464 7): 33:33 and its last four bytes. */
struct mac ipv6_group_mac(const struct address *group);

/* What a host with this address listens to besides (RFC 4291 2.8). Returns IPV6_GROUPS. */
enum { IPV6_GROUPS = 2 };
uint32_t ipv6_groups(const struct address *own, struct mac groups[IPV6_GROUPS]);

/* As ipv4_sum_is_partial. */
bool ipv6_sum_is_partial(struct bytes frame);
static inline bool ip_sum_is_partial(struct bytes frame)
{
    return ipv4_sum_is_partial(frame) || ipv6_sum_is_partial(frame);
}

#endif
