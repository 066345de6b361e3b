#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "dataplane/memory.h"

static void an_area_is_zero_whole_pages_and_writable(void **state)
{
    (void)state;
    for (int pages = MEMORY_PAGES_ANY; pages <= MEMORY_PAGES_ORDINARY; pages++) {
        struct memory_area area;
        assert_int_equal(memory_take(&area, 3 * 1024 * 1024 + 1, (enum memory_pages)pages), 0);
        assert_true(area.size > 3 * 1024 * 1024);
        assert_int_equal(area.size % area.page_bytes, 0);
        assert_int_equal((uintptr_t)area.base % area.page_bytes, 0);
        for (uint64_t i = 0; i < area.size; i += 1024) {
            assert_int_equal(area.base[i], 0);
            area.base[i] = 1;
        }
        memory_give(&area);
        assert_null(area.base);
    }
}

static void what_cannot_be_had_is_an_error_value(void **state)
{
    (void)state;
    struct memory_area area;
    assert_int_equal(memory_take(&area, UINT64_C(1) << 60, MEMORY_PAGES_ANY), -ENOMEM);
}

static void parts_are_aligned_do_not_overlap_and_end(void **state)
{
    (void)state;
    struct memory_cursor cursor = {0};
    assert_int_equal(memory_take(&cursor.area, 16384, MEMORY_PAGES_ORDINARY), 0);
    const uint64_t size = cursor.area.size;
    uint8_t *first = memory_part(&cursor, 10, 64);
    uint8_t *second = memory_part(&cursor, 4096, 4096);
    assert_ptr_equal(first, cursor.area.base);
    assert_ptr_equal(second, cursor.area.base + 4096);
    assert_null(memory_part(&cursor, size, 1));
    assert_null(memory_part(&cursor, UINT64_MAX, 1));
    assert_non_null(memory_part(&cursor, size - 8192, 1));
    assert_null(memory_part(&cursor, 1, 1));
    memory_give(&cursor.area);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_area_is_zero_whole_pages_and_writable),
        cmocka_unit_test(what_cannot_be_had_is_an_error_value),
        cmocka_unit_test(parts_are_aligned_do_not_overlap_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
