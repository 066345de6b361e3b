#include <jansson.h>

#include "dataplane/kafka/errors.h"
#include "tests/tools/command_bench.h"

static void mistakes_are_told_and_nobody_is_asked(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *want;
    } table[] = {
        {"group seek", "GROUP"},
        {"group seek billing --to end", "--topic"},
        {"group seek billing --topic orders", "--to"},
        {"group seek billing --topic orders --to middle", "'middle'"},
        {"group seek billing --topic orders --to 2026-13-41", "'2026-13-41'"},

    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        assert_int_equal(command_run(table[i].line, NULL), CLI_USAGE);
        assert_non_null(strstr(said.err, table[i].want));
    }
    assert_int_equal(broker->requests[API_METADATA], 0);
}

/* Partition 0 holds offsets 5 to 11. */
static void offsets_fill(void)
{
    broker->partitions[0].start = 5;
    broker->partitions[0].end = 12;
    broker->group.committed[0] = 7;
}

static int64_t planned(const char *to)
{
    char line[200];
    (void)snprintf(line, sizeof(line),
                   "group seek billing --topic orders --partition 0 -o json --to %s", to);
    assert_int_equal(command_run(line, NULL), CLI_OK);
    json_t *json = json_loads(said.out, 0, NULL);
    assert_non_null(json);
    assert_true(json_is_false(json_object_get(json, "executed")));
    const json_t *partitions = json_object_get(json, "partitions");
    assert_int_equal(json_array_size(partitions), 1);
    const json_t *one = json_array_get(partitions, 0);
    assert_int_equal(json_integer_value(json_object_get(one, "from")), 7);
    const int64_t offset = json_integer_value(json_object_get(one, "to"));
    json_decref(json);
    return offset;
}

static void the_plan_stays_between_start_and_end(void **state)
{
    (void)state;
    static const struct {
        const char *to;
        int64_t want;
    } table[] = {
        {"start", 5},
        {"end", 12},
        {"9", 9},
        {"0", 5},
        {"99", 12},
        {"-2", 10},
        {"-50", 5},
        {"@1000", 12}, /* No record is that late. */
        {"2026-01-31T12:00:00Z", 12},
    };
    offsets_fill();
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        assert_int_equal(planned(table[i].to), table[i].want);
    }
}

static void without_execute_nothing_is_committed(void **state)
{
    (void)state;
    offsets_fill();
    assert_int_equal(command_run("group seek billing --topic orders --to end", NULL), CLI_OK);
    assert_non_null(strstr(said.err, "--execute"));
    assert_int_equal(broker->requests[API_OFFSET_COMMIT], 0);
    assert_int_equal(broker->group.committed[0], 7);
}

static void with_execute_all_partitions_are_committed_in_one_request(void **state)
{
    (void)state;
    offsets_fill();
    assert_int_equal(command_run("group seek billing --topic orders --to end --execute", NULL),
                     CLI_OK);
    assert_int_equal(broker->requests[API_OFFSET_COMMIT], 1);
    assert_int_equal(broker->group.committed[0], 12);
    assert_int_equal(broker->group.committed[1], 0);
    assert_int_equal(broker->group.committed[2], 0);
    broker->version_max[API_OFFSET_COMMIT] = 9; /* By name. */
    broker->version_max[API_OFFSET_FETCH] = 9;
    assert_int_equal(command_run("group seek billing -t orders -p 0 --to start --execute", NULL),
                     CLI_OK);
    assert_int_equal(broker->group.committed[0], 5);
}

static void a_group_with_members_is_left_alone(void **state)
{
    (void)state;
    offsets_fill();
    broker->group.has_member = true;
    assert_int_equal(command_run("group seek billing --topic orders --to end --execute", NULL),
                     CLI_FAILED);
    assert_non_null(strstr(said.err, "NON_EMPTY_GROUP"));
    assert_non_null(strstr(said.err, "Stable, 1 members"));
    broker->group.is_new = true;
    assert_int_equal(command_run("group seek billing --topic orders --to end", NULL), CLI_FAILED);
    assert_int_equal(broker->requests[API_OFFSET_COMMIT], 0);
}

static void what_the_broker_refuses_fails(void **state)
{
    (void)state;
    offsets_fill();
    /* Somebody joined in between. */
    broker->error[API_OFFSET_COMMIT] = ERROR_UNKNOWN_MEMBER_ID;
    assert_int_equal(command_run("group seek billing --topic orders --to end --execute", NULL),
                     CLI_FAILED);
    assert_non_null(strstr(said.err, "UNKNOWN_MEMBER_ID"));
    assert_int_equal(broker->group.committed[0], 7);
}

static void a_group_that_is_not_there_is_made(void **state)
{
    (void)state;
    offsets_fill();
    broker->group.committed[0] = -1;
    broker->group.exists = false;
    assert_int_equal(command_run("group seek billing -t orders -p 0 --to start --execute", NULL),
                     CLI_OK);
    assert_int_equal(broker->group.committed[0], 5);
}

static void partitions_that_are_not_there_fail(void **state)
{
    (void)state;
    static const char *const words[] = {"3", "-1", "x"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        char line[100];
        (void)snprintf(line, sizeof(line), "group seek billing -t orders --to end -p %s", words[i]);
        assert_int_equal(command_run(line, NULL), CLI_FAILED);
        assert_non_null(strstr(said.err, "orders has 3 partitions"));
    }
    assert_int_equal(command_run("group seek billing --topic other --to end", NULL), CLI_FAILED);
    assert_non_null(strstr(said.err, "other"));
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, command_bench_setup, command_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mistakes_are_told_and_nobody_is_asked),
        TEST(the_plan_stays_between_start_and_end),
        TEST(without_execute_nothing_is_committed),
        TEST(with_execute_all_partitions_are_committed_in_one_request),
        TEST(a_group_with_members_is_left_alone),
        TEST(what_the_broker_refuses_fails),
        TEST(a_group_that_is_not_there_is_made),
        TEST(partitions_that_are_not_there_fail),
    };
    return cmocka_run_group_tests_name("group_seek", tests, NULL, NULL);
}
