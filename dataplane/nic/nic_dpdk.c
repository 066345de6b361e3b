#include "dataplane/nic/nic_dpdk.h"

#include <errno.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "dataplane/net/ipv6.h"
#include "dataplane/net/net.h"
#include "dataplane/nic/descriptor.h"
#include "dataplane/nic/driver.h"
#include "storage/base/pool.h"

enum {
    RX_DESCRIPTORS = 1024,
    TX_DESCRIPTORS = 1024,
    FRAME_ROOM_BYTES = 2048 + RTE_PKTMBUF_HEADROOM,
    HEADERS = 2048, /* Packets on their way out, of a queue. */
    PARTS = 4096,   /* And their parts. */
    CACHE = 256,
    MORE_MAX = 8,             /* Pieces of a frame behind its first. */
    COPY_BYTES_MAX = 256,     /* Less is copied behind its headers: that costs less than a part. */
    REFUSALS_MAX = 64,        /* The port takes nothing so often: what waits is dropped. */
    BUFFER_COST_BYTES = 2560, /* Of a buffer, with what DPDK keeps beside it. */
    CACHES_COST_BYTES = 24 << 20 /* Of a queue's pools: a cache for each lcore there may be. */
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
    uint16_t number;
    uint16_t out_number; /* The port's queue that it sends by. */
    bool out_shared;     /* With other cores. */
    bool takes_parts;
    bool good_checksums; /* The device verifies. */
    bool asks;           /* Something of the device, about packets that leave. */
    bool partial;
    uint16_t flags_known; /* Of every frame that arrives. */
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
};

struct bytes_area {
    const uint8_t *base;
    uint64_t size;
};

static struct {
    uint16_t id;
    bool started;
    uint32_t queue_count;      /* Of cores. */
    uint32_t port_queue_count; /* The port's own: as many, or one. */
    uint16_t mtu;
    uint64_t in_offloads; /* Of DPDK's, in use. */
    uint64_t out_offloads;
    struct queue *queues[NIC_QUEUES_MAX];
    atomic_flag out_busy;                   /* A core sends by the one queue. */
    struct bytes_area lent[NIC_QUEUES_MAX]; /* What the device may read; none: everything. */
    uint32_t lent_count;
} port;

static struct queue *queue_of(struct nic *nic)
{
    return (struct queue *)(void *)nic;
}

/* ---- In ------------------------------------------------------------------------------------- */

static uint16_t flags_of(const struct rte_mbuf *mbuf)
{
    uint16_t flags = 0;
    switch (mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) {
    case RTE_MBUF_F_RX_IP_CKSUM_GOOD: flags |= PACKET_IP_GOOD; break;
    case RTE_MBUF_F_RX_IP_CKSUM_BAD: flags |= PACKET_IP_BAD; break;
    }
    switch (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
    case RTE_MBUF_F_RX_L4_CKSUM_GOOD: flags |= PACKET_L4_GOOD; break;
    case RTE_MBUF_F_RX_L4_CKSUM_BAD: flags |= PACKET_L4_BAD; break;
    }
    return flags;
}

static struct packet_piece piece_of(struct rte_mbuf *mbuf)
{
    return (struct packet_piece){{rte_pktmbuf_mtod(mbuf, const uint8_t *), mbuf->data_len}, mbuf};
}

/* Each segment becomes a buffer of its own. False: there are too many. */
static bool frame_take(struct queue *queue, struct rte_mbuf *mbuf, struct packet_in *packet,
                       struct packet_piece more[MORE_MAX])
{
    if (mbuf->nb_segs > MORE_MAX + 1) {
        rte_pktmbuf_free(mbuf);
        queue->nic.counters.in_dropped++;
        return false;
    }
    *packet = (struct packet_in){
        .first = piece_of(mbuf),
        .more = more,
        .flags = queue->good_checksums ? flags_of(mbuf) : queue->flags_known,
        .segments = 1,
    };
    if (queue->flags_known != 0 && mbuf->tso_segsz != 0) {
        packet->segments = (uint16_t)((mbuf->pkt_len + mbuf->tso_segsz - 1) / mbuf->tso_segsz);
    }
    if (queue->partial &&
        (ipv4_sum_is_partial(packet->first.bytes) || ipv6_sum_is_partial(packet->first.bytes))) {
        packet->flags |= PACKET_L4_GOOD;
    }
    queue->nic.counters.in_frames++;
    queue->nic.counters.in_bytes += mbuf->pkt_len;
    for (struct rte_mbuf *next = mbuf->next; next != NULL;) {
        struct rte_mbuf *after = next->next;
        more[packet->more_count++] = piece_of(next);
        next->next = NULL;
        next->nb_segs = 1;
        next = after;
    }
    mbuf->next = NULL;
    mbuf->nb_segs = 1;
    return true;
}

