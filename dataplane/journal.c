#include "dataplane/journal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/mail/ring.h"

struct line {
    int64_t wall_ms;
    uint16_t len;
    uint8_t level;
    char text[JOURNAL_LINE_BYTES_MAX]; /* event=... and the rest. */
};

/* How many lines somebody may write, and how many more there were. */
struct allowance {
    uint64_t tokens_x1000; /* Lines that may be written now. */
    uint64_t tokens_ns;    /* When they were last refilled. */
    uint64_t lost;
    uint64_t lost_told;
};

struct journal_port {
    struct ring ring;
    struct line lines[JOURNAL_RING_SLOTS];
    const _Atomic uint32_t *level; /* The journal's. */
    uint32_t core;
    uint64_t now_ns;
    int64_t wall_ms;
    struct allowance allowance;
};

struct journal {
    int fd;
    char process[32];
    _Atomic uint32_t level;     /* enum journal_level */
    pthread_mutex_t mutex;      /* Writes to fd; the allowance. */
    struct allowance allowance; /* Of all ordinary threads. */
    uint32_t core_count;
    struct journal_port ports[];
};

static const char *const level_names[] = {
    [JOURNAL_ERROR] = "error",
    [JOURNAL_WARNING] = "warn",
    [JOURNAL_INFO] = "info",
    [JOURNAL_DEBUG] = "debug",
};

struct journal *journal_create(int fd, const char *process, uint32_t core_count,
                               enum journal_level level)
{
    const size_t size = sizeof(struct journal) + core_count * sizeof(struct journal_port);
    struct journal *journal = aligned_alloc(RING_LINE_BYTES, round_up(size, RING_LINE_BYTES));
    if (journal == NULL) {
        return NULL;
    }
    memset(journal, 0, size);
    journal->fd = fd;
    (void)snprintf(journal->process, sizeof(journal->process), "%s", process);
    atomic_init(&journal->level, level);
    journal->allowance.tokens_x1000 = JOURNAL_BURST_LINES * 1000;
    pthread_mutex_init(&journal->mutex, NULL);
    journal->core_count = core_count;
    for (uint32_t core = 0; core < core_count; core++) {
        struct journal_port *port = &journal->ports[core];
        ring_init(&port->ring, port->lines, sizeof(port->lines[0]), JOURNAL_RING_SLOTS);
        port->core = core;
        port->level = &journal->level;
        port->allowance.tokens_x1000 = JOURNAL_BURST_LINES * 1000;
    }
    return journal;
}

void journal_set_level(struct journal *journal, enum journal_level level)
{
    atomic_store_explicit(&journal->level, level, memory_order_relaxed);
}

void journal_destroy(struct journal *journal)
{
    pthread_mutex_destroy(&journal->mutex);
    free(journal);
}

struct journal_port *journal_port(struct journal *journal, uint32_t core)
{
    ASSERT(core < journal->core_count);
    return &journal->ports[core];
}

void journal_time(struct journal_port *port, uint64_t now_ns, int64_t wall_ms)
{
    port->now_ns = now_ns;
    port->wall_ms = wall_ms;
}

/* Token bucket: a storm of one core's lines cannot bury the others'. */
static bool allowance_take(struct allowance *allowance, uint64_t now_ns)
{
    const uint64_t passed_ns = now_ns - allowance->tokens_ns;
    const uint64_t new_x1000 = passed_ns / (1000 * 1000) * JOURNAL_LINES_PER_SECOND;
    if (new_x1000 > 0) {
        allowance->tokens_x1000 =
            min_u64(allowance->tokens_x1000 + new_x1000, (uint64_t)JOURNAL_BURST_LINES * 1000);
        allowance->tokens_ns = now_ns;
    }
    if (allowance->tokens_x1000 < 1000) {
        allowance->lost++;
        return false;
    }
    allowance->tokens_x1000 -= 1000;
    return true;
}

/* Says in the line how many were lost before it. */
static void lost_tell(struct allowance *allowance, struct line *line)
{
    if (allowance->lost != allowance->lost_told && line->len + 40u < sizeof(line->text)) {
        const int more =
            snprintf(line->text + line->len, sizeof(line->text) - line->len, " lines_lost=%llu",
                     (unsigned long long)(allowance->lost - allowance->lost_told));
        line->len = (uint16_t)(line->len + more);
        allowance->lost_told = allowance->lost;
    }
}

/* Fills in the text; a line that is too long is cut. */
__attribute__((format(printf, 3, 0))) static void line_fill(struct line *line, const char *event,
                                                            const char *format, va_list arguments)
{
    int len = snprintf(line->text, sizeof(line->text), "event=%s ", event);
    if (len > 0 && (size_t)len < sizeof(line->text)) {
        const int more =
            vsnprintf(line->text + len, sizeof(line->text) - (size_t)len, format, arguments);
        len = more < 0 ? len : len + more;
    }
    line->len = (uint16_t)min_u64(len < 0 ? 0 : (uint64_t)len, sizeof(line->text) - 1);
    while (line->len > 0 && line->text[line->len - 1] == ' ') {
        line->len--;
    }
}

