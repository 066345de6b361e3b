#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/record/record.h"
#include "tools/log_files.h"

enum { ROOM = 4096 };

static char folder[64];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/millrace-log-files-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[100];
    (void)snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command); /* NOLINT(cert-env33-c) */
}

static const char *path_of(const char *name)
{
    static char path[200];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const void *bytes, size_t count)
{
    FILE *file = fopen(path_of(name), "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

/* Two batches, of three records and of one. Returns their bytes. */
static uint32_t two_batches(uint8_t room[ROOM])
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < 2; i++) {
        struct batch_options options = batch_options_none();
        struct batch_builder builder;
        options.base_offset = i == 0 ? 40 : 43;
        batch_builder_init(&builder, room + used, ROOM - used, &options);
        for (uint32_t record = 0; record < (i == 0 ? 3 : 1); record++) {
            assert_true(batch_builder_add(&builder, 1000, (struct bytes){0},
                                          (struct bytes){(const uint8_t *)"x", 1}, NULL, 0));
        }
        used += batch_builder_finish(&builder).len;
    }
    return used;
}

static void a_walk_gives_each_batch_and_its_place(void **state)
{
    (void)state;
    uint8_t room[ROOM];
    const uint32_t used = two_batches(room);
    struct log_walk walk = log_walk_of((struct bytes){room, used});
    struct batch_header header;
    struct bytes batch;
    assert_true(log_walk_next(&walk, &header, &batch));
    assert_int_equal(header.base_offset, 40);
    assert_int_equal(walk.position, 0);
    const uint32_t first = batch.len;
    assert_true(log_walk_next(&walk, &header, &batch));
    assert_int_equal(header.base_offset, 43);
    assert_int_equal(walk.position, first);
    assert_ptr_equal(batch.ptr, room + first);
    assert_false(log_walk_next(&walk, &header, &batch));
    assert_int_equal(walk.position, used);
    assert_int_equal(log_walk_end(&walk), LOG_END_CLEAN);
}

static void what_follows_the_last_batch_is_nothing_zeros_or_something_else(void **state)
{
    (void)state;
    for (uint32_t extra = 0; extra < 200; extra++) {
        for (uint32_t torn = 0; torn < 2; torn++) {
            uint8_t room[ROOM] = {0};
            const uint32_t used = two_batches(room);
            struct batch_header header;
            struct bytes batch;
            if (torn != 0 && extra != 0) {
                room[used + extra - 1] = 1;
            }
            struct log_walk walk = log_walk_of((struct bytes){room, used + extra});
            uint32_t count = 0;
            while (log_walk_next(&walk, &header, &batch)) {
                count++;
            }
            assert_int_equal(count, 2);
            assert_int_equal(log_walk_end(&walk), extra == 0  ? LOG_END_CLEAN
                                                  : torn == 0 ? LOG_END_ZEROS
                                                              : LOG_END_TORN);
        }
    }
}

static void a_batch_cut_anywhere_is_torn(void **state)
{
    (void)state;
    uint8_t room[ROOM];
    const uint32_t used = two_batches(room);
    for (uint32_t cut = 1; cut < 40; cut++) {
        struct log_walk walk = log_walk_of((struct bytes){room, used - cut});
        struct batch_header header;
        struct bytes batch;
        assert_true(log_walk_next(&walk, &header, &batch));
        assert_false(log_walk_next(&walk, &header, &batch));
        assert_int_equal(log_walk_end(&walk), LOG_END_TORN);
    }
}

