/* The bytes of a connection: nothing lost, nothing twice, nothing out of order, and nobody held up
 * by somebody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "storage/base/random.h"
#include "tests/dataplane/sock/bench.h"

static struct bench bench;

static uint8_t stream_byte(uint64_t at)
{
    return (uint8_t)(at * 31 + at / 251);
}

/* Sends up to size bytes of the stream from position `at`; returns how many the socket took. */
static uint64_t client_send(int fd, uint64_t at, uint64_t size)
{
    static uint8_t bytes[1 << 16];
    const uint64_t count = min_u64(size, sizeof(bytes));
    for (uint64_t i = 0; i < count; i++) {
        bytes[i] = stream_byte(at + i);
    }
    const ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
    assert_true(sent >= 0 || errno == EAGAIN);
    return sent < 0 ? 0 : (uint64_t)sent;
}

/* Receives at most size bytes and checks them against the stream at position `at`. */
static uint64_t client_receive(int fd, uint64_t at, uint64_t size)
{
    static uint8_t bytes[1 << 16];
    const ssize_t count = recv(fd, bytes, min_u64(size, sizeof(bytes)), 0);
    if (count < 0) {
        assert_int_equal(errno, EAGAIN);
        return 0;
    }
    assert_true(count > 0);
    for (ssize_t i = 0; i < count; i++) {
        assert_int_equal(bytes[i], stream_byte(at + (uint64_t)i));
    }
    return (uint64_t)count;
}

static void bytes_come_back_as_they_went_however_they_are_cut(void **state)
{
    (void)state;
    const uint64_t total = 8 << 20;
    struct random random;
    random_init(&random, 3);
    bench_open(&bench, BENCH_ECHO);
    const int client = bench_connect(&bench);
    uint64_t sent = 0;
    uint64_t received = 0;
    while (received < total) {
        if (sent < total && random_one_in(&random, 2)) {
            const uint64_t size = 1 + random_below(&random, random_one_in(&random, 2) ? 64 : 65536);
            sent += client_send(client, sent, min_u64(size, total - sent));
        }
        if (random_one_in(&random, 3)) {
            received += client_receive(client, received, 1 + random_below(&random, 65536));
        }
        bench_turn(&bench, 0);
    }
    const struct sock_counters *counters = sock_counters(bench.sock);
    assert_int_equal(counters->received_bytes, total);
    BENCH_UNTIL(&bench, counters->sent_bytes == total);
    close(client);
    BENCH_UNTIL(&bench, counters->open == 0);
    bench_close(&bench);
}

static void sends_of_one_turn_leave_in_one_request(void **state)
{
    (void)state;
    static const char text[] = "0123456789";
    bench_open(&bench, BENCH_COUNT);
    const int client = bench_connect(&bench);
    BENCH_UNTIL(&bench, bench.user_count == 1);
    struct bench_user *user = &bench.users[0];
    for (uint32_t i = 0; i < 20; i++) {
        const struct send_part parts[3] = {
            {{(const uint8_t *)text + i % 10, 1}}, {{NULL, 0}}, {{NULL, 0}}};
        assert_true(user->connection->transport->ops->send(user->connection, parts, i % 2 + 1,
                                                           ++user->tokens_made));
    }
    BENCH_UNTIL(&bench, user->tokens_sent == 20);
    assert_int_equal(sock_counters(bench.sock)->sends, 1);
    char got[64];
    assert_int_equal(recv(client, got, sizeof(got), 0), 20);
    assert_memory_equal(got, "01234567890123456789", 20);
    close(client);
    bench_close(&bench);
}

static void a_send_of_no_bytes_comes_back_too(void **state)
{
    (void)state;
    bench_open(&bench, BENCH_COUNT);
    const int client = bench_connect(&bench);
    BENCH_UNTIL(&bench, bench.user_count == 1);
    struct bench_user *user = &bench.users[0];
    assert_true(
        user->connection->transport->ops->send(user->connection, NULL, 0, ++user->tokens_made));
    assert_int_equal(user->tokens_sent, 0);
    BENCH_UNTIL(&bench, user->tokens_sent == 1);
    close(client);
    bench_close(&bench);
}

