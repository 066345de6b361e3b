/* Two stacks on virtual time over a bad link: stack_sim --seed N [--count C] [--verbose].
 *
 * Everything follows from the seed: whether it is IPv6 (a third of them), the link (rate, delay,
 * jitter, loss in bursts, duplicates, reordering, damage, cuts, frames of one kind, a smaller MTU
 * told or not), the hosts (sizes of pools and windows, options, when they stand still), and what
 * the users do. After every step the invariants of both stacks are checked; bytes delivered are a
 * prefix of bytes sent; no right edge retreats and nothing is sent beyond one; sends come back in
 * order, once. When the link has healed everything must end, and every pool be empty.
 */
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/net/checksum.h"
#include "dataplane/tcp/segment.h"
#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"
#include "tests/sim/stack_sim.h"

static const uint64_t ms = 1000000;

static uint8_t pattern[2 * PATTERN_BYTES];
static bool verbose;

static _Noreturn void fail(struct world *world, const char *what)
{
    printf("seed %llu: %s, at %llu us, step %llu\n", (unsigned long long)world->seed, what,
           (unsigned long long)(world->now_ns / 1000), (unsigned long long)world->steps);
    exit(1);
}

static bool healed(const struct world *world)
{
    return world->now_ns >= world->heal_ns;
}

static bool chance(struct world *world, uint32_t in)
{
    return in != 0 && !healed(world) && random_one_in(&world->random, in);
}

/* ---- Buffers and pins ---- */

static void buffer_release(void *context, void *buffer)
{
    struct host *host = context;
    const size_t index = (size_t)((uint8_t(*)[FRAME_BYTES])buffer - host->buffers);
    if (index >= BUFFERS || !host->buffer_used[index]) {
        fail(host->world, "a buffer came back twice");
    }
    host->buffer_used[index] = false;
    host->buffers_used--;
}

static uint8_t *buffer_take(struct host *host)
{
    for (uint32_t i = 0; i < BUFFERS; i++) {
        if (!host->buffer_used[i]) {
            host->buffer_used[i] = true;
            host->buffers_used++;
            return host->buffers[i];
        }
    }
    return NULL;
}

/* ---- The user ---- */

static struct stream *stream_by_port(struct host *host, uint16_t port)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        if (host->streams[i].used && host->streams[i].port == port) {
            return &host->streams[i];
        }
    }
    return NULL;
}

static void *on_open(void *context, struct tcp_connection *connection,
                     const struct network_address *peer, const struct network_address *local,
                     uint32_t listener)
{
    struct host *host = context;
    const bool active = listener == TCP_NO_LISTENER;
    struct stream *stream = stream_by_port(host, active ? local->port : peer->port);
    if (stream == NULL || stream->closed) {
        fail(host->world, "a connection nobody asked for");
    }
    stream->connection = connection;
    stream->room = true;
    if (host->world->slow_opens && !active) {
        host->opens_ns = host->world->now_ns + random_below(&host->world->random, 100 * ms);
    }
    return stream;
}

/* No connections of peers are wanted before. */
static uint64_t open_from_ns(void *context)
{
    const struct host *host = context;
    return host->opens_ns;
}

static void on_data(void *user, struct received_piece piece)
{
    struct stream *stream = user;
    struct host *host = stream->host;
    struct world *world = host->world;
    const uint8_t *want = pattern + (stream->received + stream->salt) % PATTERN_BYTES;
    if (piece.bytes.len > PATTERN_BYTES || memcmp(piece.bytes.ptr, want, piece.bytes.len) != 0) {
        fail(world, "bytes differ from those sent");
    }
    stream->received += piece.bytes.len;
    if (stream->received > stream->expected) {
        fail(world, "more bytes than were sent");
    }
    if (world->slow_readers && host->held_count < HELD_MAX) {
        const uint64_t wait_ns = healed(world) ? 0 : random_below(&world->random, 20 * ms);
        host->held[host->held_count++] = (struct held){piece.buffer, world->now_ns + wait_ns};
    } else {
        tcp_release(host->tcp, piece.buffer);
    }
}

