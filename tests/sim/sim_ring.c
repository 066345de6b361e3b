#include "tests/sim/sim_ring.h"

#include <stdlib.h>

#include "storage/io/disk_ring.h"

struct sock {
    struct ring_op op;
    struct net_transport *transport;
    struct sock_counters counters;
    bool stopped_listening;
};

struct ring {
    struct sock sock;
    bool told; /* The event of this turn. */
    bool woken;
};

struct ring *sim_ring_create(struct net_transport *transport)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    ASSERT(ring != NULL);
    ring->sock.op.owner = RING_OWNER_SOCKET;
    ring->sock.transport = transport;
    return ring;
}

void sim_ring_free(struct ring *ring)
{
    free(ring);
}

struct sock *sim_ring_sock(struct ring *ring)
{
    return &ring->sock;
}

bool sim_ring_take_wake(struct ring *ring)
{
    const bool woken = ring->woken;
    ring->woken = false;
    return woken;
}

/* ---- ring.h --------------------------------------------------------------------------------- */

int ring_start(struct ring *ring)
{
    (void)ring;
    return 0;
}

/* All that sockets bring in a turn is one event. */
bool ring_next_event(struct ring *ring, struct ring_event *event)
{
    if (ring->told) {
        return false;
    }
    ring->told = true;
    if (ring->sock.transport == NULL) {
        return false; /* The core's network is a port. */
    }
    *event = (struct ring_event){.op = &ring->sock.op};
    return net_transport_ready(ring->sock.transport);
}

int ring_submit(struct ring *ring)
{
    ring->told = false;
    return 0;
}

void ring_hand_over(struct ring *ring)
{
    (void)ring;
}

int ring_wait(struct ring *ring, uint64_t wait_ns)
{
    (void)ring;
    (void)wait_ns;
    return 0;
}

bool ring_quiet(struct ring *ring)
{
    (void)ring;
    return false; /* Disks and housekeeping are not heard here: a core looks at everything. */
}

void ring_wake(struct ring *ring)
{
    ring->woken = true;
}

void ring_poll_multishot(struct ring *ring, struct ring_op *op, int fd)
{
    (void)ring;
    (void)op;
    (void)fd;
}

void ring_poll_once(struct ring *ring, struct ring_op *op, int fd)
{
    (void)ring;
    (void)op;
    (void)fd;
}

void ring_cancel(struct ring *ring, struct ring_op *op, struct ring_op *target)
{
    (void)ring;
    (void)op;
    (void)target;
    ASSERT(false); /* Nothing is watched here: the simulation wakes its cores. */
}

uint32_t ring_buffers_free(const struct ring *ring, uint16_t group)
{
    (void)ring;
    (void)group;
    return 0;
}

/* ---- disk_ring.h ---------------------------------------------------------------------------- */

void disk_complete(struct disk *disk, const struct ring_event *event, uint64_t now_ns)
{
    (void)disk;
    (void)event;
    (void)now_ns;
}

uint32_t disk_advance(struct disk *disk, uint64_t now_ns)
{
    (void)disk;
    (void)now_ns;
    return 0;
}

uint64_t disk_next_deadline_ns(const struct disk *disk)
{
    (void)disk;
    return UINT64_MAX;
}

/* ---- sock.h --------------------------------------------------------------------------------- */

void sock_complete(struct sock *sock, const struct ring_event *event, uint64_t now_ns)
{
    (void)event;
    (void)now_ns;
    (void)net_transport_receive_turn(sock->transport);
}

uint32_t sock_turn(struct sock *sock, uint64_t now_ns)
{
    (void)now_ns;
    const uint32_t work = net_transport_send_turn(sock->transport);
    sock->counters.open = net_transport_connection_count(sock->transport);
    return work;
}

void sock_listen(struct sock *sock, uint32_t listener, int fd)
{
    (void)listener;
    (void)fd;
    net_transport_listen(sock->transport, true);
}

void sock_stop_listening(struct sock *sock)
{
    net_transport_listen(sock->transport, false);
    sock->stopped_listening = true;
}

void sock_accept_anew(struct sock *sock)
{
    (void)sock; /* Nobody is counted in the simulation. */
}

bool sock_stopped_listening(const struct sock *sock)
{
    return sock->stopped_listening;
}

uint64_t sock_next_deadline_ns(const struct sock *sock)
{
    (void)sock;
    return UINT64_MAX;
}

const struct sock_counters *sock_counters(const struct sock *sock)
{
    return &sock->counters;
}
