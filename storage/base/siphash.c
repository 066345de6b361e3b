#include "storage/base/siphash.h"

#include <string.h>

static uint64_t rotate(uint64_t value, uint32_t bits)
{
    return value << bits | value >> (64 - bits);
}

static void rounds(uint64_t v[4], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static void take_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
}

/* mark: of the results that are longer than 64 bits. */
static void begin(uint64_t v[4], const struct siphash_key *key, uint64_t mark)
{
    v[0] = key->words[0] ^ 0x736f6d6570736575u;
    v[1] = key->words[1] ^ 0x646f72616e646f6du ^ mark;
    v[2] = key->words[0] ^ 0x6c7967656e657261u;
    v[3] = key->words[1] ^ 0x7465646279746573u;
}

static void take(uint64_t v[4], const uint8_t *at, size_t len)
{
    uint64_t word;
    for (size_t left = len; left >= 8; left -= 8, at += 8) {
        memcpy(&word, at, 8); /* Little-endian, as every machine this runs on. */
        take_word(v, word);
    }
    word = 0;
    if (len % 8 > 0) {
        memcpy(&word, at, len % 8);
    }
    take_word(v, word | (uint64_t)len << 56);
}

static uint64_t finish(uint64_t v[4])
{
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t len)
{
    uint64_t v[4];
    begin(v, key, 0);
    take(v, bytes, len);
    v[2] ^= 0xff;
    return finish(v);
}

void siphash_128(const struct siphash_key *key, const void *bytes, size_t len, uint64_t hash[2])
{
    uint64_t v[4];
    begin(v, key, 0xee);
    take(v, bytes, len);
    v[2] ^= 0xee;
    hash[0] = finish(v);
    v[1] ^= 0xdd;
    hash[1] = finish(v);
}
