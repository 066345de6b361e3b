/* What this machine can do for storage: asked at start, and by `millrace doctor`.
 *
 * Blocking, takes some milliseconds; makes and removes one small file in the directory.
 */
#ifndef STORAGE_IO_PROBE_H
#define STORAGE_IO_PROBE_H

#include "storage/io/ring.h"

struct io_probe_options {
    const char *directory; /* A data directory, or where one is to be. */
    uint64_t memory_bytes; /* What one core wants to register; 0: do not try. */
    bool linux_6_1_only;
    uint32_t flush_rounds; /* How often to measure a flush; 0: do not. At most 64. */
};

struct io_probe {
    /* io_uring. */
    bool ring_works;
    int ring_error; /* errno of ring_create: ENOSYS, EPERM ...; 0 when it works. */
    struct ring_features features;
    bool memory_registers;
    uint64_t memlock_bytes; /* The limit; UINT64_MAX: none. */
    char kernel_release[65];
    /* The directory. */
    int directory_error;  /* errno of making a file there; 0: fine, and the rest is set. */
    char file_system[16]; /* "ext4", "xfs", "tmpfs" ... or its magic in hex. */
    bool block_device;    /* One block device of its own. */
    bool flush_covers_device;
    bool direct;                  /* O_DIRECT opens. */
    uint32_t direct_memory_align; /* As statx says (Linux 6.1); 0: it does not. */
    uint32_t direct_offset_align;
    bool direct_fits;   /* O_DIRECT with 4 KiB blocks works. */
    bool durable_write; /* RWF_DSYNC works. */
    bool reserve;       /* fallocate works. */
    bool zero_range;
    uint64_t total_bytes;
    uint64_t free_bytes;
    /* Medians over flush_rounds of 4 KiB; 0: not measured. */
    uint64_t write_ns;
    uint64_t durable_write_ns;
    uint64_t flush_ns; /* Write and fdatasync. */
};

void io_probe_run(const struct io_probe_options *options, struct io_probe *probe);

#endif
