#include "control/http/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/kafka/frame.h"

static bool page_reserve(struct page *page, size_t more)
{
    if (!page->failed && page->len + more > page->capacity) {
        const size_t capacity = (page->len + more) * 2;
        char *text = realloc(page->text, capacity);
        page->failed = text == NULL;
        page->text = page->failed ? page->text : text;
        page->capacity = page->failed ? page->capacity : capacity;
    }
    return !page->failed;
}

void page_add(struct page *page, const char *format, ...)
{
    va_list arguments;
    va_list again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ASSERT(len >= 0);
    if (page_reserve(page, (size_t)len + 1)) {
        (void)vsnprintf(page->text + page->len, page->capacity - page->len, format, again);
        page->len += (size_t)len;
    }
    va_end(again);
}

void page_free(struct page *page)
{
    free(page->text);
    *page = (struct page){0};
}

/* ---- Control's own --------------------------------------------------------------------------- */

static void family(struct page *page, const char *name, bool grows, const char *help)
{
    const char *suffix = grows ? "_total" : "";
    page_add(page, "# HELP millrace_%s%s %s\n# TYPE millrace_%s%s %s\n", name, suffix, help, name,
             suffix, grows ? "counter" : "gauge");
}

static void single(struct page *page, const char *name, bool grows, const char *help,
                   uint64_t value)
{
    family(page, name, grows, help);
    page_add(page, "millrace_%s%s %" PRIu64 "\n", name, grows ? "_total" : "", value);
}

static void metadata_render(struct page *page, const struct control_status *status)
{
    single(page, "ready", false, "1 when clients can be served",
           status->phase == CONTROL_READY ? 1 : 0);
    single(page, "topics", false, "Topics", status->topics);
    single(page, "partitions", false, "Partitions", status->partitions);
    single(page, "partitions_offline", false, "Partitions whose files are not there",
           status->partitions_offline);
    single(page, "data_directories", false, "Data directories", status->directories);
    single(page, "data_directories_failed", false, "Data directories that died",
           status->directories_failed);
    single(page, "metadata_end_offset", false, "Offset of the next metadata record",
           (uint64_t)status->metadata_end_offset);
    single(page, "metadata_commits", true, "Commits to the metadata log", status->commits);
    single(page, "metadata_failures", true, "Failed commits and checkpoints",
           status->commit_failures);
    single(page, "metadata_checkpoints", true, "Checkpoints of the metadata", status->checkpoints);
}

static void groups_render(struct page *page, const struct control_status *status)
{
    const struct groups_counters *groups = &status->groups;
    single(page, "group_coordinators", false, "Partitions of __consumer_offsets that are served",
           groups->seats_ready);
    single(page, "groups", false, "Groups, those that only store offsets too", groups->groups);
    family(page, "groups_in_state", false, "Groups by their state");
    for (uint32_t i = 0; i < GROUP_SHOWN_STATES; i++) {
        page_add(page, "millrace_groups_in_state{state=\"%s\"} %u\n",
                 group_shown_name((enum group_shown)i), groups->states[i]);
    }
    single(page, "group_members", false, "Members of groups", groups->members);
    single(page, "group_offsets", false, "Committed offsets", groups->offsets);
    single(page, "group_requests_waiting", false, "Requests about groups that are not answered",
           groups->waiting);
    single(page, "group_requests", true, "Requests about groups", groups->requests);
    single(page, "group_rebalances", true, "Rebalances that ended with an assignment",
           groups->rebalances);
    single(page, "group_commits", true, "Offsets committed, one for each partition",
           groups->commits);
    single(page, "group_expirations", true, "Committed offsets that expired", groups->expirations);
    single(page, "group_appends", true, "Batches written to __consumer_offsets", groups->appends);
    single(page, "group_loads", true, "Coordinators read from their partitions", groups->loads);
    single(page, "group_load_failures", true, "Coordinators lost to a failed read or append",
           groups->load_failures);
    single(page, "group_records_corrupt", true, "Records of groups that could not be read",
           groups->records_corrupt);
    single(page, "group_pauses", true, "Times in which control did not run and nobody was heard",
           groups->pauses);
}

