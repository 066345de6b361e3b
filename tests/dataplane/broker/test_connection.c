#include "tests/dataplane/broker/rig.h"

#include <stdlib.h>

static struct rig *rig_limited(void (*change)(struct rig *rig))
{
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1});
    rig_topic(rig, "orders", 1);
    change(rig);
    rig_publish(rig);
    return rig;
}

static void ask_api_versions(struct client *client)
{
    const struct api_versions_request request = api_versions_request_default;
    SEND(client, API_VERSIONS, api_versions, 0, &request);
}

static void expect_api_versions(struct client *client, int32_t correlation_id)
{
    struct api_versions_response response;
    RECEIVE(client, API_VERSIONS, api_versions, 0, &response);
    assert_int_equal(client->received, correlation_id);
}

/* clang-format off */
static const struct { const char *what; uint8_t wire[16]; uint32_t len; bool frame; } closers[] = {
    {"B1 a negative length",      {0xff, 0xff, 0xff, 0xff},                              4,  true},
    {"B1 above the maximum",      {0x00, 0x20, 0x00, 0x01},                              4,  true},
    {"B1 2 GiB",                  {0x7f, 0xff, 0xff, 0xff},                              4,  true},
    {"B3 an unknown API",         {0, 0, 0, 10, 18, 52, 0, 0, 0, 0, 0, 1, 0xff, 0xff}, 14, false},
    {"B3 a version too new",      {0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff},    14, false},
    {"B3 a version too old",      {0, 0, 0, 10, 0, 1, 0, 3, 0, 0, 0, 1, 0xff, 0xff},     14, false},
    {"B3 produce 0, advertised",  {0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff},     14, false},
    {"B2 the header is cut",      {0, 0, 0, 7, 0, 3, 0, 1, 0, 0, 0},                     11, false},
    {"B2 a client id too long",   {0, 0, 0, 10, 0, 3, 0, 1, 0, 0, 0, 1, 0x10, 0x00},     14, false},
    {"the body is cut",           {0, 0, 0, 11, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0},  15, false},
};
/* clang-format on */

static void B1_B2_B3_what_cannot_be_understood_closes_the_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    for (size_t i = 0; i < ARRAY_SIZE(closers); i++) {
        const struct broker_counters before = rig->cores[0].statistics.counters;
        struct client *client = client_connect(rig, 0);
        client_put(client, closers[i].wire, closers[i].len);
        client_expect_closed(client);
        assert_int_equal(sim_peer_received(client->peer).len, 0);
        const struct broker_counters *after = &rig->cores[0].statistics.counters;
        assert_int_equal(after->connections_bad_frame - before.connections_bad_frame,
                         closers[i].frame);
        assert_int_equal(after->connections_bad_request - before.connections_bad_request,
                         !closers[i].frame);
        client_free(client);
    }
    rig_destroy(rig);
}

static void B3_what_was_asked_before_is_still_answered(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    ask_api_versions(client);
    client_put(client, closers[3].wire, closers[3].len);
    ask_api_versions(client); /* Never read. */
    expect_api_versions(client, 1);
    client_expect_closed(client);
    assert_false(client_answered(client));
    client_free(client);
    rig_destroy(rig);
}

static void B7_answers_come_in_request_order(void **state)
{
    (void)state;
    enum { REQUESTS = 200 };
    struct rig *rig =
        rig_create(&(struct rig_options){.cores = 2, .seed = 11, .transport = {.delay_in = 4}});
    rig_topic(rig, "orders", 2);
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    uint8_t buffer[512];
    const struct bytes batch = batch_make(rig, &(struct batch_spec){0}, buffer, sizeof(buffer));
    for (int32_t i = 0; i < REQUESTS; i++) {
        if (i % 5 == 4) {
            ask_api_versions(client);
        } else if (i % 7 == 6) {
            client_send_fetch(client, &(struct fetch_spec){.version = 11,
                                                           .topic = "orders",
                                                           .partition = i % 2,
                                                           .session_epoch = SESSIONLESS});
        } else {
            client_send_produce(client, 9, "orders", i % 2, i % 3 - 1 == 0 ? 1 : -1, batch);
        }
    }
    for (int32_t i = 0; i < REQUESTS; i++) {
        if (i % 5 == 4) {
            expect_api_versions(client, i + 1);
        } else if (i % 7 == 6) {
            assert_int_equal(client_receive_fetched(client, 11).partition_error, ERROR_NONE);
        } else {
            assert_int_equal(client_receive_produced(client, 9).error, ERROR_NONE);
        }
        assert_int_equal(client->received, i + 1);
    }
    client_free(client);
    rig_destroy(rig);
}

