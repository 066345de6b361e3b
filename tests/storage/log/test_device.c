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
        assert_int_equal(put(&rig, 0, 10, APPEND_ACK_WRITTEN)->append.status, LOG_FENCED);
        assert_int_equal(partition_state(rig.partitions[1]), LOG_OK);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_that_dies_is_fenced_alone),
        cmocka_unit_test(a_full_device_refuses_and_heals),
        cmocka_unit_test(a_read_only_device_refuses_and_heals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
