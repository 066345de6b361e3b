#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_housekeeping.h"
#include "tests/sim/sim_machine.h"

enum {
    SEEDS = 200,
    BLOCK = DISK_BLOCK_BYTES,
};

/* One machine with one process on it, and a file open for a disk. */
struct world {
    struct sim_machine *machine;
    struct sim_process *process;
    struct file_system *fs;
    struct disk *disk;
    int fd;
    int32_t slot;
};

static uint8_t memory[64 * BLOCK] __attribute__((aligned(4096)));

static struct world world_open(const struct sim_options *options)
{
    struct world world = {.machine = sim_machine_create(options)};
    world.process = sim_process_start(world.machine);
    world.fs = sim_process_files(world.process);
    world.disk = sim_disk_create(world.process, memory, sizeof(memory), 4, 16);
    world.fd = file_open(world.fs, "/file", FILE_READ | FILE_WRITE | FILE_CREATE | FILE_DIRECT);
    assert_true(world.fd >= 0);
    assert_int_equal(file_reserve(world.fs, world.fd, 0, 64 * BLOCK), 0);
    assert_int_equal(file_sync(world.fs, world.fd), 0);
    assert_int_equal(file_sync_directory(world.fs, "/"), 0);
    world.slot = disk_add_file(world.disk, world.fd, false);
    assert_int_equal(world.slot, 0);
    return world;
}

static struct world world_of_seed(uint64_t seed)
{
    return world_open(&(struct sim_options){.seed = seed});
}

static void world_close(struct world *world)
{
    sim_machine_invariants(world->machine);
    sim_machine_destroy(world->machine);
}

static struct disk_op op_of(enum disk_op_kind kind, uint32_t block, uint32_t count, uint8_t *buffer)
{
    return (struct disk_op){.kind = kind,
                            .offset = (uint64_t)block * BLOCK,
                            .buffer = buffer,
                            .len = kind == DISK_FLUSH ? 0 : count * BLOCK};
}

/* Runs until everything submitted is done; returns how many came back. */
static uint32_t run(struct world *world)
{
    uint32_t count = 0;
    do {
        while (disk_done(world->disk) != NULL) {
            count++;
        }
    } while (sim_machine_step(world->machine));
    while (disk_done(world->disk) != NULL) {
        count++;
    }
    return count;
}

static void run_op(struct world *world, struct disk_op *op)
{
    op->slot = world->slot;
    disk_submit(world->disk, op);
    assert_int_equal(run(world), 1);
}

static uint8_t byte_at(struct world *world, uint64_t offset)
{
    uint8_t byte = 0xee;
    assert_int_equal(sim_machine_peek(world->machine, "/file", &byte, 1, offset), 1);
    return byte;
}

static void write_block(struct world *world, enum disk_op_kind kind, uint32_t block, uint8_t value)
{
    memset(memory, value, BLOCK);
    struct disk_op op = op_of(kind, block, 1, memory);
    run_op(world, &op);
    assert_int_equal(op.result, BLOCK);
}

static void flush(struct world *world)
{
    struct disk_op op = op_of(DISK_FLUSH, 0, 0, NULL);
    run_op(world, &op);
    assert_int_equal(op.result, 0);
}

static void a_disk_reads_what_was_written_and_zeros_behind_the_end(void **state)
{
    (void)state;
    struct world world = world_of_seed(1);
    write_block(&world, DISK_WRITE, 63, 7);
    memset(memory, 0xaa, 2 * BLOCK);
    struct disk_op op = op_of(DISK_READ, 63, 2, memory);
    run_op(&world, &op);
    assert_int_equal(op.result, 2 * BLOCK);
    assert_int_equal(memory[0], 7);
    assert_int_equal(memory[BLOCK - 1], 7);
    assert_int_equal(memory[BLOCK], 0);
    assert_int_equal(memory[2 * BLOCK - 1], 0);
    assert_true(op.done_ns >= 1000000000);
    world_close(&world);
}

