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
        CASE(the_next_to_have_come_leads_when_the_leader_leaves),
        CASE(members_of_one_name_in_two_groups_are_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
