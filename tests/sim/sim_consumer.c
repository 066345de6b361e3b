/* A consumer: fetches, with and without a session, follows the log of every partition it knows,
 * asks for offsets and epochs in between, and tells the ledger what it sees. */
#include <inttypes.h>
#include <stdlib.h>

#include "storage/record/compress.h"
#include "storage/record/record.h"
#include "tests/sim/sim_client.h"

enum {
    INFLATED_BYTES_MAX = 1024 * 1024,
    WINDOW_BYTES = 8 * 1024 * 1024,
};

enum { EARLIEST = -2, LATEST = -1, MAX_TIMESTAMP = -3 };

/* A partition it reads. */
struct reading {
    bool active;
    bool audited;
    struct uuid id;
    uint32_t topic;
    uint32_t index;
    int64_t position; /* -1: to be found out. */
    int64_t readable; /* What the ledger promised when it was asked for last. */
    int64_t started;  /* Where the audit began. */
    bool in_session;
    int64_t told_position;
    bool told_stale; /* A leader epoch that the last start has raised. */
    uint64_t retry_ns;
};

struct consumer {
    struct client client; /* First. */
    struct consumer_options options;
    struct reading readings[LEDGER_TOPICS_MAX][LEDGER_PARTITIONS_MAX];
    int32_t session_id;
    int32_t session_epoch;
    int16_t session_version;
    bool asked;
    bool auditing;
    uint64_t audit_round; /* The metadata must be newer than this. */
    uint64_t metadata_seen;
    uint64_t records;
    /* Of the lookup in flight. */
    struct reading *looked;
    int64_t looked_timestamp;
    int32_t looked_epoch;
};

static struct consumer *consumer_of(const struct client *client)
{
    /* First member; const only on the way through the kind's questions. */
    return (struct consumer *)(uintptr_t)client;
}

#define READINGS_FOR_EACH(reading, consumer)                                                \
    for (struct reading *reading = &(consumer)->readings[0][0];                             \
         reading < &(consumer)->readings[0][0] + LEDGER_TOPICS_MAX * LEDGER_PARTITIONS_MAX; \
         reading++)

static struct ledger_partition *partition_of(const struct consumer *consumer,
                                             const struct reading *reading)
{
    return ledger_partition(consumer->client.world->ledger, reading->topic, &reading->id,
                            reading->index);
}

static void session_forget(struct consumer *consumer)
{
    consumer->session_id = 0;
    consumer->session_epoch = 0;
    READINGS_FOR_EACH(reading, consumer)
    {
        reading->in_session = false;
    }
}

/* ---- What there is to read ------------------------------------------------------------------ */

static void readings_look(struct consumer *consumer)
{
    struct client *client = &consumer->client;
    if (consumer->metadata_seen == client->metadata_round) {
        return;
    }
    consumer->metadata_seen = client->metadata_round;
    READINGS_FOR_EACH(reading, consumer)
    {
        const struct known_topic *known = &client->topics[reading->topic];
        const bool there = (consumer->options.topics >> reading->topic & 1) != 0 && known->known &&
                           reading->index < known->partition_count;
        const bool same =
            reading->active && there && memcmp(&known->id, &reading->id, sizeof(reading->id)) == 0;
        if (!same && reading->in_session) {
            session_forget(consumer); /* A new one: simpler than forgetting one by one. */
        }
        if (there && !same) {
            *reading = (struct reading){.active = true,
                                        .id = known->id,
                                        .topic = reading->topic,
                                        .index = reading->index,
                                        .position = -1};
        } else if (!there) {
            reading->active = false;
        }
    }
}

/* ---- Batches -------------------------------------------------------------------------------- */

static struct bytes records_of(const struct batch_header *header, struct bytes batch)
{
    static uint8_t inflated[INFLATED_BYTES_MAX];
    static struct inflate *inflate;
    const struct bytes records = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    if (batch_codec(header) == BATCH_CODEC_NONE) {
        return records;
    }
    if (inflate == NULL) {
        inflate = inflate_init(aligned_alloc(64, round_up(inflate_memory_bytes(WINDOW_BYTES), 64)),
                               WINDOW_BYTES);
    }
    uint32_t len = 0;
    if (inflate_all(inflate, batch_codec(header), chain_of(&records), inflated, sizeof(inflated),
                    &len) != INFLATE_END) {
        sim_fail("a batch with a good CRC does not inflate");
    }
    return (struct bytes){inflated, len};
}

