#include "tests/dataplane/broker/rig.h"

static struct rig *rig_of_two(void)
{
    struct rig *rig = rig_create(&(struct rig_options){.cores = 3, .seed = 1});
    rig_topic(rig, "a", 3);
    rig_topic(rig, "b", 2);
    rig_publish(rig);
    return rig;
}

struct summary {
    uint32_t topics;
    uint32_t partitions;
    int64_t size;
    int16_t error;
    int64_t total;
    int64_t usable;
};

static struct summary describe(struct client *client, int16_t version,
                               const struct describe_log_dirs_request *request)
{
    struct summary summary = {0};
    struct describe_log_dirs_response response;
    struct describe_log_dirs_response_result result;
    struct describe_log_dirs_response_topic topic;
    struct describe_log_dirs_response_partition partition;
    CALL(client, DESCRIBE_LOG_DIRS, describe_log_dirs, version, request, &response);
    assert_int_equal(response.error_code, ERROR_NONE);
    assert_int_equal(response.results.count, 1);
    assert_true(describe_log_dirs_response_result_array_next(&response.results, &result));
    assert_true(chain_equals(result.log_dir, (struct bytes){(const uint8_t *)"/data", 5}));
    summary.error = result.error_code;
    summary.total = result.total_bytes;
    summary.usable = result.usable_bytes;
    while (describe_log_dirs_response_topic_array_next(&result.topics, &topic)) {
        summary.topics++;
        while (describe_log_dirs_response_partition_array_next(&topic.partitions, &partition)) {
            assert_int_equal(partition.offset_lag, 0);
            assert_false(partition.is_future_key);
            summary.partitions++;
            summary.size += partition.partition_size;
        }
    }
    return summary;
}

static void sizes_are_gathered_from_all_cores(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 1);
    uint8_t buffer[2048];
    int64_t written = 0;
    for (uint32_t i = 0; i < 12; i++) {
        const struct bytes batch =
            batch_make(rig, &(struct batch_spec){.value_bytes = 1000}, buffer, sizeof(buffer));
        written += batch.len;
        assert_int_equal(
            client_produce(client, 9, i < 6 ? "a" : "b", (int32_t)(i % (i < 6 ? 3 : 2)), 1, batch)
                .error,
            ERROR_NONE);
    }
    struct describe_log_dirs_request all = describe_log_dirs_request_default;
    all.topics.count = -1;
    for (int16_t version = 1; version <= 4; version++) {
        const struct summary summary = describe(client, version, &all);
        assert_int_equal(summary.topics, 2);
        assert_int_equal(summary.partitions, 5);
        assert_int_equal(summary.size, written);
        assert_int_equal(summary.total, version >= 4 ? 1000000 : -1);
        assert_int_equal(summary.usable, version >= 4 ? 400000 : -1);
    }
    client_free(client);
    rig_destroy(rig);
}

static void only_what_is_asked_for_is_told(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 0);
    static const int32_t indexes[] = {2, 0, 9, -1, 2};
    struct describe_log_dirs_request_topic topics[2];
    struct describe_log_dirs_request request = describe_log_dirs_request_default;
    topics[0] = (struct describe_log_dirs_request_topic){
        .topic = text_chain("a"), .partitions = {.items = indexes, .count = 5}};
    topics[1] = (struct describe_log_dirs_request_topic){
        .topic = text_chain("nowhere"), .partitions = {.items = indexes, .count = 5}};
    request.topics.items = topics;
    request.topics.count = 2;
    const struct summary summary = describe(client, 4, &request);
    assert_int_equal(summary.topics, 1);
    assert_int_equal(summary.partitions, 2);
    request.topics.count = 0;
    assert_int_equal(describe(client, 4, &request).partitions, 0);
    client_free(client);
    rig_destroy(rig);
}

static void many_ask_at_once_and_some_leave(void **state)
{
    (void)state;
    enum { CLIENTS = 12 };
    struct rig *rig = rig_of_two();
    struct client *clients[CLIENTS];
    struct describe_log_dirs_request all = describe_log_dirs_request_default;
    all.topics.count = -1;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = client_connect(rig, i % 3);
        SEND(clients[i], DESCRIBE_LOG_DIRS, describe_log_dirs, 4, &all);
    }
    for (uint32_t i = 0; i < CLIENTS; i += 2) {
        rig_turn(rig);
        client_free(clients[i]);
    }
    for (uint32_t i = 1; i < CLIENTS; i += 2) {
        struct describe_log_dirs_response response;
        RECEIVE(clients[i], DESCRIBE_LOG_DIRS, describe_log_dirs, 4, &response);
        assert_int_equal(response.results.count, 1);
        client_free(clients[i]);
    }
    rig_destroy(rig);
}

static void a_dead_directory_is_told_as_such(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 0);
    struct describe_log_dirs_request all = describe_log_dirs_request_default;
    all.topics.count = -1;
    rig->directory.failed = true;
    const struct summary summary = describe(client, 4, &all);
    assert_int_equal(summary.error, ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(summary.partitions, 0);
    client_free(client);
    rig_destroy(rig);
}

static void little_output(struct broker_limits *limits)
{
    limits->output_bytes = 64 << 10;
}

static void who_does_not_read_keeps_nobody_from_the_sizes(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 2, .limit = little_output});
    rig_topic(rig, "a", 40);
    rig_topic(rig, "b", 40);
    rig_publish(rig);
    struct client *deaf = client_connect(rig, 0);
    struct describe_log_dirs_request request = describe_log_dirs_request_default;
    struct metadata_request all = metadata_request_default;
    all.topics.count = -1;
    request.topics.count = -1;
    rig_turn(rig);
    sim_peer_stall(deaf->peer, true);
    for (uint32_t i = 0; i < 2; i++) { /* As much as one connection may have unsent. */
        SEND(deaf, METADATA, metadata, 9, &all);
    }
    SEND(deaf, DESCRIBE_LOG_DIRS, describe_log_dirs, 2, &request);
    rig_run_ms(rig, 20);
    struct client *client = client_connect(rig, 0);
    const uint64_t before_ms = rig_now_ms(rig);
    assert_int_equal(describe(client, 2, &request).partitions, 80);
    assert_true(rig_now_ms(rig) - before_ms < 100);
    client_free(deaf);
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_gathered_from_all_cores),
        cmocka_unit_test(only_what_is_asked_for_is_told),
        cmocka_unit_test(many_ask_at_once_and_some_leave),
        cmocka_unit_test(a_dead_directory_is_told_as_such),
        cmocka_unit_test(who_does_not_read_keeps_nobody_from_the_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
