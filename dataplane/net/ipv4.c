#include "dataplane/net/ipv4.h"

#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"

enum {
    OPTION_END = 0,
    OPTION_NOTHING = 1,
    OPTION_LOOSE_ROUTE = 131,
    OPTION_STRICT_ROUTE = 137,
    FLAG_DONT_FRAGMENT = 0x4000,
};

/* Options are skipped; a source route would let the sender choose our route (RFC 6274 3.13.2.3). */
static bool options_good(const uint8_t *at, uint32_t len)
{
    while (len > 0) {
        if (*at == OPTION_END) {
            return true;
        }
        if (*at == OPTION_NOTHING) {
            at++;
            len--;
            continue;
        }
        if (len < 2 || at[1] < 2 || at[1] > len || *at == OPTION_LOOSE_ROUTE ||
            *at == OPTION_STRICT_ROUTE) {
            return false;
        }
        const uint32_t option_len = at[1];
        at += option_len;
        len -= option_len;
    }
    return true;
}

enum ipv4_status ipv4_parse(struct bytes head, uint32_t packet_len, bool checksum_good,
                            struct ipv4_header *header)
{
    if (head.len < IPV4_BYTES) {
        return IPV4_SHORT;
    }
    const uint32_t header_len = (head.ptr[0] & 0xfu) * 4;
    const uint16_t total_len = load_be16(head.ptr + 2);
    if (head.ptr[0] >> 4 != 4 || header_len < IPV4_BYTES || total_len < header_len) {
        return IPV4_BAD_HEADER;
    }
    if (header_len > head.len || total_len > packet_len) {
        return IPV4_TRUNCATED;
    }
    if (!checksum_good && checksum_finish(checksum_sum(head.ptr, header_len)) != 0) {
        return IPV4_BAD_CHECKSUM;
    }
    if (!options_good(head.ptr + IPV4_BYTES, header_len - IPV4_BYTES)) {
        return IPV4_BAD_OPTIONS;
    }
    *header = (struct ipv4_header){.source = load_be32(head.ptr + 12),
                                   .target = load_be32(head.ptr + 16),
                                   .total_len = total_len,
                                   .header_len = (uint8_t)header_len,
                                   .protocol = head.ptr[9],
                                   .ttl = head.ptr[8],
                                   .ecn = head.ptr[1] & 3};
    if (load_be16(head.ptr + 6) & IPV4_FRAGMENT_BITS) {
        return IPV4_FRAGMENT;
    }
    return address_v4_is_host(header->source) ? IPV4_OK : IPV4_BAD_SOURCE;
}

void ipv4_write(uint8_t *to, const struct ipv4_header *header, bool checksum)
{
    to[0] = 0x45;
    to[1] = header->ecn;
    store_be16(to + 2, header->total_len);
    store_be16(to + 4, 0);
    store_be16(to + 6, FLAG_DONT_FRAGMENT);
    to[8] = header->ttl;
    to[9] = header->protocol;
    store_be16(to + 10, 0);
    store_be32(to + 12, header->source);
    store_be32(to + 16, header->target);
    if (checksum) {
        const uint16_t sum = checksum_finish(checksum_sum(to, IPV4_BYTES));
        memcpy(to + 10, &sum, sizeof(sum));
    }
}

bool ipv4_sum_is_partial(struct bytes frame)
{
    enum { SUM_AT = 16, TCP_MIN = 20 };
    const uint8_t *ip = frame.ptr + ETHERNET_BYTES;
    if (frame.len < ETHERNET_BYTES + IPV4_BYTES + TCP_MIN || load_be16(ip - 2) != ETHERNET_IPV4 ||
        ip[0] != 0x45 || ip[9] != IPV4_TCP) {
        return false;
    }
    const struct address source = address_of_v4(load_be32(ip + 12));
    const struct address target = address_of_v4(load_be32(ip + 16));
    const uint32_t len = load_be16(ip + 2);
    const uint32_t sum =
        len < IPV4_BYTES ? 0 : checksum_pseudo(&source, &target, IPV4_TCP, len - IPV4_BYTES);
    const uint16_t whole = checksum_finish(sum);
    uint16_t field;
    memcpy(&field, ip + IPV4_BYTES + SUM_AT, sizeof(field));
    return (field ^ whole) == UINT16_MAX; /* Not complemented yet. */
}
