#include "tests/dataplane/tcp/rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/nd.h"

enum { FRAME_BYTES = 2048 };

struct rig rig;

static _Alignas(64) uint8_t net_memory[1 << 16];
static _Alignas(64) uint8_t tcp_memory[1 << 22];
static uint8_t bytes_sent[RIG_BYTES_SENT_MAX];

static const struct mac peer_mac = {{2, 0, 0, 0, 0, 2}};
static struct route links[2];

struct address rig_us(void)
{
    return rig.v6 ? (struct address){{0xfd, [15] = 1}} : address_of_v4(RIG_US);
}

struct address rig_peer_address(void)
{
    return rig.v6 ? (struct address){{0xfd, [15] = 2}} : address_of_v4(RIG_PEER);
}

uint8_t rig_byte(uint64_t offset)
{
    return (uint8_t)(offset * 7 + offset / 256);
}

void rig_wrong(const char *what, long long got, long long want)
{
    if (rig.trouble == NULL) {
        snprintf(rig.trouble_text, sizeof(rig.trouble_text), "%s: got %lld, want %lld", what, got,
                 want);
        rig.trouble = rig.trouble_text;
    }
}

static void buffer_release(void *context, void *buffer)
{
    (void)context;
    free(buffer);
    rig.buffers_out--;
}

/* ---- The user ---- */

static void *on_open(void *context, struct tcp_connection *c, const struct network_address *peer,
                     const struct network_address *local, uint32_t listener)
{
    (void)context;
    (void)peer;
    (void)local;
    (void)listener;
    if (rig.refusing) {
        return NULL;
    }
    rig.connection = c;
    rig.opened = true;
    return &rig;
}

static void on_data(void *user, struct received_piece piece)
{
    (void)user;
    for (uint32_t i = 0; i < piece.bytes.len; i++) {
        if (piece.bytes.ptr[i] != rig_byte(rig.received + i)) {
            rig_wrong("a byte received differs", piece.bytes.ptr[i], rig_byte(rig.received + i));
        }
    }
    rig.received += piece.bytes.len;
    if (rig.holding && rig.held_count < RIG_HELD_MAX) {
        rig.held[rig.held_count++] = piece.buffer;
    } else {
        tcp_release(rig.tcp, piece.buffer);
    }
}

static void on_end(void *user)
{
    (void)user;
    rig.ended = true;
}

static void on_sent(void *user, uint64_t token)
{
    (void)user;
    if (token != rig.returned && !rig.several) {
        rig_wrong("a send came back out of order", (long long)token, (long long)rig.returned);
    }
    rig.returned++;
}

static void on_room(void *user)
{
    (void)user;
    rig.rooms++;
}

static void on_close(void *user, enum transport_close_reason why)
{
    (void)user;
    rig.closed = true;
    rig.reason = why;
    rig.connection = NULL;
}

static const struct tcp_user user_calls = {on_open,  on_data, on_end, on_sent, on_room,
                                           on_close, NULL,    NULL,   NULL};

bool rig_try_send(uint32_t len)
{
    const struct send_part part = {{bytes_sent + rig.given, len}};
    ASSERT(rig.given + len <= sizeof(bytes_sent));
    if (rig.connection == NULL || !tcp_send(rig.connection, &part, 1, rig.sends)) {
        return false;
    }
    rig.sends++;
    rig.given += len;
    return true;
}

void rig_send(uint32_t len)
{
    if (!rig_try_send(len)) {
        rig_wrong("a send was refused", 0, 1);
    }
}

void rig_release_held(void)
{
    while (rig.held_count > 0) {
        tcp_release(rig.tcp, rig.held[--rig.held_count]);
    }
    rig.holding = false;
}

/* ---- What leaves ---- */

