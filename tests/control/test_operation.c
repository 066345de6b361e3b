#include "tests/control/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/operation.h"
#include "dataplane/kafka/messages.h"

static void every_slow_api_has_a_handler(void **state)
{
    (void)state;
    static const int16_t served[] = {API_CREATE_TOPICS,
                                     API_DELETE_TOPICS,
                                     API_CREATE_PARTITIONS,
                                     API_DESCRIBE_CONFIGS,
                                     API_ALTER_CONFIGS,
                                     API_INCREMENTAL_ALTER_CONFIGS,
                                     API_LIST_CONFIG_RESOURCES,
                                     API_ELECT_LEADERS,
                                     API_ALTER_PARTITION_REASSIGNMENTS,
                                     API_LIST_PARTITION_REASSIGNMENTS};
    for (uint32_t i = 0; i < ARRAY_SIZE(served); i++) {
        assert_non_null(api_handler_find(served[i]));
    }
    assert_null(api_handler_find(API_PRODUCE));
    assert_null(api_handler_find(-1));
}

static struct operation *operation_make(struct bytes body, int16_t api, int16_t version)
{
    struct peer_request *request = calloc(1, sizeof(*request) + body.len);
    request->header.kind = SLOW_REQUEST;
    request->header.api_key = api;
    request->header.api_version = version;
    uint8_t *payload = (uint8_t *)(request + 1);
    if (body.len > 0) {
        memcpy(payload, body.ptr, body.len);
    }
    request->payload = (struct bytes){payload, body.len};
    return operation_create(request, api_handler_find(api));
}

static void a_body_cut_anywhere_is_malformed_or_an_answer(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    uint8_t buffer[256];
    const struct bytes body = bench_create_body("topic", 1, buffer, sizeof(buffer));
    uint32_t malformed = 0;
    for (uint32_t len = 0; len <= body.len; len++) {
        struct operation *operation =
            operation_make((struct bytes){body.ptr, len}, API_CREATE_TOPICS, 7);
        operation->step.view = config_view_of(&bench->image, bench->settings);
        operation->step.random = &bench->random;
        operation->step.changes = &bench->changes;
        operation_run(operation);
        malformed += operation->step.malformed;
        assert_true(operation->step.malformed || operation->step.answer != NULL);
        operation_free(operation);
    }
    assert_int_equal(malformed, body.len); /* Only the whole body is one. */
    step_bench_free(bench);
}

static void the_item_that_made_a_topic_learns_that_it_failed(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    struct operation *operation = operation_make((struct bytes){0}, API_CREATE_TOPICS, 7);
    int16_t codes[2] = {0};
    struct chain messages[2] = {0};
    struct step_created created[] = {
        {.topic_id = {{1}}, .error_code = &codes[0], .error_message = &messages[0]},
        {.topic_id = {{2}},
         .first_partition = 3,
         .error_code = &codes[1],
         .error_message = &messages[1]}};
    operation->step.created = created;
    operation->step.created_count = 2;
    const struct uuid first = {{1}};
    const struct uuid second = {{2}};
    const struct uuid third = {{3}};
    assert_ptr_equal(operation_created_failed(operation, &first, false, 56, "why"), &created[0]);
    assert_int_equal(codes[0], 56);
    assert_true(chain_is(messages[0], "why"));
    assert_ptr_equal(operation_created_failed(operation, &second, false, 57, "why not"),
                     &created[1]);
    assert_int_equal(codes[1], 57);
    assert_null(operation_created_failed(operation, &third, false, 1, ""));
    assert_null(operation_created_failed(operation, &first, true, 1, ""));
    created[0].by_others = true;
    assert_ptr_equal(operation_created_failed(operation, &first, true, 58, ""), &created[0]);
    assert_null(operation_created_failed(operation, &first, false, 1, ""));
    assert_int_equal(codes[0], 58);
    operation_free(operation);
    step_bench_free(bench);
}

