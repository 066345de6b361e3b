#include "tests/sim/stack_load.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv4.h"

static const uint64_t ms = 1000000;

enum { OUT_BURST = 8 };

uint8_t load_chunk[LOAD_CHUNK];

static _Noreturn void fail(const char *what)
{
    printf("Bail out! %s\n", what);
    exit(1);
}

/* ---- Buffers ---- */

static uint8_t *buffer_take(struct load_host *host)
{
    if (host->free_count == 0) {
        host->dropped++;
        return NULL;
    }
    return host->buffers +
           (size_t)host->free[--host->free_count] * host->load->options.buffer_bytes;
}

static void buffer_release(void *context, void *buffer)
{
    struct load_host *host = context;
    const size_t offset = (size_t)((uint8_t *)buffer - host->buffers);
    ASSERT(offset % host->load->options.buffer_bytes == 0 && host->free_count < LOAD_BUFFERS);
    host->free[host->free_count++] = (uint32_t)(offset / host->load->options.buffer_bytes);
}

/* ---- The users ---- */

static void *on_open(void *context, struct tcp_connection *connection,
                     const struct network_address *peer, const struct network_address *local,
                     uint32_t listener)
{
    struct load_host *host = context;
    (void)peer;
    (void)local;
    host->opened++;
    if (listener == TCP_NO_LISTENER) {
        return NULL; /* Its user was told to tcp_connect. */
    }
    for (uint32_t i = 0; i < LOAD_FLOWS; i++) { /* A slot that is free; the next, mostly. */
        struct load_flow *flow = &host->flows[(host->flow_count + i) % LOAD_FLOWS];
        if (flow->connection == NULL) {
            host->flow_count = (host->flow_count + i + 1) % LOAD_FLOWS;
            *flow = (struct load_flow){
                .host = host, .connection = connection, .role = host->role, .opened = true};
            return flow;
        }
    }
    return NULL;
}

static void on_data(void *user, struct received_piece piece)
{
    struct load_flow *flow = user;
    struct load_host *host = flow->host;
    const size_t bytes = (size_t)LOAD_BUFFERS * host->load->options.buffer_bytes;
    /* What the user gets is what the port wrote: not a copy. */
    if (piece.bytes.ptr < host->buffers || piece.bytes.ptr >= host->buffers + bytes) {
        fail("received bytes were copied");
    }
    flow->received += piece.bytes.len;
    host->received += piece.bytes.len;
    if (flow->role == LOAD_DEAF && host->kept_count < LOAD_BUFFERS) {
        host->kept[host->kept_count++] = piece.buffer;
    } else {
        tcp_release(host->tcp, piece.buffer);
    }
}

static void on_end(void *user)
{
    struct load_flow *flow = user;
    tcp_close(flow->connection);
}

static void send_more(struct load_flow *flow)
{
    const struct send_part part = {{load_chunk, LOAD_CHUNK}};
    while (tcp_send(flow->connection, &part, 1, flow->tokens)) {
        flow->tokens++;
    }
}

static void on_sent(void *user, uint64_t token)
{
    struct load_flow *flow = user;
    (void)token;
    if (flow->role == LOAD_SHORT) {
        tcp_close(flow->connection);
    }
}

static void on_room(void *user)
{
    send_more(user);
}

static void on_close(void *user, enum transport_close_reason reason)
{
    struct load_flow *flow = user;
    flow->connection = NULL;
    flow->closed = true;
    if (reason == TRANSPORT_RESET || reason == TRANSPORT_TIMED_OUT) {
        flow->host->broken++;
    } else {
        flow->host->completed++;
    }
}

static const struct tcp_user user_calls = {on_open,  on_data, on_end, on_sent, on_room,
                                           on_close, NULL,    NULL,   NULL};

static void user_step(struct load_flow *flow)
{
    struct load *load = flow->host->load;
    if (flow->connection == NULL) {
        if (flow->role == LOAD_SHORT && flow->closed) {
            struct network_address peer = {.port = LOAD_PORT};
            const struct address address = address_of_v4(LOAD_SERVER);
            memcpy(peer.ip, address.bytes, sizeof(peer.ip));
            flow->closed = false;
            flow->tokens = 0;
            flow->connection = tcp_connect(flow->host->tcp, &peer, flow, load->now_ns);
        }
        return;
    }
    if (flow->role == LOAD_BULK && flow->tokens == 0) {
        send_more(flow);
    } else if (flow->role == LOAD_SHORT && flow->tokens == 0) {
        const struct send_part part = {{load_chunk, 1000}};
        flow->tokens += tcp_send(flow->connection, &part, 1, 0);
    }
}

/* ---- The link ---- */

static void queue_put(struct load_host *to, uint8_t *buffer, uint32_t len, uint64_t at_ns)
{
    if (to->tail - to->head == LOAD_QUEUE) {
        buffer_release(to, buffer);
        to->dropped++;
        return;
    }
    to->queue[to->tail++ % LOAD_QUEUE] = (struct load_frame){at_ns, buffer, len};
}