static void check_payload(const struct packet_out *out, uint32_t sequence, uint32_t sum)
{
    uint32_t offset = 0;
    for (uint32_t i = 0; i < out->part_count; i++) {
        sum = checksum_join(sum, checksum_sum(out->parts[i].ptr, out->parts[i].len), offset);
        const uint8_t *want = bytes_sent + sequence - 1 + offset;
        if (memcmp(out->parts[i].ptr, want, out->parts[i].len) != 0) {
            rig_wrong("bytes sent differ at", sequence, 0);
        }
        offset += out->parts[i].len;
    }
    if (offset != out->payload_len) {
        rig_wrong("the parts of a packet are not its payload", offset, out->payload_len);
    }
    if (!(out->flags & PACKET_OUT_TCP_CHECKSUM) && checksum_finish(sum) != 0) {
        rig_wrong("a checksum is wrong", checksum_finish(sum), 0);
    }
}

/* Reads the IP header. Returns the protocol. */
static uint8_t take_header(const struct packet_out *out, struct rig_packet *packet)
{
    const uint8_t *ip = out->header + out->l2_len;
    const uint32_t len = (uint32_t)out->l3_len + out->l4_len + out->payload_len;
    memcpy(packet->mac.bytes, out->header, sizeof(packet->mac.bytes));
    if (out->l3_len == IPV6_BYTES) {
        memcpy(packet->source.bytes, ip + 8, 16);
        memcpy(packet->target.bytes, ip + 24, 16);
        packet->ttl = ip[7];
        packet->ecn = ip[1] >> IPV6_ECN_SHIFT & NET_ECN_MASK;
        if (load_be16(ip + 4) + (uint32_t)IPV6_BYTES != len || ip[0] >> 4 != 6) {
            rig_wrong("the length of an IPv6 header", load_be16(ip + 4), len - IPV6_BYTES);
        }
        return ip[6];
    }
    packet->source = address_of_v4(load_be32(ip + 12));
    packet->target = address_of_v4(load_be32(ip + 16));
    packet->ttl = ip[8];
    packet->ecn = ip[1] & NET_ECN_MASK;
    if ((out->flags & PACKET_OUT_IP_CHECKSUM) == 0 &&
        checksum_finish(checksum_sum(ip, IPV4_BYTES)) != 0) {
        rig_wrong("the sum of an IP header", 1, 0);
    }
    return ip[9];
}

static void take_icmp(const struct packet_out *out, struct rig_packet *packet)
{
    const uint8_t *icmp = out->header + out->l2_len + out->l3_len;
    const uint32_t len = out->l4_len + out->payload_len;
    uint32_t sum = checksum_sum(icmp, out->l4_len);
    for (uint32_t i = 0; i < out->part_count; i++) { /* One, behind an even number. */
        sum = checksum_join(sum, checksum_sum(out->parts[i].ptr, out->parts[i].len), 0);
    }
    if (out->l3_len == IPV6_BYTES) {
        sum = checksum_join(sum, checksum_pseudo(&packet->source, &packet->target, IPV6_ICMP, len),
                            0);
    }
    if (checksum_finish(sum) != 0) {
        rig_wrong("the sum of an ICMP message", checksum_finish(sum), 0);
    }
    packet->icmp = true;
    packet->icmp_type = icmp[0];
    packet->icmp_code = icmp[1];
    packet->icmp_word = load_be32(icmp + 4);
    packet->icmp_len = len;
    if (icmp[0] == ICMP6_SOLICITATION || icmp[0] == ICMP6_ADVERTISEMENT) {
        memcpy(packet->about.bytes, icmp + 8, 16);
    }
}

