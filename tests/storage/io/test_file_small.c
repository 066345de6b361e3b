/* What is made of other calls of file.h, over the real file system. Crashes inside of it:
 * tests/sim/test_sim_machine.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/storage/io/folder.h"

static int count_entry(void *context, const struct file_entry *entry)
{
    (void)entry;
    (*(uint32_t *)context)++;
    return 0;
}

static uint32_t entry_count(struct folder *folder)
{
    uint32_t count = 0;
    assert_int_equal(file_list(folder->fs, folder->directory, count_entry, &count), 0);
    return count;
}

static void replace_swaps_small_files_as_a_whole(void **state)
{
    struct folder *folder = *state;
    char content[8] = {0};
    char path[128];
    (void)strcpy(path, folder_path(folder, "small"));
    assert_int_equal(file_replace(folder->fs, path, "old one", 7, true), 0);
    assert_int_equal(file_replace(folder->fs, path, "new", 3, false), 0);
    assert_int_equal(file_read_all(folder->fs, path, content, 8), 3);
    assert_memory_equal(content, "new", 3);
    assert_int_equal(file_replace(folder->fs, path, "", 0, true), 0);
    assert_int_equal(file_read_all(folder->fs, path, content, 8), 0);
    assert_int_equal(entry_count(folder), 1); /* No temporary file stays. */
}

static void replace_cuts_what_a_crash_left_of_an_earlier_one(void **state)
{
    struct folder *folder = *state;
    char content[16] = {0};
    const int fd =
        file_open(folder->fs, folder_path(folder, "small.tmp"), FILE_WRITE | FILE_CREATE);
    assert_int_equal(file_write(folder->fs, fd, "left over bytes", 15, 0), 15);
    file_close(folder->fs, fd);
    assert_int_equal(file_replace(folder->fs, folder_path(folder, "small"), "x", 1, true), 0);
    assert_int_equal(file_read_all(folder->fs, folder_path(folder, "small"), content, 16), 1);
    assert_int_equal(entry_count(folder), 1);
}

static void read_all_tells_what_is_missing_or_too_large(void **state)
{
    struct folder *folder = *state;
    char content[8];
    assert_int_equal(file_read_all(folder->fs, folder_path(folder, "small"), content, 8), -ENOENT);
    assert_int_equal(file_replace(folder->fs, folder_path(folder, "small"), "abc", 3, true), 0);
    assert_int_equal(file_read_all(folder->fs, folder_path(folder, "small"), content, 2), -EFBIG);
    assert_int_equal(file_read_all(folder->fs, folder_path(folder, "small"), content, 3), 3);
}

static void replace_fails_without_leaving_anything(void **state)
{
    struct folder *folder = *state;
    assert_int_equal(file_replace(folder->fs, folder_path(folder, "none/small"), "x", 1, true),
                     -ENOENT);
    assert_int_equal(file_make_directory(folder->fs, folder_path(folder, "taken")), 0);
    assert_int_equal(file_replace(folder->fs, folder_path(folder, "taken"), "x", 1, true), -EISDIR);
    assert_int_equal(entry_count(folder), 1);
    assert_int_equal(file_remove_directory(folder->fs, folder_path(folder, "taken")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replace_swaps_small_files_as_a_whole, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(replace_cuts_what_a_crash_left_of_an_earlier_one,
                                        folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(read_all_tells_what_is_missing_or_too_large, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(replace_fails_without_leaving_anything, folder_setup,
                                        folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
