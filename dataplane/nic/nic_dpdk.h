/* A DPDK port: started once, one queue pair for each core. A device with fewer queues is heard by
 * the first cores alone; the others share those ones' queues for what they send, one at a time.
 *
 * What a device cannot do is done in software: checksums by the stack, packets are cut to the MTU
 * there too, and payload is copied behind its headers where the device takes no packets in several
 * parts, may not read it where it lies, or frees it when another core sends. The offloads of
 * virtual devices are software of the driver's and stay off; a ring's frames never leave the
 * process, nobody sums or cuts them. DPDK's headers stay inside nic_dpdk*.c.
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
    NIC_GROUPS_MAX = 2,
};

struct nic_dpdk_setup {
    const char *device;                /* As eal_start was given it: "net_tap0,iface=..." */
    uint32_t queue_count;              /* Of cores. */
    uint32_t buffer_count;             /* Received buffers of each queue that may be held. */
    uint16_t mtu;                      /* 0: 1500, or less where the device has less. */
    struct mac groups[NIC_GROUPS_MAX]; /* That the device lets through. */
    uint32_t group_count;
    const uint8_t *hash_key; /* TOEPLITZ_KEY_MAX random bytes; NULL: the device's own. */
    uint16_t vlan;           /* Of all frames, tagged by the device if it can; 0: untagged. */
    bool all_groups;         /* It lets all through: the kernel hears some, too. */
    bool polled;             /* No core ever sleeps: the device need not interrupt. */
};

/* What came of it, to be told. */
struct nic_dpdk_port {
    char driver[NIC_NAME_BYTES];
    char interface[NIC_NAME_BYTES]; /* The kernel's name of its end; empty: it has none. */
    uint32_t interface_index;       /* 0: none. */
    uint32_t port_queue_count;      /* As many as cores, or fewer: the first cores hear it. */
    bool lends;                     /* The first core's payload goes out uncopied. */
    bool wakes;                     /* A sleeping core is woken by arriving frames. */
    struct nic *queues[NIC_QUEUES_MAX];
};

/* DPDK's own memory, in MiB, that a port with these queues takes. */
uint32_t nic_dpdk_memory_mib(const struct nic_dpdk_setup *setup);

/* Starts the only port there is. False: reason holds a sentence. */
MUST_USE bool nic_dpdk_start(const struct nic_dpdk_setup *setup, struct nic_dpdk_port *port,
                             char *reason, size_t reason_bytes);

/* What the device says of itself, beside what the cores count. */
struct nic_dpdk_report {
    char device[NIC_NAME_BYTES]; /* DPDK's name of it. */
    char driver[NIC_NAME_BYTES];
    char interface[NIC_NAME_BYTES];
    bool link_up;
    uint32_t link_mbps; /* 0: it does not say. */
    bool full_duplex;
    uint16_t mtu;
    uint16_t queues;
    uint16_t queues_max;
    uint16_t in_descriptors; /* Of a queue. */
    uint16_t out_descriptors;
    int numa_node;         /* -1: none. */
    bool deals;            /* Flows, to several queues, by a hash and a table. */
    uint32_t deal_entries; /* Of the table; 0: it does not say. */
    bool deal_table_ours;  /* It has the table that it was given; else one of its own. */
    bool deal_key_ours;
    uint64_t in_offered, in_used; /* Offloads: nic_dpdk_offload names each bit. */
    uint64_t out_offered, out_used;
    uint64_t in_frames, in_bytes, out_frames, out_bytes;
    uint64_t missed;    /* Frames for which the queues had no room. */
    uint64_t in_errors; /* Frames that arrived damaged. */
    uint64_t out_errors;
    uint64_t no_buffer; /* Times there was no buffer to take a frame into. */
    uint32_t buffers;   /* Of all queues. */
    uint32_t buffers_used;
    uint32_t headers_used; /* Packets on their way out. */
    uint32_t parts_used;
};

/* Asks the device; may sleep a little in its driver. Any thread that is no core's, between start
 * and stop. False: no port was started. */
MUST_USE bool nic_dpdk_report(struct nic_dpdk_report *report);

/* "TCP_CKSUM"; bit: one of the offloads. Never NULL. */
const char *nic_dpdk_offload(bool in, uint64_t bit);

/* Memory from which payload is sent as it lies; everything else is copied behind its headers. Once
 * for each core's arena, after nic_dpdk_start and before the first packet. Virtual devices read any
 * memory and are told of none. False: the device does not take it, reason holds a sentence. */
MUST_USE bool nic_dpdk_lend(const void *base, uint64_t size, char *reason, size_t reason_bytes);

/* Stops it; the cores have ended. */
void nic_dpdk_stop(void);

#endif
