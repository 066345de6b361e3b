#include "tests/dataplane/broker/rig.h"

#include "storage/base/crc32c.h"

static uint8_t buffer[2 << 20];

static struct bytes one_record(const struct rig *rig)
{
    return batch_make(rig, &(struct batch_spec){0}, buffer, sizeof(buffer));
}

static void every_version_appends_and_answers(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 3; version <= 13; version++) {
        for (int32_t partition = 0; partition < 2; partition++) {
            const struct produced produced =
                client_produce(client, version, "orders", partition, -1, one_record(rig));
            assert_int_equal(produced.error, ERROR_NONE);
            assert_int_equal(produced.base_offset, version - 3);
            assert_int_equal(produced.log_append_time_ms, -1);
            assert_int_equal(produced.log_start_offset, version >= 5 ? 0 : -1);
        }
    }
    client_free(client);
    rig_destroy(rig);
}

static void B17_acks_are_minus_one_zero_or_one(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    static const int16_t wrong[] = {2, -2, 100, INT16_MIN};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(client_produce(client, 9, "orders", 0, wrong[i], one_record(rig)).error,
                         ERROR_INVALID_REQUIRED_ACKS);
    }
    assert_int_equal(client_produce(client, 9, "orders", 0, 1, one_record(rig)).base_offset, 0);
    client_free(client);
    rig_destroy(rig);
}

static void B17_acks_0_gets_no_answer(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    client_send_produce(client, 9, "orders", 0, 0, one_record(rig));
    client_send_produce(client, 9, "orders", 0, 0, one_record(rig));
    client_expect_silence(client, 50);
    assert_int_equal(client_put_record(client, "orders", 0, 1), 2);
    client_free(client);
    rig_destroy(rig);
}

static void B17_acks_0_that_fails_closes_the_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    for (int32_t partition = 0; partition < 2; partition++) {
        struct client *client = client_connect(rig, 0);
        struct bytes batch = one_record(rig);
        buffer[batch.len - 1] ^= 1; /* The CRC no longer fits. */
        client_send_produce(client, 9, "orders", partition, 0, batch);
        client_expect_closed(client);
        client_free(client);
    }
    struct client *client = client_connect(rig, 0);
    client_send_produce(client, 9, "nowhere", 0, 0, one_record(rig));
    client_expect_closed(client);
    client_free(client);
    rig_destroy(rig);
}

static void B17_what_was_asked_before_a_failed_acks_0_is_answered(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    client_send_produce(client, 9, "orders", 0, 1, one_record(rig));
    client_send_produce(client, 9, "nowhere", 0, 0, one_record(rig));
    assert_int_equal(client_receive_produced(client, 9).base_offset, 0);
    client_expect_closed(client);
    client_free(client);
    rig_destroy(rig);
}

/* ---- B18, B19: what a batch must be --------------------------------------------------------- */

static void set_crc(uint8_t *batch, uint32_t len)
{
    store_be32(batch + BATCH_AT_CRC,
               crc32c_extend(0, batch + BATCH_AT_ATTRIBUTES, len - BATCH_AT_ATTRIBUTES));
}

enum { FLAGS_AT = BATCH_AT_ATTRIBUTES + 1, LAST_DELTA_AT = BATCH_AT_LAST_OFFSET_DELTA + 3 };

