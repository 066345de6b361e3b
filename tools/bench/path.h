/* What the load's bytes go over: kernel sockets, or our own TCP on a DPDK port of this process.
 *
 * One path for the whole program, set before the first peer opens. Not thread-safe. */
#ifndef TOOLS_BENCH_PATH_H
#define TOOLS_BENCH_PATH_H

#include <sys/types.h>
#include <sys/uio.h>

#include "tools/bench/peer.h"

struct path {
    /* Connects; waits for that. Sets peer->fd to what is not negative, until close. */
    bool (*open)(struct peer *peer, const char *bootstrap);
    void (*close)(struct peer *peer);
    /* Bytes taken, perhaps none; -1: the connection is over. A path that takes views needs the
     * bytes until their request is answered. */
    ssize_t (*send)(struct peer *peer, const struct iovec *iovecs, int count);
    /* Bytes got, perhaps none; -1: the connection is over. */
    ssize_t (*receive)(struct peer *peer, uint8_t *to, uint32_t capacity);
    /* Waits until open peers have something to receive, and names up to capacity of them. */
    uint32_t (*wait)(struct peer **ready, uint32_t capacity, int wait_ms);
};

extern const struct path path_sockets;

/* Our own TCP: starts DPDK with this device in the process, at this address ("10.78.0.1"; its
 * network has 24 bits, that of an IPv6 address 64). False with a message on stderr. */
MUST_USE bool path_port_start(const char *device, const char *address);
extern const struct path path_port;

/* path_sockets, unless set. */
void peer_use(const struct path *path);

#endif
