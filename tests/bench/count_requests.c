/* A broker over simulated disk and network answers a number of equal requests, and nothing else
 * varies: what tests/bench/instructions.py counts under callgrind.
 *
 *     count_requests CASE COUNT */
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/broker/state.h"
#include "tests/dataplane/broker/rig.h"

enum kind {
    PRODUCE,
    FETCH,
    FETCH_CHOSEN_IDS,   /* Topic ids that an unkeyed hash puts in one place. */
    METADATA_ALIKE_IDS, /* Topic ids that differ in four bytes. */
};

/* clang-format off */
static const struct load {
    const char *name;
    enum kind kind;
    uint32_t value_bytes;     /* Of the one record of a batch. */
    uint32_t in_flight;       /* Sent together, then all are waited for. */
    uint32_t connections;
    uint32_t batches;         /* Appended before. */
    int32_t fetch_bytes;
} loads[] = {
    {"produce-100b", PRODUCE, 100,    32, 8, 0,  0},
    {"produce-16k",  PRODUCE, 16000,  5,  8, 0,  0},
    {"produce-100k", PRODUCE, 100000, 5,  1, 0,  0},
    {"fetch-128k",   FETCH,   16000,  1,  1, 64, 128 << 10},
    {"fetch-1m",     FETCH,   100000, 1,  1, 40, 1 << 20},
    {"fetch-chosen-ids",   FETCH_CHOSEN_IDS,   0, 1, 1, 0, 1000},
    {"metadata-alike-ids", METADATA_ALIKE_IDS, 0, 1, 1, 0, 0},
};
/* clang-format on */

enum { CONNECTIONS_MAX = 8, TURNS_MAX = 100000, IDS = 5000 };

struct run {
    const struct load *load;
    struct rig *rig;
    struct client *clients[CONNECTIONS_MAX];
    uint8_t *frame; /* The request, encoded once. */
    uint32_t frame_len;
    uint64_t answered, bytes;
};

static void give_up(const char *what)
{
    (void)fprintf(stderr, "count_requests: %s\n", what);
    exit(1);
}

static void limits_of_a_core(struct broker_limits *limits)
{
    const struct broker_limits real = broker_limits_default(4 << 20, 64 << 20, 1024);
    limits->scratch_bytes = real.scratch_bytes;
    limits->response_bytes = real.response_bytes;
    limits->output_bytes = real.output_bytes;
    limits->fetch_item_count = real.fetch_item_count;
    limits->fetch_topic_count = real.fetch_topic_count;
}

static struct rig *rig_like_a_core(void)
{
    struct rig *rig = rig_create(&(struct rig_options){
        .seed = 1,
        .limit = limits_of_a_core,
        .arena_bytes = 64 << 20,
        .transport = {.buffer_count = 1024, .buffer_bytes = 16384, .piece_bytes = 16384},
    });
    rig_topic(rig, "orders", 1);
    rig_publish(rig);
    return rig;
}

static void prepare_fetch(const struct load *load, struct client *client, struct bytes records)
{
    for (uint32_t i = 0; i < load->batches; i++) {
        if (client_produce(client, 9, "orders", 0, 1, records).error != ERROR_NONE) {
            give_up("an append failed");
        }
    }
    const struct fetch_spec spec = {.version = 12,
                                    .topic = "orders",
                                    .max_bytes = load->fetch_bytes,
                                    .partition_max_bytes = load->fetch_bytes,
                                    .session_epoch = SESSIONLESS};
    if (client_fetch(client, &spec).records_bytes < (uint32_t)load->fetch_bytes / 2) {
        give_up("a fetch brought too little");
    }
}

static void prepare_chosen_ids(const struct load *load, struct client *client)
{
    static struct fetch_request_topic topics[IDS];
    struct fetch_request_partition one = fetch_request_partition_default;
    struct fetch_request request = fetch_request_default;
    struct fetch_response response;
    for (uint64_t i = 0; i < IDS; i++) {
        const uint64_t halves[2] = {i + 1, hash_mix(i + 1)};
        topics[i] = fetch_request_topic_default;
        memcpy(topics[i].topic_id.bytes, halves, sizeof(halves));
        topics[i].partitions.items = &one;
        topics[i].partitions.count = 1;
    }
    request.max_bytes = load->fetch_bytes;
    request.session_epoch = SESSIONLESS;
    request.topics.items = topics;
    request.topics.count = IDS;
    request.rack_id = CHAIN_EMPTY;
    CALL(client, FETCH, fetch, 13, &request, &response);
    if (response.responses.count != IDS) {
        give_up("a fetch answered too little");
    }
}

