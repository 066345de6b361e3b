/* Connections of the kernel-socket path: how they come, how many, and how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/dataplane/sock/bench.h"

static struct bench bench;

static void a_connection_opens_with_both_addresses_and_ends_when_the_peer_closes(void **state)
{
    (void)state;
    bench_open(&bench, BENCH_COUNT);
    const int client = bench_connect(&bench);
    struct sockaddr_in own = {0};
    socklen_t len = sizeof(own);
    assert_int_equal(getsockname(client, (struct sockaddr *)&own, &len), 0);
    BENCH_UNTIL(&bench, bench.user_count == 1);
    static const uint8_t loopback[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    assert_memory_equal(bench.users[0].peer.ip, loopback, 16);
    assert_int_equal(bench.users[0].peer.port, ntohs(own.sin_port));
    assert_memory_equal(bench.users[0].local.ip, loopback, 16);
    assert_int_equal(bench.users[0].local.port, bench.address.port);
    close(client);
    BENCH_UNTIL(&bench, bench.users[0].closed);
    assert_int_equal(bench.users[0].reason, TRANSPORT_CLOSED_BY_PEER);
    BENCH_UNTIL(&bench, sock_counters(bench.sock)->open == 0);
    bench_close(&bench);
}

/* 0: end of stream; -1: reset; else bytes. */
static ssize_t client_wait(int fd, void *to, size_t size)
{
    ssize_t count;
    for (uint32_t turns = 0; turns < 5000; turns++) {
        count = recv(fd, to, size, 0);
        if (count >= 0 || errno != EAGAIN) {
            return count;
        }
        bench_turn(&bench, 1);
    }
    fail_msg("nothing came");
    return -2;
}

static void a_refused_connection_is_closed_and_no_further_call_is_made(void **state)
{
    (void)state;
    bench_open(&bench, BENCH_REFUSE);
    const int client = bench_connect(&bench);
    char byte;
    assert_int_equal(client_wait(client, &byte, 1), 0);
    assert_int_equal(bench.user_count, 0);
    assert_int_equal(sock_counters(bench.sock)->refused, 1);
    close(client);
    bench_close(&bench);
}

static void connections_beyond_the_slots_are_closed_and_a_freed_slot_serves_again(void **state)
{
    (void)state;
    bench_open(&bench, BENCH_ECHO);
    int clients[BENCH_CONNECTIONS + 10];
    for (uint32_t i = 0; i < ARRAY_SIZE(clients); i++) {
        clients[i] = bench_connect(&bench);
    }
    BENCH_UNTIL(&bench, sock_counters(bench.sock)->refused == 10);
    assert_int_equal(bench.user_count, BENCH_CONNECTIONS);
    close(clients[0]);
    BENCH_UNTIL(&bench, sock_counters(bench.sock)->open == BENCH_CONNECTIONS - 1);
    const int late = bench_connect(&bench);
    char answer[5];
    assert_int_equal(send(late, "hello", 5, 0), 5);
    assert_int_equal(client_wait(late, answer, 5), 5);
    assert_memory_equal(answer, "hello", 5);
    close(late);
    for (uint32_t i = 1; i < ARRAY_SIZE(clients); i++) {
        close(clients[i]);
    }
    BENCH_UNTIL(&bench, sock_counters(bench.sock)->open == 0);
    bench_close(&bench);
}

static void close_lets_out_everything_sent_before(void **state)
{
    (void)state;
    static uint8_t bytes[300 * 1024];
    for (uint32_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 13);
    }
    bench_open(&bench, BENCH_COUNT);
    const int client = bench_connect(&bench);
    BENCH_UNTIL(&bench, bench.user_count == 1);
    struct bench_user *user = &bench.users[0];
    const struct transport_ops *ops = user->connection->transport->ops;
    for (uint32_t i = 0; i < 3; i++) {
        const struct send_part parts[2] = {{{bytes + i * 100 * 1024, 1000}},
                                           {{bytes + i * 100 * 1024 + 1000, 100 * 1024 - 1000}}};
        assert_true(ops->send(user->connection, parts, 2, ++user->tokens_made));
    }
    ops->close(user->connection);
    uint32_t got = 0;
    while (got < sizeof(bytes)) {
        static uint8_t to[7000];
        const ssize_t count = client_wait(client, to, sizeof(to));
        assert_true(count > 0);
        assert_memory_equal(to, bytes + got, (size_t)count);
        got += (uint32_t)count;
    }
    char byte;
    assert_int_equal(client_wait(client, &byte, 1), 0);
    assert_true(user->closed);
    assert_int_equal(user->reason, TRANSPORT_CLOSED_BY_US);
    close(client);
    bench_close(&bench);
}

