/* A DPDK port: started once, one queue pair for each core. A device with fewer queues is heard by
 * the first core alone, and all send by its one queue, one at a time.
 *
 * What a device cannot do is done in software: checksums by the stack, packets are cut to the MTU
 * there too, and payload is copied behind its headers where the device takes no packets in several
 * parts. The offloads of virtual devices are software of the driver's and stay off. DPDK's headers
 * stay inside nic_dpdk.c.
 *
 * Threads: all calls from the service thread, after eal_start; the queues belong to the cores from
 * eal_launch on.
 */
#ifndef DATAPLANE_NIC_NIC_DPDK_H
#define DATAPLANE_NIC_NIC_DPDK_H

#include "dataplane/nic/nic.h"

enum {
    NIC_QUEUES_MAX = 64,
    NIC_NAME_BYTES = 64,
};

struct nic_dpdk_setup {
    const char *device;    /* As eal_start was given it: "net_tap0,iface=..." */
    uint32_t queue_count;  /* Of cores. */
    uint32_t buffer_count; /* Received buffers of each queue that may be held. */
};

/* What came of it, to be told. */
struct nic_dpdk_port {
    char driver[NIC_NAME_BYTES];
    char interface[NIC_NAME_BYTES]; /* The kernel's name of its end; empty: it has none. */
    uint32_t interface_index;       /* 0: none. */
    uint32_t port_queue_count;      /* As many as cores, or 1: then the first core hears it. */
    bool takes_parts;               /* Payload goes out uncopied. */
    bool wakes;                     /* A sleeping core is woken by arriving frames. */
    struct nic *queues[NIC_QUEUES_MAX];
};

/* DPDK's own memory, in MiB, that a port with these queues takes. */
uint32_t nic_dpdk_memory_mib(const struct nic_dpdk_setup *setup);

/* Starts the only port there is. False: reason holds a sentence. */
MUST_USE bool nic_dpdk_start(const struct nic_dpdk_setup *setup, struct nic_dpdk_port *port,
                             char *reason, size_t reason_bytes);

/* Stops it; the cores have ended. */
void nic_dpdk_stop(void);

#endif
