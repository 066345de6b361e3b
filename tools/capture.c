/* `millrace capture`: frames of the port as a pcapng file. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/net_socket.h"

enum { COPY_BYTES = 256 * 1024, SECONDS_MAX = 7 * 24 * 3600 };

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Ctrl-C ends the capture, and the file is complete all the same. */
static int signals_open(void)
{
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    return sigprocmask(SIG_BLOCK, &ends, NULL) != 0 ? -1 : signalfd(-1, &ends, SFD_CLOEXEC);
}

static bool write_all(int fd, const char *from, size_t len)
{
    while (len > 0) {
        const ssize_t put = write(fd, from, len);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        from += put > 0 ? put : 0;
        len -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

struct copy {
    int from;
    int to; /* -1 until there is something to write: no empty file of a refusal. */
    int signals;
    const char *path;
    int64_t until_ms; /* -1: no end. */
    uint64_t bytes;
    bool ended; /* We have said that it is enough. */
};

static bool target_open(struct copy *copy)
{
    if (strcmp(copy->path, "-") == 0) {
        copy->to = STDOUT_FILENO;
    } else {
        copy->to = open(copy->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    return copy->to >= 0;
}

/* The next part of the file. 1: go on, 0: the end, -1: after a message. */
static int copy_some(struct copy *copy)
{
    static char room[COPY_BYTES];
    const ssize_t got = read(copy->from, room, sizeof(room));
    if (got <= 0) {
        if (got < 0) {
            cli_error("the node: %s", strerror(errno));
        } else if (copy->bytes == 0) {
            cli_error("the node ended");
        }
        return got < 0 || copy->bytes == 0 ? -1 : 0;
    }
    if (copy->to < 0 && net_socket_refused(room, (size_t)got)) {
        return -1;
    }
    if ((copy->to < 0 && !target_open(copy)) || !write_all(copy->to, room, (size_t)got)) {
        cli_error("%s: %s", copy->path, strerror(errno));
        return -1;
    }
    copy->bytes += (uint64_t)got;
    return 1;
}

/* Waits until there is something to do; *some: there is a part of the file. */
static bool copy_wait(struct copy *copy, bool *some)
{
    struct pollfd polls[2] = {{.fd = copy->from, .events = POLLIN},
                              {.fd = copy->signals, .events = POLLIN}};
    const int64_t left = copy->until_ms < 0 ? -1 : copy->until_ms - now_ms();
    const int timeout = copy->ended || copy->until_ms < 0 ? -1 : (int)(left > 0 ? left : 0);
    if (poll(polls, copy->ended ? 1 : 2, timeout) < 0 && errno != EINTR) {
        return false;
    }
    if (!copy->ended && ((polls[1].revents & POLLIN) != 0 || (copy->until_ms >= 0 && left <= 0))) {
        (void)shutdown(copy->from, SHUT_WR);
        copy->ended = true;
    }
    *some = (polls[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
    return true;
}

static enum cli_exit copy_run(struct copy *copy)
{
    bool some;
    int more = 1;
    while (more > 0) {
        if (!copy_wait(copy, &some)) {
            return CLI_FAILED;
        }
        more = some ? copy_some(copy) : 1;
    }
    return more == 0 ? CLI_OK : CLI_FAILED;
}

enum cli_exit capture_run(const struct cli_call *call)
{
    char question[128];
    int64_t port;
    int64_t count;
    int64_t seconds;
    int64_t snap;
    struct copy copy = {.to = -1, .path = cli_value(call, "--write")};
    if (!cli_number(call, "--port", 1, 65535, 0, &port) ||
        !cli_number(call, "--count", 1, INT64_MAX, 0, &count) ||
        !cli_number(call, "--seconds", 1, SECONDS_MAX, 0, &seconds) ||
        !cli_number(call, "--snap", 64, 9216, 2048, &snap)) {
        return CLI_USAGE;
    }
    if (copy.path == NULL) {
        cli_error("say where to: -w FILE.pcapng, or -w - for stdout");
        return CLI_USAGE;
    }
    int len = snprintf(question, sizeof(question), "capture snap=%lld port=%lld", (long long)snap,
                       (long long)port);
    if (count > 0) {
        (void)snprintf(question + len, sizeof(question) - (size_t)len, " count=%lld",
                       (long long)count);
    }
    copy.signals = signals_open();
    copy.from = net_socket_ask(call, question);
    if (copy.from < 0) {
        return CLI_FAILED;
    }
    copy.until_ms = seconds == 0 ? -1 : now_ms() + seconds * 1000;
    const enum cli_exit status = copy_run(&copy);
    if (copy.to > STDERR_FILENO && close(copy.to) != 0) {
        cli_error("%s: %s", copy.path, strerror(errno));
        return CLI_FAILED;
    }
    (void)close(copy.from);
    return status;
}
