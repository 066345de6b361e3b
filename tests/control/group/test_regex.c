#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/group/regex.h"

static void the_whole_name_matches_or_not(void **state)
{
    (void)state;
    const struct {
        const char *pattern;
        const char *text;
        bool matches;
    } cases[] = {
        {"t", "t", true},
        {"t", "tt", false},
        {"t.*", "topic", true},
        {"a|ab", "ab", true}, /* From end to end, not the first that fits. */
        {"(?i)ORDERS-\\d+", "orders-17", true},
        {"orders-\\d+", "orders-x", false},
        {"[[:alpha:]]+", "abc", true},
        {"^t$", "t", true},
        {"", "", true},
        {"\\p{Greek}+", "\xce\xb1\xce\xb2", true},
        {".", "\xce\xb1", true}, /* One letter of two bytes. */
        {"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false},
    };
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct regex_error error;
        struct regex *regex =
            regex_new(cases[i].pattern, (uint32_t)strlen(cases[i].pattern), &error);
        assert_non_null(regex);
        assert_int_equal(regex_matches(regex, cases[i].text, (uint32_t)strlen(cases[i].text)),
                         cases[i].matches);
        regex_free(regex);
    }
}

static void what_is_no_pattern_is_told_with_its_place(void **state)
{
    (void)state;
    const struct {
        const char *pattern;
        const char *what;
        uint32_t at;
    } cases[] = {
        {"ab[c", "missing closing ]", 2},
        {"a[(](b)(c", "missing closing )", 7},
        {"a\\)(b))c", "unexpected )", 6},
        {"ab\\", "trailing backslash at end of expression", 2},
        {"*a", "missing argument to repetition operator", 0},
        {"ab[z-a]", "invalid character class range", 3},
        {"a\\8", "invalid escape sequence", 1},
        {"a(?=b)", "invalid or unsupported Perl syntax", 1}, /* No time for looking ahead. */
        {"(a)\\1", "invalid escape sequence", 3},
        {"a{1001}", "invalid repetition size", 1},
        {"a**", "invalid nested repetition operator", 1},
        {"a\xff", "invalid UTF-8", 0},
        {"((a{100}){100}){100}", "invalid repetition size", 3},
    };
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct regex_error error;
        assert_null(regex_new(cases[i].pattern, (uint32_t)strlen(cases[i].pattern), &error));
        assert_string_equal(error.what, cases[i].what);
        assert_int_equal(error.at, cases[i].at);
    }
}

/* An engine that goes back would need 2^40 steps, or all memory. */
static void time_is_linear_in_the_text(void **state)
{
    (void)state;
    struct regex_error error;
    const char *pattern = "(x+x+)+y|(a|a?)+c|(.*)(.*)(.*)(.*)(.*)z";
    struct regex *regex = regex_new(pattern, (uint32_t)strlen(pattern), &error);
    assert_non_null(regex);
    const uint32_t len = 1 << 16;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, 'x', len);
    assert_false(regex_matches(regex, text, len));
    free(text);
    regex_free(regex);
}

static void a_pattern_that_wants_too_much_memory_is_none(void **state)
{
    (void)state;
    enum { ALTERNATIVES = 40000 };
    char *pattern = malloc(ALTERNATIVES * 12);
    assert_non_null(pattern);
    uint32_t len = 0;
    for (uint32_t i = 0; i < ALTERNATIVES; i++) {
        memcpy(pattern + len, "\\pL\\pN.?|", 9);
        len += 9;
    }
    struct regex_error error;
    assert_null(regex_new(pattern, len, &error));
    assert_string_equal(error.what, "expression too large");
    free(pattern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_name_matches_or_not),
        cmocka_unit_test(what_is_no_pattern_is_told_with_its_place),
        cmocka_unit_test(time_is_linear_in_the_text),
        cmocka_unit_test(a_pattern_that_wants_too_much_memory_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