/* As Kafka, which reads the end of a stream only behind what came before it. */
static void what_a_peer_asked_before_it_ended_its_side_is_answered(void **state)
{
    (void)state;
    enum { REQUESTS = 100 };
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    uint8_t buffer[512];
    const struct bytes batch = batch_make(rig, &(struct batch_spec){0}, buffer, sizeof(buffer));
    for (int32_t i = 0; i < REQUESTS; i++) {
        client_send_produce(client, 9, "orders", i % 2, i % 3 == 0 ? 1 : -1, batch);
    }
    client_put(client, "\0\0\0\x20half", 8); /* Of a frame that never comes whole. */
    sim_peer_close(client->peer);
    for (int32_t i = 0; i < REQUESTS; i++) {
        const struct produced produced = client_receive_produced(client, 9);
        assert_int_equal(produced.error, ERROR_NONE);
        assert_int_equal(produced.base_offset, i / 2);
    }
    client_expect_closed(client);
    client_free(client);
    rig_destroy(rig);
}

static void a_long_poll_ends_with_the_peers_side(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    const struct fetch_spec poll = {.version = 12,
                                    .topic = "orders",
                                    .partition = 1,
                                    .max_wait_ms = INT32_MAX,
                                    .session_epoch = SESSIONLESS};
    uint8_t buffer[512];
    const struct bytes batch = batch_make(rig, &(struct batch_spec){0}, buffer, sizeof(buffer));
    for (int32_t waits = 0; waits < 2; waits++) {
        struct client *client = client_connect(rig, 0);
        if (waits == 0) { /* It starts when the end is known, behind this; else it is parked. */
            client_send_produce(client, 9, "orders", 0, -1, batch);
        }
        client_send_fetch(client, &poll);
        if (waits == 1) {
            client_expect_silence(client, 50);
        }
        sim_peer_close(client->peer);
        if (waits == 0) {
            assert_int_equal(client_receive_produced(client, 9).error, ERROR_NONE);
        }
        assert_int_equal(client_receive_fetched(client, 12).partition_error, ERROR_NONE);
        client_expect_closed(client);
        client_free(client);
    }
    assert_int_equal(rig->cores[0].statistics.counters.fetch_parked, 1);
    rig_destroy(rig);
}

static void B7_a_read_behind_a_write_sees_it(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    uint8_t buffer[512];
    for (int32_t i = 0; i < 20; i++) {
        const struct bytes batch = batch_make(rig, &(struct batch_spec){0}, buffer, sizeof(buffer));
        client_send_produce(client, 9, "orders", 1, 1, batch);
        client_send_fetch(client,
                          &(struct fetch_spec){.version = 4, .topic = "orders", .partition = 1});
        assert_int_equal(client_receive_produced(client, 9).base_offset, i);
        assert_int_equal(client_receive_fetched(client, 4).high_watermark, i + 1);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B9_idle_connections_are_closed(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1});
    rig->next.settings.connections_idle_ms_max = 10000;
    rig_publish(rig);
    struct client *idle = client_connect(rig, 0);
    struct client *busy = client_connect(rig, 0);
    for (int32_t i = 0; i < 20; i++) {
        ask_api_versions(busy);
        expect_api_versions(busy, i + 1);
        rig_run_ms(rig, 700);
    }
    assert_true(sim_peer_closed(idle->peer));
    assert_false(sim_peer_closed(busy->peer));
    assert_int_equal(rig->cores[0].statistics.counters.connections_idle_closed, 1);
    client_free(idle);
    client_free(busy);
    rig_destroy(rig);
}

static void at_most_three(struct rig *rig)
{
    rig->next.settings.connection_count_max = 3;
}

