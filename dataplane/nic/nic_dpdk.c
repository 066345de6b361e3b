#include "dataplane/nic/nic_dpdk_port.h"

#include "dataplane/net/ipv6.h"

enum {
    COPY_BYTES_MAX = 256, /* Less is copied behind its headers: that costs less than a part. */
    REFUSALS_MAX = 64,    /* The port takes nothing so often: what waits is dropped. */
};

struct port nic_port;

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
static NOINLINE bool pieces_take(struct queue *queue, struct rte_mbuf *mbuf,
                                 struct packet_in *packet, struct packet_piece more[MORE_MAX])
{
    if (mbuf->nb_segs > MORE_MAX + 1) {
        rte_pktmbuf_free(mbuf);
        queue->nic.counters.in_dropped++;
        return false;
    }
    packet->more = more;
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

/* What was cut for a wire and lies uncut here: segments that it would have been. */
static NOINLINE uint16_t segments_of(const struct rte_mbuf *mbuf)
{
    return (uint16_t)((mbuf->pkt_len + mbuf->tso_segsz - 1) / mbuf->tso_segsz);
}

static NOINLINE uint16_t flags_partial(struct bytes frame)
{
    return ipv4_sum_is_partial(frame) || ipv6_sum_is_partial(frame) ? PACKET_L4_GOOD : 0;
}

/* Of one frame, where not all are alike. */
static inline uint16_t flags_found(const struct queue *queue, struct rte_mbuf *mbuf)
{
    const uint16_t flags = queue->good_checksums ? flags_of(mbuf) : queue->flags_known;
    return queue->partial ? (uint16_t)(flags | flags_partial(piece_of(mbuf).bytes)) : flags;
}

/* Fills packets from those that arrived; an entry of the list that is NULL was dropped. Returns how
 * many. */
static NOINLINE uint32_t frames_take(struct queue *queue, struct rte_mbuf *const *mbufs,
                                     uint32_t count, struct packet_in *packets)
{
    const struct packet_in alike = {.flags = queue->flags_known, .segments = 1};
    const bool looks = queue->good_checksums || queue->partial;
    const bool wire = queue->flags_known == 0; /* Over which everything was cut. */
    uint64_t bytes = 0;
    uint32_t done = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct rte_mbuf *mbuf = mbufs[i];
        struct packet_in *packet = &packets[done];
        if (UNLIKELY(mbuf == NULL)) {
            continue;
        }
        *packet = alike;
        packet->first = piece_of(mbuf);
        if (UNLIKELY(mbuf->tso_segsz != 0) && !wire) {
            packet->segments = segments_of(mbuf);
        }
        if (looks) {
            packet->flags = flags_found(queue, mbuf);
        }
        const uint32_t len = mbuf->pkt_len;
        if (UNLIKELY(mbuf->nb_segs > 1) && !pieces_take(queue, mbuf, packet, queue->more[done])) {
            continue;
        }
        bytes += len;
        done++;
    }
    queue->nic.counters.in_frames += done;
    queue->nic.counters.in_bytes += bytes;
    return done;
}

/* Buffers that came back return to their pool. */
static NOINLINE void given_put(struct queue *queue)
{
    rte_mempool_put_bulk(queue->given_pool, (void *const *)queue->given, queue->given_count);
    queue->given_count = 0;
}

HOT_INLINE void given_return(struct queue *queue)
{
    if (queue->given_count > 0) {
        given_put(queue);
    }
}

static uint32_t queue_receive(struct nic *nic, struct packet_in *packets, uint32_t count)
{
    struct queue *queue = queue_of(nic);
    struct rte_mbuf *mbufs[NIC_BURST_MAX];
    given_return(queue); /* The port may be short of them. */
    if (queue->buffers == NULL) {
        return 0; /* Another core hears the port. */
    }
    if (queue->trigger != NULL) {
        queue->trigger(queue->trigger_signal); /* See descriptor_quiet. */
    }
    const uint32_t got = rte_eth_rx_burst(nic_port.id, queue->number, mbufs,
                                          (uint16_t)min_u32(count, NIC_BURST_MAX));
    return got == 0 ? 0 : frames_take(queue, mbufs, got, packets);
}

static bool of_other_vlan(const struct nic *nic, const struct rte_mbuf *mbuf)
{
    enum { VLAN_MASK = 0xfff };
    const uint16_t vlan = nic->capabilities.vlan;
    return vlan != 0 && ((mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) == 0 ||
                         (mbuf->vlan_tci & VLAN_MASK) != vlan);
}

/* Where the device takes tags off, what it let through of other VLANs, and what had no tag, would
 * look like ours. And the first flows are compared with how they were to be dealt out. */
