#include "storage/io/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <linux/magic.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

struct file_system {
    uint64_t flush_delay_ns;
    bool direct_refused;
};

enum {
    TRANSFER_BYTES_MAX = 1 << 30, /* Linux moves at most 2 GiB - 4 KiB in one call. */
};

struct file_system *file_system_real(uint32_t flush_delay_us)
{
    struct file_system *fs = calloc(1, sizeof(*fs));
    ASSERT(fs != NULL);
    fs->flush_delay_ns = flush_delay_us * 1000ull;
    return fs;
}

void file_system_refuse_direct(struct file_system *fs)
{
    fs->direct_refused = true;
}

static int result_of(int result)
{
    return result < 0 ? -errno : result;
}

/* ---- Open files ----------------------------------------------------------------------------- */

int file_open(struct file_system *fs, const char *path, unsigned mode)
{
    if ((mode & FILE_DIRECT) != 0 && fs->direct_refused) {
        return -EINVAL;
    }
    int flags = O_CLOEXEC;
    if ((mode & FILE_WRITE) != 0) {
        flags |= (mode & FILE_READ) != 0 ? O_RDWR : O_WRONLY;
    }
    flags |= (mode & FILE_CREATE) != 0 ? O_CREAT : 0;
    flags |= (mode & FILE_EXCLUSIVE) != 0 ? O_EXCL : 0;
    flags |= (mode & FILE_DIRECT) != 0 ? O_DIRECT : 0;
    flags |= (mode & FILE_DIRECTORY) != 0 ? O_DIRECTORY : 0;
    return result_of(open(path, flags, 0644));
}

void file_close(struct file_system *fs, int fd)
{
    (void)fs;
    (void)close(fd);
}

int64_t file_read(struct file_system *fs, int fd, void *to, uint64_t size, uint64_t offset)
{
    (void)fs;
    uint64_t done = 0;
    while (done < size) {
        const ssize_t got = pread(fd, (uint8_t *)to + done,
                                  min_u64(size - done, TRANSFER_BYTES_MAX), (off_t)(offset + done));
        if (got < 0 && errno != EINTR) {
            return -errno;
        }
        if (got == 0) {
            break;
        }
        done += got > 0 ? (uint64_t)got : 0;
    }
    return (int64_t)done;
}

int64_t file_write(struct file_system *fs, int fd, const void *from, uint64_t size, uint64_t offset)
{
    (void)fs;
    uint64_t done = 0;
    while (done < size) {
        const ssize_t put =
            pwrite(fd, (const uint8_t *)from + done, min_u64(size - done, TRANSFER_BYTES_MAX),
                   (off_t)(offset + done));
        if (put < 0 && errno != EINTR) {
            return -errno;
        }
        if (put == 0) {
            return -EIO;
        }
        done += put > 0 ? (uint64_t)put : 0;
    }
    return (int64_t)size;
}

static void sleep_until(const struct timespec *start, uint64_t delay_ns)
{
    const uint64_t end_ns = (uint64_t)start->tv_nsec + delay_ns;
    const struct timespec end = {.tv_sec = start->tv_sec + (time_t)(end_ns / 1000000000),
                                 .tv_nsec = (long)(end_ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR) {
    }
}

int file_sync(struct file_system *fs, int fd)
{
    struct timespec start;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return -errno;
    }
    const int result = result_of(S_ISDIR(info.st_mode) ? fsync(fd) : fdatasync(fd));
    if (fs->flush_delay_ns > 0) {
        sleep_until(&start, fs->flush_delay_ns);
    }
    return result;
}

/* ext4 and xfs send a flush to their one block device for any file's fdatasync. File systems over
 * several devices have no block device of their own: their major number is 0. */
bool file_flush_covers_device(struct file_system *fs, int fd)
{
    (void)fs;
    struct stat info;
    struct statfs system;
    return fstat(fd, &info) == 0 && fstatfs(fd, &system) == 0 && major(info.st_dev) != 0 &&
           (system.f_type == EXT4_SUPER_MAGIC || system.f_type == XFS_SUPER_MAGIC);
}

