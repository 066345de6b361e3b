#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/base/random.h"
#include "storage/log/index_format.h"

enum { ENTRIES = 200, BASE = 1000 };

static uint8_t offsets[ENTRIES * OFFSET_INDEX_ENTRY_BYTES];
static uint8_t times[ENTRIES * TIME_INDEX_ENTRY_BYTES];

static const struct bytes offset_index = {offsets, sizeof(offsets)};
static const struct bytes time_index = {times, sizeof(times)};

/* Offsets 1010, 1020 ...; positions 500, 1000 ...; timestamps 7000, 7003 ... */
static int fill(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        offset_index_write(offsets + (size_t)i * OFFSET_INDEX_ENTRY_BYTES, BASE,
                           (struct offset_index_entry){BASE + 10 + 10 * (int64_t)i, 500 + 500 * i});
        time_index_write(
            times + (size_t)i * TIME_INDEX_ENTRY_BYTES, BASE,
            (struct time_index_entry){7000 + 3 * (int64_t)i, BASE + 10 + 10 * (int64_t)i});
    }
    return 0;
}

static void entries_have_kafkas_bytes(void **state)
{
    (void)state;
    uint8_t entry[12];
    offset_index_write(entry, 50, (struct offset_index_entry){55, 0x01020304});
    assert_memory_equal(entry, "\0\0\0\5\1\2\3\4", 8);
    time_index_write(entry, 50, (struct time_index_entry){0x0102030405060708, 50 + 258});
    assert_memory_equal(entry, "\1\2\3\4\5\6\7\10\0\0\1\2", 12);
}

static void the_last_entry_of_a_time_index_has_its_largest_timestamp(void **state)
{
    (void)state;
    const struct time_index_entry last = time_index_last(time_index, BASE);
    assert_int_equal(last.timestamp_ms, 7597);
    assert_int_equal(last.offset, BASE + 2000);
    const struct time_index_entry none = time_index_last((struct bytes){0}, BASE);
    assert_int_equal(none.timestamp_ms, -1);
    assert_int_equal(none.offset, BASE);
}

static void truncation_cuts_entries_at_and_above_the_offset(void **state)
{
    (void)state;
    static const struct {
        int64_t offset;
        uint32_t entries;
    } cases[] = {{BASE, 0},          {BASE + 10, 0},     {BASE + 11, 1},   {BASE + 20, 1},
                 {BASE + 2000, 199}, {BASE + 2001, 200}, {INT64_MAX, 200}, {0, 0}};
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(offset_index_truncated_bytes(offset_index, BASE, cases[i].offset),
                         cases[i].entries * 8);
        assert_int_equal(time_index_truncated_bytes(time_index, BASE, cases[i].offset),
                         cases[i].entries * 12);
    }
}

static void what_makes_no_sense_ends_the_valid_part(void **state)
{
    (void)state;
    static uint8_t file[sizeof(times) + 100];
    memcpy(file, offsets, sizeof(offsets));
    memset(file + sizeof(offsets), 0, 100);
    const struct bytes padded = {file, sizeof(offsets) + 99};
    assert_int_equal(offset_index_valid_bytes(padded, 1 << 30), sizeof(offsets));
    assert_int_equal(offset_index_valid_bytes(padded, 100000), sizeof(offsets) - 8);
    assert_int_equal(offset_index_valid_bytes(padded, 0), 0);
    store_be32(file + 50 * 8, 3); /* Falls back. */
    assert_int_equal(offset_index_valid_bytes(padded, 1 << 30), 50 * 8);
    store_be32(file + 20 * 8 + 4, 500); /* Same position again. */
    assert_int_equal(offset_index_valid_bytes(padded, 1 << 30), 20 * 8);
    store_be32(file + 4 * 8, 0x80000000); /* Negative as int32. */
    assert_int_equal(offset_index_valid_bytes(padded, 1 << 30), 4 * 8);

    memset(file, 0, sizeof(file));
    assert_int_equal(time_index_valid_bytes((struct bytes){file, sizeof(file)}), 0);
    memcpy(file, times, sizeof(times));
    const struct bytes padded_times = {file, sizeof(times) + 100};
    assert_int_equal(time_index_valid_bytes(padded_times), sizeof(times));
    store_be64(file + 30 * 12, 7000); /* Does not grow. */
    assert_int_equal(time_index_valid_bytes(padded_times), 30 * 12);
    store_be32(file + 10 * 12 + 8, 5); /* Offset falls. */
    assert_int_equal(time_index_valid_bytes(padded_times), 10 * 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_have_kafkas_bytes),
        cmocka_unit_test(the_last_entry_of_a_time_index_has_its_largest_timestamp),
        cmocka_unit_test(truncation_cuts_entries_at_and_above_the_offset),
        cmocka_unit_test(what_makes_no_sense_ends_the_valid_part),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
