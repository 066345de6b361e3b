#include "tests/control/group/bench.h"

#define DAY_MS (24LL * 3600 * 1000)

static void a_transaction_that_commits_sets_offsets(void **state)
{
    struct group_bench *bench = *state;
    TXN(.generation = -1, .topics = "t/0=5", .producer_id = 1);
    TXN(.generation = -1, .topics = "t/0=6 t/1=7", .producer_id = 1);
    TXN(.generation = -1, .topics = "t/2=8", .producer_id = 2);
    bench_forget(bench);
    bench_txn_end(bench, 1, true);
    bench_txn_end(bench, 2, false);
    bench_txn_end(bench, 3, true);
    FETCH(.topics = "t/0 t/1 t/2", .require_stable = true);
    bench_expect(bench, "a: fetch t/0=6 t/1=7 t/2=-1\n");
    assert_int_equal(group_coordinator_counts(bench->coordinator).offsets, 2);
}

static void who_commits_last_has_the_last_word(void **state)
{
    struct group_bench *bench = *state;
    TXN(.generation = -1, .topics = "t/0=5 t/1=5", .producer_id = 1);
    COMMIT(.generation = -1, .topics = "t/0=9");
    bench_txn_end(bench, 1, true);
    bench_forget(bench);
    FETCH(.topics = "t/0 t/1");
    bench_expect(bench, "a: fetch t/0=9 t/1=5\n");
    bench_restart(bench);
    FETCH(.topics = "t/0 t/1");
    bench_expect(bench, "a: fetch t/0=9 t/1=5\n");
}

static void offsets_are_forgotten_on_demand(void **state)
{
    struct group_bench *bench = *state;
    bench_offset_delete(bench, (struct said){.topics = "t/0"});
    COMMIT(.generation = -1, .topics = "t/0=5 t/1=5");
    TXN(.generation = -1, .topics = "t/0=6 t/2=6", .producer_id = 1);
    bench_forget(bench);
    bench_offset_delete(bench, (struct said){.topics = "t/0 t/2 t/3"});
    bench_expect(bench, "a: forget NONE NONE NONE NONE\n"
                        "- offset g t/0\n"
                        "- offset g t/2\n");
    bench_txn_end(bench, 1, true);
    FETCH(.topics = NULL);
    bench_expect(bench, "a: fetch t/1=5\n");
}

static void what_members_read_is_not_forgotten(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.protocols = "range:@t+u");
    bench_run_to(bench, 3000);
    SYNC(.member = "a#01", .generation = 1, .assign = "a#01=x");
    COMMIT(.member = "a#01", .generation = 1, .topics = "t/0=5 v/0=5");
    bench_forget(bench);
    bench_offset_delete(bench, (struct said){.topics = "t/0 v/0"});
    bench_expect(bench, "a: forget NONE GROUP_SUBSCRIBED_TO_TOPIC NONE\n"
                        "- offset g v/0\n");
    JOIN(.group = "c", .client = "c", .type = "connect");
    bench_forget(bench);
    bench_offset_delete(bench, (struct said){.group = "c", .topics = "t/0"});
    bench_offset_delete(bench, (struct said){.group = "other", .topics = "t/0"});
    bench_offset_delete(bench, (struct said){.group = "", .topics = "t/0"});
    bench_expect(bench, "a: forget NON_EMPTY_GROUP\n"
                        "a: forget GROUP_ID_NOT_FOUND\n"
                        "a: forget INVALID_GROUP_ID\n");
}

static void a_deleted_topic_takes_its_offsets_along(void **state)
{
    struct group_bench *bench = *state;
    COMMIT(.generation = -1, .topics = "t/0=5 u/0=5 t/1=5");
    COMMIT(.group = "h", .generation = -1, .topics = "t/0=5");
    TXN(.group = "h", .generation = -1, .topics = "t/7=5", .producer_id = 1);
    bench_forget(bench);
    bench_topic_deleted(bench, "t");
    bench_expect(bench, "- offset g t/0\n- offset g t/1\n- offset h t/0\n- offset h t/7\n");
    assert_int_equal(group_coordinator_counts(bench->coordinator).offsets, 1);
}

