/* The parent of both processes (H16): starts, restarts and stops them; forwards nothing else.
 *
 * Neither child is the other's parent and neither gets a parent-death signal: a killed supervisor
 * leaves both at work, and the next `up` or `down` finds them by state.json.
 */
#ifndef TOOLS_SUPERVISE_H
#define TOOLS_SUPERVISE_H

#include "tools/node.h"

enum { SUPERVISE_ARGUMENTS_MAX = 128 };

struct supervise_setup {
    const char *run_directory;
    const char *program[NODE_PROCESSES];            /* Paths, in the order of node_state. */
    const char *arguments[SUPERVISE_ARGUMENTS_MAX]; /* For both, ended by NULL. */
    struct host_port http;                          /* Where /readyz answers. */
    struct node_state state;                        /* What does not change; ids are filled in. */
    int report_fd; /* Gets "ready" or "failed REASON" once; -1: none. Closed then. */
    bool chatty;   /* Says on stderr what happens: in the foreground. */
};

/* Runs until both children are stopped for good. The exit status of the process. A child that
 * refuses to start, or fails three times in a row, ends it only while the node was never ready.
 * Called with the supervisor's lock held. */
int supervise(struct supervise_setup *setup);

/* Takes <run directory>/supervisor.lock; the descriptor to keep, or -1 when another holds it. */
MUST_USE int supervise_lock(const char *run_directory);

/* Stops the processes in `state` in the order a clean stop needs, dataplane first, and escalates
 * to SIGKILL when one does not end in time. False when one had to be killed. */
MUST_USE bool supervise_stop(struct node_state *state, bool chatty);

/* How long to wait before a child that ended is started again: at once after it ran well, else
 * doubling from 100 ms to 5 s. */
uint32_t supervise_backoff_ms(uint32_t last_ms, uint64_t lived_ms);

#endif
