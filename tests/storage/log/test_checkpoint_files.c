#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/log/checkpoint_files.h"

static enum checkpoint_status read_offsets(const char *file, uint32_t *line, uint32_t *count)
{
    struct checkpoint_reader reader;
    struct checkpoint_offset entry;
    enum checkpoint_status status = checkpoint_open(&reader, bytes_of_string(file));
    for (*count = 0; status == CHECKPOINT_OK; *count += status == CHECKPOINT_OK) {
        status = checkpoint_next_offset(&reader, &entry);
    }
    *line = reader.line;
    return status;
}

static void offset_checkpoints_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        enum checkpoint_status want;
        uint32_t line;
        uint32_t count;
    } cases[] = {
        {"", CHECKPOINT_END, 0, 0},
        {"0\n0\n", CHECKPOINT_END, 2, 0},
        {"0\n1\na 0 5\n", CHECKPOINT_END, 3, 1},
        {"0\n2\na 0 5\nb.c-d_e 12 9223372036854775807\n", CHECKPOINT_END, 4, 2},
        {"0\n1\na 0 5", CHECKPOINT_BAD_LINE, 3, 0},
        {"1\n0\n", CHECKPOINT_FOREIGN, 1, 0},
        {"-1\n0\n", CHECKPOINT_FOREIGN, 1, 0},
        {"x\n0\n", CHECKPOINT_BAD_LINE, 1, 0},
        {"0", CHECKPOINT_BAD_LINE, 1, 0},
        {"\n", CHECKPOINT_BAD_LINE, 1, 0},
        {"0\n", CHECKPOINT_BAD_LINE, 2, 0},
        {"0\nx\n", CHECKPOINT_BAD_LINE, 2, 0},
        {"0\n-1\n", CHECKPOINT_BAD_LINE, 2, 0},
        {"0\n4294967297\n", CHECKPOINT_BAD_LINE, 2, 0},
        {"0\n2\na 0 5\n", CHECKPOINT_COUNT, 3, 1},
        {"0\n1\na 0 5\nb 0 5\n", CHECKPOINT_COUNT, 4, 1},
        {"0\n1\na 0 5\n\n", CHECKPOINT_COUNT, 4, 1},
        {"0\n1\na 0\n", CHECKPOINT_BAD_LINE, 3, 0},
        {"0\n1\na 0 5 6\n", CHECKPOINT_BAD_LINE, 3, 0},
        {"0\n1\na 0  5\n", CHECKPOINT_BAD_LINE, 3, 0},
        {"0\n1\na 0 5\r\n", CHECKPOINT_BAD_LINE, 3, 0},
        {"0\n1\na -1 5\n", CHECKPOINT_BAD_LINE, 3, 0},
        {"0\n1\na 0 -5\n", CHECKPOINT_BAD_LINE, 3, 0},
        {"0\n1\na 2147483648 5\n", CHECKPOINT_BAD_LINE, 3, 0},
        {"0\n1\na 0 9223372036854775808\n", CHECKPOINT_BAD_LINE, 3, 0},
        {"0\n1\na/b 0 5\n", CHECKPOINT_BAD_LINE, 3, 0},
        {"0\n1\n 0 5\n", CHECKPOINT_BAD_LINE, 3, 0},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t line;
        uint32_t count;
        const enum checkpoint_status got = read_offsets(cases[i].file, &line, &count);
        if (got != cases[i].want || line != cases[i].line || count != cases[i].count) {
            fail_msg("case %u: status %u line %u count %u", i, got, line, count);
        }
    }
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    char buffer[256];
    struct text text;
    text_init(&text, buffer, sizeof(buffer));
    checkpoint_write_head(&text, 2);
    checkpoint_write_offset(&text, &(struct checkpoint_offset){bytes_of_string("first"), 0, 17});
    checkpoint_write_offset(&text,
                            &(struct checkpoint_offset){bytes_of_string("second"), 3, INT64_MAX});
    assert_string_equal(buffer, "0\n2\nfirst 0 17\nsecond 3 9223372036854775807\n");
    struct checkpoint_reader reader;
    struct checkpoint_offset entry;
    assert_int_equal(checkpoint_open(&reader, text_view(&text)), CHECKPOINT_OK);
    assert_int_equal(checkpoint_next_offset(&reader, &entry), CHECKPOINT_OK);
    assert_true(bytes_equal(entry.topic, bytes_of_string("first")) && entry.offset == 17);
    assert_int_equal(checkpoint_next_offset(&reader, &entry), CHECKPOINT_OK);
    assert_true(entry.partition == 3 && entry.offset == INT64_MAX);
    assert_int_equal(checkpoint_next_offset(&reader, &entry), CHECKPOINT_END);

    text_init(&text, buffer, sizeof(buffer));
    checkpoint_write_head(&text, 2);
    checkpoint_write_epoch(&text, &(struct checkpoint_epoch){0, 0});
    checkpoint_write_epoch(&text, &(struct checkpoint_epoch){7, 4711});
    assert_string_equal(buffer, "0\n2\n0 0\n7 4711\n");
    struct checkpoint_epoch epoch;
    assert_int_equal(checkpoint_open(&reader, text_view(&text)), CHECKPOINT_OK);
    assert_int_equal(checkpoint_next_epoch(&reader, &epoch), CHECKPOINT_OK);
    assert_int_equal(checkpoint_next_epoch(&reader, &epoch), CHECKPOINT_OK);
    assert_true(epoch.epoch == 7 && epoch.start_offset == 4711);
    assert_int_equal(checkpoint_next_epoch(&reader, &epoch), CHECKPOINT_END);
}