static void files_are_mapped_whole_and_empty_ones_too(void **state)
{
    (void)state;
    struct log_map map;
    put("full", "abc", 3);
    put("empty", "", 0);
    assert_true(log_map_open(path_of("full"), &map));
    assert_int_equal(map.bytes.len, 3);
    assert_memory_equal(map.bytes.ptr, "abc", 3);
    log_map_close(&map);
    assert_null(map.bytes.ptr);
    assert_true(log_map_open(path_of("empty"), &map));
    assert_int_equal(map.bytes.len, 0);
    log_map_close(&map);
    assert_false(log_map_open(path_of("missing"), &map));
    assert_int_equal(errno, ENOENT);
    /* A sparse file of 4 GiB: positions have 32 bits. */
    put("large", "", 0);
    assert_int_equal(truncate(path_of("large"), (off_t)1 << 32), 0);
    assert_false(log_map_open(path_of("large"), &map));
    assert_int_equal(errno, EFBIG);
}

static void the_log_of_an_index_stands_beside_it(void **state)
{
    (void)state;
    struct log_map map;
    put("00000000000000000040.log", "abc", 3);
    assert_true(log_map_beside(path_of("00000000000000000040.index"), 40, SEGMENT_LOG, &map));
    assert_int_equal(map.bytes.len, 3);
    log_map_close(&map);
    assert_false(log_map_beside(path_of("00000000000000000041.index"), 41, SEGMENT_LOG, &map));
    assert_int_equal(errno, ENOENT);
}

static void kinds_are_told_by_the_name_without_its_directories(void **state)
{
    (void)state;
    struct segment_name name;
    assert_true(log_kind("/a/00000000000000000001.log/00000000000000000040.timeindex", &name));
    assert_int_equal(name.base_offset, 40);
    assert_int_equal(name.file, SEGMENT_TIME_INDEX);
    assert_true(log_kind("00000000000000000040.log", &name));
    assert_int_equal(name.file, SEGMENT_LOG);
    assert_false(log_kind("/00000000000000000001.log/leader-epoch-checkpoint", &name));
}

struct listing {
    char text[200];
    uint32_t stop_at; /* Says no at this entry; 0: never. */
    uint32_t count;
};

static bool take(void *context, const char *path, bool is_directory)
{
    struct listing *listing = context;
    const size_t used = strlen(listing->text);
    (void)snprintf(listing->text + used, sizeof(listing->text) - used, "%s%s ", log_base_name(path),
                   is_directory ? "/" : "");
    return ++listing->count != listing->stop_at;
}

static void entries_come_in_the_order_of_their_names(void **state)
{
    (void)state;
    struct listing listing = {0};
    put("b", "", 0);
    put("c", "", 0);
    put(".hidden", "", 0);
    assert_int_equal(mkdir(path_of("a"), 0700), 0);
    assert_true(log_each_entry(folder, take, &listing));
    assert_string_equal(listing.text, ".hidden a/ b c ");
    listing = (struct listing){.stop_at = 2};
    assert_false(log_each_entry(folder, take, &listing));
    assert_string_equal(listing.text, ".hidden a/ ");
    assert_false(log_each_entry(path_of("missing"), take, &listing));
}

static void a_single_byte_is_not_all_zero(void **state)
{
    (void)state;
    uint8_t bytes[64] = {0};
    assert_true(log_all_zero((struct bytes){bytes, 0}));
    assert_true(log_all_zero((struct bytes){bytes, sizeof(bytes)}));
    for (uint32_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = 1;
        assert_false(log_all_zero((struct bytes){bytes, sizeof(bytes)}));
        bytes[i] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_gives_each_batch_and_its_place),
        cmocka_unit_test(what_follows_the_last_batch_is_nothing_zeros_or_something_else),
        cmocka_unit_test(a_batch_cut_anywhere_is_torn),
        cmocka_unit_test_setup_teardown(files_are_mapped_whole_and_empty_ones_too, setup, teardown),
        cmocka_unit_test_setup_teardown(the_log_of_an_index_stands_beside_it, setup, teardown),
        cmocka_unit_test(kinds_are_told_by_the_name_without_its_directories),
        cmocka_unit_test_setup_teardown(entries_come_in_the_order_of_their_names, setup, teardown),
        cmocka_unit_test(a_single_byte_is_not_all_zero),
    };
    return cmocka_run_group_tests_name("log_files", tests, NULL, NULL);
}
