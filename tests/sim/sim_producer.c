/* A producer: plain or idempotent, pipelined, with the retry rules of Kafka's own client. */
#include <inttypes.h>
#include <stdlib.h>

#include "storage/record/record.h"
#include "tests/sim/sim_client.h"

enum {
    BATCH_BYTES_MAX = 256 * 1024,
    REQUEST_BATCHES_MAX = 6,
    LANE_BATCHES_MAX = 12,
};

struct batch {
    struct list_node node; /* Of the lane, in order. */
    uint64_t first_id;
    uint32_t count;
    uint32_t sent_count;
    int32_t sequence; /* Once it was sent by an idempotent producer; -1 none. */
    int64_t timestamp_ms;
    enum batch_codec codec;
    bool in_flight;
    bool flush_each;         /* The topic flushed every message when it was sent, each time. */
    uint32_t config_changes; /* Of the topic, then. */
};

enum {
    LANES = LEDGER_TOPICS_MAX * LEDGER_PARTITIONS_MAX,
    BUSY_WORDS = LANES / 64,
};

/* One partition's batches that are not acknowledged. */
struct lane {
    uint64_t *busy; /* Of the producer. */
    bool bound;
    struct uuid id;
    uint32_t topic;
    uint32_t index;
    struct list batches;
    uint32_t batch_count;
    int32_t next_sequence;
    bool any_acked;    /* Since it has this identity. */
    uint64_t retry_ns; /* Not before. */
};

struct request_item {
    struct lane *lane;
    struct batch *batch;
};

struct produce_flight {
    bool used;
    uint32_t count;
    uint64_t power_cuts;
    struct request_item items[REQUEST_BATCHES_MAX];
};

struct producer {
    struct client client; /* First. */
    struct producer_options options;
    struct lane lanes[LEDGER_TOPICS_MAX][LEDGER_PARTITIONS_MAX];
    uint64_t busy[BUSY_WORDS]; /* A bit for each lane that has batches. */
    struct produce_flight flights[CLIENT_FLIGHTS_MAX];
    int64_t producer_id; /* -1: none yet. */
    int16_t producer_epoch;
    bool identity_asked;
    uint64_t identity_ns; /* Not before. */
    uint32_t made;        /* Records. */
    uint64_t make_ns;     /* The next batch not before. */
    uint64_t acked;       /* Records. */
    bool winding_up;
    uint64_t metadata_seen;
};

enum { COOKIE_IDENTITY = 1000 };

static struct producer *producer_of(const struct client *client)
{
    /* First member; const only on the way through the kind's questions. */
    return (struct producer *)(uintptr_t)client;
}

#define LANES_FOR_EACH(lane, producer)                                                          \
    for (struct lane *lane = &(producer)->lanes[0][0]; lane < &(producer)->lanes[0][0] + LANES; \
         lane++)

/* The first lane from `from` on that has batches; LANES: none. */
static uint32_t lane_busy(const struct producer *producer, uint32_t from)
{
    for (uint32_t at = from; at < LANES; at = round_up(at + 1, 64)) {
        const uint64_t rest = producer->busy[at / 64] >> at % 64;
        if (rest != 0) {
            return at + (uint32_t)__builtin_ctzll(rest);
        }
    }
    return LANES;
}

#define BUSY_LANES_FOR_EACH(at, producer)                      \
    for (uint32_t at = lane_busy((producer), 0); (at) < LANES; \
         (at) = lane_busy((producer), (at) + 1))

static void lane_mark(const struct lane *lane)
{
    const uint32_t at = lane->topic * LEDGER_PARTITIONS_MAX + lane->index;
    const uint64_t bit = UINT64_C(1) << at % 64;
    uint64_t *word = &lane->busy[at / 64];
    *word = list_empty(&lane->batches) ? *word & ~bit : *word | bit;
}

static void batch_free(struct lane *lane, struct batch *batch)
{
    list_remove(&batch->node);
    lane_mark(lane);
    lane->batch_count--;
    free(batch);
}

/* ---- Making batches ------------------------------------------------------------------------- */

static enum batch_codec codec_pick(struct producer *producer)
{
    struct random *random = &producer->client.random;
    return producer->options.compressed && random_one_in(random, 3)
               ? (enum batch_codec)(1 + random_below(random, BATCH_CODECS - 1))
               : BATCH_CODEC_NONE;
}