static void epoch_checkpoints_are_read_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = {"0\n1\n1\n",    "0\n1\n1 2 3\n", "0\n1\n-1 2\n",
                                      "0\n1\n1 -2\n", "0\n1\nx 2\n",   "0\n1\n1 \n"};
    for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct checkpoint_reader reader;
        struct checkpoint_epoch epoch;
        assert_int_equal(checkpoint_open(&reader, bytes_of_string(bad[i])), CHECKPOINT_OK);
        assert_int_equal(checkpoint_next_epoch(&reader, &epoch), CHECKPOINT_BAD_LINE);
        assert_int_equal(reader.line, 3);
    }
    assert_string_equal(checkpoint_status_name(CHECKPOINT_FOREIGN), "foreign version");
}

static void partition_metadata_goes_both_ways(void **state)
{
    (void)state;
    const struct uuid id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    char buffer[128];
    struct text text;
    text_init(&text, buffer, sizeof(buffer));
    partition_metadata_write(&text, id);
    assert_string_equal(buffer, "version: 0\ntopic_id: AQIDBAUGBwgJCgsMDQ4PEA");
    struct uuid back = {{0}};
    uint32_t line;
    assert_int_equal(partition_metadata_parse(text_view(&text), &back, &line), CHECKPOINT_OK);
    assert_true(uuid_equal(back, id));
    text_char(&text, '\n');
    assert_int_equal(partition_metadata_parse(text_view(&text), &back, &line), CHECKPOINT_OK);
    static const struct {
        const char *file;
        enum checkpoint_status want;
        uint32_t line;
    } bad[] = {
        {"", CHECKPOINT_BAD_LINE, 1},
        {"version: 0", CHECKPOINT_BAD_LINE, 1},
        {"version: 1\ntopic_id: AQIDBAUGBwgJCgsMDQ4PEA", CHECKPOINT_FOREIGN, 1},
        {"version:0\ntopic_id: AQIDBAUGBwgJCgsMDQ4PEA", CHECKPOINT_BAD_LINE, 1},
        {"version: 0\n", CHECKPOINT_BAD_LINE, 2},
        {"version: 0\ntopic_id: AQIDBAUGBwgJCgsMDQ4PE", CHECKPOINT_BAD_LINE, 2},
        {"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA", CHECKPOINT_BAD_LINE, 2},
        {"version: 0\ntopic_id: AQIDBAUGBwgJCgsMDQ4PEA\n\n", CHECKPOINT_BAD_LINE, 2},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(partition_metadata_parse(bytes_of_string(bad[i].file), &back, &line),
                         bad[i].want);
        assert_int_equal(line, bad[i].line);
        assert_true(uuid_equal(back, id));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offset_checkpoints_are_read_strictly),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(epoch_checkpoints_are_read_strictly),
        cmocka_unit_test(partition_metadata_goes_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
