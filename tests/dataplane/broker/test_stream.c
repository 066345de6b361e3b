#include "tests/dataplane/broker/rig.h"

#include <stdlib.h>

static uint8_t buffer[3 << 20];

static struct rig *rig_of(struct rig_options options, uint32_t message_bytes_max)
{
    struct rig *rig = rig_create(&options);
    rig_topic(rig, "orders", 1)->config.max_message_bytes = message_bytes_max;
    rig_publish(rig);
    return rig;
}

static struct bytes batch_of(const struct rig *rig, uint32_t value_bytes)
{
    return batch_make(rig, &(struct batch_spec){.value_bytes = value_bytes}, buffer,
                      sizeof(buffer));
}

static void H23_a_frame_may_be_cut_anywhere(void **state)
{
    (void)state;
    static const uint32_t pieces[] = {1, 2, 3, 4, 5, 7, 11, 13, 37};
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        struct rig *rig = rig_of(
            (struct rig_options){.seed = i,
                                 .transport = {.piece_bytes = pieces[i], .buffer_count = 32}},
            1 << 20);
        struct client *client = client_connect(rig, 0);
        for (uint32_t sent = 0; sent < 3; sent++) {
            client_send_produce(client, 9, "orders", 0, 1, batch_of(rig, 10));
        }
        for (uint32_t got = 0; got < 3; got++) {
            assert_int_equal(client_receive_produced(client, 9).base_offset, got);
        }
        client_free(client);
        rig_destroy(rig);
    }
}

/* Sizes around every border: pieces, the direct limit, units of frame memory. */
static const uint32_t sizes[] = {
    100,    4000,   4096,   16000,  16384,  32768,   65536,   130000,
    131000, 131072, 200000, 262144, 500000, 1000000, 1048576, 2000000,
};

static void H24_frames_of_every_size_arrive_whole(void **state)
{
    (void)state;
    struct rig *rig =
        rig_of((struct rig_options){.seed = 2, .request_bytes_max = 3 << 20}, 3 << 20);
    struct client *client = client_connect(rig, 0);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        const struct produced produced =
            client_produce(client, 9, "orders", 0, 1, batch_of(rig, sizes[i]));
        assert_int_equal(produced.error, ERROR_NONE); /* Its CRC was right. */
        assert_int_equal(produced.base_offset, i);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H24_pipelined_frames_of_mixed_size_keep_their_order(void **state)
{
    (void)state;
    struct rig *rig = rig_of((struct rig_options){.seed = 3,
                                                  .request_bytes_max = 3 << 20,
                                                  .arena_bytes = 32 << 20,
                                                  .transport = {.delay_in = 2}},
                             3 << 20);
    struct client *client = client_connect(rig, 0);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        client_send_produce(client, 9, "orders", 0, 1, batch_of(rig, sizes[(i * 7) % 16]));
    }
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        const struct produced produced = client_receive_produced(client, 9);
        assert_int_equal(produced.error, ERROR_NONE);
        assert_int_equal(produced.base_offset, i);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H24_large_frames_of_many_take_turns_for_the_memory(void **state)
{
    (void)state;
    enum { CLIENTS = 12 };
    struct rig *rig =
        rig_of((struct rig_options){.seed = 4,
                                    .request_bytes_max = 3 << 20,
                                    .arena_bytes = 64 << 20,
                                    .transport = {.buffer_bytes = 16384, .piece_bytes = 16384}},
               3 << 20);
    struct client *clients[CLIENTS];
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = client_connect(rig, 0);
        client_send_produce(clients[i], 9, "orders", 0, 1, batch_of(rig, 2500000));
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(client_receive_produced(clients[i], 9).error, ERROR_NONE);
    }
    assert_true(rig->cores[0].statistics.counters.frames_waited > 0);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        client_free(clients[i]);
    }
    rig_destroy(rig);
}

static void little_stash(struct broker_limits *limits)
{
    limits->stash_bytes = 16 << 10;
}

