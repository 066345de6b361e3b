#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static void fill(struct rig *rig, uint32_t count, uint32_t value_bytes_max, struct random *random)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct rig_batch batch = {
            .records = 1 + (uint32_t)random_below(random, 4),
            .value_bytes = 12 + (uint32_t)random_below(random, value_bytes_max),
            .ack = random_one_in(random, 2) ? APPEND_ACK_WRITTEN : APPEND_ACK_FLUSHED,
            .timestamp_ms = rig->wall_ms - (int64_t)random_below(random, 100000)};
        (void)rig_append(rig, &batch);
        if (random_one_in(random, 4)) {
            assert_true(rig_turn(rig));
        }
    }
    rig_settle(rig);
}

static uint32_t check_segments(struct rig *rig, bool last_too)
{
    uint32_t count = 0;
    LIST_FOR_EACH(node, &rig->partitions[0]->segments)
    {
        const struct segment *s = CONTAINER_OF(node, struct segment, node);
        if (s != rig->partitions[0]->active || last_too) {
            rig_check_segment(rig, 0, s->base_offset);
            count++;
        }
    }
    return count;
}

static void a_full_segment_is_what_kafkas_tool_accepts(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct rig_options options = rig_options(seed);
        options.config.segment_bytes = 150000;
        rig_create(&rig, &options);
        struct random random;
        random_init(&random, seed);
        fill(&rig, 200, 3000, &random);
        rig_run_ms(&rig, 3000);
        assert_true(check_segments(&rig, false) >= 3);
        LIST_FOR_EACH(node, &rig.partitions[0]->segments)
        {
            const struct segment *s = CONTAINER_OF(node, struct segment, node);
            assert_true(s->size <= options.config.segment_bytes);
            char path[128];
            uint32_t len;
            (void)snprintf(path, sizeof(path), "/data0/orders-0/%020ld.snapshot",
                           (long)s->base_offset);
            uint8_t *snapshot = rig_file(&rig, path, &len);
            assert_true((snapshot != NULL) == (s->base_offset > 0)); /* One at every roll. */
            free(snapshot);
        }
        rig_check(&rig);
        rig_stop(&rig); /* And the last one when it was stopped in order. */
        assert_true(rig_start(&rig));
        assert_int_equal(rig.reports[0].read_bytes / (1 << 16), 0);
        rig_check_after(&rig, false);
        fill(&rig, 30, 3000, &random); /* Goes on where it ended, the indexes too. */
        rig_stop(&rig);
        assert_true(rig_start(&rig));
        (void)check_segments(&rig, true);
        rig_check_after(&rig, false);
        rig_destroy(&rig);
    }
}

static void an_interrupted_segment_is_whole_after_the_next_stop(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rig_options options = rig_options(seed);
        options.config.segment_bytes = seed % 2 ? 150000 : 1 << 30;
        rig_create(&rig, &options);
        struct random random;
        random_init(&random, seed);
        for (uint32_t round = 0; round < 4; round++) {
            fill(&rig, 50, 3000, &random);
            if (random_one_in(&random, 2)) {
                rig_run_ms(&rig, 12000); /* Sealed in between. */
            }
            fill(&rig, 10, 3000, &random);
            if (random_one_in(&random, 2)) {
                rig_kill(&rig);
            } else {
                rig_stop(&rig);
            }
            assert_true(rig_start(&rig));
            rig_check_after(&rig, false);
        }
        rig_stop(&rig);
        assert_true(rig_start(&rig));
        (void)check_segments(&rig, true);
        rig_destroy(&rig);
    }
}

static void time_and_index_size_roll_as_in_kafka(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(2);
    options.config.segment_ms = 60000;
    rig_create(&rig, &options);
    const int64_t start_ms = rig.wall_ms;
    for (uint32_t i = 0; i < 10; i++) { /* By the records' time, 20 s apart. */
        (void)rig_append_wait(&rig,
                              &(struct rig_batch){.records = 1,
                                                  .value_bytes = 20,
                                                  .timestamp_ms = start_ms - 400000 + i * 20000});
    }
    assert_int_equal(rig.partitions[0]->segment_count, 3);
    rig_destroy(&rig);

    options = rig_options(3);
    options.config.segment_index_bytes = 80; /* Ten entries. */
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < 60; i++) {
        (void)rig_put(&rig, 4200, APPEND_ACK_WRITTEN);
    }
    rig_settle(&rig);
    assert_true(rig.partitions[0]->segment_count >= 4);
    rig_run_ms(&rig, 2000);
    (void)check_segments(&rig, false);
    rig_destroy(&rig);
}

