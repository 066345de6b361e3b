#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/dataplane/sock/bench.h"

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_sum(uint64_t sum, uint64_t at, const uint8_t *bytes, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++) {
        sum += (bytes[i] + UINT64_C(1)) * (at + i + 1);
    }
    return sum;
}

static void release(struct bench_user *user, void *buffer)
{
    struct transport *transport = user->connection->transport;
    transport->ops->release(transport, buffer);
}

static void *on_open(void *context, struct transport_connection *connection,
                     const struct network_address *peer, const struct network_address *local,
                     uint32_t listener)
{
    struct bench *bench = context;
    assert_int_equal(listener, 0);
    if (bench->mode == BENCH_REFUSE) {
        return NULL;
    }
    assert_true(bench->user_count < ARRAY_SIZE(bench->users));
    struct bench_user *user = &bench->users[bench->user_count++];
    *user = (struct bench_user){
        .bench = bench, .connection = connection, .peer = *peer, .local = *local, .open = true};
    if (bench->mode == BENCH_FRAMES) {
        user->frame = malloc(BENCH_FRAME_BYTES_MAX);
    }
    return user;
}

/* Sends what is held, as far as there is room. */
static void echo(struct bench_user *user)
{
    uint32_t done = 0;
    while (done < user->held_count) {
        const struct send_part part = {user->held[done].bytes};
        const uint64_t token = user->tokens_made + 1;
        user->echoing[token % ARRAY_SIZE(user->echoing)] = user->held[done].buffer;
        if (!user->connection->transport->ops->send(user->connection, &part, 1, token)) {
            break;
        }
        user->tokens_made++;
        done++;
    }
    user->held_count -= done;
    memmove(user->held, user->held + done, user->held_count * sizeof(user->held[0]));
}

static void frame_done(struct bench_user *user)
{
    for (uint32_t i = 0; i < user->frame_len; i += 97) {
        assert_int_equal(user->frame[i], (uint8_t)(user->frames * 7 + i));
    }
    user->frames++;
    user->frame_bytes += user->frame_len;
    user->prefix_len = 0;
}

/* The user's own part of a frame from a piece; asks for the rest of it. */
static void frames(struct bench_user *user, struct bytes bytes)
{
    while (bytes.len > 0) {
        if (user->prefix_len < 4) {
            user->prefix[user->prefix_len++] = *bytes.ptr;
            bytes.ptr++;
            bytes.len--;
            if (user->prefix_len == 4) {
                user->frame_len = load_be32(user->prefix);
                user->frame_got = 0;
                assert_in_range(user->frame_len, 1, BENCH_FRAME_BYTES_MAX);
            } else {
                continue;
            }
        }
        const uint32_t count = min_u32(bytes.len, user->frame_len - user->frame_got);
        memcpy(user->frame + user->frame_got, bytes.ptr, count);
        user->frame_got += count;
        bytes.ptr += count;
        bytes.len -= count;
        if (user->frame_got == user->frame_len) {
            frame_done(user);
        }
    }
    if (user->prefix_len == 4) {
        user->connection->transport->ops->receive_into(
            user->connection, user->frame + user->frame_got, user->frame_len - user->frame_got);
    }
}

static void on_data(void *context, struct received_piece piece)
{
    struct bench_user *user = context;
    assert_true(user->open && !user->closed);
    assert_in_range(piece.bytes.len, 1, BENCH_BUFFER_BYTES);
    user->received_sum =
        bench_sum(user->received_sum, user->received_bytes, piece.bytes.ptr, piece.bytes.len);
    user->received_bytes += piece.bytes.len;
    if (user->bench->mode == BENCH_ECHO || user->bench->mode == BENCH_HOLD) {
        assert_true(user->held_count < BENCH_HELD_MAX);
        user->held[user->held_count++] = piece;
        if (user->bench->mode == BENCH_ECHO) {
            echo(user);
        }
        return;
    }
    if (user->bench->mode == BENCH_FRAMES) {
        frames(user, piece.bytes);
    }
    release(user, piece.buffer);
}

static void on_received_into(void *context)
{
    struct bench_user *user = context;
    assert_true(user->open && !user->closed);
    user->frame_got = user->frame_len;
    frame_done(user);
}

/* Everything is said that is to be said. */
static void close_ended(struct bench_user *user)
{
    if (user->ended && !user->bench->answer_late &&
        (user->bench->mode != BENCH_ECHO || user->held_count == 0)) {
        user->connection->transport->ops->close(user->connection);
    }
}

static void on_end(void *context)
{
    struct bench_user *user = context;
    assert_true(user->open && !user->ended && !user->closed);
    user->ended = true;
    close_ended(user);
}

