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

static void a_lookup_finds_the_entry_at_or_before(void **state)
{
    (void)state;
    for (uint32_t entries = 0; entries <= ENTRIES; entries += 7) {
        const struct bytes part = {offsets, entries * OFFSET_INDEX_ENTRY_BYTES};
        for (int64_t offset = BASE - 5; offset < BASE + 2050; offset++) {
            struct offset_index_entry want = {BASE, 0};
            for (uint32_t i = 0; i < entries; i++) {
                const struct offset_index_entry entry = offset_index_read(part, BASE, i);
                want = entry.offset <= offset ? entry : want;
            }
            const struct offset_index_entry got = offset_index_lookup(part, BASE, offset);
            assert_true(got.offset == want.offset && got.position == want.position);
        }
    }
    assert_int_equal(offset_index_lookup(offset_index, BASE, INT64_MAX).offset, BASE + 2000);
}

static void a_time_lookup_finds_the_largest_not_above(void **state)
{
    (void)state;
    static const struct {
        int64_t timestamp_ms;
        int64_t want_ms;
        int64_t want_offset;
    } cases[] = {{6999, -1, BASE},        {7000, 7000, BASE + 10},   {7002, 7000, BASE + 10},
                 {7003, 7003, BASE + 20}, {7597, 7597, BASE + 2000}, {INT64_MAX, 7597, BASE + 2000},
                 {INT64_MIN, -1, BASE}};
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct time_index_entry got =
            time_index_lookup(time_index, BASE, cases[i].timestamp_ms);
        assert_int_equal(got.timestamp_ms, cases[i].want_ms);
        assert_int_equal(got.offset, cases[i].want_offset);
    }
    assert_int_equal(time_index_last((struct bytes){0}, BASE).timestamp_ms, -1);
    assert_true(time_index_wants(time_index, BASE, (struct time_index_entry){7598, BASE + 9999}));
    assert_false(time_index_wants(time_index, BASE, (struct time_index_entry){7597, BASE + 9999}));
    assert_true(time_index_wants((struct bytes){0}, BASE, (struct time_index_entry){0, BASE}));
    assert_false(time_index_wants((struct bytes){0}, BASE, (struct time_index_entry){-1, BASE}));
}

static void the_upper_bound_lies_outside_what_is_fetched(void **state)
{
    (void)state;
    struct offset_index_entry entry;
    assert_true(offset_index_upper_bound(offset_index, BASE, 0, &entry));
    assert_int_equal(entry.position, 500);
    assert_true(offset_index_upper_bound(offset_index, BASE, 501, &entry));
    assert_int_equal(entry.position, 1000);
    assert_true(offset_index_upper_bound(offset_index, BASE, 100000, &entry));
    assert_int_equal(entry.position, 100000);
    assert_false(offset_index_upper_bound(offset_index, BASE, 100001, &entry));
    assert_false(offset_index_upper_bound(offset_index, BASE, UINT64_MAX, &entry));
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
        cmocka_unit_test(a_lookup_finds_the_entry_at_or_before),
        cmocka_unit_test(a_time_lookup_finds_the_largest_not_above),
        cmocka_unit_test(the_upper_bound_lies_outside_what_is_fetched),
        cmocka_unit_test(truncation_cuts_entries_at_and_above_the_offset),
        cmocka_unit_test(what_makes_no_sense_ends_the_valid_part),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
