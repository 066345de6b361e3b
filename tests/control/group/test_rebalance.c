#include "tests/control/group/bench.h"

static void an_empty_group_waits_for_more_to_come(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a");
    bench_expect(bench, "+ group g gen 0 /null leader null []\n");
    bench_run_to(bench, 2999);
    bench_expect(bench, "");
    bench_run_to(bench, 3000);
    bench_expect(bench, "@3000\n"
                        "a: join NONE gen 1 range leader a#01 as a#01 [a#01=m]\n");
}

static void every_newcomer_makes_the_wait_longer_up_to_the_rebalance_timeout(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .rebalance_ms = 10000);
    static const char *const names[] = {"b", "c", "d"};
    for (uint32_t i = 0; i < 3; i++) {
        bench_run_to(bench, 2000 + 3000 * i);
        JOIN(.client = names[i], .rebalance_ms = 10000);
    }
    bench_forget(bench);
    bench_run_to(bench, 9999);
    JOIN(.client = "e", .rebalance_ms = 10000);
    bench_expect(bench, "@9000\n");
    bench_run_to(bench, 10000);
    bench_expect(bench, "@10000\n"
                        "a: join NONE gen 1 range leader a#01 as a#01 "
                        "[a#01=m b#02=m c#03=m d#04=m e#05=m]\n"
                        "b: join NONE gen 1 range leader a#01 as b#02\n"
                        "c: join NONE gen 1 range leader a#01 as c#03\n"
                        "d: join NONE gen 1 range leader a#01 as d#04\n"
                        "e: join NONE gen 1 range leader a#01 as e#05\n");
}

static void a_generation_begins_when_all_have_come_back(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "c");
    bench_expect(bench, "");
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    JOIN(.client = "a", .member = "a#01");
    bench_expect(bench, "a: heartbeat REBALANCE_IN_PROGRESS\n");
    JOIN(.client = "b", .member = "b#02");
    bench_expect(bench, "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m b#02=m c#03=m]\n"
                        "b: join NONE gen 2 range leader a#01 as b#02\n"
                        "c: join NONE gen 2 range leader a#01 as c#03\n");
}

static void who_does_not_come_back_in_time_is_out(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "c", .rebalance_ms = 20000);
    JOIN(.client = "b", .member = "b#02", .rebalance_ms = 20000);
    while (bench->now_ms < 60000) { /* It is alive; it only does not join. */
        bench_run_to(bench, bench->now_ms + 3000);
        HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    }
    bench_forget(bench);
    bench_run_to(bench, 66000);
    bench_expect(bench, "@66000\n"
                        "b: join NONE gen 2 range leader b#02 as b#02 [b#02=m c#03=m]\n"
                        "c: join NONE gen 2 range leader b#02 as c#03\n");
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    bench_expect(bench, "a: heartbeat UNKNOWN_MEMBER_ID\n");
}

static void who_does_not_ask_for_its_assignment_in_time_is_out(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .rebalance_ms = 15000, .session_ms = 30000);
    JOIN(.client = "b", .rebalance_ms = 15000, .session_ms = 30000);
    bench_run_to(bench, 6000);
    SYNC(.client = "a", .member = "a#01", .generation = 1, .assign = "a#01=x");
    bench_forget(bench);
    HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    bench_expect(bench, "b: heartbeat NONE\n");
    bench_run_to(bench, 21000);
    bench_expect(bench, "@21000\n");
    HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    JOIN(.client = "a", .member = "a#01");
    bench_expect(bench, "b: heartbeat UNKNOWN_MEMBER_ID\n"
                        "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m]\n");
}

static void a_silent_leader_ends_the_generation_for_those_who_wait(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .session_ms = 8000);
    JOIN(.client = "b");
    bench_run_to(bench, 6000);
    bench_forget(bench);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    bench_run_to(bench, 14000);
    bench_expect(bench, "@14000\n"
                        "b: sync REBALANCE_IN_PROGRESS\n");
    JOIN(.client = "b", .member = "b#02");
    bench_expect(bench, "b: join NONE gen 2 range leader b#02 as b#02 [b#02=m]\n");
}

