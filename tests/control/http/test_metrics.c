#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "control/http/metrics.h"

static struct statistics *statistics_make(uint32_t cores)
{
    struct statistics *statistics = aligned_alloc(64, round_up(statistics_size(cores), 64));
    assert_non_null(statistics);
    memset(statistics, 0, statistics_size(cores));
    statistics_init(statistics, cores, 1);
    return statistics;
}

static void assert_line(const struct page *page, const char *line)
{
    for (const char *at = page->text; (at = strstr(at, line)) != NULL; at++) {
        if ((at == page->text || at[-1] == '\n') && at[strlen(line)] == '\n') {
            return;
        }
    }
    fail_msg("there is no line \"%s\"", line);
}

static void control_s_own_numbers_are_there_without_a_dataplane(void **state)
{
    (void)state;
    struct page page = {0};
    const struct control_status status = {
        .phase = CONTROL_READY,
        .topics = 3,
        .commits = 9,
        .counters = {.turn_ns_max = 1500000},
        .groups = {.states = {[GROUP_SHOWN_STABLE] = 4}, .commits = 17},
        .txns = {.markers = 8, .transactions = {.states = {[TXN_ONGOING] = 5}, .committed = 6}}};
    metrics_render(&page, &status, NULL);
    assert_line(&page, "millrace_ready 1");
    assert_line(&page, "millrace_groups_in_state{state=\"Stable\"} 4");
    assert_line(&page, "millrace_groups_in_state{state=\"PreparingRebalance\"} 0");
    assert_line(&page, "millrace_group_commits_total 17");
    assert_line(&page, "# TYPE millrace_txn_ids_in_state gauge");
    assert_line(&page, "millrace_txn_ids_in_state{state=\"Ongoing\"} 5");
    assert_line(&page, "millrace_txn_committed_total 6");
    assert_line(&page, "millrace_txn_markers_total 8");
    assert_line(&page, "millrace_topics 3");
    assert_line(&page, "# TYPE millrace_metadata_commits_total counter");
    assert_line(&page, "millrace_metadata_commits_total 9");
    assert_line(&page, "millrace_control_turn_max_seconds 0.001500000");
    page_free(&page);
}

static void each_core_has_its_counters_and_histograms(void **state)
{
    (void)state;
    struct page page = {0};
    const struct control_status status = {0};
    struct statistics *statistics = statistics_make(2);
    statistic_add(&statistics->cores[1], STATISTIC_sockets_accepted, 7);
    statistic_set(&statistics->cores[0], STATISTIC_sockets, 2);
    counter_set(&statistics->cores[1].broker.counters.connections_now, 5);
    counter_set(&statistics->cores[1].broker.counters.fetch_errors, 6);
    statistics->cores[0].broker.requests_by_api[0] = 11;
    histogram_record(&statistics->cores[1].broker.stages[STAGE_DURABLE], 150000);
    histogram_record(&statistics->cores[1].broker.stages[STAGE_DURABLE], 3000000);
    metrics_render(&page, &status, statistics);
    assert_line(&page, "millrace_ready 0");
    assert_line(&page, "millrace_sockets_accepted_total{core=\"1\"} 7");
    assert_line(&page, "millrace_sockets{core=\"0\"} 2");
    assert_line(&page, "# TYPE millrace_broker_connections gauge");
    assert_line(&page, "millrace_broker_connections{core=\"1\"} 5");
    assert_line(&page, "millrace_broker_fetch_errors_total{core=\"1\"} 6");
    assert_line(&page, "millrace_requests_total{core=\"0\",api=\"Produce\"} 11");
    assert_line(&page, "# TYPE millrace_stage_seconds histogram");
    assert_line(&page,
                "millrace_stage_seconds_bucket{core=\"1\",stage=\"durable\",le=\"0.0001\"} 0");
    assert_line(&page,
                "millrace_stage_seconds_bucket{core=\"1\",stage=\"durable\",le=\"0.0002\"} 1");
    assert_line(&page, "millrace_stage_seconds_bucket{core=\"1\",stage=\"durable\",le=\"+Inf\"} 2");
    assert_line(&page, "millrace_stage_seconds_count{core=\"1\",stage=\"durable\"} 2");
    assert_line(&page, "millrace_stage_seconds_sum{core=\"1\",stage=\"durable\"} 0.003150000");
    page_free(&page);
    free(statistics);
}

static void a_port_is_told_only_where_there_is_one(void **state)
{
    (void)state;
    struct page page = {0};
    const struct control_status status = {0};
    struct statistics *statistics = statistics_make(1);
    statistic_set(&statistics->cores[0], STATISTIC_tcp_established, 7);
    statistic_set(&statistics->cores[0], STATISTIC_port_in_frames, 8);
    statistics->port[PORT_STATISTIC_port_missed] = 9;
    metrics_render(&page, &status, statistics);
    assert_null(strstr(page.text, "millrace_tcp_"));
    assert_null(strstr(page.text, "millrace_port_"));
    page_free(&page);
    statistics->has_port = 1;
    metrics_render(&page, &status, statistics);
    assert_line(&page, "millrace_tcp_established{core=\"0\"} 7");
    assert_line(&page, "millrace_port_in_frames_total{core=\"0\"} 8");
    assert_line(&page, "millrace_port_missed_total 9");
    page_free(&page);
    free(statistics);
}

static void the_readme_names_each_metric_of_a_port(void **state)
{
    (void)state;
    char path[512];
    static char readme[65536];
    (void)snprintf(path, sizeof(path), "%s/control/README.md", getenv("SOURCE_ROOT"));
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    const size_t len = fread(readme, 1, sizeof(readme) - 1, in);
    readme[len] = '\0';
    assert_int_equal(fclose(in), 0);
    for (uint32_t i = STATISTIC_OF_PORT; i < STATISTIC_COUNT + PORT_STATISTIC_COUNT; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "`%s`",
                       i < STATISTIC_COUNT ? statistic_descriptions[i].name
                                           : port_statistic_descriptions[i - STATISTIC_COUNT].name);
        if (strstr(readme, name) == NULL) {
            fail_msg("control/README.md does not say what %s is", name);
        }
    }
}

static void every_line_is_one_that_prometheus_reads(void **state)
{
    (void)state;
    struct page page = {0};
    const struct control_status status = {0};
    struct statistics *statistics = statistics_make(1);
    metrics_render(&page, &status, statistics);
    uint32_t lines = 0;
    for (char *line = strtok(page.text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        lines++;
        if (strncmp(line, "# HELP millrace_", 16) == 0 ||
            strncmp(line, "# TYPE millrace_", 16) == 0) {
            continue;
        }
        assert_int_equal(strncmp(line, "millrace_", 9), 0);
        const char *value = strrchr(line, ' ');
        assert_non_null(value);
        char *end;
        (void)strtod(value + 1, &end);
        assert_int_equal(*end, '\0');
    }
    assert_true(lines > 300);
    page_free(&page);
    free(statistics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_s_own_numbers_are_there_without_a_dataplane),
        cmocka_unit_test(each_core_has_its_counters_and_histograms),
        cmocka_unit_test(a_port_is_told_only_where_there_is_one),
        cmocka_unit_test(the_readme_names_each_metric_of_a_port),
        cmocka_unit_test(every_line_is_one_that_prometheus_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
