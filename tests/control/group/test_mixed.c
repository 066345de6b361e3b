#include "tests/control/group/mixed_bench.h"

static void classic_members_give_up_and_get_by_joining_again(void **state)
{
    struct group_bench *bench = *state;
    mixed_three(bench);
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    bench_expect(bench, "a: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n");
    JOIN(.client = "a", .member = "a#01", .protocols = "range:@t!t/0+t/1");
    SYNC(.client = "a", .member = "a#01", .generation = 1);
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    bench_expect(bench, "a: join NONE gen 2 range leader  as a#01\n"
                        "+ member g a#01 t classic 10000 range\n"
                        "+ has g a#01 2<1 stable [t/0 t/1]\n"
                        "a: sync ILLEGAL_GENERATION\n"
                        "a: heartbeat ILLEGAL_GENERATION\n");
    JOIN(.client = "b", .member = "b#02", .protocols = "range:@t!t/2+t/3");
    SYNC(.client = "b", .member = "b#02", .generation = 1, .type = "consumer");
    HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    JOIN(.client = "a", .member = "a#01", .protocols = "range:@t!t/0");
    JOIN(.client = "b", .member = "b#02", .protocols = "range:@t!t/2");
    BEAT(.member = "c", .epoch = 2, .owned = "");
    bench_expect(bench, "b: join NONE gen 1 range leader  as b#02\n"
                        "+ member g b#02 t classic 10000 range\n"
                        "+ has g b#02 1<1 unrevoked [t/2] -[t/3]\n"
                        "b: sync NONE <t/2>\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "a: join NONE gen 2 range leader  as a#01\n"
                        "+ member g a#01 t classic 10000 range\n"
                        "b: join NONE gen 2 range leader  as b#02\n"
                        "+ member g b#02 t classic 10000 range\n"
                        "+ has g b#02 2<1 stable [t/2]\n"
                        "c: beat NONE epoch 2 [t/3]\n"
                        "+ has g c 2<2 stable [t/3]\n");
    SYNC(.client = "b", .member = "b#02", .generation = 2);
    HEARTBEAT(.client = "b", .member = "b#02", .generation = 2);
    HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    bench_expect(bench, "b: sync NONE <t/2>\n"
                        "b: heartbeat NONE\n"
                        "b: heartbeat ILLEGAL_GENERATION\n");
}

static void who_waits_for_others_joins_when_they_are_done(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    JOIN(.client = "b", .member = "b", .version = 5, .protocols = "range:@t!");
    SYNC(.client = "b", .member = "b", .generation = 2);
    HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    bench_expect(bench, "a: beat NONE epoch 1 [t/0 t/1]\n"
                        "+ member g a t\n"
                        "+ epoch g 1\n"
                        "+ target g a [t/0 t/1]\n"
                        "+ targets g 1\n"
                        "+ has g a 1<0 stable [t/0 t/1]\n"
                        "b: join NONE gen 2 range leader  as b\n"
                        "+ member g b t classic 10000 range\n"
                        "+ epoch g 2\n"
                        "+ target g a [t/0]\n"
                        "+ target g b [t/1]\n"
                        "+ targets g 2\n"
                        "+ has g b 2<0 unreleased []\n"
                        "b: sync NONE <>\n"
                        "b: heartbeat NONE\n");
    BEAT(.member = "a", .epoch = 1, .owned = "t/0");
    HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    JOIN(.client = "b", .member = "b", .version = 5, .protocols = "range:@t!");
    SYNC(.client = "b", .member = "b", .generation = 2);
    HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    bench_expect(bench, "a: beat NONE epoch 2 [t/0]\n"
                        "+ has g a 2<1 stable [t/0]\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: join NONE gen 2 range leader  as b\n"
                        "+ has g b 2<2 stable [t/1]\n"
                        "b: sync NONE <t/1>\n"
                        "b: heartbeat NONE\n");
}

static void who_does_not_join_again_in_time_is_out(void **state)
{
    struct group_bench *bench = *state;
    bench->settings.consumer_session_timeout_ms = 600000;
    mixed_pair(bench);
    BEAT(.member = "c");
    bench_forget(bench);
    for (uint32_t i = 0; i < 13; i++) {
        HEARTBEAT(.client = "b", .member = "b", .generation = 2);
        bench_run_to(bench, bench->now_ms + 5000);
    }
    bench_expect(bench, "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "@60000\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "+ epoch g 4\n"
                        "b: heartbeat UNKNOWN_MEMBER_ID\n");
}

