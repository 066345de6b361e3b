/* SipHash-2-4 (Aumasson, Bernstein): a keyed hash. Whoever does not know the key cannot guess the
 * result, nor make two inputs meet.
 */
#ifndef STORAGE_BASE_SIPHASH_H
#define STORAGE_BASE_SIPHASH_H

#include "storage/base/check.h"

struct siphash_key {
    uint64_t words[2];
};

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t len);

/* 128 bits, as in the authors' reference. */
void siphash_128(const struct siphash_key *key, const void *bytes, size_t len, uint64_t hash[2]);

#endif
