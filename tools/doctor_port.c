/* What a DPDK port of our own needs of this host. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/doctor.h"

enum { CAPABILITY_NET_ADMIN = 12, CAPABILITY_NET_RAW = 13 };

static uint64_t capabilities(void)
{
    char line[256];
    unsigned long long bits = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "CapEff:", 7) == 0) {
            bits = strtoull(line + 7, NULL, 16);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return bits;
}

static void check_rights(struct doctor *doctor)
{
    const uint64_t need = UINT64_C(1) << CAPABILITY_NET_ADMIN | UINT64_C(1) << CAPABILITY_NET_RAW;
    const bool good = (capabilities() & need) == need;
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-NIC-001", good ? DOCTOR_OK : DOCTOR_ERROR, "a port may be made");
    doctor_observed(finding, "%s",
                    good ? "CAP_NET_ADMIN and CAP_NET_RAW" : "not both capabilities");
    doctor_needed(finding, "CAP_NET_ADMIN and CAP_NET_RAW");
    if (!good) {
        doctor_fix(finding,
                   "run it as root, or with AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW");
    }
}

static void check_tun(struct doctor *doctor)
{
    const bool good = access("/dev/net/tun", R_OK | W_OK) == 0;
    const int error = errno;
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-NIC-002", good ? DOCTOR_OK : DOCTOR_ERROR, "taps can be made");
    doctor_observed(finding, "/dev/net/tun: %s", good ? "there" : strerror(error));
    doctor_needed(finding, "/dev/net/tun, to be read and written");
    if (!good) {
        doctor_fix(finding, "modprobe tun");
    }
}

/* True when a line of /proc/net/route says so. */
static bool has_default_route(const char *interface)
{
    char line[256];
    char name[IF_NAMESIZE + 1];
    char target[16];
    bool found = false;
    FILE *file = fopen("/proc/net/route", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        found |= sscanf(line, "%16s %15s", name, target) == 2 && strcmp(name, interface) == 0 &&
                 strcmp(target, "00000000") == 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static void check_interface(struct doctor *doctor, const char *interface)
{
    const bool there = if_nametoindex(interface) != 0;
    const bool needed = there && has_default_route(interface);
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-NIC-003", there && !needed ? DOCTOR_OK : DOCTOR_ERROR,
                   "the interface can be taken");
    doctor_observed(finding, "%s %s", interface,
                    !there   ? "is not there"
                    : needed ? "carries the default route"
                             : "is there");
    doctor_needed(finding, "an interface that nothing else of this host needs");
    if (!there || needed) {
        doctor_fix(finding, "network.device with another iface=; `ip -br link` shows them");
    }
}

void doctor_port(struct doctor *doctor)
{
    char interface[IF_NAMESIZE] = "";
    const char *device = doctor->settings->network_device;
    const char *at = strstr(device, "iface=");
    check_rights(doctor);
    if (strncmp(device, "net_tap", 7) == 0) {
        check_tun(doctor);
    } else if (at != NULL) {
        (void)snprintf(interface, sizeof(interface), "%.*s", (int)strcspn(at + 6, ","), at + 6);
        check_interface(doctor, interface);
    }
}
