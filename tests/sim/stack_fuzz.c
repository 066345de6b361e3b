/* Hostile frames into a live stack: stack_fuzz ROUNDS [FIRST], stack_fuzz --corpus FILE, or a
 * libFuzzer target.
 *
 * The input is a list of steps: time passes, the user acts, and frames come in, most of them
 * written relative to the windows of connections that are there, with good checksums, so that they
 * go deep. After every step the stack's invariants hold; at the end every buffer has come back.
 */
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/net/arp.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv6.h"
#include "dataplane/tcp/connection.h"
#include "storage/base/random.h"

enum { US = 0x0a000001, PEER = 0x0a000002, FRAME_BYTES = 2048, INPUT_BYTES_MAX = 4096 };

struct reader {
    const uint8_t *at;
    size_t left;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Alignas(64) uint8_t net_memory[1 << 16];
static _Alignas(64) uint8_t tcp_memory[1 << 20];
static uint8_t content[1 << 16];
static struct net *net;
static struct tcp *tcp;
static uint64_t now_ns;
static uint32_t buffers_out;
static uint64_t opens_ns;             /* No on_open is wanted before. */
static uint64_t totals[TCP_COUNTERS]; /* Over all inputs: how deep they went. */

static const struct mac our_mac = {{2, 0, 0, 0, 0, 1}};
static const struct mac peer_mac = {{2, 0, 0, 0, 0, 2}};

static uint32_t take(struct reader *reader, uint32_t bytes)
{
    uint32_t value = 0;
    for (; bytes > 0; bytes--) {
        value = value << 8 | (reader->left > 0 ? *reader->at : 0u);
        reader->at += reader->left > 0;
        reader->left -= reader->left > 0;
    }
    return value;
}

static void release(void *context, void *buffer)
{
    (void)context;
    buffers_out--;
    free(buffer);
}

static void *on_open(void *context, struct tcp_connection *c, const struct network_address *peer,
                     const struct network_address *local, uint32_t listener)
{
    (void)context;
    (void)peer;
    (void)local;
    (void)listener;
    return c;
}

static void on_data(void *user, struct received_piece piece)
{
    (void)user;
    tcp_release(tcp, piece.buffer);
}

static void ignore(void *user)
{
    (void)user;
}

static void on_sent(void *user, uint64_t token)
{
    (void)user;
    (void)token;
}

static void on_close(void *user, enum transport_close_reason reason)
{
    (void)user;
    (void)reason;
}

static uint64_t open_from_ns(void *context)
{
    (void)context;
    return opens_ns;
}

static const struct tcp_user user_calls = {on_open,  on_data,      ignore, on_sent, ignore,
                                           on_close, open_from_ns, NULL,   NULL};

static void check(void)
{
    const char *broken = tcp_invariants(tcp);
    if (broken != NULL) {
        printf("broken: %s\n", broken);
        abort();
    }
}

static void pump(void)
{
    uint8_t header[PACKET_HEADER_BYTES];
    struct packet_out out = {.header = header};
    (void)tcp_turn(tcp, 64, now_ns);
    (void)tcp_deliver(tcp, 64, now_ns);
    for (uint32_t i = 0; i < 200 && tcp_output(tcp, &out, 1, now_ns) == 1; i++) {
        tcp_released(tcp, &out.pin);
    }
    (void)tcp_deliver(tcp, 64, now_ns);
    check();
}

static void put(uint8_t *frame, uint32_t len)
{
    const struct packet_in packet = {.first = {{frame, len}, frame}, .segments = 1};
    buffers_out++;
    tcp_input(tcp, &packet, 1, now_ns);
    check();
}

static void put_ipv4(uint8_t *frame, uint8_t protocol, uint32_t len)
{
    ethernet_write(frame, &our_mac, &peer_mac, 0, ETHERNET_IPV4);
    const struct ipv4_header ip = {.source = PEER,
                                   .target = US,
                                   .total_len = (uint16_t)(IPV4_BYTES + len),
                                   .protocol = protocol,
                                   .ttl = 64};
    ipv4_write(frame + 14, &ip, true);
    put(frame, 34 + len);
}

/* A connection that is there, or NULL. */
static struct tcp_connection *choose(uint32_t which)
{
    for (uint32_t i = 0; i < tcp->connections.capacity; i++) {
        const uint32_t index = (which + i) % tcp->connections.capacity;
        struct tcp_connection *c = pool_at(&tcp->connections, index);
        if (tcp->connections.slots[index].generation % 2 == 1 && c->state != TCP_CLOSED) {
            return c;
        }
    }
    return NULL;
}

/* A small distance, mostly; sometimes a large one. */
static uint32_t distance(struct reader *reader)
{
    const uint32_t kind = take(reader, 1);
    if (kind < 128) {
        return 0;
    }
    return kind < 220 ? (uint32_t)(int32_t)(int16_t)take(reader, 2) : take(reader, 4);
}

/* The third segment of a handshake, if one waits for it. */
static bool finish_handshake(struct segment *segment)
{
    for (uint32_t i = 0; i < tcp->half_opens.capacity; i++) {
        const struct half_open *half = pool_at(&tcp->half_opens, i);
        if (tcp->half_opens.slots[i].generation % 2 == 1) {
            segment->source_port = half->key.remote_port;
            segment->sequence = half->irs + 1;
            segment->ack = half->iss + 1;
            segment->has_timestamp = half->timestamps;
            segment->tsval = half->ts_recent;
            return true;
        }
    }
    return false;
}

/* Writes so many bytes of the input, the last of them zero when it ends. */
static void take_bytes(struct reader *reader, uint8_t *to, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        to[i] = (uint8_t)take(reader, 1);
    }
}

