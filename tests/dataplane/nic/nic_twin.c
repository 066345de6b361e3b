#include "tests/dataplane/nic/nic_twin.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv4.h"
#include "dataplane/net/ipv6.h"
#include "dataplane/net/packet.h"
#include "dataplane/tcp/segment.h"

enum {
    QUEUES = 2,
    CABLE_FRAMES = 4096, /* Under way to one queue. */
    SENT_MAX = 64,       /* Kept until the next burst. */
    PACKET_ROOM = 128 + PACKET_BYTES_MAX,
};

struct cable {
    struct rte_mbuf *frames[CABLE_FRAMES];
    uint32_t head, tail;
    struct rte_mbuf *sent[SENT_MAX];
    uint32_t sent_count;
    uint16_t queue;
    struct rte_epoll_event event; /* Of its interrupt. */
    int interrupt;                /* 0: not made yet. */
    bool armed;
};

static struct {
    struct nic_twin_options options;
    struct nic_twin_counters counters;
    struct rte_eth_conf conf;
    struct cable to[QUEUES];
    const char *wrong;
    uint32_t damage_nth;
    uint16_t refuse_above;
    uint16_t mtu;
    uint16_t vlan; /* That the filter lets through. */
    bool filters;
    uint8_t key[40];
    uint16_t table[128];
    uint16_t skew;
    uint32_t hash; /* Of the frame; 0: not told. */
    uint16_t tag;  /* To be put on the frames of the packet being sent. */
    uint8_t packet[PACKET_ROOM];
} twin;

int __real_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info);
int __real_rte_eth_dev_configure(uint16_t port, uint16_t in, uint16_t out,
                                 const struct rte_eth_conf *conf);
int __wrap_rte_eth_dev_configure(uint16_t port, uint16_t in, uint16_t out,
                                 const struct rte_eth_conf *conf);

int __real_rte_eth_dev_start(uint16_t port);
int __wrap_rte_eth_dev_start(uint16_t port);
int __wrap_rte_eth_dev_rss_reta_update(uint16_t port, struct rte_eth_rss_reta_entry64 *groups,
                                       uint16_t entries);
int __wrap_rte_eth_dev_rss_reta_query(uint16_t port, struct rte_eth_rss_reta_entry64 *groups,
                                      uint16_t entries);
int __wrap_rte_eth_dev_rss_hash_conf_get(uint16_t port, struct rte_eth_rss_conf *conf);
int __wrap_rte_eth_dev_vlan_filter(uint16_t port, uint16_t vlan, int on);
int __wrap_rte_eth_dev_get_vlan_offload(uint16_t port);
int __wrap_rte_eth_dev_set_vlan_offload(uint16_t port, int mask);
int __wrap_rte_eth_dev_rx_intr_ctl_q(uint16_t port, uint16_t queue, int epfd, int op, void *data);
int __wrap_rte_eth_dev_rx_intr_enable(uint16_t port, uint16_t queue);
int __wrap_rte_eth_dev_rx_intr_disable(uint16_t port, uint16_t queue);

static void cable_put(uint16_t from, uint8_t *frame, uint32_t l2_len, uint32_t len);

static void wrong(const char *what)
{
    twin.wrong = twin.wrong == NULL ? what : twin.wrong;
}

/* ---- What it says of itself ---- */

void nic_twin_offer(const struct nic_twin_options *options)
{
    twin.options = *options;
}

int __wrap_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info)
{
    const int error = __real_rte_eth_dev_info_get(port, info);
    info->driver_name = "net_twin";
    info->rx_offload_capa = twin.options.in_offloads;
    info->tx_offload_capa = twin.options.out_offloads;
    info->flow_type_rss_offloads = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP;
    info->reta_size = twin.options.table_entries;
    info->hash_key_size = sizeof(twin.key);
    if (twin.options.queues_max != 0) {
        info->max_rx_queues = twin.options.queues_max;
        info->max_tx_queues = twin.options.queues_max;
    }
    if (twin.options.segments_max != 0) {
        info->tx_desc_lim.nb_seg_max = twin.options.segments_max;
        info->tx_desc_lim.nb_mtu_seg_max = twin.options.mtu_segments_max;
    }
    return error;
}

