#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/base/uuid.h"

/* Text and bytes as Kafka's Uuid.toString gives them. */
static void ids_print_as_kafka_prints_them(void **state)
{
    (void)state;
    static const struct {
        struct uuid id;
        const char *text;
    } cases[] = {
        {{{0}}, "AAAAAAAAAAAAAAAAAAAAAA"},
        {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}, "AAAAAAAAAAAAAAAAAAAAAQ"},
        {{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
           0xff}},
         "_____________________w"},
        {{{0xf8, 0x10, 0x83, 0x10, 0x51, 0x87, 0x20, 0x92, 0x8b, 0x30, 0xd3, 0x8f, 0x41, 0x14, 0x93,
           0x51}},
         "-BCDEFGHIJKLMNOPQRSTUQ"},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[UUID_TEXT_CHARS + 1];
        uuid_format(cases[i].id, text);
        assert_string_equal(text, cases[i].text);
        struct uuid back;
        assert_true(uuid_parse(bytes_of_string(text), &back));
        assert_true(uuid_equal(back, cases[i].id));
    }
}

static void any_id_survives_the_round_trip(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 3);
    for (uint32_t i = 0; i < 10000; i++) {
        const struct uuid id = uuid_random(&random);
        char text[UUID_TEXT_CHARS + 1];
        uuid_format(id, text);
        assert_int_not_equal(text[0], '-');
        assert_int_equal(id.bytes[6] >> 4, 4);
        struct uuid back = {{0}};
        assert_true(uuid_parse(bytes_of_string(text), &back));
        assert_true(uuid_equal(back, id));
        assert_false(uuid_is_zero(id));
    }
}

static void text_that_is_no_id_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "AAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAB",
        "AAAAAAAAAA+AAAAAAAAAAA",
        "AAAAAAAAAA/AAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAA\xc3\x84"
        "AAAAAAAAA",
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct uuid id;
        assert_false(uuid_parse(bytes_of_string(bad[i]), &id));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_print_as_kafka_prints_them),
        cmocka_unit_test(any_id_survives_the_round_trip),
        cmocka_unit_test(text_that_is_no_id_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