static struct lane *lane_pick(struct producer *producer)
{
    struct client *client = &producer->client;
    for (uint32_t tries = 0; tries < 8; tries++) {
        const uint32_t topic = (uint32_t)random_below(&client->random, LEDGER_TOPICS_MAX);
        const struct known_topic *known = &client->topics[topic];
        if ((producer->options.topics >> topic & 1) == 0 || !known->known ||
            known->partition_count == 0) {
            continue;
        }
        const uint32_t index = (uint32_t)random_below(&client->random, known->partition_count);
        struct lane *lane = &producer->lanes[topic][index];
        if (!known->led[index] || lane->batch_count >= LANE_BATCHES_MAX) {
            continue;
        }
        if (!lane->bound) {
            lane->bound = true;
            lane->id = known->id;
            lane->next_sequence = 0;
        }
        return lane;
    }
    return NULL;
}

static bool batch_make(struct producer *producer)
{
    struct client *client = &producer->client;
    struct world *world = client->world;
    struct lane *lane = lane_pick(producer);
    if (lane == NULL) {
        return false;
    }
    struct batch *batch = calloc(1, sizeof(*batch));
    ASSERT(batch != NULL);
    batch->count = 1 + (uint32_t)random_below(&client->random, producer->options.batch_records_max);
    batch->count = min_u32(batch->count, producer->options.record_count - producer->made);
    batch->codec = codec_pick(producer);
    batch->sequence = -1;
    batch->timestamp_ms = world_wall_ms(world) - (int64_t)random_below(&client->random, 20);
    for (uint32_t i = 0; i < batch->count; i++) {
        const uint64_t id = ledger_record_make(
            world->ledger, producer->options.number, producer->options.idempotent,
            producer->options.value_bytes_max, lane->topic, lane->index, batch->timestamp_ms + i);
        batch->first_id = i == 0 ? id : batch->first_id;
    }
    producer->made += batch->count;
    list_push_back(&lane->batches, &batch->node);
    lane_mark(lane);
    lane->batch_count++;
    return true;
}

/* The batch's bytes, valid until the next call but `keep` of them. */
static struct bytes batch_build(struct producer *producer, const struct batch *batch,
                                uint8_t *plain, uint8_t *packed)
{
    static uint8_t content[LEDGER_VALUE_BYTES_MAX + 64];
    struct batch_options options = batch_options_none();
    if (producer->options.idempotent) {
        options.producer_id = producer->producer_id;
        options.producer_epoch = producer->producer_epoch;
        options.base_sequence = batch->sequence;
    }
    struct batch_builder builder;
    batch_builder_init(&builder, plain, BATCH_BYTES_MAX, &options);
    for (uint32_t i = 0; i < batch->count; i++) {
        struct bytes key;
        struct bytes value;
        ledger_content(batch->first_id + i, producer->options.value_bytes_max, content, &key,
                       &value);
        if (!batch_builder_add(&builder, batch->timestamp_ms + i, key, value, NULL, 0)) {
            sim_fail("a batch of %u records is too large for this simulation", batch->count);
        }
    }
    if (batch->codec == BATCH_CODEC_NONE) {
        return batch_builder_finish(&builder);
    }
    struct bytes bytes;
    if (!batch_builder_finish_compressed(&builder, batch->codec, INT32_MIN, packed, BATCH_BYTES_MAX,
                                         &bytes)) {
        return batch_builder_finish(&builder);
    }
    return bytes;
}

/* ---- Identity ------------------------------------------------------------------------------- */

static void identity_ask(struct producer *producer)
{
    struct client *client = &producer->client;
    const struct api_info *api = api_find(API_INIT_PRODUCER_ID);
    const int16_t version = client_version(client, api);
    struct init_producer_id_request request = init_producer_id_request_default;
    request.transactional_id = CHAIN_NULL;
    struct writer *writer = client_begin(client, api, version);
    (void)init_producer_id_request_encode(writer, version, &request);
    client_end(client, writer, api, version, COOKIE_IDENTITY, true);
    producer->identity_asked = true;
}

static void identity_take(struct producer *producer, const struct flight *flight,
                          struct reader *reader)
{
    struct client *client = &producer->client;
    struct init_producer_id_response response;
    if (init_producer_id_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return; /* The caller sees it. */
    }
    producer->identity_asked = false;
    if (response.error_code == ERROR_NONE) {
        ledger_producer_id(client->world->ledger, response.producer_id);
        producer->producer_id = response.producer_id;
        producer->producer_epoch = response.producer_epoch;
    } else if (!error_is_retriable(response.error_code)) {
        sim_fail("InitProducerId: error %d", response.error_code);
    } else {
        producer->identity_ns =
            world_now_ns(client->world) + random_below(&client->random, 20 * 1000 * 1000);
    }
}

