#include <stdio.h>

#include "control/group/coordinator.h"
#include "tests/control/group/bench.h"

static void the_protocol_with_the_most_votes_is_chosen(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .protocols = "one:1 two:2 three:3");
    JOIN(.client = "b", .protocols = "four:4 two:2 one:1");
    JOIN(.client = "c", .protocols = "two:2 one:1");
    bench_run_to(bench, 6000);
    bench_expect(bench, "+ group g gen 0 /null leader null []\n@3000\n@6000\n"
                        "a: join NONE gen 1 two leader a#01 as a#01 [a#01=2 b#02=2 c#03=2]\n"
                        "b: join NONE gen 1 two leader a#01 as b#02\n"
                        "c: join NONE gen 1 two leader a#01 as c#03\n");
}

static void a_tie_goes_to_who_came_first(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .protocols = "one:1 two:2");
    JOIN(.client = "b", .protocols = "two:2 one:1");
    bench_run_to(bench, 6000);
    bench_expect(bench, "+ group g gen 0 /null leader null []\n@3000\n@6000\n"
                        "a: join NONE gen 1 one leader a#01 as a#01 [a#01=1 b#02=1]\n"
                        "b: join NONE gen 1 one leader a#01 as b#02\n");
}

static void a_protocol_named_twice_counts_once(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .protocols = "one:1 one:2");
    JOIN(.client = "b", .protocols = "one:3");
    bench_run_to(bench, 6000);
    bench_expect(bench, "+ group g gen 0 /null leader null []\n@3000\n@6000\n"
                        "a: join NONE gen 1 one leader a#01 as a#01 [a#01=1 b#02=3]\n"
                        "b: join NONE gen 1 one leader a#01 as b#02\n");
}

/* As many as a request holds: looked up, never compared each with each. */
static void a_hundred_thousand_protocols_are_no_matter(void **state)
{
    enum { NAMES = 200000 };
    struct group_bench *bench = *state;
    static char text[NAMES][8];
    static struct bytes names[NAMES];
    static struct join_group_request_protocol protocols[NAMES];
    for (uint32_t i = 0; i < NAMES; i++) {
        (void)snprintf(text[i], sizeof(text[i]), "%06u", i / 2); /* Each twice. */
        names[i] = bytes_of_string(text[i]);
        protocols[i] = join_group_request_protocol_default;
        protocols[i].name = chain_of(&names[i]);
        protocols[i].metadata = CHAIN_EMPTY;
    }
    const struct bytes type = bytes_of_string("consumer");
    const struct bytes group_id = bytes_of_string("g");
    struct join_group_request request = join_group_request_default;
    request.group_id = chain_of(&group_id);
    request.member_id = CHAIN_EMPTY;
    request.session_timeout_ms = 10000;
    request.rebalance_timeout_ms = 10000;
    request.protocol_type = chain_of(&type);
    request.protocols.items = protocols;
    request.protocols.count = NAMES;
    const struct group_event event = {
        .kind = GROUP_JOIN, .version = 3, .client_id = bytes_of_string("a"), .join = &request};
    struct arena arena = {0};
    struct group_update update = {.arena = &arena};
    group_step(bench->coordinator, &event, &update);
    const struct group *group = group_find(bench->coordinator, group_id);
    const struct group_member *member =
        CONTAINER_OF(group->members.head.next, struct group_member, in_group);
    assert_int_equal(member->protocols.count, NAMES / 2);
    group_coordinator_invariants(bench->coordinator);
    arena_free(&arena);
}

static void the_next_to_have_come_leads_when_the_leader_leaves(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    LEAVE(.client = "a", .member = "a#01");
    JOIN(.client = "c");
    JOIN(.client = "b", .member = "b#02");
    bench_expect(bench, "a: leave NONE NONE\n"
                        "b: join NONE gen 2 range leader b#02 as b#02 [b#02=m c#03=m]\n"
                        "c: join NONE gen 2 range leader b#02 as c#03\n");
}

static void members_of_one_name_in_two_groups_are_two(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.group = "g", .client = "a", .instance = "i", .version = 5);
    JOIN(.group = "h", .client = "a", .instance = "i", .version = 5);
    bench_forget(bench);
    bench_run_to(bench, 3000);
    HEARTBEAT(.group = "g", .member = "i#01", .instance = "i", .generation = 1);
    HEARTBEAT(.group = "h", .member = "i#01", .instance = "i", .generation = 1);
    bench_expect(bench, "@3000\n"
                        "a: join NONE gen 1 range leader i#01 as i#01 [i#01=m]\n"
                        "a: join NONE gen 1 range leader i#02 as i#02 [i#02=m]\n"
                        "a: heartbeat NONE\n"
                        "a: heartbeat FENCED_INSTANCE_ID\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_protocol_with_the_most_votes_is_chosen),
        CASE(a_tie_goes_to_who_came_first),
        CASE(a_protocol_named_twice_counts_once),
        CASE(a_hundred_thousand_protocols_are_no_matter),
        CASE(the_next_to_have_come_leads_when_the_leader_leaves),
        CASE(members_of_one_name_in_two_groups_are_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
