#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/bench/peer.h"

enum { WINDOW = 300, ANSWER_BYTES_MAX = 4096, BODY_BYTES = 5000 };

struct ends {
    struct peer peer;
    int broker; /* The other end. */
};

static void ends_make(struct ends *ends)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(local);
    char bootstrap[32];
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&local, sizeof(local)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&local, &len), 0);
    (void)snprintf(bootstrap, sizeof(bootstrap), "127.0.0.1:%u", ntohs(local.sin_port));
    assert_true(peer_open(&ends->peer, bootstrap, WINDOW, ANSWER_BYTES_MAX));
    ends->broker = accept(listener, NULL, NULL);
    assert_true(ends->broker >= 0);
    (void)close(listener);
}

static void ends_close(struct ends *ends)
{
    peer_close(&ends->peer);
    (void)close(ends->broker);
}

/* The broker's next len bytes, while the peer sends what its socket takes. */
static void read_whole(struct ends *ends, uint8_t *to, size_t len)
{
    for (size_t done = 0; done < len;) {
        assert_true(peer_flush(&ends->peer));
        const ssize_t got = recv(ends->broker, to + done, len - done, MSG_DONTWAIT);
        assert_true(got > 0 || (got < 0 && errno == EAGAIN));
        done += got > 0 ? (size_t)got : 0;
    }
}

/* Head, body and tail of every request arrive in order, however little the socket takes at once. */
static void requests_go_out_whole_through_a_narrow_socket(void **state)
{
    (void)state;
    struct ends ends;
    static uint8_t body[BODY_BYTES];
    static uint8_t got[BODY_BYTES + 8];
    ends_make(&ends);
    const int small = 4096;
    assert_int_equal(setsockopt(ends.peer.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    for (uint32_t i = 0; i < WINDOW; i++) {
        assert_true(peer_has_room(&ends.peer));
        struct peer_request *request = peer_begin(&ends.peer);
        store_be32(request->head, i);
        request->head_bytes = 4;
        request->body = (struct bytes){body, BODY_BYTES};
        store_be32(request->tail, ~i);
        request->tail_bytes = 4;
        peer_end(&ends.peer);
    }
    assert_false(peer_has_room(&ends.peer));
    for (uint32_t i = 0; i < WINDOW; i++) {
        read_whole(&ends, got, sizeof(got));
        assert_int_equal(load_be32(got), i);
        assert_memory_equal(got + 4, body, BODY_BYTES);
        assert_int_equal(load_be32(got + 4 + BODY_BYTES), ~i);
    }
    assert_int_equal(ends.peer.sent, WINDOW);
    ends_close(&ends);
}

static void answers_come_back_whole_however_they_are_cut(void **state)
{
    (void)state;
    struct ends ends;
    ends_make(&ends);
    for (uint32_t i = 0; i < 3; i++) {
        struct peer_request *request = peer_begin(&ends.peer);
        request->head_bytes = 0;
        request->partition = 10 + i;
        peer_end(&ends.peer);
    }
    uint8_t stream[3 * 104];
    for (uint32_t i = 0; i < 3; i++) {
        store_be32(stream + 104 * i, 100);
        memset(stream + 104 * i + 4, (int)i + 1, 100);
    }
    uint32_t answers = 0;
    for (size_t at = 0; at < sizeof(stream); at += 13) {
        const size_t len = sizeof(stream) - at < 13 ? sizeof(stream) - at : 13;
        assert_int_equal(write(ends.broker, stream + at, len), (ssize_t)len);
        struct bytes frame;
        struct peer_request *request;
        while (recv(ends.peer.fd, &(char){0}, 1, MSG_PEEK) < 0) { /* On its way. */
            assert_int_equal(errno, EAGAIN);
        }
        assert_true(peer_receive(&ends.peer));
        while (peer_next_answer(&ends.peer, &frame, &request)) {
            assert_int_equal(frame.len, 100);
            assert_int_equal(frame.ptr[99], answers + 1);
            assert_int_equal(request->partition, 10 + answers);
            answers++;
        }
    }
    assert_int_equal(answers, 3);
    assert_true(peer_has_room(&ends.peer));
    ends_close(&ends);
}

static void a_closed_or_endless_answer_breaks_the_connection(void **state)
{
    (void)state;
    struct ends ends;
    uint8_t stream[ANSWER_BYTES_MAX] = {0};
    ends_make(&ends);
    store_be32(stream, ANSWER_BYTES_MAX); /* With its length more than there is room for. */
    assert_int_equal(write(ends.broker, stream, sizeof(stream)), sizeof(stream));
    struct bytes frame;
    struct peer_request *request;
    bool good = true;
    for (uint32_t i = 0; good && i < 100000; i++) {
        good = peer_receive(&ends.peer);
        assert_false(peer_next_answer(&ends.peer, &frame, &request));
    }
    assert_false(good);
    ends_close(&ends);

    ends_make(&ends);
    (void)shutdown(ends.broker, SHUT_RDWR);
    good = true;
    for (uint32_t i = 0; good && i < 100000; i++) {
        good = peer_receive(&ends.peer);
    }
    assert_false(good);
    ends_close(&ends);
}

static void an_address_where_nobody_listens_is_told(void **state)
{
    (void)state;
    struct peer peer;
    assert_false(peer_open(&peer, "127.0.0.1:1", 1, 100));
    assert_false(peer_open(&peer, "nonsense", 1, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_go_out_whole_through_a_narrow_socket),
        cmocka_unit_test(answers_come_back_whole_however_they_are_cut),
        cmocka_unit_test(a_closed_or_endless_answer_breaks_the_connection),
        cmocka_unit_test(an_address_where_nobody_listens_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
