/* One partition after a crash: which bytes are its log, and what goes with them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static struct rig rig;

enum { BATCHES = 40, VALUE_BYTES = 5000 };

/* Some segments of a few batches each, then the end of the process. */
static uint32_t fill(uint64_t seed, uint32_t segment_bytes)
{
    struct rig_options options = rig_options(seed);
    options.config.segment_bytes = segment_bytes;
    rig_create(&rig, &options);
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < BATCHES; i++) {
        const struct rig_batch batch = {
            .records = 1, .value_bytes = VALUE_BYTES, .ack = APPEND_ACK_FLUSHED};
        bytes = rig_append_wait(&rig, &batch)->piece.len;
    }
    rig_settle(&rig);
    rig_kill(&rig);
    return bytes;
}

static void put_file(const char *name, const char *content)
{
    struct sim_process *process = sim_process_start(rig.machine);
    char path[128];
    (void)snprintf(path, sizeof(path), "/data0/orders-0/%s", name);
    const int error =
        file_replace(sim_process_files(process), path, content, strlen(content), true);
    assert_int_equal(error, 0);
    sim_process_end(process);
}

static int64_t size_of(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/data0/orders-0/%s", name);
    return sim_machine_file_size(rig.machine, path);
}

static void leftovers_go_and_unknown_files_stay(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool stays;
    } files[] = {
        {"00000000000000000003.log.deleted", false},
        {"00000000000000000003.index.deleted", false},
        {"00000000000000000003.timeindex.cleaned", false},
        {"00000000000000000099.index", false}, /* Without its log. */
        {"00000000000000000099.timeindex", false},
        {"00000000000000000099.producers", false}, /* Without its snapshot. */
        {"00000000000000000099.snapshot", false},  /* Behind the end. */
        {"millrace.next", false},
        {"leader-epoch-checkpoint.tmp", false},
        {"notes.txt", true},
        {"123.log", true},
    };
    (void)fill(1, 1 << 20);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        put_file(files[i].name, "x");
    }
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), BATCHES);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        if ((size_of(files[i].name) >= 0) != files[i].stays) {
            fail_msg("%s", files[i].name);
        }
    }
    rig_destroy(&rig);
}

/* At each byte of the last batch: what is whole before it counts, and nothing behind it. */
static void the_log_ends_at_the_first_byte_that_is_wrong(void **state)
{
    (void)state;
    static const uint32_t places[] = {3, 8, 16, 17, 23, 43, 57, 61, 2000};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        const uint32_t bytes = fill(i, 1 << 20);
        const uint64_t at = (uint64_t)bytes * (BATCHES - 2) + places[i];
        assert_int_equal(
            sim_machine_flip_bit(rig.machine, "/data0/orders-0/00000000000000000000.log", at, 6),
            0);
        assert_true(rig_start(&rig));
        assert_int_equal(partition_end(rig.partitions[0]), BATCHES - 2);
        assert_true(rig.reports[0].cut_bytes > 0);
        assert_int_equal(size_of("00000000000000000000.log"), bytes * (BATCHES - 2));
        rig_kill(&rig);
        rig_destroy(&rig);
    }
}

static void zeros_behind_the_end_are_no_damage(void **state)
{
    (void)state;
    const uint32_t bytes = fill(1, 1 << 20);
    assert_true(size_of("00000000000000000000.log") > bytes * BATCHES); /* Reserved ahead. */
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), BATCHES);
    assert_int_equal(rig.reports[0].cut_bytes, 0);
    assert_int_equal(size_of("00000000000000000000.log"), bytes * BATCHES);
    rig_destroy(&rig);
}

