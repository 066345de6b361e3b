#include "tests/control/group/bench.h"

static void a_sync_is_checked(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    SYNC(.group = "", .member = "a#01", .generation = 1);
    SYNC(.group = "other", .member = "a#01", .generation = 1);
    SYNC(.member = "nobody", .generation = 1);
    SYNC(.member = "a#01", .generation = 2);
    SYNC(.member = "a#01", .generation = 1, .type = "connect");
    SYNC(.member = "a#01", .instance = "i", .generation = 1);
    bench_expect(bench, "a: sync INVALID_GROUP_ID\n"
                        "a: sync UNKNOWN_MEMBER_ID\n"
                        "a: sync UNKNOWN_MEMBER_ID\n"
                        "a: sync ILLEGAL_GENERATION\n"
                        "a: sync INCONSISTENT_GROUP_PROTOCOL\n"
                        "a: sync UNKNOWN_MEMBER_ID\n");
    JOIN(.client = "c");
    SYNC(.member = "a#01", .generation = 1);
    bench_expect(bench, "a: sync REBALANCE_IN_PROGRESS\n");
}

static void followers_wait_for_the_leader(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a");
    JOIN(.client = "b");
    JOIN(.client = "c");
    bench_run_to(bench, 6000);
    bench_forget(bench);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    bench_expect(bench, "");
    SYNC(.client = "a", .member = "a#01", .generation = 1, .assign = "b#02=y nobody=q a#01=x");
    bench_expect(bench, "a: sync NONE x\n"
                        "b: sync NONE y\n"
                        "+ group g gen 1 consumer/range leader a#01 "
                        "[a#01:m>x b#02:m>y c#03:m>]\n");
    SYNC(.client = "c", .member = "c#03", .generation = 1);
    SYNC(.client = "b", .member = "b#02", .generation = 1, .type = "consumer");
    bench_expect(bench, "c: sync NONE \n"
                        "b: sync NONE y\n");
    assert_int_equal(group_coordinator_counts(bench->coordinator).rebalances, 1);
}

static void who_is_not_named_any_more_has_nothing(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "a", .member = "a#01");
    JOIN(.client = "b", .member = "b#02");
    bench_forget(bench);
    SYNC(.client = "b", .member = "b#02", .generation = 2);
    SYNC(.client = "a", .member = "a#01", .generation = 2, .assign = "a#01=all");
    bench_expect(bench, "a: sync NONE all\n"
                        "b: sync NONE \n"
                        "+ group g gen 2 consumer/range leader a#01 [a#01:m>all b#02:m>]\n");
}

/* The log takes no record that large; others in the same partition need not suffer for it. */
static void assignments_too_large_for_a_record_are_refused(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a");
    JOIN(.client = "b");
    bench_run_to(bench, 6000);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    bench_forget(bench);
    static const uint8_t huge[1000 * 1000];
    const struct bytes assigned = {huge, sizeof(huge)};
    const struct bytes group_id = bytes_of_string("g");
    const struct bytes member_id = bytes_of_string("a-01000000-0000-4000-8000-000000000000");
    const struct sync_group_request_assignment assignment = {.member_id = chain_of(&member_id),
                                                             .assignment = chain_of(&assigned)};
    struct sync_group_request request = sync_group_request_default;
    request.group_id = chain_of(&group_id);
    request.member_id = chain_of(&member_id);
    request.generation_id = 1;
    request.protocol_type = CHAIN_NULL;
    request.protocol_name = CHAIN_NULL;
    request.assignments.items = &assignment;
    request.assignments.count = 1;
    const struct group_event event = {.kind = GROUP_SYNC, .version = 4, .sync = &request};
    struct arena arena = {0};
    struct group_update update = {.arena = &arena};
    group_step(bench->coordinator, &event, &update);
    assert_int_equal(update.record_count, 0);
    assert_int_equal(update.reply_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const struct sync_group_response *answer = update.replies[i].answer;
        assert_int_equal(answer->error_code, ERROR_UNKNOWN_SERVER_ERROR);
    }
    arena_free(&arena);
    HEARTBEAT(.member = "a#01", .generation = 1);
    bench_expect(bench, "a: heartbeat REBALANCE_IN_PROGRESS\n");
    JOIN(.client = "a", .member = "a#01");
    JOIN(.client = "b", .member = "b#02");
    bench_forget(bench);
    SYNC(.client = "a", .member = "a#01", .generation = 2, .assign = "a#01=x");
    bench_expect(bench, "a: sync NONE x\n"
                        "+ group g gen 2 consumer/range leader a#01 [a#01:m>x b#02:m>]\n");
}

static void a_second_sync_takes_the_place_of_the_first(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a");
    JOIN(.client = "b");
    bench_run_to(bench, 6000);
    bench_forget(bench);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    SYNC(.client = "b again", .member = "b#02", .generation = 1);
    bench_expect(bench, "b: sync REBALANCE_IN_PROGRESS\n");
}

