#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tools/bench/options.h"

enum { WORDS_MAX = 8 };

static int parse(const char *const *words, struct bench_options *options, bool *help)
{
    char *argv[WORDS_MAX + 1] = {NULL};
    int argc = 0;
    for (; argc < WORDS_MAX && words[argc] != NULL; argc++) {
        argv[argc] = (char *)(uintptr_t)words[argc];
    }
    *options = (struct bench_options){0};
    return bench_options_parse(options, argc, argv, help);
}

static void what_makes_no_sense_is_a_usage_error(void **state)
{
    (void)state;
    static const char *const wrong[][WORDS_MAX] = {
        {NULL},
        {"frob", NULL},
        {"produce", "--frob", "1", NULL},
        {"produce", "--connections", NULL},
        {"produce", "--connections", "0", NULL},
        {"produce", "--connections", "1025", NULL},
        {"produce", "--connections", "-1", NULL},
        {"produce", "--connections", "2k", NULL},
        {"produce", "--in-flight", "513", NULL},
        {"produce", "--seconds", "0", NULL},
        {"produce", "--batch-bytes", "1t", NULL},
        {"produce", "--batch-bytes", "1kk", NULL},
        {"produce", "--batch-bytes", "99999999999999999999", NULL},
        {"produce", "--batch-bytes", "18014398509481984g", NULL},
        {"produce", "--acks", "all", NULL},
        {"produce", "--acks", "2", NULL},
        {"produce", "--acks", "-2", NULL},
        {"produce", "--config", "retention.ms", NULL},
        {"produce", "-o", "xml", NULL},
        {"produce", "--bootstrap", "nonsense", NULL},
        {"produce", "--bootstrap", "::1:9092", NULL}, /* Which colon? */
        {"produce", "--over", "pigeon", NULL},
        {"produce", "--over", "ring", NULL}, /* Both ends would be one process. */
        {"produce", "--over", "port", NULL}, /* Which one? */
        {"produce", "-o", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct bench_options options;
        bool help;
        assert_int_equal(parse(wrong[i], &options, &help), 2);
        assert_false(help);
    }
}

static void memif_knows_the_profile_at_the_other_end(void **state)
{
    (void)state;
    static const char *const words[][WORDS_MAX] = {
        {"small", NULL},
        {"small", "--over", "memif", NULL},
        {"small", "--over", "memif", "--device", "net_memif0,id=7", "--bootstrap", "10.1.1.1:1",
         NULL},
    };
    static const struct {
        const char *bootstrap, *device;
    } said[] = {{"127.0.0.1:9092", NULL},
                {"10.78.0.2:9092", "net_memif0,role=client,id=0,socket=millrace-memif,rsize=12"},
                {"10.1.1.1:1", "net_memif0,id=7"}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        struct bench_options options;
        bool help;
        assert_int_equal(parse(words[i], &options, &help), 0);
        assert_string_equal(options.bootstrap, said[i].bootstrap);
        assert_string_equal(options.address, "10.78.0.1");
        if (said[i].device == NULL) {
            assert_null(options.device);
        } else {
            assert_string_equal(options.device, said[i].device);
        }
    }
}

static void sizes_know_their_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } sizes[] = {{"0", 0},         {"17", 17},       {"1k", 1024},      {"2K", 2048},
                 {"3m", 3u << 20}, {"4M", 4u << 20}, {"64m", 64u << 20}};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct bench_options options;
        bool help;
        const char *const words[] = {"produce", "--batch-bytes", sizes[i].text, NULL};
        assert_int_equal(parse(words, &options, &help), 0);
        assert_int_equal(options.batch_bytes, sizes[i].bytes);
    }
}

static void a_kind_brings_its_defaults_and_words_change_them(void **state)
{
    (void)state;
    struct bench_options options;
    bool help;
    assert_int_equal(parse((const char *const[]){"latency", NULL}, &options, &help), 0);
    assert_int_equal(options.kind, BENCH_LATENCY);
    assert_int_equal(options.rate_per_s, 1000);
    assert_int_equal(options.record_bytes, 100);
    assert_int_equal(options.acks, 1);
    assert_true(options.verify);
    assert_false(options.json);
    assert_int_equal(options.cpu, UINT64_MAX);
    assert_string_equal(options.bootstrap, "127.0.0.1:9092");
    assert_int_equal(
        parse((const char *const[]){"small", "--acks", "-1", "--no-verify", "-o", "json", NULL},
              &options, &help),
        0);
    assert_int_equal(options.kind, BENCH_SMALL);
    assert_int_equal(options.acks, -1);
    assert_false(options.verify);
    assert_true(options.json);
}

static void configs_and_pids_gather(void **state)
{
    (void)state;
    struct bench_options options;
    bool help;
    assert_int_equal(parse((const char *const[]){"produce", "--config", "a=1", "--config",
                                                 "b=", "--pid", "17", NULL},
                           &options, &help),
                     0);
    assert_int_equal(options.config_count, 2);
    assert_string_equal(options.configs[1], "b=");
    assert_int_equal(options.pid_count, 1);
    assert_int_equal(options.pids[0], 17);
}

static void help_is_found_anywhere(void **state)
{
    (void)state;
    struct bench_options options;
    bool help;
    assert_int_equal(parse((const char *const[]){"--help", NULL}, &options, &help), 0);
    assert_true(help);
    assert_int_equal(
        parse((const char *const[]){"produce", "--frob", "--help", NULL}, &options, &help), 0);
    assert_true(help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_makes_no_sense_is_a_usage_error),
        cmocka_unit_test(memif_knows_the_profile_at_the_other_end),
        cmocka_unit_test(sizes_know_their_units),
        cmocka_unit_test(a_kind_brings_its_defaults_and_words_change_them),
        cmocka_unit_test(configs_and_pids_gather),
        cmocka_unit_test(help_is_found_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
