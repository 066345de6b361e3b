/* A token bucket: so many per second, and so many at once. Time comes from the caller. */
#ifndef DATAPLANE_NET_RATE_H
#define DATAPLANE_NET_RATE_H

#include "storage/base/check.h"

struct rate_limit {
    uint64_t full_at_ns; /* The bucket is full from then on. */
};

/* Takes one token; false when none is left. per_second and burst are at least 1. */
MUST_USE static inline bool rate_take(struct rate_limit *limit, uint64_t now_ns,
                                      uint32_t per_second, uint32_t burst)
{
    const uint64_t token_ns = 1000000000u / per_second;
    const uint64_t full_at_ns = max_u64(limit->full_at_ns, now_ns);
    if (full_at_ns - now_ns + token_ns > token_ns * burst) {
        return false;
    }
    limit->full_at_ns = full_at_ns + token_ns;
    return true;
}

#endif
