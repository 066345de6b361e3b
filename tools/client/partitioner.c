#include "tools/client/partitioner.h"

uint32_t partitioner_murmur2(struct bytes key)
{
    const uint32_t m = 0x5bd1e995u;
    uint32_t h = 0x9747b28cu ^ key.len;
    uint32_t at = 0;
    for (; at + 4 <= key.len; at += 4) {
        uint32_t k = (uint32_t)key.ptr[at] | (uint32_t)key.ptr[at + 1] << 8 |
                     (uint32_t)key.ptr[at + 2] << 16 | (uint32_t)key.ptr[at + 3] << 24;
        k *= m;
        k ^= k >> 24;
        k *= m;
        h *= m;
        h ^= k;
    }
    const uint32_t left = key.len - at;
    for (uint32_t i = left; i > 0; i--) {
        h ^= (uint32_t)key.ptr[at + i - 1] << (8 * (i - 1));
    }
    h = left > 0 ? h * m : h;
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return h;
}
