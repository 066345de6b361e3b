/* The moment when compacted segments take their places: beside readers, retention, deletion, and
 * renames that fail. */
#include <errno.h>
#include <stdlib.h>

#include "tests/storage/log/clean_model.h"

static void fill_uncleaned(struct clean_run *run, uint64_t seed, struct rig_options options)
{
    options.sim.seed = seed;
    clean_run_begin(run, &options);
    run->rig.partitions[0]->config.clean_enabled = false;
    for (uint32_t i = 0; i < 60; i++) {
        clean_tell_something(run, 12);
    }
}

/* From the first rename on. */
static void any_failed_rename_or_sync_loses_nothing(void **state)
{
    (void)state;
    static const enum sim_operation operations[] = {SIM_RENAME, SIM_SYNC_DIRECTORY};
    static struct clean_run run;
    static struct clean_there there;
    for (uint32_t i = 0; i < 48; i++) {
        fill_uncleaned(&run, i, clean_options(i));
        const struct sim_fault fault = {.operation = operations[i % 2],
                                        .error = EIO,
                                        .skip = i / 2,
                                        .count = 1 + i % 3,
                                        .path = "orders-0"};
        sim_machine_add_fault(run.rig.machine, &fault);
        run.rig.partitions[0]->config.clean_enabled = true;
        if (i % 4 < 2) {
            clean_wait(&run.rig);
            clean_check(&run, true, true, &there);
        } else {
            rig_run_ms(&run.rig, 1500 + 10 * i);
        }
        sim_machine_clear_faults(run.rig.machine);
        rig_kill(&run.rig);
        assert_true(rig_start(&run.rig));
        clean_check(&run, true, false, &there);
        clean_tell_something(&run, 12);
        clean_wait(&run.rig);
        clean_check(&run, true, run.rig.partitions[0]->clean_offset > 0, &there);
        rig_destroy(&run.rig);
    }
}

/* A consumer reads all the time, and holds some of what it was lent. */
static void readers_see_the_log_before_or_after_it_and_keep_what_they_hold(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    static struct log_read held;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct rig_options options = clean_options(seed);
        options.arena_bytes = 1 << 20;
        fill_uncleaned(&run, seed, options);
        struct log *log = run.rig.log;
        struct partition *p = run.rig.partitions[0];
        held = (struct log_read){.upper_offset = INT64_MAX, .bytes_max = 8192, .whole_batch = true};
        enum log_status status = log_read(log, p, &held);
        while (status == LOG_PENDING && rig_turn(&run.rig)) {
            status = log_read_done(log) != NULL ? held.status : LOG_PENDING;
        }
        assert_int_equal(status, LOG_OK);
        uint8_t *copy = malloc(held.bytes);
        assert_non_null(copy);
        uint32_t sum = 0;
        for (uint32_t i = 0; i < held.extent_count; i++) {
            memcpy(copy + sum, held.extents[i].bytes.ptr, held.extents[i].bytes.len);
            sum += held.extents[i].bytes.len;
        }
        p->config.clean_enabled = true;
        while (p->clean_offset < p->sidecar.segment_base || clean_running(&run.rig)) {
            clean_check(&run, true, false, &there);
            rig_run_ms(&run.rig, 5);
        }
        sum = 0;
        for (uint32_t i = 0; i < held.extent_count; i++) {
            assert_memory_equal(held.extents[i].bytes.ptr, copy + sum, held.extents[i].bytes.len);
            sum += held.extents[i].bytes.len;
            log_extent_release(log, held.extents[i].hold);
        }
        free(copy);
        clean_check(&run, true, true, &there);
        rig_destroy(&run.rig);
    }
}

/* It has searched the first segments of a group in vain when they become one with the others. */
static void a_lookup_by_time_goes_on_in_what_became_of_its_segments(void **state)
{
    (void)state;
    static struct clean_run run;
    uint32_t met = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct rig_options options = clean_options(seed);
        fill_uncleaned(&run, seed, options);
        struct partition *p = run.rig.partitions[0];
        const struct cleaner *cleaner = run.rig.log->cleaner;
        p->config.segment_bytes = 65536; /* Groups of several. */
        p->config.clean_enabled = true;
        for (uint32_t i = 0; i < 20000 && !p->swapping; i++) {
            assert_true(rig_turn(&run.rig));
        }
        assert_true(p->swapping);
        const int64_t swap_to = p->swap_to;
        struct log_query query = {
            .kind = LOG_QUERY_TIMESTAMP, .timestamp_ms = 1, .upper_offset = INT64_MAX};
        assert_int_equal(log_query(run.rig.log, p, &query), LOG_PENDING);
        met += cleaner->work.group_end - cleaner->work.group_first > 1;
        query.private_state[0] = (uint64_t)p->swap_from + 1;
        while (log_query_done(run.rig.log) == NULL && rig_turn(&run.rig)) {
        }
        assert_int_equal(query.status, LOG_OK);
        assert_true(query.offset >= 0 && query.offset < swap_to);
        clean_wait(&run.rig);
        rig_destroy(&run.rig);
    }
    assert_true(met > 0);
}

