#include "tests/sim/sim_wire.h"

#include <stdlib.h>

#include "storage/base/list.h"
#include "storage/base/random.h"

enum {
    POISON = 0xdb,
    ETHERTYPE_IPV4 = 0x0800,
    LATE_NS = 3 * 1000 * 1000,
};

struct frame {
    struct list_node node; /* Of the port's arrivals, in the order they arrive; then of its held. */
    struct port *port;
    uint64_t at_ns;
    uint32_t len;
    uint8_t bytes[];
};

/* Something sent, and what it was when it was. */
struct lent {
    struct list_node node;
    struct packet_pin pin;
    uint64_t back_ns;
    uint64_t hash;
    uint32_t part_count;
    struct bytes parts[PACKET_PARTS_MAX];
};

struct port {
    struct nic nic;        /* First: the user's view. */
    struct list_node node; /* Of the wire. */
    struct sim_wire *wire;
    struct list arrivals;
    struct list held;
    uint32_t held_count;
    uint32_t buffer_count;
    uint32_t queue; /* Among those of its hardware address. */
    struct list lent;
    bool (*alive)(const void *context);
    const void *context;
    uint8_t headers[NIC_BURST_MAX][PACKET_HEADER_BYTES];
    uint32_t burst; /* Frames still lost of this burst. */
};

struct sim_wire {
    struct sim_wire_options options;
    struct random random;
    uint64_t now_ns;
    bool healed;
    uint64_t lost;
    bool several; /* A port has more than one queue. */
    uint64_t map; /* Which queue gets which flows. */
    struct list ports;
};

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    ASSERT(memory != NULL);
    return memory;
}

static struct port *port_of(struct nic *nic)
{
    return (struct port *)(void *)nic;
}

static bool chance(struct sim_wire *wire, uint32_t in)
{
    return in != 0 && !wire->healed && random_one_in(&wire->random, in);
}

/* ---- The wire ------------------------------------------------------------------------------- */

struct sim_wire_options sim_wire_options_by_seed(uint64_t seed)
{
    static const uint32_t rates[] = {0, 0, 200, 100, 50, 20};
    struct random random;
    random_init(&random, seed ^ 0x77697265);
    struct sim_wire_options options = {
        .seed = seed,
        .mtu = random_one_in(&random, 4) ? 576 : 1500,
        .delay_ns = 1000 + random_below(&random, 200 * 1000),
        .loss_in = rates[random_below(&random, ARRAY_SIZE(rates))],
        .burst_max = random_one_in(&random, 2) ? 1 : 4,
        .duplicate_in = 2 * rates[random_below(&random, ARRAY_SIZE(rates))],
        .reorder_in = rates[random_below(&random, ARRAY_SIZE(rates))],
        .damage_in = 4 * rates[random_below(&random, ARRAY_SIZE(rates))],
        .late = random_one_in(&random, 2),
        .remap_in = 500,
    };
    options.jitter_ns = random_one_in(&random, 2) ? 0 : random_below(&random, options.delay_ns);
    return options;
}

struct sim_wire *sim_wire_create(const struct sim_wire_options *options)
{
    struct sim_wire *wire = allocate(sizeof(*wire));
    wire->options = *options;
    wire->options.mtu = options->mtu == 0 ? 1500 : options->mtu;
    random_init(&wire->random, options->seed);
    list_init(&wire->ports);
    return wire;
}

void sim_wire_destroy(struct sim_wire *wire)
{
    ASSERT(list_empty(&wire->ports));
    free(wire);
}

void sim_wire_set_now(struct sim_wire *wire, uint64_t now_ns)
{
    wire->now_ns = now_ns;
}

void sim_wire_heal(struct sim_wire *wire)
{
    wire->healed = true;
}

uint64_t sim_wire_lost(const struct sim_wire *wire)
{
    return wire->lost;
}

static const struct frame *first_frame(const struct port *port)
{
    struct list_node *node = list_first(&port->arrivals);
    return node == NULL ? NULL : CONTAINER_OF(node, struct frame, node);
}

uint64_t sim_wire_next_ns(const struct sim_wire *wire)
{
    uint64_t next_ns = UINT64_MAX;
    LIST_FOR_EACH(node, &wire->ports)
    {
        const struct port *port = CONTAINER_OF(node, struct port, node);
        const struct frame *frame = first_frame(port);
        if (frame != NULL && port->held_count < port->buffer_count) {
            next_ns = min_u64(next_ns, frame->at_ns);
        }
        LIST_FOR_EACH(lent_node, &port->lent)
        {
            next_ns = min_u64(next_ns, CONTAINER_OF(lent_node, struct lent, node)->back_ns);
        }
    }
    return next_ns;
}

