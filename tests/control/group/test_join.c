#include "tests/control/group/bench.h"

static void what_a_request_must_be_is_checked(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.group = "", .member = "x");
    JOIN(.session_ms = 5999);
    JOIN(.session_ms = 1800001);
    JOIN(.member = "x");
    bench_expect(bench, "a: join INVALID_GROUP_ID as x\n"
                        "a: join INVALID_SESSION_TIMEOUT as \n"
                        "a: join INVALID_SESSION_TIMEOUT as \n"
                        "a: join UNKNOWN_MEMBER_ID as x\n");
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 0);
    JOIN(.protocols = "");
    bench_expect(bench, "a: join INCONSISTENT_GROUP_PROTOCOL as \n"
                        "+ group g gen 0 /null leader null []\n");
}

static void a_first_answer_tells_the_id_to_come_back_with(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.version = 4);
    bench_expect(bench, "a: join MEMBER_ID_REQUIRED as a#01\n"
                        "+ group g gen 0 /null leader null []\n");
    assert_int_equal(group_coordinator_counts(bench->coordinator).members, 0);
    JOIN(.version = 4, .member = "a#01");
    bench_run_to(bench, 3000);
    bench_expect(bench, "@3000\n"
                        "a: join NONE gen 1 range leader a#01 as a#01 [a#01=m]\n");
}

static void an_id_that_nobody_comes_back_with_is_forgotten(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.version = 4, .session_ms = 7000);
    bench_forget(bench);
    bench_run_to(bench, 6999);
    bench_expect(bench, "");
    bench_run_to(bench, 7000);
    JOIN(.version = 4, .member = "a#01");
    bench_expect(bench, "@7000\na: join UNKNOWN_MEMBER_ID as a#01\n");
}

static void an_id_that_is_waited_for_holds_the_others_up(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "c", .version = 4);
    JOIN(.client = "a", .member = "a#01");
    JOIN(.client = "b", .member = "b#02");
    bench_expect(bench, "c: join MEMBER_ID_REQUIRED as c#03\n");
    LEAVE(.client = "c", .member = "c#03");
    bench_expect(bench, "c: leave NONE NONE\n"
                        "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m b#02=m]\n"
                        "b: join NONE gen 2 range leader a#01 as b#02\n");
}

static void protocols_must_have_one_in_common(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .protocols = "range:m sticky:m");
    JOIN(.client = "b", .protocols = "sticky:m");
    bench_forget(bench);
    JOIN(.client = "c", .protocols = "range:m");
    JOIN(.client = "d", .protocols = "sticky:m", .type = "connect");
    bench_expect(bench, "c: join INCONSISTENT_GROUP_PROTOCOL as \n"
                        "d: join INCONSISTENT_GROUP_PROTOCOL as \n");
    bench_run_to(bench, 6000);
    bench_expect(bench, "@3000\n@6000\n"
                        "a: join NONE gen 1 sticky leader a#01 as a#01 [a#01=m b#02=m]\n"
                        "b: join NONE gen 1 sticky leader a#01 as b#02\n");
    JOIN(.client = "a", .member = "a#01", .protocols = "other:m");
    bench_expect(bench, "a: join INCONSISTENT_GROUP_PROTOCOL as a#01\n");
}

static void a_follower_that_comes_back_unchanged_gets_the_generation_it_has(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "b", .member = "b#02");
    bench_expect(bench, "b: join NONE gen 1 range leader a#01 as b#02\n");
    JOIN(.client = "b", .member = "b#02", .protocols = "range:other");
    bench_expect(bench, "");
    JOIN(.client = "a", .member = "a#01");
    bench_expect(bench, "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m b#02=other]\n"
                        "b: join NONE gen 2 range leader a#01 as b#02\n");
}

static void a_leader_that_comes_back_always_rebalances(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "a", .member = "a#01");
    HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    bench_expect(bench, "b: heartbeat REBALANCE_IN_PROGRESS\n");
}

