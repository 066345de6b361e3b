/* The runs themselves. Each fills a report; false when it could not be carried out, with a message
 * on stderr. */
#ifndef TOOLS_BENCH_RUN_H
#define TOOLS_BENCH_RUN_H

#include "tools/bench/payload.h"
#include "tools/bench/peer.h"
#include "tools/bench/report.h"

/* What all runs share. */
struct run {
    const struct bench_options *options;
    struct payload payload;
    struct report *report;
};

/* produce, small and latency: the last with a schedule instead of a full window. */
MUST_USE bool run_produce(struct run *run);

/* Fills the topic when it is short of total_bytes, then reads it whole, over and over. */
MUST_USE bool run_fetch(struct run *run);

/* Produce on schedule to a consumer that waits. */
MUST_USE bool run_end_to_end(struct run *run);

/* Of the coordinators. Each checks at its end that what was acknowledged is there. */
MUST_USE bool run_commits(struct run *run);
MUST_USE bool run_transactions(struct run *run);
MUST_USE bool run_rebalance(struct run *run);

/* Reads every partition from its start and compares each batch with the payload; counts into
 * report. */
MUST_USE bool run_verify(struct run *run);

/* Serves until killed: receives, frames, checks the CRC and gives a canned answer; the yardstick of
 * what a broker on kernel sockets could reach at most. Returns the exit code. */
int run_null_broker(const struct bench_options *options);

#endif
