#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static uint32_t producers_known(const struct rig *rig)
{
    struct partition_producer producer;
    return partition_producers(rig->partitions[0], &producer, 1);
}

static void producers_with_old_timestamps_stay_until_the_check(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(1);
    options.config.producer_expiration_ms = 60000;
    options.config.producer_check_ms = 30000;
    rig_create(&rig, &options);
    for (int32_t round = 0; round < 3; round++) {
        const struct rig_batch batch = {.records = 1,
                                        .value_bytes = 100,
                                        .ack = APPEND_ACK_FLUSHED,
                                        .producer_id = 9,
                                        .timestamp_ms = rig.wall_ms - 1000000};
        const struct rig_append *first = rig_append_wait(&rig, &batch);
        assert_int_equal(first->append.status, LOG_OK);
        rig_run_ms(&rig, 20000);
        assert_int_equal(producers_known(&rig), 1);
        const struct rig_append *again = rig_repeat(&rig, first, APPEND_ACK_FLUSHED);
        rig_settle(&rig);
        assert_int_equal(again->append.status, LOG_OK); /* Known: not appended a second time. */
        assert_int_equal(partition_end(rig.partitions[0]), round + 1);
        rig_run_ms(&rig, 12000);
        assert_int_equal(producers_known(&rig), 0);
    }
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(producers_with_old_timestamps_stay_until_the_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
