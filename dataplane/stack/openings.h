/* Connections that some core of an address has opened and nobody has answered: whichever core the
 * answer comes to takes the connection over. A cold table that all cores share, under a lock that
 * is held for a few comparisons.
 *
 * Threads: any core.
 */
#ifndef DATAPLANE_STACK_OPENINGS_H
#define DATAPLANE_STACK_OPENINGS_H

#include <stdalign.h>
#include <stdatomic.h>

#include "dataplane/tcp/tcp.h"

enum {
    OPENINGS_MAX = 1024,
    OPENING_LOOKS = 16, /* Places that an entry may be in, from that of its hash on. */
};

struct openings {
    alignas(64) atomic_flag busy;
    _Atomic uint32_t count;
    bool used[OPENINGS_MAX];
    struct tcp_opening entries[OPENINGS_MAX];
};

/* False: there is no room. */
MUST_USE bool openings_add(struct openings *openings, const struct tcp_opening *opening);
/* Of the same flow and the same SYN. False: it is not there any more. */
MUST_USE bool openings_remove(struct openings *openings, const struct tcp_opening *opening);
/* Removes the one that ack answers, if take says so. False: there is none, or somebody else is
 * looking at this moment. */
MUST_USE bool openings_take(struct openings *openings, const struct flow_key *key, uint32_t hash,
                            uint32_t ack, bool (*take)(void *context, uint32_t hash), void *context,
                            struct tcp_opening *opening);

#endif
