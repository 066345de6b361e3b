/* What a port of our own needs of this host, judged by what was read of it: pure. */
#include "tools/doctor.h"
#include "tools/host.h"

static const uint64_t huge_page_bytes = UINT64_C(2) << 20;

static struct doctor_finding *judge(struct doctor *doctor, const char *id,
                                    enum doctor_severity severity, const char *what)
{
    return doctor_add(doctor, id, severity, what);
}

/* ---- The device ---- */

static void check_interface(struct doctor *doctor, const struct host *host)
{
    const struct device *device = &host->device;
    const bool missing = host->missing_interface[0] != '\0';
    const bool needed = host->needed_interface[0] != '\0';
    if (device->interface_count == 0) {
        return;
    }
    struct doctor_finding *finding =
        judge(doctor, "MR-NIC-003", missing || needed ? DOCTOR_ERROR : DOCTOR_OK,
              "the interface can be taken");
    if (needed) {
        doctor_observed(finding, "%s %s", host->needed_interface, host->needed_why);
    } else {
        doctor_observed(finding, "%s %s", device->interfaces[0],
                        missing ? "is not there" : "is there");
    }
    doctor_needed(finding, "an interface that nothing else of this host needs");
    if (missing || needed) {
        doctor_fix(finding, "network.device with another interface; `ip -br link` shows them");
    }
}

static void check_driver(struct doctor *doctor, const struct host *host)
{
    const struct device *device = &host->device;
    const bool vfio = strcmp(device->driver, "vfio-pci") == 0;
    const bool good = vfio || device_is_shared(device);
    struct doctor_finding *finding =
        judge(doctor, "MR-NIC-005", good ? DOCTOR_OK : DOCTOR_ERROR, "the device is left to DPDK");
    doctor_observed(finding, "%s has driver %s", device->address,
                    device->driver[0] != '\0' ? device->driver : "none");
    doctor_needed(finding, "vfio-pci, or mlx5_core, which shares it");
    if (!good) {
        doctor_command(finding, "dpdk-devbind.py --bind=vfio-pci %s", device->address);
    }
    if (device_is_shared(device)) {
        return;
    }
    finding = judge(doctor, "MR-NIC-006", host->iommu ? DOCTOR_OK : DOCTOR_ERROR,
                    "the device can be given our addresses");
    doctor_observed(finding, "%s", host->iommu ? "an IOMMU, IOVA mode VA" : "no IOMMU groups");
    doctor_needed(finding, "an IOMMU: views of the log go out by virtual address");
    if (!host->iommu) {
        doctor_fix(
            finding, "IOMMU on in the firmware, %s on the kernel's command line, and a reboot",
            strcmp(host->machine, "AuthenticAMD") == 0 ? "iommu=pt" : "intel_iommu=on iommu=pt");
    }
    finding = judge(doctor, "MR-NIC-007", host->vfio ? DOCTOR_OK : DOCTOR_ERROR,
                    "the kernel gives devices away");
    doctor_observed(finding, "vfio-pci is %sloaded", host->vfio ? "" : "not ");
    doctor_needed(finding, "vfio-pci");
    if (!host->vfio) {
        doctor_command(finding, "modprobe vfio-pci");
    }
}

static void check_queues(struct doctor *doctor, const struct host *host)
{
    const uint64_t need = doctor->settings->cores_count;
    const bool xdp = strncmp(host->device.text, "net_af_xdp", 10) == 0;
    if (host->queues == 0) {
        return;
    }
    /* Frames of queues that nobody serves would be lost to us. */
    const bool good = xdp ? host->queues == need : host->queues >= need;
    struct doctor_finding *finding =
        judge(doctor, "MR-NIC-008", good ? DOCTOR_OK : DOCTOR_WARNING, "each core has a queue");
    doctor_observed(finding, "%s has %u queues", host->device.interfaces[0], host->queues);
    doctor_needed(finding, "%s%llu", xdp ? "" : "at least ", (unsigned long long)need);
    if (!good) {
        doctor_command(finding, "ethtool -L %s combined %llu", host->device.interfaces[0],
                       (unsigned long long)need);
    }
}

