/* Two of our stacks under load, on virtual time: goodput on bad links, many connections, floods and
 * other hostility. Everything is a count, so everything is asserted. */
#include "tests/sim/stack_load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const uint64_t ms = 1000000;
static const uint64_t s = 1000000000;

static uint32_t tests;
static uint32_t failures;

static void judge(bool good, const char *name)
{
    printf("%s %u - %s\n", good ? "ok" : "not ok", ++tests, name);
    fflush(stdout);
    failures += !good;
}

/* ---- No allocation after start ---- */

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);

static uint64_t allocations;

void *__wrap_malloc(size_t bytes)
{
    allocations++;
    return __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    allocations++;
    return __real_calloc(count, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
    allocations++;
    return __real_realloc(old, bytes);
}

/* ---- Goodput ---- */

/* Segments in flight on average at a loss rate p, for a window that halves (RFC 5681, with an
 * acknowledgement counted by its bytes): sqrt(3 / 2p). What CUBIC aims at is no less (RFC
 * 9438 4.3).
 */
static double response_bits(const struct load_options *options, double loss)
{
    const double payload = options->mtu - 52.0;
    const double round_s = 2e-9 * (double)options->delay_ns;
    const double link = 1e9 * (double)options->gigabits * payload / (options->mtu + 38.0);
    return fmin(link, sqrt(1.5 / loss) * payload * 8 / round_s);
}

static void goodput(uint16_t mtu, uint32_t loss_per_100000, const struct congestion *congestion)
{
    struct load_options options = load_usual();
    char name[120];
    options.mtu = mtu;
    options.buffer_bytes = mtu == 1500 ? 2048 : 9216;
    options.gigabits = 10;
    options.delay_ns = 100000;
    options.loss_per_100000 = loss_per_100000;
    options.congestion = congestion;
    struct load *load = load_create(&options);
    load_start(load);
    (void)load_open(load, LOAD_BULK);
    load_run(load, 300 * ms);
    const uint64_t before = load->hosts[1].received;
    const uint64_t time_ns = loss_per_100000 >= 1000 ? s : s / 2;
    load_run(load, time_ns);
    const double got = (double)(load->hosts[1].received - before) * 8 * 1e9 / (double)time_ns;
    const double want = response_bits(&options, loss_per_100000 / 100000.0);
    const uint64_t *counters = tcp_counters(load->hosts[0].tcp);
    snprintf(name, sizeof(name), "%s, MTU %u, %.1f %% lost: 0.9 of the response function",
             congestion->name, mtu, loss_per_100000 / 1000.0);
    judge(got >= 0.9 * want, name);
    printf("# %.0f of %.0f Mb/s (%.2f); recoveries %llu, timeouts %llu, undone %llu\n", got / 1e6,
           want / 1e6, got / want, (unsigned long long)counters[TCP_FAST_RECOVERIES],
           (unsigned long long)counters[TCP_RETRANSMIT_TIMEOUTS],
           (unsigned long long)counters[TCP_UNDONE]);
    load_destroy(load);
}

/* ---- Many connections ---- */

static bool server_is_empty(const struct load *load)
{
    const struct load_host *host = &load->hosts[1];
    const struct tcp_usage usage = tcp_usage(host->tcp);
    printf("# left: %u connections, %u half-open, %u in TIME_WAIT, %u buffers\n", usage.connections,
           usage.half_open, usage.time_wait, LOAD_BUFFERS - host->free_count);
    return usage.connections + usage.half_open + usage.extents + usage.records + usage.pieces ==
               0 &&
           usage.pinned_bytes == 0 && host->free_count == LOAD_BUFFERS;
}

static void many_setup(struct load *load)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct tcp_setup *setup = &load->hosts[i].setup;
        setup->connection_count_max = 10100;
        setup->half_open_count_max = 4096;
        setup->time_wait_count_max = 16384;
        setup->time_wait_ms = 100;
    }
}

