#include "tests/dataplane/broker/rig.h"

static uint8_t buffer[200000];

static void little_pinned(struct broker_limits *limits)
{
    limits->pinned_bytes = 100000;
}

static void slow_readers_cannot_pin_the_whole_arena(void **state)
{
    (void)state;
    enum { READERS = 10 };
    struct rig *rig = rig_create(&(struct rig_options){.seed = 4, .limit = little_pinned});
    rig_topic(rig, "orders", 1);
    rig_publish(rig);
    struct client *producer = client_connect(rig, 0);
    for (uint32_t i = 0; i < 10; i++) {
        const struct bytes batch =
            batch_make(rig, &(struct batch_spec){.value_bytes = 20000}, buffer, sizeof(buffer));
        assert_int_equal(client_produce(producer, 9, "orders", 0, 1, batch).error, ERROR_NONE);
    }
    struct client *readers[READERS];
    for (uint32_t i = 0; i < READERS; i++) {
        readers[i] = client_connect(rig, 0);
        rig_turn(rig);
        sim_peer_stall(readers[i]->peer, true);
        client_send_fetch(
            readers[i],
            &(struct fetch_spec){.version = 4, .topic = "orders", .partition_max_bytes = 60000});
    }
    rig_run_ms(rig, 1000);
    assert_true(rig->cores[0].statistics.counters.fetch_reads_short > 0);
    assert_true(client_put_record(producer, "orders", 0, 1) > 0);
    for (uint32_t i = 0; i < READERS; i++) {
        sim_peer_stall(readers[i]->peer, false);
        assert_int_equal(client_receive_fetched(readers[i], 4).partition_error, ERROR_NONE);
        client_free(readers[i]);
    }
    client_free(producer);
    rig_destroy(rig);
}

static void some_pinned(struct broker_limits *limits)
{
    limits->pinned_bytes = 1 << 20;
}

/* Clients at the other core than the partition's that have asked for data and read none of it. */
static struct rig *rig_with_deaf_readers(struct client **readers, uint32_t count, uint32_t bytes,
                                         void (*limit)(struct broker_limits *limits))
{
    struct rig *rig = rig_create(&(struct rig_options){.cores = 2, .seed = 5, .limit = limit});
    const struct snapshot_topic *topic = rig_topic(rig, "orders", 1);
    const uint32_t owner = snapshot_partition_core(&topic->id, 0, 2);
    rig_publish(rig);
    struct client *producer = client_connect(rig, 0);
    for (uint32_t done = 0; done < 1 << 20; done += bytes) {
        const struct bytes batch =
            batch_make(rig, &(struct batch_spec){.value_bytes = bytes}, buffer, sizeof(buffer));
        assert_int_equal(client_produce(producer, 9, "orders", 0, 1, batch).error, ERROR_NONE);
    }
    client_free(producer);
    for (uint32_t i = 0; i < count; i++) {
        readers[i] = client_connect(rig, 1 - owner);
        rig_turn(rig);
        sim_peer_stall(readers[i]->peer, true);
        client_send_fetch(readers[i], &(struct fetch_spec){.version = 4, .topic = "orders"});
    }
    rig_run_ms(rig, 100);
    return rig;
}

static void who_does_not_read_leaves_log_memory_to_others(void **state)
{
    (void)state;
    enum { READERS = 8 };
    struct client *readers[READERS];
    struct rig *rig = rig_with_deaf_readers(readers, READERS, 2000, some_pinned);
    struct client *client = client_connect(rig, 0);
    const uint64_t before_ms = rig_now_ms(rig);
    assert_true(
        client_fetch(client, &(struct fetch_spec){.version = 4, .topic = "orders"}).record_count >
        0);
    assert_true(rig_now_ms(rig) - before_ms < 100);
    for (uint32_t i = 0; i < READERS; i++) {
        client_free(readers[i]);
    }
    client_free(client);
    rig_destroy(rig);
}

static void who_does_not_read_ends_soon_where_others_wait_for_log_memory(void **state)
{
    (void)state;
    enum { READERS = 8 };
    struct client *readers[READERS];
    struct rig *rig = rig_with_deaf_readers(readers, READERS, 50000, little_pinned);
    struct client *client = client_connect(rig, 0);
    struct fetched fetched = {0};
    for (uint32_t tries = 0; tries < 40 && fetched.record_count == 0; tries++) {
        fetched = client_fetch(client, &(struct fetch_spec){.version = 4, .topic = "orders"});
        assert_int_equal(fetched.partition_error, ERROR_NONE);
        rig_run_ms(rig, 200);
    }
    assert_true(fetched.record_count > 0);
    assert_true(rig_now_ms(rig) < SEND_STALL_WAITED_MS_MAX + 5000);
    for (uint32_t i = 0; i < READERS; i++) {
        client_free(readers[i]);
    }
    client_free(client);
    rig_destroy(rig);
}

static void one_record_wakes_all_that_wait_for_it(void **state)
{
    (void)state;
    enum { READERS = 40 };
    struct rig *rig = rig_create(&(struct rig_options){.cores = 4, .seed = 4});
    rig_topic(rig, "orders", 1);
    rig_publish(rig);
    struct client *readers[READERS];
    for (uint32_t i = 0; i < READERS; i++) {
        readers[i] = client_connect(rig, i % 4);
        client_send_fetch(readers[i], &(struct fetch_spec){
                                          .version = 4, .topic = "orders", .max_wait_ms = 100000});
    }
    rig_run_ms(rig, 3);
    struct client *producer = client_connect(rig, 1);
    (void)client_put_record(producer, "orders", 0, 1);
    for (uint32_t i = 0; i < READERS; i++) {
        assert_int_equal(client_receive_fetched(readers[i], 4).record_count, 1);
        client_free(readers[i]);
    }
    client_free(producer);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_readers_cannot_pin_the_whole_arena),
        cmocka_unit_test(who_does_not_read_leaves_log_memory_to_others),
        cmocka_unit_test(who_does_not_read_ends_soon_where_others_wait_for_log_memory),
        cmocka_unit_test(one_record_wakes_all_that_wait_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
