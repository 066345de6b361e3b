#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "dataplane/nic/host_link.h"

static const char routes[] = "Iface\tDestination\tGateway \tFlags\n"
                             "eth0\t00000000\t010002C0\t0003\n"
                             "eth1\t0002000A\t00000000\t0001\n"
                             "eth11\t00000000\t010002C0\t0003\n"
                             "last\t00000000\t";

static void the_interface_of_the_default_route_is_known(void **state)
{
    static const struct {
        const char *interface;
        bool is;
    } rows[] = {{"eth0", true}, {"eth1", false}, {"eth11", true},
                {"th0", false}, {"last", true},  {"eth2", false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct bytes text = {(const uint8_t *)routes, sizeof(routes) - 1};
        assert_int_equal(host_link_is_default(text, rows[i].interface), rows[i].is);
    }
    assert_false(host_link_is_default((struct bytes){0}, "eth0"));
}

static void an_interface_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    const int error = host_link_up("millrace-none", 0x0a010203, 24);
    assert_true(error == -ENODEV || error == -EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_interface_of_the_default_route_is_known),
        cmocka_unit_test(an_interface_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
