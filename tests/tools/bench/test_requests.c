#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/messages.h"
#include "storage/record/record.h"
#include "tests/tools/client/fake_broker.h"
#include "tools/bench/requests.h"

static struct fake_broker *broker;
static struct peer peer;
static struct bench_options options;

static int setup(void **state)
{
    (void)state;
    broker = fake_broker_new();
    options = (struct bench_options){.topic = "orders",
                                     .partitions = FAKE_PARTITIONS,
                                     .configs = {"retention.ms=5"},
                                     .config_count = 1};
    fake_broker_start(broker);
    return peer_open(&peer, broker->bootstrap, 4, 1 << 20) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    peer_close(&peer);
    fake_broker_free(broker);
    return 0;
}

/* What goes over the wire for a request: head, body, tail. */
static uint32_t whole(const struct peer_request *request, uint8_t *room)
{
    memcpy(room, request->head, request->head_bytes);
    memcpy(room + request->head_bytes, request->body.ptr, request->body.len);
    memcpy(room + request->head_bytes + request->body.len, request->tail, request->tail_bytes);
    return request->head_bytes + request->body.len + request->tail_bytes;
}

static struct bytes one_batch(uint8_t *room, uint32_t capacity)
{
    const struct batch_options none = batch_options_none();
    struct batch_builder builder;
    batch_builder_init(&builder, room, capacity, &none);
    assert_true(batch_builder_add(&builder, 1000, (struct bytes){0},
                                  (struct bytes){(const uint8_t *)"abc", 3}, NULL, 0));
    return batch_builder_finish(&builder);
}

static void a_produce_request_is_whole_though_its_batch_lies_elsewhere(void **state)
{
    (void)state;
    uint8_t room[2000];
    uint8_t wire[3000];
    struct peer_request request = {.number = 7};
    const struct bytes batch = one_batch(room, sizeof(room));
    requests_produce(&request, "orders", 2, batch, -1);
    const struct bytes frame = {wire + 4, whole(&request, wire) - 4};
    assert_int_equal(load_be32(wire), frame.len);
    struct reader reader;
    struct request_header header;
    struct produce_request message;
    struct produce_request_topic topic;
    struct produce_request_partition partition;
    reader_init(&reader, chain_of(&frame));
    assert_int_equal(request_header_decode(&reader, &header), CODEC_OK);
    assert_int_equal(header.correlation_id, 7);
    assert_int_equal(produce_request_decode(&reader, header.api_version, &message), CODEC_OK);
    assert_int_equal(message.acks, -1);
    assert_true(produce_request_topic_array_next(&message.topic_data, &topic));
    assert_true(produce_request_partition_array_next(&topic.partition_data, &partition));
    assert_int_equal(partition.index, 2);
    assert_int_equal(partition.records.len, batch.len);
    assert_memory_equal(chain_first(partition.records).ptr, batch.ptr, batch.len);
    assert_int_equal(reader_left(&reader), 0);
}

/* Sends one request and gives its answer. */
static struct bytes call(void)
{
    struct bytes frame;
    peer_end(&peer);
    assert_true(peer_call(&peer, &frame));
    return frame;
}

static void what_was_produced_is_fetched(void **state)
{
    (void)state;
    uint8_t room[2000];
    int16_t error = -1;
    int64_t offset = -1;
    int64_t high_watermark = -1;
    struct bytes records;
    const struct bytes batch = one_batch(room, sizeof(room));
    for (int64_t i = 0; i < 2; i++) {
        requests_produce(peer_begin(&peer), "orders", 1, batch, 1);
        assert_true(requests_produce_answer(call(), &error, &offset));
        assert_int_equal(error, ERROR_NONE);
        assert_int_equal(offset, i);
    }
    requests_fetch(peer_begin(&peer), "orders", 1, 1, 1 << 16, 100);
    assert_true(requests_fetch_answer(call(), &error, &high_watermark, &records));
    assert_int_equal(error, ERROR_NONE);
    assert_int_equal(high_watermark, 2);
    assert_int_equal(load_be64(records.ptr), 1); /* The base offset. */
    assert_memory_equal(records.ptr + 12 + 4, batch.ptr + 12 + 4, batch.len - 16);
    assert_int_equal(requests_list_offset(&peer, "orders", 1, -1), 2);
    assert_int_equal(requests_list_offset(&peer, "orders", 1, -2), 0);
}

static void an_error_of_the_partition_is_told_and_a_cut_answer_is_none(void **state)
{
    (void)state;
    uint8_t room[2000];
    int16_t error = -1;
    int64_t offset = -1;
    broker->error[API_PRODUCE] = ERROR_NOT_LEADER_OR_FOLLOWER;
    broker->times[API_PRODUCE] = 1;
    requests_produce(peer_begin(&peer), "orders", 1, one_batch(room, sizeof(room)), 1);
    const struct bytes answer = call();
    assert_true(requests_produce_answer(answer, &error, &offset));
    assert_int_equal(error, ERROR_NOT_LEADER_OR_FOLLOWER);
    for (uint32_t len = 0; len < answer.len; len++) {
        assert_false(requests_produce_answer((struct bytes){answer.ptr, len}, &error, &offset));
    }
    broker->error[API_LIST_OFFSETS] = ERROR_NOT_LEADER_OR_FOLLOWER;
    broker->times[API_LIST_OFFSETS] = 1;
    assert_int_equal(requests_list_offset(&peer, "orders", 1, -1), -1);
}

static void a_topic_is_made_with_its_settings_and_an_existing_one_is_used(void **state)
{
    (void)state;
    assert_true(requests_create_topic(&peer, &options));
    broker->error[API_CREATE_TOPICS] = ERROR_TOPIC_ALREADY_EXISTS;
    assert_true(requests_create_topic(&peer, &options));
    broker->error[API_CREATE_TOPICS] = ERROR_INVALID_CONFIG;
    assert_false(requests_create_topic(&peer, &options));
    requests_delete_topic(&peer, "orders");
    fake_broker_stop(broker);
    assert_int_equal(broker->created_partitions, FAKE_PARTITIONS);
    assert_string_equal(broker->config_key, "retention.ms");
    assert_string_equal(broker->config_value, "5");
    assert_int_equal(broker->requests[API_DELETE_TOPICS], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_produce_request_is_whole_though_its_batch_lies_elsewhere),
        TEST(what_was_produced_is_fetched),
        TEST(an_error_of_the_partition_is_told_and_a_cut_answer_is_none),
        TEST(a_topic_is_made_with_its_settings_and_an_existing_one_is_used),
    };
    return cmocka_run_group_tests_name("requests", tests, NULL, NULL);
}