static void sum_tcp(uint8_t *bytes, uint32_t len)
{
    const struct address source = address_of_v4(PEER);
    const struct address target = address_of_v4(US);
    const uint32_t sum = checksum_pseudo(&source, &target, IPV4_TCP, len);
    memset(bytes + 16, 0, 2);
    const uint16_t field = checksum_finish(checksum_join(sum, checksum_sum(bytes, len), 0));
    memcpy(bytes + 16, &field, 2);
}

static void put_segment(struct reader *reader)
{
    uint8_t *frame = malloc(FRAME_BYTES);
    uint8_t *bytes = frame + 34;
    const struct tcp_connection *c = choose(take(reader, 1));
    struct segment segment = {.source_port = (uint16_t)(40000 + take(reader, 1) % 16),
                              .target_port = 9092,
                              .window = take(reader, 2)};
    if (c != NULL && take(reader, 1) < 240) {
        segment.source_port = c->key.remote_port;
        segment.target_port = c->key.local_port;
        segment.sequence = c->rcv_nxt;
        segment.ack = c->snd_nxt;
        segment.has_timestamp = c->timestamps;
        segment.tsval = c->ts_recent + distance(reader);
        segment.tsecr = tcp_now_ms(now_ns) + c->ts_offset + distance(reader);
        segment.sack_count = take(reader, 1) % 5;
        for (uint32_t i = 0; i < segment.sack_count; i++) {
            segment.sacks[i].start = c->snd_una + take(reader, 2);
            segment.sacks[i].end = segment.sacks[i].start + take(reader, 2);
        }
    }
    const uint32_t flags = take(reader, 1);
    segment.flags = (uint8_t)(flags < 200 ? SEGMENT_ACK : flags < 210 ? SEGMENT_SYN : flags);
    if (flags < 16 && !finish_handshake(&segment)) {
        segment.flags = SEGMENT_SYN;
        segment.source_port = (uint16_t)(40000 + flags);
        segment.target_port = 9092;
    }
    segment.sequence += distance(reader);
    segment.ack += distance(reader);
    if (segment.flags & SEGMENT_SYN) {
        segment.mss = (uint16_t)take(reader, 2);
        segment.sack_permitted = take(reader, 1) & 1;
        segment.has_timestamp = take(reader, 1) & 1;
        segment.has_wscale = take(reader, 1) & 1;
        segment.wscale = (uint8_t)take(reader, 1);
    }
    const uint32_t header_len = segment_write(bytes, &segment);
    for (uint32_t mess = take(reader, 1) < 16 ? take(reader, 1) % 8 : 0; mess > 0; mess--) {
        bytes[12 + take(reader, 1) % (header_len - 12)] = (uint8_t)take(reader, 1);
    }
    const uint32_t len = header_len + take(reader, 2) % 1400;
    memset(bytes + header_len, 0x55, len - header_len);
    sum_tcp(bytes, len);
    put_ipv4(frame, IPV4_TCP, len);
}

