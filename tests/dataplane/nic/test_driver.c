#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/nic/driver.h"

static void what_a_driver_does_in_software_is_known_of_each_virtual_one(void **state)
{
    (void)state;
    static const char *const virtual[] = {"net_tap",   "net_af_packet", "net_af_xdp",
                                          "net_memif", "net_ring",      "net_null"};
    for (size_t i = 0; i < ARRAY_SIZE(virtual); i++) {
        assert_true(driver_trait_of(virtual[i])->software);
    }
    assert_true(driver_trait_of("net_af_xdp")->no_parts); /* Its chains go out corrupt. */
    assert_true(driver_trait_of("net_af_packet")->partial);
    assert_true(driver_trait_of("net_tap")->short_frames); /* Whatever the interface's MTU is. */
    assert_true(driver_trait_of("net_ring")->no_wire);
    assert_false(driver_trait_of("net_memif")->no_wire); /* Its peer may pass them on. */
    assert_true(driver_trait_of("net_memif")->one_queue);
    assert_true(driver_trait_of("net_tap")->readable);
    assert_true(driver_trait_of("net_virtio_user")->own_memory);
    assert_false(driver_trait_of("net_virtio_user")->software); /* Its peer's offloads are. */
}

static void hardware_is_believed(void **state)
{
    (void)state;
    const struct driver_trait *trait = driver_trait_of("mlx5_pci");
    assert_false(trait->software || trait->no_parts || trait->no_wire || trait->partial ||
                 trait->one_queue || trait->readable || trait->own_memory || trait->family != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_driver_does_in_software_is_known_of_each_virtual_one),
        cmocka_unit_test(hardware_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