static void a_peer_that_ended_its_side_gets_what_is_answered_later(void **state)
{
    (void)state;
    bench_open(&bench, BENCH_COUNT);
    bench.answer_late = true;
    const int client = bench_connect(&bench);
    assert_int_equal(send(client, "ask", 3, 0), 3);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    BENCH_UNTIL(&bench, bench.user_count == 1 && bench.users[0].ended);
    struct bench_user *user = &bench.users[0];
    assert_int_equal(user->received_bytes, 3);
    for (uint32_t i = 0; i < 50; i++) {
        bench_turn(&bench, 1); /* Nothing more is heard of it, and it stays open. */
    }
    assert_false(user->closed);
    const struct send_part part = {{(const uint8_t *)"answer", 6}};
    const struct transport_ops *ops = user->connection->transport->ops;
    assert_true(ops->send(user->connection, &part, 1, ++user->tokens_made));
    ops->close(user->connection);
    BENCH_UNTIL(&bench, user->closed);
    assert_int_equal(user->reason, TRANSPORT_CLOSED_BY_PEER);
    char text[16];
    assert_int_equal(client_wait(client, text, sizeof(text)), 6);
    assert_memory_equal(text, "answer", 6);
    assert_int_equal(client_wait(client, text, sizeof(text)), 0);
    close(client);
    bench_close(&bench);
}

static void abort_returns_the_sends_and_resets_the_peer(void **state)
{
    (void)state;
    static uint8_t bytes[8 << 20]; /* More than socket buffers hold. */
    bench_open(&bench, BENCH_COUNT);
    const int client = bench_connect(&bench);
    BENCH_UNTIL(&bench, bench.user_count == 1);
    struct bench_user *user = &bench.users[0];
    const struct transport_ops *ops = user->connection->transport->ops;
    const struct send_part part = {{bytes, sizeof(bytes)}};
    for (uint32_t i = 0; i < 5; i++) {
        assert_true(ops->send(user->connection, &part, 1, ++user->tokens_made));
    }
    for (uint32_t i = 0; i < 20; i++) {
        bench_turn(&bench, 1);
    }
    assert_int_equal(user->tokens_sent, 0);
    ops->abort(user->connection);
    assert_false(user->closed); /* In a later phase. */
    BENCH_UNTIL(&bench, user->closed);
    assert_int_equal(user->tokens_sent, 5);
    ssize_t count;
    static uint8_t to[1 << 20];
    while ((count = client_wait(client, to, sizeof(to))) > 0) {
    }
    assert_int_equal(count, -1);
    assert_int_equal(errno, ECONNRESET);
    close(client);
    bench_close(&bench);
}

static void a_reset_by_the_peer_ends_with_its_reason(void **state)
{
    (void)state;
    static uint8_t bytes[8 << 20];
    bench_open(&bench, BENCH_COUNT);
    const int client = bench_connect(&bench);
    BENCH_UNTIL(&bench, bench.user_count == 1);
    struct bench_user *user = &bench.users[0];
    const struct send_part part = {{bytes, sizeof(bytes)}};
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(user->connection->transport->ops->send(user->connection, &part, 1,
                                                           ++user->tokens_made));
    }
    bench_turn(&bench, 1);
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(client);
    BENCH_UNTIL(&bench, user->closed);
    assert_int_equal(user->reason, TRANSPORT_RESET);
    assert_int_equal(sock_counters(bench.sock)->reset, 1);
    bench_close(&bench);
}

