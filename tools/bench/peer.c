#include "tools/bench/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { IOVECS_MAX = 192, PEER_CALL_MS_MAX = 60000 };

static int socket_connect(const char *bootstrap)
{
    char host[256];
    const char *colon = strrchr(bootstrap, ':');
    if (colon == NULL || (size_t)(colon - bootstrap) >= sizeof(host)) {
        return -1;
    }
    memcpy(host, bootstrap, (size_t)(colon - bootstrap));
    host[colon - bootstrap] = '\0';
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            (void)close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

bool peer_open(struct peer *peer, const char *bootstrap, uint32_t window, uint32_t answer_bytes_max)
{
    *peer = (struct peer){
        .fd = socket_connect(bootstrap), .window = window, .in_capacity = answer_bytes_max};
    if (peer->fd < 0) {
        (void)fprintf(stderr, "bench: cannot connect to %s: is the broker running there?\n",
                      bootstrap);
        return false;
    }
    const int on = 1;
    if (setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        fcntl(peer->fd, F_SETFL, O_NONBLOCK) != 0) {
        return false;
    }
    peer->requests = calloc(BENCH_IN_FLIGHT_MAX, sizeof(*peer->requests));
    peer->in = malloc(peer->in_capacity);
    return peer->requests != NULL && peer->in != NULL;
}

void peer_close(struct peer *peer)
{
    if (peer->fd >= 0) {
        (void)close(peer->fd);
    }
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
        const struct msghdr message = {.msg_iov = iovecs, .msg_iovlen = (size_t)count};
        const ssize_t done = sendmsg(peer->fd, &message, MSG_NOSIGNAL);
        if (done < 0) {
            return errno == EAGAIN || errno == EINTR;
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
        recv(peer->fd, peer->in + peer->in_used, peer->in_capacity - peer->in_used, 0);
    if (got <= 0) {
        return got < 0 && (errno == EAGAIN || errno == EINTR);
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
    for (;;) {
        if (!peer_flush(peer)) {
            return false;
        }
        if (peer_next_answer(peer, frame, &request)) {
            return true;
        }
        struct pollfd wait = {peer->fd, POLLIN, 0};
        if (peer->sent < peer->begun) {
            wait.events |= POLLOUT;
        }
        if (poll(&wait, 1, PEER_CALL_MS_MAX) <= 0) {
            (void)fprintf(stderr, "bench: no answer in %d s\n", PEER_CALL_MS_MAX / 1000);
            return false;
        }
        if ((wait.revents & (POLLIN | POLLERR | POLLHUP)) != 0 && !peer_receive(peer)) {
            (void)fprintf(stderr, "bench: the broker closed the connection\n");
            return false;
        }
    }
}