int __wrap_rte_eth_dev_configure(uint16_t port, uint16_t in, uint16_t out,
                                 const struct rte_eth_conf *conf)
{
    static const struct rte_eth_conf plain;
    twin.conf = *conf;
    if ((conf->rxmode.offloads & ~twin.options.in_offloads) != 0 ||
        (conf->txmode.offloads & ~twin.options.out_offloads) != 0) {
        return -EINVAL; /* As ethdev says of any device. */
    }
    if (conf->rx_adv_conf.rss_conf.rss_key != NULL) {
        if (twin.options.own_key || conf->rx_adv_conf.rss_conf.rss_key_len != sizeof(twin.key)) {
            return -EINVAL;
        }
        memcpy(twin.key, conf->rx_adv_conf.rss_conf.rss_key, sizeof(twin.key));
    } else {
        memset(twin.key, 0x5a, sizeof(twin.key));
    }
    twin.filters = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) != 0;
    return __real_rte_eth_dev_configure(port, in, out, &plain);
}

int __wrap_rte_eth_dev_start(uint16_t port)
{
    if (twin.conf.intr_conf.rxq && twin.options.vectors < QUEUES && !twin.options.deaf) {
        return -ENOSPC;
    }
    return __real_rte_eth_dev_start(port);
}

bool nic_twin_interrupts(void)
{
    return twin.conf.intr_conf.rxq;
}

/* ---- Flows to queues ---- */

int __wrap_rte_eth_dev_rss_reta_update(uint16_t port, struct rte_eth_rss_reta_entry64 *groups,
                                       uint16_t entries)
{
    (void)port;
    if (twin.options.own_table || entries != twin.options.table_entries) {
        return -ENOTSUP;
    }
    for (uint16_t i = 0; i < entries; i++) {
        if (groups[i / 64].mask >> i % 64 & 1) {
            twin.table[i] = groups[i / 64].reta[i % 64];
        }
    }
    return 0;
}

int __wrap_rte_eth_dev_rss_reta_query(uint16_t port, struct rte_eth_rss_reta_entry64 *groups,
                                      uint16_t entries)
{
    (void)port;
    for (uint16_t i = 0; i < entries; i++) {
        if (groups[i / 64].mask >> i % 64 & 1) {
            groups[i / 64].reta[i % 64] = twin.table[i];
        }
    }
    return entries == twin.options.table_entries ? 0 : -EINVAL;
}

int __wrap_rte_eth_dev_rss_hash_conf_get(uint16_t port, struct rte_eth_rss_conf *conf)
{
    (void)port;
    memcpy(conf->rss_key, twin.key, sizeof(twin.key));
    conf->rss_key_len = sizeof(twin.key);
    return 0;
}

/* Bit by bit, as the definition says. */
static uint32_t hash_of(const uint8_t *input, uint32_t len)
{
    uint32_t hash = 0;
    for (uint32_t bit = 0; bit < len * 8; bit++) {
        if (input[bit / 8] >> (7 - bit % 8) & 1) {
            for (uint32_t i = 0; i < 32; i++) {
                const uint32_t at = bit + i;
                hash ^= (uint32_t)(twin.key[at / 8] >> (7 - at % 8) & 1) << (31 - i);
            }
        }
    }
    return hash;
}

void nic_twin_skew(void)
{
    twin.skew = 1;
}

