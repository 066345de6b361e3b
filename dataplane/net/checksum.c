#include "dataplane/net/checksum.h"

static uint32_t fold(uint64_t sum)
{
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)sum;
}

static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* What is carried out of 64 bits is worth 1: the sum is one of complements. */
static inline uint64_t add(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

struct block {
    uint8_t bytes[32];
};

static inline uint64_t add_32(uint64_t sum, const uint8_t *at)
{
#ifdef __x86_64__ /* No compiler of today keeps the carry in its flag. */
    __asm__("addq (%1), %0\n\tadcq 8(%1), %0\n\tadcq 16(%1), %0\n\tadcq 24(%1), %0\n\tadcq $0, %0"
            : "+r"(sum)
            : "r"(at), "m"(*(const struct block *)(const void *)at)
            : "cc");
    return sum;
#else
    return add(add(add(add(sum, word_at(at)), word_at(at + 8)), word_at(at + 16)),
               word_at(at + 24));
#endif
}

uint32_t checksum_sum(const void *from, size_t len)
{
    const uint8_t *at = from;
    uint64_t sum = 0;
    for (; len >= 32; at += 32, len -= 32) {
        sum = add_32(sum, at);
    }
    for (; len >= 8; at += 8, len -= 8) {
        sum = add(sum, word_at(at));
    }
    uint64_t a = (sum & 0xffffffffu) + (sum >> 32);
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
    const uint8_t bytes[4] = {0, protocol, (uint8_t)(len >> 8), (uint8_t)len};
    uint32_t last;
    memcpy(&last, bytes, sizeof(last));
    uint64_t sum = add(word_at(source->bytes), word_at(source->bytes + 8));
    sum = add(sum, word_at(target->bytes));
    sum = add(sum, word_at(target->bytes + 8));
    return fold(add(sum, last));
}
