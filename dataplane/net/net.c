#include "dataplane/net/net.h"

#include "dataplane/net/arp.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv4.h"

static const uint64_t ns_per_ms = 1000000;
static const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static uint64_t neighbors_offset(void)
{
    return round_up(sizeof(struct net), 64);
}

static uint64_t frames_offset(const struct net_setup *setup)
{
    return neighbors_offset() + round_up(neighbor_memory_bytes(setup->neighbor_count_max), 64);
}

uint64_t net_memory_bytes(const struct net_setup *setup)
{
    return frames_offset(setup) + setup->frame_count_max * sizeof(struct net_frame);
}

struct net *net_create(void *memory, const struct net_setup *setup, uint64_t now_ns)
{
    struct net *net = memory;
    uint8_t *base = memory;
    ASSERT(setup->neighbor_count_max > 0 && setup->frame_count_max > 0 && setup->mtu >= 576 &&
           setup->parts_max > 0 && setup->parts_max <= PACKET_PARTS_MAX);
    net->setup = *setup;
    net->address = address_of_v4(setup->v4);
    for (uint32_t i = 0; i < setup->route_count; i++) {
        if (!route_add(&net->routes, setup->routes[i])) {
            return NULL;
        }
    }
    neighbor_init(&net->neighbors, base + neighbors_offset(), setup->neighbor_count_max);
    list_init(&net->ready);
    list_init(&net->free);
    struct net_frame *frames = (struct net_frame *)(void *)(base + frames_offset(setup));
    for (uint32_t i = 0; i < setup->frame_count_max; i++) {
        list_push_back(&net->free, &frames[i].node);
    }
    net->state = setup->probe_address ? NET_PROBING : NET_READY;
    net->announce_ns = setup->quiet ? UINT64_MAX : now_ns;
    return net;
}

void net_release(struct net *net, const struct packet_piece *first, const struct packet_piece *more,
                 uint32_t more_count)
{
    net->setup.release(net->setup.context, first->buffer);
    for (uint32_t i = 0; i < more_count; i++) {
        net->setup.release(net->setup.context, more[i].buffer);
    }
}

/* ---- Frames of our own ---- */

static struct net_frame *frame_take(struct net *net)
{
    struct list_node *node = list_pop_front(&net->free);
    if (node == NULL) {
        net->counters[NET_OUT_NO_FRAME]++;
        return NULL;
    }
    struct net_frame *frame = CONTAINER_OF(node, struct net_frame, node);
    frame->body = (struct packet_piece){0};
    frame->l2_len = ETHERNET_BYTES + (net->setup.vlan != 0 ? ETHERNET_TAG_BYTES : 0);
    net->frames_used++;
    return frame;
}

static void frame_free(struct net *net, struct net_frame *frame)
{
    list_push_back(&net->free, &frame->node);
    net->frames_used--;
}

static void frame_send(struct net *net, struct net_frame *frame, const struct mac *to)
{
    ethernet_write(frame->bytes, to, &net->setup.mac, net->setup.vlan, frame->ethernet_type);
    list_push_back(&net->ready, &frame->node);
}

/* Frames whose neighbour answered go out, those whose neighbour did not are dropped. */
static void frames_settle(struct net *net)
{
    struct list_node *node;
    while ((node = list_pop_front(&net->neighbors.resolved)) != NULL) {
        struct net_frame *frame = CONTAINER_OF(node, struct net_frame, node);
        const uint16_t hop = neighbor_look_up(&net->neighbors, frame->hop_v4, 0);
        frame_send(net, frame, &net->neighbors.entries[hop].mac);
    }
    while ((node = list_pop_front(&net->neighbors.dropped)) != NULL) {
        struct net_frame *frame = CONTAINER_OF(node, struct net_frame, node);
        if (frame->body.buffer != NULL) {
            net->setup.release(net->setup.context, frame->body.buffer);
        }
        net->counters[NET_OUT_UNRESOLVED]++;
        frame_free(net, frame);
    }
}

static void arp_send(struct net *net, const struct arp_packet *packet, const struct mac *to)
{
    struct net_frame *frame = frame_take(net);
    if (frame == NULL) {
        return;
    }
    frame->ethernet_type = ETHERNET_ARP;
    frame->l3_len = 0;
    arp_write(frame->bytes + frame->l2_len, packet);
    frame->len = (uint16_t)(frame->l2_len + ARP_BYTES);
    frame_send(net, frame, to);
}