void nic_twin_deal(uint32_t source, uint16_t port)
{
    uint8_t frame[60] = {0};
    uint8_t *ip = frame + ETHERNET_BYTES;
    memset(frame, 2, 12);
    store_be16(frame + 12, ETHERNET_IPV4);
    ip[0] = 0x45;
    ip[9] = IPV4_TCP;
    store_be16(ip + 2, 40);
    store_be32(ip + 12, source);
    store_be32(ip + 16, 0x0a000001);
    store_be16(ip + 20, port);
    store_be16(ip + 22, 9092);
    const uint32_t hash = hash_of(ip + 12, 12);
    const uint16_t entries = twin.options.table_entries;
    const uint16_t queue =
        entries == 0 ? 0 : (uint16_t)((twin.table[hash % entries] + twin.skew) % QUEUES);
    twin.hash = hash;
    cable_put((uint16_t)(1 - queue), frame, ETHERNET_BYTES, sizeof(frame));
    twin.hash = 0;
}

/* ---- VLANs ---- */

int __wrap_rte_eth_dev_vlan_filter(uint16_t port, uint16_t vlan, int on)
{
    (void)port;
    if (!twin.filters || twin.options.no_vlans) {
        return twin.filters ? -ENOSPC : -ENOSYS;
    }
    twin.vlan = on ? vlan : 0;
    return 0;
}

int __wrap_rte_eth_dev_get_vlan_offload(uint16_t port)
{
    (void)port;
    return (twin.filters ? RTE_ETH_VLAN_FILTER_OFFLOAD : 0) |
           ((nic_twin_in_used() & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) ? RTE_ETH_VLAN_STRIP_OFFLOAD : 0);
}

int __wrap_rte_eth_dev_set_vlan_offload(uint16_t port, int mask)
{
    const int strip = __wrap_rte_eth_dev_get_vlan_offload(port) & RTE_ETH_VLAN_STRIP_OFFLOAD;
    if ((mask & ~(RTE_ETH_VLAN_FILTER_OFFLOAD | RTE_ETH_VLAN_STRIP_OFFLOAD)) != 0 ||
        (mask & RTE_ETH_VLAN_STRIP_OFFLOAD) != strip) {
        wrong("more of the tags' treatment changes than the filter");
    }
    twin.filters = (mask & RTE_ETH_VLAN_FILTER_OFFLOAD) != 0;
    return 0;
}

bool nic_twin_filters(void)
{
    return twin.filters;
}

/* ---- Interrupts: a counter that has to be read, and one of each queue between two enablings ----
 */

static void counter_read(int fd, void *argument)
{
    uint64_t count;
    (void)argument;
    if (read(fd, &count, sizeof(count)) != sizeof(count)) {
        wrong("an interrupt that nobody raised");
    }
}