static uint32_t queue_receive(struct nic *nic, struct packet_in *packets, uint32_t count)
{
    struct queue *queue = queue_of(nic);
    struct rte_mbuf *mbufs[NIC_BURST_MAX];
    uint32_t done = 0;
    if (queue->buffers == NULL) {
        return 0; /* Another core hears the port. */
    }
    if (queue->trigger != NULL) {
        queue->trigger(queue->trigger_signal); /* See descriptor_quiet. */
    }
    const uint32_t got =
        rte_eth_rx_burst(port.id, queue->number, mbufs, (uint16_t)min_u32(count, NIC_BURST_MAX));
    for (uint32_t i = 0; i < got; i++) {
        done += frame_take(queue, mbufs[i], &packets[done], queue->more[done]);
    }
    return done;
}

static void queue_release(struct nic *nic, void *buffer)
{
    (void)nic;
    rte_pktmbuf_free_seg(buffer);
}

/* ---- Out ------------------------------------------------------------------------------------ */

/* Takes the first ones off the list; those behind move up. */
static void mbufs_drop(struct rte_mbuf **list, uint32_t *count, uint32_t dropped)
{
    *count -= dropped;
    for (uint32_t i = 0; dropped > 0 && i < *count; i++) {
        list[i] = list[i + dropped];
    }
}

/* Gives the port what it had no room for. What it refuses again and again is dropped: the link may
 * be down, and TCP sends anew. Of a queue with several cores one sends at a time; the others do not
 * wait but come again. */
static void waiting_send(struct queue *queue)
{
    if (queue->waiting_count == 0) {
        return;
    }
    if (queue->out_shared &&
        atomic_flag_test_and_set_explicit(&port.out_busy, memory_order_acquire)) {
        return;
    }
    const uint32_t sent = rte_eth_tx_burst(port.id, queue->out_number, queue->waiting,
                                           (uint16_t)queue->waiting_count);
    if (queue->out_shared) {
        atomic_flag_clear_explicit(&port.out_busy, memory_order_release);
    }
    queue->refusals = sent == 0 ? queue->refusals + 1 : 0;
    mbufs_drop(queue->waiting, &queue->waiting_count, sent);
    if (queue->refusals == REFUSALS_MAX) {
        rte_pktmbuf_free_bulk(queue->waiting, queue->waiting_count);
        queue->waiting_count = 0;
        queue->refusals = 0;
    }
    queue->nic.pending = queue->waiting_count > 0;
}

static void queue_reclaim(struct nic *nic)
{
    waiting_send(queue_of(nic)); /* What has left is freed by the driver, or with the next burst. */
}

static uint32_t queue_prepare(struct nic *nic, struct packet_out *packets, uint32_t count)
{
    struct queue *queue = queue_of(nic);
    count = min_u32(count, NIC_BURST_MAX);
    waiting_send(queue);
    if (queue->waiting_count > 0) {
        return 0;
    }
    const uint32_t missing = count > queue->spare_count ? count - queue->spare_count : 0;
    if (missing > 0 &&
        rte_pktmbuf_alloc_bulk(queue->headers, queue->spare + queue->spare_count, missing) == 0) {
        queue->spare_count += missing;
    }
    count = min_u32(count, queue->spare_count);
    for (uint32_t i = 0; i < count; i++) { /* From the end: none has to move up. */
        packets[i].header = rte_pktmbuf_mtod(queue->spare[queue->spare_count - 1 - i], uint8_t *);
    }
    return count;
}

