#include "tests/control/bench.h"

#include <stdlib.h>

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
        const struct api_handler *handler = api_handler_find(served[i]);
        assert_non_null(handler);
        assert_true(strlen(api_handler_name(handler)) > 5);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slow_api_has_a_handler),
        cmocka_unit_test(a_body_cut_anywhere_is_malformed_or_an_answer),
        cmocka_unit_test(the_item_that_made_a_topic_learns_that_it_failed),
        cmocka_unit_test(an_answer_says_how_many_errors_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
