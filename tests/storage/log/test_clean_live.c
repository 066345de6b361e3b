#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "storage/base/random.h"
#include "storage/log/clean_live.h"

/* Against a byte for each offset: nothing marked is missed, and with a bit for each offset nothing
 * else is found. */
static void what_was_marked_is_found_and_nothing_else(void **state)
{
    (void)state;
    enum { OFFSETS = 5000, FROM = 1000 };
    static bool marked[OFFSETS];
    struct random random;
    random_init(&random, 3);
    struct clean_live live;
    assert_true(clean_live_begin(&live, FROM, FROM + OFFSETS));
    for (uint32_t i = 0; i < 40; i++) {
        const int64_t first = (int64_t)random_below(&random, OFFSETS);
        const int64_t last = first + (int64_t)random_below(&random, i % 4 == 0 ? 300 : 2);
        clean_live_mark(&live, FROM + first, FROM + last); /* Also beyond its end. */
        for (int64_t at = first; at <= last && at < OFFSETS; at++) {
            marked[at] = true;
        }
    }
    uint32_t dead = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        const int64_t first = (int64_t)random_below(&random, OFFSETS);
        const int64_t last = min_i64(OFFSETS - 1, first + (int64_t)random_below(&random, 200));
        bool any = false;
        for (int64_t at = first; at <= last; at++) {
            any = any || marked[at];
        }
        assert_int_equal(clean_live_any(&live, FROM + first, FROM + last), any);
        dead += !any;
    }
    assert_true(dead > 1000);
    clean_live_free(&live);
}

static void out_of_its_range_everything_counts(void **state)
{
    (void)state;
    struct clean_live live = {0};
    assert_true(clean_live_any(&live, 0, 0)); /* Not begun. */
    assert_true(clean_live_begin(&live, 100, 200));
    assert_false(clean_live_any(&live, 100, 199));
    assert_true(clean_live_any(&live, 99, 150));
    assert_true(clean_live_any(&live, 150, 200));
    clean_live_mark(&live, 0, 99);
    clean_live_mark(&live, 200, INT64_MAX);
    assert_false(clean_live_any(&live, 100, 199));
    clean_live_free(&live);
    assert_true(clean_live_begin(&live, 7, 7));
    assert_true(clean_live_any(&live, 7, 7));
    clean_live_free(&live);
}

/* However many offsets: its memory is bounded, and neighbours of what is marked count too. */
static void a_long_log_takes_a_bit_for_many(void **state)
{
    (void)state;
    struct clean_live live;
    const int64_t to = INT64_C(1) << 40;
    assert_true(clean_live_begin(&live, 0, to));
    assert_true((uint64_t)to >> live.shift <= 8ull * CLEAN_LIVE_BYTES_MAX);
    clean_live_mark(&live, to / 2 + 5, to / 2 + 5);
    assert_true(clean_live_any(&live, to / 2 + 5, to / 2 + 5));
    assert_false(clean_live_any(&live, 0, to / 2 - 1));
    assert_false(clean_live_any(&live, to / 2 + (INT64_C(1) << live.shift), to - 1));
    clean_live_mark(&live, to - 1, to - 1);
    assert_true(clean_live_any(&live, to - 1, to - 1));
    clean_live_free(&live);
}

/* Of each key only the last place; nothing is known from where the map ends. */
static void a_map_marks_the_last_of_each_key(void **state)
{
    (void)state;
    enum { SLOTS = 64 };
    static const struct siphash_key secret = {{1, 2}};
    void *memory = calloc(SLOTS, CLEAN_MAP_ENTRY_BYTES);
    struct clean_map map;
    clean_map_init(&map, memory, SLOTS * CLEAN_MAP_ENTRY_BYTES, 90, &secret);
    static const int64_t offsets[] = {10, 11, 12, 40, 41};
    static const uint8_t keys[] = {'a', 'b', 'a', 'c', 'b'};
    for (uint32_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        const struct clean_key key = clean_map_key(&map, (struct bytes){&keys[i], 1});
        assert_true(clean_map_put(&map, &key, offsets[i]));
    }
    map.end = 60;
    struct clean_live live;
    assert_true(clean_live_begin(&live, 0, 100));
    clean_live_mark_map(&live, &map);
    for (int64_t offset = 0; offset < 100; offset++) {
        const bool there = offset == 12 || offset == 40 || offset == 41 || offset >= 60;
        assert_int_equal(clean_live_any(&live, offset, offset), there);
    }
    clean_live_free(&live);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_marked_is_found_and_nothing_else),
        cmocka_unit_test(out_of_its_range_everything_counts),
        cmocka_unit_test(a_long_log_takes_a_bit_for_many),
        cmocka_unit_test(a_map_marks_the_last_of_each_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