static void slot_released(void *address, void *opaque)
{
    struct slot *slot = opaque;
    struct queue *queue = slot->queue;
    const struct packet_pin pin = slot->pin;
    (void)address;
    pool_give(&queue->slots, slot);
    queue->nic.released(queue->nic.released_context, &pin);
}

/* Chains the parts behind the header. False: there is no room for that now. */
static bool parts_chain(struct queue *queue, struct rte_mbuf *header,
                        const struct packet_out *packet)
{
    struct rte_mbuf *parts[PACKET_PARTS_MAX];
    struct slot *slot = pool_take(&queue->slots);
    if (slot == NULL) {
        return false;
    }
    if (rte_pktmbuf_alloc_bulk(queue->parts, parts, packet->part_count) != 0) {
        pool_give(&queue->slots, slot);
        return false;
    }
    *slot = (struct slot){.shared = {.free_cb = slot_released, .fcb_opaque = slot},
                          .queue = queue,
                          .pin = packet->pin};
    rte_mbuf_ext_refcnt_set(&slot->shared, (uint16_t)packet->part_count);
    struct rte_mbuf *last = header;
    for (uint32_t i = 0; i < packet->part_count; i++) {
        const struct bytes bytes = packet->parts[i];
        void *address = (void *)(uintptr_t)bytes.ptr; /* Only read. */
        rte_pktmbuf_attach_extbuf(parts[i], address, (rte_iova_t)(uintptr_t)address,
                                  (uint16_t)bytes.len, &slot->shared);
        parts[i]->data_off = 0;
        parts[i]->data_len = (uint16_t)bytes.len;
        last->next = parts[i];
        last = parts[i];
    }
    header->nb_segs = (uint16_t)(1 + packet->part_count);
    return true;
}

/* True when the device may read all of it where it lies. */
static bool parts_lendable(const struct packet_out *packet)
{
    uint32_t good = port.lent_count == 0 ? packet->part_count : 0;
    for (uint32_t i = 0; good < packet->part_count && i < port.lent_count; i++) {
        const struct bytes_area *area = &port.lent[i];
        for (uint32_t j = 0; j < packet->part_count; j++) {
            good += (uint64_t)(packet->parts[j].ptr - area->base) < area->size;
        }
    }
    return good == packet->part_count;
}

/* Copies them behind the headers, and where those end into further buffers. False: there are none,
 * or the port takes no packet in parts. */
static bool parts_copy(struct queue *queue, struct rte_mbuf *header,
                       const struct packet_out *packet)
{
    struct rte_mbuf *last = header;
    for (uint32_t i = 0; i < packet->part_count; i++) {
        struct bytes left = packet->parts[i];
        while (left.len > 0) {
            uint32_t len = min_u32(left.len, rte_pktmbuf_tailroom(last));
            if (len == 0) {
                last->next = queue->takes_parts ? rte_pktmbuf_alloc(queue->headers) : NULL;
                if (last->next == NULL) {
                    return false;
                }
                last = last->next;
                header->nb_segs++;
                len = min_u32(left.len, rte_pktmbuf_tailroom(last));
            }
            memcpy(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), left.ptr, len);
            last->data_len = (uint16_t)(last->data_len + len);
            left.ptr += len;
            left.len -= len;
        }
    }
    queue->nic.counters.out_copied_bytes += packet->payload_len;
    return true;
}

static void offloads_ask(struct rte_mbuf *mbuf, const struct packet_out *packet)
{
    mbuf->l2_len = packet->l2_len;
    mbuf->l3_len = packet->l3_len;
    mbuf->l4_len = packet->l4_len;
    mbuf->ol_flags |= packet->flags & PACKET_OUT_IPV6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
    if (packet->flags & PACKET_OUT_IP_CHECKSUM) {
        mbuf->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
    }
    if (packet->flags & PACKET_OUT_TCP_CHECKSUM) {
        mbuf->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
    }
    if (packet->flags & PACKET_OUT_TSO) {
        mbuf->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    }
}

