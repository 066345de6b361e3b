/* Checkpoints bound what the next start reads (H13): they are taken in time, and end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/checkpoint.h"
#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static void a_checkpoint_ends_with_its_flush_though_nothing_is_written_after(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(3);
    rig_create(&rig, &options);
    struct partition *p = rig.partitions[0];
    (void)rig_append_wait(&rig, &(struct rig_batch){.records = 1, .value_bytes = 100000});
    assert_true(partition_flushed(p) < partition_end(p));
    assert_true(checkpoint_begin(p));
    rig_settle(&rig);
    assert_false(p->checkpointing);
    assert_int_equal(p->unread_bytes, 0);
    rig_stop(&rig); /* Which such a checkpoint would hold up for ever. */
    assert_true(rig_start(&rig));
    rig_check_after(&rig, false);
    rig_destroy(&rig);
}

/* The mark is there before anything else could make the bytes durable: the power goes then. */
static void a_mark_speaks_only_of_what_survives_a_power_cut(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        const struct rig_options options = rig_options(seed);
        rig_create(&rig, &options);
        struct partition *p = rig.partitions[0];
        (void)rig_append_wait(&rig, &(struct rig_batch){.records = 1, .value_bytes = 100000});
        assert_true(partition_flushed(p) < partition_end(p));
        assert_true(checkpoint_begin(p));
        uint8_t *file = NULL;
        struct bytes bytes = {0};
        while (file == NULL) {
            assert_true(rig_turn(&rig));
            file = rig_file(&rig, "/data0/orders-0/millrace.checkpoint", &bytes.len);
        }
        bytes.ptr = file;
        struct sidecar mark;
        assert_true(sidecar_read(bytes, &mark));
        assert_int_equal(mark.recovery_offset, 1);
        free(file);
        rig_power_cut(&rig);
        assert_true(rig_start(&rig));
        assert_int_equal(partition_end(rig.partitions[0]), 1);
        rig_destroy(&rig);
    }
}

#ifdef __SANITIZE_ADDRESS__
enum { MIBS = 80, PARTITIONS = 1 };
#else
enum { MIBS = 300, PARTITIONS = RIG_PARTITIONS };
#endif

static void fill(struct rig *rig, uint32_t mibs)
{
    static struct rig_batch batch;
    for (uint32_t i = 0; i < mibs; i++) {
        batch = (struct rig_batch){
            .partition = i % rig->options.partitions, .records = 1, .value_bytes = (1 << 20) - 200};
        struct rig_append *a = rig_append(rig, &batch);
        while (!a->answered) {
            assert_true(rig_turn(rig));
        }
        assert_int_equal(a->append.status, LOG_OK);
        free(a->bytes); /* Its slot is free again. */
        a->bytes = NULL;
    }
}

/* Also where the files for it are slow to write. */
static void H13_a_start_reads_at_most_64_mib_of_a_partition_and_256_of_a_core(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint32_t slow = 0; slow < 2; slow++) {
        struct rig_options options = rig_options(slow + 1);
        options.arena_bytes = 64 << 20;
        options.config.max_message_bytes = 2 << 20;
        options.partitions = slow ? 1 : PARTITIONS;
        if (slow) {
            options.sim.call = (struct sim_range){50000000, 50000000};
            options.sim.flush = (struct sim_range){200000000, 200000000};
        }
        rig_create(&rig, &options);
        fill(&rig, slow ? 80 : MIBS);
        rig_kill(&rig);
        assert_true(rig_start(&rig));
        uint64_t all_bytes = 0;
        for (uint32_t i = 0; i < options.partitions; i++) {
            assert_true(rig.reports[i].read_bytes <= (65 << 20)); /* One batch may be half read. */
            all_bytes += rig.reports[i].read_bytes;
        }
        assert_true(all_bytes > 0 && all_bytes <= (257 << 20));
        assert_int_equal(partition_end(rig.partitions[0]),
                         slow ? 80 : MIBS / (int64_t)options.partitions);
        rig_destroy(&rig);
    }
}

/* Where the bound is reached and no checkpoint succeeds, the client is told, and it heals. */
static void appends_that_no_checkpoint_makes_room_for_are_refused(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    const struct rig_batch batch = {.records = 1, .value_bytes = 500, .ack = APPEND_ACK_FLUSHED};
    (void)rig_append_wait(&rig, &batch);
    partition_set_unread(rig.partitions[0], UNREAD_PARTITION_BYTES_MAX);
    const struct sim_fault fault = {.operation = SIM_CREATE, .error = ENOSPC, .path = "orders-0"};
    sim_machine_add_fault(rig.machine, &fault);
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_NO_SPACE);
    sim_machine_clear_faults(rig.machine);
    enum log_status status = LOG_NO_SPACE;
    for (uint32_t i = 0; i < 10 && status == LOG_NO_SPACE; i++) {
        rig_run_ms(&rig, 500);
        status = rig_append_wait(&rig, &batch)->append.status;
    }
    assert_int_equal(status, LOG_OK);
    rig_destroy(&rig);
}

/* What a dead or full directory would have a start read is nobody else's to wait for. */
static void a_directory_without_checkpoints_holds_up_no_other(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint32_t full = 0; full < 2; full++) {
        struct rig_options options = rig_options(full);
        options.partitions = 2;
        options.directories = 2;
        options.separate_devices = true;
        rig_create(&rig, &options);
        struct partition *p = rig.partitions[0];
        struct rig_batch batch = {.records = 1, .value_bytes = 500, .ack = APPEND_ACK_FLUSHED};
        (void)rig_append_wait(&rig, &batch);
        partition_set_unread(p, UNREAD_CORE_BYTES_MAX);
        if (full) {
            const struct sim_fault fault = {
                .operation = SIM_CREATE, .error = ENOSPC, .path = "orders-0"};
            sim_machine_add_fault(rig.machine, &fault);
        } else {
            sim_device_set_dead(rig.machine, rig.devices[0], true);
        }
        (void)rig_append(&rig, &batch);
        rig_run_ms(&rig, 5000);
        batch.partition = 1;
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
        rig_kill(&rig);
        rig_destroy(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_ends_with_its_flush_though_nothing_is_written_after),
        cmocka_unit_test(a_mark_speaks_only_of_what_survives_a_power_cut),
        cmocka_unit_test(H13_a_start_reads_at_most_64_mib_of_a_partition_and_256_of_a_core),
        cmocka_unit_test(appends_that_no_checkpoint_makes_room_for_are_refused),
        cmocka_unit_test(a_directory_without_checkpoints_holds_up_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
