#include "tests/control/bench.h"

#include <stdlib.h>

#include "control/step.h"

static int bench_up(void **state)
{
    static const char *const extra[] = {"--set", "kafka.log.segment.bytes=2097152", NULL};
    struct step_bench *bench = step_bench_new(extra);
    step_bench_topic(bench, "t", 1);
    *state = bench;
    return 0;
}

static void set(struct step_bench *bench, enum resource_type type, const char *name,
                const char *key, const char *value)
{
    changes_config(&bench->changes, type, bytes_of_string(name), bytes_of_string(key),
                   bytes_of_string(value));
    step_bench_apply(bench);
}

static void synonyms_read(struct step_bench *bench, struct describe_configs_response_config *config)
{
    struct describe_configs_response_synonym_array encoded = config->synonyms;
    struct describe_configs_response_synonym *items =
        ARENA_ARRAY(&bench->arena, struct describe_configs_response_synonym, encoded.count);
    config->synonyms.items = items;
    while (describe_configs_response_synonym_array_next(&encoded, items)) {
        items++;
    }
}

/* The only result of an answer, with arrays in memory. The body is freed with the bench. */
static const struct describe_configs_response_result *result_read(struct step_bench *bench,
                                                                  struct step_body *body)
{
    struct describe_configs_response answer;
    struct reader reader;
    struct bytes *kept = ARENA_ARRAY(&bench->arena, struct bytes, 1);
    struct describe_configs_response_result *result =
        ARENA_ARRAY(&bench->arena, struct describe_configs_response_result, 1);
    *kept = arena_copy(&bench->arena, (struct bytes){body->ptr, body->len});
    free(body->ptr);
    reader_init(&reader, chain_of(kept));
    assert_int_equal(describe_configs_response_decode(&reader, 4, &answer), CODEC_OK);
    assert_int_equal(reader_left(&reader), 0);
    assert_int_equal(answer.results.count, 1);
    assert_true(describe_configs_response_result_array_next(&answer.results, result));
    struct describe_configs_response_config_array encoded = result->configs;
    struct describe_configs_response_config *items =
        ARENA_ARRAY(&bench->arena, struct describe_configs_response_config, encoded.count);
    result->configs.items = items;
    for (; describe_configs_response_config_array_next(&encoded, items); items++) {
        synonyms_read(bench, items);
    }
    return result;
}

/* keys: NULL for all, else a list that ends with NULL. */
static const struct describe_configs_response_result *run(struct step_bench *bench, int8_t type,
                                                          const char *name, const char *const *keys)
{
    struct bytes texts[8];
    struct chain chains[8];
    const struct bytes resource_name = bytes_of_string(name);
    struct describe_configs_request_resource resource = describe_configs_request_resource_default;
    resource.resource_type = type;
    resource.resource_name = chain_of(&resource_name);
    resource.configuration_keys.items = chains;
    resource.configuration_keys.count = keys == NULL ? -1 : 0;
    for (; keys != NULL && *keys != NULL; keys++) {
        const int32_t at = resource.configuration_keys.count++;
        texts[at] = bytes_of_string(*keys);
        chains[at] = chain_of(&texts[at]);
    }
    struct describe_configs_request request = describe_configs_request_default;
    request.resources.items = &resource;
    request.resources.count = 1;
    request.include_synonyms = true;
    request.include_documentation = true;
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    assert_int_equal(describe_configs_request_encode(&writer, 4, &request), CODEC_OK);
    struct step step = step_bench_step(bench, 4, &writer);
    describe_configs_step(&step);
    assert_false(step.again);
    if (step.whole_error != ERROR_NONE) {
        assert_int_equal(step.whole_error, ERROR_INVALID_REQUEST);
        free(step.body_out.ptr);
        return NULL;
    }
    return result_read(bench, &step.body_out);
}

static const struct describe_configs_response_config *
config_of(const struct describe_configs_response_result *result, const char *name)
{
    for (int32_t i = 0; i < result->configs.count; i++) {
        if (chain_is(result->configs.items[i].name, name)) {
            return &result->configs.items[i];
        }
    }
    fail_msg("%s is not there", name);
    return NULL;
}

