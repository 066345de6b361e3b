#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/kafka/errors.h"
#include "tests/tools/client/fake_broker.h"
#include "tools/client/partitioner.h"
#include "tools/client/producer.h"

enum { TIMEOUT_MS = 5000 };

static struct fake_broker *broker;
static struct client client;
static struct producer producer;
static const struct producer_options idempotent = {.acks = -1, .idempotent = true, .seed = 1};

static int setup(void **state)
{
    (void)state;
    broker = fake_broker_new();
    producer = (struct producer){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    producer_close(&producer);
    client_close(&client);
    fake_broker_free(broker);
    return 0;
}

static bool begin(const struct producer_options *options)
{
    fake_broker_start(broker);
    assert_true(client_open(&client, broker->bootstrap, TIMEOUT_MS));
    return producer_open(&producer, &client, "orders", options);
}

static bool add(uint32_t partition, const char *value)
{
    return producer_add(&producer, partition, 1000, (struct bytes){0}, bytes_of_string(value), NULL,
                        0);
}

static struct batch_header header_of(uint32_t partition, uint32_t number)
{
    struct batch_header header;
    const struct fake_partition *from = &broker->partitions[partition];
    assert_true(number < from->count);
    assert_int_equal(batch_parse(chain_of(&from->batches[number]), &header), BATCH_OK);
    return header;
}

static void sequences_go_on_from_batch_to_batch(void **state)
{
    (void)state;
    assert_true(begin(&idempotent));
    for (int i = 0; i < 3; i++) {
        assert_true(add(1, "a"));
        assert_true(add(1, "b"));
        assert_true(producer_flush(&producer));
    }
    assert_true(producer_finish(&producer));
    fake_broker_stop(broker);
    for (uint32_t i = 0; i < 3; i++) {
        const struct batch_header header = header_of(1, i);
        assert_int_equal(header.producer_id, 7000);
        assert_int_equal(header.base_sequence, 2 * i);
        assert_int_equal(header.record_count, 2);
    }
    assert_int_equal(producer.sent_records, 6);
    assert_int_equal(producer.partitions[1].first_offset, 0);
    assert_int_equal(producer.partitions[1].last_offset, 5);
    assert_int_equal(producer.partitions[0].first_offset, -1);
}

static void a_lost_answer_is_asked_for_again_and_nothing_is_kept_twice(void **state)
{
    (void)state;
    broker->lose_answer[API_PRODUCE] = true;
    assert_true(begin(&idempotent));
    assert_true(add(0, "once"));
    assert_true(producer_finish(&producer));
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_PRODUCE], 2);
    assert_int_equal(broker->partitions[0].count, 1);
    assert_int_equal(producer.partitions[0].last_offset, 0);
}

static void without_a_producer_id_a_lost_answer_is_a_failure(void **state)
{
    (void)state;
    const struct producer_options plain = {.acks = 1};
    broker->lose_answer[API_PRODUCE] = true;
    assert_true(begin(&plain));
    assert_true(add(0, "perhaps"));
    assert_false(producer_finish(&producer));
    assert_int_equal(client.problem.kind, PROBLEM_LOST);
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_PRODUCE], 1);
    assert_int_equal(broker->requests[API_INIT_PRODUCER_ID], 0);
    assert_int_equal(header_of(0, 0).producer_id, BATCH_NO_PRODUCER_ID);
}

static void what_was_taken_is_not_sent_again_when_a_part_failed(void **state)
{
    (void)state;
    broker->error[API_PRODUCE] = ERROR_NOT_LEADER_OR_FOLLOWER;
    broker->times[API_PRODUCE] = 1;
    assert_true(begin(&idempotent));
    for (uint32_t i = 0; i < FAKE_PARTITIONS; i++) {
        assert_true(add(i, "x"));
    }
    assert_true(producer_finish(&producer));
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_PRODUCE], 2);
    for (uint32_t i = 0; i < FAKE_PARTITIONS; i++) {
        assert_int_equal(broker->partitions[i].count, 1);
    }
    assert_int_equal(producer.sent_records, FAKE_PARTITIONS);
}