/* segment.bytes may be 2^31 - 1, and files are reserved in whole blocks. */
static void the_largest_segment_may_be_reserved_to_its_last_block(void **state)
{
    (void)state;
    const uint32_t bytes = fill(1, INT32_MAX);
    struct sim_process *process = sim_process_start(rig.machine);
    struct file_system *files = sim_process_files(process);
    const int fd =
        file_open(files, "/data0/orders-0/00000000000000000000.log", FILE_READ | FILE_WRITE);
    assert_true(fd >= 0);
    assert_int_equal(file_truncate(files, fd, round_up(INT32_MAX, BLOCK)), 0);
    assert_int_equal(file_sync(files, fd), 0);
    file_close(files, fd);
    sim_process_end(process);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), BATCHES);
    assert_int_equal(rig.reports[0].cut_bytes, 0);
    assert_int_equal(size_of("00000000000000000000.log"), bytes * BATCHES);
    rig_destroy(&rig);
}

static void only_what_the_mark_does_not_cover_is_read(void **state)
{
    (void)state;
    (void)fill(1, 32768);
    assert_true(rig_start(&rig)); /* A mark stands at each roll. */
    const uint64_t tail = rig.reports[0].read_bytes;
    assert_true(rig.reports[0].segment_count > 1);
    assert_true(tail > 0 && tail < BATCHES * VALUE_BYTES / 2);
    rig_kill(&rig);
    struct sim_process *process = sim_process_start(rig.machine);
    assert_int_equal(file_unlink(sim_process_files(process), "/data0/orders-0/millrace.checkpoint"),
                     0);
    sim_process_end(process);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), BATCHES);
    assert_true(rig.reports[0].read_bytes > BATCHES * VALUE_BYTES);
    assert_true(rig.reports[0].rebuilt_index);
    rig_stop(&rig);
    assert_true(rig_start(&rig));
    assert_true(rig.reports[0].read_bytes <= BLOCK); /* A stop in order leaves nothing to read. */
    rig_destroy(&rig);
}

/* Without a mark, and a segment in the middle is gone: as Kafka, offsets may have gaps. */
static void a_missing_segment_is_a_gap_that_readers_skip(void **state)
{
    (void)state;
    (void)fill(1, 32768);
    struct sim_process *process = sim_process_start(rig.machine);
    struct file_system *fs = sim_process_files(process);
    assert_int_equal(file_unlink(fs, "/data0/orders-0/00000000000000000000.log"), 0);
    sim_process_end(process);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), BATCHES);
    assert_true(partition_log_start(rig.partitions[0]) > 0);
    assert_true(size_of("00000000000000000000.index") < 0);
    rig_kill(&rig);
    rig_destroy(&rig);
}

static void a_file_that_cannot_be_read_fails_the_partition_and_cuts_nothing(void **state)
{
    (void)state;
    const uint32_t bytes = fill(1, 1 << 20);
    struct sim_process *process = sim_process_start(rig.machine);
    struct file_system *fs = sim_process_files(process);
    struct data_directory directory = {.path = "/data0", .lock_fd = -1};
    struct found_partition found = {.name = "orders-0"};
    static const enum sim_operation operations[] = {SIM_READ, SIM_OPEN, SIM_LIST};
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        const struct sim_fault fault = {
            .operation = operations[i], .error = EIO, .path = "orders-0"};
        sim_machine_add_fault(rig.machine, &fault);
        struct recovered_partition *recovered;
        struct recovery_report report;
        assert_int_equal(partition_recover(fs, &directory, &found, &recovered, &report),
                         LOG_IO_ERROR);
        assert_null(recovered);
        sim_machine_clear_faults(rig.machine);
        assert_true(size_of("00000000000000000000.log") >= bytes * BATCHES);
    }
    sim_process_end(process);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), BATCHES);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leftovers_go_and_unknown_files_stay),
        cmocka_unit_test(the_log_ends_at_the_first_byte_that_is_wrong),
        cmocka_unit_test(zeros_behind_the_end_are_no_damage),
        cmocka_unit_test(the_largest_segment_may_be_reserved_to_its_last_block),
        cmocka_unit_test(only_what_the_mark_does_not_cover_is_read),
        cmocka_unit_test(a_missing_segment_is_a_gap_that_readers_skip),
        cmocka_unit_test(a_file_that_cannot_be_read_fails_the_partition_and_cuts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