/* clang-format off */
static const struct {
    const char *what;
    uint32_t at;
    uint8_t value;
    bool keep_crc;
    int16_t error;
    int64_t log_start; /* Told where only the log could find it. */
} damages[] = {
    {"B18 magic 1",     BATCH_AT_MAGIC,           1,    true,  ERROR_INVALID_RECORD, -1},
    {"B18 magic 0",     BATCH_AT_MAGIC,           0,    true,  ERROR_INVALID_RECORD, -1},
    {"B19 magic 3",     BATCH_AT_MAGIC,           3,    true,  ERROR_CORRUPT_MESSAGE, -1},
    {"B19 CRC",         BATCH_AT_CRC,             0x55, true,  ERROR_CORRUPT_MESSAGE, -1},
    {"B19 base offset", BATCH_AT_BASE_OFFSET + 7, 9,    true,  ERROR_INVALID_RECORD, 0},
    {"B19 last delta",  LAST_DELTA_AT,            4,    false, ERROR_INVALID_RECORD, 0},
    {"B19 control",     FLAGS_AT,                 0x20, false, ERROR_INVALID_RECORD, 0},
    {"H22 transaction", FLAGS_AT,                 0x10, false, ERROR_INVALID_TXN_STATE, -1},
    {"B22 append time", FLAGS_AT,                 0x08, false, ERROR_INVALID_TIMESTAMP, 0},
};
/* clang-format on */

static void B18_B19_B22_damaged_batches_are_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
        const struct bytes batch = one_record(rig);
        buffer[damages[i].at] = damages[i].value;
        if (!damages[i].keep_crc) {
            set_crc(buffer, batch.len);
        }
        const struct produced produced =
            client_produce(client, 9, "orders", (int32_t)(i % 2), 1, batch);
        if (produced.error != damages[i].error) {
            print_error("%s: %d\n", damages[i].what, produced.error);
        }
        assert_int_equal(produced.error, damages[i].error);
        assert_int_equal(produced.base_offset, -1);
        assert_int_equal(produced.log_start_offset, damages[i].log_start);
        assert_true(produced.has_message);
    }
    assert_int_equal(client_put_record(client, "orders", 0, 1), 0); /* Nothing was appended. */
    client_free(client);
    rig_destroy(rig);
}

static void B18_a_partition_carries_exactly_one_batch(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(client_produce(client, 9, "orders", 0, 1, (struct bytes){buffer, 0}).error,
                     ERROR_INVALID_RECORD);
    const struct bytes first = one_record(rig);
    memcpy(buffer + first.len, buffer, first.len);
    assert_int_equal(
        client_produce(client, 9, "orders", 0, 1, (struct bytes){buffer, 2 * first.len}).error,
        ERROR_INVALID_RECORD);
    client_free(client);
    rig_destroy(rig);
}

static void B19_a_batch_over_max_message_bytes_is_too_large(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    rig_find(rig, "orders")->config.max_message_bytes = 1000;
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    const struct bytes batch =
        batch_make(rig, &(struct batch_spec){.value_bytes = 1000}, buffer, sizeof(buffer));
    assert_int_equal(client_produce(client, 9, "orders", 0, 1, batch).error,
                     ERROR_MESSAGE_TOO_LARGE);
    client_free(client);
    rig_destroy(rig);
}