static uint32_t queue_receive_looking(struct nic *nic, struct packet_in *packets, uint32_t count)
{
    struct queue *queue = queue_of(nic);
    struct rte_mbuf *mbufs[NIC_BURST_MAX];
    given_return(queue);
    const uint32_t got = queue->buffers == NULL
                             ? 0
                             : rte_eth_rx_burst(nic_port.id, queue->number, mbufs,
                                                (uint16_t)min_u32(count, NIC_BURST_MAX));
    for (uint32_t i = 0; i < got; i++) {
        if (of_other_vlan(nic, mbufs[i])) {
            rte_pktmbuf_free(mbufs[i]);
            mbufs[i] = NULL;
            nic->counters.in_other_vlan++;
        } else if (queue->hash_checks > 0) {
            nic_dpdk_deal_check(queue, mbufs[i]);
        }
    }
    const uint32_t done = frames_take(queue, mbufs, got, packets);
    if (queue->hash_checks == 0 && nic->capabilities.vlan == 0) {
        queue->ops.receive = queue_receive;
    }
    return done;
}

/* A view of something, or one that others have too. */
static NOINLINE void buffer_free(struct rte_mbuf *mbuf)
{
    rte_pktmbuf_free_seg(mbuf);
}

/* Nearly always all are of one pool: this queue's, or over a ring without a wire the sender's. */
static NOINLINE void given_begin(struct queue *queue, struct rte_mempool *pool)
{
    given_return(queue);
    queue->given_pool = pool;
}

static void queue_release(struct nic *nic, void *buffer)
{
    struct queue *queue = queue_of(nic);
    struct rte_mbuf *mbuf = buffer;
    if (UNLIKELY(!RTE_MBUF_DIRECT(mbuf) || rte_mbuf_refcnt_read(mbuf) != 1 || mbuf->next != NULL)) {
        buffer_free(mbuf);
        return;
    }
    if (UNLIKELY(mbuf->pool != queue->given_pool || queue->given_count == NIC_BURST_MAX)) {
        given_begin(queue, mbuf->pool);
    }
    queue->given[queue->given_count++] = mbuf;
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
    atomic_flag *busy = &nic_port.out_busy[queue->out_number];
    if (queue->out_shared && atomic_flag_test_and_set_explicit(busy, memory_order_acquire)) {
        return;
    }
    const uint32_t sent = rte_eth_tx_burst(nic_port.id, queue->out_number, queue->waiting,
                                           (uint16_t)queue->waiting_count);
    if (queue->out_shared) {
        atomic_flag_clear_explicit(busy, memory_order_release);
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
    uint32_t good = nic_port.lent_count == 0 ? packet->part_count : 0;
    for (uint32_t i = 0; good < packet->part_count && i < nic_port.lent_count; i++) {
        const struct bytes_area *area = &nic_port.lent[i];
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

static void offloads_ask(const struct queue *queue, struct rte_mbuf *mbuf,
                         const struct packet_out *packet)
{
    if (queue->nic.capabilities.vlan != 0) {
        mbuf->vlan_tci = queue->nic.capabilities.vlan;
        mbuf->ol_flags |= RTE_MBUF_F_TX_VLAN;
    }
    if (packet->flags == 0) {
        return;
    }
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
    if (queue->asks) {
        offloads_ask(queue, mbuf, packet);
    }
    queue->nic.counters.out_frames++;
    queue->nic.counters.out_bytes += mbuf->pkt_len;
    if (packet->part_count > 0 && (!queue->lends || packet->payload_len <= COPY_BYTES_MAX ||
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
        ready += rte_eth_tx_prepare(nic_port.id, queue->out_number, queue->waiting + ready,
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

/* ---- Waking --------------------------------------------------------------------------------- */

static bool queue_arm(struct nic *nic)
{
    return rte_eth_dev_rx_intr_enable(nic_port.id, queue_of(nic)->number) == 0;
}

/* DPDK reads what drivers have it read: the counter of an interrupt, or nothing. */
static void queue_disarm(struct nic *nic)
{
    struct rte_epoll_event event;
    (void)rte_epoll_wait(nic->capabilities.wake_fd, &event, 1, 0);
    (void)rte_eth_dev_rx_intr_disable(nic_port.id, queue_of(nic)->number);
}

void nic_dpdk_ops_set(struct queue *queue, bool interrupts)
{
    const bool looks = queue->nic.capabilities.vlan != 0 || queue->hash_checks > 0;
    queue->ops = (struct nic_ops){
        .receive = looks ? queue_receive_looking : queue_receive,
        .release = queue_release,
        .prepare = queue_prepare,
        .send = queue_send,
        .reclaim = queue_reclaim,
        .arm = interrupts ? queue_arm : NULL,
        .disarm = interrupts ? queue_disarm : NULL,
    };
    queue->nic.ops = &queue->ops;
}
