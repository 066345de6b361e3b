#include "tools/cli.h"

#include <stdarg.h>
#include <stdlib.h>

#include "dataplane/profile/suggest.h"
#include "storage/base/text.h"

const struct cli_option cli_global_options[] = {
    {"--bootstrap", "--bootstrap-server", "HOST:PORT", "where the node listens (127.0.0.1:9092)"},
    {"-o", "--output", "text|json", "how results are printed"},
    {"--help", "-h", NULL, "this help"},
    {NULL, NULL, NULL, NULL},
};

void cli_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("millrace: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
}

void cli_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
}

/* ---- Help ----------------------------------------------------------------------------------- */

static void print_row(FILE *out, const char *left, const char *doc)
{
    if (strlen(left) > 30) {
        (void)fprintf(out, "  %s\n  %-30s  %s\n", left, "", doc);
    } else {
        (void)fprintf(out, "  %-30s  %s\n", left, doc);
    }
}

static void print_command(FILE *out, const struct cli_command *command)
{
    char left[200];
    const bool verb = command->verb != NULL;
    (void)snprintf(left, sizeof(left), "%s%s%s%s%s", command->noun, verb ? " " : "",
                   verb ? command->verb : "", command->words[0] != '\0' ? " " : "", command->words);
    print_row(out, left, command->doc);
}

static void print_options(FILE *out, const struct cli_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        char left[200];
        (void)snprintf(
            left, sizeof(left), "%s%s%s%s%s", options->name, options->alias != NULL ? ", " : "",
            options->alias != NULL ? options->alias : "", options->value != NULL ? " " : "",
            options->value != NULL ? options->value : "");
        print_row(out, left, options->doc);
    }
}

void cli_help(FILE *out)
{
    (void)fputs("millrace - a broker for Kafka clients on poll-mode cores\n\n"
                "usage: millrace COMMAND [options]\n\ncommands\n",
                out);
    for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
        print_command(out, command);
    }
    (void)fputs("\noptions of every command\n", out);
    print_options(out, cli_global_options);
    print_row(out, "--version", "which version this is; stands alone");
    (void)fputs("\nexit status: 0 ok, 1 failed, 2 usage, 3 ok with warnings\n", out);
}

void cli_help_noun(FILE *out, const char *noun)
{
    (void)fprintf(out, "usage: millrace %s VERB [options]\n\n", noun);
    for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
        if (strcmp(command->noun, noun) == 0) {
            print_command(out, command);
        }
    }
}

void cli_help_command(FILE *out, const struct cli_command *command)
{
    (void)fprintf(out, "usage: millrace %s%s%s%s%s [options]\n\n%s\n\noptions\n", command->noun,
                  command->verb != NULL ? " " : "", command->verb != NULL ? command->verb : "",
                  command->words[0] != '\0' ? " " : "", command->words, command->doc);
    print_options(out, command->options);
    print_options(out, cli_global_options);
}

/* ---- Values --------------------------------------------------------------------------------- */

const char *cli_value_at(const struct cli_call *call, const char *name, int index)
{
    for (int i = 0; i < call->given_count; i++) {
        if (strcmp(call->given[i].option->name, name) == 0 && index-- == 0) {
            return call->given[i].value;
        }
    }
    return NULL;
}

const char *cli_value(const struct cli_call *call, const char *name)
{
    const char *last = NULL;
    const char *value;
    for (int i = 0; (value = cli_value_at(call, name, i)) != NULL; i++) {
        last = value;
    }
    return last;
}

bool cli_switch(const struct cli_call *call, const char *name)
{
    return cli_value_at(call, name, 0) != NULL;
}

bool cli_number(const struct cli_call *call, const char *name, int64_t low, int64_t high,
                int64_t fallback, int64_t *out)
{
    const char *value = cli_value(call, name);
    *out = fallback;
    if (value == NULL) {
        return true;
    }
    if (!text_parse_i64(bytes_of_string(value), out) || *out < low || *out > high) {
        cli_error("%s must be a whole number from %lld to %lld, not '%s'", name, (long long)low,
                  (long long)high, value);
        return false;
    }
    return true;
}

/* ---- Parsing -------------------------------------------------------------------------------- */

static const struct cli_option *option_find(const struct cli_option *options, struct bytes name)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (bytes_equal(name, bytes_of_string(options->name)) ||
            (options->alias != NULL && bytes_equal(name, bytes_of_string(options->alias)))) {
            return options;
        }
    }
    return NULL;
}

static void tell_unknown_option(const struct cli_command *command, struct bytes name)
{
    struct suggestion near = suggest(name);
    const struct cli_option *lists[] = {command->options, cli_global_options};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        for (const struct cli_option *at = lists[i]; at != NULL && at->name != NULL; at++) {
            suggest_offer(&near, at->name);
        }
    }
    const bool found = near.best.len > 0;
    cli_error("unknown option '%.*s'%s%.*s%s", (int)name.len, (const char *)name.ptr,
              found ? "; did you mean " : "", (int)near.best.len, (const char *)near.best.ptr,
              found ? "?" : "");
}

/* Takes the option at argv[*at], and its value; *at moves behind both. */
static bool take_option(struct cli_call *call, int argc, char *const *argv, int *at)
{
    const char *word = argv[(*at)++];
    const char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    const struct bytes name = {(const uint8_t *)word,
                               equals != NULL ? (uint32_t)(equals - word) : (uint32_t)strlen(word)};
    const struct cli_option *option = option_find(call->command->options, name);
    option = option != NULL ? option : option_find(cli_global_options, name);
    if (option == NULL) {
        tell_unknown_option(call->command, name);
        return false;
    }
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (option->value == NULL) {
        value = "true";
    } else if (value == NULL) {
        value = *at < argc ? argv[(*at)++] : NULL;
    }
    if (value == NULL || call->given_count == CLI_GIVEN_MAX) {
        cli_error(value == NULL ? "%s needs a value" : "too many options at %s", option->name);
        return false;
    }
    call->given[call->given_count++] = (struct cli_given){option, value};
    return true;
}

