#include "tools/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { SILENT_MS = 2000, STEP_MS = 250 };

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void progress_begin(struct progress *progress, const char *what)
{
    *progress = (struct progress){
        .what = what, .start_ms = now_ms(), .terminal = isatty(STDERR_FILENO) == 1};
}

void progress_tick(struct progress *progress, uint64_t done, uint64_t total, uint64_t bytes)
{
    if (!progress->terminal) {
        return;
    }
    const uint64_t now = now_ms();
    if (now - progress->start_ms < SILENT_MS || now - progress->told_ms < STEP_MS) {
        return;
    }
    progress->told_ms = now;
    progress->shown = true;
    (void)fprintf(stderr, "\r\033[K%llu", (unsigned long long)done);
    if (total > 0) {
        (void)fprintf(stderr, " of %llu", (unsigned long long)total);
    }
    (void)fprintf(stderr, " %s", progress->what);
    if (bytes > 0) {
        (void)fprintf(stderr, ", %llu MiB", (unsigned long long)(bytes >> 20));
    }
    (void)fprintf(stderr, ", %llu s", (unsigned long long)((now - progress->start_ms) / 1000));
    (void)fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->shown) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
    }
}
