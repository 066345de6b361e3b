/* Sleeping work off the cores (H11): jobs go to an ordinary thread and come back done.
 *
 * A core posts through its own port (single producer, single consumer each way). The production
 * twin is housekeeping.c, a thread pinned away from the cores; the simulation links its own, which
 * runs a job at a moment of its choosing and can crash between any two file calls inside it.
 */
#ifndef STORAGE_IO_HOUSEKEEPING_H
#define STORAGE_IO_HOUSEKEEPING_H

#include "storage/base/list.h"
#include "storage/io/file.h"

struct housekeeping_port;

/* Lent from post until done returns it. */
struct housekeeping_job {
    struct list_node node; /* Of the port while lent. */
    /* Runs on the housekeeping thread; sleeps as it likes. Sets its results in the struct that
     * holds the job. Jobs of one port run one after the other, in the order posted. */
    void (*run)(struct housekeeping_job *job, struct file_system *fs);
    void *owner; /* The poster's; untouched. */
};

/* False when the port is full; the caller tries again in a later turn. Core only. */
MUST_USE bool housekeeping_post(struct housekeeping_port *port, struct housekeeping_job *job);

/* The next finished job, or NULL. Core only. */
struct housekeeping_job *housekeeping_done(struct housekeeping_port *port);

#endif
