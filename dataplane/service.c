#include "dataplane/service.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/limits.h"

static const uint64_t MS_NS = 1000 * 1000;

enum {
    HANDLES_MAX = SESSION_HANDLES_MAX + 2,
    SPACE_EVERY_MS = 5 * 1000,
};

static uint64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 * MS_NS + (uint64_t)now.tv_nsec;
}

int service_init(struct service *service, struct journal *journal, struct link_world *world,
                 struct file_system *fs)
{
    *service = (struct service){.journal = journal, .world = world, .fs = fs};
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGPIPE);
    /* DPDK's drivers use real-time signals; nothing else may reach a core. */
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
        (void)sigaddset(&set, number);
    }
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) {
        return -EINVAL;
    }
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    service->signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    if (service->signals < 0) {
        return -errno;
    }
    service->bell = link_bell_make(world);
    return service->bell < 0 ? service->bell : 0;
}

/* ---- Waiting ---- */

/* True when a signal to stop has come. */
static bool stop_wanted(const struct service *service)
{
    struct signalfd_siginfo info;
    return read(service->signals, &info, sizeof(info)) == (ssize_t)sizeof(info);
}

/* Sleeps until there is something to do; SERVICE_POLL_MS at most, for the cores' log lines. */
static void wait_some(const struct service *service)
{
    int handles[SESSION_HANDLES_MAX];
    struct pollfd polls[HANDLES_MAX] = {
        {.fd = service->signals, .events = POLLIN},
        {.fd = service->bell, .events = POLLIN},
    };
    uint32_t count = 2;
    const uint32_t more = session_handles(service->session, handles);
    for (uint32_t i = 0; i < more; i++) {
        polls[count++] = (struct pollfd){.fd = handles[i], .events = POLLIN};
    }
    const int timeout_ms = session_pending(service->session) ? 1 : SERVICE_POLL_MS;
    if (poll(polls, count, timeout_ms) > 0 && (polls[1].revents & POLLIN) != 0) {
        link_bell_clear(service->world, service->bell);
    }
}

static void session_say(struct service *service)
{
    const uint64_t number = session_number(service->session);
    if (number == service->session_known) {
        return;
    }
    service->session_known = number;
    if (number != 0) {
        journal_say(service->journal, JOURNAL_INFO, "session_open", "session=%" PRIu64, number);
    } else {
        char quoted[256];
        const char *reason = session_last_reason(service->session);
        journal_say(service->journal, JOURNAL_WARNING, "session_closed", "reason=%s",
                    journal_quote(quoted, sizeof(quoted), reason, strlen(reason)));
    }
}

static void session_work(struct service *service)
{
    (void)session_turn(service->session);
    session_say(service);
}

static void level_take(struct service *service, const struct snapshot *snapshot)
{
    journal_set_level(service->journal, (enum journal_level)snapshot->settings.log_level);
}

const struct snapshot *service_first_snapshot(struct service *service, struct session *session)
{
    service->session = session;
    for (;;) {
        session_work(service);
        const struct snapshot *snapshot = session_snapshot(session);
        if (snapshot != NULL) {
            level_take(service, snapshot);
            return snapshot;
        }
        if (stop_wanted(service)) {
            return NULL;
        }
        wait_some(service);
    }
}

/* ---- Snapshots ---- */

static bool all_done(const struct service *service)
{
    for (uint32_t i = 0; i < service->cores->options.core_count; i++) {
        if (!core_snapshot_done(service->cores->cores[i], service->given)) {
            return false;
        }
    }
    return true;
}

static void snapshot_give(struct service *service, const struct snapshot *snapshot)
{
    service->given = snapshot;
    service->applied = false;
    level_take(service, snapshot);
    for (uint32_t i = 0; i < service->cores->options.core_count; i++) {
        core_offer_snapshot(service->cores->cores[i], snapshot);
    }
}

/* Control hears which partitions are not what the snapshot says. */
static void snapshot_report(struct service *service)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < service->cores->options.core_count; i++) {
        sum += service->cores->cores[i]->failure_count;
    }
    struct session_failure *failures = calloc(sum + 1ULL, sizeof(*failures));
    if (failures == NULL) {
        return; /* Tried again in the next turn. */
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < service->cores->options.core_count; i++) {
        const struct core *core = service->cores->cores[i];
        memcpy(failures + count, core->failures, core->failure_count * sizeof(*failures));
        count += core->failure_count;
    }
    const bool told = session_applied(service->session, failures, count);
    free(failures);
    if (!told) {
        return; /* As above. */
    }
    service->applied = true;
    journal_say(service->journal, count > 0 ? JOURNAL_WARNING : JOURNAL_DEBUG, "snapshot_applied",
                "version=%" PRIu64 " topics=%u partitions=%u failures=%u", service->given->version,
                service->given->topic_count, service->given->partition_count, count);
}

