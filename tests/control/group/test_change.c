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

/* As if all that the log says of epochs had come so far. */
static void epochs_set_last(struct group_bench *bench)
{
    enum { GROUP = 3, TARGETS = 6, CURRENT = 8, EPOCH_AT = 2 };
    for (uint32_t i = 0; i < bench->log_count; i++) {
        const uint8_t type = bench->log[i].key.ptr[1];
        uint8_t *value = (uint8_t *)(uintptr_t)bench->log[i].value.ptr;
        if (value != NULL && (type == GROUP || type == TARGETS || type == CURRENT)) {
            store_be32(value + EPOCH_AT, INT32_MAX);
        }
    }
    bench_restart(bench);
}

static void behind_the_last_epoch_all_stays_until_nobody_is_left(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    epochs_set_last(bench);
    bench_forget(bench);
    BEAT(.member = "b");
    BEAT(.member = "a", .epoch = INT32_MAX);
    BEAT(.member = "a", .epoch = -1);
    BEAT(.member = "b", .epoch = -1);
    BEAT(.member = "c");
    bench_expect(bench, "b: beat NONE epoch 2147483647 []\n"
                        "+ member g b t\n"
                        "+ epoch g 2147483647\n"
                        "+ has g b 2147483647<0 stable []\n"
                        "a: beat NONE epoch 2147483647\n"
                        "a: beat NONE epoch -1\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "+ epoch g 2147483647\n"
                        "b: beat NONE epoch -1\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "+ targets g 0\n"
                        "+ epoch g 1\n"
                        "c: beat NONE epoch 2 [t/0 t/1]\n"
                        "+ member g c t\n"
                        "+ epoch g 2\n"
                        "+ target g c [t/0 t/1]\n"
                        "+ targets g 2\n"
                        "+ has g c 2<0 stable [t/0 t/1]\n");
}

static void an_empty_group_in_the_last_epoch_begins_anew(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    BEAT(.member = "a");
    BEAT(.member = "a", .epoch = -1);
    epochs_set_last(bench);
    bench_forget(bench);
    BEAT(.member = "c");
    bench_expect(bench, "c: beat NONE epoch 1 [t/0]\n"
                        "+ member g c t\n"
                        "+ targets g 0\n"
                        "+ epoch g 1\n"
                        "+ target g c [t/0]\n"
                        "+ targets g 1\n"
                        "+ has g c 1<0 stable [t/0]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_pattern_goes_with_the_last_who_wanted_it),
        CASE(who_leaves_at_once_makes_one_epoch),
        CASE(who_names_nobody_changes_nothing),
        CASE(behind_the_last_epoch_all_stays_until_nobody_is_left),
        CASE(an_empty_group_in_the_last_epoch_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