static void on_sent(void *context, uint64_t token)
{
    struct bench_user *user = context;
    assert_false(user->closed);
    assert_int_equal(token, ++user->tokens_sent); /* Once each, in order. */
    if (user->bench->mode == BENCH_ECHO) {
        release(user, user->echoing[token % ARRAY_SIZE(user->echoing)]);
        echo(user);
    }
    close_ended(user);
}

static void on_close(void *context, enum transport_close_reason reason)
{
    struct bench_user *user = context;
    assert_true(user->open && !user->closed);
    assert_int_equal(user->tokens_sent, user->tokens_made); /* All sends came back first. */
    user->closed = true;
    user->reason = reason;
    for (uint32_t i = 0; user->bench->mode == BENCH_ECHO && i < user->held_count; i++) {
        release(user, user->held[i].buffer);
    }
    free(user->frame);
    user->frame = NULL;
}

static uint64_t accept_from_ns(void *context)
{
    const struct bench *bench = context;
    if (!bench->counted) {
        return 0;
    }
    return bench->user_count < bench->allowed ? 1 : now_ns() + 1000000;
}

static const struct transport_user bench_user_calls = {
    .on_open = on_open,
    .on_data = on_data,
    .on_received_into = on_received_into,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_close = on_close,
    .accept_from_ns = accept_from_ns,
};

void bench_open(struct bench *bench, enum bench_mode mode)
{
    memset(bench, 0, sizeof(*bench));
    bench->mode = mode;
    int error = 0;
    const struct ring_options options = {
        .submissions = 64, .completions = 256, .file_count_max = 4};
    bench->ring = ring_create(&options, &error);
    if (bench->ring == NULL) {
        fail_msg("no ring: %s", strerror(error));
    }
    bench->buffers = aligned_alloc(4096, (size_t)BENCH_BUFFERS * BENCH_BUFFER_BYTES);
    const struct sock_setup setup = {
        .ring = bench->ring,
        .user = &bench_user_calls,
        .user_context = bench,
        .connection_count_max = BENCH_CONNECTIONS,
        .send_count_max = BENCH_SENDS,
        .buffer_count = BENCH_BUFFERS,
        .buffer_bytes = BENCH_BUFFER_BYTES,
        .buffers = bench->buffers,
    };
    const uint64_t size = round_up(sock_memory_bytes(&setup), 64);
    bench->memory = aligned_alloc(64, size);
    memset(bench->memory, 0, size);
    bench->sock = sock_create(bench->memory, &setup, &error);
    assert_non_null(bench->sock);
    assert_int_equal(ring_start(bench->ring), 0);
    assert_true(listen_resolve("127.0.0.1", 0, &bench->address));
    assert_int_equal(listen_open(&bench->address, 1, &bench->listener), 0);
    sock_listen(bench->sock, 0, bench->listener);
}

void bench_turn(struct bench *bench, uint32_t wait_ms)
{
    struct ring_event event;
    uint64_t now = now_ns();
    uint32_t events = 0;
    while (ring_next_event(bench->ring, &event)) {
        assert_int_equal(event.op->owner, RING_OWNER_SOCKET);
        sock_complete(bench->sock, &event, now);
        events++;
    }
    events += sock_turn(bench->sock, now);
    if (events > 0 || wait_ms == 0 || sock_next_deadline_ns(bench->sock) <= now) {
        assert_int_equal(ring_submit(bench->ring), 0);
    } else {
        (void)ring_wait(bench->ring, wait_ms * UINT64_C(1000000));
    }
}

void bench_close(struct bench *bench)
{
    sock_stop_listening(bench->sock);
    for (uint32_t i = 0; i < bench->user_count; i++) {
        if (!bench->users[i].closed) {
            bench->users[i].connection->transport->ops->abort(bench->users[i].connection);
        }
    }
    BENCH_UNTIL(bench, sock_stopped_listening(bench->sock));
    for (uint32_t i = 0; i < bench->user_count; i++) {
        BENCH_UNTIL(bench, bench->users[i].closed);
        for (uint32_t j = 0; bench->mode == BENCH_HOLD && j < bench->users[i].held_count; j++) {
            release(&bench->users[i], bench->users[i].held[j].buffer);
        }
    }
    BENCH_UNTIL(bench, sock_counters(bench->sock)->open == 0);
    assert_true(sock_idle(bench->sock));
    listen_close(1, &bench->listener);
    ring_destroy(bench->ring);
    free(bench->memory);
    free(bench->buffers);
}

int bench_connect(struct bench *bench)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(bench->address.port),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}