void journal_write(struct journal_port *port, enum journal_level level, const char *event,
                   const char *format, ...)
{
    if (level > atomic_load_explicit(port->level, memory_order_relaxed) ||
        !allowance_take(&port->allowance, port->now_ns)) {
        return;
    }
    struct line *line = ring_claim(&port->ring);
    if (line == NULL) {
        port->allowance.lost++;
        return;
    }
    line->wall_ms = port->wall_ms;
    line->level = (uint8_t)level;
    va_list arguments;
    va_start(arguments, format);
    line_fill(line, event, format, arguments);
    va_end(arguments);
    lost_tell(&port->allowance, line);
    ring_publish(&port->ring);
}

uint64_t journal_lost(const struct journal_port *port)
{
    return port->allowance.lost;
}

bool journal_waiting(const struct journal_port *port)
{
    return ring_count(&port->ring) != 0;
}

/* The whole line, with its newline, in `to`. core < 0: none. Returns its length. */
static size_t line_format(const struct journal *journal, const struct line *line, int core,
                          char *to, size_t to_bytes)
{
    const time_t seconds = (time_t)(line->wall_ms / 1000);
    struct tm tm;
    char stamp[32] = "";
    char place[24] = "";
    (void)gmtime_r(&seconds, &tm);
    (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    if (core >= 0) {
        (void)snprintf(place, sizeof(place), " core=%d", core);
    }
    const int len = snprintf(to, to_bytes, "time=%s.%03dZ level=%s process=%s%s %.*s\n", stamp,
                             (int)(line->wall_ms % 1000), level_names[line->level],
                             journal->process, place, (int)line->len, line->text);
    return len < 0 ? 0 : min_u64((uint64_t)len, to_bytes - 1);
}

/* Writes one line, or nothing when that would wait. A line is shorter than PIPE_BUF: all or none.
 */
static bool line_write(struct journal *journal, const char *text, size_t len)
{
    struct pollfd pollfd = {.fd = journal->fd, .events = POLLOUT};
    if (poll(&pollfd, 1, 0) != 1 || (pollfd.revents & POLLOUT) == 0) {
        return (pollfd.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0; /* Nobody reads: gone. */
    }
    ssize_t written;
    do {
        written = write(journal->fd, text, len);
    } while (written < 0 && errno == EINTR);
    return true;
}

static uint64_t now_of(clockid_t clock, uint64_t units_per_second)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * units_per_second +
           (uint64_t)now.tv_nsec / (1000000000u / units_per_second);
}

void journal_say(struct journal *journal, enum journal_level level, const char *event,
                 const char *format, ...)
{
    if (level > atomic_load_explicit(&journal->level, memory_order_relaxed)) {
        return;
    }
    struct line line = {.wall_ms = (int64_t)now_of(CLOCK_REALTIME, 1000), .level = (uint8_t)level};
    va_list arguments;
    va_start(arguments, format);
    line_fill(&line, event, format, arguments);
    va_end(arguments);
    char text[JOURNAL_LINE_BYTES_MAX + 128];
    pthread_mutex_lock(&journal->mutex);
    if (allowance_take(&journal->allowance, now_of(CLOCK_MONOTONIC, 1000000000u))) {
        lost_tell(&journal->allowance, &line);
        const size_t len = line_format(journal, &line, -1, text, sizeof(text));
        journal->allowance.lost += !line_write(journal, text, len);
    }
    pthread_mutex_unlock(&journal->mutex);
}

uint32_t journal_drain(struct journal *journal)
{
    uint32_t count = 0;
    char text[JOURNAL_LINE_BYTES_MAX + 128];
    pthread_mutex_lock(&journal->mutex);
    for (uint32_t core = 0; core < journal->core_count; core++) {
        struct journal_port *port = &journal->ports[core];
        const struct line *line;
        while ((line = ring_peek(&port->ring)) != NULL) {
            const size_t len = line_format(journal, line, (int)core, text, sizeof(text));
            if (!line_write(journal, text, len)) {
                break;
            }
            ring_consume(&port->ring);
            count++;
        }
    }
    pthread_mutex_unlock(&journal->mutex);
    return count;
}

const char *journal_quote(char *to, size_t to_bytes, const char *text, size_t text_len)
{
    static const char digits[] = "0123456789abcdef";
    ASSERT(to_bytes >= 3);
    size_t at = 0;
    to[at++] = '"';
    for (size_t i = 0; i < text_len && at + 6 <= to_bytes; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            to[at++] = '\\';
            to[at++] = (char)c;
        } else if (c < ' ' || c >= 0x7f) {
            to[at++] = '\\';
            to[at++] = 'x';
            to[at++] = digits[c >> 4];
            to[at++] = digits[c & 15];
        } else {
            to[at++] = (char)c;
        }
    }
    to[at++] = '"';
    to[at] = '\0';
    return to;
}
