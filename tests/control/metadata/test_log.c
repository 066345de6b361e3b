#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/arena.h"
#include "control/metadata/log.h"
#include "tests/sim/sim_machine.h"

#define SEGMENT "/d/__cluster_metadata-0/00000000000000000000.log"

struct bench {
    struct sim_machine *machine;
    struct sim_process *process;
    struct metadata_log log;
    _Atomic uint32_t flushes_failed; /* Of the device. */
    struct changes changes;
    uint32_t read; /* Records of the last load. */
    uint32_t sum;  /* Of their numbers. */
};

static struct bench *bench_new(bool flush_covers_device)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    const struct sim_options options = {.seed = 11, .flush_covers_device = flush_covers_device};
    bench->machine = sim_machine_create(&options);
    bench->process = sim_process_start(bench->machine);
    assert_int_equal(file_make_directory(sim_process_files(bench->process), "/d"), 0);
    assert_int_equal(file_sync_directory(sim_process_files(bench->process), "/"), 0);
    return bench;
}

static int bench_up(void **state)
{
    *state = bench_new(true);
    return 0;
}

static int bench_down(void **state)
{
    struct bench *bench = *state;
    metadata_log_close(&bench->log);
    changes_free(&bench->changes);
    sim_machine_destroy(bench->machine);
    free(bench);
    return 0;
}

static enum metadata_status record_read(void *context, struct bytes record, char *reason,
                                        size_t reason_bytes)
{
    struct bench *bench = context;
    (void)reason;
    (void)reason_bytes;
    bench->read++;
    bench->sum += record.ptr[record.len - 2]; /* Of producer_ids_record: the number's last byte. */
    return METADATA_OK;
}

static enum metadata_status load(struct bench *bench)
{
    const struct metadata_reader reader = {record_read, bench};
    bench->read = 0;
    bench->sum = 0;
    return metadata_log_load(&bench->log, &reader);
}

static enum metadata_status open_log(struct bench *bench)
{
    enum metadata_status status = metadata_log_open(&bench->log, sim_process_files(bench->process),
                                                    "/d", 1, &bench->flushes_failed);
    if (status == METADATA_OK) {
        status = load(bench);
    }
    return status == METADATA_OK ? metadata_log_lead(&bench->log, 1000) : status;
}

static void restart(struct bench *bench)
{
    sim_process_kill(bench->process);
    metadata_log_close(&bench->log);
    sim_process_end(bench->process);
    sim_machine_advance(bench->machine, sim_machine_now_ns(bench->machine) + 1000000000);
    bench->process = sim_process_start(bench->machine);
}

/* A commit of `records` records that carry `number`. */
static enum metadata_status commit(struct bench *bench, uint8_t number, uint32_t records)
{
    changes_reset(&bench->changes);
    for (uint32_t i = 0; i < records; i++) {
        changes_producer_ids(&bench->changes, 1, 0, number);
    }
    return metadata_log_commit(&bench->log, &bench->changes, 2000);
}

static void what_was_committed_is_read_again_in_a_new_epoch(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(open_log(bench), METADATA_OK);
    assert_int_equal(bench->log.epoch, 1);
    assert_int_equal(commit(bench, 1, 2), METADATA_OK);
    assert_int_equal(commit(bench, 10, 3), METADATA_OK);
    assert_int_equal(bench->log.end_offset, 6); /* The leader change is a record too. */
    restart(bench);
    assert_int_equal(open_log(bench), METADATA_OK);
    assert_int_equal(bench->read, 5);
    assert_int_equal(bench->sum, 32);
    assert_int_equal(bench->log.epoch, 2);
    assert_int_equal(bench->log.end_offset, 7);
}

static void a_second_process_is_kept_out(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(open_log(bench), METADATA_OK);
    struct metadata_log second;
    struct sim_process *other = sim_process_start(bench->machine);
    assert_int_equal(
        metadata_log_open(&second, sim_process_files(other), "/d", 1, &bench->flushes_failed),
        METADATA_IN_USE);
    metadata_log_close(&second);
    sim_process_end(other);
}

static void a_torn_tail_is_cut_wherever_it_was_torn(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(open_log(bench), METADATA_OK);
    assert_int_equal(commit(bench, 1, 1), METADATA_OK);
    const uint64_t whole = bench->log.segment_bytes;
    assert_int_equal(commit(bench, 2, 1), METADATA_OK);
    const uint64_t end = bench->log.segment_bytes;
    static uint8_t file[4096];
    assert_int_equal(sim_machine_peek(bench->machine, SEGMENT, file, end, 0), end);
    for (uint64_t torn = whole; torn < end; torn++) {
        restart(bench);
        struct file_system *files = sim_process_files(bench->process);
        assert_int_equal(file_replace(files, SEGMENT, file, torn, true), 0);
        assert_int_equal(open_log(bench), METADATA_OK);
        assert_int_equal(bench->read, 1);
        assert_int_equal(bench->log.end_offset, 3); /* With both leader changes. */
        assert_int_equal(sim_machine_file_size(bench->machine, SEGMENT), bench->log.segment_bytes);
        /* What is committed now stands where the torn batch stood. */
        assert_int_equal(commit(bench, 3, 1), METADATA_OK);
        restart(bench);
        assert_int_equal(open_log(bench), METADATA_OK);
        assert_int_equal(bench->sum, 4);
    }
}

