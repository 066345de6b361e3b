/* A read under way beside other work, on the real file system. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "storage/io/file_ahead.h"
#include "tests/storage/io/folder.h"

enum { FILE_BYTES = 100000 };

static int make(struct folder *folder, uint8_t *content)
{
    for (uint32_t i = 0; i < FILE_BYTES; i++) {
        content[i] = (uint8_t)(i * 7 + i / 251);
    }
    const int fd =
        file_open(folder->fs, folder_path(folder, "a"), FILE_READ | FILE_WRITE | FILE_CREATE);
    assert_true(fd >= 0);
    assert_int_equal(file_write(folder->fs, fd, content, FILE_BYTES, 0), FILE_BYTES);
    return fd;
}

static void what_was_begun_is_what_is_fetched(void **state)
{
    struct folder *folder = *state;
    static uint8_t content[FILE_BYTES];
    static uint8_t got[2][FILE_BYTES];
    const int fd = make(folder, content);
    struct file_ahead *ahead = file_ahead_start(folder->fs);
    assert_non_null(ahead);
    file_ahead_begin(ahead, fd, got[0], 1000, 0);
    for (uint32_t at = 0; at < FILE_BYTES; at += 1000) {
        const uint32_t turn = at / 1000 % 2;
        assert_int_equal(file_ahead_finish(ahead), 1000);
        if (at + 1000 < FILE_BYTES) {
            file_ahead_begin(ahead, fd, got[1 - turn], 1000, at + 1000);
        }
        assert_memory_equal(got[turn], content + at, 1000);
    }
    file_ahead_begin(ahead, fd, got[0], 1000, FILE_BYTES - 300);
    assert_int_equal(file_ahead_finish(ahead), 300);
    file_ahead_begin(ahead, fd, got[0], 1000, FILE_BYTES);
    assert_int_equal(file_ahead_finish(ahead), 0);
    file_ahead_stop(ahead);
    file_close(folder->fs, fd);
}

static void a_failure_is_told_when_it_is_fetched(void **state)
{
    struct folder *folder = *state;
    uint8_t byte;
    struct file_ahead *ahead = file_ahead_start(folder->fs);
    assert_non_null(ahead);
    file_ahead_begin(ahead, -1, &byte, 1, 0);
    assert_int_equal(file_ahead_finish(ahead), -EBADF);
    file_ahead_stop(ahead);
}

static void a_stop_waits_for_what_is_under_way(void **state)
{
    struct folder *folder = *state;
    static uint8_t content[FILE_BYTES];
    static uint8_t got[FILE_BYTES];
    const int fd = make(folder, content);
    for (uint32_t i = 0; i < 100; i++) {
        struct file_ahead *ahead = file_ahead_start(folder->fs);
        assert_non_null(ahead);
        memset(got, 0, sizeof(got));
        file_ahead_begin(ahead, fd, got, FILE_BYTES, 0);
        file_ahead_stop(ahead);
        assert_memory_equal(got, content, FILE_BYTES);
    }
    file_ahead_stop(NULL);
    file_close(folder->fs, fd);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_begun_is_what_is_fetched, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(a_failure_is_told_when_it_is_fetched, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(a_stop_waits_for_what_is_under_way, folder_setup,
                                        folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