/* A new producer id: what was sent and not acknowledged may come to lie there twice. */
static void identity_renew(struct producer *producer)
{
    LANES_FOR_EACH(lane, producer)
    {
        lane->next_sequence = 0;
        LIST_FOR_EACH(node, &lane->batches)
        {
            struct batch *batch = CONTAINER_OF(node, struct batch, node);
            batch->sequence = -1;
            for (uint32_t i = 0; batch->sent_count > 0 && i < batch->count; i++) {
                ledger_record_doubtful(producer->client.world->ledger, batch->first_id + i);
            }
        }
    }
    producer->producer_id = -1;
    client_cut(&producer->client, true);
}

/* ---- Sending -------------------------------------------------------------------------------- */

/* The lane's next batch to go out, or NULL. */
static struct batch *lane_next(const struct producer *producer, const struct lane *lane)
{
    struct batch *first_free = NULL;
    bool any_in_flight = false;
    bool retrying = false;
    LIST_FOR_EACH(node, &lane->batches)
    {
        struct batch *batch = CONTAINER_OF(node, struct batch, node);
        any_in_flight = any_in_flight || batch->in_flight;
        retrying = retrying || (!batch->in_flight && batch->sent_count > 0);
        if (first_free == NULL && !batch->in_flight) {
            first_free = batch;
        }
    }
    /* Retries go out alone and in order, from the oldest on. */
    if (producer->options.idempotent && retrying &&
        (any_in_flight ||
         first_free != CONTAINER_OF(list_first(&lane->batches), struct batch, node))) {
        return NULL;
    }
    return first_free;
}

static struct produce_flight *flight_take(struct producer *producer)
{
    for (uint32_t i = 0; i < CLIENT_FLIGHTS_MAX; i++) {
        if (!producer->flights[i].used) {
            producer->flights[i] = (struct produce_flight){.used = true};
            return &producer->flights[i];
        }
    }
    return NULL;
}

static void item_add(struct producer *producer, struct produce_flight *flight, struct lane *lane,
                     struct batch *batch)
{
    struct world *world = producer->client.world;
    if (producer->options.idempotent && batch->sequence < 0) {
        batch->sequence = lane->next_sequence;
        lane->next_sequence += (int32_t)batch->count;
    }
    const struct ledger_topic *topic = ledger_topic(world->ledger, lane->topic);
    const bool first = batch->sent_count == 0;
    const bool flush_each =
        topic->config.flush_messages == 1 && topic->config_before.flush_messages == 1;
    batch->flush_each = flush_each && (first || batch->flush_each);
    batch->config_changes = first ? topic->config_changes : batch->config_changes;
    batch->in_flight = true;
    batch->sent_count++;
    for (uint32_t i = 0; i < batch->count; i++) {
        ledger_record_sent(world->ledger, batch->first_id + i);
    }
    flight->items[flight->count++] = (struct request_item){lane, batch};
}

static void items_collect(struct producer *producer, struct produce_flight *flight)
{
    struct client *client = &producer->client;
    const uint64_t now_ns = world_now_ns(client->world);
    const uint32_t first = (uint32_t)random_below(&client->random, LANES);
    const uint32_t most = 1 + (uint32_t)random_below(&client->random, REQUEST_BATCHES_MAX);
    for (uint32_t round = 0; round < 2; round++) { /* From `first` on, then those before it. */
        const uint32_t end = round == 0 ? LANES : first;
        for (uint32_t at = lane_busy(producer, round == 0 ? first : 0);
             at < end && flight->count < most; at = lane_busy(producer, at + 1)) {
            struct lane *lane = &producer->lanes[0][0] + at;
            struct batch *batch = lane->retry_ns > now_ns ? NULL : lane_next(producer, lane);
            if (batch != NULL) {
                item_add(producer, flight, lane, batch);
            }
        }
    }
}

static int16_t version_pick(struct producer *producer, const struct produce_flight *flight)
{
    const struct api_info *api = api_find(API_PRODUCE);
    int16_t version = client_version(&producer->client, api);
    for (uint32_t i = 0; i < flight->count; i++) {
        const struct request_item *item = &flight->items[i];
        if (!ledger_topic(producer->client.world->ledger, item->lane->topic)->fixed) {
            version = 13; /* By id: a name may be another topic's by then. */
        } else if (item->batch->codec == BATCH_CODEC_ZSTD && version < 7) {
            version = 7;
        }
    }
    return version;
}

