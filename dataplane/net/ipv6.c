#include "dataplane/net/ipv6.h"

#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv4.h"

enum {
    HEADER_HOP_OPTIONS = 0,
    HEADER_ROUTING = 43,
    HEADER_FRAGMENT = 44,
    HEADER_OPTIONS = 60,
    NEXT_AT = 6,
    OPTION_PAD = 0,
    FRAGMENT_BITS = 0xfff9, /* The offset, and more fragments. */
};

const struct address ipv6_all_nodes = {{0xff, 2, [15] = 1}};

/* The options of one header, at `at` of the packet. Nobody needs one of us: each says by its upper
 * bits what is to be done about that (RFC 8200 4.2). */
static enum ipv6_status options_walk(const uint8_t *packet, uint32_t at, uint32_t end,
                                     struct ipv6_header *header)
{
    while (at < end) {
        if (packet[at] == OPTION_PAD) {
            at++;
            continue;
        }
        if (end - at < 2 || packet[at + 1] > end - at - 2) {
            return IPV6_BAD_HEADER;
        }
        if (packet[at] >> 6 != 0) {
            header->wrong_at = (uint16_t)at;
            header->tell = packet[at] >> 6 >= 2;
            return IPV6_BAD_OPTION;
        }
        at += 2u + packet[at + 1];
    }
    return IPV6_OK;
}

/* The extension at `at`, of len bytes. */
static enum ipv6_status extension_take(const uint8_t *packet, uint32_t at, uint32_t len,
                                       struct ipv6_header *header)
{
    switch (header->protocol) {
    case HEADER_ROUTING: /* RFC 8200 4.4, RFC 5095: at its end it means nothing any more. */
        if (packet[at + 3] != 0) {
            header->wrong_at = (uint16_t)(at + 2);
            header->tell = true;
            return IPV6_BAD_FIELD;
        }
        return IPV6_OK;
    case HEADER_FRAGMENT: /* One of the whole packet is none (RFC 6946). */
        return (load_be16(packet + at + 2) & FRAGMENT_BITS) != 0 ? IPV6_FRAGMENT : IPV6_OK;
    default: return options_walk(packet, at + 2, at + len, header);
    }
}

static bool is_extension(const struct ipv6_header *header)
{
    return (header->protocol == HEADER_HOP_OPTIONS && header->next_at == NEXT_AT) ||
           header->protocol == HEADER_ROUTING || header->protocol == HEADER_FRAGMENT ||
           header->protocol == HEADER_OPTIONS;
}

static enum ipv6_status extensions_walk(struct bytes head, struct ipv6_header *header)
{
    for (uint32_t count = 0; is_extension(header); count++) {
        const uint32_t at = header->header_len;
        if (count == IPV6_EXTENSIONS_MAX || header->total_len - at < 8) {
            return IPV6_BAD_HEADER;
        }
        if (head.len - at < 8) {
            return IPV6_TRUNCATED;
        }
        const uint32_t len =
            header->protocol == HEADER_FRAGMENT ? 8 : 8 + 8 * (uint32_t)head.ptr[at + 1];
        if (len > header->total_len - at) {
            return IPV6_BAD_HEADER;
        }
        if (len > head.len - at) {
            return IPV6_TRUNCATED;
        }
        const enum ipv6_status status = extension_take(head.ptr, at, len, header);
        if (status != IPV6_OK) {
            return status;
        }
        header->next_at = (uint16_t)at;
        header->protocol = head.ptr[at];
        header->header_len = (uint16_t)(at + len);
    }
    return IPV6_OK;
}

enum ipv6_status ipv6_parse(struct bytes head, uint32_t packet_len, struct ipv6_header *header)
{
    if (head.len < IPV6_BYTES) {
        return IPV6_SHORT;
    }
    if (head.ptr[0] >> 4 != 6) {
        return IPV6_BAD_HEADER;
    }
    *header = (struct ipv6_header){.total_len = IPV6_BYTES + (uint32_t)load_be16(head.ptr + 4),
                                   .header_len = IPV6_BYTES,
                                   .next_at = NEXT_AT,
                                   .protocol = head.ptr[NEXT_AT],
                                   .hop_limit = head.ptr[7],
                                   .ecn = head.ptr[1] >> IPV6_ECN_SHIFT & 3};
    memcpy(header->source.bytes, head.ptr + 8, 16);
    memcpy(header->target.bytes, head.ptr + 24, 16);
    if (header->total_len > packet_len) {
        return IPV6_TRUNCATED;
    }
    if ((!address_is_host(&header->source) && !address_is_zero(&header->source)) ||
        address_is_v4(&header->source)) {
        return IPV6_BAD_SOURCE;
    }
    head.len = min_u32(head.len, header->total_len);
    return extensions_walk(head, header);
}

void ipv6_write(uint8_t *to, const struct address *source, const struct address *target,
                uint8_t protocol, uint8_t hop_limit)
{
    store_be32(to, 6u << 28);
    store_be16(to + 4, 0);
    to[NEXT_AT] = protocol;
    to[7] = hop_limit;
    memcpy(to + 8, source->bytes, 16);
    memcpy(to + 24, target->bytes, 16);
}

struct address ipv6_solicited_group(const struct address *address)
{
    struct address group = {{0xff, 2, [11] = 1, [12] = 0xff}};
    memcpy(group.bytes + 13, address->bytes + 13, 3);
    return group;
}

struct mac ipv6_group_mac(const struct address *group)
{
    struct mac mac = {{0x33, 0x33}};
    memcpy(mac.bytes + 2, group->bytes + 12, 4);
    return mac;
}

uint32_t ipv6_groups(const struct address *own, struct mac groups[IPV6_GROUPS])
{
    const struct address solicited = ipv6_solicited_group(own);
    groups[0] = ipv6_group_mac(&ipv6_all_nodes);
    groups[1] = ipv6_group_mac(&solicited);
    return IPV6_GROUPS;
}

bool ipv6_sum_is_partial(struct bytes frame)
{
    enum { SUM_AT = 16, TCP_MIN = 20 };
    const uint8_t *ip = frame.ptr + ETHERNET_BYTES;
    if (frame.len < ETHERNET_BYTES + IPV6_BYTES + TCP_MIN || load_be16(ip - 2) != ETHERNET_IPV6 ||
        ip[NEXT_AT] != IPV4_TCP) {
        return false;
    }
    struct address source;
    struct address target;
    memcpy(source.bytes, ip + 8, 16);
    memcpy(target.bytes, ip + 24, 16);
    const uint16_t whole =
        checksum_finish(checksum_pseudo(&source, &target, IPV4_TCP, load_be16(ip + 4)));
    uint16_t field;
    memcpy(&field, ip + IPV6_BYTES + SUM_AT, sizeof(field));
    return (field ^ whole) == UINT16_MAX; /* Not complemented yet. */
}
