#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/kafka/primitives.h"

#define WIRE(...)                                                              \
    {                                                                          \
        (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}) \
    }

static void numbers_are_read_across_every_seam(void **state)
{
    (void)state;
    uint8_t wire[64];
    struct writer writer;
    writer_init(&writer, wire, sizeof(wire));
    const struct uuid id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    writer_bool(&writer, true);
    writer_i8(&writer, -2);
    writer_i16(&writer, INT16_MIN);
    writer_u16(&writer, 0xfedc);
    writer_i32(&writer, -123456789);
    writer_i64(&writer, INT64_MIN + 5);
    writer_uvarint(&writer, 300);
    writer_uvarint(&writer, UINT32_MAX);
    writer_uuid(&writer, id);
    const uint32_t len = writer_used(&writer);
    for (uint32_t cut = 1; cut < len; cut++) {
        for (uint32_t second = cut; second <= len; second++) { /* The middle may be empty. */
            const struct bytes parts[] = {
                {wire, cut}, {wire + cut, second - cut}, {wire + second, len - second}};
            struct reader reader;
            reader_init(&reader, (struct chain){parts, 0, len});
            assert_true(reader_bool(&reader));
            assert_int_equal(reader_i8(&reader), -2);
            assert_int_equal(reader_i16(&reader), INT16_MIN);
            assert_int_equal(reader_u16(&reader), 0xfedc);
            assert_int_equal(reader_i32(&reader), -123456789);
            assert_true(reader_i64(&reader) == INT64_MIN + 5);
            assert_int_equal(reader_uvarint(&reader), 300);
            assert_int_equal(reader_uvarint(&reader), UINT32_MAX);
            assert_true(uuid_equal(reader_uuid(&reader), id));
            assert_int_equal(reader.status, CODEC_OK);
            assert_int_equal(reader_left(&reader), 0);
        }
    }
}

static void a_failure_sticks_and_reads_zero(void **state)
{
    (void)state;
    const struct bytes wire = WIRE(1, 2, 3);
    struct reader reader;
    reader_init(&reader, chain_of(&wire));
    assert_int_equal(reader_i16(&reader), 0x102);
    assert_int_equal(reader_i32(&reader), 0);
    assert_int_equal(reader.status, CODEC_SHORT);
    assert_int_equal(reader_i8(&reader), 0);
    assert_int_equal(reader_uvarint(&reader), 0);
    assert_int_equal(reader_string(&reader, true, false, 10).len, 0);
    assert_int_equal(reader_left(&reader), 0);
    assert_int_equal(reader.status, CODEC_SHORT); /* The first cause, not the last. */
}

/* clang-format off */
static const struct {
    const char *what;
    struct bytes wire;
    enum codec_status want;
    uint32_t value;
} varints[] = {
    {"zero",               WIRE(0),                                  CODEC_OK,      0},
    {"one byte",           WIRE(0x7f),                               CODEC_OK,      127},
    {"two bytes",          WIRE(0x80, 0x01),                         CODEC_OK,      128},
    {"longer than needed", WIRE(0x81, 0x80, 0x00),                   CODEC_OK,      1},
    {"all bits",           WIRE(0xff, 0xff, 0xff, 0xff, 0x0f),       CODEC_OK,      UINT32_MAX},
    {"33 bits",            WIRE(0xff, 0xff, 0xff, 0xff, 0x1f),       CODEC_INVALID, 0},
    {"six bytes",          WIRE(0x80, 0x80, 0x80, 0x80, 0x80, 0x00), CODEC_INVALID, 0},
    {"cut short",          WIRE(0x80),                               CODEC_SHORT,   0},
};
/* clang-format on */

static void varints_have_at_most_32_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(varints); i++) {
        struct reader reader;
        reader_init(&reader, chain_of(&varints[i].wire));
        const uint32_t value = reader_uvarint(&reader);
        if (reader.status != varints[i].want || value != varints[i].value) {
            fail_msg("%s: %s %u", varints[i].what, codec_status_name(reader.status), value);
        }
    }
}

