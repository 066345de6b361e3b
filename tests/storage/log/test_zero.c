#include <errno.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static struct rig rig;

/* Appends one by one and tells how many zeros were written ahead of them. */
static uint64_t zeros_ahead_of(uint32_t count, uint32_t value_bytes, enum append_ack ack)
{
    const struct rig_options options = rig_options(count + value_bytes);
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < count; i++) {
        const struct rig_batch batch = {.records = 1, .value_bytes = value_bytes, .ack = ack};
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    }
    rig_settle(&rig);
    return log_counters(rig.log)->zeroed_bytes;
}

/* H8: where it pays, and nowhere else. */
static void H8_only_small_and_flushed_appends_get_zeros_ahead(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t count, value_bytes;
        enum append_ack ack;
        bool zeros;
    } cases[] = {
        {"a few small ones", 8, 1000, APPEND_ACK_FLUSHED, false},
        {"many small flushed ones", 100, 1000, APPEND_ACK_FLUSHED, true},
        {"many small written ones", 100, 1000, APPEND_ACK_WRITTEN, true},
        {"flushed ones of 100 KB", 40, 100000, APPEND_ACK_FLUSHED, true},
        {"written ones of 100 KB", 40, 100000, APPEND_ACK_WRITTEN, false},
        {"flushed ones of 200 KB", 40, 200000, APPEND_ACK_FLUSHED, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const uint64_t zeros = zeros_ahead_of(cases[i].count, cases[i].value_bytes, cases[i].ack);
        if ((zeros > 0) != cases[i].zeros) {
            fail_msg("%s: %llu bytes", cases[i].name, (unsigned long long)zeros);
        }
        rig_check(&rig);
        rig_destroy(&rig);
    }
}

static void zeros_ahead_grow_with_demand_and_stay_near_it(void **state)
{
    (void)state;
    const uint64_t few = zeros_ahead_of(20, 4000, APPEND_ACK_WRITTEN);
    rig_destroy(&rig);
    const uint64_t many = zeros_ahead_of(400, 4000, APPEND_ACK_WRITTEN);
    const uint64_t data_bytes = rig.partitions[0]->data_bytes;
    rig_destroy(&rig);
    assert_in_range(few, 1, 256 << 10);
    assert_in_range(many, data_bytes / 4, data_bytes + (4 << 20));
}

/* Appends that come slowly enough for the jobs go from zeros to zeros: a flush of the file where
 * they begin, and one each time that they grow, but none for each block. */
static void appends_stay_in_zeros(void **state)
{
    (void)state;
    enum { ROUNDS = 120, VALUE_BYTES = 3000, FILE_FLUSHES_MAX = 16 };
    struct rig_options options = rig_options(7);
    options.sim.flush_covers_device = true;
    options.partitions = RIG_PARTITIONS;
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < ROUNDS * RIG_PARTITIONS; i++) {
        const struct rig_batch batch = {.partition = i % RIG_PARTITIONS,
                                        .records = 1,
                                        .value_bytes = VALUE_BYTES,
                                        .ack = APPEND_ACK_FLUSHED};
        (void)rig_append(&rig, &batch);
        if (i % RIG_PARTITIONS == RIG_PARTITIONS - 1) {
            rig_settle(&rig);
        }
    }
    const uint64_t flushes = sim_machine_counters(rig.machine)->flushes_of_written;
    print_message("# %llu flushes of files for %u blocks\n", (unsigned long long)flushes,
                  ROUNDS * RIG_PARTITIONS * VALUE_BYTES / 4096);
    assert_in_range(flushes, RIG_PARTITIONS, FILE_FLUSHES_MAX * RIG_PARTITIONS);
    rig_power_cut(&rig);
    assert_true(rig_start(&rig));
    rig_check_after(&rig, true);
    rig_destroy(&rig);
}