static void idle_connections(void)
{
    const struct load_options options = load_usual();
    struct load *load = load_create(&options);
    many_setup(load);
    load_start(load);
    for (uint32_t i = 0; i < 10000; i++) {
        (void)load_open(load, LOAD_IDLE);
        if (i % 100 == 99) {
            load_run(load, ms);
        }
    }
    load_run(load, 100 * ms);
    const uint64_t bytes = tcp_memory_bytes(&load->hosts[1].setup);
    judge(tcp_usage(load->hosts[1].tcp).connections == 10000 && load->hosts[1].opened == 10000,
          "10,000 connections are open");
    judge(bytes <= 64 << 20, "they and all pools take at most 64 MB");
    printf("# %.1f MB\n", (double)bytes / (1 << 20));
    load_close_all(load);
    load_run(load, 2 * s);
    judge(server_is_empty(load), "nothing of them is left");
    load_destroy(load);
}

static void churn(void)
{
    const struct load_options options = load_usual();
    struct load *load = load_create(&options);
    many_setup(load);
    load->hosts[0].setup.time_wait_ms = 500;
    load_start(load);
    const uint64_t before = allocations;
    for (uint32_t i = 0; i < 500; i++) {
        (void)load_open(load, LOAD_SHORT);
    }
    while (load->hosts[1].completed < 50000 && load->now_ns < 60 * s) {
        load_run(load, 10 * ms);
    }
    load_close_all(load);
    load_run(load, 100 * s); /* Those who gave up while opening are forgotten too. */
    judge(load->hosts[1].completed >= 50000 && load->hosts[1].broken == 0,
          "50,000 connections were opened, used and closed");
    printf("# in %.1f s\n", (double)(load->now_ns - s) / 1e9);
    judge(server_is_empty(load), "nothing of them is left either");
    judge(allocations == before, "no memory was allocated on the way");
    load_destroy(load);
}

/* ---- Hostility ---- */

struct score {
    uint64_t received;
    uint64_t completed;
    uint64_t broken;
};

static struct score score_of(const struct load *load)
{
    return (struct score){load->hosts[1].received, load->hosts[0].completed,
                          load->hosts[0].broken + load->hosts[1].broken};
}

/* Four streams and eight short connections at a time, for half a second, with and without. */
static void under_attack(const char *name, void (*attack)(struct load *),
                         void (*prepare)(struct load *))
{
    struct score scores[2];
    uint64_t attacks = 0;
    uint32_t half_open = 0;
    uint64_t made = 0;
    char text[160];
    for (uint32_t with = 0; with < 2; with++) {
        const struct load_options options = load_usual();
        struct load *load = load_create(&options);
        load->hosts[0].setup.time_wait_ms = 500;
        /* Four windows find room in the queue of the link: nothing is lost without an attack. */
        load->hosts[1].setup.receive_bytes_min = load->hosts[1].setup.receive_bytes_max = 32768;
        load->hosts[1].setup.piece_count_max = LOAD_BUFFERS / 8;
        load_start(load);
        for (uint32_t i = 0; i < 12; i++) {
            (void)load_open(load, i < 4 ? LOAD_BULK : LOAD_SHORT);
        }
        load_run(load, 100 * ms);
        if (with == 1 && prepare != NULL) {
            prepare(load);
        }
        load->attack = with == 1 ? attack : NULL;
        load->attack_ns = load->now_ns;
        const struct score before = score_of(load);
        const uint64_t allocated = allocations;
        load_run(load, 500 * ms);
        const struct score after = score_of(load);
        scores[with] =
            (struct score){after.received - before.received, after.completed - before.completed,
                           after.broken - before.broken};
        made += allocations - allocated;
        attacks = load->attacks;
        half_open = tcp_usage(load->hosts[1].tcp).half_open;
        if (half_open > load->hosts[1].setup.half_open_count_max) {
            half_open = UINT32_MAX;
        }
        load_destroy(load);
    }
    snprintf(text, sizeof(text), "%s: streams keep 90 %%", name);
    judge(scores[1].received * 10 >= scores[0].received * 9, text);
    snprintf(text, sizeof(text), "%s: short connections keep 90 %%, none breaks", name);
    judge(scores[1].completed * 10 >= scores[0].completed * 9 && scores[1].broken == 0, text);
    snprintf(text, sizeof(text), "%s: no allocation, half-open entries within their bound", name);
    judge(made == 0 && half_open != UINT32_MAX, text);
    printf(
        "# %llu packets of the attacker; %.1f MB of %.1f, %llu connections of %llu, broken %llu\n",
        (unsigned long long)attacks, (double)scores[1].received / 1e6,
        (double)scores[0].received / 1e6, (unsigned long long)scores[1].completed,
        (unsigned long long)scores[0].completed, (unsigned long long)scores[1].broken);
}

