/* A network device that does what hardware does, in the place of DPDK's ring port: it says that it
 * sums and cuts, and holds the sender to what data sheets ask of him. A program that links it is
 * linked with NIC_TWIN_WRAPS (meson.build), so that the port asks the twin what the device can.
 *
 * Two queue pairs, and a cable between them: what one sends the other receives. */
#ifndef TESTS_DATAPLANE_NIC_NIC_TWIN_H
#define TESTS_DATAPLANE_NIC_NIC_TWIN_H

#include <stdbool.h>
#include <stdint.h>

struct rte_eth_conf;

struct nic_twin_options {
    uint64_t in_offloads; /* Of DPDK's, offered. */
    uint64_t out_offloads;
    uint16_t segments_max;     /* Of a packet; 0: any number. */
    uint16_t mtu_segments_max; /* Of one that is not cut. */
    uint16_t vectors;          /* Interrupts it has; with fewer than queues it does not start. */
    uint16_t queues_max;       /* That it has; 0: as many as are asked for. */
    uint16_t table_entries;    /* By which it deals flows out to queues; 0: it has none. */
    bool own_table;            /* It takes no other. */
    bool own_key;
    bool no_vlans;   /* Its filter of VLANs has no room. */
    bool deaf;       /* It starts with interrupts, and has none. */
    bool frees_late; /* What was sent goes back with the queue's next burst. */
};

struct nic_twin_counters {
    uint64_t packets;  /* Taken from the sender. */
    uint64_t uncut;    /* Of them: cut here. */
    uint64_t frames;   /* On the cable. */
    uint64_t chained;  /* Packets of several segments. */
    uint64_t ip_sums;  /* Made here. */
    uint64_t tcp_sums; /* Made here. */
    uint64_t tags_put; /* By the device, and taken off. */
    uint64_t tags_taken;
    uint64_t tags_sent; /* Frames on the cable with a tag, whoever wrote it. */
    uint64_t filtered;  /* Of another VLAN. */
    uint64_t damaged;
    uint64_t interrupts;
};

/* Before nic_dpdk_start. */
void nic_twin_offer(const struct nic_twin_options *options);
/* After it: from now on the port's bursts are the twin's. */
void nic_twin_attach(uint16_t port);

/* What the port asked of the device. */
uint64_t nic_twin_in_used(void);
uint64_t nic_twin_out_used(void);
bool nic_twin_spreads(void); /* Receive queues are chosen by a hash. */

bool nic_twin_filters(void);    /* Frames of other VLANs are dropped. */
bool nic_twin_interrupts(void); /* It was started with interrupts. */

/* The first fault of what was sent; NULL: none. */
const char *nic_twin_wrong(void);
const struct nic_twin_counters *nic_twin_counters(void);
/* One bit of the payload of each nth frame is turned; 0: of none. */
void nic_twin_damage(uint32_t nth);
/* A TCP segment from elsewhere arrives at the queue that hash and table name. */
void nic_twin_deal(uint32_t source, uint16_t port);
/* From now on it deals by another table than it says. */
void nic_twin_skew(void);
/* A frame from elsewhere arrives at a queue. tag: of a VLAN; 0: it has none. */
void nic_twin_arrive(uint16_t queue, uint16_t tag);
/* The driver's check refuses packets of more segments than this; 0: none. */
void nic_twin_refuse(uint16_t segments);

#endif
