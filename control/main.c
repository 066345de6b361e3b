#include <stdio.h>

#include "control/process.h"

extern char **environ;

/* Too large for the stack, and here as long as the process. */
static struct settings settings;
static struct settings_problems problems;
static char program_dir[4096];

int main(int argc, char **argv)
{
    if (!settings_program_dir(program_dir, sizeof(program_dir))) {
        program_dir[0] = '\0';
    }
    const struct settings_input input = {
        .argc = argc - 1, .argv = argv + 1, .environment = environ, .program_dir = program_dir};
    int status = EXIT_REFUSED;
    const bool good = settings_load(&settings, &input, &problems);
    for (uint32_t i = 0; i < problems.warnings && i < SETTINGS_PROBLEMS_MAX; i++) {
        (void)fprintf(stderr, "millrace-control: %s\n", problems.warning[i]);
    }
    for (uint32_t i = 0; i < problems.count && i < SETTINGS_PROBLEMS_MAX; i++) {
        (void)fprintf(stderr, "millrace-control: %s\n", problems.error[i]);
    }
    if (good) {
        status = process_run(&settings);
    }
    settings_free(&settings);
    return status;
}