/* The zeros never come over what was appended meanwhile. */
static void what_is_appended_beside_the_zeros_stays(void **state)
{
    (void)state;
    uint64_t zeros = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig_options options = rig_options(seed);
        struct random random;
        options.sim.call = (struct sim_range){1000, 3000000}; /* Jobs are late. */
        rig_create(&rig, &options);
        random_init(&random, seed);
        for (uint32_t i = 0; i < 150; i++) {
            const struct rig_batch batch = {
                .records = 1,
                .value_bytes = 12 + (uint32_t)random_below(&random, 12000),
                .ack = random_one_in(&random, 3) ? APPEND_ACK_WRITTEN : APPEND_ACK_FLUSHED};
            (void)rig_append(&rig, &batch);
            for (uint64_t turns = random_below(&random, 6); turns > 0; turns--) {
                assert_true(rig_turn(&rig));
            }
        }
        if (seed % 2 == 0) {
            rig_settle(&rig);
            rig_check(&rig);
            zeros += log_counters(rig.log)->zeroed_bytes;
        } else {
            rig_power_cut(&rig);
            assert_true(rig_start(&rig));
            rig_check_after(&rig, true);
        }
        rig_destroy(&rig);
    }
    assert_true(zeros > 0);
}

static void zeros_that_cannot_be_written_are_an_error_of_the_device(void **state)
{
    (void)state;
    struct rig_options options = rig_options(7);
    options.sim.call = (struct sim_range){50 * 1000000, 50 * 1000000}; /* The commits go first. */
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < 100 && !rig.partitions[0]->zeroing; i++) {
        (void)rig_append_wait(
            &rig,
            &(struct rig_batch){.records = 1, .value_bytes = 1000, .ack = APPEND_ACK_FLUSHED});
    }
    assert_true(rig.partitions[0]->zeroing);
    sim_machine_add_fault(
        rig.machine,
        &(struct sim_fault){.operation = SIM_WRITE, .error = EIO, .count = 1, .path = ".log"});
    rig_settle(&rig);
    assert_int_equal(log_counters(rig.log)->io_errors, 1);
    assert_int_equal(log_counters(rig.log)->zeroed_bytes, 0);
    const struct rig_append *next = rig_put(&rig, 10, APPEND_ACK_FLUSHED);
    rig_settle(&rig); /* It has healed. */
    assert_int_equal(next->append.status, LOG_OK);
    rig_check(&rig);
    rig_destroy(&rig);
}

/* Zeros count once a flush that began behind them is done, and only these. */
static void only_flushed_zeros_count(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct segment before;
        uint32_t flushed;
        uint32_t zeroed_from, zeroed, zeroing_to;
    } cases[] = {
        {"first ones", {.zeroing_from = 4096, .zeroing_to = 8192}, 8192, 4096, 8192, 0},
        {"those that go on from the last",
         {.zeroed_from = 4096, .zeroed = 8192, .zeroing_from = 8192, .zeroing_to = 20480},
         20480,
         4096,
         20480,
         0},
        {"those behind a gap",
         {.zeroed_from = 4096, .zeroed = 8192, .zeroing_from = 12288, .zeroing_to = 20480},
         20480,
         12288,
         20480,
         0},
        {"a flush from before", {.zeroing_from = 4096, .zeroing_to = 8192}, 4096, 0, 0, 8192},
        {"a flush without zeros", {.zeroing_from = 4096, .zeroing_to = 8192}, 0, 0, 0, 8192},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct segment segment = cases[i].before;
        zero_flushed(&segment, cases[i].flushed);
        if (segment.zeroed_from != cases[i].zeroed_from || segment.zeroed != cases[i].zeroed ||
            segment.zeroing_to != cases[i].zeroing_to) {
            fail_msg("%s: %u to %u", cases[i].name, segment.zeroed_from, segment.zeroed);
        }
        zero_forget(&segment);
        assert_int_equal(segment.zeroed + segment.zeroing_to + segment.zeroed_from, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(H8_only_small_and_flushed_appends_get_zeros_ahead),
        cmocka_unit_test(zeros_ahead_grow_with_demand_and_stay_near_it),
        cmocka_unit_test(appends_stay_in_zeros),
        cmocka_unit_test(what_is_appended_beside_the_zeros_stays),
        cmocka_unit_test(zeros_that_cannot_be_written_are_an_error_of_the_device),
        cmocka_unit_test(only_flushed_zeros_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
