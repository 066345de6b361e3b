#include "tests/control/bench.h"

#include "control/step.h"

static void set(struct step_bench *bench, enum resource_type type, const char *name,
                const char *key, const char *value)
{
    changes_config(&bench->changes, type, bytes_of_string(name), bytes_of_string(key),
                   bytes_of_string(value));
    step_bench_apply(bench);
}

static struct partition_config config_of(struct step_bench *bench, const char *topic)
{
    const struct config_view view = config_view_of(&bench->image, bench->settings);
    struct partition_config config;
    config_partition(&view, image_resource(&bench->image, RESOURCE_TOPIC, bytes_of_string(topic)),
                     &config);
    return config;
}

static void the_nearest_source_of_a_broker_key_wins(void **state)
{
    (void)state;
    static const char *const extra[] = {"--set", "kafka.num.partitions=2", NULL};
    struct step_bench *bench = step_bench_new(extra);
    const struct config_view view = config_view_of(&bench->image, bench->settings);
    assert_string_equal(config_broker_value(&view, "auto.create.topics.enable"), "true");
    assert_int_equal(config_broker_number(&view, "num.partitions"), 2);
    assert_string_equal(config_broker_in(&view, CONFIG_SOURCE_STATIC, "num.partitions"), "2");
    set(bench, RESOURCE_BROKER, "", "num.partitions", "3");
    assert_int_equal(config_broker_number(&view, "num.partitions"), 3);
    set(bench, RESOURCE_BROKER, "1", "num.partitions", "4");
    assert_int_equal(config_broker_number(&view, "num.partitions"), 4);
    assert_string_equal(config_broker_in(&view, CONFIG_SOURCE_CLUSTER, "num.partitions"), "3");
    set(bench, RESOURCE_BROKER, "2", "num.partitions", "5"); /* Another broker's. */
    assert_int_equal(config_broker_number(&view, "num.partitions"), 4);
    step_bench_free(bench);
}

static void a_topic_s_own_value_wins_over_the_brokers_synonyms(void **state)
{
    (void)state;
    static const char *const extra[] = {"--set", "kafka.log.retention.hours=2", NULL};
    struct step_bench *bench = step_bench_new(extra);
    assert_int_equal(config_of(bench, "t").retention_ms, 2 * 3600000);
    set(bench, RESOURCE_BROKER, "", "log.retention.ms", "777");
    assert_int_equal(config_of(bench, "t").retention_ms, 777);
    set(bench, RESOURCE_TOPIC, "t", "retention.ms", "5");
    assert_int_equal(config_of(bench, "t").retention_ms, 5);
    assert_int_equal(config_of(bench, "other").retention_ms, 777);
    step_bench_free(bench);
}

static void defaults_are_kafkas(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    const struct partition_config config = config_of(bench, "t");
    assert_int_equal(config.retention_ms, 604800000);
    assert_int_equal(config.retention_bytes, -1);
    assert_int_equal(config.segment_bytes, 1073741824);
    assert_int_equal(config.segment_ms, 604800000);
    assert_int_equal(config.max_message_bytes, 1048588);
    assert_int_equal(config.index_interval_bytes, 4096);
    assert_int_equal(config.segment_index_bytes, 10485760);
    assert_true(config.flush_messages == INT64_MAX);
    assert_true(config.flush_ms == INT64_MAX);
    assert_true(config.timestamp_before_max_ms == INT64_MAX);
    assert_int_equal(config.timestamp_after_max_ms, 3600000);
    assert_int_equal(config.timestamp_type, TIMESTAMP_CREATE_TIME);
    assert_int_equal(config.producer_expiration_ms, 86400000);
    assert_int_equal(config.retention_check_ms, 300000);
    assert_int_equal(config.producer_check_ms, 600000);
    assert_int_equal(config.file_delete_delay_ms, 60000);
    assert_true(config.cleanup_delete);
    assert_false(config.cleanup_compact);
    assert_int_equal(config.compression, -1);
    assert_int_equal(config.compression_level, INT32_MIN);
    step_bench_free(bench);
}

static void words_become_what_the_log_understands(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    set(bench, RESOURCE_TOPIC, "t", "cleanup.policy", "compact, delete");
    set(bench, RESOURCE_TOPIC, "t", "message.timestamp.type", " LogAppendTime ");
    struct partition_config config = config_of(bench, "t");
    assert_true(config.cleanup_compact);
    assert_true(config.cleanup_delete);
    assert_int_equal(config.timestamp_type, TIMESTAMP_LOG_APPEND_TIME);
    set(bench, RESOURCE_TOPIC, "t", "cleanup.policy", ""); /* Keep for ever. */
    config = config_of(bench, "t");
    assert_false(config.cleanup_compact);
    assert_false(config.cleanup_delete);
    step_bench_free(bench);
}