static void batch_take(struct consumer *consumer, const struct reading *reading,
                       const struct batch_header *header, struct bytes batch)
{
    struct ledger *ledger = consumer->client.world->ledger;
    struct ledger_partition *partition = partition_of(consumer, reading);
    struct record_cursor cursor = record_cursor_of(records_of(header, batch), header->record_count);
    struct record record;
    enum record_status status;
    int32_t delta = 0;
    while ((status = record_next(&cursor, &record)) == RECORD_OK) {
        const struct ledger_read read = {
            .offset = header->base_offset + record.offset_delta,
            .epoch = header->leader_epoch,
            .timestamp_ms = batch_is_log_append_time(header)
                                ? header->max_timestamp_ms
                                : header->base_timestamp_ms + record.timestamp_delta_ms,
            .log_append_time = batch_is_log_append_time(header),
            .key = record.key,
            .value = record.value,
        };
        if (record.offset_delta != delta++) {
            sim_fail("topic-%u/%u: a hole inside the batch at %" PRId64, reading->topic,
                     reading->index, header->base_offset);
        }
        ledger_read(ledger, partition, &read);
        consumer->records++;
    }
    if (status != RECORD_END || delta != header->last_offset_delta + 1) {
        sim_fail("topic-%u/%u: the batch at %" PRId64 " does not hold what it says", reading->topic,
                 reading->index, header->base_offset);
    }
}

/* Bytes that fail their CRC: only where bits were flipped, and then they are skipped. */
static void batch_bad(struct consumer *consumer, struct reading *reading, int64_t base_offset,
                      int64_t high_watermark)
{
    if (!consumer->client.world->flipped) {
        sim_fail("topic-%u/%u: the bytes at offset %" PRId64 " are no batch, or fail their CRC",
                 reading->topic, reading->index, base_offset);
    }
    ledger_suspect(partition_of(consumer, reading));
    reading->position = high_watermark;
}

static void batches_take(struct consumer *consumer, struct reading *reading, struct bytes rest,
                         int64_t high_watermark)
{
    bool first = true;
    while (rest.len > 0) {
        struct batch_header header;
        struct bytes batch;
        const enum batch_status status = batch_next(&rest, &header, &batch);
        if (status == BATCH_PARTIAL && !first) {
            return; /* The last one may be cut. */
        }
        if (status != BATCH_OK || batch_check_crc(chain_of(&batch), &header) != BATCH_OK ||
            header.last_offset_delta < 0) {
            batch_bad(consumer, reading, reading->position, high_watermark);
            return;
        }
        const int64_t last = batch_last_offset(&header);
        if ((first && (header.base_offset > reading->position || last < reading->position)) ||
            (!first && header.base_offset != reading->position)) {
            if (ledger_suspected(partition_of(consumer, reading))) {
                reading->position = high_watermark;
                return;
            }
            sim_fail("topic-%u/%u: wanted offset %" PRId64 ", got %" PRId64 " to %" PRId64,
                     reading->topic, reading->index, reading->position, header.base_offset, last);
        }
        if (last >= high_watermark) {
            sim_fail("topic-%u/%u: offset %" PRId64 " lies above the high watermark %" PRId64,
                     reading->topic, reading->index, last, high_watermark);
        }
        batch_take(consumer, reading, &header, batch);
        reading->position = last + 1;
        first = false;
    }
}

/* ---- Fetch: the request --------------------------------------------------------------------- */

static bool fetch_wanted(const struct consumer *consumer, const struct reading *reading)
{
    if (!reading->active || reading->position < 0) {
        return false;
    }
    /* A session goes on from where it was told, also while a lookup is to be tried again later. */
    return reading->in_session ? reading->told_position != reading->position
                               : reading->retry_ns <= world_now_ns(consumer->client.world);
}

