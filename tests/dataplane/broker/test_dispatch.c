#include "tests/dataplane/broker/rig.h"

#include "dataplane/broker/dispatch.h"
#include "storage/base/random.h"

static void the_table_and_the_schema_agree(void **state)
{
    (void)state;
    assert_int_equal(dispatch_count, api_count);
    for (uint32_t i = 0; i < dispatch_count; i++) {
        const struct api_row *row = &dispatch_table[i];
        assert_int_equal(row->key, api_table[i].key); /* Both ascend. */
        assert_ptr_equal(dispatch_find(row->key), row);
        assert_non_null(row->handler);
        /* Some requests of that API are for the coordinator. */
        const bool slow = row->lane == LANE_SLOW || row->key == API_INIT_PRODUCER_ID;
        assert_int_equal(row->slow_error != NULL, slow);
        assert_int_equal(row->away_error != ERROR_NONE, slow);
        if (slow) {
            assert_true(error_is_retriable(row->away_error)); /* H20 */
        }
    }
    assert_null(dispatch_find(-1));
    assert_null(dispatch_find(4));
    assert_null(dispatch_find(INT16_MAX));
}

/* What Kafka asks its authorizer for (KafkaApis, ControllerApis), by key. */
static const struct {
    int16_t key;
    enum access access;
} accesses[] = {
    {API_PRODUCE, ACCESS_WRITE_TOPIC},
    {API_FETCH, ACCESS_READ_TOPIC},
    {API_LIST_OFFSETS, ACCESS_DESCRIBE_TOPIC},
    {API_METADATA, ACCESS_DESCRIBE_TOPIC},
    {API_OFFSET_COMMIT, ACCESS_READ_GROUP},
    {API_OFFSET_FETCH, ACCESS_DESCRIBE_GROUP},
    {API_FIND_COORDINATOR, ACCESS_DESCRIBE_GROUP},
    {API_JOIN_GROUP, ACCESS_READ_GROUP},
    {API_HEARTBEAT, ACCESS_READ_GROUP},
    {API_LEAVE_GROUP, ACCESS_READ_GROUP},
    {API_SYNC_GROUP, ACCESS_READ_GROUP},
    {API_DESCRIBE_GROUPS, ACCESS_DESCRIBE_GROUP},
    {API_LIST_GROUPS, ACCESS_DESCRIBE_CLUSTER},
    {API_API_VERSIONS, ACCESS_NONE},
    {API_CREATE_TOPICS, ACCESS_CREATE_TOPIC},
    {API_DELETE_TOPICS, ACCESS_DELETE_TOPIC},
    {API_DELETE_RECORDS, ACCESS_DELETE_RECORDS},
    {API_INIT_PRODUCER_ID, ACCESS_IDEMPOTENT_WRITE},
    {API_OFFSET_FOR_LEADER_EPOCH, ACCESS_DESCRIBE_TOPIC},
    {API_ADD_PARTITIONS_TO_TXN, ACCESS_WRITE_TXN},
    {API_ADD_OFFSETS_TO_TXN, ACCESS_WRITE_TXN},
    {API_END_TXN, ACCESS_WRITE_TXN},
    {API_WRITE_TXN_MARKERS, ACCESS_ALTER_CLUSTER},
    {API_TXN_OFFSET_COMMIT, ACCESS_WRITE_TXN},
    {API_DESCRIBE_TRANSACTIONS, ACCESS_DESCRIBE_TXN},
    {API_LIST_TRANSACTIONS, ACCESS_DESCRIBE_TXN},
    {API_DESCRIBE_ACLS, ACCESS_DESCRIBE_CLUSTER},
    {API_CREATE_ACLS, ACCESS_ALTER_CLUSTER},
    {API_DELETE_ACLS, ACCESS_ALTER_CLUSTER},
    {API_DESCRIBE_CONFIGS, ACCESS_DESCRIBE_CONFIGS},
    {API_ALTER_CONFIGS, ACCESS_ALTER_CONFIGS},
    {API_DESCRIBE_LOG_DIRS, ACCESS_DESCRIBE_CLUSTER},
    {API_CREATE_PARTITIONS, ACCESS_ALTER_TOPIC},
    {API_DELETE_GROUPS, ACCESS_DELETE_GROUP},
    {API_ELECT_LEADERS, ACCESS_ALTER_CLUSTER},
    {API_INCREMENTAL_ALTER_CONFIGS, ACCESS_ALTER_CONFIGS},
    {API_ALTER_PARTITION_REASSIGNMENTS, ACCESS_ALTER_CLUSTER},
    {API_LIST_PARTITION_REASSIGNMENTS, ACCESS_DESCRIBE_CLUSTER},
    {API_OFFSET_DELETE, ACCESS_DELETE_GROUP},
    {API_DESCRIBE_CLUSTER, ACCESS_DESCRIBE_CLUSTER},
    {API_CONSUMER_GROUP_HEARTBEAT, ACCESS_READ_GROUP},
    {API_CONSUMER_GROUP_DESCRIBE, ACCESS_DESCRIBE_GROUP},
    {API_DESCRIBE_PRODUCERS, ACCESS_READ_TOPIC},
    {API_LIST_CONFIG_RESOURCES, ACCESS_DESCRIBE_CONFIGS},
    {API_DESCRIBE_TOPIC_PARTITIONS, ACCESS_DESCRIBE_TOPIC},
};

