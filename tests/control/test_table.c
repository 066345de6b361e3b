#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/table.h"

struct thing {
    struct table_node node;
    uint64_t number;
};

static struct thing things[1000];

static const struct thing *find(const struct table *table, uint64_t hash, uint64_t number)
{
    struct table_node *node = table_first(table, hash);
    while (node != NULL && CONTAINER_OF(node, struct thing, node)->number != number) {
        node = table_next(node);
    }
    return node == NULL ? NULL : CONTAINER_OF(node, struct thing, node);
}

/* Eight things share each hash, so that walks meet others. */
static uint64_t hash_of(uint64_t number)
{
    return number / 8 * 0x9e3779b97f4a7c15u;
}

static void what_is_added_is_found_until_it_is_removed(void **state)
{
    (void)state;
    struct table table = {0};
    assert_null(table_first(&table, 1));
    for (uint64_t i = 0; i < ARRAY_SIZE(things); i++) {
        things[i] = (struct thing){.number = i};
        table_add(&table, &things[i].node, hash_of(i));
    }
    assert_int_equal(table.count, ARRAY_SIZE(things));
    for (uint64_t i = 0; i < ARRAY_SIZE(things); i++) {
        assert_ptr_equal(find(&table, hash_of(i), i), &things[i]);
    }
    for (uint64_t i = 0; i < ARRAY_SIZE(things); i += 3) {
        table_remove(&table, &things[i].node);
    }
    for (uint64_t i = 0; i < ARRAY_SIZE(things); i++) {
        assert_ptr_equal(find(&table, hash_of(i), i), i % 3 == 0 ? NULL : &things[i]);
    }
    table_free(&table);
    assert_int_equal(table.count, 0);
}

static void a_walk_sees_one_hash_only(void **state)
{
    (void)state;
    struct table table = {0};
    struct thing same[3] = {0};
    struct thing other = {0};
    for (uint32_t i = 0; i < 3; i++) {
        table_add(&table, &same[i].node, 5);
    }
    table_add(&table, &other.node, 5 + 16); /* The same slot. */
    uint32_t seen = 0;
    for (struct table_node *node = table_first(&table, 5); node != NULL; node = table_next(node)) {
        assert_ptr_not_equal(node, &other.node);
        seen++;
    }
    assert_int_equal(seen, 3);
    table_free(&table);
}

static void a_hash_depends_on_name_and_seed(void **state)
{
    (void)state;
    const struct bytes a = {(const uint8_t *)"a", 1};
    const struct bytes b = {(const uint8_t *)"b", 1};
    assert_true(table_hash(a, 1) == table_hash(a, 1));
    assert_true(table_hash(a, 1) != table_hash(a, 2));
    assert_true(table_hash(a, 1) != table_hash(b, 1));
    assert_true(table_hash((struct bytes){0}, 1) == table_hash((struct bytes){a.ptr, 0}, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_is_found_until_it_is_removed),
        cmocka_unit_test(a_walk_sees_one_hash_only),
        cmocka_unit_test(a_hash_depends_on_name_and_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