/* Items of one topic stand side by side. */
static int item_compare(const void *a, const void *b)
{
    const struct lane *left = ((const struct request_item *)a)->lane;
    const struct lane *right = ((const struct request_item *)b)->lane;
    return left < right ? -1 : left > right;
}

static void request_write(struct producer *producer, struct produce_flight *flight,
                          struct writer *writer, int16_t version)
{
    static uint8_t plain[BATCH_BYTES_MAX];
    static uint8_t packed[BATCH_BYTES_MAX];
    const struct ledger *ledger = producer->client.world->ledger;
    struct produce_request request = produce_request_default;
    request.acks = producer->options.acks;
    request.timeout_ms = 30000;
    qsort(flight->items, flight->count, sizeof(flight->items[0]), item_compare);
    uint32_t topics = 0;
    for (uint32_t i = 0; i < flight->count; i++) {
        topics += i == 0 || flight->items[i].lane->topic != flight->items[i - 1].lane->topic;
    }
    produce_request_encode_begin(writer, version, &request, (int32_t)topics);
    for (uint32_t i = 0; i < flight->count;) {
        const struct lane *lane = flight->items[i].lane;
        uint32_t end = i;
        while (end < flight->count && flight->items[end].lane->topic == lane->topic) {
            end++;
        }
        const struct bytes name = ledger_topic_name(ledger, lane->topic);
        struct produce_request_topic topic = {.name = chain_of(&name), .topic_id = lane->id};
        produce_request_topic_encode_begin(writer, version, &topic, (int32_t)(end - i));
        for (; i < end; i++) {
            const struct request_item *item = &flight->items[i];
            const struct bytes bytes = batch_build(producer, item->batch, plain, packed);
            const struct produce_request_partition partition = {.index = (int32_t)item->lane->index,
                                                                .records = chain_of(&bytes)};
            produce_request_partition_encode(writer, version, &partition);
        }
        produce_request_topic_encode_end(writer, version, &topic);
    }
    (void)produce_request_encode_end(writer, version, &request);
}

static bool request_send(struct producer *producer)
{
    struct client *client = &producer->client;
    struct produce_flight *flight = flight_take(producer);
    if (flight == NULL) {
        return false;
    }
    items_collect(producer, flight);
    if (flight->count == 0) {
        flight->used = false;
        return false;
    }
    const int16_t version = version_pick(producer, flight);
    const struct api_info *api = api_find(API_PRODUCE);
    struct writer *writer = client_begin(client, api, version);
    request_write(producer, flight, writer, version);
    flight->power_cuts = client->world->power_cuts_seen;
    const bool answered = producer->options.acks != 0;
    client_end(client, writer, api, version, (uint64_t)(flight - producer->flights), answered);
    if (!answered) { /* Sent and forgotten. */
        for (uint32_t i = 0; i < flight->count; i++) {
            batch_free(flight->items[i].lane, flight->items[i].batch);
        }
        flight->used = false;
    }
    return true;
}

/* ---- Answers -------------------------------------------------------------------------------- */

static void batch_acked(struct producer *producer, const struct request_item *item,
                        const struct produce_response_partition *answer)
{
    struct ledger *ledger = producer->client.world->ledger;
    struct batch *batch = item->batch;
    struct ledger_partition *partition =
        ledger_partition(ledger, item->lane->topic, &item->lane->id, item->lane->index);
    const struct ledger_topic *topic = ledger_topic(ledger, item->lane->topic);
    /* A change that was asked for meanwhile may have come first. */
    const bool flushed = producer->options.acks == -1 ||
                         (batch->flush_each && batch->config_changes == topic->config_changes);
    ledger_acked(ledger, partition, batch->first_id, batch->count, answer->base_offset,
                 flushed ? LEDGER_ACK_FLUSHED : LEDGER_ACK_WRITTEN);
    producer->acked += batch->count;
    batch_free(item->lane, batch);
}

static bool is_head(const struct request_item *item)
{
    return list_first(&item->lane->batches) == &item->batch->node;
}

