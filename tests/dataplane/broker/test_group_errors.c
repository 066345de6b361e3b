#include "tests/dataplane/broker/rig.h"

#include "dataplane/broker/dispatch.h"

/* Control is away throughout: every answer is the core's own. */
static struct rig *rig_alone(void)
{
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1, .control_away = true});
    rig_publish(rig);
    return rig;
}

#define HOLDS_ONE_ERROR(client, API, name, first, last, wanted)   \
    for (int16_t version = first; version <= (last); version++) { \
        struct name##_request request = name##_request_default;   \
        struct name##_response response;                          \
        CALL(client, API, name, version, &request, &response);    \
        assert_int_equal(response.error_code, wanted);            \
    }

static void H20_members_are_told_to_look_for_the_coordinator(void **state)
{
    (void)state;
    struct rig *rig = rig_alone();
    struct client *client = client_connect(rig, 0);
    HOLDS_ONE_ERROR(client, JOIN_GROUP, join_group, 0, 6, ERROR_NOT_COORDINATOR)
    HOLDS_ONE_ERROR(client, JOIN_GROUP, join_group, 7, 9, ERROR_NOT_COORDINATOR)
    HOLDS_ONE_ERROR(client, SYNC_GROUP, sync_group, 0, 5, ERROR_NOT_COORDINATOR)
    HOLDS_ONE_ERROR(client, HEARTBEAT, heartbeat, 0, 4, ERROR_NOT_COORDINATOR)
    HOLDS_ONE_ERROR(client, CONSUMER_GROUP_HEARTBEAT, consumer_group_heartbeat, 0, 1,
                    ERROR_NOT_COORDINATOR)
    HOLDS_ONE_ERROR(client, LEAVE_GROUP, leave_group, 0, 5, ERROR_NOT_COORDINATOR)
    HOLDS_ONE_ERROR(client, OFFSET_DELETE, offset_delete, 0, 0, ERROR_NOT_COORDINATOR)
    HOLDS_ONE_ERROR(client, LIST_GROUPS, list_groups, 0, 5, ERROR_COORDINATOR_NOT_AVAILABLE)
    HOLDS_ONE_ERROR(client, FIND_COORDINATOR, find_coordinator, 0, 3,
                    ERROR_COORDINATOR_NOT_AVAILABLE)
    client_free(client);
    rig_destroy(rig);
}

