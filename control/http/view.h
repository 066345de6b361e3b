/* What the HTTP thread may see: copies that the control loop leaves here, never its own state.
 *
 * The lock is held for one copy of a struct on either side, so neither waits for the other's work.
 * Threads: control puts, any thread gets.
 */
#ifndef CONTROL_HTTP_VIEW_H
#define CONTROL_HTTP_VIEW_H

#include <pthread.h>
#include <stdatomic.h>

#include "control/loop.h"
#include "control/serve/lag_report.h"

/* Mapped statistics memory of one session; unmapped by the last who lets go. */
struct statistics_share {
    _Atomic uint32_t holders;
    struct link_world *world;
    void *memory;
    uint64_t bytes;
};

struct view {
    pthread_mutex_t lock;
    struct control_status status;
    struct statistics_share *statistics; /* NULL: none yet. */
    struct lag_report *lag;              /* The same. */
};

void view_init(struct view *view);
void view_free(struct view *view);

void view_put_status(struct view *view, const struct control_status *status);
/* memory is given; it replaces what was there. */
void view_put_statistics(struct view *view, struct link_world *world, void *memory, uint64_t bytes);

void view_get_status(struct view *view, struct control_status *status);
/* NULL, or held until view_release. */
struct statistics_share *view_get_statistics(struct view *view);
void view_release(struct statistics_share *share);

/* report is given; it replaces what was there. */
void view_put_lag(struct view *view, struct lag_report *report);
/* NULL, or held for the caller. */
struct lag_report *view_get_lag(struct view *view);

#endif
