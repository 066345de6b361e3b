/* A broker core between two ends of a DPDK ring port: frames come in bursts of 32 from 8
 * connections that take turns, each with one small produce request, and go out again as answers.
 * Nothing varies: what tests/bench/instructions.py counts under callgrind, inside turn_counted
 * only. While nobody but the disk has anything to do no turn is made and time passes: how often a
 * core looks at a slow disk is no cost of a request. What a look costs is a case of its own.
 *
 *     count_path CASE COUNT
 *
 * The port hears what it says: the load, the same TCP at another address, takes from it what the
 * broker has sent and the other way round, by turns. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/core_loop.h"
#include "dataplane/eal.h"
#include "dataplane/nic/nic_dpdk.h"
#include "dataplane/stack/stack.h"
#include "tests/dataplane/broker/rig.h"
#include "tests/sim/sim_link.h"

enum {
    CONNECTIONS = 8,
    DEEP_CONNECTIONS = 16,
    DEEP_IN_FLIGHT = 128, /* Of each connection. */
    DEEP_TURN_NS = 50000, /* That the disk has meanwhile. */
    PARTITIONS = 16,
    TOPIC_PARTITIONS = 64, /* Enough of them lie on each core. */
    BURST = 32,
    BUFFERS = 4096,
    BROKER_V4 = 0x0a000001,
    LOAD_V4 = 0x0a000002,
    PORT = 9092,
    VALUE_BYTES = 100,
    TURNS_MAX = 100000,
};

static const struct load {
    const char *name;
    uint32_t cores;
    uint32_t owner; /* Core of the partitions; the connections are core 0's. */
    bool summed;    /* As over a device that sums nothing: the stack does, both ways. */
    bool idle;      /* Turns that find nothing to do, after one burst. */
    bool dozes;     /* Of them: those of the core's own loop, which polls. */
    bool deep;      /* So many in flight that what is kept of them is more than L2 holds. */
} loads[] = {
    {"path-produce-100b", 1, 0, false, false, false, false},
    {"path-produce-100b-summed", 1, 0, true, false, false, false},
    {"path-produce-100b-of-two-cores", 2, 0, false, false, false, false},
    {"path-produce-100b-by-mail", 2, 1, false, false, false, false},
    {"path-produce-100b-deep", 1, 0, false, false, false, true},
    {"path-turn-look", 1, 0, false, true, false, false},
    {"path-turn-idle", 1, 0, false, true, true, false},
};

struct frame {
    uint8_t *bytes;
    uint32_t len;
};

static struct {
    struct rig *rig;
    struct nic *nic;
    struct stack *stack;
    void (*stack_released)(void *context, const struct packet_pin *pin);
    void *stack_context; /* Who gets the broker's pins back, and how. */
    struct route link;
    struct net *net; /* The load's. */
    struct tcp *tcp;
    struct tcp_connection *connections[DEEP_CONNECTIONS];
    uint32_t connection_count;
    struct frame frames[PARTITIONS];
    uint32_t answer_len;
    uint64_t opened, answered, answered_bytes, asked;
    uint64_t cpu_ns, turns; /* Of turn_counted, with many in flight. */
    bool told;              /* The load has said something since the broker's last turn. */
    struct core core;       /* Around the broker, where turns are its own. */
    bool looping;
    struct packet_in in[NIC_BURST_MAX];
    struct packet_out out[NIC_BURST_MAX];
} at;

static void give_up(const char *what)
{
    (void)fprintf(stderr, "count_path: %s\n", what);
    exit(1);
}

static uint64_t now_ns(void)
{
    return sim_machine_now_ns(at.rig->machine);
}

static void *zeroed(uint64_t size)
{
    void *memory = aligned_alloc(64, round_up(size, 64));
    if (memory == NULL) {
        give_up("no memory");
    }
    return memset(memory, 0, round_up(size, 64));
}

/* ---- The load ------------------------------------------------------------------------------- */

