#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static void fill(struct rig *rig, uint32_t count, int64_t timestamp_ms)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)rig_append(rig, &(struct rig_batch){.records = 1,
                                                  .value_bytes = 5000,
                                                  .ack = APPEND_ACK_FLUSHED,
                                                  .timestamp_ms = timestamp_ms});
        if (i % 4 == 3) {
            rig_settle(rig);
        }
    }
    rig_settle(rig);
}

static uint32_t count_files(struct rig *rig, const char *suffix)
{
    uint32_t count = 0;
    for (int64_t base = 0; base < 400; base++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "/data0/orders-0/%020ld%s", (long)base, suffix);
        count += sim_machine_file_size(rig->machine, path) >= 0;
    }
    return count;
}

static void the_oldest_segments_go_when_there_is_too_much(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(1);
    options.config.segment_bytes = 50000;
    options.config.retention_bytes = 200000;
    options.config.file_delete_delay_ms = 5000;
    rig_create(&rig, &options);
    fill(&rig, 100, 0);
    rig_run_ms(&rig, 2500);
    const struct partition *p = rig.partitions[0];
    assert_true(partition_log_start(p) > 0);
    assert_in_range(partition_size_bytes(p), 200000, 200000 + 50000 + 6000);
    assert_true(count_files(&rig, ".log.deleted") > 0); /* Renamed first ... */
    rig_run_ms(&rig, 8000);
    assert_int_equal(count_files(&rig, ".log.deleted"), 0); /* ... unlinked later. */
    assert_int_equal(count_files(&rig, ".snapshot.deleted"), 0);
    const int64_t start = partition_log_start(p);
    rig_check(&rig);
    uint32_t len;
    enum log_status status;
    free(rig_read(&rig, 0, start - 1, INT64_MAX, 100, &len, &status));
    assert_int_equal(status, LOG_OFFSET_OUT_OF_RANGE);
    rig_kill(&rig);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_log_start(rig.partitions[0]), start);
    rig_check_after(&rig, false);
    rig_destroy(&rig);
}

static bool file_exists(struct rig *rig, int64_t base)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/data0/orders-0/%020ld.log", (long)base);
    return sim_machine_file_size(rig->machine, path) >= 0;
}

static void files_that_cannot_be_renamed_keep_those_behind_them(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(4);
    options.config.segment_bytes = 50000;
    options.config.retention_bytes = 200000;
    rig_create(&rig, &options);
    const struct sim_fault fault = {
        .operation = SIM_RENAME, .error = EIO, .path = "orders-0/00000000000000000000.log"};
    sim_machine_add_fault(rig.machine, &fault);
    fill(&rig, 100, 0);
    rig_run_ms(&rig, 5000);
    const int64_t start = partition_log_start(rig.partitions[0]);
    assert_true(start > 20);
    assert_true(file_exists(&rig, 0));
    assert_true(file_exists(&rig, start));
    rig_kill(&rig); /* What is there now is a log without holes. */
    sim_machine_clear_faults(rig.machine);
    assert_true(rig_start(&rig));
    rig_check_after(&rig, false);
    rig_run_ms(&rig, 5000);
    assert_false(file_exists(&rig, 0));
    rig_check(&rig);
    rig_destroy(&rig);
}

static void an_index_whose_log_is_gone_goes_at_the_next_start(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(5);
    options.config.segment_bytes = 50000;
    options.config.retention_bytes = 200000;
    rig_create(&rig, &options);
    const struct sim_fault fault = {
        .operation = SIM_RENAME, .error = EIO, .path = "orders-0/00000000000000000000.index"};
    sim_machine_add_fault(rig.machine, &fault);
    fill(&rig, 100, 0);
    rig_run_ms(&rig, 5000);
    static const char path[] = "/data0/orders-0/00000000000000000000.index";
    assert_false(file_exists(&rig, 0));
    assert_true(sim_machine_file_size(rig.machine, path) >= 0);
    rig_kill(&rig);
    sim_machine_clear_faults(rig.machine);
    assert_true(rig_start(&rig));
    assert_true(sim_machine_file_size(rig.machine, path) < 0);
    rig_check_after(&rig, false);
    rig_destroy(&rig);
}

