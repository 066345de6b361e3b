/* Hosts recorded as folders, and what `doctor` and `tune` say of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/doctor.h"
#include "tools/host.h"

static char root[64];
static struct settings settings;
static struct doctor doctor;
static struct host host;

struct record {
    const char *path;
    const char *text; /* ">target" for a link. */
};

/* A host with nothing done: E810 with its kernel's driver, two NUMA nodes. */
static const struct record bare[] = {
    {"/proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\n"},
    {"/proc/net/route", "Iface\tDestination\tGateway\neno1\t00000000\t010002C0\n"},
    {"/sys/devices/system/cpu/online", "0-7\n"},
    {"/sys/devices/system/cpu/isolated", "\n"},
    {"/sys/devices/system/cpu/cpu4/cpufreq/scaling_governor", "powersave\n"},
    {"/sys/devices/system/cpu/cpu5/cpufreq/scaling_governor", "performance\n"},
    {"/sys/devices/system/node/node0/cpulist", "0-3\n"},
    {"/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "512\n"},
    {"/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "512\n"},
    {"/sys/devices/system/node/node1/cpulist", "4-7\n"},
    {"/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "40\n"},
    {"/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "10\n"},
    {"/sys/bus/pci/devices/0000:ca:00.0/numa_node", "1\n"},
    {"/sys/bus/pci/devices/0000:ca:00.0/driver", ">../../drivers/ice"},
    {"/sys/bus/pci/devices/0000:ca:00.0/net/ens1f0/mtu", "1500\n"},
    {"/sys/class/net/ens1f0/device", ">../../../0000:ca:00.0"},
    {"/sys/class/net/ens1f0/queues/rx-0/x", ""},
    {"/sys/class/net/eno1/queues/rx-0/x", ""},
    {NULL, NULL},
};

/* What is done to it. */
static const struct record vfio[] = {
    {"/sys/bus/pci/drivers/vfio-pci/bind", ""},
    {"/sys/kernel/iommu_groups/7/type", "DMA\n"},
    {"/sys/devices/system/cpu/isolated", "4-7\n"},
    {"/sys/devices/system/cpu/cpu4/cpufreq/scaling_governor", "performance\n"},
    {"/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "4096\n"},
    {"/sys/bus/pci/devices/0000:ca:00.0/driver", ">../../drivers/vfio-pci"},
    {NULL, NULL},
};

/* And another with a device that the kernel shares. */
static const struct record mlx5[] = {
    {"/sys/bus/pci/devices/0000:3b:00.0/numa_node", "0\n"},
    {"/sys/bus/pci/devices/0000:3b:00.0/driver", ">../../drivers/mlx5_core"},
    {"/sys/bus/pci/devices/0000:3b:00.0/net/enp59s0/mtu", "1500\n"},
    {"/sys/class/net/enp59s0/queues/rx-0/x", ""},
    {"/sys/class/net/enp59s0/queues/rx-1/x", ""},
    {NULL, NULL},
};

static void record_put(const struct record *records)
{
    for (; records->path != NULL; records++) {
        char full[512];
        const int len = snprintf(full, sizeof(full), "%s%s", root, records->path);
        for (int i = (int)strlen(root) + 1; i < len; i++) {
            if (full[i] == '/') {
                full[i] = '\0';
                assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
                full[i] = '/';
            }
        }
        (void)unlink(full);
        if (records->text[0] == '>') {
            assert_int_equal(symlink(records->text + 1, full), 0);
            continue;
        }
        FILE *file = fopen(full, "w");
        assert_non_null(file);
        assert_true(fputs(records->text, file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
}

static int setup(void **state)
{
    (void)state;
    memcpy(root, "/tmp/millrace-host-XXXXXX", 26);
    assert_non_null(mkdtemp(root));
    record_put(bare);
    settings = (struct settings){.cores_count = 2,
                                 .cores_cpus = {2, {4, 5}},
                                 .memory_arena_bytes = 1 << 30,
                                 .memory_receive_bytes = 64 << 20,
                                 .memory_hugepages = HUGEPAGES_REQUIRED,
                                 .network_path = NETWORK_DPDK,
                                 .network_device = "0000:ca:00.0"};
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

static void look(void)
{
    doctor = (struct doctor){.settings = &settings};
    host_read(root, &settings, &host);
    doctor_bypass(&doctor, &host);
    for (uint32_t i = 0; i < doctor.count; i++) {
        const struct doctor_finding *finding = &doctor.finding[i];
        assert_true(finding->observed[0] != '\0' && finding->needed[0] != '\0');
        assert_true((finding->fix[0] != '\0') == (finding->severity != DOCTOR_OK));
    }
}

static const struct doctor_finding *finding_of(const char *id)
{
    for (uint32_t i = 0; i < doctor.count; i++) {
        if (strcmp(doctor.finding[i].id, id) == 0) {
            return &doctor.finding[i];
        }
    }
    fail_msg("no finding %s", id);
    return NULL;
}

static uint32_t wrong_count(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < doctor.count; i++) {
        count += doctor.finding[i].severity != DOCTOR_OK;
    }
    return count;
}

static void a_bare_host_is_told_each_command(void **state)
{
    static const struct {
        const char *id, *fix;
        enum doctor_severity severity;
        bool is_command;
    } rows[] = {
        {"MR-NIC-005", "dpdk-devbind.py --bind=vfio-pci 0000:ca:00.0", DOCTOR_ERROR, true},
        {"MR-NIC-006", "intel_iommu=on iommu=pt", DOCTOR_ERROR, false},
        {"MR-NIC-007", "modprobe vfio-pci", DOCTOR_ERROR, true},
        {"MR-NIC-008", "ethtool -L ens1f0 combined 2", DOCTOR_WARNING, true},
        {"MR-NIC-011", "--set network.share=kernel0", DOCTOR_INFO, false},
        /* 2 x (1024 + 2 x 64) MiB, 64 pages more, and the 30 in use stay. */
        {"MR-HUGE-002",
         "echo 1246 > /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages",
         DOCTOR_ERROR, true},
        {"MR-CPU-002", "isolcpus=", DOCTOR_WARNING, false},
        {"MR-CPU-003", "echo performance", DOCTOR_WARNING, true},
    };
    (void)state;
    look();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct doctor_finding *finding = finding_of(rows[i].id);
        assert_int_equal(finding->severity, rows[i].severity);
        assert_non_null(strstr(finding->fix, rows[i].fix));
        assert_int_equal(finding->is_command, rows[i].is_command);
    }
    assert_int_equal(wrong_count(), ARRAY_SIZE(rows));
}

static void what_was_done_is_seen(void **state)
{
    (void)state;
    record_put(vfio);
    char net[128]; /* vfio-pci takes the interface away. */
    (void)snprintf(net, sizeof(net), "rm -r %s/sys/bus/pci/devices/0000:ca:00.0/net", root);
    assert_int_equal(system(net), 0);
    look();
    assert_int_equal(wrong_count(), 0);
    assert_int_equal(host.device.numa_node, 1);
    assert_true(host.iommu && host.vfio && host.cpus[4].isolated && host.cpu_count == 8);
}

static void a_shared_device_needs_neither_vfio_nor_an_iommu(void **state)
{
    (void)state;
    record_put(mlx5);
    settings.network_device = "0000:3b:00.0";
    settings.cores_cpus = (struct settings_cpus){2, {2, 5}};
    settings.memory_arena_bytes = 64 << 20;
    look();
    assert_int_equal(finding_of("MR-NIC-005")->severity, DOCTOR_OK);
    assert_int_equal(finding_of("MR-NIC-008")->severity, DOCTOR_OK);
    assert_int_equal(finding_of("MR-HUGE-002")->severity, DOCTOR_OK);
    assert_int_equal(finding_of("MR-CPU-004")->severity, DOCTOR_WARNING); /* CPU 5 is of node 1. */
    for (uint32_t i = 0; i < doctor.count; i++) {
        assert_string_not_equal(doctor.finding[i].id, "MR-NIC-006");
    }
}

static void the_interface_of_the_default_route_cannot_be_taken(void **state)
{
    (void)state;
    settings.network_device = "net_af_packet0,iface=eno1";
    look();
    assert_int_equal(finding_of("MR-NIC-003")->severity, DOCTOR_ERROR);
    assert_string_equal(finding_of("MR-NIC-003")->observed, "eno1 carries the default route");
    settings.network_device = "net_af_packet0,iface=nothing0";
    look();
    assert_string_equal(finding_of("MR-NIC-003")->observed, "nothing0 is not there");
    settings.network_device = "net_af_packet0,iface=ens1f0";
    look();
    assert_int_equal(finding_of("MR-NIC-003")->severity, DOCTOR_OK);
}

/* A device is taken whole; who looks after its interface is told before. */
static void what_the_kernel_loses_is_told(void **state)
{
    (void)state;
    record_put(mlx5);
    settings.network_device = "0000:3b:00.0";
    look();
    assert_int_equal(finding_of("MR-NIC-011")->severity, DOCTOR_INFO);
    assert_non_null(strstr(finding_of("MR-NIC-011")->observed, "hears nothing"));
    assert_non_null(strstr(finding_of("MR-NIC-011")->fix, "network.share=kernel0"));
    settings.network_share = "kernel0";
    look();
    assert_int_equal(finding_of("MR-NIC-011")->severity, DOCTOR_OK);
    settings.network_share = "";
    settings.network_device = "net_af_packet0,iface=ens1f0"; /* Both hear it. */
    look();
    for (uint32_t i = 0; i < doctor.count; i++) {
        assert_string_not_equal(doctor.finding[i].id, "MR-NIC-011");
    }
}

static void drivers_with_their_ways_are_told(void **state)
{
    (void)state;
    settings.cores_count = 1;
    settings.network_device = "net_af_packet0,iface=ens1f0";
    look();
    assert_int_equal(finding_of("MR-NIC-009")->severity, DOCTOR_INFO);
    settings.network_device = "net_af_xdp0,iface=ens1f0";
    look();
    assert_int_equal(finding_of("MR-NIC-010")->severity, DOCTOR_WARNING);
    settings.network_device = "net_af_xdp0,iface=ens1f0,busy_budget=0";
    look();
    assert_int_equal(finding_of("MR-NIC-010")->severity, DOCTOR_OK);
    settings.network_device = "net_tap0,iface=x";
    look();
    assert_int_equal(wrong_count(), 0);
    settings.network_device = "enp202s0f0np0";
    look();
    assert_int_equal(doctor.count, 1);
    assert_int_equal(finding_of("MR-NIC-004")->severity, DOCTOR_ERROR);
    /* To its last word. */
    assert_non_null(strstr(finding_of("MR-NIC-004")->observed, "then give the address"));
}

static void the_script_holds_commands_and_says_the_rest(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    look();
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    tune_print(out, &doctor);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(strncmp(text, "#!/bin/sh\n", 10), 0);
    assert_non_null(strstr(text, "\nmodprobe vfio-pci\n"));
    assert_non_null(strstr(text, "\ndpdk-devbind.py --bind=vfio-pci 0000:ca:00.0\n"));
    assert_non_null(strstr(text, "\n# By hand: IOMMU on in the firmware"));
    assert_non_null(strstr(text, "\n# 5 commands\n"));
    FILE *shell = popen("sh -n", "w"); /* A shell reads it. */
    assert_non_null(shell);
    assert_true(fwrite(text, 1, len, shell) == len);
    assert_int_equal(pclose(shell), 0);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bare_host_is_told_each_command),
        TEST(what_was_done_is_seen),
        TEST(a_shared_device_needs_neither_vfio_nor_an_iommu),
        TEST(the_interface_of_the_default_route_cannot_be_taken),
        TEST(what_the_kernel_loses_is_told),
        TEST(drivers_with_their_ways_are_told),
        TEST(the_script_holds_commands_and_says_the_rest),
    };
    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
