/* IPv6 (RFC 8200), ICMPv6 (RFC 4443) and neighbour discovery of hosts (RFC 4861, RFC 4862 5.4). */
#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv4.h"
#include "dataplane/net/ipv6.h"
#include "dataplane/net/nd.h"
#include "dataplane/net/net_parts.h"

/* ---- Neighbour discovery ---- */

static void nd_send(struct net *net, const struct nd_packet *packet, const struct address *source,
                    const struct address *target, const struct mac *mac)
{
    struct net_frame *frame = net_frame_take(net);
    if (frame == NULL) {
        return;
    }
    uint8_t *ip = frame->bytes + frame->l2_len;
    frame->ethernet_type = ETHERNET_IPV6;
    frame->l3_len = IPV6_BYTES;
    ipv6_write(ip, source, target, IPV6_ICMP, ND_HOP_LIMIT);
    const uint16_t len = nd_write(ip + IPV6_BYTES, packet, source, target);
    ipv6_write_length(ip, len);
    frame->len = (uint16_t)(frame->l2_len + IPV6_BYTES + len);
    net_frame_send(net, frame, mac);
}

static void nd_send_group(struct net *net, const struct nd_packet *packet,
                          const struct address *source, const struct address *group)
{
    const struct mac mac = ipv6_group_mac(group);
    nd_send(net, packet, source, group, &mac);
}

static void advertise_all(struct net *net)
{
    const struct nd_packet packet = {.advertisement = true,
                                     .override = true,
                                     .has_mac = true,
                                     .mac = net->setup.mac,
                                     .target = net->v6.address};
    nd_send_group(net, &packet, &net->v6.address, &ipv6_all_nodes);
}

void net6_announce(struct net *net, bool probing)
{
    static const struct address nobody;
    if (!probing) {
        advertise_all(net);
        return;
    }
    const struct nd_packet packet = {.target = net->v6.address};
    const struct address group = ipv6_solicited_group(&net->v6.address);
    nd_send_group(net, &packet, &nobody, &group);
}

void net6_request(struct net *net, const struct neighbor_request *request)
{
    const struct nd_packet packet = {
        .has_mac = true, .mac = net->setup.mac, .target = request->address};
    if (request->broadcast) {
        const struct address group = ipv6_solicited_group(&request->address);
        nd_send_group(net, &packet, &net->v6.address, &group);
    } else {
        nd_send(net, &packet, &net->v6.address, &request->address, &request->mac);
    }
}

/* Somebody asks for our address. `from` sent the frame: who leaves his MAC out means that one. */
static void solicited(struct net *net, const struct nd_packet *packet,
                      const struct ipv6_header *header, const struct mac *from, uint64_t now_ns)
{
    struct net_own *own = &net->v6;
    struct address hop;
    const bool probe = address_is_zero(&header->source);
    if (address_equal(&header->source, &own->address) || (own->state == NET_PROBING && probe)) {
        net_conflict(net, own, from, now_ns);
        return;
    }
    if (own->state != NET_READY) {
        return;
    }
    if (probe) { /* RFC 4861 7.2.4: who has no address yet hears what all do. */
        advertise_all(net);
        return;
    }
    if (packet->has_mac && route_next_hop(&net->routes, &header->source, &hop) &&
        address_equal(&hop, &header->source)) {
        net_heard(net, &header->source, &packet->mac, NEIGHBOR_CREATE | NEIGHBOR_OVERRIDE, now_ns);
    }
    const struct nd_packet answer = {.advertisement = true,
                                     .solicited = true,
                                     .override = true,
                                     .has_mac = true,
                                     .mac = net->setup.mac,
                                     .target = own->address};
    nd_send(net, &answer, &own->address, &header->source, packet->has_mac ? &packet->mac : from);
}

static void advertised(struct net *net, const struct nd_packet *packet, const struct mac *from,
                       uint64_t now_ns)
{
    const uint8_t how = (uint8_t)((packet->solicited ? NEIGHBOR_CONFIRM : 0) |
                                  (packet->override ? NEIGHBOR_OVERRIDE : 0));
    if (address_equal(&packet->target, &net->v6.address)) {
        net_conflict(net, &net->v6, packet->has_mac ? &packet->mac : from, now_ns);
    } else if (net->v6.state == NET_READY) {
        net_heard(net, &packet->target, packet->has_mac ? &packet->mac : NULL, how, now_ns);
    }
}

/* RFC 4861 7.1: what is not valid is dropped, and says nothing. */
static bool nd_valid(const struct net_segment *segment, const struct ipv6_header *header,
                     struct nd_packet *packet)
{
    const struct bytes message = {segment->first.bytes.ptr, segment->len};
    if (header->hop_limit != ND_HOP_LIMIT || segment->len > segment->first.bytes.len ||
        !nd_parse(message, packet)) {
        return false;
    }
    if (packet->advertisement) {
        return !packet->solicited || !address_v6_is_group(&header->target);
    }
    const struct address group = ipv6_solicited_group(&packet->target);
    return !address_is_zero(&header->source) ||
           (!packet->has_mac && address_equal(&header->target, &group));
}

