#include <string.h>

#include "dataplane/nic/nic_dpdk_port.h"

/* Our key, if the device takes one of its length: nobody else knows which flows share a queue. */
void nic_dpdk_deal_ask(const struct nic_dpdk_setup *setup, const struct rte_eth_dev_info *info,
                       struct rte_eth_conf *conf)
{
    struct rte_eth_rss_conf *hash = &conf->rx_adv_conf.rss_conf;
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
    hash->rss_hf = info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP);
    if (setup->hash_key != NULL && info->hash_key_size >= TOEPLITZ_KEY_MIN &&
        info->hash_key_size <= TOEPLITZ_KEY_MAX) {
        hash->rss_key = (uint8_t *)(uintptr_t)setup->hash_key; /* Only read. */
        hash->rss_key_len = info->hash_key_size;
    }
}

static void table_read(struct rte_eth_rss_reta_entry64 *groups)
{
    struct port_deal *deal = &nic_port.deal;
    for (uint32_t i = 0; i < deal->entries; i++) {
        groups[i / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1) << i % RTE_ETH_RETA_GROUP_SIZE;
    }
    deal->table_known =
        rte_eth_dev_rss_reta_query(nic_port.id, groups, (uint16_t)deal->entries) == 0;
    deal->table_ours = deal->table_known;
    for (uint32_t i = 0; deal->table_known && i < deal->entries; i++) {
        deal->table[i] = groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
        deal->table_ours &= deal->table[i] == i % nic_port.port_queue_count;
    }
}

static void key_read(const struct rte_eth_conf *conf)
{
    struct port_deal *deal = &nic_port.deal;
    struct rte_eth_rss_conf hash = {.rss_key = deal->key, .rss_key_len = sizeof(deal->key)};
    const struct rte_eth_rss_conf *asked = &conf->rx_adv_conf.rss_conf;
    deal->key_known = rte_eth_dev_rss_hash_conf_get(nic_port.id, &hash) == 0 &&
                      hash.rss_key_len >= TOEPLITZ_KEY_MIN;
    deal->key_ours = deal->key_known && asked->rss_key != NULL &&
                     memcmp(deal->key, asked->rss_key, asked->rss_key_len) == 0;
}

/* Each queue as often as any other, whatever the driver began with; then what the device says it
 * has, which need not be what it was told. */
void nic_dpdk_deal_set(const struct rte_eth_dev_info *info, const struct rte_eth_conf *conf)
{
    struct rte_eth_rss_reta_entry64 groups[DEAL_ENTRIES_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};
    struct port_deal *deal = &nic_port.deal;
    if (conf->rxmode.mq_mode != RTE_ETH_MQ_RX_RSS) {
        return;
    }
    deal->used = true;
    deal->entries = info->reta_size <= DEAL_ENTRIES_MAX ? info->reta_size : 0;
    for (uint32_t i = 0; i < deal->entries; i++) {
        struct rte_eth_rss_reta_entry64 *group = &groups[i / RTE_ETH_RETA_GROUP_SIZE];
        group->mask |= UINT64_C(1) << i % RTE_ETH_RETA_GROUP_SIZE;
        group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(i % nic_port.port_queue_count);
    }
    if (deal->entries > 0) {
        (void)rte_eth_dev_rss_reta_update(nic_port.id, groups, (uint16_t)deal->entries);
        memset(groups, 0, sizeof(groups));
        table_read(groups);
    }
    key_read(conf);
}

void nic_dpdk_deal_check(struct queue *queue, const struct rte_mbuf *mbuf)
{
    const struct port_deal *deal = &nic_port.deal;
    uint8_t input[TOEPLITZ_INPUT_MAX];
    const struct bytes frame = {rte_pktmbuf_mtod(mbuf, const uint8_t *), mbuf->data_len};
    const uint32_t len = toeplitz_input(frame, input);
    if (len == 0) {
        return;
    }
    queue->hash_checks--;
    const uint32_t hash = toeplitz_hash(deal->key, input, len);
    const bool hashed = (mbuf->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0;
    queue->nic.counters.in_hash_checked++;
    if ((hashed && mbuf->hash.rss != hash) ||
        (deal->table_known && deal->table[hash % deal->entries] != queue->number)) {
        queue->nic.counters.in_hash_differs++;
    }
}
