#include "tests/control/bench.h"

#include <stdio.h>

#include "control/step.h"
#include "control/topic/create.h"

static int bench_up(void **state)
{
    *state = step_bench_new(NULL);
    return 0;
}

struct asked {
    const char *name;
    int32_t partitions;
    int16_t factor;
    const char *key;
    const char *value;
    const struct create_topics_request_assignment *assignments;
    int32_t assignment_count;
};

static struct step run(struct step_bench *bench, int16_t version, const struct asked *asked,
                       int32_t count, bool validate_only)
{
    struct create_topics_request_topic topics[8];
    struct create_topics_request_config configs[8];
    struct bytes texts[8][3];
    for (int32_t i = 0; i < count; i++) {
        topics[i] = create_topics_request_topic_default;
        texts[i][0] = bytes_of_string(asked[i].name);
        topics[i].name = chain_of(&texts[i][0]);
        topics[i].num_partitions = asked[i].partitions;
        topics[i].replication_factor = asked[i].factor;
        topics[i].assignments.items = asked[i].assignments;
        topics[i].assignments.count = asked[i].assignment_count;
        if (asked[i].key != NULL) {
            texts[i][1] = bytes_of_string(asked[i].key);
            texts[i][2] = bytes_of_string(asked[i].value);
            configs[i] = create_topics_request_config_default;
            configs[i].name = chain_of(&texts[i][1]);
            configs[i].value = asked[i].value == NULL ? CHAIN_NULL : chain_of(&texts[i][2]);
            topics[i].configs.items = &configs[i];
            topics[i].configs.count = 1;
        }
    }
    struct create_topics_request request = create_topics_request_default;
    request.topics.items = topics;
    request.topics.count = count;
    request.validate_only = validate_only;
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    assert_int_equal(create_topics_request_encode(&writer, version, &request), CODEC_OK);
    struct step step = step_bench_step(bench, version, &writer);
    create_topics_step(&step);
    return step;
}

static const struct create_topics_response_topic *item_of(const struct step *step, int32_t index)
{
    const struct create_topics_response *answer = step->answer;
    assert_non_null(answer);
    assert_true(index < answer->topics.count);
    return &answer->topics.items[index];
}

static void a_topic_gets_its_records_and_an_id(void **state)
{
    struct step_bench *bench = *state;
    const struct asked asked = {"t", 3, 1, "retention.ms", "5", NULL, 0};
    const struct step step = run(bench, 7, &asked, 1, false);
    const struct create_topics_response_topic *item = item_of(&step, 0);
    assert_int_equal(item->error_code, ERROR_NONE);
    assert_int_equal(item->num_partitions, 3);
    assert_int_equal(item->replication_factor, 1);
    assert_int_equal(step.created_count, 1);
    step_bench_apply(bench);
    const struct image_topic *topic = image_topic_by_name(&bench->image, bytes_of_string("t"));
    assert_true(uuid_equal(topic->id, item->topic_id));
    assert_int_equal(topic->partition_count, 3);
    assert_int_equal(topic->partitions[2].leader, 1);
    assert_string_equal(
        image_resource_value(image_resource(&bench->image, RESOURCE_TOPIC, bytes_of_string("t")),
                             bytes_of_string("retention.ms")),
        "5");
}

static void defaults_come_from_the_broker(void **state)
{
    (void)state;
    static const char *const extra[] = {"--set", "kafka.num.partitions=7", NULL};
    struct step_bench *bench = step_bench_new(extra);
    const struct asked asked = {"t", -1, -1, NULL, NULL, NULL, 0};
    const struct step step = run(bench, 7, &asked, 1, false);
    assert_int_equal(item_of(&step, 0)->num_partitions, 7);
    step_bench_free(bench);
}

