#include "tools/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LIVED_WELL_MS = 2000,
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MS_MAX = 5000,
    FAILURES_BEFORE_READY_MAX = 3,
    READY_POLL_MS = 20,
    STOP_MS_MAX = 25 * 1000,
    KILL_MS_MAX = 5 * 1000,
    LOG_BYTES_MAX = 64 << 20,
};

static const uint64_t never_ms = UINT64_MAX;

struct child {
    const char *program;
    char log[NODE_PATH_BYTES + 64];
    struct node_process *process; /* In the state. */
    off_t log_from;               /* Where this run's lines begin. */
    uint64_t born_ms;
    uint64_t start_at_ms; /* never_ms: it runs. */
    uint32_t backoff_ms;
    uint32_t failures; /* In a row. */
};

struct supervisor {
    struct supervise_setup *setup;
    struct child child[NODE_PROCESSES];
    sigset_t signals;
    bool was_ready;
    int status;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

__attribute__((format(printf, 2, 3))) static void say(bool chatty, const char *format, ...)
{
    if (chatty) {
        va_list arguments;
        va_start(arguments, format);
        (void)fputs("millrace: ", stderr);
        (void)vfprintf(stderr, format, arguments);
        (void)fputc('\n', stderr);
        va_end(arguments);
    }
}

uint32_t supervise_backoff_ms(uint32_t last_ms, uint64_t lived_ms)
{
    if (lived_ms >= LIVED_WELL_MS) {
        return 0;
    }
    if (last_ms == 0) {
        return BACKOFF_FIRST_MS;
    }
    return last_ms * 2 < BACKOFF_MS_MAX ? last_ms * 2 : BACKOFF_MS_MAX;
}

int supervise_lock(const char *run_directory)
{
    char path[NODE_PATH_BYTES + 32];
    (void)snprintf(path, sizeof(path), "%s/supervisor.lock", run_directory);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void report(struct supervisor *supervisor, const char *text)
{
    struct supervise_setup *setup = supervisor->setup;
    if (setup->report_fd >= 0) {
        ssize_t written = write(setup->report_fd, text, strlen(text));
        (void)written; /* Nobody listens any more: then nobody needs to know. */
        (void)close(setup->report_fd);
        setup->report_fd = -1;
    }
}

/* ---- Starting ------------------------------------------------------------------------------- */

/* In the new process; does not return. */
static _Noreturn void become(const struct child *child, const struct supervise_setup *setup,
                             int log)
{
    const char *argv[SUPERVISE_ARGUMENTS_MAX + 2] = {child->program};
    for (size_t i = 0; setup->arguments[i] != NULL; i++) {
        argv[i + 1] = setup->arguments[i];
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max; /* Connections and segments are files. */
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0); /* Ctrl-C is for the supervisor alone. */
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0) {
        _exit(EXIT_REFUSED);
    }
    (void)execv(child->program, (char *const *)(uintptr_t)argv);
    (void)fprintf(stderr, "cannot run %s: %s\n", child->program, strerror(errno));
    _exit(EXIT_REFUSED);
}

static int open_log(struct child *child)
{
    struct stat file;
    if (stat(child->log, &file) == 0 && file.st_size > LOG_BYTES_MAX) {
        char old[sizeof(child->log) + 4];
        (void)snprintf(old, sizeof(old), "%s.1", child->log);
        (void)rename(child->log, old);
    }
    const int log = open(child->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    child->log_from = log >= 0 ? lseek(log, 0, SEEK_END) : 0;
    return log;
}

static void start(struct supervisor *supervisor, struct child *child)
{
    struct supervise_setup *setup = supervisor->setup;
    const int log = open_log(child);
    (void)fflush(NULL);
    const pid_t pid = log >= 0 ? fork() : -1;
    if (pid == 0) {
        become(child, setup, log);
    }
    if (log >= 0) {
        (void)close(log);
    }
    if (pid < 0) {
        say(setup->chatty, "cannot start %s: %s", child->process->name, strerror(errno));
        child->backoff_ms = supervise_backoff_ms(child->backoff_ms, 0);
        child->start_at_ms = now_ms() + child->backoff_ms;
        return;
    }
    child->born_ms = now_ms();
    child->start_at_ms = never_ms;
    child->process->pid = pid;
    child->process->start_ticks = node_process_start(pid);
    child->process->start_number++;
    if (!node_state_write(setup->run_directory, &setup->state)) {
        say(true, "cannot write %s/state.json: %s", setup->run_directory, strerror(errno));
    }
}

/* ---- Ending --------------------------------------------------------------------------------- */

static void reason_of(const struct child *child, int status, char *room, size_t size)
{
    char line[600];
    node_last_line(child->log, child->log_from, line, sizeof(line));
    if (WIFSIGNALED(status)) {
        (void)snprintf(room, size, "%s was killed by signal %d (%s)%s%s", child->process->name,
                       WTERMSIG(status), strsignal(WTERMSIG(status)),
                       line[0] != '\0' ? "; its last line: " : "", line);
    } else if (line[0] != '\0') { /* It names itself, but for what a library said. */
        const bool named = strncmp(line, child->process->name, strlen(child->process->name)) == 0;
        (void)snprintf(room, size, "%s%s%s", named ? "" : child->process->name, named ? "" : ": ",
                       line);
    } else {
        (void)snprintf(room, size, "%s ended with status %d without a word", child->process->name,
                       WEXITSTATUS(status));
    }
}

/* Gives up: says why, stops what still runs. */
static void give_up(struct supervisor *supervisor, const char *reason)
{
    char text[1024];
    (void)snprintf(text, sizeof(text), "failed %s", reason);
    if (!supervise_stop(&supervisor->setup->state, supervisor->setup->chatty)) {
        say(true, "a process had to be killed");
    }
    say(true, "%s", reason);
    report(supervisor, text);
    supervisor->status = EXIT_FAILURE;
}

/* True when the supervisor goes on. */
static bool ended(struct supervisor *supervisor, struct child *child, int status)
{
    char reason[800];
    const uint64_t lived_ms = now_ms() - child->born_ms;
    reason_of(child, status, reason, sizeof(reason));
    child->process->pid = 0;
    child->process->start_ticks = 0;
    child->failures = lived_ms >= LIVED_WELL_MS ? 0 : child->failures + 1;
    child->backoff_ms = supervise_backoff_ms(child->backoff_ms, lived_ms);
    child->start_at_ms = now_ms() + child->backoff_ms;
    const bool refused = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REFUSED;
    /* Once they ran, the other one serves clients: it is not stopped for what this one says. */
    if (!supervisor->was_ready && (refused || child->failures >= FAILURES_BEFORE_READY_MAX)) {
        give_up(supervisor, reason);
        return false;
    }
    say(true, "%s; starting it again in %u ms", reason, child->backoff_ms);
    return true;
}

static bool reap(struct supervisor *supervisor)
{
    int status = 0;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < NODE_PROCESSES; i++) {
            struct child *child = &supervisor->child[i];
            if (child->process->pid == pid && !ended(supervisor, child, status)) {
                return false;
            }
        }
    }
    return true;
}

