#include "tests/control/bench.h"

#include "control/step.h"
#include "control/topic/name.h"

static void names_are_judged_as_kafka_does(void **state)
{
    (void)state;
    char longest[TOPIC_NAME_BYTES_MAX + 2];
    memset(longest, 'x', sizeof(longest));
    longest[TOPIC_NAME_BYTES_MAX + 1] = '\0';
    const struct {
        const char *name;
        const char *reason; /* NULL: valid. */
    } cases[] = {
        {"a", NULL},
        {"Az0._-", NULL},
        {"...", NULL},
        {"", "the empty string is not allowed"},
        {".", "'.' or '..' is not allowed"},
        {"..", "'.' or '..' is not allowed"},
        {"a/b", "contains one or more characters other than ASCII alphanumerics"},
        {"a b", "contains one or more characters"},
        {"\xc3\xa4", "contains one or more characters"},
        {longest, "is longer than the max allowed length 249"},
        {longest + 1, NULL},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char reason[TOPIC_NAME_REASON_BYTES] = "";
        assert_int_equal(topic_name_valid(bytes_of_string(cases[i].name), reason),
                         cases[i].reason == NULL);
        if (cases[i].reason != NULL) {
            assert_non_null(strstr(reason, cases[i].reason));
        }
    }
}

static void names_collide_when_dots_and_underscores_are_one(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    static const char *const topics[] = {"a.b_c", "plain", "x_", "zz.1", "zz.2", "zz_3"};
    for (uint32_t i = 0; i < ARRAY_SIZE(topics); i++) {
        step_bench_topic(bench, topics[i], 1);
    }
    const struct {
        const char *name;
        const char *other;
    } cases[] = {{"a_b.c", "a.b_c"}, {"a.b.c", "a.b_c"}, {"a_b_c", "a.b_c"}, {"a.b", NULL},
                 {"plain", NULL},    {"x.", "x_"},       {"zz_2", "zz.2"},   {"zz.3", "zz_3"},
                 {"zz.4", NULL},     {"a-b_c", NULL}};
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct image_topic *other =
            topic_name_collision(&bench->image, bytes_of_string(cases[i].name));
        if (cases[i].other == NULL) {
            assert_null(other);
        } else {
            assert_string_equal((const char *)other->name.ptr, cases[i].other);
        }
    }
    step_bench_free(bench);
}

static void coordinators_topics_are_internal(void **state)
{
    (void)state;
    assert_true(topic_name_internal(bytes_of_string("__consumer_offsets")));
    assert_true(topic_name_internal(bytes_of_string("__transaction_state")));
    assert_false(topic_name_internal(bytes_of_string("__other")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_judged_as_kafka_does),
        cmocka_unit_test(names_collide_when_dots_and_underscores_are_one),
        cmocka_unit_test(coordinators_topics_are_internal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
