#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dataplane/kafka/errors.h"
#include "tools/client/problem.h"

static void kafka_errors_say_name_meaning_message_and_remedy(void **state)
{
    (void)state;
    struct problem problem = {0};
    assert_false(
        problem_kafka(&problem, ERROR_TOPIC_ALREADY_EXISTS, "create topic t", "t", "it is there"));
    assert_int_equal(problem.kind, PROBLEM_KAFKA);
    assert_int_equal(problem.code, ERROR_TOPIC_ALREADY_EXISTS);
    assert_string_equal(problem.text,
                        "create topic t: TOPIC_ALREADY_EXISTS: the topic exists already (it is "
                        "there); `millrace topic show t` shows it");
    (void)problem_kafka(&problem, ERROR_POLICY_VIOLATION, "x", "t", "");
    assert_non_null(strstr(problem.text, "x: POLICY_VIOLATION: "));
    assert_null(strstr(problem.text, ";")); /* No remedy is known. */
}

static void long_texts_are_cut_not_overrun(void **state)
{
    (void)state;
    struct problem problem = {0};
    char message[2 * PROBLEM_TEXT_BYTES];
    memset(message, 'm', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    (void)problem_kafka(&problem, ERROR_INVALID_CONFIG, "w", "t", message);
    assert_int_equal(strlen(problem.text), PROBLEM_TEXT_BYTES - 1);
}

static void only_what_may_pass_is_tried_again(void **state)
{
    (void)state;
    static const struct {
        enum problem_kind kind;
        int16_t code;
        bool repeatable;
        bool want;
    } cases[] = {
        {PROBLEM_KAFKA, ERROR_NOT_LEADER_OR_FOLLOWER, false, true},
        {PROBLEM_KAFKA, ERROR_REQUEST_TIMED_OUT, true, true},
        {PROBLEM_KAFKA, ERROR_INVALID_CONFIG, true, false},
        /* Retriable by Kafka's list; for a person at a terminal it is a typing error. */
        {PROBLEM_KAFKA, ERROR_UNKNOWN_TOPIC_OR_PARTITION, true, false},
        {PROBLEM_LOST, ERROR_NONE, true, true},
        {PROBLEM_LOST, ERROR_NONE, false, false},
        {PROBLEM_UNREACHABLE, ERROR_NONE, false, true},
        {PROBLEM_PROTOCOL, ERROR_NONE, true, false},
        {PROBLEM_LOCAL, ERROR_NONE, true, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct problem problem = {.kind = cases[i].kind, .code = cases[i].code};
        assert_int_equal(problem_may_pass(&problem, cases[i].repeatable), cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kafka_errors_say_name_meaning_message_and_remedy),
        cmocka_unit_test(long_texts_are_cut_not_overrun),
        cmocka_unit_test(only_what_may_pass_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