int __wrap_rte_eth_dev_rx_intr_ctl_q(uint16_t port, uint16_t queue, int epfd, int op, void *data)
{
    struct cable *cable = &twin.to[queue];
    (void)port;
    if (!twin.conf.intr_conf.rxq || twin.options.vectors < QUEUES) {
        return -ENOTSUP;
    }
    if (cable->interrupt == 0) {
        cable->interrupt = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    cable->event.epdata = (struct rte_epoll_data){
        .event = EPOLLIN | EPOLLPRI | EPOLLET, .data = data, .cb_fun = counter_read};
    return rte_epoll_ctl(epfd, op, cable->interrupt, &cable->event);
}

int __wrap_rte_eth_dev_rx_intr_enable(uint16_t port, uint16_t queue)
{
    (void)port;
    twin.to[queue].armed = true;
    return 0;
}

int __wrap_rte_eth_dev_rx_intr_disable(uint16_t port, uint16_t queue)
{
    (void)port;
    twin.to[queue].armed = false;
    return 0;
}

static void interrupt_raise(struct cable *cable)
{
    static const uint64_t one = 1;
    if (cable->armed && write(cable->interrupt, &one, sizeof(one)) == sizeof(one)) {
        cable->armed = false;
        twin.counters.interrupts++;
    }
}

uint64_t nic_twin_in_used(void)
{
    return twin.conf.rxmode.offloads;
}

uint64_t nic_twin_out_used(void)
{
    return twin.conf.txmode.offloads;
}

bool nic_twin_spreads(void)
{
    return twin.conf.rxmode.mq_mode == RTE_ETH_MQ_RX_RSS;
}

const char *nic_twin_wrong(void)
{
    return twin.wrong;
}

const struct nic_twin_counters *nic_twin_counters(void)
{
    return &twin.counters;
}

void nic_twin_damage(uint32_t nth)
{
    twin.damage_nth = nth;
}

void nic_twin_refuse(uint16_t segments)
{
    twin.refuse_above = segments;
}

/* ---- The cable ---- */

struct header {
    struct address source, target;
    uint32_t header_len;
    uint32_t payload_len; /* As the header says. */
    uint8_t protocol;
    bool v6;
};

/* False: there is none, or one with options. */
static bool header_of(const uint8_t *at, struct header *ip)
{
    ip->v6 = load_be16(at - 2) == ETHERNET_IPV6;
    ip->header_len = ip->v6 ? IPV6_BYTES : IPV4_BYTES;
    if (ip->v6) {
        memcpy(ip->source.bytes, at + 8, sizeof(ip->source.bytes));
        memcpy(ip->target.bytes, at + 24, sizeof(ip->target.bytes));
        ip->protocol = at[6];
        ip->payload_len = load_be16(at + 4);
        return at[0] >> 4 == 6;
    }
    ip->source = address_of_v4(load_be32(at + 12));
    ip->target = address_of_v4(load_be32(at + 16));
    ip->protocol = at[9];
    ip->payload_len = load_be16(at + 2) - (uint32_t)IPV4_BYTES;
    return load_be16(at - 2) == ETHERNET_IPV4 && at[0] == 0x45;
}

static uint64_t in_flags(const uint8_t *frame, uint32_t l2_len, uint32_t len)
{
    uint64_t flags = 0;
    struct header ip;
    const uint8_t *at = frame + l2_len;
    if (!header_of(at, &ip)) {
        return 0;
    }
    if ((nic_twin_in_used() & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) && !ip.v6) {
        flags |= checksum_finish(checksum_sum(at, IPV4_BYTES)) == 0 ? RTE_MBUF_F_RX_IP_CKSUM_GOOD
                                                                    : RTE_MBUF_F_RX_IP_CKSUM_BAD;
    }
    if ((nic_twin_in_used() & RTE_ETH_RX_OFFLOAD_TCP_CKSUM) && ip.protocol == IPV4_TCP) {
        const uint32_t sum =
            checksum_join(checksum_sum(at + ip.header_len, ip.payload_len),
                          checksum_pseudo(&ip.source, &ip.target, IPV4_TCP, ip.payload_len), 0);
        flags |= checksum_finish(sum) == 0 && l2_len + ip.header_len + ip.payload_len <= len
                     ? RTE_MBUF_F_RX_L4_CKSUM_GOOD
                     : RTE_MBUF_F_RX_L4_CKSUM_BAD;
    }
    return flags;
}

/* What the receiving end does with the frame's tag, 0: none. False: the frame is dropped. */
static bool tag_take(struct rte_mbuf *mbuf, uint16_t tag)
{
    if (tag == 0) {
        return true; /* Filters are about tags. */
    }
    twin.counters.tags_sent++;
    if (twin.filters && tag != twin.vlan) {
        twin.counters.filtered++;
        return false;
    }
    if (nic_twin_in_used() & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) {
        mbuf->vlan_tci = tag | 0x6000; /* Of some priority. */
        mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
        twin.counters.tags_taken++;
        return true;
    }
    uint8_t *start = (void *)rte_pktmbuf_prepend(mbuf, ETHERNET_TAG_BYTES);
    if (start == NULL) {
        return false;
    }
    memmove(start, start + ETHERNET_TAG_BYTES, 12);
    store_be16(start + 12, ETHERNET_VLAN);
    store_be16(start + 14, tag);
    return true;
}

/* The tag of a frame that has it in its bytes; it is cut out there. */
static uint16_t tag_of(uint8_t *frame, uint32_t *l2_len, uint32_t *len)
{
    if (*l2_len == ETHERNET_BYTES) {
        return twin.tag;
    }
    const uint16_t tag = load_be16(frame + 14);
    if (twin.tag != 0) {
        wrong("a tag is asked for and is there");
    }
    memmove(frame + 12, frame + 16, *len - 16);
    *l2_len -= ETHERNET_TAG_BYTES;
    *len -= ETHERNET_TAG_BYTES;
    return tag;
}

static void cable_put(uint16_t from, uint8_t *frame, uint32_t l2_len, uint32_t len)
{
    struct cable *cable = &twin.to[1 - from];
    char name[32];
    const uint16_t tag = tag_of(frame, &l2_len, &len);
    (void)snprintf(name, sizeof(name), "in-%u", 1u - from);
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rte_mempool_lookup(name));
    twin.counters.frames++;
    if (len > l2_len + twin.mtu) {
        wrong("a frame is longer than the MTU");
    }
    if (mbuf == NULL || cable->head - cable->tail == CABLE_FRAMES ||
        len > rte_pktmbuf_tailroom(mbuf)) {
        rte_pktmbuf_free(mbuf); /* Nobody received it in time. */
        return;
    }
    memcpy(rte_pktmbuf_append(mbuf, (uint16_t)len), frame, len);
    if (twin.damage_nth != 0 && len > 200 && twin.counters.frames % twin.damage_nth == 0) {
        rte_pktmbuf_mtod(mbuf, uint8_t *)[len - 1] ^= 0x40;
        twin.counters.damaged++;
    }
    mbuf->ol_flags = in_flags(rte_pktmbuf_mtod(mbuf, const uint8_t *), l2_len, len);
    if (twin.hash != 0 && (nic_twin_in_used() & RTE_ETH_RX_OFFLOAD_RSS_HASH)) {
        mbuf->hash.rss = twin.hash;
        mbuf->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
    }
    if (!tag_take(mbuf, tag)) {
        rte_pktmbuf_free(mbuf);
        return;
    }
    cable->frames[cable->head++ % CABLE_FRAMES] = mbuf;
    interrupt_raise(cable);
}

