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
#include "tools/client/consumer.h"

enum { TIMEOUT_MS = 3000, ROOM = 64 << 10, TAKEN_MAX = 1000 };

static struct fake_broker *broker;
static struct client client;
static struct consumer consumer;
static uint8_t plain[ROOM];
static uint8_t packed[2 * ROOM];

/* What was handed out. */
static struct {
    int32_t partition;
    int64_t offset;
    char value[32];
} taken[TAKEN_MAX];
static uint32_t taken_count;
static uint32_t take_at_most;

static bool take(void *context, const struct consumer_record *record)
{
    (void)context;
    assert_true(taken_count < TAKEN_MAX);
    taken[taken_count].partition = record->partition;
    taken[taken_count].offset = record->offset;
    (void)snprintf(taken[taken_count].value, sizeof(taken[0].value), "%.*s", (int)record->value.len,
                   (const char *)record->value.ptr);
    taken_count++;
    return taken_count < take_at_most;
}

static const struct consumer_sink sink = {take, NULL};

static int setup(void **state)
{
    (void)state;
    broker = fake_broker_new();
    consumer = (struct consumer){0};
    taken_count = 0;
    take_at_most = TAKEN_MAX;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    consumer_close(&consumer);
    client_close(&client);
    fake_broker_free(broker);
    return 0;
}

/* A batch of `count` records "PARTITION:OFFSET" at timestamps 1000 + offset. */
static void append(uint32_t partition, uint32_t count, enum batch_codec codec, uint16_t attributes)
{
    struct batch_options options = batch_options_none();
    struct batch_builder builder;
    options.attributes = attributes;
    batch_builder_init(&builder, plain, sizeof(plain), &options);
    for (uint32_t i = 0; i < count; i++) {
        char value[32];
        const int64_t offset = broker->partitions[partition].end + i;
        const int len = snprintf(value, sizeof(value), "%u:%lld", partition, (long long)offset);
        assert_true(batch_builder_add(&builder, 1000 + offset, (struct bytes){0},
                                      (struct bytes){(uint8_t *)value, (uint32_t)len}, NULL, 0));
    }
    struct bytes batch;
    if (codec == BATCH_CODEC_NONE) {
        batch = batch_builder_finish(&builder);
    } else {
        assert_true(batch_builder_finish_compressed(&builder, codec, INT32_MIN, packed,
                                                    sizeof(packed), &batch));
    }
    fake_broker_append(broker, partition, batch);
}

static bool begin(const char *from, bool stop_at_end)
{
    struct consumer_start start;
    assert_true(consumer_start_parse(from, &start));
    fake_broker_start(broker);
    assert_true(client_open(&client, broker->bootstrap, TIMEOUT_MS));
    return consumer_open(&consumer, &client, "orders", NULL, 0, start, stop_at_end);
}

static bool read_all(void)
{
    while (!consumer_done(&consumer) && taken_count < take_at_most) {
        if (!consumer_poll(&consumer, 10, &sink)) {
            return false;
        }
    }
    return true;
}

static void places_to_start_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        enum consumer_from from;
        int64_t value;
    } cases[] = {
        {"begin", true, CONSUMER_FROM_BEGIN, 0},
        {"beginning", true, CONSUMER_FROM_BEGIN, 0},
        {"end", true, CONSUMER_FROM_END, 0},
        {"0", true, CONSUMER_FROM_OFFSET, 0},
        {"9223372036854775807", true, CONSUMER_FROM_OFFSET, INT64_MAX},
        {"-7", true, CONSUMER_FROM_TAIL, 7},
        {"@1234", true, CONSUMER_FROM_TIME, 1234},
        {"s@1234", true, CONSUMER_FROM_TIME, 1234},
        {"@2001-09-09T01:46:40Z", true, CONSUMER_FROM_TIME, 1000000000000},
        {"@yesterday", false, 0, 0},
        {"@-5", false, 0, 0},
        {"@", false, 0, 0},
        {"", false, 0, 0},
        {"middle", false, 0, 0},
        {"1x", false, 0, 0},
        {"-9223372036854775808", false, 0, 0},
    };
    fake_broker_start(broker);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct consumer_start start = {0};
        if (consumer_start_parse(cases[i].text, &start) != cases[i].good ||
            (cases[i].good && (start.from != cases[i].from || start.value != cases[i].value))) {
            fail_msg("'%s' was read as %d %lld", cases[i].text, (int)start.from,
                     (long long)start.value);
        }
    }
}

static void all_partitions_and_codecs_are_read_to_the_end(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 30; i++) {
        append(i % FAKE_PARTITIONS, 1 + i % 4, (enum batch_codec)(i % BATCH_CODECS), 0);
    }
    assert_true(begin("begin", true));
    const uint64_t all = consumer_left(&consumer);
    assert_true(read_all());
    assert_int_equal(taken_count, all);
    int64_t next[FAKE_PARTITIONS] = {0};
    for (uint32_t i = 0; i < taken_count; i++) {
        char want[32];
        const int32_t partition = taken[i].partition;
        assert_int_equal(taken[i].offset, next[partition]++);
        (void)snprintf(want, sizeof(want), "%d:%lld", partition, (long long)taken[i].offset);
        assert_string_equal(taken[i].value, want);
    }
}