static void a_power_cut_keeps_tears_or_loses_what_was_not_flushed(void **state)
{
    (void)state;
    uint32_t kept = 0;
    uint32_t lost = 0;
    uint32_t torn = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_of_seed(seed);
        write_block(&world, DISK_WRITE, 3, 1);
        flush(&world);
        write_block(&world, DISK_WRITE, 3, 2);
        sim_machine_power_cut(world.machine);
        uint32_t new_sectors = 0;
        for (uint32_t sector = 0; sector < 8; sector++) {
            const uint8_t first = byte_at(&world, 3 * BLOCK + sector * 512);
            assert_true(first == 1 || first == 2);
            for (uint32_t b = 1; b < 512; b++) { /* Sectors never tear. */
                assert_int_equal(byte_at(&world, 3 * BLOCK + sector * 512 + b), first);
            }
            new_sectors += first == 2;
        }
        kept += new_sectors == 8;
        lost += new_sectors == 0;
        torn += new_sectors > 0 && new_sectors < 8;
        world_close(&world);
    }
    assert_true(kept > 10 && lost > 10 && torn > 10);
}

static void flushed_and_durable_writes_survive_every_power_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_of_seed(seed);
        write_block(&world, DISK_WRITE, 0, 1);
        flush(&world);
        write_block(&world, DISK_WRITE_DURABLE, 1, 2);
        sim_machine_power_cut(world.machine);
        for (uint32_t b = 0; b < BLOCK; b += 256) {
            assert_int_equal(byte_at(&world, b), 1);
            assert_int_equal(byte_at(&world, BLOCK + b), 2);
        }
        world_close(&world);
    }
}

static void a_flush_does_not_cover_a_write_under_way(void **state)
{
    (void)state;
    uint32_t lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_of_seed(seed);
        memset(memory, 9, BLOCK);
        struct disk_op write = op_of(DISK_WRITE, 0, 1, memory);
        struct disk_op both = op_of(DISK_FLUSH, 0, 0, NULL);
        disk_submit(world.disk, &write);
        disk_submit(world.disk, &both);
        assert_int_equal(run(&world), 2);
        assert_int_equal(write.result, BLOCK);
        assert_int_equal(both.result, 0);
        sim_machine_power_cut(world.machine);
        lost += byte_at(&world, 0) == 0;
        world_close(&world);
    }
    assert_true(lost > 10);
}

static void a_flush_of_one_file_covers_the_device_only_where_it_says_so(void **state)
{
    (void)state;
    for (uint32_t covers = 0; covers <= 1; covers++) {
        uint32_t overwrites_lost = 0;
        uint32_t fresh_lost = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct world world =
                world_open(&(struct sim_options){.seed = seed, .flush_covers_device = covers == 1});
            write_block(&world, DISK_WRITE_DURABLE, 0, 1);
            write_block(&world, DISK_WRITE, 0, 2);
            write_block(&world, DISK_WRITE, 1, 2); /* Into an unwritten extent. */
            const int other = file_open(world.fs, "/other", FILE_WRITE | FILE_CREATE);
            const int32_t slot = disk_add_file(world.disk, other, false);
            struct disk_op op = op_of(DISK_FLUSH, 0, 0, NULL);
            op.slot = slot;
            assert_int_equal(disk_flush_covers_device(world.disk, slot), covers == 1);
            disk_submit(world.disk, &op);
            assert_int_equal(run(&world), 1);
            sim_machine_power_cut(world.machine);
            overwrites_lost += byte_at(&world, 0) == 1;
            fresh_lost += byte_at(&world, BLOCK) == 0;
            world_close(&world);
        }
        assert_true(covers == 1 ? overwrites_lost == 0 : overwrites_lost > 10);
        assert_true(fresh_lost > 10);
    }
}

static void two_writes_to_one_block_land_in_either_order(void **state)
{
    (void)state;
    uint32_t first_wins = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_of_seed(seed);
        memset(memory, 1, BLOCK);
        memset(memory + BLOCK, 2, BLOCK);
        struct disk_op one = op_of(DISK_WRITE, 5, 1, memory);
        struct disk_op two = op_of(DISK_WRITE, 5, 1, memory + BLOCK);
        disk_submit(world.disk, &one);
        disk_submit(world.disk, &two);
        assert_int_equal(run(&world), 2);
        first_wins += byte_at(&world, 5 * BLOCK) == 1;
        assert_int_equal(sim_machine_counters(world.machine)->overlapped_writes, 1);
        world_close(&world);
    }
    assert_in_range(first_wins, 20, SEEDS - 20);
}

