#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "storage/base/pool.h"
#include "storage/base/random.h"

enum { CAPACITY = 5 };

static _Alignas(64) uint8_t memory[CAPACITY * (48 + sizeof(struct pool_slot))];

static struct pool fresh(void)
{
    struct pool pool;
    assert_true(pool_memory_bytes(40, CAPACITY) <= sizeof(memory));
    pool_init(&pool, memory, 40, CAPACITY);
    return pool;
}

static void a_pool_gives_each_object_once(void **state)
{
    (void)state;
    struct pool pool = fresh();
    void *taken[CAPACITY];
    for (uint32_t i = 0; i < CAPACITY; i++) {
        taken[i] = pool_take(&pool);
        assert_non_null(taken[i]);
        assert_int_equal((uintptr_t)taken[i] % 16, 0);
        memset(taken[i], (int)i, 40);
        for (uint32_t j = 0; j < i; j++) {
            assert_ptr_not_equal(taken[i], taken[j]);
        }
    }
    assert_null(pool_take(&pool));
    assert_int_equal(pool.used, CAPACITY);
    pool_give(&pool, taken[2]);
    assert_ptr_equal(pool_take(&pool), taken[2]);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        pool_give(&pool, taken[i]);
    }
    assert_int_equal(pool.used, 0);
    assert_int_equal(pool.used_max, CAPACITY);
}

static void a_handle_finds_its_object_until_it_is_given_back(void **state)
{
    (void)state;
    struct pool pool = fresh();
    void *object = pool_take(&pool);
    const struct pool_handle handle = pool_handle(&pool, object);
    assert_ptr_equal(pool_find(&pool, handle), object);
    pool_give(&pool, object);
    assert_null(pool_find(&pool, handle));
    assert_ptr_equal(pool_take(&pool), object);
    assert_null(pool_find(&pool, handle)); /* The place is taken again, by a stranger. */
}

static void nonsense_handles_find_nothing(void **state)
{
    (void)state;
    struct pool pool = fresh();
    assert_non_null(pool_take(&pool));
    static const struct pool_handle cases[] = {{0, 0}, {0, 2},        {0, 3},         {1, 0},
                                               {1, 1}, {CAPACITY, 1}, {UINT32_MAX, 1}};
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_null(pool_find(&pool, cases[i]));
    }
}

static void every_object_has_its_index_whatever_its_size(void **state)
{
    (void)state;
    static uint8_t room[64 * 1024] __attribute__((aligned(16)));
    for (uint32_t bytes = 1; bytes <= 2000; bytes++) {
        struct pool pool;
        const uint32_t capacity =
            min_u32((uint32_t)(sizeof(room) / pool_memory_bytes(bytes, 1)), 99);
        pool_init(&pool, room, bytes, capacity);
        for (uint32_t i = 0; i < capacity; i++) {
            assert_int_equal(pool_index(&pool, pool_at(&pool, i)), i);
        }
    }
    /* Far behind the first: beyond what 32 bits count. */
    struct pool far;
    pool_init(&far, room, 3 * 16, 1);
    far.capacity = UINT32_MAX;
    for (uint64_t i = 0; i < UINT32_MAX; i += 12345678) {
        const uint8_t *object = (const uint8_t *)((uintptr_t)far.objects + i * 48);
        assert_int_equal(pool_index(&far, object), i);
    }
}

static void an_empty_pool_has_nothing(void **state)
{
    (void)state;
    struct pool pool;
    pool_init(&pool, memory, 16, 0);
    assert_null(pool_take(&pool));
}

static void random_numbers_repeat_by_seed_and_keep_their_bounds(void **state)
{
    (void)state;
    struct random a;
    struct random b;
    random_init(&a, 42);
    random_init(&b, 42);
    uint32_t seen[10] = {0};
    for (uint32_t i = 0; i < 10000; i++) {
        const uint64_t value = random_below(&a, 10);
        assert_int_equal(value, random_below(&b, 10));
        assert_true(value < 10);
        seen[value]++;
    }
    for (uint32_t i = 0; i < 10; i++) {
        assert_in_range(seen[i], 800, 1200);
    }
    /* The reference implementation of splitmix64 and xoshiro256** gives this for seed 0. */
    random_init(&a, 0);
    assert_int_equal(a.state[0], 0xe220a8397b1dcdafu);
    assert_int_equal(random_u64(&a), 0x99ec5f36cb75f2b4u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_gives_each_object_once),
        cmocka_unit_test(a_handle_finds_its_object_until_it_is_given_back),
        cmocka_unit_test(nonsense_handles_find_nothing),
        cmocka_unit_test(every_object_has_its_index_whatever_its_size),
        cmocka_unit_test(an_empty_pool_has_nothing),
        cmocka_unit_test(random_numbers_repeat_by_seed_and_keep_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
