/* The data path to the disks: reads, writes and flushes that never block a core.
 *
 * One disk per core, over that core's ring. Operations are handed in, submitted together once a
 * turn, and handed back as done; nothing is called back. The production twin is disk.c (io_uring);
 * the simulation links its own, which reorders, delays, tears, fails and forgets.
 *
 * Threads: all calls from the owning core.
 */
#ifndef STORAGE_IO_DISK_H
#define STORAGE_IO_DISK_H

#include "storage/base/bytes.h"
#include "storage/base/list.h"

enum {
    DISK_BLOCK_BYTES = 4096, /* Alignment of every offset, length and buffer. */
};

struct disk;

enum disk_op_kind {
    DISK_READ,  /* Bytes behind the end of the file come back as zeros, counted in result. */
    DISK_WRITE, /* Done: on the device, maybe in its volatile cache. */
    DISK_WRITE_DURABLE, /* Done: survives power loss (RWF_DSYNC). */
    DISK_FLUSH,         /* Done: every write of this file done before the submit is durable. */
};

/* Given to disk_submit, lent until disk_done returns it. */
struct disk_op {
    struct list_node node; /* Of the disk while lent. */
    enum disk_op_kind kind;
    int32_t slot;     /* File, from disk_add_file. */
    uint64_t offset;  /* In the file; multiple of DISK_BLOCK_BYTES. */
    uint8_t *buffer;  /* Inside the disk's memory; multiple of DISK_BLOCK_BYTES. */
    uint32_t len;     /* Multiple of DISK_BLOCK_BYTES; at most DISK_OP_BYTES_MAX. */
    int32_t result;   /* On return: len, 0 for a flush, or -errno. Short transfers are continued. */
    uint64_t done_ns; /* On return: when it was reaped. */
    void *owner;      /* The caller's; untouched. */
};

enum {
    DISK_OP_BYTES_MAX = 1 << 20,
};

/* Makes an open descriptor usable by operations (a registered file). The descriptor stays the
 * caller's and may be closed once disk_remove_file has returned. Returns a slot >= 0, or -ENOSPC
 * when all slots are taken: the caller evicts a file from its bounded cache. covers_device: what
 * file_flush_covers_device said of it, which may sleep, so who opened the file has asked. */
MUST_USE int32_t disk_add_file(struct disk *disk, int fd, bool covers_device);

/* No operation may be under way on the slot. */
void disk_remove_file(struct disk *disk, int32_t slot);

/* Free room for operations; disk_submit needs at least 1. */
uint32_t disk_room(const struct disk *disk);

/* Queues op; it enters the kernel with the turn's one submit. No order between operations. */
void disk_submit(struct disk *disk, struct disk_op *op);

/* The next finished operation, or NULL. */
struct disk_op *disk_done(struct disk *disk);

/* True when one flush of any file makes the done overwrites of all files of that file's device
 * durable (ext4 and xfs on one block device, extents written before). */
bool disk_flush_covers_device(const struct disk *disk, int32_t slot);

#endif
