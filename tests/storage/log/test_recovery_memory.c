#include <errno.h>
#include <stdlib.h>

#include "storage/log/recovery_state.h"
#include "tests/storage/log/rig.h"

static struct recovery r;

static void recovery_of(const char *directory)
{
    r = (struct recovery){0};
    r.path_bytes = strlen(directory);
    memcpy(r.path, directory, r.path_bytes + 1);
}

static void names_are_put_behind_the_partitions_path(void **state)
{
    (void)state;
    recovery_of("/data/orders-0");
    assert_string_equal(recovery_file_path(&r, "partition.metadata"),
                        "/data/orders-0/partition.metadata");
    assert_string_equal(recovery_segment_path(&r, 7, SEGMENT_INDEX),
                        "/data/orders-0/00000000000000000007.index");
    assert_string_equal(recovery_file_path(&r, "x"), "/data/orders-0/x"); /* Nothing is left. */
    assert_string_equal(recovery_directory_path(&r), "/data/orders-0");
}

static void the_first_error_is_kept(void **state)
{
    (void)state;
    recovery_of("/data/orders-0");
    recovery_note(&r, 0);
    assert_int_equal(r.error, 0);
    recovery_note(&r, -EIO);
    recovery_note(&r, 0);
    recovery_note(&r, -ENOSPC);
    assert_int_equal(r.error, -EIO);
}

static void lists_grow_and_keep_what_they_hold(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    recovery_of("/data/orders-0");
    for (int64_t i = 0; i < COUNT; i++) {
        const struct segment_name name = {i, SEGMENT_LOG, SEGMENT_DELETED};
        assert_true(recovery_offsets_add(&r.logs, COUNT - i));
        assert_true(recovery_leftover_add(&r, name));
    }
    assert_int_equal(r.logs.count, COUNT);
    assert_int_equal(r.leftover_count, COUNT);
    for (int64_t i = 0; i < COUNT; i++) {
        assert_int_equal(r.logs.at[i], COUNT - i);
        assert_int_equal(r.leftovers[i].base_offset, i);
    }
    qsort(r.logs.at, r.logs.count, sizeof(int64_t), recovery_by_offset);
    for (int64_t i = 0; i < COUNT; i++) {
        assert_int_equal(r.logs.at[i], i + 1);
    }
    free(r.logs.at);
    free(r.leftovers);
}

static void offsets_are_compared_without_overflow(void **state)
{
    (void)state;
    static const int64_t sorted[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    for (size_t a = 0; a < ARRAY_SIZE(sorted); a++) {
        for (size_t b = 0; b < ARRAY_SIZE(sorted); b++) {
            const int order = recovery_by_offset(&sorted[a], &sorted[b]);
            assert_int_equal(order, (a > b) - (a < b));
        }
    }
}

static void a_buffer_holds_all_entries_in_order(void **state)
{
    (void)state;
    enum { ENTRIES = 9000, BYTES = 12 }; /* Its first memory holds no whole number of them. */
    struct buffer buffer = {0};
    for (uint32_t i = 0; i < ENTRIES; i++) {
        uint8_t entry[BYTES] = {0};
        store_be32(entry + 8, i);
        assert_true(recovery_buffer_add(&buffer, entry, BYTES));
        assert_true(buffer.len <= buffer.capacity);
    }
    assert_int_equal(buffer.len, ENTRIES * BYTES);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        assert_int_equal(load_be32(buffer.at + (size_t)i * BYTES + 8), i);
    }
    free(buffer.at);
}

static void a_whole_file_is_read_up_to_a_bound(void **state)
{
    (void)state;
    static const char content[] = "0123456789";
    struct sim_machine *machine = sim_machine_create(&(struct sim_options){.seed = 1});
    struct sim_process *process = sim_process_start(machine);
    recovery_of("/data/orders-0");
    r.fs = sim_process_files(process);
    assert_int_equal(file_make_directory(r.fs, "/data"), 0);
    assert_int_equal(file_make_directory(r.fs, "/data/orders-0"), 0);
    const char *path = recovery_file_path(&r, "file");
    uint32_t len = 77;
    assert_null(recovery_read_whole(&r, path, 100, &len));
    assert_int_equal(recovery_size_of(&r, path), -ENOENT);
    assert_int_equal(file_replace(r.fs, path, content, 10, true), 0);
    assert_int_equal(recovery_size_of(&r, path), 10);
    assert_null(recovery_read_whole(&r, path, 9, &len));
    uint8_t *bytes = recovery_read_whole(&r, path, 10, &len);
    assert_non_null(bytes);
    assert_int_equal(len, 10);
    assert_memory_equal(bytes, content, 10);
    free(bytes);
    assert_int_equal(file_replace(r.fs, path, content, 0, true), 0);
    bytes = recovery_read_whole(&r, path, 10, &len);
    assert_non_null(bytes); /* Empty is not absent. */
    assert_int_equal(len, 0);
    free(bytes);
    sim_process_end(process);
    sim_machine_destroy(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_put_behind_the_partitions_path),
        cmocka_unit_test(the_first_error_is_kept),
        cmocka_unit_test(lists_grow_and_keep_what_they_hold),
        cmocka_unit_test(offsets_are_compared_without_overflow),
        cmocka_unit_test(a_buffer_holds_all_entries_in_order),
        cmocka_unit_test(a_whole_file_is_read_up_to_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