uint8_t *net_frame_begin(struct net *net, const struct address *source,
                         const struct address *target, uint8_t protocol, struct net_frame **frame,
                         uint64_t now_ns)
{
    (void)now_ns;
    const uint32_t hop_v4 = route_next_hop(&net->routes, address_v4(target));
    if (hop_v4 == 0) {
        net->counters[NET_OUT_NO_ROUTE]++;
        return NULL;
    }
    *frame = frame_take(net);
    if (*frame == NULL) {
        return NULL;
    }
    (*frame)->ethernet_type = ETHERNET_IPV4;
    (*frame)->l3_len = IPV4_BYTES;
    (*frame)->hop_v4 = hop_v4;
    const struct ipv4_header header = {.source = address_v4(source),
                                       .target = address_v4(target),
                                       .protocol = protocol,
                                       .ttl = IPV4_TTL};
    ipv4_write((*frame)->bytes + (*frame)->l2_len, &header, false);
    return (*frame)->bytes + (*frame)->l2_len + IPV4_BYTES;
}

void net_frame_end(struct net *net, struct net_frame *frame, uint16_t len, uint64_t now_ns)
{
    ASSERT_HOT(frame->l2_len + IPV4_BYTES + len <= NET_FRAME_BYTES);
    frame->len = (uint16_t)(frame->l2_len + IPV4_BYTES + len);
    net_header_finish(net, frame->bytes + frame->l2_len, IPV4_BYTES + len + frame->body.bytes.len);
    const uint16_t hop = neighbor_look_up(&net->neighbors, frame->hop_v4, now_ns);
    if (neighbor_has_mac(&net->neighbors, hop)) {
        frame_send(net, frame, &net->neighbors.entries[hop].mac);
    } else if (net->neighbors.waiting >= net->setup.frame_count_max / 2 ||
               !neighbor_wait(&net->neighbors, hop, &frame->node)) {
        /* Half of the frames are for neighbours that are known. */
        list_push_back(&net->neighbors.dropped, &frame->node);
    }
    frames_settle(net);
}

uint32_t net_output(struct net *net, struct packet_out *packets, uint32_t count)
{
    uint32_t done = 0;
    struct list_node *node;
    while (done < count && (node = list_pop_front(&net->ready)) != NULL) {
        struct net_frame *frame = CONTAINER_OF(node, struct net_frame, node);
        struct packet_out *packet = &packets[done++];
        memcpy(packet->header, frame->bytes, frame->len);
        packet->header_len = frame->len;
        packet->l2_len = frame->l2_len;
        packet->l3_len = frame->l3_len;
        packet->l4_len = (uint16_t)(frame->len - frame->l2_len - frame->l3_len);
        packet->flags = 0;
        if (frame->l3_len != 0 && (net->setup.offloads & NET_OFFLOAD_IP_CHECKSUM)) {
            packet->flags = PACKET_OUT_IP_CHECKSUM;
        }
        packet->payload_len = frame->body.bytes.len;
        packet->part_count = frame->body.bytes.len != 0 ? 1 : 0;
        packet->parts[0] = frame->body.bytes;
        packet->pin = (struct packet_pin){.kind = PACKET_PIN_NONE};
        if (frame->body.buffer != NULL) {
            packet->pin = (struct packet_pin){PACKET_PIN_BUFFER, 1, frame->body.buffer};
        }
        net->counters[NET_OUT_FRAMES]++;
        frame_free(net, frame);
    }
    return done;
}

void net_released(struct net *net, const struct packet_pin *pin)
{
    ASSERT(pin->kind == PACKET_PIN_BUFFER);
    net->setup.release(net->setup.context, pin->holder);
}

/* ---- For TCP ---- */

uint16_t net_hop(struct net *net, const struct address *target, uint64_t now_ns)
{
    const uint32_t hop_v4 = route_next_hop(&net->routes, address_v4(target));
    if (hop_v4 == 0) {
        net->counters[NET_OUT_NO_ROUTE]++;
        return NEIGHBOR_NONE;
    }
    const uint16_t hop = neighbor_look_up(&net->neighbors, hop_v4, now_ns);
    frames_settle(net); /* One may have been evicted. */
    return hop;
}

