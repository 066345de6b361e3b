#include "tests/control/bench.h"

#include "control/step.h"

static int bench_up(void **state)
{
    struct step_bench *bench = step_bench_new(NULL);
    step_bench_topic(bench, "a", 2);
    step_bench_topic(bench, "b", 1);
    *state = bench;
    return 0;
}

struct asked {
    const char *name;
    struct uuid id;
};

static struct step run(struct step_bench *bench, int16_t version, const struct asked *asked,
                       int32_t count)
{
    struct delete_topics_request_topic topics[8];
    struct bytes texts[8];
    struct chain names[8];
    for (int32_t i = 0; i < count; i++) {
        texts[i] = bytes_of_string(asked[i].name);
        names[i] = asked[i].name == NULL ? CHAIN_NULL : chain_of(&texts[i]);
        topics[i] = delete_topics_request_topic_default;
        topics[i].name = names[i];
        topics[i].topic_id = asked[i].id;
    }
    struct delete_topics_request request = delete_topics_request_default;
    if (version >= 6) {
        request.topics.items = topics;
        request.topics.count = count;
    } else {
        request.topic_names.items = names;
        request.topic_names.count = count;
    }
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    assert_int_equal(delete_topics_request_encode(&writer, version, &request), CODEC_OK);
    struct step step = step_bench_step(bench, version, &writer);
    delete_topics_step(&step);
    return step;
}

static int16_t code_of(const struct step *step, int32_t index)
{
    const struct delete_topics_response *answer = step->answer;
    assert_true(index < answer->responses.count);
    return answer->responses.items[index].error_code;
}

static void topics_are_deleted_by_name_and_by_id(void **state)
{
    struct step_bench *bench = *state;
    const struct asked by_name = {"a", {{0}}};
    struct step step = run(bench, 3, &by_name, 1);
    assert_int_equal(code_of(&step, 0), ERROR_NONE);
    step_bench_apply(bench);
    assert_int_equal(bench->image.topic_count, 1);
    const struct asked by_id = {NULL, bench->image.topics[0]->id};
    step = run(bench, 6, &by_id, 1);
    assert_int_equal(code_of(&step, 0), ERROR_NONE);
    const struct delete_topics_response *answer = step.answer;
    assert_true(chain_is(answer->responses.items[0].name, "b"));
    step_bench_apply(bench);
    assert_int_equal(bench->image.topic_count, 0);
}

static const struct delete_topics_response_topic *item_of(const struct step *step, int32_t index)
{
    const struct delete_topics_response *answer = step->answer;
    assert_true(index < answer->responses.count);
    return &answer->responses.items[index];
}

static void what_is_not_there_is_refused_with_words(void **state)
{
    struct step_bench *bench = *state;
    const struct uuid id = image_topic_by_name(&bench->image, bytes_of_string("a"))->id;
    const struct asked asked[] = {
        {"none", {{0}}}, {NULL, {{9}}}, {NULL, {{0}}}, {"a", id}, {NULL, {{0}}}};
    static const int16_t codes[] = {ERROR_UNKNOWN_TOPIC_OR_PARTITION, ERROR_UNKNOWN_TOPIC_ID,
                                    ERROR_INVALID_REQUEST, ERROR_INVALID_REQUEST,
                                    ERROR_INVALID_REQUEST};
    const struct step step = run(bench, 6, asked, 5);
    for (int32_t i = 0; i < 5; i++) {
        assert_int_equal(item_of(&step, i)->error_code, codes[i]);
        assert_true(item_of(&step, i)->error_message.len > 0);
    }
    assert_int_equal(bench->changes.count, 0);
}

static void what_is_said_twice_is_answered_once_and_stays(void **state)
{
    struct step_bench *bench = *state;
    const struct uuid id = image_topic_by_name(&bench->image, bytes_of_string("a"))->id;
    const struct asked asked[] = {{"b", {{0}}},    {NULL, id},   {"b", {{0}}}, {"none", {{0}}},
                                  {"none", {{0}}}, {"b", {{0}}}, {NULL, id}};
    const struct step step = run(bench, 6, asked, 7);
    const struct delete_topics_response *answer = step.answer;
    assert_int_equal(answer->responses.count, 3);
    uint32_t ids = 0;
    for (int32_t i = 0; i < 3; i++) {
        const struct delete_topics_response_topic *item = item_of(&step, i);
        assert_int_equal(item->error_code, ERROR_INVALID_REQUEST);
        ids += chain_is_null(item->name);
        assert_true(chain_is_null(item->name) ? uuid_equal(item->topic_id, id)
                                              : uuid_is_zero(item->topic_id));
    }
    assert_int_equal(ids, 1);
    assert_int_equal(bench->changes.count, 0);
}

static void a_name_and_the_id_of_one_topic_are_answered_by_the_name(void **state)
{
    struct step_bench *bench = *state;
    const struct uuid id = image_topic_by_name(&bench->image, bytes_of_string("a"))->id;
    const struct asked asked[] = {{NULL, id}, {"a", {{0}}}, {NULL, id}};
    struct step step = run(bench, 6, asked, 2);
    const struct delete_topics_response *answer = step.answer;
    assert_int_equal(answer->responses.count, 1);
    assert_int_equal(item_of(&step, 0)->error_code, ERROR_INVALID_REQUEST);
    assert_true(chain_is(item_of(&step, 0)->name, "a"));
    assert_true(uuid_equal(item_of(&step, 0)->topic_id, id));
    step = run(bench, 6, asked, 3); /* The repeated id has an answer of its own. */
    answer = step.answer;
    assert_int_equal(answer->responses.count, 2);
    assert_int_equal(bench->changes.count, 0);
}

static void deletion_can_be_turned_off(void **state)
{
    (void)state;
    static const char *const extra[] = {"--set", "kafka.delete.topic.enable=false", NULL};
    struct step_bench *bench = step_bench_new(extra);
    step_bench_topic(bench, "a", 1);
    const struct asked asked = {"a", {{0}}};
    assert_int_equal(run(bench, 2, &asked, 1).whole_error, ERROR_INVALID_REQUEST);
    assert_int_equal(run(bench, 3, &asked, 1).whole_error, ERROR_TOPIC_DELETION_DISABLED);
    assert_int_equal(bench->changes.count, 0);
    step_bench_free(bench);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, step_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(topics_are_deleted_by_name_and_by_id),
        TEST(what_is_not_there_is_refused_with_words),
        TEST(what_is_said_twice_is_answered_once_and_stays),
        TEST(a_name_and_the_id_of_one_topic_are_answered_by_the_name),
        cmocka_unit_test(deletion_can_be_turned_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
