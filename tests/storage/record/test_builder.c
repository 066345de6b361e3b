#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/storage/record/sample.h"

static uint8_t buffer[SAMPLE_BYTES_MAX];
static uint8_t other[SAMPLE_BYTES_MAX];

static void a_record_that_does_not_fit_leaves_the_batch_as_it_was(void **state)
{
    (void)state;
    const struct batch_options options = batch_options_none();
    for (uint32_t capacity = BATCH_HEADER_BYTES; capacity < 200; capacity++) {
        struct batch_builder builder;
        memset(buffer, 0xa5, sizeof(buffer));
        batch_builder_init(&builder, buffer, capacity, &options);
        uint32_t added = 0;
        while (batch_builder_add(&builder, added, bytes_of_string("k"), bytes_of_string("value"),
                                 NULL, 0)) {
            added++;
        }
        assert_true(builder.full);
        assert_int_equal(builder.header.record_count, added);
        assert_int_equal(added, (capacity - BATCH_HEADER_BYTES) / 13);
        assert_int_equal(buffer[capacity], 0xa5);
        assert_true(builder.used <= capacity);
        if (added > 0) {
            const struct bytes batch = batch_builder_finish(&builder);
            struct batch_header header;
            assert_int_equal(batch_parse(chain_of(&batch), &header), BATCH_OK);
            assert_int_equal(batch_check_crc(chain_of(&batch), &header), BATCH_OK);
        }
    }
}

static void the_size_bound_holds_for_the_widest_numbers(void **state)
{
    (void)state;
    const struct batch_options options = batch_options_none();
    struct batch_builder builder;
    batch_builder_init(&builder, buffer, BATCH_HEADER_BYTES + record_size_max(0, 0), &options);
    assert_true(
        batch_builder_add(&builder, INT64_MIN, (struct bytes){0}, (struct bytes){0}, NULL, 0));
    batch_builder_init(&builder, buffer, BATCH_HEADER_BYTES + 2 * record_size_max(3, 5), &options);
    assert_true(batch_builder_add(&builder, INT64_MIN, bytes_of_string("abc"),
                                  bytes_of_string("12345"), NULL, 0));
    assert_true(batch_builder_add(&builder, INT64_MAX, bytes_of_string("abc"),
                                  bytes_of_string("12345"), NULL, 0));
}

static void a_compressed_batch_names_its_codec_and_keeps_its_header(void **state)
{
    (void)state;
    const struct batch_options options = {
        .base_offset = 9, .attributes = BATCH_TRANSACTIONAL, .producer_id = 1, .base_sequence = 2};
    for (enum batch_codec codec = BATCH_CODEC_NONE; codec < BATCH_CODECS; codec++) {
        struct batch_builder builder;
        batch_builder_init(&builder, buffer, sizeof(buffer), &options);
        for (uint32_t i = 0; i < 100; i++) {
            assert_true(batch_builder_add(&builder, 5, bytes_of_string("key"),
                                          bytes_of_string("value"), NULL, 0));
        }
        struct bytes batch;
        assert_true(batch_builder_finish_compressed(&builder, codec, INT32_MIN, other,
                                                    sizeof(other), &batch));
        struct batch_header header;
        assert_int_equal(batch_parse(chain_of(&batch), &header), BATCH_OK);
        assert_int_equal(batch_check_crc(chain_of(&batch), &header), BATCH_OK);
        assert_int_equal(batch_codec(&header), codec);
        assert_true(batch_is_transactional(&header));
        assert_int_equal(header.record_count, 100);
        assert_int_equal(header.last_offset_delta, 99);
        assert_int_equal(header.base_offset, 9);
        assert_true(codec == BATCH_CODEC_NONE || batch.len < 1000);
        assert_false(
            batch_builder_finish_compressed(&builder, codec, INT32_MIN, other, 70, &batch));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_that_does_not_fit_leaves_the_batch_as_it_was),
        cmocka_unit_test(the_size_bound_holds_for_the_widest_numbers),
        cmocka_unit_test(a_compressed_batch_names_its_codec_and_keeps_its_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