static void who_sends_much_at_once_is_held_back_not_cut_off(void **state)
{
    (void)state;
    enum { REQUESTS = 60 };
    struct rig *rig = rig_of((struct rig_options){.seed = 10,
                                                  .limit = little_stash,
                                                  .request_bytes_max = 1 << 20,
                                                  .transport = {.buffer_count = 32}},
                             1 << 20);
    struct client *client = client_connect(rig, 0);
    for (uint32_t i = 0; i < REQUESTS; i++) {
        client_send_produce(client, 9, "orders", 0, 1, batch_of(rig, 40000));
    }
    for (uint32_t i = 0; i < REQUESTS; i++) {
        assert_int_equal(client_receive_produced(client, 9).error, ERROR_NONE);
    }
    assert_int_equal(rig->cores[0].statistics.counters.connections_overload_closed, 0);
    client_free(client);
    rig_destroy(rig);
}

/* They wait with bytes copied out of receive buffers: these must not lie where they wait for room.
 */
static void H24_what_waiting_frames_hold_leaves_the_memory_to_them(void **state)
{
    (void)state;
    enum { CLIENTS = 30 };
    struct rig *rig = rig_of((struct rig_options){.seed = 9,
                                                  .request_bytes_max = 3 << 20,
                                                  .arena_bytes = 64 << 20,
                                                  .transport = {.buffer_count = 16}},
                             3 << 20);
    struct client *clients[CLIENTS];
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = client_connect(rig, 0);
        client_send_produce(clients[i], 9, "orders", 0, 1, batch_of(rig, (3 << 20) - 200));
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(client_receive_produced(clients[i], 9).error, ERROR_NONE);
        client_free(clients[i]);
    }
    const struct broker_counters *counters = &rig->cores[0].statistics.counters;
    assert_true(counters->frames_copied > 0);
    assert_int_equal(counters->connections_overload_closed, 0);
    assert_int_equal(counters->connections_stall_closed, 0);
    rig_destroy(rig);
}

/* Whoever announces the largest frame and sends next to nothing. */
static void H24_a_frame_that_trickles_in_makes_room_soon(void **state)
{
    (void)state;
    enum { MS_MAX = FRAME_STALL_MS_MAX + 1048576 / FRAME_RATE_BYTES_MIN * 1000 + 5000 };
    static const uint8_t prefix[] = {0, 0x28, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff};
    struct rig *rig = rig_of(
        (struct rig_options){.seed = 10, .request_bytes_max = 3 << 20, .arena_bytes = 32 << 20},
        3 << 20);
    struct client *trickler = client_connect(rig, 0);
    client_put(trickler, prefix, sizeof(prefix));
    rig_run_ms(rig, 10);
    struct client *client = client_connect(rig, 0);
    client_send_produce(client, 9, "orders", 0, 1, batch_of(rig, 2500000));
    uint32_t ms = 0;
    for (; ms < MS_MAX && !client_answered(client); ms += 1000) {
        client_put(trickler, prefix, 1);
        rig_run_ms(rig, 1000);
    }
    assert_in_range(ms, FRAME_STALL_MS_MAX, MS_MAX - 1);
    assert_int_equal(client_receive_produced(client, 9).error, ERROR_NONE);
    assert_int_equal(rig->cores[0].statistics.counters.connections_stall_closed, 1);
    client_free(trickler);
    client_free(client);
    rig_destroy(rig);
}

/* Large frames that never end must not keep others from the memory for ever. */
static void H24_a_large_frame_that_stalls_makes_room(void **state)
{
    (void)state;
    enum { STALLERS = 8 };
    static const uint8_t prefix[] = {0, 0x28, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff};
    struct rig *rig = rig_of(
        (struct rig_options){.seed = 5, .request_bytes_max = 3 << 20, .arena_bytes = 32 << 20},
        3 << 20);
    struct client *stallers[STALLERS];
    for (uint32_t i = 0; i < STALLERS; i++) {
        stallers[i] = client_connect(rig, 0);
        client_put(stallers[i], prefix, sizeof(prefix));
    }
    rig_run_ms(rig, 10);
    struct client *client = client_connect(rig, 0);
    client_send_produce(client, 9, "orders", 0, 1, batch_of(rig, 2500000));
    client_expect_silence(client, 50);
    for (uint32_t ms = 0; ms < 400000 && !client_answered(client); ms += 1000) {
        rig_run_ms(rig, 1000);
    }
    assert_int_equal(client_receive_produced(client, 9).error, ERROR_NONE);
    assert_true(rig->cores[0].statistics.counters.connections_stall_closed > 0);
    for (uint32_t i = 0; i < STALLERS; i++) {
        client_free(stallers[i]);
    }
    client_free(client);
    rig_destroy(rig);
}

