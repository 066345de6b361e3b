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

#include "storage/io/file.h"

struct world {
    char directory[64];
    char path[128];
    struct file_system *fs;
};

static const char *path_of(struct world *world, const char *name)
{
    (void)snprintf(world->path, sizeof(world->path), "%s/%s", world->directory, name);
    return world->path;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    (void)strcpy(world->directory, "/tmp/millrace-small-XXXXXX");
    world->fs = file_system_real(0);
    *state = world;
    return mkdtemp(world->directory) == NULL ? -1 : 0;
}

static int remove_entry(void *context, const struct file_entry *entry)
{
    struct world *world = context;
    return file_unlink(world->fs, path_of(world, entry->name));
}

static int teardown(void **state)
{
    struct world *world = *state;
    int result = file_list(world->fs, world->directory, remove_entry, world);
    if (result == 0) {
        result = file_remove_directory(world->fs, world->directory);
    }
    free(world->fs);
    free(world);
    return result;
}

static int count_entry(void *context, const struct file_entry *entry)
{
    (void)entry;
    (*(uint32_t *)context)++;
    return 0;
}

static uint32_t entry_count(struct world *world)
{
    uint32_t count = 0;
    assert_int_equal(file_list(world->fs, world->directory, count_entry, &count), 0);
    return count;
}

static void replace_swaps_small_files_as_a_whole(void **state)
{
    struct world *world = *state;
    char content[8] = {0};
    char path[128];
    (void)strcpy(path, path_of(world, "small"));
    assert_int_equal(file_replace(world->fs, path, "old one", 7, true), 0);
    assert_int_equal(file_replace(world->fs, path, "new", 3, false), 0);
    assert_int_equal(file_read_all(world->fs, path, content, 8), 3);
    assert_memory_equal(content, "new", 3);
    assert_int_equal(file_replace(world->fs, path, "", 0, true), 0);
    assert_int_equal(file_read_all(world->fs, path, content, 8), 0);
    assert_int_equal(entry_count(world), 1); /* No temporary file stays. */
}

static void replace_cuts_what_a_crash_left_of_an_earlier_one(void **state)
{
    struct world *world = *state;
    char content[16] = {0};
    const int fd = file_open(world->fs, path_of(world, "small.tmp"), FILE_WRITE | FILE_CREATE);
    assert_int_equal(file_write(world->fs, fd, "left over bytes", 15, 0), 15);
    file_close(world->fs, fd);
    assert_int_equal(file_replace(world->fs, path_of(world, "small"), "x", 1, true), 0);
    assert_int_equal(file_read_all(world->fs, path_of(world, "small"), content, 16), 1);
    assert_int_equal(entry_count(world), 1);
}

static void read_all_tells_what_is_missing_or_too_large(void **state)
{
    struct world *world = *state;
    char content[8];
    assert_int_equal(file_read_all(world->fs, path_of(world, "small"), content, 8), -ENOENT);
    assert_int_equal(file_replace(world->fs, path_of(world, "small"), "abc", 3, true), 0);
    assert_int_equal(file_read_all(world->fs, path_of(world, "small"), content, 2), -EFBIG);
    assert_int_equal(file_read_all(world->fs, path_of(world, "small"), content, 3), 3);
}

static void replace_fails_without_leaving_anything(void **state)
{
    struct world *world = *state;
    assert_int_equal(file_replace(world->fs, path_of(world, "none/small"), "x", 1, true), -ENOENT);
    assert_int_equal(file_make_directory(world->fs, path_of(world, "taken")), 0);
    assert_int_equal(file_replace(world->fs, path_of(world, "taken"), "x", 1, true), -EISDIR);
    assert_int_equal(entry_count(world), 1);
    assert_int_equal(file_remove_directory(world->fs, path_of(world, "taken")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replace_swaps_small_files_as_a_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(replace_cuts_what_a_crash_left_of_an_earlier_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(read_all_tells_what_is_missing_or_too_large, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(replace_fails_without_leaving_anything, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
