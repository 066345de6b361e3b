#include "tests/dataplane/broker/rig.h"

struct answer {
    int32_t topics;
    struct metadata_response response;
    struct metadata_response_topic first;
    struct metadata_response_partition partition; /* The first one's first. */
};

static struct answer ask(struct client *client, int16_t version,
                         const struct metadata_request *request)
{
    struct answer answer = {0};
    CALL(client, METADATA, metadata, version, request, &answer.response);
    struct metadata_response_topic_array topics = answer.response.topics;
    answer.topics = topics.count;
    if (metadata_response_topic_array_next(&topics, &answer.first)) {
        struct metadata_response_partition_array partitions = answer.first.partitions;
        (void)metadata_response_partition_array_next(&partitions, &answer.partition);
    }
    return answer;
}

static struct answer ask_name(struct client *client, int16_t version, const char *name,
                              bool may_create)
{
    struct metadata_request_topic topic = metadata_request_topic_default;
    struct metadata_request request = metadata_request_default;
    topic.name = text_chain(name);
    request.topics.items = &topic;
    request.topics.count = 1;
    request.allow_auto_topic_creation = version < 4 || may_create;
    return ask(client, version, &request);
}

static struct rig *rig_of_two(void)
{
    struct rig *rig = rig_create(&(struct rig_options){.cores = 2, .seed = 3});
    rig_topic(rig, "beta", 3);
    rig_topic(rig, "alpha", 2);
    rig_publish(rig);
    return rig;
}

static void B11_null_is_all_and_empty_is_none_but_in_version_0(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 0; version <= 13; version++) {
        struct metadata_request none = metadata_request_default;
        struct metadata_request all = metadata_request_default;
        none.topics.count = 0;
        all.topics.count = version == 0 ? 0 : -1;
        assert_int_equal(ask(client, version, &none).topics, version == 0 ? 2 : 0);
        assert_int_equal(ask(client, version, &all).topics, 2);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B12_every_version_names_leader_epoch_and_cluster(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 1);
    for (int16_t version = 0; version <= 13; version++) {
        const struct answer answer = ask_name(client, version, "beta", false);
        struct metadata_response_broker broker;
        struct metadata_response_broker_array brokers = answer.response.brokers;
        assert_int_equal(brokers.count, 1);
        assert_true(metadata_response_broker_array_next(&brokers, &broker));
        assert_int_equal(broker.node_id, RIG_NODE_ID);
        assert_int_equal(broker.port, RIG_PORT);
        assert_true(chain_equals(broker.host, bytes_of_string("broker.test")));
        assert_int_equal(answer.first.error_code, ERROR_NONE);
        assert_int_equal(answer.first.partitions.count, 3);
        assert_int_equal(answer.partition.leader_id, RIG_NODE_ID);
        assert_int_equal(answer.partition.leader_epoch, version >= 7 ? 5 : -1);
        assert_int_equal(answer.partition.replica_nodes.count, 1);
        assert_int_equal(answer.partition.offline_replicas.count, 0);
        assert_int_equal(answer.response.controller_id, version >= 1 ? RIG_NODE_ID : -1);
        if (version >= 2) {
            assert_true(chain_equals(answer.response.cluster_id, rig->next.cluster_id));
        }
        if (version >= 10) {
            assert_true(uuid_equal(answer.first.topic_id, rig_find(rig, "beta")->id));
        }
    }
    client_free(client);
    rig_destroy(rig);
}

static void H29_without_a_configured_host_the_clients_own_address_is_told(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    rig->next.broker.host = (struct bytes){0};
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    const struct answer answer = ask_name(client, 9, "beta", false);
    struct metadata_response_broker broker;
    struct metadata_response_broker_array brokers = answer.response.brokers;
    assert_true(metadata_response_broker_array_next(&brokers, &broker));
    assert_true(chain_equals(broker.host, bytes_of_string("10.0.0.1")));
    assert_int_equal(broker.port, RIG_PORT);
    client_free(client);
    rig_destroy(rig);
}

static void B12_a_missing_topic_is_unknown_first_and_asked_of_control(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 0);
    struct slow_header header;
    uint8_t payload[300];
    uint32_t len;
    rig_run_ms(rig, 1); /* The wishes for producer ids go first. */
    assert_int_equal(ask_name(client, 12, "gamma", true).first.error_code,
                     ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    rig_control_wait(rig, 0, &header, payload, sizeof(payload), &len);
    assert_int_equal(header.kind, SLOW_CREATE_TOPIC);
    assert_int_equal(len, 5);
    assert_memory_equal(payload, "gamma", 5);
    /* A second wish within a moment is not passed on. */
    (void)ask_name(client, 12, "gamma", true);
    assert_false(rig_control_next(rig, 0, &header, payload, sizeof(payload), &len));
    rig_topic(rig, "gamma", 1);
    rig_publish(rig);
    assert_int_equal(ask_name(client, 12, "gamma", true).first.error_code, ERROR_NONE);
    client_free(client);
    rig_destroy(rig);
}