static enum log_status read_part(struct clean_run *run, struct log_read *read)
{
    enum log_status status = log_read(run->rig.log, run->rig.partitions[0], read);
    while (status == LOG_PENDING && rig_turn(&run->rig)) {
        status = log_read_done(run->rig.log) != NULL ? read->status : LOG_PENDING;
    }
    for (uint32_t i = 0; i < read->extent_count; i++) {
        log_extent_release(run->rig.log, read->extents[i].hold);
    }
    read->extent_count = 0;
    return status;
}

/* Parts of two batches would make one that was never written. */
static void a_batch_read_in_parts_is_not_finished_with_another_ones_bytes(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct log_read read;
    for (uint32_t cleaned = 0; cleaned < 2; cleaned++) {
        struct rig_options options = clean_options(3);
        options.arena_bytes = 1 << 20;
        options.config.segment_bytes = 1 << 20;
        clean_run_begin(&run, &options);
        struct partition *p = run.rig.partitions[0];
        p->config.clean_enabled = false;
        const struct rig_batch batch = {
            .records = 20, .value_bytes = 20000, .ack = APPEND_ACK_FLUSHED, .keys = 40};
        for (uint32_t i = 0; i < 5; i++) {
            assert_int_equal(clean_tell(&run, &batch)->append.status, LOG_OK);
        }
        read =
            (struct log_read){.upper_offset = INT64_MAX, .bytes_max = 1 << 20, .whole_batch = true};
        assert_int_equal(read_part(&run, &read), LOG_OK);
        assert_true(read.bytes > 0 && read.bytes < read.batch_bytes);
        p->config.clean_enabled = cleaned != 0;
        rig_run_ms(&run.rig, 8000);
        assert_int_equal(p->clean_offset > 0, cleaned);
        read.skip = read.bytes;
        assert_int_equal(read_part(&run, &read), cleaned ? LOG_CORRUPT : LOG_OK);
        rig_destroy(&run.rig);
    }
}

/* Half of the names are given, then the directory is held for dead: what is there stays. */
static void a_directory_that_fails_in_the_middle_of_it_loses_nothing(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    uint32_t fenced = 0;
    for (uint32_t i = 0; i < 40; i++) {
        const struct rig_options options = clean_options(i);
        clean_run_begin(&run, &options);
        run.rig.partitions[0]->config.clean_enabled = false;
        for (uint32_t batch = 0; batch < 60; batch++) { /* The first ones have keys of their own. */
            clean_tell_something(&run, batch < 20 ? CLEAN_KEYS_MAX : 12);
        }
        const struct sim_fault renames = {
            .operation = SIM_RENAME, .error = EIO, .skip = i / 2, .path = "orders-0"};
        const struct sim_fault probe = {
            .operation = SIM_CREATE, .error = EIO, .path = "millrace.probe"};
        if (i % 2 == 0) {
            sim_machine_add_fault(run.rig.machine, &renames);
            sim_machine_add_fault(run.rig.machine, &probe);
        }
        run.rig.partitions[0]->config.clean_enabled = true;
        rig_run_ms(&run.rig, 1200 + i);
        sim_device_set_dead(run.rig.machine, run.rig.devices[0], i % 2 != 0);
        rig_run_ms(&run.rig, 12000);
        if (partition_state(run.rig.partitions[0]) == LOG_FENCED) {
            assert_false(clean_running(&run.rig));
            fenced++;
        }
        sim_machine_clear_faults(run.rig.machine);
        sim_device_set_dead(run.rig.machine, run.rig.devices[0], false);
        rig_kill(&run.rig);
        assert_true(rig_start(&run.rig));
        clean_check(&run, true, false, &there);
        clean_tell_something(&run, 12);
        rig_destroy(&run.rig);
    }
    assert_true(fenced > 8);
}