static void on_end(void *user)
{
    struct stream *stream = user;
    if (stream->received != stream->expected) {
        fail(stream->host->world, "the end came before the last byte");
    }
    stream->ended = true;
}

static void on_sent(void *user, uint64_t token)
{
    struct stream *stream = user;
    if (token != stream->token_back++) {
        fail(stream->host->world, "sends came back out of order");
    }
}

static void on_room(void *user)
{
    struct stream *stream = user;
    stream->room = true;
}

static void on_close(void *user, enum transport_close_reason reason)
{
    struct stream *stream = user;
    if (stream->closed || stream->token_back != stream->token_given) {
        fail(stream->host->world, "closed twice, or before all sends were back");
    }
    stream->closed = true;
    stream->reason = reason;
    stream->connection = NULL;
}

static const struct tcp_user user_calls = {on_open,  on_data,      on_end, on_sent, on_room,
                                           on_close, open_from_ns, NULL,   NULL};

static void stream_send(struct stream *stream)
{
    struct world *world = stream->host->world;
    while (stream->room && stream->given < stream->to_send) {
        struct send_part parts[5];
        const uint32_t count = 1 + (uint32_t)random_below(&world->random, 5);
        uint64_t at = stream->given;
        for (uint32_t i = 0; i < count; i++) {
            const uint64_t shape = random_below(&world->random, 4);
            const uint64_t most = shape == 0 ? 1 : shape == 1 ? 100 : shape == 2 ? 3000 : 30000;
            const uint64_t len =
                min_u64(random_below(&world->random, most + 1), stream->to_send - at);
            parts[i].bytes =
                (struct bytes){pattern + (at + stream->salt) % PATTERN_BYTES, (uint32_t)len};
            at += len;
        }
        if (!tcp_send(stream->connection, parts, count, stream->token_given)) {
            stream->room = false;
            break;
        }
        stream->token_given++;
        stream->given = at;
        if (random_one_in(&world->random, 4)) {
            break;
        }
    }
}

static void stream_step(struct stream *stream)
{
    struct world *world = stream->host->world;
    if (stream->connection == NULL) {
        return;
    }
    if (stream->resume_ns != 0 && (stream->resume_ns <= world->now_ns || healed(world))) {
        stream->resume_ns = 0;
        tcp_resume(stream->connection);
    } else if (world->slow_readers && chance(world, 200)) {
        stream->resume_ns = world->now_ns + random_below(&world->random, 300 * ms);
        tcp_pause(stream->connection);
    }
    if (!stream->shut) {
        stream_send(stream);
        if (stream->given == stream->to_send) {
            stream->shut = true;
            tcp_shutdown(stream->connection);
        }
    }
    if (stream->shut && stream->ended && stream->token_back == stream->token_given) {
        tcp_close(stream->connection);
    }
}

/* ---- The wire ---- */

/* Both have sent and acknowledged the end. */
static bool is_over(const struct edge *one, const struct edge *other)
{
    return one->ended && other->ended && seq_leq(one->end, other->ack) &&
           seq_leq(other->end, one->ack);
}

/* Holds what a host says against what it has said before, and what it sends against what the other
 * has promised. */