static void syn_from(struct load *load, uint32_t source) /* 200,000 in a second. */
{
    const struct segment segment = {.source_port = (uint16_t)random_u64(&load->random),
                                    .target_port = LOAD_PORT,
                                    .sequence = (uint32_t)random_u64(&load->random),
                                    .flags = SEGMENT_SYN,
                                    .window = 65535,
                                    .mss = 1460};
    load_inject(load, source, &segment);
    load->attack_ns += 5000;
}

static void syn_flood(struct load *load)
{
    syn_from(load, 0x0b000000 + (uint32_t)random_below(&load->random, 1 << 24));
}

/* From addresses of the link that nobody has: each is asked for by ARP. */
static void syn_flood_of_neighbours(struct load *load)
{
    syn_from(load, 0x0a000003 + (uint32_t)random_below(&load->random, 250));
}

/* Port of one of the client's connections. */
static uint16_t some_port(struct load *load)
{
    const struct load_host *host = &load->hosts[0];
    const struct load_flow *flow = &host->flows[random_below(&load->random, 4)];
    struct tcp_info info;
    if (flow->connection == NULL) {
        return 0;
    }
    tcp_info(flow->connection, &info);
    return info.local.port;
}

static void blind(struct load *load, uint8_t flags, uint32_t len)
{
    const struct segment segment = {.source_port = some_port(load),
                                    .target_port = LOAD_PORT,
                                    .sequence = (uint32_t)random_u64(&load->random),
                                    .ack = (uint32_t)random_u64(&load->random),
                                    .flags = flags,
                                    .window = 65535,
                                    .len = len,
                                    .has_timestamp = true,
                                    .tsval = (uint32_t)random_u64(&load->random)};
    load_inject(load, LOAD_CLIENT, &segment);
    load->attack_ns += 10000;
}

static void spoofed_resets(struct load *load)
{
    blind(load, random_one_in(&load->random, 2) ? SEGMENT_RST : SEGMENT_SYN, 0);
}

static void spoofed_data(struct load *load)
{
    blind(load, SEGMENT_ACK | SEGMENT_PSH, (uint32_t)random_below(&load->random, 100));
}

static void stray_segments(struct load *load)
{
    const struct segment segment = {.source_port = (uint16_t)random_u64(&load->random),
                                    .target_port = (uint16_t)random_u64(&load->random),
                                    .sequence = (uint32_t)random_u64(&load->random),
                                    .ack = (uint32_t)random_u64(&load->random),
                                    .flags = SEGMENT_ACK,
                                    .window = 1};
    load_inject(load, 0x0b000000 + (uint32_t)random_below(&load->random, 1 << 24), &segment);
    load->attack_ns += 5000;
}

/* Connections that send one byte at a time, and whose bytes the server's user keeps for ever. */
static void tiny_prepare(struct load *load)
{
    load->hosts[1].role = LOAD_DEAF;
    for (uint32_t i = 0; i < 4; i++) {
        (void)load_open(load, LOAD_IDLE);
    }
    load_run(load, 10 * ms);
    load->hosts[1].role = LOAD_IDLE;
}

static void tiny_segments(struct load *load)
{
    const struct send_part part = {{load_chunk, 1}};
    struct load_host *host = &load->hosts[0];
    for (uint32_t i = 12; i < 16; i++) {
        struct load_flow *flow = &host->flows[i];
        struct tcp_info info = {.unsent = 1};
        if (flow->connection != NULL) {
            tcp_info(flow->connection, &info);
        }
        if (info.unsent + info.in_flight == 0 &&
            tcp_send(flow->connection, &part, 1, flow->tokens)) {
            flow->tokens++;
            load->attacks++;
        }
    }
    load->attack_ns += 50000;
}

