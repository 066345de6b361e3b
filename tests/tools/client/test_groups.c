#include "tools/client/groups.h"

#include "dataplane/kafka/errors.h"
#include "tests/tools/client/client_bench.h"

static struct arena arena;

static int teardown(void **state)
{
    arena_free(&arena);
    return client_bench_teardown(state);
}

static void old_brokers_list_groups_but_cannot_choose(void **state)
{
    (void)state;
    struct groups_listed *list;
    uint32_t count;
    broker->version_max[API_LIST_GROUPS] = 3;
    begin();
    assert_true(groups_list(&client, &arena, NULL, NULL, &list, &count));
    assert_int_equal(count, 1);
    assert_string_equal(list[0].id, "billing");
    assert_string_equal(list[0].state, "");
    assert_string_equal(list[0].type, "");
    assert_false(groups_list(&client, &arena, "Stable", NULL, &list, &count));
    assert_int_equal(client.problem.kind, PROBLEM_PROTOCOL);
}

static void a_group_that_is_not_there_is_dead_in_all_versions(void **state)
{
    (void)state;
    static const int16_t versions[] = {0, 5, 6};
    broker->group.exists = false;
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct groups_described described;
        broker->version_max[API_DESCRIBE_GROUPS] = versions[i];
        begin();
        assert_true(groups_describe(&client, &arena, "billing", &described));
        assert_string_equal(described.state, "Dead");
        assert_int_equal(described.member_count, 0);
        client_close(&client);
        fake_broker_stop(broker);
    }
}

static void an_error_of_a_consumer_group_is_no_reason_to_ask_for_a_classic_one(void **state)
{
    (void)state;
    struct groups_described described;
    broker->group.is_new = true;
    broker->error[API_CONSUMER_GROUP_DESCRIBE] = ERROR_GROUP_AUTHORIZATION_FAILED;
    begin();
    assert_false(groups_describe(&client, &arena, "billing", &described));
    assert_int_equal(client.problem.code, ERROR_GROUP_AUTHORIZATION_FAILED);
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_DESCRIBE_GROUPS], 0);
}

static void offsets_of_topics_known_only_by_id_get_their_names(void **state)
{
    (void)state;
    struct groups_offset *offsets;
    uint32_t count;
    const struct client_topic topic = {.name = "orders", .id = fake_topic_id};
    broker->group.committed[2] = 9;
    broker->group.committed[0] = 4;
    begin();
    assert_true(groups_offsets(&client, &arena, "billing", &topic, 1, &offsets, &count));
    assert_int_equal(count, 2);
    assert_string_equal(offsets[1].topic, "orders");
    assert_int_equal(offsets[1].partition, 2);
    assert_int_equal(offsets[1].offset, 9);
    /* Nobody knows the topic any more. */
    assert_true(groups_offsets(&client, &arena, "billing", NULL, 0, &offsets, &count));
    assert_int_equal(count, 0);
}

static void a_commit_is_repeated_while_the_coordinator_loads(void **state)
{
    (void)state;
    const struct groups_offset offset = {
        .topic = "orders", .topic_id = fake_topic_id, .partition = 1, .offset = 3};
    broker->error[API_OFFSET_COMMIT] = ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    broker->times[API_OFFSET_COMMIT] = 1;
    begin();
    assert_true(groups_commit(&client, "billing", &offset, 1));
    assert_true(groups_commit(&client, "billing", &offset, 0)); /* Nothing to do. */
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_OFFSET_COMMIT], 2);
    assert_int_equal(broker->group.committed[1], 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_bench_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(old_brokers_list_groups_but_cannot_choose),
        TEST(a_group_that_is_not_there_is_dead_in_all_versions),
        TEST(an_error_of_a_consumer_group_is_no_reason_to_ask_for_a_classic_one),
        TEST(offsets_of_topics_known_only_by_id_get_their_names),
        TEST(a_commit_is_repeated_while_the_coordinator_loads),
    };
    return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