static void nd_input(struct net *net, const struct net_segment *segment,
                     const struct ipv6_header *header, const struct mac *from, uint64_t now_ns)
{
    struct nd_packet packet;
    net->counters[NET_IN_ND]++;
    if (!nd_valid(segment, header, &packet)) {
        net->counters[NET_IN_BAD_HEADER]++;
    } else if (mac_equal(from, &net->setup.mac)) {
        return; /* Our own, come back. */
    } else if (packet.advertisement) {
        advertised(net, &packet, from, now_ns);
    } else if (address_equal(&packet.target, &net->v6.address)) {
        solicited(net, &packet, header, from, now_ns);
    }
}

/* ---- In ---- */

/* An error about the packet, which goes along as far as it may (RFC 4443 2.4 c). True: its first
 * buffer went into it. */
static bool error_send(struct net *net, const struct net_segment *segment, struct bytes packet,
                       uint8_t type, uint8_t code, uint32_t parameter, uint64_t now_ns)
{
    struct net_frame *frame;
    const uint32_t room = IPV6_MTU_MIN - IPV6_BYTES - ICMP_BYTES;
    if (net_limited(net, now_ns)) {
        return false;
    }
    uint8_t *to =
        net_frame_begin(net, &segment->target, &segment->source, IPV6_ICMP, &frame, now_ns);
    if (to == NULL) {
        return false;
    }
    packet.len = min_u32(packet.len, room);
    frame->body = (struct packet_piece){packet, segment->first.buffer};
    const uint32_t pseudo =
        checksum_pseudo(&segment->target, &segment->source, IPV6_ICMP, ICMP_BYTES + packet.len);
    icmp6_write_error(to, type, code, parameter,
                      checksum_join(pseudo, checksum_sum(packet.ptr, packet.len), 0));
    net->counters[NET_OUT_ERRORS]++;
    net_frame_end(net, frame, ICMP_BYTES, now_ns);
    return true;
}

/* Counts it, and says so if the sender is to know. */
static enum net_verdict refuse(struct net *net, const struct packet_in *packet,
                               const struct net_segment *segment, struct bytes head, uint8_t type,
                               uint8_t code, uint32_t parameter, uint64_t now_ns)
{
    const enum net_counter counter = type == ICMP6_PARAMETER && code != ICMP6_WRONG_PROTOCOL
                                         ? NET_IN_BAD_OPTIONS
                                         : NET_IN_PROTOCOL;
    if (!error_send(net, segment, head, type, code, parameter, now_ns)) {
        return net_drop(net, packet, counter);
    }
    net->counters[counter]++;
    for (uint32_t i = 0; i < packet->more_count; i++) {
        net->setup.release(net->setup.context, packet->more[i].buffer);
    }
    return NET_TAKEN;
}

/* Groups are read for neighbour discovery alone. */
static enum net_verdict group_input(struct net *net, const struct packet_in *packet,
                                    const struct net_segment *segment,
                                    const struct ipv6_header *header, uint64_t now_ns)
{
    const struct address group = ipv6_solicited_group(&net->v6.address);
    const bool ours =
        address_equal(&header->target, &ipv6_all_nodes) || address_equal(&header->target, &group);
    const uint8_t type =
        segment->len != 0 && segment->first.bytes.len != 0 ? segment->first.bytes.ptr[0] : 0;
    if (ours && header->protocol == IPV6_ICMP &&
        (type == ICMP6_SOLICITATION || type == ICMP6_ADVERTISEMENT)) {
        const uint32_t pseudo =
            checksum_pseudo(&header->source, &header->target, IPV6_ICMP, segment->len);
        if (checksum_finish(checksum_join(net_segment_sum(segment), pseudo, 0)) != 0) {
            return net_drop(net, packet, NET_IN_ICMP_CHECKSUM);
        }
        const struct mac *from = (const struct mac *)(packet->first.bytes.ptr + 6);
        nd_input(net, segment, header, from, now_ns);
        if (!net->setup.neighbors_foreign) {
            net_release(net, &packet->first, packet->more, packet->more_count);
            return NET_TAKEN;
        }
    }
    return NET_FOREIGN;
}

static enum net_verdict icmp_input(struct net *net, struct net_segment *segment,
                                   const struct packet_in *packet, const struct ipv6_header *header,
                                   struct icmp_error *error, uint64_t now_ns)
{
    const uint8_t type = segment->first.bytes.len != 0 ? segment->first.bytes.ptr[0] : 0;
    const uint32_t pseudo =
        checksum_pseudo(&segment->source, &segment->target, IPV6_ICMP, segment->len);
    if (type != ICMP6_SOLICITATION && type != ICMP6_ADVERTISEMENT) {
        return net_icmp_input(net, segment, pseudo, error, now_ns);
    }
    if (checksum_finish(checksum_join(net_segment_sum(segment), pseudo, 0)) != 0) {
        return net_drop(net, packet, NET_IN_ICMP_CHECKSUM);
    }
    nd_input(net, segment, header, (const struct mac *)(packet->first.bytes.ptr + 6), now_ns);
    net_release(net, &packet->first, packet->more, packet->more_count);
    return NET_TAKEN;
}