static void the_effective_configuration_is_returned_with_its_sources(void **state)
{
    struct step_bench *bench = *state;
    changes_config(&bench->changes, RESOURCE_BROKER, bytes_of_string(""),
                   bytes_of_string("log.segment.bytes"), bytes_of_string("2097152"));
    step_bench_apply(bench);
    const struct asked asked = {"t", 1, 1, "retention.ms", "5", NULL, 0};
    const struct step step = run(bench, 5, &asked, 1, true);
    const struct create_topics_response_topic *item = item_of(&step, 0);
    uint32_t key_count;
    (void)kafka_keys(KAFKA_TOPIC, &key_count);
    assert_int_equal(item->configs.count, key_count);
    uint32_t seen = 0;
    for (int32_t i = 0; i < item->configs.count; i++) {
        const struct create_topics_response_config *config = &item->configs.items[i];
        if (chain_is(config->name, "retention.ms")) {
            assert_true(chain_is(config->value, "5"));
            assert_int_equal(config->config_source, CONFIG_SOURCE_TOPIC);
            seen++;
        } else if (chain_is(config->name, "segment.bytes")) {
            assert_true(chain_is(config->value, "2097152"));
            assert_int_equal(config->config_source, CONFIG_SOURCE_CLUSTER);
            seen++;
        } else if (chain_is(config->name, "cleanup.policy")) {
            assert_true(chain_is(config->value, "delete"));
            assert_int_equal(config->config_source, CONFIG_SOURCE_DEFAULT);
            seen++;
        }
    }
    assert_int_equal(seen, 3);
    const struct step old = run(bench, 4, &asked, 1, true);
    assert_int_equal(item_of(&old, 0)->configs.count, 0);
}

static void validate_only_changes_nothing(void **state)
{
    struct step_bench *bench = *state;
    const struct asked asked = {"t", 3, 1, NULL, NULL, NULL, 0};
    const struct step step = run(bench, 7, &asked, 1, true);
    assert_int_equal(item_of(&step, 0)->error_code, ERROR_NONE);
    assert_int_equal(bench->changes.count, 0);
    assert_int_equal(step.created_count, 0);
}

static void each_topic_is_refused_for_its_own_reason(void **state)
{
    struct step_bench *bench = *state;
    step_bench_topic(bench, "there", 1);
    step_bench_topic(bench, "a.b", 1);
    const struct {
        struct asked asked;
        int16_t code;
        const char *message;
    } cases[] = {
        {{"there", 1, 1, NULL, NULL, NULL, 0}, ERROR_TOPIC_ALREADY_EXISTS, "already exists"},
        {{"a.b", 1, 1, NULL, NULL, NULL, 0}, ERROR_TOPIC_ALREADY_EXISTS, "already exists"},
        {{"a_b", 1, 1, NULL, NULL, NULL, 0}, ERROR_INVALID_TOPIC_EXCEPTION, "collides"},
        {{"no/slash", 1, 1, NULL, NULL, NULL, 0}, ERROR_INVALID_TOPIC_EXCEPTION, "characters"},
        {{"__cluster_metadata", 1, 1, NULL, NULL, NULL, 0}, ERROR_INVALID_REQUEST, "prohibited"},
        {{"t", 0, 1, NULL, NULL, NULL, 0}, ERROR_INVALID_PARTITIONS, "non-positive"},
        {{"t", -2, 1, NULL, NULL, NULL, 0}, ERROR_INVALID_PARTITIONS, "non-positive"},
        {{"t", 1, 0, NULL, NULL, NULL, 0}, ERROR_INVALID_REPLICATION_FACTOR, "larger than 0"},
        {{"t", 1, 3, NULL, NULL, NULL, 0}, ERROR_INVALID_REPLICATION_FACTOR, "only 1 broker(s)"},
        {{"t", 1, 1, "nonsense", "1", NULL, 0}, ERROR_INVALID_CONFIG, "nonsense"},
        {{"t", 1, 1, "retention.ms", "x", NULL, 0}, ERROR_INVALID_CONFIG, "retention.ms"},
        {{"t", 1, 1, "retention.ms", NULL, NULL, 0}, ERROR_INVALID_CONFIG, "Null value"},
        {{"t", 1, 1, "compression.type", "rar", NULL, 0}, ERROR_INVALID_CONFIG, "compression.type"},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct step step = run(bench, 7, &cases[i].asked, 1, false);
        assert_int_equal(item_of(&step, 0)->error_code, cases[i].code);
        assert_true(chain_has(item_of(&step, 0)->error_message, cases[i].message));
        assert_int_equal(bench->changes.count, 0);
    }
}

static void a_topic_named_twice_is_answered_once_and_only_the_others_are_created(void **state)
{
    struct step_bench *bench = *state;
    const struct asked asked[] = {{"x", 1, 1, NULL, NULL, NULL, 0},
                                  {"y", 1, 1, NULL, NULL, NULL, 0},
                                  {"x", 2, 1, NULL, NULL, NULL, 0},
                                  {"x", 3, 1, NULL, NULL, NULL, 0}};
    const struct step step = run(bench, 7, asked, 4, false);
    assert_int_equal(((const struct create_topics_response *)step.answer)->topics.count, 2);
    assert_int_equal(item_of(&step, 0)->error_code, ERROR_INVALID_REQUEST);
    assert_int_equal(item_of(&step, 1)->error_code, ERROR_NONE);
    step_bench_apply(bench);
    assert_int_equal(bench->image.topic_count, 1);
}

