#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/http/metrics.h"
#include "control/text.h"

enum {
    ESCAPE_BYTES = 5, /* Of one byte: \\xff, whose backslash is escaped itself. */
    LABEL_BYTES_MAX = ESCAPE_BYTES * LAG_NAME_BYTES_MAX + 1,
};

/* Escaped as Prometheus wants it, which refuses the whole page for one byte that is not UTF-8. What
 * is none, and what nobody could read, stands as \xff, so that two names never become one. */
struct label {
    char text[LABEL_BYTES_MAX];
};

/* Bytes of the code point in front (Unicode 15, table 3-7: the shortest form, no surrogate); 0:
 * there is none. */
static uint32_t utf8_bytes(struct bytes rest)
{
    static const struct {
        uint8_t first_min, first_max, second_min, second_max, len;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    uint32_t form = 0;
    while (form < ARRAY_SIZE(forms) &&
           (rest.ptr[0] < forms[form].first_min || rest.ptr[0] > forms[form].first_max)) {
        form++;
    }
    if (form == ARRAY_SIZE(forms) || forms[form].len > rest.len) {
        return 0;
    }
    const uint32_t len = forms[form].len;
    bool good = len == 1 ||
                (rest.ptr[1] >= forms[form].second_min && rest.ptr[1] <= forms[form].second_max);
    for (uint32_t i = 2; i < len; i++) {
        good = good && (rest.ptr[i] & 0xc0) == 0x80;
    }
    return good ? len : 0;
}

static struct label label_of(struct bytes name)
{
    struct label label;
    size_t used = 0;
    for (uint32_t at = 0; at < name.len && used + ESCAPE_BYTES < sizeof(label.text);) {
        const char byte = (char)name.ptr[at];
        const uint32_t len = utf8_bytes((struct bytes){name.ptr + at, name.len - at});
        const bool unreadable = len == 0 || (name.ptr[at] < ' ' && byte != '\n') || byte == 0x7f;
        if (unreadable) {
            used += (size_t)snprintf(label.text + used, sizeof(label.text) - used, "\\\\x%02x",
                                     name.ptr[at]);
        } else if (byte == '\\' || byte == '"' || byte == '\n') {
            label.text[used++] = '\\';
            label.text[used++] = byte == '\n' ? 'n' : byte;
        } else {
            memcpy(label.text + used, name.ptr + at, len);
            used += len;
        }
        at += len == 0 ? 1 : len;
    }
    label.text[used] = '\0';
    return label;
}

static void gauge(struct page *page, const char *name, const char *help)
{
    page_add(page, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

/* ---- Partitions ----------------------------------------------------------------------------- */

struct partition_metric {
    const char *name;
    const char *help;
    int64_t (*value)(const struct lag_report *report, const struct lag_position *position);
    bool of_unknown; /* Told also where the ends are not known. */
};

static int64_t start_of(const struct lag_report *report, const struct lag_position *position)
{
    (void)report;
    return position->start;
}

static int64_t end_of(const struct lag_report *report, const struct lag_position *position)
{
    (void)report;
    return position->end;
}

static int64_t leader_of(const struct lag_report *report, const struct lag_position *position)
{
    return position->known ? report->node_id : -1;
}

static int64_t one(const struct lag_report *report, const struct lag_position *position)
{
    (void)report;
    (void)position;
    return 1;
}

static int64_t is_there(const struct lag_report *report, const struct lag_position *position)
{
    (void)report;
    return position->known;
}

static int64_t is_away(const struct lag_report *report, const struct lag_position *position)
{
    (void)report;
    return !position->known;
}

static const struct partition_metric partition_metrics[] = {
    {"millrace_partition_start_offset", "First offset of a partition", start_of, false},
    {"millrace_partition_end_offset", "High watermark of a partition", end_of, false},
    {"kafka_topic_partition_oldest_offset", "First offset of a partition", start_of, false},
    {"kafka_topic_partition_current_offset", "High watermark of a partition", end_of, false},
    {"kafka_topic_partition_leader", "Node that leads a partition, -1 none", leader_of, true},
    {"kafka_topic_partition_leader_is_preferred", "1 where the leader is the preferred one",
     is_there, true},
    {"kafka_topic_partition_replicas", "Replicas of a partition", one, true},
    {"kafka_topic_partition_in_sync_replica", "Replicas in sync", is_there, true},
    {"kafka_topic_partition_under_replicated_partition", "1 where replicas are missing", is_away,
     true},
};

static void partitions_render(struct page *page, const struct lag_report *report)
{
    gauge(page, "kafka_topic_partitions", "Partitions of a topic");
    for (uint32_t i = 0; i < report->topic_count; i++) {
        const struct lag_topic *topic = &report->topics[i];
        page_add(page, "kafka_topic_partitions{topic=\"%s\"} %u\n", label_of(topic->name).text,
                 topic->count);
    }
    for (uint32_t m = 0; m < ARRAY_SIZE(partition_metrics); m++) {
        const struct partition_metric *metric = &partition_metrics[m];
        gauge(page, metric->name, metric->help);
        for (uint32_t i = 0; i < report->topic_count; i++) {
            const struct lag_topic *topic = &report->topics[i];
            const struct label name = label_of(topic->name);
            for (uint32_t j = 0; j < topic->count; j++) {
                const struct lag_position *position = &report->positions[topic->first + j];
                if (position->known || metric->of_unknown) {
                    page_add(page, "%s{partition=\"%u\",topic=\"%s\"} %" PRId64 "\n", metric->name,
                             j, name.text, metric->value(report, position));
                }
            }
        }
    }
}

/* ---- Groups --------------------------------------------------------------------------------- */

static int row_compare(const void *a, const void *b)
{
    const struct lag_row *one_row = *(const struct lag_row *const *)a;
    const struct lag_row *other = *(const struct lag_row *const *)b;
    const int order = text_order(one_row->topic, other->topic);
    return order != 0
               ? order
               : (one_row->partition > other->partition) - (one_row->partition < other->partition);
}

/* Those of each group in the order of topics and partitions. NULL: no memory. */
static const struct lag_row **rows_sorted(const struct lag_report *report)
{
    const struct lag_row **rows = calloc(report->row_count + 1U, sizeof(struct lag_row *));
    for (uint32_t i = 0; rows != NULL && i < report->row_count; i++) {
        rows[i] = &report->rows[i];
    }
    for (uint32_t i = 0; rows != NULL && i < report->group_count; i++) {
        qsort(rows + report->groups[i].first, report->groups[i].count, sizeof(rows[0]),
              row_compare);
    }
    return rows;
}

static int64_t committed_of(const struct lag_row *row)
{
    return row->committed;
}

static int64_t lag_of(const struct lag_row *row)
{
    return row->lag;
}

static int64_t lag_ms_of(const struct lag_row *row)
{
    return row->lag_ms;
}

struct row_metric {
    const char *name;
    const char *sum; /* Name of the sum of a topic; NULL: there is none. */
    const char *group;
    const char *help;
    int64_t (*value)(const struct lag_row *row); /* -1: it is not told. */
    double scale;
};

static const struct row_metric row_metrics[] = {
    {"millrace_group_committed_offset", NULL, "group", "Offset that a group has committed",
     committed_of, 1},
    {"millrace_group_lag", NULL, "group", "Records between it and the high watermark", lag_of, 1},
    {"millrace_group_lag_seconds", NULL, "group",
     "For how long the first of them has been there, from looks before", lag_ms_of, 1e-3},
    {"kafka_consumergroup_current_offset", "kafka_consumergroup_current_offset_sum",
     "consumergroup", "Offset that a group has committed", committed_of, 1},
    {"kafka_consumergroup_lag", "kafka_consumergroup_lag_sum", "consumergroup",
     "Records between it and the high watermark", lag_of, 1},
};

static void rows_render(struct page *page, const struct lag_report *report,
                        const struct lag_row *const *rows, const struct row_metric *metric)
{
    gauge(page, metric->name, metric->help);
    for (uint32_t i = 0; i < report->group_count; i++) {
        const struct lag_group *group = &report->groups[i];
        const struct label id = label_of(group->id);
        for (uint32_t j = group->first; j < group->first + group->count; j++) {
            if (metric->value(rows[j]) >= 0) {
                page_add(page, "%s{%s=\"%s\",partition=\"%" PRId32 "\",topic=\"%s\"} %.15g\n",
                         metric->name, metric->group, id.text, rows[j]->partition,
                         label_of(rows[j]->topic).text,
                         (double)metric->value(rows[j]) * metric->scale);
            }
        }
    }
}

static void sums_render(struct page *page, const struct lag_report *report,
                        const struct lag_row *const *rows, const struct row_metric *metric)
{
    gauge(page, metric->sum, metric->help);
    for (uint32_t i = 0; i < report->group_count; i++) {
        const struct lag_group *group = &report->groups[i];
        const uint32_t end = group->first + group->count;
        for (uint32_t j = group->first; j < end;) {
            const struct bytes topic = rows[j]->topic;
            int64_t sum = 0;
            for (; j < end && bytes_equal(rows[j]->topic, topic); j++) {
                sum += metric->value(rows[j]) > 0 ? metric->value(rows[j]) : 0;
            }
            page_add(page, "%s{consumergroup=\"%s\",topic=\"%s\"} %" PRId64 "\n", metric->sum,
                     label_of(group->id).text, label_of(topic).text, sum);
        }
    }
}

static void members_render(struct page *page, const struct lag_report *report)
{
    gauge(page, "millrace_group_members_in", "Members of a group, with the state it is in");
    for (uint32_t i = 0; i < report->group_count; i++) {
        const struct lag_group *group = &report->groups[i];
        page_add(page, "millrace_group_members_in{group=\"%s\",state=\"%s\"} %u\n",
                 label_of(group->id).text, group_shown_name(group->state), group->members);
    }
    gauge(page, "kafka_consumergroup_members", "Members of a group");
    for (uint32_t i = 0; i < report->group_count; i++) {
        page_add(page, "kafka_consumergroup_members{consumergroup=\"%s\"} %u\n",
                 label_of(report->groups[i].id).text, report->groups[i].members);
    }
}

/* ---- All of it ------------------------------------------------------------------------------ */

static void look_render(struct page *page, const struct lag_report *report)
{
    gauge(page, "millrace_lag_looked_seconds", "When partitions and groups were looked at, UTC");
    page_add(page, "millrace_lag_looked_seconds %.3f\n", (double)report->wall_ms / 1e3);
    gauge(page, "millrace_lag_look_duration_seconds", "How long that took");
    page_add(page, "millrace_lag_look_duration_seconds %.6f\n", (double)report->took_ns / 1e9);
    gauge(page, "millrace_lag_partitions_omitted", "Partitions beyond metrics.partitions_max");
    page_add(page, "millrace_lag_partitions_omitted %u\n", report->positions_omitted);
    gauge(page, "millrace_lag_rows_omitted", "Groups and offsets beyond metrics.group_rows_max");
    page_add(page, "millrace_lag_rows_omitted %u\n", report->rows_omitted);
    gauge(page, "kafka_brokers", "Brokers of the cluster");
    page_add(page, "kafka_brokers 1\n");
    if (report->address[0] != '\0') {
        gauge(page, "kafka_broker_info", "1, with what clients are told of the node");
        page_add(page, "kafka_broker_info{address=\"%s\",id=\"%" PRId32 "\"} 1\n",
                 label_of(bytes_of_string(report->address)).text, report->node_id);
    }
}

void metrics_lag_render(struct page *page, const struct lag_report *report)
{
    const struct lag_row **rows = rows_sorted(report);
    if (rows == NULL) {
        page->failed = true;
        return;
    }
    look_render(page, report);
    partitions_render(page, report);
    members_render(page, report);
    for (uint32_t i = 0; i < ARRAY_SIZE(row_metrics); i++) {
        rows_render(page, report, rows, &row_metrics[i]);
        if (row_metrics[i].sum != NULL) {
            sums_render(page, report, rows, &row_metrics[i]);
        }
    }
    free(rows);
}
