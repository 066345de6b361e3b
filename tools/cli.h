/* The command line: one table of commands; parsing, help and completion come from it.
 *
 * `millrace NOUN [VERB] [WORDS] [--options]`. Results go to stdout, everything else to stderr.
 */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include <stdio.h>

#include "storage/base/bytes.h"

/* What a command returns and the process exits with. */
enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_WARNINGS = 3 };

enum { CLI_WORDS_MAX = 64, CLI_OPTIONS_MAX = 24, CLI_GIVEN_MAX = 128 };

struct cli_option {
    const char *name;  /* "--data" */
    const char *alias; /* Another spelling, or NULL. */
    const char *value; /* What stands for its value in help, or NULL for a switch. */
    const char *doc;
};

struct cli_call;

struct cli_command {
    const char *noun;
    const char *verb;  /* NULL: the noun is the command. */
    const char *words; /* What stands for its words in help, "" for none. */
    int words_min;
    int words_max;
    const char *doc; /* One line. */
    enum cli_exit (*run)(const struct cli_call *call);
    const struct cli_option *options;  /* Ended by a NULL name; NULL for none. */
    int (*raw)(int argc, char **argv); /* Takes the words as they are, in place of run. */
};

struct cli_given {
    const struct cli_option *option;
    const char *value;
};

/* One parsed command line. Text is borrowed from argv. */
struct cli_call {
    const struct cli_command *command;
    const char *words[CLI_WORDS_MAX];
    int word_count;
    struct cli_given given[CLI_GIVEN_MAX];
    int given_count;
    const char *bootstrap;
    bool json;
};

/* The table, ended by a NULL noun (tools/commands.c). */
extern const struct cli_command cli_commands[];

/* Parses and runs; the process's exit status. argv without the program's name. */
int cli_run(int argc, char *const *argv);

/* The last value of the option, or NULL. */
const char *cli_value(const struct cli_call *call, const char *name);

/* The value given the index-th time, or NULL. */
const char *cli_value_at(const struct cli_call *call, const char *name, int index);

bool cli_switch(const struct cli_call *call, const char *name);

/* A whole number from low to high; when the option is not given, fallback. False after a message.
 */
MUST_USE bool cli_number(const struct cli_call *call, const char *name, int64_t low, int64_t high,
                         int64_t fallback, int64_t *out);

/* A line on stderr: "millrace: ...". */
__attribute__((format(printf, 1, 2))) void cli_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void cli_note(const char *format, ...);

/* Options of every command, ended by a NULL name. */
extern const struct cli_option cli_global_options[];

/* The completion scripts (tools/completion.c). */
void cli_completion_bash(FILE *out);
void cli_completion_zsh(FILE *out);

/* Help of everything, of a noun, or of one command. */
void cli_help(FILE *out);
void cli_help_noun(FILE *out, const char *noun);
void cli_help_command(FILE *out, const struct cli_command *command);

#endif
