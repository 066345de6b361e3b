/* Hashes of what clients name. Keyed by a number of the broker's own: who sends the names cannot
 * choose ones that fall on the same place and make a core walk them all. */
#ifndef DATAPLANE_BROKER_HASH_H
#define DATAPLANE_BROKER_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "storage/base/bytes.h"

static inline uint64_t hash_named(struct bytes name, uint64_t key)
{
    return XXH3_64bits_withSeed(name.ptr == NULL ? (const uint8_t *)"" : name.ptr, name.len, key);
}

#endif
