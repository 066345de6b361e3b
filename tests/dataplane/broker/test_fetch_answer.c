#include "storage/log/producers.h"
#include "tests/dataplane/broker/rig.h"

static void every_version_reads_what_was_written(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    for (int64_t i = 0; i < 5; i++) {
        assert_int_equal(client_put_record(client, "orders", 1, i), i);
    }
    for (int16_t version = 4; version <= 18; version++) {
        const struct fetched fetched =
            client_fetch(client, &(struct fetch_spec){.version = version,
                                                      .topic = "orders",
                                                      .partition = 1,
                                                      .offset = 2,
                                                      .session_epoch = SESSIONLESS});
        assert_int_equal(fetched.error, ERROR_NONE);
        assert_int_equal(fetched.session_id, 0);
        assert_int_equal(fetched.partition_error, ERROR_NONE);
        assert_int_equal(fetched.first_offset, 2);
        assert_int_equal(fetched.next_offset, 5);
        assert_int_equal(fetched.high_watermark, 5);
        assert_int_equal(fetched.last_stable, 5);
        assert_int_equal(fetched.log_start, version >= 5 ? 0 : -1);
        assert_int_equal(fetched.preferred_replica, -1); /* B35 */
        assert_int_equal(fetched.diverging_epoch, -1);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B29_committed_reads_get_an_empty_list_of_aborted_transactions(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    (void)client_put_record(client, "orders", 0, 1);
    for (int8_t isolation = 0; isolation <= 1; isolation++) {
        const struct fetched fetched =
            client_fetch(client, &(struct fetch_spec){.version = 11,
                                                      .topic = "orders",
                                                      .isolation = isolation,
                                                      .session_epoch = SESSIONLESS});
        assert_int_equal(fetched.aborted, isolation == 1 ? 0 : -1);
        assert_int_equal(fetched.record_count, 1);
        assert_int_equal(fetched.last_stable, 1);
    }
    client_free(client);
    rig_destroy(rig);
}

/* A record of the transaction of producer 5, or its end. */
static void put_in_txn(struct rig *rig, bool marker, int32_t sequence)
{
    uint8_t buffer[256];
    struct batch_options options = batch_options_none();
    struct batch_builder builder;
    options.attributes = BATCH_TRANSACTIONAL;
    options.producer_id = 5;
    options.producer_epoch = 0;
    options.base_sequence = sequence;
    batch_builder_init(&builder, buffer, sizeof(buffer), &options);
    assert_true(batch_builder_add(&builder, rig_wall_ms(rig), (struct bytes){0}, (struct bytes){0},
                                  NULL, 0));
    struct bytes batch = batch_builder_finish(&builder);
    const struct marker abort = {.commit = false};
    if (marker) {
        batch = producers_marker_batch(buffer, 5, 0, &abort, rig_wall_ms(rig));
    }
    struct slow_header header;
    memset(&header, 0, sizeof(header));
    header.kind = SLOW_APPEND;
    header.topic_id = rig_find(rig, "orders")->id;
    header.leader_epoch = -1;
    header.request_number = 1;
    rig_control_answer(rig, 0, &header, batch);
    uint8_t payload[64];
    uint32_t len;
    do {
        rig_control_wait(rig, 0, &header, payload, sizeof(payload), &len);
    } while (header.kind != SLOW_APPENDED);
    assert_int_equal(header.error_code, ERROR_NONE);
}

static void B29_aborted_transactions_are_told_where_their_records_are(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    put_in_txn(rig, false, 0); /* 0 */
    (void)client_put_record(client, "orders", 0, 1);
    put_in_txn(rig, false, 1); /* 2 */
    struct fetch_spec spec = {
        .version = 11, .topic = "orders", .isolation = 1, .session_epoch = SESSIONLESS};
    struct fetched fetched = client_fetch(client, &spec);
    assert_int_equal(fetched.last_stable, 0);
    assert_int_equal(fetched.high_watermark, 3);
    assert_int_equal(fetched.record_count, 0);
    put_in_txn(rig, true, -1); /* 3 */
    static const struct {
        int64_t offset;
        int32_t aborted;
    } cases[] = {{0, 1}, {1, 1}, {3, 1}, {4, 0}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        (void)client_put_record(client, "orders", 0, 1);
        spec.offset = cases[i].offset;
        fetched = client_fetch(client, &spec);
        assert_int_equal(fetched.last_stable, 5 + (int64_t)i);
        assert_int_equal(fetched.aborted, cases[i].aborted);
        spec.isolation = 0;
        assert_int_equal(client_fetch(client, &spec).aborted, -1);
        spec.isolation = 1;
    }
    client_free(client);
    rig_destroy(rig);
}

static void B30_another_history_is_told_as_diverging(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    for (int64_t i = 0; i < 3; i++) {
        (void)client_put_record(client, "orders", 1, i);
    }
    rig_find(rig, "orders")->partitions[1].leader_epoch = 8;
    rig_publish(rig);
    (void)client_put_record(client, "orders", 1, 3);
    struct fetch_spec spec = {.version = 12,
                              .topic = "orders",
                              .partition = 1,
                              .offset = 4,
                              .last_fetched_epoch = 5,
                              .max_wait_ms = 100000,
                              .session_epoch = SESSIONLESS};
    struct fetched fetched = client_fetch(client, &spec);
    assert_int_equal(fetched.partition_error, ERROR_NONE);
    assert_int_equal(fetched.diverging_epoch, 5);
    assert_int_equal(fetched.diverging_end, 3);
    assert_int_equal(fetched.record_count, 0);
    spec.offset = 3;
    fetched = client_fetch(client, &spec);
    assert_int_equal(fetched.diverging_epoch, -1);
    assert_int_equal(fetched.record_count, 1);
    spec.last_fetched_epoch = 7; /* Never was. */
    fetched = client_fetch(client, &spec);
    assert_int_equal(fetched.diverging_epoch, 5);
    assert_int_equal(fetched.diverging_end, 3);
    client_free(client);
    rig_destroy(rig);
}

static void B16_a_fenced_epoch_names_the_leader(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 15; version <= 16; version++) {
        const struct fetched fetched =
            client_fetch(client, &(struct fetch_spec){.version = version,
                                                      .topic = "orders",
                                                      .current_leader_epoch = 3,
                                                      .session_epoch = SESSIONLESS});
        assert_int_equal(fetched.partition_error, ERROR_FENCED_LEADER_EPOCH);
        assert_int_equal(fetched.leader_id, version >= 16 ? RIG_NODE_ID : -1);
    }
    client_free(client);
    rig_destroy(rig);
}

static void a_fenced_partition_is_a_storage_error(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1});
    rig_topic(rig, "lost", 1)->partitions[0].exists = true; /* But its files are not there. */
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 5; version <= 6; version++) {
        const struct fetched fetched =
            client_fetch(client, &(struct fetch_spec){.version = version, .topic = "lost"});
        assert_int_equal(fetched.partition_error,
                         version == 5 ? ERROR_NOT_LEADER_OR_FOLLOWER : ERROR_KAFKA_STORAGE_ERROR);
    }
    client_free(client);
    rig_destroy(rig);
}