static void retention_may_be_faster(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rig_options options = clean_options(seed);
        options.config.cleanup_delete = true;
        options.config.clean_bytes_per_second = 40000;
        fill_uncleaned(&run, seed, options);
        struct partition *p = run.rig.partitions[0];
        p->config.clean_enabled = true;
        rig_run_ms(&run.rig, 1300 + 150 * seed);
        struct log_operation operation = {.offset = p->end / 2};
        assert_int_equal(log_delete_records(run.rig.log, p, &operation), LOG_PENDING);
        while (operation.status == LOG_PENDING && rig_turn(&run.rig)) {
            (void)log_operation_done(run.rig.log);
        }
        assert_int_equal(operation.status, LOG_OK);
        clean_wait(&run.rig);
        clean_read_everything(&run, &there);
        const int64_t start = partition_log_start(p);
        assert_true(start >= run.end / 2);
        rig_kill(&run.rig);
        assert_true(rig_start(&run.rig));
        assert_int_equal(partition_log_start(run.rig.partitions[0]), start);
        clean_read_everything(&run, &there);
        rig_destroy(&run.rig);
    }
}

static void a_partition_is_deleted_in_the_middle_of_it(void **state)
{
    (void)state;
    static struct clean_run run;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        fill_uncleaned(&run, seed, clean_options(seed));
        struct partition *p = run.rig.partitions[0];
        p->config.clean_enabled = true;
        for (uint32_t i = 0; i < 3000 && !clean_running(&run.rig); i++) {
            assert_true(rig_turn(&run.rig));
        }
        assert_true(clean_running(&run.rig));
        for (uint64_t i = 0; i < 3 * seed && clean_running(&run.rig); i++) {
            assert_true(rig_turn(&run.rig));
        }
        struct log_operation operation = {0};
        assert_int_equal(log_delete(run.rig.log, p, &operation), LOG_PENDING);
        while (operation.status == LOG_PENDING && rig_turn(&run.rig)) {
            (void)log_operation_done(run.rig.log);
        }
        assert_int_equal(operation.status, LOG_OK);
        run.rig.partitions[0] = NULL;
        assert_false(clean_running(&run.rig));
        int64_t offset;
        assert_int_equal(clean_offsets_read(run.rig.fs, "/data0", "orders-0", &offset), 0);
        assert_int_equal(offset, -1); /* A topic of that name begins anew. */
        rig_destroy(&run.rig);
    }
}

/* The point up to which it was clean would be believed of another topic's log. */
static void a_partition_that_is_compacted_no_more_is_deleted(void **state)
{
    (void)state;
    static struct clean_run run;
    fill_uncleaned(&run, 1, clean_options(1));
    struct partition *p = run.rig.partitions[0];
    p->config.clean_enabled = true;
    clean_wait(&run.rig);
    int64_t offset;
    assert_int_equal(clean_offsets_read(run.rig.fs, "/data0", "orders-0", &offset), 0);
    assert_true(offset > 0);
    p->config.cleanup_compact = false;
    struct log_operation operation = {0};
    assert_int_equal(log_delete(run.rig.log, p, &operation), LOG_PENDING);
    while (operation.status == LOG_PENDING && rig_turn(&run.rig)) {
        (void)log_operation_done(run.rig.log);
    }
    assert_int_equal(operation.status, LOG_OK);
    run.rig.partitions[0] = NULL;
    assert_int_equal(clean_offsets_read(run.rig.fs, "/data0", "orders-0", &offset), 0);
    assert_int_equal(offset, -1);
    rig_destroy(&run.rig);
}

