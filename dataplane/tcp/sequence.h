/* Sequence numbers: compared modulo 2^32 (RFC 9293 3.4). */
#ifndef DATAPLANE_TCP_SEQUENCE_H
#define DATAPLANE_TCP_SEQUENCE_H

#include "storage/base/check.h"

static inline bool seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool seq_leq(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
    return seq_lt(a, b) ? b : a;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
    return seq_lt(a, b) ? a : b;
}

/* a - b, or 0 when b lies after a. */
static inline uint32_t seq_distance(uint32_t a, uint32_t b)
{
    return seq_lt(b, a) ? a - b : 0;
}

#endif
