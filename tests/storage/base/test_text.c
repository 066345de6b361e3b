#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/base/text.h"

static void pieces_join_to_one_text(void **state)
{
    (void)state;
    char buffer[128];
    struct text text;
    text_init(&text, buffer, sizeof(buffer));
    text_string(&text, "a=");
    text_u64(&text, UINT64_MAX);
    text_char(&text, ' ');
    text_i64(&text, INT64_MIN);
    text_char(&text, ' ');
    text_u64_padded(&text, 42, 20);
    text_printf(&text, " %s", "end");
    text_bytes(&text, (struct bytes){NULL, 0});
    assert_string_equal(buffer, "a=18446744073709551615 -9223372036854775808 "
                                "00000000000000000042 end");
    assert_int_equal(text_view(&text).len, strlen(buffer));
}

static void what_does_not_fit_is_dropped_whole_and_remembered(void **state)
{
    (void)state;
    char buffer[6];
    struct text text;
    text_init(&text, buffer, sizeof(buffer));
    text_string(&text, "abc");
    text_string(&text, "defg");
    assert_true(text.full);
    text_string(&text, "x");
    assert_string_equal(buffer, "abc");
    text_init(&text, buffer, sizeof(buffer));
    text_printf(&text, "%d", 123456);
    assert_true(text.full);
    assert_string_equal(buffer, "");
    text_init(&text, buffer, sizeof(buffer));
    text_string(&text, "12345");
    assert_false(text.full);
    text_init(&text, NULL, 0);
    text_char(&text, 'x');
    assert_true(text.full && text.len == 0);
}

static void bytes_are_written_in_hex(void **state)
{
    (void)state;
    char buffer[64];
    struct text text;
    text_init(&text, buffer, sizeof(buffer));
    text_hex(&text, (struct bytes){(const uint8_t *)"\x01\xab", 2});
    assert_string_equal(buffer, "01ab");
}

static void numbers_are_parsed_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t want;
    } cases[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"18446744073709551616", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1a", false, 0},
        {"--1", false, 0},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t value = 99;
        assert_int_equal(text_parse_i64(bytes_of_string(cases[i].text), &value), cases[i].good);
        assert_true(value == (cases[i].good ? cases[i].want : 99));
    }
    uint64_t value = 0;
    assert_true(text_parse_u64(bytes_of_string("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    assert_false(text_parse_u64(bytes_of_string("-1"), &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_join_to_one_text),
        cmocka_unit_test(what_does_not_fit_is_dropped_whole_and_remembered),
        cmocka_unit_test(bytes_are_written_in_hex),
        cmocka_unit_test(numbers_are_parsed_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
