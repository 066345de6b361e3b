/* What recovery knows before it reads a batch: the mark, the leader epochs, the producers. */
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/checkpoint.h"
#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

enum { BATCHES = 9, FIRST_REMEMBERED = BATCHES - PRODUCER_BATCHES };

static void checkpoint(struct rig *rig)
{
    struct partition *p = rig->partitions[0];
    for (uint32_t i = 0; !checkpoint_begin(p); i++) {
        assert_true(i < 1000 && rig_turn(rig));
    }
    rig_settle(rig);
    assert_int_equal(p->unread_bytes, 0);
}

static void fill(struct rig *rig)
{
    for (int32_t i = 0; i < BATCHES; i++) {
        const struct rig_batch batch = {.records = 1,
                                        .value_bytes = 500,
                                        .ack = APPEND_ACK_FLUSHED,
                                        .producer_id = 77,
                                        .sequence = i};
        assert_int_equal(rig_append_wait(rig, &batch)->append.status, LOG_OK);
    }
    checkpoint(rig);
    assert_int_equal(partition_end(rig->partitions[0]), BATCHES);
}

static enum log_status repeat(struct rig *rig, uint32_t number, int64_t *offset)
{
    struct rig_append *again = rig_repeat(rig, &rig->appends[number], APPEND_ACK_FLUSHED);
    while (!again->answered) {
        assert_true(rig_turn(rig));
    }
    *offset = again->append.base_offset;
    free(again->bytes); /* Not another batch in the model. */
    again->bytes = NULL;
    rig->append_count--;
    return again->append.status;
}

/* Up to five may be in flight: the client sends all of them again, the oldest first. */
static void a_repeat_of_any_remembered_batch_is_answered_after_a_crash(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint32_t how = 0; how < 3; how++) {
        struct rig_options options = rig_options(how);
        rig_create(&rig, &options);
        fill(&rig);
        if (how == 0) {
            rig_kill(&rig);
        } else if (how == 1) {
            rig_power_cut(&rig);
        } else {
            rig_stop(&rig);
        }
        assert_true(rig_start(&rig));
        int64_t offset;
        for (uint32_t i = FIRST_REMEMBERED; i < BATCHES; i++) {
            assert_int_equal(repeat(&rig, i, &offset), LOG_OK);
            assert_int_equal(offset, i);
        }
        assert_int_equal(partition_end(rig.partitions[0]), BATCHES);
        assert_int_equal(repeat(&rig, FIRST_REMEMBERED - 1, &offset), LOG_OUT_OF_ORDER_SEQUENCE);
        rig_destroy(&rig);
    }
}

static int64_t producers_file_bytes(const struct rig *rig, int64_t offset)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/data0/orders-0/%020ld.producers", (long)offset);
    return sim_machine_file_size(rig->machine, path);
}

static void without_its_file_the_last_batch_is_known_as_in_kafka(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint32_t how = 0; how < 2; how++) {
        const struct rig_options options = rig_options(how);
        rig_create(&rig, &options);
        fill(&rig);
        char path[128];
        (void)snprintf(path, sizeof(path), "/data0/orders-0/%020d.producers", BATCHES);
        if (how == 0) {
            assert_int_equal(sim_machine_flip_bit(rig.machine, path, 40, 3), 0);
        } else {
            assert_int_equal(file_unlink(rig.fs, path), 0);
        }
        rig_kill(&rig);
        assert_true(rig_start(&rig));
        int64_t offset;
        assert_int_equal(repeat(&rig, BATCHES - 1, &offset), LOG_OK);
        assert_int_equal(offset, BATCHES - 1);
        assert_int_equal(repeat(&rig, BATCHES - 2, &offset), LOG_OUT_OF_ORDER_SEQUENCE);
        rig_destroy(&rig);
    }
}

static void the_file_goes_with_its_snapshot(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    fill(&rig);
    assert_true(producers_file_bytes(&rig, BATCHES) > 0);
    const struct rig_batch batch = {
        .records = 1, .value_bytes = 10, .producer_id = 77, .sequence = BATCHES};
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    checkpoint(&rig);
    assert_true(producers_file_bytes(&rig, BATCHES) < 0);
    assert_true(producers_file_bytes(&rig, BATCHES + 1) > 0);
    char path[128];
    (void)snprintf(path, sizeof(path), "/data0/orders-0/%020d.snapshot", BATCHES + 1);
    assert_int_equal(file_unlink(rig.fs, path), 0); /* As Kafka would. */
    rig_kill(&rig);
    assert_true(rig_start(&rig));
    assert_true(producers_file_bytes(&rig, BATCHES + 1) < 0);
    rig_destroy(&rig);
}

static void epochs_behind_the_end_are_forgotten(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    const struct rig_batch batch = {.records = 1, .value_bytes = 500, .ack = APPEND_ACK_FLUSHED};
    struct partition *p = rig.partitions[0];
    const int32_t before = partition_leader_epoch(p);
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < 6; i++) {
        if (i == 5) {
            partition_set_leader_epoch(p, before + 1);
        }
        bytes = rig_append_wait(&rig, &batch)->piece.len;
    }
    checkpoint(&rig); /* Which writes the epochs. */
    assert_int_equal(file_unlink(rig.fs, "/data0/orders-0/millrace.checkpoint"), 0);
    rig_kill(&rig);
    const int flipped = sim_machine_flip_bit(
        rig.machine, "/data0/orders-0/00000000000000000000.log", 3 * bytes + 200, 3);
    assert_int_equal(flipped, 0);
    assert_true(rig_start(&rig));
    p = rig.partitions[0];
    assert_int_equal(partition_end(p), 3);
    int32_t epoch;
    int64_t end;
    partition_epoch_end(p, before, &epoch, &end);
    assert_int_equal(epoch, before);
    assert_int_equal(end, 3);
    rig_kill(&rig);
    rig_destroy(&rig);
}

