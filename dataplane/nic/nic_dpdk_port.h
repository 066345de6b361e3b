/* What the files of the DPDK port share; nobody else includes it. nic_dpdk.c moves packets,
 * nic_dpdk_start.c makes the port, nic_dpdk_deal.c has it spread flows, nic_dpdk_tell.c asks it. */
#ifndef DATAPLANE_NIC_NIC_DPDK_PORT_H
#define DATAPLANE_NIC_NIC_DPDK_PORT_H

#include <stdatomic.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dataplane/net/net.h"
#include "dataplane/nic/nic_dpdk.h"
#include "dataplane/nic/toeplitz.h"
#include "storage/base/pool.h"

enum {
    MORE_MAX = 8, /* Pieces of a frame behind its first. */
    DEAL_ENTRIES_MAX = RTE_ETH_RSS_RETA_SIZE_512,
    HASH_CHECKS = 1024, /* Of a queue. */
};

struct queue;

/* A packet under way whose payload is lent. */
struct slot {
    struct rte_mbuf_ext_shared_info shared;
    struct queue *queue;
    struct packet_pin pin;
};

struct queue {
    struct nic nic; /* First: the core's view. */
    struct nic_ops ops;
    uint16_t number;
    uint16_t out_number; /* The port's queue that it sends by. */
    bool out_shared;     /* With other cores. */
    bool takes_parts;
    bool lends;          /* Payload goes out as it lies. */
    bool good_checksums; /* The device verifies. */
    bool asks;           /* Something of the device, about packets that leave. */
    bool partial;
    uint16_t flags_known; /* Of every frame that arrives. */
    uint32_t hash_checks; /* Frames still to be compared with how they were dealt out. */
    void (*trigger)(int);
    int trigger_signal;
    struct rte_mempool *buffers;
    struct rte_mempool *headers;
    struct rte_mempool *parts;
    struct pool slots;
    struct packet_piece more[NIC_BURST_MAX][MORE_MAX];
    struct rte_mbuf *spare[NIC_BURST_MAX]; /* Headers for the next packets. */
    uint32_t spare_count;
    struct rte_mbuf *waiting[NIC_BURST_MAX]; /* The port had no room for them. */
    uint32_t waiting_count;
    uint32_t refusals;
    struct rte_mbuf *given[NIC_BURST_MAX]; /* Back by release: they go to their pool together. */
    uint32_t given_count;
    struct rte_mempool *given_pool; /* Theirs. */
};

struct bytes_area {
    const uint8_t *base;
    uint64_t size;
};

/* How the device deals flows out to queues, as it says itself. */
struct port_deal {
    bool used;
    bool key_known, key_ours;
    bool table_known, table_ours;
    uint32_t entries;
    uint8_t key[TOEPLITZ_KEY_MAX];
    uint16_t table[DEAL_ENTRIES_MAX];
};

struct port {
    uint16_t id;
    bool started;
    uint32_t queue_count;      /* Of cores. */
    uint32_t port_queue_count; /* The port's own: as many, or fewer. */
    uint16_t mtu;
    uint64_t in_offloads; /* Of DPDK's, in use. */
    uint64_t out_offloads;
    struct port_deal deal;
    struct queue *queues[NIC_QUEUES_MAX];
    atomic_flag out_busy[NIC_QUEUES_MAX];   /* A core sends by this queue of the port. */
    struct bytes_area lent[NIC_QUEUES_MAX]; /* What the device may read; none: everything. */
    uint32_t lent_count;
};

extern struct port nic_port; /* DPDK's port is one of a process. */

/* nic_dpdk_deal.c. Before and after the device is started. */
void nic_dpdk_deal_ask(const struct nic_dpdk_setup *setup, const struct rte_eth_dev_info *info,
                       struct rte_eth_conf *conf);
void nic_dpdk_deal_set(const struct rte_eth_dev_info *info, const struct rte_eth_conf *conf);
/* Whether a frame came to the queue that the table names for it. */
void nic_dpdk_deal_check(struct queue *queue, const struct rte_mbuf *mbuf);

/* As the queue's capabilities are. */
void nic_dpdk_ops_set(struct queue *queue, bool interrupts);

#endif
