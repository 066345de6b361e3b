#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/profile/settings.h"
#include "tools/bench/path.h"

enum { EVENTS_MAX = 256 };

static int epoll = -1; /* Of all that are open. */

static int socket_connect(const char *bootstrap)
{
    struct host_port broker;
    char service[8];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    if (!host_port_parse(bytes_of_string(bootstrap), &broker)) {
        return -1;
    }
    (void)snprintf(service, sizeof(service), "%u", broker.port);
    if (getaddrinfo(broker.host, service, &hints, &found) != 0) {
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

static bool path_open(struct peer *peer, const char *bootstrap)
{
    const int on = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    if (epoll < 0) {
        epoll = epoll_create1(EPOLL_CLOEXEC);
    }
    peer->fd = socket_connect(bootstrap);
    return peer->fd >= 0 && setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
           fcntl(peer->fd, F_SETFL, O_NONBLOCK) == 0 &&
           epoll_ctl(epoll, EPOLL_CTL_ADD, peer->fd, &event) == 0;
}

static void path_close(struct peer *peer)
{
    if (peer->fd >= 0) {
        (void)close(peer->fd);
    }
}

static ssize_t path_send(struct peer *peer, const struct iovec *iovecs, int count)
{
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iovecs,
                                   .msg_iovlen = (size_t)count};
    const ssize_t done = sendmsg(peer->fd, &message, MSG_NOSIGNAL);
    return done >= 0 ? done : -(errno != EAGAIN && errno != EINTR);
}

static ssize_t path_receive(struct peer *peer, uint8_t *to, uint32_t capacity)
{
    const ssize_t got = recv(peer->fd, to, capacity, 0);
    if (got <= 0) {
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    return got;
}

static uint32_t path_wait(struct peer **ready, uint32_t capacity, int wait_ms)
{
    struct epoll_event events[EVENTS_MAX];
    const int most = (int)(capacity < EVENTS_MAX ? capacity : EVENTS_MAX);
    const int count = epoll_wait(epoll, events, most, wait_ms);
    if (count == 0 && wait_ms == 0) {
        (void)
            sched_yield(); /* The kernel's threads that finish the broker's writes may wait here. */
    }
    for (int i = 0; i < count; i++) {
        ready[i] = events[i].data.ptr;
    }
    return count > 0 ? (uint32_t)count : 0;
}

const struct path path_sockets = {path_open, path_close, path_send, path_receive, path_wait};
