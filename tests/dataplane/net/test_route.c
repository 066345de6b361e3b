#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/route.h"

static struct route_table table;

static void add(uint32_t prefix, uint8_t bits, uint32_t gateway)
{
    assert_true(route_add(&table, (struct route){prefix, bits, gateway}));
}

static void the_longest_prefix_wins_in_whatever_order_they_came(void **state)
{
    (void)state;
    table = (struct route_table){0};
    add(0, 0, 0x0a000001);
    add(0x0a000000, 24, 0);
    add(0x0a010000, 16, 0x0a000002);
    add(0x0a010203, 32, 0x0a000003);
    assert_int_equal(route_next_hop(&table, 0x08080808), 0x0a000001);
    assert_int_equal(route_next_hop(&table, 0x0a000077), 0x0a000077); /* On the link. */
    assert_int_equal(route_next_hop(&table, 0x0a01ffff), 0x0a000002);
    assert_int_equal(route_next_hop(&table, 0x0a010203), 0x0a000003);
}

static void without_a_route_there_is_no_next_hop(void **state)
{
    (void)state;
    table = (struct route_table){0};
    assert_int_equal(route_next_hop(&table, 0x0a000001), 0);
    add(0x0a000000, 24, 0);
    assert_int_equal(route_next_hop(&table, 0x0a000101), 0);
}

static void what_names_no_single_host_has_no_next_hop(void **state)
{
    (void)state; /* RFC 1122 3.2.1.3. */
    const uint32_t none[] = {0, 0x7f000001, 0xe0000001, 0xffffffff, 0x0a0000ff, 0x0a000000};
    table = (struct route_table){0};
    add(0, 0, 0x0a000001);
    add(0x0a000000, 24, 0);
    add(0x0b000000, 31, 0);
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        assert_int_equal(route_next_hop(&table, none[i]), 0);
    }
    assert_int_equal(route_next_hop(&table, 0x0b000001), 0x0b000001); /* RFC 3021. */
    assert_int_equal(route_next_hop(&table, 0x0c0000ff), 0x0a000001); /* Another's link. */
}

static void routes_that_are_none_are_refused(void **state)
{
    (void)state;
    table = (struct route_table){0};
    assert_false(route_add(&table, (struct route){0x0a000001, 24, 0}));
    assert_false(route_add(&table, (struct route){0, 33, 0}));
    for (uint32_t i = 0; i < ROUTES_MAX; i++) {
        add(0x0a000000 + i, 32, 0);
    }
    assert_false(route_add(&table, (struct route){0x0b000000, 32, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_wins_in_whatever_order_they_came),
        cmocka_unit_test(without_a_route_there_is_no_next_hop),
        cmocka_unit_test(what_names_no_single_host_has_no_next_hop),
        cmocka_unit_test(routes_that_are_none_are_refused),
    };
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
