#include "tests/control/bench.h"

#include <errno.h>
#include <stdlib.h>

static int bench_up(void **state)
{
    *state = bench_new(2, NULL);
    return 0;
}

static void the_first_session_registers_the_node_and_its_feature_level(void **state)
{
    struct bench *bench = *state;
    const struct image *image = control_image(bench->control);
    assert_true(image->broker.registered);
    assert_false(image->broker.fenced);
    assert_int_equal(image->broker.directory_count, 2);
    assert_int_equal(image_feature_level(image, "metadata.version"), 25);
    assert_int_equal(image_feature_level(image, "group.version"), 1);
    assert_int_equal(image_feature_level(image, "transaction.version"), 2);
    /* Features that do not work are not finalised (H22). */
    assert_int_equal(image_feature_level(image, "share.version"), -1);
    const int64_t epoch = image->broker.epoch;
    bench_stop_control(bench);
    bench_start_control(bench);
    bench_turns(bench, 30);
    assert_int_equal(control_image(bench->control)->broker.epoch, epoch); /* The same dataplane. */
    bench_stop_dataplane(bench);
    bench_start_dataplane(bench);
    bench_turns(bench, 40);
    assert_true(control_image(bench->control)->broker.epoch > epoch);
}

static void partitions_are_spread_over_the_directories(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(bench_create_topic(bench, "t", 10), ERROR_NONE);
    uint32_t counts[2] = {0};
    for (uint32_t i = 0; i < 10; i++) {
        counts[bench->snapshot->topics[0].partitions[i].directory]++;
    }
    assert_int_equal(counts[0], 5);
    assert_int_equal(counts[1], 5);
}

static void an_unclean_start_raises_the_epochs_before_anything_is_served(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(bench_create_topic(bench, "t", 4), ERROR_NONE);
    bench_stop_dataplane(bench);
    bench->unclean[1] = true;
    bench_start_dataplane(bench);
    bench->holds_snapshots = true;
    for (uint32_t i = 0; i < 60 && !bench->held; i++) {
        bench_turn(bench);
    }
    assert_true(bench->held); /* The very first snapshot of the session has them. */
    for (uint32_t i = 0; i < 4; i++) {
        const struct snapshot_partition *partition = &bench->snapshot->topics[0].partitions[i];
        assert_int_equal(partition->leader_epoch, partition->directory == 1 ? 1 : 0);
        assert_true(partition->exists);
    }
    /* Another control process of the same dataplane does not raise them once more. */
    bench->holds_snapshots = false;
    bench_apply(bench);
    bench_turns(bench, 5);
    bench_stop_control(bench);
    bench_start_control(bench);
    bench_turns(bench, 30);
    for (uint32_t i = 0; i < 4; i++) {
        assert_in_range(bench->snapshot->topics[0].partitions[i].leader_epoch, 0, 1);
    }
}

static void a_partition_whose_files_vanished_is_shown_fenced(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(bench_create_topic(bench, "t", 2), ERROR_NONE);
    bench_stop_dataplane(bench);
    bench->file_count = 1; /* The second one's are gone. */
    bench_start_dataplane(bench);
    bench_turns(bench, 40);
    const struct snapshot_partition *partitions = bench->snapshot->topics[0].partitions;
    assert_false(partitions[0].offline);
    assert_true(partitions[1].offline);
    assert_true(partitions[1].exists);
    struct control_status status;
    control_status_copy(bench->control, &status);
    assert_int_equal(status.partitions_offline, 1);
    assert_int_equal(status.phase, CONTROL_READY);
}

static void a_directory_that_dies_takes_its_partitions_offline(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(bench_create_topic(bench, "t", 4), ERROR_NONE);
    session_directory_failed(bench->session, 1, LOG_IO_ERROR);
    bench_turns(bench, 5);
    for (uint32_t i = 0; i < 4; i++) {
        const struct snapshot_partition *partition = &bench->snapshot->topics[0].partitions[i];
        assert_int_equal(partition->offline, partition->directory == 1);
    }
    /* New ones go where there is life. */
    assert_int_equal(bench_create_topic(bench, "u", 3), ERROR_NONE);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(bench->snapshot->topics[1].partitions[i].directory, 0);
    }
}

static void without_any_directory_topics_cannot_be_made(void **state)
{
    struct bench *bench = *state;
    session_directory_failed(bench->session, 0, LOG_IO_ERROR);
    session_directory_failed(bench->session, 1, LOG_IO_ERROR);
    bench_turns(bench, 5);
    assert_int_equal(bench_create_topic(bench, "t", 1), ERROR_KAFKA_STORAGE_ERROR);
    assert_null(bench_topic(bench, "t"));
}

