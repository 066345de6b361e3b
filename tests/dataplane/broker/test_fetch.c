#include "tests/dataplane/broker/rig.h"

static uint8_t buffer[3 << 20];

static void put_batch(struct client *client, const char *topic, int32_t partition, uint32_t bytes)
{
    const struct bytes batch =
        batch_make(client->rig, &(struct batch_spec){.value_bytes = bytes}, buffer, sizeof(buffer));
    assert_int_equal(client_produce(client, 9, topic, partition, 1, batch).error, ERROR_NONE);
}

/* ---- B25: long poll ------------------------------------------------------------------------- */

static void B25_a_fetch_waits_for_the_first_byte(void **state)
{
    (void)state;
    for (uint32_t core = 0; core < 2; core++) {
        struct rig *rig = rig_with_topic(2, "orders", 2);
        struct client *consumer = client_connect(rig, core);
        struct client *producer = client_connect(rig, 1);
        for (int32_t i = 0; i < 10; i++) {
            client_send_fetch(consumer, &(struct fetch_spec){.version = 12,
                                                             .topic = "orders",
                                                             .partition = i % 2,
                                                             .offset = i / 2,
                                                             .max_wait_ms = 100000,
                                                             .session_epoch = SESSIONLESS});
            client_expect_silence(consumer, 5);
            (void)client_put_record(producer, "orders", i % 2, i);
            const uint64_t since_ms = rig_now_ms(rig);
            const struct fetched fetched = client_receive_fetched(consumer, 12);
            assert_int_equal(fetched.record_count, 1);
            assert_int_equal(fetched.first_offset, i / 2);
            assert_true(rig_now_ms(rig) - since_ms < 5);
        }
        client_free(consumer);
        client_free(producer);
        rig_destroy(rig);
    }
}

static void B25_the_wait_ends_after_max_wait(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    for (uint32_t core = 0; core < 2; core++) {
        struct client *client = client_connect(rig, core);
        const uint64_t since_ms = rig_now_ms(rig);
        const struct fetched fetched = client_fetch(
            client, &(struct fetch_spec){.version = 12, .topic = "orders", .max_wait_ms = 40});
        assert_int_equal(fetched.record_count, 0);
        assert_int_equal(fetched.partitions, 1);
        assert_true(rig_now_ms(rig) - since_ms >= 40);
        assert_true(rig_now_ms(rig) - since_ms < 60);
        client_free(client);
    }
    rig_destroy(rig);
}

static void B25_min_bytes_are_gathered_over_partitions_and_cores(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(3, "orders", 3);
    struct client *consumer = client_connect(rig, 0);
    struct client *producer = client_connect(rig, 1);
    struct fetch_request_partition partitions[3];
    struct fetch_request_topic topic = fetch_request_topic_default;
    struct fetch_request request = fetch_request_default;
    for (int32_t i = 0; i < 3; i++) {
        partitions[i] = fetch_request_partition_default;
        partitions[i].partition = i;
        partitions[i].partition_max_bytes = 1 << 20;
    }
    topic.topic = text_chain("orders");
    topic.partitions.items = partitions;
    topic.partitions.count = 3;
    request.max_wait_ms = 100000;
    request.min_bytes = 6000;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.rack_id = text_chain("");
    SEND(consumer, FETCH, fetch, 11, &request);
    for (int32_t i = 0; i < 5; i++) {
        put_batch(producer, "orders", i % 3, 1000);
        client_expect_silence(consumer, 3);
    }
    put_batch(producer, "orders", 2, 1000);
    const struct fetched fetched = client_receive_fetched(consumer, 11);
    assert_int_equal(fetched.partitions, 3);
    client_free(consumer);
    client_free(producer);
    rig_destroy(rig);
}