static void take_packet(const struct packet_out *out)
{
    const uint8_t *l4 = out->header + out->l2_len + out->l3_len;
    if (out->l3_len == 0) {
        return; /* ARP. */
    }
    struct rig_packet *packet = &rig.packets[rig.left++ % RIG_PACKETS_MAX];
    *packet = (struct rig_packet){
        .part_count = out->part_count, .flags = out->flags, .tso_bytes = out->tso_bytes};
    if (take_header(out, packet) != IPV4_TCP) {
        take_icmp(out, packet);
        const bool discovery =
            packet->icmp_type == ICMP6_SOLICITATION || packet->icmp_type == ICMP6_ADVERTISEMENT;
        rig.left -= discovery && !rig.discovering ? 1 : 0;
        return;
    }
    struct segment *segment = &packet->segment;
    if (!segment_parse((struct bytes){l4, out->l4_len}, out->l4_len + out->payload_len, segment)) {
        rig_wrong("a packet cannot be read", 0, 1);
        return;
    }
    memcpy(&packet->checksum, l4 + 16, sizeof(packet->checksum));
    if ((segment->flags & SEGMENT_SYN) && !rig.isn_known) {
        rig.our_isn = segment->sequence;
        rig.isn_known = true;
    }
    segment->sequence -= rig.our_isn;
    rig.local_port = segment->source_port;
    rig.our_tsval = segment->has_timestamp ? segment->tsval : rig.our_tsval;
    if (rig.several) {
        return;
    }
    const uint32_t sum =
        checksum_pseudo(&packet->source, &packet->target, IPV4_TCP, out->l4_len + out->payload_len);
    check_payload(out, segment->sequence, checksum_join(sum, checksum_sum(l4, out->l4_len), 0));
}

static void pull(void)
{
    uint8_t header[PACKET_HEADER_BYTES];
    struct packet_out out = {.header = header};
    while (tcp_output(rig.tcp, &out, 1, rig.now_ns) == 1) {
        take_packet(&out);
        if (rig.keep_pins && out.pin.kind == PACKET_PIN_EXTENTS) {
            ASSERT(rig.pin_count < RIG_PACKETS_MAX);
            rig.pins[rig.pin_count++] = out.pin;
        } else {
            tcp_released(rig.tcp, &out.pin);
        }
    }
}

void rig_release_pins(void)
{
    for (uint32_t i = 0; i < rig.pin_count; i++) {
        tcp_released(rig.tcp, &rig.pins[i]);
    }
    rig.pin_count = 0;
}

void rig_pump(void)
{
    const struct address peer = rig_peer_address();
    if (!rig.discovering) { /* Who is where is not the matter. */
        neighbor_learn(&rig.net->neighbors, &peer, &peer_mac, NEIGHBOR_ARP | NEIGHBOR_CREATE,
                       rig.now_ns);
    }
    (void)tcp_turn(rig.tcp, 1000, rig.now_ns);
    for (uint32_t i = 0; i < 2; i++) { /* What the user does when told leaves too. */
        (void)tcp_deliver(rig.tcp, 1000, rig.now_ns);
        pull();
    }
    const char *broken = tcp_invariants(rig.tcp);
    if (broken != NULL) {
        rig.trouble = broken;
    }
}

void rig_pass(uint64_t ms)
{
    const uint64_t end_ns = rig.now_ns + ms * 1000000;
    while (rig.now_ns < end_ns) {
        const uint64_t next_ns = tcp_next_deadline_ns(rig.tcp);
        rig.now_ns = min_u64(end_ns, max_u64(next_ns, rig.now_ns + 1000));
        rig_pump();
    }
}

const struct rig_packet *rig_take(void)
{
    return rig.taken == rig.left ? NULL : &rig.packets[rig.taken++ % RIG_PACKETS_MAX];
}

/* ---- What arrives ---- */

/* The IP header with what is odd about it, for so many bytes behind it. Returns its length. */
static uint32_t write_header(uint8_t *ip, uint8_t protocol, const struct address *source,
                             const struct address *target, uint32_t len)
{
    const uint32_t extra = rig.odd.ip_options_len;
    if (!address_is_v4(target)) {
        ipv6_write(ip, source, target, extra != 0 ? rig.odd.extension : protocol,
                   rig.odd.hop_limit != 0 ? rig.odd.hop_limit : 64);
        ipv6_write_length(ip, extra + len);
        ip[1] = (uint8_t)(rig.odd.ecn << IPV6_ECN_SHIFT);
        memcpy(ip + IPV6_BYTES, rig.odd.ip_options, extra);
        return IPV6_BYTES + extra;
    }
    const uint32_t ip_len = IPV4_BYTES + extra;
    const struct ipv4_header header = {.source = address_v4(source),
                                       .target = address_v4(target),
                                       .total_len = (uint16_t)(ip_len + len),
                                       .protocol = protocol,
                                       .ecn = rig.odd.ecn,
                                       .ttl = 64};
    ipv4_write(ip, &header, true);
    if (extra != 0) {
        memcpy(ip + IPV4_BYTES, rig.odd.ip_options, extra);
        ip[0] = (uint8_t)(0x40 + ip_len / 4);
        memset(ip + 10, 0, 2);
        const uint16_t sum = checksum_finish(checksum_sum(ip, ip_len));
        memcpy(ip + 10, &sum, sizeof(sum));
    }
    return ip_len;
}

