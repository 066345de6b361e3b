/* Connections whose next request depends on the last answer: what commits, transactions and
 * rebalances are made of. Not thread-safe. */
#ifndef TOOLS_BENCH_DIALOGS_H
#define TOOLS_BENCH_DIALOGS_H

#include "tools/bench/requests.h"
#include "tools/bench/run.h"

struct dialogs {
    struct run *run;
    struct peer *peers; /* options->connections of them. */
    /* Begins and ends the next request of a connection that has room; false: none before an answer
     * comes, or before another connection has its own. */
    bool (*next)(struct dialogs *dialogs, uint32_t index);
    /* False after a message: the run is over. */
    bool (*answer)(struct dialogs *dialogs, uint32_t index, const struct peer_request *request,
                   struct bytes frame);
    bool warming;   /* Not to be measured yet, whatever the time. */
    bool measuring; /* What ends now counts. */
    bool stopping;  /* Nothing new is to be begun. */
};

/* Opens the connections. False with a message on stderr; dialogs_close in either case. */
MUST_USE bool dialogs_open(struct dialogs *dialogs, uint32_t answer_bytes_max);
void dialogs_close(struct dialogs *dialogs);

/* Warm-up, measured time, until something was counted at least, and what is under way then. False
 * after a message. */
MUST_USE bool dialogs_run(struct dialogs *dialogs);

/* One more of what is measured, begun then. */
void dialogs_count(struct dialogs *dialogs, uint64_t begun_ns);

/* A coordinator that is on its way: asked again, nothing is lost. */
bool dialogs_coordinator_comes(int16_t error_code);

/* An error that is none of the broker's promises ends the run: false, with a message. */
MUST_USE bool dialogs_failed(const char *what, int16_t error_code);

#endif
