/* Reproducible random numbers: xoshiro256** seeded by splitmix64 (Blackman, Vigna). Not for keys.
 *
 * All-zero state is invalid: call random_init. One per core or test; not thread-safe.
 */
#ifndef STORAGE_BASE_RANDOM_H
#define STORAGE_BASE_RANDOM_H

#include "storage/base/check.h"

struct random {
    uint64_t state[4];
};

/* One step of splitmix64; also a good way to mix a few integers into a seed. */
static inline uint64_t random_mix(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline void random_init(struct random *random, uint64_t seed)
{
    for (uint32_t i = 0; i < 4; i++) {
        random->state[i] = random_mix(&seed);
    }
}

static inline uint64_t random_rotate(uint64_t value, uint32_t bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static inline uint64_t random_u64(struct random *random)
{
    uint64_t *s = random->state;
    const uint64_t result = random_rotate(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = random_rotate(s[3], 45);
    return result;
}

/* Uniform in [0, bound), bound > 0; the bias is below bound / 2^64. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
    ASSERT_HOT(bound > 0);
    return (uint64_t)(((unsigned __int128)random_u64(random) * bound) >> 64);
}

/* True in about one of `in` calls. */
static inline bool random_one_in(struct random *random, uint64_t in)
{
    return random_below(random, in) == 0;
}

/* Fills len bytes. */
static inline void random_fill(struct random *random, void *to, size_t len)
{
    uint8_t *at = to;
    while (len > 0) {
        uint64_t value = random_u64(random);
        for (uint32_t i = 0; i < 8 && len > 0; i++, len--) {
            *at++ = (uint8_t)value;
            value >>= 8;
        }
    }
}

#endif