static void link_send(struct load_host *from, const struct packet_out *out)
{
    struct load *load = from->load;
    struct load_host *to = &load->hosts[1 - from->index];
    const uint32_t len = out->header_len + out->payload_len;
    const uint64_t start_ns = max_u64(from->link_free_ns, load->now_ns);
    const bool lose = out->payload_len != 0 && load->options.loss_per_100000 != 0 &&
                      random_below(&load->random, 100000) < load->options.loss_per_100000;
    if (lose || start_ns - load->now_ns > load->options.queue_ns) {
        load->lost++;
        return;
    }
    uint8_t *buffer = buffer_take(to);
    if (buffer == NULL) {
        return;
    }
    uint32_t at = out->header_len;
    memcpy(buffer, out->header, out->header_len);
    for (uint32_t i = 0; i < out->part_count; i++) {
        /* What leaves is what the user gave: not a copy. */
        if (out->pin.kind == PACKET_PIN_EXTENTS &&
            (out->parts[i].ptr < load_chunk || out->parts[i].ptr >= load_chunk + LOAD_CHUNK)) {
            fail("sent bytes were copied");
        }
        memcpy(buffer + at, out->parts[i].ptr, out->parts[i].len);
        at += out->parts[i].len;
    }
    from->link_free_ns = start_ns + (len + 24) * 8 / load->options.gigabits; /* With gap and sum. */
    queue_put(to, buffer, len, from->link_free_ns + load->options.delay_ns);
}

static void host_output(struct load_host *host)
{
    uint8_t headers[OUT_BURST][PACKET_HEADER_BYTES];
    struct packet_out packets[OUT_BURST];
    uint32_t count;
    do {
        for (uint32_t i = 0; i < OUT_BURST; i++) {
            packets[i].header = headers[i];
        }
        count = tcp_output(host->tcp, packets, OUT_BURST, host->load->now_ns);
        for (uint32_t i = 0; i < count; i++) {
            link_send(host, &packets[i]);
            if (packets[i].pin.kind != PACKET_PIN_NONE) {
                tcp_released(host->tcp, &packets[i].pin);
            }
        }
    } while (count != 0);
}

static void host_input(struct load_host *host)
{
    struct packet_in packets[TCP_BURST_MAX];
    for (;;) {
        uint32_t count = 0;
        while (count < TCP_BURST_MAX && host->head != host->tail &&
               host->queue[host->head % LOAD_QUEUE].at_ns <= host->load->now_ns) {
            const struct load_frame *frame = &host->queue[host->head++ % LOAD_QUEUE];
            packets[count++] =
                (struct packet_in){.first = {{frame->buffer, frame->len}, frame->buffer},
                                   .flags = PACKET_IP_GOOD | PACKET_L4_GOOD,
                                   .segments = 1};
        }
        if (count == 0) {
            return;
        }
        tcp_input(host->tcp, packets, count, host->load->now_ns);
    }
}

void load_inject(struct load *load, uint32_t source, const struct segment *segment)
{
    struct load_host *host = &load->hosts[1];
    struct segment copy = *segment;
    uint8_t *buffer = buffer_take(host);
    load->attacks++;
    if (buffer == NULL) {
        return;
    }
    uint8_t *tcp = buffer + 14 + IPV4_BYTES;
    const uint32_t header_len = segment_write(tcp, &copy);
    const uint32_t len = header_len + segment->len;
    const struct ipv4_header ip = {.source = source,
                                   .target = LOAD_SERVER,
                                   .total_len = (uint16_t)(IPV4_BYTES + len),
                                   .protocol = IPV4_TCP,
                                   .ttl = 64};
    memset(tcp + header_len, 0, segment->len);
    ethernet_write(buffer, &host->net_setup.mac, &load->hosts[0].net_setup.mac, 0, ETHERNET_IPV4);
    ipv4_write(buffer + 14, &ip, true);
    const struct packet_in packet = {.first = {{buffer, 14 + IPV4_BYTES + len}, buffer},
                                     .flags = PACKET_IP_GOOD | PACKET_L4_GOOD,
                                     .segments = 1};
    tcp_input(host->tcp, &packet, 1, load->now_ns);
}

/* ---- Running ---- */

static void host_step(struct load_host *host)
{
    struct load *load = host->load;
    const uint32_t flows = host->index == 0 ? host->flow_count : LOAD_FLOWS;
    host_input(host);
    (void)tcp_turn(host->tcp, 1000, load->now_ns);
    (void)tcp_deliver(host->tcp, 1000, load->now_ns);
    if (load->steps % 64 == 0 || host->index == 0) {
        for (uint32_t i = 0; i < flows; i++) {
            if (host->flows[i].role != LOAD_IDLE && host->flows[i].role != LOAD_DEAF) {
                user_step(&host->flows[i]);
            }
        }
    }
    host_output(host);
}

