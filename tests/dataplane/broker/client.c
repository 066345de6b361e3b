#include <stdlib.h>

#include "tests/dataplane/broker/rig.h"

enum { TURNS_MAX = 50000, TURNS_QUICK = 3000 };

/* One turn of a wait; long waits go in larger steps. */
static void wait_turn(struct rig *rig, uint32_t turns)
{
    assert_true(turns < TURNS_MAX);
    rig_turn(rig);
    if (turns > TURNS_QUICK) {
        sim_machine_advance(rig->machine, sim_machine_now_ns(rig->machine) + 1000000);
    }
}

static struct network_address address_of(uint8_t last, uint16_t port)
{
    struct network_address address = {.port = port};
    address.ip[10] = address.ip[11] = 0xff;
    address.ip[12] = 10;
    address.ip[15] = last;
    return address;
}

struct client *client_connect(struct rig *rig, uint32_t core)
{
    struct client *client = calloc(1, sizeof(*client));
    assert_non_null(client);
    const struct network_address from = address_of(2, 40000);
    const struct network_address to = address_of(1, RIG_PORT);
    client->rig = rig;
    client->core = core;
    client->id = "tester";
    client->peer = sim_peer_connect(rig->cores[core].transport, &from, &to, 0);
    client->buffer = rig_map(CLIENT_BUFFER_BYTES);
    client->answer = rig_map(CLIENT_BUFFER_BYTES);
    return client;
}

void client_free(struct client *client)
{
    if (!sim_peer_closed(client->peer)) {
        sim_peer_reset(client->peer);
    }
    for (uint32_t turns = 0; !sim_peer_closed(client->peer); turns++) {
        wait_turn(client->rig, turns);
    }
    sim_peer_free(client->peer);
    rig_unmap(client->buffer, CLIENT_BUFFER_BYTES);
    rig_unmap(client->answer, CLIENT_BUFFER_BYTES);
    free(client);
}

void client_put(struct client *client, const void *bytes, uint32_t len)
{
    sim_peer_send(client->peer, (struct bytes){bytes, len});
}

void client_writer(struct client *client, struct writer *writer, enum api_key api, int16_t version)
{
    const struct bytes id = bytes_of_string(client->id);
    writer_init(writer, client->buffer, CLIENT_BUFFER_BYTES);
    request_begin(writer, api_find((int16_t)api), version, ++client->sent, chain_of(&id));
}

void client_send(struct client *client, struct writer *writer)
{
    assert_int_equal(frame_end(writer), CODEC_OK);
    client_put(client, client->buffer, writer_used(writer));
}

bool client_answered(const struct client *client)
{
    const struct bytes received = sim_peer_received(client->peer);
    return received.len >= 4 && received.len - 4 >= load_be32(received.ptr);
}

void client_receive(struct client *client, struct reader *reader, enum api_key api, int16_t version)
{
    for (uint32_t turns = 0; !client_answered(client); turns++) {
        assert_false(sim_peer_closed(client->peer));
        wait_turn(client->rig, turns);
    }
    const struct bytes received = sim_peer_received(client->peer);
    client->answer_len = load_be32(received.ptr);
    assert_true(client->answer_len <= CLIENT_BUFFER_BYTES);
    memcpy(client->answer, received.ptr + 4, client->answer_len);
    sim_peer_consume(client->peer, client->answer_len + 4);
    client->answer_piece = (struct bytes){client->answer, client->answer_len};
    int32_t correlation_id;
    reader_init(reader, chain_of(&client->answer_piece));
    assert_int_equal(
        response_header_decode(reader, api_find((int16_t)api), version, &correlation_id), CODEC_OK);
    client->received = correlation_id;
}

void client_expect_closed(struct client *client)
{
    for (uint32_t turns = 0; !sim_peer_closed(client->peer); turns++) {
        wait_turn(client->rig, turns);
    }
}

void client_expect_silence(struct client *client, uint64_t ms)
{
    rig_run_ms(client->rig, ms);
    assert_false(sim_peer_closed(client->peer));
    assert_int_equal(sim_peer_received(client->peer).len, 0);
}