static void tap(struct host *host, const uint8_t *frame, uint32_t len)
{
    struct world *world = host->world;
    struct segment segment;
    if (!frame_segment(frame, len, &segment)) {
        return;
    }
    const uint16_t port = host->index == 0 ? segment.source_port : segment.target_port;
    struct stream *stream = stream_by_port(host, port);
    if (stream == NULL) {
        return;
    }
    struct edge *mine = &host->edges[stream - host->streams];
    const struct edge *other = &world->hosts[1 - host->index].edges[stream - host->streams];
    if (segment.flags & SEGMENT_RST) {
        return;
    }
    if (segment.flags & SEGMENT_SYN) {
        if (mine->known && segment.sequence != mine->initial && is_over(mine, other)) {
            *mine = (struct edge){0}; /* A SYN came late, to the one that keeps no TIME-WAIT. */
        }
        mine->initial = segment.sequence;
        mine->scaled = segment.has_wscale;
        mine->scale = segment.wscale;
    }
    if (segment.flags & SEGMENT_FIN) {
        mine->ended = true;
        mine->end = segment.sequence + segment.len + 1;
    }
    const bool scaled = mine->scaled && other->scaled;
    if (segment.flags & SEGMENT_ACK) {
        const uint32_t unit =
            scaled && !(segment.flags & SEGMENT_SYN) ? (uint32_t)1 << mine->scale : 1;
        const uint32_t right = segment.ack + segment.window * unit;
        if (mine->known && seq_lt(right + unit, mine->right) && !stream->closed) {
            fail(world, "the right edge retreats");
        }
        if (mine->known && seq_lt(segment.ack, mine->ack)) {
            fail(world, "an acknowledgement is taken back");
        }
        mine->right = mine->known ? seq_max(mine->right, right) : right;
        mine->ack = segment.ack;
        mine->known = true;
    }
    const char *wrong = trouble_marks_wrongly(mine, other, frame, &segment);
    if (wrong != NULL) {
        fail(world, wrong);
    }
    if (segment.len != 0 && other->known && seq_lt(other->right, segment.sequence + segment.len)) {
        fail(world, "sent beyond the window");
    }
}

static void wire_put(struct host *host, const uint8_t *bytes, uint32_t len, uint64_t at_ns)
{
    struct world *world = host->world;
    if (world->frame_count == FRAMES_MAX) {
        world->frames_lost++;
        return;
    }
    struct frame *frame = &world->frames[world->frame_count++];
    frame->at_ns = at_ns;
    frame->order = world->order++;
    frame->to = 1 - host->index;
    frame->len = len;
    memcpy(frame->bytes, bytes, len);
    trouble_mark(world, frame->bytes);
    if (frame_ip_len(bytes) != 0 && chance(world, world->damage_in)) { /* ARP has no sum. */
        frame->bytes[14 + random_below(&world->random, len - 14)] ^=
            (uint8_t)(1 + random_below(&world->random, 255));
    }
    if (chance(world, world->truncate_in)) {
        frame->len = 14 + (uint32_t)random_below(&world->random, len - 14);
    }
}

static void wire_send(struct host *host, const uint8_t *bytes, uint32_t len)
{
    struct world *world = host->world;
    world->frames_sent++;
    host->free_ns = max_u64(host->free_ns, world->now_ns) + len * world->byte_ns;
    host->burst = healed(world) ? 0 : host->burst;
    if (host->burst == 0 && chance(world, world->loss_in)) {
        host->burst = 1 + (uint32_t)random_below(&world->random, world->burst_max);
    }
    if (host->burst > 0 || host->free_ns - world->now_ns > world->queue_ns) {
        host->burst -= min_u32(host->burst, 1);
        host->free_ns = min_u64(host->free_ns, world->now_ns + world->queue_ns);
        world->frames_lost++;
        return;
    }
    if (trouble_targets(world, bytes, len)) {
        world->frames_lost++;
        return;
    }
    uint64_t at_ns = host->free_ns + world->delay_ns;
    if (trouble_is_too_long(world, bytes, len)) {
        uint8_t told[128];
        const uint32_t told_len = trouble_tell(world, bytes, told);
        if (told_len != 0) {
            wire_put(&world->hosts[1 - host->index], told, told_len, at_ns);
        }
        world->frames_lost++;
        return;
    }
    at_ns += world->jitter_ns != 0 ? random_below(&world->random, world->jitter_ns) : 0;
    if (chance(world, world->reorder_in)) {
        at_ns += random_below(&world->random, 4 * world->delay_ns + 1);
    }
    wire_put(host, bytes, len, at_ns);
    if (chance(world, world->duplicate_in)) {
        wire_put(host, bytes, len, at_ns + random_below(&world->random, world->delay_ns + 1));
    }
}

