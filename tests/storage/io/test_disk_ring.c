/* Disks over a real ring on real files, with all this kernel has and with Linux 6.1's share only.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/io/disk_ring.h"
#include "storage/io/file.h"

enum {
    BLOCK = DISK_BLOCK_BYTES,
    MEMORY_BYTES = 256 * BLOCK,
    OPERATIONS = 32,
    SLOTS = 4,
};

struct setting {
    const char *what;
    bool linux_6_1_only;
    bool direct;
    bool unregistered;
    enum disk_durable_way durable_way;
};

/* clang-format off */
static const struct setting settings[] = {
    {"everything",          false, true,  false, DISK_DURABLE_DSYNC},
    {"Linux 6.1",           true,  true,  false, DISK_DURABLE_DSYNC},
    {"no O_DIRECT",         false, false, false, DISK_DURABLE_DSYNC},
    {"unregistered memory", true,  true,  true,  DISK_DURABLE_DSYNC},
    {"linked flushes",      true,  true,  false, DISK_DURABLE_LINKED},
};
/* clang-format on */

struct world {
    char directory[64];
    struct file_system *fs;
    struct ring *ring;
    struct disk *disk;
    uint8_t *memory;
    int fd;
    int32_t slot;
    bool direct;
};

static uint64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static int open_file(struct world *world, const char *name)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/%s", world->directory, name);
    const unsigned mode = FILE_READ | FILE_WRITE | FILE_CREATE;
    int fd = world->direct ? file_open(world->fs, path, mode | FILE_DIRECT) : -EINVAL;
    if (fd == -EINVAL) { /* This file system has no O_DIRECT: the fallback is what is tested. */
        fd = file_open(world->fs, path, mode);
    }
    assert_true(fd >= 0);
    return fd;
}

static void world_open(struct world *world, const struct setting *setting, uint32_t flush_delay_us)
{
    *world = (struct world){.directory = "/tmp/millrace-disk-XXXXXX", .direct = setting->direct};
    assert_non_null(mkdtemp(world->directory));
    world->fs = file_system_real(0);
    int error = 0;
    world->ring = ring_create(&(struct ring_options){.submissions = 16,
                                                     .completions = 64,
                                                     .file_count_max = SLOTS,
                                                     .linux_6_1_only = setting->linux_6_1_only,
                                                     .no_memory = setting->unregistered},
                              &error);
    assert_non_null(world->ring);
    world->memory =
        mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(world->memory != MAP_FAILED);
    world->disk = disk_create(world->ring, world->memory, MEMORY_BYTES,
                              &(struct disk_options){.operation_count_max = OPERATIONS,
                                                     .slot_count = SLOTS,
                                                     .flush_delay_us = flush_delay_us,
                                                     .durable_way = setting->durable_way});
    assert_non_null(world->disk);
    assert_int_equal(ring_features(world->ring)->registered_memory, !setting->unregistered);
    assert_int_equal(ring_start(world->ring), 0);
    world->fd = open_file(world, "file");
    assert_int_equal(file_reserve(world->fs, world->fd, 0, MEMORY_BYTES), 0);
    world->slot = disk_add_file(world->disk, world->fd, false);
    assert_int_equal(world->slot, 0);
    (void)disk_advance(world->disk, clock_ns());
}

static int remove_entry(void *context, const struct file_entry *entry)
{
    const struct world *world = context;
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%.300s", world->directory, entry->name);
    return file_unlink(world->fs, path);
}

static void world_close(struct world *world)
{
    disk_destroy(world->disk);
    ring_destroy(world->ring);
    munmap(world->memory, MEMORY_BYTES);
    file_close(world->fs, world->fd);
    assert_int_equal(file_list(world->fs, world->directory, remove_entry, world), 0);
    assert_int_equal(file_remove_directory(world->fs, world->directory), 0);
    free(world->fs);
}

/* One turn. */
static void turn(struct world *world)
{
    assert_int_equal(ring_submit(world->ring), 0);
    struct ring_event event;
    while (ring_next_event(world->ring, &event)) {
        assert_int_equal(event.op->owner, RING_OWNER_DISK);
        disk_complete(world->disk, &event, clock_ns());
    }
    (void)disk_advance(world->disk, clock_ns());
}