static void the_device_reads_a_buffer_at_any_moment_until_done(void **state)
{
    (void)state;
    uint32_t new_bytes = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_of_seed(seed);
        memset(memory, 1, BLOCK);
        struct disk_op op = op_of(DISK_WRITE, 0, 1, memory);
        disk_submit(world.disk, &op);
        memory[100] = 2; /* While it is lent. */
        assert_int_equal(run(&world), 1);
        new_bytes += byte_at(&world, 100) == 2;
        assert_int_equal(byte_at(&world, 99), 1);
        world_close(&world);
    }
    assert_in_range(new_bytes, 20, SEEDS - 20);
}

static void writes_of_a_killed_process_land_late_while_its_lock_is_held(void **state)
{
    (void)state;
    uint32_t changed_behind_the_back = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_of_seed(seed);
        assert_int_equal(file_lock(world.fs, world.fd), 0);
        memset(memory, 5, 32 * BLOCK);
        struct disk_op ops[8];
        for (uint32_t i = 0; i < 8; i++) {
            ops[i] = op_of(DISK_WRITE, i, 1, memory);
            disk_submit(world.disk, &ops[i]);
        }
        sim_machine_advance(world.machine, sim_machine_now_ns(world.machine) + 1000);
        sim_process_kill(world.process);
        assert_false(sim_process_alive(world.process));
        assert_null(disk_done(world.disk));
        sim_process_end(world.process);
        memset(memory, 0xdd, sizeof(memory)); /* The dead process's memory is nobody's now. */

        world.process = sim_process_start(world.machine);
        world.fs = sim_process_files(world.process);
        world.fd = file_open(world.fs, "/file", FILE_READ | FILE_WRITE);
        const uint64_t before = sim_machine_digest(world.machine);
        assert_int_equal(file_lock_wait(world.fs, world.fd, 1000), 0);
        const uint64_t locked = sim_machine_digest(world.machine);
        changed_behind_the_back += before != locked;
        while (sim_machine_step(world.machine)) {
        }
        assert_true(sim_machine_digest(world.machine) == locked);
        for (uint32_t i = 0; i < 8; i++) {
            const uint8_t byte = byte_at(&world, (uint64_t)i * BLOCK);
            assert_true(byte == 0 || byte == 5);
        }
        world_close(&world);
    }
    assert_true(changed_behind_the_back > 50);
}

static void a_lock_is_refused_while_another_description_has_it(void **state)
{
    (void)state;
    struct world world = world_of_seed(1);
    const int other = file_open(world.fs, "/file", FILE_READ);
    assert_int_equal(file_lock(world.fs, world.fd), 0);
    assert_int_equal(file_lock(world.fs, world.fd), 0);
    assert_int_equal(file_lock(world.fs, other), -EWOULDBLOCK);
    assert_int_equal(file_lock_wait(world.fs, other, 5), -EWOULDBLOCK);
    file_close(world.fs, world.fd); /* The registered slot still holds it. */
    assert_int_equal(file_lock(world.fs, other), -EWOULDBLOCK);
    disk_remove_file(world.disk, world.slot);
    assert_int_equal(file_lock(world.fs, other), 0);
    world_close(&world);
}

static bool exists(struct world *world, const char *path)
{
    return sim_machine_file_size(world->machine, path) >= 0;
}

static int touch(struct world *world, const char *path)
{
    const int fd = file_open(world->fs, path, FILE_WRITE | FILE_CREATE);
    if (fd < 0) {
        return fd;
    }
    file_close(world->fs, fd);
    return 0;
}

