/* The thread that looks: `millrace net` and `millrace capture` ask it over a socket in the run
 * directory (net.sock, for its owner only), and it asks the cores, none of which waits for it.
 *
 * A question is one line; then the answer comes and the connection ends:
 *
 *     net                                 JSON (net_json.h)
 *     capture port=N count=N snap=N       a pcapng file; ends when the asker shuts its side down,
 *                                         or after count frames. Each number may be left out.
 *
 * What goes wrong is told as {"error": ...}. With kernel sockets there is nothing to capture, and
 * `net` says so.
 *
 * Threads: start and stop from the service thread; it makes one thread of its own.
 */
#ifndef DATAPLANE_WATCH_WATCH_H
#define DATAPLANE_WATCH_WATCH_H

#include "dataplane/core_loop.h"
#include "dataplane/transport.h"

enum { WATCH_CORES_MAX = 64 };

struct watch_setup {
    const char *socket_path;
    struct core *const *cores; /* Borrowed until watch_stop; they have not been launched. */
    uint32_t core_count;
    struct link_world *world;
    struct statistics *statistics; /* What the device counts is left there. */
    struct network_address listen;
    const char *telemetry; /* Path of DPDK's socket; "": none. Borrowed. */
};

struct watch;

/* NULL: reason holds a sentence; nothing but looking is impossible then. */
struct watch *watch_start(const struct watch_setup *setup, char *reason, size_t reason_bytes);

/* Before the port is stopped. */
void watch_stop(struct watch *watch);

#endif
