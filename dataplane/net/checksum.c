#include "dataplane/net/checksum.h"

static uint32_t fold(uint64_t sum)
{
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)sum;
}

uint32_t checksum_sum(const void *from, size_t len)
{
    const uint8_t *at = from;
    uint64_t a = 0;
    uint64_t b = 0;
    while (len >= 16) { /* Two chains of additions, 32 bits each: no carry is lost below 64 GiB. */
        uint64_t x;
        uint64_t y;
        memcpy(&x, at, 8);
        memcpy(&y, at + 8, 8);
        a += (x & 0xffffffffu) + (x >> 32);
        b += (y & 0xffffffffu) + (y >> 32);
        at += 16;
        len -= 16;
    }
    a += b;
    while (len >= 2) {
        uint16_t word;
        memcpy(&word, at, 2);
        a += word;
        at += 2;
        len -= 2;
    }
    if (len > 0) {
        uint8_t last[2] = {*at, 0};
        uint16_t word;
        memcpy(&word, last, 2);
        a += word;
    }
    return fold(a);
}

uint32_t checksum_pseudo(const struct address *source, const struct address *target,
                         uint8_t protocol, uint32_t len)
{
    uint8_t bytes[12];
    memcpy(bytes, source->bytes + 12, 4);
    memcpy(bytes + 4, target->bytes + 12, 4);
    bytes[8] = 0;
    bytes[9] = protocol;
    store_be16(bytes + 10, (uint16_t)len);
    return checksum_sum(bytes, sizeof(bytes));
}