static void txns_render(struct page *page, const struct control_status *status)
{
    const struct txns_counters *txns = &status->txns;
    const struct txn_counts *counts = &txns->transactions;
    single(page, "txn_coordinators", false, "Partitions of __transaction_state that are served",
           txns->seats_ready);
    single(page, "txn_ids", false, "Transactional ids", txns->ids);
    family(page, "txn_ids_in_state", false, "Transactional ids by the state of their transaction");
    for (uint32_t i = 0; i < TXN_STATES; i++) {
        page_add(page, "millrace_txn_ids_in_state{state=\"%s\"} %u\n",
                 txn_state_name((enum txn_state)i), counts->states[i]);
    }
    single(page, "txn_ending", false, "Transactions whose markers are being written", txns->ending);
    single(page, "txn_requests", true, "Requests about transactions", txns->requests);
    single(page, "txn_started", true, "Transactions that began", counts->started);
    single(page, "txn_committed", true, "Transactions committed, markers and all",
           counts->committed);
    single(page, "txn_aborted", true, "Transactions aborted, markers and all", counts->aborted);
    single(page, "txn_timeouts", true, "Transactions aborted because they took too long",
           counts->timeouts);
    single(page, "txn_ids_expired", true, "Transactional ids that nobody used", counts->expired);
    single(page, "txn_markers", true, "Markers written", txns->markers);
    single(page, "txn_markers_again", true, "Markers tried again", txns->markers_again);
    single(page, "txn_markers_refused", true, "Markers given up because of a newer epoch",
           txns->markers_refused);
    single(page, "txn_loads", true, "Coordinators of transactions read from their partitions",
           txns->loads);
    single(page, "txn_load_failures", true,
           "Coordinators of transactions lost to a failed read or append", txns->load_failures);
    single(page, "txn_records_corrupt", true, "Records of transactions that could not be read",
           txns->records_corrupt);
}

static void control_render(struct page *page, const struct control_status *status)
{
    const struct control_counters *counters = &status->counters;
    single(page, "control_sessions", true, "Sessions with the dataplane", status->peer.sessions);
    single(page, "control_sessions_lost", true, "Sessions that ended", status->peer.lost);
    single(page, "control_requests", true, "Messages from cores", status->peer.requests);
    single(page, "control_replies", true, "Messages to cores", status->peer.replies);
    single(page, "control_operations", true, "Requests worked out", counters->operations);
    single(page, "control_operations_failed", true, "Requests answered with one error for all",
           counters->operations_failed);
    single(page, "control_memory_short", true, "Times that nothing was taken in for want of memory",
           counters->memory_short);
    single(page, "control_operations_dropped", true, "Requests that lost their session",
           counters->dropped);
    single(page, "control_snapshots", true, "Metadata snapshots published", status->peer.snapshots);
    single(page, "control_snapshot_bytes", true, "Bytes of metadata snapshots",
           status->peer.snapshot_bytes);
    single(page, "topics_auto_created", true, "Topics created because a client named them",
           counters->topics_auto_created);
    single(page, "producer_id_blocks", true, "Blocks of producer ids granted to cores",
           counters->producer_id_blocks);
    family(page, "control_turn_max_seconds", false, "Longest turn of the control loop");
    page_add(page, "millrace_control_turn_max_seconds %.9f\n", (double)counters->turn_ns_max / 1e9);
}

/* ---- The cores' ------------------------------------------------------------------------------ */

static void loop_counters(struct page *page, const struct statistics *statistics)
{
    const bool port = atomic_load_explicit(&statistics->has_port, memory_order_relaxed) != 0;
    const uint32_t count = port ? (uint32_t)STATISTIC_COUNT : (uint32_t)STATISTIC_OF_PORT;
    for (uint32_t i = 0; i < count; i++) {
        const struct statistic_description *row = &statistic_descriptions[i];
        family(page, row->name, row->grows, row->help);
        for (uint32_t core = 0; core < statistics->core_count; core++) {
            page_add(page, "millrace_%s%s{core=\"%u\"} %" PRIu64 "\n", row->name,
                     row->grows ? "_total" : "", core,
                     statistic_get(&statistics->cores[core], (enum statistic)i));
        }
    }
}

static void port_counters(struct page *page, const struct statistics *statistics)
{
    if (atomic_load_explicit(&statistics->has_port, memory_order_relaxed) == 0) {
        return;
    }
    for (uint32_t i = 0; i < PORT_STATISTIC_COUNT; i++) {
        const struct statistic_description *row = &port_statistic_descriptions[i];
        single(page, row->name, row->grows, row->help,
               atomic_load_explicit(&statistics->port[i], memory_order_relaxed));
    }
}

/* Counters whose names end in _now go up and down. */
static void broker_counter(struct page *page, const struct statistics *statistics, const char *name,
                           size_t offset)
{
    const size_t len = strlen(name);
    const bool grows = len < 4 || strcmp(name + len - 4, "_now") != 0;
    char shown[64];
    (void)snprintf(shown, sizeof(shown), "broker_%.*s", (int)(grows ? len : len - 4), name);
    family(page, shown, grows, "Counted by the broker of each core");
    for (uint32_t core = 0; core < statistics->core_count; core++) {
        const uint8_t *counters = (const uint8_t *)&statistics->cores[core].broker.counters;
        page_add(page, "millrace_%s%s{core=\"%u\"} %" PRIu64 "\n", shown, grows ? "_total" : "",
                 core, counter_read((const uint64_t *)(const void *)(counters + offset)));
    }
}