static void a_heartbeat_is_checked(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    HEARTBEAT(.group = "", .member = "a#01", .generation = 1);
    HEARTBEAT(.group = "other", .member = "a#01", .generation = 1);
    HEARTBEAT(.member = "nobody", .generation = 1);
    HEARTBEAT(.member = "a#01", .generation = 0);
    HEARTBEAT(.member = "a#01", .generation = 1);
    JOIN(.client = "c", .version = 4);
    HEARTBEAT(.member = "c#03", .generation = 1);
    bench_expect(bench, "a: heartbeat INVALID_GROUP_ID\n"
                        "a: heartbeat UNKNOWN_MEMBER_ID\n"
                        "a: heartbeat UNKNOWN_MEMBER_ID\n"
                        "a: heartbeat ILLEGAL_GENERATION\n"
                        "a: heartbeat NONE\n"
                        "c: join MEMBER_ID_REQUIRED as c#03\n"
                        "a: heartbeat UNKNOWN_MEMBER_ID\n");
}

static void a_heartbeat_before_the_assignment_is_taken(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a");
    bench_run_to(bench, 3000);
    bench_forget(bench);
    HEARTBEAT(.member = "a#01", .generation = 1);
    bench_expect(bench, "a: heartbeat NONE\n");
}

static void who_leaves_makes_the_others_rebalance(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    LEAVE(.client = "b", .version = 2, .member = "b#02");
    HEARTBEAT(.member = "a#01", .generation = 1);
    JOIN(.client = "a", .member = "a#01");
    bench_expect(bench, "b: leave NONE\n"
                        "a: heartbeat REBALANCE_IN_PROGRESS\n"
                        "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m]\n");
}

static void the_last_to_leave_empties_the_group(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    LEAVE(.client = "all", .member = "a#01 b#02 nobody");
    bench_expect(bench, "all: leave NONE NONE NONE UNKNOWN_MEMBER_ID\n"
                        "+ group g gen 2 consumer/null leader null []\n");
    LEAVE(.client = "again", .member = "a#01");
    LEAVE(.client = "old", .version = 1, .member = "a#01");
    LEAVE(.group = "other", .member = "a#01 b#02");
    LEAVE(.group = "", .member = "a#01");
    bench_expect(bench, "again: leave NONE UNKNOWN_MEMBER_ID\n"
                        "old: leave UNKNOWN_MEMBER_ID\n"
                        "a: leave NONE UNKNOWN_MEMBER_ID UNKNOWN_MEMBER_ID\n"
                        "a: leave INVALID_GROUP_ID\n");
}

static void who_waits_for_others_and_leaves_is_answered(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "c");
    LEAVE(.client = "c leaves", .member = "b#02");
    JOIN(.client = "a", .member = "a#01");
    bench_expect(bench, "c leaves: leave NONE NONE\n"
                        "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m c#03=m]\n"
                        "c: join NONE gen 2 range leader a#01 as c#03\n");
    JOIN(.client = "a", .member = "a#01", .protocols = "range:other");
    LEAVE(.client = "a leaves", .member = "a#01");
    bench_expect(bench, "a: join UNKNOWN_MEMBER_ID as \n"
                        "a leaves: leave NONE NONE\n");
}

static void a_protocol_must_be_named_from_version_5_on(void **state)
{
    struct group_bench *bench = *state;
    const struct bytes member_id = bytes_of_string("nobody");
    struct sync_group_request request = sync_group_request_default;
    request.member_id = chain_of(&member_id);
    request.protocol_type = CHAIN_NULL;
    for (int16_t version = 4; version <= 5; version++) {
        const struct group_event event = {.kind = GROUP_SYNC, .version = version, .sync = &request};
        struct arena arena = {0};
        struct group_update update = {.arena = &arena};
        group_step(bench->coordinator, &event, &update);
        const struct sync_group_response *answer = update.replies[0].answer;
        assert_int_equal(answer->error_code,
                         version == 4 ? ERROR_INVALID_GROUP_ID : ERROR_INCONSISTENT_GROUP_PROTOCOL);
        arena_free(&arena);
    }
}

static void an_administrator_removes_by_instance(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .instance = "i", .version = 5);
    bench_run_to(bench, 3000);
    bench_forget(bench);
    LEAVE(.client = "admin", .instance = "other");
    LEAVE(.client = "admin", .member = "i#01", .instance = "other");
    LEAVE(.client = "admin", .member = "x", .instance = "i");
    LEAVE(.client = "admin", .instance = "i");
    bench_expect(bench, "admin: leave NONE UNKNOWN_MEMBER_ID\n"
                        "admin: leave NONE UNKNOWN_MEMBER_ID\n"
                        "admin: leave NONE FENCED_INSTANCE_ID\n"
                        "admin: leave NONE NONE\n"
                        "+ group g gen 2 consumer/null leader null []\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_sync_is_checked),
        CASE(followers_wait_for_the_leader),
        CASE(who_is_not_named_any_more_has_nothing),
        CASE(assignments_too_large_for_a_record_are_refused),
        CASE(a_second_sync_takes_the_place_of_the_first),
        CASE(a_heartbeat_is_checked),
        CASE(a_heartbeat_before_the_assignment_is_taken),
        CASE(a_protocol_must_be_named_from_version_5_on),
        CASE(who_leaves_makes_the_others_rebalance),
        CASE(the_last_to_leave_empties_the_group),
        CASE(who_waits_for_others_and_leaves_is_answered),
        CASE(an_administrator_removes_by_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