static void *on_open(void *context, struct tcp_connection *connection,
                     const struct network_address *peer, const struct network_address *local,
                     uint32_t listener)
{
    (void)context;
    (void)connection;
    (void)peer;
    (void)local;
    (void)listener;
    at.opened++;
    return NULL;
}

static void on_data(void *user, struct received_piece piece)
{
    (void)user;
    at.answered_bytes += piece.bytes.len;
    at.answered = at.answered_bytes / at.answer_len;
    tcp_release(at.tcp, piece.buffer);
}

static void on_end(void *user)
{
    (void)user;
    give_up("the broker ended a connection");
}

static void on_sent(void *user, uint64_t token)
{
    (void)user;
    (void)token;
}

static void on_room(void *user)
{
    (void)user;
}

static void on_close(void *user, enum transport_close_reason reason)
{
    (void)user;
    (void)reason;
    give_up("a connection was lost");
}

static const struct tcp_user calls = {on_open,  on_data, on_end, on_sent, on_room,
                                      on_close, NULL,    NULL,   NULL};

static void buffer_release(void *context, void *buffer)
{
    (void)context;
    at.nic->ops->release(at.nic, buffer);
}

static void load_make(void)
{
    at.link = route_v4(LOAD_V4 & 0xffffff00, 24, 0);
    const struct net_setup net = {.mac = {{2, 0, 0, 0, 0, 2}},
                                  .v4 = LOAD_V4,
                                  .mtu = at.nic->capabilities.mtu,
                                  .offloads = at.nic->capabilities.offloads,
                                  .parts_max =
                                      min_u32(at.nic->capabilities.parts_max, PACKET_PARTS_MAX),
                                  .routes = &at.link,
                                  .route_count = 1,
                                  .neighbor_count_max = 4,
                                  .frame_count_max = 64,
                                  .release = buffer_release};
    at.net = net_create(zeroed(net_memory_bytes(&net)), &net, now_ns());
    struct tcp_setup tcp = tcp_setup_usual();
    tcp.net = at.net;
    tcp.user = &calls;
    tcp.secret[0] = 0x9e3779b97f4a7c15;
    tcp.secret[1] = 0xbf58476d1ce4e5b9;
    at.tcp = tcp_create(zeroed(tcp_memory_bytes(&tcp)), &tcp, now_ns());
}

/* Both ends send by one port: the load takes it over for its turn. */
static void load_released(void *context, const struct packet_pin *pin)
{
    tcp_released(context, pin);
}

static void port_take(void)
{
    at.nic->released = load_released;
    at.nic->released_context = at.tcp;
}

static void port_return(void)
{
    at.nic->released = at.stack_released;
    at.nic->released_context = at.stack_context;
}

/* Takes what the broker has sent. */
static void load_receive(void)
{
    uint32_t count;
    port_take();
    while ((count = at.nic->ops->receive(at.nic, at.in, NIC_BURST_MAX)) > 0) {
        tcp_input(at.tcp, at.in, count, now_ns());
    }
    (void)tcp_turn(at.tcp, 256, now_ns());
    (void)tcp_deliver(at.tcp, 256, now_ns());
    port_return();
}

/* Says all that it has to say. */
static void load_send(void)
{
    const struct nic_ops *ops = at.nic->ops;
    uint32_t count;
    port_take();
    do {
        const uint32_t prepared = ops->prepare(at.nic, at.out, NIC_BURST_MAX);
        count = tcp_output(at.tcp, at.out, prepared, now_ns());
        ops->send(at.nic, at.out, count, prepared);
        at.told |= count > 0;
    } while (count == NIC_BURST_MAX);
    port_return();
}

/* ---- The broker ----------------------------------------------------------------------------- */

static NOINLINE void turn_counted(void)
{
    if (at.looping) {
        (void)core_turn(&at.core, now_ns(), 1);
        return;
    }
    (void)stack_receive_turn(at.stack, 256, now_ns());
    rig_turn(at.rig);
    (void)stack_send_turn(at.stack, 256, now_ns());
}