uint16_t net_header_write(const struct net *net, uint16_t hop, const struct address *source,
                          const struct address *target, uint8_t *to, uint16_t *l2_len)
{
    *l2_len = ethernet_write(to, &net->neighbors.entries[hop].mac, &net->setup.mac, net->setup.vlan,
                             ETHERNET_IPV4);
    const struct ipv4_header header = {.source = address_v4(source),
                                       .target = address_v4(target),
                                       .protocol = IPV4_TCP,
                                       .ttl = IPV4_TTL};
    ipv4_write(to + *l2_len, &header, false);
    return (uint16_t)(*l2_len + IPV4_BYTES);
}

void net_header_finish(const struct net *net, uint8_t *ip, uint32_t ip_len)
{
    ASSERT_HOT(ip_len <= PACKET_BYTES_MAX);
    store_be16(ip + 2, (uint16_t)ip_len);
    if (!(net->setup.offloads & NET_OFFLOAD_IP_CHECKSUM)) {
        memset(ip + 10, 0, 2);
        const uint16_t sum = checksum_finish(checksum_sum(ip, IPV4_BYTES));
        memcpy(ip + 10, &sum, sizeof(sum));
    }
}

/* ---- By time ---- */

/* Probes for the address, then announces it (RFC 5227 2.1.1, 2.3). */
static void announce_turn(struct net *net, uint64_t now_ns)
{
    if (now_ns < net->announce_ns || net->state == NET_CONFLICT) {
        return;
    }
    if (net->state == NET_PROBING && net->announcements == NET_PROBES) {
        net->state = NET_READY;
        net->announcements = 0;
    }
    const bool probing = net->state == NET_PROBING;
    const struct arp_packet packet = {.operation = ARP_REQUEST,
                                      .sender_mac = net->setup.mac,
                                      .sender_v4 = probing ? 0 : net->setup.v4,
                                      .target_v4 = net->setup.v4};
    arp_send(net, &packet, &broadcast);
    net->announcements++;
    net->announce_ns = now_ns + (probing ? NET_PROBE_MS : NET_ANNOUNCE_MS) * ns_per_ms;
    if (!probing && net->announcements == NET_ANNOUNCEMENTS) {
        net->announce_ns = UINT64_MAX;
    }
}

void net_turn(struct net *net, uint64_t now_ns)
{
    announce_turn(net, now_ns);
    if (net->state != NET_READY) {
        return;
    }
    struct neighbor_request request;
    while (neighbor_due(&net->neighbors, now_ns, &request)) {
        const struct arp_packet packet = {.operation = ARP_REQUEST,
                                          .sender_mac = net->setup.mac,
                                          .sender_v4 = net->setup.v4,
                                          .target_mac =
                                              request.broadcast ? (struct mac){{0}} : request.mac,
                                          .target_v4 = request.v4};
        arp_send(net, &packet, request.broadcast ? &broadcast : &request.mac);
    }
    frames_settle(net);
}

uint64_t net_next_deadline_ns(const struct net *net)
{
    if (net->state == NET_CONFLICT) {
        return UINT64_MAX;
    }
    return min_u64(net->announce_ns, net->state == NET_READY ? net->neighbors.next_ns : UINT64_MAX);
}

/* ---- In ---- */

static void conflict(struct net *net, const struct arp_packet *packet, uint64_t now_ns)
{
    net->counters[NET_CONFLICTS]++;
    net->conflict_mac = packet->sender_mac;
    if (net->state == NET_PROBING) {
        net->state = NET_CONFLICT;
    } else if (net->state == NET_READY &&
               (net->defended_ns == 0 || now_ns - net->defended_ns >= NET_DEFEND_MS * ns_per_ms)) {
        net->defended_ns = now_ns; /* RFC 5227 2.4 (b): one announcement, then silence. */
        const struct arp_packet announcement = {.operation = ARP_REQUEST,
                                                .sender_mac = net->setup.mac,
                                                .sender_v4 = net->setup.v4,
                                                .target_v4 = net->setup.v4};
        arp_send(net, &announcement, &broadcast);
    }
}

void net_learn(struct net *net, uint32_t v4, const struct mac *mac, bool create, uint64_t now_ns)
{
    neighbor_learn(&net->neighbors, v4, mac, create, now_ns);
    frames_settle(net);
}