struct chain text_chain(const char *text)
{
    static struct bytes pieces[64];
    static uint32_t next;
    struct bytes *piece = &pieces[next++ % ARRAY_SIZE(pieces)];
    *piece = bytes_of_string(text);
    return chain_of(piece);
}

/* ---- Produce -------------------------------------------------------------------------------- */

struct bytes batch_make(const struct rig *rig, const struct batch_spec *spec, uint8_t *to,
                        uint32_t capacity)
{
    struct batch_options options = batch_options_none();
    struct batch_builder builder;
    const uint32_t value_bytes = spec->value_bytes < 8 ? 8 : spec->value_bytes;
    uint8_t *value = calloc(1, value_bytes);
    assert_non_null(value);
    options.attributes = spec->attributes;
    if (spec->producer_id != 0) {
        options.producer_id = spec->producer_id;
        options.producer_epoch = spec->producer_epoch;
        options.base_sequence = spec->sequence;
    }
    batch_builder_init(&builder, to, capacity, &options);
    for (uint32_t i = 0; i < (spec->records == 0 ? 1 : spec->records); i++) {
        const struct bytes key = {(const uint8_t *)"key", 3};
        store_be64(value, (uint64_t)(spec->first_value + i));
        assert_true(batch_builder_add(
            &builder, spec->timestamp_ms == 0 ? rig_wall_ms(rig) : spec->timestamp_ms, key,
            (struct bytes){value, value_bytes}, NULL, 0));
    }
    free(value);
    return batch_builder_finish(&builder);
}

void client_send_produce(struct client *client, int16_t version, const char *topic,
                         int32_t partition, int16_t acks, struct bytes records)
{
    client_send_txn_produce(client, version, topic, partition, acks, NULL, records);
}

void client_send_txn_produce(struct client *client, int16_t version, const char *topic,
                             int32_t partition, int16_t acks, const char *transactional_id,
                             struct bytes records)
{
    struct produce_request_partition one = {.index = partition, .records = chain_of(&records)};
    struct produce_request_topic named = produce_request_topic_default;
    struct produce_request request = produce_request_default;
    named.name = text_chain(topic);
    if (version >= 13 && rig_find(client->rig, topic) != NULL) {
        named.topic_id = rig_find(client->rig, topic)->id;
    }
    named.partition_data.items = &one;
    named.partition_data.count = 1;
    if (transactional_id != NULL) {
        request.transactional_id = text_chain(transactional_id);
    }
    request.acks = acks;
    request.timeout_ms = 5000;
    request.topic_data.items = &named;
    request.topic_data.count = 1;
    SEND(client, PRODUCE, produce, version, &request);
}

struct produced client_receive_produced(struct client *client, int16_t version)
{
    struct produce_response response;
    struct produce_response_topic topic;
    struct produce_response_partition partition;
    RECEIVE(client, PRODUCE, produce, version, &response);
    assert_true(produce_response_topic_array_next(&response.responses, &topic));
    assert_true(produce_response_partition_array_next(&topic.partition_responses, &partition));
    return (struct produced){
        .error = partition.error_code,
        .base_offset = partition.base_offset,
        .log_append_time_ms = partition.log_append_time_ms,
        .log_start_offset = partition.log_start_offset,
        .record_error_count = (uint32_t)partition.record_errors.count,
        .has_message = !chain_is_null(partition.error_message),
        .leader_id = partition.current_leader.leader_id,
    };
}

struct produced client_produce(struct client *client, int16_t version, const char *topic,
                               int32_t partition, int16_t acks, struct bytes records)
{
    client_send_produce(client, version, topic, partition, acks, records);
    return client_receive_produced(client, version);
}

int64_t client_put_record(struct client *client, const char *topic, int32_t partition,
                          int64_t number)
{
    uint8_t buffer[512];
    const struct bytes batch = batch_make(client->rig, &(struct batch_spec){.first_value = number},
                                          buffer, sizeof(buffer));
    const struct produced produced = client_produce(client, 9, topic, partition, 1, batch);
    assert_int_equal(produced.error, ERROR_NONE);
    return produced.base_offset;
}

