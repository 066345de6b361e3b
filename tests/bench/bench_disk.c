/* Which way to make writes durable, and how fast reads can be (H8, H12): measured through the same
 * ring and disk as the broker's, on the file system that holds DIRECTORY.
 *
 *     bench_disk DIRECTORY [--depth N] [--ms N] [--cpu N] [--linux-6-1] [--sleep]
 *
 * Not a test: the figures are for reading. --sleep waits in the kernel instead of polling. Writes
 * up to 1 GiB per line. A lock file keeps two benchmarks of one machine apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/histogram.h"
#include "storage/io/disk_ring.h"
#include "storage/io/file.h"

enum {
    FILE_BYTES = 1 << 30,
    DEPTH_MAX = 64,
    OP_BYTES_MAX = 1 << 20,
};

enum way { WAY_WRITE, WAY_LINKED, WAY_DSYNC, WAY_GROUP, WAY_READ, WAY_COUNT };

static const char *const way_names[WAY_COUNT] = {"write only", "write->flush", "RWF_DSYNC",
                                                 "group flush", "read"};

struct settings {
    const char *directory;
    uint32_t depth;
    uint32_t ms;
    int32_t cpu;
    bool linux_6_1_only;
    bool sleep;
};

enum slot_state { SLOT_FREE, SLOT_UNDER_WAY, SLOT_WRITTEN, SLOT_FLUSHING };

struct slot {
    struct disk_op op;
    uint64_t start_ns;
    enum slot_state state;
};

struct bench {
    struct settings settings;
    struct file_system *fs;
    struct ring *ring;
    struct disk *disk;
    uint8_t *memory;
    int fd;
    int32_t file_slot;
    char path[1024];
    struct slot slots[DEPTH_MAX];
    struct disk_op flush_op;
    bool flush_under_way;
    struct histogram latency_ns;
    uint64_t done_bytes;
    uint64_t errors;
};

static uint64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Of all threads, kernel workers of the ring included. */
static double cpu_seconds(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static _Noreturn void die(const char *what, int error)
{
    (void)fprintf(stderr, "bench_disk: %s: %s\n", what, strerror(error));
    exit(1);
}

static void lock_take(void)
{
    const int fd = open("/tmp/millrace-bench.lock", O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        die("lock", errno);
    }
}

/* ---- Setting up ----------------------------------------------------------------------------- */

static void ring_open(struct bench *bench, enum way way)
{
    int error = 0;
    const struct ring_options ring = {.submissions = 256,
                                      .completions = 1024,
                                      .file_count_max = 4,
                                      .linux_6_1_only = bench->settings.linux_6_1_only,
                                      .core_cpus = &bench->settings.cpu,
                                      .core_cpu_count = 1};
    bench->ring = ring_create(&ring, &error);
    if (bench->ring == NULL) {
        die("io_uring", error);
    }
    const struct disk_options disk = {.operation_count_max = DEPTH_MAX + 1,
                                      .slot_count = 4,
                                      .durable_way = way == WAY_LINKED ? DISK_DURABLE_LINKED
                                                                       : DISK_DURABLE_DSYNC};
    bench->disk =
        disk_create(bench->ring, bench->memory, (uint64_t)DEPTH_MAX * OP_BYTES_MAX, &disk);
    error = -ring_start(bench->ring);
    bench->file_slot = disk_add_file(bench->disk, bench->fd, false);
    if (error != 0 || bench->file_slot < 0) {
        die("ring", error);
    }
}

static void ring_close_all(struct bench *bench)
{
    disk_remove_file(bench->disk, bench->file_slot);
    disk_destroy(bench->disk);
    ring_destroy(bench->ring);
}

static void file_make(struct bench *bench)
{
    const unsigned mode = FILE_READ | FILE_WRITE | FILE_CREATE;
    (void)snprintf(bench->path, sizeof(bench->path), "%s/bench-disk.tmp",
                   bench->settings.directory);
    bench->fd = file_open(bench->fs, bench->path, mode | FILE_DIRECT);
    if (bench->fd == -EINVAL) {
        (void)printf("no O_DIRECT here: buffered\n");
        bench->fd = file_open(bench->fs, bench->path, mode);
    }
    if (bench->fd < 0) {
        die(bench->path, -bench->fd);
    }
}

/* Brings the file's extents into the wanted state, all on the device. */
static void file_prepare(struct bench *bench, bool written)
{
    int error = file_truncate(bench->fs, bench->fd, 0);
    if (error == 0) {
        error = file_reserve(bench->fs, bench->fd, 0, FILE_BYTES);
    }
    for (uint64_t at = 0; error == 0 && written && at < FILE_BYTES; at += OP_BYTES_MAX) {
        if (file_write(bench->fs, bench->fd, bench->memory, OP_BYTES_MAX, at) < 0) {
            error = -EIO;
        }
    }
    if (error == 0) {
        error = file_sync(bench->fs, bench->fd);
    }
    if (error != 0) {
        die("prepare", -error);
    }
}

/* ---- One line of the table ------------------------------------------------------------------ */

static void slot_submit(struct bench *bench, uint32_t index, enum way way, uint64_t offset,
                        uint32_t len)
{
    static const enum disk_op_kind kinds[WAY_COUNT] = {DISK_WRITE, DISK_WRITE_DURABLE,
                                                       DISK_WRITE_DURABLE, DISK_WRITE, DISK_READ};
    struct slot *slot = &bench->slots[index];
    slot->op = (struct disk_op){.kind = kinds[way],
                                .slot = bench->file_slot,
                                .offset = offset,
                                .buffer = bench->memory + (uint64_t)index * OP_BYTES_MAX,
                                .len = len,
                                .owner = slot};
    slot->state = SLOT_UNDER_WAY;
    slot->start_ns = clock_ns();
    disk_submit(bench->disk, &slot->op);
}

static void slot_finish(struct bench *bench, struct slot *slot, uint64_t now_ns)
{
    histogram_record(&bench->latency_ns, now_ns - slot->start_ns);
    bench->done_bytes += slot->op.len;
    slot->state = SLOT_FREE;
}

static void flush_done(struct bench *bench, uint64_t now_ns)
{
    bench->flush_under_way = false;
    for (uint32_t i = 0; i < bench->settings.depth; i++) {
        if (bench->slots[i].state == SLOT_FLUSHING) {
            slot_finish(bench, &bench->slots[i], now_ns);
        }
    }
}

/* One flush for everything that was written since the last one began. */
static void flush_start(struct bench *bench)
{
    bool any = false;
    for (uint32_t i = 0; !bench->flush_under_way && i < bench->settings.depth; i++) {
        if (bench->slots[i].state == SLOT_WRITTEN) {
            bench->slots[i].state = SLOT_FLUSHING;
            any = true;
        }
    }
    if (any) {
        bench->flush_op = (struct disk_op){.kind = DISK_FLUSH, .slot = bench->file_slot};
        bench->flush_under_way = true;
        disk_submit(bench->disk, &bench->flush_op);
    }
}

static void turn(struct bench *bench, enum way way)
{
    struct ring_event event;
    struct disk_op *op;
    (void)(bench->settings.sleep ? ring_wait(bench->ring, 1000000) : ring_submit(bench->ring));
    const uint64_t now_ns = clock_ns();
    while (ring_next_event(bench->ring, &event)) {
        disk_complete(bench->disk, &event, now_ns);
    }
    (void)disk_advance(bench->disk, now_ns);
    while ((op = disk_done(bench->disk)) != NULL) {
        bench->errors += op->result < 0;
        if (op == &bench->flush_op) {
            flush_done(bench, now_ns);
        } else if (way == WAY_GROUP) {
            ((struct slot *)op->owner)->state = SLOT_WRITTEN;
        } else {
            slot_finish(bench, op->owner, now_ns);
        }
    }
    if (way == WAY_GROUP) {
        flush_start(bench);
    }
}

static bool idle(const struct bench *bench)
{
    for (uint32_t i = 0; i < bench->settings.depth; i++) {
        if (bench->slots[i].state != SLOT_FREE) {
            return false;
        }
    }
    return true;
}

static void line_run(struct bench *bench, enum way way, uint32_t len, const char *extents)
{
    ring_open(bench, way);
    bench->latency_ns = (struct histogram){0};
    bench->done_bytes = 0;
    bench->errors = 0;
    const double cpu_start = cpu_seconds();
    const uint64_t start_ns = clock_ns();
    const uint64_t end_ns = start_ns + bench->settings.ms * 1000000ull;
    uint64_t offset = 0;
    bool more = true;
    while (more || !idle(bench)) {
        more = more && clock_ns() < end_ns;
        for (uint32_t i = 0; more && i < bench->settings.depth; i++) {
            if (bench->slots[i].state == SLOT_FREE && offset < FILE_BYTES) {
                slot_submit(bench, i, way, offset, len);
                offset += len;
            }
        }
        more = more && offset < FILE_BYTES;
        turn(bench, way);
    }
    const double seconds = (double)(clock_ns() - start_ns) / 1e9;
    const double megabytes = (double)bench->done_bytes / 1e6;
    const struct histogram *latency = &bench->latency_ns;
    (void)printf(
        "%-13s %4u KiB  %-9s %8.0f MB/s %8.0f /s  p50 %6.0f  p99 %6.0f  p99.9 %7.0f us"
        "  %5.2f cpu-s/GB%s\n",
        way_names[way], len / 1024, extents, megabytes / seconds, (double)latency->count / seconds,
        (double)histogram_percentile(latency, 50000) / 1e3,
        (double)histogram_percentile(latency, 99000) / 1e3,
        (double)histogram_percentile(latency, 99900) / 1e3,
        (cpu_seconds() - cpu_start) / (megabytes / 1e3), bench->errors > 0 ? "  ERRORS" : "");
    (void)fflush(stdout);
    ring_close_all(bench);
}

static void table_run(struct bench *bench)
{
    static const uint32_t sizes[] = {4096, 16384, 65536, 262144};
    static const uint32_t read_sizes[] = {4096, 65536, 131072, 1048576};
    for (int written = 1; written >= 0; written--) {
        for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
            for (enum way way = WAY_WRITE; way <= WAY_GROUP; way++) {
                if (written == 0 || (s == 0 && way == WAY_WRITE)) {
                    file_prepare(bench, written == 1);
                }
                line_run(bench, way, sizes[s], written == 1 ? "written" : "unwritten");
            }
        }
    }
    file_prepare(bench, true);
    for (size_t s = 0; s < ARRAY_SIZE(read_sizes); s++) {
        line_run(bench, WAY_READ, read_sizes[s], "written");
    }
}