static void addresses_of_odd(struct address *source, struct address *target)
{
    *source = rig.odd.has_source ? rig.odd.source : rig_peer_address();
    *target = rig.odd.has_target ? rig.odd.target : rig_us();
}

static void put_frame(uint8_t protocol, const uint8_t *l4, uint32_t len)
{
    struct address source;
    struct address target;
    addresses_of_odd(&source, &target);
    uint8_t *frame = malloc(FRAME_BYTES);
    const struct mac group = ipv6_group_mac(&target);
    const bool v4 = address_is_v4(&target);
    ethernet_write(frame, rig.odd.group ? &group : &rig.net_setup.mac, &peer_mac, 0,
                   v4 ? ETHERNET_IPV4 : ETHERNET_IPV6);
    const uint32_t ip_len = write_header(frame + 14, protocol, &source, &target, len);
    memcpy(frame + 14 + ip_len, l4, len);
    rig.buffers_out++;
    rig.odd = (struct rig_odd){0};
    rig.arriving[rig.arriving_count++] =
        (struct packet_in){.first = {{frame, 14 + ip_len + len}, frame}, .segments = 1};
    if (!rig.gathering || rig.arriving_count == TCP_BURST_MAX) {
        rig_burst();
    }
}

void rig_burst(void)
{
    tcp_input(rig.tcp, rig.arriving, rig.arriving_count, rig.now_ns);
    rig.arriving_count = 0;
}

void rig_put_quietly(struct segment *segment, uint32_t sequence)
{
    uint8_t bytes[FRAME_BYTES];
    const struct rig_odd *odd = &rig.odd;
    struct address source;
    struct address target;
    addresses_of_odd(&source, &target);
    segment->source_port = segment->source_port != 0 ? segment->source_port : RIG_PEER_PORT;
    segment->target_port = rig.local_port;
    segment->sequence = RIG_PEER_ISN + sequence;
    segment->ack += rig.our_isn;
    for (uint32_t i = 0; i < segment->sack_count; i++) {
        segment->sacks[i].start += rig.our_isn;
        segment->sacks[i].end += rig.our_isn;
    }
    uint32_t header_len = segment_write(bytes, segment);
    memcpy(bytes + header_len, odd->options, odd->options_len);
    header_len += odd->options_len;
    bytes[12] = (uint8_t)(header_len << 2);
    store_be16(bytes + 18, odd->urgent);
    for (uint32_t i = 0; i < segment->len; i++) {
        bytes[header_len + i] = rig_byte(sequence - 1 + i);
    }
    const uint32_t len = header_len + segment->len;
    uint32_t sum = checksum_pseudo(&source, &target, IPV4_TCP, len);
    uint16_t field = checksum_finish(checksum_join(sum, checksum_sum(bytes, len), 0));
    field ^= odd->checksum ? 1 : 0;
    memcpy(bytes + 16, &field, sizeof(field));
    put_frame(IPV4_TCP, bytes, len);
}

void rig_put(struct segment *segment, uint32_t sequence)
{
    rig_put_quietly(segment, sequence);
    rig_pump();
}

static struct segment plain(uint32_t ack, uint32_t len)
{
    return (struct segment){.flags = SEGMENT_ACK,
                            .ack = ack,
                            .window = UINT16_MAX,
                            .len = len,
                            .has_timestamp = rig.connection != NULL && rig.connection->timestamps,
                            .tsval = rig.connection != NULL ? rig.connection->ts_recent : 0,
                            .tsecr = rig.our_tsval};
}