static void put_prefix(struct client *client, uint32_t frame_bytes)
{
    uint8_t prefix[] = {0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff};
    store_be32(prefix, frame_bytes);
    client_put(client, prefix, sizeof(prefix));
}

static void H24_ordinary_frames_pass_larger_ones_that_wait(void **state)
{
    (void)state;
    enum { STALLERS = 8 };
    struct rig *rig = rig_of(
        (struct rig_options){.seed = 10, .request_bytes_max = 3 << 20, .arena_bytes = 32 << 20},
        3 << 20);
    struct client *stallers[STALLERS];
    for (uint32_t i = 0; i < STALLERS; i++) {
        stallers[i] = client_connect(rig, 0);
        put_prefix(stallers[i], 3 << 20);
    }
    rig_run_ms(rig, 10);
    const uint64_t before_ms = rig_now_ms(rig);
    struct client *client = client_connect(rig, 0);
    for (int64_t i = 0; i < 5; i++) {
        const struct produced produced =
            client_produce(client, 9, "orders", 0, 1, batch_of(rig, 1000000));
        assert_int_equal(produced.error, ERROR_NONE);
        assert_int_equal(produced.base_offset, i);
    }
    assert_true(rig_now_ms(rig) - before_ms < 1000);
    for (uint32_t i = 0; i < STALLERS; i++) {
        client_free(stallers[i]);
    }
    client_free(client);
    rig_destroy(rig);
}

/* A complete frame that may not start yet would keep its memory for as long as the fetch waits. */
static void H24_a_large_frame_behind_a_parked_fetch_takes_no_memory(void **state)
{
    (void)state;
    enum { PARKED = 8 };
    struct rig *rig = rig_of(
        (struct rig_options){.seed = 12, .request_bytes_max = 3 << 20, .arena_bytes = 32 << 20},
        3 << 20);
    struct client *parked[PARKED];
    for (uint32_t i = 0; i < PARKED; i++) {
        parked[i] = client_connect(rig, 0);
        client_send_fetch(
            parked[i],
            &(struct fetch_spec){.version = 4, .topic = "orders", .max_wait_ms = 3600 * 1000});
        rig_run_ms(rig, 1);
        client_send_produce(parked[i], 9, "orders", 0, 1, batch_of(rig, 2500000));
    }
    rig_run_ms(rig, 10);
    struct client *client = client_connect(rig, 0);
    client_send_produce(client, 9, "orders", 0, 1, batch_of(rig, 2500000));
    assert_int_equal(client_receive_produced(client, 9).base_offset, 0);
    for (uint32_t i = 0; i < PARKED; i++) { /* Now the fetches have something to tell. */
        assert_int_equal(client_receive_fetched(parked[i], 4).error, ERROR_NONE);
        assert_int_equal(client_receive_produced(parked[i], 9).error, ERROR_NONE);
        client_free(parked[i]);
    }
    client_free(client);
    rig_destroy(rig);
}

static void half_frames_of_many_leave_receive_buffers_to_others(void **state)
{
    (void)state;
    enum { SLOW = 300 };
    struct rig *rig =
        rig_of((struct rig_options){.seed = 6, .transport = {.buffer_count = 16}}, 1 << 20);
    struct client *slow[SLOW];
    static const uint8_t half[] = {0, 0, 0x10, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 1, 2, 3};
    for (uint32_t i = 0; i < SLOW; i++) {
        slow[i] = client_connect(rig, 0);
        client_put(slow[i], half, sizeof(half));
    }
    rig_run_ms(rig, 5);
    struct client *client = client_connect(rig, 0);
    for (int64_t i = 0; i < 10; i++) {
        assert_int_equal(client_put_record(client, "orders", 0, i), i);
    }
    assert_true(rig->cores[0].statistics.counters.frames_copied > 0);
    assert_int_equal(rig->cores[0].statistics.counters.connections_overload_closed, 0);
    for (uint32_t i = 0; i < SLOW; i++) {
        client_free(slow[i]);
    }
    client_free(client);
    rig_destroy(rig);
}