static struct disk_op *wait_done(struct world *world)
{
    struct disk_op *op;
    while ((op = disk_done(world->disk)) == NULL) {
        turn(world);
        const uint64_t deadline_ns = disk_next_deadline_ns(world->disk);
        const uint64_t now_ns = clock_ns();
        if (deadline_ns > now_ns) {
            (void)ring_wait(world->ring, min_u64(deadline_ns - now_ns, 1000000));
        }
    }
    return op;
}

static int32_t run(struct world *world, enum disk_op_kind kind, uint64_t offset, uint8_t *buffer,
                   uint32_t len)
{
    struct disk_op op = {
        .kind = kind, .slot = world->slot, .offset = offset, .buffer = buffer, .len = len};
    disk_submit(world->disk, &op);
    assert_ptr_equal(wait_done(world), &op);
    return op.result;
}

static void many_operations_of_one_turn_all_end(void **state)
{
    (void)state;
    for (size_t s = 0; s < ARRAY_SIZE(settings); s++) {
        struct world world;
        world_open(&world, &settings[s], 0);
        for (uint32_t b = 0; b < MEMORY_BYTES / 2; b++) {
            world.memory[b] = (uint8_t)(b / BLOCK + b);
        }
        struct disk_op ops[OPERATIONS];
        for (uint32_t i = 0; i < OPERATIONS; i++) {
            ops[i] = (struct disk_op){.kind = i % 2 == 0 ? DISK_WRITE : DISK_WRITE_DURABLE,
                                      .slot = world.slot,
                                      .offset = (uint64_t)i * 4 * BLOCK,
                                      .buffer = world.memory + i * 4 * BLOCK,
                                      .len = 4 * BLOCK};
            disk_submit(world.disk, &ops[i]);
        }
        assert_int_equal(disk_room(world.disk), 0);
        for (uint32_t i = 0; i < OPERATIONS; i++) {
            assert_int_equal(wait_done(&world)->result, 4 * BLOCK);
        }
        assert_int_equal(run(&world, DISK_FLUSH, 0, NULL, 0), 0);
        uint8_t *second = world.memory + MEMORY_BYTES / 2;
        assert_int_equal(run(&world, DISK_READ, 0, second, MEMORY_BYTES / 2), MEMORY_BYTES / 2);
        assert_memory_equal(world.memory, second, MEMORY_BYTES / 2);
        const struct disk_counters *counters = disk_counters(world.disk);
        assert_int_equal(counters->kinds[DISK_WRITE].operations, OPERATIONS / 2);
        assert_int_equal(counters->kinds[DISK_WRITE_DURABLE].bytes, OPERATIONS / 2 * 4 * BLOCK);
        assert_int_equal(counters->kinds[DISK_FLUSH].operations, 1);
        world_close(&world);
    }
}

static void a_read_over_the_end_brings_zeros(void **state)
{
    (void)state;
    for (size_t s = 0; s < ARRAY_SIZE(settings); s++) {
        struct world world;
        world_open(&world, &settings[s], 0);
        memset(world.memory, 3, 2 * BLOCK);
        assert_int_equal(run(&world, DISK_WRITE, 0, world.memory, 2 * BLOCK), 2 * BLOCK);
        assert_int_equal(file_truncate(world.fs, world.fd, BLOCK + 100), 0);
        memset(world.memory, 0xee, 5 * BLOCK);
        assert_int_equal(run(&world, DISK_READ, 0, world.memory, 4 * BLOCK), 4 * BLOCK);
        assert_int_equal(world.memory[BLOCK + 99], 3);
        assert_int_equal(world.memory[BLOCK + 100], 0);
        assert_int_equal(world.memory[4 * BLOCK - 1], 0);
        assert_int_equal(world.memory[4 * BLOCK], 0xee);
        assert_int_equal(run(&world, DISK_READ, 64 * BLOCK, world.memory, BLOCK), BLOCK);
        assert_int_equal(world.memory[0], 0);
        world_close(&world);
    }
}