static void a_topic_that_grew_but_got_no_files_is_tried_again_later(void **state)
{
    struct bench *bench = *state;
    bench_tell(bench, SLOW_CREATE_TOPIC, bytes_of_string("auto"));
    bench->holds_snapshots = true;
    bench_turns(bench, 5);
    bench->failures[0] = (struct session_failure){.topic_id = bench->snapshot->topics[0].id,
                                                  .index = 0,
                                                  .status = LOG_NO_SPACE,
                                                  .directory = LOG_DIRECTORY_NONE};
    bench->failure_count = 1;
    bench_apply(bench);
    bench->failure_count = 0;
    bench->holds_snapshots = false;
    bench_turns(bench, 20);
    assert_non_null(bench_topic(bench, "auto")); /* Nobody waits for an answer: it stays. */
    assert_true(bench->snapshot->topics[0].partitions[0].offline);
    assert_true(control_deadline_ns(bench->control) < bench->now_ns + 11000000000);
    bench->now_ns += 10000000000;
    bench_turns(bench, 5);
    assert_false(bench->snapshot->topics[0].partitions[0].offline);
    assert_false(uuid_is_zero(bench_topic(bench, "auto")->partitions[0].directory));
}

static void another_node_id_or_a_damaged_log_is_refused(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(bench_create_topic(bench, "t", 1), ERROR_NONE);
    assert_int_equal(bench_create_topic(bench, "u", 1), ERROR_NONE);
    bench_stop_control(bench);
    assert_int_equal(sim_machine_flip_bit(bench->machine,
                                          "/data0/__cluster_metadata-0/00000000000000000000.log",
                                          300, 1),
                     0);
    bench_start_control(bench);
    bench_turns(bench, 30);
    assert_int_equal(control_phase(bench->control), CONTROL_REFUSED);
    assert_non_null(strstr(control_reason(bench->control), "damaged"));
}

static void a_store_that_cannot_be_opened_is_tried_again(void **state)
{
    struct bench *bench = *state;
    bench_stop_control(bench);
    const struct sim_fault fault = {
        .operation = SIM_OPEN, .error = EIO, .count = 3, .path = "__cluster_metadata"};
    sim_machine_add_fault(bench->machine, &fault);
    bench_start_control(bench);
    bench_turns(bench, 30);
    assert_int_not_equal(control_phase(bench->control), CONTROL_READY);
    assert_true(strlen(control_reason(bench->control)) > 10);
    bench_turns(bench, 2000); /* Not more often than twice a second. */
    assert_int_equal(control_phase(bench->control), CONTROL_READY);
}

/* H5: whoever is the dataplane now, before it believes a flush of its own. */
static void cores_are_told_of_a_failed_sync_of_the_metadata_log(void **state)
{
    struct bench *bench = *state;
    const struct sim_fault fault = {
        .operation = SIM_FLUSH, .error = EIO, .count = 1, .path = "__cluster_metadata"};
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(bench_create_topic(bench, "t", 1), ERROR_NONE);
        assert_int_equal(atomic_load(&bench->log_shared->flushes_failed[0]), 0);
        sim_machine_add_fault(bench->machine, &fault);
        assert_int_equal(bench_create_topic(bench, "u", 1), ERROR_KAFKA_STORAGE_ERROR);
        assert_int_equal(atomic_load(&bench->log_shared->flushes_failed[0]), 1);
        assert_int_equal(atomic_load(&bench->log_shared->flushes_failed[1]), 0);
        assert_int_equal(bench_delete_topic(bench, "t"), ERROR_NONE);
        bench_stop_dataplane(bench);
        bench_start_dataplane(bench);
        bench_turns(bench, 60);
    }
}

static void a_stopping_dataplane_is_said_to_be_one(void **state)
{
    struct bench *bench = *state;
    session_stopping(bench->session);
    bench_turns(bench, 3);
    assert_int_equal(control_phase(bench->control), CONTROL_STOPPING);
    assert_string_equal(control_phase_name(CONTROL_STOPPING), "stopping");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_session_registers_the_node_and_its_feature_level),
        TEST(partitions_are_spread_over_the_directories),
        TEST(an_unclean_start_raises_the_epochs_before_anything_is_served),
        TEST(a_partition_whose_files_vanished_is_shown_fenced),
        TEST(a_directory_that_dies_takes_its_partitions_offline),
        TEST(without_any_directory_topics_cannot_be_made),
        TEST(a_topic_that_grew_but_got_no_files_is_tried_again_later),
        TEST(another_node_id_or_a_damaged_log_is_refused),
        TEST(a_store_that_cannot_be_opened_is_tried_again),
        TEST(cores_are_told_of_a_failed_sync_of_the_metadata_log),
        TEST(a_stopping_dataplane_is_said_to_be_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