void nic_twin_arrive(uint16_t queue, uint16_t tag)
{
    uint8_t frame[60] = {0};
    memset(frame, 0xff, 6); /* To everybody, of a type that nobody knows. */
    store_be16(frame + 12, 0x88b5);
    twin.tag = tag;
    cable_put((uint16_t)(1 - queue), frame, ETHERNET_BYTES, sizeof(frame));
    twin.counters.frames--; /* None of the other queue's. */
    twin.tag = 0;
}

static uint16_t twin_receive(void *queue, struct rte_mbuf **mbufs, uint16_t count)
{
    struct cable *cable = queue;
    uint16_t done = 0;
    while (done < count && cable->tail != cable->head) {
        mbufs[done++] = cable->frames[cable->tail++ % CABLE_FRAMES];
    }
    return done;
}

/* ---- Sending ---- */

static void ip_sum(uint8_t *ip)
{
    memset(ip + 10, 0, 2);
    const uint16_t sum = checksum_finish(checksum_sum(ip, IPV4_BYTES));
    memcpy(ip + 10, &sum, sizeof(sum));
    twin.counters.ip_sums++;
}

/* The field holds the sum over the pseudo header, as a device finds it. */
static void tcp_sum(uint8_t *tcp, uint32_t len)
{
    const uint16_t sum = checksum_finish(checksum_sum(tcp, len));
    memcpy(tcp + 16, &sum, sizeof(sum));
    twin.counters.tcp_sums++;
}

