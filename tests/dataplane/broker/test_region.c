#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "dataplane/broker/region.h"
#include "storage/base/random.h"

enum { UNIT = 64, UNITS = 200 };

struct fixture {
    struct region region;
    void *memory;
};

static struct fixture fixture_make(void)
{
    struct fixture fixture;
    fixture.memory = calloc(1, region_bytes(UNIT * UNITS, UNIT));
    assert_non_null(fixture.memory);
    region_init(&fixture.region, fixture.memory, UNIT * UNITS, UNIT);
    return fixture;
}

static void the_whole_region_fits_once(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    uint8_t *all = region_take(&fixture.region, UNIT * UNITS);
    assert_non_null(all);
    assert_null(region_take(&fixture.region, 1));
    region_give(&fixture.region, all, UNIT * UNITS);
    assert_int_equal(fixture.region.units_left, UNITS);
    free(fixture.memory);
}

static void a_region_knows_its_own(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    struct fixture other = fixture_make();
    uint8_t *whole = region_take(&fixture.region, UNIT * UNITS);
    assert_true(region_holds(&fixture.region, whole));
    assert_true(region_holds(&fixture.region, whole + UNIT * UNITS - 1));
    assert_false(region_holds(&fixture.region, whole + UNIT * UNITS));
    assert_false(region_holds(&fixture.region, region_take(&other.region, 1)));
    free(fixture.memory);
    free(other.memory);
}

static void what_fits_is_known_without_taking_it(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    struct region *region = &fixture.region;
    uint8_t *units[UNITS];
    assert_true(region_fits(region, UNIT * UNITS));
    assert_false(region_fits(region, UNIT * UNITS + 1));
    for (uint32_t i = 0; i < UNITS; i++) {
        units[i] = region_take(region, UNIT);
    }
    assert_true(region_fits(region, 0));
    assert_false(region_fits(region, 1));
    const uint64_t gives = region->gives;
    region_give(region, units[10], UNIT);
    region_give(region, units[12], UNIT);
    assert_int_equal(region->gives, gives + 2);
    assert_true(region_fits(region, UNIT));
    assert_false(region_fits(region, UNIT + 1)); /* They lie apart. */
    region_give(region, units[11], UNIT);
    assert_true(region_fits(region, 3 * UNIT));
    assert_int_equal(region->units_left, 3);
    free(fixture.memory);
}

static void low_addresses_are_used_again_first(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    uint8_t *first = region_take(&fixture.region, 1);
    uint8_t *second = region_take(&fixture.region, UNIT + 1);
    assert_ptr_equal(first, fixture.memory);
    assert_ptr_equal(second, first + UNIT);
    region_give(&fixture.region, first, 1);
    assert_ptr_equal(region_take(&fixture.region, UNIT), first);
    free(fixture.memory);
}

static void runs_gather_what_lies_apart(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    uint8_t *units[UNITS];
    struct bytes runs[UNITS];
    for (uint32_t i = 0; i < UNITS; i++) {
        units[i] = region_take(&fixture.region, UNIT);
    }
    for (uint32_t i = 0; i < UNITS; i += 2) {
        region_give(&fixture.region, units[i], UNIT);
    }
    assert_null(region_take(&fixture.region, 2 * UNIT));
    assert_int_equal(region_take_runs(&fixture.region, 5 * UNIT - 3, runs, 4), 0);
    assert_int_equal(fixture.region.units_left, UNITS / 2); /* Nothing was kept. */
    assert_int_equal(region_take_runs(&fixture.region, 5 * UNIT - 3, runs, 5), 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_ptr_equal(runs[i].ptr, units[2 * i]);
        assert_int_equal(runs[i].len, i == 4 ? UNIT - 3 : UNIT);
    }
    assert_int_equal(fixture.region.units_left, UNITS / 2 - 5);
    free(fixture.memory);
}

static void no_unit_is_given_out_twice(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    struct random random;
    struct bytes held[UNITS];
    uint32_t held_count = 0;
    bool used[UNITS] = {0};
    random_init(&random, 7);
    for (uint32_t round = 0; round < 20000; round++) {
        if (held_count > 0 && random_below(&random, 2) == 0) {
            const uint32_t at = (uint32_t)random_below(&random, held_count);
            const uint32_t unit = (uint32_t)(held[at].ptr - fixture.region.base) / UNIT;
            for (uint32_t i = 0; i < (held[at].len + UNIT - 1) / UNIT; i++) {
                used[unit + i] = false;
            }
            region_give(&fixture.region, held[at].ptr, held[at].len);
            held[at] = held[--held_count];
            continue;
        }
        const uint32_t size = 1 + (uint32_t)random_below(&random, 10 * UNIT);
        const uint8_t *run = held_count == UNITS ? NULL : region_take(&fixture.region, size);
        if (run == NULL) {
            continue;
        }
        const uint32_t unit = (uint32_t)(run - fixture.region.base) / UNIT;
        for (uint32_t i = 0; i < (size + UNIT - 1) / UNIT; i++) {
            assert_false(used[unit + i]);
            used[unit + i] = true;
        }
        held[held_count++] = (struct bytes){run, size};
    }
    while (held_count > 0) {
        held_count--;
        region_give(&fixture.region, held[held_count].ptr, held[held_count].len);
    }
    assert_int_equal(fixture.region.units_left, UNITS);
    free(fixture.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_region_fits_once),
        cmocka_unit_test(a_region_knows_its_own),
        cmocka_unit_test(what_fits_is_known_without_taking_it),
        cmocka_unit_test(low_addresses_are_used_again_first),
        cmocka_unit_test(runs_gather_what_lies_apart),
        cmocka_unit_test(no_unit_is_given_out_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