static void replicas_are_told_that_they_are_none(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    struct fetch_request_partition partition = fetch_request_partition_default;
    struct fetch_request_topic topic = fetch_request_topic_default;
    struct fetch_request request = fetch_request_default;
    partition.partition_max_bytes = 1000;
    topic.topic = text_chain("orders");
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.replica_id = 3;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.rack_id = text_chain("");
    SEND(client, FETCH, fetch, 11, &request);
    assert_int_equal(client_receive_fetched(client, 11).partition_error,
                     ERROR_NOT_LEADER_OR_FOLLOWER);
    topic = fetch_request_topic_default;
    topic.topic_id = rig_find(rig, "orders")->id;
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.replica_id = -1;
    request.replica_state.replica_id = 3;
    struct fetch_response response;
    CALL(client, FETCH, fetch, 16, &request, &response);
    assert_int_equal(response.responses.count, 1);
    assert_int_equal(response.node_endpoints.count, 0); /* They know where the brokers are. */
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_reads_what_was_written),
        cmocka_unit_test(B29_committed_reads_get_an_empty_list_of_aborted_transactions),
        cmocka_unit_test(B29_aborted_transactions_are_told_where_their_records_are),
        cmocka_unit_test(B30_another_history_is_told_as_diverging),
        cmocka_unit_test(B16_a_fenced_epoch_names_the_leader),
        cmocka_unit_test(a_fenced_partition_is_a_storage_error),
        cmocka_unit_test(replicas_are_told_that_they_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