static void arp_input(struct net *net, struct bytes bytes, uint64_t now_ns)
{
    struct arp_packet packet;
    net->counters[NET_IN_ARP]++;
    if (!arp_parse(bytes, &packet)) {
        net->counters[NET_IN_BAD_HEADER]++;
        return;
    }
    if (mac_equal(&packet.sender_mac, &net->setup.mac)) {
        return; /* Our own, come back. */
    }
    const bool probe_too = packet.sender_v4 == 0 && packet.target_v4 == net->setup.v4;
    if (packet.sender_v4 == net->setup.v4 || (net->state == NET_PROBING && probe_too)) {
        conflict(net, &packet, now_ns);
        return;
    }
    if (net->state != NET_READY) {
        return;
    }
    const bool for_us = packet.target_v4 == net->setup.v4;
    if (address_v4_is_host(packet.sender_v4) &&
        route_next_hop(&net->routes, packet.sender_v4) == packet.sender_v4) {
        net_learn(net, packet.sender_v4, &packet.sender_mac, for_us, now_ns);
        if (net->setup.learned != NULL) {
            net->setup.learned(net->setup.context, packet.sender_v4, &packet.sender_mac, for_us);
        }
    }
    if (for_us && packet.operation == ARP_REQUEST) {
        const struct arp_packet reply = {.operation = ARP_REPLY,
                                         .sender_mac = net->setup.mac,
                                         .sender_v4 = net->setup.v4,
                                         .target_mac = packet.sender_mac,
                                         .target_v4 = packet.sender_v4};
        arp_send(net, &reply, &packet.sender_mac);
    }
}

/* The sum of a segment's bytes over all its pieces. */
static uint32_t segment_sum(const struct net_segment *segment)
{
    uint32_t left = segment->len;
    uint32_t len = min_u32(left, segment->first.bytes.len);
    uint32_t sum = checksum_sum(segment->first.bytes.ptr, len);
    uint32_t offset = len;
    left -= len;
    for (uint32_t i = 0; i < segment->more_count && left > 0; i++) {
        len = min_u32(left, segment->more[i].bytes.len);
        sum = checksum_join(sum, checksum_sum(segment->more[i].bytes.ptr, len), offset);
        offset += len;
        left -= len;
    }
    return sum;
}

static bool limited(struct net *net, uint64_t now_ns)
{
    if (rate_take(&net->errors, now_ns, NET_ERRORS_PER_SECOND, NET_ERRORS_BURST)) {
        return false;
    }
    net->counters[NET_OUT_LIMITED]++;
    return true;
}

/* True when the request's buffer went into the answer. */
static bool echo_reply(struct net *net, const struct net_segment *segment, uint64_t now_ns)
{
    struct net_frame *frame;
    if (segment->len > segment->first.bytes.len || limited(net, now_ns)) {
        return false; /* Pings beyond one buffer are not answered. */
    }
    uint8_t *to = net_frame_begin(net, &net->address, &segment->source, IPV4_ICMP, &frame, now_ns);
    if (to == NULL) {
        return false;
    }
    icmp_write_echo_reply(to, segment->first.bytes.ptr);
    frame->body = (struct packet_piece){
        {segment->first.bytes.ptr + ICMP_BYTES, segment->len - ICMP_BYTES}, segment->first.buffer};
    net->counters[NET_OUT_ECHO]++;
    net_frame_end(net, frame, ICMP_BYTES, now_ns);
    return true;
}

static enum net_verdict icmp_input(struct net *net, struct net_segment *segment,
                                   struct icmp_error *error, uint64_t now_ns)
{
    net->counters[NET_IN_ICMP]++;
    enum net_verdict verdict = NET_TAKEN;
    if (checksum_finish(segment_sum(segment)) != 0) {
        net->counters[NET_IN_ICMP_CHECKSUM]++;
    } else {
        const struct bytes message = {segment->first.bytes.ptr,
                                      min_u32(segment->len, segment->first.bytes.len)};
        switch (icmp_parse(message, error)) {
        case ICMP_BAD: net->counters[NET_IN_BAD_HEADER]++; break;
        case ICMP_IS_ECHO:
            if (echo_reply(net, segment, now_ns)) {
                for (uint32_t i = 0; i < segment->more_count; i++) {
                    net->setup.release(net->setup.context, segment->more[i].buffer);
                }
                return NET_TAKEN;
            }
            break;
        case ICMP_IS_ERROR:
            verdict = address_equal(&error->source, &net->address) ? NET_TCP_ERROR : NET_TAKEN;
            break;
        case ICMP_NOT_TAKEN: break;
        }
    }
    net_release(net, &segment->first, segment->more, segment->more_count);
    return verdict;
}

