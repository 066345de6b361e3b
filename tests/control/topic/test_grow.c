#include "tests/control/bench.h"

#include "control/step.h"

static int bench_up(void **state)
{
    struct step_bench *bench = step_bench_new(NULL);
    step_bench_topic(bench, "a", 2);
    *state = bench;
    return 0;
}

static const int32_t here[] = {1};
static const int32_t elsewhere[] = {2};

static struct step run(struct step_bench *bench, const char *const *names, const int32_t *counts,
                       int32_t count, const struct create_partitions_request_assignment *given,
                       int32_t given_count, bool validate_only)
{
    struct create_partitions_request_topic topics[4];
    struct bytes texts[4];
    for (int32_t i = 0; i < count; i++) {
        texts[i] = bytes_of_string(names[i]);
        topics[i] = create_partitions_request_topic_default;
        topics[i].name = chain_of(&texts[i]);
        topics[i].count = counts[i];
        topics[i].assignments.items = given;
        topics[i].assignments.count = given_count;
    }
    struct create_partitions_request request = create_partitions_request_default;
    request.topics.items = topics;
    request.topics.count = count;
    request.validate_only = validate_only;
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    assert_int_equal(create_partitions_request_encode(&writer, 3, &request), CODEC_OK);
    struct step step = step_bench_step(bench, 3, &writer);
    create_partitions_step(&step);
    return step;
}

static const struct create_partitions_response_topic *item_of(const struct step *step,
                                                              int32_t index)
{
    const struct create_partitions_response *answer = step->answer;
    assert_true(index < answer->results.count);
    return &answer->results.items[index];
}

static void a_topic_grows_by_what_is_missing(void **state)
{
    struct step_bench *bench = *state;
    static const char *const names[] = {"a"};
    static const int32_t counts[] = {5};
    struct step step = run(bench, names, counts, 1, NULL, -1, true);
    assert_int_equal(item_of(&step, 0)->error_code, ERROR_NONE);
    assert_int_equal(bench->changes.count, 0);
    step = run(bench, names, counts, 1, NULL, -1, false);
    assert_int_equal(step.created_count, 1);
    assert_int_equal(step.created[0].first_partition, 2);
    assert_int_equal(bench->changes.count, 3);
    step_bench_apply(bench);
    assert_int_equal(bench->image.topics[0]->partition_count, 5);
}

static void what_is_no_growth_is_refused(void **state)
{
    struct step_bench *bench = *state;
    const struct create_partitions_request_assignment one = {
        .broker_ids = {.items = here, .count = 1}};
    const struct create_partitions_request_assignment wrong = {
        .broker_ids = {.items = elsewhere, .count = 1}};
    const struct {
        const char *name;
        int32_t count;
        const struct create_partitions_request_assignment *given;
        int32_t given_count;
        int16_t code;
    } cases[] = {
        {"a", 2, NULL, -1, ERROR_INVALID_PARTITIONS},
        {"a", 1, NULL, -1, ERROR_INVALID_PARTITIONS},
        {"a", -3, NULL, -1, ERROR_INVALID_PARTITIONS},
        {"a", 10003, NULL, -1, ERROR_POLICY_VIOLATION},
        {"none", 3, NULL, -1, ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {"a", 4, &one, 1, ERROR_INVALID_REPLICA_ASSIGNMENT},
        {"a", 3, &wrong, 1, ERROR_INVALID_REPLICA_ASSIGNMENT},
        {"a", 3, &one, 1, ERROR_NONE},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct step step = run(bench, &cases[i].name, &cases[i].count, 1, cases[i].given,
                                     cases[i].given_count, true);
        assert_int_equal(item_of(&step, 0)->error_code, cases[i].code);
    }
}

static void a_topic_named_twice_is_answered_once_and_does_not_grow(void **state)
{
    struct step_bench *bench = *state;
    static const char *const names[] = {"a", "x", "a"};
    static const int32_t counts[] = {3, 3, 4};
    const struct step step = run(bench, names, counts, 3, NULL, -1, false);
    assert_int_equal(item_of(&step, 0)->error_code, ERROR_INVALID_REQUEST);
    assert_int_equal(item_of(&step, 1)->error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(((const struct create_partitions_response *)step.answer)->results.count, 2);
    assert_int_equal(bench->changes.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, step_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_topic_grows_by_what_is_missing),
        TEST(what_is_no_growth_is_refused),
        TEST(a_topic_named_twice_is_answered_once_and_does_not_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
