/* A failed sync of a helper thread is a failed flush of the device: what other partitions had
 * written is written again before anything of theirs is answered (H5). */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/checkpoint_files.h"
#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

enum { LARGE_BYTES = 90000, SEGMENT_BYTES = 131072, LATER_MS = 3000 };

static const struct rig_batch written = {
    .records = 1, .value_bytes = 6000, .ack = APPEND_ACK_WRITTEN};

static uint32_t told(struct rig *rig)
{
    return atomic_load(&rig->log_shared.flushes_failed[0]);
}

static void make(struct rig *rig, uint64_t seed)
{
    struct rig_options options = rig_options(seed);
    options.partitions = 2;
    options.config.segment_bytes = SEGMENT_BYTES;
    options.sim.flush_covers_device = true;
    rig_create(rig, &options);
}

/* orders-0 has some that is durable, then some that is only written. */
static void put_some(struct rig *rig)
{
    for (uint32_t i = 0; i < 4; i++) {
        (void)rig_put(rig, 100, APPEND_ACK_FLUSHED);
        rig_settle(rig);
    }
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(rig_append_wait(rig, &written)->append.status, LOG_OK);
    }
}

/* orders-1 rolls. */
static void roll_other(struct rig *rig)
{
    const struct rig_batch large = {
        .partition = 1, .records = 1, .value_bytes = LARGE_BYTES, .ack = APPEND_ACK_WRITTEN};
    for (uint32_t i = 0; i < 3; i++) {
        (void)rig_append(rig, &large);
    }
}

/* The disk is well again: what is promised now survives a power cut. */
static void end(struct rig *rig)
{
    sim_machine_clear_faults(rig->machine);
    rig_run_ms(rig, LATER_MS);
    const struct rig_append *last = rig_put(rig, 100, APPEND_ACK_FLUSHED);
    while (last->lent) {
        assert_true(rig_turn(rig));
    }
    assert_int_equal(last->append.status, LOG_OK);
    rig_power_cut(rig);
    assert_true(rig_start(rig));
    rig_check_after(rig, true);
    rig_destroy(rig);
}

struct place {
    enum sim_operation operation;
    const char *path;
};

static void a_helpers_failed_sync_is_that_of_every_partition_on_the_device(void **state)
{
    (void)state;
    static const struct place places[] = {
        {SIM_FLUSH, "orders-1/00000000000000000000.log"},   /* The full segment. */
        {SIM_FLUSH, "orders-1/00000000000000000000.index"}, /* What is derived from it. */
        {SIM_FLUSH, "orders-1/00000000000000000000.timeindex"},
        {SIM_FLUSH, "orders-1/00000000000000000001.snapshot"},
        {SIM_FLUSH, "orders-1/leader-epoch-checkpoint"},
        {SIM_FLUSH, "orders-1/millrace.checkpoint"},
        {SIM_SYNC_DIRECTORY, "orders-1"}, /* The next segment's name. */
    };
    static struct rig rig;
    for (uint64_t seed = 1; seed <= 30 * ARRAY_SIZE(places); seed++) {
        const struct place *place = &places[seed % ARRAY_SIZE(places)];
        make(&rig, seed);
        put_some(&rig);
        const uint32_t before = told(&rig);
        rig_fail_once(&rig, place->operation, place->path);
        roll_other(&rig);
        for (uint32_t i = 0; i < LATER_MS && told(&rig) == before; i++) {
            rig_run_ms(&rig, 1);
        }
        assert_true(told(&rig) > before);
        end(&rig);
    }
}

/* Where a flush is that of one file, so is its failure. */
static void where_flushes_do_not_cover_the_device_nobody_else_is_told(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(1);
    options.partitions = 2;
    options.config.segment_bytes = SEGMENT_BYTES;
    rig_create(&rig, &options);
    put_some(&rig);
    rig_fail_once(&rig, SIM_FLUSH, ".index");
    rig_fail_once(&rig, SIM_FLUSH, "millrace.checkpoint");
    rig_fail_once(&rig, SIM_SYNC_DIRECTORY, "orders-1");
    roll_other(&rig);
    rig_run_ms(&rig, 10 * LATER_MS);
    assert_true(log_counters(rig.log)->io_errors >= 3);
    assert_int_equal(told(&rig), 0);
    end(&rig);
}

/* Nor where the call came to no flush: the device's cache has lost nothing. */
static void want_of_room_is_the_files_own(void **state)
{
    (void)state;
    static const int errors[] = {ENOSPC, EDQUOT, EROFS};
    static struct rig rig;
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        make(&rig, 1 + i);
        put_some(&rig);
        sim_machine_add_fault(
            rig.machine,
            &(struct sim_fault){.operation = SIM_FLUSH, .error = errors[i], .path = ".index"});
        roll_other(&rig);
        rig_run_ms(&rig, LATER_MS);
        assert_true(log_counters(rig.log)->io_errors > 0);
        assert_int_equal(told(&rig), 0);
        end(&rig);
    }
}