static void B25_an_error_ends_the_wait_at_once(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    /* clang-format off */
    static const struct {
        const char *topic;
        int16_t version;
        int32_t partition;
        int64_t offset;
        int32_t epoch;
        int16_t error;
    } cases[] = {
        {"nowhere", 12, 0,  0,  0, ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {"orders",  12, 2,  0,  0, ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {"orders",  12, -1, 0,  0, ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {"nowhere", 13, 0,  0,  0, ERROR_UNKNOWN_TOPIC_ID},
        {"orders",  12, 0,  5,  0, ERROR_OFFSET_OUT_OF_RANGE},
        {"orders",  12, 1,  -1, 0, ERROR_OFFSET_OUT_OF_RANGE},
        {"orders",  12, 0,  0,  4, ERROR_FENCED_LEADER_EPOCH},
        {"orders",  12, 1,  0,  6, ERROR_UNKNOWN_LEADER_EPOCH},
    };
    /* clang-format on */
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct fetch_spec spec = {.version = cases[i].version,
                                        .topic = cases[i].topic,
                                        .partition = cases[i].partition,
                                        .offset = cases[i].offset,
                                        .current_leader_epoch = cases[i].epoch,
                                        .max_wait_ms = 1000000,
                                        .session_epoch = SESSIONLESS};
        const struct fetched fetched = client_fetch(client, &spec);
        assert_int_equal(fetched.partition_error, cases[i].error);
        assert_int_equal(fetched.high_watermark, -1);
        assert_int_equal(fetched.record_count, 0);
        /* Kafka answers what does not exist with an empty list, other errors with null. */
        assert_int_equal(fetched.aborted, i < 4 ? 0 : -1);
    }
    assert_true(rig_now_ms(rig) < 2000);
    client_free(client);
    rig_destroy(rig);
}

static void B25_a_partition_that_does_not_exist_does_not_end_the_wait_for_others(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 1);
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 4; version <= 12; version += 8) {
        struct fetch_request_partition partitions[2];
        struct fetch_request_topic topic = fetch_request_topic_default;
        struct fetch_request request = fetch_request_default;
        const uint64_t since_ms = rig_now_ms(rig);
        for (int32_t i = 0; i < 2; i++) {
            partitions[i] = fetch_request_partition_default;
            partitions[i].partition = i;
            partitions[i].partition_max_bytes = 1000;
        }
        topic.topic = text_chain("orders");
        topic.partitions.items = partitions;
        topic.partitions.count = 2;
        request.max_wait_ms = 40;
        request.min_bytes = 1;
        request.session_epoch = SESSIONLESS;
        request.topics.items = &topic;
        request.topics.count = 1;
        request.rack_id = text_chain("");
        SEND(client, FETCH, fetch, version, &request);
        const struct fetched fetched = client_receive_fetched(client, version);
        assert_int_equal(fetched.partitions, 2);
        assert_true(rig_now_ms(rig) - since_ms >= 40);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B25_a_parked_fetch_hears_of_deletion_and_new_epochs(void **state)
{
    (void)state;
    for (uint32_t core = 0; core < 2; core++) {
        struct rig *rig = rig_with_topic(2, "orders", 2);
        struct client *client = client_connect(rig, core);
        client_send_fetch(client, &(struct fetch_spec){.version = 12,
                                                       .topic = "orders",
                                                       .current_leader_epoch = 5,
                                                       .max_wait_ms = 100000});
        client_expect_silence(client, 3);
        for (uint32_t i = 0; i < 2; i++) {
            rig_find(rig, "orders")->partitions[i].leader_epoch = 6;
        }
        rig_publish(rig);
        assert_int_equal(client_receive_fetched(client, 12).partition_error,
                         ERROR_FENCED_LEADER_EPOCH);
        client_send_fetch(client, &(struct fetch_spec){.version = 12,
                                                       .topic = "orders",
                                                       .max_wait_ms = 100000,
                                                       .session_epoch = SESSIONLESS});
        client_expect_silence(client, 3);
        rig_remove(rig, "orders");
        rig_publish(rig);
        assert_int_equal(client_receive_fetched(client, 12).partition_error,
                         ERROR_NOT_LEADER_OR_FOLLOWER);
        client_free(client);
        rig_destroy(rig);
    }
}

static void a_parked_fetch_ends_with_its_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(3, "orders", 3);
    for (uint32_t i = 0; i < 30; i++) {
        struct client *client = client_connect(rig, i % 3);
        client_send_fetch(client, &(struct fetch_spec){.version = 12,
                                                       .topic = "orders",
                                                       .partition = (int32_t)(i / 3 % 3),
                                                       .max_wait_ms = 100000});
        for (uint32_t turn = 0; turn < i; turn++) {
            rig_turn(rig);
        }
        client_free(client);
    }
    rig_destroy(rig); /* Nothing leaked. */
}

/* ---- B26, B27: sizes and offsets ------------------------------------------------------------ */

static void B26_at_least_one_batch_is_given_whatever_the_limits(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    for (int32_t partition = 0; partition < 2; partition++) {
        put_batch(client, "orders", partition, 5000);
        put_batch(client, "orders", partition, 5000);
        const struct fetched fetched =
            client_fetch(client, &(struct fetch_spec){.version = 12,
                                                      .topic = "orders",
                                                      .partition = partition,
                                                      .max_bytes = 1,
                                                      .partition_max_bytes = 1,
                                                      .session_epoch = SESSIONLESS});
        assert_int_equal(fetched.record_count, 1);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B26_the_batch_above_all_limits_leaves_nothing_for_others(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    put_batch(client, "orders", 0, 20000);
    put_batch(client, "orders", 1, 100);
    static const int32_t limits[] = {0, 10};
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        struct fetch_request_partition partitions[2];
        struct fetch_request_topic topic = fetch_request_topic_default;
        struct fetch_request request = fetch_request_default;
        struct fetch_response response;
        struct fetch_response_topic told;
        struct fetch_response_partition answer;
        for (int32_t partition = 0; partition < 2; partition++) {
            partitions[partition] = fetch_request_partition_default;
            partitions[partition].partition = partition;
            partitions[partition].partition_max_bytes = partition == 0 ? limits[i] : 1000;
        }
        topic.topic = text_chain("orders");
        topic.partitions.items = partitions;
        topic.partitions.count = 2;
        request.min_bytes = 1;
        request.max_bytes = 1000;
        request.topics.items = &topic;
        request.topics.count = 1;
        request.rack_id = text_chain("");
        CALL(client, FETCH, fetch, 11, &request, &response);
        assert_true(fetch_response_topic_array_next(&response.responses, &told));
        assert_true(fetch_response_partition_array_next(&told.partitions, &answer));
        assert_true(answer.records.len > 20000);
        assert_true(fetch_response_partition_array_next(&told.partitions, &answer));
        assert_int_equal(answer.records.len, 0);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B26_bytes_are_dealt_out_in_request_order(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(3, "orders", 3);
    struct client *client = client_connect(rig, 1);
    for (int32_t partition = 0; partition < 3; partition++) {
        for (uint32_t i = 0; i < 10; i++) {
            put_batch(client, "orders", partition, 1000);
        }
    }
    for (int32_t first = 0; first < 3; first++) {
        struct fetch_request_partition partitions[3];
        struct fetch_request_topic topic = fetch_request_topic_default;
        struct fetch_request request = fetch_request_default;
        struct fetch_response response;
        struct fetch_response_partition answers[3];
        for (int32_t i = 0; i < 3; i++) {
            partitions[i] = fetch_request_partition_default;
            partitions[i].partition = (first + i) % 3;
            partitions[i].partition_max_bytes = 4000;
        }
        topic.topic = text_chain("orders");
        topic.partitions.items = partitions;
        topic.partitions.count = 3;
        request.min_bytes = 1;
        request.max_bytes = 6000;
        request.topics.items = &topic;
        request.topics.count = 1;
        request.rack_id = text_chain("");
        CALL(client, FETCH, fetch, 11, &request, &response);
        struct fetch_response_topic told;
        assert_true(fetch_response_topic_array_next(&response.responses, &told));
        uint32_t total = 0;
        for (int32_t i = 0; i < 3; i++) {
            assert_true(fetch_response_partition_array_next(&told.partitions, &answers[i]));
            assert_int_equal(answers[i].partition_index, (first + i) % 3);
            total += answers[i].records.len;
        }
        assert_true(answers[0].records.len > 3000 && answers[0].records.len <= 4000);
        assert_true(answers[1].records.len > 1000 && answers[1].records.len <= 3000);
        assert_int_equal(answers[2].records.len, 0);
        assert_true(total <= 6000);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B26_the_brokers_own_limit_holds_too(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1});
    rig->next.settings.fetch_bytes_max = 3000;
    rig_topic(rig, "orders", 1);
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    for (uint32_t i = 0; i < 10; i++) {
        put_batch(client, "orders", 0, 1000);
    }
    const struct fetched fetched = client_fetch(
        client, &(struct fetch_spec){.version = 4, .topic = "orders", .min_bytes = 1000000});
    assert_true(fetched.records_bytes <= 3000);
    assert_true(fetched.record_count >= 2);
    client_free(client);
    rig_destroy(rig);
}

static void B27_data_starts_at_the_batch_that_holds_the_offset(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    for (uint32_t i = 0; i < 4; i++) {
        const struct bytes batch =
            batch_make(rig, &(struct batch_spec){.records = 10}, buffer, sizeof(buffer));
        assert_int_equal(client_produce(client, 9, "orders", 0, 1, batch).error, ERROR_NONE);
    }
    const struct fetched inside =
        client_fetch(client, &(struct fetch_spec){.version = 4, .topic = "orders", .offset = 25});
    assert_int_equal(inside.first_offset, 20);
    assert_int_equal(inside.next_offset, 40);
    const struct fetched at_end =
        client_fetch(client, &(struct fetch_spec){.version = 4, .topic = "orders", .offset = 40});
    assert_int_equal(at_end.partition_error, ERROR_NONE);
    assert_int_equal(at_end.record_count, 0);
    const struct fetched beyond =
        client_fetch(client, &(struct fetch_spec){.version = 4, .topic = "orders", .offset = 41});
    assert_int_equal(beyond.partition_error, ERROR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(beyond.high_watermark, -1);
    client_free(client);
    rig_destroy(rig);
}

static void what_is_lent_to_a_slow_reader_stays_as_it_was(void **state)
{
    (void)state;
    struct rig *rig =
        rig_create(&(struct rig_options){.cores = 2, .seed = 9, .arena_bytes = 4 << 20});
    rig_topic(rig, "orders", 2);
    rig_publish(rig);
    struct client *slow = client_connect(rig, 0);
    struct client *quick = client_connect(rig, 1);
    for (int32_t partition = 0; partition < 2; partition++) {
        for (uint32_t i = 0; i < 20; i++) {
            put_batch(quick, "orders", partition, 10000);
        }
    }
    sim_peer_stall(slow->peer, true);
    client_send_fetch(
        slow, &(struct fetch_spec){
                  .version = 4, .topic = "orders", .partition = 1, .partition_max_bytes = 150000});
    rig_run_ms(rig, 5);
    for (uint32_t i = 0; i < 600; i++) { /* More than the arena holds. */
        put_batch(quick, "orders", 1, 10000);
    }
    sim_peer_stall(slow->peer, false);
    const struct fetched fetched = client_receive_fetched(slow, 4);
    assert_int_equal(fetched.first_offset, 0);
    assert_int_equal(fetched.next_offset, fetched.record_count);
    assert_true(fetched.record_count >= 13);
    client_free(slow);
    client_free(quick);
    rig_destroy(rig);
}

static void old_data_comes_from_the_disk(void **state)
{
    (void)state;
    struct rig *rig =
        rig_create(&(struct rig_options){.cores = 2, .seed = 9, .arena_bytes = 4 << 20});
    rig_topic(rig, "orders", 2);
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    enum { BATCHES = 800 };
    for (uint32_t i = 0; i < BATCHES; i++) {
        put_batch(client, "orders", (int32_t)(i % 2), 10000);
    }
    for (int32_t partition = 0; partition < 2; partition++) {
        int64_t offset = 0;
        while (offset < BATCHES / 2) {
            const struct fetched fetched =
                client_fetch(client, &(struct fetch_spec){.version = 4,
                                                          .topic = "orders",
                                                          .partition = partition,
                                                          .offset = offset,
                                                          .max_wait_ms = 1000,
                                                          .partition_max_bytes = 100000});
            assert_int_equal(fetched.partition_error, ERROR_NONE);
            assert_true(fetched.record_count > 0);
            assert_int_equal(fetched.first_offset, offset);
            offset = fetched.next_offset;
        }
    }
    client_free(client);
    rig_destroy(rig);
}

/* ---- Batches larger than memory ------------------------------------------------------------- */

static struct rig *rig_of_large_batches(void)
{
    struct rig *rig = rig_create(&(struct rig_options){
        .cores = 2, .seed = 4, .arena_bytes = 2 << 20, .request_bytes_max = 3 << 20});
    rig_topic(rig, "orders", 2)->config.max_message_bytes = 3 << 20;
    rig_publish(rig);
    return rig;
}

/* The same bytes at any time. */
static struct bytes batch_again(const struct rig *rig, uint32_t value_bytes)
{
    return batch_make(
        rig, &(struct batch_spec){.value_bytes = value_bytes, .timestamp_ms = 1700000000000},
        buffer, sizeof(buffer));
}

/* Offset, epoch and what stands before the CRC are the broker's. */
enum { OWN_BYTES = 17 };

static void expect_whole(struct client *client, int64_t offset, struct bytes batch)
{
    struct fetch_response response;
    struct fetch_response_topic topic;
    struct fetch_response_partition partition;
    RECEIVE(client, FETCH, fetch, 12, &response);
    assert_true(fetch_response_topic_array_next(&response.responses, &topic));
    assert_true(fetch_response_partition_array_next(&topic.partitions, &partition));
    assert_int_equal(partition.error_code, ERROR_NONE);
    assert_int_equal(partition.records.len, batch.len);
    uint8_t *flat = test_malloc(batch.len);
    chain_copy(partition.records, flat, batch.len);
    assert_int_equal(load_be64(flat), offset);
    assert_memory_equal(flat + OWN_BYTES, batch.ptr + OWN_BYTES, batch.len - OWN_BYTES);
    test_free(flat);
}

static void B26_a_batch_larger_than_memory_arrives_whole(void **state)
{
    (void)state;
    struct rig *rig = rig_of_large_batches();
    const uint32_t values[] = {600000, 1100000, 2500000, 100};
    static const int32_t limits[] = {1, 100000, 1 << 20, 3 << 20, 50 << 20};
    struct client *client = client_connect(rig, 0);
    for (int32_t partition = 0; partition < 2; partition++) { /* Ours, and another core's. */
        for (uint32_t i = 0; i < ARRAY_SIZE(values); i++) {
            const struct bytes batch = batch_again(rig, values[i]);
            assert_int_equal(client_produce(client, 9, "orders", partition, 1, batch).error,
                             ERROR_NONE);
        }
        for (uint32_t limit = 0; limit < ARRAY_SIZE(limits); limit++) {
            for (uint32_t i = 0; i + 1 < ARRAY_SIZE(values); i++) {
                const struct fetch_spec spec = {.version = 12,
                                                .topic = "orders",
                                                .partition = partition,
                                                .offset = i,
                                                .partition_max_bytes = limits[limit],
                                                .session_epoch = SESSIONLESS};
                client_send_fetch(client, &spec);
                client_send_fetch(client, &spec); /* Waits for all of the first. */
                const struct bytes batch = batch_again(rig, values[i]);
                expect_whole(client, i, batch);
                expect_whole(client, i, batch);
            }
        }
    }
    client_free(client);
    rig_destroy(rig);
}

static void B26_a_batch_larger_than_memory_may_be_left_in_the_middle(void **state)
{
    (void)state;
    struct rig *rig = rig_of_large_batches();
    for (int32_t partition = 0; partition < 2; partition++) {
        for (uint64_t ms = 1; ms < 40; ms += 3) {
            struct client *client = client_connect(rig, 0);
            put_batch(client, "orders", partition, 2000000);
            client_send_fetch(client, &(struct fetch_spec){.version = 12,
                                                           .topic = "orders",
                                                           .partition = partition,
                                                           .session_epoch = SESSIONLESS});
            rig_run_ms(rig, ms);
            client_free(client);
        }
    }
    rig_destroy(rig);
}

static void an_answer_whose_rest_is_gone_ends_in_a_close(void **state)
{
    (void)state;
    for (int32_t partition = 0; partition < 2; partition++) {
        struct rig *rig = rig_of_large_batches();
        struct client *client = client_connect(rig, 0);
        put_batch(client, "orders", partition, 2000000);
        sim_peer_stall(client->peer, true);
        client_send_fetch(client, &(struct fetch_spec){.version = 12,
                                                       .topic = "orders",
                                                       .partition = partition,
                                                       .session_epoch = SESSIONLESS});
        rig_run_ms(rig, 10);
        rig_remove(rig, "orders");
        rig_publish_only(rig);
        rig_run_ms(rig, 10);
        sim_peer_stall(client->peer, false);
        client_expect_closed(client);
        client_free(client);
        rig_destroy(rig);
    }
}

static void H18_nothing_is_fetched_before_the_partition_s_place_is_recorded(void **state)
{
    (void)state;
    struct rig *rig = rig_with_unrecorded_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    for (int32_t i = 0; i < 4; i++) {
        const struct fetched fetched = client_fetch(
            client, &(struct fetch_spec){.version = 16, .topic = "orders", .partition = i % 2});
        assert_int_equal(fetched.partition_error,
                         i < 2 ? ERROR_NOT_LEADER_OR_FOLLOWER : ERROR_NONE);
        if (i == 1) {
            rig_publish(rig);
        }
    }
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(B25_a_fetch_waits_for_the_first_byte),
        cmocka_unit_test(B25_the_wait_ends_after_max_wait),
        cmocka_unit_test(B25_min_bytes_are_gathered_over_partitions_and_cores),
        cmocka_unit_test(B25_an_error_ends_the_wait_at_once),
        cmocka_unit_test(B25_a_partition_that_does_not_exist_does_not_end_the_wait_for_others),
        cmocka_unit_test(B25_a_parked_fetch_hears_of_deletion_and_new_epochs),
        cmocka_unit_test(a_parked_fetch_ends_with_its_connection),
        cmocka_unit_test(B26_at_least_one_batch_is_given_whatever_the_limits),
        cmocka_unit_test(B26_the_batch_above_all_limits_leaves_nothing_for_others),
        cmocka_unit_test(B26_bytes_are_dealt_out_in_request_order),
        cmocka_unit_test(B26_the_brokers_own_limit_holds_too),
        cmocka_unit_test(B27_data_starts_at_the_batch_that_holds_the_offset),
        cmocka_unit_test(what_is_lent_to_a_slow_reader_stays_as_it_was),
        cmocka_unit_test(old_data_comes_from_the_disk),
        cmocka_unit_test(B26_a_batch_larger_than_memory_arrives_whole),
        cmocka_unit_test(B26_a_batch_larger_than_memory_may_be_left_in_the_middle),
        cmocka_unit_test(an_answer_whose_rest_is_gone_ends_in_a_close),
        cmocka_unit_test(H18_nothing_is_fetched_before_the_partition_s_place_is_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