static void snapshot_work(struct service *service)
{
    if (!service->applied) {
        if (all_done(service)) {
            snapshot_report(service);
        }
        return;
    }
    const struct snapshot *snapshot = session_snapshot(service->session);
    if (snapshot != NULL) {
        snapshot_give(service, snapshot);
    }
}

/* ---- Directories ---- */

static void space_work(struct service *service, uint64_t now_ns)
{
    const struct recover *recover = service->cores->options.recover;
    if (now_ns < service->space_due_ns) {
        return;
    }
    service->space_due_ns = now_ns + SPACE_EVERY_MS * MS_NS;
    for (uint32_t i = 0; i < recover->directory_count; i++) {
        struct file_space space;
        if (file_space(service->fs, recover->directories[i].path, &space) == 0) {
            atomic_store_explicit(&service->cores->directories[i].total_bytes,
                                  (int64_t)space.total_bytes, memory_order_relaxed);
            atomic_store_explicit(&service->cores->directories[i].usable_bytes,
                                  (int64_t)space.free_bytes, memory_order_relaxed);
        }
    }
}

/* A directory that one core has fenced is dead for all: control places nothing there any more. */
static void directories_work(struct service *service)
{
    uint32_t fenced = 0;
    for (uint32_t i = 0; i < service->cores->options.core_count; i++) {
        fenced |= atomic_load_explicit(&service->cores->cores[i]->directories_fenced,
                                       memory_order_acquire);
    }
    for (uint32_t left = fenced & ~service->directories_failed; left != 0; left &= left - 1) {
        const uint16_t index = (uint16_t)__builtin_ctz(left);
        char quoted[256];
        const char *path = service->cores->options.recover->directories[index].path;
        journal_say(service->journal, JOURNAL_ERROR, "directory_failed", "index=%u path=%s", index,
                    journal_quote(quoted, sizeof(quoted), path, strlen(path)));
        atomic_store_explicit(&service->cores->directories[index].failed, true,
                              memory_order_relaxed);
        session_directory_failed(service->session, index, LOG_FENCED);
    }
    service->directories_failed |= fenced;
}

/* ---- Running and stopping ---- */

static void service_turn(struct service *service)
{
    session_work(service);
    snapshot_work(service);
    directories_work(service);
    space_work(service, clock_ns());
    (void)journal_drain(service->journal);
}

/* Orders a stage of all cores and waits until each has reached it. */
static bool stage_all(struct service *service, enum core_stage stage, uint32_t ms_max)
{
    const uint64_t deadline_ns = clock_ns() + ms_max * MS_NS;
    const struct cores *cores = service->cores;
    for (uint32_t i = 0; i < cores->options.core_count; i++) {
        core_order_stage(cores->cores[i], stage);
    }
    for (;;) {
        uint32_t reached = 0;
        for (uint32_t i = 0; i < cores->options.core_count; i++) {
            reached += core_stage_reached(cores->cores[i]) >= stage;
        }
        if (reached == cores->options.core_count) {
            return true;
        }
        if (clock_ns() >= deadline_ns) {
            return false;
        }
        wait_some(service);
        service_turn(service);
    }
}

static bool stop_all(struct service *service)
{
    session_stopping(service->session);
    journal_say(service->journal, JOURNAL_INFO, "stopping", "%s", "");
    if (!stage_all(service, CORE_DRAINING, DRAIN_MS_MAX)) {
        journal_say(service->journal, JOURNAL_ERROR, "stop_late", "stage=drain");
        return false;
    }
    if (!stage_all(service, CORE_FINISHING, FINISH_MS_MAX) ||
        !stage_all(service, CORE_ENDED, FINISH_MS_MAX)) {
        journal_say(service->journal, JOURNAL_ERROR, "stop_late", "stage=finish");
        return false;
    }
    bool good = true;
    for (uint32_t i = 0; i < service->cores->options.core_count; i++) {
        const uint32_t status = atomic_load(&service->cores->cores[i]->finish_status);
        if (status != LOG_OK) {
            journal_say(service->journal, JOURNAL_ERROR, "log_not_finished", "core=%u status=%u", i,
                        status);
            good = false;
        }
        eal_join(i);
    }
    return good;
}

bool service_run(struct service *service, struct cores *cores, const struct snapshot *first)
{
    service->cores = cores;
    snapshot_give(service, first);
    while (!stop_wanted(service)) {
        service_turn(service);
        wait_some(service);
    }
    const bool good = stop_all(service);
    (void)journal_drain(service->journal);
    return good;
}
