#include "tools/bench/usage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { SECTOR_BYTES = 512 };

uint64_t usage_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool file_text(const char *path, char *text, size_t capacity)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    const size_t got = fread(text, 1, capacity - 1, file);
    text[got] = '\0';
    (void)fclose(file);
    return got > 0;
}

static double busy_seconds(void)
{
    char text[512];
    if (!file_text("/proc/stat", text, sizeof(text))) {
        return 0;
    }
    /* cpu user nice system idle iowait irq softirq steal */
    double busy = 0;
    char *at = text + 3;
    for (int field = 0; field < 8; field++) {
        const unsigned long long jiffies = strtoull(at, &at, 10);
        if (field != 3 && field != 4 && field != 7) {
            busy += (double)jiffies;
        }
    }
    return busy / (double)sysconf(_SC_CLK_TCK);
}

static double process_seconds(int pid)
{
    char path[64];
    char text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (!file_text(path, text, sizeof(text))) {
        return 0;
    }
    char *at = strrchr(text, ')');
    if (at == NULL) {
        return 0;
    }
    at += 2;
    unsigned long long ticks = 0;
    for (int field = 3; field <= 15; field++) { /* utime is the 14th, stime the 15th. */
        if (field >= 14) {
            ticks += strtoull(at, NULL, 10);
        }
        at = strchr(at, ' ');
        if (at == NULL) {
            return 0;
        }
        at++;
    }
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static bool device_bytes(const char *path, uint64_t *bytes)
{
    struct stat info;
    char name[96];
    char text[512];
    if (path == NULL || stat(path, &info) != 0) {
        return false;
    }
    (void)snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/stat", major(info.st_dev),
                   minor(info.st_dev));
    if (!file_text(name, text, sizeof(text))) {
        return false;
    }
    unsigned long long value = 0;
    char *at = text;
    for (int field = 0; field < 7; field++) { /* The 7th: sectors written. */
        value = strtoull(at, &at, 10);
    }
    *bytes = value * SECTOR_BYTES;
    return true;
}

void usage_read(struct usage *usage, const struct bench_options *options)
{
    struct rusage own;
    *usage = (struct usage){.at_ns = usage_now_ns(), .busy_seconds = busy_seconds()};
    if (getrusage(RUSAGE_SELF, &own) == 0) {
        usage->load_seconds = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                              (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
    }
    for (uint32_t i = 0; i < options->pid_count; i++) {
        usage->pid_seconds += process_seconds(options->pids[i]);
    }
    usage->has_device = device_bytes(options->data_path, &usage->device_bytes_written);
}
