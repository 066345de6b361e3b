#include <errno.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static struct rig_options two_devices(uint64_t seed)
{
    struct rig_options options = rig_options(seed);
    options.partitions = 2; /* One in each directory. */
    options.directories = 2;
    options.separate_devices = true;
    return options;
}

static const struct rig_append *put(struct rig *rig, uint32_t partition, uint32_t bytes,
                                    enum append_ack ack)
{
    return rig_append_wait(
        rig, &(struct rig_batch){
                 .partition = partition, .records = 1, .value_bytes = bytes, .ack = ack});
}

static void a_directory_that_dies_is_fenced_alone(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 10; seed++) {
        const struct rig_options options = two_devices(seed);
        rig_create(&rig, &options);
        for (uint32_t i = 0; i < 10; i++) {
            assert_int_equal(put(&rig, i % 2, 3000, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
        }
        sim_device_set_dead(rig.machine, rig.devices[0], true);
        assert_int_equal(put(&rig, 0, 3000, APPEND_ACK_FLUSHED)->append.status, LOG_IO_ERROR);
        for (uint32_t i = 0; i < 40; i++) { /* The other goes on all the time. */
            assert_int_equal(put(&rig, 1, 3000, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
            rig_run_ms(&rig, 500);
        }
        assert_int_equal(partition_state(rig.partitions[0]), LOG_FENCED);
        assert_true(partition_made(rig.partitions[0]));
        assert_int_equal(put(&rig, 0, 10, APPEND_ACK_WRITTEN)->append.status, LOG_FENCED);
        assert_int_equal(partition_state(rig.partitions[1]), LOG_OK);
        assert_int_equal(log_counters(rig.log)->partitions_fenced, 1);
        struct log_read read = {.offset = 0, .upper_offset = INT64_MAX, .bytes_max = 10};
        assert_int_equal(log_read(rig.log, rig.partitions[0], &read), LOG_FENCED);
        sim_device_set_dead(rig.machine, rig.devices[0], false);
        rig_kill(&rig);
        assert_true(rig_start(&rig)); /* What was acknowledged before is there. */
        rig_check_after(&rig, false);
        assert_int_equal(put(&rig, 0, 10, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
        rig_destroy(&rig);
    }
}

static void a_dead_directory_is_found_out_without_a_record_in_it(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 10; seed++) {
        const struct rig_options options = two_devices(seed);
        rig_create(&rig, &options);
        sim_device_set_dead(rig.machine, rig.devices[0], true);
        struct log_operation operation;
        for (uint32_t i = 0; i < 8 && partition_state(rig.partitions[0]) == LOG_OK; i++) {
            if (seed % 2 == 0) { /* The first segment of an empty partition cannot be made, */
                assert_int_equal(put(&rig, 0, 3000, APPEND_ACK_FLUSHED)->append.status,
                                 LOG_IO_ERROR);
            } else { /* or a partition. */
                const struct partition_spec spec = {.topic_name = {(const uint8_t *)"new", 3},
                                                    .id.index = 7,
                                                    .config = options.config};
                assert_int_equal(log_open(rig.log, &spec, &operation), LOG_PENDING);
            }
            rig_run_ms(&rig, 2000);
            (void)log_operation_done(rig.log);
        }
        assert_int_equal(partition_state(rig.partitions[0]), LOG_FENCED);
        assert_true(log_directory_fenced(rig.log, 0));
        assert_int_equal(put(&rig, 0, 10, APPEND_ACK_WRITTEN)->append.status, LOG_FENCED);
        assert_int_equal(put(&rig, 1, 3000, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
        rig_destroy(&rig);
    }
}

static void a_full_device_refuses_and_heals(void **state)
{
    (void)state;
    static struct rig rig;
    static const struct {
        int error;
        bool bulk;
    } cases[] = {{ENOSPC, false}, {ENOSPC, true}, {EDQUOT, false}};
    for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
        for (uint64_t seed = 0; seed < 5; seed++) {
            struct rig_options options = two_devices(seed);
            options.config.segment_bytes = 1 << 20;
            rig_create(&rig, &options);
            sim_device_set_capacity(rig.machine, rig.devices[0], 700000, cases[c].error);
            uint32_t refused = 0;
            uint32_t taken = 0;
            for (uint32_t i = 0; i < 60; i++) {
                const struct rig_append *a =
                    put(&rig, 0, cases[c].bulk ? 60000 : 9000 + i * 300, APPEND_ACK_FLUSHED);
                assert_true(a->append.status == LOG_OK || a->append.status == LOG_NO_SPACE);
                refused += a->append.status == LOG_NO_SPACE;
                taken += a->append.status == LOG_OK;
                assert_int_equal(put(&rig, 1, 500, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
            }
            assert_true(refused > 5 && taken > 3);
            rig_check(&rig); /* Fetch goes on. */
            sim_device_set_capacity(rig.machine, rig.devices[0], 1 << 30, cases[c].error);
            enum log_status status = LOG_NO_SPACE;
            for (uint32_t i = 0; i < 20 && status != LOG_OK; i++) {
                rig_run_ms(&rig, 500);
                status = put(&rig, 0, 9000, APPEND_ACK_FLUSHED)->append.status;
            }
            assert_int_equal(status, LOG_OK); /* Without a restart. */
            rig_check(&rig);
            rig_power_cut(&rig);
            assert_true(rig_start(&rig));
            rig_check_after(&rig, true);
            rig_destroy(&rig);
        }
    }
}

static void a_read_only_device_refuses_and_heals(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 5; seed++) {
        const struct rig_options options = two_devices(seed);
        rig_create(&rig, &options);
        assert_int_equal(put(&rig, 0, 3000, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
        sim_device_set_read_only(rig.machine, rig.devices[0], true);
        bool refused = false;
        for (uint32_t i = 0; i < 20; i++) {
            const enum log_status status = put(&rig, 0, 30000, APPEND_ACK_FLUSHED)->append.status;
            refused = refused || status == LOG_READ_ONLY;
            assert_true(status == LOG_READ_ONLY || status == LOG_OK);
            assert_int_equal(put(&rig, 1, 500, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
        }
        assert_true(refused);
        rig_check(&rig);
        sim_device_set_read_only(rig.machine, rig.devices[0], false);
        enum log_status status = LOG_READ_ONLY;
        for (uint32_t i = 0; i < 40 && status != LOG_OK; i++) {
            rig_run_ms(&rig, 500);
            status = put(&rig, 0, 9000, APPEND_ACK_FLUSHED)->append.status;
        }
        assert_int_equal(status, LOG_OK);
        rig_check(&rig);
        rig_destroy(&rig);
    }
}

/* The list of directories is the operator's: one may be missing at the next start. */
static void a_partition_without_a_directory_is_fenced_and_can_be_deleted(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = two_devices(1);
    rig_create(&rig, &options);
    assert_int_equal(put(&rig, 0, 3000, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
    static const uint16_t nowhere[] = {LOG_DIRECTORY_NONE, 2, 700};
    for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
        const struct partition_spec spec = {.topic_name = {(const uint8_t *)"gone", 4},
                                            .id.index = 7,
                                            .directory = nowhere[i],
                                            .config = options.config};
        struct log_operation operation;
        assert_int_equal(log_open(rig.log, &spec, &operation), LOG_FENCED);
        assert_null(log_find(rig.log, &spec.id));
        struct partition *gone;
        assert_int_equal(log_open_fenced(rig.log, &spec, &gone), LOG_OK);
        assert_int_equal(partition_state(gone), LOG_FENCED);
        assert_false(partition_made(gone));
        assert_int_equal(partition_directory(gone), LOG_DIRECTORY_NONE);
        struct append append = {.batch = chain_of(&rig.appends[0].piece)};
        assert_int_equal(log_append(rig.log, gone, &append), LOG_FENCED);
        struct log_read read = {.upper_offset = INT64_MAX, .bytes_max = 10};
        assert_int_equal(log_read(rig.log, gone, &read), LOG_FENCED);
        assert_int_equal(log_delete_records(rig.log, gone, &operation), LOG_FENCED);
        sim_device_set_dead(rig.machine, rig.devices[0], true); /* All is looked through. */
        assert_int_equal(put(&rig, 0, 3000, APPEND_ACK_FLUSHED)->append.status,
                         i == 0 ? LOG_IO_ERROR : LOG_FENCED);
        rig_run_ms(&rig, 20000);
        assert_int_equal(partition_state(rig.partitions[0]), LOG_FENCED);
        assert_int_equal(log_counters(rig.log)->partitions_fenced, 2);
        assert_int_equal(log_delete(rig.log, gone, &operation), LOG_OK);
        assert_int_equal(log_counters(rig.log)->partitions_fenced, 1);
        assert_null(log_find(rig.log, &spec.id));
    }
    rig_destroy(&rig);
}

static void a_deletion_under_way_ends_when_the_directory_dies(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct rig_options options = two_devices(seed);
        options.partitions = 4; /* Two in each. */
        rig_create(&rig, &options);
        for (uint32_t i = 0; i < 8; i++) {
            assert_int_equal(put(&rig, i % 4, 3000, APPEND_ACK_FLUSHED)->append.status, LOG_OK);
        }
        sim_device_set_dead(rig.machine, rig.devices[0], true);
        assert_int_equal(put(&rig, 0, 3000, APPEND_ACK_FLUSHED)->append.status, LOG_IO_ERROR);
        while (!rig.log->devices[0].probing) {
            assert_true(rig_turn(&rig));
        }
        (void)rig_append(&rig, &(struct rig_batch){.partition = 2,
                                                   .records = 1,
                                                   .value_bytes = 3000,
                                                   .ack = APPEND_ACK_FLUSHED});
        (void)log_submit_turn(rig.log, sim_machine_now_ns(rig.machine));
        struct log_operation operation = {0};
        assert_int_equal(log_delete(rig.log, rig.partitions[2], &operation), LOG_PENDING);
        for (uint32_t i = 0; operation.status == LOG_PENDING; i++) {
            assert_true(i < 10000 && rig_turn(&rig));
            (void)log_operation_done(rig.log);
        }
        assert_int_equal(operation.status, LOG_IO_ERROR);
        rig.options.partitions = 2;
        rig_destroy(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_that_dies_is_fenced_alone),
        cmocka_unit_test(a_dead_directory_is_found_out_without_a_record_in_it),
        cmocka_unit_test(a_full_device_refuses_and_heals),
        cmocka_unit_test(a_partition_without_a_directory_is_fenced_and_can_be_deleted),
        cmocka_unit_test(a_deletion_under_way_ends_when_the_directory_dies),
        cmocka_unit_test(a_read_only_device_refuses_and_heals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
