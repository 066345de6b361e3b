/* A 128-bit id, as Kafka writes topic, directory and incarnation ids. Pure; any thread. */
#ifndef STORAGE_BASE_UUID_H
#define STORAGE_BASE_UUID_H

#include <string.h>

#include "storage/base/check.h"

/* All zero means "none" (Kafka's Uuid.ZERO_UUID). */
struct uuid {
    uint8_t bytes[16];
};

static inline bool uuid_is_zero(struct uuid id)
{
    static const struct uuid zero;
    return memcmp(id.bytes, zero.bytes, sizeof(id.bytes)) == 0;
}

static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

#endif