static void frame_put(struct port *to, const uint8_t *bytes, uint32_t len, uint64_t at_ns)
{
    struct sim_wire *wire = to->wire;
    struct frame *frame = allocate(sizeof(*frame) + len);
    frame->port = to;
    frame->at_ns = at_ns;
    frame->len = len;
    memcpy(frame->bytes, bytes, len);
    if (load_be16(bytes + 12) == ETHERTYPE_IPV4 && chance(wire, wire->options.damage_in)) {
        frame->bytes[14 + random_below(&wire->random, len - 14)] ^=
            (uint8_t)(1 + random_below(&wire->random, 255)); /* ARP has no sum. */
    }
    struct list_node *at = &to->arrivals.head;
    while (at->prev != &to->arrivals.head &&
           CONTAINER_OF(at->prev, struct frame, node)->at_ns > at_ns) {
        at = at->prev;
    }
    list_insert_before(at, &frame->node);
}

static void wire_carry(struct port *from, struct port *to, const uint8_t *bytes, uint32_t len)
{
    struct sim_wire *wire = from->wire;
    const struct sim_wire_options *options = &wire->options;
    uint64_t at_ns = wire->now_ns + options->delay_ns;
    at_ns += options->jitter_ns == 0 ? 0 : random_below(&wire->random, options->jitter_ns);
    if (chance(wire, options->reorder_in)) {
        at_ns += random_below(&wire->random, 4 * options->delay_ns + 1);
    }
    frame_put(to, bytes, len, at_ns);
    if (chance(wire, options->duplicate_in)) {
        frame_put(to, bytes, len, at_ns + random_below(&wire->random, options->delay_ns + 1));
    }
}

/* How many queues of a hardware address hear the wire. */
static uint32_t queue_count(const struct sim_wire *wire, const struct mac *mac)
{
    uint32_t count = 0;
    LIST_FOR_EACH(node, &wire->ports)
    {
        const struct port *port = CONTAINER_OF(node, struct port, node);
        count += mac_equal(&port->nic.capabilities.mac, mac) && !port->nic.capabilities.silent;
    }
    return count;
}

static uint64_t bytes_hash(uint64_t hash, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * 1099511628211u;
    }
    return hash;
}

/* Whether a frame comes to this queue of its port. */
static bool queue_hears(struct port *port, const uint8_t *bytes, uint32_t len)
{
    enum { ADDRESSES_AT = 26, PROTOCOL_AT = 23, FLOW_END = 38, TCP = 6 };
    struct sim_wire *wire = port->wire;
    const uint32_t count = queue_count(wire, &port->nic.capabilities.mac);
    uint32_t queue = 0;
    if (count > 1 && len >= FLOW_END && load_be16(bytes + 12) == ETHERTYPE_IPV4 &&
        bytes[PROTOCOL_AT] == TCP) {
        const uint64_t hash = bytes_hash(14695981039346656037u ^ wire->map, bytes + ADDRESSES_AT,
                                         FLOW_END - ADDRESSES_AT);
        queue = (uint32_t)((hash ^ hash >> 32) % count);
    }
    return port->queue == queue;
}

static void wire_send(struct port *from, const uint8_t *bytes, uint32_t len)
{
    struct sim_wire *wire = from->wire;
    from->burst = wire->healed ? 0 : from->burst;
    if (from->burst == 0 && chance(wire, wire->options.loss_in)) {
        from->burst = 1 + (uint32_t)random_below(&wire->random, wire->options.burst_max);
    }
    if (from->burst > 0) {
        from->burst--;
        wire->lost++;
        return;
    }
    if (chance(wire, wire->several ? wire->options.remap_in : 0)) {
        wire->map = random_u64(&wire->random);
    }
    LIST_FOR_EACH(node, &wire->ports)
    {
        struct port *to = CONTAINER_OF(node, struct port, node);
        const struct mac *mac = &to->nic.capabilities.mac;
        const bool his = memcmp(bytes, mac->bytes, 6) == 0;
        if (!mac_equal(mac, &from->nic.capabilities.mac) && (his || (bytes[0] & 1) != 0) &&
            queue_hears(to, bytes, len)) {
            wire_carry(from, to, bytes, len);
        }
    }
}

/* ---- nic.h ---------------------------------------------------------------------------------- */

static uint32_t port_receive(struct nic *nic, struct packet_in *packets, uint32_t count)
{
    struct port *port = port_of(nic);
    uint32_t done = 0;
    while (done < count && sim_port_ready(nic)) {
        struct frame *frame = CONTAINER_OF(list_pop_front(&port->arrivals), struct frame, node);
        list_push_back(&port->held, &frame->node);
        port->held_count++;
        nic->counters.in_frames++;
        nic->counters.in_bytes += frame->len;
        packets[done++] =
            (struct packet_in){.first = {{frame->bytes, frame->len}, frame}, .segments = 1};
    }
    return done;
}

static void port_release(struct nic *nic, void *buffer)
{
    struct frame *frame = buffer;
    struct port *port = frame->port; /* It may have come by way of another queue. */
    ASSERT(port->held_count > 0 && mac_equal(&nic->capabilities.mac, &port->nic.capabilities.mac));
    port->held_count--;
    list_remove(&frame->node);
    memset(frame->bytes, POISON, frame->len);
    free(frame);
}