/* ---- Start ---------------------------------------------------------------------------------- */

static bool arguments_read(int argc, char **argv, struct settings *settings)
{
    *settings = (struct settings){.depth = 8, .ms = 400, .cpu = 0};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--linux-6-1") == 0) {
            settings->linux_6_1_only = true;
        } else if (strcmp(argv[i], "--sleep") == 0) {
            settings->sleep = true;
        } else if (strcmp(argv[i], "--depth") == 0 && value != NULL) {
            settings->depth = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--ms") == 0 && value != NULL) {
            settings->ms = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--cpu") == 0 && value != NULL) {
            settings->cpu = (int32_t)strtol(argv[++i], NULL, 10);
        } else if (argv[i][0] != '-' && settings->directory == NULL) {
            settings->directory = argv[i];
        } else {
            return false;
        }
    }
    return settings->directory != NULL && settings->depth > 0 && settings->depth <= DEPTH_MAX;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    if (!arguments_read(argc, argv, &bench.settings)) {
        (void)fprintf(stderr, "usage: bench_disk DIRECTORY [--depth 1..64] [--ms N] [--cpu N] "
                              "[--linux-6-1] [--sleep]\n");
        return 2;
    }
    lock_take();
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)bench.settings.cpu, &cpus);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
    bench.fs = file_system_real(0);
    const size_t memory_bytes = (size_t)DEPTH_MAX * OP_BYTES_MAX;
    bench.memory = aligned_alloc(1 << 21, memory_bytes);
    if (bench.memory == NULL) {
        die("memory", ENOMEM);
    }
    (void)madvise(bench.memory, memory_bytes, MADV_HUGEPAGE); /* As the arena is. */
    memset(bench.memory, 0xa5, memory_bytes);
    file_make(&bench);
    (void)printf("%u in flight, %s, on CPU %d\n", bench.settings.depth,
                 bench.settings.sleep ? "sleeping" : "polling", bench.settings.cpu);
    table_run(&bench);
    file_close(bench.fs, bench.fd);
    return file_unlink(bench.fs, bench.path) == 0 ? 0 : 1;
}
