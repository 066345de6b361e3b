#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/serve/lag_report.h"

#define S UINT64_C(1000000000)

static const struct uuid id_a = {{1}};
static const struct uuid id_b = {{2}};

/* Topics "a" of two partitions and "b" of one, both ending at end. */
static struct lag_report *report_at(uint64_t at_ns, int64_t end)
{
    const struct lag_limits limits = {.partitions_max = 3, .rows_max = 5};
    struct lag_report *report = lag_report_new(&limits, at_ns, 0);
    assert_non_null(report);
    assert_int_equal(lag_report_topic(report, bytes_of_string("a"), &id_a, 2), 0);
    assert_int_equal(lag_report_topic(report, bytes_of_string("b"), &id_b, 1), 2);
    lag_report_position(report, 0, 0, end);
    lag_report_position(report, 2, 0, end);
    return report;
}

static void lag_is_what_lies_between(void **state)
{
    (void)state;
    struct lag_report *report = report_at(S, 100);
    assert_true(lag_report_group(report, bytes_of_string("g"), GROUP_SHOWN_STABLE, 3));
    lag_report_row(report, NULL, bytes_of_string("a"), 0, 60);
    lag_report_row(report, NULL, bytes_of_string("b"), 0, 130); /* The log was truncated. */
    lag_report_row(report, NULL, bytes_of_string("a"), 1, 60);  /* No leader. */
    lag_report_row(report, NULL, bytes_of_string("gone"), 0, 60);
    assert_int_equal(report->groups[0].count, 4);
    assert_int_equal(report->rows[0].lag, 40);
    assert_int_equal(report->rows[1].lag, 0);
    assert_int_equal(report->rows[2].lag, -1);
    assert_int_equal(report->rows[3].lag, -1);
    assert_int_equal(report->rows[3].lag_ms, -1);
    lag_report_release(report);
}

static void what_does_not_fit_is_counted(void **state)
{
    (void)state;
    struct lag_report *report = report_at(S, 100);
    char long_name[LAG_NAME_BYTES_MAX + 1];
    memset(long_name, 'x', sizeof(long_name));
    assert_int_equal(lag_report_topic(report, bytes_of_string("c"), &id_a, 7), LAG_NONE);
    assert_int_equal(report->positions_omitted, 7);
    const struct bytes too_long = {(const uint8_t *)long_name, sizeof(long_name)};
    assert_false(lag_report_group(report, too_long, GROUP_SHOWN_EMPTY, 0));
    assert_true(lag_report_group(report, bytes_of_string("g"), GROUP_SHOWN_EMPTY, 0));
    for (int32_t i = 0; i < 6; i++) {
        lag_report_row(report, NULL, bytes_of_string("a"), 0, i);
    }
    assert_false(lag_report_group(report, bytes_of_string("h"), GROUP_SHOWN_EMPTY, 0));
    assert_int_equal(report->row_count, 4); /* And the group. */
    assert_int_equal(report->rows_omitted, 4);
    lag_report_release(report);
}

/* Of who has committed 60 in "a". */
static int64_t lag_ms_at(struct lag_report **last, uint64_t at_ns, int64_t end)
{
    struct lag_report *report = report_at(at_ns, end);
    assert_true(lag_report_group(report, bytes_of_string("g"), GROUP_SHOWN_STABLE, 1));
    lag_report_row(report, *last, bytes_of_string("a"), 0, 60);
    if (*last != NULL) {
        lag_report_release(*last);
    }
    *last = report;
    return report->rows[0].lag_ms;
}

static void seconds_come_from_reports_before(void **state)
{
    (void)state;
    struct lag_report *last = NULL;
    assert_int_equal(lag_ms_at(&last, 10 * S, 40), 0);
    assert_int_equal(lag_ms_at(&last, 20 * S, 60), 0);
    assert_int_equal(lag_ms_at(&last, 30 * S, 60), 0);
    assert_int_equal(lag_ms_at(&last, 40 * S, 80), 10000); /* The first came after 30. */
    assert_int_equal(lag_ms_at(&last, 50 * S, 80), 20000);
    assert_int_equal(lag_ms_at(&last, 60 * S, 10), 0); /* Another log. */
    lag_report_release(last);
}

static void between_two_looks_records_came_evenly(void **state)
{
    (void)state;
    struct lag_history history = {0};
    lag_history_add(&history, 100, 10 * S);
    lag_history_add(&history, 200, 20 * S);
    assert_int_equal(lag_history_ms(&history, 150, 30 * S), 15000);
    assert_int_equal(lag_history_ms(&history, 200, 30 * S), 0);
    assert_int_equal(lag_history_ms(&history, 20, 30 * S), 20000); /* At least. */
}

static void long_ago_is_remembered_less_well_but_not_forgotten(void **state)
{
    (void)state;
    struct lag_history history = {0};
    for (uint64_t i = 0; i <= 10000; i++) {
        lag_history_add(&history, (int64_t)i * 100, i * S);
    }
    assert_int_equal(history.count, LAG_POINTS_MAX);
    for (int64_t ago = 1; ago <= 10000; ago *= 10) {
        const int64_t told = lag_history_ms(&history, (10000 - ago) * 100, 10000 * S);
        assert_in_range(told, ago * 1000 - 1, ago * 1000 + 1);
    }
}

static void a_topic_made_anew_has_no_past(void **state)
{
    (void)state;
    const struct lag_limits limits = {.partitions_max = 1, .rows_max = 5};
    struct lag_report *last = NULL;
    (void)lag_ms_at(&last, 10 * S, 60);
    struct lag_report *report = lag_report_new(&limits, 20 * S, 0);
    assert_int_equal(lag_report_topic(report, bytes_of_string("a"), &id_b, 1), 0);
    lag_report_position(report, 0, 0, 80);
    assert_true(lag_report_group(report, bytes_of_string("g"), GROUP_SHOWN_STABLE, 1));
    lag_report_row(report, last, bytes_of_string("a"), 0, 60);
    assert_int_equal(report->rows[0].lag, 20);
    assert_int_equal(report->rows[0].lag_ms, 0);
    lag_report_hold(report);
    lag_report_release(report);
    lag_report_release(report);
    lag_report_release(last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lag_is_what_lies_between),
        cmocka_unit_test(what_does_not_fit_is_counted),
        cmocka_unit_test(seconds_come_from_reports_before),
        cmocka_unit_test(between_two_looks_records_came_evenly),
        cmocka_unit_test(long_ago_is_remembered_less_well_but_not_forgotten),
        cmocka_unit_test(a_topic_made_anew_has_no_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