/* clang-format off */
static const struct {
    const char *what;
    struct bytes wire;
    bool compact, nullable;
    enum codec_status want;
    int64_t len; /* -1: null. */
} strings[] = {
    {"plain",             WIRE(0, 2, 'a', 'b'),  false, false, CODEC_OK,      2},
    {"plain, empty",      WIRE(0, 0),            false, false, CODEC_OK,      0},
    {"plain, null",       WIRE(0xff, 0xff),      false, true,  CODEC_OK,      -1},
    {"plain, wrong null", WIRE(0xff, 0xff),      false, false, CODEC_INVALID, -1},
    {"plain, negative",   WIRE(0xff, 0xfe),      false, true,  CODEC_OK,      -1},
    {"plain, no negative", WIRE(0xff, 0xfe),     false, false, CODEC_INVALID, -1},
    {"plain, too long",   WIRE(0, 6, 1, 2, 3, 4, 5, 6), false, true, CODEC_INVALID, -1},
    {"plain, the bound",  WIRE(0, 5, 1, 2, 3, 4, 5), false, true, CODEC_OK,   5},
    {"plain, cut short",  WIRE(0, 5, 1, 2, 3, 4), false, true, CODEC_SHORT,   -1},
    {"compact",           WIRE(3, 'a', 'b'),     true,  false, CODEC_OK,      2},
    {"compact, empty",    WIRE(1),               true,  false, CODEC_OK,      0},
    {"compact, null",     WIRE(0),               true,  true,  CODEC_OK,      -1},
    {"compact, no null",  WIRE(0),               true,  false, CODEC_INVALID, -1},
    {"compact, too long", WIRE(7, 1, 2, 3, 4, 5, 6), true, false, CODEC_INVALID, -1},
    {"compact, cut",      WIRE(3, 'a'),          true,  false, CODEC_SHORT,   -1},
    {"no length",         WIRE(0),               false, false, CODEC_SHORT,   -1},
};
/* clang-format on */

static void strings_are_bounded_views(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        struct reader reader;
        reader_init(&reader, chain_of(&strings[i].wire));
        const struct chain got = reader_string(&reader, strings[i].compact, strings[i].nullable, 5);
        if (reader.status != strings[i].want) {
            fail_msg("%s: %s", strings[i].what, codec_status_name(reader.status));
        }
        if (strings[i].want == CODEC_OK) {
            assert_int_equal(chain_is_null(got), strings[i].len < 0);
            assert_int_equal(got.len, strings[i].len < 0 ? 0 : strings[i].len);
            assert_int_equal(reader_left(&reader), 0);
        }
    }
}

static void a_string_across_seams_is_a_view_of_all_pieces(void **state)
{
    (void)state;
    const struct bytes parts[] = {WIRE(0, 5, 'h'), {NULL, 0}, WIRE('e', 'l'), WIRE('l', 'o', 9)};
    struct reader reader;
    reader_init(&reader, (struct chain){parts, 0, 8});
    const struct chain got = reader_string(&reader, false, false, 100);
    assert_true(chain_equals(got, (struct bytes){(const uint8_t *)"hello", 5}));
    assert_int_equal(reader_i8(&reader), 9);
    assert_int_equal(reader.status, CODEC_OK);
}

static void a_view_never_starts_behind_its_first_piece(void **state)
{
    (void)state;
    const struct bytes parts[] = {WIRE(0, 1), {NULL, 0}, WIRE('x')};
    struct reader reader;
    reader_init(&reader, (struct chain){parts, 0, 3});
    const struct chain got = reader_string(&reader, false, false, 100);
    assert_ptr_equal(got.parts, &parts[2]);
    assert_int_equal(got.offset, 0);
}

static void a_count_beyond_what_is_left_fails_before_any_element(void **state)
{
    (void)state;
    const struct bytes wire = WIRE(0, 0, 0, 3, 1, 2);
    struct reader reader;
    reader_init(&reader, chain_of(&wire));
    assert_int_equal(reader_count(&reader, false, false, 1000), 0);
    assert_int_equal(reader.status, CODEC_SHORT);
    reader_init(&reader, chain_of(&wire));
    assert_int_equal(reader_count(&reader, false, false, 2), 0);
    assert_int_equal(reader.status, CODEC_INVALID);
}

