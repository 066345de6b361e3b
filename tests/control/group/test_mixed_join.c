#include "tests/control/group/mixed_bench.h"

static void a_classic_member_joins_a_consumer_group(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    bench_forget(bench);
    JOIN(.client = "b", .version = 5, .protocols = "range:@t!");
    JOIN(.client = "b", .member = "b", .version = 5, .protocols = "range:@t! sticky:@t!");
    bench_expect(bench, "b: join MEMBER_ID_REQUIRED as AQAAAAAAAAAAAAAAAAAAAA\n"
                        "b: join NONE gen 2 range leader  as b\n"
                        "+ member g b t classic 10000 range sticky\n"
                        "+ epoch g 2\n"
                        "+ target g a [t/0]\n"
                        "+ target g b [t/1]\n"
                        "+ targets g 2\n"
                        "+ has g b 2<0 unreleased []\n");
    JOIN(.client = "b", .member = "b", .version = 5, .protocols = "range:@t! sticky:@t!");
    JOIN(.client = "b", .member = "b", .version = 5, .protocols = "range:@! sticky:@!");
    bench_expect(bench, "b: join NONE gen 2 range leader  as b\n"
                        "+ has g b 2<2 unreleased []\n"
                        "b: join NONE gen 3 range leader  as b\n"
                        "+ member g b  classic 10000 range sticky\n"
                        "+ epoch g 3\n"
                        "+ target g a [t/0 t/1]\n"
                        "+ target g b []\n"
                        "+ targets g 3\n"
                        "+ has g b 3<2 stable []\n");
}

static void who_does_not_fit_in_is_refused(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    JOIN(.client = "c", .member = "c", .protocols = "other:@t");
    JOIN(.client = "c", .member = "c", .type = "connect", .protocols = "range:@t");
    JOIN(.client = "c", .member = "c", .protocols = "range:m");
    JOIN(.client = "c", .member = "c", .instance = "i", .protocols = "range:@t");
    JOIN(.client = "c", .member = "c", .session_ms = 1, .protocols = "range:@t");
    bench->settings.consumer_members_max = 2;
    JOIN(.client = "c", .member = "c", .protocols = "range:@t");
    JOIN(.client = "c", .version = 5, .protocols = "range:@t");
    JOIN(.client = "b", .member = "b", .protocols = "range:@t");
    bench_expect(bench, "c: join INCONSISTENT_GROUP_PROTOCOL as \n"
                        "c: join INCONSISTENT_GROUP_PROTOCOL as \n"
                        "c: join UNKNOWN_SERVER_ERROR as \n"
                        "c: join UNKNOWN_MEMBER_ID as \n"
                        "c: join INVALID_SESSION_TIMEOUT as c\n"
                        "c: join GROUP_MAX_SIZE_REACHED as \n"
                        "c: join GROUP_MAX_SIZE_REACHED as \n"
                        "b: join NONE gen 2 range leader  as b\n"
                        "+ member g b t classic 10000 range\n");
}

