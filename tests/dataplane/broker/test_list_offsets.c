#include "tests/dataplane/broker/rig.h"

struct listed {
    int16_t error;
    int64_t offset;
    int64_t timestamp;
    int32_t leader_epoch;
};

static struct listed list(struct client *client, int16_t version, const char *name,
                          int32_t partition, int64_t timestamp, int32_t current_epoch)
{
    struct list_offsets_request_partition one = list_offsets_request_partition_default;
    struct list_offsets_request_topic topic = list_offsets_request_topic_default;
    struct list_offsets_request request = list_offsets_request_default;
    struct list_offsets_response response;
    struct list_offsets_response_topic told;
    struct list_offsets_response_partition answer;
    one.partition_index = partition;
    one.timestamp = timestamp;
    one.current_leader_epoch = current_epoch;
    topic.name = text_chain(name);
    topic.partitions.items = &one;
    topic.partitions.count = 1;
    request.replica_id = -1;
    request.topics.items = &topic;
    request.topics.count = 1;
    CALL(client, LIST_OFFSETS, list_offsets, version, &request, &response);
    assert_true(list_offsets_response_topic_array_next(&response.topics, &told));
    assert_true(list_offsets_response_partition_array_next(&told.partitions, &answer));
    return (struct listed){answer.error_code, answer.offset, answer.timestamp, answer.leader_epoch};
}

enum { T0 = 1000000 };

/* Ten batches of three records, a second apart, on two cores. */
static struct rig *rig_with_times(void)
{
    static uint8_t buffer[4096];
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    for (int64_t i = 0; i < 10; i++) {
        for (int32_t partition = 0; partition < 2; partition++) {
            const struct bytes batch =
                batch_make(rig, &(struct batch_spec){.records = 3, .timestamp_ms = T0 + i * 1000},
                           buffer, sizeof(buffer));
            assert_int_equal(client_produce(client, 9, "orders", partition, 1, batch).error,
                             ERROR_NONE);
        }
    }
    client_free(client);
    return rig;
}

/* clang-format off */
static const struct {
    const char *what;
    int64_t timestamp;
    int16_t from_version;
    int64_t offset;
    int64_t found;
} cases[] = {
    {"latest",                   -1,          1,  30, -1},
    {"earliest",                 -2,          1,  0,  -1},
    {"largest timestamp",        -3,          7,  27, T0 + 9000},
    {"earliest local",           -4,          8,  0,  -1},
    {"latest tiered",            -5,          9,  -1, -1},
    {"earliest pending upload",  -6,          11, -1, -1},
    {"no such special",          -7,          99, -1, -1},
    {"before all",               0,           1,  0,  T0},
    {"exactly",                  T0 + 4000,   1,  12, T0 + 4000},
    {"between",                  T0 + 4001,   1,  15, T0 + 5000},
    {"behind all",               T0 + 9001,   1,  -1, -1},
};
/* clang-format on */

static void B32_every_special_timestamp_in_every_version(void **state)
{
    (void)state;
    struct rig *rig = rig_with_times();
    struct client *client = client_connect(rig, 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (int16_t version = 1; version <= 11; version++) {
            const struct listed listed =
                list(client, version, "orders", version % 2, cases[i].timestamp, -1);
            if (version < cases[i].from_version) {
                assert_int_equal(listed.error, ERROR_UNSUPPORTED_VERSION);
                continue;
            }
            if (listed.offset != cases[i].offset || listed.timestamp != cases[i].found) {
                print_error("%s: %ld at %ld\n", cases[i].what, listed.offset, listed.timestamp);
            }
            assert_int_equal(listed.error, ERROR_NONE);
            assert_int_equal(listed.offset, cases[i].offset);
            assert_int_equal(listed.timestamp, cases[i].found);
        }
    }
    client_free(client);
    rig_destroy(rig);
}

