#include "tests/tools/command_bench.h"

static void times_that_are_none_are_told_before_anybody_is_asked(void **state)
{
    (void)state;
    static const char *const bad[] = {"0", "-1", "x", "3601", "1s"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char line[100];
        (void)snprintf(line, sizeof(line), "topic list --timeout %s", bad[i]);
        assert_int_equal(command_run(line, NULL), CLI_USAGE);
        assert_non_null(strstr(said.err, "--timeout"));
        assert_int_equal(broker->requests[API_METADATA], 0);
    }
}

static void an_address_that_is_none_is_a_mistake_of_the_command(void **state)
{
    (void)state;
    assert_int_equal(command_run_alone("topic list --bootstrap nowhere", NULL), CLI_USAGE);
    assert_non_null(strstr(said.err, "nowhere"));
    assert_string_equal(said.out, "");
}

static void an_address_where_nobody_is_fails(void **state)
{
    (void)state;
    fake_broker_free(broker); /* Its port is free again. */
    broker = fake_broker_new();
    assert_int_equal(command_run_alone("topic list --timeout 1 --bootstrap 127.0.0.1:1", NULL),
                     CLI_FAILED);
    assert_int_equal(strncmp(said.err, "millrace: ", 10), 0);
    assert_non_null(strstr(said.err, "127.0.0.1:1"));
}

static void what_the_broker_says_is_the_reason(void **state)
{
    (void)state;
    broker->error[API_CREATE_PARTITIONS] = 37; /* INVALID_PARTITIONS */
    assert_int_equal(command_run("topic grow orders 4", NULL), CLI_FAILED);
    assert_non_null(strstr(said.err, "INVALID_PARTITIONS"));
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, command_bench_setup, command_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(times_that_are_none_are_told_before_anybody_is_asked),
        TEST(an_address_that_is_none_is_a_mistake_of_the_command),
        TEST(an_address_where_nobody_is_fails),
        TEST(what_the_broker_says_is_the_reason),
    };
    return cmocka_run_group_tests_name("client_command", tests, NULL, NULL);
}
