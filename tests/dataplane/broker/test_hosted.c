#include "tests/dataplane/broker/rig.h"

#include <stdio.h>

static void partitions_spread_over_all_cores_and_open_before_the_snapshot_is_applied(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(4, "orders", 16);
    uint64_t sum = 0;
    for (uint32_t core = 0; core < 4; core++) {
        const uint64_t here = rig->cores[core].statistics.counters.partitions_now;
        assert_int_equal(here, 4);
        sum += here;
    }
    assert_int_equal(sum, 16);
    struct client *client = client_connect(rig, 3);
    for (int32_t i = 0; i < 16; i++) {
        assert_int_equal(client_put_record(client, "orders", i, i), 0);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H18_a_topic_made_anew_is_empty_and_the_old_one_is_gone(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 4);
    struct client *client = client_connect(rig, 0);
    for (uint32_t round = 0; round < 5; round++) {
        for (int32_t i = 0; i < 4; i++) {
            assert_int_equal(client_put_record(client, "orders", i, i), 0);
        }
        rig_remove(rig, "orders");
        if (round % 2 == 0) {
            rig_publish(rig);
            const struct fetched fetched =
                client_fetch(client, &(struct fetch_spec){.version = 6, .topic = "orders"});
            assert_int_equal(fetched.partition_error, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        }
        rig_topic(rig, "orders", 4);
        rig_publish(rig);
    }
    client_free(client);
    rig_destroy(rig);
}

static void snapshots_may_follow_each_other_faster_than_they_are_applied(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.cores = 2, .seed = 5});
    for (uint32_t i = 0; i < 30; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "t%u", i);
        rig_topic(rig, name, 3);
        if (i >= 5) {
            (void)snprintf(name, sizeof(name), "t%u", i - 5);
            rig_remove(rig, name);
        }
        rig_publish_only(rig);
        for (uint32_t turn = 0; turn < i % 4; turn++) {
            rig_turn(rig);
        }
    }
    rig_publish(rig);
    assert_int_equal(rig->cores[0].statistics.counters.partitions_now +
                         rig->cores[1].statistics.counters.partitions_now,
                     15);
    assert_int_equal(rig->snapshot_count, 1); /* All others could be let go of. */
    struct client *client = client_connect(rig, 0);
    assert_int_equal(client_put_record(client, "t29", 2, 1), 0);
    client_free(client);
    rig_destroy(rig);
}

static void new_settings_act_on_open_partitions(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    uint8_t buffer[2048];
    const struct bytes batch =
        batch_make(rig, &(struct batch_spec){.value_bytes = 1000}, buffer, sizeof(buffer));
    assert_int_equal(client_produce(client, 9, "orders", 0, 1, batch).error, ERROR_NONE);
    rig_find(rig, "orders")->config.max_message_bytes = 500;
    rig_publish(rig);
    assert_int_equal(client_produce(client, 9, "orders", 0, 1, batch).error,
                     ERROR_MESSAGE_TOO_LARGE);
    client_free(client);
    rig_destroy(rig);
}

static void a_topic_that_grows_keeps_what_it_has(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(client_put_record(client, "orders", 0, 1), 0);
    rig_find(rig, "orders")->partition_count = 6;
    for (uint32_t i = 2; i < 6; i++) {
        rig_find(rig, "orders")->partitions[i].leader_epoch = 0;
    }
    rig_publish(rig);
    assert_int_equal(client_put_record(client, "orders", 0, 1), 1);
    assert_int_equal(client_put_record(client, "orders", 5, 1), 0);
    client_free(client);
    rig_destroy(rig);
}

static void H18_a_partition_whose_files_vanished_is_fenced_not_made_anew(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1});
    rig_topic(rig, "lost", 1)->partitions[0].exists = true;
    rig_topic(rig, "good", 1);
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    uint8_t buffer[512];
    const struct bytes batch = batch_make(rig, &(struct batch_spec){0}, buffer, sizeof(buffer));
    assert_int_equal(client_produce(client, 9, "lost", 0, 1, batch).error,
                     ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(client_put_record(client, "good", 0, 1), 0);
    client_free(client);
    rig_destroy(rig);
}

