#include "tests/dataplane/tcp/rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"

enum { FRAME_BYTES = 2048 };

struct rig rig;

static _Alignas(64) uint8_t net_memory[1 << 16];
static _Alignas(64) uint8_t tcp_memory[1 << 22];
static uint8_t bytes_sent[RIG_BYTES_SENT_MAX];

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

static void take_packet(const struct packet_out *out)
{
    const uint8_t *l4 = out->header + out->l2_len + out->l3_len;
    if (out->l3_len == 0) {
        return; /* ARP. */
    }
    struct rig_packet *packet = &rig.packets[rig.left++ % RIG_PACKETS_MAX];
    *packet = (struct rig_packet){.part_count = out->part_count,
                                  .flags = out->flags,
                                  .tso_bytes = out->tso_bytes,
                                  .ttl = out->header[out->l2_len + 8],
                                  .ecn = out->header[out->l2_len + 1] & NET_ECN_MASK};
    if ((out->flags & PACKET_OUT_IP_CHECKSUM) == 0 &&
        checksum_finish(checksum_sum(out->header + out->l2_len, IPV4_BYTES)) != 0) {
        rig_wrong("the sum of an IP header", 1, 0);
    }
    if (out->header[out->l2_len + 9] != IPV4_TCP) {
        packet->icmp = true;
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
    const struct address source = address_of_v4(RIG_US);
    const struct address target = address_of_v4(RIG_PEER);
    const uint32_t sum =
        checksum_pseudo(&source, &target, IPV4_TCP, out->l4_len + out->payload_len);
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
    /* ARP is not the matter. */
    neighbor_learn(&rig.net->neighbors, RIG_PEER, &rig.net_setup.mac, true, rig.now_ns);
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

static void put_frame(uint8_t protocol, const uint8_t *l4, uint32_t len)
{
    uint8_t *frame = malloc(FRAME_BYTES);
    const uint32_t ip_len = IPV4_BYTES + rig.odd.ip_options_len;
    ethernet_write(frame, &rig.net_setup.mac, &rig.net_setup.mac, 0, ETHERNET_IPV4);
    const struct ipv4_header ip = {.source = rig.odd.source != 0 ? rig.odd.source : RIG_PEER,
                                   .target = rig.odd.target != 0 ? rig.odd.target : RIG_US,
                                   .total_len = (uint16_t)(ip_len + len),
                                   .protocol = protocol,
                                   .ecn = rig.odd.ecn,
                                   .ttl = 64};
    ipv4_write(frame + 14, &ip, true);
    if (rig.odd.ip_options_len != 0) {
        memcpy(frame + 34, rig.odd.ip_options, rig.odd.ip_options_len);
        frame[14] = (uint8_t)(0x40 + ip_len / 4);
        memset(frame + 24, 0, 2);
        const uint16_t sum = checksum_finish(checksum_sum(frame + 14, ip_len));
        memcpy(frame + 24, &sum, sizeof(sum));
    }
    memcpy(frame + 14 + ip_len, l4, len);
    rig.buffers_out++;
    rig.odd = (struct rig_odd){0};
    const struct packet_in packet = {.first = {{frame, 14 + ip_len + len}, frame}, .segments = 1};
    tcp_input(rig.tcp, &packet, 1, rig.now_ns);
}

void rig_put_quietly(struct segment *segment, uint32_t sequence)
{
    uint8_t bytes[FRAME_BYTES];
    const struct rig_odd *odd = &rig.odd;
    const struct address source = address_of_v4(odd->source != 0 ? odd->source : RIG_PEER);
    const struct address target = address_of_v4(odd->target != 0 ? odd->target : RIG_US);
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

void rig_put_icmp(uint8_t type, uint8_t code, uint16_t mtu, uint32_t sequence)
{
    uint8_t bytes[ICMP_BYTES + IPV4_BYTES + 8] = {type, code};
    store_be16(bytes + 6, mtu);
    const struct ipv4_header quoted = {
        .source = RIG_US, .target = RIG_PEER, .total_len = 1500, .protocol = IPV4_TCP};
    ipv4_write(bytes + 8, &quoted, true);
    store_be16(bytes + 28, rig.local_port);
    store_be16(bytes + 30, RIG_PEER_PORT);
    store_be32(bytes + 32, rig.our_isn + sequence);
    const uint16_t sum = checksum_finish(checksum_sum(bytes, sizeof(bytes)));
    memcpy(bytes + 2, &sum, sizeof(sum));
    put_frame(IPV4_ICMP, bytes, sizeof(bytes));
    rig_pump();
}

/* ---- Beginning and end ---- */

void rig_prepare(void)
{
    static const struct route link = {0x0a000000, 24, 0};
    if (bytes_sent[1] == 0) {
        for (uint32_t i = 0; i < sizeof(bytes_sent); i++) {
            bytes_sent[i] = rig_byte(i);
        }
    }
    rig = (struct rig){.now_ns = 1000000000};
    rig.net_setup = (struct net_setup){.mac = {{2, 0, 0, 0, 0, 1}},
                                       .v4 = RIG_US,
                                       .mtu = 1500,
                                       .parts_max = 4,
                                       .routes = &link,
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
    const struct flow_key key = {.local = address_of_v4(RIG_US),
                                 .remote = address_of_v4(RIG_PEER),
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