/* By what stands behind the header, which is in order and for us alone. */
static enum net_verdict protocol_input(struct net *net, const struct packet_in *packet,
                                       const struct ipv6_header *header, struct bytes head,
                                       struct net_segment *segment, struct icmp_error *error,
                                       uint64_t now_ns)
{
    switch (header->protocol) {
    case IPV6_ICMP: return icmp_input(net, segment, packet, header, error, now_ns);
    case IPV4_TCP:
        if (!net_tcp_sum_good(segment, packet->flags)) {
            return net_drop(net, packet, NET_IN_TCP_CHECKSUM);
        }
        net->counters[NET_IN_SEGMENTS]++;
        return NET_TCP;
    case IPV4_UDP:
        return refuse(net, packet, segment, head, ICMP6_UNREACHABLE, ICMP6_NO_PORT, 0, now_ns);
    case IPV6_NOTHING: return net_drop(net, packet, NET_IN_PROTOCOL);
    default:
        return refuse(net, packet, segment, head, ICMP6_PARAMETER, ICMP6_WRONG_PROTOCOL,
                      header->next_at, now_ns);
    }
}

/* The counter of each status that says nothing to anybody. */
static enum net_counter counter_of(enum ipv6_status status)
{
    switch (status) {
    case IPV6_SHORT: return NET_IN_SHORT;
    case IPV6_TRUNCATED: return NET_IN_TRUNCATED;
    case IPV6_BAD_SOURCE: return NET_IN_BAD_SOURCE;
    case IPV6_FRAGMENT: return NET_IN_FRAGMENT;
    case IPV6_BAD_FIELD:
    case IPV6_BAD_OPTION: return NET_IN_BAD_OPTIONS;
    case IPV6_OK:
    case IPV6_BAD_HEADER: break;
    }
    return NET_IN_BAD_HEADER;
}

static struct net_segment segment_of(const struct packet_in *packet, struct bytes head,
                                     const struct ipv6_header *header)
{
    return (struct net_segment){
        .source = header->source,
        .target = header->target,
        .first = {{head.ptr + header->header_len, head.len - header->header_len},
                  packet->first.buffer},
        .more = packet->more,
        .more_count = packet->more_count,
        .len = header->total_len - header->header_len,
        .segments = packet->segments,
        .odd = (uint8_t)((packet->more_count != 0 ? NET_ODD_PIECES : 0) |
                         (header->ecn == NET_ECN_MARK ? NET_ODD_MARK : 0))};
}

enum net_verdict net6_input(struct net *net, const struct packet_in *packet, uint32_t l2_len,
                            struct net_segment *segment, struct icmp_error *error, uint64_t now_ns)
{
    struct bytes head = {packet->first.bytes.ptr + l2_len, packet->first.bytes.len - l2_len};
    uint32_t packet_len = head.len;
    struct ipv6_header header;
    if (net->v6.state == NET_ABSENT) {
        return NET_FOREIGN;
    }
    for (uint32_t i = 0; i < packet->more_count; i++) {
        packet_len += packet->more[i].bytes.len;
    }
    const enum ipv6_status status = ipv6_parse(head, packet_len, &header);
    if (status == IPV6_SHORT || status == IPV6_BAD_HEADER || status == IPV6_TRUNCATED ||
        status == IPV6_BAD_SOURCE) {
        return net_drop(net, packet, counter_of(status));
    }
    head.len = min_u32(head.len, header.total_len); /* Without padding of the frame. */
    *segment = segment_of(packet, head, &header);
    if (status == IPV6_OK && address_v6_is_group(&header.target)) {
        return group_input(net, packet, segment, &header, now_ns);
    }
    if (!address_equal(&header.target, &net->v6.address) ||
        mac_is_group((const struct mac *)packet->first.bytes.ptr)) {
        return NET_FOREIGN; /* TCP is never answered to a group address (RFC 9293 MUST-57). */
    }
    if (address_equal(&header.source, &net->v6.address) || address_is_zero(&header.source)) {
        return net_drop(net, packet, NET_IN_BAD_SOURCE);
    }
    if (net->v6.state != NET_READY) {
        return net_drop(net, packet, NET_IN_UNREADY);
    }
    if (status != IPV6_OK && !header.tell) {
        return net_drop(net, packet, counter_of(status));
    }
    if (status != IPV6_OK) {
        const uint8_t code =
            status == IPV6_BAD_FIELD ? (uint8_t)ICMP6_WRONG_FIELD : (uint8_t)ICMP6_WRONG_OPTION;
        return refuse(net, packet, segment, head, ICMP6_PARAMETER, code, header.wrong_at, now_ns);
    }
    return protocol_input(net, packet, &header, head, segment, error, now_ns);
}
