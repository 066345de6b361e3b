#include "storage/io/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/stat.h> /* struct statx with its alignment fields; not together with sys/stat.h. */

#include "storage/io/disk.h"

enum {
    ROUNDS_MAX = 64,
    PATH_BYTES_MAX = 4096,
};

/* clang-format off */
static const struct { uint64_t magic; const char *name; bool covers; } file_systems[] = {
    {EXT4_SUPER_MAGIC,      "ext4",      true},
    {0x58465342,            "xfs",       true},
    {BTRFS_SUPER_MAGIC,     "btrfs",     false},
    {TMPFS_MAGIC,           "tmpfs",     false},
    {OVERLAYFS_SUPER_MAGIC, "overlayfs", false},
    {NFS_SUPER_MAGIC,       "nfs",       false},
    {F2FS_SUPER_MAGIC,      "f2fs",      false},
    {0x2fc12fc1,            "zfs",       false},
    {0x65735546,            "fuse",      false},
};
/* clang-format on */

static void ring_probe(const struct io_probe_options *options, struct io_probe *probe)
{
    const struct ring_options wanted = {.submissions = 64,
                                        .completions = 128,
                                        .file_count_max = 4,
                                        .linux_6_1_only = options->linux_6_1_only};
    struct ring *ring = ring_create(&wanted, &probe->ring_error);
    if (ring == NULL) {
        return;
    }
    const int started = ring_start(ring);
    probe->ring_error = -started;
    probe->ring_works = started == 0;
    if (options->memory_bytes > 0) {
        void *memory = mmap(NULL, options->memory_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory != MAP_FAILED) {
            probe->memory_registers = ring_add_memory(ring, memory, options->memory_bytes) == 0;
            probe->features = *ring_features(ring);
            ring_destroy(ring);
            munmap(memory, options->memory_bytes);
            return;
        }
    }
    probe->features = *ring_features(ring);
    ring_destroy(ring);
}

static void machine_probe(struct io_probe *probe)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
        probe->memlock_bytes = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    }
    struct utsname names;
    if (uname(&names) == 0) {
        (void)snprintf(probe->kernel_release, sizeof(probe->kernel_release), "%s", names.release);
    }
}

static void file_system_probe(int fd, struct io_probe *probe)
{
    struct statx info;
    memset(&info, 0, sizeof(info));
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_DIOALIGN, &info) == 0) {
        probe->block_device = info.stx_dev_major != 0;
        if ((info.stx_mask & STATX_DIOALIGN) != 0) {
            probe->direct_memory_align = info.stx_dio_mem_align;
            probe->direct_offset_align = info.stx_dio_offset_align;
        }
    }
    struct statfs system;
    if (fstatfs(fd, &system) == 0) {
        const uint64_t magic = (uint64_t)system.f_type & UINT32_MAX;
        (void)snprintf(probe->file_system, sizeof(probe->file_system), "0x%llx",
                       (unsigned long long)magic);
        for (size_t i = 0; i < ARRAY_SIZE(file_systems); i++) {
            if (file_systems[i].magic == magic) {
                (void)snprintf(probe->file_system, sizeof(probe->file_system), "%s",
                               file_systems[i].name);
                probe->flush_covers_device = file_systems[i].covers && probe->block_device;
            }
        }
    }
    struct statvfs space;
    if (fstatvfs(fd, &space) == 0) {
        probe->total_bytes = (uint64_t)space.f_blocks * space.f_frsize;
        probe->free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    }
}

static uint64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static int time_compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

enum write_way { WRITE_PLAIN, WRITE_DSYNC, WRITE_FLUSH };

static bool block_write(int fd, uint8_t *block, uint64_t offset, enum write_way way)
{
    const struct iovec piece = {block, DISK_BLOCK_BYTES};
    const int flags = way == WRITE_DSYNC ? RWF_DSYNC : 0;
    return pwritev2(fd, &piece, 1, (off_t)offset, flags) == DISK_BLOCK_BYTES &&
           (way != WRITE_FLUSH || fdatasync(fd) == 0);
}

/* The median over rounds, 0 when it does not work. */
static uint64_t write_measure(int fd, uint8_t *block, uint32_t rounds, enum write_way way)
{
    uint64_t times[ROUNDS_MAX];
    rounds = min_u32(rounds, ROUNDS_MAX);
    for (uint32_t i = 0; i < rounds; i++) {
        const uint64_t start_ns = clock_ns();
        if (!block_write(fd, block, (uint64_t)i * DISK_BLOCK_BYTES, way)) {
            return 0;
        }
        times[i] = clock_ns() - start_ns;
    }
    if (rounds == 0) {
        return 0;
    }
    qsort(times, rounds, sizeof(times[0]), time_compare);
    return times[rounds / 2];
}

static void writes_probe(const char *path, int fd, const struct io_probe_options *options,
                         struct io_probe *probe)
{
    uint8_t *block = aligned_alloc(DISK_BLOCK_BYTES, DISK_BLOCK_BYTES);
    if (block == NULL) {
        return;
    }
    memset(block, 0, DISK_BLOCK_BYTES);
    const off_t size = (off_t)ROUNDS_MAX * DISK_BLOCK_BYTES;
    probe->reserve = fallocate(fd, 0, 0, size) == 0;
    probe->zero_range = fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, size) == 0;
    const int direct_fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    probe->direct = direct_fd >= 0;
    const int data_fd = direct_fd >= 0 ? direct_fd : fd;
    probe->direct_fits = probe->direct && block_write(direct_fd, block, 0, WRITE_PLAIN);
    probe->durable_write = block_write(data_fd, block, 0, WRITE_DSYNC);
    if (options->flush_rounds > 0) {
        (void)write_measure(data_fd, block, ROUNDS_MAX, WRITE_PLAIN); /* Extents are written now. */
        probe->write_ns = write_measure(data_fd, block, options->flush_rounds, WRITE_PLAIN);
        probe->durable_write_ns = write_measure(data_fd, block, options->flush_rounds, WRITE_DSYNC);
        probe->flush_ns = write_measure(data_fd, block, options->flush_rounds, WRITE_FLUSH);
    }
    if (direct_fd >= 0) {
        (void)close(direct_fd);
    }
    free(block);
}

static void directory_probe(const struct io_probe_options *options, struct io_probe *probe)
{
    char path[PATH_BYTES_MAX];
    const int len = snprintf(path, sizeof(path), "%s/.millrace-probe-XXXXXX", options->directory);
    if (len < 0 || len >= (int)sizeof(path)) {
        probe->directory_error = ENAMETOOLONG;
        return;
    }
    const int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        probe->directory_error = errno;
        return;
    }
    file_system_probe(fd, probe);
    writes_probe(path, fd, options, probe);
    (void)unlink(path);
    (void)close(fd);
}

void io_probe_run(const struct io_probe_options *options, struct io_probe *probe)
{
    memset(probe, 0, sizeof(*probe));
    machine_probe(probe);
    ring_probe(options, probe);
    directory_probe(options, probe);
}