static void a_paused_connection_takes_nothing_in_and_loses_nothing(void **state)
{
    (void)state;
    bench_open(&bench, BENCH_COUNT);
    const int client = bench_connect(&bench);
    BENCH_UNTIL(&bench, bench.user_count == 1);
    struct bench_user *user = &bench.users[0];
    const struct transport_ops *ops = user->connection->transport->ops;
    uint64_t sent = 0;
    uint64_t sum = 0;
    for (uint32_t round = 0; round < 5; round++) {
        ops->pause(user->connection);
        ops->pause(user->connection);
        for (uint32_t i = 0; i < 5; i++) {
            bench_turn(&bench, 1);
        }
        const uint64_t before = user->received_bytes;
        const uint64_t count = client_send(client, sent, 20000);
        for (uint64_t i = 0; i < count; i++) {
            const uint8_t byte = stream_byte(sent + i);
            sum = bench_sum(sum, sent + i, &byte, 1);
        }
        sent += count;
        for (uint32_t i = 0; i < 10; i++) {
            bench_turn(&bench, 1);
        }
        assert_int_equal(user->received_bytes, before);
        ops->resume(user->connection);
        if (round % 2 == 0) { /* Off and on again before the cancel is through. */
            ops->pause(user->connection);
            ops->resume(user->connection);
        }
        BENCH_UNTIL(&bench, user->received_bytes == sent);
        assert_int_equal(user->received_sum, sum);
    }
    close(client);
    BENCH_UNTIL(&bench, user->closed);
    bench_close(&bench);
}

static void when_buffers_run_dry_receiving_stops_and_goes_on_as_they_come_back(void **state)
{
    (void)state;
    const uint64_t total = 3 * BENCH_BUFFERS * BENCH_BUFFER_BYTES;
    bench_open(&bench, BENCH_HOLD);
    int clients[2];
    uint64_t sent[2] = {0};
    for (uint32_t i = 0; i < 2; i++) {
        clients[i] = bench_connect(&bench);
    }
    BENCH_UNTIL(&bench, bench.user_count == 2);
    struct transport *transport = sock_transport(bench.sock);
    uint64_t received = 0;
    while (received < 2 * total) {
        for (uint32_t i = 0; i < 2; i++) {
            sent[i] += client_send(clients[i], sent[i], total - sent[i]);
        }
        for (uint32_t i = 0; i < 4; i++) {
            bench_turn(&bench, 1);
        }
        /* Everything held until the buffers are gone, then half of it comes back. */
        for (uint32_t i = 0; i < 2; i++) {
            struct bench_user *user = &bench.users[i];
            for (uint32_t j = 0; j < user->held_count; j += 2) {
                transport->ops->release(transport, user->held[j].buffer);
                user->held[j / 2] = user->held[min_u32(j + 1, user->held_count - 1)];
            }
            user->held_count /= 2;
        }
        received = bench.users[0].received_bytes + bench.users[1].received_bytes;
    }
    assert_true(sock_counters(bench.sock)->starved > 0);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < total; i++) {
        const uint8_t byte = stream_byte(i);
        sum = bench_sum(sum, i, &byte, 1);
    }
    assert_int_equal(bench.users[0].received_sum, sum);
    assert_int_equal(bench.users[1].received_sum, sum);
    close(clients[0]);
    close(clients[1]);
    bench_close(&bench);
}

static void large_frames_go_straight_to_their_memory(void **state)
{
    (void)state;
    static uint8_t stream[24 << 20];
    uint32_t size = 0;
    uint64_t frame_count = 0;
    uint64_t frame_bytes = 0;
    struct random random;
    random_init(&random, 11);
    while (size < sizeof(stream) - BENCH_FRAME_BYTES_MAX - 4) {
        static const uint32_t scales[] = {10, 3000, 9000, 100000, BENCH_FRAME_BYTES_MAX};
        const uint32_t len = 1 + (uint32_t)random_below(&random, scales[frame_count % 5]);
        store_be32(stream + size, len);
        for (uint32_t i = 0; i < len; i++) {
            stream[size + 4 + i] = (uint8_t)(frame_count * 7 + i);
        }
        size += 4 + len;
        frame_count++;
        frame_bytes += len;
    }
    bench_open(&bench, BENCH_FRAMES);
    const int client = bench_connect(&bench);
    BENCH_UNTIL(&bench, bench.user_count == 1);
    struct bench_user *user = &bench.users[0];
    uint32_t sent = 0;
    while (sent < size) {
        const ssize_t count =
            send(client, stream + sent,
                 min_u32(size - sent, 1 + (uint32_t)random_below(&random, 400000)), MSG_NOSIGNAL);
        sent += count < 0 ? 0 : (uint32_t)count;
        if (random_one_in(&random, 20)) { /* In the middle of whatever. */
            user->connection->transport->ops->pause(user->connection);
            bench_turn(&bench, 0);
            user->connection->transport->ops->resume(user->connection);
        }
        bench_turn(&bench, 0);
    }
    BENCH_UNTIL(&bench, user->frames == frame_count);
    assert_int_equal(user->frame_bytes, frame_bytes);
    assert_true(sock_counters(bench.sock)->received_direct_bytes > frame_bytes / 4);
    close(client);
    BENCH_UNTIL(&bench, user->closed);
    bench_close(&bench);
}

