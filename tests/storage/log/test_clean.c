/* Compaction on the simulated machine, whole and with crashes. */
#include "tests/storage/log/clean_model.h"

#ifdef __SANITIZE_ADDRESS__
enum { RUNS = 4, CRASH_SEEDS = 1, STRIDE = 7 }; /* Ten times slower. */
#else
enum { RUNS = 16, CRASH_SEEDS = 3, STRIDE = 1 };
#endif

static void of_each_key_the_last_record_stays(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        const struct rig_options options = clean_options(seed);
        clean_run_begin(&run, &options);
        const uint32_t keys = 1 + (uint32_t)random_below(&run.random, CLEAN_KEYS_MAX);
        for (uint32_t round = 0; round < 3; round++) {
            for (uint32_t i = 0; i < 60; i++) {
                clean_tell_something(&run, keys);
            }
            clean_wait(&run.rig);
            clean_check(&run, true, true, &there);
            clean_check_files(&run.rig);
        }
        assert_true(log_counters(run.rig.log)->cleaned_segments > 3);
        assert_int_equal(log_counters(run.rig.log)->clean_failures, 0);
        rig_stop(&run.rig);
        assert_true(rig_start(&run.rig));
        clean_check(&run, true, false, &there);
        rig_kill(&run.rig);
        assert_true(rig_start(&run.rig));
        clean_check(&run, true, false, &there);
        rig_destroy(&run.rig);
    }
}

/* ---- Crashes -------------------------------------------------------------------------------- */

static bool alive(const struct clean_run *run)
{
    return run->rig.process != NULL && sim_process_alive(run->rig.process);
}

/* Two rounds of small batches, each compacted. False: it died on the way. */
static bool fill_and_clean(struct clean_run *run)
{
    struct rig *rig = &run->rig;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 16; i++) {
            const struct rig_batch batch = {.records = 1 + (uint32_t)random_below(&run->random, 6),
                                            .value_bytes = 300,
                                            .ack = APPEND_ACK_FLUSHED,
                                            .codec =
                                                i % 4 == 3 ? BATCH_CODEC_LZ4 : BATCH_CODEC_NONE,
                                            .keys = 9,
                                            .tombstones = 6};
            (void)clean_tell(run, &batch);
            if (!alive(run)) {
                return false;
            }
        }
        for (uint32_t i = 0; i < 100; i++) {
            const struct partition *p = rig->partitions[0];
            if (p->clean_offset == p->sidecar.segment_base && !clean_running(rig)) {
                break;
            }
            rig_run_ms(rig, 100);
            if (!alive(run)) {
                return false;
            }
        }
    }
    return true;
}

static bool die_cleaning(uint64_t seed, uint64_t at, enum sim_crash crash)
{
    static struct clean_run run;
    static struct clean_there there;
    struct rig_options options = clean_options(seed);
    options.config.segment_bytes = 6000;
    options.sim.garbage = seed % 2 == 1;
    options.sim.flush_covers_device = seed % 3 == 0;
    clean_run_begin(&run, &options);
    const uint64_t first = sim_machine_boundary_count(run.rig.machine);
    sim_machine_crash_at(run.rig.machine, first + at, crash);
    const bool finished = fill_and_clean(&run);
    if (!finished) {
        rig_kill(&run.rig);
        for (uint32_t i = 0; i < 2; i++) { /* And again on the way up. */
            sim_machine_crash_at(
                run.rig.machine,
                sim_machine_boundary_count(run.rig.machine) + random_below(&run.random, 16), crash);
            if (rig_start(&run.rig)) {
                rig_run_ms(&run.rig, 2000);
            }
            rig_kill(&run.rig);
        }
    }
    sim_machine_crash_at(run.rig.machine, UINT64_MAX, crash);
    if (!finished) {
        assert_true(rig_start(&run.rig));
    }
    clean_check(&run, true, false, &there);
    assert_true(fill_and_clean(&run));
    clean_check(&run, true, true, &there);
    rig_stop(&run.rig);
    assert_true(rig_start(&run.rig));
    clean_check(&run, true, false, &there);
    rig_destroy(&run.rig);
    return !finished;
}

static void crash_everywhere(enum sim_crash crash)
{
    for (uint64_t seed = 1; seed <= CRASH_SEEDS; seed++) {
        uint64_t at = 0;
        while (die_cleaning(seed, at, crash)) {
            at += STRIDE;
        }
        print_message("# seed %lu: %lu crashes\n", (unsigned long)seed, (unsigned long)at);
        assert_true(at > 50);
    }
}

static void a_kill_at_any_boundary_of_a_compaction_loses_no_key(void **state)
{
    (void)state;
    crash_everywhere(SIM_CRASH_KILL);
}

static void a_power_cut_at_any_boundary_of_a_compaction_loses_no_key(void **state)
{
    (void)state;
    crash_everywhere(SIM_CRASH_POWER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_each_key_the_last_record_stays),
        cmocka_unit_test(a_kill_at_any_boundary_of_a_compaction_loses_no_key),
        cmocka_unit_test(a_power_cut_at_any_boundary_of_a_compaction_loses_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