/* The loop looks for the disk's work in its ring: nothing of this twin's is there. */
void disk_complete(struct disk *disk, const struct ring_event *event, uint64_t when_ns)
{
    (void)disk;
    (void)event;
    (void)when_ns;
}

uint32_t disk_advance(struct disk *disk, uint64_t when_ns)
{
    (void)disk;
    (void)when_ns;
    return 0;
}

uint64_t disk_next_deadline_ns(const struct disk *disk)
{
    (void)disk;
    return UINT64_MAX;
}

static void core_make(void)
{
    const struct ring_options options = {.submissions = 64, .completions = 256};
    int error = 0;
    struct core *core = &at.core;
    struct rig_core *rig = &at.rig->cores[0];
    core->ring = ring_create(&options, &error);
    if (core->ring == NULL || ring_start(core->ring) != 0) {
        give_up("no ring");
    }
    core->core_count = 1;
    core->disk = rig->disk;
    core->log = rig->log;
    core->broker = rig->broker;
    core->channel = rig->channel;
    core->mailbox = mail_box(at.rig->mail, 0);
    core->stack = at.stack;
    core->nic = at.nic;
    core->journal = journal_port(journal_create(STDERR_FILENO, "core", 1, JOURNAL_ERROR), 0);
    core->world = sim_link_process(sim_link_machine_create());
    core->service_bell = link_bell_make(core->world);
    core->listener = -1;
    core->snapshot = at.rig->snapshots[at.rig->snapshot_count - 1];
    core->snapshot_offered = core->snapshot;
    core->snapshot_done = core->snapshot;
    at.looping = true;
}

/* Something waits for a core: frames, finished writes, or mail of another. */
static bool broker_has_work(void)
{
    uint64_t mail_under_way = 0;
    bool done = false;
    for (uint32_t i = 0; i < at.rig->core_count; i++) {
        const struct mail_counters *mail = mail_counters(mail_box(at.rig->mail, i));
        mail_under_way += mail->posted - mail->received;
        done |= sim_disk_has_done(at.rig->cores[i].disk);
    }
    return at.told || done || mail_under_way > 0;
}

/* Until the disk has done something, or nothing is under way there. */
static void time_pass(void)
{
    uint64_t next_ns;
    while (!broker_has_work() && (next_ns = sim_machine_next_ns(at.rig->machine)) != UINT64_MAX) {
        sim_machine_advance(at.rig->machine, next_ns);
    }
}

static void both_turn(void)
{
    load_send();
    time_pass();
    at.told = false;
    turn_counted();
    load_receive();
}

static const struct nic_ops *port_ops;

static uint32_t receive_unknown(struct nic *nic, struct packet_in *packets, uint32_t count)
{
    const uint32_t done = port_ops->receive(nic, packets, count);
    for (uint32_t i = 0; i < done; i++) {
        packets[i].flags = 0;
    }
    return done;
}

/* Over memif each packet arrives in one buffer: payload lies behind the headers. */
static void send_copied(struct nic *nic, const struct packet_out *packets, uint32_t count,
                        uint32_t prepared)
{
    static struct packet_out copies[NIC_BURST_MAX];
    for (uint32_t i = 0; i < count; i++) {
        struct packet_out *copy = &copies[i];
        *copy = packets[i];
        for (uint32_t j = 0; j < copy->part_count; j++) {
            memcpy(copy->header + copy->header_len, copy->parts[j].ptr, copy->parts[j].len);
            copy->header_len = (uint16_t)(copy->header_len + copy->parts[j].len);
        }
        if (copy->pin.kind != PACKET_PIN_NONE) {
            nic->released(nic->released_context, &copy->pin);
        }
        copy->payload_len = 0;
        copy->part_count = 0;
    }
    port_ops->send(nic, copies, count, prepared);
}

