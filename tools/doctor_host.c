#include <errno.h>
#include <netdb.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/doctor.h"

static const uint64_t hugepage_bytes = UINT64_C(2) << 20;

/* The first number of a file in /proc or /sys, or -1. */
static int64_t number_in(const char *path)
{
    FILE *file = fopen(path, "re");
    long long number = -1;
    if (file != NULL) {
        if (fscanf(file, "%lld", &number) != 1) {
            number = -1;
        }
        (void)fclose(file);
    }
    return number;
}

static uint64_t memory_bytes(const struct settings *settings)
{
    return settings->cores_count * (settings->memory_arena_bytes + settings->memory_receive_bytes);
}

static void check_memlock(struct doctor *doctor)
{
    struct rlimit limit;
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-MEMLOCK-001", DOCTOR_OK, "memory can be registered");
    const uint64_t need = memory_bytes(doctor->settings) + (UINT64_C(8) << 20);
    doctor_needed(finding, "%llu KiB", (unsigned long long)(need >> 10));
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
        return;
    }
    if (geteuid() == 0 || limit.rlim_cur == RLIM_INFINITY) {
        doctor_observed(finding, geteuid() == 0 ? "unlimited for root" : "unlimited");
        return;
    }
    doctor_observed(finding, "%llu KiB", (unsigned long long)(limit.rlim_cur >> 10));
    if (limit.rlim_cur < need) {
        finding->severity = DOCTOR_WARNING; /* It works with buffers that are not registered. */
        doctor_fix(finding, "ulimit -l %llu (limits.conf: memlock; systemd: LimitMEMLOCK=infinity)",
                   (unsigned long long)(need >> 10));
    }
}

static void check_files(struct doctor *doctor)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    const uint64_t need = doctor->settings->network_max_connections + 4096;
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-FILES-001", DOCTOR_OK, "connections and segments can be open");
    doctor_observed(finding, "%llu, at most %llu", (unsigned long long)limit.rlim_cur,
                    (unsigned long long)limit.rlim_max);
    doctor_needed(finding, "%llu", (unsigned long long)need);
    if (limit.rlim_max < need) {
        finding->severity = DOCTOR_WARNING;
        doctor_fix(finding, "ulimit -Hn %llu, or --set network.max_connections=%llu",
                   (unsigned long long)need,
                   (unsigned long long)(limit.rlim_max > 8192 ? limit.rlim_max - 4096 : 1024));
    }
}

static void check_hugepages(struct doctor *doctor)
{
    const struct settings *settings = doctor->settings;
    const int64_t left = number_in("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    const uint64_t need = memory_bytes(settings) / hugepage_bytes + 64;
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-HUGE-001", DOCTOR_OK, "memory can lie in hugepages");
    doctor_observed(finding, "%lld of 2 MiB free", left < 0 ? 0LL : (long long)left);
    doctor_needed(finding, "%llu (%s)", (unsigned long long)need,
                  settings->memory_hugepages == HUGEPAGES_REQUIRED ? "required" : "or none");
    if (settings->memory_hugepages != HUGEPAGES_OFF && left < (int64_t)need && !doctor->node_runs) {
        finding->severity =
            settings->memory_hugepages == HUGEPAGES_REQUIRED ? DOCTOR_ERROR : DOCTOR_INFO;
        doctor_command(finding, "sysctl -w vm.nr_hugepages=%llu", (unsigned long long)need);
    }
}

static void check_memory(struct doctor *doctor)
{
    const uint64_t need = memory_bytes(doctor->settings) + (UINT64_C(128) << 20);
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page_bytes = sysconf(_SC_PAGESIZE);
    const uint64_t have = pages > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-MEMORY-001", DOCTOR_OK, "there is memory for the cores");
    doctor_observed(finding, "%llu MiB", (unsigned long long)(have >> 20));
    doctor_needed(finding, "%llu MiB", (unsigned long long)(need >> 20));
    if (have < need) {
        finding->severity = DOCTOR_ERROR;
        doctor_fix(finding, "--set memory.arena='16 MiB' --set cores.count=1");
    }
}

static void check_cpus(struct doctor *doctor)
{
    const struct settings *settings = doctor->settings;
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    (void)sched_getaffinity(0, sizeof(allowed), &allowed);
    const int have = CPU_COUNT(&allowed);
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-CPU-001", DOCTOR_OK, "each core has a CPU");
    doctor_observed(finding, "%d CPUs allowed", have);
    doctor_needed(finding, "%llu cores", (unsigned long long)settings->cores_count);
    for (uint32_t i = 0; i < settings->cores_cpus.count; i++) {
        const uint16_t cpu = settings->cores_cpus.cpu[i];
        if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &allowed)) {
            finding->severity = DOCTOR_ERROR;
            doctor_observed(finding, "CPU %u is not there or not allowed", cpu);
            doctor_fix(finding, "--set cores.cpus= with CPUs of `taskset -pc $$`");
            return;
        }
    }
    if ((uint64_t)have < settings->cores_count) {
        finding->severity = DOCTOR_WARNING;
        doctor_fix(finding, "--set cores.count=%d", have);
    }
}