static void prepare_alike_ids(struct client *client)
{
    static struct metadata_request_topic topics[IDS];
    struct metadata_request request = metadata_request_default;
    struct metadata_response response;
    for (uint32_t i = 0; i < IDS; i++) {
        topics[i] = metadata_request_topic_default;
        topics[i].name = CHAIN_NULL;
        topics[i].topic_id.bytes[0] = 1;
        store_be32(topics[i].topic_id.bytes + 12, i);
    }
    request.topics.items = topics;
    request.topics.count = IDS;
    CALL(client, METADATA, metadata, 12, &request, &response);
    if (response.topics.count != IDS) {
        give_up("metadata answered too little");
    }
}

static void prepare(struct run *run)
{
    static uint8_t batch[1 << 20];
    const struct load *load = run->load;
    struct client *first = run->clients[0];
    const struct bytes records = batch_make(
        run->rig, &(struct batch_spec){.value_bytes = load->value_bytes}, batch, sizeof(batch));
    switch (load->kind) {
    case PRODUCE:
        if (client_produce(first, 9, "orders", 0, 1, records).error != ERROR_NONE) {
            give_up("an append failed");
        }
        break;
    case FETCH: prepare_fetch(load, first, records); break;
    case FETCH_CHOSEN_IDS: prepare_chosen_ids(load, first); break;
    case METADATA_ALIKE_IDS: prepare_alike_ids(first); break;
    }
    /* The client still has the request that was answered well: that one, again and again. */
    run->frame_len = 4 + load_be32(first->buffer);
    run->frame = malloc(run->frame_len);
    if (run->frame == NULL) {
        give_up("no memory");
    }
    memcpy(run->frame, first->buffer, run->frame_len);
}

static void take_answers(struct run *run, struct client *client)
{
    while (client_answered(client)) {
        const uint32_t len = 4 + load_be32(sim_peer_received(client->peer).ptr);
        sim_peer_consume(client->peer, len);
        run->answered++;
        run->bytes += len;
    }
}

static void round_trip(struct run *run, uint64_t *left)
{
    const struct load *load = run->load;
    const uint64_t wanted = run->answered + min_u64(*left, load->in_flight * load->connections);
    for (uint32_t i = 0; *left > 0 && i < load->in_flight * load->connections; i++, (*left)--) {
        client_put(run->clients[i % load->connections], run->frame, run->frame_len);
    }
    for (uint32_t turns = 0; run->answered < wanted; turns++) {
        if (turns == TURNS_MAX) {
            give_up("answers do not come");
        }
        rig_turn(run->rig);
        for (uint32_t i = 0; i < load->connections; i++) {
            take_answers(run, run->clients[i]);
        }
    }
}

static int run_load(const struct load *load, uint64_t count)
{
    struct run run = {.load = load, .rig = rig_like_a_core()};
    for (uint32_t i = 0; i < load->connections; i++) {
        run.clients[i] = client_connect(run.rig, 0);
    }
    prepare(&run);
    while (count > 0) {
        round_trip(&run, &count);
    }
    (void)printf("%llu answers, %llu bytes\n", (unsigned long long)run.answered,
                 (unsigned long long)run.bytes);
    for (uint32_t i = 0; i < load->connections; i++) {
        client_free(run.clients[i]);
    }
    free(run.frame);
    rig_destroy(run.rig);
    return 0;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < ARRAY_SIZE(loads); i++) {
        if (strcmp(argv[1], loads[i].name) == 0) {
            return run_load(&loads[i], strtoull(argv[2], NULL, 10));
        }
    }
    (void)fprintf(stderr, "usage: count_requests CASE COUNT\n");
    return 2;
}