static void readers_that_stop_reading_leave_room_for_the_others(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 20];
    bench_open(&bench, BENCH_COUNT);
    int clients[BENCH_CONNECTIONS];
    for (uint32_t i = 0; i < ARRAY_SIZE(clients); i++) {
        clients[i] = bench_connect(&bench);
    }
    BENCH_UNTIL(&bench, bench.user_count == ARRAY_SIZE(clients));
    const struct transport_ops *ops = sock_transport(bench.sock)->ops;
    const struct send_part part = {{bytes, sizeof(bytes)}};
    for (uint32_t i = 0; i + 1 < ARRAY_SIZE(clients); i++) { /* All but the last, greedily. */
        struct bench_user *user = &bench.users[i];
        while (ops->send(user->connection, &part, 1, user->tokens_made + 1)) {
            user->tokens_made++;
        }
        assert_true(user->tokens_made >= 1 && user->tokens_made <= SOCK_SENDS_MAX);
    }
    struct bench_user *last = &bench.users[ARRAY_SIZE(clients) - 1];
    const struct send_part small = {{bytes, 100}};
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(ops->send(last->connection, &small, 1, ++last->tokens_made));
        BENCH_UNTIL(&bench, last->tokens_sent == last->tokens_made);
    }
    assert_true(sock_counters(bench.sock)->sends_refused > 0);
    for (uint32_t i = 0; i < ARRAY_SIZE(clients); i++) {
        close(clients[i]);
    }
    BENCH_UNTIL(&bench, sock_counters(bench.sock)->open == 0);
    bench_close(&bench);
}

static void what_a_slow_reader_takes_shows_while_its_send_is_under_way(void **state)
{
    (void)state;
    static uint8_t bytes[32 << 20];
    for (uint32_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = stream_byte(i);
    }
    bench_open(&bench, BENCH_COUNT);
    const int client = bench_connect(&bench);
    const int window = 64 * 1024;
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window)), 0);
    BENCH_UNTIL(&bench, bench.user_count == 1);
    struct bench_user *user = &bench.users[0];
    const struct transport_ops *ops = user->connection->transport->ops;
    const struct send_part part = {{bytes, sizeof(bytes)}};
    assert_true(ops->send(user->connection, &part, 1, ++user->tokens_made));
    uint64_t received = 0;
    for (uint32_t i = 0; i < 4; i++) {
        const uint64_t before = ops->acknowledged_bytes(user->connection);
        const uint64_t target = received + (1 << 20);
        while (received < target) {
            received += client_receive(client, received, target - received);
            bench_turn(&bench, 0);
        }
        BENCH_UNTIL(&bench, ops->acknowledged_bytes(user->connection) > before);
        assert_int_equal(user->tokens_sent, 0);
    }
    while (received < sizeof(bytes)) {
        received += client_receive(client, received, sizeof(bytes) - received);
        bench_turn(&bench, 0);
    }
    BENCH_UNTIL(&bench, ops->acknowledged_bytes(user->connection) >= sizeof(bytes));
    assert_int_equal(user->tokens_sent, 1);
    close(client);
    BENCH_UNTIL(&bench, user->closed);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back_as_they_went_however_they_are_cut),
        cmocka_unit_test(sends_of_one_turn_leave_in_one_request),
        cmocka_unit_test(a_send_of_no_bytes_comes_back_too),
        cmocka_unit_test(a_paused_connection_takes_nothing_in_and_loses_nothing),
        cmocka_unit_test(when_buffers_run_dry_receiving_stops_and_goes_on_as_they_come_back),
        cmocka_unit_test(large_frames_go_straight_to_their_memory),
        cmocka_unit_test(readers_that_stop_reading_leave_room_for_the_others),
        cmocka_unit_test(what_a_slow_reader_takes_shows_while_its_send_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
