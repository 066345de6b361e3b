#include "dataplane/watch/watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/watch/net_json.h"
#include "dataplane/watch/pcapng.h"

enum {
    CLIENTS_MAX = 8,
    QUESTION_BYTES = 256,
    CORE_WAIT_MS = 2000,        /* For a core that does not answer. */
    WAIT_STEP_MS = 5,           /* Rings of a capture are emptied at least that often. */
    PORT_EVERY_MS = 1000,       /* The device is asked for its counters. */
    BEHIND_BYTES = 1024 * 1024, /* Not read by the asker: then the rings fill. */
};

struct client {
    int fd;
    bool answered; /* What is left is to be written, and then it ends. */
    uint32_t question_len;
    char question[QUESTION_BYTES];
    struct page_text out;
};

struct watch {
    struct watch_setup setup;
    pthread_t thread;
    int bell;
    int listener;
    _Atomic bool ending;
    bool bypass;
    struct client clients[CLIENTS_MAX];
    uint32_t client_count;
    struct survey *pages; /* Two for each core: the one asked for is never the last one. */
    uint32_t page_turn[WATCH_CORES_MAX];
    bool page_late[WATCH_CORES_MAX]; /* A page that the core may still be filling. */
    /* The capture. */
    struct client *capturing; /* NULL: none. */
    struct capture *captures[WATCH_CORES_MAX];
    uint64_t capture_left; /* Frames that are still wanted. */
    uint64_t wall_offset_ns;
    uint64_t port_due_ns;
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- The capture ---------------------------------------------------------------------------- */

static void capture_drain(struct watch *watch)
{
    struct client *client = watch->capturing;
    for (uint32_t core = 0; client != NULL && core < watch->setup.core_count; core++) {
        const struct capture_record *record;
        while (watch->captures[core] != NULL && client->out.len < BEHIND_BYTES &&
               (record = capture_peek(watch->captures[core])) != NULL) {
            if (watch->capture_left > 0) {
                pcapng_packet(&client->out, core, watch->wall_offset_ns + record->now_ns, record);
                watch->capture_left--;
            }
            capture_consume(watch->captures[core]);
        }
    }
}

/* Waits until done says so; false: it took too long, or the process ends. */
static bool wait_for(struct watch *watch, bool (*done)(const struct watch *, uint32_t core),
                     uint32_t core)
{
    const uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + CORE_WAIT_MS * UINT64_C(1000000);
    while (!done(watch, core)) {
        struct pollfd bell = {.fd = watch->bell, .events = POLLIN};
        if (atomic_load_explicit(&watch->ending, memory_order_acquire) ||
            clock_ns(CLOCK_MONOTONIC) >= until_ns) {
            return false;
        }
        if (poll(&bell, 1, WAIT_STEP_MS) > 0) {
            link_bell_clear(watch->setup.world, watch->bell);
        }
        capture_drain(watch);
    }
    return true;
}

static bool capture_is_off(const struct watch *watch, uint32_t core)
{
    return core_capture_used(watch->setup.cores[core]) == NULL;
}

static void capture_end(struct watch *watch)
{
    struct client *client = watch->capturing;
    bool off = true;
    for (uint32_t core = 0; core < watch->setup.core_count; core++) {
        core_order_capture(watch->setup.cores[core], NULL);
    }
    for (uint32_t core = 0; core < watch->setup.core_count; core++) {
        off = wait_for(watch, capture_is_off, core) && off;
    }
    capture_drain(watch);
    for (uint32_t core = 0; core < watch->setup.core_count; core++) {
        struct capture *capture = watch->captures[core];
        uint64_t dropped = atomic_load_explicit(&capture->dropped, memory_order_relaxed);
        while (capture_peek(capture) != NULL) { /* The answer has no room for it. */
            capture_consume(capture);
            dropped += watch->capture_left > 0;
        }
        pcapng_end(&client->out, core, clock_ns(CLOCK_REALTIME),
                   atomic_load_explicit(&capture->seen, memory_order_relaxed), dropped);
        if (off) { /* Else the core may still write there: it stays. */
            free(capture);
        }
        watch->captures[core] = NULL;
    }
    client->answered = true;
    watch->capturing = NULL;
}

static bool captures_make(struct watch *watch, const struct capture_options *options)
{
    const size_t bytes = round_up(capture_memory_bytes(options), 64);
    for (uint32_t core = 0; core < watch->setup.core_count; core++) {
        void *memory = aligned_alloc(64, bytes);
        if (memory == NULL) {
            while (core > 0) {
                free(watch->captures[--core]);
                watch->captures[core] = NULL;
            }
            return false;
        }
        watch->captures[core] = capture_create(memory, options);
    }
    return true;
}

/* A number behind "name=" in the question, or the fallback. */
static uint64_t asked(const char *question, const char *name, uint64_t fallback)
{
    const char *at = strstr(question, name);
    return at == NULL ? fallback : strtoull(at + strlen(name), NULL, 10);
}

static void capture_begin(struct watch *watch, struct client *client)
{
    struct nic_dpdk_report report;
    const struct capture_options options = {
        .port = (uint16_t)asked(client->question, " port=", 0),
        .snap = (uint32_t)min_u64(
            max_u64(asked(client->question, " snap=", CAPTURE_SNAP_USUAL), CAPTURE_SNAP_MIN),
            CAPTURE_SNAP_MAX)};
    client->answered = true;
    if (!watch->bypass || !nic_dpdk_report(&report)) {
        net_json_error(&client->out, "this node uses kernel sockets and has no port of its own: "
                                     "tcpdump sees its frames");
        return;
    }
    if (watch->capturing != NULL) {
        net_json_error(&client->out, "somebody captures already");
        return;
    }
    if (!captures_make(watch, &options)) {
        net_json_error(&client->out, "no memory for the frames");
        return;
    }
    client->answered = false;
    watch->capturing = client;
    watch->capture_left = asked(client->question, " count=", UINT64_MAX);
    watch->wall_offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
    pcapng_begin(&client->out, report.device, watch->setup.core_count, options.snap);
    for (uint32_t core = 0; core < watch->setup.core_count; core++) {
        core_order_capture(watch->setup.cores[core], watch->captures[core]);
    }
}

/* ---- net ------------------------------------------------------------------------------------ */

static struct survey *page_of(const struct watch *watch, uint32_t core)
{
    return &watch->pages[2 * core + watch->page_turn[core]];
}

static bool page_is_done(const struct watch *watch, uint32_t core)
{
    return core_survey_done(watch->setup.cores[core], page_of(watch, core));
}

/* The core's page from that place on; NULL: it does not answer. */
static const struct survey *page_ask(struct watch *watch, uint32_t core, uint32_t slot)
{
    if (watch->page_late[core] && !wait_for(watch, page_is_done, core)) {
        return NULL;
    }
    watch->page_turn[core] ^= 1;
    struct survey *page = page_of(watch, core);
    page->slot = slot;
    page->count = 0;
    core_ask_survey(watch->setup.cores[core], page);
    watch->page_late[core] = !wait_for(watch, page_is_done, core);
    return watch->page_late[core] ? NULL : page;
}

static bool cores_tell(struct watch *watch, struct page_text *out)
{
    for (uint32_t core = 0; core < watch->setup.core_count; core++) {
        const struct survey *page = page_ask(watch, core, 0);
        if (page == NULL) {
            return false;
        }
        net_json_core(out, core, page, core == 0);
    }
    net_json_connections(out);
    bool first = true;
    for (uint32_t core = 0; core < watch->setup.core_count; core++) {
        for (uint32_t slot = 0; slot != SURVEY_END;) {
            const struct survey *page = page_ask(watch, core, slot);
            if (page == NULL) {
                return false;
            }
            for (uint32_t i = 0; i < page->count; i++) {
                net_json_connection(out, core, &page->rows[i], first);
                first = false;
            }
            slot = page->slot;
        }
    }
    return true;
}

static void net_tell(struct watch *watch, struct client *client)
{
    struct nic_dpdk_report report;
    struct page_text page = {0};
    const bool port = watch->bypass && nic_dpdk_report(&report);
    const struct net_json_path path = {.telemetry = watch->setup.telemetry,
                                       .listen = watch->setup.listen};
    net_json_begin(&page, &path, port ? &report : NULL);
    if (port && !cores_tell(watch, &page)) {
        page.len = 0;
        net_json_error(&page, "a core does not answer");
    } else {
        if (!port) {
            net_json_connections(&page);
        }
        net_json_end(&page);
    }
    page_bytes(&client->out, page.at, page.len);
    client->out.failed = client->out.failed || page.failed;
    page_text_free(&page);
    client->answered = true;
}

/* ---- Who asks ------------------------------------------------------------------------------- */

static void client_answer(struct watch *watch, struct client *client)
{
    if (strcmp(client->question, "net") == 0) {
        net_tell(watch, client);
    } else if (strncmp(client->question, "capture", 7) == 0) {
        capture_begin(watch, client);
    } else {
        net_json_error(&client->out, "the questions are net and capture");
        client->answered = true;
    }
}

/* False: it is gone. */
static bool client_read(struct watch *watch, struct client *client)
{
    char bytes[QUESTION_BYTES];
    const ssize_t got = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (got <= 0) {
        if (watch->capturing == client) {
            capture_end(watch);
        }
        return client->answered; /* It may still read. */
    }
    for (ssize_t i = 0; i < got && watch->capturing != client && !client->answered; i++) {
        if (bytes[i] == '\n') {
            client->question[client->question_len] = '\0';
            client_answer(watch, client);
        } else if (client->question_len + 1 < QUESTION_BYTES) {
            client->question[client->question_len++] = bytes[i];
        }
    }
    return true;
}

/* False: it is gone, or has everything. */
static bool client_write(struct watch *watch, struct client *client)
{
    if (watch->capturing == client && watch->capture_left == 0) {
        capture_end(watch);
    }
    while (client->out.len > 0) {
        const ssize_t sent =
            send(client->fd, client->out.at, client->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            return true;
        }
        if (sent < 0) {
            return false;
        }
        page_drop(&client->out, (size_t)sent);
    }
    return !client->answered && !client->out.failed;
}

static void client_close(struct watch *watch, uint32_t index)
{
    struct client *client = &watch->clients[index];
    struct client *last = &watch->clients[watch->client_count - 1];
    if (watch->capturing == client) {
        capture_end(watch);
    }
    (void)close(client->fd);
    page_text_free(&client->out);
    if (watch->capturing == last) {
        watch->capturing = client;
    }
    *client = *last;
    watch->client_count--;
}

static void client_take(struct watch *watch)
{
    const int fd = accept4(watch->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    if (watch->client_count == CLIENTS_MAX) {
        (void)close(fd);
        return;
    }
    watch->clients[watch->client_count++] = (struct client){.fd = fd};
}

/* ---- The thread ----------------------------------------------------------------------------- */

/* What the device counts, for /metrics. */
static void port_publish(struct watch *watch)
{
    struct nic_dpdk_report report;
    const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    if (now_ns < watch->port_due_ns || !nic_dpdk_report(&report)) {
        return;
    }
    watch->port_due_ns = now_ns + PORT_EVERY_MS * UINT64_C(1000000);
    const uint64_t values[PORT_STATISTIC_COUNT] = {
        [PORT_STATISTIC_port_link_up] = report.link_up,
        [PORT_STATISTIC_port_link_mbps] = report.link_mbps,
        [PORT_STATISTIC_port_missed] = report.missed,
        [PORT_STATISTIC_port_in_errors] = report.in_errors,
        [PORT_STATISTIC_port_out_errors] = report.out_errors,
        [PORT_STATISTIC_port_no_buffer] = report.no_buffer,
        [PORT_STATISTIC_port_buffers] = report.buffers,
        [PORT_STATISTIC_port_buffers_used] = report.buffers_used,
        [PORT_STATISTIC_port_headers_used] = report.headers_used,
        [PORT_STATISTIC_port_parts_used] = report.parts_used,
    };
    for (uint32_t i = 0; i < PORT_STATISTIC_COUNT; i++) {
        atomic_store_explicit(&watch->setup.statistics->port[i], values[i], memory_order_relaxed);
    }
    atomic_store_explicit(&watch->setup.statistics->has_port, 1, memory_order_relaxed);
}

static void watch_once(struct watch *watch)
{
    struct pollfd polls[CLIENTS_MAX + 2] = {{.fd = watch->bell, .events = POLLIN},
                                            {.fd = watch->listener, .events = POLLIN}};
    const uint32_t count = watch->client_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct client *client = &watch->clients[i];
        polls[2 + i] = (struct pollfd){
            .fd = client->fd,
            .events = (short)((client->answered ? 0 : POLLIN) |
                              (client->out.len > 0 || client->answered ? POLLOUT : 0))};
    }
    int timeout_ms = watch->bypass ? PORT_EVERY_MS : -1;
    timeout_ms = watch->capturing != NULL ? WAIT_STEP_MS : timeout_ms;
    if (poll(polls, 2 + count, timeout_ms) < 0 && errno != EINTR) {
        return;
    }
    if ((polls[0].revents & POLLIN) != 0) {
        link_bell_clear(watch->setup.world, watch->bell);
    }
    if (watch->bypass) {
        port_publish(watch);
    }
    capture_drain(watch);
    for (uint32_t i = count; i-- > 0;) { /* Backwards: closing one moves the last. */
        struct client *client = &watch->clients[i];
        const short events = polls[2 + i].revents;
        const bool stays = (events & POLLIN) == 0 || client_read(watch, client);
        if (!stays || (events & (POLLERR | POLLNVAL)) != 0 || !client_write(watch, client)) {
            client_close(watch, i);
        }
    }
    if ((polls[1].revents & POLLIN) != 0) {
        client_take(watch);
    }
}

static void *watch_thread(void *argument)
{
    struct watch *watch = argument;
    (void)pthread_setname_np(pthread_self(), "millrace-watch");
    while (!atomic_load_explicit(&watch->ending, memory_order_acquire)) {
        watch_once(watch);
    }
    while (watch->client_count > 0) {
        client_close(watch, watch->client_count - 1);
    }
    return NULL;
}

/* ---- Life ----------------------------------------------------------------------------------- */

/* Only its owner may look: frames hold everything that clients send. */
static int listener_open(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    (void)unlink(path); /* The directory is this process's: its lock says so. */
    const mode_t before = umask(0177);
    const int bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
    (void)umask(before);
    if (bound != 0 || listen(fd, CLIENTS_MAX) != 0) {
        const int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

struct watch *watch_start(const struct watch_setup *setup, char *reason, size_t reason_bytes)
{
    ASSERT(setup->core_count > 0 && setup->core_count <= WATCH_CORES_MAX);
    struct watch *watch = calloc(1, sizeof(*watch));
    ASSERT(watch != NULL);
    watch->setup = *setup;
    watch->bypass = setup->cores[0]->stack != NULL;
    watch->bell = link_bell_make(setup->world);
    watch->listener = listener_open(setup->socket_path);
    if (watch->bypass) {
        watch->pages = calloc(2 * (size_t)setup->core_count, sizeof(*watch->pages));
    }
    for (uint32_t i = 0; i < setup->core_count; i++) {
        setup->cores[i]->watch_bell = watch->bell;
    }
    if (watch->bell < 0 || watch->listener < 0 || (watch->bypass && watch->pages == NULL) ||
        pthread_create(&watch->thread, NULL, watch_thread, watch) != 0) {
        (void)snprintf(reason, reason_bytes, "cannot answer at %s: %s", setup->socket_path,
                       strerror(errno));
        if (watch->listener >= 0) {
            (void)close(watch->listener);
        }
        free(watch->pages);
        free(watch);
        return NULL;
    }
    return watch;
}

void watch_stop(struct watch *watch)
{
    atomic_store_explicit(&watch->ending, true, memory_order_release);
    link_bell_ring(watch->setup.world, watch->bell);
    (void)pthread_join(watch->thread, NULL);
    (void)close(watch->listener);
    (void)unlink(watch->setup.socket_path);
    free(watch->pages);
    free(watch);
}