/* The port's TSO: segments with their own sequence numbers, flags and checksums. */
static void port_send(struct host *host, const struct packet_out *out, uint8_t *payload)
{
    const struct world *world = host->world;
    uint8_t frame[FRAME_BYTES];
    const uint32_t unit = (out->flags & PACKET_OUT_TSO) ? out->tso_bytes : out->payload_len;
    uint32_t at = 0;
    do {
        const uint32_t len = min_u32(unit, out->payload_len - at);
        const bool last = at + len == out->payload_len;
        memcpy(frame, out->header, out->header_len);
        memcpy(frame + out->header_len, payload + at, len);
        if (out->flags & PACKET_OUT_TSO) {
            uint8_t *ip = frame + out->l2_len;
            uint8_t *tcp = ip + out->l3_len;
            frame_ip_finish(frame, out->l4_len + len);
            store_be32(tcp + 4, load_be32(tcp + 4) + at);
            if (!last) {
                tcp[13] &= (uint8_t) ~(SEGMENT_FIN | SEGMENT_PSH);
            }
            memset(tcp + 16, 0, 2);
            const struct address source = host_address(world, host->index);
            const struct address target = host_address(world, 1 - host->index);
            const uint32_t pseudo = checksum_pseudo(&source, &target, 6, out->l4_len + len);
            const uint16_t sum =
                checksum_finish(checksum_join(checksum_sum(tcp, out->l4_len + len), pseudo, 0));
            memcpy(tcp + 16, &sum, 2);
        }
        tap(host, frame, out->header_len + len);
        wire_send(host, frame, out->header_len + len);
        at += len;
    } while (at < out->payload_len);
}

static void host_output(struct host *host)
{
    static uint8_t payload[PACKET_BYTES_MAX];
    struct world *world = host->world;
    uint8_t headers[8][PACKET_HEADER_BYTES];
    struct packet_out packets[8];
    uint32_t count;
    uint32_t rounds = 0;
    do {
        for (uint32_t i = 0; i < 8; i++) {
            packets[i].header = headers[i];
        }
        const uint32_t want = 1 + (uint32_t)random_below(&world->random, 8);
        count = tcp_output(host->tcp, packets, want, world->now_ns);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t len = 0;
            for (uint32_t j = 0; j < packets[i].part_count; j++) {
                memcpy(payload + len, packets[i].parts[j].ptr, packets[i].parts[j].len);
                len += packets[i].parts[j].len;
            }
            if (len != packets[i].payload_len) {
                fail(world, "the parts are not the payload");
            }
            port_send(host, &packets[i], payload);
            if (packets[i].pin.kind == PACKET_PIN_NONE) {
                continue;
            }
            if (world->late_port && host->pin_count < PINS_MAX) {
                const uint64_t at_ns = world->now_ns + random_below(&world->random, 3 * ms);
                host->pins[host->pin_count++] = (struct pin){packets[i].pin, at_ns};
            } else {
                tcp_released(host->tcp, &packets[i].pin);
            }
        }
        if (++rounds > 10000) {
            fail(world, "output never ends");
        }
    } while (count > 0);
}

/* ---- Steps ---- */

