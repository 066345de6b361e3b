#include "dataplane/sock/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_mapped(const struct network_address *address)
{
    return memcmp(address->ip, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static socklen_t address_write(const struct network_address *from, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof(*to));
    if (is_mapped(from)) { /* An IPv4 socket: works where IPv6 is switched off. */
        struct sockaddr_in *in = (struct sockaddr_in *)to;
        in->sin_family = AF_INET;
        in->sin_port = htons(from->port);
        memcpy(&in->sin_addr, &from->ip[12], 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(from->port);
    memcpy(&in6->sin6_addr, from->ip, sizeof(from->ip));
    return sizeof(*in6);
}

static int option_on(int fd, int level, int option)
{
    const int on = 1;
    return setsockopt(fd, level, option, &on, sizeof(on));
}

/* One socket, listening; shared: others may be opened at the same port. */
static int socket_open(const struct network_address *address, bool shared)
{
    struct sockaddr_storage to;
    const socklen_t to_len = address_write(address, &to);
    const int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    if (option_on(fd, SOL_SOCKET, SO_REUSEADDR) != 0 ||
        (shared && option_on(fd, SOL_SOCKET, SO_REUSEPORT) != 0) ||
        option_on(fd, IPPROTO_TCP, TCP_NODELAY) != 0 ||
        option_on(fd, SOL_SOCKET, SO_KEEPALIVE) != 0 ||
        bind(fd, (struct sockaddr *)&to, to_len) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        const int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
               "the port stands in one place in both families");

static uint16_t port_of(int fd)
{
    struct sockaddr_in6 bound = {0};
    socklen_t len = sizeof(bound);
    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
        return 0;
    }
    return ntohs(bound.sin6_port);
}

int listen_open(struct network_address *address, uint32_t count, int *fds)
{
    /* With SO_REUSEPORT a second broker of the same user would get a share of the connections and
     * no error: ask once without it. */
    const int probe = socket_open(address, false);
    if (probe < 0) {
        return probe;
    }
    address->port = port_of(probe);
    close(probe);
    for (uint32_t i = 0; i < count; i++) {
        fds[i] = socket_open(address, true);
        if (fds[i] < 0) {
            const int error = fds[i];
            listen_close(i, fds);
            return error;
        }
    }
    return 0;
}

int listen_congestion(uint32_t count, const int *fds, const char *name)
{
    int error = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (setsockopt(fds[i], IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) != 0) {
            error = -errno;
        }
    }
    return error;
}

static int option_set(int fd, int option, int value)
{
    return value == 0 || setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)) == 0 ? 0
                                                                                        : -errno;
}

int listen_tune(uint32_t count, const int *fds, const struct listen_tuning *tuning)
{
    int error = 0;
    for (uint32_t i = 0; i < count && error == 0; i++) {
        error = option_set(fds[i], SO_SNDBUF, tuning->send_buffer_bytes);
        if (error == 0) {
            error = option_set(fds[i], SO_RCVBUF, tuning->receive_buffer_bytes);
        }
        if (error == 0 && tuning->backlog != 0 && listen(fds[i], tuning->backlog) != 0) {
            error = -errno;
        }
    }
    return error;
}

void listen_close(uint32_t count, const int *fds)
{
    for (uint32_t i = 0; i < count; i++) {
        close(fds[i]);
    }
}

const char *listen_text(const struct network_address *address, char *to)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    if (is_mapped(address)) {
        (void)inet_ntop(AF_INET, &address->ip[12], ip, sizeof(ip));
        (void)snprintf(to, LISTEN_TEXT_BYTES, "%s:%u", ip, address->port);
    } else {
        (void)inet_ntop(AF_INET6, address->ip, ip, sizeof(ip));
        (void)snprintf(to, LISTEN_TEXT_BYTES, "[%s]:%u", ip, address->port);
    }
    return to;
}

bool listen_resolve(const char *host, uint16_t port, struct network_address *address)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    *address = (struct network_address){.port = port};
    if (host[0] == '\0') {
        memcpy(address->ip, mapped_prefix, sizeof(mapped_prefix)); /* 0.0.0.0 */
        return true;
    }
    if (getaddrinfo(host, NULL, &hints, &found) != 0) {
        return false;
    }
    bool taken = false;
    /* IPv4 first: "localhost" is what clients try first where both are there. */
    for (int pass = 0; pass < 2 && !taken; pass++) {
        for (const struct addrinfo *at = found; at != NULL && !taken; at = at->ai_next) {
            if (at->ai_family == AF_INET && pass == 0) {
                const struct sockaddr_in *in = (const struct sockaddr_in *)(void *)at->ai_addr;
                memcpy(address->ip, mapped_prefix, sizeof(mapped_prefix));
                memcpy(&address->ip[12], &in->sin_addr, 4);
                taken = true;
            } else if (at->ai_family == AF_INET6 && pass == 1) {
                const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(void *)at->ai_addr;
                memcpy(address->ip, &in6->sin6_addr, sizeof(address->ip));
                taken = true;
            }
        }
    }
    freeaddrinfo(found);
    return taken;
}
