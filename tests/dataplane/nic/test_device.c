/* Devices of a host that this test makes up, in a folder. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/nic/device.h"

static char root[64];

static void file_put(const char *path, const char *text)
{
    char full[512];
    const int len = snprintf(full, sizeof(full), "%s%s", root, path);
    for (int i = (int)strlen(root) + 1; i < len; i++) {
        if (full[i] == '/') {
            full[i] = '\0';
            assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
            full[i] = '/';
        }
    }
    if (text[0] == '>') {
        assert_int_equal(symlink(text + 1, full), 0);
        return;
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int host_make(void **state)
{
    (void)state;
    memcpy(root, "/tmp/millrace-host-XXXXXX", 26);
    assert_non_null(mkdtemp(root));
    file_put("/sys/bus/pci/devices/0000:3b:00.0/numa_node", "1\n");
    file_put("/sys/bus/pci/devices/0000:3b:00.0/driver", ">../../drivers/mlx5_core");
    file_put("/sys/bus/pci/devices/0000:3b:00.0/net/enp59s0/mtu", "1500");
    file_put("/sys/bus/pci/devices/0000:5e:00.1/numa_node", "-1\n");
    file_put("/sys/bus/pci/devices/0000:5e:00.1/driver", ">../../drivers/vfio-pci");
    file_put("/sys/class/net/enp59s0/device", ">../../../0000:3b:00.0");
    file_put("/sys/class/net/veth1/mtu", "1500");
    file_put("/proc/net/route", "Iface\tDestination\tGateway\nenp59s0\t00000000\t010002C0\n");
    return 0;
}

static int host_remove(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

static void a_device_is_named_in_three_ways(void **state)
{
    static const struct {
        const char *name, *text, *address, *driver, *interface;
        int numa_node;
        bool pci, shared;
    } rows[] = {
        {"0000:3b:00.0", "0000:3b:00.0", "0000:3b:00.0", "mlx5_core", "enp59s0", 1, true, true},
        {"enp59s0,mprq_en=1", "0000:3b:00.0,mprq_en=1", "0000:3b:00.0", "mlx5_core", "enp59s0", 1,
         true, true},
        {"0000:5e:00.1", "0000:5e:00.1", "0000:5e:00.1", "vfio-pci", NULL, -1, true, false},
        {"net_tap0,iface=x0", "net_tap0,iface=x0", "", "", NULL, -1, false, false},
        {"net_tap0,iface=x0,remote=eth1", "net_tap0,iface=x0,remote=eth1", "", "", "eth1", -1,
         false, false},
        {"net_af_packet0,iface=eth2,blocksz=4096", "net_af_packet0,iface=eth2,blocksz=4096", "", "",
         "eth2", -1, false, false},
        {"virtio_user0,path=/dev/vhost-net,iface=v0", "virtio_user0,path=/dev/vhost-net,iface=v0",
         "", "", NULL, -1, false, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct device device;
        char reason[256];
        assert_true(device_find(rows[i].name, root, &device, reason, sizeof(reason)));
        assert_string_equal(device.text, rows[i].text);
        assert_string_equal(device.address, rows[i].address);
        assert_string_equal(device.driver, rows[i].driver);
        assert_int_equal(device.pci, rows[i].pci);
        assert_int_equal(device.numa_node, rows[i].numa_node);
        assert_int_equal(device_is_shared(&device), rows[i].shared);
        assert_int_equal(device.interface_count, rows[i].interface != NULL);
        if (rows[i].interface != NULL) {
            assert_string_equal(device.interfaces[0], rows[i].interface);
        }
    }
}

static void what_is_not_there_is_said(void **state)
{
    static const char *const names[] = {"0000:3b:00.7", "veth1", "nothing0", "0000:3b:00",
                                        "../../etc"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct device device;
        char reason[256] = "";
        assert_false(device_find(names[i], root, &device, reason, sizeof(reason)));
        assert_non_null(strstr(reason, "network.device"));
    }
}

static void the_interface_of_a_default_route_is_needed(void **state)
{
    char why[64];
    (void)state;
    assert_true(device_interface_is_needed("enp59s0", root, why, sizeof(why)));
    assert_string_equal(why, "carries the default route");
    assert_false(device_interface_is_needed("veth1", root, why, sizeof(why)));
    file_put("/proc/net/ipv6_route",
             "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
             "fe800000000000000000000000000001 00000400 00000001 00000000 00000003 veth1\n");
    assert_true(device_interface_is_needed("veth1", root, why, sizeof(why)));
}

#define TEXT(text) ((struct bytes){(const uint8_t *)(text), sizeof(text) - 1})

static void default_routes_are_read(void **state)
{
    static const char routes[] = "Iface\tDestination\tGateway \tFlags\n"
                                 "eth0\t00000000\t010002C0\t0003\n"
                                 "eth1\t0002000A\t00000000\t0001\n"
                                 "eth11\t00000000\t010002C0\t0003\n"
                                 "last\t00000000\t";
    static const struct {
        const char *interface;
        bool is;
    } rows[] = {{"eth0", true}, {"eth1", false}, {"eth11", true},
                {"th0", false}, {"last", true},  {"eth2", false}};
    static const char six[] =
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
        "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
        "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 "
        "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1\n"
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
        "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(device_route_is_default(TEXT(routes), rows[i].interface), rows[i].is);
    }
    assert_false(device_route_is_default((struct bytes){0}, "eth0"));
    assert_true(device_route6_is_default(TEXT(six), "eth0"));
    assert_false(device_route6_is_default(TEXT(six), "eth1"));
    assert_false(device_route6_is_default(TEXT(six), "lo"));
}

static bool login_at(struct bytes connections, const char *text)
{
    uint8_t address[16];
    assert_int_equal(inet_pton(AF_INET6, text, address), 1);
    return device_has_login(connections, address);
}

static void a_login_is_an_established_connection_of_sshd(void **state)
{
    static const char four[] =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
        "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
        "   1: 0902000A:0016 0102000A:D431 01 00000000:00000000 00:00000000 00000000     0\n"
        "   2: 0A02000A:0017 0102000A:D432 01 00000000:00000000 00:00000000 00000000     0\n"
        "   3: 0B02000A:0016 0102000A:D432 06 00000000:00000000 00:00000000 00000000     0\n";
    static const char six[] =
        "   0: 0000000000000000FFFF00000C02000A:0016 0000000000000000FFFF00000102000A:D431 01 0\n"
        "   1: 00000000000000000000000001000000:0016 00000000000000000000000001000000:D431 01 0\n"
        "   2: B80D0120000000000000000005000000:0016 B80D0120000000000000000006000000:D431 01 0\n"
        "   3: B80D0120000000000000000007000000:0016 00000000000000000000000000000000:0000 0A 0\n";
    (void)state;
    assert_true(login_at(TEXT(four), "::ffff:10.0.2.9"));
    assert_false(login_at(TEXT(four), "::ffff:10.0.2.10"));
    assert_false(login_at(TEXT(four), "::ffff:10.0.2.11"));
    assert_false(login_at(TEXT(four), "::ffff:0.0.0.0"));
    assert_true(login_at(TEXT(six), "::ffff:10.0.2.12"));
    assert_false(login_at(TEXT(six), "::ffff:0.0.0.1"));
    assert_true(login_at(TEXT(six), "2001:db8::5"));
    assert_false(login_at(TEXT(six), "2001:db8::6"));
    assert_false(login_at(TEXT(six), "2001:db8::7"));
    assert_false(login_at((struct bytes){0}, "::ffff:10.0.2.12"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_is_named_in_three_ways),
        cmocka_unit_test(what_is_not_there_is_said),
        cmocka_unit_test(the_interface_of_a_default_route_is_needed),
        cmocka_unit_test(default_routes_are_read),
        cmocka_unit_test(a_login_is_an_established_connection_of_sshd),
    };
    return cmocka_run_group_tests_name("device", tests, host_make, host_remove);
}