static void names_are_durable_with_their_directory_and_lost_in_order(void **state)
{
    (void)state;
    uint32_t lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_of_seed(seed);
        assert_int_equal(file_make_directory(world.fs, "/d"), 0);
        assert_int_equal(file_make_directory(world.fs, "/d"), -EEXIST);
        assert_int_equal(file_sync_directory(world.fs, "/"), 0);
        assert_int_equal(touch(&world, "/d/a"), 0);
        assert_int_equal(file_sync_directory(world.fs, "/d"), 0);
        assert_int_equal(file_rename(world.fs, "/d/a", "/d/b"), 0);
        assert_int_equal(touch(&world, "/d/c"), 0);
        assert_int_equal(file_unlink(world.fs, "/d/b"), 0);
        sim_machine_power_cut(world.machine);
        const bool a = exists(&world, "/d/a");
        const bool b = exists(&world, "/d/b");
        const bool c = exists(&world, "/d/c");
        assert_false(a && (b || c));
        assert_true(exists(&world, "/d"));
        assert_true(a || b || c); /* The unlink was the last. */
        lost += a;
        world_close(&world);
    }
    assert_in_range(lost, 20, SEEDS - 20);
}

static void a_rename_over_directories_is_kept_or_lost_as_a_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_of_seed(seed);
        assert_int_equal(file_make_directory(world.fs, "/x"), 0);
        assert_int_equal(file_make_directory(world.fs, "/y"), 0);
        assert_int_equal(touch(&world, "/x/a"), 0);
        assert_int_equal(file_sync_directory(world.fs, "/"), 0);
        assert_int_equal(file_sync_directory(world.fs, "/x"), 0);
        assert_int_equal(file_rename(world.fs, "/x/a", "/y/a"), 0);
        if (seed % 2 == 0) {
            assert_int_equal(file_sync_directory(world.fs, "/y"), 0);
        }
        sim_machine_power_cut(world.machine);
        assert_true(exists(&world, "/x/a") != exists(&world, "/y/a"));
        assert_true(seed % 2 == 1 || exists(&world, "/y/a"));
        world_close(&world);
    }
}

static void sizes_are_durable_with_their_file(void **state)
{
    (void)state;
    uint32_t lost_growth = 0;
    uint32_t lost_cut = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_of_seed(seed);
        write_block(&world, DISK_WRITE_DURABLE, 10, 4);
        assert_int_equal(file_truncate(world.fs, world.fd, 5 * BLOCK), 0);
        assert_int_equal(file_reserve(world.fs, world.fd, 0, 20 * BLOCK), 0);
        assert_int_equal(byte_at(&world, 10 * BLOCK), 0);
        sim_machine_power_cut(world.machine);
        const int64_t size = sim_machine_file_size(world.machine, "/file");
        assert_true(size == 64 * BLOCK || size == 5 * BLOCK || size == 20 * BLOCK);
        if (size == 64 * BLOCK) { /* Nothing of it happened. */
            assert_int_equal(byte_at(&world, 10 * BLOCK), 4);
            lost_cut++;
        } else if (size == 20 * BLOCK) {
            assert_int_equal(byte_at(&world, 10 * BLOCK), 0);
        }
        lost_growth += size == 5 * BLOCK;
        world_close(&world);
    }
    assert_true(lost_cut > 20 && lost_growth > 5);
}

static void file_replace_leaves_the_old_or_the_new_content_at_every_boundary(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        for (uint64_t at = 0;; at++) {
            struct world world = world_of_seed(seed);
            assert_int_equal(file_replace(world.fs, "/small", "old", 3, true), 0);
            sim_machine_crash_at(world.machine, sim_machine_boundary_count(world.machine) + at,
                                 seed % 3 == 0 ? SIM_CRASH_KILL : SIM_CRASH_POWER);
            const int result = file_replace(world.fs, "/small", "newer", 5, true);
            const bool crashed = !sim_process_alive(world.process);
            assert_int_equal(result, crashed ? -EIO : 0);
            if (!crashed) {
                sim_machine_power_cut(world.machine);
            }
            struct sim_process *next = sim_process_start(world.machine);
            char content[8] = {0};
            const int64_t len = file_read_all(sim_process_files(next), "/small", content, 8);
            assert_true((len == 3 && memcmp(content, "old", 3) == 0) ||
                        (len == 5 && memcmp(content, "newer", 5) == 0));
            assert_true(crashed || len == 5);
            world_close(&world);
            if (!crashed) {
                assert_true(at >= 5);
                break;
            }
        }
    }
}

