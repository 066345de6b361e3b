#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "control/http/metrics.h"

static const struct uuid id = {{1}};

static bool has_line(const struct page *page, const char *line)
{
    for (const char *at = page->text; (at = strstr(at, line)) != NULL; at++) {
        if ((at == page->text || at[-1] == '\n') && at[strlen(line)] == '\n') {
            return true;
        }
    }
    return false;
}

static void assert_line(const struct page *page, const char *line)
{
    if (!has_line(page, line)) {
        fail_msg("there is no line %s", line);
    }
}

static struct lag_report *report_make(struct bytes group)
{
    const struct lag_limits limits = {.partitions_max = 10, .rows_max = 10};
    struct lag_report *report = lag_report_new(&limits, 5000000000, 1700000000500);
    report->node_id = 7;
    memcpy(report->address, "node.example:9092", sizeof("node.example:9092"));
    assert_int_equal(lag_report_topic(report, bytes_of_string("t"), &id, 3), 0);
    lag_report_position(report, 0, 10, 100);
    lag_report_position(report, 1, 0, 50);
    assert_true(lag_report_group(report, group, GROUP_SHOWN_STABLE, 2));
    lag_report_row(report, NULL, bytes_of_string("t"), 1, 20);
    lag_report_row(report, NULL, bytes_of_string("u"), 0, 5);
    lag_report_row(report, NULL, bytes_of_string("t"), 0, 90);
    return report;
}

static void native_names_and_those_of_kafka_exporter(void **state)
{
    (void)state;
    struct page page = {0};
    struct lag_report *report = report_make(bytes_of_string("g"));
    metrics_lag_render(&page, report);
    static const char *const lines[] = {
        "# TYPE kafka_consumergroup_lag gauge",
        "kafka_brokers 1",
        "kafka_broker_info{address=\"node.example:9092\",id=\"7\"} 1",
        "kafka_topic_partitions{topic=\"t\"} 3",
        "kafka_topic_partition_oldest_offset{partition=\"0\",topic=\"t\"} 10",
        "kafka_topic_partition_current_offset{partition=\"0\",topic=\"t\"} 100",
        "kafka_topic_partition_leader{partition=\"0\",topic=\"t\"} 7",
        "kafka_topic_partition_leader{partition=\"2\",topic=\"t\"} -1",
        "kafka_topic_partition_under_replicated_partition{partition=\"2\",topic=\"t\"} 1",
        "kafka_topic_partition_in_sync_replica{partition=\"1\",topic=\"t\"} 1",
        "kafka_consumergroup_members{consumergroup=\"g\"} 2",
        "kafka_consumergroup_current_offset{consumergroup=\"g\",partition=\"0\",topic=\"t\"} 90",
        "kafka_consumergroup_current_offset{consumergroup=\"g\",partition=\"0\",topic=\"u\"} 5",
        "kafka_consumergroup_current_offset_sum{consumergroup=\"g\",topic=\"t\"} 110",
        "kafka_consumergroup_lag{consumergroup=\"g\",partition=\"1\",topic=\"t\"} 30",
        "kafka_consumergroup_lag_sum{consumergroup=\"g\",topic=\"t\"} 40",
        "millrace_partition_start_offset{partition=\"0\",topic=\"t\"} 10",
        "millrace_partition_end_offset{partition=\"1\",topic=\"t\"} 50",
        "millrace_group_members_in{group=\"g\",state=\"Stable\"} 2",
        "millrace_group_committed_offset{group=\"g\",partition=\"1\",topic=\"t\"} 20",
        "millrace_group_lag{group=\"g\",partition=\"0\",topic=\"t\"} 10",
        "millrace_group_lag_seconds{group=\"g\",partition=\"0\",topic=\"t\"} 0",
        "millrace_lag_looked_seconds 1700000000.500",
        "millrace_lag_rows_omitted 0",
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(lines); i++) {
        assert_line(&page, lines[i]);
    }
    /* What is not known is not told. */
    assert_null(strstr(page.text, "kafka_consumergroup_lag{consumergroup=\"g\",partition=\"0\","
                                  "topic=\"u\"}"));
    assert_null(strstr(page.text, "current_offset{partition=\"2\""));
    page_free(&page);
    lag_report_release(report);
}

static void names_of_groups_may_hold_anything(void **state)
{
    (void)state;
    static const struct {
        struct bytes name;
        const char *want;
    } rows[] = {
        {{(const uint8_t *)"a\"b\\c\nd", 7}, "a\\\"b\\\\c\\nd"},
        {{(const uint8_t *)"\xc3\xbc\xff\xc3", 4}, "\xc3\xbc\\\\xff\\\\xc3"},
        {{(const uint8_t *)"a\0b\r\x7f", 5}, "a\\\\x00b\\\\x0d\\\\x7f"},
        /* Of the shape of UTF-8, but none: longer than need be, a surrogate, beyond U+10FFFF. */
        {{(const uint8_t *)"\xe0\x80\xaf", 3}, "\\\\xe0\\\\x80\\\\xaf"},
        {{(const uint8_t *)"\xf0\x80\x80\xaf", 4}, "\\\\xf0\\\\x80\\\\x80\\\\xaf"},
        {{(const uint8_t *)"\xed\xa0\x80", 3}, "\\\\xed\\\\xa0\\\\x80"},
        {{(const uint8_t *)"\xf4\x90\x80\x80", 4}, "\\\\xf4\\\\x90\\\\x80\\\\x80"},
        {{(const uint8_t *)"\xf0\x9f\x98\x80", 4}, "\xf0\x9f\x98\x80"},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct page page = {0};
        char line[128];
        struct lag_report *report = report_make(rows[i].name);
        metrics_lag_render(&page, report);
        (void)snprintf(line, sizeof(line), "kafka_consumergroup_members{consumergroup=\"%s\"} 2",
                       rows[i].want);
        assert_line(&page, line);
        page_free(&page);
        lag_report_release(report);
    }
}

/* One TYPE line each, and all samples behind it. */
static void each_family_stands_together(void **state)
{
    (void)state;
    struct page page = {0};
    struct lag_report *report = report_make(bytes_of_string("g"));
    char family[100] = "";
    metrics_lag_render(&page, report);
    for (const char *at = page.text; *at != '\0'; at = strchr(at, '\n') + 1) {
        if (strncmp(at, "# TYPE ", 7) == 0) {
            (void)sscanf(at + 7, "%99s", family);
        } else if (*at != '#') {
            assert_memory_equal(at, family, strlen(family));
            assert_true(strchr("{ ", at[strlen(family)]) != NULL);
        }
    }
    page_free(&page);
    lag_report_release(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(native_names_and_those_of_kafka_exporter),
        cmocka_unit_test(names_of_groups_may_hold_anything),
        cmocka_unit_test(each_family_stands_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
