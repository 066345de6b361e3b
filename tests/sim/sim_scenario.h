/* What one seed does: a machine, clients, work, trouble, and the final reckoning.
 *
 * Threads: none.
 */
#ifndef TESTS_SIM_SIM_SCENARIO_H
#define TESTS_SIM_SIM_SCENARIO_H

#include "tests/sim/sim_world.h"

/* Kinds of trouble; or'ed together. */
enum scenario_trouble {
    TROUBLE_KILL = 1,       /* kill -9 of the dataplane, at I/O boundaries and between. */
    TROUBLE_POWER = 2,      /* Power cuts. */
    TROUBLE_CONTROL = 4,    /* kill -9 and SIGSTOP of the control process. */
    TROUBLE_IO_ERRORS = 8,  /* EIO. */
    TROUBLE_NO_SPACE = 16,  /* ENOSPC, EDQUOT. */
    TROUBLE_READ_ONLY = 32, /* EROFS. */
    TROUBLE_SLOW = 64,      /* A device that becomes slow. */
    TROUBLE_CLOCK = 128,    /* The wall clock jumps. */
    TROUBLE_DEAD = 256,     /* A directory that dies. */
    TROUBLE_FLIPS = 512,    /* Bits of files flip while the broker is down. */
    TROUBLE_CUTS = 1024,    /* Clients that cut their connections. */
    TROUBLE_ALL = 2047,
    TROUBLE_BY_SEED = -1,
};

struct scenario_result {
    uint64_t boundaries; /* Passed in all. */
    uint64_t acked;      /* Records. */
    uint64_t read;       /* Records. */
    uint64_t turns;
    uint64_t virtual_ms;
    uint32_t crashes;
    uint32_t boots;
};

struct scenario_options {
    uint64_t seed;
    int trouble;   /* enum scenario_trouble, or TROUBLE_BY_SEED. */
    uint32_t work; /* enum world_work */
    bool verbose;
    uint32_t core_count; /* 0: by seed. */
    bool wire;           /* Clients come over a wire, a bad one. */
    bool small; /* A short run of few records, without trouble: for crashes at each boundary. */
    /* Crash at this boundary, counted from the moment everything serves; UINT64_MAX: none. */
    uint64_t crash_at;
    enum sim_crash crash;
};

/* Runs it; a failure ends the process. */
struct scenario_result scenario_run(const struct scenario_options *options);

#endif
