#include "dataplane/net/arp.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/icmp6.h"
#include "dataplane/net/ipv4.h"
#include "dataplane/net/ipv6.h"
#include "dataplane/net/net_parts.h"

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

static void own_init(struct net_own *own, struct address address, bool probes, uint64_t now_ns)
{
    own->address = address;
    own->announce_ns = UINT64_MAX;
    if (!address_is_zero(&address)) {
        own->state = probes ? NET_PROBING : NET_READY;
        own->announce_ns = now_ns;
    }
}

static void announce_schedule(struct net *net)
{
    net->announce_ns = min_u64(net->v4.announce_ns, net->v6.announce_ns);
}

struct net *net_create(void *memory, const struct net_setup *setup, uint64_t now_ns)
{
    struct net *net = memory;
    uint8_t *base = memory;
    ASSERT(setup->neighbor_count_max > 0 && setup->frame_count_max > 0 && setup->mtu >= 576 &&
           setup->parts_max > 0 && setup->parts_max <= PACKET_PARTS_MAX);
    net->setup = *setup;
    own_init(&net->v4, setup->v4 != 0 ? address_of_v4(setup->v4) : (struct address){{0}},
             setup->probe_v4, now_ns);
    own_init(&net->v6, setup->v6, setup->probe_v6, now_ns);
    announce_schedule(net);
    for (uint32_t i = 0; i < setup->route_count; i++) {
        if (!route_add(&net->routes, &setup->routes[i])) {
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

struct net_frame *net_frame_take(struct net *net)
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

void net_frame_send(struct net *net, struct net_frame *frame, const struct mac *to)
{
    ethernet_write(frame->bytes, to, &net->setup.mac, net->setup.vlan, frame->ethernet_type);
    list_push_back(&net->ready, &frame->node);
}

void net_frames_settle(struct net *net)
{
    struct list_node *node;
    while ((node = list_pop_front(&net->neighbors.resolved)) != NULL) {
        struct net_frame *frame = CONTAINER_OF(node, struct net_frame, node);
        const uint16_t hop = neighbor_look_up(&net->neighbors, &frame->hop, 0);
        net_frame_send(net, frame, &net->neighbors.entries[hop].mac);
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
    struct net_frame *frame = net_frame_take(net);
    if (frame == NULL) {
        return;
    }
    frame->ethernet_type = ETHERNET_ARP;
    frame->l3_len = 0;
    arp_write(frame->bytes + frame->l2_len, packet);
    frame->len = (uint16_t)(frame->l2_len + ARP_BYTES);
    net_frame_send(net, frame, to);
}

/* IP's header of any length, without a checksum. Returns its own length. */
static uint16_t ip_write(uint8_t *to, const struct address *source, const struct address *target,
                         uint8_t protocol)
{
    if (UNLIKELY(!address_is_v4(target))) {
        ipv6_write(to, source, target, protocol, IPV6_HOP_LIMIT);
        return IPV6_BYTES;
    }
    const struct ipv4_header header = {.source = address_v4(source),
                                       .target = address_v4(target),
                                       .protocol = protocol,
                                       .ttl = IPV4_TTL};
    ipv4_write(to, &header, false);
    return IPV4_BYTES;
}

uint8_t *net_frame_begin(struct net *net, const struct address *source,
                         const struct address *target, uint8_t protocol, struct net_frame **frame,
                         uint64_t now_ns)
{
    struct address hop;
    (void)now_ns;
    if (!route_next_hop(&net->routes, target, &hop)) {
        net->counters[NET_OUT_NO_ROUTE]++;
        return NULL;
    }
    *frame = net_frame_take(net);
    if (*frame == NULL) {
        return NULL;
    }
    uint8_t *ip = (*frame)->bytes + (*frame)->l2_len;
    (*frame)->hop = hop;
    (*frame)->l3_len = ip_write(ip, source, target, protocol);
    (*frame)->ethernet_type =
        (*frame)->l3_len == IPV4_BYTES ? (uint16_t)ETHERNET_IPV4 : (uint16_t)ETHERNET_IPV6;
    return ip + (*frame)->l3_len;
}

/* Sets length and checksum of the IP header. */
static void ip_finish(const struct net *net, struct net_frame *frame)
{
    uint8_t *ip = frame->bytes + frame->l2_len;
    const uint32_t len = frame->len - frame->l2_len + frame->body.bytes.len;
    ASSERT_HOT(len <= PACKET_BYTES_MAX);
    if (frame->l3_len == IPV6_BYTES) {
        ipv6_write_length(ip, len - IPV6_BYTES);
        return;
    }
    store_be16(ip + 2, (uint16_t)len);
    if (!(net->setup.offloads & NET_OFFLOAD_IP_CHECKSUM)) {
        const uint16_t sum = checksum_finish(checksum_sum(ip, IPV4_BYTES));
        memcpy(ip + 10, &sum, sizeof(sum));
    }
}

void net_frame_end(struct net *net, struct net_frame *frame, uint16_t len, uint64_t now_ns)
{
    ASSERT_HOT(frame->l2_len + frame->l3_len + len <= NET_FRAME_BYTES);
    frame->len = (uint16_t)(frame->l2_len + frame->l3_len + len);
    ip_finish(net, frame);
    const uint16_t hop = neighbor_look_up(&net->neighbors, &frame->hop, now_ns);
    if (neighbor_has_mac(&net->neighbors, hop)) {
        net_frame_send(net, frame, &net->neighbors.entries[hop].mac);
    } else if (net->neighbors.waiting >= net->setup.frame_count_max / 2 ||
               !neighbor_wait(&net->neighbors, hop, &frame->node)) {
        /* Half of the frames are for neighbours that are known. */
        list_push_back(&net->neighbors.dropped, &frame->node);
    }
    net_frames_settle(net);
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
        if (frame->l3_len == IPV4_BYTES && (net->setup.offloads & NET_OFFLOAD_IP_CHECKSUM)) {
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
    struct address hop;
    if (!route_next_hop(&net->routes, target, &hop)) {
        net->counters[NET_OUT_NO_ROUTE]++;
        return NEIGHBOR_NONE;
    }
    const uint16_t index = neighbor_look_up(&net->neighbors, &hop, now_ns);
    net_frames_settle(net); /* One may have been evicted. */
    return index;
}

uint16_t net_header_write(const struct net *net, uint16_t hop, const struct address *source,
                          const struct address *target, uint8_t *to, uint16_t *l2_len)
{
    *l2_len = ethernet_write(to, &net->neighbors.entries[hop].mac, &net->setup.mac, net->setup.vlan,
                             address_is_v4(target) ? ETHERNET_IPV4 : ETHERNET_IPV6);
    return (uint16_t)(*l2_len + ip_write(to + *l2_len, source, target, IPV4_TCP));
}

/* ---- By time ---- */

static void arp_announce(struct net *net, bool probing)
{
    const struct arp_packet packet = {.operation = ARP_REQUEST,
                                      .sender_mac = net->setup.mac,
                                      .sender_v4 = probing ? 0 : net->setup.v4,
                                      .target_v4 = net->setup.v4};
    arp_send(net, &packet, &broadcast);
}

static void announce(struct net *net, const struct net_own *own, bool probing)
{
    if (net->setup.quiet) {
        return;
    }
    if (own == &net->v6) {
        net6_announce(net, probing);
    } else {
        arp_announce(net, probing);
    }
}

/* Probes for an address, then announces it (RFC 5227 2.1.1, 2.3; RFC 4862 5.4, RFC 4861 7.2.6). */
static void announce_turn(struct net *net, struct net_own *own, uint64_t now_ns)
{
    const uint32_t probes = own == &net->v6 ? NET_PROBES_V6 : NET_PROBES;
    if (now_ns < own->announce_ns) {
        return;
    }
    if (own->state == NET_PROBING && own->announcements == probes) {
        own->state = NET_READY;
        own->announcements = 0;
    }
    const bool probing = own->state == NET_PROBING;
    announce(net, own, probing);
    own->announcements++;
    own->announce_ns = now_ns + (probing ? NET_PROBE_MS : NET_ANNOUNCE_MS) * ns_per_ms;
    if (!probing && (own->announcements == NET_ANNOUNCEMENTS || net->setup.quiet)) {
        own->announce_ns = UINT64_MAX;
    }
    announce_schedule(net);
}

static void request_send(struct net *net, const struct neighbor_request *request)
{
    if (!address_is_v4(&request->address)) {
        if (net->v6.state == NET_READY) {
            net6_request(net, request);
        }
        return;
    }
    const struct arp_packet packet = {.operation = ARP_REQUEST,
                                      .sender_mac = net->setup.mac,
                                      .sender_v4 = net->setup.v4,
                                      .target_mac =
                                          request->broadcast ? (struct mac){{0}} : request->mac,
                                      .target_v4 = address_v4(&request->address)};
    if (net->v4.state == NET_READY) {
        arp_send(net, &packet, request->broadcast ? &broadcast : &request->mac);
    }
}

static bool any_ready(const struct net *net)
{
    return net->v4.state == NET_READY || net->v6.state == NET_READY;
}

void net_turn(struct net *net, uint64_t now_ns)
{
    announce_turn(net, &net->v4, now_ns);
    announce_turn(net, &net->v6, now_ns);
    if (!any_ready(net)) {
        return;
    }
    struct neighbor_request request;
    while (neighbor_due(&net->neighbors, now_ns, &request)) {
        request_send(net, &request);
    }
    net_frames_settle(net);
}

uint64_t net_next_deadline_ns(const struct net *net)
{
    return min_u64(net->announce_ns, any_ready(net) ? net->neighbors.next_ns : UINT64_MAX);
}

/* ---- In ---- */

/* True: the address was being probed for, and is not used. */
static bool give_up(struct net *net, struct net_own *own, const struct mac *mac)
{
    own->conflict_mac = *mac;
    if (own->state != NET_PROBING) {
        return false;
    }
    own->state = NET_CONFLICT;
    own->announce_ns = UINT64_MAX;
    announce_schedule(net);
    return true;
}

void net_lose(struct net *net, const struct address *address, const struct mac *mac)
{
    (void)give_up(net, address_is_v4(address) ? &net->v4 : &net->v6, mac);
}

void net_conflict(struct net *net, struct net_own *own, const struct mac *mac, uint64_t now_ns)
{
    net->counters[NET_CONFLICTS]++;
    if (give_up(net, own, mac)) {
        if (net->setup.lost != NULL) {
            net->setup.lost(net->setup.context, &own->address, mac);
        }
    } else if (own->state == NET_READY &&
               (own->defended_ns == 0 || now_ns - own->defended_ns >= NET_DEFEND_MS * ns_per_ms)) {
        own->defended_ns = now_ns; /* RFC 5227 2.4 (b): one announcement, then silence. */
        if (own == &net->v6) {
            net6_announce(net, false);
        } else {
            arp_announce(net, false);
        }
    }
}

void net_learn(struct net *net, const struct address *address, const struct mac *mac, uint8_t how,
               uint64_t now_ns)
{
    neighbor_learn(&net->neighbors, address, mac, how, now_ns);
    net_frames_settle(net);
}

void net_heard(struct net *net, const struct address *address, const struct mac *mac, uint8_t how,
               uint64_t now_ns)
{
    net_learn(net, address, mac, how, now_ns);
    if (net->setup.learned != NULL && mac != NULL) {
        net->setup.learned(net->setup.context, address, mac, how);
    }
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
    if (net->v4.state == NET_ABSENT) {
        return;
    }
    const bool probe_too = packet.sender_v4 == 0 && packet.target_v4 == net->setup.v4;
    if (packet.sender_v4 == net->setup.v4 || (net->v4.state == NET_PROBING && probe_too)) {
        net_conflict(net, &net->v4, &packet.sender_mac, now_ns);
        return;
    }
    if (net->v4.state != NET_READY) {
        return;
    }
    const bool for_us = packet.target_v4 == net->setup.v4;
    const struct address sender = address_of_v4(packet.sender_v4);
    struct address hop;
    if (route_next_hop(&net->routes, &sender, &hop) && address_equal(&hop, &sender)) {
        net_heard(net, &sender, &packet.sender_mac,
                  NEIGHBOR_ARP | (for_us ? (uint8_t)NEIGHBOR_CREATE : 0), now_ns);
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

uint32_t net_segment_sum(const struct net_segment *segment)
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

bool net_limited(struct net *net, uint64_t now_ns)
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
    if (segment->len > segment->first.bytes.len || net_limited(net, now_ns)) {
        return false; /* Pings beyond one buffer are not answered. */
    }
    const bool v4 = address_is_v4(&segment->target);
    uint8_t *to = net_frame_begin(net, &segment->target, &segment->source,
                                  v4 ? IPV4_ICMP : IPV6_ICMP, &frame, now_ns);
    if (to == NULL) {
        return false;
    }
    icmp_write_echo_reply(to, segment->first.bytes.ptr, v4 ? ICMP_ECHO_REPLY : ICMP6_ECHO_REPLY);
    frame->body = (struct packet_piece){
        {segment->first.bytes.ptr + ICMP_BYTES, segment->len - ICMP_BYTES}, segment->first.buffer};
    net->counters[NET_OUT_ECHO]++;
    net_frame_end(net, frame, ICMP_BYTES, now_ns);
    return true;
}

enum net_verdict net_icmp_input(struct net *net, struct net_segment *segment, uint32_t pseudo,
                                struct icmp_error *error, uint64_t now_ns)
{
    net->counters[NET_IN_ICMP]++;
    enum net_verdict verdict = NET_TAKEN;
    if (checksum_finish(checksum_join(net_segment_sum(segment), pseudo, 0)) != 0) {
        net->counters[NET_IN_ICMP_CHECKSUM]++;
    } else {
        const struct bytes message = {segment->first.bytes.ptr,
                                      min_u32(segment->len, segment->first.bytes.len)};
        const bool v4 = address_is_v4(&segment->target);
        switch (v4 ? icmp_parse(message, error) : icmp6_parse(message, error)) {
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
            verdict = address_equal(&error->source, &segment->target) ? NET_TCP_ERROR : NET_TAKEN;
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
    if (net_limited(net, now_ns)) {
        return;
    }
    uint8_t *to =
        net_frame_begin(net, &segment->target, &segment->source, IPV4_ICMP, &frame, now_ns);
    if (to != NULL) {
        net->counters[NET_OUT_ERRORS]++;
        net_frame_end(net, frame, icmp_write_unreachable(to, code, packet), now_ns);
    }
}

bool net_tcp_sum_good(const struct net_segment *segment, uint16_t flags)
{
    if (flags & (PACKET_L4_GOOD | PACKET_L4_BAD)) {
        return (flags & PACKET_L4_GOOD) != 0;
    }
    const uint32_t pseudo =
        checksum_pseudo(&segment->source, &segment->target, IPV4_TCP, segment->len);
    return checksum_finish(checksum_join(net_segment_sum(segment), pseudo, 0)) == 0;
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

enum net_verdict net_drop(struct net *net, const struct packet_in *packet, enum net_counter counter)
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
        return net_drop(net, packet, counter_of(status));
    }
    if (header.target != net->setup.v4 || net->v4.state == NET_ABSENT) {
        return NET_FOREIGN;
    }
    if (status == IPV4_FRAGMENT || header.source == net->setup.v4) {
        return net_drop(net, packet, status == IPV4_FRAGMENT ? NET_IN_FRAGMENT : NET_IN_BAD_SOURCE);
    }
    if (net->v4.state != NET_READY) {
        return net_drop(net, packet, NET_IN_UNREADY);
    }
    *segment =
        (struct net_segment){.source = address_of_v4(header.source),
                             .target = net->v4.address,
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
        return net_icmp_input(net, segment, 0, error, now_ns);
    }
    if (header.protocol != IPV4_TCP) {
        const uint8_t code = header.protocol == IPV4_UDP ? (uint8_t)ICMP_PORT_UNREACHABLE
                                                         : (uint8_t)ICMP_PROTOCOL_UNREACHABLE;
        unreachable_send(net, segment, code, head, now_ns);
        return net_drop(net, packet, NET_IN_PROTOCOL);
    }
    if (!net_tcp_sum_good(segment, packet->flags)) {
        return net_drop(net, packet, NET_IN_TCP_CHECKSUM);
    }
    net->counters[NET_IN_SEGMENTS]++;
    return NET_TCP;
}

LINK_INLINE bool net_input_usual(struct net *net, const struct packet_in *packet,
                                 struct net_segment *segment)
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
        packet->more_count | net->setup.vlan | (packet->flags & bad) | (net->v4.state ^ NET_READY);
    if (odd != 0 || total < HEAD - IP || IP + total > packet->first.bytes.len ||
        !address_v4_is_host(source) || source == net->setup.v4) {
        return false;
    }
    segment->source = address_of_v4(source);
    segment->target = net->v4.address;
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
    if ((packet->flags & PACKET_L4_GOOD) == 0 && !net_tcp_sum_good(segment, 0)) {
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
        return net_drop(net, packet, NET_IN_SHORT);
    }
    const bool for_us = mac_equal(&header.target, &net->setup.mac);
    if (header.vlan != net->setup.vlan) {
        return NET_FOREIGN;
    }
    if (header.type == ETHERNET_ARP && (for_us || mac_is_group(&header.target))) {
        const struct bytes bytes = {packet->first.bytes.ptr + header.len,
                                    packet->first.bytes.len - header.len};
        arp_input(net, bytes, now_ns);
        if (net->setup.neighbors_foreign) {
            return NET_FOREIGN;
        }
        net_release(net, &packet->first, packet->more, packet->more_count);
        return NET_TAKEN;
    }
    if (header.type == ETHERNET_IPV6 && (for_us || mac_is_group(&header.target))) {
        return net6_input(net, packet, header.len, segment, error, now_ns);
    }
    if (header.type != ETHERNET_IPV4 || !for_us) {
        return NET_FOREIGN; /* TCP is never answered to a group address (RFC 9293 MUST-57). */
    }
    return ipv4_input(net, packet, header.len, segment, error, now_ns);
}