static bool take_words(struct cli_call *call, int argc, char *const *argv)
{
    bool only_words = false;
    for (int at = 0; at < argc;) {
        if (!only_words && strcmp(argv[at], "--") == 0) {
            only_words = true;
            at++;
        } else if (!only_words && argv[at][0] == '-' && argv[at][1] != '\0') {
            if (!take_option(call, argc, argv, &at)) {
                return false;
            }
        } else if (call->word_count == CLI_WORDS_MAX) {
            cli_error("too many words at '%s'", argv[at]);
            return false;
        } else {
            call->words[call->word_count++] = argv[at++];
        }
    }
    return true;
}

static bool finish_call(struct cli_call *call)
{
    const struct cli_command *command = call->command;
    if (call->word_count < command->words_min || call->word_count > command->words_max) {
        cli_error("%s; usage: millrace %s%s%s%s%s [options]",
                  call->word_count < command->words_min ? "something is missing" : "too many words",
                  command->noun, command->verb != NULL ? " " : "",
                  command->verb != NULL ? command->verb : "", command->words[0] != '\0' ? " " : "",
                  command->words);
        return false;
    }
    const char *output = cli_value(call, "-o");
    if (output != NULL && strcmp(output, "json") != 0 && strcmp(output, "text") != 0) {
        cli_error("-o must be text or json, not '%s'", output);
        return false;
    }
    call->json = output != NULL && strcmp(output, "json") == 0;
    const char *bootstrap = cli_value(call, "--bootstrap");
    call->bootstrap = bootstrap != NULL ? bootstrap : "127.0.0.1:9092";
    return true;
}

static bool is_noun(const char *word)
{
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        if (strcmp(at->noun, word) == 0) {
            return true;
        }
    }
    return false;
}

static int unknown_command(const char *noun, const char *verb)
{
    const bool known_noun = is_noun(noun);
    struct suggestion near = suggest(bytes_of_string(known_noun && verb != NULL ? verb : noun));
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        if (!known_noun) {
            suggest_offer(&near, at->noun);
        } else if (strcmp(at->noun, noun) == 0 && at->verb != NULL) {
            suggest_offer(&near, at->verb);
        }
    }
    if (known_noun && verb == NULL) {
        cli_help_noun(stderr, noun);
        return CLI_USAGE;
    }
    const bool found = near.best.len > 0;
    cli_error("unknown command '%s%s%s'%s%s%s%.*s%s", noun, known_noun ? " " : "",
              known_noun ? verb : "", found ? "; did you mean '" : "",
              found && known_noun ? noun : "", found && known_noun ? " " : "", (int)near.best.len,
              (const char *)near.best.ptr, found ? "'?" : "; `millrace --help` lists them");
    return CLI_USAGE;
}

static const struct cli_command *find_command(const char *noun, const char *verb)
{
    for (const struct cli_command *at = cli_commands; at->noun != NULL; at++) {
        if (strcmp(at->noun, noun) == 0 &&
            (at->verb == NULL || (verb != NULL && strcmp(at->verb, verb) == 0))) {
            return at;
        }
    }
    return NULL;
}

static bool asks_for_help(int argc, char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

static int general_help(int argc)
{
    cli_help(argc == 0 ? stderr : stdout);
    return argc == 0 ? CLI_USAGE : CLI_OK;
}

/* An option where the command should be. */
static int option_first(const char *option)
{
    if (strcmp(option, "--version") == 0) {
        (void)puts("millrace " MILLRACE_VERSION);
        return CLI_OK;
    }
    cli_error("%s stands before the command; options follow it: millrace COMMAND %s ...", option,
              option);
    return CLI_USAGE;
}

int cli_run(int argc, char *const *argv)
{
    bool help = asks_for_help(argc, argv);
    if (argc > 1 && strcmp(argv[0], "help") == 0) { /* `help topic` is `topic --help`. */
        help = true;
        argc--;
        argv++;
    }
    if (argc == 0 || (argv[0][0] == '-' && help) || strcmp(argv[0], "help") == 0) {
        return general_help(argc);
    }
    if (argv[0][0] == '-') {
        return option_first(argv[0]);
    }
    const char *verb = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    const struct cli_command *command = find_command(argv[0], verb);
    if (command == NULL && help && is_noun(argv[0])) {
        cli_help_noun(stdout, argv[0]);
        return CLI_OK;
    }
    if (command == NULL) {
        return unknown_command(argv[0], verb);
    }
    if (command->raw != NULL && !(help && !asks_for_help(argc, argv))) {
        return command->raw(argc - 1, (char **)(uintptr_t)(argv + 1));
    }
    if (help) {
        cli_help_command(stdout, command);
        return CLI_OK;
    }
    static struct cli_call call;
    call = (struct cli_call){.command = command};
    const int skip = command->verb != NULL ? 2 : 1;
    if (!take_words(&call, argc - skip, argv + skip) || !finish_call(&call)) {
        return CLI_USAGE;
    }
    const enum cli_exit status = command->run(&call);
    if (fflush(stdout) != 0) {
        return CLI_FAILED; /* A full disk behind a pipe is no success. */
    }
    return (int)status;
}