static uint64_t next_ns(const struct load *load, uint64_t end_ns)
{
    uint64_t next = load->attack != NULL ? min_u64(end_ns, load->attack_ns) : end_ns;
    for (uint32_t i = 0; i < 2; i++) {
        const struct load_host *host = &load->hosts[i];
        if (host->head != host->tail) {
            next = min_u64(next, host->queue[host->head % LOAD_QUEUE].at_ns);
        }
        next = min_u64(next, tcp_next_deadline_ns(host->tcp));
    }
    return max_u64(next, load->now_ns + 1000);
}

void load_run(struct load *load, uint64_t ns)
{
    const uint64_t end_ns = load->now_ns + ns;
    while (load->now_ns < end_ns) {
        if (load->attack != NULL && load->attack_ns <= load->now_ns) {
            load->attack(load);
        }
        host_step(&load->hosts[0]);
        host_step(&load->hosts[1]);
        if (load->steps++ % 4096 == 0) {
            const char *wrong = tcp_invariants(load->hosts[1].tcp);
            if (wrong != NULL) {
                fail(wrong);
            }
        }
        load->now_ns = next_ns(load, end_ns);
    }
}

struct load_flow *load_open(struct load *load, enum load_role role)
{
    struct load_host *host = &load->hosts[0];
    struct load_flow *flow = &host->flows[host->flow_count];
    struct network_address peer = {.port = LOAD_PORT};
    const struct address address = address_of_v4(LOAD_SERVER);
    ASSERT(host->flow_count < LOAD_FLOWS);
    memcpy(peer.ip, address.bytes, sizeof(peer.ip));
    *flow = (struct load_flow){.host = host, .role = role};
    flow->connection = tcp_connect(host->tcp, &peer, flow, load->now_ns);
    if (flow->connection == NULL) {
        return NULL;
    }
    host->flow_count++;
    return flow;
}

void load_close_all(struct load *load)
{
    struct load_host *host = &load->hosts[0];
    for (uint32_t i = 0; i < host->flow_count; i++) {
        host->flows[i].role = LOAD_IDLE;
        if (host->flows[i].connection != NULL) {
            tcp_close(host->flows[i].connection);
        }
    }
    host->flow_count = 0;
}

void load_release_kept(struct load_host *host)
{
    while (host->kept_count > 0) {
        tcp_release(host->tcp, host->kept[--host->kept_count]);
    }
}

/* ---- Beginning and end ---- */

struct load_options load_usual(void)
{
    return (struct load_options){.mtu = 1500,
                                 .buffer_bytes = 2048,
                                 .delay_ns = 100000,
                                 .gigabits = 1,
                                 .queue_ns = 2 * ms,
                                 .congestion = &congestion_cubic};
}

struct load *load_create(const struct load_options *options)
{
    static struct route routes[2];
    routes[0] = route_v4(0x0a000000, 24, 0);
    routes[1] = route_v4(0, 0, LOAD_CLIENT);
    struct load *load = calloc(1, sizeof(*load));
    load->options = *options;
    load->now_ns = 1000 * ms;
    random_init(&load->random, 7);
    for (uint32_t i = 0; i < 2; i++) {
        struct load_host *host = &load->hosts[i];
        host->load = load;
        host->index = i;
        host->buffers = malloc((size_t)LOAD_BUFFERS * options->buffer_bytes);
        while (host->free_count < LOAD_BUFFERS) {
            host->free[host->free_count] = host->free_count;
            host->free_count++;
        }
        host->net_setup =
            (struct net_setup){.mac = {{2, 0, 0, 0, 0, (uint8_t)(i + 1)}},
                               .v4 = LOAD_CLIENT + i,
                               .mtu = options->mtu,
                               .offloads = NET_OFFLOAD_IP_CHECKSUM | NET_OFFLOAD_TCP_CHECKSUM,
                               .parts_max = 8,
                               .routes = routes,
                               .route_count = 1 + i,
                               .neighbor_count_max = 256,
                               .frame_count_max = 256,
                               .release = buffer_release,
                               .context = host};
        host->setup = tcp_setup_usual();
        host->setup.user = &user_calls;
        host->setup.user_context = host;
        host->setup.congestion = options->congestion;
        random_fill(&load->random, host->setup.secret, sizeof(host->setup.secret));
    }
    return load;
}

void load_start(struct load *load)
{
    uint32_t listener;
    for (uint32_t i = 0; i < 2; i++) {
        struct load_host *host = &load->hosts[i];
        const uint64_t net_bytes = round_up(net_memory_bytes(&host->net_setup), 64);
        host->memory = calloc(1, net_bytes + tcp_memory_bytes(&host->setup) + 64);
        uint8_t *at = (void *)round_up((uintptr_t)host->memory, 64);
        host->net = net_create(at, &host->net_setup, load->now_ns);
        host->setup.net = host->net;
        host->tcp = tcp_create(at + net_bytes, &host->setup, load->now_ns);
    }
    if (!tcp_listen(load->hosts[1].tcp, LOAD_PORT, 4096, &listener)) {
        fail("no listener");
    }
}

void load_destroy(struct load *load)
{
    for (uint32_t i = 0; i < 2; i++) {
        free(load->hosts[i].memory);
        free(load->hosts[i].buffers);
    }
    free(load);
}