static void damage_in_front_of_whole_batches_is_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(open_log(bench), METADATA_OK);
    assert_int_equal(commit(bench, 1, 1), METADATA_OK);
    assert_int_equal(commit(bench, 2, 1), METADATA_OK);
    const uint64_t size = bench->log.segment_bytes;
    restart(bench);
    assert_int_equal(sim_machine_flip_bit(bench->machine, SEGMENT, size / 2, 3), 0);
    assert_int_equal(open_log(bench), METADATA_CORRUPT);
    assert_non_null(strstr(bench->log.reason, "damaged"));
    /* Nothing was cut: mended, it is whole again. */
    metadata_log_close(&bench->log);
    assert_int_equal(sim_machine_flip_bit(bench->machine, SEGMENT, size / 2, 3), 0);
    assert_int_equal(open_log(bench), METADATA_OK);
    assert_int_equal(bench->read, 2);
}

static void missing_records_are_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(open_log(bench), METADATA_OK);
    assert_int_equal(commit(bench, 1, 1), METADATA_OK);
    restart(bench);
    struct file_system *files = sim_process_files(bench->process);
    assert_int_equal(
        file_rename(files, SEGMENT, "/d/__cluster_metadata-0/00000000000000000004.log"), 0);
    assert_int_equal(open_log(bench), METADATA_CORRUPT);
}

static void a_checkpoint_replaces_what_is_older(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(open_log(bench), METADATA_OK);
    bench->log.checkpoint_after_bytes = 1000;
    struct changes whole = {0};
    for (uint8_t i = 1; i <= 60; i++) {
        assert_int_equal(commit(bench, i, 1), METADATA_OK);
        if (metadata_log_wants_checkpoint(&bench->log)) {
            changes_reset(&whole);
            changes_producer_ids(&whole, 1, 0, i);
            assert_int_equal(metadata_log_checkpoint(&bench->log, &whole), METADATA_OK);
        }
    }
    assert_true(bench->log.checkpoint_end > 40);
    assert_int_equal(bench->log.segment_base, bench->log.checkpoint_end);
    assert_true(sim_machine_file_size(bench->machine, SEGMENT) < 0);
    const int64_t end = bench->log.end_offset;
    const uint32_t behind = (uint32_t)(end - bench->log.checkpoint_end);
    restart(bench);
    assert_int_equal(open_log(bench), METADATA_OK);
    assert_int_equal(bench->read, 1 + behind);
    assert_int_equal(bench->log.end_offset, end + 1);
    changes_free(&whole);
}

static void a_damaged_checkpoint_is_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(open_log(bench), METADATA_OK);
    assert_int_equal(commit(bench, 1, 1), METADATA_OK);
    assert_int_equal(metadata_log_checkpoint(&bench->log, &bench->changes), METADATA_OK);
    restart(bench);
    assert_int_equal(
        sim_machine_flip_bit(bench->machine,
                             "/d/__cluster_metadata-0/00000000000000000002-0000000001.checkpoint",
                             100, 1),
        0);
    assert_int_equal(open_log(bench), METADATA_CORRUPT);
}

static void a_failed_commit_does_not_count_and_the_next_one_does(void **state)
{
    static const struct {
        enum sim_operation operation;
        int error;
        enum metadata_status status;
    } cases[] = {
        {SIM_WRITE, EIO, METADATA_IO_ERROR},
        {SIM_WRITE, ENOSPC, METADATA_NO_SPACE},
        {SIM_FLUSH, EIO, METADATA_IO_ERROR},
        {SIM_FLUSH, EDQUOT, METADATA_NO_SPACE},
    };
    struct bench *bench = *state;
    assert_int_equal(open_log(bench), METADATA_OK);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct sim_fault fault = {
            .operation = cases[i].operation, .error = cases[i].error, .count = 1, .path = ".log"};
        const int64_t end = bench->log.end_offset;
        sim_machine_add_fault(bench->machine, &fault);
        assert_int_equal(commit(bench, 50, 1), cases[i].status);
        assert_int_equal(bench->log.end_offset, end);
        assert_int_equal(load(bench), METADATA_OK); /* As the store does. */
        assert_int_equal(sim_machine_file_size(bench->machine, SEGMENT), bench->log.segment_bytes);
        assert_int_equal(bench->sum, sum);
        assert_int_equal(commit(bench, 1, 1), METADATA_OK);
        sum++;
    }
    restart(bench);
    assert_int_equal(open_log(bench), METADATA_OK);
    assert_int_equal(bench->sum, sum);
}

