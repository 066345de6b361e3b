/* What a benchmark run is asked to do; `millrace bench KIND --help` prints the table. */
#ifndef TOOLS_BENCH_OPTIONS_H
#define TOOLS_BENCH_OPTIONS_H

#include <stdio.h>

#include "storage/base/check.h"

enum {
    BENCH_PIDS_MAX = 8,
    BENCH_CONFIGS_MAX = 16,
    BENCH_IN_FLIGHT_MAX = 512,
    BENCH_CONNECTIONS_MAX = 1024,
    BENCH_PARTITIONS_MAX = 10000,
};

enum bench_kind {
    BENCH_PRODUCE,      /* As fast as the window allows: bandwidth. */
    BENCH_SMALL,        /* The same with one small record a request: requests per second. */
    BENCH_FETCH,        /* Reads what a topic holds. */
    BENCH_LATENCY,      /* Open loop: requests leave on schedule, whatever came back. */
    BENCH_E2E,          /* Produce to a waiting consumer. */
    BENCH_COMMITS,      /* Groups that commit offsets, each one after the other. */
    BENCH_TRANSACTIONS, /* Producers that commit transactions, each one after the other. */
    BENCH_REBALANCE,    /* Members of one group that all join and sync, over and over. */
    BENCH_NULL_BROKER,
};

struct bench_options {
    enum bench_kind kind;
    const char *bootstrap; /* HOST:PORT */
    const char *over;      /* "sockets", "memif" or "port". */
    const char *device;    /* A port of DPDK's, over "port". */
    const char *address;   /* Ours on a port. */
    const char *topic;     /* NULL: one of the run's own, deleted at the end. */
    const char *data_path; /* A path on the device whose written bytes are counted, or NULL. */
    uint64_t partitions;
    uint64_t connections;
    uint64_t in_flight; /* Requests per connection. */
    uint64_t batch_bytes;
    uint64_t record_bytes;
    uint64_t seconds;
    uint64_t warm_up_seconds;
    uint64_t total_bytes;    /* Ends the run when reached; 0: by time only. */
    uint64_t rate_per_s;     /* Open loop. */
    uint64_t transaction_ms; /* How long one is filled; 0: one batch each. */
    uint64_t fetch_bytes;
    uint64_t background_bytes_per_s;
    uint64_t cpu; /* To pin to; UINT64_MAX: not at all. */
    uint64_t seed;
    int64_t acks;
    bool verify;
    bool json;
    int pids[BENCH_PIDS_MAX]; /* The broker's processes, for their own CPU times. */
    uint32_t pid_count;
    const char *configs[BENCH_CONFIGS_MAX]; /* key=value of the topic. */
    uint32_t config_count;
};

/* Parses argv[0..argc), the words behind "bench"; a message on stderr when it fails. Returns 0, or
 * the exit code (2 usage, 0 after --help with *help set). */
int bench_options_parse(struct bench_options *options, int argc, char **argv, bool *help);

void bench_options_help(FILE *to);

#endif
