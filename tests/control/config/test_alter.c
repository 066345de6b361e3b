#include "tests/control/bench.h"

#include "control/step.h"

enum { SET = 0, DELETE = 1, APPEND = 2, SUBTRACT = 3 };

static int bench_up(void **state)
{
    struct step_bench *bench = step_bench_new(NULL);
    step_bench_topic(bench, "t", 1);
    *state = bench;
    return 0;
}

struct one {
    const char *key;
    int8_t operation;
    const char *value; /* NULL: null. */
};

static struct step_error incremental(struct step_bench *bench, int8_t type, const char *name,
                                     const struct one *changes, int32_t count, bool validate_only,
                                     struct step *out)
{
    struct incremental_alter_configs_request_config configs[4];
    struct bytes texts[4][2];
    const struct bytes resource_name = bytes_of_string(name);
    for (int32_t i = 0; i < count; i++) {
        texts[i][0] = bytes_of_string(changes[i].key);
        texts[i][1] = bytes_of_string(changes[i].value);
        configs[i] = incremental_alter_configs_request_config_default;
        configs[i].name = chain_of(&texts[i][0]);
        configs[i].config_operation = changes[i].operation;
        configs[i].value = changes[i].value == NULL ? CHAIN_NULL : chain_of(&texts[i][1]);
    }
    struct incremental_alter_configs_request_resource resource =
        incremental_alter_configs_request_resource_default;
    resource.resource_type = type;
    resource.resource_name = chain_of(&resource_name);
    resource.configs.items = configs;
    resource.configs.count = count;
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    request.resources.items = &resource;
    request.resources.count = 1;
    request.validate_only = validate_only;
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    assert_int_equal(incremental_alter_configs_request_encode(&writer, 1, &request), CODEC_OK);
    struct step step = step_bench_step(bench, 1, &writer);
    incremental_alter_configs_step(&step);
    const struct incremental_alter_configs_response *answer = step.answer;
    if (out != NULL) {
        *out = step;
    }
    return (struct step_error){answer->responses.items[0].error_code,
                               answer->responses.items[0].error_message};
}

static const char *value_of(const struct step_bench *bench, enum resource_type type,
                            const char *name, const char *key)
{
    return image_resource_value(image_resource(&bench->image, type, bytes_of_string(name)),
                                bytes_of_string(key));
}

static void values_are_set_and_deleted(void **state)
{
    struct step_bench *bench = *state;
    const struct one set[] = {{"retention.ms", SET, "5"}, {"flush.ms", SET, "6"}};
    assert_int_equal(incremental(bench, RESOURCE_TOPIC, "t", set, 2, true, NULL).code, ERROR_NONE);
    assert_int_equal(bench->changes.count, 0); /* validate_only */
    assert_int_equal(incremental(bench, RESOURCE_TOPIC, "t", set, 2, false, NULL).code, ERROR_NONE);
    step_bench_apply(bench);
    assert_string_equal(value_of(bench, RESOURCE_TOPIC, "t", "flush.ms"), "6");
    assert_int_equal(incremental(bench, RESOURCE_TOPIC, "t", set, 2, false, NULL).code, ERROR_NONE);
    assert_int_equal(bench->changes.count, 0); /* Nothing is new. */
    const struct one gone[] = {{"flush.ms", DELETE, NULL}};
    assert_int_equal(incremental(bench, RESOURCE_TOPIC, "t", gone, 1, false, NULL).code,
                     ERROR_NONE);
    step_bench_apply(bench);
    assert_null(value_of(bench, RESOURCE_TOPIC, "t", "flush.ms"));
    assert_string_equal(value_of(bench, RESOURCE_TOPIC, "t", "retention.ms"), "5");
}

static void lists_grow_from_their_default_and_shrink(void **state)
{
    struct step_bench *bench = *state;
    const struct {
        struct one change;
        const char *value;
    } cases[] = {
        {{"cleanup.policy", APPEND, "compact"}, "delete,compact"},
        {{"cleanup.policy", APPEND, "compact,delete"}, "delete,compact"},
        {{"cleanup.policy", SUBTRACT, "delete"}, "compact"},
        {{"cleanup.policy", SUBTRACT, "delete"}, "compact"},
        {{"cleanup.policy", SUBTRACT, "compact"}, ""},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(
            incremental(bench, RESOURCE_TOPIC, "t", &cases[i].change, 1, false, NULL).code,
            ERROR_NONE);
        step_bench_apply(bench);
        assert_string_equal(value_of(bench, RESOURCE_TOPIC, "t", "cleanup.policy"), cases[i].value);
    }
}

static void a_resource_changes_as_a_whole_or_not_at_all(void **state)
{
    struct step_bench *bench = *state;
    const struct one changes[] = {{"retention.ms", SET, "5"}, {"flush.ms", SET, "never"}};
    const struct step_error error =
        incremental(bench, RESOURCE_TOPIC, "t", changes, 2, false, NULL);
    assert_int_equal(error.code, ERROR_INVALID_CONFIG);
    assert_true(chain_has(error.message, "flush.ms"));
    assert_int_equal(bench->changes.count, 0);
}