/* The line of a deleted topic stays where the device was full; a topic of that name begins anew. */
static void a_line_that_outlived_its_topic_is_not_believed(void **state)
{
    (void)state;
    static struct clean_run run;
    fill_uncleaned(&run, 1, clean_options(1));
    struct rig *rig = &run.rig;
    struct partition *p = rig->partitions[0];
    p->config.clean_enabled = true;
    const struct partition_spec spec = {.id = p->id,
                                        .topic_name = {(const uint8_t *)"orders", 6},
                                        .directory = p->directory,
                                        .config = p->config};
    clean_wait(rig);
    const struct sim_fault full = {
        .operation = SIM_CREATE, .error = ENOSPC, .path = CLEANER_OFFSETS_FILE};
    sim_machine_add_fault(rig->machine, &full);
    struct log_operation operation = {0};
    assert_int_equal(log_delete(rig->log, p, &operation), LOG_PENDING);
    while (operation.status == LOG_PENDING && rig_turn(rig)) {
        (void)log_operation_done(rig->log);
    }
    rig->partitions[0] = NULL;
    int64_t offset;
    assert_int_equal(clean_offsets_read(rig->fs, "/data0", "orders-0", &offset), 0);
    assert_true(offset > 0);
    for (uint32_t round = 0; round < 2; round++) { /* Still full; then there is room. */
        operation = (struct log_operation){0};
        assert_int_equal(log_open(rig->log, &spec, &operation), LOG_PENDING);
        while (operation.status == LOG_PENDING && rig_turn(rig)) {
            (void)log_operation_done(rig->log);
        }
        assert_int_equal(operation.status, round == 0 ? LOG_NO_SPACE : LOG_OK);
        sim_machine_clear_faults(rig->machine);
    }
    assert_int_equal(clean_offsets_read(rig->fs, "/data0", "orders-0", &offset), 0);
    assert_int_equal(offset, -1);
    rig->partitions[0] = operation.partition;
    rig_destroy(rig);
}

static void a_stop_in_the_middle_of_it_leaves_a_whole_log(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        fill_uncleaned(&run, seed, clean_options(seed));
        run.rig.partitions[0]->config.clean_enabled = true;
        for (uint32_t i = 0; i < 3000 && !clean_running(&run.rig); i++) {
            assert_true(rig_turn(&run.rig));
        }
        for (uint64_t i = 0; i < 3 * seed && clean_running(&run.rig); i++) {
            assert_true(rig_turn(&run.rig));
        }
        rig_stop(&run.rig);
        assert_true(rig_start(&run.rig));
        assert_true(run.rig.reports[0].read_bytes < BLOCK);
        clean_check(&run, true, false, &there);
        rig_destroy(&run.rig);
    }
}

/* Until something is written of the new segment. What is appended beside it then, to another
 * partition, is not flushed. */
static struct rig_batch clean_beside_another(struct clean_run *run, uint64_t seed)
{
    struct rig_options options = clean_options(seed);
    options.partitions = 2;
    options.sim.flush_covers_device = true;
    options.config.segment_bytes = 131072;
    options.config.clean_io_bytes = 4096;
    options.config.clean_bytes_per_second = 200000;
    clean_run_begin(run, &options);
    struct partition *p = run->rig.partitions[0];
    p->config.clean_enabled = false;
    for (uint32_t i = 0; i < 180; i++) {
        clean_tell_something(run, CLEAN_KEYS_MAX);
    }
    struct rig_batch other = {
        .partition = 1, .records = 1, .value_bytes = 100, .ack = APPEND_ACK_FLUSHED};
    assert_int_equal(rig_append_wait(&run->rig, &other)->append.status, LOG_OK);
    p->config.clean_enabled = true;
    for (uint32_t i = 0; i < 20000 && run->rig.log->cleaner->work.output.size < 8192; i++) {
        assert_true(rig_turn(&run->rig));
    }
    const struct sim_fault fault = {
        .operation = SIM_FLUSH, .error = EIO, .count = 1, .path = "orders-1"};
    sim_machine_add_fault(run->rig.machine, &fault);
    other.value_bytes = 100000;
    return other;
}

/* H5: what the kernel told another partition's flush was of the new segment. */
static void a_flush_of_the_device_that_fails_meanwhile_loses_nothing(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    uint32_t doubted = 0;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        const struct rig_batch other = clean_beside_another(&run, seed);
        const struct partition *p = run.rig.partitions[0];
        (void)rig_append_wait(&run.rig, &other);
        assert_true(run.rig.log->devices[0].flushes_failed > 0);
        sim_machine_clear_faults(run.rig.machine);
        for (uint32_t i = 0; i < 400 && p->clean_offset < p->sidecar.segment_base; i++) {
            rig_run_ms(&run.rig, 100);
        }
        doubted += log_counters(run.rig.log)->clean_failures > 0;
        assert_true(p->clean_offset > 0);
        rig_run_ms(&run.rig, 3000); /* The old ones are unlinked. */
        rig_power_cut(&run.rig);
        assert_true(rig_start(&run.rig));
        clean_check(&run, true, false, &there);
        rig_destroy(&run.rig);
    }
    assert_true(doubted > 0);
}

