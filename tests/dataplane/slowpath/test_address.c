#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/slowpath/address.h"

/* clang-format off */
static const struct { struct network_address address; const char *text; } cases[] = {
    {{.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}},      "127.0.0.1"},
    {{.ip = {[10] = 0xff, 0xff, 255, 255, 255, 255}}, "255.255.255.255"},
    {{.ip = {[15] = 1}},                             "0:0:0:0:0:0:0:1"},
    {{.ip = {0x20, 1, 0xd, 0xb8, [15] = 0xff}},      "2001:db8:0:0:0:0:0:ff"},
};
/* clang-format on */

static void H29_addresses_are_written_as_clients_read_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[ADDRESS_TEXT_BYTES];
        const struct bytes got = address_text(&cases[i].address, text);
        const struct bytes want = bytes_of_string(cases[i].text);
        assert_true(bytes_equal(got, want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(H29_addresses_are_written_as_clients_read_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