void rig_ack(uint32_t ack)
{
    struct segment segment = plain(ack, 0);
    rig_put(&segment, rig.connection->rcv_nxt - RIG_PEER_ISN);
}

void rig_data(uint32_t sequence, uint32_t len)
{
    struct segment segment = plain(rig.connection->snd_una - rig.our_isn, len);
    rig_put(&segment, sequence);
}

void rig_put_message(uint8_t *message, uint32_t len)
{
    struct address source;
    struct address target;
    addresses_of_odd(&source, &target);
    const bool v4 = address_is_v4(&target);
    const uint32_t pseudo = v4 ? 0 : checksum_pseudo(&source, &target, IPV6_ICMP, len);
    const uint16_t sum =
        (uint16_t)(checksum_finish(checksum_join(checksum_sum(message, len), pseudo, 0)) ^
                   (rig.odd.checksum ? 1 : 0));
    memcpy(message + 2, &sum, sizeof(sum));
    put_frame(v4 ? IPV4_ICMP : IPV6_ICMP, message, len);
    rig_pump();
}

void rig_put_icmp(uint8_t type, uint8_t code, uint16_t mtu, uint32_t sequence)
{
    uint8_t bytes[ICMP_BYTES + IPV6_BYTES + 8] = {type, code};
    const struct address us = rig_us();
    const struct address peer = rig_peer_address();
    store_be16(bytes + 6, mtu);
    const struct ipv4_header quoted = {
        .source = RIG_US, .target = RIG_PEER, .total_len = 1500, .protocol = IPV4_TCP};
    if (rig.v6) {
        ipv6_write(bytes + 8, &us, &peer, IPV4_TCP, 1);
    } else {
        ipv4_write(bytes + 8, &quoted, true);
    }
    uint8_t *tcp = bytes + 8 + (rig.v6 ? IPV6_BYTES : IPV4_BYTES);
    store_be16(tcp, rig.local_port);
    store_be16(tcp + 2, RIG_PEER_PORT);
    store_be32(tcp + 4, rig.our_isn + sequence);
    rig_put_message(bytes, (uint32_t)(tcp + 8 - bytes));
}

/* ---- Beginning and end ---- */

void rig_prepare(void)
{
    if (bytes_sent[1] == 0) {
        for (uint32_t i = 0; i < sizeof(bytes_sent); i++) {
            bytes_sent[i] = rig_byte(i);
        }
    }
    links[0] = route_v4(0x0a000000, 24, 0);
    rig = (struct rig){.now_ns = 1000000000};
    rig.net_setup = (struct net_setup){.mac = {{2, 0, 0, 0, 0, 1}},
                                       .v4 = RIG_US,
                                       .mtu = 1500,
                                       .parts_max = 4,
                                       .routes = links,
                                       .route_count = 1,
                                       .neighbor_count_max = 4,
                                       .frame_count_max = 16,
                                       .release = buffer_release};
    rig.setup = tcp_setup_usual();
    rig.setup.user = &user_calls;
    rig.setup.congestion = &congestion_reno;
    rig.setup.secret[0] = 1;
    rig.setup.secret[3] = 9;
    rig.setup.connection_count_max = 8;
    rig.setup.half_open_count_max = 8;
    rig.setup.time_wait_count_max = 8;
    rig.setup.extent_count_max = 64;
    rig.setup.record_count_max = 256;
    rig.setup.piece_count_max = 256;
    rig.setup.receive_bytes_min = rig.setup.receive_bytes_max = 65535;
    rig.setup.rto_min_ms = 200;
    rig.setup.peer_ack_delay_ms = 40;
}

void rig_family_v6(void)
{
    rig.v6 = true;
    rig.net_setup.v6 = rig_us();
    links[1] = route_of_host(&rig.net_setup.v6, 64);
    rig.net_setup.route_count = 2;
    rig.net_setup.mtu = 1520; /* The same payload as of IPv4. */
}

