#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/base/random.h"
#include "storage/log/arena.h"

enum { PAGES = 512, KIB = 1 << 10, MIB = 1 << 20 };

static struct arena arena;
static uint8_t *memory;

static void arena_make(uint32_t pages)
{
    void *at = NULL;
    assert_int_equal(posix_memalign(&at, ARENA_PAGE_BYTES, (size_t)pages * ARENA_PAGE_BYTES), 0);
    memory = at;
    assert_true(arena_init(&arena, memory, (uint64_t)pages * ARENA_PAGE_BYTES));
    assert_true(arena_invariants(&arena));
}

static void arena_drop(void)
{
    assert_true(arena_invariants(&arena));
    arena_finish(&arena);
    free(memory);
}

static struct extent *map(struct file_extents *file, uint64_t offset, uint32_t bytes)
{
    struct extent *extent = arena_take(&arena, bytes, bytes);
    assert_non_null(extent);
    arena_map(&arena, extent, file, offset, bytes, EXTENT_VALID);
    extent->used = bytes;
    return extent;
}

static void an_extent_is_as_large_as_wanted_and_never_over_one_mib(void **state)
{
    (void)state;
    static const struct {
        uint32_t wanted;
        uint32_t capacity;
    } cases[] = {{1, 4 * KIB},           {4 * KIB, 4 * KIB}, {4 * KIB + 1, 8 * KIB},
                 {300 * KIB, 512 * KIB}, {MIB, MIB},         {5 * MIB, MIB}};
    arena_make(PAGES);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct extent *extent = arena_take(&arena, cases[i].wanted, 1);
        assert_non_null(extent);
        assert_int_equal(extent_capacity(extent), cases[i].capacity);
        const uint8_t *at = extent_memory(&arena, extent);
        assert_true(at >= memory && at + cases[i].capacity <= memory + (size_t)PAGES * 4 * KIB);
        assert_int_equal((uintptr_t)at % ARENA_PAGE_BYTES, 0);
        arena_unpin(&arena, extent);
        assert_int_equal(arena.free_bytes, PAGES * 4 * KIB);
    }
    arena_drop();
}

static void a_smaller_extent_does_when_the_wanted_one_is_not_there(void **state)
{
    (void)state;
    arena_make(3); /* One of two pages, one of one. */
    struct extent *first = arena_take(&arena, 64 * KIB, 4 * KIB);
    assert_int_equal(extent_capacity(first), 8 * KIB);
    struct extent *second = arena_take(&arena, 64 * KIB, 4 * KIB);
    assert_int_equal(extent_capacity(second), 4 * KIB);
    assert_null(arena_take(&arena, 4 * KIB, 4 * KIB));
    arena_unpin(&arena, second);
    assert_null(arena_take(&arena, 8 * KIB, 8 * KIB));
    arena_unpin(&arena, first);
    arena_drop();
}

static void a_byte_is_found_in_the_extent_that_stands_for_it(void **state)
{
    (void)state;
    arena_make(PAGES);
    struct file_extents files[2];
    file_extents_init(&files[0]);
    file_extents_init(&files[1]);
    struct extent *low = map(&files[0], 4 * KIB, 8 * KIB);
    struct extent *high = map(&files[0], MIB, 4 * KIB);
    struct extent *other = map(&files[1], 0, 16 * KIB);
    static const uint64_t absent[] = {0, 4 * KIB - 1, 12 * KIB, MIB - 1, MIB + 4 * KIB};
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
        assert_null(arena_find(&arena, &files[0], absent[i]));
    }
    assert_ptr_equal(arena_find(&arena, &files[0], 4 * KIB), low);
    assert_ptr_equal(arena_find(&arena, &files[0], 12 * KIB - 1), low);
    assert_ptr_equal(arena_find(&arena, &files[0], MIB + 1), high);
    assert_ptr_equal(arena_find(&arena, &files[1], 5 * KIB), other);
    assert_int_equal(arena_gap(&arena, &files[0], 0, 64 * KIB), 4 * KIB);
    assert_int_equal(arena_gap(&arena, &files[0], 4 * KIB, 64 * KIB), 0);
    assert_int_equal(arena_gap(&arena, &files[0], 12 * KIB, 64 * KIB), 64 * KIB);
    struct extent *all[] = {low, high, other};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        arena_unpin(&arena, all[i]);
    }
    arena_forget(&arena, &files[0]);
    arena_forget(&arena, &files[1]);
    assert_null(arena_find(&arena, &files[0], 4 * KIB));
    assert_int_equal(arena.free_bytes, PAGES * 4 * KIB);
    arena_drop();
}

