#include "tests/storage/log/rig.h"

static void an_appended_batch_is_acknowledged_and_read_back(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    const struct rig_append *a = rig_append_wait(
        &rig, &(struct rig_batch){.records = 3, .value_bytes = 100, .ack = APPEND_ACK_WRITTEN});
    assert_int_equal(a->append.status, LOG_OK);
    assert_int_equal(a->append.base_offset, 0);
    const struct rig_append *b = rig_append_wait(
        &rig, &(struct rig_batch){.records = 2, .value_bytes = 5000, .ack = APPEND_ACK_FLUSHED});
    assert_int_equal(b->append.status, LOG_OK);
    assert_int_equal(b->append.base_offset, 3);
    assert_int_equal(partition_high_watermark(rig.partitions[0]), 5);
    assert_int_equal(partition_flushed(rig.partitions[0]), 5);
    rig_check(&rig);
    rig_destroy(&rig);
}

static void many_batches_of_all_sizes_are_read_back(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const struct rig_options options = rig_options(seed);
        rig_create(&rig, &options);
        struct random random;
        random_init(&random, seed);
        for (uint32_t i = 0; i < 200; i++) {
            const uint32_t bytes = (uint32_t)random_below(&random, 1u << random_below(&random, 18));
            (void)rig_put(&rig, bytes + 12,
                          random_one_in(&random, 2) ? APPEND_ACK_WRITTEN : APPEND_ACK_FLUSHED);
            if (random_one_in(&random, 3)) {
                assert_true(rig_turn(&rig));
            }
        }
        rig_settle(&rig);
        for (uint32_t i = 0; i < 200; i++) {
            assert_true(rig.appends[i].answered);
            assert_int_equal(rig.appends[i].append.status, LOG_OK);
            assert_int_equal(rig.appends[i].append.base_offset, i);
        }
        rig_check(&rig);
        rig_destroy(&rig);
    }
}

static void a_restart_finds_everything(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const struct rig_options options = rig_options(seed);
        rig_create(&rig, &options);
        for (uint32_t i = 0; i < 50; i++) {
            (void)rig_put(&rig, 12 + 300 * i, i % 2 ? APPEND_ACK_WRITTEN : APPEND_ACK_FLUSHED);
        }
        rig_settle(&rig);
        if (seed % 2) {
            rig_stop(&rig);
        } else {
            rig_kill(&rig);
        }
        assert_true(rig_start(&rig));
        assert_int_equal(rig.clean, seed % 2);
        assert_int_equal(partition_end(rig.partitions[0]), 50);
        assert_int_equal(rig.epochs[0], 6);
        rig_check_after(&rig, false);
        const struct rig_append *a = rig_append_wait(
            &rig, &(struct rig_batch){.records = 1, .value_bytes = 50, .ack = APPEND_ACK_FLUSHED});
        assert_int_equal(a->append.status, LOG_OK);
        assert_int_equal(a->append.base_offset, 50);
        rig_check(&rig);
        rig_destroy(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_appended_batch_is_acknowledged_and_read_back),
        cmocka_unit_test(many_batches_of_all_sizes_are_read_back),
        cmocka_unit_test(a_restart_finds_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
