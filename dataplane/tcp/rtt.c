#include "dataplane/tcp/rtt.h"

static const uint64_t min_window_ns = 10000000000;

void rtt_init(struct rtt *rtt, uint64_t initial_ns)
{
    *rtt = (struct rtt){.timeout_ns = initial_ns, .min_ns = UINT64_MAX};
}

void rtt_sample(struct rtt *rtt, uint64_t sample_ns, uint64_t floor_ns, uint64_t max_ns,
                uint64_t now_ns)
{
    sample_ns = max_u64(min_u64(sample_ns, 2 * rtt->timeout_ns), 1);
    rtt->latest_ns = sample_ns;
    if (sample_ns <= rtt->min_ns || now_ns - rtt->min_at_ns > min_window_ns) {
        rtt->min_ns = sample_ns;
        rtt->min_at_ns = now_ns;
    }
    if (rtt->smoothed_ns == 0) { /* RFC 6298 2.2 */
        rtt->smoothed_ns = sample_ns;
        rtt->variance_ns = sample_ns / 2;
    } else { /* 2.3: alpha 1/8, beta 1/4. */
        const uint64_t apart = sample_ns > rtt->smoothed_ns ? sample_ns - rtt->smoothed_ns
                                                            : rtt->smoothed_ns - sample_ns;
        rtt->variance_ns = rtt->variance_ns - rtt->variance_ns / 4 + apart / 4;
        rtt->smoothed_ns = rtt->smoothed_ns - rtt->smoothed_ns / 8 + sample_ns / 8;
    }
    rtt->smoothed_ns = max_u64(rtt->smoothed_ns, 1);
    rtt->timeout_ns = min_u64(rtt->smoothed_ns + max_u64(4 * rtt->variance_ns, floor_ns), max_ns);
}
