#include <jansson.h>
#include <stdlib.h>

#include "dataplane/kafka/errors.h"
#include "storage/record/record.h"
#include "tests/tools/command_bench.h"

static json_t *said_json(void)
{
    json_error_t error;
    json_t *json = json_loads(said.out, 0, &error);
    assert_non_null(json);
    return json;
}

/* A batch of one record. */
static void append(uint32_t partition, int64_t timestamp_ms)
{
    static uint8_t memory[512];
    struct batch_builder builder;
    const struct batch_options options = batch_options_none();
    const struct bytes value = {(const uint8_t *)"x", 1};
    batch_builder_init(&builder, memory, sizeof(memory), &options);
    assert_true(batch_builder_add(&builder, timestamp_ms, (struct bytes){0}, value, NULL, 0));
    fake_broker_append(broker, partition, batch_builder_finish(&builder));
}

static void mistakes_are_told_and_nobody_is_asked(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *want;
    } table[] = {
        {"group", "VERB"},         {"group list x", "too many words"},
        {"group show", "GROUP"},   {"group show a b", "GROUP"},
        {"group delete", "GROUP"}, {"group show billing --strange", "--strange"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        assert_int_equal(command_run(table[i].line, NULL), CLI_USAGE);
        assert_non_null(strstr(said.err, table[i].want));
    }
    for (uint32_t api = 0; api < FAKE_APIS; api++) {
        assert_int_equal(broker->requests[api], 0);
    }
}

static void the_list_is_a_table_or_json_and_goes_by_state(void **state)
{
    (void)state;
    assert_int_equal(command_run("group list", NULL), CLI_OK);
    assert_int_equal(strncmp(said.out, "GROUP ", 6), 0);
    assert_non_null(strstr(said.out, "\nbilling  Classic   Empty "));
    assert_int_equal(command_run("group list -o json --type classic", NULL), CLI_OK);
    json_t *json = said_json();
    const json_t *group = json_array_get(json_object_get(json, "groups"), 0);
    assert_string_equal(json_string_value(json_object_get(group, "group")), "billing");
    assert_string_equal(json_string_value(json_object_get(group, "state")), "Empty");
    json_decref(json);
    assert_int_equal(command_run("group list --state Stable -o json", NULL), CLI_OK);
    json = said_json();
    assert_int_equal(json_array_size(json_object_get(json, "groups")), 0);
    json_decref(json);
}

/* Partition 0 is a record and 4 s behind, 1 is done, 2 is owned and was never committed. */
static void group_fill(void)
{
    append(0, 1000);
    append(0, 2500);
    append(0, 6500);
    append(1, 9000);
    append(2, 9000);
    broker->group.committed[0] = 1;
    broker->group.committed[1] = 1;
}

static void assert_row(const json_t *rows, size_t at, const char *want)
{
    char *text = json_dumps(json_array_get(rows, at), JSON_COMPACT);
    assert_string_equal(text, want);
    free(text);
}

static void assert_group_shown(const char *type, const char *assignor, const char *epoch)
{
    char want[300];
    json_t *json = said_json();
    assert_string_equal(json_string_value(json_object_get(json, "type")), type);
    assert_string_equal(json_string_value(json_object_get(json, "assignor")), assignor);
    assert_string_equal(json_string_value(json_object_get(json, "state")), "Stable");
    (void)snprintf(want, sizeof(want),
                   "{\"id\":\"member-1\",\"instance_id\":null,\"client_id\":\"till\","
                   "\"host\":\"/10.0.0.9\",\"epoch\":%s,"
                   "\"owns\":[{\"topic\":\"orders\",\"partitions\":[0,2]}]}",
                   epoch);
    assert_row(json_object_get(json, "members"), 0, want);
    const json_t *rows = json_object_get(json, "partitions");
    assert_int_equal(json_array_size(rows), 3);
    assert_row(rows, 0,
               "{\"topic\":\"orders\",\"partition\":0,\"committed\":1,\"end\":3,\"lag\":2,"
               "\"lag_seconds\":4.0,\"member\":\"member-1\"}");
    assert_row(rows, 1,
               "{\"topic\":\"orders\",\"partition\":1,\"committed\":1,\"end\":1,\"lag\":0,"
               "\"lag_seconds\":0.0,\"member\":null}");
    assert_row(rows, 2,
               "{\"topic\":\"orders\",\"partition\":2,\"committed\":null,\"end\":1,\"lag\":null,"
               "\"lag_seconds\":null,\"member\":\"member-1\"}");
    json_decref(json);
}

static void show_tells_members_and_lag_of_both_protocols(void **state)
{
    (void)state;
    group_fill();
    broker->group.has_member = true;
    assert_int_equal(command_run("group show billing -o json", NULL), CLI_OK);
    assert_group_shown("Classic", "range", "null");
    broker->group.is_new = true;
    assert_int_equal(command_run("group show billing -o json", NULL), CLI_OK);
    assert_group_shown("Consumer", "uniform", "6");
    assert_int_equal(command_run("group show billing", NULL), CLI_OK);
    assert_non_null(strstr(said.out, "epoch    7\n"));
    assert_non_null(strstr(said.out, "member-1  client till at /10.0.0.9, epoch 6, owns "
                                     "orders/0,2\n"));
}