static void host_input(struct host *host)
{
    struct world *world = host->world;
    struct packet_in packets[TCP_BURST_MAX];
    uint32_t count = 0;
    for (;;) {
        uint32_t first = UINT32_MAX;
        for (uint32_t i = 0; i < world->frame_count; i++) {
            const struct frame *frame = &world->frames[i];
            if (frame->to == host->index && frame->at_ns <= world->now_ns &&
                (first == UINT32_MAX || frame->at_ns < world->frames[first].at_ns ||
                 (frame->at_ns == world->frames[first].at_ns &&
                  frame->order < world->frames[first].order))) {
                first = i;
            }
        }
        if (first != UINT32_MAX) {
            struct frame *frame = &world->frames[first];
            uint8_t *buffer = buffer_take(host);
            if (buffer != NULL) {
                memcpy(buffer, frame->bytes, frame->len);
                packets[count++] =
                    (struct packet_in){.first = {{buffer, frame->len}, buffer}, .segments = 1};
            }
            *frame = world->frames[--world->frame_count];
        }
        if (count == TCP_BURST_MAX || first == UINT32_MAX) {
            tcp_input(host->tcp, packets, count, world->now_ns);
            count = 0;
        }
        if (first == UINT32_MAX) {
            return;
        }
    }
}

static void host_give_back(struct host *host)
{
    for (uint32_t i = 0; i < host->pin_count;) {
        if (host->pins[i].at_ns <= host->world->now_ns) {
            const struct packet_pin pin = host->pins[i].pin;
            host->pins[i] = host->pins[--host->pin_count];
            tcp_released(host->tcp, &pin);
        } else {
            i++;
        }
    }
    for (uint32_t i = 0; i < host->held_count;) {
        if (host->held[i].at_ns <= host->world->now_ns) {
            void *buffer = host->held[i].buffer;
            host->held[i] = host->held[--host->held_count];
            tcp_release(host->tcp, buffer);
        } else {
            i++;
        }
    }
}

static void check(struct host *host)
{
    const char *wrong = tcp_invariants(host->tcp);
    if (wrong != NULL) {
        fail(host->world, wrong);
    }
}

static void host_step(struct host *host)
{
    struct world *world = host->world;
    if (trouble_paused(host)) {
        return;
    }
    host_input(host);
    check(host);
    host_give_back(host);
    (void)tcp_turn(host->tcp, 64, world->now_ns);
    check(host);
    (void)tcp_deliver(host->tcp, 64, world->now_ns);
    for (uint32_t i = 0; i < world->stream_count; i++) {
        stream_step(&host->streams[i]);
    }
    (void)tcp_deliver(host->tcp, 64, world->now_ns);
    host_output(host);
    check(host);
}

static uint64_t next_event_ns(const struct world *world)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < world->frame_count; i++) {
        const struct frame *frame = &world->frames[i];
        next_ns = min_u64(next_ns, max_u64(frame->at_ns, world->hosts[frame->to].pause_until_ns));
    }
    for (uint32_t i = 0; i < 2; i++) {
        const struct host *host = &world->hosts[i];
        if (host->pause_until_ns > world->now_ns) {
            next_ns = min_u64(next_ns, host->pause_until_ns);
            continue;
        }
        next_ns = min_u64(next_ns, tcp_next_deadline_ns(host->tcp));
        for (uint32_t j = 0; j < host->pin_count; j++) {
            next_ns = min_u64(next_ns, host->pins[j].at_ns);
        }
        for (uint32_t j = 0; j < host->held_count; j++) {
            next_ns = min_u64(next_ns, host->held[j].at_ns);
        }
        for (uint32_t j = 0; j < world->stream_count; j++) {
            if (host->streams[j].resume_ns != 0 && host->streams[j].connection != NULL) {
                next_ns = min_u64(next_ns, max_u64(host->streams[j].resume_ns, 1));
            }
        }
    }
    return max_u64(next_ns, world->now_ns + 1000);
}

/* ---- A world from a seed ---- */