/* ---- Memory that peers hold ---- */

static void half_open_hundred_thousand(void)
{
    const struct load_options options = load_usual();
    struct load *load = load_create(&options);
    load_start(load);
    const uint64_t before = allocations;
    for (uint32_t i = 0; i < 100000; i++) {
        syn_flood(load);
        if (i % 100 == 99) {
            load_run(load, ms / 2);
        }
    }
    const struct tcp_usage usage = tcp_usage(load->hosts[1].tcp);
    const uint64_t *counters = tcp_counters(load->hosts[1].tcp);
    judge(usage.half_open <= load->hosts[1].setup.half_open_count_max && usage.connections == 0 &&
              allocations == before,
          "100,000 half-open connections take the entries there are, and no more");
    judge(usage.half_open + counters[TCP_COOKIES_SENT] >= 99000, "each was answered");
    printf("# %u entries, %llu cookies\n", usage.half_open,
           (unsigned long long)counters[TCP_COOKIES_SENT]);
    (void)load_open(load, LOAD_IDLE);
    load_run(load, 100 * ms);
    judge(load->hosts[1].opened == 1, "and one more client is served, by a cookie");
    load_destroy(load);
}

/* The server sends to clients that read nothing: each pins so much, all so much. */
static void readers_that_do_not_read(void)
{
    const struct load_options options = load_usual();
    struct load *load = load_create(&options);
    struct tcp_setup *setup = &load->hosts[1].setup;
    setup->send_bytes_max = 1 << 20;
    setup->send_bytes_core_max = 16 << 20;
    load->hosts[0].setup.receive_bytes_max = load->hosts[0].setup.receive_bytes_min = 65536;
    load_start(load);
    load->hosts[1].role = LOAD_BULK;
    for (uint32_t i = 0; i < 100; i++) {
        (void)load_open(load, LOAD_DEAF);
    }
    load_run(load, 500 * ms);
    const uint64_t pinned = tcp_usage(load->hosts[1].tcp).pinned_bytes;
    /* Beyond the bound of all each keeps the one send that is always taken. */
    judge(pinned <= setup->send_bytes_core_max + (uint64_t)100 * LOAD_CHUNK,
          "100 readers that do not read pin no more than the bound");
    printf("# %.1f MB pinned\n", (double)pinned / (1 << 20));
    const uint64_t before = load->hosts[0].received;
    (void)load_open(load, LOAD_IDLE); /* This one reads. */
    load_run(load, 500 * ms);
    judge(load->hosts[0].received - before > 5000000, "one that reads is served beside them");
    printf("# %.1f MB in half a second\n", (double)(load->hosts[0].received - before) / 1e6);
    load_release_kept(&load->hosts[0]);
    load_destroy(load);
}

int main(void)
{
    goodput(1500, 100, &congestion_cubic);
    goodput(1500, 1000, &congestion_cubic);
    goodput(9000, 100, &congestion_cubic);
    goodput(9000, 1000, &congestion_cubic);
    goodput(1500, 100, &congestion_reno);
    goodput(1500, 1000, &congestion_reno);
    goodput(9000, 100, &congestion_reno);
    goodput(9000, 1000, &congestion_reno);
    idle_connections();
    churn();
    under_attack("200,000 SYNs a second", syn_flood, NULL);
    under_attack("200,000 SYNs a second from the link", syn_flood_of_neighbours, NULL);
    under_attack("100,000 spoofed resets and SYNs a second", spoofed_resets, NULL);
    under_attack("100,000 spoofed segments with data a second", spoofed_data, NULL);
    under_attack("200,000 segments of nobody a second", stray_segments, NULL);
    under_attack("segments of one byte, kept", tiny_segments, tiny_prepare);
    half_open_hundred_thousand();
    readers_that_do_not_read();
    printf("1..%u\n", tests);
    return failures != 0;
}
