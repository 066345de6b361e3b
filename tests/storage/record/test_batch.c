#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/storage/record/sample.h"

static uint8_t buffer[SAMPLE_BYTES_MAX];

/* One record, key "k", value "v", timestamp 1234, written out by hand from the format; the checksum
 * was computed by an independent implementation. */
static const uint8_t known[] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    58,   0xff, 0xff,
    0xff, 0xff, 2,    0xac, 0x50, 0x56, 0x72, 0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    4,    0xd2, 0,    0,    0,    0,    0,    0,    4,
    0xd2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0,    0,    0,    1,    16,   0,    0,    0,    2,    'k',  2,    'v',  0};

static void a_built_batch_is_byte_for_byte_what_the_format_says(void **state)
{
    (void)state;
    const struct batch_options options = batch_options_none();
    struct batch_builder builder;
    batch_builder_init(&builder, buffer, sizeof(buffer), &options);
    assert_true(
        batch_builder_add(&builder, 1234, bytes_of_string("k"), bytes_of_string("v"), NULL, 0));
    const struct bytes batch = batch_builder_finish(&builder);
    assert_int_equal(batch.len, sizeof(known));
    assert_memory_equal(batch.ptr, known, sizeof(known));
}

static void a_header_is_read_across_every_seam(void **state)
{
    (void)state;
    const struct batch_options options = {.base_offset = 7,
                                          .leader_epoch = 3,
                                          .attributes = BATCH_TRANSACTIONAL,
                                          .producer_id = 99,
                                          .producer_epoch = 4,
                                          .base_sequence = INT32_MAX - 1};
    const struct bytes batch = sample_batch(buffer, 5, 20, &options);
    struct bytes parts[256];
    for (uint32_t piece = 1; piece <= batch.len; piece++) {
        struct batch_header header;
        const struct chain chain = sample_chain(batch, piece, parts);
        if (batch.len / piece + 1 > ARRAY_SIZE(parts)) {
            continue;
        }
        assert_int_equal(batch_parse(chain, &header), BATCH_OK);
        assert_int_equal(batch_check_crc(chain, &header), BATCH_OK);
        assert_int_equal(header.base_offset, 7);
        assert_int_equal(header.size_bytes, batch.len);
        assert_int_equal(header.leader_epoch, 3);
        assert_int_equal(header.last_offset_delta, 4);
        assert_int_equal(header.base_timestamp_ms, 1000);
        assert_int_equal(header.max_timestamp_ms, 1004);
        assert_int_equal(header.producer_id, 99);
        assert_int_equal(header.producer_epoch, 4);
        assert_int_equal(header.record_count, 5);
        assert_int_equal(batch_last_offset(&header), 11);
        assert_int_equal(batch_last_sequence(&header), 2); /* Over INT32_MAX to 0. */
        assert_true(batch_is_transactional(&header) && !batch_is_control(&header));
    }
}

static void a_cut_batch_is_partial_at_every_byte(void **state)
{
    (void)state;
    for (uint32_t len = 0; len < sizeof(known); len++) {
        struct batch_header header = {.base_offset = -77};
        const struct bytes cut = {known, len};
        assert_int_equal(batch_parse(chain_of(&cut), &header), BATCH_PARTIAL);
        assert_int_equal(header.base_offset, -77);
        assert_int_equal(batch_parse_header(chain_of(&cut), &header),
                         len < BATCH_HEADER_BYTES ? BATCH_PARTIAL : BATCH_OK);
    }
}

static void a_length_or_magic_that_cannot_be_is_told(void **state)
{
    (void)state;
    static const struct {
        uint32_t length;
        uint8_t magic;
        enum batch_status want;
    } cases[] = {
        {13, 2, BATCH_BAD_LENGTH},
        {0, 2, BATCH_BAD_LENGTH},
        {0xffffffff, 2, BATCH_BAD_LENGTH},
        {48, 2, BATCH_BAD_LENGTH},
        {49, 2, BATCH_OK},
        {58, 3, BATCH_BAD_MAGIC},
        {58, 0xff, BATCH_BAD_MAGIC},
        {58, 1, BATCH_OLD_MAGIC},
        {14, 0, BATCH_OLD_MAGIC},
        {59, 1, BATCH_PARTIAL},
        {0x7fffffff, 2, BATCH_PARTIAL},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        memcpy(buffer, known, sizeof(known));
        store_be32(buffer + BATCH_AT_LENGTH, cases[i].length);
        buffer[BATCH_AT_MAGIC] = cases[i].magic;
        struct batch_header header;
        const struct bytes bytes = {buffer, sizeof(known)};
        assert_int_equal(batch_parse(chain_of(&bytes), &header), cases[i].want);
    }
}

static void one_flipped_bit_breaks_the_checksum(void **state)
{
    (void)state;
    for (uint32_t bit = BATCH_AT_CRC * 8; bit < sizeof(known) * 8; bit++) {
        memcpy(buffer, known, sizeof(known));
        buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct batch_header header;
        const struct bytes bytes = {buffer, sizeof(known)};
        assert_int_equal(batch_parse(chain_of(&bytes), &header), BATCH_OK);
        assert_int_equal(batch_check_crc(chain_of(&bytes), &header), BATCH_BAD_CRC);
    }
}

