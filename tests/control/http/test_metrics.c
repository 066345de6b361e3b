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
        .phase = CONTROL_READY, .topics = 3, .commits = 9, .counters = {.turn_ns_max = 1500000}};
    metrics_render(&page, &status, NULL);
    assert_line(&page, "millrace_ready 1");
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
        cmocka_unit_test(every_line_is_one_that_prometheus_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