static void check_clock(struct doctor *doctor)
{
    char name[32] = "";
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
    if (file == NULL || fscanf(file, "%31s", name) != 1) {
        name[0] = '\0';
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    const bool slow = strcmp(name, "hpet") == 0 || strcmp(name, "acpi_pm") == 0;
    struct doctor_finding *finding = doctor_add(
        doctor, "MR-CLOCK-001", slow ? DOCTOR_WARNING : DOCTOR_OK, "reading the clock is cheap");
    doctor_observed(finding, "%s", name[0] != '\0' ? name : "unknown");
    doctor_needed(finding, "tsc or kvm-clock");
    if (slow) {
        doctor_command(finding, "echo tsc > /sys/devices/system/clocksource/clocksource0/"
                                "current_clocksource");
    }
}

/* Tries to take the port as the process will. 0, or the errno of what failed. */
static int try_port(const struct host_port *address)
{
    char port[8];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    (void)snprintf(port, sizeof(port), "%u", address->port);
    if (getaddrinfo(address->host, port, &hints, &found) != 0) {
        return EADDRNOTAVAIL;
    }
    const int yes = 1;
    const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = 0;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0) {
        error = errno;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    freeaddrinfo(found);
    return error;
}

static void check_port(struct doctor *doctor, const char *id, const char *flag,
                       const struct host_port *address)
{
    char room[268];
    const int error = try_port(address);
    const bool ours = error == EADDRINUSE && doctor->node_runs;
    struct doctor_finding *finding =
        doctor_add(doctor, id, error == 0 || ours ? DOCTOR_OK : DOCTOR_ERROR, "the port is free");
    doctor_observed(finding, "%s",
                    ours         ? "taken by this node"
                    : error == 0 ? "free"
                                 : strerror(error));
    doctor_needed(finding, "%.140s", host_port_format(address, room));
    if (error != 0 && !ours) {
        doctor_fix(finding,
                   error == EADDRINUSE ? "%s with another port; `ss -ltnp` shows who has it"
                                       : "%s with an address of this host",
                   flag);
    }
}

void doctor_host(struct doctor *doctor)
{
    check_memlock(doctor);
    check_files(doctor);
    check_memory(doctor);
    check_hugepages(doctor);
    check_cpus(doctor);
    check_clock(doctor);
    if (doctor->settings->network_path == NETWORK_DPDK) {
        doctor_port(doctor);
    } else {
        check_port(doctor, "MR-PORT-001", "--listen", &doctor->settings->network_listen);
    }
    check_port(doctor, "MR-PORT-002", "--http", &doctor->settings->http_listen);
}
