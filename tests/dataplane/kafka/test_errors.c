#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/kafka/errors.h"

static void every_code_has_its_own_name_and_a_text(void **state)
{
    (void)state;
    for (int16_t a = ERROR_UNKNOWN_SERVER_ERROR; a <= ERROR_SHARE_SESSION_LIMIT_REACHED; a++) {
        assert_true(error_text(a)[0] != '\0');
        for (int16_t b = (int16_t)(a + 1); b <= ERROR_SHARE_SESSION_LIMIT_REACHED; b++) {
            assert_string_not_equal(error_name(a), error_name(b));
        }
    }
}

static void known_codes_have_kafkas_numbers(void **state)
{
    (void)state;
    assert_string_equal(error_name(-1), "UNKNOWN_SERVER_ERROR");
    assert_string_equal(error_name(0), "NONE");
    assert_string_equal(error_name(3), "UNKNOWN_TOPIC_OR_PARTITION");
    assert_string_equal(error_name(35), "UNSUPPORTED_VERSION");
    assert_string_equal(error_name(133), "SHARE_SESSION_LIMIT_REACHED");
    assert_true(error_is_retriable(ERROR_NOT_LEADER_OR_FOLLOWER));
    assert_false(error_is_retriable(ERROR_OFFSET_OUT_OF_RANGE));
}

static void a_number_that_kafka_does_not_have_is_an_unknown_error(void **state)
{
    (void)state;
    const int16_t foreign[] = {INT16_MIN, -2, 134, INT16_MAX};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        assert_string_equal(error_name(foreign[i]), "UNKNOWN_SERVER_ERROR");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_own_name_and_a_text),
        cmocka_unit_test(known_codes_have_kafkas_numbers),
        cmocka_unit_test(a_number_that_kafka_does_not_have_is_an_unknown_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
