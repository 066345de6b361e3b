#include "tests/control/bench.h"

#include "control/repeats.h"

static void each_name_knows_whether_another_is_like_it_and_came_before(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int32_t kind;
        bool repeated;
        bool later;
    } rows[] = {
        {"b", 0, true, false},  {"a", 0, false, false},  {"b", 0, true, true},
        {"b", 1, false, false}, {"", 0, true, false},    {"b", 0, true, true},
        {"", 0, true, true},    {"bb", 0, false, false},
    };
    struct arena arena = {0};
    struct said said[ARRAY_SIZE(rows)];
    for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
        said[i] = (struct said){.name = bytes_of_string(rows[i].name), .kind = rows[i].kind};
    }
    repeats_mark(&arena, said, ARRAY_SIZE(rows));
    for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(said[i].repeated, rows[i].repeated);
        assert_int_equal(said[i].later, rows[i].later);
    }
    repeats_mark(&arena, said, 0);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_knows_whether_another_is_like_it_and_came_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
