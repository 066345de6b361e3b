/* Files and directories, the sleeping way: the only door to the file system besides disk.h.
 *
 * Every call may block, so none may run on a core: recovery, the housekeeping thread and the
 * control process use them. The production twin is file.c; the simulation links its own, in which
 * every call is a place to crash, to fail, or to lose what was not synced.
 *
 * Results: 0 or a count on success, -errno on failure. The caller turns them into the status of its
 * own module; -errno travels no further up than that.
 * Threads: a file_system may be used by several threads at once.
 */
#ifndef STORAGE_IO_FILE_H
#define STORAGE_IO_FILE_H

#include <stdatomic.h>

#include "storage/base/bytes.h"

/* One per process; in simulation one per simulated machine. */
struct file_system;

/* What is wanted of an opened file; or'ed together. */
enum file_mode {
    FILE_READ = 1,
    FILE_WRITE = 2,
    FILE_CREATE = 4,    /* Create when absent. */
    FILE_EXCLUSIVE = 8, /* With FILE_CREATE: -EEXIST when present. */
    FILE_DIRECT = 16,   /* O_DIRECT; -EINVAL where the file system has none. */
    FILE_DIRECTORY = 32,
};

/* Returns a descriptor >= 0, owned by the caller, or -errno. */
MUST_USE int file_open(struct file_system *fs, const char *path, unsigned mode);
void file_close(struct file_system *fs, int fd);

/* Whole reads and writes: a short transfer is continued inside. file_read returns fewer bytes than
 * size only at the end of the file. Buffers are borrowed; with FILE_DIRECT, buffer, size and offset
 * are multiples of 4096. */
MUST_USE int64_t file_read(struct file_system *fs, int fd, void *to, uint64_t size,
                           uint64_t offset);
MUST_USE int64_t file_write(struct file_system *fs, int fd, const void *from, uint64_t size,
                            uint64_t offset);

MUST_USE int file_sync(struct file_system *fs, int fd); /* fdatasync; on a directory fsync. */
MUST_USE int file_truncate(struct file_system *fs, int fd, uint64_t size);
/* Reserves [offset, offset + size) and moves the end of the file behind it; reads as zeros. */
MUST_USE int file_reserve(struct file_system *fs, int fd, uint64_t offset, uint64_t size);
MUST_USE int64_t file_size(struct file_system *fs, int fd);

MUST_USE int file_rename(struct file_system *fs, const char *from, const char *to);
MUST_USE int file_unlink(struct file_system *fs, const char *path);
MUST_USE int file_make_directory(struct file_system *fs, const char *path);
MUST_USE int file_remove_directory(struct file_system *fs, const char *path);
/* fsync of the directory itself: names created, renamed or removed in it become durable. */
MUST_USE int file_sync_directory(struct file_system *fs, const char *path);

/* Everything of the file system that holds path becomes durable, contents and names: one flush for
 * many new files, where a sync of each would take one each. */
MUST_USE int file_sync_all(struct file_system *fs, const char *path);

struct file_entry {
    const char *name; /* View, valid during the callback. */
    bool directory;
    uint64_t size_bytes;
};

/* Calls each for every entry but "." and ".."; a value other than 0 from it ends the walk and is
 * returned. The order is unspecified. */
MUST_USE int file_list(struct file_system *fs, const char *path,
                       int (*each)(void *context, const struct file_entry *entry), void *context);

/* Takes the exclusive flock of fd; -EWOULDBLOCK when another open file description has it (H3). */
MUST_USE int file_lock(struct file_system *fs, int fd);

/* The same, tried for up to wait_ms: late writes of a dead process hold its lock. */
MUST_USE int file_lock_wait(struct file_system *fs, int fd, uint32_t wait_ms);

/* True when one flush of any file reaches the whole device this file is on (disk.h). */
bool file_flush_covers_device(struct file_system *fs, int fd);

struct file_space {
    uint64_t total_bytes;
    uint64_t free_bytes; /* Available to this user. */
};
MUST_USE int file_space(struct file_system *fs, const char *path, struct file_space *space);

/* Reads a whole small file into buffer. Returns its length; -EFBIG when it does not fit. */
MUST_USE int64_t file_read_all(struct file_system *fs, const char *path, void *buffer,
                               uint64_t capacity);
/* Replaces a small file as a whole: temporary file, sync, rename; with `durable` the directory is
 * synced too. A crash leaves the old or the new content. */
MUST_USE int file_replace(struct file_system *fs, const char *path, const void *content,
                          uint64_t size, bool durable);
/* The same three for somebody who shares the device with others. A sync flushes the device, and
 * what others wrote is lost from its cache as well when that fails: *flushes_failed, which they
 * look at before they believe a flush of their own, is counted up before anything else happens, and
 * *told set (H5). Where the call did not come as far as a flush (no room, read-only, not opened),
 * or one does not cover the device, the error is the file's own and neither is touched.
 * file_replace_tell writes again what another's failure, counted meanwhile, may have lost; -EIO
 * when that does not end. */
MUST_USE int file_sync_tell(struct file_system *fs, int fd, _Atomic uint32_t *flushes_failed,
                            bool *told);
MUST_USE int file_sync_directory_tell(struct file_system *fs, const char *path,
                                      _Atomic uint32_t *flushes_failed, bool *told);
MUST_USE int file_replace_tell(struct file_system *fs, const char *path, const void *content,
                               uint64_t size, bool durable, _Atomic uint32_t *flushes_failed,
                               bool *told);

/* The process's real file system. flush_delay_us: every sync takes at least that long (for labs;
 * 0: none). Never freed before exit. */
struct file_system *file_system_real(uint32_t flush_delay_us);

/* From now on FILE_DIRECT fails with -EINVAL, as where the file system has none: data goes through
 * the page cache. Before anything is opened. */
void file_system_refuse_direct(struct file_system *fs);

#endif
