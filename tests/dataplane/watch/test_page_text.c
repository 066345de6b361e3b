#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "dataplane/watch/page_text.h"

static void bytes_are_kept_in_order_and_taken_from_the_front(void **state)
{
    (void)state;
    struct page_text page = {0};
    for (uint32_t i = 0; i < 10000; i++) {
        page_printf(&page, "%05u", i);
    }
    assert_int_equal(page.len, 50000);
    page_drop(&page, 5 * 9998);
    assert_int_equal(page.len, 10);
    assert_memory_equal(page.at, "0999809999", 10);
    page_drop(&page, 10);
    page_bytes(&page, "x", 1);
    assert_memory_equal(page.at, "x", 1);
    page_text_free(&page);
    assert_null(page.at);
}

static void text_becomes_a_json_string(void **state)
{
    (void)state;
    struct page_text page = {0};
    page_quoted(&page, "a\"b\\c\n\x7f");
    static const char want[] = "\"a\\u0022b\\u005cc\\u000a\\u007f\"";
    assert_int_equal(page.len, sizeof(want) - 1);
    assert_memory_equal(page.at, want, sizeof(want) - 1);
    page_text_free(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_kept_in_order_and_taken_from_the_front),
        cmocka_unit_test(text_becomes_a_json_string),
    };
    return cmocka_run_group_tests_name("page_text", tests, NULL, NULL);
}