static void host_start(struct world *world, uint32_t index, uint16_t mtu)
{
    const struct address address = host_address(world, index);
    const struct route link = route_of_host(&address, 120);
    struct random *random = &world->random;
    struct host *host = &world->hosts[index];
    *host = (struct host){.world = world, .index = index};
    host->buffers = calloc(BUFFERS, FRAME_BYTES);
    struct net_setup net_setup = {.mac = {{2, 0, 0, 0, 0, (uint8_t)(index + 1)}},
                                  .v4 = world->v6 ? 0 : address_v4(&address),
                                  .v6 = world->v6 ? address : (struct address){{0}},
                                  .mtu = mtu,
                                  .offloads = random_one_in(random, 3) ? NET_OFFLOAD_TSO : 0,
                                  .parts_max = 1 + (uint32_t)random_below(random, PACKET_PARTS_MAX),
                                  .routes = &link,
                                  .route_count = 1,
                                  .neighbor_count_max = 4,
                                  .frame_count_max = 64,
                                  .release = buffer_release,
                                  .context = host};
    host->net_memory = calloc(1, net_memory_bytes(&net_setup) + 64);
    if (random_one_in(&world->marks, 2)) {
        net_setup.uncut_max = 3000 + (uint32_t)random_below(&world->marks, 60000);
    }
    host->net = net_create((void *)round_up((uintptr_t)host->net_memory, 64), &net_setup, 0);
    host->setup = tcp_setup_usual();
    struct tcp_setup *setup = &host->setup;
    setup->net = host->net;
    setup->user = &user_calls;
    setup->user_context = host;
    setup->congestion = random_one_in(random, 2) ? &congestion_reno : &congestion_cubic;
    random_fill(random, setup->secret, sizeof(setup->secret));
    setup->ecn = (enum tcp_ecn)random_below(&world->marks, 3);
    if (random_one_in(&world->marks, 3)) {
        setup->congestion = &congestion_dctcp;
    }
    setup->connection_count_max = 16;
    setup->half_open_count_max = random_one_in(random, 4) ? 0 : 8; /* 0: cookies only. */
    setup->time_wait_count_max = 16;
    setup->extent_count_max = 256;
    setup->record_count_max = random_one_in(random, 3) ? 24 : 2048;
    setup->piece_count_max = random_one_in(random, 3) ? 128 : 2048;
    setup->receive_bytes_min = random_one_in(random, 2) ? 16384 : 262144;
    setup->receive_bytes_max = random_one_in(random, 3) ? setup->receive_bytes_min : 1 << 20;
    setup->send_bytes_max = random_one_in(random, 2) ? 40000 : 1 << 20;
    setup->time_wait_ms = 1000;
    setup->retries_max = 40;
    setup->syn_retries = 12;
    setup->rto_max_ms = 2000;
    host->tcp_memory = calloc(1, tcp_memory_bytes(setup) + 64);
    host->tcp = tcp_create((void *)round_up((uintptr_t)host->tcp_memory, 64), setup, 0);
    if (index == 1) {
        uint32_t listener;
        if (!tcp_listen(host->tcp, PORT, 8, &listener)) {
            fail(world, "no listener");
        }
    }
}

static void link_choose(struct world *world)
{
    struct random *random = &world->random;
    static const uint32_t rates[] = {0, 0, 200, 20, 5, 2};
    world->delay_ns = 1000 + (random_u64(random) >> (40 + random_below(random, 20)));
    world->delay_ns = min_u64(world->delay_ns, 30 * ms);
    world->jitter_ns = random_one_in(random, 2) ? 0 : random_below(random, world->delay_ns + 1);
    world->byte_ns = random_one_in(random, 2) ? 1 : 8 * (1 + random_below(random, 10));
    world->queue_ns = (uint64_t)(20 + random_below(random, 400)) * 1500 * world->byte_ns;
    world->loss_in = rates[random_below(random, 6)] * 2;
    world->burst_max = random_one_in(random, 2) ? 1 : 8;
    world->duplicate_in = rates[random_below(random, 5)] * 4;
    world->reorder_in = rates[random_below(random, 5)];
    world->damage_in = rates[random_below(random, 5)] * 4;
    world->slow_readers = random_one_in(random, 2);
    world->late_port = random_one_in(random, 2);
    world->slow_opens = random_one_in(random, 4);
    world->heal_ns = 5000 * ms;
}