/* Our own child's corpse is buried here; of an adopted process only its absence can be seen. */
static bool wait_gone(const struct node_process *process, uint64_t deadline_ms)
{
    while (node_process_alive(process)) {
        (void)waitpid(process->pid, NULL, WNOHANG);
        if (now_ms() >= deadline_ms) {
            return false;
        }
        const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
        (void)nanosleep(&pause, NULL);
    }
    (void)waitpid(process->pid, NULL, WNOHANG);
    return true;
}

bool supervise_stop(struct node_state *state, bool chatty)
{
    bool clean = true;
    for (size_t i = 0; i < NODE_PROCESSES; i++) {
        struct node_process *process = &state->process[i];
        if (!node_process_alive(process)) {
            continue;
        }
        (void)kill(process->pid, SIGTERM);
        if (!wait_gone(process, now_ms() + (i == 0 ? STOP_MS_MAX : KILL_MS_MAX))) {
            say(chatty, "%s (pid %d) does not stop; killing it", process->name, (int)process->pid);
            (void)kill(process->pid, SIGKILL);
            clean = wait_gone(process, now_ms() + KILL_MS_MAX) && false;
        }
    }
    return clean;
}

/* ---- The loop ------------------------------------------------------------------------------- */

static bool both_run(const struct supervisor *supervisor)
{
    return supervisor->child[0].process->pid > 0 && supervisor->child[1].process->pid > 0;
}

