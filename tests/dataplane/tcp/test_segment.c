#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/segment.h"

static struct segment full(uint8_t flags)
{
    return (struct segment){.source_port = 9092,
                            .target_port = 40000,
                            .sequence = 0x01020304,
                            .ack = 0xfffefdfc,
                            .window = 0xabcd,
                            .flags = flags};
}

static struct segment reread(struct segment *segment, uint32_t payload)
{
    uint8_t bytes[SEGMENT_BYTES_MAX];
    struct segment read = {0};
    const uint16_t len = segment_write(bytes, segment);
    assert_true(segment_parse((struct bytes){bytes, len}, len + payload, &read));
    return read;
}

static void a_header_is_read_as_written(void **state)
{
    (void)state; /* RFC 9293 3.1 */
    struct segment segment = full(SEGMENT_ACK | SEGMENT_PSH);
    const struct segment read = reread(&segment, 1000);
    assert_int_equal(read.source_port, 9092);
    assert_int_equal(read.target_port, 40000);
    assert_int_equal(read.sequence, 0x01020304);
    assert_int_equal(read.ack, 0xfffefdfc);
    assert_int_equal(read.window, 0xabcd);
    assert_int_equal(read.flags, SEGMENT_ACK | SEGMENT_PSH);
    assert_int_equal(read.len, 1000);
}

static void a_usual_header_that_is_patched_is_the_one_written_at_once(void **state)
{
    uint8_t usual[SEGMENT_USUAL_BYTES];
    uint8_t bytes[SEGMENT_BYTES_MAX];
    (void)state;
    segment_write_usual(usual, 9092, 40000);
    for (uint32_t i = 1; i < 1000; i++) { /* Nothing of the one before is left. */
        struct segment segment = full(i % 2 ? SEGMENT_ACK : SEGMENT_ACK | SEGMENT_PSH);
        segment.sequence = i * 2654435761u;
        segment.ack = i * 40503u;
        segment.window = i * 65u & UINT16_MAX;
        segment.has_timestamp = true;
        segment.tsval = ~segment.sequence;
        segment.tsecr = ~segment.ack;
        assert_int_equal(segment_write(bytes, &segment), SEGMENT_USUAL_BYTES);
        segment_patch(usual, segment.sequence, segment.ack, segment.flags, segment.window,
                      segment.tsval, segment.tsecr);
        assert_memory_equal(usual, bytes, SEGMENT_USUAL_BYTES);
    }
}

static void all_options_of_a_syn_are_read_as_written(void **state)
{
    (void)state;
    struct segment segment = full(SEGMENT_SYN);
    segment.mss = 8960;
    segment.has_wscale = true;
    segment.wscale = 9;
    segment.has_timestamp = true;
    segment.tsval = 77;
    segment.tsecr = 78;
    segment.sack_permitted = true;
    const struct segment read = reread(&segment, 0);
    assert_int_equal(read.mss, 8960);
    assert_true(read.has_wscale && read.has_timestamp && read.sack_permitted);
    assert_int_equal(read.wscale, 9);
    assert_int_equal(read.tsval, 77);
    assert_int_equal(read.tsecr, 78);
    assert_int_equal(segment_length(&read), 1);
}

static void options_of_a_syn_do_not_count_elsewhere(void **state)
{
    (void)state; /* RFC 9293 3.2, RFC 7323 2.2, RFC 2018 2 */
    struct segment segment = full(SEGMENT_ACK);
    segment.mss = 8960;
    segment.has_wscale = true;
    segment.sack_permitted = true;
    const struct segment read = reread(&segment, 0);
    assert_int_equal(read.mss, 0);
    assert_false(read.has_wscale || read.sack_permitted);
}

static void sack_blocks_take_the_room_that_timestamps_leave(void **state)
{
    (void)state; /* RFC 2018 3 */
    for (uint32_t timestamps = 0; timestamps < 2; timestamps++) {
        struct segment segment = full(SEGMENT_ACK);
        segment.has_timestamp = timestamps;
        segment.sack_count = 4;
        for (uint32_t i = 0; i < 4; i++) {
            segment.sacks[i] = (struct segment_range){i * 10, i * 10 + 5};
        }
        const struct segment read = reread(&segment, 0);
        assert_int_equal(read.sack_count, timestamps ? 3 : 4);
        assert_int_equal(read.sacks[2].start, 20);
        assert_int_equal(read.sacks[2].end, 25);
    }
}

static void a_window_scale_above_14_is_14(void **state)
{
    (void)state; /* RFC 7323 2.3 */
    struct segment segment = full(SEGMENT_SYN);
    segment.has_wscale = true;
    segment.wscale = 15;
    assert_int_equal(reread(&segment, 0).wscale, 14);
}

/* clang-format off */
static const struct { const char *what; uint8_t options[8]; uint16_t mss; } odd[] = {
    {"a length of zero",             {8, 0, 2, 4, 1, 2, 0, 0}, 0}, /* MUST-7 */
    {"a length of one",              {8, 1, 2, 4, 1, 2, 0, 0}, 0},
    {"a length beyond the header",   {8, 9, 2, 4, 1, 2, 0, 0}, 0},
    {"no room for the length",       {1, 1, 1, 1, 1, 1, 1, 2}, 0},
    {"an MSS option of length 3",    {2, 3, 1, 1, 1, 1, 1, 1}, 0},
    {"an unknown option is skipped", {99, 3, 7, 2, 4, 1, 2, 0}, 258}, /* MUST-6 */
    {"nothing after the end",        {0, 2, 4, 1, 2, 0, 0, 0}, 0},
    {"padding before the option",    {1, 1, 1, 2, 4, 1, 2, 0}, 258},
};
/* clang-format on */

static void odd_options_are_skipped_or_end_the_list(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        uint8_t bytes[28];
        struct segment segment = full(SEGMENT_SYN);
        struct segment read;
        segment_write(bytes, &segment);
        bytes[12] = 7 << 4;
        memcpy(bytes + 20, odd[i].options, 8);
        assert_true(segment_parse((struct bytes){bytes, 28}, 28, &read));
        assert_int_equal(read.mss, odd[i].mss);
    }
}

static void headers_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[SEGMENT_BYTES_MAX];
    struct segment segment = full(SEGMENT_ACK);
    struct segment read;
    segment_write(bytes, &segment);
    for (uint32_t len = 0; len < SEGMENT_BYTES; len++) {
        assert_false(segment_parse((struct bytes){bytes, len}, len, &read));
    }
    bytes[12] = 4 << 4;
    assert_false(segment_parse((struct bytes){bytes, 60}, 60, &read));
    bytes[12] = 6 << 4;
    assert_false(segment_parse((struct bytes){bytes, 20}, 60, &read));
    assert_false(segment_parse((struct bytes){bytes, 60}, 20, &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_read_as_written),
        cmocka_unit_test(a_usual_header_that_is_patched_is_the_one_written_at_once),
        cmocka_unit_test(all_options_of_a_syn_are_read_as_written),
        cmocka_unit_test(options_of_a_syn_do_not_count_elsewhere),
        cmocka_unit_test(sack_blocks_take_the_room_that_timestamps_leave),
        cmocka_unit_test(a_window_scale_above_14_is_14),
        cmocka_unit_test(odd_options_are_skipped_or_end_the_list),
        cmocka_unit_test(headers_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}
