/* Fewer descriptors than files wanted at once (H8): files are closed under whoever does not hold
 * them just then, and everybody comes to an end all the same. */
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/checkpoint.h"
#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static struct rig_options few_files(uint64_t seed, uint32_t partitions, uint32_t open_files)
{
    struct rig_options options = rig_options(seed);
    options.partitions = partitions;
    options.open_files = open_files;
    return options;
}

static bool answered(const struct rig *rig)
{
    for (uint32_t i = 0; i < rig->append_count; i++) {
        if (rig->appends[i].lent) {
            return false;
        }
    }
    return true;
}

static void wait_answers(struct rig *rig)
{
    for (uint32_t turns = 0; !answered(rig); turns++) {
        assert_true(turns < 200000 && rig_turn(rig));
    }
}

static void rolling_logs_share_few_descriptors(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig_options options = few_files(seed, RIG_PARTITIONS, 2 + seed % 5);
        options.config.segment_bytes = 40000;
        options.sim.call = (struct sim_range){1000, 2000000};
        rig_create(&rig, &options);
        struct random random;
        random_init(&random, seed);
        for (uint32_t i = 0; i < 200; i++) {
            (void)rig_append(&rig, &(struct rig_batch){
                                       .partition = (uint32_t)random_below(&random, RIG_PARTITIONS),
                                       .records = 1,
                                       .value_bytes = 20 + (uint32_t)random_below(&random, 6000),
                                       .ack = random_one_in(&random, 2) ? APPEND_ACK_FLUSHED
                                                                        : APPEND_ACK_WRITTEN});
            if (random_one_in(&random, 8)) {
                wait_answers(&rig);
            }
        }
        wait_answers(&rig);
        rig_settle(&rig);
        for (uint32_t i = 0; i < rig.append_count; i++) {
            assert_int_equal(rig.appends[i].append.status, LOG_OK);
        }
        assert_true(rig.partitions[0]->segment_count > 2);
        rig_check(&rig);
        rig_kill(&rig);
        assert_true(rig_start(&rig));
        rig_check_after(&rig, false);
        rig_destroy(&rig);
    }
}

/* The worst moment: the next segment's file has taken over but not yet its name. */
static void a_file_without_its_name_yet_is_not_closed(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = few_files(1, 3, 5);
    options.config.segment_bytes = 40000;
    options.sim.call = (struct sim_range){5000000, 5000000};
    rig_create(&rig, &options);
    struct partition *p = rig.partitions[0];
    for (uint32_t i = 0; i < 9; i++) {
        (void)rig_append_wait(&rig, &(struct rig_batch){.records = 1, .value_bytes = 4000});
    }
    rig_settle(&rig);
    assert_non_null(p->prepared);
    (void)rig_append(&rig, &(struct rig_batch){.records = 1, .value_bytes = 4000});
    while (p->segment_count < 2) {
        assert_true(rig_turn(&rig));
    }
    struct segment *segment = p->active;
    assert_false(segment->named);
    while (!segment->named) {
        assert_non_null(segment->handle);
        assert_true(segment->handle->refs > 0);
        assert_true(rig_turn(&rig));
    }
    rig_settle(&rig);
    assert_int_equal(segment->handle->refs, 0); /* And given back afterwards. */
    rig_check(&rig);
    rig_destroy(&rig);
}

static void use_other_files(struct rig *rig, uint32_t partition)
{
    for (uint32_t i = 0; i < rig->options.partitions; i++) {
        if (i != partition) {
            (void)rig_append_wait(
                rig, &(struct rig_batch){.partition = i, .records = 1, .value_bytes = 20});
        }
    }
}

static void what_is_due_is_flushed_though_its_file_was_closed(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = few_files(2, 3, 2);
    options.config.flush_ms = 1000;
    rig_create(&rig, &options);
    const struct partition *p = rig.partitions[0];
    (void)rig_append_wait(&rig, &(struct rig_batch){.records = 1, .value_bytes = 4000});
    use_other_files(&rig, 0);
    assert_null(p->active->handle);
    assert_true(partition_flushed(p) < partition_end(p));
    rig_run_ms(&rig, 3500); /* One sweep looks at everything, and the flush. */
    assert_int_equal(partition_flushed(p), partition_end(p));
    rig_destroy(&rig);
}

static void a_checkpoint_is_taken_though_the_file_was_closed(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = few_files(3, 3, 2);
    options.arena_bytes = 16 << 20;
    options.config.max_message_bytes = 2 << 20;
    rig_create(&rig, &options);
    struct partition *p = rig.partitions[0];
    (void)rig_append_wait(&rig, &(struct rig_batch){.records = 1, .value_bytes = 1000000});
    use_other_files(&rig, 0);
    assert_null(p->active->handle);
    assert_true(p->unread_bytes > 0);
    for (uint32_t i = 0; i < 200 && !checkpoint_begin(p); i++) {
        assert_true(rig_turn(&rig));
    }
    assert_true(p->checkpointing);
    rig_settle(&rig);
    assert_false(p->checkpointing);
    assert_int_equal(p->unread_bytes, 0);
    rig_destroy(&rig);
}

/* Files made ready for the next roll are held, and must leave enough for the others. */
static void files_made_ready_leave_descriptors_to_others(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = few_files(4, RIG_PARTITIONS, 8);
    options.config.segment_bytes = 40000;
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < 4 * 9; i++) { /* All of them nearly full. */
        (void)rig_append(
            &rig, &(struct rig_batch){.partition = i % 4, .records = 1, .value_bytes = 4000});
    }
    wait_answers(&rig);
    rig_settle(&rig);
    uint32_t ready = 0;
    for (uint32_t i = 0; i < 4; i++) {
        ready += rig.partitions[i]->prepared != NULL;
    }
    assert_in_range(ready, 1, 2);
    for (uint32_t i = 0; i < 4 * 8; i++) {
        (void)rig_append_wait(
            &rig, &(struct rig_batch){.partition = i % 4, .records = 1, .value_bytes = 4000});
    }
    rig_check(&rig);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rolling_logs_share_few_descriptors),
        cmocka_unit_test(a_file_without_its_name_yet_is_not_closed),
        cmocka_unit_test(what_is_due_is_flushed_though_its_file_was_closed),
        cmocka_unit_test(a_checkpoint_is_taken_though_the_file_was_closed),
        cmocka_unit_test(files_made_ready_leave_descriptors_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