static void B32_epochs_come_with_the_offsets(void **state)
{
    (void)state;
    struct rig *rig = rig_with_times();
    struct client *client = client_connect(rig, 0);
    for (uint32_t i = 0; i < 2; i++) {
        rig_find(rig, "orders")->partitions[i].leader_epoch = 9;
    }
    rig_publish(rig);
    (void)client_put_record(client, "orders", 1, 1);
    assert_int_equal(list(client, 4, "orders", 1, -1, -1).leader_epoch, 9);
    assert_int_equal(list(client, 4, "orders", 1, -2, -1).leader_epoch, 5);
    assert_int_equal(list(client, 4, "orders", 1, T0, -1).leader_epoch, 5);
    client_free(client);
    rig_destroy(rig);
}

static void B30_a_wrong_epoch_is_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_with_times();
    struct client *client = client_connect(rig, 0);
    for (int32_t partition = 0; partition < 2; partition++) {
        assert_int_equal(list(client, 4, "orders", partition, -1, 4).error,
                         ERROR_FENCED_LEADER_EPOCH);
        assert_int_equal(list(client, 4, "orders", partition, -1, 6).error,
                         ERROR_UNKNOWN_LEADER_EPOCH);
        assert_int_equal(list(client, 4, "orders", partition, -1, 5).error, ERROR_NONE);
    }
    assert_int_equal(list(client, 4, "nowhere", 0, -1, -1).error, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(list(client, 4, "orders", 2, -1, -1).error, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    client_free(client);
    rig_destroy(rig);
}

static void B32_a_partition_named_twice_is_refused_once(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 3);
    struct client *client = client_connect(rig, 0);
    struct list_offsets_request_partition partitions[4];
    struct list_offsets_request_topic topics[3];
    struct list_offsets_request request = list_offsets_request_default;
    struct list_offsets_response response;
    struct list_offsets_response_topic told;
    struct list_offsets_response_partition answer;
    static const int32_t indexes[] = {0, 1, 0, 2};
    static const int32_t answered[] = {0, 1, 2};
    static const int16_t errors[] = {ERROR_INVALID_REQUEST, ERROR_NONE, ERROR_NONE};
    for (uint32_t i = 0; i < 4; i++) {
        partitions[i] = list_offsets_request_partition_default;
        partitions[i].partition_index = indexes[i];
        partitions[i].timestamp = -1;
    }
    for (uint32_t i = 0; i < 3; i++) { /* All; the first one again; nothing. */
        topics[i] = list_offsets_request_topic_default;
        topics[i].name = text_chain("orders");
        topics[i].partitions.items = partitions;
        topics[i].partitions.count = i == 0 ? 4 : i == 1 ? 1 : 0;
    }
    request.replica_id = -1;
    request.topics.items = topics;
    request.topics.count = 3;
    CALL(client, LIST_OFFSETS, list_offsets, 5, &request, &response);
    assert_int_equal(response.topics.count, 1);
    assert_true(list_offsets_response_topic_array_next(&response.topics, &told));
    assert_int_equal(told.partitions.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(list_offsets_response_partition_array_next(&told.partitions, &answer));
        assert_int_equal(answer.partition_index, answered[i]);
        assert_int_equal(answer.error_code, errors[i]);
    }
    client_free(client);
    rig_destroy(rig);
}

/* ---- OffsetForLeaderEpoch ------------------------------------------------------------------- */

static struct offset_for_leader_epoch_response_partition
epoch_end(struct client *client, int16_t version, int32_t partition, int32_t epoch, int32_t current)
{
    struct offset_for_leader_epoch_request_partition one =
        offset_for_leader_epoch_request_partition_default;
    struct offset_for_leader_epoch_request_topic topic =
        offset_for_leader_epoch_request_topic_default;
    struct offset_for_leader_epoch_request request = offset_for_leader_epoch_request_default;
    struct offset_for_leader_epoch_response response;
    struct offset_for_leader_epoch_response_topic told;
    struct offset_for_leader_epoch_response_partition answer;
    one.partition = partition;
    one.leader_epoch = epoch;
    one.current_leader_epoch = current;
    topic.topic = text_chain("orders");
    topic.partitions.items = &one;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    CALL(client, OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch, version, &request, &response);
    assert_true(offset_for_leader_epoch_response_topic_array_next(&response.topics, &told));
    assert_true(offset_for_leader_epoch_response_partition_array_next(&told.partitions, &answer));
    return answer;
}