static void older_brokers_are_asked_as_they_know_it(void **state)
{
    (void)state;
    group_fill();
    broker->group.has_member = true;
    broker->version_max[API_CONSUMER_GROUP_DESCRIBE] = -1;
    broker->version_max[API_DESCRIBE_GROUPS] = 3;
    broker->version_max[API_FIND_COORDINATOR] = 1;
    static const int16_t offset_fetches[] = {2, 7, 8, 9};
    for (size_t i = 0; i < ARRAY_SIZE(offset_fetches); i++) {
        broker->version_max[API_OFFSET_FETCH] = offset_fetches[i];
        assert_int_equal(command_run("group show billing -o json", NULL), CLI_OK);
        assert_int_equal(broker->versions[API_OFFSET_FETCH], offset_fetches[i]);
        assert_group_shown("Classic", "range", "null");
    }
    broker->group.exists = false;
    assert_int_equal(command_run("group show billing", NULL), CLI_FAILED);
    assert_non_null(strstr(said.err, "GROUP_ID_NOT_FOUND"));
}

static void lag_in_seconds_is_unknown_where_the_broker_does_not_tell_the_newest(void **state)
{
    (void)state;
    group_fill();
    broker->version_max[API_LIST_OFFSETS] = 6;
    assert_int_equal(command_run("group show billing -o json", NULL), CLI_OK);
    json_t *json = said_json();
    assert_row(json_object_get(json, "partitions"), 0,
               "{\"topic\":\"orders\",\"partition\":0,\"committed\":1,\"end\":3,\"lag\":2,"
               "\"lag_seconds\":null,\"member\":null}");
    json_decref(json);
}

static void a_committed_offset_below_the_start_counts_from_the_first_record_there_is(void **state)
{
    (void)state;
    group_fill();
    broker->group.committed[0] = 0;
    broker->partitions[0].start = 1;
    assert_int_equal(command_run("group show billing -o json", NULL), CLI_OK);
    json_t *json = said_json();
    assert_row(json_object_get(json, "partitions"), 0,
               "{\"topic\":\"orders\",\"partition\":0,\"committed\":0,\"end\":3,\"lag\":3,"
               "\"lag_seconds\":4.0,\"member\":null}");
    json_decref(json);
}

static void a_topic_that_is_gone_is_a_warning(void **state)
{
    (void)state;
    group_fill();
    broker->version_max[API_OFFSET_FETCH] = 9; /* By name, as the topic has no id any more. */
    broker->exists = false;
    assert_int_equal(command_run("group show billing", NULL), CLI_WARNINGS);
    assert_non_null(strstr(said.err, "2 of 2 partitions are gone"));
}

static void a_coordinator_that_is_loading_is_asked_again(void **state)
{
    (void)state;
    group_fill();
    broker->error[API_FIND_COORDINATOR] = ERROR_COORDINATOR_NOT_AVAILABLE;
    broker->times[API_FIND_COORDINATOR] = 1;
    broker->error[API_OFFSET_FETCH] = ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    broker->times[API_OFFSET_FETCH] = 1;
    assert_int_equal(command_run("group show billing", NULL), CLI_OK);
    assert_int_equal(broker->requests[API_OFFSET_FETCH], 2);
    assert_int_equal(broker->coordinator_kind, 0);
}

static void what_is_not_there_or_in_use_is_not_deleted(void **state)
{
    (void)state;
    broker->group.has_member = true;
    assert_int_equal(command_run("group delete billing", NULL), CLI_FAILED);
    assert_non_null(strstr(said.err, "NON_EMPTY_GROUP"));
    assert_non_null(strstr(said.err, "millrace group show billing"));
    broker->group.has_member = false;
    assert_int_equal(command_run("group delete other", NULL), CLI_FAILED);
    assert_int_equal(command_run("group delete other --if-exists", NULL), CLI_OK);
    assert_int_equal(command_run("group delete billing", NULL), CLI_OK);
    assert_false(broker->group.exists);
}

static void a_delete_whose_answer_is_lost_is_done(void **state)
{
    (void)state;
    broker->lose_answer[API_DELETE_GROUPS] = true;
    assert_int_equal(command_run("group delete billing", NULL), CLI_OK);
    assert_int_equal(broker->requests[API_DELETE_GROUPS], 2);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, command_bench_setup, command_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mistakes_are_told_and_nobody_is_asked),
        TEST(the_list_is_a_table_or_json_and_goes_by_state),
        TEST(show_tells_members_and_lag_of_both_protocols),
        TEST(older_brokers_are_asked_as_they_know_it),
        TEST(lag_in_seconds_is_unknown_where_the_broker_does_not_tell_the_newest),
        TEST(a_committed_offset_below_the_start_counts_from_the_first_record_there_is),
        TEST(a_topic_that_is_gone_is_a_warning),
        TEST(a_coordinator_that_is_loading_is_asked_again),
        TEST(what_is_not_there_or_in_use_is_not_deleted),
        TEST(a_delete_whose_answer_is_lost_is_done),
    };
    return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