/* clang-format off */
static const struct { const char *what; enum sim_operation operation; } fault_cases[] = {
    {"a failing write",    SIM_WRITE},
    {"a failing flush",    SIM_FLUSH},
    {"a failing read",     SIM_READ},
};
/* clang-format on */

static void a_fault_hits_the_nth_matching_operation_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fault_cases); i++) {
        struct world world = world_of_seed(i);
        sim_machine_add_fault(world.machine,
                              &(struct sim_fault){.operation = fault_cases[i].operation,
                                                  .error = EIO,
                                                  .skip = 1,
                                                  .count = 1,
                                                  .path = "/file"});
        for (uint32_t n = 0; n < 3; n++) {
            const enum disk_op_kind kinds[] = {DISK_WRITE, DISK_FLUSH, DISK_READ};
            struct disk_op op = op_of(kinds[i], 0, 1, memory);
            run_op(&world, &op);
            const int32_t good = kinds[i] == DISK_FLUSH ? 0 : BLOCK;
            assert_int_equal(op.result, n == 1 ? -EIO : good);
        }
        assert_int_equal(sim_machine_counters(world.machine)->failed_operations, 1);
        world_close(&world);
    }
}

static void a_flush_after_a_failed_one_makes_nothing_durable(void **state)
{
    (void)state;
    uint32_t lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_of_seed(seed);
        write_block(&world, DISK_WRITE, 0, 6);
        sim_machine_add_fault(
            world.machine, &(struct sim_fault){.operation = SIM_FLUSH, .error = EIO, .count = 1});
        struct disk_op op = op_of(DISK_FLUSH, 0, 0, NULL);
        run_op(&world, &op);
        assert_int_equal(op.result, -EIO);
        flush(&world); /* Says it is fine. */
        sim_machine_power_cut(world.machine);
        lost += byte_at(&world, 0) == 0;
        world_close(&world);
    }
    assert_true(lost > 10);
}

static void a_full_device_refuses_and_heals(void **state)
{
    (void)state;
    struct sim_machine *machine = sim_machine_create(&(struct sim_options){.seed = 3});
    const uint32_t device = sim_machine_add_device(machine, "/data");
    sim_device_set_capacity(machine, device, 4 * BLOCK, EDQUOT);
    struct sim_process *process = sim_process_start(machine);
    struct file_system *fs = sim_process_files(process);
    const int fd = file_open(fs, "/data/a", FILE_READ | FILE_WRITE | FILE_CREATE);
    assert_int_equal(file_reserve(fs, fd, 0, 4 * BLOCK), 0);
    assert_int_equal(file_reserve(fs, fd, 0, 5 * BLOCK), -EDQUOT);
    assert_int_equal(file_write(fs, fd, memory, BLOCK, 3 * BLOCK), BLOCK);
    assert_int_equal(file_write(fs, fd, memory, BLOCK, 4 * BLOCK), -EDQUOT);
    struct file_space space;
    assert_int_equal(file_space(fs, "/data", &space), 0);
    assert_int_equal(space.free_bytes, 0);
    sim_device_set_capacity(machine, device, 8 * BLOCK, EDQUOT);
    assert_int_equal(file_write(fs, fd, memory, BLOCK, 4 * BLOCK), BLOCK);
    assert_int_equal(file_unlink(fs, "/data/a"), 0);
    file_close(fs, fd);
    assert_int_equal(file_space(fs, "/data", &space), 0);
    assert_int_equal(space.free_bytes, 8 * BLOCK);
    sim_machine_invariants(machine);
    sim_machine_destroy(machine);
}

