/* /metrics: Prometheus' text format, names with the prefix millrace_. Pure; any thread. */
#ifndef CONTROL_HTTP_METRICS_H
#define CONTROL_HTTP_METRICS_H

#include "control/loop.h"
#include "control/serve/lag_report.h"
#include "dataplane/slowpath/statistics.h"

/* Growing text on the heap. */
struct page {
    char *text; /* Terminated; NULL while empty. */
    size_t len;
    size_t capacity;
    bool failed; /* No memory: it is not whole. */
};

__attribute__((format(printf, 2, 3))) void page_add(struct page *page, const char *format, ...);
void page_free(struct page *page);

/* statistics NULL: only what control knows itself. */
void metrics_render(struct page *page, const struct control_status *status,
                    const struct statistics *statistics);

/* Partitions and what groups have read of them, also under the names that kafka_exporter has. */
void metrics_lag_render(struct page *page, const struct lag_report *report);

#endif
