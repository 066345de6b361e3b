/* What network.device names, before DPDK is started: a virtual device ("net_tap0,iface=..."), a PCI
 * address ("0000:3b:00.0", with DPDK's arguments behind a comma), or the kernel's name of an
 * interface ("enp59s0f0"), of which the PCI device is taken. And what of this host hangs on it.
 *
 * Threads: any; reads files of /sys and /proc, at start only. Also used by `millrace doctor`, which
 * gives trees of its own in tests.
 */
#ifndef DATAPLANE_NIC_DEVICE_H
#define DATAPLANE_NIC_DEVICE_H

#include "storage/base/bytes.h"

enum {
    DEVICE_TEXT_BYTES = 256,
    DEVICE_NAME_BYTES = 32, /* Of an interface, a driver, a PCI address. */
    DEVICE_INTERFACES_MAX = 8,
};

struct device {
    bool pci;
    char text[DEVICE_TEXT_BYTES];    /* As DPDK takes it. */
    char address[DEVICE_NAME_BYTES]; /* Of PCI; "" for a virtual device. */
    char driver[DEVICE_NAME_BYTES];  /* The kernel's, which has the device now; "": none, or not
                                        PCI. */
    int numa_node;                   /* -1: not known. */
    /* Interfaces of the kernel's that it stands on, and that would be taken with it. */
    uint32_t interface_count;
    char interfaces[DEVICE_INTERFACES_MAX][DEVICE_NAME_BYTES];
};

/* root: "" for this host, else a folder with sys/ and proc/. False: reason holds a sentence. */
MUST_USE bool device_find(const char *name, const char *root, struct device *device, char *reason,
                          size_t reason_bytes);

/* A driver that leaves the device to the kernel, too, and needs no vfio: mlx5 and mlx4. */
bool device_is_shared(const struct device *device);

/* True when taking the interface would cut off who works on this host: it carries a default route,
 * or has the address of an SSH session. why holds what, "carries the default route". */
bool device_interface_is_needed(const char *interface, const char *root, char *why,
                                size_t why_bytes);

/* ---- Parts of it, pure ---- */

/* True when a default route of the text of /proc/net/route, or of /proc/net/ipv6_route, leads out
 * of it. */
bool device_route_is_default(struct bytes routes, const char *interface);
bool device_route6_is_default(struct bytes routes, const char *interface);

/* True when the text of /proc/net/tcp or tcp6 holds an established connection of a local port 22
 * at that address (IPv4 mapped). */
bool device_has_login(struct bytes connections, const uint8_t address[16]);

#endif
