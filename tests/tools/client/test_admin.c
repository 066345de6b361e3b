#include <string.h>

#include "dataplane/kafka/errors.h"
#include "tests/tools/client/client_bench.h"
#include "tools/client/admin.h"

static void settings_are_split_at_the_first_equals_sign(void **state)
{
    (void)state;
    struct admin_setting setting;
    fake_broker_start(broker);
    assert_true(admin_setting_parse("a.b=c=d", &setting));
    assert_int_equal(setting.key.len, 3);
    assert_memory_equal(setting.value.ptr, "c=d", 3);
    assert_true(admin_setting_parse("k=", &setting));
    assert_non_null(setting.value.ptr);
    assert_int_equal(setting.value.len, 0);
    assert_false(admin_setting_parse("k", &setting));
    assert_false(admin_setting_parse("=v", &setting));
}

static void a_topic_is_created_in_every_version(void **state)
{
    (void)state;
    const struct api_info *api = api_find(API_CREATE_TOPICS);
    struct admin_setting setting;
    struct admin_created created;
    assert_true(admin_setting_parse("retention.ms=7", &setting));
    const struct admin_new_topic topic = {.name = "orders",
                                          .partitions = 4,
                                          .replicas = -1,
                                          .settings = &setting,
                                          .setting_count = 1};
    for (int16_t version = api->version_min; version <= api->version_max; version++) {
        broker->version_max[API_CREATE_TOPICS] = version;
        begin();
        assert_true(admin_create_topic(&client, &topic, &created));
        client_close(&client);
        fake_broker_stop(broker);
        assert_int_equal(broker->versions[API_CREATE_TOPICS], version);
        assert_int_equal(broker->created_partitions, 4);
        assert_string_equal(broker->config_key, "retention.ms");
        assert_string_equal(broker->config_value, "7");
        assert_int_equal(created.partitions, version >= 5 ? FAKE_PARTITIONS : -1);
        assert_int_equal(uuid_is_zero(created.id), version < 7);
    }
}

static void a_refusal_carries_the_brokers_words(void **state)
{
    (void)state;
    struct admin_created created;
    const struct admin_new_topic topic = {.name = "orders", .partitions = 1, .replicas = 1};
    broker->error[API_CREATE_TOPICS] = ERROR_INVALID_REPLICATION_FACTOR;
    begin();
    assert_false(admin_create_topic(&client, &topic, &created));
    assert_non_null(strstr(client.problem.text, "INVALID_REPLICATION_FACTOR"));
    assert_non_null(strstr(client.problem.text, "(says the broker)"));
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_CREATE_TOPICS], 1);
}

static void a_controller_that_starts_is_waited_for(void **state)
{
    (void)state;
    struct admin_created created;
    const struct admin_new_topic topic = {.name = "orders", .partitions = 1, .replicas = 1};
    broker->error[API_CREATE_TOPICS] = ERROR_REQUEST_TIMED_OUT;
    broker->times[API_CREATE_TOPICS] = 1;
    begin();
    assert_true(admin_create_topic(&client, &topic, &created));
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_CREATE_TOPICS], 2);
}

static void a_create_whose_answer_was_lost_is_repeated(void **state)
{
    (void)state;
    struct admin_created created;
    const struct admin_new_topic topic = {.name = "orders", .partitions = 1, .replicas = 1};
    broker->lose_answer[API_CREATE_TOPICS] = true;
    begin();
    assert_true(admin_create_topic(&client, &topic, &created));
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_CREATE_TOPICS], 2);
}