static void stamping_leaves_the_checksum_right(void **state)
{
    (void)state;
    memcpy(buffer, known, sizeof(known));
    batch_stamp(buffer, INT64_C(0x123456789abc), 42);
    struct batch_header header;
    const struct bytes bytes = {buffer, sizeof(known)};
    assert_int_equal(batch_parse(chain_of(&bytes), &header), BATCH_OK);
    assert_int_equal(header.base_offset, INT64_C(0x123456789abc));
    assert_int_equal(header.leader_epoch, 42);
    assert_int_equal(batch_check_crc(chain_of(&bytes), &header), BATCH_OK);
}

static void new_timestamps_come_with_the_right_checksum(void **state)
{
    (void)state;
    static const struct {
        bool append_time;
        int64_t max_ms;
        bool changed;
    } cases[] = {{false, 1234, false}, {false, 1235, true}, {true, 1234, true}, {true, -1, true}};
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        memcpy(buffer, known, sizeof(known));
        assert_int_equal(batch_set_timestamps(buffer, cases[i].append_time, cases[i].max_ms),
                         cases[i].changed);
        struct batch_header header;
        const struct bytes bytes = {buffer, sizeof(known)};
        assert_int_equal(batch_parse(chain_of(&bytes), &header), BATCH_OK);
        assert_int_equal(batch_check_crc(chain_of(&bytes), &header), BATCH_OK);
        assert_int_equal(header.max_timestamp_ms, cases[i].max_ms);
        assert_int_equal(batch_is_log_append_time(&header), cases[i].append_time);
        assert_int_equal(header.base_timestamp_ms, 1234);
    }
}

static void setting_timestamps_clears_only_unused_attributes(void **state)
{
    (void)state;
    memcpy(buffer, known, sizeof(known));
    store_be16(buffer + BATCH_AT_ATTRIBUTES, 0xffff);
    batch_seal(buffer, sizeof(known));
    assert_true(batch_set_timestamps(buffer, false, 5));
    assert_int_equal(load_be16(buffer + BATCH_AT_ATTRIBUTES), 0x77);
    struct batch_header header;
    const struct bytes bytes = {buffer, sizeof(known)};
    assert_int_equal(batch_parse(chain_of(&bytes), &header), BATCH_OK);
    assert_int_equal(batch_check_crc(chain_of(&bytes), &header), BATCH_OK);
}

static void batches_are_walked_one_by_one(void **state)
{
    (void)state;
    struct batch_options options = batch_options_none();
    uint32_t used = 0;
    for (int32_t i = 0; i < 10; i++) {
        options.base_offset = i;
        used += sample_batch(buffer + used, 1, (uint32_t)i * 100, &options).len;
    }
    struct bytes rest = {buffer, used - 1};
    struct batch_header header;
    struct bytes batch;
    for (int32_t i = 0; i < 9; i++) {
        assert_int_equal(batch_next(&rest, &header, &batch), BATCH_OK);
        assert_int_equal(header.base_offset, i);
        assert_int_equal(batch.len, header.size_bytes);
    }
    assert_int_equal(batch_next(&rest, &header, &batch), BATCH_PARTIAL);
    assert_true(rest.len > 0); /* The cut one is left. */
}

static void a_written_header_reads_back(void **state)
{
    (void)state;
    struct batch_header header;
    const struct bytes bytes = {known, sizeof(known)};
    assert_int_equal(batch_parse(chain_of(&bytes), &header), BATCH_OK);
    batch_write_header(buffer, &header);
    assert_memory_equal(buffer, known, BATCH_HEADER_BYTES);
}

static void sequences_wrap_to_zero(void **state)
{
    (void)state;
    assert_int_equal(batch_sequence_add(INT32_MAX, 1), 0);
    assert_int_equal(batch_sequence_add(INT32_MAX - 2, 7), 4);
    assert_int_equal(batch_sequence_add(5, 0), 5);
    assert_int_equal(batch_sequence_subtract(0, 1), INT32_MAX);
    assert_int_equal(batch_sequence_subtract(4, 7), INT32_MAX - 2);
    assert_string_equal(batch_codec_name(BATCH_CODEC_ZSTD), "zstd");
    assert_string_equal(batch_status_name(BATCH_BAD_CRC), "wrong checksum");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_built_batch_is_byte_for_byte_what_the_format_says),
        cmocka_unit_test(a_header_is_read_across_every_seam),
        cmocka_unit_test(a_cut_batch_is_partial_at_every_byte),
        cmocka_unit_test(a_length_or_magic_that_cannot_be_is_told),
        cmocka_unit_test(one_flipped_bit_breaks_the_checksum),
        cmocka_unit_test(stamping_leaves_the_checksum_right),
        cmocka_unit_test(new_timestamps_come_with_the_right_checksum),
        cmocka_unit_test(setting_timestamps_clears_only_unused_attributes),
        cmocka_unit_test(batches_are_walked_one_by_one),
        cmocka_unit_test(a_written_header_reads_back),
        cmocka_unit_test(sequences_wrap_to_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
