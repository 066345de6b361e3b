/* Listening sockets: one per core on the same address, over which the kernel spreads connections.
 *
 * Blocking calls: at start and stop only, on an ordinary thread.
 */
#ifndef DATAPLANE_SOCK_LISTEN_H
#define DATAPLANE_SOCK_LISTEN_H

#include "dataplane/transport.h"

enum {
    LISTEN_BACKLOG = 4096, /* The kernel cuts it to net.core.somaxconn. */
};

/* Opens count listening sockets at address; with port 0 the kernel chooses one and *address is set.
 * Accepted connections inherit TCP_NODELAY and SO_KEEPALIVE. An IPv6 address that is all zero
 * listens for IPv4 too. 0, or -errno: then nothing is open; -EADDRINUSE also when only another
 * process that shares ports (SO_REUSEPORT) has it. */
MUST_USE int listen_open(struct network_address *address, uint32_t count, int *fds);
/* Congestion control of the connections these accept from now on, by its name in
 * net.ipv4.tcp_available_congestion_control. 0, or -errno (-ENOENT: this kernel has none of that
 * name): then some keep what the host uses. */
MUST_USE int listen_congestion(uint32_t count, const int *fds, const char *name);
/* Of the connections accepted from now on; 0: left to the kernel, which fits buffers to the load.
 */
struct listen_tuning {
    int backlog; /* Connections that may wait to be accepted. */
    int send_buffer_bytes;
    int receive_buffer_bytes;
};
MUST_USE int listen_tune(uint32_t count, const int *fds, const struct listen_tuning *tuning);
void listen_close(uint32_t count, const int *fds);

enum {
    LISTEN_TEXT_BYTES = 64,
};
/* "127.0.0.1:9092" or "[::1]:9092". Returns `to`, of LISTEN_TEXT_BYTES. */
const char *listen_text(const struct network_address *address, char *to);

/* Numeric addresses and names of hosts; an empty host is every address. Asks the resolver, which
 * may wait. False: there is no such host. */
MUST_USE bool listen_resolve(const char *host, uint16_t port, struct network_address *address);

#endif