static void segments_go_by_their_largest_timestamp(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(2);
    options.config.segment_bytes = 50000;
    options.config.retention_ms = 60000;
    rig_create(&rig, &options);
    const int64_t now_ms = rig.wall_ms;
    fill(&rig, 30, now_ms - 50000);
    fill(&rig, 1, now_ms + 30000); /* Keeps its segment longer (H14). */
    fill(&rig, 30, now_ms - 50000);
    rig_run_ms(&rig, 5000);
    assert_int_equal(partition_log_start(rig.partitions[0]), 0);
    rig_run_ms(&rig, 12000);
    const int64_t start = partition_log_start(rig.partitions[0]);
    assert_in_range(start, 20, 30); /* Up to the one with the late record. */
    rig_run_ms(&rig, 90000);
    assert_int_equal(partition_log_start(rig.partitions[0]), 61); /* Even the active one. */
    assert_int_equal(partition_size_bytes(rig.partitions[0]), 0);
    fill(&rig, 3, 0);
    assert_int_equal(partition_end(rig.partitions[0]), 64);
    rig_check(&rig);
    rig_kill(&rig);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_log_start(rig.partitions[0]), 61);
    assert_int_equal(partition_end(rig.partitions[0]), 64);
    rig_check_after(&rig, false);
    rig_destroy(&rig);
}

static void old_records_stay_until_the_check(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(2);
    options.config.segment_bytes = 50000;
    options.config.retention_ms = 60000;
    options.config.retention_check_ms = 30000;
    rig_create(&rig, &options);
    for (int64_t round = 1; round <= 3; round++) {
        fill(&rig, 40, rig.wall_ms - 1000000);
        rig_run_ms(&rig, 20000);
        assert_int_equal(partition_log_start(rig.partitions[0]), 40 * (round - 1));
        rig_run_ms(&rig, 15000);
        assert_int_equal(partition_log_start(rig.partitions[0]), 40 * round);
    }
    rig_check(&rig);
    rig_destroy(&rig);
}

static struct log_operation delete_records(struct rig *rig, int64_t offset)
{
    struct log_operation operation = {.offset = offset};
    enum log_status status = log_delete_records(rig->log, rig->partitions[0], &operation);
    while (status == LOG_PENDING && rig_turn(rig)) {
        struct log_operation *done = log_operation_done(rig->log);
        status = done == NULL ? LOG_PENDING : done->status;
    }
    operation.status = status;
    return operation;
}

static void deleted_records_stay_deleted(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rig_options options = rig_options(seed);
        options.config.segment_bytes = 50000;
        options.sim.boundaries_unrecorded = true;
        rig_create(&rig, &options);
        fill(&rig, 40, 0);
        assert_int_equal(delete_records(&rig, 41).status, LOG_OFFSET_OUT_OF_RANGE);
        assert_int_equal(delete_records(&rig, -2).status, LOG_OFFSET_OUT_OF_RANGE);
        struct log_operation operation = delete_records(&rig, 17);
        assert_int_equal(operation.status, LOG_OK);
        assert_int_equal(operation.offset, 17);
        assert_int_equal(partition_log_start(rig.partitions[0]), 17);
        operation = delete_records(&rig, 5); /* Never back. */
        assert_int_equal(operation.status, LOG_OK);
        assert_int_equal(operation.offset, 17);
        rig_power_cut(&rig); /* Durable when it was answered. */
        assert_true(rig_start(&rig));
        assert_int_equal(partition_log_start(rig.partitions[0]), 17);
        rig_check_after(&rig, true);
        rig_run_ms(&rig, 2000); /* Segments wholly below go. */
        assert_true(count_files(&rig, ".log") < 5);
        operation = delete_records(&rig, -1);
        assert_int_equal(operation.offset, 40);
        rig_power_cut(&rig);
        assert_true(rig_start(&rig));
        assert_int_equal(partition_log_start(rig.partitions[0]), 40);
        assert_int_equal(partition_end(rig.partitions[0]), 40);
        fill(&rig, 5, 0);
        assert_int_equal(partition_end(rig.partitions[0]), 45);
        rig_check(&rig);
        rig_destroy(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_segments_go_when_there_is_too_much),
        cmocka_unit_test(files_that_cannot_be_renamed_keep_those_behind_them),
        cmocka_unit_test(an_index_whose_log_is_gone_goes_at_the_next_start),
        cmocka_unit_test(segments_go_by_their_largest_timestamp),
        cmocka_unit_test(old_records_stay_until_the_check),
        cmocka_unit_test(deleted_records_stay_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