/* ---- Fetch ---------------------------------------------------------------------------------- */

void client_send_fetch(struct client *client, const struct fetch_spec *spec)
{
    struct fetch_request_partition one = fetch_request_partition_default;
    struct fetch_request_topic named = fetch_request_topic_default;
    struct fetch_request request = fetch_request_default;
    one.partition = spec->partition;
    one.current_leader_epoch = spec->current_leader_epoch == 0 ? -1 : spec->current_leader_epoch;
    one.last_fetched_epoch = spec->last_fetched_epoch == 0 ? -1 : spec->last_fetched_epoch;
    one.fetch_offset = spec->offset;
    one.partition_max_bytes = spec->partition_max_bytes == 0 ? 1 << 20 : spec->partition_max_bytes;
    request.max_wait_ms = spec->max_wait_ms;
    request.min_bytes = spec->min_bytes == 0 ? 1 : spec->min_bytes;
    request.max_bytes = spec->max_bytes == 0 ? 50 << 20 : spec->max_bytes;
    request.isolation_level = spec->isolation;
    request.session_id = spec->session_id;
    request.session_epoch = spec->version < 7 ? -1 : spec->session_epoch;
    request.rack_id = text_chain("");
    if (spec->topic != NULL) {
        named.topic = text_chain(spec->topic);
        if (spec->version >= 13) {
            const struct snapshot_topic *known = rig_find(client->rig, spec->topic);
            memset(named.topic_id.bytes, 0xee, sizeof(named.topic_id.bytes));
            named.topic_id = known != NULL ? known->id : named.topic_id;
        }
        named.partitions.items = &one;
        named.partitions.count = 1;
        request.topics.items = &named;
        request.topics.count = 1;
    }
    SEND(client, FETCH, fetch, spec->version, &request);
}

static void walk_records(struct chain records, struct fetched *fetched)
{
    uint8_t *flat = malloc(records.len + 1);
    assert_non_null(flat);
    chain_copy(records, flat, records.len);
    uint32_t at = 0;
    fetched->records_bytes = records.len;
    while (records.len - at >= BATCH_HEADER_BYTES) {
        const uint32_t size = load_be32(flat + at + BATCH_AT_LENGTH) + BATCH_PREFIX_BYTES;
        if (size > records.len - at) {
            break; /* Cut off, as is allowed. */
        }
        const int64_t base = (int64_t)load_be64(flat + at);
        const uint32_t count = load_be32(flat + at + BATCH_AT_RECORD_COUNT);
        if (fetched->record_count == 0) {
            fetched->first_offset = base;
        }
        fetched->record_count += count;
        fetched->next_offset =
            base + (int64_t)load_be32(flat + at + BATCH_AT_LAST_OFFSET_DELTA) + 1;
        at += size;
    }
    free(flat);
}

struct fetched client_receive_fetched(struct client *client, int16_t version)
{
    struct fetch_response response;
    struct fetch_response_topic topic;
    struct fetch_response_partition partition;
    RECEIVE(client, FETCH, fetch, version, &response);
    struct fetched fetched = {.error = response.error_code,
                              .session_id = response.session_id,
                              .topics = response.responses.count};
    while (fetch_response_topic_array_next(&response.responses, &topic)) {
        while (fetch_response_partition_array_next(&topic.partitions, &partition)) {
            fetched.partitions++;
            fetched.partition_error = partition.error_code;
            fetched.high_watermark = partition.high_watermark;
            fetched.last_stable = partition.last_stable_offset;
            fetched.log_start = partition.log_start_offset;
            fetched.diverging_epoch = partition.diverging_epoch.epoch;
            fetched.diverging_end = partition.diverging_epoch.end_offset;
            fetched.preferred_replica = partition.preferred_read_replica;
            fetched.leader_id = partition.current_leader.leader_id;
            fetched.aborted = partition.aborted_transactions.count;
            walk_records(partition.records, &fetched);
        }
    }
    return fetched;
}

struct fetched client_fetch(struct client *client, const struct fetch_spec *spec)
{
    client_send_fetch(client, spec);
    return client_receive_fetched(client, spec->version);
}
