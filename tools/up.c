#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storage/log/recovery.h"
#include "tools/commands.h"
#include "tools/configure.h"
#include "tools/supervise.h"

enum { READY_MS_MAX = 120 * 1000, TOLD_MS = 2000 };

static struct configuration configuration;
static struct supervise_setup setup;

/* ---- What is there already ------------------------------------------------------------------ */

static enum cli_exit tell_state(const struct cli_call *call, const struct node_state *state,
                                bool ready, const char *why)
{
    if (call->json) {
        json_t *json = node_json(state, ready, why);
        (void)json_dumpf(json, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(json);
    } else {
        node_print(stdout, state, ready, why);
    }
    return ready ? CLI_OK : CLI_FAILED;
}

static void tell_next_steps(void)
{
    const char *program = node_program();
    const bool usual = strcmp(setup.state.bootstrap, "127.0.0.1:9092") == 0;
    char bootstrap[300] = "";
    char fallback[NODE_PATH_BYTES] = "";
    if (!usual) {
        (void)snprintf(bootstrap, sizeof(bootstrap), " --bootstrap %s", setup.state.bootstrap);
    }
    const bool usual_data =
        node_default_data(fallback) && strcmp(setup.state.data[0], fallback) == 0;
    cli_note("try      %s topic create demo%s", program, bootstrap);
    cli_note("         echo hello | %s produce demo%s", program, bootstrap);
    cli_note("         %s consume demo%s", program, bootstrap);
    cli_note("         or any Kafka client at this address");
    cli_note("stop     %s down%s%s", program, usual_data ? "" : " --data ",
             usual_data ? "" : setup.state.data[0]);
}

/* True when this `up` wants clients to connect elsewhere than the node that runs. */
static bool asked_differently(const struct node_state *running)
{
    char listen[268];
    char http[268];
    const struct settings *settings = &configuration.settings;
    return strcmp(running->bootstrap, host_port_format(&settings->network_listen, listen)) != 0 ||
           strcmp(running->http, host_port_format(&settings->http_listen, http)) != 0;
}

/* Another `up` holds the run directory: waits until what it starts is ready. */
static enum cli_exit join_running(const struct cli_call *call)
{
    char why[200] = "its supervisor has not written its state";
    for (int waited_ms = 0; waited_ms < READY_MS_MAX; waited_ms += 50) {
        const bool known = node_state_read(configuration.run_directory, &setup.state);
        struct host_port http;
        const struct bytes text = {(const uint8_t *)setup.state.http,
                                   (uint32_t)strlen(setup.state.http)};
        if (known && host_port_parse(text, &http) &&
            node_ready(&http, setup.state.process[1].pid, why)) {
            (void)tell_state(call, &setup.state, true, "");
            if (asked_differently(&setup.state)) {
                cli_error("it runs already, at other addresses than asked for; `millrace down` "
                          "first");
                return CLI_WARNINGS;
            }
            cli_note("it runs already; `millrace down` stops it");
            return CLI_OK;
        }
        const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
        (void)nanosleep(&pause, NULL);
    }
    cli_error("it runs already, but is not ready: %s", why);
    return CLI_FAILED;
}

/* A supervisor that was killed left its processes at work: they are stopped, their lines of
 * command may differ from ours. */
static bool stop_orphans(void)
{
    if (!node_state_read(configuration.run_directory, &setup.state)) {
        return true;
    }
    for (size_t i = 0; i < NODE_PROCESSES; i++) {
        if (node_process_alive(&setup.state.process[i])) {
            cli_note("stopping %s (pid %d), which lost its supervisor", setup.state.process[i].name,
                     (int)setup.state.process[i].pid);
        }
    }
    const bool stopped = supervise_stop(&setup.state, true);
    setup.state = (struct node_state){0};
    return stopped;
}

/* ---- Preparing ------------------------------------------------------------------------------ */

/* A directory that will be refused is left as it is. */
static bool check_directories(void)
{
    static struct data_directory found;
    static struct file_system *files; /* There as long as the process. */
    const struct settings *settings = &configuration.settings;
    const struct settings_paths *data = &settings->storage_data;
    const int32_t node_id = (int32_t)settings_kafka_number(settings, "node.id");
    char cluster_id[sizeof(found.cluster_id)] = "";
    char reason[1200];
    files = file_system_real(0);
    for (uint32_t i = 0; i < data->count; i++) {
        const enum directory_status status = data_directory_check(
            files, data->path[i], cluster_id, node_id, &found, reason, sizeof(reason));
        if (status != DIRECTORY_OK && status != DIRECTORY_IO_ERROR) {
            cli_error("%s", reason);
            return false;
        }
        if (cluster_id[0] == '\0') {
            memcpy(cluster_id, found.cluster_id, sizeof(cluster_id));
        }
    }
    return true;
}

static bool make_directories(void)
{
    const struct settings_paths *data = &configuration.settings.storage_data;
    for (uint32_t i = 0; i < data->count; i++) {
        if (!node_make_directory(data->path[i])) {
            cli_error("cannot use data directory %s: %s", data->path[i], strerror(errno));
            return false;
        }
    }
    if (!node_make_directory(configuration.run_directory) ||
        access(configuration.run_directory, W_OK) != 0) {
        cli_error("cannot use %s: %s", configuration.run_directory, strerror(errno));
        return false;
    }
    return true;
}

/* Beside this binary when installed, in the sister directory of a build. */
static bool find_program(const char *directory, const char *name, char room[NODE_PATH_BYTES])
{
    char here[NODE_PATH_BYTES / 2];
    if (!settings_program_dir(here, sizeof(here))) {
        return false;
    }
    (void)snprintf(room, NODE_PATH_BYTES, "%s/../%s/millrace-%s", here, directory, name);
    char *real = realpath(room, NULL);
    if (real != NULL && strlen(real) < NODE_PATH_BYTES && access(real, X_OK) == 0) {
        (void)snprintf(room, NODE_PATH_BYTES, "%s", real);
        free(real);
        return true;
    }
    free(real);
    (void)snprintf(room, NODE_PATH_BYTES, "%s/millrace-%s", here, name);
    return access(room, X_OK) == 0;
}

static bool prepare(void)
{
    static char dataplane[NODE_PATH_BYTES];
    static char control[NODE_PATH_BYTES];
    const struct settings *settings = &configuration.settings;
    struct node_state *state = &setup.state;
    if (!find_program("dataplane", "dataplane", dataplane) ||
        !find_program("control", "control", control)) {
        cli_error("millrace-dataplane and millrace-control are neither beside this program nor in "
                  "its build directory");
        return false;
    }
    setup.run_directory = configuration.run_directory;
    setup.program[0] = dataplane;
    setup.program[1] = control;
    for (int i = 0; i <= configuration.argument_count; i++) {
        setup.arguments[i] = configuration.arguments[i];
    }
    setup.http = settings->http_listen;
    (void)host_port_format(&settings->network_listen, state->bootstrap);
    (void)host_port_format(&settings->http_listen, state->http);
    (void)snprintf(state->network_path, sizeof(state->network_path), "%s",
                   settings->network_path == NETWORK_DPDK ? "dpdk" : "sockets");
    (void)snprintf(state->profile, sizeof(state->profile), "%s",
                   settings->profile_path != NULL ? settings->profile_path : "built-in defaults");
    state->data_count = settings->storage_data.count;
    for (uint32_t i = 0; i < state->data_count; i++) {
        (void)snprintf(state->data[i], NODE_PATH_BYTES, "%s", settings->storage_data.path[i]);
    }
    return true;
}

/* ---- Starting ------------------------------------------------------------------------------- */

/* The supervisor in the background: its own session, its words in a file. */
static _Noreturn void become_supervisor(int report_fd)
{
    char path[NODE_PATH_BYTES + 32];
    (void)setsid();
    (void)snprintf(path, sizeof(path), "%s/supervisor.log", configuration.run_directory);
    const int log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (log < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0) {
        _exit(EXIT_FAILURE);
    }
    setup.report_fd = report_fd;
    exit(supervise(&setup)); /* NOLINT(concurrency-mt-unsafe) */
}

/* What the supervisor reports, NUL-terminated; empty when it died or said nothing in time. */
static void read_report(int fd, char *room, size_t size)
{
    size_t len = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int left_ms = READY_MS_MAX;
    bool told = false;
    while (len + 1 < size && left_ms > 0) {
        const int ready = poll(&wait, 1, TOLD_MS);
        const ssize_t got = ready > 0 ? read(fd, room + len, size - 1 - len) : 0;
        if (ready > 0 && got <= 0) {
            break;
        }
        len += (size_t)got;
        if (ready == 0) {
            left_ms -= TOLD_MS;
            if (!told && isatty(STDERR_FILENO)) {
                cli_note("still starting; its logs are in %s", configuration.run_directory);
            }
            told = true;
        }
    }
    room[len] = '\0';
}

static enum cli_exit detach(const struct cli_call *call)
{
    int ends[2];
    char report[1200];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        cli_error("pipe: %s", strerror(errno));
        return CLI_FAILED;
    }
    (void)fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        become_supervisor(ends[1]);
    }
    (void)close(ends[1]);
    if (pid < 0) {
        cli_error("fork: %s", strerror(errno));
        return CLI_FAILED;
    }
    read_report(ends[0], report, sizeof(report));
    (void)close(ends[0]);
    if (strcmp(report, "ready") == 0) {
        if (node_state_read(configuration.run_directory, &setup.state)) {
            (void)tell_state(call, &setup.state, true, "");
        }
        tell_next_steps();
        return CLI_OK;
    }
    const bool said = strncmp(report, "failed ", 7) == 0;
    cli_note("logs are in %s", configuration.run_directory);
    cli_error("%s", said ? report + 7 : "it did not become ready in time");
    if (!said) {
        (void)kill(pid, SIGTERM);
    }
    return CLI_FAILED;
}

enum cli_exit up_run(const struct cli_call *call)
{
    const bool good = configure(call, &configuration);
    configure_tell(&configuration);
    if (!good || !check_directories() || !make_directories()) {
        return CLI_FAILED;
    }
    const int lock = supervise_lock(configuration.run_directory);
    if (lock < 0) {
        return join_running(call);
    }
    if (!stop_orphans() || !prepare()) {
        return CLI_FAILED;
    }
    setup.report_fd = -1;
    if (cli_switch(call, "--detach")) {
        return detach(call);
    }
    setup.chatty = true;
    cli_note("starting; Ctrl-C stops it; logs are in %s", configuration.run_directory);
    return supervise(&setup) == EXIT_SUCCESS ? CLI_OK : CLI_FAILED;
}
