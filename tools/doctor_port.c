/* What a DPDK port of our own needs of this host. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/doctor.h"
#include "tools/host.h"

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
        doctor_command(finding, "modprobe tun");
    }
}

void doctor_port(struct doctor *doctor)
{
    static struct host host;
    check_rights(doctor);
    const char *share = doctor->settings->network_share;
    if (strncmp(doctor->settings->network_device, "net_tap", 7) == 0 ||
        (share != NULL && share[0] != '\0')) {
        check_tun(doctor);
    }
    host_read("", doctor->settings, &host);
    doctor_bypass(doctor, &host);
}