static void B31_an_epochs_end_is_where_the_next_one_starts(void **state)
{
    (void)state;
    struct rig *rig = rig_with_times();
    struct client *client = client_connect(rig, 0);
    for (uint32_t i = 0; i < 2; i++) {
        rig_find(rig, "orders")->partitions[i].leader_epoch = 9;
    }
    rig_publish(rig);
    (void)client_put_record(client, "orders", 1, 1);
    static const struct {
        int32_t asked;
        int32_t epoch;
        int64_t end;
    } ends[] = {{9, 9, 31}, {5, 5, 30}, {7, 5, 30}, {10, -1, -1}, {3, 3, 0}};
    for (int16_t version = 2; version <= 4; version++) {
        for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
            const struct offset_for_leader_epoch_response_partition answer =
                epoch_end(client, version, 1, ends[i].asked, 9);
            assert_int_equal(answer.error_code, ERROR_NONE);
            assert_int_equal(answer.leader_epoch, ends[i].epoch);
            assert_int_equal(answer.end_offset, ends[i].end);
        }
    }
    assert_int_equal(epoch_end(client, 4, 1, 9, 8).error_code, ERROR_FENCED_LEADER_EPOCH);
    assert_int_equal(epoch_end(client, 4, 1, 9, -2).error_code, ERROR_FENCED_LEADER_EPOCH);
    assert_int_equal(epoch_end(client, 4, 0, 9, 10).error_code, ERROR_UNKNOWN_LEADER_EPOCH);
    assert_int_equal(epoch_end(client, 4, 7, 9, -1).error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    client_free(client);
    rig_destroy(rig);
}

static void B31_a_leaders_epoch_begins_before_its_first_batch(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    (void)client_put_record(client, "orders", 1, 1);
    const int32_t first = rig_find(rig, "orders")->partitions[1].leader_epoch;
    for (uint32_t i = 0; i < 2; i++) {
        rig_find(rig, "orders")->partitions[i].leader_epoch = 9;
    }
    rig_publish(rig);
    const struct {
        int32_t partition;
        int32_t asked;
        int32_t epoch;
        int64_t end;
    } ends[] = {{0, 9, 9, 0},    {0, 8, 8, 0},   {0, 10, -1, -1}, {1, 9, 9, 1},    {1, 8, first, 1},
                {1, 10, -1, -1}, {0, -2, -2, 0}, {1, -2, -2, 0},  {0, -1, -1, -1}, {1, -1, -1, -1}};
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        const struct offset_for_leader_epoch_response_partition answer =
            epoch_end(client, 4, ends[i].partition, ends[i].asked, -1);
        assert_int_equal(answer.leader_epoch, ends[i].epoch);
        assert_int_equal(answer.end_offset, ends[i].end);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H18_nothing_is_looked_up_before_the_partition_s_place_is_recorded(void **state)
{
    (void)state;
    struct rig *rig = rig_with_unrecorded_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    for (int32_t i = 0; i < 2; i++) { /* Metadata names no leader either. */
        assert_int_equal(list(client, 9, "orders", i, -1, -1).error, ERROR_NOT_LEADER_OR_FOLLOWER);
        assert_int_equal(epoch_end(client, 4, i, 0, -1).error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    }
    rig_publish(rig);
    for (int32_t i = 0; i < 2; i++) {
        assert_int_equal(list(client, 9, "orders", i, -1, -1).offset, 0);
        assert_int_equal(epoch_end(client, 4, i, 0, -1).end_offset, 0);
    }
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(B32_every_special_timestamp_in_every_version),
        cmocka_unit_test(B32_epochs_come_with_the_offsets),
        cmocka_unit_test(B30_a_wrong_epoch_is_refused),
        cmocka_unit_test(B32_a_partition_named_twice_is_refused_once),
        cmocka_unit_test(B31_an_epochs_end_is_where_the_next_one_starts),
        cmocka_unit_test(B31_a_leaders_epoch_begins_before_its_first_batch),
        cmocka_unit_test(H18_nothing_is_looked_up_before_the_partition_s_place_is_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
