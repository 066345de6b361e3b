/* The simulated twins of what the core's loop calls of ring.h, disk_ring.h and sock.h, so that the
 * production core_turn runs unchanged: sockets are those of sim_net.h, disks those of sim_disk.h.
 *
 * Threads: none.
 */
#ifndef TESTS_SIM_SIM_RING_H
#define TESTS_SIM_SIM_RING_H

#include "dataplane/sock/sock.h"
#include "storage/io/ring.h"
#include "tests/sim/sim_net.h"

/* Ring and sock of one core over a transport, which stays the caller's (NULL: none). Freed by
 * sim_ring_free. */
struct ring *sim_ring_create(struct net_transport *transport);
void sim_ring_free(struct ring *ring);
struct sock *sim_ring_sock(struct ring *ring);
/* True when somebody woke the core since the last call. */
bool sim_ring_take_wake(struct ring *ring);

#endif
