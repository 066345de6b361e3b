#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/group.h"

static void lag_is_what_is_behind_the_committed_offset(void **state)
{
    (void)state;
    static const struct {
        int64_t committed;
        int64_t end;
        int64_t want;
    } table[] = {
        {3, 10, 7},   {10, 10, 0}, {12, 10, 0}, /* The partition was made anew. */
        {-1, 10, -1}, {3, -1, -1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const struct group_row row = {.committed = table[i].committed, .end = table[i].end};
        assert_int_equal(group_row_lag(&row), table[i].want);
    }
}

static void lag_in_time_needs_both_ends(void **state)
{
    (void)state;
    static const struct {
        int64_t committed_ms;
        int64_t newest_ms;
        int64_t want;
    } table[] = {
        {1000, 4500, 3500}, {1000, 1000, 0}, {5000, 4500, 0}, {-1, 4500, -1}, {1000, -1, -1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct group_row row = {.committed = 1,
                                .end = 2,
                                .committed_ms = table[i].committed_ms,
                                .newest_ms = table[i].newest_ms};
        assert_int_equal(group_row_lag_ms(&row), table[i].want);
        row.committed = 2; /* Nothing is behind: no time is either, known or not. */
        assert_int_equal(group_row_lag_ms(&row), 0);
        row.committed = -1;
        assert_int_equal(group_row_lag_ms(&row), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lag_is_what_is_behind_the_committed_offset),
        cmocka_unit_test(lag_in_time_needs_both_ends),
    };
    return cmocka_run_group_tests_name("group_rows", tests, NULL, NULL);
}