static void look_for_ready(struct supervisor *supervisor)
{
    struct supervise_setup *setup = supervisor->setup;
    char why[200];
    if (!supervisor->was_ready && both_run(supervisor) &&
        node_ready(&setup->http, setup->state.process[1].pid, why)) {
        supervisor->was_ready = true;
        if (setup->chatty) {
            node_print(stdout, &setup->state, true, "");
            (void)fflush(stdout);
        }
        report(supervisor, "ready");
    }
}

static uint64_t wait_ms(const struct supervisor *supervisor)
{
    uint64_t wait = supervisor->was_ready ? 60 * 1000 : READY_POLL_MS;
    const uint64_t now = now_ms();
    for (size_t i = 0; i < NODE_PROCESSES; i++) {
        const uint64_t at = supervisor->child[i].start_at_ms;
        if (at != never_ms) {
            wait = min_u64(wait, at > now ? at - now : 0);
        }
    }
    return wait;
}

/* One signal or one pause; false when it is over. */
static bool turn(struct supervisor *supervisor)
{
    const uint64_t wait = wait_ms(supervisor);
    const struct timespec pause = {.tv_sec = (time_t)(wait / 1000),
                                   .tv_nsec = (long)(wait % 1000) * 1000000};
    const int signal = sigtimedwait(&supervisor->signals, NULL, &pause);
    if (signal == SIGTERM || signal == SIGINT || signal == SIGHUP) {
        say(supervisor->setup->chatty, "stopping: draining, flushing, trimming");
        const bool clean = supervise_stop(&supervisor->setup->state, true);
        supervisor->status = clean ? EXIT_SUCCESS : EXIT_FAILURE;
        report(supervisor, "failed it was told to stop");
        return false;
    }
    if (!reap(supervisor)) {
        return false;
    }
    for (size_t i = 0; i < NODE_PROCESSES; i++) {
        struct child *child = &supervisor->child[i];
        if (child->start_at_ms <= now_ms()) {
            start(supervisor, child);
        }
    }
    look_for_ready(supervisor);
    return true;
}

int supervise(struct supervise_setup *setup)
{
    struct supervisor supervisor = {.setup = setup, .status = EXIT_SUCCESS};
    static const char *const names[NODE_PROCESSES] = {"millrace-dataplane", "millrace-control"};
    static const char *const logs[NODE_PROCESSES] = {"dataplane.log", "control.log"};
    for (size_t i = 0; i < NODE_PROCESSES; i++) {
        struct child *child = &supervisor.child[i];
        child->program = setup->program[i];
        child->process = &setup->state.process[i];
        (void)snprintf(child->process->name, sizeof(child->process->name), "%s", names[i]);
        (void)snprintf(child->log, sizeof(child->log), "%s/%s", setup->run_directory, logs[i]);
    }
    setup->state.supervisor.pid = getpid();
    setup->state.supervisor.start_ticks = node_process_start(getpid());
    (void)snprintf(setup->state.supervisor.name, sizeof(setup->state.supervisor.name), "millrace");
    const int caught[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
    (void)sigemptyset(&supervisor.signals);
    for (size_t i = 0; i < ARRAY_SIZE(caught); i++) {
        (void)sigaddset(&supervisor.signals, caught[i]);
    }
    (void)sigprocmask(SIG_BLOCK, &supervisor.signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    while (turn(&supervisor)) {
    }
    node_state_remove(setup->run_directory);
    return supervisor.status;
}
