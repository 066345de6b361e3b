#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "storage/log/epoch_cache.h"

static struct pool blocks;
static struct epoch_cache cache;
static void *memory;

static int begin(void **state)
{
    (void)state;
    memory = aligned_alloc(64, 8192);
    pool_init(&blocks, memory, sizeof(struct epoch_block), 2);
    epoch_cache_init(&cache, &blocks);
    return 0;
}

static int end(void **state)
{
    (void)state;
    epoch_cache_clear(&cache);
    assert_int_equal(blocks.used, 0);
    free(memory);
    return 0;
}

static void check_entries(const struct checkpoint_epoch *want, uint32_t count)
{
    assert_int_equal(cache.count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(epoch_cache_entries(&cache)[i].epoch, want[i].epoch);
        assert_int_equal(epoch_cache_entries(&cache)[i].start_offset, want[i].start_offset);
    }
}

static void an_epoch_is_assigned_once(void **state)
{
    (void)state;
    assert_int_equal(epoch_cache_latest(&cache), EPOCH_UNDEFINED);
    assert_true(epoch_cache_assign(&cache, 2, 6));
    assert_false(epoch_cache_assign(&cache, 2, 7));
    assert_false(epoch_cache_assign(&cache, 2, 6));
    assert_true(epoch_cache_assign(&cache, 3, 10));
    assert_true(epoch_cache_assign(&cache, 5, 20));
    assert_int_equal(epoch_cache_latest(&cache), 5);
    const struct checkpoint_epoch want[] = {{2, 6}, {3, 10}, {5, 20}};
    check_entries(want, 3);
}

static void what_contradicts_a_new_epoch_is_dropped(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 6; i++) {
        epoch_cache_assign(&cache, 2 * i, 10 * i);
    }
    assert_true(epoch_cache_assign(&cache, 20, 30)); /* Starts where epoch 6 did. */
    const struct checkpoint_epoch want[] = {{0, 0}, {2, 10}, {4, 20}, {20, 30}};
    check_entries(want, 4);
    assert_true(epoch_cache_assign(&cache, 3, 40)); /* An older epoch. */
    const struct checkpoint_epoch then[] = {{0, 0}, {2, 10}, {3, 40}};
    check_entries(then, 3);
    assert_true(epoch_cache_assign(&cache, 3, 35)); /* The same one, earlier. */
    const struct checkpoint_epoch last[] = {{0, 0}, {2, 10}, {3, 35}};
    check_entries(last, 3);
}

/* LeaderEpochFileCache.endOffsetFor, case by case. */
static void the_end_of_an_epoch_is_the_start_of_the_next(void **state)
{
    (void)state;
    static const struct {
        int32_t asked;
        int32_t epoch;
        int64_t end_offset;
    } cases[] = {{-1, -1, -1}, {0, 0, 11}, {1, 1, 11}, {2, 2, 12},  {3, 2, 12},
                 {4, 4, 30},   {5, 4, 30}, {7, 7, 99}, {8, -1, -1}, {INT32_MAX, -1, -1}};
    assert_int_equal(epoch_cache_end_offset_for(&cache, 0, 99).epoch, -1);
    epoch_cache_assign(&cache, 2, 11);
    epoch_cache_assign(&cache, 4, 12);
    epoch_cache_assign(&cache, 7, 30);
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct epoch_end got = epoch_cache_end_offset_for(&cache, cases[i].asked, 99);
        assert_int_equal(got.epoch, cases[i].epoch);
        assert_int_equal(got.end_offset, cases[i].end_offset);
    }
}

static void truncation_at_the_end_drops_what_starts_there(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 5; i++) {
        epoch_cache_assign(&cache, i, 10 * i);
    }
    assert_false(epoch_cache_truncate_end(&cache, 41));
    assert_true(epoch_cache_truncate_end(&cache, 40));
    assert_true(epoch_cache_truncate_end(&cache, 11));
    const struct checkpoint_epoch want[] = {{0, 0}, {1, 10}};
    check_entries(want, 2);
    assert_int_equal(blocks.used, 0); /* Two fit inside again. */
    assert_true(epoch_cache_truncate_end(&cache, 0));
    assert_int_equal(cache.count, 0);
}

static void truncation_at_the_start_keeps_the_epoch_in_force(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 5; i++) {
        epoch_cache_assign(&cache, i, 5 + 10 * i);
    }
    assert_false(epoch_cache_truncate_start(&cache, 4));
    assert_false(epoch_cache_truncate_start(&cache, 5));
    assert_true(epoch_cache_truncate_start(&cache, 7));
    assert_true(epoch_cache_truncate_start(&cache, 26));
    const struct checkpoint_epoch want[] = {{2, 26}, {3, 35}, {4, 45}};
    check_entries(want, 3);
    assert_true(epoch_cache_truncate_start(&cache, 45));
    check_entries((const struct checkpoint_epoch[]){{4, 45}}, 1);
    assert_true(epoch_cache_truncate_start(&cache, 1000));
    check_entries((const struct checkpoint_epoch[]){{4, 1000}}, 1);
}

static void a_full_cache_drops_its_oldest(void **state)
{
    (void)state;
    for (int32_t i = 0; i < EPOCH_CACHE_BLOCK + 10; i++) {
        assert_true(epoch_cache_assign(&cache, i, 10 * i));
    }
    assert_int_equal(cache.count, EPOCH_CACHE_BLOCK);
    assert_int_equal(cache.dropped, 10);
    assert_int_equal(epoch_cache_entries(&cache)[0].epoch, 10);
    const struct epoch_end old = epoch_cache_end_offset_for(&cache, 3, 9999);
    assert_true(old.epoch == 3 && old.end_offset == 100);
}

static void without_a_block_the_two_newest_stay(void **state)
{
    (void)state;
    void *a = pool_take(&blocks);
    void *b = pool_take(&blocks);
    for (int32_t i = 0; i < 5; i++) {
        assert_true(epoch_cache_assign(&cache, i, 10 * i));
    }
    const struct checkpoint_epoch want[] = {{3, 30}, {4, 40}};
    check_entries(want, 2);
    pool_give(&blocks, a);
    pool_give(&blocks, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_epoch_is_assigned_once, begin, end),
        cmocka_unit_test_setup_teardown(what_contradicts_a_new_epoch_is_dropped, begin, end),
        cmocka_unit_test_setup_teardown(the_end_of_an_epoch_is_the_start_of_the_next, begin, end),
        cmocka_unit_test_setup_teardown(truncation_at_the_end_drops_what_starts_there, begin, end),
        cmocka_unit_test_setup_teardown(truncation_at_the_start_keeps_the_epoch_in_force, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_full_cache_drops_its_oldest, begin, end),
        cmocka_unit_test_setup_teardown(without_a_block_the_two_newest_stay, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
