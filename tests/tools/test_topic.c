#include <jansson.h>

#include "dataplane/kafka/errors.h"
#include "tests/tools/command_bench.h"

static json_t *said_json(void)
{
    json_error_t error;
    json_t *json = json_loads(said.out, 0, &error);
    assert_non_null(json);
    return json;
}

static void mistakes_are_told_and_nobody_is_asked(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *want;
    } table[] = {
        {"topic create", "NAME"},
        {"topic create x --partitions 0", "--partitions"},
        {"topic create x --partitions 1000001", "--partitions"},
        {"topic create x --replicas 1001", "--replicas"},
        {"topic create x --config segment.bytes", "KEY=VALUE"},
        {"topic set x", "--unset"},
        {"topic set x segment.bytes", "KEY=VALUE"},
        {"topic grow x", "PARTITIONS"},
        {"topic grow x 0", "'0'"},
        {"topic grow x 4x", "'4x'"},
        {"topic show", "NAME"},
        {"topic show x y", "NAME"},
        {"topic delete", "NAME"},
        {"topic delete x --strange", "--strange"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        assert_int_equal(command_run(table[i].line, NULL), CLI_USAGE);
        assert_non_null(strstr(said.err, table[i].want));
    }
    for (uint32_t api = 0; api < FAKE_APIS; api++) {
        assert_int_equal(broker->requests[api], 0);
    }
}

static void a_topic_is_made_as_it_was_asked_for(void **state)
{
    (void)state;
    broker->exists = false;
    assert_int_equal(
        command_run("topic create orders -p 3 --config retention.ms=60000 -o json", NULL), CLI_OK);
    assert_int_equal(broker->created_partitions, 3);
    assert_string_equal(broker->config_key, "retention.ms");
    assert_string_equal(broker->config_value, "60000");
    json_t *json = said_json();
    const json_t *created = json_array_get(json_object_get(json, "created"), 0);
    assert_string_equal(json_string_value(json_object_get(created, "name")), "orders");
    json_decref(json);
}

static void without_a_number_the_broker_chooses(void **state)
{
    (void)state;
    broker->exists = false;
    assert_int_equal(command_run("topic create orders", NULL), CLI_OK);
    assert_int_equal(broker->created_partitions, -1);
}

static void an_existing_topic_is_a_failure_unless_that_was_said(void **state)
{
    (void)state;
    broker->error[API_CREATE_TOPICS] = ERROR_TOPIC_ALREADY_EXISTS;
    assert_int_equal(command_run("topic create orders", NULL), CLI_FAILED);
    assert_non_null(strstr(said.err, "TOPIC_ALREADY_EXISTS"));
    broker->error[API_CREATE_TOPICS] = ERROR_TOPIC_ALREADY_EXISTS;
    assert_int_equal(command_run("topic create orders --if-not-exists", NULL), CLI_OK);
    broker->error[API_CREATE_TOPICS] = ERROR_INVALID_TOPIC_EXCEPTION; /* Only that error. */
    assert_int_equal(command_run("topic create orders --if-not-exists", NULL), CLI_FAILED);
}

static void one_of_several_that_fails_does_not_stop_the_others(void **state)
{
    (void)state;
    broker->error[API_DELETE_TOPICS] = ERROR_TOPIC_DELETION_DISABLED;
    broker->times[API_DELETE_TOPICS] = 1;
    assert_int_equal(command_run("topic delete orders orders --yes", NULL), CLI_FAILED);
    assert_int_equal(broker->requests[API_DELETE_TOPICS], 2);
    assert_non_null(strstr(said.err, "TOPIC_DELETION_DISABLED"));
}

static void a_missing_topic_may_be_deleted_when_that_was_said(void **state)
{
    (void)state;
    assert_int_equal(command_run("topic delete other", NULL), CLI_FAILED);
    assert_int_equal(command_run("topic delete other --if-exists", NULL), CLI_OK);
}

static void settings_are_changed_and_taken_back_in_one_request(void **state)
{
    (void)state;
    assert_int_equal(command_run("topic set orders cleanup.policy=compact", NULL), CLI_OK);
    assert_string_equal(broker->config_key, "cleanup.policy");
    assert_string_equal(broker->config_value, "compact");
    assert_int_equal(broker->config_operation, 0);
    assert_int_equal(command_run("topic set orders --unset cleanup.policy", NULL), CLI_OK);
    assert_int_equal(broker->config_operation, 1);
    assert_int_equal(broker->requests[API_INCREMENTAL_ALTER_CONFIGS], 2);
}

static void the_list_is_a_table_or_json(void **state)
{
    (void)state;
    assert_int_equal(command_run("topic list", NULL), CLI_OK);
    assert_int_equal(strncmp(said.out, "TOPIC ", 6), 0);
    assert_non_null(strstr(said.out, "\norders "));
    assert_int_equal(command_run("topic list -o json", NULL), CLI_OK);
    json_t *json = said_json();
    const json_t *topic = json_array_get(json_object_get(json, "topics"), 0);
    assert_string_equal(json_string_value(json_object_get(topic, "name")), "orders");
    assert_int_equal(json_integer_value(json_object_get(topic, "partitions")), FAKE_PARTITIONS);
    json_decref(json);
}

static void show_tells_offsets_of_each_partition(void **state)
{
    (void)state;
    broker->partitions[1].start = 5;
    broker->partitions[1].end = 12;
    assert_int_equal(command_run("topic show orders -o json --all", NULL), CLI_OK);
    json_t *json = said_json();
    const json_t *partitions = json_object_get(json, "partitions");
    if (!json_is_array(partitions)) {
        partitions = json_object_get(json, "partition");
    }
    assert_int_equal(json_array_size(partitions), FAKE_PARTITIONS);
    char *one = json_dumps(json_array_get(partitions, 1), JSON_COMPACT);
    assert_non_null(strstr(one, ":5"));
    assert_non_null(strstr(one, ":12"));
    free(one);
    json_decref(json);
    assert_int_equal(command_run("topic show orders", NULL), CLI_OK);
    assert_non_null(strstr(said.out, "holds 7 offsets"));
    assert_int_equal(command_run("topic show other", NULL), CLI_FAILED);
    assert_non_null(strstr(said.err, "other"));
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, command_bench_setup, command_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mistakes_are_told_and_nobody_is_asked),
        TEST(a_topic_is_made_as_it_was_asked_for),
        TEST(without_a_number_the_broker_chooses),
        TEST(an_existing_topic_is_a_failure_unless_that_was_said),
        TEST(one_of_several_that_fails_does_not_stop_the_others),
        TEST(a_missing_topic_may_be_deleted_when_that_was_said),
        TEST(settings_are_changed_and_taken_back_in_one_request),
        TEST(the_list_is_a_table_or_json),
        TEST(show_tells_offsets_of_each_partition),
    };
    return cmocka_run_group_tests_name("topic", tests, NULL, NULL);
}