static void a_silent_member_is_out_after_its_session(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    bench_run_to(bench, 15999);
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    bench_expect(bench, "a: heartbeat NONE\n");
    bench_run_to(bench, 16000);
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    bench_expect(bench, "@16000\na: heartbeat REBALANCE_IN_PROGRESS\n");
    bench_run_to(bench, 26000);
    bench_expect(bench, "@26000\n"
                        "+ group g gen 2 consumer/null leader null []\n");
}

static void a_new_member_that_never_gets_an_answer_is_out_after_five_minutes(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "c", .rebalance_ms = 600000);
    while (bench->now_ms < 300000) { /* The others hold it up. */
        bench_run_to(bench, bench->now_ms + 3000);
        HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
        HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    }
    bench_forget(bench);
    bench_run_to(bench, 306000);
    bench_expect(bench, "@306000\nc: join UNKNOWN_MEMBER_ID as \n");
}

static void members_that_wait_need_no_heartbeat(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "c", .session_ms = 6000, .rebalance_ms = 50000);
    JOIN(.client = "a", .member = "a#01", .session_ms = 6000, .rebalance_ms = 50000);
    while (bench->now_ms < 50000) {
        bench_run_to(bench, bench->now_ms + 3000);
        HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    }
    bench_forget(bench);
    JOIN(.client = "b", .member = "b#02", .session_ms = 6000);
    bench_expect(bench, "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m b#02=m c#03=m]\n"
                        "b: join NONE gen 2 range leader a#01 as b#02\n"
                        "c: join NONE gen 2 range leader a#01 as c#03\n");
}

static void static_members_keep_their_place_while_they_are_away(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .instance = "i", .version = 5, .session_ms = 30000, .rebalance_ms = 9000);
    JOIN(.client = "b", .version = 3, .session_ms = 30000, .rebalance_ms = 9000);
    bench_run_to(bench, 6000);
    SYNC(.client = "a", .member = "i#01", .generation = 1);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    bench_forget(bench);
    JOIN(.client = "b", .member = "b#02", .protocols = "range:n", .rebalance_ms = 9000);
    bench_run_to(bench, 15000);
    bench_expect(bench, "@15000\n"
                        "b: join NONE gen 2 range leader b#02 as b#02 [i#01=m b#02=n]\n");
}

static void nobody_back_in_time_waits_for_the_sessions_to_end(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .instance = "i", .version = 5, .session_ms = 60000, .rebalance_ms = 9000);
    JOIN(.client = "b", .version = 3, .session_ms = 10000, .rebalance_ms = 9000);
    bench_run_to(bench, 6000);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    SYNC(.client = "a", .member = "i#01", .generation = 1);
    bench_forget(bench);
    LEAVE(.client = "b", .member = "b#02");
    bench_forget(bench);
    bench_run_to(bench, 100000);
    bench_expect(bench, "@15000\n@24000\n@33000\n@42000\n@51000\n@60000\n@66000\n"
                        "+ group g gen 2 consumer/null leader null []\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_empty_group_waits_for_more_to_come),
        CASE(every_newcomer_makes_the_wait_longer_up_to_the_rebalance_timeout),
        CASE(a_generation_begins_when_all_have_come_back),
        CASE(who_does_not_come_back_in_time_is_out),
        CASE(who_does_not_ask_for_its_assignment_in_time_is_out),
        CASE(a_silent_leader_ends_the_generation_for_those_who_wait),
        CASE(a_silent_member_is_out_after_its_session),
        CASE(a_new_member_that_never_gets_an_answer_is_out_after_five_minutes),
        CASE(members_that_wait_need_no_heartbeat),
        CASE(static_members_keep_their_place_while_they_are_away),
        CASE(nobody_back_in_time_waits_for_the_sessions_to_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