static void every_version_of_fetch_reads(void **state)
{
    (void)state;
    const struct api_info *api = api_find(API_FETCH);
    append(0, 5, BATCH_CODEC_LZ4, 0);
    for (int16_t version = api->version_min; version <= api->version_max; version++) {
        broker->version_max[API_FETCH] = version;
        taken_count = 0;
        assert_true(begin("begin", true));
        assert_true(read_all());
        assert_int_equal(taken_count, 5);
        consumer_close(&consumer);
        client_close(&client);
        fake_broker_stop(broker);
        assert_int_equal(broker->versions[API_FETCH], version);
    }
}

static void reading_starts_where_it_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        uint32_t want;
        int64_t first;
    } cases[] = {
        {"begin", 10, 0}, {"7", 3, 7},  {"-4", 4, 6},    {"-99", 10, 0},
        {"end", 0, 0},    {"10", 0, 0}, {"@1006", 5, 5}, {"@9999", 0, 0},
    };
    append(0, 5, BATCH_CODEC_NONE, 0);
    append(0, 5, BATCH_CODEC_GZIP, 0); /* The fake broker finds batches, not records, by time. */
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        taken_count = 0;
        assert_true(begin(cases[i].from, true));
        assert_true(read_all());
        if (taken_count != cases[i].want ||
            (taken_count > 0 && taken[0].offset != cases[i].first)) {
            fail_msg("from %s: %u records", cases[i].from, taken_count);
        }
        consumer_close(&consumer);
        client_close(&client);
        fake_broker_stop(broker);
    }
}

static void a_sink_that_has_enough_stops_in_the_middle_of_a_batch(void **state)
{
    (void)state;
    append(0, 10, BATCH_CODEC_NONE, 0);
    assert_true(begin("begin", false));
    take_at_most = 3;
    assert_true(read_all());
    assert_int_equal(taken_count, 3);
    take_at_most = 5; /* And goes on behind the last record taken. */
    assert_true(read_all());
    assert_int_equal(taken[3].offset, 3);
}

static void control_records_are_stepped_over(void **state)
{
    (void)state;
    append(0, 1, BATCH_CODEC_NONE, BATCH_TRANSACTIONAL);
    append(0, 1, BATCH_CODEC_NONE, BATCH_TRANSACTIONAL | BATCH_CONTROL);
    append(0, 1, BATCH_CODEC_NONE, 0);
    assert_true(begin("begin", true));
    assert_true(read_all());
    assert_int_equal(taken_count, 2);
    assert_int_equal(taken[1].offset, 2);
}

static void damage_is_told_and_not_handed_out(void **state)
{
    (void)state;
    append(0, 2, BATCH_CODEC_NONE, 0);
    append(0, 2, BATCH_CODEC_ZSTD, 0);
    uint8_t *second = (uint8_t *)(uintptr_t)broker->partitions[0].batches[1].ptr;
    second[BATCH_HEADER_BYTES + 3] ^= 1;
    assert_true(begin("begin", true));
    assert_false(read_all());
    assert_int_equal(taken_count, 2);
    assert_int_equal(client.problem.kind, PROBLEM_PROTOCOL);
    assert_non_null(strstr(client.problem.text, "orders partition 0"));
}

static void an_offset_outside_the_log_is_told(void **state)
{
    (void)state;
    append(0, 2, BATCH_CODEC_NONE, 0);
    assert_true(begin("77", false));
    assert_false(consumer_poll(&consumer, 10, &sink));
    assert_int_equal(client.problem.code, ERROR_OFFSET_OUT_OF_RANGE);
    assert_non_null(strstr(client.problem.text, "at offset 77"));
}

static void a_moved_leader_and_a_lost_connection_are_followed(void **state)
{
    (void)state;
    append(0, 4, BATCH_CODEC_NONE, 0);
    append(0, 4, BATCH_CODEC_NONE, 0);
    broker->error[API_FETCH] = ERROR_NOT_LEADER_OR_FOLLOWER;
    broker->times[API_FETCH] = 1;
    assert_true(begin("begin", true));
    broker->lose_answer[API_FETCH] = true; /* Of the first; the error comes with the second. */
    assert_true(read_all());
    assert_int_equal(taken_count, 8);
    for (uint32_t i = 0; i < taken_count; i++) {
        assert_int_equal(taken[i].offset, i);
    }
}

static void partitions_that_are_not_there_are_told(void **state)
{
    (void)state;
    const int32_t wanted[] = {1, 9};
    fake_broker_start(broker);
    assert_true(client_open(&client, broker->bootstrap, TIMEOUT_MS));
    assert_false(
        consumer_open(&consumer, &client, "orders", wanted, 2, (struct consumer_start){0}, true));
    assert_non_null(strstr(client.problem.text, "not a partition 9"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(places_to_start_are_read),
        TEST(all_partitions_and_codecs_are_read_to_the_end),
        TEST(every_version_of_fetch_reads),
        TEST(reading_starts_where_it_is_told),
        TEST(a_sink_that_has_enough_stops_in_the_middle_of_a_batch),
        TEST(control_records_are_stepped_over),
        TEST(damage_is_told_and_not_handed_out),
        TEST(an_offset_outside_the_log_is_told),
        TEST(a_moved_leader_and_a_lost_connection_are_followed),
        TEST(partitions_that_are_not_there_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
