#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "tools/cli.h"

/* The last call that ran, copied. */
static struct cli_call seen;
static enum cli_exit answer;

static enum cli_exit remember(const struct cli_call *call)
{
    seen = *call;
    return answer;
}

static int raw_argc;

static int remember_raw(int argc, char **argv)
{
    (void)argv;
    raw_argc = argc;
    return 42;
}

static const struct cli_option options[] = {
    {"--count", NULL, "N", "how many"},
    {"--all", "-a", NULL, "everything"},
    {NULL, NULL, NULL, NULL},
};

/* Takes the place of the real table. */
const struct cli_command cli_commands[] = {
    {"up", NULL, "", 0, 0, "start", remember, NULL, NULL},
    {"topic", "create", "NAME", 1, 1, "make one", remember, options, NULL},
    {"topic", "list", "", 0, 0, "list them", remember, options, NULL},
    {"bench", NULL, "KIND", 0, 0, "measure", NULL, NULL, remember_raw},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};

/* Runs a command line with stderr and stdout in a file; *said is what was printed. */
static int run(const char *const *words, char *said, size_t size)
{
    int count = 0;
    while (words[count] != NULL) {
        count++;
    }
    FILE *file = tmpfile();
    assert_non_null(file);
    (void)fflush(NULL);
    const int out = dup(STDOUT_FILENO);
    const int err = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    seen = (struct cli_call){0};
    const int status = cli_run(count, (char *const *)(uintptr_t)words);
    (void)fflush(NULL);
    assert_true(dup2(out, STDOUT_FILENO) >= 0);
    assert_true(dup2(err, STDERR_FILENO) >= 0);
    assert_int_equal(close(out), 0);
    assert_int_equal(close(err), 0);
    rewind(file);
    said[fread(said, 1, size - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    return status;
}

static const struct {
    const char *words[8];
    int status;
    const char *said; /* A part of it. */
} lines[] = {
    {{"up", NULL}, CLI_OK, ""},
    {{"topic", "list", NULL}, CLI_OK, ""},
    {{"topic", "create", "t", NULL}, CLI_OK, ""},
    {{NULL}, CLI_USAGE, "commands"},
    {{"--help", NULL}, CLI_OK, "topic create NAME"},
    {{"help", NULL}, CLI_OK, "exit status"},
    {{"help", "topic", NULL}, CLI_OK, "usage: millrace topic VERB"},
    {{"help", "topic", "create", NULL}, CLI_OK, "--count N"},
    {{"help", "topci", NULL}, CLI_USAGE, "did you mean 'topic'?"},
    {{"--version", NULL}, CLI_OK, "millrace 9.8.7"},
    {{"-o", "json", "topic", "list", NULL},
     CLI_USAGE,
     "-o stands before the command; options follow it"},
    {{"topic", "--help", NULL}, CLI_OK, "usage: millrace topic VERB"},
    {{"topic", "create", "--help", NULL}, CLI_OK, "--count N"},
    {{"topic", NULL}, CLI_USAGE, "usage: millrace topic VERB"},
    {{"topci", "list", NULL}, CLI_USAGE, "unknown command 'topci'; did you mean 'topic'?"},
    {{"topic", "crate", NULL},
     CLI_USAGE,
     "unknown command 'topic crate'; did you mean 'topic create'?"},
    {{"topic", "xyzzy", NULL}, CLI_USAGE, "unknown command 'topic xyzzy'; `millrace --help`"},
    {{"topic", "create", NULL}, CLI_USAGE, "is missing; usage: millrace topic create NAME"},
    {{"topic", "create", "a", "b", NULL},
     CLI_USAGE,
     "too many words; usage: millrace topic create"},
    {{"topic", "create", "a", "--cuont", "1", NULL},
     CLI_USAGE,
     "unknown option '--cuont'; did you mean --count?"},
    {{"topic", "create", "a", "--count", NULL}, CLI_USAGE, "--count needs a value"},
    {{"up", "--all", NULL}, CLI_USAGE, "unknown option '--all'"},
    {{"up", "-o", "xml", NULL}, CLI_USAGE, "-o must be text or json, not 'xml'"},
};

static void command_lines_run_or_say_how(void **state)
{
    (void)state;
    answer = CLI_OK;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        char said[6000];
        assert_int_equal(run(lines[i].words, said, sizeof(said)), lines[i].status);
        if (strstr(said, lines[i].said) == NULL) {
            assert_string_equal(said, lines[i].said);
        }
    }
}

static void options_words_and_globals_reach_the_command(void **state)
{
    (void)state;
    static const char *const words[] = {"topic", "create", "name", "--count=3", "-a", "--bootstrap",
                                        "h:1",   "-o",     "json", "--count",   "4",  NULL};
    char said[6000];
    int64_t count = 0;
    answer = CLI_WARNINGS;
    assert_int_equal(run(words, said, sizeof(said)), CLI_WARNINGS);
    assert_string_equal(seen.words[0], "name");
    assert_true(cli_switch(&seen, "--all"));
    assert_string_equal(cli_value_at(&seen, "--count", 0), "3");
    assert_string_equal(cli_value(&seen, "--count"), "4");
    assert_null(cli_value_at(&seen, "--count", 2));
    assert_true(cli_number(&seen, "--count", 1, 10, 7, &count));
    assert_int_equal(count, 4);
    assert_string_equal(seen.bootstrap, "h:1");
    assert_true(seen.json);
}

static void defaults_hold_without_options_and_a_dash_dash_ends_them(void **state)
{
    (void)state;
    static const char *const words[] = {"topic", "create", "--", "--count", NULL};
    char said[6000];
    int64_t count = 0;
    answer = CLI_OK;
    assert_int_equal(run(words, said, sizeof(said)), CLI_OK);
    assert_string_equal(seen.words[0], "--count");
    assert_string_equal(seen.bootstrap, "127.0.0.1:9092");
    assert_false(seen.json);
    assert_true(cli_number(&seen, "--count", 1, 10, 7, &count));
    assert_int_equal(count, 7);
}

static void a_raw_command_gets_its_words_as_they_are(void **state)
{
    (void)state;
    static const char *const words[] = {"bench", "produce", "--strange", NULL};
    char said[6000];
    assert_int_equal(run(words, said, sizeof(said)), 42);
    assert_int_equal(raw_argc, 2);
}

/* What bash offers behind a half typed line. */
static void completion_offers_what_the_table_holds(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *want;
    } typed[] = {
        {"(millrace \"\") 1", "up topic bench"},
        {"(millrace to) 1", "topic"},
        {"(millrace topic \"\") 2", "create list"},
        {"(millrace topic create --c) 3", "--count"},
    };
    char path[] = "/tmp/completion-XXXXXX";
    const int fd = mkstemp(path);
    FILE *script = fdopen(fd, "w");
    assert_non_null(script);
    cli_completion_bash(script);
    assert_int_equal(fclose(script), 0);
    for (size_t i = 0; i < ARRAY_SIZE(typed); i++) {
        char command[600];
        char words[100];
        int position = 0;
        assert_int_equal(sscanf(typed[i].line, "%99[^)]) %d", words, &position), 2);
        (void)snprintf(
            command, sizeof(command),
            "cd / && bash -c 'source %s; COMP_WORDS=%s); COMP_CWORD=%d; _millrace; "
            "for w in \"${COMPREPLY[@]}\"; do [ -e \"$w\" ] || printf \"%%s \" \"$w\"; done'",
            path, words, position);
        FILE *shell = popen(command, "r"); /* NOLINT(cert-env33-c) */
        assert_non_null(shell);
        char got[500] = "";
        (void)!fgets(got, sizeof(got), shell);
        assert_int_equal(pclose(shell), 0);
        got[strlen(got) > 0 ? strlen(got) - 1 : 0] = '\0';
        assert_string_equal(got, typed[i].want);
    }
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines_run_or_say_how),
        cmocka_unit_test(options_words_and_globals_reach_the_command),
        cmocka_unit_test(defaults_hold_without_options_and_a_dash_dash_ends_them),
        cmocka_unit_test(a_raw_command_gets_its_words_as_they_are),
        cmocka_unit_test(completion_offers_what_the_table_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