static void an_empty_groups_offsets_expire_from_when_it_became_empty(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    COMMIT(.member = "a#01", .generation = 1, .topics = "t/0=5");
    bench->wall_ms += 10 * DAY_MS;
    bench_forget(bench);
    bench_event(bench, GROUP_EXPIRE); /* What its members want is not known, so all of it is. */
    bench_expect(bench, "");
    LEAVE(.member = "a#01 b#02");
    bench_forget(bench);
    bench->wall_ms += 7 * DAY_MS - 1;
    bench_event(bench, GROUP_EXPIRE);
    bench_expect(bench, "");
    bench->wall_ms += 1;
    bench_event(bench, GROUP_EXPIRE);
    bench_expect(bench, "- offset g t/0\n- group g\n");
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 0);
}

static void a_stable_groups_offsets_expire_when_nobody_reads_the_topic(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.protocols = "range:@t+u", .session_ms = 1000000);
    bench_run_to(bench, 3000);
    SYNC(.member = "a#01", .generation = 1, .assign = "a#01=x");
    COMMIT(.member = "a#01", .generation = 1, .topics = "t/0=5 v/0=5");
    bench_forget(bench);
    bench->wall_ms += 7 * DAY_MS;
    bench_event(bench, GROUP_EXPIRE);
    bench_expect(bench, "- offset g v/0\n");
}

static void stored_offsets_expire_from_their_commit(void **state)
{
    struct group_bench *bench = *state;
    COMMIT(.generation = -1, .topics = "t/0=5");
    COMMIT(.generation = -1, .topics = "t/1=5", .retention_ms = 1000, .version = 4);
    bench->wall_ms += 2 * DAY_MS;
    COMMIT(.generation = -1, .topics = "t/2=5");
    TXN(.generation = -1, .topics = "t/3=5", .producer_id = 1);
    bench_forget(bench);
    bench_event(bench, GROUP_EXPIRE);
    bench_expect(bench, "- offset g t/1\n");
    bench->wall_ms += 5 * DAY_MS;
    bench_event(bench, GROUP_EXPIRE);
    bench_expect(bench, "- offset g t/0\n");
    bench->wall_ms += 5 * DAY_MS;
    bench_event(bench, GROUP_EXPIRE); /* A transaction is open: the group stays. */
    bench_expect(bench, "- offset g t/2\n");
    bench_txn_end(bench, 1, false);
    bench_event(bench, GROUP_EXPIRE);
    bench_expect(bench, "- group g\n");
}

static void a_group_may_keep_its_offsets_longer_or_for_ever(void **state)
{
    struct group_bench *bench = *state;
    const struct group_config configs[] = {
        {.group_id = bytes_of_string("f"), .offset_retention_ms = 1},
        {.group_id = bytes_of_string("g"), .offset_retention_ms = -1},
        {.group_id = bytes_of_string("k"), .session_timeout_ms = 1}};
    bench->settings.configs = configs;
    bench->settings.config_count = ARRAY_SIZE(configs);
    COMMIT(.group = "f", .generation = -1, .topics = "t/0=5");
    COMMIT(.group = "g", .generation = -1, .topics = "t/0=5");
    COMMIT(.group = "h", .generation = -1, .topics = "t/0=5");
    COMMIT(.group = "k", .generation = -1, .topics = "t/0=5");
    bench_forget(bench);
    bench->wall_ms += DAY_MS;
    bench_event(bench, GROUP_EXPIRE);
    bench_expect(bench, "- offset f t/0\n- group f\n");
    bench->wall_ms += 1000 * DAY_MS;
    bench_event(bench, GROUP_EXPIRE);
    bench_expect(bench, "- offset h t/0\n- group h\n- offset k t/0\n- group k\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_transaction_that_commits_sets_offsets),
        CASE(who_commits_last_has_the_last_word),
        CASE(offsets_are_forgotten_on_demand),
        CASE(what_members_read_is_not_forgotten),
        CASE(a_deleted_topic_takes_its_offsets_along),
        CASE(an_empty_groups_offsets_expire_from_when_it_became_empty),
        CASE(a_stable_groups_offsets_expire_when_nobody_reads_the_topic),
        CASE(stored_offsets_expire_from_their_commit),
        CASE(a_group_may_keep_its_offsets_longer_or_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
