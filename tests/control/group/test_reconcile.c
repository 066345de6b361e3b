#include "tests/control/group/consumer_bench.h"

static void who_says_nothing_of_what_it_has_may_have_all(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    BEAT(.member = "b");
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/1");
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1);
    BEAT(.member = "b", .epoch = 2);
    bench_expect(bench, "a: beat NONE epoch 1\n"
                        "b: beat NONE epoch 2\n"
                        "+ has g b 2<2 unreleased []\n");
}

static void who_has_given_up_before_it_was_told_goes_on_at_once(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    BEAT(.member = "b");
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1, .owned = "t/0");
    bench_expect(bench, "a: beat NONE epoch 2 [t/0]\n"
                        "+ has g a 2<1 stable [t/0]\n");
}

static void topics_that_are_not_wanted_any_more_are_given_up_first(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    bench_topic(bench, "u", 1);
    BEAT(.member = "a", .topics = "t u");
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1, .topics = "u");
    bench_expect(bench, "a: beat NONE epoch 1 [u/0]\n"
                        "+ member g a u\n"
                        "+ epoch g 2\n"
                        "+ target g a [u/0]\n"
                        "+ targets g 2\n"
                        "+ has g a 1<1 unrevoked [u/0] -[t/0]\n");
    /* While it gives up t, it does not want u either. */
    BEAT(.member = "a", .epoch = 1, .topics = "", .owned = "t/0 u/0");
    bench_expect(bench, "a: beat NONE epoch 1 []\n"
                        "+ member g a \n"
                        "+ epoch g 3\n"
                        "+ target g a []\n"
                        "+ targets g 3\n"
                        "+ has g a 1<1 unrevoked [] -[t/0 u/0]\n");
    BEAT(.member = "a", .epoch = 1, .owned = "u/0");
    bench_expect(bench, "a: beat NONE epoch 1\n");
    BEAT(.member = "a", .epoch = 1, .owned = "");
    bench_expect(bench, "a: beat NONE epoch 3\n"
                        "+ has g a 3<1 stable []\n");
}

static void targets_may_change_while_somebody_gives_up(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 4);
    BEAT(.member = "a");
    BEAT(.member = "b");
    BEAT(.member = "a", .epoch = 1);
    bench_forget(bench);
    BEAT(.member = "b", .epoch = -1);
    BEAT(.member = "c");
    BEAT(.member = "c", .epoch = -1);
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/1 t/2 t/3");
    bench_expect(bench, "a: beat NONE epoch 1\n"
                        "+ target g a [t/0 t/1 t/2 t/3]\n"
                        "+ targets g 5\n");
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/1");
    bench_expect(bench, "a: beat NONE epoch 5 [t/0 t/1 t/2 t/3]\n"
                        "+ has g a 5<1 stable [t/0 t/1 t/2 t/3]\n");
}

static void who_waits_gets_one_by_one(void **state)
{
    struct group_bench *bench = *state;
    bench->settings.assignors[0] = GROUP_RANGE;
    bench_topic(bench, "t", 3);
    bench_topic(bench, "u", 3);
    BEAT(.member = "a", .topics = "t");
    BEAT(.member = "b", .topics = "u");
    BEAT(.member = "c", .topics = "t u");
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1);
    BEAT(.member = "b", .epoch = 2);
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/1");
    BEAT(.member = "c", .epoch = 3);
    bench_expect(bench, "a: beat NONE epoch 3\n"
                        "+ has g a 3<1 stable [t/0 t/1]\n"
                        "c: beat NONE epoch 3 [t/2]\n"
                        "+ has g c 3<3 unreleased [t/2]\n");
    BEAT(.member = "b", .epoch = 2, .owned = "u/0 u/1");
    BEAT(.member = "c", .epoch = 3);
    bench_expect(bench, "b: beat NONE epoch 3\n"
                        "+ has g b 3<2 stable [u/0 u/1]\n"
                        "c: beat NONE epoch 3 [t/2 u/2]\n"
                        "+ has g c 3<3 stable [t/2 u/2]\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_says_nothing_of_what_it_has_may_have_all),
        TEST(who_has_given_up_before_it_was_told_goes_on_at_once),
        TEST(topics_that_are_not_wanted_any_more_are_given_up_first),
        TEST(targets_may_change_while_somebody_gives_up),
        TEST(who_waits_gets_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