static void manual_assignments_must_name_this_node_once_each(void **state)
{
    struct step_bench *bench = *state;
    static const int32_t here[] = {1};
    static const int32_t twice[] = {1, 1};
    static const int32_t elsewhere[] = {2};
    const struct create_topics_request_assignment good[] = {
        {.partition_index = 1, .broker_ids = {.items = here, .count = 1}},
        {.partition_index = 0, .broker_ids = {.items = here, .count = 1}}};
    const struct create_topics_request_assignment gap[] = {
        {.partition_index = 0, .broker_ids = {.items = here, .count = 1}},
        {.partition_index = 2, .broker_ids = {.items = here, .count = 1}}};
    const struct create_topics_request_assignment repeated[] = {good[0], good[0]};
    const struct create_topics_request_assignment other[] = {
        {.partition_index = 0, .broker_ids = {.items = elsewhere, .count = 1}}};
    const struct create_topics_request_assignment doubled[] = {
        {.partition_index = 0, .broker_ids = {.items = twice, .count = 2}}};
    const struct create_topics_request_assignment empty[] = {{.partition_index = 0}};
    const struct {
        const struct create_topics_request_assignment *assignments;
        int32_t count;
        int16_t factor;
        int16_t code;
    } cases[] = {
        {good, 2, -1, ERROR_NONE},
        {good, 2, 1, ERROR_INVALID_REQUEST},
        {gap, 2, -1, ERROR_INVALID_REPLICA_ASSIGNMENT},
        {repeated, 2, -1, ERROR_INVALID_REPLICA_ASSIGNMENT},
        {other, 1, -1, ERROR_INVALID_REPLICA_ASSIGNMENT},
        {doubled, 1, -1, ERROR_INVALID_REPLICA_ASSIGNMENT},
        {empty, 1, -1, ERROR_INVALID_REPLICA_ASSIGNMENT},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct asked asked = {
            "t", -1, cases[i].factor, NULL, NULL, cases[i].assignments, cases[i].count};
        const struct step step = run(bench, 7, &asked, 1, true);
        assert_int_equal(item_of(&step, 0)->error_code, cases[i].code);
    }
}

static void too_many_partitions_are_refused_as_a_whole(void **state)
{
    struct step_bench *bench = *state;
    const struct asked asked[] = {{"x", 9000, 1, NULL, NULL, NULL, 0},
                                  {"y", 1001, 1, NULL, NULL, NULL, 0}};
    const struct step step = run(bench, 7, asked, 2, false);
    assert_int_equal(step.whole_error, ERROR_POLICY_VIOLATION);
    assert_int_equal(bench->changes.count, 0);
}

static void a_topic_is_created_automatically_only_where_it_may_be(void **state)
{
    struct step_bench *bench = *state;
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    struct step step = step_bench_step(bench, 0, &writer);
    assert_true(topic_create_automatically(&step, bytes_of_string("fine")));
    step_bench_apply(bench);
    assert_false(topic_create_automatically(&step, bytes_of_string("fine")));
    assert_false(topic_create_automatically(&step, bytes_of_string("")));
    assert_false(topic_create_automatically(&step, bytes_of_string("__transaction_state")));
    changes_config(&bench->changes, RESOURCE_BROKER, bytes_of_string("1"),
                   bytes_of_string("auto.create.topics.enable"), bytes_of_string("false"));
    step_bench_apply(bench);
    assert_false(topic_create_automatically(&step, bytes_of_string("other")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, step_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_topic_gets_its_records_and_an_id),
        TEST(defaults_come_from_the_broker),
        TEST(the_effective_configuration_is_returned_with_its_sources),
        TEST(validate_only_changes_nothing),
        TEST(each_topic_is_refused_for_its_own_reason),
        TEST(a_topic_named_twice_is_answered_once_and_only_the_others_are_created),
        TEST(manual_assignments_must_name_this_node_once_each),
        TEST(too_many_partitions_are_refused_as_a_whole),
        TEST(a_topic_is_created_automatically_only_where_it_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
