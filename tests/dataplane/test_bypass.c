/* What the settings say of the bypass path, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "dataplane/bypass.h"
#include "dataplane/limits.h"

static struct settings settings; /* Large. */

static void settings_make(void)
{
    memset(&settings, 0, sizeof(settings));
    settings.cores_count = 1;
    settings.network_path = NETWORK_DPDK;
    memcpy(settings.network_listen.host, "10.1.2.3", 9);
    settings.network_listen.port = 9093;
    settings.network_device = "net_tap0,iface=tap0";
    settings.network_prefix = 16;
    settings.network_gateway = "";
    settings.network_congestion = "";
    settings.network_host_address = "10.1.2.1";
    settings.network_address6 = "";
    settings.network_prefix6 = 64;
    settings.network_gateway6 = "";
    settings.network_host_address6 = "";
    settings.network_share = "";
    settings.network_mtu = 1500;
}

static void addresses_are_read(void **state)
{
    (void)state;
    settings_make();
    struct cores_bypass bypass;
    struct network_address listen;
    char reason[256];
    settings.network_gateway = "10.1.0.1";
    settings.network_vlan = 77;
    settings.network_congestion = "dctcp";
    assert_true(bypass_configure(&settings, &bypass, &listen, reason, sizeof(reason)));
    assert_ptr_equal(bypass.congestion, &congestion_dctcp);
    assert_true(bypass.used && bypass.v4 == 0x0a010203 && bypass.prefix_bits == 16);
    assert_true(bypass.gateway_v4 == 0x0a010001 && bypass.port == 9093);
    assert_true(bypass.vlan == 77 && bypass.host_v4 == 0x0a010201);
    assert_int_equal(load_be32(listen.ip + 12), 0x0a010203);
    assert_int_equal(listen.port, 9093);
    struct cores_bypass again;
    assert_true(bypass_configure(&settings, &again, &listen, reason, sizeof(reason)));
    assert_memory_not_equal(bypass.secret, again.secret, sizeof(bypass.secret));
}

static struct address v6_of(uint8_t last)
{
    return (struct address){{0xfd, [7] = 7, [15] = last}};
}

static void addresses_of_ipv6_are_read(void **state)
{
    (void)state;
    settings_make();
    struct cores_bypass bypass;
    struct network_address listen;
    char reason[256];
    settings.network_address6 = "fd00:0:0:7::2";
    settings.network_prefix6 = 56;
    settings.network_gateway6 = "fe80::1";
    settings.network_host_address6 = "fd00:0:0:7::1";
    assert_true(bypass_configure(&settings, &bypass, &listen, reason, sizeof(reason)));
    const struct address own = v6_of(2);
    const struct address host = v6_of(1);
    assert_true(bypass.v4 == 0x0a010203 && address_equal(&bypass.v6, &own));
    assert_true(bypass.prefix_bits_v6 == 56 && bypass.gateway_v6.bytes[0] == 0xfe);
    assert_true(address_equal(&bypass.host_v6, &host));
    memcpy(settings.network_listen.host, "fd00:0:0:7::2", 14); /* Without IPv4. */
    settings.network_host_address = "";
    assert_true(bypass_configure(&settings, &bypass, &listen, reason, sizeof(reason)));
    assert_true(bypass.v4 == 0 && address_equal(&bypass.v6, &own));
    assert_memory_equal(listen.ip, own.bytes, sizeof(own.bytes));
    const struct cores_options options = {.core_count = 1, .bypass = bypass};
    const struct nic_dpdk_setup setup = bypass_port_setup(&settings, &options);
    static const struct mac groups[2] = {{{0x33, 0x33, 0, 0, 0, 1}}, {{0x33, 0x33, 0xff, 0, 0, 2}}};
    assert_true(setup.group_count == 2 && !setup.all_groups);
    assert_memory_equal(setup.groups, groups, sizeof(groups));
}

static void refused(const char *key)
{
    struct cores_bypass bypass;
    struct network_address listen;
    char reason[256] = "";
    assert_false(bypass_configure(&settings, &bypass, &listen, reason, sizeof(reason)));
    assert_non_null(strstr(reason, key));
}

static void what_cannot_work_is_refused(void **state)
{
    (void)state;
    settings_make();
    settings.network_device = "";
    refused("network.device");
    settings_make();
    memcpy(settings.network_listen.host, "0.0.0.0", 8);
    refused("network.listen");
    settings_make();
    memcpy(settings.network_listen.host, "127.0.0.1", 10);
    refused("network.listen");
    settings_make();
    settings.network_gateway = "::1";
    refused("network.gateway");
    settings_make();
    settings.network_congestion = "bbr"; /* The kernel's. */
    refused("network.congestion");
    settings_make();
    settings.network_host_address = "10.1.2.3";
    refused("network.host_address");
    static const char *const none[] = {"10.1.2.9", "::", "::1", "ff02::1", "fe80::7"};
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        settings_make();
        settings.network_address6 = none[i];
        refused("network.address6");
    }
    settings_make();
    settings.network_gateway6 = "fe80::1"; /* Of no address. */
    refused("network.gateway6");
    settings_make();
    settings.network_address6 = settings.network_host_address6 = "fd00::1";
    refused("network.host_address6");
    settings.network_host_address6 = "";
    settings.network_mtu = 1279;
    refused("network.mtu");
    settings_make();
    memcpy(settings.network_listen.host, "fd00::2", 8);
    settings.network_gateway = "10.1.0.1";
    refused("network.gateway");
}

static void the_port_has_a_queue_for_each_core(void **state)
{
    (void)state;
    settings_make();
    const struct cores_options options = {.core_count = 3, .receive_bytes = 16 << 20};
    settings.network_mtu = 9000;
    struct nic_dpdk_setup setup = bypass_port_setup(&settings, &options);
    assert_string_equal(setup.device, settings.network_device);
    assert_int_equal(setup.queue_count, 3);
    assert_int_equal(setup.buffer_count, (16 << 20) / PORT_BUFFER_BYTES);
    assert_int_equal(setup.mtu, 9000);
    const uint32_t longer_mib = nic_dpdk_memory_mib(&setup);
    setup.mtu = 1500;
    /* Every buffer holds a frame. */
    assert_true(longer_mib - nic_dpdk_memory_mib(&setup) >
                setup.queue_count * setup.buffer_count * (uint64_t)7000 >> 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(addresses_of_ipv6_are_read),
        cmocka_unit_test(what_cannot_work_is_refused),
        cmocka_unit_test(the_port_has_a_queue_for_each_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