static void a_topic_s_keys_name_their_sources_and_synonyms(void **state)
{
    struct step_bench *bench = *state;
    set(bench, RESOURCE_BROKER, "", "log.segment.bytes", "3000000");
    set(bench, RESOURCE_TOPIC, "t", "segment.bytes", "4000000");
    const struct describe_configs_response_result *result = run(bench, RESOURCE_TOPIC, "t", NULL);
    assert_int_equal(result->error_code, ERROR_NONE);
    uint32_t count;
    (void)kafka_keys(KAFKA_TOPIC, &count);
    assert_int_equal(result->configs.count, count);
    const struct describe_configs_response_config *config = config_of(result, "segment.bytes");
    assert_true(chain_is(config->value, "4000000"));
    assert_int_equal(config->config_source, CONFIG_SOURCE_TOPIC);
    assert_int_equal(config->config_type, KAFKA_KEY_INT);
    assert_false(config->read_only);
    assert_true(config->documentation.len > 0);
    const struct {
        const char *name;
        const char *value;
        int8_t source;
    } synonyms[] = {{"segment.bytes", "4000000", CONFIG_SOURCE_TOPIC},
                    {"log.segment.bytes", "3000000", CONFIG_SOURCE_CLUSTER},
                    {"log.segment.bytes", "2097152", CONFIG_SOURCE_STATIC},
                    {"log.segment.bytes", "1073741824", CONFIG_SOURCE_DEFAULT}};
    assert_int_equal(config->synonyms.count, ARRAY_SIZE(synonyms));
    for (uint32_t i = 0; i < ARRAY_SIZE(synonyms); i++) {
        assert_true(chain_is(config->synonyms.items[i].name, synonyms[i].name));
        assert_true(chain_is(config->synonyms.items[i].value, synonyms[i].value));
        assert_int_equal(config->synonyms.items[i].source, synonyms[i].source);
    }
    /* log.retention.ms has no default of its own: what stands before it is dropped, as in Kafka. */
    config = config_of(result, "retention.ms");
    assert_true(chain_is(config->value, "604800000"));
    assert_int_equal(config->config_source, CONFIG_SOURCE_DEFAULT);
    assert_int_equal(config->synonyms.count, 0);
}

static void only_the_wanted_keys_come(void **state)
{
    struct step_bench *bench = *state;
    static const char *const keys[] = {"retention.ms", "nonsense", NULL};
    const struct describe_configs_response_result *result = run(bench, RESOURCE_TOPIC, "t", keys);
    assert_int_equal(result->configs.count, 1);
}

static void an_empty_list_of_keys_wants_all_of_them(void **state)
{
    struct step_bench *bench = *state;
    static const char *const none[] = {NULL};
    uint32_t count;
    (void)kafka_keys(KAFKA_TOPIC, &count);
    assert_int_equal(run(bench, RESOURCE_TOPIC, "t", none)->configs.count, count);
    const struct kafka_key *keys = kafka_keys(KAFKA_BROKER, &count);
    uint32_t internal = 0; /* And not set. */
    for (uint32_t i = 0; i < count; i++) {
        internal += (keys[i].flags & KAFKA_INTERNAL) != 0;
    }
    assert_true(internal > 0);
    assert_int_equal(run(bench, RESOURCE_BROKER, "1", none)->configs.count, count - internal);
}

static void values_are_shown_as_they_are_read(void **state)
{
    struct step_bench *bench = *state;
    set(bench, RESOURCE_TOPIC, "t", "cleanup.policy", "compact, delete,compact");
    set(bench, RESOURCE_TOPIC, "t", "preallocate", " TRUE");
    set(bench, RESOURCE_BROKER, "1", "log.retention.ms", "+99");
    set(bench, RESOURCE_GROUP, "g", "share.session.timeout.ms", " 50000 ");
    const struct describe_configs_response_result *result = run(bench, RESOURCE_TOPIC, "t", NULL);
    const struct describe_configs_response_config *config = config_of(result, "cleanup.policy");
    assert_true(chain_is(config->value, "compact,delete"));
    assert_true(chain_is(config->synonyms.items[0].value, "compact,delete"));
    assert_true(chain_is(config_of(result, "preallocate")->value, "true"));
    result = run(bench, RESOURCE_BROKER, "1", NULL);
    config = config_of(result, "log.retention.ms");
    assert_true(chain_is(config->value, "99"));
    assert_true(chain_is(config->synonyms.items[0].value, "+99")); /* Here as it was written. */
    result = run(bench, RESOURCE_GROUP, "g", NULL);
    assert_true(chain_is(config_of(result, "share.session.timeout.ms")->value, "50000"));
}