/* The port is taken whole: rules by which a shared device would leave the kernel what is not ours
 * are not asked for. A packet socket only listens in. */
static void check_rest(struct doctor *doctor, const struct host *host)
{
    const struct device *device = &host->device;
    const char *share = doctor->settings->network_share;
    if (device->interface_count == 0 || strncmp(device->text, "net_af_packet", 13) == 0) {
        return;
    }
    const bool good = share != NULL && share[0] != '\0';
    struct doctor_finding *finding = judge(doctor, "MR-NIC-011", good ? DOCTOR_OK : DOCTOR_INFO,
                                           "the kernel gets the frames that are not ours");
    if (good) {
        doctor_observed(finding, "the tap %.32s gets them", share);
    } else {
        doctor_observed(finding, "%s hears nothing while the node runs", device->interfaces[0]);
        doctor_fix(finding, "--set network.share=kernel0 --set network.host_address=ADDRESS, if "
                            "ping or SSH shall go on there");
    }
    doctor_needed(finding, "an interface that nobody else uses, or network.share");
}

/* Drivers of virtual devices that have their ways. */
static void check_ways(struct doctor *doctor, const struct host *host)
{
    const char *text = host->device.text;
    if (strncmp(text, "net_af_packet", 13) == 0) {
        struct doctor_finding *finding =
            judge(doctor, "MR-NIC-009", DOCTOR_INFO, "sending never waits");
        doctor_observed(finding, "net_af_packet waits in the kernel when the device is full");
        doctor_needed(finding, "af-packet is for labs");
        doctor_fix(finding, "profile af-xdp, or a device of its own");
    } else if (strncmp(text, "net_af_xdp", 10) == 0) {
        const bool good = strstr(text, "busy_budget=0") != NULL;
        struct doctor_finding *finding =
            judge(doctor, "MR-NIC-010", good ? DOCTOR_OK : DOCTOR_WARNING,
                  "the kernel is not polled with each look");
        doctor_observed(finding, "busy_budget is %s", good ? "0" : "not 0: 64");
        doctor_needed(finding, "busy_budget=0; with another, round trips take 6 times as long");
        if (!good) {
            doctor_fix(finding, "--set network.device=%.120s,busy_budget=0", text);
        }
    }
}

/* ---- Memory and CPUs ---- */

static int node_of(const struct host *host)
{
    const int node = host->device.numa_node;
    return node >= 0 && node < HOST_NODES_MAX && host->nodes[node].there ? node : 0;
}

static void check_node_memory(struct doctor *doctor, const struct host *host)
{
    const struct settings *settings = doctor->settings;
    const int node = node_of(host);
    const uint64_t bytes =
        settings->cores_count * (settings->memory_arena_bytes + 2 * settings->memory_receive_bytes);
    const uint64_t need = bytes / huge_page_bytes + 64;
    const uint64_t left = host->nodes[node].huge_pages_free;
    if (settings->memory_hugepages == HUGEPAGES_OFF || doctor->node_runs) {
        return;
    }
    const bool good = left >= need;
    const enum doctor_severity missing =
        settings->memory_hugepages == HUGEPAGES_REQUIRED ? DOCTOR_ERROR : DOCTOR_INFO;
    struct doctor_finding *finding = judge(doctor, "MR-HUGE-002", good ? DOCTOR_OK : missing,
                                           "hugepages lie where the device is");
    doctor_observed(finding, "%llu of 2 MiB free on NUMA node %d", (unsigned long long)left, node);
    doctor_needed(finding, "%llu", (unsigned long long)need);
    if (!good) {
        const uint64_t all = host->nodes[node].huge_pages;
        const uint64_t wanted = all - min_u64(left, all) + need;
        doctor_command(finding,
                       "echo %llu > /sys/devices/system/node/node%d/hugepages/"
                       "hugepages-2048kB/nr_hugepages",
                       (unsigned long long)wanted, node);
    }
}

static bool cpu_known(const struct host *host, uint16_t cpu)
{
    return cpu < HOST_CPUS_MAX && host->cpus[cpu].there;
}

