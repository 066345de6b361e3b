#include "tests/dataplane/broker/rig.h"

#include "dataplane/broker/dispatch.h"

/* Control is away throughout: every answer is the core's own. */
static struct rig *rig_alone(void)
{
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1, .control_away = true});
    rig_publish(rig);
    return rig;
}

static void H20_topics_are_named_in_every_version(void **state)
{
    (void)state;
    struct rig *rig = rig_alone();
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 2; version <= 7; version++) {
        struct create_topics_request_topic topic = create_topics_request_topic_default;
        struct create_topics_request request = create_topics_request_default;
        struct create_topics_response response;
        struct create_topics_response_topic told;
        topic.name = text_chain("orders");
        request.topics.items = &topic;
        request.topics.count = 1;
        CALL(client, CREATE_TOPICS, create_topics, version, &request, &response);
        assert_int_equal(response.topics.count, 1);
        assert_true(create_topics_response_topic_array_next(&response.topics, &told));
        assert_true(chain_equals(told.name, (struct bytes){(const uint8_t *)"orders", 6}));
        assert_int_equal(told.error_code, ERROR_NOT_CONTROLLER);
    }
    for (int16_t version = 1; version <= 6; version++) {
        const struct chain name = text_chain("orders");
        struct delete_topics_request_topic topic = delete_topics_request_topic_default;
        struct delete_topics_request request = delete_topics_request_default;
        struct delete_topics_response response;
        struct delete_topics_response_topic told;
        topic.name = name;
        request.topics.items = &topic;
        request.topics.count = version >= 6 ? 1 : 0;
        request.topic_names = (struct string_array){.items = &name, .count = version < 6};
        CALL(client, DELETE_TOPICS, delete_topics, version, &request, &response);
        assert_true(delete_topics_response_topic_array_next(&response.responses, &told));
        assert_int_equal(told.error_code, ERROR_NOT_CONTROLLER);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H20_configurations_are_named_in_every_version(void **state)
{
    (void)state;
    struct rig *rig = rig_alone();
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 1; version <= 4; version++) {
        struct describe_configs_request_resource resource =
            describe_configs_request_resource_default;
        struct describe_configs_request request = describe_configs_request_default;
        struct describe_configs_response response;
        struct describe_configs_response_result told;
        resource.resource_type = 2;
        resource.resource_name = text_chain("orders");
        resource.configuration_keys.count = -1;
        request.resources.items = &resource;
        request.resources.count = 1;
        CALL(client, DESCRIBE_CONFIGS, describe_configs, version, &request, &response);
        assert_true(describe_configs_response_result_array_next(&response.results, &told));
        assert_int_equal(told.error_code, ERROR_REQUEST_TIMED_OUT);
        assert_int_equal(told.resource_type, 2);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H20_elections_and_moves_are_answered_as_a_whole_too(void **state)
{
    (void)state;
    struct rig *rig = rig_alone();
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 0; version <= 2; version++) {
        struct elect_leaders_request request = elect_leaders_request_default;
        struct elect_leaders_response response;
        request.topic_partitions.count = -1;
        CALL(client, ELECT_LEADERS, elect_leaders, version, &request, &response);
        assert_int_equal(response.error_code, version >= 1 ? ERROR_NOT_CONTROLLER : ERROR_NONE);
        assert_int_equal(response.replica_election_results.count, 0);
    }
    struct list_partition_reassignments_request list = list_partition_reassignments_request_default;
    struct list_partition_reassignments_response listed;
    list.topics.count = -1;
    CALL(client, LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments, 0, &list, &listed);
    assert_int_equal(listed.error_code, ERROR_NOT_CONTROLLER);
    client_free(client);
    rig_destroy(rig);
}

static void a_slow_request_that_does_not_parse_closes_the_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_alone();
    for (uint32_t i = 0; i < dispatch_count; i++) {
        if (dispatch_table[i].lane == LANE_SLOW) {
            const int16_t key = dispatch_table[i].key;
            struct client *client = client_connect(rig, 0);
            struct writer writer;
            client_writer(client, &writer, (enum api_key)key, api_find(key)->version_max);
            writer_i8(&writer, 0);
            client_send(client, &writer);
            client_expect_closed(client);
            client_free(client);
        }
    }
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(H20_topics_are_named_in_every_version),
        cmocka_unit_test(H20_configurations_are_named_in_every_version),
        cmocka_unit_test(H20_elections_and_moves_are_answered_as_a_whole_too),
        cmocka_unit_test(a_slow_request_that_does_not_parse_closes_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