void rig_start(void)
{
    if (rig.tcp != NULL) {
        return;
    }
    memset(net_memory, 0, sizeof(net_memory));
    memset(tcp_memory, 0, sizeof(tcp_memory));
    rig.net = net_create(net_memory, &rig.net_setup, rig.now_ns);
    rig.setup.net = rig.net;
    ASSERT(rig.net != NULL && tcp_memory_bytes(&rig.setup) <= sizeof(tcp_memory));
    rig.tcp = tcp_create(tcp_memory, &rig.setup, rig.now_ns);
    rig.local_port = RIG_OUR_PORT;
    rig_pump();
}

void rig_open(const struct rig_peer *peer)
{
    uint32_t listener;
    rig_start();
    if (!tcp_listen(rig.tcp, RIG_OUR_PORT, 8, &listener)) {
        rig_wrong("listen", 0, 1);
    }
    struct segment syn = {.flags = SEGMENT_SYN,
                          .window = UINT16_MAX,
                          .mss = peer->mss != 0 ? peer->mss : 1460,
                          .sack_permitted = !peer->no_sack,
                          .has_wscale = !peer->no_scale,
                          .wscale = peer->wscale,
                          .has_timestamp = peer->timestamps,
                          .tsval = 1000};
    rig_put(&syn, 0);
    rig_pass(1);
    struct segment ack = {.flags = SEGMENT_ACK,
                          .window = UINT16_MAX,
                          .ack = 1,
                          .has_timestamp = peer->timestamps,
                          .tsval = 1000,
                          .tsecr = rig.our_tsval};
    rig_put(&ack, 1);
    if (!rig.opened) {
        rig_wrong("the handshake failed", 0, 1);
    }
    rig.taken = rig.left;
}

struct tcp_connection *rig_connection(uint16_t peer_port)
{
    const struct flow_key key = {.local = rig_us(),
                                 .remote = rig_peer_address(),
                                 .local_port = RIG_OUR_PORT,
                                 .remote_port = peer_port};
    struct tcp_connection *c = connection_make(rig.tcp, &key, flow_hash(&rig.tcp->flows, &key));
    ASSERT(c != NULL);
    c->iss = tcp_isn(rig.tcp, &key, rig.now_ns);
    c->snd_una = c->snd_nxt = c->snd_end = c->iss + 1;
    c->snd_wnd = c->snd_wnd_max = UINT16_MAX;
    c->rcv_nxt = c->last_ack_sent = RIG_PEER_ISN + 1;
    c->rcv_edge = c->rcv_nxt + min_u32(c->rcv_buffer, UINT16_MAX);
    c->mss = 1460;
    c->sack = true;
    connection_establish(c, rig.now_ns);
    (void)tcp_deliver(rig.tcp, 1000, rig.now_ns);
    return c;
}

const char *rig_end(void)
{
    if (rig.tcp == NULL) {
        return NULL;
    }
    rig_release_held();
    rig_release_pins();
    for (uint32_t i = 0; i < rig.setup.connection_count_max; i++) {
        if (rig.tcp->connections.slots[i].generation % 2 == 1) {
            tcp_abort(pool_at(&rig.tcp->connections, i));
        }
    }
    rig_pump();
    const struct tcp_usage usage = tcp_usage(rig.tcp);
    if (rig.trouble != NULL) {
        return rig.trouble;
    }
    if (rig.buffers_out != 0) {
        return "buffers did not come back";
    }
    return usage.extents != 0 || usage.records != 0 || usage.pieces != 0 || usage.pinned_bytes != 0
               ? "a pool is not whole again"
               : NULL;
}

int rig_setup(void **state)
{
    (void)state;
    rig_prepare();
    return 0;
}

int rig_teardown(void **state)
{
    (void)state;
    const char *wrong = rig_end();
    if (wrong != NULL) {
        fprintf(stderr, "# %s\n", wrong);
    }
    return wrong == NULL ? 0 : -1;
}

uint32_t rig_draw(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % below;
}