static void a_dead_or_read_only_device_fails_alone(void **state)
{
    (void)state;
    struct sim_machine *machine = sim_machine_create(&(struct sim_options){.seed = 4});
    const uint32_t one = sim_machine_add_device(machine, "/one");
    const uint32_t two = sim_machine_add_device(machine, "/two");
    struct file_system *fs = sim_process_files(sim_process_start(machine));
    const int fd = file_open(fs, "/one/a", FILE_READ | FILE_WRITE | FILE_CREATE);
    assert_int_equal(file_write(fs, fd, "x", 1, 0), 1);
    assert_int_equal(file_rename(fs, "/one/a", "/two/a"), -EXDEV);
    sim_device_set_dead(machine, one, true);
    sim_device_set_read_only(machine, two, true);
    char byte;
    assert_int_equal(file_read(fs, fd, &byte, 1, 0), -EIO);
    assert_int_equal(file_open(fs, "/one/a", FILE_READ), -EIO);
    assert_int_equal(file_open(fs, "/two/b", FILE_WRITE | FILE_CREATE), -EROFS);
    assert_int_equal(file_make_directory(fs, "/two/d"), -EROFS);
    assert_true(file_open(fs, "/three", FILE_WRITE | FILE_CREATE) >= 0);
    sim_machine_destroy(machine);
}

static void a_flipped_bit_is_seen_by_reads_and_outlives_a_power_cut(void **state)
{
    (void)state;
    struct world world = world_of_seed(5);
    write_block(&world, DISK_WRITE_DURABLE, 2, 0x10);
    assert_int_equal(sim_machine_flip_bit(world.machine, "/file", 2 * BLOCK + 7, 0), 0);
    sim_machine_power_cut(world.machine);
    assert_int_equal(byte_at(&world, 2 * BLOCK + 7), 0x11);
    assert_int_equal(byte_at(&world, 2 * BLOCK + 6), 0x10);
    assert_int_equal(sim_machine_flip_bit(world.machine, "/none", 0, 0), -ENOENT);
    world_close(&world);
}

static void garbage_comes_only_where_nothing_durable_was(void **state)
{
    (void)state;
    uint64_t garbage = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_open(&(struct sim_options){.seed = seed, .garbage = true});
        write_block(&world, DISK_WRITE_DURABLE, 0, 1);
        memset(memory, 2, 2 * BLOCK);
        struct disk_op op = op_of(DISK_WRITE, 0, 2, memory);
        disk_submit(world.disk, &op);
        sim_machine_power_cut(world.machine);
        for (uint32_t b = 0; b < BLOCK; b += 64) {
            const uint8_t byte = byte_at(&world, b);
            assert_true(byte == 1 || byte == 2);
        }
        garbage += sim_machine_counters(world.machine)->garbage_sectors;
        world_close(&world);
    }
    assert_true(garbage > 10);
}

/* A batch whose last byte, a zero, is the first of a sector has a part of that sector. */
static void garbage_spares_a_sector_that_a_full_one_may_reach_into(void **state)
{
    (void)state;
    uint64_t garbage = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_open(&(struct sim_options){.seed = seed, .garbage = true});
        memset(memory, 0, BLOCK);
        memset(memory, 1, 512);
        struct disk_op op = op_of(DISK_WRITE_DURABLE, 0, 1, memory);
        run_op(&world, &op);
        memset(memory + 512, 2, BLOCK - 512);
        op.kind = DISK_WRITE;
        disk_submit(world.disk, &op);
        sim_machine_power_cut(world.machine);
        for (uint32_t b = 0; b < 1024; b++) {
            const uint8_t byte = byte_at(&world, b);
            assert_true(b < 512 ? byte == 1 : byte == 0 || byte == 2);
        }
        garbage += sim_machine_counters(world.machine)->garbage_sectors;
        world_close(&world);
    }
    assert_true(garbage > 10);
}

struct noted_job {
    struct housekeeping_job job;
    uint32_t *counter;
    uint32_t order;
};

static void job_run(struct housekeeping_job *job, struct file_system *fs)
{
    struct noted_job *noted = CONTAINER_OF(job, struct noted_job, job);
    noted->order = (*noted->counter)++;
    assert_int_equal(file_sync_directory(fs, "/"), 0);
}

