#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "dataplane/nic/host_link.h"

static void an_interface_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    const struct address four = address_of_v4(0x0a010203);
    const struct address six = {{0xfd, [15] = 1}};
    int error = host_link_up("millrace-none", &four, 24);
    assert_true(error == -ENODEV || error == -EPERM);
    error = host_link_up("millrace-none", &six, 64);
    assert_true(error == -ENODEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interface_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