/* The port does not leave the process and is not summed: here it is made one that would be. */
static void port_sum(bool copies)
{
    static struct nic_ops ops;
    port_ops = at.nic->ops;
    ops = *port_ops;
    ops.receive = receive_unknown;
    ops.send = copies ? send_copied : ops.send;
    at.nic->ops = &ops;
    at.nic->capabilities.offloads = 0;
}

static void port_make(void)
{
    static struct nic_dpdk_port port;
    char reason[256];
    const struct nic_dpdk_setup setup = {
        .device = "net_ring0", .queue_count = 1, .buffer_count = BUFFERS};
    const struct eal_setup eal = {
        .journal = journal_create(STDERR_FILENO, "count", 1, JOURNAL_ERROR),
        .core_count = 1,
        .core_cpus = {EAL_CPU_ANY},
        .memory_mib = 32 + nic_dpdk_memory_mib(&setup),
        .device = setup.device,
    };
    if (!eal_start(&eal, reason, sizeof(reason)) ||
        !nic_dpdk_start(&setup, &port, reason, sizeof(reason))) {
        give_up(reason);
    }
    at.nic = port.queues[0];
}

static void stack_make(void)
{
    const struct stack_setup setup = {
        .nic = at.nic,
        .user = broker_transport_user(),
        .user_context = at.rig->cores[0].broker,
        .v4 = BROKER_V4,
        .prefix_bits = 24,
        .secret = {0x94d049bb133111eb, 0xd6e8feb86659fd93, 0xa0761d6478bd642f, 0xe7037ed1a0b428db},
        .connection_count_max = 64,
        .receive_buffer_count = BUFFERS / 2,
    };
    at.stack = stack_create(zeroed(stack_memory_bytes(&setup)), &setup, now_ns());
    at.stack_context = at.nic->released_context;
    at.stack_released = at.nic->released;
    if (!stack_listen(at.stack, 0, PORT)) {
        give_up("no listener");
    }
}

/* One request to each of some partitions of the owner, as a client has sent it. */
static void frames_make(const struct load *load)
{
    static uint8_t batch[4096];
    struct client *client = client_connect(at.rig, 0);
    const struct snapshot_topic *topic = rig_find(at.rig, "orders");
    const struct bytes records =
        batch_make(at.rig, &(struct batch_spec){.value_bytes = VALUE_BYTES}, batch, sizeof(batch));
    uint32_t made = 0;
    for (uint32_t i = 0; i < TOPIC_PARTITIONS && made < PARTITIONS; i++) {
        if (snapshot_partition_core(&topic->id, i, load->cores) != load->owner) {
            continue;
        }
        if (client_produce(client, 9, "orders", (int32_t)i, 1, records).error != ERROR_NONE) {
            give_up("an append failed");
        }
        struct frame *frame = &at.frames[made++];
        frame->len = 4 + load_be32(client->buffer);
        frame->bytes = zeroed(frame->len);
        memcpy(frame->bytes, client->buffer, frame->len);
    }
    if (made < PARTITIONS) {
        give_up("too few partitions lie on the core");
    }
    at.answer_len = 4 + client->answer_len;
    client_free(client);
}

/* ---- The run -------------------------------------------------------------------------------- */

static void connect_all(void)
{
    struct network_address broker = {.port = PORT};
    const struct address v4 = address_of_v4(BROKER_V4);
    memcpy(broker.ip, v4.bytes, sizeof(broker.ip));
    for (uint32_t i = 0; i < at.connection_count; i++) {
        at.connections[i] = tcp_connect(at.tcp, &broker, &at, now_ns());
        if (at.connections[i] == NULL) {
            give_up("no connection");
        }
    }
    for (uint32_t turns = 0; at.opened < at.connection_count; turns++) {
        if (turns == TURNS_MAX) {
            give_up("connections do not open");
        }
        both_turn();
    }
}