static void accepting_goes_on_after_descriptors_ran_out(void **state)
{
    (void)state;
    bench_open(&bench, BENCH_COUNT);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    const int client = bench_connect(&bench);
    const int second = bench_connect(&bench);
    const struct rlimit tight = {.rlim_cur = (rlim_t)second + 1, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    BENCH_UNTIL(&bench, sock_counters(bench.sock)->accept_paused > 0);
    const uint32_t before = bench.user_count;
    assert_true(before < 2);
    assert_true(sock_next_deadline_ns(bench.sock) < UINT64_MAX);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    BENCH_UNTIL(&bench, bench.user_count == 2);
    close(client);
    close(second);
    BENCH_UNTIL(&bench, sock_counters(bench.sock)->open == 0);
    bench_close(&bench);
}

static void counted_connections_wait_in_the_backlog_and_are_taken_one_by_one(void **state)
{
    (void)state;
    bench_open(&bench, BENCH_COUNT);
    int clients[6];
    clients[0] = bench_connect(&bench);
    BENCH_UNTIL(&bench, bench.user_count == 1); /* By a request for many. */
    bench.counted = true;
    bench.allowed = 1;
    sock_accept_anew(bench.sock);
    BENCH_UNTIL(&bench, sock_next_deadline_ns(bench.sock) < UINT64_MAX);
    for (uint32_t i = 1; i < ARRAY_SIZE(clients); i++) {
        clients[i] = bench_connect(&bench);
        assert_int_equal(send(clients[i], "x", 1, 0), 1);
    }
    for (uint32_t turn = 0; turn < 30; turn++) {
        bench_turn(&bench, 1);
    }
    assert_int_equal(bench.user_count, 1);
    bench.allowed = 3;
    BENCH_UNTIL(&bench, bench.user_count == 3);
    for (uint32_t turn = 0; turn < 30; turn++) {
        bench_turn(&bench, 1);
    }
    assert_int_equal(bench.user_count, 3);
    bench.counted = false;
    sock_accept_anew(bench.sock);
    BENCH_UNTIL(&bench, bench.user_count == ARRAY_SIZE(clients));
    assert_int_equal(sock_counters(bench.sock)->refused, 0);
    for (uint32_t i = 1; i < ARRAY_SIZE(clients); i++) {
        BENCH_UNTIL(&bench, bench.users[i].received_bytes == 1);
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(clients); i++) {
        close(clients[i]);
    }
    bench_close(&bench);
}

static void hundreds_of_connections_come_and_go(void **state)
{
    (void)state;
    bench_open(&bench, BENCH_COUNT);
    for (uint32_t round = 0; round < 4; round++) {
        int clients[48];
        for (uint32_t i = 0; i < ARRAY_SIZE(clients); i++) {
            clients[i] = bench_connect(&bench);
            assert_int_equal(send(clients[i], "x", 1, 0), 1);
        }
        BENCH_UNTIL(&bench, bench.user_count == (round + 1) * ARRAY_SIZE(clients));
        for (uint32_t i = 0; i < ARRAY_SIZE(clients); i++) {
            close(clients[i]);
        }
        BENCH_UNTIL(&bench, sock_counters(bench.sock)->open == 0);
    }
    for (uint32_t i = 0; i < bench.user_count; i++) {
        assert_int_equal(bench.users[i].received_bytes, 1);
    }
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_opens_with_both_addresses_and_ends_when_the_peer_closes),
        cmocka_unit_test(a_refused_connection_is_closed_and_no_further_call_is_made),
        cmocka_unit_test(connections_beyond_the_slots_are_closed_and_a_freed_slot_serves_again),
        cmocka_unit_test(close_lets_out_everything_sent_before),
        cmocka_unit_test(a_peer_that_ended_its_side_gets_what_is_answered_later),
        cmocka_unit_test(abort_returns_the_sends_and_resets_the_peer),
        cmocka_unit_test(a_reset_by_the_peer_ends_with_its_reason),
        cmocka_unit_test(accepting_goes_on_after_descriptors_ran_out),
        cmocka_unit_test(counted_connections_wait_in_the_backlog_and_are_taken_one_by_one),
        cmocka_unit_test(hundreds_of_connections_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
