#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/batch_records.h"

static void records_come_back_from_every_codec(void **state)
{
    (void)state;
    static uint8_t room[4096];
    static uint8_t packed[8192];
    struct batch_records records = {0};
    for (int codec = BATCH_CODEC_NONE; codec < BATCH_CODECS; codec++) {
        struct batch_builder builder;
        struct batch_header header;
        struct record_cursor cursor;
        struct record record;
        struct bytes batch;
        const struct batch_options options = batch_options_none();
        batch_builder_init(&builder, room, sizeof(room), &options);
        assert_true(batch_builder_add(&builder, 1000, bytes_of_string("k"), bytes_of_string("one"),
                                      NULL, 0));
        assert_true(
            batch_builder_add(&builder, 1007, (struct bytes){0}, bytes_of_string("two"), NULL, 0));
        assert_true(batch_builder_finish_compressed(&builder, (enum batch_codec)codec, INT32_MIN,
                                                    packed, sizeof(packed), &batch));
        assert_int_equal(batch_parse(chain_of(&batch), &header), BATCH_OK);
        assert_true(batch_records_open(&records, batch, &header, &cursor));
        assert_int_equal(record_next(&cursor, &record), RECORD_OK);
        assert_true(bytes_equal(record.key, bytes_of_string("k")) &&
                    bytes_equal(record.value, bytes_of_string("one")));
        assert_int_equal(record_next(&cursor, &record), RECORD_OK);
        assert_null(record.key.ptr);
        assert_int_equal(batch_record_time(&header, &record), 1007);
        assert_int_equal(record_next(&cursor, &record), RECORD_END);
    }
    batch_records_free(&records);
}

static void a_batch_that_cannot_be_inflated_says_so(void **state)
{
    (void)state;
    static uint8_t batch[BATCH_HEADER_BYTES + 16];
    struct batch_records records = {0};
    struct record_cursor cursor;
    for (uint16_t codec = BATCH_CODEC_GZIP; codec <= BATCH_CODEC_MASK; codec++) {
        const struct batch_header header = {
            .size_bytes = sizeof(batch), .attributes = codec, .record_count = 1};
        memset(batch, 0x5a, sizeof(batch));
        assert_false(
            batch_records_open(&records, (struct bytes){batch, sizeof(batch)}, &header, &cursor));
    }
    batch_records_free(&records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_from_every_codec),
        cmocka_unit_test(a_batch_that_cannot_be_inflated_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