/* One burst: each connection in turn, each partition in turn. */
static void burst(void)
{
    for (uint32_t i = 0; i < BURST; i++) {
        const struct frame *frame = &at.frames[at.asked++ % PARTITIONS];
        const struct send_part part = {{frame->bytes, frame->len}};
        if (!tcp_send(at.connections[i % CONNECTIONS], &part, 1, 0)) {
            give_up("a send found no room");
        }
        if (i % CONNECTIONS == CONNECTIONS - 1) {
            load_send(); /* Or requests of a connection share a segment. */
        }
    }
    for (uint32_t turns = 0; at.answered < at.asked; turns++) {
        if (turns == TURNS_MAX) {
            give_up("answers do not come");
        }
        both_turn();
    }
}

static uint64_t cpu_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* As many as may be in flight, in segments as full as they get; while the disk works, others come.
 */
static void deep_run(uint64_t count)
{
    const uint64_t in_flight = DEEP_CONNECTIONS * DEEP_IN_FLIGHT;
    for (uint32_t turns = 0; at.answered < count; turns++) {
        while (at.asked < count && at.asked - at.answered < in_flight) {
            const uint64_t round = at.asked / DEEP_CONNECTIONS;
            const struct frame *frame = &at.frames[(at.asked + round) % PARTITIONS];
            const struct send_part part = {{frame->bytes, frame->len}};
            if (!tcp_send(at.connections[at.asked % DEEP_CONNECTIONS], &part, 1, 0)) {
                break;
            }
            at.asked++;
        }
        load_send();
        time_pass();
        at.told = false;
        const uint64_t began_ns = cpu_ns();
        turn_counted();
        at.cpu_ns += cpu_ns() - began_ns;
        at.turns++;
        load_receive();
        sim_machine_advance(at.rig->machine, now_ns() + DEEP_TURN_NS);
    }
}

static int run_load(const struct load *load, uint64_t count)
{
    at.connection_count = load->deep ? DEEP_CONNECTIONS : CONNECTIONS;
    at.rig = rig_create(&(struct rig_options){
        .seed = 1,
        .cores = load->cores,
        .arena_bytes = 64 << 20,
        .transport = {.buffer_count = 1024, .buffer_bytes = 16384, .piece_bytes = 16384},
    });
    rig_topic(at.rig, "orders", TOPIC_PARTITIONS);
    rig_publish(at.rig);
    port_make();
    if (load->summed || load->deep) {
        port_sum(load->deep);
    }
    frames_make(load);
    at.rig->options.no_producer_ids = true; /* Looking for who wants some is our code: it counts. */
    stack_make();
    load_make();
    connect_all();
    const uint64_t frames_before = at.nic->counters.out_frames;
    if (load->idle) {
        burst();
        if (load->dozes) {
            core_make();
        }
        for (uint64_t i = 0; i < count; i++) {
            turn_counted();
        }
        return 0;
    }
    if (load->deep) {
        deep_run(count);
        (void)printf("%.0f ns of CPU and %.4f turns each, with the twins' and the checks\n",
                     (double)at.cpu_ns / (double)count, (double)at.turns / (double)count);
    }
    for (uint64_t i = 0; i < count && !load->deep; i += BURST) {
        burst();
    }
    const uint64_t *counters = tcp_counters(stack_tcp(at.stack));
    (void)printf("%llu answers, %llu segments in (%llu common), %llu out, %llu frames\n",
                 (unsigned long long)at.answered, (unsigned long long)counters[TCP_IN_SEGMENTS],
                 (unsigned long long)counters[TCP_IN_FAST],
                 (unsigned long long)counters[TCP_OUT_SEGMENTS],
                 (unsigned long long)(at.nic->counters.out_frames - frames_before));
    return 0; /* What is left goes with the process. */
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < ARRAY_SIZE(loads); i++) {
        if (strcmp(argv[1], loads[i].name) == 0) {
            return run_load(&loads[i], strtoull(argv[2], NULL, 10));
        }
    }
    (void)fprintf(stderr, "usage: count_path CASE COUNT\n");
    return 2;
}