static void B19_records_without_key_are_named_where_topics_are_compacted(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    rig_find(rig, "orders")->config.cleanup_compact = true;
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    struct batch_options options = batch_options_none();
    struct batch_builder builder;
    batch_builder_init(&builder, buffer, sizeof(buffer), &options);
    for (uint32_t i = 0; i < 3; i++) {
        const struct bytes key = {i == 1 ? NULL : (const uint8_t *)"k", i == 1 ? 0 : 1};
        assert_true(batch_builder_add(&builder, rig_wall_ms(rig), key,
                                      (struct bytes){(const uint8_t *)"v", 1}, NULL, 0));
    }
    const struct bytes batch = batch_builder_finish(&builder);
    for (int16_t version = 7; version <= 8; version++) {
        const struct produced produced = client_produce(client, version, "orders", 0, 1, batch);
        assert_int_equal(produced.error, ERROR_INVALID_RECORD);
        assert_int_equal(produced.record_error_count, version >= 8 ? 1 : 0);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B22_timestamps_must_lie_near_now_where_the_topic_says_so(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    const struct bytes late =
        batch_make(rig, &(struct batch_spec){.timestamp_ms = rig_wall_ms(rig) + 7200000}, buffer,
                   sizeof(buffer));
    assert_int_equal(client_produce(client, 9, "orders", 0, 1, late).error,
                     ERROR_INVALID_TIMESTAMP);
    const struct bytes old =
        batch_make(rig, &(struct batch_spec){.timestamp_ms = 1000}, buffer, sizeof(buffer));
    assert_int_equal(client_produce(client, 9, "orders", 0, 1, old).error, ERROR_NONE);
    client_free(client);
    rig_destroy(rig);
}

static void B22_log_append_time_is_told(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    rig_find(rig, "orders")->config.timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    const struct produced produced = client_produce(client, 9, "orders", 0, 1, one_record(rig));
    assert_int_equal(produced.error, ERROR_NONE);
    assert_true(produced.log_append_time_ms >= rig_wall_ms(rig) - 1000);
    client_free(client);
    rig_destroy(rig);
}

static void B22_clients_timestamps_roll_no_segment_that_has_its_own(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    rig_find(rig, "orders")->config.timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    const int64_t far_ms = rig_find(rig, "orders")->config.segment_ms + 1000;
    for (int64_t i = 0; i < 2; i++) {
        const struct bytes batch =
            batch_make(rig, &(struct batch_spec){.timestamp_ms = rig_wall_ms(rig) + i * far_ms},
                       buffer, sizeof(buffer));
        assert_int_equal(client_produce(client, 9, "orders", 0, 1, batch).error, ERROR_NONE);
    }
    /* A read ends with its segment. */
    const struct fetched fetched = client_fetch(
        client,
        &(struct fetch_spec){.version = 12, .topic = "orders", .session_epoch = SESSIONLESS});
    assert_int_equal(fetched.record_count, 2);
    client_free(client);
    rig_destroy(rig);
}

/* ---- B13, B14, B16: where to ---------------------------------------------------------------- */

static void B13_internal_topics_are_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1});
    rig_topic(rig, "__consumer_offsets", 1)->internal = true;
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(client_produce(client, 9, "__consumer_offsets", 0, 1, one_record(rig)).error,
                     ERROR_INVALID_TOPIC_EXCEPTION);
    client_free(client);
    rig_destroy(rig);
}

