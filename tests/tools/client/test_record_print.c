#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tools/client/record_print.h"

static const uint8_t header_bytes[] = {2, 'h', 2, '1', 2, 'n', 1}; /* h=1, n=null */

static const struct consumer_record record = {
    .topic = "orders",
    .partition = 3,
    .offset = 42,
    .timestamp_ms = 1234567890123,
    .key = {(const uint8_t *)"key", 3},
    .value = {(const uint8_t *)"va\0lue", 6},
    .headers = {header_bytes, sizeof(header_bytes)},
};

static void check(const char *format, const struct consumer_record *from, const void *want,
                  size_t len)
{
    char *text = NULL;
    size_t size = 0;
    const char *bad;
    assert_true(record_format_check(format, &bad));
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    record_print(out, format, from);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(size, len);
    assert_memory_equal(text, want, len);
    free(text);
}

static void formats_print_what_they_name(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        const char *want;
    } cases[] = {
        {"%t/%p@%o", "orders/3@42"},
        {"%T", "1234567890123"},
        {"%k=%K", "key=3"},
        {"%h", "h=1,n=NULL"},
        {"%%\\\\%%", "%\\%"},
        {"\\x41\\t\\r\\n|", "A\t\r\n|"},
        {"%S", "6"},
        {"plain", "plain"},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        check(cases[i].format, &record, cases[i].want, strlen(cases[i].want));
    }
    check("%s", &record, "va\0lue", 6); /* Zeros are bytes as others. */
}

static void nulls_print_nothing_and_count_minus_one(void **state)
{
    (void)state;
    struct consumer_record empty = record;
    empty.key = (struct bytes){0};
    empty.value = (struct bytes){(const uint8_t *)"", 0};
    empty.headers = (struct bytes){0};
    check("[%k|%K|%s|%S|%h]", &empty, "[|-1||0|]", 9);
}

static void bad_formats_are_pointed_at(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        size_t at;
    } cases[] = {{"a%q", 1}, {"%", 0}, {"%s\\q", 2}, {"\\x4", 0}, {"\\", 0}, {"\\xg0", 0}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *bad;
        assert_false(record_format_check(cases[i].format, &bad));
        assert_ptr_equal(bad, cases[i].format + cases[i].at);
    }
}

static void json_holds_text_nulls_and_bytes(void **state)
{
    (void)state;
    struct consumer_record odd = record;
    odd.value = (struct bytes){(const uint8_t *)"\xff\xfe\x00", 3};
    odd.key = (struct bytes){0};
    json_t *json = record_json(&odd);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text,
                        "{\"topic\":\"orders\",\"partition\":3,\"offset\":42,"
                        "\"timestamp\":1234567890123,\"timestamp_type\":\"create\",\"key\":null,"
                        "\"value_base64\":\"//4A\",\"headers\":[{\"key\":\"h\",\"value\":\"1\"},"
                        "{\"key\":\"n\",\"value\":null}]}");
    free(text);
    json_decref(json);
}

static void base64_pads_as_others_do(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        uint32_t len;
        const char *want;
    } cases[] = {{"\xff", 1, "/w=="},
                 {"\xff\xff", 2, "//8="},
                 {"\xff\xff\xff", 3, "////"},
                 {"\xff\x00\x10\x83", 4, "/wAQgw=="}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *json = json_object();
        record_json_bytes(json, "b", (struct bytes){(const uint8_t *)cases[i].bytes, cases[i].len});
        assert_string_equal(json_string_value(json_object_get(json, "b_base64")), cases[i].want);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_print_what_they_name),
        cmocka_unit_test(nulls_print_nothing_and_count_minus_one),
        cmocka_unit_test(bad_formats_are_pointed_at),
        cmocka_unit_test(json_holds_text_nulls_and_bytes),
        cmocka_unit_test(base64_pads_as_others_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
