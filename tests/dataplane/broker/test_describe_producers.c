#include "tests/dataplane/broker/rig.h"

static struct describe_producers_response_partition describe(struct client *client,
                                                             const char *name, int32_t index)
{
    struct describe_producers_request_topic topic = describe_producers_request_topic_default;
    struct describe_producers_request request = describe_producers_request_default;
    struct describe_producers_response response;
    struct describe_producers_response_topic told;
    struct describe_producers_response_partition answer;
    topic.name = text_chain(name);
    topic.partition_indexes = (struct i32_array){.items = &index, .count = 1};
    request.topics.items = &topic;
    request.topics.count = 1;
    CALL(client, DESCRIBE_PRODUCERS, describe_producers, 0, &request, &response);
    assert_true(describe_producers_response_topic_array_next(&response.topics, &told));
    assert_true(describe_producers_response_partition_array_next(&told.partitions, &answer));
    return answer;
}

static void what_a_partition_remembers_is_told_from_any_core(void **state)
{
    (void)state;
    enum { PRODUCERS = 200 }; /* More than are asked for at first. */
    uint8_t buffer[512];
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    for (int32_t i = 0; i < PRODUCERS; i++) {
        const struct bytes batch = batch_make(
            rig, &(struct batch_spec){.producer_id = 500 + i, .producer_epoch = 3, .records = 4},
            buffer, sizeof(buffer));
        assert_int_equal(client_produce(client, 9, "orders", 1, 1, batch).error, ERROR_NONE);
    }
    struct describe_producers_response_partition answer = describe(client, "orders", 1);
    struct describe_producers_response_producer producer;
    bool seen[PRODUCERS] = {0};
    assert_int_equal(answer.error_code, ERROR_NONE);
    assert_int_equal(answer.active_producers.count, PRODUCERS);
    while (describe_producers_response_producer_array_next(&answer.active_producers, &producer)) {
        assert_in_range(producer.producer_id, 500, 500 + PRODUCERS - 1);
        assert_false(seen[producer.producer_id - 500]);
        seen[producer.producer_id - 500] = true;
        assert_int_equal(producer.producer_epoch, 3);
        assert_int_equal(producer.last_sequence, 3);
        assert_int_equal(producer.current_txn_start_offset, -1);
    }
    assert_int_equal(describe(client, "orders", 0).active_producers.count, 0);
    client_free(client);
    rig_destroy(rig);
}

static void what_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    static const struct {
        const char *topic;
        int32_t partition;
        int16_t error;
        bool has_message;
    } cases[] = {
        {"nowhere", 0, ERROR_UNKNOWN_TOPIC_OR_PARTITION, true},
        {"orders", 1, ERROR_UNKNOWN_TOPIC_OR_PARTITION, false},
        {"a/b", 0, ERROR_INVALID_TOPIC_EXCEPTION, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct describe_producers_response_partition answer =
            describe(client, cases[i].topic, cases[i].partition);
        assert_int_equal(answer.error_code, cases[i].error);
        assert_int_equal(!chain_is_null(answer.error_message), cases[i].has_message);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H18_nothing_is_described_before_the_partition_s_place_is_recorded(void **state)
{
    (void)state;
    struct rig *rig = rig_with_unrecorded_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(describe(client, "orders", 0).error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(describe(client, "orders", 1).error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    rig_publish(rig);
    assert_int_equal(describe(client, "orders", 0).error_code, ERROR_NONE);
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_partition_remembers_is_told_from_any_core),
        cmocka_unit_test(what_is_not_there_is_an_error),
        cmocka_unit_test(H18_nothing_is_described_before_the_partition_s_place_is_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