/* What nothing pins is cache, and what was used last stays longest. */
static void the_extent_unused_for_longest_makes_room(void **state)
{
    (void)state;
    arena_make(4);
    struct file_extents file;
    file_extents_init(&file);
    for (uint32_t i = 0; i < 4; i++) {
        arena_unpin(&arena, map(&file, (uint64_t)i * 4 * KIB, 4 * KIB));
    }
    assert_int_equal(arena.cache_bytes, 16 * KIB);
    arena_touch(&arena, arena_find(&arena, &file, 0));
    struct extent *pinned = arena_find(&arena, &file, 4 * KIB);
    arena_pin(&arena, pinned);
    struct extent *taken = arena_take(&arena, 4 * KIB, 4 * KIB);
    assert_non_null(taken);
    assert_null(arena_find(&arena, &file, 8 * KIB));
    assert_ptr_equal(arena_find(&arena, &file, 4 * KIB), pinned);
    assert_non_null(arena_find(&arena, &file, 0));
    assert_non_null(arena_find(&arena, &file, 12 * KIB));
    arena_evict_file(&arena, &file);
    assert_null(arena_find(&arena, &file, 0));
    assert_ptr_equal(arena_find(&arena, &file, 4 * KIB), pinned);
    arena_unpin(&arena, pinned);
    arena_forget(&arena, &file);
    arena_unpin(&arena, taken);
    assert_int_equal(arena.free_bytes, 16 * KIB);
    arena_drop();
}

static void what_is_lent_outlives_its_place_in_the_file(void **state)
{
    (void)state;
    arena_make(8);
    struct file_extents file;
    file_extents_init(&file);
    struct extent *extent = map(&file, 0, 8 * KIB);
    extent->dirty = true; /* Its pin. */
    arena_hold(&arena, extent);
    arena_hold(&arena, extent);
    assert_int_equal(arena.held_bytes, 8 * KIB);
    arena_unmap(&arena, extent);
    assert_null(arena_find(&arena, &file, 0));
    assert_int_equal(arena.free_bytes, 24 * KIB); /* Still read by the network. */
    arena_release(&arena, extent);
    assert_int_equal(arena.held_bytes, 8 * KIB);
    arena_release(&arena, extent);
    assert_int_equal(arena.held_bytes, 0);
    assert_int_equal(arena.free_bytes, 32 * KIB);
    arena_drop();
}

/* A model: which pages are whose. */
static void nothing_is_lost_or_given_twice_in_any_order(void **state)
{
    (void)state;
    enum { HELD_MAX = 64, STEPS = 4000 };
    for (uint64_t seed = 1; seed <= 5; seed++) {
        arena_make(PAGES - (uint32_t)seed); /* Not a power of two. */
        const uint64_t all_bytes = arena.free_bytes;
        struct random random;
        random_init(&random, seed);
        struct extent *held[HELD_MAX] = {0};
        static uint8_t owner[PAGES];
        memset(owner, 0, sizeof(owner));
        for (uint32_t step = 0; step < STEPS; step++) {
            const uint32_t slot = (uint32_t)random_below(&random, HELD_MAX);
            struct extent *extent = held[slot];
            const bool give = extent != NULL;
            if (!give) {
                extent = arena_take(&arena, 1u << random_below(&random, 19), 1);
            }
            held[slot] = give ? NULL : extent;
            const uint32_t first = extent == NULL ? 0 : (uint32_t)(extent - arena.extents);
            const uint32_t pages = extent == NULL ? 0 : extent_capacity(extent) / ARENA_PAGE_BYTES;
            for (uint32_t i = 0; i < pages; i++) {
                assert_int_equal(owner[first + i], give);
                owner[first + i] = !give;
            }
            if (give) {
                arena_unpin(&arena, extent);
            }
            if (step % 64 == 0) {
                assert_true(arena_invariants(&arena));
            }
        }
        for (uint32_t slot = 0; slot < HELD_MAX; slot++) {
            if (held[slot] != NULL) {
                arena_unpin(&arena, held[slot]);
            }
        }
        assert_int_equal(arena.free_bytes, all_bytes);
        arena_drop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_extent_is_as_large_as_wanted_and_never_over_one_mib),
        cmocka_unit_test(a_smaller_extent_does_when_the_wanted_one_is_not_there),
        cmocka_unit_test(a_byte_is_found_in_the_extent_that_stands_for_it),
        cmocka_unit_test(the_extent_unused_for_longest_makes_room),
        cmocka_unit_test(what_is_lent_outlives_its_place_in_the_file),
        cmocka_unit_test(nothing_is_lost_or_given_twice_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