/* False: there is no memory for it, and it is lost; TCP sends it anew. */
static bool packet_fill(struct queue *queue, struct rte_mbuf *mbuf, const struct packet_out *packet)
{
    mbuf->data_len = packet->header_len;
    mbuf->pkt_len = packet->header_len + packet->payload_len;
    if (packet->flags & PACKET_OUT_TSO) {
        mbuf->tso_segsz = packet->tso_bytes; /* Without a wire its other end reads it. */
    }
    if (packet->flags != 0 && queue->asks) {
        offloads_ask(mbuf, packet);
    }
    queue->nic.counters.out_frames++;
    queue->nic.counters.out_bytes += mbuf->pkt_len;
    if (packet->part_count > 0 && (!queue->takes_parts || packet->payload_len <= COPY_BYTES_MAX ||
                                   !parts_lendable(packet) || !parts_chain(queue, mbuf, packet))) {
        const bool copied = parts_copy(queue, mbuf, packet);
        if (packet->pin.kind != PACKET_PIN_NONE) {
            queue->nic.released(queue->nic.released_context, &packet->pin);
        }
        return copied;
    }
    return true;
}

/* The driver looks at each packet and makes it ready. One that the device cannot send, it would
 * refuse for ever, and with it what waits behind. */
static void packets_ready(struct queue *queue)
{
    uint32_t ready = 0;
    while (ready < queue->waiting_count) {
        ready += rte_eth_tx_prepare(port.id, queue->out_number, queue->waiting + ready,
                                    (uint16_t)(queue->waiting_count - ready));
        if (ready < queue->waiting_count) {
            uint32_t left = queue->waiting_count - ready;
            rte_pktmbuf_free(queue->waiting[ready]);
            mbufs_drop(queue->waiting + ready, &left, 1);
            queue->waiting_count--;
            queue->nic.counters.out_refused++;
        }
    }
}

static void queue_send(struct nic *nic, const struct packet_out *packets, uint32_t count,
                       uint32_t prepared)
{
    struct queue *queue = queue_of(nic);
    ASSERT_HOT(count <= prepared && prepared <= queue->spare_count && queue->waiting_count == 0);
    (void)prepared;
    if (count == 0) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct rte_mbuf *mbuf = queue->spare[--queue->spare_count];
        if (packet_fill(queue, mbuf, &packets[i])) {
            queue->waiting[queue->waiting_count++] = mbuf;
        } else {
            rte_pktmbuf_free(mbuf);
            nic->counters.out_full++;
        }
    }
    nic->pending = true; /* Until it has left. */
    if (queue->asks) {
        packets_ready(queue);
    }
    waiting_send(queue);
    nic->counters.out_full += queue->waiting_count > 0;
}

static const struct nic_ops queue_ops = {
    .receive = queue_receive,
    .release = queue_release,
    .prepare = queue_prepare,
    .send = queue_send,
    .reclaim = queue_reclaim,
};

/* ---- Start ---------------------------------------------------------------------------------- */

/* Buffers of each queue of the port: those that the cores may hold, which lie with one queue where
 * there is but one, and those that cores keep to themselves when they give foreign ones back. */
static uint32_t buffers_of(const struct nic_dpdk_setup *setup, uint32_t port_queue_count)
{
    return setup->buffer_count * setup->queue_count / port_queue_count + RX_DESCRIPTORS +
           setup->queue_count * (CACHE + CACHE / 2);
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
        (uint64_t)(buffers_of(setup, setup->queue_count) + HEADERS) * buffer_bytes +
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
        rte_pktmbuf_pool_create(name, count, CACHE, 0, room, rte_eth_dev_socket_id(port.id));
    return pool != NULL ? pool /* Else its node has no memory left. */
                        : rte_pktmbuf_pool_create(name, count, CACHE, 0, room, (int)SOCKET_ID_ANY);
}

