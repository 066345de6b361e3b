#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/group/partitions.h"

/* Two digits each: topic and partition. */
static struct partition_set set_of(struct arena *arena, const char *text)
{
    struct partition_set set = {ARENA_ARRAY(arena, struct topic_partition, 64), 0};
    for (; text[0] != '\0'; text += text[2] == ' ' ? 3 : 2) {
        set.items[set.count++] =
            (struct topic_partition){{{(uint8_t)(text[0] - '0')}}, text[1] - '0'};
    }
    partition_set_sort(&set);
    return set;
}

static void expect(struct partition_set set, const char *text)
{
    char told[256] = "";
    uint32_t used = 0;
    for (uint32_t i = 0; i < set.count; i++) {
        told[used++] = (char)('0' + set.items[i].topic.bytes[0]);
        told[used++] = (char)('0' + set.items[i].partition);
        told[used++] = i + 1 < set.count ? ' ' : '\0';
    }
    assert_string_equal(told, text);
}

static void sorting_takes_out_what_is_there_twice(void **state)
{
    (void)state;
    struct arena arena = {0};
    expect(set_of(&arena, "21 11 10 21 11 20"), "10 11 20 21");
    expect(set_of(&arena, "11"), "11");
    expect(set_of(&arena, ""), "");
    arena_free(&arena);
}

static void sets_are_met_joined_and_taken_apart(void **state)
{
    (void)state;
    const struct {
        const char *a;
        const char *b;
        const char *both;
        const char *only_a;
        const char *any;
    } cases[] = {
        {"", "", "", "", ""},
        {"10", "", "", "10", "10"},
        {"", "10", "", "", "10"},
        {"10 11", "11 12", "11", "10", "10 11 12"},
        {"10 20", "10 20", "10 20", "", "10 20"},
        {"10 30", "20 40", "", "10 30", "10 20 30 40"},
    };
    struct arena arena = {0};
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct partition_set a = set_of(&arena, cases[i].a);
        const struct partition_set b = set_of(&arena, cases[i].b);
        expect(partition_set_and(&arena, a, b), cases[i].both);
        expect(partition_set_minus(&arena, a, b), cases[i].only_a);
        expect(partition_set_or(&arena, a, b), cases[i].any);
        assert_int_equal(partition_set_meets(a, b), cases[i].both[0] != '\0');
        assert_int_equal(partition_set_within(a, b), cases[i].only_a[0] == '\0');
        assert_int_equal(partition_set_equal(a, b),
                         a.count == b.count && a.count == partition_set_and(&arena, a, b).count);
    }
    arena_free(&arena);
}

static void a_set_knows_what_is_in_it(void **state)
{
    (void)state;
    struct arena arena = {0};
    const struct partition_set set = set_of(&arena, "10 12 20");
    assert_true(partition_set_has(set, (struct uuid){{1}}, 2));
    assert_false(partition_set_has(set, (struct uuid){{1}}, 1));
    assert_false(partition_set_has(set, (struct uuid){{3}}, 0));
    assert_false(partition_set_has((struct partition_set){0}, (struct uuid){{1}}, 2));
    arena_free(&arena);
}

static void rows_are_topics(void **state)
{
    (void)state;
    struct arena arena = {0};
    int32_t count;
    struct partition_row *rows = partition_set_rows(&arena, set_of(&arena, "10 12 20"), &count);
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].topic.bytes[0], 1);
    assert_int_equal(rows[0].partitions.count, 2);
    assert_int_equal(rows[0].partitions.items[1], 2);
    assert_int_equal(rows[1].partitions.count, 1);
    arena_free(&arena);
}

static void a_record_holds_a_row_of_each_topic(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_int_equal(partition_set_bytes(set_of(&arena, "")), 0);
    assert_int_equal(partition_set_bytes(set_of(&arena, "10 12 20")), 2 * 22 + 3 * 4);
    assert_int_equal(partition_bytes(2, 3), 2 * 22 + 3 * 4);
    arena_free(&arena);
}

static void what_is_kept_outlives_the_arena(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct partition_set owned = {0};
    partition_set_keep(&owned, set_of(&arena, "10 12"));
    partition_set_keep(&owned, set_of(&arena, "20"));
    arena_free(&arena);
    expect(owned, "20");
    partition_set_keep(&owned, owned);
    expect(owned, "20");
    partition_set_free(&owned);
    expect(owned, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorting_takes_out_what_is_there_twice),
        cmocka_unit_test(sets_are_met_joined_and_taken_apart),
        cmocka_unit_test(a_set_knows_what_is_in_it),
        cmocka_unit_test(rows_are_topics),
        cmocka_unit_test(a_record_holds_a_row_of_each_topic),
        cmocka_unit_test(what_is_kept_outlives_the_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
