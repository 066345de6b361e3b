#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/arena.h"
#include "control/text.h"

static void a_copy_outlives_its_source(void **state)
{
    (void)state;
    char source[] = "text";
    struct bytes copy = text_copy(bytes_of_string(source));
    source[0] = 'n';
    assert_true(bytes_equal(copy, bytes_of_string("text")));
    assert_int_equal(copy.ptr[copy.len], 0);
    text_free(&copy);
    assert_null(copy.ptr);
}

static void no_text_is_not_an_empty_one(void **state)
{
    (void)state;
    static const struct bytes nothing = {(const uint8_t *)"", 0};
    struct bytes none = text_copy((struct bytes){0});
    struct bytes empty = text_copy(bytes_of_string(""));
    struct bytes none_of_chain = text_copy_chain((struct chain){0});
    struct bytes empty_of_chain = text_copy_chain(chain_of(&nothing));
    assert_null(none.ptr);
    assert_non_null(empty.ptr);
    assert_null(none_of_chain.ptr);
    assert_non_null(empty_of_chain.ptr);
    text_free(&none);
    text_free(&empty);
    text_free(&empty_of_chain);
}

static void a_chain_becomes_one_piece(void **state)
{
    (void)state;
    const struct bytes parts[] = {bytes_of_string("in "), bytes_of_string("two")};
    struct bytes copy = text_copy_chain((struct chain){parts, 0, 6});
    assert_true(bytes_equal(copy, bytes_of_string("in two")));
    text_set(&copy, (struct bytes){copy.ptr + 3, 3});
    assert_true(bytes_equal(copy, bytes_of_string("two")));
    text_free(&copy);
}

static void texts_are_ordered_and_found(void **state)
{
    (void)state;
    const struct bytes sorted[] = {bytes_of_string(""), bytes_of_string("a"), bytes_of_string("ab"),
                                   bytes_of_string("b")};
    for (uint32_t i = 0; i < ARRAY_SIZE(sorted); i++) {
        for (uint32_t k = 0; k < ARRAY_SIZE(sorted); k++) {
            const int order = text_order(sorted[i], sorted[k]);
            assert_true(i < k ? order < 0 : i > k ? order > 0 : order == 0);
        }
        assert_true(text_within(sorted[i], sorted, ARRAY_SIZE(sorted)));
    }
    assert_false(text_within(bytes_of_string("aa"), sorted, ARRAY_SIZE(sorted)));
    assert_false(text_within(bytes_of_string("a"), sorted, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_outlives_its_source),
        cmocka_unit_test(no_text_is_not_an_empty_one),
        cmocka_unit_test(a_chain_becomes_one_piece),
        cmocka_unit_test(texts_are_ordered_and_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