static void B14_unknown_topics_partitions_and_ids_are_told_apart(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 2);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(client_produce(client, 12, "nowhere", 0, 1, one_record(rig)).error,
                     ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(client_produce(client, 12, "orders", 2, 1, one_record(rig)).error,
                     ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(client_produce(client, 12, "orders", -1, 1, one_record(rig)).error,
                     ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(client_produce(client, 13, "nowhere", 0, 1, one_record(rig)).error,
                     ERROR_UNKNOWN_TOPIC_ID);
    client_free(client);
    rig_destroy(rig);
}

/* A connection knows the topic that it named last, by name and by id, as long as nothing changes.
 */
static void a_topic_is_what_the_newest_snapshot_says(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    rig_topic(rig, "ordert", 1);
    rig_publish(rig);
    static const int16_t versions[] = {3, 12, 13};
    for (uint32_t i = 0; i < ARRAY_SIZE(versions); i++) {
        const int16_t version = versions[i];
        const int16_t unknown =
            version < 13 ? ERROR_UNKNOWN_TOPIC_OR_PARTITION : ERROR_UNKNOWN_TOPIC_ID;
        for (int64_t times = 0; times < 2; times++) { /* By turns. */
            assert_int_equal(
                client_produce(client, version, "orders", 1, 1, one_record(rig)).base_offset,
                times);
            assert_int_equal(
                client_produce(client, version, "ordert", 0, 1, one_record(rig)).base_offset,
                2 * i + times);
        }
        assert_int_equal(client_produce(client, version, "order", 0, 1, one_record(rig)).error,
                         unknown);
        rig_remove(rig, "orders");
        rig_publish(rig);
        assert_int_equal(client_produce(client, version, "orders", 1, 1, one_record(rig)).error,
                         unknown);
        rig_topic(rig, "orders", 2); /* Another of that name: it begins anew. */
        rig_publish(rig);
    }
    client_free(client);
    rig_destroy(rig);
}

/* A connection knows how its last produce began; what differs from that is noticed, in any order.
 */
static void what_a_produce_says_is_not_taken_from_the_one_before(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders-of-this-week", 2);
    struct client *client = client_connect(rig, 0);
    rig_topic(rig, "orders-of-last-week", 1);
    rig_topic(rig, "insiders-of-the-week", 1)->internal = true;
    rig_publish(rig);
    static const char *const ids[] = {"a", "a client of this one", "a client of that one"};
    static const struct {
        const char *topic;
        int32_t partition;
        int16_t acks;
        int16_t error;
    } asked[] = {
        {"orders-of-this-week", 1, 1, ERROR_NONE},
        {"orders-of-this-week", 1, 1, ERROR_NONE}, /* As before. */
        {"orders-of-this-week", 0, 1, ERROR_NONE},
        {"orders-of-this-week", 2, 1, ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {"orders-of-this-week", -1, 1, ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {"orders-of-this-week", 1, -1, ERROR_NONE},
        {"orders-of-this-week", 1, 2, ERROR_INVALID_REQUIRED_ACKS},
        {"orders-of-this-week", 1, -1, ERROR_NONE},
        {"orders-of-last-week", 0, -1, ERROR_NONE},
        {"orders-of-last-week", 1, -1, ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {"insiders-of-the-week", 0, -1, ERROR_INVALID_TOPIC_EXCEPTION},
        {"insiders-of-the-week", 0, -1, ERROR_INVALID_TOPIC_EXCEPTION},
        {"orders-of-any-week", 0, -1, ERROR_UNKNOWN_TOPIC_OR_PARTITION},
    };
    enum { PLACES = 3 };
    int64_t ends[PLACES] = {0}; /* This week's partitions, then last week's. */
    uint64_t random = 1;
    for (uint32_t i = 0; i < 2000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        const uint32_t at = i < ARRAY_SIZE(asked) ? i : (random >> 33) % ARRAY_SIZE(asked);
        const int16_t version = (int16_t)(random >> 50 & 1 ? 12 : 9);
        client->id = ids[(random >> 40) % 16 % ARRAY_SIZE(ids)];
        const struct produced produced = client_produce(
            client, version, asked[at].topic, asked[at].partition, asked[at].acks, one_record(rig));
        assert_int_equal(produced.error, asked[at].error);
        if (produced.error == ERROR_NONE) {
            const bool last_week = asked[at].topic[10] == 'l';
            assert_int_equal(produced.base_offset, ends[last_week ? 2 : asked[at].partition]++);
        }
    }
    client_send_produce(client, 9, asked[0].topic, 1, 0, one_record(rig)); /* acks=0: no answer. */
    assert_int_equal(client_put_record(client, asked[0].topic, 1, 0), ends[1] + 1);
    client_free(client);
    rig_destroy(rig);
}

static void H18_nothing_is_appended_before_the_partition_s_place_is_recorded(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 1);
    struct client *client = client_connect(rig, 0);
    rig_topic(rig, "fresh", 3);
    rig_publish_only(rig);
    for (int32_t i = 0; i < 6; i++) {
        const struct produced produced =
            client_produce(client, 10, "fresh", i % 3, 1, one_record(rig));
        assert_int_equal(produced.error, ERROR_NOT_LEADER_OR_FOLLOWER);
        assert_int_equal(produced.leader_id, RIG_NODE_ID); /* B16 */
        rig_run_ms(rig, 200);                              /* Its files are there by now. */
    }
    assert_ptr_equal(broker_applied_snapshot(rig->cores[0].broker),
                     rig->snapshots[rig->snapshot_count - 1]);
    rig_publish(rig);
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(client_produce(client, 10, "fresh", i, 1, one_record(rig)).base_offset, 0);
    }
    client_free(client);
    rig_destroy(rig);
}

/* ---- B23: idempotence ----------------------------------------------------------------------- */

struct sequenced {
    int16_t epoch;
    int32_t sequence;
    uint32_t records;
    int16_t error;
    int64_t offset;
};

/* clang-format off */
static const struct { const char *what; struct sequenced step; } sequence[] = {
    {"first",                       {0, 0,  2, ERROR_NONE, 0}},
    {"next",                        {0, 2,  1, ERROR_NONE, 2}},
    {"the last again",              {0, 2,  1, ERROR_NONE, 2}},
    {"the one before again",        {0, 0,  2, ERROR_NONE, 0}},
    {"a gap",                       {0, 7,  1, ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1}},
    {"half of one seen",            {0, 1,  1, ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1}},
    {"a new epoch not at 0",        {1, 3,  1, ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1}},
    {"a new epoch at 0",            {1, 0,  1, ERROR_NONE, 3}},
    {"the old epoch",               {0, 3,  1, ERROR_INVALID_PRODUCER_EPOCH, -1}},
};
/* clang-format on */

static void B23_sequences_are_kept(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    for (int32_t partition = 0; partition < 2; partition++) {
        for (size_t i = 0; i < ARRAY_SIZE(sequence); i++) {
            const struct sequenced *step = &sequence[i].step;
            const struct bytes batch =
                batch_make(rig,
                           &(struct batch_spec){.producer_id = 77,
                                                .producer_epoch = step->epoch,
                                                .sequence = step->sequence,
                                                .records = step->records},
                           buffer, sizeof(buffer));
            const struct produced produced =
                client_produce(client, 11, "orders", partition, -1, batch);
            if (produced.error != step->error || produced.base_offset != step->offset) {
                print_error("%s: error %d, offset %ld\n", sequence[i].what, produced.error,
                            produced.base_offset);
            }
            assert_int_equal(produced.error, step->error);
            assert_int_equal(produced.base_offset, step->offset);
        }
    }
    client_free(client);
    rig_destroy(rig);
}

static void B23_a_repeat_tells_the_originals_time(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    const int64_t sent_ms = rig_wall_ms(rig) - 5000;
    const struct bytes batch =
        batch_make(rig, &(struct batch_spec){.producer_id = 77, .timestamp_ms = sent_ms}, buffer,
                   sizeof(buffer));
    assert_int_equal(client_produce(client, 11, "orders", 0, -1, batch).log_append_time_ms, -1);
    assert_int_equal(client_produce(client, 11, "orders", 0, -1, batch).log_append_time_ms,
                     sent_ms);
    client_free(client);
    rig_destroy(rig);
}

/* ---- B7: order ------------------------------------------------------------------------------ */

static void B7_pipelined_batches_keep_their_order_on_every_core(void **state)
{
    (void)state;
    enum { ROUNDS = 60, CORES = 4 };
    struct rig *rig = rig_create(&(struct rig_options){
        .cores = CORES, .seed = 5, .transport = {.delay_in = 3, .buffer_count = 256}});
    rig_topic(rig, "orders", CORES);
    rig_publish(rig);
    struct client *client = client_connect(rig, 2);
    for (int32_t i = 0; i < ROUNDS; i++) {
        for (int32_t partition = 0; partition < CORES; partition++) {
            const struct bytes batch = batch_make(
                rig, &(struct batch_spec){.producer_id = 9, .sequence = i}, buffer, sizeof(buffer));
            client_send_produce(client, 9, "orders", partition, -1, batch);
        }
    }
    for (int32_t i = 0; i < ROUNDS; i++) {
        for (int32_t partition = 0; partition < CORES; partition++) {
            const struct produced produced = client_receive_produced(client, 9);
            assert_int_equal(produced.error, ERROR_NONE);
            assert_int_equal(produced.base_offset, i);
            assert_int_equal(client->received, i * CORES + partition + 1);
        }
    }
    client_free(client);
    rig_destroy(rig);
}

static void four_of_a_connection(struct broker_limits *limits)
{
    limits->requests_of_connection = 4;
}

static void B7_no_more_alike_produces_start_than_others_may(void **state)
{
    (void)state;
    enum { COUNT = 10 };
    struct rig *rig =
        rig_create(&(struct rig_options){.cores = 1, .seed = 1, .limit = four_of_a_connection});
    rig_topic(rig, "orders", 1);
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    const struct broker_counters *counters = &rig->cores[0].statistics.counters;
    uint64_t most = 0;
    assert_int_equal(client_put_record(client, "orders", 0, 1), 0); /* Those behind begin so. */
    sim_machine_set_flush(rig->machine, (struct sim_range){5000000, 5000000});
    for (int32_t i = 0; i < COUNT; i++) {
        client_send_produce(client, 9, "orders", 0, -1, one_record(rig));
    }
    for (uint32_t turn = 0; turn < 100; turn++) {
        rig_turn(rig);
        most = max_u64(most, counters->requests_now);
    }
    assert_int_equal(most, 4);
    for (int32_t i = 0; i < COUNT; i++) {
        assert_int_equal(client_receive_produced(client, 9).base_offset, 1 + i);
    }
    assert_int_equal(counters->requests, 1 + COUNT);
    client_free(client);
    rig_destroy(rig);
}

static void a_request_names_many_partitions_of_many_topics(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.cores = 3, .seed = 1});
    rig_topic(rig, "a", 20);
    rig_topic(rig, "b", 20);
    rig_publish(rig);
    struct client *client = client_connect(rig, 1);
    const struct bytes batch = one_record(rig);
    struct produce_request_partition partitions[21];
    struct produce_request_topic topics[3];
    static const char *const names[] = {"a", "empty", "b"};
    struct produce_request request = produce_request_default;
    for (int32_t i = 0; i < 21; i++) {
        partitions[i] = (struct produce_request_partition){.index = i, .records = chain_of(&batch)};
    }
    for (int32_t t = 0; t < 3; t++) {
        topics[t] = produce_request_topic_default;
        topics[t].name = text_chain(names[t]);
        topics[t].partition_data.items = partitions;
        topics[t].partition_data.count = t == 1 ? 0 : 21;
    }
    request.acks = -1;
    request.timeout_ms = 1000;
    request.topic_data.items = topics;
    request.topic_data.count = 3;
    struct produce_response response;
    struct produce_response_topic topic;
    struct produce_response_partition partition;
    CALL(client, PRODUCE, produce, 9, &request, &response);
    for (int32_t t = 0; t < 3; t++) {
        assert_true(produce_response_topic_array_next(&response.responses, &topic));
        assert_true(chain_equals(topic.name, bytes_of_string(names[t])));
        assert_int_equal(topic.partition_responses.count, topics[t].partition_data.count);
        for (int32_t i = 0; i < topics[t].partition_data.count; i++) {
            assert_true(
                produce_response_partition_array_next(&topic.partition_responses, &partition));
            assert_int_equal(partition.index, i);
            assert_int_equal(partition.error_code,
                             i == 20 ? ERROR_UNKNOWN_TOPIC_OR_PARTITION : ERROR_NONE);
        }
    }
    assert_false(produce_response_topic_array_next(&response.responses, &topic));
    client_free(client);
    rig_destroy(rig);
}

static void B17_a_disk_that_hangs_is_answered_as_timed_out(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    (void)client_put_record(client, "orders", 0, 1);
    sim_machine_set_flush(rig->machine,
                          (struct sim_range){UINT64_C(20000000000), UINT64_C(20000000000)});
    client_send_produce(client, 9, "orders", 0, -1, one_record(rig));
    assert_int_equal(client_receive_produced(client, 9).error, ERROR_REQUEST_TIMED_OUT);
    sim_machine_set_flush(rig->machine, (struct sim_range){1000, 1000});
    rig_run_ms(rig, 25000);
    assert_int_equal(client_put_record(client, "orders", 0, 2), 2); /* It stayed appended. */
    client_free(client);
    rig_destroy(rig);
}

static void B17_each_produce_has_its_own_time(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    (void)client_put_record(client, "orders", 0, 1);
    sim_machine_set_flush(rig->machine,
                          (struct sim_range){UINT64_C(20000000000), UINT64_C(20000000000)});
    client_send_produce(client, 9, "orders", 0, -1, one_record(rig));
    rig_run_ms(rig, 3000);
    client_send_produce(client, 9, "orders", 0, -1, one_record(rig));
    assert_int_equal(client_receive_produced(client, 9).error, ERROR_REQUEST_TIMED_OUT);
    const uint64_t first_ns = sim_machine_now_ns(rig->machine);
    assert_int_equal(client_receive_produced(client, 9).error, ERROR_REQUEST_TIMED_OUT);
    assert_in_range(sim_machine_now_ns(rig->machine) - first_ns, UINT64_C(2800000000),
                    UINT64_C(3200000000));
    sim_machine_set_flush(rig->machine, (struct sim_range){1000, 1000});
    rig_run_ms(rig, 25000);
    assert_int_equal(client_put_record(client, "orders", 0, 2), 3); /* They stayed appended. */
    client_free(client);
    rig_destroy(rig);
}

static void a_client_that_leaves_in_the_middle_loses_nothing_for_others(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *stays = client_connect(rig, 0);
    for (uint32_t round = 0; round < 30; round++) {
        struct client *leaves = client_connect(rig, round % 2);
        for (uint32_t i = 0; i < 5; i++) {
            client_send_produce(leaves, 9, "orders", (int32_t)(i % 2), -1, one_record(rig));
        }
        for (uint32_t turn = 0; turn < round; turn++) {
            rig_turn(rig);
        }
        client_free(leaves);
    }
    assert_true(client_put_record(stays, "orders", 0, 1) >= 0);
    client_free(stays);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_appends_and_answers),
        cmocka_unit_test(B17_acks_are_minus_one_zero_or_one),
        cmocka_unit_test(B17_acks_0_gets_no_answer),
        cmocka_unit_test(B17_acks_0_that_fails_closes_the_connection),
        cmocka_unit_test(B17_what_was_asked_before_a_failed_acks_0_is_answered),
        cmocka_unit_test(B17_a_disk_that_hangs_is_answered_as_timed_out),
        cmocka_unit_test(B17_each_produce_has_its_own_time),
        cmocka_unit_test(B18_B19_B22_damaged_batches_are_refused),
        cmocka_unit_test(B18_a_partition_carries_exactly_one_batch),
        cmocka_unit_test(B19_a_batch_over_max_message_bytes_is_too_large),
        cmocka_unit_test(B19_records_without_key_are_named_where_topics_are_compacted),
        cmocka_unit_test(B22_timestamps_must_lie_near_now_where_the_topic_says_so),
        cmocka_unit_test(B22_log_append_time_is_told),
        cmocka_unit_test(B22_clients_timestamps_roll_no_segment_that_has_its_own),
        cmocka_unit_test(B13_internal_topics_are_refused),
        cmocka_unit_test(B14_unknown_topics_partitions_and_ids_are_told_apart),
        cmocka_unit_test(a_topic_is_what_the_newest_snapshot_says),
        cmocka_unit_test(what_a_produce_says_is_not_taken_from_the_one_before),
        cmocka_unit_test(H18_nothing_is_appended_before_the_partition_s_place_is_recorded),
        cmocka_unit_test(B23_sequences_are_kept),
        cmocka_unit_test(B23_a_repeat_tells_the_originals_time),
        cmocka_unit_test(B7_pipelined_batches_keep_their_order_on_every_core),
        cmocka_unit_test(B7_no_more_alike_produces_start_than_others_may),
        cmocka_unit_test(a_request_names_many_partitions_of_many_topics),
        cmocka_unit_test(a_client_that_leaves_in_the_middle_loses_nothing_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
