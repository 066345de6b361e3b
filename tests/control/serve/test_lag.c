#include "control/serve/lag.h"

#include "tests/control/serve/serve_bench.h"

#define S UINT64_C(1000000000)

/* Looks every ten seconds, and has done so once. */
static struct bench *bench_that_looks(void)
{
    struct bench *bench = bench_with_groups(NULL);
    bench->control->setup.looks_at_lag = true;
    return bench;
}

static struct lag_report *report_next(struct bench *bench)
{
    struct lag_report *report = NULL;
    for (uint32_t i = 0; i < 50 && report == NULL; i++) {
        bench->now_ns += S;
        bench_turns(bench, 10);
        report = control_take_lag(bench->control);
    }
    assert_non_null(report);
    return report;
}

static void groups_and_partitions_are_looked_at(void **state)
{
    (void)state;
    struct bench *bench = bench_that_looks();
    assert_int_equal(commit_offset(bench, "g", "t", 2, 0), ERROR_NONE);
    assert_int_equal(commit_offset(bench, "h", "t", 1, 7), ERROR_NONE);
    lag_report_release(report_next(bench)); /* May have begun before. */
    struct lag_report *report = report_next(bench);
    assert_int_equal(report->topic_count, 2);
    assert_int_equal(report->topics[1].count, 4);
    assert_true(report->positions[report->topics[1].first + 3].known);
    assert_int_equal(report->group_count, 2);
    assert_int_equal(report->row_count, 2);
    const struct lag_row *row = &report->rows[report->rows[0].partition == 1 ? 0 : 1];
    assert_int_equal(row->committed, 7);
    assert_int_equal(row->lag, 0);
    assert_null(control_take_lag(bench->control));
    lag_report_release(report);
    bench_free(bench);
}

static void where_nobody_looks_nothing_is_asked(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    const uint32_t reads = bench->reads;
    for (uint32_t i = 0; i < 30; i++) {
        bench->now_ns += S;
        bench_turns(bench, 10);
    }
    assert_null(control_take_lag(bench->control));
    assert_int_equal(bench->reads, reads);
    bench_free(bench);
}

static void limits_are_kept(void **state)
{
    (void)state;
    const char *const extra[] = {"--set", "metrics.partitions_max=4", "--set",
                                 "metrics.group_rows_max=2", NULL};
    struct bench *bench = bench_with_groups(extra);
    bench->control->setup.looks_at_lag = true;
    assert_int_equal(commit_offset(bench, "g", "t", 2, 0), ERROR_NONE);
    assert_int_equal(commit_offset(bench, "h", "t", 1, 7), ERROR_NONE);
    lag_report_release(report_next(bench));
    struct lag_report *report = report_next(bench);
    assert_int_equal(report->topic_count, 1); /* Not __consumer_offsets. */
    assert_int_equal(report->positions_omitted, 50);
    assert_int_equal(report->group_count + report->row_count, 2);
    assert_int_equal(report->rows_omitted, 2);
    lag_report_release(report);
    bench_free(bench);
}

static void a_session_that_ends_midway_is_no_matter(void **state)
{
    (void)state;
    struct bench *bench = bench_that_looks();
    lag_report_release(report_next(bench));
    for (uint32_t i = 0; i < 12; i++) {
        bench->now_ns += 11 * S; /* A look begins, and goes so many turns. */
        bench_turns(bench, i);
        bench_stop_dataplane(bench);
        bench_turns(bench, 3);
        bench_start_dataplane(bench);
        bench_turns(bench, 30);
    }
    struct lag_report *report = report_next(bench);
    assert_int_equal(report->topic_count, 2);
    lag_report_release(report);
    bench_free(bench);
}

static void the_address_that_clients_are_told_is_there(void **state)
{
    (void)state;
    static const struct {
        const char *set[2];
        const char *want;
    } rows[] = {
        {{"network.listen=192.0.2.1:9092", "network.advertised=node.example:19092"},
         "node.example:19092"},
        {{"network.listen=127.0.0.1:9092", "http.listen=127.0.0.1:9644"}, "127.0.0.1:9092"},
        {{"network.listen=[2001:db8::1]:9092", "http.listen=127.0.0.1:9644"}, "[2001:db8::1]:9092"},
        {{"network.listen=0.0.0.0:9092", "http.listen=127.0.0.1:9644"}, ""},
        {{"network.listen=[::]:9092", "http.listen=127.0.0.1:9644"}, ""},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *const extra[] = {"--insecure", "--set",        rows[i].set[0],
                                     "--set",      rows[i].set[1], NULL};
        struct bench *bench = bench_with_groups(extra);
        bench->control->setup.looks_at_lag = true;
        struct lag_report *report = report_next(bench);
        assert_string_equal(report->address, rows[i].want);
        lag_report_release(report);
        bench_free(bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_and_partitions_are_looked_at),
        cmocka_unit_test(where_nobody_looks_nothing_is_asked),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(a_session_that_ends_midway_is_no_matter),
        cmocka_unit_test(the_address_that_clients_are_told_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