/* A segment that is expected, with options of any bytes. */
static void put_options(struct reader *reader)
{
    uint8_t *frame = malloc(FRAME_BYTES);
    uint8_t *bytes = frame + 34;
    const struct tcp_connection *c = choose(take(reader, 1));
    const uint32_t options_len = 4 * (take(reader, 1) % 11);
    const uint32_t len = 20 + options_len + take(reader, 1);
    const bool syn = c == NULL || take(reader, 1) < 64;
    memset(bytes, 0, len);
    store_be16(bytes, (uint16_t)(c == NULL ? 40000u : c->key.remote_port));
    store_be16(bytes + 2, (uint16_t)(c == NULL ? 9092u : c->key.local_port));
    store_be32(bytes + 4, c == NULL ? 0 : c->rcv_nxt);
    store_be32(bytes + 8, c == NULL ? 0 : c->snd_nxt);
    bytes[12] = (uint8_t)((20 + options_len) << 2);
    bytes[13] = syn ? SEGMENT_SYN : SEGMENT_ACK;
    store_be16(bytes + 14, 1000);
    take_bytes(reader, bytes + 20, options_len);
    sum_tcp(bytes, len);
    put_ipv4(frame, IPV4_TCP, len);
}

static void put_arp(struct reader *reader)
{
    static const uint32_t addresses[] = {0, US, PEER, 0x0a000009, 0xffffffff, 0x08080808};
    uint8_t *frame = malloc(FRAME_BYTES);
    struct arp_packet arp = {.operation = (uint16_t)(take(reader, 1) % 4),
                             .sender_v4 = addresses[take(reader, 1) % ARRAY_SIZE(addresses)],
                             .target_v4 = addresses[take(reader, 1) % ARRAY_SIZE(addresses)]};
    take_bytes(reader, arp.sender_mac.bytes, sizeof(arp.sender_mac.bytes));
    ethernet_write(frame, &our_mac, &peer_mac, 0, ETHERNET_ARP);
    arp_write(frame + 14, &arp);
    if (take(reader, 1) < 64) {
        frame[14 + take(reader, 1) % ARP_BYTES] = (uint8_t)take(reader, 1);
    }
    put(frame, 14 + take(reader, 1) % (ARP_BYTES + 20));
}

/* An ICMP packet of any bytes, and a good checksum. */
static void put_icmp_raw(struct reader *reader)
{
    uint8_t *frame = malloc(FRAME_BYTES);
    uint8_t *bytes = frame + 34;
    const uint32_t len = take(reader, 1) % 128;
    take_bytes(reader, bytes, len);
    if (len >= 4) {
        memset(bytes + 2, 0, 2);
        const uint16_t sum = checksum_finish(checksum_sum(bytes, len));
        memcpy(bytes + 2, &sum, 2);
    }
    put_ipv4(frame, IPV4_ICMP, len);
}

static void put_icmp(struct reader *reader)
{
    uint8_t *frame = malloc(FRAME_BYTES);
    uint8_t *bytes = frame + 34;
    const struct tcp_connection *c = choose(take(reader, 1));
    const uint32_t len = ICMP_BYTES + take(reader, 1) % 40;
    memset(bytes, 0, 80);
    bytes[0] = (uint8_t)(take(reader, 1) % 16);
    bytes[1] = (uint8_t)(take(reader, 1) % 16);
    store_be16(bytes + 6, (uint16_t)take(reader, 2));
    const struct ipv4_header quoted = {.source = US, .target = PEER, .protocol = IPV4_TCP};
    ipv4_write(bytes + 8, &quoted, true);
    if (c != NULL) {
        store_be16(bytes + 28, c->key.local_port);
        store_be16(bytes + 30, c->key.remote_port);
        store_be32(bytes + 32, c->snd_una + distance(reader));
    }
    const uint16_t sum = checksum_finish(checksum_sum(bytes, len));
    memcpy(bytes + 2, &sum, 2);
    put_ipv4(frame, IPV4_ICMP, len);
}

static const struct address us_v6 = {{0xfd, [15] = 1}};
static const struct address peer_v6 = {{0xfd, [15] = 2}};

/* A sum that is good, if what is summed is long enough to have one. */
static void sum_ipv6(uint8_t *ip, uint32_t len)
{
    const uint32_t at = ip[6] == IPV4_TCP ? 16 : 2;
    struct address source;
    struct address target;
    uint8_t *bytes = ip + IPV6_BYTES;
    if (len < at + 2) {
        return;
    }
    memcpy(source.bytes, ip + 8, 16);
    memcpy(target.bytes, ip + 24, 16);
    memset(bytes + at, 0, 2);
    const uint32_t pseudo = checksum_pseudo(&source, &target, ip[6], len);
    const uint16_t sum = checksum_finish(checksum_join(checksum_sum(bytes, len), pseudo, 0));
    memcpy(bytes + at, &sum, 2);
}

