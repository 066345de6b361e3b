#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/report.h"

enum { TEXT_BYTES = 4000 };

/* 2 s, 1000 requests of 1 MB each, latencies 1 to 1000 us. */
static struct report *report_make(void)
{
    struct report *report = calloc(1, sizeof(*report));
    assert_non_null(report);
    report->kind = "produce";
    report->before = (struct usage){.at_ns = 5000000000,
                                    .busy_seconds = 100,
                                    .load_seconds = 7,
                                    .pid_seconds = 3,
                                    .device_bytes_written = 500};
    report->after = (struct usage){.at_ns = 7000000000,
                                   .busy_seconds = 101.5,
                                   .load_seconds = 8,
                                   .pid_seconds = 3.25,
                                   .device_bytes_written = 500 + 1050000000,
                                   .has_device = true};
    for (uint64_t us = 1; us <= 1000; us++) {
        histogram_record(&report->latency_ns, us * 1000);
    }
    report->requests = 1000;
    report->records = 5000;
    report->payload_bytes = 1000 * 1000000ull;
    report->verified_bytes = 1000;
    return report;
}

/* What report_print writes to stdout; *code its answer. */
static const char *printed(const struct report *report, bool json, int *code)
{
    static char text[TEXT_BYTES];
    FILE *file = tmpfile();
    const int saved = dup(STDOUT_FILENO);
    assert_true(file != NULL && saved >= 0);
    (void)fflush(stdout);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    *code = report_print(report, &(struct bench_options){.json = json});
    (void)fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    rewind(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) {
        fail_msg("no number %s", key);
    }
    return json_number_value(value);
}

static void json_holds_the_figures(void **state)
{
    (void)state;
    struct report *report = report_make();
    int code;
    json_t *json = json_loads(printed(report, true, &code), 0, NULL);
    assert_non_null(json);
    assert_int_equal(code, 0);
    const struct {
        const char *key;
        double want;
    } wanted[] = {
        {"seconds", 2},
        {"requests", 1000},
        {"records", 5000},
        {"payload_bytes", 1e9},
        {"mb_per_s", 500},
        {"requests_per_s", 500},
        {"cpu_s_per_gb", 0.5},
        {"cpu_us_per_request", 500},
        {"process_cpu_s_per_gb", 0.25},
        {"load_cpu_share", 0.5},
        {"device_bytes_per_payload_byte", 1.05},
        {"errors", 0},
        {"verified_bytes", 1000},
        {"offered", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        if (number(json, wanted[i].key) < wanted[i].want - 1e-3 ||
            number(json, wanted[i].key) > wanted[i].want + 1e-3) {
            fail_msg("%s is %f, not %f", wanted[i].key, number(json, wanted[i].key),
                     wanted[i].want);
        }
    }
    assert_true(json_is_true(json_object_get(json, "verified")));
    assert_true(json_is_false(json_object_get(json, "load_is_limit")));
    const json_t *latency = json_object_get(json, "latency_us");
    const struct {
        const char *key;
        double want;
    } percentiles[] = {{"p50", 500},   {"p90", 900},     {"p99", 990},
                       {"p99.9", 999}, {"p99.99", 1000}, {"max", 1000}};
    for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++) { /* Buckets are 1/64 wide. */
        const double got = number(latency, percentiles[i].key);
        assert_true(got >= percentiles[i].want && got <= percentiles[i].want * 66 / 64);
    }
    json_decref(json);
    free(report);
}

static void a_load_that_uses_its_whole_cpu_is_called_the_limit(void **state)
{
    (void)state;
    struct report *report = report_make();
    int code;
    report->after.load_seconds = 8.95;
    assert_non_null(strstr(printed(report, true, &code), "\"load_is_limit\":true"));
    assert_non_null(strstr(printed(report, false, &code), "it is the limit"));
    report->offered = 2000; /* An open loop polls: what it achieved tells. */
    assert_null(strstr(printed(report, false, &code), "it is the limit"));
    assert_non_null(strstr(printed(report, false, &code), "achieved 50.00%"));
    free(report);
}

static void errors_and_wrong_bytes_fail_the_run(void **state)
{
    (void)state;
    struct report *report = report_make();
    int code;
    report->errors = 3;
    report->first_error = 6;
    (void)printed(report, true, &code);
    assert_int_equal(code, 1);
    report->errors = 0;
    report->verify_failed = true;
    assert_non_null(strstr(printed(report, true, &code), "\"verified\":false"));
    assert_int_equal(code, 1);
    assert_non_null(strstr(printed(report, false, &code), "WRONG"));
    free(report);
}

static void a_run_without_requests_divides_by_nothing(void **state)
{
    (void)state;
    struct report *report = calloc(1, sizeof(*report));
    int code;
    report->kind = "produce";
    json_t *json = json_loads(printed(report, true, &code), 0, NULL);
    assert_non_null(json);
    assert_true(number(json, "mb_per_s") == 0);
    json_decref(json);
    free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_holds_the_figures),
        cmocka_unit_test(a_load_that_uses_its_whole_cpu_is_called_the_limit),
        cmocka_unit_test(errors_and_wrong_bytes_fail_the_run),
        cmocka_unit_test(a_run_without_requests_divides_by_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