static void jobs_run_in_order_and_are_done_after_the_time_they_took(void **state)
{
    (void)state;
    struct world world = world_of_seed(6);
    struct housekeeping_port *port = sim_housekeeping_create(world.process, 2);
    uint32_t counter = 0;
    struct noted_job jobs[3] = {{.job.run = job_run, .counter = &counter},
                                {.job.run = job_run, .counter = &counter},
                                {.job.run = job_run, .counter = &counter}};
    assert_true(housekeeping_post(port, &jobs[0].job));
    assert_true(housekeeping_post(port, &jobs[1].job));
    assert_false(housekeeping_post(port, &jobs[2].job));
    assert_null(housekeeping_done(port));
    const uint64_t posted_ns = sim_machine_now_ns(world.machine);
    for (uint32_t i = 0; i < 2; i++) {
        struct housekeeping_job *job = NULL;
        while ((job = housekeeping_done(port)) == NULL) {
            assert_true(sim_machine_step(world.machine));
        }
        assert_ptr_equal(job, &jobs[i].job);
        assert_int_equal(jobs[i].order, i);
        assert_true(sim_machine_now_ns(world.machine) >= posted_ns + (i + 1) * 50000);
    }
    assert_true(housekeeping_post(port, &jobs[2].job));
    sim_process_kill(world.process);
    assert_false(sim_machine_step(world.machine));
    assert_null(housekeeping_done(port));
    assert_int_equal(counter, 2);
    world_close(&world);
}

/* A run with a bit of everything; crashes where it is told. Returns the digest after it. */
static uint64_t mixed_run(uint64_t seed, uint64_t crash_at, enum sim_crash crash, uint64_t *count)
{
    struct world world = world_of_seed(seed);
    if (crash_at != UINT64_MAX) {
        sim_machine_crash_at(world.machine, crash_at, crash);
    }
    struct disk_op ops[6];
    for (uint32_t i = 0; i < 6; i++) {
        memset(memory + i * BLOCK, (int)i + 1, BLOCK);
        ops[i] = op_of(i == 5 ? DISK_WRITE_DURABLE : DISK_WRITE, i / 2, 1, memory + i * BLOCK);
        disk_submit(world.disk, &ops[i]);
        char name[] = {'/', (char)('a' + i), '\0'};
        const int result = touch(&world, name);
        assert_true(result == 0 || !sim_process_alive(world.process));
        sim_machine_advance(world.machine, sim_machine_now_ns(world.machine) + 20000);
    }
    while (sim_machine_step(world.machine)) {
        while (disk_done(world.disk) != NULL) {
        }
        sim_machine_invariants(world.machine);
    }
    assert_true(crash_at == UINT64_MAX || !sim_process_alive(world.process));
    *count = sim_machine_boundary_count(world.machine);
    const uint64_t digest = sim_machine_digest(world.machine);
    world_close(&world);
    return digest;
}

static void every_boundary_can_crash_and_every_run_repeats(void **state)
{
    (void)state;
    static const enum sim_crash crashes[] = {SIM_CRASH_KILL, SIM_CRASH_KILL_ALL, SIM_CRASH_POWER};
    struct world world = world_of_seed(0);
    const uint64_t first = sim_machine_boundary_count(world.machine);
    assert_int_equal(first, 4); /* create, reserve, sync, sync of the directory */
    assert_int_equal(sim_machine_boundary(world.machine, 1)->operation, SIM_RESERVE);
    assert_string_equal(sim_machine_boundary(world.machine, 1)->path, "/file");
    assert_int_equal(sim_machine_boundary(world.machine, 1)->len, 64 * BLOCK);
    world_close(&world);
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint64_t count;
        uint64_t again;
        const uint64_t digest = mixed_run(seed, UINT64_MAX, SIM_CRASH_KILL, &count);
        assert_true(mixed_run(seed, UINT64_MAX, SIM_CRASH_KILL, &again) == digest);
        assert_int_equal(count, again);
        assert_true(count > first + 12);
        for (uint64_t at = first; at < count; at++) {
            for (size_t c = 0; c < ARRAY_SIZE(crashes); c++) {
                const uint64_t once = mixed_run(seed, at, crashes[c], &again);
                assert_true(mixed_run(seed, at, crashes[c], &again) == once);
            }
        }
    }
}

