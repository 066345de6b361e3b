#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "dataplane/profile/settings_table.h"

static struct settings settings;
static struct settings_problems problems;
static char path[64];

/* Writes the text to a file and reads it as a configuration. */
static void read_text(const char *yaml)
{
    settings = (struct settings){0};
    problems = (struct settings_problems){0};
    strcpy(path, "/tmp/settings-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
    assert_int_equal(close(fd), 0);
    settings_read_file(&settings, FROM_FILE, path, &problems);
    assert_int_equal(unlink(path), 0);
}

/* "PATH" in the expected text stands for the file's path. */
static void assert_problem(uint32_t at, const char *want)
{
    char whole[600];
    (void)snprintf(whole, sizeof(whole), "%s%s", path, want);
    assert_true(problems.count > at);
    assert_string_equal(problems.error[at], whole);
}

static void a_good_file_fills_the_settings(void **state)
{
    (void)state;
    read_text("cores:\n"
              "  count: 2\n"
              "  cpus: [3, 4-5]\n"
              "storage:\n"
              "  data:\n"
              "    - /one\n"
              "    - /two\n"
              "kafka:\n"
              "  log.retention.hours: 5\n"
              "  group.coordinator.rebalance.protocols: [classic, consumer]\n"
              "  broker.rack: 'r:1'\n");
    assert_int_equal(problems.count, 0);
    assert_int_equal(settings.cores_count, 2);
    assert_int_equal(settings.cores_cpus.count, 3);
    assert_int_equal(settings.storage_data.count, 2);
    assert_string_equal(settings_kafka_set(&settings, "log.retention.hours"), "5");
    assert_string_equal(settings_kafka_set(&settings, "group.coordinator.rebalance.protocols"),
                        "classic,consumer");
    assert_string_equal(settings_kafka_set(&settings, "broker.rack"), "r:1");
    settings_free(&settings);
}

static void the_place_of_a_value_is_kept(void **state)
{
    (void)state;
    read_text("# comment\ncores:\n  idle: eco\n");
    char want[100];
    (void)snprintf(want, sizeof(want), "%s:3:3", path);
    for (uint32_t i = 0; i < settings_table_count; i++) {
        if (strcmp(settings_table[i].name, "cores.idle") == 0) {
            assert_string_equal(settings.origins[i].where, want);
            assert_int_equal(settings.origins[i].source, FROM_FILE);
        }
    }
    settings_free(&settings);
}

static const struct {
    const char *yaml;
    const char *error; /* Behind the path. */
} refusals[] = {
    {"cores:\n  cout: 1\n", ":2:3: unknown key 'cores.cout'; did you mean 'cores.count'?"},
    {"listen: 127.0.0.1:1\n", ":1:1: unknown key 'listen'; did you mean 'network.listen'?"},
    {"kafka:\n  nmu.partitions: 1\n",
     ":2:3: unknown Kafka key 'nmu.partitions'; did you mean 'num.partitions'?"},
    {"kafka:\n  num.partitions: many\n",
     ":2:3: Invalid value many for configuration num.partitions: Not a number of type INT"},
    {"memory:\n  arena: 64\n",
     ":2:3: 'memory.arena' must be a number with a unit, such as 64 MiB (B, KiB, MiB, GiB, TiB), "
     "not '64'"},
    {"cores:\n  count: {a: 1}\n", ":2:3: 'cores.count' needs a value or a list of values"},
    {"cores:\n  - 1\n", ":1:1: unknown key 'cores'"},
    {"just words\n", ": must hold sections such as 'cores:'"},
};

static void what_is_wrong_is_named_with_line_and_column(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        read_text(refusals[i].yaml);
        assert_int_equal(problems.count, 1);
        assert_problem(0, refusals[i].error);
        settings_free(&settings);
    }
}

static void broken_yaml_is_named_with_line_and_column(void **state)
{
    (void)state;
    static const char *const broken[] = {"cores:\n\tcount: 1\n", "cores: {count: 1\n",
                                         "cores:\n  count: 1\n  count: 2\n", "a: 'b\n"};
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        read_text(broken[i]);
        assert_int_equal(problems.count, 1);
        assert_memory_equal(problems.error[0], path, strlen(path));
        unsigned line = 0;
        unsigned column = 0;
        assert_int_equal(sscanf(problems.error[0] + strlen(path), ":%u:%u:", &line, &column), 2);
        assert_true(line > 0 && column > 0);
        settings_free(&settings);
    }
}

static void all_problems_of_a_file_are_told(void **state)
{
    (void)state;
    read_text("cores:\n  cout: 1\n  idel: eco\nlog:\n  level: loud\n");
    assert_int_equal(problems.count, 3);
    assert_problem(2, ":5:3: 'log.level' must be one of: debug, info, warn, error, not 'loud'");
    settings_free(&settings);
}

static void a_file_that_is_not_there_is_a_problem(void **state)
{
    (void)state;
    settings = (struct settings){0};
    problems = (struct settings_problems){0};
    settings_read_file(&settings, FROM_FILE, "/nonexistent/x.yaml", &problems);
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.error[0], "/nonexistent/x.yaml: No such file or directory");
    settings_read_file(&settings, FROM_FILE, "/tmp", &problems);
    assert_string_equal(problems.error[1], "/tmp: is a directory");
}

static void an_empty_file_changes_nothing(void **state)
{
    (void)state;
    read_text("# nothing\n");
    assert_string_equal(problems.error[0], "");
    assert_int_equal(problems.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_fills_the_settings),
        cmocka_unit_test(the_place_of_a_value_is_kept),
        cmocka_unit_test(what_is_wrong_is_named_with_line_and_column),
        cmocka_unit_test(broken_yaml_is_named_with_line_and_column),
        cmocka_unit_test(all_problems_of_a_file_are_told),
        cmocka_unit_test(a_file_that_is_not_there_is_a_problem),
        cmocka_unit_test(an_empty_file_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