static void before_the_assignment_a_lost_answer_is_given_again(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a");
    JOIN(.client = "b");
    bench_run_to(bench, 6000);
    bench_forget(bench);
    JOIN(.client = "a", .member = "a#01");
    JOIN(.client = "b", .member = "b#02");
    bench_expect(bench, "a: join NONE gen 1 range leader a#01 as a#01 [a#01=m b#02=m]\n"
                        "b: join NONE gen 1 range leader a#01 as b#02\n");
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    JOIN(.client = "a", .member = "a#01", .protocols = "range:changed");
    bench_expect(bench, "b: sync REBALANCE_IN_PROGRESS\n");
}

static void a_second_join_takes_the_place_of_the_first(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "a", .member = "a#01");
    JOIN(.client = "a again", .member = "a#01");
    bench_expect(bench, "a: join REBALANCE_IN_PROGRESS as a#01\n");
    JOIN(.client = "b", .member = "b#02");
    bench_expect(bench, "a again: join NONE gen 2 range leader a#01 as a#01 [a#01=m b#02=m]\n"
                        "b: join NONE gen 2 range leader a#01 as b#02\n");
}

static void a_full_group_takes_no_more(void **state)
{
    struct group_bench *bench = *state;
    bench->settings.members_max = 2;
    bench_stable(bench);
    JOIN(.client = "c");
    bench_expect(bench, "c: join GROUP_MAX_SIZE_REACHED as \n");
    JOIN(.client = "a", .member = "a#01");
    JOIN(.client = "c"); /* Who waits counts, so the last one to come back is out. */
    JOIN(.client = "b", .member = "b#02");
    bench_expect(bench, "b: join GROUP_MAX_SIZE_REACHED as \n");
    bench_run_to(bench, bench->now_ms + 60000);
    bench_expect(bench, "@16000\n@66000\n"
                        "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m c#05=m]\n"
                        "c: join NONE gen 2 range leader a#01 as c#05\n");
}

/* --- static members -----------------------------------------------------------------------------
 */

static void static_stable(struct group_bench *bench)
{
    JOIN(.client = "a", .instance = "i", .version = 5);
    JOIN(.client = "b", .instance = "k", .version = 5);
    bench_run_to(bench, 6000);
    SYNC(.client = "b", .member = "k#02", .generation = 1);
    SYNC(.client = "a", .member = "i#01", .generation = 1, .assign = "i#01=x k#02=y");
    bench_forget(bench);
}

static void a_static_member_comes_back_without_a_rebalance(void **state)
{
    struct group_bench *bench = *state;
    static_stable(bench);
    JOIN(.client = "b", .instance = "k", .version = 9);
    bench_expect(bench, "b: join NONE gen 1 range leader i#01 as k#03\n"
                        "+ group g gen 1 consumer/range leader i#01 [i#01:m>x k#03:m>y]\n");
    SYNC(.client = "b", .member = "k#03", .instance = "k", .generation = 1);
    HEARTBEAT(.client = "old", .member = "k#02", .instance = "k", .generation = 1);
    HEARTBEAT(.client = "old", .member = "k#02", .generation = 1);
    HEARTBEAT(.client = "b", .member = "k#03", .instance = "k", .generation = 1);
    bench_expect(bench, "b: sync NONE y\n"
                        "old: heartbeat FENCED_INSTANCE_ID\n"
                        "old: heartbeat UNKNOWN_MEMBER_ID\n"
                        "b: heartbeat NONE\n");
}

