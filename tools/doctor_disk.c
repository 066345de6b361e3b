#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "tools/doctor.h"

enum { BLOCK_BYTES = 4096, FLUSHES = 15, FLUSH_SLOW_US = 5000, PATH_BYTES = 1024 };

static const uint64_t free_bytes_min = UINT64_C(1) << 30;

/* The directory itself, or the nearest parent that is there: where it would be made. */
static void nearest(const char *path, char room[PATH_BYTES])
{
    (void)snprintf(room, PATH_BYTES, "%s", path);
    struct stat there;
    while (stat(room, &there) != 0 && strrchr(room, '/') != NULL) {
        char *slash = strrchr(room, '/');
        slash[slash == room ? 1 : 0] = '\0';
        if (slash == room) {
            return;
        }
    }
}

static uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void check_space(struct doctor *doctor, const char *path)
{
    struct statfs disk;
    if (statfs(path, &disk) != 0) {
        return;
    }
    const uint64_t left = (uint64_t)disk.f_bavail * (uint64_t)disk.f_bsize;
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-SPACE-001", DOCTOR_OK, "there is space for data");
    doctor_observed(finding, "%llu MiB free at %.100s", (unsigned long long)(left >> 20), path);
    doctor_needed(finding, "%llu MiB", (unsigned long long)(free_bytes_min >> 20));
    if (left < free_bytes_min) {
        finding->severity = left < free_bytes_min / 16 ? DOCTOR_ERROR : DOCTOR_WARNING;
        doctor_fix(finding, "du -xh %.100s | sort -h | tail; or --data on another disk", path);
    }
    if (disk.f_files > 0 && disk.f_ffree < 10000) {
        finding = doctor_add(doctor, "MR-SPACE-002", DOCTOR_WARNING, "there are inodes for files");
        doctor_observed(finding, "%llu free at %.100s", (unsigned long long)disk.f_ffree, path);
        doctor_needed(finding, "10000");
        doctor_fix(finding, "--data on another disk");
    }
}

/* Median of a few 4 KiB writes with a flush each, in microseconds; -1 with errno. */
static int64_t flush_cost_us(int fd, const void *block)
{
    uint64_t cost[FLUSHES];
    for (size_t i = 0; i < FLUSHES; i++) {
        const uint64_t start = now_us();
        if (pwrite(fd, block, BLOCK_BYTES, (off_t)i * BLOCK_BYTES) != BLOCK_BYTES ||
            fdatasync(fd) != 0) {
            return -1;
        }
        cost[i] = now_us() - start;
        for (size_t at = i; at > 0 && cost[at] < cost[at - 1]; at--) {
            const uint64_t other = cost[at];
            cost[at] = cost[at - 1];
            cost[at - 1] = other;
        }
    }
    return (int64_t)cost[FLUSHES / 2];
}

static void check_flush(struct doctor *doctor, int fd, const void *block)
{
    const int64_t cost_us = flush_cost_us(fd, block);
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-DISK-003", DOCTOR_OK, "a flush is cheap");
    doctor_needed(finding, "under %d us", FLUSH_SLOW_US);
    if (cost_us < 0) {
        finding->severity = DOCTOR_ERROR;
        doctor_observed(finding, "write and flush: %s", strerror(errno));
        doctor_fix(finding, "--data on another disk");
        return;
    }
    doctor_observed(finding, "%lld us for 4 KiB and its flush, median of %d", (long long)cost_us,
                    FLUSHES);
    if (cost_us > FLUSH_SLOW_US) {
        finding->severity = DOCTOR_WARNING;
        doctor_fix(finding, "acks=all will cost this much: a disk with power-loss protection");
    }
}

static void check_direct(struct doctor *doctor, const char *path, int fd)
{
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-DISK-002", DOCTOR_OK, "writes past the page cache");
    doctor_needed(finding, "O_DIRECT with an alignment of at most %d", BLOCK_BYTES);
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) != 0) {
        finding->severity = DOCTOR_WARNING;
        doctor_observed(finding, "%.100s: %s", path, strerror(errno));
        doctor_fix(finding, "--data on ext4 or xfs, or --set storage.o_direct=false");
        return;
    }
    uint32_t alignment = 0;
#ifdef STATX_DIOALIGN
    struct statx told;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &told) == 0 &&
        (told.stx_mask & STATX_DIOALIGN) != 0) {
        alignment = told.stx_dio_offset_align;
    }
#endif
    if (alignment > BLOCK_BYTES) {
        finding->severity = DOCTOR_WARNING;
        doctor_fix(finding, "--set storage.o_direct=false");
    }
    if (alignment > 0) {
        doctor_observed(finding, "O_DIRECT, alignment %u", alignment);
    } else {
        doctor_observed(finding, "O_DIRECT");
    }
}

static void check_directory(struct doctor *doctor, const char *data)
{
    char there[PATH_BYTES];
    char path[PATH_BYTES + 40];
    nearest(data, there);
    (void)snprintf(path, sizeof(path), "%s/.millrace-doctor-XXXXXX", there);
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-DISK-001", DOCTOR_OK, "the data directory can be written");
    doctor_needed(finding, "%.140s writable", data);
    const int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        finding->severity = DOCTOR_ERROR;
        doctor_observed(finding, "%.100s: %s", there, strerror(errno));
        doctor_fix(finding, "install -d -o %d %.120s, or --data DIR", (int)geteuid(), data);
        return;
    }
    (void)unlink(path);
    doctor_observed(finding, "%.100s%s", there, strcmp(there, data) == 0 ? "" : ", to be made in");
    check_space(doctor, there);
    void *block = NULL;
    if (posix_memalign(&block, BLOCK_BYTES, BLOCK_BYTES) == 0) {
        memset(block, 0, BLOCK_BYTES);
        check_direct(doctor, there, fd);
        check_flush(doctor, fd, block);
        free(block);
    }
    (void)close(fd);
}

void doctor_disk(struct doctor *doctor)
{
    const struct settings_paths *data = &doctor->settings->storage_data;
    for (uint32_t i = 0; i < data->count; i++) {
        check_directory(doctor, data->path[i]);
    }
}
