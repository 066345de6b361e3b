/* What a host is made of, as far as a port of our own asks: read once, then judged by pure
 * functions (doctor_bypass.c). Tests give folders with sys/ and proc/ in place of the host.
 */
#ifndef TOOLS_HOST_H
#define TOOLS_HOST_H

#include "dataplane/nic/device.h"
#include "dataplane/profile/settings.h"

enum { HOST_NODES_MAX = 16, HOST_CPUS_MAX = 1024, HOST_REASON_BYTES = 300 };

struct host_node {
    bool there;
    uint64_t huge_pages; /* Of 2 MiB. */
    uint64_t huge_pages_free;
};

struct host_cpu {
    bool there;
    bool isolated;
    int node;          /* 0 where the host says nothing. */
    char governor[24]; /* "": it has none, as in a virtual machine. */
};

struct host {
    struct host_node nodes[HOST_NODES_MAX];
    struct host_cpu cpus[HOST_CPUS_MAX];
    uint32_t cpu_count;
    bool iommu;       /* There are groups of it: devices can be given addresses of ours. */
    bool vfio;        /* vfio-pci is loaded, or built in. */
    char machine[16]; /* "GenuineIntel", "AuthenticAMD" or what the CPU calls its maker. */
    bool device_found;
    struct device device;
    char device_problem[HOST_REASON_BYTES];   /* When it was not found. */
    char needed_interface[DEVICE_NAME_BYTES]; /* Whoever works on this host needs it; "": none. */
    char needed_why[64];
    char missing_interface[DEVICE_NAME_BYTES]; /* The device names it, and it is not there. */
    uint32_t queues; /* Queues in of the device's first interface; 0: not known. */
};

/* root: "" for this host. Never fails: what cannot be read is not there. */
void host_read(const char *root, const struct settings *settings, struct host *host);

#endif
