/* The completion half of tools/cli.h: scripts for shells, computed from the table. */
#include "tools/cli.h"

static void completion_options(FILE *out, const struct cli_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        (void)fprintf(out, " %s", options->name);
    }
}

static bool first_of_noun(const struct cli_command *command)
{
    return command == cli_commands || strcmp(command[-1].noun, command->noun) != 0;
}

void cli_completion_bash(FILE *out)
{
    (void)fputs("# bash completion for millrace: source <(millrace completion bash)\n"
                "_millrace() {\n"
                "    local word=${COMP_WORDS[COMP_CWORD]} noun=${COMP_WORDS[1]} options\n"
                "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                "        COMPREPLY=($(compgen -W \"",
                out);
    for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
        if (first_of_noun(command)) {
            (void)fprintf(out, "%s%s", command == cli_commands ? "" : " ", command->noun);
        }
    }
    (void)fputs("\" -- \"$word\"))\n        return\n    fi\n"
                "    case \"$noun ${COMP_WORDS[2]}\" in\n",
                out);
    for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
        (void)fprintf(out, "    '%s %s'*) options=\"", command->noun,
                      command->verb != NULL ? command->verb : "");
        completion_options(out, command->options);
        completion_options(out, cli_global_options);
        (void)fputs("\" ;;\n", out);
    }
    (void)fputs("    esac\n    if [ \"$COMP_CWORD\" -eq 2 ]; then\n        case \"$noun\" in\n",
                out);
    for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
        if (first_of_noun(command) && command->verb != NULL) {
            (void)fprintf(out, "        %s) options=\"", command->noun);
            for (const struct cli_command *verb = command;
                 verb->noun != NULL && strcmp(verb->noun, command->noun) == 0; verb++) {
                (void)fprintf(out, "%s%s", verb == command ? "" : " ", verb->verb);
            }
            (void)fputs("\" ;;\n", out);
        }
    }
    (void)fputs(
        "        esac\n    fi\n"
        "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\") $(compgen -f -- \"$word\"))\n"
        "}\ncomplete -o filenames -F _millrace millrace\n",
        out);
}

/* 'NAME:DOC' for _describe: colons and quotes escaped. */
static void zsh_item(FILE *out, const char *name, const char *doc)
{
    (void)fprintf(out, " '%s:", name);
    for (; *doc != '\0'; doc++) {
        if (*doc == '\'') {
            (void)fputs("'\\''", out);
        } else {
            (void)fprintf(out, "%s%c", *doc == ':' || *doc == '\\' ? "\\" : "", *doc);
        }
    }
    (void)fputc('\'', out);
}

static void zsh_options(FILE *out, const struct cli_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        zsh_item(out, options->name, options->doc);
    }
}

static void zsh_nouns(FILE *out)
{
    for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
        if (first_of_noun(command)) {
            zsh_item(out, command->noun, command->verb == NULL ? command->doc : "a group");
        }
    }
}

void cli_completion_zsh(FILE *out)
{
    (void)fputs("#compdef millrace\n"
                "# zsh completion for millrace: source <(millrace completion zsh)\n"
                "_millrace() {\n"
                "    local -a found\n"
                "    if (( CURRENT == 2 )); then\n        found=(",
                out);
    zsh_nouns(out);
    (void)fputs(")\n        _describe command found\n        return\n    fi\n"
                "    if (( CURRENT == 3 )); then\n        case \"$words[2]\" in\n",
                out);
    for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
        if (first_of_noun(command) && command->verb != NULL) {
            (void)fprintf(out, "        %s) found=(", command->noun);
            for (const struct cli_command *verb = command;
                 verb->noun != NULL && strcmp(verb->noun, command->noun) == 0; verb++) {
                zsh_item(out, verb->verb, verb->doc);
            }
            (void)fputs("); _describe verb found; return ;;\n", out);
        }
    }
    (void)fputs("        esac\n    fi\n    case \"$words[2] $words[3]\" in\n", out);
    for (const struct cli_command *command = cli_commands; command->noun != NULL; command++) {
        (void)fprintf(out, "    '%s %s'*) found=(", command->noun,
                      command->verb != NULL ? command->verb : "");
        zsh_options(out, command->options);
        zsh_options(out, cli_global_options);
        (void)fputs(") ;;\n", out);
    }
    (void)fputs("    esac\n    _describe -o option found\n    _files\n}\n"
                "compdef _millrace millrace\n",
                out);
}