static void fetch_partition_write(struct consumer *consumer, struct writer *writer, int16_t version,
                                  struct reading *reading)
{
    struct client *client = &consumer->client;
    struct fetch_request_partition partition = fetch_request_partition_default;
    partition.partition = (int32_t)reading->index;
    partition.fetch_offset = reading->position;
    partition.partition_max_bytes = random_one_in(&client->random, 4) ? 100 : 64 * 1024;
    if (random_one_in(&client->random, 2)) {
        const int32_t known = client->topics[reading->topic].leader_epochs[reading->index];
        const bool stale = !consumer->auditing && known > 0 && random_one_in(&client->random, 16);
        partition.current_leader_epoch = stale ? known - 1 : known;
    }
    reading->told_stale =
        version >= 9 && partition.current_leader_epoch >= 0 &&
        partition.current_leader_epoch < ledger_epoch(partition_of(consumer, reading));
    fetch_request_partition_encode(writer, version, &partition);
    reading->told_position = reading->position;
    reading->in_session = consumer->session_epoch >= 0;
}

static void fetch_topics_write(struct consumer *consumer, struct writer *writer, int16_t version,
                               const struct fetch_request *request)
{
    const struct ledger *ledger = consumer->client.world->ledger;
    uint32_t counts[LEDGER_TOPICS_MAX] = {0};
    int32_t topics = 0;
    READINGS_FOR_EACH(reading, consumer)
    {
        if (fetch_wanted(consumer, reading)) {
            topics += counts[reading->topic]++ == 0;
        }
        if (reading->active) {
            reading->readable = ledger_readable(partition_of(consumer, reading));
        }
    }
    fetch_request_encode_begin(writer, version, request, topics);
    for (uint32_t t = 0; t < LEDGER_TOPICS_MAX; t++) {
        if (counts[t] == 0) {
            continue;
        }
        const struct bytes name = ledger_topic_name(ledger, t);
        struct fetch_request_topic topic = {.topic = chain_of(&name),
                                            .topic_id = consumer->readings[t][0].id};
        fetch_request_topic_encode_begin(writer, version, &topic, (int32_t)counts[t]);
        for (uint32_t p = 0; p < LEDGER_PARTITIONS_MAX; p++) {
            if (fetch_wanted(consumer, &consumer->readings[t][p])) {
                fetch_partition_write(consumer, writer, version, &consumer->readings[t][p]);
            }
        }
        fetch_request_topic_encode_end(writer, version, &topic);
    }
    (void)fetch_request_encode_end(writer, version, request);
}

static int16_t fetch_version(struct consumer *consumer, const struct api_info *api)
{
    struct client *client = &consumer->client;
    int16_t version = client_version(client, api);
    for (uint32_t t = 0; t < LEDGER_TOPICS_MAX; t++) {
        if (version < 13 && (consumer->options.topics >> t & 1) != 0 &&
            !ledger_topic(client->world->ledger, t)->fixed) {
            version = 13; /* By id: a name may be another topic's by then. */
        }
    }
    return version;
}

static void fetch_send(struct consumer *consumer)
{
    struct client *client = &consumer->client;
    const struct api_info *api = api_find(API_FETCH);
    int16_t version = fetch_version(consumer, api);
    struct fetch_request request = fetch_request_default;
    request.max_wait_ms = consumer->auditing ? 0 : (int32_t)random_below(&client->random, 300);
    request.min_bytes =
        random_one_in(&client->random, 4) ? (int32_t)random_below(&client->random, 4000) : 1;
    request.max_bytes = random_one_in(&client->random, 4) ? 500 : 256 * 1024;
    request.isolation_level = (int8_t)random_below(&client->random, 2);
    if (!consumer->options.session || consumer->auditing) {
        session_forget(consumer);
        consumer->session_epoch = -1;
    } else if (consumer->session_epoch < 0) {
        session_forget(consumer);
    }
    if (consumer->session_epoch >= 0) {
        version = version < 7 ? 7 : version;
        if (consumer->session_epoch > 0) {
            version = consumer->session_version;
        }
        consumer->session_version = version;
    }
    request.session_id = consumer->session_id;
    request.session_epoch = consumer->session_epoch;
    struct writer *writer = client_begin(client, api, version);
    fetch_topics_write(consumer, writer, version, &request);
    client_end(client, writer, api, version, 1, true);
    consumer->asked = true;
}

