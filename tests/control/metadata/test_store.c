#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/arena.h"
#include "control/metadata/store.h"
#include "tests/sim/sim_machine.h"

struct bench {
    struct sim_machine *machine;
    struct sim_process *process;
    struct store store;
    _Atomic uint32_t flushes_failed; /* Of the device. */
};

static void store_start(struct bench *bench)
{
    bench->process = sim_process_start(bench->machine);
    assert_int_equal(metadata_open(&bench->store, sim_process_files(bench->process), "/d", 1,
                                   &bench->flushes_failed, 5),
                     METADATA_OK);
}

static void store_restart(struct bench *bench)
{
    sim_process_kill(bench->process);
    metadata_close(&bench->store);
    sim_process_end(bench->process);
    sim_machine_advance(bench->machine, sim_machine_now_ns(bench->machine) + 1000000000);
    store_start(bench);
}

static int bench_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    const struct sim_options options = {.seed = 5};
    bench->machine = sim_machine_create(&options);
    struct sim_process *maker = sim_process_start(bench->machine);
    assert_int_equal(file_make_directory(sim_process_files(maker), "/d"), 0);
    sim_process_end(maker);
    store_start(bench);
    *state = bench;
    return 0;
}

static int bench_down(void **state)
{
    struct bench *bench = *state;
    metadata_close(&bench->store);
    sim_machine_destroy(bench->machine);
    free(bench);
    return 0;
}

static void topic_stage(struct bench *bench, uint32_t number)
{
    char name[16];
    struct uuid id = {.bytes = {[15] = 1}};
    store_be32(id.bytes, number * 2654435761u);
    (void)snprintf(name, sizeof(name), "t%u", number);
    changes_topic(&bench->store.staged, bytes_of_string(name), id);
    for (int32_t i = 0; i < 3; i++) {
        const struct partition_row row = {.topic_id = id, .index = i, .node_id = 1};
        changes_partition(&bench->store.staged, &row);
    }
    metadata_apply(&bench->store);
}

static void what_is_staged_is_in_the_image_at_once_and_durable_after_the_commit(void **state)
{
    struct bench *bench = *state;
    topic_stage(bench, 1);
    assert_int_equal(bench->store.image.topic_count, 1);
    topic_stage(bench, 2);
    assert_int_equal(metadata_commit(&bench->store, 6), METADATA_OK);
    assert_int_equal(bench->store.commits, 1); /* One for both. */
    topic_stage(bench, 3);
    store_restart(bench);
    assert_int_equal(bench->store.image.topic_count, 2); /* The third was never committed. */
    assert_int_equal(bench->store.image.partition_count, 6);
}

static void a_failed_commit_takes_the_image_back_and_keeps_the_notes(void **state)
{
    struct bench *bench = *state;
    topic_stage(bench, 1);
    assert_int_equal(metadata_commit(&bench->store, 6), METADATA_OK);
    bench->store.image.topics[0]->partitions[1].placed = 4;
    const struct sim_fault fault = {
        .operation = SIM_FLUSH, .error = EIO, .count = 1, .path = ".log"};
    sim_machine_add_fault(bench->machine, &fault);
    topic_stage(bench, 2);
    assert_int_equal(metadata_commit(&bench->store, 7), METADATA_IO_ERROR);
    assert_false(bench->store.stale);
    assert_int_equal(bench->store.image.topic_count, 1);
    assert_int_equal(bench->store.image.topics[0]->partitions[1].placed, 4);
    assert_int_equal(bench->store.staged.count, 0);
    topic_stage(bench, 2);
    assert_int_equal(metadata_commit(&bench->store, 8), METADATA_OK);
}

static void an_image_that_cannot_be_read_again_is_stale_until_it_can(void **state)
{
    struct bench *bench = *state;
    topic_stage(bench, 1);
    assert_int_equal(metadata_commit(&bench->store, 6), METADATA_OK);
    const struct sim_fault faults[] = {
        {.operation = SIM_FLUSH, .error = EIO, .count = 1, .path = ".log"},
        {.operation = SIM_READ, .error = EIO, .count = 1, .path = ".log"},
    };
    sim_machine_add_fault(bench->machine, &faults[0]);
    sim_machine_add_fault(bench->machine, &faults[1]);
    topic_stage(bench, 2);
    assert_int_equal(metadata_commit(&bench->store, 7), METADATA_IO_ERROR);
    assert_true(bench->store.stale);
    assert_non_null(strstr(bench->store.log.reason, "sync"));
    assert_true(metadata_reload(&bench->store));
    assert_int_equal(bench->store.image.topic_count, 1);
}

static void a_checkpoint_holds_the_whole_state(void **state)
{
    struct bench *bench = *state;
    bench->store.log.checkpoint_after_bytes = 3000;
    for (uint32_t i = 0; i < 100; i++) {
        topic_stage(bench, i);
        assert_int_equal(metadata_commit(&bench->store, i), METADATA_OK);
        metadata_checkpoint_turn(&bench->store);
    }
    assert_in_range(bench->store.checkpoints, 3, 20);
    store_restart(bench);
    assert_int_equal(bench->store.image.topic_count, 100);
    assert_int_equal(bench->store.image.partition_count, 300);
}

static void a_checkpoint_that_fails_changes_nothing(void **state)
{
    struct bench *bench = *state;
    bench->store.log.checkpoint_after_bytes = 1000;
    const struct sim_fault fault = {.operation = SIM_RENAME, .error = ENOSPC, .path = "checkpoint"};
    sim_machine_add_fault(bench->machine, &fault);
    for (uint32_t i = 0; i < 40; i++) {
        topic_stage(bench, i);
        assert_int_equal(metadata_commit(&bench->store, i), METADATA_OK);
        metadata_checkpoint_turn(&bench->store);
    }
    assert_int_equal(bench->store.checkpoints, 0);
    assert_in_range(bench->store.failures, 2, 15); /* Not tried again at every commit. */
    sim_machine_clear_faults(bench->machine);
    store_restart(bench);
    assert_int_equal(bench->store.image.topic_count, 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_staged_is_in_the_image_at_once_and_durable_after_the_commit),
        TEST(a_failed_commit_takes_the_image_back_and_keeps_the_notes),
        TEST(an_image_that_cannot_be_read_again_is_stale_until_it_can),
        TEST(a_checkpoint_holds_the_whole_state),
        TEST(a_checkpoint_that_fails_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
