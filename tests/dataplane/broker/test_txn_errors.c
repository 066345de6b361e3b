#include "tests/dataplane/broker/rig.h"

/* Control is away throughout: every answer is the core's own. */
static struct rig *rig_alone(void)
{
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1, .control_away = true});
    (void)rig_topic(rig, "t", 10);
    rig_publish(rig);
    return rig;
}

#define HOLDS_ONE_ERROR(client, API, name, last)                                \
    for (int16_t version = 0; version <= (last); version++) {                   \
        struct name##_request request = name##_request_default;                 \
        struct name##_response response;                                        \
        request.transactional_id = text_chain("a");                             \
        CALL(client, API, name, version, &request, &response);                  \
        assert_int_equal(response.error_code, ERROR_COORDINATOR_NOT_AVAILABLE); \
    }

static void H20_producers_are_told_to_look_for_the_coordinator(void **state)
{
    (void)state;
    struct rig *rig = rig_alone();
    struct client *client = client_connect(rig, 0);
    HOLDS_ONE_ERROR(client, INIT_PRODUCER_ID, init_producer_id, 5)
    HOLDS_ONE_ERROR(client, ADD_OFFSETS_TO_TXN, add_offsets_to_txn, 4)
    HOLDS_ONE_ERROR(client, END_TXN, end_txn, 5)
    for (int16_t version = 0; version <= 2; version++) {
        struct list_transactions_request request = list_transactions_request_default;
        struct list_transactions_response response;
        CALL(client, LIST_TRANSACTIONS, list_transactions, version, &request, &response);
        assert_int_equal(response.error_code, ERROR_COORDINATOR_NOT_AVAILABLE);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H20_every_partition_has_the_error(void **state)
{
    (void)state;
    struct rig *rig = rig_alone();
    struct client *client = client_connect(rig, 0);
    const int32_t partitions[] = {4, 5};
    struct add_partitions_to_txn_request_topic topic = add_partitions_to_txn_request_topic_default;
    topic.name = text_chain("t");
    topic.partitions.items = partitions;
    topic.partitions.count = 2;
    for (int16_t version = 0; version <= 3; version++) {
        struct add_partitions_to_txn_request request = add_partitions_to_txn_request_default;
        struct add_partitions_to_txn_response response;
        struct add_partitions_to_txn_response_topic told;
        struct add_partitions_to_txn_response_partition one;
        request.v3_and_below_transactional_id = text_chain("a");
        request.v3_and_below_topics.items = &topic;
        request.v3_and_below_topics.count = 1;
        CALL(client, ADD_PARTITIONS_TO_TXN, add_partitions_to_txn, version, &request, &response);
        assert_true(add_partitions_to_txn_response_topic_array_next(
            &response.results_by_topic_v3_and_below, &told));
        for (uint32_t i = 0; i < 2; i++) {
            assert_true(add_partitions_to_txn_response_partition_array_next(
                &told.results_by_partition, &one));
            assert_int_equal(one.partition_index, partitions[i]);
            assert_int_equal(one.partition_error_code, ERROR_COORDINATOR_NOT_AVAILABLE);
        }
    }
    const struct chain ids[] = {text_chain("a"), text_chain("b")};
    struct describe_transactions_request describe = describe_transactions_request_default;
    struct describe_transactions_response described;
    struct describe_transactions_response_transaction state_of;
    describe.transactional_ids = (struct string_array){.items = ids, .count = 2};
    CALL(client, DESCRIBE_TRANSACTIONS, describe_transactions, 0, &describe, &described);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(describe_transactions_response_transaction_array_next(
            &described.transaction_states, &state_of));
        assert_int_equal(state_of.error_code, ERROR_COORDINATOR_NOT_AVAILABLE);
    }
    client_free(client);
    rig_destroy(rig);
}

static struct txn_offset_commit_response_partition_array
commit_offsets(struct client *client, int16_t version, const char *topic,
               const struct txn_offset_commit_request_partition *items, int32_t count)
{
    struct txn_offset_commit_request_topic named = txn_offset_commit_request_topic_default;
    struct txn_offset_commit_request request = txn_offset_commit_request_default;
    struct txn_offset_commit_response response;
    struct txn_offset_commit_response_topic told;
    named.name = text_chain(topic);
    named.partitions.items = items;
    named.partitions.count = count;
    request.transactional_id = text_chain("a");
    request.group_id = text_chain("g");
    request.member_id = text_chain("");
    request.topics.items = &named;
    request.topics.count = 1;
    CALL(client, TXN_OFFSET_COMMIT, txn_offset_commit, version, &request, &response);
    assert_true(txn_offset_commit_response_topic_array_next(&response.topics, &told));
    assert_int_equal(told.partitions.count, count);
    return told.partitions;
}

static void partition_has(struct txn_offset_commit_response_partition_array *answered,
                          int32_t partition, int16_t error)
{
    struct txn_offset_commit_response_partition one;
    assert_true(txn_offset_commit_response_partition_array_next(answered, &one));
    assert_int_equal(one.partition_index, partition);
    assert_int_equal(one.error_code, error);
}

static void H20_offsets_of_unknown_partitions_have_an_error_of_their_own(void **state)
{
    (void)state;
    struct rig *rig = rig_alone();
    struct client *client = client_connect(rig, 0);
    const int32_t partitions[] = {9, 10, -1};
    struct txn_offset_commit_request_partition items[ARRAY_SIZE(partitions)];
    for (size_t i = 0; i < ARRAY_SIZE(partitions); i++) {
        items[i] = txn_offset_commit_request_partition_default;
        items[i].partition_index = partitions[i];
        items[i].committed_metadata = text_chain("");
    }
    for (int16_t version = 0; version <= 5; version++) {
        struct txn_offset_commit_response_partition_array answered =
            commit_offsets(client, version, "t", items, ARRAY_SIZE(partitions));
        partition_has(&answered, 9, ERROR_COORDINATOR_NOT_AVAILABLE);
        partition_has(&answered, 10, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        partition_has(&answered, -1, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        answered = commit_offsets(client, version, "u", items, 1);
        partition_has(&answered, 9, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H20_every_marker_has_the_error(void **state)
{
    (void)state;
    struct rig *rig = rig_alone();
    struct client *client = client_connect(rig, 0);
    const int32_t partitions[] = {4, 5};
    const struct write_txn_markers_request_topic topic = {text_chain("t"),
                                                          {.items = partitions, .count = 2}};
    struct write_txn_markers_request_marker markers[2];
    for (int32_t i = 0; i < 2; i++) {
        markers[i] = write_txn_markers_request_marker_default;
        markers[i].producer_id = 10 + i;
        markers[i].topics.items = &topic;
        markers[i].topics.count = 1;
    }
    for (int16_t version = 1; version <= 2; version++) {
        struct write_txn_markers_request request = write_txn_markers_request_default;
        struct write_txn_markers_response response;
        struct write_txn_markers_response_marker marker;
        struct write_txn_markers_response_topic told;
        struct write_txn_markers_response_partition one;
        request.markers.items = markers;
        request.markers.count = 2;
        CALL(client, WRITE_TXN_MARKERS, write_txn_markers, version, &request, &response);
        for (int64_t i = 0; i < 2; i++) {
            assert_true(write_txn_markers_response_marker_array_next(&response.markers, &marker));
            assert_int_equal(marker.producer_id, 10 + i);
            assert_true(write_txn_markers_response_topic_array_next(&marker.topics, &told));
            for (uint32_t at = 0; at < 2; at++) {
                assert_true(
                    write_txn_markers_response_partition_array_next(&told.partitions, &one));
                assert_int_equal(one.partition_index, partitions[at]);
                assert_int_equal(one.error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
            }
        }
    }
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(H20_producers_are_told_to_look_for_the_coordinator),
        cmocka_unit_test(H20_every_partition_has_the_error),
        cmocka_unit_test(H20_offsets_of_unknown_partitions_have_an_error_of_their_own),
        cmocka_unit_test(H20_every_marker_has_the_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
