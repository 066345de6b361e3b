#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "storage/log/recovery_state.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_machine.h"

enum { BASE = 40, ENTRIES_MAX = 8 };

#define INDEX      "/p/00000000000000000040.index"
#define TIME_INDEX "/p/00000000000000000040.timeindex"

struct world {
    struct sim_machine *machine;
    struct sim_process *process;
    struct recovery r;
};

static struct world world;

static int setup(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    world.machine = sim_machine_create(&(struct sim_options){.boundaries_unrecorded = true});
    world.process = sim_process_start(world.machine);
    world.r.fs = sim_process_files(world.process);
    memcpy(world.r.path, "/p", 3);
    world.r.path_bytes = 2;
    assert_int_equal(file_make_directory(world.r.fs, "/p"), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(world.r.offset_index.at);
    free(world.r.time_index.at);
    sim_process_end(world.process);
    sim_machine_destroy(world.machine);
    return 0;
}

/* Writes both files; a count of -1 leaves one out. */
static void put(const struct offset_index_entry *entries, int32_t count,
                const struct time_index_entry *times, int32_t time_count, uint32_t odd_bytes)
{
    uint8_t bytes[ENTRIES_MAX * TIME_INDEX_ENTRY_BYTES + 8] = {0};
    static const char *const paths[] = {INDEX, TIME_INDEX};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        const int error = file_unlink(world.r.fs, paths[i]);
        assert_true(error == 0 || error == -ENOENT);
    }
    for (int32_t i = 0; i < count; i++) {
        offset_index_write(bytes + (size_t)i * OFFSET_INDEX_ENTRY_BYTES, BASE, entries[i]);
    }
    if (count >= 0) {
        assert_int_equal(file_replace(world.r.fs, INDEX, bytes,
                                      (uint64_t)count * OFFSET_INDEX_ENTRY_BYTES + odd_bytes, true),
                         0);
    }
    memset(bytes, 0, sizeof(bytes));
    for (int32_t i = 0; i < time_count; i++) {
        time_index_write(bytes + (size_t)i * TIME_INDEX_ENTRY_BYTES, BASE, times[i]);
    }
    if (time_count >= 0) {
        assert_int_equal(file_replace(world.r.fs, TIME_INDEX, bytes,
                                      (uint64_t)time_count * TIME_INDEX_ENTRY_BYTES, true),
                         0);
    }
}

static const struct {
    const char *name;
    struct offset_index_entry entries[3];
    int32_t count; /* -1: no file. */
    struct time_index_entry times[3];
    int32_t time_count;
    uint32_t odd_bytes;
    bool right;   /* As the first entries of a log of 1,000 bytes. */
    bool trusted; /* As those of a whole segment. */
} files[] = {
    {"both empty", {{0}}, 0, {{0}}, 0, 0, true, true},
    {"no index", {{0}}, -1, {{0}}, 0, 0, false, false},
    {"no time index", {{0}}, 0, {{0}}, -1, 0, false, false},
    {"two entries each", {{45, 100}, {50, 900}}, 2, {{7, 45}, {9, 50}}, 2, 0, true, true},
    {"an entry behind the log", {{45, 100}, {50, 1000}}, 2, {{7, 45}}, 1, 0, false, false},
    {"positions that fall", {{45, 100}, {50, 90}}, 2, {{7, 45}}, 1, 0, false, true},
    {"offsets that stand", {{45, 100}, {45, 200}}, 2, {{7, 45}}, 1, 0, false, true},
    {"an entry of the first batch", {{45, 0}}, 1, {{7, 45}}, 1, 0, false, false},
    {"times that stand", {{45, 100}}, 1, {{7, 45}, {7, 50}}, 2, 0, false, true},
    {"half an entry behind", {{45, 100}}, 1, {{7, 45}}, 1, 4, true, false},
};

/* Only the last entry is looked at where a mark vouches for the file; all where it does not. */
static void files_are_right_or_trusted_by_what_they_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        put(files[i].entries, files[i].count, files[i].times, files[i].time_count,
            files[i].odd_bytes);
        int64_t last_ms = -5;
        const bool right =
            recovery_index_right(&world.r, BASE, 1000, (uint32_t)max_i64(files[i].count, 0),
                                 (uint32_t)max_i64(files[i].time_count, 0), &last_ms);
        struct recovered_segment segment = {.base_offset = BASE, .peak = {-1, BASE}};
        const bool trusted = recovery_take_on_trust(&world.r, &segment, 1000);
        if (right != files[i].right || trusted != files[i].trusted) {
            fail_msg("%s: right %d, trusted %d", files[i].name, right, trusted);
        }
        const int32_t times = files[i].time_count;
        if (right && times > 0) {
            assert_int_equal(last_ms, files[i].times[times - 1].timestamp_ms);
        }
        if (trusted) {
            assert_int_equal(segment.size, 1000);
            assert_int_equal(segment.index_count, files[i].count);
            assert_int_equal(segment.time_count, times);
            assert_int_equal(segment.peak.timestamp_ms,
                             times > 0 ? files[i].times[times - 1].timestamp_ms : -1);
        }
    }
}

static void what_cannot_be_opened_is_not_trusted(void **state)
{
    (void)state;
    static const struct offset_index_entry entries[] = {{45, 100}, {50, 900}};
    static const struct time_index_entry times[] = {{7, 45}, {9, 50}};
    static const char *const paths[] = {INDEX, TIME_INDEX};
    put(entries, 2, times, 2, 0);
    struct recovered_segment segment = {.base_offset = BASE, .peak = {-1, BASE}};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct sim_fault fault = {.operation = SIM_OPEN, .error = EIO, .skip = 1, .count = 1};
        memcpy(fault.path, paths[i], strlen(paths[i]) + 1);
        sim_machine_add_fault(world.machine, &fault);
        assert_false(recovery_take_on_trust(&world.r, &segment, 1000));
        assert_true(recovery_take_on_trust(&world.r, &segment, 1000));
    }
}