int file_truncate(struct file_system *fs, int fd, uint64_t size)
{
    (void)fs;
    return result_of(ftruncate(fd, (off_t)size));
}

int64_t file_size(struct file_system *fs, int fd)
{
    (void)fs;
    struct stat info;
    return fstat(fd, &info) != 0 ? -errno : (int64_t)info.st_size;
}

/* Moves the end of the file to `end` when it is before it. */
static int file_extend(struct file_system *fs, int fd, uint64_t end)
{
    const int64_t size = file_size(fs, fd);
    if (size < 0) {
        return (int)size;
    }
    return (uint64_t)size < end ? file_truncate(fs, fd, end) : 0;
}

int file_reserve(struct file_system *fs, int fd, uint64_t offset, uint64_t size)
{
    const int result = result_of(fallocate(fd, 0, (off_t)offset, (off_t)size));
    /* Where nothing can be reserved, at least the end moves; ENOSPC then comes with a write. */
    return result == -EOPNOTSUPP ? file_extend(fs, fd, offset + size) : result;
}

int file_lock(struct file_system *fs, int fd)
{
    (void)fs;
    return result_of(flock(fd, LOCK_EX | LOCK_NB));
}

int file_lock_wait(struct file_system *fs, int fd, uint32_t wait_ms)
{
    struct timespec start;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint32_t waited_ms = 0;; waited_ms++) {
        const int result = file_lock(fs, fd);
        if (result != -EWOULDBLOCK || waited_ms >= wait_ms) {
            return result;
        }
        sleep_until(&start, (waited_ms + 1) * 1000000ull);
    }
}

/* ---- Names ---------------------------------------------------------------------------------- */

int file_rename(struct file_system *fs, const char *from, const char *to)
{
    (void)fs;
    return result_of(rename(from, to));
}

int file_unlink(struct file_system *fs, const char *path)
{
    (void)fs;
    return result_of(unlink(path));
}

int file_make_directory(struct file_system *fs, const char *path)
{
    (void)fs;
    return result_of(mkdir(path, 0755));
}

int file_remove_directory(struct file_system *fs, const char *path)
{
    (void)fs;
    return result_of(rmdir(path));
}

int file_sync_directory(struct file_system *fs, const char *path)
{
    const int fd = file_open(fs, path, FILE_READ | FILE_DIRECTORY);
    if (fd < 0) {
        return fd;
    }
    const int result = file_sync(fs, fd);
    file_close(fs, fd);
    return result;
}

int file_sync_all(struct file_system *fs, const char *path)
{
    struct timespec start;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    const int fd = file_open(fs, path, FILE_READ | FILE_DIRECTORY);
    if (fd < 0) {
        return fd;
    }
    const int result = result_of(syncfs(fd));
    file_close(fs, fd);
    if (fs->flush_delay_ns > 0) {
        sleep_until(&start, fs->flush_delay_ns);
    }
    return result;
}

static int list_one(int dir_fd, const struct dirent *found,
                    int (*each)(void *context, const struct file_entry *entry), void *context)
{
    struct stat info;
    if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0) {
        return 0;
    }
    if (fstatat(dir_fd, found->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? 0 : -errno; /* Gone since it was read. */
    }
    const struct file_entry entry = {found->d_name, S_ISDIR(info.st_mode), (uint64_t)info.st_size};
    return each(context, &entry);
}

int file_list(struct file_system *fs, const char *path,
              int (*each)(void *context, const struct file_entry *entry), void *context)
{
    (void)fs;
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return -errno;
    }
    int result = 0;
    for (;;) {
        errno = 0;
        const struct dirent *found = readdir(dir);
        if (found == NULL) {
            result = -errno;
            break;
        }
        result = list_one(dirfd(dir), found, each, context);
        if (result != 0) {
            break;
        }
    }
    (void)closedir(dir);
    return result;
}

int file_space(struct file_system *fs, const char *path, struct file_space *space)
{
    (void)fs;
    struct statvfs info;
    if (statvfs(path, &info) != 0) {
        return -errno;
    }
    space->total_bytes = (uint64_t)info.f_blocks * info.f_frsize;
    space->free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    return 0;
}
