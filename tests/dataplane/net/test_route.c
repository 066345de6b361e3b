#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/route.h"

static struct route_table table;

static void add(uint32_t prefix, uint8_t bits, uint32_t gateway)
{
    const struct route route = route_v4(prefix, bits, gateway);
    assert_true(route_add(&table, &route));
}

static void refused(uint32_t prefix, uint8_t bits)
{
    const struct route route = route_v4(prefix, bits, 0);
    assert_false(route_add(&table, &route));
}

/* 0: none. */
static uint32_t next_hop(uint32_t target)
{
    const struct address address = address_of_v4(target);
    struct address hop;
    return route_next_hop(&table, &address, &hop) ? address_v4(&hop) : 0;
}

static void the_longest_prefix_wins_in_whatever_order_they_came(void **state)
{
    (void)state;
    table = (struct route_table){0};
    add(0, 0, 0x0a000001);
    add(0x0a000000, 24, 0);
    add(0x0a010000, 16, 0x0a000002);
    add(0x0a010203, 32, 0x0a000003);
    assert_int_equal(next_hop(0x08080808), 0x0a000001);
    assert_int_equal(next_hop(0x0a000077), 0x0a000077); /* On the link. */
    assert_int_equal(next_hop(0x0a01ffff), 0x0a000002);
    assert_int_equal(next_hop(0x0a010203), 0x0a000003);
}

static void without_a_route_there_is_no_next_hop(void **state)
{
    (void)state;
    table = (struct route_table){0};
    assert_int_equal(next_hop(0x0a000001), 0);
    add(0x0a000000, 24, 0);
    assert_int_equal(next_hop(0x0a000101), 0);
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
        assert_int_equal(next_hop(none[i]), 0);
    }
    assert_int_equal(next_hop(0x0b000001), 0x0b000001); /* RFC 3021. */
    assert_int_equal(next_hop(0x0c0000ff), 0x0a000001); /* Another's link. */
}

static void routes_that_are_none_are_refused(void **state)
{
    (void)state;
    table = (struct route_table){0};
    refused(0x0a000001, 24);
    refused(0, 33);
    for (uint32_t i = 0; i < ROUTES_MAX; i++) {
        add(0x0a000000 + i, 32, 0);
    }
    refused(0x0b000000, 32);
}

static struct address v6(uint8_t first, uint8_t second, uint8_t last)
{
    return (struct address){{first, second, [7] = 1, [15] = last}};
}

static void routes_of_ipv6_are_apart(void **state)
{
    (void)state;
    const struct address ours = v6(0xfd, 0, 2);
    const struct address mate = v6(0xfd, 0, 9);
    const struct address far = v6(0x20, 1, 9);
    const struct address group = v6(0xff, 2, 1);
    const struct address loopback = {{[15] = 1}};
    const struct route link = route_of_host(&ours, 64);
    const struct route rest = {.gateway = v6(0xfe, 0x80, 1)};
    struct address hop;
    table = (struct route_table){0};
    assert_true(route_add(&table, &rest));
    assert_true(route_add(&table, &link));
    assert_true(route_next_hop(&table, &mate, &hop) && address_equal(&hop, &mate));
    assert_true(route_next_hop(&table, &far, &hop) && address_equal(&hop, &rest.gateway));
    assert_false(route_next_hop(&table, &group, &hop));
    assert_false(route_next_hop(&table, &loopback, &hop));
    assert_int_equal(next_hop(0x08080808), 0); /* ::/0 is no route of IPv4, */
    add(0, 0, 0x0a000001);
    assert_int_equal(next_hop(0x08080808), 0x0a000001); /* and that no other's. */
    assert_true(route_next_hop(&table, &far, &hop) && address_equal(&hop, &rest.gateway));
    const struct route odd = {.prefix = ours, .prefix_bits = 64};
    assert_false(route_add(&table, &odd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_wins_in_whatever_order_they_came),
        cmocka_unit_test(without_a_route_there_is_no_next_hop),
        cmocka_unit_test(what_names_no_single_host_has_no_next_hop),
        cmocka_unit_test(routes_that_are_none_are_refused),
        cmocka_unit_test(routes_of_ipv6_are_apart),
    };
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
