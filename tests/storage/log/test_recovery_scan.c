#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "storage/log/recovery_scan.h"
#include "storage/record/record.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_machine.h"

enum { BATCHES = 12, FILE_BYTES_MAX = 512 << 10, FREE_BYTES = 8192 };

#define PATH "/00000000000000000000.log"

/* A segment's file and what it should hold. */
struct world {
    struct sim_machine *machine;
    struct sim_process *process;
    struct file_system *fs;
    uint8_t file[FILE_BYTES_MAX];
    uint32_t at[BATCHES + 1]; /* Where each batch starts; then where the last ends. */
    int64_t offset[BATCHES + 1];
    uint8_t *buffer;
    uint32_t buffer_bytes;
};

static struct world world;

static void batch_put(uint32_t number, uint32_t value_bytes)
{
    static uint8_t value[70000];
    struct batch_builder builder;
    struct batch_options options = batch_options_none();
    options.base_offset = world.offset[number];
    batch_builder_init(&builder, world.file + world.at[number], FILE_BYTES_MAX - world.at[number],
                       &options);
    for (uint32_t i = 0; i <= number % 3; i++) {
        memset(value, (int)(number + i), value_bytes);
        assert_true(batch_builder_add(&builder, 1000 + number, (struct bytes){0},
                                      (struct bytes){value, value_bytes}, NULL, 0));
    }
    world.at[number + 1] = world.at[number] + batch_builder_finish(&builder).len;
    world.offset[number + 1] = world.offset[number] + 1 + number % 3;
}

static int setup(void **state)
{
    static const uint32_t sizes[BATCHES] = {10,   1,   4000,  4096, 100, 65000,
                                            8100, 200, 20000, 3,    500, 1};
    (void)state;
    memset(&world, 0, sizeof(world));
    world.machine = sim_machine_create(&(struct sim_options){.boundaries_unrecorded = true});
    world.process = sim_process_start(world.machine);
    world.fs = sim_process_files(world.process);
    world.offset[0] = 100;
    for (uint32_t i = 0; i < BATCHES; i++) {
        batch_put(i, sizes[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sim_process_end(world.process);
    sim_machine_destroy(world.machine);
    return 0;
}

/* Writes the file, free space behind it, and begins to walk it. */
static struct scan scan_begin(uint32_t buffer_bytes, bool check_crc)
{
    void *buffer = NULL;
    assert_int_equal(posix_memalign(&buffer, BLOCK, buffer_bytes), 0);
    const uint32_t file_bytes = (uint32_t)round_up(world.at[BATCHES] + FREE_BYTES, BLOCK);
    assert_true(file_bytes <= FILE_BYTES_MAX);
    const int fd = file_open(world.fs, PATH, FILE_READ | FILE_WRITE | FILE_CREATE);
    assert_true(fd >= 0);
    assert_int_equal(file_write(world.fs, fd, world.file, file_bytes, 0), file_bytes);
    file_close(world.fs, fd);
    struct scan scan = {.check_crc = check_crc, .next_offset = world.offset[0]};
    scan.window = (struct scan_window){.fs = world.fs,
                                       .fd = file_open_direct(world.fs, PATH, FILE_READ),
                                       .buffer = buffer,
                                       .buffer_bytes = buffer_bytes,
                                       .file_bytes = file_bytes};
    assert_true(scan.window.fd >= 0);
    return scan;
}

static void scan_end(struct scan *scan)
{
    file_close(world.fs, scan->window.fd);
    free(scan->window.buffer);
}

/* How many batches are found; each must be the next one. */
static uint32_t scan_all(struct scan *scan)
{
    uint32_t found = 0;
    while (scan_next(scan)) {
        assert_true(found < BATCHES);
        assert_int_equal(scan->batch_position, world.at[found]);
        assert_int_equal(scan->header.base_offset, world.offset[found]);
        found++;
        assert_int_equal(scan->position, world.at[found]);
        assert_int_equal(scan->next_offset, world.offset[found]);
    }
    assert_int_equal(scan->position, world.at[found]);
    return found;
}

static void every_batch_is_found_through_a_buffer_of_any_size(void **state)
{
    (void)state;
    static const uint32_t buffers[] = {2 * BLOCK, 3 * BLOCK, 64 << 10, 1 << 20};
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++) {
        for (uint32_t check = 0; check < 2; check++) {
            struct scan scan = scan_begin(buffers[i], check == 1);
            assert_int_equal(scan_all(&scan), BATCHES);
            assert_int_equal(scan.window.error, 0);
            assert_true(!check || scan.window.read_bytes >= world.at[BATCHES]);
            scan_end(&scan);
        }
    }
}

static void a_view_is_what_the_file_holds(void **state)
{
    (void)state;
    struct scan scan = scan_begin(2 * BLOCK, false);
    struct scan_window *window = &scan.window;
    struct random random;
    random_init(&random, 4);
    for (uint32_t i = 0; i < 3000; i++) {
        const uint64_t offset = random_below(&random, window->file_bytes + 100);
        const uint32_t want = (uint32_t)random_below(&random, BLOCK) + 1;
        const struct bytes view = scan_view(window, offset, want);
        const uint64_t rest = window->file_bytes - min_u64(window->file_bytes, offset);
        assert_true(view.len >= min_u64(want, rest) && view.len <= rest);
        assert_memory_equal(view.ptr, world.file + offset, view.len);
    }
    scan_end(&scan);
}

/* Bytes go by in order: each is read once, and what comes next before it is asked for. */
static void what_comes_next_is_read_ahead(void **state)
{
    (void)state;
    static const uint32_t reads[] = {BLOCK, 2 * BLOCK, 16 * BLOCK};
    for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
        struct scan scan = scan_begin((200 << 10) + 3 * reads[i], true);
        struct scan_window *window = &scan.window;
        window->ahead = file_ahead_start(world.fs);
        window->step_bytes = reads[i];
        window->ahead_to = window->file_bytes;
        uint32_t found = 0;
        uint32_t ahead = 0;
        for (; found < BATCHES; found++) {
            const uint32_t size = world.at[found + 1] - world.at[found];
            const struct bytes view = scan_view(window, world.at[found], size);
            assert_true(view.len >= size);
            assert_memory_equal(view.ptr, world.file + world.at[found], size);
            assert_true(window->pending > 0 || window->from + window->len == window->file_bytes);
            ahead += window->pending > 0;
            assert_true(scan_next(&scan));
        }
        assert_int_equal(found, BATCHES);
        assert_true(ahead > 0);
        scan_settle(window);
        assert_int_equal(window->error, 0);
        assert_in_range(window->read_bytes, world.at[BATCHES], window->file_bytes);
        file_ahead_stop(window->ahead);
        scan_end(&scan);
    }
}

/* Wherever it is asked for; what is not worth it is not read ahead. */
static void a_view_beside_a_read_is_what_the_file_holds(void **state)
{
    (void)state;
    struct scan scan = scan_begin(16 * BLOCK, false);
    struct scan_window *window = &scan.window;
    window->ahead = file_ahead_start(world.fs);
    window->step_bytes = 2 * BLOCK;
    struct random random;
    random_init(&random, 5);
    uint64_t offset = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        window->ahead_to = random_below(&random, 2) == 0 ? window->file_bytes : offset;
        const uint32_t want = (uint32_t)random_below(&random, 6 * BLOCK) + 1;
        const struct bytes view = scan_view(window, offset, want);
        const uint64_t rest = window->file_bytes - min_u64(window->file_bytes, offset);
        assert_true(view.len >= min_u64(want, rest) && view.len <= rest);
        assert_memory_equal(view.ptr, world.file + offset, view.len);
        offset = random_below(&random, 8) == 0 ? random_below(&random, window->file_bytes)
                                               : offset + random_below(&random, want);
        offset = offset < window->file_bytes ? offset : 0;
    }
    window->ahead_to = 0;
    scan_settle(window);
    (void)scan_view(window, 40 * BLOCK, 1);
    (void)scan_view(window, 0, 1);
    assert_int_equal(window->pending, 0);
    file_ahead_stop(window->ahead);
    scan_end(&scan);
}

