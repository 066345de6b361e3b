#include "tools/configure.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/node.h"

/* Options that both processes take as they are. */
static const char *const handed_on[] = {"--listen", "--http", "--profile", "--config", "--set"};

static void add(struct configuration *configuration, const char *argument)
{
    ASSERT(configuration->argument_count + 1 < CONFIGURE_ARGUMENTS_MAX);
    configuration->arguments[configuration->argument_count++] = argument;
    configuration->arguments[configuration->argument_count] = NULL;
}

static const char *keep(const char *text)
{
    char *copy = strdup(text);
    ASSERT(copy != NULL && "no memory at start");
    return copy;
}

/* The path from /: the children may have another working directory. It need not exist. */
static const char *absolute(const char *path)
{
    char here[NODE_PATH_BYTES];
    char whole[2 * NODE_PATH_BYTES];
    if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL) {
        return keep(path);
    }
    (void)snprintf(whole, sizeof(whole), "%s/%s", here, path);
    return keep(whole);
}

static void add_options(const struct cli_call *call, struct configuration *configuration)
{
    const char *value;
    for (int i = 0; (value = cli_value_at(call, "--data", i)) != NULL; i++) {
        add(configuration, "--data");
        add(configuration, absolute(value));
    }
    for (size_t option = 0; option < ARRAY_SIZE(handed_on); option++) {
        const char *name = handed_on[option];
        for (int i = 0; (value = cli_value_at(call, name, i)) != NULL; i++) {
            const bool file = strcmp(name, "--config") == 0 ||
                              (strcmp(name, "--profile") == 0 && strchr(value, '/') != NULL);
            add(configuration, name);
            add(configuration, file ? absolute(value) : value);
        }
    }
    if (cli_switch(call, "--insecure")) {
        add(configuration, "--insecure");
    }
}

static bool load(struct configuration *configuration)
{
    extern char **environ;
    static char program_dir[NODE_PATH_BYTES];
    const struct settings_input input = {
        .argc = configuration->argument_count,
        .argv = (char *const *)(uintptr_t)configuration->arguments,
        .environment = environ,
        .program_dir = settings_program_dir(program_dir, sizeof(program_dir)) ? program_dir : NULL,
    };
    return settings_load(&configuration->settings, &input, &configuration->problems);
}

bool configure(const struct cli_call *call, struct configuration *configuration)
{
    char room[NODE_PATH_BYTES];
    add_options(call, configuration);
    if (!load(configuration)) {
        return false;
    }
    if (configuration->settings.storage_data.count == 0) {
        if (!node_default_data(room)) {
            configuration->problems.count = 1;
            (void)snprintf(configuration->problems.error[0], 400,
                           "no home directory to put data in: say --data DIR");
            return false;
        }
        add(configuration, "--data");
        add(configuration, keep(room));
        settings_free(&configuration->settings);
        if (!load(configuration)) {
            return false;
        }
    }
    const char *run = configuration->settings.run_directory;
    if (run[0] == '\0') {
        node_run_directory(configuration->settings.storage_data.path[0], room);
        run = room;
    }
    configuration->run_directory = keep(run);
    add(configuration, "--run");
    add(configuration, configuration->run_directory);
    return true;
}

void configure_tell(const struct configuration *configuration)
{
    for (uint32_t i = 0; i < configuration->problems.warnings; i++) {
        cli_note("warning: %s", configuration->problems.warning[i]);
    }
    for (uint32_t i = 0; i < configuration->problems.count; i++) {
        cli_error("%s", configuration->problems.error[i]);
    }
}