static void H20_several_coordinators_and_groups_are_each_named(void **state)
{
    (void)state;
    struct rig *rig = rig_alone();
    struct client *client = client_connect(rig, 0);
    const struct chain names[] = {text_chain("a"), text_chain("b")};
    const struct string_array both = {.items = names, .count = 2};
    for (int16_t version = 4; version <= 6; version++) {
        struct find_coordinator_request request = find_coordinator_request_default;
        struct find_coordinator_response response;
        struct find_coordinator_response_coordinator one;
        request.coordinator_keys = both;
        CALL(client, FIND_COORDINATOR, find_coordinator, version, &request, &response);
        assert_int_equal(response.coordinators.count, 2);
        assert_true(find_coordinator_response_coordinator_array_next(&response.coordinators, &one));
        assert_int_equal(one.error_code, ERROR_COORDINATOR_NOT_AVAILABLE);
        assert_int_equal(one.node_id, -1);
    }
    for (int16_t version = 0; version <= 1; version++) {
        struct consumer_group_describe_request request = consumer_group_describe_request_default;
        struct consumer_group_describe_response response;
        struct consumer_group_describe_response_group one;
        request.group_ids = both;
        CALL(client, CONSUMER_GROUP_DESCRIBE, consumer_group_describe, version, &request,
             &response);
        assert_int_equal(response.groups.count, 2);
        assert_true(consumer_group_describe_response_group_array_next(&response.groups, &one));
        assert_int_equal(one.error_code, ERROR_NOT_COORDINATOR);
    }
    for (int16_t version = 0; version <= 6; version++) {
        struct describe_groups_request request = describe_groups_request_default;
        struct describe_groups_response response;
        struct describe_groups_response_group one;
        request.groups = both;
        CALL(client, DESCRIBE_GROUPS, describe_groups, version, &request, &response);
        assert_int_equal(response.groups.count, 2);
        assert_true(describe_groups_response_group_array_next(&response.groups, &one));
        assert_int_equal(one.error_code, ERROR_NOT_COORDINATOR);
    }
    for (int16_t version = 0; version <= 2; version++) {
        struct delete_groups_request request = delete_groups_request_default;
        struct delete_groups_response response;
        struct delete_groups_response_result one;
        request.groups_names = both;
        CALL(client, DELETE_GROUPS, delete_groups, version, &request, &response);
        assert_int_equal(response.results.count, 2);
        assert_true(delete_groups_response_result_array_next(&response.results, &one));
        assert_int_equal(one.error_code, ERROR_NOT_COORDINATOR);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H20_each_partition_of_a_commit_is_named(void **state)
{
    (void)state;
    struct rig *rig = rig_alone();
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 2; version <= 10; version++) {
        struct offset_commit_request_partition partition = offset_commit_request_partition_default;
        struct offset_commit_request_topic topic = offset_commit_request_topic_default;
        struct offset_commit_request request = offset_commit_request_default;
        struct offset_commit_response response;
        struct offset_commit_response_topic told;
        struct offset_commit_response_partition got;
        partition.partition_index = 7;
        partition.committed_metadata = text_chain("");
        topic.name = text_chain(version < 10 ? "t" : "");
        topic.partitions.items = &partition;
        topic.partitions.count = 1;
        request.topics.items = &topic;
        request.topics.count = 1;
        CALL(client, OFFSET_COMMIT, offset_commit, version, &request, &response);
        assert_true(offset_commit_response_topic_array_next(&response.topics, &told));
        assert_true(offset_commit_response_partition_array_next(&told.partitions, &got));
        assert_int_equal(got.partition_index, 7);
        assert_int_equal(got.error_code, ERROR_NOT_COORDINATOR);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H20_fetched_offsets_have_the_error_where_their_version_has_room(void **state)
{
    (void)state;
    struct rig *rig = rig_alone();
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 1; version <= 10; version++) {
        const int32_t index = 7;
        struct offset_fetch_request_topic topic = offset_fetch_request_topic_default;
        struct offset_fetch_request_group group = offset_fetch_request_group_default;
        struct offset_fetch_request request = offset_fetch_request_default;
        struct offset_fetch_response response;
        topic.name = text_chain("t");
        topic.partition_indexes.items = &index;
        topic.partition_indexes.count = 1;
        group.group_id = text_chain("g");
        group.topics.count = -1;
        request.topics.items = &topic;
        request.topics.count = version < 8;
        request.groups.items = &group;
        request.groups.count = version >= 8;
        CALL(client, OFFSET_FETCH, offset_fetch, version, &request, &response);
        if (version == 1) {
            struct offset_fetch_response_topic told;
            struct offset_fetch_response_partition got;
            assert_true(offset_fetch_response_topic_array_next(&response.topics, &told));
            assert_true(offset_fetch_response_partition_array_next(&told.partitions, &got));
            assert_int_equal(got.partition_index, 7);
            assert_int_equal(got.committed_offset, -1);
            assert_int_equal(got.error_code, ERROR_NOT_COORDINATOR);
        } else if (version < 8) {
            assert_int_equal(response.error_code, ERROR_NOT_COORDINATOR);
        } else {
            struct offset_fetch_response_group told;
            assert_true(offset_fetch_response_group_array_next(&response.groups, &told));
            assert_int_equal(told.error_code, ERROR_NOT_COORDINATOR);
        }
    }
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(H20_members_are_told_to_look_for_the_coordinator),
        cmocka_unit_test(H20_several_coordinators_and_groups_are_each_named),
        cmocka_unit_test(H20_each_partition_of_a_commit_is_named),
        cmocka_unit_test(H20_fetched_offsets_have_the_error_where_their_version_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