/* A table is read by columns. */
static const struct wrong {
    int8_t type;
    const char *name;
    struct one changes[2];
    int32_t count;
    int16_t code;
    const char *message;
} wrongs[] = {
    {RESOURCE_TOPIC,
     "absent",
     {{"flush.ms", SET, "1"}},
     1,
     ERROR_UNKNOWN_TOPIC_OR_PARTITION,
     "The topic 'absent' does not exist."},
    {RESOURCE_TOPIC, "", {{"flush.ms", SET, "1"}}, 1, ERROR_INVALID_REQUEST, "Default topic"},
    {RESOURCE_TOPIC, "a/b", {{"flush.ms", SET, "1"}}, 1, ERROR_INVALID_TOPIC_EXCEPTION, "a/b"},
    {RESOURCE_TOPIC, "t", {{"x.y", SET, "1"}}, 1, ERROR_INVALID_CONFIG, "x.y"},
    {RESOURCE_TOPIC,
     "t",
     {{"flush.ms", SET, NULL}},
     1,
     ERROR_INVALID_REQUEST,
     "Null value not supported for : flush.ms"},
    {RESOURCE_TOPIC,
     "t",
     {{"flush.ms", SET, "1"}, {"flush.ms", SET, "2"}},
     2,
     ERROR_INVALID_REQUEST,
     "duplicate config keys"},
    {RESOURCE_TOPIC,
     "t",
     {{"flush.ms", APPEND, "1"}},
     1,
     ERROR_INVALID_CONFIG,
     "Can't APPEND to key flush.ms because its type is not LIST."},
    {RESOURCE_TOPIC, "t", {{"flush.ms", 9, "1"}}, 1, ERROR_INVALID_REQUEST, "operation"},
    {RESOURCE_TOPIC,
     "t",
     {{"compression.type", SET, "rar"}},
     1,
     ERROR_INVALID_CONFIG,
     "Invalid value rar for configuration compression.type"},
    {RESOURCE_BROKER,
     "7",
     {{"log.retention.ms", SET, "1"}},
     1,
     ERROR_INVALID_REQUEST,
     "Unexpected broker id, expected 1, but received 7"},
    {RESOURCE_BROKER,
     "x",
     {{"log.retention.ms", SET, "1"}},
     1,
     ERROR_INVALID_REQUEST,
     "Node id must be an integer"},
    {RESOURCE_BROKER,
     "1",
     {{"node.id", SET, "3"}},
     1,
     ERROR_INVALID_REQUEST,
     "Cannot update these configs dynamically"},
    {RESOURCE_BROKER,
     "",
     {{"compression.type", SET, "rar"}},
     1,
     ERROR_INVALID_REQUEST,
     "Invalid value rar for configuration compression.type"},
    {RESOURCE_GROUP,
     "",
     {{"share.auto.offset.reset", SET, "latest"}},
     1,
     ERROR_INVALID_REQUEST,
     "Default group"},
    {RESOURCE_GROUP, "g", {{"x", SET, "1"}}, 1, ERROR_INVALID_CONFIG, "Unknown group"},
    {RESOURCE_CLIENT_METRICS,
     "",
     {{"metrics", SET, "1"}},
     1,
     ERROR_INVALID_REQUEST,
     "Subscription name can't be empty"},
    {3, "x", {{"x", SET, "1"}}, 1, ERROR_INVALID_REQUEST, "Unknown resource type 3"},
};

static void each_wrong_change_is_refused_for_its_reason(void **state)
{
    struct step_bench *bench = *state;
    for (uint32_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
        const struct wrong *row = &wrongs[i];
        const struct step_error error =
            incremental(bench, row->type, row->name, row->changes, row->count, false, NULL);
        assert_int_equal(error.code, row->code);
        assert_true(chain_has(error.message, row->message));
        assert_int_equal(bench->changes.count, 0);
    }
}

static void brokers_groups_and_metrics_keep_what_is_set(void **state)
{
    struct step_bench *bench = *state;
    const struct one broker[] = {{"log.retention.ms", SET, "9"}};
    const struct one group[] = {{"share.auto.offset.reset", SET, "earliest"}};
    const struct one metrics[] = {{"interval.ms", SET, "1000"}};
    assert_int_equal(incremental(bench, RESOURCE_BROKER, "", broker, 1, false, NULL).code, 0);
    assert_int_equal(incremental(bench, RESOURCE_BROKER, "1", broker, 1, false, NULL).code, 0);
    assert_int_equal(incremental(bench, RESOURCE_GROUP, "g", group, 1, false, NULL).code, 0);
    assert_int_equal(incremental(bench, RESOURCE_CLIENT_METRICS, "m", metrics, 1, false, NULL).code,
                     0);
    step_bench_apply(bench);
    assert_string_equal(value_of(bench, RESOURCE_BROKER, "1", "log.retention.ms"), "9");
    assert_string_equal(value_of(bench, RESOURCE_BROKER, "", "log.retention.ms"), "9");
    assert_string_equal(value_of(bench, RESOURCE_GROUP, "g", "share.auto.offset.reset"),
                        "earliest");
    assert_string_equal(value_of(bench, RESOURCE_CLIENT_METRICS, "m", "interval.ms"), "1000");
}