static void at_most_two_per_address(struct rig *rig)
{
    rig->next.settings.connection_per_ip_max = 2;
}

static void at_most_one_of_this_address(struct rig *rig)
{
    static const char overrides[] = "10.0.0.20:9,10.0.0:9, 10.0.0.2:1 ,10.0.0.2:7";
    rig->next.settings.connection_per_ip_overrides =
        (struct bytes){(const uint8_t *)overrides, sizeof(overrides) - 1};
}

static void connections_over_the_limit_are_refused(void **state)
{
    (void)state;
    void (*const limits[])(struct rig *) = {at_most_three, at_most_two_per_address,
                                            at_most_one_of_this_address};
    for (uint32_t i = 0; i < ARRAY_SIZE(limits); i++) {
        const uint32_t most = 3 - i;
        struct rig *rig = rig_limited(limits[i]);
        struct client *clients[5];
        for (uint32_t at = 0; at < 5; at++) {
            clients[at] = client_connect(rig, 0);
            rig_turn(rig);
            assert_int_equal(sim_peer_closed(clients[at]->peer), at >= most);
        }
        client_free(clients[0]);
        struct client *again = client_connect(rig, 0);
        rig_turn(rig);
        assert_false(sim_peer_closed(again->peer));
        client_free(again);
        for (uint32_t at = 1; at < 5; at++) {
            client_free(clients[at]);
        }
        rig_destroy(rig);
    }
}

/* As the transports ask; so many can come now. */
static uint32_t come_now(struct rig *rig, uint32_t core)
{
    const struct transport_user *user = broker_transport_user();
    uint32_t count = 0;
    while (count < 1000 &&
           user->accept_from_ns(rig->cores[core].broker) <= sim_machine_now_ns(rig->machine)) {
        struct client *client = client_connect(rig, core);
        rig_turn(rig);
        client_free(client);
        count++;
    }
    return count;
}

static void max_connection_creation_rate_holds_for_all_cores_together(void **state)
{
    (void)state;
    static const struct {
        uint32_t rate;
        uint32_t at_once; /* A quota of ten seconds. */
        uint32_t in_5_seconds;
    } rows[] = {{0, 1, 5}, {1, 10, 5}, {4, 40, 20}, {30, 300, 150}};
    struct rig *rig = rig_create(&(struct rig_options){.cores = 2, .seed = 1});
    rig_publish(rig);
    assert_int_equal(broker_transport_user()->accept_from_ns(rig->cores[0].broker), 0);
    for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
        rig->next.settings.connection_rate_max = rows[i].rate;
        rig_publish(rig);
        rig_run_ms(rig, 60000);
        uint32_t count = come_now(rig, 0);
        assert_in_range(count, rows[i].at_once, rows[i].at_once + 1 + rows[i].at_once / 20);
        assert_int_equal(come_now(rig, 1), 0);
        count = 0;
        for (uint32_t step = 0; step < 500; step++) {
            rig_run_ms(rig, 10);
            count += come_now(rig, step % 2);
        }
        assert_in_range(count, rows[i].in_5_seconds - 1, rows[i].in_5_seconds + 1);
    }
    rig_destroy(rig);
}

static void a_client_that_takes_no_answers_is_not_served_without_end(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *greedy = client_connect(rig, 0);
    struct client *other = client_connect(rig, 0);
    rig_turn(rig);
    sim_peer_stall(greedy->peer, true);
    for (uint32_t i = 0; i < 20000; i++) {
        ask_api_versions(greedy);
    }
    rig_run_ms(rig, 50);
    assert_true(sim_peer_waiting(greedy->peer) > 0); /* It is paused. */
    assert_true(rig->cores[0].statistics.counters.requests < 10000);
    ask_api_versions(other);
    expect_api_versions(other, 1);
    sim_peer_stall(greedy->peer, false);
    for (int32_t i = 0; i < 20000; i++) {
        expect_api_versions(greedy, i + 1);
    }
    client_free(greedy);
    client_free(other);
    rig_destroy(rig);
}

static struct client *client_that_asks_and_does_not_read(struct rig *rig)
{
    struct client *client = client_connect(rig, 0);
    rig_turn(rig);
    sim_peer_stall(client->peer, true);
    ask_api_versions(client);
    return client;
}