static void who_leaves_its_assignment_is_out(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    BEAT(.member = "a");
    JOIN(.client = "b", .member = "b", .version = 5, .rebalance_ms = 8000, .protocols = "range:@t");
    bench_forget(bench);
    bench_run_to(bench, bench->now_ms + 8000);
    bench_expect(bench, "@8000\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "+ epoch g 3\n");
}

static void who_is_silent_for_its_own_session_is_out(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    bench_run_to(bench, bench->now_ms + 9999);
    bench_expect(bench, "");
    bench_run_to(bench, bench->now_ms + 1);
    bench_expect(bench, "@10000\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "+ epoch g 3\n");
}

static void only_members_of_the_classic_protocol_are_heard(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    HEARTBEAT(.client = "a", .member = "a", .generation = 2);
    HEARTBEAT(.client = "x", .member = "x", .generation = 2);
    HEARTBEAT(.client = "b", .member = "b", .generation = 1);
    HEARTBEAT(.client = "b", .member = "b", .instance = "i", .generation = 2);
    SYNC(.client = "a", .member = "a", .generation = 2);
    SYNC(.client = "b", .member = "b", .generation = 3);
    SYNC(.client = "b", .member = "b", .generation = 2, .type = "connect");
    SYNC(.client = "b", .member = "b", .generation = 2, .version = 5);
    SYNC(.client = "b", .member = "b", .generation = 2, .type = "consumer");
    bench_expect(bench, "a: heartbeat UNKNOWN_MEMBER_ID\n"
                        "x: heartbeat UNKNOWN_MEMBER_ID\n"
                        "b: heartbeat ILLEGAL_GENERATION\n"
                        "b: heartbeat UNKNOWN_MEMBER_ID\n"
                        "a: sync UNKNOWN_MEMBER_ID\n"
                        "b: sync ILLEGAL_GENERATION\n"
                        "b: sync INCONSISTENT_GROUP_PROTOCOL\n"
                        "b: sync INCONSISTENT_GROUP_PROTOCOL\n"
                        "b: sync NONE <t/2 t/3>\n");
    BEAT(.member = "c");
    bench_forget(bench);
    SYNC(.client = "b", .member = "b", .generation = 2);
    bench_expect(bench, "b: sync REBALANCE_IN_PROGRESS\n");
}

static void both_kinds_of_members_commit(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    COMMIT(.client = "a", .member = "a", .generation = 2, .version = 9, .topics = "t/0=1");
    COMMIT(.client = "a", .member = "a", .generation = 2, .version = 8, .topics = "t/0=1");
    COMMIT(.client = "a", .member = "a", .generation = 1, .version = 9, .topics = "t/0=1");
    COMMIT(.client = "b", .member = "b", .generation = 2, .version = 9, .topics = "t/2=1");
    COMMIT(.client = "b", .member = "b", .generation = 2, .version = 2, .topics = "t/2=2");
    COMMIT(.client = "b", .member = "b", .generation = 1, .version = 9, .topics = "t/2=3");
    COMMIT(.client = "x", .member = "x", .generation = 2, .version = 9, .topics = "t/2=3");
    TXN(.client = "b", .member = "b", .generation = 1, .topics = "t/2=3", .producer_id = 7);
    TXN(.client = "a", .member = "a", .generation = 1, .topics = "t/2=3", .producer_id = 7);
    FETCH(.client = "a", .member = "a", .generation = 1, .topics = "t/2");
    FETCH(.client = "b", .member = "b", .generation = 1, .topics = "t/2");
    FETCH(.client = "b", .member = "b", .generation = 2, .topics = "t/2");
    bench_expect(bench, "a: commit NONE\n"
                        "+ offset g t/0 = 1 \"\"\n"
                        "a: commit UNSUPPORTED_VERSION\n"
                        "a: commit STALE_MEMBER_EPOCH\n"
                        "b: commit NONE\n"
                        "+ offset g t/2 = 1 \"\"\n"
                        "b: commit NONE\n"
                        "+ offset g t/2 = 2 \"\"\n"
                        "b: commit ILLEGAL_GENERATION\n"
                        "x: commit UNKNOWN_MEMBER_ID\n"
                        "b: txn ILLEGAL_GENERATION\n"
                        "a: txn ILLEGAL_GENERATION\n"
                        "a: fetch STALE_MEMBER_EPOCH\n"
                        "b: fetch ILLEGAL_GENERATION\n"
                        "b: fetch t/2=2\n");
}

static void a_classic_member_goes_over_with_a_heartbeat(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    BEAT(.member = "b", .epoch = 2);
    HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    bench_expect(bench, "b: beat NONE epoch 2\n"
                        "+ member g b t\n"
                        "b: heartbeat UNKNOWN_MEMBER_ID\n");
}

static void a_pause_counts_against_nobody(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    BEAT(.member = "c");
    HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    bench_forget(bench);
    bench->now_ms += 100000;
    bench_event(bench, GROUP_RESUME);
    bench_run_to(bench, bench->now_ms + 9999);
    bench_expect(bench, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(classic_members_give_up_and_get_by_joining_again),
        CASE(who_waits_for_others_joins_when_they_are_done),
        CASE(who_does_not_join_again_in_time_is_out),
        CASE(who_leaves_its_assignment_is_out),
        CASE(who_is_silent_for_its_own_session_is_out),
        CASE(only_members_of_the_classic_protocol_are_heard),
        CASE(both_kinds_of_members_commit),
        CASE(a_classic_member_goes_over_with_a_heartbeat),
        CASE(a_pause_counts_against_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