static void a_static_member_that_says_more_than_a_record_holds_is_refused(void **state)
{
    static const uint8_t huge[1000 * 1000];
    struct group_bench *bench = *state;
    static_stable(bench);
    const struct bytes group_id = bytes_of_string("g");
    const struct bytes instance_id = bytes_of_string("k");
    const struct bytes type = bytes_of_string("consumer");
    const struct bytes name = bytes_of_string("range");
    const struct bytes metadata = {huge, sizeof(huge)};
    const struct join_group_request_protocol protocol = {.name = chain_of(&name),
                                                         .metadata = chain_of(&metadata)};
    struct join_group_request request = join_group_request_default;
    request.group_id = chain_of(&group_id);
    request.group_instance_id = chain_of(&instance_id);
    request.protocol_type = chain_of(&type);
    request.protocols.items = &protocol;
    request.protocols.count = 1;
    request.session_timeout_ms = 10000;
    request.rebalance_timeout_ms = 60000;
    const struct group_event event = {.kind = GROUP_JOIN, .version = 9, .join = &request};
    struct arena arena = {0};
    struct group_update update = {.arena = &arena};
    group_step(bench->coordinator, &event, &update);
    assert_int_equal(update.record_count, 0);
    assert_int_equal(update.reply_count, 1);
    const struct join_group_response *answer = update.replies[0].answer;
    assert_int_equal(answer->error_code, ERROR_UNKNOWN_SERVER_ERROR);
    arena_free(&arena);
    HEARTBEAT(.client = "b", .member = "k#02", .instance = "k", .generation = 1);
    bench_expect(bench, "b: heartbeat NONE\n");
}

static void a_static_leader_comes_back_and_skips_the_assignment(void **state)
{
    struct group_bench *bench = *state;
    static_stable(bench);
    JOIN(.client = "a", .instance = "i", .version = 9);
    bench_expect(bench, "a: join NONE gen 1 range leader i#03 as i#03 skip [i#03=m k#02=m]\n"
                        "+ group g gen 1 consumer/range leader i#03 [i#03:m>x k#02:m>y]\n");
    /* An old client cannot skip, so it must not find that it leads. */
    JOIN(.client = "a", .instance = "i", .version = 8);
    bench_expect(bench, "a: join NONE gen 1 range leader i#03 as i#04\n"
                        "+ group g gen 1 consumer/range leader i#04 [i#04:m>x k#02:m>y]\n");
}

static void a_static_member_that_changes_the_protocol_rebalances(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .instance = "i", .version = 5, .protocols = "range:m sticky:m");
    bench_run_to(bench, 3000);
    SYNC(.client = "a", .member = "i#01", .generation = 1, .assign = "i#01=x");
    bench_forget(bench);
    JOIN(.client = "a", .instance = "i", .version = 5, .protocols = "sticky:m range:m");
    bench_expect(bench, "a: join NONE gen 2 sticky leader i#02 as i#02 [i#02=m]\n");
}

static void what_the_old_one_waits_for_is_fenced(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .instance = "i", .version = 5);
    JOIN(.client = "a again", .instance = "i", .version = 5);
    bench_expect(bench, "+ group g gen 0 /null leader null []\n"
                        "a: join FENCED_INSTANCE_ID as i#01\n");
    JOIN(.client = "b", .version = 3);
    bench_run_to(bench, 6000);
    bench_forget(bench);
    SYNC(.client = "b", .member = "b#03", .generation = 1);
    JOIN(.client = "a new", .instance = "i", .version = 5);
    bench_expect(bench, "b: sync REBALANCE_IN_PROGRESS\n");
    JOIN(.client = "b", .member = "b#03");
    bench_expect(bench, "a new: join NONE gen 2 range leader i#04 as i#04 [i#04=m b#03=m]\n"
                        "b: join NONE gen 2 range leader i#04 as b#03\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_a_request_must_be_is_checked),
        CASE(a_first_answer_tells_the_id_to_come_back_with),
        CASE(an_id_that_nobody_comes_back_with_is_forgotten),
        CASE(an_id_that_is_waited_for_holds_the_others_up),
        CASE(protocols_must_have_one_in_common),
        CASE(a_follower_that_comes_back_unchanged_gets_the_generation_it_has),
        CASE(a_leader_that_comes_back_always_rebalances),
        CASE(before_the_assignment_a_lost_answer_is_given_again),
        CASE(a_second_join_takes_the_place_of_the_first),
        CASE(a_full_group_takes_no_more),
        CASE(a_static_member_comes_back_without_a_rebalance),
        CASE(a_static_member_that_says_more_than_a_record_holds_is_refused),
        CASE(a_static_leader_comes_back_and_skips_the_assignment),
        CASE(a_static_member_that_changes_the_protocol_rebalances),
        CASE(what_the_old_one_waits_for_is_fenced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
