#include <stdio.h>

#include "tests/control/group/bench.h"

static void a_group_is_described_in_each_state(void **state)
{
    struct group_bench *bench = *state;
    bench_group(bench, GROUP_DESCRIBE, (struct said){.version = 5});
    bench_group(bench, GROUP_DESCRIBE, (struct said){.version = 6});
    JOIN(.client = "a");
    bench_group(bench, GROUP_DESCRIBE, (struct said){0});
    bench_run_to(bench, 3000);
    bench_group(bench, GROUP_DESCRIBE, (struct said){0});
    SYNC(.member = "a#01", .generation = 1, .assign = "a#01=x");
    bench_group(bench, GROUP_DESCRIBE, (struct said){0});
    LEAVE(.member = "a#01");
    bench_group(bench, GROUP_DESCRIBE, (struct said){0});
    bench_expect(bench, "a: describe NONE Dead / []\n"
                        "a: describe GROUP_ID_NOT_FOUND Dead / []\n"
                        "+ group g gen 0 /null leader null []\n"
                        "a: describe NONE PreparingRebalance consumer/ [a#01:>]\n"
                        "@3000\n"
                        "a: join NONE gen 1 range leader a#01 as a#01 [a#01=m]\n"
                        "a: describe NONE CompletingRebalance consumer/ [a#01:>]\n"
                        "a: sync NONE x\n"
                        "+ group g gen 1 consumer/range leader a#01 [a#01:m>x]\n"
                        "a: describe NONE Stable consumer/range [a#01:m>x]\n"
                        "a: leave NONE NONE\n"
                        "+ group g gen 2 consumer/null leader null []\n"
                        "a: describe NONE Empty consumer/ []\n");
}

static void groups_are_listed_by_state_and_type(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    COMMIT(.group = "simple", .generation = -1, .topics = "t/0=1");
    bench_forget(bench);
    bench_list(bench, NULL, NULL);
    bench_list(bench, " STABLE ", NULL);
    bench_list(bench, "empty", "Classic");
    bench_list(bench, NULL, "consumer");
    bench_list(bench, "nonsense", NULL);
    bench_expect(bench, "admin: list g=Stable/classic simple=Empty/classic\n"
                        "admin: list g=Stable/classic\n"
                        "admin: list simple=Empty/classic\n"
                        "admin: list\n"
                        "admin: list\n");
}

/* They are as many as fit into a request, and what they take is not taken for each group. */
static void filters_are_looked_at_once(void **state)
{
    enum { FILTERS = 10000, GROUPS = 20 };
    struct group_bench *bench = *state;
    static struct chain filters[FILTERS];
    struct list_groups_request request = list_groups_request_default;
    struct arena arena = {0};
    struct group_update update = {.arena = &arena};
    for (uint32_t i = 0; i < GROUPS; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "g%u", i);
        COMMIT(.group = name, .generation = -1, .topics = "t/0=1");
    }
    for (uint32_t i = 0; i < FILTERS; i++) {
        filters[i] = CHAIN_TEXT("x");
    }
    filters[FILTERS - 1] = CHAIN_TEXT("Empty");
    request.states_filter = (struct string_array){.items = filters, .count = FILTERS};
    const struct group_event event = {.kind = GROUP_LIST, .version = 5, .list = &request};
    group_step(bench->coordinator, &event, &update);
    const struct list_groups_response *answer = update.replies[0].answer;
    assert_int_equal(answer->groups.count, GROUPS);
    assert_true(arena.total < FILTERS * 4);
    arena_free(&arena);
}

static void only_groups_without_members_are_deleted(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    COMMIT(.member = "a#01", .generation = 1, .topics = "t/0=1");
    bench_forget(bench);
    bench_group(bench, GROUP_DELETE, (struct said){0});
    bench_group(bench, GROUP_DELETE, (struct said){.group = "other"});
    LEAVE(.client = "all", .member = "a#01 b#02");
    TXN(.generation = -1, .topics = "t/1=1", .producer_id = 3);
    bench_forget(bench);
    JOIN(.client = "c", .version = 4); /* An id that waits does not hold it. */
    bench_group(bench, GROUP_DELETE, (struct said){0});
    bench_expect(bench, "c: join MEMBER_ID_REQUIRED as c#03\n"
                        "a: delete NONE\n"
                        "- offset g t/0\n"
                        "- offset g t/1\n"
                        "- group g\n");
    bench_txn_end(bench, 3, true);
    JOIN(.client = "c", .version = 4, .member = "c#03");
    bench_expect(bench, "c: join UNKNOWN_MEMBER_ID as c#03\n");
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 0);
    assert_true(group_coordinator_deadline_ms(bench->coordinator) == UINT64_MAX);
}

static void a_group_with_members_is_not_deleted(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    bench_group(bench, GROUP_DELETE, (struct said){0});
    bench_group(bench, GROUP_DELETE, (struct said){.group = "other"});
    bench_expect(bench, "a: delete NON_EMPTY_GROUP\na: delete GROUP_ID_NOT_FOUND\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_group_is_described_in_each_state),  CASE(groups_are_listed_by_state_and_type),
        CASE(filters_are_looked_at_once),          CASE(only_groups_without_members_are_deleted),
        CASE(a_group_with_members_is_not_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
