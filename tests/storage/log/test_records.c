#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

enum { BATCHES = 20 };

static struct rig rig;

static void rig_of(uint64_t seed)
{
    const struct rig_options options = rig_options(seed);
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < BATCHES; i++) {
        (void)rig_put(&rig, 500, APPEND_ACK_FLUSHED);
    }
    rig_settle(&rig);
}

/* Asks and waits. */
static enum log_status delete_before(struct log_operation *operation, int64_t offset)
{
    *operation = (struct log_operation){.offset = offset};
    enum log_status status = log_delete_records(rig.log, rig.partitions[0], operation);
    while (status == LOG_PENDING) {
        assert_true(rig_turn(&rig));
        if (log_operation_done(rig.log) == operation) {
            status = operation->status;
        }
    }
    return status;
}

static void B34_the_start_moves_to_the_offset_and_never_back(void **state)
{
    (void)state;
    static const struct {
        int64_t offset;
        enum log_status status;
        int64_t start; /* From then on. */
    } steps[] = {
        {0, LOG_OK, 0},
        {7, LOG_OK, 7},
        {3, LOG_OK, 7}, /* Behind it already. */
        {7, LOG_OK, 7},
        {BATCHES + 1, LOG_OFFSET_OUT_OF_RANGE, 7},
        {-2, LOG_OFFSET_OUT_OF_RANGE, 7},
        {INT64_MAX, LOG_OFFSET_OUT_OF_RANGE, 7},
        {-1, LOG_OK, BATCHES}, /* The high watermark. */
        {BATCHES, LOG_OK, BATCHES},
    };
    rig_of(1);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct log_operation operation;
        assert_int_equal(delete_before(&operation, steps[i].offset), steps[i].status);
        assert_int_equal(partition_log_start(rig.partitions[0]), steps[i].start);
        if (steps[i].status == LOG_OK) {
            assert_int_equal(operation.offset, steps[i].start);
        }
    }
    assert_int_equal(partition_end(rig.partitions[0]), BATCHES);
    rig_destroy(&rig);
}

static void what_lies_before_the_start_is_not_read(void **state)
{
    (void)state;
    rig_of(2);
    struct log_operation operation;
    assert_int_equal(delete_before(&operation, 9), LOG_OK);
    uint32_t len;
    enum log_status status;
    uint8_t *read = rig_read(&rig, 0, 8, BATCHES, 1 << 20, &len, &status);
    assert_int_equal(status, LOG_OFFSET_OUT_OF_RANGE);
    free(read);
    read = rig_read(&rig, 0, 9, BATCHES, 1 << 20, &len, &status);
    assert_int_equal(status, LOG_OK);
    const struct bytes bytes = {read, len};
    struct batch_header header;
    assert_int_equal(batch_parse(chain_of(&bytes), &header), BATCH_OK);
    assert_int_equal(header.base_offset, 9);
    free(read);
    rig_destroy(&rig);
}

/* At any moment of a power cut: who was answered keeps his start, nobody's goes further. */
static void an_answered_start_survives_a_power_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        rig_of(seed);
        struct log_operation operation;
        assert_int_equal(delete_before(&operation, 5), LOG_OK);
        operation = (struct log_operation){.offset = 11};
        assert_int_equal(log_delete_records(rig.log, rig.partitions[0], &operation), LOG_PENDING);
        bool answered = false;
        for (uint64_t turn = 0; turn < seed; turn++) {
            assert_true(rig_turn(&rig));
            answered |= log_operation_done(rig.log) == &operation;
        }
        rig_power_cut(&rig);
        assert_true(rig_start(&rig));
        const int64_t start = partition_log_start(rig.partitions[0]);
        assert_true(start == 11 || (start == 5 && !answered));
        assert_int_equal(partition_end(rig.partitions[0]), BATCHES);
        rig_destroy(&rig);
    }
}

static void several_at_once_are_all_answered(void **state)
{
    (void)state;
    enum { ASKED = 10 };
    struct log_operation operations[ASKED];
    rig_of(3);
    for (uint32_t i = 0; i < ASKED; i++) {
        operations[i] = (struct log_operation){.offset = i % 2 == 0 ? (int64_t)i : 1};
        assert_int_equal(log_delete_records(rig.log, rig.partitions[0], &operations[i]),
                         LOG_PENDING);
    }
    uint32_t answered = 0;
    while (answered < ASKED) {
        assert_true(rig_turn(&rig));
        const struct log_operation *done;
        while ((done = log_operation_done(rig.log)) != NULL) {
            assert_int_equal(done->status, LOG_OK);
            answered++;
        }
    }
    for (uint32_t i = 0; i < ASKED; i++) {
        assert_int_equal(operations[i].offset, ASKED - 2);
    }
    rig_destroy(&rig);
}

static void it_is_refused_once_the_log_closes(void **state)
{
    (void)state;
    rig_of(4);
    struct log_operation finish = {0};
    struct log_operation operation;
    assert_int_equal(log_finish(rig.log, &finish), LOG_PENDING);
    assert_int_equal(delete_before(&operation, 5), LOG_CLOSED);
    while (finish.status == LOG_PENDING) {
        assert_true(rig_turn(&rig));
        (void)log_operation_done(rig.log);
    }
    assert_int_equal(finish.status, LOG_OK);
    rig_kill(&rig);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_log_start(rig.partitions[0]), 0);
    rig_destroy(&rig);
}

/* Also what was asked in the very turn in which the disk failed, and for good. */
static void every_request_is_answered_when_the_disk_fails(void **state)
{
    (void)state;
    enum { ASKED_MAX = 64 };
    static struct log_operation asked[ASKED_MAX];
    for (uint64_t seed = 1; seed <= 10; seed++) {
        rig_of(seed);
        const struct sim_fault fault = {.operation = SIM_ANY, .error = EIO, .path = "orders-0"};
        sim_machine_add_fault(rig.machine, &fault);
        const struct rig_append *failed = rig_put(&rig, 500, APPEND_ACK_WRITTEN);
        uint32_t count = 0;
        while (failed->lent && count < ASKED_MAX) {
            asked[count] = (struct log_operation){.offset = 1};
            count += log_delete_records(rig.log, rig.partitions[0], &asked[count]) == LOG_PENDING;
            assert_true(rig_turn(&rig));
        }
        assert_true(count > 0);
        for (uint32_t i = 0; i < 60; i++) {
            rig_run_ms(&rig, 100);
            while (log_operation_done(rig.log) != NULL) {
            }
        }
        for (uint32_t i = 0; i < count; i++) {
            assert_int_not_equal(asked[i].status, LOG_PENDING);
        }
        sim_machine_clear_faults(rig.machine);
        rig_run_ms(&rig, 40000);
        rig_destroy(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(B34_the_start_moves_to_the_offset_and_never_back),
        cmocka_unit_test(what_lies_before_the_start_is_not_read),
        cmocka_unit_test(an_answered_start_survives_a_power_cut),
        cmocka_unit_test(several_at_once_are_all_answered),
        cmocka_unit_test(it_is_refused_once_the_log_closes),
        cmocka_unit_test(every_request_is_answered_when_the_disk_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
