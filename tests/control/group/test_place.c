#include "tests/control/group/bench.h"

/* String.hashCode() of Java, absolute, modulo 50. */
static void an_id_lies_where_java_hashes_it(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        int32_t place;
    } cases[] = {
        {"", 0},
        {"group", 47},
        {"my-group", 12},          /* Negative. */
        {"polygenelubricants", 0}, /* The smallest number: Kafka takes 0. */
        {"gr\xc3\xbcn", 49},       /* UTF-16, not UTF-8. */
        {"\xf0\x9f\x98\x80x", 39}, /* A pair of surrogates. */
        {"connect-cluster", 13},
        {"zzzzzzzzzzzzzzzz", 34},
        {"\xe2\x82\xacuro", 6},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(group_place(bytes_of_string(cases[i].id), 50), cases[i].place);
    }
}

static void what_is_no_text_lies_somewhere(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\xff", "a\xc3", "\xe2\x82", "\xf0\x9f", "\x80\x80", "\xf5\x80\x80\x80", "\xc0\x80"};
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const int32_t place = group_place(bytes_of_string(cases[i]), 7);
        assert_in_range(place, 0, 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_lies_where_java_hashes_it),
        cmocka_unit_test(what_is_no_text_lies_somewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