/* Everything that syncs: a start, commits with a cut between them, a checkpoint. */
static void sync_all_that_there_is(struct bench *bench)
{
    if (open_log(bench) != METADATA_OK) {
        metadata_log_close(&bench->log);
        assert_int_equal(open_log(bench), METADATA_OK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        if (commit(bench, 1, 1) != METADATA_OK && load(bench) != METADATA_OK) {
            assert_int_equal(load(bench), METADATA_OK);
        }
        bench->log.tail_dirty = true;
    }
    changes_reset(&bench->changes);
    changes_producer_ids(&bench->changes, 1, 0, 1);
    if (metadata_log_checkpoint(&bench->log, &bench->changes) != METADATA_OK) {
        assert_int_equal(metadata_log_checkpoint(&bench->log, &bench->changes), METADATA_OK);
    }
    metadata_log_close(&bench->log);
}

/* Whichever sync it is: how many are told when one fails, with that error? Returns the syncs there
 * are. */
static uint32_t fail_each_sync(enum sim_operation operation, int error, bool flush_covers_device,
                               uint32_t told)
{
    for (uint32_t skip = 0;; skip++) {
        struct bench *bench = bench_new(flush_covers_device);
        const struct sim_fault fault = {
            .operation = operation, .error = error, .skip = skip, .count = 1};
        sim_machine_add_fault(bench->machine, &fault);
        sync_all_that_there_is(bench);
        const uint64_t failed = sim_machine_counters(bench->machine)->failed_operations;
        assert_int_equal(atomic_load(&bench->flushes_failed), failed > 0 ? told : 0);
        void *state = bench;
        (void)bench_down(&state);
        if (failed == 0) {
            return skip;
        }
    }
}

static void any_failed_sync_is_told_to_all_who_write_to_the_device(void **state)
{
    (void)state;
    assert_true(fail_each_sync(SIM_FLUSH, EIO, true, 1) >= 8);
    assert_true(fail_each_sync(SIM_SYNC_DIRECTORY, EIO, true, 1) >= 5);
}

static void what_did_not_reach_the_device_is_told_to_nobody(void **state)
{
    (void)state;
    static const int errors[] = {ENOSPC, EDQUOT, EROFS};
    for (uint32_t i = 0; i < ARRAY_SIZE(errors); i++) {
        assert_true(fail_each_sync(SIM_FLUSH, errors[i], true, 0) >= 8);
    }
    assert_true(fail_each_sync(SIM_FLUSH, EIO, false, 0) >= 8);
    assert_true(fail_each_sync(SIM_SYNC_DIRECTORY, EIO, false, 0) >= 5);
}

static void what_follows_a_checkpoint_that_fails_is_found_again(void **state)
{
    (void)state;
    static const enum sim_operation operations[] = {SIM_FLUSH, SIM_SYNC_DIRECTORY, SIM_CREATE,
                                                    SIM_RENAME};
    uint32_t failed = 0;
    for (uint32_t i = 0; i < 3 * ARRAY_SIZE(operations); i++) {
        struct bench *bench = bench_new(true);
        assert_int_equal(open_log(bench), METADATA_OK);
        assert_int_equal(commit(bench, 1, 1), METADATA_OK);
        const struct sim_fault fault = {
            .operation = operations[i / 3], .error = EIO, .skip = i % 3, .count = 1};
        sim_machine_add_fault(bench->machine, &fault);
        changes_reset(&bench->changes);
        changes_producer_ids(&bench->changes, 1, 0, 1);
        failed += metadata_log_checkpoint(&bench->log, &bench->changes) != METADATA_OK;
        sim_machine_clear_faults(bench->machine);
        assert_int_equal(commit(bench, 1, 1), METADATA_OK);
        restart(bench);
        assert_int_equal(open_log(bench), METADATA_OK);
        assert_int_equal(bench->sum, 2);
        void *down = bench;
        (void)bench_down(&down);
    }
    assert_in_range(failed, 5, 11);
}

/* A run of commits and checkpoints; counts what was acknowledged. */
static uint32_t run(struct bench *bench, uint32_t commits)
{
    if (open_log(bench) != METADATA_OK) {
        return 0;
    }
    bench->log.checkpoint_after_bytes = 400;
    uint32_t sum = bench->sum;
    struct changes whole = {0};
    for (uint32_t i = 0; i < commits; i++) {
        if (commit(bench, 1, 1) != METADATA_OK || !sim_process_alive(bench->process)) {
            break;
        }
        sum++;
        if (metadata_log_wants_checkpoint(&bench->log)) {
            changes_reset(&whole);
            for (uint32_t j = 0; j < sum; j++) {
                changes_producer_ids(&whole, 1, 0, 1);
            }
            if (metadata_log_checkpoint(&bench->log, &whole) != METADATA_OK) {
                break;
            }
        }
    }
    changes_free(&whole);
    return sum;
}

static void crash_everywhere(enum sim_crash crash, uint64_t seed)
{
    uint64_t boundaries = 0;
    for (uint64_t at = 0; at == 0 || at <= boundaries; at++) {
        struct bench bench = {0};
        const struct sim_options options = {.seed = seed + at};
        bench.machine = sim_machine_create(&options);
        bench.process = sim_process_start(bench.machine);
        assert_int_equal(file_make_directory(sim_process_files(bench.process), "/d"), 0);
        assert_int_equal(file_sync_directory(sim_process_files(bench.process), "/"), 0);
        const uint64_t first = sim_machine_boundary_count(bench.machine);
        if (at > 0) {
            sim_machine_crash_at(bench.machine, first + at - 1, crash);
        }
        const uint32_t acknowledged = run(&bench, 12);
        if (at == 0) {
            boundaries = sim_machine_boundary_count(bench.machine) - first;
            assert_true(boundaries > 50);
        }
        restart(&bench);
        if (open_log(&bench) != METADATA_OK) {
            fail_msg("crash %d at %llu, seed %llu: %s", crash, (unsigned long long)at,
                     (unsigned long long)(seed + at), bench.log.reason);
        }
        /* The one that was under way may be there too. */
        assert_in_range(bench.sum, acknowledged, acknowledged + 1);
        metadata_log_close(&bench.log);
        changes_free(&bench.changes);
        sim_machine_destroy(bench.machine);
    }
}

static void nothing_acknowledged_is_lost_by_a_kill_at_any_boundary(void **state)
{
    (void)state;
    crash_everywhere(SIM_CRASH_KILL, 100);
}

static void nothing_acknowledged_is_lost_by_a_power_cut_at_any_boundary(void **state)
{
    (void)state;
    for (uint64_t seed = 1000; seed < 6000; seed += 1000) {
        crash_everywhere(SIM_CRASH_POWER, seed);
    }
}

/* Killed at any boundary, started again, one commit, and then the power goes. */
static void what_a_start_found_survives_a_power_cut(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 300; i++) {
        const uint64_t at = i % 20; /* Where it makes its directory and its first file. */
        struct bench bench = {0};
        const struct sim_options options = {.seed = 300 + i};
        bench.machine = sim_machine_create(&options);
        bench.process = sim_process_start(bench.machine);
        assert_int_equal(file_make_directory(sim_process_files(bench.process), "/d"), 0);
        assert_int_equal(file_sync_directory(sim_process_files(bench.process), "/"), 0);
        const uint64_t first = sim_machine_boundary_count(bench.machine);
        sim_machine_crash_at(bench.machine, first + at, SIM_CRASH_KILL);
        (void)run(&bench, 12);
        sim_machine_crash_at(bench.machine, UINT64_MAX, SIM_CRASH_KILL);
        restart(&bench);
        assert_int_equal(open_log(&bench), METADATA_OK);
        const uint32_t sum = bench.sum + 1;
        assert_int_equal(commit(&bench, 1, 1), METADATA_OK);
        sim_machine_power_cut(bench.machine);
        restart(&bench);
        assert_int_equal(open_log(&bench), METADATA_OK);
        assert_int_equal(bench.sum, sum);
        metadata_log_close(&bench.log);
        changes_free(&bench.changes);
        sim_machine_destroy(bench.machine);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_committed_is_read_again_in_a_new_epoch),
        TEST(a_second_process_is_kept_out),
        TEST(a_torn_tail_is_cut_wherever_it_was_torn),
        TEST(damage_in_front_of_whole_batches_is_refused),
        TEST(missing_records_are_refused),
        TEST(a_checkpoint_replaces_what_is_older),
        TEST(a_damaged_checkpoint_is_refused),
        TEST(a_failed_commit_does_not_count_and_the_next_one_does),
        cmocka_unit_test(what_follows_a_checkpoint_that_fails_is_found_again),
        cmocka_unit_test(any_failed_sync_is_told_to_all_who_write_to_the_device),
        cmocka_unit_test(what_did_not_reach_the_device_is_told_to_nobody),
        cmocka_unit_test(nothing_acknowledged_is_lost_by_a_kill_at_any_boundary),
        cmocka_unit_test(nothing_acknowledged_is_lost_by_a_power_cut_at_any_boundary),
        cmocka_unit_test(what_a_start_found_survives_a_power_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
