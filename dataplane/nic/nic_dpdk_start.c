#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "dataplane/nic/descriptor.h"
#include "dataplane/nic/driver.h"
#include "dataplane/nic/nic_dpdk_port.h"

enum {
    RX_DESCRIPTORS = 1024,
    TX_DESCRIPTORS = 1024,
    FRAME_ROOM_BYTES = 2048 + RTE_PKTMBUF_HEADROOM,
    HEADERS = 2048, /* Packets on their way out, of a queue. */
    PARTS = 4096,   /* And their parts. */
    CACHE = 256,
    BUFFER_COST_BYTES = 2560,    /* Of a buffer, with what DPDK keeps beside it. */
    CACHES_COST_BYTES = 24 << 20 /* Of a queue's pools: a cache for each lcore there may be. */
};

/* Buffers of a queue of the port: those that the cores may hold for which it hears (all queues
 * together have as many as one for each core would), and those that cores keep to themselves when
 * they give foreign ones back. */
static uint32_t buffers_of(const struct nic_dpdk_setup *setup, uint32_t number,
                           uint32_t port_queue_count)
{
    const uint32_t heard_for = (setup->queue_count - number - 1) / port_queue_count + 1;
    return setup->buffer_count * heard_for + RX_DESCRIPTORS +
           setup->queue_count * (CACHE + CACHE / 2 + NIC_BURST_MAX);
}

/* Every frame fits one buffer; net_af_packet asks for what its ring keeps beside each, too. */
static uint16_t room_of(const struct nic_dpdk_setup *setup)
{
    const uint64_t longer = round_up(setup->mtu + 256u, 64) + RTE_PKTMBUF_HEADROOM;
    return (uint16_t)max_u64(FRAME_ROOM_BYTES, longer);
}

uint32_t nic_dpdk_memory_mib(const struct nic_dpdk_setup *setup)
{
    const uint32_t buffer_bytes = BUFFER_COST_BYTES + room_of(setup) - FRAME_ROOM_BYTES;
    const uint64_t of_queue =
        (uint64_t)(buffers_of(setup, 0, setup->queue_count) + HEADERS) * buffer_bytes +
        CACHES_COST_BYTES + PARTS * (uint64_t)320 + sizeof(struct queue) +
        HEADERS * (uint64_t)sizeof(struct slot);
    return (uint32_t)(setup->queue_count * of_queue / (1024 * 1024)) + 16;
}

static struct rte_mempool *mempool_make(const char *kind, uint32_t queue, uint32_t count,
                                        uint16_t room)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "%s-%u", kind, queue);
    struct rte_mempool *pool =
        rte_pktmbuf_pool_create(name, count, CACHE, 0, room, rte_eth_dev_socket_id(nic_port.id));
    return pool != NULL ? pool /* Else its node has no memory left. */
                        : rte_pktmbuf_pool_create(name, count, CACHE, 0, room, (int)SOCKET_ID_ANY);
}

/* Zeroed, near the device where there is room. */
static void *near_memory(const char *kind, size_t size)
{
    void *memory = rte_zmalloc_socket(kind, size, 64, rte_eth_dev_socket_id(nic_port.id));
    return memory != NULL ? memory : rte_zmalloc(kind, size, 64);
}

static struct queue *queue_make(const struct nic_dpdk_setup *setup, uint32_t number)
{
    const size_t slots_bytes = pool_memory_bytes(sizeof(struct slot), HEADERS);
    struct queue *queue = near_memory("queue", sizeof(*queue));
    void *slots = near_memory("slots", slots_bytes);
    if (queue == NULL || slots == NULL) {
        return NULL;
    }
    queue->number = (uint16_t)number;
    queue->out_number = (uint16_t)(number % nic_port.port_queue_count);
    queue->out_shared = queue->out_number + nic_port.port_queue_count < setup->queue_count;
    pool_init(&queue->slots, slots, sizeof(struct slot), HEADERS);
    queue->headers = mempool_make("out", number, HEADERS, room_of(setup));
    queue->parts = mempool_make("part", number, PARTS, 0);
    if (queue->headers == NULL || queue->parts == NULL) {
        return NULL;
    }
    if (number < nic_port.port_queue_count) {
        queue->buffers = mempool_make(
            "in", number, buffers_of(setup, number, nic_port.port_queue_count), room_of(setup));
        return queue->buffers == NULL ? NULL : queue;
    }
    return queue;
}