/* False: the producer took a new identity; everything in flight is void. */
static bool batch_refused(struct producer *producer, const struct request_item *item, int16_t error)
{
    struct client *client = &producer->client;
    struct world *world = client->world;
    item->batch->in_flight = false;
    item->lane->retry_ns =
        world_now_ns(world) + 1000000 + random_below(&client->random, 20 * 1000 * 1000);
    if (error == ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER && producer->options.idempotent) {
        if (!is_head(item)) {
            return true; /* One before it failed; in order again. */
        }
        const struct ledger_partition *partition =
            ledger_partition(world->ledger, item->lane->topic, &item->lane->id, item->lane->index);
        /* A broker that knows nothing of a producer takes any sequence (as Kafka): when the very
         * first batch found no leader yet, the second may have come before it. */
        const bool overtaken =
            item->batch->sequence == 0 && item->lane->next_sequence > (int32_t)item->batch->count;
        if (!ledger_repeats_suspected(partition) && !ledger_lost(partition) && !overtaken) {
            sim_fail("topic-%u/%u: sequence %d of producer %u is refused though nothing before it "
                     "is missing",
                     item->lane->topic, item->lane->index, item->batch->sequence,
                     producer->options.number);
        }
        identity_renew(producer);
        return false;
    }
    if (!error_is_retriable(error) && error != ERROR_KAFKA_STORAGE_ERROR) {
        sim_fail("Produce to topic-%u/%u: error %d (%s)", item->lane->topic, item->lane->index,
                 error, error_name(error));
    }
    if (error == ERROR_CORRUPT_MESSAGE ||
        (error == ERROR_KAFKA_STORAGE_ERROR && !world->ever_faulty)) {
        sim_fail("Produce to topic-%u/%u on a sound disk: %s", item->lane->topic, item->lane->index,
                 error_name(error));
    }
    client_refresh(client, random_below(&client->random, 20));
    return true;
}

static struct request_item *item_find(struct producer *producer, struct produce_flight *flight,
                                      int32_t topic, const struct uuid *id, int32_t index)
{
    (void)producer;
    for (uint32_t i = 0; i < flight->count; i++) {
        struct request_item *item = &flight->items[i];
        if (item->batch != NULL && (int32_t)item->lane->index == index &&
            (topic >= 0 ? (int32_t)item->lane->topic == topic
                        : memcmp(&item->lane->id, id, sizeof(*id)) == 0)) {
            return item;
        }
    }
    return NULL;
}

static void produce_take(struct producer *producer, const struct flight *sent,
                         struct reader *reader)
{
    struct produce_flight *flight = &producer->flights[sent->cookie];
    struct produce_response response;
    if (produce_response_decode(reader, sent->version, &response) != CODEC_OK) {
        return;
    }
    uint32_t answered = 0;
    struct produce_response_topic topic;
    while (produce_response_topic_array_next(&response.responses, &topic)) {
        struct produce_response_partition partition;
        const int32_t number = client_topic_of(&producer->client, topic.name, NULL, false);
        while (produce_response_partition_array_next(&topic.partition_responses, &partition)) {
            struct request_item *item =
                item_find(producer, flight, sent->version < 13 ? number : -1, &topic.topic_id,
                          partition.index);
            if (item == NULL) {
                sim_fail("Produce: an answer for a partition that was not asked for");
            }
            answered++;
            const struct request_item copy = *item;
            item->batch = NULL;
            if (partition.error_code == ERROR_NONE) {
                batch_acked(producer, &copy, &partition);
            } else if (!batch_refused(producer, &copy, partition.error_code)) {
                return;
            }
        }
    }
    if (answered != flight->count) {
        sim_fail("Produce: %u of %u partitions were answered", answered, flight->count);
    }
    flight->used = false;
}

/* ---- The kind ------------------------------------------------------------------------------- */

/* The topic is gone, or is another one now: what is left for it is dropped. */
static void lane_abandon(struct producer *producer, struct lane *lane)
{
    bool in_flight = false;
    LIST_FOR_EACH(node, &lane->batches)
    {
        in_flight = in_flight || CONTAINER_OF(node, struct batch, node)->in_flight;
    }
    if (in_flight) {
        client_cut(&producer->client, true);
    }
    LIST_FOR_EACH(node, &lane->batches)
    {
        batch_free(lane, CONTAINER_OF(node, struct batch, node));
    }
    lane->bound = false;
}

static bool lanes_look(struct producer *producer)
{
    struct client *client = &producer->client;
    if (producer->metadata_seen == client->metadata_round) {
        return false;
    }
    producer->metadata_seen = client->metadata_round;
    LANES_FOR_EACH(lane, producer)
    {
        const struct known_topic *known = &client->topics[lane->topic];
        const bool same = known->known && memcmp(&known->id, &lane->id, sizeof(lane->id)) == 0;
        /* A fixed topic that is away for a moment comes back. */
        if (lane->bound && !same &&
            (known->known || !ledger_topic(client->world->ledger, lane->topic)->fixed)) {
            lane_abandon(producer, lane);
        }
    }
    return client->socket == NULL;
}

