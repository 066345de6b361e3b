#include "tests/control/serve/serve_bench.h"

static struct find_coordinator_response ask(struct bench *bench, int16_t version, int8_t type,
                                            const char *key)
{
    struct find_coordinator_request request = find_coordinator_request_default;
    struct find_coordinator_response response;
    struct chain keys[2] = {text_of(key), text_of("second")};
    request.key = version < 4 ? keys[0] : CHAIN_EMPTY;
    request.key_type = type;
    request.coordinator_keys = (struct string_array){.items = keys, .count = version >= 4 ? 2 : 0};
    assert_true(ASK(bench, FIND_COORDINATOR, find_coordinator, version, &request, &response));
    return response;
}

static void B36_the_first_question_makes_the_topic(void **state)
{
    (void)state;
    struct bench *bench = bench_new(1, NULL);
    assert_int_equal(ask(bench, 0, 0, "g").error_code, ERROR_COORDINATOR_NOT_AVAILABLE);
    const struct image_topic *topic = bench_topic(bench, "__consumer_offsets");
    assert_non_null(topic);
    assert_int_equal(topic->partition_count, 50);
    bench_turns(bench, 50);
    const struct find_coordinator_response found = ask(bench, 2, 0, "g");
    assert_int_equal(found.error_code, ERROR_NONE);
    assert_int_equal(found.node_id, 1);
    assert_true(chain_is(found.error_message, "NONE"));
    const struct image *image = control_image(bench->control);
    const struct image_resource *set =
        image_resource(image, RESOURCE_TOPIC, bytes_of_string("__consumer_offsets"));
    assert_string_equal(image_resource_value(set, bytes_of_string("cleanup.policy")), "compact");
    assert_string_equal(image_resource_value(set, bytes_of_string("segment.bytes")), "104857600");
    assert_string_equal(image_resource_value(set, bytes_of_string("compression.type")), "producer");
    bench_free(bench);
}

static void B36_several_are_found_at_once(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    for (int16_t version = 4; version <= 6; version++) {
        struct find_coordinator_response found = ask(bench, version, 0, "g");
        struct find_coordinator_response_coordinator one;
        assert_int_equal(found.coordinators.count, 2);
        for (uint32_t i = 0; i < 2; i++) {
            assert_true(
                find_coordinator_response_coordinator_array_next(&found.coordinators, &one));
            assert_true(chain_is(one.key, i == 0 ? "g" : "second"));
            assert_int_equal(one.error_code, ERROR_NONE);
            assert_int_equal(one.error_message.len, 0);
        }
    }
    bench_free(bench);
}

static void a_kind_of_key_that_nobody_coordinates_is_refused(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    assert_int_equal(ask(bench, 3, 2, "g:id:0").error_code, ERROR_INVALID_REQUEST);
    assert_int_equal(ask(bench, 3, 9, "g").error_code, ERROR_INVALID_REQUEST);
    struct find_coordinator_response found = ask(bench, 4, 9, "g");
    struct find_coordinator_response_coordinator one;
    assert_true(find_coordinator_response_coordinator_array_next(&found.coordinators, &one));
    assert_int_equal(one.error_code, ERROR_INVALID_REQUEST);
    assert_true(one.error_message.len > 0);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(B36_the_first_question_makes_the_topic),
        cmocka_unit_test(B36_several_are_found_at_once),
        cmocka_unit_test(a_kind_of_key_that_nobody_coordinates_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