/* Bytes of a packet that the device cuts: in as many buffers as it takes, were all of it copied. */
static uint32_t uncut_max(const struct rte_eth_dev_info *info)
{
    const uint32_t buffers = info->tx_desc_lim.nb_seg_max;
    const uint32_t room = FRAME_ROOM_BYTES - RTE_PKTMBUF_HEADROOM;
    return buffers == 0 ? PACKET_BYTES_MAX : min_u32(PACKET_BYTES_MAX, (buffers - 1) * room);
}

/* What of the device's offloads is used. */
static uint16_t offloads_choose(const struct rte_eth_dev_info *info,
                                const struct driver_trait *trait, struct rte_eth_conf *conf)
{
    uint16_t offloads = 0;
    if (!trait->no_parts) {
        conf->txmode.offloads |= info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    }
    if (trait->software) {
        return 0;
    }
    const uint64_t in = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
    conf->rxmode.offloads |= info->rx_offload_capa & in;
    if (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) {
        conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
        offloads |= NET_OFFLOAD_IP_CHECKSUM;
    }
    if (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) {
        conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
        offloads |= NET_OFFLOAD_TCP_CHECKSUM;
    }
    const uint64_t cuts = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
                          RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
    if ((info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0 &&
        (conf->txmode.offloads & cuts) == cuts && uncut_max(info) >= 2 * RTE_ETHER_MTU) {
        conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
        offloads |= NET_OFFLOAD_TSO;
    }
    return offloads;
}

/* Tags are taken off and put on by the device if it does both, and it drops what other VLANs send;
 * but where the kernel hears the port, it is to get frames as they came. */
static void vlan_choose(const struct nic_dpdk_setup *setup, const struct rte_eth_dev_info *info,
                        const struct driver_trait *trait, struct rte_eth_conf *conf)
{
    if (setup->vlan == 0 || setup->all_groups || trait->software) {
        return;
    }
    if ((info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) != 0 &&
        (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) != 0) {
        conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
        conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
    }
    conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
}

/* A filter that has no room for ours would let nothing through: then it is off. */
static bool vlan_hear(const struct nic_dpdk_setup *setup, struct rte_eth_conf *conf)
{
    if ((conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) == 0 ||
        rte_eth_dev_vlan_filter(nic_port.id, setup->vlan, 1) == 0) {
        return true;
    }
    const int mask = rte_eth_dev_get_vlan_offload(nic_port.id);
    conf->rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
    return mask >= 0 &&
           rte_eth_dev_set_vlan_offload(nic_port.id, mask & ~RTE_ETH_VLAN_FILTER_OFFLOAD) == 0;
}

/* A queue for each core, or as many as there are; and how the device deals frames out. Where it
 * does so by itself (a tap by the flow that was sent to last) nothing is asked of it. */
static void queues_choose(const struct nic_dpdk_setup *setup, const struct rte_eth_dev_info *info,
                          const struct driver_trait *trait, struct rte_eth_conf *conf)
{
    const uint32_t most = trait->one_queue ? 1 : min_u32(info->max_rx_queues, info->max_tx_queues);
    nic_port.queue_count = setup->queue_count;
    nic_port.port_queue_count = (uint32_t)max_u64(1, min_u32(setup->queue_count, most));
    for (uint32_t i = 0; i < nic_port.port_queue_count; i++) {
        atomic_flag_clear(&nic_port.out_busy[i]);
    }
    if (nic_port.port_queue_count > 1 && !trait->software) {
        nic_dpdk_deal_ask(setup, info, conf);
    }
}

/* The queue's interrupt, in an epoll descriptor of its own: what is to be read when it comes is the
 * driver's affair, and DPDK does it there. Some devices have less to give than they were asked for
 * without a word. */
static void interrupt_open(struct queue *queue)
{
    const int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (rte_eth_dev_rx_intr_ctl_q(nic_port.id, queue->number, fd, RTE_INTR_EVENT_ADD, NULL) != 0) {
        (void)close(fd);
        return;
    }
    queue->nic.capabilities.wake_fd = fd;
    nic_dpdk_ops_set(queue, true);
    if (!queue->ops.arm(&queue->nic)) {
        nic_dpdk_ops_set(queue, false);
        queue->nic.capabilities.wake_fd = -1;
        (void)rte_eth_dev_rx_intr_ctl_q(nic_port.id, queue->number, fd, RTE_INTR_EVENT_DEL, NULL);
        (void)close(fd);
        return;
    }
    queue->ops.disarm(&queue->nic);
}

static void interrupt_close(struct queue *queue)
{
    if (queue != NULL && queue->ops.arm != NULL) {
        const int fd = queue->nic.capabilities.wake_fd;
        (void)rte_eth_dev_rx_intr_ctl_q(nic_port.id, queue->number, fd, RTE_INTR_EVENT_DEL, NULL);
        (void)close(fd);
        nic_dpdk_ops_set(queue, false);
        queue->nic.capabilities.wake_fd = -1;
    }
}

static void wake_open(struct queue *queue, const struct driver_trait *trait, bool interrupts)
{
    struct nic_capabilities *to = &queue->nic.capabilities;
    to->wake_fd = -1;
    if (trait->family != 0) {
        to->wake_fd = descriptor_of_family(trait->family, queue->number, nic_port.port_queue_count);
    } else if (interrupts && trait->readable) {
        to->wake_fd = rte_eth_dev_rx_intr_ctl_q_get_fd(nic_port.id, queue->number);
        if (to->wake_fd >= 0) {
            descriptor_quiet(to->wake_fd, &queue->trigger, &queue->trigger_signal);
        }
    } else if (interrupts) {
        interrupt_open(queue);
    }
}

static void queue_describe(struct queue *queue, const struct rte_eth_dev_info *info,
                           const struct rte_eth_conf *conf, uint16_t offloads, uint16_t vlan)
{
    struct rte_ether_addr mac;
    struct nic_capabilities *to = &queue->nic.capabilities;
    const bool tap = strcmp(info->driver_name, "net_tap") == 0;
    const struct driver_trait *trait = driver_trait_of(info->driver_name);
    queue->partial = trait->partial;
    (void)rte_eth_macaddr_get(nic_port.id, &mac);
    memcpy(to->mac.bytes, mac.addr_bytes, sizeof(to->mac.bytes));
    if (tap) {
        to->mac.bytes[1] ^= 0x10; /* The driver's is the kernel's end; we are the other. */
    }
    to->mtu = nic_port.mtu;
    queue->takes_parts = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
    /* A device frees what it has sent when it is given more: then it may be another core that does.
     * Software is done with all before it returns. */
    queue->lends = queue->takes_parts && (!queue->out_shared || trait->software);
    to->offloads = offloads;
    to->uncut_max = uncut_max(info);
    to->vlan = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) != 0 ? vlan : 0;
    queue->asks = offloads != 0 || to->vlan != 0;
    queue->hash_checks = nic_port.deal.key_known ? HASH_CHECKS : 0;
    nic_dpdk_ops_set(queue, false);
    if (trait->no_wire) {
        to->offloads = NET_OFFLOAD_IP_CHECKSUM | NET_OFFLOAD_TCP_CHECKSUM;
        to->offloads |= queue->takes_parts ? (uint16_t)NET_OFFLOAD_TSO : 0; /* Uncut. */
        queue->flags_known = PACKET_IP_GOOD | PACKET_L4_GOOD;
    }
    queue->good_checksums = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_CHECKSUM) != 0;
    to->parts_max = PACKET_PARTS_MAX;
    if (info->tx_desc_lim.nb_mtu_seg_max > 1 && queue->takes_parts) {
        to->parts_max = min_u32(to->parts_max, info->tx_desc_lim.nb_mtu_seg_max - 1u);
    }
    to->silent = queue->buffers == NULL;
    to->wake_fd = -1;
    if (!to->silent) {
        wake_open(queue, trait, conf->intr_conf.rxq != 0);
    }
}

