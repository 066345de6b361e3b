/* The internet checksum (RFC 1071): the ones' complement sum of 16-bit words.
 *
 * Sums are kept unfolded in the order of memory, so nothing is swapped: a finished checksum is
 * stored and loaded with memcpy. Parts of odd length are joined by their distance from the start.
 */
#ifndef DATAPLANE_NET_CHECKSUM_H
#define DATAPLANE_NET_CHECKSUM_H

#include "dataplane/net/address.h"

/* The sum of len bytes, folded to 16 bits. */
uint32_t checksum_sum(const void *from, size_t len);

/* Adds the sum of a part that begins `offset` bytes after the start. */
static inline uint32_t checksum_join(uint32_t sum, uint32_t part, size_t offset)
{
    if (offset & 1) {
        part = ((part & 0xff) << 8) | (part >> 8);
    }
    sum += part;
    return (sum & 0xffff) + (sum >> 16);
}

/* What is written into the header, in the order of memory. */
static inline uint16_t checksum_finish(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* The pseudo-header of IPv4 (RFC 9293 3.1), or of IPv6 (RFC 8200 8.1), if source is one: the sums
 * of all 16 bytes, for the 0xffff in front of a mapped address is a zero of this sum. */
uint32_t checksum_pseudo(const struct address *source, const struct address *target,
                         uint8_t protocol, uint32_t len);

#endif
