/* The real file system behind file.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/magic.h>

#include <cmocka.h>

#include "tests/storage/io/folder.h"

static int open_new(struct folder *folder, const char *name)
{
    const int fd =
        file_open(folder->fs, folder_path(folder, name), FILE_READ | FILE_WRITE | FILE_CREATE);
    assert_true(fd >= 0);
    return fd;
}

static void reads_and_writes_are_whole(void **state)
{
    struct folder *folder = *state;
    const int fd = open_new(folder, "a");
    static uint8_t out[100000];
    static uint8_t in[sizeof(out) + 1];
    memset(out, 0x5a, sizeof(out));
    assert_int_equal(file_write(folder->fs, fd, out, sizeof(out), 5), sizeof(out));
    assert_int_equal(file_size(folder->fs, fd), sizeof(out) + 5);
    assert_int_equal(file_read(folder->fs, fd, in, sizeof(in), 5), sizeof(out));
    assert_memory_equal(in, out, sizeof(out));
    assert_int_equal(file_read(folder->fs, fd, in, 10, 1000000), 0);
    assert_int_equal(file_sync(folder->fs, fd), 0);
    file_close(folder->fs, fd);
    assert_int_equal(file_read(folder->fs, fd, in, 1, 0), -EBADF);
}

static void open_modes_are_kept(void **state)
{
    struct folder *folder = *state;
    char byte;
    assert_int_equal(file_open(folder->fs, folder_path(folder, "none"), FILE_READ), -ENOENT);
    const int fd = open_new(folder, "a");
    assert_int_equal(
        file_open(folder->fs, folder_path(folder, "a"), FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE),
        -EEXIST);
    const int reader = file_open(folder->fs, folder_path(folder, "a"), FILE_READ);
    assert_int_equal(file_write(folder->fs, reader, "x", 1, 0), -EBADF);
    const int writer = file_open(folder->fs, folder_path(folder, "a"), FILE_WRITE);
    assert_int_equal(file_read(folder->fs, writer, &byte, 1, 0), -EBADF);
    assert_int_equal(file_open(folder->fs, folder_path(folder, "a"), FILE_READ | FILE_DIRECTORY),
                     -ENOTDIR);
    file_close(folder->fs, fd);
    file_close(folder->fs, reader);
    file_close(folder->fs, writer);
}

static void reserve_moves_the_end_and_reads_as_zeros(void **state)
{
    struct folder *folder = *state;
    const int fd = open_new(folder, "a");
    uint8_t bytes[5] = {9, 9, 9, 9, 9};
    assert_int_equal(file_reserve(folder->fs, fd, 0, 1 << 20), 0);
    assert_int_equal(file_size(folder->fs, fd), 1 << 20);
    assert_int_equal(file_write(folder->fs, fd, "abc", 3, 4999), 3);
    assert_int_equal(file_read(folder->fs, fd, bytes, 5, 4998), 5);
    assert_memory_equal(bytes, "\0abc\0", 5);
    assert_int_equal(file_truncate(folder->fs, fd, 10), 0);
    assert_int_equal(file_size(folder->fs, fd), 10);
    file_close(folder->fs, fd);
}

struct listing {
    uint32_t files;
    uint32_t directories;
    uint64_t bytes;
    uint32_t stop_after;
};

static int list_count(void *context, const struct file_entry *entry)
{
    struct listing *listing = context;
    listing->files += !entry->directory;
    listing->directories += entry->directory;
    listing->bytes += entry->directory ? 0 : entry->size_bytes;
    return listing->files + listing->directories == listing->stop_after ? 77 : 0;
}

static void names_are_made_listed_and_removed(void **state)
{
    struct folder *folder = *state;
    char other[128];
    const int fd = open_new(folder, "a");
    assert_int_equal(file_write(folder->fs, fd, "abc", 3, 0), 3);
    file_close(folder->fs, fd);
    assert_int_equal(file_make_directory(folder->fs, folder_path(folder, "d")), 0);
    assert_int_equal(file_make_directory(folder->fs, folder_path(folder, "d")), -EEXIST);
    struct listing listing = {0};
    assert_int_equal(file_list(folder->fs, folder->directory, list_count, &listing), 0);
    assert_int_equal(listing.files, 1);
    assert_int_equal(listing.directories, 1);
    assert_int_equal(listing.bytes, 3);
    listing = (struct listing){.stop_after = 1};
    assert_int_equal(file_list(folder->fs, folder->directory, list_count, &listing), 77);
    assert_int_equal(file_list(folder->fs, folder_path(folder, "none"), list_count, &listing),
                     -ENOENT);
    (void)strcpy(other, folder_path(folder, "b"));
    assert_int_equal(file_rename(folder->fs, folder_path(folder, "a"), other), 0);
    assert_int_equal(file_rename(folder->fs, folder_path(folder, "a"), other), -ENOENT);
    assert_int_equal(file_sync_directory(folder->fs, folder->directory), 0);
    assert_int_equal(file_sync_directory(folder->fs, folder_path(folder, "none")), -ENOENT);
    assert_int_equal(file_unlink(folder->fs, other), 0);
    assert_int_equal(file_unlink(folder->fs, other), -ENOENT);
    assert_int_equal(file_remove_directory(folder->fs, folder_path(folder, "d")), 0);
}

static void a_lock_is_given_when_its_owner_is_gone(void **state)
{
    struct folder *folder = *state;
    const int one = open_new(folder, "lock");
    const int two = open_new(folder, "lock");
    assert_int_equal(file_lock(folder->fs, one), 0);
    assert_int_equal(file_lock(folder->fs, two), -EWOULDBLOCK);
    assert_int_equal(file_lock_wait(folder->fs, two, 3), -EWOULDBLOCK);
    file_close(folder->fs, one);
    assert_int_equal(file_lock_wait(folder->fs, two, 0), 0);
    file_close(folder->fs, two);
}

static void a_delayed_file_system_syncs_no_faster(void **state)
{
    struct folder *folder = *state;
    struct file_system *slow = file_system_real(3000);
    const int fd = open_new(folder, "a");
    struct timespec start;
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    assert_int_equal(file_sync(slow, fd), 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    const int64_t took_ns = (end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec - start.tv_nsec;
    assert_true(took_ns >= 3000000);
    file_close(folder->fs, fd);
    free(slow);
}

static void only_a_file_on_a_block_device_has_a_flush_that_covers_it(void **state)
{
    struct file_system *fs = ((struct folder *)*state)->fs;
    assert_false(file_flush_covers_device(fs, -1));
    const int process = file_open(fs, "/proc/self/stat", FILE_READ);
    assert_true(process >= 0);
    assert_false(file_flush_covers_device(fs, process));
    file_close(fs, process);
    struct statfs root;
    struct stat info;
    if (statfs("/usr", &root) == 0 && stat("/usr", &info) == 0 && root.f_type == EXT4_SUPER_MAGIC &&
        major(info.st_dev) != 0) {
        const int fd = file_open(fs, "/usr", FILE_READ | FILE_DIRECTORY);
        assert_true(file_flush_covers_device(fs, fd));
        file_close(fs, fd);
    }
}

static void space_is_told(void **state)
{
    struct folder *folder = *state;
    struct file_space space;
    assert_int_equal(file_space(folder->fs, folder->directory, &space), 0);
    assert_true(space.total_bytes > 0 && space.free_bytes <= space.total_bytes);
    assert_int_equal(file_space(folder->fs, folder_path(folder, "none"), &space), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_and_writes_are_whole, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(open_modes_are_kept, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(reserve_moves_the_end_and_reads_as_zeros, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(names_are_made_listed_and_removed, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(a_lock_is_given_when_its_owner_is_gone, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(a_delayed_file_system_syncs_no_faster, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(only_a_file_on_a_block_device_has_a_flush_that_covers_it,
                                        folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(space_is_told, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
