#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "tools/supervise.h"

static void
a_child_that_ran_well_starts_again_at_once_and_others_wait_longer_and_longer(void **state)
{
    (void)state;
    static const struct {
        uint32_t last_ms;
        uint64_t lived_ms;
        uint32_t want_ms;
    } rows[] = {{0, 2000, 0},   {5000, 60000, 0}, {0, 0, 100},     {100, 1999, 200},
                {200, 10, 400}, {3200, 10, 5000}, {5000, 10, 5000}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(supervise_backoff_ms(rows[i].last_ms, rows[i].lived_ms), rows[i].want_ms);
    }
}

static void only_one_supervisor_holds_a_run_directory(void **state)
{
    (void)state;
    char directory[] = "/tmp/supervise-XXXXXX";
    assert_non_null(mkdtemp(directory));
    const int first = supervise_lock(directory);
    assert_true(first >= 0);
    assert_int_equal(supervise_lock(directory), -1);
    assert_int_equal(close(first), 0);
    const int second = supervise_lock(directory);
    assert_true(second >= 0);
    assert_int_equal(close(second), 0);
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/supervisor.lock", directory);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_child_that_ran_well_starts_again_at_once_and_others_wait_longer_and_longer),
        cmocka_unit_test(only_one_supervisor_holds_a_run_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