static void unreachable_send(struct net *net, const struct net_segment *segment, uint8_t code,
                             struct bytes packet, uint64_t now_ns)
{
    struct net_frame *frame;
    if (limited(net, now_ns)) {
        return;
    }
    uint8_t *to = net_frame_begin(net, &net->address, &segment->source, IPV4_ICMP, &frame, now_ns);
    if (to != NULL) {
        net->counters[NET_OUT_ERRORS]++;
        net_frame_end(net, frame, icmp_write_unreachable(to, code, packet), now_ns);
    }
}

static bool tcp_sum_good(const struct net_segment *segment, uint16_t flags)
{
    if (flags & (PACKET_L4_GOOD | PACKET_L4_BAD)) {
        return (flags & PACKET_L4_GOOD) != 0;
    }
    const uint32_t pseudo =
        checksum_pseudo(&segment->source, &segment->target, IPV4_TCP, segment->len);
    return checksum_finish(checksum_join(segment_sum(segment), pseudo, 0)) == 0;
}

/* The counter of each status but OK. */
static enum net_counter counter_of(enum ipv4_status status)
{
    switch (status) {
    case IPV4_SHORT: return NET_IN_SHORT;
    case IPV4_OK:
    case IPV4_BAD_HEADER: return NET_IN_BAD_HEADER;
    case IPV4_TRUNCATED: return NET_IN_TRUNCATED;
    case IPV4_BAD_CHECKSUM: return NET_IN_BAD_CHECKSUM;
    case IPV4_BAD_OPTIONS: return NET_IN_BAD_OPTIONS;
    case IPV4_FRAGMENT: return NET_IN_FRAGMENT;
    case IPV4_BAD_SOURCE: return NET_IN_BAD_SOURCE;
    }
    return NET_IN_BAD_HEADER;
}

static enum net_verdict drop(struct net *net, const struct packet_in *packet,
                             enum net_counter counter)
{
    net->counters[counter]++;
    net_release(net, &packet->first, packet->more, packet->more_count);
    return NET_TAKEN;
}

static enum net_verdict ipv4_input(struct net *net, const struct packet_in *packet, uint32_t l2_len,
                                   struct net_segment *segment, struct icmp_error *error,
                                   uint64_t now_ns)
{
    const struct bytes head = {packet->first.bytes.ptr + l2_len, packet->first.bytes.len - l2_len};
    uint32_t packet_len = head.len;
    for (uint32_t i = 0; i < packet->more_count; i++) {
        packet_len += packet->more[i].bytes.len;
    }
    struct ipv4_header header;
    enum ipv4_status status = IPV4_BAD_CHECKSUM;
    if (!(packet->flags & PACKET_IP_BAD)) {
        status = ipv4_parse(head, packet_len, (packet->flags & PACKET_IP_GOOD) != 0, &header);
    }
    if (status != IPV4_OK && status != IPV4_FRAGMENT) {
        return drop(net, packet, counter_of(status));
    }
    if (header.target != net->setup.v4) {
        return NET_FOREIGN;
    }
    if (status == IPV4_FRAGMENT || header.source == net->setup.v4) {
        return drop(net, packet, status == IPV4_FRAGMENT ? NET_IN_FRAGMENT : NET_IN_BAD_SOURCE);
    }
    if (net->state != NET_READY) {
        return drop(net, packet, NET_IN_UNREADY);
    }
    *segment =
        (struct net_segment){.source = address_of_v4(header.source),
                             .target = net->address,
                             .first = {{head.ptr + header.header_len,
                                        min_u32(head.len, header.total_len) - header.header_len},
                                       packet->first.buffer},
                             .more = packet->more,
                             .more_count = packet->more_count,
                             .len = (uint32_t)header.total_len - header.header_len,
                             .segments = packet->segments,
                             .odd = (uint8_t)((packet->more_count != 0 ? NET_ODD_PIECES : 0) |
                                              (header.ecn == NET_ECN_MARK ? NET_ODD_MARK : 0))};
    if (header.protocol == IPV4_ICMP) {
        return icmp_input(net, segment, error, now_ns);
    }
    if (header.protocol != IPV4_TCP) {
        const uint8_t code = header.protocol == IPV4_UDP ? (uint8_t)ICMP_PORT_UNREACHABLE
                                                         : (uint8_t)ICMP_PROTOCOL_UNREACHABLE;
        unreachable_send(net, segment, code, head, now_ns);
        return drop(net, packet, NET_IN_PROTOCOL);
    }
    if (!tcp_sum_good(segment, packet->flags)) {
        return drop(net, packet, NET_IN_TCP_CHECKSUM);
    }
    net->counters[NET_IN_SEGMENTS]++;
    return NET_TCP;
}

