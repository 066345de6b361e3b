/* Looks every few seconds at where all partitions end and what groups have committed, a little at
 * a time, and makes a report of it (lag_report.h) for whoever shows it.
 *
 * Threads: the control loop's.
 */
#ifndef CONTROL_SERVE_LAG_H
#define CONTROL_SERVE_LAG_H

#include "control/serve/lag_report.h"

struct control;
struct lag;

/* NULL: no memory. control is borrowed. It looks only where setup.looks_at_lag. */
struct lag *lag_create(struct control *control);
void lag_destroy(struct lag *lag);

/* The work done. */
uint32_t lag_turn(struct lag *lag);
/* When it has something to do by itself; UINT64_MAX never. */
uint64_t lag_deadline_ns(const struct lag *lag);
/* The session is over: what was begun is thrown away. */
void lag_over(struct lag *lag);

/* The newest report, held for the caller. NULL: none since the last call. */
struct lag_report *lag_take(struct lag *lag);

#endif
