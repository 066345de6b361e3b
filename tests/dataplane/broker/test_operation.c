#include "tests/dataplane/broker/rig.h"

static uint8_t buffer[1 << 20];

static void B7_batches_that_wait_for_room_in_the_arena_keep_their_order(void **state)
{
    (void)state;
    enum { BATCHES = 200 };
    for (uint32_t cores = 1; cores <= 2; cores++) {
        struct rig *rig = rig_create(&(struct rig_options){.cores = cores,
                                                           .seed = 3,
                                                           .arena_bytes = 2 << 20,
                                                           .transport = {.buffer_count = 512},
                                                           .sim = {.write = {3000000, 5000000}}});
        rig_topic(rig, "orders", 2);
        rig_publish(rig);
        struct client *client = client_connect(rig, 0);
        for (int32_t i = 0; i < BATCHES; i++) {
            const struct bytes batch = batch_make(
                rig,
                &(struct batch_spec){.producer_id = 5, .sequence = i / 2, .value_bytes = 60000},
                buffer, sizeof(buffer));
            client_send_produce(client, 9, "orders", i % 2, -1, batch);
        }
        for (int32_t i = 0; i < BATCHES; i++) {
            const struct produced produced = client_receive_produced(client, 9);
            assert_int_equal(produced.error, ERROR_NONE);
            assert_int_equal(produced.base_offset, i / 2);
        }
        client_free(client);
        rig_destroy(rig);
    }
}

static void what_waits_for_a_partition_ends_when_the_topic_goes(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.cores = 2, .seed = 3});
    rig_topic(rig, "orders", 2);
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    sim_machine_set_flush(rig->machine, (struct sim_range){50000000, 50000000});
    for (int32_t i = 0; i < 10; i++) {
        const struct bytes batch = batch_make(rig, &(struct batch_spec){0}, buffer, sizeof(buffer));
        client_send_produce(client, 9, "orders", i % 2, -1, batch);
    }
    rig_run_ms(rig, 2);
    rig_remove(rig, "orders");
    rig_publish(rig);
    for (int32_t i = 0; i < 10; i++) {
        const int16_t error = client_receive_produced(client, 9).error;
        assert_true(error == ERROR_NONE || error == ERROR_NOT_LEADER_OR_FOLLOWER ||
                    error == ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    }
    client_free(client);
    rig_destroy(rig);
}

static void a_full_disk_is_told_and_heals(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 3});
    rig_topic(rig, "orders", 1);
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(client_put_record(client, "orders", 0, 0), 0);
    sim_device_set_capacity(rig->machine, 0, 1, 28 /* ENOSPC */);
    int16_t error = ERROR_NONE;
    for (uint32_t i = 0; i < 100 && error == ERROR_NONE; i++) {
        const struct bytes batch =
            batch_make(rig, &(struct batch_spec){.value_bytes = 500000}, buffer, sizeof(buffer));
        error = client_produce(client, 9, "orders", 0, 1, batch).error;
    }
    assert_int_equal(error, ERROR_KAFKA_STORAGE_ERROR);
    const struct fetched fetched =
        client_fetch(client, &(struct fetch_spec){.version = 6, .topic = "orders"});
    assert_true(fetched.partition_error == ERROR_NONE ||
                fetched.partition_error == ERROR_KAFKA_STORAGE_ERROR);
    sim_device_set_capacity(rig->machine, 0, UINT64_C(1) << 40, 28);
    for (uint32_t i = 0; i < 100 && error != ERROR_NONE; i++) {
        rig_run_ms(rig, 200);
        const struct bytes batch = batch_make(rig, &(struct batch_spec){0}, buffer, sizeof(buffer));
        error = client_produce(client, 9, "orders", 0, 1, batch).error;
    }
    assert_int_equal(error, ERROR_NONE);
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(B7_batches_that_wait_for_room_in_the_arena_keep_their_order),
        cmocka_unit_test(what_waits_for_a_partition_ends_when_the_topic_goes),
        cmocka_unit_test(a_full_disk_is_told_and_heals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
