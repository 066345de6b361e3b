/* The service thread: everything of the dataplane that is not a core and may sleep.
 *
 * It speaks with the control process (slowpath/session.h), hands each snapshot to all cores and
 * reports it applied when all have applied it and let go of the one before (H18), writes the cores'
 * log lines, looks at the space of the directories, and stops the cores on SIGTERM or SIGINT:
 *
 *     RUNNING -> DRAINING    nothing new is taken in, what is in progress is answered
 *             -> FINISHING   logs are flushed, trimmed, marked clean
 *             -> ENDED
 *
 * A deadline that passes ends the process without the clean mark: the next start then looks at the
 * tails, and nothing acknowledged is lost.
 *
 * Threads: the service thread, which is the process's first.
 */
#ifndef DATAPLANE_SERVICE_H
#define DATAPLANE_SERVICE_H

#include "dataplane/core_setup.h"

struct service {
    struct journal *journal;
    struct link_world *world;
    struct file_system *fs;
    struct session *session;
    struct cores *cores;
    int signals; /* signalfd. */
    int bell;    /* Cores ring it. */

    const struct snapshot *given; /* To the cores, last. */
    bool applied;                 /* `given` is. */
    bool stopping;
    uint64_t session_known; /* For the log. */
    uint64_t space_due_ns;
    uint32_t directories_failed; /* Bit per directory: told to control. */
};

/* Blocks the signals for the whole process (call before any thread exists) and makes what the
 * service waits for. 0 or -errno. */
MUST_USE int service_init(struct service *service, struct journal *journal,
                          struct link_world *world, struct file_system *fs);

/* Waits for control's first snapshot, which is lent as session_snapshot says. NULL: a signal came
 * first. */
const struct snapshot *service_first_snapshot(struct service *service, struct session *session);

/* Runs beside the launched cores until they have ended. True: all of them finished their logs. */
MUST_USE bool service_run(struct service *service, struct cores *cores,
                          const struct snapshot *first);

#endif
