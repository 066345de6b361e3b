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

/* Writes content to a new file at path and makes it durable. */
static int file_write_new(struct file_system *fs, const char *path, const void *content,
                          uint64_t size, bool *sync_failed)
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
        result = file_sync(fs, fd);
        *sync_failed = result != 0;
    }
    file_close(fs, fd);
    return result;
}

int file_replace_tell(struct file_system *fs, const char *path, const void *content, uint64_t size,
                      bool durable, bool *sync_failed)
{
    *sync_failed = false;
    char temporary[PATH_BYTES_MAX];
    const int len = snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    if (len < 0 || len >= (int)sizeof(temporary)) {
        return -ENAMETOOLONG;
    }
    int result = file_write_new(fs, temporary, content, size, sync_failed);
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
    result = file_sync_directory(fs, slash == 0 ? "." : temporary);
    *sync_failed = result != 0;
    return result;
}

int file_replace(struct file_system *fs, const char *path, const void *content, uint64_t size,
                 bool durable)
{
    bool sync_failed;
    return file_replace_tell(fs, path, content, size, durable, &sync_failed);
}