static bool fail(char *reason, size_t reason_bytes, const char *what, int error)
{
    (void)snprintf(reason, reason_bytes, "the port does not start: %s: %s", what,
                   rte_strerror(error < 0 ? -error : error));
    return false;
}

/* Drivers of virtual devices refuse what they would carry, or the other way round: their limit is
 * that of their buffers, and the interface's, which is its owner's affair. */
static bool mtu_choose(const struct nic_dpdk_setup *setup, const struct driver_trait *trait,
                       char *reason, size_t reason_bytes)
{
    nic_port.mtu = RTE_ETHER_MTU;
    (void)rte_eth_dev_get_mtu(nic_port.id, &nic_port.mtu);
    nic_port.mtu = (uint16_t)min_u32(nic_port.mtu, RTE_ETHER_MTU);
    if (setup->mtu == 0 || setup->mtu == RTE_ETHER_MTU) {
        return true;
    }
    nic_port.mtu = setup->mtu;
    int error = trait->software ? 0 : rte_eth_dev_set_mtu(nic_port.id, nic_port.mtu);
    if (setup->mtu > RTE_ETHER_MTU && trait->short_frames) {
        error = EINVAL;
    }
    return error == 0 || fail(reason, reason_bytes, "it does not take network.mtu", error);
}

static int queue_start(uint16_t number, uint16_t in, uint16_t out, int node)
{
    const int error = rte_eth_rx_queue_setup(nic_port.id, number, in, (unsigned)node, NULL,
                                             nic_port.queues[number]->buffers);
    return error != 0 ? error
                      : rte_eth_tx_queue_setup(nic_port.id, number, out, (unsigned)node, NULL);
}