static uint16_t pseudo(const struct header *ip, uint32_t len)
{
    return (uint16_t)~checksum_finish(checksum_pseudo(&ip->source, &ip->target, IPV4_TCP, len));
}

/* What a device needs to be told, and what it finds in the headers. */
static bool headers_good(const struct rte_mbuf *mbuf, const uint8_t *packet)
{
    const uint32_t headers = mbuf->l2_len + mbuf->l3_len + mbuf->l4_len;
    const uint8_t *at = packet + mbuf->l2_len;
    const uint8_t *tcp = at + mbuf->l3_len;
    const bool cut = (mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
    const bool sums = (mbuf->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM;
    const bool ip_sums = (mbuf->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0;
    const uint64_t versions = mbuf->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
    struct header ip;
    uint16_t field;
    if (!header_of(at, &ip) || mbuf->l3_len != ip.header_len ||
        versions != (ip.v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4)) {
        wrong("no such IP header where the lengths say");
    } else if (ip_sums && ip.v6) {
        wrong("IPv6 has no sum");
    } else if (cut && !(sums && (ip_sums || ip.v6) && mbuf->tso_segsz > 0)) {
        wrong("cutting is asked for without all that belongs to it");
    } else if ((cut || sums) && (ip.protocol != IPV4_TCP || mbuf->l4_len != (tcp[12] >> 4) * 4u ||
                                 mbuf->data_len < headers)) {
        wrong("no TCP header where the lengths say, in the first segment");
    } else {
        memcpy(&field, at + 10, sizeof(field));
        if (ip_sums && field != 0) {
            wrong("the sum of IP is not zero");
        }
        memcpy(&field, tcp + 16, sizeof(field));
        if ((cut || sums) &&
            field != pseudo(&ip, cut ? 0 : mbuf->pkt_len - mbuf->l2_len - mbuf->l3_len)) {
            wrong("the field does not hold the sum over the pseudo header");
        }
        if (ip.header_len + ip.payload_len != mbuf->pkt_len - mbuf->l2_len) {
            wrong("IP says another length");
        }
    }
    return twin.wrong == NULL;
}

/* Segments as a device makes them: numbers go on, FIN and PSH are the last one's, CWR the first's.
 */
static void packet_cut(uint16_t from, const struct rte_mbuf *mbuf, const uint8_t *packet)
{
    static uint8_t frame[PACKET_ROOM];
    const uint32_t headers = mbuf->l2_len + mbuf->l3_len + mbuf->l4_len;
    const uint32_t payload = mbuf->pkt_len - headers;
    uint8_t *ip = frame + mbuf->l2_len;
    uint8_t *tcp = ip + mbuf->l3_len;
    struct header version;
    (void)header_of(packet + mbuf->l2_len, &version);
    if (payload <= mbuf->tso_segsz) {
        wrong("cutting is asked for of what fits");
    }
    twin.counters.uncut++;
    for (uint32_t at = 0, i = 0; at < payload; i++) {
        const uint32_t len = min_u32(mbuf->tso_segsz, payload - at);
        memcpy(frame, packet, headers);
        memcpy(frame + headers, packet + headers + at, len);
        if (version.v6) {
            store_be16(ip + 4, (uint16_t)(mbuf->l4_len + len));
        } else {
            store_be16(ip + 2, (uint16_t)(IPV4_BYTES + mbuf->l4_len + len));
            store_be16(ip + 4, (uint16_t)(load_be16(ip + 4) + i));
        }
        store_be32(tcp + 4, load_be32(tcp + 4) + at);
        if (at + len < payload) {
            tcp[13] &= (uint8_t) ~(SEGMENT_FIN | SEGMENT_PSH);
        }
        if (at > 0) {
            tcp[13] &= (uint8_t)~SEGMENT_CWR;
        }
        const uint16_t sum = pseudo(&version, mbuf->l4_len + len);
        memcpy(tcp + 16, &sum, sizeof(sum));
        if (!version.v6) {
            ip_sum(ip);
        }
        tcp_sum(tcp, mbuf->l4_len + len);
        cable_put(from, frame, mbuf->l2_len, headers + len);
        at += len;
    }
}

static void packet_send(uint16_t from, struct rte_mbuf *mbuf)
{
    uint32_t len = 0;
    const bool cut = (mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
    const uint16_t segments_max = cut ? twin.options.segments_max : twin.options.mtu_segments_max;
    twin.counters.packets++;
    twin.counters.chained += mbuf->nb_segs > 1;
    if (segments_max != 0 && mbuf->nb_segs > segments_max) {
        wrong("a packet of more segments than the device takes");
    }
    for (const struct rte_mbuf *part = mbuf; part != NULL; part = part->next) {
        memcpy(twin.packet + len, rte_pktmbuf_mtod(part, const uint8_t *), part->data_len);
        len += part->data_len;
    }
    if (len != mbuf->pkt_len) {
        wrong("segments do not add up to the packet");
    }
    uint32_t l2_len = mbuf->l2_len != 0 ? mbuf->l2_len : ETHERNET_BYTES;
    twin.tag = 0;
    if (mbuf->ol_flags & RTE_MBUF_F_TX_VLAN) {
        twin.tag = mbuf->vlan_tci;
        twin.counters.tags_put++;
        if ((nic_twin_out_used() & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) == 0) {
            wrong("a tag is asked for, which the device does not offer");
        }
    }
    const uint64_t sums = RTE_MBUF_F_TX_OFFLOAD_MASK & ~RTE_MBUF_F_TX_VLAN;
    if ((mbuf->ol_flags & sums) != 0 && headers_good(mbuf, twin.packet)) {
        if (cut) {
            packet_cut(from, mbuf, twin.packet);
            return;
        }
        uint8_t *ip = twin.packet + mbuf->l2_len;
        if (mbuf->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) {
            ip_sum(ip);
        }
        if ((mbuf->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM) {
            tcp_sum(ip + mbuf->l3_len, len - mbuf->l2_len - mbuf->l3_len);
        }
    } else if (load_be16(twin.packet + 12) == ETHERNET_VLAN) {
        l2_len = ETHERNET_BYTES + ETHERNET_TAG_BYTES;
    }
    cable_put(from, twin.packet, l2_len, len);
}

static uint16_t twin_send(void *queue, struct rte_mbuf **mbufs, uint16_t count)
{
    struct cable *cable = queue;
    count = (uint16_t)min_u32(count, SENT_MAX);
    rte_pktmbuf_free_bulk(cable->sent, cable->sent_count);
    cable->sent_count = 0;
    for (uint16_t i = 0; i < count; i++) {
        packet_send(cable->queue, mbufs[i]);
        cable->sent[cable->sent_count++] = mbufs[i];
    }
    if (!twin.options.frees_late) {
        rte_pktmbuf_free_bulk(cable->sent, cable->sent_count);
        cable->sent_count = 0;
    }
    return count;
}

static uint16_t twin_prepare(void *queue, struct rte_mbuf **mbufs, uint16_t count)
{
    (void)queue;
    for (uint16_t i = 0; i < count; i++) {
        if (twin.refuse_above != 0 && mbufs[i]->nb_segs > twin.refuse_above) {
            rte_errno = EINVAL;
            return i;
        }
    }
    return count;
}

void nic_twin_attach(uint16_t port)
{
    static void *queues[QUEUES];
    struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[port];
    for (uint16_t i = 0; i < QUEUES; i++) {
        twin.to[i].queue = i;
        queues[i] = &twin.to[i];
    }
    (void)rte_eth_dev_get_mtu(port, &twin.mtu);
    ops->rxq.data = queues;
    ops->txq.data = queues;
    ops->rx_pkt_burst = twin_receive;
    ops->tx_pkt_burst = twin_send;
    ops->tx_pkt_prepare = twin_prepare;
}
