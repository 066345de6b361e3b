#include "tests/control/bench.h"

#include "control/step.h"

static struct step run(struct step_bench *bench, int16_t version, const int8_t *types,
                       int32_t count)
{
    struct list_config_resources_request request = list_config_resources_request_default;
    request.resource_types.items = types;
    request.resource_types.count = count;
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    assert_int_equal(list_config_resources_request_encode(&writer, version, &request), CODEC_OK);
    struct step step = step_bench_step(bench, version, &writer);
    list_config_resources_step(&step);
    return step;
}

static void resources_are_listed_by_type(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    step_bench_topic(bench, "a", 1);
    step_bench_topic(bench, "b", 1);
    changes_config(&bench->changes, RESOURCE_CLIENT_METRICS, bytes_of_string("m"),
                   bytes_of_string("metrics"), bytes_of_string("x"));
    changes_config(&bench->changes, RESOURCE_GROUP, bytes_of_string("g"),
                   bytes_of_string("share.auto.offset.reset"), bytes_of_string("latest"));
    step_bench_apply(bench);

    struct step step = run(bench, 1, NULL, 0);
    const struct list_config_resources_response *answer = step.answer;
    assert_int_equal(answer->config_resources.count, 6); /* 2 topics, node, logger, m, g */

    static const int8_t topics[] = {RESOURCE_TOPIC};
    step = run(bench, 1, topics, 1);
    answer = step.answer;
    assert_int_equal(answer->config_resources.count, 2);
    assert_true(chain_is(answer->config_resources.items[1].resource_name, "b"));

    step = run(bench, 0, NULL, 0); /* Knows client metrics only. */
    answer = step.answer;
    assert_int_equal(answer->config_resources.count, 1);
    assert_true(chain_is(answer->config_resources.items[0].resource_name, "m"));

    static const int8_t unknown[] = {RESOURCE_TOPIC, 3};
    step = run(bench, 1, unknown, 2);
    answer = step.answer;
    assert_int_equal(answer->error_code, ERROR_UNSUPPORTED_VERSION);
    assert_int_equal(answer->config_resources.count, 0);
    step_bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resources_are_listed_by_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