static void what_cannot_pass_fails_at_once(void **state)
{
    (void)state;
    broker->error[API_PRODUCE] = ERROR_MESSAGE_TOO_LARGE;
    assert_true(begin(&idempotent));
    assert_true(add(2, "big"));
    assert_false(producer_flush(&producer));
    assert_non_null(strstr(client.problem.text, "produce to orders partition 2: "
                                                "MESSAGE_TOO_LARGE"));
    assert_non_null(strstr(client.problem.text, "millrace topic set orders max.message.bytes=N"));
    assert_false(add(FAKE_PARTITIONS, "x"));
    assert_non_null(strstr(client.problem.text, "not a partition 3"));
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_PRODUCE], 1);
}

static void a_topic_is_made_by_its_first_use_where_the_broker_does_so(void **state)
{
    (void)state;
    broker->exists = false;
    broker->auto_create = true;
    assert_true(begin(&idempotent));
    fake_broker_stop(broker);
    assert_true(broker->exists);
}

static void acks_0_waits_until_the_broker_has_read_all(void **state)
{
    (void)state;
    const struct producer_options none = {.acks = 0};
    assert_true(begin(&none));
    for (int i = 0; i < 10; i++) {
        assert_true(add(0, "x"));
        assert_true(producer_flush(&producer));
    }
    assert_true(producer_finish(&producer));
    fake_broker_stop(broker);
    assert_int_equal(broker->partitions[0].count, 10);
    assert_int_equal(producer.sent_records, 10);
    assert_int_equal(producer.partitions[0].first_offset, -1);
}

static void every_codec_and_version_arrives(void **state)
{
    (void)state;
    const struct api_info *api = api_find(API_PRODUCE);
    const int32_t versions = api->version_max - api->version_min + 1;
    for (int i = 0; i < versions; i++) {
        struct producer_options options = idempotent;
        options.codec = (enum batch_codec)(i % BATCH_CODECS);
        broker->version_max[API_PRODUCE] = (int16_t)(api->version_min + i);
        broker->partitions[0].next_sequence = 0;
        assert_true(begin(&options));
        for (int j = 0; j < 50; j++) {
            assert_true(add(0, "the same text again and again"));
        }
        assert_true(producer_finish(&producer));
        producer_close(&producer);
        client_close(&client);
        fake_broker_stop(broker);
        const struct batch_header header = header_of(0, (uint32_t)i);
        assert_int_equal(batch_codec(&header), options.codec);
        assert_int_equal(header.record_count, 50);
        assert_int_equal(broker->versions[API_PRODUCE], broker->version_max[API_PRODUCE]);
    }
}

static void full_batches_go_out_by_themselves(void **state)
{
    (void)state;
    char *value = malloc(100001);
    assert_non_null(value);
    memset(value, 'v', 100000);
    value[100000] = '\0';
    assert_true(begin(&idempotent));
    for (int i = 0; i < 20; i++) {
        assert_true(add(0, value));
    }
    assert_true(producer_finish(&producer));
    fake_broker_stop(broker);
    assert_in_range(broker->partitions[0].count, 7, 20);
    assert_int_equal(broker->partitions[0].end, 20);
    free(value);
}

static void keys_keep_their_partition_and_others_are_spread(void **state)
{
    (void)state;
    bool seen[FAKE_PARTITIONS] = {false};
    assert_true(begin(&idempotent));
    assert_int_equal(producer_place(&producer, bytes_of_string("foobar")),
                     partitioner_of_key(bytes_of_string("foobar"), FAKE_PARTITIONS));
    for (int i = 0; i < 40; i++) {
        const uint32_t place = producer_place(&producer, (struct bytes){0});
        assert_int_equal(producer_place(&producer, (struct bytes){0}), place); /* Sticky. */
        seen[place] = true;
        assert_true(add(place, "x"));
        assert_true(producer_flush(&producer));
    }
    fake_broker_stop(broker);
    for (int i = 0; i < FAKE_PARTITIONS; i++) {
        assert_true(seen[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sequences_go_on_from_batch_to_batch),
        TEST(a_lost_answer_is_asked_for_again_and_nothing_is_kept_twice),
        TEST(without_a_producer_id_a_lost_answer_is_a_failure),
        TEST(what_was_taken_is_not_sent_again_when_a_part_failed),
        TEST(what_cannot_pass_fails_at_once),
        TEST(a_topic_is_made_by_its_first_use_where_the_broker_does_so),
        TEST(acks_0_waits_until_the_broker_has_read_all),
        TEST(every_codec_and_version_arrives),
        TEST(full_batches_go_out_by_themselves),
        TEST(keys_keep_their_partition_and_others_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