static void start_moves_to(struct rig *rig, int64_t offset)
{
    struct log_operation operation = {.offset = offset};
    assert_int_equal(log_delete_records(rig->log, rig->partitions[0], &operation), LOG_PENDING);
    while (operation.status == LOG_PENDING) {
        assert_true(rig_turn(rig));
        (void)log_operation_done(rig->log);
    }
    assert_int_equal(operation.status, LOG_OK);
}

static void log_file_resize(struct rig *rig, uint64_t size)
{
    const int fd = file_open(rig->fs, "/data0/orders-0/00000000000000000000.log", FILE_WRITE);
    assert_true(fd >= 0);
    assert_int_equal(file_truncate(rig->fs, fd, size), 0);
    assert_int_equal(file_sync(rig->fs, fd), 0);
    file_close(rig->fs, fd);
}

/* Its log is shorter than its mark says. */
static void with_a_wrong_mark(struct rig *rig)
{
    struct rig_options options = rig_options(3);
    rig_create(rig, &options);
    fill(rig);
    start_moves_to(rig, 5);
    rig_settle(rig);
    log_file_resize(rig, UINT64_C(8) * 600);
    rig_power_cut(rig);
}

/* Nothing but the mark says where the log starts, and it has to be forgotten. */
static void deleted_records_stay_deleted_wherever_a_start_with_a_wrong_mark_ends(void **state)
{
    (void)state;
    static struct rig rig;
    bool died = true;
    uint32_t places = 0;
    for (; died; places++) {
        with_a_wrong_mark(&rig);
        const uint64_t first = sim_machine_boundary_count(rig.machine);
        sim_machine_crash_at(rig.machine, first + places / 2,
                             places % 2 == 0 ? SIM_CRASH_KILL : SIM_CRASH_POWER);
        died = !rig_start(&rig);
        sim_machine_crash_at(rig.machine, UINT64_MAX, SIM_CRASH_KILL);
        rig_kill(&rig);
        assert_true(rig_start(&rig));
        assert_int_equal(partition_log_start(rig.partitions[0]), 5);
        rig_kill(&rig);
        rig_destroy(&rig);
    }
    print_message("# %u places\n", places - 1);
    assert_true(places > 20);
}

/* Room is reserved by whole blocks: up to 2 GiB for a segment.bytes of one byte less. */
static void a_mark_that_says_nothing_is_believed_of_no_file_however_long(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(5);
    uint8_t mark[SIDECAR_BYTES];
    struct sidecar nothing = sidecar_blank(0, 0);
    rig_create(&rig, &options);
    fill(&rig);
    nothing.position = SIDECAR_POSITION_VOID;
    sidecar_write(&nothing, mark);
    assert_int_equal(
        file_replace(rig.fs, "/data0/orders-0/millrace.checkpoint", mark, sizeof(mark), true), 0);
    log_file_resize(&rig, UINT64_C(1) << 31);
    rig_kill(&rig);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), BATCHES);
    rig_destroy(&rig);
}

/* Without a mark all segments are read: one that is damaged ends the log, whatever follows. */
static void a_log_has_no_hole(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(1);
    options.config.segment_bytes = 4096;
    rig_create(&rig, &options);
    const struct rig_batch batch = {.records = 1, .value_bytes = 1000, .ack = APPEND_ACK_FLUSHED};
    for (uint32_t i = 0; i < 12; i++) {
        (void)rig_append_wait(&rig, &batch);
    }
    rig_settle(&rig);
    assert_true(rig.partitions[0]->segment_count >= 4);
    assert_int_equal(file_unlink(rig.fs, "/data0/orders-0/millrace.checkpoint"), 0);
    rig_kill(&rig);
    const int flipped =
        sim_machine_flip_bit(rig.machine, "/data0/orders-0/00000000000000000003.log", 500, 3);
    assert_int_equal(flipped, 0);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), 3);
    assert_true(sim_machine_file_size(rig.machine, "/data0/orders-0/00000000000000000006.log") < 0);
    rig_kill(&rig);
    rig_destroy(&rig);
}

/* No CRC covers a batch's offset: a flipped bit may put it where no index entry reaches. */
static void an_offset_that_the_segment_cannot_hold_ends_the_log(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    const struct rig_batch batch = {.records = 1, .value_bytes = 500, .ack = APPEND_ACK_FLUSHED};
    const uint32_t bytes = rig_append_wait(&rig, &batch)->piece.len;
    (void)rig_append_wait(&rig, &batch);
    rig_kill(&rig);
    const int flipped =
        sim_machine_flip_bit(rig.machine, "/data0/orders-0/00000000000000000000.log", bytes, 6);
    assert_int_equal(flipped, 0);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), 1);
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    rig_stop(&rig);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeat_of_any_remembered_batch_is_answered_after_a_crash),
        cmocka_unit_test(without_its_file_the_last_batch_is_known_as_in_kafka),
        cmocka_unit_test(the_file_goes_with_its_snapshot),
        cmocka_unit_test(epochs_behind_the_end_are_forgotten),
        cmocka_unit_test(deleted_records_stay_deleted_wherever_a_start_with_a_wrong_mark_ends),
        cmocka_unit_test(a_mark_that_says_nothing_is_believed_of_no_file_however_long),
        cmocka_unit_test(a_log_has_no_hole),
        cmocka_unit_test(an_offset_that_the_segment_cannot_hold_ends_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
