/* Partitions come: made anew, as recovery found them, or without files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static struct partition_spec spec_of(uint32_t index, uint8_t topic)
{
    struct partition_spec spec = {.topic_name = {(const uint8_t *)"orders", 6},
                                  .leader_epoch = 5,
                                  .config = kafka_config(),
                                  .id.index = index};
    memset(spec.id.topic_id.bytes, topic, 16);
    return spec;
}

static enum log_status open_wait(struct rig *rig, const struct partition_spec *spec,
                                 struct partition **partition)
{
    struct log_operation operation;
    enum log_status status = log_open(rig->log, spec, &operation);
    while (status == LOG_PENDING && rig_turn(rig)) {
        status = log_operation_done(rig->log) == &operation ? operation.status : LOG_PENDING;
    }
    *partition = operation.partition;
    return status;
}

static void a_new_partition_is_empty_and_there_after_a_power_cut(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        const struct rig_options options = rig_options(seed);
        rig_create(&rig, &options);
        const struct partition_spec spec = spec_of(3, 0x42);
        struct partition *p;
        assert_int_equal(open_wait(&rig, &spec, &p), LOG_OK);
        assert_int_equal(partition_state(p), LOG_OK);
        assert_true(partition_made(p));
        assert_int_equal(partition_end(p), 0);
        assert_int_equal(partition_log_start(p), 0);
        assert_int_equal(partition_leader_epoch(p), 5);
        assert_ptr_equal(log_find(rig.log, &spec.id), p);
        rig_power_cut(&rig); /* H10. */
        assert_true(rig_start(&rig));
        assert_non_null(rig.partitions[3]);
        rig_destroy(&rig);
    }
}

static void a_partition_that_cannot_be_made_is_not_there(void **state)
{
    (void)state;
    static const struct {
        enum sim_operation operation;
        int error;
        enum log_status status;
    } cases[] = {
        {SIM_MAKE_DIRECTORY, EIO, LOG_IO_ERROR}, {SIM_MAKE_DIRECTORY, EROFS, LOG_READ_ONLY},
        {SIM_CREATE, ENOSPC, LOG_NO_SPACE},      {SIM_WRITE, EDQUOT, LOG_NO_SPACE},
        {SIM_SYNC_DIRECTORY, EIO, LOG_IO_ERROR},
    };
    static struct rig rig;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct rig_options options = rig_options(i);
        rig_create(&rig, &options);
        const struct sim_fault fault = {.operation = cases[i].operation, .error = cases[i].error};
        sim_machine_add_fault(rig.machine, &fault);
        const struct partition_spec spec = spec_of(3, 0x42);
        struct partition *p;
        assert_int_equal(open_wait(&rig, &spec, &p), cases[i].status);
        assert_null(p);
        assert_null(log_find(rig.log, &spec.id));
        sim_machine_clear_faults(rig.machine);
        assert_int_equal(open_wait(&rig, &spec, &p), LOG_OK); /* Whatever the first try left. */
        rig_destroy(&rig);
    }
}

static void note_stray(void *context, const char *name, bool directory)
{
    const size_t len = strlen(name);
    *(uint32_t *)context += directory && len > 6 && strcmp(name + len - 6, "-stray") == 0;
}

/* A deleted topic's directory could not be renamed, and its name is given to another. */
static void H18_a_log_of_another_topic_is_set_aside_not_built_upon(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(1);
    options.config.segment_bytes = 32768;
    rig_create(&rig, &options);
    const struct rig_batch batch = {.records = 1, .value_bytes = 5000, .ack = APPEND_ACK_FLUSHED};
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
        free(rig.appends[0].bytes); /* Of the deleted topic: not in the model. */
        rig.appends[0].bytes = NULL;
        rig.append_count = 0;
    }
    rig_settle(&rig);
    const struct sim_fault fault = {.operation = SIM_RENAME, .error = EIO, .path = "orders-0"};
    sim_machine_add_fault(rig.machine, &fault);
    struct log_operation operation;
    assert_int_equal(log_delete(rig.log, rig.partitions[0], &operation), LOG_PENDING);
    while (operation.status == LOG_PENDING) {
        assert_true(rig_turn(&rig));
        (void)log_operation_done(rig.log);
    }
    assert_int_equal(operation.status, LOG_IO_ERROR);
    sim_machine_clear_faults(rig.machine);
    const struct partition_spec spec = spec_of(0, 0x42);
    assert_int_equal(open_wait(&rig, &spec, &rig.partitions[0]), LOG_OK);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(rig_append_wait(&rig, &batch)->append.base_offset, i);
    }
    rig_kill(&rig);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), 3);
    uint32_t strays = 0;
    assert_int_equal(sim_machine_list(rig.machine, "/data0", note_stray, &strays), 0);
    assert_int_equal(strays, 1);
    rig_destroy(&rig);
}