static void the_root_logger_s_level_can_be_changed(void **state)
{
    struct step_bench *bench = *state;
    const struct one debug = {"root", SET, "DEBUG"};
    const struct one loud = {"root", SET, "LOUD"};
    const struct one other = {"kafka", SET, "DEBUG"};
    const struct one gone = {"root", DELETE, NULL};
    const int8_t type = RESOURCE_BROKER_LOGGER;
    struct step step;
    assert_int_equal(incremental(bench, type, "1", &debug, 1, true, &step).code, ERROR_NONE);
    assert_null(step.logger_level_wanted);
    assert_int_equal(incremental(bench, type, "1", &debug, 1, false, &step).code, ERROR_NONE);
    assert_string_equal(step.logger_level_wanted, "DEBUG");
    assert_int_equal(incremental(bench, type, "1", &loud, 1, false, NULL).code,
                     ERROR_INVALID_CONFIG);
    assert_int_equal(incremental(bench, type, "1", &other, 1, false, NULL).code,
                     ERROR_INVALID_CONFIG);
    assert_int_equal(incremental(bench, type, "1", &gone, 1, false, NULL).code,
                     ERROR_INVALID_REQUEST);
    assert_int_equal(bench->changes.count, 0);
}

static int16_t replace(struct step_bench *bench, int8_t type, const char *name,
                       const struct one *changes, int32_t count)
{
    struct alter_configs_request_config configs[4];
    struct bytes texts[4][2];
    const struct bytes resource_name = bytes_of_string(name);
    for (int32_t i = 0; i < count; i++) {
        texts[i][0] = bytes_of_string(changes[i].key);
        texts[i][1] = bytes_of_string(changes[i].value);
        configs[i] = alter_configs_request_config_default;
        configs[i].name = chain_of(&texts[i][0]);
        configs[i].value = changes[i].value == NULL ? CHAIN_NULL : chain_of(&texts[i][1]);
    }
    struct alter_configs_request_resource resource = alter_configs_request_resource_default;
    resource.resource_type = type;
    resource.resource_name = chain_of(&resource_name);
    resource.configs.items = configs;
    resource.configs.count = count;
    struct alter_configs_request request = alter_configs_request_default;
    request.resources.items = &resource;
    request.resources.count = 1;
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    assert_int_equal(alter_configs_request_encode(&writer, 2, &request), CODEC_OK);
    struct step step = step_bench_step(bench, 2, &writer);
    alter_configs_step(&step);
    return ((const struct alter_configs_response *)step.answer)->responses.items[0].error_code;
}

static void the_old_way_replaces_everything(void **state)
{
    struct step_bench *bench = *state;
    const struct one first[] = {{"retention.ms", SET, "5"}, {"flush.ms", SET, "6"}};
    const struct one second[] = {{"flush.ms", SET, "6"}, {"segment.ms", SET, "7"}};
    const struct one null_value[] = {{"flush.ms", SET, NULL}};
    assert_int_equal(replace(bench, RESOURCE_TOPIC, "t", first, 2), ERROR_NONE);
    step_bench_apply(bench);
    assert_int_equal(replace(bench, RESOURCE_TOPIC, "t", second, 2), ERROR_NONE);
    assert_int_equal(bench->changes.count, 2); /* One goes, one comes. */
    step_bench_apply(bench);
    assert_null(value_of(bench, RESOURCE_TOPIC, "t", "retention.ms"));
    assert_string_equal(value_of(bench, RESOURCE_TOPIC, "t", "flush.ms"), "6");
    assert_string_equal(value_of(bench, RESOURCE_TOPIC, "t", "segment.ms"), "7");
    assert_int_equal(replace(bench, RESOURCE_TOPIC, "t", null_value, 1), ERROR_INVALID_REQUEST);
    assert_int_equal(replace(bench, RESOURCE_BROKER_LOGGER, "1", first, 1), ERROR_INVALID_REQUEST);
    assert_int_equal(replace(bench, RESOURCE_TOPIC, "t", NULL, 0), ERROR_NONE);
    step_bench_apply(bench);
    assert_null(image_resource(&bench->image, RESOURCE_TOPIC, bytes_of_string("t")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, step_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_are_set_and_deleted),
        TEST(lists_grow_from_their_default_and_shrink),
        TEST(a_resource_changes_as_a_whole_or_not_at_all),
        TEST(each_wrong_change_is_refused_for_its_reason),
        TEST(brokers_groups_and_metrics_keep_what_is_set),
        TEST(the_root_logger_s_level_can_be_changed),
        TEST(the_old_way_replaces_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
