#include "control/serve/lag_report.h"

#include <stdlib.h>

#include "control/text.h"

#define NS_OF_MS 1000000ULL

struct lag_report *lag_report_new(const struct lag_limits *limits, uint64_t at_ns, int64_t wall_ms)
{
    struct lag_report *report = calloc(1, sizeof(*report));
    if (report != NULL) {
        report->limits = *limits;
        report->at_ns = at_ns;
        report->wall_ms = wall_ms;
        report->positions = calloc(limits->partitions_max + 1U, sizeof(*report->positions));
        atomic_init(&report->holders, 1);
        if (report->positions == NULL) {
            free(report);
            return NULL;
        }
    }
    return report;
}

void lag_report_hold(struct lag_report *report)
{
    atomic_fetch_add(&report->holders, 1);
}

void lag_report_release(struct lag_report *report)
{
    if (atomic_fetch_sub(&report->holders, 1) == 1) {
        arena_free(&report->arena);
        free(report->positions);
        free(report);
    }
}

uint32_t lag_report_topic(struct lag_report *report, struct bytes name, const struct uuid *id,
                          uint32_t partition_count)
{
    if (partition_count > report->limits.partitions_max - report->position_count) {
        report->positions_omitted += partition_count;
        return LAG_NONE;
    }
    report->topics = arena_room(&report->arena, report->topics, sizeof(*report->topics),
                                report->topic_count, &report->topic_capacity);
    const uint32_t first = report->position_count;
    report->topics[report->topic_count++] =
        (struct lag_topic){arena_copy(&report->arena, name), *id, first, partition_count};
    for (uint32_t i = 0; i < partition_count; i++) {
        report->positions[first + i].history = LAG_NONE;
    }
    report->position_count += partition_count;
    return first;
}

void lag_report_position(struct lag_report *report, uint32_t position, int64_t start, int64_t end)
{
    struct lag_position *at = &report->positions[position];
    at->known = true;
    at->start = start;
    at->end = end;
}

bool lag_report_group(struct lag_report *report, struct bytes id, enum group_shown state,
                      uint32_t members)
{
    if (report->row_count + report->group_count >= report->limits.rows_max ||
        id.len > LAG_NAME_BYTES_MAX) {
        report->rows_omitted++;
        return false;
    }
    report->groups = arena_room(&report->arena, report->groups, sizeof(*report->groups),
                                report->group_count, &report->group_capacity);
    report->groups[report->group_count++] =
        (struct lag_group){arena_copy(&report->arena, id), state, members, report->row_count, 0};
    return true;
}

static const struct lag_topic *topic_find(const struct lag_report *report, struct bytes name)
{
    uint32_t low = 0;
    uint32_t high = report->topic_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = text_order(report->topics[middle].name, name);
        if (order == 0) {
            return &report->topics[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

/* NULL: there is none. */
static struct lag_position *position_find(const struct lag_report *report, struct bytes topic,
                                          int32_t partition, struct uuid *id)
{
    const struct lag_topic *found = topic_find(report, topic);
    if (found == NULL || partition < 0 || (uint32_t)partition >= found->count) {
        return NULL;
    }
    *id = found->id;
    return &report->positions[found->first + (uint32_t)partition];
}

/* ---- History -------------------------------------------------------------------------------- */

/* Points far apart for their age tell most. */
static uint32_t point_of_least(const struct lag_history *history, uint64_t now_ns)
{
    uint32_t least = 1;
    double least_told = 0;
    for (uint32_t i = 1; i + 1 < history->count; i++) {
        const struct lag_point *points = &history->points[i];
        const double told =
            (double)(points[1].at_ns - points[-1].at_ns) / (double)(now_ns - points->at_ns + 1);
        if (i == 1 || told < least_told) {
            least = i;
            least_told = told;
        }
    }
    return least;
}

void lag_history_add(struct lag_history *history, int64_t end, uint64_t now_ns)
{
    if (history->count > 0 && history->points[history->count - 1].end > end) {
        history->count = 0; /* Not the log that it was. */
    }
    if (history->count == LAG_POINTS_MAX) {
        const uint32_t out = point_of_least(history, now_ns);
        memmove(&history->points[out], &history->points[out + 1],
                (size_t)(history->count - out - 1) * sizeof(history->points[0]));
        history->count--;
    }
    history->points[history->count++] = (struct lag_point){end, now_ns};
}

int64_t lag_history_ms(const struct lag_history *history, int64_t committed, uint64_t now_ns)
{
    uint32_t behind = history->count; /* The first point whose end is beyond committed. */
    while (behind > 0 && history->points[behind - 1].end > committed) {
        behind--;
    }
    if (behind == history->count) {
        return 0;
    }
    const struct lag_point *next = &history->points[behind];
    uint64_t since_ns = next->at_ns;
    if (behind > 0) {
        const struct lag_point *last = next - 1;
        since_ns = last->at_ns +
                   (uint64_t)((double)(next->at_ns - last->at_ns) *
                              ((double)(committed - last->end) / (double)(next->end - last->end)));
    }
    return (int64_t)((now_ns - min_u64(since_ns, now_ns)) / NS_OF_MS);
}

static struct lag_history *history_of(struct lag_report *report, const struct lag_report *before,
                                      struct bytes topic, int32_t partition,
                                      struct lag_position *position, const struct uuid *id)
{
    struct uuid id_before;
    if (position->history != LAG_NONE) {
        return &report->histories[position->history];
    }
    report->histories = arena_room(&report->arena, report->histories, sizeof(*report->histories),
                                   report->history_count, &report->history_capacity);
    position->history = report->history_count;
    struct lag_history *history = &report->histories[report->history_count++];
    const struct lag_position *old =
        before == NULL ? NULL : position_find(before, topic, partition, &id_before);
    if (old != NULL && old->history != LAG_NONE && uuid_equal(id_before, *id)) {
        *history = before->histories[old->history];
    }
    lag_history_add(history, position->end, report->at_ns);
    return history;
}

void lag_report_row(struct lag_report *report, const struct lag_report *before, struct bytes topic,
                    int32_t partition, int64_t committed)
{
    struct uuid id;
    if (report->row_count + report->group_count >= report->limits.rows_max) {
        report->rows_omitted++;
        return;
    }
    report->rows = arena_room(&report->arena, report->rows, sizeof(*report->rows),
                              report->row_count, &report->row_capacity);
    struct lag_row *row = &report->rows[report->row_count++];
    report->groups[report->group_count - 1].count++;
    *row = (struct lag_row){arena_copy(&report->arena, topic), partition, committed, -1, -1};
    struct lag_position *position = position_find(report, topic, partition, &id);
    if (position != NULL && position->known) {
        row->lag = position->end > committed ? position->end - committed : 0;
        row->lag_ms = lag_history_ms(history_of(report, before, topic, partition, position, &id),
                                     committed, report->at_ns);
    }
}
