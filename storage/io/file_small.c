/* The calls of file.h that are made of other calls of it: the same for the real file system and
 * for the simulated one. */
#include <errno.h>
#include <stdio.h>

#include "storage/io/file.h"

enum {
    PATH_BYTES_MAX = 4096,
};

int64_t file_read_all(struct file_system *fs, const char *path, void *buffer, uint64_t capacity)
{
    const int fd = file_open(fs, path, FILE_READ);
    if (fd < 0) {
        return fd;
    }
    const int64_t size = file_size(fs, fd);
    int64_t result = size;
    if (size > 0 && (uint64_t)size > capacity) {
        result = -EFBIG;
    } else if (size >= 0) {
        result = file_read(fs, fd, buffer, (uint64_t)size, 0);
    }
    file_close(fs, fd);
    return result;
}

/* ---- Syncs that others hear of --------------------------------------------------------------- */

/* Whether a sync came as far as the device: its cache may have lost anybody's bytes then. */
static bool flush_failed(struct file_system *fs, int fd, int error)
{
    switch (-error) {
    case 0:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EROFS: return false;
    default: return file_flush_covers_device(fs, fd);
    }
}

int file_sync_tell(struct file_system *fs, int fd, _Atomic uint32_t *flushes_failed, bool *told)
{
    const int error = file_sync(fs, fd);
    if (flush_failed(fs, fd, error)) {
        (void)atomic_fetch_add_explicit(flushes_failed, 1, memory_order_acq_rel);
        *told = true;
    }
    return error;
}

int file_sync_directory_tell(struct file_system *fs, const char *path,
                             _Atomic uint32_t *flushes_failed, bool *told)
{
    const int fd = file_open(fs, path, FILE_READ | FILE_DIRECTORY);
    if (fd < 0) {
        return fd;
    }
    const int error = file_sync_tell(fs, fd, flushes_failed, told);
    file_close(fs, fd);
    return error;
}

/* ---- Replacing ------------------------------------------------------------------------------- */

/* Writes content to a new file at path and makes it durable. */
static int file_write_new(struct file_system *fs, const char *path, const void *content,
                          uint64_t size, _Atomic uint32_t *flushes_failed, bool *told)
{
    const int fd = file_open(fs, path, FILE_WRITE | FILE_CREATE);
    if (fd < 0) {
        return fd;
    }
    int result = file_truncate(fs, fd, 0); /* A crash may have left an older one. */
    if (result == 0 && size > 0) {
        const int64_t written = file_write(fs, fd, content, size, 0);
        result = written < 0 ? (int)written : 0;
    }
    if (result == 0) {
        result = file_sync_tell(fs, fd, flushes_failed, told);
    }
    file_close(fs, fd);
    return result;
}

static int replace_once(struct file_system *fs, const char *path, const void *content,
                        uint64_t size, bool durable, _Atomic uint32_t *flushes_failed, bool *told)
{
    char temporary[PATH_BYTES_MAX];
    const int len = snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    if (len < 0 || len >= (int)sizeof(temporary)) {
        return -ENAMETOOLONG;
    }
    int result = file_write_new(fs, temporary, content, size, flushes_failed, told);
    if (result == 0) {
        result = file_rename(fs, temporary, path);
    }
    if (result != 0) {
        const int left = file_unlink(fs, temporary);
        (void)left; /* What stays is truncated by the next replace. */
        return result;
    }
    if (!durable) {
        return 0;
    }
    int slash = len - 4;
    while (slash > 0 && temporary[slash - 1] != '/') {
        slash--;
    }
    temporary[slash] = '\0';
    return file_sync_directory_tell(fs, slash == 0 ? "." : temporary, flushes_failed, told);
}

int file_replace_tell(struct file_system *fs, const char *path, const void *content, uint64_t size,
                      bool durable, _Atomic uint32_t *flushes_failed, bool *told)
{
    enum { TRIES = 3 };
    for (uint32_t i = 0; i < TRIES; i++) {
        const uint32_t before = atomic_load_explicit(flushes_failed, memory_order_acquire);
        const int error = replace_once(fs, path, content, size, durable, flushes_failed, told);
        if (error != 0 || atomic_load_explicit(flushes_failed, memory_order_acquire) == before) {
            return error;
        }
    }
    return -EIO;
}

int file_replace(struct file_system *fs, const char *path, const void *content, uint64_t size,
                 bool durable)
{
    _Atomic uint32_t flushes_failed = 0; /* Nobody looks. */
    bool told;
    return replace_once(fs, path, content, size, durable, &flushes_failed, &told);
}