static bool queues_start(char *reason, size_t reason_bytes)
{
    uint16_t in = RX_DESCRIPTORS;
    uint16_t out = TX_DESCRIPTORS;
    int error = rte_eth_dev_adjust_nb_rx_tx_desc(nic_port.id, &in, &out);
    for (uint32_t i = 0; i < nic_port.port_queue_count && error == 0; i++) {
        error = queue_start((uint16_t)i, in, out, rte_eth_dev_socket_id(nic_port.id));
        if (error == -ENOMEM) { /* That node's memory is used up. */
            error = queue_start((uint16_t)i, in, out, (int)SOCKET_ID_ANY);
        }
    }
    if (error != 0) {
        return fail(reason, reason_bytes, "its queues", error);
    }
    error = rte_eth_dev_start(nic_port.id);
    return error == 0 || fail(reason, reason_bytes, "starting", error);
}

static bool port_try(const struct nic_dpdk_setup *setup, const struct driver_trait *trait,
                     const struct rte_eth_conf *conf, char *reason, size_t reason_bytes)
{
    const uint16_t queues = (uint16_t)nic_port.port_queue_count;
    const int error = rte_eth_dev_configure(nic_port.id, queues, queues, conf);
    if (error != 0) {
        return fail(reason, reason_bytes, "its configuration", error);
    }
    return mtu_choose(setup, trait, reason, reason_bytes) && queues_start(reason, reason_bytes);
}

/* Some devices have a key of their own and take no other; a bus may have fewer interrupts to give
 * than there are queues: then there are none. */
static bool port_bring_up(const struct nic_dpdk_setup *setup, const struct driver_trait *trait,
                          struct rte_eth_conf *conf, char *reason, size_t reason_bytes)
{
    for (uint32_t i = 0; i < setup->queue_count; i++) {
        nic_port.queues[i] = queue_make(setup, i);
        if (nic_port.queues[i] == NULL) {
            return fail(reason, reason_bytes, "memory for its packets", ENOMEM);
        }
    }
    const struct rte_eth_rss_conf asked = conf->rx_adv_conf.rss_conf;
    const bool interrupts = conf->intr_conf.rxq != 0;
    bool up = false;
    for (uint32_t without = 0; without < 4 && !up; without++) {
        struct rte_eth_rss_conf *hash = &conf->rx_adv_conf.rss_conf;
        const bool key = (without & 2) == 0;
        if ((!key && asked.rss_key == NULL) || ((without & 1) != 0 && !interrupts)) {
            continue; /* It was tried. */
        }
        hash->rss_key = key ? asked.rss_key : NULL;
        hash->rss_key_len = key ? asked.rss_key_len : 0;
        conf->intr_conf.rxq = interrupts && (without & 1) == 0;
        up = port_try(setup, trait, conf, reason, reason_bytes);
    }
    return up;
}