static void H27_every_api_says_what_its_caller_must_be_allowed(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_SIZE(accesses), dispatch_count);
    for (uint32_t i = 0; i < dispatch_count; i++) {
        const struct api_row *row = dispatch_find(accesses[i].key);
        assert_non_null(row);
        assert_int_equal(row->access, accesses[i].access);
        /* Who is not known yet may be allowed nothing. */
        assert_true(!row->before_authentication || row->access == ACCESS_NONE);
        assert_true(row->after_authentication);
    }
}

static void H27_before_authentication_only_versions_are_told(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    for (uint32_t i = 0; i < dispatch_count; i++) {
        const struct api_row *row = &dispatch_table[i];
        assert_int_equal(row->before_authentication, row->key == API_API_VERSIONS);
        struct client *client = client_connect(rig, 0);
        rig_run_ms(rig, 1);
        assert_int_equal(rig->cores[0].broker->connections.used, 1);
        struct connection *connection =
            CONTAINER_OF(list_first(&rig->cores[0].broker->idle), struct connection, idle_node);
        connection->phase = PHASE_AUTHENTICATING;
        struct writer writer;
        client_writer(client, &writer, (enum api_key)row->key, api_find(row->key)->version_min);
        for (uint32_t at = 0; at < 40; at++) {
            writer_i8(&writer, 0);
        }
        client_send(client, &writer);
        if (row->before_authentication) {
            rig_run_ms(rig, 1);
            assert_false(sim_peer_closed(client->peer));
        } else {
            client_expect_closed(client);
        }
        client_free(client);
        rig_run_ms(rig, 1);
    }
    rig_destroy(rig);
}

/* Random bodies of every API and version: an answer or a close, and others are served on. */
static void hostile_bodies_are_answered_or_close_the_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.cores = 2, .seed = 3});
    rig_topic(rig, "orders", 2);
    rig_publish(rig);
    struct random random;
    random_init(&random, 99);
    for (uint32_t i = 0; i < api_count; i++) {
        for (int16_t version = api_table[i].version_min; version <= api_table[i].version_max;
             version++) {
            struct client *client = client_connect(rig, (uint32_t)version % 2);
            struct writer writer;
            client_writer(client, &writer, (enum api_key)api_table[i].key, version);
            const uint64_t count = random_below(&random, 60);
            for (uint64_t at = 0; at < count; at++) {
                writer_i8(&writer,
                          (int8_t)(random_below(&random, 3) == 0 ? random_below(&random, 256)
                                                                 : random_below(&random, 3)));
            }
            client_send(client, &writer);
            rig_run_ms(rig, 1);
            client_free(client);
        }
    }
    struct client *client = client_connect(rig, 0);
    assert_true(client_put_record(client, "orders", 0, 1) >= 0);
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_and_the_schema_agree),
        cmocka_unit_test(H27_every_api_says_what_its_caller_must_be_allowed),
        cmocka_unit_test(H27_before_authentication_only_versions_are_told),
        cmocka_unit_test(hostile_bodies_are_answered_or_close_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