static void a_short_write_is_continued_and_its_error_told(void **state)
{
    (void)state;
    const struct rlimit limit = {2 * BLOCK, RLIM_INFINITY};
    struct rlimit old;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (size_t s = 0; s < ARRAY_SIZE(settings); s++) {
        struct world world;
        world_open(&world, &settings[s], 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(run(&world, DISK_WRITE, 0, world.memory, 4 * BLOCK), -EFBIG);
        assert_int_equal(run(&world, DISK_WRITE_DURABLE, 0, world.memory, 4 * BLOCK), -EFBIG);
        assert_int_equal(disk_counters(world.disk)->continued, 2);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(run(&world, DISK_WRITE, 0, world.memory, 4 * BLOCK), 4 * BLOCK);
        world_close(&world);
    }
}

static void slots_run_out_and_come_back(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &settings[0], 0);
    const int other = open_file(&world, "other");
    for (int32_t i = 1; i < SLOTS; i++) {
        assert_int_equal(disk_add_file(world.disk, other, false), i);
    }
    assert_int_equal(disk_add_file(world.disk, other, false), -ENOSPC);
    disk_remove_file(world.disk, 2);
    assert_int_equal(disk_add_file(world.disk, -1, false), -EBADF);
    assert_int_equal(disk_add_file(world.disk, other, false), 2);
    file_close(world.fs, other); /* The slot keeps the file. */
    world.slot = 2;
    memset(world.memory, 9, BLOCK);
    assert_int_equal(run(&world, DISK_WRITE, 0, world.memory, BLOCK), BLOCK);
    assert_int_equal(run(&world, DISK_READ, 0, world.memory + BLOCK, BLOCK), BLOCK);
    assert_int_equal(world.memory[BLOCK], 9);
    world_close(&world);
}

static void a_write_into_a_file_opened_for_reading_fails_alone(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &settings[0], 0);
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/file", world.directory);
    const int fd = file_open(world.fs, path, FILE_READ);
    const int32_t good = world.slot;
    world.slot = disk_add_file(world.disk, fd, false);
    assert_int_equal(run(&world, DISK_WRITE, 0, world.memory, BLOCK), -EBADF);
    assert_int_equal(disk_counters(world.disk)->kinds[DISK_WRITE].errors, 1);
    world.slot = good;
    assert_int_equal(run(&world, DISK_WRITE, 0, world.memory, BLOCK), BLOCK);
    file_close(world.fs, fd);
    world_close(&world);
}

static void an_injected_delay_holds_flushes_back(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &settings[0], 2000);
    struct disk_op op = {.kind = DISK_FLUSH, .slot = world.slot};
    const uint64_t start_ns = clock_ns();
    (void)disk_advance(world.disk, start_ns);
    disk_submit(world.disk, &op);
    assert_ptr_equal(wait_done(&world), &op);
    assert_true(op.done_ns >= start_ns + 2000000);
    print_message("# a flush with a delay of 2000 us took %lu us\n",
                  (unsigned long)((op.done_ns - start_ns) / 1000));
    world_close(&world);
}

/* H3: the lock lives in the ring too. */
static void the_directory_lock_is_held_as_long_as_the_ring_has_the_file(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &settings[0], 0);
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/lock", world.directory);
    const unsigned mode = FILE_READ | FILE_WRITE | FILE_CREATE;
    const int lock = file_open(world.fs, path, mode);
    assert_int_equal(file_lock(world.fs, lock), 0);
    const int32_t slot = disk_add_file(world.disk, lock, false);
    assert_true(slot >= 0);
    file_close(world.fs, lock);
    const int other = file_open(world.fs, path, mode);
    assert_int_equal(file_lock_wait(world.fs, other, 3), -EWOULDBLOCK);
    disk_remove_file(world.disk, slot);
    assert_int_equal(file_lock_wait(world.fs, other, 5000), 0);
    file_close(world.fs, other);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_operations_of_one_turn_all_end),
        cmocka_unit_test(a_read_over_the_end_brings_zeros),
        cmocka_unit_test(a_short_write_is_continued_and_its_error_told),
        cmocka_unit_test(slots_run_out_and_come_back),
        cmocka_unit_test(a_write_into_a_file_opened_for_reading_fails_alone),
        cmocka_unit_test(an_injected_delay_holds_flushes_back),
        cmocka_unit_test(the_directory_lock_is_held_as_long_as_the_ring_has_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