static void fewer_entries_than_the_mark_counts_are_not_right(void **state)
{
    (void)state;
    static const struct offset_index_entry entries[] = {{45, 100}, {50, 900}};
    static const struct time_index_entry times[] = {{7, 45}, {9, 50}};
    int64_t last_ms;
    put(entries, 2, times, 2, 0);
    for (uint32_t count = 0; count <= 3; count++) {
        for (uint32_t time_count = 0; time_count <= 3; time_count++) {
            assert_int_equal(
                recovery_index_right(&world.r, BASE, 1000, count, time_count, &last_ms),
                count <= 2 && time_count <= 2);
        }
    }
}

/* What scanning notes, and what stands in the files then. */
static void a_scanned_segment_gets_kafkas_entries(void **state)
{
    (void)state;
    enum { NONE = 99 }; /* A compaction left no record: its time does not count. */
    static const struct {
        int64_t last_offset;
        uint32_t size;
        int64_t time_ms;
    } batches[] = {{41, 3000, 10}, {44, 1097, 8},  {45, 61, 9},  {50, 4096, 30},
                   {51, 61, NONE}, {60, 9000, 30}, {61, 100, 31}};
    static const struct offset_index_entry want[] = {{45, 4097}, {51, 8254}, {61, 17315}};
    static const struct time_index_entry want_times[] = {{10, 41}, {30, 50}, {31, 61}};
    struct recovered_segment segment = {
        .base_offset = BASE, .peak = {-1, BASE}, .first_timestamp_ms = -1};
    struct segment_scan at = {.segment = &segment, .time_last_ms = -1};
    struct scan scan = {0};
    for (size_t i = 0; i < ARRAY_SIZE(batches); i++) {
        scan.header = (struct batch_header){.base_offset = batches[i].last_offset,
                                            .size_bytes = batches[i].size,
                                            .max_timestamp_ms = batches[i].time_ms,
                                            .record_count = batches[i].time_ms != NONE};
        recovery_note_index(&world.r, &at, &scan);
        scan.batch_position += batches[i].size;
    }
    recovery_write_indexes(&world.r, &at, true);
    assert_int_equal(world.r.error, 0);
    assert_int_equal(segment.first_timestamp_ms, 10);
    assert_int_equal(segment.peak.timestamp_ms, 31);
    assert_int_equal(segment.index_count, ARRAY_SIZE(want));
    assert_int_equal(segment.time_count, ARRAY_SIZE(want_times));
    uint8_t bytes[256];
    const int64_t len = file_read_all(world.r.fs, INDEX, bytes, sizeof(bytes));
    assert_int_equal(len, ARRAY_SIZE(want) * OFFSET_INDEX_ENTRY_BYTES);
    for (uint32_t i = 0; i < ARRAY_SIZE(want); i++) {
        const struct offset_index_entry entry =
            offset_index_read((struct bytes){bytes, (uint32_t)len}, BASE, i);
        assert_int_equal(entry.offset, want[i].offset);
        assert_int_equal(entry.position, want[i].position);
    }
    const int64_t time_len = file_read_all(world.r.fs, TIME_INDEX, bytes, sizeof(bytes));
    assert_int_equal(time_len, ARRAY_SIZE(want_times) * TIME_INDEX_ENTRY_BYTES);
    for (uint32_t i = 0; i < ARRAY_SIZE(want_times); i++) {
        const struct time_index_entry entry =
            time_index_read((struct bytes){bytes, (uint32_t)time_len}, BASE, i);
        assert_int_equal(entry.timestamp_ms, want_times[i].timestamp_ms);
        assert_int_equal(entry.offset, want_times[i].offset);
    }
}

/* Entries that stay are kept, those behind them replaced; a rolled segment's time index ends with
 * its largest time, and both files are durable. */
static void entries_are_written_behind_those_that_stay(void **state)
{
    (void)state;
    static const struct offset_index_entry entries[] = {{45, 100}, {50, 900}, {60, 950}};
    static const struct time_index_entry times[] = {{7, 45}, {9, 50}, {12, 60}};
    put(entries, 3, times, 3, 0);
    struct recovered_segment segment = {.base_offset = BASE, .peak = {20, 55}};
    struct segment_scan at = {
        .segment = &segment, .time_last_ms = 9, .index_first = 2, .time_first = 2};
    recovery_write_indexes(&world.r, &at, false);
    assert_int_equal(world.r.error, 0);
    sim_machine_power_cut(world.machine);
    assert_int_equal(sim_machine_file_size(world.machine, INDEX), 2 * OFFSET_INDEX_ENTRY_BYTES);
    uint8_t bytes[3 * TIME_INDEX_ENTRY_BYTES];
    assert_int_equal(sim_machine_file_size(world.machine, TIME_INDEX), sizeof(bytes));
    assert_int_equal(sim_machine_peek(world.machine, TIME_INDEX, bytes, sizeof(bytes), 0),
                     sizeof(bytes));
    const struct time_index_entry last =
        time_index_last((struct bytes){bytes, sizeof(bytes)}, BASE);
    assert_int_equal(last.timestamp_ms, 20);
    assert_int_equal(last.offset, 55);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_right_or_trusted_by_what_they_say),
        TEST(what_cannot_be_opened_is_not_trusted),
        TEST(fewer_entries_than_the_mark_counts_are_not_right),
        TEST(a_scanned_segment_gets_kafkas_entries),
        TEST(entries_are_written_behind_those_that_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