/* Its failure may be told late, and be older than the sync of the new files. */
static void a_flush_under_way_is_awaited_before_names_change(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        const struct rig_batch other = clean_beside_another(&run, seed);
        const struct cleaner *cleaner = run.rig.log->cleaner;
        const struct device *device = &run.rig.log->devices[0];
        sim_machine_set_flush(run.rig.machine, (struct sim_range){20 * SEC_NS, 20 * SEC_NS});
        (void)rig_append(&run.rig, &other);
        for (uint32_t i = 0; i < 2000 && device->flushing[0] + device->flushing[1] == 0; i++) {
            assert_true(rig_turn(&run.rig));
        }
        sim_machine_set_flush(run.rig.machine, (struct sim_range){0});
        for (uint32_t i = 0; i < 200 && cleaner->phase != CLEAN_SWAPPING; i++) {
            rig_run_ms(&run.rig, 50);
        }
        assert_int_equal(cleaner->phase, CLEAN_SWAPPING);
        rig_run_ms(&run.rig, 500);
        assert_int_equal(device->flushes_failed, 0);
        assert_int_equal(cleaner->phase, CLEAN_SWAPPING);
        assert_false(cleaner->work.committed);
        for (uint32_t i = 0; i < 50 && device->flushes_failed == 0; i++) {
            rig_run_ms(&run.rig, 10000);
        }
        assert_true(device->flushes_failed > 0);
        assert_true(log_counters(run.rig.log)->clean_failures > 0);
        rig_run_ms(&run.rig, 20000); /* And again, without a fault. */
        assert_true(run.rig.partitions[0]->clean_offset > 0);
        rig_power_cut(&run.rig);
        assert_true(rig_start(&run.rig));
        clean_check(&run, true, false, &there);
        rig_destroy(&run.rig);
    }
}

/* A file system that became read-only in the middle of it: the next start finishes it. */
static void a_stop_ends_though_no_name_can_be_given(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    uint32_t stuck = 0;
    for (uint32_t i = 0; i < 12; i++) {
        fill_uncleaned(&run, i, clean_options(i));
        const struct sim_fault renames = {
            .operation = SIM_RENAME, .error = EROFS, .skip = i, .path = ".log"};
        sim_machine_add_fault(run.rig.machine, &renames);
        run.rig.partitions[0]->config.clean_enabled = true;
        for (uint32_t at = 0; at < 60 && !run.rig.log->cleaner->work.committed; at++) {
            rig_run_ms(&run.rig, 50);
        }
        stuck += run.rig.log->cleaner->work.committed;
        struct log_operation operation = {0};
        assert_int_equal(log_finish(run.rig.log, &operation), LOG_PENDING);
        for (uint32_t at = 0; at < 200 && operation.status == LOG_PENDING; at++) {
            rig_run_ms(&run.rig, 100);
            (void)log_operation_done(run.rig.log);
        }
        assert_true(operation.status != LOG_PENDING);
        sim_machine_clear_faults(run.rig.machine);
        rig_kill(&run.rig);
        assert_true(rig_start(&run.rig));
        clean_check(&run, true, false, &there);
        rig_destroy(&run.rig);
    }
    assert_true(stuck > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_failed_rename_or_sync_loses_nothing),
        cmocka_unit_test(readers_see_the_log_before_or_after_it_and_keep_what_they_hold),
        cmocka_unit_test(a_lookup_by_time_goes_on_in_what_became_of_its_segments),
        cmocka_unit_test(a_batch_read_in_parts_is_not_finished_with_another_ones_bytes),
        cmocka_unit_test(a_directory_that_fails_in_the_middle_of_it_loses_nothing),
        cmocka_unit_test(a_flush_of_the_device_that_fails_meanwhile_loses_nothing),
        cmocka_unit_test(a_flush_under_way_is_awaited_before_names_change),
        cmocka_unit_test(a_stop_ends_though_no_name_can_be_given),
        cmocka_unit_test(retention_may_be_faster),
        cmocka_unit_test(a_partition_is_deleted_in_the_middle_of_it),
        cmocka_unit_test(a_partition_that_is_compacted_no_more_is_deleted),
        cmocka_unit_test(a_line_that_outlived_its_topic_is_not_believed),
        cmocka_unit_test(a_stop_in_the_middle_of_it_leaves_a_whole_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