static void streams_start(struct world *world)
{
    struct network_address peer = {.port = PORT};
    const struct address address = host_address(world, 1);
    memcpy(peer.ip, address.bytes, 16);
    world->stream_count = 1 + (uint32_t)random_below(&world->random, STREAMS_MAX);
    for (uint32_t i = 0; i < world->stream_count; i++) {
        struct stream *client = &world->hosts[0].streams[i];
        struct stream *server = &world->hosts[1].streams[i];
        struct tcp_info info;
        const uint64_t most =
            1 + (random_u64(&world->random) >> (43 + random_below(&world->random, 20)));
        client->host = &world->hosts[0];
        server->host = &world->hosts[1];
        client->used = server->used = true;
        client->salt = server->salt = i * 1001;
        client->to_send = server->expected = random_below(&world->random, most);
        server->to_send = client->expected = random_below(&world->random, most);
        struct tcp_connection *c = tcp_connect(world->hosts[0].tcp, &peer, client, 0);
        if (c == NULL) {
            fail(world, "cannot connect");
        }
        tcp_info(c, &info);
        client->port = server->port = info.local.port;
    }
}

/* With cookies the server keeps nothing: when the third segment and the first data are lost or
 * overtaken, what comes is reset (RFC 4987 3.6). */
static bool lost_to_cookies(const struct world *world, uint32_t i)
{
    const struct stream *client = &world->hosts[0].streams[i];
    return world->hosts[1].setup.half_open_count_max == 0 && client->closed &&
           client->reason == TRANSPORT_RESET && client->received == 0;
}

static bool all_done(const struct world *world)
{
    for (uint32_t h = 0; h < 2; h++) {
        for (uint32_t i = 0; i < world->stream_count; i++) {
            if (!world->hosts[h].streams[i].closed && !lost_to_cookies(world, i)) {
                return false;
            }
        }
        const struct tcp_usage usage = tcp_usage(world->hosts[h].tcp);
        if (usage.connections + usage.half_open + usage.time_wait != 0) {
            return false;
        }
    }
    return true;
}

static void describe_streams(const struct world *world)
{
    for (uint32_t i = 0; i < 2 * world->stream_count; i++) {
        const struct stream *stream = &world->hosts[i & 1].streams[i / 2];
        struct tcp_info info = {0};
        if (stream->connection != NULL) {
            tcp_info(stream->connection, &info);
        }
        printf("  stream %u host %u: %s state %u %s sent %llu/%llu got %llu/%llu in flight %u "
               "lost %u unsent %u window %u ours %u held %u closed %u (%u) shut %u end %u\n",
               i / 2, i & 1, stream->connection == NULL ? "gone" : "there", info.state,
               info.recovery != NULL ? info.recovery : "", (unsigned long long)stream->given,
               (unsigned long long)stream->to_send, (unsigned long long)stream->received,
               (unsigned long long)stream->expected, info.in_flight, info.lost, info.unsent,
               info.send_window, info.receive_window, info.receive_held, stream->closed,
               (uint32_t)stream->reason, stream->shut, stream->ended);
    }
}

static void check_end(struct world *world)
{
    for (uint32_t h = 0; h < 2; h++) {
        struct host *host = &world->hosts[h];
        host->world->now_ns = UINT64_MAX / 2;
        host_give_back(host);
        const struct tcp_usage usage = tcp_usage(host->tcp);
        if (usage.extents + usage.records + usage.pieces != 0 || usage.pinned_bytes != 0) {
            fail(world, "pools are not empty at the end");
        }
        if (host->buffers_used != 0 || host->net->frames_used != 0) {
            fail(world, "buffers are missing at the end");
        }
        for (uint32_t i = 0; i < world->stream_count; i++) {
            const struct stream *stream = &host->streams[i];
            if (!lost_to_cookies(world, i) &&
                (stream->received != stream->expected || stream->given != stream->to_send)) {
                describe_streams(world);
                fail(world, "a connection ended before its data");
            }
        }
    }
}