static void the_node_says_what_is_read_only(void **state)
{
    struct step_bench *bench = *state;
    set(bench, RESOURCE_BROKER, "1", "log.retention.ms", "99");
    const struct describe_configs_response_result *result = run(bench, RESOURCE_BROKER, "1", NULL);
    const struct describe_configs_response_config *config = config_of(result, "log.retention.ms");
    assert_true(chain_is(config->value, "99"));
    assert_int_equal(config->config_source, CONFIG_SOURCE_BROKER);
    assert_false(config->read_only);
    config = config_of(result, "node.id");
    assert_true(chain_is(config->value, "1"));
    assert_true(config->read_only);
    assert_int_equal(config->config_source, CONFIG_SOURCE_STATIC);
    config = config_of(result, "log.segment.bytes");
    assert_int_equal(config->config_source, CONFIG_SOURCE_STATIC);
    config = config_of(result, "ssl.keystore.password");
    assert_true(config->is_sensitive);
    assert_true(chain_is_null(config->value));
}

static void the_cluster_s_default_lists_only_what_is_set(void **state)
{
    struct step_bench *bench = *state;
    assert_int_equal(run(bench, RESOURCE_BROKER, "", NULL)->configs.count, 0);
    set(bench, RESOURCE_BROKER, "", "log.retention.ms", "99");
    set(bench, RESOURCE_BROKER, "1", "log.retention.ms", "98");
    set(bench, RESOURCE_BROKER, "", "my.plugin.key", "x");
    const struct describe_configs_response_result *result = run(bench, RESOURCE_BROKER, "", NULL);
    assert_int_equal(result->configs.count, 2);
    const struct describe_configs_response_config *config = config_of(result, "log.retention.ms");
    assert_true(chain_is(config->value, "99"));
    assert_int_equal(config->config_source, CONFIG_SOURCE_CLUSTER);
    assert_int_equal(config->synonyms.count, 1);
}

static void what_is_set_and_in_no_table_is_told_too(void **state)
{
    struct step_bench *bench = *state;
    static const struct {
        const char *key;
        const char *value; /* NULL: not shown. */
        int8_t type;
        int8_t source;
    } cases[] = {
        {"leader.replication.throttled.rate", "500", KAFKA_KEY_LONG, CONFIG_SOURCE_BROKER},
        {"listener.name.one.ssl.keystore.password", NULL, KAFKA_KEY_PASSWORD, CONFIG_SOURCE_BROKER},
        {"listener.name.one.max.connections", "7", KAFKA_KEY_INT, CONFIG_SOURCE_CLUSTER},
        {"my.plugin.key", NULL, 0, CONFIG_SOURCE_BROKER},
        {"my.other.key", NULL, 0, CONFIG_SOURCE_CLUSTER},
    };
    uint32_t known = (uint32_t)run(bench, RESOURCE_BROKER, "1", NULL)->configs.count;
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        set(bench, RESOURCE_BROKER, cases[i].source == CONFIG_SOURCE_BROKER ? "1" : "",
            cases[i].key, cases[i].value == NULL ? "hidden" : cases[i].value);
    }
    set(bench, RESOURCE_BROKER, "", "my.plugin.key", "twice");
    const struct describe_configs_response_result *result = run(bench, RESOURCE_BROKER, "1", NULL);
    assert_int_equal(result->configs.count, known + ARRAY_SIZE(cases));
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct describe_configs_response_config *config = config_of(result, cases[i].key);
        assert_true(cases[i].value == NULL ? chain_is_null(config->value)
                                           : chain_is(config->value, cases[i].value));
        assert_int_equal(config->is_sensitive, cases[i].value == NULL);
        assert_int_equal(config->config_type, cases[i].type);
        assert_int_equal(config->config_source, cases[i].source);
        assert_true(config->read_only);
        assert_true(chain_is(config->synonyms.items[0].name, cases[i].key));
    }
    assert_int_equal(config_of(result, "my.plugin.key")->synonyms.count, 2);
    assert_int_equal(run(bench, RESOURCE_BROKER, "", NULL)->configs.count, 3);
}

/* Connect, Streams and Schema Registry look at their topics, consoles at the broker, before they
 * start; MirrorMaker copies what it finds. */
