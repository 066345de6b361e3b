#include "tools/bench/peer.h"

#include <stdlib.h>

#include "tools/bench/path.h"
#include "tools/bench/usage.h"

enum { IOVECS_MAX = 192, PEER_CALL_MS_MAX = 60000, CALL_WAIT_MS = 10 };

static const struct path *path = &path_sockets;

void peer_use(const struct path *with)
{
    path = with;
}

uint32_t peers_wait(struct peer **ready, uint32_t capacity, int wait_ms)
{
    return path->wait(ready, capacity, wait_ms);
}

bool peer_open(struct peer *peer, const char *bootstrap, uint32_t window, uint32_t answer_bytes_max)
{
    *peer = (struct peer){.fd = -1, .window = window, .in_capacity = answer_bytes_max};
    if (!path->open(peer, bootstrap)) {
        (void)fprintf(stderr, "bench: cannot connect to %s: is the broker running there?\n",
                      bootstrap);
        return false;
    }
    peer->requests = calloc(BENCH_IN_FLIGHT_MAX, sizeof(*peer->requests));
    peer->in = malloc(peer->in_capacity);
    return peer->requests != NULL && peer->in != NULL;
}

void peer_close(struct peer *peer)
{
    path->close(peer);
    free(peer->requests);
    free(peer->in);
    *peer = (struct peer){.fd = -1};
}

struct peer_request *peer_begin(struct peer *peer)
{
    ASSERT(peer->begun - peer->answered < BENCH_IN_FLIGHT_MAX);
    struct peer_request *request = &peer->requests[peer->begun % BENCH_IN_FLIGHT_MAX];
    request->body = (struct bytes){0};
    request->tail_bytes = 0;
    request->number = peer->begun;
    return request;
}

void peer_end(struct peer *peer)
{
    peer->begun++;
}

static uint32_t request_bytes(const struct peer_request *request)
{
    return request->head_bytes + request->body.len + request->tail_bytes;
}

/* Appends the parts of request behind its first skip bytes. */
static int iovecs_add(struct iovec *iovecs, int count, const struct peer_request *request,
                      uint32_t skip)
{
    const struct bytes parts[3] = {
        {request->head, request->head_bytes}, request->body, {request->tail, request->tail_bytes}};
    for (int i = 0; i < 3; i++) {
        if (skip >= parts[i].len) {
            skip -= parts[i].len;
            continue;
        }
        iovecs[count].iov_base = (void *)(uintptr_t)(parts[i].ptr + skip);
        iovecs[count++].iov_len = parts[i].len - skip;
        skip = 0;
    }
    return count;
}

static void sent_advance(struct peer *peer, size_t bytes)
{
    bytes += peer->sent_bytes;
    while (peer->sent < peer->begun) {
        const uint32_t whole = request_bytes(&peer->requests[peer->sent % BENCH_IN_FLIGHT_MAX]);
        if (bytes < whole) {
            break;
        }
        bytes -= whole;
        peer->sent++;
    }
    peer->sent_bytes = (uint32_t)bytes;
}

bool peer_flush(struct peer *peer)
{
    while (peer->sent < peer->begun) {
        struct iovec iovecs[IOVECS_MAX + 3];
        int count = 0;
        uint32_t skip = peer->sent_bytes;
        for (uint64_t i = peer->sent; i < peer->begun && count < IOVECS_MAX; i++) {
            count = iovecs_add(iovecs, count, &peer->requests[i % BENCH_IN_FLIGHT_MAX], skip);
            skip = 0;
        }
        const ssize_t done = path->send(peer, iovecs, count);
        if (done <= 0) {
            return done == 0;
        }
        sent_advance(peer, (size_t)done);
    }
    return true;
}

bool peer_receive(struct peer *peer)
{
    if (peer->in_start > 0) {
        memmove(peer->in, peer->in + peer->in_start, peer->in_used);
        peer->in_start = 0;
    }
    if (peer->in_used == peer->in_capacity) {
        return false; /* An answer above what was asked for. */
    }
    const ssize_t got =
        path->receive(peer, peer->in + peer->in_used, peer->in_capacity - peer->in_used);
    if (got < 0) {
        return false;
    }
    peer->in_used += (uint32_t)got;
    return true;
}

bool peer_next_answer(struct peer *peer, struct bytes *frame, struct peer_request **request)
{
    if (peer->in_used < 4) {
        return false;
    }
    const uint32_t length = load_be32(peer->in + peer->in_start);
    if (length > peer->in_used - 4) {
        return false;
    }
    *frame = (struct bytes){peer->in + peer->in_start + 4, length};
    peer->in_start += 4 + length;
    peer->in_used -= 4 + length;
    *request = &peer->requests[peer->answered++ % BENCH_IN_FLIGHT_MAX];
    return true;
}

const struct peer_request *peer_next_sent(struct peer *peer)
{
    return peer->answered < peer->sent ? &peer->requests[peer->answered++ % BENCH_IN_FLIGHT_MAX]
                                       : NULL;
}

bool peer_call(struct peer *peer, struct bytes *frame)
{
    struct peer_request *request = NULL;
    struct peer *ready;
    const uint64_t end_ns = usage_now_ns() + PEER_CALL_MS_MAX * UINT64_C(1000000);
    for (;;) {
        if (!peer_flush(peer)) {
            return false;
        }
        if (peer_next_answer(peer, frame, &request)) {
            return true;
        }
        if (usage_now_ns() > end_ns) {
            (void)fprintf(stderr, "bench: no answer in %d s\n", PEER_CALL_MS_MAX / 1000);
            return false;
        }
        (void)path->wait(&ready, 1, CALL_WAIT_MS); /* Others may be ready, too. */
        if (!peer_receive(peer)) {
            (void)fprintf(stderr, "bench: the broker closed the connection\n");
            return false;
        }
    }
}