static void a_partition_that_has_no_place_yet_waits_for_one(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1});
    rig_topic(rig, "placeless", 1)->partitions[0].directory = SNAPSHOT_DIRECTORY_NONE;
    rig_publish(rig);
    assert_int_equal(rig->cores[0].statistics.counters.partitions_now, 0);
    rig_find(rig, "placeless")->partitions[0].directory = 0;
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(client_put_record(client, "placeless", 0, 1), 0);
    client_free(client);
    rig_destroy(rig);
}

static void a_partition_that_lost_its_place_waits_for_the_next(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 2});
    sim_device_set_read_only(rig->machine, 0, true);
    rig_topic(rig, "moving", 1);
    rig_publish_only(rig);
    rig_run_ms(rig, 6000);
    rig_find(rig, "moving")->partitions[0].directory = SNAPSHOT_DIRECTORY_NONE;
    rig_find(rig, "moving")->partitions[0].offline = true;
    rig_publish_only(rig);
    rig_run_ms(rig, 6000);
    sim_device_set_read_only(rig->machine, 0, false);
    rig_find(rig, "moving")->partitions[0].directory = 0;
    rig_find(rig, "moving")->partitions[0].offline = false;
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(client_put_record(client, "moving", 0, 1), 0);
    client_free(client);
    rig_destroy(rig);
}

static void H18_a_partition_of_a_directory_that_is_gone_is_fenced_and_can_be_deleted(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1});
    rig_topic(rig, "gone", 1)->partitions[0] =
        (struct snapshot_partition){.directory = SNAPSHOT_DIRECTORY_NONE, .exists = true};
    rig_publish(rig);
    assert_int_equal(rig->cores[0].statistics.counters.partitions_now, 1);
    rig_remove(rig, "gone");
    rig_publish(rig);
    assert_int_equal(rig->cores[0].statistics.counters.partitions_now, 0);
    rig_destroy(rig);
}

static void partitions_beyond_what_the_log_holds_do_not_hold_up_the_others(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1});
    rig_topic(rig, "first", 60);
    rig_publish(rig);
    rig_topic(rig, "too-many", 60);
    rig_publish_only(rig);
    rig_run_ms(rig, 4000);
    assert_ptr_equal(broker_applied_snapshot(rig->cores[0].broker),
                     rig->snapshots[rig->snapshot_count - 1]);
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(client_put_record(client, "first", 59, 1), 0);
    uint32_t opened = 0;
    for (int32_t i = 0; i < 60; i++) {
        uint8_t buffer[512];
        const struct bytes batch = batch_make(rig, &(struct batch_spec){0}, buffer, sizeof(buffer));
        const int16_t error = client_produce(client, 9, "too-many", i, 1, batch).error;
        assert_true(error == ERROR_NONE || error == ERROR_KAFKA_STORAGE_ERROR);
        opened += error == ERROR_NONE;
    }
    assert_int_equal(opened, 36);
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_spread_over_all_cores_and_open_before_the_snapshot_is_applied),
        cmocka_unit_test(H18_a_topic_made_anew_is_empty_and_the_old_one_is_gone),
        cmocka_unit_test(snapshots_may_follow_each_other_faster_than_they_are_applied),
        cmocka_unit_test(new_settings_act_on_open_partitions),
        cmocka_unit_test(a_topic_that_grows_keeps_what_it_has),
        cmocka_unit_test(H18_a_partition_whose_files_vanished_is_fenced_not_made_anew),
        cmocka_unit_test(a_partition_that_has_no_place_yet_waits_for_one),
        cmocka_unit_test(a_partition_that_lost_its_place_waits_for_the_next),
        cmocka_unit_test(H18_a_partition_of_a_directory_that_is_gone_is_fenced_and_can_be_deleted),
        cmocka_unit_test(partitions_beyond_what_the_log_holds_do_not_hold_up_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