/* Drivers that cannot choose take all; virtual ones that do neither never drop any. */
static bool groups_hear(const struct nic_dpdk_setup *setup, bool software)
{
    void *groups = (void *)(uintptr_t)setup->groups; /* Only read. */
    const bool all = setup->all_groups ||
                     rte_eth_dev_set_mc_addr_list(nic_port.id, groups, setup->group_count) != 0;
    return setup->group_count == 0 || !all || rte_eth_allmulticast_enable(nic_port.id) == 0 ||
           software;
}

bool nic_dpdk_start(const struct nic_dpdk_setup *setup, struct nic_dpdk_port *told, char *reason,
                    size_t reason_bytes)
{
    struct rte_eth_dev_info info;
    *told = (struct nic_dpdk_port){0};
    ASSERT(setup->queue_count > 0 && setup->queue_count <= NIC_QUEUES_MAX);
    if (rte_eth_dev_count_avail() != 1) {
        (void)snprintf(reason, reason_bytes, "DPDK made no port of network.device %s",
                       setup->device);
        return false;
    }
    nic_port.id = (uint16_t)rte_eth_find_next(0);
    const int error = rte_eth_dev_info_get(nic_port.id, &info);
    if (error != 0) {
        return fail(reason, reason_bytes, "it says nothing of itself", error);
    }
    const struct driver_trait *trait = driver_trait_of(info.driver_name);
    struct rte_eth_conf conf = {
        .intr_conf = {.rxq = trait->readable || (!trait->software && !setup->polled)}};
    const uint16_t offloads = offloads_choose(&info, trait, &conf);
    vlan_choose(setup, &info, trait, &conf);
    queues_choose(setup, &info, trait, &conf);
    if (!port_bring_up(setup, trait, &conf, reason, reason_bytes)) {
        return false;
    }
    if (!groups_hear(setup, trait->software)) {
        return fail(reason, reason_bytes, "the groups that IPv6 needs", ENOTSUP);
    }
    if (!vlan_hear(setup, &conf)) {
        return fail(reason, reason_bytes, "network.vlan", ENOSPC);
    }
    nic_dpdk_deal_set(&info, &conf);
    nic_port.started = true;
    nic_port.in_offloads = conf.rxmode.offloads;
    nic_port.out_offloads = conf.txmode.offloads;
    (void)snprintf(told->driver, sizeof(told->driver), "%s", info.driver_name);
    told->interface_index = info.if_index;
    if (info.if_index != 0 && if_indextoname(info.if_index, told->interface) == NULL) {
        told->interface[0] = '\0';
    }
    for (uint32_t i = 0; i < setup->queue_count; i++) {
        queue_describe(nic_port.queues[i], &info, &conf, offloads, setup->vlan);
        told->queues[i] = &nic_port.queues[i]->nic;
    }
    told->port_queue_count = nic_port.port_queue_count;
    told->lends = nic_port.queues[0]->lends;
    told->wakes = nic_port.queues[0]->nic.capabilities.wake_fd >= 0;
    return true;
}

bool nic_dpdk_lend(const void *base, uint64_t size, char *reason, size_t reason_bytes)
{
    struct rte_eth_dev_info info;
    void *address = (void *)(uintptr_t)base;
    if (rte_eth_dev_info_get(nic_port.id, &info) != 0 ||
        driver_trait_of(info.driver_name)->software) {
        return true;
    }
    ASSERT(nic_port.lent_count < NIC_QUEUES_MAX);
    if (driver_trait_of(info.driver_name)->own_memory) {
        nic_port.lent[nic_port.lent_count++] = (struct bytes_area){base, 0};
        return true;
    }
    if (rte_dev_dma_map(info.device, address, (uint64_t)(uintptr_t)base, size) != 0 &&
        rte_errno != ENOTSUP) { /* A bus that needs none of it. */
        (void)snprintf(reason, reason_bytes, "the device does not take the arena: %s",
                       rte_strerror(rte_errno));
        return false;
    }
    nic_port.lent[nic_port.lent_count++] = (struct bytes_area){base, size};
    return true;
}

void nic_dpdk_stop(void)
{
    if (nic_port.started) {
        nic_port.started = false;
        for (uint32_t i = 0; i < nic_port.queue_count; i++) {
            interrupt_close(nic_port.queues[i]);
        }
        (void)rte_eth_dev_stop(nic_port.id);
        (void)rte_eth_dev_close(nic_port.id);
    }
}