static void what_a_lost_attempt_may_have_done_is_told(void **state)
{
    (void)state;
    struct admin_created created;
    const struct admin_new_topic topic = {.name = "orders", .partitions = 1, .replicas = 1};
    broker->lose_answer[API_CREATE_TOPICS] = true;
    broker->error[API_CREATE_TOPICS] = ERROR_TOPIC_ALREADY_EXISTS;
    broker->lose_answer[API_CREATE_PARTITIONS] = true;
    broker->error[API_CREATE_PARTITIONS] = ERROR_INVALID_PARTITIONS;
    broker->lose_answer[API_DELETE_TOPICS] = true;
    begin();
    assert_false(admin_create_topic(&client, &topic, &created));
    assert_non_null(strstr(client.problem.text, "this command may have done it"));
    assert_false(admin_create_topic(&client, &topic, &created)); /* Nothing was lost this time. */
    assert_null(strstr(client.problem.text, "this command may have done it"));
    assert_false(admin_grow_topic(&client, "orders", 3));
    assert_non_null(strstr(client.problem.text, "this command may have done it"));
    assert_true(admin_delete_topic(&client, "orders")); /* It is gone: what was asked for. */
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_DELETE_TOPICS], 2);
}

static void a_topic_is_deleted_by_name_old_and_new(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 6; version++) {
        broker->version_max[API_DELETE_TOPICS] = version;
        broker->exists = true;
        begin();
        assert_true(admin_delete_topic(&client, "orders"));
        assert_false(admin_delete_topic(&client, "orders"));
        assert_int_equal(client.problem.code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        client_close(&client);
        fake_broker_stop(broker);
        assert_false(broker->exists);
    }
}

static void a_topic_grows_to_the_number_asked_for(void **state)
{
    (void)state;
    begin();
    assert_true(admin_grow_topic(&client, "orders", 12));
    fake_broker_stop(broker);
    assert_int_equal(broker->created_partitions, 12);
    broker->error[API_CREATE_PARTITIONS] = ERROR_INVALID_PARTITIONS;
    fake_broker_start(broker);
    assert_false(admin_grow_topic(&client, "orders", 1));
    assert_non_null(strstr(client.problem.text, "can only grow"));
}

static void settings_are_set_and_taken_back(void **state)
{
    (void)state;
    struct admin_setting setting;
    assert_true(admin_setting_parse("retention.ms=9", &setting));
    begin();
    assert_true(admin_set_topic(&client, "orders", &setting, 1));
    fake_broker_stop(broker);
    assert_int_equal(broker->config_operation, 0);
    assert_string_equal(broker->config_value, "9");
    fake_broker_start(broker);
    setting.value = (struct bytes){0};
    assert_true(admin_set_topic(&client, "orders", &setting, 1));
    fake_broker_stop(broker);
    assert_int_equal(broker->config_operation, 1);
    assert_string_equal(broker->config_key, "retention.ms");
}

static void settings_come_sorted_with_their_source(void **state)
{
    (void)state;
    struct admin_config *configs;
    uint32_t count;
    begin();
    assert_true(admin_topic_configs(&client, "orders", &configs, &count));
    assert_int_equal(count, 2);
    assert_string_equal(configs[0].name, "a.secret");
    assert_null(configs[0].value);
    assert_true(configs[0].sensitive);
    assert_string_equal(configs[1].value, "5");
    assert_string_equal(admin_source_name(configs[1].source), "topic");
    assert_string_equal(admin_source_name(99), "unknown");
    admin_configs_free(configs, count);
}

static void sizes_are_summed_over_directories(void **state)
{
    (void)state;
    struct client_topic topic;
    int64_t sizes[FAKE_PARTITIONS];
    begin();
    assert_true(client_topic(&client, "orders", CLIENT_TOPIC_AS_IS, &topic));
    assert_true(admin_topic_sizes(&client, &topic, sizes));
    for (int i = 0; i < FAKE_PARTITIONS; i++) {
        assert_int_equal(sizes[i], 1000 + i);
    }
    client_topic_free(&topic);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_bench_setup, client_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(settings_are_split_at_the_first_equals_sign),
        TEST(a_topic_is_created_in_every_version),
        TEST(a_refusal_carries_the_brokers_words),
        TEST(a_controller_that_starts_is_waited_for),
        TEST(a_create_whose_answer_was_lost_is_repeated),
        TEST(what_a_lost_attempt_may_have_done_is_told),
        TEST(a_topic_is_deleted_by_name_old_and_new),
        TEST(a_topic_grows_to_the_number_asked_for),
        TEST(settings_are_set_and_taken_back),
        TEST(settings_come_sorted_with_their_source),
        TEST(sizes_are_summed_over_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
