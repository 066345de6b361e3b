#include "tests/control/group/consumer_bench.h"

static void a_group_is_told_in_each_state(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.group = "classic");
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_consumer_describe(bench, "classic");
    bench_consumer_describe(bench, "");
    bench_expect(bench, "admin: describe GROUP_ID_NOT_FOUND\n"
                        "admin: describe GROUP_ID_NOT_FOUND\n"
                        "admin: describe INVALID_GROUP_ID\n");
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Stable 1/1 uniform a@1 t [t/0 t/1] > [t/0 t/1]\n");
    BEAT(.member = "b");
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(
        bench,
        "admin: describe NONE Reconciling 2/2 uniform a@1 t [t/0 t/1] > [t/0] b@2 t [] > [t/1]\n");
    BEAT(.member = "b", .epoch = -1);
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Assigning 3/2 uniform a@1 t [t/0 t/1] > [t/0]\n");
    BEAT(.member = "a", .epoch = -1);
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Empty 4/2 uniform\n");
}

static void topics_that_are_gone_are_left_out(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    bench_topic(bench, "u", 1);
    BEAT(.member = "a", .topics = "t u");
    bench_topic(bench, "t", 0);
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Stable 1/1 uniform a@1 t+u [u/0] > [u/0]\n");
}

static void who_describes_the_classic_way_is_told_that_it_is_none(void **state)
{
    struct group_bench *bench = *state;
    BEAT(.member = "a");
    bench_forget(bench);
    bench_group(bench, GROUP_DESCRIBE, (struct said){.version = 6});
    bench_group(bench, GROUP_DESCRIBE, (struct said){.version = 5});
    bench_expect(bench, "a: describe GROUP_ID_NOT_FOUND Dead / []\n"
                        "a: describe NONE Dead / []\n");
}

static void lists_are_filtered_by_type_and_state(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    BEAT(.member = "a");
    BEAT(.member = "b", .group = "empty");
    BEAT(.member = "b", .group = "empty", .epoch = -1);
    COMMIT(.group = "simple", .topics = "t/0=1", .generation = -1);
    bench_forget(bench);
    bench_list(bench, NULL, NULL);
    bench_list(bench, NULL, "Consumer");
    bench_list(bench, "stable", NULL);
    bench_list(bench, "Empty", NULL);
    bench_list(bench, "empty", "classic");
    bench_expect(bench, "admin: list g=Stable/consumer empty=Empty/consumer simple=Empty/classic\n"
                        "admin: list g=Stable/consumer empty=Empty/consumer\n"
                        "admin: list g=Stable/consumer\n"
                        "admin: list empty=Empty/consumer simple=Empty/classic\n"
                        "admin: list simple=Empty/classic\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_group_is_told_in_each_state),
        TEST(topics_that_are_gone_are_left_out),
        TEST(who_describes_the_classic_way_is_told_that_it_is_none),
        TEST(lists_are_filtered_by_type_and_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