static void a_roll_hardly_waits_when_the_next_file_is_ready(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(4);
    options.config.segment_bytes = 1 << 20;
    options.sim.call = (struct sim_range){2000000, 2000000}; /* Every file call takes 2 ms. */
    rig_create(&rig, &options);
    uint64_t slowest_ns = 0;
    for (uint32_t i = 0; i < 300; i++) {
        const struct rig_append *a =
            rig_append_wait(&rig, &(struct rig_batch){.records = 1, .value_bytes = 10000});
        const uint64_t took_ns = a->append.stage_ns[3] - a->append.stage_ns[0];
        if (i > 60) {
            slowest_ns = max_u64(slowest_ns, took_ns);
        }
    }
    assert_true(rig.partitions[0]->segment_count >= 3);
    assert_true(slowest_ns < 12 * MS_NS); /* Rename and directory sync, not create and reserve. */
    rig_destroy(&rig);
}

/* Lookups by timestamp in it need not read it from its start. */
static void a_rolled_segment_knows_all_its_index_entries(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(1);
    options.config.segment_bytes = 150000;
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < 100; i++) {
        const struct rig_batch batch = {
            .records = 1, .value_bytes = 4000, .timestamp_ms = rig.wall_ms - 100000 + i};
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    }
    rig_settle(&rig);
    uint32_t rolled = 0;
    LIST_FOR_EACH(node, &rig.partitions[0]->segments)
    {
        const struct segment *s = CONTAINER_OF(node, struct segment, node);
        char path[128];
        (void)snprintf(path, sizeof(path), "/data0/orders-0/%020ld.timeindex",
                       (long)s->base_offset);
        if (s != rig.partitions[0]->active) {
            assert_true(s->time_count > 1);
            assert_int_equal(sim_machine_file_size(rig.machine, path), 12 * s->time_count);
            rolled++;
        }
    }
    assert_true(rolled > 1);
    rig_destroy(&rig);
}

/* Puts until a segment has rolled, then once more. Returns that append. */
static struct rig_append *put_over_a_roll(struct rig *rig)
{
    const struct partition *p = rig->partitions[0];
    while (p->segment_count < 2) {
        (void)rig_append_wait(
            rig,
            &(struct rig_batch){.records = 1, .value_bytes = 60000, .ack = APPEND_ACK_WRITTEN});
    }
    return rig_put(rig, 1000, APPEND_ACK_FLUSHED);
}

static void without_room_for_index_files_appends_are_answered(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint32_t cut = 0; cut < 2; cut++) {
        struct rig_options options = rig_options(3);
        options.config.segment_bytes = 1 << 20;
        rig_create(&rig, &options);
        const struct sim_fault fault = {.operation = SIM_CREATE, .error = ENOSPC, .path = ".index"};
        sim_machine_add_fault(rig.machine, &fault);
        const struct rig_append *behind = put_over_a_roll(&rig);
        rig_run_ms(&rig, 3000);
        assert_non_null(rig.partitions[0]->finishing);
        assert_true(behind->answered); /* Durable: index files are made anew from it. */
        assert_int_equal(behind->append.status, LOG_OK);
        /* The segment after it fills up, and cannot be left. */
        enum log_status status = LOG_OK;
        for (uint32_t i = 0; i < 40 && status == LOG_OK; i++) {
            const struct rig_batch batch = {
                .records = 1, .value_bytes = 60000, .ack = APPEND_ACK_FLUSHED};
            status = rig_append_wait(&rig, &batch)->append.status;
        }
        assert_int_equal(status, LOG_NO_SPACE);
        if (cut == 1) {
            rig_power_cut(&rig);
            sim_machine_clear_faults(rig.machine);
            assert_true(rig_start(&rig));
            rig_check_after(&rig, true);
        }
        sim_machine_clear_faults(rig.machine);
        rig_run_ms(&rig, 3000);
        assert_int_equal(rig_append_wait(&rig, &(struct rig_batch){.records = 1,
                                                                   .value_bytes = 60000,
                                                                   .ack = APPEND_ACK_FLUSHED})
                             ->append.status,
                         LOG_OK);
        rig_settle(&rig);
        assert_null(rig.partitions[0]->finishing);
        assert_true(check_segments(&rig, false) >= 1);
        rig_destroy(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_segment_is_what_kafkas_tool_accepts),
        cmocka_unit_test(an_interrupted_segment_is_whole_after_the_next_stop),
        cmocka_unit_test(time_and_index_size_roll_as_in_kafka),
        cmocka_unit_test(a_roll_hardly_waits_when_the_next_file_is_ready),
        cmocka_unit_test(a_rolled_segment_knows_all_its_index_entries),
        cmocka_unit_test(without_room_for_index_files_appends_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
