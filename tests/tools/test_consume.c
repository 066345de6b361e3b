#include <jansson.h>

#include "tests/tools/command_bench.h"

static void fill(const char *lines)
{
    assert_int_equal(command_run("produce orders --partition 0", lines), CLI_OK);
}

static void mistakes_are_told_and_nobody_is_asked(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *want;
    } table[] = {
        {"consume", "TOPIC"},
        {"consume orders --offset middle", "middle"},
        {"consume orders --offset @yesterday", "yesterday"},
        {"consume orders --partition x", "--partition"},
        {"consume orders --partition -1", "--partition"},
        {"consume orders --format %q", "%q"},
        {"consume orders --count 0", "--count"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        assert_int_equal(command_run(table[i].line, NULL), CLI_USAGE);
        assert_non_null(strstr(said.err, table[i].want));
    }
    assert_int_equal(broker->requests[API_METADATA], 0);
}

static void it_reads_to_the_end_and_no_further(void **state)
{
    (void)state;
    fill("a\nb\nc\n");
    assert_int_equal(command_run("consume orders --exit", NULL), CLI_OK);
    assert_string_equal(said.out, "a\nb\nc\n");
    assert_string_equal(said.err, "");
}

static void it_stops_at_the_count_in_the_middle_of_a_batch(void **state)
{
    (void)state;
    fill("a\nb\nc\n");
    assert_int_equal(command_run("consume orders --count 2", NULL), CLI_OK);
    assert_string_equal(said.out, "a\nb\n");
}

static void it_starts_where_it_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *where;
        const char *want;
    } table[] = {{"begin", "abc"}, {"1", "bc"}, {"-1", "c"}, {"-9", "abc"}, {"end", ""}};
    fill("a\nb\nc\n");
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char line[100];
        (void)snprintf(line, sizeof(line), "consume orders --exit --format %%s --partition 0 -o %s",
                       table[i].where);
        assert_int_equal(command_run(line, NULL), CLI_OK);
        assert_string_equal(said.out, table[i].want);
    }
}

static void json_is_a_line_for_each_record_beside_an_offset(void **state)
{
    (void)state; /* -o is both; each keeps its meaning. */
    fill("a\nb\n");
    assert_int_equal(command_run("consume orders --exit -o json -o 1", NULL), CLI_OK);
    assert_ptr_equal(strchr(said.out, '\n'), said.out + strlen(said.out) - 1);
    json_error_t error;
    json_t *json = json_loads(said.out, 0, &error);
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "offset")), 1);
    assert_string_equal(json_string_value(json_object_get(json, "value")), "b");
    json_decref(json);
}

static void only_the_partitions_named_are_read_and_each_once(void **state)
{
    (void)state;
    fill("zero\n");
    assert_int_equal(command_run("produce orders --partition 2", "two\n"), CLI_OK);
    assert_int_equal(command_run("consume orders --exit -p 2 -p 2", NULL), CLI_OK);
    assert_string_equal(said.out, "two\n");
    assert_int_equal(command_run("consume orders --exit -p 7", NULL), CLI_FAILED);
    assert_non_null(strstr(said.err, "7"));
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, command_bench_setup, command_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mistakes_are_told_and_nobody_is_asked),
        TEST(it_reads_to_the_end_and_no_further),
        TEST(it_stops_at_the_count_in_the_middle_of_a_batch),
        TEST(it_starts_where_it_is_told),
        TEST(json_is_a_line_for_each_record_beside_an_offset),
        TEST(only_the_partitions_named_are_read_and_each_once),
    };
    return cmocka_run_group_tests_name("consume", tests, NULL, NULL);
}