/* Any bytes behind an IPv6 header: extensions, ICMP, neighbour discovery, TCP. */
static void put_ipv6(struct reader *reader)
{
    static const uint8_t protocols[] = {0, 43, 44, 60, IPV4_TCP, IPV6_ICMP, IPV6_ICMP, 59};
    static const uint8_t types[] = {1, 2, 3, 4, 128, 135, 136, 134};
    const struct address groups[] = {
        ipv6_all_nodes, ipv6_solicited_group(&us_v6), us_v6, peer_v6, {{0}}};
    uint8_t *frame = malloc(FRAME_BYTES);
    uint8_t *ip = frame + 14;
    uint8_t *bytes = ip + IPV6_BYTES;
    const uint32_t what = take(reader, 1);
    const struct address *source = (what & 7) == 0 ? &groups[take(reader, 1) % 5] : &peer_v6;
    const struct address *target = (what & 24) == 0 ? &groups[take(reader, 1) % 5] : &us_v6;
    const uint8_t protocol = protocols[take(reader, 1) % sizeof(protocols)];
    const uint32_t len = take(reader, 1);
    const struct mac group = ipv6_group_mac(target);
    ethernet_write(frame, address_v6_is_group(target) ? &group : &our_mac, &peer_mac, 0,
                   ETHERNET_IPV6);
    ipv6_write(ip, source, target, protocol, (what & 32) != 0 ? 64 : 255);
    ipv6_write_length(ip, len);
    take_bytes(reader, bytes, len);
    if (protocol == IPV6_ICMP && len >= 24) {
        bytes[0] = types[bytes[0] % sizeof(types)];
        bytes[1] = (uint8_t)((what & 64) != 0 ? bytes[1] : 0);
        memcpy(bytes + 8, bytes[8] < 128 ? us_v6.bytes : peer_v6.bytes, 16);
    }
    if (protocol == IPV4_TCP && len >= 20) {
        store_be16(bytes + 2, 9092);
    }
    sum_ipv6(ip, len);
    put(frame, 14 + IPV6_BYTES + (take(reader, 1) < 16 ? len / 2 : len));
}

static void put_raw(struct reader *reader)
{
    uint8_t *frame = malloc(FRAME_BYTES);
    const uint32_t len = take(reader, 1) % 120;
    take_bytes(reader, frame, len);
    if (take(reader, 1) & 1) {
        ethernet_write(frame, &our_mac, &peer_mac, 0,
                       take(reader, 1) & 1 ? ETHERNET_IPV4 : ETHERNET_ARP);
    }
    put(frame, len);
}

static void act(struct reader *reader)
{
    struct tcp_connection *c = choose(take(reader, 1));
    const uint32_t what = take(reader, 1) % 16;
    struct network_address peer = {.port = (uint16_t)(41000 + what)};
    const struct address address = address_of_v4(PEER);
    const struct send_part part = {{content, take(reader, 2)}};
    memcpy(peer.ip, address.bytes, 16);
    if (what == 6) {
        opens_ns = now_ns + ((uint64_t)take(reader, 2) << 14);
    }
    if (what == 0) {
        struct tcp_connection *made = tcp_connect(tcp, &peer, NULL, now_ns);
        if (made != NULL) {
            made->user = made;
        }
    }
    if (c == NULL || !c->open_told) {
        return;
    }
    if (what == 1) {
        tcp_shutdown(c);
    } else if (what == 2) {
        tcp_close(c);
    } else if (what == 3) {
        tcp_abort(c);
    } else if (what == 4) {
        tcp_pause(c);
    } else if (what == 5) {
        tcp_resume(c);
    } else if (!c->fin_queued) {
        (void)!tcp_send(c, &part, 1, 0);
    }
}

static void step(struct reader *reader)
{
    const uint32_t what = take(reader, 1) % 32;
    switch (what) {
    default: put_segment(reader); break;
    case 16:
    case 17: put_options(reader); break;
    case 18: put_arp(reader); break;
    case 19: put_icmp_raw(reader); break;
    case 20:
    case 21: put_icmp(reader); break;
    case 22: put_raw(reader); break;
    case 23:
    case 24:
    case 25: act(reader); break;
    case 26:
    case 27: put_ipv6(reader); break;
    case 28:
    case 29:
    case 30:
    case 31:
        now_ns += (uint64_t)take(reader, 2) << take(reader, 1) % 18;
        const struct address peer = address_of_v4(PEER);
        neighbor_learn(&net->neighbors, &peer, &peer_mac, NEIGHBOR_ARP | NEIGHBOR_CREATE, now_ns);
        break;
    }
    if (what & 1) {
        pump();
    }
}

