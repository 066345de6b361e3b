#include "tests/dataplane/broker/rig.h"

struct deleted {
    int16_t error;
    int64_t low_watermark;
};

static struct deleted delete_before(struct client *client, int16_t version, const char *name,
                                    int32_t partition, int64_t offset)
{
    struct delete_records_request_partition one = {.partition_index = partition, .offset = offset};
    struct delete_records_request_topic topic = delete_records_request_topic_default;
    struct delete_records_request request = delete_records_request_default;
    struct delete_records_response response;
    struct delete_records_response_topic told;
    struct delete_records_response_partition answer;
    topic.name = text_chain(name);
    topic.partitions.items = &one;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = 1000;
    CALL(client, DELETE_RECORDS, delete_records, version, &request, &response);
    assert_true(delete_records_response_topic_array_next(&response.topics, &told));
    assert_true(delete_records_response_partition_array_next(&told.partitions, &answer));
    return (struct deleted){answer.error_code, answer.low_watermark};
}

/* clang-format off */
static const struct { int64_t offset; int16_t error; int64_t low; } cases[] = {
    {2,  ERROR_NONE, 2},
    {1,  ERROR_NONE, 2}, /* Already gone. */
    {5,  ERROR_NONE, 5},
    {11, ERROR_OFFSET_OUT_OF_RANGE, -1},
    {-2, ERROR_OFFSET_OUT_OF_RANGE, -1},
    {-1, ERROR_NONE, 10},
};
/* clang-format on */

static void B34_the_log_start_moves_to_the_offset(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    for (int32_t partition = 0; partition < 2; partition++) {
        for (int64_t i = 0; i < 10; i++) {
            (void)client_put_record(client, "orders", partition, i);
        }
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
            const struct deleted deleted =
                delete_before(client, (int16_t)(i % 3), "orders", partition, cases[i].offset);
            assert_int_equal(deleted.error, cases[i].error);
            assert_int_equal(deleted.low_watermark, cases[i].low);
        }
        const struct fetched fetched = client_fetch(
            client, &(struct fetch_spec){
                        .version = 6, .topic = "orders", .partition = partition, .offset = 9});
        assert_int_equal(fetched.partition_error, ERROR_OFFSET_OUT_OF_RANGE);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B34_compacted_internal_and_missing_topics_are_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1});
    struct snapshot_topic *compacted = rig_topic(rig, "compacted", 1);
    compacted->config.cleanup_compact = true;
    compacted->config.cleanup_delete = false;
    rig_topic(rig, "__consumer_offsets", 1)->internal = true;
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(delete_before(client, 2, "compacted", 0, 0).error, ERROR_POLICY_VIOLATION);
    assert_int_equal(delete_before(client, 2, "__consumer_offsets", 0, 0).error,
                     ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(delete_before(client, 2, "nowhere", 0, 0).error,
                     ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete_before(client, 2, "compacted", 1, 0).error,
                     ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    client_free(client);
    rig_destroy(rig);
}

static void H18_nothing_is_deleted_before_the_partition_s_place_is_recorded(void **state)
{
    (void)state;
    struct rig *rig = rig_with_unrecorded_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(delete_before(client, 2, "orders", 0, 0).error, ERROR_NOT_LEADER_OR_FOLLOWER);
    rig_publish(rig);
    assert_int_equal(delete_before(client, 2, "orders", 0, 0).error, ERROR_NONE);
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(B34_the_log_start_moves_to_the_offset),
        cmocka_unit_test(B34_compacted_internal_and_missing_topics_are_refused),
        cmocka_unit_test(H18_nothing_is_deleted_before_the_partition_s_place_is_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
