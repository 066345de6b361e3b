#include <errno.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static struct rig rig;

static struct rig_append *put(uint32_t value_bytes, enum append_ack ack)
{
    const struct rig_batch batch = {.records = 1, .value_bytes = value_bytes, .ack = ack};
    return rig_append_wait(&rig, &batch);
}

static void fault_add(enum sim_operation operation, int error, uint32_t count, const char *path)
{
    struct sim_fault fault = {.operation = operation, .error = error, .count = count};
    memcpy(fault.path, path, strlen(path) + 1);
    sim_machine_add_fault(rig.machine, &fault);
}

/* Written batches, a flush of theirs that fails, and death before the repair that follows. */
static void fail_a_flush_and_die(uint32_t batches, uint32_t value_bytes)
{
    for (uint32_t i = 0; i < batches; i++) {
        assert_int_equal(put(value_bytes, APPEND_ACK_WRITTEN)->append.status, LOG_OK);
    }
    fault_add(SIM_FLUSH, EIO, 1, ".log");
    fault_add(SIM_OPEN, EIO, 0, ".log"); /* Nor is it repaired meanwhile. */
    (void)rig_put(&rig, 100, APPEND_ACK_FLUSHED);
    while (rig.partitions[0]->phase == PHASE_RUNNING) {
        assert_true(rig_turn(&rig));
    }
    rig_kill(&rig);
    sim_machine_clear_faults(rig.machine);
}

static void what_a_failed_flush_lost_is_written_again_before_it_is_vouched_for(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 40; seed++) {
        const struct rig_options options = rig_options(seed);
        rig_create(&rig, &options);
        assert_int_equal(put(3000, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
        fail_a_flush_and_die(5 + seed % 7, 1000 + seed * 700);
        assert_true(rig_start(&rig));
        const struct partition *p = rig.partitions[0];
        assert_true(p->unvouched && partition_flushed(p) < partition_end(p));
        assert_int_equal(partition_high_watermark(p), partition_end(p)); /* Readers see it. */
        assert_int_equal(put(500, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
        assert_false(p->unvouched);
        rig_power_cut(&rig);
        assert_true(rig_start(&rig));
        rig_check_after(&rig, true);
        rig_destroy(&rig);
    }
}

static void segments_behind_the_mark_are_all_written_again_and_end_as_they_did(void **state)
{
    (void)state;
    struct rig_options options = rig_options(5);
    options.config.segment_bytes = 1 << 20;
    rig_create(&rig, &options);
    fault_add(SIM_CREATE, ENOSPC, 0, ".index"); /* The mark stays in the first one. */
    const struct partition *before = rig.partitions[0];
    while (before->segment_count < 2) {
        assert_int_equal(put(50001, APPEND_ACK_WRITTEN)->append.status, LOG_OK);
    }
    fail_a_flush_and_die(3, 7000);
    assert_true(rig_start(&rig));
    const struct partition *p = rig.partitions[0];
    assert_true(p->unvouched);
    assert_int_equal(put(500, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
    rig_check_segment(&rig, 0, 0);
    rig_power_cut(&rig);
    assert_true(rig_start(&rig));
    rig_check_after(&rig, true);
    rig_destroy(&rig);
}

static void a_repeat_of_what_a_crash_left_is_answered_when_it_is_durable(void **state)
{
    (void)state;
    const struct rig_options options = rig_options(9);
    rig_create(&rig, &options);
    const struct rig_batch batch = {
        .records = 1, .value_bytes = 100, .ack = APPEND_ACK_WRITTEN, .producer_id = 7};
    struct rig_append *first = rig_append_wait(&rig, &batch);
    assert_int_equal(first->append.status, LOG_OK);
    rig_kill(&rig);
    assert_true(rig_start(&rig));
    const struct partition *p = rig.partitions[0];
    assert_true(partition_flushed(p) < partition_end(p));
    const struct rig_append *again = rig_repeat(&rig, first, APPEND_ACK_FLUSHED);
    rig_settle(&rig);
    assert_true(again->answered);
    assert_int_equal(again->append.status, LOG_OK);
    assert_int_equal(again->append.base_offset, 0);
    assert_int_equal(partition_flushed(p), partition_end(p));
    rig_destroy(&rig);
}

static void a_device_that_refuses_is_told_and_tried_again(void **state)
{
    (void)state;
    const struct rig_options options = rig_options(11);
    rig_create(&rig, &options);
    assert_int_equal(put(100, APPEND_ACK_WRITTEN)->append.status, LOG_OK);
    rig_kill(&rig);
    assert_true(rig_start(&rig));
    fault_add(SIM_FLUSH, EIO, 1, ".log");
    assert_int_equal(put(100, APPEND_ACK_WRITTEN)->append.status, LOG_IO_ERROR);
    assert_true(rig.partitions[0]->unvouched);
    rig_run_ms(&rig, 1100);
    assert_int_equal(put(100, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
    assert_false(rig.partitions[0]->unvouched);
    rig_destroy(&rig);
}

static void a_stop_without_use_seals_what_was_written_again(void **state)
{
    (void)state;
    const struct rig_options options = rig_options(12);
    rig_create(&rig, &options);
    assert_int_equal(put(100, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
    fail_a_flush_and_die(4, 5000);
    assert_true(rig_start(&rig));
    const int64_t end = partition_end(rig.partitions[0]);
    rig_stop(&rig);
    rig_power_cut(&rig);
    assert_true(rig_start(&rig));
    assert_true(rig.clean);
    assert_int_equal(partition_end(rig.partitions[0]), end);
    assert_false(rig.partitions[0]->unvouched);
    rig_check_after(&rig, true);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_failed_flush_lost_is_written_again_before_it_is_vouched_for),
        cmocka_unit_test(segments_behind_the_mark_are_all_written_again_and_end_as_they_did),
        cmocka_unit_test(a_repeat_of_what_a_crash_left_is_answered_when_it_is_durable),
        cmocka_unit_test(a_device_that_refuses_is_told_and_tried_again),
        cmocka_unit_test(a_stop_without_use_seals_what_was_written_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