static void a_static_member_is_replaced_whatever_it_spoke(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    BEAT(.member = "b", .instance = "i");
    BEAT(.member = "a", .epoch = 1, .owned = "t/0");
    BEAT(.member = "b", .instance = "i", .epoch = 2);
    bench_forget(bench);
    JOIN(.client = "c", .instance = "i", .protocols = "range:@t!", .version = 5);
    bench_expect(bench, "c: join NONE gen 2 range leader  as AQAAAAAAAAAAAAAAAAAAAA\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "+ member g AQAAAAAAAAAAAAAAAAAAAA t as i\n"
                        "+ target g AQAAAAAAAAAAAAAAAAAAAA [t/1]\n"
                        "+ has g AQAAAAAAAAAAAAAAAAAAAA 0<0 stable [t/1]\n"
                        "+ member g AQAAAAAAAAAAAAAAAAAAAA t as i classic 10000 range\n"
                        "+ has g AQAAAAAAAAAAAAAAAAAAAA 2<0 stable [t/1]\n");
    HEARTBEAT(.client = "b", .member = "b", .instance = "i", .generation = 2);
    BEAT(.member = "b", .instance = "i", .epoch = 2);
    BEAT(.member = "d", .instance = "i");
    bench_expect(bench, "b: heartbeat FENCED_INSTANCE_ID\n"
                        "b: beat FENCED_INSTANCE_ID\n"
                        "d: beat NONE epoch 2 [t/1]\n"
                        "- has g AQAAAAAAAAAAAAAAAAAAAA\n"
                        "- target g AQAAAAAAAAAAAAAAAAAAAA\n"
                        "- member g AQAAAAAAAAAAAAAAAAAAAA\n"
                        "+ member g d t as i classic 10000 range\n"
                        "+ target g d [t/1]\n"
                        "+ has g d 0<0 stable [t/1]\n"
                        "+ member g d t as i\n"
                        "+ has g d 2<0 stable [t/1]\n");
}

static void a_pattern_goes_with_the_one_who_wanted_it(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    BEAT(.member = "b", .instance = "i", .regex = "t.*");
    bench_forget(bench);
    JOIN(.client = "c", .instance = "i", .protocols = "range:@t", .version = 5);
    bench_expect(bench, "c: join NONE gen 3 range leader  as AQAAAAAAAAAAAAAAAAAAAA\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "+ member g AQAAAAAAAAAAAAAAAAAAAA  ~t.* as i\n"
                        "+ target g AQAAAAAAAAAAAAAAAAAAAA [t/1]\n"
                        "+ has g AQAAAAAAAAAAAAAAAAAAAA 0<0 unreleased []\n"
                        "+ member g AQAAAAAAAAAAAAAAAAAAAA t as i classic 10000 range\n"
                        "- regex g t.*\n"
                        "+ epoch g 3\n"
                        "+ targets g 3\n"
                        "+ has g AQAAAAAAAAAAAAAAAAAAAA 3<0 unreleased []\n");
}

static void a_member_goes_over_with_a_join(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    bench_forget(bench);
    JOIN(.client = "a", .member = "a", .protocols = "range:@t!t/0+t/1");
    bench_consumer_describe(bench, "g");
    bench_expect(bench,
                 "a: join NONE gen 1 range leader  as a\n"
                 "+ member g a t classic 10000 range\n"
                 "admin: describe NONE Stable 1/1 uniform a@1 classic t [t/0 t/1] > [t/0 t/1]\n");
}

static void more_partitions_than_a_record_holds_are_refused(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    bench_topic(bench, "big", 260000);
    JOIN(.client = "c", .member = "c", .version = 5, .protocols = "range:@big!");
    JOIN(.client = "b", .member = "b", .version = 5, .protocols = "range:@big!");
    HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    BEAT(.member = "a", .epoch = 2);
    bench_expect(bench, "c: join UNKNOWN_SERVER_ERROR as \n"
                        "b: join UNKNOWN_SERVER_ERROR as \n"
                        "b: heartbeat NONE\n"
                        "a: beat NONE epoch 2\n");
    /* And when it is a topic that has grown. */
    bench_topic(bench, "t", 520000);
    BEAT(.member = "a", .epoch = 2);
    HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    JOIN(.client = "b", .member = "b", .version = 5, .protocols = "range:@t!");
    HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    bench_expect(bench, "a: beat UNKNOWN_SERVER_ERROR\n"
                        "+ epoch g 3\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: join UNKNOWN_SERVER_ERROR as \n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_classic_member_joins_a_consumer_group),
        CASE(who_does_not_fit_in_is_refused),
        CASE(a_static_member_is_replaced_whatever_it_spoke),
        CASE(a_pattern_goes_with_the_one_who_wanted_it),
        CASE(a_member_goes_over_with_a_join),
        CASE(more_partitions_than_a_record_holds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