static void unknown_tags_are_skipped(void **state)
{
    (void)state;
    const struct {
        struct bytes wire;
        enum codec_status want;
    } cases[] = {
        {WIRE(0, 9), CODEC_OK},
        {WIRE(2, 0, 1, 5, 0x80, 0x01, 2, 6, 7, 9), CODEC_OK},
        {WIRE(1, 0, 3, 1, 2), CODEC_SHORT},
        {WIRE(0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0), CODEC_SHORT},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct reader reader;
        reader_init(&reader, chain_of(&cases[i].wire));
        reader_tags_skip(&reader);
        assert_int_equal(reader.status, cases[i].want);
        assert_int_equal(reader_i8(&reader), cases[i].want == CODEC_OK ? 9 : 0);
    }
}

static void a_tag_must_be_as_long_as_it_says(void **state)
{
    (void)state;
    const struct {
        struct bytes wire;
        enum codec_status want;
    } cases[] = {
        {WIRE(3, 4, 0, 0, 0, 1), CODEC_OK},
        {WIRE(3, 5, 0, 0, 0, 1, 1), CODEC_INVALID},
        {WIRE(3, 3, 0, 0, 0, 1, 1), CODEC_INVALID},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct reader reader;
        reader_init(&reader, chain_of(&cases[i].wire));
        const struct reader_tag tag = reader_tag_begin(&reader);
        assert_int_equal(tag.number, 3);
        assert_int_equal(reader_i32(&reader), 1);
        reader_tag_end(&reader, tag);
        assert_int_equal(reader.status, cases[i].want);
    }
}

static void a_full_buffer_fails_once_and_for_all(void **state)
{
    (void)state;
    uint8_t buffer[3] = {7, 7, 7};
    struct writer writer;
    writer_init(&writer, buffer, sizeof(buffer));
    writer_i16(&writer, 0x102);
    writer_i32(&writer, 5);
    assert_int_equal(writer.status, CODEC_FULL);
    writer_i8(&writer, 9); /* Would fit, but the message is lost. */
    assert_int_equal(writer_used(&writer), 2);
    assert_int_equal(buffer[2], 7);
}

/* Writes one of each and returns the bytes of the whole. */
static uint64_t write_some(struct writer *writer)
{
    writer_i8(writer, 1);
    writer_uvarint(writer, 1u << 28);
    writer_string(writer, true, false, CHAIN_TEXT("string"));
    writer_string(writer, false, true, CHAIN_NULL);
    writer_bytes_field(writer, false, true, CHAIN_TEXT("bytes"));
    writer_records(writer, true, true, CHAIN_TEXT("records"));
    writer_records(writer, true, true, CHAIN_EMPTY);
    writer_count(writer, true, true, -1);
    writer_i64(writer, 2);
    return writer_bytes(writer);
}

static void error_codes_are_counted(void **state)
{
    (void)state;
    uint8_t buffer[8];
    struct writer writer;
    writer_init(&writer, buffer, sizeof(buffer));
    writer_error_code(&writer, 0);
    writer_error_code(&writer, -1);
    writer_error_code(&writer, 3);
    writer_i16(&writer, 3);
    assert_int_equal(writer.errors, 2);
    assert_memory_equal(buffer, "\0\0\xff\xff\0\3\0\3", 8);
}

static void counting_writing_and_splicing_agree(void **state)
{
    (void)state;
    uint8_t whole[64];
    uint8_t around[64];
    struct writer writer;
    writer_init_count(&writer);
    const uint64_t size = write_some(&writer);
    writer_init(&writer, whole, sizeof(whole));
    assert_int_equal(write_some(&writer), size);
    assert_int_equal(writer_used(&writer), size);
    struct splice splices[2];
    writer_init(&writer, around, sizeof(around));
    writer_use_splices(&writer, splices, ARRAY_SIZE(splices));
    assert_int_equal(write_some(&writer), size);
    assert_int_equal(writer.splice_count, 1);
    assert_int_equal(writer_used(&writer), size - 7);
    const uint32_t at = splices[0].offset;
    assert_memory_equal(around, whole, at);
    assert_true(chain_equals(splices[0].records, (struct bytes){whole + at, 7}));
    assert_memory_equal(around + at, whole + at + 7, size - 7 - at);
    assert_int_equal(writer.status, CODEC_OK);
}