static void an_answer_says_how_many_errors_it_holds(void **state)
{
    (void)state;
    struct bench *bench = bench_new(1, NULL);
    assert_int_equal(bench_create_topic(bench, "t", 1), ERROR_NONE);
    assert_int_equal(bench->reply_error_count, 0);
    assert_int_equal(bench_create_topic(bench, "t", 1), ERROR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(bench->reply_error_count, 1);
    bench_free(bench);
}

/* ---- The worst that fits in a request -------------------------------------------------------- */

enum { WORST_ITEMS_MAX = 100000, NAME_BYTES = 12 };

struct worst {
    uint32_t count;
    struct bytes *names; /* All different. */
    char (*texts)[NAME_BYTES];
    struct writer writer;
    uint8_t body[SLOW_REQUEST_BYTES_MAX];
};

static struct worst *worst_new(uint32_t count)
{
    struct worst *worst = calloc(1, sizeof(*worst));
    assert_non_null(worst);
    worst->count = count;
    worst->names = calloc(count, sizeof(*worst->names));
    worst->texts = calloc(count, NAME_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(worst->texts[i], NAME_BYTES, "%x", i);
        worst->names[i] = bytes_of_string(worst->texts[i]);
    }
    writer_init(&worst->writer, worst->body, sizeof(worst->body));
    return worst;
}

/* Works it out. Returns the seconds of CPU that took. */
static double worst_run(struct worst *worst, int16_t api, int16_t version)
{
    assert_int_equal(worst->writer.status, CODEC_OK);
    struct step_bench *bench = step_bench_new(NULL);
    step_bench_topic(bench, "0", 1);
    const struct bytes body = {worst->body, writer_used(&worst->writer)};
    struct operation *operation = operation_make(body, api, version);
    operation->step.view = config_view_of(&bench->image, bench->settings);
    operation->step.random = &bench->random;
    operation->step.changes = &bench->changes;
    const clock_t before = clock();
    operation_run(operation);
    while (operation->step.again) {
        operation_run_again(operation);
    }
    const double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
    assert_false(operation->step.malformed);
    assert_true(operation->arena.total < 128u << 20);
    assert_true(operation->step.body_out.len <= SLOW_REPLY_BYTES_MAX);
    assert_int_equal(operation->step.whole_error,
                     api == API_DESCRIBE_CONFIGS ? ERROR_POLICY_VIOLATION : ERROR_NONE);
    operation_free(operation);
    step_bench_free(bench);
    free(worst->names);
    free(worst->texts);
    free(worst);
    return seconds;
}

static double worst_alter_resources(void)
{
    struct worst *worst = worst_new(WORST_ITEMS_MAX);
    struct alter_configs_request_resource *items = calloc(worst->count, sizeof(*items));
    for (uint32_t i = 0; i < worst->count; i++) {
        items[i] = alter_configs_request_resource_default;
        items[i].resource_type = RESOURCE_TOPIC;
        items[i].resource_name = chain_of(&worst->names[i]);
    }
    struct alter_configs_request request = alter_configs_request_default;
    request.resources.items = items;
    request.resources.count = (int32_t)worst->count;
    (void)alter_configs_request_encode(&worst->writer, 2, &request);
    free(items);
    return worst_run(worst, API_ALTER_CONFIGS, 2);
}

/* Keys that nobody knows are taken for those of plugins. */
static double worst_alter_keys(void)
{
    const struct bytes node = bytes_of_string("1");
    struct worst *worst = worst_new(WORST_ITEMS_MAX);
    struct alter_configs_request_config *items = calloc(worst->count, sizeof(*items));
    for (uint32_t i = 0; i < worst->count; i++) {
        items[i] = alter_configs_request_config_default;
        items[i].name = chain_of(&worst->names[i]);
        items[i].value = chain_of(&node);
    }
    struct alter_configs_request_resource resource = alter_configs_request_resource_default;
    resource.resource_type = RESOURCE_BROKER;
    resource.resource_name = chain_of(&node);
    resource.configs.items = items;
    resource.configs.count = (int32_t)worst->count;
    struct alter_configs_request request = alter_configs_request_default;
    request.resources.items = &resource;
    request.resources.count = 1;
    (void)alter_configs_request_encode(&worst->writer, 2, &request);
    free(items);
    return worst_run(worst, API_ALTER_CONFIGS, 2);
}

static double worst_append(void)
{
    enum { RESOURCES = 30, LIST_BYTES = 32000 };
    struct worst *worst = worst_new(RESOURCES);
    char *list = malloc(LIST_BYTES);
    for (uint32_t i = 0; i < LIST_BYTES; i++) {
        list[i] = i % 4 == 3 ? ','
                             : (char)('a' + (i / 4 /
                                             (i % 4 == 0   ? 1
                                              : i % 4 == 1 ? 26
                                                           : 676)) %
                                                26);
    }
    const struct bytes key = bytes_of_string("leader.replication.throttled.replicas");
    const struct bytes value = {(const uint8_t *)list, LIST_BYTES};
    struct incremental_alter_configs_request_config config =
        incremental_alter_configs_request_config_default;
    config.name = chain_of(&key);
    config.value = chain_of(&value);
    config.config_operation = 2;
    struct incremental_alter_configs_request_resource items[RESOURCES];
    for (uint32_t i = 0; i < RESOURCES; i++) {
        items[i] = incremental_alter_configs_request_resource_default;
        items[i].resource_type = RESOURCE_TOPIC;
        items[i].resource_name = chain_of(&worst->names[i]);
        items[i].configs.items = &config;
        items[i].configs.count = 1;
    }
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    request.resources.items = items;
    request.resources.count = RESOURCES;
    (void)incremental_alter_configs_request_encode(&worst->writer, 1, &request);
    free(list);
    return worst_run(worst, API_INCREMENTAL_ALTER_CONFIGS, 1);
}

static double worst_create(void)
{
    struct worst *worst = worst_new(WORST_ITEMS_MAX);
    const struct bytes value = bytes_of_string("");
    struct create_topics_request_config *items = calloc(worst->count, sizeof(*items));
    for (uint32_t i = 0; i < worst->count; i++) {
        items[i] = create_topics_request_config_default;
        items[i].name = chain_of(&worst->names[i]);
        items[i].value = chain_of(&value);
    }
    struct create_topics_request_topic topic = create_topics_request_topic_default;
    topic.name = chain_of(&worst->names[1]);
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    topic.configs.items = items;
    topic.configs.count = (int32_t)worst->count;
    struct create_topics_request request = create_topics_request_default;
    request.topics.items = &topic;
    request.topics.count = 1;
    (void)create_topics_request_encode(&worst->writer, 7, &request);
    free(items);
    return worst_run(worst, API_CREATE_TOPICS, 7);
}

static double worst_grow(void)
{
    struct worst *worst = worst_new(WORST_ITEMS_MAX);
    struct create_partitions_request_topic *items = calloc(worst->count, sizeof(*items));
    for (uint32_t i = 0; i < worst->count; i++) {
        items[i] = create_partitions_request_topic_default;
        items[i].name = chain_of(&worst->names[0]);
        items[i].count = 2;
        items[i].assignments.count = -1;
    }
    struct create_partitions_request request = create_partitions_request_default;
    request.topics.items = items;
    request.topics.count = (int32_t)worst->count;
    (void)create_partitions_request_encode(&worst->writer, 3, &request);
    free(items);
    return worst_run(worst, API_CREATE_PARTITIONS, 3);
}

static double worst_describe(void)
{
    struct worst *worst = worst_new(WORST_ITEMS_MAX);
    const struct bytes node = bytes_of_string("1");
    struct describe_configs_request_resource *items = calloc(worst->count, sizeof(*items));
    for (uint32_t i = 0; i < worst->count; i++) {
        items[i] = describe_configs_request_resource_default;
        items[i].resource_type = RESOURCE_BROKER;
        items[i].resource_name = chain_of(&node);
        items[i].configuration_keys.count = -1;
    }
    struct describe_configs_request request = describe_configs_request_default;
    request.resources.items = items;
    request.resources.count = (int32_t)worst->count;
    request.include_synonyms = true;
    request.include_documentation = true;
    (void)describe_configs_request_encode(&worst->writer, 4, &request);
    free(items);
    return worst_run(worst, API_DESCRIBE_CONFIGS, 4);
}

static void the_worst_request_takes_neither_long_nor_much_memory(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double (*run)(void);
    } rows[] = {{"alter, resources", worst_alter_resources},
                {"alter, keys", worst_alter_keys},
                {"append to lists", worst_append},
                {"create, keys", worst_create},
                {"grow, one name", worst_grow},
                {"describe", worst_describe}};
    for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
        /* Squares of what fits in one would take half a minute each: the suite's time limit. */
        print_message("%s: %.3f s\n", rows[i].name, rows[i].run());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slow_api_has_a_handler),
        cmocka_unit_test(a_body_cut_anywhere_is_malformed_or_an_answer),
        cmocka_unit_test(the_item_that_made_a_topic_learns_that_it_failed),
        cmocka_unit_test(an_answer_says_how_many_errors_it_holds),
        cmocka_unit_test(the_worst_request_takes_neither_long_nor_much_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