/* ---- Fetch: the answer ---------------------------------------------------------------------- */

static void fetched(struct consumer *consumer, struct reading *reading,
                    const struct fetch_response_partition *answer, int16_t version)
{
    struct world *world = consumer->client.world;
    struct ledger_partition *partition = partition_of(consumer, reading);
    if (reading->told_stale && !ledger_suspected(partition)) {
        sim_fail("topic-%u/%u: a fetch that names an old leader epoch was served (H19)",
                 reading->topic, reading->index);
    }
    if (answer->high_watermark < reading->readable && !ledger_suspected(partition)) {
        sim_fail("topic-%u/%u: the high watermark is %" PRId64 ", known was %" PRId64,
                 reading->topic, reading->index, answer->high_watermark, reading->readable);
    }
    if (answer->last_stable_offset != answer->high_watermark) {
        sim_fail("topic-%u/%u: LSO %" PRId64 ", high watermark %" PRId64 ", no transactions",
                 reading->topic, reading->index, answer->last_stable_offset,
                 answer->high_watermark);
    }
    if (version >= 5) {
        if (answer->log_start_offset > ledger_start_max(world->ledger, partition) &&
            !ledger_suspected(partition)) {
            sim_fail("topic-%u/%u: the log starts at %" PRId64 ", nobody wanted that",
                     reading->topic, reading->index, answer->log_start_offset);
        }
        ledger_log_start(partition, answer->log_start_offset);
    }
    const uint32_t len = answer->records.len;
    uint8_t *copy = malloc((size_t)len + 1);
    ASSERT(copy != NULL);
    const struct bytes bytes = chain_flat(answer->records, copy);
    batches_take(consumer, reading, bytes, answer->high_watermark);
    free(copy);
    ledger_high_watermark(partition, answer->high_watermark);
    if (consumer->auditing && reading->position >= answer->high_watermark &&
        reading->position >= ledger_end(partition) && version >= 5) {
        ledger_audit(world->ledger, partition, max_i64(answer->log_start_offset, reading->started),
                     answer->high_watermark);
        reading->audited = true;
    }
}

static void fetch_refused(struct consumer *consumer, struct reading *reading, int16_t error)
{
    struct client *client = &consumer->client;
    struct world *world = client->world;
    const struct ledger_partition *partition = partition_of(consumer, reading);
    const uint64_t delay_ns = 1000000 + random_below(&client->random, 20 * 1000 * 1000);
    if (error == ERROR_OFFSET_OUT_OF_RANGE) {
        if (reading->position <= reading->readable && !ledger_suspected(partition) &&
            reading->position >= ledger_start_max(world->ledger, partition)) {
            sim_fail("topic-%u/%u: offset %" PRId64 " is out of range, readable was up to %" PRId64,
                     reading->topic, reading->index, reading->position, reading->readable);
        }
        reading->position = -1;
        return;
    }
    if ((error == ERROR_CORRUPT_MESSAGE || error == ERROR_UNKNOWN_SERVER_ERROR) && world->flipped) {
        reading->position = max_i64(reading->position + 1, reading->readable);
        return;
    }
    if (!error_is_retriable(error) || error == ERROR_CORRUPT_MESSAGE ||
        (error == ERROR_KAFKA_STORAGE_ERROR && !world->ever_faulty)) {
        sim_fail("Fetch of topic-%u/%u: error %d (%s)", reading->topic, reading->index, error,
                 error_name(error));
    }
    reading->retry_ns = world_now_ns(world) + delay_ns;
    session_forget(consumer);
    client_refresh(client, delay_ns / 1000000);
}