/* Each failure has the whole device written anew: what goes on failing is tried less and less. */
static void what_goes_on_failing_is_tried_less_and_less(void **state)
{
    (void)state;
    enum { SECONDS = 120, TRIES_MAX = 9 }; /* After 0, 1, 3, 7, 15, 31, 63, 95 seconds. */
    static struct rig rig;
    make(&rig, 1);
    put_some(&rig);
    sim_machine_add_fault(rig.machine,
                          &(struct sim_fault){.operation = SIM_FLUSH,
                                              .error = EIO,
                                              .path = "orders-1/00000000000000000000.index"});
    roll_other(&rig);
    uint32_t failed = 0;
    for (uint32_t i = 0; i < SECONDS; i++) {
        const struct rig_append *append = rig_put(&rig, 100, APPEND_ACK_FLUSHED);
        rig_run_ms(&rig, 1000);
        assert_false(append->lent);
        failed += append->append.status != LOG_OK;
    }
    print_message("# %u failures told in %u s, of which appends saw %u\n", told(&rig), SECONDS,
                  failed);
    assert_in_range(told(&rig), 4, TRIES_MAX);
    assert_true(failed <= told(&rig));
    sim_machine_clear_faults(rig.machine);
    rig_run_ms(&rig, 40000);
    rig_settle(&rig);
    rig_check(&rig);
    rig_stop(&rig); /* In order. */
    rig_destroy(&rig);
}

/* Another core's flush fails before a job syncs what was written: its sync succeeds and vouches for
 * nothing, so the mark must not say that it does. Later nothing of it is trusted. */
static void no_mark_speaks_of_what_anothers_failure_may_have_lost(void **state)
{
    (void)state;
    static struct rig rig;
    uint32_t rolling = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct rig_options options = rig_options(seed);
        options.config.segment_bytes = SEGMENT_BYTES;
        options.sim.flush_covers_device = true;
        options.sim.call = (struct sim_range){200000, 1000000};
        rig_create(&rig, &options);
        put_some(&rig);
        const struct rig_batch large = {
            .records = 1, .value_bytes = LARGE_BYTES, .ack = APPEND_ACK_WRITTEN};
        for (uint32_t i = 0; i < 2; i++) {
            (void)rig_append(&rig, &large);
        }
        for (uint64_t turn = 0; turn < seed % 32; turn++) {
            assert_true(rig_turn(&rig));
        }
        rig_other_core_fails(&rig);
        rolling += rig.partitions[0]->roll_job != NULL;
        for (uint64_t turn = 0; turn < seed % 64; turn++) {
            assert_true(rig_turn(&rig));
        }
        sim_machine_clear_faults(rig.machine);
        rig_power_cut(&rig);
        assert_true(rig_start(&rig));
        rig_check_after(&rig, true);
        rig_destroy(&rig);
    }
    print_message("# %u of 200 in the middle of a roll\n", rolling);
    assert_true(rolling > 20);
}

/* ... nor is a partition new that may have lost its name for good. */
static void no_new_partition_is_there_without_what_says_so(void **state)
{
    (void)state;
    static struct rig rig;
    uint32_t made = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct rig_options options = rig_options(seed);
        options.sim.flush_covers_device = true;
        options.sim.call = (struct sim_range){200000, 1000000};
        rig_create(&rig, &options);
        struct partition_spec spec = {.topic_name = {(const uint8_t *)"orders", 6},
                                      .id.index = 3,
                                      .config = rig.options.config};
        memset(spec.id.topic_id.bytes, 0x42, 16); /* As the rig would make it. */
        struct log_operation operation;
        assert_int_equal(log_open(rig.log, &spec, &operation), LOG_PENDING);
        for (uint64_t turn = 0; turn < seed % 24; turn++) {
            assert_true(rig_turn(&rig));
            (void)log_operation_done(rig.log);
        }
        rig_other_core_fails(&rig);
        while (operation.status == LOG_PENDING) {
            assert_true(rig_turn(&rig));
            (void)log_operation_done(rig.log);
        }
        if (operation.status == LOG_OK) {
            made++;
            sim_machine_power_cut(rig.machine);
            uint32_t len = 0;
            uint8_t *file = rig_file(&rig, "/data0/orders-3/partition.metadata", &len);
            assert_non_null(file);
            uint32_t line;
            struct uuid id;
            assert_int_equal(partition_metadata_parse((struct bytes){file, len}, &id, &line),
                             CHECKPOINT_OK);
            free(file);
        }
        rig_destroy(&rig);
    }
    print_message("# %u of 200 made\n", made);
    assert_in_range(made, 20, 180);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_helpers_failed_sync_is_that_of_every_partition_on_the_device),
        cmocka_unit_test(where_flushes_do_not_cover_the_device_nobody_else_is_told),
        cmocka_unit_test(want_of_room_is_the_files_own),
        cmocka_unit_test(what_goes_on_failing_is_tried_less_and_less),
        cmocka_unit_test(no_mark_speaks_of_what_anothers_failure_may_have_lost),
        cmocka_unit_test(no_new_partition_is_there_without_what_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
