/* SipHash-2-4 (Aumasson, Bernstein): a keyed hash for initial sequence numbers (RFC 6528), SYN
 * cookies, port choice. Whoever does not know the key cannot guess the result. */
#ifndef DATAPLANE_TCP_SIPHASH_H
#define DATAPLANE_TCP_SIPHASH_H

#include "storage/base/check.h"

struct siphash_key {
    uint64_t words[2];
};

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t len);

#endif
