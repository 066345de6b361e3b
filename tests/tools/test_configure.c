#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "tools/configure.h"

/* The call as the command line would parse it, without running the command. */
static struct cli_call parsed;

static void given(const char *name, const char *value)
{
    static struct cli_option options[CLI_GIVEN_MAX];
    const int at = parsed.given_count++;
    options[at] = (struct cli_option){.name = name};
    parsed.given[at] = (struct cli_given){&options[at], value};
}

/* One for each test: what a configuration holds lives as long as the process. */
static struct configuration configurations[8];
static uint32_t configuration_count;
static struct configuration *configuration;

static bool run(void)
{
    ASSERT(configuration_count < ARRAY_SIZE(configurations));
    configuration = &configurations[configuration_count++];
    return configure(&parsed, configuration);
}

/* The arguments in one line. */
static const char *arguments(void)
{
    static char line[4000];
    size_t used = 0;
    line[0] = '\0';
    for (int i = 0; i < configuration->argument_count; i++) {
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%s", i == 0 ? "" : " ",
                                 configuration->arguments[i]);
    }
    assert_null(configuration->arguments[configuration->argument_count]);
    return line;
}

static char folder[64];
static char real_folder[200];

static int setup(void **state)
{
    (void)state;
    parsed = (struct cli_call){0};
    (void)snprintf(folder, sizeof(folder), "/tmp/millrace-configure-XXXXXX");
    return mkdtemp(folder) != NULL && chdir(folder) == 0 &&
                   getcwd(real_folder, sizeof(real_folder)) != NULL
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    settings_free(&configuration->settings);
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void paths_are_made_absolute_and_other_values_stay(void **state)
{
    (void)state; /* The processes may be started in another directory. */
    char want[1000];
    given("--data", "a");
    given("--data", "/b");
    given("--listen", "127.0.0.1:1");
    given("--profile", "loopback");
    given("--set", "cores.count=1");
    given("--insecure", "");
    (void)run(); /* The profile need not be found from here. */
    (void)snprintf(want, sizeof(want),
                   "--data %s/a --data /b --listen 127.0.0.1:1 --profile loopback "
                   "--set cores.count=1 --insecure",
                   real_folder);
    assert_int_equal(strncmp(arguments(), want, strlen(want)), 0);
}

static void a_profile_with_a_slash_is_a_file(void **state)
{
    (void)state;
    char want[1000];
    given("--profile", "./mine.yaml");
    given("--config", "node.yaml");
    assert_false(run()); /* Neither is there. */
    (void)snprintf(want, sizeof(want), "--profile %s/./mine.yaml --config %s/node.yaml",
                   real_folder, real_folder);
    assert_string_equal(arguments(), want);
    assert_true(configuration->problems.count > 0);
}

static void the_run_directory_lies_in_the_first_data_directory(void **state)
{
    (void)state;
    char want[1000];
    given("--data", "one");
    given("--data", "two");
    assert_true(run());
    (void)snprintf(want, sizeof(want), "%s/one/.millrace", real_folder);
    assert_string_equal(configuration->run_directory, want);
    const int count = configuration->argument_count;
    assert_string_equal(configuration->arguments[count - 2], "--run");
    assert_string_equal(configuration->arguments[count - 1], want);
    assert_int_equal(configuration->settings.storage_data.count, 2);
}

static void without_a_data_directory_the_default_is_spelled_out(void **state)
{
    (void)state; /* Or a restart under another HOME would serve another directory. */
    char room[1000];
    assert_int_equal(setenv("XDG_DATA_HOME", real_folder, 1), 0);
    assert_true(run());
    assert_int_equal(configuration->settings.storage_data.count, 1);
    (void)snprintf(room, sizeof(room), "--data %s", configuration->settings.storage_data.path[0]);
    assert_non_null(strstr(arguments(), room));
    assert_int_equal(configuration->settings.storage_data.path[0][0], '/');
}

static void a_wrong_key_is_a_problem_with_its_name(void **state)
{
    (void)state;
    given("--data", "one");
    given("--set", "cores.cuont=1");
    assert_false(run());
    assert_int_equal(configuration->problems.count, 1);
    assert_non_null(strstr(configuration->problems.error[0], "cores.cuont"));
    assert_non_null(strstr(configuration->problems.error[0], "cores.count")); /* Suggested. */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(paths_are_made_absolute_and_other_values_stay),
        TEST(a_profile_with_a_slash_is_a_file),
        TEST(the_run_directory_lies_in_the_first_data_directory),
        TEST(without_a_data_directory_the_default_is_spelled_out),
        TEST(a_wrong_key_is_a_problem_with_its_name),
    };
    return cmocka_run_group_tests_name("configure", tests, NULL, NULL);
}
