#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "dataplane/slowpath/statistics.h"

static struct statistics *statistics_make(uint32_t core_count)
{
    const uint64_t size = round_up(statistics_size(core_count), 64);
    struct statistics *statistics = aligned_alloc(64, size);
    memset(statistics, 0, size);
    statistics_init(statistics, core_count, 5);
    return statistics;
}

static void every_statistic_has_a_name_of_its_own_and_a_sentence(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < STATISTIC_COUNT; i++) {
        const struct statistic_description *one = &statistic_descriptions[i];
        assert_true(strlen(one->help) > 5);
        assert_int_equal(strspn(one->name, "abcdefghijklmnopqrstuvwxyz_12"), strlen(one->name));
        for (uint32_t j = 0; j < i; j++) {
            assert_string_not_equal(one->name, statistic_descriptions[j].name);
        }
    }
    assert_string_equal(statistic_descriptions[STATISTIC_sent_bytes].name, "sent_bytes");
    assert_true(statistic_descriptions[STATISTIC_sent_bytes].grows);
    assert_false(statistic_descriptions[STATISTIC_sockets].grows);
}

static void cores_count_apart(void **state)
{
    (void)state;
    struct statistics *statistics = statistics_make(2);
    statistic_add(&statistics->cores[0], STATISTIC_sends, 3);
    statistic_add(&statistics->cores[0], STATISTIC_sends, 4);
    statistic_set(&statistics->cores[1], STATISTIC_sends, 9);
    assert_int_equal(statistic_get(&statistics->cores[0], STATISTIC_sends), 7);
    assert_int_equal(statistic_get(&statistics->cores[1], STATISTIC_sends), 9);
    free(statistics);
}

static void memory_of_another_layout_is_refused(void **state)
{
    (void)state;
    struct statistics *statistics = statistics_make(2);
    const uint64_t size = statistics_size(2);
    assert_true(statistics_valid(statistics, size));
    assert_false(statistics_valid(statistics, size - 1));
    assert_false(statistics_valid(statistics, 3));
    statistics->core_count = 3;
    assert_false(statistics_valid(statistics, size));
    statistics->core_count = 0;
    assert_false(statistics_valid(statistics, size));
    statistics_init(statistics, 2, 5);
    statistics->core_bytes--;
    assert_false(statistics_valid(statistics, size));
    statistics_init(statistics, 2, 5);
    statistics->magic++;
    assert_false(statistics_valid(statistics, size));
    free(statistics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_statistic_has_a_name_of_its_own_and_a_sentence),
        cmocka_unit_test(cores_count_apart),
        cmocka_unit_test(memory_of_another_layout_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