static void B12_no_topic_is_made_where_nobody_wants_it(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 0);
    struct slow_header header;
    uint8_t payload[300];
    uint32_t len;
    rig_run_ms(rig, 1);
    assert_int_equal(ask_name(client, 12, "gamma", false).first.error_code,
                     ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    rig->next.settings.auto_create_topics = false;
    rig_publish(rig);
    assert_int_equal(ask_name(client, 12, "gamma", true).first.error_code,
                     ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    rig_run_ms(rig, 1);
    assert_false(rig_control_next(rig, 0, &header, payload, sizeof(payload), &len));
    client_free(client);
    rig_destroy(rig);
}

static void B13_names_that_no_topic_may_have_are_invalid(void **state)
{
    (void)state;
    static const char *const names[] = {"", ".", "..", "a b", "a/b", "\xc3\xa4"};
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 0);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_int_equal(ask_name(client, 9, names[i], true).first.error_code,
                         ERROR_INVALID_TOPIC_EXCEPTION);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B14_topics_are_found_by_id_from_version_12_on(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 0);
    struct metadata_request_topic topic = metadata_request_topic_default;
    struct metadata_request request = metadata_request_default;
    topic.topic_id = rig_find(rig, "alpha")->id;
    request.topics.items = &topic;
    request.topics.count = 1;
    struct answer answer = ask(client, 12, &request);
    assert_int_equal(answer.first.error_code, ERROR_NONE);
    assert_true(chain_equals(answer.first.name, bytes_of_string("alpha")));
    topic.topic_id.bytes[3] ^= 1;
    answer = ask(client, 12, &request);
    assert_int_equal(answer.first.error_code, ERROR_UNKNOWN_TOPIC_ID);
    assert_true(chain_is_null(answer.first.name));
    assert_true(uuid_equal(answer.first.topic_id, topic.topic_id));
    client_free(client);
    rig_destroy(rig);
}

static void B11_versions_10_and_11_must_not_ask_by_id(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 10; version <= 11; version++) {
        struct metadata_request_topic topic = metadata_request_topic_default;
        struct metadata_request request = metadata_request_default;
        topic.topic_id = rig_find(rig, "alpha")->id;
        topic.name = text_chain("alpha");
        request.topics.items = &topic;
        request.topics.count = 1;
        const struct answer answer = ask(client, version, &request);
        assert_int_equal(answer.first.error_code, ERROR_INVALID_REQUEST);
        assert_true(uuid_equal(answer.first.topic_id, topic.topic_id));
        assert_int_equal(answer.response.brokers.count, 0);
        assert_int_equal(answer.response.controller_id, -1);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B11_names_beside_ids_are_not_looked_at(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 0);
    struct metadata_request_topic topics[2] = {metadata_request_topic_default,
                                               metadata_request_topic_default};
    struct metadata_request request = metadata_request_default;
    topics[0].name = text_chain("beta");
    topics[1].topic_id = rig_find(rig, "alpha")->id;
    topics[1].name = CHAIN_NULL;
    request.topics.items = topics;
    request.topics.count = 2;
    const struct answer answer = ask(client, 12, &request);
    assert_int_equal(answer.response.topics.count, 1);
    assert_true(chain_equals(answer.first.name, bytes_of_string("alpha")));
    client_free(client);
    rig_destroy(rig);
}

static void B57_authorized_operations_are_told_only_when_asked_for(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 0);
    struct metadata_request request = metadata_request_default;
    request.topics.count = -1;
    struct answer answer = ask(client, 9, &request);
    assert_int_equal(answer.first.topic_authorized_operations, INT32_MIN);
    assert_int_equal(answer.response.cluster_authorized_operations, INT32_MIN);
    request.include_topic_authorized_operations = true;
    request.include_cluster_authorized_operations = true;
    answer = ask(client, 9, &request);
    assert_int_equal(answer.first.topic_authorized_operations, 0xdf8);
    assert_int_equal(answer.response.cluster_authorized_operations, 0x1fa0);
    client_free(client);
    rig_destroy(rig);
}

static void a_topic_named_twice_is_told_once(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct client *client = client_connect(rig, 0);
    struct metadata_request_topic topics[4];
    struct metadata_request request = metadata_request_default;
    for (uint32_t i = 0; i < 4; i++) {
        topics[i] = metadata_request_topic_default;
        topics[i].name = text_chain(i % 2 == 0 ? "alpha" : "nowhere");
    }
    request.topics.items = topics;
    request.topics.count = 4;
    request.allow_auto_topic_creation = false;
    assert_int_equal(ask(client, 9, &request).topics, 2);
    client_free(client);
    rig_destroy(rig);
}

static void a_partition_on_a_dead_disk_has_no_leader(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    rig_find(rig, "alpha")->partitions[0].offline = true;
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    const struct answer answer = ask_name(client, 9, "alpha", false);
    assert_int_equal(answer.partition.error_code, ERROR_LEADER_NOT_AVAILABLE);
    assert_int_equal(answer.partition.leader_id, -1);
    assert_int_equal(answer.partition.offline_replicas.count, 1);
    client_free(client);
    rig_destroy(rig);
}