static void broker_counters(struct page *page, const struct statistics *statistics)
{
#define X(name) broker_counter(page, statistics, #name, offsetof(struct broker_counters, name));
    BROKER_COUNTERS(X)
#undef X
}

static void by_api(struct page *page, const struct statistics *statistics, const char *name,
                   const char *help, size_t offset)
{
    family(page, name, true, help);
    for (uint32_t core = 0; core < statistics->core_count; core++) {
        const uint8_t *broker = (const uint8_t *)&statistics->cores[core].broker;
        const uint64_t *values = (const uint64_t *)(const void *)(broker + offset);
        for (uint32_t i = 0; i < api_count && i < BROKER_API_SLOTS; i++) {
            page_add(page, "millrace_%s_total{core=\"%u\",api=\"%s\"} %" PRIu64 "\n", name, core,
                     api_table[i].name, counter_read(&values[i]));
        }
    }
}

/* Upper edges of the buckets in microseconds; the label is in seconds. */
static const uint64_t edges_us[] = {20,     50,     100,     200,     500,     1000,
                                    2000,   5000,   10000,   20000,   50000,   100000,
                                    200000, 500000, 1000000, 2000000, 5000000, 10000000};

/* copy: room for one histogram, so that its buckets and its count fit together. */
static void histogram_render(struct page *page, const char *name, const char *labels,
                             const struct histogram *live, struct histogram *copy)
{
    *copy = *live;
    copy->count = histogram_count_up_to(copy, UINT64_MAX);
    for (uint32_t i = 0; i < ARRAY_SIZE(edges_us); i++) {
        page_add(page, "millrace_%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", name, labels,
                 (double)edges_us[i] / 1e6, histogram_count_up_to(copy, edges_us[i] * 1000));
    }
    page_add(page, "millrace_%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, copy->count);
    page_add(page, "millrace_%s_sum{%s} %.9f\n", name, labels, (double)copy->sum / 1e9);
    page_add(page, "millrace_%s_count{%s} %" PRIu64 "\n", name, labels, copy->count);
}

static void histogram_family(struct page *page, const char *name, const char *help)
{
    page_add(page, "# HELP millrace_%s %s\n# TYPE millrace_%s histogram\n", name, help, name);
}

static void histograms(struct page *page, const struct statistics *statistics)
{
    static const char *const stages[STAGE_COUNT] = {"receive", "parse",   "append",
                                                    "submit",  "durable", "respond"};
    struct histogram *copy = malloc(sizeof(*copy));
    if (copy == NULL) {
        page->failed = true;
        return;
    }
    char labels[64];
    histogram_family(page, "stage_seconds", "Stages of a request's life");
    for (uint32_t core = 0; core < statistics->core_count; core++) {
        for (uint32_t i = 0; i < STAGE_COUNT; i++) {
            (void)snprintf(labels, sizeof(labels), "core=\"%u\",stage=\"%s\"", core, stages[i]);
            histogram_render(page, "stage_seconds", labels,
                             &statistics->cores[core].broker.stages[i], copy);
        }
    }
    histogram_family(page, "request_seconds", "Last byte in to last byte out");
    for (uint32_t core = 0; core < statistics->core_count; core++) {
        (void)snprintf(labels, sizeof(labels), "core=\"%u\",api=\"Produce\"", core);
        histogram_render(page, "request_seconds", labels,
                         &statistics->cores[core].broker.produce_ns, copy);
        (void)snprintf(labels, sizeof(labels), "core=\"%u\",api=\"Fetch\"", core);
        histogram_render(page, "request_seconds", labels, &statistics->cores[core].broker.fetch_ns,
                         copy);
    }
    histogram_family(page, "turn_seconds", "Turns of a core that found work");
    for (uint32_t core = 0; core < statistics->core_count; core++) {
        (void)snprintf(labels, sizeof(labels), "core=\"%u\"", core);
        histogram_render(page, "turn_seconds", labels, &statistics->cores[core].turn_ns, copy);
    }
    free(copy);
}

void metrics_render(struct page *page, const struct control_status *status,
                    const struct statistics *statistics)
{
    metadata_render(page, status);
    control_render(page, status);
    groups_render(page, status);
    txns_render(page, status);
    if (statistics == NULL) {
        return;
    }
    loop_counters(page, statistics);
    port_counters(page, statistics);
    broker_counters(page, statistics);
    by_api(page, statistics, "requests", "Requests by API",
           offsetof(struct broker_statistics, requests_by_api));
    by_api(page, statistics, "request_errors", "Requests answered with an error, by API",
           offsetof(struct broker_statistics, errors_by_api));
    histograms(page, statistics);
}