static void B55_what_other_software_reads_is_there(void **state)
{
    struct step_bench *bench = *state;
    static const struct {
        int8_t type;
        const char *key;
        const char *value;
    } cases[] = {
        {RESOURCE_TOPIC, "cleanup.policy", "compact"}, /* Exactly this word. */
        {RESOURCE_TOPIC, "retention.ms", "604800000"},
        {RESOURCE_TOPIC, "retention.bytes", "-1"},
        {RESOURCE_TOPIC, "min.compaction.lag.ms", "0"},
        {RESOURCE_TOPIC, "min.insync.replicas", "1"},
        {RESOURCE_TOPIC, "message.timestamp.type", "CreateTime"},
        {RESOURCE_BROKER, "delete.topic.enable", "true"},
        {RESOURCE_BROKER, "auto.create.topics.enable", "true"},
        {RESOURCE_BROKER, "default.replication.factor", "1"},
        {RESOURCE_BROKER, "offsets.retention.minutes", "10080"},
        {RESOURCE_BROKER, "group.initial.rebalance.delay.ms", "3000"},
    };
    set(bench, RESOURCE_TOPIC, "t", "cleanup.policy", "compact");
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *const keys[] = {cases[i].key, NULL};
        const struct describe_configs_response_result *result =
            run(bench, cases[i].type, cases[i].type == RESOURCE_TOPIC ? "t" : "1", keys);
        assert_int_equal(result->configs.count, 1);
        assert_true(chain_is(result->configs.items[0].value, cases[i].value));
    }
}

static void groups_metrics_and_loggers_are_described(void **state)
{
    struct step_bench *bench = *state;
    set(bench, RESOURCE_GROUP, "g", "share.auto.offset.reset", "earliest");
    const struct describe_configs_response_result *result = run(bench, RESOURCE_GROUP, "g", NULL);
    const struct describe_configs_response_config *config =
        config_of(result, "share.auto.offset.reset");
    assert_true(chain_is(config->value, "earliest"));
    assert_int_equal(config->config_source, CONFIG_SOURCE_GROUP);
    result = run(bench, RESOURCE_CLIENT_METRICS, "m", NULL);
    config = config_of(result, "interval.ms");
    assert_true(chain_is(config->value, "300000"));
    assert_int_equal(config->config_source, CONFIG_SOURCE_DEFAULT);
    result = run(bench, RESOURCE_BROKER_LOGGER, "1", NULL);
    config = config_of(result, "root");
    assert_true(chain_is(config->value, "INFO"));
    assert_int_equal(config->config_source, CONFIG_SOURCE_LOGGER);
}

static void what_cannot_be_described_is_refused(void **state)
{
    struct step_bench *bench = *state;
    const struct {
        int8_t type;
        const char *name;
        int16_t code;
        const char *message; /* NULL: an empty one. */
    } cases[] = {
        {RESOURCE_TOPIC, "absent", ERROR_UNKNOWN_TOPIC_OR_PARTITION, NULL},
        {RESOURCE_TOPIC, "a/b", ERROR_INVALID_TOPIC_EXCEPTION, "characters"},
        {RESOURCE_BROKER, "2", ERROR_INVALID_REQUEST, "Unexpected broker id, expected 1 or empty"},
        {RESOURCE_BROKER, "x", ERROR_INVALID_REQUEST, "must be an integer, but it is: x"},
        {RESOURCE_BROKER_LOGGER, "", ERROR_INVALID_REQUEST, "must not be empty"},
        {RESOURCE_BROKER_LOGGER, "3", ERROR_INVALID_REQUEST, "expected 1 but received 3"},
        {RESOURCE_GROUP, "", ERROR_INVALID_REQUEST, "Group name must not be empty"},
        {RESOURCE_CLIENT_METRICS, "", ERROR_INVALID_REQUEST, "must not be empty"},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct describe_configs_response_result *result =
            run(bench, cases[i].type, cases[i].name, NULL);
        assert_int_equal(result->error_code, cases[i].code);
        assert_int_equal(result->configs.count, 0);
        assert_int_equal(result->resource_type, cases[i].type);
        assert_true(cases[i].message == NULL ? chain_is(result->error_message, "")
                                             : chain_has(result->error_message, cases[i].message));
    }
    assert_null(run(bench, 3, "x", NULL)); /* An unknown type fails the whole request. */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, step_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_topic_s_keys_name_their_sources_and_synonyms),
        TEST(only_the_wanted_keys_come),
        TEST(an_empty_list_of_keys_wants_all_of_them),
        TEST(values_are_shown_as_they_are_read),
        TEST(the_node_says_what_is_read_only),
        TEST(the_cluster_s_default_lists_only_what_is_set),
        TEST(what_is_set_and_in_no_table_is_told_too),
        TEST(B55_what_other_software_reads_is_there),
        TEST(groups_metrics_and_loggers_are_described),
        TEST(what_cannot_be_described_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
