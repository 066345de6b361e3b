#include "control/http/view.h"

#include <stdlib.h>

void view_init(struct view *view)
{
    memset(view, 0, sizeof(*view));
    const int result = pthread_mutex_init(&view->lock, NULL);
    ASSERT(result == 0);
}

void view_free(struct view *view)
{
    if (view->statistics != NULL) {
        view_release(view->statistics);
    }
    if (view->lag != NULL) {
        lag_report_release(view->lag);
    }
    (void)pthread_mutex_destroy(&view->lock);
}

static void view_lock(struct view *view)
{
    const int result = pthread_mutex_lock(&view->lock);
    ASSERT(result == 0);
}

static void view_unlock(struct view *view)
{
    const int result = pthread_mutex_unlock(&view->lock);
    ASSERT(result == 0);
}

void view_put_status(struct view *view, const struct control_status *status)
{
    view_lock(view);
    view->status = *status;
    view_unlock(view);
}

void view_put_statistics(struct view *view, struct link_world *world, void *memory, uint64_t bytes)
{
    struct statistics_share *share = malloc(sizeof(*share));
    if (share == NULL) { /* They are not shown in this session. */
        link_memory_unmap(world, memory, bytes);
    } else {
        *share = (struct statistics_share){.world = world, .memory = memory, .bytes = bytes};
        atomic_init(&share->holders, 1);
    }
    view_lock(view);
    struct statistics_share *old = view->statistics;
    view->statistics = share;
    view_unlock(view);
    if (old != NULL) {
        view_release(old);
    }
}

void view_get_status(struct view *view, struct control_status *status)
{
    view_lock(view);
    *status = view->status;
    view_unlock(view);
}

struct statistics_share *view_get_statistics(struct view *view)
{
    view_lock(view);
    struct statistics_share *share = view->statistics;
    if (share != NULL) {
        atomic_fetch_add(&share->holders, 1);
    }
    view_unlock(view);
    return share;
}

void view_release(struct statistics_share *share)
{
    if (atomic_fetch_sub(&share->holders, 1) == 1) {
        link_memory_unmap(share->world, share->memory, share->bytes);
        free(share);
    }
}

void view_put_lag(struct view *view, struct lag_report *report)
{
    view_lock(view);
    struct lag_report *old = view->lag;
    view->lag = report;
    view_unlock(view);
    if (old != NULL) {
        lag_report_release(old);
    }
}

struct lag_report *view_get_lag(struct view *view)
{
    view_lock(view);
    struct lag_report *report = view->lag;
    if (report != NULL) {
        lag_report_hold(report);
    }
    view_unlock(view);
    return report;
}