static void a_partition_does_not_run_in_a_directory_that_died_meanwhile(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    const struct partition_spec spec = spec_of(3, 0x42);
    struct log_operation operation;
    assert_int_equal(log_open(rig.log, &spec, &operation), LOG_PENDING);
    rig.log->devices[0].fenced = true;
    while (operation.status == LOG_PENDING) {
        assert_true(rig_turn(&rig));
        (void)log_operation_done(rig.log);
    }
    assert_int_equal(operation.status, LOG_IO_ERROR);
    assert_null(log_find(rig.log, &spec.id));
    assert_int_equal(log_open(rig.log, &spec, &operation), LOG_FENCED);
    rig_destroy(&rig);
}

static void a_partition_without_files_is_known_and_refuses(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    struct partition_spec spec = spec_of(3, 0x42);
    spec.directory = 9; /* Not in the list. */
    struct partition *p;
    assert_int_equal(log_open_fenced(rig.log, &spec, &p), LOG_OK);
    assert_int_equal(partition_state(p), LOG_FENCED);
    assert_int_equal(partition_directory(p), LOG_DIRECTORY_NONE);
    assert_false(partition_made(p));
    assert_ptr_equal(log_find(rig.log, &spec.id), p);
    assert_int_equal(log_counters(rig.log)->partitions_fenced, 1);
    struct log_operation operation;
    assert_int_equal(log_delete(rig.log, p, &operation), LOG_OK);
    assert_null(log_find(rig.log, &spec.id));
    assert_int_equal(log_counters(rig.log)->partitions_fenced, 0);
    rig_destroy(&rig);
}

static void partitions_beyond_what_the_log_holds_wait(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(1);
    options.partition_count_max = 2;
    rig_create(&rig, &options);
    struct partition_spec spec = spec_of(1, 0x42);
    struct partition *p;
    assert_int_equal(open_wait(&rig, &spec, &p), LOG_OK);
    spec.id.index = 2;
    struct partition *more;
    assert_int_equal(open_wait(&rig, &spec, &more), LOG_BUSY);
    assert_int_equal(log_open_fenced(rig.log, &spec, &more), LOG_BUSY);
    assert_int_equal(rig.log->job_pool.used, 0);
    rig_destroy(&rig);
}

static void a_recovered_partition_goes_on_where_it_ended(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(1);
    options.config.segment_bytes = 32768;
    rig_create(&rig, &options);
    struct rig_batch batch = {
        .records = 2, .value_bytes = 5000, .ack = APPEND_ACK_FLUSHED, .producer_id = 77};
    for (; batch.sequence < 20; batch.sequence += 2) {
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    }
    rig_settle(&rig);
    const uint64_t bytes = partition_size_bytes(rig.partitions[0]);
    const uint32_t segments = rig.partitions[0]->segment_count;
    assert_true(segments > 1);
    for (uint32_t clean = 0; clean < 2; clean++) {
        if (clean) {
            rig_stop(&rig);
        } else {
            rig_kill(&rig);
        }
        assert_true(rig_start(&rig));
        const struct partition *p = rig.partitions[0];
        assert_int_equal(partition_end(p), 20);
        assert_int_equal(partition_high_watermark(p), 20);
        assert_int_equal(partition_flushed(p), clean ? 20 : p->sidecar.recovery_offset);
        assert_int_equal(partition_size_bytes(p), bytes);
        assert_int_equal(p->segment_count, segments);
        assert_int_equal(p->unread_bytes == 0, clean);
        struct partition_producer producer;
        assert_int_equal(partition_producers(p, &producer, 1), 1);
        assert_int_equal(producer.last_sequence, 19);
    }
    assert_int_equal(rig_append_wait(&rig, &batch)->append.base_offset, 20);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_partition_is_empty_and_there_after_a_power_cut),
        cmocka_unit_test(a_partition_that_cannot_be_made_is_not_there),
        cmocka_unit_test(H18_a_log_of_another_topic_is_set_aside_not_built_upon),
        cmocka_unit_test(a_partition_does_not_run_in_a_directory_that_died_meanwhile),
        cmocka_unit_test(a_partition_without_files_is_known_and_refuses),
        cmocka_unit_test(partitions_beyond_what_the_log_holds_wait),
        cmocka_unit_test(a_recovered_partition_goes_on_where_it_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