/* Clients that do not look at the errors of partitions would connect to nowhere. */
static void B12_a_topic_is_told_when_it_can_be_written_to(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    const struct uuid id = rig_topic(rig, "fresh", 1)->id;
    rig_publish_only(rig);
    rig_run_ms(rig, 500);
    struct client *client = client_connect(rig, 0);
    struct slow_header header;
    uint8_t payload[300];
    uint32_t len;
    struct metadata_request_topic by_id = metadata_request_topic_default;
    struct metadata_request request = metadata_request_default;
    while (rig_control_next(rig, 0, &header, payload, sizeof(payload), &len)) {
    }
    const struct answer before = ask_name(client, 9, "fresh", true);
    assert_int_equal(before.first.error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(before.first.partitions.count, 0);
    assert_false(rig_control_next(rig, 0, &header, payload, sizeof(payload), &len));
    request.topics.count = -1;
    assert_int_equal(ask(client, 12, &request).topics, 2);
    by_id.topic_id = id;
    by_id.name = CHAIN_NULL;
    request.topics.items = &by_id;
    request.topics.count = 1;
    assert_int_equal(ask(client, 12, &request).first.error_code, ERROR_UNKNOWN_TOPIC_ID);
    rig_publish(rig);
    assert_int_equal(ask_name(client, 9, "fresh", false).partition.leader_id, RIG_NODE_ID);
    assert_int_equal(ask(client, 12, &request).first.error_code, ERROR_NONE);
    client_free(client);
    rig_destroy(rig);
}

static void B12_added_partitions_are_told_when_they_can_be_written_to(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    struct metadata_request request = metadata_request_default;
    rig_find(rig, "alpha")->partitions[1].exists = false;
    rig_publish_only(rig);
    rig_run_ms(rig, 500);
    struct client *client = client_connect(rig, 0);
    struct answer answer = ask_name(client, 9, "alpha", false);
    assert_int_equal(answer.first.error_code, ERROR_NONE);
    assert_int_equal(answer.first.partitions.count, 1);
    assert_int_equal(answer.partition.leader_id, RIG_NODE_ID);
    request.topics.count = -1;
    answer = ask(client, 12, &request);
    assert_true(chain_equals(answer.first.name, bytes_of_string("alpha")));
    assert_int_equal(answer.first.partitions.count, 1);
    rig_find(rig, "alpha")->partitions[1].exists = true;
    rig_publish_only(rig);
    rig_run_ms(rig, 500);
    assert_int_equal(ask_name(client, 9, "alpha", false).first.partitions.count, 2);
    /* One that had a leader and lost it is told, though it has none. */
    rig_find(rig, "alpha")->partitions[1].offline = true;
    rig_publish_only(rig);
    rig_run_ms(rig, 500);
    assert_int_equal(ask_name(client, 9, "alpha", false).first.partitions.count, 2);
    client_free(client);
    rig_destroy(rig);
}

static void a_partition_that_is_not_recorded_yet_has_no_leader(void **state)
{
    (void)state;
    struct rig *rig = rig_of_two();
    rig_find(rig, "alpha")->partitions[0].exists = false;
    rig_publish_only(rig);
    rig_run_ms(rig, 500);
    struct client *client = client_connect(rig, 0);
    const struct answer answer = ask_name(client, 9, "alpha", false);
    assert_int_equal(answer.first.partitions.count, 2);
    assert_int_equal(answer.partition.error_code, ERROR_LEADER_NOT_AVAILABLE);
    assert_int_equal(answer.partition.leader_id, -1);
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(B11_null_is_all_and_empty_is_none_but_in_version_0),
        cmocka_unit_test(B12_every_version_names_leader_epoch_and_cluster),
        cmocka_unit_test(H29_without_a_configured_host_the_clients_own_address_is_told),
        cmocka_unit_test(B12_a_missing_topic_is_unknown_first_and_asked_of_control),
        cmocka_unit_test(B12_no_topic_is_made_where_nobody_wants_it),
        cmocka_unit_test(B13_names_that_no_topic_may_have_are_invalid),
        cmocka_unit_test(B14_topics_are_found_by_id_from_version_12_on),
        cmocka_unit_test(B11_versions_10_and_11_must_not_ask_by_id),
        cmocka_unit_test(B11_names_beside_ids_are_not_looked_at),
        cmocka_unit_test(B57_authorized_operations_are_told_only_when_asked_for),
        cmocka_unit_test(a_topic_named_twice_is_told_once),
        cmocka_unit_test(a_partition_on_a_dead_disk_has_no_leader),
        cmocka_unit_test(B12_a_topic_is_told_when_it_can_be_written_to),
        cmocka_unit_test(B12_added_partitions_are_told_when_they_can_be_written_to),
        cmocka_unit_test(a_partition_that_is_not_recorded_yet_has_no_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
