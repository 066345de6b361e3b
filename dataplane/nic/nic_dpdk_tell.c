#include <net/if.h>
#include <stdio.h>

#include "dataplane/nic/nic_dpdk_port.h"

static void device_tell(struct nic_dpdk_report *report, const struct rte_eth_dev_info *info)
{
    struct rte_eth_rxq_info in = {0};
    struct rte_eth_txq_info out = {0};
    (void)rte_eth_dev_get_name_by_port(nic_port.id, report->device);
    (void)snprintf(report->driver, sizeof(report->driver), "%s", info->driver_name);
    if (info->if_index == 0 || if_indextoname(info->if_index, report->interface) == NULL) {
        report->interface[0] = '\0';
    }
    report->queues = info->nb_rx_queues;
    report->queues_max = (uint16_t)min_u32(info->max_rx_queues, info->max_tx_queues);
    report->numa_node = rte_eth_dev_socket_id(nic_port.id);
    report->in_offered = info->rx_offload_capa;
    report->out_offered = info->tx_offload_capa;
    report->in_used = nic_port.in_offloads;
    report->out_used = nic_port.out_offloads;
    if (rte_eth_rx_queue_info_get(nic_port.id, 0, &in) == 0) {
        report->in_descriptors = in.nb_desc;
    }
    if (rte_eth_tx_queue_info_get(nic_port.id, 0, &out) == 0) {
        report->out_descriptors = out.nb_desc;
    }
}

/* Counts of the pools of mempools are read from any thread: a moment's, and with caches apart. */
static void buffers_tell(struct nic_dpdk_report *report)
{
    for (uint32_t i = 0; i < NIC_QUEUES_MAX && nic_port.queues[i] != NULL; i++) {
        const struct queue *queue = nic_port.queues[i];
        if (queue->buffers != NULL) {
            report->buffers += queue->buffers->size;
            report->buffers_used += rte_mempool_in_use_count(queue->buffers);
        }
        report->headers_used += rte_mempool_in_use_count(queue->headers);
        report->parts_used += rte_mempool_in_use_count(queue->parts);
    }
}

bool nic_dpdk_report(struct nic_dpdk_report *report)
{
    struct rte_eth_dev_info info;
    struct rte_eth_link link = {0};
    struct rte_eth_stats stats = {0};
    *report = (struct nic_dpdk_report){.numa_node = -1};
    if (!nic_port.started || rte_eth_dev_info_get(nic_port.id, &info) != 0) {
        return false;
    }
    device_tell(report, &info);
    report->mtu = nic_port.mtu;
    if (rte_eth_link_get_nowait(nic_port.id, &link) == 0) {
        report->link_up = link.link_status == RTE_ETH_LINK_UP;
        report->full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
        report->link_mbps =
            link.link_speed == (uint32_t)RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
    }
    if (rte_eth_stats_get(nic_port.id, &stats) == 0) {
        report->in_frames = stats.ipackets;
        report->in_bytes = stats.ibytes;
        report->out_frames = stats.opackets;
        report->out_bytes = stats.obytes;
        report->missed = stats.imissed;
        report->in_errors = stats.ierrors;
        report->out_errors = stats.oerrors;
        report->no_buffer = stats.rx_nombuf;
    }
    report->deals = nic_port.deal.used;
    report->deal_entries = nic_port.deal.entries;
    report->deal_table_ours = nic_port.deal.table_ours;
    report->deal_key_ours = nic_port.deal.key_ours;
    buffers_tell(report);
    return true;
}

const char *nic_dpdk_offload(bool in, uint64_t bit)
{
    return in ? rte_eth_dev_rx_offload_name(bit) : rte_eth_dev_tx_offload_name(bit);
}