static void start(void)
{
    const struct route links[] = {route_v4(0x0a000000, 24, 0), route_of_host(&us_v6, 64)};
    const struct address peer = address_of_v4(PEER);
    const struct net_setup net_setup = {.mac = our_mac,
                                        .v4 = US,
                                        .mtu = 1500,
                                        .parts_max = 4,
                                        .v6 = us_v6,
                                        .routes = links,
                                        .route_count = ARRAY_SIZE(links),
                                        .neighbor_count_max = 4,
                                        .frame_count_max = 16,
                                        .release = release};
    struct tcp_setup setup = tcp_setup_usual();
    memset(net_memory, 0, sizeof(net_memory));
    memset(tcp_memory, 0, sizeof(tcp_memory));
    now_ns = 1000000000;
    net = net_create(net_memory, &net_setup, now_ns);
    setup.net = net;
    setup.user = &user_calls;
    setup.connection_count_max = 6;
    setup.half_open_count_max = 3;
    setup.time_wait_count_max = 3;
    setup.extent_count_max = 16;
    setup.record_count_max = 40;
    setup.piece_count_max = 40;
    setup.receive_bytes_min = 16384;
    if (net == NULL || tcp_memory_bytes(&setup) > sizeof(tcp_memory)) {
        abort();
    }
    tcp = tcp_create(tcp_memory, &setup, now_ns);
    uint32_t listener;
    if (!tcp_listen(tcp, 9092, 3, &listener)) {
        abort();
    }
    neighbor_learn(&net->neighbors, &peer, &peer_mac, NEIGHBOR_ARP | NEIGHBOR_CREATE, now_ns);
}

static void finish(void)
{
    struct tcp_connection *c;
    while ((c = choose(0)) != NULL) {
        tcp_abort(c);
    }
    for (uint32_t i = 0; i < 50; i++) {
        now_ns += 10000000000;
        for (uint32_t index = 0; index < tcp->connections.capacity; index++) {
            if (tcp->connections.slots[index].generation % 2 == 1) {
                tcp_resume(pool_at(&tcp->connections, index));
            }
        }
        pump();
    }
    for (uint32_t i = 0; i < TCP_COUNTERS; i++) {
        totals[i] += tcp_counters(tcp)[i];
    }
    const struct tcp_usage usage = tcp_usage(tcp);
    if (usage.connections + usage.extents + usage.records + usage.pieces + buffers_out != 0) {
        printf("left: %u connections, %u extents, %u records, %u pieces, %u buffers\n",
               usage.connections, usage.extents, usage.records, usage.pieces, buffers_out);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = {data, size};
    buffers_out = 0;
    opens_ns = 0;
    start();
    while (reader.left > 0) {
        step(&reader);
    }
    finish();
    return 0;
}

#ifndef STACK_FUZZ_LIBRARY
/* Inputs one behind the other, each behind its length in two bytes. Returns how many; 0: it is no
 * such file. */
static uint64_t replay(const char *path)
{
    static uint8_t input[UINT16_MAX];
    uint8_t len[2];
    uint64_t count = 0;
    FILE *file = fopen(path, "rb");
    while (file != NULL && fread(len, sizeof(len), 1, file) == 1) {
        if (fread(input, 1, load_be16(len), file) != load_be16(len)) {
            count = 0;
            break;
        }
        LLVMFuzzerTestOneInput(input, load_be16(len));
        count++;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return count;
}

int main(int argc, char **argv)
{
    static uint8_t input[INPUT_BYTES_MAX];
    if (argc == 3 && strcmp(argv[1], "--corpus") == 0) {
        const uint64_t count = replay(argv[2]);
        printf("%llu inputs of the corpus: everything held\n", (unsigned long long)count);
        return count == 0;
    }
    const uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 100;
    for (uint64_t i = 0; i < rounds; i++) {
        struct random random;
        random_init(&random, first + i);
        random_fill(&random, input, sizeof(input));
        LLVMFuzzerTestOneInput(input, random_below(&random, sizeof(input)));
    }
    printf("%llu inputs, %llu segments, %llu on the short way, %llu connections: everything held\n",
           (unsigned long long)rounds, (unsigned long long)totals[TCP_IN_SEGMENTS],
           (unsigned long long)totals[TCP_IN_FAST], (unsigned long long)totals[TCP_OPENED]);
    return 0;
}
#endif
