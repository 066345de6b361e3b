#include "tests/control/group/consumer_bench.h"

static void the_assignor_that_most_want_is_taken(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    bench_topic(bench, "u", 2);
    BEAT(.member = "a", .topics = "t u", .assignor = "range");
    BEAT(.member = "b", .topics = "t u");
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Reconciling 2/2 range a@1 t+u [t/0 t/1 u/0 u/1] > "
                        "[t/0 u/0] b@2 t+u [] > [t/1 u/1]\n");
    BEAT(.member = "c", .topics = "t u", .assignor = "uniform");
    BEAT(.member = "d", .topics = "t u", .assignor = "uniform");
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Reconciling 4/4 uniform a@1 t+u [t/0 t/1 u/0 u/1] > "
                        "[t/0] b@2 t+u [] > [t/1] c@3 t+u [] > [u/1] d@4 t+u [] > [u/0]\n");
}

static void the_first_of_the_settings_is_taken_where_nobody_cares(void **state)
{
    struct group_bench *bench = *state;
    bench->settings.assignors[0] = GROUP_RANGE;
    bench->settings.assignor_count = 1;
    bench_topic(bench, "t", 3);
    bench_topic(bench, "u", 3);
    BEAT(.member = "a", .topics = "t u");
    BEAT(.member = "b", .topics = "t u");
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Reconciling 2/2 range a@1 t+u [t/0 t/1 t/2 u/0 u/1 "
                        "u/2] > [t/0 t/1 u/0 u/1] b@2 t+u [] > [t/2 u/2]\n");
    BEAT(.member = "c", .assignor = "uniform");
    bench_expect(bench, "c: beat UNSUPPORTED_ASSIGNOR\n");
}

static void who_has_keeps_what_it_can(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 6);
    BEAT(.member = "a");
    BEAT(.member = "b");
    bench_forget(bench);
    BEAT(.member = "c");
    bench_expect(bench, "c: beat NONE epoch 3 []\n"
                        "+ member g c t\n"
                        "+ epoch g 3\n"
                        "+ target g a [t/0 t/1]\n"
                        "+ target g b [t/3 t/4]\n"
                        "+ target g c [t/2 t/5]\n"
                        "+ targets g 3\n"
                        "+ has g c 3<0 unreleased []\n");
}

static void each_gets_only_what_it_wants(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    bench_topic(bench, "u", 2);
    bench_topic(bench, "v", 2);
    BEAT(.member = "a", .topics = "t v");
    BEAT(.member = "b", .topics = "u");
    BEAT(.member = "c", .topics = "v nothing");
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Reconciling 3/3 uniform a@1 t+v [t/0 t/1 v/0 v/1] > "
                        "[t/0 t/1] b@2 u [u/0 u/1] > [u/0 u/1] c@3 nothing+v [] > [v/0 v/1]\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_assignor_that_most_want_is_taken),
        TEST(the_first_of_the_settings_is_taken_where_nobody_cares),
        TEST(who_has_keeps_what_it_can),
        TEST(each_gets_only_what_it_wants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