/* Zeroed, near the device where there is room. */
static void *near_memory(const char *kind, size_t size)
{
    void *memory = rte_zmalloc_socket(kind, size, 64, rte_eth_dev_socket_id(port.id));
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
    queue->nic.ops = &queue_ops;
    queue->number = (uint16_t)number;
    queue->out_shared = port.port_queue_count < setup->queue_count;
    queue->out_number = queue->out_shared ? 0 : (uint16_t)number;
    pool_init(&queue->slots, slots, sizeof(struct slot), HEADERS);
    queue->headers = mempool_make("out", number, HEADERS, room_of(setup));
    queue->parts = mempool_make("part", number, PARTS, 0);
    if (queue->headers == NULL || queue->parts == NULL) {
        return NULL;
    }
    if (number < port.port_queue_count) {
        queue->buffers =
            mempool_make("in", number, buffers_of(setup, port.port_queue_count), room_of(setup));
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

/* A queue for each core, or one for all; and how the device deals frames out. Where it does so by
 * itself (a tap by the flow that was sent to last) nothing is asked of it. */
static void queues_choose(const struct nic_dpdk_setup *setup, const struct rte_eth_dev_info *info,
                          const struct driver_trait *trait, struct rte_eth_conf *conf)
{
    const bool enough =
        info->max_rx_queues >= setup->queue_count && info->max_tx_queues >= setup->queue_count;
    port.queue_count = setup->queue_count;
    port.port_queue_count = enough && !trait->one_queue ? setup->queue_count : 1;
    atomic_flag_clear(&port.out_busy);
    if (port.port_queue_count > 1 && !trait->software) {
        conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf->rx_adv_conf.rss_conf.rss_hf =
            info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP);
    }
}

static void queue_describe(struct queue *queue, const struct rte_eth_dev_info *info,
                           const struct rte_eth_conf *conf, uint16_t offloads)
{
    struct rte_ether_addr mac;
    struct nic_capabilities *to = &queue->nic.capabilities;
    const bool tap = strcmp(info->driver_name, "net_tap") == 0;
    const struct driver_trait *trait = driver_trait_of(info->driver_name);
    queue->partial = trait->partial;
    (void)rte_eth_macaddr_get(port.id, &mac);
    memcpy(to->mac.bytes, mac.addr_bytes, sizeof(to->mac.bytes));
    if (tap) {
        to->mac.bytes[1] ^= 0x10; /* The driver's is the kernel's end; we are the other. */
    }
    to->mtu = port.mtu;
    queue->takes_parts = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
    to->offloads = offloads;
    to->uncut_max = uncut_max(info);
    queue->asks = offloads != 0;
    if (trait->no_wire) {
        to->offloads = NET_OFFLOAD_IP_CHECKSUM | NET_OFFLOAD_TCP_CHECKSUM;
        to->offloads |= queue->takes_parts ? (uint16_t)NET_OFFLOAD_TSO : 0; /* Uncut. */
        queue->flags_known = PACKET_IP_GOOD | PACKET_L4_GOOD;
    }
    queue->good_checksums = conf->rxmode.offloads != 0;
    to->parts_max = PACKET_PARTS_MAX;
    if (info->tx_desc_lim.nb_mtu_seg_max > 1 && queue->takes_parts) {
        to->parts_max = min_u32(to->parts_max, info->tx_desc_lim.nb_mtu_seg_max - 1u);
    }
    to->silent = queue->buffers == NULL;
    to->wake_fd = -1;
    if (to->silent) {
        return;
    }
    if (conf->intr_conf.rxq) {
        to->wake_fd = rte_eth_dev_rx_intr_ctl_q_get_fd(port.id, queue->number);
    } else if (trait->family != 0) {
        to->wake_fd = descriptor_of_family(trait->family, queue->number, port.port_queue_count);
    }
    if (tap && to->wake_fd >= 0) {
        descriptor_quiet(to->wake_fd, &queue->trigger, &queue->trigger_signal);
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
    port.mtu = RTE_ETHER_MTU;
    (void)rte_eth_dev_get_mtu(port.id, &port.mtu);
    port.mtu = (uint16_t)min_u32(port.mtu, RTE_ETHER_MTU);
    if (setup->mtu == 0 || setup->mtu == RTE_ETHER_MTU) {
        return true;
    }
    port.mtu = setup->mtu;
    int error = trait->software ? 0 : rte_eth_dev_set_mtu(port.id, port.mtu);
    if (setup->mtu > RTE_ETHER_MTU && trait->short_frames) {
        error = EINVAL;
    }
    return error == 0 || fail(reason, reason_bytes, "it does not take network.mtu", error);
}

static int queue_start(uint16_t number, uint16_t in, uint16_t out, int node)
{
    const int error = rte_eth_rx_queue_setup(port.id, number, in, (unsigned)node, NULL,
                                             port.queues[number]->buffers);
    return error != 0 ? error : rte_eth_tx_queue_setup(port.id, number, out, (unsigned)node, NULL);
}

static bool queues_start(const struct nic_dpdk_setup *setup, char *reason, size_t reason_bytes)
{
    uint16_t in = RX_DESCRIPTORS;
    uint16_t out = TX_DESCRIPTORS;
    int error = rte_eth_dev_adjust_nb_rx_tx_desc(port.id, &in, &out);
    for (uint32_t i = 0; i < setup->queue_count && error == 0; i++) {
        port.queues[i] = queue_make(setup, i);
        if (port.queues[i] == NULL) {
            return fail(reason, reason_bytes, "memory for its packets", ENOMEM);
        }
        if (i >= port.port_queue_count) {
            continue;
        }
        error = queue_start((uint16_t)i, in, out, rte_eth_dev_socket_id(port.id));
        if (error == -ENOMEM) { /* That node's memory is used up. */
            error = queue_start((uint16_t)i, in, out, (int)SOCKET_ID_ANY);
        }
    }
    if (error != 0) {
        return fail(reason, reason_bytes, "its queues", error);
    }
    error = rte_eth_dev_start(port.id);
    return error == 0 || fail(reason, reason_bytes, "starting", error);
}

/* Drivers that cannot choose take all; virtual ones that do neither never drop any. */
static bool groups_hear(const struct nic_dpdk_setup *setup, bool software)
{
    void *groups = (void *)(uintptr_t)setup->groups; /* Only read. */
    const bool all =
        setup->all_groups || rte_eth_dev_set_mc_addr_list(port.id, groups, setup->group_count) != 0;
    return setup->group_count == 0 || !all || rte_eth_allmulticast_enable(port.id) == 0 || software;
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
    port.id = (uint16_t)rte_eth_find_next(0);
    int error = rte_eth_dev_info_get(port.id, &info);
    if (error != 0) {
        return fail(reason, reason_bytes, "it says nothing of itself", error);
    }
    const struct driver_trait *trait = driver_trait_of(info.driver_name);
    struct rte_eth_conf conf = {.intr_conf = {.rxq = strcmp(info.driver_name, "net_tap") == 0}};
    const uint16_t offloads = offloads_choose(&info, trait, &conf);
    queues_choose(setup, &info, trait, &conf);
    error = rte_eth_dev_configure(port.id, (uint16_t)port.port_queue_count,
                                  (uint16_t)port.port_queue_count, &conf);
    if (error != 0) {
        return fail(reason, reason_bytes, "its configuration", error);
    }
    if (!mtu_choose(setup, trait, reason, reason_bytes) ||
        !queues_start(setup, reason, reason_bytes)) {
        return false;
    }
    if (!groups_hear(setup, trait->software)) {
        return fail(reason, reason_bytes, "the groups that IPv6 needs", ENOTSUP);
    }
    port.started = true;
    port.in_offloads = conf.rxmode.offloads;
    port.out_offloads = conf.txmode.offloads;
    (void)snprintf(told->driver, sizeof(told->driver), "%s", info.driver_name);
    told->interface_index = info.if_index;
    if (info.if_index != 0 && if_indextoname(info.if_index, told->interface) == NULL) {
        told->interface[0] = '\0';
    }
    for (uint32_t i = 0; i < setup->queue_count; i++) {
        queue_describe(port.queues[i], &info, &conf, offloads);
        told->queues[i] = &port.queues[i]->nic;
    }
    told->port_queue_count = port.port_queue_count;
    told->takes_parts = port.queues[0]->takes_parts;
    told->wakes = port.queues[0]->nic.capabilities.wake_fd >= 0;
    return true;
}

bool nic_dpdk_lend(const void *base, uint64_t size, char *reason, size_t reason_bytes)
{
    struct rte_eth_dev_info info;
    void *address = (void *)(uintptr_t)base;
    if (rte_eth_dev_info_get(port.id, &info) != 0 || driver_trait_of(info.driver_name)->software) {
        return true;
    }
    ASSERT(port.lent_count < NIC_QUEUES_MAX);
    if (rte_dev_dma_map(info.device, address, (uint64_t)(uintptr_t)base, size) != 0 &&
        rte_errno != ENOTSUP) { /* A bus that needs none of it. */
        (void)snprintf(reason, reason_bytes, "the device does not take the arena: %s",
                       rte_strerror(rte_errno));
        return false;
    }
    port.lent[port.lent_count++] = (struct bytes_area){base, size};
    return true;
}

/* ---- Telling -------------------------------------------------------------------------------- */

static void device_tell(struct nic_dpdk_report *report, const struct rte_eth_dev_info *info)
{
    struct rte_eth_rxq_info in = {0};
    struct rte_eth_txq_info out = {0};
    (void)rte_eth_dev_get_name_by_port(port.id, report->device);
    (void)snprintf(report->driver, sizeof(report->driver), "%s", info->driver_name);
    if (info->if_index == 0 || if_indextoname(info->if_index, report->interface) == NULL) {
        report->interface[0] = '\0';
    }
    report->queues = info->nb_rx_queues;
    report->queues_max = (uint16_t)min_u32(info->max_rx_queues, info->max_tx_queues);
    report->numa_node = rte_eth_dev_socket_id(port.id);
    report->in_offered = info->rx_offload_capa;
    report->out_offered = info->tx_offload_capa;
    report->in_used = port.in_offloads;
    report->out_used = port.out_offloads;
    if (rte_eth_rx_queue_info_get(port.id, 0, &in) == 0) {
        report->in_descriptors = in.nb_desc;
    }
    if (rte_eth_tx_queue_info_get(port.id, 0, &out) == 0) {
        report->out_descriptors = out.nb_desc;
    }
}

/* Counts of the pools of mempools are read from any thread: a moment's, and with caches apart. */
static void buffers_tell(struct nic_dpdk_report *report)
{
    for (uint32_t i = 0; i < NIC_QUEUES_MAX && port.queues[i] != NULL; i++) {
        const struct queue *queue = port.queues[i];
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
    if (!port.started || rte_eth_dev_info_get(port.id, &info) != 0) {
        return false;
    }
    device_tell(report, &info);
    report->mtu = port.mtu;
    if (rte_eth_link_get_nowait(port.id, &link) == 0) {
        report->link_up = link.link_status == RTE_ETH_LINK_UP;
        report->full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
        report->link_mbps =
            link.link_speed == (uint32_t)RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
    }
    if (rte_eth_stats_get(port.id, &stats) == 0) {
        report->in_frames = stats.ipackets;
        report->in_bytes = stats.ibytes;
        report->out_frames = stats.opackets;
        report->out_bytes = stats.obytes;
        report->missed = stats.imissed;
        report->in_errors = stats.ierrors;
        report->out_errors = stats.oerrors;
        report->no_buffer = stats.rx_nombuf;
    }
    buffers_tell(report);
    return true;
}

const char *nic_dpdk_offload(bool in, uint64_t bit)
{
    return in ? rte_eth_dev_rx_offload_name(bit) : rte_eth_dev_tx_offload_name(bit);
}

void nic_dpdk_stop(void)
{
    if (port.started) {
        port.started = false;
        (void)rte_eth_dev_stop(port.id);
        (void)rte_eth_dev_close(port.id);
    }
}