static bool producer_step(struct client *client)
{
    struct producer *producer = producer_of(client);
    const uint64_t now_ns = world_now_ns(client->world);
    if (lanes_look(producer)) {
        return true;
    }
    if (producer->options.idempotent && producer->producer_id < 0) {
        if (!producer->identity_asked && now_ns >= producer->identity_ns &&
            client->flight_count < CLIENT_FLIGHTS_MAX) {
            identity_ask(producer);
            return true;
        }
        return false;
    }
    bool work = false;
    if (!producer->winding_up && producer->made < producer->options.record_count &&
        now_ns >= producer->make_ns) {
        producer->make_ns =
            now_ns + random_below(&client->random, 2 * producer->options.pause_us * 1000 + 1);
        work = batch_make(producer);
        if (!work) {
            client_refresh(client, 20);
            producer->make_ns = now_ns + 5 * 1000 * 1000;
        }
    }
    if (client->flight_count < producer->options.in_flight_max) {
        work = request_send(producer) || work;
    }
    return work;
}

static void producer_answer(struct client *client, const struct flight *flight,
                            struct reader *reader)
{
    struct producer *producer = producer_of(client);
    if (flight->api->key == API_INIT_PRODUCER_ID) {
        identity_take(producer, flight, reader);
    } else {
        produce_take(producer, flight, reader);
    }
}

static void producer_lost(struct client *client)
{
    struct producer *producer = producer_of(client);
    producer->identity_asked = false;
    memset(producer->flights, 0, sizeof(producer->flights));
    LANES_FOR_EACH(lane, producer)
    {
        LIST_FOR_EACH(node, &lane->batches)
        {
            CONTAINER_OF(node, struct batch, node)->in_flight = false;
        }
    }
}

static uint64_t producer_deadline_ns(const struct client *client)
{
    struct producer *producer = producer_of(client);
    if (producer->options.idempotent && producer->producer_id < 0) {
        return producer->identity_asked ? UINT64_MAX : producer->identity_ns;
    }
    uint64_t deadline_ns = UINT64_MAX;
    if (!producer->winding_up && producer->made < producer->options.record_count) {
        deadline_ns = producer->make_ns;
    }
    BUSY_LANES_FOR_EACH(at, producer)
    {
        const struct lane *lane = &producer->lanes[0][0] + at;
        if (lane_next(producer, lane) != NULL) {
            deadline_ns = min_u64(deadline_ns, lane->retry_ns);
        }
    }
    return deadline_ns;
}

static bool producer_finished(const struct client *client)
{
    const struct producer *producer = producer_of(client);
    return lane_busy(producer, 0) == LANES &&
           (producer->winding_up || producer->made >= producer->options.record_count);
}

static void producer_free(struct client *client)
{
    struct producer *producer = producer_of(client);
    LANES_FOR_EACH(lane, producer)
    {
        LIST_FOR_EACH(node, &lane->batches)
        {
            batch_free(lane, CONTAINER_OF(node, struct batch, node));
        }
    }
    free(producer);
}

const struct client_kind producer_kind = {
    .step = producer_step,
    .answer = producer_answer,
    .lost = producer_lost,
    .deadline_ns = producer_deadline_ns,
    .finished = producer_finished,
    .free = producer_free,
    .name = "producer",
};

struct client *producer_create(struct world *world, const struct producer_options *options)
{
    struct producer *producer = calloc(1, sizeof(*producer));
    ASSERT(producer != NULL);
    producer->options = *options;
    producer->producer_id = -1;
    for (uint32_t t = 0; t < LEDGER_TOPICS_MAX; t++) {
        for (uint32_t p = 0; p < LEDGER_PARTITIONS_MAX; p++) {
            producer->lanes[t][p].busy = producer->busy;
            producer->lanes[t][p].topic = t;
            producer->lanes[t][p].index = p;
            list_init(&producer->lanes[t][p].batches);
        }
    }
    client_init(&producer->client, world, &producer_kind, options->number);
    return &producer->client;
}

void producer_wind_up(struct client *client)
{
    producer_of(client)->winding_up = true;
}

uint64_t producer_acked(const struct client *client)
{
    return producer_of(client)->acked;
}
