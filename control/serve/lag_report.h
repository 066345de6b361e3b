/* How far groups are behind: one look at all partitions and at all that groups have committed.
 *
 * Built by one thread, then finished and never changed: from then on any thread that holds it may
 * read it. What does not fit into its limits is left out and counted. Pure; heap.
 *
 * Lag in seconds comes from looks before: of a partition that a group has read, a report knows its
 * end at a few times past, the longer ago the fewer. A group is as late as the end was where it has
 * come to. Behind the oldest of them the lag is told as the time since, which is too little.
 */
#ifndef CONTROL_SERVE_LAG_REPORT_H
#define CONTROL_SERVE_LAG_REPORT_H

#include <stdatomic.h>

#include "control/arena.h"
#include "control/group/group.h"

enum {
    LAG_POINTS_MAX = 12,
    LAG_NAME_BYTES_MAX = 249, /* Of a group, as of a topic: longer ones are left out. */
};

#define LAG_NONE UINT32_MAX

struct lag_limits {
    uint32_t partitions_max;
    uint32_t rows_max; /* Groups, and partitions that groups have committed, together. */
};

struct lag_point {
    int64_t end;
    uint64_t at_ns;
};

/* In the order of time. */
struct lag_history {
    uint32_t count;
    struct lag_point points[LAG_POINTS_MAX];
};

struct lag_position {
    bool known;
    int64_t start;
    int64_t end;      /* The high watermark. */
    uint32_t history; /* LAG_NONE: nobody reads it. */
};

/* In the order of their names. */
struct lag_topic {
    struct bytes name;
    struct uuid id;
    uint32_t first; /* Of its positions. */
    uint32_t count;
};

struct lag_group {
    struct bytes id;
    enum group_shown state;
    uint32_t members;
    uint32_t first; /* Of its rows. */
    uint32_t count;
};

struct lag_row {
    struct bytes topic;
    int32_t partition;
    int64_t committed;
    int64_t lag;    /* Records; -1: not known. */
    int64_t lag_ms; /* -1: not known. */
};

struct lag_report {
    _Atomic uint32_t holders;
    struct lag_limits limits;
    uint64_t at_ns; /* Monotonic: when it was begun. */
    int64_t wall_ms;
    uint64_t took_ns;
    int32_t node_id;
    char address[268]; /* HOST:PORT as clients are told; empty: it depends on how they come. */
    struct arena arena;
    struct lag_topic *topics;
    struct lag_position *positions;
    struct lag_history *histories;
    struct lag_group *groups;
    struct lag_row *rows;
    uint32_t topic_count, topic_capacity;
    uint32_t position_count;
    uint32_t history_count, history_capacity;
    uint32_t group_count, group_capacity;
    uint32_t row_count, row_capacity;
    uint32_t positions_omitted;
    uint32_t rows_omitted;
};

/* With one holder. NULL: no memory. */
struct lag_report *lag_report_new(const struct lag_limits *limits, uint64_t at_ns, int64_t wall_ms);
void lag_report_hold(struct lag_report *report);
void lag_report_release(struct lag_report *report);

/* Its first position; LAG_NONE: it does not fit. In the order of names. */
uint32_t lag_report_topic(struct lag_report *report, struct bytes name, const struct uuid *id,
                          uint32_t partition_count);
void lag_report_position(struct lag_report *report, uint32_t position, int64_t start, int64_t end);

/* Then its offsets; false: it does not fit, and they are not to be told. */
MUST_USE bool lag_report_group(struct lag_report *report, struct bytes id, enum group_shown state,
                               uint32_t members);
/* Of the group told last. before: the report before this one, NULL if there was none. */
void lag_report_row(struct lag_report *report, const struct lag_report *before, struct bytes topic,
                    int32_t partition, int64_t committed);

/* How long ago the end of the log was where committed is, in ms. */
int64_t lag_history_ms(const struct lag_history *history, int64_t committed, uint64_t now_ns);
/* A full one loses the point that tells least. */
void lag_history_add(struct lag_history *history, int64_t end, uint64_t now_ns);

#endif