static void a_client_that_stays_stalled_is_cut_off(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_that_asks_and_does_not_read(rig);
    rig_run_ms(rig, 70000);
    assert_true(sim_peer_closed(client->peer));
    assert_int_equal(rig->cores[0].statistics.counters.connections_stall_closed, 1);
    client_free(client);
    rig_destroy(rig);
}

static void a_slow_reader_is_kept_while_it_goes_on(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    const uint64_t *closed = &rig->cores[0].statistics.counters.connections_stall_closed;
    struct client *client = client_that_asks_and_does_not_read(rig);
    for (uint32_t i = 0; i < 10; i++) {
        rig_run_ms(rig, SEND_STALL_MS_MAX / 2);
        sim_peer_take(client->peer, 1);
    }
    assert_int_equal(*closed, 0);
    sim_peer_stall(client->peer, false);
    expect_api_versions(client, 1);
    sim_peer_stall(client->peer, true);
    ask_api_versions(client);
    rig_run_ms(rig, SEND_STALL_MS_MAX / 2);
    sim_peer_take(client->peer, 1); /* The last. */
    rig_run_ms(rig, SEND_STALL_MS_MAX);
    assert_int_equal(*closed, 0);
    rig_run_ms(rig, 3 * SEND_LOOK_MS);
    assert_int_equal(*closed, 1);
    client_expect_closed(client);
    client_free(client);
    rig_destroy(rig);
}

static void a_stalled_reader_that_goes_on_sending_is_cut_off(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_that_asks_and_does_not_read(rig);
    static const uint8_t prefix[] = {0, 0, 0, 100};
    client_put(client, prefix, sizeof(prefix));
    for (uint32_t i = 0; i < 7; i++) {
        rig_run_ms(rig, 10000);
        client_put(client, prefix, 1);
    }
    assert_int_equal(rig->cores[0].statistics.counters.connections_stall_closed, 1);
    client_expect_closed(client);
    client_free(client);
    rig_destroy(rig);
}

static void a_close_does_not_wait_for_a_stalled_reader(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_that_asks_and_does_not_read(rig);
    static const uint8_t bad[] = {0xff, 0xff, 0xff, 0xff};
    client_put(client, bad, sizeof(bad));
    rig_run_ms(rig, 1000);
    assert_int_equal(rig->cores[0].statistics.counters.connections_bad_frame, 1);
    assert_false(sim_peer_closed(client->peer));
    rig_run_ms(rig, SEND_STALL_MS_MAX + 3 * SEND_LOOK_MS);
    assert_true(sim_peer_closed(client->peer));
    assert_int_equal(rig->cores[0].statistics.counters.connections_stall_closed, 1);
    client_free(client);
    rig_destroy(rig);
}

static void nothing_is_served_before_the_first_snapshot(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1});
    struct client *client = client_connect(rig, 0);
    ask_api_versions(client);
    client_expect_silence(client, 20);
    rig_publish(rig);
    expect_api_versions(client, 1);
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(B1_B2_B3_what_cannot_be_understood_closes_the_connection),
        cmocka_unit_test(B3_what_was_asked_before_is_still_answered),
        cmocka_unit_test(B7_answers_come_in_request_order),
        cmocka_unit_test(what_a_peer_asked_before_it_ended_its_side_is_answered),
        cmocka_unit_test(a_long_poll_ends_with_the_peers_side),
        cmocka_unit_test(B7_a_read_behind_a_write_sees_it),
        cmocka_unit_test(B9_idle_connections_are_closed),
        cmocka_unit_test(connections_over_the_limit_are_refused),
        cmocka_unit_test(max_connection_creation_rate_holds_for_all_cores_together),
        cmocka_unit_test(a_client_that_takes_no_answers_is_not_served_without_end),
        cmocka_unit_test(a_client_that_stays_stalled_is_cut_off),
        cmocka_unit_test(a_slow_reader_is_kept_while_it_goes_on),
        cmocka_unit_test(a_stalled_reader_that_goes_on_sending_is_cut_off),
        cmocka_unit_test(a_close_does_not_wait_for_a_stalled_reader),
        cmocka_unit_test(nothing_is_served_before_the_first_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