static void a_full_list_of_splices_fails(void **state)
{
    (void)state;
    uint8_t buffer[64];
    struct splice splice;
    struct writer writer;
    writer_init(&writer, buffer, sizeof(buffer));
    writer_use_splices(&writer, &splice, 1);
    writer_records(&writer, false, false, CHAIN_TEXT("one"));
    assert_int_equal(writer.status, CODEC_OK);
    writer_records(&writer, false, false, CHAIN_TEXT("two"));
    assert_int_equal(writer.status, CODEC_FULL);
}

static void what_the_wire_cannot_say_is_refused(void **state)
{
    (void)state;
    static uint8_t long_text[INT16_MAX + 1];
    uint8_t buffer[16];
    const struct bytes text = {long_text, sizeof(long_text)};
    struct writer writer;
    writer_init(&writer, buffer, sizeof(buffer));
    writer_string(&writer, true, true, chain_of(&text));
    assert_int_equal(writer.status, CODEC_UNREPRESENTABLE);
    writer_init(&writer, buffer, sizeof(buffer));
    writer_string(&writer, true, false, CHAIN_NULL);
    assert_int_equal(writer.status, CODEC_UNREPRESENTABLE);
    writer_init(&writer, buffer, sizeof(buffer));
    writer_count(&writer, true, false, -1);
    assert_int_equal(writer.status, CODEC_UNREPRESENTABLE);
    assert_int_equal(writer_used(&writer), 0);
}

static void arrays_given_and_arrays_read_walk_alike(void **state)
{
    (void)state;
    static const int32_t numbers[] = {1, -2, 3};
    const struct chain texts[] = {CHAIN_TEXT("a"), CHAIN_EMPTY, CHAIN_TEXT("long")};
    for (int compact = 0; compact <= 1; compact++) {
        uint8_t buffer[64];
        struct writer writer;
        writer_init(&writer, buffer, sizeof(buffer));
        i32_array_write(&writer, compact, false, (struct i32_array){.items = numbers, .count = 3});
        string_array_write(&writer, compact, false,
                           (struct string_array){.items = texts, .count = 3});
        const struct bytes wire = {buffer, writer_used(&writer)};
        struct reader reader;
        reader_init(&reader, chain_of(&wire));
        struct i32_array read = i32_array_read(&reader, compact, false, 3);
        struct string_array strings_read = string_array_read(&reader, compact, false, 3, 4);
        assert_int_equal(reader.status, CODEC_OK);
        assert_int_equal(reader_left(&reader), 0);
        for (int i = 0; i < 3; i++) {
            int32_t number;
            struct chain text;
            assert_true(i32_array_next(&read, &number));
            assert_int_equal(number, numbers[i]);
            assert_true(string_array_next(&strings_read, &text));
            assert_true(chain_equals(text, chain_first(texts[i])));
        }
        int32_t number;
        assert_false(i32_array_next(&read, &number));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_across_every_seam),
        cmocka_unit_test(a_failure_sticks_and_reads_zero),
        cmocka_unit_test(varints_have_at_most_32_bits),
        cmocka_unit_test(strings_are_bounded_views),
        cmocka_unit_test(a_string_across_seams_is_a_view_of_all_pieces),
        cmocka_unit_test(a_view_never_starts_behind_its_first_piece),
        cmocka_unit_test(a_count_beyond_what_is_left_fails_before_any_element),
        cmocka_unit_test(unknown_tags_are_skipped),
        cmocka_unit_test(a_tag_must_be_as_long_as_it_says),
        cmocka_unit_test(a_full_buffer_fails_once_and_for_all),
        cmocka_unit_test(error_codes_are_counted),
        cmocka_unit_test(counting_writing_and_splicing_agree),
        cmocka_unit_test(a_full_list_of_splices_fails),
        cmocka_unit_test(what_the_wire_cannot_say_is_refused),
        cmocka_unit_test(arrays_given_and_arrays_read_walk_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