static void the_log_ends_at_the_first_batch_that_is_not_right(void **state)
{
    (void)state;
    enum { MIDDLE = 5 };
    static const struct {
        const char *name;
        uint32_t at; /* In the batch. */
        uint8_t flip;
        bool only_by_crc;
    } cases[] = {
        {"an offset that goes back", 7, 0x40, false},
        {"a length below a header's", 9, 0xff, false},
        {"a length behind the end", 8, 0x7f, false},
        {"an unknown magic", 16, 0x04, false},
        {"a wrong checksum", 17, 0x01, true},
        {"a flipped attribute", 22, 0x08, true},
        {"a flipped byte of a record", 30000, 0x01, true},
        {"negative records", 23, 0x80, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t *at = world.file + world.at[MIDDLE] + cases[i].at;
        *at ^= cases[i].flip;
        for (uint32_t check = 0; check < 2; check++) {
            struct scan scan = scan_begin(2 * BLOCK, check == 1);
            const bool passes = cases[i].only_by_crc && check == 0;
            const uint32_t found = scan_all(&scan);
            if (found != (passes ? BATCHES : MIDDLE)) {
                fail_msg("%s: %u batches", cases[i].name, found);
            }
            assert_int_equal(scan.window.error, 0);
            scan_end(&scan);
        }
        *at ^= cases[i].flip;
    }
}

static void a_torn_last_batch_is_the_end(void **state)
{
    (void)state;
    const uint32_t last = world.at[BATCHES - 1];
    for (uint32_t cut = world.at[BATCHES] - 1; cut > last; cut--) {
        const uint8_t was = world.file[cut];
        world.file[cut] = 0; /* From here on nothing was written. */
        struct scan scan = scan_begin(64 << 10, true);
        const uint32_t found = scan_all(&scan);
        scan_end(&scan);
        if (was != 0) {
            assert_int_equal(found, BATCHES - 1);
        }
    }
}

static void a_read_that_fails_is_an_error_and_no_end(void **state)
{
    (void)state;
    struct scan scan = scan_begin(2 * BLOCK, true);
    assert_true(scan_next(&scan));
    file_close(world.fs, scan.window.fd);
    sim_process_kill(world.process);
    while (scan_next(&scan)) {
    }
    assert_true(scan.window.error < 0);
    free(scan.window.buffer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_batch_is_found_through_a_buffer_of_any_size),
        TEST(a_view_is_what_the_file_holds),
        TEST(what_comes_next_is_read_ahead),
        TEST(a_view_beside_a_read_is_what_the_file_holds),
        TEST(the_log_ends_at_the_first_batch_that_is_not_right),
        TEST(a_torn_last_batch_is_the_end),
        TEST(a_read_that_fails_is_an_error_and_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