/* Of the topic, or else of the broker; the level is that of the codec. */
static void a_codec_comes_with_its_level(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int8_t codec;
        int32_t level;
    } cases[] = {{"uncompressed", BATCH_CODEC_NONE, INT32_MIN},
                 {"gzip", BATCH_CODEC_GZIP, -1},
                 {" snappy ", BATCH_CODEC_SNAPPY, INT32_MIN},
                 {"lz4", BATCH_CODEC_LZ4, 12},
                 {"zstd", BATCH_CODEC_ZSTD, -7},
                 {"producer", -1, INT32_MIN}};
    static const char *const extra[] = {"--set", "kafka.compression.type=gzip", NULL};
    struct step_bench *bench = step_bench_new(extra);
    struct partition_config config = config_of(bench, "t");
    assert_int_equal(config.compression, BATCH_CODEC_GZIP);
    set(bench, RESOURCE_TOPIC, "t", "compression.lz4.level", "12");
    set(bench, RESOURCE_BROKER, "", "compression.zstd.level", "-7");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        set(bench, RESOURCE_TOPIC, "t", "compression.type", cases[i].type);
        config = config_of(bench, "t");
        assert_int_equal(config.compression, cases[i].codec);
        assert_int_equal(config.compression_level, cases[i].level);
    }
    step_bench_free(bench);
}

static void the_source_of_an_inherited_value_is_named(void **state)
{
    (void)state;
    static const char *const extra[] = {"--set", "kafka.log.segment.bytes=2097152", NULL};
    struct step_bench *bench = step_bench_new(extra);
    const struct config_view view = config_view_of(&bench->image, bench->settings);
    char room[24];
    enum config_source source;
    const struct kafka_key *key = kafka_key_find(KAFKA_TOPIC, bytes_of_string("segment.bytes"));
    assert_string_equal(config_topic_inherited(&view, key, room, &source), "2097152");
    assert_int_equal(source, CONFIG_SOURCE_STATIC);
    set(bench, RESOURCE_BROKER, "1", "log.segment.bytes", "3000000");
    assert_string_equal(config_topic_inherited(&view, key, room, &source), "3000000");
    assert_int_equal(source, CONFIG_SOURCE_BROKER);
    key = kafka_key_find(KAFKA_TOPIC, bytes_of_string("flush.ms"));
    assert_string_equal(config_topic_inherited(&view, key, room, &source), "9223372036854775807");
    assert_int_equal(source, CONFIG_SOURCE_DEFAULT);
    step_bench_free(bench);
}

static void the_cores_get_the_brokers_limits(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    const struct config_view view = config_view_of(&bench->image, bench->settings);
    struct server_settings server;
    set(bench, RESOURCE_BROKER, "", "max.connections", "17");
    set(bench, RESOURCE_BROKER, "1", "max.connections.per.ip.overrides", "10.0.0.1:5");
    set(bench, RESOURCE_BROKER, "", "auto.create.topics.enable", "false");
    set(bench, RESOURCE_BROKER, "1", "listener.name.plaintext.max.connection.creation.rate", "9");
    config_server(&view, &server);
    assert_int_equal(server.connection_count_max, 17);
    assert_int_equal(server.connection_rate_max, 9);
    set(bench, RESOURCE_BROKER, "", "max.connection.creation.rate", "8"); /* The lower counts. */
    set(bench, RESOURCE_BROKER, "1", "listener.name.plaintext.max.connections", "16");
    config_server(&view, &server);
    assert_int_equal(server.connection_rate_max, 8);
    assert_int_equal(server.connection_count_max, 16);
    assert_true(bytes_equal(server.connection_per_ip_overrides, bytes_of_string("10.0.0.1:5")));
    assert_int_equal(server.connections_idle_ms_max, 600000);
    assert_int_equal(server.request_bytes_max, 104857600);
    assert_int_equal(server.fetch_bytes_max, 57671680);
    assert_int_equal(server.fetch_session_count_max, 1000);
    assert_int_equal(server.partition_default_count, 1);
    assert_int_equal(server.partition_page_max, 2000);
    assert_false(server.auto_create_topics);
    assert_true(server.delete_topic_enable);
    step_bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_source_of_a_broker_key_wins),
        cmocka_unit_test(a_topic_s_own_value_wins_over_the_brokers_synonyms),
        cmocka_unit_test(defaults_are_kafkas),
        cmocka_unit_test(words_become_what_the_log_understands),
        cmocka_unit_test(a_codec_comes_with_its_level),
        cmocka_unit_test(the_source_of_an_inherited_value_is_named),
        cmocka_unit_test(the_cores_get_the_brokers_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