static void what_is_piled_up_behind_a_parked_fetch_leaves_buffers_to_others(void **state)
{
    (void)state;
    enum { PARKED = 40 };
    struct rig *rig =
        rig_of((struct rig_options){.seed = 7, .transport = {.buffer_count = 16}}, 1 << 20);
    struct client *parked[PARKED];
    for (uint32_t i = 0; i < PARKED; i++) {
        parked[i] = client_connect(rig, 0);
        client_send_fetch(parked[i], &(struct fetch_spec){
                                         .version = 4, .topic = "orders", .max_wait_ms = 100000});
        rig_run_ms(rig, 1);
        for (uint32_t more = 0; more < 30; more++) {
            client_send_fetch(
                parked[i],
                &(struct fetch_spec){.version = 4, .topic = "orders", .max_wait_ms = 100000});
        }
    }
    rig_run_ms(rig, 5);
    struct client *client = client_connect(rig, 0);
    assert_int_equal(client_put_record(client, "orders", 0, 1), 0);
    for (uint32_t i = 0; i < PARKED; i++) {
        for (uint32_t more = 0; more < 31; more++) {
            assert_int_equal(client_receive_fetched(parked[i], 4).record_count, 1);
        }
        client_free(parked[i]);
    }
    client_free(client);
    rig_destroy(rig);
}

static void a_connection_may_end_at_any_byte_of_a_frame(void **state)
{
    (void)state;
    struct rig *rig =
        rig_of((struct rig_options){.seed = 8, .request_bytes_max = 3 << 20}, 3 << 20);
    static const uint32_t cuts[] = {1, 3, 4, 5, 12, 14, 100, 4096, 20000, 140000, 299999};
    for (size_t i = 0; i < ARRAY_SIZE(cuts) * 2; i++) {
        struct client *client = client_connect(rig, 0);
        const struct bytes batch = batch_of(rig, i % 2 == 0 ? 300000 : 100000);
        struct produce_request_partition one = {.records = chain_of(&batch)};
        struct produce_request_topic named = produce_request_topic_default;
        struct produce_request request = produce_request_default;
        struct writer writer;
        named.name = text_chain("orders");
        named.partition_data.items = &one;
        named.partition_data.count = 1;
        request.acks = 1;
        request.topic_data.items = &named;
        request.topic_data.count = 1;
        client_writer(client, &writer, API_PRODUCE, 9);
        assert_int_equal(produce_request_encode(&writer, 9, &request), CODEC_OK);
        assert_int_equal(frame_end(&writer), CODEC_OK);
        client_put(client, client->buffer, min_u32(cuts[i / 2], writer_used(&writer) - 1));
        rig_run_ms(rig, 3);
        client_free(client);
    }
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(H23_a_frame_may_be_cut_anywhere),
        cmocka_unit_test(H24_frames_of_every_size_arrive_whole),
        cmocka_unit_test(H24_pipelined_frames_of_mixed_size_keep_their_order),
        cmocka_unit_test(H24_large_frames_of_many_take_turns_for_the_memory),
        cmocka_unit_test(H24_what_waiting_frames_hold_leaves_the_memory_to_them),
        cmocka_unit_test(H24_a_frame_that_trickles_in_makes_room_soon),
        cmocka_unit_test(H24_a_large_frame_that_stalls_makes_room),
        cmocka_unit_test(H24_ordinary_frames_pass_larger_ones_that_wait),
        cmocka_unit_test(H24_a_large_frame_behind_a_parked_fetch_takes_no_memory),
        cmocka_unit_test(half_frames_of_many_leave_receive_buffers_to_others),
        cmocka_unit_test(what_is_piled_up_behind_a_parked_fetch_leaves_buffers_to_others),
        cmocka_unit_test(a_connection_may_end_at_any_byte_of_a_frame),
        cmocka_unit_test(who_sends_much_at_once_is_held_back_not_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