static void a_dead_process_sees_errors_and_changes_nothing(void **state)
{
    (void)state;
    struct world world = world_of_seed(7);
    sim_process_kill(world.process);
    const uint64_t digest = sim_machine_digest(world.machine);
    assert_int_equal(file_write(world.fs, world.fd, "x", 1, 0), -EIO);
    assert_int_equal(file_truncate(world.fs, world.fd, 0), -EIO);
    assert_int_equal(file_unlink(world.fs, "/file"), -EIO);
    assert_int_equal(touch(&world, "/new"), -EIO);
    assert_int_equal(file_sync(world.fs, world.fd), -EIO);
    assert_int_equal(disk_add_file(world.disk, world.fd, false), -EIO);
    file_close(world.fs, world.fd);
    assert_true(sim_machine_digest(world.machine) == digest);
    world_close(&world);
}

static void a_device_can_become_slow(void **state)
{
    (void)state;
    struct world world = world_of_seed(9);
    sim_machine_set_flush(world.machine, (struct sim_range){500000000, 500000000});
    const uint64_t start_ns = sim_machine_now_ns(world.machine);
    flush(&world);
    assert_true(sim_machine_now_ns(world.machine) >= start_ns + 500000000);
    const uint64_t spent_ns = sim_process_spent_ns(world.process);
    assert_int_equal(file_sync(world.fs, world.fd), 0);
    assert_true(sim_process_spent_ns(world.process) >= spent_ns + 500000000);
    world_close(&world);
}

static void slots_run_out_with_enospc(void **state)
{
    (void)state;
    struct world world = world_of_seed(8);
    for (int32_t i = 1; i < 4; i++) {
        assert_int_equal(disk_add_file(world.disk, world.fd, false), i);
    }
    assert_int_equal(disk_add_file(world.disk, world.fd, false), -ENOSPC);
    disk_remove_file(world.disk, 2);
    assert_int_equal(disk_add_file(world.disk, world.fd, false), 2);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_reads_what_was_written_and_zeros_behind_the_end),
        cmocka_unit_test(a_power_cut_keeps_tears_or_loses_what_was_not_flushed),
        cmocka_unit_test(flushed_and_durable_writes_survive_every_power_cut),
        cmocka_unit_test(a_flush_does_not_cover_a_write_under_way),
        cmocka_unit_test(a_flush_of_one_file_covers_the_device_only_where_it_says_so),
        cmocka_unit_test(two_writes_to_one_block_land_in_either_order),
        cmocka_unit_test(the_device_reads_a_buffer_at_any_moment_until_done),
        cmocka_unit_test(writes_of_a_killed_process_land_late_while_its_lock_is_held),
        cmocka_unit_test(a_lock_is_refused_while_another_description_has_it),
        cmocka_unit_test(names_are_durable_with_their_directory_and_lost_in_order),
        cmocka_unit_test(a_rename_over_directories_is_kept_or_lost_as_a_whole),
        cmocka_unit_test(sizes_are_durable_with_their_file),
        cmocka_unit_test(file_replace_leaves_the_old_or_the_new_content_at_every_boundary),
        cmocka_unit_test(a_fault_hits_the_nth_matching_operation_only),
        cmocka_unit_test(a_flush_after_a_failed_one_makes_nothing_durable),
        cmocka_unit_test(a_full_device_refuses_and_heals),
        cmocka_unit_test(a_dead_or_read_only_device_fails_alone),
        cmocka_unit_test(a_flipped_bit_is_seen_by_reads_and_outlives_a_power_cut),
        cmocka_unit_test(garbage_comes_only_where_nothing_durable_was),
        cmocka_unit_test(garbage_spares_a_sector_that_a_full_one_may_reach_into),
        cmocka_unit_test(jobs_run_in_order_and_are_done_after_the_time_they_took),
        cmocka_unit_test(every_boundary_can_crash_and_every_run_repeats),
        cmocka_unit_test(a_dead_process_sees_errors_and_changes_nothing),
        cmocka_unit_test(a_device_can_become_slow),
        cmocka_unit_test(slots_run_out_with_enospc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
