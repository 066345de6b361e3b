/* The kernel-socket path: transport.h over the core's io_uring.
 *
 * Accepting and receiving are multishot: one request brings many connections and many buffers.
 * While the user counts connections (accept_from_ns), each is asked for by itself. Bytes arrive in
 * the core's provided buffers, which are lent to the user; when the kernel finds none left,
 * receiving stops by itself, TCP closes the peers' windows, and it goes on as buffers come back.
 * Sends of one turn leave together, gathered, one request per connection at a time.
 *
 *     sock_complete    for each event of RING_OWNER_SOCKET: takes in, calls the user
 *     sock_turn        once a turn after the handlers: sends, closes, arms receives again
 *
 * A connection ends in this order, however it comes to end: nothing new is taken in; what the
 * kernel still holds (receives, sends) is cancelled and waited for; on_sent for every send left;
 * on_close; the descriptor is closed; the slot is free.
 *
 * Threads: created by any one thread; then from the core only. The broker is not known here.
 */
#ifndef DATAPLANE_SOCK_SOCK_H
#define DATAPLANE_SOCK_SOCK_H

#include "dataplane/transport.h"
#include "storage/base/pool.h"
#include "storage/io/ring.h"

enum {
    SOCK_LISTENERS_MAX = 8,
    SOCK_SEND_PARTS_MAX = 64, /* Parts of one send. */
    SOCK_GATHER_MAX = 32,     /* Parts of one request to the kernel. */
    SOCK_SENDS_MAX = 128,     /* Sends that wait on one connection. */
    /* From this length on receive_into has the kernel write straight to the memory; below, copying
     * out of the buffers costs less than turning the multishot receive off and on. */
    SOCK_DIRECT_BYTES_MIN = 64 * 1024,
    SOCK_ACCEPT_RETRY_MS = 100, /* After EMFILE and the like. */
};

struct sock;

/* All pointers are borrowed for the life of the sock. */
struct sock_setup {
    struct ring *ring;
    const struct transport_user *user;
    void *user_context;
    uint32_t connection_count_max; /* More are closed as soon as they are accepted. */
    uint32_t send_count_max;       /* Sends waiting on all connections; at least one for each. */
    uint16_t buffer_group;         /* Of the ring. */
    uint32_t buffer_count;         /* Power of two, at most 32768. */
    uint32_t buffer_bytes;
    uint8_t *buffers;
};

struct sock_counters {
    uint64_t open; /* Now. */
    uint64_t accepted;
    uint64_t refused; /* No slot, or the user said no. */
    uint64_t reset;
    uint64_t timed_out;
    uint64_t accept_paused;
    uint64_t received_bytes;
    uint64_t receives;
    uint64_t received_direct_bytes; /* Of them: straight into the user's memory. */
    uint64_t starved;
    uint64_t sent_bytes;
    uint64_t sends;         /* Requests to the kernel. */
    uint64_t sends_refused; /* No room for another send. */
};

/* Bytes of memory a sock takes, its buffers not among them, at 64 bytes alignment. */
uint64_t sock_memory_bytes(const struct sock_setup *setup);

/* Lays it out in zeroed memory of that size and gives the buffers to the ring. NULL: *error is what
 * the ring said, -errno. Nothing to undo. */
struct sock *sock_create(void *memory, const struct sock_setup *setup, int *error);

struct transport *sock_transport(struct sock *sock);

/* Starts accepting on a listening descriptor (borrowed until sock_stop_listening is through).
 * listener: its index, told to on_open. After ring_start. */
void sock_listen(struct sock *sock, uint32_t listener, int fd);
void sock_stop_listening(struct sock *sock);
/* What the user's accept_from_ns says may have changed. */
void sock_accept_anew(struct sock *sock);
/* True when no accept is under way any more. */
bool sock_stopped_listening(const struct sock *sock);

/* Takes one event of RING_OWNER_SOCKET. */
void sock_complete(struct sock *sock, const struct ring_event *event, uint64_t now_ns);

/* Once a turn. Returns the number of connections it did something for. */
uint32_t sock_turn(struct sock *sock, uint64_t now_ns);

/* When sock_turn has something to do by itself; 0 at once, UINT64_MAX never. */
uint64_t sock_next_deadline_ns(const struct sock *sock);

const struct sock_counters *sock_counters(const struct sock *sock);

/* True when no connection is open and every buffer and send is back. */
bool sock_idle(const struct sock *sock);

#endif
