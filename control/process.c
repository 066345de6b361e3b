#include "control/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "control/config/check.h"
#include "control/http/server.h"
#include "control/loop.h"
#include "control/room.h"

enum {
    STATUS_INTERVAL_MS = 100, /* How old what HTTP shows may be. */
    WAIT_MS_MAX = 1000,
    BUSY_TURNS_MAX = 64, /* Then signals are looked at even under load. */
};

struct process {
    const struct settings *settings;
    struct journal *journal;
    struct control *control;
    struct room room;
    struct view view;
    struct http_server *http;
    int signals;
    uint64_t status_at_ns;
    enum control_phase phase_shown;
    uint64_t turn_ns_max;
    bool stop;
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static enum journal_level level_of(const struct settings *settings)
{
    switch ((enum settings_log_level)settings->log_level) {
    case SETTINGS_DEBUG: return JOURNAL_DEBUG;
    case SETTINGS_INFO: return JOURNAL_INFO;
    case SETTINGS_WARN: return JOURNAL_WARNING;
    case SETTINGS_ERROR: return JOURNAL_ERROR;
    }
    return JOURNAL_INFO;
}

static int signals_open(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -1
                                                  : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- One turn ------------------------------------------------------------------------------- */

static void status_show(struct process *process, uint64_t now_ns)
{
    struct control_status status;
    const enum control_phase phase = control_phase(process->control);
    if (now_ns < process->status_at_ns && phase == process->phase_shown) {
        return;
    }
    process->phase_shown = phase;
    process->status_at_ns = now_ns + STATUS_INTERVAL_MS * 1000000ULL;
    control_status_copy(process->control, &status);
    status.counters.turn_ns_max = process->turn_ns_max;
    view_put_status(&process->view, &status);
}

static void statistics_show(struct process *process)
{
    uint64_t bytes;
    void *memory = control_take_statistics(process->control, &bytes);
    if (memory != NULL) {
        view_put_statistics(&process->view, link_world_real(), memory, bytes);
    }
    struct lag_report *lag = control_take_lag(process->control);
    if (lag != NULL) {
        view_put_lag(&process->view, lag);
    }
}

static uint32_t process_turn(struct process *process)
{
    const uint64_t before_ns = clock_ns(CLOCK_MONOTONIC);
    const int64_t wall_ms = (int64_t)(clock_ns(CLOCK_REALTIME) / 1000000u);
    const uint32_t work = control_turn(process->control, before_ns, wall_ms);
    statistics_show(process);
    const uint64_t after_ns = clock_ns(CLOCK_MONOTONIC);
    process->turn_ns_max = max_u64(process->turn_ns_max, after_ns - before_ns);
    status_show(process, after_ns);
    return work;
}

/* ---- Waiting -------------------------------------------------------------------------------- */

static int wait_ms(const struct process *process)
{
    const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    const uint64_t deadline_ns = control_deadline_ns(process->control);
    if (deadline_ns <= now_ns) {
        return 0;
    }
    const uint64_t left_ms = (deadline_ns - now_ns + 999999) / 1000000;
    return (int)min_u64(left_ms, WAIT_MS_MAX);
}

static void signals_take(struct process *process)
{
    struct signalfd_siginfo info;
    if (read(process->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        process->stop = true;
    }
}

/* Nothing is read but what poll has something of. A poll passes over handles that are not there. */
static void process_wait(struct process *process, bool busy)
{
    int handles[PEER_HANDLES];
    struct pollfd waited[PEER_HANDLES + 1];
    uint32_t readable = 0;
    const bool sleeps = !busy && control_sleep(process->control);
    control_handles(process->control, handles);
    for (uint32_t i = 0; i < PEER_HANDLES; i++) {
        waited[i] = (struct pollfd){.fd = handles[i], .events = POLLIN};
    }
    waited[PEER_HANDLES] = (struct pollfd){.fd = process->signals, .events = POLLIN};
    (void)poll(waited, PEER_HANDLES + 1, sleeps ? wait_ms(process) : 0);
    for (uint32_t i = 0; i < PEER_HANDLES; i++) {
        readable |= (uint32_t)(waited[i].revents != 0) << i;
    }
    control_wake(process->control, readable);
    if (waited[PEER_HANDLES].revents != 0) {
        signals_take(process);
    }
}

static int process_loop(struct process *process)
{
    while (!process->stop) {
        uint32_t turns = 0;
        while (process_turn(process) > 0 && turns < BUSY_TURNS_MAX) {
            turns++;
        }
        if (control_phase(process->control) == CONTROL_REFUSED) {
            (void)fprintf(stderr, "millrace-control: %s\n", control_reason(process->control));
            return EXIT_REFUSED;
        }
        process_wait(process, turns == BUSY_TURNS_MAX);
    }
    return EXIT_SUCCESS;
}

/* ---- Start and stop -------------------------------------------------------------------------- */

static uint64_t seed_make(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        seed = clock_ns(CLOCK_REALTIME) ^ ((uint64_t)getpid() << 32);
    }
    return seed;
}

/* Fills in what runs; false: reason says what failed. */
static bool process_start(struct process *process, const char *socket_path, char *reason,
                          size_t reason_bytes)
{
    const struct settings *settings = process->settings;
    process->journal = journal_create(STDERR_FILENO, "control", 1, level_of(settings));
    process->signals = signals_open();
    if (process->journal == NULL || process->signals < 0) {
        (void)snprintf(reason, reason_bytes, "cannot start: %s", strerror(errno));
        return false;
    }
    process->http = http_server_start(&settings->http_listen, &process->view, reason, reason_bytes);
    if (process->http == NULL) {
        return false;
    }
    const struct control_setup setup = {
        .files = file_system_real((uint32_t)settings->storage_flush_delay_us),
        .world = link_world_real(),
        .settings = settings,
        .data_directory = settings->storage_data.path[0],
        .socket_path = socket_path,
        .journal = process->journal,
        .seed = seed_make(),
        .has_room = room_on_heap,
        .room_context = &process->room,
        .looks_at_lag = true,
    };
    room_init(&process->room);
    process->control = control_create(&setup);
    (void)snprintf(reason, reason_bytes, "no memory");
    return process->control != NULL;
}

static void process_stop(struct process *process)
{
    if (process->http != NULL) {
        http_server_stop(process->http);
    }
    if (process->control != NULL) {
        control_destroy(process->control);
    }
    view_free(&process->view);
    if (process->signals >= 0) {
        (void)close(process->signals);
    }
    if (process->journal != NULL) {
        (void)journal_drain(process->journal);
        journal_destroy(process->journal);
    }
}

int process_run(const struct settings *settings)
{
    struct process process = {.settings = settings, .signals = -1};
    char socket_path[4200];
    char reason[400] = "";
    (void)snprintf(socket_path, sizeof(socket_path), "%.4000s/.millrace/dataplane.sock",
                   settings->storage_data.path[0]);
    view_init(&process.view);
    int status = EXIT_FAILURE;
    if (process_start(&process, socket_path, reason, sizeof(reason))) {
        status = process_loop(&process);
    } else {
        (void)fprintf(stderr, "millrace-control: %s\n", reason);
    }
    process_stop(&process);
    return status;
}