static void fetch_take(struct consumer *consumer, const struct flight *flight,
                       struct reader *reader)
{
    struct client *client = &consumer->client;
    struct fetch_response response;
    struct fetch_response_topic topic;
    if (fetch_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code != ERROR_NONE) {
        if (!error_is_retriable(response.error_code)) {
            sim_fail("Fetch: error %d", response.error_code);
        }
        session_forget(consumer);
        return;
    }
    if (consumer->session_epoch >= 0) {
        if (response.session_id == 0) {
            session_forget(consumer);
            consumer->session_epoch = -1; /* No room for one. */
        } else {
            consumer->session_id = response.session_id;
            consumer->session_epoch++;
        }
    }
    while (fetch_response_topic_array_next(&response.responses, &topic)) {
        struct fetch_response_partition partition;
        const int32_t number =
            client_topic_of(client, topic.topic, &topic.topic_id, flight->version >= 13);
        while (fetch_response_partition_array_next(&topic.partitions, &partition)) {
            if (number < 0 || partition.partition_index < 0 ||
                partition.partition_index >= LEDGER_PARTITIONS_MAX) {
                continue; /* It went while this was on its way. */
            }
            struct reading *reading = &consumer->readings[number][partition.partition_index];
            if (!reading->active || reading->position < 0) {
                continue;
            }
            if (partition.error_code == ERROR_NONE) {
                fetched(consumer, reading, &partition, flight->version);
            } else {
                fetch_refused(consumer, reading, partition.error_code);
            }
        }
    }
}

/* ---- Lookups -------------------------------------------------------------------------------- */

static void offsets_ask(struct consumer *consumer, struct reading *reading, int64_t timestamp)
{
    struct client *client = &consumer->client;
    const struct api_info *api = api_find(API_LIST_OFFSETS);
    int16_t version = client_version(client, api);
    version = timestamp == MAX_TIMESTAMP && version < 7 ? 7 : version;
    const struct bytes name = ledger_topic_name(client->world->ledger, reading->topic);
    struct list_offsets_request_partition partition = list_offsets_request_partition_default;
    partition.partition_index = (int32_t)reading->index;
    partition.timestamp = timestamp;
    const struct list_offsets_request_topic topic = {
        .name = chain_of(&name), .partitions = {.items = &partition, .count = 1}};
    struct list_offsets_request request = list_offsets_request_default;
    request.replica_id = -1;
    request.topics.items = &topic;
    request.topics.count = 1;
    struct writer *writer = client_begin(client, api, version);
    (void)list_offsets_request_encode(writer, version, &request);
    client_end(client, writer, api, version, 2, true);
    reading->readable = ledger_readable(partition_of(consumer, reading));
    consumer->looked = reading;
    consumer->looked_timestamp = timestamp;
    consumer->asked = true;
}

static void offset_take(struct consumer *consumer, struct reading *reading,
                        const struct list_offsets_response_partition *answer)
{
    struct ledger *ledger = consumer->client.world->ledger;
    struct ledger_partition *partition = partition_of(consumer, reading);
    const bool suspect = ledger_suspected(partition);
    switch (consumer->looked_timestamp) {
    case EARLIEST:
        if (answer->offset > ledger_start_max(ledger, partition) && !suspect) {
            sim_fail("topic-%u/%u: the earliest offset is %" PRId64 ", nobody wanted that",
                     reading->topic, reading->index, answer->offset);
        }
        ledger_log_start(partition, answer->offset);
        if (reading->position < 0) {
            reading->position = answer->offset;
            reading->started = answer->offset;
        }
        break;
    case LATEST:
        if (answer->offset < reading->readable && !suspect) {
            sim_fail("topic-%u/%u: the latest offset is %" PRId64 ", known was %" PRId64,
                     reading->topic, reading->index, answer->offset, reading->readable);
        }
        ledger_high_watermark(partition, answer->offset);
        break;
    case MAX_TIMESTAMP: break;
    default:
        ledger_check_timestamp(ledger, partition, reading->readable, consumer->looked_timestamp,
                               answer->offset, answer->timestamp);
    }
}

