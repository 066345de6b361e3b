#include "dataplane/nic/toeplitz.h"

#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv4.h"

uint32_t toeplitz_hash(const uint8_t *key, const uint8_t *input, uint32_t len)
{
    uint32_t hash = 0;
    for (uint32_t i = 0; i < len; i++) {
        const uint64_t window = (uint64_t)load_be32(key + i) << 8 | key[i + 4];
        for (uint32_t bit = 0; bit < 8; bit++) {
            if (input[i] & 0x80 >> bit) {
                hash ^= (uint32_t)(window >> (8 - bit));
            }
        }
    }
    return hash;
}

uint32_t toeplitz_input(struct bytes frame, uint8_t input[TOEPLITZ_INPUT_MAX])
{
    enum { V4_LEN = 8, V6_HEADER = 40, V6_LEN = 32, PORTS = 4 };
    struct ethernet_header header;
    if (!ethernet_parse(frame, &header)) {
        return 0;
    }
    const uint8_t *ip = frame.ptr + header.len;
    const uint32_t left = frame.len - header.len;
    if (header.type == ETHERNET_IPV4 && left >= IPV4_BYTES + PORTS && ip[0] == 0x45 &&
        ip[9] == IPV4_TCP && (load_be16(ip + 6) & IPV4_FRAGMENT_BITS) == 0) {
        memcpy(input, ip + 12, V4_LEN + PORTS);
        return V4_LEN + PORTS;
    }
    if (header.type == ETHERNET_IPV6 && left >= V6_HEADER + PORTS && ip[6] == IPV4_TCP) {
        memcpy(input, ip + 8, V6_LEN + PORTS);
        return V6_LEN + PORTS;
    }
    return 0;
}
