/* What the tools know of a node on this machine: its directories, its processes, its readiness.
 *
 * The supervisor of `millrace up` keeps <run directory>/state.json and holds a lock on
 * <run directory>/supervisor.lock as long as it lives: the lock says whether it runs, the file what
 * it runs. A process is named by its id and its start time, so that a reused id fools nobody.
 */
#ifndef TOOLS_NODE_H
#define TOOLS_NODE_H

#include <sys/types.h>

#include "dataplane/profile/settings.h"

enum { NODE_PATH_BYTES = 1024, NODE_PROCESSES = 2 };

struct node_process {
    char name[32];
    pid_t pid;             /* 0: not running at the moment. */
    uint64_t start_ticks;  /* Since boot, /proc/PID/stat field 22. */
    uint64_t start_number; /* How often it was started. */
};

struct node_state {
    struct node_process supervisor;
    struct node_process process[NODE_PROCESSES]; /* dataplane, control */
    char bootstrap[268];
    char http[268];
    char network_path[16];
    char profile[NODE_PATH_BYTES];
    char data[SETTINGS_PATHS_MAX][NODE_PATH_BYTES];
    uint32_t data_count;
};

/* Where data lies when no --data is given. False when there is no home directory. */
MUST_USE bool node_default_data(char room[NODE_PATH_BYTES]);

/* The run directory of the node whose first data directory that is. */
void node_run_directory(const char *data, char room[NODE_PATH_BYTES]);

/* Creates the directory and its parents; false with errno. */
MUST_USE bool node_make_directory(const char *path);

/* Ticks since boot at which the process started; 0 when there is none, or only its corpse. */
uint64_t node_process_start(pid_t pid);

bool node_process_alive(const struct node_process *process);

/* Atomic by rename. False with errno. */
MUST_USE bool node_state_write(const char *run_directory, const struct node_state *state);

/* False when there is no readable state. */
MUST_USE bool node_state_read(const char *run_directory, struct node_state *state);

void node_state_remove(const char *run_directory);

/* True when /readyz at that address says ready, and that it is the control process of that id: a
 * node of somebody else at the same port is not ours. Else why says what it answered. */
MUST_USE bool node_ready(const struct host_port *http, pid_t control, char why[200]);

/* How the user can call this program: a path from here, or an absolute one. */
const char *node_program(void);

/* The last line of the file from that offset on that holds text, cut to size; "" if none. */
void node_last_line(const char *path, off_t from, char *room, size_t size);

/* The node's state as -o json prints it. Given to the caller. */
struct json_t *node_json(const struct node_state *state, bool ready, const char *why);

/* The same for people. */
void node_print(FILE *out, const struct node_state *state, bool ready, const char *why);

#endif
