#include "tests/control/group/mixed_bench.h"

static void a_pattern_goes_with_the_last_who_wanted_it(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    BEAT(.member = "a", .regex = "t.*");
    BEAT(.member = "b", .regex = "t.*");
    bench_forget(bench);
    BEAT(.member = "a", .epoch = -1);
    bench_expect(bench, "a: beat NONE epoch -1\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "+ epoch g 3\n");
    BEAT(.member = "b", .epoch = -1);
    bench_expect(bench, "b: beat NONE epoch -1\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "- regex g t.*\n"
                        "+ epoch g 4\n");
}

static void who_leaves_at_once_makes_one_epoch(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 3);
    BEAT(.member = "a");
    BEAT(.member = "b");
    BEAT(.member = "c");
    bench_forget(bench);
    LEAVE(.client = "admin", .member = "a nobody c");
    bench_expect(bench, "admin: leave NONE NONE UNKNOWN_MEMBER_ID NONE\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "- has g c\n"
                        "- target g c\n"
                        "- member g c\n"
                        "+ epoch g 4\n");
}

static void who_names_nobody_changes_nothing(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    LEAVE(.client = "admin", .member = "nobody");
    bench_expect(bench, "admin: leave NONE UNKNOWN_MEMBER_ID\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_pattern_goes_with_the_last_who_wanted_it),
        CASE(who_leaves_at_once_makes_one_epoch),
        CASE(who_names_nobody_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
