#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "storage/base/random.h"
#include "storage/log/clean_map.h"

static const struct siphash_key secret = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};

static bool put(struct clean_map *map, uint32_t number, int64_t offset)
{
    uint8_t room[4];
    store_be32(room, number);
    const struct clean_key key = clean_map_key(map, (struct bytes){room, 4});
    return clean_map_put(map, &key, offset);
}

static int64_t get(const struct clean_map *map, uint32_t number)
{
    uint8_t room[4];
    store_be32(room, number);
    const struct clean_key key = clean_map_key(map, (struct bytes){room, 4});
    return clean_map_get(map, &key);
}

static void it_says_of_each_key_where_it_was_last(void **state)
{
    (void)state;
    enum { SLOTS = 1000, KEYS = 1500, PUTS = 20000 };
    void *memory = calloc(SLOTS, CLEAN_MAP_ENTRY_BYTES);
    static int64_t last[KEYS];
    struct random random;
    random_init(&random, 5);
    memset(last, 0xff, sizeof(last));
    struct clean_map map;
    clean_map_init(&map, memory, SLOTS * CLEAN_MAP_ENTRY_BYTES, 90, &secret);
    uint32_t refused = 0;
    for (int64_t offset = 0; offset < PUTS; offset++) {
        const uint32_t key = (uint32_t)random_below(&random, KEYS);
        if (put(&map, key, offset)) {
            last[key] = offset;
        } else {
            assert_int_equal(last[key], -1); /* Known keys always find their place. */
            refused++;
        }
    }
    assert_int_equal(map.used, 900);
    assert_true(refused > 0);
    for (uint32_t key = 0; key < KEYS; key++) {
        assert_int_equal(get(&map, key), last[key]);
    }
    free(memory);
}

static void one_entry_stays_free_however_small_it_is(void **state)
{
    (void)state;
    uint8_t memory[3 * CLEAN_MAP_ENTRY_BYTES] __attribute__((aligned(8))) = {0};
    struct clean_map map;
    clean_map_init(&map, memory, sizeof(memory), 100, &secret);
    assert_true(put(&map, 1, 0));
    assert_true(put(&map, 2, 1));
    assert_false(put(&map, 3, 2));
    assert_int_equal(get(&map, 3), -1);
    const struct clean_key empty = clean_map_key(&map, (struct bytes){(const uint8_t *)"", 0});
    assert_false(clean_map_put(&map, &empty, 3));
    assert_int_equal(get(&map, 2), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_of_each_key_where_it_was_last),
        cmocka_unit_test(one_entry_stays_free_however_small_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
