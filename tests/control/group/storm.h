/* A storm of members of one group, for a minute of virtual time: they join, leave, stand still and
 * are killed, and then are let alone. What they say is each protocol's own part. */
#ifndef TESTS_CONTROL_GROUP_STORM_H
#define TESTS_CONTROL_GROUP_STORM_H

#include "storage/base/random.h"
#include "tests/control/group/bench.h"

enum {
    STORM_MEMBERS = 200,
    STORM_PARTITIONS = 400,
    STORM_MS = 60000,
    STORM_TICK_MS = 20,
    STORM_REBALANCE_MS = 20000,
    STORM_SESSION_MS = 10000,
    STORM_BEAT_MS = 3000,
};

/* Stands first in the protocol's own structure, which is given to its calls. */
struct storm {
    struct group_bench *bench;
    struct random random;
    uint64_t next_ms[STORM_MEMBERS]; /* When each does something again. */
    uint32_t partings;
    uint64_t converged_ms; /* Out; 0: never. */
    /* The member's turn, when next_ms has come. calm: nobody parts any more. */
    void (*act)(struct storm *storm, uint32_t member, bool calm);
    bool (*converged)(struct storm *storm);
    void (*on_converged)(struct storm *storm); /* For the first time. */
};

static inline void storm_begin(struct storm *storm, uint64_t seed,
                               void (*on_reply)(void *context, const struct group_reply *reply))
{
    storm->bench = group_bench_new();
    storm->bench->quiet = true;
    storm->bench->on_reply = on_reply;
    storm->bench->on_reply_context = storm;
    random_init(&storm->random, seed);
    for (uint32_t i = 0; i < STORM_MEMBERS; i++) {
        storm->next_ms[i] = random_below(&storm->random, 5000);
    }
}

/* Converged within two rebalance timeouts after the last parting, and for good. */
static inline void storm_blow(struct storm *storm)
{
    for (uint64_t now_ms = 0; now_ms <= STORM_MS + 3 * STORM_REBALANCE_MS;
         now_ms += STORM_TICK_MS) {
        const bool calm = now_ms >= STORM_MS;
        bench_run_to(storm->bench, now_ms);
        for (uint32_t i = 0; i < STORM_MEMBERS; i++) {
            if (now_ms == STORM_MS) { /* Who stood still goes on. */
                storm->next_ms[i] = min_u64(storm->next_ms[i], now_ms + STORM_BEAT_MS);
            }
            if (now_ms >= storm->next_ms[i]) {
                storm->act(storm, i, calm);
            }
        }
        if (calm && storm->converged_ms == 0 && storm->converged(storm)) {
            storm->converged_ms = now_ms;
            storm->on_converged(storm);
        }
    }
    assert_in_range(storm->converged_ms, STORM_MS, STORM_MS + 2 * STORM_REBALANCE_MS);
    assert_true(storm->converged(storm));
}

#endif
