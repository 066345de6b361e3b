#include "dataplane/nic/capture.h"

#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv4.h"
#include "dataplane/net/ipv6.h"

enum { FRAGMENT_OFFSET_MASK = 0x1fff };

static uint32_t slot_bytes(const struct capture_options *options)
{
    return (uint32_t)round_up(sizeof(struct capture_record) + options->snap, 64);
}

static uint32_t slot_count(const struct capture_options *options)
{
    uint32_t count = 2;
    while ((uint64_t)2 * count * slot_bytes(options) <= CAPTURE_MEMORY_BYTES) {
        count *= 2;
    }
    return count;
}

uint64_t capture_memory_bytes(const struct capture_options *options)
{
    return round_up(sizeof(struct capture), 64) +
           (uint64_t)slot_count(options) * slot_bytes(options);
}

/* ---- Which frames ---- */

/* The packet may go on behind its head, and need not be a good one. */
static bool wanted_v6(uint16_t port, struct bytes head)
{
    struct ipv6_header header;
    const enum ipv6_status status = ipv6_parse(head, UINT32_MAX, &header);
    if ((status != IPV6_OK && status != IPV6_BAD_SOURCE) ||
        (header.protocol != IPV4_TCP && header.protocol != IPV4_UDP) ||
        head.len < header.header_len + 4u) {
        return false;
    }
    const uint8_t *ports = head.ptr + header.header_len;
    return load_be16(ports) == port || load_be16(ports + 2) == port;
}

/* Ports stand in the first piece: headers always do. */
static bool wanted(const struct capture *capture, struct bytes head)
{
    const uint16_t port = capture->options.port;
    struct ethernet_header ethernet;
    if (port == 0) {
        return true;
    }
    if (!ethernet_parse(head, &ethernet)) {
        return false;
    }
    if (ethernet.type == ETHERNET_IPV6) {
        return wanted_v6(port, (struct bytes){head.ptr + ethernet.len, head.len - ethernet.len});
    }
    if (ethernet.type != ETHERNET_IPV4) {
        return false;
    }
    const uint8_t *ip = head.ptr + ethernet.len;
    const uint32_t left = head.len - ethernet.len;
    if (left < IPV4_BYTES) {
        return false;
    }
    const uint32_t ip_len = (ip[0] & 0xfu) * 4u;
    if ((ip[9] != IPV4_TCP && ip[9] != IPV4_UDP) || ip_len < IPV4_BYTES || left < ip_len + 4 ||
        (load_be16(ip + 6) & FRAGMENT_OFFSET_MASK) != 0) {
        return false;
    }
    return load_be16(ip + ip_len) == port || load_be16(ip + ip_len + 2) == port;
}

/* ---- Copies ---- */

static void append(const struct capture *capture, struct capture_record *record, struct bytes bytes)
{
    const uint32_t room = capture->options.snap - record->captured;
    const uint32_t len = min_u32(bytes.len, room);
    if (len > 0) {
        memcpy(record->bytes + record->captured, bytes.ptr, len);
    }
    record->captured += len;
    record->len += bytes.len;
}

static struct capture_record *record_begin(struct capture *capture, bool out)
{
    const uint64_t seen = atomic_load_explicit(&capture->seen, memory_order_relaxed);
    atomic_store_explicit(&capture->seen, seen + 1, memory_order_relaxed);
    struct capture_record *record = ring_claim(&capture->ring);
    if (record == NULL) {
        const uint64_t dropped = atomic_load_explicit(&capture->dropped, memory_order_relaxed);
        atomic_store_explicit(&capture->dropped, dropped + 1, memory_order_relaxed);
        return NULL;
    }
    *record = (struct capture_record){.now_ns = capture->now_ns, .out = out};
    return record;
}

static uint32_t capture_receive(struct nic *nic, struct packet_in *packets, uint32_t count)
{
    struct capture *capture = nic->capture;
    const uint32_t got = capture->inner->receive(nic, packets, count);
    for (uint32_t i = 0; i < got; i++) {
        const struct packet_in *packet = &packets[i];
        struct capture_record *record =
            wanted(capture, packet->first.bytes) ? record_begin(capture, false) : NULL;
        if (record == NULL) {
            continue;
        }
        append(capture, record, packet->first.bytes);
        for (uint32_t part = 0; part < packet->more_count; part++) {
            append(capture, record, packet->more[part].bytes);
        }
        ring_publish(&capture->ring);
    }
    return got;
}

static void capture_send(struct nic *nic, const struct packet_out *packets, uint32_t count,
                         uint32_t prepared)
{
    struct capture *capture = nic->capture;
    for (uint32_t i = 0; i < count; i++) {
        const struct packet_out *packet = &packets[i];
        const struct bytes header = {packet->header, packet->header_len};
        struct capture_record *record =
            wanted(capture, header) ? record_begin(capture, true) : NULL;
        if (record == NULL) {
            continue;
        }
        append(capture, record, header);
        for (uint32_t part = 0; part < packet->part_count; part++) {
            append(capture, record, packet->parts[part]);
        }
        ring_publish(&capture->ring);
    }
    capture->inner->send(nic, packets, count, prepared);
}

/* ---- Life ---- */

struct capture *capture_create(void *memory, const struct capture_options *options)
{
    struct capture *capture = memory;
    uint8_t *slots = (uint8_t *)memory + round_up(sizeof(*capture), 64);
    ASSERT(options->snap >= CAPTURE_SNAP_MIN && options->snap <= CAPTURE_SNAP_MAX);
    memset(capture, 0, sizeof(*capture));
    capture->options = *options;
    ring_init(&capture->ring, slots, slot_bytes(options), slot_count(options));
    return capture;
}

void capture_attach(struct capture *capture, struct nic *nic)
{
    ASSERT(nic->capture == NULL);
    capture->inner = nic->ops;
    capture->ops = *nic->ops;
    capture->ops.receive = capture_receive;
    capture->ops.send = capture_send;
    nic->capture = capture;
    nic->ops = &capture->ops;
}

void capture_detach(struct capture *capture, struct nic *nic)
{
    ASSERT(nic->capture == capture);
    nic->ops = capture->inner;
    nic->capture = NULL;
}

const struct capture_record *capture_peek(struct capture *capture)
{
    return ring_peek(&capture->ring);
}

void capture_consume(struct capture *capture)
{
    ring_consume(&capture->ring);
}