bool net_input_usual(struct net *net, const struct packet_in *packet, struct net_segment *segment)
{
    enum { IP = ETHERNET_BYTES, HEAD = ETHERNET_BYTES + 2 * IPV4_BYTES /* TCP's as long. */ };
    const uint8_t *at = packet->first.bytes.ptr;
    const uint32_t bad = PACKET_IP_BAD | PACKET_L4_BAD;
    if (packet->first.bytes.len < HEAD || !mac_equal((const struct mac *)at, &net->setup.mac)) {
        return false;
    }
    const uint32_t source = load_be32(at + IP + 12);
    const uint32_t total = load_be16(at + IP + 2);
    const uint32_t odd =
        (uint32_t)(load_be16(at + 12) ^ ETHERNET_IPV4) | (uint32_t)(at[IP] ^ 0x45) |
        (at[IP + 1] & 1u) /* A mark has it. */ | (uint32_t)(at[IP + 9] ^ IPV4_TCP) |
        (load_be16(at + IP + 6) & IPV4_FRAGMENT_BITS) | (load_be32(at + IP + 16) ^ net->setup.v4) |
        packet->more_count | net->setup.vlan | (packet->flags & bad) | (net->state ^ NET_READY);
    if (odd != 0 || total < HEAD - IP || IP + total > packet->first.bytes.len ||
        !address_v4_is_host(source) || source == net->setup.v4) {
        return false;
    }
    segment->source = address_of_v4(source);
    segment->target = net->address;
    segment->first.bytes = (struct bytes){at + IP + IPV4_BYTES, total - IPV4_BYTES};
    segment->first.buffer = packet->first.buffer;
    segment->more = packet->more;
    segment->more_count = 0;
    segment->len = total - IPV4_BYTES;
    segment->segments = packet->segments;
    segment->odd = 0;
    if ((packet->flags & PACKET_IP_GOOD) == 0 &&
        checksum_finish(checksum_sum(at + IP, IPV4_BYTES)) != 0) {
        return false;
    }
    if ((packet->flags & PACKET_L4_GOOD) == 0 && !tcp_sum_good(segment, 0)) {
        return false;
    }
    net->counters[NET_IN_FRAMES]++;
    net->counters[NET_IN_SEGMENTS]++;
    return true;
}

enum net_verdict net_input(struct net *net, const struct packet_in *packet,
                           struct net_segment *segment, struct icmp_error *error, uint64_t now_ns)
{
    struct ethernet_header header;
    net->counters[NET_IN_FRAMES]++;
    if (!ethernet_parse(packet->first.bytes, &header)) {
        return drop(net, packet, NET_IN_SHORT);
    }
    const bool for_us = mac_equal(&header.target, &net->setup.mac);
    if (header.vlan != net->setup.vlan) {
        return NET_FOREIGN;
    }
    if (header.type == ETHERNET_ARP && (for_us || mac_is_group(&header.target))) {
        const struct bytes bytes = {packet->first.bytes.ptr + header.len,
                                    packet->first.bytes.len - header.len};
        arp_input(net, bytes, now_ns);
        if (net->setup.arp_foreign) {
            return NET_FOREIGN;
        }
        net_release(net, &packet->first, packet->more, packet->more_count);
        return NET_TAKEN;
    }
    if (header.type != ETHERNET_IPV4 || !for_us) {
        return NET_FOREIGN; /* TCP is never answered to a group address (RFC 9293 MUST-57). */
    }
    return ipv4_input(net, packet, header.len, segment, error, now_ns);
}