static void describe(const struct world *world)
{
    printf("seed %llu: %u streams, delay %llu us, byte %llu ns, loss 1/%u x %u, reorder 1/%u, "
           "%llu frames, %llu lost, %llu ms, %llu steps\n",
           (unsigned long long)world->seed, world->stream_count,
           (unsigned long long)world->delay_ns / 1000, (unsigned long long)world->byte_ns,
           world->loss_in, world->burst_max, world->reorder_in,
           (unsigned long long)world->frames_sent, (unsigned long long)world->frames_lost,
           (unsigned long long)(world->now_ns / ms), (unsigned long long)world->steps);
    for (uint32_t h = 0; h < 2; h++) {
        const uint64_t *counters = tcp_counters(world->hosts[h].tcp);
        printf("  host %u: retransmits %llu, timeouts %llu, probes %llu, fast %llu, undone %llu, "
               "cookies %llu, marked %llu, smaller for it %llu\n",
               h, (unsigned long long)counters[TCP_OUT_RETRANSMITS],
               (unsigned long long)counters[TCP_RETRANSMIT_TIMEOUTS],
               (unsigned long long)counters[TCP_TAIL_PROBES],
               (unsigned long long)counters[TCP_FAST_RECOVERIES],
               (unsigned long long)counters[TCP_UNDONE],
               (unsigned long long)counters[TCP_COOKIES_TAKEN],
               (unsigned long long)counters[TCP_IN_MARKED],
               (unsigned long long)counters[TCP_ECN_REDUCED]);
    }
}

static void run(uint64_t seed)
{
    static struct world world;
    world = (struct world){.seed = seed, .v6 = seed % 3 == 2};
    random_init(&world.random, seed);
    random_init(&world.marks, ~seed);
    static const uint32_t marks[] = {0, 200, 20, 2, 1};
    world.mark_in = marks[random_below(&world.marks, ARRAY_SIZE(marks))];
    world.frames = calloc(FRAMES_MAX, sizeof(struct frame));
    const uint16_t least = world.v6 ? IPV6_MTU_MIN : 576;
    const uint16_t mtu = random_one_in(&world.random, 2) ? 1500 : least;
    host_start(&world, 0, mtu);
    host_start(&world, 1, mtu);
    link_choose(&world);
    trouble_choose(&world, mtu);
    streams_start(&world);
    while (!all_done(&world)) {
        host_step(&world.hosts[0]);
        host_step(&world.hosts[1]);
        world.steps++;
        world.now_ns = next_event_ns(&world);
        if (world.now_ns > world.heal_ns + 120000 * ms || world.steps > 4000000) {
            describe(&world);
            describe_streams(&world);
            fail(&world, "not done long after the link has healed");
        }
    }
    if (verbose) {
        describe(&world);
    }
    check_end(&world);
    for (uint32_t i = 0; i < 2; i++) {
        free(world.hosts[i].buffers);
        free(world.hosts[i].net_memory);
        free(world.hosts[i].tcp_memory);
    }
    free(world.frames);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    uint64_t count = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(argv[i], "--count") == 0) {
            count = strtoull(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: stack_sim [--seed N] [--count C] [--verbose]\n");
            return 2;
        }
    }
    struct random random;
    random_init(&random, 42);
    random_fill(&random, pattern, PATTERN_BYTES);
    memcpy(pattern + PATTERN_BYTES, pattern, PATTERN_BYTES);
    for (uint64_t i = 0; i < count; i++) {
        run(seed + i);
    }
    printf("%llu seeds from %llu: everything held\n", (unsigned long long)count,
           (unsigned long long)seed);
    return 0;
}
