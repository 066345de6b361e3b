#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/cli.h"

/* Rules of the table that the compiler cannot check; help and completion are computed from it. */

static bool same_command(const struct cli_command *one, const struct cli_command *other)
{
    return strcmp(one->noun, other->noun) == 0 &&
           strcmp(one->verb != NULL ? one->verb : "", other->verb != NULL ? other->verb : "") == 0;
}

static void each_command_is_there_once_and_can_run(void **state)
{
    (void)state;
    for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
        assert_true((command->run != NULL) != (command->raw != NULL));
        assert_true(command->words_min <= command->words_max);
        assert_true(command->words_max <= CLI_WORDS_MAX);
        assert_true(command->raw != NULL ||
                    (command->words[0] == '\0') == (command->words_max == 0));
        for (const struct cli_command *other = command + 1; other->noun != NULL; other++) {
            assert_false(same_command(command, other));
        }
    }
}

static void verbs_of_a_noun_stand_together(void **state)
{
    (void)state; /* Help prints a noun's head when it changes. */
    for (const struct cli_command *command = cli_commands; command[1].noun != NULL; command++) {
        if (strcmp(command->noun, command[1].noun) == 0) {
            assert_non_null(command->verb);
            assert_non_null(command[1].verb);
            continue;
        }
        for (const struct cli_command *later = command + 1; later->noun != NULL; later++) {
            assert_string_not_equal(command->noun, later->noun);
        }
    }
}

static void options_have_two_dashes_a_short_spelling_one_and_none_stands_for_two(void **state)
{
    (void)state;
    for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
        uint32_t count = 0;
        const struct cli_option *option = command->options;
        for (; option != NULL && option->name != NULL; option++) {
            count++;
            assert_int_equal(strncmp(option->name, "--", 2), 0);
            assert_true(option->alias == NULL ||
                        (strlen(option->alias) == 2 && option->alias[0] == '-'));
            assert_true(option->doc[0] != '\0');
            for (const struct cli_option *other = command->options; other < option; other++) {
                assert_string_not_equal(other->name, option->name);
                assert_true(other->alias == NULL || option->alias == NULL ||
                            strcmp(other->alias, option->alias) != 0);
            }
        }
        assert_true(count <= CLI_OPTIONS_MAX);
    }
}

static void help_fits_a_terminal(void **state)
{
    (void)state;
    enum { COLUMNS_MAX = 120 };
    for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
        char line[400];
        FILE *file = tmpfile();
        assert_non_null(file);
        cli_help_command(file, command);
        rewind(file);
        uint32_t lines = 0;
        while (fgets(line, sizeof(line), file) != NULL) {
            lines++;
            assert_true(strlen(line) <= COLUMNS_MAX);
        }
        assert_true(lines > 1);
        (void)fclose(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_is_there_once_and_can_run),
        cmocka_unit_test(verbs_of_a_noun_stand_together),
        cmocka_unit_test(options_have_two_dashes_a_short_spelling_one_and_none_stands_for_two),
        cmocka_unit_test(help_fits_a_terminal),
    };
    return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