static void offsets_take(struct consumer *consumer, const struct flight *flight,
                         struct reader *reader)
{
    struct list_offsets_response response;
    struct list_offsets_response_topic topic;
    struct list_offsets_response_partition partition;
    if (list_offsets_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    struct reading *reading = consumer->looked;
    if (!list_offsets_response_topic_array_next(&response.topics, &topic) ||
        !list_offsets_response_partition_array_next(&topic.partitions, &partition)) {
        sim_fail("ListOffsets: the partition is missing in the answer");
    }
    const bool fixed = ledger_topic(consumer->client.world->ledger, reading->topic)->fixed;
    if (partition.error_code == ERROR_NONE) {
        if (fixed) {
            offset_take(consumer, reading, &partition);
        } else if (reading->position < 0) { /* Perhaps another topic's: only a place to begin. */
            reading->position = max_i64(partition.offset, 0);
            reading->started = reading->position;
        }
    } else if (!error_is_retriable(partition.error_code) &&
               !(consumer->client.world->flipped &&
                 partition.error_code == ERROR_UNKNOWN_SERVER_ERROR)) {
        sim_fail("ListOffsets of topic-%u/%u: error %d (%s)", reading->topic, reading->index,
                 partition.error_code, error_name(partition.error_code));
    } else {
        reading->retry_ns = world_now_ns(consumer->client.world) + 10 * 1000 * 1000;
        client_refresh(&consumer->client, 5);
    }
}

static void epoch_ask(struct consumer *consumer, struct reading *reading)
{
    struct client *client = &consumer->client;
    const struct api_info *api = api_find(API_OFFSET_FOR_LEADER_EPOCH);
    const int16_t version = client_version(client, api);
    const struct bytes name = ledger_topic_name(client->world->ledger, reading->topic);
    const int32_t now = client->topics[reading->topic].leader_epochs[reading->index];
    const struct offset_for_leader_epoch_request_partition partition = {
        .partition = (int32_t)reading->index,
        .current_leader_epoch = -1,
        .leader_epoch = (int32_t)random_below(&client->random, (uint64_t)max_i64(now, 0) + 2),
    };
    const struct offset_for_leader_epoch_request_topic topic = {
        .topic = chain_of(&name), .partitions = {.items = &partition, .count = 1}};
    struct offset_for_leader_epoch_request request = offset_for_leader_epoch_request_default;
    request.replica_id = -1;
    request.topics.items = &topic;
    request.topics.count = 1;
    struct writer *writer = client_begin(client, api, version);
    (void)offset_for_leader_epoch_request_encode(writer, version, &request);
    client_end(client, writer, api, version, 3, true);
    reading->readable = ledger_readable(partition_of(consumer, reading));
    consumer->looked = reading;
    consumer->looked_epoch = partition.leader_epoch;
    consumer->asked = true;
}

static void epoch_take(struct consumer *consumer, const struct flight *flight,
                       struct reader *reader)
{
    struct offset_for_leader_epoch_response response;
    struct offset_for_leader_epoch_response_topic topic;
    struct offset_for_leader_epoch_response_partition partition;
    if (offset_for_leader_epoch_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    const struct reading *reading = consumer->looked;
    if (!offset_for_leader_epoch_response_topic_array_next(&response.topics, &topic) ||
        !offset_for_leader_epoch_response_partition_array_next(&topic.partitions, &partition)) {
        sim_fail("OffsetForLeaderEpoch: the partition is missing in the answer");
    }
    if (partition.error_code == ERROR_NONE &&
        ledger_topic(consumer->client.world->ledger, reading->topic)->fixed) {
        ledger_check_epoch(consumer->client.world->ledger, partition_of(consumer, reading),
                           reading->readable, consumer->looked_epoch, partition.leader_epoch,
                           partition.end_offset);
    } else if (partition.error_code != ERROR_NONE && !error_is_retriable(partition.error_code)) {
        sim_fail("OffsetForLeaderEpoch: error %d", partition.error_code);
    }
}

/* ---- The kind ------------------------------------------------------------------------------- */

static struct reading *reading_pick(struct consumer *consumer, bool lost)
{
    const uint64_t now_ns = world_now_ns(consumer->client.world);
    struct reading *picked = NULL;
    uint64_t seen = 0;
    READINGS_FOR_EACH(reading, consumer)
    {
        if (reading->active && reading->retry_ns <= now_ns && (!lost || reading->position < 0) &&
            random_below(&consumer->client.random, ++seen) == 0) {
            picked = reading;
        }
    }
    return picked;
}

static int64_t timestamp_pick(struct consumer *consumer)
{
    struct random *random = &consumer->client.random;
    switch (random_below(random, 4)) {
    case 0: return LATEST;
    case 1: return EARLIEST;
    case 2: return MAX_TIMESTAMP;
    default: return world_wall_ms(consumer->client.world) - (int64_t)random_below(random, 500);
    }
}

static bool consumer_step(struct client *client)
{
    struct consumer *consumer = consumer_of(client);
    readings_look(consumer);
    if (consumer->asked || client->asked_metadata) {
        return false;
    }
    struct reading *reading = reading_pick(consumer, true);
    if (reading != NULL) {
        offsets_ask(consumer, reading, EARLIEST);
        return true;
    }
    reading = reading_pick(consumer, false);
    if (reading == NULL || (consumer->auditing && consumer->client.kind->finished(client))) {
        if (!client->wants_metadata && !consumer->auditing) {
            client_refresh(client, 20);
        }
        return false;
    }
    if (!consumer->auditing && random_one_in(&client->random, 8)) {
        offsets_ask(consumer, reading, timestamp_pick(consumer));
    } else if (!consumer->auditing && random_one_in(&client->random, 16)) {
        epoch_ask(consumer, reading);
    } else {
        fetch_send(consumer);
    }
    if (random_one_in(&client->random, 32)) {
        client_refresh(client, 0);
    }
    return true;
}

static void consumer_answer(struct client *client, const struct flight *flight,
                            struct reader *reader)
{
    struct consumer *consumer = consumer_of(client);
    consumer->asked = false;
    switch (flight->cookie) {
    case 1: fetch_take(consumer, flight, reader); break;
    case 2: offsets_take(consumer, flight, reader); break;
    default: epoch_take(consumer, flight, reader);
    }
}

static void consumer_lost(struct client *client)
{
    struct consumer *consumer = consumer_of(client);
    consumer->asked = false;
    session_forget(consumer);
}

static uint64_t consumer_deadline_ns(const struct client *client)
{
    struct consumer *consumer = consumer_of(client);
    uint64_t deadline_ns = UINT64_MAX;
    if (consumer->asked) {
        return deadline_ns;
    }
    READINGS_FOR_EACH(reading, consumer)
    {
        if (reading->active && !(consumer->auditing && reading->audited)) {
            deadline_ns = min_u64(deadline_ns, reading->retry_ns);
        }
    }
    return deadline_ns;
}

static bool consumer_finished(const struct client *client)
{
    struct consumer *consumer = consumer_of(client);
    if (!consumer->auditing) {
        return true;
    }
    if (client->metadata_round <= consumer->audit_round ||
        consumer->metadata_seen != client->metadata_round) {
        return false;
    }
    READINGS_FOR_EACH(reading, consumer)
    {
        if (reading->active && !reading->audited) {
            return false;
        }
    }
    return true;
}

static void consumer_free(struct client *client)
{
    free(consumer_of(client));
}

const struct client_kind consumer_kind = {
    .step = consumer_step,
    .answer = consumer_answer,
    .lost = consumer_lost,
    .deadline_ns = consumer_deadline_ns,
    .finished = consumer_finished,
    .free = consumer_free,
    .name = "consumer",
};

struct client *consumer_create(struct world *world, const struct consumer_options *options)
{
    struct consumer *consumer = calloc(1, sizeof(*consumer));
    ASSERT(consumer != NULL);
    consumer->options = *options;
    for (uint32_t t = 0; t < LEDGER_TOPICS_MAX; t++) {
        for (uint32_t p = 0; p < LEDGER_PARTITIONS_MAX; p++) {
            consumer->readings[t][p].topic = t;
            consumer->readings[t][p].index = p;
        }
    }
    client_init(&consumer->client, world, &consumer_kind, options->number);
    return &consumer->client;
}

void consumer_audit(struct client *client)
{
    struct consumer *consumer = consumer_of(client);
    consumer->auditing = true;
    consumer->audit_round = client->metadata_round;
    READINGS_FOR_EACH(reading, consumer)
    {
        reading->audited = false;
        reading->position = -1;
    }
    client->cut_one_in = 0;
    if (client->socket != NULL) {
        client_cut(client, false);
    }
    client_refresh(client, 0);
}

uint64_t consumer_records(const struct client *client)
{
    return consumer_of(client)->records;
}