static void check_pinned(struct doctor *doctor, const struct host *host)
{
    const struct settings_cpus *cpus = &doctor->settings->cores_cpus;
    if (cpus->count == 0) {
        struct doctor_finding *finding =
            judge(doctor, "MR-CPU-002", DOCTOR_WARNING, "cores have CPUs of their own");
        doctor_observed(finding, "cores.cpus is not set");
        doctor_needed(finding, "a CPU of NUMA node %d for each core", node_of(host));
        doctor_fix(finding, "--set cores.cpus=...; `lscpu -e` shows CPUs and nodes");
        return;
    }
    uint32_t shared = 0;
    uint32_t far = 0;
    for (uint32_t i = 0; i < cpus->count; i++) {
        const uint16_t cpu = cpus->cpu[i];
        shared += cpu_known(host, cpu) && !host->cpus[cpu].isolated;
        far += cpu_known(host, cpu) && host->device.numa_node >= 0 &&
               host->cpus[cpu].node != host->device.numa_node;
    }
    struct doctor_finding *finding =
        judge(doctor, "MR-CPU-002", shared == 0 ? DOCTOR_OK : DOCTOR_WARNING,
              "cores have CPUs of their own");
    doctor_observed(finding, "%u of %u CPUs also run other things", shared, cpus->count);
    doctor_needed(finding, "isolated CPUs");
    if (shared != 0) {
        doctor_fix(finding, "isolcpus=managed_irq,domain,LIST nohz_full=LIST rcu_nocbs=LIST on the "
                            "kernel's command line, LIST as in cores.cpus, and a reboot");
    }
    finding = judge(doctor, "MR-CPU-004", far == 0 ? DOCTOR_OK : DOCTOR_WARNING,
                    "cores are near the device");
    doctor_observed(finding, "%u of %u CPUs on another NUMA node", far, cpus->count);
    doctor_needed(finding, "CPUs of node %d", node_of(host));
    if (far != 0) {
        doctor_fix(finding, "--set cores.cpus=... with CPUs of /sys/devices/system/node/node%d",
                   node_of(host));
    }
}

/* A CPU that slows down when a core sleeps answers late when it wakes. */
static void check_governor(struct doctor *doctor, const struct host *host)
{
    const struct settings_cpus *cpus = &doctor->settings->cores_cpus;
    int slow = -1;
    for (uint32_t i = 0; i < cpus->count && slow < 0; i++) {
        const char *governor =
            cpu_known(host, cpus->cpu[i]) ? host->cpus[cpus->cpu[i]].governor : "";
        if (governor[0] != '\0' && strcmp(governor, "performance") != 0) {
            slow = cpus->cpu[i];
        }
    }
    struct doctor_finding *finding =
        judge(doctor, "MR-CPU-003", slow < 0 ? DOCTOR_OK : DOCTOR_WARNING, "CPUs keep their speed");
    if (slow < 0) {
        doctor_observed(finding, "governor performance, or none");
    } else {
        doctor_observed(finding, "CPU %d has governor %s", slow, host->cpus[slow].governor);
        doctor_command(finding, "for f in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; "
                                "do echo performance > $f; done");
    }
    doctor_needed(finding, "governor performance");
}

void doctor_bypass(struct doctor *doctor, const struct host *host)
{
    struct doctor_finding *finding =
        judge(doctor, "MR-NIC-004", host->device_found ? DOCTOR_OK : DOCTOR_ERROR,
              "network.device names a device");
    doctor_observed(finding, "%.250s",
                    host->device_found ? host->device.text : host->device_problem);
    doctor_needed(finding, "net_..., a PCI address, or an interface of a PCI device");
    if (!host->device_found) {
        doctor_fix(finding, "--set network.device=...; `lspci -D | grep Ethernet` shows addresses");
        return;
    }
    check_interface(doctor, host);
    check_rest(doctor, host);
    check_queues(doctor, host);
    check_ways(doctor, host);
    if (!host->device.pci) {
        return;
    }
    check_driver(doctor, host);
    check_node_memory(doctor, host);
    check_pinned(doctor, host);
    check_governor(doctor, host);
}