static uint32_t port_prepare(struct nic *nic, struct packet_out *packets, uint32_t count)
{
    struct port *port = port_of(nic);
    const uint32_t room = 1 + (uint32_t)random_below(&port->wire->random, count);
    for (uint32_t i = 0; i < room; i++) {
        packets[i].header = port->headers[i];
    }
    return room;
}

static uint64_t parts_hash(const struct bytes *parts, uint32_t count)
{
    uint64_t hash = 14695981039346656037u;
    for (uint32_t i = 0; i < count; i++) {
        hash = bytes_hash(hash, parts[i].ptr, parts[i].len);
    }
    return hash;
}

static void lend(struct port *port, const struct packet_out *packet)
{
    struct lent *lent = allocate(sizeof(*lent));
    lent->pin = packet->pin;
    lent->part_count = packet->part_count;
    memcpy(lent->parts, packet->parts, packet->part_count * sizeof(packet->parts[0]));
    lent->hash = parts_hash(lent->parts, lent->part_count);
    lent->back_ns = port->wire->now_ns +
                    (port->wire->options.late ? random_below(&port->wire->random, LATE_NS) : 0);
    list_push_back(&port->lent, &lent->node);
}

static void packet_send(struct port *port, const struct packet_out *packet)
{
    uint8_t frame[PACKET_HEADER_BYTES + 2048];
    uint32_t len = packet->header_len;
    ASSERT(packet->header_len + packet->payload_len <= sizeof(frame) && packet->flags == 0);
    ASSERT(packet->header_len + packet->payload_len <= port->nic.capabilities.mtu + 18u);
    memcpy(frame, packet->header, len);
    for (uint32_t i = 0; i < packet->part_count; i++) {
        memcpy(frame + len, packet->parts[i].ptr, packet->parts[i].len);
        len += packet->parts[i].len;
    }
    ASSERT(len == packet->header_len + packet->payload_len);
    port->nic.counters.out_frames++;
    port->nic.counters.out_bytes += len;
    if (packet->pin.kind != PACKET_PIN_NONE) {
        lend(port, packet);
    }
    if (port->alive == NULL || port->alive(port->context)) {
        wire_send(port, frame, len);
    }
}

static void port_reclaim(struct nic *nic)
{
    struct port *port = port_of(nic);
    LIST_FOR_EACH(node, &port->lent)
    {
        struct lent *lent = CONTAINER_OF(node, struct lent, node);
        if (lent->back_ns <= port->wire->now_ns) {
            ASSERT(lent->hash == parts_hash(lent->parts, lent->part_count)); /* While lent. */
            list_remove(node);
            nic->released(nic->released_context, &lent->pin);
            free(lent);
        }
    }
}

static void port_send(struct nic *nic, const struct packet_out *packets, uint32_t count,
                      uint32_t prepared)
{
    ASSERT(count <= prepared);
    for (uint32_t i = 0; i < count; i++) {
        packet_send(port_of(nic), &packets[i]);
    }
    port_reclaim(nic);
}

static const struct nic_ops port_ops = {
    .receive = port_receive,
    .release = port_release,
    .prepare = port_prepare,
    .send = port_send,
    .reclaim = port_reclaim,
};

/* ---- Ports ---------------------------------------------------------------------------------- */

struct nic *sim_port_create(struct sim_wire *wire, uint8_t number, bool silent,
                            uint32_t buffer_count, bool (*alive)(const void *context),
                            const void *context)
{
    struct port *port = allocate(sizeof(*port));
    port->nic.ops = &port_ops;
    port->nic.capabilities = (struct nic_capabilities){
        .mac = {{2, 0, 0, 0, 0, number}},
        .mtu = wire->options.mtu,
        .parts_max = 1 + (uint32_t)random_below(&wire->random, PACKET_PARTS_MAX),
        .wake_fd = -1,
        .silent = silent,
    };
    port->wire = wire;
    port->queue = queue_count(wire, &port->nic.capabilities.mac);
    wire->several = wire->several || port->queue > 0;
    port->buffer_count = buffer_count;
    port->alive = alive;
    port->context = context;
    list_init(&port->arrivals);
    list_init(&port->held);
    list_init(&port->lent);
    list_push_back(&wire->ports, &port->node);
    return &port->nic;
}

void sim_port_destroy(struct nic *nic)
{
    struct port *port = port_of(nic);
    struct list_node *node;
    list_append_all(&port->arrivals, &port->held);
    while ((node = list_pop_front(&port->arrivals)) != NULL) {
        free(CONTAINER_OF(node, struct frame, node));
    }
    while ((node = list_pop_front(&port->lent)) != NULL) {
        free(CONTAINER_OF(node, struct lent, node));
    }
    list_remove(&port->node);
    free(port);
}

bool sim_port_ready(const struct nic *nic)
{
    const struct port *port = (const struct port *)(const void *)nic;
    const struct frame *frame = first_frame(port);
    return frame != NULL && frame->at_ns <= port->wire->now_ns &&
           port->held_count < port->buffer_count;
}

uint32_t sim_port_held(const struct nic *nic)
{
    return ((const struct port *)(const void *)nic)->held_count;
}
